/* What the media side has to know to divide a subscriber's bandwidth, and what clients hear of it. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>
#include <string.h>
#include "room/internal.h"
#include "support/room_guest.h"

static struct host *h;
static struct guest *alice, *bob;
static struct track *cam, *mic;

static int two_guests(void **state)
{
    *state = h = host_new();
    alice = guest_enter(h, "alice");
    struct guest_options o = guest_options("bob");
    o.may_pause = true;
    bob = guest_enter_with(h, &o);
    cam = guest_publish(alice, "cam", SOURCE_CAMERA);
    mic = guest_publish(alice, "mic", SOURCE_MICROPHONE);
    host_settle(h);
    guest_clear(alice);
    guest_clear(bob);
    host_mark(h);
    return 0;
}

static struct subscription *sub_of(struct guest *g, const struct track *t)
{
    list_for_each(l, &g->p->subscriptions)
    {
        struct subscription *s = list_entry(l, struct subscription, by_subscriber);
        if (s->track == t)
            return s;
    }
    fail();
    return NULL;
}

static void allocated(struct guest *g, const struct track *t, int spatial, bool paused, enum allocate_why why)
{
    const struct subscription *s = sub_of(g, t);
    struct sfu_event e = {.type = SFU_EVENT_SUB_ALLOCATED, .sub = s->number, .track = t->id};
    e.sub_allocated.spatial = (int8_t)spatial;
    e.sub_allocated.paused = paused;
    e.sub_allocated.why = why;
    e.sub_allocated.cost_bps = 1000 * (spatial + 1);
    room_server_event(h->rooms, &e);
}

/* ---- to the media side ---- */

static void layers_are_told_as_they_were_announced(void **state)
{
    (void)state;
    guest_publish(alice, "screen", SOURCE_SCREEN_SHARE);
    host_settle(h);
    const struct sfu_announced *a = &host_last(h, SFU_TRACK_ADD)->track_add.announced;
    assert_true(a->screen);
    assert_int_equal(a->layer_count, 3);
    for (unsigned i = 0; i < 3; i++) {
        assert_int_equal(a->layers[i].width, 1280u >> (2 - i));
        assert_int_equal(a->layers[i].height, 720u >> (2 - i));
        assert_int_equal(a->layers[i].bitrate_bps, 200000u << 2 * i);
    }
    host_mark(h);
    guest_publish(alice, "mic2", SOURCE_SCREEN_SHARE_AUDIO);
    host_settle(h);
    a = &host_last(h, SFU_TRACK_ADD)->track_add.announced;
    assert_false(a->screen);
    assert_int_equal(a->layer_count, 0);
}

/* The order of the section counts, not that of the announcement. */
static void layers_are_found_by_their_rids(void **state)
{
    (void)state;
    struct track_desc d = guest_desc("other", SOURCE_CAMERA);
    struct track_layer first = d.layers[0];
    d.layers[0] = d.layers[2];
    d.layers[2] = first;
    assert_int_equal(participant_add_track(alice->p, &d, NULL), REQUEST_OK);
    guest_send(alice, "other", TRACK_VIDEO);
    guest_offer(alice);
    host_settle(h);
    const struct sfu_command *c = host_last(h, SFU_TRACK_ADD);
    assert_int_equal(c->track_add.section.rid_count, 3);
    assert_int_equal(c->track_add.announced.layers[0].width, 320);
    assert_int_equal(c->track_add.announced.layers[2].width, 1280);
}

static void another_size_is_told_anew(void **state)
{
    (void)state;
    assert_int_equal(participant_update_video(alice->p, cam->sid, 640, 480), REQUEST_OK);
    const struct sfu_command *c = host_last(h, SFU_TRACK_ADD);
    assert_int_equal(c->track, cam->id);
    assert_int_equal(c->track_add.announced.layers[2].width, 640);
    assert_int_equal(c->track_add.announced.layers[2].height, 480);
    assert_int_equal(c->track_add.announced.layers[0].width, 160);
    assert_int_equal(c->track_add.announced.layers[0].height, 120);
}

static void wishes_reach_the_media_side(void **state)
{
    (void)state;
    struct track_settings set = {
        .quality = QUALITY_HIGH, .width = 400, .height = 300, .fps = 15, .priority = 3};
    participant_track_settings(bob->p, cam->sid, &set);
    const struct sfu_command *c = &guest_receives(bob, cam)->wish;
    assert_int_equal(c->sub_set.width, 400);
    assert_int_equal(c->sub_set.height, 300);
    assert_int_equal(c->sub_set.max_fps, 15);
    assert_int_equal(c->sub_set.priority, 3);
    assert_int_equal(c->sub_set.max_layer, 1);
    assert_false(c->sub_set.pinned || c->sub_set.disabled);
    set.priority = 1;
    set.disabled = true;
    participant_track_settings(bob->p, cam->sid, &set);
    c = &guest_receives(bob, cam)->wish;
    assert_true(c->sub_set.pinned && c->sub_set.disabled);
}

