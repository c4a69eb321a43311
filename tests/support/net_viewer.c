#include "support/net_viewer.h"

#include <setjmp.h>
#include <stdarg.h>
#include <cmocka.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "rtp/red.h"
#include "rtp/rtx.h"
#include "sfu/internal.h"

#define FEEDBACK_MIN_US 50000 /* as libwebrtc: 5 % of what comes, within these */
#define FEEDBACK_MAX_US 250000
#define FEEDBACK_BYTES  68
#define FEEDBACK_SHARE  0.05
#define NACK_TICK_US    20000
#define NACK_RTT_US     100000 /* a receiver that sends nothing does not know better */
#define NACK_TRIES      10
#define PLI_START_US    200000 /* while nothing was decoded yet */
#define PLI_STALL_US    3000000
#define SILENT_US       1000000 /* a stream that does not come is not stalled */
#define REPORT_US       1000000
#define SAMPLE_US       100000
#define OUR_SSRC        1
#define VIEW_SSRC       0x10000

extern int64_t virtual_now_us;

/* A path that consent ran out for takes nothing. */
static void rtcp_send(struct net_viewer *v, const uint8_t *data, size_t len)
{
    if (rtc_client_path(&v->peer->client))
        rtc_client_rtcp(&v->peer->client, data, len);
}

/* ---- NACK ---- */

static void nack_send(struct net_view *s, const uint16_t *seqs, size_t n)
{
    uint8_t buf[1200];
    struct writer w = writer_of(buf, sizeof buf);
    if (!n)
        return;
    s->nacks += (unsigned)n;
    (void)rtcp_nack_write(&w, OUR_SSRC, s->ssrc, seqs, n);
    rtcp_send(s->viewer, buf, w.len);
}

static void pli_send(struct net_view *s, int64_t now_us)
{
    uint8_t buf[64];
    struct writer w = writer_of(buf, sizeof buf);
    rtcp_pli_write(&w, OUR_SSRC, s->ssrc);
    rtcp_send(s->viewer, buf, w.len);
    s->pli_us = now_us;
    s->plis++;
}

static void lost_add(struct net_view *s, int64_t from, int64_t to, int64_t now_us)
{
    uint16_t seqs[256];
    size_t n = 0;
    if (to - from > NET_NACK_MAX - (int64_t)s->lost_count) {
        s->lost_count = 0; /* too much: only a key frame helps */
        if (s->is_video)
            pli_send(s, now_us);
        return;
    }
    for (int64_t seq = from; seq < to; seq++) {
        s->lost[s->lost_count++] = (struct net_lost){.seq = seq, .asked_us = now_us, .tries = 1};
        if (n < 256)
            seqs[n++] = (uint16_t)seq;
    }
    nack_send(s, seqs, n);
}

static void lost_forget(struct net_view *s, int64_t seq)
{
    for (unsigned i = 0; i < s->lost_count; i++)
        if (s->lost[i].seq == seq) {
            memmove(&s->lost[i], &s->lost[i + 1], (--s->lost_count - i) * sizeof *s->lost);
            return;
        }
}

static void nack_run(struct net_view *s, int64_t now_us)
{
    uint16_t seqs[256];
    size_t n = 0;
    unsigned kept = 0;
    int64_t needless = s->is_video ? net_video_needless(&s->video) : s->newest - 100;
    for (unsigned i = 0; i < s->lost_count; i++) {
        struct net_lost *l = &s->lost[i];
        if (l->seq < needless || l->tries >= NACK_TRIES)
            continue;
        if (now_us - l->asked_us >= NACK_RTT_US && n < 256) {
            l->asked_us = now_us;
            l->tries++;
            seqs[n++] = (uint16_t)l->seq;
        }
        s->lost[kept++] = *l;
    }
    s->lost_count = kept;
    nack_send(s, seqs, n);
}

/* ---- packets ---- */

