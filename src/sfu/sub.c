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
    s->told.stream = s->aim.stream = -1;
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
    choice_enter(s, NULL);
    s->track->again -= s->again;
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

static void tell_layer(struct sfu_sub *s, struct layers_state state)
{
    struct sfu_event e = {
        .type = SFU_EVENT_SUB_LAYER, .peer = s->peer->id, .track = s->track->id, .sub = s->id};
    s->told = state;
    /* simulcast layers are streams */
    e.layer.layer = state.stream < 0 || s->track->stream_count > 1 ? state.stream : (int8_t)state.spatial;
    e.layer.temporal = state.stream < 0 || state.temporal > INT8_MAX ? -1 : (int8_t)state.temporal;
    e.layer.paused = s->paused;
    sfu_emit(s->peer->worker, &e);
}

static bool state_told(const struct sfu_sub *s, struct layers_state state)
{
    return s->told.stream == state.stream && s->told.spatial == state.spatial &&
           s->told.temporal == state.temporal;
}

/* What can be had of what is wanted at present. */
static struct layers_want aim_of(const struct sfu_sub *s)
{
    struct layers_want w = s->want;
    w.stream = s->paused || !transport_tx(s->peer->transport) ? -1 : (int8_t)best_stream(s);
    return w;
}

static bool aim_is(const struct sfu_sub *s, struct layers_want w)
{
    if (w.stream < 0)
        return s->aim.stream < 0;
    return s->aim.stream == w.stream && s->aim.spatial == w.spatial && s->aim.temporal == w.temporal &&
           s->aim.fps == w.fps && (s->choice || s->kind == KIND_AUDIO);
}

void sub_retarget(struct sfu_sub *s)
{
    struct layers_want aim = aim_of(s);
    if (aim_is(s, aim))
        return;
    s->aim = aim;
    s->target = aim.stream;
    if (aim.stream < 0) {
        rewrite_pause(&s->rewrite);
        s->current = -1;
        choice_enter(s, NULL);
        tell_layer(s, (struct layers_state){.stream = -1});
    } else if (s->kind == KIND_VIDEO) {
        choice_want(s, aim);
        choices_wait(s->track);
    }
}

/* From now on this is to be forwarded, as soon as the codec allows; a stream of -1: nothing. */
void sub_want(struct sfu_sub *s, struct layers_want want)
{
    bool pauses = want.stream < 0 && !s->paused;
    s->want = want;
    s->max_layer = want.stream;
    s->paused = want.stream < 0;
    if (pauses && s->aim.stream < 0)
        tell_layer(s, (struct layers_state){.stream = -1});
    sub_retarget(s);
}

/* The spatial layer that is forwarded now, of simulcast the stream; -1: none. */
int8_t sub_layer(const struct sfu_sub *s)
{
    return s->current ? s->current : (int8_t)s->told.spatial; /* simulcast layers have none in themselves */
}

/* Nothing is forwarded until the next key frame, which is not asked for yet: it may be there already. */
void sub_restart(struct sfu_sub *s)
{
    rewrite_pause(&s->rewrite);
    s->current = -1;
    if (s->choice)
        choice_restart(s);
}

void sub_reset(struct sfu_sub *s)
{
    sub_restart(s);
    sub_retarget(s);
    choices_wait(s->track);
}

static void ask_key_frame(struct sfu_sub *s, int64_t now_us)
{
    int stream = s->current >= 0 ? s->current : s->target;
    if (!s->paused && stream >= 0)
        track_key_frame(s->track, (unsigned)stream, now_us);
}

/* The receiver asks for one. As soon as this it was hardly ready for what came first. */
void sub_key_frame_wanted(struct sfu_sub *s, int64_t now_us)
{
    if (s->again)
        return;
    if (!s->live || now_us - s->live_us > KEY_CACHE_AGAIN_US || s->again_count >= KEY_CACHE_AGAIN ||
        !s->choice) {
        ask_key_frame(s, now_us);
        return;
    }
    s->again = true;
    s->again_count++;
    s->track->again++;
    choices_wait(s->track);
}

