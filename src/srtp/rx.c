#include <errno.h>
#include "base/cursor.h"
#include "base/huge.h"
#include "srtp/backend.h"
#include "srtp/table.h"
#include "srtp/window.h"

#define RTCP_HEADER 8 /* bytes up to and with the sender's SSRC */
#define INDEX_MASK  0x7fffffffu
#define INDEX_BITS  48 /* of SRTP */

struct rx_stream {
    struct rx_stream *newer, *older; /* in the order of their latest packets */
    uint32_t ssrc;
    struct srtp_window rtp, rtcp;
};

struct srtp_rx {
    const struct srtp_backend *backend;
    void *state;
    enum srtp_profile profile;
    struct srtp_table streams;
    struct rx_stream *newest, *oldest;
    struct srtp_rx_stats stats;
};

int srtp_rx_new_with(const struct srtp_backend *b, enum srtp_profile profile, const uint8_t *key,
    const uint8_t *salt, struct srtp_rx **ret)
{
    if (!b || !b->supports(profile))
        return -EINVAL;
    struct srtp_rx *rx = huge_alloc(sizeof *rx);
    if (!rx)
        return -ENOMEM;
    int r = b->rx_new(profile, key, salt, &rx->state);
    if (r < 0) {
        huge_free(rx, sizeof *rx);
        return r;
    }
    rx->backend = b;
    rx->profile = profile;
    *ret = rx;
    return 0;
}

int srtp_rx_new(enum srtp_profile profile, const uint8_t *key, const uint8_t *salt, struct srtp_rx **ret)
{
    return srtp_rx_new_with(srtp_backend_of(profile), profile, key, salt, ret);
}

/* ---- streams ---- */

static void stream_unlink(struct srtp_rx *rx, struct rx_stream *s)
{
    *(s->newer ? &s->newer->older : &rx->newest) = s->older;
    *(s->older ? &s->older->newer : &rx->oldest) = s->newer;
}

static void stream_link_newest(struct srtp_rx *rx, struct rx_stream *s)
{
    s->newer = NULL;
    s->older = rx->newest;
    *(rx->newest ? &rx->newest->newer : &rx->oldest) = s;
    rx->newest = s;
}

static void stream_free(struct srtp_rx *rx, struct rx_stream *s)
{
    (void)srtp_table_del(&rx->streams, s->ssrc);
    stream_unlink(rx, s);
    rx->backend->rx_ssrc_del(rx->state, s->ssrc);
    huge_free(s, sizeof *s);
}

/* A stream for an SSRC that has just proved genuine; the one silent for longest gives way. */
static struct rx_stream *stream_add(struct srtp_rx *rx, uint32_t ssrc)
{
    if (rx->streams.count >= SRTP_RX_SSRCS_MAX) {
        stream_free(rx, rx->oldest);
        rx->stats.forgotten++;
    }
    struct rx_stream *s = huge_alloc(sizeof *s);
    if (!s || srtp_table_set(&rx->streams, ssrc, s) < 0) {
        huge_free(s, sizeof *s);
        rx->backend->rx_ssrc_del(rx->state, ssrc);
        return NULL;
    }
    s->ssrc = ssrc;
    stream_link_newest(rx, s);
    return s;
}

void srtp_rx_free(struct srtp_rx *rx)
{
    if (!rx)
        return;
    while (rx->newest) {
        struct rx_stream *s = rx->newest;
        rx->newest = s->older;
        huge_free(s, sizeof *s);
    }
    srtp_table_done(&rx->streams);
    rx->backend->rx_free(rx->state);
    huge_free(rx, sizeof *rx);
}

int srtp_rx_remove_ssrc(struct srtp_rx *rx, uint32_t ssrc)
{
    struct rx_stream *s = srtp_table_get(&rx->streams, ssrc);
    if (!s)
        return -ENOENT;
    stream_free(rx, s);
    return 0;
}

/* ---- packets ---- */

/* Counts what a packet came to and returns it. */
static int verdict(struct srtp_rx *rx, int r, uint64_t *accepted, uint64_t *replays, uint64_t *old)
{
    switch (r) {
    case 0:
        (*accepted)++;
        break;
    case -EALREADY:
        (*replays)++;
        break;
    case -ESTALE:
        (*old)++;
        break;
    case -EBADMSG:
        rx->stats.forged++;
        break;
    case -EINVAL:
        rx->stats.malformed++;
        break;
    default:
        rx->stats.refused++;
        break;
    }
    return r;
}

struct rtp_header {
    size_t len; /* with CSRCs and extensions: what stays clear (RFC 3711, section 3.1) */
    uint32_t ssrc;
    uint16_t seq;
};

