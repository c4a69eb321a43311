/* Participants: one identity in one room, its peer connections, tracks and subscriptions.
 *
 * A front end (LiveKit signalling, WHIP, a plugin) joins a participant, gives it an ops table for what the
 * server has to tell, and passes on what the client asks. All of it runs on the control thread. Callbacks
 * come from inside the calls of this folder (any participant's): a callback only sends, and calls nothing of
 * room/ that changes anything. No callback comes after leave. */
#ifndef ROOM_PARTICIPANT_H
#define ROOM_PARTICIPANT_H

#include "base/list.h"
#include "room/track.h"
#include "room/types.h"
#include "sfu/event.h"

struct room;
struct participant;
struct room_peer; /* one peer connection, room/peer.c */

/* One m-line's mid and the sid of the track it carries to the client. */
struct mid_track {
    const char *mid, *track_sid;
};

struct speaker {
    const char *participant_sid;
    float level; /* 0 to 1, in steps of 1/8 */
    bool active;
};

struct participant_quality {
    const char *participant_sid;
    enum connection_quality quality;
    float score; /* 1.0 to 4.5 */
};

/* A codec and which of the three qualities somebody wants. */
struct codec_demand {
    const char *codec; /* lower case, without "video/" */
    bool enabled[3];   /* indexed by enum video_quality */
};

/* What the server tells a participant. Every pointer is valid during the call only. Unset members are
 * skipped. */
struct participant_ops {
    /* Participants changed (or left: state PARTICIPANT_DISCONNECTED). May contain the participant itself. */
    void (*update)(void *arg, struct participant *const *list, size_t n);
    /* The answer to the offer with this id. mids is the complete map of what the client receives. */
    void (*answer)(void *arg, uint32_t id, const char *sdp, const struct mid_track *mids, size_t n);
    /* An offer of the server, for the subscriber connection of the two-connection mode. */
    void (*offer)(void *arg, uint32_t id, const char *sdp, const struct mid_track *mids, size_t n);
    void (*track_published)(void *arg, const char *cid, const struct track *t);
    void (*track_unpublished)(void *arg, const struct track *t);
    void (*track_subscribed)(void *arg, const struct track *t);
    /* Somebody with the right muted this participant's track: the client must stop sending. */
    void (*mute)(void *arg, const char *track_sid, bool muted);
    /* The client is to add receiving sections and offer again; 0, 0: offer again as it is. */
    void (*sections_required)(void *arg, uint32_t audios, uint32_t videos);
    void (*subscription_failed)(void *arg, const char *track_sid, enum subscription_error why);
    void (*subscription_permission)(
        void *arg, const char *participant_sid, const char *track_sid, bool allowed);
    void (*room_update)(void *arg, struct room *r);
    void (*speakers)(void *arg, const struct speaker *list, size_t n);
    void (*quality)(void *arg, const struct participant_quality *list, size_t n);
    void (*stream_state)(void *arg, const char *participant_sid, const char *track_sid, bool paused);
    void (*demand)(void *arg, const char *track_sid, const struct codec_demand *list, size_t n);
    /* Claims changed (name, metadata, attributes, permission): a new token is due. */
    void (*claims_changed)(void *arg);
    /* The last message: the participant is out, or (LEAVE_RESUME) the client is asked to resume on a new
     * socket. The front end forgets the participant: it may be freed when this returns, and arg is not used
     * again. */
    void (*leave)(void *arg, enum leave_reason reason, enum leave_action action);
};

/* A participant as a front end describes it, kept until it changes: rooms of thousands are described to each
 * who joins. room/ frees it. */
struct participant_wire {
    uint8_t *bytes;
    size_t len;
    uint32_t version; /* of what is described; 0: nothing is kept */
    enum participant_state state;
};

struct participant_tag {
    char *sdk, *version, *os, *browser, *address; /* owned; NULL: not known */
};