static void sound_input(
    struct net_view *s, const struct rtp_packet *h, const uint8_t *payload, int64_t now_us)
{
    struct net_tag tag;
    struct red red = {.count = 1, .blocks = {{.len = h->payload_len}}};
    if (h->pt == NET_SUB_RED && red_parse(payload, h->payload_len, &red))
        return;
    for (unsigned i = 0; i < red.count; i++) {
        const struct red_block *b = &red.blocks[i];
        if (!net_tag_read(payload + b->off, b->len, NET_AUDIO_TAG, &tag))
            continue;
        net_neteq_input(&s->sound, tag.frame, now_us);
        int64_t up_us = s->sender->peer->up ? link_shape(&s->sender->peer->up->link)->delay_us : 0;
        int64_t inside_us = s->viewer->peer->sent_us - tag.at_us - up_us;
        if (i + 1 == red.count && tag.frame > s->newest_tag) { /* its own, for the first time */
            s->newest_tag = tag.frame;
            if (inside_us > s->server_delay_us)
                s->server_delay_us = inside_us;
        }
    }
}

/* false: it was there already. */
static bool seq_input(struct net_view *s, int64_t seq, bool again, int64_t now_us)
{
    if (s->newest >= 0 && seq <= s->newest - NET_SEEN)
        return false;
    if (s->seen[(uint64_t)seq % NET_SEEN] == seq)
        return false;
    s->seen[(uint64_t)seq % NET_SEEN] = seq;
    if (s->newest >= 0 && seq <= s->newest)
        lost_forget(s, seq);
    else if (s->newest >= 0 && seq > s->newest + 1 && !again)
        lost_add(s, s->newest + 1, seq, now_us);
    if (seq > s->newest && !again)
        s->newest = seq;
    return true;
}

static bool media_input(struct net_view *s, const struct rtp_packet *h, uint16_t seq16,
    const uint8_t *payload, size_t len, bool again, int64_t now_us)
{
    struct payload_info info;
    struct net_tag tag;
    int64_t seq = seq_unwrap(&s->unwrap, seq16);
    if (!seq_input(s, seq, again, now_us)) {
        s->useless++;
        return false;
    }
    if (!len)
        return false; /* its number is known not to come */
    if (!s->first_us)
        s->first_us = now_us;
    s->newest_us = now_us;
    if (!s->is_video) {
        sound_input(s, h, payload, now_us);
        return true;
    }
    assert_int_equal(payload_parse(PAYLOAD_VP8, payload, len, &info), 0);
    if (net_tag_read(payload, len, NET_VIDEO_TAG, &tag))
        net_video_input(&s->video, seq, h->ts, h->marker, &info, &tag, again, now_us);
    return true;
}

static void queue_note(struct net_viewer *v, int64_t at_us, int64_t queue_us)
{
    if (v->queue_count == v->queue_cap) {
        v->queue_cap = v->queue_cap ? 2 * v->queue_cap : 4096;
        v->queues = realloc(v->queues, v->queue_cap * sizeof *v->queues);
        assert_non_null(v->queues);
    }
    v->queues[v->queue_count].at_us = at_us;
    v->queues[v->queue_count++].queue_us = queue_us;
}

