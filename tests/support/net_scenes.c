#include "support/net_scenes.h"

#include <setjmp.h>
#include <stdarg.h>
#include <cmocka.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define TCP_BYTES   1200
#define TCP_RTO_US  1000000
#define DRAIN_S     1.5 /* what was sent last arrives, and is sent again */
#define VIEWERS_MAX 32

/* ---- figures ---- */

bool net_figure_ok(const struct net_figure *f)
{
    return f->no_target || (f->at_most ? f->value <= f->target : f->value >= f->target);
}

bool net_figure_loose(const struct net_figure *f)
{
    return f->no_target || (f->at_most ? f->value <= f->loose : f->value >= f->loose);
}

static struct net_figure *figure(struct net_result *r, const char *name, double value, const char *unit)
{
    assert_true(r->count < NET_FIGURES_MAX);
    struct net_figure *f = &r->figures[r->count++];
    *f = (struct net_figure){.unit = unit, .value = value, .no_target = true};
    (void)snprintf(f->name, sizeof f->name, "%s", name);
    return f;
}

static void bounded(struct net_result *r, const char *name, double value, const char *unit, bool at_most,
    double target, double loose)
{
    struct net_figure *f = figure(r, name, value, unit);
    f->no_target = false;
    f->at_most = at_most;
    f->target = target;
    f->loose = loose;
}

static void most(
    struct net_result *r, const char *name, double value, const char *unit, double target, double loose)
{
    bounded(r, name, value, unit, true, target, loose);
}

static void least(
    struct net_result *r, const char *name, double value, const char *unit, double target, double loose)
{
    bounded(r, name, value, unit, false, target, loose);
}

/* ---- a call: publishers and viewers, each behind links of its own ---- */

struct call {
    struct net_world *w;
    struct net_sender *senders[NET_VIEW_MAX];
    unsigned sender_count;
    struct net_viewer *viewers[VIEWERS_MAX];
    unsigned viewer_count;
    double rtt_s;
};

static void call_open(struct call *c, struct net_result *r, unsigned senders, unsigned viewers, double rtt_s)
{
    *c = (struct call){.rtt_s = rtt_s, .w = net_open(r->seed, 1)};
    while (c->sender_count < senders)
        c->senders[c->sender_count++] = net_sender_add(c->w, 0, &net_sender_720p);
    while (c->viewer_count < viewers)
        c->viewers[c->viewer_count++] = net_viewer_add(c->w, 0, true);
    net_connect(c->w);
}

static struct net_link *plain_link(const struct call *c)
{
    char script[64];
    (void)snprintf(script, sizeof script, "0 delay=%dus", (int)(c->rtt_s * 5e5));
    return net_link_add(c->w, script);
}

/* Links first for senders, then for viewers: what does not concern a link does not change its luck. */
static void call_begin(struct call *c, const char *sender_up, const char *viewer_down)
{
    for (unsigned i = 0; i < c->sender_count; i++) {
        struct net_peer *p = c->senders[i]->peer;
        p->up = i == 0 && sender_up ? net_link_add(c->w, sender_up) : plain_link(c);
        p->down = plain_link(c);
    }
    for (unsigned i = 0; i < c->viewer_count; i++) {
        struct net_peer *p = c->viewers[i]->peer;
        p->up = plain_link(c);
        if (!p->down)
            p->down = viewer_down ? net_link_add(c->w, viewer_down) : plain_link(c);
    }
    net_begin(c->w);
    for (unsigned i = 0; i < c->viewer_count; i++)
        net_viewer_start(c->viewers[i]);
    for (unsigned i = 0; i < c->sender_count; i++)
        net_sender_start(c->senders[i], 0);
}

static void call_close(struct call *c)
{
    for (unsigned i = 0; i < c->viewer_count; i++)
        net_viewer_free(c->viewers[i]);
    net_close(c->w);
    for (unsigned i = 0; i < c->sender_count; i++)
        net_sender_free(c->senders[i]);
}

static void plot(struct net_result *r, const char *part, const struct net_viewer *v)
{
    if (r->plot)
        r->plot(r->arg, part, v);
}

static double seconds(const struct call *c, int64_t at_us)
{
    return (double)(at_us - c->w->zero_us) / 1e6;
}

