/* How often each time was seen, microseconds, to within 1.6 %. Fixed memory. */
#ifndef BENCH_LOAD_HISTOGRAM_H
#define BENCH_LOAD_HISTOGRAM_H

#include <stdint.h>

#define HISTOGRAM_SUB     64 /* buckets of an octave */
#define HISTOGRAM_OCTAVES 32

struct histogram {
    uint64_t count;
    int64_t min, max;
    uint64_t at[HISTOGRAM_OCTAVES * HISTOGRAM_SUB];
};

void histogram_add(struct histogram *h, int64_t us); /* below 0 counts as 0 */

/* The time below which a share (0 to 1) of them lies; 1 is the greatest that was seen. 0 if there is none. */
int64_t histogram_at(const struct histogram *h, double share);

#endif
