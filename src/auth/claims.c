#include "auth/claims.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

/* Names by number; gaps are NULL. */
static const char *const kind_names[] = {
    [AUTH_KIND_STANDARD] = "standard",
    [AUTH_KIND_INGRESS] = "ingress",
    [AUTH_KIND_EGRESS] = "egress",
    [AUTH_KIND_SIP] = "sip",
    [AUTH_KIND_AGENT] = "agent",
    [AUTH_KIND_CONNECTOR] = "connector",
    [AUTH_KIND_BRIDGE] = "bridge",
};
static const char *const detail_names[AUTH_DETAILS] = {
    [AUTH_DETAIL_CLOUD_AGENT] = "cloud_agent",
    [AUTH_DETAIL_FORWARDED] = "forwarded",
    [AUTH_DETAIL_CONNECTOR_WHATSAPP] = "connector_whatsapp",
    [AUTH_DETAIL_CONNECTOR_TWILIO] = "connector_twilio",
    [AUTH_DETAIL_BRIDGE_RTSP] = "bridge_rtsp",
    [AUTH_DETAIL_SIMULATION] = "simulation",
};
static const char *const source_names[AUTH_SOURCES] = {
    [AUTH_SOURCE_UNKNOWN] = "unknown",
    [AUTH_SOURCE_CAMERA] = "camera",
    [AUTH_SOURCE_MICROPHONE] = "microphone",
    [AUTH_SOURCE_SCREEN_SHARE] = "screen_share",
    [AUTH_SOURCE_SCREEN_SHARE_AUDIO] = "screen_share_audio",
};
#define COUNT(table) (sizeof(table) / sizeof *(table))

/* The members of `video` that are false unless given. */
struct flag {
    const char *name;
    size_t offset; /* of a bool in struct auth_video */
};
#define FLAG(json, member)                                                                                   \
    {                                                                                                        \
        json, offsetof(struct auth_video, member)                                                            \
    }
static const struct flag flags[] = {
    FLAG("roomCreate", room_create),
    FLAG("roomList", room_list),
    FLAG("roomRecord", room_record),
    FLAG("roomAdmin", room_admin),
    FLAG("roomJoin", room_join),
    FLAG("ingressAdmin", ingress_admin),
    FLAG("canUpdateOwnMetadata", can_update_own_metadata),
    FLAG("canSubscribeMetrics", can_subscribe_metrics),
    FLAG("canManageAgentSession", can_manage_agent_session),
    FLAG("hidden", hidden),
    FLAG("recorder", recorder),
    FLAG("agent", agent),
};

static bool *flag_of(struct auth_video *v, const struct flag *f)
{
    return (bool *)((char *)v + f->offset);
}

/* ---- reading ---- */

/* A member of an object, NULL if it is absent or null. */
static const json_t *member(const json_t *object, const char *name)
{
    const json_t *j = json_object_get(object, name);
    return json_is_null(j) ? NULL : j;
}

static int read_text(const json_t *object, const char *name, char **ret)
{
    const json_t *j = member(object, name);
    if (!j)
        return 0;
    return json_is_string(j) ? auth_text_set(ret, json_string_value(j)) : -EBADMSG;
}

/* Leaves *ret, which holds the default, when the member is absent. */
static int read_bool(const json_t *object, const char *name, bool *ret)
{
    const json_t *j = member(object, name);
    if (!j)
        return 0;
    if (!json_is_boolean(j))
        return -EBADMSG;
    *ret = json_is_true(j);
    return 0;
}

static int name_index(const char *const *table, size_t count, const char *name)
{
    for (size_t i = 0; i < count; i++)
        if (table[i] && strcasecmp(table[i], name) == 0)
            return (int)i;
    return -1;
}

