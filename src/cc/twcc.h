/* Transport-wide congestion control feedback (draft-holmer-rmcat-transport-wide-cc-extensions-01): the
 * receive side records arrivals and reports them; the send side numbers packets and reads the reports. Fixed
 * memory, no I/O, time is an argument. Thread of the transport. */
#ifndef CC_TWCC_H
#define CC_TWCC_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include "base/cursor.h"
#include "base/limits.h"
#include "rtp/rtcp.h"
#include "rtp/seq.h"

/* ---- receive side (twcc_recorder.c) ---- */

struct twcc_recorder {
    struct seq_unwrap unwrap;
    int64_t base; /* first number of the next report */
    int64_t end;  /* one past the newest recorded number */
    bool started;
    bool pending;                    /* something to report since the last one */
    uint8_t count;                   /* feedback packet counter of the next report */
    int64_t next_us;                 /* when the next report is due; INT64_MAX: nothing to report */
    int64_t last_us;                 /* when the last report was made */
    int64_t since_us;                /* first arrival since then */
    uint32_t packets;                /* recorded since the last report */
    uint64_t dropped;                /* arrivals that were too old to report */
    int64_t arrival_us[TWCC_WINDOW]; /* by number; 0: not received */
};

void twcc_recorder_init(struct twcc_recorder *r);

/* A packet with this transport-wide number came. now_us > 0. */
void twcc_recorder_input(struct twcc_recorder *r, uint16_t seq, int64_t now_us);

/* When to call twcc_recorder_write; INT64_MAX: never (nothing came since the last report). */
static inline int64_t twcc_recorder_next_timeout(const struct twcc_recorder *r)
{
    return r->next_us;
}

/* Appends one feedback block (of at most w's room) about what came since the last one. false: nothing to
 * report, or no room (w->bad; 640 bytes are always enough). True with pending still set: more than one block
 * was needed, call again with the next datagram. A report names numbers that are missing so far; they are
 * reported again if they come later. */
bool twcc_recorder_write(
    struct twcc_recorder *r, struct writer *w, uint32_t sender_ssrc, uint32_t media_ssrc, int64_t now_us);

/* ---- send side (twcc_sender.c) ---- */

/* A packet in flight; the ring of these is the caller's memory. */
struct twcc_sent {
    uint32_t sent_us; /* low 32 bits of the send time */
    uint16_t size;    /* bytes on the wire as the caller counts them; 0: free */
    uint8_t tag;      /* the caller's: probe cluster or kind of packet */
    uint8_t reported; /* what reports said so far: 0 nothing, 1 missing, 2 received */
};

struct twcc_sender {
    struct twcc_sent *sent;
    uint32_t mask;
    int64_t next;      /* next number, extended; the low 16 bits go on the wire */
    int64_t newest_us; /* send time of the newest packet */
    int64_t acked;     /* one past the highest number any report covered */
    bool has_reference;
    int64_t reference; /* last reference time, extended, units of 64 ms */
};

/* What a report says about one packet of ours. */
struct twcc_result {
    int64_t seq;
    int64_t sent_us;
    int64_t recv_us; /* in the receiver's clock, from its reference times; valid if received */
    uint16_t size;
    uint8_t tag;
    bool received; /* false: not by the time of the report (it may be in a later one) */
};

/* slots: a power of two, at most 16384. The ring must cover the packets of a round trip and a report
 * interval. 0 or -EINVAL. */
int twcc_sender_init(struct twcc_sender *s, struct twcc_sent *slots, size_t count);

/* Moves to a larger ring of count slots, a power of two: what the old one remembers stays known. The old
 * slots are the caller's again. 0 or -EINVAL, and nothing has changed. */
int twcc_sender_grow(struct twcc_sender *s, struct twcc_sent *slots, size_t count);

/* Do so many packets wait for their report that the ring ought to be larger? Reports are late, lost, and tell
 * again of what they told before, so it should hold some times what is under way. */
static inline bool twcc_sender_is_short(const struct twcc_sender *s)
{
    return (uint64_t)(s->next - s->acked) > s->mask / 4;
}

/* Gives the next number to a packet that is sent now. size: 1 and up. */
uint16_t twcc_sender_next(struct twcc_sender *s, int64_t now_us, uint16_t size, uint8_t tag);

/* Reads a feedback block (RTCP_RTPFB, RTCP_FMT_TWCC) and calls fn for each of our packets that it brings news
 * of, in order: at most once as missing and once as received (a late packet may turn from the one to the
 * other). Numbers never sent or no longer in the ring are passed over. Returns how many calls were made;
 * -EBADMSG, with no call made, if the block is unsound (more statuses than bytes for them, deltas
 * missing). */
typedef void (*twcc_result_fn)(void *arg, const struct twcc_result *r);
int twcc_sender_feedback(struct twcc_sender *s, const struct rtcp_block *b, twcc_result_fn fn, void *arg);

/* ---- the format itself (twcc_format.c), for both sides and for tests ---- */

struct twcc_feedback {
    uint32_t sender_ssrc, media_ssrc;
    uint16_t base;
    uint16_t status_count;
    uint32_t reference; /* 24 bits, units of 64 ms */
    uint8_t count;      /* feedback packet counter */
};

/* One status. delta is in units of 250 us from the previous received packet (the first: from the reference
 * time). */
typedef void (*twcc_status_fn)(void *arg, uint16_t seq, bool received, int32_t delta);

/* Two passes over the block: everything is checked, and *ret set, before the first call of fn (which may be
 * NULL). 0 or -EBADMSG. */
int twcc_feedback_parse(const struct rtcp_block *b, struct twcc_feedback *ret, twcc_status_fn fn, void *arg);

#endif
