/* Layers for one subscriber: what there is to choose from, how much there is to spend, and spending it. */
#include "sfu/allocate.h"

#include <string.h>

#define STEPS        (ALLOCATE_SPATIAL * ALLOCATE_TEMPORAL)
#define GAP_MAX_US   500000  /* between two runs, as far as debts go */
#define DEBT_MAX_US  1000000 /* more is not remembered */
#define NO_RANK      UINT64_MAX
#define SIZE_UNKNOWN 0xff

struct budget {
    int64_t keep, add; /* totals up to which what goes already stays, and up to which more is taken */
    int64_t larger;    /* the latter for larger pictures */
    int64_t lowest;    /* and for lowest layers: to be black is worse than to try in vain */
    bool limited;      /* by configuration, not by the path */
    bool cut;
    bool own_doing; /* the cut follows an addition of ours */
    bool probed, silent, never_pause;
    int64_t trusted;   /* as the input's */
    int64_t wait_us;   /* nothing is added before */
    int64_t settle_us; /* nothing is added before that would make more than is sure */
    int64_t used, sure, added;
    int64_t sum;      /* spent so far */
    int64_t reserved; /* for what only has to wait */
    int64_t now_us;
    unsigned trades, refusals; /* made and tried in vain */
};

static int64_t bounded(int64_t v, int64_t max)
{
    return v < 0 ? 0 : v > max ? max : v;
}

static int64_t least(int64_t a, int64_t b)
{
    return a < b ? a : b;
}

/* ---- what layers cost ---- */

static int64_t guess(const struct allocate_track *t, int spatial)
{
    if (t->layers[spatial].announced_bps > 0)
        return t->layers[spatial].announced_bps;
    int64_t g = ALLOCATE_GUESS_BPS;
    for (int s = 0; s < spatial; s++) {
        int64_t below = t->cost_bps[s][t->temporal - 1];
        g = 3 * (below > 0 && below < ALLOCATE_RATE_MAX_BPS ? below : g);
    }
    return g;
}

static int64_t cost_of(const struct allocate_track *t, int step)
{
    if (step < 0)
        return 0;
    int spatial = step / ALLOCATE_TEMPORAL, temporal = step % ALLOCATE_TEMPORAL;
    int64_t c = t->cost_bps[spatial][temporal];
    if (c <= 0)
        c = bounded(guess(t, spatial), ALLOCATE_RATE_MAX_BPS) * (temporal + 1) / t->temporal;
    return least(c, ALLOCATE_RATE_MAX_BPS);
}

/* A step below the one that goes is never dearer than it: giving up what is above would gain nothing. */
static int64_t sub_cost(const struct allocate_sub *s, int step)
{
    int64_t c = cost_of(s->track, step);
    return step >= 0 && step < s->held ? least(c, cost_of(s->track, s->held)) : c;
}

static void sum_layers(struct allocate_track *t, int64_t now_us)
{
    for (int s = 0; s < t->spatial; s++) {
        bool known = t->begun_us[s] && now_us - t->begun_us[s] >= ALLOCATE_METER_MIN_US;
        int64_t sum = 0;
        for (int l = 0; l < t->temporal; l++) {
            sum += t->own_bps[s][l];
            t->cost_bps[s][l] = known ? sum : 0;
            if (known && t->svc && s > 0)
                t->cost_bps[s][l] += t->cost_bps[s - 1][l];
        }
    }
}

