#include "support/bad_link.h"

#include <stdlib.h>
#include <string.h>

void bad_link_init(struct bad_link *l, uint64_t seed)
{
    *l = (struct bad_link){.random = seeded_of(seed)};
}

void bad_link_done(struct bad_link *l)
{
    for (size_t i = 0; i < l->count; i++)
        free(l->flying[i]);
    free(l->flying);
    l->flying = NULL;
    l->count = l->cap = 0;
}

static void put(
    struct bad_link *l, int to, const struct path *path, const uint8_t *data, size_t len, int64_t now_us)
{
    if (l->count == l->cap) {
        l->cap = l->cap ? 2 * l->cap : 64;
        l->flying = realloc(l->flying, l->cap * sizeof *l->flying);
    }
    struct bad_datagram *d = l->flying ? malloc(sizeof *d) : NULL;
    if (!d || len > sizeof d->data)
        abort();
    d->due_us = now_us + l->delay_us +
                (l->jitter_us ? (int64_t)(seeded_u64(&l->random) % (uint64_t)l->jitter_us) : 0);
    d->order = l->sent++;
    d->to = to;
    d->path = *path;
    d->len = len;
    memcpy(d->data, data, len);
    l->flying[l->count++] = d;
}

void bad_link_send(
    struct bad_link *l, int to, const struct path *path, const uint8_t *data, size_t len, int64_t now_us)
{
    bool lost = seeded_chance(&l->random, l->loss);
    bool twice = seeded_chance(&l->random, l->duplicate);
    l->lost += lost;
    l->duplicated += twice && !lost;
    for (int i = 0; !lost && i < 1 + twice; i++)
        put(l, to, path, data, len, now_us);
}

/* Index of the next datagram, or -1. */
static long first(const struct bad_link *l)
{
    long best = -1;
    for (size_t i = 0; i < l->count; i++) {
        const struct bad_datagram *d = l->flying[i], *b = best >= 0 ? l->flying[best] : NULL;
        if (!b || d->due_us < b->due_us || (d->due_us == b->due_us && d->order < b->order))
            best = (long)i;
    }
    return best;
}

int64_t bad_link_next_us(const struct bad_link *l)
{
    long i = first(l);
    return i < 0 ? INT64_MAX : l->flying[i]->due_us;
}

struct bad_datagram *bad_link_take(struct bad_link *l, int64_t now_us)
{
    long i = first(l);
    if (i < 0 || l->flying[i]->due_us > now_us)
        return NULL;
    struct bad_datagram *d = l->flying[i];
    l->flying[i] = l->flying[--l->count];
    return d;
}
