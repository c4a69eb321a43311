/* Losses on either side: who is asked, what is sent again and under which name, and key frames where nothing
 * else helps. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>
#include <stdio.h>
#include <string.h>
#include "rtp/seq.h"
#include "support/sfu_party.h"
#include "support/virtual_net.h"

static struct party t;

static void frames(unsigned count, bool key)
{
    for (unsigned n = 0; n < count; n++) {
        source_frame(t.camera, key && n == 0, 5, 0);
        if (n % 8 == 7)
            sfu_rig_pump(&t.rig, 1);
    }
}

/* ---- what subscribers lost ---- */

static uint16_t osn_of(const struct heard *h)
{
    struct cursor c = cursor_of(h->head, 2);
    assert_true(h->h.payload_len >= 2);
    return cursor_u16(&c);
}

static const struct heard *by_seq(const struct heard_stream *s, uint16_t seq)
{
    const struct heard *found = NULL;
    for (size_t i = 0; i < s->count; i++) {
        if (s->packets[i].h.seq != seq)
            continue;
        assert_null(found);
        found = &s->packets[i];
    }
    return found;
}

/* An RTX packet repeats a media packet: number in front, the rest the same. */
static void assert_repeats(const struct heard *again, const struct heard *first)
{
    assert_non_null(first);
    assert_int_equal(osn_of(again), first->h.seq);
    assert_int_equal(again->h.pt, SUB_VP8_RTX);
    assert_int_equal(again->h.ts, first->h.ts);
    assert_int_equal(again->h.marker, first->h.marker);
    assert_int_equal(again->h.payload_len, first->h.payload_len + 2);
    assert_memory_equal(again->head + 2, first->head, SFU_RIG_HEAD - 2);
    assert_true(rtp_has(&again->h, RTP_EXT_TWCC));
    assert_int_equal(again->h.orientation, first->h.orientation);
}

static void nacks_are_answered_by_rtx(unsigned workers)
{
    party_open(&t, &(struct party_options){.workers = workers, .subs = 3});
    frames(60, true);
    SFU_RIG_UNTIL(&t.rig, party_all_heard(&t, 0, 300), (void)0);
    for (unsigned i = 0; i < 3; i++) {
        const struct heard_stream *s = party_heard(&t, i, VIDEO);
        uint16_t seqs[60];
        for (unsigned k = 0; k < 60; k++)
            seqs[k] = s->packets[k + i].h.seq; /* of those that are free of charge */
        sfu_rig_nack(t.subs[i], s->ssrc, seqs, 60);
        sfu_rig_nack(t.subs[i], s->ssrc, seqs, 60); /* before an answer could arrive: once is enough */
        SFU_RIG_UNTIL(&t.rig, party_rtx(&t, i)->count >= 60, (void)0);
        sfu_rig_idle(&t.rig, SFU_RTX_RTT_US / 1000);
        sfu_rig_nack(t.subs[i], s->ssrc, seqs, 1); /* lost again: sent again, as two copies */
        SFU_RIG_UNTIL(&t.rig, party_rtx(&t, i)->count >= 62, (void)0);
        sfu_rig_sync(&t.rig);
        const struct heard_stream *rtx = party_rtx(&t, i);
        assert_int_equal(rtx->count, 62);
        for (unsigned k = 0; k < 62; k++) {
            assert_repeats(&rtx->packets[k], &s->packets[(k < 60 ? k : 0) + i]);
            assert_int_equal(rtx->packets[k].h.seq, (uint16_t)(rtx->packets[0].h.seq + k));
        }
    }
    struct sfu_stats stats = sfu_rig_stats(&t.rig);
    assert_int_equal(stats.rtx_refused, 0);
    assert_int_equal(stats.nack_in, 3 * 121);
    assert_int_equal(stats.nack_repeated, 3 * 60);
    assert_int_equal(
        sfu_rig_stream(t.publisher, t.camera->ssrc)->nacks, 0); /* the publisher hears nothing of it */
    party_close(&t);
}

static void rtx_repeats_what_a_subscriber_lost(void **state)
{
    (void)state;
    nacks_are_answered_by_rtx(1);
    nacks_are_answered_by_rtx(2);
}

