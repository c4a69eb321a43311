/* Packets: fixed-size buffers with a reference count, from a pool that belongs to one thread.
 *
 * packet_get is for the pool's own thread. packet_ref and packet_unref may be called on any thread: a packet
 * released elsewhere goes back to its pool through a lock-free list. The pool grows by chunks up to its limit
 * and never shrinks; nothing is allocated per packet. */
#ifndef BASE_PACKET_H
#define BASE_PACKET_H

#include <stdatomic.h>
#include <stddef.h>
#include <stdint.h>
#include "base/addr.h"
#include "base/limits.h"

struct packet_pool;

struct packet {
    struct packet_pool *pool;
    struct packet *next; /* for whoever holds the packet alone: free list, queue of its receiver */
    _Atomic uint32_t refs;
    uint16_t len;                                     /* bytes at data */
    uint8_t *data;                                    /* inside buf */
    int64_t recv_us;                                  /* monotonic time of arrival */
    struct path path;                                 /* where it came from */
    _Alignas(8) uint8_t control[PACKET_CONTROL_SIZE]; /* state of the layers above (sfu: struct rtp_packet) */
    uint8_t buf[PACKET_HEADROOM + PACKET_SIZE_MAX];
};

/* A pool of at most max packets; NULL when memory is short. */
struct packet_pool *packet_pool_new(size_t max);

/* Frees the pool. Every packet must have come back (asserted in debug builds; otherwise the memory stays). */
void packet_pool_free(struct packet_pool *p);

/* A packet with one reference, data at buf + PACKET_HEADROOM, len 0; NULL at the limit. Pool's thread only.
 */
struct packet *packet_get(struct packet_pool *p);

/* Packets handed out and not yet back. Any thread; approximate while others release. */
size_t packet_pool_used(struct packet_pool *p);

static inline struct packet *packet_ref(struct packet *p)
{
    atomic_fetch_add_explicit(&p->refs, 1, memory_order_relaxed);
    return p;
}

void packet_unref(struct packet *p); /* NULL is allowed */

#endif
