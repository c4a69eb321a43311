/* Joining: who gets in, what it finds, what others learn, and the limits. */
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

static void the_first_one_makes_the_room(void **state)
{
    (void)state;
    struct host *h = host_new();
    assert_null(host_room(h));
    struct guest_options o = guest_options("alice");
    struct guest *alice = guest_join(h, &o);
    assert_int_equal(h->rooms_started, 1);
    assert_int_equal(alice->p->state, PARTICIPANT_JOINED);
    assert_string_equal(h->last_watched, "alice JOINED");
    assert_memory_equal(alice->p->sid, "PA_", 3);
    assert_memory_equal(host_room(h)->sid, "RM_", 3);
    assert_int_equal(host_room(h)->participant_count, 1);
    assert_int_equal(host_room(h)->publisher_count, 0);
    assert_int_equal(alice->note_count, 0); /* single connection: it makes the first move */
    host_free(h);
}

static void others_hear_of_every_step(void **state)
{
    (void)state;
    struct host *h = host_new();
    struct guest *alice = guest_enter(h, "alice");
    guest_clear(alice);
    struct guest_options o = guest_options("bob");
    o.name = "Bob";
    o.metadata = "m";
    struct guest *bob = guest_join(h, &o);
    assert_string_equal(guest_text(alice, NOTE_UPDATE), "bob JOINED");
    assert_string_equal(guest_sees(alice, "bob")->name, "Bob");
    assert_string_equal(guest_sees(alice, "bob")->metadata, "m");
    assert_int_equal(guest_sees(bob, "alice")->state, PARTICIPANT_ACTIVE);
    guest_offer(bob);
    guest_connect(bob);
    assert_string_equal(guest_text(alice, NOTE_UPDATE), "bob ACTIVE");
    assert_int_equal(guest_count(alice, NOTE_UPDATE), 2);
    assert_int_equal(guest_count(bob, NOTE_UPDATE), 0); /* changes of state are no news to oneself */
    guest_leave(bob);
    assert_string_equal(guest_text(alice, NOTE_UPDATE), "bob DISCONNECTED");
    assert_null(guest_sees(alice, "bob"));
    host_check(h);
    host_free(h);
}

static void nobody_is_told_of_a_join_before_its_response(void **state)
{
    (void)state;
    struct host *h = host_new();
    struct guest *alice = guest_enter(h, "alice");
    guest_clear(alice);
    struct participant_join j = {.room = "room", .identity = "carol", .single_connection = true};
    struct participant *p;
    assert_int_equal(participant_join(h->rooms, &j, &p), 0);
    assert_int_equal(p->state, PARTICIPANT_JOINING);
    assert_int_equal(alice->note_count, alice->first);
    participant_leave(p, LEAVE_JOIN_FAILURE);
    assert_int_equal(guest_count(alice, NOTE_UPDATE), 0);
    host_free(h);
}

static void too_early(void *arg, struct participant *const *list, size_t n)
{
    (void)arg;
    (void)list;
    (void)n;
    fail();
}

static void nothing_is_told_before_the_own_join_response(void **state)
{
    (void)state;
    static const struct participant_ops ops = {.update = too_early};
    struct host *h = host_new();
    struct guest *alice = guest_enter(h, "alice");
    struct participant_join j = {.room = "room", .identity = "carol", .single_connection = true, .ops = &ops};
    struct participant *p;
    assert_int_equal(participant_join(h->rooms, &j, &p), 0);
    guest_publish(alice, "cam", SOURCE_CAMERA);
    host_run(h, S(1));
    participant_leave(p, LEAVE_CLIENT_INITIATED);
    host_free(h);
}