/* It is sent again what it lost, if that can be; else its source is asked. */
void sub_begin_again(struct sfu_sub *s, int64_t now_us)
{
    s->track->again--;
    s->again = false;
    if (!key_cache_again(s, now_us))
        ask_key_frame(s, now_us);
}

/* ---- packets ---- */

static const struct rtp_clock *clock_of(const struct sfu_track *t, int stream)
{
    return stream >= 0 && stream < SFU_RIDS_MAX && t->streams[stream] ? &t->streams[stream]->clock : NULL;
}

/* Does the subscriber understand it, or what can be made of it? */
bool sub_takes_codec(const struct sfu_sub *s, enum payload_codec c)
{
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
    return sub_takes_codec(s, (enum payload_codec)h->payload.codec) && transport_path(s->peer->transport) &&
           transport_tx(s->peer->transport);
}

static void first_packet(struct sfu_sub *s)
{
    s->live = true;
    s->live_us = s->peer->worker->now_us;
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

/* Sends a packet of the source that the outgoing stream is switched to; marks: as the end of its picture. */
void sub_forward(struct sfu_sub *s, struct packet *pkt, int64_t arrival_us, bool marks)
{
    struct rewrite_out out;
    if (rewrite_packet(&s->rewrite, &meta_of(pkt)->rtp, arrival_us, &out))
        return;
    if (marks)
        rewrite_mark(&s->rewrite, &out);
    sub_deliver(s, pkt, &out);
}

static void switch_to(struct sfu_sub *s, struct packet *pkt)
{
    const struct sfu_packet *m = meta_of(pkt);
    rewrite_switch(&s->rewrite, m->stream, &m->rtp, pkt->recv_us, clock_of(s->track, s->current),
        clock_of(s->track, m->stream));
    s->current = (int8_t)m->stream;
}

static void audio_input(struct sfu_sub *s, struct packet *pkt)
{
    const struct sfu_packet *m = meta_of(pkt);
    if (!sub_takes_codec(s, (enum payload_codec)m->rtp.payload.codec))
        return;
    if (s->target < 0)
        sub_retarget(s);
    if (m->stream != s->current) {
        if (m->stream != s->target || !m->rtp.payload_len)
            return;
        switch_to(s, pkt);
        tell_layer(s, (struct layers_state){.stream = s->current});
    }
    if (!m->rtp.payload_len || !egress_accepts(s, pkt))
        rewrite_drop(&s->rewrite, &m->rtp); /* padding of the sender's probes, or nonsense */
    else
        sub_forward(s, pkt, pkt->recv_us, false);
}

static void video_burst(struct sfu_sub *s, struct packet *const *burst, unsigned count)
{
    const struct sfu_choice *c = s->choice;
    for (unsigned k = 0; k < count; k++) {
        const struct sfu_packet *m = meta_of(burst[k]);
        uint32_t bit = UINT32_C(1) << k;
        if (!sub_takes_codec(s, (enum payload_codec)m->rtp.payload.codec))
            continue;
        if (!(c->pass & bit)) {
            if (m->stream == s->current)
                rewrite_drop(&s->rewrite, &m->rtp);
            continue;
        }
        if (c->begins & bit) {
            switch_to(s, burst[k]);
        } else if (m->stream != s->current) { /* it began without us */
            sub_reset(s);
            return;
        }
        sub_forward(s, burst[k], burst[k]->recv_us, c->marks & bit);
        if (c != s->choice)
            return; /* too much waits: it begins anew */
    }
    if (s->current >= 0 && s->current == c->state.stream && !state_told(s, c->state))
        tell_layer(s, c->state);
}

/* Packets of the track, in the order in which they came. */
void sub_burst(struct sfu_sub *s, struct packet *const *burst, unsigned count)
{
    if (s->track->slot) {
        for (unsigned k = 0; k < count; k++)
            slot_deliver(s, burst[k]);
        return;
    }
    if (s->paused || !transport_path(s->peer->transport))
        return; /* without a way to the peer no number is used up */
    if (s->kind == KIND_AUDIO) {
        for (unsigned k = 0; k < count; k++)
            audio_input(s, burst[k]);
        return;
    }
    if (!s->choice)
        sub_retarget(s);
    if (s->choice)
        video_burst(s, burst, count);
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
