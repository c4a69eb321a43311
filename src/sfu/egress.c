/* Outgoing media in batches: headers composed for each receiver, encrypted out of place from the shared
 * packets, sent with one system call. */
#include <string.h>
#include "rtp/dd.h"
#include "rtp/red.h"
#include "rtp/rtx.h"
#include "sfu/internal.h"

#define EXTS_MAX 10
#define DD_COPY  256 /* bytes of a dependency descriptor that is patched; longer ones go unpatched */

/* ---- what a receiver gets ---- */

struct compose {
    struct sfu_sub *s;
    struct packet *pkt;
    const struct rtp_packet *h;
    const struct rewrite_out *out;
    enum payload_codec codec; /* as sent: Opus where RED is taken apart */
    const uint8_t *payload;
    size_t payload_len;
    uint8_t dd[DD_COPY];
    uint8_t twcc[2], send_time[3];
};

/* The extensions that travel with a packet from its publisher to its receivers. */
static const enum rtp_ext passed_on[] = {
    RTP_EXT_AUDIO_LEVEL,
    RTP_EXT_ABS_CAPTURE_TIME,
    RTP_EXT_VIDEO_ORIENTATION,
    RTP_EXT_PLAYOUT_DELAY,
    RTP_EXT_CONTENT_TYPE,
    RTP_EXT_COLOR_SPACE,
};

static void put_ext(struct rtp_ext_out *exts, size_t *n, enum rtp_ext ext, const uint8_t *data, size_t len)
{
    if (len && *n < EXTS_MAX)
        exts[(*n)++] = (struct rtp_ext_out){.ext = ext, .len = (uint8_t)len, .data = data};
}

static size_t compose_exts(struct compose *c, struct rtp_ext_out exts[EXTS_MAX], size_t size)
{
    const struct rtp_extmap *m = &c->s->section.extmap;
    const struct rtp_packet *h = c->h;
    size_t n = 0;
    if (!c->s->acked && m->id_of[RTP_EXT_MID]) /* until the receiver's first report */
        put_ext(exts, &n, RTP_EXT_MID, (const uint8_t *)c->s->section.mid, strlen(c->s->section.mid));
    for (size_t i = 0; h && i < sizeof passed_on / sizeof *passed_on; i++) {
        enum rtp_ext e = passed_on[i];
        if (m->id_of[e] && rtp_has(h, e))
            put_ext(exts, &n, e, rtp_ext_value(h, c->pkt->data, e), h->ext_len[e]);
    }
    if (h && m->id_of[RTP_EXT_DEPENDENCY] && rtp_has(h, RTP_EXT_DEPENDENCY)) {
        const uint8_t *dd = rtp_ext_value(h, c->pkt->data, RTP_EXT_DEPENDENCY);
        size_t len = h->ext_len[RTP_EXT_DEPENDENCY];
        if (c->out->frame_number != h->frame_number && len <= DD_COPY) {
            memcpy(c->dd, dd, len);
            dd_patch_frame_number(c->dd, len, c->out->frame_number);
            dd = c->dd;
        }
        put_ext(exts, &n, RTP_EXT_DEPENDENCY, dd, len);
    }
    if (c->s->twcc) {
        uint16_t seq = transport_twcc_next(c->s->peer->transport, size, c->s->peer->worker->now_us);
        c->twcc[0] = (uint8_t)(seq >> 8);
        c->twcc[1] = (uint8_t)seq;
        put_ext(exts, &n, RTP_EXT_TWCC, c->twcc, 2);
    } else if (m->id_of[RTP_EXT_ABS_SEND_TIME]) {
        uint64_t t = ((uint64_t)c->s->peer->worker->now_us << 18) / 1000000; /* 6.18 fixed-point seconds */
        c->send_time[0] = (uint8_t)(t >> 16);
        c->send_time[1] = (uint8_t)(t >> 8);
        c->send_time[2] = (uint8_t)t;
        put_ext(exts, &n, RTP_EXT_ABS_SEND_TIME, c->send_time, 3);
    }
    return n;
}

/* RED names the payload type of each block; those of the two sides may differ. */
static bool relabel_red(struct compose *c, uint8_t *scratch)
{
    struct red red;
    uint8_t pt = c->s->codecs[PAYLOAD_OPUS].pt;
    if (c->payload_len > PACKET_SIZE_MAX || red_parse(c->payload, c->payload_len, &red))
        return false;
    bool same = true;
    for (unsigned i = 0; i < red.count; i++)
        same &= red.blocks[i].pt == pt;
    if (same)
        return true;
    memcpy(scratch, c->payload, c->payload_len);
    for (unsigned i = 0; i < red.count; i++) {
        size_t at = i * 4u; /* headers are four bytes, the last one */
        scratch[at] = (uint8_t)((scratch[at] & 0x80) | pt);
    }
    c->payload = scratch;
    return true;
}

