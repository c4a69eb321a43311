// link: proto
/* The join_request parameter of a URL. What is taken must come back from the wire. */
#include <errno.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include "base/limits.h"
#include "proto/codec.h"
#include "proto/join_request.h"
#include "support/fuzz.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
    char *value = malloc(len + 1);
    if (!value)
        return 0;
    memcpy(value, data, len);
    value[len] = '\0';
    Livekit__JoinRequest *r = NULL;
    const char *text = NULL;
    int err = proto_join_request_decode(value, &r, &text);
    free(value);
    if (err ? err != -EINVAL || r || !text : !r || text)
        abort();
    if (err)
        return 0;
    uint8_t *wire;
    size_t wire_len;
    ProtobufCMessage *again;
    if (proto_pack(&r->base, &wire, &wire_len) ||
        proto_unpack(r->base.descriptor, wire, wire_len, 2 * PROTO_JOIN_REQUEST_MAX, &again))
        abort();
    proto_free(again);
    free(wire);
    proto_free(&r->base);
    return 0;
}
