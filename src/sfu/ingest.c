/* From an authenticated RTP packet to its track and stream. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include "base/log.h"
#include "rtp/rtx.h"
#include "sfu/internal.h"

/* ---- which stream is this SSRC? ---- */

static const struct sfu_codec *codec_by_pt(const struct sfu_section *s, uint8_t pt, bool *ret_rtx)
{
    for (unsigned i = 0; i < s->codec_count; i++) {
        if (s->codecs[i].pt == pt || (s->codecs[i].rtx_pt && s->codecs[i].rtx_pt == pt)) {
            *ret_rtx = s->codecs[i].pt != pt;
            return &s->codecs[i];
        }
    }
    return NULL;
}

static struct sfu_track *track_by_mid(struct sfu_peer *p, const char *mid)
{
    list_for_each(l, &p->tracks)
    {
        struct sfu_track *t = list_entry(l, struct sfu_track, of_peer);
        if (strcmp(t->section.mid, mid) == 0)
            return t;
    }
    return NULL;
}

static struct sfu_track *track_by_declared(struct sfu_peer *p, uint32_t ssrc)
{
    list_for_each(l, &p->tracks)
    {
        struct sfu_track *t = list_entry(l, struct sfu_track, of_peer);
        for (unsigned i = 0; i < t->section.ssrc_count; i++)
            if (t->section.ssrcs[i].ssrc == ssrc ||
                (t->section.ssrcs[i].rtx && t->section.ssrcs[i].rtx == ssrc))
                return t;
    }
    return NULL;
}

/* RFC 9143, section 9.2: as a last resort a payload type that only one section has names it. */
static struct sfu_track *track_by_pt(struct sfu_peer *p, uint8_t pt)
{
    struct sfu_track *found = NULL;
    bool rtx;
    list_for_each(l, &p->tracks)
    {
        struct sfu_track *t = list_entry(l, struct sfu_track, of_peer);
        if (!codec_by_pt(&t->section, pt, &rtx))
            continue;
        if (found)
            return NULL;
        found = t;
    }
    return found;
}

static int rid_index(const struct sfu_section *s, const char *rid)
{
    for (unsigned i = 0; i < s->rid_count; i++)
        if (strcmp(s->rids[i], rid) == 0)
            return (int)i;
    return -ENOENT;
}

/* Whose packet is it: by mid, by what the description declared, or by a payload type that only one track has.
 */
static struct sfu_track *track_of(struct sfu_peer *p, const struct packet *pkt, const struct rtp_packet *h)
{
    char mid[RTP_TEXT_MAX + 1];
    if (rtp_ext_text(h, pkt->data, RTP_EXT_MID, mid))
        return track_by_mid(p, mid);
    struct sfu_track *t = track_by_declared(p, h->ssrc);
    return t ? t : track_by_pt(p, h->pt);
}

/* Which of the track's streams: by its rid, or by what the description declared. -ENOENT: nothing says it
 * yet. */
static int stream_of(
    const struct sfu_track *t, const struct packet *pkt, const struct rtp_packet *h, bool *ret_rtx)
{
    const struct sfu_section *s = &t->section;
    char rid[RTP_TEXT_MAX + 1];
    if (s->rid_count && rtp_ext_text(h, pkt->data, RTP_EXT_REPAIRED_RID, rid)) {
        *ret_rtx = true;
        return rid_index(s, rid);
    }
    if (s->rid_count && rtp_ext_text(h, pkt->data, RTP_EXT_RID, rid))
        return rid_index(s, rid);
    for (unsigned i = 0; i < s->ssrc_count; i++)
        if (s->ssrcs[i].ssrc == h->ssrc || (*ret_rtx && s->ssrcs[i].rtx == h->ssrc))
            return (int)i;
    return s->rid_count ? -ENOENT : 0;
}

