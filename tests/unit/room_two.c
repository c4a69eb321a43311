/* The older mode of two connections: the server offers what it sends. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>
#include <stdio.h>
#include <string.h>
#include "room/internal.h"
#include "support/room_guest.h"

static struct host *h;
static struct guest *alice; /* one connection, publishes */
static struct guest *bob;   /* two connections */

static struct guest_options two(const char *identity)
{
    struct guest_options o = guest_options(identity);
    o.two_connections = true;
    return o;
}

static int two_guests(void **state)
{
    *state = h = host_new();
    alice = guest_enter(h, "alice");
    struct guest_options o = two("bob");
    bob = guest_enter_with(h, &o);
    host_settle(h);
    guest_clear(alice);
    guest_clear(bob);
    host_mark(h);
    return 0;
}

static void the_first_offer_comes_right_after_the_join(void **state)
{
    (void)state;
    struct guest_options o = two("carol");
    struct guest *carol = guest_join(h, &o);
    assert_true(carol->p->subscriber_primary);
    assert_string_equal(guest_text(carol, NOTE_OFFER), "1");
    assert_int_equal(carol->offered->n_media, 1); /* data only: nobody publishes */
    assert_int_equal(carol->offered->media[0].kind, SDP_KIND_APPLICATION);
    assert_int_equal(host_count(h, SFU_PEER_ADD), 1);
    assert_false(host_media(h, carol->p->subscriber->number)->remote_known);
    guest_answer(carol);
    const struct media *peer = host_media(h, carol->p->subscriber->number);
    assert_int_equal(host_count(h, SFU_PEER_REMOTE), 1);
    assert_true(peer->data && peer->opens_channels); /* the server opens the channels there */
    assert_false(peer->dtls_client);
    guest_offer(carol);
    peer = host_media(h, carol->p->publisher->number);
    assert_true(peer->data && !peer->opens_channels);
    guest_state(carol, PEER_PUBLISHER, SFU_PEER_CONNECTED);
    assert_int_equal(carol->p->state, PARTICIPANT_JOINED);
    guest_state(carol, PEER_SUBSCRIBER, SFU_PEER_CONNECTED); /* the primary one */
    assert_int_equal(carol->p->state, PARTICIPANT_ACTIVE);
}

static void tracks_that_are_there_come_with_the_first_offer(void **state)
{
    (void)state;
    struct track *cam = guest_publish(alice, "cam", SOURCE_CAMERA);
    struct track *mic = guest_publish(alice, "mic", SOURCE_MICROPHONE);
    struct guest_options o = two("carol");
    struct guest *carol = guest_join(h, &o);
    assert_int_equal(carol->offered->n_media, 3);
    host_run(h, S(1));
    assert_null(guest_receives(carol, cam)); /* not before the answer */
    assert_int_equal(guest_count(carol, NOTE_OFFER), 1);
    guest_answer(carol);
    assert_non_null(guest_receives(carol, cam));
    assert_non_null(guest_receives(carol, mic));
    assert_int_equal(guest_receives(carol, cam)->section.codecs[0].pt, 96); /* the server's own numbers */
    host_run(h, S(1));
    assert_int_equal(guest_count(carol, NOTE_OFFER), 1);
}

static void an_offer_to_publish_changes_nothing_of_what_is_received(void **state)
{
    (void)state;
    struct track *cam = guest_publish(alice, "cam", SOURCE_CAMERA);
    host_settle(h);
    guest_clear(bob);
    host_mark(h);
    guest_publish(bob, "mic", SOURCE_MICROPHONE);
    guest_unpublish(bob, "mic");
    host_run(h, S(1));
    assert_int_equal(host_count(h, SFU_SUB_REMOVE), 0);
    assert_non_null(guest_receives(bob, cam));
    assert_int_equal(guest_count(bob, NOTE_OFFER), 0);
}

static void who_may_not_subscribe_gets_no_offer(void **state)
{
    (void)state;
    guest_publish(alice, "cam", SOURCE_CAMERA);
    struct guest_options o = two("carol");
    o.permission.can_subscribe = false;
    struct guest *carol = guest_join(h, &o);
    assert_false(carol->p->subscriber_primary);
    host_run(h, S(1));
    assert_int_equal(guest_count(carol, NOTE_OFFER), 0);
    guest_offer(carol);
    guest_connect(carol);
    assert_int_equal(carol->p->state, PARTICIPANT_ACTIVE);
    uint32_t in, out;
    participant_data_peers(carol->p, &in, &out);
    assert_int_equal(in, out);
    participant_data_peers(bob->p, &in, &out);
    assert_int_equal(in, bob->p->publisher->number);
    assert_int_equal(out, bob->p->subscriber->number);
}

