/* A participant that changes without end costs the others no more than a few messages. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>
#include "room/internal.h"
#include "support/room_guest.h"

static struct host *h;
static struct guest *alice, *bob;
static struct track *mic;

static int enter(void **state)
{
    *state = h = host_new();
    alice = guest_enter(h, "alice");
    bob = guest_enter(h, "bob");
    mic = guest_publish(alice, "mic", SOURCE_MICROPHONE);
    host_settle(h);
    host_run(h, S(10)); /* what joining took is forgotten */
    guest_clear(alice);
    guest_clear(bob);
    return 0;
}

static void mutes(unsigned n)
{
    for (unsigned i = 0; i < n; i++)
        assert_int_equal(participant_mute_track(alice->p, mic->sid, !mic->desc.muted), REQUEST_OK);
}

static void the_first_changes_are_told_at_once(void **state)
{
    (void)state;
    mutes(ROOM_NEWS_BURST);
    assert_int_equal(guest_count(bob, NOTE_UPDATE), ROOM_NEWS_BURST);
}

static void a_flood_is_collected_and_its_end_is_known(void **state)
{
    (void)state;
    mutes(1001);
    assert_int_equal(guest_count(bob, NOTE_UPDATE), ROOM_NEWS_BURST);
    assert_int_equal(guest_count(alice, NOTE_UPDATE), 1001); /* each is an answer to itself */
    host_run(h, MS(250));
    assert_int_equal(guest_count(bob, NOTE_UPDATE), ROOM_NEWS_BURST + 1);
    assert_true(guest_sees_track(bob, mic)->muted);
    guest_clear(bob);
    for (int i = 0; i < 100; i++) {
        mutes(101);
        host_run(h, MS(100));
    }
    assert_in_range(
        guest_count(bob, NOTE_UPDATE), 50, 250); /* ten seconds: some ten in each, and ten collected */
    host_run(h, S(1));
    assert_true(guest_sees_track(bob, mic)->muted == mic->desc.muted);
}

static void whoever_calms_down_is_told_of_at_once_again(void **state)
{
    (void)state;
    mutes(1000);
    host_run(h, S(10));
    guest_clear(bob);
    mutes(3);
    assert_int_equal(guest_count(bob, NOTE_UPDATE), 3);
}

static void a_leaver_is_told_of_at_once_whatever_went_before(void **state)
{
    (void)state;
    mutes(1000);
    guest_leave(alice);
    assert_null(guest_sees(bob, "alice"));
    host_run(h, S(1));
    assert_null(guest_sees(bob, "alice"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(the_first_changes_are_told_at_once, enter, host_end),
        cmocka_unit_test_setup_teardown(a_flood_is_collected_and_its_end_is_known, enter, host_end),
        cmocka_unit_test_setup_teardown(whoever_calms_down_is_told_of_at_once_again, enter, host_end),
        cmocka_unit_test_setup_teardown(a_leaver_is_told_of_at_once_whatever_went_before, enter, host_end),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
