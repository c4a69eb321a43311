/* The key-frame cache: who joins late, or changes the layer, begins with the newest key frame and what
 * followed it, and the publisher is asked for nothing; of every codec, encrypted end to end or not, and what
 * is given makes one stream that a decoder takes. What leads nowhere is not given, and the publisher is asked
 * once. In virtual time. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>
#include <stdio.h>
#include "sfu_film.h"
#include "support/virtual_net.h"

#define SOON_US 60000 /* after joining, the first picture has been shown: less than two of the camera's */

static const struct flavour flavours[] = {
    {"VP8 simulcast", PAYLOAD_VP8, 3, 1, .ksvc = false},
    {"VP8 simulcast, encrypted", PAYLOAD_VP8, 3, 1, .sealed = true},
    {"H.264 simulcast", PAYLOAD_H264, 3, 1, .ksvc = false},
    {"H.264 simulcast, encrypted", PAYLOAD_H264, 3, 1, .sealed = true},
    {"VP9 SVC", PAYLOAD_VP9, 1, 3, .ksvc = false},
    {"VP9 K-SVC", PAYLOAD_VP9, 1, 3, .ksvc = true},
    {"VP9 SVC by descriptors, encrypted", PAYLOAD_VP9, 1, 3, .dd = true, .sealed = true},
    {"AV1 SVC, encrypted", PAYLOAD_AV1, 1, 3, .dd = true, .sealed = true},
    {"AV1 K-SVC, encrypted", PAYLOAD_AV1, 1, 3, .ksvc = true, .dd = true, .sealed = true},
};
#define FLAVOURS (sizeof flavours / sizeof *flavours)

static const struct flavour *const vp8 = &flavours[0];
static const struct flavour single = {"VP8", PAYLOAD_VP8, 1, 1, .ksvc = false};

/* The first picture is decoded as soon as it could be, and all since then too. */
static void assert_in_time(const struct watcher *v, int64_t soon_us)
{
    assert_true(v->first_us > 0);
    assert_in_range(v->first_us - v->joined_us, 0, soon_us);
    assert_in_range(v->stale, 0, soon_us / FILM_FRAME_US - 1);
    assert_true(v->drawn > 0); /* and shown at once, not at the pace at which it came */
}

/* ---- who joins late ---- */

/* before: somebody on each worker saw it from the beginning. */
static void joins_late(const struct flavour *f, unsigned workers, bool before)
{
    film_open(f, workers, 3);
    for (unsigned i = 0; before && i < workers; i++)
        (void)watch_join(i, -1);
    film_run(0.5);
    film_keys();
    film_run(0.6);
    unsigned asked = film.asked, served = film_served();
    struct watcher *late = watch_join(workers, -1);
    film_run(1);
    print_message("%s, %u workers: first picture after %lld us, %u frames\n", f->name, workers,
        (long long)(late->first_us - late->joined_us), late->frames);
    assert_in_time(late, SOON_US);
    assert_true(film.frames[late->first].at_us < late->joined_us);
    assert_true(film.frames[late->first].key);
    assert_true(late->frames >= 45 * (f->ksvc ? 1 : f->spatials));
    assert_int_equal(watch_layer(late), 2);
    assert_int_equal(film.asked, asked);
    assert_int_equal(film_served(), served + 1);
    film_close();
}

static void late_joiners_begin_with_what_there_is(void **state)
{
    (void)state;
    for (unsigned i = 0; i < FLAVOURS; i++)
        for (unsigned workers = 1; workers <= 2; workers++)
            joins_late(&flavours[i], workers, true);
}

/* Another worker than the publisher's knows nothing of the track until then. */
static void so_do_the_first_ones_of_all(void **state)
{
    (void)state;
    for (unsigned i = 0; i < FLAVOURS; i++)
        for (unsigned workers = 1; workers <= 2; workers++)
            joins_late(&flavours[i], workers, false);
}

/* ---- who was not ready ---- */

static void pli(const struct watcher *v)
{
    uint8_t buf[64];
    struct writer w = writer_of(buf, sizeof buf);
    rtcp_pli_write(&w, 1, FILM_SUB_SSRC);
    rtc_client_rtcp(&v->peer->client, buf, w.len);
}

/* What came first was lost on a receiver that had not set itself up, which asks, and is given it again:
 * twice, and no more; nor when it has been there for a while. */
static void asks_at_once(const struct flavour *f, unsigned workers)
{
    film_open(f, workers, 3);
    film_run(0.5);
    film_keys();
    film_run(0.2);
    unsigned asked = film.asked, served = film_served();
    struct watcher *v = watch_join(2, -1);
    for (unsigned i = 0; i <= KEY_CACHE_AGAIN; i++) {
        assert_int_equal(film.asked, asked);
        film_run(0.1);
        pli(v);
    }
    film_run(0.1);
    print_message("%s, %u workers: %u key frames\n", f->name, workers, v->keys);
    assert_int_equal(v->keys, 1 + KEY_CACHE_AGAIN);
    assert_int_equal(film.asked, asked + 1);
    assert_int_equal(film_served(), served + 1 + KEY_CACHE_AGAIN);
    film_close();
}

