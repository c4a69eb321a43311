/* Connection quality: what is measured of a participant's connections and pictures, and who is told. */
#include <math.h>
#include <stdlib.h>
#include "room/connection_quality.h"
#include "room/internal.h"

#define PROTOCOL_KNOWS_LOST 11
#define LASTING_ROUNDS      2 /* reports of five seconds that show less than wanted, before it counts */

/* ---- pictures ---- */

static int highest_layer(uint8_t layers)
{
    int highest = -1;
    for (int i = 0; i < 8; i++)
        highest = layers & 1u << i ? i : highest;
    return highest;
}

static int layer_of_quality(const struct room_media *m, int quality)
{
    int layer = 0;
    uint8_t n;
    const struct track_layer *layers = media_layers(m, &n);
    for (uint8_t i = 0; i < n; i++)
        if (layers[i].quality <= quality && layers[i].spatial_layer > layer)
            layer = layers[i].spatial_layer;
    return layer;
}

/* One video: the layer that is due and the one that there is, -1 for none. Less than is due counts when it
 * lasts: before that it may be waiting for a key frame. */
static void count_picture(uint8_t *short_rounds, int due, int layer, struct connection_pictures *pictures)
{
    if (layer >= due)
        *short_rounds = 0;
    else if (*short_rounds < LASTING_ROUNDS)
        (*short_rounds)++;
    if (*short_rounds < LASTING_ROUNDS)
        pictures->full++;
    else if (layer < 0)
        pictures->stopped++;
    else if (due - layer == 1)
        pictures->lower++;
    else
        pictures->lowest++;
}

/* What a subscriber gets of a video against what it wants. A layer that does not arrive from the publisher is
 * no fault of the subscriber's network; a pause for want of bandwidth is. */
static void count_received(struct subscription *s, struct connection_pictures *pictures)
{
    const struct room_media *m = media_of(s);
    const struct track_desc *d = &s->track->desc;
    bool due = d->kind == TRACK_VIDEO && s->want >= 0 && (s->live || s->paused) && !d->muted;
    if (!due) {
        s->short_rounds = 0;
        return;
    }
    int wanted = layer_of_quality(m, s->want), sent = m->simulcast ? highest_layer(m->arriving) : 0;
    wanted = wanted < sent ? wanted : sent;
    int layer = s->paused ? -1 : s->layer < 0 ? wanted : s->layer;
    count_picture(&s->short_rounds, s->paused && wanted < 0 ? 0 : wanted, layer, pictures);
}

/* What a publisher sends of a video against what it was asked for. */
static void count_sent(struct room_media *m, struct connection_pictures *pictures)
{
    int asked = demand_told(m);
    if (!m->simulcast || asked < 0 || m->track->t.desc.muted || !m->arriving) {
        m->short_rounds = 0;
        return;
    }
    count_picture(&m->short_rounds, layer_of_quality(m, asked), highest_layer(m->arriving), pictures);
}

static float missing(const struct connection_pictures *pictures)
{
    return CONNECTION_SCORE_MAX - connection_pictures_score(pictures);
}

static void look_at_pictures(struct participant *p, uint32_t peer)
{
    struct connection_pictures received = {0}, sent = {0};
    if (peer == p->subscriber->number) {
        list_for_each(l, &p->subscriptions)
        {
            count_received(list_entry(l, struct subscription, by_subscriber), &received);
        }
        p->priv->pictures_short = missing(&received);
    }
    if (peer == p->publisher->number) {
        list_for_each(l, &p->tracks)
        {
            struct room_track *t = track_private(list_entry(l, struct track, link));
            for (uint8_t k = 0; k < t->t.desc.codec_count; k++)
                count_sent(&t->media[k], &sent);
        }
        p->priv->sending_short = missing(&sent);
    }
}

/* ---- the network ---- */

static float loss_points(const struct track *t)
{
    if (t->desc.kind == TRACK_VIDEO)
        return CONNECTION_LOSS_VIDEO;
    const struct room_track *rt = track_private((struct track *)(uintptr_t)t);
    return rt->media[0].codec == SDP_CODEC_RED ? CONNECTION_LOSS_RED : CONNECTION_LOSS_AUDIO;
}

/* What a lost per cent costs, by the most sensitive of what the connection carries. */
static float loss_points_of(const struct room_peer *peer)
{
    const struct participant *p = peer->participant;
    float points = CONNECTION_LOSS_RED;
    if (peer == p->publisher) {
        list_for_each(l, &p->tracks)
        {
            const struct track *t = list_entry(l, struct track, link);
            if (!t->desc.muted)
                points = fmaxf(points, loss_points(t));
        }
    }
    if (peer == p->subscriber) {
        list_for_each(l, &p->subscriptions)
        {
            const struct subscription *s = list_entry(l, struct subscription, by_subscriber);
            if (s->live)
                points = fmaxf(points, loss_points(s->track));
        }
    }
    return points;
}

static float network_score(const struct room_peer *peer)
{
    if (!peer || peer->last_quality.type != SFU_EVENT_PEER_QUALITY)
        return CONNECTION_SCORE_MAX;
    struct connection_network n = {.loss = peer->last_quality.quality.loss,
        .rtt_ms = peer->last_quality.quality.rtt_ms,
        .jitter_ms = peer->last_quality.quality.jitter_ms};
    n.loss_points = n.loss > 0 ? loss_points_of(peer) : 0;
    return connection_network_score(&n);
}

static bool is_silent(const struct participant *p)
{
    const struct room_peer *primary = p->subscriber_primary ? p->subscriber : p->publisher;
    return primary->ever_connected && primary->state != SFU_PEER_CONNECTED;
}

void quality_input(struct participant *p, const struct sfu_event *e)
{
    look_at_pictures(p, e->peer);
    if (is_silent(p))
        return;
    float worst = CONNECTION_SCORE_MAX - fmaxf(p->priv->pictures_short, p->priv->sending_short);
    for (int i = 0; i < 2; i++)
        worst = fminf(worst, network_score(p->priv->peers[i]));
    enum connection_quality grade = connection_grade(worst, p->priv->quality);
    if (grade != p->priv->quality)
        quality_news(p);
    p->priv->quality = grade;
    p->priv->score = connection_mos(worst);
}

/* ---- who is told ---- */

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
