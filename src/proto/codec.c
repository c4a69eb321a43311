#include "proto/codec.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include "proto/private.h"

int proto_unpack(const ProtobufCMessageDescriptor *type, const void *data, size_t len, size_t max_bytes,
    ProtobufCMessage **ret)
{
    if (len > max_bytes)
        return -EMSGSIZE;
    int err = proto_scan(type, data, len);
    if (err)
        return err;
    /* what the scan admits is well-formed for protobuf-c, so only memory can be wrong */
    ProtobufCMessage *m = protobuf_c_message_unpack(type, NULL, len, data);
    if (!m)
        return -ENOMEM;
    *ret = m;
    return 0;
}

int proto_pack(const ProtobufCMessage *m, uint8_t **ret, size_t *ret_len)
{
    size_t len = protobuf_c_message_get_packed_size(m);
    uint8_t *out = malloc(len ? len : 1);
    if (!out)
        return -ENOMEM;
    *ret_len = protobuf_c_message_pack(m, out);
    *ret = out;
    return 0;
}

void proto_free(ProtobufCMessage *m)
{
    protobuf_c_message_free_unpacked(m, NULL);
}

void proto_json_name(const char *name, char out[PROTO_NAME_MAX])
{
    size_t n = 0;
    bool up = false;
    for (; *name && n < PROTO_NAME_MAX - 1; name++) {
        if (*name == '_') {
            up = true;
            continue;
        }
        out[n++] = (char)(up && *name >= 'a' && *name <= 'z' ? *name - 'a' + 'A' : *name);
        up = false;
    }
    out[n] = '\0';
}

/* protoc names the entry of `map<K, V> some_map` in message M "M.SomeMapEntry", and keeps that name for
 * itself. */
bool proto_field_is_map(const ProtobufCMessageDescriptor *type, const ProtobufCFieldDescriptor *f)
{
    if (f->label != PROTOBUF_C_LABEL_REPEATED || f->type != PROTOBUF_C_TYPE_MESSAGE)
        return false;
    const ProtobufCMessageDescriptor *entry = f->descriptor;
    size_t outer = strlen(type->name);
    if (entry->n_fields != 2 || strcmp(entry->fields[0].name, "key") ||
        strcmp(entry->fields[1].name, "value") || strncmp(entry->name, type->name, outer) ||
        entry->name[outer] != '.')
        return false;
    char camel[PROTO_NAME_MAX];
    proto_json_name(f->name, camel);
    if (camel[0] >= 'a' && camel[0] <= 'z')
        camel[0] = (char)(camel[0] - 'a' + 'A');
    const char *inner = entry->name + outer + 1;
    size_t n = strlen(camel);
    return strncmp(inner, camel, n) == 0 && strcmp(inner + n, "Entry") == 0;
}

size_t proto_value_size(ProtobufCType type)
{
    switch (type) {
    case PROTOBUF_C_TYPE_INT64:
    case PROTOBUF_C_TYPE_UINT64:
    case PROTOBUF_C_TYPE_SINT64:
    case PROTOBUF_C_TYPE_FIXED64:
    case PROTOBUF_C_TYPE_SFIXED64:
    case PROTOBUF_C_TYPE_DOUBLE:
        return sizeof(uint64_t);
    case PROTOBUF_C_TYPE_BOOL:
        return sizeof(protobuf_c_boolean);
    case PROTOBUF_C_TYPE_STRING:
    case PROTOBUF_C_TYPE_MESSAGE:
        return sizeof(void *);
    case PROTOBUF_C_TYPE_BYTES:
        return sizeof(ProtobufCBinaryData);
    default: /* 32-bit numbers and enums */
        return sizeof(uint32_t);
    }
}
