/* Layer choices. Subscribers that want the same of a track, and had the same of it so far, share one: what
 * becomes of a packet is decided once for all of them, when it comes, and is a bit of the burst. Who wants
 * something else goes on with a copy of the choice; choices that have become alike are joined again. */
#include <stdlib.h>
#include "sfu/internal.h"

/* ---- who shares one ---- */

static struct sfu_choice *find_same(struct sfu_track *t, const struct layers *state)
{
    list_for_each(l, &t->choices)
    {
        struct sfu_choice *c = list_entry(l, struct sfu_choice, of_track);
        if (layers_same(&c->layers, state))
            return c;
    }
    return NULL;
}

static struct sfu_choice *choice_make(struct sfu_track *t, const struct layers *state)
{
    struct sfu_choice *c = calloc(1, sizeof *c);
    if (!c)
        return NULL;
    c->layers = *state;
    c->state = layers_current(state);
    list_add_tail(&t->choices, &c->of_track);
    return c;
}

static void choice_set(struct sfu_sub *s, struct sfu_choice *to)
{
    struct sfu_choice *from = s->choice;
    if (to)
        to->subs++;
    s->choice = to;
    if (!from || --from->subs)
        return;
    list_del(&from->of_track);
    free(from);
}

/* The subscriber goes on from this state. NULL: with nothing; also where memory is short, until the next tick
 * tries again. While a burst waits, one that decides it alike is joined only if it has not begun yet: bits of
 * the burst are those of each one's past. */
void choice_enter(struct sfu_sub *s, const struct layers *state)
{
    struct sfu_track *t = s->track;
    struct sfu_choice *c = NULL;
    if (state && (!t->burst_count || state->stream < 0))
        c = find_same(t, state);
    if (state && !c) {
        c = choice_make(t, state);
        if (c && s->choice && state->stream >= 0) {
            c->pass = s->choice->pass;
            c->begins = s->choice->begins;
            c->marks = s->choice->marks;
        }
    }
    choice_set(s, c);
}

/* Something else is wanted; what is forwarded goes on until then. */
void choice_want(struct sfu_sub *s, struct layers_want want)
{
    struct layers state;
    if (s->choice)
        state = s->choice->layers;
    else
        layers_init(&state);
    layers_want(&state, want);
    choice_enter(s, &state);
}

/* The same is wanted, from the next key frame on. */
void choice_restart(struct sfu_sub *s)
{
    struct layers state;
    layers_init(&state);
    layers_want(&state, s->aim);
    choice_enter(s, &state);
}

/* Joins those that have become alike. */
void choices_merge(struct sfu_track *t)
{
    bool any = false;
    if (t->burst_count)
        return;
    list_for_each(l, &t->choices)
    {
        struct sfu_choice *c = list_entry(l, struct sfu_choice, of_track);
        struct sfu_choice *first = find_same(t, &c->layers);
        c->into = first != c ? first : NULL;
        any |= c->into != NULL;
    }
    for (size_t i = 0; any && i < t->sub_count; i++)
        if (t->subs[i]->choice && t->subs[i]->choice->into)
            choice_set(t->subs[i], t->subs[i]->choice->into);
}

/* ---- packets ---- */

static void decide(struct sfu_track *t, struct sfu_choice *c, unsigned stream, const struct layer_facts *f)
{
    struct layers_out out;
    uint32_t bit = UINT32_C(1) << t->burst_count;
    bool passes = layers_input(&c->layers, stream, f, t->worker->now_us, &out);
    c->pass |= passes ? bit : 0;
    c->begins |= out.begins ? bit : 0;
    c->marks |= out.marker && !f->marker ? bit : 0;
    c->state = layers_current(&c->layers);
    if (out.ask)
        choices_wait(t);
}

/* Subscribers that have nothing yet may begin with this packet. */
static void choose_late(struct sfu_track *t)
{
    for (size_t i = 0; i < t->sub_count; i++)
        if (!t->subs[i]->choice && !t->subs[i]->paused)
            sub_retarget(t->subs[i]);
}

/* What the packet says of its stream's layers; a key frame is remembered. false: nothing. */
static bool facts_read(struct sfu_stream *s, struct packet *p, int64_t now_us, struct layer_facts *ret)
{
    const struct rtp_packet *h = rtp_of(p);
    struct layer_source before;
    bool may_begin = payload_is(&h->payload, PAYLOAD_KEY | PAYLOAD_START);
    if (!h->payload_len) { /* padding of the sender's probes */
        key_cache_note(s, p, NULL, NULL);
        return false;
    }
    if (rtp_has(h, RTP_EXT_DEPENDENCY) && !s->layers.dd)
        s->layers.dd = calloc(1, sizeof *s->layers.dd);
    if (may_begin)
        before = s->layers;
    layer_source_read(&s->layers, p->data, h, now_us, ret);
    key_cache_note(s, p, ret, may_begin ? &before : NULL);
    return true;
}

/* The packet is the next one of the burst. Video only. */
void choices_input(struct sfu_track *t, struct packet *p)
{
    unsigned stream = meta_of(p)->stream;
    struct layer_facts f;
    if (!t->streams[stream] || !facts_read(t->streams[stream], p, t->worker->now_us, &f))
        return;
    if (f.key && f.start)
        choose_late(t);
    list_for_each(l, &t->choices)
    {
        decide(t, list_entry(l, struct sfu_choice, of_track), stream, &f);
    }
}

/* The packet came before this image of the track was there: it is only remembered. */
void choices_past(struct sfu_track *t, struct packet *p)
{
    struct layer_facts f;
    (void)facts_read(t->streams[meta_of(p)->stream], p, t->worker->now_us, &f);
}

/* All that came before has been read when this round ends. */
void choices_past_end(struct sfu_track *t)
{
    if (list_empty(&t->serve))
        list_add_tail(&t->worker->serve, &t->serve);
}

/* The burst was handed out. */
void choices_burst_end(struct sfu_track *t)
{
    list_for_each(l, &t->choices)
    {
        struct sfu_choice *c = list_entry(l, struct sfu_choice, of_track);
        c->pass = c->begins = c->marks = 0;
    }
}

/* ---- key frames ---- */

/* Some of the track's choices may have begun to wait for a key frame: the end of the round sees to it. */
void choices_wait(struct sfu_track *t)
{
    if (list_empty(&t->serve) && !list_empty(&t->choices))
        list_add_tail(&t->worker->serve, &t->serve);
}

static void serve(struct sfu_track *t, int64_t now_us)
{
    t->past = 0;
    list_for_each_safe(l, &t->choices)
    {
        struct sfu_choice *c = list_entry(l, struct sfu_choice, of_track);
        int stream = layers_key_stream(&c->layers, now_us);
        if (stream >= 0 && !key_cache_serve(t, c, now_us))
            track_key_frame(t, (unsigned)stream, now_us);
    }
    for (size_t i = 0; t->again && i < t->sub_count; i++)
        if (t->subs[i]->again)
            sub_begin_again(t->subs[i], now_us);
}

/* Gives choices the key frames that they wait for, or asks for them; unless one may wait to be handed out. */
void choices_run(struct sfu_worker *w)
{
    bool any = false;
    list_for_each_safe(l, &w->serve)
    {
        struct sfu_track *t = list_entry(l, struct sfu_track, serve);
        if (t->burst_count)
            continue;
        list_del(&t->serve);
        serve(t, w->now_us);
        any = true;
    }
    if (any)
        release_run(w);
}
