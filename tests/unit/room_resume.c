/* Coming back: on a new socket after the old one was lost or its media failed. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include "room/internal.h"
#include "support/room_guest.h"

static void a_resume_keeps_everything(void **state)
{
    (void)state;
    struct host *h = host_new();
    struct guest *alice = guest_enter(h, "alice"), *bob = guest_enter(h, "bob");
    struct track *cam = guest_publish(alice, "cam", SOURCE_CAMERA);
    struct track *mic = guest_publish(bob, "mic", SOURCE_MICROPHONE);
    host_settle(h);
    guest_clear(bob);
    guest_lose_socket(alice);
    host_run(h, S(20));
    host_mark(h);
    guest_resume(alice);
    host_settle(h);
    assert_ptr_equal(guest_track(alice, "cam"), cam);
    assert_non_null(guest_receives(alice, mic));
    assert_non_null(guest_receives(bob, cam));
    assert_int_equal(h->command_count, h->mark); /* the media side noticed nothing */
    assert_int_equal(guest_count(bob, NOTE_UPDATE), 0);
    host_run(h, S(60));
    assert_non_null(alice->p);
    host_check(h);
    host_free(h);
}

static void the_first_words_are_who_left_and_who_is_there(void **state)
{
    (void)state;
    struct host *h = host_new();
    struct guest *alice = guest_enter(h, "alice"), *bob = guest_enter(h, "bob");
    struct guest *carol = guest_enter(h, "carol");
    guest_publish(carol, "cam", SOURCE_CAMERA);
    host_settle(h);
    guest_lose_socket(alice);
    guest_clear(alice);
    guest_leave(bob);
    guest_unpublish(carol, "cam");
    guest_enter(h, "dave");
    assert_int_equal(alice->note_count, alice->first);
    guest_resume(alice);
    const struct note *n = &alice->notes[alice->first];
    assert_int_equal(n[0].kind, NOTE_UPDATE);
    assert_string_equal(n[0].text, "bob DISCONNECTED");
    assert_int_equal(n[1].kind, NOTE_UPDATE);
    assert_string_equal(n[1].text, "alice ACTIVE, carol ACTIVE, dave ACTIVE"); /* oneself, too */
    assert_int_equal(n[2].kind, NOTE_ROOM);
    assert_int_equal(guest_sees(alice, "carol")->track_count, 0);
    /* told again, because the socket may have been dead before it was lost; but not for ever, and not to
     * those who came later */
    guest_lose_socket(alice);
    guest_clear(alice);
    guest_resume(alice);
    assert_string_equal(guest_text(alice, NOTE_UPDATE), "alice ACTIVE, carol ACTIVE, dave ACTIVE");
    assert_int_equal(guest_count(alice, NOTE_UPDATE), 2);
    host_run(h, S(100));
    guest_lose_socket(alice);
    guest_clear(alice);
    guest_resume(alice);
    assert_int_equal(guest_count(alice, NOTE_UPDATE), 1);
    guest_leave(carol);
    struct guest *eve = guest_enter(h, "eve");
    guest_lose_socket(eve);
    guest_clear(eve);
    guest_resume(eve);
    assert_int_equal(guest_count(eve, NOTE_UPDATE), 1);
    host_free(h);
}

static void a_new_socket_takes_over_from_one_that_is_still_there(void **state)
{
    (void)state;
    struct host *h = host_new();
    struct guest *alice = guest_enter(h, "alice");
    guest_clear(alice);
    guest_resume(alice); /* checks that the old session got its leave */
    const struct note *n = &alice->notes[alice->first];
    assert_int_equal(n[0].kind, NOTE_LEAVE);
    assert_string_equal(n[0].text, "9 1"); /* SIGNAL_CLOSE, RESUME */
    assert_int_equal(n[1].kind, NOTE_UPDATE);
    host_run(h, S(60));
    assert_non_null(alice->p);
    host_free(h);
}

static void only_the_same_session_can_be_resumed(void **state)
{
    (void)state;
    struct host *h = host_new();
    struct guest *alice = guest_enter(h, "alice");
    struct participant *p = NULL;
    assert_int_equal(participant_resume(h->rooms, "room", "alice", "PA_another", NULL, NULL, &p), -ENOENT);
    assert_int_equal(participant_resume(h->rooms, "room", "bob", alice->sid, NULL, NULL, &p), -ENOENT);
    assert_int_equal(participant_resume(h->rooms, "other", "alice", alice->sid, NULL, NULL, &p), -ENOENT);
    assert_null(p);
    assert_int_equal(guest_count(alice, NOTE_LEAVE), 0);
    guest_leave(alice);
    assert_int_equal(participant_resume(h->rooms, "room", "alice", alice->sid, NULL, NULL, &p), -ENOENT);
    host_free(h);
}

