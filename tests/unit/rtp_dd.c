/* The AV1 dependency descriptor, with the structures of its specification's section A.10.2. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>
#include <errno.h>
#include <string.h>
#include "rtp/dd.h"
#include "rtp/frame.h"
#include "rtp_dd_support.h"
#include "support/seeded.h"

static struct bit_writer key_l3t3(bool resolutions)
{
    static const uint8_t protects[] = {2, 2, 2, 1, 1, 1, 0, 0, 0};
    struct bit_writer w = {0};
    put_mandatory(&w, true, false, 60, 100);
    put(&w, 5, 0x10); /* structure only */
    put_structure(&w, 60, l3t3, 15, 3, protects, resolutions);
    return w;
}

static void a_structure_is_read_whole(void **state)
{
    (void)state;
    struct bit_writer w = key_l3t3(true);
    static struct dd_structure s;
    struct dd d;
    s.valid = false;
    assert_int_equal(dd_parse(w.data, bytes_of(&w), &s, &d), 0);
    assert_true(d.start && !d.end && d.has_structure && !d.has_active_targets);
    assert_int_equal(d.frame_number, 100);
    assert_int_equal(d.active_targets, 0x1ff);
    assert_true(s.valid);
    assert_int_equal(s.template_count, 15);
    assert_int_equal(s.target_count, 9);
    assert_int_equal(s.chain_count, 3);
    assert_int_equal(s.spatial_max, 2);
    assert_int_equal(s.temporal_max, 2);
    for (unsigned i = 0; i < 15; i++) {
        const struct dd_deps *t = &s.templates[i];
        assert_int_equal(t->spatial, l3t3[i].spatial);
        assert_int_equal(t->temporal, l3t3[i].temporal);
        for (unsigned k = 0; k < 9; k++)
            assert_int_equal(dd_indication_of(t, k), indication_of(l3t3[i].targets[k]));
        unsigned n = 0;
        for (; n < 3 && l3t3[i].fdiffs[n]; n++)
            assert_int_equal(t->fdiff[n], l3t3[i].fdiffs[n]);
        assert_int_equal(t->fdiff_count, n);
        for (unsigned k = 0; k < 3; k++)
            assert_int_equal(t->chain_diff[k], l3t3[i].chains[k]);
    }
    for (unsigned k = 0; k < 9; k++) {
        assert_int_equal(s.chain_of_target[k], 2 - k / 3);
        assert_int_equal(s.target_spatial[k], 2 - k / 3);
        assert_int_equal(s.target_temporal[k], 2 - k % 3);
    }
    assert_int_equal(s.resolution_count, 3);
    assert_int_equal(s.width[2], 1280);
    assert_int_equal(s.height[2], 720);

    struct payload_info info = {.codec = PAYLOAD_AV1};
    dd_to_payload(&d, &s, &info);
    assert_int_equal(info.flags, PAYLOAD_START | PAYLOAD_KEY | PAYLOAD_LAYERS | PAYLOAD_LAYER_SYNC);
}

static void frames_follow_their_templates(void **state)
{
    (void)state;
    struct bit_writer w = key_l3t3(false);
    static struct dd_structure s;
    struct dd d;
    s.valid = false;
    assert_int_equal(dd_parse(w.data, bytes_of(&w), &s, &d), 0);
    assert_int_equal(s.resolution_count, 0);

    struct bit_writer f = {0};
    put_mandatory(&f, true, true, (60 + 12) % 64, 65535); /* template 12: the ids wrap at 64 */
    assert_int_equal(bytes_of(&f), 3);
    assert_int_equal(dd_parse(f.data, 3, &s, &d), 0);
    assert_false(d.has_structure);
    assert_int_equal(d.deps.spatial, 2);
    assert_int_equal(d.deps.temporal, 1);
    assert_int_equal(d.deps.fdiff_count, 2);
    assert_int_equal(d.deps.fdiff[0], 6);
    assert_int_equal(d.frame_number, 65535);
    struct payload_info info = {.codec = PAYLOAD_AV1, .flags = PAYLOAD_KEY};
    dd_to_payload(&d, &s, &info);
    assert_int_equal(info.flags, PAYLOAD_START | PAYLOAD_END | PAYLOAD_LAYERS | PAYLOAD_LAYER_SYNC);
    assert_int_equal(info.spatial, 2);
    assert_int_equal(info.temporal, 1);

    struct bit_writer g = {0};
    put_mandatory(&g, true, true, (60 + 14) % 64, 7); /* template 14: nobody needs it */
    assert_int_equal(dd_parse(g.data, 3, &s, &d), 0);
    dd_to_payload(&d, &s, &info);
    assert_int_equal(info.flags, PAYLOAD_START | PAYLOAD_END | PAYLOAD_LAYERS | PAYLOAD_DISCARDABLE);
}

