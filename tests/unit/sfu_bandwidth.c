/* A subscriber's bandwidth is divided, through the whole media side in virtual time: publishers on one
 * worker, viewers on another. What paths carry is set as clients' tests do (SFU_PEER_SET). */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>
#include <string.h>
#include "sfu/internal.h"
#include "support/net_viewer.h"
#include "support/virtual_net.h"

#define SENDERS_MAX 4

static struct net_world *w;
static struct net_sender *senders[SENDERS_MAX];
static struct net_viewer *viewer;
static struct net_view *cams[SENDERS_MAX];
static unsigned sender_count;

/* ---- what the server tells of it ---- */

static struct net_peer_ops ops;
static void (*viewer_event)(void *arg, const struct sfu_event *e);
static struct sfu_event told[4096], told_peer;
static unsigned told_count;

static void on_event(void *arg, const struct sfu_event *e)
{
    viewer_event(arg, e);
    if (e->type == SFU_EVENT_SUB_ALLOCATED && told_count < 4096)
        told[told_count++] = *e;
    if (e->type == SFU_EVENT_PEER_ALLOCATED)
        told_peer = *e;
}

static const struct sfu_sub_allocated *last_told(const struct net_view *v)
{
    for (unsigned i = told_count; i > 0; i--)
        if (told[i - 1].sub == v->sub)
            return &told[i - 1].sub_allocated;
    fail();
    return NULL;
}

/* ---- the scene ---- */

static void open_scene(unsigned count, const struct net_sender_options *o)
{
    w = net_open(11, 2);
    told_count = 0;
    sender_count = count;
    for (unsigned i = 0; i < count; i++)
        senders[i] = net_sender_add(w, 0, &o[i]);
    viewer = net_viewer_add(w, 1, true);
    ops = *viewer->peer->ops;
    viewer_event = ops.event;
    ops.event = on_event;
    viewer->peer->ops = &ops;
    net_connect(w);
    for (unsigned i = 0; i < count; i++)
        senders[i]->peer->up = net_link_add(w, "0 delay=25ms");
    viewer->peer->up = net_link_add(w, "0 delay=25ms");
    viewer->peer->down = net_link_add(w, "0 delay=25ms");
    net_begin(w);
    net_viewer_start(viewer);
    for (unsigned i = 0; i < count; i++)
        net_sender_start(senders[i], 0.1 * i);
    net_run(w, 1);
    for (unsigned i = 0; i < count; i++)
        cams[i] = net_viewer_watch(viewer, senders[i], i == 0, true);
    net_run(w, 1.01);
}

static int close_scene(void **state)
{
    (void)state;
    net_viewer_free(viewer);
    net_close(w);
    for (unsigned i = 0; i < sender_count; i++)
        net_sender_free(senders[i]);
    return 0;
}

static void path_carries(int64_t bps, bool never_pause)
{
    struct sfu_command c = {.type = SFU_PEER_SET, .worker = viewer->peer->worker, .peer = viewer->peer->id};
    c.peer_set.capacity_bps = bps;
    c.peer_set.never_pause = never_pause;
    net_post(w, &c);
}

static struct sfu_command wish_of(const struct net_view *v)
{
    struct sfu_command c = {.type = SFU_SUB_SET,
        .worker = viewer->peer->worker,
        .peer = viewer->peer->id,
        .track = v->sender->camera,
        .sub = v->sub};
    c.sub_set.max_layer = -1;
    return c;
}

static const struct allocate_sub *got(const struct net_view *v)
{
    struct sfu_sub *s;
    struct sfu_worker *worker = net_sfu_peer(viewer->peer)->worker;
    HASH_FIND_INT(worker->subs, &v->sub, s);
    assert_non_null(s);
    return &s->wish;
}

static void for_s(double s)
{
    net_run(w, net_now_s(w) + s);
}

/* Until the layer goes; how long that took, seconds. */
static double until_forwarded(const struct net_view *v, int spatial, double patience_s)
{
    double from_s = net_now_s(w);
    while (got(v)->spatial != spatial || got(v)->forwarded != spatial) {
        if (net_now_s(w) > from_s + patience_s)
            fail_msg("layer %d waited for in vain: %d goes, %d is to", spatial, got(v)->forwarded,
                got(v)->spatial);
        for_s(0.05);
    }
    return net_now_s(w) - from_s;
}

static double received_bps(double s)
{
    double from_s = net_now_s(w);
    for_s(s);
    return net_viewer_useful(viewer, from_s, from_s + s);
}

static struct net_sender_options screen_720p(void)
{
    struct net_sender_options o = net_sender_720p;
    o.screen = true;
    return o;
}

/* ---- steps ---- */

