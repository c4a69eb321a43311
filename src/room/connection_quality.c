#include "room/connection_quality.h"

/* Points that loss costs at most unless this share is lost, that a picture without some of its layers is
 * worth, and that a score has to be beyond a bound to be called better. */
#define LOSS_POINTS_MAX 75
#define LOSS_UNBEARABLE 0.5f
#define LOWER_POINTS    75
#define LOWEST_POINTS   55
#define STOPPED_POINTS  30
#define BETTER_POINTS   3

#define EXCELLENT_ABOVE 80
#define GOOD_ABOVE      40
#define POOR_ABOVE      20

/* 100 less the effect of delay and loss, as the E-model of ITU-T G.107 weighs them: delay beyond 177.3 ms
 * hurts more. */
float connection_network_score(const struct connection_network *n)
{
    float loss = n->loss >= 0 ? n->loss : 0; /* false for what is no number, too */
    loss = loss > 1 ? 1 : loss;
    float delay = (float)n->rtt_ms / 2 + 2 * (float)n->jitter_ms;
    float effect = 0.024f * delay + (delay > 177.3f ? 0.11f * (delay - 177.3f) : 0);
    float lost = n->loss_points * loss * 100;
    if (loss < LOSS_UNBEARABLE)
        lost = lost > LOSS_POINTS_MAX ? LOSS_POINTS_MAX : lost;
    else
        lost = CONNECTION_SCORE_MAX;
    float s = CONNECTION_SCORE_MAX - effect - lost;
    return s < 0 ? 0 : s;
}

float connection_pictures_score(const struct connection_pictures *p)
{
    uint64_t n = (uint64_t)p->full + p->lower + p->lowest + p->stopped;
    if (!n)
        return CONNECTION_SCORE_MAX;
    uint64_t sum = (uint64_t)p->full * CONNECTION_SCORE_MAX + (uint64_t)p->lower * LOWER_POINTS +
                   (uint64_t)p->lowest * LOWEST_POINTS + (uint64_t)p->stopped * STOPPED_POINTS;
    float s = (float)((double)sum / (double)n);
    return p->stopped && s > EXCELLENT_ABOVE ? EXCELLENT_ABOVE : s;
}

/* How far up a grade is; the protocol's numbers are not in order. */
static int height(enum connection_quality q)
{
    return q == CONNECTION_LOST ? 0 : (int)q + 1;
}

static enum connection_quality grade_of(float s)
{
    if (s > EXCELLENT_ABOVE)
        return CONNECTION_EXCELLENT;
    if (s > GOOD_ABOVE)
        return CONNECTION_GOOD;
    return s > POOR_ABOVE ? CONNECTION_POOR : CONNECTION_LOST;
}

enum connection_quality connection_grade(float score, enum connection_quality before)
{
    enum connection_quality now = grade_of(score), surely = grade_of(score - BETTER_POINTS);
    if (height(now) <= height(before))
        return now;
    return height(surely) > height(before) ? surely : before;
}

/* ITU-T G.107, annex B. */
float connection_mos(float s)
{
    s = s > CONNECTION_SCORE_MAX ? CONNECTION_SCORE_MAX : s >= 0 ? s : 0;
    float mos = 1 + 0.035f * s + 7e-6f * s * (s - 60) * (100 - s);
    return mos < 1 ? 1 : mos;
}
