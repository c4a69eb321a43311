/* What goes to one receiver waits here until its turn. Three queues: audio, which never waits but for those
 * in front of it; retransmissions; video. A bucket of tokens lets out what the pace rate gives in
 * PACER_BURST_US at once, so that a frame that fits goes as it came, and a larger one in steps of that size.
 *
 * The pace rate is 2.5 times what is allocated or, if that is more, 2.5 times the rate of what came in during
 * the last half second, and never below what the path takes: a source that stalled and then sends all it has
 * is spread over a fifth of a second.
 *
 * Pure: no I/O, time is an argument. Items come from a pool that many pacers share. All of one thread. */
#ifndef CC_PACER_H
#define CC_PACER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include "base/limits.h"
#include "base/packet.h"
#include "rtp/rewrite.h"

enum pacer_class { PACER_AUDIO, PACER_RTX, PACER_VIDEO, PACER_CLASSES };

/* A packet that waits. */
struct pacer_item {
    struct pacer_item *next;
    void *owner;            /* whoever may want it back (pacer_purge) */
    struct packet *packet;  /* a reference of the item's own; NULL: none */
    struct rewrite_out out; /* what it will be called */
    int64_t queued_us;      /* set by pacer_input */
    uint16_t size;          /* bytes on the wire, about */
    uint8_t kind;           /* the caller's */
};

/* ---- items ---- */

struct pacer_chunk;

struct pacer_pool {
    struct pacer_item *free;
    struct pacer_chunk *chunks;
    size_t made, used, max;
};

/* Grows by PACER_CHUNK_ITEMS, up to max. */
void pacer_pool_init(struct pacer_pool *pool, size_t max);
void pacer_pool_done(struct pacer_pool *pool); /* all items must be back */

/* All zero; NULL: the pool is used up. */
struct pacer_item *pacer_item_get(struct pacer_pool *pool);
/* Gives the item and its packet back. NULL is allowed. */
void pacer_item_put(struct pacer_pool *pool, struct pacer_item *item);

/* ---- a receiver's ---- */

struct pacer_queue {
    struct pacer_item *head, *tail;
    uint32_t count;
};

struct pacer {
    struct pacer_queue queues[PACER_CLASSES];
    uint32_t count;       /* items in all of them */
    int64_t level;        /* tokens, bytes; below zero after the packet that used the last one */
    int64_t refill_us;    /* when tokens were last added */
    int64_t estimate_bps; /* what the path takes at once (estimator_pace_bps) */
    int64_t allocated_bps;
    /* what came in, in windows of PACER_RATE_WINDOW_US */
    int64_t window_us; /* start of the present one */
    uint32_t window;   /* where it is */
    uint32_t bytes[PACER_RATE_WINDOWS];
    uint64_t bytes_sum; /* of all windows */
};

void pacer_init(struct pacer *p, int64_t now_us);

/* What was allocated to the receiver. 0: not said. */
static inline void pacer_allocated(struct pacer *p, int64_t bps)
{
    p->allocated_bps = bps;
}

/* Rate of what came in during the last half second. */
int64_t pacer_input_bps(const struct pacer *p);

/* Bytes a second times eight that may go out. */
int64_t pacer_rate_bps(const struct pacer *p);

/* item waits from now on; its size counts towards the rate. -ENOBUFS: PACER_ITEMS_MAX wait already, and item
 * is still the caller's. Audio is always taken. */
int pacer_input(struct pacer *p, enum pacer_class class, struct pacer_item *item, int64_t now_us);

/* Of what waits, the next one that may go now; the caller's from then on. NULL: none may. With audio_only,
 * retransmissions and video stay whatever the tokens say. Order of a class is kept. */
struct pacer_item *pacer_take(struct pacer *p, bool audio_only, int64_t now_us);

/* Of what waits, bytes may go now whatever the rate, and no more: while a probe sets it. 0: none but audio.
 */
void pacer_allow(struct pacer *p, int64_t bytes, int64_t now_us);

/* Does anything wait? Then pacer_take has to be called again, best PACER_TICK_US later: sooner would give
 * steps smaller than a burst. */
static inline bool pacer_waits(const struct pacer *p)
{
    return p->count != 0;
}

/* The owner of the oldest video packet, if that waits for longer than PACER_QUEUE_US or if PACER_ITEMS_MAX
 * packets wait; else NULL. What the owner has is stale: it is to drop some of it (pacer_drop). */
void *pacer_overdue(const struct pacer *p, int64_t now_us);

/* Drops the items of a class that fn says so of, and gives them back to pool. Returns how many. */
typedef bool (*pacer_drop_fn)(void *arg, const struct pacer_item *item);
size_t pacer_drop(
    struct pacer *p, struct pacer_pool *pool, enum pacer_class class, pacer_drop_fn fn, void *arg);

/* Drops all items of an owner; NULL: all there are. Returns how many. */
size_t pacer_purge(struct pacer *p, struct pacer_pool *pool, const void *owner);

#endif
