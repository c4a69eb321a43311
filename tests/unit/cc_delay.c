/* From arrival times to a rate: groups, time in queues, trend, increase and decrease. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>
#include <math.h>
#include "cc/aimd.h"
#include "cc/delay.h"
#include "cc/trendline.h"
#include "support/seeded.h"

#define MS(x) ((int64_t)(x)*1000)

/* ---- groups ---- */

static void packets_of_a_burst_are_one_group(void **state)
{
    (void)state;
    struct delay_groups g;
    struct delay_delta d;
    delay_groups_init(&g);
    for (int i = 0; i < 3; i++)
        assert_false(delay_groups_input(&g, MS(100 + 2 * i), MS(50 + 3 * i), &d)); /* 100 to 104 */
    assert_false(delay_groups_input(&g, MS(120), MS(80), &d));                     /* the second begins */
    assert_true(delay_groups_input(&g, MS(140), MS(105), &d)); /* the third: the second is complete */
    assert_int_equal(d.sent_us, MS(16));
    assert_int_equal(d.recv_us, MS(24));
    assert_int_equal(d.at_us, MS(80));
}

/* A base station that held everything for a while lets it go at once. */
static void what_was_held_and_let_go_together_is_one_group(void **state)
{
    (void)state;
    struct delay_groups g;
    struct delay_delta d;
    delay_groups_init(&g);
    assert_false(delay_groups_input(&g, MS(0), MS(10), &d));
    assert_false(delay_groups_input(&g, MS(20), MS(90), &d));
    assert_false(delay_groups_input(&g, MS(40), MS(91), &d));
    assert_false(delay_groups_input(&g, MS(60), MS(92), &d));
    assert_true(delay_groups_input(&g, MS(80), MS(110), &d));
    assert_int_equal(d.sent_us, MS(60));
    assert_int_equal(d.recv_us, MS(82));
}

static void a_clock_that_jumps_starts_anew(void **state)
{
    (void)state;
    struct delay_groups g;
    struct delay_delta d;
    delay_groups_init(&g);
    int64_t jumps_us[] = {MS(10000), -MS(10000), MS(3600000), INT64_C(1) << 54};
    int64_t sent_us = 0, base_us = 0;
    for (size_t i = 0; i < sizeof jumps_us / sizeof jumps_us[0]; i++) {
        base_us += jumps_us[i];
        int complete = 0;
        for (int k = 0; k < 20; k++, sent_us += MS(20)) {
            if (!delay_groups_input(&g, sent_us, base_us + sent_us, &d))
                continue;
            complete++;
            assert_int_equal(d.recv_us, MS(20));
            assert_int_equal(d.sent_us, MS(20));
        }
        assert_true(complete >= 15);
    }
}

static void what_is_older_than_the_group_is_passed_over(void **state)
{
    (void)state;
    struct delay_groups g;
    struct delay_delta d;
    delay_groups_init(&g);
    for (int i = 0; i < 10; i++) {
        bool complete = delay_groups_input(&g, MS(20 * i), MS(20 * i), &d);
        assert_int_equal(complete, i >= 2);
        assert_false(delay_groups_input(&g, MS(20 * i - 30), MS(20 * i + 1), &d));
    }
}

/* ---- queue ---- */

static void time_in_queues_is_what_exceeds_the_least_transit(void **state)
{
    (void)state;
    struct delay_queue q;
    delay_queue_init(&q);
    int64_t offset_us = -MS(123456); /* the clocks have nothing in common */
    assert_int_equal(delay_queue_input(&q, MS(0), MS(30) + offset_us), 0);
    assert_int_equal(delay_queue_input(&q, MS(10), MS(80) + offset_us), MS(40));
    assert_int_equal(delay_queue_input(&q, MS(20), MS(45) + offset_us), 0);
    assert_int_equal(delay_queue_input(&q, MS(30), MS(65) + offset_us), MS(10));
}

