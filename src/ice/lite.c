#include "ice/lite.h"

#include <errno.h>
#include <string.h>

#include "ice/message.h"

#define NEVER INT64_MIN

const char *ice_verdict_name(enum ice_verdict v)
{
    static const char *const names[ICE_VERDICT_COUNT] = {
        [ICE_ACCEPTED] = "accepted",
        [ICE_INDICATION] = "indication",
        [ICE_IGNORED] = "ignored",
        [ICE_MALFORMED] = "malformed",
        [ICE_BAD_REQUEST] = "bad_request",
        [ICE_UNAUTHORIZED] = "unauthorized",
        [ICE_UNKNOWN_ATTRIBUTE] = "unknown_attribute",
        [ICE_ROLE_CONFLICT] = "role_conflict",
    };
    return names[v];
}

static void generation_set(
    struct ice_generation *g, const struct ice_credentials *local, const char *remote_ufrag)
{
    memset(g, 0, sizeof *g);
    if (local)
        g->local = *local;
    else
        ice_credentials_make(&g->local);
    if (remote_ufrag && strlen(remote_ufrag) <= ICE_UFRAG_MAX)
        memcpy(g->remote_ufrag, remote_ufrag, strlen(remote_ufrag));
    g->valid = true;
}

void ice_lite_init(
    struct ice_lite *ice, const struct ice_credentials *local, const char *remote_ufrag, int64_t now_us)
{
    memset(ice, 0, sizeof *ice);
    generation_set(&ice->current, local, remote_ufrag);
    ice->selected = -1;
    ice->state = ICE_NEW;
    ice->alive_us = now_us;
}

const struct ice_credentials *ice_lite_local(const struct ice_lite *ice)
{
    return &ice->current.local;
}

int ice_lite_set_remote(struct ice_lite *ice, const char *remote_ufrag)
{
    if (!ice_ufrag_valid(remote_ufrag))
        return -EINVAL;
    memset(ice->current.remote_ufrag, 0, sizeof ice->current.remote_ufrag);
    memcpy(ice->current.remote_ufrag, remote_ufrag, strlen(remote_ufrag));
    return 0;
}

bool ice_lite_has_ufrag(const struct ice_lite *ice, const char *ufrag)
{
    return strcmp(ufrag, ice->current.local.ufrag) == 0 ||
           (ice->old.valid && strcmp(ufrag, ice->old.local.ufrag) == 0);
}

/* Forgets the credentials of a generation that is not used any more. */
static uint32_t generation_drop(struct ice_lite *ice, struct ice_generation *g)
{
    memcpy(ice->dropped_ufrag, g->local.ufrag, sizeof ice->dropped_ufrag);
    g->valid = false;
    return ICE_EVENT_UFRAG_DROPPED;
}

static uint32_t state_set(struct ice_lite *ice, enum ice_state state)
{
    if (ice->state == state)
        return 0;
    bool hidden =
        ice->state == ICE_FAILED || state == ICE_FAILED; /* the selected path comes or goes with it */
    ice->state = state;
    return ICE_EVENT_STATE | (hidden && ice->selected >= 0 ? ICE_EVENT_SELECTED : 0);
}

/* Something authenticated arrived, or a path was selected. */
static uint32_t state_alive(struct ice_lite *ice, int64_t now_us)
{
    ice->alive_us = now_us;
    return ice->selected >= 0 ? state_set(ice, ICE_CONNECTED) : 0;
}

uint32_t ice_lite_restart(
    struct ice_lite *ice, const struct ice_credentials *local, const char *remote_ufrag, int64_t now_us)
{
    uint32_t events = 0;
    uint8_t number = (uint8_t)(ice->current.number + 1);
    if (ice->old.valid) {
        events |=
            generation_drop(ice, &ice->current); /* never used: the old one still is what the peer has */
        if (ice->old.number == number)
            number++; /* the counter went round */
    } else {
        ice->old = ice->current;
    }
    generation_set(&ice->current, local, remote_ufrag);
    ice->current.number = number;
    ice->media_seen = false;
    ice->alive_us = now_us; /* the peer has as long as a new one to be heard again */
    if (ice->state == ICE_FAILED)
        events |= state_set(ice, ICE_DISCONNECTED);
    return events;
}

