/* What a client asks for over its socket. */
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include "base/log.h"
#include "signal/internal.h"

#define SABOTAGE_US 5000000 /* how long a client that asked for a broken resume may take to resume */

static void respond(
    struct session *se, Livekit__RequestResponse *m, enum request_reason reason, const char *message)
{
    Livekit__SignalResponse r = LIVEKIT__SIGNAL_RESPONSE__INIT;
    r.message_case = LIVEKIT__SIGNAL_RESPONSE__MESSAGE_REQUEST_RESPONSE;
    r.request_response = m;
    m->reason = (Livekit__RequestResponse__Reason)reason;
    m->message = message && *message ? (char *)(uintptr_t)message : NO_TEXT;
    session_send(se, &r);
}

static const char *reason_text(enum request_reason r)
{
    switch (r) {
    case REQUEST_NOT_FOUND:
        return "no such track";
    case REQUEST_NOT_ALLOWED:
        return "not permitted";
    case REQUEST_LIMIT_EXCEEDED:
        return "a limit is exceeded";
    case REQUEST_QUEUED:
        return "waits for the track of the same id to end";
    case REQUEST_INVALID_REQUEST:
        return "invalid request";
    case REQUEST_OK:
    case REQUEST_UNSUPPORTED_TYPE:
    case REQUEST_UNCLASSIFIED:
    case REQUEST_INVALID_HANDLE:
    case REQUEST_INVALID_NAME:
    case REQUEST_DUPLICATE_HANDLE:
    case REQUEST_DUPLICATE_NAME:
        break;
    }
    return "";
}

/* ---- negotiation ---- */

/* A description that makes no sense ends this client's session, so that it starts over; nobody else notices.
 */
static void bad_description(struct session *se, const char *what, const char *why)
{
    log_info("signal.bad_description", "participant=%s what=%s reason=\"%s\"", se->p->sid, what, why);
    Livekit__RequestResponse m = LIVEKIT__REQUEST_RESPONSE__INIT;
    respond(se, &m, REQUEST_INVALID_REQUEST, why);
    participant_evict(se->p, LEAVE_STATE_MISMATCH, LEAVE_DISCONNECT, false);
}

void request_offer(struct session *se, const Livekit__SessionDescription *d)
{
    char why[256] = "";
    int err = participant_offer(se->p, d->sdp, strlen(d->sdp), d->id, why, sizeof why);
    if (err)
        bad_description(se, "offer", why[0] ? why : strerror(-err));
}

static void answer(struct session *se, const Livekit__SessionDescription *d)
{
    char why[256] = "";
    int err = participant_answer(se->p, d->sdp, strlen(d->sdp), d->id, why, sizeof why);
    if (err)
        bad_description(se, "answer", why[0] ? why : strerror(-err));
}

/* ---- tracks ---- */

void request_add_track(struct session *se, const Livekit__AddTrackRequest *r)
{
    struct track_desc d;
    enum request_reason reason;
    if (r->type == LIVEKIT__TRACK_TYPE__DATA || strlen(r->cid) >= TRACK_CID_MAX ||
        strlen(r->name) >= TRACK_NAME_MAX) {
        reason = r->type == LIVEKIT__TRACK_TYPE__DATA ? REQUEST_UNSUPPORTED_TYPE : REQUEST_LIMIT_EXCEEDED;
    } else {
        read_track(r, &d);
        reason = participant_add_track(se->p, &d, r->sid);
    }
    if (reason == REQUEST_OK)
        return;
    Livekit__RequestResponse m = LIVEKIT__REQUEST_RESPONSE__INIT;
    m.request_case = LIVEKIT__REQUEST_RESPONSE__REQUEST_ADD_TRACK;
    m.add_track = (Livekit__AddTrackRequest *)(uintptr_t)r;
    respond(se, &m, reason, reason_text(reason));
}

static void mute(struct session *se, Livekit__MuteTrackRequest *q)
{
    enum request_reason reason = participant_mute_track(se->p, q->sid, q->muted);
    if (reason == REQUEST_OK)
        return;
    Livekit__RequestResponse m = LIVEKIT__REQUEST_RESPONSE__INIT;
    m.request_case = LIVEKIT__REQUEST_RESPONSE__REQUEST_MUTE;
    m.mute = q;
    respond(se, &m, reason, reason_text(reason));
}

static void update_audio(struct session *se, Livekit__UpdateLocalAudioTrack *q)
{
    uint8_t features[TRACK_FEATURES_MAX];
    size_t n = 0;
    for (; n < q->n_features && n < TRACK_FEATURES_MAX; n++)
        features[n] = (uint8_t)q->features[n];
    enum request_reason reason = participant_update_audio(se->p, q->track_sid, features, n);
    if (reason == REQUEST_OK)
        return;
    Livekit__RequestResponse m = LIVEKIT__REQUEST_RESPONSE__INIT;
    m.request_case = LIVEKIT__REQUEST_RESPONSE__REQUEST_UPDATE_AUDIO_TRACK;
    m.update_audio_track = q;
    respond(se, &m, reason, reason_text(reason));
}

