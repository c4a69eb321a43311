#include "support/net_sender.h"

#include <setjmp.h>
#include <stdarg.h>
#include <cmocka.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "base/rand.h"
#include "rtp/rtcp.h"
#include "rtp/rtx.h"
#include "support/sfu_section.h"

#define VOICE      NET_LAYERS
#define SPREAD_US  8000 /* the packets of a frame are sent within this time */
#define KEY_TIMES  6    /* the size of a key frame, in frames of the mean size */
#define NOISE      0.25 /* sizes of frames are so far off their mean at most */
#define DEBT_SHARE 0.2  /* of a frame is saved after a key frame, till its excess is paid */
#define OPUS_BYTES 80   /* 32 kbit/s */
#define REPORT_US  1000000
#define NTP_1970   UINT64_C(2208988800)

enum { KIND_AUDIO, KIND_VIDEO };

const struct net_sender_options net_sender_720p = {
    .rates_bps = {160000, 450000, 1700000}, .layers = 3, .voice = true, .red = true};

extern int64_t virtual_now_us;

/* ---- sections ---- */

void net_section_audio(struct sfu_section *s, bool viewer, const char *mid, bool red)
{
    section_make(s, viewer, mid);
    if (red)
        s->codecs[s->codec_count++] = (struct sfu_codec){.codec = PAYLOAD_RED,
            .pt = viewer ? NET_SUB_RED : NET_PUB_RED,
            .clock_hz = 48000,
            .nack = true,
            .transport_cc = true};
    s->codecs[s->codec_count++] = (struct sfu_codec){.codec = PAYLOAD_OPUS,
        .pt = viewer ? NET_SUB_OPUS : NET_PUB_OPUS,
        .clock_hz = 48000,
        .nack = true,
        .transport_cc = true};
}

void net_section_video(struct sfu_section *s, bool viewer, const char *mid, unsigned layers)
{
    static const char *const rids[NET_LAYERS] = {"q", "h", "f"};
    section_make(s, viewer, mid);
    s->codecs[s->codec_count++] = (struct sfu_codec){.codec = PAYLOAD_VP8,
        .pt = viewer ? NET_SUB_VP8 : NET_PUB_VP8,
        .rtx_pt = viewer ? NET_SUB_RTX : NET_PUB_RTX,
        .clock_hz = 90000,
        .nack = true,
        .pli = true,
        .fir = true,
        .transport_cc = true};
    for (unsigned i = 0; i < layers && layers > 1 && !viewer; i++)
        (void)snprintf(s->rids[s->rid_count++], sizeof s->rids[0], "%s", rids[i]);
}

void net_extmap_add(struct net_peer *p, const struct sfu_section *s)
{
    for (int e = 0; e < RTP_EXT_COUNT; e++)
        if (s->extmap.id_of[e])
            assert_int_equal(rtp_extmap_set(&p->client.extmap, s->extmap.id_of[e], (enum rtp_ext)e), 0);
}

/* ---- packets ---- */

bool net_tag_read(const uint8_t *payload, size_t len, size_t at, struct net_tag *ret)
{
    struct net_tag t;
    if (len < at + sizeof t)
        return false;
    memcpy(&t, payload + at, sizeof t);
    if (t.magic != NET_TAG_MAGIC)
        return false;
    *ret = t;
    return true;
}

static void abs_send_time(int64_t now_us, uint8_t out[3])
{
    uint32_t v = (uint32_t)(((uint64_t)now_us << 18) / 1000000) & 0xffffff;
    out[0] = (uint8_t)(v >> 16);
    out[1] = (uint8_t)(v >> 8);
    out[2] = (uint8_t)v;
}

/* Extensions are said on every packet: a server may not rely on more than the first ones, but may on these.
 */
