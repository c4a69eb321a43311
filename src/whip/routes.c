/* The requests of WHIP and WHEP. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <time.h>
#include "base/log.h"
#include "whip/internal.h"

#define SDP_TYPE  "application/sdp"
#define FRAG_TYPE "application/trickle-ice-sdpfrag"

static bool has_type(const struct http_request *req, const char *type)
{
    const char *t = http_request_header(req, "Content-Type");
    size_t n = strlen(type);
    return t && strncasecmp(t, type, n) == 0 && (t[n] == 0 || t[n] == ';' || t[n] == ' ');
}

/* ---- who asks ---- */

/* Reads the token; false: the request was answered. The grants are to be done in any case. */
static bool authorised(struct whip *w, struct http_request *req, struct auth_grants *g)
{
    const char *header = http_request_header(req, "Authorization"), *token = NULL;
    const char *why = "a bearer token is missing";
    int err = header ? auth_bearer(header, &token, &why) : -EACCES;
    if (!err)
        err = auth_verify(&w->keys, token, time(NULL), g, &why);
    if (err) {
        http_response_header(req, "WWW-Authenticate", "Bearer");
        problem(req, 401, "Unauthorized", why);
        return false;
    }
    return true;
}

static bool may_enter(struct http_request *req, const struct auth_grants *g, const char *room, bool viewer)
{
    const char *why = NULL;
    if (auth_check_join(g, &why) == 0) {
        if (strcmp(auth_text(g->video.room), room) != 0)
            why = "the token is for another room";
        else if (viewer ? !g->video.can_subscribe : !g->video.can_publish)
            why = viewer ? "the token does not let you subscribe" : "the token does not let you publish";
    }
    if (!why)
        return true;
    problem(req, 403, "Forbidden", why);
    return false;
}

/* ---- POST: a new session ---- */

static int enter(struct whip_session *s, const struct auth_grants *g)
{
    const struct auth_video *v = &g->video;
    struct participant_join j = {.room = s->room,
        .identity = g->identity,
        .name = auth_text(g->name),
        .metadata = auth_text(g->metadata),
        .kind = s->viewer                       ? (enum participant_kind)g->kind
                : g->kind == AUTH_KIND_STANDARD ? PARTICIPANT_INGRESS
                                                : (enum participant_kind)g->kind,
        .may_create = !s->viewer && (s->whip->config.cfg->room.auto_create || v->room_create),
        .single_connection = true,
        .no_signal = true,
        .protocol = 16,
        .ops = &whip_session_ops,
        .arg = s};
    j.permission = (struct permission){.can_subscribe = v->can_subscribe && s->viewer,
        .can_publish = v->can_publish && !s->viewer,
        .hidden = v->hidden || s->viewer,
        .publish_sources = v->publish_sources};
    return participant_join(s->whip->config.rooms, &j, &s->p);
}

static void refuse_entry(struct http_request *req, int err)
{
    switch (err) {
    case -ENOENT:
        problem(req, 404, "Not Found", "there is no such room");
        return;
    case -EUSERS:
        problem(req, 403, "Forbidden", "the room is full");
        return;
    case -ENAMETOOLONG:
        problem(req, 400, "Bad Request", "room, identity or metadata are too long");
        return;
    default:
        problem(req, 503, "Service Unavailable", "the server takes no more sessions");
        return;
    }
}

static void set_link_headers(const struct whip *w, struct http_request *req)
{
    const struct config *cfg = w->config.cfg;
    for (size_t i = 0; i < cfg->ice_server_count; i++) {
        const struct config_ice_server *ice = &cfg->ice_servers[i];
        for (size_t k = 0; k < ice->urls.count; k++) {
            struct strbuf s = {.max = 1024};
            strbuf_addf(&s, "<%s>; rel=\"ice-server\"", ice->urls.at[k]);
            if (ice->username[0])
                strbuf_addf(&s, "; username=\"%s\"; credential=\"%s\"; credential-type=\"password\"",
                    ice->username, ice->credential);
            if (strbuf_ok(&s))
                http_response_header(req, "Link", s.text);
            strbuf_done(&s);
        }
    }
}

/* RFC 3986, section 2.3: what is not unreserved is escaped. */
static void add_encoded(struct strbuf *out, const char *text)
{
    for (const char *c = text; *c; c++) {
        bool plain = (*c >= 'a' && *c <= 'z') || (*c >= 'A' && *c <= 'Z') || (*c >= '0' && *c <= '9') ||
                     strchr("-._~", *c) != NULL;
        strbuf_addf(out, plain ? "%c" : "%%%02X", (unsigned char)*c);
    }
}

