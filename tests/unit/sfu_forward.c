/* One publisher, many subscribers, on one worker and on two: what goes in comes out, once, in order and under
 * the right names. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>
#include <stdio.h>
#include <string.h>
#include "support/sfu_source.h"

#define AUDIO 0
#define VIDEO 1

static struct sfu_rig rig;

/* Every packet of the source from index first on, once and in order, and nothing else. */
static void assert_forwarded(const struct heard_stream *s, const struct source *src, uint64_t first)
{
    source_assert_continuous(s, src->kind);
    assert_true(s->count > 0);
    for (size_t i = 0; i < s->count; i++) {
        const struct heard *h = &s->packets[i];
        struct tag t = source_tag(h, src->kind);
        const struct source_packet *k = &src->kept[t.index % SOURCE_KEPT];
        assert_int_equal(t.ssrc, src->ssrc);
        assert_int_equal(t.index, first + i);
        assert_int_equal(h->h.payload_len, k->len);
        assert_int_equal(h->h.marker, k->marker);
        assert_int_equal(h->h.ts - s->packets[0].h.ts, k->ts - src->kept[first % SOURCE_KEPT].ts);
        assert_int_equal(h->h.pt, src->kind == AUDIO ? SUB_OPUS : SUB_VP8);
        assert_true(rtp_has(&h->h, RTP_EXT_TWCC));
        assert_false(rtp_has(&h->h, RTP_EXT_RID));
        if (src->kind == AUDIO)
            assert_int_equal(h->h.audio_level, src->level);
        else
            assert_int_equal(h->h.orientation, 2);
    }
    assert_int_equal(source_tag(&s->packets[s->count - 1], src->kind).index, src->next - 1);
}

/* Transport-wide numbers of a client: one row over all that it received. */
static void assert_numbered(const struct sfu_rig_peer *p)
{
    static bool seen[65536];
    size_t total = 0;
    memset(seen, 0, sizeof seen);
    for (size_t i = 0; i < p->stream_count; i++) {
        for (size_t k = 0; k < p->streams[i].count; k++, total++) {
            uint16_t number = p->streams[i].packets[k].h.twcc;
            assert_false(seen[number]);
            seen[number] = true;
        }
    }
    for (size_t i = 0; i < total; i++)
        assert_true(seen[i]);
}

struct party {
    struct sfu_rig_peer *publisher, *subs[16];
    uint32_t audio, video, audio_sub[16], video_sub[16];
    struct source *voice, *camera;
    unsigned count;
};

static uint32_t ssrc_of(unsigned sub, uint8_t kind)
{
    return 1000000 + 100 * sub + 10 * kind;
}

static void party_open(struct party *t, unsigned workers, unsigned count, bool tcp, enum dtls_role role)
{
    struct sfu_section s;
    *t = (struct party){.count = count};
    sfu_rig_open(&rig, workers, NULL, NULL);
    t->publisher = sfu_rig_peer_add(&rig, 0, tcp, role);
    for (unsigned i = 0; i < count; i++)
        t->subs[i] = sfu_rig_peer_add(&rig, (i + 1) % workers, tcp, i & 1 ? DTLS_CLIENT : DTLS_SERVER);
    sfu_rig_connect(&rig);
    source_section_audio(&s, false, "0", false);
    t->audio = source_publish(t->publisher, AUDIO, &s);
    source_section_video(&s, false, "1", NULL, 0);
    t->video = source_publish(t->publisher, VIDEO, &s);
    t->voice = source_new(t->publisher, t->audio, AUDIO, "0", NULL);
    t->camera = source_new(t->publisher, t->video, VIDEO, "1", NULL);
    for (unsigned i = 0; i < count; i++) {
        source_section_audio(&s, true, "a", false);
        t->audio_sub[i] =
            source_subscribe(t->subs[i], t->publisher, t->audio, AUDIO, &s, ssrc_of(i, AUDIO), 0);
        source_section_video(&s, true, "v", NULL, 0);
        t->video_sub[i] = source_subscribe(
            t->subs[i], t->publisher, t->video, VIDEO, &s, ssrc_of(i, VIDEO), ssrc_of(i, VIDEO) + 1);
    }
}

static void party_close(struct party *t)
{
    sfu_rig_close(&rig);
    source_free(t->voice);
    source_free(t->camera);
}

static struct heard_stream *heard_by(struct party *t, unsigned sub, uint8_t kind)
{
    return sfu_rig_stream(t->subs[sub], ssrc_of(sub, kind));
}

static bool all_heard(struct party *t, size_t audio, size_t video)
{
    for (unsigned i = 0; i < t->count; i++)
        if (heard_by(t, i, AUDIO)->count < audio || heard_by(t, i, VIDEO)->count < video)
            return false;
    return true;
}