static void what_was_never_sent_or_is_too_old_is_refused(void **state)
{
    (void)state;
    party_open(&t, &(struct party_options){.workers = 1, .subs = 1});
    frames(20, true);
    SFU_RIG_UNTIL(&t.rig, party_all_heard(&t, 0, 100), (void)0);
    const struct heard_stream *s = party_heard(&t, 0, VIDEO);
    uint16_t first = s->packets[0].h.seq, ahead = (uint16_t)(s->packets[99].h.seq + 1),
             before = (uint16_t)(first - 1);
    sfu_rig_nack(t.subs[0], s->ssrc, &ahead, 1);
    sfu_rig_nack(t.subs[0], s->ssrc, &before, 1);
    sfu_rig_nack(t.subs[0], 4711, &first, 1); /* nobody's */
    sfu_rig_idle(&t.rig, SFU_HISTORY_US / 1000 + 2 * SFU_TICK_US / 1000);
    assert_int_equal(sfu_rig_stats(&t.rig).rtx_refused, 2);
    sfu_rig_nack(t.subs[0], s->ssrc, &first, 1);
    struct sfu_stats stats = sfu_rig_stats(&t.rig);
    assert_int_equal(stats.rtx_refused, 3);
    assert_int_equal(stats.packets_used, 0); /* the history gave everything back */
    assert_int_equal(party_rtx(&t, 0)->count, 0);
    party_close(&t);
}

/* But the first, by which the test knows the numbers. */
static bool every_seventh(struct sfu_rig_peer *p, const uint8_t *data, size_t len)
{
    return p->stream_count && p->streams[0].count && len > 12 && data[0] >= 128 && data[0] <= 191 &&
           (data[1] & 0x7f) == SUB_OPUS && data[3] % 7 == 0 && !p->arg;
}

/* Audio has no RTX: the very bytes that were lost come again, and decrypt; of what was not lost they are a
 * replay. */
static void audio_is_repeated_bit_for_bit(unsigned workers)
{
    struct srtp_rx_stats before, after;
    party_open(&t, &(struct party_options){.workers = workers, .subs = 1});
    t.subs[0]->loses = every_seventh;
    for (unsigned n = 0; n < SFU_STORED_COUNT; n++)
        source_audio(t.voice, false);
    struct heard_stream *s = party_heard(&t, 0, AUDIO);
    SFU_RIG_UNTIL(&t.rig, sfu_rig_stats(&t.rig).rtp_out == SFU_STORED_COUNT, (void)0);
    size_t heard = s->count;
    assert_true(heard >= 25 && heard < SFU_STORED_COUNT);
    uint16_t lost[SFU_STORED_COUNT], first = s->packets[0].h.seq, n = 0;
    for (uint16_t i = 1; i < SFU_STORED_COUNT; i++)
        if ((uint8_t)(first + i) % 7 == 0)
            lost[n++] = (uint16_t)(first + i);
    t.subs[0]->arg = t.subs; /* nothing is lost any more */
    sfu_rig_nack(t.subs[0], s->ssrc, lost, n);
    SFU_RIG_UNTIL(&t.rig, s->count >= heard + n, (void)0);
    for (uint16_t i = 0; i < n; i++) {
        const struct heard *h = by_seq(s, lost[i]), *next = by_seq(s, (uint16_t)(lost[i] + 1));
        assert_non_null(h);
        if (next)
            assert_int_equal(source_tag(h, AUDIO).index + 1, source_tag(next, AUDIO).index);
    }
    srtp_rx_stats(t.subs[0]->client.rx, &before);
    assert_int_equal(before.rtp_replays, 0);
    sfu_rig_idle(&t.rig, SFU_RTX_RTT_US / 1000);
    sfu_rig_nack(t.subs[0], s->ssrc, lost, n);
    sfu_rig_nack(t.subs[0], s->ssrc, lost, n); /* too soon */
    sfu_rig_sync(&t.rig);
    srtp_rx_stats(t.subs[0]->client.rx, &after);
    assert_int_equal(after.rtp_replays, n);
    assert_int_equal(after.forged, 0);
    assert_int_equal(t.subs[0]->stream_count, 1); /* and no other SSRC */
    party_close(&t);
}

