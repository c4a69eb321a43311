/* What the files of room/ share among themselves. Control thread only. */
#ifndef ROOM_INTERNAL_H
#define ROOM_INTERNAL_H

#include "base/limits.h"
#include "base/strbuf.h"
#include "base/table.h"
#include "room/room.h"
#include "sdp/negotiate.h"
#include "sdp/plan.h"

/* One peer connection of a participant. */
struct room_peer {
    UT_hash_handle hh; /* server->peers, by number */
    uint32_t number;
    uint8_t worker;
    struct participant *participant;
    enum peer_target target;
    struct sdp_plan plan; /* which track is sent in which section */
    uint64_t origin_id, origin_version;
    char ufrag[33], pwd[65]; /* ours */
    char remote_ufrag[ICE_UFRAG_MAX + 1], remote_pwd[ICE_PWD_MAX + 1];
    char remote_fingerprint[160];
    bool added; /* the media side knows the peer */
    bool remote_known;
    bool data_added;
    bool restarting; /* an offer with new credentials of ours is out */
    bool fresh;      /* the media side does not know our present credentials */
    enum sfu_peer_state state;
    bool ever_connected;
    struct sdp_session *offer_out; /* the server's own offer that waits for its answer; NULL: none */
    uint32_t offer_id;             /* id of the newest offer of the server */
    int64_t offer_sent_us;
    struct sdp_result *result; /* what was agreed last; NULL before */
    uint32_t *ssrcs;           /* every SSRC ever used for sending: none is used twice (nonce law) */
    size_t ssrc_count, ssrc_cap;
    struct sfu_event last_quality;
    bool allocation_known;
    struct sfu_peer_allocated allocated; /* as last heard */
};

/* A subscriber and a track. */
struct subscription {
    UT_hash_handle hh;         /* server->subs, by number, while bound */
    struct list by_subscriber; /* participant->subscriptions */
    struct list by_track;      /* track->subscriptions */
    struct participant *subscriber;
    struct track *track;
    uint64_t key;              /* name of the binding in the plan; 0: in no section */
    uint32_t number;           /* of the media side; 0: it does not know it */
    char mid[SDP_MID_MAX + 1]; /* the section it was announced to the media side with */
    uint8_t codec;             /* which of the track's codecs it is to have */
    uint8_t refused;           /* bit a codec that the client turned out not to take */
    bool codec_failed;         /* the client cannot decode any; told once */
    bool live;                 /* a packet was forwarded */
    bool paused;               /* told to the client */
    int8_t want;               /* enum video_quality that its viewer wants, counted in its codec; -1: none */
    int8_t layer;              /* forwarded at present; -1: none */
    uint8_t short_rounds;      /* quality reports in a row that found less than the viewer wants */
    bool ever_paused;          /* the client was told of a pause some time */
    bool allocation_known;
    struct sfu_sub_allocated allocated; /* as last heard */
};

/* What a subscriber said of a track, known or not. */
struct choice {
    UT_hash_handle hh;
    char sid[ROOM_SID_MAX];
    bool chosen, subscribe; /* chosen: subscribe is its word, not the default */
    int64_t expires_us;     /* for sids that are unknown; 0: none */
    bool has_settings;
    struct track_settings settings;
};

/* One of the names of an entry: an identity, or a sid. Both are the entry's. */
struct permission_name {
    const char *name;
    bool is_sid;
    const struct permission_entry *entry;
};

struct permission_entry {
    char *sid, *identity;
    bool all_tracks;
    char (*tracks)[ROOM_SID_MAX];
    size_t track_count;
};

/* What is left of a participant that went. */
struct gone {
    struct list link;        /* room_private->gone, oldest first */
    struct participant last; /* as others last heard of it; no tracks */
    uint64_t number;         /* counts those who left the room, from 1 */
    bool waits;              /* the others hear of it with the room's collected update */
    int64_t left_us;
};

