#include "support/sfu_source.h"

#include <setjmp.h>
#include <stdarg.h>
#include <cmocka.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "base/rand.h"
#include "rtp/rtx.h"
#include "rtp/seq.h"
#include "support/sfu_section.h"

#define VP8_DESCRIPTOR 6 /* bytes: X, I and L, a long picture id, TL0PICIDX, and the frame's first byte */
#define VIDEO_BYTES    400
#define AUDIO_BYTES    60
#define SYNC_PACKETS   256 /* sent without waiting for the server: fewer than its socket holds */

enum { KIND_AUDIO, KIND_VIDEO };

/* ---- sections ---- */

void source_section_audio(struct sfu_section *s, bool subscriber, const char *mid, bool red)
{
    section_make(s, subscriber, mid);
    if (red)
        s->codecs[s->codec_count++] = (struct sfu_codec){
            .codec = PAYLOAD_RED, .pt = subscriber ? SUB_RED : PUB_RED, .clock_hz = 48000, .nack = true};
    s->codecs[s->codec_count++] = (struct sfu_codec){.codec = PAYLOAD_OPUS,
        .pt = subscriber ? SUB_OPUS : PUB_OPUS,
        .clock_hz = 48000,
        .nack = true,
        .transport_cc = true};
}

void source_section_video(
    struct sfu_section *s, bool subscriber, const char *mid, const char *const *rids, unsigned n)
{
    section_make(s, subscriber, mid);
    struct sfu_codec vp8 = {.codec = PAYLOAD_VP8,
        .pt = subscriber ? SUB_VP8 : PUB_VP8,
        .rtx_pt = subscriber ? SUB_VP8_RTX : PUB_VP8_RTX,
        .clock_hz = 90000,
        .nack = true,
        .pli = true,
        .fir = true,
        .transport_cc = true};
    struct sfu_codec h264 = vp8;
    h264.codec = PAYLOAD_H264;
    h264.pt = subscriber ? SUB_H264 : PUB_H264;
    h264.rtx_pt = subscriber ? SUB_H264_RTX : PUB_H264_RTX;
    s->codecs[s->codec_count++] = vp8;
    s->codecs[s->codec_count++] = h264;
    for (unsigned i = 0; i < n; i++)
        (void)snprintf(s->rids[s->rid_count++], sizeof s->rids[0], "%s", rids[i]);
}

/* The client writes and reads with the ids of its sections. */
static void extmap_add(struct sfu_rig_peer *p, const struct sfu_section *s)
{
    for (int e = 0; e < RTP_EXT_COUNT; e++)
        if (s->extmap.id_of[e])
            assert_int_equal(rtp_extmap_set(&p->client.extmap, s->extmap.id_of[e], (enum rtp_ext)e), 0);
}

uint32_t source_publish(struct sfu_rig_peer *p, uint8_t kind, const struct sfu_section *s)
{
    struct sfu_command c = {
        .type = SFU_TRACK_ADD, .worker = p->worker, .peer = p->id, .track = sfu_rig_id(p->rig)};
    c.track_add.section = *s;
    c.track_add.kind = kind;
    extmap_add(p, s);
    sfu_rig_post(p->rig, &c);
    return c.track;
}

uint32_t source_subscribe(struct sfu_rig_peer *p, const struct sfu_rig_peer *publisher, uint32_t track,
    uint8_t kind, const struct sfu_section *s, uint32_t ssrc, uint32_t rtx_ssrc)
{
    struct sfu_command c = {
        .type = SFU_SUB_ADD, .worker = p->worker, .peer = p->id, .track = track, .sub = sfu_rig_id(p->rig)};
    c.sub_add.track_worker = publisher->worker;
    c.sub_add.kind = kind;
    c.sub_add.ssrc = ssrc;
    c.sub_add.rtx_ssrc = rtx_ssrc;
    c.sub_add.section = *s;
    (void)snprintf(c.sub_add.cname, sizeof c.sub_add.cname, "publisher-%u", publisher->id);
    extmap_add(p, s);
    sfu_rig_post(p->rig, &c);
    return c.sub;
}

void source_unsubscribe(struct sfu_rig_peer *p, uint32_t sub)
{
    sfu_rig_post(p->rig,
        &(struct sfu_command){.type = SFU_SUB_REMOVE, .worker = p->worker, .peer = p->id, .sub = sub});
}