static void audio_without_rtx_is_repeated_bit_for_bit(void **state)
{
    (void)state;
    audio_is_repeated_bit_for_bit(1);
    audio_is_repeated_bit_for_bit(2);
}

/* Bytes that a client was sent again. */
static int64_t bytes_again(unsigned sub)
{
    const struct heard_stream *rtx = party_rtx(&t, sub);
    int64_t bytes = 0;
    for (size_t i = 0; i < rtx->count; i++)
        bytes += rtx->packets[i].h.payload_len;
    return bytes;
}

/* Asks for all that a client heard lately, again and again, for so long. */
static uint64_t flood(unsigned sub, int64_t for_us)
{
    const struct heard_stream *s = party_heard(&t, sub, VIDEO);
    int64_t end_us = sfu_rig_now_us() + for_us;
    uint64_t asked = 0;
    while (sfu_rig_now_us() < end_us) {
        uint16_t seqs[300];
        size_t n = s->count < 300 ? s->count : 300;
        for (size_t k = 0; k < n; k++)
            seqs[k] = s->packets[s->count - n + k].h.seq;
        sfu_rig_nack(t.subs[sub], s->ssrc, seqs, n);
        asked += n;
        frames(1, false);
        sfu_rig_idle(&t.rig, 20);
    }
    return asked;
}

/* A flood of requests costs no more than the budget, which follows what is sent; and who asks for nothing too
 * often is not harmed by it. */
static void retransmissions_have_a_budget(void **state)
{
    (void)state;
    party_open(&t, &(struct party_options){.workers = 1, .subs = 2});
    frames(60, true);
    SFU_RIG_UNTIL(&t.rig, party_all_heard(&t, 0, 300), (void)0);
    int64_t start_us = sfu_rig_now_us();
    uint64_t asked = flood(0, 3000000);
    struct sfu_stats stats = sfu_rig_stats(&t.rig);
    int64_t seconds = (sfu_rig_now_us() - start_us) / 1000000 + 2; /* the bucket's, and rounding */
    int64_t sent = 0, most;
    for (size_t i = 0; i < party_heard(&t, 0, VIDEO)->count; i++)
        sent += party_heard(&t, 0, VIDEO)->packets[i].h.payload_len + 60;
    most = sent / (SFU_RTX_SHARE - 1) > SFU_RTX_BYTES * seconds ? sent : SFU_RTX_BYTES * seconds;
    assert_true(bytes_again(0) > SFU_RTX_BYTES / 2);
    assert_true(bytes_again(0) <= most);
    assert_true(stats.nack_in <= asked);
    assert_int_equal(
        stats.nack_in + stats.rtx_copies, stats.nack_repeated + stats.rtx_refused + stats.rtx_out);
    assert_true(stats.nack_repeated + stats.rtx_refused > stats.rtx_out);

    const struct heard_stream *other = party_heard(&t, 1, VIDEO);
    uint16_t lost[20];
    for (unsigned k = 0; k < 20; k++)
        lost[k] = other->packets[other->count - 1 - k].h.seq;
    sfu_rig_nack(t.subs[1], other->ssrc, lost, 20);
    SFU_RIG_UNTIL(&t.rig, party_rtx(&t, 1)->count == 20, (void)0);
    party_close(&t);
}

/* Numbers are looked at up to a limit; then not even that. */
static void a_flood_of_numbers_is_not_looked_at(void **state)
{
    (void)state;
    party_open(&t, &(struct party_options){.workers = 1, .subs = 1});
    frames(20, true);
    SFU_RIG_UNTIL(&t.rig, party_all_heard(&t, 0, 100), (void)0);
    const struct heard_stream *s = party_heard(&t, 0, VIDEO);
    int64_t start_us = sfu_rig_now_us();
    uint16_t seqs[RTCP_NACK_MAX];
    for (unsigned k = 0; k < RTCP_NACK_MAX; k++)
        seqs[k] = (uint16_t)(s->packets[0].h.seq + k);
    for (unsigned round = 0; round < 400; round++) {
        sfu_rig_nack(t.subs[0], s->ssrc, seqs, RTCP_NACK_MAX);
        if (round % 8 == 7)
            sfu_rig_sync(&t.rig);
    }
    struct sfu_stats stats = sfu_rig_stats(&t.rig);
    uint64_t seconds = (uint64_t)((sfu_rig_now_us() - start_us) / 1000000) + 2;
    assert_true(stats.nack_in >= SFU_NACKED_MAX);
    assert_true(stats.nack_in <= seconds * (SFU_NACKED_MAX + RTCP_NACK_MAX));
    assert_in_range(stats.nack_ignored, 400 - stats.nack_in / RTCP_NACK_MAX - 1, 400);
    frames(5, false); /* it is still served */
    SFU_RIG_UNTIL(&t.rig, party_all_heard(&t, 0, 125), (void)0);
    party_close(&t);
}

