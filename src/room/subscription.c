/* Who receives what: wishes, permissions, and their bindings to the media side. */
#include <stdlib.h>
#include <string.h>
#include "base/log.h"
#include "room/internal.h"

/* ---- wishes ---- */

struct choice *choice_of(struct participant *p, const char *sid, bool make)
{
    struct choice *c;
    HASH_FIND_STR(p->priv->choices, sid, c);
    if (c || !make || strlen(sid) >= ROOM_SID_MAX || HASH_COUNT(p->priv->choices) >= ROOM_CHOICES_MAX)
        return c;
    c = calloc(1, sizeof *c);
    if (!c)
        return NULL;
    text_copy(c->sid, sizeof c->sid, sid);
    HASH_ADD_STR(p->priv->choices, sid, c);
    p->room->priv->choices++;
    return c;
}

static void choice_free(struct participant *p, struct choice *c)
{
    HASH_DEL(p->priv->choices, c);
    p->room->priv->choices--;
    free(c);
}

void choices_done(struct participant *p)
{
    struct choice *c, *next;
    HASH_ITER(hh, p->priv->choices, c, next)
    {
        choice_free(p, c);
    }
}

/* The track is gone, and its sid with it. */
void choices_forget(const struct track *t)
{
    if (!t->publisher->room->priv->choices)
        return;
    list_for_each(l, &t->publisher->room->participants)
    {
        struct participant *p = list_entry(l, struct participant, link);
        struct choice *c = choice_of(p, t->sid, false);
        if (c)
            choice_free(p, c);
    }
}

static void choice_expires(struct participant *p, int64_t at_us)
{
    if (!p->priv->choices_expire_us || at_us < p->priv->choices_expire_us)
        p->priv->choices_expire_us = at_us;
    participant_watch(p);
}

void choices_expire(struct participant *p, int64_t now_us)
{
    struct choice *c, *next;
    if (!p->priv->choices_expire_us || now_us < p->priv->choices_expire_us)
        return;
    p->priv->choices_expire_us = 0;
    HASH_ITER(hh, p->priv->choices, c, next)
    {
        if (!c->expires_us)
            continue;
        if (now_us < c->expires_us) {
            choice_expires(p, c->expires_us);
            continue;
        }
        char sid[ROOM_SID_MAX];
        text_copy(sid, sizeof sid, c->sid);
        choice_free(p, c);
        TELL(p, subscription_failed, sid, SUBSCRIPTION_TRACK_NOT_FOUND);
    }
}

static bool wanted(struct participant *p, const struct track *t)
{
    const struct choice *c = choice_of(p, t->sid, false);
    bool offered = !((const struct room_track *)t)->on_stage;
    return c && c->chosen ? c->subscribe : p->auto_subscribe && offered;
}

/* ---- subscriptions ---- */

static struct subscription *find(const struct participant *p, const struct track *t)
{
    list_for_each(l, &p->subscriptions)
    {
        struct subscription *s = list_entry(l, struct subscription, by_subscriber);
        if (s->track == t)
            return s;
    }
    return NULL;
}

void subscription_stop(struct subscription *s)
{
    struct room_server *rs = s->subscriber->room->server;
    if (!s->number)
        return;
    struct sfu_command c = {.type = SFU_SUB_REMOVE,
        .worker = s->subscriber->subscriber->worker,
        .peer = s->subscriber->subscriber->number,
        .track = media_of(s)->id,
        .sub = s->number};
    rs->host.post(rs->host.arg, &c);
    HASH_DELETE(hh, rs->subs, s);
    s->number = 0;
    s->live = false;
    s->layer = -1;
    bandwidth_forget(s);
}

void subscription_end(struct subscription *s)
{
    struct participant *p = s->subscriber;
    struct participant *publisher = s->track->publisher;
    subscription_stop(s);
    demand_end(s);
    peer_unbind(p->subscriber, s);
    list_del(&s->by_subscriber);
    list_del(&s->by_track);
    bool microphone = s->track->desc.source == SOURCE_MICROPHONE;
    free(s);
    if (p->priv->leaving)
        return;
    if (microphone && publisher->priv->told_active) {
        struct speaker quiet = {.participant_sid = publisher->sid};
        TELL(p, speakers, &quiet, 1);
    }
    negotiation_needed(p);
}

