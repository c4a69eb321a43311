/* What the layers of a track are found to be and to cost, by the packets that come: simulcast, scalable
 * streams of both kinds, temporal layers, layers that stop. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>
#include <stdlib.h>
#include <string.h>
#include "base/log.h"
#include "sfu/internal.h"
#include "tls/cert.h"

static struct config cfg;
static struct dtls_context *dtls;
static struct sfu *sfu;
static struct sfu_worker *w;
static struct sfu_track *t;

static int one_track(void **state)
{
    char error[128];
    struct cert *cert = NULL;
    (void)state;
    cfg.rtc.buffer_bytes = 1 << 16;
    assert_int_equal(cert_make(&(struct cert_subject){.days = 30}, &cert, NULL), 0);
    assert_int_equal(dtls_context_new(cert, &dtls), 0);
    cert_free(cert);
    struct sfu_config config = {.cfg = &cfg, .dtls = dtls, .workers = 1};
    assert_int_equal(sfu_new(&config, &sfu, error, sizeof error), 0);
    w = sfu->workers[0];
    struct sfu_command c = {.type = SFU_PEER_ADD, .peer = 1};
    memcpy(c.remote.ice.local_ufrag, "Aabc", 5);
    memcpy(c.remote.ice.local_pwd, "0123456789012345678901", 23);
    peer_command(w, &c, NULL);
    c = (struct sfu_command){.type = SFU_TRACK_ADD, .peer = 1, .track = 2};
    c.track_add.kind = KIND_VIDEO;
    c.track_add.announced.layer_count = 3;
    for (unsigned i = 0; i < 3; i++) {
        c.track_add.announced.layers[i].width = (uint16_t)(1280u >> (2 - i));
        c.track_add.announced.layers[i].height = (uint16_t)(720u >> (2 - i));
        c.track_add.announced.layers[i].bitrate_bps = 200000u << 2 * i;
    }
    track_command(w, &c);
    t = track_find(w, 2);
    assert_non_null(t);
    return 0;
}

static int no_track(void **state)
{
    (void)state;
    while (w->peers)
        peer_remove(w->peers, false);
    sfu_free(sfu);
    dtls_context_free(dtls);
    return 0;
}

/* Layers of bytes each tenth of a second, for so long. */
static void comes(
    enum payload_codec codec, unsigned flags, unsigned spatials, unsigned temporals, bool streams, double s)
{
    for (int i = 0; i < (int)(10 * s); i++) {
        w->now_us += SFU_TICK_US;
        t->newest_us = w->now_us;
        for (unsigned k = 0; k < spatials * temporals; k++) {
            unsigned spatial = k / temporals;
            struct sfu_packet m = {.stream = (uint8_t)(streams ? spatial : 0)};
            m.rtp.payload = (struct payload_info){.codec = (uint8_t)codec,
                .flags = (uint16_t)(flags | PAYLOAD_LAYERS),
                .spatial = (uint8_t)(streams ? 0 : spatial),
                .temporal = (uint8_t)(k % temporals)};
            track_stream(t, m.stream)->codec = codec;
            allocation_count(t, &m, 1250u << spatial, w->now_us); /* 100, 200, 400 kbit/s */
        }
        allocation_track_tick(t, w->now_us);
    }
}

static void costs(int64_t low, int64_t medium, int64_t high)
{
    const int64_t expected[] = {low, medium, high};
    unsigned top = t->layers.temporal - 1u;
    for (unsigned i = 0; i < 3; i++)
        assert_int_equal((t->layers.cost_bps[i][top] + 500) / 1000, expected[i]);
}

static void simulcast_layers_cost_what_they_bring(void **state)
{
    (void)state;
    comes(PAYLOAD_VP8, 0, 3, 1, true, 3);
    assert_int_equal(t->layers.spatial, 3);
    assert_int_equal(t->layers.active, 7);
    assert_false(t->layers.svc);
    costs(100, 200, 400);
    assert_int_equal(t->layers.layers[2].width, 1280);
    assert_int_equal(t->layers.layers[0].height, 180);
}

static void temporal_layers_add_up(void **state)
{
    (void)state;
    comes(PAYLOAD_VP8, 0, 3, 3, true, 3);
    assert_int_equal(t->layers.temporal, 3);
    costs(300, 600, 1200);
    assert_int_equal((t->layers.cost_bps[1][0] + 500) / 1000, 200);
    assert_int_equal((t->layers.cost_bps[1][1] + 500) / 1000, 400);
}