void allocate_track_input(
    struct allocate_track *t, uint32_t bytes[ALLOCATE_SPATIAL][ALLOCATE_TEMPORAL], int64_t now_us)
{
    if (t->spatial > ALLOCATE_SPATIAL || !t->temporal || t->temporal > ALLOCATE_TEMPORAL)
        return;
    int64_t before_us = t->input_us ? t->input_us : now_us;
    int64_t dt = now_us - before_us;
    if (dt < 0)
        return;
    t->input_us = now_us;
    for (int s = 0; s < t->spatial; s++) {
        if (!(t->active >> s & 1)) {
            t->begun_us[s] = 0;
            memset(t->own_bps[s], 0, sizeof t->own_bps[s]);
            continue;
        }
        if (!t->begun_us[s])
            t->begun_us[s] = before_us;
        int64_t span = least(now_us - t->begun_us[s], ALLOCATE_METER_US); /* the mean of all, then of late */
        for (int l = 0; dt > 0 && l < t->temporal; l++) {
            int64_t rate = least((int64_t)bytes[s][l] * 8000000 / dt, ALLOCATE_RATE_MAX_BPS);
            t->own_bps[s][l] += (rate - t->own_bps[s][l]) * least(dt, span) / span;
        }
    }
    sum_layers(t, now_us);
}

void allocate_track_fps(struct allocate_track *t, unsigned spatial, unsigned fps, int64_t dt_us)
{
    float *sent = &t->sent_fps[spatial % ALLOCATE_SPATIAL];
    float share = dt_us > 0 ? (float)dt_us / (float)(dt_us + ALLOCATE_FPS_US) : 0;
    if (fps)
        *sent += ((float)fps - *sent) * (*sent > 0 ? share : 1);
}

/* ---- what there is to choose from ---- */

static bool usable(const struct allocate_track *t)
{
    return t && t->spatial && t->spatial <= ALLOCATE_SPATIAL && t->temporal &&
           t->temporal <= ALLOCATE_TEMPORAL && t->active & ((1 << t->spatial) - 1);
}

static int highest_bit(unsigned mask)
{
    return mask ? 31 - __builtin_clz(mask) : -1;
}

static int lowest_bit(unsigned mask)
{
    return mask ? __builtin_ctz(mask) : -1;
}

static int spatial_wanted(const struct allocate_sub *s)
{
    const struct allocate_track *t = s->track;
    int top = t->spatial - 1;
    if (s->max_spatial >= 0 && s->max_spatial < top)
        top = s->max_spatial;
    for (int i = 0; i < top && (s->width || s->height); i++)
        if ((s->width && t->layers[i].width >= s->width) || (s->height && t->layers[i].height >= s->height))
            top = i;
    return top;
}

/* Each temporal layer doubles the frames. A tenth less than wanted is near enough: cameras of 30 give 29. */
static int temporal_wanted(const struct allocate_sub *s, int spatial)
{
    const struct allocate_track *t = s->track;
    unsigned full = t->layers[spatial].fps ? t->layers[spatial].fps : 30;
    int l = t->temporal - 1;
    while (s->fps && l > 0 && (full * 10 >> (t->temporal - l)) >= s->fps * 9u)
        l--;
    return l;
}

/* Are the frames of a temporal layer below the last one wanted as many as a larger picture needs? */
static bool moves(const struct allocate_sub *s, int spatial, int temporal)
{
    const struct allocate_track *t = s->track;
    bool goes = s->begun && s->spatial == spatial && s->temporal == temporal;
    float fps = t->sent_fps[spatial] / (float)(1u << (t->temporal - 1 - temporal));
    return t->sent_fps[spatial] <= 0 || fps >= (goes ? ALLOCATE_FPS_KEPT : ALLOCATE_FPS_LEAST);
}

/* The lowest temporal layer of a spatial one that is not the lowest: a camera's larger picture is not worth
 * a quarter of its frames, nor half of them where the camera gives few; a screen's is. */
static int temporal_least(const struct allocate_sub *s, int spatial, int last)
{
    if (s->screen || last == 0)
        return 0;
    return moves(s, spatial, last - 1) ? last - 1 : last;
}

