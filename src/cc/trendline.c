#include "cc/trendline.h"

#include <math.h>

#define SMOOTHING         0.9
#define GAIN              4.0
#define DELTAS_MAX        60
#define THRESHOLD_MS      12.5
#define THRESHOLD_MIN_MS  6.0
#define THRESHOLD_MAX_MS  600.0
#define THRESHOLD_UP      0.0087 /* of the distance, a ms */
#define THRESHOLD_DOWN    0.039
#define OUTLIER_MS        15.0 /* a slope so far above is a spike and moves no threshold */
#define OVERUSE_MS        10.0
#define ADAPT_STEP_MAX_MS 100.0

void trendline_init(struct trendline *t)
{
    *t = (struct trendline){.threshold_ms = THRESHOLD_MS};
}

/* Least squares. A line needs two different times. */
static double slope(const struct trendline *t)
{
    double x = 0, y = 0;
    for (unsigned i = 0; i < t->count; i++) {
        x += t->at_ms[i];
        y += t->delay_ms[i];
    }
    x /= t->count;
    y /= t->count;
    double up = 0, down = 0;
    for (unsigned i = 0; i < t->count; i++) {
        up += (t->at_ms[i] - x) * (t->delay_ms[i] - y);
        down += (t->at_ms[i] - x) * (t->at_ms[i] - x);
    }
    return down > 0 ? up / down : 0;
}

static void threshold_adapt(struct trendline *t, double trend, int64_t at_us)
{
    double size = fabs(trend);
    double step_ms = t->adapted_us ? (double)(at_us - t->adapted_us) / 1000 : 0;
    t->adapted_us = at_us;
    if (size > t->threshold_ms + OUTLIER_MS)
        return;
    if (step_ms < 0)
        step_ms = 0;
    if (step_ms > ADAPT_STEP_MAX_MS)
        step_ms = ADAPT_STEP_MAX_MS;
    double k = size < t->threshold_ms ? THRESHOLD_DOWN : THRESHOLD_UP;
    t->threshold_ms += k * (size - t->threshold_ms) * step_ms;
    t->threshold_ms = fmin(fmax(t->threshold_ms, THRESHOLD_MIN_MS), THRESHOLD_MAX_MS);
}

static void detect(struct trendline *t, double trend, double span_ms)
{
    if (trend > t->threshold_ms) {
        t->over_ms = t->over_count == 0 ? span_ms / 2 : t->over_ms + span_ms;
        t->over_count++;
        if (t->over_ms > OVERUSE_MS && t->over_count > 1 && trend >= t->trend) {
            t->over_ms = 0;
            t->over_count = 0;
            t->state = TRENDLINE_OVERUSE;
        }
    } else {
        t->over_ms = 0;
        t->over_count = 0;
        t->state = trend < -t->threshold_ms ? TRENDLINE_UNDERUSE : TRENDLINE_NORMAL;
    }
}

enum trendline_state trendline_input(struct trendline *t, const struct delay_delta *d)
{
    if (t->deltas == 0)
        t->start_us = d->at_us;
    if (t->deltas < DELTAS_MAX)
        t->deltas++;
    t->sum_ms += (double)(d->recv_us - d->sent_us) / 1000;
    t->smooth_ms = SMOOTHING * t->smooth_ms + (1 - SMOOTHING) * t->sum_ms;
    t->at_ms[t->next] = (double)(d->at_us - t->start_us) / 1000;
    t->delay_ms[t->next] = t->smooth_ms;
    t->next = (t->next + 1) % TRENDLINE_POINTS;
    if (t->count < TRENDLINE_POINTS)
        t->count++;
    if (t->deltas < 2)
        return t->state;
    /* with few points the line is no line yet: the last slope stands */
    double trend = (t->count == TRENDLINE_POINTS ? slope(t) : 0) * t->deltas * GAIN;
    detect(t, trend, (double)d->sent_us / 1000);
    threshold_adapt(t, trend, d->at_us);
    t->trend = trend;
    return t->state;
}
