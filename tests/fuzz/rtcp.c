// link: rtp base
/* RTCP. A datagram is walked; every block is given to the parser of its type, and what a parser takes must
 * come back the same from its writer. */
#include <errno.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include "rtp/receiver_stats.h"
#include "rtp/rtcp.h"
#include "rtp/sender_stats.h"
#include "rtp/seq.h"
#include "support/fuzz.h"

static uint8_t out[8192];

/* The block that was written last. */
static struct rtcp_block written(const struct writer *w)
{
    struct cursor c = cursor_of(w->buf, w->len);
    struct rtcp_block b;
    CHECK(!w->bad && w->len % 4 == 0);
    CHECK(rtcp_next(&c, &b) == 1 && cursor_left(&c) == 0);
    return b;
}

static size_t take_reports(struct cursor *c, struct rtcp_report *reports)
{
    size_t count = 0;
    while (rtcp_report_next(c, &reports[count]))
        count++;
    return count;
}

static void check_reports(struct cursor again, const struct rtcp_report *reports, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        struct rtcp_report r;
        CHECK(rtcp_report_next(&again, &r));
        CHECK(r.ssrc == reports[i].ssrc && r.total_lost == reports[i].total_lost && r.lsr == reports[i].lsr);
        CHECK(r.fraction_lost == reports[i].fraction_lost && r.dlsr == reports[i].dlsr);
        CHECK(r.highest_seq == reports[i].highest_seq && r.jitter == reports[i].jitter);
    }
}

static void try_report(const struct rtcp_block *b)
{
    struct rtcp_report reports[RTCP_REPORTS_MAX + 1];
    struct rtcp_sr sr = {0}, sr_again;
    struct cursor c;
    uint32_t ssrc;
    struct writer w = writer_of(out, sizeof out);
    if (b->type == RTCP_SR) {
        if (rtcp_sr_parse(b, &sr, &c) < 0)
            return;
        size_t count = take_reports(&c, reports);
        CHECK(count == b->count);
        rtcp_sr_write(&w, &sr, reports, count);
        struct rtcp_block again = written(&w);
        CHECK(rtcp_sr_parse(&again, &sr_again, &c) == 0);
        CHECK(memcmp(&sr, &sr_again, offsetof(struct rtcp_sr, octets)) == 0 || sr.ssrc == sr_again.ssrc);
        CHECK(sr.ntp == sr_again.ntp && sr.ts == sr_again.ts && sr.octets == sr_again.octets);
        check_reports(c, reports, count);
        struct receiver_stats s;
        receiver_stats_init(&s, sr.ssrc, 90000);
        receiver_stats_sr(&s, &sr, 1);
    } else {
        if (rtcp_rr_parse(b, &ssrc, &c) < 0)
            return;
        size_t count = take_reports(&c, reports);
        CHECK(count == b->count);
        rtcp_rr_write(&w, ssrc, reports, count);
        struct rtcp_block again = written(&w);
        CHECK(rtcp_rr_parse(&again, &ssrc, &c) == 0);
        check_reports(c, reports, count);
        struct sender_stats s;
        sender_stats_init(&s, 1);
        sender_stats_sr(&s, UINT64_C(1) << 16, 0, 0, &sr);
        for (size_t i = 0; i < count; i++)
            CHECK(sender_stats_report(&s, &reports[i], 1000000) >= 0);
    }
}

struct cnames {
    const struct rtcp_block *b;
    unsigned count;
};

static void cname_check(void *arg, uint32_t ssrc, const char *cname, size_t len)
{
    struct cnames *n = arg;
    const uint8_t *p = (const uint8_t *)cname;
    CHECK(len > 0 && p > n->b->body && p + len <= n->b->body + n->b->len);
    (void)ssrc;
    n->count++;
}

struct seqs {
    int count;
    uint16_t seq[RTCP_NACK_MAX];
};

static void seq_note(void *arg, uint32_t media, uint16_t seq)
{
    struct seqs *s = arg;
    (void)media;
    CHECK(s->count < RTCP_NACK_MAX);
    s->seq[s->count++] = seq;
}

