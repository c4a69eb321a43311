#include "net/link.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define NEVER INT64_MAX

int link_init(struct link *l, uint64_t seed, int64_t start_us)
{
    struct link_step *steps = calloc(1, sizeof *steps);
    if (!steps)
        return -ENOMEM;
    *l = (struct link){
        .random = seeded_of(seed), .steps = steps, .step_count = 1, .start_us = start_us, .at_us = start_us};
    return 0;
}

void link_done(struct link *l)
{
    while (l->head) {
        struct link_datagram *d = l->head;
        l->head = d->next;
        free(d);
    }
    for (size_t i = 0; i < l->flying_count; i++)
        free(l->flying[i]);
    free(l->flying);
    free(l->steps);
    *l = (struct link){0};
}

const struct link_shape *link_shape(const struct link *l)
{
    return &l->steps[l->step].shape;
}

/* ---- script ---- */

static bool in_range(int64_t v, int64_t max)
{
    return v >= 0 && v <= max;
}

static bool shape_is_sound(const struct link_shape *s)
{
    return in_range(s->rate_bps, LINK_RATE_MAX) && in_range(s->queue_us, LINK_TIME_MAX_US) &&
           in_range(s->queue_bytes, INT64_C(1) << 40) && in_range(s->delay_us, LINK_TIME_MAX_US) &&
           in_range(s->jitter_us, LINK_TIME_MAX_US) && in_range(s->reorder_us, LINK_TIME_MAX_US) &&
           in_range(s->outage_every_us, LINK_TIME_MAX_US) && in_range(s->outage_us, s->outage_every_us) &&
           s->overhead <= 1000;
}

int link_step_add(struct link *l, int64_t at_us, const struct link_shape *shape)
{
    struct link_step *last = &l->steps[l->step_count - 1];
    if (!in_range(at_us, LINK_TIME_MAX_US) || at_us < last->at_us || !shape_is_sound(shape))
        return -EINVAL;
    if (at_us == last->at_us) {
        last->shape = *shape;
        return 0;
    }
    if (l->step_count == LINK_STEPS_MAX)
        return -ENOSPC;
    struct link_step *steps = realloc(l->steps, (l->step_count + 1) * sizeof *steps);
    if (!steps)
        return -ENOMEM;
    l->steps = steps;
    l->steps[l->step_count++] = (struct link_step){.at_us = at_us, .shape = *shape};
    return 0;
}

/* ---- outages ---- */

/* Is it in an outage at this time? */
static bool in_outage(const struct link *l, int64_t t_us)
{
    const struct link_shape *s = link_shape(l);
    if (s->outage_us == 0 || s->outage_every_us == 0)
        return false;
    return (t_us - l->start_us) % s->outage_every_us >= s->outage_every_us - s->outage_us;
}

/* The next time after t_us at which the rate may change: a step, or an outage that begins or ends. */
static int64_t next_change(const struct link *l, int64_t t_us)
{
    int64_t best = l->step + 1 < l->step_count ? l->start_us + l->steps[l->step + 1].at_us : NEVER;
    const struct link_shape *s = link_shape(l);
    if (s->outage_us > 0 && s->outage_every_us > 0) {
        int64_t phase = (t_us - l->start_us) % s->outage_every_us, good = s->outage_every_us - s->outage_us;
        int64_t toggle = t_us - phase + (phase < good ? good : s->outage_every_us);
        if (toggle < best)
            best = toggle;
    }
    return best;
}

/* ---- what has left the queue ---- */

static bool earlier(const struct link_datagram *a, const struct link_datagram *b)
{
    return a->due_us != b->due_us ? a->due_us < b->due_us : a->order < b->order;
}

