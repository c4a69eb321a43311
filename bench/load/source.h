/* A published track: pictures or sound, cut into packets, paced, encrypted once and sent; what the server
 * asks for again is kept. */
#ifndef BENCH_LOAD_SOURCE_H
#define BENCH_LOAD_SOURCE_H

#include "../client/offer.h"
#include "link.h"
#include "rtp/sender_stats.h"

#define SOURCE_RTP_MAX    1200 /* bytes of an RTP packet before SRTP, as libwebrtc sends it */
#define SOURCE_VIDEO_RING 1024 /* packets kept: more than two pictures of PIECES_MAX */
#define SOURCE_AUDIO_RING 64
#define SOURCE_AUDIO_US   20000

struct source_packet {
    uint32_t ts;
    uint16_t len; /* of the payload */
    bool first, last;
    uint8_t payload[SOURCE_RTP_MAX];
};

struct source_layer {
    uint32_t ssrc, rtx_ssrc;
    uint64_t base; /* index of packet 0: rollover counter << 16 | sequence number */
    uint64_t made; /* packets */
    uint64_t sent; /* packets of them that are on their way */
    uint64_t rtx_index;
    uint64_t window; /* packets sent since the measuring began */
    uint16_t picture;
    uint8_t tl0;
    bool key_wanted;
    int64_t key_us; /* when the last key frame was made; 0: not yet */
    unsigned kbps, width, height;
    int64_t owed; /* bytes that recent pictures were over the rate: a second's at most */
    uint32_t ts;  /* newest */
    int64_t ts_us;
    struct sender_stats stats;
    struct source_packet *ring;
};

struct source {
    struct link *link;
    unsigned number, room, section, ring;
    bool video, agreed, heard; /* heard: the server has reported on it, and needs no mid and rid any more */
    uint8_t pt, rtx_pt;
    uint32_t rate; /* timestamp units a second */
    unsigned layer_count;
    struct source_layer layers[OFFER_LAYERS];
    int64_t period_us, start_us, slice_us;
    uint64_t frame; /* of the schedule */
    uint32_t first_ts;
    uint64_t rng;
    size_t media_at; /* next picture of the file */
    bool silent;     /* an open microphone whose browser sends nothing (DTX) */
    bool talking;    /* of a voice */
    int spurt;       /* frames until that changes */
    double loudness;
};

/* For a section of the link's offer, which has the SSRCs. 0 or -ENOMEM. */
int source_init(struct source *s, struct link *l, unsigned section, unsigned number);
void source_done(struct source *s);

/* Makes and sends what is due. */
void source_run(struct source *s, int64_t now_us);

/* Packets since the measuring began, of all layers. */
uint64_t source_window(const struct source *s);
void source_reset(struct source *s);
uint64_t source_next(const struct source *s); /* index of the next packet (of the lowest layer) */
bool source_waits(const struct source *s);    /* packets are made that were not sent yet */

/* The server asks for these. false: the stream is not this source's. */
bool source_key_frame(struct source *s, uint32_t ssrc);
bool source_nack(struct source *s, uint32_t ssrc, uint16_t seq);
void source_report(struct source *s, const struct rtcp_report *r, int64_t now_us);
void source_put_sr(struct source *s, struct writer *w, int64_t now_us);

/* ---- the stamp that every payload ends with (in a file's pictures: one packet of each) ---- */

#define STAMP_LEN 24 /* bytes, none of them zero: it cannot make a start code in H.264 */

struct stamp {
    unsigned source;
    int64_t wall_us; /* when it was sent */
    uint64_t index;  /* rollover counter << 16 | sequence number, as the publisher sent it */
};

void stamp_write(uint8_t out[STAMP_LEN], const struct stamp *s);

/* Reads the stamp at the end of a payload. false: there is none. */
bool stamp_read(const uint8_t *payload, size_t len, struct stamp *ret);

#endif
