/* What the files of signal/ share among themselves. */
#ifndef SIGNAL_INTERNAL_H
#define SIGNAL_INTERNAL_H

#include <stdatomic.h>
#include "base/limits.h"
#include "base/list.h"
#include "base/strbuf.h"
#include "base/table.h"
#include "http/ws.h"
#include "net/clock.h"
#include "proto/codec.h"
#include "proto/data.pb-c.h"
#include "proto/join_request.h"
#include "proto/models.pb-c.h"
#include "proto/signal.pb-c.h"
#include "signal/arena.h"
#include "signal/signal.h"

/* The version of the protocol's reference server whose features we have: clients switch features on by it.
 * Ours is in server_info.debug_info. */
#define SIGNAL_COMPATIBLE_VERSION "1.13.6"
#define SIGNAL_PROTOCOL           17 /* newest version of the protocol that we know */

#define NO_TEXT ((char *)protobuf_c_empty_string)

/* One participant's part in data routing: made by control, then the sctp thread's. */
struct data_member {
    UT_hash_handle by_peer; /* router->by_peer, under in_peer */
    struct list link;       /* in its room */
    struct data_room *room;
    uint32_t in_peer;  /* packets come from here */
    uint32_t out_peer; /* and go there */
    char sid[ROOM_SID_MAX];
    char *identity;
    bool hidden, agent, may_publish;
    bool open;
    uint32_t last_sequence;         /* newest reliable packet taken from it; sctp thread */
    _Atomic uint32_t told_sequence; /* the same, for control's resume answers */
    struct waiting *waiting,
        **waiting_end; /* reliable packets for a receiver whose channel is not open yet */
    size_t waiting_bytes;
};

/* A message that many are sent, encoded once. */
struct update_entry {
    uint64_t key; /* hash of what is inside; 0: empty */
    struct ws_buffer *binary, *text;
};

/* News about many are several messages, and everyone gets all of them in turn. */
struct update_cache {
    struct update_entry entries[SIGNAL_UPDATES_CACHED];
    size_t turn; /* of the entry that is replaced next */
    size_t bytes;
};

struct signal {
    const struct config *cfg;
    struct control *control;
    struct room_server *rooms;
    struct data_router *router;
    struct auth_keys keys;
    struct list sessions;
    struct update_cache cache;
    struct member_ref *members; /* hash: participant sid -> data_member */
    char node_id[ROOM_SID_MAX];
};

struct session {
    struct list link;
    struct signal *signal;
    struct ws *ws;
    struct participant *p; /* NULL: left, the socket is only being closed */
    struct auth_grants grants;
    bool text; /* the client's last frame was JSON */
    bool resumed;
    struct wheel_timer refresh;
};

/* How often a fresh token is sent, and the least it is good for. */
#define TOKEN_REFRESH_US 300000000ll

/* ---- session.c ---- */
extern const struct ws_ops session_ws_ops;
extern const struct participant_ops session_participant_ops;
struct session *session_new(struct signal *s, struct auth_grants *grants); /* takes the grants over */
void session_free(struct session *se);
void session_send(struct session *se, const Livekit__SignalResponse *r);
void session_refresh_token(struct session *se);
void session_leave(struct session *se, enum leave_reason reason, enum leave_action action);
void session_end(struct session *se, uint16_t code); /* closes the socket; the participant stays as it is */

/* ---- list.c ---- */
/* A message about participants, made of what is kept of each: inner is the message that lists them under
 * `field`, packed but for the list, and outer its field in SignalResponse. NULL: no memory. */
struct ws_buffer *list_encode(
    unsigned outer, const ProtobufCMessage *inner, unsigned field, struct participant *const *list, size_t n);

/* ---- join.c ---- */
int join_routes(struct signal *s, struct http *h);

/* ---- request.c ---- */
void request_handle(struct session *se, const Livekit__SignalRequest *r);
void request_offer(struct session *se, const Livekit__SessionDescription *d);
void request_add_track(struct session *se, const Livekit__AddTrackRequest *r);

/* ---- describe.c ---- */
Livekit__ParticipantInfo *describe_participant(struct arena *a, const struct participant *p);
/* The same, encoded; the participant's own, valid until it changes. NULL: no memory. */
const struct participant_wire *describe_wire(struct participant *p);
Livekit__TrackInfo *describe_track(struct arena *a, const struct track *t);
Livekit__Room *describe_room(struct arena *a, const struct room *r);
Livekit__ServerInfo *describe_server(struct arena *a, const struct signal *s);
Livekit__ICEServer **describe_ice_servers(struct arena *a, const struct signal *s, size_t *ret_n);
Livekit__Codec **describe_codecs(struct arena *a, size_t *ret_n);
void read_track(const Livekit__AddTrackRequest *r, struct track_desc *ret);

/* ---- members.c ---- */
void members_watch(struct signal *s);
struct data_member *member_of(struct signal *s, const struct participant *p);
void members_done(struct signal *s);
/* The next `times` resumes of p before until_us are broken off, before any message if silent. */
void members_sabotage(
    struct signal *s, const struct participant *p, int64_t until_us, int times, bool silent);
/* Is this resume to be broken off? Counts it. 0: no; 1: after the first message; 2: before it. */
int members_sabotaged(struct signal *s, const struct participant *p, int64_t now_us);

/* ---- data.c ---- */
void data_member_add(struct data_router *r, const char *room_sid, struct data_member *m);
void data_member_change(struct data_router *r, struct data_member *m, bool hidden, bool may_publish);
void data_member_remove(struct data_router *r, struct data_member *m); /* frees it on the sctp thread */

#endif