static void update_video(struct session *se, Livekit__UpdateLocalVideoTrack *q)
{
    enum request_reason reason = participant_update_video(se->p, q->track_sid, q->width, q->height);
    if (reason == REQUEST_OK)
        return;
    Livekit__RequestResponse m = LIVEKIT__REQUEST_RESPONSE__INIT;
    m.request_case = LIVEKIT__REQUEST_RESPONSE__REQUEST_UPDATE_VIDEO_TRACK;
    m.update_video_track = q;
    respond(se, &m, reason, reason_text(reason));
}

/* ---- subscriptions ---- */

/* So many names in one request cannot be meant: every one of them is looked for in the whole room. */
static bool too_many(struct session *se, size_t names)
{
    if (names <= SIGNAL_NAMES_MAX)
        return false;
    log_info("signal.too_many", "participant=%s names=%zu", se->p->sid, names);
    Livekit__RequestResponse m = LIVEKIT__REQUEST_RESPONSE__INIT;
    respond(se, &m, REQUEST_LIMIT_EXCEEDED, reason_text(REQUEST_LIMIT_EXCEEDED));
    return true;
}

static void subscription(struct session *se, const Livekit__UpdateSubscription *q)
{
    size_t names = q->n_track_sids;
    for (size_t i = 0; i < q->n_participant_tracks; i++)
        names += q->participant_tracks[i]->n_track_sids;
    if (too_many(se, names))
        return;
    for (size_t i = 0; i < q->n_track_sids; i++)
        participant_subscribe(se->p, q->track_sids[i], q->subscribe);
    for (size_t i = 0; i < q->n_participant_tracks; i++)
        for (size_t k = 0; k < q->participant_tracks[i]->n_track_sids; k++)
            participant_subscribe(se->p, q->participant_tracks[i]->track_sids[k], q->subscribe);
}

static void track_setting(struct session *se, const Livekit__UpdateTrackSettings *q)
{
    struct track_settings set = {.disabled = q->disabled,
        .quality = (unsigned)q->quality <= QUALITY_OFF ? (enum video_quality)q->quality : QUALITY_HIGH,
        .width = q->width,
        .height = q->height,
        .fps = q->fps,
        .priority = q->priority};
    if (set.quality == QUALITY_OFF)
        set.disabled = true;
    if (too_many(se, q->n_track_sids))
        return;
    for (size_t i = 0; i < q->n_track_sids; i++)
        participant_track_settings(se->p, q->track_sids[i], &set);
}

static void subscription_permission(struct session *se, const Livekit__SubscriptionPermission *q)
{
    struct arena a = {0};
    size_t names = q->n_track_permissions;
    for (size_t i = 0; i < q->n_track_permissions; i++)
        names += q->track_permissions[i]->n_track_sids;
    if (too_many(se, names))
        return;
    struct track_permission *list = arena_array(&a, struct track_permission, q->n_track_permissions);
    for (size_t i = 0; i < q->n_track_permissions; i++) {
        const Livekit__TrackPermission *from = q->track_permissions[i];
        list[i] = (struct track_permission){.sid = from->participant_sid,
            .identity = from->participant_identity,
            .all_tracks = from->all_tracks,
            .track_sids = (const char *const *)from->track_sids,
            .track_count = from->n_track_sids};
    }
    participant_subscription_permission(se->p, q->all_participants, list, q->n_track_permissions);
    arena_done(&a);
}

/* ---- the participant itself ---- */

#define PROTOCOL_TELLS_SUCCESS 15

static void update_metadata(struct session *se, Livekit__UpdateParticipantMetadata *q)
{
    struct arena a = {0};
    struct attribute *list = arena_array(&a, struct attribute, q->n_attributes);
    for (size_t i = 0; i < q->n_attributes; i++)
        list[i] = (struct attribute){.key = q->attributes[i]->key, .value = q->attributes[i]->value};
    enum request_reason reason =
        participant_update_metadata(se->p, q->name, q->metadata, list, q->n_attributes);
    arena_done(&a);
    if (reason == REQUEST_OK && se->p->protocol < PROTOCOL_TELLS_SUCCESS)
        return;
    Livekit__RequestResponse m = LIVEKIT__REQUEST_RESPONSE__INIT;
    m.request_id = q->request_id;
    m.request_case = LIVEKIT__REQUEST_RESPONSE__REQUEST_UPDATE_METADATA;
    m.update_metadata = q;
    respond(se, &m, reason, reason_text(reason));
}

