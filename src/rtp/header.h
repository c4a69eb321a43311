/* The RTP header (RFC 3550, section 5.1) with its extensions (RFC 8285): read once into the packet's control
 * area, written anew for every receiver. Any thread. */
#ifndef RTP_HEADER_H
#define RTP_HEADER_H

#include <assert.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include "base/limits.h"
#include "base/packet.h"
#include "rtp/ext.h"
#include "rtp/payload.h"

#define RTP_HEADER_LEN 12 /* bytes of a header with neither CSRCs nor extensions */

/* What is known of a packet, for all its receivers. rtp_parse fills everything up to and including the
 * extensions; the track that owns the stream fills the rest. Offsets count from the first byte of the packet
 * (packet->data), which must not move while this is in use. */
struct rtp_packet {
    int64_t ext_seq; /* track: seq extended to 64 bits (rtp/seq.h); rtp_parse sets it to seq */
    uint32_t ts;
    uint32_t ssrc;
    uint16_t seq;
    uint16_t payload_off; /* bytes of the whole header, extensions included */
    uint16_t payload_len; /* padding removed; 0: padding only */
    uint8_t padding_len;  /* bytes of padding after the payload, the count byte included */
    uint8_t pt;           /* 0 to 127 */
    uint8_t csrc_count;   /* 0 to 15 */
    bool marker;

    uint16_t ext_has;                /* bit (1 << enum rtp_ext): present and well-formed */
    uint8_t ext_len[RTP_EXT_COUNT];  /* bytes of the value */
    uint16_t ext_off[RTP_EXT_COUNT]; /* where the value is */
    uint16_t twcc;                   /* RTP_EXT_TWCC */
    uint32_t abs_send_time;          /* RTP_EXT_ABS_SEND_TIME: 6.18 fixed-point seconds, wraps every 64 s */
    uint8_t audio_level;             /* RTP_EXT_AUDIO_LEVEL: -dBov, 0 (loudest) to 127 */
    bool voice;                      /* RTP_EXT_AUDIO_LEVEL: the sender hears speech */
    uint16_t playout_min;            /* RTP_EXT_PLAYOUT_DELAY: units of 10 ms */
    uint16_t playout_max;
    uint8_t orientation; /* RTP_EXT_VIDEO_ORIENTATION: camera, flip and rotation bits as sent */

    uint16_t frame_number;       /* track: of the dependency descriptor (rtp/dd.h), if ext_has it */
    struct payload_info payload; /* track: by payload_parse, refined by the dependency descriptor */
};
static_assert(sizeof(struct rtp_packet) <= PACKET_CONTROL_SIZE, "struct rtp_packet lives in packet->control");
static_assert(RTP_EXT_COUNT <= 16, "ext_has is 16 bits");

/* The parsed header that lives in a packet. */
static inline struct rtp_packet *rtp_of(struct packet *p)
{
    return (struct rtp_packet *)(void *)p->control;
}

static inline bool rtp_has(const struct rtp_packet *p, enum rtp_ext ext)
{
    return p->ext_has & 1u << ext;
}

/* The value of an extension (ext_len[ext] bytes of data), or NULL if it is absent. */
static inline const uint8_t *rtp_ext_value(const struct rtp_packet *p, const void *data, enum rtp_ext ext)
{
    return rtp_has(p, ext) ? (const uint8_t *)data + p->ext_off[ext] : NULL;
}

#define RTP_TEXT_MAX 16 /* characters of a mid or rid; longer ones are treated as absent */

/* A mid, rid or repaired rid as text: 1 to RTP_TEXT_MAX letters, digits, '-', '_' or other printing ASCII
 * without blanks. rtp_parse clears ext_has for anything else. Returns its length, 0 (and "") if absent. */
size_t rtp_ext_text(
    const struct rtp_packet *p, const void *data, enum rtp_ext ext, char out[RTP_TEXT_MAX + 1]);

/* Reads one decrypted RTP packet. Extensions whose id m does not know are skipped (m NULL: all are); a known
 * one with an impossible length is treated as absent, and the last of two equal ones counts. A length inside
 * the extension block that leads out of it ends the block, as RFC 8285 section 4.1.2 wants, without harm to
 * the packet. 0, or -EBADMSG with *ret untouched: not version 2, shorter than it says, impossible padding. */
int rtp_parse(const void *data, size_t len, const struct rtp_extmap *m, struct rtp_packet *ret);

/* The SSRC and payload type alone, before the extensions' table is known. 0 or -EBADMSG. */
int rtp_peek(const void *data, size_t len, uint32_t *ret_ssrc, uint8_t *ret_pt);

/* What a written header says. CSRCs are never written: the receivers' SDP does not announce them. */
struct rtp_fields {
    uint8_t pt;
    bool marker;
    bool padding; /* the P bit; the caller appends the padding */
    uint16_t seq;
    uint32_t ts;
    uint32_t ssrc;
};

struct rtp_ext_out {
    enum rtp_ext ext;
    uint8_t len;
    const uint8_t *data;
};

/* The longest header that RTP_EXT_COUNT ordinary extensions can make: a buffer of this size holds every
 * header that Fanlight writes (values of at most 16 bytes, and one dependency descriptor). */
#define RTP_HEADER_MAX 512

/* Writes the header and those of the count extensions that m has an id for, in order. The one-byte form is
 * used when all of them fit it (ids 1 to 14, lengths 1 to 16), the two-byte form otherwise. Returns the
 * header's length in bytes (a multiple of 4, at least 12), -ENOBUFS if cap is too small, or -EINVAL for pt
 * above 127. */
int rtp_write_header(void *dst, size_t cap, const struct rtp_fields *f, const struct rtp_extmap *m,
    const struct rtp_ext_out *exts, size_t count);

/* Appends len bytes of padding (1 to 255): zeroes and the count byte. 0, -ENOBUFS or -EINVAL. */
int rtp_write_padding(void *dst, size_t cap, size_t len);

#endif
