/* Which layers a publisher is asked to send. */
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
static struct guest *alice, *bob;
static struct track *cam;

static int two_guests(void **state)
{
    *state = h = host_new();
    alice = guest_enter(h, "alice");
    bob = guest_enter(h, "bob");
    cam = guest_publish(alice, "cam", SOURCE_CAMERA);
    host_settle(h);
    host_run(h, S(6));
    guest_clear(alice);
    guest_clear(bob);
    return 0;
}

static void want(struct guest *g, enum video_quality q)
{
    struct track_settings set = {.quality = q, .disabled = q == QUALITY_OFF};
    participant_track_settings(g->p, cam->sid, &set);
}

static void all_layers_are_wanted_by_the_first_viewer(void **state)
{
    (void)state;
    struct track *screen = guest_publish(alice, "screen", SOURCE_SCREEN_SHARE);
    host_run(h, MS(20));
    guest_act(bob);
    assert_non_null(guest_receives(bob, screen));
    host_run(h, MS(450)); /* the publisher ties its track to the sid first */
    assert_int_equal(guest_count(alice, NOTE_DEMAND), 0);
    host_run(h, MS(150));
    assert_string_equal(guest_text(alice, NOTE_DEMAND), "screen vp8 111");
    host_run(h, S(30));
    assert_int_equal(guest_count(alice, NOTE_DEMAND), 1);
}

static void without_viewers_all_are_off_after_ten_seconds(void **state)
{
    (void)state;
    guest_leave(bob);
    guest_publish(alice, "screen", SOURCE_SCREEN_SHARE);
    host_run(h, MS(9900));
    assert_null(strstr(guest_text(alice, NOTE_DEMAND), "screen"));
    host_run(h, MS(200));
    assert_string_equal(guest_text(alice, NOTE_DEMAND), "screen vp8 000");
    struct guest *carol = guest_enter(h, "carol");
    host_settle(h);
    assert_non_null(carol->p);
    assert_string_equal(guest_text(alice, NOTE_DEMAND), "screen vp8 111");
}

static void less_is_told_when_it_lasts(void **state)
{
    (void)state;
    want(bob, QUALITY_LOW);
    host_run(h, MS(3300));
    assert_int_equal(guest_count(alice, NOTE_DEMAND), 0);
    host_run(h, MS(300));
    assert_string_equal(guest_text(alice, NOTE_DEMAND), "cam vp8 100");
    want(bob, QUALITY_MEDIUM);
    assert_string_equal(guest_text(alice, NOTE_DEMAND), "cam vp8 110"); /* more: at once */
    want(bob, QUALITY_OFF);
    host_run(h, S(3));
    want(bob, QUALITY_MEDIUM); /* it was only a moment */
    host_run(h, S(10));
    assert_int_equal(guest_count(alice, NOTE_DEMAND), 2);
    want(bob, QUALITY_OFF);
    host_run(h, S(3)); /* the wait begins anew */
    assert_int_equal(guest_count(alice, NOTE_DEMAND), 2);
    host_run(h, S(2));
    assert_string_equal(guest_text(alice, NOTE_DEMAND), "cam vp8 000");
    assert_int_equal(guest_count(alice, NOTE_DEMAND), 3);
}

static void the_highest_wish_of_all_counts(void **state)
{
    (void)state;
    struct guest *carol = guest_enter(h, "carol");
    host_settle(h);
    want(bob, QUALITY_LOW);
    want(carol, QUALITY_MEDIUM);
    host_run(h, S(6));
    assert_string_equal(guest_text(alice, NOTE_DEMAND), "cam vp8 110");
    guest_leave(carol);
    host_run(h, S(6));
    assert_string_equal(guest_text(alice, NOTE_DEMAND), "cam vp8 100");
    participant_subscribe(bob->p, cam->sid, false);
    host_run(h, S(6));
    assert_string_equal(guest_text(alice, NOTE_DEMAND), "cam vp8 000");
}

