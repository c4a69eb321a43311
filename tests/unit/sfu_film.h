/* A camera of any codec made by hand, and strict watchers of it, in virtual time. The camera makes a key
 * frame only when it is told to, and counts who asks it for one. A watcher takes nothing but what a decoder
 * takes: each packet, in order, once; each frame whole, after all that it refers to since the newest key
 * frame; numbers of every kind without a seam; payloads as they were sent. */
#ifndef UNIT_SFU_FILM_H
#define UNIT_SFU_FILM_H

#include <string.h>
#include "rtp/payload.h"
#include "rtp/rtcp.h"
#include "rtp/seq.h"
#include "rtp_dd_support.h"
#include "sfu/internal.h"
#include "support/net_sender.h"

#define FILM_FRAME_US  33333
#define FILM_STREAMS   3
#define FILM_FRAMES    8192
#define FILM_BYTES     1200
#define FILM_TAG       9   /* at the end of a payload: frame, packet, check */
#define FILM_SMALL     300 /* bytes of a payload */
#define FILM_WATCHERS  8
#define FILM_DD        12 /* id of the descriptor */
#define FILM_SUB_SSRC  900u
#define FILM_PT(codec) ((uint8_t)(100 + 2 * (codec)))

struct flavour {
    const char *name;
    enum payload_codec codec;
    unsigned streams, spatials;
    bool ksvc, dd;
    bool sealed; /* end-to-end encrypted: but for what must stay clear, bytes mean nothing */
};

struct film_frame {
    uint8_t stream, spatial, packets, size; /* size: of the picture, any number that tells two apart */
    bool key;                               /* refers to nothing before its picture */
    unsigned picture;
    uint16_t number;
    int deps[2];
    unsigned dep_count;
    int64_t at_us;
};

struct film_stream {
    uint32_t ssrc, ts_base;
    uint64_t seq;
    uint16_t picture_id, number;
    uint8_t tl0;
    int last[FILM_STREAMS]; /* newest frame of each spatial layer; -1: none */
    bool key_wanted;
    unsigned plis;
};

struct film_packet {
    struct rtp_fields f;
    uint64_t index;
    uint8_t payload[FILM_BYTES], dd[64];
    size_t len, dd_len;
    const char *rid;
};

struct watcher {
    struct film *film;
    struct net_peer *peer;
    uint32_t sub;
    int64_t joined_us, first_us; /* first_us: of the first frame that was decoded; 0: none yet */
    bool blind;                  /* looks at nothing */
    bool decoded[FILM_FRAMES];
    uint16_t numbers[FILM_FRAMES]; /* as they were told */
    struct dd_structure structure;
    int frame; /* newest; -1: none */
    unsigned got;
    struct rtp_packet h; /* of the newest packet */
    struct payload_info payload;
    bool drawing;
    unsigned drawn;               /* pictures whose time was drawn together */
    unsigned frames, keys, stale; /* stale: decoded later than 100 ms after their capture */
    int first;                    /* the first that was decoded; -1: none yet */
};

struct film {
    struct net_world *w;
    struct flavour flavour;
    struct net_peer *peer;
    uint32_t track;
    struct film_stream streams[FILM_STREAMS];
    struct film_frame frames[FILM_FRAMES];
    int frame_count;
    unsigned picture, packets; /* packets: of a frame */
    size_t bytes;              /* of a payload */
    uint8_t size;
    bool on, answers; /* answers: key frames that are asked for are made */
    int lose;         /* this packet of the next frame is kept back; -1: none */
    unsigned asked;   /* key frame requests */
    int64_t next_us;
    struct film_packet lost;
    struct watcher watchers[FILM_WATCHERS];
    unsigned watcher_count;
};

static struct film film;
extern int64_t virtual_now_us;

/* ---- what the camera sends ---- */

static const struct template_row film_l3[] = {
    {0, 0, {0}, {0, 0, 0}, "SSS"},
    {0, 0, {3}, {3, 2, 1}, "RRS"},
    {1, 0, {1}, {1, 1, 1}, "SS-"},
    {1, 0, {3, 1}, {1, 1, 1}, "RS-"},
    {2, 0, {1}, {2, 1, 1}, "S--"},
    {2, 0, {3, 1}, {2, 1, 1}, "S--"},
};

