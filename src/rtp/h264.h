/* H.264 payload structure (RFC 6184, section 5.2). Normally reached through rtp/payload.h. */
#ifndef RTP_H264_H
#define RTP_H264_H

#include "rtp/payload.h"

/* START marks the first packet of a NAL unit that can begin an access unit (SPS, or the first slice of a
 * picture, where first_mb_in_slice is clear). KEY: the packet has an SPS or (part of) an IDR slice. */
int h264_parse(const void *payload, size_t len, struct payload_info *ret);

#endif
