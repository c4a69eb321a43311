#include "rtp/rtx.h"

#include <errno.h>
#include <string.h>
#include "base/cursor.h"

int rtx_unwrap(void *data, size_t len, const struct rtp_packet *h, uint8_t media_pt, uint32_t media_ssrc)
{
    if (h->payload_len == 0)
        return -ENODATA;
    if (h->payload_len < RTX_OSN_LEN || h->payload_off < RTP_HEADER_LEN ||
        (size_t)h->payload_off + h->payload_len > len || media_pt > 127)
        return -EBADMSG;
    uint8_t *p = data;
    struct cursor c = cursor_of(p + h->payload_off, RTX_OSN_LEN);
    uint16_t osn = cursor_u16(&c);
    memmove(p + RTX_OSN_LEN, p, h->payload_off);
    uint8_t *media = p + RTX_OSN_LEN;
    media[1] = (uint8_t)((media[1] & 0x80) | media_pt);
    struct writer w = writer_of(media + 2, 2);
    writer_u16(&w, osn);
    w = writer_of(media + 8, 4);
    writer_u32(&w, media_ssrc);
    return 0;
}

void rtx_write_osn(uint8_t dst[RTX_OSN_LEN], uint16_t osn)
{
    struct writer w = writer_of(dst, RTX_OSN_LEN);
    writer_u16(&w, osn);
}

int rtx_write(void *dst, size_t cap, const struct rtp_fields *f, const struct rtp_extmap *m,
    const struct rtp_ext_out *exts, size_t ext_count, uint16_t osn, const void *payload, size_t len)
{
    int header = rtp_write_header(dst, cap, f, m, exts, ext_count);
    if (header < 0)
        return header;
    struct writer w = writer_of(dst, cap);
    (void)writer_reserve(&w, (size_t)header);
    writer_u16(&w, osn);
    writer_bytes(&w, payload, len);
    return w.bad ? -ENOBUFS : (int)w.len;
}
