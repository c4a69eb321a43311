/* How fast bursts get through. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>
#include "cc/train.h"

static int64_t seq, now_us;

/* A burst of packets of 1,200 bytes, one each apart_us at the receiver. */
static void burst(struct train *t, int packets, int64_t apart_us, int lost)
{
    now_us += 33333;
    for (int i = 0; i < packets; i++) {
        struct twcc_result r = {.seq = seq++,
            .sent_us = now_us + i * 10,
            .recv_us = 7000000 + now_us + i * apart_us,
            .size = 1200,
            .received = i >= lost};
        train_input(t, &r);
    }
}

static void nothing_is_known_of_single_packets(void **state)
{
    struct train t;
    (void)state;
    train_init(&t);
    for (int i = 0; i < 100; i++)
        burst(&t, 1, 0, 0);
    assert_int_equal(t.rate_bps, 0);
}

static void bursts_show_the_narrowest_link(void **state)
{
    struct train t;
    (void)state;
    train_init(&t);
    for (int i = 0; i < 20; i++)
        burst(&t, 6, 2000, 0); /* 4.8 Mbit/s */
    assert_in_range(t.rate_bps, 4500000, 4800000);
    for (int i = 0; i < 20; i++)
        burst(&t, 6, 480, 0); /* 20 Mbit/s */
    assert_in_range(t.rate_bps, 17000000, 20000000);
    for (int i = 0; i < 20; i++)
        burst(&t, 6, 0, 0); /* all at once */
    assert_int_equal(t.rate_bps, TRAIN_MAX_BPS);
}

/* Two packets cannot tell more than the clock of the arrivals. */
static void short_bursts_say_little(void **state)
{
    struct train t;
    (void)state;
    train_init(&t);
    burst(&t, 2, 0, 0);
    burst(&t, 2, 0, 0);
    assert_in_range(t.rate_bps, 30000000, 40000000);
}

static void one_late_burst_is_no_verdict(void **state)
{
    struct train t;
    (void)state;
    train_init(&t);
    for (int i = 0; i < 20; i++)
        burst(&t, 6, 100, 0);
    assert_int_equal(t.rate_bps, 64000000);
    burst(&t, 6, 9000, 0);
    burst(&t, 6, 100, 0);
    assert_in_range(t.rate_bps, 30000000, 40000000);
    burst(&t, 6, 100, 0);
    burst(&t, 6, 100, 0);
    assert_int_equal(t.rate_bps, 64000000);
}

static void bursts_that_overflow_become_smaller(void **state)
{
    struct train t;
    (void)state;
    train_init(&t);
    for (int i = 0; i < 20; i++)
        burst(&t, 6, 100, 0);
    for (int i = 0; i < 5; i++)
        burst(&t, 6, 100, 2);
    assert_true(t.rate_bps < 5000000 && t.rate_bps > 0);
    burst(&t, 1, 0, 1); /* a single packet is none */
    int64_t before = t.rate_bps;
    burst(&t, 1, 0, 1);
    burst(&t, 1, 0, 1);
    assert_int_equal(t.rate_bps, before);
}

/* Times of a receiver that lies or whose clock is broken. */
static void absurd_arrivals_are_harmless(void **state)
{
    struct train t;
    (void)state;
    train_init(&t);
    for (int i = 0; i < 1000; i++) {
        for (int k = 0; k < 3; k++) {
            struct twcc_result r = {.seq = seq++,
                .sent_us = now_us,
                .recv_us = (i + k) % 2 ? INT64_C(1) << 54 : -(INT64_C(1) << 54),
                .size = UINT16_MAX,
                .received = true};
            train_input(&t, &r);
        }
        now_us += 5000;
    }
    assert_int_equal(t.rate_bps, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(nothing_is_known_of_single_packets),
        cmocka_unit_test(bursts_show_the_narrowest_link),
        cmocka_unit_test(short_bursts_say_little),
        cmocka_unit_test(one_late_burst_is_no_verdict),
        cmocka_unit_test(bursts_that_overflow_become_smaller),
        cmocka_unit_test(absurd_arrivals_are_harmless),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
