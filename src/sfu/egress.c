/* Outgoing media in batches: headers composed for each receiver, encrypted out of place from the shared
 * packets, sent with one system call. What one receiver gets at once stands together, so that the kernel can
 * be given it as a run. */
#include <string.h>
#include "net/clock.h"
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

static void count_sent(struct sfu_peer *p, bool numbered, uint16_t size)
{
    if (numbered)
        p->sent.numbered = true;
    else if (p->sent.numbered)
        return; /* no report will speak of it */
    congestion_sent(p, size, p->worker->send_us);
}

static size_t compose_exts(struct compose *c, struct rtp_ext_out exts[EXTS_MAX], uint16_t size)
{
    const struct rtp_extmap *m = &c->s->section.extmap;
    struct sfu_peer *p = c->s->peer;
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
        uint16_t seq = transport_twcc_next(p->transport, size, p->sent.tag, p->worker->send_us);
        c->twcc[0] = (uint8_t)(seq >> 8);
        c->twcc[1] = (uint8_t)seq;
        put_ext(exts, &n, RTP_EXT_TWCC, c->twcc, 2);
    } else if (m->id_of[RTP_EXT_ABS_SEND_TIME]) {
        uint64_t t = ((uint64_t)p->worker->send_us << 18) / 1000000; /* 6.18 fixed-point seconds */
        c->send_time[0] = (uint8_t)(t >> 16);
        c->send_time[1] = (uint8_t)(t >> 8);
        c->send_time[2] = (uint8_t)t;
        put_ext(exts, &n, RTP_EXT_ABS_SEND_TIME, c->send_time, 3);
    }
    count_sent(p, c->s->twcc, size);
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
    int made = c->s->peer->red.distance
                   ? redundancy_write(c->s, c->out, c->pkt, scratch, PACKET_SIZE_MAX - RTX_OSN_LEN)
                   : 0;
    if (made > 0) {
        c->codec = PAYLOAD_RED;
        c->payload = scratch;
        c->payload_len = (size_t)made;
        return true;
    }
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

static struct egress_slot *slot_take(struct sfu_sub *s, struct pacer_item *item)
{
    struct egress *e = s->peer->worker->egress;
    if (!e->tx || !e->path)
        return NULL;
    if (e->n == UDP_BATCH_MAX) {
        egress_end(s->peer);
        egress_flush(s->peer->worker);
    }
    struct egress_slot *slot = &e->slots[e->n];
    slot->sub = s;
    slot->packet = item->packet;
    slot->ts = item->out.ts;
    item->packet = NULL;
    e->jobs[e->n] = (struct srtp_tx_job){.tx = e->tx};
    e->messages[e->n] = (struct udp_message){.path = *e->path, .destination = &s->peer->destination};
    return slot;
}

static void slot_commit(
    struct sfu_sub *s, struct egress_slot *slot, int header_len, const uint8_t *payload, size_t len)
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
    e->n++;
}

static void slot_name(
    const struct sfu_sub *s, struct egress_slot *slot, bool rtx, uint64_t seq, struct rtp_fields *f)
{
    struct srtp_tx_job *job = &s->peer->worker->egress->jobs[s->peer->worker->egress->n];
    slot->rtx = rtx;
    slot->seq = f->seq = (uint16_t)seq;
    job->index = seq;
    job->ssrc = f->ssrc = rtx ? s->rtx_ssrc : s->ssrc;
}

static void media(struct sfu_sub *s, struct egress_slot *slot, const struct rewrite_out *out)
{
    struct compose c = {.s = s, .pkt = slot->packet, .h = &meta_of(slot->packet)->rtp, .out = out};
    struct rtp_ext_out exts[EXTS_MAX];
    int len = -1;
    if (compose_payload(&c, slot->payload)) {
        size_t n = compose_exts(&c, exts, egress_size(c.payload_len));
        struct rtp_fields f = {.pt = s->codecs[c.codec].pt, .marker = out->marker, .ts = out->ts};
        slot_name(s, slot, false, out->seq, &f);
        len = rtp_write_header(slot->header, sizeof slot->header, &f, &s->section.extmap, exts, n);
    }
    slot_commit(s, slot, len, c.payload, c.payload_len);
    if (len >= 0)
        sender_stats_packet(&s->stats, c.payload_len);
}

static uint8_t rtx_pt_of(const struct sfu_sub *s, const struct rtp_packet *h)
{
    if (h)
        return h->payload.codec < PAYLOAD_CODEC_COUNT ? s->codecs[h->payload.codec].rtx_pt : 0;
    for (int i = 0; i < PAYLOAD_CODEC_COUNT; i++)
        if (s->codecs[i].rtx_pt)
            return s->codecs[i].rtx_pt;
    return 0;
}

/* The packet again, under the SSRC for that; or, without a packet, word that this number never comes, so that
 * the receiver stops asking. */