/* Until every subscription is in place: the workers take commands in their own time. */
static void party_settle(struct party *t)
{
    struct sfu_stats s;
    SFU_RIG_UNTIL(&rig, (sfu_stats(rig.sfu, &s), s.subs == 2 * t->count && s.tracks == 2), (void)0);
}

static void one_to_many(unsigned workers, unsigned count, bool tcp, enum dtls_role role)
{
    struct party t;
    party_open(&t, workers, count, tcp, role);
    party_settle(&t);
    uint64_t audio_first = t.voice->next, video_first = t.camera->next;
    t.voice->level = 30;
    for (unsigned n = 0; n < 100; n++) {
        source_audio(t.voice, false);
        source_frame(t.camera, n == 0, 5, 0);
        sfu_rig_pump(&rig, 2);
    }
    SFU_RIG_UNTIL(&rig, all_heard(&t, 100, 500), (void)0);
    sfu_rig_idle(&rig, 20);
    for (unsigned i = 0; i < count; i++) {
        assert_forwarded(heard_by(&t, i, AUDIO), t.voice, audio_first);
        assert_forwarded(heard_by(&t, i, VIDEO), t.camera, video_first);
        assert_string_equal(heard_by(&t, i, AUDIO)->packets[0].mid, "a");
        assert_string_equal(heard_by(&t, i, VIDEO)->packets[0].mid, "v");
        assert_int_equal(t.subs[i]->client.refused, 0);
        assert_numbered(t.subs[i]);
        assert_int_equal(sfu_rig_events(&rig, SFU_EVENT_SUB_LIVE, t.subs[i]->id, t.audio, t.audio_sub[i]), 1);
        assert_int_equal(sfu_rig_events(&rig, SFU_EVENT_SUB_LIVE, t.subs[i]->id, t.video, t.video_sub[i]), 1);
        assert_int_equal(t.subs[i]->state_tcp, tcp);
    }
    assert_int_equal(sfu_rig_events(&rig, SFU_EVENT_TRACK_LIVE, t.publisher->id, 0, 0), 2);
    assert_int_equal(sfu_rig_event(&rig, SFU_EVENT_TRACK_LIVE, 0, t.video, 0)->live.codec, PAYLOAD_VP8);
    assert_true(t.publisher->client.refused == 0);
    assert_true(t.publisher->twcc_reports == 0); /* it numbered nothing */
    struct sfu_stats s = sfu_rig_stats(&rig);
    assert_int_equal(s.rtp_in, 600);
    assert_int_equal(s.rtp_out, 600 * count);
    assert_int_equal(s.peers, count + 1);
    assert_int_equal(
        s.rtp_unknown_ssrc + s.rtp_duplicate + s.crypto_refused + s.send_dropped + s.ring_full, 0);
    party_close(&t);
}

static void one_worker_forwards_to_one(void **state)
{
    (void)state;
    one_to_many(1, 1, false, DTLS_SERVER);
}

static void one_worker_forwards_to_many(void **state)
{
    (void)state;
    one_to_many(1, 9, false, DTLS_SERVER);
}

static void two_workers_forward_to_one_on_the_other(void **state)
{
    (void)state;
    one_to_many(2, 1, false, DTLS_CLIENT);
}

static void two_workers_forward_to_many_on_both(void **state)
{
    (void)state;
    one_to_many(2, 9, false, DTLS_CLIENT);
}

static void four_workers_forward_to_many(void **state)
{
    (void)state;
    one_to_many(4, 8, false, DTLS_SERVER);
}

static void tcp_carries_the_same(void **state)
{
    (void)state;
    one_to_many(2, 4, true, DTLS_SERVER);
}

/* ---- names ---- */

static void the_mid_is_said_until_the_receiver_reports(void **state)
{
    struct party t;
    (void)state;
    party_open(&t, 1, 1, false, DTLS_SERVER);
    party_settle(&t);
    struct heard_stream *h = heard_by(&t, 0, VIDEO);
    for (unsigned n = 0; n < 20; n++)
        source_frame(t.camera, n == 0, 5, 0);
    SFU_RIG_UNTIL(&rig, h->count == 100, (void)0);
    for (unsigned i = 0; i < 100; i++)
        assert_string_equal(h->packets[i].mid, "v");
    sfu_rig_report(t.subs[0], &(struct rtcp_report){.ssrc = h->ssrc});
    size_t from = 0;
    SFU_RIG_UNTIL(&rig, h->packets[h->count - 1].mid[0] == 0, source_frame(t.camera, false, 1, 0));
    from = h->count;
    for (unsigned n = 0; n < 20; n++)
        source_frame(t.camera, false, 5, 0);
    SFU_RIG_UNTIL(&rig, h->count >= from + 100, (void)0);
    for (size_t i = from; i < h->count; i++)
        assert_string_equal(h->packets[i].mid, "");
    source_assert_continuous(h, VIDEO);
    party_close(&t);
}