static void on_rtp(void *arg, const uint8_t *data, size_t len, const struct rtp_packet *h)
{
    struct net_viewer *v = arg;
    int64_t now_us = virtual_now_us;
    const uint8_t *payload = data + h->payload_off;
    bool useful = false;
    (void)len;
    v->all_bytes += v->peer->wire_bytes;
    v->bytes_window += v->peer->wire_bytes;
    queue_note(v, v->peer->sent_us, v->peer->queue_us);
    if (rtp_has(h, RTP_EXT_TWCC)) {
        twcc_recorder_input(&v->recorder, h->twcc, now_us);
        if (v->feedback_us == INT64_MAX)
            v->feedback_us = now_us + FEEDBACK_MIN_US;
    }
    for (unsigned i = 0; i < v->view_count; i++) {
        struct net_view *s = &v->views[i];
        if (s->ssrc == h->ssrc) {
            if (!s->stats_known)
                receiver_stats_init(&s->stats, s->ssrc, s->is_video ? 90000 : 48000);
            s->stats_known = true;
            receiver_stats_packet(&s->stats, h->seq, h->ts, h->payload_len, now_us);
            s->packets++;
            useful = media_input(s, h, h->seq, payload, h->payload_len, false, now_us);
        } else if (s->rtx_ssrc && s->rtx_ssrc == h->ssrc && h->payload_len >= RTX_OSN_LEN) {
            uint16_t osn = (uint16_t)(payload[0] << 8 | payload[1]);
            s->again++;
            useful = s->newest >= 0 && media_input(s, h, osn, payload + RTX_OSN_LEN,
                                           (size_t)(h->payload_len - RTX_OSN_LEN), true, now_us);
        } else {
            continue;
        }
        break;
    }
    v->paddings += !h->payload_len;
    if (useful)
        v->useful_bytes += v->peer->wire_bytes;
}

static void on_sent(void *arg, const uint8_t *d, size_t len, bool dropped)
{
    struct net_viewer *v = arg;
    if (len < 12 || d[0] < 128 || d[0] > 191 || rtcp_is(d, len))
        return;
    uint32_t ssrc = (uint32_t)d[8] << 24 | (uint32_t)d[9] << 16 | (uint32_t)d[10] << 8 | d[11];
    if (dropped)
        queue_note(v, virtual_now_us, -1);
    for (unsigned i = 0; i < v->view_count; i++) {
        struct net_view *s = &v->views[i];
        if (s->ssrc != ssrc)
            continue;
        int64_t seq = seq_unwrap(&s->server_unwrap, (uint16_t)(d[2] << 8 | d[3]));
        if (s->server_seen[(uint64_t)seq % NET_SEEN] == seq)
            continue; /* sound without RTX comes again as it was */
        s->server_seen[(uint64_t)seq % NET_SEEN] = seq;
        s->server_sent++;
        s->server_dropped += dropped;
    }
}

static void on_rtcp(void *arg, const uint8_t *data, size_t len)
{
    struct net_viewer *v = arg;
    struct cursor c = cursor_of(data, len), reports;
    struct rtcp_block b;
    struct rtcp_sr sr;
    while (rtcp_next(&c, &b) > 0) {
        if (b.type != RTCP_SR || rtcp_sr_parse(&b, &sr, &reports))
            continue;
        for (unsigned i = 0; i < v->view_count; i++)
            if (v->views[i].ssrc == sr.ssrc && v->views[i].stats_known)
                receiver_stats_sr(&v->views[i].stats, &sr, virtual_now_us);
    }
}

static void on_event(void *arg, const struct sfu_event *e)
{
    struct net_viewer *v = arg;
    if (e->type != SFU_EVENT_SUB_LAYER)
        return;
    for (unsigned i = 0; i < v->view_count; i++)
        if (v->views[i].sub == e->sub) {
            v->views[i].told_layer = e->layer.layer;
            v->views[i].told_paused = e->layer.paused;
        }
}

/* ---- time ---- */

static void feedback_run(struct net_viewer *v, int64_t now_us)
{
    bool more = true;
    while (more) {
        uint8_t buf[1200];
        struct writer w = writer_of(buf, sizeof buf);
        more = twcc_recorder_write(&v->recorder, &w, OUR_SSRC, OUR_SSRC, now_us) && v->recorder.pending;
        if (w.len && !w.bad)
            rtcp_send(v, buf, w.len);
    }
    double elapsed_s = (double)(now_us - v->window_us) / 1e6;
    if (elapsed_s > 0)
        v->rate_bps += ((double)v->bytes_window * 8 / elapsed_s - v->rate_bps) * 0.2;
    v->bytes_window = 0;
    v->window_us = now_us;
    double interval_us = v->rate_bps > 0 ? FEEDBACK_BYTES * 8 / (FEEDBACK_SHARE * v->rate_bps) * 1e6 : 1e9;
    v->feedback_us = now_us + (interval_us < FEEDBACK_MIN_US      ? FEEDBACK_MIN_US
                                  : interval_us > FEEDBACK_MAX_US ? FEEDBACK_MAX_US
                                                                  : (int64_t)interval_us);
}

