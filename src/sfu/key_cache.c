/* The key-frame cache. The history has the packets; what is remembered of each stream is where its newest key
 * frame began, and how its layers stood before it. Who waits for a key frame begins with that one, and is
 * sent what followed, as long as it is whole and short: nobody has to ask the publisher, whose key frame
 * would cost all other receivers. The layer choice is made as if its packets came just now, so that it stands
 * where it would if the receiver had been there; rewrite_switch_back draws the timestamps together, so that
 * the receiver decodes at once and has no delay afterwards. */
#include "rtp/seq.h"
#include "sfu/internal.h"

#define PACKET_BYTES 1200 /* of one that waits in a pacer, about */

/* ---- where it begins ---- */

/* A packet of the stream, in order of arrival; before: as the layers stood before it (needed where it may
 * begin a key frame). */
void key_cache_note(
    struct sfu_stream *s, struct packet *p, const struct layer_facts *f, const struct layer_source *before)
{
    const struct rtp_packet *h = rtp_of(p);
    struct key_cache *k = &s->key;
    bool begins = before && f && f->key && f->start && f->newest && h->payload.codec != PAYLOAD_UNKNOWN;
    if (begins && (!k->valid || k->ts != h->ts)) {
        *k = (struct key_cache){.valid = true,
            .seq = h->ext_seq,
            .ts = h->ts,
            .recv_us = p->recv_us,
            .packets = 1,
            .bytes = p->len,
            .before = *before};
        return;
    }
    if (!k->valid || h->ext_seq <= k->seq)
        return;
    k->packets++;
    k->bytes += p->len;
    if (k->packets > KEY_CACHE_PACKETS || k->bytes > KEY_CACHE_BYTES)
        k->valid = false;
}

/* What is held of the stream leads nowhere any more: it was muted, or another source took it over. */
void key_cache_forget(struct sfu_stream *s)
{
    s->key.valid = false;
}

static bool is_whole(const struct sfu_stream *s, int64_t now_us)
{
    return s->key.valid && now_us - s->key.recv_us <= KEY_CACHE_AGE_US &&
           s->history.highest - s->key.seq + 1 == s->key.packets;
}

/* Gives another worker, which has an image from now on, what there is of each stream. */
void key_cache_copy(struct sfu_track *t, unsigned worker, int64_t now_us)
{
    for (unsigned i = 0; i < t->stream_count; i++) {
        const struct sfu_stream *s = t->streams[i];
        if (!s || !is_whole(s, now_us))
            continue;
        for (uint32_t k = 0; k < s->key.packets; k++) {
            struct packet *p = history_get(&s->history, s->key.seq + k, now_us);
            if (!p)
                break;
            worker_ring_push(t->worker, worker, p);
        }
    }
}

/* ---- what would pass ---- */

struct replay {
    const struct sfu_stream *stream;
    struct layers layers; /* behind the newest packet */
    uint32_t edge_ts;     /* of the newest packet, and its arrival */
    int64_t edge_us;
    size_t bytes; /* that pass */
    uint8_t fates[KEY_CACHE_PACKETS];
};

enum { FATE_PASSES = 1, FATE_BEGINS = 2, FATE_MARKS = 4 };

static bool rehearse_packet(
    struct replay *r, struct layer_source *source, struct packet *p, uint8_t *ret_fate, int64_t now_us)
{
    const struct sfu_packet *m = meta_of(p);
    struct layer_facts f;
    struct layers_out out;
    *ret_fate = 0;
    if (!m->rtp.payload_len)
        return true;
    layer_source_read(source, p->data, &m->rtp, p->recv_us, &f);
    if (!layers_input(&r->layers, m->stream, &f, now_us, &out))
        return true;
    *ret_fate = FATE_PASSES | (out.begins ? FATE_BEGINS : 0) | (out.marker && !f.marker ? FATE_MARKS : 0);
    r->bytes += p->len;
    return r->bytes == p->len || !out.begins; /* it begins once */
}

/* Frames so close together would get the same timestamp. */
static bool may_follow(const struct replay *r, struct packet *p)
{
    int32_t step = ts_diff(rtp_of(p)->ts, r->edge_ts);
    return step == 0 || step >= 1 << REWRITE_DRAWN_SHIFT;
}

