/* Peers that mean harm, or are broken: what they cost is bounded, and nobody else notices them. In virtual
 * time: what is counted is operations, not how long they took. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>
#include <stdio.h>
#include <string.h>
#include "cc/estimator.h"
#include "sfu/internal.h"
#include "support/net_viewer.h"
#include "support/seeded.h"
#include "support/virtual_net.h"

#define SECONDS 8
#define OUR     4711 /* SSRC of a harmful peer's RTCP */
#define VIEWERS 20

/* ---- the scene: one honest publisher, one honest viewer, and somebody else ---- */

struct scene {
    struct net_world *w;
    struct seeded random;
    struct net_sender *sender;
    struct net_viewer *honest, *bad[VIEWERS];
    unsigned bad_count;
    struct net_view *camera, *voice;
    struct net_peer *publisher, *watcher; /* raw ones */
    uint32_t track;
    uint64_t acts, heard, heard_then; /* packets of the watcher; then: as its publisher came to its senses */
    uint64_t numbers[64];             /* of the raw publisher's SSRCs */
    int64_t next_us, every_us;
    void (*act)(struct scene *s);
};

struct outcome {
    uint64_t shown, freezes, concealed, packets, again;
    double estimate_bps;
    unsigned plis;
    uint64_t bad_bytes; /* that the first of the others was sent */
    uint64_t sane;      /* packets of the watcher at the end: see heard_then */
    struct sfu_stats stats;
};

static void on_run(void *arg, int64_t now_us)
{
    struct scene *s = arg;
    s->next_us = now_us + s->every_us;
    if (net_now_s(s->w) < 2)
        return;
    s->acts++;
    s->act(s);
}

static int64_t on_next(const void *arg)
{
    return ((const struct scene *)arg)->next_us;
}

static void act_not(struct scene *s)
{
    (void)s;
}

static void on_heard(void *arg, const uint8_t *data, size_t len, const struct rtp_packet *h)
{
    struct scene *s = arg;
    (void)data, (void)len, (void)h;
    s->heard++;
}

static void sections_make(struct sfu_section *s, bool viewer)
{
    static const enum payload_codec codecs[] = {PAYLOAD_VP8, PAYLOAD_VP9, PAYLOAD_H264, PAYLOAD_AV1};
    net_section_video(s, viewer, viewer ? "7" : "5", 3);
    s->codec_count = 0;
    for (unsigned i = 0; i < 4; i++)
        s->codecs[s->codec_count++] = (struct sfu_codec){.codec = codecs[i],
            .pt = (uint8_t)(100 + 2 * i),
            .rtx_pt = (uint8_t)(101 + 2 * i),
            .clock_hz = 90000,
            .nack = true,
            .pli = true,
            .transport_cc = true};
    assert_int_equal(rtp_extmap_set(&s->extmap, 12, RTP_EXT_DEPENDENCY), 0);
}

/* Somebody who publishes by hand, and somebody who is forwarded that. */
static void raw_publish(struct scene *s)
{
    static const struct net_peer_ops silent = {0}, listens = {.rtp = on_heard};
    s->publisher = net_peer_add(s->w, 0, &silent, s);
    s->watcher = net_peer_add(s->w, 1, &listens, s);
    struct sfu_command c = {
        .type = SFU_TRACK_ADD, .peer = s->publisher->id, .track = s->track = net_id(s->w)};
    sections_make(&c.track_add.section, false);
    c.track_add.kind = KIND_VIDEO;
    net_extmap_add(s->publisher, &c.track_add.section);
    net_post(s->w, &c);
    c = (struct sfu_command){
        .type = SFU_SUB_ADD, .worker = 1, .peer = s->watcher->id, .track = s->track, .sub = net_id(s->w)};
    c.sub_add.kind = KIND_VIDEO;
    c.sub_add.ssrc = 900;
    c.sub_add.rtx_ssrc = 901;
    sections_make(&c.sub_add.section, true);
    net_extmap_add(s->watcher, &c.sub_add.section);
    net_post(s->w, &c);
}

