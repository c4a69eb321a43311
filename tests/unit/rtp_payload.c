/* Payload descriptors: RFC 7741 (VP8), RFC 9628 (VP9), RFC 6184 (H.264), AV1's RTP format, RFC 2198 (RED),
 * and what a stream's neighbours add to them. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>
#include <errno.h>
#include <string.h>
#include "rtp/frame.h"
#include "rtp/payload.h"
#include "rtp/red.h"
#include "support/seeded.h"

#define BYTES(...) ((const uint8_t[]){__VA_ARGS__}), sizeof((const uint8_t[]){__VA_ARGS__})

static struct payload_info parse(enum payload_codec codec, const uint8_t *data, size_t len)
{
    struct payload_info i;
    assert_int_equal(payload_parse(codec, data, len, &i), 0);
    assert_int_equal(i.codec, codec);
    return i;
}

static void refuse(enum payload_codec codec, const uint8_t *data, size_t len)
{
    struct payload_info i, before;
    memset(&i, 0x5a, sizeof i);
    before = i;
    assert_int_equal(payload_parse(codec, data, len, &i), -EBADMSG);
    assert_memory_equal(&i, &before, sizeof i);
}

static void codecs_go_by_their_sdp_names(void **state)
{
    (void)state;
    assert_int_equal(payload_codec_find("VP8"), PAYLOAD_VP8);
    assert_int_equal(payload_codec_find("h264"), PAYLOAD_H264);
    assert_int_equal(payload_codec_find("OPUS"), PAYLOAD_OPUS);
    assert_int_equal(payload_codec_find("red"), PAYLOAD_RED);
    assert_int_equal(payload_codec_find("rtx"), PAYLOAD_UNKNOWN);
    assert_int_equal(payload_codec_find(""), PAYLOAD_UNKNOWN);
    for (unsigned c = PAYLOAD_UNKNOWN + 1; c < PAYLOAD_CODEC_COUNT; c++)
        assert_int_equal(payload_codec_find(payload_codec_name((enum payload_codec)c)), c);
    assert_true(payload_codec_is_video(PAYLOAD_AV1));
    assert_true(payload_codec_is_video(PAYLOAD_VP8) && payload_codec_is_video(PAYLOAD_VP9));
    assert_true(payload_codec_is_video(PAYLOAD_H264));
    assert_false(payload_codec_is_video(PAYLOAD_OPUS) || payload_codec_is_video(PAYLOAD_RED));
    assert_false(payload_codec_is_video(PAYLOAD_UNKNOWN));
}

static void every_audio_packet_is_a_frame(void **state)
{
    (void)state;
    struct payload_info i = parse(PAYLOAD_OPUS, BYTES(0xfc));
    assert_int_equal(i.flags, PAYLOAD_START | PAYLOAD_END | PAYLOAD_KEY);
    refuse(PAYLOAD_OPUS, BYTES(0xfc) - 1);
    i = parse(PAYLOAD_UNKNOWN, BYTES(1, 2, 3));
    assert_int_equal(i.flags, 0);
}

static void vp8_without_an_extension(void **state)
{
    (void)state;
    struct payload_info i = parse(PAYLOAD_VP8, BYTES(0x10, 0x10, 0, 0, 0x9d));
    assert_int_equal(i.flags, PAYLOAD_START | PAYLOAD_KEY);
    assert_int_equal(payload_patch_len(&i), 0);
    i = parse(PAYLOAD_VP8, BYTES(0x10, 0x11)); /* P: predicted */
    assert_int_equal(i.flags, PAYLOAD_START);
    i = parse(PAYLOAD_VP8, BYTES(0x11, 0x10)); /* start of partition 1 */
    assert_int_equal(i.flags, 0);
    i = parse(PAYLOAD_VP8, BYTES(0x00, 0x10)); /* continues */
    assert_int_equal(i.flags, 0);
    i = parse(PAYLOAD_VP8, BYTES(0x30, 0x11)); /* N */
    assert_int_equal(i.flags, PAYLOAD_START | PAYLOAD_DISCARDABLE);
    refuse(PAYLOAD_VP8, BYTES(0x10)); /* no payload */
}

