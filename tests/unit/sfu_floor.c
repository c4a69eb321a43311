/* Who gets the few slots of a large room: rules, in virtual time. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>
#include "sfu/floor.h"
#include "support/seeded.h"

#define STEP_US 20000 /* reports come this often */
#define MS      1000
#define VOICES  60

/* A room: whoever is loud (level > 0) is reported each step. */
static struct floor f;
static int64_t now_us;
static float level[VOICES + 1]; /* dB over silence; 0: silent. Voice n is track n */
static struct floor_voice voices[VOICES + 1];
static unsigned changes;

static void begin(unsigned seats)
{
    floor_init(&f, seats);
    now_us = 1000000000;
    changes = 0;
    for (unsigned i = 0; i <= VOICES; i++) {
        level[i] = 0;
        voices[i] = (struct floor_voice){.track = i, .peer = 100 + i, .worker = (uint8_t)(i % 3)};
    }
}

static void step(void)
{
    struct floor_change c[SFU_SLOTS_MAX];
    now_us += STEP_US;
    for (unsigned i = 1; i <= VOICES; i++) {
        struct floor_voice *v = &voices[i];
        if (!(level[i] > 0))
            continue;
        if (now_us - v->heard_us > STAGE_GAP_US)
            v->spoken_ms = 0;
        v->spoken_ms = (uint16_t)(v->spoken_ms + STEP_US / MS);
        v->heard_us = now_us;
        v->loud = level[i];
        floor_heard(&f, v);
    }
    unsigned n = floor_decide(&f, now_us, c);
    for (unsigned i = 0; i < n; i++) {
        assert_int_equal(c[i].track, f.seats[c[i].seat].track);
        assert_int_equal(c[i].peer, c[i].track ? 100 + c[i].track : 0);
        assert_int_equal(c[i].worker, c[i].track % 3);
    }
    changes += n;
}

static void run(unsigned ms)
{
    for (unsigned at = 0; at < ms; at += STEP_US / MS)
        step();
}

static bool has(uint32_t track)
{
    for (unsigned i = 0; i < f.seat_count; i++)
        if (f.seats[i].track == track)
            return true;
    return false;
}

static void a_free_seat_is_taken_well_within_the_preroll(void **state)
{
    (void)state;
    begin(3);
    level[7] = 90;
    step();
    assert_false(has(7)); /* it may be a click */
    step();
    assert_true(has(7));
    assert_true(2 * STEP_US + STAGE_REPORT_US < STAGE_PREROLL_US / 2);
}

static void a_click_gets_no_seat(void **state)
{
    (void)state;
    begin(3);
    for (int i = 0; i < 20; i++) {
        level[1] = 120;
        step();
        level[1] = 0;
        run(300);
    }
    assert_int_equal(changes, 0);
}

static void silence_empties_the_seat_and_ends_the_work(void **state)
{
    (void)state;
    begin(2);
    level[1] = 90;
    run(1000);
    level[1] = 0;
    run(STAGE_QUIET_US / MS - 40);
    assert_true(has(1)); /* a pause between two sentences */
    run(80);
    assert_false(has(1));
    assert_int_equal(changes, 2);
    assert_false(floor_waits(&f));
}

static void who_pauses_gives_way_before_others_do(void **state)
{
    (void)state;
    begin(2);
    level[1] = 70;
    level[2] = 100;
    run(3000);
    level[2] = 0;
    run(STAGE_PAUSE_US / MS + 20);
    level[3] = 60; /* fainter than both */
    run(60);
    assert_true(has(1) && has(3));
    assert_false(has(2));
}

static void a_cough_takes_nobodys_seat(void **state)
{
    (void)state;
    begin(1);
    level[1] = 80;
    run(5000);
    for (int i = 0; i < 10; i++) {
        level[2] = 110;
        run(STAGE_CHALLENGE_MS - 40);
        level[2] = 0;
        run(700);
    }
    assert_true(has(1));
    assert_int_equal(changes, 1);
}

static void who_is_much_louder_takes_the_faintest_seat_after_its_hold(void **state)
{
    (void)state;
    begin(2);
    level[1] = 80;
    level[2] = 90;
    run(100);
    level[3] = 80 + STAGE_LOUDER_DB + 1;
    run(STAGE_HOLD_US / MS - 200);
    assert_true(has(1) && has(2));
    run(400);
    assert_true(has(3) && has(2));
}

static void the_ended_give_up_their_seat_at_once(void **state)
{
    (void)state;
    begin(1);
    level[1] = 100;
    level[2] = 50;
    run(400);
    assert_true(has(1));
    level[1] = 0;
    voices[1].gone = true;
    floor_heard(&f, &voices[1]);
    step();
    assert_true(has(2));
}

static void sixty_who_all_talk_do_not_flap(void **state)
{
    (void)state;
    begin(3);
    struct seeded r = seeded_of(7);
    const unsigned seconds = 60;
    for (unsigned at = 0; at < seconds * 50; at++) {
        for (unsigned i = 1; i <= VOICES; i++)
            level[i] = seeded_below(&r, 3) ? 60 + (float)seeded_below(&r, 50) : 0;
        step();
    }
    assert_true(changes >= 3);
    assert_true(changes <= 3 + 3 * seconds * 1000000 / STAGE_HOLD_US);
}

/* More voices than are remembered: seats are kept, the loudest still get in. */
static void a_crowd_of_voices_is_bounded(void **state)
{
    (void)state;
    struct floor_change c[SFU_SLOTS_MAX];
    begin(1);
    level[1] = 70;
    run(100);
    for (uint32_t i = 0; i < 3 * STAGE_VOICES_MAX; i++) {
        struct floor_voice v = {
            .track = 1000 + i, .peer = 5, .spoken_ms = 20, .loud = (float)(i % 100), .heard_us = now_us};
        floor_heard(&f, &v);
    }
    struct floor_voice loud = {.track = 5000, .peer = 5, .spoken_ms = 400, .loud = 120, .heard_us = now_us};
    floor_heard(&f, &loud);
    assert_int_equal(f.voice_count, STAGE_VOICES_MAX);
    assert_int_equal(floor_decide(&f, now_us, c), 0);
    assert_true(has(1));
    now_us += STAGE_HOLD_US;
    voices[1].heard_us = loud.heard_us = now_us;
    floor_heard(&f, &voices[1]);
    floor_heard(&f, &loud);
    assert_int_equal(floor_decide(&f, now_us, c), 1);
    assert_true(has(5000));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_free_seat_is_taken_well_within_the_preroll),
        cmocka_unit_test(a_click_gets_no_seat),
        cmocka_unit_test(silence_empties_the_seat_and_ends_the_work),
        cmocka_unit_test(who_pauses_gives_way_before_others_do),
        cmocka_unit_test(a_cough_takes_nobodys_seat),
        cmocka_unit_test(who_is_much_louder_takes_the_faintest_seat_after_its_hold),
        cmocka_unit_test(the_ended_give_up_their_seat_at_once),
        cmocka_unit_test(sixty_who_all_talk_do_not_flap),
        cmocka_unit_test(a_crowd_of_voices_is_bounded),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