static uint16_t steps_of(struct allocate_sub *s)
{
    const struct allocate_track *t = s->track;
    int top = spatial_wanted(s);
    unsigned sent = t->active & ((1u << t->spatial) - 1);
    unsigned within = sent & ((2u << top) - 1);
    if (!within)
        within = 1u << lowest_bit(sent); /* larger than wanted, but there is no other */
    unsigned steps = 0;
    for (int i = 0; i < t->spatial; i++) {
        if (!(within >> i & 1))
            continue;
        int last = temporal_wanted(s, i);
        int first = i == lowest_bit(within) ? 0 : temporal_least(s, i, last);
        for (int l = first; l <= last; l++)
            steps |= 1u << (i * ALLOCATE_TEMPORAL + l);
    }
    int best = highest_bit(steps);
    s->more_unsent = best / ALLOCATE_TEMPORAL < top;
    s->more_unwanted = top < t->spatial - 1 || best % ALLOCATE_TEMPORAL < t->temporal - 1;
    return (uint16_t)steps;
}

/* What went before, as far as it is still to be had. */
static int8_t held_of(const struct allocate_sub *s)
{
    if (!s->begun || s->spatial < 0)
        return -1;
    unsigned upto = (2u << (s->spatial * ALLOCATE_TEMPORAL + s->temporal)) - 1;
    int step = highest_bit(s->steps & upto);
    return (int8_t)(step < 0 ? lowest_bit(s->steps) : step);
}

/* Pictures count as of one size until one has four times the area of the other. */
static uint8_t size_of(const struct allocate_sub *s)
{
    const struct allocate_track *t = s->track;
    uint64_t w = s->width, h = s->height;
    if (!w && !h && s->max_spatial >= 0) {
        int top = spatial_wanted(s);
        w = t->layers[top].width, h = t->layers[top].height;
    }
    uint64_t area = (w ? w : h) * (h ? h : w);
    return area ? (uint8_t)((63 - __builtin_clzll(area)) / 2) : SIZE_UNKNOWN;
}

static uint64_t key_of(const struct allocate_sub *s)
{
    uint64_t class = s->pinned ? 0 : s->screen ? 1 : 2;
    uint64_t priority = s->priority ? s->priority : UINT32_MAX;
    return class << 60 | priority << 8 | (uint64_t)(SIZE_UNKNOWN - size_of(s));
}

static bool same_rank(const struct allocate_sub *a, const struct allocate_sub *b)
{
    return a->key >> 8 == b->key >> 8;
}

static void prepare(struct allocate_sub *s)
{
    s->steps = 0;
    s->held = s->chosen = -1;
    s->waits = s->more_unsent = s->more_unwanted = false;
    s->key = NO_RANK;
    if (s->audio || s->disabled || !usable(s->track))
        return;
    s->steps = steps_of(s);
    s->held = held_of(s);
    s->key = key_of(s);
}

/* ---- order: heap sort, since it wants no memory ---- */

static bool before(const struct allocate_sub *a, const struct allocate_sub *b)
{
    return a->key != b->key ? a->key < b->key : a->id < b->id;
}

static void sift(struct allocate_sub **subs, size_t root, size_t n)
{
    struct allocate_sub *s = subs[root];
    for (size_t child; (child = 2 * root + 1) < n; root = child) {
        if (child + 1 < n && before(subs[child], subs[child + 1]))
            child++;
        if (!before(s, subs[child]))
            break;
        subs[root] = subs[child];
    }
    subs[root] = s;
}

static void sort(struct allocate_sub **subs, size_t n)
{
    for (size_t i = n / 2; i-- > 0;)
        sift(subs, i, n);
    for (size_t i = n; i-- > 1;) {
        struct allocate_sub *last = subs[i];
        subs[i] = subs[0];
        subs[0] = last;
        sift(subs, 0, i);
    }
}

/* ---- how much there is to spend ---- */

static int64_t backoff(unsigned failures)
{
    return failures > 3 ? ALLOCATE_BACKOFF_MAX_US : (int64_t)ALLOCATE_BACKOFF_US << (failures - 1);
}

static int64_t resume(unsigned failures)
{
    return least(backoff(failures) / 2, ALLOCATE_RESUME_US);
}

