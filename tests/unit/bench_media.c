// link: rtp
/* The load tester's pictures: files that are not trusted, and how they become packets. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>
#include "../../bench/load/histogram.h"
#include "../../bench/load/media.h"
#include "../../bench/load/pieces.h"
#include "../../bench/load/process.h"
#include "../../bench/load/source.h"
#include "rtp/payload.h"
#include "support/seeded.h"

#define ROUNDS 20000

static struct seeded seed;

static uint32_t draw(uint32_t below)
{
    return seeded_below(&seed, below);
}

/* ---- files ---- */

static const uint8_t ivf[] = {'D', 'K', 'I', 'F', 0, 0, 32, 0, 'V', 'P', '8', '0', 0x80, 2, 0xe0, 1, 30, 0, 0,
    0, 1, 0, 0, 0, 3, 0, 0, 0, 0, 0, 0, 0,
    /* a key frame */
    12, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0x10, 2, 0, 0x9d, 1, 0x2a, 0x80, 2, 0xe0, 1, 7, 7,
    /* one that was dropped */
    0, 0, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0,
    /* another one */
    11, 0, 0, 0, 2, 0, 0, 0, 0, 0, 0, 0, 0x11, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10};

static const uint8_t annexb[] = {0, 0, 0, 1, 0x09, 0xf0, 0, 0, 0, 1, 0x67, 0x42, 0xe0, 0x1f, 0, 0, 1, 0x68,
    0xce, 0, 0, 1, 0x65, 0x88, 1, 2, 0, 0, 3, 0, 4, 0, 0, 1, 0x65, 0x08, 9, 9, 0, 0, 0, 1, 0x09, 0xf0, 0, 0,
    1, 0x41, 0x9a, 5, 6, 0, 0, 1, 0x41, 0x9b, 8};

static int parse(const void *bytes, size_t len, struct media *ret)
{
    char why[200];
    uint8_t *copy = malloc(len + 1);
    assert_non_null(copy);
    memcpy(copy, bytes, len);
    int err = media_parse(copy, len, ret, why, sizeof why);
    if (err) {
        assert_true(strlen(why) > 0);
        free(copy);
    }
    return err;
}

static void ivf_is_read(void **arg)
{
    struct media m;
    (void)arg;
    assert_int_equal(parse(ivf, sizeof ivf, &m), 0);
    assert_false(m.h264);
    assert_int_equal(m.frame_count, 2);
    assert_int_equal(m.width, 640);
    assert_int_equal(m.height, 480);
    assert_true(m.fps == 30);
    assert_true(m.frames[0].key);
    assert_false(m.frames[1].key);
    assert_int_equal(m.frames[0].bytes, 12);
    assert_int_equal(m.data[m.units[1].offset], 0x11);
    media_done(&m);
}

static void ivf_of_another_codec_is_refused(void **arg)
{
    uint8_t other[sizeof ivf];
    struct media m;
    (void)arg;
    memcpy(other, ivf, sizeof ivf);
    other[10] = '9';
    assert_int_not_equal(parse(other, sizeof other, &m), 0);
    assert_int_not_equal(parse(ivf, 20, &m), 0);
    assert_int_not_equal(parse("", 0, &m), 0);
    assert_int_not_equal(parse("root:x:0:0", 10, &m), 0);
}

static void ivf_that_is_cut_keeps_whole_pictures(void **arg)
{
    struct media m;
    (void)arg;
    assert_int_equal(parse(ivf, sizeof ivf - 3, &m), 0);
    assert_int_equal(m.frame_count, 1);
    media_done(&m);
}

static void annexb_is_cut_into_pictures(void **arg)
{
    struct media m;
    (void)arg;
    assert_int_equal(parse(annexb, sizeof annexb, &m), 0);
    assert_true(m.h264);
    assert_int_equal(m.frame_count, 3);
    assert_int_equal(m.frames[0].count, 4); /* parameter sets and two slices */
    assert_true(m.frames[0].key);
    assert_int_equal(m.frames[1].count, 1);
    assert_int_equal(m.frames[2].count, 1);
    assert_false(m.frames[2].key);
    assert_int_equal(m.units[2].len, 9); /* with the zeroes inside, without those behind */
    media_done(&m);
}