static void vp8_with_all_fields(void **state)
{
    (void)state;
    /* I, L, T, K; 15-bit picture id; TL0PICIDX; TID 2, Y, KEYIDX 9 */
    struct payload_info i = parse(PAYLOAD_VP8, BYTES(0x90, 0xf0, 0x92, 0x34, 0x56, 0xa9, 0x11));
    assert_int_equal(i.flags, PAYLOAD_START | PAYLOAD_PICTURE_ID | PAYLOAD_PICTURE_ID_LONG | PAYLOAD_TL0 |
                                  PAYLOAD_LAYERS | PAYLOAD_LAYER_SYNC);
    assert_int_equal(i.picture_id, 0x1234);
    assert_int_equal(i.tl0, 0x56);
    assert_int_equal(i.temporal, 2);
    assert_int_equal(i.key_index, 9);
    assert_int_equal(i.picture_id_off, 2);
    assert_int_equal(i.tl0_off, 4);
    assert_int_equal(payload_patch_len(&i), 6);
    i = parse(PAYLOAD_VP8, BYTES(0x90, 0x80, 0x7f, 0x10)); /* seven bits */
    assert_int_equal(i.flags, PAYLOAD_START | PAYLOAD_KEY | PAYLOAD_PICTURE_ID);
    assert_int_equal(i.picture_id, 0x7f);
    i = parse(
        PAYLOAD_VP8, BYTES(0x90, 0x10, 0x4a, 0x10)); /* K alone: the other bits of the byte mean nothing */
    assert_int_equal(i.flags, PAYLOAD_START | PAYLOAD_KEY);
    assert_int_equal(i.key_index, 10);
    i = parse(PAYLOAD_VP8, BYTES(0x90, 0x00, 0x10)); /* an extension with nothing in it */
    assert_int_equal(i.flags, PAYLOAD_START | PAYLOAD_KEY);
    i = parse(PAYLOAD_VP8, BYTES(0x98, 0x0f, 0x10)); /* reserved bits mean nothing */
    assert_int_equal(i.flags, PAYLOAD_START | PAYLOAD_KEY);
    i = parse(PAYLOAD_VP8, BYTES(0x90, 0x20, 0x5f, 0x10)); /* T alone, without Y */
    assert_int_equal(i.flags, PAYLOAD_START | PAYLOAD_KEY | PAYLOAD_LAYERS);
    assert_int_equal(i.temporal, 1);
    assert_int_equal(i.key_index, 0);
    static const uint8_t whole[] = {0x90, 0xf0, 0x92, 0x34, 0x56, 0xa9};
    for (size_t len = 1; len <= sizeof whole; len++)
        refuse(PAYLOAD_VP8, whole, len);
}

static void picture_ids_are_rewritten_in_place(void **state)
{
    (void)state;
    uint8_t data[] = {0x90, 0xf0, 0x92, 0x34, 0x56, 0xa9, 0x11};
    const uint8_t want[] = {0x90, 0xf0, 0xff, 0xfe, 0x07, 0xa9, 0x11};
    struct payload_info i = parse(PAYLOAD_VP8, data, sizeof data);
    assert_int_equal(payload_patch(data, payload_patch_len(&i) - 1, &i, 1, 2), -EINVAL);
    assert_int_equal(payload_patch(data, payload_patch_len(&i), &i, 0xfffe, 7), 0);
    assert_memory_equal(data, want, sizeof want);
    i = parse(PAYLOAD_VP8, data, sizeof data);
    assert_int_equal(i.picture_id, 0x7ffe);
    assert_int_equal(i.tl0, 7);

    uint8_t narrow[] = {0x90, 0x80, 0x05, 0x11};
    i = parse(PAYLOAD_VP8, narrow, sizeof narrow);
    assert_int_equal(payload_patch(narrow, sizeof narrow, &i, 0x1ff, 7), 0);
    const uint8_t narrow_want[] = {0x90, 0x80, 0x7f, 0x11}; /* stays seven bits long */
    assert_memory_equal(narrow, narrow_want, sizeof narrow);

    uint8_t vp9[] = {0xa8, 0x80, 0x01, 0x00, 0x22, 0xff}; /* I, L, B; not flexible */
    i = parse(PAYLOAD_VP9, vp9, sizeof vp9);
    assert_int_equal(payload_patch_len(&i), 5);
    assert_int_equal(payload_patch(vp9, payload_patch_len(&i), &i, 0x0302, 0x44), 0);
    const uint8_t vp9_want[] = {0xa8, 0x83, 0x02, 0x00, 0x44, 0xff};
    assert_memory_equal(vp9, vp9_want, sizeof vp9);

    uint8_t plain[] = {0x10, 0x11};
    i = parse(PAYLOAD_VP8, plain, sizeof plain);
    assert_int_equal(payload_patch(plain, 0, &i, 1, 2), 0);
    assert_int_equal(plain[0], 0x10);
}