static const struct template_row film_l3_key[] = {
    {0, 0, {0}, {0, 0, 0}, "SSS"},
    {0, 0, {3}, {3, 2, 1}, "--S"},
    {1, 0, {1}, {1, 1, 1}, "SS-"},
    {1, 0, {3}, {1, 3, 2}, "-S-"},
    {2, 0, {1}, {2, 1, 1}, "S--"},
    {2, 0, {3}, {2, 1, 3}, "S--"},
};

static uint32_t film_check(const uint8_t *data, size_t len)
{
    uint32_t h = 2166136261u;
    for (size_t i = 0; i < len; i++)
        h = (h ^ data[i]) * 16777619u;
    return h;
}

static size_t film_descriptor(const struct film_frame *f, bool start, bool end, uint8_t *out)
{
    static const uint8_t protects[] = {2, 1, 0};
    unsigned row = 2u * f->spatial + !f->key;
    struct bit_writer w = {0};
    put_mandatory(&w, start, end, 7 + row, f->number);
    if (start && f->key && f->spatial == 0) {
        put(&w, 5, 0x10);
        put_structure(&w, 7, film.flavour.ksvc ? film_l3_key : film_l3, 6, 3, protects, false);
    }
    memcpy(out, w.data, bytes_of(&w));
    return bytes_of(&w);
}

/* What stands before a frame's own bytes; ret_clear: with what stays clear of those. */
static size_t film_head(
    const struct film_stream *st, const struct film_frame *f, bool start, bool end, uint8_t *out)
{
    switch (film.flavour.codec) {
    case PAYLOAD_VP8: {
        const uint8_t head[] = {start ? 0x90 : 0x80, 0xc0, (uint8_t)(0x80 | st->picture_id >> 8),
            (uint8_t)st->picture_id, st->tl0, !f->key, 0, 0, 0x9d, 0x01, 0x2a, f->size, 0, f->size, 0};
        size_t len = !start ? 5 : f->key ? sizeof head : 8;
        memcpy(out, head, len);
        return len;
    }
    case PAYLOAD_VP9: {
        bool inter_layer = f->spatial > 0 && (!film.flavour.ksvc || f->key);
        const uint8_t head[] = {(uint8_t)(0xa0 | !f->key << 6 | start << 3 | end << 2),
            (uint8_t)(0x80 | st->picture_id >> 8), (uint8_t)st->picture_id,
            (uint8_t)(f->spatial << 1 | inter_layer), st->tl0};
        memcpy(out, head, sizeof head);
        return sizeof head;
    }
    case PAYLOAD_H264:
        out[0] = !f->key ? 0x41 : start ? 0x67 : 0x65;
        out[1] = start ? 0x80 : 0x20;
        return 2;
    default:
        return 0;
    }
}

static void film_send(const struct film_packet *p)
{
    struct rtp_ext_out exts[3];
    size_t n = 0;
    exts[n++] = (struct rtp_ext_out){.ext = RTP_EXT_MID, .len = 1, .data = (const uint8_t *)"5"};
    if (p->rid)
        exts[n++] = (struct rtp_ext_out){.ext = RTP_EXT_RID, .len = 1, .data = (const uint8_t *)p->rid};
    if (p->dd_len)
        exts[n++] = (struct rtp_ext_out){.ext = RTP_EXT_DEPENDENCY, .len = (uint8_t)p->dd_len, .data = p->dd};
    rtc_client_rtp(&film.peer->client, &p->f, p->index, exts, n, p->payload, p->len);
}

static void film_packet(struct film_stream *st, int frame, unsigned k, bool marker)
{
    static const char *const rids[FILM_STREAMS] = {"q", "h", "f"};
    struct film_frame *f = &film.frames[frame];
    bool start = k == 0, end = k + 1 == f->packets;
    struct film_packet p = {.index = st->seq++, .len = film.bytes};
    p.f = (struct rtp_fields){.pt = FILM_PT(film.flavour.codec),
        .marker = end && marker,
        .seq = (uint16_t)p.index,
        .ts = st->ts_base + 3000 * f->picture,
        .ssrc = st->ssrc};
    p.rid = film.flavour.streams > 1 ? rids[f->stream] : NULL;
    if (film.flavour.dd)
        p.dd_len = film_descriptor(f, start, end, p.dd);
    memset(p.payload, film.flavour.sealed ? 0xa5 + (int)p.index * 37 : 0, p.len);
    (void)film_head(st, f, start, end, p.payload);
    struct writer w = writer_of(p.payload + p.len - FILM_TAG, FILM_TAG);
    writer_u32(&w, (uint32_t)frame);
    writer_u8(&w, (uint8_t)k);
    writer_u32(&w, film_check(p.payload + 5, p.len - FILM_TAG - 5)); /* behind what may be renumbered */
    if (film.lose == (int)k) {
        film.lost = p;
        film.lose = -1;
    } else {
        film_send(&p);
    }
}

