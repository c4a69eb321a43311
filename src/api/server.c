/* GET /health and GET /api/config. */
#include "api/internal.h"
#include "net/clock.h"

static void health(void *arg, struct http_request *req)
{
    struct api *a = arg;
    size_t rooms, participants;
    room_server_counts(a->config.rooms, &rooms, &participants);
    api_answer(req, 200,
        json_pack("{s:s, s:s, s:I, s:I, s:I}", "status", "ok", "version", FL_VERSION, "rooms",
            (json_int_t)rooms, "participants", (json_int_t)participants, "uptime_s",
            (json_int_t)((clock_now_us() - a->started_us) / 1000000)));
}

static json_t *ice_server(const struct config_ice_server *s)
{
    json_t *urls = json_array(), *json = NULL;
    int bad = urls == NULL;
    for (size_t i = 0; i < s->urls.count && !bad; i++)
        bad = json_array_append_new(urls, json_string(s->urls.at[i]));
    if (!bad)
        json = json_pack("{s:O}", "urls", urls);
    json_decref(urls);
    if (s->username[0])
        bad |= json_object_set_new(json, "username", json_string(s->username));
    if (s->credential[0])
        bad |= json_object_set_new(json, "credential", json_string(s->credential));
    if (!bad)
        return json;
    json_decref(json);
    return NULL;
}

static json_t *ice_servers(const struct config *cfg)
{
    json_t *list = json_array();
    for (size_t i = 0; i < cfg->ice_server_count; i++) {
        if (json_array_append_new(list, ice_server(&cfg->ice_servers[i]))) {
            json_decref(list);
            return NULL;
        }
    }
    return list;
}

static void config(void *arg, struct http_request *req)
{
    struct api *a = arg;
    const struct config *cfg = a->config.cfg;
    api_answer(req, 200,
        json_pack("{s:s, s:o, s:i, s:i}", "version", FL_VERSION, "ice_servers", ice_servers(cfg),
            "max_participants", cfg->room.max_participants, "https_port", (int)https_port(a->config.http)));
}

int server_routes(struct api *a)
{
    const struct http_route routes[] = {
        {.method = "GET", .pattern = "/health", .fn = health, .arg = a},
        {.method = "GET", .pattern = "/api/config", .fn = config, .arg = a},
    };
    int err = 0;
    for (size_t i = 0; i < sizeof routes / sizeof routes[0] && !err; i++)
        err = http_route_add(a->config.http, &routes[i]);
    return err;
}
