/* Answers to clients' offers: their shape, what is accepted and rejected, extensions and layers, what was
 * agreed. */
#include "sdp_support.h"

#include <errno.h>

static const struct sdp_track opus_track = {
    .stream = "PA_a|camera", .track = "TR_AMa", .cname = "pa", .ssrc = 1001, .codec = SDP_CODEC_OPUS};
static const struct sdp_track vp8_track = {.stream = "PA_a|camera",
    .track = "TR_VCa",
    .cname = "pa",
    .ssrc = 2001,
    .rtx_ssrc = 2002,
    .codec = SDP_CODEC_VP8};

/* ---- the shape of an answer ---- */

static void answer_mirrors_the_offer(void **state)
{
    struct sdp_session *offer = parse_file("chromium-156-publish-offer.sdp");
    struct sdp_decision d[3] = {{.receive = true}, {.receive = true}, {0}};
    struct sdp_candidate candidate = host_candidate();
    struct sdp_local local = our_end();
    struct sdp_session *answer = NULL;
    (void)state;
    local.candidates = &candidate;
    local.n_candidates = 1;
    local.end_of_candidates = true;
    assert_int_equal(sdp_answer(offer, &local, d, 3, &answer, NULL, 0), 0);
    assert_int_equal(answer->origin_id, 4242);
    assert_true(answer->ice_lite && answer->extmap_allow_mixed);
    assert_int_equal(answer->n_groups, 1);
    assert_int_equal(answer->groups[0].n, 3);
    assert_int_equal(answer->n_media, 3);
    for (unsigned i = 0; i < 3; i++) {
        const struct sdp_media *m = &answer->media[i];
        assert_string_equal(m->mid, offer->media[i].mid);
        assert_string_equal(m->kind_text, offer->media[i].kind_text);
        assert_int_equal(m->port, 9);
        assert_int_equal(m->setup, SDP_SETUP_PASSIVE);
        assert_string_equal(m->ice.ufrag, "srvU");
        assert_string_equal(m->ice.pwd, "srvPassword0123456789abcd");
        assert_null(m->ice.options);
        assert_string_equal(m->fingerprints[0].hash, "sha-256");
        assert_string_equal(m->fingerprints[0].value, FINGERPRINT);
        assert_int_equal(m->n_candidates, i == 0); /* one transport: told once */
        assert_int_equal(m->end_of_candidates, i == 0);
    }
    const struct sdp_media *video = &answer->media[1];
    assert_int_equal(video->dir, SDP_RECVONLY);
    assert_true(video->rtcp_mux && video->rtcp_rsize && video->extmap_allow_mixed);
    assert_null(video->msid_stream);
    assert_int_equal(video->n_ssrcs, 0);
    assert_int_equal(answer->media[2].sctp_port, 5000);
    assert_int_equal(answer->media[2].max_message_size, SDP_MESSAGE_SIZE);
    assert_string_equal(answer->media[2].formats, "webrtc-datachannel");
    sdp_free(answer);
    sdp_free(offer);
}

static void nothing_decided_is_inactive(void **state)
{
    struct sdp_session *offer = parse_file("chromium-156-join-offer.sdp");
    struct sdp_decision d[7] = {{0}};
    struct sdp_session *answer = must_answer(offer, d, 7);
    (void)state;
    for (unsigned i = 0; i < 6; i++) {
        assert_int_equal(answer->media[i].dir, SDP_INACTIVE);
        assert_int_equal(answer->media[i].port, 9);
        assert_null(answer->media[i].msid_stream);
    }
    assert_string_equal(pts_of(&answer->media[0]), "111"); /* one codec is enough */
    assert_string_equal(pts_of(&answer->media[3]), "96 97");
    assert_true(answer->media[3].n_extmap >= 5); /* or Chromium would never offer them again */
    assert_int_equal(answer->media[6].dir, SDP_SENDRECV);
    sdp_free(answer);
    sdp_free(offer);
}

