/* The media side in virtual time: a publisher and a viewer over links that change nothing. The same seed
 * gives the same run, and every frame arrives. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>
#include <string.h>
#include "support/net_viewer.h"
#include "support/virtual_net.h"

struct outcome {
    uint64_t packets, useful;
    size_t shown;
    int64_t first_us;
    double queue_ms;
};

static struct outcome call(uint64_t seed, const char *down)
{
    struct net_world *w = net_open(seed, 2);
    struct net_sender *s = net_sender_add(w, 0, &net_sender_720p);
    struct net_viewer *v = net_viewer_add(w, 1, true);
    net_connect(w);
    s->peer->up = net_link_add(w, "0 delay=25ms");
    s->peer->down = net_link_add(w, "0 delay=25ms");
    v->peer->up = net_link_add(w, "0 delay=25ms");
    v->peer->down = net_link_add(w, down);
    net_begin(w);
    net_viewer_start(v);
    net_sender_start(s, 0);
    net_run(w, 1);
    struct net_view *camera = net_viewer_watch(v, s, true, true), *voice = camera - 1;
    net_run(w, 6);
    struct outcome o = {.packets = camera->packets,
        .useful = v->useful_bytes,
        .shown = camera->video.shown_count,
        .queue_ms = net_viewer_queue_ms(v, 0, 6, 95)};
    o.first_us = camera->video.shown_count ? camera->video.shown[0].at_us - camera->subscribed_us : -1;
    assert_int_equal(camera->video.broken, 0);
    struct net_played sound = net_neteq_play(&voice->sound, w->zero_us + 2000000, w->zero_us + 6000000);
    assert_true(sound.frames > 190);
    if (!strstr(down, "loss")) {
        assert_int_equal(sound.concealed, 0);
        assert_int_equal(camera->video.freezes, 0);
        int64_t pictures = net_video_pictures(&camera->video);
        assert_true(
            pictures - net_video_in_time(&camera->video, 0, pictures) <= 3); /* some are on their way */
    }
    net_viewer_free(v);
    net_close(w);
    net_sender_free(s);
    return o;
}

static void everything_arrives(void **state)
{
    (void)state;
    struct outcome o = call(1, "0 delay=25ms");
    assert_true(o.shown > 135);
    assert_in_range(o.first_us, 50000, 400000);
}

static void the_same_seed_is_the_same_run(void **state)
{
    (void)state;
    struct outcome a = call(7, "0 rate=3M delay=25ms queue=300ms loss=3%");
    struct outcome b = call(7, "0 rate=3M delay=25ms queue=300ms loss=3%");
    struct outcome c = call(8, "0 rate=3M delay=25ms queue=300ms loss=3%");
    assert_int_equal(a.packets, b.packets);
    assert_int_equal(a.useful, b.useful);
    assert_int_equal(a.shown, b.shown);
    assert_int_equal(a.first_us, b.first_us);
    assert_true(a.queue_ms == b.queue_ms);
    assert_true(a.useful != c.useful);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(everything_arrives),
        cmocka_unit_test(the_same_seed_is_the_same_run),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
