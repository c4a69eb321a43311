/* Which layers the viewers of a track want, and what its publisher is told of that (dynacast). */
#include <string.h>
#include "room/internal.h"

static int quality_of_layer(const struct track *t, int layer)
{
    int best = QUALITY_HIGH;
    for (uint8_t i = 0; i < t->desc.layer_count; i++)
        if (t->desc.layers[i].spatial_layer == layer)
            best = t->desc.layers[i].quality;
    return best;
}

static int quality_of_size(const struct track *t, uint32_t width, uint32_t height)
{
    int fit = -1;
    for (uint8_t i = 0; i < t->desc.layer_count; i++) {
        const struct track_layer *y = &t->desc.layers[i];
        if ((y->width >= width || y->height >= height) && (fit < 0 || y->spatial_layer < fit))
            fit = y->spatial_layer;
    }
    return fit < 0 ? QUALITY_HIGH : quality_of_layer(t, fit);
}

/* The quality of the layer that serves one who asks for quality: not every publisher has all three. */
static int quality_at_least(const struct track *t, int quality)
{
    int best = QUALITY_HIGH;
    for (uint8_t i = 0; i < t->desc.layer_count; i++)
        if (t->desc.layers[i].quality >= quality && t->desc.layers[i].quality < best)
            best = t->desc.layers[i].quality;
    return best;
}

/* The quality that a viewer wants of a track at present; -1: none. */
static int quality_wanted(const struct subscription *s)
{
    const struct choice *c = choice_of(s->subscriber, s->track->sid, false);
    if (s->codec_failed || (c && c->has_settings && c->settings.disabled))
        return -1;
    if (!c || !c->has_settings)
        return quality_at_least(s->track, s->subscriber->adaptive_stream ? QUALITY_LOW : QUALITY_HIGH);
    if (c->settings.width && c->settings.height)
        return quality_of_size(s->track, c->settings.width, c->settings.height);
    return quality_at_least(s->track, c->settings.quality);
}

/* The highest quality that somebody wants at present; -1: nobody wants any. */
static int highest_demand(const struct track_demand *d)
{
    int q = QUALITY_HIGH;
    while (q >= 0 && !d->viewers[q])
        q--;
    return q;
}

int demand_told(const struct room_track *t)
{
    int told = -1;
    for (int q = 0; t->demand.told && q < 3; q++)
        told = t->demand.enabled[q] ? q : told;
    return told;
}

static void tell_demand(struct room_track *t, int highest)
{
    struct codec_demand d = {.codec = t->t.mime[0] ? strchr(t->t.mime, '/') + 1 : ""};
    char lower[TRACK_MIME_MAX];
    text_copy(lower, sizeof lower, d.codec);
    for (char *c = lower; *c; c++)
        *c = (char)(*c >= 'A' && *c <= 'Z' ? *c + 32 : *c);
    d.codec = lower;
    if (highest > demand_told(t))
        t->short_rounds = 0; /* it takes a moment */
    for (int q = 0; q < 3; q++)
        t->demand.enabled[q] = d.enabled[q] = q <= highest;
    t->demand.told = true;
    t->demand.lower_due_us = 0;
    TELL(t->t.publisher, demand, t->t.sid, &d, 1);
}

/* Does t stay on the list of those that something is due to be told of? */
static bool decide(struct room_track *t, int64_t now_us)
{
    struct track_demand *d = &t->demand;
    int highest = highest_demand(d), told = demand_told(t);
    if (d->told && highest == told) {
        d->lower_due_us = 0;
        return false;
    }
    if (!d->told && now_us - t->published_us < ROOM_DEMAND_SETTLE_US)
        return true; /* the client does not know the track's sid by its own name yet */
    if (!d->lower_due_us)
        d->lower_due_us = now_us + ROOM_DEMAND_LATER_US;
    if (highest <= told && now_us < d->lower_due_us)
        return true;
    tell_demand(t, highest);
    return false;
}

/* Increases are told at once; decreases when they have lasted, so that a viewer who comes back soon costs no
 * key frame. */
void demand_update(struct room_track *t, int64_t now_us)
{
    const struct participant *p = t->t.publisher;
    bool due = t->t.desc.kind == TRACK_VIDEO && t->t.published && !p->signal_lost && !p->priv->leaving &&
               decide(t, now_us);
    if (!due)
        list_del(&t->demand.link);
    else if (list_empty(&t->demand.link))
        list_add_tail(&p->room->server->demands, &t->demand.link);
}

void demands_tick(struct room_server *rs, int64_t now_us)
{
    list_for_each_safe(l, &rs->demands)
    {
        demand_update(list_entry(l, struct room_track, demand.link), now_us);
    }
}

void demand_end(struct subscription *s)
{
    struct room_track *t = track_private(s->track);
    if (s->want >= 0)
        t->demand.viewers[s->want]--;
    s->want = -1;
    demand_update(t, server_now_us(t->t.publisher->room->server));
}

void demand_changed(struct subscription *s)
{
    struct room_track *t = track_private(s->track);
    int want = quality_wanted(s);
    if (s->want >= 0)
        t->demand.viewers[s->want]--;
    if (want >= 0)
        t->demand.viewers[want]++;
    s->want = (int8_t)want;
    demand_update(t, server_now_us(t->t.publisher->room->server));
}

void demand_renew(struct participant *publisher)
{
    list_for_each(l, &publisher->tracks)
    {
        struct room_track *t = track_private(list_entry(l, struct track, link));
        if (t->demand.told) {
            t->demand.told = false;
            t->demand.lower_due_us = 0;
        }
        demand_update(t, server_now_us(publisher->room->server));
    }
}
