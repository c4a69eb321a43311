#include "rtp/clock.h"

#include "rtp/seq.h"

#define NTP_UNIX_OFFSET_S UINT64_C(2208988800) /* seconds from 1900 to 1970 */

/* a * num / den, rounded to nearest, without overflow for the sizes used here. */
static int64_t scale(int64_t a, uint64_t num, uint64_t den)
{
    __int128 v = (__int128)a * (__int128)num;
    __int128 half = (__int128)(den / 2);
    return (int64_t)(v >= 0 ? (v + half) / (__int128)den : (v - half) / (__int128)den);
}

int64_t ntp_diff_us(uint64_t a, uint64_t b)
{
    return scale((int64_t)(a - b), 1000000, UINT64_C(1) << 32);
}

uint64_t ntp_add_us(uint64_t ntp, int64_t us)
{
    return ntp + (uint64_t)scale(us, UINT64_C(1) << 32, 1000000);
}

uint64_t ntp_from_wall_us(int64_t wall_us)
{
    return ntp_add_us(NTP_UNIX_OFFSET_S << 32, wall_us);
}

int64_t rtp_us_to_units(int64_t us, uint32_t rate)
{
    return scale(us, rate, 1000000);
}

int64_t rtp_units_to_us(int64_t units, uint32_t rate)
{
    return rate ? scale(units, 1000000, rate) : 0;
}

void rtp_clock_input(struct rtp_clock *c, uint64_t ntp, uint32_t ts, uint32_t rate, int64_t now_us)
{
    /* RFC 3550, section 6.4.1: a sender without a clock may put zero */
    if (ntp == 0 || rate == 0)
        return;
    *c = (struct rtp_clock){.valid = true, .rate = rate, .ts = ts, .ntp = ntp, .recv_us = now_us};
}

uint64_t rtp_clock_ntp(const struct rtp_clock *c, uint32_t ts)
{
    return ntp_add_us(c->ntp, rtp_units_to_us(ts_diff(ts, c->ts), c->rate));
}

uint32_t rtp_clock_ts(const struct rtp_clock *c, uint64_t ntp)
{
    return c->ts + (uint32_t)rtp_us_to_units(ntp_diff_us(ntp, c->ntp), c->rate);
}

void rtp_clock_now(const struct rtp_clock *c, int64_t now_us, uint64_t *ret_ntp, uint32_t *ret_ts)
{
    int64_t passed_us = now_us - c->recv_us;
    *ret_ntp = ntp_add_us(c->ntp, passed_us);
    *ret_ts = c->ts + (uint32_t)rtp_us_to_units(passed_us, c->rate);
}
