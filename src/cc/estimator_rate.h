/* How many bits a second something has, over a sliding window of half a second, in steps of 20 ms. Times are
 * microseconds of any one clock and may be absurd. Pure; plain data. */
#ifndef CC_ESTIMATOR_RATE_H
#define CC_ESTIMATOR_RATE_H

#include <stdbool.h>
#include <stdint.h>

#define ESTIMATOR_RATE_STEPS   26 /* half a second, and the step that is being filled */
#define ESTIMATOR_RATE_STEP_US 20000

struct estimator_rate {
    int64_t newest; /* number of the newest step */
    int64_t oldest; /* of the first one ever */
    bool started;
    uint32_t bytes[ESTIMATOR_RATE_STEPS];
    uint16_t packets[ESTIMATOR_RATE_STEPS];
};

void estimator_rate_init(struct estimator_rate *r);
void estimator_rate_input(struct estimator_rate *r, uint32_t bytes, int64_t at_us);

/* Bit/s over the last span_us (at most 500 ms) of whole steps, longer while that has fewer than min_packets.
 * 0: too little came so far. */
int64_t estimator_rate_bps(const struct estimator_rate *r, int64_t span_us, unsigned min_packets);

#endif
