/* RTCP (RFC 3550 section 6, RFC 4585, RFC 5104, RFC 5506): one reader for compound and reduced-size packets,
 * and writers that append blocks to a struct writer. Unknown types (APP) are walked over. Any thread. */
#ifndef RTP_RTCP_H
#define RTP_RTCP_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include "base/cursor.h"
#include "base/limits.h"

enum rtcp_type {
    RTCP_SR = 200,
    RTCP_RR = 201,
    RTCP_SDES = 202,
    RTCP_BYE = 203,
    RTCP_APP = 204,
    RTCP_RTPFB = 205,
    RTCP_PSFB = 206,
    RTCP_XR = 207,
};

enum { /* feedback message types: the count field of RTPFB and PSFB */
    RTCP_FMT_NACK = 1,
    RTCP_FMT_TWCC = 15,
    RTCP_FMT_PLI = 1,
    RTCP_FMT_FIR = 4,
    RTCP_FMT_AFB = 15, /* application layer feedback: REMB */
};

/* ---- walking ---- */

/* One block of a compound packet. */
struct rtcp_block {
    uint8_t type;        /* enum rtcp_type, or any other number */
    uint8_t count;       /* report count, source count or feedback type */
    const uint8_t *body; /* what follows the four header bytes, padding removed */
    size_t len;
};

/* Takes the next block of a decrypted datagram. 1: there is one; 0: the end; -EBADMSG: not version 2,
 * a length that leads out of the datagram, or impossible padding (the rest is unusable). */
int rtcp_next(struct cursor *c, struct rtcp_block *ret);

/* Does a datagram look like RTCP rather than RTP (RFC 5761, section 4)? It needs two bytes. */
bool rtcp_is(const void *data, size_t len);

/* ---- reports (rtcp_report.c) ---- */

struct rtcp_report {
    uint32_t ssrc;         /* the stream that is reported on */
    uint8_t fraction_lost; /* of 256, since the last report */
    int32_t total_lost;    /* signed 24 bits */
    uint32_t highest_seq;  /* cycles << 16 | sequence */
    uint32_t jitter;       /* timestamp units */
    uint32_t lsr;          /* middle 32 bits of the last SR's NTP time; 0: none came */
    uint32_t dlsr;         /* since then, 1/65536 s */
};

struct rtcp_sr {
    uint32_t ssrc;
    uint64_t ntp; /* 32.32 fixed-point seconds since 1900 */
    uint32_t ts;
    uint32_t packets;
    uint32_t octets;
};

#define RTCP_REPORTS_MAX 31 /* what the five-bit count allows */

/* Fixed part of an SR, or the sender's SSRC of an RR; the cursor is left at the report blocks, of which
 * b->count follow (take them with rtcp_report_next). 0 or -EBADMSG. */
int rtcp_sr_parse(const struct rtcp_block *b, struct rtcp_sr *ret, struct cursor *ret_reports);
int rtcp_rr_parse(const struct rtcp_block *b, uint32_t *ret_ssrc, struct cursor *ret_reports);
bool rtcp_report_next(struct cursor *reports, struct rtcp_report *ret);

/* count is at most RTCP_REPORTS_MAX. What does not fit sets w->bad and leaves no partial block. */
void rtcp_sr_write(
    struct writer *w, const struct rtcp_sr *sr, const struct rtcp_report *reports, size_t count);
void rtcp_rr_write(struct writer *w, uint32_t ssrc, const struct rtcp_report *reports, size_t count);

/* ---- extended reports: round trip to who only sends (rtcp_xr.c; RFC 3611) ---- */

/* How the peer answered a reference time of ours. In 1/65536 s; now - lrr - dlrr, modulo 2^32, is the round
 * trip. */
struct rtcp_dlrr {
    uint32_t lrr;  /* middle 32 bits of our reference time; 0: none came */
    uint32_t dlrr; /* since then */
};

/* Receiver reference time: a block of 20 bytes. The time is any clock of ours: it comes back as it was. */
void rtcp_rrtr_write(struct writer *w, uint32_t sender, uint64_t ntp);

