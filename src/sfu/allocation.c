/* The allocation at work: what each layer of a track brings is counted where its packets come in, and each
 * subscriber's bandwidth is divided among its subscriptions, some time each and at once when something
 * changes. The decisions are sfu/allocate.h's. Peers that only publish have no part in it.
 *
 * A run looks at all subscriptions of a subscriber. Those that are due wait in a queue, of which each round
 * of the worker takes as many as SFU_ALLOCATE_SLICE_US allows: media come first. */
#include <stdlib.h>
#include <string.h>
#include "net/clock.h"
#include "sfu/internal.h"

struct sfu_allocation {
    struct sfu_peer *peer;
    struct list link; /* worker->allocations */
    struct list due;  /* worker->allocate_due, while it waits for a run */
    struct allocate run;
    struct allocate_sub **subs; /* in no order */
    size_t count, cap;
    size_t videos;
    int64_t run_us;       /* 0: never */
    int64_t estimate_bps; /* of that run */
    bool open;            /* something could still change by itself: it has to be looked at often */
    struct sfu_event told;
    int64_t told_us;
};

/* ---- tracks: what there is, what it costs ---- */

static bool is_simulcast(const struct sfu_track *t)
{
    return t->stream_count > 1 || t->section.rid_count > 1 || t->section.ssrc_count > 1 || t->image_simulcast;
}

static bool has_spatial(enum payload_codec c)
{
    return c == PAYLOAD_VP9 || c == PAYLOAD_AV1;
}

static enum payload_codec codec_of(const struct sfu_track *t)
{
    for (unsigned i = 0; i < t->stream_count; i++)
        if (t->streams[i] && t->streams[i]->codec)
            return t->streams[i]->codec;
    return PAYLOAD_UNKNOWN;
}

static uint8_t spatial_count(const struct sfu_track *t)
{
    uint8_t announced = t->announced.layer_count;
    if (t->kind == KIND_AUDIO)
        return 1;
    if (is_simulcast(t))
        return announced > t->stream_count ? announced : t->stream_count;
    uint8_t seen = (uint8_t)(32 - __builtin_clz(t->layers_seen | 1u));
    return has_spatial(codec_of(t)) && announced > seen ? announced : seen;
}

/* The stream's own description of its layers; NULL: it brings none. */
static const struct dd_structure *structure_of(const struct sfu_track *t)
{
    const struct dd_structure *dd = t->streams[0] ? t->streams[0]->dd : NULL;
    return dd && dd->valid && !is_simulcast(t) ? dd : NULL;
}

/* Does the largest picture need the smaller ones between two key frames too? (Else each layer goes alone.) */
static bool needs_lower(const struct dd_structure *dd)
{
    unsigned top = 0;
    for (unsigned i = 0; i < dd->target_count; i++)
        if (dd->target_spatial[i] > dd->target_spatial[top])
            top = i;
    for (unsigned i = 0; i < dd->template_count; i++) {
        const struct dd_deps *d = &dd->templates[i];
        if (d->spatial < dd->target_spatial[top] && d->fdiff_count && dd_indication_of(d, top) != DD_ABSENT)
            return true;
    }
    return false;
}

/* Without layers to choose from the only one has the size of the largest that was announced. */
static void describe(struct sfu_track *t)
{
    struct allocate_track *a = &t->layers;
    const struct sfu_announced *n = &t->announced;
    const struct dd_structure *dd = structure_of(t);
    a->spatial = spatial_count(t);
    a->temporal = a->temporal ? a->temporal : 1;
    for (unsigned i = 0; i < a->spatial; i++) {
        unsigned from = a->spatial == 1 && n->layer_count ? n->layer_count - 1u : i;
        bool known = from < n->layer_count;
        a->layers[i].width = known ? n->layers[from].width : 0;
        a->layers[i].height = known ? n->layers[from].height : 0;
        a->layers[i].announced_bps = known ? n->layers[from].bitrate_bps : 0;
        if (dd && i < dd->resolution_count) {
            a->layers[i].width = dd->width[i] < UINT16_MAX ? (uint16_t)dd->width[i] : UINT16_MAX;
            a->layers[i].height = dd->height[i] < UINT16_MAX ? (uint16_t)dd->height[i] : UINT16_MAX;
        }
    }
    if (dd)
        a->svc = needs_lower(dd);
}

