/* Connection quality: how it is reckoned, and who is told. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>
#include <stdio.h>
#include <string.h>
#include <math.h>
#include "room/connection_quality.h"
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
    } rows[] = {{0.015f, 20, 5, "EXCELLENT"}, {0.025f, 20, 5, "GOOD"}, {0.055f, 50, 5, "GOOD"},
        {0.065f, 50, 5, "POOR"}, {0.5f, 50, 5, "LOST"}, {0, 1200, 20, "POOR"}, {0, 800, 20, "GOOD"},
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
    report(alice, 0.03f, 20, 5);
    host_run(h, S(6));
    guest_clear(bob);
    guest_resume(bob);
    host_run(h, S(5));
    assert_string_equal(guest_text(bob, NOTE_QUALITY), "alice GOOD, bob EXCELLENT");
}

static void told_layer(const struct guest *g, int layer)
{
    list_for_each(l, &guest_participant(g)->subscriptions)
    {
        struct subscription *s = list_entry(l, struct subscription, by_subscriber);
        if (s->track != cam)
            continue;
        struct sfu_event e = {.type = SFU_EVENT_SUB_LIVE, .track = cam->id, .sub = s->number};
        room_server_event(h->rooms, &e);
        e.type = SFU_EVENT_SUB_LAYER;
        e.layer.layer = (int8_t)layer;
        room_server_event(h->rooms, &e);
    }
}

static void told_arriving(const struct track *t, unsigned layers)
{
    struct sfu_event e = {.type = SFU_EVENT_TRACK_LAYERS, .track = t->id};
    e.layers.active = (uint8_t)layers;
    room_server_event(h->rooms, &e);
}

static void report_viewer(const struct guest *g)
{
    struct sfu_event e = {.type = SFU_EVENT_PEER_QUALITY, .peer = guest_participant(g)->subscriber->number};
    room_server_event(h->rooms, &e);
}

static void a_smaller_picture_than_wanted_counts_when_it_lasts(void **state)
{
    (void)state;
    told_layer(bob, 0);
    told_arriving(cam, 1);
    for (int i = 0; i < 4; i++)
        report_viewer(bob); /* there is no more */
    host_run(h, S(5));
    assert_string_equal(guest_text(bob, NOTE_QUALITY), "(none)");
    told_arriving(cam, 7);
    report_viewer(bob);
    host_run(h, S(5));
    assert_string_equal(guest_text(bob, NOTE_QUALITY), "(none)");
    report_viewer(bob);
    host_run(h, S(5));
    assert_string_equal(guest_text(bob, NOTE_QUALITY), "alice EXCELLENT, bob GOOD");
    struct track_settings set = {.quality = QUALITY_LOW}; /* now it is all that is wanted */
    participant_track_settings(bob->p, cam->sid, &set);
    report_viewer(bob);
    host_run(h, S(5));
    assert_string_equal(guest_text(bob, NOTE_QUALITY), "alice EXCELLENT, bob EXCELLENT");
    assert_int_equal(guest_participant(alice)->priv->quality, CONNECTION_EXCELLENT);
}

static struct subscription *sub_of(const struct guest *g)
{
    list_for_each(l, &guest_participant(g)->subscriptions)
    {
        struct subscription *s = list_entry(l, struct subscription, by_subscriber);
        if (s->track == cam)
            return s;
    }
    return NULL;
}

