/* The world around rooms, for their tests: a clock that only moves when told, a timer that keeps one wake-up,
 * and a media side that checks every command against what it knows: nothing refers to what does not live,
 * nothing is sent before the client has its description, and no SSRC is used twice. Guests (room_guest.h) are
 * its clients. */
#ifndef SUPPORT_ROOM_HOST_H
#define SUPPORT_ROOM_HOST_H

#include "room/room.h"

enum media_kind { MEDIA_NONE, MEDIA_PEER, MEDIA_TRACK, MEDIA_SUB };

/* What the media side knows of the object with a number. */
struct media {
    enum media_kind kind;
    bool live;
    uint8_t worker;
    uint32_t peer;  /* of tracks and subscriptions */
    uint32_t track; /* of subscriptions */
    /* peers */
    bool remote_known, data, opens_channels, dtls_client, never_pause;
    unsigned restarts;
    struct sfu_ice_credentials ice;
    char fingerprint[160];
    /* tracks and subscriptions */
    struct sfu_section section;
    uint8_t media; /* 0 audio, 1 video */
    bool slot;     /* of a stage: on every worker */
    bool encrypted;
    bool muted;    /* tracks */
    unsigned adds; /* tracks: how often SFU_TRACK_ADD came */
    /* subscriptions */
    uint32_t ssrc, rtx_ssrc;
    bool set, paused;
    int8_t max_layer;
    uint8_t max_fps;
    struct sfu_command wish; /* the newest SFU_SUB_SET */
};

struct host_name {
    char sid[ROOM_SID_MAX], name[64];
};

struct host {
    struct config cfg; /* changed before rooms are used */
    struct room_server *rooms;
    int64_t now_us, wake_us; /* wake_us: INT64_MAX if nobody is to be woken */
    int64_t wall_us;         /* wall time less now_us; a test may turn it back */
    struct list guests;
    struct media *media; /* by number */
    size_t media_count;
    struct sfu_command *commands; /* all of them */
    size_t command_count, command_cap, mark;
    struct {
        uint32_t peer, ssrc;
    } * ssrcs; /* every one that was ever sent with */
    size_t ssrc_count;
    struct host_name *names; /* of participants and tracks */
    size_t name_count;
    uint32_t connections; /* of guests so far */
    unsigned seq;         /* numbers what guests are told */
    unsigned rooms_started, rooms_finished, tracks_published, tracks_unpublished;
    char last_watched[64]; /* "alice ACTIVE" */
};

struct host *host_new(void);

/* Closes the server and checks that nothing is left of it. */
void host_free(struct host *h);

/* A teardown for setups that leave the host in *state: checks everything once more and frees it. */
int host_end(void **state);

/* Lets time pass; timers run, guests do nothing of their own. */
void host_run(struct host *h, int64_t us);
#define MS(n) ((n)*INT64_C(1000))
#define S(n)  ((n)*INT64_C(1000000))

/* Guests do what they were asked for (offer, answer) until nobody asks any more. */
void host_settle(struct host *h);

struct media *host_media(struct host *h, uint32_t number); /* NULL: no such thing */

/* Commands of one type since the last host_mark, and the newest of them (NULL: none). */
void host_mark(struct host *h);
unsigned host_count(const struct host *h, enum sfu_command_type type);
const struct sfu_command *host_last(const struct host *h, enum sfu_command_type type);
unsigned host_live(const struct host *h, enum media_kind kind);

/* What sids stand for in the notes of guests. */
void host_name_add(struct host *h, const char *sid, const char *name);
const char *host_name_of(const struct host *h, const char *sid);

/* The room "room". NULL: there is none. */
struct room *host_room(struct host *h);

/* Objects and their tables agree: after every step of a test that is in doubt. */
void host_check(struct host *h);

#endif