static void what_happened_meanwhile_is_negotiated_after_a_resume(void **state)
{
    (void)state;
    struct host *h = host_new();
    struct guest *alice = guest_enter(h, "alice"), *bob = guest_enter(h, "bob");
    struct track *old = guest_publish(bob, "cam", SOURCE_CAMERA);
    host_settle(h);
    assert_non_null(guest_receives(alice, old));
    guest_lose_socket(alice);
    guest_unpublish(bob, "cam");
    assert_int_equal(host_live(h, MEDIA_SUB), 0);
    struct track *screen = guest_publish(bob, "screen", SOURCE_SCREEN_SHARE);
    host_run(h, S(2));
    assert_null(guest_receives(alice, screen));
    guest_resume(alice);
    host_settle(h);
    assert_non_null(guest_receives(alice, screen));
    host_check(h);
    host_free(h);
}

static void a_request_that_got_lost_is_repeated(void **state)
{
    (void)state;
    struct host *h = host_new();
    struct guest_options o = guest_options("alice");
    o.audios = o.videos = 0;
    struct guest *alice = guest_enter_with(h, &o), *bob = guest_enter(h, "bob");
    guest_clear(alice);
    struct track *cam = guest_publish(bob, "cam", SOURCE_CAMERA);
    host_run(h, MS(50));
    assert_string_equal(guest_text(alice, NOTE_SECTIONS), "0 1");
    alice->wants_offer = false; /* it went down with the socket */
    alice->more_videos = 0;
    guest_lose_socket(alice);
    guest_clear(alice);
    guest_resume(alice);
    host_run(h, MS(200));
    assert_string_equal(guest_text(alice, NOTE_SECTIONS), "0 1");
    host_settle(h);
    assert_non_null(guest_receives(alice, cam));
    host_free(h);
}

static void an_ice_restart_keeps_media_and_changes_both_credentials(void **state)
{
    (void)state;
    struct host *h = host_new();
    struct guest *alice = guest_enter(h, "alice"), *bob = guest_enter(h, "bob");
    struct track *cam = guest_publish(alice, "cam", SOURCE_CAMERA);
    host_settle(h);
    struct media before = *host_media(h, alice->p->publisher->number);
    guest_lose_socket(alice);
    guest_resume(alice);
    pc_restart(&alice->pub);
    host_mark(h);
    guest_offer(alice);
    struct media *after = host_media(h, alice->p->publisher->number);
    assert_int_equal(host_count(h, SFU_PEER_RESTART), 1);
    assert_int_equal(host_count(h, SFU_PEER_ADD) + host_count(h, SFU_PEER_REMOTE), 0);
    assert_int_equal(host_count(h, SFU_PEER_DATA), 0);
    assert_string_not_equal(before.ice.local_ufrag, after->ice.local_ufrag);
    assert_string_not_equal(before.ice.remote_ufrag, after->ice.remote_ufrag);
    assert_string_equal(after->ice.local_ufrag, alice->answer->media[0].ice.ufrag);
    assert_ptr_equal(guest_track(alice, "cam"), cam);
    assert_non_null(guest_receives(bob, cam));
    /* the same credentials again are no restart */
    host_mark(h);
    guest_offer(alice);
    assert_int_equal(host_count(h, SFU_PEER_RESTART), 0);
    host_free(h);
}

static void failed_media_asks_for_a_resume_and_grants_five_seconds(void **state)
{
    (void)state;
    struct host *h = host_new();
    struct guest *alice = guest_enter(h, "alice"), *bob = guest_enter(h, "bob");
    guest_state(alice, PEER_PUBLISHER, SFU_PEER_DISCONNECTED);
    assert_int_equal(guest_count(alice, NOTE_LEAVE), 0);
    guest_state(alice, PEER_PUBLISHER, SFU_PEER_FAILED);
    assert_string_equal(guest_text(alice, NOTE_LEAVE), "14 1"); /* CONNECTION_TIMEOUT, RESUME */
    assert_non_null(guest_participant(alice));
    guest_state(alice, PEER_PUBLISHER, SFU_PEER_FAILED); /* said again: nobody listens */
    host_run(h, MS(4900));
    assert_non_null(guest_participant(alice));
    host_run(h, MS(200));
    assert_null(guest_participant(alice));
    assert_int_equal(bob->seen[0].reason, LEAVE_CONNECTION_TIMEOUT);
    host_free(h);
}

static void who_resumes_after_failed_media_has_time_to_connect(void **state)
{
    (void)state;
    struct host *h = host_new();
    struct guest *alice = guest_enter(h, "alice");
    guest_state(alice, PEER_PUBLISHER, SFU_PEER_FAILED);
    host_run(h, S(4));
    guest_resume(alice);
    pc_restart(&alice->pub);
    guest_offer(alice);
    host_run(h, S(10));
    assert_non_null(alice->p);
    guest_state(alice, PEER_PUBLISHER, SFU_PEER_CONNECTED);
    host_run(h, S(60));
    assert_non_null(alice->p);
    /* and who does not make it is out */
    guest_state(alice, PEER_PUBLISHER, SFU_PEER_FAILED);
    guest_resume(alice);
    host_run(h, MS(19800));
    assert_non_null(alice->p);
    host_run(h, MS(400));
    assert_string_equal(guest_text(alice, NOTE_LEAVE), "14 0");
    host_free(h);
}

