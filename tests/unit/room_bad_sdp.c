/* Descriptions that make no sense: a reason for the client, and nothing changes. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "room/internal.h"
#include "support/room_guest.h"

static struct host *h;
static struct guest *alice, *bob;
static struct track *cam, *mic;

/* bob receives alice's camera in his fourth section; a microphone of his is announced. */
static int two_guests(void **state)
{
    *state = h = host_new();
    alice = guest_enter(h, "alice");
    bob = guest_enter(h, "bob");
    cam = guest_publish(alice, "cam", SOURCE_CAMERA);
    mic = guest_publish(bob, "mic", SOURCE_MICROPHONE);
    host_settle(h);
    guest_clear(bob);
    host_mark(h);
    return 0;
}

/* A copy with the first (all: every) occurrence of a text replaced. */
static char *replaced(const char *text, const char *from, const char *to, bool all)
{
    struct strbuf out = {0};
    const char *at = strstr(text, from);
    if (!at)
        fail_msg("\"%s\" is not there", from);
    for (; at; at = all ? strstr(text, from) : NULL) {
        strbuf_addn(&out, text, (size_t)(at - text));
        strbuf_add(&out, to);
        text = at + strlen(from);
    }
    strbuf_add(&out, text);
    return strbuf_take(&out);
}

static char *good_offer(void)
{
    struct strbuf out = {0};
    pc_offer(&bob->pub, &out);
    return strbuf_take(&out);
}

static void expect_refusal(const char *text, const char *reason)
{
    char err[256];
    const struct room_peer *peer = bob->p->publisher;
    size_t notes = bob->note_count, commands = h->command_count;
    struct sdp_plan_section *was = calloc(peer->plan.n, sizeof *was);
    unsigned n = peer->plan.n;
    memcpy(was, peer->plan.sections, n * sizeof *was);
    int e = guest_offer_text(bob, text, err);
    assert_int_equal(e, -EINVAL);
    if (!strstr(err, reason))
        fail_msg("the reason is \"%s\", not \"%s\"", err, reason);
    assert_int_equal(bob->note_count, notes);
    assert_int_equal(h->command_count, commands);
    assert_int_equal(peer->plan.n, n);
    assert_memory_equal(was, peer->plan.sections, n * sizeof *was);
    free(was);
}

static void what_is_no_description_is_refused(void **state)
{
    (void)state;
    expect_refusal("", "");
    expect_refusal("hello\r\n", "line 1");
    expect_refusal("v=0\r\n", "");
    char *long_text = malloc(SDP_SIZE_MAX + 2);
    memset(long_text, 'a', SDP_SIZE_MAX + 1);
    long_text[SDP_SIZE_MAX + 1] = 0;
    expect_refusal(long_text, "");
    free(long_text);
}

static void what_cannot_be_answered_is_refused(void **state)
{
    (void)state;
    static const struct {
        const char *from, *to, *reason;
        bool all;
    } rows[] = {
        {"a=ice-", "a=x-", "ICE credentials", true},
        {"a=ice-pwd:", "a=x-", "ice-ufrag", true},
        {"a=fingerprint:", "a=x-", "fingerprint", true},
        {"a=setup:actpass", "a=setup:holdconn", "holdconn", true},
        {"a=mid:2\r\n", "", "mid", false},
        {"a=mid:3\r\n", "a=mid:33\r\n", "section 3", false}, /* which carries the camera */
        {"a=rtpmap:111 opus/48000/2", "a=rtpmap:1000 opus/48000/2", "line", false},
        {"m=audio 9", "m=audio 99999", "line", false},
    };
    pc_add(&bob->pub, SDP_KIND_AUDIO, false, true); /* each would add a section */
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        char *offer = good_offer(), *bad = replaced(offer, rows[i].from, rows[i].to, rows[i].all);
        if (strstr(rows[i].reason, "section")) { /* the group names the mids, too */
            char *group = replaced(bad, " 3 ", " 33 ", false);
            free(bad);
            bad = group;
        }
        expect_refusal(bad, rows[i].reason);
        free(bad);
        free(offer);
    }
    assert_non_null(guest_receives(bob, cam));
    guest_offer(bob); /* a good one still is */
    assert_non_null(guest_receives(bob, cam));
    assert_true(host_media(h, mic->id)->live);
}

static void sections_do_not_vanish(void **state)
{
    (void)state;
    bob->pub.n--;
    char *offer = good_offer();
    expect_refusal(offer, "sections");
    free(offer);
    bob->pub.n++;
    guest_offer(bob);
}

static void sections_are_bounded(void **state)
{
    (void)state;
    struct strbuf out = {0};
    char *offer = good_offer();
    strbuf_add(&out, offer);
    for (int i = 0; i < SDP_MEDIA_MAX; i++)
        strbuf_addf(&out, "m=audio 0 UDP/TLS/RTP/SAVPF 0\r\na=mid:x%d\r\na=inactive\r\n", i);
    expect_refusal(out.text, "");
    strbuf_done(&out);
    free(offer);
}

static void a_connection_keeps_its_certificate(void **state)
{
    (void)state;
    char good[sizeof bob->pub.fingerprint];
    memcpy(good, bob->pub.fingerprint, sizeof good);
    bob->pub.fingerprint[0] = good[0] == '0' ? '1' : '0';
    char *offer = good_offer();
    expect_refusal(offer, "certificate fingerprint changed");
    free(offer);
    memcpy(bob->pub.fingerprint, good, sizeof good);
    guest_offer(bob);
}