static void sizes_stand_for_layers(void **state)
{
    (void)state;
    struct track_settings set = {.width = 300, .height = 200};
    participant_track_settings(bob->p, cam->sid, &set);
    host_run(h, S(6));
    assert_string_equal(guest_text(alice, NOTE_DEMAND), "cam vp8 100");
    set.width = 600;
    set.height = 350;
    participant_track_settings(bob->p, cam->sid, &set);
    assert_string_equal(guest_text(alice, NOTE_DEMAND), "cam vp8 110");
    set.width = 4000;
    set.height = 3000;
    participant_track_settings(bob->p, cam->sid, &set);
    assert_string_equal(guest_text(alice, NOTE_DEMAND), "cam vp8 111");
}

static void an_adaptive_viewer_begins_with_the_lowest(void **state)
{
    (void)state;
    guest_leave(bob);
    struct guest_options o = guest_options("carol");
    o.adaptive = true;
    guest_enter_with(h, &o);
    host_settle(h);
    host_run(h, S(6));
    assert_string_equal(guest_text(alice, NOTE_DEMAND), "cam vp8 100");
}

static void muting_does_not_lower_demand(void **state)
{
    (void)state;
    participant_mute_track(alice->p, cam->sid, true);
    host_run(h, S(20));
    assert_int_equal(guest_count(alice, NOTE_DEMAND), 0);
}

static void who_cannot_decode_wants_nothing(void **state)
{
    (void)state;
    guest_leave(bob);
    struct guest_options o = guest_options("carol");
    o.without = PC_VP8;
    guest_enter_with(h, &o);
    host_settle(h);
    host_run(h, S(10));
    assert_string_equal(guest_text(alice, NOTE_DEMAND), "cam vp8 000");
}

static void a_publisher_that_was_away_is_told_again(void **state)
{
    (void)state;
    want(bob, QUALITY_LOW);
    host_run(h, S(6));
    assert_string_equal(guest_text(alice, NOTE_DEMAND), "cam vp8 100");
    guest_lose_socket(alice);
    want(bob, QUALITY_HIGH);
    host_run(h, S(1));
    guest_clear(alice);
    guest_resume(alice);
    assert_string_equal(guest_text(alice, NOTE_DEMAND), "cam vp8 111");
    host_run(h, S(10));
    assert_int_equal(guest_count(alice, NOTE_DEMAND), 1);
    want(bob, QUALITY_OFF);
    host_run(h, S(6));
    guest_resume(alice); /* what was sent to the old socket may be lost */
    host_run(h, S(6));
    assert_string_equal(guest_text(alice, NOTE_DEMAND), "cam vp8 000");
}

/* A publisher without the layer that is asked for is asked for the next better one, which is what the viewer
 * is sent. */
static void qualities_that_a_publisher_lacks_mean_the_next_better_one(void **state)
{
    (void)state;
    const struct {
        enum video_quality layers[2];
        const char *told[3]; /* for a viewer that wants low, medium, high */
    } rows[] = {
        {{QUALITY_LOW, QUALITY_MEDIUM}, {"two vp8 100", "two vp8 110", "two vp8 111"}},
        {{QUALITY_LOW, QUALITY_HIGH}, {"two vp8 100", "two vp8 111", "two vp8 111"}},
        {{QUALITY_MEDIUM, QUALITY_HIGH}, {"two vp8 110", "two vp8 110", "two vp8 111"}},
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        struct guest *carol = guest_enter(h, "carol");
        struct track_desc d = guest_desc("two", SOURCE_CAMERA);
        d.layer_count = 2;
        for (int k = 0; k < 2; k++)
            d.layers[k] = (struct track_layer){.quality = (uint8_t)rows[i].layers[k]};
        assert_int_equal(participant_add_track(carol->p, &d, NULL), REQUEST_OK);
        guest_send(carol, "two", TRACK_VIDEO)->rids = 2;
        guest_offer(carol);
        host_settle(h);
        struct track *two = guest_track(carol, "two");
        participant_subscribe(alice->p, two->sid, false);
        for (int q = QUALITY_LOW; q <= QUALITY_HIGH; q++) {
            struct track_settings set = {.quality = (enum video_quality)q};
            participant_track_settings(bob->p, two->sid, &set);
            host_run(h, S(6));
            assert_string_equal(guest_text(carol, NOTE_DEMAND), rows[i].told[q]);
        }
        guest_leave(carol);
    }
}

