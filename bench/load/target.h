/* A kind of server that the load tester can drive: how its clients ask for a peer connection. A target speaks
 * one signalling protocol and nothing else; ICE, DTLS, SRTP and media are the tester's.
 *
 * The tester makes connections, and each is one target_link. A link publishes the tracks of one member, or
 * subscribes, or does both where the target has both_ways. Links of publishers are joined first; a link that
 * only subscribes is joined once media of every publisher of its room is on its way (in a meeting: of every
 * member that was told to join before it). Publishers may come and go while subscribers stay.
 *
 * Threads: there is one. The tester calls the functions of target_kind from it, never inside a callback of
 * the same link unless the function says so; the target calls target_events from inside the loop's round (a
 * socket is ready, a timer is due), never from inside a function of target_kind. So that a failure that is
 * known at once is returned as -errno, or reported by ended in a later round. Nothing may block: sockets are
 * non-blocking and on the loop, as client/websocket.h and client/http.h have it. Name resolution is done
 * before.
 *
 * Texts given to either side are valid during the call, unless it says otherwise. */
#ifndef BENCH_LOAD_TARGET_H
#define BENCH_LOAD_TARGET_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include "base/addr.h"
#include "net/loop.h"

/* Why a connection was not made, or ended. The names in JSON and in tables are those of load_failure_name. */
enum load_failure {
    LOAD_UNREACHABLE, /* no TCP connection, or it was cut before anything was said */
    LOAD_TOKEN,       /* the server refused who we are: 401, 403, a wrong secret */
    LOAD_SIGNALLING,  /* the server said no to anything else, or something that is not its protocol */
    LOAD_DESCRIPTION, /* an offer or an answer is of no use */
    LOAD_ICE,         /* no path answered */
    LOAD_DTLS,        /* the handshake failed */
    LOAD_TIMEOUT,     /* not connected within the time for joining */
    LOAD_NO_MEDIA,    /* connected, but a stream that is due never came */
    LOAD_DROPPED,     /* it was connected, and the server ended it or died */
    LOAD_FORGED,      /* media came that does not prove genuine */
    LOAD_FAILURE_COUNT,
};

/* "unreachable", "token", ... */
const char *load_failure_name(enum load_failure why);

/* A server's address as --url gave it: "http://host:port/path"; ws is read as http. */
struct load_url {
    char host[256]; /* as written, for the Host field and messages */
    char path[256]; /* "" or "/..." without a slash at its end */
    struct addr addr;
};

struct target_config {
    struct loop *loop;
    struct load_url url;
    const char *key, *secret; /* NULL where not given */
    unsigned publishers;      /* links with tracks that a room will have at most (a room may want to know) */
};

/* A track that is published: section n of the offer is the n-th of them. */
struct target_track {
    bool video;
    bool h264;       /* otherwise VP8; video only */
    bool simulcast;  /* three layers by rid: q, h, f */
    const char *cid; /* the second word of its a=msid */
    unsigned width, height, kbps;
};

struct target_join {
    const char *room;                  /* [a-z0-9-]+ */
    const char *identity;              /* of the member; the same for both links of one */
    const struct target_track *tracks; /* what the link publishes; NULL: it only subscribes */
    unsigned track_count;
    bool subscribes;
    const char *publisher; /* with one_publisher: whom it subscribes to; otherwise NULL */
    unsigned member;       /* its number in the room, from 0; the same for both links of one */
    bool audience;         /* announced to nobody, where the server can do that */
    const char *offer;     /* NULL where the server makes the first offer */
};

/* What happens to a link. arg is the one given to join. In a callback of its link the tester calls offer and
 * answer (the next step of the same exchange), but neither leave nor free. */
struct target_events {
    /* The server's answer to the newest offer of ours. */
    void (*answered)(void *arg, const char *sdp);
    /* An offer of the server, the first or another one; it is answered by target_kind.answer, perhaps before
     * this returns. */
    void (*offered)(void *arg, const char *sdp);
    /* The server wants an offer with so many receiving sections more; target_kind.offer brings it. */
    void (*wanted)(void *arg, unsigned audio, unsigned video);
    /* A candidate that trickled in: "candidate:...". */
    void (*candidate)(void *arg, const char *candidate);
    /* The link is over: once and last, also after leave (why is LOAD_DROPPED then, and nobody looks). text is
     * for people: what the server said, or errno's text. Before the first answer or offer it is a refusal;
     * LOAD_DROPPED is only for links that had one. */
    void (*ended)(void *arg, enum load_failure why, const char *text);
};

struct target;      /* one server; the target's own */
struct target_link; /* signalling of one peer connection; the target's own */

struct target_kind {
    const char *name;   /* of --target */
    bool both_ways;     /* a link can publish and subscribe; otherwise such a member has two links */
    bool server_offers; /* to links that only subscribe; all others bring their offer with them */
    bool one_publisher; /* a subscribing link carries one publisher: a member has as many as there are */
    bool needs_key;     /* --api-key and --api-secret are required */

    /* Checks the configuration and makes what the links share; nothing is sent yet. The struct is copied, the
     * texts in it outlive the target. 0, or -errno with a sentence for people in why. */
    int (*open)(const struct target_config *c, struct target **ret, char *why, size_t why_size);
    /* After every link was freed. NULL is allowed. */
    void (*close)(struct target *t);

    /* Begins to join. events and arg outlive the link, join and its texts are needed during the call only. 0
     * or -errno (no event follows). */
    int (*join)(struct target *t, const struct target_join *join, const struct target_events *events,
        void *arg, struct target_link **ret);
    /* Sends another offer, after wanted. NULL where wanted is never called. 0 or -errno. */
    int (*offer)(struct target_link *l, const char *sdp);
    /* Answers the newest offer of the server. NULL where the server never makes one. 0 or -errno. */
    int (*answer)(struct target_link *l, const char *sdp);
    /* The peer connection is up (DTLS is over): some servers are told. May be NULL. */
    void (*connected)(struct target_link *l);
    /* Says goodbye; ended follows within a second or so, or the link is freed without. */
    void (*leave)(struct target_link *l);
    /* Lets go of everything, without a word to the server. Not inside a callback of this link. NULL is
     * allowed. */
    void (*free)(struct target_link *l);
};

extern const struct target_kind target_livekit, target_whip, target_janus;

#endif
