/* What a subscriber does with what it receives. Every packet is counted by its header, which is in the clear;
 * packets that are there whole are decrypted besides, which proves them and gives latency. What a subscriber
 * tells the server comes from the headers, too. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "link.h"
#include "rtp/nack.h"
#include "rtp/payload.h"
#include "rtp/receiver_stats.h"
#include "rtp/rtcp.h"
#include "rtp/rtx.h"
#include "source.h"

#define STREAMS_MAX 1024   /* SSRCs of a link */
#define RTCP_SIZE   1200   /* bytes of a datagram of RTCP */
#define PLI_US      300000 /* between two requests for a key frame */
#define KEY_WAIT_US 200000 /* a video that begins in the middle has this long to send one by itself */
#define NACK_BATCH  64
#define HEADER_TWO  0x1000 /* profile of two-byte extensions, its lower four bits are free (RFC 8285) */
#define HEADER_ONE  0xbede

struct stream {
    uint32_t ssrc;
    uint8_t kind;         /* enum link_pt */
    bool started, proved; /* proved: a packet of it was decrypted, and its stamp read */
    bool needs_key;
    int64_t highest, base; /* extended sequence number; base: the last one before the measuring began */
    bool has_offset;
    unsigned source;
    int64_t offset; /* from the publisher's index to our extended number */
    int64_t first_us;
    uint64_t received; /* since the measuring began, each packet once */
    struct receiver_stats rx;
    struct nack *nack; /* once something was lost */
};

/* ---- headers ---- */

struct glance {
    uint16_t seq;
    uint32_t ts, ssrc;
    uint8_t pt;
    bool has_twcc;
    uint16_t twcc;
    size_t header_len;
};

static void glance_exts(struct cursor c, unsigned profile, uint8_t twcc_id, struct glance *ret)
{
    bool two = (profile & 0xfff0) == HEADER_TWO;
    if (!two && profile != HEADER_ONE)
        return;
    while (cursor_left(&c)) {
        uint8_t b = cursor_u8(&c);
        unsigned id = two ? b : b >> 4, len = two ? 0 : (b & 15u) + 1;
        if (b == 0)
            continue;
        if (!two && id == 15)
            return;
        if (two)
            len = cursor_u8(&c);
        struct cursor value = cursor_sub(&c, len);
        if (id == twcc_id && len == 2 && !value.bad) {
            ret->twcc = cursor_u16(&value);
            ret->has_twcc = true;
            return;
        }
    }
}

/* The header of a packet of which have bytes are there. False: it is none. */
static bool glance_at(const uint8_t *data, size_t have, uint8_t twcc_id, struct glance *ret)
{
    struct cursor c = cursor_of(data, have);
    uint8_t first = cursor_u8(&c);
    ret->pt = cursor_u8(&c) & 127;
    ret->seq = cursor_u16(&c);
    ret->ts = cursor_u32(&c);
    ret->ssrc = cursor_u32(&c);
    ret->has_twcc = false;
    cursor_skip(&c, (first & 15u) * 4);
    if (first & 0x10) {
        unsigned profile = cursor_u16(&c);
        struct cursor exts = cursor_sub(&c, cursor_u16(&c) * 4u);
        if (twcc_id && !exts.bad)
            glance_exts(exts, profile, twcc_id, ret);
    }
    ret->header_len = have - cursor_left(&c);
    return !c.bad && first >> 6 == 2;
}

/* ---- streams ---- */

static struct stream *stream_find(struct link *l, uint32_t ssrc)
{
    if (l->last_stream < l->stream_count && l->ssrcs[l->last_stream] == ssrc)
        return &l->streams[l->last_stream];
    for (unsigned i = 0; i < l->stream_count; i++)
        if (l->ssrcs[i] == ssrc) {
            l->last_stream = i;
            return &l->streams[i];
        }
    return NULL;
}

static struct stream *stream_add(struct link *l, uint32_t ssrc, uint8_t kind)
{
    if (l->stream_count == STREAMS_MAX)
        return NULL;
    if (l->stream_count % 8 == 0) {
        struct stream *streams = realloc(l->streams, (l->stream_count + 8) * sizeof *streams);
        l->streams = streams ? streams : l->streams;
        uint32_t *ssrcs = realloc(l->ssrcs, (l->stream_count + 8) * sizeof *ssrcs);
        l->ssrcs = ssrcs ? ssrcs : l->ssrcs;
        if (!streams || !ssrcs)
            return NULL;
    }
    struct stream *s = &l->streams[l->stream_count];
    l->ssrcs[l->stream_count++] = ssrc;
    *s = (struct stream){.ssrc = ssrc, .kind = kind};
    receiver_stats_init(&s->rx, ssrc, kind == LINK_PT_AUDIO ? 48000 : 90000);
    return s;
}

