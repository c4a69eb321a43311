#include "rtp/rtcp.h"

enum { BLOCK_RRTR = 4, BLOCK_DLRR = 5 }; /* RFC 3611, sections 4.4 and 4.5 */

#define DLRR_LEN 12 /* bytes of a sub-block */

void rtcp_rrtr_write(struct writer *w, uint32_t sender, uint64_t ntp)
{
    size_t at = rtcp_begin(w, RTCP_XR, 0);
    writer_u32(w, sender);
    writer_u8(w, BLOCK_RRTR);
    writer_u8(w, 0);
    writer_u16(w, 2);
    writer_u64(w, ntp);
    rtcp_end(w, at);
}

static bool dlrr_find(struct cursor c, uint32_t ssrc, struct rtcp_dlrr *ret)
{
    while (cursor_left(&c) >= DLRR_LEN) {
        uint32_t about = cursor_u32(&c);
        struct rtcp_dlrr d = {.lrr = cursor_u32(&c)};
        d.dlrr = cursor_u32(&c);
        if (about != ssrc)
            continue;
        *ret = d;
        return true;
    }
    return false;
}

bool rtcp_dlrr_find(const struct rtcp_block *b, uint32_t ssrc, struct rtcp_dlrr *ret)
{
    struct cursor c = cursor_of(b->body, b->len);
    if (b->type != RTCP_XR)
        return false;
    cursor_skip(&c, 4); /* whose report it is */
    while (cursor_left(&c) >= 4) {
        uint8_t type = cursor_u8(&c);
        cursor_skip(&c, 1);
        struct cursor body = cursor_sub(&c, 4u * cursor_u16(&c));
        if (c.bad)
            return false;
        if (type == BLOCK_DLRR && dlrr_find(body, ssrc, ret))
            return true;
    }
    return false;
}