/* One packet is sent again a few times, and no more. */
static void no_packet_is_repeated_without_end(void **state)
{
    (void)state;
    party_open(&t, &(struct party_options){.workers = 1, .subs = 1});
    frames(4, true);
    SFU_RIG_UNTIL(&t.rig, party_all_heard(&t, 0, 20), (void)0);
    const struct heard_stream *s = party_heard(&t, 0, VIDEO);
    for (unsigned i = 0; i < 2 * SFU_RTX_TIMES_MAX; i++) {
        sfu_rig_nack(t.subs[0], s->ssrc, &s->packets[3].h.seq, 1);
        sfu_rig_idle(&t.rig, 46); /* as soon as it may be, so that it is young enough to the end */
    }
    sfu_rig_sync(&t.rig);
    assert_in_range(party_rtx(&t, 0)->count, 2, SFU_RTX_TIMES_MAX);
    party_close(&t);
}

static void repeated_audio_has_a_budget_too(void **state)
{
    (void)state;
    party_open(&t, &(struct party_options){.workers = 1, .subs = 1});
    for (unsigned n = 0; n < SFU_STORED_COUNT; n++)
        source_audio(t.voice, false);
    SFU_RIG_UNTIL(&t.rig, party_all_heard(&t, SFU_STORED_COUNT, 0), (void)0);
    const struct heard_stream *s = party_heard(&t, 0, AUDIO);
    uint16_t seqs[SFU_STORED_COUNT];
    for (unsigned k = 0; k < SFU_STORED_COUNT; k++)
        seqs[k] = s->packets[k].h.seq;
    for (unsigned round = 0; round < 100; round++)
        sfu_rig_nack(t.subs[0], s->ssrc, seqs, SFU_STORED_COUNT);
    struct sfu_stats stats = sfu_rig_stats(&t.rig);
    assert_int_equal(stats.nack_in, 100 * SFU_STORED_COUNT);
    assert_int_equal(stats.rtx_out + stats.rtx_refused + stats.nack_repeated, stats.nack_in);
    assert_in_range(stats.rtx_out, SFU_STORED_COUNT, SFU_RTX_TIMES_MAX * SFU_STORED_COUNT);
    assert_true(stats.nack_repeated > 10 * SFU_STORED_COUNT);
    party_close(&t);
}

/* ---- what the publisher's network lost ---- */

static bool asked_for(uint64_t index)
{
    const struct heard_stream *s = sfu_rig_stream(t.publisher, t.camera->ssrc);
    for (unsigned i = 0; i < s->nacks && i < 1024; i++)
        if (s->nacked[i] == (uint16_t)index)
            return true;
    return false;
}

/* All of the numbers from the first heard to the last, each once. */
static void assert_complete(const struct heard_stream *s, size_t count)
{
    static bool seen[65536];
    uint16_t first = s->packets[0].h.seq;
    memset(seen, 0, sizeof seen);
    assert_int_equal(s->count, count);
    for (size_t i = 0; i < count; i++) {
        uint16_t at = (uint16_t)(s->packets[i].h.seq - first);
        assert_true(at < count);
        assert_false(seen[at]);
        seen[at] = true;
        assert_int_equal(
            (uint16_t)(source_tag(&s->packets[i], VIDEO).index - source_tag(&s->packets[0], VIDEO).index),
            at);
    }
}

