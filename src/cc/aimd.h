/* Rate from the state of the queue: up while it is quiet, down when it grows (draft-ietf-rmcat-gcc-02,
 * section 5.5). Multiplicative while the capacity is unknown, additive near where the link was last found
 * full.
 *
 * Beyond the draft: a slope of the delay counts only with a queue behind it, as frames of several cameras
 * that meet make one on a path that is not full. And where the link turned out to be much slower than what
 * was sent, the rate goes below the capacity for a short while, so that the queue of that moment drains
 * instead of standing.
 *
 * Rates are bit/s. Pure; plain data. */
#ifndef CC_AIMD_H
#define CC_AIMD_H

#include <stdbool.h>
#include <stdint.h>
#include "cc/trendline.h"

struct aimd {
    int64_t rate_bps, min_bps, max_bps;
    int64_t changed_us; /* when the rate was last looked at */
    int64_t decreased_us;
    int64_t before_bps;                /* the rate before the last decrease */
    double capacity_bps, capacity_dev; /* where the link was found full, mean and deviation; 0: unknown */
    double link_bps;                   /* the best that arrived of late */
    int64_t short_us;                  /* since when less arrives than is sent */
    bool draining;
    int64_t drain_from_us;
    int64_t drain_queue_us; /* the longest queue about when it began */
    int64_t drain_peak_us;  /* when what found that was sent */
    int64_t drain_gap_us;   /* the next one not before */
    int64_t drained_bps;    /* the most that arrived while it drained: what the link carries */
};

struct aimd_input {
    enum trendline_state state;
    int64_t acked_bps;    /* arrived lately (half a second); 0: unknown */
    int64_t recent_bps;   /* arrived in a shorter time; 0: unknown */
    int64_t sent_bps;     /* sent lately (half a second); 0: unknown */
    int64_t estimate_bps; /* what was allowed, by this and by others */
    int64_t rtt_us;
    int64_t queue_us; /* time in queues of the newest packet that arrived */
    int64_t sent_us;  /* when that one was sent */
    bool app_limited;
};

void aimd_init(struct aimd *a, int64_t start_bps, int64_t min_bps, int64_t max_bps, int64_t now_us);

/* The rate after this report. */
int64_t aimd_input(struct aimd *a, const struct aimd_input *in, int64_t now_us);

/* What the rate does not go below while all that is sent arrives, however long the queue: a share of what the
 * link carried of late. */
int64_t aimd_floor_bps(const struct aimd *a);

/* A rate known from elsewhere: a probe. */
void aimd_set(struct aimd *a, int64_t rate_bps, int64_t now_us);

#endif
