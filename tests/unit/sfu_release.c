/* How packets leave: in runs of equal length, and how long they take. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>
#include <stdlib.h>
#include <string.h>
#include "support/sfu_party.h"
#include "support/virtual_net.h"

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

static void packets_of_a_frame_are_made_equal(void **state)
{
    (void)state;
    party_open(&t, &(struct party_options){.workers = 1, .subs = 2});
    const struct heard_stream *h = party_heard(&t, 0, VIDEO);
    frame(t.camera, true);
    SFU_RIG_UNTIL(&t.rig, h->count >= 400, frame(t.camera, false), sfu_rig_idle(&t.rig, 5));
    sfu_rig_drain(&t.rig);
    size_t padded = 0;
    for (size_t i = 0; i < h->count; i++) { /* the payload is what it was */
        const struct rtp_packet *p = &h->packets[i].h;
        assert_int_equal(p->payload_len, lens[i % FRAME_PACKETS]);
        assert_true(p->padding_len <= SFU_EQUALISE_BYTES);
        assert_int_equal(p->seq, (uint16_t)(h->packets[0].h.seq + i));
        padded += p->padding_len > 0;
    }
    assert_true(padded > 0);
    assert_int_equal(sfu_rig_stats(&t.rig).padded, 2 * padded); /* both of them */
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
        cmocka_unit_test_teardown(transit_times_are_counted, sfu_rig_teardown),
        cmocka_unit_test_teardown(the_first_video_is_asked_for_at_once, sfu_rig_teardown),
    };
    return cmocka_run_group_tests(tests, sfu_rig_begin, sfu_rig_end);
}
