/* What a datagram is, by its first byte (RFC 7983) and, for RTP against RTCP, its second (RFC 5761). */
#ifndef NET_DEMUX_H
#define NET_DEMUX_H

#include <stddef.h>
#include <stdint.h>

enum demux_kind {
    DEMUX_JUNK,
    DEMUX_STUN,
    DEMUX_DTLS,
    DEMUX_RTP,
    DEMUX_RTCP,
};

enum demux_kind demux_classify(const uint8_t *data, size_t len);

#endif