void receive_done(struct link *l)
{
    for (unsigned i = 0; i < l->stream_count; i++)
        free(l->streams[i].nack);
    free(l->streams);
    free(l->ssrcs);
    l->streams = NULL;
    l->ssrcs = NULL;
    l->stream_count = 0;
}

void receive_learn_rtx(struct link *l, const struct sdp_session *sdp)
{
    for (unsigned i = 0; i < sdp->n_media; i++)
        for (unsigned k = 0; k < sdp->media[i].n_ssrc_groups; k++) {
            const struct sdp_ssrc_group *fid = &sdp->media[i].ssrc_groups[k];
            bool known = strcmp(fid->semantics, "FID") != 0 || fid->n != 2;
            for (unsigned r = 0; !known && r < l->rtx_count; r++)
                known = l->rtx[r].rtx_ssrc == fid->ssrcs[1];
            struct link_rtx *rtx = known ? NULL : realloc(l->rtx, (l->rtx_count + 1) * sizeof *rtx);
            if (!rtx)
                continue;
            l->rtx = rtx;
            l->rtx[l->rtx_count++] = (struct link_rtx){.rtx_ssrc = fid->ssrcs[1], .ssrc = fid->ssrcs[0]};
        }
}

void receive_reset(struct link *l)
{
    l->received = 0;
    for (unsigned i = 0; i < l->stream_count; i++) {
        struct stream *s = &l->streams[i];
        s->received = 0;
        s->base = s->highest;
        if (s->has_offset) /* what is under way does not count */
            s->base = s->offset + (int64_t)source_next(l->load->sources[s->source]) - 1;
    }
}

void receive_counts(const struct link *l, bool video_only, uint64_t *ret_expected, uint64_t *ret_received)
{
    for (unsigned i = 0; i < l->stream_count; i++) {
        const struct stream *s = &l->streams[i];
        if ((video_only && s->kind != LINK_PT_VIDEO) || !s->started || s->highest <= s->base)
            continue;
        *ret_expected += (uint64_t)(s->highest - s->base);
        *ret_received += s->received;
    }
}

/* ---- sequence numbers ---- */

static void start(struct link *l, struct stream *s, uint16_t seq)
{
    s->started = true;
    s->highest = s->base = (int64_t)seq - 1;
    s->first_us = l->load->now_us;
    s->needs_key = s->kind == LINK_PT_VIDEO;
    l->missing += 1u + s->needs_key; /* it is to be proved */
}

/* Counts a media packet; false: it had come before. *ret_seq is its extended number. */
static bool count_seq(struct link *l, struct stream *s, uint16_t seq, bool by_rtx, int64_t *ret_seq)
{
    struct load_counts *n = &l->load->counts;
    int64_t now_us = l->load->now_us;
    if (!s->started)
        start(l, s, seq);
    int32_t ahead = seq_diff(seq, (uint16_t)s->highest);
    *ret_seq = s->highest + ahead;
    if (ahead != 1 && !s->nack && (s->nack = malloc(sizeof *s->nack))) {
        nack_init(s->nack);
        nack_input(s->nack, (uint16_t)s->highest, now_us, NULL);
    }
    bool is_new = ahead > 0;
    if (s->nack) {
        bool waited = s->nack->count > 0;
        is_new = nack_input(s->nack, seq, now_us, NULL) != NACK_OLD;
        l->missing += (unsigned)(s->nack->count > 0) - waited;
    }
    if (!is_new) {
        n->repeated++;
        return false;
    }
    s->highest += ahead > 0 ? ahead : 0;
    if (*ret_seq <= s->base)
        return true;
    n->recovered += by_rtx;
    n->received++;
    s->received++;
    l->received++;
    return true;
}

/* ---- what is inside ---- */

static void look_for_key(struct link *l, struct stream *s, const uint8_t *payload, size_t len)
{
    struct payload_info info;
    enum payload_codec codec = l->load->media.h264 ? PAYLOAD_H264 : PAYLOAD_VP8;
    if (payload_parse(codec, payload, len, &info) || !payload_is(&info, PAYLOAD_START | PAYLOAD_KEY))
        return;
    s->needs_key = false;
    l->missing--;
}

static void see_stream(struct link *l)
{
    struct load *g = l->load;
    if (++l->seen_streams < l->expected_streams || l->state != LINK_CONNECTED)
        return;
    l->state = LINK_FLOWING;
    l->flowing_us = g->now_us;
    g->flowing++;
    histogram_add(&g->joins, g->now_us - l->open_us);
}

