/* Bounded reading and writing of byte strings, network byte order.
 *
 * Errors are sticky: a read past the end yields zero or NULL and sets `bad`; a write past the end writes
 * nothing and sets `bad`. Check once, at the end. No function here allocates. Any thread. */
#ifndef BASE_CURSOR_H
#define BASE_CURSOR_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

struct cursor {
    const uint8_t *p;   /* next byte */
    const uint8_t *end; /* one past the last byte */
    bool bad;           /* something was read past the end */
};

static inline struct cursor cursor_of(const void *data, size_t len)
{
    const uint8_t *p = data;
    return (struct cursor){.p = p, .end = p ? p + len : p, .bad = false};
}

/* Bytes not yet read; 0 once bad. */
static inline size_t cursor_left(const struct cursor *c)
{
    return c->bad ? 0 : (size_t)(c->end - c->p);
}

/* The next n bytes, or NULL if there are fewer. */
static inline const uint8_t *cursor_bytes(struct cursor *c, size_t n)
{
    if (cursor_left(c) < n) {
        c->bad = true;
        return NULL;
    }
    const uint8_t *p = c->p;
    if (n > 0) /* otherwise p may be NULL, and nothing can be added to that */
        c->p += n;
    return p;
}

static inline void cursor_skip(struct cursor *c, size_t n)
{
    (void)cursor_bytes(c, n);
}

/* A cursor over the next n bytes, which are skipped here; bad and empty if there are fewer. */
static inline struct cursor cursor_sub(struct cursor *c, size_t n)
{
    const uint8_t *p = cursor_bytes(c, n);
    struct cursor s = cursor_of(p, p ? n : 0);
    s.bad = p == NULL && n > 0;
    return s;
}

static inline uint8_t cursor_u8(struct cursor *c)
{
    const uint8_t *p = cursor_bytes(c, 1);
    return p ? p[0] : 0;
}

static inline uint16_t cursor_u16(struct cursor *c)
{
    const uint8_t *p = cursor_bytes(c, 2);
    return p ? (uint16_t)(p[0] << 8 | p[1]) : 0;
}

static inline uint32_t cursor_u24(struct cursor *c)
{
    const uint8_t *p = cursor_bytes(c, 3);
    return p ? (uint32_t)p[0] << 16 | (uint32_t)p[1] << 8 | p[2] : 0;
}

static inline uint32_t cursor_u32(struct cursor *c)
{
    const uint8_t *p = cursor_bytes(c, 4);
    return p ? (uint32_t)p[0] << 24 | (uint32_t)p[1] << 16 | (uint32_t)p[2] << 8 | p[3] : 0;
}

static inline uint64_t cursor_u64(struct cursor *c)
{
    uint64_t hi = cursor_u32(c);
    return hi << 32 | cursor_u32(c);
}

struct writer {
    uint8_t *buf;
    size_t cap; /* bytes of buf */
    size_t len; /* bytes written */
    bool bad;   /* something did not fit */
};

static inline struct writer writer_of(void *buf, size_t cap)
{
    return (struct writer){.buf = buf, .cap = cap};
}

/* Room for n bytes that the caller fills, or NULL if they do not fit. */
static inline uint8_t *writer_reserve(struct writer *w, size_t n)
{
    if (w->bad || w->cap - w->len < n) {
        w->bad = true;
        return NULL;
    }
    uint8_t *p = w->buf + w->len;
    w->len += n;
    return p;
}

static inline void writer_bytes(struct writer *w, const void *data, size_t n)
{
    uint8_t *p = writer_reserve(w, n);
    if (p && n)
        memcpy(p, data, n);
}

static inline void writer_zero(struct writer *w, size_t n)
{
    uint8_t *p = writer_reserve(w, n);
    if (p)
        memset(p, 0, n);
}

static inline void writer_u8(struct writer *w, uint8_t v)
{
    writer_bytes(w, &v, 1);
}

static inline void writer_u16(struct writer *w, uint16_t v)
{
    uint8_t b[2] = {(uint8_t)(v >> 8), (uint8_t)v};
    writer_bytes(w, b, sizeof b);
}

static inline void writer_u24(struct writer *w, uint32_t v)
{
    uint8_t b[3] = {(uint8_t)(v >> 16), (uint8_t)(v >> 8), (uint8_t)v};
    writer_bytes(w, b, sizeof b);
}

static inline void writer_u32(struct writer *w, uint32_t v)
{
    uint8_t b[4] = {(uint8_t)(v >> 24), (uint8_t)(v >> 16), (uint8_t)(v >> 8), (uint8_t)v};
    writer_bytes(w, b, sizeof b);
}

static inline void writer_u64(struct writer *w, uint64_t v)
{
    writer_u32(w, (uint32_t)(v >> 32));
    writer_u32(w, (uint32_t)v);
}

/* Overwrites two bytes written earlier at offset at. */
static inline void writer_put_u16(struct writer *w, size_t at, uint16_t v)
{
    if (w->bad || at + 2 > w->len) {
        w->bad = true;
        return;
    }
    w->buf[at] = (uint8_t)(v >> 8);
    w->buf[at + 1] = (uint8_t)v;
}

#endif
