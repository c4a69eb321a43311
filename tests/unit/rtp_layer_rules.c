/* The rules of the layer choice one by one: temporal and spatial layers of VP8 and VP9, simulcast. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>
#include "rtp/layers.h"
#include "rtp_layer_support.h"

/* A picture in one packet. */
static struct layer_facts picture(
    enum payload_codec codec, int64_t number, unsigned spatial, unsigned temporal)
{
    return (struct layer_facts){
        .kind = LAYER_PICTURES,
        .codec = (uint8_t)codec,
        .generation = 1,
        .number = number,
        .ts = (uint32_t)number * 3000,
        .spatial = (uint8_t)spatial,
        .temporal = (uint8_t)temporal,
        .start = true,
        .end = true,
        .newest = true,
        .predicted = codec == PAYLOAD_VP9,
        .inter_layer = codec == PAYLOAD_VP9 && spatial > 0,
        .spatial_sent = codec == PAYLOAD_VP9 ? 2 : 0,
        .fps = fps,
    };
}

static bool vp8(int64_t number, unsigned temporal, bool sync)
{
    struct layer_facts f = picture(PAYLOAD_VP8, number, 0, temporal);
    f.sync = sync;
    return input(0, &f);
}

static bool key(unsigned stream, enum payload_codec codec, int64_t number)
{
    struct layer_facts f = picture(codec, number, 0, 0);
    f.key = true;
    f.predicted = false;
    return input(stream, &f);
}

/* ---- temporal layers ---- */

static void temporal_layers_rise_at_sync_only(void **state)
{
    (void)state;
    begin((struct layers_want){0, 0, 0, 0});
    assert_false(vp8(9, 0, false)); /* nothing before a key frame */
    assert_true(key(0, PAYLOAD_VP8, 10) && out.begins);
    assert_false(vp8(11, 1, true));
    want(0, 0, 1);
    assert_false(vp8(12, 1, false));
    assert_true(vp8(13, 0, false) && !out.begins);
    assert_false(vp8(14, 2, true)); /* more than is wanted */
    assert_true(vp8(15, 1, true));
    assert_true(vp8(16, 1, false));
    assert_int_equal(layers_current(&l).temporal, 1);
    want(0, 0, 2);
    assert_false(vp8(17, 2, false));
    assert_true(vp8(18, 1, false)); /* a switch point of one layer says nothing of the next */
    assert_false(vp8(19, 2, false));
    assert_true(vp8(20, 2, true));
    assert_true(vp8(21, 2, false));
    want(0, 0, 0);
    assert_false(vp8(22, 2, true)); /* down at once */
    assert_false(vp8(23, 1, true));
    assert_true(vp8(24, 0, false));
    assert_int_equal(layers_current(&l).temporal, 0);
}

static void vp9_rises_after_a_switch_point(void **state)
{
    (void)state;
    begin((struct layers_want){0, 0, 0, 0});
    assert_true(key(0, PAYLOAD_VP9, 10));
    want(0, 0, 2);
    struct layer_facts f = picture(PAYLOAD_VP9, 11, 0, 2);
    f.sync = true; /* says nothing of this picture, but of those above its layer */
    assert_false(input(0, &f));
    f = picture(PAYLOAD_VP9, 12, 0, 0);
    assert_true(input(0, &f));
    f = picture(PAYLOAD_VP9, 13, 0, 1);
    assert_false(input(0, &f));
    f = picture(PAYLOAD_VP9, 14, 0, 0);
    f.sync = true;
    assert_true(input(0, &f));
    f = picture(PAYLOAD_VP9, 15, 0, 2);
    assert_true(input(0, &f));
}

static void frame_rates_limit_temporal_layers(void **state)
{
    (void)state;
    static const struct {
        uint16_t fps;
        uint8_t temporal;
    } rows[] = {{0, 2}, {60, 2}, {30, 2}, {25, 2}, {24, 1}, {15, 1}, {12, 0}, {7, 0}, {1, 0}};
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        begin((struct layers_want){0, 0, 2, rows[i].fps});
        assert_true(key(0, PAYLOAD_VP8, 10));
        assert_int_equal(layers_current(&l).temporal, rows[i].temporal);
    }
}

