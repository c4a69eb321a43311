/* A few slots carry the loudest of many microphones, on any number of workers. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>
#include <stdio.h>
#include <string.h>
#include "rtp/seq.h"
#include "support/sfu_source.h"
#include "support/virtual_net.h"

#define AUDIO    0
#define PEERS    50
#define LOUD     20
#define SILENT   127
#define FRAME_MS 20

/* Everybody has a microphone, and listens to all slots. */
static struct room {
    struct sfu_rig rig;
    unsigned peers, slots, workers;
    uint32_t stage, slot[SFU_SLOTS_MAX];
    struct sfu_rig_peer *peer[PEERS];
    struct source *voice[PEERS];
    uint32_t track[PEERS];
    bool talks[PEERS];    /* sends at all */
    uint64_t from[PEERS]; /* the first packet of the newest burst of speech */
    int64_t due_us;
} t;

static uint32_t ssrc_of(unsigned peer, unsigned slot)
{
    return 5000 + 100 * peer + slot;
}

static struct heard_stream *heard(unsigned peer, unsigned slot)
{
    return sfu_rig_stream(t.peer[peer], ssrc_of(peer, slot));
}

static size_t heard_in_all(unsigned peer)
{
    size_t n = 0;
    for (unsigned i = 0; i < t.slots; i++)
        n += heard(peer, i)->count;
    return n;
}

static void listen_in(unsigned peer)
{
    struct sfu_section s, own;
    source_section_audio(&own, false, "0", false);
    for (unsigned i = 0; i < t.slots; i++) {
        source_section_audio(&s, true, "a", false);
        s.extmap = own.extmap; /* one connection both ways: one numbering */
        struct sfu_command c = {.type = SFU_SUB_ADD,
            .worker = t.peer[peer]->worker,
            .peer = t.peer[peer]->id,
            .track = t.slot[i],
            .sub = sfu_rig_id(&t.rig)};
        c.sub_add.track_worker = t.peer[peer]->worker;
        c.sub_add.kind = AUDIO;
        c.sub_add.ssrc = ssrc_of(peer, i);
        c.sub_add.section = s;
        c.sub_add.own_peer = t.peer[peer]->id;
        sfu_rig_post(&t.rig, &c);
    }
}

static void room_open(unsigned workers, unsigned peers, unsigned slots, unsigned listeners)
{
    t = (struct room){.peers = peers, .slots = slots, .workers = workers};
    sfu_rig_open(&t.rig, workers, NULL, NULL);
    struct sfu_command c = {.type = SFU_STAGE_ADD, .stage = t.stage = sfu_rig_id(&t.rig)};
    c.stage_add.home = (uint8_t)(workers - 1);
    c.stage_add.slot_count = (uint8_t)slots;
    for (unsigned i = 0; i < slots; i++)
        c.stage_add.slots[i] = t.slot[i] = sfu_rig_id(&t.rig);
    for (unsigned w = 0; w < workers; w++) {
        c.worker = (uint8_t)w;
        sfu_rig_post(&t.rig, &c);
    }
    for (unsigned i = 0; i < peers; i++)
        t.peer[i] = sfu_rig_peer_add(&t.rig, i % workers, false, DTLS_SERVER);
    sfu_rig_connect(&t.rig);
    for (unsigned i = 0; i < peers; i++) {
        struct sfu_command m = {.type = SFU_TRACK_ADD,
            .worker = t.peer[i]->worker,
            .peer = t.peer[i]->id,
            .track = t.track[i] = sfu_rig_id(&t.rig),
            .stage = t.stage};
        source_section_audio(&m.track_add.section, false, "0", false);
        m.track_add.kind = AUDIO;
        for (int e = 0; e < RTP_EXT_COUNT; e++)
            if (m.track_add.section.extmap.id_of[e])
                assert_int_equal(rtp_extmap_set(&t.peer[i]->client.extmap,
                                     m.track_add.section.extmap.id_of[e], (enum rtp_ext)e),
                    0);
        sfu_rig_post(&t.rig, &m);
        t.voice[i] = source_new(t.peer[i], t.track[i], AUDIO, "0", NULL);
        t.talks[i] = true;
    }
    for (unsigned i = 0; i < listeners; i++)
        listen_in(i);
    sfu_rig_sync(&t.rig);
    t.due_us = sfu_rig_now_us();
}

