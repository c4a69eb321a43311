/* A publisher in virtual time as Chromium behaves: a camera in three sizes (VP8 simulcast with temporal
 * layers, rids q, h and f), a voice (Opus, also as RED). It answers NACKs by RTX and PLIs by key frames of
 * all layers, sends sender reports, and spreads the packets of a frame. Every payload says what it is (struct
 * net_tag), so that a viewer knows which frame of which layer it got, and what that one needs. */
#ifndef SUPPORT_NET_SENDER_H
#define SUPPORT_NET_SENDER_H

#include "support/net_world.h"

#define NET_LAYERS       3
#define NET_KEPT         1024 /* packets of a stream that can be sent again */
#define NET_SEND_QUEUE   512  /* packets that wait for their turn */
#define NET_PAYLOAD_MAX  1160
#define NET_FRAME_US     33333
#define NET_AUDIO_US     20000
#define NET_KEY_EVERY_US 300000 /* Chromium makes no more key frames on request */

enum { /* payload types: publishers, then viewers */
    NET_PUB_OPUS = 111,
    NET_PUB_RED = 63,
    NET_PUB_VP8 = 96,
    NET_PUB_RTX = 97,
    NET_SUB_OPUS = 120,
    NET_SUB_RED = 121,
    NET_SUB_VP8 = 106,
    NET_SUB_RTX = 107,
};

/* What a payload says of itself. */
struct net_tag {
    uint32_t magic;
    uint32_t frame;  /* counts in its layer, or the voice's packets */
    uint32_t needs;  /* the frame that it is predicted from; itself: none */
    uint32_t needs2; /* another one, or the same */
    int64_t at_us;   /* when it was captured */
    uint16_t packet; /* of the frame */
    uint8_t layer, temporal;
};
#define NET_TAG_MAGIC 0x464c4e54
#define NET_VIDEO_TAG 16 /* where it is: behind the descriptor and what a key frame begins with */
#define NET_AUDIO_TAG 1

struct net_kept {
    bool used, marker;
    uint16_t seq;
    uint32_t ts;
    uint16_t len;
    uint8_t payload[NET_PAYLOAD_MAX];
};

/* One stream: a layer of the camera, or the voice. */
struct net_stream {
    struct net_sender *sender;
    uint32_t ssrc, rtx_ssrc;
    const char *mid, *rid;
    uint64_t next, rtx_next;
    uint32_t ts_base, packets, octets;
    int64_t rate_bps;
    double debt; /* bytes that a key frame took beyond its share */
    uint16_t picture;
    uint8_t tl0, key_index;
    uint32_t frame, last_frame[3]; /* of each temporal layer */
    uint16_t key_packets;
    struct net_kept kept[NET_KEPT];
};

struct net_sender_options {
    int64_t rates_bps[NET_LAYERS]; /* of the camera's layers, lowest first; 0: there is none */
    unsigned layers;               /* 0: no camera */
    bool voice, red;
    bool screen; /* its pictures are of a screen */
};

struct net_sender {
    struct net_peer *peer;
    struct net_sender_options options;
    struct seeded random;
    uint32_t voice, camera;                    /* tracks; 0: none */
    struct net_stream streams[NET_LAYERS + 1]; /* the last one is the voice's */
    int64_t frame_us, audio_us, report_us, key_us;
    bool key_wanted;
    unsigned phase; /* of the temporal layers */
    uint8_t voice_before[NET_PAYLOAD_MAX];
    uint16_t voice_before_len;
    struct {
        int64_t at_us;
        uint8_t stream;
        struct net_kept *kept;
        uint64_t index;
    } queue[NET_SEND_QUEUE];
    unsigned queue_head, queue_tail;
    uint32_t reference,
        reference_ssrc;   /* the server's newest reference time (RFC 3611), answered in reports */
    int64_t reference_us; /* when it came; 0: none yet */
    /* counted */
    unsigned plis, keys, nacked;
    int64_t pli_us[256];
};

/* 180p, 360p and 720p at 160, 450 and 1700 kbit/s: what livekit-client asks a 720p camera for. */
extern const struct net_sender_options net_sender_720p;

/* A peer that publishes; tracks are announced at once, media flows from net_begin on (start_s later). */
struct net_sender *net_sender_add(struct net_world *w, unsigned worker, const struct net_sender_options *o);
void net_sender_start(struct net_sender *s, double at_s);
void net_sender_stop(struct net_sender *s); /* nothing new; what is asked for is still sent again */
void net_sender_free(struct net_sender *s);

/* Reads a tag at an offset of a payload. false: there is none. */
bool net_tag_read(const uint8_t *payload, size_t len, size_t at, struct net_tag *ret);

/* ---- sections, as viewers negotiate them too ---- */
void net_section_audio(struct sfu_section *s, bool viewer, const char *mid, bool red);
void net_section_video(struct sfu_section *s, bool viewer, const char *mid, unsigned layers);
void net_extmap_add(struct net_peer *p, const struct sfu_section *s);

#endif