struct participant {
    struct list link; /* in the room */
    struct room *room;
    char sid[ROOM_SID_MAX];
    char *identity, *name, *metadata; /* owned, never NULL */
    struct attributes attributes;
    enum participant_kind kind;
    uint8_t kind_details[8];
    uint8_t kind_detail_count;
    enum participant_state state;
    enum leave_reason disconnect_reason;
    struct permission permission;
    uint32_t version; /* grows with every change */
    int64_t joined_wall_us;
    int32_t client_protocol; /* mirrored from ClientInfo for the other clients */
    uint8_t capabilities[8];
    uint8_t capability_count;
    int32_t protocol;  /* version of the signalling protocol the client speaks */
    bool is_publisher; /* has or had a track */
    bool single_connection, auto_subscribe, adaptive_stream, subscriber_primary, allow_pause;
    bool no_signal;            /* it has no socket besides its media */
    bool own;                  /* the server's: no connections, not counted, and nobody can remove it */
    bool signal_lost;          /* no socket at the moment */
    bool firefox;              /* answers to it name one codec a section, and no RED */
    struct list tracks;        /* published, struct track */
    struct list pending;       /* announced by add_track, not yet negotiated */
    struct list subscriptions; /* struct subscription, by subscriber */
    const struct participant_ops *ops;
    void *arg;
    struct room_peer *publisher, *subscriber; /* in single-connection mode both are the same */
    struct participant_wire wire;
    struct participant_private *priv;
};

struct participant_join {
    const char *room; /* room name */
    const char *identity, *name, *metadata;
    const struct attribute *attributes;
    size_t attribute_count;
    enum participant_kind kind;
    const uint8_t *kind_details;
    size_t kind_detail_count;
    struct permission permission;
    bool may_create; /* the room is made if it is absent (auto-create, or the roomCreate grant) */
    bool single_connection, auto_subscribe, adaptive_stream, allow_pause, firefox;
    bool no_signal; /* no socket besides the media (WHIP): whose connection ends has left */
    int32_t protocol, client_protocol;
    const uint8_t *capabilities;
    size_t capability_count;
    const struct participant_ops *ops;
    void *arg;
    const char *room_metadata; /* of roomConfig, for a room made by this join; NULL: none */
    uint32_t room_empty_timeout_s, room_departure_timeout_s, room_max_participants,
        room_audio_top_n; /* 0: the server's default */
};

struct room_server;

/* Joins. A participant of the same identity leaves first (LEAVE_DUPLICATE_IDENTITY). Nothing was sent when
 * this returns; the front end sends its join response, then calls participant_joined, which starts
 * negotiation. 0, -ENOENT (no such room), -EUSERS (room full), -ENOSPC (server limit), -ENAMETOOLONG
 * (identity, name, metadata or attributes over their limits), -EINVAL (empty identity or room), -ENOMEM. */
int participant_join(struct room_server *rs, const struct participant_join *j, struct participant **ret);

/* Would participant_join succeed? Its errors, save those of making the room and of memory. */
int participant_may_join(struct room_server *rs, const struct participant_join *j);

/* The join response is on its way: state JOINED, the others are told, the server's own offer is made in the
 * two-connection mode. */
void participant_joined(struct participant *p);

/* A new socket of the same client takes the participant over (resume). The old front end got
 * LEAVE_SIGNAL_CLOSE through `leave` first if it was still there. update() with everyone, participants that
 * left meanwhile first, and room_update() follow when the front end has sent its reconnect response and calls
 * participant_resumed. In the two-connection mode an offer with ICE restart follows too. */
int participant_resume(struct room_server *rs, const char *room, const char *identity, const char *sid,
    const struct participant_ops *ops, void *arg, struct participant **ret); /* 0 or -ENOENT */
void participant_resumed(struct participant *p);

/* The socket is gone; the participant stays as long as its media does (or goes at once if it never
 * connected). */
void participant_signal_lost(struct participant *p);

/* The participant goes: tracks and subscriptions end, others are told. Frees p. The ops' leave is called
 * unless the reason is LEAVE_CLIENT_INITIATED. */
void participant_leave(struct participant *p, enum leave_reason reason);

/* The same with an action of the caller's choice (LEAVE_RECONNECT: the client is to join anew). quiet: the
 * client is not told. */
void participant_evict(struct participant *p, enum leave_reason reason, enum leave_action action, bool quiet);