void source_wants(struct sfu_rig_peer *p, uint32_t sub, bool paused, int max_layer)
{
    struct sfu_command c = {.type = SFU_SUB_SET, .worker = p->worker, .peer = p->id, .sub = sub};
    c.sub_set.disabled = paused;
    c.sub_set.max_layer = (int8_t)max_layer;
    sfu_rig_post(p->rig, &c);
}

/* ---- sources ---- */

struct source *source_new(
    struct sfu_rig_peer *p, uint32_t track, uint8_t kind, const char *mid, const char *rid)
{
    struct source *s = calloc(1, sizeof *s);
    assert_non_null(s);
    s->peer = p;
    s->track = track;
    s->kind = kind;
    s->mid = mid;
    s->rid = rid;
    s->ssrc = rand_u32() | 1;
    s->rtx_ssrc = s->ssrc ^ 0x55555554;
    s->pt = kind == KIND_AUDIO ? PUB_OPUS : PUB_VP8;
    s->rtx_pt = PUB_VP8_RTX;
    s->clock_hz = kind == KIND_AUDIO ? 48000 : 90000;
    s->next = rand_u32() & 0x7fff;
    s->rtx_next = rand_u32() & 0x7fff;
    s->ts = rand_u32();
    s->picture = rand_u32() & 0x7fff;
    s->tl0 = (uint8_t)rand_u32();
    s->level = 127;
    s->ptime_ms = 20;
    return s;
}

void source_free(struct source *s)
{
    free(s);
}

static void tag_write(const struct source *s, uint8_t *at)
{
    struct writer w = writer_of(at, 12);
    writer_u32(&w, s->ssrc);
    writer_u64(&w, s->next);
}

static size_t exts_make(const struct source *s, bool repaired, struct rtp_ext_out exts[4])
{
    size_t n = 0;
    if (s->mid)
        exts[n++] = (struct rtp_ext_out){
            .ext = RTP_EXT_MID, .len = (uint8_t)strlen(s->mid), .data = (const uint8_t *)s->mid};
    if (s->rid)
        exts[n++] = (struct rtp_ext_out){.ext = repaired ? RTP_EXT_REPAIRED_RID : RTP_EXT_RID,
            .len = (uint8_t)strlen(s->rid),
            .data = (const uint8_t *)s->rid};
    if (s->kind == KIND_AUDIO)
        exts[n++] = (struct rtp_ext_out){.ext = RTP_EXT_AUDIO_LEVEL, .len = 1, .data = &s->level};
    else
        exts[n++] =
            (struct rtp_ext_out){.ext = RTP_EXT_VIDEO_ORIENTATION, .len = 1, .data = (const uint8_t *)"\x02"};
    return n;
}

/* A packet without payload is sent as padding. */
static void packet_send(struct source *s, const struct source_packet *k, uint8_t pt)
{
    static const uint8_t padding[200] = {[199] = 200};
    struct rtp_ext_out exts[4];
    size_t n = exts_make(s, false, exts);
    struct rtp_fields f = {.pt = pt,
        .marker = k->marker,
        .padding = k->len == 0,
        .seq = (uint16_t)k->index,
        .ts = k->ts,
        .ssrc = s->ssrc};
    rtc_client_rtp(&s->peer->client, &f, k->index, exts, n, k->len ? k->payload : padding,
        k->len ? k->len : sizeof padding);
    if (++s->peer->rig->sent % SYNC_PACKETS == 0)
        sfu_rig_sync(s->peer->rig);
}

static struct source_packet *packet_keep(struct source *s, const uint8_t *payload, size_t len, bool marker)
{
    struct source_packet *k = &s->kept[s->next % SOURCE_KEPT];
    assert_true(len <= sizeof k->payload);
    *k = (struct source_packet){.index = s->next++, .ts = s->ts, .marker = marker, .len = len};
    if (len)
        memcpy(k->payload, payload, len);
    s->packets++;
    s->octets += (uint32_t)len;
    return k;
}

uint64_t source_frame(struct source *s, bool key, unsigned count, uint32_t lose)
{
    uint64_t first = s->next;
    s->ts += s->clock_hz / 30;
    s->picture = (s->picture + 1) & 0x7fff;
    s->tl0++;
    for (unsigned i = 0; i < count; i++) {
        uint8_t payload[VIDEO_BYTES] = {i == 0 ? 0x90 : 0x80, 0xc0, (uint8_t)(0x80 | s->picture >> 8),
            (uint8_t)s->picture, s->tl0, key ? 0x00 : 0x01};
        tag_write(s, payload + VP8_DESCRIPTOR);
        struct source_packet *k = packet_keep(s, payload, sizeof payload - i, i + 1 == count);
        if (!(lose >> i & 1))
            packet_send(s, k, s->pt);
    }
    return first;
}

