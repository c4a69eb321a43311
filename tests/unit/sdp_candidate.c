/* Candidates as they stand in descriptions and in trickle messages, and fragments for trickle over HTTP. */
#include "sdp_support.h"

#include <errno.h>

static int parse(const char *text, struct sdp_candidate *c)
{
    return sdp_candidate_parse(text, strlen(text), c);
}

static void same(const char *text, const char *printed)
{
    struct sdp_candidate c;
    struct strbuf out = {0};
    int rc = parse(text, &c);
    if (rc != 0)
        fail_msg("%d for %s", rc, text);
    sdp_candidate_print(&c, &out);
    assert_string_equal(out.text, printed);
    strbuf_done(&out);
}

static void host_udp(void **state)
{
    struct sdp_candidate c;
    (void)state;
    assert_int_equal(
        parse("a=candidate:2270371514 1 UDP 2122194687 127.0.0.1 50993 typ host generation 0 network-id 3 "
              "network-cost 50\r\n",
            &c),
        0);
    assert_string_equal(c.foundation, "2270371514");
    assert_int_equal(c.component, 1);
    assert_false(c.tcp);
    assert_int_equal(c.priority, 2122194687u);
    assert_string_equal(c.address, "127.0.0.1");
    assert_int_equal(c.port, 50993);
    assert_int_equal(c.type, SDP_CAND_HOST);
    assert_int_equal(c.tcptype, SDP_TCP_NONE);
    assert_string_equal(c.raddr, "");
    assert_string_equal(c.ufrag, "");
}

static void what_is_read_is_printed(void **state)
{
    (void)state;
    same("candidate:1 1 udp 2130706431 192.0.2.1 7882 typ host",
        "candidate:1 1 udp 2130706431 192.0.2.1 7882 typ host");
    same("candidate:0 1 TCP 2105524479 fd00::2 9 typ host tcptype active",
        "candidate:0 1 tcp 2105524479 fd00::2 9 typ host tcptype active");
    same("candidate:7 2 tcp 1 192.0.2.1 7881 typ host tcptype passive generation 0",
        "candidate:7 2 tcp 1 192.0.2.1 7881 typ host tcptype passive");
    same("candidate:7 1 tcp 1 192.0.2.1 7881 typ host tcptype so",
        "candidate:7 1 tcp 1 192.0.2.1 7881 typ host tcptype so");
    same("candidate:a/+b 1 udp 1845494015 198.51.100.100 11100 typ srflx raddr 203.0.113.100 rport 10100",
        "candidate:a/+b 1 udp 1845494015 198.51.100.100 11100 typ srflx raddr 203.0.113.100 rport 10100");
    same("candidate:1 1 udp 255 192.0.2.100 12100 typ relay raddr 0.0.0.0 rport 0 ufrag ETEn",
        "candidate:1 1 udp 255 192.0.2.100 12100 typ relay raddr 0.0.0.0 rport 0 ufrag ETEn");
    same("candidate:1 1 udp 4294967295 3f1b2c3d-aaaa-bbbb-cccc-0123456789ab.local 65535 typ prflx",
        "candidate:1 1 udp 4294967295 3f1b2c3d-aaaa-bbbb-cccc-0123456789ab.local 65535 typ prflx");
}

static void what_nobody_can_use_is_told_apart(void **state)
{
    static const char *const rows[] = {
        "candidate:1 1 ssltcp 1 192.0.2.1 443 typ host tcptype passive",
        "candidate:1 1 udp 1 192.0.2.1 443 typ token",
        "candidate:1 1 tcp 1 192.0.2.1 443 typ host",
        "candidate:1 1 udp 1 192.0.2.1 443 typ host tcptype passive",
        "candidate:1 1 tcp 1 192.0.2.1 443 typ host tcptype sideways",
    };
    struct sdp_candidate c = {.port = 77};
    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++)
        assert_int_equal(parse(rows[i], &c), -EPROTONOSUPPORT);
    assert_int_equal(c.port, 77); /* untouched */
}

static void the_malformed_is_refused(void **state)
{
    static const char *const rows[] = {
        "",
        "candidate",
        "candidate:",
        "1 1 udp 1 192.0.2.1 7882 typ host",
        "candidate:1",
        "candidate:1 0 udp 1 192.0.2.1 7882 typ host",
        "candidate:1 257 udp 1 192.0.2.1 7882 typ host",
        "candidate:1 1 udp -1 192.0.2.1 7882 typ host",
        "candidate:1 1 udp 4294967296 192.0.2.1 7882 typ host",
        "candidate:1 1 udp 1 192.0.2.1 65536 typ host",
        "candidate:1 1 udp 1 192.0.2.1 x typ host",
        "candidate:1 1 udp 1 192.0.2.1 7882 type host",
        "candidate:1 1 udp 1 192.0.2.1 7882 typ",
        "candidate:1 1 udp 1 192.0.2.1 7882",
        "candidate:1 1 udp 1 192.0.2.1 7882 typ srflx raddr",
        "candidate:1 1 udp 1 192.0.2.1 7882 typ srflx raddr 1.2.3.4 rport 99999",
        "candidate:123456789012345678901234567890123 1 udp 1 192.0.2.1 7882 typ host",
        "candidate:1 1 udp 1 1234567890123456789012345678901234567890123456789012345678901234 7882 typ host",
        "candidate:1 1 udp 1 192.0.2.1\t7882 typ host",
    };
    struct sdp_candidate c = {.port = 77};
    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        int rc = parse(rows[i], &c);
        if (rc != -EINVAL)
            fail_msg("%d for %s", rc, rows[i]);
    }
    assert_int_equal(c.port, 77);
}

