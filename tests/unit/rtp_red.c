/* Redundant audio: what is written is read by a reader of the test's own, as RFC 2198 has it; random loss of
 * what the levels make of it is mended; and how much loss warrants how much. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include "rtp/red.h"
#include "rtp/red_level.h"
#include "support/seeded.h"

#define SECOND INT64_C(1000000)

/* ---- a reader of RFC 2198, section 3, from its figure alone ---- */

struct block {
    unsigned pt, back, len;
    const uint8_t *data;
};

/* Returns how many blocks there are, the primary last; 0: the payload is none of RED's. */
static unsigned blocks_of(const uint8_t *p, size_t len, struct block out[16])
{
    unsigned n = 0;
    size_t at = 0, data;
    while (at < len && p[at] & 0x80) {
        if (n == 15 || at + 4 > len)
            return 0;
        out[n++] = (struct block){.pt = p[at] & 0x7f,
            .back = (unsigned)p[at + 1] << 6 | p[at + 2] >> 2,
            .len = (p[at + 2] & 3u) << 8 | p[at + 3]};
        at += 4;
    }
    if (at >= len)
        return 0;
    out[n] = (struct block){.pt = p[at]};
    data = at + 1;
    for (unsigned i = 0; i < n; i++) {
        if (data + out[i].len > len)
            return 0;
        out[i].data = p + data;
        data += out[i].len;
    }
    out[n].data = p + data;
    out[n].len = (unsigned)(len - data);
    return n + 1;
}

static void what_is_written_is_what_rfc_2198_says(void **state)
{
    (void)state;
    const uint8_t older[] = {1, 2, 3}, old[] = {4, 5}, primary[] = {6, 7, 8, 9};
    const uint8_t want[] = {0x80 | 111, 1920 >> 6, (1920 & 63) << 2, 3, 0x80 | 111, 960 >> 6, (960 & 63) << 2,
        2, 111, 1, 2, 3, 4, 5, 6, 7, 8, 9};
    const struct red_repeat repeats[] = {
        {.data = older, .len = 3, .ts_back = 1920}, {.data = old, .len = 2, .ts_back = 960}};
    uint8_t out[64];
    assert_int_equal(red_write(out, sizeof out, 111, repeats, 2, primary, 4), sizeof want);
    assert_memory_equal(out, want, sizeof want);
    assert_int_equal(red_write(out, sizeof want, 111, repeats, 2, primary, 4), sizeof want); /* just fits */
    assert_int_equal(red_write(out, sizeof want - 1, 111, repeats, 2, primary, 4), sizeof want - 7);
    struct block b[16];
    assert_int_equal(blocks_of(out, sizeof want - 7, b), 2); /* the oldest gave way */
    assert_int_equal(b[0].back, 960);
    assert_int_equal(red_write(out, 5, 111, repeats, 2, primary, 4), 5);
    assert_int_equal(blocks_of(out, 5, b), 1);
    assert_int_equal(red_write(out, 4, 111, repeats, 2, primary, 4), -EINVAL);
    assert_int_equal(red_write(out, sizeof out, 128, repeats, 2, primary, 4), -EINVAL);
}

static void what_the_fields_cannot_hold_is_refused(void **state)
{
    (void)state;
    static uint8_t data[2048], out[4096];
    struct block b[16];
    struct red_repeat r = {.data = data, .len = RED_BLOCK_MAX, .ts_back = RED_BACK_MAX};
    int len = red_write(out, sizeof out, 1, &r, 1, data, 2000);
    assert_int_equal(blocks_of(out, (size_t)len, b), 2);
    assert_int_equal(b[0].back, 16383);
    assert_int_equal(b[0].len, 1023);
    assert_int_equal(b[1].len, 2000);
    r.len++;
    assert_int_equal(red_write(out, sizeof out, 1, &r, 1, data, 10), -EINVAL);
    r.len--;
    r.ts_back++;
    assert_int_equal(red_write(out, sizeof out, 1, &r, 1, data, 10), -EINVAL);
    r.ts_back = 0;
    assert_int_equal(red_write(out, sizeof out, 1, &r, 1, data, 10), -EINVAL);
}

static void both_readers_agree(void **state)
{
    (void)state;
    for (uint64_t seed = 1; seed <= 2000; seed++) {
        struct seeded rnd = seeded_of(seed);
        uint8_t data[64], out[400];
        for (size_t i = 0; i < sizeof data; i++)
            data[i] = (uint8_t)seeded_u64(&rnd);
        struct red_repeat r[4];
        unsigned n = (unsigned)seeded_below(&rnd, 5);
        for (unsigned i = 0; i < n; i++)
            r[i] = (struct red_repeat){.data = data,
                .len = (uint16_t)seeded_below(&rnd, sizeof data),
                .ts_back = (uint16_t)(1 + seeded_below(&rnd, RED_BACK_MAX))};
        int len = red_write(out, sizeof out, 100, r, n, data, 1 + seeded_below(&rnd, 63));
        struct block b[16];
        struct red red;
        assert_true(len > 0);
        assert_int_equal(blocks_of(out, (size_t)len, b), n + 1);
        assert_int_equal(red_parse(out, (size_t)len, &red), 0);
        assert_int_equal(red.count, n + 1);
        for (unsigned i = 0; i <= n; i++) {
            assert_ptr_equal(out + red.blocks[i].off, b[i].data);
            assert_int_equal(red.blocks[i].len, b[i].len);
            assert_int_equal(red.blocks[i].ts_back, b[i].back);
        }
        for (int cut = 0; cut < len; cut++) { /* and about what is broken */
            bool own = blocks_of(out, (size_t)cut, b) != 0;
            assert_int_equal(own, red_parse(out, (size_t)cut, &red) == 0);
        }
    }
}

