#include "rtp/frame.h"

#include <errno.h>

void frame_tracker_init(struct frame_tracker *t, enum payload_codec codec, struct dd_structure *dd)
{
    *t = (struct frame_tracker){.codec = codec, .dd = dd};
    if (dd)
        dd->valid = false;
}

static void flag_set(struct payload_info *i, unsigned flag, bool on)
{
    i->flags = (uint16_t)(on ? i->flags | flag : i->flags & ~flag);
}

bool frame_track(struct frame_tracker *t, const void *data, struct rtp_packet *p, struct dd *ret_dd)
{
    p->payload = (struct payload_info){.codec = (uint8_t)t->codec};
    p->frame_number = 0;
    bool next = t->started && p->ext_seq == t->last_seq + 1;
    bool same_frame = t->started && p->ts == t->last_ts;
    if (!t->started || p->ext_seq > t->last_seq) {
        t->started = true;
        t->last_seq = p->ext_seq;
        t->last_ts = p->ts;
    }
    if (p->payload_len == 0)
        return false;
    (void)payload_parse(t->codec, (const uint8_t *)data + p->payload_off, p->payload_len, &p->payload);

    const uint8_t *value = rtp_ext_value(p, data, RTP_EXT_DEPENDENCY);
    if (value && t->dd) {
        struct dd dd;
        int r = dd_parse(value, p->ext_len[RTP_EXT_DEPENDENCY], t->dd, &dd);
        if (r == 0 || r == -EAGAIN) {
            p->frame_number = dd.frame_number;
            dd_to_payload(&dd, r == 0 ? t->dd : NULL, &p->payload);
            if (r == 0 && ret_dd)
                *ret_dd = dd;
            return r == 0;
        }
    }
    struct payload_info *i = &p->payload;
    bool follows = next && !same_frame;
    if (t->codec == PAYLOAD_H264) {
        /* Parameter sets begin what a decoder needs, though a delimiter may stand before them. */
        flag_set(i, PAYLOAD_START, follows || i->flags & PAYLOAD_SEQUENCE);
    } else if (t->codec == PAYLOAD_AV1) {
        flag_set(i, PAYLOAD_START, i->flags & PAYLOAD_START && (follows || i->flags & PAYLOAD_SEQUENCE));
    }
    if (p->marker && i->codec != PAYLOAD_VP9 && payload_codec_is_video(t->codec))
        i->flags |= PAYLOAD_END;
    return false;
}
