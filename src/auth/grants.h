/* What a token says of its bearer. The numbers of kinds, details and sources are those of LiveKit's protocol.
 */
#ifndef AUTH_GRANTS_H
#define AUTH_GRANTS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum auth_kind {
    AUTH_KIND_STANDARD = 0,
    AUTH_KIND_INGRESS = 1,
    AUTH_KIND_EGRESS = 2,
    AUTH_KIND_SIP = 3,
    AUTH_KIND_AGENT = 4,
    AUTH_KIND_CONNECTOR = 7,
    AUTH_KIND_BRIDGE = 8,
};

enum auth_kind_detail {
    AUTH_DETAIL_CLOUD_AGENT,
    AUTH_DETAIL_FORWARDED,
    AUTH_DETAIL_CONNECTOR_WHATSAPP,
    AUTH_DETAIL_CONNECTOR_TWILIO,
    AUTH_DETAIL_BRIDGE_RTSP,
    AUTH_DETAIL_SIMULATION,
    AUTH_DETAILS, /* how many there are */
};

enum auth_source {
    AUTH_SOURCE_UNKNOWN,
    AUTH_SOURCE_CAMERA,
    AUTH_SOURCE_MICROPHONE,
    AUTH_SOURCE_SCREEN_SHARE,
    AUTH_SOURCE_SCREEN_SHARE_AUDIO,
    AUTH_SOURCES, /* how many there are */
};

struct auth_attribute {
    char *key, *value;
};

/* The claim `video`. */
struct auth_video {
    char *room;             /* the one room that room_join and room_admin are for */
    char *destination_room; /* of ForwardParticipant and MoveParticipant */
    bool room_create, room_list, room_record, room_admin, room_join, ingress_admin;
    bool can_publish, can_subscribe, can_publish_data; /* true unless the token says otherwise */
    bool can_update_own_metadata, can_subscribe_metrics, can_manage_agent_session;
    bool hidden, recorder, agent;
    uint8_t publish_sources; /* bit per enum auth_source; 0: all */
};

/* All texts are owned by the grants; where a claim is absent they are NULL. */
struct auth_grants {
    char *identity;
    char *name;
    char *metadata;
    struct auth_attribute *attributes;
    size_t attribute_count;
    enum auth_kind kind;
    uint32_t kind_details; /* bit per enum auth_kind_detail */
    char *sha256;          /* of the body that a webhook's token belongs to, base64 */
    char *room_preset;
    char *room_config; /* JSON of a RoomConfiguration: an object */
    int64_t expires_s; /* seconds since 1970; filled by auth_verify, not read by auth_sign */
    bool has_video;    /* the claim is there; without it the rest is at its defaults */
    struct auth_video video;
};

/* Grants of nobody for nothing: all absent, and the permissions that default to true are true. */
void auth_grants_init(struct auth_grants *g);

/* Frees what the grants hold; they may be initialised again. */
void auth_grants_done(struct auth_grants *g);

/* Replaces a text of the grants by a copy of value (NULL: absent). 0 or -ENOMEM, with the old text kept. */
int auth_text_set(char **text, const char *value);

/* Sets an attribute; one that is there is replaced, an empty value deletes it. 0 or -ENOMEM. */
int auth_attribute_set(struct auth_grants *g, const char *key, const char *value);

/* The text that is never NULL. */
static inline const char *auth_text(const char *text)
{
    return text ? text : "";
}

#endif