static void a_longer_route_is_believed_after_half_a_minute(void **state)
{
    (void)state;
    struct delay_queue q;
    delay_queue_init(&q);
    int64_t queue_us = 0;
    for (int ms = 0; ms < 60000; ms += 20) {
        int64_t transit_us = ms < 10000 ? MS(20) : MS(70);
        queue_us = delay_queue_input(&q, MS(ms), MS(ms) + transit_us);
        if (ms >= 10000 && ms < 34000)
            assert_int_equal(queue_us, MS(50));
    }
    assert_int_equal(queue_us, 0);
}

/* ---- trend ---- */

/* Groups each 10 ms; the queue grows by slope ms a ms. Returns the groups until the state is wanted, or -1.
 */
static int groups_until(
    struct trendline *t, int64_t *at_us, double slope, enum trendline_state wanted, int most)
{
    for (int i = 0; i < most; i++) {
        int64_t gap_us = MS(10) + (int64_t)(slope * 10000);
        *at_us += gap_us;
        if (trendline_input(t, &(struct delay_delta){MS(10), gap_us, *at_us}) == wanted)
            return i + 1;
    }
    return -1;
}

static void a_growing_queue_is_overuse_and_a_shrinking_one_underuse(void **state)
{
    (void)state;
    struct trendline t;
    int64_t at_us = MS(1000);
    trendline_init(&t);
    assert_int_equal(groups_until(&t, &at_us, 0, TRENDLINE_OVERUSE, 200), -1);
    assert_in_range(groups_until(&t, &at_us, 1.0, TRENDLINE_OVERUSE, 100), 2, 8);
    assert_in_range(groups_until(&t, &at_us, -0.5, TRENDLINE_UNDERUSE, 100), 2, 30);
    assert_in_range(groups_until(&t, &at_us, 0, TRENDLINE_NORMAL, 100), 1, 60);
    assert_int_equal(groups_until(&t, &at_us, 0, TRENDLINE_OVERUSE, 200), -1);
}

static void jitter_is_no_overuse(void **state)
{
    (void)state;
    struct trendline t;
    struct seeded s = seeded_of(3);
    int64_t at_us = MS(1000), jitter_us = 0;
    int overuses = 0;
    trendline_init(&t);
    for (int i = 0; i < 20000; i++) {
        int64_t now_us = seeded_below(&s, 6000), gap_us = MS(10) + now_us - jitter_us;
        jitter_us = now_us;
        at_us += gap_us;
        overuses += trendline_input(&t, &(struct delay_delta){MS(10), gap_us, at_us}) == TRENDLINE_OVERUSE;
    }
    assert_true(overuses < 200);
}

static void the_threshold_follows_a_rival(void **state)
{
    (void)state;
    struct trendline t;
    int64_t at_us = MS(1000);
    trendline_init(&t);
    groups_until(&t, &at_us, 0, TRENDLINE_OVERUSE, 500);
    double quiet_ms = t.threshold_ms;
    for (int i = 0; i < 10; i++) {
        groups_until(&t, &at_us, 0.08, (enum trendline_state) - 1, 50);
        groups_until(&t, &at_us, -0.08, (enum trendline_state) - 1, 50);
    }
    assert_true(t.threshold_ms > quiet_ms * 1.5);
}

/* ---- rate ---- */

static struct aimd_input quiet(int64_t acked_bps)
{
    return (struct aimd_input){
        .state = TRENDLINE_NORMAL,
        .acked_bps = acked_bps,
        .recent_bps = acked_bps,
        .estimate_bps = INT64_MAX, /* nothing else holds it down */
        .rtt_us = MS(50),
    };
}

static void an_unknown_link_is_explored_by_eight_percent_a_second(void **state)
{
    (void)state;
    struct aimd a;
    aimd_init(&a, 1000000, 30000, 100000000, 0);
    for (int ms = 100; ms <= 10000; ms += 100) {
        struct aimd_input in = quiet(a.rate_bps);
        aimd_input(&a, &in, MS(ms));
    }
    assert_in_range(a.rate_bps, 2100000, 2200000); /* 1.08 ^ 10 = 2.16 */
}

