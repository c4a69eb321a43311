#include "source.h"

#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "base/rand.h"
#include "net/clock.h"
#include "pieces.h"
#include "rtp/clock.h"
#include "rtp/rtx.h"

#define PACE 2.5 /* times the rate, as libwebrtc paces */
#define PACE_SLICE_US                                                                                        \
    40000                  /* libwebrtc sends what this much of the pace gives at once: most pictures whole */
#define KEY_FACTOR  6      /* a key frame is so many times a picture's share of the rate */
#define KEY_GAP_US  300000 /* libwebrtc makes no two key frames closer together */
#define OWED_SHARE  8      /* a picture pays back this part of what others took too much */
#define CATCH_UP    4      /* pictures that are late at most; older ones are left out */
#define AUDIO_MIN   32     /* bytes of an Opus payload with the stamp in it */
#define AUDIO_MAX   400
#define CAPTURE_LEN 8
#define EXTS_MAX    5

/* ---- numbers that look random and are the same in every run ---- */

static double unit(struct source *s)
{
    s->rng ^= s->rng << 13;
    s->rng ^= s->rng >> 7;
    s->rng ^= s->rng << 17;
    return (double)(s->rng >> 11) / 9007199254740992.0;
}

/* About normal: mean 0, deviation 1. */
static double bell(struct source *s)
{
    return (unit(s) + unit(s) + unit(s) + unit(s) - 2) * 1.732;
}

/* ---- life ---- */

/* What a file takes at so many pictures a second. */
static unsigned media_kbps(const struct media *m, unsigned fps)
{
    uint64_t bytes = 0;
    for (size_t i = 0; i < m->frame_count; i++)
        bytes += m->frames[i].bytes;
    return (unsigned)(bytes * 8 * fps / m->frame_count / 1000) + 1;
}

int source_init(struct source *s, struct link *l, unsigned section, unsigned number)
{
    const struct offer_section *o = &l->offer.sections[section];
    struct load *g = l->load;
    *s = (struct source){.link = l, .number = number, .room = l->room, .section = section};
    s->video = o->kind == SDP_KIND_VIDEO;
    s->rate = s->video ? 90000 : 48000;
    s->pt = !s->video ? OFFER_PT_OPUS : l->offer.h264 ? OFFER_PT_H264 : OFFER_PT_VP8;
    s->rtx_pt = (uint8_t)(s->pt + 1);
    s->silent = !s->video && g->opt.speakers && l->member >= g->opt.speakers;
    s->ring = s->video ? SOURCE_VIDEO_RING : SOURCE_AUDIO_RING;
    s->layer_count = o->simulcast ? OFFER_LAYERS : 1;
    s->period_us = s->video ? 1000000 / g->opt.fps : SOURCE_AUDIO_US;
    s->rng = 0x9e3779b97f4a7c15 * (number + 1);
    s->first_ts = rand_u32();
    for (unsigned i = 0; i < s->layer_count; i++) {
        struct source_layer *y = &s->layers[i];
        unsigned down = s->layer_count - 1 - i;
        static const double share[OFFER_LAYERS] = {1, 0.27, 0.09};
        y->ssrc = o->simulcast ? rand_u32() : o->ssrc;
        y->rtx_ssrc = o->simulcast ? rand_u32() : o->rtx_ssrc;
        y->base = rand_u32() & 0x7fff; /* RFC 3711, section 3.3.1: not close to the rollover */
        y->rtx_index = rand_u32() & 0x7fff;
        y->picture = rand_u32() & 0x7fff;
        y->key_wanted = true;
        y->kbps = g->media.frame_count ? media_kbps(&g->media, g->opt.fps)
                                       : (unsigned)(g->opt.video_kbps * share[down]);
        y->width = 1280u >> down;
        y->height = 720u >> down;
        y->ring = calloc(s->ring, sizeof *y->ring);
        if (!y->ring)
            return -ENOMEM;
        rand_bytes(y->ring[0].payload, sizeof y->ring[0].payload);
        for (unsigned k = 1; k < s->ring; k++) /* what made-up pictures are made of */
            memcpy(y->ring[k].payload, y->ring[0].payload, sizeof y->ring[0].payload);
        sender_stats_init(&y->stats, y->ssrc);
    }
    return 0;
}