static void sections_of_unknown_kinds_are_rejected_alone(void **state)
{
    (void)state;
    struct strbuf out = {0};
    char err[256];
    char *offer = good_offer();
    strbuf_add(&out, offer);
    strbuf_add(&out, "m=text 9 UDP/TLS/RTP/SAVPF 98\r\nc=IN IP4 0.0.0.0\r\na=mid:text\r\n");
    struct participant_ops quiet = *bob->p->ops;
    quiet.answer = NULL; /* the guest's own check knows of no such section */
    const struct participant_ops *ops = bob->p->ops;
    bob->p->ops = &quiet;
    assert_int_equal(guest_offer_text(bob, out.text, err), 0);
    bob->p->ops = ops;
    const struct sdp_result *r = bob->p->publisher->result;
    assert_true(r->sections[r->n_sections - 1].rejected);
    assert_non_null(guest_receives(bob, cam));
    strbuf_done(&out);
    free(offer);
}

/* ---- answers ---- */

static void expect_bad_answer(struct guest *g, const char *text, const char *reason)
{
    char err[256] = "";
    size_t commands = h->command_count;
    assert_int_equal(participant_answer(g->p, text, strlen(text), 0, err, sizeof err), -EINVAL);
    if (!strstr(err, reason))
        fail_msg("the reason is \"%s\", not \"%s\"", err, reason);
    assert_int_equal(h->command_count, commands);
}

static void answers_that_do_not_fit_are_refused(void **state)
{
    (void)state;
    static const struct {
        const char *from, *to, *reason;
        bool all;
    } rows[] = {
        {"v=0", "hello", "line 1", false},
        {"a=ice-", "a=x-", "ICE credentials", true},
        {"a=fingerprint:", "a=x-", "fingerprint", true},
        {"a=setup:active", "a=setup:actpass", "active nor passive", true},
        {"a=mid:1", "a=mid:7", "mid", false},
        {"a=recvonly", "a=sendrecv", "direction", false},
        {"m=video 9 UDP/TLS/RTP/SAVPF 96", "m=video 9 UDP/TLS/RTP/SAVPF 55 96", "not offered", false},
        {"a=rtpmap:96 VP8", "a=rtpmap:96 H264", "another codec", false},
        {"m=video", "m=audio", "section 1 is", false},
    };
    struct guest_options o = guest_options("carol");
    o.two_connections = true;
    struct guest *carol = guest_join(h, &o);
    struct strbuf good = {0};
    struct pc pc = carol->sub;
    pc_answer(&pc, carol->offered, 0, 0, &good);
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        char *bad = replaced(good.text, rows[i].from, rows[i].to, rows[i].all);
        expect_bad_answer(carol, bad, rows[i].reason);
        free(bad);
    }
    char *end = strstr(good.text, "m=video");
    *end = 0;
    expect_bad_answer(carol, good.text, "");
    strbuf_done(&good);
    assert_null(guest_receives(carol, cam));
    guest_answer(carol); /* the offer is still out */
    assert_non_null(guest_receives(carol, cam));
    guest_offer(carol);
    guest_connect(carol);
    /* and the certificate stays */
    guest_publish(alice, "screen", SOURCE_SCREEN_SHARE);
    host_run(h, MS(200));
    struct strbuf other = {0};
    pc = carol->sub;
    pc.fingerprint[0] = pc.fingerprint[0] == '0' ? '1' : '0';
    pc_answer(&pc, carol->offered, 0, 0, &other);
    expect_bad_answer(carol, other.text, "certificate fingerprint changed");
    strbuf_done(&other);
    guest_answer(carol);
    host_settle(h);
    assert_non_null(guest_receives(carol, guest_track(alice, "screen")));
}

static void a_client_that_is_the_dtls_server(void **state)
{
    (void)state;
    struct guest_options o = guest_options("carol");
    struct guest *carol = guest_join(h, &o);
    text_copy(carol->pub.setup, sizeof carol->pub.setup, "passive");
    guest_offer(carol);
    assert_true(host_media(h, carol->p->publisher->number)->dtls_client);
    o = guest_options("dave");
    struct guest *dave = guest_enter_with(h, &o);
    assert_false(host_media(h, dave->p->publisher->number)->dtls_client);
}

static void offers_without_data_or_media(void **state)
{
    (void)state;
    struct guest_options o = guest_options("carol");
    o.no_data = true;
    struct guest *carol = guest_enter_with(h, &o);
    assert_false(host_media(h, carol->p->publisher->number)->data);
    pc_add_data(&carol->pub);
    guest_offer(carol);
    assert_true(host_media(h, carol->p->publisher->number)->data);
    o = guest_options("dave");
    o.audios = o.videos = 0;
    struct guest *dave = guest_enter_with(h, &o);
    assert_true(host_media(h, dave->p->publisher->number)->data);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, two_guests, host_end)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(what_is_no_description_is_refused),
        TEST(what_cannot_be_answered_is_refused),
        TEST(sections_do_not_vanish),
        TEST(sections_are_bounded),
        TEST(a_connection_keeps_its_certificate),
        TEST(sections_of_unknown_kinds_are_rejected_alone),
        TEST(answers_that_do_not_fit_are_refused),
        TEST(a_client_that_is_the_dtls_server),
        TEST(offers_without_data_or_media),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
