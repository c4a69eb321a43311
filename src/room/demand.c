/* Which layers the viewers of a track want, and what its publisher is told of that (dynacast). */
#include <string.h>
#include "base/log.h"
#include "room/internal.h"

static int quality_of_layer(const struct room_media *m, int layer)
{
    int best = QUALITY_HIGH;
    uint8_t n;
    const struct track_layer *layers = media_layers(m, &n);
    for (uint8_t i = 0; i < n; i++)
        if (layers[i].spatial_layer == layer)
            best = layers[i].quality;
    return best;
}

static int quality_of_size(const struct room_media *m, uint32_t width, uint32_t height)
{
    int fit = -1;
    uint8_t n;
    const struct track_layer *layers = media_layers(m, &n);
    for (uint8_t i = 0; i < n; i++) {
        const struct track_layer *y = &layers[i];
        if ((y->width >= width || y->height >= height) && (fit < 0 || y->spatial_layer < fit))
            fit = y->spatial_layer;
    }
    return fit < 0 ? QUALITY_HIGH : quality_of_layer(m, fit);
}

/* The quality of the layer that serves one who asks for quality: not every publisher has all three. */
static int quality_at_least(const struct room_media *m, int quality)
{
    int best = QUALITY_HIGH;
    uint8_t n;
    const struct track_layer *layers = media_layers(m, &n);
    for (uint8_t i = 0; i < n; i++)
        if (layers[i].quality >= quality && layers[i].quality < best)
            best = layers[i].quality;
    return best;
}

/* The quality that a viewer wants of a track at present; -1: none. */
static int quality_wanted(const struct subscription *s)
{
    const struct choice *c = choice_of(s->subscriber, s->track->sid, false);
    const struct room_media *m = media_of(s);
    if (s->codec_failed || (c && c->has_settings && c->settings.disabled))
        return -1;
    if (!c || !c->has_settings)
        return quality_at_least(m, s->subscriber->adaptive_stream ? QUALITY_LOW : QUALITY_HIGH);
    if (c->settings.width && c->settings.height)
        return quality_of_size(m, c->settings.width, c->settings.height);
    return quality_at_least(m, c->settings.quality);
}

/* The highest quality that somebody wants of a codec at present; -1: nobody wants any. */
static int highest_demand(const struct room_media *m)
{
    int q = QUALITY_HIGH;
    while (q >= 0 && !m->viewers[q])
        q--;
    return q;
}

int demand_told(const struct room_media *m)
{
    int told = -1;
    for (int q = 0; m->track->demand.told && q < 3; q++)
        told = m->enabled[q] ? q : told;
    return told;
}

/* Publishers hear of a backup codec when it is their turn to send it, and from then on. */
static bool is_told_of(const struct room_media *m)
{
    return media_index(m) < m->track->t.desc.codec_count &&
           (!media_index(m) || m->id || highest_demand(m) >= 0 || demand_told(m) >= 0);
}

static void name_codec(const struct room_media *m, char name[TRACK_MIME_MAX])
{
    const char *mime = media_desc(m)->mime, *slash = strchr(mime, '/');
    text_copy(name, TRACK_MIME_MAX, slash ? slash + 1 : "");
    for (char *c = name; *c; c++)
        *c = (char)(*c >= 'A' && *c <= 'Z' ? *c + 32 : *c);
}

static void tell_codec(struct room_media *m, int highest, struct codec_demand *d)
{
    if (highest > demand_told(m))
        m->short_rounds = 0; /* it takes a moment */
    for (int q = 0; q < 3; q++)
        m->enabled[q] = d->enabled[q] = q <= highest;
}

/* What is wanted more, and with lower set also what is wanted less. */
static void tell_demand(struct room_track *t, bool lower, int64_t now_us)
{
    struct codec_demand list[TRACK_CODECS_MAX];
    char names[TRACK_CODECS_MAX][TRACK_MIME_MAX];
    size_t n = 0;
    for (int k = 0; k < TRACK_CODECS_MAX; k++) {
        struct room_media *m = &t->media[k];
        if (!is_told_of(m))
            continue;
        int highest = highest_demand(m), told = demand_told(m);
        name_codec(m, names[n]);
        list[n].codec = names[n];
        tell_codec(m, lower || highest > told ? highest : told, &list[n]);
        if (!m->id && highest >= 0 && !m->asked_us)
            m->asked_us = now_us;
        n++;
    }
    t->demand.told = true;
    TELL(t->t.publisher, demand, t->t.sid, list, n);
}