static int64_t micros(const struct call *c, double at_s)
{
    return c->w->zero_us + (int64_t)(at_s * 1e6);
}

/* Frames that were there in time, of those since there were so many pictures. */
static double in_time_percent(const struct net_view *s, int64_t then)
{
    int64_t now = net_video_pictures(&s->video);
    return now > then ? 100.0 * (double)net_video_in_time(&s->video, then, now) / (double)(now - then) : 0;
}

/* The share of a viewer's sound that was made up, %. */
static double concealed_percent(
    const struct call *c, const struct net_view *voice, double from_s, double to_s)
{
    struct net_played p = net_neteq_play(&voice->sound, micros(c, from_s), micros(c, to_s));
    return p.frames ? 100.0 * (double)p.concealed / (double)p.frames : 100;
}

/* ---- 3 Mbit/s, 500 kbit/s, 3 Mbit/s ---- */

static void run_drop(struct net_result *r)
{
    const double drop_s = 20, rise_s = 50, end_s = 80;
    struct call c;
    call_open(&c, r, 1, 1, 0.05);
    call_begin(&c, NULL, "0 rate=3M delay=25ms queue=300ms\n20s rate=500k\n50s rate=3M");
    struct net_viewer *v = c.viewers[0];
    struct net_view *camera = net_viewer_watch(v, c.senders[0], true, true), *voice = camera - 1;
    net_run(c.w, end_s);
    int64_t top_us = net_video_first(&camera->video, 0, 2);
    figure(r, "top layer after the start", top_us < 0 ? end_s : seconds(&c, top_us), "s");
    most(r, "queue back under 150 ms after the drop", net_viewer_queue_back_s(v, drop_s, rise_s, 150), "s", 2,
        3);
    most(r, "queue from 2 s after the drop, p95", net_viewer_queue_ms(v, drop_s + 2, rise_s, 95), "ms", 150,
        250);
    most(r, "loss from 3 s after the drop", 100 * net_viewer_loss(v, drop_s + 3, rise_s), "%", 2, 4);
    most(r, "longest time without a frame",
        (double)net_video_gap(&camera->video, micros(&c, 10), micros(&c, end_s)) / 1000, "ms", 700, 1500);
    top_us = net_video_first(&camera->video, micros(&c, rise_s), 2);
    most(r, "top layer after the rise", (top_us < 0 ? end_s : seconds(&c, top_us)) - rise_s, "s", 6, 9);
    figure(r, "sound concealed", concealed_percent(&c, voice, 10, end_s), "%");
    plot(r, NULL, v);
    call_close(&c);
}

/* ---- a steady link and four publishers ---- */

static void steady(struct net_result *r, const char *part, double link_bps)
{
    const double from_s = 20, end_s = 80;
    char script[64], name[96];
    struct call c;
    unsigned switches = 0;
    call_open(&c, r, 4, 1, 0.05);
    (void)snprintf(script, sizeof script, "0 rate=%.0f delay=25ms queue=300ms", link_bps);
    call_begin(&c, NULL, script);
    struct net_viewer *v = c.viewers[0];
    for (unsigned i = 0; i < 4; i++)
        net_viewer_watch(v, c.senders[i], true, true);
    net_run(c.w, end_s);
    for (unsigned i = 0; i < v->view_count; i++) {
        unsigned n = net_video_switches(&v->views[i].video, micros(&c, from_s), micros(&c, end_s));
        switches = n > switches ? n : switches;
    }
#define NAMED(text) ((void)snprintf(name, sizeof name, "%s: " text, part), name)
    least(r, NAMED("used by media"), 100 * net_viewer_useful(v, from_s, end_s) / link_bps, "%", 88, 75);
    most(r, NAMED("queue, p95"), net_viewer_queue_ms(v, from_s, end_s, 95), "ms", 80, 160);
    most(r, NAMED("layer switches a minute, worst video"), switches * 60 / (end_s - from_s), "", 1.99, 3);
    figure(r, NAMED("loss by the queue"), 100 * net_viewer_loss(v, from_s, end_s), "%");
    plot(r, part, v);
    call_close(&c);
}

static void run_steady(struct net_result *r)
{
    steady(r, "1 Mbit/s", 1e6);
    steady(r, "2.5 Mbit/s", 2.5e6);
}

/* ---- random loss ---- */

