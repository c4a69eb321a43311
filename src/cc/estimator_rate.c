#include "cc/estimator_rate.h"

#define STEPS_MIN 3 /* whole ones, before there is a rate */

void estimator_rate_init(struct estimator_rate *r)
{
    *r = (struct estimator_rate){0};
}

static unsigned slot(int64_t step)
{
    int64_t m = step % ESTIMATOR_RATE_STEPS;
    return (unsigned)(m < 0 ? m + ESTIMATOR_RATE_STEPS : m);
}

void estimator_rate_input(struct estimator_rate *r, uint32_t bytes, int64_t at_us)
{
    int64_t step = at_us / ESTIMATOR_RATE_STEP_US;
    if (!r->started) {
        estimator_rate_init(r);
        r->started = true;
        r->newest = r->oldest = step;
    }
    if (step <= r->newest - ESTIMATOR_RATE_STEPS)
        return;
    int64_t first = r->newest + 1;
    if (step - first >= ESTIMATOR_RATE_STEPS)
        first = step - ESTIMATOR_RATE_STEPS + 1;
    for (int64_t i = first; i <= step; i++)
        r->bytes[slot(i)] = r->packets[slot(i)] = 0;
    if (step > r->newest)
        r->newest = step;
    r->bytes[slot(step)] += bytes;
    if (r->packets[slot(step)] < UINT16_MAX)
        r->packets[slot(step)]++;
}

int64_t estimator_rate_bps(const struct estimator_rate *r, int64_t span_us, unsigned min_packets)
{
    if (!r->started || r->newest - r->oldest < STEPS_MIN)
        return 0;
    int64_t bytes = 0, steps = 0, want = span_us / ESTIMATOR_RATE_STEP_US;
    unsigned packets = 0;
    /* the first step ever is one that the flow began in */
    for (int64_t i = r->newest - 1; i > r->newest - ESTIMATOR_RATE_STEPS && i >= r->oldest; i--) {
        if (steps >= want && packets >= min_packets)
            break;
        bytes += r->bytes[slot(i)];
        packets += r->packets[slot(i)];
        steps++;
    }
    return steps ? bytes * 8 * 1000000 / (steps * ESTIMATOR_RATE_STEP_US) : 0;
}
