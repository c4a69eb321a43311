/* Proto3 JSON to structs. */
#include "proto/codec.h"

#include <errno.h>
#include <float.h>
#include <inttypes.h>
#include <jansson.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include "base/limits.h"
#include "base/strbuf.h"
#include "proto/base64.h"
#include "proto/private.h"

/* A value was left out: a name that an enum does not have. Not an error. */
#define SKIPPED 1

static int read_message(const ProtobufCMessageDescriptor *type, const json_t *j, ProtobufCMessage **ret);

/* ---- numbers ---- */

/* An integer from its decimal text. */
static int integer_of_text(const char *s, bool *ret_negative, uint64_t *ret)
{
    bool negative = *s == '-';
    uint64_t v = 0;
    s += negative;
    if (!*s)
        return -EBADMSG;
    for (; *s; s++) {
        if (*s < '0' || *s > '9' || v > (UINT64_MAX - (uint64_t)(*s - '0')) / 10)
            return -EBADMSG;
        v = v * 10 + (uint64_t)(*s - '0');
    }
    *ret_negative = negative && v;
    *ret = v;
    return 0;
}

/* A number from text that must hold nothing else; strtod alone would take blanks and hexadecimal. */
static int double_of_text(const char *s, double *ret)
{
    if (!*s || s[strspn(s, "0123456789+-.eE")])
        return -EBADMSG;
    char *end;
    double v = strtod(s, &end);
    if (*end || !isfinite(v))
        return -EBADMSG;
    *ret = v;
    return 0;
}

/* A whole number written as 1.0 or 1e3. */
static int integer_of_double(double v, bool *ret_negative, uint64_t *ret)
{
    if (v != floor(v) || fabs(v) >= 18446744073709551616.0)
        return -EBADMSG;
    *ret_negative = v < 0;
    *ret = (uint64_t)fabs(v);
    return 0;
}

/* Any form an integer may have in JSON: sign and magnitude. */
static int read_integer(const json_t *j, bool *ret_negative, uint64_t *ret)
{
    if (json_is_integer(j)) {
        json_int_t v = json_integer_value(j);
        *ret_negative = v < 0;
        *ret = v < 0 ? 0 - (uint64_t)v : (uint64_t)v;
        return 0;
    }
    if (json_is_real(j))
        return integer_of_double(json_real_value(j), ret_negative, ret);
    if (!json_is_string(j))
        return -EBADMSG;
    double v;
    const char *s = json_string_value(j);
    if (integer_of_text(s, ret_negative, ret) == 0)
        return 0;
    return !s[strcspn(s, ".eE")] || double_of_text(s, &v) ? -EBADMSG
                                                          : integer_of_double(v, ret_negative, ret);
}

static int read_signed(const json_t *j, uint64_t max, int64_t *ret)
{
    bool negative;
    uint64_t v;
    int err = read_integer(j, &negative, &v);
    if (err)
        return err;
    if (v > max + negative)
        return -EBADMSG;
    *ret = negative ? (int64_t)(0 - v) : (int64_t)v;
    return 0;
}

static int read_unsigned(const json_t *j, uint64_t max, uint64_t *ret)
{
    bool negative;
    int err = read_integer(j, &negative, ret);
    return err ? err : negative || *ret > max ? -EBADMSG : 0;
}

static int read_double(const json_t *j, double *ret)
{
    if (json_is_number(j)) {
        *ret = json_number_value(j);
        return 0;
    }
    const char *s = json_string_value(j);
    if (!s)
        return -EBADMSG;
    if (strcmp(s, "NaN") == 0)
        *ret = (double)NAN;
    else if (strcmp(s, "Infinity") == 0)
        *ret = (double)INFINITY;
    else if (strcmp(s, "-Infinity") == 0)
        *ret = -(double)INFINITY;
    else
        return double_of_text(s, ret);
    return 0;
}

/* ---- single values ---- */

static int read_float(const json_t *j, float *ret)
{
    double v;
    int err = read_double(j, &v);
    if (err)
        return err;
    if (isfinite(v) && !isfinite((float)v))
        return -EBADMSG;
    *ret = (float)v;
    return 0;
}

static int read_enum(const ProtobufCEnumDescriptor *type, const json_t *j, int *ret)
{
    if (json_is_string(j)) {
        const ProtobufCEnumValue *v =
            protobuf_c_enum_descriptor_get_value_by_name(type, json_string_value(j));
        if (!v)
            return SKIPPED;
        *ret = v->value;
        return 0;
    }
    int64_t v;
    if (!json_is_number(j) || read_signed(j, INT32_MAX, &v))
        return -EBADMSG;
    *ret = (int)v;
    return 0;
}

static int read_bytes(const json_t *j, ProtobufCBinaryData *ret)
{
    if (!json_is_string(j))
        return -EBADMSG;
    size_t len = json_string_length(j), n;
    uint8_t *data = malloc(proto_base64_decoded_size(len));
    if (!data)
        return -ENOMEM;
    int err = proto_base64_decode(json_string_value(j), len, data, &n);
    if (err || n == 0) {
        free(data);
        data = NULL;
    }
    if (!err)
        *ret = (ProtobufCBinaryData){.data = data, .len = n};
    return err;
}