struct participant_private {
    UT_hash_handle by_identity, by_sid; /* of the room */
    struct participant *self;
    int64_t joined_us;
    int64_t failed_us;      /* media failed; 0: not */
    int64_t signal_lost_us; /* the socket went; 0: it is there */
    bool told_joined;       /* participant_joined was called */
    bool leaving;
    struct {
        bool standard, member, publisher, recorder;
    } counted;                /* as what, by room_count */
    struct list watch_link;   /* server->watched, while a deadline of it runs */
    struct list heard_link;   /* room_private->heard, while it speaks or others think so */
    struct list quality_link; /* room_private->quality_news, while its quality is to be looked at or told */
    struct list poke_link;    /* server->pokes */
    int64_t poke_due_us, poked_us;
    uint32_t asked[2];         /* sections asked for and not yet offered, by track kind */
    struct choice *choices;    /* hash by sid */
    int64_t choices_expire_us; /* the first of those that do; 0: none does */
    bool permission_all;
    struct permission_entry *permissions;
    size_t permission_count;
    struct permission_name *permission_names; /* sorted */
    size_t permission_name_count;
    uint64_t gone_before;    /* the newest number of those who had left when this one joined */
    float level, told_level; /* speaking */
    bool active, told_active;
    bool spoke; /* somebody was told of it */
    int64_t level_us;
    int64_t simulate_until_us;
    int64_t capacity_bps; /* a client's test: its path is taken to carry no more; 0: none */
    enum connection_quality quality;
    float score;
    float pictures_short; /* points: what it misses of what it asked for */
    float sending_short;  /* points: what it was asked to send and does not */
    bool quality_dirty;
    uint64_t quality_round;     /* the server's, when this one was listed last */
    uint64_t told_round;        /* the same, when it was told last */
    bool bulk_dirty;            /* waits for the room's collected update */
    int64_t news_us;            /* what was told of it is paid for up to this time */
    struct room_peer *peers[2]; /* by enum peer_target; single connection: [0] only */
};

struct track_demand {
    struct list link; /* server->demands, while a word to the publisher is due */
    bool told;
    int64_t lower_due_us;
};

/* One of the codecs of a track; to the media side a track of its own. */
struct room_media {
    UT_hash_handle hh; /* server->media, by id */
    struct room_track *track;
    uint32_t id;             /* of the media side; 0: no section sends it */
    enum sdp_codec_id codec; /* as announced; once it is sent: as negotiated */
    uint32_t
        extra_codecs; /* SDP_CODEC_BITs that a receiver may get besides (Opus inside RED, RED made of it) */
    char fmtp[128];
    bool simulcast;
    bool live;            /* a packet came */
    uint8_t arriving;     /* bit a spatial layer of simulcast */
    uint8_t short_rounds; /* quality reports in a row that found less than what was asked of the publisher */
    uint32_t viewers[3];  /* subscriptions by what they want, enum video_quality */
    bool enabled[3];      /* what the publisher was told of it, if it was told */
    int64_t asked_us;     /* the publisher was asked to begin with it; 0: not, or it has */
};

/* A track with what only room/ knows. */
struct room_track {
    struct track t;
    UT_hash_handle by_sid; /* server->tracks_by_sid */
    uint8_t worker;
    struct room_peer *peer;
    struct room_media media[TRACK_CODECS_MAX]; /* as desc.codecs: the primary and its backups */
    uint8_t regressed; /* the codec that everybody is to have who can; 0: the primary */
    int64_t published_us;
    struct track_demand demand;
    struct list offered;      /* room_private->offered; not in it: a microphone that slots carry */
    struct room_stage *stage; /* this is a slot of it */
    bool on_stage;            /* a microphone that slots carry */
};

/* The slots of a room where only the loudest are heard. */
struct room_stage {
    uint32_t id; /* of the media side */
    unsigned slots;
    struct participant *p; /* presents them */
    bool voices;           /* a microphone was published: it is known how they are encrypted */
};

struct room_private {
    UT_hash_handle hh; /* server->by_name */
    struct room *room;
    int64_t created_us, left_us; /* left_us: the last one left; 0: somebody is here or nobody ever came */
    uint32_t standard;           /* participants that keep the room alive */
    uint32_t recorders;
    size_t people;
    bool closing;
    struct list gone; /* struct gone, for those who resume */
    size_t gone_count;
    uint64_t gone_number; /* of the newest */
    bool counts_dirty;
    int64_t counts_told_us;
    int64_t bulk_due_us; /* 0: nothing waits */
    struct list heard, quality_news;
    struct room_stage *stage; /* NULL: everybody is heard */
    struct list offered;      /* tracks that who subscribes to everything gets (room_track.offered) */
    size_t choices;           /* of all participants */
    struct participant_private *by_identity, *by_sid;
};

