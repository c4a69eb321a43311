/* Rooms, and the table of all of them. Control thread. */
#ifndef ROOM_ROOM_H
#define ROOM_ROOM_H

#include "base/addr.h"
#include "base/list.h"
#include "config/config.h"
#include "room/participant.h"
#include "sfu/command.h"
#include "sfu/event.h"

struct room {
    struct list link; /* in the server */
    struct room_server *server;
    char sid[ROOM_SID_MAX];
    char *name, *metadata; /* owned, never NULL */
    int64_t created_wall_us;
    uint32_t empty_timeout_s, departure_timeout_s, max_participants; /* 0: none */
    uint32_t audio_top_n;                        /* so many microphones are heard, the loudest; 0: all */
    uint32_t participant_count, publisher_count; /* those that count: no hidden, agent or egress ones */
    bool active_recording;
    int64_t version_us;
    struct list participants; /* struct participant, in order of joining */
    struct room_private *priv;
};

/* What rooms need of the world around them. */
struct room_host {
    void *arg;
    int64_t (*now_us)(void *arg);
    int64_t (*wall_us)(void *arg);
    /* Gives a command to the media side. The command is copied. */
    void (*post)(void *arg, const struct sfu_command *c);
    /* room_server_timeout is wanted at this time at the latest. */
    void (*wake_at)(void *arg, int64_t due_us);
    /* A candidate line's addresses for a worker; they may change while the server runs. */
    const struct sfu_candidate *(*candidates)(void *arg, unsigned worker, size_t *ret_n);
    unsigned workers;
    char fingerprint[128]; /* "sha-256 AA:BB:..." of the DTLS certificate */
};

struct room_server;
struct room_server *room_server_new(const struct config *cfg, const struct room_host *host);

/* Everyone leaves with this reason and action (SIGTERM: LEAVE_SERVER_SHUTDOWN), rooms close. */
void room_server_close(struct room_server *rs, enum leave_reason reason, enum leave_action action);
void room_server_free(struct room_server *rs);

/* Feeds what the media side reports. */
void room_server_event(struct room_server *rs, const struct sfu_event *e);
void room_server_timeout(struct room_server *rs, int64_t now_us);

struct room_options {
    const char *metadata;
    uint32_t empty_timeout_s, departure_timeout_s, max_participants; /* 0: default */
    uint32_t audio_top_n; /* at most SFU_SLOTS_MAX; of a new room only; 0: default */
};

/* Finds or makes a room; options apply to a new room, and their non-zero fields to an existing one.
 * 0, -EINVAL (bad name), -ENAMETOOLONG, -ENOSPC, -ENOMEM. */
int room_create(struct room_server *rs, const char *name, const struct room_options *o, struct room **ret);
struct room *room_find(struct room_server *rs, const char *name);
struct participant *room_participant(struct room *r, const char *identity);
struct participant *room_participant_sid(struct room *r, const char *sid);
size_t room_people(const struct room *r); /* length of participants */
void room_delete(struct room *r, enum leave_reason reason);
int room_set_metadata(struct room *r, const char *metadata); /* 0 or -ENAMETOOLONG */
struct list *room_server_rooms(struct room_server *rs);      /* of struct room */
void room_server_counts(struct room_server *rs, size_t *ret_rooms, size_t *ret_participants);

/* Called when a room or participant appears or goes (webhooks, snapshots of data routing); set once. */
struct room_watch {
    void *arg;
    void (*room_started)(void *arg, struct room *r);
    void (*room_finished)(void *arg, struct room *r);
    void (*participant_changed)(
        void *arg, struct participant *p); /* joined, active, permission, left: see state */
    void (*track_changed)(void *arg, struct track *t, bool published);
};
void room_server_watch(struct room_server *rs, const struct room_watch *w);

#endif