static void try_nack(const struct rtcp_block *b)
{
    static struct seqs first, second;
    first.count = second.count = 0;
    int n = rtcp_nack_parse(b, seq_note, &first);
    if (n < 0) {
        CHECK(first.count == 0);
        return;
    }
    CHECK(n == first.count && n > 0);
    for (int i = 1; i < n; i++) { /* the writer wants them ascending */
        if (!seq_newer(first.seq[i], first.seq[i - 1]))
            return;
    }
    struct writer w = writer_of(out, sizeof out);
    CHECK(rtcp_nack_write(&w, 1, 2, first.seq, (size_t)n) == (size_t)n);
    struct rtcp_block again = written(&w);
    CHECK(rtcp_nack_parse(&again, seq_note, &second) == n);
    CHECK(memcmp(first.seq, second.seq, sizeof first.seq[0] * (size_t)n) == 0);
}

static void fir_count(void *arg, uint32_t media, uint8_t command)
{
    (void)media, (void)command;
    ++*(int *)arg;
}

static void try_feedback(const struct rtcp_block *b)
{
    uint32_t sender, media, ssrcs[RTCP_REMB_SSRCS_MAX];
    struct writer w = writer_of(out, sizeof out);
    if (b->type == RTCP_RTPFB) {
        if (b->count == RTCP_FMT_NACK)
            try_nack(b);
        return;
    }
    if (b->count == RTCP_FMT_PLI && rtcp_pli_parse(b, &sender, &media) == 0) {
        rtcp_pli_write(&w, sender, media);
        (void)written(&w);
    }
    int count = 0;
    int n = b->count == RTCP_FMT_FIR ? rtcp_fir_parse(b, fir_count, &count) : 0;
    CHECK(n < 0 || n == count);
    uint64_t bps, bps_again;
    size_t listed, listed_again;
    if (b->count == RTCP_FMT_AFB && rtcp_remb_parse(b, &bps, ssrcs, RTCP_REMB_SSRCS_MAX, &listed) == 0) {
        CHECK(listed <= RTCP_REMB_SSRCS_MAX && bps <= INT64_MAX);
        rtcp_remb_write(&w, 1, bps, ssrcs, listed);
        struct rtcp_block again = written(&w);
        CHECK(rtcp_remb_parse(&again, &bps_again, ssrcs, RTCP_REMB_SSRCS_MAX, &listed_again) == 0);
        CHECK(bps == bps_again && listed == listed_again);
    }
}

/* An answer that is found is found again where it is asked for by the SSRC that it has. */
static void try_extended(const struct rtcp_block *b)
{
    struct rtcp_dlrr d, again;
    if (b->len < 20)
        return;
    struct cursor c = cursor_of(b->body + 8, 4);
    uint32_t ssrc = cursor_u32(&c);
    if (rtcp_dlrr_find(b, ssrc, &d))
        CHECK(rtcp_dlrr_find(b, ssrc, &again) && again.lrr == d.lrr && again.dlrr == d.dlrr);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
    struct cursor c = cursor_of(data, len);
    struct rtcp_block b;
    size_t left = cursor_left(&c);
    int r;
    while ((r = rtcp_next(&c, &b)) == 1) {
        CHECK(cursor_left(&c) < left && b.body > data && b.body + b.len <= data + len && b.count <= 31);
        left = cursor_left(&c);
        uint32_t ssrcs[31];
        struct cnames names = {&b, 0};
        switch (b.type) {
        case RTCP_SR:
        case RTCP_RR:
            try_report(&b);
            break;
        case RTCP_SDES:
            CHECK(rtcp_sdes_parse(&b, cname_check, &names) <= 0 && names.count <= b.count);
            break;
        case RTCP_BYE:
            r = rtcp_bye_parse(&b, ssrcs, 31);
            CHECK(r == -EBADMSG || r == b.count);
            break;
        case RTCP_RTPFB:
        case RTCP_PSFB:
            try_feedback(&b);
            break;
        case RTCP_XR:
            try_extended(&b);
            break;
        default:
            break;
        }
    }
    CHECK(r == 0 || r == -EBADMSG);
    CHECK(r == -EBADMSG || cursor_left(&c) == 0);
    return 0;
}