static void rtx(struct sfu_sub *s, struct egress_slot *slot, const struct rewrite_out *out)
{
    struct compose c = {.s = s, .pkt = slot->packet, .out = out};
    struct rtp_ext_out exts[EXTS_MAX];
    int len = -1;
    c.h = c.pkt ? &meta_of(c.pkt)->rtp : NULL;
    if ((!c.pkt || compose_payload(&c, slot->payload + RTX_OSN_LEN)) &&
        c.payload_len + RTX_OSN_LEN <= sizeof slot->payload) {
        if (c.payload_len && c.payload != slot->payload + RTX_OSN_LEN)
            memcpy(slot->payload + RTX_OSN_LEN, c.payload, c.payload_len);
        rtx_write_osn(slot->payload, (uint16_t)out->seq);
        size_t n = compose_exts(&c, exts, egress_size(c.payload_len + RTX_OSN_LEN));
        struct rtp_fields f = {.pt = rtx_pt_of(s, c.h), .marker = out->marker, .ts = out->ts};
        slot_name(s, slot, true, s->rtx_seq++, &f);
        len = rtp_write_header(slot->header, sizeof slot->header, &f, &s->section.extmap, exts, n);
    }
    slot_commit(s, slot, len, slot->payload, c.payload_len + RTX_OSN_LEN);
}

/* Nothing but padding, under the SSRC of retransmissions: receivers count it and drop it. */
static void padding(struct sfu_sub *s, struct egress_slot *slot, const struct rewrite_out *out)
{
    struct compose c = {.s = s, .out = out};
    struct rtp_ext_out exts[EXTS_MAX];
    struct rtp_fields f = {.pt = rtx_pt_of(s, NULL), .ts = out->ts};
    size_t n = compose_exts(&c, exts, egress_size(SFU_PADDING_BYTES));
    slot_name(s, slot, true, s->rtx_seq++, &f);
    int len = rtp_write_header(slot->header, sizeof slot->header, &f, &s->section.extmap, exts, n);
    rtp_write_padding(slot->payload, sizeof slot->payload, SFU_PADDING_BYTES);
    slot->header[0] |= 0x20;
    slot_commit(s, slot, len, slot->payload, SFU_PADDING_BYTES);
}

/* From here to egress_end the packets of one peer are added. A batch that has no room for all of them is sent
 * before, since a run ends with its batch. */
void egress_begin(struct sfu_peer *p)
{
    struct egress *e = p->worker->egress;
    if (e->n + p->pacer.count > UDP_BATCH_MAX)
        egress_flush(p->worker);
    e->first = e->n;
    e->tx = transport_tx(p->transport);
    e->path = transport_path(p->transport);
}

/* Adds what the pacer let go; a peer that has nowhere to send to loses it. The item is given back. */
void egress_item(struct sfu_peer *p, struct pacer_item *item)
{
    struct egress_slot *slot = slot_take(item->owner, item);
    if (slot && item->kind == EGRESS_MEDIA)
        media(item->owner, slot, &item->out);
    else if (slot && item->kind == EGRESS_PADDING)
        padding(item->owner, slot, &item->out);
    else if (slot)
        rtx(item->owner, slot, &item->out);
    p->worker->stats.rtx_out += slot && (item->kind == EGRESS_RTX || item->kind == EGRESS_RTX_EMPTY);
    pacer_item_put(&p->worker->items, item);
}

/* ---- runs ---- */

/* Lengthens a packet by RTP padding (RFC 3550, section 5.1). */
static void pad(struct egress *e, size_t at, size_t by)
{
    struct srtp_tx_job *job = &e->jobs[at];
    struct egress_slot *slot = &e->slots[at];
    if (job->payload != slot->payload)
        memcpy(slot->payload, job->payload, job->payload_len);
    rtp_write_padding(slot->payload + job->payload_len, sizeof slot->payload - job->payload_len, by);
    slot->header[0] |= 0x20;
    job->payload = slot->payload;
    job->payload_len = (uint16_t)(job->payload_len + by);
}

static size_t size_of(const struct egress *e, size_t at)
{
    return (size_t)e->jobs[at].header_len + e->jobs[at].payload_len;
}

/* Media that may be padded: packets of one frame, or voices that go together. End-to-end encrypted tracks are
 * passed on as they are. */
static bool may_equal(const struct egress *e, size_t a, size_t b)
{
    const struct egress_slot *x = &e->slots[a], *y = &e->slots[b];
    bool frame = x->sub == y->sub && x->ts == y->ts && x->sub->kind == KIND_VIDEO;
    bool voices = x->sub->kind == KIND_AUDIO && y->sub->kind == KIND_AUDIO;
    return (frame || voices) && !x->rtx && !y->rtx && !x->sub->encrypted && !y->sub->encrypted &&
           !e->messages[a].path.conn;
}

