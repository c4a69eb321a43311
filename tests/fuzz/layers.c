// link: rtp base
/* The layer choice, from the bytes of a publisher's packets to outgoing numbers. First byte: the codec, and
 * whether descriptors are negotiated. Then either packets (stream, step of the sequence number, of the
 * timestamp, marker; a descriptor and a payload, each behind a length byte) or changes of the receiver's
 * wish. A frame that has begun to pass goes on, one that was dropped stays dropped, and no outgoing number is
 * given twice. */
#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include "base/cursor.h"
#include "rtp/frame.h"
#include "rtp/layers.h"
#include "rtp/rewrite.h"
#include "support/fuzz.h"

enum { STREAMS = 3, SLOTS = 64, SEEN = 4096, VERDICTS = 64 };

struct stream {
    uint32_t ssrc, ts;
    int64_t seq;
    bool seen[SEEN];
    struct frame_tracker tracker;
    struct dd_structure dd_ingest, dd;
    struct layer_source source;
};

static struct stream streams[STREAMS];
static struct layers layers;
static struct rewrite rewrite;
static struct rewrite_slot slots[SLOTS];
static uint8_t given[1 << 15];
static struct verdict {
    int64_t number;
    uint8_t spatial;
    bool passes;
} verdicts[VERDICTS];
static unsigned verdict_count;

/* What the other packets of the frame became. */
static void verdict_check(const struct layer_facts *f, bool passes)
{
    if (f->kind == LAYER_PLAIN || f->number < 0)
        return;
    for (unsigned i = 0; i < verdict_count && i < VERDICTS; i++) {
        struct verdict *v = &verdicts[i];
        if (v->number == f->number && (v->spatial == f->spatial || f->kind == LAYER_FRAMES)) {
            /* beyond the memory of the choice everything is dropped */
            CHECK(v->passes == passes || (!passes && layers.highest - f->number >= LAYERS_RECORDS) ||
                  (!passes && f->number < layers.floor));
            return;
        }
    }
    verdicts[verdict_count++ % VERDICTS] = (struct verdict){f->number, f->spatial, passes};
}

static void packet_input(struct stream *s, const struct rtp_packet *in, const uint8_t *data, int64_t now_us)
{
    struct rtp_packet p = *in;
    struct layer_facts f;
    struct layers_out out;
    struct rewrite_out ro;
    unsigned stream = (unsigned)(s - streams);
    int before = layers_current(&layers).stream;
    uint32_t generation = layers.generation;
    (void)frame_track(&s->tracker, data, &p, NULL);
    layer_source_read(&s->source, data, &p, now_us, &f);
    CHECK(f.number >= -1 && f.spatial_sent < LAYERS_SPATIAL_MAX && f.generation != 0);
    bool passes = layers_input(&layers, stream, &f, now_us, &out);
    struct layers_state is = layers_current(&layers);
    CHECK(passes || (!out.begins && !out.marker));
    CHECK(!passes || is.stream == (int)stream);
    CHECK(is.stream <= layers.want.stream || is.stream == before);
    CHECK(!out.begins || (f.key && f.start));
    CHECK(layers_key_stream(&layers, now_us) <= layers.want.stream || is.stream >= 0);
    if (out.begins || is.stream != before || layers.generation != generation)
        verdict_count = 0;
    if (is.stream == (int)stream)
        verdict_check(&f, passes);
    if (out.begins)
        rewrite_switch(&rewrite, stream, &p, now_us, NULL, NULL);
    if (is.stream == (int)stream && !passes)
        rewrite_drop(&rewrite, &p);
    if (!passes || rewrite_packet(&rewrite, &p, now_us, &ro))
        return;
    if (out.marker && !p.marker)
        rewrite_mark(&rewrite, &ro);
    CHECK(ro.marker == out.marker);
    if (ro.seq / 8 < sizeof given) {
        CHECK(!(given[ro.seq / 8] >> ro.seq % 8 & 1));
        given[ro.seq / 8] |= (uint8_t)(1u << ro.seq % 8);
    }
    struct rewrite_origin o;
    CHECK(rewrite_find(&rewrite, (uint16_t)ro.seq, &o) == 0 && o.src_seq == p.ext_seq && o.source == stream);
    CHECK(rewrite_again(&rewrite, &o, &p, &ro) == 0 && ro.marker == out.marker);
}

