/* Rooms in which only the loudest few are heard: what clients see and receive. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>
#include <stdio.h>
#include <string.h>
#include "room/internal.h"
#include "support/room_guest.h"

#define SLOTS 3
#define CROWD 60

static struct host *h;
static struct guest *alice, *bob;

static int slots(void **state)
{
    *state = h = host_new();
    h->cfg.room.audio_top_n = SLOTS;
    alice = guest_enter(h, "alice");
    bob = guest_enter(h, "bob");
    host_settle(h);
    return 0;
}

static struct participant *stage(void)
{
    return host_room(h)->priv->stage->p;
}

static unsigned receives_slots(const struct guest *g)
{
    unsigned n = 0;
    list_for_each(l, &stage()->tracks)
    {
        n += guest_receives(g, list_entry(l, struct track, link)) != NULL;
    }
    return n;
}

static unsigned audio_sections(const struct guest *g)
{
    unsigned n = 0;
    for (unsigned i = 0; i < g->receives->n_media; i++)
        n += g->receives->media[i].kind == SDP_KIND_AUDIO && (g->receives->media[i].dir & SDP_SENDONLY);
    return n;
}

static void everybody_receives_the_slots_and_no_microphone(void **state)
{
    (void)state;
    struct track *mic = guest_publish(alice, "mic", SOURCE_MICROPHONE);
    struct track *cam = guest_publish(alice, "cam", SOURCE_CAMERA);
    struct track *tab = guest_publish(alice, "tab", SOURCE_SCREEN_SHARE_AUDIO);
    host_settle(h);
    assert_int_equal(receives_slots(alice), SLOTS);
    assert_int_equal(receives_slots(bob), SLOTS);
    assert_null(guest_receives(bob, mic));
    assert_non_null(guest_receives(bob, cam));
    assert_non_null(guest_receives(bob, tab)); /* is no voice */
    assert_non_null(guest_sees_track(bob, mic));
    participant_mute_track(alice->p, mic->sid, true);
    assert_true(guest_sees_track(bob, mic)->muted);
}

static void the_media_side_knows_voices_and_who_listens(void **state)
{
    (void)state;
    const struct sfu_command *c = host_last(h, SFU_STAGE_ADD);
    assert_int_equal(host_count(h, SFU_STAGE_ADD), 3); /* each worker */
    assert_int_equal(c->stage_add.slot_count, SLOTS);
    uint32_t id = c->stage;
    guest_publish(alice, "mic", SOURCE_MICROPHONE);
    assert_int_equal(host_last(h, SFU_TRACK_ADD)->stage, id);
    guest_publish(alice, "cam", SOURCE_CAMERA);
    assert_int_equal(host_last(h, SFU_TRACK_ADD)->stage, 0);
    for (size_t i = 0; i < h->command_count; i++)
        if (h->commands[i].type == SFU_SUB_ADD)
            assert_true(h->commands[i].sub_add.own_peer == alice->p->publisher->number ||
                        h->commands[i].sub_add.own_peer == bob->p->publisher->number);
}

static void a_microphone_can_be_asked_for(void **state)
{
    (void)state;
    struct track *mic = guest_publish(alice, "mic", SOURCE_MICROPHONE);
    host_settle(h);
    participant_subscribe(bob->p, mic->sid, true);
    host_settle(h);
    assert_non_null(guest_receives(bob, mic));
    participant_subscribe(bob->p, mic->sid, false);
    host_settle(h);
    assert_null(guest_receives(bob, mic));
    /* before it is there, too */
    guest_unpublish(alice, "mic");
    host_settle(h);
}

static void the_speakers_participant_is_like_any_other_but_does_not_count(void **state)
{
    (void)state;
    const struct seen *s = guest_sees(alice, stage()->identity);
    assert_non_null(s);
    assert_int_equal(s->track_count, SLOTS);
    assert_string_equal(s->tracks[0].mime, "audio/red");
    assert_int_equal(host_room(h)->participant_count, 2);
    assert_int_equal(host_room(h)->publisher_count, 0);
    assert_ptr_equal(room_participant(host_room(h), stage()->identity), stage());
    participant_leave(stage(), LEAVE_PARTICIPANT_REMOVED); /* it stays */
    assert_non_null(room_participant(host_room(h), stage()->identity));
    guest_leave(alice);
    guest_leave(bob);
    host_run(h, S(60));
    assert_null(host_room(h)); /* it keeps no room alive */
}