void source_done(struct source *s)
{
    for (unsigned i = 0; i < s->layer_count; i++)
        free(s->layers[i].ring);
    s->layer_count = 0;
}

uint64_t source_window(const struct source *s)
{
    uint64_t n = 0;
    for (unsigned i = 0; i < s->layer_count; i++)
        n += s->layers[i].window;
    return n;
}

uint64_t source_next(const struct source *s)
{
    return s->layers[0].base + s->layers[0].sent;
}

bool source_waits(const struct source *s)
{
    for (unsigned i = 0; i < s->layer_count; i++)
        if (s->layers[i].sent < s->layers[i].made)
            return s->agreed && s->link->state != LINK_ENDED;
    return false;
}

void source_reset(struct source *s)
{
    for (unsigned i = 0; i < s->layer_count; i++)
        s->layers[i].window = 0;
}

/* ---- making packets ---- */

static struct source_packet *packet_at(const struct source *s, const struct source_layer *y, uint64_t n)
{
    return &y->ring[n % s->ring];
}

/* Is there room for so many more that were not sent yet? */
static bool has_room(const struct source *s, const struct source_layer *y, size_t n)
{
    return y->made - y->sent + n <= s->ring;
}

static struct source_packet *add(struct source *s, struct source_layer *y, size_t len, bool first, bool last)
{
    struct source_packet *p = packet_at(s, y, y->made++);
    p->ts = y->ts;
    p->len = (uint16_t)len;
    p->first = first;
    p->last = last;
    return p;
}

/* Bytes of RTP that are not payload: the header with the extensions of every packet, and what the first one
 * of a picture has besides. */
static void overhead(const struct source *s, size_t *ret_all, size_t *ret_first)
{
    const struct rtp_extmap *m = &s->link->peer.extmap;
    size_t exts = 3; /* number */
    if (!s->heard)
        exts += 3 + (s->layer_count > 1 ? 2 : 0); /* mid, rid */
    *ret_all = RTP_HEADER_LEN + 4 + (exts + 3) / 4 * 4;
    *ret_first = rtp_extmap_id(m, RTP_EXT_ABS_CAPTURE_TIME) ? CAPTURE_LEN + 4 : 0;
}

/* Bytes of the next made-up picture. */
static size_t picture_size(struct source *s, struct source_layer *y, bool key)
{
    double mean = y->kbps * 125.0 / (double)s->link->load->opt.fps;
    double size = key ? mean * KEY_FACTOR : mean * (1 + 0.18 * bell(s));
    if (!key)
        size -= (double)y->owed / OWED_SHARE;
    size = size < mean / 4 ? mean / 4 : size;
    size = size < PIECES_VP8_HEAD + STAMP_LEN ? PIECES_VP8_HEAD + STAMP_LEN : size;
    y->owed += (int64_t)(size - mean);
    /* an encoder's rate control looks back a second or so; what key frames took before is forgotten */
    if (y->owed > (int64_t)y->kbps * 125)
        y->owed = (int64_t)y->kbps * 125;
    return (size_t)size;
}

/* Is the next picture a key frame? Many requests within a short time get one. */
static bool take_key_wanted(struct source_layer *y)
{
    if (!y->key_wanted || (y->key_us && y->ts_us - y->key_us < KEY_GAP_US))
        return false;
    y->key_us = y->ts_us;
    y->key_wanted = false;
    return true;
}