void subscription_start(struct subscription *s, const struct sdp_section_result *section)
{
    struct participant *p = s->subscriber;
    struct room_server *rs = p->room->server;
    struct room_track *t = track_private(s->track);
    int at = sdp_plan_find(&p->subscriber->plan, s->key);
    const struct sdp_track *st = at >= 0 ? sdp_plan_track(&p->subscriber->plan, (unsigned)at) : NULL;
    if (!st)
        return;
    s->number = server_number(rs);
    text_copy(s->mid, sizeof s->mid, section->mid);
    HASH_ADD(hh, rs->subs, number, sizeof s->number, s);
    struct sfu_command c = {.type = SFU_SUB_ADD,
        .worker = p->subscriber->worker,
        .peer = p->subscriber->number,
        .track = media_of(s)->id,
        .sub = s->number};
    c.sub_add.track_worker = t->stage ? c.worker : t->worker;
    c.sub_add.own_peer = p->publisher->number;
    c.sub_add.kind = (uint8_t)t->t.desc.kind;
    c.sub_add.ssrc = st->ssrc;
    c.sub_add.rtx_ssrc = section->codecs[0].rtx_pt >= 0 ? st->rtx_ssrc : 0;
    c.sub_add.encrypted = t->t.desc.encryption != 0;
    c.sub_add.paused = true; /* subscription_apply says what is wanted */
    text_copy(c.sub_add.cname, sizeof c.sub_add.cname, t->t.publisher->sid);
    peer_section(section, &c.sub_add.section);
    c.sub_add.section.rid_count = c.sub_add.section.ssrc_count = 0;
    rs->host.post(rs->host.arg, &c);
    subscription_apply(s);
    if (!t->t.announced_subscribed) {
        t->t.announced_subscribed = true;
        TELL(t->t.publisher, track_subscribed, &t->t);
    }
    log_debug("subscription.started", "room=%s subscriber=%s track=%s mime=%s mid=%s sub=%u", p->room->name,
        p->identity, t->t.sid, media_desc(media_of(s))->mime, s->mid, s->number);
    demand_update(t, server_now_us(rs));
}

/* The spatial layer that serves a size or quality best: the lowest that is at least as large. */
static int8_t wanted_layer(
    const struct participant *p, const struct room_media *m, const struct track_settings *set)
{
    uint8_t n;
    const struct track_layer *layers = media_layers(m, &n);
    if (n < 2)
        return -1;
    if (!set)
        return p->adaptive_stream ? 0 : -1;
    int best = -1, highest = 0;
    for (uint8_t i = 0; i < n; i++) {
        const struct track_layer *l = &layers[i];
        highest = l->spatial_layer > highest ? l->spatial_layer : highest;
        bool fits = set->width && set->height ? (l->width >= set->width || l->height >= set->height)
                                              : l->quality >= (uint8_t)set->quality;
        if (fits && (best < 0 || l->spatial_layer < best))
            best = l->spatial_layer;
    }
    return (int8_t)(best < 0 ? highest : best);
}

void subscription_apply(struct subscription *s)
{
    if (!s->number)
        return;
    struct room_server *rs = s->subscriber->room->server;
    const struct choice *choice = choice_of(s->subscriber, s->track->sid, false);
    const struct track_settings *set = choice && choice->has_settings ? &choice->settings : NULL;
    struct sfu_command c = {.type = SFU_SUB_SET,
        .worker = s->subscriber->subscriber->worker,
        .peer = s->subscriber->subscriber->number,
        .track = media_of(s)->id,
        .sub = s->number};
    c.sub_set.disabled = set && set->disabled;
    c.sub_set.max_layer = wanted_layer(s->subscriber, media_of(s), set);
    c.sub_set.max_fps = set && set->fps < 255 ? (uint8_t)set->fps : 0;
    if (set) {
        c.sub_set.width = set->width;
        c.sub_set.height = set->height;
        c.sub_set.priority = set->priority;
        c.sub_set.pinned = set->priority == 1; /* the protocol has no other word for it */
    }
    rs->host.post(rs->host.arg, &c);
}

