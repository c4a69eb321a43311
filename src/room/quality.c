/* Active speakers, connection quality, and which layers a publisher's viewers want. */
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include "base/log.h"
#include "room/connection_quality.h"
#include "room/internal.h"

/* ---- speakers ---- */

#define SPEAKER_STALE_US (2 * ROOM_SPEAKERS_US) /* without news this long, silence */
#define SPEAKERS_MAX     64                     /* of one message; the others' turn is the next time */

/* Clients are told levels in steps of an eighth, rounded up. */
static float told_level(float level)
{
    float l = ceilf(level * 8) / 8;
    return l > 1 ? 1 : l;
}

static struct speaker speaker_of(const struct participant *p)
{
    return (struct speaker){
        .participant_sid = p->sid, .level = p->priv->told_level, .active = p->priv->told_active};
}

static bool hears(const struct participant *p, const struct participant *publisher)
{
    if (p == publisher)
        return true;
    list_for_each(l, &p->subscriptions)
    {
        const struct subscription *s = list_entry(l, struct subscription, by_subscriber);
        if (s->track->publisher == publisher && s->track->desc.kind == TRACK_AUDIO)
            return true;
    }
    return false;
}

void speakers_greet(struct participant *subscriber, struct participant *publisher)
{
    if (!publisher->priv->told_active)
        return;
    struct speaker s = speaker_of(publisher);
    TELL(subscriber, speakers, &s, 1);
}

void speakers_snapshot(struct participant *to)
{
    struct speaker list[SPEAKERS_MAX];
    size_t n = 0;
    list_for_each(l, &to->room->participants)
    {
        const struct participant *p = list_entry(l, struct participant, link);
        if (p->priv->spoke && n < SPEAKERS_MAX && hears(to, p))
            list[n++] = speaker_of(p);
    }
    if (n)
        TELL(to, speakers, list, n);
}

static bool level_changed(struct participant *p, int64_t now_us)
{
    struct participant_private *priv = p->priv;
    if (priv->simulate_until_us && now_us >= priv->simulate_until_us)
        priv->simulate_until_us = 0, priv->active = false;
    if (!priv->simulate_until_us && now_us - priv->level_us > SPEAKER_STALE_US)
        priv->active = false;
    bool active = priv->active;
    float level = active ? told_level(priv->level) : 0;
    if (active == priv->told_active && fabsf(level - priv->told_level) < 0.001f)
        return false;
    priv->spoke = true;
    priv->told_active = active;
    priv->told_level = level;
    return true;
}

static void room_speakers(struct room *r, int64_t now_us)
{
    struct participant *changed[SPEAKERS_MAX];
    size_t n = 0;
    list_for_each(l, &r->participants)
    {
        struct participant *p = list_entry(l, struct participant, link);
        if (n < SPEAKERS_MAX && level_changed(p, now_us))
            changed[n++] = p;
    }
    if (!n)
        return;
    list_for_each(l, &r->participants)
    {
        struct participant *p = list_entry(l, struct participant, link);
        struct speaker list[SPEAKERS_MAX];
        size_t k = 0;
        for (size_t i = 0; i < n; i++)
            if (hears(p, changed[i]))
                list[k++] = speaker_of(changed[i]);
        if (k && p->priv->told_joined)
            TELL(p, speakers, list, k);
    }
}

void speakers_tick(struct room_server *rs, int64_t now_us)
{
    list_for_each(l, &rs->rooms)
    {
        room_speakers(list_entry(l, struct room, link), now_us);
    }
}

/* ---- what a viewer wants ---- */

static int quality_of_layer(const struct track *t, int layer)
{
    int best = QUALITY_HIGH;
    for (uint8_t i = 0; i < t->desc.layer_count; i++)
        if (t->desc.layers[i].spatial_layer == layer)
            best = t->desc.layers[i].quality;
    return best;
}