static bool layer_active(const struct sfu_track *t, unsigned i)
{
    int64_t last_us = t->layer_us[i];
    return last_us && t->newest_us - last_us < SFU_LAYER_SILENT_US;
}

static uint8_t active_layers(const struct sfu_track *t)
{
    uint8_t active = 0;
    for (unsigned i = 0; !t->muted && i < t->layers.spatial; i++)
        active |= (uint8_t)(layer_active(t, i) << i);
    return active;
}

static void wake(struct sfu_allocation *a)
{
    if (a && list_empty(&a->due))
        list_add_tail(&a->peer->worker->allocate_due, &a->due);
}

static void track_changed(struct sfu_track *t)
{
    for (size_t i = 0; i < t->sub_count; i++)
        wake(t->subs[i]->peer->allocation);
}

void allocation_track_set(struct sfu_track *t, const struct sfu_announced *announced)
{
    t->announced = *announced;
    if (t->announced.layer_count > SFU_LAYERS_MAX)
        t->announced.layer_count = SFU_LAYERS_MAX;
    describe(t);
    for (size_t i = 0; i < t->sub_count; i++)
        t->subs[i]->wish.screen = t->announced.screen;
    track_changed(t);
}

void allocation_image_set(struct sfu_track *t, const struct worker_mail *m, int64_t now_us)
{
    const struct allocate_track *home = &m->track_set.layers;
    t->image_simulcast = m->flag;
    if (!t->layers.active && home->spatial && home->spatial <= ALLOCATE_SPATIAL) {
        t->layers = *home;
        for (unsigned i = 0; i < home->spatial; i++) {
            struct sfu_stream *s = home->active >> i & 1 && (m->flag || i == 0) ? track_stream(t, i) : NULL;
            if (home->active >> i & 1) {
                t->layer_us[i] = t->newest_us = now_us;
                t->layers_seen |= 1u << i;
            }
            if (s)
                s->last_us = now_us;
        }
    }
    allocation_track_set(t, &m->track_set.announced);
}

/* Another codec, another source: what was seen of its layers holds no more. */
void allocation_track_restart(struct sfu_track *t)
{
    memset(t->layer_us, 0, sizeof t->layer_us);
    t->layers_seen = 0;
    t->layers.active = 0;
    t->layers.temporal = 1;
    t->layers.svc = false;
    describe(t);
}

/* Who gets all temporal layers goes on so. */
static void temporal_grows(struct sfu_track *t, uint8_t count)
{
    for (size_t i = 0; i < t->sub_count; i++)
        if (t->subs[i]->wish.temporal == t->layers.temporal - 1)
            t->subs[i]->wish.temporal = (int8_t)(count - 1);
    t->layers.temporal = count;
}

static bool same_want(const struct layers_want *a, const struct layers_want *b)
{
    return a->stream == b->stream && a->spatial == b->spatial && a->temporal == b->temporal &&
           a->fps == b->fps;
}

static void want(struct sfu_sub *s, struct layers_want w)
{
    if (s->wanted && same_want(&w, &s->want))
        return;
    s->wanted = true;
    sub_want(s, w);
}

/* What is forwarded till the next run, which knows the bandwidth: the first layer that comes, as far as the
 * viewer wants it. A scalable stream's layers come together, so that they are not waited for. */
static void begin_with(struct sfu_sub *s, unsigned spatial)
{
    int8_t max = s->wish.max_spatial;
    struct layers_want w = {.stream = (int8_t)spatial, .spatial = UINT8_MAX, .temporal = UINT8_MAX};
    if (s->wish.disabled || s->wish.paused || s->kind == KIND_AUDIO || (s->wanted && s->want.stream >= 0))
        return;
    if (!is_simulcast(s->track))
        w.stream = 0, w.spatial = max >= 0 ? (uint8_t)max : UINT8_MAX;
    if (max < 0 || w.stream <= max)
        want(s, w);
}

static void layer_begins(struct sfu_track *t, unsigned spatial, int64_t now_us)
{
    bool first = !t->layers.active;
    t->layers_seen |= 1u << spatial;
    t->layers.svc |= spatial && !is_simulcast(t); /* unless it says otherwise */
    t->layers.active |= (uint8_t)(1u << spatial);
    if (!is_simulcast(t) && has_spatial(codec_of(t))) /* till it is seen what comes */
        for (unsigned i = spatial; first && i < t->announced.layer_count; i++) {
            t->layers.active |= (uint8_t)(1u << i);
            t->layers.svc |= i > spatial;
            t->layer_us[i] = now_us;
        }
    describe(t);
    for (size_t i = 0; first && i < t->sub_count; i++)
        begin_with(t->subs[i], spatial);
    t->layers_news = true;
}