static void smooth(struct allocate *a, int64_t estimate, bool probed, int64_t dt)
{
    int64_t off = estimate - a->smooth_bps;
    int64_t leap = a->smooth_bps / 100 * ALLOCATE_LEAP_PERCENT;
    if (!a->run_us || probed || off < -leap) {
        a->smooth_bps = estimate;
        return;
    }
    int64_t tau = off > leap ? ALLOCATE_LEAP_US : ALLOCATE_SMOOTH_US;
    a->smooth_bps += off * dt / (tau + dt);
}

static void owe(struct allocate *a, int64_t used, int64_t bound, int64_t dt)
{
    if (bound <= 0) {
        a->debt_us = DEBT_MAX_US;
        return;
    }
    int64_t excess = bounded(used - bound + 10 * bound, 20 * bound) - 10 * bound;
    a->debt_us = bounded(a->debt_us + dt * excess / bound, DEBT_MAX_US);
}

/* A total that failed may be tried again when the path is seen to carry more than that. */
static void forget_failures(
    struct allocate *a, int64_t estimate, struct allocate_sub **subs, size_t n, const struct budget *b)
{
    bool proven = b->probed && estimate / 105 * 100 >= a->ceiling_bps;
    proven |= a->smooth_bps / ALLOCATE_DOUBT_PERCENT * 100 >= a->ceiling_bps;
    if (a->ceiling_bps && a->sure_bps > a->ceiling_bps && b->now_us - a->raised_us >= ALLOCATE_PROVE_US)
        a->ceiling_bps = a->sure_bps;
    if (!a->ceiling_bps || (!proven && b->now_us - a->failed_us < ALLOCATE_FORGET_US))
        return;
    a->ceiling_bps = 0;
    a->in_row = 0;
    for (size_t i = 0; i < n; i++) {
        subs[i]->failed = -1;
        subs[i]->failures = 0;
    }
}

static void fail(struct allocate *a, int64_t now_us)
{
    a->failures++;
    a->in_row += a->in_row < 255;
    bool lower = !a->ceiling_bps || a->raised_total_bps < a->ceiling_bps;
    a->ceiling_bps = lower ? a->raised_total_bps : a->ceiling_bps;
    a->ceiling_until_us = now_us + backoff(a->in_row);
    a->failed_us = now_us;
}

/* Too much goes. What an addition of late made too much is undone, even if the estimate falls below what was
 * there before: for a moment it does, so that the queue drains. Else, or the next time, it counts. */
static void cut(struct allocate *a, struct budget *b, int64_t estimate, int64_t bound)
{
    b->own_doing = !b->limited && !b->silent && a->raised_us &&
                   b->now_us - a->raised_us < ALLOCATE_PROVE_US &&
                   estimate / ALLOCATE_OWN_PERCENT >= a->raised_total_bps / 100;
    if (b->own_doing)
        fail(a, b->now_us);
    a->cuts++;
    a->debt_us = 0;
    a->wait_us = b->now_us + ALLOCATE_DOWN_WAIT_US;
    a->sure_bps = least(a->sure_bps, bound);
    a->smooth_bps = least(a->smooth_bps, estimate + (b->own_doing ? estimate / 20 : 0));
    b->add = least(a->smooth_bps / 100 * ALLOCATE_UP_PERCENT, bound + (b->limited ? 0 : bound / 20));
    if (a->cut_us && b->now_us - a->cut_us < ALLOCATE_AGAIN_US)
        b->add = least(b->add, bound / 100 * ALLOCATE_DRAIN_PERCENT);
    a->cut_us = b->now_us;
    int64_t before = least(a->before_bps, bound / 100 * ALLOCATE_CUT_PERCENT);
    if (b->own_doing && before > b->add)
        b->add = before;
    a->before_bps = 0;
    b->keep = b->lowest = b->larger = b->add;
}

/* Of what failed: with time a little more is worth a try. */
static int64_t again_bps(const struct allocate *a, int64_t since_us)
{
    int64_t percent =
        since_us < 0 ? ALLOCATE_UP_PERCENT : ALLOCATE_AGAIN_PERCENT + least(since_us / 2000000, 900);
    return a->ceiling_bps / 100 * percent;
}

