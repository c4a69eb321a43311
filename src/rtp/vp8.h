/* VP8 payload descriptor (RFC 7741, section 4.2). Normally reached through rtp/payload.h. */
#ifndef RTP_VP8_H
#define RTP_VP8_H

#include "rtp/payload.h"

int vp8_parse(const void *payload, size_t len, struct payload_info *ret);

#endif
