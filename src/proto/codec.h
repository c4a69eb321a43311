/* The codec of every message in src/proto/\*.proto, driven by the descriptors that protoc-c generates: bytes
 * of the wire <-> structs <-> proto3 JSON.
 *
 * A generated struct starts with a ProtobufCMessage: hand it in as &m->base; what comes out is cast to its
 * own type:
 *
 *     ProtobufCMessage *m;
 *     int err = proto_unpack(&livekit__signal_request__descriptor, data, len, max, &m);
 *     Livekit__SignalRequest *req = (Livekit__SignalRequest *)m;
 *     ...
 *     proto_free(m);
 *
 * Nothing here keeps state: any thread. Errors of decoding: -EMSGSIZE the message is too large, too deep, or
 * would take more than PROTO_MEMORY_MAX; -EILSEQ a text is not UTF-8 or holds a NUL (a C string would be cut
 * there); -EBADMSG malformed in any other way; -ENOMEM. */
#ifndef PROTO_CODEC_H
#define PROTO_CODEC_H

#include <stddef.h>
#include <stdint.h>
#include <protobuf-c/protobuf-c.h>

/* Decodes len bytes of the wire format, at most max_bytes. The message is the caller's to proto_free. Unknown
 * fields are kept and written again by proto_pack. Stricter than protobuf asks in one thing: a singular
 * message field that is given twice is refused instead of merged (no encoder writes it; protobuf-c merges
 * wrongly, in quadratic time). */
int proto_unpack(const ProtobufCMessageDescriptor *type, const void *data, size_t len, size_t max_bytes,
    ProtobufCMessage **ret);

/* Encodes a message, given by the caller or decoded here. *ret is the caller's to free, never NULL. Elements
 * of repeated fields, and the selected messages of oneofs, must not be NULL. 0 or -ENOMEM. */
int proto_pack(const ProtobufCMessage *m, uint8_t **ret, size_t *ret_len);

/* Frees a message that proto_unpack or proto_from_json made; NULL is allowed. */
void proto_free(ProtobufCMessage *m);

enum proto_json_style {
    PROTO_JSON_SIGNAL, /* lowerCamelCase names, defaults left out: text frames, webhooks */
    PROTO_JSON_TWIRP,  /* the fields' own snake_case names, defaults written, absent messages null: the server
                          API */
};

/* The proto3 JSON of a message: enums by name (by number if unknown), 64-bit integers as strings, bytes in
 * base64, maps as objects (sorted; the last of two equal keys counts), unknown fields left out. *ret is
 * zero-terminated and the caller's to free; ret_len may be NULL. 0, -EILSEQ when a string of the message is
 * not UTF-8, -ERANGE for a Timestamp outside the years 1 to 9999, or -ENOMEM. */
int proto_to_json(const ProtobufCMessage *m, enum proto_json_style style, char **ret, size_t *ret_len);

/* Decodes len bytes of proto3 JSON, at most max_bytes. Fields by either name; null is absent; unknown fields
 * and enum names are ignored; a field given twice, also by both its names, and two members of a oneof are
 * malformed. Numbers (not texts) above INT64_MAX or beyond a double are malformed wherever they stand, for
 * jansson holds none. */
int proto_from_json(const ProtobufCMessageDescriptor *type, const char *text, size_t len, size_t max_bytes,
    ProtobufCMessage **ret);

#endif
