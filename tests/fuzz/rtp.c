// link: rtp base
/* The RTP header. First byte: what to do. 0: which ids the extensions have, then a packet, which must
 * describe only bytes that it has and come back the same when it is written again, also by way of RTX. 1: a
 * sequence of arrivals for the rewriter and the loss detector, whose laws must hold. */
#include <errno.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include "base/cursor.h"
#include "rtp/header.h"
#include "rtp/nack.h"
#include "rtp/rewrite.h"
#include "rtp/rtx.h"
#include "support/fuzz.h"

/* Every extension has an id: 1 to 15 in order, or spread over the range. */
static struct rtp_extmap make_map(uint8_t step)
{
    struct rtp_extmap m;
    rtp_extmap_init(&m);
    for (unsigned e = 0; e < RTP_EXT_COUNT; e++)
        CHECK(rtp_extmap_set(&m, 1 + e * (1u + step % 17), (enum rtp_ext)e) == 0);
    return m;
}

static void check_same(
    const struct rtp_packet *a, const void *a_data, const struct rtp_packet *b, const void *b_data)
{
    CHECK(a->ts == b->ts && a->marker == b->marker && a->ext_has == b->ext_has);
    for (unsigned e = 0; e < RTP_EXT_COUNT; e++) {
        if (!rtp_has(a, (enum rtp_ext)e))
            continue;
        CHECK(a->ext_len[e] == b->ext_len[e]);
        CHECK(memcmp(rtp_ext_value(a, a_data, (enum rtp_ext)e), rtp_ext_value(b, b_data, (enum rtp_ext)e),
                  a->ext_len[e]) == 0);
    }
    CHECK(a->payload_len == b->payload_len);
    CHECK(memcmp((const uint8_t *)a_data + a->payload_off, (const uint8_t *)b_data + b->payload_off,
              a->payload_len) == 0);
}

static void check_written_again(const struct rtp_packet *p, const uint8_t *data, uint8_t step)
{
    static uint8_t out[4096];
    struct rtp_extmap to = make_map(step);
    struct rtp_ext_out exts[RTP_EXT_COUNT];
    size_t count = 0;
    for (unsigned e = 0; e < RTP_EXT_COUNT; e++) {
        if (rtp_has(p, (enum rtp_ext)e))
            exts[count++] =
                (struct rtp_ext_out){(enum rtp_ext)e, p->ext_len[e], rtp_ext_value(p, data, (enum rtp_ext)e)};
    }
    const struct rtp_fields f = {.pt = p->pt, .marker = p->marker, .seq = 99, .ts = p->ts, .ssrc = 1};
    int len = rtx_write(out, sizeof out, &f, &to, exts, count, p->seq, data + p->payload_off, p->payload_len);
    CHECK(len > 0);
    struct rtp_packet h, again;
    CHECK(rtp_parse(out, (size_t)len, &to, &h) == 0);
    CHECK(rtx_unwrap(out, (size_t)len, &h, p->pt, p->ssrc) == 0);
    CHECK(rtp_parse(out + RTX_OSN_LEN, (size_t)len - RTX_OSN_LEN, &to, &again) == 0);
    CHECK(again.seq == p->seq && again.ssrc == p->ssrc && again.pt == p->pt);
    check_same(p, data, &again, out + RTX_OSN_LEN);
}

static void try_packet(const uint8_t *data, size_t len, uint8_t step)
{
    struct rtp_extmap m = make_map(step);
    struct rtp_packet p, before;
    memset(&p, 0x5a, sizeof p);
    before = p;
    int r = rtp_parse(data, len, &m, &p);
    uint32_t ssrc;
    uint8_t pt;
    if (r < 0) {
        CHECK(r == -EBADMSG && memcmp(&p, &before, sizeof p) == 0);
        return;
    }
    CHECK(rtp_peek(data, len, &ssrc, &pt) == 0 && ssrc == p.ssrc && pt == p.pt);
    CHECK(p.payload_off >= RTP_HEADER_LEN);
    CHECK((size_t)p.payload_off + p.payload_len + p.padding_len == len);
    for (unsigned e = 0; e < RTP_EXT_COUNT; e++) {
        if (!rtp_has(&p, (enum rtp_ext)e))
            continue;
        CHECK(p.ext_off[e] >= 16 && p.ext_off[e] + p.ext_len[e] <= p.payload_off);
        char text[RTP_TEXT_MAX + 1];
        CHECK(e > RTP_EXT_REPAIRED_RID || rtp_ext_text(&p, data, (enum rtp_ext)e, text) == strlen(text));
    }
    if (len < 2048)
        check_written_again(&p, data, (uint8_t)(step + 7));
}

