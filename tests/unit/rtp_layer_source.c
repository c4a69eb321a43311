/* What a source says about its layers, also where its packets make no sense. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>
#include "rtp/layer_source.h"
#include "rtp_dd_support.h"

#define MS(x) ((int64_t)(x)*1000)

static int64_t now_us;

static struct layer_source source;
static struct layer_facts facts;

static int64_t read_vp8(int64_t seq, uint16_t picture_id, bool is_long)
{
    struct rtp_packet p = {.ext_seq = seq, .ssrc = 7, .ts = picture_id * 3000u};
    p.payload.codec = PAYLOAD_VP8;
    p.payload.flags = PAYLOAD_PICTURE_ID | PAYLOAD_LAYERS | (is_long ? PAYLOAD_PICTURE_ID_LONG : 0);
    p.payload.picture_id = picture_id;
    layer_source_read(&source, NULL, &p, now_us, &facts);
    return facts.number;
}

static void pictures_are_numbered_without_wrap(void **state)
{
    (void)state;
    now_us = MS(1000);
    layer_source_init(&source, NULL);
    int64_t first = read_vp8(10, 0x7ffe, true);
    assert_int_equal(facts.kind, LAYER_PICTURES);
    assert_int_equal(read_vp8(12, 0, true), first + 2);
    assert_true(facts.newest);
    assert_int_equal(read_vp8(11, 0x7fff, true), first + 1);
    assert_false(facts.newest);
    assert_int_equal(read_vp8(13, 0, true), first + 2);
    assert_true(facts.newest);
    assert_int_equal(read_vp8(9, 5, true), -1); /* an old packet of a new picture */
    int64_t again = read_vp8(14, 0x7000, true); /* the encoder counts anew */
    assert_true(again > first + 2 + LAYERS_RECORDS);
    assert_int_equal(read_vp8(15, 0x7001, true), again + 1);
    layer_source_init(&source, NULL);
    first = read_vp8(0, 120, false);
    for (int i = 1; i < 1000; i++)
        assert_int_equal(read_vp8(i, (uint16_t)((120 + i) & 0x7f), false), first + i);
}

static void another_ssrc_or_codec_is_another_generation(void **state)
{
    (void)state;
    now_us = MS(1000);
    layer_source_init(&source, NULL);
    (void)read_vp8(10, 5, true);
    uint32_t generation = facts.generation;
    assert_int_not_equal(generation, 0);
    (void)read_vp8(11, 6, true);
    assert_int_equal(facts.generation, generation);
    struct rtp_packet p = {.ext_seq = 3, .ssrc = 8, .payload = {.codec = PAYLOAD_VP8}};
    layer_source_read(&source, NULL, &p, now_us, &facts);
    assert_int_not_equal(facts.generation, generation);
    assert_int_equal(facts.kind, LAYER_PLAIN);
    generation = facts.generation;
    p.payload.codec = PAYLOAD_H264;
    layer_source_read(&source, NULL, &p, now_us, &facts);
    assert_int_not_equal(facts.generation, generation);
    assert_false(facts.key);
    p.payload.codec = PAYLOAD_UNKNOWN; /* begins anywhere */
    layer_source_read(&source, NULL, &p, now_us, &facts);
    assert_true(facts.key && facts.start && facts.newest);
}

static void rates_and_layers_are_what_is_sent(void **state)
{
    (void)state;
    static const uint8_t temporal[] = {0, 2, 1, 2};
    layer_source_init(&source, NULL);
    now_us = MS(1000);
    for (unsigned i = 0; i < 120; i++, now_us += MS(33)) {
        for (unsigned s = 0; s < (i < 60 ? 3u : 2u); s++) {
            struct rtp_packet p = {.ext_seq = i * 3 + s, .ts = i * 3000, .payload = {.codec = PAYLOAD_VP9}};
            p.payload.flags =
                PAYLOAD_PICTURE_ID | PAYLOAD_PICTURE_ID_LONG | PAYLOAD_LAYERS | PAYLOAD_PREDICTED;
            p.payload.picture_id = (uint16_t)i;
            p.payload.spatial = (uint8_t)s;
            p.payload.temporal = temporal[i % 4];
            layer_source_read(&source, NULL, &p, now_us, &facts);
        }
        if (i == 59 || i == 62)
            assert_int_equal(facts.spatial_sent, 2);
        if (i == 80)
            assert_int_equal(facts.spatial_sent, 1);
        assert_true(i < 2 || facts.independent);
        assert_true(i > 20 || facts.fps[2] == 0);
    }
    assert_in_range(facts.fps[0], 7, 8);
    assert_in_range(facts.fps[1], 14, 16);
    assert_in_range(facts.fps[2], 29, 31);
    assert_in_range(facts.fps[7], 29, 31);
}

