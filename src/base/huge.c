#include "base/huge.h"

#include <assert.h>
#include <pthread.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include "base/limits.h"
#include "base/list.h"
#include "base/prefetch.h"

#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
#define PLAIN 1
#elif defined(__has_feature)
#if __has_feature(address_sanitizer) || __has_feature(thread_sanitizer) || __has_feature(memory_sanitizer)
#define PLAIN 1
#endif
#endif
#ifndef PLAIN
#define PLAIN 0 /* sanitizers are to see each block */
#endif

#define CHUNK   ((size_t)2 << 20) /* a huge page of x86-64, and of arm64 with pages of 4 KiB */
#define SPAN    ((size_t)32 << 10)
#define SPANS   (CHUNK / SPAN)
#define CLASSES (HUGE_BLOCK_MAX / CACHE_LINE)

/* Of the first span of those that belong together. */
struct span {
    struct list link;  /* of its class if it has room; of no list otherwise */
    void *free;        /* blocks that came back, each points to the next */
    uint32_t size;     /* of a block */
    uint32_t used, at; /* blocks in use; bytes that were ever handed out */
};

/* The first span of a chunk holds this. */
struct chunk {
    struct list link;
    uint64_t used; /* bit a span */
    struct span spans[SPANS];
};
static_assert(SPANS == 64, "a chunk's spans are bits of a word");
static_assert(sizeof(struct chunk) <= SPAN, "the first span of a chunk describes the others");

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static struct list roomy[CLASSES + 1]; /* spans by size / CACHE_LINE */
static struct list chunks = {&chunks, &chunks};
static size_t held;

static size_t rounded(size_t size)
{
    size_t line = size <= 16 * CACHE_LINE ? CACHE_LINE : 4 * CACHE_LINE;
    return size ? (size + line - 1) / line * line : line;
}

/* ---- huge pages ---- */

/* One more is mapped, and what lies beside the aligned ones is given back. */
static void *pages_map(size_t size)
{
    uint8_t *p = mmap(NULL, size + CHUNK, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (p == MAP_FAILED)
        return NULL;
    size_t before = (CHUNK - (uintptr_t)p % CHUNK) % CHUNK;
    if (before)
        (void)munmap(p, before);
    (void)munmap(p + before + size, CHUNK - before);
    (void)madvise(p + before, size, MADV_HUGEPAGE); /* without huge pages it works as well, only slower */
    held += size;
    return p + before;
}

static void pages_unmap(void *p, size_t size)
{
    held -= size;
    (void)munmap(p, size);
}

/* ---- spans ---- */

static struct chunk *chunk_of(const void *p)
{
    return (struct chunk *)((uintptr_t)p & ~(uintptr_t)(CHUNK - 1));
}

static uint64_t bits_of(unsigned at, size_t n)
{
    return (n == SPANS ? UINT64_MAX : (UINT64_C(1) << n) - 1) << at;
}

/* Where n spans in a row are free; 0: nowhere. */
static unsigned chunk_room(const struct chunk *c, size_t n)
{
    for (unsigned at = 1; at + n <= SPANS; at++)
        if (!(c->used & bits_of(at, n)))
            return at;
    return 0;
}

static struct chunk *chunk_new(void)
{
    struct chunk *c = pages_map(CHUNK);
    if (!c)
        return NULL;
    c->used = 1; /* this */
    list_add_tail(&chunks, &c->link);
    return c;
}

static struct span *spans_take(size_t n)
{
    unsigned at = 0;
    struct chunk *c = NULL;
    list_for_each(l, &chunks)
    {
        c = list_entry(l, struct chunk, link);
        if ((at = chunk_room(c, n)))
            break;
    }
    if (!at) {
        c = chunk_new();
        at = 1;
    }
    if (!c)
        return NULL;
    c->used |= bits_of(at, n);
    struct span *s = &c->spans[at];
    *s = (struct span){0};
    list_init(&s->link);
    return s;
}

static void spans_put(struct span *s, size_t n)
{
    struct chunk *c = chunk_of(s);
    c->used &= ~bits_of((unsigned)(s - c->spans), n);
    if (c->used != 1 || (chunks.next == &c->link && c->link.next == &chunks))
        return;
    list_del(&c->link);
    pages_unmap(c, CHUNK);
}

static uint8_t *span_start(const struct span *s)
{
    struct chunk *c = chunk_of(s);
    return (uint8_t *)c + (size_t)(s - c->spans) * SPAN;
}

static struct span *span_of(const void *block)
{
    struct chunk *c = chunk_of(block);
    return &c->spans[((uintptr_t)block - (uintptr_t)c) / SPAN];
}

/* ---- small blocks ---- */

static bool span_full(const struct span *s)
{
    return !s->free && s->at + s->size > SPAN;
}

static struct span *span_with_room(size_t size)
{
    struct list *class = &roomy[size / CACHE_LINE];
    if (!class->next)
        list_init(class);
    if (!list_empty(class))
        return list_entry(class->next, struct span, link);
    struct span *s = spans_take(1);
    if (!s)
        return NULL;
    s->size = (uint32_t)size;
    list_add_tail(class, &s->link);
    return s;
}

static void *block_take(size_t size)
{
    struct span *s = span_with_room(size);
    if (!s)
        return NULL;
    void *block = s->free;
    if (block) {
        s->free = *(void **)block;
    } else {
        block = span_start(s) + s->at;
        s->at += s->size;
    }
    s->used++;
    if (span_full(s))
        list_del(&s->link);
    return block;
}

static void block_put(void *p, size_t size)
{
    struct span *s = span_of(p);
    assert(s->size == size && s->used > 0);
    if (span_full(s))
        list_add_tail(&roomy[size / CACHE_LINE], &s->link);
    *(void **)p = s->free;
    s->free = p;
    if (--s->used)
        return;
    list_del(&s->link);
    spans_put(s, 1);
}

/* ---- all blocks ---- */

static size_t spans_of(size_t size)
{
    return (size + SPAN - 1) / SPAN;
}

static void *take(size_t size)
{
    if (size <= HUGE_BLOCK_MAX) {
        void *block = block_take(size);
        return block ? memset(block, 0, size) : NULL;
    }
    if (spans_of(size) >= SPANS)
        return pages_map((size + CHUNK - 1) / CHUNK * CHUNK);
    struct span *s = spans_take(spans_of(size));
    return s ? memset(span_start(s), 0, size) : NULL;
}

static void put(void *p, size_t size)
{
    if (size <= HUGE_BLOCK_MAX)
        block_put(p, size);
    else if (spans_of(size) >= SPANS)
        pages_unmap(p, (size + CHUNK - 1) / CHUNK * CHUNK);
    else
        spans_put(span_of(p), spans_of(size));
}

void *huge_alloc(size_t size)
{
    size_t block = rounded(size);
    if (PLAIN) {
        void *p = aligned_alloc(CACHE_LINE, block);
        return p ? memset(p, 0, block) : NULL;
    }
    pthread_mutex_lock(&lock);
    void *p = take(block);
    pthread_mutex_unlock(&lock);
    return p;
}

void huge_free(void *p, size_t size)
{
    if (PLAIN || !p) {
        free(p);
        return;
    }
    pthread_mutex_lock(&lock);
    put(p, rounded(size));
    pthread_mutex_unlock(&lock);
}

size_t huge_held(void)
{
    pthread_mutex_lock(&lock);
    size_t n = held;
    pthread_mutex_unlock(&lock);
    return n;
}
