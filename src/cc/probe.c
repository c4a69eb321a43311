#include "cc/probe.h"

#define NEVER              INT64_MAX
#define INTERVAL_US        2000000
#define INTERVAL_MAX_US    3500000
#define WISH_GAP_US        500000 /* between a cluster and one for a new wish */
#define WISH_NEW           1.2    /* a wish that grew by this is a new one */
#define WISH_ROOM          1.1    /* probed above what is wanted: the result has to carry it */
#define STEP               2      /* times the estimate */
#define START_WISH         2      /* times what is wanted, at most, at the start */
#define STEP_IDLE          4      /* where nothing is at risk: the media alone sets the rate */
#define FULL_SHARE         0.85   /* arrived against sent: above, the link was not full, but for jitter */
#define NEAR_SHARE         0.95
#define FOUND_MORE         1.05 /* times the estimate: what a cluster found is asked for */
#define ARRIVED_SHARE      0.8  /* packets and bytes that must have arrived */
#define BURST_US           1000 /* sent within this: together */
#define SPAN_MIN_US        1000
#define SPAN_MAX_US        1000000
#define FASTER_MAX         2.0 /* arrived so much faster than sent: bunched on the way, says nothing */
#define CONFIRM_US         250000 /* after a cluster that got through: the rate it allowed has to be seen to work */
#define BELIED_US          2000000 /* the queue grew so soon after it: it was wrong */
#define INTERVAL_BELIED_US 15000000
#define HINT_GAP_US        1000000
#define AGAIN_US           500000 /* after a cluster that said nothing */
#define TIMEOUT_US         1000000
#define SENDING_MAX_US     300000
#define RECOVER_GAP_US     500000
#define RECOVER_VALID_US   5000000

static int64_t at_most(int64_t a, int64_t b)
{
    return a < b ? a : b;
}

static void queue_put(struct probe *p, int64_t rate_bps, bool first)
{
    if (p->queued == PROBE_QUEUED || rate_bps <= 0)
        return;
    uint32_t bytes = (uint32_t)((double)rate_bps * PROBE_DURATION_US / 8e6);
    p->queue[p->queued++] = (struct probe_cluster){.rate_bps = rate_bps,

        .packets = PROBE_PACKETS_MIN,
        .bytes = bytes,
        .first = first};
}

void probe_init(struct probe *p, int64_t start_bps, int64_t max_bps, int64_t now_us)
{
    *p = (struct probe){.next_us = now_us + INTERVAL_US,
        .interval_us = INTERVAL_US,
        .reported_us = INT64_MIN,
        .raised_us = INT64_MIN / 2};
    p->begun_us = now_us - TIMEOUT_US;
    queue_put(p, at_most(3 * start_bps, max_bps), true);
    queue_put(p, at_most(6 * start_bps, max_bps), true);
}

void probe_wanted_set(struct probe *p, int64_t wanted_bps, int64_t now_us)
{
    if ((double)wanted_bps > WISH_NEW * (double)p->wanted_bps) {
        p->interval_us = INTERVAL_US;
        if (p->next_us > now_us && now_us - p->begun_us >= WISH_GAP_US)
            p->next_us = now_us;
        else if (p->next_us > p->begun_us + WISH_GAP_US)
            p->next_us = p->begun_us + WISH_GAP_US;
    }
    p->wanted_bps = wanted_bps;
    /* what waits was decided without knowing that */
    int64_t most_bps = START_WISH * wanted_bps;
    for (unsigned i = 0; i < p->queued && wanted_bps > 0; i++) {
        if (p->queue[i].rate_bps <= most_bps)
            continue;
        p->queued = i;
        if (i == 0 || p->queue[i - 1].rate_bps < most_bps)
            queue_put(p, most_bps, true);
        break;
    }
}

void probe_recover(struct probe *p, int64_t before_bps, int64_t now_us)
{
    p->recover_bps = before_bps;
    p->recover_at_us = now_us;
}

void probe_hint(struct probe *p, int64_t now_us)
{
    int64_t gap_us = p->interval_us / 2 > HINT_GAP_US ? p->interval_us / 2 : HINT_GAP_US;
    p->next_us = at_most(p->next_us, now_us > p->begun_us + gap_us ? now_us : p->begun_us + gap_us);
}

static bool in_flight(const struct probe *p)
{
    for (unsigned i = 0; i < PROBE_TRACKS; i++)
        if (p->tracks[i].cluster.id)
            return true;
    return p->queued > 0;
}

