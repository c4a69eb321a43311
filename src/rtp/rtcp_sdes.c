#include <errno.h>
#include <string.h>
#include "rtp/rtcp.h"

#define ITEM_CNAME 1

/* One chunk (RFC 3550, section 6.5): an SSRC, items, a zero, zeroes up to the next word. */
static bool chunk_parse(struct cursor *c, size_t total, rtcp_cname_fn fn, void *arg)
{
    uint32_t ssrc = cursor_u32(c);
    const uint8_t *cname = NULL;
    size_t cname_len = 0;
    for (;;) {
        uint8_t item = cursor_u8(c);
        if (c->bad)
            return false;
        if (item == 0)
            break;
        size_t len = cursor_u8(c);
        const uint8_t *text = cursor_bytes(c, len);
        if (c->bad)
            return false;
        if (item == ITEM_CNAME && len > 0) {
            cname = text;
            cname_len = len;
        }
    }
    size_t used = total - cursor_left(c);
    cursor_skip(c, (4 - used % 4) % 4);
    if (c->bad)
        return false;
    if (cname)
        fn(arg, ssrc, (const char *)cname, cname_len);
    return true;
}

int rtcp_sdes_parse(const struct rtcp_block *b, rtcp_cname_fn fn, void *arg)
{
    struct cursor c = cursor_of(b->body, b->len);
    for (unsigned i = 0; i < b->count; i++) {
        if (!chunk_parse(&c, b->len, fn, arg))
            return -EBADMSG;
    }
    return 0;
}

void rtcp_sdes_write(struct writer *w, uint32_t ssrc, const char *cname)
{
    size_t len = strlen(cname);
    if (len > RTCP_CNAME_MAX)
        len = RTCP_CNAME_MAX;
    size_t at = rtcp_begin(w, RTCP_SDES, 1);
    writer_u32(w, ssrc);
    writer_u8(w, ITEM_CNAME);
    writer_u8(w, (uint8_t)len);
    writer_bytes(w, cname, len);
    writer_zero(w, 4 - (2 + len) % 4); /* at least one: the end of the items */
    rtcp_end(w, at);
}

int rtcp_bye_parse(const struct rtcp_block *b, uint32_t *ret_ssrcs, size_t cap)
{
    struct cursor c = cursor_of(b->body, b->len);
    if (cursor_left(&c) < 4u * b->count)
        return -EBADMSG;
    for (unsigned i = 0; i < b->count && i < cap; i++)
        ret_ssrcs[i] = cursor_u32(&c);
    return b->count;
}

void rtcp_bye_write(struct writer *w, const uint32_t *ssrcs, size_t count)
{
    if (count > RTCP_REPORTS_MAX) {
        w->bad = true;
        return;
    }
    size_t at = rtcp_begin(w, RTCP_BYE, (unsigned)count);
    for (size_t i = 0; i < count; i++)
        writer_u32(w, ssrcs[i]);
    rtcp_end(w, at);
}