static int read_string(const json_t *j, char **ret)
{
    if (!json_is_string(j))
        return -EBADMSG;
    char *s = strdup(json_string_value(j));
    if (!s)
        return -ENOMEM;
    *ret = s;
    return 0;
}

/* Writes the value of j to p, which holds nothing yet. 0, SKIPPED or an error; p is untouched unless 0. */
static int read_value(const ProtobufCFieldDescriptor *f, const json_t *j, void *p)
{
    int64_t i;
    uint64_t u;
    int err;
    switch (f->type) {
    case PROTOBUF_C_TYPE_INT32:
    case PROTOBUF_C_TYPE_SINT32:
    case PROTOBUF_C_TYPE_SFIXED32:
        if ((err = read_signed(j, INT32_MAX, &i)) == 0)
            *(int32_t *)p = (int32_t)i;
        return err;
    case PROTOBUF_C_TYPE_UINT32:
    case PROTOBUF_C_TYPE_FIXED32:
        if ((err = read_unsigned(j, UINT32_MAX, &u)) == 0)
            *(uint32_t *)p = (uint32_t)u;
        return err;
    case PROTOBUF_C_TYPE_INT64:
    case PROTOBUF_C_TYPE_SINT64:
    case PROTOBUF_C_TYPE_SFIXED64:
        return read_signed(j, INT64_MAX, p);
    case PROTOBUF_C_TYPE_UINT64:
    case PROTOBUF_C_TYPE_FIXED64:
        if ((err = read_unsigned(j, UINT64_MAX, &u)) == 0)
            *(uint64_t *)p = u;
        return err;
    case PROTOBUF_C_TYPE_FLOAT:
        return read_float(j, p);
    case PROTOBUF_C_TYPE_DOUBLE:
        return read_double(j, p);
    case PROTOBUF_C_TYPE_BOOL:
        if (!json_is_boolean(j))
            return -EBADMSG;
        *(protobuf_c_boolean *)p = json_is_true(j);
        return 0;
    case PROTOBUF_C_TYPE_ENUM:
        return read_enum(f->descriptor, j, p);
    case PROTOBUF_C_TYPE_STRING:
        return read_string(j, p);
    case PROTOBUF_C_TYPE_BYTES:
        return read_bytes(j, p);
    case PROTOBUF_C_TYPE_MESSAGE:
        return read_message(f->descriptor, j, p);
    }
    return -EBADMSG;
}

/* ---- repeated fields ---- */

/* Sets the array of a repeated field to n empty places; the count stays 0, so that a half-read one can be
 * freed. */
static void *new_array(ProtobufCMessage *m, const ProtobufCFieldDescriptor *f, size_t n)
{
    void *at = calloc(n, proto_value_size(f->type));
    if (at)
        *(void **)((char *)m + f->offset) = at;
    return at;
}

static int read_array(ProtobufCMessage *m, const ProtobufCFieldDescriptor *f, const json_t *j)
{
    size_t *count = (size_t *)((char *)m + f->quantifier_offset), n = json_array_size(j);
    if (!json_is_array(j))
        return -EBADMSG;
    if (n == 0)
        return 0;
    char *at = new_array(m, f, n);
    if (!at)
        return -ENOMEM;
    for (size_t i = 0; i < n; i++) {
        int err = read_value(f, json_array_get(j, i), at + *count * proto_value_size(f->type));
        if (err < 0)
            return err;
        if (err != SKIPPED)
            (*count)++;
    }
    return 0;
}

/* A map's key, which is text in JSON whatever its type. */
static int read_key(const ProtobufCFieldDescriptor *f, const char *key, void *p)
{
    json_t *j = f->type != PROTOBUF_C_TYPE_BOOL ? json_string(key)
                : strcmp(key, "true") == 0      ? json_true()
                : strcmp(key, "false") == 0     ? json_false()
                                                : NULL;
    int err = j ? read_value(f, j, p) : f->type == PROTOBUF_C_TYPE_BOOL ? -EBADMSG : -ENOMEM;
    json_decref(j);
    return err;
}

static int read_entry(
    const ProtobufCMessageDescriptor *type, const char *key, const json_t *value, ProtobufCMessage **ret)
{
    ProtobufCMessage *m = calloc(1, type->sizeof_message);
    if (!m)
        return -ENOMEM;
    protobuf_c_message_init(type, m);
    int err = read_key(&type->fields[0], key, (char *)m + type->fields[0].offset);
    if (!err)
        err = read_value(&type->fields[1], value, (char *)m + type->fields[1].offset);
    if (err) {
        proto_free(m);
        return err;
    }
    *ret = m;
    return 0;
}

static int read_map(ProtobufCMessage *m, const ProtobufCFieldDescriptor *f, json_t *j)
{
    size_t *count = (size_t *)((char *)m + f->quantifier_offset), n = json_object_size(j);
    if (!json_is_object(j))
        return -EBADMSG;
    if (n == 0)
        return 0;
    ProtobufCMessage **at = new_array(m, f, n);
    if (!at)
        return -ENOMEM;
    const char *key;
    json_t *value;
    json_object_foreach(j, key, value)
    {
        int err = read_entry(f->descriptor, key, value, &at[*count]);
        if (err < 0)
            return err;
        if (err != SKIPPED)
            (*count)++;
    }
    return 0;
}

