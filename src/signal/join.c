/* The way into a session: /rtc, /rtc/v1 and their validate endpoints. Everything that can be refused is
 * refused as a plain HTTP error before the socket is upgraded, because clients ask `validate` for the reason
 * afterwards. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <jansson.h>
#include "base/log.h"
#include "proto/base64.h"
#include "signal/internal.h"

/* What a client says of itself and wants, from either form of the query. */
struct join {
    struct signal *signal;
    struct auth_grants grants;
    Livekit__JoinRequest *request; /* NULL: the older form */
    struct participant_join j;
    struct attribute attributes[64];
    uint8_t capabilities[8];
    uint8_t kind_details[AUTH_DETAILS];
    bool reconnect;
    const char *sid;
    char *query_sid; /* the query is gone once the upgrade is answered, and sid is looked at after that */
    json_t *room_config;
    json_t *query_attributes;
};

static void join_done(struct join *in)
{
    auth_grants_done(&in->grants);
    if (in->request)
        proto_free(&in->request->base);
    json_decref(in->room_config);
    json_decref(in->query_attributes);
    free(in->query_sid);
}

/* ---- the token ---- */

static int read_token(struct join *in, struct http_request *req, const char **why)
{
    const char *header = http_request_header(req, "Authorization");
    const char *token = NULL;
    int err = header ? auth_bearer(header, &token, why) : 0;
    if (err)
        return 401;
    if (!token)
        token = http_request_query(req, "access_token");
    if (!token || !*token) {
        *why = "authorization token is missing";
        return 401;
    }
    err = auth_verify(&in->signal->keys, token, clock_wall_us() / 1000000, &in->grants, why);
    if (err)
        return err == -ENOMEM ? 500 : 401;
    err = auth_check_join(&in->grants, why);
    return !err ? 0 : err == -EINVAL ? 400 : 401;
}

static void permissions(struct join *in)
{
    const struct auth_video *v = &in->grants.video;
    in->j.permission = (struct permission){.can_subscribe = v->can_subscribe,
        .can_publish = v->can_publish,
        .can_publish_data = v->can_publish_data,
        .hidden = v->hidden,
        .recorder = v->recorder,
        .agent = v->agent,
        .can_update_metadata = v->can_update_own_metadata,
        .can_subscribe_metrics = v->can_subscribe_metrics,
        .can_manage_agent_session = v->can_manage_agent_session,
        .publish_sources = v->publish_sources};
}

static uint32_t config_number(const json_t *o, const char *name, const char *other)
{
    const json_t *v = json_object_get(o, name);
    if (!v)
        v = json_object_get(o, other);
    json_int_t n = json_is_integer(v) ? json_integer_value(v) : 0;
    return n > 0 && n <= UINT32_MAX ? (uint32_t)n : 0;
}

/* {"audio_top_n": 3}, besides whatever else an application keeps there. */
static uint32_t metadata_top_n(const char *metadata)
{
    json_t *json = metadata && *metadata == '{' ? json_loads(metadata, 0, NULL) : NULL;
    uint32_t n = config_number(json, "audio_top_n", "audioTopN");
    json_decref(json);
    return n;
}

/* The token's roomConfig is for the room that this join makes. */
static void room_options(struct join *in)
{
    if (!in->grants.room_config)
        return;
    in->room_config = json_loads(in->grants.room_config, 0, NULL);
    in->j.room_empty_timeout_s = config_number(in->room_config, "emptyTimeout", "empty_timeout");
    in->j.room_departure_timeout_s = config_number(in->room_config, "departureTimeout", "departure_timeout");
    in->j.room_max_participants = config_number(in->room_config, "maxParticipants", "max_participants");
    in->j.room_metadata = json_string_value(json_object_get(in->room_config, "metadata"));
    in->j.room_audio_top_n = metadata_top_n(in->j.room_metadata);
}

