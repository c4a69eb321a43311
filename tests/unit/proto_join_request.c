/* The join_request parameter, and what is made of each way to get it wrong. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <zlib.h>
#include <cmocka.h>

#include "base/limits.h"
#include "base/rand.h"
#include "proto/base64.h"
#include "proto/codec.h"
#include "proto/join_request.h"

struct blob {
    uint8_t *data;
    size_t len;
};

/* Deflates with a gzip (31) or zlib (15) frame. */
static struct blob deflated(const void *data, size_t len, int window_bits)
{
    z_stream z = {0};
    assert_int_equal(deflateInit2(&z, 9, Z_DEFLATED, window_bits, 8, Z_DEFAULT_STRATEGY), Z_OK);
    struct blob out = {.data = malloc(deflateBound(&z, len) + 64)};
    z.next_in = (Bytef *)(uintptr_t)data;
    z.avail_in = (uInt)len;
    z.next_out = out.data;
    z.avail_out = (uInt)(deflateBound(&z, len) + 64);
    assert_int_equal(deflate(&z, Z_FINISH), Z_STREAM_END);
    out.len = z.total_out;
    deflateEnd(&z);
    return out;
}

/* The parameter's value for a wrapped request. */
static char *wrapped(const void *data, size_t len, int compression)
{
    Livekit__WrappedJoinRequest w = LIVEKIT__WRAPPED_JOIN_REQUEST__INIT;
    w.compression = (Livekit__WrappedJoinRequest__Compression)compression;
    w.join_request = (ProtobufCBinaryData){.len = len, .data = (uint8_t *)(uintptr_t)data};
    uint8_t *wire;
    size_t wire_len;
    assert_int_equal(proto_pack(&w.base, &wire, &wire_len), 0);
    char *text = malloc(proto_base64_encoded_size(wire_len));
    proto_base64_encode(wire, wire_len, text);
    free(wire);
    return text;
}

/* A request whose metadata has n bytes that compress badly. */
static struct blob request_of(size_t n)
{
    char *metadata = malloc(n + 1);
    rand_text(metadata, n, "0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ");
    Livekit__JoinRequest r = LIVEKIT__JOIN_REQUEST__INIT;
    r.metadata = metadata;
    r.reconnect = 1;
    struct blob b;
    assert_int_equal(proto_pack(&r.base, &b.data, &b.len), 0);
    free(metadata);
    return b;
}

static void assert_taken(char *value, size_t metadata_len)
{
    Livekit__JoinRequest *r = NULL;
    const char *text = NULL;
    assert_int_equal(proto_join_request_decode(value, &r, &text), 0);
    assert_null(text);
    assert_int_equal(strlen(r->metadata), metadata_len);
    assert_true(r->reconnect);
    proto_free(&r->base);
    free(value);
}

static void assert_refused(char *value, const char *why)
{
    Livekit__JoinRequest *r = NULL;
    const char *text = NULL;
    assert_int_equal(proto_join_request_decode(value, &r, &text), -EINVAL);
    assert_null(r);
    assert_string_equal(text, why);
    free(value);
}

static void requests_of_every_size_pass(void **state)
{
    (void)state;
    static const size_t sizes[] = {0, 1, 100, 16376, 16377, 16378, 16379, 16380, 16384, 100000, 700000};
    for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++) {
        struct blob r = request_of(sizes[i]), z = deflated(r.data, r.len, 31);
        assert_taken(wrapped(r.data, r.len, 0), sizes[i]);
        assert_taken(wrapped(z.data, z.len, 1), sizes[i]);
        free(z.data);
        free(r.data);
    }
}

static void any_base64_will_do(void **state)
{
    (void)state;
    for (size_t n = 10; n < 16; n++) { /* every amount of padding */
        struct blob r = request_of(n);
        char *value = wrapped(r.data, r.len, 0);
        assert_taken(strdup(value), n);
        value[strcspn(value, "=")] = '\0';
        for (char *c = value; *c; c++)
            *c = *c == '+' ? '-' : *c == '/' ? '_' : *c;
        assert_taken(value, n);
        free(r.data);
    }
}

static void nothing_given(void **state)
{
    (void)state;
    assert_refused(NULL, "join_request is required");
    assert_refused(strdup(""), "join_request is required");
}