static void scalable_layers_need_those_below(void **state)
{
    (void)state;
    comes(PAYLOAD_VP9, PAYLOAD_PREDICTED | PAYLOAD_INTER_LAYER, 3, 1, false, 3);
    assert_true(t->layers.svc);
    assert_int_equal(t->layers.active, 7);
    costs(100, 300, 700);
}

static void but_not_where_only_key_frames_do(void **state)
{
    (void)state;
    comes(PAYLOAD_VP9, PAYLOAD_PREDICTED, 3, 1, false, 3);
    assert_false(t->layers.svc);
    costs(100, 200, 400);
}

/* Two spatial layers: the upper one's target has the lower one's frames, or only its key frames. */
static void describe_structure(bool key_only)
{
    struct sfu_stream *s = track_stream(t, 0);
    s->dd = s->dd ? s->dd : calloc(1, sizeof *s->dd);
    assert_non_null(s->dd);
    *s->dd = (struct dd_structure){.valid = true, .template_count = 4, .target_count = 2, .spatial_max = 1};
    s->dd->target_spatial[1] = 1;
    s->dd->resolution_count = 2;
    s->dd->width[0] = 320, s->dd->height[0] = 240;
    s->dd->width[1] = 640, s->dd->height[1] = 480;
    for (unsigned i = 0; i < 4; i++) {
        struct dd_deps *d = &s->dd->templates[i];
        d->spatial = i & 1;
        d->fdiff_count = i >= 2;
        unsigned lower = d->spatial ? DD_ABSENT : DD_SWITCH;
        unsigned upper = key_only && d->spatial == 0 && i >= 2 ? DD_ABSENT : DD_REQUIRED;
        d->indications = lower | upper << 2;
    }
}

static void a_descriptor_says_it_for_every_codec(void **state)
{
    (void)state;
    comes(PAYLOAD_AV1, 0, 2, 1, false, 0.3);
    assert_true(t->layers.svc); /* until something is known */
    describe_structure(true);
    comes(PAYLOAD_AV1, 0, 2, 1, false, 3);
    assert_false(t->layers.svc);
    assert_int_equal(t->layers.layers[1].width, 640); /* and how large pictures really are */
    assert_int_equal(t->layers.layers[0].height, 240);
    assert_int_equal(t->layers.active, 3); /* what was announced does not come */
    describe_structure(false);
    comes(PAYLOAD_AV1, 0, 2, 1, false, 0.1);
    assert_true(t->layers.svc);
    assert_int_equal((t->layers.cost_bps[1][0] + 500) / 1000, 300);
}

static void the_only_layer_has_the_largest_size(void **state)
{
    (void)state;
    comes(PAYLOAD_VP8, 0, 1, 1, false, 3);
    assert_int_equal(t->layers.spatial, 1);
    assert_int_equal(t->layers.layers[0].width, 1280);
}

static void what_stops_is_not_active(void **state)
{
    (void)state;
    comes(PAYLOAD_VP8, 0, 3, 1, true, 3);
    comes(PAYLOAD_VP8, 0, 2, 1, true, 1);
    assert_int_equal(t->layers.active, 7);
    comes(PAYLOAD_VP8, 0, 2, 1, true, 1);
    assert_int_equal(t->layers.active, 3);
    assert_int_equal(t->layers.cost_bps[2][0], 0);
    comes(PAYLOAD_VP8, 0, 3, 1, true, 0.1);
    assert_int_equal(t->layers.active, 7);
    for (int i = 0; i < 30; i++) { /* all of it stops: a still screen; nothing is taken away for that */
        w->now_us += SFU_TICK_US;
        allocation_track_tick(t, w->now_us);
    }
    assert_int_equal(t->layers.active, 7);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, one_track, no_track)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(simulcast_layers_cost_what_they_bring),
        TEST(temporal_layers_add_up),
        TEST(scalable_layers_need_those_below),
        TEST(but_not_where_only_key_frames_do),
        TEST(a_descriptor_says_it_for_every_codec),
        TEST(the_only_layer_has_the_largest_size),
        TEST(what_stops_is_not_active),
    };
    (void)log_open(LOG_LEVEL_WARN, NULL);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
