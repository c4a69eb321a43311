/* Active speakers: who is told of whom, how often, and in which steps. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>
#include <stdio.h>
#include <string.h>
#include "room/internal.h"
#include "support/room_guest.h"

static struct host *h;
static struct guest *alice, *bob, *deaf;
static struct track *mic;

static int three_guests(void **state)
{
    *state = h = host_new();
    alice = guest_enter(h, "alice");
    bob = guest_enter(h, "bob");
    struct guest_options o = guest_options("deaf");
    o.manual = true;
    deaf = guest_enter_with(h, &o);
    mic = guest_publish(alice, "mic", SOURCE_MICROPHONE);
    host_settle(h);
    guest_clear(alice);
    guest_clear(bob);
    guest_clear(deaf);
    return 0;
}

static void level(const struct track *t, float l)
{
    struct sfu_event e = {.type = SFU_EVENT_TRACK_LEVEL, .track = t->id};
    e.level.level = l;
    e.level.active = l > 0;
    room_server_event(h->rooms, &e);
}

/* The media side reports while somebody speaks, and once that it is over. */
static void speak(const struct track *t, float l, int64_t us)
{
    for (; us > 0; us -= MS(100)) {
        level(t, l);
        host_run(h, MS(100));
    }
}

static void subscribers_and_oneself_are_told(void **state)
{
    (void)state;
    speak(mic, 0.3f, MS(400));
    assert_string_equal(guest_text(bob, NOTE_SPEAKERS), "alice 0.375"); /* up to the next eighth */
    assert_string_equal(guest_text(alice, NOTE_SPEAKERS), "alice 0.375");
    assert_int_equal(guest_count(deaf, NOTE_SPEAKERS), 0);
}

static void only_changes_are_told_and_every_400_ms(void **state)
{
    (void)state;
    speak(mic, 0.26f, S(4));
    assert_int_equal(guest_count(bob, NOTE_SPEAKERS), 1);
    speak(mic, 0.36f, S(4)); /* the same eighth */
    assert_int_equal(guest_count(bob, NOTE_SPEAKERS), 1);
    guest_clear(bob);
    for (int i = 0; i < 40; i++)
        speak(mic, i % 2 ? 0.1f : 0.9f, MS(100));
    assert_true(guest_count(bob, NOTE_SPEAKERS) <= 10);
    const struct note *last = NULL;
    for (size_t i = bob->first; i < bob->note_count; i++) {
        if (bob->notes[i].kind != NOTE_SPEAKERS)
            continue;
        if (last)
            assert_true(bob->notes[i].at_us - last->at_us >= MS(400));
        last = &bob->notes[i];
    }
}

static void levels_come_in_eighths(void **state)
{
    (void)state;
    const struct {
        float level;
        const char *text;
    } rows[] = {{0.01f, "alice 0.125"}, {0.126f, "alice 0.250"}, {0.5f, "alice 0.500"},
        {0.51f, "alice 0.625"}, {1.0f, "alice 1.000"}, {0.0f, "alice 0.000"}};
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        speak(mic, rows[i].level, MS(500));
        assert_string_equal(guest_text(bob, NOTE_SPEAKERS), rows[i].text);
    }
}

static void silence_of_the_media_side_is_silence(void **state)
{
    (void)state;
    speak(mic, 0.5f, S(1));
    guest_clear(bob);
    host_run(h, MS(700)); /* it may only be late */
    assert_int_equal(guest_count(bob, NOTE_SPEAKERS), 0);
    host_run(h, MS(800));
    assert_string_equal(guest_text(bob, NOTE_SPEAKERS), "alice 0.000");
    host_run(h, S(5));
    assert_int_equal(guest_count(bob, NOTE_SPEAKERS), 1);
}

static void a_screens_sound_is_no_speaker(void **state)
{
    (void)state;
    struct track *sound = guest_publish(alice, "sound", SOURCE_SCREEN_SHARE_AUDIO);
    host_settle(h);
    speak(sound, 0.9f, S(1));
    assert_int_equal(guest_count(bob, NOTE_SPEAKERS), 0);
}

static void a_new_subscriber_learns_who_speaks(void **state)
{
    (void)state;
    speak(mic, 0.5f, S(1));
    participant_subscribe(deaf->p, mic->sid, true);
    assert_string_equal(guest_text(deaf, NOTE_SPEAKERS), "alice 0.500");
    assert_int_equal(guest_count(deaf, NOTE_SPEAKERS), 1);
    participant_subscribe(deaf->p, mic->sid, false);
    assert_string_equal(guest_text(deaf, NOTE_SPEAKERS), "alice 0.000"); /* it hears no more of her */
    host_settle(h);
}

static void a_track_that_ends_speaks_no_more(void **state)
{
    (void)state;
    speak(mic, 0.5f, S(1));
    guest_unpublish(alice, "mic");
    assert_string_equal(guest_text(bob, NOTE_SPEAKERS), "alice 0.000");
    host_run(h, S(2));
    assert_string_equal(guest_text(alice, NOTE_SPEAKERS), "alice 0.000");
}

static void who_was_away_is_told_the_state(void **state)
{
    (void)state;
    struct track *other = guest_publish(deaf, "mic", SOURCE_MICROPHONE);
    host_settle(h);
    speak(other, 0.5f, S(1));
    guest_lose_socket(bob);
    host_run(h, S(2));
    speak(mic, 0.5f, S(1));
    guest_clear(bob);
    guest_resume(bob);
    assert_string_equal(guest_text(bob, NOTE_SPEAKERS), "alice 0.500, deaf 0.000");
    assert_int_equal(guest_count(bob, NOTE_SPEAKERS), 1);
}

static void a_simulated_speaker_speaks_for_its_time(void **state)
{
    (void)state;
    participant_simulate_speaker(alice->p, 3);
    host_run(h, MS(500));
    assert_string_equal(guest_text(alice, NOTE_SPEAKERS), "alice 1.000");
    level(mic, 0.1f); /* the microphone says nothing meanwhile */
    host_run(h, S(2));
    assert_int_equal(guest_count(alice, NOTE_SPEAKERS), 1);
    host_run(h, S(1));
    assert_string_equal(guest_text(alice, NOTE_SPEAKERS), "alice 0.000");
}

static void many_speakers_are_told_in_turns(void **state)
{
    (void)state;
    enum { N = 70 };
    struct track *mics[N];
    struct guest *g[N];
    for (int i = 0; i < N; i++) {
        char identity[8];
        snprintf(identity, sizeof identity, "g%d", i);
        struct guest_options o = guest_options(identity);
        o.manual = true;
        g[i] = guest_enter_with(h, &o);
        mics[i] = guest_publish(g[i], "mic", SOURCE_MICROPHONE);
    }
    for (int k = 0; k < 10; k++) {
        for (int i = 0; i < N; i++)
            level(mics[i], 0.5f);
        host_run(h, MS(100));
    }
    for (int i = 0; i < N; i++)
        assert_int_equal(guest_count(g[i], NOTE_SPEAKERS), 1);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, three_guests, host_end)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(subscribers_and_oneself_are_told),
        TEST(only_changes_are_told_and_every_400_ms),
        TEST(levels_come_in_eighths),
        TEST(silence_of_the_media_side_is_silence),
        TEST(a_screens_sound_is_no_speaker),
        TEST(a_new_subscriber_learns_who_speaks),
        TEST(a_track_that_ends_speaks_no_more),
        TEST(who_was_away_is_told_the_state),
        TEST(a_simulated_speaker_speaks_for_its_time),
        TEST(many_speakers_are_told_in_turns),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
