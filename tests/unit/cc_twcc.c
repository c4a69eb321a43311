/* Transport-wide feedback: the format, the recorder, the sender, and the two against each other on a bad
 * network. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>
#include <errno.h>
#include <string.h>
#include "cc/twcc.h"
#include "support/seeded.h"

#define MS(x) ((int64_t)(x)*1000)

static struct rtcp_block block_of(const void *data, size_t len)
{
    struct cursor c = cursor_of(data, len);
    struct rtcp_block b = {0};
    assert_int_equal(rtcp_next(&c, &b), 1);
    assert_true(rtcp_is_feedback(&b, RTCP_RTPFB, RTCP_FMT_TWCC));
    return b;
}

struct statuses {
    int count;
    uint16_t seq[TWCC_STATUSES_MAX];
    bool received[TWCC_STATUSES_MAX];
    int32_t delta[TWCC_STATUSES_MAX];
};

static struct statuses got;

static void status_note(void *arg, uint16_t seq, bool received, int32_t delta)
{
    (void)arg;
    got.seq[got.count] = seq;
    got.received[got.count] = received;
    got.delta[got.count++] = delta;
}

static int parse(const void *data, size_t len, struct twcc_feedback *f)
{
    struct rtcp_block b = block_of(data, len);
    got.count = 0;
    return twcc_feedback_parse(&b, f, status_note, NULL);
}

/* ---- the format ---- */

static void all_chunk_kinds_are_read(void **state)
{
    (void)state;
    const uint8_t data[] = {
        0xaf, 205, 0, 10,          /* padding */
        0, 0, 0, 1, 0, 0, 0, 2,    /* SSRCs */
        0xff, 0xfe, 0, 5 + 14 + 3, /* base 65534, 22 statuses */
        0x12, 0x34, 0x56, 7,       /* reference time, counter */
        0x20, 0x05,                /* five times small */
        0xa0, 0x01,                /* fourteen bits: 10 0000 0000 0001 */
        0xe1, 0x00,                /* two bits: large, missing, small, (four too many) */
        1, 2, 3, 4, 255,           /* the five */
        10, 20,                    /* the two of the vector */
        0xff, 0xff, 30,            /* -1, 30 */
        0, 0, 0, 0, 0, 0, 0, 8,    /* padding */
    };
    struct twcc_feedback f;
    assert_int_equal(parse(data, sizeof data, &f), 0);
    assert_int_equal(f.sender_ssrc, 1);
    assert_int_equal(f.media_ssrc, 2);
    assert_int_equal(f.base, 65534);
    assert_int_equal(f.status_count, 22);
    assert_int_equal(f.reference, 0x123456);
    assert_int_equal(f.count, 7);
    assert_int_equal(got.count, 22);
    static const int32_t want[22] = {
        1, 2, 3, 4, 255, 10, -9, -9, -9, -9, -9, -9, -9, -9, -9, -9, -9, -9, 20, -1, -9, 30};
    for (int i = 0; i < 22; i++) {
        assert_int_equal(got.seq[i], (uint16_t)(65534 + i));
        assert_int_equal(got.received[i], want[i] != -9);
        assert_int_equal(got.delta[i], want[i] == -9 ? 0 : want[i]);
    }
}

