#include "cc/estimator.h"

#include <math.h>

#define NEVER           INT64_MAX
#define ACKED_US        500000
#define RECENT_US       200000
#define RECENT_PACKETS  10
#define APP_LIMITED_IN  0.65               /* of the estimate is sent: from there on */
#define APP_LIMITED_OUT 0.85               /* and until there */
#define RECV_MAX_US     (INT64_C(1) << 55) /* an arrival beyond a thousand years is none */
#define UNREPORTED_MAX  512                /* packets of reports that were lost; more is another story */
#define RTT_MIN_US      1000
#define RTT_MAX_US      5000000
#define RTT_START_US    100000  /* till it is known */
#define SILENCE_US      1000000 /* without feedback although packets went, and three round trips */
#define SILENCE_STEP_US 500000
#define SILENCE_FACTOR  0.7
#define QUIET_QUEUE_US  30000
#define RAISE_MAX       1.5   /* times the rate by one cluster: jitter may have bunched it */
#define SPARE_QUEUE_US  10000 /* with less than this the path is not full */
#define QUIET_LOSS      0.15
#define CLEAR_LOSS      0.02
#define CLEAR_US        1000000
#define RECOVER_SHARE   0.67 /* a fall below this share asks for a probe when it is over */
#define RECOVER_TO      0.9
#define PROBE_MARGIN    0.9 /* of what arrived at a path that was full */
#define PLAIN_UP        1.08
#define PLAIN_LOW       5  /* 2 % of 256 */
#define PLAIN_HIGH      26 /* 10 % */

static int64_t clamp(int64_t v, int64_t low, int64_t high)
{
    return v < low ? low : v > high ? high : v;
}

void estimator_init(struct estimator *e, int64_t start_bps, int64_t now_us)
{
    start_bps = clamp(start_bps, ESTIMATOR_MIN_BPS, ESTIMATOR_MAX_BPS);
    *e = (struct estimator){
        .estimate_bps = start_bps,
        .plain_bps = start_bps,
        .troubled_us = INT64_MIN / 2,
        .report_sent_us = INT64_MIN,
        .report_queue_us = NEVER,
        .waiting_us = NEVER,
        .next_backoff_us = NEVER,
    };
    delay_groups_init(&e->groups);
    delay_queue_init(&e->queue);
    trendline_init(&e->trendline);
    loss_init(&e->loss);
    aimd_init(&e->aimd, start_bps, ESTIMATOR_MIN_BPS, ESTIMATOR_MAX_BPS, now_us);
    probe_init(&e->probe, start_bps, ESTIMATOR_MAX_BPS, now_us);
    train_init(&e->train);
    estimator_rate_init(&e->acked);
    estimator_rate_init(&e->sent);
}

static int64_t rtt_of(const struct estimator *e)
{
    return e->rtt_us > 0 ? e->rtt_us : RTT_START_US;
}

/* ---- sending ---- */

static int64_t silence_us(const struct estimator *e)
{
    return SILENCE_US + 3 * rtt_of(e);
}

static void sent_note(struct estimator *e, int64_t from_us, int64_t now_us)
{
    if (e->waiting_us == NEVER) {
        e->waiting_us = from_us;
        e->next_backoff_us = e->has_feedback ? from_us + silence_us(e) : NEVER;
    }
    if (now_us < e->next_check_us)
        return;
    e->next_check_us = now_us + ESTIMATOR_RATE_STEP_US;
    int64_t sent_bps = estimator_rate_bps(&e->sent, ACKED_US, 0);
    double share = (double)sent_bps / (double)e->estimate_bps;
    if (sent_bps > 0)
        e->app_limited = share < (e->app_limited ? APP_LIMITED_OUT : APP_LIMITED_IN);
}

void estimator_sent(struct estimator *e, uint16_t size, int64_t now_us)
{
    estimator_rate_input(&e->sent, size, now_us);
    probe_sent(&e->probe, size, now_us);
    sent_note(e, now_us, now_us);
}

