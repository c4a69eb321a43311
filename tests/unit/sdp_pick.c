/* Which codecs an answer takes, in which order, with which parameters. */
#include "sdp_support.h"

static const struct sdp_track opus_track = {
    .stream = "PA_a|camera", .track = "TR_AMa", .cname = "pa", .ssrc = 1001, .codec = SDP_CODEC_OPUS};
static const struct sdp_track vp8_track = {.stream = "PA_a|camera",
    .track = "TR_VCa",
    .cname = "pa",
    .ssrc = 2001,
    .rtx_ssrc = 2002,
    .codec = SDP_CODEC_VP8};

static const char *fmtp_of(const struct sdp_media *m, unsigned pt)
{
    const struct sdp_codec *c = sdp_media_codec(m, pt);
    return c && c->fmtp ? c->fmtp : "";
}

static void red_first_unless_disabled(void **state)
{
    struct sdp_session *offer = parse_file("chromium-156-publish-offer.sdp"), *answer;
    struct sdp_decision d[3] = {{.receive = true, .prefer = SDP_CODEC_RED}, {.receive = true}, {0}};
    (void)state;
    answer = must_answer(offer, d, 3);
    assert_string_equal(pts_of(&answer->media[0]), "63 111 0 8");
    assert_string_equal(fmtp_of(&answer->media[0], 63), "111/111");
    sdp_free(answer);
    d[0].codecs = SDP_CODEC_BIT(SDP_CODEC_OPUS);
    answer = must_answer(offer, d, 3);
    assert_string_equal(pts_of(&answer->media[0]), "111");
    sdp_free(answer);
    d[0].codecs = SDP_CODEC_BIT(SDP_CODEC_RED); /* RED of nothing is nothing */
    answer = must_answer(offer, d, 3);
    assert_int_equal(answer->media[0].port, 0);
    sdp_free(answer);
    d[0] = (struct sdp_decision){.receive = true, .prefer = SDP_CODEC_RED, .only = true};
    answer = must_answer(offer, d, 3);
    assert_string_equal(pts_of(&answer->media[0]), "63 111");
    sdp_free(answer);
    sdp_free(offer);
}

static void preferred_video_codec_is_first(void **state)
{
    struct sdp_session *offer = parse_file("chromium-156-publish-offer.sdp"), *answer;
    struct sdp_decision d[3] = {{0}, {.receive = true, .prefer = SDP_CODEC_AV1}, {0}};
    (void)state;
    answer = must_answer(offer, d, 3);
    assert_string_equal(
        pts_of(&answer->media[1]), "45 46 96 97 102 103 104 107 108 109 114 115 116 117 39 40 98 99 100 101");
    sdp_free(answer);
    d[1].only = true;
    answer = must_answer(offer, d, 3);
    assert_string_equal(pts_of(&answer->media[1]), "45 46");
    sdp_free(answer);
    d[1].prefer = SDP_CODEC_H265; /* not offered: as if nothing were preferred */
    answer = must_answer(offer, d, 3);
    assert_int_equal(answer->media[1].codecs[0].pt, 96);
    assert_int_equal(answer->media[1].n_codecs, 20);
    sdp_free(answer);
    d[1] = (struct sdp_decision){.receive = true, .codecs = SDP_CODEC_BIT(SDP_CODEC_VP9)};
    answer = must_answer(offer, d, 3);
    assert_string_equal(pts_of(&answer->media[1]), "98 99 100 101"); /* RTX stays with an allowed codec */
    sdp_free(answer);
    sdp_free(offer);
}

