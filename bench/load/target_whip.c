/* WHIP for publishers (RFC 9725), WHEP for subscribers: an offer by POST, an answer with a Location, DELETE.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "auth/token.h"
#include "base/strbuf.h"
#include "../client/request.h"
#include "net/clock.h"
#include "target.h"

#define TOKEN_TTL_S  3600
#define LOCATION_MAX 1024 /* bytes of a session's path */

struct target {
    struct target_config config;
};

struct target_link {
    struct target *target;
    struct request *post, *del;
    const struct target_events *events;
    void *arg;
    char *token;
    char location[LOCATION_MAX]; /* "": there is no session */
    bool leaving, over;
};

static int whip_open(const struct target_config *c, struct target **ret, char *why, size_t why_size)
{
    (void)why;
    (void)why_size;
    struct target *t = calloc(1, sizeof *t);
    if (!t)
        return -ENOMEM;
    t->config = *c;
    *ret = t;
    return 0;
}

static void whip_close(struct target *t)
{
    free(t);
}

static void end(struct target_link *l, enum load_failure why, const char *text)
{
    if (l->over)
        return;
    l->over = true;
    l->events->ended(l->arg, why, text);
}

/* ---- the session ---- */

/* The path of a Location, which may be a whole address, or relative to what was asked. */
static int read_location(const struct target *t, const char *text, char *out)
{
    const char *path = strncmp(text, "http://", 7) == 0 ? strchr(text + 7, '/') : text;
    if (!path || strncmp(text, "https://", 8) == 0 || strpbrk(path, " \r\n"))
        return -EINVAL;
    int n = *path == '/' ? snprintf(out, LOCATION_MAX, "%s", path)
                         : snprintf(out, LOCATION_MAX, "%s/%s", t->config.url.path, path);
    return n > 0 && n < LOCATION_MAX ? 0 : -ENAMETOOLONG;
}

static void refused(struct target_link *l, const struct request_answer *a)
{
    char text[200];
    int len = a->body_len < 120 ? (int)a->body_len : 120;
    snprintf(text, sizeof text, "HTTP %d: %.*s", a->status, len, a->body);
    for (char *p = text; *p; p++)
        if ((unsigned char)*p < 0x20)
            *p = ' ';
    end(l, a->status == 401 || a->status == 403 ? LOAD_TOKEN : LOAD_SIGNALLING, text);
}

static void posted(void *arg, const struct request_answer *a)
{
    struct target_link *l = arg;
    char location[LOCATION_MAX];
    if (a->status != 201) {
        refused(l, a);
        return;
    }
    if (!request_field(a, "Location", location, sizeof location) ||
        read_location(l->target, location, l->location)) {
        end(l, LOAD_SIGNALLING, "the answer has no usable Location");
        return;
    }
    char *sdp = strndup(a->body, a->body_len);
    if (sdp)
        l->events->answered(l->arg, sdp);
    free(sdp);
}

static void not_posted(void *arg, bool sent, const char *why)
{
    end(arg, sent ? LOAD_SIGNALLING : LOAD_UNREACHABLE, why);
}

static const struct request_ops post_ops = {.answered = posted, .failed = not_posted};

static void deleted(void *arg, const struct request_answer *a)
{
    (void)a;
    end(arg, LOAD_DROPPED, "left");
}

static void not_deleted(void *arg, bool sent, const char *why)
{
    (void)sent;
    end(arg, LOAD_DROPPED, why);
}

static const struct request_ops delete_ops = {.answered = deleted, .failed = not_deleted};

/* ---- joining ---- */

static int make_token(const struct target *t, const struct target_join *j, char **ret)
{
    struct auth_grants g;
    struct config_key key = {
        .key = (char *)(uintptr_t)t->config.key, .secret = (char *)(uintptr_t)t->config.secret};
    char identity[64];
    auth_grants_init(&g);
    g.has_video = true;
    g.video.room_join = true;
    /* a session is a participant of its own: one that receives is not the one that sends */
    if (j->tracks)
        snprintf(identity, sizeof identity, "%s", j->identity);
    else
        snprintf(identity, sizeof identity, "%s-%s", j->identity, j->publisher ? j->publisher : "all");
    int err = auth_text_set(&g.identity, identity);
    if (!err)
        err = auth_text_set(&g.video.room, j->room);
    if (!err)
        err = auth_sign(&key, &g, clock_wall_us() / 1000000, TOKEN_TTL_S, ret);
    auth_grants_done(&g);
    return err;
}

static int post(struct target_link *l, const struct target_join *j)
{
    const struct target_config *c = &l->target->config;
    struct strbuf path = {.max = 1024};
    strbuf_addf(&path, "%s/%s/%s", c->url.path, j->tracks ? "whip" : "whep", j->room);
    if (!j->tracks && j->publisher)
        strbuf_addf(&path, "/%s", j->publisher);
    const struct request_spec spec = {.server = c->url.addr,
        .host = c->url.host,
        .method = "POST",
        .target = path.text,
        .bearer = l->token,
        .type = "application/sdp",
        .body = j->offer,
        .body_len = strlen(j->offer)};
    int err = strbuf_ok(&path) ? request_open(c->loop, &spec, &post_ops, l, &l->post) : -ENOMEM;
    strbuf_done(&path);
    return err;
}

static void whip_free(struct target_link *l)
{
    if (!l)
        return;
    request_free(l->post);
    request_free(l->del);
    free(l->token);
    free(l);
}

static int whip_join(struct target *t, const struct target_join *join, const struct target_events *events,
    void *arg, struct target_link **ret)
{
    struct target_link *l = calloc(1, sizeof *l);
    if (!l)
        return -ENOMEM;
    *l = (struct target_link){.target = t, .events = events, .arg = arg};
    int err = t->config.key ? make_token(t, join, &l->token) : 0;
    if (!err)
        err = post(l, join);
    if (err)
        whip_free(l);
    else
        *ret = l;
    return err;
}

static void whip_leave(struct target_link *l)
{
    const struct target_config *c = &l->target->config;
    if (l->over || l->leaving || !l->location[0])
        return;
    l->leaving = true;
    const struct request_spec spec = {.server = c->url.addr,
        .host = c->url.host,
        .method = "DELETE",
        .target = l->location,
        .bearer = l->token};
    (void)request_open(c->loop, &spec, &delete_ops, l, &l->del); /* the server notices by itself, later */
}

const struct target_kind target_whip = {.name = "whip",
    .one_publisher = true,
    .open = whip_open,
    .close = whip_close,
    .join = whip_join,
    .leave = whip_leave,
    .free = whip_free};