/* ---- messages ---- */

static bool name_matches(const char *name, const char *key)
{
    char camel[PROTO_NAME_MAX];
    if (strcmp(name, key) == 0)
        return true;
    proto_json_name(name, camel);
    return strcmp(camel, key) == 0;
}

static const ProtobufCFieldDescriptor *field_by_key(const ProtobufCMessageDescriptor *type, const char *key)
{
    for (unsigned i = 0; i < type->n_fields; i++)
        if (name_matches(type->fields[i].name, key))
            return &type->fields[i];
    return NULL;
}

static int read_field(ProtobufCMessage *m, const ProtobufCFieldDescriptor *f, json_t *j)
{
    char *base = (char *)m;
    if (f->label == PROTOBUF_C_LABEL_REPEATED)
        return proto_field_is_map(m->descriptor, f) ? read_map(m, f, j) : read_array(m, f, j);
    if (!proto_field_in_oneof(f))
        return read_value(f, j, base + f->offset);
    uint32_t *selected = (uint32_t *)(base + f->quantifier_offset);
    if (*selected)
        return -EBADMSG;
    int err = read_value(f, j, base + f->offset);
    if (err == 0)
        *selected = f->id;
    return err;
}

/* Both names of one field: jansson sees only names that are equal. */
static bool given_twice(const json_t *j, const ProtobufCFieldDescriptor *f)
{
    char camel[PROTO_NAME_MAX];
    proto_json_name(f->name, camel);
    return strcmp(f->name, camel) && json_object_get(j, f->name) && json_object_get(j, camel);
}

static int read_fields(ProtobufCMessage *m, json_t *j)
{
    const char *key;
    json_t *value;
    json_object_foreach(j, key, value)
    {
        const ProtobufCFieldDescriptor *f = field_by_key(m->descriptor, key);
        if (!f || json_is_null(value))
            continue;
        if (given_twice(j, f))
            return -EBADMSG;
        int err = read_field(m, f, value);
        if (err < 0)
            return err;
    }
    return 0;
}

static int read_timestamp(Google__Protobuf__Timestamp *t, const json_t *j)
{
    if (!json_is_string(j))
        return -EBADMSG;
    return proto_timestamp_parse(json_string_value(j), &t->seconds, &t->nanos);
}

static int read_message(const ProtobufCMessageDescriptor *type, const json_t *j, ProtobufCMessage **ret)
{
    ProtobufCMessage *m = calloc(1, type->sizeof_message);
    if (!m)
        return -ENOMEM;
    protobuf_c_message_init(type, m);
    int err = proto_is_timestamp(type) ? read_timestamp((Google__Protobuf__Timestamp *)m, j)
              : json_is_object(j)      ? read_fields(m, (json_t *)j)
                                       : -EBADMSG;
    if (err) {
        proto_free(m);
        return err;
    }
    *ret = m;
    return 0;
}

/* Bounds what jansson will build, before it does: depth, and the number of values. */
static int check_extent(const char *text, size_t len)
{
    size_t values = 1, depth = 0;
    bool quoted = false;
    for (size_t i = 0; i < len; i++) {
        char c = text[i];
        if (quoted) {
            i += c == '\\';
            quoted = c != '"';
        } else if (c == '"') {
            quoted = true;
        } else if (c == '{' || c == '[') {
            values++;
            if (++depth > PROTO_JSON_DEPTH_MAX)
                return -EMSGSIZE;
        } else if (c == '}' || c == ']') {
            depth -= depth > 0;
        } else if (c == ',' && ++values > PROTO_JSON_VALUES_MAX) {
            return -EMSGSIZE;
        }
    }
    return values > PROTO_JSON_VALUES_MAX ? -EMSGSIZE : 0;
}

static int parse_error(const json_error_t *e)
{
    switch (json_error_code(e)) {
    case json_error_out_of_memory:
    case json_error_unknown: /* jansson gives no reason only where an allocation of its own failed */
        return -ENOMEM;
    case json_error_invalid_utf8:
    case json_error_null_character:
    case json_error_null_byte_in_key:
        return -EILSEQ;
    default:
        return -EBADMSG;
    }
}

int proto_from_json(const ProtobufCMessageDescriptor *type, const char *text, size_t len, size_t max_bytes,
    ProtobufCMessage **ret)
{
    if (len > max_bytes)
        return -EMSGSIZE;
    if (!text_is_utf8(text, len))
        return -EILSEQ;
    int err = check_extent(text, len);
    if (err)
        return err;
    json_error_t why = {0};
    json_t *j = json_loadb(text, len, JSON_REJECT_DUPLICATES | JSON_DECODE_ANY, &why);
    if (!j)
        return parse_error(&why);
    err = read_message(type, j, ret);
    json_decref(j);
    return err;
}
