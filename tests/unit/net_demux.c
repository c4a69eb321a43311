/* First-byte demultiplexing (RFC 7983, section 7; RFC 5761, section 4). */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>
#include <string.h>
#include "net/demux.h"

static enum demux_kind classify(uint8_t first, uint8_t second, size_t len)
{
    uint8_t data[64] = {first, second, 0, 0, 0x21, 0x12, 0xa4, 0x42};
    return demux_classify(data, len);
}

static void every_first_byte_has_its_kind(void **state)
{
    (void)state;
    for (int b = 0; b < 256; b++) {
        enum demux_kind expected = b <= 3                 ? DEMUX_STUN
                                   : b >= 20 && b <= 63   ? DEMUX_DTLS
                                   : b >= 128 && b <= 191 ? DEMUX_RTP
                                                          : DEMUX_JUNK;
        assert_int_equal(classify((uint8_t)b, 96, 64), expected);
    }
}

static void rtcp_is_told_by_the_second_byte(void **state)
{
    (void)state;
    for (int b = 0; b < 256; b++)
        assert_int_equal(classify(0x80, (uint8_t)b, 64), b >= 192 && b <= 223 ? DEMUX_RTCP : DEMUX_RTP);
    assert_int_equal(classify(0x80, 128 + 96, 64), DEMUX_RTP); /* marker bit and payload type 96 */
}

static void short_ones_are_junk(void **state)
{
    static const struct {
        uint8_t first, second;
        size_t least;
        enum demux_kind kind;
    } cases[] = {
        {0, 1, 20, DEMUX_STUN},
        {22, 254, 13, DEMUX_DTLS},
        {0x80, 111, 12, DEMUX_RTP},
        {0x81, 201, 8, DEMUX_RTCP},
    };
    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++)
        for (size_t len = 0; len < 64; len++)
            assert_int_equal(classify(cases[i].first, cases[i].second, len),
                len >= cases[i].least ? cases[i].kind : DEMUX_JUNK);
    assert_int_equal(demux_classify(NULL, 0), DEMUX_JUNK);
}

static void stun_has_its_cookie(void **state)
{
    uint8_t data[20] = {0, 1, 0, 0, 0x21, 0x12, 0xa4, 0x43};
    (void)state;
    assert_int_equal(demux_classify(data, sizeof data), DEMUX_JUNK);
    data[7] = 0x42;
    assert_int_equal(demux_classify(data, sizeof data), DEMUX_STUN);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_first_byte_has_its_kind),
        cmocka_unit_test(rtcp_is_told_by_the_second_byte),
        cmocka_unit_test(short_ones_are_junk),
        cmocka_unit_test(stun_has_its_cookie),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
