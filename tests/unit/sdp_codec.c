/* Names of codecs and header extensions, format parameters, H.264 profiles. */
#include "sdp_support.h"

#include <errno.h>

static void codecs_are_found_by_their_rtpmap(void **state)
{
    (void)state;
    assert_int_equal(sdp_codec_find(SDP_KIND_AUDIO, "OPUS", 48000, 2), SDP_CODEC_OPUS);
    assert_int_equal(sdp_codec_find(SDP_KIND_AUDIO, "opus", 48000, 1), SDP_CODEC_OTHER);
    assert_int_equal(sdp_codec_find(SDP_KIND_AUDIO, "red", 48000, 2), SDP_CODEC_RED);
    assert_int_equal(sdp_codec_find(SDP_KIND_VIDEO, "red", 90000, 1), SDP_CODEC_OTHER);
    assert_int_equal(sdp_codec_find(SDP_KIND_VIDEO, "h264", 90000, 1), SDP_CODEC_H264);
    assert_int_equal(sdp_codec_find(SDP_KIND_AUDIO, "VP8", 90000, 1), SDP_CODEC_OTHER);
    assert_int_equal(sdp_codec_find(SDP_KIND_VIDEO, "rtx", 90000, 1), SDP_CODEC_RTX);
    assert_int_equal(sdp_codec_find(SDP_KIND_OTHER, "rtx", 90000, 1), SDP_CODEC_OTHER);
    assert_int_equal(sdp_codec_find(SDP_KIND_VIDEO, "flexfec-03", 90000, 1), SDP_CODEC_OTHER);
}

static void every_codec_has_its_names(void **state)
{
    (void)state;
    for (unsigned i = SDP_CODEC_OTHER + 1; i < SDP_CODEC_RTX; i++) {
        enum sdp_codec_id id = (enum sdp_codec_id)i;
        assert_int_equal(sdp_codec_from_mime(sdp_codec_mime(id)), id);
        assert_int_equal(sdp_codec_from_mime(sdp_codec_name(id)), id);
        assert_int_equal(sdp_codec_find(sdp_codec_kind(id), sdp_codec_name(id), sdp_codec_clock_hz(id),
                             sdp_codec_channels(id)),
            id);
    }
    assert_int_equal(sdp_codec_from_mime("VIDEO/vp8"), SDP_CODEC_VP8);
    assert_int_equal(sdp_codec_from_mime("av1"), SDP_CODEC_AV1);
    assert_int_equal(sdp_codec_from_mime("video/theora"), SDP_CODEC_OTHER);
    assert_int_equal(sdp_codec_from_mime(""), SDP_CODEC_OTHER);
    assert_string_equal(sdp_codec_mime(SDP_CODEC_RTX), "");
    assert_string_equal(sdp_codec_name(SDP_CODEC_COUNT), "");
    assert_string_equal(sdp_codec_mime(SDP_CODEC_COUNT), "");
    assert_int_equal(sdp_codec_kind(SDP_CODEC_COUNT), SDP_KIND_OTHER);
    assert_int_equal(sdp_codec_clock_hz(SDP_CODEC_COUNT) + sdp_codec_channels(SDP_CODEC_COUNT), 0);
}

static void extensions_are_found_by_their_uri(void **state)
{
    (void)state;
    for (unsigned i = 0; i < SDP_EXT_COUNT; i++)
        assert_int_equal(sdp_ext_find(sdp_ext_uri((enum sdp_ext)i)), i);
    assert_int_equal(sdp_ext_find("urn:x"), SDP_EXT_COUNT);
    assert_string_equal(sdp_ext_uri(SDP_EXT_COUNT), "");
}

static void parameters_are_found(void **state)
{
    char out[8];
    (void)state;
    assert_true(sdp_fmtp_get("a=1; Profile-ID = 2 ;c", "profile-id", out, sizeof out));
    assert_string_equal(out, "2");
    assert_true(sdp_fmtp_get("a=1;c", "c", out, sizeof out));
    assert_string_equal(out, "");
    assert_false(sdp_fmtp_get("a=1;c", "b", out, sizeof out));
    assert_false(sdp_fmtp_get(NULL, "b", out, sizeof out));
    assert_false(sdp_fmtp_get("a=12345678", "a", out, sizeof out)); /* does not fit */
    assert_string_equal(out, "");
    assert_int_equal(sdp_fmtp_number("apt=96", "apt", 7), 96);
    assert_int_equal(sdp_fmtp_number("apt=x", "apt", 7), 7);
    assert_int_equal(sdp_fmtp_number("apt=4294967296", "apt", 7), 7);
    assert_int_equal(sdp_fmtp_number("", "apt", 7), 7);
}

