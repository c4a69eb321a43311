/* The estimator in named scenarios over an emulated link in virtual time, and against feedback that lies.
 * Each scenario prints its figures; the bounds are somewhat looser than what it is meant to reach. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>
#include <math.h>
#include <stdio.h>
#include "cc/estimator.h"
#include "support/net_flow.h"
#include "support/seeded.h"

#define MS(x) ((int64_t)(x)*1000)
#define KBIT  1e3
#define MBIT  1e6

static void at_most(const char *scenario, const char *what, double got, double bound, double target)
{
    printf("# %-44s %-34s %9.2f (target at most %.2f)%s\n", scenario, what, got, target,
        got <= target ? "" : " MISSED");
    if (!(got <= bound))
        fail_msg("%s: %s is %.2f, above %.2f", scenario, what, got, bound);
}

static void at_least(const char *scenario, const char *what, double got, double bound, double target)
{
    printf("# %-44s %-34s %9.2f (target at least %.2f)%s\n", scenario, what, got, target,
        got >= target ? "" : " MISSED");
    if (!(got >= bound))
        fail_msg("%s: %s is %.2f, below %.2f", scenario, what, got, bound);
}

/* ---- scenarios ---- */

#define PHASES 12

/* The drop and the rise come at different moments of what the estimator does by itself. The worst of all, and
 * the mean where one says more. */
static void drop_and_rise(const char *name, const char *queue)
{
    char shape[64];
    snprintf(shape, sizeof shape, "rate=3M delay=25ms queue=%s", queue);
    double start_s = 0, queue_s = 0, loss = 0, slow = 100, rise_s = 0, use = 100, mean_s = 0, mean_use = 0;
    for (int i = 0; i < PHASES; i++) {
        double drop = 20 + 0.41 * i, rise = drop + 20 + 0.73 * i;
        struct network *n = network_new(1, shape, "delay=25ms");
        network_change(n, drop, "rate=500k");
        network_change(n, rise, "rate=3M");
        struct flow *f = network_media(n, 0, 300000, 5000000);
        network_run(n, rise + 15);
        double first_s = flow_reaches_s(f, 0, 2.3 * MBIT), again_s = flow_reaches_s(f, rise, 2.3 * MBIT);
        assert_true(first_s >= 0 && again_s >= 0);
        double after = flow_useful_bps(f, rise + 6, rise + 15) / (30 * KBIT);
        start_s = fmax(start_s, first_s);
        queue_s = fmax(queue_s, flow_queue_over_s(f, drop, rise - 1, 150));
        loss = fmax(loss, 100 * flow_loss(f, drop + 3, rise));
        slow = fmin(slow, flow_useful_bps(f, drop + 4, rise) / (5 * KBIT));
        rise_s = fmax(rise_s, again_s);
        use = fmin(use, after);
        mean_s += again_s / PHASES;
        mean_use += after / PHASES;
        network_free(n);
    }
    at_most(name, "start to 2.3 Mbit/s, s", start_s, 2, 1);
    at_most(name, "queue over 150 ms after the drop, s", queue_s, 2.3, 2);
    at_most(name, "loss from 3 s after it, %", loss, 2, 2);
    at_least(name, "use while it is slow, %", slow, 80, 85);
    at_most(name, "rise to 2.3 Mbit/s, s", rise_s, 7, 6);
    at_most(name, "the same, mean, s", mean_s, 5, 4);
    at_least(name, "use from 6 s after the rise, %", use, 75, 80);
    at_least(name, "the same, mean, %", mean_use, 83, 88);
}

static void a_drop_and_a_rise_are_followed(void **state)
{
    (void)state;
    drop_and_rise("3 M, 500 k, 3 M; queue 300 ms", "300ms");
    drop_and_rise("3 M, 500 k, 3 M; queue 100 kB", "100kB");
    drop_and_rise("3 M, 500 k, 3 M; queue 30 kB", "30kB");
}

