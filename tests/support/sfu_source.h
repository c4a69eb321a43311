/* Streams that a client of sfu_rig publishes, and the sections that are negotiated for them: publishers and
 * subscribers number payload types and header extensions differently, so that nothing passes by chance. Every
 * payload says of which source and which packet it is. */
#ifndef SUPPORT_SFU_SOURCE_H
#define SUPPORT_SFU_SOURCE_H

#include "support/sfu_rig.h"

enum { /* payload types: publishers, then subscribers */
    PUB_OPUS = 111,
    PUB_RED = 63,
    PUB_VP8 = 96,
    PUB_VP8_RTX = 97,
    PUB_H264 = 102,
    PUB_H264_RTX = 103,
    SUB_OPUS = 120,
    SUB_RED = 121,
    SUB_VP8 = 106,
    SUB_VP8_RTX = 107,
    SUB_H264 = 108,
    SUB_H264_RTX = 109,
};

#define SOURCE_KEPT 1024 /* packets that can be sent again */

struct source_packet {
    uint64_t index;
    uint32_t ts;
    bool marker;
    uint8_t payload[1200];
    size_t len;
};

struct source {
    struct sfu_rig_peer *peer;
    uint32_t track; /* number */
    uint32_t ssrc, rtx_ssrc;
    uint8_t kind, pt, rtx_pt;
    const char *mid, *rid; /* NULL: not said */
    uint64_t next, rtx_next;
    uint32_t ts;
    uint32_t clock_hz;
    uint16_t picture;
    uint8_t tl0;
    uint8_t level;     /* of audio: -dBov */
    uint32_t ptime_ms; /* of an audio packet */
    uint32_t packets, octets;
    struct source_packet kept[SOURCE_KEPT];
};

/* What a payload says of itself. */
struct tag {
    uint32_t ssrc;  /* of the source */
    uint64_t index; /* of the packet, as the source numbers it */
};

/* Sections. rids: up to n names, lowest layer first; n 0: no simulcast. */
void source_section_audio(struct sfu_section *s, bool subscriber, const char *mid, bool red);
void source_section_video(
    struct sfu_section *s, bool subscriber, const char *mid, const char *const *rids, unsigned n);

/* Announces a track of the peer; returns its number. */
uint32_t source_publish(struct sfu_rig_peer *p, uint8_t kind, const struct sfu_section *s);

/* A stream of a track, not announced by SSRC. */
struct source *source_new(
    struct sfu_rig_peer *p, uint32_t track, uint8_t kind, const char *mid, const char *rid);
void source_free(struct source *s); /* NULL is allowed */

/* Sends one video frame of count packets, or one audio packet. A bit of lose keeps that packet back;
 * it can be sent later. Returns the index of the first. */
uint64_t source_frame(struct source *s, bool key, unsigned count, uint32_t lose);
uint64_t source_audio(struct source *s, bool lose);

/* Sends a payload of the caller's as the next packet. */
uint64_t source_payload(struct source *s, uint8_t pt, const uint8_t *payload, size_t len, bool marker);

void source_again(struct source *s, uint64_t index); /* the lost packet itself, for the first time */
void source_rtx(struct source *s, uint64_t index);   /* as a retransmission (RFC 4588) */

/* Padding only, on the media SSRC; lose as above, source_again sends it. */
uint64_t source_probe(struct source *s, bool lose);

/* A sender report: timestamp ts is ntp. */
void source_report(struct source *s, uint64_t ntp, uint32_t ts);

/* Subscribes a peer; returns the subscription's number. ssrc, rtx_ssrc: the outgoing ones; rtx 0: none. */
uint32_t source_subscribe(struct sfu_rig_peer *p, const struct sfu_rig_peer *publisher, uint32_t track,
    uint8_t kind, const struct sfu_section *s, uint32_t ssrc, uint32_t rtx_ssrc);
void source_unsubscribe(struct sfu_rig_peer *p, uint32_t sub);
void source_wants(struct sfu_rig_peer *p, uint32_t sub, bool paused, int max_layer);

/* Reads the tag in a payload that was heard; rtx: behind an original sequence number. */
struct tag source_tag(const struct heard *h, uint8_t kind);
struct tag source_tag_rtx(const struct heard *h);

/* Every packet of the stream follows the one before: numbers without a hole, timestamps that do not step
 * back, for VP8 picture ids that count. */
void source_assert_continuous(const struct heard_stream *s, uint8_t kind);

#endif
