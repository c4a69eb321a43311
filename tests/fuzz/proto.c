// link: proto
/* The codec. First byte: the message type and the encoding; the rest: wire or JSON. What is taken must come
 * back the same from the wire, and from JSON where JSON can say it; what the scan admits, protobuf-c must
 * take. */
#include <errno.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include "base/strbuf.h"
#include "proto/codec.h"
#include "proto/data.pb-c.h"
#include "proto/private.h"
#include "proto/room_service.pb-c.h"
#include "proto/signal.pb-c.h"
#include "support/fuzz.h"

#define MAX (4 * 1024 * 1024)
static const ProtobufCMessageDescriptor *const types[] = {
    &livekit__signal_request__descriptor,
    &livekit__signal_response__descriptor,
    &livekit__data_packet__descriptor,
    &livekit__join_request__descriptor,
    &livekit__create_room_request__descriptor,
    &livekit__update_participant_request__descriptor,
    &livekit__send_data_request__descriptor,
    &livekit__metrics_batch__descriptor,
};

/* Encoded once, a message comes back byte for byte however often it is decoded. */
static void check_wire(const ProtobufCMessage *m)
{
    uint8_t *first, *second;
    size_t n, k;
    ProtobufCMessage *again;
    CHECK(proto_pack(m, &first, &n) == 0);
    CHECK(proto_unpack(m->descriptor, first, n, MAX, &again) == 0);
    CHECK(proto_pack(again, &second, &k) == 0);
    CHECK(n == k && memcmp(first, second, n) == 0);
    proto_free(again);
    free(second);
    free(first);
}

/* JSON of JSON is the same text. */
static void check_json(const ProtobufCMessage *m, enum proto_json_style style)
{
    char *first = NULL, *second;
    size_t n, k;
    ProtobufCMessage *again;
    int err = proto_to_json(m, style, &first, &n);
    CHECK(err == 0 || !first); /* a Timestamp out of range has no JSON */
    if (err)
        return;
    CHECK(strlen(first) == n && text_is_utf8(first, n));
    err = proto_from_json(m->descriptor, first, n, MAX, &again);
    if (err == 0) {
        CHECK(proto_to_json(again, style, &second, &k) == 0);
        CHECK(n == k && memcmp(first, second, n) == 0);
        free(second);
        proto_free(again);
    } else {
        CHECK(err == -EMSGSIZE); /* more values than a client may send */
    }
    free(first);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
    if (len == 0)
        return 0;
    const ProtobufCMessageDescriptor *type = types[data[0] & 7];
    bool json = data[0] & 0x80;
    ProtobufCMessage *m = NULL;
    int err = json ? proto_from_json(type, (const char *)data + 1, len - 1, MAX, &m)
                   : proto_unpack(type, data + 1, len - 1, MAX, &m);
    CHECK(err == 0 ? m != NULL : m == NULL);
    CHECK(err == 0 || err == -EBADMSG || err == -EILSEQ || err == -EMSGSIZE);
    if (err)
        return 0;
    check_wire(m);
    check_json(m, data[0] & 0x40 ? PROTO_JSON_TWIRP : PROTO_JSON_SIGNAL);
    proto_free(m);
    return 0;
}
