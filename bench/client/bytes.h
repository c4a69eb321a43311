/* A queue of bytes with a bound: what was received and not yet read, or written and not yet sent. */
#ifndef BENCH_CLIENT_BYTES_H
#define BENCH_CLIENT_BYTES_H

#include <stddef.h>
#include <stdint.h>

/* Zero-initialised, with max set. */
struct bytes {
    uint8_t *buf;
    size_t start; /* of what is held, from buf */
    size_t len;   /* bytes held */
    size_t cap;   /* bytes of buf */
    size_t max;   /* bytes that may be held */
};

static inline uint8_t *bytes_at(const struct bytes *b)
{
    return b->buf + b->start;
}

/* Room for n more bytes behind those that are held, or NULL: over max, or no memory. bytes_grow makes them
 * part of the queue. */
uint8_t *bytes_room(struct bytes *b, size_t n);
void bytes_grow(struct bytes *b, size_t n);

/* 0 or -ENOBUFS. */
int bytes_add(struct bytes *b, const void *data, size_t n);

void bytes_drop(struct bytes *b, size_t n); /* the first n of those held */
void bytes_done(struct bytes *b);

#endif
