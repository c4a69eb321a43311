// link: rtp base
/* Payload descriptors. First byte: the codec (values beyond the codecs: RED; H.264 and AV1 packets in a row,
 * each with a length byte, through a tracker). What is described must lie within the payload, and a patched
 * descriptor must read as what was put in. */
#include <errno.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include "base/cursor.h"
#include "rtp/frame.h"
#include "rtp/payload.h"
#include "rtp/red.h"
#include "support/fuzz.h"

static void try_codec(enum payload_codec codec, const uint8_t *data, size_t len)
{
    struct payload_info i, again;
    if (payload_parse(codec, data, len, &i) < 0)
        return;
    size_t patch = payload_patch_len(&i);
    CHECK(i.codec == codec && patch <= PAYLOAD_PATCH_MAX && patch < len + (patch == 0));
    if (payload_is(&i, PAYLOAD_PICTURE_ID))
        CHECK(i.picture_id_off > 0 && i.picture_id_off + payload_picture_id_bits(&i) / 7u <= patch);
    if (payload_is(&i, PAYLOAD_TL0))
        CHECK(i.tl0_off > 0 && i.tl0_off < patch);
    CHECK(i.picture_id <= 0x7fff && i.spatial <= 7 && i.temporal <= 7);

    uint8_t *copy = malloc(len);
    memcpy(copy, data, len);
    uint16_t picture_id = (uint16_t)(i.picture_id * 31 + 77);
    CHECK(payload_patch(copy, patch, &i, picture_id, 0x99) == 0);
    CHECK(memcmp(copy + patch, data + patch, len - patch) == 0);
    CHECK(payload_parse(codec, copy, len, &again) == 0);
    CHECK(again.flags == i.flags && again.temporal == i.temporal && again.spatial == i.spatial);
    if (payload_is(&i, PAYLOAD_PICTURE_ID))
        CHECK(again.picture_id == (picture_id & ((1u << payload_picture_id_bits(&i)) - 1)));
    if (payload_is(&i, PAYLOAD_TL0))
        CHECK(again.tl0 == 0x99);
    free(copy);
}

/* Written again it reads as it was, but for the payload types; with less room the oldest blocks are left out.
 */
static void try_red_write(const uint8_t *data, size_t len, const struct red *r)
{
    struct red_repeat repeats[RED_BLOCKS_MAX];
    struct red again;
    unsigned n = r->count - 1u, sound = 0;
    const struct red_block *primary = &r->blocks[n];
    for (unsigned i = 0; i < n; i++) {
        repeats[i] = (struct red_repeat){
            .data = data + r->blocks[i].off, .len = r->blocks[i].len, .ts_back = r->blocks[i].ts_back};
        sound += r->blocks[i].ts_back != 0;
    }
    uint8_t *out = malloc(len);
    for (size_t cap = len; cap + 40 > len && cap > 0; cap--) {
        int w = red_write(out, cap, 1, repeats, n, data + primary->off, primary->len);
        CHECK(w == -EINVAL ? sound < n || cap < primary->len + 1u : (size_t)w <= cap);
        if (w < 0)
            continue;
        CHECK(red_parse(out, (size_t)w, &again) == 0 && again.count <= r->count &&
              (cap < len || (size_t)w == len));
        for (unsigned i = 0; i < again.count; i++) {
            const struct red_block *a = &again.blocks[again.count - 1 - i], *b = &r->blocks[n - i];
            CHECK(a->len == b->len && a->ts_back == b->ts_back &&
                  memcmp(out + a->off, data + b->off, a->len) == 0);
        }
    }
    free(out);
}

static void try_red(const uint8_t *data, size_t len)
{
    struct red r;
    struct red_block primary;
    if (red_parse(data, len, &r) < 0) {
        CHECK(red_primary(data, len, &primary) < 0);
        return;
    }
    CHECK(r.count >= 1 && r.count <= RED_BLOCKS_MAX);
    size_t at = 4u * (r.count - 1) + 1;
    for (unsigned n = 0; n < r.count; n++) {
        CHECK(r.blocks[n].off == at);
        at += r.blocks[n].len;
    }
    CHECK(at == len);
    CHECK(red_primary(data, len, &primary) == 0 && primary.off == r.blocks[r.count - 1].off);
    try_red_write(data, len, &r);
}

/* Packets of one length byte each through a tracker: START of H.264 and AV1 is never a guess. */
static void try_frames(enum payload_codec codec, struct cursor c)
{
    struct frame_tracker t;
    frame_tracker_init(&t, codec, NULL);
    int64_t seq = 0;
    uint32_t ts = 0;
    bool started = false, last_next = false;
    while (cursor_left(&c) > 2) {
        uint8_t step = cursor_u8(&c);
        struct cursor d = cursor_sub(&c, cursor_u8(&c));
        size_t len = cursor_left(&d);
        last_next = started && (step & 3) == 1;
        seq += step & 3;
        if (step & 3)
            ts += step >> 2 & 1;
        struct rtp_packet p = {.ext_seq = seq, .ts = ts, .payload_len = (uint16_t)len, .marker = step >> 7};
        (void)frame_track(&t, cursor_bytes(&d, len), &p, NULL);
        started = true;
        if ((codec == PAYLOAD_H264 || codec == PAYLOAD_AV1) && payload_is(&p.payload, PAYLOAD_START))
            CHECK((last_next && step >> 2 & 1) || payload_is(&p.payload, PAYLOAD_SEQUENCE));
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
    struct cursor c = cursor_of(data, len);
    unsigned what = cursor_u8(&c) % 16;
    struct cursor rest = c;
    size_t left = cursor_left(&c);
    if (left == 0)
        return 0;
    const uint8_t *payload = cursor_bytes(&c, left);
    switch (what) {
    case 10:
        try_red(payload, left);
        break;
    case 12:
        try_frames(PAYLOAD_H264, rest);
        break;
    case 13:
        try_frames(PAYLOAD_AV1, rest);
        break;
    default:
        if (what < PAYLOAD_CODEC_COUNT)
            try_codec((enum payload_codec)what, payload, left);
        break;
    }
    return 0;
}
