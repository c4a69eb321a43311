/* The rules of the layer choice one by one: decode targets of dependency descriptors. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>
#include "rtp/layers.h"
#include "rtp_dd_support.h"
#include "rtp_layer_support.h"

/* ---- dependency descriptors: L3T3 of the specification, targets from 0 (S2T2) to 8 (S0T0) ---- */

static struct dd_structure l3t3_dd;

static void structure_make(void)
{
    static const uint8_t protects[] = {2, 2, 2, 1, 1, 1, 0, 0, 0};
    struct bit_writer w = {0};
    struct dd d;
    put_mandatory(&w, true, true, 0, 0);
    put(&w, 5, 0x10);
    put_structure(&w, 0, l3t3, 15, 3, protects, false);
    l3t3_dd.valid = false;
    assert_int_equal(dd_parse(w.data, bytes_of(&w), &l3t3_dd, &d), 0);
}

/* Frame `at` of the stream: three layers a picture, four pictures a cycle, as the templates want it. */
static struct layer_facts frame(int64_t at, bool is_key)
{
    static const uint8_t temporal[] = {1, 3, 2, 4}; /* template within the layer */
    unsigned spatial = (unsigned)(at % 3), row = spatial * 5 + (is_key ? 0 : temporal[at / 3 % 4]);
    struct layer_facts f = {
        .kind = LAYER_FRAMES,
        .codec = PAYLOAD_AV1,
        .generation = 1,
        .structure = 1,
        .number = at + 1200,
        .ts = (uint32_t)(at / 3) * 3000,
        .spatial = (uint8_t)spatial,
        .temporal = l3t3[row].temporal,
        .start = true,
        .end = true,
        .marker = spatial == 2,
        .key = is_key && spatial == 0,
        .newest = true,
        .readable = true,
        .spatial_sent = 2,
        .active = 0x1ff,
        .deps = l3t3_dd.templates[row],
        .dd = &l3t3_dd,
        .fps = fps,
    };
    return f;
}

/* Frames from up to before end; a bit for each that passes, the first one lowest. */
static unsigned frames(int64_t from, int64_t end, bool is_key)
{
    unsigned passed = 0;
    for (int64_t at = from; at < end; at++) {
        struct layer_facts f = frame(at, is_key);
        if (at % 3 == 0)
            now_us += MS(33);
        if (input(0, &f))
            passed |= 1u << (at - from);
    }
    return passed;
}

static void targets_fall_at_once_and_rise_where_frames_allow(void **state)
{
    (void)state;
    structure_make();
    begin((struct layers_want){0, 2, 2, 0});
    assert_int_equal(frames(0, 3, true), 7);
    assert_int_equal(frames(3, 12, false), 0x1ff);
    want(0, 1, 0);
    assert_int_equal(frames(12, 15, false), 3);
    assert_true(layers_current(&l).spatial == 1 && layers_current(&l).temporal == 0);
    assert_int_equal(frames(15, 24, false), 0);
    want(0, 1, 2);
    assert_int_equal(frames(24, 27, false), 3); /* at the T0 frame of layer 1 */
    assert_int_equal(frames(27, 36, false), 0333);
    assert_int_equal(layers_key_stream(&l, now_us), -1);
    want(0, 2, 2);
    assert_int_equal(frames(36, 39, false), 3);
    assert_int_equal(layers_key_stream(&l, now_us), 0);
    assert_int_equal(frames(39, 48, false), 0333);
    assert_int_equal(frames(48, 51, true), 7);
    assert_int_equal(layers_key_stream(&l, now_us), -1);
    assert_int_equal(frames(51, 60, false), 0x1ff);
}

static void targets_that_are_not_sent_are_left(void **state)
{
    (void)state;
    structure_make();
    begin((struct layers_want){0, 2, 2, 0});
    assert_int_equal(frames(0, 3, true), 7);
    assert_int_equal(frames(3, 12, false), 0x1ff);
    struct layer_facts f = frame(12, false);
    f.active = 0x1f8; /* layer 2 is not sent any more */
    assert_true(input(0, &f));
    assert_int_equal(layers_current(&l).spatial, 1);
    f = frame(13, false);
    f.active = 0x1f8;
    assert_true(input(0, &f) && out.marker);
    assert_int_equal(layers_key_stream(&l, now_us), -1);
    /* it is again: it begins within this picture, which does not end before it */
    f = frame(15, false);
    f.deps.temporal = 0;
    f.deps = l3t3_dd.templates[1];
    f.deps.fdiff[0] = f.deps.chain_diff[0] = 3;
    f.deps.chain_diff[1] = 2;
    f.deps.chain_diff[2] = 1;
    assert_true(input(0, &f) && !out.marker);
    assert_int_equal(layers_key_stream(&l, now_us), -1);
    f = frame(16, false);
    f.deps = l3t3_dd.templates[6];
    f.deps.fdiff[0] = 3;
    assert_true(input(0, &f) && !out.marker);
    f = frame(17, false);
    f.deps = l3t3_dd.templates[10]; /* refers to layer 1 alone */
    assert_true(input(0, &f) && out.marker);
    assert_int_equal(layers_current(&l).spatial, 2);
}