static void vp9_in_non_flexible_mode(void **state)
{
    (void)state;
    /* I, P, L, B, E; picture id 0x0102; TID 1, U, SID 2, D; TL0PICIDX 9 */
    struct payload_info i = parse(PAYLOAD_VP9, BYTES(0xec, 0x81, 0x02, 0x35, 0x09, 0xff));
    assert_int_equal(i.flags, PAYLOAD_START | PAYLOAD_END | PAYLOAD_PICTURE_ID | PAYLOAD_PICTURE_ID_LONG |
                                  PAYLOAD_LAYERS | PAYLOAD_LAYER_SYNC | PAYLOAD_INTER_LAYER | PAYLOAD_TL0 |
                                  PAYLOAD_PREDICTED);
    assert_int_equal(i.picture_id, 0x0102);
    assert_int_equal(i.temporal, 1);
    assert_int_equal(i.spatial, 2);
    assert_int_equal(i.tl0, 9);
    /* a key picture: not predicted, with a structure of three sizes and a group of two pictures */
    static const uint8_t key[] = {
        0xaa, 0x05, 0x00, 0x00, 0x58, 1, 0, 0, 180, 2, 0, 1, 104, 4, 0, 2, 208, 2, 0x04, 1, 0x28, 1, 2, 0xff};
    i = parse(PAYLOAD_VP9, key, sizeof key);
    assert_true(payload_is(&i, PAYLOAD_START | PAYLOAD_KEY));
    assert_int_equal(i.picture_id, 5);
    for (size_t len = 0; len < sizeof key; len++)
        refuse(PAYLOAD_VP9, key, len);
    /* the second layer of a key picture depends on the first: not a beginning */
    i = parse(PAYLOAD_VP9, BYTES(0xa8, 0x05, 0x03, 0x00, 0xff));
    assert_false(payload_is(&i, PAYLOAD_KEY));
    assert_false(payload_is(&i, PAYLOAD_PREDICTED));
    /* but one that is independent is (simulcast in one stream) */
    i = parse(PAYLOAD_VP9, BYTES(0xa8, 0x05, 0x02, 0x00, 0xff));
    assert_true(payload_is(&i, PAYLOAD_KEY));
}

static void vp9_in_flexible_mode(void **state)
{
    (void)state;
    /* I, P, L, F, B; two references */
    struct payload_info i = parse(PAYLOAD_VP9, BYTES(0xf8, 0x07, 0x20, 0x03, 0x04, 0xff));
    assert_int_equal(
        i.flags, PAYLOAD_START | PAYLOAD_PICTURE_ID | PAYLOAD_LAYERS | PAYLOAD_FLEXIBLE | PAYLOAD_PREDICTED);
    assert_int_equal(i.temporal, 1);
    assert_int_equal(i.tl0_off, 0);
    assert_int_equal(payload_patch_len(&i), 2);
    parse(PAYLOAD_VP9, BYTES(0xf8, 0x07, 0x20, 0x03, 0x05, 0x06, 0xff));
    refuse(PAYLOAD_VP9, BYTES(0xf8, 0x07, 0x20, 0x03, 0x05, 0x07, 0x02, 0xff)); /* four references */
    refuse(PAYLOAD_VP9, BYTES(0x78, 0x20, 0x02, 0xff)); /* no picture id to refer to */
}