static void unsound_feedback_is_refused_before_anything_is_told(void **state)
{
    (void)state;
    static const struct {
        const char *what;
        uint8_t words;
        uint8_t rest[16]; /* from the base on */
    } bad[] = {
        {"cut before the reference time", 3, {0, 1, 0, 1}},
        {"no statuses", 5, {0, 1, 0, 0, 0, 0, 1, 0, 0x20, 1, 5, 0}},
        {"no chunk", 4, {0, 1, 0, 1, 0, 0, 1, 0}},
        {"too few chunks", 5, {0, 1, 0, 5, 0, 0, 1, 0, 0x00, 2, 0x00, 2}},
        {"an empty run", 5, {0, 1, 0, 5, 0, 0, 1, 0, 0x00, 0, 0x00, 5}},
        {"a delta is missing", 5, {0, 1, 0, 3, 0, 0, 1, 0, 0x20, 3, 1, 2}},
        {"half a large delta", 5, {0, 1, 0, 2, 0, 0, 1, 0, 0x40, 2, 1, 2}},
        {"the reserved symbol", 6, {0, 1, 0, 1, 0, 0, 1, 0, 0x60, 1, 0, 0, 0, 0, 0, 0}},
        {"the reserved symbol in a vector", 6, {0, 1, 0, 2, 0, 0, 1, 0, 0xf0, 0, 0, 0, 0, 0, 0, 0}},
        {"65,535 statuses", 5, {0, 1, 0xff, 0xff, 0, 0, 1, 0, 0x1f, 0xff, 0x1f, 0xff}},
    };
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        uint8_t data[28] = {0x8f, 205, 0, bad[i].words};
        memcpy(data + 12, bad[i].rest, sizeof bad[i].rest);
        struct twcc_feedback f;
        if (parse(data, 4 + 4 * (size_t)bad[i].words, &f) != -EBADMSG)
            fail_msg("taken: %s", bad[i].what);
        assert_int_equal(got.count, 0);
    }
}

/* ---- the recorder ---- */

static struct twcc_recorder rec;

static size_t report(int64_t now_us, uint8_t *data, size_t cap, struct twcc_feedback *f)
{
    struct writer w = writer_of(data, cap);
    if (!twcc_recorder_write(&rec, &w, 1, 2, now_us))
        return 0;
    assert_false(w.bad);
    assert_int_equal(w.len % 4, 0);
    assert_int_equal(parse(data, w.len, f), 0);
    return w.len;
}

static void arrivals_are_reported_in_ticks_of_250_us(void **state)
{
    (void)state;
    uint8_t data[1200];
    struct twcc_feedback f;
    twcc_recorder_init(&rec);
    assert_true(twcc_recorder_next_timeout(&rec) == INT64_MAX);
    assert_int_equal(report(MS(1), data, sizeof data, &f), 0);
    int64_t at_us = 64000 * 5 + 1000;
    twcc_recorder_input(&rec, 65535, at_us);
    twcc_recorder_input(&rec, 0, at_us + 250);
    twcc_recorder_input(&rec, 2, at_us + 250 + 64000); /* 256 ticks: large */
    twcc_recorder_input(&rec, 3, at_us + 250 + 63000); /* before the one before */
    twcc_recorder_input(&rec, 3, at_us + 99000);       /* twice */
    assert_true(report(at_us + MS(100), data, sizeof data, &f) > 0);
    assert_int_equal(f.base, 65535);
    assert_int_equal(f.status_count, 5);
    assert_int_equal(f.reference, 5);
    assert_int_equal(f.count, 0);
    static const int32_t want[] = {4, 1, -99, 256, -4};
    for (int i = 0; i < 5; i++) {
        assert_int_equal(got.received[i], want[i] != -99);
        if (got.received[i])
            assert_int_equal(got.delta[i], want[i]);
    }
    assert_true(twcc_recorder_next_timeout(&rec) == INT64_MAX);
    assert_int_equal(report(at_us + MS(200), data, sizeof data, &f), 0);
}

static void reports_come_at_50_to_100_ms(void **state)
{
    (void)state;
    uint8_t data[1200];
    struct twcc_feedback f;
    twcc_recorder_init(&rec);
    int64_t now_us = MS(1000);
    uint16_t seq = 0;
    twcc_recorder_input(&rec, seq++, now_us);
    assert_int_equal(twcc_recorder_next_timeout(&rec), now_us + TWCC_MAX_US);
    for (int i = 0; i < 20; i++)
        twcc_recorder_input(&rec, seq++, now_us + MS(i));
    assert_int_equal(twcc_recorder_next_timeout(&rec), now_us + TWCC_MAX_US);
    now_us += TWCC_MAX_US;
    assert_true(report(now_us, data, sizeof data, &f) > 0);
    for (int i = 0; i < TWCC_FULL_PACKETS; i++) /* a fast stream */
        twcc_recorder_input(&rec, seq++, now_us);
    assert_int_equal(twcc_recorder_next_timeout(&rec), now_us + TWCC_MIN_US);
    now_us += TWCC_MIN_US;
    assert_true(report(now_us, data, sizeof data, &f) > 0);
    now_us += MS(5000); /* after silence not for the first packet alone */
    twcc_recorder_input(&rec, seq++, now_us);
    assert_int_equal(twcc_recorder_next_timeout(&rec), now_us + TWCC_MIN_US);
}