static void room_close(void)
{
    sfu_rig_close(&t.rig);
    for (unsigned i = 0; i < t.peers; i++)
        source_free(t.voice[i]);
}

/* Everybody sends a packet each 20 ms. */
static void run(unsigned ms)
{
    for (unsigned at = 0; at < ms; at += FRAME_MS) {
        for (unsigned i = 0; i < t.peers; i++)
            if (t.talks[i])
                source_audio(t.voice[i], false);
        t.due_us += FRAME_MS * 1000;
        while (sfu_rig_now_us() < t.due_us)
            sfu_rig_pump(&t.rig, 2);
    }
}

static void speak(unsigned peer, uint8_t level)
{
    t.voice[peer]->level = level;
    t.from[peer] = t.voice[peer]->next;
}

static void post(enum sfu_command_type type, unsigned peer, bool muted)
{
    struct sfu_command c = {
        .type = type, .worker = t.peer[peer]->worker, .peer = t.peer[peer]->id, .track = t.track[peer]};
    c.muted = muted;
    sfu_rig_post(&t.rig, &c);
}

/* The packets of a speaker that a listener heard, in whatever slot: how many, and the first and last of them.
 * They have to be without a hole. */
static size_t heard_of(unsigned listener, unsigned speaker, uint64_t *ret_first, uint64_t *ret_last)
{
    size_t n = 0;
    for (unsigned i = 0; i < t.slots; i++) {
        const struct heard_stream *s = heard(listener, i);
        for (size_t k = 0; k < s->count; k++) {
            struct tag tag = source_tag(&s->packets[k], AUDIO);
            if (tag.ssrc != t.voice[speaker]->ssrc)
                continue;
            *ret_first = n ? *ret_first : tag.index;
            assert_int_equal(tag.index, *ret_first + n);
            *ret_last = tag.index;
            n++;
        }
    }
    return n;
}

static size_t turns(void)
{
    return sfu_rig_events(&t.rig, SFU_EVENT_STAGE_SLOT, 0, 0, 0);
}

static void no_syllable_is_lost_and_nobody_hears_itself(unsigned workers)
{
    room_open(workers, 4, 3, 4);
    run(600);
    for (unsigned i = 0; i < 4; i++)
        assert_int_equal(heard_in_all(i), 0); /* silence costs nothing */
    speak(1, LOUD);
    run(500);
    sfu_rig_drain(&t.rig);
    assert_int_equal(turns(), 1);
    for (unsigned i = 0; i < 4; i++) {
        uint64_t first = 0, last = 0;
        size_t n = heard_of(i, 1, &first, &last);
        if (i == 1) {
            assert_int_equal(n, 0);
            continue;
        }
        assert_in_range(
            t.from[1] - first, 2, 10); /* what it said before it was chosen, and before it spoke */
        assert_int_equal(last, t.voice[1]->next - 1); /* to the newest */
        for (unsigned k = 0; k < 3; k++) {
            const struct heard_stream *s = heard(i, k);
            source_assert_continuous(s, AUDIO);
            for (size_t p = 0; p < s->count; p++) {
                assert_int_equal(s->packets[p].h.marker, p == 0);
                assert_int_equal(s->packets[p].h.ts - s->packets[0].h.ts, p * 960);
            }
        }
    }
    room_close();
}

static void the_preroll_is_complete(void **state)
{
    (void)state;
    for (unsigned workers = 1; workers <= 3; workers++)
        no_syllable_is_lost_and_nobody_hears_itself(workers);
}