static void a_frame_may_differ_from_its_template(void **state)
{
    (void)state;
    static const uint8_t protects[] = {0, 0, 0};
    struct bit_writer w = {0};
    put_mandatory(&w, true, true, 3, 1);
    put(&w, 5, 0x18); /* structure and active targets */
    put_structure(&w, 3, l1t3, 5, 1, protects, false);
    put(&w, 3, 0x6);
    static struct dd_structure s;
    struct dd d;
    s.valid = false;
    assert_int_equal(dd_parse(w.data, bytes_of(&w), &s, &d), 0);
    assert_true(d.has_active_targets);
    assert_int_equal(d.active_targets, 6);

    struct bit_writer f = {0};
    put_mandatory(&f, false, true, 5, 2);
    put(&f, 5, 0x0f); /* active targets; own indications, references and chains */
    put(&f, 3, 0x3);
    put(&f, 2, DD_REQUIRED);
    put(&f, 2, DD_SWITCH);
    put(&f, 2, DD_ABSENT);
    put(&f, 2, 1);
    put(&f, 4, 4);
    put(&f, 2, 2);
    put(&f, 8, 199);
    put(&f, 2, 3);
    put(&f, 12, 4095);
    put(&f, 2, 0);
    put(&f, 8, 255);
    assert_int_equal(dd_parse(f.data, bytes_of(&f), &s, &d), 0);
    assert_int_equal(d.active_targets, 3);
    assert_int_equal(dd_indication_of(&d.deps, 0), DD_REQUIRED);
    assert_int_equal(dd_indication_of(&d.deps, 1), DD_SWITCH);
    assert_int_equal(dd_indication_of(&d.deps, 2), DD_ABSENT);
    assert_int_equal(d.deps.fdiff_count, 3);
    assert_int_equal(d.deps.fdiff[0], 5);
    assert_int_equal(d.deps.fdiff[1], 200);
    assert_int_equal(d.deps.fdiff[2], 4096);
    assert_int_equal(d.deps.chain_diff[0], 255);
    assert_int_equal(d.deps.temporal, 1);
    for (size_t len = 4; len < bytes_of(&f); len++)
        assert_int_equal(dd_parse(f.data, len, &s, &d), -EBADMSG);
}

static void without_its_structure_a_descriptor_says_little(void **state)
{
    (void)state;
    static struct dd_structure s;
    struct dd d;
    s.valid = false;
    const uint8_t data[] = {0x80 | 5, 0x12, 0x34};
    assert_int_equal(dd_parse(data, 3, &s, &d), -EAGAIN);
    assert_true(d.start && !d.end);
    assert_int_equal(d.frame_number, 0x1234);
    assert_int_equal(d.template_id, 5);
    const uint8_t longer[] = {0x40 | 5, 0x12, 0x34, 0x40, 0xff};
    assert_int_equal(dd_parse(longer, 5, &s, &d), -EAGAIN);
    struct payload_info info = {.flags = PAYLOAD_KEY | PAYLOAD_START | PAYLOAD_PICTURE_ID};
    dd_to_payload(&d, NULL, &info);
    assert_int_equal(info.flags, PAYLOAD_END | PAYLOAD_PICTURE_ID);
    /* a template that the structure does not have: a newer structure is on its way */
    struct bit_writer w = key_l3t3(false);
    assert_int_equal(dd_parse(w.data, bytes_of(&w), &s, &d), 0);
    const uint8_t last[] = {0x80 | ((60 + 14) % 64), 0x12, 0x34};
    assert_int_equal(dd_parse(last, 3, &s, &d), 0);
    const uint8_t beyond[] = {0x80 | ((60 + 15) % 64), 0x12, 0x34};
    assert_int_equal(dd_parse(beyond, 3, &s, &d), -EAGAIN);
    const uint8_t before[] = {0x80 | 59, 0x12, 0x34};
    assert_int_equal(dd_parse(before, 3, &s, &d), -EAGAIN);
    for (size_t len = 0; len < 3; len++)
        assert_int_equal(dd_parse(data, len, &s, &d), -EBADMSG);
}

static void a_broken_structure_leaves_the_old_one(void **state)
{
    (void)state;
    struct bit_writer w = key_l3t3(true);
    static struct dd_structure s, before;
    struct dd d, d_before;
    memset(&s, 0x5a, sizeof s);
    memset(&d, 0x5a, sizeof d);
    before = s;
    d_before = d;
    for (size_t len = 4; len < bytes_of(&w); len++) {
        assert_int_equal(dd_parse(w.data, len, &s, &d), -EBADMSG);
        assert_memory_equal(&s, &before, sizeof s);
        assert_memory_equal(&d, &d_before, sizeof d);
    }
    /* its own template is not in it */
    struct bit_writer other = {0};
    put_mandatory(&other, true, true, 9, 1);
    put(&other, 5, 0x10);
    put_structure(&other, 3, l1t3, 5, 0, NULL, false);
    assert_int_equal(dd_parse(other.data, bytes_of(&other), &s, &d), -EBADMSG);
    /* 65 templates */
    struct bit_writer many = {0};
    put_mandatory(&many, true, true, 0, 1);
    put(&many, 5, 0x10);
    put(&many, 6, 0);
    put(&many, 5, 0);
    for (unsigned i = 0; i < 64; i++)
        put(&many, 2, 0);
    put(&many, 2, 3);
    many.bits = 8 * sizeof many.data;
    assert_int_equal(dd_parse(many.data, 255, &s, &d), -EBADMSG);
    /* five spatial layers */
    struct bit_writer deep = {0};
    put_mandatory(&deep, true, true, 0, 1);
    put(&deep, 5, 0x10);
    put(&deep, 11, 0);
    for (unsigned i = 0; i < 4; i++)
        put(&deep, 2, 2);
    put(&deep, 2, 3);
    assert_int_equal(dd_parse(deep.data, 255, &s, &d), -EBADMSG);
    assert_memory_equal(&s, &before, sizeof s);
}