static void a_track_is_signalled(void **state)
{
    struct sdp_session *offer = parse_file("chromium-156-join-offer.sdp");
    struct sdp_decision d[7] = {[1] = {.track = &opus_track}, [3] = {.track = &vp8_track}};
    struct sdp_session *answer = must_answer(offer, d, 7);
    (void)state;
    const struct sdp_media *audio = &answer->media[1], *video = &answer->media[3];
    assert_int_equal(audio->dir, SDP_SENDONLY);
    assert_string_equal(pts_of(audio), "111");
    assert_string_equal(audio->msid_track, "TR_AMa");
    assert_int_equal(audio->n_ssrcs, 1);
    assert_int_equal(audio->n_ssrc_groups, 0);
    assert_string_equal(pts_of(video), "96 97");
    char *text = text_of(answer);
    assert_non_null(strstr(text, "a=msid:PA_a|camera TR_VCa\r\n"));
    assert_non_null(strstr(text, "a=ssrc-group:FID 2001 2002\r\n"
                                 "a=ssrc:2001 cname:pa\r\na=ssrc:2001 msid:PA_a|camera TR_VCa\r\n"
                                 "a=ssrc:2002 cname:pa\r\na=ssrc:2002 msid:PA_a|camera TR_VCa\r\n"));
    free(text);
    struct sdp_result *r = must_agree(offer, answer, true);
    const struct sdp_section_result *s = &r->sections[3];
    assert_int_equal(s->dir, SDP_SENDONLY);
    assert_int_equal(s->n_codecs, 1);
    assert_int_equal(s->codecs[0].pt, 96);
    assert_int_equal(s->codecs[0].rtx_pt, 97);
    assert_int_equal(s->codecs[0].fb, SDP_FB_NACK | SDP_FB_NACK_PLI | SDP_FB_CCM_FIR | SDP_FB_TRANSPORT_CC);
    assert_int_equal(s->ext_id[SDP_EXT_TRANSPORT_CC], 3);
    assert_int_equal(s->ext_id[SDP_EXT_MID], 4);
    assert_int_equal(s->ext_id[SDP_EXT_PLAYOUT_DELAY], 5);
    assert_int_equal(s->ext_id[SDP_EXT_VIDEO_ORIENTATION], 0); /* the server does not ask for it */
    assert_true(s->mixed_ext);
    assert_int_equal(r->sections[6].max_message_size, 262144);
    assert_ptr_equal(sdp_result_find(r, "3"), s);
    assert_null(sdp_result_find(r, "x"));
    sdp_result_free(r);
    sdp_free(answer);
    sdp_free(offer);
}

static void directions_are_those_that_the_offer_allows(void **state)
{
    static const struct {
        const char *line;
        bool receive, send;
        enum sdp_dir dir;
    } rows[] = {
        {"a=sendrecv\r\n", true, true, SDP_SENDRECV},
        {"a=sendrecv\r\n", true, false, SDP_RECVONLY},
        {"a=sendrecv\r\n", false, true, SDP_SENDONLY},
        {"a=sendrecv\r\n", false, false, SDP_INACTIVE},
        {"a=sendonly\r\n", true, true, SDP_RECVONLY},
        {"a=sendonly\r\n", false, true, SDP_INACTIVE},
        {"a=recvonly\r\n", true, true, SDP_SENDONLY},
        {"a=recvonly\r\n", true, false, SDP_INACTIVE},
        {"a=inactive\r\n", true, true, SDP_INACTIVE},
    };
    (void)state;
    for (size_t i = 0; i < N(rows); i++) {
        char text[1024];
        (void)snprintf(
            text, sizeof text, "%s%s", VIDEO_OFFER("96", "a=rtpmap:96 VP8/90000\r\n"), rows[i].line);
        struct sdp_session *answer;
        struct sdp_decision d = {.receive = rows[i].receive, .track = rows[i].send ? &vp8_track : NULL};
        const struct sdp_media *m = answer_one(text, d, &answer);
        assert_int_equal(m->dir, rows[i].dir);
        assert_int_equal(m->msid_stream != NULL, (rows[i].dir & SDP_SENDONLY) != 0);
        sdp_free(answer);
    }
}

