/* Which layers a subscriber gets: single runs over tables. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>
#include "support/allocate_world.h"

/* ---- one run ---- */

static void all_that_fits_goes_at_once(void **state)
{
    (void)state;
    struct allocate_sub *a = camera(3, 3), *b = camera(3, 3);
    assert_int_equal(run(10000000), 2);
    assert_int_equal(step(a), 22);
    assert_int_equal(step(b), 22);
    assert_int_equal(a->why, ALLOCATE_KEY_FRAME);
    assert_int_equal(w.a.total_bps, 3400000);
    assert_int_equal(w.a.next_bps, 0);
    assert_int_equal(w.a.wanted_bps, 0);
    assert_int_equal(run(10000000), 0);
    assert_int_equal(a->why, ALLOCATE_TOP);
    assert_int_equal(a->next_bps, 0);
}

static void audio_is_never_taken_away(void **state)
{
    (void)state;
    struct allocate_sub *v = camera(3, 1), *a[5];
    for (int i = 0; i < 5; i++)
        a[i] = microphone();
    const int64_t rates[] = {1000000, 150000, 0, -5, 1, 300000};
    for (size_t r = 0; r < sizeof rates / sizeof *rates; r++) {
        run(rates[r]);
        for (int i = 0; i < 5; i++) {
            assert_int_equal(a[i]->spatial, 0);
            assert_false(a[i]->paused);
        }
        assert_int_equal(w.a.audio_bps, 5 * AUDIO_BPS);
        assert_int_equal(v->paused, rates[r] < 1000000);
    }
    assert_int_equal(v->why, ALLOCATE_BANDWIDTH);
    a[0]->disabled = true;
    w.mics[1].active = 0;
    run(1000000);
    assert_int_equal(a[0]->spatial, -1);
    assert_int_equal(w.a.audio_bps, 3 * AUDIO_BPS);
}

static void each_gets_its_lowest_before_anyone_gets_more(void **state)
{
    (void)state;
    struct allocate_sub *v[6];
    for (int i = 0; i < 6; i++)
        v[i] = camera(3, 1);
    run(1000000); /* 6 x 160,000 fit, and nothing beside them */
    for (int i = 0; i < 6; i++)
        assert_int_equal(step(v[i]), 0);
    assert_int_equal(v[0]->why, ALLOCATE_KEY_FRAME);
    run(1000000);
    assert_int_equal(v[0]->why, ALLOCATE_BANDWIDTH);
    assert_int_equal(v[0]->next_bps, 290000);
    assert_true(w.a.next_bps >= (960000 + 290000) * 100 / 96);
    assert_true(w.a.wanted_bps >= 6 * 1700000);
    assert_int_equal(w.a.paused, 0);
}

static void screens_and_pinned_ones_are_served_first(void **state)
{
    (void)state;
    struct allocate_sub *cam = camera(1, 1), *screen = camera(1, 1), *pinned = camera(1, 1);
    cam->priority = 1;
    screen->screen = true;
    pinned->pinned = true;
    run(1800000);
    assert_int_equal(pinned->spatial, 0);
    assert_true(screen->paused && cam->paused);
    fresh(NULL);
    cam = camera(1, 1), screen = camera(1, 1), pinned = camera(1, 1);
    cam->priority = 1;
    screen->screen = true;
    pinned->pinned = true;
    run(3600000);
    assert_true(pinned->spatial == 0 && screen->spatial == 0 && cam->paused);
    assert_int_equal(w.a.paused, 1);
}

static void a_screen_is_sharp_before_cameras_are(void **state)
{
    (void)state;
    struct allocate_sub *cam = camera(3, 3), *screen = camera(3, 3);
    screen->screen = true;
    run(1850000);
    assert_int_equal(step(screen), 22);
    assert_int_equal(step(cam), 0);
    fresh(NULL);
    cam = camera(3, 3), screen = camera(3, 3);
    screen->screen = true;
    run(900000); /* 720 lines with a quarter of the frames: worth it for text, not for faces */
    assert_int_equal(step(screen), 20);
    assert_int_equal(step(cam), 2);
}

static void priorities_go_by_their_number(void **state)
{
    (void)state;
    struct allocate_sub *none = camera(3, 1), *third = camera(3, 1), *first = camera(3, 1);
    third->priority = 3;
    first->priority = 1;
    run(2200000);
    assert_int_equal(first->spatial, 2);
    assert_int_equal(third->spatial, 0);
    assert_int_equal(none->spatial, 0);
    fresh(NULL);
    none = camera(3, 1), third = camera(3, 1), first = camera(3, 1);
    third->priority = 3;
    first->priority = 1;
    run(2500000);
    assert_int_equal(first->spatial, 2);
    assert_int_equal(third->spatial, 1);
    assert_int_equal(none->spatial, 0);
}

