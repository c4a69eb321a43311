/* One client's socket: messages out, and what rooms have to tell. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include "base/log.h"
#include "signal/internal.h"

#define UPDATE_CHUNK                                                                                         \
    64 /* participants of one update message: far below 128 KiB as long as metadata is small */

/* ---- sending ---- */

static struct ws_buffer *encode(const Livekit__SignalResponse *r, bool text)
{
    struct ws_buffer *b = NULL;
    size_t len;
    if (text) {
        char *json;
        if (proto_to_json(&r->base, PROTO_JSON_SIGNAL, &json, &len))
            return NULL;
        b = ws_buffer_new(json, len);
        free(json);
    } else {
        uint8_t *wire;
        if (proto_pack(&r->base, &wire, &len))
            return NULL;
        b = ws_buffer_new(wire, len);
        free(wire);
    }
    return b;
}

void session_send(struct session *se, const Livekit__SignalResponse *r)
{
    if (!se->ws)
        return;
    struct ws_buffer *b = encode(r, se->text);
    if (b)
        ws_send_buffer(se->ws, se->text, b);
    ws_buffer_unref(b);
}

#define UPDATE_FIELD 1 /* ParticipantUpdate.participants */

#define RESPONSE(name, CASE)                                                                                 \
    Livekit__SignalResponse name = LIVEKIT__SIGNAL_RESPONSE__INIT;                                           \
    name.message_case = LIVEKIT__SIGNAL_RESPONSE__MESSAGE_##CASE

/* ---- tokens ---- */

static void copy_grants(struct session *se)
{
    const struct participant *p = se->p;
    struct auth_grants *g = &se->grants;
    auth_text_set(&g->name, p->name);
    auth_text_set(&g->metadata, p->metadata);
    while (g->attribute_count)
        auth_attribute_set(g, g->attributes[g->attribute_count - 1].key, "");
    for (size_t i = 0; i < p->attributes.n; i++)
        auth_attribute_set(g, p->attributes.items[i].key, p->attributes.items[i].value);
    g->video.can_publish = p->permission.can_publish;
    g->video.can_subscribe = p->permission.can_subscribe;
    g->video.can_publish_data = p->permission.can_publish_data;
    g->video.can_update_own_metadata = p->permission.can_update_metadata;
    g->video.hidden = p->permission.hidden;
    g->video.publish_sources = p->permission.publish_sources;
}

void session_refresh_token(struct session *se)
{
    struct signal *s = se->signal;
    int64_t now_s = clock_wall_us() / 1000000;
    int64_t left_s = se->grants.expires_s - now_s;
    int64_t ttl_s = left_s > s->cfg->signal.token_ttl_s ? left_s : s->cfg->signal.token_ttl_s;
    char *token;
    wheel_set(loop_wheel(control_loop(s->control)), &se->refresh, clock_now_us() + TOKEN_REFRESH_US);
    if (!se->p)
        return;
    copy_grants(se);
    int err = auth_sign(&s->keys.at[0], &se->grants, now_s, ttl_s, &token);
    if (err == -EMSGSIZE) { /* metadata that fits no request line: the participant keeps it, the token does
                               without */
        auth_text_set(&se->grants.metadata, NULL);
        err = auth_sign(&s->keys.at[0], &se->grants, now_s, ttl_s, &token);
    }
    if (err)
        return;
    RESPONSE(r, REFRESH_TOKEN);
    r.refresh_token = token;
    session_send(se, &r);
    free(token);
}

static void refresh_due(struct wheel_timer *t, int64_t now_us)
{
    (void)now_us;
    session_refresh_token(t->arg);
}

/* ---- life ---- */

struct session *session_new(struct signal *s, struct auth_grants *grants)
{
    struct session *se = calloc(1, sizeof *se);
    if (!se)
        return NULL;
    se->signal = s;
    se->grants = *grants;
    auth_grants_init(grants);
    wheel_timer_init(&se->refresh, refresh_due, se);
    list_add_tail(&s->sessions, &se->link);
    return se;
}

void session_free(struct session *se)
{
    if (!se)
        return;
    wheel_cancel(&se->refresh);
    list_del(&se->link);
    auth_grants_done(&se->grants);
    free(se);
}

void session_end(struct session *se, uint16_t code)
{
    se->p = NULL;
    wheel_cancel(&se->refresh);
    if (se->ws)
        ws_close(se->ws, code, NULL);
}