static void packet_send(struct net_stream *st, const struct net_kept *k, uint64_t index, bool again)
{
    struct net_sender *s = st->sender;
    struct rtp_ext_out exts[4];
    size_t n = 0;
    uint8_t level = 30, sent[3];
    bool voice = st == &s->streams[VOICE];
    exts[n++] = (struct rtp_ext_out){
        .ext = RTP_EXT_MID, .len = (uint8_t)strlen(st->mid), .data = (const uint8_t *)st->mid};
    if (st->rid)
        exts[n++] = (struct rtp_ext_out){.ext = again ? RTP_EXT_REPAIRED_RID : RTP_EXT_RID,
            .len = (uint8_t)strlen(st->rid),
            .data = (const uint8_t *)st->rid};
    if (voice)
        exts[n++] = (struct rtp_ext_out){.ext = RTP_EXT_AUDIO_LEVEL, .len = 1, .data = &level};
    abs_send_time(virtual_now_us, sent);
    exts[n++] = (struct rtp_ext_out){.ext = RTP_EXT_ABS_SEND_TIME, .len = 3, .data = sent};
    uint8_t payload[RTX_OSN_LEN + NET_PAYLOAD_MAX];
    size_t head = again ? RTX_OSN_LEN : 0;
    rtx_write_osn(payload, k->seq);
    memcpy(payload + head, k->payload, k->len);
    struct rtp_fields f = {.pt = voice ? s->options.red ? NET_PUB_RED : NET_PUB_OPUS : NET_PUB_VP8,
        .marker = k->marker,
        .seq = (uint16_t)index,
        .ts = k->ts,
        .ssrc = st->ssrc};
    if (again) {
        f.pt = NET_PUB_RTX;
        f.ssrc = st->rtx_ssrc;
    }
    if (rtc_client_path(&s->peer->client))
        rtc_client_rtp(&s->peer->client, &f, index, exts, n, payload, head + k->len);
    if (!again) {
        st->packets++;
        st->octets += k->len;
    }
}

static struct net_kept *packet_keep(struct net_stream *st, uint32_t ts, size_t len, bool marker)
{
    struct net_kept *k = &st->kept[st->next % NET_KEPT];
    assert_true(len <= NET_PAYLOAD_MAX);
    *k = (struct net_kept){
        .used = true, .marker = marker, .seq = (uint16_t)st->next, .ts = ts, .len = (uint16_t)len};
    return k;
}

static void queue_put(struct net_stream *st, struct net_kept *k, int64_t at_us)
{
    struct net_sender *s = st->sender;
    assert_true(s->queue_tail - s->queue_head < NET_SEND_QUEUE);
    unsigned at = s->queue_tail++;
    /* sorted by time: frames of several layers begin together */
    while (at != s->queue_head && s->queue[(at - 1) % NET_SEND_QUEUE].at_us > at_us) {
        s->queue[at % NET_SEND_QUEUE] = s->queue[(at - 1) % NET_SEND_QUEUE];
        at--;
    }
    s->queue[at % NET_SEND_QUEUE].at_us = at_us;
    s->queue[at % NET_SEND_QUEUE].stream = (uint8_t)(st - s->streams);
    s->queue[at % NET_SEND_QUEUE].kept = k;
    s->queue[at % NET_SEND_QUEUE].index = st->next++;
}

/* ---- the camera ---- */

static size_t frame_size(struct net_stream *st, bool key, unsigned temporal)
{
    static const double shares[] = {1.6, 0.8, 0.8}; /* 40 % of the bits in every fourth frame, 20 %, 40 % */
    double mean = (double)st->rate_bps / 8 / (1e6 / NET_FRAME_US);
    double size = mean * (key ? KEY_TIMES : shares[temporal]);
    size *= 1 + NOISE * ((double)seeded_below(&st->sender->random, 2001) / 1000 - 1);
    if (key) {
        st->debt += size - mean;
    } else {
        double saved = size * DEBT_SHARE < st->debt ? size * DEBT_SHARE : st->debt;
        st->debt -= saved;
        size -= saved;
    }
    return size < 60 ? 60 : (size_t)size;
}

/* The pattern 0 2 1 2: a frame of layer 1 needs the one of layer 0 before it, the first of layer 2 likewise,
 * the second the one of layer 1. */
