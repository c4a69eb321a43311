/* One publisher, many subscribers, on one worker and on two: what goes in comes out, once, in order and under
 * the right names. In virtual time; sfu_threads is the same with threads and sockets. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>
#include <stdio.h>
#include <string.h>
#include "support/sfu_party.h"
#include "support/virtual_net.h"

static struct party t;

static void one_worker_forwards_to_one(void **state)
{
    (void)state;
    party_forward(&t, &(struct party_options){.workers = 1, .subs = 1});
}

static void one_worker_forwards_to_many(void **state)
{
    (void)state;
    party_forward(&t, &(struct party_options){.workers = 1, .subs = 9});
}

static void two_workers_forward_to_one_on_the_other(void **state)
{
    (void)state;
    party_forward(&t, &(struct party_options){.workers = 2, .subs = 1});
}

static void two_workers_forward_to_many_on_both(void **state)
{
    (void)state;
    party_forward(&t, &(struct party_options){.workers = 2, .subs = 9});
}

/* ---- names ---- */

static void the_mid_is_said_until_the_receiver_reports(void **state)
{
    (void)state;
    party_open(&t, &(struct party_options){.workers = 1, .subs = 1});
    struct heard_stream *h = party_heard(&t, 0, VIDEO);
    for (unsigned n = 0; n < 20; n++)
        source_frame(t.camera, n == 0, 5, 0);
    SFU_RIG_UNTIL(&t.rig, h->count == 100, (void)0);
    for (unsigned i = 0; i < 100; i++)
        assert_string_equal(h->packets[i].mid, "v");
    sfu_rig_report(t.subs[0], &(struct rtcp_report){.ssrc = h->ssrc});
    size_t from = 0;
    SFU_RIG_UNTIL(&t.rig, h->packets[h->count - 1].mid[0] == 0, source_frame(t.camera, false, 1, 0));
    from = h->count;
    for (unsigned n = 0; n < 20; n++)
        source_frame(t.camera, false, 5, 0);
    SFU_RIG_UNTIL(&t.rig, h->count >= from + 100, (void)0);
    for (size_t i = from; i < h->count; i++)
        assert_string_equal(h->packets[i].mid, "");
    source_assert_continuous(h, VIDEO);
    party_close(&t);
}

static void a_declared_ssrc_needs_no_mid(void **state)
{
    struct sfu_section s;
    (void)state;
    party_open(&t, &(struct party_options){.workers = 1, .subs = 1});
    t.camera->mid = NULL;
    source_section_video(&s, false, "1", NULL, 0);
    s.ssrc_count = 1;
    s.ssrcs[0].ssrc = t.camera->ssrc;
    s.ssrcs[0].rtx = t.camera->rtx_ssrc;
    struct sfu_command c = {.type = SFU_TRACK_ADD, .peer = t.publisher->id, .track = t.video};
    c.track_add.section = s;
    c.track_add.kind = VIDEO;
    sfu_rig_post(&t.rig, &c);
    /* a second video section, so that the payload type alone says nothing */
    source_section_video(&s, false, "2", NULL, 0);
    (void)source_publish(t.publisher, VIDEO, &s);
    SFU_RIG_UNTIL(&t.rig, party_heard(&t, 0, VIDEO)->count >= 50, source_frame(t.camera, true, 2, 0));
    source_assert_continuous(party_heard(&t, 0, VIDEO), VIDEO);
    assert_int_equal(sfu_rig_stats(&t.rig).rtp_unknown_ssrc, 0);
    party_close(&t);
}

