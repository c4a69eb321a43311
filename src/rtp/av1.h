/* AV1 aggregation header and OBU elements (RTP Payload Format for AV1, section 4.4). Normally reached through
 * rtp/payload.h; layers and frame boundaries come from the dependency descriptor where there is one. */
#ifndef RTP_AV1_H
#define RTP_AV1_H

#include "rtp/payload.h"

/* KEY: the N bit, first packet of a coded video sequence. Layers from an OBU header with an extension. */
int av1_parse(const void *payload, size_t len, struct payload_info *ret);

#endif
