/* News in big rooms: of those who publish nothing it is collected. */
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
static struct guest *alice;

static struct guest *silent(int i)
{
    char identity[16];
    snprintf(identity, sizeof identity, "g%d", i);
    struct guest_options o = guest_options(identity);
    o.no_data = true;
    o.audios = 1;
    o.videos = 0;
    return guest_enter_with(h, &o);
}

static int big_room(void **state)
{
    *state = h = host_new();
    alice = guest_enter(h, "alice");
    for (int i = 0; i < ROOM_BULK_MIN; i++)
        silent(i);
    host_settle(h);
    guest_clear(alice);
    return 0;
}

static void small_rooms_tell_at_once(void **state)
{
    (void)state;
    h = host_new();
    alice = guest_enter(h, "alice");
    for (int i = 0; i < ROOM_BULK_MIN - 2; i++)
        silent(i);
    assert_int_equal(guest_count(alice, NOTE_UPDATE), 2 * (ROOM_BULK_MIN - 2));
    host_free(h);
}

static void joins_are_collected(void **state)
{
    (void)state;
    struct guest *last = NULL;
    for (int i = 100; i < 120; i++)
        last = silent(i);
    assert_int_equal(guest_count(alice, NOTE_UPDATE), 0);
    assert_null(guest_sees(alice, "g100"));
    host_run(h, MS(300));
    assert_int_equal(guest_count(alice, NOTE_UPDATE), 1); /* of forty changes */
    for (int i = 100; i < 120; i++) {
        char identity[16];
        snprintf(identity, sizeof identity, "g%d", i);
        assert_int_equal(guest_sees(alice, identity)->state, PARTICIPANT_ACTIVE);
    }
    host_run(h, S(1));
    assert_int_equal(guest_count(alice, NOTE_UPDATE), 1);
    assert_non_null(guest_sees(last, "alice"));
}

static void the_larger_the_room_the_longer(void **state)
{
    (void)state;
    for (int i = 100; i < 250; i++)
        silent(i);
    host_run(h, S(1));
    guest_clear(alice);
    silent(300);
    host_run(h, MS(250));
    assert_int_equal(guest_count(alice, NOTE_UPDATE), 0);
    host_run(h, MS(200));
    assert_int_equal(guest_count(alice, NOTE_UPDATE), 1);
}

static void publishers_are_told_at_once(void **state)
{
    (void)state;
    struct guest *g = silent(100);
    struct track *mic = guest_publish(g, "mic", SOURCE_MICROPHONE);
    assert_int_equal(guest_count(alice, NOTE_UPDATE), 1);
    assert_non_null(guest_sees_track(alice, mic)); /* before any description that carries it */
    host_settle(h);
    assert_non_null(guest_receives(alice, mic));
    assert_int_equal(guest_count(alice, NOTE_UPDATE), 1); /* nothing is left to collect */
    participant_mute_track(g->p, mic->sid, true);
    assert_int_equal(guest_count(alice, NOTE_UPDATE), 2);
}

static void who_leaves_is_not_in_the_collection(void **state)
{
    (void)state;
    struct guest *g = silent(100);
    guest_leave(g);
    assert_string_equal(guest_text(alice, NOTE_UPDATE), "g100 DISCONNECTED");
    host_run(h, S(1));
    assert_int_equal(guest_count(alice, NOTE_UPDATE), 1);
    /* the only one whose news waited */
    guest_clear(alice);
    guest_leave(silent(101));
    silent(102);
    host_run(h, S(1));
    assert_string_equal(guest_text(alice, NOTE_UPDATE), "g102 ACTIVE");
}

static void oneself_does_not_wait(void **state)
{
    (void)state;
    struct guest *g = silent(100);
    host_run(h, S(1));
    guest_clear(g);
    guest_clear(alice);
    assert_int_equal(participant_update_metadata(g->p, "G", NULL, NULL, 0), REQUEST_OK);
    assert_string_equal(guest_sees(g, "g100")->name, "G");
    assert_int_equal(guest_count(alice, NOTE_UPDATE), 0);
    host_run(h, S(1));
    assert_string_equal(guest_sees(alice, "g100")->name, "G");
}

static void hidden_ones_are_not_collected(void **state)
{
    (void)state;
    struct guest_options o = guest_options("spy");
    o.permission.hidden = true;
    guest_enter_with(h, &o);
    host_run(h, S(1)); /* guests check that they see no hidden one */
    assert_int_equal(guest_count(alice, NOTE_UPDATE), 0);
}

static void who_comes_back_gets_all_of_it(void **state)
{
    (void)state;
    guest_lose_socket(alice);
    silent(100);
    guest_resume(alice); /* the news still waits: the list has it already */
    assert_non_null(guest_sees(alice, "g100"));
    host_run(h, S(1));
    assert_int_equal(guest_sees(alice, "g100")->state, PARTICIPANT_ACTIVE);
}

static void a_description_carries_only_what_its_reader_knows(void **state)
{
    (void)state;
    h = host_new();
    alice = guest_enter(h, "alice");
    struct guest_options o = guest_options("two");
    o.two_connections = true;
    struct guest *one = guest_enter(h, "one"), *two = guest_enter_with(h, &o);
    struct track *mic = guest_publish(alice, "mic", SOURCE_MICROPHONE);
    host_settle(h);
    for (int i = 0; i < 1000; i++) /* so many changes that the rest is collected */
        participant_mute_track(alice->p, mic->sid, i % 2 == 0);
    struct track *cam = guest_publish(alice, "cam", SOURCE_CAMERA);
    assert_null(guest_sees_track(one, cam));
    host_run(h, MS(20));
    assert_string_equal(guest_text(two, NOTE_OFFER), "3");
    assert_non_null(guest_sees_track(two, cam));
    assert_true(guest_act(one)); /* guests check it in each description */
    assert_non_null(guest_sees_track(one, cam));
    host_settle(h);
    host_free(h);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, big_room, host_end)

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(small_rooms_tell_at_once),
        cmocka_unit_test(a_description_carries_only_what_its_reader_knows),
        TEST(joins_are_collected),
        TEST(the_larger_the_room_the_longer),
        TEST(publishers_are_told_at_once),
        TEST(who_leaves_is_not_in_the_collection),
        TEST(oneself_does_not_wait),
        TEST(hidden_ones_are_not_collected),
        TEST(who_comes_back_gets_all_of_it),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
