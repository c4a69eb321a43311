/* What people and programs get to read. */
#ifndef BENCH_LOAD_REPORT_H
#define BENCH_LOAD_REPORT_H

#include <stdio.h>
#include "crowd.h"

/* A line on a terminal, written over and over. Does nothing where standard error is none. */
void report_progress(struct crowd *c);
void report_phase(const struct crowd *c); /* one line, where there is no terminal: another phase has begun */
void report_progress_end(void);

void report_table(const struct crowd *c, FILE *out);

/* 0 or -errno. "-" is standard output. */
int report_json(const struct crowd *c, const char *name);

#endif