static bool seq_step(struct stream *s, unsigned step, int64_t *ret)
{
    static const int8_t steps[] = {1, 2, 0, 17};
    int64_t seq = s->seq;
    if (step == 2) { /* one that was left out */
        do
            seq--;
        while (seq > 0 && seq > s->seq - 32 && s->seen[seq % SEEN]);
    } else {
        for (int i = 0; i < steps[step]; i++)
            s->seen[++seq % SEEN] = false;
        s->seq = seq;
    }
    if (seq <= 0 || s->seen[seq % SEEN])
        return false;
    s->seen[seq % SEEN] = true;
    *ret = seq;
    return true;
}

static void stream_restart(struct stream *s, enum payload_codec codec, bool dd)
{
    s->ssrc++;
    s->seq = 100;
    memset(s->seen, 0, sizeof s->seen);
    frame_tracker_init(&s->tracker, codec, dd ? &s->dd_ingest : NULL);
}

static void wish(struct cursor *c, unsigned op, enum payload_codec codec, bool dd)
{
    uint8_t v = cursor_u8(c);
    if (op & 0x40) {
        stream_restart(&streams[v % STREAMS], codec, dd);
        return;
    }
    struct layers_want w = {
        .stream = (int8_t)((v & 3) - 1),
        .spatial = v >> 2 & 3,
        .temporal = v >> 4 & 3,
        .fps = (uint16_t)(v >> 6) * 12,
    };
    if (w.stream < 0)
        rewrite_pause(&rewrite);
    layers_want(&layers, w);
    if (op & 0x20)
        layers_reset(&layers);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
    static const enum payload_codec codecs[] = {PAYLOAD_VP8, PAYLOAD_VP9, PAYLOAD_H264, PAYLOAD_AV1};
    struct cursor c = cursor_of(data, len);
    uint8_t first = cursor_u8(&c);
    enum payload_codec codec = codecs[first & 3];
    bool dd = first & 4;
    int64_t now_us = 1000000;
    memset(given, 0, sizeof given);
    memset(streams, 0, sizeof streams);
    verdict_count = 0;
    CHECK(rewrite_init(&rewrite, slots, SLOTS, 5, 77, 90000) == 0);
    layers_init(&layers);
    layers_want(&layers, (struct layers_want){.stream = 2, .spatial = 3, .temporal = 3});
    for (unsigned i = 0; i < STREAMS; i++) {
        stream_restart(&streams[i], codec, dd);
        layer_source_init(&streams[i].source, dd ? &streams[i].dd : NULL);
    }
    while (cursor_left(&c) > 0) {
        uint8_t op = cursor_u8(&c);
        if (op & 0x80) {
            wish(&c, op, codec, dd);
            continue;
        }
        struct stream *s = &streams[(op & 3) % STREAMS];
        struct rtp_packet p = {.ssrc = s->ssrc, .marker = op >> 5 & 1};
        uint8_t buffer[512];
        size_t at = 0;
        if (op & 0x40) {
            struct cursor d = cursor_sub(&c, cursor_u8(&c));
            at = cursor_left(&d);
            p.ext_has = 1u << RTP_EXT_DEPENDENCY;
            p.ext_len[RTP_EXT_DEPENDENCY] = (uint8_t)at;
            if (at)
                memcpy(buffer, cursor_bytes(&d, at), at);
        }
        struct cursor d = cursor_sub(&c, cursor_u8(&c));
        p.payload_off = (uint16_t)at;
        p.payload_len = (uint16_t)cursor_left(&d);
        if (p.payload_len)
            memcpy(buffer + at, cursor_bytes(&d, p.payload_len), p.payload_len);
        s->ts += op >> 4 & 1 ? 3000 : 0;
        p.ts = s->ts;
        now_us += 7000;
        if (c.bad || p.payload_len == 0 || !seq_step(s, op >> 2 & 3, &p.ext_seq))
            continue;
        p.seq = (uint16_t)p.ext_seq;
        packet_input(s, &p, buffer, now_us);
    }
    return 0;
}
