#include "rtp/payload.h"

#include <errno.h>
#include <strings.h>
#include "base/cursor.h"
#include "rtp/av1.h"
#include "rtp/h264.h"
#include "rtp/vp8.h"
#include "rtp/vp9.h"

static const struct {
    const char *name;
    bool video;
    int (*parse)(
        const void *payload, size_t len, struct payload_info *ret); /* NULL: every packet is a frame */
} codecs[PAYLOAD_CODEC_COUNT] = {
    [PAYLOAD_UNKNOWN] = {"", false, NULL},
    [PAYLOAD_OPUS] = {"opus", false, NULL},
    [PAYLOAD_RED] = {"red", false, NULL},
    [PAYLOAD_PCMU] = {"PCMU", false, NULL},
    [PAYLOAD_PCMA] = {"PCMA", false, NULL},
    [PAYLOAD_VP8] = {"VP8", true, vp8_parse},
    [PAYLOAD_H264] = {"H264", true, h264_parse},
    [PAYLOAD_VP9] = {"VP9", true, vp9_parse},
    [PAYLOAD_AV1] = {"AV1", true, av1_parse},
};

enum payload_codec payload_codec_find(const char *name)
{
    for (unsigned i = PAYLOAD_UNKNOWN + 1; i < PAYLOAD_CODEC_COUNT; i++) {
        if (strcasecmp(codecs[i].name, name) == 0)
            return (enum payload_codec)i;
    }
    return PAYLOAD_UNKNOWN;
}

const char *payload_codec_name(enum payload_codec c)
{
    return (unsigned)c < PAYLOAD_CODEC_COUNT ? codecs[c].name : "";
}

bool payload_codec_is_video(enum payload_codec c)
{
    return (unsigned)c < PAYLOAD_CODEC_COUNT && codecs[c].video;
}

int payload_parse(enum payload_codec c, const void *payload, size_t len, struct payload_info *ret)
{
    if ((unsigned)c >= PAYLOAD_CODEC_COUNT || len == 0)
        return -EBADMSG;
    struct payload_info info = {.codec = (uint8_t)c};
    if (codecs[c].parse) {
        int r = codecs[c].parse(payload, len, &info);
        if (r < 0)
            return r;
        info.codec = (uint8_t)c;
    } else if (c != PAYLOAD_UNKNOWN) {
        info.flags = PAYLOAD_START | PAYLOAD_END | PAYLOAD_KEY;
    }
    *ret = info;
    return 0;
}

int payload_patch(void *payload, size_t len, const struct payload_info *i, uint16_t picture_id, uint8_t tl0)
{
    if (len < i->patch_len)
        return -EINVAL;
    uint8_t *p = payload;
    if (i->flags & PAYLOAD_PICTURE_ID) {
        if (i->flags & PAYLOAD_PICTURE_ID_LONG) {
            struct writer w = writer_of(p + i->picture_id_off, 2);
            writer_u16(&w, 0x8000 | (picture_id & 0x7fff));
        } else {
            p[i->picture_id_off] = picture_id & 0x7f;
        }
    }
    if (i->flags & PAYLOAD_TL0)
        p[i->tl0_off] = tl0;
    return 0;
}