static void lossy(struct net_result *r, const char *part, int percent, double target, double loose)
{
    const double link_bps = 2.5e6, from_s = 10, end_s = 60;
    char script[64], name[96];
    struct call c;
    call_open(&c, r, 1, 1, 0.08);
    (void)snprintf(script, sizeof script, "0 rate=%.0f delay=40ms queue=300ms loss=%d%%", link_bps, percent);
    call_begin(&c, NULL, script);
    struct net_viewer *v = c.viewers[0];
    struct net_view *camera = net_viewer_watch(v, c.senders[0], true, true), *voice = camera - 1;
    net_run(c.w, from_s);
    int64_t then = net_video_pictures(&camera->video);
    net_run(c.w, end_s);
    net_sender_stop(c.senders[0]);
    net_run(c.w, end_s + DRAIN_S);
    least(r, NAMED("frames decodable in time"), in_time_percent(camera, then), "%", target, loose);
    most(r, NAMED("sound concealed, with RED"), concealed_percent(&c, voice, from_s, end_s), "%", 1, 2);
    if (percent == 2)
        least(r, NAMED("least estimate, of the link"),
            100 * net_viewer_estimate_min(v, from_s, end_s) / link_bps, "%", 70, 50);
    figure(r, NAMED("frozen"), (double)camera->video.freeze_us / 1e6, "s");
    figure(r, NAMED("mean layer"), net_viewer_layer_mean(v, from_s, end_s), "");
    plot(r, part, v);
    call_close(&c);
}

static void run_loss(struct net_result *r)
{
    lossy(r, "2 %", 2, 99.5, 98.5);
    lossy(r, "5 %", 5, 99, 97);
    lossy(r, "10 %", 10, 98, 95);
}

/* ---- outages ---- */

static void run_outages(struct net_result *r)
{
    const double from_s = 15, end_s = 115;
    struct call c;
    call_open(&c, r, 1, 1, 0.05);
    call_begin(&c, NULL, "0 rate=3M delay=25ms queue=300ms outage=100ms/10s");
    struct net_viewer *v = c.viewers[0];
    struct net_view *camera = net_viewer_watch(v, c.senders[0], true, true);
    net_run(c.w, from_s);
    unsigned keys = c.senders[0]->keys;
    net_run(c.w, end_s);
    double outages = (end_s - from_s) / 10, freeze_ms = 0;
    for (unsigned i = 0; i < camera->video.freezes && i < 64; i++)
        if (seconds(&c, camera->video.freeze_log[i].at_us) > from_s)
            freeze_ms = fmax(freeze_ms, (double)camera->video.freeze_log[i].us / 1000);
    most(r, "outages that took a key frame", 100 * (c.senders[0]->keys - keys) / outages, "%", 49, 70);
    most(r, "longest freeze", freeze_ms, "ms", 300, 450);
    figure(r, "mean layer", net_viewer_layer_mean(v, from_s, end_s), "");
    plot(r, NULL, v);
    call_close(&c);
}

/* ---- a publisher with a bad uplink ---- */

#define BAD_VIEWERS 20
#define BAD_END_S   25

/* Means over the viewers who watch the good publisher only, and over those who watch both. */
struct uplink_run {
    double estimate_bps[2], least_bps[2], layer[2];
};

/* The good publisher is watched by all, first; the bad one by every other viewer. */
static struct uplink_run uplink(struct net_result *r, const char *up, const char *part)
{
    struct call c;
    struct uplink_run u = {0};
    call_open(&c, r, 2, BAD_VIEWERS, 0.05);
    call_begin(&c, up, "0 rate=2.5M delay=25ms queue=300ms");
    for (unsigned i = 0; i < BAD_VIEWERS; i++) {
        net_viewer_watch(c.viewers[i], c.senders[1], true, true);
        if (i % 2)
            net_viewer_watch(c.viewers[i], c.senders[0], true, true);
    }
    net_run(c.w, BAD_END_S);
    for (unsigned i = 0; i < BAD_VIEWERS; i++) {
        u.estimate_bps[i % 2] += net_viewer_estimate_mean(c.viewers[i], 10, BAD_END_S) * 2 / BAD_VIEWERS;
        u.least_bps[i % 2] += net_viewer_estimate_min(c.viewers[i], 10, BAD_END_S) * 2 / BAD_VIEWERS;
        u.layer[i % 2] += net_viewer_layer_mean(c.viewers[i], 10, BAD_END_S) * 2 / BAD_VIEWERS;
    }
    if (part)
        plot(r, part, c.viewers[1]);
    call_close(&c);
    return u;
}

