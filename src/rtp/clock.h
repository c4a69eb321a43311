/* The relation between a stream's timestamps and wall time, as its sender reports give it
 * (RFC 3550, section 6.4.1). */
#ifndef RTP_CLOCK_H
#define RTP_CLOCK_H

#include <stdbool.h>
#include <stdint.h>

/* A pair (NTP time, timestamp) and our time when we learnt it. Zero-initialised: not known. */
struct rtp_clock {
    bool valid;
    uint32_t rate; /* timestamp units a second */
    uint32_t ts;
    uint64_t ntp;    /* 32.32 fixed-point seconds, the sender's clock */
    int64_t recv_us; /* monotonic */
};

/* Differences of NTP times (a - b) in microseconds, and back. */
int64_t ntp_diff_us(uint64_t a, uint64_t b);
uint64_t ntp_add_us(uint64_t ntp, int64_t us);

/* Wall time (microseconds since 1970) as NTP time. */
uint64_t ntp_from_wall_us(int64_t wall_us);

/* us microseconds in timestamp units, rounded to nearest; and back. */
int64_t rtp_us_to_units(int64_t us, uint32_t rate);
int64_t rtp_units_to_us(int64_t units, uint32_t rate);

/* Takes in a sender report. */
void rtp_clock_input(struct rtp_clock *c, uint64_t ntp, uint32_t ts, uint32_t rate, int64_t now_us);

/* The sender's NTP time at a timestamp near the report. c must be valid. */
uint64_t rtp_clock_ntp(const struct rtp_clock *c, uint32_t ts);

/* The timestamp at an NTP time near the report. c must be valid. */
uint32_t rtp_clock_ts(const struct rtp_clock *c, uint64_t ntp);

/* What a sender report made now should say: the reported pair, moved on by the time that has passed. */
void rtp_clock_now(const struct rtp_clock *c, int64_t now_us, uint64_t *ret_ntp, uint32_t *ret_ts);

#endif
