/* Figures of several runs. */
#ifndef BENCH_MEASURE_SERIES_H
#define BENCH_MEASURE_SERIES_H

#include <stddef.h>

#define SERIES_MAX 256

struct series {
    double at[SERIES_MAX];
    size_t count;
};

void series_add(struct series *s, double value); /* beyond SERIES_MAX nothing is added */

/* The value below which a share (0 to 1) of them lies, the nearest one that was measured: 0.5 is the median,
 * 0 the least, 1 the greatest. Sorts the series. 0 if it is empty. */
double series_at(struct series *s, double share);

#endif
