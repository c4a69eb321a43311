#include "base/ring.h"

#include <errno.h>
#include <stdlib.h>

int ring_init(struct ring *r, size_t capacity)
{
    if (capacity == 0 || (capacity & (capacity - 1)) != 0)
        return -EINVAL;
    void **slots = calloc(capacity, sizeof *slots);
    if (!slots)
        return -ENOMEM;
    r->slots = slots;
    r->mask = capacity - 1;
    r->tail_seen = r->head_seen = 0;
    atomic_init(&r->head, 0);
    atomic_init(&r->tail, 0);
    return 0;
}

void ring_done(struct ring *r)
{
    free(r->slots);
    r->slots = NULL;
}

bool ring_push(struct ring *r, void *item)
{
    size_t head = atomic_load_explicit(&r->head, memory_order_relaxed);
    if (head - r->tail_seen > r->mask) {
        r->tail_seen = atomic_load_explicit(&r->tail, memory_order_acquire);
        if (head - r->tail_seen > r->mask)
            return false;
    }
    r->slots[head & r->mask] = item;
    atomic_store_explicit(&r->head, head + 1, memory_order_release);
    return true;
}

void *ring_pop(struct ring *r)
{
    size_t tail = atomic_load_explicit(&r->tail, memory_order_relaxed);
    if (tail == r->head_seen) {
        r->head_seen = atomic_load_explicit(&r->head, memory_order_acquire);
        if (tail == r->head_seen)
            return NULL;
    }
    void *item = r->slots[tail & r->mask];
    atomic_store_explicit(&r->tail, tail + 1, memory_order_release);
    return item;
}

size_t ring_count(const struct ring *r)
{
    /* tail first: it never passes head, so the difference cannot be negative */
    size_t tail = atomic_load_explicit(&r->tail, memory_order_acquire);
    size_t count = atomic_load_explicit(&r->head, memory_order_acquire) - tail;
    return count > r->mask + 1 ? r->mask + 1 : count;
}