void estimator_sent_many(struct estimator *e, uint32_t bytes, int64_t from_us, int64_t now_us)
{
    int64_t steps = (now_us - from_us) / ESTIMATOR_RATE_STEP_US + 1;
    if (steps < 1 || steps > ESTIMATOR_RATE_STEPS)
        steps = 1;
    for (int64_t i = 1; i < steps; i++)
        estimator_rate_input(
            &e->sent, bytes / (uint32_t)steps, now_us - (steps - i) * ESTIMATOR_RATE_STEP_US);
    estimator_rate_input(&e->sent, bytes - bytes / (uint32_t)steps * (uint32_t)(steps - 1), now_us);
    sent_note(e, from_us, now_us);
}

bool estimator_take_probed(struct estimator *e)
{
    bool probed = e->probed;
    e->probed = false;
    return probed;
}

bool estimator_found_full(const struct estimator *e)
{
    return e->aimd.decreased_us > 0 || e->loss.bound_bps != INT64_MAX || e->silent || e->remb_bps;
}

void estimator_wanted_set(struct estimator *e, int64_t wanted_bps, int64_t now_us)
{
    probe_wanted_set(&e->probe, clamp(wanted_bps, 0, ESTIMATOR_MAX_BPS), now_us);
}

int64_t estimator_probe_due(struct estimator *e, int64_t now_us)
{
    return probe_due(&e->probe, now_us);
}

/* ---- a report ---- */

/* unreported: packets before this one that no report spoke of, since one was lost: most have arrived. */
static void arrival_input(struct estimator *e, const struct twcc_result *r, int64_t unreported)
{
    uint32_t bytes = r->size + (uint32_t)(e->packet_bytes * (double)unreported);
    estimator_rate_input(&e->acked, bytes, r->recv_us);
    e->packet_bytes += e->packet_bytes > 0 ? (r->size - e->packet_bytes) / 16 : r->size;
    int64_t queue_us = delay_queue_input(&e->queue, r->sent_us, r->recv_us);
    if (r->sent_us >= e->report_sent_us) {
        e->report_sent_us = r->sent_us;
        e->newest_queue_us = queue_us;
    }
    if (queue_us < e->report_queue_us)
        e->report_queue_us = queue_us;
    struct delay_delta d;
    if (delay_groups_input(&e->groups, r->sent_us, r->recv_us, &d) &&
        trendline_input(&e->trendline, &d) == TRENDLINE_OVERUSE)
        e->report_overuse = true;
}

void estimator_result(void *arg, const struct twcc_result *r)
{
    struct estimator *e = arg;
    if (r->received && (r->recv_us > RECV_MAX_US || r->recv_us < -RECV_MAX_US))
        return;
    bool late = r->seq < e->seq_next;
    int64_t unreported = late ? 0 : r->seq - e->seq_next;
    if (!late)
        e->seq_next = r->seq + 1;
    e->report_any = true;
    loss_input(&e->loss, r->sent_us, r->size, r->received, late);
    probe_input(&e->probe, r);
    if (!late)
        train_input(&e->train, r);
    if (r->received)
        arrival_input(e, r, unreported < UNREPORTED_MAX ? unreported : 0);
}

static void rtt_input(struct estimator *e, int64_t now_us)
{
    if (e->report_sent_us == INT64_MIN)
        return;
    int64_t rtt_us = clamp(now_us - e->report_sent_us, RTT_MIN_US, RTT_MAX_US);
    e->rtt_us = e->rtt_us > 0 ? e->rtt_us + (rtt_us - e->rtt_us) / 8 : rtt_us;
    e->queue_before_us = e->queue_us;
    e->queue_us = e->report_queue_us;
    e->newest_sent_us = e->report_sent_us;
}

static void probe_results(struct estimator *e, int64_t now_us)
{
    int64_t bps;
    bool full, first;
    while (probe_result_take(&e->probe, rtt_of(e), now_us, &bps, &full, &first)) {
        if (e->aimd.draining || e->trendline.state == TRENDLINE_OVERUSE)
            continue; /* of the time before */
        if (!full)
            bps = (int64_t)(PROBE_MARGIN * (double)bps);
        if (bps <= e->aimd.rate_bps)
            continue;
        if (!full && !first && !e->app_limited && e->newest_queue_us > SPARE_QUEUE_US &&
            !probe_climbs(&e->probe, now_us))
            bps = e->aimd.rate_bps + (bps - e->aimd.rate_bps) / 4; /* others may share the path */
        if (!first && !e->app_limited && (double)bps > RAISE_MAX * (double)e->aimd.rate_bps)
            bps = (int64_t)(RAISE_MAX * (double)e->aimd.rate_bps);
        aimd_set(&e->aimd, bps, now_us);
        e->probed = true;
    }
}