static void what_is_off_is_on_with_the_first_viewers_subscription(void **state)
{
    (void)state;
    guest_leave(bob);
    host_run(h, S(6));
    assert_string_equal(guest_text(alice, NOTE_DEMAND), "cam vp8 000");
    guest_clear(alice);
    struct guest_options o = guest_options("carol");
    struct guest *carol = guest_join(h, &o); /* it negotiates later */
    assert_string_equal(guest_text(alice, NOTE_DEMAND), "cam vp8 111");
    guest_leave(carol);
}

static void sizes_are_compared_with_what_the_publisher_has_by_now(void **state)
{
    (void)state;
    struct track_settings set = {.width = 600, .height = 350};
    participant_track_settings(bob->p, cam->sid, &set);
    host_run(h, S(6));
    assert_string_equal(guest_text(alice, NOTE_DEMAND), "cam vp8 110");
    const struct track_desc *d = &cam->desc;
    assert_int_equal(participant_update_video(alice->p, cam->sid, d->width / 4, d->height / 4), REQUEST_OK);
    assert_string_equal(guest_text(alice, NOTE_DEMAND), "cam vp8 111"); /* a smaller window is shared */
}

static void one_stream_with_all_layers_is_wanted_as_a_whole(void **state)
{
    (void)state;
    struct track_desc d = guest_desc("svc", SOURCE_CAMERA);
    assert_int_equal(participant_add_track(alice->p, &d, NULL), REQUEST_OK);
    guest_send(alice, "svc", TRACK_VIDEO)->rids = 0;
    guest_offer(alice);
    host_settle(h);
    struct track *svc = guest_track(alice, "svc");
    assert_false(svc->simulcast);
    host_run(h, S(1));
    assert_string_equal(guest_text(alice, NOTE_DEMAND), "svc vp8 111");
    struct track_settings off = {.disabled = true}, low = {.quality = QUALITY_LOW},
                          none = {.quality = QUALITY_OFF};
    participant_track_settings(bob->p, svc->sid, &off);
    host_run(h, S(5));
    assert_string_equal(guest_text(alice, NOTE_DEMAND), "svc vp8 000");
    participant_track_settings(bob->p, svc->sid, &low); /* clients send all of it when any is wanted */
    assert_string_equal(guest_text(alice, NOTE_DEMAND), "svc vp8 100");
    participant_track_settings(bob->p, svc->sid, &none);
    host_run(h, S(5));
    assert_string_equal(guest_text(alice, NOTE_DEMAND), "svc vp8 000");
}

static void sound_has_no_layers(void **state)
{
    (void)state;
    guest_publish(alice, "mic", SOURCE_MICROPHONE);
    host_settle(h);
    host_run(h, S(20));
    assert_int_equal(guest_count(alice, NOTE_DEMAND), 0);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, two_guests, host_end)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(all_layers_are_wanted_by_the_first_viewer),
        TEST(without_viewers_all_are_off_after_ten_seconds),
        TEST(less_is_told_when_it_lasts),
        TEST(the_highest_wish_of_all_counts),
        TEST(sizes_stand_for_layers),
        TEST(an_adaptive_viewer_begins_with_the_lowest),
        TEST(muting_does_not_lower_demand),
        TEST(who_cannot_decode_wants_nothing),
        TEST(a_publisher_that_was_away_is_told_again),
        TEST(qualities_that_a_publisher_lacks_mean_the_next_better_one),
        TEST(what_is_off_is_on_with_the_first_viewers_subscription),
        TEST(sizes_are_compared_with_what_the_publisher_has_by_now),
        TEST(one_stream_with_all_layers_is_wanted_as_a_whole),
        TEST(sound_has_no_layers),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
