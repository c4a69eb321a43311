/* RTP header extensions (RFC 8285): which ones we know, and the numbers that a section gave them. */
#ifndef RTP_EXT_H
#define RTP_EXT_H

#include <stddef.h>
#include <stdint.h>

enum rtp_ext {
    RTP_EXT_MID,               /* urn:ietf:params:rtp-hdrext:sdes:mid (RFC 8843) */
    RTP_EXT_RID,               /* urn:ietf:params:rtp-hdrext:sdes:rtp-stream-id (RFC 8852) */
    RTP_EXT_REPAIRED_RID,      /* urn:ietf:params:rtp-hdrext:sdes:repaired-rtp-stream-id (RFC 8852) */
    RTP_EXT_AUDIO_LEVEL,       /* urn:ietf:params:rtp-hdrext:ssrc-audio-level (RFC 6464) */
    RTP_EXT_TWCC,              /* transport-wide sequence number, 16 bits */
    RTP_EXT_ABS_SEND_TIME,     /* 24 bits, 6.18 fixed-point seconds */
    RTP_EXT_ABS_CAPTURE_TIME,  /* 64-bit NTP time, and perhaps a 64-bit clock offset */
    RTP_EXT_DEPENDENCY,        /* AV1 dependency descriptor (see rtp/dd.h) */
    RTP_EXT_VIDEO_ORIENTATION, /* urn:3gpp:video-orientation */
    RTP_EXT_PLAYOUT_DELAY,     /* 12 + 12 bits, units of 10 ms */
    RTP_EXT_TOFFSET,           /* urn:ietf:params:rtp-hdrext:toffset (RFC 5450) */
    RTP_EXT_CONTENT_TYPE,
    RTP_EXT_VIDEO_TIMING,
    RTP_EXT_COLOR_SPACE,
    RTP_EXT_LAYERS_ALLOCATION, /* video-layers-allocation00 */
    RTP_EXT_COUNT,
    RTP_EXT_NONE = RTP_EXT_COUNT, /* unknown URI, or an id that was not negotiated */
};

/* The URI of an extension; NULL for RTP_EXT_NONE. */
const char *rtp_ext_uri(enum rtp_ext ext);

/* The extension of a URI (compared byte for byte); RTP_EXT_NONE if it is not one of ours. */
enum rtp_ext rtp_ext_find(const char *uri);

/* The id <-> extension table of one transport or section. */
struct rtp_extmap {
    uint8_t ext_of[256];          /* enum rtp_ext by id; RTP_EXT_NONE where the id is free */
    uint8_t id_of[RTP_EXT_COUNT]; /* 0: not negotiated */
};

/* Makes the table empty. A zeroed table is not a valid one. */
void rtp_extmap_init(struct rtp_extmap *m);

/* Gives ext the number id (1 to 255; above 14, and 15 itself, need the two-byte form). The same pair again is
 * fine. 0; -EINVAL for a bad id or ext; -EEXIST if the id means another extension or ext has another id
 * (nothing changes). */
int rtp_extmap_set(struct rtp_extmap *m, unsigned id, enum rtp_ext ext);

static inline enum rtp_ext rtp_extmap_ext(const struct rtp_extmap *m, uint8_t id)
{
    return (enum rtp_ext)m->ext_of[id];
}

static inline uint8_t rtp_extmap_id(const struct rtp_extmap *m, enum rtp_ext ext)
{
    return m->id_of[ext];
}

#endif
