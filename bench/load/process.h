/* What processes cost: the server's, by its number, and this one's. */
#ifndef BENCH_LOAD_PROCESS_H
#define BENCH_LOAD_PROCESS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

struct process_use {
    int64_t user_us, system_us; /* processor time so far, of all threads */
    int64_t resident_kib;
};

/* 0, or -ESRCH: it is gone. */
int process_read(pid_t pid, struct process_use *ret);
void process_self(struct process_use *ret);

/* User and system time in a line of /proc/PID/stat, clock ticks. False: it is none. */
bool process_parse_stat(const char *line, uint64_t *ret_user, uint64_t *ret_system);

#endif
