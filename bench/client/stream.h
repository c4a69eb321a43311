/* A made-up camera or microphone: packets of one published track, evenly spaced in time, that look like VP8
 * or Opus to those who do not decode. A key frame comes with the next frame after one was asked for. */
#ifndef BENCH_CLIENT_STREAM_H
#define BENCH_CLIENT_STREAM_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include "client.h"

struct stream_shape {
    unsigned packets_per_s;
    unsigned frames_per_s; /* at most packets_per_s; for audio the same */
    unsigned packet_size;  /* bytes of the RTP packet, header included, before SRTP */
};

struct stream {
    struct client *client;
    unsigned section;
    bool video;
    struct stream_shape shape;
    struct wheel_timer timer;
    int64_t start_us;  /* 0: not running */
    uint64_t made;     /* packets of the schedule so far */
    uint64_t sent;     /* packets that left, ever */
    uint64_t index;    /* of the next packet: rollover counter << 16 | sequence number */
    uint32_t first_ts; /* of the schedule */
    uint32_t ts;       /* of the newest packet */
    uint16_t picture;  /* id of the frame under way */
    bool key, key_wanted;
    uint8_t payload[PACKET_SIZE_MAX];
};

void stream_init(struct stream *s, struct client *c, unsigned section, const struct stream_shape *shape);

/* Begins to send, once client_may_send; also again after stream_stop. Stops by itself when the client can no
 * longer send. */
void stream_start(struct stream *s);
void stream_stop(struct stream *s);

/* The number that the publisher gave to a packet when it was sent (stream.index), at whatever client it
 * arrived; false: it carries none. */
bool stream_read_index(const uint8_t *data, const struct rtp_packet *h, uint64_t *ret);

/* To be called from client_ops.key_frame. */
void stream_key_frame(struct stream *s, uint32_t ssrc);

#endif
