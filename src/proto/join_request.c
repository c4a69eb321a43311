#include "proto/join_request.h"

#include <errno.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <zlib.h>
#include "base/limits.h"
#include "proto/base64.h"
#include "proto/codec.h"

#define GZIP_WINDOW_BITS (15 + 16) /* the largest window; a gzip header, no other */
#define INFLATE_FIRST    16384     /* bytes: most join requests fit, so that few grow the buffer */

static const char too_large[] = "join request too large";
static const char out_of_memory[] = "out of memory";

/* A wrapper holds its request and a few bytes; base64 makes 4 characters of 3 bytes. */
#define VALUE_MAX (proto_base64_encoded_size(PROTO_JOIN_REQUEST_MAX + 64))

struct bytes {
    uint8_t *data;
    size_t len;
};

/* Doubles a buffer's size, up to one byte more than is allowed: filling that one shows that there was too
 * much. */
static bool grow(struct bytes *b, size_t *cap)
{
    size_t size = *cap ? *cap * 2 : INFLATE_FIRST;
    if (size > PROTO_JOIN_REQUEST_MAX + 1)
        size = PROTO_JOIN_REQUEST_MAX + 1;
    uint8_t *data = realloc(b->data, size);
    if (!data)
        return false;
    b->data = data;
    *cap = size;
    return true;
}

/* Inflates all of z's input. 0, -EMSGSIZE, -EBADMSG or -ENOMEM; out->data is the caller's to free in any
 * case. */
static int inflate_all(z_stream *z, struct bytes *out)
{
    size_t cap = 0;
    for (;;) {
        if (out->len == cap && !grow(out, &cap))
            return -ENOMEM;
        z->next_out = out->data + out->len;
        z->avail_out = (uInt)(cap - out->len);
        int status = inflate(z, Z_NO_FLUSH);
        out->len = cap - z->avail_out;
        if (out->len > PROTO_JOIN_REQUEST_MAX)
            return -EMSGSIZE;
        if (status == Z_STREAM_END)
            return z->avail_in ? -EBADMSG : 0;
        if (status == Z_MEM_ERROR)
            return -ENOMEM;
        if (status != Z_OK || z->avail_out) /* room left, but no end: the input is cut short */
            return -EBADMSG;
    }
}

static int gunzip(const ProtobufCBinaryData *in, struct bytes *out)
{
    z_stream z = {.next_in = in->data, .avail_in = (uInt)in->len};
    if (inflateInit2(&z, GZIP_WINDOW_BITS) != Z_OK)
        return -ENOMEM;
    int err = inflate_all(&z, out);
    inflateEnd(&z);
    return err;
}

/* The result for the caller, and its text, of a step that failed. */
static int refuse(int err, const char *malformed, const char **ret_text)
{
    *ret_text = err == -ENOMEM ? out_of_memory : err == -EMSGSIZE ? too_large : malformed;
    return err == -ENOMEM ? -ENOMEM : -EINVAL;
}

static int decode_request(const void *data, size_t len, Livekit__JoinRequest **ret, const char **ret_text)
{
    ProtobufCMessage *m;
    int err = proto_unpack(&livekit__join_request__descriptor, data, len, PROTO_JOIN_REQUEST_MAX, &m);
    if (err)
        return refuse(err, "cannot unmarshal join request", ret_text);
    *ret = (Livekit__JoinRequest *)m;
    return 0;
}

static int unwrap(const Livekit__WrappedJoinRequest *w, Livekit__JoinRequest **ret, const char **ret_text)
{
    if (w->compression == LIVEKIT__WRAPPED_JOIN_REQUEST__COMPRESSION__NONE)
        return decode_request(w->join_request.data, w->join_request.len, ret, ret_text);
    if (w->compression != LIVEKIT__WRAPPED_JOIN_REQUEST__COMPRESSION__GZIP)
        return refuse(-EBADMSG, "cannot unmarshal wrapped join request", ret_text);
    struct bytes plain = {0};
    int err = gunzip(&w->join_request, &plain);
    if (err)
        err = refuse(err, "cannot read decompressed join request", ret_text);
    else
        err = decode_request(plain.data, plain.len, ret, ret_text);
    free(plain.data);
    return err;
}

int proto_join_request_decode(const char *value, Livekit__JoinRequest **ret, const char **ret_text)
{
    size_t len = value ? strlen(value) : 0, n;
    if (len == 0)
        return refuse(-EBADMSG, "join_request is required", ret_text);
    if (len > VALUE_MAX)
        return refuse(-EMSGSIZE, NULL, ret_text);
    uint8_t *wrapped = malloc(proto_base64_decoded_size(len));
    if (!wrapped)
        return refuse(-ENOMEM, NULL, ret_text);
    ProtobufCMessage *m = NULL;
    int err = proto_base64_decode(value, len, wrapped, &n);
    if (err) {
        err = refuse(err, "cannot base64 decode wrapped join request", ret_text);
        goto out;
    }
    err = proto_unpack(&livekit__wrapped_join_request__descriptor, wrapped, n, n, &m);
    if (err) {
        err = refuse(err, "cannot unmarshal wrapped join request", ret_text);
        goto out;
    }
    err = unwrap((Livekit__WrappedJoinRequest *)m, ret, ret_text);
out:
    proto_free(m);
    free(wrapped);
    return err;
}