static void our_dtls_role_follows_theirs(void **state)
{
    static const struct {
        const char *line;
        enum sdp_setup ours;
        bool client;
    } rows[] = {
        {"a=setup:actpass\r\n", SDP_SETUP_PASSIVE, false},
        {"a=setup:active\r\n", SDP_SETUP_PASSIVE, false},
        {"a=setup:passive\r\n", SDP_SETUP_ACTIVE, true},
        {"", SDP_SETUP_PASSIVE, false},
    };
    (void)state;
    for (size_t i = 0; i < N(rows); i++) {
        char text[1024];
        (void)snprintf(text, sizeof text,
            HEAD "a=ice-ufrag:clnt\r\na=ice-pwd:0123456789012345678901\r\na=fingerprint:sha-256 " FINGERPRINT
                 "\r\n%sm=audio 9 UDP/TLS/RTP/SAVPF 0\r\na=rtcp-mux\r\n",
            rows[i].line);
        struct sdp_session *offer = must_parse(text);
        struct sdp_decision d = {.receive = true};
        struct sdp_session *answer = must_answer(offer, &d, 1);
        assert_int_equal(answer->media[0].setup, rows[i].ours);
        struct sdp_result *r = must_agree(offer, answer, true);
        assert_int_equal(r->dtls_client, rows[i].client);
        assert_string_equal(r->ufrag, "clnt");
        assert_string_equal(r->pwd, "0123456789012345678901");
        assert_string_equal(r->fingerprints[0].value, FINGERPRINT);
        sdp_result_free(r);
        sdp_free(answer);
        sdp_free(offer);
    }
}

static void what_cannot_be_answered_is_refused(void **state)
{
    static const struct {
        const char *text, *why;
    } rows[] = {
        {HEAD "m=audio 9 UDP/TLS/RTP/SAVPF 0\r\na=rtcp-mux\r\n",
            "there are no ICE credentials (ice-ufrag, ice-pwd)"},
        {HEAD "a=ice-ufrag:clnt\r\na=ice-pwd:0123456789012345678901\r\nm=audio 9 UDP/TLS/RTP/SAVPF 0\r\n",
            "there is no certificate fingerprint"},
        {HEAD TRANSPORT "m=audio 9 UDP/TLS/RTP/SAVPF 0\r\na=setup:holdconn\r\n",
            "the offer's setup role is holdconn"},
        {HEAD TRANSPORT "m=audio 9 UDP/TLS/RTP/SAVPF 0\r\nm=audio 9 UDP/TLS/RTP/SAVPF 0\r\n",
            "1 decisions for 2 sections"},
    };
    (void)state;
    for (size_t i = 0; i < N(rows); i++) {
        struct sdp_session *offer = must_parse(rows[i].text), *answer = NULL;
        struct sdp_local local = our_end();
        struct sdp_decision d = {.receive = true};
        char err[100] = "";
        assert_int_equal(sdp_answer(offer, &local, &d, 1, &answer, err, sizeof err), -EINVAL);
        assert_string_equal(err, rows[i].why);
        assert_null(answer);
        sdp_free(offer);
    }
}

/* ---- what is rejected ---- */

static void sections_are_rejected_one_by_one(void **state)
{
    struct sdp_session *offer = must_parse(
        HEAD "a=group:BUNDLE a b d e f g h i\r\n" TRANSPORT
             "m=audio 9 UDP/TLS/RTP/SAVPF 96\r\na=mid:a\r\na=rtpmap:96 speex/8000\r\n" /* no codec of ours */
             "m=audio 9 UDP/TLS/RTP/SAVPF 0\r\na=mid:b\r\na=rtcp-mux\r\n"              /* fine */
             "m=audio 9 UDP/TLS/RTP/SAVPF 0\r\na=mid:c\r\na=rtcp-mux\r\n"              /* not bundled */
             "m=audio 9 RTP/AVP 0\r\na=mid:d\r\na=rtcp-mux\r\n"                        /* not encrypted */
             "m=text 9 UDP/TLS/RTP/SAVPF 98\r\na=mid:e\r\na=rtcp-mux\r\n"              /* not ours */
             "m=audio 0 UDP/TLS/RTP/SAVPF 0\r\na=mid:f\r\na=rtcp-mux\r\n"              /* theirs */
             "m=audio 9 UDP/TLS/RTP/SAVPF 0\r\na=mid:g\r\na=rtcp-mux\r\n"              /* decided */
             "m=application 9 UDP/DTLS/SCTP webrtc-datachannel\r\na=mid:h\r\na=sctp-port:0\r\n" /* closed */
             "m=audio 0 UDP/TLS/RTP/SAVPF 0\r\na=mid:i\r\na=bundle-only\r\n");                  /* fine */
    struct sdp_decision d[9];
    static const bool accepted[9] = {[1] = true, [8] = true};
    (void)state;
    for (unsigned i = 0; i < 9; i++)
        d[i] = (struct sdp_decision){.receive = true, .reject = i == 6};
    struct sdp_session *answer = must_answer(offer, d, 9);
    for (unsigned i = 0; i < 9; i++) {
        assert_int_equal(answer->media[i].port, accepted[i] ? 9 : 0);
        assert_int_equal(answer->media[i].bundle_only, false);
        assert_string_equal(answer->media[i].mid, offer->media[i].mid);
        assert_int_equal(answer->media[i].ice.ufrag != NULL, accepted[i]);
    }
    assert_int_equal(answer->groups[0].n, 2);
    assert_string_equal(answer->groups[0].mids[0], "b");
    char *text = text_of(answer);
    sdp_free(must_parse(text));
    free(text);
    struct sdp_result *r = must_agree(offer, answer, true);
    for (unsigned i = 0; i < 9; i++)
        assert_int_equal(r->sections[i].rejected, !accepted[i]);
    assert_string_equal(r->ufrag, "clnt");
    sdp_result_free(r);
    sdp_free(answer);
    sdp_free(offer);
}