static int64_t estimate_choose(struct estimator *e)
{
    int64_t bps = e->aimd.rate_bps;
    e->limit = e->silent ? ESTIMATOR_BY_SILENCE : ESTIMATOR_BY_DELAY;
    if (e->loss.bound_bps < bps) {
        bps = e->loss.bound_bps;
        e->limit = ESTIMATOR_BY_LOSS;
    }
    e->estimate_bps = clamp(bps, ESTIMATOR_MIN_BPS, ESTIMATOR_MAX_BPS);
    return e->estimate_bps;
}

bool estimator_is_clear(const struct estimator *e)
{
    int64_t queue_us = e->queue_us < e->queue_before_us ? e->queue_us : e->queue_before_us;
    return e->has_feedback && !e->silent && !e->aimd.draining && e->limit == ESTIMATOR_BY_DELAY &&
           queue_us < QUIET_QUEUE_US && loss_share(&e->loss) < CLEAR_LOSS;
}

static bool is_quiet(const struct estimator *e)
{
    return !e->silent && !e->aimd.draining && !e->report_overuse && e->trendline.state != TRENDLINE_OVERUSE &&
           e->queue_us < QUIET_QUEUE_US && e->limit != ESTIMATOR_BY_LOSS && loss_share(&e->loss) < CLEAR_LOSS;
}

int64_t estimator_pace_bps(const struct estimator *e, int64_t unknown_bps, int64_t now_us)
{
    int64_t pace_bps = unknown_bps;
    if (e->has_feedback && (e->silent || now_us - e->troubled_us < CLEAR_US))
        pace_bps = 0;
    else if (e->has_feedback && e->train.rate_bps > 0)
        pace_bps = e->train.rate_bps;
    else if (!e->has_feedback && e->plain_lossy)
        pace_bps = 0;
    return pace_bps > e->estimate_bps ? pace_bps : e->estimate_bps;
}

static void probe_decide(struct estimator *e, int64_t now_us)
{
    struct probe_state s = {
        .estimate_bps = e->estimate_bps,
        .max_bps = ESTIMATOR_MAX_BPS,
        .app_limited = e->app_limited,
        .quiet = e->has_feedback && !e->silent && e->trendline.state == TRENDLINE_NORMAL &&
                 !e->aimd.draining && e->queue_us < QUIET_QUEUE_US && e->limit != ESTIMATOR_BY_LOSS &&
                 loss_share(&e->loss) < QUIET_LOSS,
    };
    if (s.quiet && !e->app_limited && e->queue_us < SPARE_QUEUE_US && e->aimd.capacity_bps > 0 &&
        (double)e->aimd.rate_bps > e->aimd.capacity_bps)
        probe_hint(&e->probe, now_us); /* the link was full at this rate, and is not any more */
    probe_update(&e->probe, &s, now_us);
}