static void opus_parameters(void **state)
{
    static const struct {
        struct sdp_decision d;
        const char *offered, *answered;
    } rows[] = {
        {{.receive = true}, "minptime=10;useinbandfec=1", "minptime=10;useinbandfec=1"},
        {{.receive = true, .opus_dtx = true}, "minptime=10;useinbandfec=1",
            "minptime=10;useinbandfec=1;usedtx=1"},
        {{.receive = true, .opus_stereo = true}, "minptime=10;stereo=1",
            "minptime=10;stereo=1;maxaveragebitrate=510000"},
        {{.receive = true}, "maxplaybackrate=48000;stereo=1;useinbandfec=1",
            "maxplaybackrate=48000;useinbandfec=1"},
        {{.receive = true}, "usedtx=1; sprop-stereo=1", ""},
        {{.track = &opus_track}, "minptime=10;useinbandfec=1", "minptime=10;useinbandfec=1"},
    };
    (void)state;
    for (size_t i = 0; i < N(rows); i++) {
        char text[1024];
        (void)snprintf(text, sizeof text,
            AUDIO_OFFER("111", "a=rtpmap:111 opus/48000/2\r\na=fmtp:111 %s\r\n"), rows[i].offered);
        struct sdp_session *answer;
        const struct sdp_media *m = answer_one(text, rows[i].d, &answer);
        assert_string_equal(fmtp_of(m, 111), rows[i].answered);
        sdp_free(answer);
    }
    struct sdp_track stereo = opus_track;
    stereo.stereo = true;
    struct sdp_session *answer;
    const struct sdp_media *m = answer_one(AUDIO_OFFER("111", "a=rtpmap:111 opus/48000/2\r\n"),
        (struct sdp_decision){.track = &stereo}, &answer);
    assert_string_equal(fmtp_of(m, 111), "sprop-stereo=1");
    sdp_free(answer);
}

#define OPUS_AND_RED                                                                                         \
    AUDIO_OFFER("111 63", "a=rtpmap:111 opus/48000/2\r\na=rtpmap:63 red/48000/2\r\na=fmtp:63 111/111\r\n"    \
                          "a=rtcp-fb:111 nack\r\na=rtcp-fb:111 transport-cc\r\n")

static void red_repairs_what_nack_would(void **state)
{
    struct sdp_track red = opus_track;
    struct sdp_session *answer;
    (void)state;
    red.codec = SDP_CODEC_RED;
    red.codecs = SDP_CODEC_BIT(SDP_CODEC_OPUS);
    const struct sdp_media *m = answer_one(OPUS_AND_RED, (struct sdp_decision){.track = &red}, &answer);
    assert_string_equal(pts_of(m), "63 111");
    assert_int_equal(m->codecs[1].fb, SDP_FB_TRANSPORT_CC);
    sdp_free(answer);
    m = answer_one(OPUS_AND_RED, (struct sdp_decision){.track = &opus_track}, &answer);
    assert_string_equal(pts_of(m), "111");
    assert_int_equal(m->codecs[0].fb, SDP_FB_TRANSPORT_CC | SDP_FB_NACK);
    sdp_free(answer);
    m = answer_one(OPUS_AND_RED, (struct sdp_decision){.receive = true, .prefer = SDP_CODEC_RED}, &answer);
    assert_int_equal(m->codecs[1].fb, SDP_FB_NACK);
    sdp_free(answer);
}

#define H264_LINES                                                                                           \
    "a=rtpmap:97 H264/90000\r\na=fmtp:97 profile-level-id=42e01f;level-asymmetry-allowed=1\r\n"              \
    "a=rtpmap:98 H264/90000\r\na=fmtp:98 profile-level-id=42e02a;packetization-mode=1\r\n"                   \
    "a=rtpmap:99 H264/90000\r\na=fmtp:99 "                                                                   \
    "level-asymmetry-allowed=1;packetization-mode=1;profile-level-id=64001f\r\n"                             \
    "a=rtpmap:100 H264/90000\r\na=fmtp:100 packetization-mode=1;profile-level-id=f4001f\r\n"                 \
    "a=rtpmap:101 H264/90000\r\na=fmtp:101 packetization-mode=2;profile-level-id=42e01f\r\n"                 \
    "a=rtpmap:102 H264/90000\r\na=fmtp:102 packetization-mode=1;profile-level-id=nonsense\r\n"               \
    "a=rtpmap:103 H264/90000\r\na=fmtp:103 packetization-mode=1;profile-level-id=42e03c\r\n"                 \
    "a=rtpmap:104 H264/90000\r\n"
