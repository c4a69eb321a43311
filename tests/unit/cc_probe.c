/* Probe clusters: when, how large, and what their results mean. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>
#include "cc/probe.h"

#define MS(x)    ((int64_t)(x)*1000)
#define MBIT     1000000
#define SIZE     500
#define SENT_MAX 1000

struct sent {
    int64_t at_us;
    uint16_t size;
    uint8_t tag;
};

static struct sent sent[SENT_MAX];
static int sent_count;

/* A wire that sends what is due each millisecond, for so long. Returns the bytes. */
static int64_t wire(struct probe *p, int64_t *now_us, int ms)
{
    int64_t bytes = 0;
    for (int i = 0; i < ms; i++, *now_us += MS(1)) {
        while (probe_due(p, *now_us) > 0) {
            assert_true(sent_count < SENT_MAX);
            sent[sent_count++] = (struct sent){*now_us, SIZE, probe_tag(p)};
            assert_true(probe_tag(p) != 0);
            probe_sent(p, SIZE, *now_us);
            bytes += SIZE;
        }
    }
    return bytes;
}

/* What was sent comes out of a link; every lose-th packet does not (0: all do). */
static void arrive(struct probe *p, double link_bps, int lose)
{
    double out_us = 0;
    for (int i = 0; i < sent_count; i++) {
        out_us = out_us > (double)sent[i].at_us ? out_us : (double)sent[i].at_us;
        out_us += sent[i].size * 8e6 / link_bps;
        struct twcc_result r = {
            .seq = i,
            .sent_us = sent[i].at_us,
            .recv_us = (int64_t)out_us + 987654321,
            .size = sent[i].size,
            .tag = sent[i].tag,
            .received = lose == 0 || i % lose != 0,
        };
        probe_input(p, &r);
    }
    sent_count = 0;
}

/* Past the clusters of the start. */
static void started(struct probe *p, int64_t *now_us)
{
    int64_t bps;
    bool full, first;
    *now_us = MS(1000);
    sent_count = 0;
    probe_init(p, 300000, 100 * MBIT, *now_us);
    wire(p, now_us, 100);
    arrive(p, 1e9, 0);
    while (probe_result_take(p, MS(50), *now_us, &bps, &full, &first))
        ;
    assert_int_equal(wire(p, now_us, 100), 0);
    *now_us += MS(5000);
}

static const struct probe_state idle = {
    .estimate_bps = MBIT, .max_bps = 100 * MBIT, .app_limited = true, .quiet = true};
static const struct probe_state busy = {.estimate_bps = MBIT, .max_bps = 100 * MBIT, .quiet = true};

static void the_start_asks_for_three_and_six_times_as_much(void **state)
{
    (void)state;
    struct probe p;
    int64_t now_us = MS(1000), bps;
    bool full, first;
    sent_count = 0;
    probe_init(&p, 300000, 100 * MBIT, now_us);
    wire(&p, &now_us, 100);
    assert_true(sent_count >= 2 * PROBE_PACKETS_MIN && sent_count <= 30);
    arrive(&p, 1e9, 0);
    assert_true(probe_result_take(&p, MS(50), now_us, &bps, &full, &first));
    assert_in_range(bps, 750000, 1100000);
    assert_true(full && first);
    assert_true(probe_result_take(&p, MS(50), now_us, &bps, &full, &first));
    assert_in_range(bps, 1500000, 2200000);
    assert_false(probe_result_take(&p, MS(50), now_us, &bps, &full, &first));
}

static void while_that_succeeds_it_goes_on_to_what_is_wanted(void **state)
{
    (void)state;
    struct probe p;
    int64_t now_us = MS(1000), bps = 0;
    bool full, first;
    sent_count = 0;
    probe_init(&p, 300000, 100 * MBIT, now_us);
    probe_wanted_set(&p, 10 * MBIT, now_us);
    int rounds = 0;
    while (wire(&p, &now_us, 100) > 0) {
        arrive(&p, 1e9, 0);
        while (probe_result_take(&p, MS(50), now_us, &bps, &full, &first))
            ;
        rounds++;
    }
    assert_in_range(bps, 9 * MBIT, 12 * MBIT);
    assert_in_range(rounds, 3, 6);
}

static void a_full_link_shows_its_rate(void **state)
{
    (void)state;
    struct probe p;
    int64_t now_us, bps;
    bool full, first;
    started(&p, &now_us);
    probe_wanted_set(&p, 5 * MBIT, now_us);
    probe_update(&p, &idle, now_us);
    assert_true(wire(&p, &now_us, 100) > 0);
    arrive(&p, 1.5 * MBIT, 0);
    assert_true(probe_result_take(&p, MS(50), now_us, &bps, &full, &first));
    assert_false(full);
    assert_false(first);
    assert_in_range(bps, 1300000, 1500000);
}

/* A cluster that is too fast for a path shows less than the path carries; the next one shows it all. */
static void what_a_full_link_showed_is_asked_for(void **state)
{
    (void)state;
    struct probe p;
    struct probe_state s = idle;
    int64_t now_us, bps;
    bool full, first;
    started(&p, &now_us);
    probe_wanted_set(&p, 5 * MBIT, now_us);
    for (int i = 0; i < 2; i++) {
        probe_update(&p, &s, now_us);
        assert_true(wire(&p, &now_us, 100) > 0);
        arrive(&p, 1.5 * MBIT, 0);
        assert_true(probe_result_take(&p, MS(50), now_us, &bps, &full, &first));
        assert_int_equal(full, i == 1);
        assert_in_range(bps, i ? 1350000 : 1300000, 1530000);
        now_us += MS(5000);
    }
    s.estimate_bps = bps; /* then it is looked at whether it carries more by now */
    probe_update(&p, &s, now_us);
    assert_true(wire(&p, &now_us, 100) >= 3 * MBIT / 8 * 15 / 1000);
}