static bool identify(
    struct sfu_peer *p, const struct packet *pkt, const struct rtp_packet *h, struct ssrc_ref *ret)
{
    bool rtx = false;
    struct sfu_track *t = track_of(p, pkt, h);
    if (!t || !codec_by_pt(&t->section, h->pt, &rtx))
        return false;
    int stream = stream_of(t, pkt, h, &rtx);
    if (stream < 0)
        return false;
    *ret = (struct ssrc_ref){.track = t, .stream = (uint8_t)stream, .rtx = rtx};
    return true;
}

static void forget(struct sfu_peer *p, struct ssrc_ref *r)
{
    HASH_DELETE(hh, p->ssrcs, r);
    p->ssrc_count--;
    free(r);
}

/* A source, or a repair stream that has repaired nothing yet, that was followed by another. */
static bool was_followed(const struct ssrc_ref *r)
{
    return r->retired || (r->rtx && !r->used && r->track->streams[r->stream]->rtx_ssrc != r->ssrc);
}

/* Room for another SSRC. */
static bool have_room(struct sfu_peer *p)
{
    struct ssrc_ref *r, *next;
    if (p->ssrc_count < SFU_SSRCS_MAX)
        return true;
    HASH_ITER(hh, p->ssrcs, r, next)
    {
        if (!was_followed(r))
            continue;
        forget(p, r);
        return true;
    }
    return false;
}

static struct ssrc_ref *learn(struct sfu_peer *p, const struct packet *pkt, const struct rtp_packet *h)
{
    struct ssrc_ref found;
    if (!identify(p, pkt, h, &found) || !have_room(p))
        return NULL;
    struct sfu_stream *s = track_stream(found.track, found.stream);
    struct ssrc_ref *r = s ? malloc(sizeof *r) : NULL;
    if (!r)
        return NULL;
    *r = found;
    r->ssrc = h->ssrc;
    HASH_ADD(hh, p->ssrcs, ssrc, sizeof r->ssrc, r);
    p->ssrc_count++;
    if (found.rtx)
        s->rtx_ssrc = h->ssrc;
    log_debug("stream.found", "peer=%u track=%u ssrc=%u stream=%u rtx=%d", p->id, found.track->id, h->ssrc,
        found.stream, found.rtx);
    return r;
}

void ingest_forget_track(struct sfu_peer *p, struct sfu_track *t)
{
    struct ssrc_ref *r, *next;
    HASH_ITER(hh, p->ssrcs, r, next)
    {
        if (r->track == t)
            forget(p, r);
    }
}

/* ---- the stream's own state ---- */

static void history_restart(struct sfu_stream *s, uint8_t kind)
{
    key_cache_forget(s);
    history_done(&s->history);
    history_init(
        &s->history, s->slots, kind == KIND_VIDEO ? SFU_HISTORY_VIDEO : SFU_HISTORY_AUDIO, SFU_HISTORY_US);
}

/* Another source has taken the stream over: what the network still has of the old one, repetitions included,
 * is of no use any more. A repair stream that has not repaired anything yet is the new one's. */
static void retire(struct sfu_peer *p, const struct sfu_track *t, unsigned stream, uint32_t newer)
{
    struct ssrc_ref *r, *next;
    HASH_ITER(hh, p->ssrcs, r, next)
    {
        if (r->track == t && r->stream == stream && r->ssrc != newer && (!r->rtx || r->used))
            r->retired = true;
    }
}

static void codec_set(struct sfu_track *t, struct sfu_stream *s, const struct sfu_codec *codec)
{
    s->pt = codec->pt;
    s->codec = codec->codec;
    if (t->section.extmap.id_of[RTP_EXT_DEPENDENCY] && !s->dd)
        s->dd = calloc(1, sizeof *s->dd);
    frame_tracker_init(&s->frames, codec->codec, s->dd);
    if (t->live_codec != codec->codec)
        t->live = false; /* told again, with its codec */
}

/* A source begins in the stream, the first or another one: the sender was replaced, or the browser restarted
 * it. */
