#include "cc/delay.h"

#define BURST_US      5000
#define BURST_MAX_US  100000
#define CLOCK_JUMP_US 3000000
#define BACKWARDS_MAX 3
#define SPAN_US       5000000
#define QUEUE_MAX_US  60000000

void delay_groups_init(struct delay_groups *g)
{
    *g = (struct delay_groups){0};
}

static struct delay_group group_of(int64_t sent_us, int64_t recv_us)
{
    return (struct delay_group){.first_sent_us = sent_us,
        .sent_us = sent_us,
        .first_recv_us = recv_us,
        .recv_us = recv_us,
        .used = true};
}

/* Sent within one burst, or arrived together with the group although sent later: then the network held both
 * and let them go at once, which says nothing about its rate. */
static bool belongs(const struct delay_group *g, int64_t sent_us, int64_t recv_us)
{
    if (sent_us - g->first_sent_us <= BURST_US)
        return true;
    int64_t sent_gap_us = sent_us - g->sent_us, recv_gap_us = recv_us - g->recv_us;
    return recv_gap_us >= -BURST_US && recv_gap_us <= BURST_US && recv_gap_us < sent_gap_us &&
           recv_us - g->first_recv_us < BURST_MAX_US;
}

bool delay_groups_input(struct delay_groups *g, int64_t sent_us, int64_t recv_us, struct delay_delta *ret)
{
    struct delay_group *c = &g->current;
    if (!c->used) {
        *c = group_of(sent_us, recv_us);
        return false;
    }
    if (sent_us < c->first_sent_us)
        return false;
    if (belongs(c, sent_us, recv_us)) {
        if (sent_us > c->sent_us)
            c->sent_us = sent_us;
        if (recv_us > c->recv_us)
            c->recv_us = recv_us;
        return false;
    }
    bool complete = false;
    struct delay_delta d = {0};
    if (g->previous.used) {
        d = (struct delay_delta){
            c->sent_us - g->previous.sent_us, c->recv_us - g->previous.recv_us, c->recv_us};
        if (d.recv_us - d.sent_us > CLOCK_JUMP_US || d.recv_us < -CLOCK_JUMP_US) {
            *g = (struct delay_groups){.current = group_of(sent_us, recv_us)};
            return false;
        }
        if (d.recv_us < 0) {
            if (++g->backwards >= BACKWARDS_MAX)
                *g = (struct delay_groups){0};
            g->current = group_of(sent_us, recv_us);
            return false;
        }
        g->backwards = 0;
        complete = true;
    }
    g->previous = *c;
    *c = group_of(sent_us, recv_us);
    if (complete)
        *ret = d;
    return complete;
}

/* ---- queue ---- */

void delay_queue_init(struct delay_queue *q)
{
    *q = (struct delay_queue){0};
}

int64_t delay_queue_input(struct delay_queue *q, int64_t sent_us, int64_t recv_us)
{
    int64_t transit_us = recv_us - sent_us;
    if (!q->started) {
        for (unsigned i = 0; i < DELAY_MINIMA; i++)
            q->minima_us[i] = transit_us;
        q->span_us = sent_us;
        q->started = true;
    }
    if (sent_us - q->span_us >= SPAN_US) {
        q->span_us = sent_us;
        q->at = (q->at + 1) % DELAY_MINIMA;
        q->minima_us[q->at] = transit_us;
    }
    if (transit_us < q->minima_us[q->at])
        q->minima_us[q->at] = transit_us;
    int64_t least_us = q->minima_us[0];
    for (unsigned i = 1; i < DELAY_MINIMA; i++)
        if (q->minima_us[i] < least_us)
            least_us = q->minima_us[i];
    int64_t queue_us = transit_us - least_us;
    return queue_us < QUEUE_MAX_US ? queue_us : QUEUE_MAX_US;
}
