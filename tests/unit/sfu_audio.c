/* Redundant audio between peers that know it and peers that do not. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>
#include <stdio.h>
#include <string.h>
#include "rtp/red.h"
#include "support/sfu_party.h"
#include "support/virtual_net.h"

#define REDUNDANT 10 /* bytes of the older block */
#define PRIMARY   24

static struct party t;

/* A RED payload of two blocks; the primary one carries the tag. */
static uint64_t red_send(struct source *s, uint8_t opus_pt)
{
    uint8_t payload[5 + REDUNDANT + PRIMARY];
    struct writer w = writer_of(payload, sizeof payload);
    writer_u8(&w, 0x80 | opus_pt);
    writer_u24(&w, 960u << 10 | REDUNDANT);
    writer_u8(&w, opus_pt);
    for (int i = 0; i < REDUNDANT; i++)
        writer_u8(&w, 0xdd);
    writer_u32(&w, s->ssrc);
    writer_u64(&w, s->next);
    writer_zero(&w, PRIMARY - 12);
    assert_true(!w.bad && w.len == sizeof payload);
    s->ts += 960;
    return source_payload(s, PUB_RED, payload, sizeof payload, false);
}

static void assert_red(const struct heard *h, uint8_t opus_pt, uint64_t index)
{
    struct red red;
    assert_int_equal(h->h.pt, SUB_RED);
    assert_int_equal(h->h.payload_len, 5 + REDUNDANT + PRIMARY);
    assert_int_equal(red_parse(h->head, h->h.payload_len, &red), 0);
    assert_int_equal(red.count, 2);
    assert_int_equal(red.blocks[0].pt, opus_pt);
    assert_int_equal(red.blocks[0].ts_back, 960);
    assert_int_equal(red.blocks[0].len, REDUNDANT);
    assert_int_equal(red.blocks[1].pt, opus_pt);
    struct cursor c = cursor_of(h->head + 5 + REDUNDANT + 4, 8);
    assert_int_equal(cursor_u64(&c), index);
}

static void assert_opus(const struct heard *h, size_t len, uint64_t index)
{
    assert_int_equal(h->h.pt, SUB_OPUS);
    assert_int_equal(h->h.payload_len, len);
    assert_int_equal(source_tag(h, AUDIO).index, index);
}

static void redundancy_reaches(unsigned workers, bool knows)
{
    party_open(&t, &(struct party_options){.workers = workers, .subs = 2, .red_up = true, .red_down = knows});
    uint64_t first = t.voice->next;
    for (int i = 0; i < 100; i++) {
        red_send(t.voice, PUB_OPUS);
        sfu_rig_pump(&t.rig, 1);
    }
    SFU_RIG_UNTIL(&t.rig, party_all_heard(&t, 100, 0), (void)0);
    for (unsigned k = 0; k < 2; k++) {
        const struct heard_stream *s = party_heard(&t, k, AUDIO);
        source_assert_continuous(s, AUDIO);
        assert_int_equal(s->count, 100);
        for (unsigned i = 0; i < 100; i++) {
            if (knows)
                assert_red(&s->packets[i], SUB_OPUS, first + i);
            else
                assert_opus(&s->packets[i], PRIMARY, first + i);
        }
    }
    assert_int_equal(sfu_rig_event(&t.rig, SFU_EVENT_TRACK_LIVE, 0, t.audio, 0)->live.codec, PAYLOAD_RED);
    party_close(&t);
}

static void redundancy_is_passed_on_under_the_receivers_numbers(void **state)
{
    (void)state;
    redundancy_reaches(1, true);
    redundancy_reaches(2, true);
}

static void redundancy_is_taken_off_for_who_does_not_know_it(void **state)
{
    (void)state;
    redundancy_reaches(1, false);
    redundancy_reaches(2, false);
}

/* A sender leaves redundancy out where it does not fit: the stream goes on. */
static void red_and_opus_take_turns(void **state)
{
    uint64_t at[90];
    (void)state;
    party_open(&t, &(struct party_options){.workers = 2, .subs = 2, .red_up = true, .red_down = true});
    for (unsigned i = 0; i < 90; i++) {
        at[i] = i % 3 ? red_send(t.voice, PUB_OPUS) : source_audio(t.voice, false);
        sfu_rig_pump(&t.rig, 1);
    }
    SFU_RIG_UNTIL(&t.rig, party_all_heard(&t, 90, 0), (void)0);
    for (unsigned k = 0; k < 2; k++) {
        const struct heard_stream *s = party_heard(&t, k, AUDIO);
        source_assert_continuous(s, AUDIO);
        assert_int_equal(s->count, 90);
        for (unsigned i = 0; i < 90; i++) {
            if (i % 3)
                assert_red(&s->packets[i], SUB_OPUS, at[i]);
            else
                assert_opus(&s->packets[i], s->packets[i].h.payload_len, at[i]);
            assert_int_equal(s->packets[i].h.ts - s->packets[0].h.ts, i * 960);
        }
        assert_int_equal(
            sfu_rig_events(&t.rig, SFU_EVENT_SUB_LAYER, 0, 0, t.audio_sub[k]), 1); /* no new start */
    }
    assert_int_equal(sfu_rig_events(&t.rig, SFU_EVENT_TRACK_LIVE, 0, t.audio, 0), 1);
    assert_int_equal(sfu_rig_stats(&t.rig).nack_out, 0);
    party_close(&t);
}

