/* The link emulator of tests/net/: what it does to datagrams, and what its scripts say. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "support/net_link.h"

#define MS(x) ((int64_t)(x)*1000)
#define START MS(5000)

static void begin(struct link *l, uint64_t seed, const char *words)
{
    struct link_shape s = {0};
    assert_int_equal(link_init(l, seed, START), 0);
    const char *bad = "";
    if (link_shape_parse(words, &s, &bad))
        fail_msg("%s", bad);
    assert_int_equal(link_step_add(l, 0, &s), 0);
}

/* Sends count datagrams of size bytes, one each gap_us. */
static void send_many(struct link *l, int count, size_t size, int64_t from_us, int64_t gap_us)
{
    uint8_t data[2000] = {0};
    for (int i = 0; i < count; i++)
        link_send(l, i, data, size, from_us + i * gap_us);
}

static int64_t arrives_us(struct link *l, int tag)
{
    int64_t next_us;
    while ((next_us = link_next_us(l)) != INT64_MAX) {
        struct link_datagram *d = link_take(l, next_us);
        if (!d)
            continue;
        bool found = d->tag == tag;
        free(d);
        if (found)
            return next_us;
    }
    return -1;
}

static void an_empty_shape_passes_everything_at_once(void **state)
{
    (void)state;
    struct link l;
    begin(&l, 1, "");
    link_send(&l, 7, "hello", 5, START);
    assert_int_equal(link_next_us(&l), START);
    struct link_datagram *d = link_take(&l, START);
    assert_non_null(d);
    assert_int_equal(d->tag, 7);
    assert_int_equal(d->len, 5);
    assert_memory_equal(d->data, "hello", 5);
    free(d);
    assert_null(link_take(&l, START));
    assert_int_equal(link_next_us(&l), INT64_MAX);
    link_done(&l);
}

static void the_rate_spaces_and_the_delay_is_added(void **state)
{
    (void)state;
    struct link l;
    begin(&l, 1, "rate=1M delay=30ms");
    send_many(&l, 3, 1250, START, 0); /* 10 ms each */
    for (int i = 0; i < 3; i++)
        assert_int_equal(arrives_us(&l, i), START + MS(10) * (i + 1) + MS(30));
    link_done(&l);
}

static void a_rate_that_changes_takes_effect_within_a_datagram(void **state)
{
    (void)state;
    struct link l;
    begin(&l, 1, "rate=1M");
    struct link_shape s = *link_shape(&l);
    s.rate_bps = 250000;
    assert_int_equal(link_step_add(&l, MS(5), &s), 0);
    send_many(&l, 1, 1250, START, 0); /* half of it in 5 ms, the other half in 20 ms */
    assert_int_equal(arrives_us(&l, 0), START + MS(25));
    link_done(&l);
}

static void a_full_queue_drops(void **state)
{
    (void)state;
    struct link l;
    begin(&l, 1, "rate=1M queue=100ms");
    send_many(&l, 30, 1250, START, 0);
    assert_int_equal(link_queue_us(&l), MS(110));
    assert_int_equal(l.counts.dropped, 30 - 11);
    link_done(&l);
    begin(&l, 1, "rate=1M queue=5kB");
    send_many(&l, 30, 1250, START, 0);
    assert_int_equal(l.counts.dropped, 30 - 4);
    link_done(&l);
}

static void the_wait_in_the_queue_is_told(void **state)
{
    (void)state;
    struct link l;
    begin(&l, 1, "rate=1M delay=5ms");
    send_many(&l, 2, 1250, START, MS(4));
    struct link_datagram *d = link_take(&l, START + MS(15));
    assert_int_equal(d->queue_us, 0);
    free(d);
    d = link_take(&l, START + MS(25));
    assert_int_equal(d->queue_us, MS(6));
    free(d);
    link_done(&l);
}

static void losses_come_in_their_share(void **state)
{
    (void)state;
    struct link l;
    begin(&l, 1, "loss=5%");
    send_many(&l, 20000, 100, START, 10);
    assert_in_range(l.counts.lost, 900, 1100);
    link_done(&l);
}

/* Enter 1 %, leave 25 %, all lost while bad: 1 / 26 of all, in runs of four on average. */
static void bursts_are_bursts(void **state)
{
    (void)state;
    struct link l;
    begin(&l, 1, "burst=1%/25%/100%");
    bool got[20000] = {0};
    for (int i = 0; i < 20000; i++) {
        link_send(&l, i, "x", 1, START + i);
        struct link_datagram *d = link_take(&l, START + i);
        got[i] = d != NULL;
        free(d);
    }
    int lost = 0, runs = 0;
    for (int i = 1; i < 20000; i++) {
        lost += !got[i];
        runs += !got[i] && got[i - 1];
    }
    assert_in_range(lost, 600, 950);
    assert_in_range(lost * 10 / runs, 30, 50);
    link_done(&l);
}