/* A client that publishes what we do not know of has to start over. */
static void sync_state(struct session *se, const Livekit__SyncState *q)
{
    for (size_t i = 0; i < q->n_publish_tracks; i++) {
        const Livekit__TrackPublishedResponse *t = q->publish_tracks[i];
        if (t->track && participant_sync_track(se->p, t->track->sid)) {
            log_info("signal.unknown_track", "participant=%s track=%s", se->p->sid, t->track->sid);
            participant_evict(se->p, LEAVE_STATE_MISMATCH, LEAVE_RECONNECT, false);
            return;
        }
    }
    struct track_settings off = {.disabled = true};
    if (too_many(se, q->n_track_sids_disabled))
        return;
    for (size_t i = 0; i < q->n_track_sids_disabled; i++)
        participant_track_settings(se->p, q->track_sids_disabled[i], &off);
    if (q->subscription)
        subscription(se, q->subscription);
}

static void leave(struct session *se, const Livekit__LeaveRequest *q)
{
    struct participant *p = se->p;
    enum leave_reason reason = LEAVE_CLIENT_INITIATED;
    if (q->reason == LIVEKIT__DISCONNECT_REASON__USER_UNAVAILABLE ||
        q->reason == LIVEKIT__DISCONNECT_REASON__USER_REJECTED ||
        q->reason == LIVEKIT__DISCONNECT_REASON__AGENT_ERROR)
        reason = (enum leave_reason)q->reason;
    session_end(se, 1000);
    participant_evict(p, reason, LEAVE_DISCONNECT, true);
}

static int64_t wall_ms(void)
{
    return clock_wall_us() / 1000;
}

static void pong(struct session *se)
{
    Livekit__SignalResponse r = LIVEKIT__SIGNAL_RESPONSE__INIT;
    r.message_case = LIVEKIT__SIGNAL_RESPONSE__MESSAGE_PONG;
    r.pong = wall_ms();
    session_send(se, &r);
}

static void pong_resp(struct session *se, const Livekit__Ping *q)
{
    Livekit__SignalResponse r = LIVEKIT__SIGNAL_RESPONSE__INIT;
    Livekit__Pong m = LIVEKIT__PONG__INIT;
    r.message_case = LIVEKIT__SIGNAL_RESPONSE__MESSAGE_PONG_RESP;
    r.pong_resp = &m;
    m.last_ping_timestamp = q->timestamp;
    m.timestamp = wall_ms();
    session_send(se, &r);
}

/* ---- scenarios that clients' tests ask for ---- */

static void simulate(struct session *se, const Livekit__SimulateScenario *q)
{
    struct participant *p = se->p;
    struct data_member *m = member_of(se->signal, p);
    switch (q->scenario_case) {
    case LIVEKIT__SIMULATE_SCENARIO__SCENARIO_SPEAKER_UPDATE:
        participant_simulate_speaker(p, q->speaker_update > 0 ? (unsigned)q->speaker_update : 0);
        break;
    case LIVEKIT__SIMULATE_SCENARIO__SCENARIO_NODE_FAILURE:
        session_end(se, 1011);
        participant_evict(p, LEAVE_MIGRATION, LEAVE_RECONNECT, true);
        break;
    case LIVEKIT__SIMULATE_SCENARIO__SCENARIO_MIGRATION:
        session_leave(se, LEAVE_MIGRATION, LEAVE_RESUME);
        session_end(se, 1011);
        participant_signal_lost(p);
        break;
    case LIVEKIT__SIMULATE_SCENARIO__SCENARIO_SERVER_LEAVE:
        participant_evict(p, LEAVE_SERVER_SHUTDOWN, LEAVE_DISCONNECT, false);
        break;
    case LIVEKIT__SIMULATE_SCENARIO__SCENARIO_LEAVE_REQUEST_FULL_RECONNECT:
        participant_evict(p, LEAVE_UNKNOWN, LEAVE_RECONNECT, false);
        break;
    case LIVEKIT__SIMULATE_SCENARIO__SCENARIO_SUBSCRIBER_BANDWIDTH:
        participant_simulate_bandwidth(p, q->subscriber_bandwidth);
        break;
    case LIVEKIT__SIMULATE_SCENARIO__SCENARIO_DISCONNECT_SIGNAL_ON_RESUME:
    case LIVEKIT__SIMULATE_SCENARIO__SCENARIO_DISCONNECT_SIGNAL_ON_RESUME_NO_MESSAGES:
        if (m)
            members_sabotage(se->signal, p, clock_now_us() + SABOTAGE_US,
                q->scenario_case ==
                        LIVEKIT__SIMULATE_SCENARIO__SCENARIO_DISCONNECT_SIGNAL_ON_RESUME_NO_MESSAGES
                    ? 3
                    : 1,
                q->scenario_case ==
                    LIVEKIT__SIMULATE_SCENARIO__SCENARIO_DISCONNECT_SIGNAL_ON_RESUME_NO_MESSAGES);
        break;
    case LIVEKIT__SIMULATE_SCENARIO__SCENARIO_SWITCH_CANDIDATE_PROTOCOL: /* the client acts by itself */
    case LIVEKIT__SIMULATE_SCENARIO__SCENARIO__NOT_SET:
    default:
        break;
    }
}

