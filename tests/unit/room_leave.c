/* Leaving: by wish, by timeout, with the room, with the server; and how long rooms live. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>
#include <string.h>
#include "room/internal.h"
#include "support/room_guest.h"

static void leaving_ends_what_one_published_and_received(void **state)
{
    (void)state;
    struct host *h = host_new();
    struct guest *alice = guest_enter(h, "alice"), *bob = guest_enter(h, "bob");
    guest_publish(alice, "cam", SOURCE_CAMERA);
    guest_publish(alice, "mic", SOURCE_MICROPHONE);
    guest_publish(bob, "cam", SOURCE_CAMERA);
    host_settle(h);
    assert_int_equal(host_live(h, MEDIA_SUB), 3);
    guest_clear(bob);
    guest_leave(alice);
    assert_int_equal(host_live(h, MEDIA_SUB), 0);
    assert_int_equal(host_live(h, MEDIA_TRACK), 1);
    assert_int_equal(host_live(h, MEDIA_PEER), 1);
    assert_int_equal(guest_count(bob, NOTE_UPDATE), 1); /* one word, not one a track */
    assert_int_equal(alice->seen_count ? alice->seen[0].gone : 0, 0);
    assert_string_equal(h->last_watched, "alice DISCONNECTED");
    /* the sections she filled go through an inactive description */
    host_settle(h);
    for (unsigned i = 0; i < bob->answer->n_media; i++)
        assert_false(
            bob->answer->media[i].kind <= SDP_KIND_VIDEO && (bob->answer->media[i].dir & SDP_SENDONLY));
    host_check(h);
    host_free(h);
}

static void leaving_before_an_offer_leaves_nothing(void **state)
{
    (void)state;
    struct host *h = host_new();
    struct guest *alice = guest_enter(h, "alice");
    guest_publish(alice, "cam", SOURCE_CAMERA);
    struct guest_options o = guest_options("bob");
    struct guest *bob = guest_join(h, &o);
    assert_int_equal(guest_announce(bob, "cam", SOURCE_CAMERA), REQUEST_OK);
    guest_leave(bob);
    host_check(h);
    host_run(h, S(1));
    o.two_connections = true;
    bob = guest_join(h, &o);
    assert_int_equal(guest_count(bob, NOTE_OFFER), 1);
    guest_leave(bob);
    host_check(h);
    host_run(h, S(1));
    host_free(h);
}

static void an_evicted_guest_is_told_why_unless_quietly(void **state)
{
    (void)state;
    struct host *h = host_new();
    struct guest *alice = guest_enter(h, "alice"), *bob = guest_enter(h, "bob");
    struct guest *carol = guest_enter(h, "carol");
    participant_leave(alice->p, LEAVE_PARTICIPANT_REMOVED);
    assert_string_equal(guest_text(alice, NOTE_LEAVE), "4 0");
    assert_null(alice->p);
    assert_int_equal(carol->seen[0].reason, LEAVE_PARTICIPANT_REMOVED);
    participant_evict(bob->p, LEAVE_STATE_MISMATCH, LEAVE_RECONNECT, false);
    assert_string_equal(guest_text(bob, NOTE_LEAVE), "6 2");
    struct participant *p = carol->p;
    carol->session->over = true;
    carol->p = NULL;
    participant_evict(p, LEAVE_MIGRATION, LEAVE_RECONNECT, true);
    assert_int_equal(guest_count(carol, NOTE_LEAVE), 0);
    host_free(h);
}

static void who_does_not_connect_in_time_is_out(void **state)
{
    (void)state;
    struct host *h = host_new();
    struct guest_options o = guest_options("alice");
    struct guest *alice = guest_join(h, &o);
    o = guest_options("bob");
    struct guest *bob = guest_join(h, &o);
    guest_offer(bob);
    guest_state(bob, PEER_PUBLISHER, SFU_PEER_CONNECTING);
    host_run(h, MS(19900));
    assert_non_null(alice->p);
    host_run(h, MS(200));
    assert_string_equal(guest_text(alice, NOTE_LEAVE), "7 0"); /* JOIN_FAILURE */
    assert_string_equal(guest_text(bob, NOTE_LEAVE), "7 0");
    assert_int_equal(host_live(h, MEDIA_PEER), 0);
    host_free(h);
}

static void a_socket_lost_before_media_ends_the_participant(void **state)
{
    (void)state;
    struct host *h = host_new();
    struct guest *bob = guest_enter(h, "bob");
    struct guest_options o = guest_options("alice");
    struct guest *alice = guest_join(h, &o);
    guest_offer(alice);
    guest_lose_socket(alice);
    assert_null(guest_participant(alice));
    assert_int_equal(guest_count(alice, NOTE_LEAVE), 0);
    assert_int_equal(bob->seen[0].reason, LEAVE_SIGNAL_CLOSE);
    host_free(h);
}

