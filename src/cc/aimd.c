#include "cc/aimd.h"

#include <math.h>

#define BETA                 0.85
#define GROWTH               1.08 /* a second */
#define ACKED_FACTOR         1.5  /* times what arrives, at most: what was never sent is unknown */
#define ACKED_ROOM_BPS       10000
#define CAPACITY_WEIGHT      0.25
#define DEV_MIN              0.03
#define DEV_MAX              0.10
#define DEV_START            0.05
#define PACKET_BITS          (1200 * 8)
#define SLOPE_MIN_BPS        4000 /* a second */
#define RESPONSE_US          100000
#define DECREASE_GAP_US      150000
#define OVERUSE_QUEUE_US     25000 /* a slope of less is that of a frame's packets, one behind the other */
#define STEP_MAX_US          1000000
#define APP_LIMITED_QUEUE_US 60000
#define SLOPE_SHARE          0.01    /* of the rate a second: fast links */
#define LINK_WEIGHT          0.3     /* of the best rate of late; below this, others may fill the queue */
#define LINK_HALVES_S        300.0   /* that best rate is forgotten in this time */
#define LINK_ARRIVES         0.85    /* of the rate: when less arrives, it is the link and not the others */
#define LINK_SHORT_US        1000000 /* and that for this long */
#define LINK_SHORT_DECAY     0.35    /* a second */
#define SOFT_BETA            0.97
#define SOFT_GAP_US          1000000
#define APP_LIMITED_AGAIN_US 1000000
#define APP_LIMITED_MOST     2   /* times what arrives */
#define DRAIN_SHARE          0.7 /* of the rate: what arrives is less than this, so the link got slower */
#define DRAIN_DOUBT_US       150000
#define DRAIN_PROOF_US       500000  /* after this it can be seen whether the queue falls */
#define DRAIN_PROOF          0.5     /* as fast as it should */
#define DRAIN_BEFORE_US      1000000 /* what was sent so long ago may still be in the queue */
#define DRAIN_QUEUE_US       100000
#define DRAIN_DONE_US        40000
#define DRAIN_LEARN_US       300000 /* so long the newest measure of the link counts, then the highest */
#define DRAIN_SPAN_US        600000 /* the queue is to be gone in about this time */
#define DRAIN_MAX_US         2000000
#define DRAIN_GAP_US         4000000 /* between two of them; twice that after one that was in vain, and so on */
#define DRAIN_GAP_MAX_US     32000000
#define DRAIN_LEAST          0.1

void aimd_init(struct aimd *a, int64_t start_bps, int64_t min_bps, int64_t max_bps, int64_t now_us)
{
    *a = (struct aimd){.rate_bps = start_bps,
        .min_bps = min_bps,
        .max_bps = max_bps,
        .changed_us = now_us,
        .short_us = now_us,
        .drain_gap_us = DRAIN_GAP_US,
        .decreased_us = INT64_MIN / 2,
        .drain_from_us = INT64_MIN / 2};
}

static void rate_put(struct aimd *a, double rate_bps, int64_t now_us)
{
    a->rate_bps = (int64_t)fmin(fmax(rate_bps, (double)a->min_bps), (double)a->max_bps);
    a->changed_us = now_us;
}

/* ---- link capacity ---- */

static void capacity_input(struct aimd *a, double bps)
{
    if (a->capacity_bps <= 0) {
        a->capacity_bps = bps;
        a->capacity_dev = DEV_START;
        return;
    }
    double off = fabs(bps - a->capacity_bps) / a->capacity_bps;
    if (off > 3 * a->capacity_dev) {
        a->capacity_bps = bps; /* another link than before */
        a->capacity_dev = DEV_START;
        return;
    }
    a->capacity_bps += CAPACITY_WEIGHT * (bps - a->capacity_bps);
    a->capacity_dev += CAPACITY_WEIGHT * (off - a->capacity_dev);
    a->capacity_dev = fmin(fmax(a->capacity_dev, DEV_MIN), DEV_MAX);
}

static bool near_capacity(const struct aimd *a, double bps)
{
    return a->capacity_bps > 0 && bps >= a->capacity_bps * (1 - 3 * a->capacity_dev);
}

/* ---- beside flows that fill the queue ---- */