static void without_bundle_one_section_is_accepted(void **state)
{
    struct sdp_session *offer =
        must_parse(HEAD TRANSPORT "m=audio 9 UDP/TLS/RTP/SAVPF 0\r\n" /* no rtcp-mux */
                                  "m=audio 9 UDP/TLS/RTP/SAVPF 0\r\na=rtcp-mux\r\n"
                                  "m=video 9 UDP/TLS/RTP/SAVPF 96\r\na=rtcp-mux\r\n"
                                  "a=rtpmap:96 VP8/90000\r\n");
    struct sdp_decision d[3] = {{.receive = true}, {.receive = true}, {.receive = true}};
    struct sdp_session *answer = must_answer(offer, d, 3);
    (void)state;
    assert_int_equal(answer->media[0].port, 0);
    assert_int_equal(answer->media[1].port, 9);
    assert_int_equal(answer->media[2].port, 0);
    assert_int_equal(answer->n_groups, 0);
    assert_null(answer->media[1].mid);
    sdp_result_free(must_agree(offer, answer, true));
    sdp_free(answer);
    sdp_free(offer);
}

/* RFC 8829, section 5.2.1: only the first section of a bundle carries what is the same in all of them. */
static void bundled_sections_inherit_rtcp_mux(void **state)
{
    struct sdp_session *offer = parse_file("rfc8829-b2-offer.sdp");
    struct sdp_decision d[4] = {{.receive = true}, {0}, {.receive = true}, {.receive = true}};
    struct sdp_session *answer = must_answer(offer, d, 4);
    (void)state;
    assert_int_equal(answer->groups[0].n, 4);
    assert_true(answer->media[2].rtcp_mux && answer->media[2].rtcp_rsize);
    assert_string_equal(pts_of(&answer->media[2]), "100 102 101 103"); /* FEC goes, RTX follows its codec */
    struct sdp_result *r = must_agree(offer, answer, true);
    assert_int_equal(r->sections[2].n_rids, 3);
    assert_string_equal(r->sections[2].rids[1].id, "2");
    assert_int_equal(r->sections[2].codecs[1].rtx_pt, 103);
    assert_true(r->sections[2].rtcp_rsize);
    assert_false(r->sections[2].mixed_ext);
    assert_int_equal(r->n_candidates, 3);
    assert_true(r->end_of_candidates);
    assert_string_equal(r->ice_options, "trickle ice2");
    sdp_result_free(r);
    sdp_free(answer);
    sdp_free(offer);
}

/* ---- header extensions ---- */