static void a_slow_decline_is_followed(void **state)
{
    (void)state;
    const char *name = "3 M to 245 k in 30 s, queue 800 ms";
    struct network *n = network_new(1, "rate=3M delay=25ms queue=800ms", "delay=25ms");
    for (int i = 0; i < 30; i++) {
        char words[32];
        snprintf(words, sizeof words, "rate=%dk", 3000 - 95 * i);
        network_change(n, 20 + i, words);
    }
    struct flow *f = network_media(n, 0, 300000, 4000000);
    network_run(n, 100);
    at_most(name, "queue meanwhile, 95th percentile, ms", flow_queue_ms(f, 20, 50, 95), 200, 150);
    at_most(name, "queue then, 95th percentile, ms", flow_queue_ms(f, 54, 100, 95), 100, 80);
    at_least(name, "use then, %", flow_useful_bps(f, 54, 100) / 2450, 80, 85);
    network_free(n);
}

static void steady(const char *name, const char *rate, double bps)
{
    char shape[64];
    snprintf(shape, sizeof shape, "rate=%s delay=25ms queue=300ms", rate);
    struct network *n = network_new(1, shape, "delay=25ms");
    struct flow *f = network_media(n, 0, 300000, (int64_t)(1.6 * bps));
    network_run(n, 120);
    at_least(name, "use, %", 100 * flow_useful_bps(f, 10, 120) / bps, 85, 88);
    at_most(name, "queue, 95th percentile, ms", flow_queue_ms(f, 10, 120, 95), 90, 80);
    at_most(name, "loss, %", 100 * flow_loss(f, 10, 120), 1, 0.5);
    network_free(n);
}

static void a_steady_link_is_used_without_filling_its_queue(void **state)
{
    (void)state;
    steady("steady 250 k", "250k", 250 * KBIT);
    steady("steady 1 M", "1M", 1 * MBIT);
    steady("steady 2.5 M", "2.5M", 2.5 * MBIT);
    steady("steady 20 M", "20M", 20 * MBIT);
}

static void lossy(const char *name, const char *loss, double mean, double least)
{
    char shape[64];
    snprintf(shape, sizeof shape, "rate=2.5M delay=40ms queue=300ms loss=%s", loss);
    for (uint64_t seed = 1; seed <= 3; seed++) {
        struct network *n = network_new(seed, shape, "delay=40ms");
        struct flow *f = network_media(n, 0, 300000, 4000000);
        network_run(n, 90);
        at_least(name, "mean estimate, % of the link", flow_estimate_mean(f, 10, 90) / (25 * KBIT), mean - 5,
            mean);
        at_least(name, "least estimate, % of the link", flow_estimate_min(f, 10, 90) / (25 * KBIT),
            least - 10, least);
        network_free(n);
    }
}

static void loss_of_the_medium_does_not_stop_the_flow(void **state)
{
    (void)state;
    lossy("2 % loss, 80 ms", "2%", 80, 70);
    lossy("5 % loss, 80 ms", "5%", 75, 60);
    lossy("10 % loss, 80 ms", "10%", 60, 40);
}

/* A policer: what is too much is dropped at once, so that no delay tells of it. */
static void loss_without_delay_is_given_way_to(void **state)
{
    (void)state;
    struct network *n = network_new(1, "rate=3M delay=25ms queue=300ms", "delay=25ms");
    network_change(n, 20, "rate=1M queue=40ms");
    struct flow *f = network_media(n, 0, 300000, 4000000);
    network_run(n, 60);
    at_most(
        "3 M to 1 M with a queue of 40 ms", "loss from 5 s after it, %", 100 * flow_loss(f, 25, 60), 5, 4);
    at_least("3 M to 1 M with a queue of 40 ms", "use, %", flow_useful_bps(f, 25, 60) / (10 * KBIT), 70, 80);
    network_free(n);
}

static void interrupted(const char *name, const char *words, double use)
{
    char shape[96];
    snprintf(shape, sizeof shape, "rate=2.5M delay=25ms queue=300ms %s", words);
    struct network *n = network_new(1, shape, "delay=25ms");
    struct flow *f = network_media(n, 0, 300000, 4000000);
    network_run(n, 90);
    at_least(name, "use, %", flow_useful_bps(f, 10, 90) / (25 * KBIT), use - 8, use);
    network_free(n);
}

/* A packet that was reported missing and came after all. */
static void what_is_overtaken_is_not_lost(void **state)
{
    (void)state;
    struct network *n = network_new(1, "rate=2.5M delay=25ms queue=300ms reorder=5%/30ms", "delay=25ms");
    struct flow *f = network_media(n, 0, 300000, 2000000);
    network_run(n, 30);
    assert_true(n->out.counts.reordered > 100);
    assert_true(f->estimator.loss.total_lost < n->out.counts.reordered / 20);
    assert_true(flow_useful_bps(f, 10, 30) > 1.8 * MBIT);
    network_free(n);
}

