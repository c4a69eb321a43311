/* Proto3 JSON, both ways. */
#include <errno.h>
#include <float.h>
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include "base/limits.h"
#include "base/strbuf.h"
#include "proto/codec.h"
#include "proto/data.pb-c.h"
#include "proto/room_service.pb-c.h"
#include "proto/signal.pb-c.h"

#define MAX (2 * 1024 * 1024)

#define TRICKLE  livekit__trickle_request__descriptor
#define SETTINGS livekit__update_track_settings__descriptor
#define SPEAKER  livekit__speaker_info__descriptor
#define PING     livekit__ping__descriptor

static int parse(const ProtobufCMessageDescriptor *type, const char *text)
{
    ProtobufCMessage *m = NULL;
    int err = proto_from_json(type, text, strlen(text), MAX, &m);
    assert_true(err == 0 ? m != NULL : m == NULL);
    proto_free(m);
    return err;
}

static void *take(const ProtobufCMessageDescriptor *type, const char *text)
{
    ProtobufCMessage *m;
    assert_int_equal(proto_from_json(type, text, strlen(text), MAX, &m), 0);
    return m;
}

/* The JSON that a message of this type becomes, written again. */
static void assert_becomes(const ProtobufCMessageDescriptor *type, const char *in, const char *out)
{
    ProtobufCMessage *m = take(type, in);
    char *text;
    size_t len;
    assert_int_equal(proto_to_json(m, PROTO_JSON_SIGNAL, &text, &len), 0);
    assert_string_equal(text, out);
    assert_int_equal(len, strlen(out));
    free(text);
    proto_free(m);
}

static void names_come_in_both_forms(void **state)
{
    (void)state;
    assert_becomes(&SETTINGS, "{\"trackSids\":[\"a\"],\"fps\":5}", "{\"trackSids\":[\"a\"],\"fps\":5}");
    assert_becomes(&SETTINGS, "{\"track_sids\":[\"a\"],\"fps\":5}", "{\"trackSids\":[\"a\"],\"fps\":5}");
    assert_becomes(&TRICKLE, "{\"candidateInit\":\"{}\"}", "{\"candidateInit\":\"{}\"}");
    assert_becomes(&TRICKLE, "{\"candidate_init\":\"x\",\"TARGET\":1}", "{}");
    assert_becomes(&livekit__signal_request__descriptor, "{\"addTrack\":{}}", "{\"addTrack\":{}}");
}

static void unknown_parts_are_ignored(void **state)
{
    (void)state;
    assert_becomes(
        &TRICKLE, " { \"x\" : [1,{\"y\":[null,true]}], \"final\":true, \"z\":1e300} ", "{\"final\":true}");
}

static void a_field_is_given_once(void **state)
{
    (void)state;
    assert_int_equal(parse(&TRICKLE, "{\"final\":true,\"final\":true}"), -EBADMSG);
    assert_int_equal(parse(&SETTINGS, "{\"trackSids\":[],\"track_sids\":[]}"), -EBADMSG);
    assert_int_equal(parse(&livekit__signal_request__descriptor, "{\"ping\":\"1\",\"offer\":{}}"), -EBADMSG);
    assert_int_equal(parse(&livekit__signal_request__descriptor, "{\"ping\":\"1\",\"offer\":null}"), 0);
}

static void null_is_absent(void **state)
{
    (void)state;
    assert_becomes(&livekit__join_request__descriptor,
        "{\"clientInfo\":null,\"metadata\":null,\"addTrackRequests\":null,\"participantAttributes\":null,"
        "\"reconnectReason\":null,\"reconnect\":null}",
        "{}");
    assert_int_equal(parse(&SETTINGS, "{\"trackSids\":[null]}"), -EBADMSG);
    assert_int_equal(
        parse(&livekit__session_description__descriptor, "{\"midToTrackId\":{\"0\":null}}"), -EBADMSG);
}

static void enums_are_names_or_numbers(void **state)
{
    (void)state;
    assert_becomes(&TRICKLE, "{\"target\":\"SUBSCRIBER\"}", "{\"target\":\"SUBSCRIBER\"}");
    assert_becomes(&TRICKLE, "{\"target\":1}", "{\"target\":\"SUBSCRIBER\"}");
    assert_becomes(&TRICKLE, "{\"target\":-7}", "{\"target\":-7}");
    assert_becomes(&TRICKLE, "{\"target\":\"PUBLISHER\"}", "{}");
    assert_int_equal(parse(&TRICKLE, "{\"target\":true}"), -EBADMSG);
    assert_int_equal(parse(&TRICKLE, "{\"target\":2147483648}"), -EBADMSG);
    assert_int_equal(parse(&TRICKLE, "{\"target\":1.5}"), -EBADMSG);
}