static void h264_units(void **state)
{
    (void)state;
    const unsigned sequence = PAYLOAD_KEY | PAYLOAD_SEQUENCE | PAYLOAD_START;
    assert_int_equal(parse(PAYLOAD_H264, BYTES(0x67, 0x42)).flags, sequence); /* SPS */
    assert_int_equal(parse(PAYLOAD_H264, BYTES(0x68, 0xce)).flags, 0);        /* PPS */
    assert_int_equal(
        parse(PAYLOAD_H264, BYTES(0x65, 0x88)).flags, PAYLOAD_KEY | PAYLOAD_START); /* IDR, first_mb 0 */
    assert_int_equal(parse(PAYLOAD_H264, BYTES(0x65, 0x48)).flags, PAYLOAD_KEY);    /* IDR, a later slice */
    assert_int_equal(parse(PAYLOAD_H264, BYTES(0x41, 0x9a)).flags, PAYLOAD_START);
    assert_int_equal(parse(PAYLOAD_H264, BYTES(0x01, 0x9a)).flags, PAYLOAD_START | PAYLOAD_DISCARDABLE);
    assert_int_equal(parse(PAYLOAD_H264, BYTES(0x41, 0x4a)).flags, 0);
    assert_int_equal(parse(PAYLOAD_H264, BYTES(0x09, 0xf0)).flags, PAYLOAD_START | PAYLOAD_DISCARDABLE);
    /* STAP-A of SPS, PPS, IDR */
    static const uint8_t stap[] = {0x78, 0, 2, 0x67, 0x42, 0, 2, 0x68, 0xce, 0, 2, 0x65, 0x88};
    assert_int_equal(parse(PAYLOAD_H264, stap, sizeof stap).flags, sequence);
    for (size_t len = 1; len < sizeof stap; len++) {
        if (len != 5 && len != 9) /* whole units */
            refuse(PAYLOAD_H264, stap, len);
    }
    refuse(PAYLOAD_H264, BYTES(0x78, 0, 0)); /* an empty unit */
    /* FU-A of an IDR: first, middle, last */
    assert_int_equal(parse(PAYLOAD_H264, BYTES(0x7c, 0x85, 0x88)).flags, PAYLOAD_KEY | PAYLOAD_START);
    assert_int_equal(parse(PAYLOAD_H264, BYTES(0x7c, 0x05, 0x88)).flags, PAYLOAD_KEY);
    assert_int_equal(parse(PAYLOAD_H264, BYTES(0x7c, 0x45, 0x88)).flags, PAYLOAD_KEY);
    assert_int_equal(parse(PAYLOAD_H264, BYTES(0x5c, 0x81, 0x9a)).flags, PAYLOAD_START);
    assert_int_equal(parse(PAYLOAD_H264, BYTES(0x7c, 0x87, 0x42)).flags, sequence);
    refuse(PAYLOAD_H264, BYTES(0x7c));
    refuse(PAYLOAD_H264, BYTES(0x7c, 0xc5, 0x88)); /* first and last */
    refuse(PAYLOAD_H264, BYTES(0x60, 0x88));       /* type 0 */
}

static void av1_elements(void **state)
{
    (void)state;
    /* W = 2, N: sequence header (size 3), frame with extension (temporal 2, spatial 1) */
    static const uint8_t key[] = {0x28, 3, 0x08, 0, 0, 0x34, 0x48, 0xff};
    struct payload_info i = parse(PAYLOAD_AV1, key, sizeof key);
    assert_int_equal(i.flags, PAYLOAD_START | PAYLOAD_KEY | PAYLOAD_SEQUENCE | PAYLOAD_LAYERS);
    assert_int_equal(i.temporal, 2);
    assert_int_equal(i.spatial, 1);
    /* W = 0: every element has a size; two-byte leb128 */
    uint8_t sized[4 + 130] = {0x00, 0x81, 0x01, 0x30};
    i = parse(PAYLOAD_AV1, sized, 3 + 129);
    assert_int_equal(i.flags, PAYLOAD_START);
    refuse(PAYLOAD_AV1, sized, 3 + 128);
    /* Z: the first element continues, its bytes are no header */
    i = parse(PAYLOAD_AV1, BYTES(0x90, 0x08, 0xff));
    assert_int_equal(i.flags, 0);
    /* a sequence header without N still begins a sequence */
    i = parse(PAYLOAD_AV1, BYTES(0x10, 0x08, 0xff));
    assert_int_equal(i.flags, PAYLOAD_START | PAYLOAD_KEY | PAYLOAD_SEQUENCE);
    refuse(PAYLOAD_AV1, BYTES(0x88, 0x08, 0xff));                         /* N and Z */
    refuse(PAYLOAD_AV1, BYTES(0x10));                                     /* no element */
    refuse(PAYLOAD_AV1, BYTES(0x00, 0x80, 0x80, 0x80, 0x80, 0x01, 0x30)); /* a size of five bytes */
    refuse(PAYLOAD_AV1, BYTES(0x20, 5, 0x30, 0xff));
}

