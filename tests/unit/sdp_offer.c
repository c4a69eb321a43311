/* Offers of the server, and the answers of clients to them: what fits, what was agreed, what is refused. */
#include "sdp_support.h"

#include <errno.h>

static struct sdp_track track_of(enum sdp_codec_id codec, const char *fmtp)
{
    return (struct sdp_track){.stream = "PA_a|camera",
        .track = "TR_xx",
        .cname = "pa",
        .ssrc = 1001,
        .rtx_ssrc = 1002,
        .codec = codec,
        .fmtp = fmtp};
}

static struct sdp_session *must_offer(const struct sdp_offer_section *sections, unsigned n)
{
    struct sdp_candidate candidate = host_candidate();
    struct sdp_local local = our_end();
    struct sdp_session *offer = NULL;
    local.candidates = &candidate;
    local.n_candidates = 1;
    assert_int_equal(sdp_offer(&local, sections, n, &offer), 0);
    return offer;
}

static void an_offer_asks_for_what_we_send(void **state)
{
    struct sdp_track audio = track_of(SDP_CODEC_OPUS, NULL), video = track_of(SDP_CODEC_VP8, NULL);
    const struct sdp_offer_section sections[] = {{.kind = SDP_KIND_APPLICATION, .mid = "0"},
        {.kind = SDP_KIND_AUDIO, .mid = "1", .track = &audio},
        {.kind = SDP_KIND_VIDEO, .mid = "2", .track = &video}, {.kind = SDP_KIND_VIDEO, .mid = "3"},
        {.kind = SDP_KIND_VIDEO, .mid = "4", .rejected = true}};
    struct sdp_session *offer = must_offer(sections, 5);
    (void)state;
    assert_true(offer->ice_lite && offer->extmap_allow_mixed);
    assert_int_equal(offer->groups[0].n, 4);
    assert_int_equal(offer->media[0].sctp_port, 5000);
    assert_int_equal(offer->media[0].max_message_size, SDP_MESSAGE_SIZE);
    assert_int_equal(offer->media[0].n_candidates, 1);
    assert_int_equal(offer->media[1].n_candidates, 0);
    assert_string_equal(pts_of(&offer->media[1]), "111");
    assert_string_equal(offer->media[1].codecs[0].fmtp, "minptime=10;useinbandfec=1");
    assert_int_equal(offer->media[1].n_ssrc_groups, 0); /* there is no RTX for audio */
    assert_string_equal(pts_of(&offer->media[2]), "96 97");
    assert_int_equal(offer->media[2].dir, SDP_SENDONLY);
    assert_int_equal(offer->media[2].ssrc_groups[0].ssrcs[1], 1002);
    assert_string_equal(offer->media[2].msid_stream, "PA_a|camera");
    assert_int_equal(offer->media[3].dir, SDP_INACTIVE);
    assert_null(offer->media[3].msid_stream);
    assert_int_equal(offer->media[4].port, 0);
    assert_null(offer->media[4].ice.ufrag);
    for (unsigned i = 0; i < 4; i++) {
        assert_int_equal(offer->media[i].setup, SDP_SETUP_ACTPASS);
        assert_int_equal(offer->media[i].port, 9);
    }
    char *text = text_of(offer);
    struct sdp_session *again = must_parse(text);
    char *two = text_of(again);
    assert_string_equal(text, two);
    free(text);
    free(two);
    sdp_free(again);
    sdp_free(offer);
}

static void one_meaning_for_a_payload_type(void **state)
{
    static const enum sdp_codec_id ids[] = {SDP_CODEC_OPUS, SDP_CODEC_RED, SDP_CODEC_PCMU, SDP_CODEC_PCMA,
        SDP_CODEC_VP8, SDP_CODEC_VP9, SDP_CODEC_H264, SDP_CODEC_AV1, SDP_CODEC_H265};
    struct sdp_track tracks[9];
    struct sdp_offer_section sections[9];
    char mids[9][4];
    const struct sdp_codec *seen[128] = {0};
    (void)state;
    for (unsigned i = 0; i < 9; i++) {
        tracks[i] = track_of(ids[i], NULL);
        (void)snprintf(mids[i], sizeof mids[i], "%u", i);
        sections[i] =
            (struct sdp_offer_section){.kind = sdp_codec_kind(ids[i]), .mid = mids[i], .track = &tracks[i]};
    }
    tracks[1].codecs = SDP_CODEC_BIT(SDP_CODEC_OPUS);
    struct sdp_session *offer = must_offer(sections, 9);
    for (unsigned i = 0; i < 9; i++)
        for (unsigned k = 0; k < offer->media[i].n_codecs; k++) {
            const struct sdp_codec *c = &offer->media[i].codecs[k];
            assert_true(c->pt < 64 || c->pt >= 96); /* 64 to 95 would look like RTCP (RFC 5761, section 4) */
            if (seen[c->pt]) {
                assert_int_equal(seen[c->pt]->id, c->id);
                assert_int_equal(seen[c->pt]->apt, c->apt);
            }
            seen[c->pt] = c;
            if (c->id == SDP_CODEC_RTX)
                assert_non_null(sdp_media_codec(&offer->media[i], (unsigned)c->apt));
        }
    assert_string_equal(pts_of(&offer->media[1]), "63 111");
    sdp_free(offer);
}

