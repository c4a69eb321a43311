#include "rtp/av1.h"

#include <errno.h>
#include "base/cursor.h"

#define OBU_SEQUENCE_HEADER 1

/* AV1 specification, section 4.10.5; sizes here never need more than four bytes. */
static size_t leb128(struct cursor *c)
{
    size_t v = 0;
    for (unsigned shift = 0; shift < 28; shift += 7) {
        uint8_t b = cursor_u8(c);
        v |= (size_t)(b & 0x7f) << shift;
        if (!(b & 0x80))
            return v;
    }
    c->bad = true;
    return 0;
}

/* The header of an OBU that begins here. */
static void obu_note(struct cursor obu, struct payload_info *i)
{
    uint8_t header = cursor_u8(&obu);
    if (obu.bad)
        return;
    if ((header >> 3 & 0x0f) == OBU_SEQUENCE_HEADER)
        i->flags |= PAYLOAD_KEY | PAYLOAD_SEQUENCE;
    if (header & 0x04) {
        uint8_t layer = cursor_u8(&obu);
        if (obu.bad)
            return;
        i->temporal = layer >> 5;
        i->spatial = layer >> 3 & 3;
        i->flags |= PAYLOAD_LAYERS;
    }
}

int av1_parse(const void *payload, size_t len, struct payload_info *ret)
{
    struct payload_info i = {.codec = PAYLOAD_AV1};
    struct cursor c = cursor_of(payload, len);
    uint8_t header = cursor_u8(&c);
    bool continues = header & 0x80, new_sequence = header & 0x08;
    unsigned count = header >> 4 & 3;
    if (cursor_left(&c) == 0 || (new_sequence && continues))
        return -EBADMSG;
    for (unsigned n = 1; cursor_left(&c) > 0; n++) {
        size_t size = count != 0 && n == count ? cursor_left(&c) : leb128(&c);
        struct cursor obu = cursor_sub(&c, size);
        if (c.bad)
            return -EBADMSG;
        if (n > 1 || !continues)
            obu_note(obu, &i);
        if (n == count)
            break;
    }
    if (!continues)
        i.flags |= PAYLOAD_START;
    if (new_sequence)
        i.flags |= PAYLOAD_KEY | PAYLOAD_SEQUENCE;
    *ret = i;
    return 0;
}
