#include "base/packet.h"

#include <assert.h>
#include <stdlib.h>
#include "base/huge.h"

#if defined(__SANITIZE_ADDRESS__)
#define POISON 1
#elif defined(__has_feature)
#if __has_feature(address_sanitizer)
#define POISON 1
#endif
#endif
#ifdef POISON
#include <sanitizer/asan_interface.h>
#else
#define ASAN_POISON_MEMORY_REGION(p, n)   ((void)(p), (void)(n))
#define ASAN_UNPOISON_MEMORY_REGION(p, n) ((void)(p), (void)(n))
#endif

struct chunk {
    struct chunk *next;
    struct packet packets[POOL_CHUNK_PACKETS];
};

struct packet_pool {
    /* the owner's */
    struct packet *free;
    struct chunk *chunks;
    size_t fresh; /* packets of the first chunk never handed out: their pages are not touched before */
    size_t made, max;
    _Atomic(const void *) owner; /* mark of the thread that gets packets */
    _Atomic size_t out;          /* handed out minus released by the owner */

    /* the other threads' */
    _Alignas(64) _Atomic(struct packet *) returned;
    _Atomic size_t back; /* released by other threads */
};

/* Its address tells threads apart. */
static _Thread_local char thread_mark;

struct packet_pool *packet_pool_new(size_t max)
{
    struct packet_pool *p = aligned_alloc(_Alignof(struct packet_pool), sizeof *p);
    if (p)
        *p = (struct packet_pool){.max = max};
    return p;
}

void packet_pool_free(struct packet_pool *p)
{
    if (!p)
        return;
    size_t used = packet_pool_used(p);
    assert(used == 0);
    if (used != 0)
        return; /* somebody still holds packets: memory lost is better than memory shared */
    for (struct chunk *c = p->chunks, *next; c; c = next) {
        next = c->next;
        huge_free(c, sizeof *c);
    }
    free(p);
}

static int pool_grow(struct packet_pool *p)
{
    if (p->made >= p->max)
        return 0;
    struct chunk *c = huge_alloc(sizeof *c);
    if (!c)
        return 0;
    size_t left = p->max - p->made;
    c->next = p->chunks;
    p->chunks = c;
    p->fresh = left < POOL_CHUNK_PACKETS ? left : POOL_CHUNK_PACKETS;
    p->made += p->fresh;
    ASAN_POISON_MEMORY_REGION(c->packets, sizeof c->packets);
    return 1;
}

struct packet *packet_get(struct packet_pool *p)
{
    if (atomic_load_explicit(&p->owner, memory_order_relaxed) != &thread_mark)
        atomic_store_explicit(&p->owner, &thread_mark, memory_order_relaxed);
    if (!p->free && atomic_load_explicit(&p->returned, memory_order_relaxed))
        p->free = atomic_exchange_explicit(&p->returned, NULL, memory_order_acquire);
    struct packet *packet = p->free;
    if (packet) {
        p->free = packet->next;
    } else {
        if (p->fresh == 0 && !pool_grow(p))
            return NULL;
        packet = &p->chunks->packets[--p->fresh];
    }
    ASAN_UNPOISON_MEMORY_REGION(packet, sizeof *packet);
    size_t out = atomic_load_explicit(&p->out, memory_order_relaxed);
    atomic_store_explicit(&p->out, out + 1, memory_order_relaxed);
    packet->pool = p;
    packet->next = NULL;
    packet->len = 0;
    packet->data = packet->buf + PACKET_HEADROOM;
    atomic_store_explicit(&packet->refs, 1, memory_order_relaxed);
    return packet;
}

void packet_unref(struct packet *packet)
{
    if (!packet)
        return;
    /* the last holder needs no read-modify-write: nobody else can take a reference any more */
    if (atomic_load_explicit(&packet->refs, memory_order_acquire) != 1) {
        uint32_t refs = atomic_fetch_sub_explicit(&packet->refs, 1, memory_order_acq_rel);
        assert(refs > 0);
        if (refs != 1)
            return;
    }
    struct packet_pool *p = packet->pool;
    ASAN_POISON_MEMORY_REGION(packet->buf, sizeof packet->buf);
    if (atomic_load_explicit(&p->owner, memory_order_relaxed) == &thread_mark) {
        packet->next = p->free;
        p->free = packet;
        size_t out = atomic_load_explicit(&p->out, memory_order_relaxed);
        atomic_store_explicit(&p->out, out - 1, memory_order_relaxed);
        return;
    }
    /* The owner takes the list as a whole, so a head that came back changed nothing (no ABA). */
    struct packet *head = atomic_load_explicit(&p->returned, memory_order_relaxed);
    do {
        packet->next = head;
    } while (!atomic_compare_exchange_weak_explicit(
        &p->returned, &head, packet, memory_order_release, memory_order_relaxed));
    atomic_fetch_add_explicit(&p->back, 1, memory_order_release);
}

size_t packet_pool_used(struct packet_pool *p)
{
    size_t back = atomic_load_explicit(&p->back, memory_order_acquire);
    return atomic_load_explicit(&p->out, memory_order_relaxed) - back;
}