static void broken_files_stay_in_bounds(void **arg)
{
    uint8_t bytes[sizeof annexb + sizeof ivf];
    (void)arg;
    for (int i = 0; i < ROUNDS; i++) {
        bool is_ivf = draw(2);
        size_t len = is_ivf ? sizeof ivf : sizeof annexb;
        memcpy(bytes, is_ivf ? ivf : annexb, len);
        for (uint32_t k = draw(6); k; k--)
            bytes[draw((uint32_t)len)] = (uint8_t)(draw(3) ? draw(256) : draw(2));
        len = draw(4) ? len : draw((uint32_t)len + 1);
        struct media m;
        if (parse(bytes, len, &m))
            continue;
        for (size_t f = 0; f < m.frame_count; f++) {
            size_t sum = 0;
            assert_true(m.frames[f].first + m.frames[f].count <= m.unit_count);
            for (uint32_t u = 0; u < m.frames[f].count; u++) {
                const struct media_unit *unit = &m.units[m.frames[f].first + u];
                assert_true(unit->len > 0 && (size_t)unit->offset + unit->len <= len);
                sum += unit->len;
            }
            assert_int_equal(sum, m.frames[f].bytes);
        }
        media_done(&m);
    }
}

/* ---- packets ---- */

static void pieces_are_of_one_size(void **arg)
{
    uint16_t sizes[PIECES_MAX];
    (void)arg;
    for (int i = 0; i < ROUNDS; i++) {
        size_t max = 100 + draw(1200), less = draw(40), len = 1 + draw(60000), sum = 0;
        int n = pieces_cut(len, max, less, sizes);
        if (n < 0) {
            assert_true(len + less > max * PIECES_MAX);
            continue;
        }
        assert_int_equal(n, len < (len + less + max - 1) / max ? len : (len + less + max - 1) / max);
        for (int k = 0; k < n; k++) {
            assert_true(sizes[k] >= 1 && sizes[k] + (k ? 0 : less) <= max);
            if (k > 1 && len > 1000)
                assert_true(sizes[k] - sizes[1] <= 1); /* longer ones last */
            sum += sizes[k];
        }
        assert_int_equal(sum, len);
    }
    assert_true(pieces_cut(0, 1000, 0, sizes) < 0);
    assert_true(pieces_cut(10, 5, 5, sizes) < 0);
}

static void descriptors_say_what_they_should(void **arg)
{
    uint8_t payload[PIECES_VP8_LEN + PIECES_VP8_HEAD];
    struct payload_info info;
    (void)arg;
    pieces_vp8_descriptor(payload, true, 0x1234, 77);
    pieces_vp8_head(payload + PIECES_VP8_LEN, true, 1280, 720);
    assert_int_equal(payload_parse(PAYLOAD_VP8, payload, sizeof payload, &info), 0);
    assert_true(payload_is(&info, PAYLOAD_START | PAYLOAD_KEY | PAYLOAD_PICTURE_ID_LONG | PAYLOAD_TL0));
    assert_int_equal(info.picture_id, 0x1234);
    assert_int_equal(info.tl0, 77);
    pieces_vp8_descriptor(payload, false, 0x1234, 77);
    assert_int_equal(payload_parse(PAYLOAD_VP8, payload, sizeof payload, &info), 0);
    assert_false(payload_is(&info, PAYLOAD_START));
    pieces_vp8_descriptor(payload, true, 1, 1);
    pieces_vp8_head(payload + PIECES_VP8_LEN, false, 1280, 720);
    assert_int_equal(payload_parse(PAYLOAD_VP8, payload, sizeof payload, &info), 0);
    assert_false(payload_is(&info, PAYLOAD_KEY));
}