static int path_find(const struct ice_lite *ice, const struct path *path)
{
    if (ice->selected >= 0 && path_equal(&ice->paths[ice->selected].path, path))
        return ice->selected;
    for (uint32_t i = 0; i < ice->path_count; i++)
        if (path_equal(&ice->paths[i].path, path))
            return (int)i;
    return -1;
}

static int64_t path_heard_us(const struct ice_path *p)
{
    return p->check_us > p->media_us ? p->check_us : p->media_us;
}

/* Among nominated pairs: UDP before TCP, then by what the peer's check said (RFC 8445, section 8.1.1). */
static bool path_better(const struct ice_path *a, const struct ice_path *b)
{
    bool a_udp = a->path.conn == 0, b_udp = b->path.conn == 0;
    return a_udp != b_udp ? a_udp : a->priority > b->priority;
}

static bool path_current(const struct ice_lite *ice, const struct ice_path *p)
{
    return p->generation == ice->current.number;
}

static uint32_t path_select(struct ice_lite *ice, int index)
{
    if (ice->selected == index)
        return 0;
    ice->selected = index;
    return ICE_EVENT_SELECTED;
}

/* The selected path is gone: the best of the nominated ones that were heard lately takes its place. */
static uint32_t path_replace(struct ice_lite *ice, int64_t now_us)
{
    int best = -1;
    for (uint32_t i = 0; i < ice->path_count; i++) {
        const struct ice_path *p = &ice->paths[i];
        if (!p->nominated || now_us - path_heard_us(p) >= ICE_DISCONNECT_US)
            continue;
        if (best < 0 || path_better(p, &ice->paths[best]))
            best = (int)i;
    }
    ice->selected = best;
    return ICE_EVENT_SELECTED |
           (best < 0 && ice->state == ICE_CONNECTED ? state_set(ice, ICE_DISCONNECTED) : 0);
}

/* Does not look for a new selection. */
static uint32_t path_remove(struct ice_lite *ice, int index)
{
    if (ice->removed_count < ICE_PATHS_MAX)
        ice->removed[ice->removed_count++] = ice->paths[index].path;
    int last = (int)--ice->path_count;
    ice->paths[index] = ice->paths[last];
    if (ice->selected == index)
        ice->selected = -1;
    else if (ice->selected == last)
        ice->selected = index;
    return ICE_EVENT_PATH_REMOVED;
}

/* Where the path may stand: a free place, or that of the unselected one heard longest ago. */
static uint32_t path_add(struct ice_lite *ice, const struct path *path, int *ret_index)
{
    uint32_t events = ICE_EVENT_PATH_ADDED;
    if (ice->path_count == ICE_PATHS_MAX) {
        int oldest = -1;
        for (int i = 0; i < ICE_PATHS_MAX; i++)
            if (i != ice->selected &&
                (oldest < 0 || path_heard_us(&ice->paths[i]) < path_heard_us(&ice->paths[oldest])))
                oldest = i;
        events |= path_remove(ice, oldest);
    }
    *ret_index = (int)ice->path_count++;
    ice->paths[*ret_index] = (struct ice_path){
        .path = *path, .check_us = NEVER, .media_us = NEVER, .generation = ice->current.number};
    return events;
}

/* A check with USE-CANDIDATE came on the path. */
static uint32_t path_nominated(struct ice_lite *ice, int index, int64_t now_us)
{
    struct ice_path *p = &ice->paths[index];
    p->nominated = true;
    uint32_t events = 0;
    const struct ice_path *selected = ice->selected >= 0 ? &ice->paths[ice->selected] : NULL;
    bool takes_over;
    if (!selected)
        takes_over = true;
    else if (path_current(ice, p) != path_current(ice, selected))
        takes_over = path_current(ice, p); /* a restart is done as soon as its first pair is nominated */
    else
        takes_over = (!ice->media_seen && (!selected->nominated || path_better(p, selected))) ||
                     now_us - path_heard_us(selected) >= ICE_SILENT_US;
    if (takes_over)
        events |= path_select(ice, index);
    if (path_current(ice, p) && ice->old.valid)
        events |= generation_drop(ice, &ice->old);
    return events;
}

