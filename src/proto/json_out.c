/* Structs to proto3 JSON. */
#include "proto/codec.h"

#include <errno.h>
#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "base/strbuf.h"
#include "proto/base64.h"
#include "proto/private.h"

struct json_out {
    struct strbuf text;
    enum proto_json_style style;
    int err; /* the first error */
};

static void put_message(struct json_out *o, const ProtobufCMessage *m);

static void put_string(struct json_out *o, const char *s)
{
    size_t len = s ? strlen(s) : 0, from = 0;
    if (!text_is_utf8(s ? s : "", len)) {
        o->err = o->err ? o->err : -EILSEQ;
        return;
    }
    strbuf_add(&o->text, "\"");
    for (size_t i = 0; i < len; i++) {
        unsigned char c = (unsigned char)s[i];
        if (c >= 0x20 && c != '"' && c != '\\')
            continue;
        strbuf_addn(&o->text, s + from, i - from);
        from = i + 1;
        if (c == '"' || c == '\\')
            strbuf_addf(&o->text, "\\%c", c);
        else if (c == '\n')
            strbuf_add(&o->text, "\\n");
        else if (c == '\r')
            strbuf_add(&o->text, "\\r");
        else
            strbuf_addf(&o->text, "\\u%04x", c);
    }
    strbuf_addn(&o->text, s ? s + from : "", len - from);
    strbuf_add(&o->text, "\"");
}

static void put_bytes(struct json_out *o, const ProtobufCBinaryData *b)
{
    size_t size = proto_base64_encoded_size(b->len);
    char *text = malloc(size);
    if (!text) {
        o->err = o->err ? o->err : -ENOMEM;
        return;
    }
    proto_base64_encode(b->data, b->len, text);
    strbuf_addf(&o->text, "\"%s\"", text);
    free(text);
}

static void put_enum(struct json_out *o, const ProtobufCEnumDescriptor *type, int value)
{
    const ProtobufCEnumValue *v = protobuf_c_enum_descriptor_get_value(type, value);
    if (v)
        strbuf_addf(&o->text, "\"%s\"", v->name);
    else
        strbuf_addf(&o->text, "%d", value);
}

/* The fewest digits that give the same double again. Floats are printed as doubles too: JavaScript reads a
 * number as a double, and one rounded to a float's digits can lie above the largest float. */
static void put_double(struct json_out *o, double v)
{
    char text[40];
    if (isnan(v)) {
        strbuf_add(&o->text, "\"NaN\"");
        return;
    }
    if (isinf(v)) {
        strbuf_add(&o->text, v > 0 ? "\"Infinity\"" : "\"-Infinity\"");
        return;
    }
    for (int digits = 15; digits <= 17; digits++) {
        snprintf(text, sizeof text, "%.*g", digits, v);
        if (strtod(text, NULL) == v)
            break;
    }
    strbuf_add(&o->text, text);
}

static void put_timestamp(struct json_out *o, const Google__Protobuf__Timestamp *t)
{
    char text[PROTO_TIMESTAMP_MAX];
    int err = proto_timestamp_print(t->seconds, t->nanos, text);
    if (err)
        o->err = o->err ? o->err : err;
    else
        strbuf_addf(&o->text, "\"%s\"", text);
}

