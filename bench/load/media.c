#include "media.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include "base/cursor.h"

#define IVF_HEADER 32 /* bytes, by its own word; it is never another */
#define IVF_FRAME  12

enum { /* NAL unit types, ITU-T H.264 table 7-1 */
    NAL_SLICE = 1,
    NAL_IDR = 5,
    NAL_SEI = 6,
    NAL_SPS = 7,
    NAL_PPS = 8,
    NAL_AUD = 9,
};

/* ---- lists ---- */

static int add_unit(struct media *m, size_t offset, size_t len)
{
    if (m->unit_count % 1024 == 0) {
        void *p = realloc(m->units, (m->unit_count + 1024) * sizeof *m->units);
        if (!p)
            return -ENOMEM;
        m->units = p;
    }
    m->units[m->unit_count++] = (struct media_unit){.offset = (uint32_t)offset, .len = (uint32_t)len};
    m->frames[m->frame_count - 1].count++;
    m->frames[m->frame_count - 1].bytes += (uint32_t)len;
    return 0;
}

static int add_frame(struct media *m, bool key)
{
    if (m->frame_count % 1024 == 0) {
        void *p = realloc(m->frames, (m->frame_count + 1024) * sizeof *m->frames);
        if (!p)
            return -ENOMEM;
        m->frames = p;
    }
    m->frames[m->frame_count++] = (struct media_frame){.first = (uint32_t)m->unit_count, .key = key};
    return 0;
}

void media_done(struct media *m)
{
    free(m->data);
    free(m->units);
    free(m->frames);
    *m = (struct media){0};
}

/* ---- IVF: little-endian ---- */

static uint16_t le16(struct cursor *c)
{
    uint16_t v = cursor_u16(c);
    return (uint16_t)(v >> 8 | v << 8);
}

static uint32_t le32(struct cursor *c)
{
    return __builtin_bswap32(cursor_u32(c));
}

static int parse_ivf(struct media *m, char *why, size_t why_size)
{
    struct cursor c = cursor_of(m->data, m->len);
    cursor_skip(&c, 6);
    uint16_t header = le16(&c);
    const uint8_t *codec = cursor_bytes(&c, 4);
    m->width = le16(&c);
    m->height = le16(&c);
    uint32_t rate = le32(&c), scale = le32(&c);
    cursor_skip(&c, 8);
    if (c.bad || header != IVF_HEADER || memcmp(codec, "VP80", 4) != 0) {
        snprintf(why, why_size, "an IVF file of another codec than VP8, or a broken one");
        return -EINVAL;
    }
    m->fps = scale ? (double)rate / scale : 0;
    while (cursor_left(&c) >= IVF_FRAME) {
        uint32_t len = le32(&c);
        cursor_skip(&c, 8);
        const uint8_t *data = cursor_bytes(&c, len);
        if (!data) /* cut at its end, as recordings are */
            break;
        if (len < 10)
            continue;                           /* a dropped picture */
        int err = add_frame(m, !(data[0] & 1)); /* RFC 6386, section 9.1 */
        if (!err)
            err = add_unit(m, (size_t)(data - m->data), len);
        if (err)
            return err;
    }
    return 0;
}

/* ---- Annex B ---- */

/* The next NAL unit behind *at: its offset and length; false: no more. */
static bool next_nal(const uint8_t *data, size_t len, size_t *at, size_t *ret_offset, size_t *ret_len)
{
    size_t i = *at;
    while (i + 3 <= len && !(data[i] == 0 && data[i + 1] == 0 && data[i + 2] == 1))
        i++;
    if (i + 3 >= len)
        return false;
    size_t first = i + 3, end = first;
    while (end + 3 <= len && !(data[end] == 0 && data[end + 1] == 0 && data[end + 2] <= 1))
        end++;
    if (end + 3 > len)
        end = len;
    while (end > first && data[end - 1] == 0)
        end--; /* trailing zeroes belong to nobody */
    *at = end;
    *ret_offset = first;
    *ret_len = end - first;
    return true;
}

/* Does this unit begin another picture (H.264, section 7.4.1.2.3), after had_slice says whether one is under
 * way? first_mb_in_slice 0 is a set bit at once. */
static bool begins_picture(const uint8_t *nal, size_t len, bool had_slice)
{
    unsigned type = nal[0] & 31;
    if (!had_slice)
        return false;
    if (type >= NAL_SEI && type <= NAL_AUD)
        return true;
    return (type == NAL_SLICE || type == NAL_IDR) && len > 1 && nal[1] & 0x80;
}

static int parse_annexb(struct media *m)
{
    size_t at = 0, offset, len;
    bool had_slice = false;
    m->h264 = true;
    while (next_nal(m->data, m->len, &at, &offset, &len)) {
        if (!len)
            continue;
        const uint8_t *nal = m->data + offset;
        unsigned type = nal[0] & 31;
        int err = 0;
        if (type == 0 || type > 23 || type == NAL_AUD)
            continue; /* not for RTP (RFC 6184, section 5.2), or of no use in it */
        if (!m->frame_count || begins_picture(nal, len, had_slice)) {
            err = add_frame(m, false);
            had_slice = false;
        }
        if (!err)
            err = add_unit(m, offset, len);
        if (err)
            return err;
        had_slice |= type == NAL_SLICE || type == NAL_IDR;
        m->frames[m->frame_count - 1].key |= type == NAL_IDR;
    }
    return 0;
}

/* ---- both ---- */

int media_parse(uint8_t *data, size_t len, struct media *ret, char *why, size_t why_size)
{
    struct media m = {.data = data, .len = len};
    int err = len > MEDIA_FILE_MAX                   ? -EFBIG
              : len >= 4 && !memcmp(data, "DKIF", 4) ? parse_ivf(&m, why, why_size)
                                                     : parse_annexb(&m);
    if (!err && (!m.frame_count || !m.frames[0].key)) {
        snprintf(
            why, why_size, "no IVF file of VP8 and no byte stream of H.264 that begins with a key frame");
        err = -EINVAL;
    } else if (err && err != -EINVAL) {
        snprintf(why, why_size, "%s", strerror(-err));
    }
    if (err) {
        m.data = NULL;
        media_done(&m);
        return err;
    }
    *ret = m;
    return 0;
}

int media_open(const char *name, struct media *ret, char *why, size_t why_size)
{
    struct stat st;
    FILE *f = fopen(name, "rbe");
    uint8_t *data = NULL;
    int err = !f || fstat(fileno(f), &st) ? -errno : !S_ISREG(st.st_mode) ? -EINVAL : 0;
    if (!err && (size_t)st.st_size > MEDIA_FILE_MAX)
        err = -EFBIG;
    if (!err && !(data = malloc((size_t)st.st_size + 1)))
        err = -ENOMEM;
    size_t len = err ? 0 : fread(data, 1, (size_t)st.st_size, f);
    if (f)
        fclose(f);
    if (err)
        snprintf(why, why_size, "%s", strerror(-err));
    else
        err = media_parse(data, len, ret, why, why_size);
    if (err)
        free(data);
    return err;
}
