/* Descriptions are read into fields, printed to a fixpoint, and refused with a reason and a line. */
#include "sdp_support.h"

#include <errno.h>

/* ---- what is read ---- */

static void rfc8829_offer_is_read(void **state)
{
    struct sdp_session *s = parse_file("rfc8829-a1-offer.sdp");
    (void)state;
    assert_int_equal(s->origin_id, 4962303333179871722ULL);
    assert_int_equal(s->origin_version, 1);
    assert_string_equal(s->origin_user, "-");
    assert_string_equal(s->ice.options, "trickle ice2");
    assert_int_equal(s->n_groups, 2);
    assert_true(
        sdp_in_group(s, "BUNDLE", "v1") && sdp_in_group(s, "LS", "a1") && !sdp_in_group(s, "BUNDLE", "x"));
    assert_int_equal(s->n_media, 2);

    const struct sdp_media *audio = &s->media[0];
    assert_int_equal(audio->kind, SDP_KIND_AUDIO);
    assert_int_equal(audio->port, 10100);
    assert_string_equal(audio->proto, "UDP/TLS/RTP/SAVPF");
    assert_string_equal(audio->mid, "a1");
    assert_int_equal(audio->dir, SDP_SENDRECV);
    assert_string_equal(pts_of(audio), "96 0 8 97 98");
    assert_int_equal(audio->codecs[0].id, SDP_CODEC_OPUS);
    assert_int_equal(audio->codecs[0].clock_hz, 48000);
    assert_int_equal(audio->codecs[0].channels, 2);
    assert_int_equal(audio->codecs[1].id, SDP_CODEC_PCMU);
    assert_int_equal(audio->codecs[3].id, SDP_CODEC_OTHER);
    assert_string_equal(audio->codecs[3].name, "telephone-event");
    assert_string_equal(audio->codecs[3].fmtp, "0-15");
    assert_string_equal(audio->msid_stream, "47017fee-b6c1-4162-929c-a25110252400");
    assert_null(audio->msid_track);
    assert_string_equal(audio->ice.ufrag, "ETEn");
    assert_int_equal(audio->n_fingerprints, 1);
    assert_string_equal(audio->fingerprints[0].hash, "sha-256");
    assert_int_equal(audio->setup, SDP_SETUP_ACTPASS);
    assert_int_equal(audio->n_candidates, 2);
    assert_int_equal(audio->candidates[1].component, 2);
    assert_true(audio->end_of_candidates && audio->rtcp_mux && audio->rtcp_rsize);
    assert_int_equal(audio->extmap[1].ext, SDP_EXT_AUDIO_LEVEL);
    assert_int_equal(audio->extmap[1].id, 2);

    const struct sdp_media *video = sdp_media_find(s, "v1");
    assert_ptr_equal(video, &s->media[1]);
    assert_int_equal(video->codecs[0].fb, SDP_FB_CCM_FIR | SDP_FB_NACK | SDP_FB_NACK_PLI);
    assert_int_equal(video->codecs[1].fb, 0);
    assert_int_equal(video->codecs[2].id, SDP_CODEC_RTX);
    assert_int_equal(video->codecs[2].apt, 100);
    assert_int_equal(sdp_media_codec(video, 103)->apt, 101);
    assert_null(sdp_media_codec(video, 99));
    sdp_free(s);
}

static void bundled_sections_share_the_first_transport(void **state)
{
    struct sdp_transport t;
    struct sdp_session *s = parse_file("rfc8829-b2-offer.sdp");
    (void)state;
    assert_int_equal(sdp_transport_of(s, &t, NULL, 0), 0);
    assert_string_equal(t.ufrag, "7sFv");
    assert_string_equal(t.options, "trickle ice2");
    assert_int_equal(t.setup, SDP_SETUP_ACTPASS);
    assert_int_equal(s->media[2].n_rids, 3);
    assert_int_equal(s->media[2].simulcast_send.n, 3);
    assert_string_equal(s->media[2].simulcast_send.streams[2].alts[0].rid, "3");
    assert_int_equal(s->media[0].n_candidates, 3);
    assert_int_equal(s->media[0].candidates[2].type, SDP_CAND_RELAY);
    sdp_free(s);

    s = parse_file("rfc8829-b1-offer.sdp");
    assert_true(s->media[1].bundle_only && s->media[1].port == 0);
    assert_false(sdp_media_rejected(&s->media[1]));
    assert_int_equal(s->media[1].sctp_port, 5000);
    sdp_free(s);
}