static void extension_directions_are_reversed(void **state)
{
    struct sdp_session *offer = parse_file("firefox-153-publish-offer.sdp");
    struct sdp_decision d[3] = {{.receive = true}, {.receive = true}, {0}};
    struct sdp_session *answer = must_answer(offer, d, 3);
    (void)state;
    const struct sdp_media *video = &answer->media[1];
    bool seen = false;
    for (unsigned i = 0; i < video->n_extmap; i++) {
        const struct sdp_extmap *e = &video->extmap[i];
        assert_int_not_equal(e->ext, SDP_EXT_COUNT); /* nothing that we have no name for */
        if (e->ext == SDP_EXT_DEPENDENCY_DESCRIPTOR) {
            assert_int_equal(e->dir, SDP_RECVONLY);
            seen = true;
        }
    }
    assert_true(seen);
    assert_true(video->extmap_allow_mixed); /* offered in the section only */
    assert_false(answer->extmap_allow_mixed);
    struct sdp_result *r = must_agree(offer, answer, true);
    const struct sdp_section_result *s = &r->sections[1];
    assert_true(s->mixed_ext);
    assert_int_equal(s->ext_id[SDP_EXT_DEPENDENCY_DESCRIPTOR], 8);
    assert_int_equal(s->ext_id[SDP_EXT_RID], 9);
    assert_int_equal(s->ext_id[SDP_EXT_REPAIRED_RID], 10);
    assert_int_equal(s->ext_id[SDP_EXT_TRANSPORT_CC], 7);
    assert_int_equal(s->n_rids, 3);
    assert_int_equal(s->n_ssrcs, 3);
    assert_int_equal(s->ssrcs[0].ssrc, 1534255418u);
    assert_int_equal(s->ssrcs[0].rtx_ssrc, 2085297125u);
    assert_false(s->ssrc_simulcast);
    assert_string_equal(s->msid_track, "{b418c227-745e-43b8-a267-54e209ca76ce}");
    assert_int_equal(r->sections[2].max_message_size, 1073741823);
    assert_int_equal(r->sections[0].ext_id[SDP_EXT_AUDIO_LEVEL], 1);
    sdp_result_free(r);
    sdp_free(answer);
    sdp_free(offer);
}

static void capabilities_can_be_others(void **state)
{
    struct sdp_caps caps = sdp_caps_default;
    struct sdp_session *offer = parse_file("chromium-156-publish-offer.sdp"), *answer = NULL;
    struct sdp_local local = our_end();
    struct sdp_decision d[3] = {{.receive = true}, {.receive = true}, {0}};
    (void)state;
    caps.receive[SDP_KIND_VIDEO].codecs = SDP_CODEC_BIT(SDP_CODEC_VP8);
    caps.receive[SDP_KIND_VIDEO].exts = caps.send[SDP_KIND_VIDEO].exts = SDP_EXT_BIT(SDP_EXT_RID);
    caps.receive[SDP_KIND_VIDEO].fb = SDP_FB_REMB;
    local.caps = &caps;
    local.max_message_size = 1000;
    local.trickle = true;
    assert_int_equal(sdp_answer(offer, &local, d, 3, &answer, NULL, 0), 0);
    assert_string_equal(pts_of(&answer->media[1]), "96");
    assert_int_equal(answer->media[1].codecs[0].fb, SDP_FB_REMB);
    assert_int_equal(answer->media[1].n_extmap, 1);
    assert_int_equal(answer->media[2].max_message_size, 1000);
    assert_string_equal(answer->media[0].ice.options, "trickle");
    sdp_free(answer);
    sdp_free(offer);
}

/* ---- layers ---- */

static void simulcast_is_echoed(void **state)
{
    struct sdp_session *offer = parse_file("chromium-156-publish-offer.sdp");
    struct sdp_decision d[3] = {{0}, {.receive = true}, {0}};
    struct sdp_session *answer = must_answer(offer, d, 3);
    (void)state;
    char *text = text_of(answer);
    assert_non_null(
        strstr(text, "a=rid:q recv\r\na=rid:h recv\r\na=rid:f recv\r\na=simulcast:recv q;h;f\r\n"));
    free(text);
    struct sdp_result *r = must_agree(offer, answer, true);
    const struct sdp_section_result *s = &r->sections[1];
    assert_int_equal(s->n_rids, 3);
    assert_string_equal(s->rids[0].id, "q");
    assert_string_equal(s->rids[2].id, "f");
    assert_int_equal(s->dir, SDP_RECVONLY);
    assert_string_equal(s->msid_stream, "2f04a437-33bc-4d93-9141-6cc1b5881e1d");
    assert_string_equal(s->msid_track, "4a844340-15bd-4793-aaa3-030d11e6c2f4");
    assert_int_equal(s->n_ssrcs, 0); /* Chromium names none where it has rids */
    assert_int_equal(r->n_candidates, 24);
    sdp_result_free(r);
    sdp_free(answer);
    d[1].receive = false;
    answer = must_answer(offer, d, 3);
    assert_int_equal(answer->media[1].n_rids, 0);
    assert_int_equal(answer->media[1].simulcast_recv.n, 0);
    sdp_free(answer);
    sdp_free(offer);
}