static void spare_budget(struct allocate *a, struct budget *b, int64_t used, int64_t estimate, int64_t bound)
{
    if (b->probed && estimate > a->sure_bps)
        a->sure_bps = estimate;
    if (used > a->sure_bps && b->now_us - a->raised_us >= ALLOCATE_SETTLE_US && !a->debt_us)
        a->sure_bps = used;
    b->add = least(a->smooth_bps / 100 * ALLOCATE_UP_PERCENT, bound);
    if (!b->limited)
        b->add = least(b->add, bound / 100 * ALLOCATE_UP_PERCENT);
    b->lowest = b->larger = b->add;
    if (a->ceiling_bps) {
        int64_t since_us = b->now_us - a->ceiling_until_us;
        b->add = least(b->add, again_bps(a, since_us));
        b->larger = least(b->add, again_bps(a, since_us - ALLOCATE_LARGER_US));
        if (b->now_us - a->failed_us < resume(a->in_row))
            b->lowest = b->add;
    }
    b->keep = used < b->add ? b->add : used;
}

static struct budget budget_of(struct allocate *a, const struct allocate_input *in, int64_t used,
    struct allocate_sub **subs, size_t n, int64_t now_us)
{
    struct budget b = {.probed = in->probed,
        .silent = in->silent,
        .never_pause = in->never_pause,
        .trusted = in->trusted_bps,
        .now_us = now_us,
        .used = used};
    int64_t estimate = bounded(in->estimate_bps, (int64_t)ALLOCATE_RATE_MAX_BPS * 100);
    b.limited = in->limit_bps > 0 && in->limit_bps < estimate;
    int64_t bound = b.limited ? in->limit_bps : estimate;
    bool clear = in->clear && !b.limited;
    int64_t room = used > bound && (used <= b.trusted || clear) ? used : bound;
    int64_t dt = a->run_us ? bounded(now_us - a->run_us, GAP_MAX_US) : 0;
    if (!a->run_us)
        a->sure_bps = estimate;
    smooth(a, estimate, in->probed, dt);
    owe(a, used, room, dt);
    if (clear)
        a->debt_us = bounded(a->debt_us - dt / 8, DEBT_MAX_US);
    forget_failures(a, estimate, subs, n, &b);
    b.cut = used > a->audio_bps && (used / ALLOCATE_CUT_PERCENT > room / 100 ||
                                       a->debt_us >= ALLOCATE_DEBT_US || (b.limited && used > bound));
    if (b.cut)
        cut(a, &b, estimate, bound);
    else
        spare_budget(a, &b, used, estimate, bound);
    b.wait_us = a->wait_us;
    bool doubtful = a->ceiling_bps && used / ALLOCATE_UP_PERCENT >= a->ceiling_bps / 100;
    b.settle_us = a->raised_us ? a->raised_us + (doubtful ? ALLOCATE_DOUBT_US : ALLOCATE_SETTLE_US) : 0;
    b.sure = a->sure_bps;
    b.sum = a->audio_bps;
    return b;
}

/* ---- spending it ---- */

/* When s may have step, which costs so much more; 0: now. */
static int64_t wait_of(const struct allocate_sub *s, int step, int64_t more, const struct budget *b)
{
    bool anew = s->chosen < 0 && !s->paused; /* it has only just come */
    int64_t until = b->probed || anew ? 0 : s->wait_us > b->wait_us ? s->wait_us : b->wait_us;
    if (!anew && b->used + b->added + more > b->sure && b->settle_us > until)
        until = b->settle_us;
    if (s->failed >= 0 && step >= s->failed && s->backoff_us > until)
        until = s->backoff_us;
    return until > b->now_us ? until : 0;
}

static bool is_larger(const struct allocate_sub *s, int step)
{
    return s->held >= 0 && step / ALLOCATE_TEMPORAL > s->held / ALLOCATE_TEMPORAL;
}

