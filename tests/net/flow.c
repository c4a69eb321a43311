#include "net/flow.h"

#include <stdlib.h>
#include <string.h>
#include "rtp/rtcp.h"

#define BURST_US     5000
#define FEEDBACK_MAX 1200
#define PAD_MIN      200 /* bytes of a probe packet */
#define PAD_MAX      1000
#define TCP_RTO_US   1000000
#define SAMPLE_US    10000

static int64_t at(double seconds)
{
    return FLOW_START_US + (int64_t)(seconds * 1e6);
}

static void *grown(void *p, size_t count, size_t *cap, size_t size)
{
    if (count < *cap)
        return p;
    *cap = *cap ? 2 * *cap : 1024;
    p = realloc(p, *cap * size);
    if (!p)
        abort();
    return p;
}

/* ---- networks ---- */

static void direction_init(struct link *l, uint64_t seed, const char *words)
{
    struct link_shape s = {0};
    if (link_init(l, seed, FLOW_START_US) || link_shape_parse(words, &s, NULL) || link_step_add(l, 0, &s))
        abort();
}

struct network *network_new(uint64_t seed, const char *shape, const char *back)
{
    struct network *n = calloc(1, sizeof *n);
    if (!n)
        abort();
    direction_init(&n->out, seed, shape);
    direction_init(&n->back, seed + 1, back);
    n->now_us = FLOW_START_US;
    return n;
}

void network_free(struct network *n)
{
    for (int i = 0; i < FLOWS_MAX; i++) {
        free(n->flows[i].packets);
        free(n->flows[i].samples);
    }
    link_done(&n->out);
    link_done(&n->back);
    free(n);
}

void network_change(struct network *n, double at_s, const char *words)
{
    struct link_shape s = n->out.steps[n->out.step_count - 1].shape;
    if (link_shape_parse(words, &s, NULL) || link_step_add(&n->out, (int64_t)(at_s * 1e6), &s))
        abort();
}

static struct flow *flow_add(struct network *n, double from_s)
{
    for (int i = 0; i < FLOWS_MAX; i++) {
        struct flow *f = &n->flows[i];
        if (f->used)
            continue;
        f->used = true;
        f->from_us = f->frame_us = f->refill_us = at(from_s) + i * 7000;
        return f;
    }
    abort();
}

struct flow *network_media(struct network *n, double from_s, int64_t start_bps, int64_t wanted_bps)
{
    struct flow *f = flow_add(n, from_s);
    f->wanted_bps = f->media_bps = wanted_bps;
    estimator_init(&f->estimator, start_bps, f->from_us);
    estimator_wanted_set(&f->estimator, wanted_bps, f->from_us);
    twcc_recorder_init(&f->recorder);
    if (twcc_sender_init(&f->sender, f->slots, FLOW_SLOTS))
        abort();
    return f;
}

struct flow *network_tcp(struct network *n, double from_s)
{
    struct flow *f = flow_add(n, from_s);
    f->tcp = true;
    f->tcp_state = (struct tcp_flow){.window = 10, .threshold = 1e9, .heard_us = f->from_us};
    return f;
}

void flow_limit(struct flow *f, int64_t media_bps, int64_t wanted_bps, int64_t now_us)
{
    f->media_bps = media_bps;
    f->wanted_bps = wanted_bps;
    estimator_wanted_set(&f->estimator, wanted_bps, now_us);
}

/* ---- what travels: the number of a packet, as long as the packet is ---- */

static void packet_send(struct network *n, struct flow *f, uint16_t size, bool probe)
{
    uint8_t data[FLOW_PACKET] = {0};
    int64_t number = (int64_t)f->count;
    f->packets = grown(f->packets, f->count, &f->cap, sizeof *f->packets);
    f->packets[f->count++] = (struct flow_packet){.sent_us = n->now_us, .size = size, .probe = probe};
    memcpy(data, &number, sizeof number);
    if (!f->tcp) {
        twcc_sender_next(&f->sender, n->now_us, size, estimator_tag(&f->estimator));
        estimator_sent(&f->estimator, size, n->now_us);
    }
    link_send(&n->out, (int)(f - n->flows), data, size, n->now_us);
}

static void packet_arrive(struct network *n, const struct link_datagram *d)
{
    struct flow *f = &n->flows[d->tag];
    int64_t number;
    memcpy(&number, d->data, sizeof number);
    struct flow_packet *p = &f->packets[number];
    if (p->recv_us == 0) {
        p->recv_us = d->due_us;
        p->queue_us = d->queue_us;
    }
    if (f->tcp)
        link_send(&n->back, d->tag, &number, sizeof number, n->now_us);
    else
        twcc_recorder_input(&f->recorder, (uint16_t)number, d->due_us);
}

