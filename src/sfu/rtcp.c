/* RTCP in both directions: reports, key frame requests and NACKs of subscribers; the same towards publishers.
 */
#include <string.h>
#include "base/log.h"
#include "rtp/clock.h"
#include "rtp/rtcp.h"
#include "sfu/internal.h"

#define RTCP_SIZE 1200 /* bytes of a compound of ours */

/* ---- what subscribers say ---- */

struct rtcp_context {
    struct sfu_peer *peer;
    int64_t now_us;
};

static struct sfu_sub *sub_of(struct sfu_peer *p, uint32_t ssrc)
{
    struct sfu_sub *s;
    HASH_FIND(by_ssrc, p->subs, &ssrc, sizeof ssrc, s);
    return s;
}

static void on_nack(void *arg, uint32_t media_ssrc, uint16_t seq)
{
    struct rtcp_context *c = arg;
    struct sfu_sub *s = sub_of(c->peer, media_ssrc);
    c->peer->repair.numbers++;
    if (s)
        repair_nack(s, seq, c->now_us);
}

static void on_key_frame(struct sfu_peer *p, uint32_t media_ssrc, int64_t now_us)
{
    struct sfu_sub *s = sub_of(p, media_ssrc);
    p->worker->stats.pli_in++;
    if (s)
        sub_key_frame_wanted(s, now_us);
}

static void on_fir(void *arg, uint32_t media_ssrc, uint8_t command)
{
    struct rtcp_context *c = arg;
    (void)command;
    on_key_frame(c->peer, media_ssrc, c->now_us);
}

/* Down faster than up: after a queue has drained nobody is to wait as if it still stood. */
static void note_rtt(struct sfu_peer *p, int64_t rtt_us)
{
    if (rtt_us <= 0 || rtt_us > SFU_RTT_MAX_US)
        return;
    int64_t change_us = rtt_us - p->rtt_us;
    p->rtt_us = p->rtt_us ? p->rtt_us + change_us / (change_us < 0 ? 2 : 8) : rtt_us;
}

/* Loss of all streams together, by the packets that each report is about. */
struct loss_sum {
    uint64_t expected, lost_256;
};

static void loss_add(struct loss_sum *sum, struct sfu_sub *s, const struct rtcp_report *r)
{
    int32_t expected = (int32_t)(r->highest_seq - s->reported);
    bool known = s->reported != 0;
    s->reported = r->highest_seq;
    if (!known || expected <= 0 || expected > UINT16_MAX)
        return;
    sum->expected += (uint32_t)expected;
    sum->lost_256 += (uint64_t)(uint32_t)expected * r->fraction_lost;
}

static void on_reports(struct sfu_peer *p, struct cursor *reports, int64_t now_us)
{
    struct rtcp_report r;
    struct loss_sum sum = {0};
    while (rtcp_report_next(reports, &r)) {
        struct sfu_sub *s = sub_of(p, r.ssrc);
        if (!s)
            continue;
        s->acked = true;
        redundancy_report(s, &r, now_us);
        loss_add(&sum, s, &r);
        note_rtt(p, sender_stats_report(&s->stats, &r, now_us));
        float loss = (float)r.fraction_lost / 256;
        p->loss_down = loss > p->loss_down ? loss : p->loss_down;
        uint32_t hz = s->section.codec_count ? s->section.codecs[0].clock_hz : 90000;
        uint32_t jitter_ms = hz ? (uint32_t)((uint64_t)r.jitter * 1000 / hz) : 0;
        p->jitter_ms = jitter_ms > p->jitter_ms ? jitter_ms : p->jitter_ms;
    }
    if (sum.expected)
        congestion_loss(p, (uint8_t)(sum.lost_256 / sum.expected), now_us);
}

static void on_remb(struct sfu_peer *p, const struct rtcp_block *b, int64_t now_us)
{
    uint64_t bps;
    uint32_t ssrc;
    size_t count;
    if (rtcp_remb_parse(b, &bps, &ssrc, 1, &count) == 0)
        congestion_remb(p, bps, now_us);
}

/* ---- what publishers say ---- */

static void clock_to_images(const struct sfu_track *t, unsigned stream)
{
    for (uint64_t left = t->images; left; left &= left - 1) {
        struct worker_mail *m = sfu_mail_new(MAIL_CLOCK, 0);
        if (!m)
            return;
        m->track = t->id;
        m->stream = (uint8_t)stream;
        m->clock = t->streams[stream]->clock;
        sfu_mail(t->worker->sfu, (unsigned)__builtin_ctzll(left), m);
    }
}

static void on_sender_report(struct sfu_peer *p, const struct rtcp_sr *sr, int64_t now_us)
{
    struct ssrc_ref *r;
    HASH_FIND(hh, p->ssrcs, &sr->ssrc, sizeof sr->ssrc, r);
    if (!r || r->rtx)
        return;
    struct sfu_stream *s = r->track->streams[r->stream];
    if (!s->clocked || s->ssrc != sr->ssrc)
        return;
    receiver_stats_sr(&s->rx, sr, now_us);
    s->clock = s->rx.clock;
    clock_to_images(r->track, r->stream);
}

