#include "rtp/vp9.h"

#include <errno.h>
#include "base/cursor.h"

#define P_DIFFS_MAX 3 /* RFC 9628, section 4.2: references of one picture */

static void picture_id_parse(struct cursor *c, size_t len, struct payload_info *i)
{
    i->picture_id_off = (uint8_t)(len - cursor_left(c));
    i->picture_id = cursor_u8(c);
    i->flags |= PAYLOAD_PICTURE_ID;
    if (i->picture_id & 0x80) {
        i->picture_id = (uint16_t)((i->picture_id & 0x7f) << 8 | cursor_u8(c));
        i->flags |= PAYLOAD_PICTURE_ID_LONG;
    }
    i->patch_len = (uint8_t)(len - cursor_left(c));
}

static void layers_parse(struct cursor *c, size_t len, bool flexible, struct payload_info *i)
{
    uint8_t v = cursor_u8(c);
    i->flags |= PAYLOAD_LAYERS;
    i->temporal = v >> 5;
    i->spatial = v >> 1 & 7;
    if (v & 0x10)
        i->flags |= PAYLOAD_LAYER_SYNC;
    if (v & 0x01)
        i->flags |= PAYLOAD_INTER_LAYER;
    if (!flexible) {
        i->tl0_off = (uint8_t)(len - cursor_left(c));
        i->tl0 = cursor_u8(c);
        i->flags |= PAYLOAD_TL0;
        i->patch_len = (uint8_t)(len - cursor_left(c));
    }
}

static bool references_parse(struct cursor *c)
{
    for (unsigned n = 0; n < P_DIFFS_MAX; n++) {
        if (!(cursor_u8(c) & 0x01))
            return true;
    }
    return false;
}

/* The scalability structure: only its length matters here. */
static void structure_skip(struct cursor *c)
{
    uint8_t v = cursor_u8(c);
    if (v & 0x10)
        cursor_skip(c, 4 * ((size_t)(v >> 5) + 1));
    if (v & 0x08) {
        unsigned pictures = cursor_u8(c);
        for (unsigned n = 0; n < pictures && !c->bad; n++)
            cursor_skip(c, cursor_u8(c) >> 2 & 3);
    }
}

int vp9_parse(const void *payload, size_t len, struct payload_info *ret)
{
    struct payload_info i = {.codec = PAYLOAD_VP9};
    struct cursor c = cursor_of(payload, len);
    uint8_t first = cursor_u8(&c);
    bool predicted = first & 0x40, layers = first & 0x20, flexible = first & 0x10;
    if (first & 0x80)
        picture_id_parse(&c, len, &i);
    if (layers)
        layers_parse(&c, len, flexible, &i);
    if (flexible) {
        i.flags |= PAYLOAD_FLEXIBLE;
        /* RFC 9628, section 4.2: flexible mode needs picture ids */
        if (!(first & 0x80) || (predicted && !references_parse(&c)))
            return -EBADMSG;
    }
    if (first & 0x02)
        structure_skip(&c);
    if (c.bad || cursor_left(&c) == 0)
        return -EBADMSG;
    if (first & 0x08)
        i.flags |= PAYLOAD_START;
    if (first & 0x04)
        i.flags |= PAYLOAD_END;
    if (predicted)
        i.flags |= PAYLOAD_PREDICTED;
    /* A layer that needs neither an earlier picture nor a lower layer can be the first that is decoded. */
    if (!predicted && (i.spatial == 0 || !(i.flags & PAYLOAD_INTER_LAYER)))
        i.flags |= PAYLOAD_KEY;
    *ret = i;
    return 0;
}