/* A list of names as a mask; unknown names set the bit `unknown`, or none if that is negative. */
static int read_names(const json_t *object, const char *name, const char *const *table, size_t count,
    int unknown, uint32_t *ret)
{
    const json_t *list = member(object, name), *j;
    uint32_t mask = 0;
    size_t i;
    if (!list)
        return 0;
    if (!json_is_array(list))
        return -EBADMSG;
    json_array_foreach(list, i, j)
    {
        if (!json_is_string(j))
            return -EBADMSG;
        int bit = name_index(table, count, json_string_value(j));
        if (bit < 0)
            bit = unknown;
        if (bit >= 0)
            mask |= 1u << bit;
    }
    *ret = mask;
    return 0;
}

static int read_attributes(const json_t *claims, struct auth_grants *g)
{
    json_t *object = (json_t *)member(claims, "attributes"), *value;
    const char *key;
    if (!object)
        return 0;
    if (!json_is_object(object))
        return -EBADMSG;
    json_object_foreach(object, key, value)
    {
        if (!json_is_string(value))
            return -EBADMSG;
        int err = auth_attribute_set(g, key, json_string_value(value));
        if (err)
            return err;
    }
    return 0;
}

/* Kinds that this server does not know are standard participants. */
static int read_kind(const json_t *claims, struct auth_grants *g)
{
    const json_t *j = member(claims, "kind");
    if (j && !json_is_string(j))
        return -EBADMSG;
    int kind = j ? name_index(kind_names, COUNT(kind_names), json_string_value(j)) : -1;
    g->kind = kind < 0 ? AUTH_KIND_STANDARD : (enum auth_kind)kind;
    return read_names(claims, "kindDetails", detail_names, AUTH_DETAILS, -1, &g->kind_details);
}

static int read_room_config(const json_t *claims, struct auth_grants *g)
{
    const json_t *j = member(claims, "roomConfig");
    if (!j)
        return 0;
    if (!json_is_object(j))
        return -EBADMSG;
    char *text = json_dumps(j, JSON_COMPACT);
    int err = text ? auth_text_set(&g->room_config, text) : -ENOMEM;
    free(text);
    return err;
}

static int read_video(const json_t *video, struct auth_video *v)
{
    uint32_t sources = 0;
    int err = json_is_object(video) ? 0 : -EBADMSG;
    for (size_t i = 0; !err && i < COUNT(flags); i++)
        err = read_bool(video, flags[i].name, flag_of(v, &flags[i]));
    if (!err)
        err = read_text(video, "room", &v->room);
    if (!err)
        err = read_text(video, "destinationRoom", &v->destination_room);
    if (!err)
        err = read_bool(video, "canPublish", &v->can_publish);
    if (!err)
        err = read_bool(video, "canSubscribe", &v->can_subscribe);
    v->can_publish_data = v->can_publish;
    if (!err)
        err = read_bool(video, "canPublishData", &v->can_publish_data);
    if (!err)
        err =
            read_names(video, "canPublishSources", source_names, AUTH_SOURCES, AUTH_SOURCE_UNKNOWN, &sources);
    v->publish_sources = (uint8_t)sources;
    return err;
}

int auth_claims_read(const json_t *claims, struct auth_grants *g)
{
    static const struct {
        const char *name;
        size_t offset; /* of a char pointer in struct auth_grants */
    } texts[] = {
        {"sub", offsetof(struct auth_grants, identity)},
        {"name", offsetof(struct auth_grants, name)},
        {"metadata", offsetof(struct auth_grants, metadata)},
        {"sha256", offsetof(struct auth_grants, sha256)},
        {"roomPreset", offsetof(struct auth_grants, room_preset)},
    };
    int err = json_is_object(claims) ? 0 : -EBADMSG;
    for (size_t i = 0; !err && i < COUNT(texts); i++)
        err = read_text(claims, texts[i].name, (char **)((char *)g + texts[i].offset));
    if (!err && !*auth_text(g->identity))
        err = read_text(claims, "jti", &g->identity);
    if (!err)
        err = read_attributes(claims, g);
    if (!err)
        err = read_kind(claims, g);
    if (!err)
        err = read_room_config(claims, g);
    const json_t *video = member(claims, "video");
    if (!err && video) {
        g->has_video = true;
        err = read_video(video, &g->video);
    }
    return err;
}