static void one_offer_at_a_time(void **state)
{
    (void)state;
    struct track *cam = guest_publish(alice, "cam", SOURCE_CAMERA);
    host_run(h, MS(10));
    assert_int_equal(guest_count(bob, NOTE_OFFER), 1);
    guest_publish(alice, "mic", SOURCE_MICROPHONE);
    struct track *screen = guest_publish(alice, "screen", SOURCE_SCREEN_SHARE);
    guest_unpublish(alice, "mic");
    host_run(h, S(5));
    assert_int_equal(guest_count(bob, NOTE_OFFER), 1); /* what changed waits for the answer */
    guest_answer(bob);
    assert_non_null(guest_receives(bob, cam));
    assert_null(guest_receives(bob, screen));
    host_run(h, MS(200));
    assert_int_equal(guest_count(bob, NOTE_OFFER), 2);
    guest_answer(bob);
    assert_non_null(guest_receives(bob, screen));
    assert_int_equal(bob->receives->n_media, 3); /* the microphone never got a section */
    host_run(h, S(1));
    assert_int_equal(guest_count(bob, NOTE_OFFER), 2);
}

static void a_track_that_ends_under_an_offer_does_not_start(void **state)
{
    (void)state;
    guest_publish(alice, "cam", SOURCE_CAMERA);
    host_run(h, MS(10));
    guest_unpublish(alice, "cam");
    host_mark(h);
    guest_answer(bob);
    assert_int_equal(host_count(h, SFU_SUB_ADD), 0);
    struct track *screen = guest_publish(alice, "screen", SOURCE_SCREEN_SHARE);
    host_settle(h); /* the guest checks that the section was inactive in between */
    assert_non_null(guest_receives(bob, screen));
}

static void sections_are_used_again_under_another_name(void **state)
{
    (void)state;
    for (int i = 0; i < 4; i++) {
        struct track *cam = guest_publish(alice, i % 2 ? "a" : "b", SOURCE_CAMERA);
        host_settle(h);
        assert_non_null(guest_receives(bob, cam));
        /* browsers keep the first track id of a section: it is another one */
        char mid[8];
        (void)snprintf(mid, sizeof mid, "%d", i + 1);
        assert_string_equal(guest_section(bob, cam)->mid, mid);
        assert_null(strstr(guest_section(bob, cam)->msid_stream, cam->sid));
        guest_unpublish(alice, i % 2 ? "a" : "b");
        host_settle(h);
        assert_true(sdp_media_rejected(&bob->receives->media[1]));
    }
    assert_int_equal(bob->receives->n_media, 2);
}

static void answers_by_number(void **state)
{
    (void)state;
    char err[256] = "";
    struct track *cam = guest_publish(alice, "cam", SOURCE_CAMERA);
    host_run(h, MS(10));
    uint32_t id = bob->offered_id;
    bob->offered_id = id - 1; /* of an offer that was replaced */
    assert_int_equal(participant_answer(bob->p, "v=0", 3, id - 1, err, sizeof err), 0);
    assert_null(guest_receives(bob, cam));
    bob->offered_id = 0; /* some clients do not count */
    guest_answer(bob);
    assert_non_null(guest_receives(bob, cam));
    assert_int_not_equal(participant_answer(bob->p, "v=0", 3, 0, err, sizeof err), 0);
    assert_string_equal(err, "no offer of the server waits for an answer");
    assert_int_not_equal(participant_answer(alice->p, "v=0", 3, 0, err, sizeof err), 0);
}

static void a_resume_restarts_ice(void **state)
{
    (void)state;
    struct track *cam = guest_publish(alice, "cam", SOURCE_CAMERA);
    host_settle(h);
    uint32_t ssrc = guest_receives(bob, cam)->ssrc;
    char ufrag[33];
    const uint32_t number = bob->p->subscriber->number;
    memcpy(ufrag, host_media(h, number)->ice.local_ufrag, sizeof ufrag);
    guest_lose_socket(bob);
    guest_clear(bob);
    host_mark(h);
    guest_resume(bob);
    const struct note *n = &bob->notes[bob->first];
    assert_int_equal(n[0].kind, NOTE_UPDATE);
    assert_int_equal(n[1].kind, NOTE_ROOM);
    assert_int_equal(n[2].kind, NOTE_OFFER); /* after everybody was named */
    assert_int_equal(host_count(h, SFU_PEER_RESTART), 1);
    assert_string_not_equal(bob->offered->media[0].ice.ufrag, ufrag);
    assert_string_equal(bob->offered->media[0].ice.ufrag, host_media(h, number)->ice.local_ufrag);
    pc_restart(&bob->sub);
    guest_answer(bob);
    assert_int_equal(host_count(h, SFU_PEER_REMOTE), 1);
    assert_int_equal(host_count(h, SFU_PEER_RESTART), 1);
    assert_int_equal(guest_receives(bob, cam)->ssrc, ssrc);
    assert_int_equal(host_count(h, SFU_SUB_ADD) + host_count(h, SFU_SUB_REMOVE), 0);
    host_run(h, S(30));
    assert_non_null(bob->p);
    assert_int_equal(guest_count(bob, NOTE_OFFER), 1);
    /* the media side is told again also when the client keeps its own credentials */
    guest_resume(bob);
    host_mark(h);
    guest_answer(bob);
    assert_int_equal(host_count(h, SFU_PEER_REMOTE), 1);
    assert_string_not_equal(host_media(h, number)->ice.remote_ufrag, "");
}