static void layers_follow_the_bandwidth(void **state)
{
    (void)state;
    open_scene(1, &net_sender_720p);
    assert_true(until_forwarded(cams[0], 2, 2) < 1); /* as soon as a probe has shown that the path takes it */
    assert_true(senders[0]->plis <= 2);              /* with one layer before it */
    for_s(4);
    assert_int_equal(got(cams[0])->why, ALLOCATE_TOP);
    assert_in_range(got(cams[0])->cost_bps, 1500000, 2100000);
    path_carries(3000000, false);
    for_s(3);
    assert_int_equal(got(cams[0])->spatial, 2);
    path_carries(500000, false);
    assert_true(until_forwarded(cams[0], 1, 2) < 1);
    assert_int_equal(got(cams[0])->why, ALLOCATE_BANDWIDTH);
    assert_true(got(cams[0])->next_bps > 0 && !got(cams[0])->paused);
    for_s(1);
    assert_true(received_bps(5) < 530000);
    path_carries(3000000, false);
    assert_true(until_forwarded(cams[0], 2, 6) < 6);
    assert_int_equal(cams[0]->video.broken, 0);
    for_s(3);
    assert_int_equal(got(cams[0])->why, ALLOCATE_TOP);
    const struct sfu_sub_allocated *t = last_told(cams[0]);
    assert_true(t->spatial == 2 && t->forwarded == 2 && t->why == ALLOCATE_TOP && t->spatials == 3);
    assert_true(t->width == 1280 && t->height == 720 && t->temporals == 3);
    assert_int_equal(told_peer.peer_allocated.estimate_bps, 3000000);
}

static void a_pause_ends_by_itself_and_sound_goes_on(void **state)
{
    (void)state;
    open_scene(1, &net_sender_720p);
    until_forwarded(cams[0], 2, 2);
    for_s(3);
    struct net_view *voice = cams[0] - 1;
    path_carries(120000, false);
    for_s(1);
    assert_true(got(cams[0])->paused);
    assert_int_equal(got(cams[0])->why, ALLOCATE_BANDWIDTH);
    assert_true(last_told(cams[0])->paused && last_told(cams[0])->spatial == -1);
    uint64_t video = cams[0]->packets, sound = voice->packets;
    for_s(5);
    assert_int_equal(cams[0]->packets, video);
    assert_true(voice->packets - sound >= 240);
    assert_int_equal(told_peer.peer_allocated.paused, 1);
    path_carries(3000000, false);
    until_forwarded(cams[0], 2, 10);
    assert_false(last_told(cams[0])->paused);
    assert_int_equal(cams[0]->video.broken, 0);
    path_carries(120000, true); /* one that cannot be told gets the lowest layer in any case */
    until_forwarded(cams[0], 0, 2);
    for_s(5);
    assert_int_equal(got(cams[0])->spatial, 0);
    assert_false(got(cams[0])->paused);
}

static void a_limit_is_no_want_of_bandwidth(void **state)
{
    (void)state;
    open_scene(1, &net_sender_720p);
    until_forwarded(cams[0], 2, 2);
    w->cfg.rtc.subscriber_limit_kbps = 700;
    for_s(3);
    until_forwarded(cams[0], 1, 2);
    assert_int_equal(got(cams[0])->why, ALLOCATE_LIMIT);
    assert_int_equal(got(cams[0])->next_bps, 0);
    for_s(1);
    assert_true(received_bps(5) < 735000);
    assert_int_equal(told_peer.peer_allocated.limit_bps, 700000);
    w->cfg.rtc.subscriber_limit_kbps = 0;
    until_forwarded(cams[0], 2, 8);
}

/* ---- wishes ---- */

static void a_wish_takes_effect_at_once(void **state)
{
    (void)state;
    open_scene(1, &net_sender_720p);
    until_forwarded(cams[0], 2, 2);
    for_s(3);
    struct sfu_command c = wish_of(cams[0]);
    c.sub_set.width = 600;
    c.sub_set.height = 340;
    net_post(w, &c);
    assert_true(until_forwarded(cams[0], 1, 1) < 0.6);
    for_s(0.3);
    assert_int_equal(got(cams[0])->why, ALLOCATE_VIEWER);
    c.sub_set.width = c.sub_set.height = 100;
    net_post(w, &c);
    until_forwarded(cams[0], 0, 1);
    c.sub_set.max_fps = 15;
    net_post(w, &c);
    for_s(0.1);
    assert_int_equal(got(cams[0])->temporal, 1);
    for_s(1);
    size_t pictures = cams[0]->video.shown_count;
    for_s(4);
    assert_in_range(cams[0]->video.shown_count - pictures, 55, 65);
    c.sub_set.disabled = true;
    net_post(w, &c);
    for_s(0.2);
    assert_int_equal(got(cams[0])->why, ALLOCATE_VIEWER);
    assert_false(got(cams[0])->paused);
    uint64_t packets = cams[0]->packets;
    for_s(3);
    assert_int_equal(cams[0]->packets, packets);
    c = wish_of(cams[0]);
    net_post(w, &c);
    assert_true(until_forwarded(cams[0], 2, 1) < 0.6);
    assert_int_equal(cams[0]->video.broken, 0);
}