static uint32_t path_checked(struct ice_lite *ice, const struct ice_generation *g, const struct path *path,
    const struct stun_view *v, int64_t now_us)
{
    uint32_t events = 0;
    int index = path_find(ice, path);
    bool added = index < 0;
    if (added)
        events |= path_add(ice, path, &index);
    struct ice_path *p = &ice->paths[index];
    if (added || (g == &ice->current && !path_current(ice, p))) {
        p->generation = g->number;
        p->nominated = false; /* what was nominated before a restart is no choice of the new generation */
    }
    if (v->has_priority)
        p->priority = v->priority;
    bool lost = ice->selected >= 0 && index != ice->selected &&
                now_us - path_heard_us(&ice->paths[ice->selected]) >= ICE_DISCONNECT_US;
    p->check_us = now_us;
    if (v->use_candidate && g->number == p->generation)
        events |= path_nominated(ice, index, now_us);
    else if (lost && p->nominated)
        events |=
            path_select(ice, index); /* its consent checks say no USE-CANDIDATE, but it is all there is */
    return events | state_alive(ice, now_us);
}

/* The generation whose user a request names; NULL: none of ours. */
static const struct ice_generation *generation_find(const struct ice_lite *ice, const struct stun_view *v)
{
    struct cursor receiver, sender;
    if (!stun_view_names(v, &receiver, &sender))
        return NULL;
    const struct ice_generation *const all[] = {&ice->current, &ice->old};
    for (size_t i = 0; i < sizeof all / sizeof all[0]; i++) {
        const struct ice_generation *g = all[i];
        if (g->valid && cursor_is(&receiver, g->local.ufrag) &&
            (g->remote_ufrag[0] == 0 || cursor_is(&sender, g->remote_ufrag)))
            return g;
    }
    return NULL;
}

static enum ice_verdict request_input(struct ice_lite *ice, struct ice_stun *stun, const struct path *path,
    const uint8_t *data, size_t len, const struct stun_view *v, int64_t now_us, struct writer *reply,
    uint32_t *events)
{
    StunMessage msg;
    const struct ice_generation *g = generation_find(ice, v);
    switch (stun_request_check(stun, data, len, g ? g->local.pwd : NULL, &msg)) {
    case STUN_AUTH_OK:
        break;
    case STUN_AUTH_INCOMPLETE:
        stun_reply_error(stun, &msg, STUN_ERROR_BAD_REQUEST, len, reply);
        return ICE_BAD_REQUEST;
    case STUN_AUTH_WRONG:
        stun_reply_error(stun, &msg, STUN_ERROR_UNAUTHORIZED, len, reply);
        return ICE_UNAUTHORIZED;
    case STUN_AUTH_MALFORMED:
        return ICE_MALFORMED;
    }
    if (v->unknown_count > 0) {
        stun_reply_unknown(stun, &msg, v, reply);
        return ICE_UNKNOWN_ATTRIBUTE;
    }
    if (v->controlled) { /* RFC 8445, section 7.3.1.1; a lite agent never controls a full one: section 6.1.1
                          */
        stun_reply_error(stun, &msg, STUN_ERROR_ROLE_CONFLICT, ICE_REPLY_MAX, reply);
        return ICE_ROLE_CONFLICT;
    }
    stun_reply_success(stun, &msg, &path->remote, reply); /* before the password can go with its generation */
    *events |= path_checked(ice, g, path, v, now_us);
    return ICE_ACCEPTED;
}