void session_leave(struct session *se, enum leave_reason reason, enum leave_action action)
{
    RESPONSE(r, LEAVE);
    Livekit__LeaveRequest leave = LIVEKIT__LEAVE_REQUEST__INIT;
    leave.reason = (Livekit__DisconnectReason)reason;
    leave.action = (Livekit__LeaveRequest__Action)action;
    leave.can_reconnect = action != LEAVE_DISCONNECT;
    r.leave = &leave;
    session_send(se, &r);
}

static void on_message(void *arg, struct ws *w, bool text, const uint8_t *data, size_t len, int64_t now_us)
{
    struct session *se = arg;
    ProtobufCMessage *m;
    (void)now_us;
    if (!se->p)
        return;
    se->text = text;
    size_t max = (size_t)se->signal->cfg->signal.message_bytes;
    int err = text ? proto_from_json(&livekit__signal_request__descriptor, (const char *)data, len, max, &m)
                   : proto_unpack(&livekit__signal_request__descriptor, data, len, max, &m);
    if (!err) {
        request_handle(se, (Livekit__SignalRequest *)m);
        proto_free(m);
        return;
    }
    log_info("signal.bad_message", "participant=%s bytes=%zu error=\"%s\"", se->p->sid, len, strerror(-err));
    struct participant *p = se->p;
    uint16_t code = err == -EILSEQ ? 1007 : err == -EMSGSIZE ? 1009 : 1002;
    const char *why = err == -EILSEQ     ? "a text is not UTF-8"
                      : err == -EMSGSIZE ? "the message is too large"
                                         : "not a SignalRequest";
    se->p = NULL;
    wheel_cancel(&se->refresh);
    ws_close(w, code, why);
    participant_signal_lost(p);
}

static void on_closed(void *arg, struct ws *w, uint16_t code, enum ws_cause cause)
{
    struct session *se = arg;
    (void)w;
    se->ws = NULL;
    if (se->p) {
        log_info(
            "signal.closed", "participant=%s code=%u cause=\"%s\"", se->p->sid, code, ws_cause_text(cause));
        struct participant *p = se->p;
        se->p = NULL;
        participant_signal_lost(p);
    }
    session_free(se);
}

const struct ws_ops session_ws_ops = {.on_message = on_message, .on_closed = on_closed};

/* ---- what rooms have to tell ---- */

#define UPDATE_KEY   1469598103934665603ull /* what the keys of a kind of message begin with */
#define SPEAKERS_KEY 0x9e3779b97f4a7c15ull
#define ROOM_KEY     0xbf58476d1ce4e5b9ull

static uint64_t mix(uint64_t key, uint64_t v)
{
    key = (key ^ v) * 0x94d049bb133111ebull;
    key ^= key >> 29;
    return key ? key : 1; /* 0 is an empty place */
}

/* Made for every receiver: an address is never one participant's and another's in the same microsecond. */
static uint64_t update_key(struct participant *const *list, size_t n)
{
    uint64_t key = UPDATE_KEY;
    for (size_t i = 0; i < n; i++) {
        const struct participant *p = list[i];
        key = mix(key, (uintptr_t)p ^ (uint64_t)p->joined_wall_us << 20);
        key = mix(key, p->version ^ (uint64_t)p->state << 32);
    }
    return key;
}

static struct ws_buffer *encode_update(struct participant *const *list, size_t n, bool text)
{
    struct arena a = {0};
    RESPONSE(r, UPDATE);
    Livekit__ParticipantUpdate update = LIVEKIT__PARTICIPANT_UPDATE__INIT;
    if (!text)
        return list_encode(LIVEKIT__SIGNAL_RESPONSE__MESSAGE_UPDATE, &update.base, UPDATE_FIELD, list, n);
    update.participants = arena_array(&a, Livekit__ParticipantInfo *, n);
    for (size_t i = 0; i < n; i++)
        update.participants[update.n_participants++] = describe_participant(&a, list[i]);
    r.update = &update;
    struct ws_buffer *b = encode(&r, text);
    arena_done(&a);
    return b;
}

static void entry_clear(struct update_cache *c, struct update_entry *e)
{
    c->bytes -= (e->binary ? e->binary->len : 0) + (e->text ? e->text->len : 0);
    ws_buffer_unref(e->binary);
    ws_buffer_unref(e->text);
    *e = (struct update_entry){0};
}

static void cache_clear(struct update_cache *c)
{
    for (size_t i = 0; i < SIGNAL_UPDATES_CACHED; i++)
        entry_clear(c, &c->entries[i]);
}

/* The entry of the key; NULL: there is none. */
static struct update_entry *entry_of(struct update_cache *c, uint64_t key)
{
    for (size_t i = 0; i < SIGNAL_UPDATES_CACHED; i++)
        if (c->entries[i].key == key)
            return &c->entries[i];
    return NULL;
}

