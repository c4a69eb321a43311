/* Clients of rooms, for their tests. A guest keeps what it was told as short notes ("alice JOINED"), and
 * checks while it is told: versions only grow, a description's map of tracks is complete and names only what
 * the guest knows of, sections go through one inactive description before they carry another track, and
 * nobody speaks to a session that is over. */
#ifndef SUPPORT_ROOM_GUEST_H
#define SUPPORT_ROOM_GUEST_H

#include "support/room_host.h"
#include "support/room_sdp.h"

enum note_kind {
    NOTE_UPDATE,         /* "alice ACTIVE, bob DISCONNECTED" */
    NOTE_ANSWER,         /* "1" */
    NOTE_OFFER,          /* "1" */
    NOTE_PUBLISHED,      /* "cam" */
    NOTE_UNPUBLISHED,    /* "cam" */
    NOTE_SUBSCRIBED,     /* "cam" */
    NOTE_MUTE,           /* "cam 1" */
    NOTE_SECTIONS,       /* "1 0": audio, video */
    NOTE_SUB_FAILED,     /* "cam CODEC" or "TR_x NOT_FOUND" */
    NOTE_SUB_PERMISSION, /* "alice cam 0" */
    NOTE_ROOM,           /* "3 1": participants, publishers */
    NOTE_SPEAKERS,       /* "alice 0.625, bob 0.000" */
    NOTE_QUALITY,        /* "alice GOOD 3.9" */
    NOTE_STREAM,         /* "alice cam 1" */
    NOTE_DEMAND,         /* "cam vp8 110": low and medium are wanted; "cam vp9 111 vp8 000" */
    NOTE_CLAIMS,         /* "" */
    NOTE_LEAVE,          /* "2 0": reason, action */
    NOTE_KINDS,
};

struct note {
    enum note_kind kind;
    unsigned seq;
    int64_t at_us;
    char text[160];
};

struct seen_track {
    char sid[ROOM_SID_MAX], mime[TRACK_MIME_MAX];
    bool muted;
    uint32_t width;
    int64_t version_us;
};

/* What the guest knows of a participant. */
struct seen {
    char sid[ROOM_SID_MAX], identity[64], name[64], metadata[64];
    enum participant_state state;
    enum leave_reason reason;
    uint32_t version;
    char *description; /* all that a version stands for */
    bool gone;
    unsigned track_count;
    struct seen_track *tracks;
};

struct guest_options {
    const char *identity, *room, *name, *metadata;
    const struct attribute *attributes;
    size_t attribute_count;
    bool two_connections, manual, adaptive, may_pause, firefox, may_not_create, no_signal;
    int protocol;
    enum participant_kind kind;
    struct permission permission;
    unsigned without;        /* PC_* codecs it lacks */
    unsigned audios, videos; /* receiving sections of its first offer */
    bool no_data;            /* no data section in its offers */
};

struct guest_session {
    struct list link;
    struct guest *guest;
    bool over;
};

struct guest {
    struct list link;
    struct host *host;
    struct guest_options options;
    char identity[64], sid[ROOM_SID_MAX];
    struct participant *p; /* NULL: it has left, or has no socket */
    struct guest_session *session;
    struct list sessions;
    struct pc pub, sub;          /* sub: of the two-connection mode */
    uint32_t offer_id;           /* of its own last offer */
    struct sdp_session *answer;  /* the server's last one */
    struct sdp_session *offered; /* the server's offer that it has not answered */
    uint32_t offered_id;
    struct sdp_session *receives;  /* the server's description by which it receives */
    char (*carried)[ROOM_SID_MAX]; /* by section: the track in that description */
    bool wants_offer;
    uint32_t more_audios, more_videos;
    bool wants_none; /* ignores what it is asked for */
    struct note *notes;
    size_t note_count, note_cap, first; /* first: that was not cleared */
    struct seen *seen;
    size_t seen_count;
};

struct guest_options guest_options(const char *identity);

/* Joins, without an offer. The error of participant_join, or 0. */
int guest_try(struct host *h, const struct guest_options *o, struct guest **ret);
struct guest *guest_join(struct host *h, const struct guest_options *o);

/* Joins, negotiates what its kind of client negotiates at first, and gets connected. */
struct guest *guest_enter(struct host *h, const char *identity);
struct guest *guest_enter_with(struct host *h, const struct guest_options *o);

/* One offer with everything there is; its answer has come when this returns. */
void guest_offer(struct guest *g);
/* Some text as an offer. The error, with err filled (256 bytes). */
int guest_offer_text(struct guest *g, const char *text, char *err);

/* Answers the server's offer. */
void guest_answer(struct guest *g);
void guest_answer_but(struct guest *g, uint64_t inactive, uint64_t rejected);

/* Does what it was asked for. True if there was something. */
bool guest_act(struct guest *g);

/* The media side reports on its connections. */
void guest_connect(struct guest *g);
void guest_state(struct guest *g, enum peer_target target, enum sfu_peer_state state);

void guest_leave(struct guest *g);
void guest_lose_socket(struct guest *g);
void guest_resume(struct guest *g);

/* ---- publishing ---- */

struct track_desc guest_desc(const char *cid, enum track_source source);
enum request_reason guest_announce(struct guest *g, const char *cid, enum track_source source);
/* A section that sends, in the next offer. Video has three layers unless rids is changed. */
struct pc_section *guest_send(struct guest *g, const char *cid, enum track_kind kind);
struct track *guest_publish(struct guest *g, const char *cid, enum track_source source);
void guest_unpublish(struct guest *g, const char *cid);
struct track *guest_track(const struct guest *g, const char *cid); /* published or announced; NULL: neither */

/* ---- receiving ---- */

/* The subscription to a track as the media side knows it; NULL: none. */
struct media *guest_receives(const struct guest *g, const struct track *t);
/* The section of the description by which it receives that carries the track; NULL: none. */
const struct sdp_media *guest_section(const struct guest *g, const struct track *t);

/* ---- what it was told ---- */

void guest_clear(struct guest *g); /* forgets the notes */
unsigned guest_count(const struct guest *g, enum note_kind kind);
/* The newest note of a kind; "(none)" in its text if there is none. */
const struct note *guest_last(const struct guest *g, enum note_kind kind);
#define guest_text(g, kind) (guest_last(g, kind)->text)
/* The participant by its identity, as it is now; NULL: not there. */
const struct seen *guest_sees(const struct guest *g, const char *identity);
const struct seen_track *guest_sees_track(const struct guest *g, const struct track *t);

/* The participant, with or without a socket; NULL: it is out. */
struct participant *guest_participant(const struct guest *g);

/* Said by the support code only: a command of the media side is for one of its connections. */
struct guest *guest_of_peer(struct host *h, uint32_t peer);
void guest_free(struct guest *g);

#endif
