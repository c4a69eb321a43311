#include "cc/loss.h"

#include <math.h>

#define WINDOW_US        250000
#define WINDOW_PACKETS   20
#define WINDOW_MAX_US    1000000
#define WEIGHT           0.9 /* of a window against the next one */
#define INHERENT_MAX     0.25
#define INHERENT_FREE    0.05 /* so much is believed without a doubt */
#define INHERENT_COST    0.1  /* log likelihood a packet and share above that */
#define SHARE_MIN        0.002
#define SHARE_MAX        0.98
#define HIGHER_COST      0.002 /* log likelihood a packet: of a tie the higher bound wins */
#define SURPRISE_SIGMA   4.0
#define SURPRISE_PACKETS 3.0
#define RELEASE          1.5 /* a bound so far above what the delay allows is none */
#define CANDIDATES       7

void loss_init(struct loss *l)
{
    *l = (struct loss){.bound_bps = INT64_MAX};
}

void loss_input(struct loss *l, int64_t sent_us, uint16_t size, bool received, bool late)
{
    if (late) {
        if (l->lost > 0)
            l->lost--;
        else if (l->count > 0 && l->windows[l->newest].lost >= 1)
            l->windows[l->newest].lost--;
        if (l->total_lost > 0)
            l->total_lost--;
        return;
    }
    if (l->packets == 0)
        l->first_us = l->last_us = sent_us;
    if (sent_us > l->last_us)
        l->last_us = sent_us;
    l->packets++;
    l->bytes += size;
    l->lost += !received;
    l->total_packets++;
    l->total_lost += !received;
}

/* How much of a rate is too much for a link of bound. */
static double overload(double rate, double bound)
{
    return rate > bound ? 1 - bound / rate : 0;
}

/* The inherent loss that fits best to a bound, and how likely the windows are then. */
static double likelihood(const struct loss *l, double bound, double *ret_inherent)
{
    double lost = 0, passed = 0, packets = 0, weight = 1;
    for (unsigned i = 0; i < l->count; i++, weight *= WEIGHT) {
        const struct loss_window *w = &l->windows[(l->newest + LOSS_WINDOWS - i) % LOSS_WINDOWS];
        double o = overload(w->rate_bps, bound);
        lost += weight * (w->lost - w->packets * o);
        passed += weight * w->packets * (1 - o);
        packets += weight * w->packets;
    }
    double inherent = passed > 0 ? fmin(fmax(lost / passed, 0), INHERENT_MAX) : 0, sum = 0;
    weight = 1;
    for (unsigned i = 0; i < l->count; i++, weight *= WEIGHT) {
        const struct loss_window *w = &l->windows[(l->newest + LOSS_WINDOWS - i) % LOSS_WINDOWS];
        double o = overload(w->rate_bps, bound);
        double share = fmin(fmax(inherent + (1 - inherent) * o, SHARE_MIN), SHARE_MAX);
        sum += weight * (w->lost * log(share) + (w->packets - w->lost) * log(1 - share));
    }
    *ret_inherent = inherent;
    return sum - packets * INHERENT_COST * fmax(0, inherent - INHERENT_FREE);
}

/* Does the newest window contradict what was believed till now? */
static bool is_surprising(const struct loss *l, const struct loss_window *w)
{
    double o = l->bound_bps == INT64_MAX ? 0 : overload(w->rate_bps, (double)l->bound_bps);
    double share = fmin(l->inherent + (1 - l->inherent) * o, SHARE_MAX);
    double expected = share * w->packets;
    return w->lost > expected + SURPRISE_SIGMA * sqrt(expected * (1 - share)) + SURPRISE_PACKETS;
}

static void window_put(struct loss *l, const struct loss_window *w)
{
    l->newest = (l->newest + 1) % LOSS_WINDOWS;
    l->windows[l->newest] = *w;
    if (l->count < LOSS_WINDOWS)
        l->count++;
}

/* One window with much loss may be an outage, which says nothing of the rate; two in a row are another link
 * than before, and the windows from before it count no more. */
static bool window_close(struct loss *l)
{
    struct loss_window w = {
        .rate_bps = (double)l->bytes * 8e6 / (double)(l->last_us - l->first_us),
        .packets = (double)l->packets,
        .lost = (double)l->lost,
    };
    l->packets = l->bytes = l->lost = 0;
    if (is_surprising(l, &w)) {
        bool again = l->surprised;
        l->surprised = true;
        if (!again)
            return false;
        l->count = 0;
    }
    l->surprised = false;
    window_put(l, &w);
    return true;
}

static void hypothesis_choose(struct loss *l, double rate, double acked, double min)
{
    double now = l->bound_bps == INT64_MAX ? rate : (double)l->bound_bps;
    double candidates[CANDIDATES] = {now, now * 1.05, now * 1.2, now * 0.95, now * 0.85, acked, rate};
    double packets = 0, weight = 1, best = -INFINITY, best_bound = now, best_inherent = 0;
    for (unsigned i = 0; i < l->count; i++, weight *= WEIGHT)
        packets += weight * l->windows[(l->newest + LOSS_WINDOWS - i) % LOSS_WINDOWS].packets;
    for (unsigned i = 0; i < CANDIDATES; i++) {
        double bound = fmax(candidates[i], min), inherent;
        if (candidates[i] <= 0)
            continue;
        double score = likelihood(l, bound, &inherent) + packets * HIGHER_COST * log(bound / now);
        if (score > best) {
            best = score;
            best_bound = bound;
            best_inherent = inherent;
        }
    }
    if (best_bound > now * 1.2)
        best_bound = now * 1.2;
    l->bound_bps = (int64_t)best_bound;
    l->inherent = best_inherent;
}

double loss_share(const struct loss *l)
{
    double packets = 0, lost = 0;
    for (unsigned i = 0; i < l->count; i++) {
        const struct loss_window *w = &l->windows[(l->newest + LOSS_WINDOWS - i) % LOSS_WINDOWS];
        packets += w->packets;
        lost += w->lost;
    }
    return packets > 0 ? lost / packets : 0;
}

int64_t loss_update(struct loss *l, int64_t rate_bps, int64_t acked_bps, int64_t min_bps)
{
    int64_t span_us = l->last_us - l->first_us;
    if (l->packets < 2 || span_us < WINDOW_US || (l->packets < WINDOW_PACKETS && span_us < WINDOW_MAX_US))
        return l->bound_bps;
    if (!window_close(l))
        return l->bound_bps;
    if (loss_share(l) == 0 && l->bound_bps == INT64_MAX)
        return l->bound_bps; /* the usual case costs nothing */
    hypothesis_choose(l, (double)rate_bps, (double)acked_bps, (double)min_bps);
    if ((double)l->bound_bps > RELEASE * (double)rate_bps)
        l->bound_bps = INT64_MAX;
    return l->bound_bps;
}