static void a_rejected_section_lends_no_transport(void **state)
{
    struct sdp_transport t;
    struct sdp_session *s = must_parse(HEAD "a=group:BUNDLE a b\r\na=setup:passive\r\n"
                                            "a=fingerprint:sha-256 " FINGERPRINT "\r\n"
                                            "m=audio 0 UDP/TLS/RTP/SAVPF 0\r\na=mid:a\r\n"
                                            "a=ice-ufrag:gone\r\na=ice-pwd:0123456789012345678901\r\n"
                                            "m=audio 9 UDP/TLS/RTP/SAVPF 0\r\nb=TIAS:64000\r\na=mid:b\r\n"
                                            "a=ice-ufrag:here\r\na=ice-pwd:0123456789012345678901\r\n");
    (void)state;
    assert_int_equal(sdp_transport_of(s, &t, NULL, 0), 0);
    assert_string_equal(t.ufrag, "here");
    assert_int_equal(t.setup, SDP_SETUP_PASSIVE); /* the session's */
    assert_int_equal(t.n_fingerprints, 1);
    char *text = text_of(s);
    assert_non_null(strstr(text, "b=TIAS:64000\r\n"));
    free(text);
    sdp_free(s);
}

static void chromium_publisher_is_read(void **state)
{
    struct sdp_session *s = parse_file("chromium-156-publish-offer.sdp");
    (void)state;
    assert_int_equal(s->n_media, 3);
    assert_true(s->extmap_allow_mixed);
    const struct sdp_media *audio = &s->media[0], *video = &s->media[1], *data = &s->media[2];
    assert_int_equal(audio->codecs[1].id, SDP_CODEC_RED);
    assert_string_equal(audio->codecs[1].fmtp, "111/111");
    assert_int_equal(audio->n_ssrcs, 1);
    assert_string_equal(audio->ssrcs[0].msid_track, audio->msid_track);
    assert_int_equal(audio->n_candidates, 8);
    assert_int_equal(audio->candidates[4].tcptype, SDP_TCP_ACTIVE);
    assert_int_equal(video->dir, SDP_SENDONLY);
    assert_int_equal(video->n_codecs, 23);
    assert_int_equal(video->n_extmap, 13);
    assert_int_equal(video->simulcast_send.n, 3);
    assert_string_equal(video->simulcast_send.streams[0].alts[0].rid, "q");
    unsigned counts[SDP_CODEC_COUNT] = {0};
    for (unsigned i = 0; i < video->n_codecs; i++)
        counts[video->codecs[i].id]++;
    assert_int_equal(counts[SDP_CODEC_VP8], 1);
    assert_int_equal(counts[SDP_CODEC_H264], 6);
    assert_int_equal(counts[SDP_CODEC_VP9], 2);
    assert_int_equal(counts[SDP_CODEC_AV1], 1);
    assert_int_equal(counts[SDP_CODEC_RTX], 11);
    assert_int_equal(counts[SDP_CODEC_OTHER], 2); /* video RED and ULPFEC */
    assert_string_equal(data->formats, "webrtc-datachannel");
    assert_int_equal(data->max_message_size, 262144);
    sdp_free(s);
}

static void firefox_publisher_is_read(void **state)
{
    struct sdp_session *s = parse_file("firefox-153-publish-offer.sdp");
    (void)state;
    assert_memory_equal(s->origin_user, "mozilla", 7);
    assert_int_equal(s->n_fingerprints, 1);
    assert_int_equal(s->media[0].n_fingerprints, 0);
    assert_false(s->extmap_allow_mixed);
    const struct sdp_media *video = &s->media[1];
    assert_true(video->extmap_allow_mixed);
    assert_int_equal(video->n_ssrcs, 6);
    assert_int_equal(video->n_ssrc_groups, 3);
    assert_string_equal(video->ssrc_groups[0].semantics, "FID");
    for (unsigned i = 0; i < video->n_extmap; i++)
        if (video->extmap[i].ext == SDP_EXT_DEPENDENCY_DESCRIPTOR)
            assert_int_equal(video->extmap[i].dir, SDP_SENDONLY);
    sdp_free(s);

    s = parse_file("firefox-153-join-offer.sdp");
    assert_int_equal(s->n_media, 7);
    for (unsigned i = 0; i < s->n_media; i++)
        assert_false(sdp_media_rejected(&s->media[i]));
    assert_true(s->media[1].bundle_only && s->media[1].port == 0);
    assert_int_equal(s->media[1].dir, SDP_RECVONLY);
    sdp_free(s);
}