static void overuse_sets_the_rate_below_what_arrived(void **state)
{
    (void)state;
    struct aimd a;
    aimd_init(&a, 1200000, 30000, 100000000, 0);
    struct aimd_input in = quiet(1000000);
    in.state = TRENDLINE_OVERUSE;
    in.queue_us = MS(40);
    assert_int_equal(aimd_input(&a, &in, MS(1000)), 850000);
    assert_int_equal(aimd_input(&a, &in, MS(1100)), 850000); /* what was sent before has not arrived yet */
    in.acked_bps = in.recent_bps = 800000;
    assert_int_equal(aimd_input(&a, &in, MS(1300)), 680000);
}

static void a_slope_without_a_queue_holds_the_rate(void **state)
{
    (void)state;
    struct aimd a;
    aimd_init(&a, 1200000, 30000, 100000000, 0);
    struct aimd_input in = quiet(1000000);
    in.state = TRENDLINE_OVERUSE;
    for (int ms = 100; ms <= 5000; ms += 100) {
        in.queue_us = MS(ms / 100 % 20); /* of a frame's packets */
        assert_int_equal(aimd_input(&a, &in, MS(ms)), 1200000);
    }
    in.queue_us = MS(26);
    assert_int_equal(aimd_input(&a, &in, MS(5100)), 850000);
}

/* Half of the estimate is in use when the path gets narrow: what arrives counts, not the estimate. */
static void where_less_is_sent_than_allowed_what_arrives_bounds_the_fall(void **state)
{
    (void)state;
    struct aimd a;
    struct aimd_input in = quiet(500000);
    in.app_limited = true;
    in.queue_us = MS(250);
    in.sent_bps = 550000; /* all of it arrives: others fill the queue */
    aimd_init(&a, 3000000, 30000, 100000000, 0);
    aimd_input(&a, &in, MS(5000));
    assert_true(a.rate_bps >= 3000000 * 85 / 100);
    in.sent_bps = 1800000;
    aimd_init(&a, 3000000, 30000, 100000000, 0);
    aimd_input(&a, &in, MS(5000));
    assert_in_range(a.rate_bps, 250000, 500000 * 85 / 100);
}

static void near_the_known_capacity_it_grows_slowly(void **state)
{
    (void)state;
    struct aimd a;
    aimd_init(&a, 1000000, 30000, 100000000, 0);
    struct aimd_input over = quiet(1000000);
    over.state = TRENDLINE_OVERUSE;
    over.queue_us = MS(40);
    aimd_input(&a, &over, MS(1000));
    int64_t from_bps = a.rate_bps;
    for (int ms = 1100; ms <= 2000; ms += 100) {
        struct aimd_input in = quiet(a.rate_bps);
        aimd_input(&a, &in, MS(ms));
    }
    assert_in_range(a.rate_bps - from_bps, 15000, 50000);
}

static void it_stays_below_one_and_a_half_of_what_arrives(void **state)
{
    (void)state;
    struct aimd a;
    aimd_init(&a, 300000, 30000, 100000000, 0);
    struct aimd_input in = quiet(300000);
    in.app_limited = true;
    for (int ms = 100; ms <= 60000; ms += 100)
        aimd_input(&a, &in, MS(ms));
    assert_in_range(a.rate_bps, 440000, 460000);
    in.acked_bps = in.recent_bps = 100000;
    aimd_input(&a, &in, MS(60100));
    assert_in_range(a.rate_bps, 440000, 460000); /* less media is no reason to fall */
}