static void respond_created(struct whip_session *s, struct http_request *req)
{
    struct strbuf location = {.max = 4096};
    char text[32];
    strbuf_addf(&location, "/%s/", s->viewer ? "whep" : "whip");
    add_encoded(&location, s->room);
    strbuf_addf(&location, "/%s", s->id);
    http_response_header(req, "Location", strbuf_ok(&location) ? location.text : "");
    strbuf_done(&location);
    snprintf(text, sizeof text, "\"%u\"", s->etag);
    http_response_header(req, "ETag", text);
    http_response_header(req, "Accept-Patch", FRAG_TYPE);
    http_response_header(req, "Access-Control-Expose-Headers", "Location, ETag, Link, Accept-Patch");
    set_link_headers(s->whip, req);
    http_respond(req, 201, SDP_TYPE, s->answer, strlen(s->answer));
}

/* Is anything of what was offered agreed? */
static bool anything_agreed(const struct whip_session *s)
{
    struct sdp_session *answer;
    bool any = false;
    if (sdp_parse(s->answer, strlen(s->answer), &answer, NULL, 0))
        return false;
    for (unsigned i = 0; i < answer->n_media; i++) {
        const struct sdp_media *m = &answer->media[i];
        bool media = m->kind == SDP_KIND_AUDIO || m->kind == SDP_KIND_VIDEO;
        any |= media && !sdp_media_rejected(m) && m->dir != SDP_INACTIVE;
    }
    sdp_free(answer);
    return any;
}

static void leave_quietly(struct whip_session *s)
{
    struct participant *p = s->p;
    s->p = NULL;
    if (p)
        participant_evict(p, LEAVE_CLIENT_INITIATED, LEAVE_DISCONNECT, true);
    whip_session_free(s);
}

static void negotiate(struct whip_session *s, struct http_request *req, const struct sdp_session *offer,
    const char *identity, const char *sdp, size_t len)
{
    char why[256] = "";
    participant_joined(s->p);
    if (!s->viewer && publish_announce(s, offer) == 0) {
        problem(req, 403, "Forbidden", "nothing in the offer may be published with this token");
        leave_quietly(s);
        return;
    }
    if (s->viewer && view_subscribe(s, identity)) {
        http_response_header(req, "Retry-After", "2");
        problem(req, 409, "Conflict", "nobody publishes anything yet");
        leave_quietly(s);
        return;
    }
    int err = whip_session_offer(s, sdp, len, why, sizeof why);
    if (err) {
        problem(
            req, err == -EINVAL ? 400 : 500, err == -EINVAL ? "Bad Request" : "Internal Server Error", why);
        leave_quietly(s);
    } else if (!anything_agreed(s)) {
        problem(req, 422, "Unprocessable Content", "there is no codec in common");
        leave_quietly(s);
    } else {
        respond_created(s, req);
    }
}

static void post(struct whip *w, struct http_request *req, bool viewer)
{
    const char *room = http_request_param(req, "room");
    size_t len;
    const char *sdp = http_request_body(req, &len);
    char why[256] = "";
    struct auth_grants g;
    struct sdp_session *offer = NULL;
    struct whip_session *s = NULL;
    auth_grants_init(&g);
    if (!has_type(req, SDP_TYPE)) {
        http_response_header(req, "Accept-Post", SDP_TYPE);
        problem(req, 415, "Unsupported Media Type", "the body must be " SDP_TYPE);
        goto out;
    }
    if (!authorised(w, req, &g) || !may_enter(req, &g, room, viewer))
        goto out;
    if (sdp_parse(sdp, len, &offer, why, sizeof why)) {
        problem(req, 400, "Bad Request", why);
        goto out;
    }
    s = whip_session_new(w, room, viewer);
    int err = s ? enter(s, &g) : -ENOMEM;
    if (err) {
        whip_session_free(s);
        refuse_entry(req, err);
        goto out;
    }
    negotiate(s, req, offer, viewer ? http_request_param(req, "identity") : NULL, sdp, len);
out:
    sdp_free(offer);
    auth_grants_done(&g);
}

static void whip_post(void *arg, struct http_request *req)
{
    post(arg, req, false);
}

static void whep_post(void *arg, struct http_request *req)
{
    post(arg, req, true);
}

/* ---- PATCH, DELETE: a session there is ---- */

static struct whip_session *whip_session_of(struct whip *w, struct http_request *req)
{
    struct whip_session *s = whip_session_find(w, http_request_param(req, "id"));
    if (s && s->p && strcmp(s->room, http_request_param(req, "room")) == 0)
        return s;
    problem(req, 404, "Not Found", "there is no such session");
    return NULL;
}

static void delete_session(void *arg, struct http_request *req)
{
    struct whip_session *s = whip_session_of(arg, req);
    if (!s)
        return;
    leave_quietly(s);
    http_respond(req, 200, NULL, "", 0);
}

/* The newest offer with other credentials: what the client would offer if it could. */
static char *offer_with(const char *offer, const char *ufrag, const char *pwd)
{
    struct strbuf out = {.max = SDP_SIZE_MAX};
    for (const char *line = offer; *line;) {
        size_t n = strcspn(line, "\n");
        n += line[n] == '\n';
        if (strncmp(line, "a=ice-ufrag:", 12) == 0)
            strbuf_addf(&out, "a=ice-ufrag:%s\r\n", ufrag);
        else if (strncmp(line, "a=ice-pwd:", 10) == 0)
            strbuf_addf(&out, "a=ice-pwd:%s\r\n", pwd);
        else
            strbuf_addn(&out, line, n);
        line += n;
    }
    return strbuf_take(&out);
}

