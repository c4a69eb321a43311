// link: cc rtp base
/* Transport-wide feedback. First byte: 0: a feedback body, for the parser and a sender with packets in
 * flight; 1: arrivals for a recorder, whose reports must be sound and tell exactly what arrived. */
#include <errno.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include "base/cursor.h"
#include "cc/twcc.h"
#include "support/fuzz.h"

struct seen {
    unsigned count;
    uint16_t next;
};

static void status_check(void *arg, uint16_t seq, bool received, int32_t delta)
{
    struct seen *s = arg;
    CHECK(s->count == 0 || seq == s->next);
    CHECK(received || delta == 0);
    s->next = (uint16_t)(seq + 1);
    s->count++;
}

static void result_check(void *arg, const struct twcc_result *r)
{
    struct seen *s = arg;
    CHECK(r->seq >= 1100 - 64 && r->seq < 1100 && r->size == 1 + r->seq % 7);
    CHECK(r->sent_us == r->seq * 10);
    s->count++;
}

static void try_feedback(const uint8_t *data, size_t len)
{
    const struct rtcp_block b = {.type = RTCP_RTPFB, .count = RTCP_FMT_TWCC, .body = data, .len = len};
    struct twcc_feedback f;
    struct seen seen = {0};
    int r = twcc_feedback_parse(&b, &f, status_check, &seen);
    CHECK(r == 0 || (r == -EBADMSG && seen.count == 0));
    if (r == 0)
        CHECK(seen.count == f.status_count && f.status_count <= TWCC_STATUSES_MAX);
    static struct twcc_sent ring[64];
    struct twcc_sender s;
    CHECK(twcc_sender_init(&s, ring, 64) == 0);
    s.next = 1000;
    for (int64_t i = 1000; i < 1100; i++)
        (void)twcc_sender_next(&s, i * 10, (uint16_t)(1 + i % 7), 0);
    struct seen told = {0}, again = {0};
    int n = twcc_sender_feedback(&s, &b, result_check, &told);
    CHECK(n < 0 ? r < 0 && told.count == 0 : r == 0 && told.count == (unsigned)n);
    if (n >= 0) {
        CHECK(twcc_sender_feedback(&s, &b, result_check, &again) == 0); /* nothing is told twice */
        CHECK(s.acked <= s.next);
    }
}

struct arrivals {
    int64_t at_us[65536];   /* by number: the arrival; 0: none */
    uint32_t run_of[65536]; /* by number: the input that at_us is of */
    uint32_t run;
    uint64_t received; /* told so */
    int64_t time_us;   /* of the report's statuses so far */
    unsigned count;
};

static struct arrivals arrivals;

static int64_t *arrival(uint16_t seq)
{
    if (arrivals.run_of[seq] != arrivals.run) {
        arrivals.run_of[seq] = arrivals.run;
        arrivals.at_us[seq] = 0;
    }
    return &arrivals.at_us[seq];
}

static void status_compare(void *arg, uint16_t seq, bool received, int32_t delta)
{
    struct arrivals *a = arg;
    a->count++;
    if (!received)
        return;
    a->time_us += delta * INT64_C(250);
    int64_t differ = a->time_us - *arrival(seq);
    CHECK(*arrival(seq) != 0 && differ >= -125 && differ <= 125);
    a->received++;
}

static void check_report(struct twcc_recorder *r, size_t cap, int64_t now_us)
{
    static uint8_t out[2048];
    struct writer w = writer_of(out, cap);
    if (!twcc_recorder_write(r, &w, 1, 2, now_us)) {
        CHECK(w.len == 0);
        return;
    }
    struct cursor c = cursor_of(out, w.len);
    struct rtcp_block b;
    struct twcc_feedback f;
    CHECK(!w.bad && rtcp_next(&c, &b) == 1 && cursor_left(&c) == 0);
    CHECK(twcc_feedback_parse(&b, &f, NULL, NULL) == 0);
    arrivals.time_us = (int64_t)f.reference * 64000;
    arrivals.count = 0;
    uint64_t before = arrivals.received;
    CHECK(twcc_feedback_parse(&b, &f, status_compare, &arrivals) == 0);
    CHECK(arrivals.count == f.status_count && arrivals.received > before);
}

static void try_arrivals(struct cursor c)
{
    static struct twcc_recorder r;
    twcc_recorder_init(&r);
    arrivals.received = 0;
    arrivals.run++;
    uint16_t seq = cursor_u16(&c);
    int64_t now_us = 1, highest = -1;
    struct seq_unwrap u = {0};
    for (int i = 0; i < 1000 && cursor_left(&c) > 3; i++) {
        uint8_t op = cursor_u8(&c);
        seq = (uint16_t)(seq + (op & 1 ? (int8_t)cursor_u8(&c) : (int16_t)cursor_u16(&c) / 8));
        now_us += (int64_t)(op >> 1) * (op & 2 ? 50000 : 50);
        if (now_us >= INT64_C(0x1000000) * 64000)
            return;
        int64_t ext = seq_unwrap(&u, seq);
        uint64_t dropped = r.dropped;
        bool fresh = ext > highest;
        if (fresh) { /* numbers that the window gains have not come yet */
            int64_t first = highest < 0 && !r.started ? ext : r.end;
            for (int64_t k = first; k <= ext; k++)
                *arrival((uint16_t)k) = 0;
            highest = ext;
        }
        twcc_recorder_input(&r, seq, now_us);
        if (r.dropped == dropped && *arrival(seq) == 0)
            *arrival(seq) = now_us;
        CHECK(r.end - r.base <= TWCC_WINDOW && r.base <= r.end);
        CHECK(r.pending == (twcc_recorder_next_timeout(&r) != INT64_MAX));
        if (op & 0x80)
            check_report(&r, op & 0x40 ? 1200 : 640, now_us);
    }
    for (int i = 0; r.pending; i++) {
        CHECK(i < TWCC_WINDOW);
        check_report(&r, 1200, now_us);
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
    struct cursor c = cursor_of(data, len);
    if (cursor_u8(&c) & 1) {
        try_arrivals(c);
    } else {
        size_t left = cursor_left(&c);
        try_feedback(cursor_bytes(&c, left), left);
    }
    return 0;
}
