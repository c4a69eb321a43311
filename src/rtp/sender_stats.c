#include "rtp/sender_stats.h"

#include "rtp/clock.h"

#define RTT_MAX_US 60000000 /* what looks longer is a broken DLSR */

void sender_stats_init(struct sender_stats *s, uint32_t ssrc)
{
    *s = (struct sender_stats){.ssrc = ssrc};
}

void sender_stats_packet(struct sender_stats *s, size_t payload_len)
{
    s->packets++;
    s->octets += payload_len;
}

void sender_stats_sr(struct sender_stats *s, uint64_t ntp, uint32_t ts, int64_t now_us, struct rtcp_sr *ret)
{
    s->reports[s->next_report].mid = (uint32_t)(ntp >> 16);
    s->reports[s->next_report].sent_us = now_us;
    s->next_report = (uint8_t)((s->next_report + 1) % SENDER_STATS_REPORTS);
    *ret = (struct rtcp_sr){
        .ssrc = s->ssrc,
        .ntp = ntp,
        .ts = ts,
        .packets = (uint32_t)s->packets,
        .octets = (uint32_t)s->octets,
    };
}

int64_t sender_stats_report(struct sender_stats *s, const struct rtcp_report *r, int64_t now_us)
{
    s->fraction_lost = r->fraction_lost;
    s->total_lost = r->total_lost;
    s->jitter = r->jitter;
    if (r->lsr == 0)
        return 0;
    for (unsigned i = 0; i < SENDER_STATS_REPORTS; i++) {
        if (s->reports[i].mid != r->lsr)
            continue;
        int64_t held_us = rtp_units_to_us(r->dlsr, 65536);
        int64_t rtt_us = now_us - s->reports[i].sent_us - held_us;
        if (rtt_us > RTT_MAX_US || held_us > RTT_MAX_US)
            return 0;
        if (rtt_us < 1)
            rtt_us = 1; /* the two clocks' rounding */
        s->rtt_us = s->rtt_us ? s->rtt_us + (rtt_us - s->rtt_us) / 8 : rtt_us;
        return rtt_us;
    }
    return 0;
}
