/* One room: made, found, counted, ended. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include "base/log.h"
#include "room/internal.h"

struct room *room_find(struct room_server *rs, const char *name)
{
    struct room_private *priv;
    HASH_FIND(hh, rs->by_name, name, strlen(name), priv);
    return priv ? priv->room : NULL;
}

struct participant *room_participant(struct room *r, const char *identity)
{
    struct participant_private *priv;
    HASH_FIND(by_identity, r->priv->by_identity, identity, strlen(identity), priv);
    return priv ? priv->self : NULL;
}

struct participant *room_participant_sid(struct room *r, const char *sid)
{
    struct participant_private *priv;
    HASH_FIND(by_sid, r->priv->by_sid, sid, strlen(sid), priv);
    return priv ? priv->self : NULL;
}

size_t room_people(const struct room *r)
{
    return r->priv->people;
}

struct track *room_find_track(struct room *r, const char *sid)
{
    struct room_track *t;
    HASH_FIND(by_sid, r->server->tracks_by_sid, sid, strlen(sid), t);
    return t && t->t.publisher->room == r ? &t->t : NULL;
}

static void apply_options(struct room *r, const struct room_options *o)
{
    if (o->empty_timeout_s)
        r->empty_timeout_s = o->empty_timeout_s;
    if (o->departure_timeout_s)
        r->departure_timeout_s = o->departure_timeout_s;
    if (o->max_participants)
        r->max_participants = o->max_participants;
}

static struct room *room_new(struct room_server *rs, const char *name, const char *metadata)
{
    struct room *r = calloc(1, sizeof *r);
    struct room_private *priv = calloc(1, sizeof *priv);
    char *own_name = strdup(name), *own_metadata = strdup(metadata ? metadata : "");
    if (!r || !priv || !own_name || !own_metadata) {
        free(r);
        free(priv);
        free(own_name);
        free(own_metadata);
        return NULL;
    }
    r->server = rs;
    r->priv = priv;
    priv->room = r;
    r->name = own_name;
    r->metadata = own_metadata;
    sid_make(r->sid, "RM_");
    r->created_wall_us = r->version_us = server_wall_us(rs);
    priv->created_us = server_now_us(rs);
    r->empty_timeout_s = (uint32_t)rs->cfg->room.empty_timeout_s;
    r->departure_timeout_s = (uint32_t)rs->cfg->room.departure_timeout_s;
    r->max_participants = (uint32_t)rs->cfg->room.max_participants;
    list_init(&r->participants);
    list_init(&priv->gone);
    list_init(&priv->offered);
    list_init(&priv->heard);
    list_init(&priv->quality_news);
    list_add_tail(&rs->rooms, &r->link);
    HASH_ADD_KEYPTR(hh, rs->by_name, r->name, strlen(r->name), priv);
    rs->room_count++;
    return r;
}

int room_create(struct room_server *rs, const char *name, const struct room_options *o, struct room **ret)
{
    if (!name || !*name)
        return -EINVAL;
    if (rs->cfg->limits.room_name_bytes && strlen(name) > (size_t)rs->cfg->limits.room_name_bytes)
        return -ENAMETOOLONG;
    if (o->metadata && rs->cfg->limits.metadata_bytes &&
        strlen(o->metadata) > (size_t)rs->cfg->limits.metadata_bytes)
        return -ENAMETOOLONG;
    struct room *r = room_find(rs, name);
    if (r) {
        apply_options(r, o);
        if (o->metadata && *o->metadata)
            room_set_metadata(r, o->metadata);
        *ret = r;
        return 0;
    }
    if (rs->cfg->room.max_rooms && rs->room_count >= (size_t)rs->cfg->room.max_rooms)
        return -ENOSPC;
    r = room_new(rs, name, o->metadata);
    if (!r)
        return -ENOMEM;
    apply_options(r, o);
    r->audio_top_n = o->audio_top_n ? o->audio_top_n : (uint32_t)rs->cfg->room.audio_top_n;
    r->audio_top_n = r->audio_top_n < SFU_SLOTS_MAX ? r->audio_top_n : SFU_SLOTS_MAX;
    if (r->audio_top_n && stage_open(r, r->audio_top_n)) {
        room_delete(r, LEAVE_UNKNOWN);
        return -ENOMEM;
    }
    log_info("room.started", "room=%s sid=%s", r->name, r->sid);
    if (rs->watch.room_started)
        rs->watch.room_started(rs->watch.arg, r);
    *ret = r;
    return 0;
}

void room_delete(struct room *r, enum leave_reason reason)
{
    struct room_server *rs = r->server;
    if (r->priv->closing)
        return;
    r->priv->closing = true;
    list_for_each_safe(l, &r->participants)
    {
        participant_remove(list_entry(l, struct participant, link), reason, LEAVE_DISCONNECT, true, false);
    }
    stage_close(r);
    log_info("room.finished", "room=%s sid=%s", r->name, r->sid);
    if (rs->watch.room_finished)
        rs->watch.room_finished(rs->watch.arg, r);
    HASH_DELETE(hh, rs->by_name, r->priv);
    list_del(&r->link);
    rs->room_count--;
    room_forget_gone(r);
    free(r->name);
    free(r->metadata);
    free(r->priv);
    free(r);
}

static void tell_room_update(struct room *r)
{
    int64_t wall_us = server_wall_us(r->server);
    r->version_us = wall_us > r->version_us ? wall_us : r->version_us + 1; /* clients drop what looks old */
    list_for_each(l, &r->participants)
    {
        struct participant *p = list_entry(l, struct participant, link);
        if (p->priv->told_joined)
            TELL(p, room_update, r);
    }
}