static void frame_make(struct net_stream *st, bool key, int64_t now_us)
{
    static const uint8_t temporals[] = {0, 2, 1, 2};
    struct net_sender *s = st->sender;
    unsigned temporal = key ? 0 : temporals[s->phase];
    bool sync = temporal && s->phase < 3;
    size_t left = frame_size(st, key, temporal);
    size_t room = NET_PAYLOAD_MAX - 10;
    size_t packets = (left + room - 1) / room, each = (left + packets - 1) / packets;
    size_t least = NET_VIDEO_TAG + sizeof(struct net_tag);
    uint32_t ts = st->ts_base + (uint32_t)(now_us * 9 / 100);
    struct net_tag tag = {.magic = NET_TAG_MAGIC,
        .frame = ++st->frame,
        .at_us = now_us,
        .layer = (uint8_t)(st - s->streams),
        .temporal = (uint8_t)temporal};
    tag.needs = key ? tag.frame : st->last_frame[sync || !temporal ? 0 : 1];
    tag.needs2 = key ? tag.frame : st->last_frame[0];
    st->picture = (st->picture + 1) & 0x7fff;
    st->tl0 = (uint8_t)(st->tl0 + (temporal == 0));
    st->key_index = (uint8_t)(st->key_index + key);
    st->last_frame[temporal] = tag.frame;
    for (size_t i = 0; i < packets; i++) {
        struct net_kept *k = packet_keep(st, ts, each > least ? each : least, i + 1 == packets);
        uint8_t *p = k->payload;
        tag.packet = (uint16_t)i;
        p[0] = i ? 0x80 : 0x90;
        p[1] = 0xf0;
        p[2] = (uint8_t)(0x80 | st->picture >> 8);
        p[3] = (uint8_t)st->picture;
        p[4] = st->tl0;
        p[5] = (uint8_t)(temporal << 6 | sync << 5 | (st->key_index & 31));
        if (!i) {
            p[6] = key ? 0x10 : 0x11;
            if (key) {
                unsigned width = 320u << tag.layer, height = 180u << tag.layer;
                uint8_t start[] = {0x9d, 0x01, 0x2a, (uint8_t)width, (uint8_t)(width >> 8), (uint8_t)height,
                    (uint8_t)(height >> 8)};
                memcpy(p + 9, start, sizeof start);
            }
        }
        memcpy(p + NET_VIDEO_TAG, &tag, sizeof tag);
        queue_put(st, k, now_us + (int64_t)(i * SPREAD_US / packets));
    }
}

static void camera_run(struct net_sender *s, int64_t now_us)
{
    bool key = s->key_wanted && now_us - s->key_us >= NET_KEY_EVERY_US;
    if (key) {
        s->key_wanted = false;
        s->key_us = now_us;
        s->keys++;
        s->phase = 0;
    }
    for (unsigned i = 0; i < s->options.layers; i++)
        frame_make(&s->streams[i], key, now_us);
    s->phase = (s->phase + 1) % 4;
    s->frame_us += NET_FRAME_US;
}

/* ---- the voice ---- */

static void voice_run(struct net_sender *s, int64_t now_us)
{
    struct net_stream *st = &s->streams[VOICE];
    uint8_t opus[OPUS_BYTES] = {0x78};
    struct net_tag tag = {.magic = NET_TAG_MAGIC, .frame = ++st->frame, .at_us = now_us};
    size_t len = OPUS_BYTES - 10 + seeded_below(&s->random, 10);
    memcpy(opus + NET_AUDIO_TAG, &tag, sizeof tag);
    uint32_t ts = st->ts_base + (st->frame) * 960;
    size_t head = s->options.red ? s->voice_before_len ? 5 : 1 : 0;
    size_t before = s->options.red ? s->voice_before_len : 0;
    struct net_kept *k = packet_keep(st, ts, head + before + len, false);
    if (s->options.red) {
        if (before) {
            uint32_t block = 1u << 31 | (uint32_t)NET_PUB_OPUS << 24 | 960u << 10 | (uint32_t)before;
            for (int i = 0; i < 4; i++)
                k->payload[i] = (uint8_t)(block >> (24 - 8 * i));
            memcpy(k->payload + head, s->voice_before, before);
        }
        k->payload[head - 1] = NET_PUB_OPUS;
    }
    memcpy(k->payload + head + before, opus, len);
    memcpy(s->voice_before, opus, len);
    s->voice_before_len = (uint16_t)len;
    queue_put(st, k, now_us);
    s->audio_us += NET_AUDIO_US;
}

/* ---- RTCP ---- */