void probe_update(struct probe *p, const struct probe_state *s, int64_t now_us)
{
    if (!s->quiet || in_flight(p))
        return;
    if (p->recover_bps > 0 && now_us - p->recover_at_us >= RECOVER_GAP_US) {
        int64_t rate_bps = p->recover_bps;
        p->recover_bps = 0;
        if (now_us - p->recover_at_us < RECOVER_VALID_US && rate_bps > s->estimate_bps * 5 / 4) {
            queue_put(p, at_most(rate_bps, s->max_bps), false);
            return;
        }
    }
    if (now_us - p->raised_us > BELIED_US && p->raised_us > INT64_MIN / 2) {
        p->raised_us = INT64_MIN / 2;
        p->interval_us = INTERVAL_US; /* clusters tell the truth here */
    }
    if (p->wanted_bps <= s->estimate_bps || now_us < p->next_us)
        return;
    int64_t most_bps = at_most((int64_t)(WISH_ROOM * (double)p->wanted_bps), s->max_bps);
    int64_t rate_bps = (s->app_limited ? STEP_IDLE : STEP) * s->estimate_bps;
    bool found = s->app_limited && (double)p->found_bps > FOUND_MORE * (double)s->estimate_bps;
    if (found)
        rate_bps = at_most(rate_bps, p->found_bps);
    p->found_bps = 0;
    queue_put(p, at_most(rate_bps, most_bps), false);
    if (p->queued)
        p->queue[p->queued - 1].found = found;
    p->next_us = now_us + p->interval_us;
}

/* ---- sending ---- */

static int track_find(const struct probe *p, uint8_t id)
{
    for (int i = 0; i < PROBE_TRACKS; i++)
        if (p->tracks[i].cluster.id == id)
            return i;
    return -1;
}

/* id 0: a free one. */
static struct probe_track *track_of(struct probe *p, uint8_t id)
{
    int i = track_find(p, id);
    return i < 0 ? NULL : &p->tracks[i];
}

static void begin(struct probe *p, int64_t now_us)
{
    struct probe_track *t = track_of(p, 0);
    if (!t)
        return;
    struct probe_cluster c = p->queue[0];
    p->queue[0] = p->queue[1];
    p->queued--;
    p->last_id = p->last_id == UINT8_MAX ? 1 : p->last_id + 1;
    c.id = p->last_id;
    *t = (struct probe_track){.cluster = c, .begun_us = now_us};
    p->active = c.id;
    p->begun_us = now_us;
}

static void finish(struct probe *p, struct probe_track *t, int64_t now_us)
{
    t->complete = true;
    t->complete_us = now_us;
    p->active = 0;
}

int64_t probe_due(struct probe *p, int64_t now_us)
{
    if (!p->active && p->queued > 0)
        begin(p, now_us);
    struct probe_track *t = p->active ? track_of(p, p->active) : NULL;
    if (!t)
        return 0;
    int64_t elapsed_us = now_us - t->begun_us;
    if (elapsed_us > SENDING_MAX_US) {
        finish(p, t, now_us); /* nothing to send, it seems */
        return 0;
    }
    int64_t until_us = p->turn_us + (t->sent_packets ? elapsed_us : 0);
    int64_t due = (int64_t)((double)t->cluster.rate_bps * (double)until_us / 8e6) - t->sent_bytes;
    if (t->sent_packets == 0 && p->turn_us == 0)
        due = t->cluster.bytes / t->cluster.packets + 1;
    return due > 0 ? due : 0;
}

void probe_sent(struct probe *p, uint16_t size, int64_t now_us)
{
    struct probe_track *t = p->active ? track_of(p, p->active) : NULL;
    if (!t)
        return;
    if (t->sent_packets++ == 0)
        t->begun_us = now_us;
    t->sent_bytes += size;
    bool enough = t->sent_packets >= t->cluster.packets && t->sent_bytes >= t->cluster.bytes;
    if (enough || t->sent_packets >= PROBE_PACKETS_MAX)
        finish(p, t, now_us);
}

int64_t probe_next_us(const struct probe *p, int64_t now_us)
{
    int active = p->active ? track_find(p, p->active) : -1;
    if (active >= 0) {
        const struct probe_track *t = &p->tracks[active];
        int64_t gap_us = (int64_t)((double)t->sent_bytes * 8e6 / (double)t->cluster.rate_bps) + 1;
        return t->begun_us + gap_us > now_us ? t->begun_us + gap_us : now_us;
    }
    if (p->queued > 0)
        return now_us;
    int64_t next_us = p->wanted_bps > 0 ? p->next_us : NEVER;
    if (p->recover_bps > 0)
        next_us = at_most(next_us, p->recover_at_us + RECOVER_GAP_US);
    return next_us > now_us ? next_us : now_us + PROBE_DURATION_US;
}

/* ---- results ---- */

