/* Streams: when the receiver goes over to another one, and what all kinds of layers have in common. */
#include "rtp/layers.h"

#include "rtp/layers_internal.h"

void layers_init(struct layers *l)
{
    *l = (struct layers){.want = {.stream = -1}, .stream = -1, .target = -1};
}

void layers_want(struct layers *l, struct layers_want want)
{
    l->want = want;
    if (want.stream < 0)
        layers_reset(l);
}

void layers_reset(struct layers *l)
{
    l->stream = -1;
    l->target = -1;
    l->broken = l->blocked = false;
    l->short_us = 0;
}

/* ---- records ---- */

struct layers_record *layers_record_of(struct layers *l, int64_t number)
{
    if (number < l->floor || number > l->highest || l->highest - number >= LAYERS_RECORDS)
        return NULL;
    return &l->records[(uint64_t)number % LAYERS_RECORDS];
}

void layers_restart_at(struct layers *l, int64_t number)
{
    l->floor = number;
    l->highest = number - 1;
}

struct layers_record *layers_record_add(struct layers *l, int64_t number, struct layers_record missing)
{
    if (number - l->highest > LAYERS_RECORDS)
        layers_restart_at(l, number); /* nothing of before is known any more */
    while (++l->highest < number)
        l->records[(uint64_t)l->highest % LAYERS_RECORDS] = missing;
    struct layers_record *r = &l->records[(uint64_t)number % LAYERS_RECORDS];
    *r = (struct layers_record){0};
    return r;
}

uint8_t layers_temporal_wanted(const struct layers *l, const struct layer_facts *f)
{
    unsigned top = LAYERS_TEMPORAL_MAX - 1;
    if (l->want.fps) {
        /* a camera that gives 33 pictures a second still counts as one of 30 */
        while (top > 0 && f->fps[top] > l->want.fps + l->want.fps / 5)
            top--;
    }
    return l->want.temporal < top ? l->want.temporal : (uint8_t)top;
}

/* ---- streams ---- */

/* Can the receiver go over to this stream with this packet? To the one that is wanted; to a lower one where
 * it has none so far, so that it does not wait longer than it must. */
static bool may_begin(const struct layers *l, unsigned stream, const struct layer_facts *f)
{
    int wanted = l->want.stream;
    if (wanted < 0 || (int)stream > wanted || ((int)stream < wanted && l->stream >= 0))
        return false;
    if (!f->key || !f->start || !f->newest || (f->kind != LAYER_PLAIN && f->number < 0))
        return false;
    return f->kind == LAYER_FRAMES ? f->readable : f->spatial <= l->want.spatial;
}

static void begin(struct layers *l, unsigned stream, const struct layer_facts *f)
{
    l->stream = (int8_t)stream;
    l->generation = f->generation;
    l->kind = f->kind;
    l->broken = l->blocked = false;
    l->short_us = 0;
    l->spatial = 0;
    l->temporal = UINT8_MAX;
    if (f->kind == LAYER_PICTURES)
        layers_picture_begin(l, f);
    else if (f->kind == LAYER_FRAMES)
        layers_frame_begin(l, f);
}

static bool take(
    struct layers *l, unsigned stream, const struct layer_facts *f, int64_t now_us, struct layers_out *out)
{
    if ((int)stream == l->stream && f->generation != l->generation)
        layers_reset(l); /* another source */
    if ((int)stream != l->stream) {
        if (!may_begin(l, stream, f))
            return false;
        begin(l, stream, f);
        out->begins = true;
    }
    l->spatial_sent = f->spatial_sent;
    out->marker = f->marker;
    bool ends = false, passes = true;
    if (f->kind == LAYER_PICTURES)
        passes = layers_picture_input(l, f, now_us, &ends);
    else if (f->kind == LAYER_FRAMES)
        passes = layers_frame_input(l, f, now_us, &ends);
    if (ends && f->end)
        out->marker = true;
    if (out->begins && !passes)
        layers_reset(l); /* a key frame of a layer that is not wanted */
    return passes;
}

