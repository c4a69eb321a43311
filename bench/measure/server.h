/* The server as a child process. Failures end the program with a line that says why: nothing can be measured
 * then. The child dies with its parent. */
#ifndef BENCH_MEASURE_SERVER_H
#define BENCH_MEASURE_SERVER_H

#include <stdint.h>
#include <sys/types.h>

#define SERVER_KEY    "devkey"
#define SERVER_SECRET "secret"

struct server {
    pid_t pid;
    uint16_t port;
    int log_fd;        /* what it said */
    int64_t fork_us;   /* when it was forked */
    int64_t health_us; /* when /health answered 200; filled by server_wait */
};

/* Starts the binary of the environment variable FANLIGHT with --dev on a block of ports that is free, pinned
 * to a processor unless cpu is -1. set: an option ("rtc.workers=1"), or NULL: the one of BENCH_SET, if
 * any. */
void server_start(struct server *s, int cpu, const char *set);
void server_wait(struct server *s); /* until GET /health answers 200 */
void server_stop(struct server *s); /* SIGTERM; it has five seconds */

/* User and system time of the whole process so far, microseconds. */
int64_t server_cpu_us(const struct server *s, int64_t *ret_user_us, int64_t *ret_system_us);
double server_resident_mib(const struct server *s, const char *field); /* "VmRSS", "RssAnon", "VmHWM" */

/* Keeps this process on one processor. */
void pin_to(int cpu);
int processors(void); /* that we may use, not counting pin_to */

/* Says why, and ends the program. */
void bench_fail(const char *fmt, ...) __attribute__((format(printf, 1, 2), noreturn));

#endif