static void frame_numbers_are_rewritten_in_place(void **state)
{
    (void)state;
    struct bit_writer w = key_l3t3(false);
    static struct dd_structure s;
    struct dd d;
    s.valid = false;
    assert_int_equal(dd_patch_frame_number(w.data, 2, 1), -EINVAL);
    assert_int_equal(dd_patch_frame_number(w.data, bytes_of(&w), 0xabcd), 0);
    assert_int_equal(dd_parse(w.data, bytes_of(&w), &s, &d), 0);
    assert_int_equal(d.frame_number, 0xabcd);
    assert_true(d.start);
    assert_int_equal(d.template_id, 60);
}

/* A tracker takes key frames, layers and boundaries from the descriptor, whatever the payload looks like. */
static void a_tracker_believes_the_descriptor(void **state)
{
    (void)state;
    static struct dd_structure s;
    struct frame_tracker t;
    frame_tracker_init(&t, PAYLOAD_VP8, &s);
    struct bit_writer w = key_l3t3(false);
    uint8_t data[300] = {0};
    memcpy(data, w.data, bytes_of(&w));
    memset(data + 256, 0xff, 20); /* encrypted end to end */
    struct rtp_packet p = {
        .ext_seq = 1,
        .payload_off = 256,
        .payload_len = 20,
        .ext_has = 1u << RTP_EXT_DEPENDENCY,
        .ext_len[RTP_EXT_DEPENDENCY] = (uint8_t)bytes_of(&w),
    };
    struct dd d;
    assert_true(frame_track(&t, data, &p, &d));
    assert_true(payload_is(&p.payload, PAYLOAD_START | PAYLOAD_KEY));
    assert_int_equal(p.frame_number, 100);
    assert_true(d.has_structure);
    p.ext_len[RTP_EXT_DEPENDENCY] = 3; /* the same without its structure: no key frame */
    p.ext_seq = 2;
    assert_true(frame_track(&t, data, &p, NULL));
    assert_false(payload_is(&p.payload, PAYLOAD_KEY));
    assert_true(payload_is(&p.payload, PAYLOAD_START));
    frame_tracker_init(&t, PAYLOAD_VP8, &s);
    assert_false(frame_track(&t, data, &p, NULL)); /* structure unknown again */
    assert_true(payload_is(&p.payload, PAYLOAD_START));
    assert_false(payload_is(&p.payload, PAYLOAD_KEY));
    assert_int_equal(p.frame_number, 100);
}

static void random_descriptors_stay_within_bounds(void **state)
{
    (void)state;
    static struct dd_structure s;
    int sound = 0;
    for (uint64_t seed = 1; seed <= 100000; seed++) {
        struct seeded r = seeded_of(seed);
        struct bit_writer w = key_l3t3(seeded_chance(&r, 50));
        size_t len = bytes_of(&w);
        for (unsigned flips = 1 + seeded_below(&r, 4); flips > 0; flips--)
            w.data[seeded_below(&r, (uint32_t)len)] ^= (uint8_t)(1u << seeded_below(&r, 8));
        struct dd d;
        if (dd_parse(w.data, len, &s, &d) != 0)
            continue;
        sound++;
        assert_true(s.template_count >= 1 && s.template_count <= DD_TEMPLATES_MAX);
        assert_true(s.target_count >= 1 && s.target_count <= DD_TARGETS_MAX);
        assert_true(s.chain_count <= s.target_count);
        assert_true(d.deps.fdiff_count <= DD_FDIFFS_MAX);
        assert_true(d.deps.spatial <= s.spatial_max && s.spatial_max < DD_SPATIAL_MAX);
        for (unsigned k = 0; k < s.target_count; k++)
            assert_true(
                s.chain_count ? s.chain_of_target[k] < s.chain_count : s.chain_of_target[k] == DD_NO_CHAIN);
    }
    assert_true(sound > 1000);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_structure_is_read_whole),
        cmocka_unit_test(frames_follow_their_templates),
        cmocka_unit_test(a_frame_may_differ_from_its_template),
        cmocka_unit_test(without_its_structure_a_descriptor_says_little),
        cmocka_unit_test(a_broken_structure_leaves_the_old_one),
        cmocka_unit_test(frame_numbers_are_rewritten_in_place),
        cmocka_unit_test(a_tracker_believes_the_descriptor),
        cmocka_unit_test(random_descriptors_stay_within_bounds),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