/* The answer to the reference time in our reports: the round trip to peers that only publish. */
static void on_extended(struct sfu_peer *p, const struct rtcp_block *b, int64_t now_us)
{
    struct rtcp_dlrr d;
    if (!rtcp_dlrr_find(b, transport_ssrc(p->transport), &d) || !d.lrr)
        return;
    int32_t rtt = (int32_t)((uint32_t)(ntp_from_wall_us(now_us) >> 16) - d.lrr - d.dlrr);
    note_rtt(p, rtt < 1 && rtt > -65536 / 100 ? 1 : rtp_units_to_us(rtt, 65536)); /* two clocks' rounding */
}

void rtcp_input(struct sfu_peer *p, const uint8_t *data, size_t len, int64_t now_us)
{
    struct rtcp_context ctx = {.peer = p, .now_us = now_us};
    struct cursor c = cursor_of(data, len);
    struct rtcp_block b;
    struct cursor reports;
    struct rtcp_sr sr;
    uint32_t sender, media;
    congestion_feedback(p, now_us);
    while (rtcp_next(&c, &b) > 0) {
        if (b.type == RTCP_SR && rtcp_sr_parse(&b, &sr, &reports) == 0) {
            on_sender_report(p, &sr, now_us);
            on_reports(p, &reports, now_us);
        } else if (b.type == RTCP_RR && rtcp_rr_parse(&b, &sender, &reports) == 0) {
            on_reports(p, &reports, now_us);
        } else if (b.type == RTCP_XR) {
            on_extended(p, &b, now_us);
        } else if (rtcp_is_feedback(&b, RTCP_RTPFB, RTCP_FMT_NACK)) {
            if (repair_looks(p))
                rtcp_nack_parse(&b, on_nack, &ctx);
            else
                p->worker->stats.nack_ignored++;
        } else if (rtcp_is_feedback(&b, RTCP_PSFB, RTCP_FMT_PLI) &&
                   rtcp_pli_parse(&b, &sender, &media) == 0) {
            on_key_frame(p, media, now_us);
        } else if (rtcp_is_feedback(&b, RTCP_PSFB, RTCP_FMT_FIR)) {
            rtcp_fir_parse(&b, on_fir, &ctx);
        } else if (rtcp_is_feedback(&b, RTCP_PSFB, RTCP_FMT_AFB)) {
            on_remb(p, &b, now_us);
        }
    }
}

/* ---- what we say ---- */

static const struct sfu_codec *codec_of(const struct sfu_track *t, const struct sfu_stream *s)
{
    for (unsigned i = 0; i < t->section.codec_count; i++)
        if (t->section.codecs[i].pt == s->pt)
            return &t->section.codecs[i];
    return NULL;
}

void rtcp_ask_key_frame(struct sfu_track *t, struct sfu_stream *s)
{
    uint8_t buf[64];
    struct writer w = writer_of(buf, sizeof buf);
    const struct sfu_codec *codec = codec_of(t, s);
    uint32_t from = transport_ssrc(t->peer->transport);
    if (codec && !codec->pli && codec->fir)
        rtcp_fir_write(&w, from, s->ssrc, ++s->fir_command);
    else
        rtcp_pli_write(&w, from, s->ssrc);
    t->worker->stats.pli_out++;
    transport_rtcp_send(t->peer->transport, buf, w.len);
}

/* Only what somebody watches is worth asking for again. */
static bool watched(const struct sfu_track *t, unsigned stream)
{
    if (t->images)
        return true;
    for (size_t i = 0; i < t->sub_count; i++)
        if (t->subs[i]->current == (int)stream || t->subs[i]->target == (int)stream)
            return true;
    return false;
}

static void ask_again(struct sfu_peer *p, struct sfu_track *t, unsigned index, int64_t now_us)
{
    struct sfu_stream *s = t->streams[index];
    uint16_t seqs[NACK_LIST_MAX];
    if (!s || nack_next_timeout(&s->nack) > now_us)
        return;
    size_t n = nack_due(&s->nack, now_us, seqs, NACK_LIST_MAX);
    const struct sfu_codec *codec = codec_of(t, s);
    if (n && codec && codec->nack && !t->muted && watched(t, index)) {
        uint8_t buf[RTCP_SIZE];
        struct writer w = writer_of(buf, sizeof buf);
        n = rtcp_nack_write(&w, transport_ssrc(p->transport), s->ssrc, seqs, n);
        p->worker->stats.nack_out += n;
        transport_rtcp_send(p->transport, buf, w.len);
    }
    if (nack_take_key_frame(&s->nack) && t->kind == KIND_VIDEO && watched(t, index))
        track_key_frame(t, index, now_us);
}

