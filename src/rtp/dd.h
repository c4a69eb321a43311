/* The AV1 dependency descriptor (RTP Payload Format for AV1, appendix A), for any codec. Complete, bounded
 * parse; a stream's template structure arrives with its key frames and is kept by the caller. Any thread. */
#ifndef RTP_DD_H
#define RTP_DD_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include "base/limits.h"
#include "rtp/payload.h"

enum dd_indication { /* what a frame is to a decode target */
    DD_ABSENT = 0,
    DD_DISCARDABLE = 1,
    DD_SWITCH = 2,
    DD_REQUIRED = 3,
};

/* What one frame, or a template for frames, says. */
struct dd_deps {
    uint8_t spatial;
    uint8_t temporal;
    uint8_t fdiff_count;
    uint16_t fdiff[DD_FDIFFS_MAX];     /* frame number differences to the frames it refers to; 1 and up */
    uint8_t chain_diff[DD_CHAINS_MAX]; /* to the previous frame of each chain; 0: the chain starts here */
    uint64_t indications;              /* 2 bits a decode target, target 0 lowest; dd_indication_of */
};

struct dd_structure {
    bool valid;
    uint8_t template_id_offset; /* 0 to 63 */
    uint8_t template_count;     /* 1 to DD_TEMPLATES_MAX */
    uint8_t target_count;       /* 1 to DD_TARGETS_MAX */
    uint8_t chain_count;        /* 0 to DD_CHAINS_MAX */
    uint8_t spatial_max;        /* highest spatial id of any template */
    uint8_t temporal_max;
    uint8_t chain_of_target[DD_TARGETS_MAX]; /* the chain that protects a target; DD_NO_CHAIN */
    uint8_t target_spatial[DD_TARGETS_MAX];  /* layer that a decode target stands for */
    uint8_t target_temporal[DD_TARGETS_MAX];
    uint8_t resolution_count;       /* 0, or spatial_max + 1 */
    uint32_t width[DD_SPATIAL_MAX]; /* pixels, 1 to 65536 */
    uint32_t height[DD_SPATIAL_MAX];
    struct dd_deps templates[DD_TEMPLATES_MAX];
};
#define DD_NO_CHAIN 0xff

struct dd {
    bool start;              /* first packet of the frame */
    bool end;                /* last packet of the frame */
    bool has_structure;      /* a template structure came along: a key frame */
    bool has_active_targets; /* active_targets was in the descriptor */
    uint8_t template_id;     /* 0 to 63, as sent */
    uint16_t frame_number;
    uint32_t active_targets; /* bit a decode target; valid if has_active_targets or has_structure (then all of
                                them) */
    struct dd_deps deps;     /* of this frame: its template with what the descriptor overrides */
};

static inline enum dd_indication dd_indication_of(const struct dd_deps *d, unsigned target)
{
    return (enum dd_indication)(d->indications >> (2 * target) & 3);
}

/* Reads a descriptor (the value of RTP_EXT_DEPENDENCY). s is the stream's latest structure; when the
 * descriptor brings a new one, *s is replaced by it, and only if the whole descriptor is sound. 0; -EBADMSG
 * if it is not; -EAGAIN when it needs a structure that has not come (s->valid false, or an unknown template):
 * then only start, end, template_id and frame_number of *ret are set. */
int dd_parse(const void *data, size_t len, struct dd_structure *s, struct dd *ret);

/* Puts what d knows into i: START, END, KEY, DISCARDABLE, LAYER_SYNC, LAYERS. A descriptor knows better than
 * the payload. s is the structure that d was read with; NULL after -EAGAIN: START and END only, and
 * no KEY. */
void dd_to_payload(const struct dd *d, const struct dd_structure *s, struct payload_info *i);

#define DD_FRAME_NUMBER_OFF 1 /* the frame number's two bytes within the descriptor */

/* Overwrites the frame number in a copy of a descriptor. 0, or -EINVAL if len is below 3. */
int dd_patch_frame_number(void *data, size_t len, uint16_t frame_number);

#endif