void allocation_count(struct sfu_track *t, const struct sfu_packet *m, size_t bytes, int64_t now_us)
{
    const struct payload_info *p = &m->rtp.payload;
    bool told = payload_is(p, PAYLOAD_LAYERS);
    unsigned spatial = m->stream, temporal = told ? p->temporal : 0;
    if (!spatial && told && !is_simulcast(t))
        spatial = p->spatial < ALLOCATE_SPATIAL ? p->spatial : ALLOCATE_SPATIAL - 1;
    temporal = temporal < ALLOCATE_TEMPORAL ? temporal : ALLOCATE_TEMPORAL - 1;
    t->layer_us[spatial] = now_us;
    t->layer_bytes[spatial][temporal] += (uint32_t)bytes;
    if (!(t->layers.active >> spatial & 1))
        layer_begins(t, spatial, now_us);
    if (temporal >= t->layers.temporal)
        temporal_grows(t, (uint8_t)(temporal + 1));
    if (spatial && p->codec == PAYLOAD_VP9 && m->stream == 0 && p->flags & PAYLOAD_PREDICTED)
        t->layers.svc = p->flags & PAYLOAD_INTER_LAYER;
}

static void count_pictures(struct sfu_track *t, int64_t now_us)
{
    int64_t dt_us = t->layers.input_us ? now_us - t->layers.input_us : 0;
    for (unsigned i = 0; t->kind == KIND_VIDEO && i < t->layers.spatial; i++) {
        unsigned from = is_simulcast(t) ? i : 0; /* scalable layers have as many each */
        const struct sfu_stream *s = from < t->stream_count ? t->streams[from] : NULL;
        if (s && t->layers.active >> i & 1)
            allocate_track_fps(&t->layers, i, s->layers.fps[t->layers.temporal - 1], dt_us);
    }
}

void allocation_track_tick(struct sfu_track *t, int64_t now_us)
{
    uint8_t active = active_layers(t);
    if (active != t->layers.active || t->layers_news) {
        t->layers.active = active;
        t->layers_news = false;
        track_changed(t);
    }
    if (structure_of(t))
        describe(t);
    count_pictures(t, now_us);
    allocate_track_input(&t->layers, t->layer_bytes, now_us);
    memset(t->layer_bytes, 0, sizeof t->layer_bytes);
}

/* ---- subscriptions ---- */

static struct sfu_sub *sub_of(struct allocate_sub *wish)
{
    return (struct sfu_sub *)(void *)((char *)wish - offsetof(struct sfu_sub, wish));
}

static struct sfu_allocation *allocation_of(struct sfu_peer *p)
{
    if (p->allocation)
        return p->allocation;
    struct sfu_allocation *a = calloc(1, sizeof *a);
    if (!a)
        return NULL;
    a->peer = p;
    list_init(&a->due);
    list_init(&a->link);
    allocate_init(&a->run);
    list_add_tail(&p->worker->allocations, &a->link);
    return p->allocation = a;
}

static void allocation_free(struct sfu_allocation *a)
{
    list_del(&a->due);
    list_del(&a->link);
    a->peer->allocation = NULL;
    free(a->subs);
    free(a);
}

bool allocation_sub_add(struct sfu_sub *s, bool disabled)
{
    struct sfu_allocation *a = allocation_of(s->peer);
    if (!a)
        return false;
    if (a->count == a->cap) {
        size_t cap = a->cap ? 2 * a->cap : 4;
        struct allocate_sub **grown = realloc(a->subs, cap * sizeof(*grown));
        if (!grown)
            return false;
        a->subs = grown;
        a->cap = cap;
    }
    allocate_sub_init(&s->wish, s->id, &s->track->layers, s->kind == KIND_AUDIO);
    s->wish.disabled = disabled;
    s->wish.screen = s->track->announced.screen;
    a->subs[a->count++] = &s->wish;
    a->videos += s->kind == KIND_VIDEO;
    wake(a);
    return true;
}