static void source_begin(
    struct sfu_track *t, unsigned index, const struct rtp_packet *h, const struct sfu_codec *codec)
{
    struct sfu_stream *s = t->streams[index];
    bool first = !s->clocked;
    s->ssrc = h->ssrc;
    s->clocked = true;
    nack_init(&s->nack);
    if (t->kind == KIND_AUDIO)
        s->nack.age_us = NACK_AGE_AUDIO_US;
    if (t->peer->rtt_us)
        nack_rtt(&s->nack, t->peer->rtt_us);
    receiver_stats_init(&s->rx, h->ssrc, codec->clock_hz);
    s->clock.valid = false;
    codec_set(t, s, codec);
    if (first)
        return;
    retire(t->peer, t, index, h->ssrc);
    history_restart(s, t->kind);
    track_restart_stream(t, index);
}

/* The source goes on with another payload type. In audio RED and Opus take turns packet by packet; in video
 * decoding begins anew. A late packet of before the change changes nothing back, and is of no use. */
static bool codec_change(
    struct sfu_track *t, unsigned index, const struct rtp_packet *h, const struct sfu_codec *codec)
{
    struct sfu_stream *s = t->streams[index];
    if (t->kind == KIND_AUDIO) {
        s->pt = codec->pt;
        s->codec = s->frames.codec = codec->codec;
        return true;
    }
    if (seq_unwrap_peek(&s->nack.unwrap, h->seq) <= s->nack.unwrap.highest)
        return false;
    codec_set(t, s, codec);
    track_reset_subs(t);
    return true;
}

static bool stream_continues(const struct sfu_stream *s, const struct rtp_packet *h)
{
    return s->clocked && s->ssrc == h->ssrc && s->pt == h->pt;
}

/* Makes the stream ready for a packet of the source itself. false: the packet is of no use. */
static bool stream_prepare(
    struct sfu_track *t, unsigned index, const struct rtp_packet *h, const struct sfu_codec *codec)
{
    struct sfu_stream *s = t->streams[index];
    if (stream_continues(s, h))
        return true;
    if (s->clocked && s->ssrc == h->ssrc && s->rx.rate == codec->clock_hz)
        return codec_change(t, index, h, codec);
    source_begin(t, index, h, codec);
    return true;
}

static void track_live(struct sfu_track *t, enum payload_codec codec)
{
    if (t->live)
        return;
    t->live = true;
    t->live_codec = codec;
    struct sfu_event e = {.type = SFU_EVENT_TRACK_LIVE, .peer = t->peer->id, .track = t->id};
    e.live.codec = codec;
    sfu_emit(t->worker, &e);
}

/* Turns a retransmission into the packet it repeats. */
static int unwrap_rtx(struct sfu_peer *p, const struct ssrc_ref *r, struct packet *pkt)
{
    struct sfu_track *t = r->track;
    struct rtp_packet *h = rtp_of(pkt);
    bool rtx;
    const struct sfu_codec *codec = codec_by_pt(&t->section, h->pt, &rtx);
    const struct sfu_stream *s = t->streams[r->stream];
    if (!codec || !rtx || !s->ssrc)
        return -EBADMSG;
    p->worker->stats.rtx_in++;
    int err = rtx_unwrap(pkt->data, pkt->len, h, codec->pt, s->ssrc);
    if (err)
        return err;
    pkt->data += RTX_OSN_LEN;
    pkt->len = (uint16_t)(pkt->len - RTX_OSN_LEN);
    return rtp_parse(pkt->data, pkt->len, &t->section.extmap, h);
}