static void lost_packets_of_the_publisher_are_asked_for_and_passed_on(unsigned workers)
{
    party_open(&t, &(struct party_options){.workers = workers, .subs = 2});
    uint64_t lost[40];
    unsigned n = 0;
    source_frame(t.camera, true, 5, 0);
    for (unsigned f = 1; f < 60; f++) {
        uint64_t first = source_frame(t.camera, false, 5, f % 3 == 0 ? 1u << (f % 5) : 0);
        if (f % 3 == 0)
            lost[n++] = first + f % 5;
        sfu_rig_pump(&t.rig, 1);
    }
    source_frame(t.camera, false, 5, 0);
    for (unsigned i = 0; i < n; i++)
        SFU_RIG_UNTIL(&t.rig, asked_for(lost[i]), (void)0);
    for (unsigned i = 0; i < n; i++) {
        if (i % 2)
            source_rtx(t.camera, lost[i]);
        else
            source_again(t.camera, lost[i]); /* it was only late */
        source_rtx(t.camera, lost[i]);       /* once too often */
    }
    SFU_RIG_UNTIL(&t.rig, party_all_heard(&t, 0, 305), (void)0);
    sfu_rig_sync(&t.rig);
    for (unsigned i = 0; i < 2; i++)
        assert_complete(party_heard(&t, i, VIDEO), 305);
    struct sfu_stats s = sfu_rig_stats(&t.rig);
    assert_int_equal(s.rtx_in, n + n / 2);
    assert_int_equal(s.rtp_duplicate, n);
    unsigned asked = sfu_rig_stream(t.publisher, t.camera->ssrc)->nacks;
    assert_int_equal(s.nack_out, asked);
    sfu_rig_idle(&t.rig, 300); /* and that is the end of it */
    assert_int_equal(sfu_rig_stream(t.publisher, t.camera->ssrc)->nacks, asked);
    party_close(&t);
}

static void losses_of_the_publisher_are_repaired(void **state)
{
    (void)state;
    lost_packets_of_the_publisher_are_asked_for_and_passed_on(1);
    lost_packets_of_the_publisher_are_asked_for_and_passed_on(2);
}

/* Not with the next report, or whatever else wakes a worker up. */
static void losses_are_asked_for_soon(void **state)
{
    (void)state;
    party_open(&t, &(struct party_options){.workers = 1, .subs = 1});
    source_frame(t.camera, true, 5, 0);
    for (unsigned i = 0; i < 20; i++) {
        uint64_t lost = source_frame(t.camera, false, 5, 4) + 2;
        int64_t start_us = sfu_rig_now_us();
        SFU_RIG_UNTIL(&t.rig, asked_for(lost), (void)0);
        assert_true(sfu_rig_now_us() - start_us <= NACK_REORDER_MAX_US + 2000);
        source_rtx(t.camera, lost);
    }
    party_close(&t);
}

static void nobody_asks_for_what_nobody_watches(void **state)
{
    (void)state;
    party_open(&t, &(struct party_options){.workers = 1, .subs = 0});
    for (unsigned f = 0; f < 30; f++) {
        source_frame(t.camera, f == 0, 5, f % 3 == 1 ? 2 : 0);
        sfu_rig_pump(&t.rig, 5);
    }
    sfu_rig_idle(&t.rig, 300);
    struct sfu_stats s = sfu_rig_stats(&t.rig);
    assert_int_equal(s.nack_out + s.pli_out, 0);
    assert_int_equal(s.rtp_in, 140);
    party_close(&t);
}

