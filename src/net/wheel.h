/* A hierarchical timer wheel with a resolution of one millisecond. Owned by one thread; the time is handed
 * in. */
#ifndef NET_WHEEL_H
#define NET_WHEEL_H

#include <stdint.h>
#include "base/list.h"

struct wheel;
struct wheel_timer;
typedef void (*wheel_fn)(struct wheel_timer *t, int64_t now_us);

/* Embedded in its owner. Zero it, then wheel_timer_init once. */
struct wheel_timer {
    struct list link;
    int64_t due_us;
    wheel_fn fn;
    void *arg;
};

struct wheel *wheel_new(int64_t now_us); /* NULL: no memory */
void wheel_free(struct wheel *w);        /* timers still set are forgotten, not called */

void wheel_timer_init(struct wheel_timer *t, wheel_fn fn, void *arg);

/* Sets or moves the timer. A due time in the past fires at the next wheel_advance. O(1). */
void wheel_set(struct wheel *w, struct wheel_timer *t, int64_t due_us);
void wheel_cancel(struct wheel_timer *t); /* also when not set */
bool wheel_is_set(const struct wheel_timer *t);

/* Calls every timer due by now_us, in order of due time at 1 ms resolution, never before its due time; those
 * that were set for the past come first, in the order they were set. A callback may set and cancel any timer;
 * one that it sets for now_us or before fires at the next wheel_advance. */
void wheel_advance(struct wheel *w, int64_t now_us);

/* When wheel_advance is next needed (may be early, never late); INT64_MAX: no timer set. */
int64_t wheel_next_us(const struct wheel *w);

#endif
