#include "rtp/receiver_stats.h"

void receiver_stats_init(struct receiver_stats *s, uint32_t ssrc, uint32_t rate)
{
    *s = (struct receiver_stats){.ssrc = ssrc, .rate = rate};
}

/* RFC 3550, appendix A.8, in sixteenths of a unit. */
static void jitter_input(struct receiver_stats *s, uint32_t ts, int64_t now_us)
{
    uint32_t transit = (uint32_t)rtp_us_to_units(now_us, s->rate) - ts;
    if (s->has_transit && ts != s->last_ts) {
        int64_t d = ts_diff(transit, s->last_transit);
        if (d < 0)
            d = -d;
        /* A jump of the source's clock is not jitter. */
        if (d < 5 * (int64_t)s->rate)
            s->jitter_q4 = (uint64_t)((int64_t)s->jitter_q4 + d - (((int64_t)s->jitter_q4 + 8) >> 4));
    }
    if (!s->has_transit || ts != s->last_ts) {
        s->last_transit = transit;
        s->last_ts = ts;
        s->has_transit = true;
    }
}

void receiver_stats_packet(
    struct receiver_stats *s, uint16_t seq, uint32_t ts, size_t payload_len, int64_t now_us)
{
    bool first = !s->seq.started;
    int64_t before = s->seq.highest;
    int64_t ext = seq_unwrap(&s->seq, seq);
    if (first)
        s->base_seq = ext;
    else if (ext < s->base_seq)
        s->base_seq = ext; /* reordered at the very start */
    s->packets++;
    s->octets += payload_len;
    /* Late packets say nothing about the path's delay now: they may have waited for a request. */
    if (first || ext > before)
        jitter_input(s, ts, now_us);
}

void receiver_stats_sr(struct receiver_stats *s, const struct rtcp_sr *sr, int64_t now_us)
{
    rtp_clock_input(&s->clock, sr->ntp, sr->ts, s->rate, now_us);
    s->lsr = (uint32_t)(sr->ntp >> 16);
    s->lsr_us = now_us;
}

static uint64_t expected(const struct receiver_stats *s)
{
    return s->seq.started ? (uint64_t)(s->seq.highest - s->base_seq + 1) : 0;
}

int64_t receiver_stats_lost(const struct receiver_stats *s)
{
    return (int64_t)(expected(s) - s->packets);
}

bool receiver_stats_report(struct receiver_stats *s, int64_t now_us, struct rtcp_report *ret)
{
    if (!s->seq.started)
        return false;
    /* RFC 3550, appendix A.3 */
    uint64_t all = expected(s);
    int64_t expected_interval = (int64_t)(all - s->expected_prior);
    int64_t received_interval = (int64_t)(s->packets - s->received_prior);
    int64_t lost_interval = expected_interval - received_interval;
    s->expected_prior = all;
    s->received_prior = s->packets;
    uint8_t fraction = 0;
    if (expected_interval > 0 && lost_interval > 0) {
        int64_t f = (lost_interval << 8) / expected_interval;
        fraction = f > 255 ? 255 : (uint8_t)f;
    }
    int64_t lost = receiver_stats_lost(s);
    *ret = (struct rtcp_report){
        .ssrc = s->ssrc,
        .fraction_lost = fraction,
        .total_lost = lost > 0x7fffff    ? 0x7fffff
                      : lost < -0x800000 ? -0x800000
                                         : (int32_t)lost,
        .highest_seq = (uint32_t)s->seq.highest,
        .jitter = (uint32_t)(s->jitter_q4 >> 4),
        .lsr = s->lsr,
    };
    if (s->lsr) {
        int64_t waited_us = now_us - s->lsr_us;
        ret->dlsr = waited_us > 0 ? (uint32_t)rtp_us_to_units(waited_us, 65536) : 0;
    }
    return true;
}

int64_t receiver_stats_jitter_us(const struct receiver_stats *s)
{
    return rtp_units_to_us((int64_t)(s->jitter_q4 >> 4), s->rate);
}
