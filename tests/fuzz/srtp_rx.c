// link: srtp rtp base
/* A stream of datagrams as a receiver gets them. First byte: the profile. Then operations: packets that a
 * sender with the key protects, the same again, changed, cut or lengthened, and bytes of anybody's. OpenSSL
 * and libipsec-mb must come to libsrtp2's verdict and plain text, nothing may be accepted twice, and what is
 * accepted must be what was sent. */
#include <errno.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include "base/cursor.h"
#include "srtp/backend.h"
#include "support/fuzz.h"

#define DATAGRAM_MAX   512
#define PAST           32  /* datagrams that can come again */
#define SSRCS          300 /* more than a receiver remembers */
#define OPERATIONS_MAX 400

enum operation {
    SEND_RTP,
    SEND_RTP_JUMP,
    SEND_RTCP,
    REPEAT,
    CHANGE,
    RESIZE,
    ANY_RTP,
    ANY_RTCP,
    FORGET,
    OPERATIONS,
};

struct datagram {
    uint8_t data[DATAGRAM_MAX], plain[DATAGRAM_MAX];
    size_t len, plain_len;
    bool is_rtcp;
    int times; /* accepted */
};

static const struct srtp_backend *const backends[] = {
    &srtp_backend_libsrtp2, &srtp_backend_evp, &srtp_backend_ipsecmb};
#define BACKENDS (sizeof backends / sizeof backends[0])

struct rig {
    struct srtp_tx *tx;
    struct srtp_rx *rx[BACKENDS];
    uint64_t next[SSRCS];
    struct datagram past[PAST];
    size_t sent;
    uint64_t forgotten; /* SSRCs: then a packet may be accepted once more */
};

static void rig_open(struct rig *r, enum srtp_profile p)
{
    static const uint8_t key[SRTP_KEY_MAX] = "thirty-two bytes of a master key",
                         salt[SRTP_SALT_MAX] = "fourteen bytes";
    memset(r, 0, sizeof *r);
    CHECK(srtp_tx_new_with(&srtp_backend_evp, p, key, salt, &r->tx) == 0);
    for (size_t i = 0; i < BACKENDS; i++)
        if (backends[i]->supports(p))
            CHECK(srtp_rx_new_with(backends[i], p, key, salt, &r->rx[i]) == 0);
}

static void rig_close(struct rig *r)
{
    srtp_tx_free(r->tx);
    for (size_t i = 0; i < BACKENDS; i++)
        srtp_rx_free(r->rx[i]);
}

static int receive(
    struct srtp_rx *rx, bool is_rtcp, uint8_t data[DATAGRAM_MAX], size_t *len, uint64_t *ret_index)
{
    uint32_t index = 0;
    int err = is_rtcp ? srtp_rx_rtcp(rx, data, len, &index) : srtp_rx_rtp(rx, data, len, ret_index);
    if (is_rtcp)
        *ret_index = index;
    return err;
}

/* The verdict of all. *ret_plain is libsrtp2's. */
static int deliver(struct rig *r, const struct datagram *d, uint8_t ret_plain[DATAGRAM_MAX], size_t *ret_len)
{
    uint64_t index = 0;
    struct srtp_rx_stats stats;

    memcpy(ret_plain, d->data, DATAGRAM_MAX);
    *ret_len = d->len;
    int err = receive(r->rx[0], d->is_rtcp, ret_plain, ret_len, &index);
    srtp_rx_stats(r->rx[0], &stats);
    r->forgotten = stats.forgotten;
    for (size_t i = 1; i < BACKENDS; i++) {
        struct srtp_rx_stats same;
        uint8_t data[DATAGRAM_MAX];
        size_t len = d->len;
        uint64_t seen = 0;
        if (!r->rx[i])
            continue;
        memcpy(data, d->data, sizeof data);
        CHECK(receive(r->rx[i], d->is_rtcp, data, &len, &seen) == err);
        CHECK(seen == index && len == *ret_len);
        CHECK(err != 0 || memcmp(data, ret_plain, len) == 0);
        srtp_rx_stats(r->rx[i], &same);
        CHECK(memcmp(&same, &stats, sizeof stats) == 0);
    }
    return err;
}

static void deliver_genuine(struct rig *r, struct datagram *d)
{
    uint8_t plain[DATAGRAM_MAX];
    size_t len;
    int err = deliver(r, d, plain, &len);

    CHECK(err != -EINVAL);
    if (err == 0) {
        CHECK(len == d->plain_len && memcmp(plain, d->plain, len) == 0);
        CHECK(++d->times == 1 || r->forgotten > 0);
    }
}

static void deliver_forged(struct rig *r, const struct datagram *d)
{
    uint8_t plain[DATAGRAM_MAX];
    size_t len;
    CHECK(deliver(r, d, plain, &len) != 0);
}

/* ---- sending ---- */