static void interruptions_are_survived(void **state)
{
    (void)state;
    interrupted("100 ms of loss every 10 s", "outage=100ms/10s", 85);
    interrupted("100 ms standing still every 10 s", "stall=100ms/10s", 80);
    interrupted("20 ms jitter", "jitter=20ms", 85);
    interrupted("jitter, reordering, duplicates", "jitter=10ms reorder=1%/15ms duplicate=1%", 85);
}

static void two_flows(const char *name, double second_s)
{
    struct network *n = network_new(1, "rate=2M delay=25ms queue=300ms", "delay=25ms");
    struct flow *a = network_media(n, 0, 300000, 4000000), *b = network_media(n, second_s, 300000, 4000000);
    network_run(n, 150);
    double x = flow_useful_bps(a, 30 + second_s, 150), y = flow_useful_bps(b, 30 + second_s, 150);
    at_most(name, "off the fair share, %", 100 * fabs(x - y) / (x + y), 35, 30);
    at_least(name, "use by both, %", (x + y) / (20 * KBIT), 80, 88);
    at_most(name, "queue, 95th percentile, ms", flow_queue_ms(a, 30 + second_s, 150, 95), 130, 80);
    network_free(n);
}

static void two_flows_share_fairly(void **state)
{
    (void)state;
    two_flows("two flows in 2 M", 0);
    two_flows("two flows in 2 M, one 20 s later", 20);
}

static void beside_tcp(const char *name, const char *queue)
{
    char shape[64];
    snprintf(shape, sizeof shape, "rate=2M delay=25ms queue=%s", queue);
    struct network *n = network_new(1, shape, "delay=25ms");
    struct flow *a = network_media(n, 0, 300000, 4000000);
    network_tcp(n, 10);
    network_run(n, 150);
    at_least(name, "share, %", flow_useful_bps(a, 15, 150) / (20 * KBIT), 15, 15);
    at_least(name, "share of the last minute, %", flow_useful_bps(a, 90, 150) / (20 * KBIT), 15, 15);
    network_free(n);
}

static void a_flow_that_fills_the_queue_does_not_starve_us(void **state)
{
    (void)state;
    beside_tcp("beside TCP, queue 100 ms", "100ms");
    beside_tcp("beside TCP, queue 300 ms", "300ms");
    beside_tcp("beside TCP, queue 600 ms", "600ms");
}

static void little_media_neither_raises_nor_lowers_the_estimate(void **state)
{
    (void)state;
    const char *name = "300 k of 3 M, then 2 M are wanted";
    struct network *n = network_new(1, "rate=3M delay=25ms queue=300ms", "delay=25ms");
    struct flow *f = network_media(n, 0, 300000, 300000);
    network_run(n, 60);
    flow_limit(f, 2000000, 2000000, n->now_us);
    network_run(n, 90);
    at_most(name, "estimate meanwhile, most, kbit/s", flow_estimate_max(f, 5, 60) / KBIT, 620, 620);
    at_least(name, "estimate meanwhile, least, kbit/s", flow_estimate_min(f, 5, 60) / KBIT, 300, 300);
    at_least(name, "reached", flow_reaches_s(f, 60, 1.9 * MBIT), 0, 0);
    at_most(name, "until 1.9 Mbit/s, s", flow_reaches_s(f, 60, 1.9 * MBIT), 2, 1);
    at_least(name, "media then, kbit/s", flow_useful_bps(f, 62, 90) / KBIT, 1900, 1950);
    at_most(name, "queue, 95th percentile, ms", flow_queue_ms(f, 60, 90, 95), 60, 40);
    network_free(n);
}

static void a_link_that_breaks_down_under_little_media_is_noticed(void **state)
{
    (void)state;
    const char *name = "300 k of 3 M, then a link of 200 k";
    struct network *n = network_new(1, "rate=3M delay=25ms queue=600ms", "delay=25ms");
    network_change(n, 30, "rate=200k");
    struct flow *f = network_media(n, 0, 300000, 3000000);
    network_run(n, 15);
    flow_limit(f, 300000, 300000, n->now_us);
    network_run(n, 60);
    at_most(name, "queue over 150 ms, s", flow_queue_over_s(f, 30, 60, 150), 3.5, 3);
    network_free(n);
}

