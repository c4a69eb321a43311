/* Who receives what: manual subscriptions, permissions of the publisher, and the settings of a viewer. */
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
static struct guest *alice, *bob, *manual;
static struct track *cam, *mic;

static int three_guests(void **state)
{
    *state = h = host_new();
    alice = guest_enter(h, "alice");
    bob = guest_enter(h, "bob");
    struct guest_options o = guest_options("manual");
    o.manual = true;
    manual = guest_enter_with(h, &o);
    cam = guest_publish(alice, "cam", SOURCE_CAMERA);
    mic = guest_publish(alice, "mic", SOURCE_MICROPHONE);
    host_settle(h);
    guest_clear(alice);
    guest_clear(bob);
    guest_clear(manual);
    host_mark(h);
    return 0;
}

/* ---- manual subscription ---- */

static void nothing_comes_unless_it_is_asked_for(void **state)
{
    (void)state;
    assert_non_null(guest_receives(bob, cam));
    assert_null(guest_receives(manual, cam));
    participant_subscribe(manual->p, mic->sid, true);
    host_settle(h);
    assert_non_null(guest_receives(manual, mic));
    assert_null(guest_receives(manual, cam));
    participant_subscribe(manual->p, mic->sid, false);
    assert_null(guest_receives(manual, mic));
    host_settle(h);
    assert_null(guest_section(manual, mic));
}

static void an_unknown_track_is_waited_for(void **state)
{
    (void)state;
    participant_subscribe(manual->p, "TR_unknown", true);
    host_run(h, MS(59900));
    assert_int_equal(guest_count(manual, NOTE_SUB_FAILED), 0);
    host_run(h, MS(200));
    assert_string_equal(guest_text(manual, NOTE_SUB_FAILED), "TR_unknown NOT_FOUND");
    host_run(h, S(120));
    assert_int_equal(guest_count(manual, NOTE_SUB_FAILED), 1);
    /* called off in time */
    participant_subscribe(manual->p, "TR_unknown", true);
    participant_subscribe(manual->p, "TR_unknown", false);
    host_run(h, S(120));
    assert_int_equal(guest_count(manual, NOTE_SUB_FAILED), 1);
}

static void a_track_that_is_announced_only_can_be_asked_for(void **state)
{
    (void)state;
    guest_announce(alice, "screen", SOURCE_SCREEN_SHARE);
    struct track *screen = guest_track(alice, "screen");
    participant_subscribe(manual->p, screen->sid, true);
    host_run(h, S(30));
    guest_send(alice, "screen", TRACK_VIDEO);
    guest_offer(alice);
    host_settle(h);
    assert_non_null(guest_receives(manual, screen));
    host_run(h, S(60));
    assert_int_equal(guest_count(manual, NOTE_SUB_FAILED), 0);
}

static void a_wish_not_to_receive_is_kept(void **state)
{
    (void)state;
    participant_subscribe(bob->p, cam->sid, false);
    guest_lose_socket(bob);
    guest_resume(bob);
    host_settle(h);
    assert_null(guest_receives(bob, cam));
    participant_set_permission(bob->p, &bob->p->permission);
    host_settle(h);
    assert_null(guest_receives(bob, cam));
    assert_non_null(guest_receives(bob, mic));
}

static void wishes_end_with_their_tracks(void **state)
{
    (void)state;
    struct track_settings set = {.quality = QUALITY_LOW};
    participant_track_settings(bob->p, cam->sid, &set);
    participant_subscribe(manual->p, cam->sid, true);
    participant_track_settings(bob->p, mic->sid, &set);
    guest_unpublish(alice, "cam");
    assert_int_equal(HASH_COUNT(manual->p->priv->choices), 0);
    assert_int_equal(HASH_COUNT(bob->p->priv->choices), 1);
    guest_leave(alice);
    assert_int_equal(HASH_COUNT(bob->p->priv->choices), 0);
}

static void wishes_for_what_does_not_exist_are_bounded(void **state)
{
    (void)state;
    char sid[ROOM_SID_MAX];
    for (int i = 0; i < ROOM_CHOICES_MAX + 100; i++) {
        snprintf(sid, sizeof sid, "TR_%d", i);
        participant_subscribe(manual->p, sid, true);
    }
    participant_subscribe(manual->p, "TR_of_a_sid_that_is_too_long_for_one", true);
    assert_int_equal(HASH_COUNT(manual->p->priv->choices), ROOM_CHOICES_MAX);
    host_run(h, S(61));
    assert_int_equal(HASH_COUNT(manual->p->priv->choices), 0);
    participant_subscribe(manual->p, cam->sid, true);
    host_settle(h);
    assert_non_null(guest_receives(manual, cam));
}