/* Can this packet become something that the subscriber understands? Asked before it is given a number. */
bool egress_accepts(const struct sfu_sub *s, struct packet *pkt)
{
    const struct rtp_packet *h = &meta_of(pkt)->rtp;
    struct red_block primary;
    if (h->payload.codec != PAYLOAD_RED || s->encrypted)
        return true;
    return red_primary(pkt->data + h->payload_off, h->payload_len, &primary) == 0 &&
           (primary.len || s->codecs[PAYLOAD_RED].known);
}

/* Decides what payload is sent; scratch (PACKET_SIZE_MAX) takes it where it differs from the shared packet's.
 */
static bool compose_payload(struct compose *c, uint8_t *scratch)
{
    const struct rtp_packet *h = c->h;
    c->codec = (enum payload_codec)h->payload.codec;
    c->payload = c->pkt->data + h->payload_off;
    c->payload_len = h->payload_len;
    if (c->codec == PAYLOAD_RED) {
        if (c->s->codecs[PAYLOAD_RED].known)
            return c->s->encrypted || !c->s->codecs[PAYLOAD_OPUS].known || relabel_red(c, scratch);
        struct red_block primary;
        if (red_primary(c->payload, c->payload_len, &primary) || !primary.len)
            return false;
        c->codec = PAYLOAD_OPUS;
        c->payload += primary.off;
        c->payload_len = primary.len;
        return true;
    }
    size_t patch = payload_patch_len(&h->payload);
    bool differs = patch && (c->out->picture_id != h->payload.picture_id || c->out->tl0 != h->payload.tl0);
    if (differs && c->payload_len <= PACKET_SIZE_MAX) {
        /* end-to-end encryption leaves the payload descriptor clear: it is outside of the frame */
        memcpy(scratch, c->payload, c->payload_len);
        payload_patch(scratch, patch, &h->payload, c->out->picture_id, c->out->tl0);
        c->payload = scratch;
    }
    return true;
}

/* ---- the batch ---- */

static struct egress_slot *slot_take(struct sfu_sub *s, struct packet *pkt)
{
    struct sfu_worker *w = s->peer->worker;
    struct srtp_tx *tx = transport_tx(s->peer->transport);
    const struct path *path = transport_path(s->peer->transport);
    if (!tx || !path)
        return NULL;
    if (w->egress->n == UDP_BATCH_MAX)
        egress_flush(w);
    struct egress *e = w->egress;
    struct egress_slot *slot = &e->slots[e->n];
    slot->path = *path;
    slot->sub = s;
    slot->packet = pkt ? packet_ref(pkt) : NULL;
    slot->rtx = false;
    e->jobs[e->n] = (struct srtp_tx_job){.tx = tx, .out = slot->out, .out_cap = sizeof slot->out};
    return slot;
}

static void slot_commit(struct sfu_sub *s, struct egress_slot *slot, int header_len, const uint8_t *payload,
    size_t len, uint32_t ssrc, uint64_t seq)
{
    struct egress *e = s->peer->worker->egress;
    struct srtp_tx_job *job = &e->jobs[e->n];
    if (header_len < 0) {
        packet_unref(slot->packet);
        slot->packet = NULL;
        s->peer->worker->stats.crypto_refused++;
        return;
    }
    job->header = slot->header;
    job->header_len = (uint16_t)header_len;
    job->payload = payload;
    job->payload_len = (uint16_t)len;
    job->ssrc = ssrc;
    job->index = seq;
    slot->seq = (uint16_t)seq;
    e->n++;
}

void egress_media(struct sfu_sub *s, struct packet *pkt, const struct rewrite_out *out)
{
    struct egress_slot *slot = slot_take(s, pkt);
    if (!slot)
        return;
    struct compose c = {.s = s, .pkt = pkt, .h = &meta_of(pkt)->rtp, .out = out};
    struct rtp_ext_out exts[EXTS_MAX];
    int len = -1;
    if (compose_payload(&c, slot->payload)) {
        size_t n = compose_exts(&c, exts, c.payload_len + RTP_HEADER_LEN + 40);
        struct rtp_fields f = {.pt = s->codecs[c.codec].pt,
            .marker = c.h->marker,
            .seq = (uint16_t)out->seq,
            .ts = out->ts,
            .ssrc = s->ssrc};
        len = rtp_write_header(slot->header, sizeof slot->header, &f, &s->section.extmap, exts, n);
    }
    slot_commit(s, slot, len, c.payload, c.payload_len, s->ssrc, out->seq);
    if (len >= 0)
        sender_stats_packet(&s->stats, c.payload_len);
}

