/* Layers by dependency descriptors (RTP Payload Format for AV1, appendix A), of whatever codec: a decode
 * target is a layer to choose, a frame says what it is to every target and which frames it refers to. What
 * passes is judged by these references; chains say whether a target that is not forwarded now could be. */
#include "rtp/layers_internal.h"
#include "rtp/seq.h"

#define MISSING_TICKS (LAYERS_MISSING_US / LAYERS_TICK_US)

void layers_frame_begin(struct layers *l, const struct layer_facts *f)
{
    layers_restart_at(l, f->number);
    l->structure = f->structure;
    l->target = -1;
    l->chains_ok = l->chains_open = 0;
    l->active = f->active;
    l->picture_ts = f->ts - 1;
    l->key = f->number;
}

/* ---- what is known of earlier frames ---- */

/* MISSING becomes UNKNOWN once it is lost. */
static enum layers_fate fate_of(struct layers *l, int64_t number, uint16_t tick)
{
    const struct layers_record *r = layers_record_of(l, number);
    if (!r)
        return LAYERS_UNKNOWN;
    if (r->fate == LAYERS_MISSING && (uint16_t)(tick - r->frame.since) >= MISSING_TICKS)
        return LAYERS_UNKNOWN;
    return (enum layers_fate)r->fate;
}

/* Has the decoder what this frame refers to, or will it, by all that is known? certain: it has. */
static bool decodable(struct layers *l, const struct layer_facts *f, uint16_t tick, bool certain)
{
    for (unsigned i = 0; i < f->deps.fdiff_count; i++) {
        int64_t at = f->number - f->deps.fdiff[i];
        enum layers_fate fate = fate_of(l, at, tick);
        /* Nobody remembers that far; the chain vouches for it. */
        bool ancient = !certain && at >= l->floor && l->highest - at >= LAYERS_RECORDS;
        if (fate != LAYERS_FORWARDED && !(fate == LAYERS_MISSING && !certain) && !ancient)
            return false;
    }
    return true;
}

static bool chain_whole(const struct layers *l, const struct layer_facts *f, int target)
{
    uint8_t chain = f->dd->chain_of_target[target];
    return chain == DD_NO_CHAIN || l->chains_ok >> chain & 1;
}

/* Follows every chain to a new frame. */
static void chains_step(struct layers *l, const struct layer_facts *f, uint16_t tick)
{
    for (unsigned c = 0; c < f->dd->chain_count; c++) {
        uint32_t bit = UINT32_C(1) << c;
        if (f->deps.chain_diff[c] == 0) { /* begins with the next frame of it, or with this one */
            l->chains_ok |= bit;
            l->chains_open &= ~bit;
            continue;
        }
        if (!(l->chains_ok & bit))
            continue;
        enum layers_fate open = LAYERS_FORWARDED;
        if (l->chains_open & bit)
            open = fate_of(l, seq_near(l->highest, l->chain_open[c]), tick);
        int64_t last = f->number - f->deps.chain_diff[c];
        enum layers_fate fate = fate_of(l, last, tick);
        if (open == LAYERS_FORWARDED)
            l->chains_open &= ~bit;
        if (fate == LAYERS_MISSING && !(l->chains_open & bit)) {
            l->chains_open |= bit;
            l->chain_open[c] = (uint16_t)last;
        }
        if (open < LAYERS_MISSING || open == LAYERS_DROPPED || fate < LAYERS_MISSING ||
            fate == LAYERS_DROPPED)
            l->chains_ok &= ~bit;
    }
}

/* ---- targets ---- */

static bool is_better(const struct dd_structure *d, int a, int b)
{
    if (b < 0 || d->target_spatial[a] != d->target_spatial[b])
        return b < 0 || d->target_spatial[a] > d->target_spatial[b];
    return d->target_temporal[a] > d->target_temporal[b];
}

static bool is_wanted(const struct layers *l, const struct layer_facts *f, unsigned target)
{
    return f->active >> target & 1 && f->dd->target_spatial[target] <= l->want.spatial &&
           f->dd->target_temporal[target] <= layers_temporal_wanted(l, f);
}