static struct outcome play(unsigned bad_count, bool raw, int64_t every_us, void (*act)(struct scene *))
{
    static struct scene s;
    s = (struct scene){.random = seeded_of(5), .bad_count = bad_count, .every_us = every_us, .act = act};
    s.w = net_open(11, 2);
    s.sender = net_sender_add(s.w, 0, &net_sender_720p);
    s.honest = net_viewer_add(s.w, 1, true);
    for (unsigned i = 0; i < bad_count; i++)
        s.bad[i] = net_viewer_add(s.w, i % 2, true);
    if (raw)
        raw_publish(&s);
    net_connect(s.w);
    for (size_t i = 0; i < s.w->peer_count; i++) {
        s.w->peers[i]->up = net_link_add(s.w, "0 delay=25ms");
        s.w->peers[i]->down = net_link_add(s.w, "0 delay=25ms");
    }
    net_begin(s.w);
    net_viewer_start(s.honest);
    s.camera = net_viewer_watch(s.honest, s.sender, true, true);
    s.voice = s.camera - 1;
    for (unsigned i = 0; i < bad_count; i++) {
        net_viewer_start(s.bad[i]);
        net_viewer_watch(s.bad[i], s.sender, true, true);
    }
    net_sender_start(s.sender, 0);
    s.next_us = s.w->zero_us;
    s.w->run = on_run;
    s.w->next_us = on_next;
    s.w->arg = &s;
    net_run(s.w, SECONDS);
    struct net_played sound =
        net_neteq_play(&s.voice->sound, s.w->zero_us + 1000000, s.w->zero_us + SECONDS * 1000000);
    struct outcome o = {.shown = s.camera->video.shown_count,
        .freezes = s.camera->video.freezes,
        .concealed = sound.concealed,
        .packets = s.camera->packets,
        .again = s.camera->again,
        .estimate_bps = net_viewer_estimate_mean(s.honest, 3, SECONDS),
        .plis = s.sender->plis,
        .sane = s.heard - s.heard_then,
        .bad_bytes = bad_count ? s.bad[0]->all_bytes : s.heard,
        .stats = net_stats(s.w)};
    for (unsigned i = 0; i < bad_count; i++) {
        int64_t estimate = net_viewer_estimate(s.bad[i]);
        assert_true(estimate >= ESTIMATOR_MIN_BPS && estimate <= ESTIMATOR_MAX_BPS);
    }
    if (raw)
        assert_true(net_sfu_peer(s.publisher)->ssrc_count <= SFU_SSRCS_MAX);
    for (unsigned i = 0; i < bad_count; i++)
        net_viewer_free(s.bad[i]);
    net_viewer_free(s.honest);
    net_close(s.w);
    net_sender_free(s.sender);
    return o;
}

/* The honest viewer had what it has without anybody else's doing. */
static void assert_unaffected(const struct outcome *o, const struct outcome *alone)
{
    assert_int_equal(alone->concealed, 0);
    assert_int_equal(alone->freezes, 0);
    assert_true(alone->shown > SECONDS * 25);
    assert_int_equal(o->concealed, 0);
    assert_int_equal(o->freezes, 0);
    assert_true(o->shown + 5 >= alone->shown);
    assert_true(o->packets * 100 >= alone->packets * 97);
    assert_true(
        o->estimate_bps >= 0.95 * alone->estimate_bps && o->estimate_bps <= 1.05 * alone->estimate_bps);
}

/* ---- what viewers can do ---- */

static void rtcp_send(struct net_peer *p, const struct writer *w, const uint8_t *buf)
{
    assert_false(w->bad);
    if (rtc_client_path(&p->client))
        rtc_client_rtcp(&p->client, buf, w->len);
}