static void old_forms_are_read(void **state)
{
    struct sdp_session *s = parse_file("legacy-offer.sdp"); /* lines end in LF alone */
    (void)state;
    const struct sdp_media *video = &s->media[0], *data = &s->media[1];
    assert_int_equal(video->as_kbps, 2500);
    assert_string_equal(video->fingerprints[0].hash, "sha-256");
    assert_string_equal(video->fingerprints[0].value, FINGERPRINT);
    assert_int_equal(video->codecs[0].fb, SDP_FB_NACK | SDP_FB_CCM_FIR); /* from rtcp-fb:* */
    assert_string_equal(video->rids[0].restrictions, "pt=96;max-width=1280");
    assert_int_equal(video->simulcast_send.n, 2); /* "send rid=a;~b" */
    assert_false(video->simulcast_send.streams[0].alts[0].paused);
    assert_true(video->simulcast_send.streams[1].alts[0].paused);
    assert_string_equal(video->ssrc_groups[2].semantics, "SIM");
    assert_string_equal(data->proto, "DTLS/SCTP");
    assert_string_equal(data->formats, "5000");
    assert_int_equal(data->sctp_port, 5000); /* from sctpmap */
    assert_true(data->has_max_message_size && data->max_message_size == 0);
    sdp_free(s);
}

static void what_is_absent_has_its_default(void **state)
{
    struct sdp_session *s =
        must_parse(HEAD "a=recvonly\r\n"
                        "m=audio 9 UDP/TLS/RTP/SAVPF 0 8 9 13 111\r\n"
                        "m=audio 9 UDP/TLS/RTP/SAVPF 111\r\na=sendonly\r\n"
                        "m=application 9 UDP/DTLS/SCTP webrtc-datachannel\r\n"
                        "m=application 9 UDP/DTLS/SCTP webrtc-datachannel\r\na=sctp-port:0\r\n"
                        "m=text 9/2 RTP/AVP 98\r\na=rtpmap:98 t140/1000\r\n");
    (void)state;
    const struct sdp_media *m = &s->media[0];
    assert_null(m->mid);
    assert_null(m->ice.ufrag);
    assert_int_equal(m->dir, SDP_RECVONLY); /* the session's */
    assert_int_equal(s->media[1].dir, SDP_SENDONLY);
    assert_int_equal(m->codecs[0].id, SDP_CODEC_PCMU);
    assert_int_equal(m->codecs[1].id, SDP_CODEC_PCMA);
    assert_string_equal(m->codecs[2].name, "G722");
    assert_string_equal(m->codecs[4].name, "");
    assert_int_equal(m->codecs[4].id, SDP_CODEC_OTHER);
    assert_int_equal(s->media[2].sctp_port, 5000);
    assert_int_equal(s->media[3].sctp_port, 0);
    assert_int_equal(s->media[4].kind, SDP_KIND_OTHER);
    assert_string_equal(s->media[4].kind_text, "text");
    sdp_free(s);
}

static void what_nobody_knows_is_read_over(void **state)
{
    struct sdp_session *s = must_parse(
        "v=0\no=- 1 1 IN IP4 0.0.0.0\ns=a session\ni=about\nu=http://a/\ne=a@b\np=1\nt=0 0\nr=1 2 3\n"
        "z=1 1\nk=x\nb=CT:10\n\na=x-google-flag:conference\n"
        "m=video 9 UDP/TLS/RTP/SAVPF 96\ni=title\nb=RS:1\nb=AS:-1\nb=TIAS:99000\n"
        "a=rtpmap:97 other/90000\na=fmtp:97 x=1\na=rtcp-fb:96 nack rpsi\na=rtcp-fb:97 nack\n"
        "a=extmap:4096 urn:a\na=extmap:15 urn:b\na=extmap:5 urn:ietf:params:rtp-hdrext:encrypt urn:c\n"
        "a=ssrc:7 label:x\na=candidate:1 1 sctp 1 a 1 typ host\na=fingerprint:md9 00:11\na=group:BUNDLE 9\n"
        "a=ice-lite-or-not\na=mid:0\n");
    (void)state;
    const struct sdp_media *m = &s->media[0];
    assert_int_equal(m->as_kbps, 0);
    assert_int_equal(m->tias_bps, 99000);
    assert_int_equal(m->n_codecs, 1);
    assert_int_equal(m->n_extmap, 0);
    assert_int_equal(m->n_ssrcs, 0);
    assert_int_equal(m->n_candidates, 0);
    assert_int_equal(m->n_fingerprints, 0);
    assert_int_equal(m->codecs[0].fb, 0);
    assert_int_equal(s->n_groups, 0); /* groups are the session's */
    assert_false(s->ice_lite);
    assert_string_equal(m->mid, "0");
    sdp_free(s);
}