static void feedback_may_be_lost_and_late(void **state)
{
    (void)state;
    const char *name = "2.5 M, 10 % of the feedback lost, jitter";
    struct network *n = network_new(1, "rate=2.5M delay=25ms queue=300ms", "delay=25ms jitter=30ms loss=10%");
    struct flow *f = network_media(n, 0, 300000, 4000000);
    network_run(n, 60);
    at_least(name, "use, %", flow_useful_bps(f, 10, 60) / (25 * KBIT), 80, 85);
    at_most(name, "queue, 95th percentile, ms", flow_queue_ms(f, 10, 60, 95), 90, 80);
    network_free(n);
}

static void packets_of_a_lost_report_count_as_arrived(void **state)
{
    (void)state;
    struct estimator e;
    estimator_init(&e, 1000000, MS(1000));
    int64_t at_us = MS(1000);
    for (int seq = 0; seq < 100; seq++, at_us += MS(10)) {
        estimator_sent(&e, 1250, at_us);
        struct twcc_result r = {
            .seq = seq, .sent_us = at_us, .recv_us = at_us + MS(20), .size = 1250, .received = true};
        if (seq % 10 < 5)
            estimator_result(&e, &r);
        if (seq % 10 == 4)
            estimator_update(&e, at_us + MS(40));
    }
    assert_in_range(estimator_rate_bps(&e.acked, 500000, 0), 850000, 1150000);
}

static void the_same_seed_gives_the_same_figures(void **state)
{
    (void)state;
    double figures[2][3];
    for (int i = 0; i < 2; i++) {
        struct network *n =
            network_new(9, "rate=2M delay=25ms queue=200ms jitter=5ms loss=2%", "delay=25ms loss=2%");
        struct flow *f = network_media(n, 0, 300000, 4000000);
        network_run(n, 30);
        figures[i][0] = flow_useful_bps(f, 0, 30);
        figures[i][1] = flow_queue_ms(f, 0, 30, 95);
        figures[i][2] = flow_estimate_mean(f, 0, 30);
        network_free(n);
    }
    for (int k = 0; k < 3; k++)
        assert_true(figures[0][k] == figures[1][k]);
}

/* ---- silence ---- */

static void when_feedback_stops_the_estimate_falls_step_by_step(void **state)
{
    (void)state;
    struct network *n = network_new(1, "rate=2M delay=25ms queue=300ms", "delay=25ms");
    struct link_shape dead = n->back.steps[0].shape;
    dead.loss_ppm = LINK_PPM;
    assert_int_equal(link_step_add(&n->back, MS(20000), &dead), 0);
    dead.loss_ppm = 0;
    assert_int_equal(link_step_add(&n->back, MS(30000), &dead), 0);
    struct flow *f = network_media(n, 0, 300000, 4000000);
    network_run(n, 20);
    int64_t before_bps = f->estimator.estimate_bps;
    network_run(n, 20.9);
    assert_int_equal(f->estimator.estimate_bps, before_bps); /* one report that is late is no silence */
    network_run(n, 23);
    assert_true(f->estimator.estimate_bps < before_bps / 2);
    assert_int_equal(f->estimator.limit, ESTIMATOR_BY_SILENCE);
    network_run(n, 30);
    assert_true(f->estimator.estimate_bps <= 2 * ESTIMATOR_MIN_BPS);
    network_run(n, 33);
    assert_true(f->estimator.estimate_bps > before_bps / 2); /* it was the feedback, not the path */
    network_run(n, 45);
    assert_true(flow_useful_bps(f, 40, 45) > 1.4 * MBIT);
    network_free(n);
}

static void who_sends_nothing_waits_for_no_feedback(void **state)
{
    (void)state;
    struct estimator e;
    estimator_init(&e, 500000, MS(1000));
    e.has_feedback = true;
    for (int i = 0; i < 100; i++)
        assert_int_equal(estimator_timeout(&e, MS(1000 + i * 100)), 500000);
}

/* ---- without transport-wide feedback ---- */

