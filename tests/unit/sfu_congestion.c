/* What the media side finds out about the path to each viewer, in virtual time. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>
#include <string.h>
#include "sfu/internal.h"
#include "support/net_viewer.h"
#include "support/virtual_net.h"

#define VIEWERS_MAX 2

struct call {
    struct net_world *world;
    struct net_sender *senders[VIEWERS_MAX];
    struct net_viewer *viewers[VIEWERS_MAX];
    struct net_view *cameras[VIEWERS_MAX];
    unsigned count;
};

/* Viewers of cameras of 720p, each of another one's, behind links of their own. */
static void call_open_with(struct call *c, uint64_t seed, const struct net_sender_options *o,
    const char *const *down, unsigned count)
{
    struct net_world *w = c->world = net_open(seed, 1);
    for (c->count = 0; c->count < count; c->count++) {
        c->senders[c->count] = net_sender_add(w, 0, o);
        c->viewers[c->count] = net_viewer_add(w, 0, false);
    }
    net_connect(w);
    for (unsigned i = 0; i < count; i++) {
        c->senders[i]->peer->up = net_link_add(w, "0 delay=20ms");
        c->senders[i]->peer->down = net_link_add(w, "0 delay=20ms");
        c->viewers[i]->peer->up = net_link_add(w, "0 delay=20ms");
        c->viewers[i]->peer->down = net_link_add(w, down[i]);
    }
    net_begin(w);
    for (unsigned i = 0; i < count; i++) {
        net_viewer_start(c->viewers[i]);
        net_sender_start(c->senders[i], 0);
    }
    net_run(w, 1);
    for (unsigned i = 0; i < count; i++)
        c->cameras[i] = net_viewer_watch(c->viewers[i], c->senders[i], true, true);
}

static void call_open(struct call *c, uint64_t seed, const char *const *down, unsigned count)
{
    call_open_with(c, seed, &net_sender_720p, down, count);
}

static void call_close(struct call *c)
{
    for (unsigned i = 0; i < c->count; i++)
        net_viewer_free(c->viewers[i]);
    net_close(c->world);
    for (unsigned i = 0; i < c->count; i++)
        net_sender_free(c->senders[i]);
}

static struct sfu_peer *server_of(const struct net_viewer *v)
{
    struct sfu_peer *p = net_sfu_peer(v->peer);
    assert_non_null(p);
    return p;
}

/* Every frame goes as it came once it is known that the path takes that. */
static void a_good_path_gets_whole_frames(void **state)
{
    struct call c;
    (void)state;
    call_open(&c, 1, (const char *[]){"0 rate=50M delay=20ms queue=200ms"}, 1);
    net_run(c.world, 4);
    struct sfu_peer *p = server_of(c.viewers[0]);
    assert_true(congestion_estimate_bps(p) > 2000000);
    assert_true(pacer_rate_bps(&p->pacer) > 30000000);
    uint64_t paced = net_stats(c.world).paced, probes = net_stats(c.world).probe_out;
    net_run(c.world, 10);
    assert_int_equal(net_stats(c.world).paced, paced);
    assert_int_equal(net_stats(c.world).probe_out, probes); /* all that is wanted goes already */
    assert_true(pacer_rate_bps(&p->pacer) > 30000000);
    assert_int_equal(c.cameras[0]->video.broken, 0);
    assert_int_equal(c.cameras[0]->video.freezes, 0);
    call_close(&c);
}

static void a_narrow_path_is_found(void **state)
{
    struct call c;
    (void)state;
    call_open(&c, 2, (const char *[]){"0 rate=1M delay=20ms queue=300ms"}, 1);
    net_run(c.world, 6);
    struct sfu_peer *p = server_of(c.viewers[0]);
    for (double at_s = 6.1; at_s < 20; at_s += 0.1) {
        net_run(c.world, at_s);
        assert_in_range(congestion_estimate_bps(p), 300000, 1300000);
        assert_true(p->pacer.estimate_bps < 1500000); /* no frame goes faster than the link */
    }
    call_close(&c);
}

/* A video that is too large for what is taken for granted at the start comes all the same: padding finds out.
 */
static void a_large_video_comes_at_the_start_too(void **state)
{
    struct call c;
    struct net_sender_options large = {.layers = 1, .rates_bps = {4000000}, .voice = true};
    (void)state;
    call_open_with(&c, 7, &large, (const char *[]){"0 rate=20M delay=20ms queue=200ms"}, 1);
    net_run(c.world, 3);
    assert_true(c.cameras[0]->packets > 500);
    assert_true(congestion_estimate_bps(server_of(c.viewers[0])) > 4000000);
    call_close(&c);
}

/* What is wanted beyond the estimate is looked for, with packets that do no harm. */
static void probes_find_what_is_wanted(void **state)
{
    struct call c;
    (void)state;
    call_open(&c, 3, (const char *[]){"0 rate=10M delay=20ms queue=200ms"}, 1);
    net_run(c.world, 4);
    struct sfu_peer *p = server_of(c.viewers[0]);
    uint64_t before = net_stats(c.world).probe_out, packets = c.cameras[0]->packets;
    congestion_allocated(p, 2000000, 6000000, p->worker->now_us);
    for (double at_s = 4.1; congestion_estimate_bps(p) < 6000000; at_s += 0.1) {
        assert_true(at_s < 9);
        net_run(c.world, at_s);
        congestion_allocated(p, 2000000, 6000000, p->worker->now_us);
    }
    assert_true(net_stats(c.world).probe_out > before);
    net_run(c.world, 12);
    assert_true(c.cameras[0]->packets > packets);
    assert_int_equal(c.cameras[0]->video.broken, 0);
    assert_int_equal(c.cameras[0]->video.freezes, 0);
    congestion_allocated(p, 2000000, 0, p->worker->now_us);
    net_run(c.world, 13);
    before = net_stats(c.world).probe_out;
    net_run(c.world, 25);
    assert_int_equal(net_stats(c.world).probe_out, before); /* nothing is wanted, nothing is tried */
    call_close(&c);
}