static void a_resume_before_the_first_answer(void **state)
{
    (void)state;
    struct guest_options o = two("carol");
    struct track *cam = guest_publish(alice, "cam", SOURCE_CAMERA);
    struct guest *carol = guest_join(h, &o);
    guest_resume(carol); /* over a socket that is still there */
    assert_string_equal(guest_text(carol, NOTE_OFFER), "2");
    guest_answer(carol);
    assert_true(host_media(h, carol->p->subscriber->number)->remote_known);
    assert_non_null(guest_receives(carol, cam));
}

static void a_resume_with_an_offer_in_the_air(void **state)
{
    (void)state;
    struct track *cam = guest_publish(alice, "cam", SOURCE_CAMERA);
    host_run(h, MS(10));
    assert_non_null(bob->offered);
    uint32_t id = bob->offered_id;
    guest_lose_socket(bob);
    struct track *mic = guest_publish(alice, "mic", SOURCE_MICROPHONE);
    guest_resume(bob);
    assert_int_equal(bob->offered_id, id + 1); /* in place of the lost one */
    guest_answer(bob);
    assert_non_null(guest_receives(bob, cam));
    assert_non_null(guest_receives(bob, mic));
}

static void an_offer_that_nobody_answers_ends_the_session(void **state)
{
    (void)state;
    bob->wants_none = true;
    guest_publish(alice, "cam", SOURCE_CAMERA);
    host_run(h, MS(14900));
    assert_non_null(bob->p);
    host_run(h, MS(300));
    assert_string_equal(guest_text(bob, NOTE_LEAVE), "6 2"); /* STATE_MISMATCH, RECONNECT */
}

static void who_is_not_connected_yet_has_its_own_time(void **state)
{
    (void)state;
    struct guest_options o = two("carol");
    struct guest *carol = guest_join(h, &o);
    host_run(h, S(18));
    assert_non_null(carol->p);
    host_run(h, S(3));
    assert_string_equal(guest_text(carol, NOTE_LEAVE), "7 0"); /* JOIN_FAILURE */
}

static void who_is_away_is_not_expected_to_answer(void **state)
{
    (void)state;
    guest_publish(alice, "cam", SOURCE_CAMERA);
    host_run(h, MS(10));
    guest_lose_socket(bob);
    host_run(h, S(20));
    assert_non_null(guest_participant(bob));
    guest_resume(bob);
    host_run(h, S(10));
    assert_non_null(bob->p);
    guest_answer(bob);
    host_run(h, S(20));
    assert_non_null(bob->p);
}

static void a_codec_the_client_lacks_costs_one_section(void **state)
{
    (void)state;
    struct guest_options o = two("carol");
    o.without = PC_VP8;
    struct guest *carol = guest_enter_with(h, &o);
    struct track *cam = guest_publish(alice, "cam", SOURCE_CAMERA);
    host_settle(h);
    assert_string_equal(guest_text(carol, NOTE_SUB_FAILED), "cam CODEC");
    assert_null(guest_receives(carol, cam));
    assert_int_equal(carol->receives->n_media, 2);
    /* the section was rejected: another one is made for what comes */
    struct track_desc d = guest_desc("other", SOURCE_SCREEN_SHARE);
    text_copy(d.codecs[0].mime, sizeof d.codecs[0].mime, "video/VP9");
    participant_add_track(alice->p, &d, NULL);
    guest_send(alice, "other", TRACK_VIDEO);
    guest_offer(alice);
    host_settle(h);
    assert_non_null(guest_receives(carol, guest_track(alice, "other")));
    assert_true(sdp_media_rejected(&carol->receives->media[1]));
    assert_string_equal(guest_receives(carol, guest_track(alice, "other"))->section.mid, "2");
    assert_int_equal(guest_count(carol, NOTE_SUB_FAILED), 1);
}