static void a_screen_goes_first_and_what_is_pinned_before_it(void **state)
{
    (void)state;
    const struct net_sender_options o[] = {net_sender_720p, screen_720p(), net_sender_720p};
    open_scene(3, o);
    path_carries(2600000, false);
    for_s(6);
    assert_int_equal(got(cams[1])->spatial, 2);
    assert_true(got(cams[0])->spatial < 2 && got(cams[2])->spatial < 2);
    assert_false(got(cams[0])->paused || got(cams[2])->paused); /* everybody is seen */
    struct sfu_command c = wish_of(cams[2]);
    c.sub_set.pinned = true;
    c.sub_set.priority = 1;
    net_post(w, &c);
    for_s(12);
    assert_int_equal(got(cams[2])->spatial, 2);
    assert_true(got(cams[1])->spatial < 2 && !got(cams[1])->paused);
}

static void priority_decides_among_equals(void **state)
{
    (void)state;
    const struct net_sender_options o[] = {net_sender_720p, net_sender_720p};
    open_scene(2, o);
    path_carries(2500000, false);
    for (unsigned first = 2; first-- > 0;) {
        struct sfu_command c = wish_of(cams[first]);
        c.sub_set.priority = 2;
        net_post(w, &c);
        c = wish_of(cams[!first]);
        c.sub_set.priority = 7;
        net_post(w, &c);
        for_s(12);
        assert_int_equal(got(cams[first])->spatial, 2);
        assert_true(got(cams[!first])->spatial < 2 && !got(cams[!first])->paused);
    }
}

/* ---- publishers ---- */

static void a_mute_takes_nothing_away(void **state)
{
    (void)state;
    open_scene(1, &net_sender_720p);
    until_forwarded(cams[0], 2, 2);
    struct sfu_command c = {.type = SFU_TRACK_MUTE,
        .worker = senders[0]->peer->worker,
        .peer = senders[0]->peer->id,
        .track = senders[0]->camera};
    c.muted = true;
    net_post(w, &c);
    for_s(2);
    assert_int_equal(got(cams[0])->why, ALLOCATE_PUBLISHER);
    assert_false(got(cams[0])->paused);
    assert_int_equal(got(cams[0])->cost_bps, 0);
    c.muted = false;
    net_post(w, &c);
    assert_true(until_forwarded(cams[0], 2, 2) < 1);
    assert_int_equal(cams[0]->video.broken, 0);
}

static void who_only_publishes_has_no_part_in_it(void **state)
{
    (void)state;
    open_scene(1, &net_sender_720p);
    for_s(1);
    assert_null(net_sfu_peer(senders[0]->peer)->allocation);
    assert_non_null(net_sfu_peer(viewer->peer)->allocation);
    for (unsigned i = 0; i < viewer->view_count; i++) {
        struct sfu_command c = {.type = SFU_SUB_REMOVE,
            .worker = viewer->peer->worker,
            .peer = viewer->peer->id,
            .sub = viewer->views[i].sub};
        net_post(w, &c);
    }
    for_s(0.1);
    assert_null(net_sfu_peer(viewer->peer)->allocation);
}

/* The estimate grows with what is sent: it must not keep out what would make it grow. */
static void a_path_not_found_full_is_trusted(void **state)
{
    const struct net_sender_options large = {.rates_bps = {8000000}, .layers = 1, .voice = true};
    (void)state;
    open_scene(1, &large);
    for_s(0.3);
    assert_false(got(cams[0])->paused);
    assert_true(until_forwarded(cams[0], 0, 2) < 0.5);
    for_s(2);
    assert_true(congestion_estimate_bps(net_sfu_peer(viewer->peer)) > 7000000);
    assert_int_equal(cams[0]->video.broken, 0);
}

#define TEST(name) cmocka_unit_test_teardown(name, close_scene)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(layers_follow_the_bandwidth),
        TEST(a_pause_ends_by_itself_and_sound_goes_on),
        TEST(a_limit_is_no_want_of_bandwidth),
        TEST(a_wish_takes_effect_at_once),
        TEST(a_screen_goes_first_and_what_is_pinned_before_it),
        TEST(priority_decides_among_equals),
        TEST(a_mute_takes_nothing_away),
        TEST(who_only_publishes_has_no_part_in_it),
        TEST(a_path_not_found_full_is_trusted),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
