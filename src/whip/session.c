/* One WHIP or WHEP session: a participant whose signalling is single requests. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "base/log.h"
#include "base/rand.h"
#include "whip/internal.h"

struct whip_session *whip_session_new(struct whip *w, const char *room, bool viewer)
{
    struct whip_session *s = calloc(1, sizeof *s);
    char *name = strdup(room);
    if (!s || !name) {
        free(s);
        free(name);
        return NULL;
    }
    s->whip = w;
    s->room = name;
    s->viewer = viewer;
    s->etag = 1;
    rand_id(s->id, WHIP_ID_LEN);
    HASH_ADD_STR(w->sessions, id, s);
    return s;
}

void whip_session_free(struct whip_session *s)
{
    if (!s)
        return;
    HASH_DEL(s->whip->sessions, s);
    free(s->room);
    free(s->offer);
    free(s->answer);
    free(s);
}

struct whip_session *whip_session_find(struct whip *w, const char *id)
{
    struct whip_session *s;
    HASH_FIND_STR(w->sessions, id, s);
    return s;
}

int whip_session_offer(struct whip_session *s, const char *sdp, size_t len, char *why, size_t size)
{
    struct participant *p = s->p;
    char *copy = strndup(sdp, len);
    if (!copy)
        return -ENOMEM;
    free(s->answer);
    s->answer = NULL;
    int err = participant_offer(p, copy, len, 0, why, size);
    if (err || !s->answer) {
        free(copy);
        return err ? err : -ENOMEM;
    }
    free(s->offer);
    s->offer = copy;
    return 0;
}

static void on_answer(void *arg, uint32_t id, const char *sdp, const struct mid_track *mids, size_t n)
{
    struct whip_session *s = arg;
    (void)id;
    (void)mids;
    (void)n;
    free(s->answer);
    s->answer = strdup(sdp);
}

/* Whatever the reason, there is no way to tell the client but to end its connection. */
static void on_leave(void *arg, enum leave_reason reason, enum leave_action action)
{
    struct whip_session *s = arg;
    (void)action;
    log_debug("whip.left", "session=%.6s room=%s reason=%d", s->id, s->room, reason);
    whip_session_free(s);
}

const struct participant_ops whip_session_ops = {.answer = on_answer, .leave = on_leave};

struct whip *whip_new(const struct whip_config *c)
{
    struct whip *w = calloc(1, sizeof *w);
    if (!w)
        return NULL;
    w->config = *c;
    w->keys = (struct auth_keys){.at = c->cfg->keys, .count = c->cfg->key_count};
    int err = whip_routes(w);
    if (err) {
        free(w);
        errno = -err;
        return NULL;
    }
    return w;
}

void whip_free(struct whip *w)
{
    if (!w)
        return;
    struct whip_session *s, *next;
    HASH_ITER(hh, w->sessions, s, next)
    {
        whip_session_free(s);
    }
    free(w);
}