static void enum_names_of_the_future_are_ignored(void **state)
{
    (void)state;
    assert_becomes(&TRICKLE, "{\"target\":\"MOON\",\"final\":true}", "{\"final\":true}");
    assert_becomes(&livekit__participant_permission__descriptor,
        "{\"canPublishSources\":[\"MOON\",\"CAMERA\",\"SUN\",\"MICROPHONE\"]}",
        "{\"canPublishSources\":[\"CAMERA\",\"MICROPHONE\"]}");
    assert_becomes(&livekit__simulate_scenario__descriptor, "{\"switchCandidateProtocol\":\"QUIC\"}", "{}");
}

static void integers_come_in_many_forms(void **state)
{
    (void)state;
    static const char *const twelve[] = {"12", "\"12\"", "12.0", "1.2e1", "\"1.2e1\"", "\"12.00\""};
    for (size_t i = 0; i < sizeof twelve / sizeof *twelve; i++) {
        char text[64];
        snprintf(text, sizeof text, "{\"fps\":%s}", twelve[i]);
        assert_becomes(&SETTINGS, text, "{\"fps\":12}");
        snprintf(text, sizeof text, "{\"rtt\":%s}", twelve[i]);
        assert_becomes(&PING, text, "{\"rtt\":\"12\"}");
    }
    assert_becomes(&SETTINGS, "{\"fps\":-0}", "{}");
}

static void integers_keep_their_range(void **state)
{
    (void)state;
    assert_becomes(&PING, "{\"rtt\":\"9223372036854775807\"}", "{\"rtt\":\"9223372036854775807\"}");
    assert_becomes(&PING, "{\"rtt\":-9223372036854775808}", "{\"rtt\":\"-9223372036854775808\"}");
    assert_int_equal(parse(&PING, "{\"rtt\":\"9223372036854775808\"}"), -EBADMSG);
    assert_int_equal(parse(&PING, "{\"rtt\":\"-9223372036854775809\"}"), -EBADMSG);
    assert_int_equal(parse(&PING, "{\"rtt\":1e19}"), -EBADMSG);
    assert_becomes(&livekit__user_packet__descriptor, "{\"startTime\":\"18446744073709551615\"}",
        "{\"startTime\":\"18446744073709551615\"}");
    assert_int_equal(
        parse(&livekit__user_packet__descriptor, "{\"startTime\":\"18446744073709551616\"}"), -EBADMSG);
    assert_int_equal(parse(&livekit__user_packet__descriptor, "{\"startTime\":\"-1\"}"), -EBADMSG);
    assert_becomes(&SETTINGS, "{\"fps\":4294967295}", "{\"fps\":4294967295}");
    assert_int_equal(parse(&SETTINGS, "{\"fps\":4294967296}"), -EBADMSG);
    assert_int_equal(parse(&SETTINGS, "{\"fps\":-1}"), -EBADMSG);
    const ProtobufCMessageDescriptor *version = &livekit__timed_version__descriptor;
    assert_becomes(version, "{\"ticks\":-2147483648}", "{\"ticks\":-2147483648}");
    assert_int_equal(parse(version, "{\"ticks\":2147483648}"), -EBADMSG);
    assert_int_equal(parse(version, "{\"ticks\":-2147483649}"), -EBADMSG);
}

static void other_things_are_no_integers(void **state)
{
    (void)state;
    static const char *const wrong[] = {"1.5", "\"\"", "\" 1\"", "\"1 \"", "\"0x10\"", "\"1e\"", "\"-\"",
        "\"+1\"", "\"NaN\"", "\"1.5\"", "true", "[1]", "{}", "\"1e999\"", "\"1_0\""};
    for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++) {
        char text[64];
        snprintf(text, sizeof text, "{\"fps\":%s}", wrong[i]);
        assert_int_equal(parse(&SETTINGS, text), -EBADMSG);
        snprintf(text, sizeof text, "{\"rtt\":%s}", wrong[i]);
        assert_int_equal(parse(&PING, text), -EBADMSG);
    }
}