static void undeclared_rids_leave_the_list(void **state)
{
    struct sdp_session *s = must_parse(HEAD "m=video 9 UDP/TLS/RTP/SAVPF 96\r\n"
                                            "a=rid:a send\r\na=rid:b recv\r\na=rid:c send\r\n"
                                            "a=simulcast:recv b,a send x;a,~y,~c;b\r\n");
    (void)state;
    const struct sdp_media *m = &s->media[0];
    assert_int_equal(m->simulcast_send.n, 1);
    assert_int_equal(m->simulcast_send.streams[0].n_alts, 2);
    assert_string_equal(m->simulcast_send.streams[0].alts[1].rid, "c");
    assert_true(m->simulcast_send.streams[0].alts[1].paused);
    assert_int_equal(m->simulcast_recv.n, 1);
    assert_int_equal(m->simulcast_recv.streams[0].n_alts, 1);
    char *text = text_of(s);
    assert_non_null(strstr(text, "a=simulcast:send a,~c recv b\r\n"));
    free(text);
    sdp_free(s);
}

/* ---- round trips ---- */

static void printing_is_a_fixpoint(void **state)
{
    static const char *const files[] = {"chromium-156-addtrack-offer.sdp", "chromium-156-data-offer.sdp",
        "chromium-156-dual-answer.sdp", "chromium-156-join-offer.sdp", "chromium-156-publish-offer.sdp",
        "firefox-153-addtrack-offer.sdp", "firefox-153-data-offer.sdp", "firefox-153-dual-answer.sdp",
        "firefox-153-join-offer.sdp", "firefox-153-publish-offer.sdp", "libdatachannel-offer.sdp",
        "werift-offer.sdp", "legacy-offer.sdp", "rfc8829-a1-answer.sdp", "rfc8829-a1-offer.sdp",
        "rfc8829-b1-offer.sdp", "rfc8829-b2-answer.sdp", "rfc8829-b2-offer.sdp"};
    (void)state;
    for (size_t i = 0; i < sizeof files / sizeof files[0]; i++) {
        struct sdp_session *s = parse_file(files[i]);
        char *one = text_of(s);
        struct sdp_session *again = must_parse(one);
        char *two = text_of(again);
        assert_string_equal(one, two);
        assert_int_equal(again->n_media, s->n_media);
        for (unsigned k = 0; k < s->n_media; k++) {
            assert_string_equal(pts_of(&again->media[k]), pts_of(&s->media[k]));
            assert_int_equal(again->media[k].n_extmap, s->media[k].n_extmap);
            assert_int_equal(again->media[k].n_candidates, s->media[k].n_candidates);
            assert_int_equal(again->media[k].n_ssrcs, s->media[k].n_ssrcs);
            assert_int_equal(again->media[k].dir, s->media[k].dir);
            assert_int_equal(again->media[k].setup, s->media[k].setup);
        }
        free(one);
        free(two);
        sdp_free(again);
        sdp_free(s);
    }
}

static void printing_into_too_little_room_says_so(void **state)
{
    struct sdp_session *s = parse_file("chromium-156-data-offer.sdp");
    struct strbuf out = {.max = 100};
    (void)state;
    sdp_print(s, &out);
    assert_false(strbuf_ok(&out));
    strbuf_done(&out);
    sdp_free(s);
}

/* ---- what is refused ---- */

#define AUDIO HEAD "m=audio 9 UDP/TLS/RTP/SAVPF 111\r\n" /* the next line is number 6 */
#define REFUSED(text, why)                                                                                   \
    {                                                                                                        \
        text, sizeof(text) - 1, why                                                                          \
    }

