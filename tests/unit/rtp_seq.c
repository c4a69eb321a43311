/* Serial number arithmetic (RFC 1982) and the extension of numbers that wrap. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>
#include "rtp/seq.h"
#include "support/seeded.h"

static void comparison_goes_the_short_way_round(void **state)
{
    (void)state;
    assert_true(seq_newer(1, 0));
    assert_true(seq_newer(0, 0xffff));
    assert_false(seq_newer(0xffff, 0));
    assert_false(seq_newer(7, 7));
    assert_true(seq_newer(0x7fff, 0));
    assert_false(seq_newer(0x8000, 0)); /* exactly half the circle counts as earlier, */
    assert_false(seq_newer(0, 0x8000)); /* both ways */
    assert_int_equal(seq_diff(2, 0xfffe), 4);
    assert_int_equal(seq_diff(0xfffe, 2), -4);
    assert_int_equal(seq_diff(0x8000, 0), -32768);
    assert_int_equal(ts_diff(10, UINT32_C(0xfffffff0)), 26);
    assert_int_equal(ts_diff(UINT32_C(0xfffffff0), 10), -26);
    assert_true(ts_newer(0, UINT32_MAX));
    assert_false(ts_newer(UINT32_C(0x80000000), 0));
}

static void narrow_numbers_compare_within_their_width(void **state)
{
    (void)state;
    assert_int_equal(seq_diff_bits(0, 0x7fff, 15), 1);
    assert_int_equal(seq_diff_bits(0x7fff, 0, 15), -1);
    assert_int_equal(seq_diff_bits(3, 126, 7), 5);
    assert_int_equal(seq_diff_bits(0x40, 0, 7), -64);
    assert_int_equal(seq_diff_bits(0x3f, 0, 7), 63);
    assert_int_equal(seq_diff_bits(0x000001, 0xffffff, 24), 2);
}

static void the_first_number_keeps_its_value(void **state)
{
    (void)state;
    struct seq_unwrap u = {0};
    assert_int_equal(seq_unwrap_peek(&u, 65530), 65530);
    assert_false(u.started);
    assert_int_equal(seq_unwrap(&u, 3), 3);
    assert_int_equal(seq_unwrap(&u, 65535), -1); /* older than the first */
    assert_int_equal(u.highest, 3);
    assert_int_equal((uint16_t)seq_unwrap(&u, 65000), 65000);
}

static void numbers_extend_across_the_wrap(void **state)
{
    (void)state;
    struct seq_unwrap u = {0};
    assert_int_equal(seq_unwrap(&u, 65534), 65534);
    assert_int_equal(seq_unwrap(&u, 1), 65537);
    assert_int_equal(seq_unwrap(&u, 65535), 65535);
    assert_int_equal(seq_unwrap(&u, 0), 65536);
    assert_int_equal(seq_unwrap(&u, 2), 65538);
    struct ts_unwrap t = {0};
    assert_int_equal(ts_unwrap(&t, UINT32_MAX), UINT32_MAX);
    assert_int_equal(ts_unwrap(&t, 5), INT64_C(0x100000005));
    assert_int_equal(ts_unwrap(&t, UINT32_MAX - 1), UINT32_MAX - 1);
    assert_int_equal(seq_near(INT64_C(0x50000), 0xffff), 0x4ffff);
    assert_int_equal(seq_near32(INT64_C(0x300000000), UINT32_MAX), INT64_C(0x2ffffffff));
}

/* Whatever the order, a number within half the circle of the highest comes back whole. */
static void reordered_numbers_come_back_whole(void **state)
{
    (void)state;
    for (uint64_t seed = 1; seed <= 20; seed++) {
        struct seeded r = seeded_of(seed);
        struct seq_unwrap u = {0};
        int64_t truth = seeded_below(&r, 65536), highest = truth;
        assert_int_equal(seq_unwrap(&u, (uint16_t)truth), truth);
        for (int i = 0; i < 20000; i++) {
            truth = highest + (int64_t)seeded_below(&r, 2000) - 900;
            assert_int_equal(seq_unwrap(&u, (uint16_t)truth), truth);
            if (truth > highest)
                highest = truth;
            assert_int_equal(u.highest, highest);
        }
        assert_true(highest > 3 * 65536);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(comparison_goes_the_short_way_round),
        cmocka_unit_test(narrow_numbers_compare_within_their_width),
        cmocka_unit_test(the_first_number_keeps_its_value),
        cmocka_unit_test(numbers_extend_across_the_wrap),
        cmocka_unit_test(reordered_numbers_come_back_whole),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
