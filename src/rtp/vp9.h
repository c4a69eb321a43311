/* VP9 payload descriptor (RFC 9628, section 4.2). Normally reached through rtp/payload.h. */
#ifndef RTP_VP9_H
#define RTP_VP9_H

#include "rtp/payload.h"

int vp9_parse(const void *payload, size_t len, struct payload_info *ret);

#endif