static void larger_pictures_go_first_among_equals(void **state)
{
    (void)state;
    struct allocate_sub *small = camera(3, 1), *large = camera(3, 1);
    small->width = 400, small->height = 225;
    large->width = 1200, large->height = 675;
    run(700000);
    assert_int_equal(large->spatial, 1);
    assert_int_equal(small->spatial, 0);
}

static void never_more_than_the_viewer_can_use(void **state)
{
    (void)state;
    const struct {
        uint32_t width, height;
        uint8_t fps;
        int8_t max;
        int step;
    } rows[] = {
        {0, 0, 0, -1, 22},
        {320, 180, 0, -1, 2},
        {321, 181, 0, -1, 12},
        {200, 0, 0, -1, 2},
        {0, 500, 0, -1, 22},
        {640, 360, 15, -1, 11},
        {640, 360, 16, -1, 11},
        {640, 360, 20, -1, 12},
        {1280, 720, 7, -1, 20},
        {1280, 720, 1, -1, 20},
        {9999, 9999, 255, -1, 22},
        {0, 0, 0, 0, 2},
        {0, 0, 0, 1, 12},
        {0, 0, 0, 100, 22},
        {320, 180, 0, 1, 2},
        {1280, 720, 0, 1, 12},
        {UINT32_MAX, UINT32_MAX, 0, -1, 22},
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        fresh(NULL);
        struct allocate_sub *v = camera(3, 3);
        v->width = rows[i].width;
        v->height = rows[i].height;
        v->fps = rows[i].fps;
        v->max_spatial = rows[i].max;
        run(100000000);
        run(100000000);
        assert_int_equal(step(v), rows[i].step);
        assert_int_equal(v->why, rows[i].step == 22 ? ALLOCATE_TOP : ALLOCATE_VIEWER);
    }
}

static void why_not_more_is_said(void **state)
{
    (void)state;
    struct allocate_sub *v = camera(3, 3);
    run(100000000);
    v->forwarded = 1;
    allocate_run(&w.a, &w.in, w.list, w.listed, w.now_us);
    assert_int_equal(v->why, ALLOCATE_KEY_FRAME);
    track_of(v)->active = 3;
    run(100000000);
    assert_int_equal(step(v), 12);
    assert_int_equal(v->why, ALLOCATE_PUBLISHER);
    v->width = 100;
    run(100000000);
    assert_int_equal(v->why, ALLOCATE_VIEWER);
    v->width = 0;
    track_of(v)->active = 7;
    w.in.limit_bps = 600000;
    w.now_us += S(5);
    run(100000000);
    assert_int_equal(step(v), 12);
    run(100000000);
    assert_int_equal(v->why, ALLOCATE_LIMIT);
    assert_true(w.a.wanted_bps <= 600000 && w.a.next_bps <= 600000);
    w.in.limit_bps = 0;
    v->disabled = true;
    run(100000000);
    assert_int_equal(v->spatial, -1);
    assert_false(v->paused);
    assert_int_equal(v->why, ALLOCATE_VIEWER);
    v->disabled = false;
    track_of(v)->active = 0;
    run(100000000);
    assert_int_equal(v->why, ALLOCATE_PUBLISHER);
    assert_false(v->paused);
    for (int i = 0; i < ALLOCATE_WHYS; i++)
        assert_true(allocate_why_name((enum allocate_why)i)[0]);
    assert_string_equal(allocate_why_name(ALLOCATE_WHYS), "");
}

static void a_layer_that_stops_gives_way_to_the_next_lower_one(void **state)
{
    (void)state;
    struct allocate_sub *v = camera(3, 1);
    run(5000000);
    const int active[] = {7, 3, 1, 2, 4, 6, 5, 7}, expected[] = {2, 1, 0, 1, 2, 2, 2, 2};
    for (size_t i = 0; i < sizeof active / sizeof *active; i++) {
        track_of(v)->active = (uint8_t)active[i];
        w.now_us += S(2);
        run(5000000);
        assert_int_equal(v->spatial, expected[i]);
    }
    v->width = 100;
    track_of(v)->active = 6; /* the one that is wanted does not come: the next larger one does */
    run(5000000);
    assert_int_equal(v->spatial, 1);
    assert_int_equal(v->why, ALLOCATE_VIEWER);
}