static void fly(struct link *l, struct link_datagram *d)
{
    if (l->flying_count == l->flying_cap) {
        size_t cap = l->flying_cap ? 2 * l->flying_cap : 64;
        struct link_datagram **flying = realloc(l->flying, cap * sizeof(struct link_datagram *));
        if (!flying)
            abort();
        l->flying = flying;
        l->flying_cap = cap;
    }
    d->order = l->order++;
    size_t i = l->flying_count++;
    for (; i > 0 && earlier(d, l->flying[(i - 1) / 2]); i = (i - 1) / 2)
        l->flying[i] = l->flying[(i - 1) / 2];
    l->flying[i] = d;
}

static struct link_datagram *land(struct link *l)
{
    struct link_datagram *first = l->flying[0], *d = l->flying[--l->flying_count];
    size_t i = 0;
    for (;;) {
        size_t child = 2 * i + 1;
        if (child + 1 < l->flying_count && earlier(l->flying[child + 1], l->flying[child]))
            child++;
        if (child >= l->flying_count || !earlier(l->flying[child], d))
            break;
        l->flying[i] = l->flying[child];
        i = child;
    }
    if (l->flying_count > 0)
        l->flying[i] = d;
    return first;
}

static bool chance(struct link *l, uint32_t ppm)
{
    return ppm > 0 && seeded_below(&l->random, LINK_PPM) < ppm;
}

static bool is_lost(struct link *l, const struct link_shape *s, int64_t t_us)
{
    if (s->burst_enter_ppm > 0) {
        if (chance(l, l->bad ? s->burst_leave_ppm : s->burst_enter_ppm))
            l->bad = !l->bad;
    } else {
        l->bad = false;
    }
    bool burst = l->bad && chance(l, s->burst_loss_ppm);
    bool lost = chance(l, s->loss_ppm);
    return burst || lost || (!s->outage_holds && in_outage(l, t_us));
}

static struct link_datagram *copy_of(const struct link_datagram *d)
{
    struct link_datagram *copy = malloc(sizeof *copy + d->len);
    if (!copy)
        abort();
    memcpy(copy, d, sizeof *copy + d->len);
    return copy;
}

/* A datagram is through the bottleneck at t_us. */
static void depart(struct link *l, struct link_datagram *d, int64_t t_us)
{
    const struct link_shape *s = link_shape(l);
    if (is_lost(l, s, t_us)) {
        l->counts.lost++;
        l->held--;
        free(d);
        return;
    }
    int64_t jitter_us =
        s->jitter_us > 0 ? (int64_t)(seeded_u64(&l->random) % (uint64_t)(s->jitter_us + 1)) : 0;
    d->due_us = t_us + s->delay_us + jitter_us;
    if (d->due_us < l->last_due_us && s->jitter_us > 0)
        d->due_us = l->last_due_us;
    if (d->due_us > l->last_due_us)
        l->last_due_us = d->due_us;
    bool twice = chance(l, s->duplicate_ppm) && l->held < LINK_PACKETS_MAX;
    if (chance(l, s->reorder_ppm)) {
        d->due_us += s->reorder_us;
        l->counts.reordered++;
    }
    if (twice) {
        l->counts.duplicated++;
        l->held++;
        fly(l, copy_of(d));
    }
    fly(l, d);
}

/* ---- the queue ---- */

static int64_t wire_bits(const struct link *l, const struct link_datagram *d)
{
    return ((int64_t)d->len + link_shape(l)->overhead) * 8;
}

static void head_start(struct link *l)
{
    if (l->head)
        l->head_left = wire_bits(l, l->head) * 1000000;
}

static void head_depart(struct link *l, int64_t t_us)
{
    struct link_datagram *d = l->head;
    l->head = d->next;
    if (!l->head)
        l->tail = NULL;
    l->queued_bytes -= (int64_t)d->len;
    int64_t rate_bps = link_shape(l)->rate_bps;
    int64_t own_us = rate_bps > 0 ? wire_bits(l, d) * 1000000 / rate_bps : 0;
    d->queue_us = t_us - d->sent_us > own_us ? t_us - d->sent_us - own_us : 0;
    head_start(l);
    depart(l, d, t_us);
}