static void jitter_keeps_the_order_and_reordering_does_not(void **state)
{
    (void)state;
    for (int reorders = 0; reorders < 2; reorders++) {
        struct link l;
        begin(&l, 1, reorders ? "delay=10ms reorder=10%/5ms" : "delay=10ms jitter=20ms");
        send_many(&l, 1000, 100, START, MS(1));
        int last = -1, overtaken = 0;
        struct link_datagram *d;
        while ((d = link_take(&l, START + MS(2000)))) {
            overtaken += d->tag < last;
            last = d->tag > last ? d->tag : last;
            free(d);
        }
        if (reorders)
            assert_in_range(overtaken, 50, 150);
        else
            assert_int_equal(overtaken, 0);
        assert_int_equal(l.counts.delivered, 1000);
        link_done(&l);
    }
}

static void duplicates_come_twice(void **state)
{
    (void)state;
    struct link l;
    begin(&l, 1, "duplicate=100%");
    link_send(&l, 1, "ab", 2, START);
    for (int i = 0; i < 2; i++) {
        struct link_datagram *d = link_take(&l, START);
        assert_non_null(d);
        assert_memory_equal(d->data, "ab", 2);
        free(d);
    }
    assert_null(link_take(&l, START));
    link_done(&l);
}

static void an_outage_loses_and_a_stall_holds(void **state)
{
    (void)state;
    struct link l;
    begin(&l, 1, "rate=8M outage=100ms/1s");
    send_many(&l, 1000, 100, START, MS(1));
    assert_int_equal(arrives_us(&l, 999), -1);
    assert_int_equal(l.counts.lost, 100);
    link_done(&l);
    begin(&l, 1, "rate=8M stall=100ms/1s");
    send_many(&l, 1000, 100, START, MS(1));
    assert_int_equal(arrives_us(&l, 900), START + MS(1000) + 100);
    assert_int_equal(l.counts.lost, 0);
    link_done(&l);
}

static uint64_t digest_of(uint64_t seed)
{
    struct link l;
    begin(&l, seed, "rate=2M delay=20ms jitter=10ms loss=3% burst=1%/30%/80% reorder=2%/15ms duplicate=1%");
    send_many(&l, 2000, 700, START, MS(3));
    uint64_t sum = 0;
    struct link_datagram *d;
    while ((d = link_take(&l, START + MS(20000)))) {
        sum = sum * 31 + (uint64_t)d->due_us * 7 + (uint64_t)d->tag;
        free(d);
    }
    link_done(&l);
    return sum;
}

static void the_same_seed_gives_the_same_link(void **state)
{
    (void)state;
    assert_true(digest_of(5) == digest_of(5));
    assert_true(digest_of(5) != digest_of(6));
}

/* What came out does not depend on how often it was asked. */
static void polling_changes_nothing(void **state)
{
    (void)state;
    struct link a, b;
    const char *words = "rate=700k queue=200ms delay=20ms jitter=5ms loss=3% stall=50ms/300ms";
    begin(&a, 3, words);
    begin(&b, 3, words);
    struct link_datagram *d;
    for (int i = 0; i < 3000; i++) {
        if (i % 10 == 0) {
            link_send(&a, i, "0123456789", 10, START + MS(i));
            link_send(&b, i, "0123456789", 10, START + MS(i));
        }
        (void)link_next_us(&a);
        struct link_datagram *early = link_take(&a, START + MS(i));
        struct link_datagram *other = link_take(&b, START + MS(i));
        assert_true(!early == !other);
        if (early) {
            assert_int_equal(early->due_us, other->due_us);
            assert_int_equal(early->tag, other->tag);
        }
        free(early);
        free(other);
    }
    while ((d = link_take(&a, START + MS(10000))))
        free(d);
    link_done(&a);
    link_done(&b);
}

