#include "histogram.h"

#include <math.h>
#include <stddef.h>

/* Values below HISTOGRAM_SUB have a bucket each; of an octave above, its upper five bits say which. */
static size_t bucket_of(uint64_t v)
{
    if (v < HISTOGRAM_SUB)
        return (size_t)v;
    unsigned octave = 63u - (unsigned)__builtin_clzll(v) - 5u; /* 64 to 127: 1 */
    size_t i = octave * (size_t)HISTOGRAM_SUB + (size_t)(v >> octave) - HISTOGRAM_SUB / 2;
    size_t last = HISTOGRAM_OCTAVES * HISTOGRAM_SUB - 1;
    return i < last ? i : last;
}

/* The middle of a bucket. */
static int64_t value_of(size_t i)
{
    if (i < HISTOGRAM_SUB)
        return (int64_t)i;
    size_t octave = i / HISTOGRAM_SUB;
    uint64_t low = (uint64_t)(i % HISTOGRAM_SUB + HISTOGRAM_SUB / 2) << octave;
    return (int64_t)(low + (UINT64_C(1) << octave) / 2);
}

void histogram_add(struct histogram *h, int64_t us)
{
    us = us < 0 ? 0 : us;
    if (!h->count || us < h->min)
        h->min = us;
    if (us > h->max)
        h->max = us;
    h->count++;
    h->at[bucket_of((uint64_t)us)]++;
}

int64_t histogram_at(const struct histogram *h, double share)
{
    uint64_t rank = (uint64_t)ceil(share * (double)h->count), seen = 0;
    for (size_t i = 0; rank < h->count && i < HISTOGRAM_OCTAVES * HISTOGRAM_SUB; i++) {
        seen += h->at[i];
        if (seen && seen >= rank) {
            int64_t v = value_of(i);
            return v > h->max ? h->max : v < h->min ? h->min : v;
        }
    }
    return h->max;
}