/* Lost packets are found and repaired over a change of payload type as well. */
static void losses_between_red_and_opus_are_repaired(void **state)
{
    (void)state;
    party_open(&t, &(struct party_options){.workers = 1, .subs = 1, .red_up = true, .red_down = true});
    for (unsigned i = 0; i < 10; i++)
        red_send(t.voice, PUB_OPUS);
    uint64_t lost = source_audio(t.voice, true);
    for (unsigned i = 0; i < 10; i++)
        red_send(t.voice, PUB_OPUS);
    struct heard_stream *asked = sfu_rig_stream(t.publisher, t.voice->ssrc);
    SFU_RIG_UNTIL(&t.rig, asked->nacks > 0, (void)0);
    assert_int_equal(asked->nacked[0], (uint16_t)lost);
    source_again(t.voice, lost);
    SFU_RIG_UNTIL(&t.rig, party_all_heard(&t, 21, 0), (void)0);
    const struct heard_stream *s = party_heard(&t, 0, AUDIO);
    const struct heard *late = &s->packets[20];
    assert_int_equal(late->h.seq, (uint16_t)(s->packets[0].h.seq + 10));
    assert_opus(late, late->h.payload_len, lost);
    party_close(&t);
}

/* What cannot be taken apart, or has nothing inside, is not forwarded, and leaves no hole. */
static void broken_redundancy_leaves_no_hole(void **state)
{
    static const uint8_t cut[] = {0x80 | PUB_OPUS, 0, 0, 200, PUB_OPUS, 1, 2, 3}, empty[] = {PUB_OPUS};
    (void)state;
    party_open(&t, &(struct party_options){.workers = 2, .subs = 2, .red_up = true});
    uint64_t at[50];
    for (unsigned i = 0; i < 50; i++) {
        at[i] = red_send(t.voice, PUB_OPUS);
        t.voice->ts += 960;
        if (i % 2)
            source_payload(t.voice, PUB_RED, cut, sizeof cut, false);
        else
            source_payload(t.voice, PUB_RED, empty, sizeof empty, false);
        sfu_rig_pump(&t.rig, 1);
    }
    SFU_RIG_UNTIL(&t.rig, party_all_heard(&t, 50, 0), (void)0);
    sfu_rig_sync(&t.rig);
    for (unsigned k = 0; k < 2; k++) {
        const struct heard_stream *s = party_heard(&t, k, AUDIO);
        source_assert_continuous(s, AUDIO);
        assert_int_equal(s->count, 50);
        for (unsigned i = 0; i < 50; i++)
            assert_opus(&s->packets[i], PRIMARY, at[i]);
    }
    assert_int_equal(sfu_rig_stats(&t.rig).crypto_refused, 0);
    party_close(&t);
}

/* End to end encrypted: the blocks are nobody's business. Who knows RED gets it as it is, who does not gets
 * nothing. */
static void encrypted_redundancy_is_not_touched(void **state)
{
    struct sfu_section s;
    (void)state;
    party_open(&t, &(struct party_options){.workers = 1, .subs = 2, .red_up = true});
    source_section_audio(&s, false, "5", true);
    struct sfu_command c = {.type = SFU_TRACK_ADD, .peer = t.publisher->id, .track = sfu_rig_id(&t.rig)};
    c.track_add.section = s;
    c.track_add.kind = AUDIO;
    c.track_add.encrypted = true;
    sfu_rig_post(&t.rig, &c);
    for (unsigned k = 0; k < 2; k++) {
        source_section_audio(&s, true, "e", k == 0);
        struct sfu_command sub = {
            .type = SFU_SUB_ADD, .peer = t.subs[k]->id, .track = c.track, .sub = sfu_rig_id(&t.rig)};
        sub.sub_add.kind = AUDIO;
        sub.sub_add.ssrc = 42;
        sub.sub_add.section = s;
        sub.sub_add.encrypted = true;
        sfu_rig_post(&t.rig, &sub);
    }
    party_settle(&t, 3, 6);
    struct source *voice = source_new(t.publisher, c.track, AUDIO, "5", NULL);
    uint64_t first = voice->next;
    for (unsigned i = 0; i < 50; i++)
        red_send(voice, PUB_OPUS);
    SFU_RIG_UNTIL(&t.rig, sfu_rig_stream(t.subs[0], 42)->count == 50, (void)0);
    sfu_rig_sync(&t.rig);
    for (unsigned i = 0; i < 50; i++)
        assert_red(&sfu_rig_stream(t.subs[0], 42)->packets[i], PUB_OPUS, first + i);
    assert_int_equal(sfu_rig_stream(t.subs[1], 42)->count, 0);
    party_close(&t);
    source_free(voice);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_teardown(redundancy_is_passed_on_under_the_receivers_numbers, sfu_rig_teardown),
        cmocka_unit_test_teardown(redundancy_is_taken_off_for_who_does_not_know_it, sfu_rig_teardown),
        cmocka_unit_test_teardown(red_and_opus_take_turns, sfu_rig_teardown),
        cmocka_unit_test_teardown(losses_between_red_and_opus_are_repaired, sfu_rig_teardown),
        cmocka_unit_test_teardown(broken_redundancy_leaves_no_hole, sfu_rig_teardown),
        cmocka_unit_test_teardown(encrypted_redundancy_is_not_touched, sfu_rig_teardown),
    };
    return cmocka_run_group_tests(tests, sfu_rig_begin, sfu_rig_end);
}
