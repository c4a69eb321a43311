/* The table of all rooms, the clock, and what the media side reports. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include "base/log.h"
#include "base/rand.h"
#include "room/internal.h"

int64_t server_now_us(const struct room_server *rs)
{
    return rs->host.now_us(rs->host.arg);
}

int64_t server_wall_us(const struct room_server *rs)
{
    return rs->host.wall_us(rs->host.arg);
}

uint32_t server_number(struct room_server *rs)
{
    return ++rs->next_number;
}

void server_wake_at(struct room_server *rs, int64_t due_us)
{
    rs->host.wake_at(rs->host.arg, due_us);
}

char *sid_make(char out[ROOM_SID_MAX], const char *prefix)
{
    size_t n = strlen(prefix);
    memcpy(out, prefix, n);
    rand_id(out + n, 12);
    return out;
}

struct room_server *room_server_new(const struct config *cfg, const struct room_host *host)
{
    struct room_server *rs = calloc(1, sizeof *rs);
    if (!rs)
        return NULL;
    rs->cfg = cfg;
    rs->host = *host;
    if (rs->host.workers < 1)
        rs->host.workers = 1;
    if (rs->host.workers > SFU_WORKERS_MAX)
        rs->host.workers = SFU_WORKERS_MAX;
    list_init(&rs->rooms);
    list_init(&rs->pokes);
    list_init(&rs->watched);
    list_init(&rs->demands);
    int64_t now = server_now_us(rs);
    rs->tick_us = now + ROOM_TICK_US;
    rs->speakers_us = now + ROOM_SPEAKERS_US;
    rs->quality_us = now + ROOM_QUALITY_US;
    server_wake_at(rs, rs->tick_us);
    return rs;
}

void room_server_close(struct room_server *rs, enum leave_reason reason, enum leave_action action)
{
    rs->closing = true;
    while (!list_empty(&rs->rooms)) {
        struct room *r = list_entry(rs->rooms.next, struct room, link);
        list_for_each_safe(l, &r->participants)
        {
            participant_remove(list_entry(l, struct participant, link), reason, action, true, false);
        }
        room_delete(r, reason);
    }
    rs->closing = false;
}

void room_server_free(struct room_server *rs)
{
    if (!rs)
        return;
    room_server_close(rs, LEAVE_SERVER_SHUTDOWN, LEAVE_DISCONNECT);
    free(rs);
}

void room_server_watch(struct room_server *rs, const struct room_watch *w)
{
    rs->watch = *w;
}

struct list *room_server_rooms(struct room_server *rs)
{
    return &rs->rooms;
}

void room_server_counts(struct room_server *rs, size_t *ret_rooms, size_t *ret_participants)
{
    *ret_rooms = rs->room_count;
    *ret_participants = rs->participant_count;
}

static void tick(struct room_server *rs, int64_t now_us)
{
    rs->tick_us = now_us + ROOM_TICK_US;
    participants_tick(rs, now_us);
    demands_tick(rs, now_us);
    list_for_each_safe(l, &rs->rooms)
    {
        room_tick(list_entry(l, struct room, link), now_us);
    }
    if (now_us >= rs->speakers_us) {
        rs->speakers_us = now_us + ROOM_SPEAKERS_US;
        speakers_tick(rs, now_us);
    }
    if (now_us >= rs->quality_us) {
        rs->quality_us = now_us + ROOM_QUALITY_US;
        quality_tick(rs);
    }
}

void room_server_timeout(struct room_server *rs, int64_t now_us)
{
    list_for_each_safe(l, &rs->pokes)
    {
        struct participant_private *priv = list_entry(l, struct participant_private, poke_link);
        if (priv->poke_due_us > now_us)
            continue;
        list_del(l);
        negotiation_due(priv->peers[PEER_PUBLISHER]->participant, now_us);
    }
    if (now_us >= rs->tick_us)
        tick(rs, now_us);
    /* the host keeps one wake-up only, and this call was it */
    int64_t next_us = rs->tick_us;
    list_for_each(l, &rs->pokes)
    {
        const struct participant_private *priv = list_entry(l, struct participant_private, poke_link);
        next_us = priv->poke_due_us < next_us ? priv->poke_due_us : next_us;
    }
    server_wake_at(rs, next_us);
}

static void became_active(struct participant *p)
{
    p->state = PARTICIPANT_ACTIVE;
    log_info("participant.active", "room=%s identity=%s participant=%s", p->room->name, p->identity, p->sid);
    participant_changed(p, false);
    if (p->room->server->watch.participant_changed)
        p->room->server->watch.participant_changed(p->room->server->watch.arg, p);
}