/* What is asked for and not got, by whose doing. */
static void a_pause_counts_unless_it_is_the_viewers(void **state)
{
    (void)state;
    const struct {
        bool paused; /* for want of bandwidth */
        bool disabled, muted;
        unsigned arriving;
        int layer;
        enum connection_quality grade;
    } rows[] = {
        {.arriving = 7, .layer = 2, .grade = CONNECTION_EXCELLENT},
        {.arriving = 7, .layer = 1, .grade = CONNECTION_GOOD},
        {.arriving = 7, .layer = 0, .grade = CONNECTION_GOOD},
        {.arriving = 3, .layer = 1, .grade = CONNECTION_EXCELLENT},
        {.arriving = 7, .layer = -1, .paused = true, .grade = CONNECTION_POOR},
        {.arriving = 0, .layer = -1, .paused = true, .grade = CONNECTION_POOR},
        {.arriving = 7, .layer = -1, .disabled = true, .grade = CONNECTION_EXCELLENT},
        {.arriving = 7, .layer = -1, .paused = true, .disabled = true, .grade = CONNECTION_EXCELLENT},
        {.arriving = 7, .layer = 0, .muted = true, .grade = CONNECTION_EXCELLENT},
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        struct track_settings set = {.quality = QUALITY_HIGH, .disabled = rows[i].disabled};
        participant_track_settings(bob->p, cam->sid, &set);
        participant_mute_track(alice->p, cam->sid, rows[i].muted);
        told_arriving(cam, rows[i].arriving);
        told_layer(bob, rows[i].layer);
        sub_of(bob)->paused = rows[i].paused;
        for (int k = 0; k < 3; k++)
            report_viewer(bob);
        assert_int_equal(guest_participant(bob)->priv->quality, rows[i].grade);
    }
    sub_of(bob)->paused = false;
}

static void a_publisher_that_sends_less_than_it_was_asked_for_has_a_bad_uplink(void **state)
{
    (void)state;
    const struct {
        enum video_quality wanted;
        bool muted;
        unsigned arriving;
        enum connection_quality grade;
    } rows[] = {
        {QUALITY_HIGH, false, 7, CONNECTION_EXCELLENT}, {QUALITY_HIGH, false, 3, CONNECTION_GOOD},
        {QUALITY_HIGH, false, 1, CONNECTION_GOOD}, {QUALITY_MEDIUM, false, 3, CONNECTION_EXCELLENT},
        {QUALITY_LOW, false, 1, CONNECTION_EXCELLENT}, /* nobody wants the others */
        {QUALITY_HIGH, true, 1, CONNECTION_EXCELLENT},
        {QUALITY_HIGH, false, 0, CONNECTION_EXCELLENT}, /* nothing came yet */
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        struct track_settings set = {.quality = rows[i].wanted};
        participant_track_settings(bob->p, cam->sid, &set);
        host_run(h, S(6));
        participant_mute_track(alice->p, cam->sid, rows[i].muted);
        told_arriving(cam, rows[i].arriving);
        report(alice, 0, 20, 5);
        report(alice, 0, 20, 5);
        report(alice, 0, 20, 5);
        assert_int_equal(guest_participant(alice)->priv->quality, rows[i].grade);
    }
    /* layers that were asked for just now have their time to come */
    struct track_settings low = {.quality = QUALITY_LOW}, high = {.quality = QUALITY_HIGH};
    participant_track_settings(bob->p, cam->sid, &low);
    host_run(h, S(6));
    told_arriving(cam, 1);
    participant_track_settings(bob->p, cam->sid, &high);
    report(alice, 0, 20, 5);
    assert_int_equal(guest_participant(alice)->priv->quality, CONNECTION_EXCELLENT);
    told_arriving(cam, 7);
    report(alice, 0, 20, 5);
    assert_int_equal(guest_participant(alice)->priv->quality, CONNECTION_EXCELLENT);
}

static void a_viewer_that_wants_nothing_misses_nothing(void **state)
{
    (void)state;
    struct guest *carol = guest_enter(h, "carol");
    host_settle(h);
    host_run(h, S(6));
    guest_clear(bob);
    told_layer(carol, 2);
    told_layer(bob, -1);
    struct track_settings set = {.disabled = true};
    participant_track_settings(bob->p, cam->sid, &set);
    for (int i = 0; i < 4; i++)
        report_viewer(bob);
    host_run(h, S(5));
    assert_string_equal(guest_text(bob, NOTE_QUALITY), "(none)");
}

static void sound_bears_more_loss_than_video(void **state)
{
    (void)state;
    const struct {
        float loss;
        enum connection_quality with_video, with_red;
    } rows[] = {
        {0.015f, CONNECTION_EXCELLENT, CONNECTION_EXCELLENT},
        {0.03f, CONNECTION_GOOD, CONNECTION_EXCELLENT},
        {0.065f, CONNECTION_POOR, CONNECTION_GOOD},
        {0.2f, CONNECTION_POOR, CONNECTION_POOR},
        {0.6f, CONNECTION_LOST, CONNECTION_LOST},
    };
    struct guest *carol = guest_enter(h, "carol");
    struct track *mic = guest_publish(carol, "mic", SOURCE_MICROPHONE);
    host_settle(h);
    assert_int_equal(track_private(mic)->media[0].codec, SDP_CODEC_RED);
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        report(alice, rows[i].loss, 20, 5);
        report(carol, rows[i].loss, 20, 5);
        assert_int_equal(guest_participant(alice)->priv->quality, rows[i].with_video);
        assert_int_equal(guest_participant(carol)->priv->quality, rows[i].with_red);
    }
}

