/* Who is told what about whom. */
#include <stdlib.h>
#include <string.h>
#include "room/internal.h"

/* Clients that speak an older protocol need to see an evicted session go (LiveKit, section on identities). */
#define PROTOCOL_REPLACES_IDENTITY 12

bool participant_visible(const struct participant *p, const struct participant *to)
{
    return p == to || !p->permission.hidden;
}

static void tell(struct participant *to, struct participant *about)
{
    if (!to->priv->told_joined || !participant_visible(about, to))
        return;
    struct participant *list[1] = {about};
    TELL(to, update, list, 1);
}

static void tell_everyone(struct participant *p)
{
    if (p->permission.hidden)
        return;
    list_for_each(l, &p->room->participants)
    {
        struct participant *to = list_entry(l, struct participant, link);
        if (to != p)
            tell(to, p);
    }
}

/* Where there are many, news can wait: n joins would be n^2 messages. First of people who publish nothing;
 * of all in a crowd, and where few of them are heard anyway. */
static bool is_crowd(const struct room *r)
{
    return r->participant_count >= (r->priv->stage ? ROOM_BULK_MIN : ROOM_CROWD_MIN);
}

static bool can_wait(const struct participant *p)
{
    return is_crowd(p->room) || (p->room->participant_count >= ROOM_BULK_MIN && !p->is_publisher);
}

static void wait_for_bulk(struct room *r)
{
    if (!r->priv->bulk_due_us)
        r->priv->bulk_due_us = server_now_us(r->server) + ROOM_BULK_US + (int64_t)r->participant_count * 1000;
}

/* Every change of one is a message to all: who changes without end (mutes, metadata) has the rest collected.
 */
static bool is_too_fast(struct participant_private *priv, int64_t now_us)
{
    if (priv->news_us < now_us)
        priv->news_us = now_us;
    if (priv->news_us - now_us >= ROOM_NEWS_BURST * (int64_t)ROOM_NEWS_US)
        return true;
    priv->news_us += ROOM_NEWS_US;
    return false;
}

void participant_changed(struct participant *p, bool with_self)
{
    struct room *r = p->room;
    p->version++;
    if (!p->priv->told_joined)
        return;
    if (with_self)
        tell(p, p);
    if (can_wait(p) || is_too_fast(p->priv, server_now_us(r->server))) {
        p->priv->bulk_dirty = true;
        wait_for_bulk(r);
        return;
    }
    p->priv->bulk_dirty = false;
    tell_everyone(p);
}

void participant_introduce(struct participant *p, struct participant *to)
{
    if (p->priv->bulk_dirty)
        tell(to, p);
}

static void gone_free(struct room *r, struct gone *g)
{
    list_del(&g->link);
    r->priv->gone_count--;
    free(g->last.wire.bytes);
    free(g->last.identity);
    free(g->last.name);
    free(g->last.metadata);
    free(g);
}

/* Those that are still to be told of stay, however many they are. */
static void forget_old(struct room *r)
{
    while (r->priv->gone_count > ROOM_GONE_MAX) {
        struct gone *oldest = list_entry(r->priv->gone.next, struct gone, link);
        if (oldest->waits)
            return;
        gone_free(r, oldest);
    }
}

void room_forget_gone(struct room *r)
{
    while (!list_empty(&r->priv->gone))
        gone_free(r, list_entry(r->priv->gone.next, struct gone, link));
}

/* Those that left come first: who came back since under the same name is told of behind them. */
static size_t collect(struct room *r, struct participant **list)
{
    size_t n = 0;
    list_for_each(l, &r->priv->gone)
    {
        struct gone *g = list_entry(l, struct gone, link);
        if (!g->waits)
            continue;
        g->waits = false;
        if (!room_participant(r, g->last.identity))
            list[n++] = &g->last;
    }
    list_for_each(l, &r->participants)
    {
        struct participant *p = list_entry(l, struct participant, link);
        if (!p->priv->bulk_dirty)
            continue;
        p->priv->bulk_dirty = false;
        if (!p->permission.hidden)
            list[n++] = p;
    }
    return n;
}