/* What never comes is given up, and a key frame takes its place. */
static void a_loss_that_stays_brings_a_key_frame(void **state)
{
    (void)state;
    party_open(&t, &(struct party_options){.workers = 1, .subs = 1});
    frames(10, true);
    SFU_RIG_UNTIL(&t.rig, party_all_heard(&t, 0, 50), (void)0);
    unsigned plis = sfu_rig_stream(t.publisher, t.camera->ssrc)->plis;
    uint64_t lost = source_frame(t.camera, false, 5, 4) + 2;
    SFU_RIG_UNTIL(&t.rig, sfu_rig_stream(t.publisher, t.camera->ssrc)->plis > plis,
        (source_frame(t.camera, false, 1, 0), sfu_rig_idle(&t.rig, 10)));
    assert_true(asked_for(lost));
    unsigned nacks = sfu_rig_stream(t.publisher, t.camera->ssrc)->nacks;
    assert_in_range(nacks, 2, NACK_TRIES_MAX);
    frames(1, true);
    sfu_rig_sync(&t.rig);
    plis = sfu_rig_stream(t.publisher, t.camera->ssrc)->plis;
    sfu_rig_idle(&t.rig, 700);
    assert_int_equal(sfu_rig_stream(t.publisher, t.camera->ssrc)->nacks, nacks);
    assert_int_equal(sfu_rig_stream(t.publisher, t.camera->ssrc)->plis, plis);
    party_close(&t);
}

/* A number that was held for what turned out to be padding stays empty, and whoever asks is told so. */
static void an_empty_number_is_told_by_an_empty_rtx(void **state)
{
    (void)state;
    party_open(&t, &(struct party_options){.workers = 1, .subs = 1});
    frames(5, true);
    uint64_t probe = source_probe(t.camera, true);
    frames(5, false);
    const struct heard_stream *s = party_heard(&t, 0, VIDEO);
    SFU_RIG_UNTIL(&t.rig, s->count == 50, (void)0);
    uint16_t hole = (uint16_t)(s->packets[24].h.seq + 1);
    assert_int_equal(s->packets[25].h.seq, (uint16_t)(hole + 1));
    source_again(t.camera, probe);
    sfu_rig_sync(&t.rig);
    assert_int_equal(s->count, 50);
    sfu_rig_nack(t.subs[0], s->ssrc, &hole, 1);
    SFU_RIG_UNTIL(&t.rig, party_rtx(&t, 0)->count == 1, (void)0);
    assert_int_equal(party_rtx(&t, 0)->packets[0].h.payload_len, 2);
    assert_int_equal(osn_of(&party_rtx(&t, 0)->packets[0]), hole);
    assert_int_equal(party_rtx(&t, 0)->packets[0].h.pt, SUB_VP8_RTX);
    party_close(&t);
}

/* ---- key frames ---- */

static unsigned key_frames_asked(void)
{
    return sfu_rig_stream(t.publisher, t.camera->ssrc)->plis;
}

static void key_frame_requests_are_merged_and_rare(void **state)
{
    (void)state;
    party_open(&t, &(struct party_options){.workers = 2, .subs = 8});
    frames(5, true);
    SFU_RIG_UNTIL(&t.rig, party_all_heard(&t, 0, 25), (void)0);
    sfu_rig_idle(&t.rig, KEY_CACHE_AGAIN_US / 1000 + 50); /* they were ready for it */
    unsigned before = key_frames_asked();
    int64_t start_us = sfu_rig_now_us();
    for (unsigned i = 0; i < 40; i++)
        sfu_rig_pli(t.subs[i % 8], party_heard(&t, i % 8, VIDEO)->ssrc);
    SFU_RIG_UNTIL(&t.rig, key_frames_asked() > before, (void)0);
    sfu_rig_sync(&t.rig);
    assert_true(sfu_rig_now_us() - start_us < SFU_KEY_FRAME_US);
    assert_int_equal(key_frames_asked(), before + 1); /* one is on its way */
    frames(1, true);
    sfu_rig_sync(&t.rig);
    before = key_frames_asked();
    sfu_rig_idle(&t.rig, SFU_KEY_FRAME_US / 1000 + 200);
    assert_int_equal(key_frames_asked(), before); /* it answered them all */

    sfu_rig_pli(t.subs[0], party_heard(&t, 0, VIDEO)->ssrc);
    start_us = sfu_rig_now_us();
    SFU_RIG_UNTIL(&t.rig, key_frames_asked() == before + 2, (void)0); /* unanswered: asked for again */
    while (sfu_rig_now_us() - start_us < 4 * SFU_KEY_FRAME_US) {
        for (unsigned i = 0; i < 8; i++)
            sfu_rig_pli(t.subs[i], party_heard(&t, i, VIDEO)->ssrc);
        frames(1, true); /* each answered at once, and asked for again at once */
        sfu_rig_idle(&t.rig, 10);
    }
    sfu_rig_sync(&t.rig);
    struct heard_stream *s = sfu_rig_stream(t.publisher, t.camera->ssrc);
    assert_in_range(s->plis - before, 3, (sfu_rig_now_us() - start_us) / SFU_KEY_FRAME_US + 1);
    struct sfu_stats stats = sfu_rig_stats(&t.rig);
    assert_int_equal(stats.pli_out, s->plis);
    assert_true(stats.pli_in > 8 * stats.pli_out);
    party_close(&t);
}