static void profiles_are_offered_as_they_are(void **state)
{
    static const struct {
        enum sdp_codec_id id;
        const char *fmtp, *pts;
    } rows[] = {
        {SDP_CODEC_VP9, NULL, "98 99 100 101 102 103"},
        {SDP_CODEC_VP9, "max-fr=60", "98 99"},
        {SDP_CODEC_VP9, "profile-id=2", "102 103"},
        {SDP_CODEC_VP9, "profile-id=3", "98 99 100 101 102 103"}, /* not in the table */
        {SDP_CODEC_AV1, "profile=0", "35 36"},
        /* the exact one first, then other profiles that decoders take, never a lower packetization mode */
        {SDP_CODEC_H264, "packetization-mode=1;profile-level-id=42001f", "104 105 108 109 39 40 123 124"},
        {SDP_CODEC_H264, "packetization-mode=1;profile-level-id=640032", "123 124 108 109 104 105 39 40"},
        {SDP_CODEC_H264, "profile-level-id=42e01f", "125 126 108 109 104 105 39 40 123 124"},
    };
    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct sdp_track track = track_of(rows[i].id, rows[i].fmtp);
        const struct sdp_offer_section section = {.kind = SDP_KIND_VIDEO, .mid = "0", .track = &track};
        struct sdp_session *offer = must_offer(&section, 1);
        assert_string_equal(pts_of(&offer->media[0]), rows[i].pts);
        assert_int_equal(offer->media[0].ssrc_groups[0].n, 2);
        sdp_free(offer);
    }
}

static void stereo_is_told(void **state)
{
    struct sdp_track track = track_of(SDP_CODEC_RED, NULL);
    const struct sdp_offer_section section = {.kind = SDP_KIND_AUDIO, .mid = "0", .track = &track};
    (void)state;
    track.codecs = SDP_CODEC_BIT(SDP_CODEC_OPUS);
    track.stereo = true;
    struct sdp_session *offer = must_offer(&section, 1);
    assert_string_equal(
        sdp_media_codec(&offer->media[0], 111)->fmtp, "minptime=10;useinbandfec=1;sprop-stereo=1");
    assert_int_equal(offer->media[0].codecs[1].fb, SDP_FB_TRANSPORT_CC); /* what RED lost, RED repairs */
    sdp_free(offer);
}

static void bad_arguments_are_refused(void **state)
{
    struct sdp_track track = track_of(SDP_CODEC_VP8, NULL);
    const struct sdp_offer_section rows[] = {{.kind = SDP_KIND_OTHER, .mid = "0"}, {.kind = SDP_KIND_VIDEO},
        {.kind = SDP_KIND_AUDIO, .mid = "0", .track = &track},
        {.kind = SDP_KIND_APPLICATION, .mid = "0", .track = &track}};
    struct sdp_local local = our_end();
    struct sdp_session *offer = NULL;
    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++)
        assert_int_equal(sdp_offer(&local, &rows[i], 1, &offer), -EINVAL);
    assert_int_equal(sdp_offer(&local, rows, SDP_MEDIA_MAX + 1, &offer), -EINVAL);
    assert_null(offer);
}

/* ---- the client's answer ---- */