/* Goes through what is held since the key frame. false: that does not lead to the present. */
static bool rehearse(
    struct replay *r, const struct sfu_stream *s, unsigned index, struct layers_want want, int64_t now_us)
{
    static _Thread_local struct dd_structure structure;
    struct layer_source source = s->key.before;
    if (!is_whole(s, now_us))
        return false;
    structure.valid = false;
    source.dd = s->layers.dd ? &structure : NULL;
    *r = (struct replay){.stream = s};
    layers_init(&r->layers);
    layers_want(&r->layers, want);
    r->edge_ts = s->key.ts;
    for (uint32_t i = 0; i < s->key.packets; i++) {
        struct packet *p = history_get(&s->history, s->key.seq + i, now_us);
        if (!p || !may_follow(r, p) || !rehearse_packet(r, &source, p, &r->fates[i], now_us) ||
            !(r->fates[0] & FATE_BEGINS))
            return false;
        r->edge_ts = rtp_of(p)->ts;
        r->edge_us = p->recv_us;
    }
    return source.generation == s->layers.generation && source.structure == s->layers.structure &&
           source.newest == s->layers.newest && layers_key_stream(&r->layers, now_us) != (int)index;
}

/* ---- to a subscriber ---- */

/* Does the path carry it soon, with what waits for it already? */
static bool fits(const struct sfu_sub *s, const struct replay *r)
{
    const struct pacer *p = &s->peer->pacer;
    int64_t room = pacer_rate_bps(p) / 8 * KEY_CACHE_PACE_US / 1000000;
    int64_t waits = (int64_t)p->queues[PACER_VIDEO].count * PACKET_BYTES;
    return transport_path(s->peer->transport) && waits + (int64_t)r->bytes <= room;
}

static void begin_with(struct sfu_sub *s, unsigned index, const struct replay *r, int64_t now_us)
{
    const struct rtp_clock *from = sub_clock(s);
    for (uint32_t i = 0; i < r->stream->key.packets; i++) {
        struct packet *p = history_get(&r->stream->history, r->stream->key.seq + i, now_us);
        const struct rtp_packet *h = rtp_of(p);
        if (r->fates[i] & FATE_BEGINS) {
            rewrite_switch_back(&s->rewrite, index, h, p->recv_us, from, &r->stream->clock, r->edge_ts);
            s->current = (int8_t)index;
        }
        if (s->current != (int)index)
            return; /* too much waits: it begins anew */
        if (r->fates[i] & FATE_PASSES)
            sub_forward(s, p, r->edge_us, r->fates[i] & FATE_MARKS);
        else
            rewrite_drop(&s->rewrite, h);
    }
}

static void give(struct sfu_sub *s, unsigned index, const struct replay *r, int64_t now_us)
{
    choice_enter(s, &r->layers);
    begin_with(s, index, r, now_us);
    s->track->worker->stats.key_cached++;
}

/* A receiver that is still setting itself up when media comes loses that, and asks at once. true: it was
 * given what there is again. */
bool key_cache_again(struct sfu_sub *s, int64_t now_us)
{
    struct replay r;
    const struct sfu_stream *stream = s->current >= 0 ? s->track->streams[s->current] : NULL;
    unsigned index = (unsigned)s->current;
    if (!s->choice || !stream || !sub_takes_codec(s, stream->codec) ||
        !rehearse(&r, stream, index, s->choice->layers.want, now_us) || !fits(s, &r))
        return false;
    give(s, index, &r, now_us);
    return true;
}

static bool stream_may(const struct sfu_choice *c, int index)
{
    const struct layers *l = &c->layers;
    return index == l->want.stream || (l->stream < 0 && index < l->want.stream);
}

/* Gives those of a choice that wait for a key frame what there is, of the stream that is wanted or, where
 * they have nothing so far, of a lower one. true: nobody waits any more. The choice may be gone then. */
bool key_cache_serve(struct sfu_track *t, struct sfu_choice *c, int64_t now_us)
{
    struct replay r;
    unsigned served = 0, waiting = c->subs;
    bool enough = false;
    for (int index = c->layers.want.stream; index >= 0 && served < waiting; index--) {
        const struct sfu_stream *s = t->streams[index];
        if (!s || !stream_may(c, index) || !rehearse(&r, s, (unsigned)index, c->layers.want, now_us))
            continue;
        enough = index == c->layers.want.stream;
        for (size_t i = 0; i < t->sub_count; i++) {
            struct sfu_sub *sub = t->subs[i];
            if (sub->choice != c || !sub_takes_codec(sub, s->codec) || !fits(sub, &r))
                continue;
            give(sub, (unsigned)index, &r, now_us);
            if (++served == waiting)
                return enough; /* c is no more */
        }
        break;
    }
    return false;
}
