/* POST /api/rooms, GET /api/rooms/{code}, POST /api/rooms/{code}/join. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "api/internal.h"
#include "api/names.h"
#include "api/origin.h"
#include "auth/token.h"
#include "net/clock.h"

#define TRIES                                                                                                \
    16 /* for a code or an identity that nobody has: one collision is rare, two are a broken source */

/* ---- names in bodies ---- */

/* The member "name", cleaned, the caller's to free. NULL: the request was answered with what is wrong. */
static char *read_name(struct http_request *req, const json_t *body)
{
    const json_t *name = json_object_get(body, "name");
    size_t from, len;
    if (!json_is_string(name)) {
        http_respond_error(
            req, 400, "invalid_name", name ? "The name is not a text." : "The name is missing.");
        return NULL;
    }
    const char *text = json_string_value(name);
    enum names_fault fault = names_check(text, json_string_length(name), &from, &len);
    if (fault != NAMES_OK) {
        http_respond_error(req, 400, "invalid_name", names_fault_text(fault));
        return NULL;
    }
    char *clean = strndup(text + from, len);
    if (!clean)
        api_no_memory(req);
    return clean;
}

/* ---- what a room is called ---- */

/* The name that people gave a room is in its metadata, where clients find it too: {"name":"Weekly"}. */
static char *metadata_of(const char *name)
{
    json_t *json = json_pack("{s:s}", "name", name);
    char *text = json ? json_dumps(json, JSON_COMPACT) : NULL;
    json_decref(json);
    return text;
}

static json_t *name_of(const struct room *r)
{
    json_t *metadata = json_loads(r->metadata, 0, NULL);
    const char *name = json_string_value(json_object_get(metadata, "name"));
    json_t *json = json_string(name ? name : "");
    json_decref(metadata);
    return json;
}

/* ---- handlers ---- */

static void answer_created(struct http_request *req, const struct room *r)
{
    char link[sizeof "/r/" + NAMES_CODE_SIZE];
    snprintf(link, sizeof link, "/r/%s", r->name);
    api_answer(req, 201, json_pack("{s:s, s:o, s:s}", "code", r->name, "name", name_of(r), "link", link));
}

static int create_room(struct api *a, const char *name, uint32_t audio_top_n, struct room **ret)
{
    char code[NAMES_CODE_SIZE];
    for (int i = 0; i < TRIES; i++) {
        if (room_find(a->config.rooms, names_code(code)))
            continue;
        struct room_options o = {.audio_top_n = audio_top_n};
        char *metadata = name ? metadata_of(name) : NULL;
        if (name && !metadata)
            return -ENOMEM;
        o.metadata = metadata;
        int err = room_create(a->config.rooms, code, &o, ret);
        free(metadata);
        return err;
    }
    return -EEXIST;
}

static void create(void *arg, struct http_request *req)
{
    struct api *a = arg;
    json_t *body = api_body(req);
    if (!body)
        return;
    char *name = NULL;
    bool named = json_object_get(body, "name") != NULL;
    if (named)
        name = read_name(req, body);
    const json_t *top_n = json_object_get(body, "audio_top_n");
    json_int_t n = json_integer_value(top_n);
    bool bad = top_n && (!json_is_integer(top_n) || n < 0 || n > SFU_SLOTS_MAX);
    json_decref(body);
    if (named && !name)
        return;
    if (bad) {
        free(name);
        http_respond_error(req, 400, "bad_audio_top_n", "audio_top_n is a number from 0 to 16.");
        return;
    }
    struct room *r;
    int err = create_room(a, name, (uint32_t)n, &r);
    free(name);
    if (!err)
        answer_created(req, r);
    else if (err == -ENOSPC)
        http_respond_error(req, 403, "server_full", "The server has as many rooms as it may have.");
    else
        http_respond_error(req, 500, "not_created", "The room could not be made.");
}

/* The room of {code}. NULL: the request was answered with 404. */
static struct room *find(struct api *a, struct http_request *req)
{
    const char *code = http_request_param(req, "code");
    struct room *r = code ? room_find(a->config.rooms, code) : NULL;
    if (!r)
        http_respond_error(req, 404, "room_not_found", "There is no room with this code.");
    return r;
}

static void show(void *arg, struct http_request *req)
{
    const struct room *r = find(arg, req);
    if (r)
        api_answer(req, 200,
            json_pack("{s:s, s:o, s:I, s:I, s:I, s:I}", "code", r->name, "name", name_of(r), "participants",
                (json_int_t)r->participant_count, "max_participants", (json_int_t)r->max_participants,
                "audio_top_n", (json_int_t)r->audio_top_n, "created_at",
                (json_int_t)(r->created_wall_us / 1000000)));
}

/* A token for a newcomer in a room; the caller's to free. NULL: no memory. */
static char *make_token(const struct api *a, const struct room *r, const char *identity, const char *name)
{
    const struct config *cfg = a->config.cfg;
    struct auth_grants g;
    char *token = NULL;
    auth_grants_init(&g);
    g.has_video = true;
    g.video.room_join = true;
    g.video.can_update_own_metadata = true;
    if (auth_text_set(&g.identity, identity) == 0 && auth_text_set(&g.name, name) == 0 &&
        auth_text_set(&g.video.room, r->name) == 0 &&
        auth_sign(&cfg->keys[0], &g, clock_wall_us() / 1000000, cfg->signal.token_ttl_s, &token) != 0)
        token = NULL;
    auth_grants_done(&g);
    return token;
}

static void answer_joined(struct api *a, struct http_request *req, struct room *r, const char *name)
{
    char identity[NAMES_IDENTITY_SIZE], url[ORIGIN_URL_SIZE];
    int tries = 0;
    while (room_participant(r, names_identity(identity, name)) && tries++ < TRIES)
        ;
    char *token = make_token(a, r, identity, name);
    if (!token) {
        api_no_memory(req);
        return;
    }
    bool secure = http_request_secure(req);
    struct origin origin = {
        .host = http_request_header(req, "Host"),
        .forwarded_host = http_request_header(req, "X-Forwarded-Host"),
        .forwarded_proto = http_request_header(req, "X-Forwarded-Proto"),
        .secure = secure,
        .port = secure ? https_port(a->config.http) : http_port(a->config.http),
    };
    api_answer(req, 200,
        json_pack("{s:s, s:s, s:s, s:s}", "url", origin_socket_url(&origin, url), "token", token, "identity",
            identity, "room", r->name));
    free(token);
}

static void join(void *arg, struct http_request *req)
{
    struct api *a = arg;
    struct room *r = find(a, req);
    if (!r)
        return;
    json_t *body = api_body(req);
    if (!body)
        return;
    char *name = read_name(req, body);
    json_decref(body);
    if (!name)
        return;
    if (r->max_participants && r->participant_count >= r->max_participants)
        http_respond_error(req, 403, "room_full", "The room is full.");
    else
        answer_joined(a, req, r, name);
    free(name);
}

int rooms_routes(struct api *a)
{
    const struct http_route routes[] = {
        {.method = "POST", .pattern = "/api/rooms", .fn = create},
        {.method = "GET", .pattern = "/api/rooms/{code}", .fn = show},
        {.method = "POST", .pattern = "/api/rooms/{code}/join", .fn = join},
    };
    int err = 0;
    for (size_t i = 0; i < sizeof routes / sizeof routes[0] && !err; i++) {
        struct http_route route = routes[i];
        route.arg = a;
        route.flags = HTTP_ROUTE_JSON;
        route.body_max = API_BODY_MAX;
        err = http_route_add(a->config.http, &route);
    }
    return err;
}