enum ice_verdict ice_lite_input(struct ice_lite *ice, struct ice_stun *stun, const struct path *path,
    const uint8_t *data, size_t len, int64_t now_us, struct writer *reply, uint32_t *ret_events)
{
    struct stun_view v;
    uint32_t events = 0;
    enum ice_verdict verdict;
    if (stun_view_read(data, len, &v) < 0)
        verdict = ICE_MALFORMED;
    else if (!v.binding || v.class == STUN_RESPONSE || v.class == STUN_ERROR)
        verdict = ICE_IGNORED;
    else if (v.class == STUN_INDICATION)
        verdict = ICE_INDICATION;
    else
        verdict = request_input(ice, stun, path, data, len, &v, now_us, reply, &events);
    *ret_events = events;
    return verdict;
}

uint32_t ice_lite_media(struct ice_lite *ice, const struct path *path, bool newest, int64_t now_us)
{
    int index = path_find(ice, path);
    if (index < 0)
        return 0;
    uint32_t events = 0;
    struct ice_path *p = &ice->paths[index];
    p->media_us = now_us;
    if (path_current(ice, p) && ice->old.valid)
        events |= generation_drop(ice, &ice->old);
    /* after a restart, what still comes the old way does not undo the new choice */
    bool left = ice->selected >= 0 && !path_current(ice, p) && path_current(ice, &ice->paths[ice->selected]);
    if (newest && !left) {
        ice->media_seen |= path_current(ice, p);
        events |= path_select(ice, index);
    }
    return events | state_alive(ice, now_us);
}

bool ice_lite_knows(const struct ice_lite *ice, const struct path *path)
{
    return path_find(ice, path) >= 0;
}

bool ice_lite_has_remote(const struct ice_lite *ice, const struct addr *remote, uint32_t conn)
{
    for (uint32_t i = 0; i < ice->path_count; i++)
        if (ice->paths[i].path.conn == conn && addr_equal(&ice->paths[i].path.remote, remote))
            return true;
    return false;
}

uint32_t ice_lite_conn_closed(struct ice_lite *ice, uint32_t conn, int64_t now_us)
{
    uint32_t events = 0;
    bool selected = false;
    for (uint32_t i = 0; conn != 0 && i < ice->path_count;) {
        if (ice->paths[i].path.conn != conn) {
            i++;
            continue;
        }
        selected |= ice->selected == (int)i;
        events |= path_remove(ice, (int)i);
    }
    if (selected)
        events |= path_replace(ice, now_us);
    return events;
}

const struct path *ice_lite_selected(const struct ice_lite *ice)
{
    return ice->selected < 0 || ice->state == ICE_FAILED ? NULL : &ice->paths[ice->selected].path;
}

bool ice_lite_take_removed(struct ice_lite *ice, struct path *ret)
{
    if (ice->removed_count == 0)
        return false;
    *ret = ice->removed[--ice->removed_count];
    return true;
}

uint32_t ice_lite_timeout(struct ice_lite *ice, int64_t now_us)
{
    uint32_t events = 0;
    bool selected = false;
    for (uint32_t i = 0; i < ice->path_count;) {
        if (now_us - path_heard_us(&ice->paths[i]) < ICE_CONSENT_US) {
            i++;
            continue;
        }
        selected |= ice->selected == (int)i;
        events |= path_remove(ice, (int)i);
    }
    if (selected)
        events |= path_replace(ice, now_us);
    int64_t idle_us = now_us - ice->alive_us;
    if (ice->state == ICE_CONNECTED && idle_us >= ICE_DISCONNECT_US)
        events |= state_set(ice, ICE_DISCONNECTED);
    if (ice->state == ICE_DISCONNECTED && idle_us >= ICE_FAIL_US)
        events |= state_set(ice, ICE_FAILED);
    return events;
}

int64_t ice_lite_next_timeout(const struct ice_lite *ice)
{
    int64_t next = INT64_MAX;
    if (ice->state == ICE_CONNECTED)
        next = ice->alive_us + ICE_DISCONNECT_US;
    else if (ice->state == ICE_DISCONNECTED)
        next = ice->alive_us + ICE_FAIL_US;
    for (uint32_t i = 0; i < ice->path_count; i++) {
        int64_t expires = path_heard_us(&ice->paths[i]) + ICE_CONSENT_US;
        next = expires < next ? expires : next;
    }
    return next;
}