/* Feedback of every unsound kind, and sound one about what was never sent, at times that cannot be. */
static void forge_feedback(struct scene *s)
{
    uint8_t buf[1100];
    struct writer w = writer_of(buf, sizeof buf);
    struct seeded *r = &s->random;
    size_t at = rtcp_begin(&w, RTCP_RTPFB, RTCP_FMT_TWCC);
    writer_u32(&w, OUR);
    writer_u32(&w, 0);
    writer_u16(&w, (uint16_t)seeded_u64(r));
    unsigned kind = (unsigned)seeded_below(r, 4);
    unsigned count = kind == 0 ? 65535 : 1 + (unsigned)seeded_below(r, 800);
    writer_u16(&w, (uint16_t)count);
    writer_u32(&w, (uint32_t)seeded_u64(r)); /* reference time, counter */
    if (kind == 1) {                         /* all received, 0 to 64 ms apart */
        for (unsigned left = count; left; left -= left < 8191 ? left : 8191)
            writer_u16(&w, (uint16_t)(1u << 13 | (left < 8191 ? left : 8191)));
        for (unsigned i = 0; i < count; i++)
            writer_u8(&w, (uint8_t)seeded_u64(r));
    } else if (kind == 2) { /* none received */
        writer_u16(&w, (uint16_t)count);
    } else {
        for (unsigned i = (unsigned)seeded_below(r, 900); i; i--)
            writer_u8(&w, (uint8_t)seeded_u64(r));
    }
    while (w.len % 4)
        writer_u8(&w, 0);
    rtcp_end(&w, at);
    rtcp_send(s->bad[0]->peer, &w, buf);
}

static void forged_feedback_is_its_senders_affair(void **state)
{
    (void)state;
    struct outcome alone = play(1, false, 2000, act_not), o = play(1, false, 2000, forge_feedback);
    assert_unaffected(&o, &alone);
}

/* Numbers near and far, in blocks as full as they get. */
static void ask_for_everything(struct scene *s)
{
    const struct net_viewer *v = s->bad[0];
    uint8_t buf[1100];
    for (unsigned i = 0; i < v->view_count; i++) {
        struct writer w = writer_of(buf, sizeof buf);
        uint16_t seqs[RTCP_NACK_MAX], first = (uint16_t)(v->views[i].newest - RTCP_NACK_MAX);
        for (unsigned k = 0; k < RTCP_NACK_MAX; k++)
            seqs[k] = (uint16_t)(first + k);
        assert_int_equal(rtcp_nack_write(&w, OUR, v->views[i].ssrc, seqs, RTCP_NACK_MAX), RTCP_NACK_MAX);
        rtcp_send(v->peer, &w, buf);
    }
}

static void a_flood_of_nacks_costs_a_share_of_what_is_sent(void **state)
{
    (void)state;
    struct outcome alone = play(1, false, 5000, act_not), o = play(1, false, 5000, ask_for_everything);
    assert_unaffected(&o, &alone);
    uint64_t asked = (SECONDS - 2) * 200 * 2 * RTCP_NACK_MAX;
    print_message("asked for %llu packets, %llu looked at; %llu instead of %llu bytes sent\n",
        (unsigned long long)asked, (unsigned long long)o.stats.nack_in, (unsigned long long)o.bad_bytes,
        (unsigned long long)alone.bad_bytes);
    assert_true(o.stats.nack_in <= (uint64_t)SECONDS * (SFU_NACKED_MAX + RTCP_NACK_MAX));
    assert_true(o.stats.nack_ignored > 0);
    assert_true(
        o.bad_bytes <= alone.bad_bytes + alone.bad_bytes / (SFU_RTX_SHARE - 1) + SFU_RTX_BYTES * SECONDS);
    assert_true(o.bad_bytes > alone.bad_bytes);
}

