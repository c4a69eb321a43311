/* Subscriptions: which packets of a track go to a peer, and what they are called there. */
#include <stdlib.h>
#include <string.h>
#include "base/huge.h"
#include "base/log.h"
#include "base/rand.h"
#include "base/strbuf.h"
#include "sfu/internal.h"

/* ---- life ---- */

static void read_codecs(struct sfu_sub *s)
{
    for (unsigned i = 0; i < s->section.codec_count; i++) {
        const struct sfu_codec *c = &s->section.codecs[i];
        if (s->codecs[c->codec].known)
            continue; /* the first is the preferred one */
        s->codecs[c->codec].known = true;
        s->codecs[c->codec].pt = c->pt;
        s->codecs[c->codec].rtx_pt = s->rtx_ssrc ? c->rtx_pt : 0;
        s->codecs[c->codec].clock_hz = c->clock_hz;
        s->nack |= c->nack;
        s->twcc |= c->transport_cc;
    }
    s->twcc = s->twcc && s->section.extmap.id_of[RTP_EXT_TWCC];
}

static size_t slot_count(const struct sfu_sub *s)
{
    return s->kind == KIND_VIDEO ? SFU_REWRITE_VIDEO : SFU_REWRITE_AUDIO;
}

static bool make_memory(struct sfu_sub *s)
{
    size_t slots = slot_count(s);
    uint32_t rate = s->section.codec_count ? s->section.codecs[0].clock_hz : 90000;
    s->slots = huge_alloc(slots * sizeof *s->slots);
    if (!s->slots || rewrite_init(&s->rewrite, s->slots, slots, (uint16_t)rand_u32(), rand_u32(), rate))
        return false;
    bool rtx = false;
    for (int i = 0; i < PAYLOAD_CODEC_COUNT; i++)
        rtx |= s->codecs[i].rtx_pt != 0;
    if (s->nack && !rtx) {
        s->stored = calloc(SFU_STORED_COUNT, sizeof *s->stored);
        return s->stored != NULL;
    }
    return true;
}

static void sub_free(struct sfu_sub *s)
{
    huge_free(s->slots, slot_count(s) * sizeof *s->slots);
    free(s->stored);
    free(s->repairs);
    huge_free(s, sizeof *s);
}

static void sub_add(struct sfu_worker *w, const struct sfu_command *c)
{
    struct sfu_peer *p;
    HASH_FIND_INT(w->peers, &c->peer, p);
    if (!p)
        return;
    struct sfu_sub *s = huge_alloc(sizeof *s);
    if (!s)
        return;
    s->id = c->sub;
    s->peer = p;
    s->ssrc = c->sub_add.ssrc;
    s->rtx_ssrc = c->sub_add.rtx_ssrc;
    s->kind = c->sub_add.kind;
    s->encrypted = c->sub_add.encrypted;
    s->max_layer = -1;
    s->own_peer = c->sub_add.own_peer;
    s->section = c->sub_add.section;
    s->current = s->target = -1;
    s->rtx_seq = rand_u32() & 0x7fff;
    text_copy(s->cname, sizeof s->cname, c->sub_add.cname);
    sender_stats_init(&s->stats, s->ssrc);
    read_codecs(s);
    s->track = make_memory(s) ? track_image(w, c->track, c->sub_add.track_worker, s->kind) : NULL;
    if (!s->track) {
        sub_free(s);
        return;
    }
    HASH_ADD_INT(w->subs, id, s);
    HASH_ADD(by_ssrc, p->subs, ssrc, sizeof s->ssrc, s);
    track_add_sub(s->track, s);
    if (s->track->slot)
        slot_listeners(s->track->slot);
    transport_extmap_add(p->transport, &s->section.extmap);
    s->paused = true; /* until it is known what goes */
    if (!allocation_sub_add(s, c->sub_add.paused))
        sub_remove(s);
}

void sub_remove(struct sfu_sub *s)
{
    struct sfu_worker *w = s->peer->worker;
    struct srtp_tx *tx = transport_tx(s->peer->transport);
    release_forget_sub(s);
    HASH_DELETE(hh, w->subs, s);
    HASH_DELETE(by_ssrc, s->peer->subs, s);
    track_del_sub(s->track, s);
    allocation_sub_del(s);
    if (tx) {
        srtp_tx_remove_ssrc(tx, s->ssrc);
        if (s->rtx_ssrc)
            srtp_tx_remove_ssrc(tx, s->rtx_ssrc);
    }
    track_unused(s->track);
    sub_free(s);
}

/* ---- which layer ---- */

static int best_stream(const struct sfu_sub *s)
{
    const struct sfu_track *t = s->track;
    int best = -1;
    for (int i = 0; i < t->stream_count; i++) {
        if (!stream_active(t, (unsigned)i))
            continue;
        if (best < 0 || s->max_layer < 0 || i <= s->max_layer)
            best = i; /* the highest that is wanted, else the lowest there is */
    }
    return best;
}

static void tell_layer(struct sfu_sub *s)
{
    struct sfu_event e = {
        .type = SFU_EVENT_SUB_LAYER, .peer = s->peer->id, .track = s->track->id, .sub = s->id};
    e.layer.layer = (int8_t)s->current;
    e.layer.paused = s->paused;
    sfu_emit(s->peer->worker, &e);
}