/* false: it does not fit. */
static bool take(struct allocate_sub *s, int step, struct budget *b)
{
    int64_t more = sub_cost(s, step) - sub_cost(s, s->chosen);
    bool lowest = s->chosen < 0, anyway = lowest && (b->never_pause || b->sum + more <= b->trusted);
    if (step <= s->held) {
        if (b->sum + more > b->keep && more > 0 && !anyway)
            return false;
    } else if (anyway) {
        ;
    } else if (b->sum + b->reserved + more > (lowest ? b->lowest : is_larger(s, step) ? b->larger : b->add)) {
        return false;
    } else if (wait_of(s, step, more, b)) {
        s->waits = true;
        if (lowest || s->failed < 0 || step < s->failed)
            b->reserved += more; /* it is not to be added elsewhere for so short a time */
        return true;
    }
    b->added += step > s->held ? more : 0;
    s->chosen = (int8_t)step;
    b->sum += more;
    return true;
}

/* ---- trading: rounds alone may leave much unused, where the next picture is much larger ---- */

static int next_step(const struct allocate_sub *s)
{
    return lowest_bit(s->chosen < 0 ? s->steps : s->steps & ~((2u << s->chosen) - 1));
}

/* What s can do without: half of its frames. */
static int64_t spare(const struct allocate_sub *s)
{
    if (s->chosen <= 0 || s->chosen % ALLOCATE_TEMPORAL == 0 || !(s->steps >> (s->chosen - 1) & 1) ||
        s->chosen % ALLOCATE_TEMPORAL != temporal_wanted(s, s->chosen / ALLOCATE_TEMPORAL))
        return 0;
    return bounded(sub_cost(s, s->chosen) - sub_cost(s, s->chosen - 1), ALLOCATE_RATE_MAX_BPS);
}

/* A step for subs[i], at the cost of those behind it. */
static void trade(struct allocate_sub **subs, size_t n, size_t i, int step, struct budget *b)
{
    struct allocate_sub *s = subs[i];
    bool holds = step <= s->held;
    if (b->trades == ALLOCATE_TRADES || b->refusals == ALLOCATE_REFUSALS)
        return;
    int64_t bound = holds ? b->keep : b->larger - b->reserved;
    int64_t more = sub_cost(s, step) - sub_cost(s, s->chosen), missing = b->sum + more - bound;
    if (!holds && (bound - b->sum < bound / 100 * ALLOCATE_TRADE_PERCENT || wait_of(s, step, more, b)))
        return;
    size_t from = n;
    for (int64_t found = 0; found < missing;) {
        if (--from == i) {
            b->refusals++;
            return;
        }
        found += spare(subs[from]);
    }
    for (; from < n; from++) {
        int64_t given = spare(subs[from]);
        if (!given)
            continue;
        b->sum -= given;
        subs[from]->chosen--;
    }
    b->trades += missing > 0;
    b->added += holds ? 0 : more;
    s->chosen = (int8_t)step;
    b->sum += more;
}

static void trade_all(struct allocate_sub **subs, size_t n, struct budget *b)
{
    for (size_t i = 0; i < n; i++) {
        struct allocate_sub *s = subs[i];
        int step = next_step(s);
        bool larger = step >= 0 && s->chosen >= 0 && step / ALLOCATE_TEMPORAL > s->chosen / ALLOCATE_TEMPORAL;
        if (larger && !s->waits && step > s->held)
            trade(subs, n, i, step, b);
    }
}

/* ---- rounds ---- */

/* step < 0: the lowest that each of subs has. Who has it already goes before others of the same size, and may
 * trade for it: what others gained only in this run they give back. */