static void who_cannot_be_told_of_pauses_is_not_paused(void **state)
{
    (void)state;
    struct allocate_sub *a = camera(3, 3), *b = camera(3, 3);
    w.in.never_pause = true;
    for (int i = 0; i < 100; i++) {
        run(20000);
        assert_int_equal(step(a), 0);
        assert_int_equal(step(b), 0);
    }
    assert_int_equal(w.a.switches, 0);
    w.in.never_pause = false;
    run(20000);
    assert_int_equal(w.a.paused, 2);
}

static void what_goes_anyway_counts(void **state)
{
    (void)state;
    struct allocate_sub *v = camera(3, 1);
    w.in.reserved_bps = 400000;
    run(1000000);
    assert_int_equal(v->spatial, 1);
    assert_int_equal(w.a.total_bps, 850000);
    w.in.reserved_bps = 900000;
    run(1000000);
    assert_int_equal(w.a.paused, 1);
}

static void unknown_rates_are_guessed(void **state)
{
    (void)state;
    struct allocate_sub *v = camera(3, 1);
    memset(track_of(v)->cost_bps, 0, sizeof track_of(v)->cost_bps);
    run(500000); /* 150,000 and 450,000 as long as nobody knows */
    assert_int_equal(v->spatial, 1);
    fresh(NULL);
    v = camera(3, 1);
    memset(track_of(v)->cost_bps, 0, sizeof track_of(v)->cost_bps);
    track_of(v)->layers[1].announced_bps = 480001;
    run(500000);
    assert_int_equal(v->spatial, 0);
}

static void frames_are_traded_for_a_larger_picture(void **state)
{
    (void)state;
    struct allocate_sub *v[4];
    for (int i = 0; i < 4; i++) {
        v[i] = camera(3, 3);
        microphone();
    }
    for (int i = 0; i < 600; i++)
        run(2500000);
    assert_int_equal(step(v[0]), 21); /* else a fifth would be unused */
    assert_true(step(v[1]) == 12 && step(v[2]) == 12 && step(v[3]) == 11);
    assert_true(w.a.total_bps >= 2200000);
    assert_int_equal(w.a.switches, 0);
}

/* Half of 15 frames a second is no better picture than a smaller one that moves. */
static void a_larger_picture_has_to_move(void **state)
{
    const struct {
        unsigned fps; /* 0: not known */
        int step;
    } rows[] = {{0, 11}, {30, 11}, {25, 11}, {20, 2}, {15, 2}, {8, 2}};
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        fresh(state);
        struct allocate_sub *v = camera(3, 3);
        for (unsigned s = 0; s < 3; s++)
            allocate_track_fps(track_of(v), s, rows[i].fps, TICK_US);
        run(350000);
        assert_int_equal(step(v), rows[i].step);
        run(500000);
        v->screen = true;
        fresh(state);
        v = camera(3, 3);
        v->screen = true;
        for (unsigned s = 0; s < 3; s++)
            allocate_track_fps(track_of(v), s, rows[i].fps, TICK_US);
        run(1000000); /* a screen's is for reading */
        assert_int_equal(step(v), 20);
    }
}

static void few_frames_do_not_make_it_flap(void **state)
{
    (void)state;
    struct allocate_sub *v = camera(3, 3);
    allocate_track_fps(track_of(v), 1, 25, TICK_US);
    run(350000);
    assert_int_equal(step(v), 11);
    for (int i = 0; i < 300; i++) { /* 21 to 27 */
        allocate_track_fps(track_of(v), 1, 21 + (unsigned)i % 7, TICK_US);
        run(350000);
        assert_int_equal(step(v), 11);
    }
    for (int i = 0; i < 100; i++) {
        allocate_track_fps(track_of(v), 1, 15, TICK_US);
        run(350000);
    }
    assert_int_equal(step(v), 2);
    assert_int_equal(w.a.switches, 1);
}

/* An estimate falls by a share when frames wait for one another; the path tells whether they get through. */
static void what_gets_through_is_not_taken_away(void **state)
{
    struct allocate_sub *v = camera(3, 3);
    for (int clear = 1; clear >= 0; clear--) {
        for (int i = 0; i < 100; i++)
            run(500000);
        assert_int_equal(step(v), 12);
        w.in.clear = clear;
        for (int i = 0; i < 100; i++)
            run(370000);
        assert_int_equal(step(v), clear ? 12 : 11);
        assert_int_equal(w.a.cuts, !clear);
        w.in.clear = true;
    }
    w.in.limit_bps = 300000; /* nobody's queue, but somebody's will */
    run(500000);
    assert_int_equal(step(v), 11);
    fresh(state);
}