/* Keeps the buffer, whose reference it takes over; whose turn it is goes. */
static void cache_put(struct update_cache *c, uint64_t key, bool text, struct ws_buffer *b)
{
    if (c->bytes + b->len > SIGNAL_CACHE_BYTES)
        cache_clear(c);
    struct update_entry *e = entry_of(c, key);
    if (!e) {
        e = &c->entries[c->turn++ % SIGNAL_UPDATES_CACHED];
        entry_clear(c, e);
        e->key = key;
    }
    *(text ? &e->text : &e->binary) = b;
    c->bytes += b->len;
}

/* Everyone in a room gets the same bytes: they are made once for each encoding. true: the message with this
 * key was there, and is sent, or there is no socket for it. */
static bool send_kept(struct session *se, uint64_t key)
{
    const struct update_entry *e = entry_of(&se->signal->cache, key);
    struct ws_buffer *b = !e ? NULL : se->text ? e->text : e->binary;
    if (b && se->ws)
        ws_send_buffer(se->ws, se->text, b);
    return b || !se->ws;
}

/* Sends a message that others will be sent, too. */
static void send_and_keep(struct session *se, uint64_t key, struct ws_buffer *b)
{
    if (!b)
        return;
    ws_send_buffer(se->ws, se->text, b);
    cache_put(&se->signal->cache, key, se->text, b);
}

static void send_update(struct session *se, struct participant *const *list, size_t n)
{
    uint64_t key = update_key(list, n);
    if (!send_kept(se, key))
        send_and_keep(se, key, encode_update(list, n, se->text));
}

static void on_update(void *arg, struct participant *const *list, size_t n)
{
    for (size_t at = 0; at < n; at += UPDATE_CHUNK)
        send_update(arg, list + at, n - at < UPDATE_CHUNK ? n - at : UPDATE_CHUNK);
}

static void send_description(
    struct session *se, bool is_answer, uint32_t id, const char *sdp, const struct mid_track *mids, size_t n)
{
    struct arena a = {0};
    RESPONSE(r, ANSWER);
    Livekit__SessionDescription d = LIVEKIT__SESSION_DESCRIPTION__INIT;
    d.type = is_answer ? (char[]){"answer"} : (char[]){"offer"};
    d.sdp = (char *)(uintptr_t)sdp;
    d.id = id;
    d.mid_to_track_id = arena_array(&a, Livekit__SessionDescription__MidToTrackIdEntry *, n);
    for (size_t i = 0; i < n; i++) {
        Livekit__SessionDescription__MidToTrackIdEntry *e =
            arena_new(&a, Livekit__SessionDescription__MidToTrackIdEntry);
        livekit__session_description__mid_to_track_id_entry__init(e);
        e->key = (char *)(uintptr_t)mids[i].mid;
        e->value = (char *)(uintptr_t)mids[i].track_sid;
        d.mid_to_track_id[d.n_mid_to_track_id++] = e;
    }
    if (is_answer) {
        r.answer = &d;
    } else {
        r.message_case = LIVEKIT__SIGNAL_RESPONSE__MESSAGE_OFFER;
        r.offer = &d;
    }
    session_send(se, &r);
    arena_done(&a);
}

static void on_answer(void *arg, uint32_t id, const char *sdp, const struct mid_track *mids, size_t n)
{
    send_description(arg, true, id, sdp, mids, n);
}

static void on_offer(void *arg, uint32_t id, const char *sdp, const struct mid_track *mids, size_t n)
{
    send_description(arg, false, id, sdp, mids, n);
}

static void on_track_published(void *arg, const char *cid, const struct track *t)
{
    struct arena a = {0};
    RESPONSE(r, TRACK_PUBLISHED);
    Livekit__TrackPublishedResponse m = LIVEKIT__TRACK_PUBLISHED_RESPONSE__INIT;
    m.cid = (char *)(uintptr_t)cid;
    m.track = describe_track(&a, t);
    r.track_published = &m;
    session_send(arg, &r);
    arena_done(&a);
}

static void on_track_unpublished(void *arg, const struct track *t)
{
    RESPONSE(r, TRACK_UNPUBLISHED);
    Livekit__TrackUnpublishedResponse m = LIVEKIT__TRACK_UNPUBLISHED_RESPONSE__INIT;
    m.track_sid = (char *)(uintptr_t)t->sid;
    r.track_unpublished = &m;
    session_send(arg, &r);
}

static void on_track_subscribed(void *arg, const struct track *t)
{
    RESPONSE(r, TRACK_SUBSCRIBED);
    Livekit__TrackSubscribed m = LIVEKIT__TRACK_SUBSCRIBED__INIT;
    m.track_sid = (char *)(uintptr_t)t->sid;
    r.track_subscribed = &m;
    session_send(arg, &r);
}

