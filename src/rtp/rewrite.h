/* Makes one continuous outgoing stream of what a receiver is forwarded, for one (receiver, track): sequence
 * numbers without holes where packets were filtered out or sources switched, timestamps that keep running
 * across simulcast layers, picture ids, tl0 indices and frame numbers that a decoder accepts.
 *
 * The nonce law: an outgoing number is given at most once. New packets get numbers above all earlier ones; a
 * packet that comes late gets the number that was held for it, once, or none. After rewrite_init the numbers
 * only grow, whatever happens; an outgoing SSRC is never given to another struct rewrite.
 *
 * Layer decisions are the caller's. It calls rewrite_switch with the packet at which a source begins (a key
 * frame, for video), rewrite_packet for what passes and rewrite_drop for what does not; a frame passes or is
 * dropped whole (for VP8 that is enforced: what comes late of a dropped picture stays dropped). Fixed memory,
 * no I/O. Thread of the receiver. */
#ifndef RTP_REWRITE_H
#define RTP_REWRITE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include "base/limits.h"
#include "rtp/clock.h"
#include "rtp/header.h"

/* One outgoing number; the ring of these is the caller's memory. */
struct rewrite_slot {
    uint32_t src;           /* low 32 bits of the source's extended number */
    uint16_t picture_shift; /* source picture id minus outgoing one, modulo 2^15 */
    uint8_t epoch;
    uint8_t state : 7;  /* enum rewrite_state */
    uint8_t marker : 1; /* rewrite_mark */
};

enum rewrite_state {
    REWRITE_NONE,     /* not known (too old, or never given) */
    REWRITE_HELD,     /* its packet has not come; the number is kept for it */
    REWRITE_SENT,     /* given to a packet */
    REWRITE_FILTERED, /* its packet came late and was dropped: the number stays empty */
};

/* A stretch of packets from one source. */
struct rewrite_epoch {
    uint32_t source;       /* the caller's number for the source */
    uint32_t ts_offset;    /* outgoing minus source timestamp */
    uint32_t ts_pushed;    /* how much of that only keeps the timestamps moving forward at the switch */
    uint16_t frame_offset; /* outgoing minus source frame number */
    uint8_t tl0_offset;    /* outgoing minus source tl0 */
    bool used;
    bool drawn;         /* timestamps before edge_ts are drawn together */
    uint32_t edge_ts;   /* of the source */
    int64_t src_first;  /* extended source number at which it starts */
    uint64_t out_first; /* first outgoing number */
};

struct rewrite {
    struct rewrite_slot *slots;
    uint32_t mask;
    uint32_t rate;       /* timestamp units a second */
    bool live;           /* a source is chosen (rewrite_switch) and not paused */
    bool started;        /* anything was sent */
    uint8_t epoch;       /* current one */
    uint64_t next;       /* next outgoing number */
    uint64_t first;      /* first outgoing number ever */
    int64_t src_highest; /* newest source number seen in this epoch, forwarded or dropped */
    uint32_t first_ts;
    /* of the newest forwarded packet */
    uint32_t last_ts;
    int64_t last_us; /* its arrival */
    uint16_t last_picture;
    uint16_t last_frame;
    uint8_t last_tl0;
    bool has_picture, has_frame, has_tl0;
    /* VP8: pictures that were dropped are taken out of the numbering */
    bool src_has_picture;
    uint16_t src_picture; /* newest source picture id of this epoch */
    uint16_t picture_shift;
    uint64_t dropped; /* bit n: picture src_picture - n was dropped */
    struct rewrite_epoch epochs[REWRITE_EPOCHS];
};

/* What a packet becomes. */
struct rewrite_out {
    uint64_t seq; /* extended: the low 16 bits go on the wire, the rest is the SRTP rollover counter */
    uint32_t ts;
    uint16_t picture_id;   /* for payload_patch */
    uint16_t frame_number; /* for dd_patch_frame_number */
    uint8_t tl0;           /* for payload_patch */
    bool marker;           /* in's own, or rewrite_mark */
};

/* Where an outgoing number came from. */
struct rewrite_origin {
    enum rewrite_state state;
    uint32_t source; /* as given to rewrite_switch */
    int64_t src_seq; /* extended source number */
    uint64_t seq;    /* extended outgoing number */
};

/* slots: a power of two, 16 to 16384, the caller's until the end. The first number is first_seq & 0x7fff (RFC
 * 3711 section 3.3.1: the upper half makes receivers guess the rollover counter); the first timestamp is
 * first_ts. 0 or -EINVAL. */
int rewrite_init(struct rewrite *r, struct rewrite_slot *slots, size_t count, uint16_t first_seq,
    uint32_t first_ts, uint32_t rate);

/* From now on packets of source are forwarded, beginning with first (which is then given to rewrite_packet).
 * The timestamp continues by the two sources' sender reports (from: of the source so far; to: of the new one;
 * either may be NULL or invalid); for the same source again (after a pause) by its own timestamps; where
 * these are missing or contradict it, by arrival times. It always moves forward. source is best the SSRC:
 * what has numbers of its own. */
void rewrite_switch(struct rewrite *r, uint32_t source, const struct rtp_packet *first, int64_t arrival_us,
    const struct rtp_clock *from, const struct rtp_clock *to);

/* The same for a source of which the receiver is sent the last packets again, first is the oldest of them and
 * edge_ts the timestamp of the newest: what is older than that gets timestamps close before it, 1/64 of the
 * time apart, so that the receiver has caught up when it has them. To be sent up to the newest one at once,
 * with its arrival as that of all of them. */
void rewrite_switch_back(struct rewrite *r, uint32_t source, const struct rtp_packet *first,
    int64_t arrival_us, const struct rtp_clock *from, const struct rtp_clock *to, uint32_t edge_ts);

/* Nothing is forwarded until the next rewrite_switch. */
void rewrite_pause(struct rewrite *r);

/* Gives in its number. 0; -EALREADY: it has one (a duplicate); -ESTALE: from before the switch, too late, or
 * filtered before (as its picture may have been); -ENOTCONN: no source is live. On errors *ret is untouched
 * and the packet must not be sent. */
int rewrite_packet(
    struct rewrite *r, const struct rtp_packet *in, int64_t arrival_us, struct rewrite_out *ret);

/* The packet that was just given out->seq ends its picture for this receiver, whatever its own marker bit
 * says: higher layers are left out. Sets out->marker, now and whenever rewrite_again gives it out. */
void rewrite_mark(struct rewrite *r, struct rewrite_out *out);

/* in is not forwarded: the numbers close up behind it, as far as they have not been given yet. */
void rewrite_drop(struct rewrite *r, const struct rtp_packet *in);

/* Where did this outgoing number, as a NACK names it, come from? 0, or -ENOENT. SENT: get src_seq from the
 * history of source and resend by rewrite_again. HELD: the same, if the history has it. FILTERED: an empty
 * RTX packet (rtx_write) stops the receiver from asking. */
int rewrite_find(const struct rewrite *r, uint16_t out_seq, struct rewrite_origin *ret);

/* What in became, or would have become, under the number o->seq: for a retransmission under another SSRC. in
 * is the packet with number o->src_seq of o->source. 0, or -ENOENT if it is too old by now. */
int rewrite_again(const struct rewrite *r, const struct rewrite_origin *o, const struct rtp_packet *in,
    struct rewrite_out *ret);

/* The outgoing number that the present source began with. */
uint64_t rewrite_begin(const struct rewrite *r);

/* Outgoing minus source timestamp of the current source, for translating its sender reports. */
uint32_t rewrite_ts_offset(const struct rewrite *r);

#endif