static void what_others_hold_down_does_not_grow(void **state)
{
    (void)state;
    struct aimd a;
    aimd_init(&a, 1000000, 30000, 100000000, 0);
    for (int ms = 100; ms <= 10000; ms += 100) {
        struct aimd_input in = quiet(900000);
        in.estimate_bps = 900000;
        aimd_input(&a, &in, MS(ms));
    }
    assert_int_equal(a.rate_bps, 1000000);
}

/* A bottleneck that carries 500 kbit/s of ours; others hold queue_floor_us in it. */
static int64_t drain_run(
    struct aimd *a, int64_t queue_us, int64_t queue_floor_us, int64_t from_us, int64_t to_us)
{
    for (int64_t now_us = from_us; now_us < to_us; now_us += MS(50)) {
        struct aimd_input in = quiet(500000);
        in.estimate_bps = a->rate_bps;
        in.queue_us = queue_us;
        in.sent_us = now_us - MS(50);
        in.state = queue_us > MS(40) ? TRENDLINE_OVERUSE : TRENDLINE_NORMAL;
        aimd_input(a, &in, now_us);
        queue_us += (int64_t)((double)MS(50) * ((double)a->rate_bps / 500000 - 1));
        queue_us = queue_us > queue_floor_us ? queue_us : queue_floor_us;
    }
    return queue_us;
}

static void a_link_that_broke_down_is_drained_and_then_used(void **state)
{
    (void)state;
    struct aimd a;
    aimd_init(&a, 3000000, 30000, 100000000, 0);
    struct aimd_input in = quiet(3000000);
    aimd_input(&a, &in, MS(900));
    assert_true(drain_run(&a, MS(700), 0, MS(1000), MS(1100)) > MS(500));
    assert_true(a.draining);
    assert_true(a.rate_bps < 150000);
    assert_true(drain_run(&a, MS(650), 0, MS(1100), MS(3000)) < MS(40));
    assert_false(a.draining);
    assert_in_range(a.rate_bps, 400000, 500000);
    assert_true(aimd_floor_bps(&a) < 200000);
}

static void a_queue_that_does_not_drain_is_not_ours(void **state)
{
    (void)state;
    struct aimd a;
    aimd_init(&a, 3000000, 30000, 100000000, 0);
    struct aimd_input in = quiet(3000000);
    aimd_input(&a, &in, MS(900));
    int64_t floor_bps = aimd_floor_bps(&a);
    assert_int_equal(floor_bps, 900000);
    drain_run(&a, MS(500), MS(450), MS(1000), MS(5000));
    assert_false(a.draining);
    assert_true(aimd_floor_bps(&a) > floor_bps * 9 / 10);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(packets_of_a_burst_are_one_group),
        cmocka_unit_test(what_was_held_and_let_go_together_is_one_group),
        cmocka_unit_test(a_clock_that_jumps_starts_anew),
        cmocka_unit_test(what_is_older_than_the_group_is_passed_over),
        cmocka_unit_test(time_in_queues_is_what_exceeds_the_least_transit),
        cmocka_unit_test(a_longer_route_is_believed_after_half_a_minute),
        cmocka_unit_test(a_growing_queue_is_overuse_and_a_shrinking_one_underuse),
        cmocka_unit_test(jitter_is_no_overuse),
        cmocka_unit_test(the_threshold_follows_a_rival),
        cmocka_unit_test(an_unknown_link_is_explored_by_eight_percent_a_second),
        cmocka_unit_test(overuse_sets_the_rate_below_what_arrived),
        cmocka_unit_test(a_slope_without_a_queue_holds_the_rate),
        cmocka_unit_test(where_less_is_sent_than_allowed_what_arrives_bounds_the_fall),
        cmocka_unit_test(near_the_known_capacity_it_grows_slowly),
        cmocka_unit_test(it_stays_below_one_and_a_half_of_what_arrives),
        cmocka_unit_test(what_others_hold_down_does_not_grow),
        cmocka_unit_test(a_link_that_broke_down_is_drained_and_then_used),
        cmocka_unit_test(a_queue_that_does_not_drain_is_not_ours),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
