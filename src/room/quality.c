/* Connection quality: what is measured of a participant's connections and pictures, and who is told. */
#include <stdlib.h>
#include "room/connection_quality.h"
#include "room/internal.h"

#define PROTOCOL_KNOWS_LOST 11
#define LASTING_ROUNDS      2 /* reports of five seconds that show less than wanted, before it counts */

static int8_t counted_layer(int layer)
{
    return (int8_t)(layer < 0 ? -1 : layer < SFU_RIDS_MAX ? layer : SFU_RIDS_MAX - 1);
}

void quality_layer(struct subscription *s, int layer)
{
    struct room_track *t = track_private(s->track);
    if (s->layer >= 0)
        t->receiving[s->layer]--;
    s->layer = counted_layer(layer);
    if (s->layer >= 0)
        t->receiving[s->layer]++;
}

static int highest_received(const struct room_track *t)
{
    int layer = SFU_RIDS_MAX - 1;
    while (layer >= 0 && !t->receiving[layer])
        layer--;
    return layer;
}

static int layer_of_quality(const struct track *t, int quality)
{
    int layer = 0;
    for (uint8_t i = 0; i < t->desc.layer_count; i++)
        if (t->desc.layers[i].quality <= quality && t->desc.layers[i].spatial_layer > layer)
            layer = t->desc.layers[i].spatial_layer;
    return layer;
}

/* What the subscriber gets of a video, against what it wants and what others get of it: a layer that goes to
 * nobody may not be sent at all, which is not this one's fault. */
static void count_picture(struct subscription *s, struct connection_pictures *pictures)
{
    struct track *t = s->track;
    int quality = t->desc.kind == TRACK_VIDEO && s->live && !t->desc.muted ? s->want : -1;
    if (quality < 0) {
        s->short_rounds = 0;
        return;
    }
    int wanted = layer_of_quality(t, quality), sent = highest_received(track_private(t));
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

static bool is_silent(const struct participant *p)
{
    const struct room_peer *primary = p->subscriber_primary ? p->subscriber : p->publisher;
    return primary->ever_connected && primary->state != SFU_PEER_CONNECTED;
}

void quality_input(struct participant *p, const struct sfu_event *e)
{
    if (p->subscriber && e->peer == p->subscriber->number)
        look_at_pictures(p);
    if (is_silent(p))
        return;
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
        quality_news(p);
    p->priv->quality = grade;
    p->priv->score = connection_mos(worst);
}

void quality_connection(struct participant *p)
{
    if (list_empty(&p->priv->quality_link))
        list_add_tail(&p->room->priv->quality_news, &p->priv->quality_link);
}

void quality_news(struct participant *p)
{
    p->priv->quality_dirty = true;
    quality_connection(p);
}

static void look_for_silence(struct participant *p)
{
    if (is_silent(p) && p->priv->quality != CONNECTION_LOST) {
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

static struct participant *of_link(struct list *l)
{
    return list_entry(l, struct participant_private, quality_link)->peers[PEER_PUBLISHER]->participant;
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

/* Who is told: those with news, and those who receive something from them. Each once. */
struct audience {
    struct participant **list;
    size_t n;
    uint64_t round;
};

static void invite(struct audience *a, struct participant *p)
{
    if (p->state != PARTICIPANT_ACTIVE || p->priv->told_round == a->round)
        return;
    p->priv->told_round = a->round;
    a->list[a->n++] = p;
}

static void invite_all(struct audience *a, struct participant *p)
{
    invite(a, p);
    list_for_each(l, &p->tracks)
    {
        struct track *t = list_entry(l, struct track, link);
        list_for_each(m, &t->subscriptions)
        {
            invite(a, list_entry(m, struct subscription, by_track)->subscriber);
        }
    }
}

/* False: no memory, the next time perhaps. */
static bool tell_room(struct room *r)
{
    struct participant_quality *list = calloc(r->priv->people, sizeof *list);
    struct audience a = {
        .list = calloc(r->priv->people, sizeof(*a.list)), .round = ++r->server->quality_round};
    bool ok = list && a.list;
    if (ok) {
        list_for_each(l, &r->priv->quality_news)
        {
            struct participant *p = of_link(l);
            if (has_news(p))
                invite_all(&a, p);
        }
        for (size_t i = 0; i < a.n; i++) {
            size_t n = quality_for(a.list[i], list);
            TELL(a.list[i], quality, list, n);
        }
    }
    free(list);
    free(a.list);
    return ok;
}

static void room_quality(struct room *r)
{
    bool news = false;
    list_for_each(l, &r->priv->quality_news)
    {
        struct participant *p = of_link(l);
        look_for_silence(p);
        news |= has_news(p);
    }
    if (news && !tell_room(r))
        return;
    list_for_each_safe(l, &r->priv->quality_news)
    {
        struct participant *p = of_link(l);
        if (p->priv->quality_dirty && p->state != PARTICIPANT_ACTIVE)
            continue;
        p->priv->quality_dirty = false;
        list_del(l);
    }
}

void quality_tick(struct room_server *rs)
{
    list_for_each(l, &rs->rooms)
    {
        room_quality(list_entry(l, struct room, link));
    }
}
