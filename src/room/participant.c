/* Joining, resuming, leaving. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include "base/log.h"
#include "base/strbuf.h"
#include "room/internal.h"

static bool too_long(const char *s, int limit)
{
    return s && limit > 0 && strlen(s) > (size_t)limit;
}

static int check(const struct room_server *rs, const struct participant_join *j)
{
    const struct config *cfg = rs->cfg;
    if (!j->identity || !*j->identity || !j->room || !*j->room)
        return -EINVAL;
    if (too_long(j->identity, cfg->limits.identity_bytes) || too_long(j->name, cfg->limits.name_bytes) ||
        too_long(j->metadata, cfg->limits.metadata_bytes) || too_long(j->room, cfg->limits.room_name_bytes))
        return -ENAMETOOLONG;
    size_t bytes = 0;
    for (size_t i = 0; i < j->attribute_count; i++)
        bytes += strlen(j->attributes[i].key) + strlen(j->attributes[i].value);
    if (cfg->limits.attributes_bytes && bytes > (size_t)cfg->limits.attributes_bytes)
        return -ENAMETOOLONG;
    if (j->attribute_count > ROOM_ATTRIBUTES_MAX)
        return -ENAMETOOLONG;
    return 0;
}

static void participant_free(struct participant *p)
{
    if (!p)
        return;
    if (p->priv) {
        for (int i = 0; i < 2; i++)
            peer_free(p->priv->peers[i]);
        choices_done(p);
        permissions_done(p);
        list_del(&p->priv->watch_link);
        list_del(&p->priv->heard_link);
        list_del(&p->priv->quality_link);
        list_del(&p->priv->poke_link);
    }
    attributes_done(&p->attributes);
    free(p->wire.bytes);
    free(p->identity);
    free(p->name);
    free(p->metadata);
    free(p->priv);
    free(p);
}

static unsigned least_loaded(const struct room_server *rs)
{
    unsigned best = 0;
    for (unsigned i = 1; i < rs->host.workers; i++)
        if (rs->worker_load[i] < rs->worker_load[best])
            best = i;
    return best;
}

static int make_peers(struct participant *p)
{
    struct room_server *rs = p->room->server;
    unsigned worker = least_loaded(rs);
    for (int i = 0; i < (p->single_connection ? 1 : 2); i++) {
        struct room_peer *peer = peer_new(p, (enum peer_target)i);
        if (!peer)
            return -ENOMEM;
        peer->worker = (uint8_t)worker;
        p->priv->peers[i] = peer;
        peer_new_credentials(peer);
        rs->worker_load[worker]++;
    }
    p->publisher = p->priv->peers[0];
    p->subscriber = p->single_connection ? p->priv->peers[0] : p->priv->peers[1];
    return 0;
}

static void copy_join(struct participant *p, const struct participant_join *j)
{
    p->kind = j->kind;
    p->permission = j->permission;
    p->single_connection = j->single_connection;
    p->auto_subscribe = j->auto_subscribe;
    p->adaptive_stream = j->adaptive_stream;
    p->allow_pause = j->allow_pause;
    p->firefox = j->firefox;
    p->no_signal = j->no_signal;
    p->protocol = j->protocol;
    p->client_protocol = j->client_protocol;
    p->subscriber_primary = !j->single_connection && j->permission.can_subscribe && j->protocol > 2;
    p->ops = j->ops;
    p->arg = j->arg;
    for (size_t i = 0; i < j->capability_count && i < sizeof p->capabilities; i++)
        p->capabilities[p->capability_count++] = j->capabilities[i];
    for (size_t i = 0; i < j->kind_detail_count && i < sizeof p->kind_details; i++)
        p->kind_details[p->kind_detail_count++] = j->kind_details[i];
}

static int participant_new(
    struct room *r, const struct participant_join *j, bool own, struct participant **ret)
{
    struct room_server *rs = r->server;
    struct participant *p = calloc(1, sizeof *p);
    if (!p)
        return -ENOMEM;
    list_init(&p->link);
    list_init(&p->tracks);
    list_init(&p->pending);
    list_init(&p->subscriptions);
    p->room = r;
    p->own = own;
    p->priv = calloc(1, sizeof *p->priv);
    if (p->priv) {
        p->priv->self = p;
        list_init(&p->priv->watch_link);
        list_init(&p->priv->heard_link);
        list_init(&p->priv->quality_link);
        list_init(&p->priv->poke_link);
    }
    p->identity = strdup(j->identity);
    p->name = strdup(j->name ? j->name : "");
    p->metadata = strdup(j->metadata ? j->metadata : "");
    int err = -ENOMEM;
    if (!p->priv || !p->identity || !p->name || !p->metadata)
        goto out;
    p->priv->permission_all = true;
    p->priv->quality = CONNECTION_EXCELLENT;
    p->priv->score = 4.5f;
    copy_join(p, j);
    for (size_t i = 0; i < j->attribute_count; i++) {
        err = attributes_set(&p->attributes, j->attributes[i].key, j->attributes[i].value, 0);
        if (err)
            goto out;
    }
    sid_make(p->sid, "PA_");
    p->priv->joined_us = server_now_us(rs);
    p->joined_wall_us = server_wall_us(rs);
    p->version = 1;
    err = own ? 0 : make_peers(p);
    if (err)
        goto out;
    *ret = p;
    return 0;
out:
    participant_free(p);
    return err;
}

/* The checks of participant_join. *ret_room: NULL when it is to be made. */
static int may_join(struct room_server *rs, const struct participant_join *j, struct room **ret_room)
{
    int err = check(rs, j);
    if (err)
        return err;
    struct room *r = room_find(rs, j->room);
    if (!r && !j->may_create)
        return -ENOENT;
    struct participant *old = r ? room_participant(r, j->identity) : NULL;
    struct participant probe = {.permission = j->permission, .kind = j->kind};
    uint32_t members = r ? r->participant_count - (old && participant_counts(old)) : 0;
    if (r && r->max_participants && participant_counts(&probe) && members >= r->max_participants)
        return -EUSERS;
    *ret_room = r;
    return 0;
}