void room_flush_bulk(struct room *r, int64_t now_us)
{
    if (!r->priv->bulk_due_us || now_us < r->priv->bulk_due_us)
        return;
    r->priv->bulk_due_us = 0;
    size_t max = r->priv->gone_count + r->priv->people;
    struct participant **list = max ? calloc(max, sizeof(*list)) : NULL;
    if (!list)
        return;
    size_t n = collect(r, list);
    list_for_each(l, &r->participants)
    {
        struct participant *to = list_entry(l, struct participant, link);
        if (to->priv->told_joined && n)
            TELL(to, update, list, n);
    }
    free(list);
    forget_old(r);
}

/* What was sent through a socket that had died unnoticed is lost: whoever resumes is told again who left. */
static void remember_gone(struct participant *p, bool waits)
{
    struct room *r = p->room;
    struct gone *g = calloc(1, sizeof *g);
    if (!g)
        return;
    g->last = (struct participant){.kind = p->kind,
        .state = PARTICIPANT_DISCONNECTED,
        .disconnect_reason = p->disconnect_reason,
        .permission = p->permission,
        .version = p->version,
        .joined_wall_us = p->joined_wall_us,
        .room = r};
    memcpy(g->last.sid, p->sid, sizeof g->last.sid);
    list_init(&g->last.tracks);
    g->last.identity = strdup(p->identity);
    g->last.name = strdup(p->name);
    g->last.metadata = strdup("");
    g->number = ++r->priv->gone_number;
    g->left_us = server_now_us(r->server);
    list_add_tail(&r->priv->gone, &g->link);
    r->priv->gone_count++;
    g->waits = waits;
    if (!g->last.identity || !g->last.name || !g->last.metadata)
        gone_free(r, g);
    else
        forget_old(r);
}

/* Newer clients know by its identity that a session replaced another; to them that one did not leave. */
static bool hears_of(const struct participant *to, enum leave_reason reason)
{
    return reason != LEAVE_DUPLICATE_IDENTITY || to->protocol < PROTOCOL_REPLACES_IDENTITY;
}

void participant_tell_gone(struct participant *p, enum leave_reason reason)
{
    p->state = PARTICIPANT_DISCONNECTED;
    p->disconnect_reason = reason;
    p->version++;
    bool waits = is_crowd(p->room) && reason != LEAVE_DUPLICATE_IDENTITY && !p->permission.hidden;
    remember_gone(p, waits);
    if (waits) {
        wait_for_bulk(p->room);
        return;
    }
    if (p->permission.hidden)
        return;
    list_for_each(l, &p->room->participants)
    {
        struct participant *to = list_entry(l, struct participant, link);
        if (to != p && hears_of(to, reason))
            tell(to, p);
    }
}

void participant_conceal(struct participant *p)
{
    enum participant_state state = p->state;
    if (!p->priv->told_joined)
        return;
    participant_tell_gone(p, LEAVE_UNKNOWN);
    p->state = state;
}

void participant_reveal(struct participant *p)
{
    list_for_each_safe(l, &p->room->priv->gone)
    {
        struct gone *g = list_entry(l, struct gone, link);
        if (strcmp(g->last.sid, p->sid) == 0)
            gone_free(p->room, g);
    }
}

static void tell_gone(struct participant *p)
{
    const struct room_server *rs = p->room->server;
    int64_t since_us = server_now_us(rs) - rs->cfg->signal.resume_timeout_s * 1000000ll - ROOM_GONE_US;
    list_for_each(l, &p->room->priv->gone)
    {
        struct gone *g = list_entry(l, struct gone, link);
        struct participant *list[1] = {&g->last};
        if (g->number > p->priv->gone_before && g->left_us >= since_us && strcmp(g->last.sid, p->sid) != 0 &&
            hears_of(p, g->last.disconnect_reason) && participant_visible(&g->last, p))
            TELL(p, update, list, 1);
    }
}

void participant_snapshot(struct participant *p)
{
    tell_gone(p);
    size_t n = 0;
    list_for_each(l, &p->room->participants)
    {
        n++;
    }
    struct participant **list = calloc(n, sizeof(*list));
    if (!list)
        return;
    n = 0;
    list_for_each(l, &p->room->participants)
    {
        struct participant *o = list_entry(l, struct participant, link);
        if (o->priv->told_joined && participant_visible(o, p))
            list[n++] = o;
    }
    TELL(p, update, list, n);
    free(list);
    TELL(p, room_update, p->room);
}