static double off_percent(double a, double b)
{
    return b > 0 ? 100 * fabs(a / b - 1) : 100;
}

/* A run is chaotic in the small: packets that leave a millisecond later move every estimate a little. How
 * much shows the same run with an uplink that takes a millisecond longer. */
static void run_bad_uplink(struct net_result *r)
{
    static const char *const who[] = {"others only", "both"};
    static const char *const chances[] = {"0 delay=26ms", "0 delay=27ms", "0 delay=29ms"};
    struct uplink_run clean = uplink(r, "0 delay=25ms", NULL),
                      bad = uplink(r, "0 delay=25ms loss=15%", "watches both");
    double noise[2] = {0};
    char name[96];
    for (int n = 0; n < 3; n++) {
        struct uplink_run u = uplink(r, chances[n], NULL);
        for (int i = 0; i < 2; i++)
            noise[i] = fmax(noise[i], off_percent(u.estimate_bps[i], clean.estimate_bps[i]));
    }
    for (int i = 0; i < 2; i++) {
        const char *part = who[i];
        double off = off_percent(bad.estimate_bps[i], clean.estimate_bps[i]);
        figure(r, NAMED("mean estimate is off by"), off, "%");
        figure(r, NAMED("and without loss, by chance"), noise[i], "%");
        most(r, NAMED("off beyond chance"), fmax(0, off - noise[i]), "%", 5, 20);
        most(r, NAMED("least estimate is lower by"), 100 * (1 - bad.least_bps[i] / clean.least_bps[i]), "%",
            10, 25);
        most(r, NAMED("layer of the good one is off by"), fabs(bad.layer[i] - clean.layer[i]), "", 0.05, 0.3);
    }
}

/* ---- thirty join within a second ---- */

#define JOINERS 30