/* Every viewer but one asks for key frames a hundred times a second, in both ways. */
static void storm(struct scene *s)
{
    for (unsigned i = 0; i < s->bad_count; i++) {
        uint8_t buf[100];
        struct writer w = writer_of(buf, sizeof buf);
        uint32_t media = s->bad[i]->views[1].ssrc;
        rtcp_pli_write(&w, OUR, media);
        rtcp_fir_write(&w, OUR, media, (uint8_t)s->acts);
        rtcp_send(s->bad[i]->peer, &w, buf);
    }
}

static void a_storm_of_key_frame_requests_is_merged(void **state)
{
    (void)state;
    struct outcome alone = play(VIEWERS, false, 10000, act_not), o = play(VIEWERS, false, 10000, storm);
    uint64_t asked = (uint64_t)(SECONDS - 2) * 100 * VIEWERS * 2;
    unsigned more = o.plis - alone.plis;
    print_message("%llu requests: %llu reached the media side, %u the publisher\n", (unsigned long long)asked,
        (unsigned long long)o.stats.pli_in, more);
    assert_true(o.stats.pli_in >= asked * 95 / 100);
    assert_true(more <= NET_LAYERS * ((SECONDS - 2) * 1000000 / SFU_KEY_FRAME_US + 2));
    assert_true(more >= (SECONDS - 3) * 1000000 / SFU_KEY_FRAME_US);
    assert_int_equal(o.concealed, 0);
    assert_true(o.shown + 15 >= alone.shown); /* key frames are large */
}

/* ---- what publishers can do ---- */

/* Packets of any codec, rid, SSRC, with descriptors and payloads that are nonsense, or half so. */
static void publish_nonsense(struct scene *s)
{
    static const char *const rids[] = {"q", "h", "f", "zz", ""};
    struct seeded *r = &s->random;
    uint8_t dd[64], payload[300];
    unsigned which = (unsigned)seeded_below(r, 64);
    const char *rid = rids[seeded_below(r, 5)];
    struct rtp_ext_out exts[3];
    size_t n = 0, dd_len = 1 + seeded_below(r, sizeof dd - 1), len = seeded_below(r, sizeof payload);
    for (size_t i = 0; i < dd_len; i++)
        dd[i] = (uint8_t)seeded_u64(r);
    for (size_t i = 0; i < len; i++)
        payload[i] = (uint8_t)seeded_u64(r);
    if (seeded_chance(r, 50) && dd_len > 3) /* a frame's begin and end, with a structure */
        dd[0] |= 0xc0, dd[3] |= 0x80;
    if (seeded_chance(r, 50) && len > 12) { /* a key frame of VP8 */
        static const uint8_t key[] = {0x10, 0x10, 0, 0, 0x9d, 0x01, 0x2a, 0x80, 0x02, 0x68, 0x01};
        memcpy(payload, key, sizeof key);
    }
    exts[n++] = (struct rtp_ext_out){.ext = RTP_EXT_MID, .len = 1, .data = (const uint8_t *)"5"};
    if (*rid)
        exts[n++] = (struct rtp_ext_out){.ext = seeded_chance(r, 10) ? RTP_EXT_REPAIRED_RID : RTP_EXT_RID,
            .len = (uint8_t)strlen(rid),
            .data = (const uint8_t *)rid};
    exts[n++] = (struct rtp_ext_out){.ext = RTP_EXT_DEPENDENCY, .len = (uint8_t)dd_len, .data = dd};
    s->numbers[which] += 1 + (seeded_chance(r, 5) ? seeded_below(r, 3000) : 0);
    struct rtp_fields f = {.pt = (uint8_t)(100 + seeded_below(r, 8)),
        .marker = seeded_chance(r, 20),
        .seq = (uint16_t)s->numbers[which],
        .ts = (uint32_t)seeded_u64(r),
        .ssrc = 5000 + which};
    if (rtc_client_path(&s->publisher->client))
        rtc_client_rtp(&s->publisher->client, &f, s->numbers[which], exts, n, payload, len);
}