static void make_vp8(struct source *s, struct source_layer *y, const uint8_t *data, size_t len, bool key)
{
    uint16_t sizes[PIECES_MAX];
    size_t all, less, at = 0;
    overhead(s, &all, &less);
    size_t max = SOURCE_RTP_MAX - all - PIECES_VP8_LEN - (data ? STAMP_LEN : 0);
    int n = pieces_cut(len, max, less, sizes);
    if (n < 0 || !has_room(s, y, (size_t)n))
        return; /* a picture that nobody could send; the rate is far too high for the pace */
    for (int i = 0; i < n; i++) {
        bool first = i == 0, last = i == n - 1;
        struct source_packet *p = add(s, y, PIECES_VP8_LEN + sizes[i], first, last);
        pieces_vp8_descriptor(p->payload, first, y->picture, y->tl0);
        if (data)
            memcpy(p->payload + PIECES_VP8_LEN, data + at, sizes[i]);
        else if (first && sizes[i] >= PIECES_VP8_HEAD)
            pieces_vp8_head(p->payload + PIECES_VP8_LEN, key, y->width, y->height);
        if (data && last)
            p->len += STAMP_LEN; /* behind the picture: a decoder reads no further than it has to */
        at += sizes[i];
    }
}

#define SEI_HEAD 19 /* bytes before the stamp: unit, kind of message, its length, a UUID */

/* A unit of user data that decoders pass over, with a stamp in it: before the first slice. */
static void add_sei(struct source *s, struct source_layer *y, bool first)
{
    static const uint8_t head[SEI_HEAD] = {0x06, 0x05, 16 + STAMP_LEN, 0x9c, 0x41, 0xf0, 0x77, 0x12, 0x5e,
        0x4b, 0x86, 0xa3, 0x21, 0x6d, 0x94, 0xc8, 0x35, 0xbb, 0x59};
    struct source_packet *p = add(s, y, SEI_HEAD + STAMP_LEN + 1, first, false);
    memcpy(p->payload, head, SEI_HEAD);
    p->payload[SEI_HEAD + STAMP_LEN] = 0x80; /* the bits that end the unit */
}

static void make_h264(struct source *s, struct source_layer *y, const struct media_frame *f)
{
    const struct media *m = &s->link->load->media;
    size_t all, less;
    bool stamped = false, first = true;
    overhead(s, &all, &less);
    size_t max = SOURCE_RTP_MAX - all;
    if (!has_room(s, y, f->bytes / (max - less - 64) + 2u * f->count + 1))
        return;
    for (uint32_t u = 0; u < f->count; u++) {
        const struct media_unit *unit_at = &m->units[f->first + u];
        const uint8_t *nal = m->data + unit_at->offset;
        unsigned type = nal[0] & 31;
        if (!stamped && type >= 1 && type <= 5) {
            add_sei(s, y, first);
            stamped = true;
            first = false;
        }
        for (size_t at = 0; at < unit_at->len; first = false) {
            struct source_packet *p = add(s, y, 0, first, false);
            p->len = (uint16_t)pieces_h264_next(nal, unit_at->len, &at, max, first ? less : 0, p->payload);
        }
    }
    packet_at(s, y, y->made - 1)->last = true;
}

static void make_file_picture(struct source *s, struct source_layer *y)
{
    const struct media *m = &s->link->load->media;
    if (take_key_wanted(y) && !m->frames[s->media_at].key) {
        size_t at = s->media_at;
        while (at < m->frame_count && !m->frames[at].key)
            at++;
        s->media_at = at < m->frame_count ? at : 0;
    }
    const struct media_frame *f = &m->frames[s->media_at];
    s->media_at = (s->media_at + 1) % m->frame_count;
    if (m->h264)
        make_h264(s, y, f);
    else
        make_vp8(s, y, m->data + m->units[f->first].offset, f->bytes, f->key);
}

