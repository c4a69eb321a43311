/* How much redundancy the loss that a receiver measures warrants: none, or the last one or two packets of the
 * voice in each packet. More at once, less after a calm while. Fixed size; thread of the receiver. */
#ifndef RTP_RED_LEVEL_H
#define RTP_RED_LEVEL_H

#include <stdint.h>
#include "base/limits.h"

struct red_level {
    uint8_t distance;  /* packets that are repeated in each: 0 to RED_DISTANCE_MAX */
    uint32_t expected; /* packets since the window began */
    uint32_t lost;
    int64_t since_us; /* of the window; 0: none yet */
    int64_t calm_us;  /* since when less is lost than the distance is for; 0: it is not */
};

/* A report: how many packets were sent since the one before, and how many of them are missing. */
void red_level_report(struct red_level *l, uint32_t expected, uint32_t lost, int64_t now_us);

#endif