/* ---- loss ---- */

static double missing(unsigned distance, double loss, uint64_t seed)
{
    enum { COUNT = 50000 };
    static bool have[COUNT];
    struct seeded rnd = seeded_of(seed);
    uint8_t voice[4], out[64];
    unsigned gone = 0;
    memset(have, 0, sizeof have);
    for (unsigned n = 2; n < COUNT; n++) {
        uint8_t before[2][4];
        struct red_repeat r[2];
        for (unsigned k = 0; k < distance; k++) {
            unsigned at = n - distance + k;
            memcpy(before[k], &at, 4);
            r[k] = (struct red_repeat){.data = before[k], .len = 4, .ts_back = (uint16_t)((n - at) * 960)};
        }
        memcpy(voice, &n, 4);
        int len = red_write(out, sizeof out, 111, r, distance, voice, 4);
        if (seeded_below(&rnd, 1000000) < (uint64_t)(loss * 1000000))
            continue;
        struct block b[16];
        unsigned count = blocks_of(out, (size_t)len, b), at;
        assert_int_equal(count, distance + 1);
        for (unsigned i = 0; i < count; i++) {
            memcpy(&at, b[i].data, 4);
            assert_int_equal(at, n - b[i].back / 960);
            have[at] = true;
        }
    }
    for (unsigned n = 2; n < COUNT - 2; n++)
        gone += !have[n];
    return (double)gone / (COUNT - 4);
}

/* What each level leaves of the loss from which on the next one is chosen, and the worst that it is for. */
static void levels_leave_no_gaps_that_are_heard(void **state)
{
    (void)state;
    assert_true(missing(0, RED_LOSS_ONE / 1000.0, 1) < 0.025);
    assert_true(missing(1, 0.05, 2) < 0.004);
    assert_true(missing(1, RED_LOSS_TWO / 1000.0, 3) < 0.01);
    assert_true(missing(2, 0.10, 4) < 0.002);
    assert_true(missing(2, 0.20, 5) < 0.012);
}

/* ---- how much ---- */

/* Reports of a second for so long; returns the distance then. */
static unsigned hear(struct red_level *l, int64_t *now_us, unsigned seconds, unsigned loss_per_mille)
{
    for (unsigned i = 0; i < seconds; i++) {
        *now_us += SECOND;
        red_level_report(l, 1000, loss_per_mille, *now_us);
    }
    return l->distance;
}

static void loss_raises_it_at_once_and_calm_lowers_it_later(void **state)
{
    (void)state;
    struct red_level l = {0};
    int64_t now_us = SECOND;
    assert_int_equal(hear(&l, &now_us, 30, 0), 0);
    assert_int_equal(hear(&l, &now_us, 30, RED_LOSS_ONE - 1), 0);
    assert_int_equal(hear(&l, &now_us, 1, RED_LOSS_ONE), 1);
    assert_int_equal(hear(&l, &now_us, 60, RED_LOSS_ONE / 2), 1); /* between the two: as it is */
    assert_int_equal(hear(&l, &now_us, 1, RED_LOSS_TWO), 2);
    assert_int_equal(hear(&l, &now_us, 60, RED_LOSS_TWO / 2), 2);
    assert_int_equal(hear(&l, &now_us, 10, 0), 2);
    assert_int_equal(hear(&l, &now_us, 1, 0), 1);
    assert_int_equal(hear(&l, &now_us, 9, 0), 1);
    assert_int_equal(hear(&l, &now_us, 1, RED_LOSS_ONE), 1); /* calm begins anew */
    assert_int_equal(hear(&l, &now_us, 10, 0), 1);
    assert_int_equal(hear(&l, &now_us, 1, 0), 0);
    assert_int_equal(hear(&l, &now_us, 1, 500), 2); /* at once, whatever it takes */
}

static void too_few_packets_say_nothing(void **state)
{
    (void)state;
    struct red_level l = {0};
    int64_t now_us = SECOND;
    for (int i = 0; i < 9; i++) /* nine of ten lost, but of ten packets in a second */
        red_level_report(&l, 10, 9, now_us += SECOND);
    assert_int_equal(l.distance, 0);
    red_level_report(&l, 10, 9, now_us += SECOND);
    red_level_report(&l, 1, 1, now_us += SECOND);
    assert_int_equal(l.distance, 2);
    l = (struct red_level){0};
    for (int i = 0; i < 9; i++) /* many reports within a second are one window */
        red_level_report(&l, 1000, 0, now_us += SECOND / 10);
    red_level_report(&l, 100, 100, now_us += SECOND / 10);
    assert_int_equal(l.distance, 0);
    red_level_report(&l, 0, 0, now_us + SECOND);
    assert_int_equal(l.distance, 0); /* 1.1 % of them */
}

static void forged_reports_stay_within_bounds(void **state)
{
    (void)state;
    struct red_level l = {0};
    struct seeded rnd = seeded_of(9);
    int64_t now_us = 0;
    for (int i = 0; i < 100000; i++) {
        red_level_report(&l, (uint32_t)seeded_u64(&rnd), (uint32_t)seeded_u64(&rnd), now_us += 1000);
        assert_in_range(l.distance, 0, RED_DISTANCE_MAX);
        assert_true(l.lost <= l.expected);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_is_written_is_what_rfc_2198_says),
        cmocka_unit_test(what_the_fields_cannot_hold_is_refused),
        cmocka_unit_test(both_readers_agree),
        cmocka_unit_test(levels_leave_no_gaps_that_are_heard),
        cmocka_unit_test(loss_raises_it_at_once_and_calm_lowers_it_later),
        cmocka_unit_test(too_few_packets_say_nothing),
        cmocka_unit_test(forged_reports_stay_within_bounds),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