static const struct {
    const char *text;
    size_t len;
    const char *why;
} refused[] = {
    REFUSED("", "the description is empty"),
    REFUSED("hello", "line 1: not a line of the form x=..."),
    REFUSED("o=- 1 1 IN IP4 0.0.0.0\r\n", "line 1: a description starts with v=0"),
    REFUSED("v=1\r\n", "line 1: only version 0 exists"),
    REFUSED("v=0\r\n", "line 1: there is no origin (o=)"),
    REFUSED(
        "v=0\r\ns=-\r\nm=audio 9 RTP/AVP 0\r\n", "line 3: there is no origin (o=) before the first section"),
    REFUSED("v=0\r\no=-\r\n", "line 2: the origin (o=) is malformed"),
    REFUSED("v=0\r\no=- x 1 IN IP4 0.0.0.0\r\n", "line 2: the origin (o=) is malformed"),
    REFUSED("v=0\r\no=- 18446744073709551616 1 IN IP4 0.0.0.0\r\n", "line 2: the origin (o=) is malformed"),
    REFUSED(HEAD "q=1\r\n", "line 5: lines of this type do not exist"),
    REFUSED(HEAD "a=x\0y\r\n", "line 5: there is a control character"),
    REFUSED(HEAD "a=x\ry\r\n", "line 5: there is a control character"),
    REFUSED(HEAD "a=\xff\r\n", "line 5: the text is not UTF-8"),
    REFUSED(HEAD "m=\r\n", "line 5: the media line (m=) is malformed"),
    REFUSED(HEAD "m=audio x UDP/TLS/RTP/SAVPF 111\r\n", "line 5: the media line (m=) is malformed"),
    REFUSED(HEAD "m=audio 65536 UDP/TLS/RTP/SAVPF 111\r\n", "line 5: the media line (m=) is malformed"),
    REFUSED(HEAD "m=audio 9\r\n", "line 5: the media line (m=) is malformed"),
    REFUSED(HEAD "m=audio 9 UDP/TLS/RTP/SAVPF\r\n", "line 5: the section names no payload type"),
    REFUSED(HEAD "m=audio 9 UDP/TLS/RTP/SAVPF 128\r\n", "line 5: \"128\" is no payload type"),
    REFUSED(HEAD "m=audio 9 UDP/TLS/RTP/SAVPF 96 -1\r\n", "line 5: \"-1\" is no payload type"),
    REFUSED(HEAD "m=application 9 UDP/DTLS/SCTP\r\n",
        "line 5: the section names no format, or its formats are too long"),
    REFUSED(AUDIO "a=rtpmap:111\r\n", "line 6: the rtpmap is malformed"),
    REFUSED(AUDIO "a=rtpmap:111 opus\r\n", "line 6: the rtpmap is malformed"),
    REFUSED(AUDIO "a=rtpmap:111 opus/0\r\n", "line 6: the rtpmap is malformed"),
    REFUSED(AUDIO "a=rtpmap:111 opus/48000/0\r\n", "line 6: the rtpmap is malformed"),
    REFUSED(AUDIO "a=rtpmap:200 opus/48000/2\r\n", "line 6: the rtpmap is malformed"),
    REFUSED(AUDIO "a=rtpmap:111 opus/48000/2\r\na=rtpmap:111 PCMU/8000\r\n",
        "line 7: payload type 111 has two codecs"),
    REFUSED(AUDIO "a=extmap:x urn:a\r\n", "line 6: the extmap is malformed"),
    REFUSED(AUDIO "a=extmap:0 urn:a\r\n", "line 6: the extmap is malformed"),
    REFUSED(AUDIO "a=extmap:256 urn:a\r\n", "line 6: the extmap is malformed"),
    REFUSED(AUDIO "a=extmap:1\r\n", "line 6: the extmap is malformed"),
    REFUSED(AUDIO "a=extmap:1/upwards urn:a\r\n", "line 6: the extmap is malformed"),
    REFUSED(AUDIO "a=extmap:1 urn:a\r\na=extmap:1 urn:b\r\n", "line 7: header extension id 1 is used twice"),
    REFUSED(AUDIO "a=rid:\r\n", "line 6: the rid is malformed"),
    REFUSED(AUDIO "a=rid:a up\r\n", "line 6: the rid is malformed"),
    REFUSED(AUDIO "a=rid:a+b send\r\n", "line 6: the rid is malformed"),
    REFUSED(AUDIO "a=rid:12345678901234567 send\r\n", "line 6: the rid is malformed"),
    REFUSED(AUDIO "a=rid:a send\r\na=rid:a recv\r\n", "line 7: rid \"a\" is declared twice"),
    REFUSED(AUDIO "a=simulcast:up a\r\n", "line 6: the simulcast list is malformed"),
    REFUSED(AUDIO "a=simulcast:send\r\n", "line 6: the simulcast list is malformed"),
    REFUSED(AUDIO "a=simulcast:send a;;b\r\n", "line 6: the simulcast list is malformed"),
    REFUSED(AUDIO "a=simulcast:send a send b\r\n", "line 6: the simulcast list is malformed"),
    REFUSED(AUDIO "a=simulcast:send a,b,c,d,e\r\n", "line 6: the simulcast list is malformed"),
    REFUSED(AUDIO "a=simulcast:send a;b;c;d;e\r\n", "line 6: more than 4 simulcast streams"),
    REFUSED(AUDIO "a=ssrc:x cname:a\r\n", "line 6: the ssrc is malformed"),
    REFUSED(AUDIO "a=ssrc:4294967296 cname:a\r\n", "line 6: the ssrc is malformed"),
    REFUSED(AUDIO "a=ssrc:1\r\n", "line 6: the ssrc is malformed"),
    REFUSED(AUDIO "a=ssrc:1 cname:\r\n", "line 6: the ssrc is malformed"),
    REFUSED(AUDIO "a=ssrc-group:FID\r\n", "line 6: the ssrc-group is malformed"),
    REFUSED(AUDIO "a=ssrc-group:FID 1 x\r\n", "line 6: the ssrc-group is malformed"),
    REFUSED(AUDIO "a=msid:\r\n", "line 6: the msid is empty or longer than 1024 bytes"),
    REFUSED(AUDIO "a=mid:\r\n", "line 6: the mid is malformed"),
    REFUSED(AUDIO "a=mid:a b\r\n", "line 6: the mid is malformed"),
    REFUSED(AUDIO "a=mid:0\r\na=mid:1\r\n", "line 7: the section has two mids"),
    REFUSED(AUDIO "a=mid:123456789012345678901234567890123\r\n",
        "line 6: the mid is empty or longer than 32 bytes"),
    REFUSED(AUDIO "a=mid:0\r\nm=audio 9 UDP/TLS/RTP/SAVPF 111\r\na=mid:0\r\na=rtcp-mux\r\n",
        "line 8: mid \"0\" is used twice"),
    REFUSED(AUDIO "a=sendonly\r\na=recvonly\r\n", "line 7: the section has two directions"),
    REFUSED(AUDIO "a=ice-ufrag:abc\r\n", "line 6: the ice-ufrag is malformed or not of 4 to 256 characters"),
    REFUSED(AUDIO "a=ice-ufrag:ab:d\r\n", "line 6: the ice-ufrag is malformed or not of 4 to 256 characters"),
    REFUSED(AUDIO "a=ice-ufrag:abcd\r\na=ice-ufrag:abcd\r\n", "line 7: there are two ice-ufrag"),
    REFUSED(AUDIO "a=ice-ufrag:abcd\r\n", "line 6: the section has only one of ice-ufrag and ice-pwd"),
    REFUSED(HEAD "a=ice-ufrag:abcd\r\nm=audio 9 UDP/TLS/RTP/SAVPF 0\r\n",
        "line 6: the session has only one of ice-ufrag and ice-pwd"),
    REFUSED(AUDIO "a=ice-pwd:short\r\n", "line 6: the ice-pwd is malformed or not of 22 to 256 characters"),
    REFUSED(AUDIO "a=ice-options:\r\n", "line 6: ice-options is empty or longer than 1024 bytes"),
    REFUSED(AUDIO "a=fingerprint:\r\n", "line 6: the fingerprint is malformed"),
    REFUSED(AUDIO "a=fingerprint:sha-256\r\n", "line 6: the fingerprint is malformed"),
    REFUSED(AUDIO "a=fingerprint:sha-256 69:41\r\n", "line 6: the fingerprint is malformed"),
    REFUSED(AUDIO "a=fingerprint:sha-1 69:41:B3:00:62:FC:77:BD:6F:46:01:BA:D9:AC:96:68:07:72:B0:0G\r\n",
        "line 6: the fingerprint is malformed"),
    REFUSED(
        AUDIO "a=setup:server\r\n", "line 6: the setup role is none of actpass, active, passive, holdconn"),
    REFUSED(AUDIO "a=candidate:1 1 udp\r\n", "line 6: the candidate is malformed"),
    REFUSED(AUDIO "a=sctp-port:65536\r\n", "line 6: the sctp-port is malformed"),
    REFUSED(AUDIO "a=sctpmap:x\r\n", "line 6: the sctpmap is malformed"),
    REFUSED(AUDIO "a=max-message-size:1e3\r\n", "line 6: the max-message-size is malformed"),
    REFUSED(HEAD "a=group:\r\n", "line 5: the group is malformed, or there are more than 8"),
    REFUSED(HEAD "a=group:BUNDLE 0 1/2\r\n", "line 5: the group is malformed"),
    REFUSED(HEAD "a=group:BUNDLE 0 1\r\nm=audio 9 UDP/TLS/RTP/SAVPF 111\r\na=mid:0\r\na=rtcp-mux\r\n",
        "line 5: the BUNDLE group names mid \"1\", which no section has"),
};