static void floats_may_be_infinite(void **state)
{
    (void)state;
    assert_becomes(&SPEAKER, "{\"level\":\"Infinity\"}", "{\"level\":\"Infinity\"}");
    assert_becomes(&SPEAKER, "{\"level\":\"-Infinity\"}", "{\"level\":\"-Infinity\"}");
    assert_becomes(&SPEAKER, "{\"level\":\"NaN\"}", "{\"level\":\"NaN\"}");
    assert_becomes(&SPEAKER, "{\"level\":\"0.5\"}", "{\"level\":0.5}");
    assert_becomes(&SPEAKER, "{\"level\":1}", "{\"level\":1}");
    assert_becomes(&SPEAKER, "{\"level\":0.0}", "{}");
    Livekit__SpeakerInfo *m = take(&SPEAKER, "{\"level\":0.1}");
    assert_true(m->level == 0.1f);
    proto_free(&m->base);
    static const char *const wrong[] = {
        "1e39", "-1e39", "\"nan\"", "\"inf\"", "\"0x1p3\"", "\" 1\"", "true", "\"\""};
    for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++) {
        char text[64];
        snprintf(text, sizeof text, "{\"level\":%s}", wrong[i]);
        assert_int_equal(parse(&SPEAKER, text), -EBADMSG);
    }
}

static void booleans_are_booleans(void **state)
{
    (void)state;
    assert_int_equal(parse(&TRICKLE, "{\"final\":1}"), -EBADMSG);
    assert_int_equal(parse(&TRICKLE, "{\"final\":\"true\"}"), -EBADMSG);
    assert_becomes(&TRICKLE, "{\"final\":false}", "{}");
}

static void bytes_are_base64(void **state)
{
    (void)state;
    const ProtobufCMessageDescriptor *type = &livekit__user_packet__descriptor;
    assert_becomes(type, "{\"payload\":\"-_-_\"}", "{\"payload\":\"+/+/\"}");
    assert_becomes(type, "{\"payload\":\"AA==\"}", "{\"payload\":\"AA==\"}");
    assert_becomes(type, "{\"payload\":\"AA\"}", "{\"payload\":\"AA==\"}");
    assert_becomes(type, "{\"payload\":\"\"}", "{}");
    assert_int_equal(parse(type, "{\"payload\":\"A\"}"), -EBADMSG);
    assert_int_equal(parse(type, "{\"payload\":\"AA=\"}"), -EBADMSG);
    assert_int_equal(parse(type, "{\"payload\":\"A A=\"}"), -EBADMSG);
    assert_int_equal(parse(type, "{\"payload\":5}"), -EBADMSG);
}

static void maps_are_objects(void **state)
{
    (void)state;
    const ProtobufCMessageDescriptor *sdp = &livekit__session_description__descriptor;
    assert_becomes(sdp, "{\"midToTrackId\":{\"1\":\"b\",\"0\":\"a\",\"\":\"\"}}",
        "{\"midToTrackId\":{\"\":\"\",\"0\":\"a\",\"1\":\"b\"}}");
    assert_becomes(sdp, "{\"midToTrackId\":{}}", "{}");
    assert_int_equal(parse(sdp, "{\"midToTrackId\":[]}"), -EBADMSG);
    assert_int_equal(parse(sdp, "{\"midToTrackId\":{\"a\":1}}"), -EBADMSG);
    assert_int_equal(parse(&SETTINGS, "{\"trackSids\":{}}"), -EBADMSG);
    const ProtobufCMessageDescriptor *handles = &livekit__data_track_subscriber_handles__descriptor;
    assert_becomes(handles, "{\"subHandles\":{\"7\":{\"trackSid\":\"DTR_\"}}}",
        "{\"subHandles\":{\"7\":{\"trackSid\":\"DTR_\"}}}");
    assert_int_equal(parse(handles, "{\"subHandles\":{\"x\":{}}}"), -EBADMSG);
}

/* On the wire a map may hold a key twice, or an entry without its value. */
static void odd_map_entries_make_sound_json(void **state)
{
    (void)state;
    static const uint8_t twice[] = {0x22, 0x06, 0x0a, 0x01, 'k', 0x12, 0x01, 'a', 0x22, 0x06, 0x0a, 0x01, 'k',
        0x12, 0x01, 'b', 0x22, 0x00};
    ProtobufCMessage *m;
    char *text;
    assert_int_equal(
        proto_unpack(&livekit__session_description__descriptor, twice, sizeof twice, sizeof twice, &m), 0);
    assert_int_equal(proto_to_json(m, PROTO_JSON_SIGNAL, &text, NULL), 0);
    assert_string_equal(text, "{\"midToTrackId\":{\"\":\"\",\"k\":\"b\"}}");
    free(text);
    proto_free(m);
    static const uint8_t no_value[] = {0x0a, 0x02, 0x08, 0x05};
    assert_int_equal(
        proto_unpack(&livekit__data_track_subscriber_handles__descriptor, no_value, 4, 4, &m), 0);
    assert_int_equal(proto_to_json(m, PROTO_JSON_TWIRP, &text, NULL), 0);
    assert_string_equal(text, "{\"sub_handles\":{\"5\":{}}}");
    free(text);
    proto_free(m);
}