static void an_answer_may_reject_everything(void **state)
{
    (void)state;
    struct guest_options o = two("carol");
    o.permission.can_subscribe = false; /* no data section in the server's offers */
    o.without = PC_VP8;
    struct guest *carol = guest_enter_with(h, &o);
    guest_publish(alice, "cam", SOURCE_CAMERA);
    struct permission p = carol->p->permission;
    p.can_subscribe = true;
    participant_set_permission(carol->p, &p);
    host_run(h, MS(200));
    assert_int_equal(carol->offered->n_media, 1);
    guest_answer(carol);
    assert_string_equal(guest_text(carol, NOTE_SUB_FAILED), "cam CODEC");
    struct track *mic = guest_publish(alice, "mic", SOURCE_MICROPHONE);
    host_settle(h);
    assert_non_null(guest_receives(carol, mic));
}

static void a_running_section_can_be_declined(void **state)
{
    (void)state;
    struct track *cam = guest_publish(alice, "cam", SOURCE_CAMERA);
    host_settle(h);
    struct track *mic = guest_publish(alice, "mic", SOURCE_MICROPHONE);
    host_run(h, MS(200));
    assert_non_null(bob->offered);
    guest_answer_but(bob, 2, 0); /* the camera's section: inactive */
    assert_null(guest_receives(bob, cam));
    assert_non_null(guest_receives(bob, mic));
    host_settle(h);
    assert_null(guest_section(bob, cam));
}

static void h264_goes_out_with_the_profile_it_came_in(void **state)
{
    (void)state;
    struct track_desc d = guest_desc("cam", SOURCE_CAMERA);
    text_copy(d.codecs[0].mime, sizeof d.codecs[0].mime, "video/H264");
    participant_add_track(alice->p, &d, NULL);
    guest_send(alice, "cam", TRACK_VIDEO);
    guest_offer(alice);
    host_settle(h);
    const struct track *cam = guest_track(alice, "cam");
    const struct sdp_media *m = guest_section(bob, cam);
    assert_non_null(m);
    assert_true(sdp_codec_same_format(
        SDP_CODEC_H264, m->codecs[0].fmtp, track_private((struct track *)cam)->media[0].fmtp));
    assert_non_null(guest_receives(bob, cam));
}

static void firefox_receives_opus_for_red(void **state)
{
    (void)state;
    struct guest_options o = two("fox");
    o.firefox = true;
    struct guest *fox = guest_enter_with(h, &o);
    struct track *mic = guest_publish(alice, "mic", SOURCE_MICROPHONE);
    host_settle(h);
    assert_int_equal(guest_receives(fox, mic)->section.codecs[0].codec, PAYLOAD_OPUS);
    assert_int_equal(guest_receives(bob, mic)->section.codecs[0].codec, PAYLOAD_RED);
}

static void an_unsubscribed_track_leaves_its_section(void **state)
{
    (void)state;
    struct track *cam = guest_publish(alice, "cam", SOURCE_CAMERA);
    host_settle(h);
    for (int i = 0; i < 3; i++) {
        participant_subscribe(bob->p, cam->sid, false);
        assert_null(guest_receives(bob, cam));
        host_settle(h);
        assert_null(guest_section(bob, cam));
        participant_subscribe(bob->p, cam->sid, true);
        host_settle(h);
        assert_non_null(guest_receives(bob, cam));
    }
    assert_int_equal(bob->receives->n_media, 2);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, two_guests, host_end)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(the_first_offer_comes_right_after_the_join),
        TEST(tracks_that_are_there_come_with_the_first_offer),
        TEST(an_offer_to_publish_changes_nothing_of_what_is_received),
        TEST(who_may_not_subscribe_gets_no_offer),
        TEST(one_offer_at_a_time),
        TEST(a_track_that_ends_under_an_offer_does_not_start),
        TEST(sections_are_used_again_under_another_name),
        TEST(answers_by_number),
        TEST(a_resume_restarts_ice),
        TEST(a_resume_before_the_first_answer),
        TEST(a_resume_with_an_offer_in_the_air),
        TEST(an_offer_that_nobody_answers_ends_the_session),
        TEST(who_is_not_connected_yet_has_its_own_time),
        TEST(who_is_away_is_not_expected_to_answer),
        TEST(a_codec_the_client_lacks_costs_one_section),
        TEST(an_answer_may_reject_everything),
        TEST(a_running_section_can_be_declined),
        TEST(h264_goes_out_with_the_profile_it_came_in),
        TEST(firefox_receives_opus_for_red),
        TEST(an_unsubscribed_track_leaves_its_section),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