static void the_impossible_is_refused(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof refused / sizeof refused[0]; i++) {
        struct sdp_session *s = NULL;
        char err[200] = "";
        int rc = sdp_parse(refused[i].text, refused[i].len, &s, err, sizeof err);
        if (rc != -EINVAL || strcmp(err, refused[i].why) != 0)
            fail_msg("row %zu: %d \"%s\" instead of \"%s\"", i, rc, err, refused[i].why);
        assert_null(s);
        assert_int_equal(sdp_parse(refused[i].text, refused[i].len, &s, NULL, 0), -EINVAL);
    }
}

static void a_reason_that_does_not_fit_is_cut(void **state)
{
    struct sdp_session *s = NULL;
    char err[12];
    (void)state;
    assert_int_equal(sdp_parse("hello", 5, &s, err, sizeof err), -EINVAL);
    assert_string_equal(err, "line 1: not");
}

/* ---- limits: as many as allowed are read, one more is refused ---- */

/* HEAD, then first, then n times line with its number put in. */
static int repeat(const char *first, const char *line, unsigned n, char *err, size_t err_size)
{
    struct strbuf text = {0};
    struct sdp_session *s = NULL;
    strbuf_add(&text, HEAD);
    strbuf_add(&text, first);
    for (unsigned i = 1; i <= n; i++) {
        const char *mark = strstr(line, "%u");
        if (mark) {
            strbuf_addn(&text, line, (size_t)(mark - line));
            strbuf_addf(&text, "%u", i);
            strbuf_add(&text, mark + 2);
        } else {
            strbuf_add(&text, line);
        }
    }
    assert_true(strbuf_ok(&text));
    int rc = sdp_parse(text.text, text.len, &s, err, err_size);
    strbuf_done(&text);
    sdp_free(s);
    return rc;
}