static void a_second_session_replaces_the_first(void **state)
{
    (void)state;
    struct host *h = host_new();
    struct guest *first = guest_enter(h, "alice");
    struct guest *bob = guest_enter(h, "bob");
    struct guest_options o = guest_options("carol");
    o.protocol = 11;
    struct guest *carol = guest_enter_with(h, &o);
    guest_publish(first, "cam", SOURCE_CAMERA);
    host_settle(h);
    guest_clear(bob);
    guest_clear(carol);
    struct guest *second = guest_enter(h, "alice");
    assert_string_equal(guest_text(first, NOTE_LEAVE), "2 0"); /* DUPLICATE_IDENTITY, DISCONNECT */
    assert_string_not_equal(first->sid, second->sid);
    /* the newer protocol tells by the identity, the older needs to be told */
    assert_int_equal(guest_count(bob, NOTE_UPDATE), 2);
    assert_string_equal(guest_text(bob, NOTE_UPDATE), "alice ACTIVE");
    assert_int_equal(guest_count(carol, NOTE_UPDATE), 3);
    const struct note *gone = &carol->notes[carol->first];
    while (gone->kind != NOTE_UPDATE)
        gone++;
    assert_string_equal(gone->text, "alice DISCONNECTED");
    assert_int_equal(carol->seen[0].reason, LEAVE_DUPLICATE_IDENTITY);
    /* the old one hears of it before anybody sees the new one */
    assert_true(guest_last(first, NOTE_LEAVE)->seq < gone->seq);
    assert_true(gone->seq < guest_last(bob, NOTE_UPDATE)->seq);
    assert_int_equal(host_live(h, MEDIA_TRACK), 0);
    assert_int_equal(host_room(h)->participant_count, 3);
    assert_ptr_equal(room_participant(host_room(h), "alice"), second->p);
    host_check(h);
    host_free(h);
}

static void a_refused_join_does_not_evict(void **state)
{
    (void)state;
    struct host *h = host_new();
    struct guest *alice = guest_enter(h, "alice"), *other;
    struct attribute big = {.key = (char[]){"k"}, .value = calloc(1, 70000)};
    memset(big.value, 'v', 69999);
    struct guest_options o = guest_options("alice");
    o.attributes = &big;
    o.attribute_count = 1;
    assert_int_equal(guest_try(h, &o, &other), -ENAMETOOLONG);
    assert_int_equal(guest_count(alice, NOTE_LEAVE), 0);
    host_check(h);
    free(big.value);
    host_free(h);
}

static void a_refused_join_makes_no_room(void **state)
{
    (void)state;
    struct host *h = host_new();
    struct guest *g;
    struct attribute big = {.key = (char[]){"k"}, .value = calloc(1, 70000)};
    memset(big.value, 'v', 69999);
    struct guest_options o = guest_options("alice");
    o.attributes = &big;
    o.attribute_count = 1;
    assert_int_equal(guest_try(h, &o, &g), -ENAMETOOLONG);
    assert_null(host_room(h));
    assert_int_equal(h->rooms_started, 0);
    free(big.value);
    host_free(h);
}

static void limits_are_kept(void **state)
{
    (void)state;
    struct host *h = host_new();
    h->cfg.limits.identity_bytes = h->cfg.limits.name_bytes = h->cfg.limits.room_name_bytes = 8;
    h->cfg.limits.metadata_bytes = 4;
    h->cfg.limits.attributes_bytes = 6;
    struct guest *g;
    struct attribute fits[] = {
        {.key = (char[]){"a"}, .value = (char[]){"12"}}, {.key = (char[]){"b"}, .value = (char[]){"34"}}};
    struct guest_options ok = guest_options("12345678");
    ok.name = "12345678";
    ok.metadata = "1234";
    ok.attributes = fits;
    ok.attribute_count = 2;
    ok.room = "12345678";
    struct guest_options o = ok;
    o.identity = "123456789";
    assert_int_equal(guest_try(h, &o, &g), -ENAMETOOLONG);
    o = ok;
    o.identity = "";
    assert_int_equal(guest_try(h, &o, &g), -EINVAL);
    o = ok;
    o.room = "";
    assert_int_equal(guest_try(h, &o, &g), -EINVAL);
    o = ok;
    o.room = "123456789";
    assert_int_equal(guest_try(h, &o, &g), -ENAMETOOLONG);
    o = ok;
    o.name = "123456789";
    assert_int_equal(guest_try(h, &o, &g), -ENAMETOOLONG);
    o = ok;
    o.metadata = "12345";
    assert_int_equal(guest_try(h, &o, &g), -ENAMETOOLONG);
    o = ok;
    fits[1].value = (char[]){"345"};
    assert_int_equal(guest_try(h, &o, &g), -ENAMETOOLONG);
    fits[1].value = (char[]){"34"};
    assert_int_equal(h->rooms_started, 0);
    assert_int_equal(guest_try(h, &ok, &g), 0);
    assert_string_equal(attributes_get(&g->p->attributes, "b"), "34");
    host_free(h);
}