uint64_t source_audio(struct source *s, bool lose)
{
    uint8_t payload[AUDIO_BYTES] = {0};
    s->ts += s->clock_hz * s->ptime_ms / 1000;
    tag_write(s, payload);
    struct source_packet *k = packet_keep(s, payload, sizeof payload, false);
    if (!lose)
        packet_send(s, k, s->pt);
    return k->index;
}

uint64_t source_payload(struct source *s, uint8_t pt, const uint8_t *payload, size_t len, bool marker)
{
    struct source_packet *k = packet_keep(s, payload, len, marker);
    packet_send(s, k, pt);
    return k->index;
}

static const struct source_packet *packet_kept(const struct source *s, uint64_t index)
{
    const struct source_packet *k = &s->kept[index % SOURCE_KEPT];
    assert_int_equal(k->index, index);
    return k;
}

void source_again(struct source *s, uint64_t index)
{
    packet_send(s, packet_kept(s, index), s->pt);
}

void source_rtx(struct source *s, uint64_t index)
{
    const struct source_packet *k = packet_kept(s, index);
    uint8_t payload[RTX_OSN_LEN + sizeof k->payload];
    struct rtp_ext_out exts[4];
    size_t n = exts_make(s, true, exts);
    rtx_write_osn(payload, (uint16_t)index);
    memcpy(payload + RTX_OSN_LEN, k->payload, k->len);
    struct rtp_fields f = {
        .pt = s->rtx_pt, .marker = k->marker, .seq = (uint16_t)s->rtx_next, .ts = k->ts, .ssrc = s->rtx_ssrc};
    rtc_client_rtp(&s->peer->client, &f, s->rtx_next++, exts, n, payload, RTX_OSN_LEN + k->len);
}

uint64_t source_probe(struct source *s, bool lose)
{
    struct source_packet *k = packet_keep(s, NULL, 0, false);
    if (!lose)
        source_again(s, k->index);
    return k->index;
}

void source_report(struct source *s, uint64_t ntp, uint32_t ts)
{
    uint8_t buf[128];
    struct writer w = writer_of(buf, sizeof buf);
    struct rtcp_sr sr = {.ssrc = s->ssrc, .ntp = ntp, .ts = ts, .packets = s->packets, .octets = s->octets};
    rtcp_sr_write(&w, &sr, NULL, 0);
    rtcp_sdes_write(&w, s->ssrc, "source");
    assert_false(w.bad);
    rtc_client_rtcp(&s->peer->client, buf, w.len);
}

/* ---- reading ---- */

static struct tag tag_read(const struct heard *h, size_t at)
{
    struct cursor c = cursor_of(h->head, h->h.payload_len < SFU_RIG_HEAD ? h->h.payload_len : SFU_RIG_HEAD);
    struct tag t;
    cursor_skip(&c, at);
    t.ssrc = cursor_u32(&c);
    t.index = cursor_u64(&c);
    assert_false(c.bad);
    return t;
}

struct tag source_tag(const struct heard *h, uint8_t kind)
{
    return tag_read(h, kind == KIND_AUDIO ? 0 : VP8_DESCRIPTOR);
}

struct tag source_tag_rtx(const struct heard *h)
{
    return tag_read(h, RTX_OSN_LEN + VP8_DESCRIPTOR);
}

void source_assert_continuous(const struct heard_stream *s, uint8_t kind)
{
    for (size_t i = 1; i < s->count; i++) {
        const struct heard *a = &s->packets[i - 1], *b = &s->packets[i];
        assert_int_equal(b->h.seq, (uint16_t)(a->h.seq + 1));
        assert_true(ts_diff(b->h.ts, a->h.ts) >= 0);
        assert_true(ts_diff(b->h.ts, a->h.ts) < 90000 * 60);
        if (kind == KIND_AUDIO)
            continue;
        assert_true(payload_is(&a->payload, PAYLOAD_PICTURE_ID | PAYLOAD_PICTURE_ID_LONG | PAYLOAD_TL0));
        bool next = payload_is(&b->payload, PAYLOAD_START);
        assert_int_equal(b->payload.picture_id, (a->payload.picture_id + next) & 0x7fff);
        assert_int_equal(b->payload.tl0, (uint8_t)(a->payload.tl0 + next));
        assert_int_equal(b->h.ts != a->h.ts, next);
    }
}