static void limits_hold(void **state)
{
    static const struct {
        const char *first, *line;
        unsigned max;
        const char *why;
    } rows[] = {
        {"", "m=audio 9 UDP/TLS/RTP/SAVPF 0\r\n", SDP_MEDIA_MAX, "more than 256 sections"},
        {"m=audio 9 UDP/TLS/RTP/SAVPF 0\r\n", "a=extmap:%u urn:x:%u\r\n", 14, NULL},
        {"m=audio 9 UDP/TLS/RTP/SAVPF 0\r\n", "a=rid:%u send\r\n", 2 * SDP_RIDS_MAX, "more than 8 rids"},
        {"m=audio 9 UDP/TLS/RTP/SAVPF 0\r\n", "a=ssrc:%u cname:x\r\n", SDP_SSRCS_MAX,
            "more than 16 sources (a=ssrc)"},
        {"m=audio 9 UDP/TLS/RTP/SAVPF 0\r\n", "a=ssrc-group:FID %u 1\r\n", SDP_SSRC_GROUPS_MAX,
            "more than 8 ssrc-groups"},
        {"m=audio 9 UDP/TLS/RTP/SAVPF 0\r\n", "a=fingerprint:sha-256 " FINGERPRINT "\r\n",
            SDP_FINGERPRINTS_MAX, "more than 8 fingerprints"},
        {"", "a=group:LS %u\r\n", SDP_GROUPS_MAX, "the group is malformed, or there are more than 8"},
    };
    char err[200];
    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        if (repeat(rows[i].first, rows[i].line, rows[i].max, err, sizeof err) != 0)
            fail_msg("row %zu: %s", i, err);
        if (!rows[i].why)
            continue;
        assert_int_equal(repeat(rows[i].first, rows[i].line, rows[i].max + 1, err, sizeof err), -EINVAL);
        if (!strstr(err, rows[i].why))
            fail_msg("row %zu: %s", i, err);
    }
}

static void many_header_extensions_are_refused(void **state)
{
    struct strbuf text = {0};
    struct sdp_session *s = NULL;
    char err[100];
    (void)state;
    strbuf_add(&text, HEAD "m=audio 9 UDP/TLS/RTP/SAVPF 0\r\n");
    for (unsigned i = 0; i < SDP_EXTMAP_MAX; i++)
        strbuf_addf(&text, "a=extmap:%u urn:%u\r\n", i + 100, i);
    assert_int_equal(sdp_parse(text.text, text.len, &s, err, sizeof err), 0);
    assert_int_equal(s->media[0].n_extmap, SDP_EXTMAP_MAX);
    sdp_free(s);
    strbuf_add(&text, "a=extmap:99 urn:last\r\n");
    assert_int_equal(sdp_parse(text.text, text.len, &s, err, sizeof err), -EINVAL);
    assert_string_equal(err, "line 38: more than 32 header extensions");
    strbuf_done(&text);
}

static void many_payload_types_are_refused(void **state)
{
    struct strbuf text = {0};
    struct sdp_session *s = NULL;
    char err[100];
    (void)state;
    strbuf_add(&text, HEAD "m=audio 9 UDP/TLS/RTP/SAVPF 0 0 0");
    for (unsigned pt = 1; pt < SDP_CODECS_MAX; pt++)
        strbuf_addf(&text, " %u", pt);
    assert_int_equal(sdp_parse(text.text, text.len, &s, err, sizeof err), 0);
    assert_int_equal(s->media[0].n_codecs, SDP_CODECS_MAX); /* each once */
    sdp_free(s);
    strbuf_add(&text, " 127");
    assert_int_equal(sdp_parse(text.text, text.len, &s, err, sizeof err), -EINVAL);
    assert_string_equal(err, "line 5: more than 64 payload types");
    strbuf_done(&text);
}