/* A layer on top of a picture whose end was told does not pass, though it could be decoded. */
static void nothing_passes_after_the_end_of_a_picture(void **state)
{
    (void)state;
    structure_make();
    begin((struct layers_want){0, 0, 2, 0});
    assert_int_equal(frames(0, 3, true), 1);
    want(0, 2, 2);
    struct layer_facts f = frame(3, false);
    assert_true(input(0, &f) && out.marker);
    f = frame(4, false);
    f.deps = l3t3_dd.templates[5];
    f.temporal = 0;
    assert_false(input(0, &f));
    assert_int_equal(layers_key_stream(&l, now_us), 0);
}

static void a_lost_frame_breaks_its_chain(void **state)
{
    (void)state;
    structure_make();
    begin((struct layers_want){0, 2, 2, 0});
    assert_int_equal(frames(0, 3, true), 7);
    assert_int_equal(frames(3, 12, false), 0x1ff);
    assert_int_equal(frames(12, 14, false), 3);     /* S2T0 of this picture is missing */
    assert_int_equal(frames(15, 24, false), 0x1ff); /* it may still come */
    assert_int_equal(layers_key_stream(&l, now_us), -1);
    now_us += LAYERS_MISSING_US;
    assert_int_equal(frames(24, 27, false) & 3, 3); /* it did not: layer 1 is whole */
    assert_int_equal(layers_current(&l).spatial, 1);
    assert_int_equal(layers_key_stream(&l, now_us), 0);
    assert_int_equal(frames(27, 36, false), 0333);
    struct layer_facts f = frame(14, false);
    f.newest = false;
    (void)input(0, &f);
    assert_int_equal(frames(36, 39, true), 7);
    assert_int_equal(layers_key_stream(&l, now_us), -1);
    /* without the base layer nothing is left */
    assert_int_equal(frames(39, 48, false), 0x1ff);
    assert_int_equal(frames(49, 60, false), 0x7ff); /* frame 48 is missing */
    now_us += LAYERS_MISSING_US;
    assert_int_equal(frames(60, 72, false), 0);
    assert_int_equal(layers_key_stream(&l, now_us), 0);
    assert_int_equal(frames(72, 75, true), 7);
    assert_int_equal(layers_key_stream(&l, now_us), -1);
}

static void chains_that_wait_for_a_frame_are_not_gone_over_to(void **state)
{
    (void)state;
    structure_make();
    begin((struct layers_want){0, 2, 2, 0});
    assert_int_equal(frames(0, 3, true), 7);
    assert_int_equal(frames(3, 12, false), 0x1ff);
    struct layer_facts late = frame(12, false);
    assert_int_equal(frames(13, 15, false), 3); /* S0T0 is missing */
    want(0, 1, 2);
    assert_int_equal(frames(15, 18, false), 7);
    late.newest = false;
    assert_true(input(0, &late));
    assert_int_equal(frames(18, 21, false), 3);
    /* one that was left out comes late: what was in force there decides */
    assert_int_equal(frames(21, 24, false), 3);
    assert_int_equal(frames(24, 26, false), 3);
    assert_int_equal(frames(27, 30, false), 3); /* 26, of layer 2, is missing */
    struct layer_facts f = frame(26, false);
    f.newest = false;
    assert_false(input(0, &f));
    assert_false(input(0, &f));
}

/* Frames outside of every chain pass only with what they refer to. */
static void what_refers_to_a_dropped_frame_is_dropped(void **state)
{
    (void)state;
    structure_make();
    begin((struct layers_want){0, 0, 2, 0});
    assert_int_equal(frames(0, 3, true), 1);
    struct layer_facts f = frame(3, false);
    f.deps.fdiff[0] = 2; /* to S1T0 */
    assert_false(input(0, &f));
    assert_int_equal(frames(4, 12, false), 044); /* S0 at 6 and 9 */
    assert_int_equal(layers_key_stream(&l, now_us), -1);
    assert_int_equal(layers_current(&l).temporal, 2);
    /* what nobody remembers is believed to have passed */
    assert_int_equal(frames(12, 24, false), 01111);
    for (int64_t at = 24; at < 360; at += 12)
        (void)frames(at, at + 12, false);
    f = frame(360, false);
    f.deps.fdiff[0] = 300;
    assert_true(input(0, &f));
}

