/* What a payload says about its frame: start, end, key frame, layer, picture id. One answer for all codecs,
 * so that tracks and receivers need not know them. Nothing is decoded; end-to-end encrypted payloads are fine
 * where their codec leaves these bytes clear. Any thread. */
#ifndef RTP_PAYLOAD_H
#define RTP_PAYLOAD_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum payload_codec {
    PAYLOAD_UNKNOWN, /* forwarded as it is; nothing is known about frames */
    PAYLOAD_OPUS,
    PAYLOAD_RED, /* RFC 2198, of Opus */
    PAYLOAD_PCMU,
    PAYLOAD_PCMA,
    PAYLOAD_VP8,
    PAYLOAD_H264,
    PAYLOAD_VP9,
    PAYLOAD_AV1,
    PAYLOAD_CODEC_COUNT,
};

/* The codec of an SDP encoding name ("VP8", "opus", "red"; any case); PAYLOAD_UNKNOWN for others. */
enum payload_codec payload_codec_find(const char *name);

/* "VP8", "opus"; "" for PAYLOAD_UNKNOWN. */
const char *payload_codec_name(enum payload_codec c);

bool payload_codec_is_video(enum payload_codec c);

enum {
    PAYLOAD_START = 1 << 0,       /* first packet of a frame (of a layer frame, for VP9) */
    PAYLOAD_END = 1 << 1,         /* last packet of a frame, where the payload itself says so (VP9, dependency
                                     descriptor); elsewhere the marker bit tells */
    PAYLOAD_KEY = 1 << 2,         /* of a key frame: decoding can start at this frame if START is set too */
    PAYLOAD_LAYER_SYNC = 1 << 3,  /* a receiver of lower temporal layers may get more of them from here on */
    PAYLOAD_DISCARDABLE = 1 << 4, /* no other frame needs it */
    PAYLOAD_PICTURE_ID = 1 << 5,  /* picture_id is valid */
    PAYLOAD_PICTURE_ID_LONG = 1 << 6, /* and has 15 bits instead of 7 */
    PAYLOAD_TL0 = 1 << 7,             /* tl0 is valid */
    PAYLOAD_LAYERS = 1 << 8,          /* spatial and temporal are valid */
    PAYLOAD_INTER_LAYER = 1 << 9,     /* VP9: predicted from the lower spatial layer of the same picture */
    PAYLOAD_FLEXIBLE = 1 << 10,       /* VP9: references are given as differences of picture ids */
    PAYLOAD_SEQUENCE = 1 << 11,  /* H.264: parameter sets come along; AV1: a coded video sequence begins */
    PAYLOAD_PREDICTED = 1 << 12, /* VP9: predicted from an earlier picture */
};

struct payload_info {
    uint16_t flags;         /* PAYLOAD_* */
    uint16_t picture_id;    /* 7 or 15 bits */
    uint8_t codec;          /* enum payload_codec */
    uint8_t spatial;        /* 0 is the smallest picture */
    uint8_t temporal;       /* 0 is the base rate */
    uint8_t tl0;            /* TL0PICIDX of VP8 and VP9 */
    uint8_t key_index;      /* KEYIDX of VP8 */
    uint8_t picture_id_off; /* where the picture id is, from the start of the payload; 0: there is none */
    uint8_t tl0_off;        /* the same for tl0 */
    uint8_t patch_len; /* leading bytes of the payload that payload_patch may change; 0: nothing to patch */
};

/* Reads one payload (len > 0). 0; -EBADMSG when the descriptor is impossible (*ret untouched): the packet
 * may still be forwarded within a frame, but never starts one. Audio: every packet is START, END and KEY. */
int payload_parse(enum payload_codec c, const void *payload, size_t len, struct payload_info *ret);

static inline bool payload_is(const struct payload_info *i, unsigned flags)
{
    return (i->flags & flags) == flags;
}

/* The number of bits of i's picture id: 7 or 15. */
static inline unsigned payload_picture_id_bits(const struct payload_info *i)
{
    return i->flags & PAYLOAD_PICTURE_ID_LONG ? 15 : 7;
}

/* How many leading bytes of the payload payload_patch may change (at most PAYLOAD_PATCH_MAX): copy these,
 * take the rest from the shared packet. */
static inline size_t payload_patch_len(const struct payload_info *i)
{
    return i->patch_len;
}
#define PAYLOAD_PATCH_MAX 8

/* Writes another picture id and tl0 into a copy of the payload's first payload_patch_len bytes, in place and
 * without changing lengths (a 7-bit picture id keeps 7 bits). Does nothing where the payload has none. 0, or
 * -EINVAL if len is too small. */
int payload_patch(void *payload, size_t len, const struct payload_info *i, uint16_t picture_id, uint8_t tl0);

#endif
