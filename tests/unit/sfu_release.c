/* How packets leave: in runs of equal length, at a pace, and what becomes of those that wait for too long. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>
#include <stdlib.h>
#include <string.h>
#include "rtp/rtx.h"
#include "support/sfu_party.h"

#define FRAME_PACKETS 5

static struct party t;
static const size_t lens[FRAME_PACKETS] = {700, 700, 701, 701, 716};

/* A frame of H.264 as an encoder splits it: the last packets are longer. */
static void frame(struct source *s, bool key)
{
    uint8_t payload[1200];
    memset(payload, 0xab, sizeof payload);
    s->ts += 3000;
    for (int i = 0; i < FRAME_PACKETS; i++) {
        payload[0] = key ? i ? 0x65 : 0x67 : 0x41;
        source_payload(s, PUB_H264, payload, lens[i], i == FRAME_PACKETS - 1);
    }
}

/* Frames come whole, one by one: a worker that finds them together sends them in one run. */
static void frames_until(const struct heard_stream *h, size_t packets)
{
    frame(t.camera, true);
    SFU_RIG_UNTIL(&t.rig, h->count >= packets, (frame(t.camera, false), sfu_rig_idle(&t.rig, 5)));
    sfu_rig_drain(&t.rig);
}

static void packets_of_a_frame_are_made_equal(void **state)
{
    (void)state;
    party_open(&t, &(struct party_options){.workers = 1, .subs = 2});
    const struct heard_stream *h = party_heard(&t, 0, VIDEO);
    frames_until(h, 400);
    struct sfu_stats s = sfu_rig_stats(&t.rig);
    assert_true(s.udp_runs > 0);
    assert_true(s.udp_run_datagrams >= 2 * s.udp_runs);
    assert_true(s.udp_sends < s.datagrams_out); /* what runs are for */
    assert_true(s.padded > 0);
    assert_int_equal(s.udp_runs_refused, 0);
    size_t padded = 0;
    for (size_t i = 0; i < h->count; i++) { /* the payload is what it was */
        const struct rtp_packet *p = &h->packets[i].h;
        assert_int_equal(p->payload_len, lens[i % FRAME_PACKETS]);
        assert_true(p->padding_len <= SFU_EQUALISE_BYTES);
        assert_int_equal(p->seq, (uint16_t)(h->packets[0].h.seq + i));
        padded += p->padding_len > 0;
    }
    assert_true(padded > 0);
    party_close(&t);
}

static void encrypted_packets_are_not_padded(void **state)
{
    struct sfu_section s;
    (void)state;
    party_open(&t, &(struct party_options){.workers = 1, .subs = 1});
    source_section_video(&s, false, "5", NULL, 0);
    struct sfu_command c = {.type = SFU_TRACK_ADD, .peer = t.publisher->id, .track = sfu_rig_id(&t.rig)};
    c.track_add.section = s;
    c.track_add.kind = VIDEO;
    c.track_add.encrypted = true;
    sfu_rig_post(&t.rig, &c);
    source_section_video(&s, true, "e", NULL, 0);
    struct sfu_command add = {.type = SFU_SUB_ADD,
        .worker = t.subs[0]->worker,
        .peer = t.subs[0]->id,
        .track = c.track,
        .sub = sfu_rig_id(&t.rig)};
    add.sub_add.kind = VIDEO;
    add.sub_add.ssrc = 42;
    add.sub_add.rtx_ssrc = 43;
    add.sub_add.section = s;
    add.sub_add.encrypted = true;
    sfu_rig_post(&t.rig, &add);
    struct source *camera = source_new(t.publisher, c.track, VIDEO, "5", NULL);
    const struct heard_stream *h = sfu_rig_stream(t.subs[0], 42);
    frame(camera, true);
    SFU_RIG_UNTIL(&t.rig, h->count >= 200, (frame(camera, h->count == 0), sfu_rig_idle(&t.rig, 5)));
    sfu_rig_drain(&t.rig);
    for (size_t i = 0; i < h->count; i++)
        assert_int_equal(h->packets[i].h.padding_len, 0);
    assert_int_equal(sfu_rig_stats(&t.rig).padded, 0);
    party_close(&t);
    source_free(camera);
}

/* More at once than may wait: whole frames go, the source is asked for a key frame, and who asks for what is
 * missing is told that it never comes. */