static void round_of(struct allocate_sub **subs, size_t n, int step, struct budget *b)
{
    for (size_t i = 0, end; i < n; i = end) {
        for (end = i + 1; end < n && subs[end]->key == subs[i]->key;)
            end++;
        for (int pass = 0; pass < 2; pass++) {
            for (size_t k = i; k < end; k++) {
                struct allocate_sub *s = subs[k];
                int want = step < 0 ? lowest_bit(s->steps) : step;
                bool due = step < 0 || (s->chosen >= 0 && s->chosen < step && s->steps >> step & 1);
                bool holds = want <= s->held;
                if (due && !s->waits && holds == (pass == 0) && !take(s, want, b) && holds && step >= 0)
                    trade(subs, n, k, want, b);
            }
        }
    }
}

static void spend(struct allocate_sub **subs, size_t n, struct budget *b)
{
    round_of(subs, n, -1, b);
    for (size_t i = 0, end; i < n; i = end) {
        for (end = i + 1; end < n && same_rank(subs[end], subs[i]);)
            end++;
        for (int step = 1; step < STEPS; step++)
            round_of(subs + i, end - i, step, b);
        trade_all(subs + i, end - i, b);
    }
}

/* ---- the result ---- */

static void raised(struct allocate *a, struct allocate_sub *s, int64_t now_us)
{
    s->raised_us = a->raised_us = now_us;
    s->wait_us = now_us + ALLOCATE_UP_WAIT_US;
}

static void lowered(struct allocate_sub *s, const struct budget *b)
{
    s->wait_us = b->now_us + ALLOCATE_DOWN_WAIT_US;
    if (!b->own_doing || b->now_us - s->raised_us >= ALLOCATE_PROVE_US)
        return;
    s->failures += s->failures < 255;
    s->failed = s->held;
    s->backoff_us = b->now_us + (s->chosen < 0 ? resume(s->failures) : backoff(s->failures));
}

static enum allocate_why why_of(const struct allocate_sub *s, const struct budget *b)
{
    if (!s->steps)
        return s->disabled ? ALLOCATE_VIEWER : ALLOCATE_PUBLISHER;
    if (s->chosen >= 0 && s->forwarded < s->spatial)
        return ALLOCATE_KEY_FRAME;
    if (s->chosen < highest_bit(s->steps))
        return b->limited ? ALLOCATE_LIMIT : ALLOCATE_BANDWIDTH;
    if (s->more_unsent)
        return ALLOCATE_PUBLISHER;
    return s->more_unwanted ? ALLOCATE_VIEWER : ALLOCATE_TOP;
}

static void conclude(struct allocate *a, struct allocate_sub *s, const struct budget *b)
{
    int8_t spatial = s->chosen < 0 ? -1 : (int8_t)(s->chosen / ALLOCATE_TEMPORAL);
    int8_t temporal = s->chosen < 0 ? -1 : (int8_t)(s->chosen % ALLOCATE_TEMPORAL);
    bool paused = s->steps && s->chosen < 0;
    s->changed = spatial != s->spatial || temporal != s->temporal || paused != s->paused;
    if (s->changed && s->begun && (s->spatial >= 0 || s->paused) && s->steps)
        *(spatial != s->spatial ? &a->switches : &a->frame_switches) += 1;
    s->spatial = spatial;
    s->temporal = temporal;
    s->paused = paused;
    s->begun |= s->steps != 0;
    s->why = why_of(s, b);
    s->cost_bps = s->chosen < 0 ? 0 : cost_of(s->track, s->chosen);
    s->next_bps = s->retry_us = 0;
    int next = next_step(s);
    if (next >= 0 && !b->limited) {
        int64_t more = cost_of(s->track, next) - s->cost_bps;
        s->next_bps = more > 0 ? more : 1;
        s->retry_us = wait_of(s, next, s->next_bps, b);
    }
}

static int64_t with_room(int64_t total)
{
    return total / 100 * ALLOCATE_PROBE_PERCENT + 100;
}

