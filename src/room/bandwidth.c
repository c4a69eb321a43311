/* What the media side gives each subscription of a subscriber's bandwidth: what it has to know for that, what
 * clients are told of it, and what administrators may see. */
#include <string.h>
#include "base/strbuf.h"
#include "room/internal.h"

/* ---- to the media side ---- */

static uint16_t size_of(uint32_t pixels)
{
    return pixels > UINT16_MAX ? UINT16_MAX : (uint16_t)pixels;
}

/* The place of a layer in the section: that of its rid, or its own among the layers. -1: it has none. */
static int place_of(const struct track_layer *l, const struct sfu_section *s)
{
    for (unsigned i = 0; i < s->rid_count; i++)
        if (strcmp(s->rids[i], l->rid) == 0)
            return (int)i;
    return l->spatial_layer >= 0 && l->spatial_layer < SFU_LAYERS_MAX ? l->spatial_layer : -1;
}

void bandwidth_layers(const struct room_media *m, const struct sfu_section *s, struct sfu_announced *ret)
{
    const struct track_desc *d = &m->track->t.desc;
    uint8_t n;
    const struct track_layer *layers = media_layers(m, &n);
    *ret = (struct sfu_announced){.screen = d->source == SOURCE_SCREEN_SHARE};
    for (uint8_t i = 0; d->kind == TRACK_VIDEO && i < n; i++) {
        int at = place_of(&layers[i], s);
        if (at < 0)
            continue;
        ret->layers[at].width = size_of(layers[i].width);
        ret->layers[at].height = size_of(layers[i].height);
        ret->layers[at].bitrate_bps = layers[i].bitrate_bps;
        if (at >= ret->layer_count)
            ret->layer_count = (uint8_t)(at + 1);
    }
}

static void set_peer(const struct room_peer *peer)
{
    const struct participant *p = peer->participant;
    struct room_server *rs = p->room->server;
    struct sfu_command c = {.type = SFU_PEER_SET, .worker = peer->worker, .peer = peer->number};
    c.peer_set.never_pause = !p->allow_pause;
    c.peer_set.capacity_bps = p->priv->capacity_bps;
    rs->host.post(rs->host.arg, &c);
}

void bandwidth_announce(struct room_peer *peer)
{
    const struct participant *p = peer->participant;
    if (peer == p->subscriber && (!p->allow_pause || p->priv->capacity_bps))
        set_peer(peer);
}

void participant_simulate_bandwidth(struct participant *p, int64_t capacity_bps)
{
    p->priv->capacity_bps = capacity_bps > 0 ? capacity_bps : 0;
    if (p->subscriber->added)
        set_peer(p->subscriber);
}

/* ---- from it ---- */

static void tell_paused(struct subscription *s, bool paused)
{
    if (s->paused == paused)
        return;
    s->paused = paused;
    s->ever_paused |= paused;
    TELL(s->subscriber, stream_state, s->track->publisher->sid, s->track->sid, paused);
}

void bandwidth_event(struct room_server *rs, const struct sfu_event *e)
{
    if (e->type == SFU_EVENT_PEER_ALLOCATED) {
        struct room_peer *peer;
        HASH_FIND_INT(rs->peers, &e->peer, peer);
        if (!peer)
            return;
        peer->allocation_known = true;
        peer->allocated = e->peer_allocated;
        return;
    }
    struct subscription *s;
    HASH_FIND_INT(rs->subs, &e->sub, s);
    if (!s)
        return;
    s->allocation_known = true;
    s->allocated = e->sub_allocated;
    tell_paused(s, e->sub_allocated.paused);
}

void bandwidth_forget(struct subscription *s)
{
    s->allocation_known = false;
    if (!s->subscriber->priv->leaving)
        tell_paused(s, false);
    s->paused = false;
}

/* What the old socket was told may not have arrived. */
void bandwidth_snapshot(struct participant *to)
{
    list_for_each(l, &to->subscriptions)
    {
        const struct subscription *s = list_entry(l, struct subscription, by_subscriber);
        if (s->ever_paused)
            TELL(to, stream_state, s->track->publisher->sid, s->track->sid, s->paused);
    }
}

/* ---- for administrators ---- */

bool participant_allocated(const struct participant *p, struct sfu_peer_allocated *ret)
{
    if (p->subscriber->allocation_known)
        *ret = p->subscriber->allocated;
    return p->subscriber->allocation_known;
}

void participant_receives(
    const struct participant *p, void (*fn)(void *arg, const struct participant_reception *r), void *arg)
{
    list_for_each(l, &p->subscriptions)
    {
        const struct subscription *s = list_entry(l, struct subscription, by_subscriber);
        const struct choice *c = choice_of((struct participant *)(uintptr_t)p, s->track->sid, false);
        const struct participant_reception r = {.track = s->track,
            .settings = c && c->has_settings ? &c->settings : NULL,
            .allocated = s->allocation_known ? &s->allocated : NULL,
            .bound = s->number != 0,
            .live = s->live,
            .codec_failed = s->codec_failed};
        fn(arg, &r);
    }
}
