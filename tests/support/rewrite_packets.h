/* A rewriter and packets for it. */
#ifndef SUPPORT_REWRITE_PACKETS_H
#define SUPPORT_REWRITE_PACKETS_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include "rtp/rewrite.h"

#define MS(x) ((int64_t)(x)*1000)
#define RATE  90000
#define SLOTS 256

static struct rewrite_slot slots[SLOTS];

static inline struct rewrite start(uint16_t first_seq, uint32_t first_ts)
{
    struct rewrite r;
    assert_int_equal(rewrite_init(&r, slots, SLOTS, first_seq, first_ts, RATE), 0);
    return r;
}

static inline struct rtp_packet packet_of(int64_t seq, uint32_t ts)
{
    return (struct rtp_packet){.ext_seq = seq, .seq = (uint16_t)seq, .ts = ts};
}

static inline struct rtp_packet vp8_packet(
    int64_t seq, uint16_t picture_id, uint8_t tl0, uint16_t frame_number)
{
    struct rtp_packet p = packet_of(seq, 3000u * picture_id);
    p.payload = (struct payload_info){
        .codec = PAYLOAD_VP8,
        .flags = PAYLOAD_PICTURE_ID | PAYLOAD_PICTURE_ID_LONG | PAYLOAD_TL0 | PAYLOAD_LAYERS,
        .picture_id = picture_id,
        .tl0 = tl0,
    };
    p.ext_has = 1u << RTP_EXT_DEPENDENCY;
    p.frame_number = frame_number;
    return p;
}

#endif