/* The best target that is wanted, sent and, where at_switch is set, may begin with this frame; -1: none. */
static int best_target(const struct layers *l, const struct layer_facts *f, bool at_switch)
{
    int best = -1;
    for (unsigned k = 0; k < f->dd->target_count; k++) {
        if (!is_wanted(l, f, k) || (at_switch && dd_indication_of(&f->deps, k) != DD_SWITCH))
            continue;
        if (is_better(f->dd, (int)k, best))
            best = (int)k;
    }
    return best;
}

/* Where nothing that is sent is little enough: the least there is. */
static int least_target(const struct layer_facts *f)
{
    int least = -1;
    for (unsigned k = 0; k < f->dd->target_count; k++) {
        if (f->active >> k & 1 && dd_indication_of(&f->deps, k) != DD_ABSENT &&
            (least < 0 || is_better(f->dd, least, (int)k)))
            least = (int)k;
    }
    return least;
}

static void target_set(struct layers *l, const struct layer_facts *f, int target)
{
    l->target = (int8_t)target;
    l->broken = target < 0;
    if (target < 0)
        return;
    l->spatial = f->dd->target_spatial[target];
    l->temporal = f->dd->target_temporal[target];
}

/* Is all of target a forwarded so far if b is? */
static bool is_below(const struct layers *l, const struct layer_facts *f, int a, int b)
{
    const struct dd_structure *d = f->dd;
    if (d->target_temporal[a] > d->target_temporal[b] || d->target_spatial[a] > d->target_spatial[b])
        return false;
    uint8_t chain = d->chain_of_target[a];
    return d->target_spatial[a] == d->target_spatial[b] ||
           (chain != DD_NO_CHAIN && l->chains_ok & ~l->chains_open & UINT32_C(1) << chain);
}

/* The best wanted target below the present one whose chain is whole: nothing but leaving frames out leads
 * there.
 */
static int best_below(const struct layers *l, const struct layer_facts *f, bool whole)
{
    int best = -1;
    for (unsigned k = 0; k < f->dd->target_count; k++) {
        if ((int)k != l->target && is_wanted(l, f, k) && is_below(l, f, (int)k, l->target) &&
            (!whole || chain_whole(l, f, (int)k)) && is_better(f->dd, (int)k, best))
            best = (int)k;
    }
    return best;
}

/* A key frame: everything may be chosen anew. */
static void key_step(struct layers *l, const struct layer_facts *f)
{
    int target = best_target(l, f, true);
    if (f->structure != l->structure)
        l->floor = f->number; /* the records speak of other targets */
    l->structure = f->structure;
    l->active = f->active;
    l->key = f->number;
    l->short_us = 0;
    l->blocked = false;
    target_set(l, f, target >= 0 ? target : least_target(f));
}

/* Towards what is wanted, as far as this frame allows. */
static void target_step(struct layers *l, const struct layer_facts *f, bool begins, uint16_t tick)
{
    int best = best_target(l, f, false);
    uint32_t risen = f->active & ~l->active;
    if (begins) {
        l->spatial = f->dd->target_spatial[l->target];
        l->active = f->active;
        /* A target that is sent again begins in this picture, though maybe in a higher layer of it. */
        if (best >= 0 && risen >> best & 1 && f->dd->target_spatial[best] > l->spatial)
            l->spatial = f->dd->target_spatial[best];
    }
    if (best < 0 || best == l->target)
        return;
    int next;
    if (is_wanted(l, f, (unsigned)l->target)) {
        next = best_target(l, f, true);
        if (next < 0 || !is_better(f->dd, next, l->target))
            return;
    } else {
        next = begins ? best_below(l, f, false) : -1;
        if (next >= 0) {
            target_set(l, f, next); /* as the frames so far allow */
            return;
        }
        if (dd_indication_of(&f->deps, (unsigned)best) != DD_SWITCH)
            return;
        next = best;
    }
    /* The picture's end is told with the last packet of its highest layer: a layer on top of what has passed
     * would come after the end. */
    if (!decodable(l, f, tick, true) || (!begins && f->dd->target_spatial[next] > l->spatial))
        return;
    target_set(l, f, next);
    uint8_t chain = f->dd->chain_of_target[next];
    if (chain != DD_NO_CHAIN) { /* what was left out of it before is not needed from here on */
        l->chains_ok |= UINT32_C(1) << chain;
        l->chains_open &= ~(UINT32_C(1) << chain);
    }
}

