#include "support/sfu_party.h"

#include <setjmp.h>
#include <stdarg.h>
#include <cmocka.h>
#include <string.h>

#define FRAMES        50
#define FRAME_PACKETS 5

uint32_t party_ssrc(unsigned sub, uint8_t kind)
{
    return 1000000 + 100 * sub + 10u * kind;
}

struct heard_stream *party_heard(struct party *t, unsigned sub, uint8_t kind)
{
    return sfu_rig_stream(t->subs[sub], party_ssrc(sub, kind));
}

struct heard_stream *party_rtx(struct party *t, unsigned sub)
{
    return sfu_rig_stream(t->subs[sub], party_ssrc(sub, VIDEO) + 1);
}

void party_open(struct party *t, const struct party_options *o)
{
    struct sfu_section s;
    *t = (struct party){.count = o->subs};
    sfu_rig_open(&t->rig, o->workers, NULL, NULL);
    t->publisher = sfu_rig_peer_add(&t->rig, 0, o->tcp, DTLS_SERVER);
    for (unsigned i = 0; i < o->subs; i++)
        t->subs[i] =
            sfu_rig_peer_add(&t->rig, (i + 1) % o->workers, o->tcp, i & 1 ? DTLS_CLIENT : DTLS_SERVER);
    sfu_rig_connect(&t->rig);
    source_section_audio(&s, false, "0", o->red_up);
    t->audio = source_publish(t->publisher, AUDIO, &s);
    source_section_video(&s, false, "1", o->rids, o->rid_count);
    t->video = source_publish(t->publisher, VIDEO, &s);
    t->voice = source_new(t->publisher, t->audio, AUDIO, "0", NULL);
    t->camera = o->rids ? NULL : source_new(t->publisher, t->video, VIDEO, "1", NULL);
    for (unsigned i = 0; i < o->subs; i++) {
        source_section_audio(&s, true, "a", o->red_down);
        t->audio_sub[i] =
            source_subscribe(t->subs[i], t->publisher, t->audio, AUDIO, &s, party_ssrc(i, AUDIO), 0);
        source_section_video(&s, true, "v", NULL, 0);
        t->video_sub[i] = source_subscribe(
            t->subs[i], t->publisher, t->video, VIDEO, &s, party_ssrc(i, VIDEO), party_ssrc(i, VIDEO) + 1);
    }
    party_settle(t, 2, 2 * o->subs);
}

void party_close(struct party *t)
{
    sfu_rig_close(&t->rig);
    source_free(t->voice);
    source_free(t->camera);
}

void party_settle(struct party *t, unsigned tracks, unsigned subs)
{
    struct sfu_stats s;
    SFU_RIG_UNTIL(&t->rig, (sfu_stats(t->rig.sfu, &s), s.subs == subs && s.tracks == tracks), (void)0);
}

bool party_all_heard(struct party *t, size_t audio, size_t video)
{
    for (unsigned i = 0; i < t->count; i++)
        if (party_heard(t, i, AUDIO)->count < audio || party_heard(t, i, VIDEO)->count < video)
            return false;
    return true;
}

/* ---- everything that goes in comes out ---- */

void party_assert_forwarded(const struct heard_stream *s, const struct source *src, uint64_t first)
{
    source_assert_continuous(s, src->kind);
    assert_true(s->count > 0);
    for (size_t i = 0; i < s->count; i++) {
        const struct heard *h = &s->packets[i];
        struct tag tag = source_tag(h, src->kind);
        const struct source_packet *k = &src->kept[tag.index % SOURCE_KEPT];
        assert_int_equal(tag.ssrc, src->ssrc);
        assert_int_equal(tag.index, first + i);
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

void party_forward(struct party *t, const struct party_options *o)
{
    party_open(t, o);
    uint64_t audio_first = t->voice->next, video_first = t->camera->next;
    t->voice->level = 30;
    for (unsigned n = 0; n < FRAMES; n++) {
        source_audio(t->voice, false);
        source_frame(t->camera, n == 0, FRAME_PACKETS, 0);
        SFU_RIG_UNTIL(&t->rig, party_all_heard(t, n + 1, FRAME_PACKETS * (n + 1)), (void)0);
    }
    sfu_rig_sync(&t->rig);
    for (unsigned i = 0; i < t->count; i++) {
        party_assert_forwarded(party_heard(t, i, AUDIO), t->voice, audio_first);
        party_assert_forwarded(party_heard(t, i, VIDEO), t->camera, video_first);
        assert_string_equal(party_heard(t, i, AUDIO)->packets[0].mid, "a");
        assert_string_equal(party_heard(t, i, VIDEO)->packets[0].mid, "v");
        assert_int_equal(t->subs[i]->client.refused, 0);
        assert_numbered(t->subs[i]);
        assert_int_equal(
            sfu_rig_events(&t->rig, SFU_EVENT_SUB_LIVE, t->subs[i]->id, t->audio, t->audio_sub[i]), 1);
        assert_int_equal(
            sfu_rig_events(&t->rig, SFU_EVENT_SUB_LIVE, t->subs[i]->id, t->video, t->video_sub[i]), 1);
        assert_int_equal(t->subs[i]->state_tcp, o->tcp);
    }
    assert_int_equal(sfu_rig_events(&t->rig, SFU_EVENT_TRACK_LIVE, t->publisher->id, 0, 0), 2);
    assert_int_equal(sfu_rig_event(&t->rig, SFU_EVENT_TRACK_LIVE, 0, t->video, 0)->live.codec, PAYLOAD_VP8);
    assert_int_equal(t->publisher->client.refused, 0);
    assert_int_equal(t->publisher->twcc_reports, 0); /* it numbered nothing */
    struct sfu_stats s = sfu_rig_stats(&t->rig);
    assert_int_equal(s.rtp_in, FRAMES * (1 + FRAME_PACKETS));
    assert_int_equal(s.rtp_out, s.rtp_in * t->count);
    assert_int_equal(s.peers, t->count + 1);
    assert_int_equal(
        s.rtp_unknown_ssrc + s.rtp_duplicate + s.crypto_refused + s.send_dropped + s.ring_full, 0);
    party_close(t);
}