static void a_declared_ssrc_needs_no_mid(void **state)
{
    struct party t;
    struct sfu_section s;
    (void)state;
    party_open(&t, 1, 1, false, DTLS_SERVER);
    party_settle(&t);
    t.camera->mid = NULL;
    source_section_video(&s, false, "1", NULL, 0);
    s.ssrc_count = 1;
    s.ssrcs[0].ssrc = t.camera->ssrc;
    s.ssrcs[0].rtx = t.camera->rtx_ssrc;
    struct sfu_command c = {.type = SFU_TRACK_ADD, .peer = t.publisher->id, .track = t.video};
    c.track_add.section = s;
    c.track_add.kind = VIDEO;
    sfu_rig_post(&rig, &c);
    /* a second video section, so that the payload type alone says nothing */
    source_section_video(&s, false, "2", NULL, 0);
    (void)source_publish(t.publisher, VIDEO, &s);
    SFU_RIG_UNTIL(&rig, heard_by(&t, 0, VIDEO)->count >= 50, source_frame(t.camera, true, 2, 0));
    source_assert_continuous(heard_by(&t, 0, VIDEO), VIDEO);
    assert_int_equal(sfu_rig_stats(&rig).rtp_unknown_ssrc, 0);
    party_close(&t);
}

static void what_belongs_to_no_section_is_counted(void **state)
{
    struct party t;
    (void)state;
    party_open(&t, 1, 1, false, DTLS_SERVER);
    party_settle(&t);
    t.camera->mid = "7"; /* nobody's */
    for (unsigned n = 0; n < 20; n++)
        source_frame(t.camera, true, 5, 0);
    t.camera->mid = "1";
    t.camera->pt = 50; /* not negotiated */
    for (unsigned n = 0; n < 20; n++)
        source_frame(t.camera, true, 5, 0);
    SFU_RIG_UNTIL(&rig, sfu_rig_stats(&rig).rtp_in == 200, (void)0);
    assert_int_equal(sfu_rig_stats(&rig).rtp_unknown_ssrc, 200);
    assert_int_equal(heard_by(&t, 0, VIDEO)->count, 0);
    t.camera->pt = PUB_VP8; /* and nothing of that is held against it */
    SFU_RIG_UNTIL(&rig, heard_by(&t, 0, VIDEO)->count >= 50, source_frame(t.camera, true, 2, 0));
    party_close(&t);
}

/* ---- joining late ---- */

static void a_late_subscriber_starts_at_a_key_frame(unsigned workers)
{
    struct party t;
    struct sfu_section s;
    party_open(&t, workers, 1, false, DTLS_SERVER);
    party_settle(&t);
    for (unsigned n = 0; n < 20; n++)
        source_frame(t.camera, n == 0, 5, 0);
    SFU_RIG_UNTIL(&rig, all_heard(&t, 0, 100), (void)0);
    unsigned plis = sfu_rig_stream(t.publisher, t.camera->ssrc)->plis;
    struct sfu_rig_peer *late = sfu_rig_peer_add(&rig, workers - 1, false, DTLS_SERVER);
    sfu_rig_connect(&rig);
    source_section_video(&s, true, "v", NULL, 0);
    (void)source_subscribe(late, t.publisher, t.video, VIDEO, &s, 42, 43);
    SFU_RIG_UNTIL(
        &rig, sfu_rig_stream(t.publisher, t.camera->ssrc)->plis > plis, source_frame(t.camera, false, 5, 0));
    sfu_rig_idle(&rig, 20);
    assert_int_equal(sfu_rig_stream(late, 42)->count, 0);
    uint64_t key = source_frame(t.camera, true, 5, 0);
    for (unsigned n = 0; n < 20; n++)
        source_frame(t.camera, false, 5, 0);
    SFU_RIG_UNTIL(&rig, sfu_rig_stream(late, 42)->count == 105, (void)0);
    assert_forwarded(sfu_rig_stream(late, 42), t.camera, key);
    source_assert_continuous(heard_by(&t, 0, VIDEO), VIDEO);
    party_close(&t);
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
    struct party t;
    (void)state;
    party_open(&t, 2, 2, false, DTLS_SERVER);
    party_settle(&t);
    for (unsigned n = 0; n < 100; n++) {
        source_frame(t.camera, n == 0, 3, 0);
        source_probe(t.camera);
        source_probe(t.camera);
        sfu_rig_pump(&rig, 1);
    }
    SFU_RIG_UNTIL(&rig, all_heard(&t, 0, 300), (void)0);
    sfu_rig_idle(&rig, 20);
    for (unsigned i = 0; i < 2; i++) {
        assert_int_equal(heard_by(&t, i, VIDEO)->count, 300);
        source_assert_continuous(heard_by(&t, i, VIDEO), VIDEO);
    }
    party_close(&t);
}