static void feedback_write(struct network *n, struct flow *f)
{
    while (twcc_recorder_next_timeout(&f->recorder) <= n->now_us) {
        uint8_t data[FEEDBACK_MAX];
        struct writer w = writer_of(data, sizeof data);
        if (!twcc_recorder_write(&f->recorder, &w, 1, 2, n->now_us))
            abort();
        link_send(&n->back, (int)(f - n->flows), data, w.len, n->now_us);
    }
}

/* ---- TCP: slow start, a packet a round trip, half for a loss; no more than that ---- */

static void tcp_ack(struct network *n, struct flow *f, int64_t number)
{
    struct tcp_flow *t = &f->tcp_state;
    t->heard_us = n->now_us;
    if (number < t->acked)
        return;
    int64_t lost = number - t->acked;
    t->in_flight -= lost + 1;
    t->acked = number + 1;
    if (lost > 0 && number >= t->recover) {
        t->threshold = t->window = t->window / 2 > 2 ? t->window / 2 : 2;
        t->recover = t->next;
    } else {
        t->window += t->window < t->threshold ? 1 : 1 / t->window;
    }
}

static void tcp_turn(struct network *n, struct flow *f)
{
    struct tcp_flow *t = &f->tcp_state;
    if (t->in_flight > 0 && n->now_us - t->heard_us > TCP_RTO_US) {
        t->threshold = t->window / 2 > 2 ? t->window / 2 : 2;
        t->window = 1;
        t->in_flight = 0;
        t->acked = t->recover = t->next;
        t->heard_us = n->now_us;
    }
    while ((double)t->in_flight < t->window) {
        packet_send(n, f, FLOW_PACKET, false);
        t->next++;
        t->in_flight++;
    }
}

/* ---- media ---- */

static void frame_turn(struct network *n, struct flow *f)
{
    while (f->frame_us <= n->now_us) {
        int64_t bps = f->estimator.estimate_bps < f->media_bps ? f->estimator.estimate_bps : f->media_bps;
        int64_t units = bps * FLOW_FRAME_US + f->carry;
        f->carry = units % 8000000;
        f->backlog += units / 8000000;
        f->frame_us += FLOW_FRAME_US;
        if (f->backlog > bps / 16) /* half a second: the newest picture counts */
            f->backlog = bps / 16;
    }
}

static void pacer_turn(struct network *n, struct flow *f)
{
    int64_t media_bps = f->estimator.estimate_bps < f->media_bps ? f->estimator.estimate_bps : f->media_bps;
    int64_t rate_bps =
        media_bps * 5 / 2 > f->estimator.estimate_bps ? media_bps * 5 / 2 : f->estimator.estimate_bps;
    int64_t most = rate_bps * BURST_US / 8000000;
    f->level += rate_bps * (n->now_us - f->refill_us) / 8000000;
    f->refill_us = n->now_us;
    if (f->level > most)
        f->level = most;
    while (f->level > 0 && f->backlog > 0) {
        int64_t size = f->backlog < FLOW_PACKET ? f->backlog : FLOW_PACKET;
        if (size < 60)
            size = 60;
        packet_send(n, f, (uint16_t)size, false);
        f->backlog = f->backlog > size ? f->backlog - size : 0;
        f->level -= size;
    }
    int64_t due;
    while ((due = estimator_probe_due(&f->estimator, n->now_us)) > 0)
        packet_send(n, f, (uint16_t)(due < PAD_MIN ? PAD_MIN : due > PAD_MAX ? PAD_MAX : due), true);
}

static void feedback_read(struct network *n, struct flow *f, const struct link_datagram *d)
{
    struct cursor c = cursor_of(d->data, d->len);
    struct rtcp_block b;
    if (rtcp_next(&c, &b) != 1 || twcc_sender_feedback(&f->sender, &b, estimator_result, &f->estimator) < 0)
        abort();
    estimator_update(&f->estimator, n->now_us);
}

static void flow_turn(struct network *n, struct flow *f)
{
    if (f->tcp) {
        tcp_turn(n, f);
        return;
    }
    if (estimator_next_timeout(&f->estimator, n->now_us - 1) <= n->now_us)
        estimator_timeout(&f->estimator, n->now_us);
    frame_turn(n, f);
    pacer_turn(n, f);
    if ((n->now_us - FLOW_START_US) % SAMPLE_US == 0) {
        f->samples = grown(f->samples, f->sample_count, &f->sample_cap, sizeof *f->samples);
        f->samples[f->sample_count++] = (struct flow_sample){n->now_us, f->estimator.estimate_bps};
    }
}

