#include "bytes.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

uint8_t *bytes_room(struct bytes *b, size_t n)
{
    if (n > b->max || b->len > b->max - n)
        return NULL;
    if (b->start + b->len + n > b->cap && b->start) {
        memmove(b->buf, b->buf + b->start, b->len);
        b->start = 0;
    }
    if (b->len + n > b->cap) {
        size_t cap = b->cap ? b->cap : 4096;
        while (cap < b->len + n)
            cap *= 2;
        uint8_t *buf = realloc(b->buf, cap);
        if (!buf)
            return NULL;
        b->buf = buf;
        b->cap = cap;
    }
    return b->buf + b->start + b->len;
}

void bytes_grow(struct bytes *b, size_t n)
{
    b->len += n;
}

int bytes_add(struct bytes *b, const void *data, size_t n)
{
    uint8_t *p = bytes_room(b, n);
    if (!p)
        return -ENOBUFS;
    if (n)
        memcpy(p, data, n);
    bytes_grow(b, n);
    return 0;
}

void bytes_drop(struct bytes *b, size_t n)
{
    b->start += n;
    b->len -= n;
    if (!b->len)
        b->start = 0;
}

void bytes_done(struct bytes *b)
{
    free(b->buf);
    *b = (struct bytes){.max = b->max};
}