bool layers_input(
    struct layers *l, unsigned stream, const struct layer_facts *f, int64_t now_us, struct layers_out *ret)
{
    struct layers_out out = {0};
    int asked = layers_key_stream(l, now_us);
    bool passes = take(l, stream, f, now_us, &out);
    int ask = layers_key_stream(l, now_us);
    out.ask = ask >= 0 && ask != asked;
    if (!passes)
        out.begins = out.marker = false;
    *ret = out;
    return passes;
}

int layers_key_stream(const struct layers *l, int64_t now_us)
{
    if (l->want.stream < 0)
        return -1;
    if (l->stream != l->want.stream)
        return l->want.stream;
    bool late = l->short_us && now_us - l->short_us >= LAYERS_SWITCH_US;
    return l->broken || l->blocked || late ? l->stream : -1;
}

struct layers_state layers_current(const struct layers *l)
{
    if (l->stream < 0)
        return (struct layers_state){.stream = -1};
    return (struct layers_state){
        .stream = l->stream,
        .spatial = l->spatial < l->spatial_sent ? l->spatial : l->spatial_sent,
        .temporal = l->kind == LAYER_PLAIN ? UINT8_MAX : l->temporal,
    };
}

/* ---- comparison ---- */

static bool wants_same(const struct layers_want *a, const struct layers_want *b)
{
    return a->stream == b->stream && a->spatial == b->spatial && a->temporal == b->temporal &&
           a->fps == b->fps;
}

static bool record_same(enum layer_kind kind, const struct layers_record *a, const struct layers_record *b)
{
    if (a->fate != b->fate || a->ends != b->ends)
        return false;
    if (kind == LAYER_FRAMES)
        return a->frame.target == b->frame.target &&
               (a->fate != LAYERS_MISSING || a->frame.since == b->frame.since);
    return a->picture.spatial == b->picture.spatial && a->picture.temporal == b->picture.temporal &&
           a->picture.mask == b->picture.mask && a->picture.seen == b->picture.seen;
}

/* Records of the key frame and what followed. */
static bool records_same(const struct layers *a, const struct layers *b)
{
    int64_t from = a->highest - LAYERS_RECORDS + 1;
    if (a->highest != b->highest || a->key != b->key)
        return false;
    if (from < a->key)
        from = a->key;
    if (from < a->floor || from < b->floor)
        return a->floor == b->floor;
    for (int64_t n = from; n <= a->highest; n++) {
        size_t at = (uint64_t)n % LAYERS_RECORDS;
        if (!record_same(a->kind, &a->records[at], &b->records[at]))
            return false;
    }
    return true;
}

static bool chains_same(const struct layers *a, const struct layers *b)
{
    if (a->chains_ok != b->chains_ok || a->chains_open != b->chains_open)
        return false;
    for (uint32_t left = a->chains_open; left; left &= left - 1)
        if (a->chain_open[__builtin_ctz(left)] != b->chain_open[__builtin_ctz(left)])
            return false;
    return true;
}

/* left says something of layers only that are not intact. */
static bool left_same(const struct layers *a, const struct layers *b)
{
    if (a->intact != b->intact)
        return false;
    for (unsigned i = 0; i < LAYERS_SPATIAL_MAX; i++)
        if (!(a->intact >> i & 1) && a->left[i] != b->left[i])
            return false;
    return true;
}

bool layers_same(const struct layers *a, const struct layers *b)
{
    if (!wants_same(&a->want, &b->want) || a->stream != b->stream)
        return false;
    if (a->stream < 0)
        return true; /* both begin with the next key frame */
    if (a->kind != b->kind || a->generation != b->generation || a->broken != b->broken ||
        a->blocked != b->blocked || a->short_us != b->short_us || a->spatial != b->spatial ||
        a->temporal != b->temporal)
        return false;
    if (a->kind == LAYER_PLAIN)
        return true;
    if (a->kind == LAYER_PICTURES)
        return left_same(a, b) && records_same(a, b);
    return a->structure == b->structure && a->target == b->target && a->picture_ts == b->picture_ts &&
           a->active == b->active && chains_same(a, b) && records_same(a, b);
}
