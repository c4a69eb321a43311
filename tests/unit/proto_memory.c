/* When memory runs short, at any moment: -ENOMEM, nothing left behind, nothing touched. This program brings
 * its own malloc, which sanitizers do too: under them it runs the same calls with memory in plenty. */
#include <dlfcn.h>
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include "base/limits.h"
#include "proto/base64.h"
#include "proto/codec.h"
#include "proto/join_request.h"

#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
#define OWN_MALLOC 0
#elif defined(__has_feature)
#if __has_feature(address_sanitizer) || __has_feature(thread_sanitizer)
#define OWN_MALLOC 0
#endif
#endif
#ifndef OWN_MALLOC
#define OWN_MALLOC 1
#endif

static long countdown = -1; /* allocations until one fails; negative: none does */
static long live;           /* blocks taken and not given back while counting */
static int counting;

#if OWN_MALLOC
extern void *__libc_malloc(size_t n);
extern void *__libc_calloc(size_t n, size_t size);
extern void *__libc_realloc(void *p, size_t n);
extern void __libc_free(void *p);

static int fails(void)
{
    return counting && countdown >= 0 && countdown-- == 0;
}

void *malloc(size_t n)
{
    void *p = fails() ? NULL : __libc_malloc(n);
    live += counting && p;
    return p;
}

void *calloc(size_t n, size_t size)
{
    void *p = fails() ? NULL : __libc_calloc(n, size);
    live += counting && p;
    return p;
}

void *realloc(void *old, size_t n)
{
    void *p = fails() ? NULL : __libc_realloc(old, n);
    live += counting && p && !old;
    return p;
}

void free(void *p)
{
    live -= counting && p;
    __libc_free(p);
}
#endif

/* Runs fn with the nth allocation failing, for every n until it succeeds. */
static void with_every_failure(int (*fn)(void))
{
    int err = -ENOMEM;
    long n = 0;
    for (; err == -ENOMEM; n++) {
        assert_true(n < 10000);
        countdown = OWN_MALLOC ? n : -1;
        live = 0;
        counting = 1;
        err = fn();
        counting = 0;
        assert_int_equal(live, 0);
    }
    assert_int_equal(err, 0);
    assert_true(!OWN_MALLOC || n > 3);
}

static const uint8_t join[] = {0x0a, 0x04, 0x12, 0x02, '1', '7', 0x1a, 0x01, 'm', 0x22, 0x06, 0x0a, 0x01, 'k',
    0x12, 0x01, 'v', 0x2a, 0x07, 0x0a, 0x01, 'c', 0x8a, 0x01, 0x01, 0x02, 0x32, 0x05, 0x0a, 0x03, 's', 'd',
    'p', 0xa2, 0x06, 0x01, 'u'};

static int unpack(void)
{
    ProtobufCMessage *m = NULL;
    int err = proto_unpack(&livekit__join_request__descriptor, join, sizeof join, sizeof join, &m);
    assert_true(err == 0 || !m);
    proto_free(m);
    return err;
}

static ProtobufCMessage *sample;

static int pack(void)
{
    uint8_t *data = NULL;
    size_t len;
    int err = proto_pack(sample, &data, &len);
    assert_true(err == 0 || !data);
    free(data);
    return err;
}

static int print(void)
{
    char *text = NULL;
    int err = proto_to_json(sample, PROTO_JSON_TWIRP, &text, NULL);
    assert_true(err == 0 || !text);
    free(text);
    return err;
}

static int parse(void)
{
    static const char text[] =
        "{\"clientInfo\":{\"version\":\"17\"},\"participantAttributes\":{\"k\":\"v\",\"l\":\"w\"},"
        "\"addTrackRequests\":[{\"cid\":\"c\",\"layers\":[{\"rid\":\"q\"}]}],"
        "\"syncState\":{\"trackSidsDisabled\":[\"a\",\"b\"]},\"x\":[1,{}]}";
    /* jansson's lexer takes memory that it did not get for a syntax error */
    ProtobufCMessage *m = NULL;
    int err = proto_from_json(&livekit__join_request__descriptor, text, sizeof text - 1, sizeof text, &m);
    assert_true(err == 0 || !m);
    proto_free(m);
    return err == -EBADMSG && OWN_MALLOC && countdown < 0 ? -ENOMEM : err;
}

static int decode_join(void)
{
    /* a wrapper with a gzip stream of {reconnect: true} */
    static const char value[] = "CAESFh-LCAAAAAAAAgOzYAQAkp5BIQIAAAA";
    Livekit__JoinRequest *r = NULL;
    const char *text = NULL;
    int err = proto_join_request_decode(value, &r, &text);
    assert_true(err == 0 ? r->reconnect == 1 : !r && strcmp(text, "out of memory") == 0);
    proto_free(r ? &r->base : NULL);
    return err;
}

static void decoding(void **state)
{
    (void)state;
    with_every_failure(unpack);
    with_every_failure(parse);
    with_every_failure(decode_join);
}

static void encoding(void **state)
{
    (void)state;
    assert_int_equal(
        proto_unpack(&livekit__join_request__descriptor, join, sizeof join, sizeof join, &sample), 0);
    countdown = 0;
    counting = OWN_MALLOC;
    assert_int_equal(pack(), OWN_MALLOC ? -ENOMEM : 0);
    counting = 0;
    with_every_failure(print);
    proto_free(sample);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(decoding),
        cmocka_unit_test(encoding),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