static void what_belongs_to_no_section_is_counted(void **state)
{
    (void)state;
    party_open(&t, &(struct party_options){.workers = 1, .subs = 1});
    t.camera->mid = "7"; /* nobody's */
    for (unsigned n = 0; n < 20; n++)
        source_frame(t.camera, true, 5, 0);
    t.camera->mid = "1";
    t.camera->pt = 50; /* not negotiated */
    for (unsigned n = 0; n < 20; n++)
        source_frame(t.camera, true, 5, 0);
    SFU_RIG_UNTIL(&t.rig, sfu_rig_stats(&t.rig).rtp_in == 200, (void)0);
    assert_int_equal(sfu_rig_stats(&t.rig).rtp_unknown_ssrc, 200);
    assert_int_equal(party_heard(&t, 0, VIDEO)->count, 0);
    t.camera->pt = PUB_VP8; /* and nothing of that is held against it */
    SFU_RIG_UNTIL(&t.rig, party_heard(&t, 0, VIDEO)->count >= 50, source_frame(t.camera, true, 2, 0));
    party_close(&t);
}

/* ---- joining late ---- */

static void a_late_subscriber_starts_at_a_key_frame(unsigned workers)
{
    struct sfu_section s;
    party_open(&t, &(struct party_options){.workers = workers, .subs = 1});
    for (unsigned n = 0; n < 20; n++)
        source_frame(t.camera, n == 0, 5, 0);
    SFU_RIG_UNTIL(&t.rig, party_all_heard(&t, 0, 100), (void)0);
    unsigned plis = sfu_rig_stream(t.publisher, t.camera->ssrc)->plis;
    struct sfu_rig_peer *late = sfu_rig_peer_add(&t.rig, workers - 1, false, DTLS_SERVER);
    sfu_rig_connect(&t.rig);
    source_section_video(&s, true, "v", NULL, 0);
    sfu_rig_idle(&t.rig, KEY_CACHE_AGE_US / 1000 + 50); /* the first key frame is too long ago */
    (void)source_subscribe(late, t.publisher, t.video, VIDEO, &s, 42, 43);
    SFU_RIG_UNTIL(&t.rig, sfu_rig_stream(t.publisher, t.camera->ssrc)->plis > plis,
        source_frame(t.camera, false, 5, 0));
    sfu_rig_sync(&t.rig);
    assert_int_equal(sfu_rig_stream(late, 42)->count, 0);
    uint64_t key = source_frame(t.camera, true, 5, 0);
    for (unsigned n = 0; n < 20; n++)
        source_frame(t.camera, false, 5, 0);
    SFU_RIG_UNTIL(&t.rig, sfu_rig_stream(late, 42)->count == 105, (void)0);
    party_assert_forwarded(sfu_rig_stream(late, 42), t.camera, key);
    source_assert_continuous(party_heard(&t, 0, VIDEO), VIDEO);
    party_close(&t);
}

/* Soon after a key frame nobody is asked for another one: it is sent again, and what followed. */
static void a_late_subscriber_is_given_a_key_frame(unsigned workers)
{
    struct sfu_section s;
    party_open(&t, &(struct party_options){.workers = workers, .subs = 1});
    struct sfu_rig_peer *late = sfu_rig_peer_add(&t.rig, 0, false, DTLS_SERVER);
    sfu_rig_connect(&t.rig);
    source_section_video(&s, true, "v", NULL, 0);
    uint64_t key = source_frame(t.camera, true, 5, 0);
    for (unsigned n = 1; n < 20; n++)
        source_frame(t.camera, false, 5, 0);
    SFU_RIG_UNTIL(&t.rig, party_all_heard(&t, 0, 100), (void)0);
    unsigned plis = sfu_rig_stream(t.publisher, t.camera->ssrc)->plis;
    (void)source_subscribe(late, t.publisher, t.video, VIDEO, &s, 42, 43);
    SFU_RIG_UNTIL(&t.rig, sfu_rig_stream(late, 42)->count == 100, (void)0);
    for (unsigned n = 0; n < 20; n++)
        source_frame(t.camera, false, 5, 0);
    SFU_RIG_UNTIL(&t.rig, sfu_rig_stream(late, 42)->count == 200, (void)0);
    const struct heard_stream *h = sfu_rig_stream(late, 42);
    source_assert_continuous(h, VIDEO);
    for (size_t i = 0; i < 200; i++)
        assert_int_equal(source_tag(&h->packets[i], VIDEO).index, key + i);
    assert_true(payload_is(&h->packets[0].payload, PAYLOAD_KEY | PAYLOAD_START));
    /* what was old is shown at once; then the time is the publisher's */
    assert_in_range(h->packets[95].h.ts - h->packets[0].h.ts, 19 * 30, 19 * 3000 / 32);
    assert_int_equal(h->packets[195].h.ts - h->packets[95].h.ts, 20 * 3000);
    assert_int_equal(sfu_rig_stream(t.publisher, t.camera->ssrc)->plis, plis);
    assert_true(sfu_rig_stats(&t.rig).key_cached >= 1);
    party_close(&t);
}

