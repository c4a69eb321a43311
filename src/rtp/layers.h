/* Which packets of a track a receiver is forwarded, or all those that want the same and had the same so far:
 * simulcast layers, spatial and temporal ones. Every codec's rules are behind one call, packet by packet. A
 * frame passes whole or not at all, also where its packets come in another order, and only where the decoder
 * has what it refers to: layers rise at key frames and at the switch points that the sender declares, and
 * fall as soon as the codec allows.
 *
 * A frame that has not come yet is expected still to come (NACK), so what refers to it passes, until
 * LAYERS_MISSING_US. Then its chain (dependency descriptor) is broken: a lower layer whose chain is whole
 * takes over, or a key frame is asked for. Fixed memory, no I/O. Thread of the receiver. */
#ifndef RTP_LAYERS_H
#define RTP_LAYERS_H

#include <stdbool.h>
#include <stdint.h>
#include "base/limits.h"
#include "rtp/layer_source.h"

/* What is to be reached. */
struct layers_want {
    int8_t stream;    /* simulcast layer, one that is being sent; 0 for a track of one stream; -1: nothing */
    uint8_t spatial;  /* highest spatial layer within the stream; UINT8_MAX: all */
    uint8_t temporal; /* highest temporal layer; UINT8_MAX: all */
    uint16_t fps;     /* pictures a second at most, as far as temporal layers can do that; 0: no limit */
};

enum layers_fate { /* of a frame */
    LAYERS_UNKNOWN = 0,
    LAYERS_MISSING, /* not come yet; decided by the target that was in force at its place */
    LAYERS_DROPPED,
    LAYERS_FORWARDED,
};

struct layers_record {
    uint8_t fate; /* enum layers_fate; of a picture: MISSING, or FORWARDED for decided */
    bool ends;    /* LAYER_FRAMES: its last packet ends the picture */
    union {
        struct {
            int8_t target;  /* decode target in force; -1: none */
            uint16_t since; /* MISSING: when that was noticed, units of LAYERS_TICK_US */
        } frame;
        struct {
            uint8_t spatial, temporal; /* limits in force */
            uint8_t mask;              /* spatial layers that pass */
            uint8_t seen;              /* and those that have come */
        } picture;
    };
};

struct layers {
    struct layers_want want;
    int8_t stream; /* forwarded now; -1: none */
    enum layer_kind kind;
    uint32_t generation, structure; /* of the source, as of the records */
    uint8_t spatial;                /* the highest that the present picture is to have */
    uint8_t temporal;
    uint8_t spatial_sent; /* by the source, as last told */
    int8_t target;        /* LAYER_FRAMES: decode target; -1: none */
    uint8_t intact;   /* LAYER_PICTURES: bit a spatial layer, none of whose pictures since key was left out */
    bool broken;      /* the decoder cannot go on without a key frame */
    bool blocked;     /* only a key frame leads to what is wanted */
    int64_t short_us; /* since when a switch point would help; 0: nothing is wanted that is not there */
    int64_t floor;    /* oldest number that is known of */
    int64_t highest;
    int64_t key;                      /* the newest key frame */
    int64_t left[LAYERS_SPATIAL_MAX]; /* of layers that are not intact: the first picture that was left out */
    uint32_t picture_ts;
    uint32_t active;                 /* decode targets, at the last picture */
    uint32_t chains_ok, chains_open; /* bits; open: waits for the frame chain_open */
    uint16_t chain_open[DD_CHAINS_MAX];
    struct layers_record records[LAYERS_RECORDS];
};

/* What becomes of a packet. */
struct layers_out {
    bool begins; /* another source than so far (or after a pause): rewrite_switch before rewrite_packet */
    bool marker; /* as it must be sent: set at the end of the last layer that passes */
    bool ask;    /* layers_key_stream has just begun to name a stream, or another one */
};

struct layers_state {
    int8_t stream;    /* -1: nothing passes */
    uint8_t spatial;  /* of that stream; not above what its sender sends */
    uint8_t temporal; /* the same for temporal limits: UINT8_MAX: all */
};

/* Nothing is wanted. */
void layers_init(struct layers *l);

/* Takes effect with the next packets. A stream of -1 stops at once. */
void layers_want(struct layers *l, struct layers_want want);

/* Nothing passes until a key frame: after a mute, or when packets were dropped behind our back. */
void layers_reset(struct layers *l);

/* Does this packet of the track's stream pass? true: *ret says how. false: rewrite_drop it if it is of the
 * stream that layers_current names, and leave it otherwise; only ret->ask is set. */
bool layers_input(
    struct layers *l, unsigned stream, const struct layer_facts *f, int64_t now_us, struct layers_out *ret);

/* The stream whose key frame is needed to reach what is wanted, or -1. Stays until it has come; requests are
 * the caller's to limit. */
int layers_key_stream(const struct layers *l, int64_t now_us);

struct layers_state layers_current(const struct layers *l);

/* Will a and b decide alike of all that comes from now on? Of frames before the newest key frame they may
 * remember different things. */
bool layers_same(const struct layers *a, const struct layers *b);

#endif