int room_set_metadata(struct room *r, const char *metadata)
{
    if (r->server->cfg->limits.metadata_bytes &&
        strlen(metadata) > (size_t)r->server->cfg->limits.metadata_bytes)
        return -ENAMETOOLONG;
    char *own = strdup(metadata);
    if (!own)
        return -ENOMEM;
    free(r->metadata);
    r->metadata = own;
    tell_room_update(r);
    return 0;
}

/* Agents and recorders are there because others are: they do not keep a room alive and do not count. */
static bool is_dependent(const struct participant *p)
{
    return p->own || p->kind == PARTICIPANT_AGENT || p->kind == PARTICIPANT_EGRESS ||
           p->permission.recorder || p->permission.agent;
}

bool participant_counts(const struct participant *p)
{
    return !p->permission.hidden && !is_dependent(p);
}

static void count(uint32_t *n, bool *counted, bool now)
{
    *n += now;
    *n -= *counted;
    *counted = now;
}

void room_count(struct participant *p)
{
    struct room *r = p->room;
    struct participant_private *priv = p->priv;
    bool here = !priv->leaving, had_standard = r->priv->standard > 0;
    uint32_t members = r->participant_count, publishers = r->publisher_count;
    bool member = here && participant_counts(p);
    count(&r->priv->recorders, &priv->counted.recorder, here && p->permission.recorder);
    count(&r->priv->standard, &priv->counted.standard, here && !is_dependent(p));
    count(&r->participant_count, &priv->counted.member, member);
    count(&r->publisher_count, &priv->counted.publisher, member && p->is_publisher);
    if (members != r->participant_count || publishers != r->publisher_count)
        r->priv->counts_dirty = true;
    if (r->priv->standard)
        r->priv->left_us = 0;
    else if (had_standard)
        r->priv->left_us = server_now_us(r->server);
    bool recording = r->priv->recorders > 0;
    if (recording != r->active_recording) {
        r->active_recording = recording;
        tell_room_update(r);
    }
}

static bool room_expired(const struct room *r, int64_t now_us)
{
    const struct room_private *priv = r->priv;
    if (priv->standard)
        return false;
    if (priv->left_us)
        return now_us - priv->left_us >= r->departure_timeout_s * 1000000ll;
    return now_us - priv->created_us >= r->empty_timeout_s * 1000000ll;
}

void room_tick(struct room *r, int64_t now_us)
{
    room_flush_bulk(r, now_us);
    if (r->priv->counts_dirty && now_us - r->priv->counts_told_us >= ROOM_QUALITY_US) {
        r->priv->counts_dirty = false;
        r->priv->counts_told_us = now_us;
        tell_room_update(r);
    }
    if (room_expired(r, now_us))
        room_delete(r, LEAVE_ROOM_CLOSED);
}