static void speakers_follow_each_other_in_one_stream(void **state)
{
    (void)state;
    room_open(2, 4, 1, 4);
    run(300);
    for (unsigned k = 0; k < 4; k++) {
        speak(k, LOUD);
        run(600);
        t.voice[k]->level = SILENT;
        run(k == 2 ? STAGE_QUIET_US / 1000 + 800 : 600);
    }
    sfu_rig_drain(&t.rig);
    assert_int_equal(turns(), 5); /* one of them a silence */
    for (unsigned i = 0; i < 4; i++) {
        const struct heard_stream *s = heard(i, 0);
        source_assert_continuous(s, AUDIO);
        unsigned markers = 0;
        for (size_t p = 0; p < s->count; p++)
            markers += s->packets[p].h.marker;
        assert_int_equal(markers, 3); /* the three others' first words */
        for (size_t p = 1; p < s->count; p++)
            assert_true(ts_diff(s->packets[p].h.ts, s->packets[p - 1].h.ts) >= 960);
        for (unsigned k = 0; k < 4; k++) {
            uint64_t first = 0, last = 0;
            size_t n = heard_of(i, k, &first, &last);
            assert_true(k == i ? n == 0 : n >= 30 && first < t.from[k]);
        }
        if (i == 3)
            continue;
        /* pre-rolls make the stream late; the silence before the fourth speaker made up for it */
        const struct heard *a = &s->packets[0], *b = &s->packets[s->count - 1];
        int64_t by_ts_ms = ts_diff(b->h.ts, a->h.ts) / 48, by_clock_ms = (b->at_us - a->at_us) / 1000;
        assert_in_range(by_ts_ms - by_clock_ms + 100, 0, 100 + STAGE_PREROLL_US / 1000 + 60);
    }
    room_close();
}

static void silence_is_not_sent(void **state)
{
    (void)state;
    room_open(2, 3, 2, 3);
    speak(0, LOUD);
    run(400);
    t.voice[0]->level = SILENT;
    run(STAGE_QUIET_US / 1000 + 300);
    sfu_rig_drain(&t.rig);
    size_t then[] = {heard_in_all(1), heard_in_all(2)}; /* a worker hears of a turn's end on its own */
    assert_true(then[0] > 0 && then[1] > 0);
    assert_int_equal(turns(), 2);
    run(400); /* all send, none is heard */
    sfu_rig_drain(&t.rig);
    assert_int_equal(heard_in_all(1), then[0]);
    assert_int_equal(heard_in_all(2), then[1]);
    room_close();
}

static void frees(enum sfu_command_type how)
{
    uint64_t first = 0, last = 0;
    room_open(2, 4, 1, 4);
    speak(0, LOUD);
    run(300);
    speak(1, LOUD + 20);
    run(700);
    assert_int_equal(heard_of(2, 1, &first, &last), 0); /* no slot is free, and it is not louder */
    if (how == SFU_PEER_REMOVE)
        sfu_rig_peer_remove(t.peer[0]);
    else
        post(how, 0, true);
    t.talks[0] = false;
    run(200);
    sfu_rig_drain(&t.rig);
    assert_true(heard_of(2, 1, &first, &last) >= 10);
    assert_true(heard_of(3, 1, &first, &last) >= 10);
    source_assert_continuous(heard(3, 0), AUDIO);
    if (how == SFU_TRACK_MUTE) { /* and comes back as anybody would */
        t.voice[1]->level = SILENT;
        post(how, 0, false);
        t.talks[0] = true;
        run(1000);
        size_t n = heard_in_all(3);
        run(300);
        sfu_rig_drain(&t.rig);
        assert_true(heard_in_all(3) >= n + 10);
        source_assert_continuous(heard(3, 0), AUDIO);
    }
    room_close();
}

static void a_slot_is_free_when_its_speaker_is_muted_or_goes(void **state)
{
    (void)state;
    frees(SFU_TRACK_MUTE);
    frees(SFU_TRACK_REMOVE);
    frees(SFU_PEER_REMOVE);
}