static void red_blocks_fill_the_payload(void **state)
{
    (void)state;
    /* RFC 2198, section 4: one redundant block, then the primary */
    static const uint8_t data[] = {0x80 | 111, 0x0f, 0x00, 0x03, 111, 'o', 'l', 'd', 'n', 'e', 'w', '!'};
    struct red r;
    struct red_block primary;
    assert_int_equal(red_parse(data, sizeof data, &r), 0);
    assert_int_equal(r.count, 2);
    assert_int_equal(r.blocks[0].pt, 111);
    assert_int_equal(r.blocks[0].ts_back, 960);
    assert_int_equal(r.blocks[0].off, 5);
    assert_int_equal(r.blocks[0].len, 3);
    assert_int_equal(red_primary(data, sizeof data, &primary), 0);
    assert_int_equal(primary.pt, 111);
    assert_int_equal(primary.off, 8);
    assert_int_equal(primary.len, 4);
    assert_int_equal(primary.ts_back, 0);
    for (size_t len = 0; len < 8; len++)
        assert_int_equal(red_parse(data, len, &r), -EBADMSG);
    assert_int_equal(red_primary(data, 8, &primary), 0); /* an empty primary: silence */
    assert_int_equal(primary.len, 0);
    const uint8_t alone[] = {111, 'x'};
    assert_int_equal(red_primary(alone, 2, &primary), 0);
    assert_int_equal(primary.off, 1);
    uint8_t many[4 * RED_BLOCKS_MAX + 1];
    for (size_t i = 0; i < sizeof many; i++)
        many[i] = i % 4 == 0 ? 0xef : 0;
    many[sizeof many - 1] = 111;
    assert_int_equal(red_parse(many, sizeof many, &r), -EBADMSG); /* nine blocks */
    assert_int_equal(red_parse(many + 4, sizeof many - 4, &r), 0);
    assert_int_equal(r.count, RED_BLOCKS_MAX);
}

/* ---- frames ---- */

static unsigned track(
    struct frame_tracker *t, int64_t seq, uint32_t ts, bool marker, const uint8_t *data, size_t len)
{
    struct rtp_packet p = {.ext_seq = seq, .ts = ts, .marker = marker, .payload_len = (uint16_t)len};
    frame_track(t, data, &p, NULL);
    return p.payload.flags & (PAYLOAD_START | PAYLOAD_END | PAYLOAD_KEY);
}

static void h264_frames_begin_where_the_timestamp_changes(void **state)
{
    (void)state;
    struct frame_tracker t;
    frame_tracker_init(&t, PAYLOAD_H264, NULL);
    const unsigned S = PAYLOAD_START, E = PAYLOAD_END, K = PAYLOAD_KEY;
    assert_int_equal(track(&t, 10, 1, false, BYTES(0x41, 0x9a)), 0);    /* the one before is unknown */
    assert_int_equal(track(&t, 11, 1, true, BYTES(0x41, 0x9a)), E);     /* a second slice group */
    assert_int_equal(track(&t, 12, 2, true, BYTES(0x06, 0x05)), S | E); /* SEI: no slice, but a beginning */
    assert_int_equal(track(&t, 13, 3, false, BYTES(0x09, 0xf0)), S);    /* delimiter */
    assert_int_equal(track(&t, 14, 3, false, BYTES(0x67, 0x42)), S | K);
    assert_int_equal(track(&t, 15, 3, false, BYTES(0x68, 0xce)), 0);
    assert_int_equal(track(&t, 16, 3, true, BYTES(0x65, 0x88)), K | E); /* not where a receiver may begin */
    assert_int_equal(track(&t, 18, 4, false, BYTES(0x65, 0x88)), K);    /* 17 may have been its SPS */
    assert_int_equal(track(&t, 17, 4, false, BYTES(0x67, 0x42)), S | K);
    assert_int_equal(track(&t, 19, 5, true, BYTES(0x41, 0x9a)), S | E);
}