static void silence_is_no_failure_of_what_was_added(void **state)
{
    for (int silent = 1; silent >= 0; silent--) {
        fresh(state);
        struct allocate_sub *v = camera(3, 3);
        run(200000);
        for (int i = 0; i < 50; i++)
            run(500000);
        assert_int_equal(step(v), 12);
        w.in.silent = silent;
        for (int64_t bps = 350000; bps >= 150000; bps -= 50000)
            run(bps);
        assert_int_equal(v->spatial, 0);
        assert_int_equal(w.a.failures > 0, !silent);
        w.in.silent = false;
        for (int i = 0; i < 50; i++)
            run(500000);
        assert_int_equal(step(v) == 12, silent);
    }
}

static void a_larger_picture_that_failed_waits_for_a_probe(void **state)
{
    (void)state;
    struct allocate_sub *v = camera(3, 3);
    for (int i = 0; i < 100; i++)
        run(500000);
    run(1200000);
    for (int i = 0; i < 50; i++)
        run(1200000);
    assert_int_equal(step(v), 21);
    for (int i = 0; i < 20; i++)
        run(800000);
    assert_int_equal(step(v), 12);
    for (int i = 0; i < 600; i++) /* so much the media alone bears out */
        run(1200000);
    assert_int_equal(step(v), 12);
    w.in.probed = true;
    run(1200000);
    assert_int_equal(step(v), 21);
}

static void who_comes_after_a_cut_is_not_paused_for_it(void **state)
{
    (void)state;
    camera(3, 1);
    run(3000000);
    run(1000000);
    assert_int_equal(w.a.cuts, 1);
    struct allocate_sub *s = camera(3, 1);
    run(1000000);
    assert_int_equal(s->spatial, 0);
    for (int i = 0; i < 17; i++) {
        run(3000000); /* nothing is added so soon, however good the estimate */
        assert_true(w.subs[0].spatial == 1 && s->spatial == 0);
    }
    w.in.probed = true;
    run(3000000);
    assert_int_equal(w.subs[0].spatial, 2);
}

static void who_has_it_keeps_it_among_equals(void **state)
{
    (void)state;
    struct allocate_sub *a = camera(3, 1), *b = camera(3, 1);
    a->disabled = true;
    run(700000);
    assert_int_equal(b->spatial, 1);
    a->disabled = false;
    for (int i = 0; i < 50; i++) {
        run(700000);
        assert_true(a->spatial == 0 && b->spatial == 1);
    }
}

static void what_a_paused_one_waits_for_nobody_else_gets(void **state)
{
    (void)state;
    struct allocate_sub *low = camera(3, 1);
    cost_set(track_of(low), 1, 400000);
    run(200000);
    w.now_us += S(60);
    struct allocate_sub *high = camera(1, 1);
    high->priority = 1;
    cost_set(track_of(high), 0, 300000);
    w.in.probed = true;
    run(520000);
    assert_true(high->spatial == 0 && low->spatial == 0);
    run(285000); /* that was too much: the one that came last has failed */
    assert_true(high->paused && low->spatial == 0);
    w.now_us += S(3); /* others may have more again */
    for (int i = 0; i < 50; i++) {
        run(520000); /* but 400,000 would fit only instead of 300,000 and 160,000 */
        assert_true(high->paused && high->retry_us > 0 && low->spatial == 0);
    }
    for (int i = 0; i < 50; i++)
        run(520000);
    assert_true(high->spatial == 0 && low->spatial == 0);
}

static void a_paused_one_is_back_within_a_minute(void **state)
{
    (void)state;
    struct allocate_sub *v = camera(1, 1);
    for (int i = 0; i < 6; i++) {
        static const int most_s[] = {1, 11, 21, 41, 61, 61};
        for (int k = 0; k < most_s[i] * 10 && v->spatial < 0; k++)
            run(2500000);
        assert_int_equal(v->spatial, 0);
        for (int k = 0; k < 100 && v->spatial == 0; k++)
            run(1300000); /* it fails each time */
        assert_true(v->paused);
    }
}