/* The bottleneck works from at_us to end_us, within which its rate does not change. */
static void work(struct link *l, int64_t end_us)
{
    int64_t rate_bps = link_shape(l)->rate_bps;
    if (link_shape(l)->outage_holds && in_outage(l, l->at_us)) {
        l->at_us = end_us;
        return;
    }
    while (l->head) {
        int64_t need_us = rate_bps > 0 ? (l->head_left + rate_bps - 1) / rate_bps : 0;
        if (need_us > end_us - l->at_us) {
            l->head_left -= (end_us - l->at_us) * rate_bps;
            break;
        }
        l->at_us += need_us;
        head_depart(l, l->at_us);
    }
    l->at_us = end_us;
}

static void advance(struct link *l, int64_t now_us)
{
    while (l->at_us < now_us) {
        int64_t change_us = next_change(l, l->at_us);
        work(l, change_us < now_us ? change_us : now_us);
        while (l->step + 1 < l->step_count && l->start_us + l->steps[l->step + 1].at_us <= l->at_us)
            l->step++;
    }
    work(l, l->at_us); /* what takes no time */
}

int64_t link_queue_us(const struct link *l)
{
    int64_t rate_bps = link_shape(l)->rate_bps;
    if (rate_bps == 0 || !l->head)
        return 0;
    int64_t behind_bits = (l->queued_bytes - (int64_t)l->head->len) * 8;
    return l->head_left / rate_bps + behind_bits * 1000000 / rate_bps;
}

static bool queue_has_room(const struct link *l, size_t len)
{
    const struct link_shape *s = link_shape(l);
    if (!l->head)
        return true;
    if (s->queue_bytes > 0 && l->queued_bytes + (int64_t)len > s->queue_bytes)
        return false;
    return s->queue_us == 0 || link_queue_us(l) <= s->queue_us;
}

void link_send(struct link *l, int tag, const void *data, size_t len, int64_t now_us)
{
    advance(l, now_us);
    l->counts.sent++;
    if (len > LINK_DATAGRAM_MAX || l->held >= LINK_PACKETS_MAX || !queue_has_room(l, len)) {
        l->counts.dropped++;
        return;
    }
    struct link_datagram *d = malloc(sizeof *d + len);
    if (!d)
        abort();
    *d = (struct link_datagram){.sent_us = now_us, .tag = tag, .len = len};
    if (len > 0)
        memcpy(d->data, data, len);
    if (l->tail)
        l->tail->next = d;
    else
        l->head = d;
    l->tail = d;
    l->queued_bytes += (int64_t)len;
    l->held++;
    if (l->head == d)
        head_start(l);
    work(l, l->at_us);
}

int64_t link_next_us(const struct link *l)
{
    int64_t next_us = l->flying_count ? l->flying[0]->due_us : NEVER;
    if (!l->head)
        return next_us;
    int64_t rate_bps = link_shape(l)->rate_bps, departs_us = l->at_us;
    bool holds = link_shape(l)->outage_holds && in_outage(l, l->at_us);
    if (holds)
        departs_us = NEVER;
    else if (rate_bps > 0)
        departs_us += (l->head_left + rate_bps - 1) / rate_bps;
    int64_t change_us = next_change(l, l->at_us);
    if (change_us < departs_us)
        departs_us = change_us;
    return departs_us < next_us ? departs_us : next_us;
}

struct link_datagram *link_take(struct link *l, int64_t now_us)
{
    advance(l, now_us);
    if (l->flying_count == 0 || l->flying[0]->due_us > now_us)
        return NULL;
    struct link_datagram *d = land(l);
    d->next = NULL;
    l->held--;
    l->counts.delivered++;
    l->counts.bytes += d->len;
    return d;
}

int link_shape_set(struct link *l, const struct link_shape *shape, int64_t now_us)
{
    if (!shape_is_sound(shape))
        return -EINVAL;
    advance(l, now_us);
    l->step_count = l->step + 1;
    l->steps[l->step].shape = *shape;
    return 0;
}