static void film_depend(struct film_frame *f, int on)
{
    if (on >= 0)
        f->deps[f->dep_count++] = on;
}

static void film_picture(unsigned stream)
{
    struct film_stream *st = &film.streams[stream];
    bool key = st->key_wanted;
    st->key_wanted = false;
    st->picture_id = (st->picture_id + 1) & 0x7fff;
    st->tl0++;
    for (unsigned s = 0; s < film.flavour.spatials; s++) {
        int self = film.frame_count++;
        assert_true(self < FILM_FRAMES);
        struct film_frame *f = &film.frames[self];
        *f = (struct film_frame){.stream = (uint8_t)stream,
            .spatial = (uint8_t)s,
            .packets = (uint8_t)film.packets,
            .size = film.size,
            .key = key,
            .picture = film.picture,
            .number = st->number++,
            .at_us = virtual_now_us};
        if (!key)
            film_depend(f, st->last[s]);
        if (s > 0 && (key || !film.flavour.ksvc))
            film_depend(f, self - 1);
        st->last[s] = self;
        for (unsigned k = 0; k < f->packets; k++)
            film_packet(st, self, k, s + 1 == film.flavour.spatials);
    }
}

static void film_on_run(void *arg, int64_t now_us)
{
    (void)arg;
    film.next_us = now_us + FILM_FRAME_US;
    if (!film.on)
        return;
    film.picture++;
    for (unsigned i = 0; i < film.flavour.streams; i++)
        film_picture(i);
}

static int64_t film_on_next(const void *arg)
{
    (void)arg;
    return film.next_us;
}

static void film_keys(void)
{
    for (unsigned i = 0; i < FILM_STREAMS; i++)
        film.streams[i].key_wanted = true;
}

static void film_source(struct film_stream *st, uint32_t ssrc)
{
    *st = (struct film_stream){.ssrc = ssrc,
        .ts_base = ssrc * 7919,
        .seq = ssrc & 0x7fff,
        .picture_id = (uint16_t)(ssrc * 31 & 0x7fff),
        .number = (uint16_t)(ssrc * 17),
        .key_wanted = true,
        .last = {-1, -1, -1}};
}

static void film_on_rtcp(void *arg, const uint8_t *data, size_t len)
{
    struct cursor c = cursor_of(data, len);
    struct rtcp_block b;
    (void)arg;
    while (rtcp_next(&c, &b) > 0) {
        if (!rtcp_is_feedback(&b, RTCP_PSFB, RTCP_FMT_PLI))
            continue;
        struct cursor body = cursor_of(b.body, b.len);
        cursor_skip(&body, 4);
        uint32_t media = cursor_u32(&body);
        film.asked++;
        for (unsigned i = 0; i < FILM_STREAMS; i++) {
            if (film.streams[i].ssrc != media)
                continue;
            film.streams[i].plis++;
            film.streams[i].key_wanted |= film.answers;
        }
    }
}

/* ---- what a watcher takes ---- */

static void watch_timestamp(struct watcher *v, const struct film_frame *f, const struct rtp_packet *h)
{
    const struct film_frame *before = &film.frames[v->frame];
    int32_t shown = ts_diff(h->ts, v->h.ts);
    if (f->picture == before->picture && f->stream == before->stream) {
        assert_int_equal(shown, 0);
        return;
    }
    assert_true(shown > 0);
    if (f->stream != before->stream || (f->key && f->spatial == 0))
        return;
    int32_t captured = (int32_t)(3000 * (f->picture - before->picture));
    if (shown == captured) {
        v->drawing = false; /* it has caught up */
        return;
    }
    captured >>= REWRITE_DRAWN_SHIFT;
    assert_true(v->drawing && shown >= captured && shown <= captured + 1);
    v->drawn++;
}