static void reports_run(struct net_viewer *v, int64_t now_us)
{
    struct rtcp_report reports[2 * NET_VIEW_MAX] = {0};
    uint8_t buf[1200];
    struct writer w = writer_of(buf, sizeof buf);
    size_t n = 0;
    for (unsigned i = 0; i < v->view_count; i++)
        n += v->views[i].stats_known && receiver_stats_report(&v->views[i].stats, now_us, &reports[n]);
    rtcp_rr_write(&w, OUR_SSRC, reports, n);
    if (n)
        rtcp_send(v, buf, w.len);
    v->report_us = now_us + REPORT_US;
}

static void stall_run(struct net_view *s, int64_t now_us)
{
    if (!s->is_video || !s->subscribed_us)
        return;
    const struct net_video *d = &s->video;
    int64_t wait_us = d->shown_us ? PLI_STALL_US : PLI_START_US;
    int64_t since_us = d->shown_us ? d->shown_us : s->subscribed_us;
    if (now_us - since_us < wait_us || now_us - s->pli_us < wait_us)
        return;
    if (d->shown_us && now_us - s->newest_us > SILENT_US)
        return;
    pli_send(s, now_us);
}

static void sample_run(struct net_viewer *v, int64_t now_us)
{
    if (v->sample_count == v->sample_cap) {
        v->sample_cap = v->sample_cap ? 2 * v->sample_cap : 1024;
        v->samples = realloc(v->samples, v->sample_cap * sizeof *v->samples);
        assert_non_null(v->samples);
    }
    const struct net_video *d = NULL;
    for (unsigned i = 0; i < v->view_count && !d; i++)
        d = v->views[i].is_video ? &v->views[i].video : NULL;
    struct net_sample *s = &v->samples[v->sample_count++];
    *s = (struct net_sample){.at_s = net_now_s(v->peer->world),
        .estimate_bps = (double)net_viewer_estimate(v),
        .sent_bps = (double)(v->all_bytes - v->sample_all) * 8 * 1000000 / SAMPLE_US,
        .useful_bps = (double)(v->useful_bytes - v->sample_useful) * 8 * 1000000 / SAMPLE_US,
        .layer = -1};
    if (v->peer->down) {
        s->link_bps = (double)link_shape(&v->peer->down->link)->rate_bps;
        s->queue_ms = (double)link_queue_us(&v->peer->down->link) / 1000;
    }
    if (d && d->shown_count && now_us - d->shown_us < 500000) {
        s->layer = (int8_t)d->shown[d->shown_count - 1].layer;
        s->fps = (uint8_t)((d->shown_count - v->sample_shown) * 1000000 / SAMPLE_US);
    }
    v->sample_shown = d ? d->shown_count : 0;
    v->sample_all = v->all_bytes;
    v->sample_useful = v->useful_bytes;
    v->sample_us += SAMPLE_US;
}

static void on_run(void *arg, int64_t now_us)
{
    struct net_viewer *v = arg;
    for (unsigned i = 0; i < v->view_count; i++)
        if (v->views[i].is_video && v->views[i].video.next_us <= now_us)
            net_video_run(&v->views[i].video, now_us);
    if (v->feedback_us <= now_us)
        feedback_run(v, now_us);
    if (v->nack_us <= now_us) {
        for (unsigned i = 0; i < v->view_count; i++) {
            nack_run(&v->views[i], now_us);
            stall_run(&v->views[i], now_us);
        }
        v->nack_us += NACK_TICK_US;
    }
    if (v->report_us <= now_us)
        reports_run(v, now_us);
    if (v->sample_us <= now_us)
        sample_run(v, now_us);
}