static void from_token(struct join *in)
{
    const struct auth_grants *g = &in->grants;
    struct participant_join *j = &in->j;
    j->room = g->video.room;
    j->identity = g->identity;
    j->name = auth_text(g->name);
    j->metadata = auth_text(g->metadata);
    j->kind = (enum participant_kind)g->kind;
    for (uint8_t i = 0; i < AUTH_DETAILS; i++)
        if (g->kind_details & 1u << i)
            in->kind_details[j->kind_detail_count++] = i;
    j->kind_details = in->kind_details;
    for (size_t i = 0; i < g->attribute_count && j->attribute_count < 64; i++)
        in->attributes[j->attribute_count++] =
            (struct attribute){.key = g->attributes[i].key, .value = g->attributes[i].value};
    j->attributes = in->attributes;
    j->capabilities = in->capabilities;
    j->may_create = in->signal->cfg->room.auto_create || g->video.room_create;
    permissions(in);
    room_options(in);
}

static void set_attribute(struct join *in, const char *key, const char *value)
{
    struct participant_join *j = &in->j;
    if (!*value)
        return;
    struct attribute a = {.key = (char *)(uintptr_t)key, .value = (char *)(uintptr_t)value};
    for (size_t i = 0; i < j->attribute_count; i++)
        if (strcmp(in->attributes[i].key, key) == 0) {
            in->attributes[i] = a;
            return;
        }
    if (j->attribute_count < 64)
        in->attributes[j->attribute_count++] = a;
}

/* ---- join_request ---- */

static int read_request(struct join *in, const char *value, const char **why)
{
    struct participant_join *j = &in->j;
    int err = proto_join_request_decode(value, &in->request, why);
    if (err)
        return err == -ENOMEM ? 500 : 400;
    const Livekit__JoinRequest *r = in->request;
    bool own = *r->metadata || r->n_participant_attributes;
    if (own && !j->permission.can_update_metadata) {
        *why = "permissions denied";
        return 401;
    }
    if (*r->metadata)
        j->metadata = r->metadata;
    for (size_t i = 0; i < r->n_participant_attributes; i++)
        set_attribute(in, r->participant_attributes[i]->key, r->participant_attributes[i]->value);
    const Livekit__ConnectionSettings *c = r->connection_settings;
    if (c) {
        j->auto_subscribe = c->auto_subscribe;
        j->adaptive_stream = c->adaptive_stream;
        if (c->has_subscriber_allow_pause_case)
            j->allow_pause = c->subscriber_allow_pause;
    }
    const Livekit__ClientInfo *info = r->client_info;
    if (info) {
        j->protocol = info->protocol;
        j->client_protocol = info->client_protocol;
        j->firefox = strcasecmp(info->browser, "firefox") == 0;
        for (size_t i = 0; i < info->n_capabilities && j->capability_count < sizeof in->capabilities; i++)
            in->capabilities[j->capability_count++] = (uint8_t)info->capabilities[i];
    }
    in->reconnect = r->reconnect;
    in->sid = r->participant_sid;
    j->single_connection = true;
    return 0;
}

/* ---- the older form ---- */

static bool query_bool(struct http_request *req, const char *name, bool absent)
{
    const char *v = http_request_query(req, name);
    return v ? strcmp(v, "1") == 0 || strcmp(v, "true") == 0 : absent;
}

static int query_int(struct http_request *req, const char *name)
{
    const char *v = http_request_query(req, name);
    char *end;
    long n = v ? strtol(v, &end, 10) : 0;
    return v && *v && !*end && n >= 0 && n < 1000000 ? (int)n : 0;
}

static const char *const capability_names[] = {
    "CAP_UNUSED", "CAP_PACKET_TRAILER", "CAP_COMPRESSION_DEFLATE_RAW"};

static void query_capabilities(struct join *in, struct http_request *req)
{
    const char *v = http_request_query(req, "capabilities");
    while (v && *v && in->j.capability_count < sizeof in->capabilities) {
        size_t n = strcspn(v, ",");
        for (uint8_t i = 0; i < sizeof capability_names / sizeof *capability_names; i++)
            if (strlen(capability_names[i]) == n && strncasecmp(v, capability_names[i], n) == 0)
                in->capabilities[in->j.capability_count++] = i;
        v += n + (v[n] == ',');
    }
}