#define H264_OFFER VIDEO_OFFER("97 98 99 100 101 102 103 104", H264_LINES)

static void h264_levels_and_profiles(void **state)
{
    struct sdp_session *answer;
    (void)state;
    const struct sdp_media *m = answer_one(H264_OFFER, (struct sdp_decision){.receive = true}, &answer);
    assert_string_equal(pts_of(m), "97 98 99 103 104"); /* not 4:4:4, not interleaved, not nonsense */
    /* where levels may differ we say what we take; otherwise the lower one binds both */
    assert_string_equal(fmtp_of(m, 97), "level-asymmetry-allowed=1;profile-level-id=42e034");
    assert_string_equal(fmtp_of(m, 98), "packetization-mode=1;profile-level-id=42e02a");
    assert_string_equal(
        fmtp_of(m, 99), "level-asymmetry-allowed=1;packetization-mode=1;profile-level-id=640034");
    assert_string_equal(fmtp_of(m, 103), "packetization-mode=1;profile-level-id=42e034");
    assert_string_equal(fmtp_of(m, 104), "");
    sdp_free(answer);
}

static void h264_track_goes_out_as_what_it_is(void **state)
{
    static const struct {
        const char *fmtp, *pts;
    } rows[] = {
        {"packetization-mode=1;profile-level-id=42e01f",
            "98 103 99"}, /* exact ones first; mode 0 cannot carry it */
        {"packetization-mode=1;profile-level-id=640032", "99 98 103"},
        {"packetization-mode=1;profile-level-id=4d001f", "98 99 103"}, /* none exact: decoders take it */
        {"profile-level-id=42e01f", "97 104 98 99 103"},               /* mode 0 first, but mode 1 takes it */
        {NULL, "97 98 99 103 104"},
    };
    (void)state;
    for (size_t i = 0; i < N(rows); i++) {
        struct sdp_track track = vp8_track;
        struct sdp_session *answer;
        track.codec = SDP_CODEC_H264;
        track.fmtp = rows[i].fmtp;
        const struct sdp_media *m = answer_one(H264_OFFER, (struct sdp_decision){.track = &track}, &answer);
        assert_string_equal(pts_of(m), rows[i].pts);
        assert_string_equal(fmtp_of(m, 98), "packetization-mode=1;profile-level-id=42e02a"); /* untouched */
        sdp_free(answer);
    }
}

static void vp9_and_av1_profiles_must_match(void **state)
{
    static const char offer[] =
        VIDEO_OFFER("98 99 100 45 46", "a=rtpmap:98 VP9/90000\r\na=fmtp:98 profile-id=0;max-fr=60\r\n"
                                       "a=rtpmap:99 VP9/90000\r\na=fmtp:99 profile-id=2\r\n"
                                       "a=rtpmap:100 VP9/90000\r\na=fmtp:100 profile-id=3\r\n"
                                       "a=rtpmap:45 AV1/90000\r\na=fmtp:45 level-idx=5;profile=0;tier=0\r\n"
                                       "a=rtpmap:46 AV1/90000\r\na=fmtp:46 profile=1\r\n");
    struct sdp_track track = vp8_track;
    struct sdp_session *answer;
    (void)state;
    const struct sdp_media *m = answer_one(offer, (struct sdp_decision){.receive = true}, &answer);
    assert_string_equal(pts_of(m), "98 99 45");
    assert_string_equal(fmtp_of(m, 98), "profile-id=0"); /* its own limits are none of ours */
    assert_string_equal(fmtp_of(m, 45), "level-idx=5;profile=0;tier=0");
    sdp_free(answer);
    track.codec = SDP_CODEC_VP9;
    track.fmtp = "profile-id=2";
    m = answer_one(offer, (struct sdp_decision){.track = &track}, &answer);
    assert_string_equal(pts_of(m), "99");
    sdp_free(answer);
    track.codec = SDP_CODEC_AV1;
    track.fmtp = "profile=1"; /* what nobody can take leaves the section idle */
    m = answer_one(offer, (struct sdp_decision){.track = &track}, &answer);
    assert_int_equal(m->dir, SDP_INACTIVE);
    assert_int_equal(m->port, 9);
    assert_null(m->msid_stream);
    assert_string_equal(pts_of(m), "98");
    sdp_free(answer);
    track.codec = SDP_CODEC_VP8; /* not offered at all */
    m = answer_one(offer, (struct sdp_decision){.track = &track}, &answer);
    assert_int_equal(m->dir, SDP_INACTIVE);
    sdp_free(answer);
    track.codec = SDP_CODEC_H264; /* both ways, but it cannot be sent */
    m = answer_one(offer, (struct sdp_decision){.receive = true, .track = &track}, &answer);
    assert_int_equal(m->dir, SDP_RECVONLY);
    sdp_free(answer);
}