struct room_server {
    const struct config *cfg;
    struct room_host host;
    struct room_watch watch;
    struct list rooms;
    struct room_private *by_name;
    struct room_peer *peers;
    struct room_track *tracks_by_sid; /* published ones */
    struct room_media *media;         /* of these */
    struct subscription *subs;
    struct list pokes;
    struct list watched;  /* participants with a deadline */
    struct list demands;  /* tracks whose publisher is to be told something, later */
    uint32_t next_number; /* of peers, tracks and subscriptions */
    uint64_t next_key;
    uint64_t quality_round; /* counts those whose qualities were listed */
    size_t room_count, participant_count;
    size_t worker_load[SFU_WORKERS_MAX];
    int64_t tick_us, speakers_us, quality_us;
    bool closing;
};

/* Tells a participant's front end, if it has one that listens. */
#define TELL(p, fn, ...)                                                                                     \
    do {                                                                                                     \
        if ((p)->ops && (p)->ops->fn)                                                                        \
            (p)->ops->fn((p)->arg, ##__VA_ARGS__);                                                           \
    } while (0)

static inline struct room_track *track_private(struct track *t)
{
    return (struct room_track *)t;
}

/* ---- server.c ---- */
int64_t server_now_us(const struct room_server *rs);
int64_t server_wall_us(const struct room_server *rs);
uint32_t server_number(struct room_server *rs);
void server_wake_at(struct room_server *rs, int64_t due_us);
char *sid_make(char out[ROOM_SID_MAX], const char *prefix);

/* ---- room.c ---- */
void room_tick(struct room *r, int64_t now_us);
void room_count(struct participant *p); /* p came, goes (leaving is set) or is not what it was counted as */
bool participant_counts(const struct participant *p);
struct track *room_find_track(struct room *r, const char *sid);

/* ---- participant.c ---- */
void participant_remove(struct participant *p, enum leave_reason reason, enum leave_action action,
    bool tell_client, bool tell_others);
/* A participant of the server's own, who has no connections; and its end. */
int participant_new_own(struct room *r, const struct participant_join *j, struct participant **ret);
void participant_drop_own(struct participant *p);
/* A deadline of p began to run. */
void participant_watch(struct participant *p);
void participants_tick(struct room_server *rs, int64_t now_us);

/* ---- update.c ---- */
/* p changed: a new version, and everyone who may see it is told; itself too if with_self. */
void participant_changed(struct participant *p, bool with_self);
/* to is about to be sent a description that names a track of p: what is collected of p comes first. */
void participant_introduce(struct participant *p, struct participant *to);
void participant_tell_gone(struct participant *p, enum leave_reason reason);
void participant_conceal(struct participant *p); /* p will be hidden: to the others it leaves */
void participant_reveal(struct participant *p);  /* it was, and has not left after all */
void room_flush_bulk(struct room *r, int64_t now_us);
void participant_snapshot(struct participant *p); /* after a resume */
bool participant_visible(const struct participant *p, const struct participant *to);
void room_forget_gone(struct room *r);

/* ---- track.c ---- */
void track_touch(struct room_track *t);                        /* a version of its description */
void track_enter(struct room_track *t, struct participant *p); /* the tables, as published */
struct room_track *track_new(struct participant *p, const struct track_desc *d);
void track_publish(struct room_track *t, struct room_peer *peer, const struct sdp_section_result *s);
void track_end(struct room_track *t); /* unpublishes and frees */
struct room_track *track_for_section(struct room_peer *peer, const struct sdp_section_result *s);
void tracks_check_permission(struct participant *p);
bool source_allowed(const struct permission *perm, enum track_source s);

/* ---- media.c ---- */
static inline struct room_media *media_of(const struct subscription *s)
{
    return &track_private(s->track)->media[s->codec];
}
static inline unsigned media_index(const struct room_media *m)
{
    return (unsigned)(m - m->track->media);
}
static inline const struct track_codec *media_desc(const struct room_media *m)
{
    return &m->track->t.desc.codecs[media_index(m)];
}
/* Layers as announced of a codec, or of its track. */
const struct track_layer *media_layers(const struct room_media *m, uint8_t *ret_n);
bool media_possible(const struct room_media *m); /* may a subscription have it, now or when it is sent? */
struct room_media *media_in_section(const struct participant *p, const char *mid);
/* The backup codec, announced and not sent so far, that this section carries; NULL. */
struct room_media *media_for_section(const struct participant *p, const char *msid_track);
void media_enter(struct room_media *m); /* the table */
void media_describe(struct room_media *m, const struct sdp_section_result *s);
void media_announce(const struct room_media *m, const struct sdp_section_result *s);
void media_renegotiated(struct room_media *m, const struct sdp_section_result *s);
void media_publish(struct room_media *m, const struct sdp_section_result *s); /* a backup codec's */
void media_parked(struct participant *p); /* those that are announced now and were negotiated before */
void media_end(struct room_media *m);     /* a backup codec is no longer sent */
void media_leave(struct room_media *m);   /* the table, and the media side */
void media_regress(struct room_media *m); /* it arrives, or is wanted: does everybody get it? */

/* ---- subscription.c ---- */
void subscriptions_reconcile(struct participant *subscriber, struct track *t);
void subscriptions_reconcile_all(struct participant *subscriber);
void subscriptions_of_new_track(struct track *t);
void subscriptions_renew(struct track *t); /* its codec changed: everyone needs a section that takes it */
void subscriptions_retry(struct track *t, unsigned codec); /* it has a codec more */
void subscription_retry(struct subscription *s, unsigned codec);
void subscription_end(struct subscription *s);
void subscription_start(struct subscription *s, const struct sdp_section_result *section);
void subscription_stop(struct subscription *s);  /* the media side forgets it */
void subscription_apply(struct subscription *s); /* settings -> media side */
struct choice *choice_of(struct participant *p, const char *sid, bool make);
void choices_expire(struct participant *p, int64_t now_us);
void choices_forget(const struct track *t);
void choices_done(struct participant *p);

/* ---- permissions.c ---- */
void permissions_done(struct participant *p);

/* ---- bandwidth.c ---- */
void bandwidth_event(struct room_server *rs, const struct sfu_event *e);
void bandwidth_announce(struct room_peer *peer); /* the media side has just heard of the peer */
void bandwidth_forget(struct subscription *s);   /* the media side forgets it */
void bandwidth_snapshot(struct participant *to); /* after a resume */
void bandwidth_layers(const struct room_media *m, const struct sfu_section *s, struct sfu_announced *ret);

/* ---- stage.c ---- */
int stage_open(struct room *r, unsigned slots); /* 0 or -ENOMEM */
void stage_close(struct room *r);
bool stage_takes(const struct room_track *t); /* is t, about to be published, for the slots? */

/* ---- peer.c ---- */
struct room_peer *peer_new(struct participant *p, enum peer_target target);
void peer_free(struct room_peer *peer);
uint32_t peer_ssrc(struct room_peer *peer);
void peer_new_credentials(struct room_peer *peer);
void peer_section(const struct sdp_section_result *s, struct sfu_section *ret);
void peer_local(
    struct room_peer *peer, struct sdp_local *local, struct sdp_candidate *candidates, size_t max);
void peer_announce(
    struct room_peer *peer, const struct sdp_result *result); /* PEER_ADD, REMOTE, RESTART, DATA */
int peer_bind(struct room_peer *peer, struct subscription *s, bool grow);
void peer_unbind(struct room_peer *peer, struct subscription *s);

/* ---- negotiate.c ---- */
void negotiation_needed(struct participant *p);
void subscription_failed(struct subscription *s); /* there is no codec for it */
void negotiation_due(struct participant *p, int64_t now_us);
void negotiation_offer(struct participant *p, bool restart);

/* ---- speakers.c ---- */
void speakers_tick(struct room_server *rs, int64_t now_us);
void speakers_input(struct participant *p, float level, bool active, int64_t now_us);
void speakers_snapshot(struct participant *to); /* after a resume: what the old socket was told may be lost */
void speakers_greet(struct participant *subscriber, struct participant *publisher);

/* ---- quality.c ---- */
void quality_tick(struct room_server *rs);
void quality_input(struct participant *p, const struct sfu_event *e);
void quality_news(struct participant *p); /* p's quality is to be told, and to p those of whom it receives */
void quality_connection(struct participant *p); /* one of p's connections came or went */

/* ---- demand.c ---- */
/* What the viewer wants may have changed, or it is a new one. */
void demand_changed(struct subscription *s);
void demand_end(struct subscription *s); /* the viewer goes */
void demand_move(struct subscription *s, unsigned codec);
int demand_told(const struct room_media *m); /* the highest quality its publisher is to send; -1: none */
void demand_update(struct room_track *t, int64_t now_us);
void demands_tick(struct room_server *rs, int64_t now_us);
void demand_renew(struct participant *publisher); /* after a resume, like speakers_snapshot */

#endif