int participant_may_join(struct room_server *rs, const struct participant_join *j)
{
    struct room *r;
    return may_join(rs, j, &r);
}

static void end_media(struct participant *p)
{
    struct room_server *rs = p->room->server;
    while (!list_empty(&p->subscriptions))
        subscription_end(list_entry(p->subscriptions.next, struct subscription, by_subscriber));
    while (!list_empty(&p->tracks))
        track_end(track_private(list_entry(p->tracks.next, struct track, link)));
    while (!list_empty(&p->pending))
        track_end(track_private(list_entry(p->pending.next, struct track, link)));
    for (int i = 0; i < 2; i++) {
        struct room_peer *peer = p->priv->peers[i];
        if (!peer)
            continue;
        rs->worker_load[peer->worker]--;
        if (peer->added) {
            struct sfu_command c = {.type = SFU_PEER_REMOVE, .worker = peer->worker, .peer = peer->number};
            rs->host.post(rs->host.arg, &c);
        }
    }
}

static void enter(struct participant *p)
{
    struct room_private *r = p->room->priv;
    list_add_tail(&p->room->participants, &p->link);
    r->people++;
    HASH_ADD_KEYPTR(by_identity, r->by_identity, p->identity, strlen(p->identity), p->priv);
    HASH_ADD_KEYPTR(by_sid, r->by_sid, p->sid, strlen(p->sid), p->priv);
}

static void quit(struct participant *p)
{
    struct room_private *r = p->room->priv;
    list_del(&p->link);
    r->people--;
    HASH_DELETE(by_identity, r->by_identity, p->priv);
    HASH_DELETE(by_sid, r->by_sid, p->priv);
}

int participant_new_own(struct room *r, const struct participant_join *j, struct participant **ret)
{
    struct participant *p;
    int err = participant_new(r, j, true, &p);
    if (err)
        return err;
    p->state = PARTICIPANT_ACTIVE;
    p->priv->told_joined = true;
    p->is_publisher = true;
    enter(p);
    *ret = p;
    return 0;
}

void participant_drop_own(struct participant *p)
{
    p->priv->leaving = true;
    p->state = PARTICIPANT_DISCONNECTED;
    end_media(p);
    quit(p);
    participant_free(p);
}

int participant_join(struct room_server *rs, const struct participant_join *j, struct participant **ret)
{
    struct room *r;
    int err = may_join(rs, j, &r);
    if (err)
        return err;
    if (!r) {
        struct room_options o = {.metadata = j->room_metadata,
            .empty_timeout_s = j->room_empty_timeout_s,
            .departure_timeout_s = j->room_departure_timeout_s,
            .max_participants = j->room_max_participants,
            .audio_top_n = j->room_audio_top_n};
        err = room_create(rs, j->room, &o, &r);
        if (err)
            return err;
    }
    struct participant *old = room_participant(r, j->identity);
    struct participant *p;
    err = participant_new(r, j, false, &p);
    if (err)
        return err;
    if (old)
        participant_remove(old, LEAVE_DUPLICATE_IDENTITY, LEAVE_DISCONNECT, true, true);
    p->priv->gone_before = r->priv->gone_number;
    enter(p);
    rs->participant_count++;
    room_count(p);
    participant_watch(p);
    quality_news(p);
    log_info("participant.joining", "room=%s identity=%s participant=%s connections=%d", r->name, p->identity,
        p->sid, p->single_connection ? 1 : 2);
    *ret = p;
    return 0;
}