static void who_was_not_ready_is_given_it_again(void **state)
{
    (void)state;
    for (unsigned i = 0; i < FLAVOURS; i++)
        for (unsigned workers = 1; workers <= 2; workers++)
            asks_at_once(&flavours[i], workers);
}

static void who_asks_later_is_not(void **state)
{
    (void)state;
    film_open(&single, 1, 1);
    film_run(0.5);
    struct watcher *v = watch_join(0, -1);
    film_run(2.5);
    film_keys();
    film_run(0.2);
    unsigned asked = film.asked, keys = v->keys;
    pli(v);
    film_run(0.1);
    assert_int_equal(film.asked, asked + 1);
    assert_int_equal(v->keys, keys);
    film_close();
}

/* ---- who changes the layer ---- */

static void switches(const struct flavour *f, unsigned workers)
{
    film_open(f, workers, 1);
    struct watcher *v = watch_join(0, 0);
    film_run(1);
    assert_int_equal(watch_layer(v), 0);
    static const int wishes[] = {2, 1, -1, 0, 1, 0};
    for (unsigned i = 0; i < sizeof wishes / sizeof *wishes; i++) {
        film_keys();
        film_run(0.4);
        unsigned asked = film.asked, keys = v->keys;
        v->joined_us = virtual_now_us;
        watch_wants(v, wishes[i]);
        film_run(0.1);
        assert_int_equal(watch_layer(v), wishes[i] < 0 ? 2 : wishes[i]);
        assert_true(v->keys == keys + 1 || f->streams == 1); /* a lower spatial layer needs none */
        film_run(1.5);
        assert_int_equal(watch_layer(v), wishes[i] < 0 ? 2 : wishes[i]);
        assert_int_equal(film.asked, asked);
    }
    print_message("%s, %u workers: %u frames, %u keys, %u served\n", f->name, workers, v->frames, v->keys,
        film_served());
    assert_int_equal(v->stale, 0);
    assert_true(film_served() >= (f->streams > 1 ? 6 : 3));
    film_close();
}

static void layers_change_without_asking(void **state)
{
    (void)state;
    for (unsigned i = 0; i < FLAVOURS; i++)
        for (unsigned workers = 1; workers <= 2; workers++)
            switches(&flavours[i], workers);
}

/* ---- what leads nowhere ---- */

/* A watcher joins now, is given nothing of before, and the camera is asked, once for each stream. */
static void assert_asked_once(unsigned watcher)
{
    unsigned asked = film.asked, served = film_served();
    int64_t from_us = virtual_now_us;
    film.answers = true;
    struct watcher *v = watch_join(watcher, -1);
    film_run(1);
    assert_int_equal(film.asked, asked + 1);
    assert_int_equal(film_served(), served);
    assert_true(v->frames > 20);
    assert_true(film.frames[v->first].at_us >= from_us);
    assert_int_equal(v->stale, 0);
    film.answers = false;
}

static void assert_given(unsigned watcher, int64_t soon_us)
{
    unsigned asked = film.asked, served = film_served();
    struct watcher *v = watch_join(watcher, -1);
    film_run(1);
    assert_in_time(v, soon_us);
    assert_true(film.frames[v->first].at_us < v->joined_us);
    assert_int_equal(film.asked, asked);
    assert_int_equal(film_served(), served + 1);
}

/* What just came within a bound is given, what came beyond it is not. */
static void assert_bound(bool beyond, int64_t soon_us)
{
    if (beyond)
        assert_asked_once(2);
    else
        assert_given(2, soon_us);
    film_close();
}

static void open_single(unsigned workers)
{
    film_open(&single, workers, 4);
    for (unsigned i = 0; i < workers; i++) /* on each worker one */
        watch_join(i, -1)->blind = true;
    film_run(0.2);
    film_keys();
}

static void old_key_frames_are_not_given(void **state)
{
    (void)state;
    for (unsigned workers = 1; workers <= 2; workers++) {
        open_single(workers);
        film_run(0.9);
        assert_given(2, SOON_US); /* which takes a second */
        assert_asked_once(3);
        film_close();
    }
}

/* Thirteen pictures: fewer packets than are held, or more. */
static void long_ones_are_not_given(void **state)
{
    (void)state;
    for (int more = 0; more <= 1; more++) {
        open_single(1);
        film.packets = KEY_CACHE_PACKETS / 13 + (unsigned)more;
        film.bytes = 60;
        film_pictures(13);
        film.packets = 1;
        assert_bound(more, SOON_US);
    }
}

/* More than the path of who joins carries soon, as it is taken to be. */
static void large_ones_are_not_given(void **state)
{
    (void)state;
    for (int more = 0; more <= 1; more++) {
        open_single(1);
        film.packets = more ? 250 : 150;
        film.bytes = 1100;
        film_pictures(1 + more);
        film.packets = 1;
        film_pictures(6);
        assert_bound(more, KEY_CACHE_PACE_US);
    }
}