static void fir_send(struct sfu_rig_peer *p, uint32_t media, uint8_t command)
{
    uint8_t buf[64];
    struct writer w = writer_of(buf, sizeof buf);
    rtcp_fir_write(&w, 77, media, command);
    rtc_client_rtcp(&p->client, buf, w.len);
}

static void fir_serves_as_well(void **state)
{
    struct sfu_section s;
    (void)state;
    party_open(&t, &(struct party_options){.workers = 1, .subs = 1});
    frames(5, true);
    SFU_RIG_UNTIL(&t.rig, party_all_heard(&t, 0, 25), (void)0);
    sfu_rig_idle(&t.rig, KEY_CACHE_AGAIN_US / 1000 + 50); /* they were ready for it */
    unsigned before = key_frames_asked();
    fir_send(t.subs[0], party_heard(&t, 0, VIDEO)->ssrc, 1);
    SFU_RIG_UNTIL(&t.rig, key_frames_asked() == before + 1, (void)0);
    frames(1, true);

    source_section_video(&s, false, "3", NULL, 0); /* a publisher that knows only FIR */
    for (unsigned i = 0; i < s.codec_count; i++)
        s.codecs[i].pli = false;
    uint32_t track = source_publish(t.publisher, VIDEO, &s);
    struct source *other = source_new(t.publisher, track, VIDEO, "3", NULL);
    source_section_video(&s, true, "w", NULL, 0);
    (void)source_subscribe(t.subs[0], t.publisher, track, VIDEO, &s, 42, 43);
    SFU_RIG_UNTIL(&t.rig, sfu_rig_stream(t.publisher, other->ssrc)->firs >= 2,
        (source_frame(other, false, 1, 0), sfu_rig_idle(&t.rig, 20)));
    assert_int_equal(sfu_rig_stream(t.publisher, other->ssrc)->plis, 0);
    party_close(&t);
    source_free(other);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_teardown(rtx_repeats_what_a_subscriber_lost, sfu_rig_teardown),
        cmocka_unit_test_teardown(what_was_never_sent_or_is_too_old_is_refused, sfu_rig_teardown),
        cmocka_unit_test_teardown(audio_without_rtx_is_repeated_bit_for_bit, sfu_rig_teardown),
        cmocka_unit_test_teardown(retransmissions_have_a_budget, sfu_rig_teardown),
        cmocka_unit_test_teardown(a_flood_of_numbers_is_not_looked_at, sfu_rig_teardown),
        cmocka_unit_test_teardown(no_packet_is_repeated_without_end, sfu_rig_teardown),
        cmocka_unit_test_teardown(repeated_audio_has_a_budget_too, sfu_rig_teardown),
        cmocka_unit_test_teardown(losses_of_the_publisher_are_repaired, sfu_rig_teardown),
        cmocka_unit_test_teardown(losses_are_asked_for_soon, sfu_rig_teardown),
        cmocka_unit_test_teardown(nobody_asks_for_what_nobody_watches, sfu_rig_teardown),
        cmocka_unit_test_teardown(a_loss_that_stays_brings_a_key_frame, sfu_rig_teardown),
        cmocka_unit_test_teardown(an_empty_number_is_told_by_an_empty_rtx, sfu_rig_teardown),
        cmocka_unit_test_teardown(key_frame_requests_are_merged_and_rare, sfu_rig_teardown),
        cmocka_unit_test_teardown(fir_serves_as_well, sfu_rig_teardown),
    };
    return cmocka_run_group_tests(tests, sfu_rig_begin, sfu_rig_end);
}