static void late_subscribers_are_given_a_key_frame(void **state)
{
    (void)state;
    a_late_subscriber_is_given_a_key_frame(1);
    a_late_subscriber_is_given_a_key_frame(2);
}

static void late_subscribers_start_at_a_key_frame(void **state)
{
    (void)state;
    a_late_subscriber_starts_at_a_key_frame(1);
    a_late_subscriber_starts_at_a_key_frame(2);
}

/* ---- payloads ---- */

static void probes_are_not_forwarded_and_leave_no_hole(void **state)
{
    (void)state;
    party_open(&t, &(struct party_options){.workers = 2, .subs = 2});
    for (unsigned n = 0; n < 100; n++) {
        source_frame(t.camera, n == 0, 3, 0);
        source_probe(t.camera, false);
        source_probe(t.camera, false);
        sfu_rig_pump(&t.rig, 1);
    }
    SFU_RIG_UNTIL(&t.rig, party_all_heard(&t, 0, 300), (void)0);
    sfu_rig_sync(&t.rig);
    for (unsigned i = 0; i < 2; i++) {
        assert_int_equal(party_heard(&t, i, VIDEO)->count, 300);
        source_assert_continuous(party_heard(&t, i, VIDEO), VIDEO);
    }
    party_close(&t);
}

/* End to end encrypted: bytes that mean nothing to us go through untouched. */
static void opaque_payloads_pass_as_they_are(void **state)
{
    struct sfu_section s;
    uint8_t payload[SFU_RIG_HEAD];
    (void)state;
    party_open(&t, &(struct party_options){.workers = 2, .subs = 1});
    source_section_audio(&s, false, "5", false);
    struct sfu_command c = {.type = SFU_TRACK_ADD, .peer = t.publisher->id, .track = sfu_rig_id(&t.rig)};
    c.track_add.section = s;
    c.track_add.kind = AUDIO;
    c.track_add.encrypted = true;
    sfu_rig_post(&t.rig, &c);
    source_section_audio(&s, true, "e", false);
    uint32_t sub = source_subscribe(t.subs[0], t.publisher, c.track, AUDIO, &s, 42, 0);
    struct source *voice = source_new(t.publisher, c.track, AUDIO, "5", NULL);
    memset(payload, 0xee, sizeof payload);
    struct heard_stream *h = sfu_rig_stream(t.subs[0], 42);
    SFU_RIG_UNTIL(&t.rig, h->count >= 50, source_payload(voice, PUB_OPUS, payload, sizeof payload, false));
    for (size_t i = 0; i < h->count; i++) {
        assert_int_equal(h->packets[i].h.payload_len, sizeof payload);
        assert_memory_equal(h->packets[i].head, payload, sizeof payload);
    }
    source_assert_continuous(h, AUDIO);
    assert_int_equal(sfu_rig_events(&t.rig, SFU_EVENT_SUB_LIVE, 0, c.track, sub), 1);
    party_close(&t);
    source_free(voice);
}

/* ---- what control hears ---- */

