#include "sctp/dcep.h"
#include <errno.h>
#include <string.h>
#include "base/cursor.h"
#include "base/strbuf.h"

#define OPEN_HEADER    12   /* bytes before label and protocol (RFC 8832, section 5.1) */
#define TYPE_UNORDERED 0x80 /* set in the channel type; the rest is enum dcep_reliability */

/* len bytes of text; NULL if they are not there or not UTF-8. */
static const char *read_text(struct cursor *c, size_t len)
{
    const uint8_t *p = cursor_bytes(c, len);
    return p && text_is_utf8((const char *)p, len) ? (const char *)p : NULL;
}

static int parse_open(struct cursor *c, struct dcep_open *ret)
{
    uint8_t type = cursor_u8(c);
    uint16_t priority = cursor_u16(c);
    uint32_t limit = cursor_u32(c);
    uint16_t label_len = cursor_u16(c);
    uint16_t protocol_len = cursor_u16(c);
    uint8_t reliability = type & (uint8_t)~TYPE_UNORDERED;

    if (c->bad || reliability > DCEP_MAX_LIFETIME || cursor_left(c) != (size_t)label_len + protocol_len)
        return -EBADMSG;
    if (label_len > DCEP_LABEL_MAX || protocol_len > DCEP_LABEL_MAX)
        return -ENAMETOOLONG;
    const char *label = read_text(c, label_len);
    const char *protocol = read_text(c, protocol_len);
    if (!label || !protocol)
        return -EBADMSG;

    memset(ret, 0, sizeof *ret);
    ret->ordered = !(type & TYPE_UNORDERED);
    ret->reliability = (enum dcep_reliability)reliability;
    ret->limit = reliability == DCEP_RELIABLE ? 0 : limit;
    ret->priority = priority;
    ret->label_len = label_len;
    ret->protocol_len = protocol_len;
    memcpy(ret->label, label, label_len);
    memcpy(ret->protocol, protocol, protocol_len);
    return DCEP_OPEN;
}

int dcep_parse(const uint8_t *data, size_t len, struct dcep_open *ret)
{
    struct cursor c = cursor_of(data, len);
    uint8_t type = cursor_u8(&c);

    if (type == DCEP_OPEN)
        return parse_open(&c, ret);
    return type == DCEP_ACK && len == 1 ? DCEP_ACK : -EBADMSG;
}

int dcep_write_open(const struct dcep_open *open, uint8_t *out, size_t cap)
{
    struct writer w = writer_of(out, cap);

    if (open->label_len > DCEP_LABEL_MAX || open->protocol_len > DCEP_LABEL_MAX ||
        open->reliability > DCEP_MAX_LIFETIME)
        return -EINVAL;
    if (cap < OPEN_HEADER + (size_t)open->label_len + open->protocol_len)
        return -ENOBUFS;
    writer_u8(&w, DCEP_OPEN);
    writer_u8(&w, (uint8_t)((open->ordered ? 0 : TYPE_UNORDERED) | open->reliability));
    writer_u16(&w, open->priority);
    writer_u32(&w, open->reliability == DCEP_RELIABLE ? 0 : open->limit);
    writer_u16(&w, open->label_len);
    writer_u16(&w, open->protocol_len);
    writer_bytes(&w, open->label, open->label_len);
    writer_bytes(&w, open->protocol, open->protocol_len);
    return (int)w.len;
}

int dcep_write_ack(uint8_t *out, size_t cap)
{
    if (cap < 1)
        return -ENOBUFS;
    out[0] = DCEP_ACK;
    return 1;
}
