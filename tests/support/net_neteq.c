#include "support/net_neteq.h"

#include <setjmp.h>
#include <stdarg.h>
#include <cmocka.h>
#include <stdlib.h>
#include <string.h>

#define FRAME_US      20000
#define BUCKETS       100   /* of lateness, 20 ms each */
#define FORGET        0.983 /* of the histogram, with each packet */
#define QUANTILE      0.95
#define LOSS_COST_MS  20.0 /* what one percent of packets missed is worth, in delay */
#define AIM_MIN_US    40000
#define STRETCH_EVERY 5 /* frames between two changes of speed */
#define STRETCH_US    15000

void net_neteq_input(struct net_neteq *q, uint32_t frame, int64_t now_us)
{
    if (frame >= q->cap) {
        size_t cap = q->cap ? q->cap : 1024;
        while (cap <= frame)
            cap *= 2;
        q->arrival_us = realloc(q->arrival_us, cap * sizeof *q->arrival_us);
        assert_non_null(q->arrival_us);
        memset(q->arrival_us + q->cap, 0, (cap - q->cap) * sizeof *q->arrival_us);
        q->cap = cap;
    }
    if (!q->arrival_us[frame])
        q->arrival_us[frame] = now_us;
    if (!q->first || frame < q->first)
        q->first = frame;
    if (frame > q->newest)
        q->newest = frame;
}

void net_neteq_done(struct net_neteq *q)
{
    free(q->arrival_us);
}

/* The state while it plays. */
struct player {
    const struct net_neteq *q;
    double in_order[BUCKETS], late[BUCKETS]; /* lateness of packets; of those that others overtook */
    double missing;                          /* share of packets that others overtook */
    int64_t best_us;                         /* arrival of a packet without delay, less its place */
    uint32_t heard;                          /* arrivals up to this frame are in the histograms */
    int64_t aim_us;
    uint32_t next;
    int64_t waiting_us; /* stretched sound that is still to be played */
    unsigned since;     /* frames since the speed was changed */
};

static int64_t arrival(const struct net_neteq *q, uint32_t frame)
{
    return frame < q->cap ? q->arrival_us[frame] : 0;
}

static void histogram_input(double *h, int64_t late_us, double weight)
{
    int64_t at = late_us / FRAME_US;
    at = at < 0 ? 0 : at >= BUCKETS ? BUCKETS - 1 : at;
    for (int i = 0; i < BUCKETS; i++)
        h[i] *= FORGET;
    h[at] += (1 - FORGET) * weight;
}

static int64_t aim(const struct player *p)
{
    double sum = 0, all = 0, best = -1, missed = 0;
    int quantile = 0, cheapest = 0;
    for (int i = 0; i < BUCKETS; i++)
        all += p->in_order[i];
    for (quantile = 0; quantile < BUCKETS; quantile++)
        if ((sum += p->in_order[quantile]) >= QUANTILE * all)
            break;
    for (int i = 0; i < BUCKETS; i++)
        missed += p->late[i];
    for (int i = 0; i < BUCKETS; i++) { /* so much delay against so many missed */
        double cost = i * FRAME_US / 1000.0 + LOSS_COST_MS * 100 * missed;
        if (best < 0 || cost < best) {
            best = cost;
            cheapest = i;
        }
        missed -= p->late[i];
    }
    int64_t us = ((quantile > cheapest ? quantile : cheapest) + 1) * (int64_t)FRAME_US;
    return us < AIM_MIN_US ? AIM_MIN_US : us;
}

/* Takes notice of what came by now. */
static void listen(struct player *p, int64_t now_us)
{
    while (p->heard <= p->q->newest) {
        uint32_t n = p->heard;
        int64_t at = arrival(p->q, n);
        int64_t after = arrival(p->q, n + 1), after2 = arrival(p->q, n + 2);
        bool overtaken = (after && (!at || after < at)) || (after2 && (!at || after2 < at));
        int64_t known_us = overtaken && at ? at : at ? at : after;
        if (!known_us || known_us > now_us)
            return;
        p->heard++;
        if (!at)
            continue;
        int64_t place = (int64_t)n * FRAME_US;
        if (at - place < p->best_us)
            p->best_us = at - place;
        histogram_input(p->late, overtaken ? at - place - p->best_us : 0, overtaken ? 1 : 0);
        if (!overtaken)
            histogram_input(p->in_order, at - place - p->best_us, 1);
        p->aim_us = aim(p);
    }
}

/* Sound that waits, up to the first hole that nothing follows. */
static int64_t level(const struct player *p, int64_t now_us)
{
    uint32_t end = p->next;
    for (uint32_t n = p->next; n <= p->q->newest && n < p->next + BUCKETS; n++)
        if (arrival(p->q, n) && arrival(p->q, n) <= now_us)
            end = n + 1;
    return (int64_t)(end - p->next) * FRAME_US + p->waiting_us;
}

static void change_speed(struct player *p, int64_t now_us, struct net_played *r)
{
    if (++p->since < STRETCH_EVERY)
        return;
    int64_t have = level(p, now_us);
    if (have > p->aim_us + FRAME_US && p->waiting_us <= 0) {
        p->waiting_us -= STRETCH_US;
        r->shrunk++;
    } else if (have < p->aim_us * 3 / 4) {
        p->waiting_us += STRETCH_US;
        r->stretched++;
    } else {
        return;
    }
    p->since = 0;
}

struct net_played net_neteq_play(const struct net_neteq *q, int64_t from_us, int64_t to_us)
{
    struct net_played r = {0};
    if (!q->first)
        return r;
    struct player p = {.q = q, .next = q->first, .heard = q->first, .aim_us = AIM_MIN_US};
    int64_t now_us = q->arrival_us[q->first];
    p.best_us = now_us - (int64_t)q->first * FRAME_US;
    for (double aims = 0; now_us < to_us; now_us += FRAME_US) {
        listen(&p, now_us);
        bool counts = now_us >= from_us;
        r.frames += counts;
        aims += counts ? (double)p.aim_us / 1000 : 0;
        r.delay_ms = r.frames ? aims / (double)r.frames : 0;
        if (p.waiting_us >= FRAME_US) { /* stretched sound */
            p.waiting_us -= FRAME_US;
            continue;
        }
        int64_t at = arrival(q, p.next);
        if (at && at <= now_us) {
            p.next++;
            change_speed(&p, now_us, &r);
            if (p.waiting_us <= -FRAME_US && arrival(q, p.next) && arrival(q, p.next) <= now_us) {
                p.waiting_us += FRAME_US;
                p.next++;
            }
            continue;
        }
        r.concealed += counts;
        if (level(&p, now_us) > 0)
            p.next++; /* what follows it is there: it never plays */
    }
    return r;
}