/* The numbers of the peer connections whose data channels carry packets from the client, and to it. */
void participant_data_peers(const struct participant *p, uint32_t *ret_in, uint32_t *ret_out);

/* A client's offer for its publishing (or only) connection. 0, or -EINVAL with the reason in err. The answer
 * comes through ops->answer, within the call. */
int participant_offer(
    struct participant *p, const char *sdp, size_t len, uint32_t id, char *err, size_t err_size);

/* The client's answer to the newest offer of the server; id 0 stands for the newest. */
int participant_answer(
    struct participant *p, const char *sdp, size_t len, uint32_t id, char *err, size_t err_size);

/* Announces a track. On success ops->track_published was called, or will be (REQUEST_QUEUED: the cid is in
 * use). sid names an existing track of this participant to add a backup codec to; NULL or empty: a new track.
 */
enum request_reason participant_add_track(struct participant *p, const struct track_desc *d, const char *sid);

/* The client muted or unmuted its track. REQUEST_OK or REQUEST_NOT_FOUND. */
enum request_reason participant_mute_track(struct participant *p, const char *track_sid, bool muted);

enum request_reason participant_update_audio(
    struct participant *p, const char *track_sid, const uint8_t *features, size_t n);
enum request_reason participant_update_video(
    struct participant *p, const char *track_sid, uint32_t width, uint32_t height);

/* Wants or no longer wants a track. An unknown sid is remembered for SUBSCRIBE_WAIT_US, then fails. */
void participant_subscribe(struct participant *p, const char *track_sid, bool subscribe);

struct track_settings {
    bool disabled;
    enum video_quality quality;
    uint32_t width, height, fps, priority; /* 0: not said */
};
void participant_track_settings(struct participant *p, const char *track_sid, const struct track_settings *s);

/* Who may receive this participant's tracks: ROOM_PERMISSIONS_MAX of them, nobody beyond. */
struct track_permission {
    const char *sid, *identity; /* of the subscriber; either may be NULL */
    bool all_tracks;
    const char *const *track_sids;
    size_t track_count;
};
void participant_subscription_permission(
    struct participant *p, bool all, const struct track_permission *list, size_t n);

/* Own metadata: NULL or empty keeps what is there; an attribute with an empty value is deleted. */
enum request_reason participant_update_metadata(struct participant *p, const char *name, const char *metadata,
    const struct attribute *attributes, size_t n);

/* By an administrator: replaces the permission; tracks that are no longer permitted end. */
void participant_set_permission(struct participant *p, const struct permission *perm);
enum request_reason participant_admin_mute(struct participant *p, const char *track_sid, bool muted);

/* After a resume: -EINVAL when the client publishes a track (cid or sid) that the server does not know, which
 * calls for a full reconnect. */
int participant_sync_track(struct participant *p, const char *track_sid);

/* Is t visible and allowed for p? */
bool participant_may_subscribe(const struct participant *p, const struct track *t);
struct track *participant_find_track(struct participant *p, const char *track_sid);

/* Pretends for tests of clients: this participant speaks at level for so many seconds. */
void participant_simulate_speaker(struct participant *p, unsigned seconds);
/* The same: its network carries no more than this, bit/s; 0 ends it. */
void participant_simulate_bandwidth(struct participant *p, int64_t capacity_bps);

/* ---- what it receives, and why no more ---- */

struct participant_reception {
    const struct track *track;
    const struct track_settings *settings;     /* what the viewer said; NULL: nothing */
    bool bound;                                /* there is a section for it */
    bool live;                                 /* a packet was forwarded */
    bool codec_failed;                         /* the client cannot decode it */
    const struct sfu_sub_allocated *allocated; /* as the media side told last; NULL: nothing yet */
};

/* Calls fn for each subscription; what it is given is valid during the call. */
void participant_receives(
    const struct participant *p, void (*fn)(void *arg, const struct participant_reception *r), void *arg);

/* The bandwidth to it, and what of it is in use. false: the media side has said nothing yet. */
bool participant_allocated(const struct participant *p, struct sfu_peer_allocated *ret);

#endif