static void network_turn(struct network *n)
{
    struct link_datagram *d;
    while ((d = link_take(&n->out, n->now_us))) {
        packet_arrive(n, d);
        free(d);
    }
    for (int i = 0; i < FLOWS_MAX; i++)
        if (n->flows[i].used && !n->flows[i].tcp && n->flows[i].from_us <= n->now_us)
            feedback_write(n, &n->flows[i]);
    while ((d = link_take(&n->back, n->now_us))) {
        struct flow *f = &n->flows[d->tag];
        int64_t number;
        if (f->tcp) {
            memcpy(&number, d->data, sizeof number);
            tcp_ack(n, f, number);
        } else {
            feedback_read(n, f, d);
        }
        free(d);
    }
    for (int i = 0; i < FLOWS_MAX; i++)
        if (n->flows[i].used && n->flows[i].from_us <= n->now_us)
            flow_turn(n, &n->flows[i]);
}

void network_run(struct network *n, double until_s)
{
    for (; n->now_us < at(until_s); n->now_us += FLOW_TICK_US)
        network_turn(n);
}

/* ---- figures ---- */

double flow_sent_bps(const struct flow *f, double from_s, double to_s)
{
    double bytes = 0;
    for (size_t i = 0; i < f->count; i++)
        if (f->packets[i].sent_us >= at(from_s) && f->packets[i].sent_us < at(to_s))
            bytes += f->packets[i].size;
    return bytes * 8 / (to_s - from_s);
}

double flow_useful_bps(const struct flow *f, double from_s, double to_s)
{
    double bytes = 0;
    for (size_t i = 0; i < f->count; i++) {
        const struct flow_packet *p = &f->packets[i];
        if (!p->probe && p->recv_us >= at(from_s) && p->recv_us < at(to_s))
            bytes += p->size;
    }
    return bytes * 8 / (to_s - from_s);
}

double flow_loss(const struct flow *f, double from_s, double to_s)
{
    double sent = 0, lost = 0;
    for (size_t i = 0; i < f->count; i++) {
        const struct flow_packet *p = &f->packets[i];
        if (p->sent_us < at(from_s) || p->sent_us >= at(to_s))
            continue;
        sent++;
        lost += p->recv_us == 0;
    }
    return sent > 0 ? lost / sent : 0;
}

static int by_value(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;
    return x < y ? -1 : x > y;
}

double flow_queue_ms(const struct flow *f, double from_s, double to_s, double percentile)
{
    double *values = malloc((f->count + 1) * sizeof *values);
    if (!values)
        abort();
    size_t count = 0;
    for (size_t i = 0; i < f->count; i++) {
        const struct flow_packet *p = &f->packets[i];
        if (p->recv_us && p->sent_us >= at(from_s) && p->sent_us < at(to_s))
            values[count++] = (double)p->queue_us / 1000;
    }
    qsort(values, count, sizeof *values, by_value);
    double v = count ? values[(size_t)((double)(count - 1) * percentile / 100)] : 0;
    free(values);
    return v;
}

double flow_queue_over_s(const struct flow *f, double from_s, double to_s, double limit_ms)
{
    double last = 0;
    for (size_t i = 0; i < f->count; i++) {
        const struct flow_packet *p = &f->packets[i];
        if (p->recv_us && p->sent_us >= at(from_s) && p->sent_us < at(to_s) &&
            (double)p->queue_us / 1000 > limit_ms)
            last = (double)(p->recv_us - at(from_s)) / 1e6;
    }
    return last;
}

double flow_estimate_mean(const struct flow *f, double from_s, double to_s)
{
    double sum = 0, count = 0;
    for (size_t i = 0; i < f->sample_count; i++) {
        if (f->samples[i].at_us >= at(from_s) && f->samples[i].at_us < at(to_s)) {
            sum += (double)f->samples[i].estimate_bps;
            count++;
        }
    }
    return count > 0 ? sum / count : 0;
}

double flow_estimate_min(const struct flow *f, double from_s, double to_s)
{
    double least = 1e18;
    for (size_t i = 0; i < f->sample_count; i++)
        if (f->samples[i].at_us >= at(from_s) && f->samples[i].at_us < at(to_s) &&
            (double)f->samples[i].estimate_bps < least)
            least = (double)f->samples[i].estimate_bps;
    return least;
}

double flow_estimate_max(const struct flow *f, double from_s, double to_s)
{
    double most = 0;
    for (size_t i = 0; i < f->sample_count; i++)
        if (f->samples[i].at_us >= at(from_s) && f->samples[i].at_us < at(to_s) &&
            (double)f->samples[i].estimate_bps > most)
            most = (double)f->samples[i].estimate_bps;
    return most;
}

double flow_reaches_s(const struct flow *f, double from_s, double bps)
{
    for (size_t i = 0; i < f->sample_count; i++)
        if (f->samples[i].at_us >= at(from_s) && (double)f->samples[i].estimate_bps >= bps)
            return (double)(f->samples[i].at_us - at(from_s)) / 1e6;
    return -1;
}
