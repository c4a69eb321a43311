#include "rtp/vp8.h"

#include <errno.h>
#include "base/cursor.h"

/* The extended part of the descriptor, whose first byte says what follows. */
static void extension_parse(struct cursor *c, size_t len, struct payload_info *i)
{
    uint8_t present = cursor_u8(c);
    if (present & 0x80) {
        i->picture_id_off = (uint8_t)(len - cursor_left(c));
        i->picture_id = cursor_u8(c);
        i->flags |= PAYLOAD_PICTURE_ID;
        if (i->picture_id & 0x80) {
            i->picture_id = (uint16_t)((i->picture_id & 0x7f) << 8 | cursor_u8(c));
            i->flags |= PAYLOAD_PICTURE_ID_LONG;
        }
    }
    if (present & 0x40) {
        i->tl0_off = (uint8_t)(len - cursor_left(c));
        i->tl0 = cursor_u8(c);
        i->flags |= PAYLOAD_TL0;
    }
    if (present & 0x30) {
        uint8_t v = cursor_u8(c);
        if (present & 0x20) {
            i->temporal = v >> 6;
            i->flags |= PAYLOAD_LAYERS;
            if (v & 0x20)
                i->flags |= PAYLOAD_LAYER_SYNC;
        }
        if (present & 0x10)
            i->key_index = v & 0x1f;
    }
}

int vp8_parse(const void *payload, size_t len, struct payload_info *ret)
{
    struct payload_info i = {.codec = PAYLOAD_VP8};
    struct cursor c = cursor_of(payload, len);
    uint8_t first = cursor_u8(&c);
    if (first & 0x80)
        extension_parse(&c, len, &i);
    size_t descriptor = len - cursor_left(&c);
    if (i.flags & (PAYLOAD_PICTURE_ID | PAYLOAD_TL0))
        i.patch_len = (uint8_t)descriptor;
    if (first & 0x20)
        i.flags |= PAYLOAD_DISCARDABLE;
    uint8_t frame = cursor_u8(&c); /* RFC 7741, section 4.3: meaningful in the first packet of a frame */
    if (c.bad)
        return -EBADMSG;
    if ((first & 0x17) == 0x10) { /* S, and partition 0 */
        i.flags |= PAYLOAD_START;
        if (!(frame & 0x01))
            i.flags |= PAYLOAD_KEY;
    }
    *ret = i;
    return 0;
}
