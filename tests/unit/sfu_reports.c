/* Sender and receiver reports, lip synchronisation, quality and transport-wide feedback, as clients see them.
 */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>
#include <stdio.h>
#include <string.h>
#include "rtp/clock.h"
#include "rtp/seq.h"
#include "support/sfu_party.h"
#include "support/virtual_net.h"

#define EPOCH_US INT64_C(1700000000000000)

static struct party t;

/* ---- the publisher's clock, as subscribers see it ---- */

/* When a packet was captured, by the publisher's clock: what it told in its report. */
static uint64_t captured(const struct source *s, uint32_t base_ts, const struct heard *h)
{
    const struct source_packet *k = &s->kept[source_tag(h, s->kind).index % SOURCE_KEPT];
    assert_int_equal(k->index, source_tag(h, s->kind).index);
    return ntp_add_us(ntp_from_wall_us(EPOCH_US), rtp_units_to_us(ts_diff(k->ts, base_ts), s->clock_hz));
}

/* The same by what the subscriber is told. */
static uint64_t told(const struct heard_stream *s, uint32_t clock_hz, const struct heard *h)
{
    struct rtp_clock c = {0};
    rtp_clock_input(&c, s->sr.ntp, s->sr.ts, clock_hz, s->sr_us);
    return rtp_clock_ntp(&c, h->h.ts);
}

static void subscribers_know_when_it_was_captured(unsigned workers)
{
    party_open(&t, &(struct party_options){.workers = workers, .subs = 2});
    uint32_t audio_base = t.voice->ts + 960, video_base = t.camera->ts + 3000;
    for (int i = 0; i < 60; i++) {
        source_audio(t.voice, false);
        source_frame(t.camera, i == 0, 2, 0);
        if (i == 0) { /* the two streams' reports speak of one clock */
            source_report(t.voice, ntp_from_wall_us(EPOCH_US), audio_base);
            source_report(t.camera, ntp_from_wall_us(EPOCH_US), video_base);
        }
        sfu_rig_pump(&t.rig, 1);
    }
    SFU_RIG_UNTIL(&t.rig, party_all_heard(&t, 60, 120), (void)0);
    for (unsigned k = 0; k < 2; k++) {
        struct heard_stream *a = party_heard(&t, k, AUDIO), *v = party_heard(&t, k, VIDEO);
        SFU_RIG_UNTIL(&t.rig, a->sender_reports && v->sender_reports, (void)0);
        for (size_t i = 0; i < 60; i++) {
            assert_in_range(
                ntp_diff_us(told(a, 48000, &a->packets[i]), captured(t.voice, audio_base, &a->packets[i])) +
                    50,
                0, 100);
            assert_in_range(ntp_diff_us(told(v, 90000, &v->packets[2 * i]),
                                captured(t.camera, video_base, &v->packets[2 * i])) +
                                50,
                0, 100);
        }
        char cname[64];
        (void)snprintf(cname, sizeof cname, "publisher-%u", t.publisher->id);
        assert_string_equal(a->cname, cname);
        assert_string_equal(v->cname, cname); /* one name: to be played in step */
        assert_int_equal(v->sr.packets, 120);
        assert_int_equal(v->sr.octets, 60 * (400 + 399));
        assert_int_equal(a->sr.packets, 60);
        /* the report is of now: the publisher's clock, moved on by what passed since its own */
        assert_in_range(ntp_diff_us(v->sr.ntp, ntp_from_wall_us(EPOCH_US)), 1, 30000000);
        assert_true(
            ntp_diff_us(v->sr.ntp, a->sr.ntp) < 2000000 && ntp_diff_us(v->sr.ntp, a->sr.ntp) > -2000000);
    }
    party_close(&t);
}

static void reports_keep_the_publishers_clock(void **state)
{
    (void)state;
    subscribers_know_when_it_was_captured(1);
    subscribers_know_when_it_was_captured(2);
}

/* A subscriber that comes after the publisher's last report is told as well; also on another worker. */
static void who_comes_late_learns_the_clock(void **state)
{
    struct sfu_section s;
    (void)state;
    party_open(&t, &(struct party_options){.workers = 2, .subs = 0});
    uint32_t base = t.voice->ts + 960;
    source_audio(t.voice, false);
    source_report(t.voice, ntp_from_wall_us(EPOCH_US), base);
    sfu_rig_idle(&t.rig, 50);
    struct sfu_rig_peer *late[2];
    for (unsigned w = 0; w < 2; w++)
        late[w] = sfu_rig_peer_add(&t.rig, w, false, DTLS_SERVER);
    sfu_rig_connect(&t.rig);
    for (unsigned w = 0; w < 2; w++) {
        source_section_audio(&s, true, "a", false);
        (void)source_subscribe(late[w], t.publisher, t.audio, AUDIO, &s, 42, 0);
    }
    party_settle(&t, 2, 2);
    for (unsigned w = 0; w < 2; w++) {
        struct heard_stream *h = sfu_rig_stream(late[w], 42);
        SFU_RIG_UNTIL(
            &t.rig, h->count && h->sender_reports, source_audio(t.voice, false), sfu_rig_idle(&t.rig, 10));
        assert_in_range(
            ntp_diff_us(told(h, 48000, &h->packets[0]), captured(t.voice, base, &h->packets[0])) + 50, 0,
            100);
    }
    party_close(&t);
}