void participant_joined(struct participant *p)
{
    struct room_server *rs = p->room->server;
    p->state = PARTICIPANT_JOINED;
    p->priv->told_joined = true;
    participant_changed(p, false);
    if (rs->watch.participant_changed)
        rs->watch.participant_changed(rs->watch.arg, p);
    subscriptions_reconcile_all(p);
    if (p->room->priv->stage)
        speakers_snapshot(p); /* whom it hears is not told by its subscriptions */
    if (!p->single_connection)
        negotiation_offer(p, false);
}

int participant_resume(struct room_server *rs, const char *room, const char *identity, const char *sid,
    const struct participant_ops *ops, void *arg, struct participant **ret)
{
    struct room *r = room_find(rs, room);
    struct participant *p = r ? room_participant(r, identity) : NULL;
    if (!p || (sid && *sid && strcmp(sid, p->sid) != 0))
        return -ENOENT;
    TELL(p, leave, LEAVE_SIGNAL_CLOSE, LEAVE_RESUME);
    p->ops = ops;
    p->arg = arg;
    p->signal_lost = true; /* until participant_resumed: news of leavers is kept */
    log_info("participant.resuming", "room=%s identity=%s participant=%s", r->name, p->identity, p->sid);
    *ret = p;
    return 0;
}

void participant_resumed(struct participant *p)
{
    p->signal_lost = false;
    p->priv->signal_lost_us = 0;
    if (p->priv->failed_us)
        p->priv->failed_us = server_now_us(p->room->server); /* time for the new checks */
    p->priv->asked[0] = p->priv->asked[1] = 0;
    participant_snapshot(p);
    quality_news(p);
    speakers_snapshot(p);
    bandwidth_snapshot(p);
    demand_renew(p);
    if (!p->single_connection)
        negotiation_offer(p, true);
    else
        negotiation_needed(p);
}

void participant_signal_lost(struct participant *p)
{
    p->ops = NULL;
    p->arg = NULL;
    p->signal_lost = true;
    p->priv->signal_lost_us = server_now_us(p->room->server);
    participant_watch(p);
    struct room_peer *primary = p->subscriber_primary ? p->subscriber : p->publisher;
    if (!primary->ever_connected)
        participant_leave(p, LEAVE_SIGNAL_CLOSE);
    else
        log_info("participant.signal_lost", "room=%s identity=%s participant=%s", p->room->name, p->identity,
            p->sid);
}

void participant_leave(struct participant *p, enum leave_reason reason)
{
    participant_remove(p, reason, LEAVE_DISCONNECT, reason != LEAVE_CLIENT_INITIATED, true);
}

void participant_evict(struct participant *p, enum leave_reason reason, enum leave_action action, bool quiet)
{
    participant_remove(p, reason, action, !quiet, true);
}

void participant_data_peers(const struct participant *p, uint32_t *ret_in, uint32_t *ret_out)
{
    *ret_in = p->publisher->number;
    *ret_out = p->subscriber_primary ? p->subscriber->number : p->publisher->number;
}

void participant_remove(struct participant *p, enum leave_reason reason, enum leave_action action,
    bool tell_client, bool tell_others)
{
    struct room *r = p->room;
    struct room_server *rs = r->server;
    if (p->priv->leaving || p->own)
        return;
    p->priv->leaving = true;
    log_info("participant.left", "room=%s identity=%s participant=%s reason=%d", r->name, p->identity, p->sid,
        reason);
    if (tell_client)
        TELL(p, leave, reason, action);
    p->ops = NULL;
    /* others hear of the departure before the tracks' ends would tell them one by one */
    if (tell_others && p->priv->told_joined)
        participant_tell_gone(p, reason);
    p->state = PARTICIPANT_DISCONNECTED;
    p->disconnect_reason = reason;
    end_media(p);
    quit(p);
    rs->participant_count--;
    if (rs->watch.participant_changed)
        rs->watch.participant_changed(rs->watch.arg, p);
    room_count(p);
    participant_free(p);
}

void participant_watch(struct participant *p)
{
    if (list_empty(&p->priv->watch_link))
        list_add_tail(&p->room->server->watched, &p->priv->watch_link);
}

static bool awaits_answer(const struct participant_private *priv)
{
    return priv->peers[0]->offer_out || (priv->peers[1] && priv->peers[1]->offer_out);
}