static void on_mute(void *arg, const char *track_sid, bool muted)
{
    RESPONSE(r, MUTE);
    Livekit__MuteTrackRequest m = LIVEKIT__MUTE_TRACK_REQUEST__INIT;
    m.sid = (char *)(uintptr_t)track_sid;
    m.muted = muted;
    r.mute = &m;
    session_send(arg, &r);
}

static void on_sections_required(void *arg, uint32_t audios, uint32_t videos)
{
    RESPONSE(r, MEDIA_SECTIONS_REQUIREMENT);
    Livekit__MediaSectionsRequirement m = LIVEKIT__MEDIA_SECTIONS_REQUIREMENT__INIT;
    m.num_audios = audios;
    m.num_videos = videos;
    r.media_sections_requirement = &m;
    session_send(arg, &r);
}

static void on_subscription_failed(void *arg, const char *track_sid, enum subscription_error why)
{
    RESPONSE(r, SUBSCRIPTION_RESPONSE);
    Livekit__SubscriptionResponse m = LIVEKIT__SUBSCRIPTION_RESPONSE__INIT;
    m.track_sid = (char *)(uintptr_t)track_sid;
    m.err = (Livekit__SubscriptionError)why;
    r.subscription_response = &m;
    session_send(arg, &r);
}

static void on_subscription_permission(
    void *arg, const char *participant_sid, const char *track_sid, bool allowed)
{
    RESPONSE(r, SUBSCRIPTION_PERMISSION_UPDATE);
    Livekit__SubscriptionPermissionUpdate m = LIVEKIT__SUBSCRIPTION_PERMISSION_UPDATE__INIT;
    m.participant_sid = (char *)(uintptr_t)participant_sid;
    m.track_sid = (char *)(uintptr_t)track_sid;
    m.allowed = allowed;
    r.subscription_permission_update = &m;
    session_send(arg, &r);
}

static void on_room_update(void *arg, struct room *room)
{
    struct arena a = {0};
    RESPONSE(r, ROOM_UPDATE);
    Livekit__RoomUpdate m = LIVEKIT__ROOM_UPDATE__INIT;
    uint64_t key = mix(mix(ROOM_KEY, hash_text(room->sid)), (uint64_t)room->version_us);
    if (send_kept(arg, key))
        return;
    m.room = describe_room(&a, room);
    r.room_update = &m;
    send_and_keep(arg, key, encode(&r, ((struct session *)arg)->text));
    arena_done(&a);
}

static void on_speakers(void *arg, const struct speaker *list, size_t n)
{
    struct arena a = {0};
    RESPONSE(r, SPEAKERS_CHANGED);
    Livekit__SpeakersChanged m = LIVEKIT__SPEAKERS_CHANGED__INIT;
    uint64_t key = SPEAKERS_KEY;
    for (size_t i = 0; i < n; i++)
        key = mix(mix(key, hash_text(list[i].participant_sid)),
            (uint64_t)(list[i].level * 1024) << 1 | list[i].active);
    if (send_kept(arg, key))
        return;
    m.speakers = arena_array(&a, Livekit__SpeakerInfo *, n);
    for (size_t i = 0; i < n; i++) {
        Livekit__SpeakerInfo *info = arena_new(&a, Livekit__SpeakerInfo);
        livekit__speaker_info__init(info);
        info->sid = (char *)(uintptr_t)list[i].participant_sid;
        info->level = list[i].level;
        info->active = list[i].active;
        m.speakers[m.n_speakers++] = info;
    }
    r.speakers_changed = &m;
    send_and_keep(arg, key, encode(&r, ((struct session *)arg)->text));
    arena_done(&a);
}

static void on_quality(void *arg, const struct participant_quality *list, size_t n)
{
    struct arena a = {0};
    RESPONSE(r, CONNECTION_QUALITY);
    Livekit__ConnectionQualityUpdate m = LIVEKIT__CONNECTION_QUALITY_UPDATE__INIT;
    m.updates = arena_array(&a, Livekit__ConnectionQualityInfo *, n);
    for (size_t i = 0; i < n; i++) {
        Livekit__ConnectionQualityInfo *info = arena_new(&a, Livekit__ConnectionQualityInfo);
        livekit__connection_quality_info__init(info);
        info->participant_sid = (char *)(uintptr_t)list[i].participant_sid;
        info->quality = (Livekit__ConnectionQuality)list[i].quality;
        info->score = list[i].score;
        m.updates[m.n_updates++] = info;
    }
    r.connection_quality = &m;
    session_send(arg, &r);
    arena_done(&a);
}