/* ---- arrivals ---- */

#define SLOTS 64
#define GIVEN (1u << 20)

static uint8_t given[GIVEN / 8];

static void try_arrivals(struct cursor c)
{
    struct rewrite_slot slots[SLOTS];
    struct rewrite r;
    static struct nack n;
    CHECK(rewrite_init(&r, slots, SLOTS, cursor_u16(&c), 1, 90000) == 0);
    nack_init(&n);
    int64_t seq[4] = {0, 1000, 70000, -5}, now_us = 0;
    uint16_t picture[4] = {0};
    uint64_t first = r.next, end = first;
    for (int i = 0; i < 400 && cursor_left(&c) > 2; i++) {
        uint8_t op = cursor_u8(&c);
        int8_t step = (int8_t)cursor_u8(&c);
        unsigned source = op & 3;
        seq[source] += step;
        picture[source] = (uint16_t)((picture[source] + (op >> 6)) & 0x7fff);
        now_us += 1000;
        struct rtp_packet p = {.ext_seq = seq[source], .ts = (uint32_t)(seq[source] * 1000)};
        p.payload = (struct payload_info){
            .codec = PAYLOAD_VP8,
            .flags = PAYLOAD_PICTURE_ID | PAYLOAD_PICTURE_ID_LONG,
            .picture_id = picture[source],
        };
        (void)nack_input(&n, (uint16_t)p.ext_seq, now_us, NULL);
        CHECK(n.count <= NACK_LIST_MAX);
        if (op & 0x10)
            rewrite_switch(&r, source, &p, now_us, NULL, NULL);
        if (op & 0x20)
            rewrite_drop(&r, &p);
        if (op & 0x08)
            rewrite_pause(&r);
        struct rewrite_out out;
        int got = rewrite_packet(&r, &p, now_us, &out);
        CHECK(got == 0 || got == -ENOTCONN || got == -EALREADY || got == -ESTALE);
        CHECK(r.next >= end);
        end = r.next;
        if (got == 0) {
            CHECK(out.seq < end && out.seq < GIVEN);
            CHECK(!(given[out.seq / 8] >> out.seq % 8 & 1)); /* the nonce law */
            given[out.seq / 8] |= (uint8_t)(1u << out.seq % 8);
            struct rewrite_origin o;
            struct rewrite_out again;
            CHECK(rewrite_find(&r, (uint16_t)out.seq, &o) == 0);
            CHECK(o.state == REWRITE_SENT && o.src_seq == p.ext_seq && o.seq == out.seq);
            CHECK(rewrite_again(&r, &o, &p, &again) == 0);
            CHECK(again.seq == out.seq && again.ts == out.ts && again.picture_id == out.picture_id);
        }
        uint16_t seqs[8];
        size_t due = nack_due(&n, now_us, seqs, 8);
        for (size_t k = 1; k < due; k++)
            CHECK(seq_newer(seqs[k], seqs[k - 1]));
    }
    memset(given + first / 8, 0, (size_t)(end / 8 - first / 8 + 1));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
    struct cursor c = cursor_of(data, len);
    uint8_t what = cursor_u8(&c);
    if (what & 1) {
        try_arrivals(c);
    } else {
        uint8_t step = cursor_u8(&c);
        size_t left = cursor_left(&c);
        try_packet(cursor_bytes(&c, left), left, step);
    }
    return 0;
}