static void make_picture(struct source *s, struct source_layer *y)
{
    y->picture = (y->picture + 1) & 0x7fff;
    y->tl0++;
    if (s->link->load->media.frame_count) {
        make_file_picture(s, y);
        return;
    }
    bool key = take_key_wanted(y);
    make_vp8(s, y, NULL, picture_size(s, y, key), key);
}

/* Somebody who speaks two thirds of the time, at some 32 kbit/s. */
static void make_sound(struct source *s, struct source_layer *y)
{
    bool begins = false;
    if (s->link->load->opt.speakers) {
        begins = !s->talking;
        s->talking = true;
    } else if (s->spurt-- <= 0) {
        s->talking = !s->talking;
        begins = s->talking;
        s->spurt = (int)(-log(1 - unit(s) * 0.98) * (s->talking ? 60 : 30)) + 5;
    }
    s->loudness = 0.85 * s->loudness + 0.15 * bell(s) * 2;
    double size = s->talking ? 82 + 26 * s->loudness + 9 * bell(s) : AUDIO_MIN + 8 * unit(s);
    size = size < AUDIO_MIN ? AUDIO_MIN : size > AUDIO_MAX ? AUDIO_MAX : size;
    struct source_packet *p = add(s, y, (size_t)size, begins, begins);
    p->payload[0] = 0x78; /* CELT, fullband, 20 ms, one frame (RFC 6716, section 3.1) */
}

static void make_frame(struct source *s, int64_t now_us)
{
    uint32_t ts = s->first_ts + (uint32_t)rtp_us_to_units((int64_t)s->frame * s->period_us, s->rate);
    for (unsigned i = 0; i < s->layer_count; i++) {
        struct source_layer *y = &s->layers[i];
        y->ts = ts;
        y->ts_us = now_us;
        if (s->video)
            make_picture(s, y);
        else
            make_sound(s, y);
    }
}

/* ---- sending ---- */

struct ext_values {
    uint8_t twcc[2], capture[CAPTURE_LEN], level;
    char mid[4];
    size_t count;
    struct rtp_ext_out out[EXTS_MAX];
};

static void put_ext(struct ext_values *v, enum rtp_ext ext, const void *data, size_t len)
{
    v->out[v->count++] = (struct rtp_ext_out){.ext = ext, .len = (uint8_t)len, .data = data};
}

static void put_exts(struct source *s, unsigned layer, const struct source_packet *p, struct ext_values *v)
{
    struct link *l = s->link;
    const struct rtp_extmap *m = &l->peer.extmap;
    v->count = 0;
    if (rtp_extmap_id(m, RTP_EXT_TWCC)) {
        v->twcc[0] = (uint8_t)(l->twcc_next >> 8);
        v->twcc[1] = (uint8_t)l->twcc_next;
        l->twcc_next++;
        put_ext(v, RTP_EXT_TWCC, v->twcc, 2);
    }
    if (!s->video && rtp_extmap_id(m, RTP_EXT_AUDIO_LEVEL)) {
        double level = s->talking ? 32 - 6 * s->loudness : 90;
        v->level = (uint8_t)((s->talking ? 0x80 : 0) | (unsigned)(level < 5 ? 5 : level > 127 ? 127 : level));
        put_ext(v, RTP_EXT_AUDIO_LEVEL, &v->level, 1);
    }
    if (!s->heard && rtp_extmap_id(m, RTP_EXT_MID)) {
        int n = snprintf(v->mid, sizeof v->mid, "%u", s->section % 1000);
        put_ext(v, RTP_EXT_MID, v->mid, (size_t)n);
    }
    if (!s->heard && s->layer_count > 1 && rtp_extmap_id(m, RTP_EXT_RID))
        put_ext(v, RTP_EXT_RID, offer_rids[layer], 1);
    if (s->video && p->first && rtp_extmap_id(m, RTP_EXT_ABS_CAPTURE_TIME)) {
        struct writer w = writer_of(v->capture, sizeof v->capture);
        writer_u64(&w, ntp_from_wall_us(clock_wall_us()));
        put_ext(v, RTP_EXT_ABS_CAPTURE_TIME, v->capture, CAPTURE_LEN);
    }
}