/* 0, or -EINVAL: no RTP header, or no room behind it for the trailer. */
static int read_header(const struct srtp_rx *rx, const uint8_t *packet, size_t len, struct rtp_header *ret)
{
    struct cursor c = cursor_of(packet, len);
    uint8_t first = cursor_u8(&c);

    cursor_skip(&c, 1);
    ret->seq = cursor_u16(&c);
    cursor_skip(&c, 4);
    ret->ssrc = cursor_u32(&c);
    cursor_skip(&c, (first & 15) * (size_t)4);
    if (first & 0x10) {
        cursor_skip(&c, 2);
        cursor_skip(&c, cursor_u16(&c) * (size_t)4);
    }
    if (c.bad || first >> 6 != 2 || cursor_left(&c) < srtp_profile_rtp_trailer(rx->profile))
        return -EINVAL;
    ret->len = len - cursor_left(&c);
    return 0;
}

static int take_rtp(struct srtp_rx *rx, uint8_t *packet, size_t *len, uint64_t *ret_index)
{
    struct rtp_header h;
    int r = read_header(rx, packet, *len, &h);
    if (r < 0)
        return r;

    struct rx_stream *s = srtp_table_get(&rx->streams, h.ssrc);
    uint64_t index = s ? srtp_window_estimate(&s->rtp, h.seq) : h.seq;
    if (index >> INDEX_BITS)
        return -EKEYEXPIRED;
    if (s)
        r = srtp_window_check(&s->rtp, index);
    if (r == 0)
        r = rx->backend->rx_rtp(rx->state, h.ssrc, index, h.len, packet, len);
    if (r < 0)
        return r;
    if (!s && !(s = stream_add(rx, h.ssrc)))
        return -ENOMEM;
    srtp_window_mark(&s->rtp, index);
    stream_unlink(rx, s);
    stream_link_newest(rx, s);
    *ret_index = index;
    return 0;
}

int srtp_rx_rtp(struct srtp_rx *rx, uint8_t *packet, size_t *len, uint64_t *ret_index)
{
    return verdict(rx, take_rtp(rx, packet, len, ret_index), &rx->stats.rtp_packets, &rx->stats.rtp_replays,
        &rx->stats.rtp_old);
}

/* The E bit and index stand behind everything in AEAD profiles (RFC 7714, section 9.2), before the tag in
 * others (RFC 3711, section 3.4). */
static uint32_t index_word(const struct srtp_rx *rx, const uint8_t *packet, size_t len)
{
    size_t behind = rx->profile == SRTP_PROFILE_AES128_CM_SHA1_80 ? srtp_profile_rtp_trailer(rx->profile) : 0;
    struct cursor c = cursor_of(packet, len);
    cursor_skip(&c, len - behind - 4);
    return cursor_u32(&c);
}

static int take_rtcp(struct srtp_rx *rx, uint8_t *packet, size_t *len, uint32_t *ret_index)
{
    struct cursor c = cursor_of(packet, *len);
    uint8_t first = cursor_u8(&c);

    cursor_skip(&c, 3);
    uint32_t ssrc = cursor_u32(&c);
    if (c.bad || first >> 6 != 2 || *len < RTCP_HEADER + srtp_profile_rtcp_trailer(rx->profile))
        return -EINVAL;
    uint32_t word = index_word(rx, packet, *len);
    uint32_t index = word & INDEX_MASK;
    if (word == index)
        return -EINVAL; /* not encrypted: nobody who does DTLS-SRTP sends that */

    struct rx_stream *s = srtp_table_get(&rx->streams, ssrc);
    int r = s ? srtp_window_check(&s->rtcp, index) : 0;
    if (r == 0)
        r = rx->backend->rx_rtcp(rx->state, ssrc, index, packet, len);
    if (r < 0)
        return r;
    if (!s && !(s = stream_add(rx, ssrc)))
        return -ENOMEM;
    srtp_window_mark(&s->rtcp, index);
    stream_unlink(rx, s);
    stream_link_newest(rx, s);
    *ret_index = index;
    return 0;
}

int srtp_rx_rtcp(struct srtp_rx *rx, uint8_t *packet, size_t *len, uint32_t *ret_index)
{
    return verdict(rx, take_rtcp(rx, packet, len, ret_index), &rx->stats.rtcp_packets,
        &rx->stats.rtcp_replays, &rx->stats.rtcp_old);
}

int srtp_rx_highest(const struct srtp_rx *rx, uint32_t ssrc, uint64_t *ret_index)
{
    const struct rx_stream *s = srtp_table_get(&rx->streams, ssrc);
    if (!s || !s->rtp.any)
        return -ENOENT;
    *ret_index = s->rtp.highest;
    return 0;
}

int srtp_rx_highest_rtcp(const struct srtp_rx *rx, uint32_t ssrc, uint32_t *ret_index)
{
    const struct rx_stream *s = srtp_table_get(&rx->streams, ssrc);
    if (!s || !s->rtcp.any)
        return -ENOENT;
    *ret_index = (uint32_t)s->rtcp.highest;
    return 0;
}

void srtp_rx_stats(const struct srtp_rx *rx, struct srtp_rx_stats *ret)
{
    *ret = rx->stats;
    ret->ssrcs = (uint32_t)rx->streams.count;
}
