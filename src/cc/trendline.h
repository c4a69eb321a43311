/* Does the queueing delay grow? A line through the last delay variations, and a threshold for its slope that
 * follows it slowly, so that the sender neither starves beside flows that fill the queue nor reacts to jitter
 * (draft-ietf-rmcat-gcc-02, section 5.4; Carlucci et al., "Analysis and Design of the Google Congestion
 * Control for WebRTC", MMSys 2016). Pure; plain data. */
#ifndef CC_TRENDLINE_H
#define CC_TRENDLINE_H

#include <stdint.h>
#include "cc/delay.h"

#define TRENDLINE_POINTS 20

enum trendline_state { TRENDLINE_NORMAL, TRENDLINE_OVERUSE, TRENDLINE_UNDERUSE };

struct trendline {
    enum trendline_state state;
    double at_ms[TRENDLINE_POINTS];    /* arrival of a group since the first one */
    double delay_ms[TRENDLINE_POINTS]; /* accumulated variation, smoothed */
    unsigned count, next;
    unsigned deltas; /* groups seen, up to a limit: the weight of the slope */
    int64_t start_us;
    double sum_ms, smooth_ms;
    double trend;        /* slope as last compared, ms of delay a ms, scaled */
    double threshold_ms; /* what it is compared with */
    int64_t adapted_us;
    double over_ms; /* for how long it has been above */
    unsigned over_count;
};

void trendline_init(struct trendline *t);

/* The state after this group. */
enum trendline_state trendline_input(struct trendline *t, const struct delay_delta *d);

#endif
