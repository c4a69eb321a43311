/* Whom a publisher lets have which of its tracks. */
#include <stdlib.h>
#include <string.h>
#include "room/internal.h"

void permissions_done(struct participant *p)
{
    for (size_t i = 0; i < p->priv->permission_count; i++) {
        free(p->priv->permissions[i].sid);
        free(p->priv->permissions[i].identity);
        free(p->priv->permissions[i].tracks);
    }
    free(p->priv->permissions);
    free(p->priv->permission_names);
    p->priv->permissions = NULL;
    p->priv->permission_names = NULL;
    p->priv->permission_name_count = 0;
    p->priv->permission_count = 0;
}

static bool entry_allows(const struct permission_entry *e, const struct track *t)
{
    if (e->all_tracks)
        return true;
    for (size_t i = 0; i < e->track_count; i++)
        if (strcmp(e->tracks[i], t->sid) == 0)
            return true;
    return false;
}

static int compare_names(const void *a, const void *b)
{
    const struct permission_name *x = a, *y = b;
    return x->is_sid != y->is_sid ? x->is_sid - y->is_sid : strcmp(x->name, y->name);
}

/* Of the entries that name somebody so, does one allow the track? */
static bool names_allow(
    const struct participant_private *priv, const struct permission_name *who, const struct track *t)
{
    size_t low = 0, high = priv->permission_name_count;
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        if (compare_names(&priv->permission_names[middle], who) < 0)
            low = middle + 1;
        else
            high = middle;
    }
    for (; low < priv->permission_name_count && !compare_names(&priv->permission_names[low], who); low++)
        if (entry_allows(priv->permission_names[low].entry, t))
            return true;
    return false;
}

static bool publisher_allows(
    const struct participant *publisher, const struct participant *p, const struct track *t)
{
    const struct participant_private *priv = publisher->priv;
    return priv->permission_all || names_allow(priv, &(struct permission_name){.name = p->identity}, t) ||
           names_allow(priv, &(struct permission_name){.name = p->sid, .is_sid = true}, t);
}

bool participant_may_subscribe(const struct participant *p, const struct track *t)
{
    return t->published && t->publisher != p && p->permission.can_subscribe &&
           participant_visible(t->publisher, p) && publisher_allows(t->publisher, p, t);
}

static bool copy_entry(struct permission_entry *e, const struct track_permission *from)
{
    e->all_tracks = from->all_tracks;
    e->sid = from->sid && *from->sid ? strdup(from->sid) : NULL;
    e->identity = from->identity && *from->identity ? strdup(from->identity) : NULL;
    e->tracks = from->track_count ? calloc(from->track_count, sizeof *e->tracks) : NULL;
    if (from->track_count && !e->tracks)
        return false;
    for (size_t i = 0; i < from->track_count; i++)
        if (strlen(from->track_sids[i]) < ROOM_SID_MAX)
            text_copy(e->tracks[e->track_count++], ROOM_SID_MAX, from->track_sids[i]);
    return true;
}

static void add_name(struct participant_private *priv, const struct permission_entry *e, bool is_sid)
{
    const char *name = is_sid ? e->sid : e->identity;
    if (name)
        priv->permission_names[priv->permission_name_count++] =
            (struct permission_name){.name = name, .is_sid = is_sid, .entry = e};
}

static void sort_names(struct participant_private *priv)
{
    priv->permission_names = calloc(2 * priv->permission_count, sizeof *priv->permission_names);
    if (!priv->permission_names)
        return; /* nobody is allowed anything */
    for (size_t i = 0; i < priv->permission_count; i++) {
        add_name(priv, &priv->permissions[i], false);
        add_name(priv, &priv->permissions[i], true);
    }
    qsort(priv->permission_names, priv->permission_name_count, sizeof *priv->permission_names, compare_names);
}

static void replace_permissions(
    struct participant *p, bool all, const struct track_permission *list, size_t n)
{
    permissions_done(p);
    p->priv->permission_all = all;
    if (all || !n)
        return;
    n = n < ROOM_PERMISSIONS_MAX ? n : ROOM_PERMISSIONS_MAX;
    p->priv->permissions = calloc(n, sizeof *p->priv->permissions);
    for (size_t i = 0; p->priv->permissions && i < n; i++) {
        p->priv->permission_count++;
        if (!copy_entry(&p->priv->permissions[i], &list[i]))
            break;
    }
    sort_names(p->priv);
}

/* Takes effect for one subscriber: before and after are compared, so that only changes are told. */
static void permission_effect(struct participant *publisher, struct participant *p, const bool *before)
{
    size_t i = 0;
    list_for_each(l, &publisher->tracks)
    {
        struct track *t = list_entry(l, struct track, link);
        bool after = publisher_allows(publisher, p, t);
        if (after != before[i++] && participant_visible(publisher, p))
            TELL(p, subscription_permission, publisher->sid, t->sid, after);
        subscriptions_reconcile(p, t);
    }
}

void participant_subscription_permission(
    struct participant *p, bool all, const struct track_permission *list, size_t n)
{
    size_t tracks = 0, people = 0, at = 0;
    list_for_each(l, &p->tracks)
    {
        tracks++;
    }
    list_for_each(l, &p->room->participants)
    {
        people++;
    }
    bool *before = calloc(tracks * people + 1, sizeof *before);
    if (!before)
        return;
    list_for_each(l, &p->room->participants)
    {
        const struct participant *o = list_entry(l, struct participant, link);
        list_for_each(m, &p->tracks)
        {
            before[at++] = publisher_allows(p, o, list_entry(m, struct track, link));
        }
    }
    replace_permissions(p, all, list, n);
    at = 0;
    list_for_each(l, &p->room->participants)
    {
        struct participant *o = list_entry(l, struct participant, link);
        if (o != p)
            permission_effect(p, o, before + at);
        at += tracks;
    }
    free(before);
}