/* What comes late follows what was decided, or what was in force at its place. */
static void late_pictures_follow_the_limits_of_their_time(void **state)
{
    (void)state;
    begin((struct layers_want){0, 0, 0, 0});
    assert_true(key(0, PAYLOAD_VP8, 10));
    want(0, 0, 1);
    assert_true(vp8(13, 1, true)); /* 11 and 12 are missing */
    assert_false(vp8(12, 1, false));
    assert_false(vp8(12, 1, false));
    assert_true(vp8(11, 0, false));
    assert_true(vp8(16, 1, false)); /* 14 and 15 are missing */
    want(0, 0, 0);
    assert_true(vp8(17, 0, false));
    assert_true(vp8(15, 1, false)); /* 16 may refer to it */
    assert_true(vp8(13, 1, true));  /* another packet of a picture that passed */
    assert_false(vp8(18, 1, true));
    want(0, 0, 2);
    assert_false(vp8(18, 1, true)); /* and of one that did not */
    assert_true(vp8(14, 0, false));
    assert_false(vp8(9, 0, false)); /* before the key frame */
    assert_true(vp8(18 + LAYERS_RECORDS, 0, false));
    assert_false(vp8(18, 1, true)); /* forgotten */
    assert_true(vp8(19, 0, false));
    assert_true(vp8(100000, 0, false));
    assert_false(vp8(99999, 0, false)); /* nobody knows what was in force there */
}

/* ---- spatial layers of VP9 ---- */

/* A picture of three layers; the result has a bit for each that passes, and one from 8 up for its marker. */
static unsigned svc(int64_t number, bool is_key, bool independent)
{
    unsigned passed = 0;
    for (unsigned s = 0; s < 3; s++) {
        struct layer_facts f = picture(PAYLOAD_VP9, number, s, 0);
        f.key = is_key && s == 0;
        f.predicted = !is_key;
        f.independent = independent;
        f.inter_layer = s > 0 && (is_key || !independent);
        f.marker = s == 2;
        if (input(0, &f))
            passed |= 1u << s | (out.marker ? 256u << s : 0);
    }
    return passed;
}

static void spatial_layers_fall_at_once_and_rise_at_key_frames(void **state)
{
    (void)state;
    begin((struct layers_want){0, 2, 7, 0});
    assert_int_equal(svc(10, true, false), 0x407);
    assert_int_equal(svc(11, false, false), 0x407);
    want(0, 1, 7);
    assert_int_equal(svc(12, false, false), 0x203); /* the marker goes to what is the last now */
    want(0, 0, 7);
    assert_int_equal(svc(13, false, false), 0x101);
    assert_int_equal(layers_key_stream(&l, now_us), -1);
    want(0, 2, 7);
    assert_int_equal(svc(14, false, false), 0x101);
    assert_int_equal(layers_key_stream(&l, now_us), 0);
    assert_int_equal(layers_current(&l).spatial, 0);
    assert_int_equal(svc(15, true, false), 0x407);
    assert_int_equal(layers_key_stream(&l, now_us), -1);
    assert_int_equal(svc(16, false, false), 0x407);
}

static void independent_layers_pass_alone_and_need_a_key_frame_to_fall(void **state)
{
    (void)state;
    begin((struct layers_want){0, 2, 7, 0});
    assert_int_equal(svc(10, true, true), 0x407);
    assert_int_equal(svc(11, false, true), 0x404);
    want(0, 0, 7);
    assert_int_equal(svc(12, false, true), 0x404);
    assert_int_equal(layers_key_stream(&l, now_us), 0);
    assert_int_equal(svc(13, true, true), 0x101);
    assert_int_equal(svc(14, false, true), 0x101);
    assert_int_equal(layers_key_stream(&l, now_us), -1);
}

/* Layers that go without those below them freeze when their sender stops them, until a key frame. */
static void independent_layers_that_stop_need_a_key_frame(void **state)
{
    (void)state;
    begin((struct layers_want){0, 2, 7, 0});
    assert_int_equal(svc(10, true, true), 0x407);
    assert_int_equal(svc(11, false, true), 0x404);
    struct layer_facts f = picture(PAYLOAD_VP9, 12, 1, 0);
    f.independent = true;
    f.inter_layer = false;
    f.spatial_sent = 1;
    assert_false(input(0, &f));
    assert_int_equal(layers_key_stream(&l, now_us), 0);
    for (unsigned s = 0; s < 2; s++) {
        f = picture(PAYLOAD_VP9, 13, s, 0);
        f.key = s == 0;
        f.predicted = false;
        f.independent = true;
        f.spatial_sent = 1;
        assert_true(input(0, &f));
    }
    for (unsigned s = 0; s < 2; s++) {
        f = picture(PAYLOAD_VP9, 14, s, 0);
        f.independent = true;
        f.inter_layer = false;
        f.spatial_sent = 1;
        assert_int_equal(input(0, &f), s == 1);
    }
    assert_int_equal(layers_key_stream(&l, now_us), -1);
    /* and layers that are not independent any more lack what was left out */
    f = picture(PAYLOAD_VP9, 15, 0, 0);
    assert_false(input(0, &f));
    assert_int_equal(layers_key_stream(&l, now_us), 0);
}

