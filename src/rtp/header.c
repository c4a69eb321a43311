#include "rtp/header.h"

#include <errno.h>
#include <string.h>
#include "base/cursor.h"

#define PROFILE_ONE_BYTE 0xbede /* RFC 8285, section 4.2 */
#define PROFILE_TWO_BYTE 0x1000 /* RFC 8285, section 4.3; the low four bits are the application's */

/* Lengths that a value may have. */
static const struct {
    uint8_t min, max;
} ext_lens[RTP_EXT_COUNT] = {
    [RTP_EXT_MID] = {1, RTP_TEXT_MAX},
    [RTP_EXT_RID] = {1, RTP_TEXT_MAX},
    [RTP_EXT_REPAIRED_RID] = {1, RTP_TEXT_MAX},
    [RTP_EXT_AUDIO_LEVEL] = {1, 1},
    [RTP_EXT_TWCC] = {2, 2},
    [RTP_EXT_ABS_SEND_TIME] = {3, 3},
    [RTP_EXT_ABS_CAPTURE_TIME] = {8, 16},
    [RTP_EXT_DEPENDENCY] = {3, 255},
    [RTP_EXT_VIDEO_ORIENTATION] = {1, 1},
    [RTP_EXT_PLAYOUT_DELAY] = {3, 3},
    [RTP_EXT_TOFFSET] = {3, 3},
    [RTP_EXT_CONTENT_TYPE] = {1, 1},
    [RTP_EXT_VIDEO_TIMING] = {13, 13},
    [RTP_EXT_COLOR_SPACE] = {4, 28},
    [RTP_EXT_LAYERS_ALLOCATION] = {1, 255},
};

static bool text_is_sound(const uint8_t *text, size_t len)
{
    for (size_t i = 0; i < len; i++) {
        if (text[i] <= ' ' || text[i] > '~')
            return false;
    }
    return true;
}

/* Takes in one element of the extension block, whose value starts at off. */
static void ext_store(struct rtp_packet *p, enum rtp_ext ext, const uint8_t *value, size_t len, size_t off)
{
    if (ext >= RTP_EXT_COUNT || len < ext_lens[ext].min || len > ext_lens[ext].max)
        return;
    struct cursor c = cursor_of(value, len);
    switch (ext) {
    case RTP_EXT_MID:
    case RTP_EXT_RID:
    case RTP_EXT_REPAIRED_RID:
        if (!text_is_sound(value, len))
            return;
        break;
    case RTP_EXT_AUDIO_LEVEL: {
        uint8_t v = cursor_u8(&c);
        p->voice = v >> 7;
        p->audio_level = v & 0x7f;
        break;
    }
    case RTP_EXT_TWCC:
        p->twcc = cursor_u16(&c);
        break;
    case RTP_EXT_ABS_SEND_TIME:
        p->abs_send_time = cursor_u24(&c);
        break;
    case RTP_EXT_ABS_CAPTURE_TIME:
        if (len != 8 && len != 16)
            return;
        break;
    case RTP_EXT_PLAYOUT_DELAY: {
        uint32_t v = cursor_u24(&c);
        p->playout_min = (uint16_t)(v >> 12);
        p->playout_max = v & 0xfff;
        break;
    }
    case RTP_EXT_VIDEO_ORIENTATION:
        p->orientation = cursor_u8(&c);
        break;
    default:
        break;
    }
    p->ext_has |= (uint16_t)(1u << ext);
    p->ext_len[ext] = (uint8_t)len;
    p->ext_off[ext] = (uint16_t)off;
}

/* The elements of the block c, which starts at offset off of the packet. Anything impossible ends the walk.
 */
static void exts_parse(
    struct cursor c, size_t off, bool two_byte, const struct rtp_extmap *m, struct rtp_packet *p)
{
    size_t total = cursor_left(&c);
    while (cursor_left(&c) > 0) {
        uint8_t id = cursor_u8(&c);
        size_t len;
        if (two_byte) {
            if (id == 0)
                continue; /* padding */
            len = cursor_u8(&c);
        } else {
            if (id == 0)
                continue;
            len = (size_t)(id & 0x0f) + 1;
            id >>= 4;
            if (id == 15 || id == 0)
                return; /* RFC 8285, section 4.2: the rest is not looked at */
        }
        size_t at = off + total - cursor_left(&c);
        const uint8_t *value = cursor_bytes(&c, len);
        if (c.bad)
            return;
        ext_store(p, rtp_extmap_ext(m, id), value, len, at);
    }
}

/* The fixed header and the CSRCs; c is left behind them. */
static bool fixed_parse(struct cursor *c, struct rtp_packet *p, uint8_t *ret_first)
{
    uint8_t first = cursor_u8(c);
    uint8_t second = cursor_u8(c);
    p->seq = cursor_u16(c);
    p->ts = cursor_u32(c);
    p->ssrc = cursor_u32(c);
    p->ext_seq = p->seq;
    p->marker = second >> 7;
    p->pt = second & 0x7f;
    p->csrc_count = first & 0x0f;
    cursor_skip(c, 4u * p->csrc_count);
    *ret_first = first;
    return !c->bad && first >> 6 == 2;
}