static void timestamps_are_rfc3339(void **state)
{
    (void)state;
    const ProtobufCMessageDescriptor *type = &livekit__metric_sample__descriptor;
    assert_becomes(type, "{\"normalizedTimestamp\":\"2026-11-20T08:00:00.120+01:00\"}",
        "{\"normalizedTimestamp\":\"2026-11-20T07:00:00.120Z\"}");
    assert_becomes(type, "{\"normalizedTimestamp\":\"1970-01-01T00:00:00Z\"}",
        "{\"normalizedTimestamp\":\"1970-01-01T00:00:00Z\"}");
    assert_int_equal(parse(type, "{\"normalizedTimestamp\":\"now\"}"), -EBADMSG);
    assert_int_equal(parse(type, "{\"normalizedTimestamp\":{\"seconds\":\"1\"}}"), -EBADMSG);
}

static void text_must_be_utf8_without_nul(void **state)
{
    (void)state;
    assert_int_equal(parse(&TRICKLE, "{\"candidateInit\":\"\xff\"}"), -EILSEQ);
    assert_int_equal(parse(&TRICKLE, "{\"x\":\"\xed\xa0\x80\"}"), -EILSEQ);
    assert_int_equal(parse(&TRICKLE, "{\"candidateInit\":\"a\\u0000b\"}"), -EILSEQ);
    assert_int_equal(parse(&TRICKLE, "{\"a\\u0000b\":1}"), -EILSEQ);
    assert_int_equal(parse(&TRICKLE, "{\"candidateInit\":\"\\ud800\"}"), -EBADMSG);
    ProtobufCMessage *m;
    assert_int_equal(proto_from_json(&TRICKLE, "{}\0", 3, MAX, &m), -EILSEQ);
    assert_becomes(
        &TRICKLE, "{\"candidateInit\":\"\\ud83c\\udfa5\"}", "{\"candidateInit\":\"\xf0\x9f\x8e\xa5\"}");
}

static void broken_json_is_refused(void **state)
{
    (void)state;
    static const char *const wrong[] = {"", " ", "{", "{}x", "[]", "null", "1", "\"x\"", "{\"final\":tru}",
        "{\"final\"}", "{final:true}", "{\"final\":true,}", "{\"candidateInit\":\"\n\"}", "{\"x\":\"\\x\"}"};
    for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++)
        assert_int_equal(parse(&TRICKLE, wrong[i]), -EBADMSG);
    assert_int_equal(parse(&livekit__signal_request__descriptor, "{\"offer\":[]}"), -EBADMSG);
    assert_int_equal(parse(&livekit__join_request__descriptor, "{\"addTrackRequests\":[1]}"), -EBADMSG);
}

static void depth_and_size_are_bounded(void **state)
{
    (void)state;
    char text[2 * PROTO_JSON_DEPTH_MAX + 32];
    for (int extra = 0; extra < 2; extra++) {
        size_t n = (size_t)(PROTO_JSON_DEPTH_MAX - 1 + extra), at = 0;
        at += (size_t)snprintf(text, sizeof text, "{\"x\":");
        memset(text + at, '[', n);
        memset(text + at + n, ']', n);
        snprintf(text + at + 2 * n, 2, "}");
        assert_int_equal(parse(&TRICKLE, text), extra ? -EMSGSIZE : 0);
    }
    struct strbuf s = {0};
    strbuf_add(&s, "{\"x\":[\"[[[{{{,,,\\\"");
    for (int i = 0; i < PROTO_JSON_VALUES_MAX - 4; i++) /* commas in a text are no values */
        strbuf_add(&s, ",");
    strbuf_add(&s, "\"]}");
    assert_int_equal(parse(&TRICKLE, s.text), 0);
    strbuf_done(&s);
    strbuf_add(&s, "{\"x\":[0");
    for (int i = 0; i < PROTO_JSON_VALUES_MAX - 3; i++)
        strbuf_add(&s, ",0");
    strbuf_add(&s, "]}");
    assert_int_equal(parse(&TRICKLE, s.text), 0);
    s.len -= 2;
    strbuf_add(&s, ",0]}");
    assert_int_equal(parse(&TRICKLE, s.text), -EMSGSIZE);
    strbuf_done(&s);
    ProtobufCMessage *m;
    assert_int_equal(proto_from_json(&TRICKLE, "{} ", 3, 2, &m), -EMSGSIZE);
}