/* ---- who the publisher lets ---- */

static void the_publisher_can_shut_everybody_out(void **state)
{
    (void)state;
    participant_subscription_permission(alice->p, false, NULL, 0);
    assert_null(guest_receives(bob, cam));
    assert_null(guest_receives(bob, mic));
    assert_int_equal(guest_count(bob, NOTE_SUB_PERMISSION), 2);
    assert_string_equal(guest_text(bob, NOTE_SUB_PERMISSION), "alice mic 0");
    host_settle(h);
    assert_null(guest_section(bob, cam));
    struct track *screen = guest_publish(alice, "screen", SOURCE_SCREEN_SHARE);
    host_settle(h);
    assert_null(guest_receives(bob, screen));
    guest_clear(bob);
    participant_subscription_permission(alice->p, true, NULL, 0);
    assert_int_equal(guest_count(bob, NOTE_SUB_PERMISSION), 3);
    host_settle(h);
    assert_non_null(guest_receives(bob, cam));
    assert_non_null(guest_receives(bob, mic));
    assert_non_null(guest_receives(bob, screen));
    assert_int_equal(guest_count(alice, NOTE_SUB_PERMISSION), 0);
}

static void the_publisher_can_name_who_may(void **state)
{
    (void)state;
    struct guest *carol = guest_enter(h, "carol"), *dave = guest_enter(h, "dave");
    host_settle(h);
    guest_clear(bob);
    const char *only_cam[] = {cam->sid};
    struct track_permission list[] = {{.identity = "bob", .all_tracks = true},
        {.sid = carol->sid, .track_sids = only_cam, .track_count = 1},
        {.identity = "", .sid = "", .all_tracks = true}};
    participant_subscription_permission(alice->p, false, list, 3);
    host_settle(h);
    assert_non_null(guest_receives(bob, cam));
    assert_non_null(guest_receives(bob, mic));
    assert_int_equal(guest_count(bob, NOTE_SUB_PERMISSION), 0); /* nothing changed for it */
    assert_non_null(guest_receives(carol, cam));
    assert_null(guest_receives(carol, mic));
    assert_string_equal(guest_text(carol, NOTE_SUB_PERMISSION), "alice mic 0");
    assert_null(guest_receives(dave, cam));
    /* it holds for who comes later, by identity */
    guest_leave(bob);
    guest_leave(dave);
    bob = guest_enter(h, "bob");
    dave = guest_enter(h, "dave");
    host_settle(h);
    assert_non_null(guest_receives(bob, cam));
    assert_null(guest_receives(dave, cam));
    /* each replaces the one before */
    list[0] = (struct track_permission){.identity = "dave", .all_tracks = true};
    participant_subscription_permission(alice->p, false, list, 1);
    host_settle(h);
    assert_null(guest_receives(bob, cam));
    assert_null(guest_receives(carol, cam));
    assert_non_null(guest_receives(dave, cam));
}

static void several_entries_for_one_person_add_up(void **state)
{
    (void)state;
    struct guest *carol = guest_enter(h, "carol"), *dave = guest_enter(h, "dave");
    const char *only_cam[] = {cam->sid}, *only_mic[] = {mic->sid};
    struct track_permission list[] = {{.identity = "bob", .track_sids = only_cam, .track_count = 1},
        {.identity = "zoe", .all_tracks = true},
        {.sid = bob->p->sid, .track_sids = only_mic, .track_count = 1}, {.identity = "bob"},
        {.identity = carol->p->sid, .all_tracks = true}, /* an identity is not a sid */
        {.sid = "dave", .all_tracks = true},
        {.identity = "adam", .sid = dave->p->sid, .track_sids = only_mic, .track_count = 1}};
    participant_subscription_permission(alice->p, false, list, sizeof list / sizeof *list);
    assert_true(participant_may_subscribe(bob->p, cam));
    assert_true(participant_may_subscribe(bob->p, mic));
    assert_false(participant_may_subscribe(carol->p, cam));
    assert_false(participant_may_subscribe(dave->p, cam));
    assert_true(participant_may_subscribe(dave->p, mic));
}

static void so_many_people_can_be_named(void **state)
{
    (void)state;
    static struct track_permission list[ROOM_PERMISSIONS_MAX + 1];
    for (int i = 0; i <= ROOM_PERMISSIONS_MAX; i++)
        list[i] = (struct track_permission){.identity = "nobody", .all_tracks = true};
    list[ROOM_PERMISSIONS_MAX - 1].identity = "bob";
    list[ROOM_PERMISSIONS_MAX].identity = "manual";
    participant_subscription_permission(alice->p, false, list, ROOM_PERMISSIONS_MAX + 1);
    assert_true(participant_may_subscribe(bob->p, cam));
    assert_false(participant_may_subscribe(manual->p, cam));
}

