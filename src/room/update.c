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
    list_for_each(l, &p->room->participants)
    {
        struct participant *to = list_entry(l, struct participant, link);
        if (to != p)
            tell(to, p);
    }
}

/* News of people who publish nothing can wait where there are many of them: n joins would be n^2 messages. */
static bool can_wait(const struct participant *p)
{
    return !p->is_publisher && p->room->participant_count >= ROOM_BULK_MIN;
}

void participant_changed(struct participant *p, bool with_self)
{
    struct room *r = p->room;
    p->version++;
    if (!p->priv->told_joined)
        return;
    if (with_self)
        tell(p, p);
    if (can_wait(p)) {
        p->priv->bulk_dirty = true;
        if (!r->priv->bulk_due_us)
            r->priv->bulk_due_us =
                server_now_us(r->server) + ROOM_BULK_US + (int64_t)r->participant_count * 1000;
        return;
    }
    p->priv->bulk_dirty = false;
    tell_everyone(p);
}

void room_flush_bulk(struct room *r, int64_t now_us)
{
    if (!r->priv->bulk_due_us || now_us < r->priv->bulk_due_us)
        return;
    r->priv->bulk_due_us = 0;
    size_t n = 0;
    list_for_each(l, &r->participants)
    {
        n += list_entry(l, struct participant, link)->priv->bulk_dirty;
    }
    struct participant **list = n ? calloc(n, sizeof(*list)) : NULL;
    if (!list)
        return;
    n = 0;
    list_for_each(l, &r->participants)
    {
        struct participant *p = list_entry(l, struct participant, link);
        if (!p->priv->bulk_dirty)
            continue;
        p->priv->bulk_dirty = false;
        if (!p->permission.hidden)
            list[n++] = p;
    }
    list_for_each(l, &r->participants)
    {
        struct participant *to = list_entry(l, struct participant, link);
        if (to->priv->told_joined && n)
            TELL(to, update, list, n);
    }
    free(list);
}

static void remember_gone(struct participant *absent, const struct participant *p)
{
    if (absent->priv->gone_count >= ROOM_GONE_MAX)
        return;
    struct gone *g = calloc(1, sizeof *g);
    if (!g)
        return;
    g->stub = (struct participant){.kind = p->kind,
        .state = PARTICIPANT_DISCONNECTED,
        .disconnect_reason = p->disconnect_reason,
        .permission = p->permission,
        .version = p->version,
        .joined_wall_us = p->joined_wall_us,
        .room = p->room};
    memcpy(g->stub.sid, p->sid, sizeof g->stub.sid);
    g->stub.identity = strdup(p->identity);
    g->stub.name = strdup(p->name);
    g->stub.metadata = strdup("");
    list_init(&g->stub.tracks);
    if (!g->stub.identity || !g->stub.name || !g->stub.metadata) {
        free(g->stub.identity);
        free(g->stub.name);
        free(g->stub.metadata);
        free(g);
        return;
    }
    g->next = absent->priv->gone;
    absent->priv->gone = g;
    absent->priv->gone_count++;
}

void participant_forget_gone(struct participant *p)
{
    struct gone *next;
    for (struct gone *g = p->priv->gone; g; g = next) {
        next = g->next;
        free(g->stub.identity);
        free(g->stub.name);
        free(g->stub.metadata);
        free(g);
    }
    p->priv->gone = NULL;
    p->priv->gone_count = 0;
}

void participant_tell_gone(struct participant *p, enum leave_reason reason)
{
    p->state = PARTICIPANT_DISCONNECTED;
    p->disconnect_reason = reason;
    p->version++;
    bool replaced = reason == LEAVE_DUPLICATE_IDENTITY;
    list_for_each(l, &p->room->participants)
    {
        struct participant *to = list_entry(l, struct participant, link);
        if (to == p || !to->priv->told_joined || (replaced && to->protocol >= PROTOCOL_REPLACES_IDENTITY))
            continue;
        if (to->signal_lost && participant_visible(p, to))
            remember_gone(to, p);
        else
            tell(to, p);
    }
}

void participant_snapshot(struct participant *p)
{
    for (struct gone *g = p->priv->gone; g; g = g->next) {
        struct participant *list[1] = {&g->stub};
        TELL(p, update, list, 1);
    }
    participant_forget_gone(p);
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