static void a_second_connection_does_not_hide_that_the_first_is_gone(void **state)
{
    (void)state;
    guest_state(alice, PEER_PUBLISHER, SFU_PEER_DISCONNECTED);
    host_run(h, S(5));
    assert_string_equal(guest_text(bob, NOTE_QUALITY), "alice LOST");
    guest_clear(bob);
    report(alice, 0, 20, 5);
    host_run(h, S(10));
    assert_int_equal(guest_count(bob, NOTE_QUALITY), 0);
    assert_int_equal(guest_participant(alice)->priv->quality, CONNECTION_LOST);
}

/* ---- the score ---- */

static float network(float loss, uint32_t rtt_ms, uint32_t jitter_ms)
{
    struct connection_network n = {
        .loss = loss, .loss_points = CONNECTION_LOSS_AUDIO, .rtt_ms = rtt_ms, .jitter_ms = jitter_ms};
    return connection_network_score(&n);
}

static void the_network_counts_by_loss_and_delay(void **state)
{
    (void)state;
    assert_float_equal(network(0, 0, 0), 100, 0.001);
    assert_float_equal(network(0.025f, 0, 0), 80, 0.001);
    assert_float_equal(network(0.3f, 0, 0), 25, 0.001); /* poor, but something arrives */
    assert_float_equal(network(0.5f, 0, 0), 0, 0);
    assert_float_equal(network(0, 200, 0), 97.6, 0.001);
    assert_float_equal(network(0, 200, 50), 92.7, 0.1); /* jitter is delay: the player waits for it */
    for (uint32_t i = 1; i < 100; i++) {
        assert_true(network((float)i / 1100, 50, 5) < network((float)(i - 1) / 1100, 50, 5));
        assert_true(network(0, i * 10, 5) < network(0, i * 10 - 10, 5));
        assert_true(network(0, 50, i) < network(0, 50, i - 1));
    }
    const float odd[] = {NAN, -1, -INFINITY, 0};
    for (size_t i = 0; i < sizeof odd / sizeof *odd; i++)
        assert_float_equal(network(odd[i], 0, 0), 100, 0);
    assert_float_equal(network(INFINITY, 0, 0), 0, 0);
    assert_float_equal(network(0, UINT32_MAX, UINT32_MAX), 0, 0);
}

static void missing_layers_and_stopped_videos_count(void **state)
{
    (void)state;
    const struct {
        struct connection_pictures p;
        enum connection_quality grade;
    } rows[] = {
        {{0}, CONNECTION_EXCELLENT},
        {{.full = 20}, CONNECTION_EXCELLENT},
        {{.lower = 1}, CONNECTION_GOOD},
        {{.full = 1, .lower = 1}, CONNECTION_EXCELLENT},
        {{.full = 1, .lower = 4}, CONNECTION_GOOD},
        {{.lowest = 3}, CONNECTION_GOOD},
        {{.full = 24, .stopped = 1}, CONNECTION_GOOD},
        {{.lowest = 1, .stopped = 3}, CONNECTION_POOR},
        {{.stopped = 1}, CONNECTION_POOR},
        {{UINT32_MAX, UINT32_MAX, UINT32_MAX, UINT32_MAX}, CONNECTION_GOOD},
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++)
        assert_int_equal(
            connection_grade(connection_pictures_score(&rows[i].p), CONNECTION_LOST), rows[i].grade);
}

