/* Which of a track's streams a subscriber sees: simulcast layers that come and go, wishes, pauses, mutes,
 * sources that start over. Whatever happens, what a subscriber gets is one stream without a seam. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>
#include <stdio.h>
#include <string.h>
#include "base/rand.h"
#include "rtp/clock.h"
#include "rtp/seq.h"
#include "support/sfu_party.h"
#include "support/virtual_net.h"

#define LAYERS   3
#define FRAME_MS 5

static struct party t;

/* ---- a camera of three layers, which sends key frames when it is asked to ---- */

static const char *const rids[LAYERS] = {"q", "h", "f"};

static struct camera {
    struct source *layers[LAYERS];
    unsigned answered[LAYERS]; /* key frame requests */
    uint32_t base_ts[LAYERS];  /* timestamp of the start */
    unsigned frames[LAYERS];
    bool on[LAYERS];
    int64_t start_us, shot_us; /* time of the newest frame, since the start */
} camera;

static void camera_open(unsigned workers, unsigned subs)
{
    party_open(
        &t, &(struct party_options){.workers = workers, .subs = subs, .rids = rids, .rid_count = LAYERS});
    camera = (struct camera){.start_us = sfu_rig_now_us()};
    for (unsigned i = 0; i < LAYERS; i++) {
        camera.layers[i] = source_new(t.publisher, t.video, VIDEO, "1", rids[i]);
        camera.base_ts[i] = camera.layers[i]->ts;
        camera.on[i] = true;
    }
}

static void camera_close(void)
{
    party_close(&t);
    for (unsigned i = 0; i < LAYERS; i++)
        source_free(camera.layers[i]);
}

static uint32_t ts_of(unsigned layer)
{
    return camera.base_ts[layer] + (uint32_t)rtp_us_to_units(camera.shot_us, 90000);
}

/* One frame of every layer that is on, captured now; then its time passes. All layers together are less than
 * a path is taken to carry: what goes is not for the bandwidth to say. */
static void shoot(void)
{
    camera.shot_us = sfu_rig_now_us() - camera.start_us;
    for (unsigned i = 0; i < LAYERS; i++) {
        struct source *s = camera.layers[i];
        unsigned plis = sfu_rig_stream(t.publisher, s->ssrc)->plis;
        if (!camera.on[i])
            continue;
        bool key = !camera.frames[i] || plis > camera.answered[i];
        camera.answered[i] = plis;
        s->ts = ts_of(i) - s->clock_hz / 30; /* which the source adds */
        source_frame(s, key, 1 + i, 0);
        if (camera.frames[i]++ % 30 == 0)
            source_report(s, ntp_from_wall_us(1700000000000000 + camera.shot_us), ts_of(i));
    }
    sfu_rig_idle(&t.rig, FRAME_MS);
}

static int layer_of(const struct heard *h)
{
    uint32_t ssrc = source_tag(h, VIDEO).ssrc;
    for (int i = 0; i < LAYERS; i++)
        if (camera.layers[i]->ssrc == ssrc)
            return i;
    fail_msg("a packet of no layer");
    return -1;
}

/* The layer that a subscriber sees now; -1: nothing yet. */
static int seen_by(unsigned sub)
{
    const struct heard_stream *s = party_heard(&t, sub, VIDEO);
    return s->count ? layer_of(&s->packets[s->count - 1]) : -1;
}

/* One stream without a seam: numbers, picture ids; another layer only from a key frame on, no packet missing,
 * none twice; and the time between two packets is that between their capture. */
static void assert_seamless(unsigned sub)
{
    const struct heard_stream *s = party_heard(&t, sub, VIDEO);
    source_assert_continuous(s, VIDEO);
    for (size_t i = 0; i < s->count; i++) {
        const struct heard *h = &s->packets[i], *before = i ? &s->packets[i - 1] : NULL;
        struct tag tag = source_tag(h, VIDEO), last = before ? source_tag(before, VIDEO) : tag;
        if (!before || tag.ssrc != last.ssrc)
            assert_true(payload_is(&h->payload, PAYLOAD_KEY | PAYLOAD_START));
        else if (!payload_is(&h->payload, PAYLOAD_KEY | PAYLOAD_START))
            assert_int_equal(tag.index, last.index + 1);
        assert_int_equal(h->h.pt, SUB_VP8);
    }
}

