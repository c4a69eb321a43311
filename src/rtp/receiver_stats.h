/* Statistics of a received stream (RFC 3550, section 6.4 and appendices A.3, A.8). Fixed size. Thread of the
 * track. */
#ifndef RTP_RECEIVER_STATS_H
#define RTP_RECEIVER_STATS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include "rtp/clock.h"
#include "rtp/rtcp.h"
#include "rtp/seq.h"

struct receiver_stats {
    uint32_t ssrc;
    uint32_t rate; /* timestamp units a second */
    struct seq_unwrap seq;
    int64_t base_seq;   /* first number */
    uint64_t packets;   /* received, duplicates and retransmissions included as far as they were passed in */
    uint64_t octets;    /* of payload */
    uint64_t jitter_q4; /* timestamp units, times 16 */
    bool has_transit;
    uint32_t last_transit;
    uint32_t last_ts; /* jitter is taken once a frame: packets of one timestamp were sent in a burst */
    uint64_t expected_prior;
    uint64_t received_prior;
    struct rtp_clock clock; /* from the newest SR */
    uint32_t lsr;           /* middle 32 bits of its NTP time */
    int64_t lsr_us;         /* its arrival */
};

void receiver_stats_init(struct receiver_stats *s, uint32_t ssrc, uint32_t rate);

/* A packet of the stream itself (not one that came by RTX, which would hide the loss). */
void receiver_stats_packet(
    struct receiver_stats *s, uint16_t seq, uint32_t ts, size_t payload_len, int64_t now_us);

/* A sender report of this stream. */
void receiver_stats_sr(struct receiver_stats *s, const struct rtcp_sr *sr, int64_t now_us);

/* Makes the report block and starts the next interval. false: nothing was received yet, no report. */
bool receiver_stats_report(struct receiver_stats *s, int64_t now_us, struct rtcp_report *ret);

/* Interarrival jitter in microseconds. */
int64_t receiver_stats_jitter_us(const struct receiver_stats *s);

/* Packets that never came, so far (negative with duplicates). */
int64_t receiver_stats_lost(const struct receiver_stats *s);

#endif