/* base64url of a JSON object; what cannot be read is ignored when joining and told when validating. */
static bool query_attributes(struct join *in, struct http_request *req)
{
    const char *v = http_request_query(req, "attributes");
    if (!v || !*v)
        return true;
    size_t n = 0, len = strlen(v);
    uint8_t *json = malloc(proto_base64_decoded_size(len));
    if (json && proto_base64_decode(v, len, json, &n) == 0)
        in->query_attributes = json_loadb((const char *)json, n, 0, NULL);
    free(json);
    if (!json_is_object(in->query_attributes))
        return false;
    const char *key;
    json_t *value;
    json_object_foreach(in->query_attributes, key, value)
    {
        if (json_is_string(value))
            set_attribute(in, key, json_string_value(value));
    }
    return true;
}

static int read_query(struct join *in, struct http_request *req, bool validating, const char **why)
{
    struct participant_join *j = &in->j;
    j->auto_subscribe = query_bool(req, "auto_subscribe", true);
    j->adaptive_stream = query_bool(req, "adaptive_stream", false);
    j->allow_pause = query_bool(req, "subscriber_allow_pause", j->allow_pause);
    j->protocol = query_int(req, "protocol");
    j->client_protocol = query_int(req, "client_protocol");
    query_capabilities(in, req);
    const char *browser = http_request_query(req, "browser");
    const char *agent = http_request_header(req, "User-Agent");
    j->firefox = browser ? strcasecmp(browser, "firefox") == 0 : agent && strstr(agent, "Firefox/");
    in->reconnect = query_bool(req, "reconnect", false);
    const char *sid = http_request_query(req, "sid");
    if (sid && !(in->query_sid = strdup(sid))) {
        *why = "out of memory";
        return 500;
    }
    in->sid = in->query_sid;
    bool wants = http_request_query(req, "attributes") != NULL;
    if (wants && j->permission.can_update_metadata && !query_attributes(in, req) && validating) {
        *why = "attributes cannot be decoded";
        return 400;
    }
    if (wants && !j->permission.can_update_metadata) {
        *why = "permissions denied";
        return 401;
    }
    return 0;
}

/* 0, or the HTTP status with its text. */
static int read_all(struct join *in, struct http_request *req, bool v1, bool validating, const char **why)
{
    int status = read_token(in, req, why);
    if (status)
        return status;
    from_token(in);
    in->j.allow_pause = in->signal->cfg->rtc.pause_video;
    const char *value = http_request_query(req, "join_request");
    if (value || v1)
        status = read_request(in, value, why);
    else
        status = read_query(in, req, validating, why);
    return status;
}

/* Names what exceeds its limit. */
static void too_long(const struct join *in, char *text, size_t size)
{
    const struct config *cfg = in->signal->cfg;
    const struct {
        const char *what, *value;
        int limit;
    } list[] = {
        {"identity", in->j.identity, cfg->limits.identity_bytes},
        {"room name", in->j.room, cfg->limits.room_name_bytes},
        {"name", in->j.name, cfg->limits.name_bytes},
        {"metadata", in->j.metadata, cfg->limits.metadata_bytes},
    };
    for (size_t i = 0; i < sizeof list / sizeof *list; i++)
        if (list[i].value && list[i].limit > 0 && strlen(list[i].value) > (size_t)list[i].limit) {
            snprintf(text, size, "%s is too long: max length %d", list[i].what, list[i].limit);
            return;
        }
    snprintf(text, size, "attributes are too long: max length %d", cfg->limits.attributes_bytes);
}

/* The HTTP status for an error of participant_join, and its text. */
static int refused(const struct join *in, int err, char *text, size_t size)
{
    switch (err) {
    case -ENOENT:
        snprintf(text, size, "requested room does not exist"); /* clients look for these words */
        return 404;
    case -EUSERS:
        snprintf(text, size, "the room is full");
        return 403;
    case -ENOSPC:
        snprintf(text, size, "the server has no room for another room");
        return 503;
    case -ENAMETOOLONG:
        too_long(in, text, size);
        return 400;
    case -EINVAL:
        snprintf(text, size, "identity cannot be empty");
        return 400;
    default:
        snprintf(text, size, "out of memory");
        return 500;
    }
}