/* The first answer for ssrc in an XR block; false: there is none, or b is another block. */
bool rtcp_dlrr_find(const struct rtcp_block *b, uint32_t ssrc, struct rtcp_dlrr *ret);

/* ---- source description, goodbye (rtcp_sdes.c) ---- */

#define RTCP_CNAME_MAX 255

/* Calls fn once for each chunk that has a CNAME (its bytes are not zero-terminated). 0 or -EBADMSG: then
 * nothing more is called, and what was called before stands. */
typedef void (*rtcp_cname_fn)(void *arg, uint32_t ssrc, const char *cname, size_t len);
int rtcp_sdes_parse(const struct rtcp_block *b, rtcp_cname_fn fn, void *arg);
void rtcp_sdes_write(struct writer *w, uint32_t ssrc, const char *cname);

/* Up to cap SSRCs; returns how many the block has (at most 31), or -EBADMSG. */
int rtcp_bye_parse(const struct rtcp_block *b, uint32_t *ret_ssrcs, size_t cap);
void rtcp_bye_write(struct writer *w, const uint32_t *ssrcs, size_t count);

/* ---- feedback (rtcp_feedback.c) ---- */

/* Is b a feedback block of this type and format? */
static inline bool rtcp_is_feedback(const struct rtcp_block *b, enum rtcp_type type, unsigned fmt)
{
    return b->type == type && b->count == fmt;
}

/* Sender and media SSRC that start every feedback block; the cursor is left at what follows.
 * 0 or -EBADMSG. */
int rtcp_feedback_parse(
    const struct rtcp_block *b, uint32_t *ret_sender, uint32_t *ret_media, struct cursor *ret_fci);

/* Calls fn for each lost sequence number, in the order of the packet. At most RTCP_NACK_MAX numbers are taken
 * from one block, so a datagram cannot cost more than that. Returns how many, or -EBADMSG. */
typedef void (*rtcp_nack_fn)(void *arg, uint32_t media_ssrc, uint16_t seq);
int rtcp_nack_parse(const struct rtcp_block *b, rtcp_nack_fn fn, void *arg);

/* seqs in ascending order (serially). Returns how many of them the block covers: fewer when the writer is
 * nearly full; 0 and nothing written if not even one fits. */
size_t rtcp_nack_write(struct writer *w, uint32_t sender, uint32_t media, const uint16_t *seqs, size_t count);

int rtcp_pli_parse(const struct rtcp_block *b, uint32_t *ret_sender, uint32_t *ret_media);
void rtcp_pli_write(struct writer *w, uint32_t sender, uint32_t media);

/* Calls fn for each entry: the stream that a key frame is wanted of, and the command number (a repetition has
 * the same). Returns how many, or -EBADMSG. */
typedef void (*rtcp_fir_fn)(void *arg, uint32_t media_ssrc, uint8_t command);
int rtcp_fir_parse(const struct rtcp_block *b, rtcp_fir_fn fn, void *arg);
void rtcp_fir_write(struct writer *w, uint32_t sender, uint32_t media, uint8_t command);

#define RTCP_REMB_SSRCS_MAX 255

/* Receiver estimated maximum bitrate. Up to cap SSRCs are stored; ret_count says how many there are. 0;
 * -EBADMSG; -ENOMSG when the block is application feedback of another kind. */
int rtcp_remb_parse(
    const struct rtcp_block *b, uint64_t *ret_bps, uint32_t *ret_ssrcs, size_t cap, size_t *ret_count);
void rtcp_remb_write(struct writer *w, uint32_t sender, uint64_t bps, const uint32_t *ssrcs, size_t count);

/* ---- for other writers of blocks ---- */

/* Starts a block and returns its offset; rtcp_end puts its length in words (the body must be a multiple of
 * four), or takes the whole block back if something did not fit (w->bad stays set). */
size_t rtcp_begin(struct writer *w, uint8_t type, unsigned count);
void rtcp_end(struct writer *w, size_t at);

#endif