static void rfc8829_answers_fit(void **state)
{
    struct sdp_session *offer = parse_file("rfc8829-a1-offer.sdp"),
                       *answer = parse_file("rfc8829-a1-answer.sdp");
    struct sdp_result *r = must_agree(offer, answer, false);
    (void)state;
    assert_string_equal(r->ufrag, "6sFv");
    assert_false(r->dtls_client); /* the answer is active */
    assert_int_equal(r->sections[0].dir, SDP_SENDRECV);
    assert_int_equal(r->sections[0].n_codecs, 3); /* what has no name here does not count */
    assert_int_equal(r->sections[1].codecs[0].rtx_pt, 102);
    assert_int_equal(r->sections[1].codecs[0].fb, SDP_FB_CCM_FIR | SDP_FB_NACK | SDP_FB_NACK_PLI);
    assert_true(r->sections[1].rtcp_rsize); /* of the first section: RFC 8829, section 5.3.1 */
    assert_string_equal(r->sections[1].msid_stream, "61317484-2ed4-49d7-9eb7-1414322a7aae");
    assert_int_equal(r->n_candidates, 1);
    sdp_result_free(r);
    sdp_free(answer);
    sdp_free(offer);

    offer = parse_file("rfc8829-b2-offer.sdp");
    answer = parse_file("rfc8829-b2-answer.sdp");
    r = must_agree(offer, answer, false);
    assert_true(r->dtls_client); /* the answer is passive */
    assert_int_equal(r->sections[2].dir, SDP_SENDONLY);
    assert_int_equal(r->sections[2].n_rids, 0); /* the client sends none */
    assert_int_equal(r->sections[1].sctp_port, 5000);
    sdp_result_free(r);
    sdp_free(answer);
    sdp_free(offer);
}

/* An offer of two sections, and the text of an answer with one piece replaced. */
#define ANSWER_HEAD "v=0\r\no=- 1 2 IN IP4 127.0.0.1\r\ns=-\r\nt=0 0\r\n"
#define A_BUNDLE    "a=group:BUNDLE 0 1\r\n"
#define A_ICE       "a=ice-ufrag:clnt\r\na=ice-pwd:0123456789012345678901\r\n"
#define A_PRINT     "a=fingerprint:sha-256 " FINGERPRINT "\r\n"
#define A_SETUP     "a=setup:active\r\n"
#define A_AUDIO                                                                                              \
    "m=audio 9 UDP/TLS/RTP/SAVPF 111\r\na=mid:0\r\na=recvonly\r\na=rtcp-mux\r\na=rtpmap:111 "                \
    "opus/48000/2\r\n"
#define A_VIDEO                                                                                              \
    "m=video 9 UDP/TLS/RTP/SAVPF 96 97\r\na=mid:1\r\na=recvonly\r\na=rtcp-mux\r\na=rtpmap:96 VP8/90000\r\n"  \
    "a=rtpmap:97 rtx/90000\r\na=fmtp:97 apt=96\r\na=rtcp-fb:96 nack\r\na=rtcp-fb:96 goog-remb\r\n"           \
    "a=extmap:1 urn:ietf:params:rtp-hdrext:sdes:mid\r\na=extmap:5 urn:x\r\na=extmap:6 "                      \
    "http://www.ietf.org/id/draft-holmer-rmcat-transport-wide-cc-extensions-01\r\na=extmap:9/sendonly "      \
    "http://www.webrtc.org/experiments/rtp-hdrext/playout-delay\r\n"
#define GOOD_HEAD ANSWER_HEAD A_BUNDLE A_ICE A_PRINT A_SETUP

static struct sdp_session *two_section_offer(void)
{
    struct sdp_track audio = track_of(SDP_CODEC_OPUS, NULL), video = track_of(SDP_CODEC_VP8, NULL);
    const struct sdp_offer_section sections[] = {{.kind = SDP_KIND_AUDIO, .mid = "0", .track = &audio},
        {.kind = SDP_KIND_VIDEO, .mid = "1", .track = &video}};
    return must_offer(sections, 2);
}

static void what_the_answer_narrows_is_narrowed(void **state)
{
    struct sdp_session *offer = two_section_offer(), *answer = must_parse(GOOD_HEAD A_AUDIO A_VIDEO);
    struct sdp_result *r = must_agree(offer, answer, false);
    (void)state;
    const struct sdp_section_result *video = &r->sections[1];
    assert_int_equal(video->dir, SDP_SENDONLY);
    assert_int_equal(video->codecs[0].pt, 96);
    assert_int_equal(video->codecs[0].rtx_pt, 97);
    assert_int_equal(video->codecs[0].fb, SDP_FB_NACK); /* goog-remb was not offered */
    assert_int_equal(video->ext_id[SDP_EXT_MID], 1);
    assert_int_equal(video->ext_id[SDP_EXT_TRANSPORT_CC], 0); /* its id has another meaning in the offer */
    assert_int_equal(video->ext_id[SDP_EXT_ABS_SEND_TIME], 0);
    assert_int_equal(video->ext_id[SDP_EXT_PLAYOUT_DELAY], 9);
    assert_false(video->mixed_ext);
    assert_false(video->rtcp_rsize);
    assert_null(r->ice_options);
    sdp_result_free(r);
    sdp_free(answer);
    sdp_free(offer);
}