static void a_lost_socket_is_waited_for(void **state)
{
    (void)state;
    struct host *h = host_new();
    struct guest *alice = guest_enter(h, "alice"), *bob = guest_enter(h, "bob");
    guest_lose_socket(alice);
    host_run(h, MS(29900));
    assert_non_null(guest_participant(alice));
    assert_non_null(guest_sees(bob, "alice"));
    host_run(h, MS(200));
    assert_null(guest_participant(alice));
    assert_null(guest_sees(bob, "alice"));
    host_free(h);
}

static void a_goodbye_of_the_media_side_without_a_socket_is_a_leave(void **state)
{
    (void)state;
    struct host *h = host_new();
    struct guest *alice = guest_enter(h, "alice"), *bob = guest_enter(h, "bob");
    guest_state(bob, PEER_PUBLISHER, SFU_PEER_CLOSED); /* a socket is there: it will say more */
    assert_non_null(bob->p);
    guest_lose_socket(alice);
    guest_state(alice, PEER_PUBLISHER, SFU_PEER_CLOSED);
    assert_null(guest_participant(alice));
    assert_null(guest_sees(bob, "alice"));
    host_free(h);
}

static void who_has_no_socket_leaves_with_its_media(void **state)
{
    (void)state;
    struct host *h = host_new();
    struct guest *bob = guest_enter(h, "bob");
    struct guest_options o = guest_options("encoder");
    o.no_signal = true; /* WHIP */
    struct guest *encoder = guest_enter_with(h, &o);
    struct track *cam = guest_publish(encoder, "cam", SOURCE_CAMERA);
    host_settle(h);
    assert_non_null(guest_receives(bob, cam));
    host_run(h, S(120)); /* nobody misses a socket that never was */
    assert_non_null(encoder->p);
    guest_state(encoder, PEER_PUBLISHER, SFU_PEER_CLOSED);
    assert_string_equal(guest_text(encoder, NOTE_LEAVE), "1 0");
    assert_null(guest_sees(bob, "encoder"));
    assert_int_equal(host_live(h, MEDIA_SUB), 0);
    /* and when it falls silent */
    encoder = guest_enter_with(h, &o);
    guest_state(encoder, PEER_PUBLISHER, SFU_PEER_FAILED);
    assert_string_equal(guest_text(encoder, NOTE_LEAVE), "14 1");
    host_run(h, S(6));
    assert_null(guest_sees(bob, "encoder"));
    host_free(h);
}

static void everybody_hears_that_the_server_stops(void **state)
{
    (void)state;
    struct host *h = host_new();
    struct guest *alice = guest_enter(h, "alice"), *bob = guest_enter(h, "bob");
    struct guest_options o = guest_options("carol");
    o.room = "other";
    o.two_connections = true;
    struct guest *carol = guest_enter_with(h, &o);
    guest_publish(alice, "cam", SOURCE_CAMERA);
    host_settle(h);
    guest_lose_socket(bob);
    guest_clear(alice);
    room_server_close(h->rooms, LEAVE_SERVER_SHUTDOWN, LEAVE_RECONNECT);
    assert_string_equal(guest_text(alice, NOTE_LEAVE), "3 2");
    assert_string_equal(guest_text(carol, NOTE_LEAVE), "3 2");
    assert_int_equal(guest_count(bob, NOTE_LEAVE), 0);
    assert_int_equal(guest_count(alice, NOTE_UPDATE), 0); /* all go: no word about each */
    assert_int_equal(h->rooms_finished, 2);
    host_run(h, S(1));
    host_free(h);
}

static void everybody_hears_that_the_room_is_deleted(void **state)
{
    (void)state;
    struct host *h = host_new();
    struct guest *alice = guest_enter(h, "alice"), *bob = guest_enter(h, "bob");
    guest_publish(alice, "cam", SOURCE_CAMERA);
    host_settle(h);
    struct guest_options o = guest_options("carol");
    o.room = "other";
    struct guest *carol = guest_enter_with(h, &o);
    room_delete(host_room(h), LEAVE_ROOM_DELETED);
    assert_string_equal(guest_text(alice, NOTE_LEAVE), "5 0");
    assert_string_equal(guest_text(bob, NOTE_LEAVE), "5 0");
    assert_null(host_room(h));
    assert_non_null(carol->p);
    host_check(h);
    /* the name is free again */
    alice = guest_enter(h, "alice");
    assert_non_null(host_room(h));
    host_free(h);
}