static void send_rtp(struct rig *r, struct cursor *c, bool jump)
{
    struct datagram *d = &r->past[r->sent % PAST];
    unsigned ssrc = cursor_u16(c) % SSRCS, shape = cursor_u8(c);
    uint64_t index = r->next[ssrc] + (jump ? cursor_u16(c) & 0x7ffe : shape >> 6);
    size_t words = shape & 0x10 ? cursor_u8(c) % 16 : 0, payload_len = cursor_u8(c);
    struct writer w = writer_of(d->plain, sizeof d->plain);

    writer_u8(&w, (uint8_t)(0x80 | (shape & 0x3f)));
    writer_u8(&w, (uint8_t)payload_len);
    writer_u16(&w, (uint16_t)index);
    writer_u32(&w, shape);
    writer_u32(&w, ssrc);
    for (unsigned i = 0; i < (shape & 15); i++)
        writer_u32(&w, i);
    if (shape & 0x10) {
        writer_u32(&w, 0xbede0000 | (uint32_t)words);
        for (size_t i = 0; i < words; i++)
            writer_u32(&w, 0x10ff0000);
    }
    size_t header_len = w.len;
    for (size_t i = 0; i < payload_len; i++)
        writer_u8(&w, (uint8_t)i);
    CHECK(!w.bad);
    struct srtp_tx_job j = {.tx = r->tx,
        .ssrc = ssrc,
        .index = index,
        .header = d->plain,
        .header_len = (uint16_t)header_len,
        .payload = d->plain + header_len,
        .payload_len = (uint16_t)payload_len,
        .out = d->data,
        .out_cap = sizeof d->data};
    CHECK(srtp_tx_run(&j, 1) == 1);
    r->next[ssrc] = index + 1;
    r->sent++;
    d->plain_len = w.len;
    d->len = j.ret_len;
    d->is_rtcp = false;
    d->times = 0;
    if (!(shape & 0x20)) /* or lost, or late */
        deliver_genuine(r, d);
}

static void send_rtcp(struct rig *r, struct cursor *c)
{
    struct datagram *d = &r->past[r->sent++ % PAST];
    unsigned ssrc = cursor_u16(c) % SSRCS, shape = cursor_u8(c);
    struct writer w = writer_of(d->plain, sizeof d->plain);

    writer_u32(&w, 0x80c90001);
    writer_u32(&w, ssrc);
    for (unsigned i = 0; i < (shape & 63); i++)
        writer_u32(&w, 0x80cb0000);
    memcpy(d->data, d->plain, sizeof d->data);
    d->len = d->plain_len = w.len;
    d->is_rtcp = true;
    d->times = 0;
    CHECK(srtp_tx_rtcp(r->tx, d->data, &d->len, sizeof d->data) == 0);
    if (!(shape & 0x80))
        deliver_genuine(r, d);
}

/* ---- what comes on the way ---- */

static void change(struct rig *r, const struct datagram *d, struct cursor *c)
{
    struct datagram bad = *d;
    size_t at = cursor_u16(c) % d->len;
    uint8_t bits = cursor_u8(c);

    bad.data[at] ^= bits ? bits : 1;
    deliver_forged(r, &bad);
}

static void resize(struct rig *r, const struct datagram *d, struct cursor *c)
{
    struct datagram bad = *d;
    bad.len = cursor_u16(c) % DATAGRAM_MAX;
    if (bad.len == d->len)
        bad.len--;
    deliver_forged(r, &bad);
}

static void any(struct rig *r, bool is_rtcp, struct cursor *c)
{
    struct datagram d = {.is_rtcp = is_rtcp};
    size_t left = cursor_left(c), len = cursor_u8(c);
    const uint8_t *bytes = cursor_bytes(c, len < left ? len : 0);
    if (!bytes)
        return;
    d.len = len < left ? len : 0;
    memcpy(d.data, bytes, d.len);
    deliver_forged(r, &d);
}

static void forget(struct rig *r, unsigned ssrc)
{
    int err = srtp_rx_remove_ssrc(r->rx[0], ssrc);
    for (size_t i = 1; i < BACKENDS; i++)
        CHECK(!r->rx[i] || srtp_rx_remove_ssrc(r->rx[i], ssrc) == err);
    for (size_t i = 0; i < PAST; i++)
        r->past[i].times = 0;
}

static void operate(struct rig *r, struct cursor *c)
{
    enum operation o = cursor_u8(c) % OPERATIONS;
    struct datagram *d = &r->past[cursor_u8(c) % PAST];

    if ((o == REPEAT || o == CHANGE || o == RESIZE) && d->len == 0)
        return;
    switch (o) {
    case SEND_RTP:
    case SEND_RTP_JUMP:
        send_rtp(r, c, o == SEND_RTP_JUMP);
        break;
    case SEND_RTCP:
        send_rtcp(r, c);
        break;
    case REPEAT:
        deliver_genuine(r, d);
        break;
    case CHANGE:
        change(r, d, c);
        break;
    case RESIZE:
        resize(r, d, c);
        break;
    case ANY_RTP:
    case ANY_RTCP:
        any(r, o == ANY_RTCP, c);
        break;
    default:
        forget(r, cursor_u16(c) % SSRCS);
        break;
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
    static const enum srtp_profile profiles[] = {
        SRTP_PROFILE_AES128_CM_SHA1_80, SRTP_PROFILE_AEAD_AES_128_GCM, SRTP_PROFILE_AEAD_AES_256_GCM};
    static struct rig r;
    struct cursor c = cursor_of(data, len);

    rig_open(&r, profiles[cursor_u8(&c) % 3]);
    for (int i = 0; i < OPERATIONS_MAX && cursor_left(&c) > 0; i++)
        operate(&r, &c);
    rig_close(&r);
    return 0;
}
