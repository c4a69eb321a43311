/* The wire format, walked before protobuf-c unpacks it. protobuf-c 1.4.1 keeps no length of a string, so a
 * NUL in it could not be seen afterwards; it checks no UTF-8; it takes field number 0; and it lets two bytes
 * of input (an empty message in a repeated field) become a few hundred bytes of memory. */
#include "proto/private.h"

#include <errno.h>
#include "base/cursor.h"
#include "base/limits.h"
#include "base/strbuf.h"

enum wire_type { WIRE_VARINT = 0, WIRE_64BIT = 1, WIRE_BYTES = 2, WIRE_32BIT = 5 };

#define FIELD_NUMBER_MAX 0x1fffffffu
#define ALLOC_OVERHEAD   16 /* bytes that malloc adds to a block */
#define SCANNED_MEMBER                                                                                       \
    64 /* bytes protobuf-c notes for a field while it unpacks: 32, in tables that double                     \
        */
#define SEEN_FIELDS_MAX 128

struct scan {
    size_t memory; /* bytes that protobuf-c will allocate */
};

static int scan_message(
    struct scan *s, const ProtobufCMessageDescriptor *type, struct cursor c, unsigned depth);

/* A varint of at most max bytes. */
static bool take_varint(struct cursor *c, unsigned max, uint64_t *ret)
{
    uint64_t v = 0;
    for (unsigned i = 0; i < max; i++) {
        uint8_t b = cursor_u8(c);
        if (c->bad)
            return false;
        v |= (uint64_t)(b & 0x7f) << (7 * i);
        if (!(b & 0x80)) {
            *ret = v;
            return true;
        }
    }
    return false;
}

static enum wire_type wire_type_of(ProtobufCType type)
{
    switch (type) {
    case PROTOBUF_C_TYPE_FIXED32:
    case PROTOBUF_C_TYPE_SFIXED32:
    case PROTOBUF_C_TYPE_FLOAT:
        return WIRE_32BIT;
    case PROTOBUF_C_TYPE_FIXED64:
    case PROTOBUF_C_TYPE_SFIXED64:
    case PROTOBUF_C_TYPE_DOUBLE:
        return WIRE_64BIT;
    case PROTOBUF_C_TYPE_STRING:
    case PROTOBUF_C_TYPE_BYTES:
    case PROTOBUF_C_TYPE_MESSAGE:
        return WIRE_BYTES;
    default:
        return WIRE_VARINT;
    }
}

/* Numbers of a repeated field in one block. */
static int scan_packed(struct scan *s, ProtobufCType type, struct cursor c)
{
    size_t len = cursor_left(&c);
    switch (wire_type_of(type)) {
    case WIRE_32BIT:
        return len % 4 ? -EBADMSG : 0; /* the bytes are counted with the field already */
    case WIRE_64BIT:
        return len % 8 ? -EBADMSG : 0;
    default:
        s->memory += len * 8;
        while (cursor_left(&c)) {
            uint64_t v;
            if (!take_varint(&c, 10, &v))
                return -EBADMSG;
        }
        return 0;
    }
}

static int scan_bytes(struct scan *s, const ProtobufCFieldDescriptor *f, struct cursor body, unsigned depth)
{
    switch (f->type) {
    case PROTOBUF_C_TYPE_STRING:
        return text_is_utf8((const char *)body.p, cursor_left(&body)) ? 0 : -EILSEQ;
    case PROTOBUF_C_TYPE_BYTES:
        return 0;
    case PROTOBUF_C_TYPE_MESSAGE:
        return scan_message(s, f->descriptor, body, depth + 1);
    default:
        return f->label == PROTOBUF_C_LABEL_REPEATED ? scan_packed(s, f->type, body) : -EBADMSG;
    }
}

/* The value of a field; f is NULL for an unknown one. */
static int scan_value(
    struct scan *s, const ProtobufCFieldDescriptor *f, unsigned wire, struct cursor *c, unsigned depth)
{
    uint64_t v;
    bool packed = f && f->label == PROTOBUF_C_LABEL_REPEATED && wire == WIRE_BYTES;
    if (f && wire != wire_type_of(f->type) && !packed)
        return -EBADMSG;
    switch (wire) {
    case WIRE_VARINT:
        return take_varint(c, 10, &v) ? 0 : -EBADMSG;
    case WIRE_64BIT:
        cursor_skip(c, 8);
        return c->bad ? -EBADMSG : 0;
    case WIRE_32BIT:
        cursor_skip(c, 4);
        return c->bad ? -EBADMSG : 0;
    case WIRE_BYTES: {
        if (!take_varint(c, 5, &v) || v > cursor_left(c))
            return -EBADMSG;
        struct cursor body = cursor_sub(c, (size_t)v);
        s->memory += (size_t)v + ALLOC_OVERHEAD;
        return f ? scan_bytes(s, f, body, depth) : 0;
    }
    default: /* groups, which proto3 does not have */
        return -EBADMSG;
    }
}

/* Counts a singular message field: false if it was there before. */
static bool first_time(
    const ProtobufCMessageDescriptor *type, const ProtobufCFieldDescriptor *f, uint64_t *seen)
{
    if (f->type != PROTOBUF_C_TYPE_MESSAGE || f->label == PROTOBUF_C_LABEL_REPEATED)
        return true;
    size_t i = (size_t)(f - type->fields);
    if (i >= SEEN_FIELDS_MAX || (seen[i / 64] >> (i % 64) & 1))
        return false;
    seen[i / 64] |= 1ull << (i % 64);
    return true;
}

static int scan_message(
    struct scan *s, const ProtobufCMessageDescriptor *type, struct cursor c, unsigned depth)
{
    uint64_t seen[SEEN_FIELDS_MAX / 64] = {0};
    if (depth > PROTO_DEPTH_MAX)
        return -EMSGSIZE;
    s->memory += type->sizeof_message + ALLOC_OVERHEAD;
    while (cursor_left(&c)) {
        uint64_t key;
        if (!take_varint(&c, 5, &key) || key >> 3 == 0 || key >> 3 > FIELD_NUMBER_MAX)
            return -EBADMSG;
        const ProtobufCFieldDescriptor *f =
            protobuf_c_message_descriptor_get_field(type, (unsigned)(key >> 3));
        s->memory += SCANNED_MEMBER;
        if (!f)
            s->memory += sizeof(ProtobufCMessageUnknownField) + ALLOC_OVERHEAD + 10;
        else if (f->label == PROTOBUF_C_LABEL_REPEATED)
            s->memory += proto_value_size(f->type);
        if (f && !first_time(type, f, seen))
            return -EBADMSG;
        int err = scan_value(s, f, (unsigned)(key & 7), &c, depth);
        if (err)
            return err;
        if (s->memory > PROTO_MEMORY_MAX)
            return -EMSGSIZE;
    }
    return 0;
}

int proto_scan(const ProtobufCMessageDescriptor *type, const void *data, size_t len)
{
    struct scan s = {0};
    return scan_message(&s, type, cursor_of(data, len), 1);
}
