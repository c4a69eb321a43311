/* A step of a packet's way, alone: its CPU time, the median of several runs, and what it allocates. Data is
 * hot in the cache, so times are lower bounds; they are for comparing versions of the code. One thread. */
#ifndef BENCH_MEASURE_STEP_H
#define BENCH_MEASURE_STEP_H

#include <stdatomic.h>
#include <stdint.h>

/* Does it count times. Making what it needs belongs into prepare, or is little beside count. */
typedef void (*step_fn)(uint64_t count);

/* Where allocations are counted (measure/allocations.h); NULL, as at the start: they are not. */
void step_count_allocations(_Atomic uint64_t *counter);

/* Warms fn up by a few eighths of count, runs it count times nine times over, and prints a row. */
void step(const char *name, step_fn fn, uint64_t count);

#endif