/* A backup codec that the publisher does not send: whoever needs it is told. */
static void give_up(struct room_media *m)
{
    m->asked_us = 0;
    log_info("track.codec_missing", "track=%s mime=%s", m->track->t.sid, media_desc(m)->mime);
    list_for_each(l, &m->track->t.subscriptions)
    {
        struct subscription *s = list_entry(l, struct subscription, by_track);
        if (s->codec == media_index(m) && !s->codec_failed) {
            s->refused |= (uint8_t)(1u << s->codec);
            subscription_failed(s);
        }
    }
}

static bool awaits_backup(const struct room_track *t)
{
    for (int k = 1; k < TRACK_CODECS_MAX; k++)
        if (t->media[k].asked_us)
            return true;
    return false;
}

/* Does t stay on the list of those that something is due to be told of? */
static bool decide(struct room_track *t, int64_t now_us)
{
    struct track_demand *d = &t->demand;
    bool more = false, less = false;
    for (int k = 0; k < TRACK_CODECS_MAX; k++) {
        const struct room_media *m = &t->media[k];
        int highest = is_told_of(m) ? highest_demand(m) : -1, told = demand_told(m);
        more |= highest > told || (k && !m->id && highest >= 0 && !m->asked_us);
        less |= highest < told;
    }
    if (d->told && !more && !less) {
        d->lower_due_us = 0;
        return awaits_backup(t);
    }
    if (!d->told && now_us - t->published_us < ROOM_DEMAND_SETTLE_US)
        return true; /* the client does not know the track's sid by its own name yet */
    if (!d->lower_due_us)
        d->lower_due_us = now_us + ROOM_DEMAND_LATER_US;
    bool lower = !d->told || now_us >= d->lower_due_us;
    if (!more && now_us < d->lower_due_us)
        return true;
    tell_demand(t, lower, now_us);
    if (lower || !less)
        d->lower_due_us = 0;
    return (less && !lower) || awaits_backup(t);
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

static void look_for_backups(struct room_track *t, int64_t now_us)
{
    for (int k = 1; k < TRACK_CODECS_MAX; k++)
        if (t->media[k].asked_us && now_us - t->media[k].asked_us >= ROOM_BACKUP_WAIT_US)
            give_up(&t->media[k]);
}

void demands_tick(struct room_server *rs, int64_t now_us)
{
    list_for_each_safe(l, &rs->demands)
    {
        struct room_track *t = list_entry(l, struct room_track, demand.link);
        look_for_backups(t, now_us);
        demand_update(t, now_us);
    }
}

static void uncount(struct subscription *s)
{
    if (s->want >= 0)
        media_of(s)->viewers[s->want]--;
    s->want = -1;
}

void demand_end(struct subscription *s)
{
    struct room_track *t = track_private(s->track);
    uncount(s);
    demand_update(t, server_now_us(t->t.publisher->room->server));
}

void demand_changed(struct subscription *s)
{
    struct room_track *t = track_private(s->track);
    int want = quality_wanted(s);
    uncount(s);
    if (want >= 0)
        media_of(s)->viewers[want]++;
    s->want = (int8_t)want;
    demand_update(t, server_now_us(t->t.publisher->room->server));
}

/* s is to have another of its track's codecs; it is not bound. */
void demand_move(struct subscription *s, unsigned codec)
{
    if (s->codec == codec)
        return;
    uncount(s);
    s->codec = (uint8_t)codec;
    demand_changed(s);
    media_regress(media_of(s));
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
        for (int k = 1; k < TRACK_CODECS_MAX; k++)
            t->media[k].asked_us = 0;
        demand_update(t, server_now_us(publisher->room->server));
    }
}