static void nonsense_of_a_publisher_stays_its_own(void **state)
{
    (void)state;
    struct outcome alone = play(0, true, 500, act_not), o = play(0, true, 500, publish_nonsense);
    assert_unaffected(&o, &alone);
    print_message("%llu packets of nonsense, %llu of them forwarded, %llu key frames asked for\n",
        (unsigned long long)(o.stats.rtp_in - alone.stats.rtp_in), (unsigned long long)o.bad_bytes,
        (unsigned long long)(o.stats.pli_out - alone.stats.pli_out));
    assert_true(o.stats.rtp_in - alone.stats.rtp_in > 10000);
    assert_true(o.stats.pli_out - alone.stats.pli_out <=
                (SECONDS - 2) * SFU_RIDS_MAX * (1000000 / SFU_KEY_FRAME_US) + SFU_RIDS_MAX);
    assert_true(o.stats.nack_out - alone.stats.nack_out < 200000);
    assert_int_equal(o.plis, alone.plis);
}

/* Every packet of another SSRC, as the next source of a layer or as its repair stream, each begun by a key
 * frame; rids that appear and vanish. In the last three seconds there is one that stays. */
static void publish_sources(struct scene *s)
{
    static const char *const rids[] = {"q", "h", "f", "zz"};
    struct seeded *r = &s->random;
    static const uint8_t key[60] = {0x10, 0x10, 0, 0, 0x9d, 0x01, 0x2a, 0x80, 0x02, 0x68, 0x01};
    bool stays = net_now_s(s->w) > SECONDS - 3, repair = !stays && seeded_chance(r, 10);
    struct rtp_ext_out exts[] = {{.ext = RTP_EXT_MID, .len = 1, .data = (const uint8_t *)"5"},
        {.ext = repair ? RTP_EXT_REPAIRED_RID : RTP_EXT_RID}};
    exts[1].data = (const uint8_t *)rids[stays ? 0 : seeded_below(r, 4)];
    exts[1].len = (uint8_t)strlen((const char *)exts[1].data);
    struct rtp_fields f = {.pt = repair ? 101 : 100,
        .marker = true,
        .seq = stays ? (uint16_t)s->numbers[0]++ : (uint16_t)seeded_u64(r),
        .ts = stays ? (uint32_t)(s->numbers[0] * 3000) : (uint32_t)seeded_u64(r),
        .ssrc = stays ? 42 : (uint32_t)(10000 + s->acts)};
    if (!stays)
        s->heard_then = s->heard;
    if (rtc_client_path(&s->publisher->client))
        rtc_client_rtp(&s->publisher->client, &f, f.seq, exts, 2, key, sizeof key);
}

static void sources_without_end_stay_few(void **state)
{
    (void)state;
    struct outcome alone = play(0, true, 500, act_not), o = play(0, true, 500, publish_sources);
    assert_unaffected(&o, &alone);
    uint64_t sent = o.stats.rtp_in - alone.stats.rtp_in,
             refused = o.stats.rtp_unknown_ssrc - alone.stats.rtp_unknown_ssrc;
    print_message(
        "%llu sources, %llu refused, %llu packets forwarded (%llu of the last), %llu key frames asked for\n",
        (unsigned long long)sent, (unsigned long long)refused, (unsigned long long)o.bad_bytes,
        (unsigned long long)o.sane, (unsigned long long)(o.stats.pli_out - alone.stats.pli_out));
    assert_true(sent > 10000);
    assert_true(refused >= sent / 10); /* the fourth rid */
    assert_true(o.sane > 2500);        /* all, once the other layers are taken to be gone */
    assert_true(o.stats.pli_out - alone.stats.pli_out <=
                (SECONDS - 2) * SFU_RIDS_MAX * (1000000 / SFU_KEY_FRAME_US) + SFU_RIDS_MAX);
    assert_int_equal(o.plis, alone.plis);
}