void probe_input(struct probe *p, const struct twcc_result *r)
{
    if (r->sent_us > p->reported_us)
        p->reported_us = r->sent_us;
    struct probe_track *t = r->tag ? track_of(p, r->tag) : NULL;
    if (!t)
        return;
    if (!r->received) {
        t->lost++;
        return;
    }
    if (t->packets == 0) {
        t->first_sent_us = t->last_sent_us = r->sent_us;
        t->first_recv_us = t->last_recv_us = r->recv_us;
    }
    if (r->sent_us - t->first_sent_us < BURST_US) {
        t->first_bytes += r->size;
        if (r->recv_us > t->first_recv_us)
            t->first_recv_us = r->recv_us;
    }
    if (r->sent_us - t->last_sent_us >= BURST_US) {
        t->last_sent_us = r->sent_us;
        t->last_bytes = 0;
    }
    if (r->sent_us >= t->last_sent_us)
        t->last_bytes += r->size;
    if (r->recv_us > t->last_recv_us)
        t->last_recv_us = r->recv_us;
    t->packets++;
    t->bytes += r->size;
}

/* The rate at which a cluster arrived; 0: it says nothing. */
static int64_t arrived_bps(const struct probe_track *t, bool *ret_full)
{
    if ((double)t->packets < ARRIVED_SHARE * t->sent_packets ||
        (double)t->bytes < ARRIVED_SHARE * t->cluster.bytes || t->packets < PROBE_PACKETS_MIN - 1)
        return 0;
    int64_t sent_us = t->last_sent_us - t->first_sent_us, recv_us = t->last_recv_us - t->first_recv_us;
    if (sent_us < SPAN_MIN_US || sent_us > SPAN_MAX_US || recv_us < SPAN_MIN_US || recv_us > SPAN_MAX_US)
        return 0;
    double sent = (double)(t->bytes - t->last_bytes) * 8e6 / (double)sent_us;
    double recv = (double)(t->bytes - t->first_bytes) * 8e6 / (double)recv_us;
    if (recv > FASTER_MAX * sent)
        return 0;
    *ret_full = recv >= FULL_SHARE * sent;
    return (int64_t)(recv < NEAR_SHARE * sent ? recv * NEAR_SHARE : recv < sent ? recv : sent);
}

static void next_decide(
    struct probe *p, const struct probe_cluster *c, int64_t bps, bool full, int64_t now_us)
{
    if (!full) {
        p->found_bps = (int64_t)((double)bps / NEAR_SHARE);
        if (p->interval_us < INTERVAL_MAX_US)
            p->interval_us = at_most(p->interval_us * 3 / 2, INTERVAL_MAX_US);
        else if (p->interval_us > INTERVAL_MAX_US)
            p->interval_us =
                p->interval_us * 3 / 4 > INTERVAL_MAX_US ? p->interval_us * 3 / 4 : INTERVAL_MAX_US;
        /* where one got through just now it may have been jitter, or the last step of the way */
        p->next_us = now_us + (probe_climbs(p, now_us) ? AGAIN_US : p->interval_us);
    } else if (c->first && p->wanted_bps > bps) {
        p->queued = 0; /* of a lower result */
        queue_put(p, at_most(STEP * bps, (int64_t)(WISH_ROOM * (double)p->wanted_bps)), true);
    } else {
        p->next_us = now_us + (c->found ? p->interval_us : CONFIRM_US);
    }
    if (full && !c->first && !c->found)
        p->raised_us = now_us; /* the start is known to reach too far */
}

bool probe_climbs(const struct probe *p, int64_t now_us)
{
    return now_us - p->raised_us <= BELIED_US;
}

void probe_overuse(struct probe *p, int64_t now_us)
{
    if (!probe_climbs(p, now_us))
        return;
    p->raised_us = INT64_MIN / 2;
    p->interval_us = at_most(2 * p->interval_us, INTERVAL_BELIED_US);
    p->next_us = now_us + p->interval_us;
}

bool probe_result_take(
    struct probe *p, int64_t rtt_us, int64_t now_us, int64_t *ret_bps, bool *ret_full, bool *ret_first)
{
    for (unsigned i = 0; i < PROBE_TRACKS; i++) {
        struct probe_track *t = &p->tracks[i];
        if (!t->cluster.id || !t->complete)
            continue;
        bool all = t->packets + t->lost >= t->sent_packets || p->reported_us > t->complete_us;
        if (!all && now_us - t->begun_us < TIMEOUT_US + rtt_us)
            continue;
        struct probe_cluster c = t->cluster;
        bool full = false;
        int64_t bps = arrived_bps(t, &full);
        t->cluster.id = 0;
        if (bps == 0) {
            p->next_us = at_most(p->next_us, now_us + AGAIN_US);
            continue;
        }
        next_decide(p, &c, bps, full, now_us);
        *ret_bps = bps;
        *ret_full = full;
        *ret_first = c.first;
        return true;
    }
    return false;
}