static void choose(struct sfu_sub *s)
{
    s->target = s->paused || !transport_tx(s->peer->transport) ? -1 : best_stream(s);
}

void sub_retarget(struct sfu_sub *s, int64_t now_us)
{
    choose(s);
    if (s->kind == KIND_VIDEO && s->target >= 0 && s->target != s->current)
        track_key_frame(s->track, (unsigned)s->target, now_us);
}

/* Nothing is forwarded until the next key frame, which is not asked for yet: it may be there already. */
void sub_restart(struct sfu_sub *s)
{
    rewrite_pause(&s->rewrite);
    s->current = -1;
}

void sub_reset(struct sfu_sub *s, int64_t now_us)
{
    sub_restart(s);
    sub_retarget(s, now_us);
}

void sub_key_frame_wanted(struct sfu_sub *s, int64_t now_us)
{
    int stream = s->current >= 0 ? s->current : s->target;
    if (!s->paused && stream >= 0)
        track_key_frame(s->track, (unsigned)stream, now_us);
}

/* ---- packets ---- */

static const struct rtp_clock *clock_of(const struct sfu_track *t, int stream)
{
    return stream >= 0 && stream < SFU_RIDS_MAX && t->streams[stream] ? &t->streams[stream]->clock : NULL;
}

/* Can decoding begin at this packet? Where the codec is unknown, anywhere. */
static bool can_start(const struct sfu_sub *s, const struct rtp_packet *h)
{
    if (s->kind == KIND_AUDIO || h->payload.codec == PAYLOAD_UNKNOWN)
        return true;
    return payload_is(&h->payload, PAYLOAD_KEY | PAYLOAD_START);
}

static bool codec_known(const struct sfu_sub *s, const struct rtp_packet *h)
{
    enum payload_codec c = (enum payload_codec)h->payload.codec;
    if (c >= PAYLOAD_CODEC_COUNT)
        return false;
    return s->codecs[c].known || (c == PAYLOAD_RED && !s->encrypted && s->codecs[PAYLOAD_OPUS].known);
}

/* The clock of what is being forwarded; NULL: nothing is. */
const struct rtp_clock *sub_clock(const struct sfu_sub *s)
{
    return s->track->slot ? slot_clock(s) : clock_of(s->track, s->current);
}

/* Can the peer be sent this packet at all? */
bool sub_takes(const struct sfu_sub *s, const struct rtp_packet *h)
{
    return codec_known(s, h) && transport_path(s->peer->transport) && transport_tx(s->peer->transport);
}

static void first_packet(struct sfu_sub *s)
{
    s->live = true;
    struct sfu_event e = {
        .type = SFU_EVENT_SUB_LIVE, .peer = s->peer->id, .track = s->track->id, .sub = s->id};
    sfu_emit(s->peer->worker, &e);
}

void sub_deliver(struct sfu_sub *s, struct packet *pkt, const struct rewrite_out *out)
{
    if (!s->live)
        first_packet(s);
    release_media(s, pkt, out);
}

void sub_input(struct sfu_sub *s, struct packet *pkt)
{
    if (s->track->slot) {
        slot_deliver(s, pkt);
        return;
    }
    const struct sfu_packet *m = meta_of(pkt);
    const struct rtp_packet *h = &m->rtp;
    if (s->paused || !codec_known(s, h) || !transport_path(s->peer->transport))
        return; /* without a way to the peer no number is used up */
    bool begins = s->target < 0;
    if (begins)
        choose(s);
    if (m->stream != s->current) {
        if (m->stream != s->target || !h->payload_len || !can_start(s, h)) {
            if (begins && s->kind == KIND_VIDEO && s->target >= 0)
                track_key_frame(s->track, (unsigned)s->target, s->peer->worker->now_us);
            return;
        }
        rewrite_switch(&s->rewrite, m->stream, h, pkt->recv_us, clock_of(s->track, s->current),
            clock_of(s->track, m->stream));
        s->current = m->stream;
        tell_layer(s);
    }
    if (!h->payload_len || !egress_accepts(s, pkt)) { /* padding of the sender's probes, or nonsense */
        rewrite_drop(&s->rewrite, h);
        return;
    }
    struct rewrite_out out;
    if (rewrite_packet(&s->rewrite, h, pkt->recv_us, &out))
        return;
    sub_deliver(s, pkt, &out);
}

/* ---- commands ---- */

void sub_want(struct sfu_sub *s, struct layers_want want, int64_t now_us)
{
    s->max_layer = want.stream;
    if (want.stream < 0 && !s->paused) {
        s->paused = true;
        rewrite_pause(&s->rewrite);
        s->current = s->target = -1;
        tell_layer(s);
    } else {
        s->paused = want.stream < 0;
        sub_retarget(s, now_us);
    }
}

void sub_command(struct sfu_worker *w, const struct sfu_command *c)
{
    if (c->type == SFU_SUB_ADD) {
        sub_add(w, c);
        return;
    }
    struct sfu_sub *s;
    HASH_FIND_INT(w->subs, &c->sub, s);
    if (!s)
        return;
    if (c->type == SFU_SUB_REMOVE) {
        sub_remove(s);
        return;
    }
    allocation_sub_set(s, c);
}