static void link_input(struct aimd *a, const struct aimd_input *in, int64_t now_us)
{
    double seconds = fmin((double)(now_us - a->changed_us) / 1e6, 1), acked = (double)in->acked_bps;
    a->link_bps *= 1 - seconds * 0.693 / LINK_HALVES_S;
    if (acked > a->link_bps)
        a->link_bps = acked;
    bool arrives =
        in->app_limited || a->draining || acked <= 0 || acked >= LINK_ARRIVES * (double)in->estimate_bps;
    if (arrives)
        a->short_us = now_us;
    else if (now_us - a->short_us > LINK_SHORT_US)
        a->link_bps = fmax(acked, a->link_bps * (1 - seconds * LINK_SHORT_DECAY));
}

int64_t aimd_floor_bps(const struct aimd *a)
{
    return (int64_t)(LINK_WEIGHT * a->link_bps);
}

/* So much less than the link carried lately, although all of it arrives: the queue is another flow's, and
 * giving way to it would go on until nothing is left. */
static bool is_squeezed(const struct aimd *a)
{
    return (double)a->rate_bps < LINK_WEIGHT * a->link_bps;
}

/* ---- up ---- */

static void increase(struct aimd *a, const struct aimd_input *in, int64_t now_us)
{
    int64_t step_us = now_us - a->changed_us;
    if (step_us > STEP_MAX_US)
        step_us = STEP_MAX_US;
    double seconds = (double)step_us / 1e6, rate = (double)a->rate_bps;
    if (a->capacity_bps > 0 && (double)in->acked_bps > a->capacity_bps * (1 + 3 * a->capacity_dev))
        a->capacity_bps = 0; /* it carries more than it did */
    if (near_capacity(a, rate) && !is_squeezed(a)) {
        double response_s = (double)(RESPONSE_US + in->rtt_us) / 1e6;
        rate += (PACKET_BITS / 2.0 / response_s + SLOPE_SHARE * rate) * seconds;
    } else {
        rate *= pow(GROWTH, seconds);
    }
    double most = ACKED_FACTOR * (double)in->acked_bps + ACKED_ROOM_BPS;
    if (rate > most)
        rate = fmax(most, (double)a->rate_bps); /* it grows no further, but does not fall for that */
    rate_put(a, rate, now_us);
}

/* ---- down ---- */

static void drain_begin(struct aimd *a, const struct aimd_input *in, int64_t now_us)
{
    if (now_us - a->decreased_us >= DRAIN_BEFORE_US)
        a->before_bps = a->rate_bps;
    a->decreased_us = now_us;
    a->draining = true;
    a->drain_from_us = now_us;
    a->drain_queue_us = in->queue_us;
    a->drain_peak_us = now_us;
    a->drained_bps = in->recent_bps;
}

enum drain_verdict { DRAIN_OURS, DRAIN_OTHERS, DRAIN_UNCLEAR };

static void drain_end(struct aimd *a, enum drain_verdict verdict, int64_t now_us)
{
    double link = (double)a->drained_bps;
    a->draining = false;
    a->decreased_us = now_us;
    if (verdict != DRAIN_OTHERS) {
        a->link_bps = verdict == DRAIN_OURS ? link : fmax(link, a->link_bps / 2);
        a->drain_gap_us = DRAIN_GAP_US;
    } else if (a->drain_gap_us < DRAIN_GAP_MAX_US) {
        a->drain_gap_us *= 2;
    }
    capacity_input(a, link);
    rate_put(a, BETA * link, now_us);
}

/* What is sent now is known to have helped only when it has arrived, through the queue: time counts in terms
 * of sending. */
static void drain(struct aimd *a, const struct aimd_input *in, int64_t now_us)
{
    if (in->recent_bps > 0 && (now_us - a->drain_from_us < DRAIN_LEARN_US || in->recent_bps > a->drained_bps))
        a->drained_bps = in->recent_bps;
    if (in->queue_us > a->drain_queue_us && in->sent_us - a->drain_from_us < DRAIN_LEARN_US) {
        a->drain_queue_us = in->queue_us;
        a->drain_peak_us = in->sent_us > a->drain_from_us ? in->sent_us : a->drain_from_us;
    }
    int64_t since_us = in->sent_us - a->drain_peak_us;
    double fallen = (double)(a->drain_queue_us - in->queue_us);
    double share = fmin(fmax(1 - (double)in->queue_us / DRAIN_SPAN_US, DRAIN_LEAST), BETA);
    bool done = in->queue_us<DRAIN_DONE_US, proven = since_us> DRAIN_PROOF_US;
    if (proven && !done && fallen < DRAIN_PROOF * (1 - share) * (double)since_us)
        drain_end(
            a, DRAIN_OTHERS, now_us); /* the share was even lower till now: it should have fallen by more */
    else if (done || since_us > DRAIN_MAX_US)
        drain_end(a, proven ? DRAIN_OURS : DRAIN_UNCLEAR, now_us);
    else if (now_us - a->drain_from_us > 3 * DRAIN_MAX_US)
        drain_end(a, DRAIN_UNCLEAR, now_us);
    else
        rate_put(a, (double)a->drained_bps * share, now_us);
}