static void late_arrivals_take_the_loss_back(void **state)
{
    (void)state;
    uint8_t data[1200];
    struct twcc_feedback f;
    twcc_recorder_init(&rec);
    twcc_recorder_input(&rec, 10, MS(1));
    twcc_recorder_input(&rec, 12, MS(2));
    assert_true(report(MS(100), data, sizeof data, &f) > 0);
    assert_false(got.received[1]);
    twcc_recorder_input(&rec, 13, MS(101));
    twcc_recorder_input(&rec, 11, MS(103));
    assert_true(report(MS(200), data, sizeof data, &f) > 0);
    assert_int_equal(f.base, 11);
    assert_int_equal(f.status_count, 3);
    assert_int_equal(f.count, 1);
    assert_true(got.received[0] && got.received[1] && got.received[2]);
    assert_int_equal(got.delta[1], -404); /* 12 came 101 ms before 11 */
    twcc_recorder_input(&rec, (uint16_t)(13 - TWCC_WINDOW), MS(201));
    assert_int_equal(rec.dropped, 1);
    assert_false(rec.pending);
}

static void a_long_gap_moves_the_window(void **state)
{
    (void)state;
    uint8_t data[1200];
    struct twcc_feedback f;
    twcc_recorder_init(&rec);
    twcc_recorder_input(&rec, 0, MS(1));
    twcc_recorder_input(&rec, 10000, MS(2)); /* 0 is pushed out unreported */
    assert_true(report(MS(100), data, sizeof data, &f) > 0);
    assert_int_equal(f.base, 10000 - TWCC_WINDOW + 1);
    assert_int_equal(f.status_count, TWCC_WINDOW);
    for (int i = 0; i < got.count; i++)
        assert_int_equal(got.received[i], i == got.count - 1);
    assert_false(rec.pending);
}

/* More than a report can hold, deltas beyond 16 bits, little room: several reports, nothing lost or told
 * twice. */
static void what_does_not_fit_comes_in_the_next_report(void **state)
{
    (void)state;
    for (uint64_t seed = 1; seed <= 300; seed++) {
        struct seeded r = seeded_of(seed);
        twcc_recorder_init(&rec);
        static int64_t arrival_us[3000];
        memset(arrival_us, 0, sizeof arrival_us);
        uint16_t first = (uint16_t)seeded_u64(&r);
        int64_t now_us = MS(1 + seeded_below(&r, 100000));
        int count = 1 + (int)seeded_below(&r, TWCC_WINDOW);
        unsigned loss = seeded_below(&r, 100);
        for (int i = 0; i < count; i++) {
            now_us += seeded_below(&r, seeded_chance(&r, 1) ? 9000000 : 3000);
            if (i == 0 || i == count - 1 || !seeded_chance(&r, loss)) {
                arrival_us[i] = now_us;
                twcc_recorder_input(&rec, (uint16_t)(first + i), now_us);
            }
        }
        size_t cap = 640 + seeded_below(&r, 600);
        int next = 0;
        uint8_t counter = 0;
        while (rec.pending) {
            uint8_t data[1300];
            memset(data, 0xee, sizeof data);
            struct twcc_feedback f;
            assert_true(report(now_us, data, cap, &f) > 0);
            for (size_t i = cap; i < sizeof data; i++)
                assert_int_equal(data[i], 0xee);
            assert_int_equal(f.count, counter++);
            assert_int_equal(f.base, (uint16_t)(first + next));
            int64_t at_us = (int64_t)f.reference * 64000;
            for (int i = 0; i < got.count; i++, next++) {
                assert_int_equal(got.received[i], arrival_us[next] != 0);
                at_us += got.delta[i] * INT64_C(250);
                if (got.received[i]) /* rounded, and the rounding does not add up */
                    assert_in_range(at_us - arrival_us[next] + 125, 0, 250);
            }
            assert_true(got.received[got.count - 1]);
        }
        assert_int_equal(next, count);
    }
}