static void av1_frames_begin_where_the_timestamp_changes(void **state)
{
    (void)state;
    struct frame_tracker t;
    frame_tracker_init(&t, PAYLOAD_AV1, NULL);
    const unsigned S = PAYLOAD_START, E = PAYLOAD_END, K = PAYLOAD_KEY;
    assert_int_equal(track(&t, 1, 1, false, BYTES(0x18, 0x08, 0)), S | K);
    assert_int_equal(track(&t, 2, 1, true, BYTES(0x10, 0x30, 0)), E); /* another tile group */
    assert_int_equal(track(&t, 3, 2, false, BYTES(0x10, 0x30, 0)), S);
    assert_int_equal(track(&t, 4, 2, true, BYTES(0x90, 0x30, 0)), E);
    assert_int_equal(track(&t, 6, 3, true, BYTES(0x10, 0x30, 0)), E); /* 5 is missing: who knows */
}

static void vp8_frames_speak_for_themselves(void **state)
{
    (void)state;
    struct frame_tracker t;
    frame_tracker_init(&t, PAYLOAD_VP8, NULL);
    assert_int_equal(track(&t, 5, 1, false, BYTES(0x10, 0x10)), PAYLOAD_START | PAYLOAD_KEY);
    assert_int_equal(track(&t, 7, 1, true, BYTES(0x00, 0x10)), PAYLOAD_END);
    assert_int_equal(track(&t, 6, 1, false, BYTES(0x00, 0x10)), 0);
    assert_int_equal(track(&t, 9, 2, false, BYTES(0x10, 0x11)), PAYLOAD_START);
    assert_int_equal(track(&t, 10, 2, false, BYTES(0x90)), 0); /* unreadable */
    assert_int_equal(track(&t, 11, 3, false, NULL, 0), 0);     /* padding */
}

/* No bytes whatever make a parser read outside of them or describe fields that are not there. */
static void random_payloads_stay_within_bounds(void **state)
{
    (void)state;
    for (uint64_t seed = 1; seed <= 20000; seed++) {
        struct seeded r = seeded_of(seed);
        uint8_t data[64];
        size_t len = 1 + seeded_below(&r, sizeof data);
        for (size_t i = 0; i < len; i++)
            data[i] = (uint8_t)seeded_u64(&r);
        for (unsigned c = PAYLOAD_UNKNOWN; c < PAYLOAD_CODEC_COUNT; c++) {
            struct payload_info i;
            if (payload_parse((enum payload_codec)c, data, len, &i) < 0)
                continue;
            assert_true(payload_patch_len(&i) <= PAYLOAD_PATCH_MAX && payload_patch_len(&i) < len);
            uint8_t copy[64];
            memcpy(copy, data, len);
            uint16_t picture_id = (uint16_t)seeded_u64(&r);
            uint8_t tl0 = (uint8_t)seeded_u64(&r);
            assert_int_equal(payload_patch(copy, payload_patch_len(&i), &i, picture_id, tl0), 0);
            struct payload_info again;
            assert_int_equal(payload_parse((enum payload_codec)c, copy, len, &again), 0);
            assert_int_equal(again.flags, i.flags);
            if (payload_is(&i, PAYLOAD_PICTURE_ID))
                assert_int_equal(again.picture_id, picture_id & ((1u << payload_picture_id_bits(&i)) - 1));
            if (payload_is(&i, PAYLOAD_TL0))
                assert_int_equal(again.tl0, tl0);
            assert_memory_equal(
                copy + payload_patch_len(&i), data + payload_patch_len(&i), len - payload_patch_len(&i));
        }
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(codecs_go_by_their_sdp_names),
        cmocka_unit_test(every_audio_packet_is_a_frame),
        cmocka_unit_test(vp8_without_an_extension),
        cmocka_unit_test(vp8_with_all_fields),
        cmocka_unit_test(picture_ids_are_rewritten_in_place),
        cmocka_unit_test(vp9_in_non_flexible_mode),
        cmocka_unit_test(vp9_in_flexible_mode),
        cmocka_unit_test(h264_units),
        cmocka_unit_test(av1_elements),
        cmocka_unit_test(red_blocks_fill_the_payload),
        cmocka_unit_test(h264_frames_begin_where_the_timestamp_changes),
        cmocka_unit_test(av1_frames_begin_where_the_timestamp_changes),
        cmocka_unit_test(vp8_frames_speak_for_themselves),
        cmocka_unit_test(random_payloads_stay_within_bounds),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