/* p may be gone when this returns. */
static void tick(struct participant *p, int64_t now_us)
{
    struct participant_private *priv = p->priv;
    struct room_server *rs = p->room->server;
    if (p->state < PARTICIPANT_ACTIVE &&
        now_us - priv->joined_us >= rs->cfg->rtc.connect_timeout_s * 1000000ll) {
        participant_leave(p, LEAVE_JOIN_FAILURE);
        return;
    }
    if (priv->failed_us &&
        now_us - priv->failed_us >=
            (p->signal_lost ? ROOM_FAILED_GRACE_US : rs->cfg->rtc.connect_timeout_s * 1000000ll)) {
        participant_leave(p, LEAVE_CONNECTION_TIMEOUT);
        return;
    }
    if (priv->signal_lost_us &&
        now_us - priv->signal_lost_us >= rs->cfg->signal.resume_timeout_s * 1000000ll) {
        participant_leave(p, LEAVE_SIGNAL_CLOSE);
        return;
    }
    for (int i = 0; i < 2; i++) {
        const struct room_peer *peer = priv->peers[i];
        if (peer && peer->offer_out && peer->state == SFU_PEER_CONNECTED && !p->signal_lost &&
            now_us - peer->offer_sent_us >= ROOM_SERVER_OFFER_US) {
            participant_remove(p, LEAVE_STATE_MISMATCH, LEAVE_RECONNECT, true, true);
            return;
        }
    }
    choices_expire(p, now_us);
    if (p->state >= PARTICIPANT_ACTIVE && !priv->failed_us && !priv->signal_lost_us && !awaits_answer(priv) &&
        !priv->choices_expire_us)
        list_del(&priv->watch_link);
}

void participants_tick(struct room_server *rs, int64_t now_us)
{
    list_for_each_safe(l, &rs->watched)
    {
        tick(list_entry(l, struct participant_private, watch_link)->peers[PEER_PUBLISHER]->participant,
            now_us);
    }
}

/* The attributes as they will be; NULL values never come, empty ones delete. 0 or -ENOMEM. */
static int merge_attributes(
    const struct attributes *old, const struct attribute *changes, size_t n, struct attributes *ret)
{
    struct attributes a = {0};
    int err = 0;
    for (size_t i = 0; i < old->n && !err; i++)
        err = attributes_set(&a, old->items[i].key, old->items[i].value, 0);
    for (size_t i = 0; i < n && !err; i++)
        err = attributes_set(&a, changes[i].key, changes[i].value, 0);
    if (err)
        attributes_done(&a);
    else
        *ret = a;
    return err;
}

enum request_reason participant_update_metadata(struct participant *p, const char *name, const char *metadata,
    const struct attribute *attributes, size_t n)
{
    const struct config *cfg = p->room->server->cfg;
    if (!p->permission.can_update_metadata)
        return REQUEST_NOT_ALLOWED;
    if (too_long(name, cfg->limits.name_bytes) || too_long(metadata, cfg->limits.metadata_bytes))
        return REQUEST_LIMIT_EXCEEDED;
    struct attributes merged;
    if (n > ROOM_ATTRIBUTES_MAX)
        return REQUEST_LIMIT_EXCEEDED;
    if (merge_attributes(&p->attributes, attributes, n, &merged))
        return REQUEST_UNCLASSIFIED;
    if (merged.n > ROOM_ATTRIBUTES_MAX ||
        (cfg->limits.attributes_bytes && attributes_bytes(&merged) > (size_t)cfg->limits.attributes_bytes)) {
        attributes_done(&merged);
        return REQUEST_LIMIT_EXCEEDED;
    }
    attributes_done(&p->attributes);
    p->attributes = merged;
    char *new_name = name && *name ? strdup(name) : NULL;
    char *new_metadata = metadata && *metadata ? strdup(metadata) : NULL;
    if (new_name) {
        free(p->name);
        p->name = new_name;
    }
    if (new_metadata) {
        free(p->metadata);
        p->metadata = new_metadata;
    }
    participant_changed(p, true);
    TELL(p, claims_changed);
    return REQUEST_OK;
}

void participant_set_permission(struct participant *p, const struct permission *perm)
{
    if (p->own)
        return;
    bool was_hidden = p->permission.hidden;
    if (perm->hidden && !was_hidden)
        participant_conceal(p);
    else if (was_hidden && !perm->hidden)
        participant_reveal(p);
    p->permission = *perm;
    tracks_check_permission(p);
    participant_changed(p, true);
    if (perm->hidden != was_hidden) {
        list_for_each(l, &p->tracks)
        {
            subscriptions_of_new_track(list_entry(l, struct track, link));
        }
    }
    TELL(p, claims_changed);
    subscriptions_reconcile_all(p);
    room_count(p);
    if (p->room->server->watch.participant_changed)
        p->room->server->watch.participant_changed(p->room->server->watch.arg, p);
}

int participant_sync_track(struct participant *p, const char *track_sid)
{
    return participant_find_track(p, track_sid) ? 0 : -EINVAL;
}

void participant_simulate_speaker(struct participant *p, unsigned seconds)
{
    p->priv->simulate_until_us = server_now_us(p->room->server) + seconds * 1000000ll;
    speakers_input(p, 0.9f, true, p->priv->simulate_until_us);
}