static void fragments_make_the_unit_again(void **arg)
{
    static uint8_t nal[20000], again[20000], out[1300];
    (void)arg;
    for (int i = 0; i < 2000; i++) {
        size_t len = 2 + draw(draw(2) ? 19998 : 1400), at = 0, n = 0, less = draw(30), max = 600 + draw(600);
        for (size_t k = 0; k < len; k++)
            nal[k] = (uint8_t)draw(256);
        nal[0] = 0x65;
        bool begun = false, ended = false;
        for (int piece = 0; at < len; piece++) {
            size_t allowed = max - (piece ? 0 : less);
            size_t size = pieces_h264_next(nal, len, &at, max, piece ? 0 : less, out);
            assert_true(size > 0 && size <= allowed);
            assert_false(ended);
            if ((out[0] & 31) != 28) {
                memcpy(again, out, size);
                n = size;
                assert_int_equal(at, len);
                ended = true;
                continue;
            }
            assert_int_equal(!begun, out[1] >> 7);
            begun = true;
            ended = out[1] & 0x40;
            if (out[1] & 0x80)
                again[n++] = (uint8_t)((out[0] & 0xe0) | (out[1] & 31));
            assert_false((out[1] & 0xc0) == 0xc0);
            memcpy(again + n, out + 2, size - 2);
            n += size - 2;
        }
        assert_true(ended);
        assert_int_equal(n, len);
        assert_memory_equal(again, nal, len);
    }
}

static void stamps_come_back_and_have_no_zeroes(void **arg)
{
    uint8_t bytes[STAMP_LEN + 1];
    struct stamp s = {.source = 250123, .wall_us = 1790000000123456, .index = UINT64_C(0xffffffffffff)}, t;
    (void)arg;
    stamp_write(bytes, &s);
    for (size_t i = 0; i < STAMP_LEN; i++)
        assert_int_not_equal(bytes[i], 0);
    bytes[STAMP_LEN] = 0x80;
    assert_true(stamp_read(bytes, STAMP_LEN, &t));
    assert_true(t.source == s.source && t.wall_us == s.wall_us && t.index == s.index);
    assert_true(stamp_read(bytes, STAMP_LEN + 1, &t));
    assert_false(stamp_read(bytes, STAMP_LEN - 1, &t));
    bytes[1] ^= 1;
    assert_false(stamp_read(bytes, STAMP_LEN, &t));
}

/* ---- figures ---- */

static void histogram_is_near(void **arg)
{
    static struct histogram h;
    (void)arg;
    assert_int_equal(histogram_at(&h, 0.5), 0);
    for (int64_t v = 1; v <= 100000; v++)
        histogram_add(&h, v);
    const double shares[] = {0.001, 0.1, 0.5, 0.9, 0.99};
    for (size_t i = 0; i < sizeof shares / sizeof *shares; i++) {
        double got = (double)histogram_at(&h, shares[i]), want = shares[i] * 100000;
        assert_true(got > want * 0.98 && got < want * 1.02);
    }
    assert_int_equal(histogram_at(&h, 1), 100000);
    histogram_add(&h, INT64_MAX);
    histogram_add(&h, -5);
    assert_int_equal(histogram_at(&h, 1), INT64_MAX);
    assert_int_equal(histogram_at(&h, 0), 0);
}

static void process_times_are_found(void **arg)
{
    static const char line[] = "42 (a b) c) S 1 42 42 0 -1 4194560 100 0 0 0 1234 567 0 0 20 0 3 0 100";
    uint64_t user = 0, system = 0;
    (void)arg;
    assert_true(process_parse_stat(line, &user, &system));
    assert_int_equal(user, 1234);
    assert_int_equal(system, 567);
    for (size_t n = 0; n < 45; n++) {
        char cut[sizeof line];
        snprintf(cut, sizeof cut, "%.*s", (int)n, line);
        assert_false(process_parse_stat(cut, &user, &system));
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(ivf_is_read),
        cmocka_unit_test(ivf_of_another_codec_is_refused),
        cmocka_unit_test(ivf_that_is_cut_keeps_whole_pictures),
        cmocka_unit_test(annexb_is_cut_into_pictures),
        cmocka_unit_test(broken_files_stay_in_bounds),
        cmocka_unit_test(pieces_are_of_one_size),
        cmocka_unit_test(descriptors_say_what_they_should),
        cmocka_unit_test(fragments_make_the_unit_again),
        cmocka_unit_test(stamps_come_back_and_have_no_zeroes),
        cmocka_unit_test(histogram_is_near),
        cmocka_unit_test(process_times_are_found),
    };
    return cmocka_run_group_tests_name("bench_media", tests, NULL, NULL);
}