/* The stamp's place in a payload, or -1: it has none. */
static int stamp_place(const struct source *s, const struct source_packet *p)
{
    const struct media *m = &s->link->load->media;
    bool sei = (p->payload[0] & 31) == 6 && p->len == SEI_HEAD + STAMP_LEN + 1;
    if (s->video && m->frame_count && m->h264)
        return sei ? SEI_HEAD : -1;
    if (s->video && m->frame_count && !p->last)
        return -1;
    return p->len >= STAMP_LEN ? p->len - STAMP_LEN : -1;
}

/* Encrypts and sends the next n packets of a layer. */
static void send_packets(struct source *s, unsigned layer, size_t n)
{
    static uint8_t headers[LINK_OUT_MAX][RTP_HEADER_MAX], out[LINK_OUT_MAX][PACKET_SIZE_MAX];
    struct source_layer *y = &s->layers[layer];
    struct link *l = s->link;
    struct srtp_tx_job jobs[LINK_OUT_MAX];
    struct link_out datagrams[LINK_OUT_MAX];
    int64_t wall_us = clock_wall_us();
    for (size_t i = 0; i < n; i++) {
        uint64_t number = y->sent + i, index = y->base + number;
        struct source_packet *p = packet_at(s, y, number);
        struct ext_values v;
        struct rtp_fields f = {
            .pt = s->pt, .marker = p->last, .seq = (uint16_t)index, .ts = p->ts, .ssrc = y->ssrc};
        put_exts(s, layer, p, &v);
        int stamp_at = stamp_place(s, p);
        if (stamp_at >= 0)
            stamp_write(p->payload + stamp_at,
                &(struct stamp){.source = s->number, .wall_us = wall_us, .index = index});
        int header = rtp_write_header(headers[i], sizeof headers[i], &f, &l->peer.extmap, v.out, v.count);
        jobs[i] = (struct srtp_tx_job){.tx = l->peer.tx,
            .index = index,
            .header = headers[i],
            .payload = p->payload,
            .out = out[i],
            .out_cap = sizeof out[i],
            .ssrc = y->ssrc,
            .header_len = (uint16_t)(header < 0 ? 0 : header),
            .payload_len = p->len};
        sender_stats_packet(&y->stats, p->len);
    }
    size_t ready = 0;
    (void)srtp_tx_run(jobs, n);
    for (size_t i = 0; i < n; i++)
        if (!jobs[i].ret_err)
            datagrams[ready++] = (struct link_out){.data = out[i], .len = jobs[i].ret_len};
    size_t taken = link_send_many(l, datagrams, ready);
    y->sent += n;
    y->window += n;
    l->load->counts.sent += n;
    l->load->counts.dropped += n - taken;
}

static void send_upto(struct source *s, unsigned layer, size_t n)
{
    while (n) {
        size_t batch = n < LINK_OUT_MAX ? n : LINK_OUT_MAX;
        send_packets(s, layer, batch);
        n -= batch;
    }
}

/* Packets that a slice of the pace lets out: at least one. */
static size_t slice_of(struct source *s, const struct source_layer *y)
{
    double left = y->kbps * 125 * PACE * PACE_SLICE_US / 1e6;
    size_t n = 0;
    while (y->sent + n < y->made && (n == 0 || left > 0))
        left -= packet_at(s, y, y->sent + n++)->len;
    return n;
}

static void flush(struct source *s, int64_t now_us)
{
    bool at_once = !s->video || s->link->load->opt.burst;
    if (!at_once && now_us < s->slice_us)
        return;
    bool waits = false;
    for (unsigned i = 0; i < s->layer_count; i++) {
        struct source_layer *y = &s->layers[i];
        size_t n = at_once ? (size_t)(y->made - y->sent) : slice_of(s, y);
        send_upto(s, i, n);
        waits |= n > 0;
    }
    if (waits && !at_once)
        s->slice_us = now_us + PACE_SLICE_US;
}