/* ---- fragments ---- */

static struct sdp_session *must_parse_fragment(const char *text)
{
    struct sdp_session *s = NULL;
    char err[200] = "";
    if (sdpfrag_parse(text, strlen(text), &s, err, sizeof err) != 0)
        fail_msg("%s", err);
    return s;
}

static char *fragment_text(const struct sdp_session *s)
{
    struct strbuf out = {0};
    sdpfrag_print(s, &out);
    char *text = strbuf_take(&out);
    assert_non_null(text);
    return text;
}

static void trickle_fragment(void **state)
{
    size_t len;
    char *text = read_file(CORPUS, "trickle.sdpfrag", &len);
    struct sdp_session *s = must_parse_fragment(text);
    (void)state;
    assert_string_equal(s->ice.options, "trickle ice2");
    assert_int_equal(s->n_media, 1); /* the group may name sections that are not there */
    assert_true(sdp_in_group(s, "BUNDLE", "1"));
    const struct sdp_media *m = &s->media[0];
    assert_string_equal(m->mid, "0");
    assert_string_equal(m->ice.ufrag, "EsAw");
    assert_int_equal(m->n_candidates, 3);
    assert_string_equal(m->candidates[1].address, "198.51.100.2");
    assert_string_equal(m->candidates[1].ufrag, "EsAw");
    assert_int_equal(m->candidates[2].tcptype, SDP_TCP_ACTIVE);
    assert_true(m->end_of_candidates);
    char *one = fragment_text(s);
    struct sdp_session *again = must_parse_fragment(one);
    char *two = fragment_text(again);
    assert_string_equal(one, two);
    free(one);
    free(two);
    free(text);
    sdp_free(again);
    sdp_free(s);
}

static void fragment_of_an_ice_restart(void **state)
{
    struct sdp_session *s =
        must_parse_fragment("a=ice-lite\r\na=ice-ufrag:new1\r\na=ice-pwd:0123456789012345678901\r\n"
                            "a=candidate:1 1 udp 1 192.0.2.1 7 typ host\r\na=end-of-candidates\r\n"
                            "m=audio 9 UDP/TLS/RTP/SAVPF 0\r\na=mid:0\r\n"
                            "m=video 9 UDP/TLS/RTP/SAVPF 96\r\na=mid:1\r\n");
    (void)state;
    assert_true(s->ice_lite);
    assert_string_equal(s->ice.ufrag, "new1");
    assert_int_equal(s->n_media, 2);
    assert_int_equal(s->media[0].n_candidates, 1); /* of the session: shared, so the first section's */
    assert_true(s->media[0].end_of_candidates);
    assert_int_equal(s->media[1].n_candidates, 0);
    char *text = fragment_text(s);
    assert_string_equal(text, "a=ice-lite\r\na=ice-ufrag:new1\r\na=ice-pwd:0123456789012345678901\r\n"
                              "m=audio 9 UDP/TLS/RTP/SAVPF 0\r\na=mid:0\r\n"
                              "a=candidate:1 1 udp 1 192.0.2.1 7 typ host\r\na=end-of-candidates\r\n"
                              "m=video 9 UDP/TLS/RTP/SAVPF 96\r\na=mid:1\r\n");
    free(text);
    sdp_free(s);
}

static void fragment_without_sections(void **state)
{
    struct sdp_session *s = must_parse_fragment("a=candidate:1 1 udp 1 192.0.2.1 7 typ host\n");
    (void)state;
    assert_int_equal(s->n_media, 1);
    assert_null(s->media[0].mid);
    assert_int_equal(s->media[0].n_candidates, 1);
    sdp_free(s);
    s = must_parse_fragment("a=ice-ufrag:new1\na=ice-pwd:0123456789012345678901\n");
    assert_int_equal(s->n_media, 0);
    sdp_free(s);
}

static void bad_fragments_are_refused(void **state)
{
    struct sdp_session *s = NULL;
    char err[100];
    (void)state;
    static const char candidate[] = "m=audio 9 UDP/TLS/RTP/SAVPF 0\na=candidate:1 1\n";
    assert_int_equal(sdpfrag_parse(candidate, strlen(candidate), &s, err, sizeof err), -EINVAL);
    assert_string_equal(err, "line 2: the candidate is malformed");
    static const char half[] = "a=ice-ufrag:new1\n";
    assert_int_equal(sdpfrag_parse(half, strlen(half), &s, err, sizeof err), -EINVAL);
    assert_string_equal(err, "line 1: the session has only one of ice-ufrag and ice-pwd");
    assert_int_equal(sdpfrag_parse("", 0, &s, err, sizeof err), -EINVAL);
    assert_null(s);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(host_udp),
        cmocka_unit_test(what_is_read_is_printed),
        cmocka_unit_test(what_nobody_can_use_is_told_apart),
        cmocka_unit_test(the_malformed_is_refused),
        cmocka_unit_test(trickle_fragment),
        cmocka_unit_test(fragment_of_an_ice_restart),
        cmocka_unit_test(fragment_without_sections),
        cmocka_unit_test(bad_fragments_are_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
