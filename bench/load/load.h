/* The load tester as one object: what its parts share. One thread, one loop; the sockets of media have an
 * epoll of their own, which is looked at once a millisecond and never slept on. A client that sleeps until a
 * datagram comes is woken by every one of them, and over loopback the server pays for that. */
#ifndef BENCH_LOAD_LOAD_H
#define BENCH_LOAD_LOAD_H

#include <signal.h>
#include "histogram.h"
#include "media.h"
#include "options.h"
#include "dtls/session.h"
#include "ice/stun.h"

#define LOAD_WHY_SIZE 200
#define LOAD_TURN_US  1000     /* between two looks at the sockets */
#define LOAD_SLOTS    16       /* links get their turn at timers once in so many milliseconds */
#define LOAD_JOIN_US  15000000 /* for a link to be connected, and then to receive all that is due */

struct link;
struct source;

/* Since the measuring began, but for those that say otherwise. */
struct load_counts {
    uint64_t packets;   /* RTP that arrived at subscribers, retransmissions and padding included */
    uint64_t bytes;     /* of RTP as it arrived: header, payload, tag */
    uint64_t received;  /* media packets, each once */
    uint64_t recovered; /* those among them that came by retransmission */
    uint64_t repeated;  /* media packets that came again */
    uint64_t retransmissions, padding;
    uint64_t decrypted;                      /* packets that were looked into */
    uint64_t forged;                         /* of these, those that were not genuine */
    uint64_t strange;                        /* of these, those of another room, or not as they were sent */
    uint64_t cut;                            /* control packets too long for a short read */
    uint64_t sent;                           /* packets of publishers: media */
    uint64_t sent_again;                     /* and retransmissions */
    uint64_t dropped;                        /* packets that this machine did not take for sending */
    uint64_t feedback, reports, nacks, plis; /* packets that subscribers sent */
    uint64_t nacks_in, key_frames_asked;     /* what publishers got: numbers asked for, PLI and FIR */
};

struct load {
    struct options opt;
    struct loop *loop;
    struct ice_stun *stun;
    struct cert *cert;
    struct dtls_context *dtls;
    struct target *target;
    struct media media;
    int epoll;
    int64_t now_us;      /* of this turn */
    int64_t wall_off_us; /* wall time - monotonic time */
    unsigned slot;       /* of the next links that get their turn */
    int64_t slot_us;     /* when that is */
    unsigned turn;

    struct link **links; /* publishing ones first */
    unsigned link_count, publishing;
    struct source **sources; /* by number */
    unsigned source_count;

    bool measuring;
    bool paused;   /* nothing is sent */
    bool stopping; /* what ends now was meant to */
    struct load_counts counts;
    struct histogram latency; /* of sampled packets, microseconds */
    struct histogram joins;   /* from the beginning of a join to media, all links */
    uint64_t total_packets;   /* ever, for the display */

    unsigned joined, flowing, ended; /* links */
    unsigned failures[LOAD_FAILURE_COUNT];
    char why[LOAD_WHY_SIZE]; /* of the first failure */
    enum load_failure first;
    const char *profile; /* of SRTP */
};

/* A link failed; text is what is known. Counted once a link by its owner. */
void load_failed(struct load *g, enum load_failure why, const char *text);

unsigned load_failure_count(const struct load *g);

#endif