static void h264_profiles(void **state)
{
    static const struct {
        const char *id;
        enum sdp_h264_profile profile;
        unsigned level;
    } rows[] = {
        {"42e01f", SDP_H264_CONSTRAINED_BASELINE, 31},
        {"42C02A", SDP_H264_CONSTRAINED_BASELINE, 42},
        {"42f00b", SDP_H264_CONSTRAINED_BASELINE, 9}, /* level 1b */
        {"42c00b", SDP_H264_CONSTRAINED_BASELINE, 11},
        {"4de01f", SDP_H264_CONSTRAINED_BASELINE, 31},
        {"58f01f", SDP_H264_CONSTRAINED_BASELINE, 31},
        {"42001f", SDP_H264_BASELINE, 31},
        {"42a01f", SDP_H264_BASELINE, 31},
        {"58a01f", SDP_H264_BASELINE, 31},
        {"4d401f", SDP_H264_MAIN, 31},
        {"4d0020", SDP_H264_MAIN, 32},
        {"64001f", SDP_H264_HIGH, 31},
        {"640c1f", SDP_H264_CONSTRAINED_HIGH, 31},
        {"f4001f", SDP_H264_OTHER, 31},
        {"42ef1f", SDP_H264_OTHER, 31},
        {"58601f", SDP_H264_OTHER, 31},
    };
    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        char fmtp[64];
        struct sdp_h264 h;
        (void)snprintf(fmtp, sizeof fmtp, "packetization-mode=1;profile-level-id=%s", rows[i].id);
        assert_int_equal(sdp_h264_parse(fmtp, &h), 0);
        if (h.profile != rows[i].profile || h.level != rows[i].level)
            fail_msg("%s: profile %d level %u", rows[i].id, h.profile, h.level);
        assert_int_equal(h.mode, 1);
    }
}

static void h264_defaults_and_nonsense(void **state)
{
    struct sdp_h264 h;
    (void)state;
    assert_int_equal(sdp_h264_parse(NULL, &h), 0);
    assert_int_equal(h.profile, SDP_H264_BASELINE);
    assert_int_equal(h.level, 10);
    assert_int_equal(h.mode, 0);
    assert_false(h.asymmetry_allowed);
    assert_int_equal(sdp_h264_parse("level-asymmetry-allowed=1;packetization-mode=9", &h), 0);
    assert_true(h.asymmetry_allowed);
    assert_int_equal(h.mode, 2);
    assert_int_equal(sdp_h264_parse("profile-level-id=42e0", &h), -EINVAL);
    assert_int_equal(sdp_h264_parse("profile-level-id=42e01g", &h), -EINVAL);
    assert_int_equal(sdp_h264_parse("profile-level-id=", &h), -EINVAL);
    assert_int_equal(sdp_h264_parse("profile-level-id=42e01f00000000000000000000000", &h), -EINVAL);
}

static void formats_compare_by_what_decoders_mind(void **state)
{
    (void)state;
    assert_true(sdp_codec_same_format(SDP_CODEC_H264, "packetization-mode=1;profile-level-id=42e01f",
        "profile-level-id=42c034;packetization-mode=1;level-asymmetry-allowed=1"));
    assert_false(sdp_codec_same_format(SDP_CODEC_H264, "packetization-mode=1;profile-level-id=42e01f",
        "packetization-mode=0;profile-level-id=42e01f"));
    assert_false(sdp_codec_same_format(SDP_CODEC_H264, "packetization-mode=1;profile-level-id=42e01f",
        "packetization-mode=1;profile-level-id=64001f"));
    assert_false(sdp_codec_same_format(SDP_CODEC_H264, "profile-level-id=?", "profile-level-id=?"));
    assert_true(sdp_codec_same_format(SDP_CODEC_VP9, NULL, "profile-id=0"));
    assert_false(sdp_codec_same_format(SDP_CODEC_VP9, "max-fr=60", "profile-id=2"));
    assert_true(sdp_codec_same_format(SDP_CODEC_AV1, "level-idx=5;profile=0;tier=0", NULL));
    assert_false(sdp_codec_same_format(SDP_CODEC_AV1, "profile=1", NULL));
    assert_true(sdp_codec_same_format(SDP_CODEC_H265, NULL, "profile-id=1"));
    assert_true(sdp_codec_same_format(SDP_CODEC_OPUS, "stereo=1", "usedtx=1"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(codecs_are_found_by_their_rtpmap),
        cmocka_unit_test(every_codec_has_its_names),
        cmocka_unit_test(extensions_are_found_by_their_uri),
        cmocka_unit_test(parameters_are_found),
        cmocka_unit_test(h264_profiles),
        cmocka_unit_test(h264_defaults_and_nonsense),
        cmocka_unit_test(formats_compare_by_what_decoders_mind),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