static void watch_numbers(struct watcher *v, const struct film_frame *f, const struct payload_info *i)
{
    const struct film_frame *before = &film.frames[v->frame];
    bool same = f->picture == before->picture && f->stream == before->stream && !(f->key && f->spatial == 0);
    if (payload_is(i, PAYLOAD_PICTURE_ID) && payload_is(&v->payload, PAYLOAD_PICTURE_ID))
        assert_int_equal(i->picture_id, (v->payload.picture_id + !same) & 0x7fff);
    if (payload_is(i, PAYLOAD_TL0) && payload_is(&v->payload, PAYLOAD_TL0))
        assert_int_equal(i->tl0, (uint8_t)(v->payload.tl0 + !same));
    if (!same)
        assert_true(v->h.marker); /* of the picture before */
}

static void watch_descriptor(struct watcher *v, int frame, const uint8_t *data, const struct rtp_packet *h)
{
    const struct film_frame *f = &film.frames[frame];
    const uint8_t *value = rtp_ext_value(h, data, RTP_EXT_DEPENDENCY);
    struct dd dd;
    assert_non_null(value);
    assert_int_equal(dd_parse(value, h->ext_len[RTP_EXT_DEPENDENCY], &v->structure, &dd), 0);
    assert_int_equal(dd.deps.spatial, f->spatial);
    if (v->frame >= 0 && frame != v->frame)
        assert_true((int16_t)(dd.frame_number - v->numbers[v->frame]) > 0);
    v->numbers[frame] = dd.frame_number;
    assert_int_equal(dd.deps.fdiff_count, f->dep_count);
    for (unsigned i = 0; i < f->dep_count; i++)
        assert_int_equal((uint16_t)(dd.frame_number - v->numbers[f->deps[i]]), dd.deps.fdiff[i]);
}

static void watch_begin(struct watcher *v, const struct film_frame *f)
{
    if (v->frame >= 0)
        assert_int_equal(v->got, film.frames[v->frame].packets); /* the one before is whole */
    if (f->key && f->spatial == 0) {
        memset(v->decoded, 0, sizeof v->decoded);
        v->drawing = true;
        v->keys++;
    }
    assert_true(f->dep_count > 0 || f->key);
    for (unsigned i = 0; i < f->dep_count; i++)
        assert_true(v->decoded[f->deps[i]]);
    v->got = 0;
}

static void watch_end(struct watcher *v, int frame)
{
    const struct film_frame *f = &film.frames[frame];
    v->decoded[frame] = true;
    v->frames++;
    if (!v->first_us) {
        v->first_us = virtual_now_us;
        v->first = frame;
    }
    if (f->at_us >= v->joined_us && virtual_now_us - f->at_us > 100000)
        v->stale++;
}

static void film_on_rtp(void *arg, const uint8_t *data, size_t len, const struct rtp_packet *h)
{
    struct watcher *v = arg;
    struct payload_info info = {0};
    const uint8_t *payload = data + h->payload_off;
    (void)len;
    if (v->blind || !h->payload_len)
        return;
    assert_int_equal(h->ssrc, FILM_SUB_SSRC);
    assert_true(h->payload_len > FILM_TAG);
    struct cursor c = cursor_of(payload + h->payload_len - FILM_TAG, FILM_TAG);
    int frame = (int)cursor_u32(&c);
    unsigned k = cursor_u8(&c);
    assert_int_equal(cursor_u32(&c), film_check(payload + 5, (size_t)h->payload_len - FILM_TAG - 5));
    assert_in_range(frame, 0, film.frame_count - 1);
    const struct film_frame *f = &film.frames[frame];
    bool begins = k == 0;
    if (!film.flavour.dd || film.flavour.codec != PAYLOAD_AV1)
        (void)payload_parse(film.flavour.codec, payload, h->payload_len, &info);
    if (v->frame >= 0) {
        assert_int_equal(h->seq, (uint16_t)(v->h.seq + 1));
        if (begins) {
            watch_timestamp(v, f, h);
            watch_numbers(v, f, &info);
        } else {
            assert_int_equal(frame, v->frame);
            assert_int_equal(h->ts, v->h.ts);
        }
    }
    if (begins)
        watch_begin(v, f);
    assert_int_equal(v->got, k);
    v->got++;
    if (film.flavour.dd)
        watch_descriptor(v, frame, data, h);
    v->frame = frame;
    v->h = *h;
    v->payload = info;
    if (v->got == f->packets)
        watch_end(v, frame);
}

