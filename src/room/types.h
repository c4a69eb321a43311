/* Words that rooms, participants and tracks share. Numbers are LiveKit's, so that front ends need no tables.
 */
#ifndef ROOM_TYPES_H
#define ROOM_TYPES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define ROOM_SID_MAX 24 /* "PA_" and twelve characters, track sids two more, and the zero */

enum participant_state {
    PARTICIPANT_JOINING,
    PARTICIPANT_JOINED, /* the join response is on its way */
    PARTICIPANT_ACTIVE, /* the primary connection is up */
    PARTICIPANT_DISCONNECTED,
};

enum participant_kind {
    PARTICIPANT_STANDARD = 0,
    PARTICIPANT_INGRESS = 1,
    PARTICIPANT_EGRESS = 2,
    PARTICIPANT_SIP = 3,
    PARTICIPANT_AGENT = 4,
    PARTICIPANT_CONNECTOR = 7,
    PARTICIPANT_BRIDGE = 8,
};

enum leave_reason {
    LEAVE_UNKNOWN,
    LEAVE_CLIENT_INITIATED,
    LEAVE_DUPLICATE_IDENTITY,
    LEAVE_SERVER_SHUTDOWN,
    LEAVE_PARTICIPANT_REMOVED,
    LEAVE_ROOM_DELETED,
    LEAVE_STATE_MISMATCH,
    LEAVE_JOIN_FAILURE,
    LEAVE_MIGRATION,
    LEAVE_SIGNAL_CLOSE,
    LEAVE_ROOM_CLOSED,
    LEAVE_USER_UNAVAILABLE,
    LEAVE_USER_REJECTED,
    LEAVE_SIP_TRUNK_FAILURE,
    LEAVE_CONNECTION_TIMEOUT,
    LEAVE_MEDIA_FAILURE,
    LEAVE_AGENT_ERROR,
};

enum leave_action { LEAVE_DISCONNECT, LEAVE_RESUME, LEAVE_RECONNECT };

enum track_kind { TRACK_AUDIO, TRACK_VIDEO };

enum track_source {
    SOURCE_UNKNOWN,
    SOURCE_CAMERA,
    SOURCE_MICROPHONE,
    SOURCE_SCREEN_SHARE,
    SOURCE_SCREEN_SHARE_AUDIO,
};

enum video_quality { QUALITY_LOW, QUALITY_MEDIUM, QUALITY_HIGH, QUALITY_OFF };

enum connection_quality { CONNECTION_POOR, CONNECTION_GOOD, CONNECTION_EXCELLENT, CONNECTION_LOST };

enum subscription_error {
    SUBSCRIPTION_UNKNOWN,
    SUBSCRIPTION_CODEC_UNSUPPORTED,
    SUBSCRIPTION_TRACK_NOT_FOUND
};

/* Why a request was refused; numbers of RequestResponse.Reason. */
enum request_reason {
    REQUEST_OK,
    REQUEST_NOT_FOUND,
    REQUEST_NOT_ALLOWED,
    REQUEST_LIMIT_EXCEEDED,
    REQUEST_QUEUED,
    REQUEST_UNSUPPORTED_TYPE,
    REQUEST_UNCLASSIFIED,
    REQUEST_INVALID_HANDLE,
    REQUEST_INVALID_NAME,
    REQUEST_DUPLICATE_HANDLE,
    REQUEST_DUPLICATE_NAME,
    REQUEST_INVALID_REQUEST,
};

/* Which peer connection of a participant a description or candidate belongs to (SignalTarget). */
enum peer_target { PEER_PUBLISHER, PEER_SUBSCRIBER };

struct permission {
    bool can_subscribe, can_publish, can_publish_data;
    bool hidden, recorder, agent;
    bool can_update_metadata, can_subscribe_metrics, can_manage_agent_session;
    uint8_t publish_sources; /* bit per enum track_source; 0: all */
};

/* Key-value pairs of a participant: an owned array; both strings owned. Use room/attributes.c to change it.
 */
struct attribute {
    char *key, *value;
};
struct attributes {
    struct attribute *items;
    size_t n;
};

/* Sets key, or deletes it when value is empty. 0, -E2BIG when keys and values would exceed max_bytes,
 * -ENOMEM. */
int attributes_set(struct attributes *a, const char *key, const char *value, size_t max_bytes);
const char *attributes_get(const struct attributes *a, const char *key); /* NULL: not there */
size_t attributes_bytes(const struct attributes *a);
void attributes_done(struct attributes *a);

#endif
