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
