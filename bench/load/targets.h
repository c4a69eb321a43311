/* The kinds of servers that this program was built with. */
#ifndef BENCH_LOAD_TARGETS_H
#define BENCH_LOAD_TARGETS_H

#include "target.h"

const struct target_kind *target_find(const char *name); /* NULL: unknown */

#endif
