/* Connection quality, and which layers a publisher is asked to send. */
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
    (void)state;
    h = host_new();
    alice = guest_enter(h, "alice");
    bob = guest_enter(h, "bob");
    cam = guest_publish(alice, "cam", SOURCE_CAMERA);
    host_settle(h);
    host_run(h, S(6));
    guest_clear(alice);
    guest_clear(bob);
    return 0;
}

static int done(void **state)
{
    (void)state;
    host_check(h);
    host_free(h);
    return 0;
}

/* ---- quality ---- */

static void report(const struct guest *g, float loss, uint32_t rtt_ms, uint32_t jitter_ms)
{
    struct sfu_event e = {.type = SFU_EVENT_PEER_QUALITY, .peer = guest_participant(g)->publisher->number};
    e.quality.loss = loss;
    e.quality.rtt_ms = rtt_ms;
    e.quality.jitter_ms = jitter_ms;
    room_server_event(h->rooms, &e);
}

static void newcomers_are_excellent(void **state)
{
    (void)state;
    struct guest *carol = guest_enter(h, "carol");
    host_settle(h);
    host_run(h, S(6));
    assert_string_equal(guest_text(carol, NOTE_QUALITY), "alice EXCELLENT, carol EXCELLENT");
    assert_int_equal(guest_count(carol, NOTE_QUALITY), 1);
    assert_int_equal(guest_count(alice, NOTE_QUALITY), 0); /* she receives nothing of carol's */
    host_run(h, S(30));
    assert_int_equal(guest_count(carol, NOTE_QUALITY), 1);
}

static void who_connects_late_is_told_then(void **state)
{
    (void)state;
    struct guest_options o = guest_options("carol");
    struct guest *carol = guest_join(h, &o);
    guest_offer(carol);
    host_run(h, S(7));
    assert_int_equal(guest_count(carol, NOTE_QUALITY), 0);
    guest_connect(carol);
    host_run(h, S(6));
    assert_int_equal(guest_count(carol, NOTE_QUALITY), 1);
}

static void changes_are_told_to_oneself_and_to_subscribers_within_five_seconds(void **state)
{
    (void)state;
    const struct {
        float loss;
        uint32_t rtt_ms, jitter_ms;
        const char *word;
    } rows[] = {{0.04f, 20, 5, "EXCELLENT"}, {0.06f, 20, 5, "GOOD"}, {0.14f, 50, 5, "GOOD"},
        {0.16f, 50, 5, "POOR"}, {0.5f, 50, 5, "LOST"}, {0, 1200, 20, "POOR"}, {0, 800, 20, "GOOD"},
        {0, 0, 0, "EXCELLENT"}};
    const char *before = "EXCELLENT";
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        guest_clear(alice);
        guest_clear(bob);
        report(alice, rows[i].loss, rows[i].rtt_ms, rows[i].jitter_ms);
        host_run(h, S(5));
        char text[32];
        snprintf(text, sizeof text, "alice %s", rows[i].word);
        bool changed = strcmp(before, rows[i].word) != 0;
        assert_string_equal(guest_text(alice, NOTE_QUALITY), changed ? text : "(none)");
        assert_string_equal(guest_text(bob, NOTE_QUALITY), changed ? text : "(none)");
        before = rows[i].word;
    }
}

static void older_clients_do_not_know_what_lost_is(void **state)
{
    (void)state;
    struct guest_options o = guest_options("old");
    o.protocol = 10;
    struct guest *old = guest_enter_with(h, &o);
    host_settle(h);
    host_run(h, S(6));
    report(alice, 0.9f, 0, 0);
    host_run(h, S(5));
    assert_string_equal(guest_text(old, NOTE_QUALITY), "alice POOR");
    assert_string_equal(guest_text(bob, NOTE_QUALITY), "alice LOST");
}

static void silent_media_is_lost(void **state)
{
    (void)state;
    guest_state(alice, PEER_PUBLISHER, SFU_PEER_DISCONNECTED);
    host_run(h, S(5));
    assert_string_equal(guest_text(bob, NOTE_QUALITY), "alice LOST");
    guest_state(alice, PEER_PUBLISHER, SFU_PEER_CONNECTED);
    report(alice, 0, 20, 5);
    host_run(h, S(5));
    assert_string_equal(guest_text(bob, NOTE_QUALITY), "alice EXCELLENT");
}

static void who_was_away_is_told_the_qualities(void **state)
{
    (void)state;
    guest_lose_socket(bob);
    report(alice, 0.06f, 20, 5);
    host_run(h, S(6));
    guest_clear(bob);
    guest_resume(bob);
    host_run(h, S(5));
    assert_string_equal(guest_text(bob, NOTE_QUALITY), "alice GOOD, bob EXCELLENT");
}

/* ---- demand ---- */

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
    host_run(h, MS(4800));
    assert_int_equal(guest_count(alice, NOTE_DEMAND), 0);
    host_run(h, MS(300));
    assert_string_equal(guest_text(alice, NOTE_DEMAND), "cam vp8 100");
    want(bob, QUALITY_MEDIUM);
    assert_string_equal(guest_text(alice, NOTE_DEMAND), "cam vp8 110"); /* more: at once */
    want(bob, QUALITY_OFF);
    host_run(h, S(4));
    want(bob, QUALITY_MEDIUM); /* it was only a moment */
    host_run(h, S(10));
    assert_int_equal(guest_count(alice, NOTE_DEMAND), 2);
    want(bob, QUALITY_OFF);
    host_run(h, S(4)); /* the wait begins anew */
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

static void sound_has_no_layers(void **state)
{
    (void)state;
    guest_publish(alice, "mic", SOURCE_MICROPHONE);
    host_settle(h);
    host_run(h, S(20));
    assert_int_equal(guest_count(alice, NOTE_DEMAND), 0);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, two_guests, done)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(newcomers_are_excellent),
        TEST(who_connects_late_is_told_then),
        TEST(changes_are_told_to_oneself_and_to_subscribers_within_five_seconds),
        TEST(older_clients_do_not_know_what_lost_is),
        TEST(silent_media_is_lost),
        TEST(who_was_away_is_told_the_qualities),
        TEST(all_layers_are_wanted_by_the_first_viewer),
        TEST(without_viewers_all_are_off_after_ten_seconds),
        TEST(less_is_told_when_it_lasts),
        TEST(the_highest_wish_of_all_counts),
        TEST(sizes_stand_for_layers),
        TEST(an_adaptive_viewer_begins_with_the_lowest),
        TEST(muting_does_not_lower_demand),
        TEST(who_cannot_decode_wants_nothing),
        TEST(a_publisher_that_was_away_is_told_again),
        TEST(sound_has_no_layers),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
