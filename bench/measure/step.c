#include "step.h"

#include <time.h>
#include "rows.h"
#include "series.h"

#define RUNS 9

static _Atomic uint64_t *allocations;

void step_count_allocations(_Atomic uint64_t *counter)
{
    allocations = counter;
}

static double cpu_ns(void)
{
    struct timespec t;
    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &t);
    return (double)t.tv_sec * 1e9 + (double)t.tv_nsec;
}

static uint64_t allocated(void)
{
    return allocations ? atomic_load_explicit(allocations, memory_order_relaxed) : 0;
}

/* What a run allocates for itself before its loop is the same for any count: it is what two runs of different
 * length have in common. */
static double allocations_of_one(step_fn fn, uint64_t count)
{
    fn(count); /* what is learnt once */
    uint64_t start = allocated();
    fn(count);
    uint64_t once = allocated() - start;
    fn(2 * count);
    uint64_t twice = allocated() - start - once;
    return twice > once ? (double)(twice - once) / (double)count : 0;
}

void step(const char *name, step_fn fn, uint64_t count)
{
    struct series s = {0};
    double each = allocations_of_one(fn, count / 8);
    for (int run = 0; run < RUNS; run++) {
        double from = cpu_ns();
        fn(count);
        series_add(&s, (cpu_ns() - from) / (double)count);
    }
    rows_step(name, series_at(&s, 0.5), allocations ? each : -1);
}
