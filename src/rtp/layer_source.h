/* What one received stream says about its layers, packet by packet: frames numbered without wrap, their place
 * in the layers, what they need. Read once for a packet and handed to the layer choice of every receiver
 * (rtp/layers.h). One of these a received stream (SSRC); a stream that is received on one thread and handed
 * on to others has one on each. Fixed memory, no I/O. */
#ifndef RTP_LAYER_SOURCE_H
#define RTP_LAYER_SOURCE_H

#include <stdbool.h>
#include <stdint.h>
#include "base/limits.h"
#include "rtp/dd.h"
#include "rtp/header.h"

#define LAYERS_SPATIAL_MAX  8 /* three-bit ids of VP9 */
#define LAYERS_TEMPORAL_MAX 8

enum layer_kind {
    LAYER_PLAIN,    /* no layers to choose from, or none that are described: H.264, VP8 without picture ids */
    LAYER_PICTURES, /* VP8, VP9: picture ids, layer ids, switch points */
    LAYER_FRAMES,   /* dependency descriptors: every frame says what it refers to */
};

struct layer_source {
    struct dd_structure *dd; /* the caller's; NULL: descriptors are not looked at */
    uint32_t generation;     /* counts sources and codecs; never 0 once started */
    uint32_t structure;      /* counts template structures that differ */
    uint64_t structure_hash;
    enum layer_kind kind;
    uint8_t codec;
    uint32_t ssrc;
    bool started;
    bool numbered;      /* a frame number was seen */
    bool independent;   /* VP9: layers of predicted pictures do not need the lower ones (K-SVC) */
    int64_t seq_newest; /* extended, of the newest packet */
    int64_t newest;     /* number of the newest frame */
    uint16_t raw;       /* what the packets call it */
    uint32_t ts_newest;
    uint32_t active;       /* decode targets, by the descriptors */
    int64_t active_number; /* of the frame that said so */
    /* what is sent */
    uint8_t spatial_sent;
    int64_t spatial_us[LAYERS_SPATIAL_MAX];
    uint32_t spatial_picture[LAYERS_SPATIAL_MAX];
    uint32_t pictures;
    uint16_t counts[LAYERS_TEMPORAL_MAX]; /* pictures in the present window */
    uint16_t fps[LAYERS_TEMPORAL_MAX];    /* of a layer with those below it; 0: not known */
    int64_t window_us;
};

/* What is known of a packet's frame. Valid until the source reads its next packet. */
struct layer_facts {
    enum layer_kind kind;
    uint8_t codec;
    uint32_t generation;
    uint32_t structure;
    int64_t number; /* of the frame (LAYER_FRAMES) or picture (LAYER_PICTURES), growing; -1: not known */
    uint32_t ts;
    uint8_t spatial, temporal;
    bool start, end;      /* first, last packet of the (layer) frame */
    bool marker;          /* as sent */
    bool key;             /* decoding can begin at this frame */
    bool sync;            /* switch point, VP8 and VP9 */
    bool predicted;       /* VP9: needs an earlier picture */
    bool inter_layer;     /* VP9: needs the lower layer of this picture */
    bool independent;     /* VP9, see above */
    bool newest;          /* no packet of a later frame was seen before */
    bool readable;        /* LAYER_FRAMES: deps is known */
    uint8_t spatial_sent; /* the highest that the source sends at present */
    uint32_t active;      /* decode targets that are sent: by the descriptors, and by what comes */
    struct dd_deps deps;
    const struct dd_structure *dd; /* LAYER_FRAMES */
    const uint16_t *fps;           /* LAYERS_TEMPORAL_MAX of them, pictures a second up to a temporal layer */
};

/* dd: room for the template structure where RTP_EXT_DEPENDENCY is negotiated, else NULL; the caller's until
 * the end. It is this source's alone. */
void layer_source_init(struct layer_source *s, struct dd_structure *dd);

/* Reads a packet whose payload and ext_seq the track has filled (frame_track); data is the packet. Packets in
 * order of arrival, those without payload left out. Another SSRC or codec is noticed, and begins a new
 * generation. Never fails: what makes no sense is said to be unknown. */
void layer_source_read(struct layer_source *s, const void *data, const struct rtp_packet *p, int64_t now_us,
    struct layer_facts *ret);

#endif