/* ---- the scene ---- */

static void film_section(struct sfu_section *s, bool viewer, bool dd)
{
    static const enum payload_codec codecs[] = {PAYLOAD_VP8, PAYLOAD_VP9, PAYLOAD_H264, PAYLOAD_AV1};
    net_section_video(s, viewer, viewer ? "7" : "5", viewer ? 1 : film.flavour.streams);
    s->codec_count = 0;
    for (unsigned i = 0; i < 4; i++)
        s->codecs[s->codec_count++] = (struct sfu_codec){
            .codec = codecs[i], .pt = FILM_PT(codecs[i]), .clock_hz = 90000, .nack = true, .pli = true};
    if (dd)
        assert_int_equal(rtp_extmap_set(&s->extmap, FILM_DD, RTP_EXT_DEPENDENCY), 0);
}

/* A publisher, and so many who may watch later. The first picture is a key frame, at time zero. */
static void film_open(const struct flavour *f, unsigned workers, unsigned watchers)
{
    static const struct net_peer_ops camera = {.rtcp = film_on_rtcp}, viewer = {.rtp = film_on_rtp};
    memset(&film, 0, sizeof film);
    film.flavour = *f;
    film.w = net_open(3, workers);
    film.lose = -1;
    film.packets = 2;
    film.bytes = FILM_SMALL;
    film.size = 64;
    film.on = true;
    film.peer = net_peer_add(film.w, 0, &camera, NULL);
    for (unsigned i = 0; i < watchers; i++) {
        struct watcher *v = &film.watchers[film.watcher_count++];
        *v = (struct watcher){.film = &film, .frame = -1, .first = -1};
        v->peer = net_peer_add(film.w, (i + 1) % workers, &viewer, v);
    }
    struct sfu_command c = {
        .type = SFU_TRACK_ADD, .peer = film.peer->id, .track = film.track = net_id(film.w)};
    film_section(&c.track_add.section, false, f->dd);
    c.track_add.kind = KIND_VIDEO;
    c.track_add.encrypted = f->sealed;
    net_extmap_add(film.peer, &c.track_add.section);
    net_post(film.w, &c);
    net_connect(film.w);
    net_begin(film.w);
    for (unsigned i = 0; i < FILM_STREAMS; i++)
        film_source(&film.streams[i], 5001 + i);
    film.next_us = film.w->zero_us;
    film.w->run = film_on_run;
    film.w->next_us = film_on_next;
}

static void film_close(void)
{
    net_close(film.w);
}

/* Goes on for so long. */
static void film_run(double s)
{
    net_run(film.w, net_now_s(film.w) + s);
}

/* Until so many more pictures were sent. */
static void film_pictures(unsigned n)
{
    for (unsigned until = film.picture + n; film.picture < until;)
        film_run(0.002);
}

/* The highest simulcast or spatial layer that is wanted; -1: no limit. */
static void watch_wants(struct watcher *v, int layer)
{
    struct sfu_command c = {
        .type = SFU_SUB_SET, .worker = v->peer->worker, .peer = v->peer->id, .sub = v->sub};
    c.sub_set.max_layer = (int8_t)layer;
    net_post(film.w, &c);
}

static struct watcher *watch_join(unsigned index, int layer)
{
    struct watcher *v = &film.watchers[index];
    struct sfu_command c = {.type = SFU_SUB_ADD,
        .worker = v->peer->worker,
        .peer = v->peer->id,
        .track = film.track,
        .sub = v->sub = net_id(film.w)};
    c.sub_add.kind = KIND_VIDEO;
    c.sub_add.ssrc = FILM_SUB_SSRC;
    c.sub_add.encrypted = film.flavour.sealed;
    film_section(&c.sub_add.section, true, film.flavour.dd);
    net_extmap_add(v->peer, &c.sub_add.section);
    v->joined_us = virtual_now_us;
    net_post(film.w, &c);
    watch_wants(v, layer);
    return v;
}

/* What is shown now. */
static int watch_layer(const struct watcher *v)
{
    if (v->frame < 0)
        return -1;
    return film.flavour.streams > 1 ? film.frames[v->frame].stream : film.frames[v->frame].spatial;
}

static unsigned film_served(void)
{
    return (unsigned)net_stats(film.w).key_cached;
}

#endif
