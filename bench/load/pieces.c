#include "pieces.h"

#include <errno.h>
#include <string.h>
#include "base/cursor.h"

#define FU_A    28 /* NAL unit type of a fragment (RFC 6184, section 5.8) */
#define FU_HEAD 2  /* bytes */

int pieces_cut(size_t len, size_t max, size_t first_less, uint16_t *sizes)
{
    if (!len || max <= first_less || max > UINT16_MAX)
        return -EINVAL;
    /* what the first one lacks counts as if it were there, so that packets come out equal, not payloads */
    size_t total = len + first_less;
    size_t count = (total + max - 1) / max;
    if (count > PIECES_MAX)
        return -ENOSPC;
    if (count > len)
        count = len;
    size_t each = total / count, longer = total % count, left = len;
    for (size_t i = 0; i < count; i++) {
        size_t size = each + (i >= count - longer);
        if (i == 0)
            size = size > first_less ? size - first_less : 1;
        size_t after = count - i - 1;
        if (size + after > left)
            size = left - after;
        if (!after)
            size = left;
        sizes[i] = (uint16_t)size;
        left -= size;
    }
    return (int)count;
}

void pieces_vp8_descriptor(uint8_t out[PIECES_VP8_LEN], bool first, uint16_t picture, uint8_t tl0)
{
    struct writer w = writer_of(out, PIECES_VP8_LEN);
    writer_u8(&w, first ? 0x90 : 0x80); /* X, S at the start of the partition */
    writer_u8(&w, 0xe0);                /* I, L, T */
    writer_u16(&w, (uint16_t)(0x8000 | picture));
    writer_u8(&w, tl0);
    writer_u8(&w, 0);
}

void pieces_vp8_head(uint8_t out[PIECES_VP8_HEAD], bool key, unsigned width, unsigned height)
{
    struct writer w = writer_of(out, PIECES_VP8_HEAD);
    writer_u8(&w, key ? 0x10 : 0x11);
    writer_u16(&w, 0x0200);
    writer_u24(&w, 0x9d012a);
    writer_u8(&w, (uint8_t)width); /* low byte first */
    writer_u8(&w, (uint8_t)(width >> 8 & 0x3f));
    writer_u8(&w, (uint8_t)height);
    writer_u8(&w, (uint8_t)(height >> 8 & 0x3f));
}

size_t pieces_h264_next(const uint8_t *nal, size_t len, size_t *at, size_t max, size_t less, uint8_t *out)
{
    if (*at == 0 && len <= max - less) {
        memcpy(out, nal, len);
        *at = len;
        return len;
    }
    if (*at == 0)
        *at = 1; /* the unit's own head travels in the fragments' */
    size_t left = len - *at, room = max - FU_HEAD - less, full = max - FU_HEAD;
    size_t count = left <= room ? 1 : 1 + (left - room + full - 1) / full;
    size_t size = (left + count - 1) / count;
    size = size < room ? size : room;
    size = count > 1 && size == left ? left - 1 : size;
    out[0] = (uint8_t)((nal[0] & 0xe0) | FU_A);
    out[1] = (uint8_t)((*at == 1 ? 0x80 : 0) | (size == left ? 0x40 : 0) | (nal[0] & 0x1f));
    memcpy(out + FU_HEAD, nal + *at, size);
    *at += size;
    return FU_HEAD + size;
}