/* A layer that the receiver left out, and its sender after that, comes again with nothing to refer to. */
static void what_was_left_out_before_is_no_matter(void **state)
{
    (void)state;
    structure_make();
    begin((struct layers_want){0, 0, 2, 0});
    assert_int_equal(frames(0, 3, true), 1);
    assert_int_equal(frames(3, 12, false), 0111);
    want(0, 1, 2);
    struct layer_facts f = frame(12, false);
    f.active = 0x1c0; /* the lowest layer alone */
    assert_true(input(0, &f));
    assert_int_equal(layers_key_stream(&l, now_us), -1);
    f = frame(15, false);
    f.deps = l3t3_dd.templates[1];
    f.deps.fdiff[0] = f.deps.chain_diff[0] = f.deps.chain_diff[1] = f.deps.chain_diff[2] = 3;
    assert_true(input(0, &f) && !out.marker);
    f = frame(16, false);
    f.deps = l3t3_dd.templates[5];
    f.temporal = 0;
    assert_true(input(0, &f) && out.marker);
    assert_int_equal(layers_current(&l).spatial, 1);
    assert_int_equal(layers_key_stream(&l, now_us), -1);
}

static void the_least_that_is_sent_is_taken(void **state)
{
    (void)state;
    structure_make();
    begin((struct layers_want){0, 0, 2, 0});
    struct layer_facts f = frame(0, true);
    f.active = 0x38; /* layer 1 alone, which is more than is wanted */
    assert_true(input(0, &f) && !out.marker);
    assert_true(layers_current(&l).spatial == 1 && layers_current(&l).temporal == 0);
    begin((struct layers_want){0, 0, 2, 0});
    f.active = 0;
    assert_false(input(0, &f));
    assert_int_equal(layers_current(&l).stream, -1);
}

static void an_unknown_structure_needs_a_key_frame(void **state)
{
    (void)state;
    structure_make();
    begin((struct layers_want){0, 2, 2, 0});
    assert_int_equal(frames(0, 3, true), 7);
    assert_int_equal(frames(3, 5, false), 3); /* and 5 is missing */
    struct layer_facts f = frame(9, true);
    f.structure = 2;
    assert_true(input(0, &f));
    f = frame(5, false);
    f.newest = false;
    f.structure = 2; /* it is of the structure of before, whatever it looks like now */
    assert_false(input(0, &f));
    begin((struct layers_want){0, 2, 2, 0});
    assert_int_equal(frames(0, 3, true), 7);
    f = frame(3, false);
    f.readable = false;
    assert_false(input(0, &f));
    assert_true(out.ask);
    assert_int_equal(layers_key_stream(&l, now_us), 0);
    assert_int_equal(frames(6, 9, false), 0);
    f = frame(9, true);
    f.structure = 2;
    assert_true(input(0, &f) && !out.begins);
    assert_int_equal(layers_key_stream(&l, now_us), -1);
    assert_int_equal(frames(12, 15, false), 0); /* of the structure of before */
    assert_int_equal(layers_key_stream(&l, now_us), 0);
}

static void absurd_numbers_cost_nothing(void **state)
{
    (void)state;
    structure_make();
    begin((struct layers_want){0, 2, 2, 0});
    assert_int_equal(frames(0, 3, true), 7);
    for (int64_t n = 1; n < 200; n++) {
        struct layer_facts f = frame(3 + n * 300, false);
        assert_false(input(0, &f));
        f.number = -1;
        assert_false(input(0, &f));
        f.number = 5;
        assert_false(input(0, &f));
    }
    assert_int_equal(layers_key_stream(&l, now_us), 0);
    want(0, 2, 2);
    assert_int_equal(frames(90000, 90003, true), 7);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(targets_fall_at_once_and_rise_where_frames_allow),
        cmocka_unit_test(targets_that_are_not_sent_are_left),
        cmocka_unit_test(nothing_passes_after_the_end_of_a_picture),
        cmocka_unit_test(a_lost_frame_breaks_its_chain),
        cmocka_unit_test(chains_that_wait_for_a_frame_are_not_gone_over_to),
        cmocka_unit_test(what_refers_to_a_dropped_frame_is_dropped),
        cmocka_unit_test(what_was_left_out_before_is_no_matter),
        cmocka_unit_test(the_least_that_is_sent_is_taken),
        cmocka_unit_test(an_unknown_structure_needs_a_key_frame),
        cmocka_unit_test(absurd_numbers_cost_nothing),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