static void report(struct net_sender *s, struct net_stream *st, uint32_t clock_hz, int64_t now_us)
{
    uint8_t buf[128];
    struct writer w = writer_of(buf, sizeof buf);
    struct rtcp_sr sr = {.ssrc = st->ssrc, .packets = st->packets, .octets = st->octets};
    sr.ntp =
        (NTP_1970 + (uint64_t)now_us / 1000000) << 32 | (uint64_t)((double)(now_us % 1000000) * 4294.967296);
    sr.ts = clock_hz == 48000 ? st->ts_base + st->frame * 960 : st->ts_base + (uint32_t)(now_us * 9 / 100);
    rtcp_sr_write(&w, &sr, NULL, 0);
    rtcp_sdes_write(&w, st->ssrc, "camera");
    if (s->reference_us) { /* Chromium answers reference times with each of its reports */
        size_t at = rtcp_begin(&w, RTCP_XR, 0);
        writer_u32(&w, st->ssrc);
        writer_u32(&w, 5u << 24 | 3); /* DLRR, one sub-block */
        writer_u32(&w, s->reference_ssrc);
        writer_u32(&w, s->reference);
        writer_u32(&w, (uint32_t)((now_us - s->reference_us) * 65536 / 1000000));
        rtcp_end(&w, at);
    }
    assert_false(w.bad);
    rtc_client_rtcp(&s->peer->client, buf, w.len);
}

static struct net_stream *stream_of(struct net_sender *s, uint32_t ssrc)
{
    for (int i = 0; i <= NET_LAYERS; i++)
        if (s->streams[i].ssrc == ssrc)
            return &s->streams[i];
    return NULL;
}

static void on_nack(void *arg, uint32_t media, uint16_t seq)
{
    struct net_sender *s = arg;
    struct net_stream *st = stream_of(s, media);
    if (!st || st == &s->streams[VOICE])
        return;
    s->nacked++;
    for (uint64_t back = 1; back < NET_KEPT && back <= st->next; back++) {
        const struct net_kept *k = &st->kept[(st->next - back) % NET_KEPT];
        if (k->used && k->seq == seq) {
            packet_send(st, k, st->rtx_next++, true);
            return;
        }
    }
}

static void key_asked(struct net_sender *s)
{
    s->pli_us[s->plis++ % 256] = net_now_us(s->peer->world);
    s->key_wanted = true;
}

static void on_fir(void *arg, uint32_t media, uint8_t command)
{
    (void)media;
    (void)command;
    key_asked(arg);
}

static void on_reference(struct net_sender *s, const struct rtcp_block *b)
{
    struct cursor c = cursor_of(b->body, b->len);
    uint32_t ssrc = cursor_u32(&c);
    if (cursor_u8(&c) != 4) /* RRTR */
        return;
    cursor_skip(&c, 3 + 2);
    s->reference = cursor_u32(&c);
    s->reference_ssrc = ssrc;
    s->reference_us = virtual_now_us;
}

static void on_rtcp(void *arg, const uint8_t *data, size_t len)
{
    struct cursor c = cursor_of(data, len);
    struct rtcp_block b;
    while (rtcp_next(&c, &b) > 0) {
        if (rtcp_is_feedback(&b, RTCP_RTPFB, RTCP_FMT_NACK))
            (void)rtcp_nack_parse(&b, on_nack, arg);
        else if (rtcp_is_feedback(&b, RTCP_PSFB, RTCP_FMT_PLI))
            key_asked(arg);
        else if (rtcp_is_feedback(&b, RTCP_PSFB, RTCP_FMT_FIR))
            (void)rtcp_fir_parse(&b, on_fir, arg);
        else if (b.type == RTCP_XR)
            on_reference(arg, &b);
    }
}

/* ---- time ---- */

static void on_run(void *arg, int64_t now_us)
{
    struct net_sender *s = arg;
    while (s->frame_us <= now_us)
        camera_run(s, s->frame_us);
    while (s->audio_us <= now_us)
        voice_run(s, s->audio_us);
    while (s->queue_head != s->queue_tail && s->queue[s->queue_head % NET_SEND_QUEUE].at_us <= now_us) {
        unsigned at = s->queue_head++ % NET_SEND_QUEUE;
        packet_send(&s->streams[s->queue[at].stream], s->queue[at].kept, s->queue[at].index, false);
    }
    if (s->report_us > now_us)
        return;
    s->report_us = now_us + REPORT_US;
    for (unsigned i = 0; i < s->options.layers; i++)
        report(s, &s->streams[i], 90000, now_us);
    if (s->options.voice)
        report(s, &s->streams[VOICE], 48000, now_us);
}

