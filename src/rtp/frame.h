/* Everything that is known of a packet's frame, from its payload, its dependency descriptor and its
 * neighbours. One of these a received stream (SSRC). Thread of the track. */
#ifndef RTP_FRAME_H
#define RTP_FRAME_H

#include <stdbool.h>
#include <stdint.h>
#include "rtp/dd.h"
#include "rtp/header.h"

struct frame_tracker {
    enum payload_codec codec;
    struct dd_structure *dd; /* the caller's; NULL: descriptors are not looked at */
    bool started;
    int64_t last_seq; /* newest packet */
    uint32_t last_ts;
};

/* dd: room for the stream's template structure where RTP_EXT_DEPENDENCY is negotiated, else NULL. */
void frame_tracker_init(struct frame_tracker *t, enum payload_codec codec, struct dd_structure *dd);

/* Fills p->payload and p->frame_number. p->ext_seq must be the extended number; data is the packet. Packets
 * in order of arrival; each once,
 * those without payload too (they are someone's predecessor). An unreadable payload or descriptor leaves
 * flags 0 and the codec.
 *
 * START is certain afterwards: where the payload alone cannot tell (H.264, AV1 without a descriptor), it is
 * only set if the packet before it has come and belongs to another frame, or the payload begins a sequence.
 * END likewise comes from the marker bit where nothing better is known. A packet that came late never gets an
 * uncertain START. *ret_dd, if not NULL, is the descriptor; returns whether there was one,
 * deps and all. */
bool frame_track(struct frame_tracker *t, const void *data, struct rtp_packet *p, struct dd *ret_dd);

#endif
