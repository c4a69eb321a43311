/* Redundant audio made here: who loses packets, and has negotiated RED, gets in each packet of a voice those
 * before it again, from the history. End-to-end encrypted voices are passed on as they are. */
#include <string.h>
#include "rtp/red.h"
#include "rtp/seq.h"
#include "sfu/stage.h"

/* ---- how much ---- */

static bool is_made(const struct sfu_peer *p)
{
    return p->worker->sfu->config.cfg->audio.red == CONFIG_RED_AUTO;
}

/* A report on a subscription: for receivers without transport-wide feedback, which says more, and what
 * retransmissions have not changed. */
void redundancy_report(struct sfu_sub *s, const struct rtcp_report *r, int64_t now_us)
{
    struct sfu_peer *p = s->peer;
    uint32_t before = s->reported_seq ? s->reported_seq : (uint32_t)(s->rewrite.first & 0xffff) - 1;
    uint32_t expected = r->highest_seq - before;
    int64_t lost = (int64_t)r->total_lost - s->reported_lost;
    s->reported_seq = r->highest_seq;
    s->reported_lost = r->total_lost;
    if (is_made(p) && !p->losses.arrived && expected <= RED_WINDOW_MAX)
        red_level_report(&p->red, expected, lost > 0 ? (uint32_t)lost : 0, now_us);
}

/* What transport-wide feedback said since the last time; once every SFU_REPORT_US. A voice that was repeated
 * bit for bit has the number of what was lost, and arrived by it: there requests count, if they are more. */
void redundancy_tick(struct sfu_peer *p, int64_t now_us)
{
    struct transport_stats stats;
    struct losses then = p->losses;
    if (!is_made(p))
        return;
    transport_stats(p->transport, &stats);
    p->losses.arrived = stats.sent_reported;
    p->losses.lost = stats.sent_lost;
    uint64_t lost = p->losses.lost - then.lost, all = p->losses.arrived - then.arrived + lost;
    uint64_t missed = p->losses.missed - then.told_missed, voice = p->losses.voice - then.told_voice;
    p->losses.told_missed = p->losses.missed;
    p->losses.told_voice = p->losses.voice;
    if (missed * all > lost * voice) {
        lost = missed;
        all = voice;
    }
    if (all)
        red_level_report(&p->red, (uint32_t)all, (uint32_t)lost, now_us);
}

/* Packets to repeat in each of this subscription. */
static unsigned distance_of(const struct sfu_sub *s)
{
    bool can = s->kind == KIND_AUDIO && !s->encrypted && s->codecs[PAYLOAD_RED].known &&
               s->codecs[PAYLOAD_OPUS].known;
    return can ? s->peer->red.distance : 0;
}

/* Bytes that a payload will grow by, about: neighbours are much alike. */
size_t redundancy_bytes(const struct sfu_sub *s, size_t payload_len)
{
    size_t more = distance_of(s) * (payload_len + 4);
    return payload_len + more < RED_PAYLOAD_MAX ? more : 0;
}

/* ---- what ---- */

/* Those that are repeated, oldest first. */
struct repeats {
    struct red_repeat at[RED_DISTANCE_MAX];
    unsigned count;
};

/* The voice itself in a packet, without what is repeated with it. false: there is none. */
static bool voice_of(const struct rtp_packet *h, const struct packet *pkt, struct red_repeat *ret)
{
    const uint8_t *payload = pkt->data + h->payload_off;
    struct red_block primary = {.len = h->payload_len};
    if (h->payload.codec == PAYLOAD_RED && red_primary(payload, h->payload_len, &primary))
        return false;
    if (h->payload.codec != PAYLOAD_RED && h->payload.codec != PAYLOAD_OPUS)
        return false;
    *ret = (struct red_repeat){.data = payload + primary.off, .len = primary.len};
    return primary.len != 0;
}

/* What the publisher repeats itself, for what has not come otherwise. */
static bool publishers_own(
    const struct rtp_packet *h, const struct packet *pkt, uint32_t least_back, struct red_repeat *ret)
{
    struct red red;
    const uint8_t *payload = pkt->data + h->payload_off;
    if (h->payload.codec != PAYLOAD_RED || red_parse(payload, h->payload_len, &red))
        return false;
    for (int i = (int)red.count - 2; i >= 0; i--) {
        const struct red_block *b = &red.blocks[i];
        if (b->ts_back <= least_back || !b->len)
            continue;
        *ret = (struct red_repeat){.data = payload + b->off, .len = b->len, .ts_back = b->ts_back};
        return true;
    }
    return false;
}

/* The packets of a subscription's source, here; NULL: it is another one by now. */
static const struct sfu_stream *stream_of(const struct sfu_sub *s, struct packet *pkt)
{
    const struct sfu_packet *m = meta_of(pkt);
    const struct sfu_track *t = s->track->slot ? s->track->slot->from : s->track;
    return t && t->id == m->track && m->stream < SFU_RIDS_MAX ? t->streams[m->stream] : NULL;
}

/* Fills from the end: the packet before this one, and so on as far as the distance goes, and as they stand
 * before it in what the receiver gets. */
static void collect(const struct sfu_sub *s, const struct rewrite_out *out, struct packet *pkt,
    unsigned distance, struct repeats *ret)
{
    const struct rtp_packet *h = rtp_of(pkt);
    const struct sfu_stream *stream = stream_of(s, pkt);
    struct red_repeat found[RED_DISTANCE_MAX];
    struct rewrite_origin own, origin;
    unsigned n = 0;
    uint32_t back = 0;
    if (!stream || rewrite_find(&s->rewrite, (uint16_t)out->seq, &own))
        return;
    for (unsigned k = 1; k <= distance; k++) {
        if (rewrite_find(&s->rewrite, (uint16_t)(out->seq - k), &origin) || origin.source != own.source ||
            origin.src_seq != own.src_seq - (int64_t)k)
            break;
        struct packet *before = history_get(&stream->history, origin.src_seq, pkt->recv_us);
        struct red_repeat r;
        bool have = before ? voice_of(rtp_of(before), before, &r) : publishers_own(h, pkt, back, &r);
        uint32_t units = before ? h->ts - rtp_of(before)->ts : r.ts_back;
        if (!have || units <= back || units > RED_BACK_MAX || r.len > RED_BLOCK_MAX)
            continue;
        r.ts_back = (uint16_t)(back = units);
        found[n++] = r;
    }
    for (unsigned i = 0; i < n; i++)
        ret->at[i] = found[n - 1 - i];
    ret->count = n;
}

/* The payload with those before it, at dst. 0: it is to be sent as it came. */
int redundancy_write(
    const struct sfu_sub *s, const struct rewrite_out *out, struct packet *pkt, uint8_t *dst, size_t cap)
{
    unsigned distance = distance_of(s);
    struct red_repeat voice;
    struct repeats repeats = {0};
    if (!distance || !voice_of(rtp_of(pkt), pkt, &voice))
        return 0;
    collect(s, out, pkt, distance, &repeats);
    if (!repeats.count)
        return 0;
    int len = red_write(dst, cap < RED_PAYLOAD_MAX ? cap : RED_PAYLOAD_MAX, s->codecs[PAYLOAD_OPUS].pt,
        repeats.at, repeats.count, voice.data, voice.len);
    if (len <= 0)
        return 0;
    s->peer->worker->stats.red_made++;
    return len;
}