void allocation_sub_del(struct sfu_sub *s)
{
    struct sfu_allocation *a = s->peer->allocation;
    for (size_t i = 0; a && i < a->count; i++) {
        if (a->subs[i] != &s->wish)
            continue;
        a->subs[i] = a->subs[--a->count];
        a->videos -= s->kind == KIND_VIDEO;
        if (a->count)
            wake(a);
        else
            allocation_free(a);
        return;
    }
}

void allocation_sub_set(struct sfu_sub *s, const struct sfu_command *c)
{
    struct allocate_sub *w = &s->wish;
    w->disabled = c->sub_set.disabled;
    w->pinned = c->sub_set.pinned;
    w->max_spatial = c->sub_set.max_layer;
    w->fps = c->sub_set.max_fps;
    w->width = c->sub_set.width;
    w->height = c->sub_set.height;
    w->priority = c->sub_set.priority;
    wake(s->peer->allocation);
}

void allocation_peer_set(struct sfu_peer *p, const struct sfu_command *c)
{
    p->never_pause = c->peer_set.never_pause;
    p->capacity_bps = c->peer_set.capacity_bps;
    wake(p->allocation);
}

void allocation_wake(struct sfu_peer *p)
{
    wake(p->allocation);
}

/* ---- a run ---- */

static int8_t forwarded_of(const struct sfu_sub *s)
{
    return sub_layer(s);
}

static struct layers_want want_of(const struct sfu_sub *s)
{
    const struct allocate_sub *w = &s->wish;
    const struct allocate_track *t = w->track;
    bool all = w->temporal >= t->temporal - 1;
    struct layers_want v = {.stream = -1, .spatial = UINT8_MAX, .temporal = UINT8_MAX};
    if (w->spatial < 0)
        return v;
    v.stream = is_simulcast(s->track) ? w->spatial : 0;
    if (!is_simulcast(s->track) && t->spatial > 1)
        v.spatial = (uint8_t)w->spatial;
    if (!all)
        v.temporal = (uint8_t)w->temporal;
    return v;
}

/* What its publisher does not send at present stays wanted as it was: it may come back any moment, and goes
 * on then where it stopped. */
static void apply(struct sfu_sub *s)
{
    const struct allocate_sub *w = &s->wish;
    if (w->spatial < 0 && !w->disabled && !w->paused)
        return;
    want(s, want_of(s));
}

static bool differs(int64_t a, int64_t b)
{
    int64_t by = a > b ? a - b : b - a;
    return by * 8 > (a > b ? a : b);
}

static void tell_sub(struct sfu_sub *s, int64_t now_us)
{
    const struct allocate_sub *w = &s->wish;
    struct sfu_event e = {
        .type = SFU_EVENT_SUB_ALLOCATED, .peer = s->peer->id, .track = s->track->id, .sub = s->id};
    bool news = w->changed || !s->told_us || w->why != s->told_why || w->forwarded != s->told_forwarded;
    bool drifts = now_us - s->told_us >= SFU_ALLOCATED_US && differs(w->cost_bps, s->told_bps);
    if (w->audio ? s->told_us || !w->cost_bps : !news && !drifts) /* of audio once is enough */
        return;
    s->told_us = now_us;
    s->told_why = w->why;
    s->told_forwarded = w->forwarded;
    s->told_bps = w->cost_bps;
    e.sub_allocated.spatial = w->spatial;
    e.sub_allocated.temporal = w->temporal;
    e.sub_allocated.forwarded = w->forwarded;
    e.sub_allocated.spatials = w->track->spatial;
    e.sub_allocated.temporals = w->track->temporal;
    e.sub_allocated.paused = w->paused;
    e.sub_allocated.why = w->why;
    if (w->spatial >= 0 && !w->audio) {
        e.sub_allocated.width = w->track->layers[w->spatial].width;
        e.sub_allocated.height = w->track->layers[w->spatial].height;
    }
    e.sub_allocated.cost_bps = w->cost_bps;
    e.sub_allocated.next_bps = w->next_bps;
    sfu_emit(s->peer->worker, &e);
}