void rtcp_nacks(struct sfu_peer *p, int64_t now_us)
{
    list_for_each(l, &p->tracks)
    {
        struct sfu_track *t = list_entry(l, struct sfu_track, of_peer);
        for (unsigned i = 0; i < t->stream_count; i++)
            ask_again(p, t, i, now_us);
    }
}

int64_t rtcp_next_timeout(const struct sfu_peer *p)
{
    int64_t next = p->report_us;
    list_for_each(l, &p->tracks)
    {
        const struct sfu_track *t = list_entry(l, struct sfu_track, of_peer);
        for (unsigned i = 0; i < t->stream_count; i++)
            if (t->streams[i] && nack_next_timeout(&t->streams[i]->nack) < next)
                next = nack_next_timeout(&t->streams[i]->nack);
    }
    return next;
}

static void send_reports(
    struct sfu_peer *p, const struct rtcp_report *reports, size_t n, bool first, int64_t now_us)
{
    uint8_t buf[RTCP_SIZE];
    struct writer w = writer_of(buf, sizeof buf);
    rtcp_rr_write(&w, transport_ssrc(p->transport), reports, n);
    if (first)
        rtcp_rrtr_write(&w, transport_ssrc(p->transport), ntp_from_wall_us(now_us));
    transport_rtcp_send(p->transport, buf, w.len);
}

static bool report_on(struct sfu_peer *p, struct sfu_stream *s, int64_t now_us, struct rtcp_report *ret)
{
    if (!s || !s->clocked || !receiver_stats_report(&s->rx, now_us, ret))
        return false;
    float loss = (float)ret->fraction_lost / 256;
    p->loss_up = loss > p->loss_up ? loss : p->loss_up;
    uint32_t jitter_ms = (uint32_t)(receiver_stats_jitter_us(&s->rx) / 1000);
    p->jitter_ms = jitter_ms > p->jitter_ms ? jitter_ms : p->jitter_ms;
    if (p->rtt_us)
        nack_rtt(&s->nack, p->rtt_us);
    return true;
}

static void receiver_reports(struct sfu_peer *p, int64_t now_us)
{
    struct rtcp_report reports[RTCP_REPORTS_MAX];
    size_t n = 0;
    bool first = true;
    list_for_each(l, &p->tracks)
    {
        struct sfu_track *t = list_entry(l, struct sfu_track, of_peer);
        for (unsigned i = 0; i < t->stream_count; i++) {
            if (!report_on(p, t->streams[i], now_us, &reports[n]) || ++n < RTCP_REPORTS_MAX)
                continue;
            send_reports(p, reports, n, first, now_us);
            first = false;
            n = 0;
        }
    }
    if (n)
        send_reports(p, reports, n, first, now_us);
}

/* The publisher's clock, moved on to now, in the numbers that this subscriber sees: its audio and video stay
 * in step because both keep the clock of one publisher. */
static void sender_report(struct sfu_sub *s, int64_t now_us)
{
    const struct rtp_clock *clock = sub_clock(s);
    if (!clock || !clock->valid || !s->live)
        return;
    uint64_t ntp;
    uint32_t ts;
    struct rtcp_sr sr;
    uint8_t buf[256 + RTCP_CNAME_MAX];
    struct writer w = writer_of(buf, sizeof buf);
    rtp_clock_now(clock, now_us, &ntp, &ts);
    sender_stats_sr(&s->stats, ntp, ts + rewrite_ts_offset(&s->rewrite), now_us, &sr);
    rtcp_sr_write(&w, &sr, NULL, 0);
    rtcp_sdes_write(&w, s->ssrc, s->cname);
    transport_rtcp_send(s->peer->transport, buf, w.len);
}

static void tell_quality(struct sfu_peer *p, int64_t now_us)
{
    struct sfu_event e = {.type = SFU_EVENT_PEER_QUALITY, .peer = p->id};
    p->quality_us = now_us + SFU_QUALITY_US;
    e.quality.loss = p->loss_up > p->loss_down ? p->loss_up : p->loss_down;
    e.quality.rtt_ms = (uint32_t)(p->rtt_us / 1000);
    e.quality.jitter_ms = p->jitter_ms;
    e.quality.bytes_in = p->bytes_in;
    e.quality.bytes_out = p->bytes_out;
    e.quality.estimate_bps = p->sent.state ? (uint64_t)congestion_estimate_bps(p) : 0;
    p->loss_up = p->loss_down = 0;
    p->jitter_ms = 0;
    sfu_emit(p->worker, &e);
}

void rtcp_reports(struct sfu_peer *p, int64_t now_us)
{
    p->report_us = now_us + SFU_REPORT_US;
    repair_tick(p, now_us);
    redundancy_tick(p, now_us);
    if (transport_state(p->transport) != TRANSPORT_CONNECTED)
        return;
    receiver_reports(p, now_us);
    struct sfu_sub *s, *next;
    HASH_ITER(by_ssrc, p->subs, s, next)
    {
        sender_report(s, now_us);
    }
    if (now_us >= p->quality_us)
        tell_quality(p, now_us);
}
