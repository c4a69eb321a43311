/* Redundant audio that the server makes: for receivers that lose packets, of plain Opus and of RED, in
 * virtual time over lossy links. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>
#include <string.h>
#include "sfu/internal.h"
#include "support/net_viewer.h"
#include "support/virtual_net.h"

struct call {
    const char *down; /* to the viewer */
    enum config_red mode;
    bool red_up, red_down; /* negotiated with the publisher, with the viewer */
    bool camera;
};

struct outcome {
    double concealed; /* of what was played, after the first 15 s */
    uint64_t made;    /* packets */
    double bps;       /* to the viewer, headers included */
    unsigned distance;
};

static struct outcome hold(const struct call *c, uint64_t seed)
{
    struct net_world *w = net_open(seed, 2);
    struct net_sender_options o = net_sender_720p;
    o.red = c->red_up;
    if (!c->camera)
        o.layers = 0;
    w->cfg.audio.red = c->mode;
    struct net_sender *s = net_sender_add(w, 0, &o);
    struct net_viewer *v = net_viewer_add(w, 1, c->red_down);
    net_connect(w);
    s->peer->up = net_link_add(w, "0 delay=25ms");
    s->peer->down = net_link_add(w, "0 delay=25ms");
    v->peer->up = net_link_add(w, "0 delay=25ms");
    v->peer->down = net_link_add(w, c->down);
    net_begin(w);
    net_viewer_start(v);
    net_sender_start(s, 0);
    struct net_view *view = net_viewer_watch(v, s, true, c->camera);
    struct net_view *voice = c->camera ? view - 1 : view;
    net_run(w, 60);
    struct net_played p = net_neteq_play(&voice->sound, w->zero_us + 15000000, w->zero_us + 59000000);
    assert_true(p.frames > 2000);
    struct outcome out = {.concealed = (double)p.concealed / (double)p.frames,
        .made = net_stats(w).red_made,
        .bps = net_viewer_useful(v, 15, 59),
        .distance = net_sfu_peer(v->peer)->red.distance};
    net_viewer_free(v);
    net_close(w);
    net_sender_free(s);
    return out;
}

static void nothing_is_made_without_loss(void **state)
{
    (void)state;
    struct outcome o = hold(&(struct call){"0 delay=25ms", CONFIG_RED_AUTO, false, true, false}, 1);
    assert_int_equal(o.made, 0);
    assert_int_equal(o.distance, 0);
    assert_true(o.concealed == 0);
}

static void loss_is_mended_where_it_warrants_it(void **state)
{
    static const struct {
        const char *down;
        unsigned distance; /* at least: chance may make a window look worse */
    } rows[] = {{"0 delay=25ms loss=4%", 1}, {"0 delay=25ms loss=10%", 2}};
    (void)state;
    for (unsigned i = 0; i < 2; i++)
        for (int red_up = 0; red_up < 2; red_up++)
            for (int camera = 0; camera < 2; camera++) {
                struct call c = {rows[i].down, CONFIG_RED_AUTO, red_up, true, camera};
                struct outcome o = hold(&c, 3 + i);
                print_message("%s, publisher sends %s%s: %.2f %% concealed, %llu packets made\n",
                    rows[i].down, red_up ? "RED" : "Opus", camera ? " and a camera" : "", 100 * o.concealed,
                    (unsigned long long)o.made);
                assert_true(o.concealed <= 0.01);
                assert_in_range(o.distance, rows[i].distance, RED_DISTANCE_MAX);
                assert_true(o.made > 2000 || (red_up && o.distance == 1));
            }
}

static void what_it_is_for_is_seen_without_it(void **state)
{
    (void)state;
    struct outcome none =
        hold(&(struct call){"0 delay=25ms loss=10%", CONFIG_RED_PASS, false, true, false}, 4);
    struct outcome plain =
        hold(&(struct call){"0 delay=25ms loss=10%", CONFIG_RED_AUTO, false, false, false}, 4);
    print_message("without: %.2f %% and %.2f %% concealed\n", 100 * none.concealed, 100 * plain.concealed);
    assert_int_equal(none.made, 0);
    assert_int_equal(plain.made, 0); /* who does not know it gets none */
}

static void it_ends_when_the_path_is_good_again(void **state)
{
    (void)state;
    struct call c = {"0 delay=25ms loss=10%\n20s loss=0", CONFIG_RED_AUTO, false, true, true};
    struct outcome o = hold(&c, 5);
    assert_int_equal(o.distance, 0);
    assert_true(o.made > 500 && o.made < 2200);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(nothing_is_made_without_loss),
        cmocka_unit_test(loss_is_mended_where_it_warrants_it),
        cmocka_unit_test(what_it_is_for_is_seen_without_it),
        cmocka_unit_test(it_ends_when_the_path_is_good_again),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