/* seq: the packet's extended number; at_us: wall time of its arrival, or 0. */
static void look_inside(struct link *l, struct stream *s, const uint8_t *data, const struct rtp_packet *h,
    int64_t seq, int64_t at_us)
{
    struct load *g = l->load;
    const uint8_t *payload = data + h->payload_off;
    struct stamp stamp;
    if (!h->payload_len)
        return;
    if (s->needs_key)
        look_for_key(l, s, payload, h->payload_len);
    if (!stamp_read(payload, h->payload_len, &stamp)) {
        g->counts.strange += !g->media.frame_count;
        return;
    }
    const struct source *from = stamp.source < g->source_count ? g->sources[stamp.source] : NULL;
    if (!from || from->room != l->room || from->link == l) {
        g->counts.strange++;
        return;
    }
    s->source = stamp.source;
    s->offset = seq - (int64_t)stamp.index;
    s->has_offset = from->layer_count == 1;
    if (!s->proved) {
        s->proved = true;
        l->missing--;
        see_stream(l);
    }
    if (g->measuring && at_us && l->sampled)
        histogram_add(&g->latency, at_us - stamp.wall_us);
}

/* Decrypts a packet in place. */
static bool open_packet(struct link *l, uint8_t *data, size_t len, struct rtp_packet *h)
{
    struct load_counts *n = &l->load->counts;
    uint64_t index;
    int err = l->peer.rx ? srtp_rx_rtp(l->peer.rx, data, &len, &index) : -ENOTCONN;
    n->decrypted++;
    if (err == -EALREADY || err == -ESTALE || err == -ENOTCONN)
        return false;
    if (!err)
        err = rtp_parse(data, len, &l->peer.extmap, h);
    if (err) {
        n->forged++;
        if (!l->media_forged)
            load_failed(l->load, LOAD_FORGED, "a packet of media does not prove genuine");
        l->media_forged = true;
        return false;
    }
    return true;
}

static void receive_rtx(struct link *l, uint8_t *data, size_t len, const struct glance *at)
{
    struct rtp_packet h;
    const struct link_rtx *pair = NULL;
    for (unsigned i = 0; i < l->rtx_count; i++)
        if (l->rtx[i].rtx_ssrc == at->ssrc)
            pair = &l->rtx[i];
    struct stream *s = pair ? stream_find(l, pair->ssrc) : NULL;
    if (!open_packet(l, data, len, &h))
        return;
    if (h.payload_len < RTX_OSN_LEN) {
        l->load->counts.padding++;
        return;
    }
    l->load->counts.retransmissions++;
    if (!s || !s->started)
        return;
    struct cursor c = cursor_of(data + h.payload_off, h.payload_len);
    int64_t seq;
    (void)count_seq(l, s, cursor_u16(&c), true, &seq);
}

void receive_rtp(struct link *l, uint8_t *data, size_t have, size_t len, int64_t at_us)
{
    struct load *g = l->load;
    struct glance at;
    if (!l->subscribes || !glance_at(data, have, l->twcc_id, &at))
        return;
    uint8_t kind = l->pt[at.pt];
    g->counts.packets++;
    g->counts.bytes += len;
    g->total_packets++;
    int64_t arrived_us = at_us ? at_us - g->wall_off_us : g->now_us;
    if (at.has_twcc)
        twcc_recorder_input(l->recorder, at.twcc, arrived_us);
    if (kind == LINK_PT_RTX) {
        if (have == len)
            receive_rtx(l, data, len, &at);
        return;
    }
    if (kind == LINK_PT_UNKNOWN)
        return;
    struct stream *s = stream_find(l, at.ssrc);
    if (!s && !(s = stream_add(l, at.ssrc, kind)))
        return;
    receiver_stats_packet(&s->rx, at.seq, at.ts, len - at.header_len, arrived_us);
    int64_t seq;
    bool is_new = count_seq(l, s, at.seq, false, &seq);
    struct rtp_packet h;
    bool wanted = l->opens || !s->proved || s->needs_key;
    if (!wanted || have < len || !open_packet(l, data, len, &h))
        return;
    if (is_new)
        look_inside(l, s, data, &h, seq, at_us);
}

/* ---- what the server says ---- */

static void nack_asked(void *arg, uint32_t ssrc, uint16_t seq)
{
    struct link *l = arg;
    l->load->counts.nacks_in++;
    for (unsigned i = 0; i < l->source_count; i++)
        if (source_nack(&l->sources[i], ssrc, seq))
            return;
}

static void key_asked(struct link *l, uint32_t ssrc)
{
    l->load->counts.key_frames_asked++;
    for (unsigned i = 0; i < l->source_count; i++)
        if (source_key_frame(&l->sources[i], ssrc))
            return;
}

static void fir_asked(void *arg, uint32_t ssrc, uint8_t command)
{
    (void)command;
    key_asked(arg, ssrc);
}

static void reports_input(struct link *l, struct cursor *reports)
{
    struct rtcp_report r;
    while (rtcp_report_next(reports, &r))
        for (unsigned i = 0; i < l->source_count; i++)
            source_report(&l->sources[i], &r, l->load->now_us);
}