/* ---- writing: every put_ function keeps the first error in *err ---- */

static void put(json_t *object, const char *name, json_t *value, int *err)
{
    if (!value || json_object_set_new(object, name, value)) /* takes the reference, also when it fails */
        *err = *err ? *err : -ENOMEM;
}

static void put_text(json_t *object, const char *name, const char *text, int *err)
{
    if (!text || !*text)
        return;
    json_t *j = json_string(text);
    if (!j && !*err)
        *err = -EINVAL; /* not UTF-8; or no memory, which a caller can do as little about */
    if (j)
        put(object, name, j, err);
}

static void put_names(
    json_t *object, const char *name, const char *const *table, size_t count, uint32_t mask, int *err)
{
    if (!mask)
        return;
    json_t *list = json_array();
    for (size_t i = 0; list && i < count; i++)
        if ((mask >> i & 1) && json_array_append_new(list, json_string(table[i])))
            *err = *err ? *err : -ENOMEM;
    put(object, name, list, err);
}

static void put_attributes(json_t *claims, const struct auth_grants *g, int *err)
{
    if (!g->attribute_count)
        return;
    json_t *object = json_object();
    for (size_t i = 0; object && i < g->attribute_count; i++)
        put_text(object, g->attributes[i].key, g->attributes[i].value, err);
    put(claims, "attributes", object, err);
}

static void put_room_config(json_t *claims, const struct auth_grants *g, int *err)
{
    if (!g->room_config)
        return;
    json_t *config = json_loads(g->room_config, JSON_REJECT_DUPLICATES, NULL);
    if (json_is_object(config)) {
        put(claims, "roomConfig", config, err);
    } else {
        json_decref(config);
        *err = *err ? *err : -EINVAL;
    }
}

static void put_video(json_t *claims, const struct auth_grants *g, int *err)
{
    struct auth_video v = g->video;
    if (!g->has_video)
        return;
    json_t *video = json_object();
    if (!video) {
        *err = *err ? *err : -ENOMEM;
        return;
    }
    for (size_t i = 0; i < COUNT(flags); i++)
        if (*flag_of(&v, &flags[i]))
            put(video, flags[i].name, json_true(), err);
    put_text(video, "room", v.room, err);
    put_text(video, "destinationRoom", v.destination_room, err);
    put(video, "canPublish", json_boolean(v.can_publish), err);
    put(video, "canSubscribe", json_boolean(v.can_subscribe), err);
    put(video, "canPublishData", json_boolean(v.can_publish_data), err);
    put_names(video, "canPublishSources", source_names, AUTH_SOURCES, v.publish_sources, err);
    put(claims, "video", video, err);
}

int auth_claims_write(const struct auth_grants *g, json_t **ret)
{
    int err = 0;
    json_t *claims = json_object();
    if (!claims)
        return -ENOMEM;
    put_text(claims, "sub", g->identity, &err);
    put_text(claims, "name", g->name, &err);
    put_text(claims, "metadata", g->metadata, &err);
    put_attributes(claims, g, &err);
    if (g->kind != AUTH_KIND_STANDARD && g->kind < COUNT(kind_names))
        put_text(claims, "kind", kind_names[g->kind], &err);
    put_names(claims, "kindDetails", detail_names, AUTH_DETAILS, g->kind_details, &err);
    put_text(claims, "sha256", g->sha256, &err);
    put_text(claims, "roomPreset", g->room_preset, &err);
    put_room_config(claims, g, &err);
    put_video(claims, g, &err);
    if (err) {
        json_decref(claims);
        return err;
    }
    *ret = claims;
    return 0;
}