static void remb_is_an_upper_bound_for_those_without_feedback(void **state)
{
    (void)state;
    struct estimator e;
    estimator_init(&e, 500000, MS(1000));
    assert_int_equal(estimator_remb(&e, 2000000, MS(1100)), 500000);
    assert_int_equal(estimator_remb(&e, 200000, MS(1200)), 200000);
    assert_int_equal(e.limit, ESTIMATOR_BY_REMB);
    assert_int_equal(estimator_remb(&e, 0, MS(1200)), ESTIMATOR_MIN_BPS);
    assert_int_equal(estimator_remb(&e, UINT64_MAX, MS(1300)), 500000);
    struct twcc_result r = {.seq = 0, .sent_us = MS(1350), .recv_us = MS(7), .size = 1000, .received = true};
    estimator_result(&e, &r);
    assert_int_equal(estimator_update(&e, MS(1400)), 500000);
    assert_int_equal(estimator_remb(&e, 50000, MS(1500)), 500000);
}

static void receiver_reports_move_the_rate_of_those_without_feedback(void **state)
{
    (void)state;
    struct estimator e;
    estimator_init(&e, 500000, MS(1000));
    int64_t bps = 500000;
    for (int i = 0; i < 10; i++)
        bps = estimator_plain_loss(&e, 0, MS(2000 + i * 1000));
    assert_int_equal(bps, 500000); /* nothing is sent: nothing is known */
    int64_t now_us = MS(20000);
    for (int i = 0; i < 20; i++) {
        for (int k = 0; k < 100; k++, now_us += MS(10))
            estimator_sent(&e, (uint16_t)(bps / 800), now_us);
        bps = estimator_plain_loss(&e, 0, now_us);
    }
    assert_true(bps > 2000000 && bps < 2500000);
    assert_int_equal(estimator_plain_loss(&e, 15, now_us), bps); /* 6 %: as it is */
    assert_true(estimator_plain_loss(&e, 128, now_us) < bps * 4 / 5);
    for (int i = 0; i < 100; i++)
        bps = estimator_plain_loss(&e, 255, now_us);
    assert_int_equal(bps, ESTIMATOR_MIN_BPS);
}

/* ---- feedback that lies ---- */

static void check(struct estimator *e, int64_t now_us)
{
    assert_in_range(e->estimate_bps, ESTIMATOR_MIN_BPS, ESTIMATOR_MAX_BPS);
    assert_in_range(e->aimd.rate_bps, ESTIMATOR_MIN_BPS, ESTIMATOR_MAX_BPS);
    assert_true(e->limit < ESTIMATOR_LIMITS);
    assert_true(e->queue_us >= 0);
    assert_true(estimator_next_timeout(e, now_us) >= now_us || e->next_backoff_us < now_us);
    assert_true(isfinite(e->trendline.trend) && isfinite(e->trendline.threshold_ms));
    assert_true(isfinite(e->aimd.capacity_bps) && isfinite(e->aimd.link_bps) && isfinite(e->loss.inherent));
}

static int64_t absurd(struct seeded *s, int64_t near)
{
    switch (seeded_below(s, 6)) {
    case 0:
        return (int64_t)seeded_u64(s);
    case 1:
        return near - (int64_t)(seeded_u64(s) >> 20);
    case 2:
        return near + (int64_t)(seeded_u64(s) >> 20);
    case 3:
        return seeded_chance(s, 50) ? INT64_MAX : INT64_MIN;
    default:
        return near + seeded_below(s, 20000);
    }
}