/* ---- answers ---- */

#define OTHERS_FIELD 3 /* JoinResponse.other_participants */

/* Those a newcomer is told of; the caller's to free. NULL: there are none, or no memory. */
static struct participant **others_of(const struct participant *p, size_t *ret_n)
{
    size_t n = 0;
    struct participant **list = calloc(room_people(p->room), sizeof(*list));
    list_for_each(l, &p->room->participants)
    {
        struct participant *o = list_entry(l, struct participant, link);
        if (list && o != p && !o->permission.hidden && o->state >= PARTICIPANT_JOINED)
            list[n++] = o;
    }
    *ret_n = n;
    return list;
}

static void send_join(struct session *se)
{
    struct signal *s = se->signal;
    struct participant *p = se->p;
    struct arena a = {0};
    Livekit__JoinResponse j = LIVEKIT__JOIN_RESPONSE__INIT;
    j.room = describe_room(&a, p->room);
    j.participant = describe_participant(&a, p);
    j.server_info = describe_server(&a, s);
    j.server_version = j.server_info->version;
    j.ice_servers = describe_ice_servers(&a, s, &j.n_ice_servers);
    j.subscriber_primary = p->subscriber_primary;
    j.ping_interval = s->cfg->signal.ping_interval_s;
    j.ping_timeout = s->cfg->signal.ping_timeout_s;
    j.enabled_publish_codecs = describe_codecs(&a, &j.n_enabled_publish_codecs);
    j.fast_publish = p->permission.can_publish;
    j.sif_trailer.data = (uint8_t *)p->room->sid; /* we inject no frames; the room's own bytes will do */
    j.sif_trailer.len = strlen(p->room->sid);
    size_t n;
    struct participant **others = others_of(p, &n);
    struct ws_buffer *b =
        list_encode(LIVEKIT__SIGNAL_RESPONSE__MESSAGE_JOIN, &j.base, OTHERS_FIELD, others, n);
    if (b)
        ws_send_buffer(se->ws, false, b); /* a client that has said nothing yet gets binary messages */
    ws_buffer_unref(b);
    free(others);
    arena_done(&a);
}

static void send_reconnect(struct session *se)
{
    struct signal *s = se->signal;
    struct arena a = {0};
    struct data_member *m = member_of(s, se->p);
    Livekit__SignalResponse r = LIVEKIT__SIGNAL_RESPONSE__INIT;
    Livekit__ReconnectResponse j = LIVEKIT__RECONNECT_RESPONSE__INIT;
    r.message_case = LIVEKIT__SIGNAL_RESPONSE__MESSAGE_RECONNECT;
    r.reconnect = &j;
    j.ice_servers = describe_ice_servers(&a, s, &j.n_ice_servers);
    j.server_info = describe_server(&a, s);
    j.last_message_seq = m ? atomic_load_explicit(&m->told_sequence, memory_order_relaxed) : 0;
    session_send(se, &r);
    arena_done(&a);
}

/* A resume of somebody we do not know: the upgrade succeeds, and the first message says to start over. */
static void unknown_resume(struct session *se)
{
    session_leave(se, LEAVE_STATE_MISMATCH, LEAVE_RECONNECT);
    session_end(se, 1000);
}

static void resume(struct join *in, struct session *se)
{
    struct signal *s = se->signal;
    struct participant *p;
    if (participant_resume(s->rooms, in->j.room, in->j.identity, in->sid, &session_participant_ops, se, &p)) {
        unknown_resume(se);
        return;
    }
    se->p = p;
    int sabotage = members_sabotaged(s, p, clock_now_us());
    if (sabotage != 2)
        send_reconnect(se);
    if (sabotage) {
        session_end(se, 1011);
        participant_signal_lost(p);
        return;
    }
    participant_resumed(p);
    session_refresh_token(se);
}