/* Fifty microphones, three streams, and no flapping. */
static void many_microphones_need_three_streams(void **state)
{
    (void)state;
    room_open(2, PEERS, 3, 8);
    for (unsigned i = 0; i < PEERS; i++)
        speak(i, (uint8_t)(LOUD + i % 20));
    run(2400);
    sfu_rig_drain(&t.rig);
    assert_in_range(turns(), 3, 9);
    for (unsigned i = 0; i < 8; i++) {
        size_t streams = 0;
        for (size_t k = 0; k < t.peer[i]->stream_count; k++)
            streams += t.peer[i]->streams[k].count > 0;
        assert_in_range(streams, 2, 3); /* two where it has one of the slots itself */
        for (unsigned k = 0; k < 3; k++)
            source_assert_continuous(heard(i, k), AUDIO);
    }
    assert_int_equal(sfu_rig_stats(&t.rig).subs, 24);
    room_close();
}

/* Who comes while somebody speaks, on a worker where nobody listened, hears at once; the last who goes takes
 * the image along. */
static void a_latecomer_hears_who_speaks(void **state)
{
    (void)state;
    room_open(3, 3, 2, 1);
    speak(0, LOUD);
    run(400);
    listen_in(1);
    listen_in(2);
    run(300);
    sfu_rig_drain(&t.rig);
    assert_true(heard_in_all(1) >= 10);
    assert_true(heard_in_all(2) >= 10);
    assert_true(heard(1, 0)->packets[0].h.marker);
    assert_int_equal(heard_in_all(0), 0);
    sfu_rig_peer_remove(t.peer[2]);
    t.talks[2] = false;
    run(300);
    sfu_rig_drain(&t.rig);
    source_assert_continuous(heard(1, 0), AUDIO);
    struct sfu_command c = {.type = SFU_STAGE_REMOVE, .stage = t.stage};
    for (unsigned w = 0; w < 3; w++) {
        c.worker = (uint8_t)w;
        sfu_rig_post(&t.rig, &c);
    }
    sfu_rig_drain(&t.rig);
    size_t then = heard_in_all(1);
    run(200);
    sfu_rig_drain(&t.rig);
    assert_int_equal(heard_in_all(1), then);
    assert_int_equal(sfu_rig_stats(&t.rig).subs, 0);
    room_close();
}

/* The browser restarted its sender: another SSRC, other numbers, the same track. */
static void a_restarted_source_goes_on_in_its_slot(void **state)
{
    (void)state;
    room_open(2, 3, 1, 3);
    speak(0, LOUD);
    run(300);
    source_free(t.voice[0]);
    t.voice[0] = source_new(t.peer[0], t.track[0], AUDIO, "0", NULL);
    t.voice[0]->level = LOUD;
    run(300);
    sfu_rig_drain(&t.rig);
    for (unsigned i = 1; i < 3; i++) {
        uint64_t first = 0, last = 0;
        assert_true(heard_of(i, 0, &first, &last) >= 14);
        source_assert_continuous(heard(i, 0), AUDIO);
    }
    assert_int_equal(turns(), 1);
    room_close();
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_teardown(the_preroll_is_complete, sfu_rig_teardown),
        cmocka_unit_test_teardown(speakers_follow_each_other_in_one_stream, sfu_rig_teardown),
        cmocka_unit_test_teardown(silence_is_not_sent, sfu_rig_teardown),
        cmocka_unit_test_teardown(a_slot_is_free_when_its_speaker_is_muted_or_goes, sfu_rig_teardown),
        cmocka_unit_test_teardown(many_microphones_need_three_streams, sfu_rig_teardown),
        cmocka_unit_test_teardown(a_latecomer_hears_who_speaks, sfu_rig_teardown),
        cmocka_unit_test_teardown(a_restarted_source_goes_on_in_its_slot, sfu_rig_teardown),
    };
    return cmocka_run_group_tests(tests, sfu_rig_begin, sfu_rig_end);
}
