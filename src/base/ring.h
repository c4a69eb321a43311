/* A bounded ring of pointers between one producer thread and one consumer thread; lock-free, never blocks. */
#ifndef BASE_RING_H
#define BASE_RING_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct ring {
    void **slots;
    size_t mask;
    _Alignas(64) _Atomic size_t head; /* next to write; producer */
    size_t tail_seen; /* producer's last look at tail: it rarely touches the consumer's line */
    _Alignas(64) _Atomic size_t tail; /* next to read; consumer */
    size_t head_seen;                 /* consumer's last look at head */
};

/* capacity: a power of two. 0, -EINVAL or -ENOMEM. */
int ring_init(struct ring *r, size_t capacity);
void ring_done(struct ring *r);

/* false: full; the item stays the caller's. Producer thread. */
bool ring_push(struct ring *r, void *item);

/* NULL: empty. Consumer thread. */
void *ring_pop(struct ring *r);

/* Items in the ring, as either side sees it. */
size_t ring_count(const struct ring *r);

#endif
