/* GET /api/admin/rooms/{room}/participants/{id}/why: what somebody receives, and why no more. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include "api/internal.h"
#include "auth/token.h"
#include "net/clock.h"

/* May the bearer see into that room? false: the request was answered. */
static bool may_see(const struct api *a, struct http_request *req, const char *room)
{
    const struct config *cfg = a->config.cfg;
    const struct auth_keys keys = {.at = cfg->keys, .count = cfg->key_count};
    const char *header = http_request_header(req, "Authorization"), *token = NULL;
    const char *why = "A bearer token is missing.";
    struct auth_grants g;
    int err = header ? auth_bearer(header, &token, &why) : -EACCES;
    if (!err)
        err = auth_verify(&keys, token, clock_wall_us() / 1000000, &g, &why);
    if (err) {
        http_response_header(req, "WWW-Authenticate", "Bearer");
        http_respond_error(req, 401, "unauthorized", why);
        return false;
    }
    bool may = g.has_video && g.video.room_admin && strcmp(auth_text(g.video.room), room) == 0;
    auth_grants_done(&g);
    if (!may)
        http_respond_error(req, 403, "forbidden", "The token does not administer this room.");
    return may;
}

/* ---- words ---- */

static const char *source_name(enum track_source s)
{
    static const char *const names[] = {
        [SOURCE_UNKNOWN] = "unknown",
        [SOURCE_CAMERA] = "camera",
        [SOURCE_MICROPHONE] = "microphone",
        [SOURCE_SCREEN_SHARE] = "screen_share",
        [SOURCE_SCREEN_SHARE_AUDIO] = "screen_share_audio",
    };
    return (unsigned)s < sizeof names / sizeof *names ? names[s] : "unknown";
}

/* As the publisher's client calls the layer: its quality. */
static const char *layer_name(const struct track *t, int spatial)
{
    static const char *const names[] = {
        [QUALITY_LOW] = "low", [QUALITY_MEDIUM] = "medium", [QUALITY_HIGH] = "high"};
    const struct track_desc *d = &t->desc;
    for (uint8_t i = 0; d->layer_count > 1 && i < d->layer_count; i++)
        if (d->layers[i].spatial_layer == spatial && d->layers[i].quality <= QUALITY_HIGH)
            return names[d->layers[i].quality];
    return "only";
}

/* ---- the answer ---- */

static json_t *layer_json(const struct participant_reception *r)
{
    const struct sfu_sub_allocated *s = r->allocated;
    if (!s || s->spatial < 0)
        return json_null();
    json_t *json = json_pack("{s:s, s:i, s:i, s:I}", "name", layer_name(r->track, s->spatial), "spatial",
        s->spatial, "temporal", s->temporal, "bitrate_bps", (json_int_t)s->cost_bps);
    if (json && s->width && s->height &&
        json_object_update_new(json, json_pack("{s:i, s:i}", "width", s->width, "height", s->height))) {
        json_decref(json);
        return NULL;
    }
    return json;
}

static json_t *wanted_json(const struct track_settings *set)
{
    static const char *const qualities[] = {"low", "medium", "high", "off"};
    if (!set)
        return json_null();
    return json_pack("{s:b, s:s, s:I, s:I, s:I, s:I}", "disabled", set->disabled, "quality",
        qualities[set->quality <= QUALITY_OFF ? set->quality : QUALITY_HIGH], "width", (json_int_t)set->width,
        "height", (json_int_t)set->height, "fps", (json_int_t)set->fps, "priority",
        (json_int_t)set->priority);
}

/* Of sound nothing is told but what it takes: it goes as long as it comes and is wanted. */
static const char *why_of(const struct participant_reception *r)
{
    if (r->settings && r->settings->disabled)
        return allocate_why_name(ALLOCATE_VIEWER);
    if (r->codec_failed)
        return "codec";
    if (!r->bound)
        return "negotiation";
    if (r->allocated && r->track->desc.kind == TRACK_VIDEO)
        return allocate_why_name(r->allocated->why);
    return allocate_why_name(r->live && !r->track->desc.muted ? ALLOCATE_TOP : ALLOCATE_PUBLISHER);
}

static void add_subscription(void *arg, const struct participant_reception *r)
{
    const struct sfu_sub_allocated *s = r->allocated;
    const struct track *t = r->track;
    json_t *json = json_pack("{s:s, s:s, s:s, s:s, s:b, s:o, s:o, s:i, s:b, s:s, s:I}", "track", t->sid,
        "publisher", t->publisher->identity, "kind", t->desc.kind == TRACK_VIDEO ? "video" : "audio",
        "source", source_name(t->desc.source), "muted", t->desc.muted || t->server_muted, "wanted",
        wanted_json(r->settings), "layer", layer_json(r), "forwarded", s ? s->forwarded : -1, "paused",
        s && s->paused, "why", why_of(r), "next_bps", (json_int_t)(s ? s->next_bps : 0));
    json_array_append_new(arg, json);
}

static json_t *bandwidth_json(const struct participant *p)
{
    struct sfu_peer_allocated a;
    if (!participant_allocated(p, &a))
        return json_null();
    return json_pack("{s:I, s:I, s:I, s:I, s:I, s:I, s:I, s:b}", "estimate_bps", (json_int_t)a.estimate_bps,
        "limit_bps", (json_int_t)a.limit_bps, "allocated_bps", (json_int_t)a.total_bps, "audio_bps",
        (json_int_t)a.audio_bps, "wanted_bps", (json_int_t)a.wanted_bps, "next_bps", (json_int_t)a.next_bps,
        "paused", (json_int_t)a.paused, "probing", a.probing);
}

static void why(void *arg, struct http_request *req)
{
    struct api *a = arg;
    const char *name = http_request_param(req, "room"), *id = http_request_param(req, "id");
    if (!may_see(a, req, name))
        return;
    struct room *r = room_find(a->config.rooms, name);
    if (!r) {
        http_respond_error(req, 404, "room_not_found", "There is no such room.");
        return;
    }
    struct participant *p = room_participant(r, id);
    p = p ? p : room_participant_sid(r, id);
    if (!p) {
        http_respond_error(req, 404, "participant_not_found", "There is nobody of that name in the room.");
        return;
    }
    json_t *list = json_array();
    if (list)
        participant_receives(p, add_subscription, list);
    api_answer(req, 200,
        json_pack("{s:s, s:s, s:s, s:o, s:o}", "room", r->name, "identity", p->identity, "sid", p->sid,
            "bandwidth", bandwidth_json(p), "subscriptions", list));
}

int why_routes(struct api *a)
{
    const struct http_route route = {
        .method = "GET", .pattern = "/api/admin/rooms/{room}/participants/{id}/why", .fn = why, .arg = a};
    return http_route_add(a->config.http, &route);
}
