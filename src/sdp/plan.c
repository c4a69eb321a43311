#include "sdp/plan.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "sdp/internal.h"

static void track_done(struct sdp_track *t)
{
    free((void *)t->stream);
    free((void *)t->track);
    free((void *)t->cname);
    free((void *)t->fmtp);
    *t = (struct sdp_track){0};
}

/* Copies with strings of its own. 0 or -ENOMEM. */
static int track_copy(const struct sdp_track *from, struct sdp_track *ret)
{
    struct sdp_track t = *from;
    t.mid = NULL;
    t.stream = strdup(from->stream);
    t.track = strdup(from->track);
    t.cname = strdup(from->cname);
    t.fmtp = from->fmtp ? strdup(from->fmtp) : NULL;
    if (!t.stream || !t.track || !t.cname || (from->fmtp && !t.fmtp)) {
        track_done(&t);
        return -ENOMEM;
    }
    *ret = t;
    return 0;
}

void sdp_plan_init(struct sdp_plan *p)
{
    *p = (struct sdp_plan){0};
}

void sdp_plan_done(struct sdp_plan *p)
{
    for (unsigned i = 0; i < p->n; i++)
        track_done(&p->sections[i].track);
    free(p->sections);
    sdp_plan_init(p);
}

/* Room for n sections in all. 0, -ENOSPC or -ENOMEM. */
static int reserve(struct sdp_plan *p, unsigned n)
{
    if (n > SDP_MEDIA_MAX)
        return -ENOSPC;
    if (n <= p->cap)
        return 0;
    unsigned cap = p->cap ? p->cap * 2 : 8;
    while (cap < n)
        cap *= 2;
    struct sdp_plan_section *grown = realloc(p->sections, cap * sizeof *grown);
    if (!grown)
        return -ENOMEM;
    p->sections = grown;
    p->cap = cap;
    return 0;
}

static bool mid_used(const struct sdp_plan *p, const char *mid)
{
    for (unsigned i = 0; i < p->n; i++)
        if (strcmp(p->sections[i].mid, mid) == 0)
            return true;
    return false;
}

/* Ours are numbered, and no number is used twice. */
static void name_section(struct sdp_plan *p, struct sdp_plan_section *s)
{
    char mid[sizeof s->mid];
    do
        snprintf(mid, sizeof mid, "%u", p->next_mid++);
    while (mid_used(p, mid));
    memcpy(s->mid, mid, sizeof mid);
}

/* A new section at the end. Its index, -ENOSPC or -ENOMEM. */
static int append(struct sdp_plan *p, enum sdp_kind kind, enum sdp_plan_state state)
{
    int rc = reserve(p, p->n + 1);
    if (rc != 0)
        return rc;
    struct sdp_plan_section *s = &p->sections[p->n];
    *s = (struct sdp_plan_section){.kind = kind, .state = state};
    name_section(p, s);
    return (int)p->n++;
}

static int find_idle(const struct sdp_plan *p, enum sdp_kind kind)
{
    for (unsigned i = 0; i < p->n; i++)
        if (p->sections[i].state == SDP_PLAN_IDLE && (p->sections[i].kind == kind || p->sections[i].stopped))
            return (int)i;
    return -ENOSPC;
}

int sdp_plan_find(const struct sdp_plan *p, uint64_t key)
{
    for (unsigned i = 0; i < p->n; i++)
        if (p->sections[i].state == SDP_PLAN_BOUND && p->sections[i].key == key)
            return (int)i;
    return -ENOENT;
}

int sdp_plan_bind(
    struct sdp_plan *p, enum sdp_kind kind, const struct sdp_track *track, uint64_t key, bool grow)
{
    struct sdp_track copy;
    if (key == 0 || kind > SDP_KIND_VIDEO || !track->stream || !track->track || !track->cname ||
        sdp_codec_kind(track->codec) != kind)
        return -EINVAL;
    if (sdp_plan_find(p, key) >= 0)
        return -EEXIST;
    int rc = track_copy(track, &copy);
    if (rc != 0)
        return rc;
    int i = find_idle(p, kind);
    if (i < 0 && grow)
        i = append(p, kind, SDP_PLAN_IDLE);
    if (i < 0) {
        track_done(&copy);
        return i;
    }
    struct sdp_plan_section *s = &p->sections[i];
    if (s->stopped)
        name_section(p, s);
    s->stopped = false;
    s->kind = kind;
    s->state = SDP_PLAN_BOUND;
    s->track = copy;
    s->key = key;
    return i;
}

static void retire(struct sdp_plan_section *s, enum sdp_plan_state state)
{
    track_done(&s->track);
    s->key = 0;
    s->state = state;
    s->signalled = false;
}

int sdp_plan_unbind(struct sdp_plan *p, uint64_t key)
{
    int i = sdp_plan_find(p, key);
    if (i < 0)
        return i;
    retire(&p->sections[i], SDP_PLAN_RETIRING);
    return 0;
}