static size_t finish(struct allocate *a, const struct allocate_input *in, struct allocate_sub **subs,
    size_t n, const struct budget *b)
{
    size_t changed = 0;
    int64_t wanted = a->audio_bps, next = INT64_MAX;
    a->total_bps = a->audio_bps;
    a->paused = 0;
    for (size_t i = 0; i < n; i++) {
        struct allocate_sub *s = subs[i];
        if (s->chosen > s->held)
            raised(a, s, b->now_us);
        else if (s->chosen < s->held)
            lowered(s, b);
        conclude(a, s, b);
        changed += s->changed;
        a->paused += s->paused;
        a->total_bps += s->cost_bps;
        if (s->next_bps && s->next_bps < next)
            next = s->next_bps;
        if (s->steps)
            wanted += cost_of(s->track, highest_bit(s->steps));
    }
    if (a->raised_us == b->now_us) {
        a->raised_total_bps = a->total_bps;
        a->before_bps = b->used;
    }
    a->next_bps = next == INT64_MAX ? 0 : with_room(a->total_bps + next);
    a->wanted_bps = next == INT64_MAX ? 0 : with_room(wanted);
    if (in->limit_bps > 0) {
        a->next_bps = least(a->next_bps, in->limit_bps);
        a->wanted_bps = least(a->wanted_bps, in->limit_bps);
    }
    return changed;
}

/* Audio goes whatever there is. Returns whether that is news. */
static bool audio_goes(struct allocate *a, struct allocate_sub *s)
{
    bool on = !s->disabled && s->track;
    int8_t layer = on ? 0 : -1;
    s->changed = s->spatial != layer;
    s->spatial = s->temporal = layer;
    s->paused = false;
    s->why = on ? s->track->active ? ALLOCATE_TOP : ALLOCATE_PUBLISHER : ALLOCATE_VIEWER;
    s->cost_bps = on && s->track->active ? bounded(s->track->cost_bps[0][0], ALLOCATE_RATE_MAX_BPS) : 0;
    s->next_bps = s->retry_us = 0;
    a->audio_bps += s->cost_bps;
    return s->changed;
}

size_t allocate_run(
    struct allocate *a, const struct allocate_input *in, struct allocate_sub **subs, size_t n, int64_t now_us)
{
    a->audio_bps = bounded(in->reserved_bps, ALLOCATE_RATE_MAX_BPS);
    int64_t used = 0;
    size_t audio_changed = 0, videos = n;
    for (size_t i = 0; i < videos;) {
        struct allocate_sub *s = subs[i];
        prepare(s);
        used += cost_of(s->track, s->held);
        if (!s->audio) {
            i++;
            continue;
        }
        audio_changed += audio_goes(a, s);
        subs[i] = subs[--videos]; /* audio to the end */
        subs[videos] = s;
    }
    sort(subs, videos);
    size_t wanting = videos;
    while (wanting && subs[wanting - 1]->key == NO_RANK)
        wanting--;
    struct budget b = budget_of(a, in, a->audio_bps + used, subs, videos, now_us);
    spend(subs, wanting, &b);
    size_t changed = finish(a, in, subs, videos, &b);
    a->run_us = now_us;
    a->runs++;
    return changed + audio_changed;
}

/* ---- life, words ---- */

void allocate_init(struct allocate *a)
{
    *a = (struct allocate){0};
}

void allocate_sub_init(struct allocate_sub *s, uint32_t id, const struct allocate_track *track, bool audio)
{
    *s = (struct allocate_sub){.track = track,
        .id = id,
        .audio = audio,
        .max_spatial = -1,
        .forwarded = -1,
        .spatial = -1,
        .temporal = -1,
        .failed = -1,
        .held = -1,
        .chosen = -1};
}

const char *allocate_why_name(enum allocate_why why)
{
    static const char *const names[ALLOCATE_WHYS] = {
        [ALLOCATE_TOP] = "top",
        [ALLOCATE_BANDWIDTH] = "bandwidth",
        [ALLOCATE_VIEWER] = "viewer",
        [ALLOCATE_PUBLISHER] = "publisher",
        [ALLOCATE_KEY_FRAME] = "key_frame",
        [ALLOCATE_LIMIT] = "limit",
    };
    return (unsigned)why < ALLOCATE_WHYS ? names[why] : "";
}