/* One source, with every payload type there is but those that were agreed on. */
static void publish_types(struct scene *s)
{
    static const uint8_t payload[60] = {0x10, 0x10};
    uint8_t pt = (uint8_t)(s->acts % 100);
    struct rtp_ext_out exts[] = {{.ext = RTP_EXT_MID, .len = 1, .data = (const uint8_t *)"5"},
        {.ext = RTP_EXT_RID, .len = 1, .data = (const uint8_t *)"q"}};
    if (pt >= 64 && pt < 96)
        return; /* what RTCP looks like (RFC 5761) */
    s->numbers[0]++;
    struct rtp_fields f = {
        .pt = pt, .seq = (uint16_t)s->numbers[0], .ts = (uint32_t)s->acts, .ssrc = 7000 + s->acts % 3};
    if (rtc_client_path(&s->publisher->client))
        rtc_client_rtp(&s->publisher->client, &f, s->numbers[0], exts, 2, payload, sizeof payload);
}

static void types_never_agreed_on_are_refused(void **state)
{
    (void)state;
    struct outcome alone = play(0, true, 500, act_not), o = play(0, true, 500, publish_types);
    assert_unaffected(&o, &alone);
    uint64_t sent = o.stats.rtp_in - alone.stats.rtp_in;
    print_message("%llu packets\n", (unsigned long long)sent);
    assert_true(sent > 6000);
    assert_int_equal(o.stats.rtp_unknown_ssrc - alone.stats.rtp_unknown_ssrc, sent);
    assert_int_equal(o.bad_bytes, 0);
    assert_int_equal(o.stats.pli_out, alone.stats.pli_out);
}

/* A camera that changes its codec and the size of its picture all the time, and layers that come and go: each
 * change is taken up. */
static void publish_changes(struct scene *s)
{
    static const char *const rids[] = {"q", "h", "f"};
    unsigned phase = (unsigned)(s->acts / 40), layer = phase % 3;
    uint8_t payload[60] = {0x10, 0x10, 0, 0, 0x9d, 0x01, 0x2a, (uint8_t)(64 + phase), 2, (uint8_t)phase, 1};
    bool vp9 = phase % 2;
    if (vp9) { /* a key frame of VP9: no inter-picture prediction, begin and end */
        memset(payload, 0, sizeof payload);
        payload[0] = 0x0c;
    }
    struct rtp_ext_out exts[] = {{.ext = RTP_EXT_MID, .len = 1, .data = (const uint8_t *)"5"},
        {.ext = RTP_EXT_RID, .len = 1, .data = (const uint8_t *)rids[layer]}};
    uint64_t *number = &s->numbers[layer];
    ++*number;
    struct rtp_fields f = {.pt = vp9 ? 102 : 100,
        .marker = true,
        .seq = (uint16_t)*number,
        .ts = (uint32_t)(s->acts * 900),
        .ssrc = 6000 + layer};
    if (rtc_client_path(&s->publisher->client))
        rtc_client_rtp(&s->publisher->client, &f, *number, exts, 2, payload, sizeof payload);
}

static void a_source_may_change_as_it_likes(void **state)
{
    (void)state;
    struct outcome alone = play(0, true, 10000, act_not), o = play(0, true, 10000, publish_changes);
    assert_unaffected(&o, &alone);
    print_message("%llu of %u packets forwarded\n", (unsigned long long)o.bad_bytes, (SECONDS - 2) * 100);
    assert_true(o.bad_bytes > (SECONDS - 2) * 100 / 6); /* a layer of three, each a key frame */
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(forged_feedback_is_its_senders_affair),
        cmocka_unit_test(a_flood_of_nacks_costs_a_share_of_what_is_sent),
        cmocka_unit_test(a_storm_of_key_frame_requests_is_merged),
        cmocka_unit_test(nonsense_of_a_publisher_stays_its_own),
        cmocka_unit_test(sources_without_end_stay_few),
        cmocka_unit_test(types_never_agreed_on_are_refused),
        cmocka_unit_test(a_source_may_change_as_it_likes),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
