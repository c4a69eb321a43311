/* Virtual time: clocks of the test program's own, which stand still until the test moves them. OpenSSL asks
 * gettimeofday for its DTLS timer, so that one follows too. Included by one file of a program, since it
 * defines the functions; the program has one thread. */
#ifndef SUPPORT_VIRTUAL_TIME_H
#define SUPPORT_VIRTUAL_TIME_H

#include <stdint.h>
#include <sys/time.h>
#include <time.h>

#define VIRTUAL_START_US INT64_C(1000000000)
#define VIRTUAL_EPOCH_S  1700000000

int64_t virtual_now_us = VIRTUAL_START_US; /* monotonic time; also read by the helpers of tests/support */

/* glibc declares the second argument differently from POSIX; nobody passes one. */
int gettimeofday(struct timeval *restrict tv, void *restrict zone)
{
    (void)zone;
    tv->tv_sec = VIRTUAL_EPOCH_S + virtual_now_us / 1000000;
    tv->tv_usec = virtual_now_us % 1000000;
    return 0;
}

int clock_gettime(clockid_t clock, struct timespec *t)
{
    t->tv_sec = (clock == CLOCK_REALTIME ? VIRTUAL_EPOCH_S : 0) + virtual_now_us / 1000000;
    t->tv_nsec = virtual_now_us % 1000000 * 1000;
    return 0;
}

#endif
