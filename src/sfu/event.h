/* What the media side tells control: fixed structs, in order per worker. */
#ifndef SFU_EVENT_H
#define SFU_EVENT_H

#include <stdbool.h>
#include <stdint.h>
#include "base/addr.h"
#include "rtp/payload.h"
#include "sfu/allocate.h"

enum sfu_event_type {
    SFU_EVENT_PEER_STATE,     /* peer */
    SFU_EVENT_PEER_REMOVED,   /* peer: its resources are gone */
    SFU_EVENT_PEER_QUALITY,   /* peer: once in QUALITY_INTERVAL_US while connected */
    SFU_EVENT_TRACK_LIVE,     /* track: first packet of the track; also when its codec changed */
    SFU_EVENT_TRACK_LEVEL,    /* track: audio level over the last window, each SPEAKER_INTERVAL_US while it
                                 speaks */
    SFU_EVENT_SUB_LIVE,       /* sub, track: first packet forwarded */
    SFU_EVENT_SUB_LAYER,      /* sub, track: another layer is forwarded, or none fits */
    SFU_EVENT_SUB_ALLOCATED,  /* sub, track: which layer it gets of the bandwidth, or why no more, changed */
    SFU_EVENT_PEER_ALLOCATED, /* peer: its bandwidth, or what of it is in use, changed; at most each
                                 SFU_ALLOCATED_US */
    SFU_EVENT_DATA_OPEN,      /* peer: _reliable and _lossy are open */
    SFU_EVENT_STAGE_SLOT,     /* stage, track: a slot has another voice; track 0: none */
    SFU_EVENT_TRACK_LAYERS,   /* track: other layers of a video arrive than before */
};

enum sfu_peer_state {
    SFU_PEER_CONNECTING,
    SFU_PEER_CONNECTED,    /* ICE and DTLS are up */
    SFU_PEER_DISCONNECTED, /* nothing heard for a while; may come back */
    SFU_PEER_FAILED,       /* nothing heard for too long, or DTLS failed */
    SFU_PEER_CLOSED,       /* the other side sent close_notify */
};

/* What a subscription gets of its subscriber's bandwidth. */
struct sfu_sub_allocated {
    int8_t spatial, temporal;    /* to be forwarded; -1: nothing */
    int8_t forwarded;            /* spatial layer that goes at this moment; -1: none */
    uint8_t spatials, temporals; /* layers that there are */
    bool paused;                 /* for want of bandwidth */
    enum allocate_why why;       /* no more than that */
    uint16_t width, height;      /* of spatial, as announced; 0: unknown */
    int64_t cost_bps;            /* of what is to be forwarded, as measured */
    int64_t next_bps; /* what the next step would add; 0: there is none, or not for want of bandwidth */
};

struct sfu_peer_allocated {
    int64_t estimate_bps; /* what the path carries */
    int64_t limit_bps;    /* configured; 0: none */
    int64_t audio_bps;    /* of what is allocated */
    int64_t total_bps;    /* allocated */
    int64_t wanted_bps;   /* all that viewers want, with room to spare; 0: it goes already */
    int64_t next_bps;     /* the same for the cheapest step more; 0: none waits */
    uint32_t paused;      /* videos, for want of bandwidth */
    bool probing;         /* more than estimate_bps is being tried */
};

struct sfu_event {
    enum sfu_event_type type;
    uint8_t worker;
    uint32_t peer, track, sub;
    union {
        struct {
            enum sfu_peer_state state;
            bool tcp; /* the selected pair is ICE-TCP */
            struct addr remote;
            char reason[48]; /* of FAILED */
        } peer_state;
        struct {
            float loss; /* 0 to 1, worst direction, lately */
            uint32_t rtt_ms, jitter_ms;
            uint64_t bytes_in, bytes_out;
            uint64_t estimate_bps; /* what the path to it carries; 0: nothing was sent yet */
        } quality;
        struct {
            enum payload_codec codec;
        } live;
        struct {
            uint8_t active; /* bit a stream, in the order of the section's rids */
        } layers;
        struct {
            float level; /* 0 to 1, linear, of the loudest part of the window */
            bool active;
        } level;
        struct {
            int8_t layer;    /* spatial layer forwarded; -1: none */
            int8_t temporal; /* highest temporal layer forwarded; -1: all, or no layer */
            bool paused;     /* by the viewer */
        } layer;
        struct {
            uint32_t stage;
            uint8_t slot;
        } stage_slot;
        struct sfu_sub_allocated sub_allocated;
        struct sfu_peer_allocated peer_allocated;
    };
};

#endif