/* Our new credentials and addresses, as a fragment. */
static char *fragment_of(const char *answer)
{
    struct sdp_session *s;
    struct strbuf out = {0};
    if (sdp_parse(answer, strlen(answer), &s, NULL, 0))
        return NULL;
    sdpfrag_print(s, &out);
    sdp_free(s);
    return strbuf_take(&out);
}

static void restart(struct whip_session *s, struct http_request *req, const struct sdp_ice *ice)
{
    char why[256] = "", etag[32];
    char *offer = offer_with(s->offer, ice->ufrag, ice->pwd);
    int err = offer ? whip_session_offer(s, offer, strlen(offer), why, sizeof why) : -ENOMEM;
    char *fragment = err ? NULL : fragment_of(s->answer);
    free(offer);
    if (!fragment) {
        problem(req, err == -EINVAL ? 400 : 500, "ICE restart failed", why);
        return;
    }
    snprintf(etag, sizeof etag, "\"%u\"", ++s->etag);
    http_response_header(req, "ETag", etag);
    http_response_header(req, "Access-Control-Expose-Headers", "ETag");
    http_respond(req, 200, FRAG_TYPE, fragment, strlen(fragment));
    free(fragment);
}

static const struct sdp_ice *ice_of(const struct sdp_session *frag)
{
    if (frag->ice.ufrag && frag->ice.pwd)
        return &frag->ice;
    for (unsigned i = 0; i < frag->n_media; i++)
        if (frag->media[i].ice.ufrag && frag->media[i].ice.pwd)
            return &frag->media[i].ice;
    return NULL;
}

static bool is_current(const struct whip_session *s, const char *if_match)
{
    char etag[32];
    snprintf(etag, sizeof etag, "\"%u\"", s->etag);
    return strcmp(if_match, etag) == 0;
}

static bool same_credentials(const struct whip_session *s, const struct sdp_ice *ice)
{
    struct strbuf line = {.max = ICE_UFRAG_MAX + 32};
    strbuf_addf(&line, "a=ice-ufrag:%s\r\n", ice->ufrag);
    bool same = strbuf_ok(&line) && strstr(s->offer, line.text);
    strbuf_done(&line);
    return same;
}

static void patch(void *arg, struct http_request *req)
{
    struct whip_session *s = whip_session_of(arg, req);
    size_t len;
    char why[256] = "";
    struct sdp_session *frag;
    if (!s)
        return;
    if (!has_type(req, FRAG_TYPE)) {
        http_response_header(req, "Accept-Patch", FRAG_TYPE);
        problem(req, 415, "Unsupported Media Type", "the body must be " FRAG_TYPE);
        return;
    }
    const char *body = http_request_body(req, &len);
    if (sdpfrag_parse(body, len, &frag, why, sizeof why)) {
        problem(req, 400, "Bad Request", why);
        return;
    }
    const struct sdp_ice *ice = ice_of(frag);
    const char *if_match = http_request_header(req, "If-Match");
    bool is_restart = ice && !same_credentials(s, ice);
    if (!if_match)
        problem(req, 428, "Precondition Required", "If-Match is missing");
    else if (is_restart ? strcmp(if_match, "*") != 0 && !is_current(s, if_match) : !is_current(s, if_match))
        problem(req, 412, "Precondition Failed", "the ICE session is another one by now");
    else if (is_restart)
        restart(s, req, ice);
    else /* the client's addresses: a lite agent learns them from its checks */
        http_respond(req, 204, NULL, "", 0);
    sdp_free(frag);
}

int whip_routes(struct whip *w)
{
    const struct http_route routes[] = {
        {.method = "POST", .pattern = "/whip/{room}", .fn = whip_post, .body_max = SDP_SIZE_MAX},
        {.method = "PATCH", .pattern = "/whip/{room}/{id}", .fn = patch, .body_max = SDP_SIZE_MAX},
        {.method = "DELETE", .pattern = "/whip/{room}/{id}", .fn = delete_session},
        {.method = "POST", .pattern = "/whep/{room}", .fn = whep_post, .body_max = SDP_SIZE_MAX},
        {.method = "POST", .pattern = "/whep/{room}/{identity}", .fn = whep_post, .body_max = SDP_SIZE_MAX},
        {.method = "PATCH", .pattern = "/whep/{room}/{id}", .fn = patch, .body_max = SDP_SIZE_MAX},
        {.method = "DELETE", .pattern = "/whep/{room}/{id}", .fn = delete_session},
    };
    for (size_t i = 0; i < sizeof routes / sizeof *routes; i++) {
        struct http_route r = routes[i];
        r.arg = w;
        int err = http_route_add(w->config.http, &r);
        if (err)
            return err;
    }
    return 0;
}