/* One value at p, of the field's type. */
static void put_value(struct json_out *o, const ProtobufCFieldDescriptor *f, const void *p)
{
    switch (f->type) {
    case PROTOBUF_C_TYPE_INT32:
    case PROTOBUF_C_TYPE_SINT32:
    case PROTOBUF_C_TYPE_SFIXED32:
        strbuf_addf(&o->text, "%" PRId32, *(const int32_t *)p);
        break;
    case PROTOBUF_C_TYPE_UINT32:
    case PROTOBUF_C_TYPE_FIXED32:
        strbuf_addf(&o->text, "%" PRIu32, *(const uint32_t *)p);
        break;
    case PROTOBUF_C_TYPE_INT64:
    case PROTOBUF_C_TYPE_SINT64:
    case PROTOBUF_C_TYPE_SFIXED64:
        strbuf_addf(&o->text, "\"%" PRId64 "\"", *(const int64_t *)p);
        break;
    case PROTOBUF_C_TYPE_UINT64:
    case PROTOBUF_C_TYPE_FIXED64:
        strbuf_addf(&o->text, "\"%" PRIu64 "\"", *(const uint64_t *)p);
        break;
    case PROTOBUF_C_TYPE_FLOAT:
        put_double(o, (double)*(const float *)p);
        break;
    case PROTOBUF_C_TYPE_DOUBLE:
        put_double(o, *(const double *)p);
        break;
    case PROTOBUF_C_TYPE_BOOL:
        strbuf_add(&o->text, *(const protobuf_c_boolean *)p ? "true" : "false");
        break;
    case PROTOBUF_C_TYPE_ENUM:
        put_enum(o, f->descriptor, *(const int *)p);
        break;
    case PROTOBUF_C_TYPE_STRING:
        put_string(o, *(char *const *)p);
        break;
    case PROTOBUF_C_TYPE_BYTES:
        put_bytes(o, p);
        break;
    case PROTOBUF_C_TYPE_MESSAGE:
        put_message(o, *(ProtobufCMessage *const *)p);
        break;
    }
}

/* Keys are text in JSON. */
static void put_key(struct json_out *o, const ProtobufCFieldDescriptor *key, const void *p)
{
    bool quoted = key->type == PROTOBUF_C_TYPE_STRING || proto_value_size(key->type) == sizeof(uint64_t);
    if (!quoted)
        strbuf_add(&o->text, "\"");
    put_value(o, key, p);
    strbuf_add(&o->text, quoted ? ":" : "\":");
}

/* ---- maps ---- */

struct map_entry {
    const ProtobufCMessage *m;
    size_t index; /* in the message */
};

static const void *entry_part(const ProtobufCMessage *m, unsigned field)
{
    return (const char *)m + m->descriptor->fields[field].offset;
}

static int compare_keys(const ProtobufCMessage *a, const ProtobufCMessage *b)
{
    const ProtobufCFieldDescriptor *key = &a->descriptor->fields[0];
    const void *x = entry_part(a, 0), *y = entry_part(b, 0);
    if (key->type == PROTOBUF_C_TYPE_STRING)
        return strcmp(*(char *const *)x, *(char *const *)y);
    return memcmp(x, y, proto_value_size(key->type)); /* any order will do, as long as equal keys meet */
}

static int compare_entries(const void *a, const void *b)
{
    const struct map_entry *x = a, *y = b;
    int c = compare_keys(x->m, y->m);
    return c ? c : (x->index > y->index) - (x->index < y->index);
}

static void put_map(struct json_out *o, ProtobufCMessage *const *entries, size_t n)
{
    struct map_entry *sorted = calloc(n ? n : 1, sizeof *sorted);
    if (!sorted) {
        o->err = o->err ? o->err : -ENOMEM;
        return;
    }
    for (size_t i = 0; i < n; i++)
        sorted[i] = (struct map_entry){entries[i], i};
    qsort(sorted, n, sizeof *sorted, compare_entries);
    strbuf_add(&o->text, "{");
    const char *comma = "";
    for (size_t i = 0; i < n; i++) {
        const ProtobufCMessage *m = sorted[i].m;
        if (i + 1 < n && compare_keys(m, sorted[i + 1].m) == 0)
            continue; /* overwritten by a later entry */
        strbuf_add(&o->text, comma);
        put_key(o, &m->descriptor->fields[0], entry_part(m, 0));
        const ProtobufCFieldDescriptor *value = &m->descriptor->fields[1];
        if (value->type == PROTOBUF_C_TYPE_MESSAGE && !*(ProtobufCMessage *const *)entry_part(m, 1))
            strbuf_add(&o->text, "{}");
        else
            put_value(o, value, entry_part(m, 1));
        comma = ",";
    }
    strbuf_add(&o->text, "}");
    free(sorted);
}

/* ---- messages ---- */