/* ---- data tracks and blobs: not offered here ---- */

static void refuse_data_track(struct session *se, Livekit__PublishDataTrackRequest *q)
{
    Livekit__RequestResponse m = LIVEKIT__REQUEST_RESPONSE__INIT;
    m.request_case = LIVEKIT__REQUEST_RESPONSE__REQUEST_PUBLISH_DATA_TRACK;
    m.publish_data_track = q;
    respond(se, &m, REQUEST_NOT_ALLOWED, "data tracks are not enabled");
}

static void refuse_blob(struct session *se, uint32_t request_id)
{
    Livekit__RequestResponse m = LIVEKIT__REQUEST_RESPONSE__INIT;
    m.request_id = request_id;
    respond(se, &m, REQUEST_NOT_ALLOWED, "data blobs are not enabled");
}

void request_handle(struct session *se, const Livekit__SignalRequest *r)
{
    switch (r->message_case) {
    case LIVEKIT__SIGNAL_REQUEST__MESSAGE_OFFER:
        request_offer(se, r->offer);
        return;
    case LIVEKIT__SIGNAL_REQUEST__MESSAGE_ANSWER:
        answer(se, r->answer);
        return;
    case LIVEKIT__SIGNAL_REQUEST__MESSAGE_ADD_TRACK:
        request_add_track(se, r->add_track);
        return;
    case LIVEKIT__SIGNAL_REQUEST__MESSAGE_MUTE:
        mute(se, r->mute);
        return;
    case LIVEKIT__SIGNAL_REQUEST__MESSAGE_SUBSCRIPTION:
        subscription(se, r->subscription);
        return;
    case LIVEKIT__SIGNAL_REQUEST__MESSAGE_TRACK_SETTING:
        track_setting(se, r->track_setting);
        return;
    case LIVEKIT__SIGNAL_REQUEST__MESSAGE_LEAVE:
        leave(se, r->leave);
        return;
    case LIVEKIT__SIGNAL_REQUEST__MESSAGE_SUBSCRIPTION_PERMISSION:
        subscription_permission(se, r->subscription_permission);
        return;
    case LIVEKIT__SIGNAL_REQUEST__MESSAGE_SYNC_STATE:
        sync_state(se, r->sync_state);
        return;
    case LIVEKIT__SIGNAL_REQUEST__MESSAGE_SIMULATE:
        simulate(se, r->simulate);
        return;
    case LIVEKIT__SIGNAL_REQUEST__MESSAGE_PING:
        pong(se);
        return;
    case LIVEKIT__SIGNAL_REQUEST__MESSAGE_PING_REQ:
        pong_resp(se, r->ping_req);
        return;
    case LIVEKIT__SIGNAL_REQUEST__MESSAGE_UPDATE_METADATA:
        update_metadata(se, r->update_metadata);
        return;
    case LIVEKIT__SIGNAL_REQUEST__MESSAGE_UPDATE_AUDIO_TRACK:
        update_audio(se, r->update_audio_track);
        return;
    case LIVEKIT__SIGNAL_REQUEST__MESSAGE_UPDATE_VIDEO_TRACK:
        update_video(se, r->update_video_track);
        return;
    case LIVEKIT__SIGNAL_REQUEST__MESSAGE_PUBLISH_DATA_TRACK_REQUEST:
        refuse_data_track(se, r->publish_data_track_request);
        return;
    case LIVEKIT__SIGNAL_REQUEST__MESSAGE_STORE_DATA_BLOB_REQUEST:
        refuse_blob(se, r->store_data_blob_request->request_id);
        return;
    case LIVEKIT__SIGNAL_REQUEST__MESSAGE_GET_DATA_BLOB_REQUEST:
        refuse_blob(se, r->get_data_blob_request->request_id);
        return;
    case LIVEKIT__SIGNAL_REQUEST__MESSAGE_TRICKLE: /* a lite agent learns the client's addresses from its
                                                      checks */
    case LIVEKIT__SIGNAL_REQUEST__MESSAGE_UPDATE_LAYERS:
    case LIVEKIT__SIGNAL_REQUEST__MESSAGE_UNPUBLISH_DATA_TRACK_REQUEST:
    case LIVEKIT__SIGNAL_REQUEST__MESSAGE_UPDATE_DATA_SUBSCRIPTION:
    case LIVEKIT__SIGNAL_REQUEST__MESSAGE__NOT_SET: /* newer requests are ignored */
    default:
        return;
    }
}