static void what_waits_too_long_is_dropped(void **state)
{
    (void)state;
    party_open(&t, &(struct party_options){.workers = 1, .subs = 1});
    const struct heard_stream *h = party_heard(&t, 0, VIDEO);
    frames_until(h, 20);
    sfu_rig_idle(&t.rig, SFU_ESTIMATE_WAIT_US / 1000 + SFU_ALLOCATE_REST_US / 1000);
    frames_until(h, h->count + 20); /* all that is wanted goes by now */
    sfu_rig_idle(&t.rig, SFU_KEY_FRAME_US / 1000 + 50);
    struct sfu_command goes = {.type = SFU_PEER_SET, .worker = t.subs[0]->worker, .peer = t.subs[0]->id};
    goes.peer_set.never_pause = true; /* what is sent here is more than any path is taken to carry */
    sfu_rig_post(&t.rig, &goes);
    unsigned plis = sfu_rig_stream(t.publisher, t.camera->ssrc)->plis;
    int64_t from_us = sfu_rig_now_us(), until_us = from_us + 5000000, packets = 0;
    SFU_RIG_UNTIL(
        &t.rig, sfu_rig_stream(t.publisher, t.camera->ssrc)->plis > plis || sfu_rig_now_us() > until_us, {
            for (int i = 0; i < 50; i++, packets += FRAME_PACKETS)
                frame(t.camera, false);
        });
    /* what waits is at most what comes in a tenth of a second: then 2.5 times what came in half a second goes
     */
    bool slow = packets / 10 < PACER_ITEMS_MAX * (sfu_rig_now_us() - from_us) / 1000000 * 5 / 4;
    if (sfu_rig_stream(t.publisher, t.camera->ssrc)->plis == plis && slow) {
        party_close(&t);
        print_message("# too slow here to send more than the pace, which follows what comes, lets out\n");
        skip();
    }
    sfu_rig_drain(&t.rig);
    struct sfu_stats s = sfu_rig_stats(&t.rig);
    assert_true(s.paced > 0);
    assert_true(s.stale_packets >= PACER_ITEMS_MAX / 2);
    assert_true(s.stale_frames > 0 && s.stale_frames <= s.stale_packets);
    size_t before = h->count;
    uint16_t last = h->packets[before - 1].h.seq;
    frames_until(h, before + 20);
    assert_int_equal(h->packets[before].head[0], 0x67); /* it goes on at the key frame */
    uint16_t gap = (uint16_t)(h->packets[before].h.seq - last - 1), missing = (uint16_t)(last + 1);
    assert_true(gap > 0 && gap <= s.stale_packets);
    missing = (uint16_t)(h->packets[before].h.seq - 1); /* one that is remembered */
    sfu_rig_nack(t.subs[0], h->ssrc, &missing, 1);
    SFU_RIG_UNTIL(&t.rig, party_rtx(&t, 0)->count == 1, (void)0);
    assert_int_equal(party_rtx(&t, 0)->packets[0].h.payload_len, RTX_OSN_LEN);
    party_close(&t);
}

static void transit_times_are_counted(void **state)
{
    (void)state;
    party_open(&t, &(struct party_options){.workers = 2, .subs = 3});
    SFU_RIG_UNTIL(&t.rig, party_all_heard(&t, 50, 50),
        (source_frame(t.camera, true, 2, 0), source_audio(t.voice, false), sfu_rig_idle(&t.rig, 5)));
    sfu_rig_drain(&t.rig);
    struct sfu_stats s = sfu_rig_stats(&t.rig);
    uint64_t sum = 0;
    for (int i = 0; i < SFU_TRANSIT_BUCKETS; i++)
        sum += s.transit[i];
    assert_int_equal(sum, s.rtp_out - s.probe_out);
    assert_true(sum >= 300);
    party_close(&t);
}

/* Video is asked for when the first packet shows that there is some, on whichever worker the viewer is. */
static void the_first_video_is_asked_for_at_once(void **state)
{
    (void)state;
    party_open(&t, &(struct party_options){.workers = 2, .subs = 1});
    sfu_rig_idle(&t.rig, 20);
    for (int i = 0; i < 3; i++)
        source_frame(t.camera, false, 2, 0);
    const struct heard_stream *asked = sfu_rig_stream(t.publisher, t.camera->ssrc);
    SFU_RIG_UNTIL(&t.rig, asked->plis > 0, (void)0);
    assert_int_equal(party_heard(&t, 0, VIDEO)->count, 0);
    party_close(&t);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_teardown(packets_of_a_frame_are_made_equal, sfu_rig_teardown),
        cmocka_unit_test_teardown(encrypted_packets_are_not_padded, sfu_rig_teardown),
        cmocka_unit_test_teardown(what_waits_too_long_is_dropped, sfu_rig_teardown),
        cmocka_unit_test_teardown(transit_times_are_counted, sfu_rig_teardown),
        cmocka_unit_test_teardown(the_first_video_is_asked_for_at_once, sfu_rig_teardown),
    };
    return cmocka_run_group_tests(tests, sfu_rig_begin, sfu_rig_end);
}