static void a_refused_section_is_told(void **state)
{
    struct sdp_session *offer = two_section_offer(),
                       *answer = must_parse(ANSWER_HEAD "a=group:BUNDLE 0\r\n" A_ICE A_PRINT A_SETUP A_AUDIO
                                                        "m=video 0 UDP/TLS/RTP/SAVPF 120\r\na=mid:1\r\n");
    struct sdp_result *r = must_agree(offer, answer, false);
    (void)state;
    assert_false(r->sections[0].rejected);
    assert_true(r->sections[1].rejected);
    assert_int_equal(r->sections[1].dir, SDP_INACTIVE);
    assert_int_equal(r->sections[1].n_codecs, 0);
    sdp_result_free(r);
    sdp_free(answer);
    sdp_free(offer);
}

static void answers_that_do_not_fit_are_refused(void **state)
{
    static const struct {
        const char *text, *why;
    } rows[] = {
        {GOOD_HEAD "a=x:y\r\n" A_AUDIO
                   "m=video 9 UDP/TLS/RTP/SAVPF 96\r\na=mid:1\r\na=rtcp-mux\r\na=recvonly\r\n" A_VIDEO
                   "a=mid:2\r\n",
            NULL}, /* does not even parse */
        {ANSWER_HEAD "a=group:BUNDLE 0\r\n" A_ICE A_PRINT A_SETUP A_AUDIO,
            "the offer has 2 sections and the answer 1"},
        {ANSWER_HEAD "a=group:BUNDLE 0 1\r\n" A_ICE A_PRINT A_SETUP A_AUDIO
                     "m=audio 9 UDP/TLS/RTP/SAVPF 111\r\na=mid:1\r\na=recvonly\r\na=rtcp-mux\r\n",
            "section 1 is video in the offer and audio in the answer"},
        {ANSWER_HEAD "a=group:BUNDLE 0 7\r\n" A_ICE A_PRINT A_SETUP A_AUDIO
                     "m=video 9 UDP/TLS/RTP/SAVPF 96\r\na=mid:7\r\na=recvonly\r\na=rtcp-mux\r\n",
            "section 1 has mid \"1\" in the offer and \"7\" in the answer"},
        {GOOD_HEAD A_AUDIO "m=video 9 UDP/TLS/RTP/SAVPF 98\r\na=mid:1\r\na=recvonly\r\na=rtcp-mux\r\n",
            "section 1 of the answer has payload type 98, which was not offered"},
        {GOOD_HEAD A_AUDIO "m=video 9 UDP/TLS/RTP/SAVPF "
                           "96\r\na=mid:1\r\na=recvonly\r\na=rtcp-mux\r\na=rtpmap:96 VP9/90000\r\n",
            "section 1 of the answer gives payload type 96 to another codec than the offer"},
        {GOOD_HEAD A_AUDIO "m=video 9 UDP/TLS/RTP/SAVPF 96 97\r\na=mid:1\r\na=recvonly\r\na=rtcp-mux\r\n"
                           "a=rtpmap:97 rtx/90000\r\na=fmtp:97 apt=98\r\n",
            "section 1 of the answer gives payload type 97 to another codec than the offer"},
        {GOOD_HEAD A_AUDIO
            "m=video 9 UDP/TLS/RTP/SAVPF 96\r\na=mid:1\r\na=rtcp-mux\r\na=rtpmap:96 VP8/90000\r\n",
            "section 1 of the answer has a direction that was not offered"},
        {ANSWER_HEAD A_ICE A_PRINT A_SETUP A_AUDIO A_VIDEO,
            "the answer does not bundle everything that it accepts"},
        {ANSWER_HEAD "a=group:BUNDLE 0\r\n" A_ICE A_PRINT A_SETUP A_AUDIO A_VIDEO,
            "the answer does not bundle everything that it accepts"},
        {ANSWER_HEAD A_ICE A_PRINT A_SETUP "m=audio 9 UDP/TLS/RTP/SAVPF 111\r\na=mid:0\r\na=recvonly\r\n"
                                           "m=video 0 UDP/TLS/RTP/SAVPF 96\r\na=mid:1\r\n",
            "section 0 of the answer has no rtcp-mux"},
        {ANSWER_HEAD A_BUNDLE A_PRINT A_SETUP A_AUDIO A_VIDEO,
            "there are no ICE credentials (ice-ufrag, ice-pwd)"},
        {ANSWER_HEAD A_BUNDLE A_ICE A_SETUP A_AUDIO A_VIDEO, "there is no certificate fingerprint"},
        {ANSWER_HEAD A_BUNDLE A_ICE A_PRINT "a=setup:actpass\r\n" A_AUDIO A_VIDEO,
            "the answer's setup role is neither active nor passive"},
        {ANSWER_HEAD A_BUNDLE A_ICE A_PRINT "a=setup:holdconn\r\n" A_AUDIO A_VIDEO,
            "the answer's setup role is neither active nor passive"},
    };
    struct sdp_session *offer = two_section_offer();
    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct sdp_session *answer = NULL;
        struct sdp_result *r = NULL;
        char err[200] = "";
        int rc = sdp_parse(rows[i].text, strlen(rows[i].text), &answer, err, sizeof err);
        if (!rows[i].why) {
            assert_int_equal(rc, -EINVAL);
            continue;
        }
        if (rc != 0)
            fail_msg("row %zu: %s", i, err);
        rc = sdp_result_new(offer, answer, false, &r, err, sizeof err);
        if (rc != -EINVAL || strcmp(err, rows[i].why) != 0)
            fail_msg("row %zu: %d \"%s\" instead of \"%s\"", i, rc, err, rows[i].why);
        assert_null(r);
        assert_int_equal(sdp_result_new(offer, answer, false, &r, NULL, 0), -EINVAL);
        sdp_free(answer);
    }
    sdp_free(offer);
}

