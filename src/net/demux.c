#include "net/demux.h"

#include "base/cursor.h"

#define STUN_HEADER 20
#define STUN_COOKIE 0x2112a442u
#define DTLS_HEADER 13
#define RTP_HEADER  12
#define RTCP_HEADER 8

enum demux_kind demux_classify(const uint8_t *data, size_t len)
{
    struct cursor c = cursor_of(data, len);
    uint8_t first = cursor_u8(&c), second = cursor_u8(&c);
    cursor_skip(&c, 2);
    uint32_t cookie = cursor_u32(&c);
    if (c.bad)
        return DEMUX_JUNK;
    if (first <= 3)
        return len >= STUN_HEADER && cookie == STUN_COOKIE ? DEMUX_STUN : DEMUX_JUNK;
    if (first >= 20 && first <= 63)
        return len >= DTLS_HEADER ? DEMUX_DTLS : DEMUX_JUNK;
    if (first < 128 || first > 191)
        return DEMUX_JUNK;
    if (second >= 192 && second <= 223) /* RFC 5761, section 4 */
        return len >= RTCP_HEADER ? DEMUX_RTCP : DEMUX_JUNK;
    return len >= RTP_HEADER ? DEMUX_RTP : DEMUX_JUNK;
}