/* Of a key frame that was held, and what followed it, times are drawn together, up to the present. */
struct drawn {
    bool may, known;
    int64_t ahead; /* of what was shown last, against its capture */
};

static void assert_step_true(struct drawn *d, bool begins, int64_t captured, int64_t shown)
{
    int64_t age = rtp_us_to_units(KEY_CACHE_AGE_US, 90000);
    if (begins) { /* what would be a step back is pushed on, until the next start */
        *d = (struct drawn){.may = true, .known = true, .ahead = shown - captured};
        assert_in_range(d->ahead + 900, 0, 900 + age);
    } else if (!d->may || shown == captured) {
        assert_int_equal(shown, captured);
        if (d->known && captured)
            assert_in_range(d->ahead + 900, 0, 1800 + (age >> REWRITE_DRAWN_SHIFT));
        d->may = d->may && !captured;
    } else {
        assert_in_range(shown - (captured >> REWRITE_DRAWN_SHIFT) + 1, 0, 2);
        d->ahead += shown - captured;
    }
}

static void assert_times_true(unsigned sub)
{
    const struct heard_stream *s = party_heard(&t, sub, VIDEO);
    struct drawn d = {.may = true};
    for (size_t i = 1; i < s->count; i++) {
        const struct heard *a = &s->packets[i - 1], *b = &s->packets[i];
        int la = layer_of(a), lb = layer_of(b);
        const struct source_packet *ka = &camera.layers[la]->kept[source_tag(a, VIDEO).index % SOURCE_KEPT];
        const struct source_packet *kb = &camera.layers[lb]->kept[source_tag(b, VIDEO).index % SOURCE_KEPT];
        if (source_tag(a, VIDEO).index != ka->index || source_tag(b, VIDEO).index != kb->index) {
            d = (struct drawn){.may = true};
            continue; /* too long ago */
        }
        assert_step_true(&d, la != lb || payload_is(&b->payload, PAYLOAD_KEY | PAYLOAD_START),
            ts_diff(kb->ts - camera.base_ts[lb], ka->ts - camera.base_ts[la]), ts_diff(b->h.ts, a->h.ts));
    }
}

/* ---- layers ---- */

static void the_best_layer_that_comes_is_forwarded(unsigned workers)
{
    camera_open(workers, 2);
    camera.on[1] = camera.on[2] = false;
    SFU_RIG_UNTIL(&t.rig, seen_by(0) == 0 && seen_by(1) == 0, shoot());
    for (int layer = 1; layer < LAYERS; layer++) {
        camera.on[layer] = true;
        SFU_RIG_UNTIL(&t.rig, seen_by(0) == layer && seen_by(1) == layer, shoot());
        for (int i = 0; i < 20; i++)
            shoot();
    }
    for (unsigned i = 0; i < 2; i++) {
        assert_seamless(i);
        assert_times_true(i);
        assert_int_equal(sfu_rig_events(&t.rig, SFU_EVENT_SUB_LAYER, 0, t.video, t.video_sub[i]), 3);
        assert_int_equal(
            sfu_rig_event(&t.rig, SFU_EVENT_SUB_LAYER, 0, t.video, t.video_sub[i])->layer.layer, 2);
    }
    assert_int_equal(sfu_rig_events(&t.rig, SFU_EVENT_TRACK_LIVE, 0, t.video, 0), 1);
    camera_close();
}

static void layers_that_appear_are_taken(void **state)
{
    (void)state;
    the_best_layer_that_comes_is_forwarded(1);
    the_best_layer_that_comes_is_forwarded(2);
}