static void permission_and_wish_are_both_needed(void **state)
{
    (void)state;
    participant_subscription_permission(alice->p, false, NULL, 0);
    participant_subscribe(manual->p, cam->sid, true);
    host_settle(h);
    assert_null(guest_receives(manual, cam));
    participant_subscription_permission(alice->p, true, NULL, 0);
    host_settle(h);
    assert_non_null(guest_receives(manual, cam)); /* tried again when it became possible */
    assert_null(guest_receives(manual, mic));
}

static void nobody_receives_itself(void **state)
{
    (void)state;
    participant_subscribe(alice->p, cam->sid, true);
    host_settle(h);
    assert_null(guest_receives(alice, cam));
}

/* ---- settings ---- */

static void settings_reach_the_media_side(void **state)
{
    (void)state;
    const struct {
        struct track_settings set;
        bool paused;
        int8_t layer;
        uint8_t fps;
    } rows[] = {
        {{.quality = QUALITY_HIGH}, false, 2, 0},
        {{.quality = QUALITY_MEDIUM}, false, 1, 0},
        {{.quality = QUALITY_LOW, .fps = 15}, false, 0, 15},
        {{.disabled = true, .quality = QUALITY_LOW}, true, 0, 0},
        {{.width = 320, .height = 180}, false, 0, 0},
        {{.width = 321, .height = 181}, false, 1, 0}, /* at least that large */
        {{.width = 640, .height = 400}, false, 1, 0}, /* in one direction */
        {{.width = 5000, .height = 5000, .quality = QUALITY_LOW}, false, 2, 0},
        {{.quality = QUALITY_HIGH, .fps = 300}, false, 2, 0},
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        host_mark(h);
        participant_track_settings(bob->p, cam->sid, &rows[i].set);
        const struct media *sub = guest_receives(bob, cam);
        assert_int_equal(host_count(h, SFU_SUB_SET), 1);
        assert_int_equal(sub->paused, rows[i].paused);
        assert_int_equal(sub->max_layer, rows[i].layer);
        assert_int_equal(sub->max_fps, rows[i].fps);
    }
    assert_int_equal(guest_count(bob, NOTE_SECTIONS), 0); /* nothing to negotiate */
}

static void settings_before_the_subscription_are_kept_for_it(void **state)
{
    (void)state;
    struct track_settings off = {.disabled = true};
    participant_track_settings(manual->p, cam->sid, &off);
    participant_subscribe(manual->p, cam->sid, true);
    host_settle(h);
    assert_true(guest_receives(manual, cam)->paused);
    struct track_settings on = {.quality = QUALITY_MEDIUM};
    participant_track_settings(manual->p, cam->sid, &on);
    assert_false(guest_receives(manual, cam)->paused);
    assert_int_equal(guest_receives(manual, cam)->max_layer, 1);
    participant_track_settings(manual->p, "TR_unknown", &on); /* says nothing */
    host_run(h, S(70));
    assert_int_equal(guest_count(manual, NOTE_SUB_FAILED), 0);
}

static void an_adaptive_client_begins_small(void **state)
{
    (void)state;
    struct guest_options o = guest_options("carol");
    o.adaptive = true;
    struct guest *carol = guest_enter_with(h, &o);
    host_settle(h);
    assert_int_equal(guest_receives(carol, cam)->max_layer, 0);
    assert_false(guest_receives(carol, cam)->paused); /* but not with nothing */
    assert_int_equal(guest_receives(carol, mic)->max_layer, -1);
    assert_int_equal(guest_receives(bob, cam)->max_layer, -1);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, three_guests, host_end)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(nothing_comes_unless_it_is_asked_for),
        TEST(an_unknown_track_is_waited_for),
        TEST(a_track_that_is_announced_only_can_be_asked_for),
        TEST(a_wish_not_to_receive_is_kept),
        TEST(wishes_end_with_their_tracks),
        TEST(wishes_for_what_does_not_exist_are_bounded),
        TEST(the_publisher_can_shut_everybody_out),
        TEST(the_publisher_can_name_who_may),
        TEST(several_entries_for_one_person_add_up),
        TEST(so_many_people_can_be_named),
        TEST(permission_and_wish_are_both_needed),
        TEST(nobody_receives_itself),
        TEST(settings_reach_the_media_side),
        TEST(settings_before_the_subscription_are_kept_for_it),
        TEST(an_adaptive_client_begins_small),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