static void tell_peer(struct sfu_allocation *a, const struct allocate_input *in, int64_t now_us)
{
    struct sfu_event e = {.type = SFU_EVENT_PEER_ALLOCATED, .peer = a->peer->id};
    const struct sfu_peer_allocated *told = &a->told.peer_allocated;
    bool drifts = now_us - a->told_us >= SFU_ALLOCATED_US && (differs(in->estimate_bps, told->estimate_bps) ||
                                                                 differs(a->run.total_bps, told->total_bps));
    if (a->told_us && !drifts && a->run.paused == told->paused && a->peer->sent.probing == told->probing)
        return;
    a->told_us = now_us;
    e.peer_allocated.estimate_bps = in->estimate_bps;
    e.peer_allocated.limit_bps = in->limit_bps;
    e.peer_allocated.audio_bps = a->run.audio_bps;
    e.peer_allocated.total_bps = a->run.total_bps;
    e.peer_allocated.wanted_bps = a->run.wanted_bps;
    e.peer_allocated.next_bps = a->run.next_bps;
    e.peer_allocated.paused = a->run.paused;
    e.peer_allocated.probing = a->peer->sent.probing;
    a->told = e;
    sfu_emit(a->peer->worker, &e);
}

static int64_t estimate_of(const struct sfu_peer *p)
{
    int64_t estimate = congestion_estimate_bps(p);
    return p->capacity_bps && p->capacity_bps < estimate ? p->capacity_bps : estimate;
}

static void run(struct sfu_allocation *a, int64_t now_us)
{
    struct sfu_peer *p = a->peer;
    struct allocate_input in = {.estimate_bps = estimate_of(p),
        .limit_bps = (int64_t)p->worker->sfu->config.cfg->rtc.subscriber_limit_kbps * 1000,
        /* the estimate grows with what is sent: it must not keep out what would make it grow */
        .trusted_bps = congestion_found_full(p) || p->capacity_bps ? 0 : PACER_RATE_MIN_BPS,
        .probed = congestion_take_probed(p),
        .silent = congestion_is_silent(p),
        .clear = !p->capacity_bps && congestion_is_clear(p),
        .never_pause = p->never_pause};
    for (size_t i = 0; i < a->count; i++)
        a->subs[i]->forwarded = forwarded_of(sub_of(a->subs[i]));
    allocate_run(&a->run, &in, a->subs, a->count, now_us);
    a->run_us = now_us;
    a->estimate_bps = in.estimate_bps;
    a->open = false;
    for (size_t i = 0; i < a->count; i++) {
        struct sfu_sub *s = sub_of(a->subs[i]);
        apply(s);
        s->wish.forwarded = forwarded_of(s);
        tell_sub(s, now_us);
        a->open |= s->wish.next_bps || (!s->wish.audio && s->wish.forwarded != s->wish.spatial);
    }
    congestion_allocated(p, a->run.total_bps, a->run.wanted_bps, now_us);
    tell_peer(a, &in, now_us);
}

/* Often while something is short or waits, or the estimate comes near what is in use; else rarely. */
static bool is_due(const struct sfu_allocation *a, int64_t now_us)
{
    int64_t since = now_us - a->run_us;
    if (since >= SFU_ALLOCATE_REST_US || !a->run_us)
        return true;
    if (!a->videos)
        return false;
    int64_t estimate = estimate_of(a->peer);
    if (estimate < a->run.total_bps + a->run.total_bps / 4)
        return true;
    return a->open && (since >= SFU_ALLOCATE_US || differs(estimate, a->estimate_bps));
}

void allocation_tick(struct sfu_worker *w, int64_t now_us)
{
    list_for_each(l, &w->allocations)
    {
        struct sfu_allocation *a = list_entry(l, struct sfu_allocation, link);
        if (is_due(a, now_us))
            wake(a);
    }
}

/* As many of those that are due as a slice of time allows; the others have a round of their own soon. */
void allocation_run(struct sfu_worker *w)
{
    int64_t until_us = 0;
    while (!list_empty(&w->allocate_due)) {
        struct sfu_allocation *a = list_entry(w->allocate_due.next, struct sfu_allocation, due);
        int64_t now_us = clock_now_us();
        until_us = until_us ? until_us : now_us + SFU_ALLOCATE_SLICE_US;
        if (now_us > until_us) {
            wheel_set(loop_wheel(w->loop), &w->allocate_timer, w->now_us + SFU_ALLOCATE_NEXT_US);
            return;
        }
        list_del(&a->due);
        run(a, w->now_us);
    }
}

static void on_timer(struct wheel_timer *t, int64_t now_us)
{
    struct sfu_worker *w = t->arg; /* the end of the round does it */
    w->now_us = now_us;
}

void allocation_init(struct sfu_worker *w)
{
    list_init(&w->allocations);
    list_init(&w->allocate_due);
    wheel_timer_init(&w->allocate_timer, on_timer, w);
}