static void nobody_sees_more_than_was_wanted(unsigned workers)
{
    camera_open(workers, 4);
    for (unsigned i = 0; i < 3; i++)
        source_wants(t.subs[i], t.video_sub[i], false, (int)i);
    SFU_RIG_UNTIL(&t.rig, seen_by(0) == 0 && seen_by(1) == 1 && seen_by(2) == 2 && seen_by(3) == 2, shoot());
    static const int wishes[] = {2, 0, 1, -1, 0, 2};
    for (unsigned k = 0; k < sizeof wishes / sizeof wishes[0]; k++) {
        int want = wishes[k] < 0 ? 2 : wishes[k];
        source_wants(t.subs[0], t.video_sub[0], false, wishes[k]);
        SFU_RIG_UNTIL(&t.rig, seen_by(0) == want, shoot());
        const struct heard_stream *s = party_heard(&t, 0, VIDEO);
        size_t from = s->count;
        for (int i = 0; i < 20; i++)
            shoot();
        for (size_t i = from; i < s->count; i++)
            assert_int_equal(layer_of(&s->packets[i]), want);
    }
    sfu_rig_sync(&t.rig);
    assert_int_equal(seen_by(1), 1);
    for (unsigned i = 0; i < 4; i++) {
        assert_seamless(i);
        assert_times_true(i);
    }
    camera_close();
}

static void wishes_bound_the_layer(void **state)
{
    (void)state;
    nobody_sees_more_than_was_wanted(1);
    nobody_sees_more_than_was_wanted(2);
}

static void layers_that_die_give_way(void **state)
{
    (void)state;
    camera_open(2, 2);
    SFU_RIG_UNTIL(&t.rig, seen_by(0) == 2 && seen_by(1) == 2, shoot());
    camera.on[2] = false;
    SFU_RIG_UNTIL(&t.rig, seen_by(0) == 1 && seen_by(1) == 1, (shoot(), sfu_rig_idle(&t.rig, 10)));
    unsigned asked = sfu_rig_stream(t.publisher, camera.layers[2]->ssrc)->plis;
    source_wants(t.subs[0], t.video_sub[0], false, 0);
    camera.on[0] = false; /* the one that is wanted dies too: better another than none */
    SFU_RIG_UNTIL(&t.rig, party_heard(&t, 0, VIDEO)->count && seen_by(0) == 1 && seen_by(1) == 1,
        (shoot(), sfu_rig_idle(&t.rig, 10)));
    for (int i = 0; i < 100; i++) {
        shoot();
        sfu_rig_idle(&t.rig, 10);
    }
    assert_int_equal(seen_by(0), 1);
    assert_int_equal(
        sfu_rig_stream(t.publisher, camera.layers[2]->ssrc)->plis, asked); /* the dead are left alone */
    camera.on[0] = true;
    SFU_RIG_UNTIL(&t.rig, seen_by(0) == 0, (shoot(), sfu_rig_idle(&t.rig, 2)));
    camera.on[2] = true;
    SFU_RIG_UNTIL(&t.rig, seen_by(1) == 2, (shoot(), sfu_rig_idle(&t.rig, 2)));
    assert_seamless(0);
    assert_seamless(1);
    camera_close();
}

/* A key frame that somebody waits for, of a layer that stops before it sends one; what is held of it is too
 * old to begin with. */