/* ---- output ---- */

static void twirp_style_writes_everything(void **state)
{
    (void)state;
    char sid[] = "RM_x", mime[] = "video/VP8";
    Livekit__Codec codec = LIVEKIT__CODEC__INIT;
    codec.mime = mime;
    Livekit__Codec *codecs[] = {&codec};
    Livekit__Room room = LIVEKIT__ROOM__INIT;
    room.sid = sid;
    room.creation_time = 1790000000;
    room.enabled_codecs = codecs;
    room.n_enabled_codecs = 1;
    char *text;
    assert_int_equal(proto_to_json(&room.base, PROTO_JSON_TWIRP, &text, NULL), 0);
    assert_string_equal(text,
        "{\"sid\":\"RM_x\",\"name\":\"\",\"empty_timeout\":0,\"max_participants\":0,\"creation_time\":"
        "\"1790000000\","
        "\"turn_password\":\"\",\"enabled_codecs\":[{\"mime\":\"video/"
        "VP8\",\"fmtp_line\":\"\"}],\"metadata\":\"\","
        "\"num_participants\":0,\"active_recording\":false,\"num_publishers\":0,\"version\":null,"
        "\"departure_timeout\":0,\"creation_time_ms\":\"0\"}");
    free(text);
    assert_int_equal(proto_to_json(&room.base, PROTO_JSON_SIGNAL, &text, NULL), 0);
    assert_string_equal(text,
        "{\"sid\":\"RM_x\",\"creationTime\":\"1790000000\",\"enabledCodecs\":[{\"mime\":\"video/VP8\"}]}");
    free(text);
}

static void members_of_a_oneof_are_written_when_selected(void **state)
{
    (void)state;
    Livekit__SendDataRequest m = LIVEKIT__SEND_DATA_REQUEST__INIT;
    char *text;
    assert_int_equal(proto_to_json(&m.base, PROTO_JSON_TWIRP, &text, NULL), 0);
    assert_null(strstr(text, "topic"));
    free(text);
    char topic[] = "";
    m.has_topic_case = LIVEKIT__SEND_DATA_REQUEST__HAS_TOPIC_TOPIC;
    m.topic = topic;
    assert_int_equal(proto_to_json(&m.base, PROTO_JSON_SIGNAL, &text, NULL), 0);
    assert_string_equal(text, "{\"topic\":\"\"}");
    free(text);
}

static void text_is_escaped(void **state)
{
    (void)state;
    char odd[] = "\"\\\n\r\t\x01\x7f/\xc3\xa9";
    Livekit__TrickleRequest m = LIVEKIT__TRICKLE_REQUEST__INIT;
    m.candidateinit = odd;
    char *text;
    assert_int_equal(proto_to_json(&m.base, PROTO_JSON_SIGNAL, &text, NULL), 0);
    assert_string_equal(text, "{\"candidateInit\":\"\\\"\\\\\\n\\r\\u0009\\u0001\x7f/\xc3\xa9\"}");
    Livekit__TrickleRequest *back = take(&TRICKLE, text);
    assert_string_equal(back->candidateinit, odd);
    proto_free(&back->base);
    free(text);
    char bad[] = "\xff";
    m.candidateinit = bad;
    text = NULL;
    assert_int_equal(proto_to_json(&m.base, PROTO_JSON_SIGNAL, &text, NULL), -EILSEQ);
    assert_null(text);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(names_come_in_both_forms),
        cmocka_unit_test(unknown_parts_are_ignored),
        cmocka_unit_test(a_field_is_given_once),
        cmocka_unit_test(null_is_absent),
        cmocka_unit_test(enums_are_names_or_numbers),
        cmocka_unit_test(enum_names_of_the_future_are_ignored),
        cmocka_unit_test(integers_come_in_many_forms),
        cmocka_unit_test(integers_keep_their_range),
        cmocka_unit_test(other_things_are_no_integers),
        cmocka_unit_test(floats_may_be_infinite),
        cmocka_unit_test(booleans_are_booleans),
        cmocka_unit_test(bytes_are_base64),
        cmocka_unit_test(maps_are_objects),
        cmocka_unit_test(odd_map_entries_make_sound_json),
        cmocka_unit_test(timestamps_are_rfc3339),
        cmocka_unit_test(text_must_be_utf8_without_nul),
        cmocka_unit_test(broken_json_is_refused),
        cmocka_unit_test(depth_and_size_are_bounded),
        cmocka_unit_test(twirp_style_writes_everything),
        cmocka_unit_test(members_of_a_oneof_are_written_when_selected),
        cmocka_unit_test(text_is_escaped),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