static int64_t on_next(const void *arg)
{
    const struct net_viewer *v = arg;
    int64_t next = v->feedback_us;
    next = v->nack_us < next ? v->nack_us : next;
    next = v->report_us < next ? v->report_us : next;
    next = v->sample_us < next ? v->sample_us : next;
    for (unsigned i = 0; i < v->view_count; i++)
        if (v->views[i].is_video && v->views[i].video.next_us < next)
            next = v->views[i].video.next_us;
    return next;
}

static const struct net_peer_ops ops = {
    .rtp = on_rtp, .rtcp = on_rtcp, .sent = on_sent, .event = on_event, .run = on_run, .next_us = on_next};

/* ---- life ---- */

struct net_viewer *net_viewer_add(struct net_world *w, unsigned worker, bool red)
{
    struct net_viewer *v = calloc(1, sizeof *v);
    assert_non_null(v);
    v->wants_red = red;
    v->feedback_us = v->nack_us = v->report_us = v->sample_us = INT64_MAX;
    twcc_recorder_init(&v->recorder);
    v->peer = net_peer_add(w, worker, &ops, v);
    return v;
}

void net_viewer_start(struct net_viewer *v)
{
    /* clients do not tick together */
    int64_t now_us = virtual_now_us, apart_us = v->peer->index * 1733;
    v->window_us = now_us;
    v->nack_us = now_us + apart_us % NACK_TICK_US;
    v->report_us = now_us + 500000 + apart_us;
    v->sample_us = now_us + SAMPLE_US;
}

void net_viewer_free(struct net_viewer *v)
{
    for (unsigned i = 0; i < v->view_count; i++) {
        net_video_done(&v->views[i].video);
        net_neteq_done(&v->views[i].sound);
    }
    free(v->samples);
    free(v->queues);
    free(v);
}

static struct net_view *view_add(struct net_viewer *v, struct net_sender *s, bool is_video)
{
    assert_true(v->view_count < 2 * NET_VIEW_MAX);
    struct net_view *view = &v->views[v->view_count];
    uint32_t ssrc = VIEW_SSRC * (uint32_t)(v->peer->index + 1) + 2 * v->view_count++;
    struct sfu_command c = {.type = SFU_SUB_ADD,
        .worker = v->peer->worker,
        .peer = v->peer->id,
        .track = is_video ? s->camera : s->voice,
        .sub = net_id(v->peer->world)};
    char mid[4];
    (void)snprintf(mid, sizeof mid, "%u", v->view_count);
    *view = (struct net_view){.viewer = v,
        .sender = s,
        .sub = c.sub,
        .ssrc = ssrc,
        .rtx_ssrc = is_video ? ssrc + 1 : 0,
        .is_video = is_video,
        .subscribed_us = virtual_now_us,
        .newest = -1,
        .told_layer = -1};
    memset(view->seen, 0xff, sizeof view->seen);
    memset(view->server_seen, 0xff, sizeof view->server_seen);
    net_video_init(&view->video);
    c.sub_add.track_worker = s->peer->worker;
    c.sub_add.kind = is_video ? KIND_VIDEO : KIND_AUDIO;
    c.sub_add.ssrc = view->ssrc;
    c.sub_add.rtx_ssrc = view->rtx_ssrc;
    if (is_video)
        net_section_video(&c.sub_add.section, true, mid, 1);
    else
        net_section_audio(&c.sub_add.section, true, mid, v->wants_red);
    (void)snprintf(c.sub_add.cname, sizeof c.sub_add.cname, "p%u", s->peer->id);
    net_extmap_add(v->peer, &c.sub_add.section);
    net_post(v->peer->world, &c);
    return view;
}

struct net_view *net_viewer_watch(struct net_viewer *v, struct net_sender *s, bool voice, bool camera)
{
    struct net_view *view = voice ? view_add(v, s, false) : NULL;
    return camera ? view_add(v, s, true) : view;
}

