#include "signal/arena.h"
#include <stdlib.h>
#include <string.h>
#include "base/log.h"

#define CHUNK_SIZE 16384

struct arena_chunk {
    struct arena_chunk *next;
    size_t size;
    _Alignas(16) unsigned char bytes[];
};

void *arena_get(struct arena *a, size_t size)
{
    size = (size + 15) & ~(size_t)15;
    if (!a->chunks || a->left < size) {
        size_t want = size > CHUNK_SIZE ? size : CHUNK_SIZE;
        struct arena_chunk *c = calloc(1, sizeof *c + want);
        if (!c) {
            log_error("memory.exhausted", "bytes=%zu", want);
            abort();
        }
        c->size = want;
        c->next = a->chunks;
        a->chunks = c;
        a->left = want;
    }
    void *p = a->chunks->bytes + (a->chunks->size - a->left);
    a->left -= size;
    return p;
}

char *arena_text(struct arena *a, const char *text)
{
    size_t n = strlen(text) + 1;
    char *p = arena_get(a, n);
    memcpy(p, text, n);
    return p;
}

void arena_done(struct arena *a)
{
    struct arena_chunk *next;
    for (struct arena_chunk *c = a->chunks; c; c = next) {
        next = c->next;
        free(c);
    }
    *a = (struct arena){0};
}