/* RFC 7675 ran out, or DTLS failed: the client is asked to resume; if its socket is gone too, it has left. */
static void media_failed(struct room_peer *peer, const char *reason)
{
    struct participant *p = peer->participant;
    log_info("participant.media_failed", "room=%s identity=%s participant=%s reason=\"%s\"", p->room->name,
        p->identity, p->sid, reason);
    if (!p->priv->failed_us)
        p->priv->failed_us = server_now_us(p->room->server);
    participant_watch(p);
    if (p->signal_lost)
        return;
    TELL(p, leave, LEAVE_CONNECTION_TIMEOUT, LEAVE_RESUME);
    p->ops = NULL;
    p->arg = NULL;
    p->signal_lost = true;
    p->priv->signal_lost_us = server_now_us(p->room->server); /* media may come back, and nobody with it */
}

static void peer_state(struct room_server *rs, struct room_peer *peer, const struct sfu_event *e)
{
    struct participant *p = peer->participant;
    (void)rs;
    peer->state = e->peer_state.state;
    quality_connection(p);
    log_debug("peer.state", "peer=%u participant=%s state=%d tcp=%d", peer->number, p->sid,
        e->peer_state.state, e->peer_state.tcp);
    switch (e->peer_state.state) {
    case SFU_PEER_CONNECTED:
        peer->ever_connected = true;
        p->priv->failed_us = 0;
        if (p->state < PARTICIPANT_ACTIVE && (p->subscriber_primary ? p->subscriber : p->publisher) == peer)
            became_active(p);
        break;
    case SFU_PEER_FAILED:
        media_failed(peer, e->peer_state.reason);
        break;
    case SFU_PEER_CLOSED:
        if (p->signal_lost || p->no_signal)
            participant_evict(p, LEAVE_CLIENT_INITIATED, LEAVE_DISCONNECT, p->signal_lost);
        break;
    case SFU_PEER_CONNECTING:
    case SFU_PEER_DISCONNECTED:
        break;
    }
}

static void track_event(struct room_server *rs, const struct sfu_event *e)
{
    struct room_media *m;
    HASH_FIND_INT(rs->media, &e->track, m);
    if (!m)
        return;
    struct room_track *t = m->track;
    if (e->type == SFU_EVENT_TRACK_LEVEL) {
        struct participant_private *priv = t->t.publisher->priv;
        if (t->t.desc.source == SOURCE_SCREEN_SHARE_AUDIO || priv->simulate_until_us)
            return;
        speakers_input(t->t.publisher, e->level.level, e->level.active, server_now_us(rs));
    } else if (e->type == SFU_EVENT_TRACK_LAYERS) {
        m->arriving = e->layers.active;
    } else {
        log_debug("track.live", "track=%s codec=%d", t->t.sid, e->live.codec);
        m->live = true;
        media_regress(m);
    }
}

static void sub_event(struct room_server *rs, const struct sfu_event *e)
{
    struct subscription *s;
    HASH_FIND_INT(rs->subs, &e->sub, s);
    if (!s)
        return;
    if (e->type == SFU_EVENT_SUB_LAYER)
        s->layer = e->layer.layer;
    else
        s->live = true;
}

void room_server_event(struct room_server *rs, const struct sfu_event *e)
{
    struct room_peer *peer;
    switch (e->type) {
    case SFU_EVENT_PEER_STATE:
    case SFU_EVENT_PEER_QUALITY:
        HASH_FIND_INT(rs->peers, &e->peer, peer);
        if (!peer)
            return;
        if (e->type == SFU_EVENT_PEER_STATE) {
            peer_state(rs, peer, e);
        } else {
            peer->last_quality = *e;
            quality_input(peer->participant, e);
        }
        return;
    case SFU_EVENT_TRACK_LIVE:
    case SFU_EVENT_TRACK_LEVEL:
    case SFU_EVENT_TRACK_LAYERS:
        track_event(rs, e);
        return;
    case SFU_EVENT_SUB_LIVE:
    case SFU_EVENT_SUB_LAYER:
        sub_event(rs, e);
        return;
    case SFU_EVENT_SUB_ALLOCATED:
    case SFU_EVENT_PEER_ALLOCATED:
        bandwidth_event(rs, e);
        return;
    case SFU_EVENT_PEER_REMOVED:
    case SFU_EVENT_DATA_OPEN:
    case SFU_EVENT_STAGE_SLOT:
        return;
    }
}
