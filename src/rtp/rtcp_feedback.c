#include <errno.h>
#include "rtp/rtcp.h"
#include "rtp/seq.h"

#define REMB_ID UINT32_C(0x52454d42) /* "REMB" */

int rtcp_feedback_parse(
    const struct rtcp_block *b, uint32_t *ret_sender, uint32_t *ret_media, struct cursor *ret_fci)
{
    struct cursor c = cursor_of(b->body, b->len);
    uint32_t sender = cursor_u32(&c);
    uint32_t media = cursor_u32(&c);
    if (c.bad)
        return -EBADMSG;
    *ret_sender = sender;
    *ret_media = media;
    *ret_fci = c;
    return 0;
}

static size_t feedback_begin(
    struct writer *w, enum rtcp_type type, unsigned fmt, uint32_t sender, uint32_t media)
{
    size_t at = rtcp_begin(w, (uint8_t)type, fmt);
    writer_u32(w, sender);
    writer_u32(w, media);
    return at;
}

int rtcp_nack_parse(const struct rtcp_block *b, rtcp_nack_fn fn, void *arg)
{
    uint32_t sender, media;
    struct cursor c;
    int r = rtcp_feedback_parse(b, &sender, &media, &c);
    if (r < 0 || cursor_left(&c) == 0 || cursor_left(&c) % 4 != 0)
        return -EBADMSG;
    int count = 0;
    while (cursor_left(&c) >= 4) {
        uint16_t first = cursor_u16(&c);
        uint32_t mask = (uint32_t)cursor_u16(&c) << 1 | 1; /* bit n: first + n */
        for (unsigned n = 0; n <= 16; n++) {
            if (!(mask >> n & 1))
                continue;
            if (count == RTCP_NACK_MAX)
                return count;
            fn(arg, media, (uint16_t)(first + n));
            count++;
        }
    }
    return count;
}

size_t rtcp_nack_write(struct writer *w, uint32_t sender, uint32_t media, const uint16_t *seqs, size_t count)
{
    if (count == 0 || w->bad || w->cap - w->len < 16)
        return 0;
    size_t at = feedback_begin(w, RTCP_RTPFB, RTCP_FMT_NACK, sender, media);
    size_t i = 0;
    while (i < count && w->cap - w->len >= 4) {
        uint16_t first = seqs[i++];
        uint16_t mask = 0;
        for (; i < count; i++) {
            int32_t d = seq_diff(seqs[i], first);
            if (d < 1 || d > 16)
                break;
            mask |= (uint16_t)(1u << (d - 1));
        }
        writer_u16(w, first);
        writer_u16(w, mask);
    }
    rtcp_end(w, at);
    return i;
}

int rtcp_pli_parse(const struct rtcp_block *b, uint32_t *ret_sender, uint32_t *ret_media)
{
    struct cursor c;
    return rtcp_feedback_parse(b, ret_sender, ret_media, &c);
}

void rtcp_pli_write(struct writer *w, uint32_t sender, uint32_t media)
{
    size_t at = feedback_begin(w, RTCP_PSFB, RTCP_FMT_PLI, sender, media);
    rtcp_end(w, at);
}

int rtcp_fir_parse(const struct rtcp_block *b, rtcp_fir_fn fn, void *arg)
{
    uint32_t sender, media;
    struct cursor c;
    int r = rtcp_feedback_parse(b, &sender, &media, &c);
    if (r < 0 || cursor_left(&c) == 0 || cursor_left(&c) % 8 != 0)
        return -EBADMSG;
    int count = 0;
    for (; cursor_left(&c) >= 8; count++) {
        uint32_t ssrc = cursor_u32(&c);
        uint8_t command = cursor_u8(&c);
        cursor_skip(&c, 3);
        fn(arg, ssrc, command);
    }
    return count;
}

void rtcp_fir_write(struct writer *w, uint32_t sender, uint32_t media, uint8_t command)
{
    /* RFC 5104, section 4.3.1.2: the media source of the common part is not used */
    size_t at = feedback_begin(w, RTCP_PSFB, RTCP_FMT_FIR, sender, 0);
    writer_u32(w, media);
    writer_u8(w, command);
    writer_zero(w, 3);
    rtcp_end(w, at);
}

int rtcp_remb_parse(
    const struct rtcp_block *b, uint64_t *ret_bps, uint32_t *ret_ssrcs, size_t cap, size_t *ret_count)
{
    uint32_t sender, media;
    struct cursor c;
    int r = rtcp_feedback_parse(b, &sender, &media, &c);
    if (r < 0)
        return r;
    if (cursor_left(&c) < 4 || cursor_u32(&c) != REMB_ID)
        return -ENOMSG;
    size_t count = cursor_u8(&c);
    uint32_t rate = cursor_u24(&c);
    unsigned exponent = rate >> 18;
    uint64_t mantissa = rate & 0x3ffff;
    if (c.bad || cursor_left(&c) < 4 * count)
        return -EBADMSG;
    if (exponent > 45 && mantissa >> (63 - exponent) != 0)
        return -EBADMSG; /* does not fit a signed 64-bit number */
    for (size_t i = 0; i < count && i < cap; i++)
        ret_ssrcs[i] = cursor_u32(&c);
    *ret_bps = mantissa << exponent;
    *ret_count = count;
    return 0;
}

void rtcp_remb_write(struct writer *w, uint32_t sender, uint64_t bps, const uint32_t *ssrcs, size_t count)
{
    if (count > RTCP_REMB_SSRCS_MAX) {
        w->bad = true;
        return;
    }
    unsigned exponent = 0;
    while (bps >> exponent > 0x3ffff)
        exponent++;
    size_t at = feedback_begin(w, RTCP_PSFB, RTCP_FMT_AFB, sender, 0);
    writer_u32(w, REMB_ID);
    writer_u8(w, (uint8_t)count);
    writer_u24(w, exponent << 18 | (uint32_t)(bps >> exponent));
    for (size_t i = 0; i < count; i++)
        writer_u32(w, ssrcs[i]);
    rtcp_end(w, at);
}
