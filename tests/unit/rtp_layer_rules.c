/* The rules of the layer choice one by one, on facts made by hand; and what a source makes of packets that
 * make no sense. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>
#include <string.h>
#include "rtp/layers.h"
#include "rtp_dd_support.h"

#define MS(x) ((int64_t)(x)*1000)

static struct layers l;
static int64_t now_us;
static const uint16_t fps[LAYERS_TEMPORAL_MAX] = {8, 15, 30, 30, 30, 30, 30, 30};

static void begin(struct layers_want want)
{
    layers_init(&l);
    layers_want(&l, want);
    now_us = MS(1000);
}

static void want(int stream, unsigned spatial, unsigned temporal)
{
    layers_want(&l, (struct layers_want){(int8_t)stream, (uint8_t)spatial, (uint8_t)temporal, 0});
}

static struct layers_out out;

static bool input(unsigned stream, const struct layer_facts *f)
{
    return layers_input(&l, stream, f, now_us, &out);
}

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

/* ---- sources ---- */

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
        cmocka_unit_test(pictures_are_numbered_without_wrap),
        cmocka_unit_test(another_ssrc_or_codec_is_another_generation),
        cmocka_unit_test(rates_and_layers_are_what_is_sent),
        cmocka_unit_test(active_targets_are_what_was_said_last_and_what_comes),
        cmocka_unit_test(descriptors_that_cannot_be_read_are_unknown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
