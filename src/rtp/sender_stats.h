/* Statistics of a sent stream, for its sender reports, and round-trip time from the reports on it (RFC 3550,
 * section 6.4.1). Fixed size. Thread of the receiver that it is sent to. */
#ifndef RTP_SENDER_STATS_H
#define RTP_SENDER_STATS_H

#include <stddef.h>
#include <stdint.h>
#include "rtp/rtcp.h"

#define SENDER_STATS_REPORTS                                                                                 \
    4 /* own reports remembered: a receiver answers the last one or the one before                           \
       */

struct sender_stats {
    uint32_t ssrc;
    uint64_t packets;
    uint64_t octets; /* of payload */
    struct {
        uint32_t mid; /* middle 32 bits of the NTP time; 0: unused */
        int64_t sent_us;
    } reports[SENDER_STATS_REPORTS];
    uint8_t next_report;
    /* from the newest report on this stream */
    int64_t rtt_us; /* smoothed; 0: unknown */
    uint8_t fraction_lost;
    int32_t total_lost;
    uint32_t jitter; /* timestamp units */
};

void sender_stats_init(struct sender_stats *s, uint32_t ssrc);
void sender_stats_packet(struct sender_stats *s, size_t payload_len);

/* Fills a sender report whose NTP time and timestamp the caller knows (rtp_clock_now, plus
 * rewrite_ts_offset). */
void sender_stats_sr(struct sender_stats *s, uint64_t ntp, uint32_t ts, int64_t now_us, struct rtcp_sr *ret);

/* A report block about this stream. Returns the round-trip time it shows in microseconds (at least 1), or 0
 * if it answers no report of ours. */
int64_t sender_stats_report(struct sender_stats *s, const struct rtcp_report *r, int64_t now_us);

#endif