static void a_room_nobody_joins_closes_after_the_empty_timeout(void **state)
{
    (void)state;
    struct host *h = host_new();
    struct room *r;
    struct room_options o = {.empty_timeout_s = 60};
    assert_int_equal(room_create(h->rooms, "room", &o, &r), 0);
    host_run(h, MS(59900));
    assert_non_null(host_room(h));
    host_run(h, MS(200));
    assert_null(host_room(h));
    host_free(h);
}

static void a_room_everybody_left_closes_after_the_departure_timeout(void **state)
{
    (void)state;
    struct host *h = host_new();
    struct guest *alice = guest_enter(h, "alice");
    host_run(h, S(400)); /* longer than the empty timeout: it is not empty */
    assert_non_null(alice->p);
    guest_leave(alice);
    host_run(h, S(10));
    alice = guest_enter(h, "alice"); /* back in time: the clock starts over */
    host_run(h, S(15));
    guest_leave(alice);
    host_run(h, MS(19900));
    assert_non_null(host_room(h));
    host_run(h, MS(200));
    assert_null(host_room(h));
    assert_int_equal(h->rooms_finished, 1);
    host_free(h);
}

/* Agents and recorders: whoever attends only because others do. */
static struct guest *dependent(struct host *h, const char *identity, int how)
{
    struct guest_options o = guest_options(identity);
    o.kind = how == 0 ? PARTICIPANT_AGENT : how == 1 ? PARTICIPANT_EGRESS : PARTICIPANT_STANDARD;
    o.permission.recorder = how == 2;
    o.permission.agent = how == 3;
    return guest_enter_with(h, &o);
}

static void dependents_do_not_keep_a_room(void **state)
{
    (void)state;
    for (int how = 0; how < 4; how++) {
        struct host *h = host_new();
        struct guest *alice = guest_enter(h, "alice"), *robot = dependent(h, "robot", how);
        assert_int_equal(host_room(h)->participant_count, 1);
        guest_leave(alice);
        host_run(h, S(10));
        guest_leave(dependent(h, "another", how)); /* comings and goings of theirs change nothing */
        host_run(h, MS(9900));
        assert_non_null(host_room(h));
        host_run(h, MS(200));
        assert_string_equal(guest_text(robot, NOTE_LEAVE), "10 0"); /* ROOM_CLOSED */
        assert_null(host_room(h));
        host_free(h);
    }
}

static void dependents_in_a_room_nobody_joined_wait_the_empty_timeout(void **state)
{
    (void)state;
    for (int how = 0; how < 4; how++) {
        struct host *h = host_new();
        struct guest *robot = dependent(h, "robot", how);
        host_run(h, S(299));
        assert_non_null(robot->p);
        host_run(h, S(2));
        assert_null(host_room(h));
        host_free(h);
    }
}

static void recording_is_told_while_a_recorder_is_there(void **state)
{
    (void)state;
    struct host *h = host_new();
    struct guest *alice = guest_enter(h, "alice");
    guest_clear(alice);
    struct guest *recorder = dependent(h, "recorder", 2);
    assert_true(host_room(h)->active_recording);
    assert_int_equal(guest_count(alice, NOTE_ROOM), 1);
    guest_leave(recorder);
    assert_false(host_room(h)->active_recording);
    assert_int_equal(guest_count(alice, NOTE_ROOM), 2);
    host_free(h);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(leaving_ends_what_one_published_and_received),
        cmocka_unit_test(leaving_before_an_offer_leaves_nothing),
        cmocka_unit_test(an_evicted_guest_is_told_why_unless_quietly),
        cmocka_unit_test(who_does_not_connect_in_time_is_out),
        cmocka_unit_test(a_socket_lost_before_media_ends_the_participant),
        cmocka_unit_test(a_lost_socket_is_waited_for),
        cmocka_unit_test(a_goodbye_of_the_media_side_without_a_socket_is_a_leave),
        cmocka_unit_test(who_has_no_socket_leaves_with_its_media),
        cmocka_unit_test(everybody_hears_that_the_server_stops),
        cmocka_unit_test(everybody_hears_that_the_room_is_deleted),
        cmocka_unit_test(a_room_nobody_joins_closes_after_the_empty_timeout),
        cmocka_unit_test(a_room_everybody_left_closes_after_the_departure_timeout),
        cmocka_unit_test(dependents_do_not_keep_a_room),
        cmocka_unit_test(dependents_in_a_room_nobody_joined_wait_the_empty_timeout),
        cmocka_unit_test(recording_is_told_while_a_recorder_is_there),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