static void a_grade_does_not_change_with_every_report(void **state)
{
    (void)state;
    assert_int_equal(connection_grade(80.5f, CONNECTION_EXCELLENT), CONNECTION_EXCELLENT);
    assert_int_equal(connection_grade(80, CONNECTION_EXCELLENT), CONNECTION_GOOD);
    assert_int_equal(connection_grade(82, CONNECTION_GOOD), CONNECTION_GOOD);
    assert_int_equal(connection_grade(83.5f, CONNECTION_GOOD), CONNECTION_EXCELLENT);
    assert_int_equal(connection_grade(81, CONNECTION_LOST), CONNECTION_GOOD); /* at least that is clear */
    assert_int_equal(connection_grade(21, CONNECTION_LOST), CONNECTION_LOST);
    assert_int_equal(connection_grade(24, CONNECTION_LOST), CONNECTION_POOR);
    assert_int_equal(connection_grade(0, CONNECTION_EXCELLENT), CONNECTION_LOST);
    for (int before = 0; before < 4; before++) {
        assert_int_equal(connection_grade(100, (enum connection_quality)before), CONNECTION_EXCELLENT);
        assert_int_equal(connection_grade(20, (enum connection_quality)before), CONNECTION_LOST);
    }
}

static void the_mean_opinion_score_grows_with_the_score(void **state)
{
    (void)state;
    assert_float_equal(connection_mos(100), 4.5, 0.001);
    assert_float_equal(connection_mos(0), 1, 0.001);
    assert_float_equal(connection_mos(-5), 1, 0.001);
    assert_float_equal(connection_mos(NAN), 1, 0.001);
    assert_float_equal(connection_mos(200), 4.5, 0.001);
    for (int i = 10; i < 100; i++)
        assert_true(connection_mos((float)i + 1) > connection_mos((float)i));
}

/* ---- what nothing happens to costs nothing ---- */

static void who_has_no_news_is_not_looked_at(void **state)
{
    (void)state;
    for (int i = 0; i < 30; i++) {
        char name[16];
        snprintf(name, sizeof name, "viewer %d", i);
        guest_enter(h, name);
    }
    guest_publish(bob, "mic", SOURCE_MICROPHONE);
    host_settle(h);
    host_run(h, S(15));
    const struct room_server *rs = h->rooms;
    const struct room_private *room = host_room(h)->priv;
    const struct list *lists[] = {&rs->watched, &rs->demands, &rs->pokes, &room->heard, &room->quality_news};
    for (size_t i = 0; i < sizeof lists / sizeof *lists; i++)
        assert_true(list_empty(lists[i]));
    report(alice, 0, 20, 5); /* figures as good as before */
    report_viewer(bob);
    for (size_t i = 0; i < sizeof lists / sizeof *lists; i++)
        assert_true(list_empty(lists[i]));
    report(alice, 0.05f, 20, 5);
    assert_false(list_empty(&room->quality_news));
    struct track_settings low = {.quality = QUALITY_LOW};
    participant_track_settings(bob->p, cam->sid, &low);
    guest_lose_socket(bob);
    assert_false(list_empty(&rs->watched));
    guest_resume(bob);
    host_run(h, S(6));
    for (size_t i = 0; i < sizeof lists / sizeof *lists; i++)
        assert_true(list_empty(lists[i]));
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, two_guests, host_end)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(newcomers_are_excellent),
        TEST(who_connects_late_is_told_then),
        TEST(changes_are_told_to_oneself_and_to_subscribers_within_five_seconds),
        TEST(older_clients_do_not_know_what_lost_is),
        TEST(silent_media_is_lost),
        TEST(who_was_away_is_told_the_qualities),
        TEST(a_smaller_picture_than_wanted_counts_when_it_lasts),
        TEST(a_viewer_that_wants_nothing_misses_nothing),
        TEST(a_pause_counts_unless_it_is_the_viewers),
        TEST(a_publisher_that_sends_less_than_it_was_asked_for_has_a_bad_uplink),
        TEST(sound_bears_more_loss_than_video),
        TEST(a_second_connection_does_not_hide_that_the_first_is_gone),
        cmocka_unit_test(the_network_counts_by_loss_and_delay),
        cmocka_unit_test(missing_layers_and_stopped_videos_count),
        cmocka_unit_test(a_grade_does_not_change_with_every_report),
        cmocka_unit_test(the_mean_opinion_score_grows_with_the_score),
        TEST(who_has_no_news_is_not_looked_at),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