/* A layer that its sender left out for a while needs no earlier picture when it comes again. */
static void a_layer_that_comes_again_passes(void **state)
{
    (void)state;
    begin((struct layers_want){0, 0, 7, 0});
    assert_int_equal(svc(10, true, false), 0x101);
    assert_int_equal(svc(11, false, false), 0x101);
    want(0, 1, 7);
    struct layer_facts f = picture(PAYLOAD_VP9, 12, 0, 0);
    f.spatial_sent = 0; /* layer 1 is not sent at present */
    f.marker = true;
    assert_true(input(0, &f) && out.marker);
    assert_int_equal(layers_key_stream(&l, now_us), -1);
    f = picture(PAYLOAD_VP9, 13, 0, 0);
    f.spatial_sent = 0;
    assert_true(input(0, &f) && !out.marker);
    f = picture(PAYLOAD_VP9, 13, 1, 0);
    f.predicted = false;
    assert_true(input(0, &f) && out.marker);
    f = picture(PAYLOAD_VP9, 14, 0, 0);
    assert_true(input(0, &f));
    f = picture(PAYLOAD_VP9, 14, 1, 0);
    assert_true(input(0, &f));
    /* one that refers to what was left out does not */
    begin((struct layers_want){0, 0, 7, 0});
    assert_int_equal(svc(10, true, false), 0x101);
    assert_int_equal(svc(11, false, false), 0x101);
    want(0, 1, 7);
    f = picture(PAYLOAD_VP9, 12, 0, 0);
    f.spatial_sent = 0;
    assert_true(input(0, &f));
    f = picture(PAYLOAD_VP9, 12, 1, 0);
    assert_false(input(0, &f));
    f = picture(PAYLOAD_VP9, 13, 0, 0);
    f.spatial_sent = 1;
    assert_true(input(0, &f) && out.marker);
    assert_int_equal(layers_key_stream(&l, now_us), 0);
}

/* Pictures of before a key picture, late, take nothing away from what begins there. */
static void late_pictures_of_before_a_key_frame_change_nothing(void **state)
{
    (void)state;
    begin((struct layers_want){0, 0, 7, 0});
    assert_int_equal(svc(10, true, false), 0x101);
    want(0, 2, 7);
    assert_int_equal(svc(12, true, false), 0x407);
    assert_int_equal(svc(11, false, false), 0x101);
    assert_int_equal(svc(13, false, false), 0x407);
}

/* A layer of a picture that passed comes late, after the layer was left: it was wanted at its place. */
static void late_layers_of_a_picture_pass_with_it(void **state)
{
    (void)state;
    begin((struct layers_want){0, 1, 7, 0});
    assert_int_equal(svc(10, true, false), 0x203);
    struct layer_facts f = picture(PAYLOAD_VP9, 11, 0, 0);
    assert_true(input(0, &f));
    want(0, 0, 7);
    assert_int_equal(svc(12, false, false), 0x101);
    f = picture(PAYLOAD_VP9, 11, 1, 0);
    f.newest = false;
    assert_true(input(0, &f) && out.marker);
    f = picture(PAYLOAD_VP9, 13, 1, 0);
    assert_false(input(0, &f));
}

/* ---- simulcast ---- */

