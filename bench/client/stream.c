#include "stream.h"

#include "base/cursor.h"
#include "base/rand.h"
#include "client_private.h"
#include "net/clock.h"

/* The descriptor of RFC 7741, section 4.2: picture id of 15 bits, TL0PICIDX, temporal layer 0. */
#define VP8_DESCRIPTOR 6

/* Frame tag, start code and size of a key frame (RFC 6386, section 9.1). */
#define VP8_KEY_HEADER 10

#define STREAM_INDEX_AT (VP8_DESCRIPTOR + VP8_KEY_HEADER)
#define PAYLOAD_MIN     (STREAM_INDEX_AT + 8) /* bytes */

void stream_init(struct stream *s, struct client *c, unsigned section, const struct stream_shape *shape)
{
    *s = (struct stream){.client = c, .section = section, .shape = *shape};
    s->video = c->offer.sections[section].kind == SDP_KIND_VIDEO;
    s->index = rand_u32() & 0x7fff; /* RFC 3711, section 3.3.1: not close to the rollover */
    s->ts = rand_u32();
    s->picture = rand_u32() & 0x7fff;
    s->key_wanted = true;
    rand_bytes(s->payload, sizeof s->payload);
}

static int64_t due_us(const struct stream *s, uint64_t packet)
{
    return s->start_us + (int64_t)(packet * 1000000 / s->shape.packets_per_s);
}

/* Where in the frame is this packet of the schedule? */
static uint64_t frame_of(const struct stream *s, uint64_t packet)
{
    return packet * s->shape.frames_per_s / s->shape.packets_per_s;
}

static void put_vp8(struct stream *s, bool first)
{
    struct writer w = writer_of(s->payload, VP8_DESCRIPTOR + VP8_KEY_HEADER);
    writer_u8(&w, first ? 0x90 : 0x80);
    writer_u8(&w, 0xe0);
    writer_u16(&w, (uint16_t)(0x8000 | s->picture));
    writer_u8(&w, (uint8_t)s->picture);
    writer_u8(&w, 0);
    if (!first)
        return;
    writer_u8(&w, s->key ? 0x10 : 0x11);
    writer_u16(&w, 0x0200);
    writer_u24(&w, 0x9d012a);
    writer_u16(&w, 0x0005); /* 1,280 and 720, low byte first */
    writer_u16(&w, 0xd002);
}

/* Behind everything that means something to the server. */
static void put_index(struct stream *s)
{
    struct writer w = writer_of(s->payload + STREAM_INDEX_AT, sizeof s->index);
    writer_u64(&w, s->index);
}

bool stream_read_index(const uint8_t *data, const struct rtp_packet *h, uint64_t *ret)
{
    struct cursor c = cursor_of(data + h->payload_off, h->payload_len);
    cursor_skip(&c, STREAM_INDEX_AT);
    uint64_t index = cursor_u64(&c);
    if (c.bad)
        return false;
    *ret = index;
    return true;
}

static void send_one(struct stream *s)
{
    uint64_t n = s->made++, frame = frame_of(s, n);
    bool first = n == 0 || frame_of(s, n - 1) != frame;
    bool last = frame_of(s, n + 1) != frame;
    uint32_t rate = s->video ? 90000 : 48000;
    uint32_t ts = s->ts = s->first_ts + (uint32_t)(frame * rate / s->shape.frames_per_s);
    if (s->video) {
        if (first) {
            s->picture = (s->picture + 1) & 0x7fff;
            s->key = s->key_wanted;
            s->key_wanted = false;
        }
        put_vp8(s, first);
    } else {
        s->payload[0] = 0x78; /* CELT, fullband, 20 ms, one frame (RFC 6716, section 3.1) */
    }
    put_index(s);
    size_t header = client_header_len(s->client, s->section);
    size_t len = s->shape.packet_size > header + PAYLOAD_MIN ? s->shape.packet_size - header : PAYLOAD_MIN;
    bool marker = s->video ? last : n == 0;
    if (client_send(s->client, s->section, s->index++, ts, marker, s->payload, len) == 0)
        s->sent++;
}

static void send_due(struct wheel_timer *t, int64_t now_us)
{
    struct stream *s = t->arg;
    if (!client_may_send(s->client, s->section))
        return;
    while (due_us(s, s->made) <= now_us)
        send_one(s);
    wheel_set(loop_wheel(s->client->env->loop), t, due_us(s, s->made));
}

void stream_start(struct stream *s)
{
    s->start_us = clock_now_us();
    s->made = 0;
    s->first_ts = s->ts + (s->video ? 90000 : 48000) / s->shape.frames_per_s;
    wheel_timer_init(&s->timer, send_due, s);
    wheel_set(loop_wheel(s->client->env->loop), &s->timer, s->start_us);
}

void stream_stop(struct stream *s)
{
    if (s->start_us)
        wheel_cancel(&s->timer);
    s->start_us = 0;
}

void stream_key_frame(struct stream *s, uint32_t ssrc)
{
    if (s->video && s->client->sources[s->section].ssrc == ssrc)
        s->key_wanted = true;
}