static void nobody_waits_for_the_dead(void **state)
{
    (void)state;
    camera_open(1, 1);
    source_wants(t.subs[0], t.video_sub[0], false, 0);
    SFU_RIG_UNTIL(&t.rig, seen_by(0) == 0, shoot());
    struct heard_stream *top = sfu_rig_stream(t.publisher, camera.layers[2]->ssrc);
    camera.answered[2] = 1000000; /* it is deaf */
    for (int64_t old_us = sfu_rig_now_us() + KEY_CACHE_AGE_US; sfu_rig_now_us() < old_us;) {
        shoot();
        sfu_rig_idle(&t.rig, 10);
    }
    unsigned asked = top->plis;
    source_wants(t.subs[0], t.video_sub[0], false, 2);
    SFU_RIG_UNTIL(&t.rig, top->plis > asked, (shoot(), sfu_rig_idle(&t.rig, 2)));
    camera.on[2] = false;
    SFU_RIG_UNTIL(&t.rig, seen_by(0) == 1, (shoot(), sfu_rig_idle(&t.rig, 10)));
    asked = top->plis;
    for (int i = 0; i < 100; i++) {
        shoot();
        sfu_rig_idle(&t.rig, 10);
    }
    assert_int_equal(top->plis, asked);
    assert_seamless(0);
    camera_close();
}

/* ---- pauses and mutes ---- */

static void a_pause_leaves_no_hole(unsigned workers)
{
    camera_open(workers, 2);
    SFU_RIG_UNTIL(&t.rig, seen_by(0) == 2 && seen_by(1) == 2, shoot());
    for (int round = 0; round < 3; round++) {
        source_wants(t.subs[0], t.video_sub[0], true, -1);
        const struct sfu_event *e;
        SFU_RIG_UNTIL(&t.rig,
            (e = sfu_rig_event(&t.rig, SFU_EVENT_SUB_LAYER, 0, 0, t.video_sub[0])) && e->layer.paused,
            shoot());
        assert_int_equal(e->layer.layer, -1);
        sfu_rig_drain(&t.rig);
        size_t count = party_heard(&t, 0, VIDEO)->count, other = party_heard(&t, 1, VIDEO)->count;
        for (int i = 0; i < 30; i++)
            shoot();
        SFU_RIG_UNTIL(&t.rig, party_heard(&t, 1, VIDEO)->count >= other + 30 * 3, (void)0); /* at the pace */
        sfu_rig_sync(&t.rig);
        assert_int_equal(party_heard(&t, 0, VIDEO)->count, count);
        assert_int_equal(party_heard(&t, 1, VIDEO)->count, other + 30 * 3);
        source_wants(t.subs[0], t.video_sub[0], false, -1);
        SFU_RIG_UNTIL(&t.rig, party_heard(&t, 0, VIDEO)->count > count + 50, shoot());
    }
    assert_seamless(0);
    assert_seamless(1);
    assert_times_true(0);
    camera_close();
}

static void pauses_leave_no_hole(void **state)
{
    (void)state;
    a_pause_leaves_no_hole(1);
    a_pause_leaves_no_hole(2);
}

static void mute(uint32_t track, bool muted)
{
    struct sfu_command c = {.type = SFU_TRACK_MUTE, .peer = t.publisher->id, .track = track};
    c.muted = muted;
    sfu_rig_post(&t.rig, &c);
}

