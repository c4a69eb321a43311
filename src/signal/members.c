/* Control's side of data routing: every participant is announced to the sctp thread, changed and taken back.
 */
#include <stdlib.h>
#include <string.h>
#include "base/log.h"
#include "signal/internal.h"

struct member_ref {
    UT_hash_handle hh; /* signal->members, by participant sid */
    char sid[ROOM_SID_MAX];
    struct data_member *member;
    int64_t sabotage_until_us;
    int sabotage_times;
    bool sabotage_silent;
};

static struct member_ref *find(struct signal *s, const char *sid)
{
    struct member_ref *r;
    HASH_FIND_STR(s->members, sid, r);
    return r;
}

struct data_member *member_of(struct signal *s, const struct participant *p)
{
    struct member_ref *r = find(s, p->sid);
    return r ? r->member : NULL;
}

void members_sabotage(struct signal *s, const struct participant *p, int64_t until_us, int times, bool silent)
{
    struct member_ref *r = find(s, p->sid);
    if (!r)
        return;
    r->sabotage_until_us = until_us;
    r->sabotage_times = times;
    r->sabotage_silent = silent;
}

int members_sabotaged(struct signal *s, const struct participant *p, int64_t now_us)
{
    struct member_ref *r = find(s, p->sid);
    if (!r || r->sabotage_times <= 0 || now_us >= r->sabotage_until_us)
        return 0;
    r->sabotage_times--;
    return r->sabotage_silent ? 2 : 1;
}

static void add(struct signal *s, const struct participant *p)
{
    struct member_ref *r = calloc(1, sizeof *r);
    struct data_member *m = calloc(1, sizeof *m);
    char *identity = strdup(p->identity);
    if (!r || !m || !identity) {
        free(r);
        free(m);
        free(identity);
        log_error("data.member_lost", "participant=%s reason=memory", p->sid);
        return;
    }
    text_copy(m->sid, sizeof m->sid, p->sid);
    m->identity = identity;
    m->hidden = p->permission.hidden;
    m->may_publish = p->permission.can_publish_data;
    m->agent = p->kind == PARTICIPANT_AGENT;
    m->waiting_end = &m->waiting;
    participant_data_peers(p, &m->in_peer, &m->out_peer);
    text_copy(r->sid, sizeof r->sid, p->sid);
    r->member = m;
    HASH_ADD_STR(s->members, sid, r);
    data_member_add(s->router, p->room->sid, m);
}

static void drop(struct signal *s, struct member_ref *r)
{
    HASH_DEL(s->members, r);
    data_member_remove(s->router, r->member);
    free(r);
}

static void participant_changed(void *arg, struct participant *p)
{
    struct signal *s = arg;
    struct member_ref *r = find(s, p->sid);
    if (p->state == PARTICIPANT_DISCONNECTED) {
        if (r)
            drop(s, r);
    } else if (!r) {
        add(s, p);
    } else {
        data_member_change(s->router, r->member, p->permission.hidden, p->permission.can_publish_data);
    }
}

void members_watch(struct signal *s)
{
    struct room_watch w = {.arg = s, .participant_changed = participant_changed};
    room_server_watch(s->rooms, &w);
}

void members_done(struct signal *s)
{
    struct member_ref *r, *next;
    HASH_ITER(hh, s->members, r, next)
    {
        drop(s, r);
    }
}
