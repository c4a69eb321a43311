/* When memory runs short, at any moment: -ENOMEM, nothing left behind, nothing touched. Reading JSON is left
 * out: where jansson 2.14's lexer gets no memory it reads beyond its text. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include "proto/codec.h"
#include "proto/join_request.h"
#include "support/short_memory.h"

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
    memory_fail_each(unpack);
    memory_fail_each(decode_join);
}

static void encoding(void **state)
{
    (void)state;
    assert_int_equal(
        proto_unpack(&livekit__join_request__descriptor, join, sizeof join, sizeof join, &sample), 0);
    memory_short_from(0);
    int err = pack();
    assert_int_equal(memory_plenty(), 0);
    assert_int_equal(err, OWN_MALLOC ? -ENOMEM : 0);
    memory_fail_each(print);
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