static void media_that_fails_without_a_socket_is_the_end(void **state)
{
    (void)state;
    struct host *h = host_new();
    struct guest *alice = guest_enter(h, "alice");
    guest_lose_socket(alice);
    host_run(h, S(2));
    guest_state(alice, PEER_PUBLISHER, SFU_PEER_FAILED);
    host_run(h, MS(4900));
    assert_non_null(guest_participant(alice));
    host_run(h, MS(200));
    assert_null(guest_participant(alice));
    host_free(h);
}

static void media_that_comes_back_without_a_socket_is_not_kept_for_ever(void **state)
{
    (void)state;
    struct host *h = host_new();
    struct guest *alice = guest_enter(h, "alice");
    guest_state(alice, PEER_PUBLISHER, SFU_PEER_FAILED); /* its socket is given up with this */
    guest_state(alice, PEER_PUBLISHER, SFU_PEER_CONNECTED);
    host_run(h, S(29));
    assert_non_null(guest_participant(alice));
    host_run(h, S(2));
    assert_null(guest_participant(alice));
    host_free(h);
}

static void a_full_reconnect_replaces_the_participant(void **state)
{
    (void)state;
    struct host *h = host_new();
    struct guest *alice = guest_enter(h, "alice"), *bob = guest_enter(h, "bob");
    char cam[ROOM_SID_MAX];
    memcpy(cam, guest_publish(alice, "cam", SOURCE_CAMERA)->sid, sizeof cam);
    host_settle(h);
    guest_lose_socket(alice);
    guest_clear(bob);
    struct guest *again = guest_enter(h, "alice"); /* the same identity, a new session */
    struct track *new_cam = guest_publish(again, "cam", SOURCE_CAMERA);
    host_settle(h);
    assert_null(guest_participant(alice));
    assert_int_equal(guest_count(alice, NOTE_LEAVE), 0);
    assert_string_not_equal(again->sid, alice->sid);
    assert_string_not_equal(cam, new_cam->sid);
    assert_non_null(guest_receives(bob, new_cam));
    assert_int_equal(host_live(h, MEDIA_SUB), 1);
    host_check(h);
    host_free(h);
}

static void a_session_that_was_replaced_meanwhile_is_gone_for_older_clients(void **state)
{
    (void)state;
    struct host *h = host_new();
    struct guest_options o = guest_options("old");
    o.protocol = 11;
    struct guest *old = guest_enter_with(h, &o), *bob = guest_enter(h, "bob");
    guest_enter(h, "alice");
    guest_lose_socket(old);
    guest_lose_socket(bob);
    guest_enter(h, "alice");
    guest_clear(old);
    guest_clear(bob);
    guest_resume(old);
    guest_resume(bob);
    assert_string_equal(old->notes[old->first].text, "alice DISCONNECTED");
    assert_string_equal(bob->notes[bob->first].text, "old ACTIVE, bob ACTIVE, alice ACTIVE");
    host_free(h);
}

static void a_client_that_knows_more_tracks_than_we_is_found_out(void **state)
{
    (void)state;
    struct host *h = host_new();
    struct guest *alice = guest_enter(h, "alice");
    struct track *cam = guest_publish(alice, "cam", SOURCE_CAMERA);
    assert_int_equal(participant_sync_track(alice->p, cam->sid), 0);
    assert_int_equal(participant_sync_track(alice->p, "TR_another"), -EINVAL);
    host_free(h);
}

static void the_goners_that_are_remembered_are_bounded(void **state)
{
    (void)state;
    struct host *h = host_new();
    struct guest *alice = guest_enter(h, "alice");
    guest_lose_socket(alice);
    for (int i = 0; i < ROOM_GONE_MAX + 10; i++)
        guest_leave(guest_enter(h, "bob"));
    guest_clear(alice);
    guest_resume(alice);
    assert_int_equal(guest_count(alice, NOTE_UPDATE), ROOM_GONE_MAX + 1);
    host_free(h);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_resume_keeps_everything),
        cmocka_unit_test(the_first_words_are_who_left_and_who_is_there),
        cmocka_unit_test(a_new_socket_takes_over_from_one_that_is_still_there),
        cmocka_unit_test(only_the_same_session_can_be_resumed),
        cmocka_unit_test(what_happened_meanwhile_is_negotiated_after_a_resume),
        cmocka_unit_test(a_request_that_got_lost_is_repeated),
        cmocka_unit_test(an_ice_restart_keeps_media_and_changes_both_credentials),
        cmocka_unit_test(failed_media_asks_for_a_resume_and_grants_five_seconds),
        cmocka_unit_test(who_resumes_after_failed_media_has_time_to_connect),
        cmocka_unit_test(media_that_fails_without_a_socket_is_the_end),
        cmocka_unit_test(media_that_comes_back_without_a_socket_is_not_kept_for_ever),
        cmocka_unit_test(a_full_reconnect_replaces_the_participant),
        cmocka_unit_test(a_session_that_was_replaced_meanwhile_is_gone_for_older_clients),
        cmocka_unit_test(a_client_that_knows_more_tracks_than_we_is_found_out),
        cmocka_unit_test(the_goners_that_are_remembered_are_bounded),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