static void on_stream_state(void *arg, const char *participant_sid, const char *track_sid, bool paused)
{
    RESPONSE(r, STREAM_STATE_UPDATE);
    Livekit__StreamStateUpdate m = LIVEKIT__STREAM_STATE_UPDATE__INIT;
    Livekit__StreamStateInfo info = LIVEKIT__STREAM_STATE_INFO__INIT, *list[1] = {&info};
    info.participant_sid = (char *)(uintptr_t)participant_sid;
    info.track_sid = (char *)(uintptr_t)track_sid;
    info.state = paused ? LIVEKIT__STREAM_STATE__PAUSED : LIVEKIT__STREAM_STATE__ACTIVE;
    m.stream_states = list;
    m.n_stream_states = 1;
    r.stream_state_update = &m;
    session_send(arg, &r);
}

static Livekit__SubscribedQuality **describe_demand(struct arena *a, const struct codec_demand *d)
{
    Livekit__SubscribedQuality **list = arena_array(a, Livekit__SubscribedQuality *, 3);
    for (int q = 0; q < 3; q++) {
        list[q] = arena_new(a, Livekit__SubscribedQuality);
        livekit__subscribed_quality__init(list[q]);
        list[q]->quality = (Livekit__VideoQuality)q;
        list[q]->enabled = d->enabled[q];
    }
    return list;
}

static void on_demand(void *arg, const char *track_sid, const struct codec_demand *list, size_t n)
{
    struct arena a = {0};
    RESPONSE(r, SUBSCRIBED_QUALITY_UPDATE);
    Livekit__SubscribedQualityUpdate m = LIVEKIT__SUBSCRIBED_QUALITY_UPDATE__INIT;
    m.track_sid = (char *)(uintptr_t)track_sid;
    m.subscribed_codecs = arena_array(&a, Livekit__SubscribedCodec *, n);
    for (size_t i = 0; i < n; i++) {
        Livekit__SubscribedCodec *c = arena_new(&a, Livekit__SubscribedCodec);
        livekit__subscribed_codec__init(c);
        c->codec = (char *)(uintptr_t)list[i].codec;
        c->qualities = describe_demand(&a, &list[i]);
        c->n_qualities = 3;
        m.subscribed_codecs[m.n_subscribed_codecs++] = c;
    }
    if (n) { /* older clients read this list */
        m.subscribed_qualities = describe_demand(&a, &list[0]);
        m.n_subscribed_qualities = 3;
    }
    r.subscribed_quality_update = &m;
    session_send(arg, &r);
    arena_done(&a);
}

static void on_claims_changed(void *arg)
{
    session_refresh_token(arg);
}

static void on_leave(void *arg, enum leave_reason reason, enum leave_action action)
{
    struct session *se = arg;
    bool replaced =
        reason == LEAVE_SIGNAL_CLOSE && action == LEAVE_RESUME; /* by a newer socket of the client */
    if (!replaced)
        session_leave(se, reason, action);
    session_end(se, 1000);
}

const struct participant_ops session_participant_ops = {
    .update = on_update,
    .answer = on_answer,
    .offer = on_offer,
    .track_published = on_track_published,
    .track_unpublished = on_track_unpublished,
    .track_subscribed = on_track_subscribed,
    .mute = on_mute,
    .sections_required = on_sections_required,
    .subscription_failed = on_subscription_failed,
    .subscription_permission = on_subscription_permission,
    .room_update = on_room_update,
    .speakers = on_speakers,
    .quality = on_quality,
    .stream_state = on_stream_state,
    .demand = on_demand,
    .claims_changed = on_claims_changed,
    .leave = on_leave,
};

/* ---- the whole ---- */

struct signal *signal_new(const struct signal_config *c)
{
    struct signal *s = calloc(1, sizeof *s);
    if (!s)
        return NULL;
    s->cfg = c->cfg;
    s->control = c->control;
    s->rooms = c->rooms;
    s->router = c->router;
    s->keys = (struct auth_keys){.at = c->cfg->keys, .count = c->cfg->key_count};
    list_init(&s->sessions);
    text_copy(s->node_id, sizeof s->node_id, "ND_fanlight");
    int err = join_routes(s, c->http);
    if (err) {
        free(s);
        errno = -err;
        return NULL;
    }
    members_watch(s);
    return s;
}

void signal_free(struct signal *s)
{
    if (!s)
        return;
    while (!list_empty(&s->sessions))
        session_free(list_entry(s->sessions.next, struct session, link));
    members_done(s);
    cache_clear(&s->cache);
    free(s);
}