static void a_full_room_takes_nobody_but_replacements_and_dependents(void **state)
{
    (void)state;
    struct host *h = host_new();
    h->cfg.room.max_participants = 2;
    guest_enter(h, "alice");
    guest_enter(h, "bob");
    struct guest_options o = guest_options("carol");
    struct guest *g;
    assert_int_equal(guest_try(h, &o, &g), -EUSERS);
    o.kind = PARTICIPANT_AGENT;
    assert_int_equal(guest_try(h, &o, &g), 0);
    o = guest_options("recorder");
    o.permission.recorder = true;
    assert_int_equal(guest_try(h, &o, &g), 0);
    o = guest_options("alice");
    assert_int_equal(guest_try(h, &o, &g), 0);
    assert_int_equal(host_room(h)->participant_count, 2);
    guest_leave(g);
    o = guest_options("carol");
    assert_int_equal(guest_try(h, &o, &g), 0);
    host_free(h);
}

static void without_auto_create_a_room_must_be_there(void **state)
{
    (void)state;
    struct host *h = host_new();
    struct guest_options o = guest_options("alice");
    o.may_not_create = true;
    struct guest *g;
    assert_int_equal(guest_try(h, &o, &g), -ENOENT);
    struct room_options ro = {.metadata = "hello"};
    struct room *r;
    assert_int_equal(room_create(h->rooms, "room", &ro, &r), 0);
    assert_int_equal(guest_try(h, &o, &g), 0);
    assert_ptr_equal(g->p->room, r);
    host_free(h);
}

static void the_server_takes_so_many_rooms(void **state)
{
    (void)state;
    struct host *h = host_new();
    h->cfg.room.max_rooms = 1;
    guest_enter(h, "alice");
    struct guest_options o = guest_options("bob");
    o.room = "other";
    struct guest *g;
    assert_int_equal(guest_try(h, &o, &g), -ENOSPC);
    o.room = "room";
    assert_int_equal(guest_try(h, &o, &g), 0);
    host_free(h);
}

static void creating_a_room_again_changes_what_is_named(void **state)
{
    (void)state;
    struct host *h = host_new();
    struct room *r, *again;
    struct room_options o = {.metadata = "one", .empty_timeout_s = 7, .max_participants = 3};
    assert_int_equal(room_create(h->rooms, "room", &o, &r), 0);
    assert_int_equal(r->departure_timeout_s, 20);
    struct guest *alice = guest_enter(h, "alice");
    guest_clear(alice);
    struct room_options more = {.metadata = "two", .departure_timeout_s = 9};
    assert_int_equal(room_create(h->rooms, "room", &more, &again), 0);
    assert_ptr_equal(r, again);
    assert_int_equal(r->empty_timeout_s, 7);
    assert_int_equal(r->departure_timeout_s, 9);
    assert_int_equal(r->max_participants, 3);
    assert_string_equal(r->metadata, "two");
    assert_int_equal(guest_count(alice, NOTE_ROOM), 1); /* metadata is news */
    h->cfg.limits.metadata_bytes = 3;
    assert_int_equal(room_set_metadata(r, "four"), -ENAMETOOLONG);
    more.metadata = "four";
    assert_int_equal(room_create(h->rooms, "room", &more, &again), -ENAMETOOLONG);
    assert_int_equal(room_create(h->rooms, "", &more, &again), -EINVAL);
    host_free(h);
}