static void start(struct join *in, struct session *se)
{
    struct participant *p = se->p;
    send_join(se);
    participant_joined(p);
    session_refresh_token(se);
    const Livekit__JoinRequest *r = in->request;
    for (size_t i = 0; r && i < r->n_add_track_requests && se->p; i++)
        request_add_track(se, r->add_track_requests[i]);
    if (r && r->publisher_offer && *r->publisher_offer->sdp && se->p)
        request_offer(se, r->publisher_offer);
}

static void connect_websocket(struct join *in, struct http_request *req)
{
    char text[160];
    struct session *se = session_new(in->signal, &in->grants);
    if (!se) {
        http_respond_text(req, 500, "out of memory");
        return;
    }
    if (!in->reconnect) {
        in->j.ops = &session_participant_ops;
        in->j.arg = se;
        int err = participant_join(in->signal->rooms, &in->j, &se->p);
        if (err) {
            int status = refused(in, err, text, sizeof text);
            session_free(se);
            http_respond_text(req, status, text);
            return;
        }
    }
    se->ws = http_accept_websocket(req, &session_ws_ops, se);
    if (!se->ws) {
        if (se->p)
            participant_evict(se->p, LEAVE_JOIN_FAILURE, LEAVE_DISCONNECT, true);
        session_free(se);
        return;
    }
    if (in->reconnect)
        resume(in, se);
    else
        start(in, se);
}

static void handle(struct signal *s, struct http_request *req, bool v1, bool validating)
{
    struct join in = {.signal = s};
    const char *why = "";
    char text[160];
    auth_grants_init(&in.grants);
    int status = read_all(&in, req, v1, validating, &why);
    int err = !status && !in.reconnect ? participant_may_join(s->rooms, &in.j) : 0;
    if (err) {
        status = refused(&in, err, text, sizeof text);
        why = text;
    }
    if (status) {
        log_info("signal.refused", "status=%d reason=\"%s\"", status, why);
        http_respond_text(req, status, why);
    } else if (validating) {
        http_respond_text(req, 200, "success");
    } else {
        connect_websocket(&in, req);
    }
    join_done(&in);
}

static void rtc(void *arg, struct http_request *req)
{
    handle(arg, req, false, false);
}

static void rtc_v1(void *arg, struct http_request *req)
{
    handle(arg, req, true, false);
}

static void validate(void *arg, struct http_request *req)
{
    handle(arg, req, false, true);
}

static void validate_v1(void *arg, struct http_request *req)
{
    handle(arg, req, true, true);
}

/* Which other servers there are: a question to hosting services. Not the web client's page, at any rate. */
static void no_regions(void *arg, struct http_request *req)
{
    (void)arg;
    http_respond_text(req, 404, "this server knows no regions");
}

int join_routes(struct signal *s, struct http *h)
{
    const struct http_route routes[] = {
        {.method = "GET", .pattern = "/rtc", .fn = rtc, .flags = HTTP_ROUTE_WEBSOCKET, .plain_status = 404},
        {.method = "GET",
            .pattern = "/rtc/v1",
            .fn = rtc_v1,
            .flags = HTTP_ROUTE_WEBSOCKET,
            .plain_status = 404},
        {.method = "GET", .pattern = "/rtc/validate", .fn = validate},
        {.method = "GET", .pattern = "/rtc/v1/validate", .fn = validate_v1},
        {.method = "GET", .pattern = "/settings/regions", .fn = no_regions},
    };
    for (size_t i = 0; i < sizeof routes / sizeof *routes; i++) {
        struct http_route r = routes[i];
        r.arg = s;
        int err = http_route_add(h, &r);
        if (err)
            return err;
    }
    /* paths of the protocol that are not served here: 404, never the web client's page */
    static const char *const others[] = {"settings", "twirp", "agent"};
    for (size_t i = 0; i < sizeof others / sizeof *others; i++) {
        int err = http_reserve(h, others[i]);
        if (err)
            return err;
    }
    return 0;
}