static void an_answer_cannot_take_what_we_rejected(void **state)
{
    const struct sdp_offer_section sections[] = {
        {.kind = SDP_KIND_AUDIO, .mid = "0"}, {.kind = SDP_KIND_VIDEO, .mid = "1", .rejected = true}};
    struct sdp_session *offer = must_offer(sections, 2);
    struct sdp_session *answer =
        must_parse(GOOD_HEAD "m=audio 9 UDP/TLS/RTP/SAVPF 111\r\na=mid:0\r\na=inactive\r\na=rtcp-mux\r\n"
                             "m=video 9 UDP/TLS/RTP/SAVPF 96\r\na=mid:1\r\na=inactive\r\na=rtcp-mux\r\n");
    struct sdp_result *r = NULL;
    char err[100];
    (void)state;
    assert_int_equal(sdp_result_new(offer, answer, false, &r, err, sizeof err), -EINVAL);
    assert_string_equal(err, "section 1 of the answer accepts what the offer has rejected");
    sdp_free(answer);
    sdp_free(offer);
}

/* A client behind an unbundled single section is understood as well. */
static void a_single_section_needs_no_bundle(void **state)
{
    struct sdp_track audio = track_of(SDP_CODEC_OPUS, NULL);
    const struct sdp_offer_section section = {.kind = SDP_KIND_AUDIO, .mid = "0", .track = &audio};
    struct sdp_session *offer = must_offer(&section, 1),
                       *answer = must_parse(ANSWER_HEAD A_ICE A_PRINT A_AUDIO);
    struct sdp_result *r = must_agree(offer, answer, false);
    (void)state;
    assert_false(r->dtls_client); /* no role means active: RFC 4145, section 4.1 */
    assert_int_equal(r->sections[0].dir, SDP_SENDONLY);
    sdp_result_free(r);
    sdp_free(answer);
    sdp_free(offer);
}

static void everything_takes_null(void **state)
{
    (void)state;
    sdp_free(NULL);
    sdp_result_free(NULL);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(an_offer_asks_for_what_we_send),
        cmocka_unit_test(one_meaning_for_a_payload_type),
        cmocka_unit_test(profiles_are_offered_as_they_are),
        cmocka_unit_test(stereo_is_told),
        cmocka_unit_test(bad_arguments_are_refused),
        cmocka_unit_test(rfc8829_answers_fit),
        cmocka_unit_test(what_the_answer_narrows_is_narrowed),
        cmocka_unit_test(a_refused_section_is_told),
        cmocka_unit_test(answers_that_do_not_fit_are_refused),
        cmocka_unit_test(an_answer_cannot_take_what_we_rejected),
        cmocka_unit_test(a_single_section_needs_no_bundle),
        cmocka_unit_test(everything_takes_null),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