static void block_input(struct link *l, const struct rtcp_block *b)
{
    struct cursor reports;
    struct rtcp_sr sr;
    uint32_t sender, media;
    if (b->type == RTCP_SR && rtcp_sr_parse(b, &sr, &reports) == 0) {
        struct stream *s = stream_find(l, sr.ssrc);
        if (s)
            receiver_stats_sr(&s->rx, &sr, l->load->now_us);
        reports_input(l, &reports);
    } else if (b->type == RTCP_RR && rtcp_rr_parse(b, &sender, &reports) == 0) {
        reports_input(l, &reports);
    } else if (rtcp_is_feedback(b, RTCP_RTPFB, RTCP_FMT_NACK)) {
        (void)rtcp_nack_parse(b, nack_asked, l);
    } else if (rtcp_is_feedback(b, RTCP_PSFB, RTCP_FMT_PLI) && rtcp_pli_parse(b, &sender, &media) == 0) {
        key_asked(l, media);
    } else if (rtcp_is_feedback(b, RTCP_PSFB, RTCP_FMT_FIR)) {
        (void)rtcp_fir_parse(b, fir_asked, l);
    }
}

void receive_rtcp(struct link *l, const uint8_t *data, size_t len)
{
    struct cursor c = cursor_of(data, len);
    struct rtcp_block b;
    while (rtcp_next(&c, &b) == 1)
        block_input(l, &b);
}

/* ---- what we say ---- */

static void send_feedback(struct link *l, int64_t now_us)
{
    uint8_t buf[RTCP_SIZE];
    while (l->recorder->pending) {
        struct writer w = writer_of(buf, sizeof buf);
        uint32_t media = l->stream_count ? l->ssrcs[0] : 0;
        if (!twcc_recorder_write(l->recorder, &w, l->ssrc, media, now_us) || w.bad)
            break;
        peer_send_rtcp(&l->peer, buf, w.len);
        l->load->counts.feedback++;
    }
}

static void send_reports(struct link *l, int64_t now_us)
{
    struct rtcp_report reports[RTCP_REPORTS_MAX];
    uint8_t buf[RTCP_SIZE];
    struct writer w = writer_of(buf, sizeof buf);
    char cname[16];
    size_t n = 0;
    for (unsigned i = 0; i < l->stream_count; i++) {
        n += receiver_stats_report(&l->streams[i].rx, now_us, &reports[n]);
        if (n == RTCP_REPORTS_MAX) {
            rtcp_rr_write(&w, l->ssrc, reports, n);
            n = 0;
        }
    }
    if (n)
        rtcp_rr_write(&w, l->ssrc, reports, n);
    if (!w.len)
        return;
    snprintf(cname, sizeof cname, "%08x", l->offer.id);
    rtcp_sdes_write(&w, l->ssrc, cname);
    peer_send_rtcp(&l->peer, buf, w.len);
    l->load->counts.reports++;
}

static void ask_again(struct link *l, struct stream *s, int64_t now_us)
{
    uint16_t seqs[NACK_BATCH];
    uint8_t buf[RTCP_SIZE];
    bool waited = s->nack->count > 0;
    size_t n = nack_due(s->nack, now_us, seqs, NACK_BATCH);
    l->missing -= waited && !s->nack->count;
    if (s->kind != LINK_PT_VIDEO)
        return; /* sound goes on without, as it does in browsers */
    if (nack_take_key_frame(s->nack) && !s->needs_key) {
        s->needs_key = true;
        l->missing++;
    }
    if (!n)
        return;
    struct writer w = writer_of(buf, sizeof buf);
    rtcp_nack_write(&w, l->ssrc, s->ssrc, seqs, n);
    peer_send_rtcp(&l->peer, buf, w.len);
    l->load->counts.nacks++;
}

static void ask_key(struct link *l, const struct stream *s, int64_t now_us)
{
    uint8_t buf[64];
    struct writer w = writer_of(buf, sizeof buf);
    if (now_us < l->pli_us || now_us - s->first_us < KEY_WAIT_US)
        return;
    l->pli_us = now_us + PLI_US;
    rtcp_pli_write(&w, l->ssrc, s->ssrc);
    peer_send_rtcp(&l->peer, buf, w.len);
    l->load->counts.plis++;
}

void receive_run(struct link *l, int64_t now_us)
{
    if (l->feedback && twcc_recorder_next_timeout(l->recorder) <= now_us)
        send_feedback(l, now_us);
    if (l->report_us <= now_us)
        send_reports(l, now_us);
    for (unsigned i = 0; l->missing && i < l->stream_count; i++) {
        struct stream *s = &l->streams[i];
        if (s->nack && nack_next_timeout(s->nack) <= now_us)
            ask_again(l, s, now_us);
        if (s->needs_key)
            ask_key(l, s, now_us);
    }
}
