#include "rtp/rtcp.h"

#include <errno.h>

int rtcp_next(struct cursor *c, struct rtcp_block *ret)
{
    if (cursor_left(c) == 0)
        return c->bad ? -EBADMSG : 0;
    uint8_t first = cursor_u8(c);
    uint8_t type = cursor_u8(c);
    size_t len = 4u * cursor_u16(c);
    struct cursor body = cursor_sub(c, len);
    if (c->bad || first >> 6 != 2) {
        c->bad = true;
        return -EBADMSG;
    }
    if (first & 0x20) {
        /* RFC 3550, section 6.4.1: the last byte counts the padding, itself included. It says multiples of
         * four, but transport-wide feedback is padded by one to three bytes. */
        struct cursor last = body;
        cursor_skip(&last, len ? len - 1 : 0);
        size_t padding = cursor_u8(&last);
        if (last.bad || padding == 0 || padding > len) {
            c->bad = true;
            return -EBADMSG;
        }
        len -= padding;
    }
    *ret = (struct rtcp_block){
        .type = type,
        .count = first & 0x1f,
        .body = body.p,
        .len = len,
    };
    return 1;
}

bool rtcp_is(const void *data, size_t len)
{
    struct cursor c = cursor_of(data, len);
    uint8_t first = cursor_u8(&c);
    uint8_t type = cursor_u8(&c);
    /* RFC 5761, section 4: types 192 to 223 are not used as payload types with a marker */
    return !c.bad && first >> 6 == 2 && type >= 192 && type <= 223;
}

size_t rtcp_begin(struct writer *w, uint8_t type, unsigned count)
{
    size_t at = w->len;
    writer_u8(w, (uint8_t)(0x80 | (count & 0x1f)));
    writer_u8(w, type);
    writer_u16(w, 0);
    return at;
}

void rtcp_end(struct writer *w, size_t at)
{
    if (w->bad) {
        w->len = at;
        return;
    }
    writer_put_u16(w, at + 2, (uint16_t)((w->len - at) / 4 - 1));
}