static void scripts_change_the_link_over_time(void **state)
{
    (void)state;
    struct link l;
    assert_int_equal(link_init(&l, 1, START), 0);
    const char *text = "# a comment\n"
                       "0     rate=3M delay=25ms queue=300ms\n"
                       "\n"
                       "15s   rate=500k   # slow\n"
                       "0.5m  rate=3M loss=2.5%\n";
    assert_int_equal(link_script_parse(&l, text, NULL), 0);
    static const struct {
        int at_s;
        int64_t rate_bps;
        uint32_t loss_ppm;
    } want[] = {{0, 3000000, 0}, {14, 3000000, 0}, {15, 500000, 0}, {29, 500000, 0}, {30, 3000000, 25000}};
    for (size_t i = 0; i < sizeof want / sizeof want[0]; i++) {
        assert_null(link_take(&l, START + MS(want[i].at_s * 1000)));
        assert_int_equal(link_shape(&l)->rate_bps, want[i].rate_bps);
        assert_int_equal(link_shape(&l)->loss_ppm, want[i].loss_ppm);
        assert_int_equal(link_shape(&l)->delay_us, MS(25));
        assert_int_equal(link_shape(&l)->queue_us, MS(300));
    }
    link_done(&l);
}

static void a_shape_set_by_hand_ends_the_script(void **state)
{
    (void)state;
    struct link l;
    assert_int_equal(link_init(&l, 1, START), 0);
    assert_int_equal(link_script_parse(&l, "0 rate=3M\n10s rate=1M\n", NULL), 0);
    struct link_shape s = *link_shape(&l);
    s.rate_bps = 400000;
    assert_int_equal(link_shape_set(&l, &s, START + MS(5000)), 0);
    assert_null(link_take(&l, START + MS(20000)));
    assert_int_equal(link_shape(&l)->rate_bps, 400000);
    link_done(&l);
}

static void bad_words_are_refused(void **state)
{
    (void)state;
    static const char *const bad[] = {"rate", "rate=", "rate=3Q", "rate=-1", "rate=1.2.3M", "rate=9999999G",
        "delay=5", "delay=5ms/6ms", "loss=101%", "loss=5", "burst=1%/2%", "burst=1%/2%/3%/4%", "outage=100ms",
        "outage=2s/1s", "reorder=5%", "speed=1M", "=", "overhead=2000", "queue=5%", "jitter=.", "rate=inf",
        "rate=99999999999999999999999999999999999999999999999999"};
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        struct link_shape s = {.rate_bps = 77};
        const char *word = NULL;
        char text[100];
        snprintf(text, sizeof text, "delay=1ms %s", bad[i]);
        if (link_shape_parse(text, &s, &word) != -EINVAL || strncmp(word, bad[i], strlen(bad[i])) != 0)
            fail_msg("taken: %s", bad[i]);
        assert_int_equal(s.rate_bps, 77);
        assert_int_equal(s.delay_us, 0);
    }
    static const struct {
        const char *text;
        int line;
    } scripts[] = {
        {"0 rate=1M\nrate=2M\n", 2}, {"0 rate=1M\n\n# x\n5s rate=2M\n4s rate=1M\n", 5}, {"1h rate=1M", 1}};
    for (size_t i = 0; i < sizeof scripts / sizeof scripts[0]; i++) {
        struct link l;
        int line = 0;
        assert_int_equal(link_init(&l, 1, START), 0);
        assert_int_equal(link_script_parse(&l, scripts[i].text, &line), -EINVAL);
        assert_int_equal(line, scripts[i].line);
        link_done(&l);
    }
}

static void what_is_held_is_bounded(void **state)
{
    (void)state;
    struct link l;
    begin(&l, 1, "delay=1000s");
    send_many(&l, LINK_PACKETS_MAX + 10, 1, START, 0);
    assert_int_equal(l.counts.dropped, 10);
    assert_int_equal(l.held, LINK_PACKETS_MAX);
    link_done(&l);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(an_empty_shape_passes_everything_at_once),
        cmocka_unit_test(the_rate_spaces_and_the_delay_is_added),
        cmocka_unit_test(a_rate_that_changes_takes_effect_within_a_datagram),
        cmocka_unit_test(a_full_queue_drops),
        cmocka_unit_test(the_wait_in_the_queue_is_told),
        cmocka_unit_test(losses_come_in_their_share),
        cmocka_unit_test(bursts_are_bursts),
        cmocka_unit_test(jitter_keeps_the_order_and_reordering_does_not),
        cmocka_unit_test(duplicates_come_twice),
        cmocka_unit_test(an_outage_loses_and_a_stall_holds),
        cmocka_unit_test(the_same_seed_gives_the_same_link),
        cmocka_unit_test(polling_changes_nothing),
        cmocka_unit_test(scripts_change_the_link_over_time),
        cmocka_unit_test(a_shape_set_by_hand_ends_the_script),
        cmocka_unit_test(bad_words_are_refused),
        cmocka_unit_test(what_is_held_is_bounded),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
