/* Active speakers: who is told of whom, and when. */
#include <math.h>
#include "room/internal.h"

#define SPEAKER_STALE_US (2 * ROOM_SPEAKERS_US) /* without news this long, silence */
#define SPEAKERS_MAX     64                     /* of one message; the others' turn is the next time */

/* Clients are told levels in steps of an eighth, rounded up. */
static float told_level(float level)
{
    float l = ceilf(level * 8) / 8;
    return l > 1 ? 1 : l;
}

static struct speaker speaker_of(const struct participant *p)
{
    return (struct speaker){
        .participant_sid = p->sid, .level = p->priv->told_level, .active = p->priv->told_active};
}

static bool hears(const struct participant *p, const struct participant *publisher)
{
    if (p == publisher || p->room->priv->stage)
        return true; /* where slots carry the voices, who speaks is not told by subscriptions */
    list_for_each(l, &p->subscriptions)
    {
        const struct subscription *s = list_entry(l, struct subscription, by_subscriber);
        if (s->track->publisher == publisher && s->track->desc.kind == TRACK_AUDIO)
            return true;
    }
    return false;
}

void speakers_greet(struct participant *subscriber, struct participant *publisher)
{
    if (!publisher->priv->told_active)
        return;
    struct speaker s = speaker_of(publisher);
    TELL(subscriber, speakers, &s, 1);
}

void speakers_snapshot(struct participant *to)
{
    struct speaker list[SPEAKERS_MAX];
    size_t n = 0;
    bool resumed = to->state == PARTICIPANT_ACTIVE; /* it may think that somebody speaks who does no more */
    list_for_each(l, resumed ? &to->room->participants : &to->room->priv->heard)
    {
        const struct participant *p = resumed ? list_entry(l, struct participant, link)
                                              : list_entry(l, struct participant_private, heard_link)->self;
        if (p->priv->spoke && n < SPEAKERS_MAX && hears(to, p))
            list[n++] = speaker_of(p);
    }
    if (n)
        TELL(to, speakers, list, n);
}

static bool level_changed(struct participant *p, int64_t now_us)
{
    struct participant_private *priv = p->priv;
    if (priv->simulate_until_us && now_us >= priv->simulate_until_us)
        priv->simulate_until_us = 0, priv->active = false;
    if (!priv->simulate_until_us && now_us - priv->level_us > SPEAKER_STALE_US)
        priv->active = false;
    bool active = priv->active;
    float level = active ? told_level(priv->level) : 0;
    if (active == priv->told_active && fabsf(level - priv->told_level) < 0.001f)
        return false;
    priv->spoke = true;
    priv->told_active = active;
    priv->told_level = level;
    return true;
}

void speakers_input(struct participant *p, float level, bool active, int64_t now_us)
{
    p->priv->level = level;
    p->priv->active = active;
    p->priv->level_us = now_us;
    if (list_empty(&p->priv->heard_link))
        list_add_tail(&p->room->priv->heard, &p->priv->heard_link);
}

static void room_speakers(struct room *r, int64_t now_us)
{
    struct participant *changed[SPEAKERS_MAX];
    size_t n = 0;
    list_for_each_safe(l, &r->priv->heard)
    {
        struct participant_private *priv = list_entry(l, struct participant_private, heard_link);
        struct participant *p = priv->self;
        if (n < SPEAKERS_MAX && level_changed(p, now_us))
            changed[n++] = p;
        if (!priv->active && !priv->told_active)
            list_del(&priv->heard_link);
    }
    if (!n)
        return;
    struct speaker list[SPEAKERS_MAX];
    for (size_t i = 0; i < n; i++)
        list[i] = speaker_of(changed[i]);
    list_for_each(l, &r->participants)
    {
        struct participant *p = list_entry(l, struct participant, link);
        size_t k = r->priv->stage ? n : 0;
        for (size_t i = 0; !r->priv->stage && i < n; i++)
            if (hears(p, changed[i]))
                list[k++] = speaker_of(changed[i]);
        if (k && p->priv->told_joined)
            TELL(p, speakers, list, k);
    }
}

void speakers_tick(struct room_server *rs, int64_t now_us)
{
    list_for_each(l, &rs->rooms)
    {
        room_speakers(list_entry(l, struct room, link), now_us);
    }
}