static void descriptors_that_cannot_be_read_are_unknown(void **state)
{
    (void)state;
    static struct dd_structure dd;
    static const uint8_t protects[] = {2, 2, 2, 1, 1, 1, 0, 0, 0};
    struct bit_writer w = {0};
    put_mandatory(&w, true, true, 0, 77);
    put(&w, 5, 0x10);
    put_structure(&w, 0, l3t3, 15, 3, protects, false);
    layer_source_init(&source, &dd);
    struct rtp_packet p = {
        .ext_seq = 1, .payload = {.codec = PAYLOAD_AV1}, .ext_has = 1u << RTP_EXT_DEPENDENCY};
    p.ext_len[RTP_EXT_DEPENDENCY] = 3;
    const uint8_t plain[] = {0x80 | 1, 0, 78}, unknown[] = {0x80 | 40, 0, 79};
    layer_source_read(&source, plain, &p, now_us, &facts);
    assert_true(facts.kind == LAYER_PLAIN && !facts.readable); /* no structure so far */
    p.ext_len[RTP_EXT_DEPENDENCY] = (uint8_t)bytes_of(&w);
    p.ext_seq++;
    layer_source_read(&source, w.data, &p, now_us, &facts);
    assert_true(facts.kind == LAYER_FRAMES && facts.readable && facts.key && facts.active == 0x1ff);
    int64_t number = facts.number;
    p.ext_len[RTP_EXT_DEPENDENCY] = 3;
    p.ext_seq++;
    layer_source_read(&source, plain, &p, now_us, &facts);
    assert_true(facts.readable && facts.number == number + 1 && !facts.key);
    p.ext_seq++;
    layer_source_read(&source, unknown, &p, now_us, &facts);
    assert_true(!facts.readable && facts.number == number + 2);
    p.ext_len[RTP_EXT_DEPENDENCY] = 2;
    p.ext_seq++;
    layer_source_read(&source, plain, &p, now_us, &facts);
    assert_true(!facts.readable && facts.number == -1);
    uint32_t structure = facts.structure;
    p.ext_len[RTP_EXT_DEPENDENCY] = (uint8_t)bytes_of(&w);
    p.ext_seq++;
    layer_source_read(&source, w.data, &p, now_us, &facts);
    assert_int_equal(facts.structure, structure);        /* the same once more */
    assert_true(facts.number > number + LAYERS_RECORDS); /* its number ran back */
    struct bit_writer other = {0};
    put_mandatory(&other, true, true, 9, 80);
    put(&other, 5, 0x10);
    put_structure(&other, 9, l1t3, 5, 0, NULL, false);
    p.ext_len[RTP_EXT_DEPENDENCY] = (uint8_t)bytes_of(&other);
    p.ext_seq++;
    layer_source_read(&source, other.data, &p, now_us, &facts);
    assert_int_not_equal(facts.structure, structure);
    /* a publisher that stops sending them, at a key frame */
    p.ext_has = 0;
    p.ext_seq++;
    layer_source_read(&source, NULL, &p, now_us, &facts);
    assert_int_equal(facts.number, -1);
    uint32_t generation = facts.generation;
    p.payload.flags = PAYLOAD_KEY | PAYLOAD_START;
    p.ext_seq++;
    layer_source_read(&source, NULL, &p, now_us, &facts);
    assert_true(facts.kind == LAYER_PLAIN && facts.generation != generation);
}

static struct layer_facts read_frame(int64_t seq, const struct bit_writer *w)
{
    struct rtp_packet p = {.ext_seq = seq, .payload = {.codec = PAYLOAD_AV1}, .ts = (uint32_t)seq * 3000};
    p.ext_has = 1u << RTP_EXT_DEPENDENCY;
    p.ext_len[RTP_EXT_DEPENDENCY] = (uint8_t)bytes_of(w);
    now_us += MS(33);
    layer_source_read(&source, w->data, &p, now_us, &facts);
    return facts;
}

static struct bit_writer plain_frame(uint16_t number, unsigned row)
{
    struct bit_writer w = {0};
    put_mandatory(&w, true, true, row, number);
    return w;
}

/* The packet that tells the active targets may come late, or never. */
static void active_targets_are_what_was_said_last_and_what_comes(void **state)
{
    (void)state;
    static struct dd_structure dd;
    static const uint8_t protects[] = {2, 2, 2, 1, 1, 1, 0, 0, 0};
    struct bit_writer key_frame = {0}, w;
    put_mandatory(&key_frame, true, true, 0, 100);
    put(&key_frame, 5, 0x10);
    put_structure(&key_frame, 0, l3t3, 15, 3, protects, false);
    now_us = MS(1000);
    layer_source_init(&source, &dd);
    /* what comes before the first structure says nothing, and does not make it old */
    w = plain_frame(101, 5);
    assert_int_equal(read_frame(14, &w).kind, LAYER_PLAIN);
    struct layer_facts first = read_frame(10, &key_frame);
    assert_true(first.key && first.newest && first.active == 0x1ff);
    w = plain_frame(101, 5);
    assert_int_equal(read_frame(12, &w).number, first.number + 1);
    /* late, and yet the last word */
    w = plain_frame(104, 2);
    (void)read_frame(16, &w);
    struct bit_writer lower = {0};
    put_mandatory(&lower, true, true, 1, 103);
    put(&lower, 5, 0x08);
    put(&lower, 9, 0x1c0);
    assert_int_equal(read_frame(15, &lower).active, 0x1c0);
    /* an older word does not count any more */
    struct bit_writer older = {0};
    put_mandatory(&older, true, true, 1, 102);
    put(&older, 5, 0x08);
    put(&older, 9, 0x1ff);
    assert_int_equal(read_frame(13, &older).active, 0x1c0);
    /* layer 1 comes: it is sent */
    w = plain_frame(105, 6);
    assert_int_equal(read_frame(17, &w).active, 0x1f8);
    /* and does not for long */
    for (uint16_t i = 0; i < 20; i++) {
        w = plain_frame((uint16_t)(106 + i), 1);
        (void)read_frame(18 + i, &w);
    }
    assert_int_equal(facts.active, 0x1c0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(pictures_are_numbered_without_wrap),
        cmocka_unit_test(another_ssrc_or_codec_is_another_generation),
        cmocka_unit_test(rates_and_layers_are_what_is_sent),
        cmocka_unit_test(active_targets_are_what_was_said_last_and_what_comes),
        cmocka_unit_test(descriptors_that_cannot_be_read_are_unknown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