int rtp_parse(const void *data, size_t len, const struct rtp_extmap *m, struct rtp_packet *ret)
{
    struct rtp_packet p = {0};
    struct cursor c = cursor_of(data, len);
    uint8_t first;
    if (len > UINT16_MAX || !fixed_parse(&c, &p, &first))
        return -EBADMSG;
    if (first & 0x10) {
        uint16_t profile = cursor_u16(&c);
        size_t words = cursor_u16(&c);
        size_t off = len - cursor_left(&c);
        struct cursor block = cursor_sub(&c, 4 * words);
        if (c.bad)
            return -EBADMSG;
        if (m && profile == PROFILE_ONE_BYTE)
            exts_parse(block, off, false, m, &p);
        else if (m && (profile & 0xfff0) == PROFILE_TWO_BYTE)
            exts_parse(block, off, true, m, &p);
    }
    size_t left = cursor_left(&c);
    p.payload_off = (uint16_t)(len - left);
    if (first & 0x20) {
        cursor_skip(&c, left ? left - 1 : 0);
        p.padding_len = cursor_u8(&c);
        if (c.bad || p.padding_len == 0 || p.padding_len > left)
            return -EBADMSG;
    }
    p.payload_len = (uint16_t)(left - p.padding_len);
    *ret = p;
    return 0;
}

int rtp_peek(const void *data, size_t len, uint32_t *ret_ssrc, uint8_t *ret_pt)
{
    struct rtp_packet p;
    struct cursor c = cursor_of(data, len);
    uint8_t first;
    if (!fixed_parse(&c, &p, &first))
        return -EBADMSG;
    *ret_ssrc = p.ssrc;
    *ret_pt = p.pt;
    return 0;
}

size_t rtp_ext_text(
    const struct rtp_packet *p, const void *data, enum rtp_ext ext, char out[RTP_TEXT_MAX + 1])
{
    const uint8_t *value = rtp_ext_value(p, data, ext);
    size_t len = value ? p->ext_len[ext] : 0;
    if (len > RTP_TEXT_MAX)
        len = 0;
    if (len)
        memcpy(out, value, len);
    out[len] = '\0';
    return len;
}

/* Do all extensions that will be written fit the one-byte form? *ret_any: is there one at all? */
static bool fits_one_byte(
    const struct rtp_extmap *m, const struct rtp_ext_out *exts, size_t count, bool *ret_any)
{
    bool fits = true;
    *ret_any = false;
    for (size_t i = 0; i < count; i++) {
        uint8_t id = rtp_extmap_id(m, exts[i].ext);
        if (id == 0)
            continue;
        *ret_any = true;
        fits = fits && id <= 14 && exts[i].len >= 1 && exts[i].len <= 16;
    }
    return fits;
}

static void exts_write(
    struct writer *w, const struct rtp_extmap *m, const struct rtp_ext_out *exts, size_t count)
{
    bool any;
    bool one_byte = fits_one_byte(m, exts, count, &any);
    if (!any)
        return;
    writer_u16(w, one_byte ? PROFILE_ONE_BYTE : PROFILE_TWO_BYTE);
    size_t words_at = w->len;
    writer_u16(w, 0);
    for (size_t i = 0; i < count; i++) {
        uint8_t id = rtp_extmap_id(m, exts[i].ext);
        if (id == 0)
            continue;
        if (one_byte) {
            writer_u8(w, (uint8_t)(id << 4 | (exts[i].len - 1)));
        } else {
            writer_u8(w, id);
            writer_u8(w, exts[i].len);
        }
        writer_bytes(w, exts[i].data, exts[i].len);
    }
    size_t body = w->len - words_at - 2;
    writer_zero(w, (4 - body % 4) % 4);
    writer_put_u16(w, words_at, (uint16_t)((w->len - words_at - 2) / 4));
}

int rtp_write_header(void *dst, size_t cap, const struct rtp_fields *f, const struct rtp_extmap *m,
    const struct rtp_ext_out *exts, size_t count)
{
    if (f->pt > 127)
        return -EINVAL;
    struct writer w = writer_of(dst, cap);
    writer_u8(&w, (uint8_t)(0x80 | (f->padding ? 0x20 : 0)));
    writer_u8(&w, (uint8_t)((f->marker ? 0x80 : 0) | f->pt));
    writer_u16(&w, f->seq);
    writer_u32(&w, f->ts);
    writer_u32(&w, f->ssrc);
    if (m && count > 0) {
        exts_write(&w, m, exts, count);
        if (!w.bad && w.len > RTP_HEADER_LEN)
            w.buf[0] |= 0x10;
    }
    return w.bad ? -ENOBUFS : (int)w.len;
}

int rtp_write_padding(void *dst, size_t cap, size_t len)
{
    if (len < 1 || len > 255)
        return -EINVAL;
    struct writer w = writer_of(dst, cap);
    writer_zero(&w, len - 1);
    writer_u8(&w, (uint8_t)len);
    return w.bad ? -ENOBUFS : 0;
}