int64_t estimator_update(struct estimator *e, int64_t now_us)
{
    if (!e->report_any)
        return e->estimate_bps;
    e->has_feedback = true;
    if (e->silent) /* its end: what went before may well go again */
        probe_recover(&e->probe, (int64_t)(RECOVER_TO * (double)e->heard_bps), now_us);
    e->silent = false;
    e->waiting_us = e->next_backoff_us = NEVER;
    rtt_input(e, now_us);
    struct aimd_input in = {
        .state = e->report_overuse && e->trendline.state != TRENDLINE_UNDERUSE ? TRENDLINE_OVERUSE
                                                                               : e->trendline.state,
        .acked_bps = estimator_rate_bps(&e->acked, ACKED_US, 0),
        .recent_bps = estimator_rate_bps(&e->acked, RECENT_US, RECENT_PACKETS),
        .sent_bps = estimator_rate_bps(&e->sent, ACKED_US, 0),
        .estimate_bps = e->estimate_bps,
        .rtt_us = rtt_of(e),
        .queue_us = e->newest_queue_us,
        .sent_us = e->newest_sent_us,
        .app_limited = e->app_limited,
    };
    int64_t before_bps = e->aimd.rate_bps;
    aimd_input(&e->aimd, &in, now_us);
    if ((double)e->aimd.rate_bps < RECOVER_SHARE * (double)before_bps)
        probe_recover(&e->probe, (int64_t)(RECOVER_TO * (double)before_bps), now_us);
    if (e->aimd.decreased_us == now_us)
        probe_overuse(&e->probe, now_us);
    probe_results(e, now_us);
    loss_update(&e->loss, e->aimd.rate_bps, in.recent_bps,
        clamp(aimd_floor_bps(&e->aimd), ESTIMATOR_MIN_BPS, ESTIMATOR_MAX_BPS));
    estimate_choose(e);
    if (!is_quiet(e))
        e->troubled_us = now_us;
    e->report_any = e->report_overuse = false;
    e->report_sent_us = INT64_MIN;
    e->report_queue_us = NEVER;
    probe_decide(e, now_us);
    return e->estimate_bps;
}

/* ---- time ---- */

int64_t estimator_next_timeout(const struct estimator *e, int64_t now_us)
{
    int64_t next_us = probe_next_us(&e->probe, now_us);
    return e->next_backoff_us < next_us ? e->next_backoff_us : next_us;
}

int64_t estimator_timeout(struct estimator *e, int64_t now_us)
{
    if (now_us >= e->next_backoff_us) {
        if (!e->silent)
            e->heard_bps = e->aimd.rate_bps;
        e->silent = true;
        e->next_backoff_us = now_us + SILENCE_STEP_US;
        aimd_set(&e->aimd, (int64_t)(SILENCE_FACTOR * (double)e->estimate_bps), now_us);
        estimate_choose(e);
    }
    if (e->has_feedback)
        probe_decide(e, now_us);
    return e->estimate_bps;
}

/* ---- without transport-wide feedback ---- */

static int64_t plain_choose(struct estimator *e)
{
    e->estimate_bps = clamp(e->plain_bps, ESTIMATOR_MIN_BPS, ESTIMATOR_MAX_BPS);
    e->limit = ESTIMATOR_BY_LOSS;
    if (e->remb_bps > 0 && e->remb_bps < e->estimate_bps) {
        e->estimate_bps = clamp(e->remb_bps, ESTIMATOR_MIN_BPS, ESTIMATOR_MAX_BPS);
        e->limit = ESTIMATOR_BY_REMB;
    }
    return e->estimate_bps;
}

int64_t estimator_remb(struct estimator *e, uint64_t remb_bps, int64_t now_us)
{
    (void)now_us;
    if (e->has_feedback)
        return e->estimate_bps;
    e->remb_bps = remb_bps > ESTIMATOR_MAX_BPS ? ESTIMATOR_MAX_BPS : remb_bps > 0 ? (int64_t)remb_bps : 1;
    return plain_choose(e);
}

int64_t estimator_plain_loss(struct estimator *e, uint8_t fraction_lost, int64_t now_us)
{
    (void)now_us;
    if (e->has_feedback)
        return e->estimate_bps;
    e->plain_lossy = fraction_lost >= PLAIN_LOW;
    double rate = (double)e->plain_bps;
    int64_t sent_bps = estimator_rate_bps(&e->sent, ACKED_US, 0);
    if (fraction_lost < PLAIN_LOW && (double)sent_bps >= APP_LIMITED_IN * (double)e->estimate_bps)
        rate *= PLAIN_UP;
    else if (fraction_lost > PLAIN_HIGH) /* of what was sent: what never was may be far above */
        rate = (sent_bps > 0 ? fmin(rate, (double)sent_bps) : rate) * (1 - 0.5 * fraction_lost / 256);
    e->plain_bps = clamp((int64_t)rate, ESTIMATOR_MIN_BPS, ESTIMATOR_MAX_BPS);
    return plain_choose(e);
}