static void take(struct sfu_track *t, unsigned index, struct packet *pkt, bool repaired, int64_t now_us)
{
    struct sfu_stream *s = t->streams[index];
    struct sfu_packet *m = meta_of(pkt);
    struct rtp_packet *h = &m->rtp;
    if (!repaired)
        receiver_stats_packet(&s->rx, h->seq, h->ts, h->payload_len, now_us);
    enum nack_arrival arrival = nack_input(&s->nack, h->seq, now_us, &h->ext_seq);
    if (arrival == NACK_OLD) {
        t->worker->stats.rtp_duplicate++;
        return;
    }
    if (repaired && arrival == NACK_RECOVERED)
        nack_answered(&s->nack);
    if (nack_next_timeout(&s->nack) != INT64_MAX)
        peer_arm(t->peer, nack_next_timeout(&s->nack));
    m->track = t->id;
    m->stream = (uint8_t)index;
    memset(&h->payload, 0, sizeof h->payload);
    h->payload.codec = (uint8_t)s->codec;
    h->frame_number = 0;
    frame_track(&s->frames, pkt->data, h, NULL); /* padding too: a frame may begin behind it */
    s->last_us = t->newest_us = now_us;
    s->packets++;
    s->bytes += pkt->len;
    if (payload_is(&h->payload, PAYLOAD_KEY | PAYLOAD_START) && t->kind == KIND_VIDEO) {
        s->pli_wanted = false;
        nack_forget_before(&s->nack, h->ext_seq);
    }
    if (t->kind == KIND_AUDIO)
        level_input(t, h, s->rx.rate, now_us);
    track_live(t, s->codec);
    if (t->muted) {
        t->worker->stats.rtp_muted++;
        return;
    }
    history_put(&s->history, h->ext_seq, pkt);
    allocation_count(t, m, egress_size(m->rtp.payload_len), now_us);
    track_fan_out(t, pkt);
    if (nack_take_key_frame(&s->nack) && t->kind == KIND_VIDEO && (t->sub_count || t->images))
        track_key_frame(t, index, now_us);
}

void ingest_rtp(struct sfu_peer *p, struct packet *pkt, int64_t now_us)
{
    struct rtp_packet *h = rtp_of(pkt);
    struct ssrc_ref *r;
    p->worker->stats.rtp_in++;
    HASH_FIND(hh, p->ssrcs, &h->ssrc, sizeof h->ssrc, r);
    if (!r)
        r = learn(p, pkt, h);
    if (!r || r->retired) {
        p->worker->stats.rtp_unknown_ssrc++;
        return;
    }
    struct sfu_track *t = r->track;
    if (r->rtx) {
        if (unwrap_rtx(p, r, pkt) || !stream_continues(t->streams[r->stream], h))
            return;
        r->used = true;
        take(t, r->stream, pkt, true, now_us);
        return;
    }
    bool rtx;
    const struct sfu_codec *codec = codec_by_pt(&t->section, h->pt, &rtx);
    if (!codec || rtx) {
        p->worker->stats.rtp_unknown_ssrc++;
        return;
    }
    if (stream_prepare(t, r->stream, h, codec))
        take(t, r->stream, pkt, false, now_us);
}

/* A packet of a track that lives on another worker. It is shared: nothing in it may change here. */
void ingest_image(struct sfu_worker *w, struct packet *pkt, int64_t now_us)
{
    const struct sfu_packet *m = meta_of(pkt);
    struct sfu_track *t = track_find(w, m->track);
    struct sfu_stream *s = t && !t->peer ? track_stream(t, m->stream) : NULL;
    if (!s)
        return;
    if (s->ssrc != m->rtp.ssrc) { /* another source: its numbers have nothing to do with the old one's */
        if (s->ssrc) {
            history_restart(s, t->kind);
            s->clock.valid = false;
            track_restart_stream(t, m->stream);
        }
        s->ssrc = m->rtp.ssrc;
    }
    s->codec = (enum payload_codec)m->rtp.payload.codec;
    if (t->past) {
        if (!history_put(&s->history, m->rtp.ext_seq, pkt))
            choices_past(t, pkt);
        return;
    }
    s->last_us = t->newest_us = now_us;
    history_put(&s->history, m->rtp.ext_seq, pkt);
    allocation_count(t, m, egress_size(m->rtp.payload_len), now_us);
    track_fan_out(t, pkt);
}