static void put_repeated(struct json_out *o, const ProtobufCMessageDescriptor *type,
    const ProtobufCFieldDescriptor *f, size_t n, void *at)
{
    if (proto_field_is_map(type, f)) {
        put_map(o, at, n);
        return;
    }
    strbuf_add(&o->text, "[");
    for (size_t i = 0; i < n; i++) {
        if (i)
            strbuf_add(&o->text, ",");
        put_value(o, f, (const char *)at + i * proto_value_size(f->type));
    }
    strbuf_add(&o->text, "]");
}

/* Is a singular field at its default, so that it is left out? */
static bool is_default(const ProtobufCFieldDescriptor *f, const void *p)
{
    switch (f->type) {
    case PROTOBUF_C_TYPE_STRING:
        return !*(char *const *)p || !**(char *const *)p;
    case PROTOBUF_C_TYPE_BYTES:
        return ((const ProtobufCBinaryData *)p)->len == 0;
    case PROTOBUF_C_TYPE_MESSAGE:
        return !*(ProtobufCMessage *const *)p;
    case PROTOBUF_C_TYPE_FLOAT:
        return *(const float *)p == 0;
    case PROTOBUF_C_TYPE_DOUBLE:
        return *(const double *)p == 0;
    default:
        return proto_value_size(f->type) == 8 ? *(const uint64_t *)p == 0 : *(const uint32_t *)p == 0;
    }
}

/* Does the field appear? Members of a oneof do when they are selected, whatever their value. */
static bool is_written(const struct json_out *o, const ProtobufCMessage *m, const ProtobufCFieldDescriptor *f)
{
    const char *base = (const char *)m;
    if (proto_field_in_oneof(f))
        return *(const uint32_t *)(base + f->quantifier_offset) == f->id;
    if (o->style == PROTO_JSON_TWIRP)
        return true;
    if (f->label == PROTOBUF_C_LABEL_REPEATED)
        return *(const size_t *)(base + f->quantifier_offset) > 0;
    return !is_default(f, base + f->offset);
}

static void put_field(struct json_out *o, const ProtobufCMessage *m, const ProtobufCFieldDescriptor *f)
{
    const char *base = (const char *)m;
    char camel[PROTO_NAME_MAX];
    proto_json_name(f->name, camel);
    strbuf_addf(&o->text, "\"%s\":", o->style == PROTO_JSON_TWIRP ? f->name : camel);
    if (f->label == PROTOBUF_C_LABEL_REPEATED)
        put_repeated(o, m->descriptor, f, *(const size_t *)(base + f->quantifier_offset),
            *(void *const *)(base + f->offset));
    else if (f->type == PROTOBUF_C_TYPE_MESSAGE && is_default(f, base + f->offset))
        strbuf_add(&o->text, "null");
    else
        put_value(o, f, base + f->offset);
}

static void put_message(struct json_out *o, const ProtobufCMessage *m)
{
    if (proto_is_timestamp(m->descriptor)) {
        put_timestamp(o, (const Google__Protobuf__Timestamp *)m);
        return;
    }
    const char *comma = "";
    strbuf_add(&o->text, "{");
    for (unsigned i = 0; i < m->descriptor->n_fields; i++) {
        const ProtobufCFieldDescriptor *f = &m->descriptor->fields[i];
        if (!is_written(o, m, f))
            continue;
        strbuf_add(&o->text, comma);
        put_field(o, m, f);
        comma = ",";
    }
    strbuf_add(&o->text, "}");
}

int proto_to_json(const ProtobufCMessage *m, enum proto_json_style style, char **ret, size_t *ret_len)
{
    struct json_out o = {.style = style};
    put_message(&o, m);
    if (!o.err && !strbuf_ok(&o.text))
        o.err = -ENOMEM;
    if (o.err) {
        strbuf_done(&o.text);
        return o.err;
    }
    size_t len = o.text.len;
    char *text = strbuf_take(&o.text);
    if (!text)
        return -ENOMEM;
    if (ret_len)
        *ret_len = len;
    *ret = text;
    return 0;
}
