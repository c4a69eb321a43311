/* What was measured, as a table on the terminal and as lines of JSON for bench/run, which puts the lines of
 * all programs together to bench/results.json. */
#ifndef BENCH_MEASURE_ROWS_H
#define BENCH_MEASURE_ROWS_H

/* Lines go to the file that the environment variable BENCH_ROWS names, if it is set. Names are plain text
 * without quotes. */
void rows_heading(const char *text);
void rows_below(const char *name, double value, const char *unit, double target); /* ok: value < target */
void rows_above(const char *name, double value, const char *unit, double target); /* ok: value >= target */
void rows_plain(const char *name, double value, const char *unit);                /* without a target */

/* CPU time of a step and, unless negative, how often it allocates; not at all is what is wanted. */
void rows_step(const char *name, double ns, double allocations);

/* A line for people only. */
void rows_note(const char *fmt, ...) __attribute__((format(printf, 1, 2)));

#endif