void egress_rtx(struct sfu_sub *s, struct packet *pkt, const struct rewrite_out *out)
{
    struct compose c = {.s = s, .pkt = pkt, .h = &meta_of(pkt)->rtp, .out = out};
    uint8_t rtx_pt = c.h->payload.codec < PAYLOAD_CODEC_COUNT ? s->codecs[c.h->payload.codec].rtx_pt : 0;
    struct egress_slot *slot = rtx_pt ? slot_take(s, pkt) : NULL;
    if (!slot)
        return;
    struct rtp_ext_out exts[EXTS_MAX];
    int len = -1;
    uint64_t seq = s->rtx_seq++;
    if (compose_payload(&c, slot->payload + RTX_OSN_LEN) &&
        c.payload_len + RTX_OSN_LEN <= sizeof slot->payload) {
        if (c.payload != slot->payload + RTX_OSN_LEN)
            memcpy(slot->payload + RTX_OSN_LEN, c.payload, c.payload_len);
        rtx_write_osn(slot->payload, (uint16_t)out->seq);
        size_t n = compose_exts(&c, exts, c.payload_len + RTP_HEADER_LEN + 40);
        struct rtp_fields f = {
            .pt = rtx_pt, .marker = c.h->marker, .seq = (uint16_t)seq, .ts = out->ts, .ssrc = s->rtx_ssrc};
        len = rtp_write_header(slot->header, sizeof slot->header, &f, &s->section.extmap, exts, n);
    }
    slot->rtx = true;
    slot_commit(s, slot, len, slot->payload, c.payload_len + RTX_OSN_LEN, s->rtx_ssrc, seq);
    s->peer->worker->stats.rtx_out++;
}

/* Tells the receiver that this number never comes, so that it stops asking. */
void egress_rtx_empty(struct sfu_sub *s, uint16_t osn, uint32_t ts)
{
    uint8_t rtx_pt = 0;
    for (int i = 0; i < PAYLOAD_CODEC_COUNT && !rtx_pt; i++)
        rtx_pt = s->codecs[i].rtx_pt;
    struct egress_slot *slot = rtx_pt ? slot_take(s, NULL) : NULL;
    if (!slot)
        return;
    uint64_t seq = s->rtx_seq++;
    struct compose c = {.s = s};
    struct rtp_ext_out exts[EXTS_MAX];
    size_t n = compose_exts(&c, exts, RTP_HEADER_LEN + 40);
    struct rtp_fields f = {.pt = rtx_pt, .seq = (uint16_t)seq, .ts = ts, .ssrc = s->rtx_ssrc};
    int len = rtp_write_header(slot->header, sizeof slot->header, &f, &s->section.extmap, exts, n);
    rtx_write_osn(slot->payload, osn);
    slot->rtx = true;
    slot_commit(s, slot, len, slot->payload, RTX_OSN_LEN, s->rtx_ssrc, seq);
    s->peer->worker->stats.rtx_out++;
}

/* Without RTX the very same bytes go out again (nonce law). */
bool egress_stored(struct sfu_sub *s, uint16_t seq)
{
    const struct stored *st = &s->stored[seq % SFU_STORED_COUNT];
    const struct path *path = transport_path(s->peer->transport);
    if (!st->len || st->seq != seq || !path)
        return false;
    worker_send(s->peer->worker, path, st->data, st->len);
    s->peer->worker->stats.rtx_out++;
    return true;
}

static void store(struct sfu_sub *s, const struct egress_slot *slot, size_t len)
{
    if (!s->stored || slot->rtx || len > SFU_STORED_SIZE)
        return;
    struct stored *st = &s->stored[slot->seq % SFU_STORED_COUNT];
    st->seq = slot->seq;
    st->len = (uint16_t)len;
    memcpy(st->data, slot->out, len);
}

void egress_flush(struct sfu_worker *w)
{
    struct egress *e = w->egress;
    if (!e->n)
        return;
    size_t count = e->n, messages = 0;
    e->n = 0;
    srtp_tx_run(e->jobs, count);
    for (size_t i = 0; i < count; i++) {
        struct egress_slot *slot = &e->slots[i];
        size_t len = e->jobs[i].ret_len;
        packet_unref(slot->packet);
        slot->packet = NULL;
        if (e->jobs[i].ret_err) {
            w->stats.crypto_refused++;
            continue;
        }
        store(slot->sub, slot, len);
        slot->sub->peer->bytes_out += len;
        if (slot->path.conn) {
            worker_send(w, &slot->path, slot->out, len);
        } else {
            e->messages[messages++] = (struct udp_message){.path = slot->path, .data = slot->out, .len = len};
            w->stats.datagrams_out++;
            w->stats.bytes_out += len;
        }
        w->stats.rtp_out++;
    }
    if (messages)
        udp_send(&w->udp, e->messages, messages);
}