/* What stands between the present target and the wanted one? */
static void need_step(struct layers *l, const struct layer_facts *f, int64_t now_us)
{
    int best = best_target(l, f, false);
    l->blocked = false;
    if (l->target < 0 || best < 0 || best == l->target) {
        l->short_us = 0;
        return;
    }
    /* temporal layers have switch points of their own, spatial ones seldom; one that is sent again may begin
     * within this picture */
    uint8_t wanted = f->dd->target_spatial[best], present = f->dd->target_spatial[l->target];
    l->blocked = wanted != present && !(wanted > present && wanted <= l->spatial);
    if (!l->short_us)
        l->short_us = now_us;
}

/* ---- frames ---- */

static bool frame_new(struct layers *l, const struct layer_facts *f, int64_t now_us)
{
    uint16_t tick = (uint16_t)(now_us / LAYERS_TICK_US);
    bool begins = f->ts != l->picture_ts;
    l->picture_ts = f->ts;
    if (!f->readable || (!f->key && f->structure != l->structure)) {
        l->target = -1; /* the structure that it needs was lost */
        l->broken = true;
        return false;
    }
    chains_step(l, f, tick);
    if (f->key && f->start && (begins || l->target < 0))
        key_step(l, f);
    else if (l->target >= 0)
        target_step(l, f, begins, tick);
    if (begins && l->target >= 0)
        need_step(l, f, now_us);
    if (l->target < 0)
        return false;
    bool whole = chain_whole(l, f, l->target);
    bool present = dd_indication_of(&f->deps, (unsigned)l->target) != DD_ABSENT;
    bool passes = present && decodable(l, f, tick, false);
    bool droppable = dd_indication_of(&f->deps, (unsigned)l->target) == DD_DISCARDABLE;
    if (whole && (passes || !present || droppable)) {
        l->broken = false;
        return passes;
    }
    int below = best_below(l, f, true);
    if (below < 0) {
        l->broken = true;
        return passes;
    }
    target_set(l, f, below);
    l->blocked = true;
    return decodable(l, f, tick, false) && dd_indication_of(&f->deps, (unsigned)below) != DD_ABSENT;
}

/* A frame that comes after later ones: the target that was in force at its place decides. */
static bool frame_late(struct layers *l, const struct layer_facts *f, struct layers_record *r, int64_t now_us)
{
    int target = r->frame.target;
    bool passes = f->readable && f->structure == l->structure && target >= 0 &&
                  target < f->dd->target_count && dd_indication_of(&f->deps, (unsigned)target) != DD_ABSENT &&
                  decodable(l, f, (uint16_t)(now_us / LAYERS_TICK_US), false);
    r->fate = passes ? LAYERS_FORWARDED : LAYERS_DROPPED;
    r->ends = passes && f->spatial == f->dd->target_spatial[target];
    return passes;
}

bool layers_frame_input(struct layers *l, const struct layer_facts *f, int64_t now_us, bool *ret_ends)
{
    if (f->number < 0)
        return false;
    struct layers_record *r;
    if (f->number > l->highest) {
        struct layers_record missing = {
            .fate = LAYERS_MISSING,
            .frame = {.target = l->target, .since = (uint16_t)(now_us / LAYERS_TICK_US)},
        };
        r = layers_record_add(l, f->number, missing);
        bool passes = frame_new(l, f, now_us);
        r->fate = passes ? LAYERS_FORWARDED : LAYERS_DROPPED;
        r->ends = passes && f->spatial == l->spatial;
        r->frame.target = l->target;
    } else {
        r = layers_record_of(l, f->number);
        if (!r)
            return false;
        if (r->fate == LAYERS_MISSING)
            (void)frame_late(l, f, r, now_us);
    }
    *ret_ends = r->ends;
    return r->fate == LAYERS_FORWARDED;
}