static void no_rtx_no_rtx_ssrc(void **state)
{
    struct sdp_session *answer;
    (void)state;
    const struct sdp_media *m = answer_one(
        VIDEO_OFFER("96", "a=rtpmap:96 VP8/90000\r\n"), (struct sdp_decision){.track = &vp8_track}, &answer);
    assert_int_equal(m->n_ssrcs, 1);
    assert_int_equal(m->n_ssrc_groups, 0);
    sdp_free(answer);
}

static void colliding_payload_types_go(void **state)
{
    struct sdp_session *offer = must_parse(HEAD
        "a=group:BUNDLE 0 1 2\r\n" TRANSPORT "m=video 9 UDP/TLS/RTP/SAVPF 96 97 98\r\na=mid:0\r\n"
        "a=rtpmap:96 VP8/90000\r\na=rtpmap:97 rtx/90000\r\na=fmtp:97 apt=96\r\na=rtpmap:98 VP9/90000\r\n"
        "a=extmap:1 urn:ietf:params:rtp-hdrext:sdes:mid\r\n"
        "m=video 9 UDP/TLS/RTP/SAVPF 96 97 98\r\na=mid:1\r\n"
        "a=rtpmap:96 AV1/90000\r\na=rtpmap:97 rtx/90000\r\na=fmtp:97 apt=98\r\na=rtpmap:98 VP9/90000\r\n"
        "a=extmap:1 http://www.webrtc.org/experiments/rtp-hdrext/abs-send-time\r\n"
        "a=extmap:2 urn:ietf:params:rtp-hdrext:sdes:mid\r\n"
        "m=video 9 UDP/TLS/RTP/SAVPF 98\r\na=mid:2\r\na=rtpmap:98 VP9/90000\r\na=fmtp:98 profile-id=2\r\n");
    struct sdp_decision d[3] = {{.receive = true}, {.receive = true}, {.receive = true}};
    struct sdp_session *answer = must_answer(offer, d, 3);
    (void)state;
    assert_string_equal(pts_of(&answer->media[0]), "96 97 98");
    assert_string_equal(
        pts_of(&answer->media[1]), "98"); /* AV1 as 96 and RTX 97 of 98 would mean two things */
    assert_int_equal(answer->media[1].n_extmap, 1);
    assert_int_equal(answer->media[1].extmap[0].id, 2);
    assert_int_equal(answer->media[2].port, 0); /* nothing left */
    struct sdp_result *r = must_agree(offer, answer, true);
    assert_int_equal(r->sections[1].codecs[0].rtx_pt, -1);
    assert_int_equal(r->sections[1].ext_id[SDP_EXT_MID], 2);
    sdp_result_free(r);
    sdp_free(answer);
    sdp_free(offer);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(red_first_unless_disabled),
        cmocka_unit_test(preferred_video_codec_is_first),
        cmocka_unit_test(opus_parameters),
        cmocka_unit_test(red_repairs_what_nack_would),
        cmocka_unit_test(h264_levels_and_profiles),
        cmocka_unit_test(h264_track_goes_out_as_what_it_is),
        cmocka_unit_test(vp9_and_av1_profiles_must_match),
        cmocka_unit_test(no_rtx_no_rtx_ssrc),
        cmocka_unit_test(colliding_payload_types_go),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