static void subscribe(struct participant *p, struct track *t)
{
    struct subscription *s = calloc(1, sizeof *s);
    if (!s)
        return;
    s->subscriber = p;
    s->track = t;
    s->layer = s->want = -1;
    list_add_tail(&p->subscriptions, &s->by_subscriber);
    list_add_tail(&t->subscriptions, &s->by_track);
    demand_changed(s);
    speakers_greet(p, t->publisher);
    quality_news(p);
    negotiation_needed(p);
}

void subscriptions_reconcile(struct participant *p, struct track *t)
{
    if (!p->priv->told_joined || p->priv->leaving)
        return;
    bool should = participant_may_subscribe(p, t) && wanted(p, t);
    struct subscription *s = find(p, t);
    if (should && !s) {
        subscribe(p, t);
    } else if (!should && s) {
        subscription_end(s);
    }
}

void subscriptions_reconcile_all(struct participant *p)
{
    list_for_each(l, &p->room->priv->offered)
    {
        subscriptions_reconcile(p, &list_entry(l, struct room_track, offered)->t);
    }
    list_for_each_safe(l, &p->subscriptions)
    {
        subscriptions_reconcile(p, list_entry(l, struct subscription, by_subscriber)->track);
    }
    struct choice *c, *next;
    HASH_ITER(hh, p->priv->choices, c, next)
    {
        struct track *t = room_find_track(p->room, c->sid);
        if (t)
            subscriptions_reconcile(p, t);
    }
}

void subscriptions_renew(struct track *t)
{
    list_for_each(l, &t->subscriptions)
    {
        struct subscription *s = list_entry(l, struct subscription, by_track);
        subscription_stop(s);
        peer_unbind(s->subscriber->subscriber, s);
        s->codec_failed = false;
        s->refused = 0;
        demand_changed(s);
        negotiation_needed(s->subscriber);
    }
}

/* Who could take none of its codecs may take this one. */
void subscription_retry(struct subscription *s, unsigned codec)
{
    if (!s->codec_failed)
        return;
    s->codec_failed = false;
    s->refused &= (uint8_t) ~(1u << codec);
    demand_move(s, codec);
    negotiation_needed(s->subscriber);
}

void subscriptions_retry(struct track *t, unsigned codec)
{
    list_for_each(l, &t->subscriptions)
    {
        subscription_retry(list_entry(l, struct subscription, by_track), codec);
    }
}

void subscriptions_of_new_track(struct track *t)
{
    if (track_private(t)->on_stage && !t->publisher->room->priv->choices)
        return; /* nobody asked for it */
    list_for_each(l, &t->publisher->room->participants)
    {
        struct participant *p = list_entry(l, struct participant, link);
        struct choice *c = choice_of(p, t->sid, false);
        if (c)
            c->expires_us = 0;
        subscriptions_reconcile(p, t);
    }
}

void participant_subscribe(struct participant *p, const char *track_sid, bool subscribe_it)
{
    struct choice *c = choice_of(p, track_sid, true);
    if (!c)
        return;
    c->chosen = true;
    c->subscribe = subscribe_it;
    struct track *t = room_find_track(p->room, track_sid);
    if (t) {
        c->expires_us = 0;
        subscriptions_reconcile(p, t);
    } else {
        c->expires_us = subscribe_it ? server_now_us(p->room->server) + ROOM_SUBSCRIBE_WAIT_US : 0;
        if (c->expires_us)
            choice_expires(p, c->expires_us);
    }
}

void participant_track_settings(
    struct participant *p, const char *track_sid, const struct track_settings *set)
{
    struct choice *c = choice_of(p, track_sid, true);
    if (!c)
        return;
    c->has_settings = true;
    c->settings = *set;
    c->settings.disabled |= set->quality == QUALITY_OFF;
    struct track *t = room_find_track(p->room, track_sid);
    struct subscription *s = t ? find(p, t) : NULL;
    if (!s)
        return;
    subscription_apply(s);
    demand_changed(s);
}
