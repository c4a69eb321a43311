/* Receiver-side loss detection: which sequence numbers are missing, and when to ask for them (RFC
 * 4585, 6.2.1). Bounded memory and work; no I/O. A missing packet is first asked for after a short wait for
 * reordering, which adapts to the path, then once per round trip (later on slower) until it comes, an answer
 * would come too late, or it was asked for often enough. Thread of the track. */
#ifndef RTP_NACK_H
#define RTP_NACK_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include "base/limits.h"
#include "rtp/seq.h"

struct nack_entry {
    int64_t seq;      /* extended */
    int64_t since_us; /* found missing */
    int64_t next_us;  /* time to ask (again); INT64_MAX: no longer needed, and only kept to know it when it
                         comes */
    int64_t asked_us; /* first time it was asked for; valid if tries > 0 */
    uint8_t tries;
};

struct nack {
    struct seq_unwrap unwrap;
    int64_t rtt_us;
    int64_t age_us;     /* what is missing for longer is given up; nack_init sets NACK_AGE_US */
    int64_t answer_us;  /* from the request for the newest recovered packet to its arrival; 0: asked for more
                           than once, so nobody knows which request it answers (Karn) */
    bool rtt_reported;  /* nack_rtt was called */
    int64_t reorder_us; /* wait before the first request */
    int64_t next_us;    /* earliest next_us of the entries; INT64_MAX: none */
    bool key_frame;     /* something was given up */
    uint16_t count;
    uint64_t lost;                            /* numbers given up since the start */
    uint64_t recovered;                       /* numbers that came after they were asked for */
    struct nack_entry entries[NACK_LIST_MAX]; /* ascending */
};

enum nack_arrival {
    NACK_NEW,       /* ahead of everything so far (the gap before it, if any, is now missing) */
    NACK_REORDERED, /* was missing, came by itself */
    NACK_RECOVERED, /* was missing and asked for */
    NACK_OLD, /* a duplicate, or given up, or from before the start; it may still be of use to receivers */
    NACK_RESTART, /* so far ahead that the source must have jumped: nothing of the gap is asked for, see
                     key_frame */
};

void nack_init(struct nack *n);

/* A packet came (also one unwrapped from RTX). *ret_seq, if not NULL, is its extended number. */
enum nack_arrival nack_input(struct nack *n, uint16_t seq, int64_t now_us, int64_t *ret_seq);

/* Round-trip time to the sender, by reports; until it is known NACK_RTT_DEFAULT_US is assumed. */
void nack_rtt(struct nack *n, int64_t rtt_us);

/* The packet that nack_input just called NACK_RECOVERED came by RTX: it answers a request for certain. Where
 * no report tells the round trip, the time that answers take does. */
void nack_answered(struct nack *n);

/* The numbers to ask for now, ascending, at most cap; each is then not due for a round trip. Returns how
 * many. Gives up on what was asked for NACK_TRIES_MAX times, is too old, or would be when the answer came. */
size_t nack_due(struct nack *n, int64_t now_us, uint16_t *ret_seqs, size_t cap);

/* When nack_due has something to do; INT64_MAX: never. */
static inline int64_t nack_next_timeout(const struct nack *n)
{
    return n->next_us;
}

/* Was anything given up since the last call? Then only a key frame helps (video). */
bool nack_take_key_frame(struct nack *n);

/* A key frame starts at this number: what is missing before it is no longer asked for. */
void nack_forget_before(struct nack *n, int64_t seq);

#endif
