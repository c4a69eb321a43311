#include "cc/pacer.h"

#include <assert.h>
#include <errno.h>
#include "base/huge.h"
#include "base/prefetch.h"

struct pacer_chunk {
    struct pacer_chunk *next;
    _Alignas(CACHE_LINE) struct pacer_item items[PACER_CHUNK_ITEMS];
};
static_assert(sizeof(struct pacer_item) == CACHE_LINE, "an item is one cache line");

/* ---- items ---- */

void pacer_pool_init(struct pacer_pool *pool, size_t max)
{
    *pool = (struct pacer_pool){.max = max};
}

void pacer_pool_done(struct pacer_pool *pool)
{
    assert(pool->used == 0);
    while (pool->chunks) {
        struct pacer_chunk *c = pool->chunks;
        pool->chunks = c->next;
        huge_free(c, sizeof *c);
    }
    pool->free = NULL;
    pool->made = 0;
}

static bool pool_grow(struct pacer_pool *pool)
{
    if (pool->made + PACER_CHUNK_ITEMS > pool->max)
        return false;
    struct pacer_chunk *c = huge_alloc(sizeof *c);
    if (!c)
        return false;
    c->next = pool->chunks;
    pool->chunks = c;
    for (size_t i = PACER_CHUNK_ITEMS; i > 0; i--) {
        c->items[i - 1].next = pool->free;
        pool->free = &c->items[i - 1];
    }
    pool->made += PACER_CHUNK_ITEMS;
    return true;
}

struct pacer_item *pacer_item_get(struct pacer_pool *pool)
{
    if (!pool->free && !pool_grow(pool))
        return NULL;
    struct pacer_item *item = pool->free;
    pool->free = item->next;
    prefetch(pool->free, sizeof *pool->free); /* most are taken in a row */
    pool->used++;
    *item = (struct pacer_item){0};
    return item;
}

void pacer_item_put(struct pacer_pool *pool, struct pacer_item *item)
{
    if (!item)
        return;
    packet_unref(item->packet);
    item->packet = NULL;
    item->next = pool->free;
    pool->free = item;
    pool->used--;
}

/* ---- rates ---- */

void pacer_init(struct pacer *p, int64_t now_us)
{
    *p = (struct pacer){.estimate_bps = PACER_RATE_MIN_BPS, .refill_us = now_us, .window_us = now_us};
    p->level = pacer_rate_bps(p) * PACER_BURST_US / 8000000;
}

int64_t pacer_input_bps(const struct pacer *p)
{
    return (int64_t)p->bytes_sum * 8000000 / (PACER_RATE_WINDOWS * PACER_RATE_WINDOW_US);
}

int64_t pacer_rate_bps(const struct pacer *p)
{
    int64_t rate_bps = pacer_input_bps(p);
    rate_bps = (rate_bps > p->allocated_bps ? rate_bps : p->allocated_bps) * 5 / 2;
    return rate_bps > p->estimate_bps ? rate_bps : p->estimate_bps;
}

static void rate_advance(struct pacer *p, int64_t now_us)
{
    int64_t windows = (now_us - p->window_us) / PACER_RATE_WINDOW_US;
    if (windows <= 0)
        return;
    p->window_us += windows * PACER_RATE_WINDOW_US;
    for (int64_t i = 0; i < windows && i < PACER_RATE_WINDOWS; i++) {
        p->window = (p->window + 1) % PACER_RATE_WINDOWS;
        p->bytes_sum -= p->bytes[p->window];
        p->bytes[p->window] = 0;
    }
}

static void rate_input(struct pacer *p, uint16_t bytes, int64_t now_us)
{
    rate_advance(p, now_us);
    p->bytes[p->window] += bytes;
    p->bytes_sum += bytes;
}

/* Who waits for tokens is given those of the time that passed, even where its turn comes late; who does not
 * keeps a burst's. */