static void layers_with_restrictions_and_alternatives(void **state)
{
    struct sdp_session *offer = must_parse(VIDEO_OFFER("96 97 98",
        "a=rtpmap:96 VP8/90000\r\na=rtpmap:97 VP9/90000\r\na=rtpmap:98 theora/90000\r\na=sendonly\r\n"
        "a=rid:1 send pt=98,96;max-width=640\r\na=rid:2 send pt=98\r\na=rid:3 send max-fps=30\r\na=rid:4 "
        "send pt=98\r\n"
        "a=rid:5 recv\r\na=simulcast:send 1;2,~3;4\r\n"));
    struct sdp_decision d = {.receive = true};
    struct sdp_session *answer = must_answer(offer, &d, 1);
    (void)state;
    char *text = text_of(answer);
    /* 2 and 4 have no codec left; 3 stands in for 2, and nothing for 4 */
    assert_non_null(strstr(
        text, "a=rid:1 recv pt=96;max-width=640\r\na=rid:3 recv max-fps=30\r\na=simulcast:recv 1;3\r\n"));
    free(text);
    struct sdp_result *r = must_agree(offer, answer, true);
    assert_int_equal(r->sections[0].n_rids, 2);
    assert_false(r->sections[0].rids[0].paused);
    assert_string_equal(r->sections[0].rids[1].id, "3");
    assert_true(r->sections[0].rids[1].paused);
    sdp_result_free(r);
    sdp_free(answer);
    sdp_free(offer);
}

static void one_alternative_of_a_stream_is_enough(void **state)
{
    struct sdp_session *answer;
    const struct sdp_media *m =
        answer_one(VIDEO_OFFER("96", "a=rtpmap:96 VP8/90000\r\na=sendonly\r\n"
                                     "a=rid:1 send\r\na=rid:2 send\r\na=rid:3 send\r\n"
                                     "a=simulcast:send 1,2;2,3,1\r\n"),
            (struct sdp_decision){.receive = true}, &answer);
    (void)state;
    assert_int_equal(m->n_rids, 2);
    assert_int_equal(m->simulcast_recv.n, 2);
    assert_string_equal(m->simulcast_recv.streams[0].alts[0].rid, "1");
    assert_string_equal(m->simulcast_recv.streams[1].alts[0].rid, "2");
    assert_int_equal(m->simulcast_recv.streams[1].n_alts, 1);
    sdp_free(answer);
}

static void one_rid_needs_no_simulcast(void **state)
{
    struct sdp_session *offer = must_parse(
        VIDEO_OFFER("96", "a=rtpmap:96 VP8/90000\r\na=sendonly\r\na=rid:q send\r\na=rid:x recv\r\n"));
    struct sdp_decision d = {.receive = true};
    struct sdp_session *answer = must_answer(offer, &d, 1);
    struct sdp_result *r = must_agree(offer, answer, true);
    (void)state;
    assert_int_equal(answer->media[0].n_rids, 1);
    assert_int_equal(r->sections[0].n_rids, 1);
    assert_string_equal(r->sections[0].rids[0].id, "q");
    sdp_result_free(r);
    sdp_free(answer);
    sdp_free(offer);
}

