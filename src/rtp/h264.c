#include "rtp/h264.h"

#include <errno.h>
#include "base/cursor.h"

enum {
    NAL_SLICE = 1,
    NAL_IDR = 5,
    NAL_SPS = 7,
    NAL_DELIMITER = 9,
    NAL_STAP_A = 24,
    NAL_FU_A = 28,
};

/* What a NAL unit that begins here with this type, and rest after its header byte, adds to what is known. */
static void nal_note(unsigned type, struct cursor rest, bool begins, struct payload_info *i)
{
    switch (type) {
    case NAL_SPS:
        i->flags |= PAYLOAD_KEY | PAYLOAD_SEQUENCE | PAYLOAD_START;
        break;
    case NAL_DELIMITER:
        i->flags |= PAYLOAD_START;
        break;
    case NAL_IDR:
        i->flags |= PAYLOAD_KEY;
        /* fall through */
    case NAL_SLICE:
        /* first_mb_in_slice is an Exp-Golomb number, so a leading 1 bit is the number 0 */
        if (begins && cursor_u8(&rest) & 0x80)
            i->flags |= PAYLOAD_START;
        break;
    default:
        break;
    }
}

/* RFC 6184, section 5.7.1: a 16-bit size before each NAL unit. */
static bool stap_parse(struct cursor *c, struct payload_info *i)
{
    bool any = false;
    while (cursor_left(c) > 0) {
        struct cursor nal = cursor_sub(c, cursor_u16(c));
        uint8_t header = cursor_u8(&nal);
        if (c->bad || nal.bad)
            return false;
        nal_note(header & 0x1f, nal, true, i);
        any = true;
    }
    return any;
}

int h264_parse(const void *payload, size_t len, struct payload_info *ret)
{
    struct payload_info i = {.codec = PAYLOAD_H264};
    struct cursor c = cursor_of(payload, len);
    uint8_t header = cursor_u8(&c);
    unsigned type = header & 0x1f;
    if (c.bad || type == 0)
        return -EBADMSG;
    bool discardable = (header & 0x60) == 0; /* nal_ref_idc */
    if (type == NAL_STAP_A) {
        if (!stap_parse(&c, &i))
            return -EBADMSG;
    } else if (type == NAL_FU_A) {
        uint8_t fu = cursor_u8(&c);
        if (c.bad || (fu & 0xc0) == 0xc0) /* RFC 6184, section 5.8: a fragment cannot be first and last */
            return -EBADMSG;
        bool begins = fu & 0x80;
        if (begins)
            nal_note(fu & 0x1f, c, true, &i);
        else if ((fu & 0x1f) == NAL_IDR)
            i.flags |= PAYLOAD_KEY;
    } else {
        nal_note(type, c, true, &i);
    }
    if (discardable)
        i.flags |= PAYLOAD_DISCARDABLE;
    *ret = i;
    return 0;
}