static void refill(struct pacer *p, int64_t now_us)
{
    int64_t elapsed_us = now_us - p->refill_us;
    if (elapsed_us <= 0)
        return;
    rate_advance(p, now_us);
    bool waits = p->queues[PACER_RTX].count || p->queues[PACER_VIDEO].count;
    if (elapsed_us > PACER_LATE_US)
        elapsed_us = PACER_LATE_US;
    int64_t rate_bps = pacer_rate_bps(p), most = rate_bps * PACER_BURST_US / 8000000;
    int64_t gain = rate_bps * elapsed_us / 8000000;
    p->refill_us = now_us;
    if (p->level > 0 || !waits) {
        p->level = p->level + gain < most ? p->level + gain : most;
        return;
    }
    p->level += gain;
}

/* ---- queues ---- */

static void append(struct pacer_queue *q, struct pacer_item *item)
{
    item->next = NULL;
    if (q->tail)
        q->tail->next = item;
    else
        q->head = item;
    q->tail = item;
    q->count++;
}

int pacer_input(struct pacer *p, enum pacer_class class, struct pacer_item *item, int64_t now_us)
{
    if (class != PACER_AUDIO && p->count >= PACER_ITEMS_MAX)
        return -ENOBUFS;
    rate_input(p, item->size, now_us);
    refill(p, now_us); /* as for a queue that was empty till now */
    item->queued_us = now_us;
    append(&p->queues[class], item);
    p->count++;
    return 0;
}

static struct pacer_item *take_from(struct pacer *p, struct pacer_queue *q)
{
    struct pacer_item *item = q->head;
    q->head = item->next;
    prefetch(q->head, sizeof *q->head); /* the next one to be taken */
    if (!q->head)
        q->tail = NULL;
    q->count--;
    p->count--;
    p->level -= item->size;
    int64_t least = -pacer_rate_bps(p) * PACER_BURST_US / 8000000;
    if (p->level < least)
        p->level = least; /* audio alone does not hold video up for long */
    item->next = NULL;
    return item;
}

struct pacer_item *pacer_take(struct pacer *p, bool audio_only, int64_t now_us)
{
    if (p->queues[PACER_AUDIO].count)
        return take_from(p, &p->queues[PACER_AUDIO]);
    if (audio_only || !p->count)
        return NULL;
    refill(p, now_us);
    if (p->level <= 0)
        return NULL;
    return take_from(p, &p->queues[p->queues[PACER_RTX].count ? PACER_RTX : PACER_VIDEO]);
}

void pacer_allow(struct pacer *p, int64_t bytes, int64_t now_us)
{
    p->level = bytes;
    p->refill_us = now_us;
}

/* ---- what goes without being sent ---- */

void *pacer_overdue(const struct pacer *p, int64_t now_us)
{
    const struct pacer_item *oldest = p->queues[PACER_VIDEO].head;
    if (!oldest || (now_us - oldest->queued_us <= PACER_QUEUE_US && p->count < PACER_ITEMS_MAX))
        return NULL;
    return oldest->owner;
}

size_t pacer_drop(
    struct pacer *p, struct pacer_pool *pool, enum pacer_class class, pacer_drop_fn fn, void *arg)
{
    struct pacer_queue *q = &p->queues[class];
    struct pacer_item *item = q->head, *next;
    uint32_t before = q->count;
    *q = (struct pacer_queue){0};
    for (; item; item = next) {
        next = item->next;
        if (fn(arg, item))
            pacer_item_put(pool, item);
        else
            append(q, item);
    }
    p->count -= before - q->count;
    return before - q->count;
}

struct owned {
    const void *owner;
};

static bool is_owned(void *arg, const struct pacer_item *item)
{
    const struct owned *o = arg;
    return !o->owner || item->owner == o->owner;
}

size_t pacer_purge(struct pacer *p, struct pacer_pool *pool, const void *owner)
{
    struct owned o = {owner};
    size_t n = 0;
    for (int i = 0; i < PACER_CLASSES && p->count; i++)
        n += pacer_drop(p, pool, (enum pacer_class)i, is_owned, &o);
    return n;
}