int64_t net_viewer_estimate(const struct net_viewer *v)
{
    const struct sfu_peer *p = net_sfu_peer(v->peer);
    return p ? congestion_estimate_bps(p) : 0;
}

/* ---- figures ---- */

double net_viewer_useful(const struct net_viewer *v, double from_s, double to_s)
{
    double sum = 0;
    size_t n = 0;
    for (size_t i = 0; i < v->sample_count; i++)
        if (v->samples[i].at_s > from_s && v->samples[i].at_s <= to_s + 1e-6) {
            sum += v->samples[i].useful_bps;
            n++;
        }
    return n ? sum / (double)n : 0;
}

static int compare(const void *a, const void *b)
{
    int64_t x = *(const int64_t *)a, y = *(const int64_t *)b;
    return (x > y) - (x < y);
}

double net_viewer_queue_ms(const struct net_viewer *v, double from_s, double to_s, double percentile)
{
    int64_t zero_us = v->peer->world->zero_us, *sorted = calloc(v->queue_count + 1, sizeof *sorted);
    size_t n = 0;
    assert_non_null(sorted);
    for (size_t i = 0; i < v->queue_count; i++) {
        double at_s = (double)(v->queues[i].at_us - zero_us) / 1e6;
        if (at_s >= from_s && at_s < to_s && v->queues[i].queue_us >= 0)
            sorted[n++] = v->queues[i].queue_us;
    }
    qsort(sorted, n, sizeof *sorted, compare);
    double ms = n ? (double)sorted[(size_t)((double)(n - 1) * percentile / 100)] / 1000 : 0;
    free(sorted);
    return ms;
}

double net_viewer_queue_back_s(const struct net_viewer *v, double from_s, double to_s, double limit_ms)
{
    double back_s = from_s;
    bool over = false;
    for (size_t i = 0; i < v->queue_count; i++) { /* by arrival, which keeps the order of sending */
        double at_s = (double)(v->queues[i].at_us - v->peer->world->zero_us) / 1e6;
        if (at_s < from_s || at_s >= to_s)
            continue;
        if (v->queues[i].queue_us < 0 || (double)v->queues[i].queue_us > limit_ms * 1000) {
            over = true;
            back_s = at_s;
        } else if (over && at_s - back_s > 0.5) {
            break;
        }
    }
    return back_s - from_s;
}

double net_viewer_loss(const struct net_viewer *v, double from_s, double to_s)
{
    size_t n = 0, dropped = 0;
    for (size_t i = 0; i < v->queue_count; i++) {
        double at_s = (double)(v->queues[i].at_us - v->peer->world->zero_us) / 1e6;
        if (at_s < from_s || at_s >= to_s)
            continue;
        n++;
        dropped += v->queues[i].queue_us < 0;
    }
    return n ? (double)dropped / (double)n : 0;
}

double net_viewer_estimate_min(const struct net_viewer *v, double from_s, double to_s)
{
    double least = -1;
    for (size_t i = 0; i < v->sample_count; i++)
        if (v->samples[i].at_s > from_s && v->samples[i].at_s <= to_s &&
            (least < 0 || v->samples[i].estimate_bps < least))
            least = v->samples[i].estimate_bps;
    return least;
}

double net_viewer_estimate_mean(const struct net_viewer *v, double from_s, double to_s)
{
    double sum = 0;
    size_t n = 0;
    for (size_t i = 0; i < v->sample_count; i++)
        if (v->samples[i].at_s > from_s && v->samples[i].at_s <= to_s) {
            sum += v->samples[i].estimate_bps;
            n++;
        }
    return n ? sum / (double)n : 0;
}

double net_viewer_layer_mean(const struct net_viewer *v, double from_s, double to_s)
{
    double sum = 0;
    size_t n = 0;
    for (size_t i = 0; i < v->sample_count; i++)
        if (v->samples[i].at_s > from_s && v->samples[i].at_s <= to_s) {
            sum += v->samples[i].layer;
            n++;
        }
    return n ? sum / (double)n : 0;
}