static void a_muted_track_is_silent(void **state)
{
    (void)state;
    party_open(&t, &(struct party_options){.workers = 2, .subs = 2});
    SFU_RIG_UNTIL(&t.rig, party_all_heard(&t, 20, 20),
        (source_frame(t.camera, true, 2, 0), source_audio(t.voice, false)));
    for (int round = 0; round < 2; round++) {
        uint64_t muted = sfu_rig_stats(&t.rig).rtp_muted;
        mute(t.audio, true);
        mute(t.video, true);
        SFU_RIG_UNTIL(&t.rig, sfu_rig_stats(&t.rig).rtp_muted >= muted + 2,
            (source_frame(t.camera, true, 2, 0), source_audio(t.voice, false)));
        sfu_rig_drain(&t.rig);
        size_t video = party_heard(&t, 1, VIDEO)->count, audio = party_heard(&t, 0, AUDIO)->count;
        unsigned plis = sfu_rig_stream(t.publisher, t.camera->ssrc)->plis;
        for (int i = 0; i < 300; i++) { /* some of it lost: nobody asks for it */
            source_frame(t.camera, true, 2, i % 10 == 0);
            source_audio(t.voice, i % 10 == 0);
            sfu_rig_pump(&t.rig, 1);
        }
        sfu_rig_sync(&t.rig);
        assert_int_equal(party_heard(&t, 1, VIDEO)->count, video);
        assert_int_equal(party_heard(&t, 0, AUDIO)->count, audio);
        assert_int_equal(sfu_rig_stream(t.publisher, t.camera->ssrc)->nacks, 0);
        assert_int_equal(sfu_rig_stream(t.publisher, t.camera->ssrc)->plis, plis);
        mute(t.audio, false);
        mute(t.video, false);
        SFU_RIG_UNTIL(&t.rig, sfu_rig_stream(t.publisher, t.camera->ssrc)->plis > plis,
            (source_frame(t.camera, false, 2, 0), sfu_rig_idle(&t.rig, 1)));
        source_frame(t.camera, true, 2, 0);
        SFU_RIG_UNTIL(&t.rig, party_all_heard(&t, audio + 20, video + 20),
            (source_frame(t.camera, false, 2, 0), source_audio(t.voice, false), sfu_rig_idle(&t.rig, 1)));
    }
    for (unsigned i = 0; i < 2; i++) {
        source_assert_continuous(party_heard(&t, i, VIDEO), VIDEO);
        source_assert_continuous(party_heard(&t, i, AUDIO), AUDIO);
    }
    party_close(&t);
}

/* ---- sources that start over ---- */

/* Another SSRC in the same section. What still comes of the old one is of no use. */
static void source_restart(struct source *s)
{
    s->ssrc = rand_u32() | 1;
    s->rtx_ssrc = s->ssrc ^ 2;
    s->next = rand_u32() & 0x7fff;
    s->ts = rand_u32();
    s->picture = rand_u32() & 0x7fff;
}

static void a_source_that_starts_over_is_followed(unsigned workers)
{
    party_open(&t, &(struct party_options){.workers = workers, .subs = 2});
    struct source *old_camera = source_new(t.publisher, t.video, VIDEO, "1", NULL);
    struct source *old_voice = source_new(t.publisher, t.audio, AUDIO, "0", NULL);
    size_t video = 0, audio = 0;
    for (int round = 0; round < 4; round++) {
        source_frame(t.camera, true, 2, 0);
        for (int i = 0; i < 30; i++) {
            source_frame(t.camera, false, 2, 0);
            source_audio(t.voice, false);
            if (round) { /* the network still had some */
                source_frame(old_camera, false, 1, 0);
                source_audio(old_voice, false);
            }
            sfu_rig_pump(&t.rig, 1);
        }
        video += 62;
        audio += 30;
        SFU_RIG_UNTIL(&t.rig, party_all_heard(&t, audio, video), (void)0);
        sfu_rig_sync(&t.rig);
        for (unsigned i = 0; i < 2; i++) {
            const struct heard_stream *v = party_heard(&t, i, VIDEO), *a = party_heard(&t, i, AUDIO);
            assert_int_equal(v->count, video);
            assert_int_equal(a->count, audio);
            assert_int_equal(source_tag(&v->packets[v->count - 1], VIDEO).ssrc, t.camera->ssrc);
            assert_int_equal(source_tag(&a->packets[a->count - 1], AUDIO).ssrc, t.voice->ssrc);
        }
        *old_camera = *t.camera;
        *old_voice = *t.voice;
        source_restart(t.camera);
        source_restart(t.voice);
    }
    for (unsigned i = 0; i < 2; i++) {
        source_assert_continuous(party_heard(&t, i, VIDEO), VIDEO);
        source_assert_continuous(party_heard(&t, i, AUDIO), AUDIO);
    }
    party_close(&t);
    source_free(old_camera);
    source_free(old_voice);
}

static void sources_that_start_over_are_followed(void **state)
{
    (void)state;
    a_source_that_starts_over_is_followed(1);
    a_source_that_starts_over_is_followed(2);
}