static void surplus_candidates_are_dropped(void **state)
{
    struct strbuf text = {0};
    struct sdp_session *s = NULL;
    (void)state;
    strbuf_add(&text, HEAD);
    for (unsigned m = 0; m < 2; m++) {
        strbuf_add(&text, "m=audio 9 UDP/TLS/RTP/SAVPF 0\r\n");
        for (unsigned i = 0; i < 50; i++)
            strbuf_addf(&text, "a=candidate:1 1 udp 1 192.0.2.1 %u typ host\r\n", i + 1);
    }
    assert_int_equal(sdp_parse(text.text, text.len, &s, NULL, 0), 0);
    assert_int_equal(s->media[0].n_candidates, 50);
    assert_int_equal(s->media[1].n_candidates, SDP_CANDIDATES_MAX - 50);
    sdp_free(s);
    strbuf_done(&text);
}

static void a_huge_description_is_refused(void **state)
{
    size_t len = SDP_SIZE_MAX + 1;
    char *text = malloc(len);
    struct sdp_session *s = NULL;
    char err[100];
    (void)state;
    assert_non_null(text);
    memset(text, '\n', len);
    memcpy(text, HEAD, strlen(HEAD));
    assert_int_equal(sdp_parse(text, len, &s, err, sizeof err), -EINVAL);
    assert_string_equal(err, "the description is longer than 2097152 bytes");
    assert_int_equal(sdp_parse(text, len - 1, &s, err, sizeof err), 0);
    sdp_free(s);
    free(text);
}

static void long_values_are_refused(void **state)
{
    struct strbuf text = {0};
    struct sdp_session *s = NULL;
    char err[100];
    (void)state;
    strbuf_add(&text, AUDIO "a=fmtp:111 ");
    for (unsigned i = 0; i < SDP_TEXT_MAX; i++)
        strbuf_add(&text, "x");
    assert_int_equal(sdp_parse(text.text, text.len, &s, err, sizeof err), 0);
    sdp_free(s);
    strbuf_add(&text, "x");
    assert_int_equal(sdp_parse(text.text, text.len, &s, err, sizeof err), -EINVAL);
    assert_string_equal(err, "line 6: the fmtp is empty or longer than 1024 bytes");
    strbuf_done(&text);
}

/* Any cut of a real description is read or refused, and what is read prints to a fixpoint. */
static void every_cut_is_survived(void **state)
{
    size_t len;
    char *text = read_file(CORPUS, "firefox-153-publish-offer.sdp", &len);
    (void)state;
    for (size_t cut = 0; cut < len; cut++) {
        struct sdp_session *s = NULL;
        char *copy = malloc(cut ? cut : 1); /* its own size, so that reading past it is seen */
        assert_non_null(copy);
        memcpy(copy, text, cut);
        if (sdp_parse(copy, cut, &s, NULL, 0) == 0) {
            char *one = text_of(s);
            sdp_free(must_parse(one));
            free(one);
            sdp_free(s);
        }
        free(copy);
    }
    free(text);
}

static void missing_transport_is_told(void **state)
{
    struct sdp_transport t;
    char err[100];
    struct sdp_session *s = must_parse(AUDIO);
    (void)state;
    assert_int_equal(sdp_transport_of(s, &t, err, sizeof err), -EINVAL);
    assert_string_equal(err, "there are no ICE credentials (ice-ufrag, ice-pwd)");
    sdp_free(s);
    s = must_parse(AUDIO "a=ice-ufrag:abcd\r\na=ice-pwd:0123456789012345678901\r\n");
    assert_int_equal(sdp_transport_of(s, &t, err, sizeof err), -EINVAL);
    assert_string_equal(err, "there is no certificate fingerprint");
    sdp_free(s);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(rfc8829_offer_is_read),
        cmocka_unit_test(bundled_sections_share_the_first_transport),
        cmocka_unit_test(a_rejected_section_lends_no_transport),
        cmocka_unit_test(chromium_publisher_is_read),
        cmocka_unit_test(firefox_publisher_is_read),
        cmocka_unit_test(old_forms_are_read),
        cmocka_unit_test(what_is_absent_has_its_default),
        cmocka_unit_test(what_nobody_knows_is_read_over),
        cmocka_unit_test(undeclared_rids_leave_the_list),
        cmocka_unit_test(printing_is_a_fixpoint),
        cmocka_unit_test(printing_into_too_little_room_says_so),
        cmocka_unit_test(the_impossible_is_refused),
        cmocka_unit_test(a_reason_that_does_not_fit_is_cut),
        cmocka_unit_test(limits_hold),
        cmocka_unit_test(many_header_extensions_are_refused),
        cmocka_unit_test(many_payload_types_are_refused),
        cmocka_unit_test(surplus_candidates_are_dropped),
        cmocka_unit_test(a_huge_description_is_refused),
        cmocka_unit_test(long_values_are_refused),
        cmocka_unit_test(every_cut_is_survived),
        cmocka_unit_test(missing_transport_is_told),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