static void not_base64(void **state)
{
    (void)state;
    assert_refused(strdup("a"), "cannot base64 decode wrapped join request");
    assert_refused(strdup("EgA*"), "cannot base64 decode wrapped join request");
    assert_refused(strdup("Eg A="), "cannot base64 decode wrapped join request");
    assert_refused(strdup("EgA==="), "cannot base64 decode wrapped join request");
}

static void not_a_wrapper(void **state)
{
    (void)state;
    assert_refused(strdup("Eg=="), "cannot unmarshal wrapped join request");
    struct blob r = request_of(5);
    assert_refused(
        wrapped(r.data, r.len, 2), "cannot unmarshal wrapped join request"); /* no such compression */
    free(r.data);
}

static void not_a_request(void **state)
{
    (void)state;
    static const uint8_t not_text[] = {0x1a, 0x01, 0xff}, cut[] = {0x1a, 0x05, 'a'};
    assert_refused(wrapped(not_text, sizeof not_text, 0), "cannot unmarshal join request");
    assert_refused(wrapped(cut, sizeof cut, 0), "cannot unmarshal join request");
    struct blob z = deflated(cut, sizeof cut, 31);
    assert_refused(wrapped(z.data, z.len, 1), "cannot unmarshal join request");
    free(z.data);
}

static void not_gzip(void **state)
{
    (void)state;
    struct blob r = request_of(3000), zlib = deflated(r.data, r.len, 15), gzip = deflated(r.data, r.len, 31);
    assert_refused(wrapped(r.data, r.len, 1), "cannot read decompressed join request");
    assert_refused(wrapped("", 0, 1), "cannot read decompressed join request");
    assert_refused(wrapped(zlib.data, zlib.len, 1), "cannot read decompressed join request");
    for (size_t n = 1; n < gzip.len; n += 97) /* cut short */
        assert_refused(wrapped(gzip.data, n, 1), "cannot read decompressed join request");
    assert_refused(wrapped(gzip.data, gzip.len - 1, 1), "cannot read decompressed join request");
    gzip.data[gzip.len - 5] ^= 1; /* its checksum */
    assert_refused(wrapped(gzip.data, gzip.len, 1), "cannot read decompressed join request");
    free(r.data);
    free(zlib.data);
    free(gzip.data);
}

static void something_after_the_gzip(void **state)
{
    (void)state;
    struct blob r = request_of(10), z = deflated(r.data, r.len, 31);
    z.data[z.len++] = 0;
    assert_refused(wrapped(z.data, z.len, 1), "cannot read decompressed join request");
    free(r.data);
    free(z.data);
}

static void a_mebibyte_is_the_limit(void **state)
{
    (void)state;
    size_t most = PROTO_JOIN_REQUEST_MAX - 6; /* two keys, three bytes of length, one of reconnect */
    struct blob r = request_of(most), z = deflated(r.data, r.len, 31);
    assert_int_equal(r.len, PROTO_JOIN_REQUEST_MAX);
    assert_taken(wrapped(r.data, r.len, 0), most);
    assert_taken(wrapped(z.data, z.len, 1), most);
    free(r.data);
    free(z.data);
    r = request_of(most + 1);
    z = deflated(r.data, r.len, 31);
    assert_refused(wrapped(r.data, r.len, 0), "join request too large");
    assert_refused(wrapped(z.data, z.len, 1), "join request too large");
    free(z.data);
    free(r.data);
    r = (struct blob){calloc(1, 64 << 20), 64 << 20}; /* 64 MiB of nothing: 64 KiB of gzip */
    z = deflated(r.data, r.len, 31);
    assert_refused(wrapped(z.data, z.len, 1), "join request too large");
    free(z.data);
    free(r.data);
    char *endless = malloc(4 << 20);
    memset(endless, 'A', (4 << 20) - 1);
    endless[(4 << 20) - 1] = '\0';
    assert_refused(endless, "join request too large");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(requests_of_every_size_pass),
        cmocka_unit_test(any_base64_will_do),
        cmocka_unit_test(nothing_given),
        cmocka_unit_test(not_base64),
        cmocka_unit_test(not_a_wrapper),
        cmocka_unit_test(not_a_request),
        cmocka_unit_test(not_gzip),
        cmocka_unit_test(something_after_the_gzip),
        cmocka_unit_test(a_mebibyte_is_the_limit),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