static void nobody_probes_for_nothing(void **state)
{
    (void)state;
    struct probe p;
    int64_t now_us;
    started(&p, &now_us);
    for (int i = 0; i < 1000; i++) {
        probe_wanted_set(&p, i % 2 ? 0 : MBIT, now_us); /* the estimate carries it */
        probe_update(&p, &idle, now_us);
        assert_int_equal(wire(&p, &now_us, 10), 0);
    }
    struct probe_state loud = idle;
    loud.quiet = false;
    for (int i = 0; i < 1000; i++) {
        probe_wanted_set(&p, 5 * MBIT, now_us);
        probe_update(&p, &loud, now_us);
        assert_int_equal(wire(&p, &now_us, 10), 0);
    }
}

static void a_new_wish_is_asked_for_at_once(void **state)
{
    (void)state;
    struct probe p;
    int64_t now_us;
    started(&p, &now_us);
    probe_wanted_set(&p, 3 * MBIT, now_us);
    assert_true(probe_next_us(&p, now_us) <= now_us + PROBE_DURATION_US);
    probe_update(&p, &idle, now_us);
    int64_t bytes = wire(&p, &now_us, 100);
    assert_in_range(bytes, 3 * MBIT / 8 * 15 / 1000, 3 * MBIT / 8 * 15 / 1000 * 3 / 2);
}

/* Clusters that are sent in so many seconds through a link, while 5 Mbit/s are wanted. misleads: each result
 * is more than the path carries. */
static int clusters_in(int seconds, double link_bps, bool misleads)
{
    struct probe p;
    int64_t now_us, bps;
    bool full, first;
    int clusters = 0;
    started(&p, &now_us);
    probe_wanted_set(&p, 5 * MBIT, now_us);
    for (int i = 0; i < seconds * 10; i++) {
        probe_update(&p, &busy, now_us);
        if (wire(&p, &now_us, 100) > 0) {
            clusters++;
            arrive(&p, link_bps, 0);
        }
        while (probe_result_take(&p, MS(50), now_us, &bps, &full, &first)) {
            assert_int_equal(full, misleads);
            if (misleads)
                probe_overuse(&p, now_us + MS(1));
        }
    }
    return clusters;
}

/* Ever more rarely, but for ever. */
static void failures_make_it_rare(void **state)
{
    (void)state;
    assert_in_range(clusters_in(60, MBIT, false), 15, 25);
}

static void clusters_that_mislead_make_it_much_rarer(void **state)
{
    (void)state;
    assert_in_range(clusters_in(120, 1e9, true), 5, 12);
}

static void lost_packets_make_no_result(void **state)
{
    (void)state;
    struct probe p;
    int64_t now_us, bps;
    bool full, first;
    started(&p, &now_us);
    probe_wanted_set(&p, 5 * MBIT, now_us);
    probe_update(&p, &idle, now_us);
    wire(&p, &now_us, 100);
    arrive(&p, 1e9, 2);
    assert_false(probe_result_take(&p, MS(50), now_us, &bps, &full, &first));
}

/* A wire with nothing to send, or feedback that never comes, must not block it for ever. */
static void a_cluster_that_cannot_be_sent_or_is_never_reported_is_given_up(void **state)
{
    (void)state;
    struct probe p;
    int64_t now_us, bps;
    bool full, first;
    started(&p, &now_us);
    probe_wanted_set(&p, 5 * MBIT, now_us);
    int begun = 0;
    for (int ms = 0; ms < 30000; ms += 10, now_us += MS(10)) {
        probe_update(&p, &idle, now_us);
        uint8_t before = probe_tag(&p);
        if (probe_due(&p, now_us) > 0 && before == 0) {
            begun++;
            if (begun % 2 == 0)
                probe_sent(&p, SIZE, now_us);
        }
        assert_false(probe_result_take(&p, MS(50), now_us, &bps, &full, &first));
    }
    assert_true(begun >= 6);
}

static void after_a_fall_the_old_rate_is_tried(void **state)
{
    (void)state;
    struct probe p;
    int64_t now_us;
    started(&p, &now_us);
    probe_recover(&p, 4 * MBIT, now_us);
    probe_update(&p, &busy, now_us);
    assert_int_equal(wire(&p, &now_us, 100), 0); /* not at once */
    now_us += MS(600);
    probe_update(&p, &busy, now_us);
    assert_in_range(wire(&p, &now_us, 100), 4 * MBIT / 8 * 15 / 1000, 4 * MBIT / 8 * 15 / 1000 * 3 / 2);
    sent_count = 0;
    now_us += MS(5000);
    probe_recover(&p, 4 * MBIT, now_us);
    now_us += MS(10000);
    probe_update(&p, &busy, now_us); /* too long ago */
    assert_int_equal(wire(&p, &now_us, 100), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_start_asks_for_three_and_six_times_as_much),
        cmocka_unit_test(while_that_succeeds_it_goes_on_to_what_is_wanted),
        cmocka_unit_test(a_full_link_shows_its_rate),
        cmocka_unit_test(what_a_full_link_showed_is_asked_for),
        cmocka_unit_test(nobody_probes_for_nothing),
        cmocka_unit_test(a_new_wish_is_asked_for_at_once),
        cmocka_unit_test(failures_make_it_rare),
        cmocka_unit_test(clusters_that_mislead_make_it_much_rarer),
        cmocka_unit_test(lost_packets_make_no_result),
        cmocka_unit_test(a_cluster_that_cannot_be_sent_or_is_never_reported_is_given_up),
        cmocka_unit_test(after_a_fall_the_old_rate_is_tried),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
