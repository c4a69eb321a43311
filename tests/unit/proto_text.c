/* Base64 and timestamps. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <cmocka.h>

#include "proto/base64.h"
#include "proto/private.h"

/* RFC 4648, section 10. */
static void rfc4648_vectors(void **state)
{
    (void)state;
    static const char *const vectors[][2] = {{"", ""}, {"f", "Zg=="}, {"fo", "Zm8="}, {"foo", "Zm9v"},
        {"foob", "Zm9vYg=="}, {"fooba", "Zm9vYmE="}, {"foobar", "Zm9vYmFy"}};
    for (size_t i = 0; i < sizeof vectors / sizeof *vectors; i++) {
        const char *plain = vectors[i][0], *coded = vectors[i][1];
        char text[16];
        uint8_t back[16];
        size_t n;
        proto_base64_encode((const uint8_t *)plain, strlen(plain), text);
        assert_string_equal(text, coded);
        assert_int_equal(strlen(text) + 1, proto_base64_encoded_size(strlen(plain)));
        assert_int_equal(proto_base64_decode(coded, strlen(coded), back, &n), 0);
        assert_int_equal(n, strlen(plain));
        assert_memory_equal(back, plain, n);
        assert_int_equal(proto_base64_decode(coded, strcspn(coded, "="), back, &n), 0);
        assert_int_equal(n, strlen(plain));
    }
}

static void both_alphabets(void **state)
{
    (void)state;
    uint8_t bytes[3];
    size_t n;
    for (int i = 0; i < 2; i++) {
        assert_int_equal(proto_base64_decode(i ? "-_-_" : "+/+/", 4, bytes, &n), 0);
        assert_int_equal(n, 3);
        assert_memory_equal(bytes, "\xfb\xff\xbf", 3);
    }
}

static void not_base64(void **state)
{
    (void)state;
    static const char *const wrong[] = {"A", "AAAAA", "AA=", "A===", "====", "=",
        "AA==AA==", "A A=", "AA\n=", "AA.=", "\xff\xff\xff\xff", "=AAA"};
    for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++) {
        uint8_t out[16];
        size_t n = 77;
        assert_int_equal(proto_base64_decode(wrong[i], strlen(wrong[i]), out, &n), -EBADMSG);
        assert_int_equal(n, 77);
    }
}

static void moments_print(void **state)
{
    (void)state;
    static const struct {
        int64_t seconds;
        int32_t nanos;
        const char *text;
    } moments[] = {
        {0, 0, "1970-01-01T00:00:00Z"},
        {-1, 999999999, "1969-12-31T23:59:59.999999999Z"},
        {1790000000, 500000000, "2026-09-21T14:13:20.500Z"},
        {951782400, 1000, "2000-02-29T00:00:00.000001Z"},
        {-62135596800, 0, "0001-01-01T00:00:00Z"},
        {253402300799, 999999999, "9999-12-31T23:59:59.999999999Z"},
    };
    for (size_t i = 0; i < sizeof moments / sizeof *moments; i++) {
        char text[PROTO_TIMESTAMP_MAX];
        int64_t seconds;
        int32_t nanos;
        assert_int_equal(proto_timestamp_print(moments[i].seconds, moments[i].nanos, text), 0);
        assert_string_equal(text, moments[i].text);
        assert_int_equal(proto_timestamp_parse(text, &seconds, &nanos), 0);
        assert_int_equal(seconds, moments[i].seconds);
        assert_int_equal(nanos, moments[i].nanos);
    }
    char text[PROTO_TIMESTAMP_MAX];
    assert_int_equal(proto_timestamp_print(-62135596801, 0, text), -ERANGE);
    assert_int_equal(proto_timestamp_print(253402300800, 0, text), -ERANGE);
    assert_int_equal(proto_timestamp_print(INT64_MAX, 0, text), -ERANGE);
    assert_int_equal(proto_timestamp_print(0, -1, text), -ERANGE);
    assert_int_equal(proto_timestamp_print(0, 1000000000, text), -ERANGE);
}

static void moments_parse(void **state)
{
    (void)state;
    int64_t seconds;
    int32_t nanos;
    assert_int_equal(proto_timestamp_parse("1970-01-01T01:00:00.5+01:00", &seconds, &nanos), 0);
    assert_int_equal(seconds, 0);
    assert_int_equal(nanos, 500000000);
    assert_int_equal(proto_timestamp_parse("1969-12-31t22:30:00-01:30", &seconds, &nanos), 0);
    assert_int_equal(seconds, 0);
    static const char *const wrong[] = {"", "1970", "1970-01-01", "1970-01-01T00:00:00",
        "1970-01-01 00:00:00Z", "1970-13-01T00:00:00Z", "1970-02-29T00:00:00Z", "1970-04-31T00:00:00Z",
        "1970-01-01T24:00:00Z", "1970-01-01T00:60:00Z", "1970-01-01T00:00:60Z", "1970-01-01T00:00:00.Z",
        "1970-01-01T00:00:00.0123456789Z", "1970-01-01T00:00:00Zx", "1970-01-01T00:00:00+1:00",
        "1970-01-01T00:00:00+24:00", "0000-01-01T00:00:00Z", "0001-01-01T00:00:00+00:01",
        "-001-01-01T00:00:00Z", "1970-00-01T00:00:00Z"};
    for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++)
        assert_int_equal(proto_timestamp_parse(wrong[i], &seconds, &nanos), -EBADMSG);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(rfc4648_vectors),
        cmocka_unit_test(both_alphabets),
        cmocka_unit_test(not_base64),
        cmocka_unit_test(moments_print),
        cmocka_unit_test(moments_parse),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