static void too_little_room_writes_nothing(void **state)
{
    (void)state;
    twcc_recorder_init(&rec);
    twcc_recorder_input(&rec, 1, MS(1));
    for (size_t cap = 0; cap < 24; cap++) {
        uint8_t data[64];
        struct writer w = writer_of(data, cap);
        assert_false(twcc_recorder_write(&rec, &w, 1, 2, MS(100)));
        assert_true(w.bad);
        assert_int_equal(w.len, 0);
        assert_true(rec.pending);
    }
}

/* ---- the sender ---- */

static struct twcc_sent ring[512];

struct results {
    int count;
    struct twcc_result r[TWCC_STATUSES_MAX];
};

static struct results results;

static void result_note(void *arg, const struct twcc_result *r)
{
    (void)arg;
    results.r[results.count++] = *r;
}

static int feed(struct twcc_sender *s, const uint8_t *data, size_t len)
{
    struct rtcp_block b = block_of(data, len);
    results.count = 0;
    int n = twcc_sender_feedback(s, &b, result_note, NULL);
    if (n >= 0)
        assert_int_equal(n, results.count);
    return n;
}

static void reports_tell_when_packets_arrived(void **state)
{
    (void)state;
    struct twcc_sender s;
    assert_int_equal(twcc_sender_init(&s, ring, 512), 0);
    for (int i = 0; i < 5; i++)
        assert_int_equal(twcc_sender_next(&s, MS(10 * i), (uint16_t)(100 + i), (uint8_t)i), i);
    uint8_t data[1200];
    struct twcc_feedback f;
    twcc_recorder_init(&rec);
    twcc_recorder_input(&rec, 0, MS(500));
    twcc_recorder_input(&rec, 1, MS(510));
    twcc_recorder_input(&rec, 3, MS(540));
    size_t len = report(MS(600), data, sizeof data, &f);
    assert_int_equal(feed(&s, data, len), 4);
    for (int i = 0; i < 4; i++) {
        const struct twcc_result *r = &results.r[i];
        assert_int_equal(r->seq, i);
        assert_int_equal(r->sent_us, MS(10 * i));
        assert_int_equal(r->size, 100 + i);
        assert_int_equal(r->tag, i);
        assert_int_equal(r->received, i != 2);
    }
    assert_int_equal(results.r[1].recv_us - results.r[0].recv_us, MS(10));
    assert_int_equal(results.r[3].recv_us - results.r[1].recv_us, MS(30));
    assert_int_equal(s.acked, 4);
    assert_int_equal(feed(&s, data, len), 0); /* the same again is no news */
    twcc_recorder_input(&rec, 2, MS(650));    /* it was only late */
    twcc_recorder_input(&rec, 5, MS(651));    /* a number that was never sent */
    len = report(MS(700), data, sizeof data, &f);
    assert_int_equal(feed(&s, data, len), 2);
    assert_int_equal(results.r[0].seq, 2);
    assert_true(results.r[0].received);
    assert_int_equal(results.r[0].recv_us - 64000 * 7, MS(650) - 64000 * 7);
    assert_int_equal(results.r[1].seq, 4);
    assert_false(results.r[1].received);
}

static void reference_times_run_on_over_their_24_bits(void **state)
{
    (void)state;
    struct twcc_sender s;
    assert_int_equal(twcc_sender_init(&s, ring, 512), 0);
    int64_t wrap_us = INT64_C(0x1000000) * 64000, last_us = 0;
    for (int i = 0; i < 20; i++) {
        twcc_recorder_init(&rec);
        uint16_t seq = twcc_sender_next(&s, MS(i), 100, 0);
        twcc_recorder_input(&rec, seq, wrap_us - 640000 + i * INT64_C(64000) + 250);
        uint8_t data[64];
        struct twcc_feedback f;
        size_t len = report(wrap_us, data, sizeof data, &f);
        assert_int_equal(feed(&s, data, len), 1);
        if (i > 0)
            assert_int_equal(results.r[0].recv_us - last_us, 64000);
        last_us = results.r[0].recv_us;
    }
    assert_true(s.reference > 0xffffff);
}

