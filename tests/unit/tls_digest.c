/* Digests and encodings against the vectors of FIPS 180-4, RFC 2202, RFC 4231 and RFC 4648. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include "tls/digest.h"

static void expect_hex(const uint8_t *data, size_t len, const char *expected)
{
    char text[2 * 64 + 1];
    assert_int_equal(hex_encode(data, len, text, sizeof text), 2 * len);
    assert_string_equal(text, expected);
}

static void hashes_match_fips_180_4(void **state)
{
    uint8_t out[DIGEST_SHA256_SIZE];
    (void)state;
    digest_sha1("abc", 3, out);
    expect_hex(out, DIGEST_SHA1_SIZE, "a9993e364706816aba3e25717850c26c9cd0d89d");
    digest_sha256("abc", 3, out);
    expect_hex(out, DIGEST_SHA256_SIZE, "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
    digest_sha256("", 0, out);
    expect_hex(out, DIGEST_SHA256_SIZE, "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855");
}

static void hmacs_match_rfc_2202_and_4231(void **state)
{
    uint8_t out[DIGEST_SHA256_SIZE], key[131];
    (void)state;
    memset(key, 0x0b, 20);
    digest_hmac_sha1(key, 20, "Hi There", 8, out);
    expect_hex(out, DIGEST_SHA1_SIZE, "b617318655057264e28bc0b6fb378c8ef146be00");
    digest_hmac_sha1("Jefe", 4, "what do ya want for nothing?", 28, out);
    expect_hex(out, DIGEST_SHA1_SIZE, "effcdf6ae5eb2fa2d27416d5f184df9c259a7c79");
    digest_hmac_sha256(key, 20, "Hi There", 8, out);
    expect_hex(out, DIGEST_SHA256_SIZE, "b0344c61d8db38535ca8afceaf0bf12b881dc200c9833da726e9376c2e32cff7");
    memset(key, 0xaa, sizeof key);
    digest_hmac_sha256(key, sizeof key, "Test Using Larger Than Block-Size Key - Hash Key First", 54, out);
    expect_hex(out, DIGEST_SHA256_SIZE, "60e431591ee0b67f0d8a26aacbf5b77f8e0bc6213728c5140546040f0ee37f54");
}

static void hmac_takes_an_empty_key(void **state)
{
    uint8_t out[DIGEST_SHA1_SIZE];
    (void)state;
    digest_hmac_sha1("other", 5, "x", 1, out);
    digest_hmac_sha1(NULL, 0, "", 0, out);
    expect_hex(out, sizeof out, "fbdb1d1b18aa6c08324b7d64b71fb76370690e1d");
}

static const struct {
    const char *plain, *base64, *base64url;
} rfc4648[] = {
    {"", "", ""},
    {"f", "Zg==", "Zg"},
    {"fo", "Zm8=", "Zm8"},
    {"foo", "Zm9v", "Zm9v"},
    {"foob", "Zm9vYg==", "Zm9vYg"},
    {"fooba", "Zm9vYmE=", "Zm9vYmE"},
    {"foobar", "Zm9vYmFy", "Zm9vYmFy"},
    {"\xfb\xff\xfe", "+//+", "-__-"},
};

static void base64_matches_rfc_4648(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof rfc4648 / sizeof rfc4648[0]; i++) {
        const char *plain = rfc4648[i].plain, *text = rfc4648[i].base64, *url = rfc4648[i].base64url;
        size_t len = strlen(plain);
        char out[16];
        assert_int_equal(base64_encode(plain, len, out, BASE64_TEXT_SIZE(len)), strlen(text));
        assert_string_equal(out, text);
        assert_int_equal(base64url_encode(plain, len, out, sizeof out), strlen(url));
        assert_string_equal(out, url);
        assert_int_equal(base64_decode(text, strlen(text), out, len), len);
        assert_memory_equal(out, plain, len);
        assert_int_equal(base64url_decode(url, strlen(url), out, len), len);
        assert_memory_equal(out, plain, len);
        if (len)
            assert_int_equal(base64_decode(text, strlen(text), out, len - 1), -ENOBUFS);
    }
}

static void base64_survives_a_round_trip_of_every_length(void **state)
{
    uint8_t plain[100], back[100];
    char text[BASE64_TEXT_SIZE(100)];
    (void)state;
    for (size_t i = 0; i < sizeof plain; i++)
        plain[i] = (uint8_t)(i * 151 + 7);
    for (size_t len = 0; len <= sizeof plain; len++) {
        int n = base64_encode(plain, len, text, sizeof text);
        assert_int_equal(n, BASE64_TEXT_SIZE(len) - 1);
        assert_int_equal(base64_decode(text, (size_t)n, back, sizeof back), len);
        assert_memory_equal(back, plain, len);
        n = base64url_encode(plain, len, text, sizeof text);
        assert_int_equal(base64url_decode(text, (size_t)n, back, sizeof back), len);
        assert_memory_equal(back, plain, len);
    }
}

static void base64_refuses_what_is_not_canonical(void **state)
{
    static const char *const bad[] = {"Z", "Zg=", "Zg", "Zm8",
        "Zh==", "Zm9=", "Z===", "====", "Zg==Zg==", " Zg==", "Zg==\n", "Zm9v\n", "Z-8=", "Zm 9",
        "=Zg=", "Zm9vY", "\x80\x80\x80\x80"};
    uint8_t out[16];
    (void)state;
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++)
        assert_int_equal(base64_decode(bad[i], strlen(bad[i]), out, sizeof out), -EINVAL);
    assert_int_equal(base64url_decode("Zg==", 4, out, sizeof out), 1);
    assert_int_equal(base64url_decode("Zg=", 3, out, sizeof out), -EINVAL);
    assert_int_equal(base64url_decode("Zh", 2, out, sizeof out), -EINVAL);
    assert_int_equal(base64url_decode("a+b/", 4, out, sizeof out), -EINVAL);
}

static void encoders_leave_out_alone_when_it_is_too_small(void **state)
{
    char out[8] = "keep";
    (void)state;
    assert_int_equal(base64_encode("foo", 3, out, 4), -ENOBUFS);
    assert_int_equal(base64url_encode("foo", 3, out, 4), -ENOBUFS);
    assert_int_equal(hex_encode("foo", 3, out, 6), -ENOBUFS);
    assert_string_equal(out, "keep");
    assert_int_equal(hex_encode("foo", 3, out, 7), 6);
    assert_string_equal(out, "666f6f");
}

static void hex_reads_either_case(void **state)
{
    uint8_t out[4];
    (void)state;
    assert_int_equal(hex_decode("00fFAb9c", 8, out, 4), 4);
    assert_memory_equal(out, "\x00\xff\xab\x9c", 4);
    assert_int_equal(hex_decode("00fFAb9c", 8, out, 3), -ENOBUFS);
    assert_int_equal(hex_decode("0", 1, out, 4), -EINVAL);
    assert_int_equal(hex_decode("0g", 2, out, 4), -EINVAL);
    assert_int_equal(hex_decode("", 0, out, 0), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(hashes_match_fips_180_4),
        cmocka_unit_test(hmacs_match_rfc_2202_and_4231),
        cmocka_unit_test(hmac_takes_an_empty_key),
        cmocka_unit_test(base64_matches_rfc_4648),
        cmocka_unit_test(base64_survives_a_round_trip_of_every_length),
        cmocka_unit_test(base64_refuses_what_is_not_canonical),
        cmocka_unit_test(encoders_leave_out_alone_when_it_is_too_small),
        cmocka_unit_test(hex_reads_either_case),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