static void levels_are_told_while_somebody_speaks(void **state)
{
    (void)state;
    party_open(&t, &(struct party_options){.workers = 1, .subs = 1});
    t.voice->level = 90; /* breathing */
    for (unsigned n = 0; n < 50; n++) {
        source_audio(t.voice, false);
        sfu_rig_idle(&t.rig, 20);
    }
    assert_int_equal(sfu_rig_events(&t.rig, SFU_EVENT_TRACK_LEVEL, 0, 0, 0), 0);
    t.voice->level = 10;
    const struct sfu_event *e;
    SFU_RIG_UNTIL(&t.rig,
        (e = sfu_rig_event(&t.rig, SFU_EVENT_TRACK_LEVEL, 0, t.audio, 0)) && e->level.active,
        (source_audio(t.voice, false), source_audio(t.voice, false), sfu_rig_idle(&t.rig, 20)));
    assert_true(e->level.level > 0.017 && e->level.level <= 1); /* -35 dBov and louder */
    assert_int_equal(e->peer, t.publisher->id);
    t.voice->level = 127;
    SFU_RIG_UNTIL(&t.rig, !(e = sfu_rig_event(&t.rig, SFU_EVENT_TRACK_LEVEL, 0, t.audio, 0))->level.active,
        (source_audio(t.voice, false), source_audio(t.voice, false), sfu_rig_idle(&t.rig, 20)));
    size_t told = sfu_rig_events(&t.rig, SFU_EVENT_TRACK_LEVEL, 0, 0, 0);
    sfu_rig_idle(&t.rig, 500);
    assert_int_equal(sfu_rig_events(&t.rig, SFU_EVENT_TRACK_LEVEL, 0, 0, 0), told); /* silence is told once */
    party_close(&t);
}

/* Longer packets are fewer: what counts is the sound in them. */
static void levels_do_not_depend_on_the_packets_length(void **state)
{
    static const uint32_t lengths_ms[] = {10, 60, 120};
    (void)state;
    party_open(&t, &(struct party_options){.workers = 1, .subs = 0});
    for (unsigned k = 0; k < sizeof lengths_ms / sizeof lengths_ms[0]; k++) {
        const struct sfu_event *e;
        t.voice->level = 10;
        t.voice->ptime_ms = lengths_ms[k];
        SFU_RIG_UNTIL(&t.rig,
            (e = sfu_rig_event(&t.rig, SFU_EVENT_TRACK_LEVEL, 0, t.audio, 0)) && e->level.active,
            source_audio(t.voice, false), sfu_rig_idle(&t.rig, (int)lengths_ms[k] / 2));
        t.voice->level = 127;
        SFU_RIG_UNTIL(&t.rig,
            !(e = sfu_rig_event(&t.rig, SFU_EVENT_TRACK_LEVEL, 0, t.audio, 0))->level.active,
            source_audio(t.voice, false), sfu_rig_idle(&t.rig, (int)lengths_ms[k]));
    }
    party_close(&t);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_teardown(one_worker_forwards_to_one, sfu_rig_teardown),
        cmocka_unit_test_teardown(one_worker_forwards_to_many, sfu_rig_teardown),
        cmocka_unit_test_teardown(two_workers_forward_to_one_on_the_other, sfu_rig_teardown),
        cmocka_unit_test_teardown(two_workers_forward_to_many_on_both, sfu_rig_teardown),
        cmocka_unit_test_teardown(the_mid_is_said_until_the_receiver_reports, sfu_rig_teardown),
        cmocka_unit_test_teardown(a_declared_ssrc_needs_no_mid, sfu_rig_teardown),
        cmocka_unit_test_teardown(what_belongs_to_no_section_is_counted, sfu_rig_teardown),
        cmocka_unit_test_teardown(late_subscribers_are_given_a_key_frame, sfu_rig_teardown),
        cmocka_unit_test_teardown(late_subscribers_start_at_a_key_frame, sfu_rig_teardown),
        cmocka_unit_test_teardown(probes_are_not_forwarded_and_leave_no_hole, sfu_rig_teardown),
        cmocka_unit_test_teardown(opaque_payloads_pass_as_they_are, sfu_rig_teardown),
        cmocka_unit_test_teardown(levels_are_told_while_somebody_speaks, sfu_rig_teardown),
        cmocka_unit_test_teardown(levels_do_not_depend_on_the_packets_length, sfu_rig_teardown),
    };
    return cmocka_run_group_tests(tests, sfu_rig_begin, sfu_rig_end);
}
