#include "sdp/internal.h"

#include <stdalign.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#define CHUNK_MIN 1024  /* bytes of the first chunk: a data-only description fits into two */
#define CHUNK_MAX 65536 /* chunks double up to here; larger things get one of their own */

struct chunk {
    struct chunk *next;
    size_t used, size;
    alignas(max_align_t) char data[];
};

struct sdp_arena {
    struct chunk *head;
    size_t next_size; /* of the next ordinary chunk */
    bool failed;
};

struct sdp_arena *sdp_arena_new(void)
{
    struct sdp_arena *a = calloc(1, sizeof *a);
    if (a)
        a->next_size = CHUNK_MIN;
    return a;
}

void sdp_arena_free(struct sdp_arena *a)
{
    if (!a)
        return;
    for (struct chunk *c = a->head; c;) {
        struct chunk *next = c->next;
        free(c);
        c = next;
    }
    free(a);
}

bool sdp_arena_failed(const struct sdp_arena *a)
{
    return a->failed;
}

/* A new chunk for size bytes, in front of the others; one that is made for one large thing goes behind the
 * open one, which stays in use. */
static struct chunk *add_chunk(struct sdp_arena *a, size_t size)
{
    bool large = size > a->next_size;
    size_t room = large ? size : a->next_size;
    struct chunk *c = calloc(1, sizeof *c + room);
    if (!c) {
        a->failed = true;
        return NULL;
    }
    c->size = room;
    if (large && a->head) {
        c->next = a->head->next;
        a->head->next = c;
        return c;
    }
    c->next = a->head;
    a->head = c;
    if (a->next_size < CHUNK_MAX)
        a->next_size *= 2;
    return c;
}

void *sdp_arena_alloc(struct sdp_arena *a, size_t size)
{
    size = (size + alignof(max_align_t) - 1) & ~(alignof(max_align_t) - 1);
    struct chunk *c = a->head;
    if (!c || c->size - c->used < size)
        c = add_chunk(a, size);
    if (!c)
        return NULL;
    void *p = &c->data[c->used];
    c->used += size;
    return p;
}

const char *sdp_arena_textn(struct sdp_arena *a, const char *text, size_t len)
{
    char *copy = text ? sdp_arena_alloc(a, len + 1) : NULL;
    if (copy && len)
        memcpy(copy, text, len);
    return copy;
}

const char *sdp_arena_text(struct sdp_arena *a, const char *text)
{
    return sdp_arena_textn(a, text, text ? strlen(text) : 0);
}

const char *sdp_arena_textf(struct sdp_arena *a, const char *fmt, ...)
{
    va_list ap;
    va_start(ap, fmt);
    int len = vsnprintf(NULL, 0, fmt, ap);
    va_end(ap);
    char *text = len < 0 ? NULL : sdp_arena_alloc(a, (size_t)len + 1);
    if (!text) {
        a->failed = true;
        return NULL;
    }
    va_start(ap, fmt);
    vsnprintf(text, (size_t)len + 1, fmt, ap);
    va_end(ap);
    return text;
}

/* An array holds 4 items first and doubles whenever it is full, which its count alone tells. */
void *sdp_arena_grow(struct sdp_arena *a, void *array, unsigned n, size_t item_size)
{
    bool full = n == 0 || (n >= 4 && (n & (n - 1)) == 0);
    if (!full)
        return array;
    size_t room = n == 0 ? 4 : (size_t)n * 2;
    void *grown = sdp_arena_alloc(a, room * item_size);
    if (grown && n)
        memcpy(grown, array, n * item_size);
    return grown;
}