void source_run(struct source *s, int64_t now_us)
{
    struct load *g = s->link->load;
    if (s->silent || !s->agreed || s->link->state == LINK_ENDED || !peer_connected(&s->link->peer))
        return;
    if (!s->start_us) /* not all at the same time */
        s->start_us = now_us - (int64_t)s->frame * s->period_us + (int64_t)(unit(s) * (double)s->period_us);
    int64_t due_us = s->start_us + (int64_t)s->frame * s->period_us;
    if (now_us - due_us > CATCH_UP * s->period_us)
        s->frame += (uint64_t)((now_us - due_us) / s->period_us);
    for (; s->start_us + (int64_t)s->frame * s->period_us <= now_us; s->frame++)
        if (!g->paused)
            make_frame(s, now_us);
    flush(s, now_us);
}

/* ---- what the server asks for ---- */

static struct source_layer *layer_of(struct source *s, uint32_t ssrc)
{
    for (unsigned i = 0; i < s->layer_count; i++)
        if (s->layers[i].ssrc == ssrc)
            return &s->layers[i];
    return NULL;
}

bool source_key_frame(struct source *s, uint32_t ssrc)
{
    struct source_layer *y = layer_of(s, ssrc);
    if (y)
        y->key_wanted = true;
    return y != NULL;
}

bool source_nack(struct source *s, uint32_t ssrc, uint16_t seq)
{
    struct source_layer *y = layer_of(s, ssrc);
    if (!y || !s->video)
        return y != NULL;
    uint16_t back = (uint16_t)((uint16_t)(y->base + y->sent) - seq);
    if (back == 0 || back > y->sent || back + (y->made - y->sent) > s->ring)
        return true;
    const struct source_packet *p = packet_at(s, y, y->sent - back);
    struct ext_values v;
    struct rtp_fields f = {
        .pt = s->rtx_pt, .marker = p->last, .seq = (uint16_t)y->rtx_index, .ts = p->ts, .ssrc = y->rtx_ssrc};
    uint8_t payload[SOURCE_RTP_MAX + RTX_OSN_LEN];
    put_exts(s, (unsigned)(y - s->layers), p, &v);
    for (size_t i = 0; i < v.count; i++)
        if (v.out[i].ext == RTP_EXT_RID)
            v.out[i].ext = RTP_EXT_REPAIRED_RID;
    rtx_write_osn(payload, seq);
    memcpy(payload + RTX_OSN_LEN, p->payload, p->len);
    if (peer_send_rtp(&s->link->peer, &f, y->rtx_index, v.out, v.count, payload, p->len + RTX_OSN_LEN) == 0)
        s->link->load->counts.sent_again++;
    y->rtx_index++;
    return true;
}

void source_report(struct source *s, const struct rtcp_report *r, int64_t now_us)
{
    struct source_layer *y = layer_of(s, r->ssrc);
    if (!y)
        return;
    sender_stats_report(&y->stats, r, now_us);
    s->heard = s->layer_count == 1 || s->heard || y == &s->layers[s->layer_count - 1];
}

void source_put_sr(struct source *s, struct writer *w, int64_t now_us)
{
    uint64_t ntp = ntp_from_wall_us(clock_wall_us());
    for (unsigned i = 0; i < s->layer_count; i++) {
        struct source_layer *y = &s->layers[i];
        struct rtcp_sr sr;
        if (!y->sent)
            continue;
        uint32_t ts = y->ts + (uint32_t)rtp_us_to_units(now_us - y->ts_us, s->rate);
        sender_stats_sr(&y->stats, ntp, ts, now_us, &sr);
        rtcp_sr_write(w, &sr, NULL, 0);
    }
}