static int compare(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

static void run_join(struct net_result *r)
{
    struct call c;
    double first_ms[JOINERS];
    call_open(&c, r, 1, JOINERS + 1, 0.05);
    call_begin(&c, NULL, "0 rate=5M delay=25ms queue=300ms");
    net_viewer_watch(c.viewers[0], c.senders[0], true, true);
    net_run(c.w, 10);
    unsigned plis = c.senders[0]->plis;
    struct net_view *cameras[JOINERS];
    for (unsigned i = 0; i < JOINERS; i++) {
        net_run(c.w, 10 + (double)i / JOINERS);
        cameras[i] = net_viewer_watch(c.viewers[1 + i], c.senders[0], true, true);
    }
    net_run(c.w, 14);
    for (unsigned i = 0; i < JOINERS; i++) {
        int64_t at_us = net_video_first(&cameras[i]->video, 0, 0);
        first_ms[i] = at_us < 0 ? 4000 : (double)(at_us - cameras[i]->subscribed_us) / 1000;
    }
    unsigned early = 0;
    for (unsigned i = plis; i < c.senders[0]->plis && i < 256; i++)
        early += c.senders[0]->pli_us[i] < 12000000;
    qsort(first_ms, JOINERS, sizeof *first_ms, compare);
    most(r, "key-frame requests that reach the publisher", early, "", 2, 8);
    most(r, "first frame after subscribing, p95", first_ms[JOINERS * 95 / 100], "ms", 250, 500);
    figure(r, "first frame after subscribing, p50", first_ms[JOINERS / 2], "ms");
    call_close(&c);
}

/* ---- sound while there is hardly room for it ---- */

static void run_starved(struct net_result *r)
{
    const double end_s = 60;
    struct call c;
    call_open(&c, r, 1, 1, 0.05);
    call_begin(&c, NULL, "0 rate=150k delay=25ms queue=300ms");
    struct net_viewer *v = c.viewers[0];
    struct net_view *camera = net_viewer_watch(v, c.senders[0], true, true), *voice = camera - 1;
    net_run(c.w, end_s);
    net_sender_stop(c.senders[0]);
    net_run(c.w, end_s + 1);
    double sent = c.senders[0]->streams[NET_LAYERS].packets;
    most(r, "sound dropped by the server", 100 * (sent - (double)voice->server_sent) / sent, "%", 0, 0);
    most(r, "sound delayed by the server, at most", (double)voice->server_delay_us / 1000, "ms", 60, 60);
    figure(r, "sound lost in the link's queue, after 10 s", 100 * net_viewer_loss(v, 10, end_s), "%");
    figure(r, "sound concealed, after 10 s", concealed_percent(&c, voice, 10, end_s), "%");
    figure(r, "queue, p95, after 10 s", net_viewer_queue_ms(v, 10, end_s, 95), "ms");
    plot(r, NULL, v);
    call_close(&c);
}

/* ---- sharing a bottleneck ---- */

static double least_share(const struct net_viewer *v, double from_s, double to_s, double link_bps)
{
    double share = 1;
    for (double at_s = from_s; at_s + 5 <= to_s; at_s += 5)
        share = fmin(share, net_viewer_useful(v, at_s, at_s + 5) / link_bps);
    return share;
}

static void share_subscribers(struct net_result *r)
{
    const double link_bps = 2e6, from_s = 30, end_s = 120;
    struct call c;
    call_open(&c, r, 3, 2, 0.05);
    c.viewers[0]->peer->down = c.viewers[1]->peer->down =
        net_link_add(c.w, "0 rate=2M delay=25ms queue=300ms");
    call_begin(&c, NULL, NULL);
    for (unsigned i = 0; i < 2; i++)
        for (unsigned k = 0; k < 3; k++)
            net_viewer_watch(c.viewers[i], c.senders[k], true, true);
    net_run(c.w, end_s);
    double a = net_viewer_useful(c.viewers[0], from_s, end_s);
    double b = net_viewer_useful(c.viewers[1], from_s, end_s);
    most(r, "two subscribers: a share is off the mean by", 100 * fabs(a - b) / (a + b), "%", 30, 45);
    double low = fmin(least_share(c.viewers[0], from_s, end_s, link_bps),
        least_share(c.viewers[1], from_s, end_s, link_bps));
    least(r, "two subscribers: least share of 5 s, of the link", 100 * low, "%", 15, 10);
    figure(r, "two subscribers: used by media", 100 * (a + b) / link_bps, "%");
    plot(r, "two subscribers", c.viewers[0]);
    call_close(&c);
}

/* Slow start, a packet more each round trip, half for a loss. Acknowledgements take the delay of a way. */
struct tcp {
    struct call *call;
    struct net_link *link;
    double window, threshold;
    int64_t next, acked, in_flight, recover, heard_us, start_us;
    struct {
        int64_t number, due_us;
    } acks[8192];
    unsigned ack_head, ack_tail;
    uint64_t bytes;
};

extern int64_t virtual_now_us;

static void tcp_arrive(void *arg, const struct link_datagram *d, int64_t now_us)
{
    struct tcp *t = arg;
    int64_t number;
    memcpy(&number, d->data, sizeof number);
    t->bytes += d->len + NET_OVERHEAD;
    assert_true(t->ack_tail - t->ack_head < 8192);
    t->acks[t->ack_tail % 8192].number = number;
    t->acks[t->ack_tail++ % 8192].due_us = now_us + (int64_t)(t->call->rtt_s * 5e5);
}

static void tcp_ack(struct tcp *t, int64_t number, int64_t now_us)
{
    t->heard_us = now_us;
    if (number < t->acked)
        return;
    int64_t lost = number - t->acked;
    t->in_flight -= lost + 1;
    t->acked = number + 1;
    if (lost > 0 && number >= t->recover) {
        t->threshold = t->window = fmax(t->window / 2, 2);
        t->recover = t->next;
    } else {
        t->window += t->window < t->threshold ? 1 : 1 / t->window;
    }
}

static void tcp_run(void *arg, int64_t now_us)
{
    struct tcp *t = arg;
    uint8_t data[TCP_BYTES] = {0};
    while (t->ack_head != t->ack_tail && t->acks[t->ack_head % 8192].due_us <= now_us)
        tcp_ack(t, t->acks[t->ack_head++ % 8192].number, now_us);
    if (t->in_flight > 0 && now_us - t->heard_us >= TCP_RTO_US) {
        t->threshold = fmax(t->window / 2, 2);
        t->window = 1;
        t->in_flight = 0;
        t->acked = t->recover = t->next;
        t->heard_us = now_us;
    }
    while (now_us >= t->start_us && (double)t->in_flight < t->window) {
        memcpy(data, &t->next, sizeof t->next);
        link_send(&t->link->link, -1, data, sizeof data, now_us);
        t->next++;
        t->in_flight++;
    }
}

static int64_t tcp_next(const void *arg)
{
    const struct tcp *t = arg;
    if (!t->next)
        return t->start_us;
    int64_t next = t->in_flight > 0 ? t->heard_us + TCP_RTO_US : INT64_MAX;
    if (t->ack_head != t->ack_tail && t->acks[t->ack_head % 8192].due_us < next)
        next = t->acks[t->ack_head % 8192].due_us;
    return next;
}

static void share_tcp(struct net_result *r)
{
    const double link_bps = 2e6, from_s = 30, end_s = 150;
    static struct tcp t;
    struct call c;
    call_open(&c, r, 3, 1, 0.05);
    t = (struct tcp){.call = &c, .window = 10, .threshold = 1e9};
    t.link = c.viewers[0]->peer->down = net_link_add(c.w, "0 rate=2M delay=25ms queue=200ms");
    t.link->other = tcp_arrive;
    t.link->arg = &t;
    call_begin(&c, NULL, NULL);
    t.start_us = t.heard_us = micros(&c, 15);
    c.w->run = tcp_run;
    c.w->next_us = tcp_next;
    c.w->arg = &t;
    for (unsigned k = 0; k < 3; k++)
        net_viewer_watch(c.viewers[0], c.senders[k], true, true);
    net_run(c.w, from_s);
    uint64_t bytes = t.bytes;
    net_run(c.w, end_s);
    double ours = net_viewer_useful(c.viewers[0], from_s, end_s) / link_bps;
    double theirs = (double)(t.bytes - bytes) * 8 / (end_s - from_s) / link_bps;
    least(r, "beside TCP: share of the link", 100 * ours, "%", 35, 10);
    most(r, "beside TCP: share of the link, at most", 100 * ours, "%", 65, 80);
    least(r, "beside TCP: least share of 5 s", 100 * least_share(c.viewers[0], from_s, end_s, link_bps), "%",
        15, 7);
    figure(r, "beside TCP: its share", 100 * theirs, "%");
    plot(r, "beside TCP", c.viewers[0]);
    call_close(&c);
}

static void run_share(struct net_result *r)
{
    share_subscribers(r);
    share_tcp(r);
}

const struct net_scene net_scenes[] = {
    {"drop", "downlink 3 Mbit/s, 500 kbit/s from 20 s, 3 Mbit/s from 50 s; a 720p camera, 50 ms RTT",
        run_drop},
    {"steady", "a steady downlink and four 720p cameras, 50 ms RTT, from 20 s on", run_steady},
    {"loss", "random loss on a downlink of 2.5 Mbit/s, 80 ms RTT", run_loss},
    {"outages", "100 ms of nothing every 10 s on a downlink of 3 Mbit/s, 50 ms RTT", run_outages},
    {"uplink", "15 % loss on one publisher's uplink, 20 viewers, against the same without loss",
        run_bad_uplink},
    {"join", "30 viewers subscribe within a second, 50 ms RTT", run_join},
    {"starved", "a voice and a camera on a downlink of 150 kbit/s, 50 ms RTT", run_starved},
    {"share", "a bottleneck of 2 Mbit/s is shared, 50 ms RTT", run_share},
};
const size_t net_scene_count = sizeof net_scenes / sizeof *net_scenes;

void net_scene_test(const char *name)
{
    const struct net_scene *scene = net_scenes;
    while (scene < net_scenes + net_scene_count && strcmp(scene->name, name) != 0)
        scene++;
    assert_true(scene < net_scenes + net_scene_count);
    struct net_result r = {.seed = 1};
    unsigned missed = 0;
    scene->run(&r);
    for (size_t i = 0; i < r.count; i++) {
        const struct net_figure *f = &r.figures[i];
        bool ok = net_figure_loose(f);
        missed += !ok;
        print_message("%s: %s: %.2f %s%s\n", scene->name, f->name, f->value, f->unit, ok ? "" : " MISSED");
    }
    assert_int_equal(missed, 0);
}
