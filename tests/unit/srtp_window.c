/* The window of packet indexes and the table of SSRCs, against simple models. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include "srtp/table.h"
#include "srtp/window.h"

static uint64_t seed;

static uint32_t next_random(void)
{
    seed = seed * 6364136223846793005u + 1442695040888963407u;
    return (uint32_t)(seed >> 33);
}

/* ---- window ---- */

static void expect(struct srtp_window *w, uint64_t index, int expected)
{
    assert_int_equal(srtp_window_check(w, index), expected);
    if (expected == 0)
        srtp_window_mark(w, index);
}

static void an_index_passes_once(void **state)
{
    struct srtp_window w = {0};
    (void)state;
    expect(&w, 5, 0);
    expect(&w, 5, -EALREADY);
    expect(&w, 0, 0);
    expect(&w, 0, -EALREADY);
    expect(&w, 6, 0);
    expect(&w, 5, -EALREADY);
}

static void the_window_has_the_width_it_says(void **state)
{
    struct srtp_window w = {0};
    (void)state;
    for (uint64_t top = 1000000; top < 1000200; top++) {
        memset(&w, 0, sizeof w);
        expect(&w, top, 0);
        expect(&w, top - SRTP_WINDOW, -ESTALE);
        expect(&w, top - SRTP_WINDOW + 1, 0);
        expect(&w, top - SRTP_WINDOW + 1, -EALREADY);
    }
}

static void a_leap_forgets_what_it_leaves(void **state)
{
    struct srtp_window w = {0};
    (void)state;
    for (uint64_t i = 0; i < 5000; i++)
        expect(&w, i, 0);
    expect(&w, 1u << 30, 0);
    for (uint64_t i = 1; i < SRTP_WINDOW; i++)
        expect(&w, (1u << 30) - i, 0);
    expect(&w, 4999, -ESTALE);
}

static void random_orders_agree_with_a_plain_set(void **state)
{
    enum { SPAN = 40000 };
    (void)state;
    for (seed = 1; seed <= 20; seed++) {
        struct srtp_window w = {0};
        uint64_t start = (uint64_t)next_random() << 8, top = start, highest = 0;
        uint8_t *seen = calloc(1, SPAN);
        bool any = false;
        uint64_t keep = seed;
        while (top < start + SPAN - 3000) {
            top += next_random() % 4 == 0 ? next_random() % 200 : next_random() % 3;
            uint64_t back = next_random() % (next_random() % 8 == 0 ? 2500 : 60);
            uint64_t index = top > start + back ? top - back : start;
            int expected = 0;
            if (any && index <= highest && highest - index >= SRTP_WINDOW)
                expected = -ESTALE;
            else if (seen[index - start])
                expected = -EALREADY;
            assert_int_equal(srtp_window_check(&w, index), expected);
            if (expected == 0) {
                srtp_window_mark(&w, index);
                seen[index - start] = 1;
                highest = any && highest > index ? highest : index;
                any = true;
            }
            assert_true(w.highest == highest);
        }
        free(seen);
        seed = keep;
    }
}

/* RFC 3711, section 3.3.1: the candidate index closest to the highest one. */
static void estimates_take_the_closest_candidate(void **state)
{
    static const uint64_t bases[] = {0x8001, 0xffff, 0x10000, 0x10001, 0x17fff, 0x18000, 0x18001, 0x1ffff,
        0x20000, 0x123456789abc, 0xfffffffeffff};
    (void)state;
    for (size_t i = 0; i < sizeof bases / sizeof bases[0]; i++) {
        struct srtp_window w = {.any = true, .highest = bases[i]};
        for (int64_t d = -32767; d <= 32767; d++) {
            int64_t index = (int64_t)bases[i] + d;
            if (index < 0)
                continue;
            assert_true(srtp_window_estimate(&w, (uint16_t)index) == (uint64_t)index);
        }
    }
    struct srtp_window fresh = {0}, early = {.any = true, .highest = 100};
    assert_int_equal(srtp_window_estimate(&fresh, 65535), 65535);
    assert_int_equal(srtp_window_estimate(&early, 65535), 65535); /* there is nothing before rollover 0 */
    assert_int_equal(srtp_window_estimate(&early, 3), 3);
}

/* ---- table ---- */

static void the_table_agrees_with_a_plain_array(void **state)
{
    enum { KEYS = 600 };
    struct srtp_table t = {0};
    static int values[KEYS];
    uint32_t keys[KEYS];
    void *model[KEYS] = {0};
    size_t count = 0;
    (void)state;
    seed = 7;
    for (size_t i = 0; i < KEYS; i++) /* many share their low bits, one is 0 */
        keys[i] = i == 0 ? 0 : i % 3 ? (uint32_t)i << 20 : next_random() * 2 + 1;
    for (int step = 0; step < 100000; step++) {
        size_t k = next_random() % KEYS;
        bool grow = step / 10000 % 2 == 0;
        if (next_random() % 8 < (grow ? 6u : 2u)) {
            assert_int_equal(srtp_table_set(&t, keys[k], &values[k]), 0);
            count += model[k] == NULL;
            model[k] = &values[k];
        } else {
            assert_ptr_equal(srtp_table_del(&t, keys[k]), model[k]);
            count -= model[k] != NULL;
            model[k] = NULL;
        }
        assert_int_equal(t.count, count);
        size_t q = next_random() % KEYS;
        assert_ptr_equal(srtp_table_get(&t, keys[q]), model[q]);
    }
    for (size_t k = 0; k < KEYS; k++)
        assert_ptr_equal(srtp_table_get(&t, keys[k]), model[k]);
    srtp_table_done(&t);
    assert_null(srtp_table_get(&t, 1));
    assert_null(srtp_table_del(&t, 1));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(an_index_passes_once),
        cmocka_unit_test(the_window_has_the_width_it_says),
        cmocka_unit_test(a_leap_forgets_what_it_leaves),
        cmocka_unit_test(random_orders_agree_with_a_plain_set),
        cmocka_unit_test(estimates_take_the_closest_candidate),
        cmocka_unit_test(the_table_agrees_with_a_plain_array),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