/* Much less arrives than was sent a moment ago, and the queue is long: the link got slower. Also where the
 * queue grows although others seem to fill it: a drain tells whether they do. */
static bool is_crash(const struct aimd *a, const struct aimd_input *in, int64_t now_us)
{
    int64_t rate_bps = a->rate_bps;
    if (now_us - a->decreased_us < DRAIN_BEFORE_US && a->before_bps > rate_bps)
        rate_bps = a->before_bps;
    if (in->app_limited) /* what was allowed may be far above */
        rate_bps = in->sent_bps < rate_bps ? in->sent_bps : rate_bps;
    bool often = now_us - a->drain_from_us <= a->drain_gap_us;
    if (often || in->queue_us <= DRAIN_QUEUE_US || in->recent_bps <= 0)
        return false;
    bool grows = in->state == TRENDLINE_OVERUSE && is_squeezed(a) && !in->app_limited;
    return (double)in->recent_bps < DRAIN_SHARE * (double)rate_bps ||
           (grows && in->queue_us > DRAIN_DOUBT_US);
}

/* What arrives says nothing about the link while the media sets the rate, so one overuse makes it give way
 * only a little. When the queue goes on growing, the link is slower than even that. */
static void app_limited_decrease(struct aimd *a, const struct aimd_input *in, int64_t now_us)
{
    if (in->queue_us <= APP_LIMITED_QUEUE_US)
        return;
    bool again = now_us - a->decreased_us < APP_LIMITED_AGAIN_US;
    double rate = BETA * (double)a->rate_bps, most = APP_LIMITED_MOST * (double)in->acked_bps;
    a->before_bps = a->rate_bps;
    a->decreased_us = now_us;
    rate_put(a, again && most > 0 ? fmin(rate, most) : rate, now_us);
}

static void decrease(struct aimd *a, const struct aimd_input *in, int64_t now_us)
{
    if (in->app_limited) {
        app_limited_decrease(a, in, now_us);
        return;
    }
    double acked = (double)(in->recent_bps > 0 ? in->recent_bps : in->acked_bps);
    double rate = BETA * (acked > 0 ? acked : (double)a->rate_bps);
    if (rate > (double)a->rate_bps)
        rate = (double)a->rate_bps * (now_us - a->decreased_us < 1000000 ? 1 : 0.95);
    if (is_squeezed(a)) {
        if (now_us - a->decreased_us < SOFT_GAP_US)
            return;
        rate = fmax(rate, SOFT_BETA * (double)a->rate_bps);
    } else if (rate < LINK_WEIGHT * a->link_bps) {
        rate = fmin((double)a->rate_bps, LINK_WEIGHT * a->link_bps * 0.99);
    }
    a->before_bps = a->rate_bps;
    a->decreased_us = now_us;
    if (acked > 0)
        capacity_input(a, acked);
    rate_put(a, rate, now_us);
}

int64_t aimd_input(struct aimd *a, const struct aimd_input *in, int64_t now_us)
{
    link_input(a, in, now_us);
    if (a->draining) {
        drain(a, in, now_us);
    } else if (is_crash(a, in, now_us)) {
        drain_begin(a, in, now_us);
        drain(a, in, now_us);
    } else if (in->state == TRENDLINE_OVERUSE) {
        if (in->queue_us > OVERUSE_QUEUE_US && now_us - a->decreased_us >= DECREASE_GAP_US + in->rtt_us)
            decrease(a, in, now_us);
    } else if (in->state == TRENDLINE_NORMAL && in->acked_bps > 0 && in->estimate_bps >= a->rate_bps) {
        /* (a rate that others hold down is not being tried, and does not grow) */
        increase(a, in, now_us);
    }
    a->changed_us = now_us;
    return a->rate_bps;
}

void aimd_set(struct aimd *a, int64_t rate_bps, int64_t now_us)
{
    a->draining = false;
    rate_put(a, (double)rate_bps, now_us);
    if (a->capacity_bps > 0 && (double)rate_bps > a->capacity_bps * (1 + 3 * a->capacity_dev))
        a->capacity_bps = 0;
}
