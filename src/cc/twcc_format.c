#include <errno.h>
#include "cc/twcc.h"

enum { /* packet status symbols */
    MISSING = 0,
    SMALL = 1, /* one byte of delta */
    LARGE = 2, /* two bytes, signed */
};

/* A chunk: up to 8,191 times one symbol, or 14 or 7 symbols of their own. */
struct chunk {
    uint16_t bits;
    uint16_t count; /* symbols it can hold */
};

static struct chunk chunk_read(struct cursor *c)
{
    struct chunk k = {.bits = cursor_u16(c)};
    if (!(k.bits & 0x8000))
        k.count = k.bits & 0x1fff;
    else
        k.count = k.bits & 0x4000 ? 7 : 14;
    return k;
}

static unsigned chunk_symbol(struct chunk k, unsigned i)
{
    if (!(k.bits & 0x8000))
        return k.bits >> 13 & 3;
    return k.bits & 0x4000 ? k.bits >> (12 - 2 * i) & 3 : k.bits >> (13 - i) & 1;
}

/* Walks the chunks of count statuses, leaves c at the deltas and says how many bytes of them must follow.
 * Every chunk is used but the last, which may hold more than is left. */
static bool chunks_check(struct cursor *c, unsigned count, size_t *ret_bytes)
{
    size_t bytes = 0;
    for (unsigned left = count; left > 0;) {
        struct chunk k = chunk_read(c);
        if (c->bad || k.count == 0)
            return false;
        unsigned n = k.count < left ? k.count : left;
        for (unsigned i = 0; i < n; i++) {
            unsigned symbol = chunk_symbol(k, i);
            if (symbol > LARGE)
                return false;
            bytes += symbol;
        }
        left -= n;
    }
    *ret_bytes = bytes;
    return true;
}

static void statuses_walk(
    struct cursor chunks, struct cursor deltas, const struct twcc_feedback *f, twcc_status_fn fn, void *arg)
{
    uint16_t seq = f->base;
    for (unsigned left = f->status_count; left > 0;) {
        struct chunk k = chunk_read(&chunks);
        for (unsigned i = 0; i < k.count && left > 0; i++, left--) {
            unsigned symbol = chunk_symbol(k, i);
            int32_t delta = 0;
            if (symbol == SMALL)
                delta = cursor_u8(&deltas);
            else if (symbol == LARGE)
                delta = (int16_t)cursor_u16(&deltas);
            fn(arg, seq++, symbol != MISSING, delta);
        }
    }
}

int twcc_feedback_parse(const struct rtcp_block *b, struct twcc_feedback *ret, twcc_status_fn fn, void *arg)
{
    struct twcc_feedback f;
    struct cursor c;
    if (rtcp_feedback_parse(b, &f.sender_ssrc, &f.media_ssrc, &c) < 0)
        return -EBADMSG;
    f.base = cursor_u16(&c);
    f.status_count = cursor_u16(&c);
    f.reference = cursor_u24(&c);
    f.count = cursor_u8(&c);
    if (c.bad || f.status_count == 0 || f.status_count > TWCC_STATUSES_MAX)
        return -EBADMSG;
    struct cursor chunks = c;
    size_t bytes;
    if (!chunks_check(&c, f.status_count, &bytes) || cursor_left(&c) < bytes)
        return -EBADMSG;
    *ret = f;
    if (fn)
        statuses_walk(chunks, c, &f, fn, arg);
    return 0;
}