const struct sdp_track *sdp_plan_track(const struct sdp_plan *p, unsigned i)
{
    return i < p->n && p->sections[i].state == SDP_PLAN_BOUND ? &p->sections[i].track : NULL;
}

unsigned sdp_plan_free(const struct sdp_plan *p, enum sdp_kind kind)
{
    unsigned n = 0;
    for (unsigned i = 0; i < p->n; i++)
        n += p->sections[i].kind == kind && p->sections[i].state == SDP_PLAN_IDLE;
    return n;
}

int sdp_plan_add_data(struct sdp_plan *p)
{
    for (unsigned i = 0; i < p->n; i++)
        if (p->sections[i].kind == SDP_KIND_APPLICATION)
            return (int)i;
    return append(p, SDP_KIND_APPLICATION, SDP_PLAN_TAKEN);
}

void sdp_plan_drop(struct sdp_plan *p, unsigned i)
{
    if (i < p->n)
        retire(&p->sections[i], p->sections[i].stopped ? SDP_PLAN_IDLE : SDP_PLAN_TAKEN);
}

/* A section on which the client receives and does not send can carry a track of ours. */
static bool takes_tracks(const struct sdp_media *m)
{
    return m->kind <= SDP_KIND_VIDEO && !sdp_media_rejected(m) && m->dir == SDP_RECVONLY;
}

static void adopt_section(struct sdp_plan_section *s, const struct sdp_media *m)
{
    if (!takes_tracks(m))
        retire(s, SDP_PLAN_TAKEN);
    else if (s->state == SDP_PLAN_TAKEN) /* was the client's until now: it sees it inactive first */
        retire(s, SDP_PLAN_RETIRING);
    s->signalled = s->state == SDP_PLAN_RETIRING;
}

/* Sections of a client stay what they are, but one that carries nothing of ours may have been rejected and
 * used anew (RFC 8829, section 5.2.2). */
static bool is_same(const struct sdp_plan_section *s, const struct sdp_media *m)
{
    return strcmp(s->mid, m->mid) == 0 && s->kind == m->kind;
}

int sdp_plan_adopt(struct sdp_plan *p, const struct sdp_session *offer, char *err, size_t err_size)
{
    if (offer->n_media < p->n)
        return sdp_refuse(err, err_size, "the offer has %u sections, and %u before", offer->n_media, p->n);
    for (unsigned i = 0; i < offer->n_media; i++) {
        const struct sdp_media *m = &offer->media[i];
        if (!m->mid)
            return sdp_refuse(err, err_size, "section %u has no mid", i);
        if (i < p->n && p->sections[i].state == SDP_PLAN_BOUND && !is_same(&p->sections[i], m))
            return sdp_refuse(err, err_size, "section %u carries a track and has another mid or kind now", i);
    }
    int rc = reserve(p, offer->n_media);
    if (rc != 0)
        return rc;
    for (unsigned i = 0; i < offer->n_media; i++) {
        const struct sdp_media *m = &offer->media[i];
        if (i < p->n && is_same(&p->sections[i], m)) {
            adopt_section(&p->sections[i], m);
            continue;
        }
        if (i == p->n)
            append(p, m->kind, SDP_PLAN_TAKEN); /* there is room: reserved above */
        struct sdp_plan_section *s = &p->sections[i];
        *s = (struct sdp_plan_section){
            .kind = m->kind, .state = takes_tracks(m) ? SDP_PLAN_IDLE : SDP_PLAN_TAKEN};
        text_copy(s->mid, sizeof s->mid, m->mid);
    }
    return 0;
}

int sdp_plan_offer(struct sdp_plan *p, const struct sdp_local *local, struct sdp_session **ret)
{
    struct sdp_offer_section *sections = calloc(p->n ? p->n : 1, sizeof *sections);
    if (!sections)
        return -ENOMEM;
    p->offers = true;
    for (unsigned i = 0; i < p->n; i++) {
        struct sdp_plan_section *s = &p->sections[i];
        s->stopped |= s->state == SDP_PLAN_RETIRING && i > 0;
        sections[i] = (struct sdp_offer_section){.kind = s->kind,
            .mid = s->mid,
            .track = sdp_plan_track(p, i),
            .rejected = s->stopped || (s->kind <= SDP_KIND_VIDEO && s->state == SDP_PLAN_TAKEN)};
    }
    int rc = sdp_offer(local, sections, p->n, ret);
    free(sections);
    for (unsigned i = 0; rc == 0 && i < p->n; i++)
        p->sections[i].signalled = p->sections[i].state == SDP_PLAN_RETIRING;
    return rc;
}

void sdp_plan_commit(struct sdp_plan *p)
{
    for (unsigned i = 0; i < p->n; i++) {
        struct sdp_plan_section *s = &p->sections[i];
        if (s->state == SDP_PLAN_RETIRING && s->signalled)
            s->state = p->offers && i == 0 ? SDP_PLAN_SPENT : SDP_PLAN_IDLE;
        s->signalled = false;
    }
}
