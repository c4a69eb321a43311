#include "rtp/red.h"

#include <errno.h>
#include "base/cursor.h"

int red_parse(const void *payload, size_t len, struct red *ret)
{
    struct red r = {0};
    struct cursor c = cursor_of(payload, len);
    if (len > UINT16_MAX)
        return -EBADMSG;
    for (bool follows = true; follows; r.count++) {
        if (r.count == RED_BLOCKS_MAX)
            return -EBADMSG;
        struct red_block *b = &r.blocks[r.count];
        uint8_t first = cursor_u8(&c);
        follows = first & 0x80;
        b->pt = first & 0x7f;
        if (follows) {
            uint32_t v = cursor_u24(&c);
            b->ts_back = (uint16_t)(v >> 10);
            b->len = v & 0x3ff;
        }
        if (c.bad)
            return -EBADMSG;
    }
    for (unsigned n = 0; n < r.count; n++) {
        struct red_block *b = &r.blocks[n];
        b->off = (uint16_t)(len - cursor_left(&c));
        if (n + 1u == r.count)
            b->len = (uint16_t)cursor_left(&c); /* the primary takes what is left */
        cursor_skip(&c, b->len);
        if (c.bad)
            return -EBADMSG;
    }
    *ret = r;
    return 0;
}

int red_primary(const void *payload, size_t len, struct red_block *ret)
{
    struct red r;
    int err = red_parse(payload, len, &r);
    if (err < 0)
        return err;
    *ret = r.blocks[r.count - 1];
    return 0;
}

int red_write(void *dst, size_t cap, uint8_t pt, const struct red_repeat *repeats, unsigned count,
    const void *primary, size_t primary_len)
{
    size_t size = 1 + primary_len;
    unsigned first = count;
    if (size > cap || pt > 127)
        return -EINVAL;
    for (unsigned i = 0; i < count; i++)
        if (!repeats[i].ts_back || repeats[i].ts_back > RED_BACK_MAX || repeats[i].len > RED_BLOCK_MAX)
            return -EINVAL;
    while (first > 0 && size + 4 + repeats[first - 1].len <= cap)
        size += 4u + repeats[--first].len;
    struct writer w = writer_of(dst, cap);
    for (unsigned i = first; i < count; i++) {
        writer_u8(&w, 0x80 | pt);
        writer_u24(&w, (uint32_t)repeats[i].ts_back << 10 | repeats[i].len);
    }
    writer_u8(&w, pt);
    for (unsigned i = first; i < count; i++)
        writer_bytes(&w, repeats[i].data, repeats[i].len);
    writer_bytes(&w, primary, primary_len);
    return w.bad ? -EINVAL : (int)w.len;
}