/* End to end encrypted: bytes that mean nothing to us go through untouched. */
static void opaque_payloads_pass_as_they_are(void **state)
{
    struct party t;
    struct sfu_section s;
    uint8_t payload[SFU_RIG_HEAD];
    (void)state;
    party_open(&t, 2, 1, false, DTLS_SERVER);
    source_section_audio(&s, false, "5", false);
    struct sfu_command c = {.type = SFU_TRACK_ADD, .peer = t.publisher->id, .track = sfu_rig_id(&rig)};
    c.track_add.section = s;
    c.track_add.kind = AUDIO;
    c.track_add.encrypted = true;
    sfu_rig_post(&rig, &c);
    source_section_audio(&s, true, "e", false);
    uint32_t sub = source_subscribe(t.subs[0], t.publisher, c.track, AUDIO, &s, 42, 0);
    struct source *voice = source_new(t.publisher, c.track, AUDIO, "5", NULL);
    memset(payload, 0xee, sizeof payload);
    struct heard_stream *h = sfu_rig_stream(t.subs[0], 42);
    SFU_RIG_UNTIL(&rig, h->count >= 50, source_payload(voice, PUB_OPUS, payload, sizeof payload, false));
    for (size_t i = 0; i < h->count; i++) {
        assert_int_equal(h->packets[i].h.payload_len, sizeof payload);
        assert_memory_equal(h->packets[i].head, payload, sizeof payload);
    }
    source_assert_continuous(h, AUDIO);
    assert_int_equal(sfu_rig_events(&rig, SFU_EVENT_SUB_LIVE, 0, c.track, sub), 1);
    party_close(&t);
    source_free(voice);
}

/* ---- what control hears ---- */

static void levels_are_told_while_somebody_speaks(void **state)
{
    struct party t;
    (void)state;
    party_open(&t, 1, 1, false, DTLS_SERVER);
    party_settle(&t);
    t.voice->level = 90; /* breathing */
    for (unsigned n = 0; n < 50; n++) {
        source_audio(t.voice, false);
        sfu_rig_idle(&rig, 20);
    }
    assert_int_equal(sfu_rig_events(&rig, SFU_EVENT_TRACK_LEVEL, 0, 0, 0), 0);
    t.voice->level = 10;
    const struct sfu_event *e;
    SFU_RIG_UNTIL(&rig, (e = sfu_rig_event(&rig, SFU_EVENT_TRACK_LEVEL, 0, t.audio, 0)) && e->level.active,
        (source_audio(t.voice, false), sfu_rig_idle(&rig, 20)));
    assert_true(e->level.level > 0.017 && e->level.level <= 1); /* -35 dBov and louder */
    assert_int_equal(e->peer, t.publisher->id);
    t.voice->level = 127;
    SFU_RIG_UNTIL(&rig, !(e = sfu_rig_event(&rig, SFU_EVENT_TRACK_LEVEL, 0, t.audio, 0))->level.active,
        (source_audio(t.voice, false), sfu_rig_idle(&rig, 20)));
    size_t told = sfu_rig_events(&rig, SFU_EVENT_TRACK_LEVEL, 0, 0, 0);
    sfu_rig_idle(&rig, 500);
    assert_int_equal(sfu_rig_events(&rig, SFU_EVENT_TRACK_LEVEL, 0, 0, 0), told); /* silence is told once */
    party_close(&t);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(one_worker_forwards_to_one),
        cmocka_unit_test(one_worker_forwards_to_many),
        cmocka_unit_test(two_workers_forward_to_one_on_the_other),
        cmocka_unit_test(two_workers_forward_to_many_on_both),
        cmocka_unit_test(four_workers_forward_to_many),
        cmocka_unit_test(tcp_carries_the_same),
        cmocka_unit_test(the_mid_is_said_until_the_receiver_reports),
        cmocka_unit_test(a_declared_ssrc_needs_no_mid),
        cmocka_unit_test(what_belongs_to_no_section_is_counted),
        cmocka_unit_test(late_subscribers_start_at_a_key_frame),
        cmocka_unit_test(probes_are_not_forwarded_and_leave_no_hole),
        cmocka_unit_test(opaque_payloads_pass_as_they_are),
        cmocka_unit_test(levels_are_told_while_somebody_speaks),
    };
    return cmocka_run_group_tests(tests, sfu_rig_begin, sfu_rig_end);
}
