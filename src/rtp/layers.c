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