static int64_t on_next(const void *arg)
{
    const struct net_sender *s = arg;
    int64_t next = s->frame_us < s->audio_us ? s->frame_us : s->audio_us;
    if (s->queue_head != s->queue_tail && s->queue[s->queue_head % NET_SEND_QUEUE].at_us < next)
        next = s->queue[s->queue_head % NET_SEND_QUEUE].at_us;
    return s->report_us < next ? s->report_us : next;
}

static const struct net_peer_ops ops = {.rtcp = on_rtcp, .run = on_run, .next_us = on_next};

/* ---- life ---- */

static struct sfu_announced announced_of(const struct net_sender *s, uint8_t kind)
{
    struct sfu_announced a = {.screen = s->options.screen};
    for (unsigned i = 0; kind == KIND_VIDEO && i < s->options.layers; i++) {
        a.layers[i].width = (uint16_t)(1280u >> (s->options.layers - 1 - i));
        a.layers[i].height = (uint16_t)(720u >> (s->options.layers - 1 - i));
        a.layers[i].bitrate_bps = (uint32_t)s->options.rates_bps[i];
        a.layer_count++;
    }
    return a;
}

static uint32_t announce(struct net_sender *s, uint8_t kind, const struct sfu_section *section)
{
    struct sfu_command c = {.type = SFU_TRACK_ADD,
        .worker = s->peer->worker,
        .peer = s->peer->id,
        .track = net_id(s->peer->world)};
    c.track_add.section = *section;
    c.track_add.kind = kind;
    c.track_add.announced = announced_of(s, kind);
    net_extmap_add(s->peer, section);
    net_post(s->peer->world, &c);
    return c.track;
}

static void stream_init(struct net_sender *s, unsigned index, const char *mid, const char *rid)
{
    struct net_stream *st = &s->streams[index];
    st->sender = s;
    st->ssrc = (uint32_t)seeded_u64(&s->random) | 1;
    st->rtx_ssrc = st->ssrc ^ 0x55555554;
    st->mid = mid;
    st->rid = rid;
    st->next = seeded_below(&s->random, 0x7fff);
    st->rtx_next = seeded_below(&s->random, 0x7fff);
    st->ts_base = (uint32_t)seeded_u64(&s->random);
    st->picture = (uint16_t)seeded_below(&s->random, 0x7fff);
    st->tl0 = (uint8_t)seeded_u64(&s->random);
    st->rate_bps = index < NET_LAYERS ? s->options.rates_bps[index] : 0;
}

struct net_sender *net_sender_add(struct net_world *w, unsigned worker, const struct net_sender_options *o)
{
    static const char *const rids[NET_LAYERS] = {"q", "h", "f"};
    struct net_sender *s = calloc(1, sizeof *s);
    struct sfu_section section;
    assert_non_null(s);
    s->options = *o;
    s->peer = net_peer_add(w, worker, &ops, s);
    s->random = seeded_of(w->seed ^ (uint64_t)(s->peer->index + 1) << 32);
    s->frame_us = s->audio_us = s->report_us = INT64_MAX;
    s->key_wanted = true;
    if (o->voice) {
        net_section_audio(&section, false, "0", o->red);
        s->voice = announce(s, KIND_AUDIO, &section);
        stream_init(s, VOICE, "0", NULL);
    }
    if (o->layers) {
        net_section_video(&section, false, "1", o->layers);
        s->camera = announce(s, KIND_VIDEO, &section);
        for (unsigned i = 0; i < o->layers; i++)
            stream_init(s, i, "1", o->layers > 1 ? rids[i] : NULL);
    }
    return s;
}

void net_sender_start(struct net_sender *s, double at_s)
{
    /* cameras do not tick together */
    int64_t at_us = s->peer->world->zero_us + (int64_t)(at_s * 1e6);
    int64_t frame_us = at_us + seeded_below(&s->random, NET_FRAME_US);
    s->frame_us = s->options.layers ? frame_us : INT64_MAX;
    s->audio_us = s->options.voice ? at_us + seeded_below(&s->random, NET_AUDIO_US) : INT64_MAX;
    s->report_us = at_us + 100000;
}

void net_sender_stop(struct net_sender *s)
{
    s->frame_us = s->audio_us = s->report_us = INT64_MAX;
}

void net_sender_free(struct net_sender *s)
{
    free(s);
}