static void who_cannot_be_told_is_not_paused(void **state)
{
    (void)state;
    assert_true(host_media(h, alice->p->subscriber->number)->never_pause);
    assert_false(host_media(h, bob->p->subscriber->number)->never_pause);
    participant_simulate_bandwidth(bob->p, 300000);
    const struct sfu_command *c = host_last(h, SFU_PEER_SET);
    assert_int_equal(c->peer, bob->p->subscriber->number);
    assert_int_equal(c->peer_set.capacity_bps, 300000);
    assert_false(c->peer_set.never_pause);
    participant_simulate_bandwidth(bob->p, -1);
    assert_int_equal(host_last(h, SFU_PEER_SET)->peer_set.capacity_bps, 0);
}

/* ---- to clients ---- */

static void pauses_are_told_once(void **state)
{
    (void)state;
    allocated(bob, cam, 2, false, ALLOCATE_TOP);
    assert_int_equal(guest_count(bob, NOTE_STREAM), 0);
    allocated(bob, cam, -1, true, ALLOCATE_BANDWIDTH);
    allocated(bob, cam, -1, true, ALLOCATE_BANDWIDTH);
    assert_int_equal(guest_count(bob, NOTE_STREAM), 1);
    assert_string_equal(guest_text(bob, NOTE_STREAM), "alice cam 1");
    allocated(bob, cam, 0, false, ALLOCATE_BANDWIDTH);
    allocated(bob, cam, 1, false, ALLOCATE_BANDWIDTH);
    assert_int_equal(guest_count(bob, NOTE_STREAM), 2);
    assert_string_equal(guest_text(bob, NOTE_STREAM), "alice cam 0");
    assert_int_equal(guest_count(alice, NOTE_STREAM), 0);
}

static void a_resumed_client_is_told_again(void **state)
{
    (void)state;
    allocated(bob, cam, -1, true, ALLOCATE_BANDWIDTH);
    guest_lose_socket(bob);
    guest_resume(bob);
    assert_string_equal(guest_text(bob, NOTE_STREAM), "alice cam 1");
    assert_int_equal(guest_count(bob, NOTE_STREAM), 2);
    guest_lose_socket(bob);
    struct sfu_event e = {.type = SFU_EVENT_SUB_ALLOCATED};
    list_for_each(l, &guest_participant(bob)->subscriptions)
    {
        const struct subscription *s = list_entry(l, struct subscription, by_subscriber);
        if (s->track == cam)
            e.sub = s->number;
    }
    room_server_event(h->rooms, &e); /* while nobody listens */
    guest_resume(bob);
    assert_string_equal(guest_text(bob, NOTE_STREAM), "alice cam 0");
}

static void a_pause_ends_with_the_subscription(void **state)
{
    (void)state;
    allocated(bob, cam, -1, true, ALLOCATE_BANDWIDTH);
    participant_subscribe(bob->p, cam->sid, false);
    assert_string_equal(guest_text(bob, NOTE_STREAM), "alice cam 0");
    host_settle(h);
    participant_subscribe(bob->p, cam->sid, true);
    host_settle(h);
    assert_false(sub_of(bob, cam)->paused || sub_of(bob, cam)->allocation_known);
    struct sfu_event old = {.type = SFU_EVENT_SUB_ALLOCATED, .sub = 999999}; /* of a number that is gone */
    room_server_event(h->rooms, &old);
}

/* ---- for administrators ---- */

struct seen_receptions {
    unsigned count;
    struct participant_reception cam;
    struct sfu_sub_allocated allocated;
    struct track_settings settings;
};

static void look(void *arg, const struct participant_reception *r)
{
    struct seen_receptions *s = arg;
    s->count++;
    if (r->track != cam)
        return;
    s->cam = *r;
    if (r->allocated)
        s->allocated = *r->allocated;
    if (r->settings)
        s->settings = *r->settings;
}

static void what_is_received_can_be_seen(void **state)
{
    (void)state;
    struct seen_receptions s = {0};
    struct sfu_peer_allocated whole;
    participant_receives(bob->p, look, &s);
    assert_int_equal(s.count, 2);
    assert_true(s.cam.bound && !s.cam.live && !s.cam.codec_failed);
    assert_null(s.cam.allocated);
    assert_null(s.cam.settings);
    assert_false(participant_allocated(bob->p, &whole));
    allocated(bob, cam, 1, false, ALLOCATE_VIEWER);
    struct track_settings set = {.quality = QUALITY_MEDIUM};
    participant_track_settings(bob->p, cam->sid, &set);
    struct sfu_event e = {.type = SFU_EVENT_PEER_ALLOCATED, .peer = bob->p->subscriber->number};
    e.peer_allocated.estimate_bps = 1234567;
    room_server_event(h->rooms, &e);
    participant_receives(bob->p, look, &s);
    assert_int_equal(s.allocated.spatial, 1);
    assert_int_equal(s.allocated.why, ALLOCATE_VIEWER);
    assert_int_equal(s.settings.quality, QUALITY_MEDIUM);
    assert_true(participant_allocated(bob->p, &whole));
    assert_int_equal(whole.estimate_bps, 1234567);
    assert_false(participant_allocated(alice->p, &whole));
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, two_guests, host_end)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(layers_are_told_as_they_were_announced),
        TEST(layers_are_found_by_their_rids),
        TEST(another_size_is_told_anew),
        TEST(wishes_reach_the_media_side),
        TEST(who_cannot_be_told_is_not_paused),
        TEST(pauses_are_told_once),
        TEST(a_resumed_client_is_told_again),
        TEST(a_pause_ends_with_the_subscription),
        TEST(what_is_received_can_be_seen),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