static void old_simulcast_by_ssrc(void **state)
{
    struct sdp_session *offer = parse_file("legacy-offer.sdp");
    struct sdp_decision d[2] = {{.receive = true}, {0}};
    struct sdp_session *answer = must_answer(offer, d, 2);
    struct sdp_result *r = must_agree(offer, answer, true);
    (void)state;
    const struct sdp_section_result *s = &r->sections[0];
    assert_true(s->ssrc_simulcast);
    assert_int_equal(s->n_ssrcs, 2);
    assert_int_equal(s->ssrcs[1].ssrc, 2);
    assert_int_equal(s->ssrcs[1].rtx_ssrc, 12);
    assert_string_equal(s->ssrcs[1].cname, "c");
    assert_string_equal(s->msid_stream, "s"); /* told by a=ssrc only */
    assert_string_equal(s->msid_track, "t");
    assert_int_equal(s->n_rids, 2);
    assert_true(s->rids[1].paused);
    assert_true(r->sections[1].max_message_size == UINT64_MAX);
    char *text = text_of(answer);
    assert_non_null(strstr(text, "m=application 9 DTLS/SCTP 5000\r\n"));
    assert_non_null(strstr(text, "a=sctpmap:5000 webrtc-datachannel 1024\r\n"));
    free(text);
    sdp_result_free(r);
    sdp_free(answer);
    sdp_free(offer);
}

/* ---- size ---- */

static void two_hundred_and_fifty_six_sections(void **state)
{
    struct strbuf text = {0};
    struct sdp_decision *d = calloc(SDP_MEDIA_MAX, sizeof *d);
    struct sdp_track *tracks = calloc(SDP_MEDIA_MAX, sizeof *tracks);
    (void)state;
    assert_true(d && tracks);
    strbuf_add(&text, HEAD "a=group:BUNDLE");
    for (unsigned i = 0; i < SDP_MEDIA_MAX; i++)
        strbuf_addf(&text, " %u", i);
    strbuf_add(&text, "\r\n" TRANSPORT);
    for (unsigned i = 0; i < SDP_MEDIA_MAX; i++) {
        strbuf_addf(&text,
            "m=video 9 UDP/TLS/RTP/SAVPF 96 97\r\na=mid:%u\r\na=recvonly\r\na=rtcp-mux\r\n"
            "a=rtpmap:96 VP8/90000\r\na=rtpmap:97 rtx/90000\r\na=fmtp:97 apt=96\r\n",
            i);
        tracks[i] = vp8_track;
        tracks[i].ssrc = 10000 + i;
        tracks[i].rtx_ssrc = 20000 + i;
        d[i].track = &tracks[i];
    }
    struct sdp_session *offer = must_parse(text.text);
    struct sdp_session *answer = must_answer(offer, d, SDP_MEDIA_MAX);
    struct sdp_result *r = must_agree(offer, answer, true);
    assert_int_equal(r->n_sections, SDP_MEDIA_MAX);
    assert_int_equal(answer->groups[0].n, SDP_MEDIA_MAX);
    assert_int_equal(answer->media[255].ssrcs[1].ssrc, 20255);
    char *printed = text_of(answer);
    struct sdp_session *again = must_parse(printed);
    assert_int_equal(again->n_media, SDP_MEDIA_MAX);
    sdp_free(again);
    free(printed);
    sdp_result_free(r);
    sdp_free(answer);
    sdp_free(offer);
    strbuf_done(&text);
    free(tracks);
    free(d);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(answer_mirrors_the_offer),
        cmocka_unit_test(nothing_decided_is_inactive),
        cmocka_unit_test(a_track_is_signalled),
        cmocka_unit_test(directions_are_those_that_the_offer_allows),
        cmocka_unit_test(our_dtls_role_follows_theirs),
        cmocka_unit_test(what_cannot_be_answered_is_refused),
        cmocka_unit_test(sections_are_rejected_one_by_one),
        cmocka_unit_test(without_bundle_one_section_is_accepted),
        cmocka_unit_test(bundled_sections_inherit_rtcp_mux),
        cmocka_unit_test(extension_directions_are_reversed),
        cmocka_unit_test(capabilities_can_be_others),
        cmocka_unit_test(simulcast_is_echoed),
        cmocka_unit_test(layers_with_restrictions_and_alternatives),
        cmocka_unit_test(one_alternative_of_a_stream_is_enough),
        cmocka_unit_test(one_rid_needs_no_simulcast),
        cmocka_unit_test(old_simulcast_by_ssrc),
        cmocka_unit_test(two_hundred_and_fifty_six_sections),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