static void everybody_is_told_who_speaks(void **state)
{
    (void)state;
    struct track *mic = guest_publish(alice, "mic", SOURCE_MICROPHONE);
    host_settle(h);
    struct sfu_event e = {.type = SFU_EVENT_TRACK_LEVEL, .track = mic->id};
    e.level.level = 0.3f;
    e.level.active = true;
    for (int i = 0; i < 4; i++) {
        room_server_event(h->rooms, &e);
        host_run(h, MS(100));
    }
    assert_string_equal(guest_text(bob, NOTE_SPEAKERS), "alice 0.375");
    assert_string_equal(guest_text(alice, NOTE_SPEAKERS), "alice 0.375");
    struct guest *late = guest_enter(h, "late");
    assert_string_equal(guest_text(late, NOTE_SPEAKERS), "alice 0.375");
}

static void slots_are_encrypted_as_the_first_microphone(void **state)
{
    (void)state;
    host_settle(h);
    struct track_desc d = guest_desc("mic", SOURCE_MICROPHONE);
    d.encryption = 1;
    d.disable_red = true;
    guest_send(alice, "mic", TRACK_AUDIO);
    assert_int_equal(participant_add_track(alice->p, &d, NULL), REQUEST_OK);
    guest_offer(alice);
    host_settle(h);
    assert_string_equal(guest_sees(bob, stage()->identity)->tracks[0].mime, "audio/opus");
    assert_int_equal(receives_slots(bob), SLOTS);
    assert_true(host_last(h, SFU_SUB_ADD)->sub_add.encrypted);
    /* who does not encrypt is heard like anybody in a room without slots */
    struct track *clear = guest_publish(bob, "clear", SOURCE_MICROPHONE);
    host_settle(h);
    assert_non_null(guest_receives(alice, clear));
}

/* Sixty microphones: three sections each, and what is told grows with the people, not with their square. */
static void sixty_microphones_need_three_sections(void **state)
{
    (void)state;
    struct guest *g[CROWD];
    char name[16];
    for (unsigned i = 0; i < CROWD; i++) {
        (void)snprintf(name, sizeof name, "g%u", i);
        g[i] = guest_enter(h, name);
        guest_publish(g[i], "mic", SOURCE_MICROPHONE);
    }
    host_settle(h);
    host_run(h, S(1));
    for (unsigned i = 0; i < CROWD; i++) {
        assert_int_equal(receives_slots(g[i]), SLOTS);
        assert_int_equal(audio_sections(g[i]), SLOTS);
    }
    assert_non_null(guest_sees_track(alice, guest_track(g[CROWD - 1], "mic")));
    guest_clear(alice);
    for (unsigned i = 0; i < 20; i++)
        participant_mute_track(g[i]->p, guest_track(g[i], "mic")->sid, true);
    for (unsigned i = 40; i < 45; i++)
        guest_leave(g[i]);
    assert_int_equal(guest_count(alice, NOTE_UPDATE), 0);
    host_run(h, S(1));
    assert_int_equal(guest_count(alice, NOTE_UPDATE), 1);
    assert_true(guest_sees_track(alice, guest_track(g[19], "mic"))->muted);
    assert_null(guest_sees(alice, "g44"));
}

/* Who leaves and comes back within one collection is there in the end. */
static void who_comes_back_at_once_is_seen(void **state)
{
    (void)state;
    char name[16];
    struct guest *g[CROWD];
    for (unsigned i = 0; i < CROWD; i++) {
        (void)snprintf(name, sizeof name, "g%u", i);
        g[i] = guest_enter(h, name);
    }
    host_run(h, S(1));
    guest_leave(g[7]);
    guest_enter(h, "g7");
    host_run(h, S(1));
    const struct seen *s = guest_sees(alice, "g7");
    assert_true(s && !s->gone && s->state == PARTICIPANT_ACTIVE);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, slots, host_end)
    const struct CMUnitTest tests[] = {
        TEST(everybody_receives_the_slots_and_no_microphone),
        TEST(the_media_side_knows_voices_and_who_listens),
        TEST(a_microphone_can_be_asked_for),
        TEST(the_speakers_participant_is_like_any_other_but_does_not_count),
        TEST(everybody_is_told_who_speaks),
        TEST(slots_are_encrypted_as_the_first_microphone),
        TEST(sixty_microphones_need_three_sections),
        TEST(who_comes_back_at_once_is_seen),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