static void streams_change_at_key_frames(void **state)
{
    (void)state;
    begin((struct layers_want){1, 0, 7, 0});
    assert_int_equal(layers_key_stream(&l, now_us), 1);
    assert_false(key(2, PAYLOAD_VP8, 10));              /* more than is wanted */
    assert_true(key(0, PAYLOAD_VP8, 20) && out.begins); /* less, but at once */
    assert_int_equal(layers_current(&l).stream, 0);
    assert_int_equal(layers_key_stream(&l, now_us), 1);
    struct layer_facts f = picture(PAYLOAD_VP8, 30, 0, 0);
    f.key = true;
    f.newest = false;
    assert_false(input(1, &f)); /* later frames have gone by */
    f.newest = true;
    f.start = false;
    assert_false(input(1, &f));
    assert_true(key(1, PAYLOAD_VP8, 31) && out.begins);
    assert_int_equal(layers_key_stream(&l, now_us), -1);
    assert_false(vp8(21, 0, false)); /* of the stream that was left */
    want(0, 0, 7);
    assert_int_equal(layers_key_stream(&l, now_us), 0);
    f = picture(PAYLOAD_VP8, 32, 0, 0);
    assert_true(input(1, &f)); /* goes on meanwhile */
    assert_true(key(0, PAYLOAD_VP8, 23) && out.begins);
    assert_false(input(1, &f));
    want(2, 0, 7);
    assert_false(key(1, PAYLOAD_VP8, 40)); /* no stop on the way */
    want(-1, 0, 0);
    assert_int_equal(layers_key_stream(&l, now_us), -1);
    assert_int_equal(layers_current(&l).stream, -1);
    assert_false(key(0, PAYLOAD_VP8, 24));
    want(0, 0, 7);
    assert_false(vp8(25, 0, false));
    assert_true(key(0, PAYLOAD_VP8, 26) && out.begins);
}

static void another_source_begins_at_its_key_frame(void **state)
{
    (void)state;
    begin((struct layers_want){0, 0, 7, 0});
    assert_true(key(0, PAYLOAD_VP8, 10));
    struct layer_facts f = picture(PAYLOAD_VP8, 11, 0, 0);
    f.generation = 2;
    assert_false(input(0, &f));
    assert_true(out.ask);
    assert_int_equal(layers_key_stream(&l, now_us), 0);
    f.key = true;
    assert_true(input(0, &f) && out.begins);
    /* of another codec, without picture ids */
    f = (struct layer_facts){
        .codec = PAYLOAD_H264, .generation = 3, .number = -1, .newest = true, .fps = fps};
    assert_false(input(0, &f));
    f.key = f.start = true;
    assert_true(input(0, &f) && out.begins);
    f.key = f.start = false;
    assert_true(input(0, &f) && !out.begins);
    assert_int_equal(layers_current(&l).temporal, UINT8_MAX);
}

static void a_key_frame_is_asked_for_where_no_switch_point_comes(void **state)
{
    (void)state;
    begin((struct layers_want){0, 0, 0, 0});
    assert_true(key(0, PAYLOAD_VP8, 10));
    want(0, 0, 1);
    assert_false(vp8(11, 1, false));
    now_us += LAYERS_SWITCH_US - 1;
    assert_int_equal(layers_key_stream(&l, now_us), -1);
    now_us++;
    assert_int_equal(layers_key_stream(&l, now_us), 0);
    want(0, 0, 0);
    assert_true(vp8(12, 0, false));
    assert_int_equal(layers_key_stream(&l, now_us), -1); /* not wanted any more */
    want(0, 0, 1);
    assert_false(vp8(13, 1, false));
    now_us += LAYERS_SWITCH_US;
    assert_int_equal(layers_key_stream(&l, now_us), 0);
    assert_true(key(0, PAYLOAD_VP8, 14) && !out.begins);
    assert_int_equal(layers_key_stream(&l, now_us), -1);
    assert_true(vp8(15, 1, false));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(temporal_layers_rise_at_sync_only),
        cmocka_unit_test(vp9_rises_after_a_switch_point),
        cmocka_unit_test(frame_rates_limit_temporal_layers),
        cmocka_unit_test(late_pictures_follow_the_limits_of_their_time),
        cmocka_unit_test(spatial_layers_fall_at_once_and_rise_at_key_frames),
        cmocka_unit_test(independent_layers_pass_alone_and_need_a_key_frame_to_fall),
        cmocka_unit_test(independent_layers_that_stop_need_a_key_frame),
        cmocka_unit_test(a_layer_that_comes_again_passes),
        cmocka_unit_test(late_pictures_of_before_a_key_frame_change_nothing),
        cmocka_unit_test(late_layers_of_a_picture_pass_with_it),
        cmocka_unit_test(streams_change_at_key_frames),
        cmocka_unit_test(another_source_begins_at_its_key_frame),
        cmocka_unit_test(a_key_frame_is_asked_for_where_no_switch_point_comes),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