/* More sources than the server keeps, one after the other. */
static void sources_may_start_over_without_end(void **state)
{
    (void)state;
    party_open(&t, &(struct party_options){.workers = 1, .subs = 1});
    for (unsigned round = 0; round < 2 * SFU_SSRCS_MAX; round++) {
        size_t count = party_heard(&t, 0, AUDIO)->count;
        source_audio(t.voice, false);
        source_audio(t.voice, false);
        SFU_RIG_UNTIL(&t.rig, party_heard(&t, 0, AUDIO)->count == count + 2, (void)0);
        source_restart(t.voice);
    }
    source_assert_continuous(party_heard(&t, 0, AUDIO), AUDIO);
    party_close(&t);
}

/* The same SSRC with another codec: the receiver's numbering of it, from a key frame on. */
static void another_codec_is_followed(void **state)
{
    static const uint8_t sps[SFU_RIG_HEAD] = {0x67, 1, 2, 3}, idr[SFU_RIG_HEAD] = {0x65, 1, 2, 3},
                         slice[SFU_RIG_HEAD] = {0x41, 1, 2, 3};
    (void)state;
    party_open(&t, &(struct party_options){.workers = 2, .subs = 2});
    SFU_RIG_UNTIL(&t.rig, party_all_heard(&t, 0, 40), source_frame(t.camera, true, 2, 0));
    sfu_rig_drain(&t.rig);
    size_t vp8 = party_heard(&t, 0, VIDEO)->count;
    assert_int_equal(party_heard(&t, 1, VIDEO)->count, vp8);
    unsigned plis = sfu_rig_stream(t.publisher, t.camera->ssrc)->plis;
    for (int i = 0; i < 3; i++) { /* the sender's switch shows in mid-frame */
        t.camera->ts += 3000;
        source_payload(t.camera, PUB_H264, slice, sizeof slice, true);
    }
    SFU_RIG_UNTIL(&t.rig, sfu_rig_stream(t.publisher, t.camera->ssrc)->plis > plis, (void)0);
    sfu_rig_sync(&t.rig);
    assert_int_equal(party_heard(&t, 0, VIDEO)->count, vp8);
    for (int i = 0; i < 20; i++) {
        t.camera->ts += 3000;
        if (i == 0)
            source_payload(t.camera, PUB_H264, sps, sizeof sps, false);
        source_payload(t.camera, PUB_H264, i ? slice : idr, sizeof idr, true);
    }
    SFU_RIG_UNTIL(&t.rig, party_all_heard(&t, 0, vp8 + 21), (void)0);
    for (unsigned k = 0; k < 2; k++) {
        const struct heard_stream *s = party_heard(&t, k, VIDEO);
        for (size_t i = 0; i < s->count; i++) {
            assert_int_equal(s->packets[i].h.pt, i < vp8 ? SUB_VP8 : SUB_H264);
            assert_int_equal(s->packets[i].h.seq, (uint16_t)(s->packets[0].h.seq + i));
        }
        assert_memory_equal(s->packets[vp8].head, sps, SFU_RIG_HEAD);
    }
    party_close(&t);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_teardown(layers_that_appear_are_taken, sfu_rig_teardown),
        cmocka_unit_test_teardown(wishes_bound_the_layer, sfu_rig_teardown),
        cmocka_unit_test_teardown(layers_that_die_give_way, sfu_rig_teardown),
        cmocka_unit_test_teardown(nobody_waits_for_the_dead, sfu_rig_teardown),
        cmocka_unit_test_teardown(pauses_leave_no_hole, sfu_rig_teardown),
        cmocka_unit_test_teardown(a_muted_track_is_silent, sfu_rig_teardown),
        cmocka_unit_test_teardown(sources_that_start_over_are_followed, sfu_rig_teardown),
        cmocka_unit_test_teardown(sources_may_start_over_without_end, sfu_rig_teardown),
        cmocka_unit_test_teardown(another_codec_is_followed, sfu_rig_teardown),
    };
    return cmocka_run_group_tests(tests, sfu_rig_begin, sfu_rig_end);
}