static int layer_of_quality(const struct track *t, int quality)
{
    int layer = 0;
    for (uint8_t i = 0; i < t->desc.layer_count; i++)
        if (t->desc.layers[i].quality <= quality && t->desc.layers[i].spatial_layer > layer)
            layer = t->desc.layers[i].spatial_layer;
    return layer;
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

/* The quality that a viewer wants of a track at present; -1: none. */
static int quality_wanted(const struct subscription *s)
{
    const struct choice *c = choice_of(s->subscriber, s->track->sid, false);
    if (s->codec_failed || (c && c->has_settings && c->settings.disabled))
        return -1;
    if (!c || !c->has_settings)
        return s->subscriber->adaptive_stream ? QUALITY_LOW : QUALITY_HIGH;
    if (c->settings.width && c->settings.height)
        return quality_of_size(s->track, c->settings.width, c->settings.height);
    return c->settings.quality <= QUALITY_HIGH ? (int)c->settings.quality : QUALITY_HIGH;
}

/* ---- connection quality ---- */

#define PROTOCOL_KNOWS_LOST 11
#define LASTING_ROUNDS      2 /* reports of five seconds that show less than wanted, before it counts */

/* What the subscriber gets of a video, against what it wants and what others get of it: a layer that goes to
 * nobody may not be sent at all, which is not this one's fault. */
static void count_picture(struct subscription *s, struct connection_pictures *pictures)
{
    struct track *t = s->track;
    int quality = t->desc.kind == TRACK_VIDEO && s->live && !t->desc.muted ? quality_wanted(s) : -1;
    if (quality < 0) {
        s->short_rounds = 0;
        return;
    }
    int wanted = layer_of_quality(t, quality), sent = -1;
    list_for_each(l, &t->subscriptions)
    {
        const struct subscription *other = list_entry(l, struct subscription, by_track);
        sent = other->layer > sent ? other->layer : sent;
    }
    int due = wanted < sent ? wanted : sent;
    bool less = s->paused || (s->layer >= 0 && s->layer < due);
    if (!less)
        s->short_rounds = 0;
    else if (s->short_rounds < LASTING_ROUNDS)
        s->short_rounds++;
    if (s->short_rounds < LASTING_ROUNDS)
        pictures->full++; /* it may be waiting for a key frame */
    else if (s->paused)
        pictures->stopped++;
    else if (due - s->layer == 1)
        pictures->lower++;
    else
        pictures->lowest++;
}

static void look_at_pictures(struct participant *p)
{
    struct connection_pictures pictures = {0};
    list_for_each(l, &p->subscriptions)
    {
        count_picture(list_entry(l, struct subscription, by_subscriber), &pictures);
    }
    p->priv->pictures_short = CONNECTION_SCORE_MAX - connection_pictures_score(&pictures);
}

void quality_input(struct participant *p, const struct sfu_event *e)
{
    if (p->subscriber && e->peer == p->subscriber->number)
        look_at_pictures(p);
    float worst = CONNECTION_SCORE_MAX - p->priv->pictures_short;
    for (int i = 0; i < 2; i++) {
        const struct room_peer *peer = p->priv->peers[i];
        if (!peer || peer->last_quality.type != SFU_EVENT_PEER_QUALITY)
            continue;
        struct connection_network n = {.loss = peer->last_quality.quality.loss,
            .rtt_ms = peer->last_quality.quality.rtt_ms,
            .jitter_ms = peer->last_quality.quality.jitter_ms};
        float s = connection_network_score(&n);
        worst = s < worst ? s : worst;
    }
    enum connection_quality grade = connection_grade(worst, p->priv->quality);
    if (grade != p->priv->quality)
        p->priv->quality_dirty = true;
    p->priv->quality = grade;
    p->priv->score = connection_mos(worst);
}

static void media_silence(struct participant *p)
{
    const struct room_peer *primary = p->subscriber_primary ? p->subscriber : p->publisher;
    bool lost = primary->ever_connected && primary->state != SFU_PEER_CONNECTED;
    if (lost && p->priv->quality != CONNECTION_LOST) {
        p->priv->quality = CONNECTION_LOST;
        p->priv->score = 1;
        p->priv->quality_dirty = true;
    }
}

static struct participant_quality quality_of(const struct participant *p, const struct participant *to)
{
    enum connection_quality q = p->priv->quality;
    if (q == CONNECTION_LOST && to->protocol < PROTOCOL_KNOWS_LOST)
        q = CONNECTION_POOR;
    return (struct participant_quality){.participant_sid = p->sid, .quality = q, .score = p->priv->score};
}

/* Whoever is not connected yet has no quality: its time comes when it is. */
static bool has_news(const struct participant *p)
{
    return p->priv->quality_dirty && p->state == PARTICIPANT_ACTIVE;
}

/* Those it receives from, each once, and itself, as far as there is news. */
static size_t quality_for(const struct participant *to, struct participant_quality *list)
{
    uint64_t round = ++to->room->server->quality_round;
    size_t n = 0;
    list_for_each(l, &to->subscriptions)
    {
        const struct participant *p = list_entry(l, struct subscription, by_subscriber)->track->publisher;
        if (p->priv->quality_round == round || (!has_news(p) && !has_news(to)))
            continue;
        p->priv->quality_round = round;
        list[n++] = quality_of(p, to);
    }
    if (has_news(to))
        list[n++] = quality_of(to, to);
    return n;
}

static void room_quality(struct room *r)
{
    size_t people = 0;
    bool dirty = false;
    list_for_each(l, &r->participants)
    {
        struct participant *p = list_entry(l, struct participant, link);
        media_silence(p);
        dirty |= has_news(p);
        people++;
    }
    struct participant_quality *list = dirty ? calloc(people, sizeof *list) : NULL;
    if (!list)
        return;
    list_for_each(l, &r->participants)
    {
        struct participant *to = list_entry(l, struct participant, link);
        size_t n = quality_for(to, list);
        if (n && to->state == PARTICIPANT_ACTIVE)
            TELL(to, quality, list, n);
    }
    list_for_each(l, &r->participants)
    {
        struct participant *p = list_entry(l, struct participant, link);
        if (has_news(p))
            p->priv->quality_dirty = false;
    }
    free(list);
}

void quality_tick(struct room_server *rs, int64_t now_us)
{
    (void)now_us;
    list_for_each(l, &rs->rooms)
    {
        room_quality(list_entry(l, struct room, link));
    }
}

/* ---- which layers are wanted ---- */

/* The highest quality that somebody wants at present; -1: nobody wants any. */
static int highest_demand(struct track *t)
{
    int highest = -1;
    list_for_each(l, &t->subscriptions)
    {
        int q = quality_wanted(list_entry(l, struct subscription, by_track));
        highest = q > highest ? q : highest;
    }
    return highest;
}

static void tell_demand(struct room_track *t, int highest)
{
    struct codec_demand d = {.codec = t->t.mime[0] ? strchr(t->t.mime, '/') + 1 : ""};
    char lower[TRACK_MIME_MAX];
    text_copy(lower, sizeof lower, d.codec);
    for (char *c = lower; *c; c++)
        *c = (char)(*c >= 'A' && *c <= 'Z' ? *c + 32 : *c);
    d.codec = lower;
    for (int q = 0; q < 3; q++)
        t->demand.enabled[q] = d.enabled[q] = q <= highest;
    t->demand.told = true;
    t->demand.lower_due_us = 0;
    TELL(t->t.publisher, demand, t->t.sid, &d, 1);
}

/* Increases are told at once; decreases when they have lasted, so that a viewer who comes back soon costs no
 * key frame. */
void demand_update(struct room_track *t, int64_t now_us)
{
    if (t->t.desc.kind != TRACK_VIDEO || !t->t.published || t->t.publisher->signal_lost)
        return;
    int highest = highest_demand(&t->t);
    int told = -1;
    if (!t->demand.told && now_us - t->published_us < ROOM_DEMAND_SETTLE_US)
        return; /* the client does not know the track's sid by its own name yet */
    for (int q = 0; t->demand.told && q < 3; q++)
        told = t->demand.enabled[q] ? q : told;
    if (t->demand.told ? highest > told : highest >= 0) {
        tell_demand(t, highest);
    } else if (highest == told && t->demand.told) {
        t->demand.lower_due_us = 0;
    } else if (!t->demand.lower_due_us) {
        t->demand.lower_due_us = now_us + ROOM_DEMAND_LATER_US;
    } else if (now_us >= t->demand.lower_due_us) {
        tell_demand(t, highest);
    }
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