/* A viewer whose feedback stops is sent less; it comes back by itself. */
static void silence_lowers_the_estimate(void **state)
{
    struct call c;
    (void)state;
    call_open(&c, 4, (const char *[]){"0 rate=10M delay=20ms queue=200ms"}, 1);
    net_run(c.world, 5);
    struct sfu_peer *p = server_of(c.viewers[0]);
    int64_t before = congestion_estimate_bps(p);
    assert_true(before > 2000000);
    struct link_shape gone = {.loss_ppm = LINK_PPM, .delay_us = 20000}, back = {.delay_us = 20000};
    assert_int_equal(link_shape_set(&c.viewers[0]->peer->up->link, &gone, virtual_now_us), 0);
    net_run(c.world, 8);
    assert_true(congestion_estimate_bps(p) < before * 6 / 10);
    assert_int_equal(link_shape_set(&c.viewers[0]->peer->up->link, &back, virtual_now_us), 0);
    net_run(c.world, 16);
    assert_true(congestion_estimate_bps(p) > 1700000);
    call_close(&c);
}

/* But for the randomness that all peers of a run share: who else sends what moves packets by microseconds. */
static bool same(int64_t a, int64_t b)
{
    return (double)a < 1.02 * (double)b && (double)b < 1.02 * (double)a;
}

/* The same viewer beside one on a good network and beside one on a terrible one. */
static void the_networks_of_others_do_not_count(void **state)
{
    struct call c;
    int64_t estimates[2][120];
    (void)state;
    for (int run = 0; run < 2; run++) {
        call_open(&c, 5,
            (const char *[]){"0 rate=4M delay=20ms queue=200ms",
                run ? "0 rate=200k delay=300ms jitter=200ms queue=300ms loss=15%" : "0 delay=20ms"},
            2);
        for (int i = 0; i < 120; i++) {
            net_run(c.world, 2 + i / 10.0);
            estimates[run][i] = congestion_estimate_bps(server_of(c.viewers[0]));
        }
        assert_true(!run || congestion_estimate_bps(server_of(c.viewers[1])) < 700000);
        call_close(&c);
    }
    for (int i = 0; i < 120; i++) {
        assert_true(same(estimates[0][i], estimates[1][i]));
    }
}

/* ---- forged feedback ---- */

static void forge(struct net_viewer *v, struct seeded *random)
{
    uint8_t buf[1200];
    struct writer w = writer_of(buf, sizeof buf);
    unsigned blocks = 1 + (uint32_t)seeded_u64(random) % 8;
    for (unsigned i = 0; i < blocks; i++) {
        size_t at = rtcp_begin(&w, RTCP_RTPFB, RTCP_FMT_TWCC);
        writer_u32(&w, 1);
        writer_u32(&w, 2);
        writer_u16(&w, (uint16_t)((uint32_t)seeded_u64(random) % 4000)); /* about what was sent */
        writer_u16(&w, (uint16_t)(1 + (uint32_t)seeded_u64(random) % 40));
        writer_u24(&w, (uint32_t)seeded_u64(random) & 0xffffff);
        writer_u8(&w, (uint8_t)i);
        writer_u16(&w, (uint16_t)(((uint32_t)seeded_u64(random) % 3) << 13 | 40));
        for (int k = 0; k < 81; k++)
            writer_u8(&w, (uint8_t)(uint32_t)seeded_u64(random));
        writer_zero(&w, (4 - (w.len - at) % 4) % 4);
        rtcp_end(&w, at);
    }
    rtc_client_rtcp(&v->peer->client, buf, w.len);
}

static void forged_feedback_moves_its_own_estimate_only(void **state)
{
    struct call c;
    int64_t estimates[2][100];
    (void)state;
    for (int run = 0; run < 2; run++) {
        call_open(&c, 6, (const char *[]){"0 rate=4M delay=20ms queue=200ms", "0 delay=20ms"}, 2);
        struct seeded random = seeded_of(6);
        for (int i = 0; i < 1000; i++) {
            net_run(c.world, 2 + i / 100.0);
            if (run)
                forge(c.viewers[1], &random);
            if (i % 10 == 0)
                estimates[run][i / 10] = congestion_estimate_bps(server_of(c.viewers[0]));
            assert_in_range(
                congestion_estimate_bps(server_of(c.viewers[1])), ESTIMATOR_MIN_BPS, ESTIMATOR_MAX_BPS);
            assert_true(net_stats(c.world).probe_out < 4000);
        }
        assert_int_equal(c.cameras[0]->video.broken, 0);
        call_close(&c);
    }
    for (int i = 0; i < 100; i++) {
        assert_true(same(estimates[0][i], estimates[1][i]));
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_good_path_gets_whole_frames),
        cmocka_unit_test(a_narrow_path_is_found),
        cmocka_unit_test(a_large_video_comes_at_the_start_too),
        cmocka_unit_test(probes_find_what_is_wanted),
        cmocka_unit_test(silence_lowers_the_estimate),
        cmocka_unit_test(the_networks_of_others_do_not_count),
        cmocka_unit_test(forged_feedback_moves_its_own_estimate_only),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