static void what_is_not_whole_is_not_given(void **state)
{
    (void)state;
    for (unsigned workers = 1; workers <= 2; workers++) {
        open_single(workers);
        film_run(0.2);
        film.lose = 1;
        film_run(0.2);
        assert_asked_once(2);
        film_close();
    }
}

/* The same, but what was lost comes after all. */
static void what_has_become_whole_is_given(void **state)
{
    (void)state;
    for (unsigned workers = 1; workers <= 2; workers++) {
        open_single(workers);
        film_run(0.2);
        film.lose = 1;
        film_run(0.2);
        film_send(&film.lost);
        film_run(0.1);
        assert_given(2, SOON_US);
        film_close();
    }
}

/* ---- what empties it ---- */

static void mute(bool muted)
{
    struct sfu_command c = {.type = SFU_TRACK_MUTE, .peer = film.peer->id, .track = film.track};
    c.muted = muted;
    net_post(film.w, &c);
}

static void a_mute_between(unsigned workers, bool sends)
{
    open_single(workers);
    film_run(0.2);
    mute(true);
    film.on = sends;
    film_run(0.2);
    mute(false);
    film.on = true;
    film_run(0.01);
    assert_asked_once(2);
    film_close();
}

static void a_mute_empties_it(void **state)
{
    (void)state;
    for (unsigned workers = 1; workers <= 2; workers++) {
        a_mute_between(workers, true);
        a_mute_between(workers, false);
    }
}

/* A source that starts over, the way that no browser does: without a key frame. */
static void another_source_empties_it(void **state)
{
    (void)state;
    for (unsigned workers = 1; workers <= 2; workers++) {
        open_single(workers);
        film_run(0.2);
        film_source(&film.streams[0], 7001);
        film.streams[0].key_wanted = false;
        film_run(0.2);
        assert_asked_once(2);
        film_source(&film.streams[0], 8001);
        film_run(0.2);
        assert_given(3, SOON_US);
        film_close();
    }
}

/* What is given is of the codec, and of the size, that is being sent. */
static void another_codec_empties_it(void **state)
{
    static const struct flavour vp9 = {"VP9", PAYLOAD_VP9, 1, 1, .ksvc = false};
    (void)state;
    for (unsigned workers = 1; workers <= 2; workers++) {
        open_single(workers);
        film_run(0.2);
        film.flavour = vp9;
        film_pictures(5); /* no key frame yet: a new encoder's was lost */
        assert_asked_once(2);
        film.flavour = single;
        film_keys();
        film_run(0.2);
        film.watchers[2].blind = true;
        assert_given(3, SOON_US);
        film_close();
    }
}

static void another_size_takes_its_place(void **state)
{
    (void)state;
    for (unsigned workers = 1; workers <= 2; workers++) {
        open_single(workers);
        film_run(0.2);
        film.size = 65;
        film_keys();
        film_run(0.2);
        assert_given(2, SOON_US);
        assert_int_equal(film.frames[film.watchers[2].first].size, 65);
        assert_int_equal(film.watchers[2].keys, 1);
        film_close();
    }
}

/* ---- many at once ---- */

static void all_who_join_at_once_are_given_it(void **state)
{
    (void)state;
    film_open(vp8, 2, FILM_WATCHERS);
    for (unsigned i = 0; i < 2; i++)
        watch_join(i, -1)->blind = true;
    film_run(0.3);
    film_keys();
    film_run(0.3);
    unsigned asked = film.asked, served = film_served();
    for (unsigned i = 2; i < FILM_WATCHERS; i++)
        (void)watch_join(i, (int)i % 3);
    film_run(1);
    for (unsigned i = 2; i < FILM_WATCHERS; i++) {
        assert_in_time(&film.watchers[i], SOON_US);
        assert_int_equal(watch_layer(&film.watchers[i]), i % 3);
    }
    assert_int_equal(film.asked, asked);
    assert_int_equal(film_served(), served + FILM_WATCHERS - 2);
    film_close();
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(late_joiners_begin_with_what_there_is),
        cmocka_unit_test(so_do_the_first_ones_of_all),
        cmocka_unit_test(who_was_not_ready_is_given_it_again),
        cmocka_unit_test(who_asks_later_is_not),
        cmocka_unit_test(layers_change_without_asking),
        cmocka_unit_test(old_key_frames_are_not_given),
        cmocka_unit_test(long_ones_are_not_given),
        cmocka_unit_test(large_ones_are_not_given),
        cmocka_unit_test(what_is_not_whole_is_not_given),
        cmocka_unit_test(what_has_become_whole_is_given),
        cmocka_unit_test(a_mute_empties_it),
        cmocka_unit_test(another_source_empties_it),
        cmocka_unit_test(another_codec_empties_it),
        cmocka_unit_test(another_size_takes_its_place),
        cmocka_unit_test(all_who_join_at_once_are_given_it),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