static void nothing_is_made_up_without_a_clock(void **state)
{
    (void)state;
    party_open(&t, &(struct party_options){.workers = 1, .subs = 1});
    for (int64_t end_us = sfu_rig_now_us() + SFU_REPORT_US * 3 / 2; sfu_rig_now_us() < end_us;) {
        source_audio(t.voice, false);
        sfu_rig_idle(&t.rig, 10);
    }
    assert_true(party_heard(&t, 0, AUDIO)->count > 50);
    assert_int_equal(party_heard(&t, 0, AUDIO)->sender_reports, 0);
    party_close(&t);
}

/* ---- what the publisher is told ---- */

static void publishers_hear_how_they_arrive(void **state)
{
    (void)state;
    party_open(&t, &(struct party_options){.workers = 1, .subs = 1});
    source_frame(t.camera, true, 4, 0);
    int64_t reported_us = sfu_rig_now_us();
    source_report(t.camera, ntp_from_wall_us(EPOCH_US), t.camera->ts);
    for (int i = 0; i < 24; i++)
        source_frame(t.camera, false, 4, i < 23 ? 2 : 0); /* every fourth is lost */
    struct heard_stream *h = sfu_rig_stream(t.publisher, t.camera->ssrc);
    SFU_RIG_UNTIL(&t.rig, (uint16_t)h->report.highest_seq == (uint16_t)(t.camera->next - 1), (void)0);
    assert_int_equal(h->report.total_lost, 23);
    assert_int_equal(h->reports, 1);
    assert_in_range(h->report.fraction_lost, 255 * 23 / 100 - 2, 256 * 23 / 100 + 1);
    uint64_t ntp = ntp_from_wall_us(EPOCH_US);
    assert_int_equal(h->report.lsr, (uint32_t)(ntp >> 16));
    int64_t held_us = rtp_units_to_us(h->report.dlsr, 65536), passed_us = sfu_rig_now_us() - reported_us;
    assert_in_range(held_us, 1, passed_us);
    unsigned reports = h->reports;
    SFU_RIG_UNTIL(&t.rig, h->reports > reports, source_frame(t.camera, false, 1, 0));
    assert_int_equal(h->report.total_lost, 23);
    assert_int_equal(h->report.fraction_lost, 0);
    party_close(&t);
}

/* More streams than one receiver report has room for. */
static void every_stream_is_reported_on(void **state)
{
    struct source *sources[40];
    (void)state;
    party_open(&t, &(struct party_options){.workers = 1, .subs = 0});
    for (unsigned i = 0; i < 40; i++) {
        struct sfu_section s;
        static char mids[40][8];
        (void)snprintf(mids[i], sizeof mids[i], "m%u", i);
        source_section_audio(&s, false, mids[i], false);
        sources[i] = source_new(t.publisher, source_publish(t.publisher, AUDIO, &s), AUDIO, mids[i], NULL);
    }
    party_settle(&t, 42, 0);
    for (unsigned i = 0; i < 40; i++)
        source_audio(sources[i], false);
    for (unsigned i = 0; i < 40; i++)
        SFU_RIG_UNTIL(&t.rig, sfu_rig_stream(t.publisher, sources[i]->ssrc)->reports > 0, (void)0);
    party_close(&t);
    for (unsigned i = 0; i < 40; i++)
        source_free(sources[i]);
}

/* ---- quality ---- */