static void a_probe_saves_waiting(void **state)
{
    (void)state;
    struct allocate_sub *v = camera(3, 3);
    run(300000);
    w.in.probed = true;
    run(700000);
    assert_int_equal(step(v), 12);
    w.in.probed = true;
    run(1300000);
    assert_int_equal(step(v), 21);
    run(1300000);
    w.in.probed = true;
    w.in.estimate_bps = 2500000;
    track_of(v)->active = 3;
    run(2500000); /* proven, and only used later */
    track_of(v)->active = 7;
    w.now_us += S(1);
    run(2500000);
    assert_int_equal(step(v), 22);
}

static void a_larger_layer_that_costs_less_is_kept(void **state)
{
    (void)state;
    struct allocate_sub *a = camera(2, 1), *b = camera(1, 1);
    cost_set(track_of(a), 0, 500000);
    cost_set(track_of(a), 1, 200000);
    cost_set(track_of(b), 0, 300000);
    run(900000);
    assert_int_equal(a->spatial, 1);
    for (int i = 0; i < 50; i++) {
        run(510000);
        assert_true(a->spatial == 1 && b->spatial == 0);
    }
}

/* ---- measuring ---- */

static void layers_are_measured(void **state)
{
    (void)state;
    struct allocate_track t = {.spatial = 2, .temporal = 2, .active = 1};
    uint32_t bytes[ALLOCATE_SPATIAL][ALLOCATE_TEMPORAL] = {{1000, 500}, {3000, 2000}};
    int64_t now = S(5);
    for (int i = 0; i <= 9; i++, now += MS(100))
        allocate_track_input(&t, bytes, now);
    assert_int_equal(t.cost_bps[0][0], 0); /* not for long enough */
    for (int i = 0; i < 5; i++, now += MS(100))
        allocate_track_input(&t, bytes, now);
    assert_int_equal(t.cost_bps[0][0], 80000);
    assert_int_equal(t.cost_bps[0][1], 120000);
    assert_int_equal(t.cost_bps[1][1], 0);
    t.active = 3;
    t.svc = true;
    for (int i = 0; i < 30; i++, now += MS(100))
        allocate_track_input(&t, bytes, now);
    assert_int_equal(t.cost_bps[1][0], 320000);
    assert_int_equal(t.cost_bps[1][1], 520000);
    bytes[1][0] += 12000; /* a key frame */
    allocate_track_input(&t, bytes, now += MS(100));
    assert_in_range(t.cost_bps[1][1], 521000, 620000);
    bytes[1][0] = 300; /* and much less: followed within seconds */
    for (int i = 0; i < 100; i++, now += MS(100))
        allocate_track_input(&t, bytes, now);
    assert_in_range(t.cost_bps[1][0], 104000, 110000);
    t.active = 1;
    allocate_track_input(&t, bytes, now += MS(100));
    assert_int_equal(t.cost_bps[1][0], 0);
    allocate_track_input(&t, bytes, now - S(50)); /* backwards: nothing */
    memset(bytes, 0xff, sizeof bytes);
    for (int i = 0; i < 30; i++)
        allocate_track_input(&t, bytes, now += 1);
    assert_true(t.cost_bps[0][1] > 0);
}

#define TEST(name) cmocka_unit_test_setup(name, fresh)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(all_that_fits_goes_at_once),
        TEST(audio_is_never_taken_away),
        TEST(each_gets_its_lowest_before_anyone_gets_more),
        TEST(screens_and_pinned_ones_are_served_first),
        TEST(a_screen_is_sharp_before_cameras_are),
        TEST(priorities_go_by_their_number),
        TEST(larger_pictures_go_first_among_equals),
        TEST(never_more_than_the_viewer_can_use),
        TEST(why_not_more_is_said),
        TEST(a_layer_that_stops_gives_way_to_the_next_lower_one),
        TEST(who_cannot_be_told_of_pauses_is_not_paused),
        TEST(what_goes_anyway_counts),
        TEST(unknown_rates_are_guessed),
        TEST(frames_are_traded_for_a_larger_picture),
        TEST(a_larger_picture_has_to_move),
        TEST(few_frames_do_not_make_it_flap),
        TEST(what_gets_through_is_not_taken_away),
        TEST(silence_is_no_failure_of_what_was_added),
        TEST(a_larger_picture_that_failed_waits_for_a_probe),
        TEST(who_comes_after_a_cut_is_not_paused_for_it),
        TEST(who_has_it_keeps_it_among_equals),
        TEST(what_a_paused_one_waits_for_nobody_else_gets),
        TEST(a_paused_one_is_back_within_a_minute),
        TEST(a_probe_saves_waiting),
        TEST(a_larger_layer_that_costs_less_is_kept),
        TEST(layers_are_measured),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