/* Each report is half a turn of the 24 bits ahead of the one before. */
static void forged_reference_times_stay_bounded(void **state)
{
    (void)state;
    struct twcc_sender s;
    assert_int_equal(twcc_sender_init(&s, ring, 512), 0);
    uint8_t data[64];
    struct twcc_feedback f;
    uint16_t seq = twcc_sender_next(&s, MS(1), 100, 0);
    twcc_recorder_init(&rec);
    twcc_recorder_input(&rec, seq, MS(100));
    size_t len = report(MS(200), data, sizeof data, &f);
    int64_t highest = 0;
    for (uint32_t i = 0; i < 300000; i++) {
        uint32_t reference = i * 0x7fffffu & 0xffffff;
        data[16] = (uint8_t)(reference >> 16);
        data[17] = (uint8_t)(reference >> 8);
        data[18] = (uint8_t)reference;
        assert_true(feed(&s, data, len) >= 0);
        highest = s.reference > highest ? s.reference : highest;
    }
    assert_in_range(highest, INT64_C(1) << 39, INT64_C(1) << 41); /* times 64,000 it is still a number */
}

static void the_ring_forgets_and_refuses(void **state)
{
    (void)state;
    struct twcc_sender s;
    assert_int_equal(twcc_sender_init(&s, ring, 100), -EINVAL);
    assert_int_equal(twcc_sender_init(&s, ring, 0), -EINVAL);
    assert_int_equal(twcc_sender_init(&s, ring, 32768), -EINVAL);
    assert_int_equal(twcc_sender_init(&s, ring, 64), 0);
    for (int i = 0; i < 70000; i++)
        assert_int_equal(twcc_sender_next(&s, i, 100, 0), (uint16_t)i);
    twcc_recorder_init(&rec);
    for (int i = 69900; i < 70000; i++)
        twcc_recorder_input(&rec, (uint16_t)i, MS(i));
    uint8_t data[1200];
    struct twcc_feedback f;
    size_t len = report(MS(70100), data, sizeof data, &f);
    assert_int_equal(feed(&s, data, len), 64);
    assert_int_equal(results.r[0].seq, 70000 - 64);
    assert_int_equal(results.r[63].sent_us, 69999);
    data[3]--; /* a broken block tells nothing and changes nothing */
    struct twcc_sender before = s;
    struct rtcp_block b = {.type = RTCP_RTPFB, .count = RTCP_FMT_TWCC, .body = data + 4, .len = 14};
    assert_int_equal(twcc_sender_feedback(&s, &b, result_note, NULL), -EBADMSG);
    assert_memory_equal(&s, &before, sizeof s);
}

/* While more is under way than it ought to hold the ring is exchanged for larger ones, and forgets nothing.
 */
static void the_ring_grows(void **state)
{
    (void)state;
    static struct twcc_sent larger[2][512];
    struct twcc_sender s;
    assert_int_equal(twcc_sender_init(&s, ring, 64), 0);
    assert_int_equal(twcc_sender_grow(&s, larger[0], 64), -EINVAL);
    assert_int_equal(twcc_sender_grow(&s, larger[0], 100), -EINVAL);
    size_t grown = 0;
    for (int i = 0; i < 100; i++) {
        if (twcc_sender_is_short(&s)) {
            assert_int_equal(twcc_sender_grow(&s, larger[grown % 2], 128u << grown), 0);
            grown++;
        }
        assert_int_equal(twcc_sender_next(&s, MS(i), (uint16_t)(100 + i), 0), i);
    }
    assert_int_equal(grown, 3); /* for 17, 33 and 65 packets */
    assert_false(twcc_sender_is_short(&s));
    twcc_recorder_init(&rec);
    for (int i = 0; i < 100; i++)
        twcc_recorder_input(&rec, (uint16_t)i, MS(500 + i));
    uint8_t data[1200];
    struct twcc_feedback f;
    size_t len = report(MS(700), data, sizeof data, &f);
    assert_int_equal(feed(&s, data, len), 100);
    for (int i = 0; i < 100; i++) {
        assert_int_equal(results.r[i].sent_us, MS(i));
        assert_int_equal(results.r[i].size, 100 + i);
    }
}

