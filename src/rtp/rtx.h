/* Retransmission payloads (RFC 4588, section 4): the packet again, under another SSRC and payload type, with
 * its original sequence number (OSN) in front of the payload. Any thread. */
#ifndef RTP_RTX_H
#define RTP_RTX_H

#include <stddef.h>
#include <stdint.h>
#include "rtp/header.h"

#define RTX_OSN_LEN 2

/* Turns a received RTX packet back into the media packet, in place: afterwards it starts at data +
 * RTX_OSN_LEN and is RTX_OSN_LEN bytes shorter; parse it again (a repaired rid then says which rid it is). h
 * is what rtp_parse said about data. 0; -ENODATA for padding only (a probe); -EBADMSG if there is no OSN. */
int rtx_unwrap(void *data, size_t len, const struct rtp_packet *h, uint8_t media_pt, uint32_t media_ssrc);

/* Writes the OSN, which goes between the header and the media payload. */
void rtx_write_osn(uint8_t dst[RTX_OSN_LEN], uint16_t osn);

/* Writes a whole RTX packet: header from f (RTX payload type, SSRC and sequence; the media timestamp and
 * marker), extensions, OSN, payload. An empty payload tells a receiver that osn will never come (it was
 * filtered out). Returns the length, or -ENOBUFS, -EINVAL. */
int rtx_write(void *dst, size_t cap, const struct rtp_fields *f, const struct rtp_extmap *m,
    const struct rtp_ext_out *exts, size_t ext_count, uint16_t osn, const void *payload, size_t len);

#endif