static void make_equal(struct sfu_worker *w, size_t at, size_t end, size_t size)
{
    struct egress *e = w->egress;
    for (; at < end; at++) {
        size_t by = size - size_of(e, at);
        if (!by || e->jobs[at].payload_len + by > PACKET_SIZE_MAX)
            continue;
        pad(e, at, by);
        w->stats.padded++;
    }
}

/* Encoders split a frame into packets of nearly the same length, the last ones a byte longer; only equal ones
 * make a run, except that the last may be shorter: be it of another frame, or a voice. */
static void equalise(struct sfu_worker *w, size_t from, size_t end)
{
    struct egress *e = w->egress;
    for (size_t at = from, next; at < end; at = next) {
        size_t least = size_of(e, at), most = least;
        for (next = at + 1; next < end && may_equal(e, at, next); next++) {
            size_t size = size_of(e, next);
            size_t low = size < least ? size : least, high = size > most ? size : most;
            if (high - low > SFU_EQUALISE_BYTES)
                break;
            least = low;
            most = high;
        }
        bool shorter_follows = next < end && size_of(e, next) < most;
        if (least < most)
            make_equal(w, at, shorter_follows ? next : next - 1, most);
        next += shorter_follows;
    }
}

void egress_end(struct sfu_peer *p)
{
    struct egress *e = p->worker->egress;
    if (e->n > e->first + 1)
        equalise(p->worker, e->first, e->n);
    e->first = e->n;
    const struct congestion_sent *sent = &p->sent;
    if (sent->bytes && (!sent->state || p->worker->send_us - sent->from_us >= SFU_SENT_US))
        congestion_sent_tell(p, p->worker->send_us);
}

/* ---- out ---- */

/* Without RTX the very same bytes go out again (nonce law). */
bool egress_stored(struct sfu_sub *s, struct stored *st)
{
    const struct path *path = transport_path(s->peer->transport);
    if (!path)
        return false;
    worker_send(s->peer->worker, path, st->data, st->len);
    s->peer->bytes_out += st->len;
    s->peer->worker->stats.rtx_out++;
    return true;
}

static void store(struct sfu_sub *s, const struct egress_slot *slot, const uint8_t *data, size_t len)
{
    if (!s->stored || slot->rtx)
        return;
    s->peer->losses.voice++;
    if (len > SFU_STORED_SIZE)
        return;
    struct stored *st = &s->stored[slot->seq % SFU_STORED_COUNT];
    st->seq = slot->seq;
    st->len = (uint16_t)len;
    st->times = 0;
    memcpy(st->data, data, len);
}

static void encrypt(struct egress *e, size_t count)
{
    size_t at = 0;
    for (size_t i = 0; i < count; i++) {
        struct srtp_tx_job *job = &e->jobs[i];
        job->out = e->out + at;
        job->out_cap = size_of(e, i) + srtp_profile_rtp_trailer(srtp_tx_profile(job->tx));
        at += job->out_cap;
    }
    srtp_tx_run(e->jobs, count);
}

/* How long the packets of the batch were here: a bucket for each power of two of a microsecond. */
static void note_transit(struct sfu_worker *w, const int64_t *recv_us, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        int64_t us = w->send_us - recv_us[i];
        unsigned bucket = us > 0 ? 64 - (unsigned)__builtin_clzll((uint64_t)us) : 0;
        w->stats.transit[bucket < SFU_TRANSIT_BUCKETS ? bucket : SFU_TRANSIT_BUCKETS - 1]++;
    }
}

void egress_flush(struct sfu_worker *w)
{
    struct egress *e = w->egress;
    int64_t recv_us[UDP_BATCH_MAX];
    size_t count = e->n, messages = 0, forwarded = 0;
    if (!count)
        return;
    e->n = e->first = 0;
    encrypt(e, count);
    for (size_t i = 0; i < count; i++) {
        struct egress_slot *slot = &e->slots[i];
        struct srtp_tx_job *job = &e->jobs[i];
        if (slot->packet && !slot->rtx)
            recv_us[forwarded++] = slot->packet->recv_us;
        packet_unref(slot->packet);
        slot->packet = NULL;
        if (job->ret_err) {
            w->stats.crypto_refused++;
            continue;
        }
        store(slot->sub, slot, job->out, job->ret_len);
        slot->sub->peer->bytes_out += job->ret_len;
        w->stats.rtp_out++;
        struct udp_message *m = &e->messages[messages];
        if (messages != i)
            *m = e->messages[i];
        if (m->path.conn) {
            const struct path path = m->path;
            worker_send(w, &path, job->out, job->ret_len);
            continue;
        }
        m->data = job->out;
        m->len = job->ret_len;
        messages++;
        w->stats.datagrams_out++;
        w->stats.bytes_out += job->ret_len;
    }
    udp_send_runs(&w->udp, e->messages, messages, w->send_us);
    w->send_us = clock_now_us();
    note_transit(w, recv_us, forwarded);
}
