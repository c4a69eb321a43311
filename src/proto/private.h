/* What the parts of the codec share. */
#ifndef PROTO_PRIVATE_H
#define PROTO_PRIVATE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <protobuf-c/protobuf-c.h>
#include "proto/timestamp.pb-c.h"

/* Walks a wire message before protobuf-c sees it: 0, -EBADMSG, -EILSEQ or -EMSGSIZE as in codec.h. What
 * passes, protobuf-c takes, within PROTO_MEMORY_MAX. */
int proto_scan(const ProtobufCMessageDescriptor *type, const void *data, size_t len);

#define PROTO_NAME_MAX 64 /* bytes of a field's name with the zero; the longest is 39 */

/* The lowerCamelCase form of a field's name. */
void proto_json_name(const char *name, char out[PROTO_NAME_MAX]);

/* Is this field a map? protobuf-c makes it a repeated message of key (1) and value (2). */
bool proto_field_is_map(const ProtobufCMessageDescriptor *type, const ProtobufCFieldDescriptor *f);

/* Bytes of one value of a type inside a struct or an array. */
size_t proto_value_size(ProtobufCType type);

static inline bool proto_field_in_oneof(const ProtobufCFieldDescriptor *f)
{
    return (f->flags & PROTOBUF_C_FIELD_FLAG_ONEOF) != 0;
}

static inline bool proto_is_timestamp(const ProtobufCMessageDescriptor *type)
{
    return type == &google__protobuf__timestamp__descriptor;
}

/* RFC 3339 <-> seconds since 1970 and nanoseconds (proto3 JSON: years 1 to 9999; 0, 3, 6 or 9 digits). */
#define PROTO_TIMESTAMP_MAX 32 /* "9999-12-31T23:59:59.999999999Z" with the zero */
int proto_timestamp_print(int64_t seconds, int32_t nanos, char out[PROTO_TIMESTAMP_MAX]); /* 0 or -ERANGE */
int proto_timestamp_parse(const char *text, int64_t *ret_seconds, int32_t *ret_nanos);    /* 0 or -EBADMSG */

#endif