/* The round trip is taken from reports that answer ours; loss from both directions, the worse of them. */
static void quality_is_told(void **state)
{
    (void)state;
    party_open(&t, &(struct party_options){.workers = 1, .subs = 1});
    struct heard_stream *h = party_heard(&t, 0, AUDIO);
    uint32_t base = t.voice->ts + 960;
    unsigned answered = 0;
    while (t.subs[0]->qualities == 0) {
        SFU_RIG_UNTIL(&t.rig, h->sender_reports > answered || t.subs[0]->qualities, {
            source_audio(t.voice, false);
            source_report(t.voice, ntp_from_wall_us(EPOCH_US + 1000 * (int64_t)t.voice->packets), base);
            sfu_rig_idle(&t.rig, 20);
        });
        answered = h->sender_reports;
        int64_t held_us = 200000; /* what it claims to have held the report, of the 250 ms that it did */
        sfu_rig_idle(&t.rig, 250);
        struct rtcp_report r = {.ssrc = h->ssrc,
            .fraction_lost = 64,
            .jitter = 480,
            .lsr = (uint32_t)(h->sr.ntp >> 16),
            .dlsr = (uint32_t)rtp_us_to_units(held_us, 65536)};
        sfu_rig_report(t.subs[0], &r);
    }
    const struct sfu_event *e = &t.subs[0]->quality;
    assert_true(e->quality.loss > 0.24f && e->quality.loss < 0.26f);
    assert_in_range(e->quality.rtt_ms, 50, 70); /* the report lay up to 20 ms */
    assert_int_equal(e->quality.jitter_ms, 10);
    assert_true(e->quality.bytes_out > 1000 && e->quality.bytes_in > 100);
    party_close(&t);
}

/* A peer that only sends gets no reports that it could answer: it answers reference times. */
static void the_round_trip_to_who_only_publishes_is_known(void **state)
{
    (void)state;
    party_open(&t, &(struct party_options){.workers = 1, .subs = 0});
    struct sfu_rig_peer *p = t.publisher;
    unsigned answered = 0;
    while (p->qualities == 0) {
        SFU_RIG_UNTIL(&t.rig, p->references > answered || p->qualities,
            (source_audio(t.voice, false), source_frame(t.camera, true, 2, 0), sfu_rig_idle(&t.rig, 20)));
        if (p->references == answered)
            break;
        assert_int_equal(p->references, ++answered); /* one for both streams */
        uint32_t reference = p->reference;
        sfu_rig_idle(&t.rig, 250); /* of which it claims 200 */
        uint8_t buf[64];
        struct writer w = writer_of(buf, sizeof buf);
        size_t at = rtcp_begin(&w, RTCP_XR, 0);
        writer_u32(&w, t.voice->ssrc);
        writer_u32(&w, 5u << 24 | 6); /* DLRR, two sub-blocks */
        writer_u32(&w, t.voice->ssrc);
        writer_u64(&w, UINT64_C(0x1234567812345678));
        writer_u32(&w, p->server_ssrc);
        writer_u32(&w, reference);
        writer_u32(&w, (uint32_t)rtp_us_to_units(200000, 65536));
        rtcp_end(&w, at);
        sfu_rig_rtcp(p, buf, w.len);
    }
    assert_in_range(p->quality.quality.rtt_ms, 50, 70); /* likewise */
    party_close(&t);
}

/* ---- transport-wide feedback ---- */

static void numbered_packets_are_reported_on(void **state)
{
    (void)state;
    party_open(&t, &(struct party_options){.workers = 1, .subs = 0});
    uint16_t number = 0;
    uint8_t payload[100] = {0};
    SFU_RIG_UNTIL(&t.rig, t.publisher->twcc_reports >= 5, {
        uint8_t value[2] = {(uint8_t)(number >> 8), (uint8_t)number};
        struct rtp_ext_out exts[] = {{.ext = RTP_EXT_MID, .len = 1, .data = (const uint8_t *)"0"},
            {.ext = RTP_EXT_TWCC, .len = 2, .data = value}};
        struct rtp_fields f = {.pt = PUB_OPUS, .seq = number, .ts = number * 960u, .ssrc = 5};
        rtc_client_rtp(&t.publisher->client, &f, number, exts, 2, payload, sizeof payload);
        number++;
        sfu_rig_idle(&t.rig, 5);
    });
    party_close(&t);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_teardown(reports_keep_the_publishers_clock, sfu_rig_teardown),
        cmocka_unit_test_teardown(who_comes_late_learns_the_clock, sfu_rig_teardown),
        cmocka_unit_test_teardown(nothing_is_made_up_without_a_clock, sfu_rig_teardown),
        cmocka_unit_test_teardown(publishers_hear_how_they_arrive, sfu_rig_teardown),
        cmocka_unit_test_teardown(every_stream_is_reported_on, sfu_rig_teardown),
        cmocka_unit_test_teardown(quality_is_told, sfu_rig_teardown),
        cmocka_unit_test_teardown(the_round_trip_to_who_only_publishes_is_known, sfu_rig_teardown),
        cmocka_unit_test_teardown(numbered_packets_are_reported_on, sfu_rig_teardown),
    };
    return cmocka_run_group_tests(tests, sfu_rig_begin, sfu_rig_end);
}