static void counts_are_told_at_most_every_five_seconds(void **state)
{
    (void)state;
    struct host *h = host_new();
    struct guest *alice = guest_enter(h, "alice");
    host_run(h, S(6));
    guest_clear(alice);
    guest_enter(h, "bob");
    host_run(h, MS(200));
    assert_string_equal(guest_text(alice, NOTE_ROOM), "2 0");
    guest_enter(h, "carol");
    guest_enter(h, "dave");
    host_run(h, MS(4700));
    assert_int_equal(guest_count(alice, NOTE_ROOM), 1);
    host_run(h, MS(300));
    assert_int_equal(guest_count(alice, NOTE_ROOM), 2);
    assert_string_equal(guest_text(alice, NOTE_ROOM), "4 0");
    host_run(h, S(20));
    assert_int_equal(guest_count(alice, NOTE_ROOM), 2);
    host_free(h);
}

static void hidden_ones_are_seen_by_nobody_and_see_everybody(void **state)
{
    (void)state;
    struct host *h = host_new();
    struct guest *alice = guest_enter(h, "alice");
    struct track *cam = guest_publish(alice, "cam", SOURCE_CAMERA);
    guest_clear(alice);
    struct guest_options o = guest_options("spy");
    o.permission.hidden = true;
    struct guest *spy = guest_enter_with(h, &o);
    host_settle(h);
    assert_non_null(guest_receives(spy, cam));
    assert_int_equal(guest_count(alice, NOTE_UPDATE), 0);
    assert_null(guest_sees(alice, "spy"));
    assert_int_equal(host_room(h)->participant_count, 1);
    /* what it publishes reaches nobody */
    struct track *mic = guest_publish(spy, "mic", SOURCE_MICROPHONE);
    host_settle(h);
    assert_null(guest_receives(alice, mic));
    assert_false(participant_may_subscribe(alice->p, mic));
    participant_subscription_permission(spy->p, false, NULL, 0);
    assert_int_equal(guest_count(alice, NOTE_SUB_PERMISSION), 0); /* about whom it does not know */
    guest_lose_socket(spy);
    guest_resume(spy);
    assert_non_null(guest_sees(spy, "spy"));
    guest_leave(spy);
    assert_int_equal(guest_count(alice, NOTE_UPDATE), 0);
    host_free(h);
}

static void workers_share_the_participants(void **state)
{
    (void)state;
    struct host *h = host_new();
    unsigned used[3] = {0};
    struct guest *g[6];
    for (int i = 0; i < 6; i++) {
        char identity[8];
        snprintf(identity, sizeof identity, "g%d", i);
        struct guest_options o = guest_options(identity);
        o.two_connections = i % 2;
        g[i] = guest_enter_with(h, &o);
        used[g[i]->p->publisher->worker]++;
        assert_int_equal(g[i]->p->publisher->worker, g[i]->p->subscriber->worker);
    }
    assert_true(used[0] && used[1] && used[2]);
    /* the first character of the user name tells the worker */
    static const char chars[] = "ABC";
    for (int i = 0; i < 6; i++)
        assert_int_equal(
            host_media(h, g[i]->p->publisher->number)->ice.local_ufrag[0], chars[g[i]->p->publisher->worker]);
    host_check(h);
    host_free(h);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_first_one_makes_the_room),
        cmocka_unit_test(others_hear_of_every_step),
        cmocka_unit_test(nobody_is_told_of_a_join_before_its_response),
        cmocka_unit_test(nothing_is_told_before_the_own_join_response),
        cmocka_unit_test(a_second_session_replaces_the_first),
        cmocka_unit_test(a_refused_join_does_not_evict),
        cmocka_unit_test(a_refused_join_makes_no_room),
        cmocka_unit_test(limits_are_kept),
        cmocka_unit_test(a_full_room_takes_nobody_but_replacements_and_dependents),
        cmocka_unit_test(without_auto_create_a_room_must_be_there),
        cmocka_unit_test(the_server_takes_so_many_rooms),
        cmocka_unit_test(creating_a_room_again_changes_what_is_named),
        cmocka_unit_test(counts_are_told_at_most_every_five_seconds),
        cmocka_unit_test(hidden_ones_are_seen_by_nobody_and_see_everybody),
        cmocka_unit_test(workers_share_the_participants),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