/* Both sides over a path that loses, delays and reorders, feedback included: every packet is told of at most
 * once as missing and once as received, with its true times, and all that came is told of. */
static void both_sides_agree_over_a_bad_network(void **state)
{
    (void)state;
    enum { COUNT = 70000 };
    static int64_t sent_us[COUNT], recv_us[COUNT];
    static uint8_t told[COUNT];
    static struct twcc_sent big[4096];
    for (uint64_t seed = 1; seed <= 4; seed++) {
        struct seeded r = seeded_of(seed);
        struct twcc_sender s;
        assert_int_equal(twcc_sender_init(&s, big, 4096), 0);
        twcc_recorder_init(&rec);
        memset(recv_us, 0, sizeof recv_us);
        memset(told, 0, sizeof told);
        int64_t offset_us = -1; /* of the two clocks, as the reports show it */
        int told_received = 0, came = 0;
        for (int i = 0; i < COUNT; i++) {
            sent_us[i] = MS(1000) + i * INT64_C(700);
            assert_int_equal(twcc_sender_next(&s, sent_us[i], 1000, 0), (uint16_t)i);
            if (i >= 20) { /* what was sent 14 ms ago arrives, some a bit later or not at all */
                int k = i - 20 + (int)seeded_below(&r, 4);
                int lost = seeded_chance(&r, 3);
                if (!lost && recv_us[k] == 0) {
                    recv_us[k] = sent_us[i] + MS(777777);
                    twcc_recorder_input(&rec, (uint16_t)k, recv_us[k]);
                    came++;
                }
            }
            int64_t remote_us = sent_us[i] + MS(777777);
            while (twcc_recorder_next_timeout(&rec) <= remote_us) {
                uint8_t data[1200];
                struct twcc_feedback f;
                size_t len = report(remote_us, data, sizeof data, &f);
                assert_true(len > 0);
                assert_true(feed(&s, data, len) >= 0);
                for (int n = 0; n < results.count; n++) {
                    const struct twcc_result *x = &results.r[n];
                    assert_int_equal(x->sent_us, sent_us[x->seq]);
                    if (!x->received) {
                        assert_int_equal(told[x->seq], 0);
                        told[x->seq] = 1;
                        continue;
                    }
                    assert_true(told[x->seq] < 2);
                    told[x->seq] = 2;
                    told_received++;
                    if (offset_us < 0)
                        offset_us = recv_us[x->seq] - x->recv_us;
                    assert_in_range(recv_us[x->seq] - x->recv_us - offset_us + 250, 0, 500);
                }
            }
        }
        assert_true(came > COUNT * 6 / 10);
        assert_in_range(came - told_received, 0, 200); /* the last report is not due yet */
        assert_int_equal(rec.dropped, 0);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(all_chunk_kinds_are_read),
        cmocka_unit_test(unsound_feedback_is_refused_before_anything_is_told),
        cmocka_unit_test(arrivals_are_reported_in_ticks_of_250_us),
        cmocka_unit_test(reports_come_at_50_to_100_ms),
        cmocka_unit_test(late_arrivals_take_the_loss_back),
        cmocka_unit_test(a_long_gap_moves_the_window),
        cmocka_unit_test(what_does_not_fit_comes_in_the_next_report),
        cmocka_unit_test(too_little_room_writes_nothing),
        cmocka_unit_test(reports_tell_when_packets_arrived),
        cmocka_unit_test(reference_times_run_on_over_their_24_bits),
        cmocka_unit_test(forged_reference_times_stay_bounded),
        cmocka_unit_test(the_ring_forgets_and_refuses),
        cmocka_unit_test(the_ring_grows),
        cmocka_unit_test(both_sides_agree_over_a_bad_network),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