static void absurd_results_are_survived(void **state)
{
    (void)state;
    for (uint64_t seed = 0; seed < 40; seed++) {
        struct seeded s = seeded_of(seed);
        struct estimator e;
        int64_t now_us = MS(1000), seq = 0;
        estimator_init(&e, seeded_chance(&s, 10) ? INT64_MIN : (int64_t)seeded_below(&s, 5000000), now_us);
        for (int i = 0; i < 2000; i++) {
            now_us += seeded_below(&s, 50000);
            estimator_wanted_set(&e, seeded_chance(&s, 20) ? (int64_t)seeded_u64(&s) : 3000000, now_us);
            for (unsigned k = seeded_below(&s, 20); k > 0; k--)
                estimator_sent(&e, (uint16_t)(1 + seeded_below(&s, 65535)), now_us);
            for (int k = 0; k < 300 && estimator_probe_due(&e, now_us) > 0; k++) {
                assert_true(k < 299);
                estimator_sent(&e, (uint16_t)(1 + seeded_below(&s, 1500)), now_us);
            }
            for (unsigned k = seeded_below(&s, 40); k > 0; k--) {
                struct twcc_result r = {
                    .seq =
                        seeded_chance(&s, 90) ? seq++ : seq - seeded_below(&s, 4000) + seeded_below(&s, 4000),
                    .sent_us = now_us - seeded_below(&s, 3000000),
                    .recv_us = absurd(&s, now_us),
                    .size = (uint16_t)(1 + seeded_below(&s, 65535)),
                    .tag = (uint8_t)seeded_below(&s, 256),
                    .received = seeded_chance(&s, 70),
                };
                estimator_result(&e, &r);
            }
            estimator_update(&e, now_us);
            estimator_timeout(&e, now_us);
            check(&e, now_us);
        }
    }
}

/* Sound packets with forged contents, through the parser. */
static void forged_feedback_is_survived(void **state)
{
    (void)state;
    static struct twcc_sent slots[1024];
    for (uint64_t seed = 0; seed < 30; seed++) {
        struct seeded s = seeded_of(seed);
        struct estimator e;
        struct twcc_sender sender;
        int64_t now_us = MS(1000);
        estimator_init(&e, 1000000, now_us);
        estimator_wanted_set(&e, 10000000, now_us);
        assert_int_equal(twcc_sender_init(&sender, slots, 1024), 0);
        int taken = 0;
        for (int i = 0; i < 3000; i++) {
            now_us += seeded_below(&s, 20000);
            for (int k = 0; k < 5; k++) {
                twcc_sender_next(&sender, now_us, 1200, estimator_tag(&e));
                estimator_sent(&e, 1200, now_us);
            }
            uint8_t data[64];
            for (size_t k = 0; k < sizeof data; k++)
                data[k] = (uint8_t)seeded_u64(&s);
            struct writer w = writer_of(data, 16);
            writer_u8(&w, 0x80 | RTCP_FMT_TWCC);
            writer_u8(&w, RTCP_RTPFB);
            writer_u16(&w, sizeof data / 4 - 1);
            writer_u64(&w, 1);
            writer_u16(&w, (uint16_t)(sender.next - seeded_below(&s, 100)));
            writer_u16(&w, (uint16_t)(1 + seeded_below(&s, 20)));
            struct cursor c = cursor_of(data, sizeof data);
            struct rtcp_block b;
            assert_int_equal(rtcp_next(&c, &b), 1);
            taken += twcc_sender_feedback(&sender, &b, estimator_result, &e) > 0;
            estimator_update(&e, now_us);
            estimator_timeout(&e, now_us);
            check(&e, now_us);
        }
        assert_true(taken > 100);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_drop_and_a_rise_are_followed),
        cmocka_unit_test(a_slow_decline_is_followed),
        cmocka_unit_test(a_steady_link_is_used_without_filling_its_queue),
        cmocka_unit_test(loss_of_the_medium_does_not_stop_the_flow),
        cmocka_unit_test(loss_without_delay_is_given_way_to),
        cmocka_unit_test(what_is_overtaken_is_not_lost),
        cmocka_unit_test(interruptions_are_survived),
        cmocka_unit_test(two_flows_share_fairly),
        cmocka_unit_test(a_flow_that_fills_the_queue_does_not_starve_us),
        cmocka_unit_test(little_media_neither_raises_nor_lowers_the_estimate),
        cmocka_unit_test(a_link_that_breaks_down_under_little_media_is_noticed),
        cmocka_unit_test(feedback_may_be_lost_and_late),
        cmocka_unit_test(packets_of_a_lost_report_count_as_arrived),
        cmocka_unit_test(the_same_seed_gives_the_same_figures),
        cmocka_unit_test(when_feedback_stops_the_estimate_falls_step_by_step),
        cmocka_unit_test(who_sends_nothing_waits_for_no_feedback),
        cmocka_unit_test(remb_is_an_upper_bound_for_those_without_feedback),
        cmocka_unit_test(receiver_reports_move_the_rate_of_those_without_feedback),
        cmocka_unit_test(absurd_results_are_survived),
        cmocka_unit_test(forged_feedback_is_survived),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
