/* The whole media side in virtual time: workers with their rounds, timers, pacers and ciphers as they are,
 * but run by the test's thread, with the test's clock, and with sockets that are the links of tests/net/.
 * Peers are real clients (ICE, DTLS, SRTP), each behind a link of its own in both directions, or several
 * behind one. The same seed gives the same run.
 *
 * A program includes support/virtual_net.h in one of its files. Peers are added and connected first, over a
 * network that takes no time; net_begin then starts the clock of the scenario and puts the links in place. */
#ifndef SUPPORT_NET_WORLD_H
#define SUPPORT_NET_WORLD_H

#include "sfu/sfu.h"
#include "support/net_link.h"
#include "support/rtc_client.h"

#define NET_PEERS_MAX 64
#define NET_LINKS_MAX (2 * NET_PEERS_MAX)
#define NET_OVERHEAD  28 /* bytes of IP and UDP that a datagram takes on a link */

struct net_world;
struct net_peer;

/* A link, and what went over it. */
struct net_link {
    struct link link;
    /* Every datagram that came out, if set. */
    void (*tap)(void *arg, const struct link_datagram *d, int64_t now_us);
    /* Those with a tag below zero are nobody's: for other traffic on the same link. */
    void (*other)(void *arg, const struct link_datagram *d, int64_t now_us);
    void *arg;
};

struct net_peer_ops {
    /* Decrypted packets that came to the client. */
    void (*rtp)(void *arg, const uint8_t *data, size_t len, const struct rtp_packet *h);
    void (*rtcp)(void *arg, const uint8_t *data, size_t len);
    /* A datagram that the server sent to it; dropped: the link's queue was full. */
    void (*sent)(void *arg, const uint8_t *datagram, size_t len, bool dropped);
    void (*event)(void *arg, const struct sfu_event *e); /* about this peer */
    void (*run)(void *arg, int64_t now_us);              /* at next_us, and whenever something came */
    int64_t (*next_us)(const void *arg);
};

struct net_peer {
    struct net_world *world;
    int index;
    uint32_t id;
    uint8_t worker;
    struct path path; /* as the client sees it */
    struct ice_credentials remote;
    struct rtc_client client;
    struct net_link *up, *down; /* NULL: takes no time and loses nothing */
    int64_t sent_us;            /* when the server sent what is being handed to the client */
    int64_t queue_us;           /* and how long that waited for others on the way */
    size_t wire_bytes;          /* of it, headers included */
    const struct net_peer_ops *ops;
    void *arg;
    bool connected;
};

struct net_world {
    struct seeded random; /* of the server's identifiers */
    struct config cfg;
    struct dtls_context *server_dtls, *client_dtls;
    struct sfu *sfu;
    unsigned workers;
    struct net_peer *peers[NET_PEERS_MAX];
    size_t peer_count;
    struct net_link *links[NET_LINKS_MAX];
    size_t link_count;
    uint64_t seed;
    uint32_t next_id;
    int64_t zero_us; /* when the scenario began */
    /* another source of things that happen, called as those of peers: scripts, other traffic */
    void (*run)(void *arg, int64_t now_us);
    int64_t (*next_us)(const void *arg);
    void *arg;
};

struct net_world *net_open(uint64_t seed, unsigned workers);
void net_close(struct net_world *w);

/* A client and its peer connection. ops may be NULL. */
struct net_peer *net_peer_add(
    struct net_world *w, unsigned worker, const struct net_peer_ops *ops, void *arg);
void net_connect(struct net_world *w); /* all that were added; aborts if it does not come about */

/* A link of its own script (link_script_parse, times from net_begin on; overhead is NET_OVERHEAD unless it
 * says otherwise), to be given to peers as up or down after net_connect and before net_begin. */
struct net_link *net_link_add(struct net_world *w, const char *script);

/* The scenario begins: time zero of scripts. */
void net_begin(struct net_world *w);
int64_t net_now_us(const struct net_world *w); /* since then */
double net_now_s(const struct net_world *w);

/* Runs until so many seconds after the beginning. */
void net_run(struct net_world *w, double until_s);

void net_post(struct net_world *w, const struct sfu_command *c);
uint32_t net_id(struct net_world *w); /* for tracks and subscriptions */
struct sfu_stats net_stats(struct net_world *w);
struct sfu_peer *net_sfu_peer(const struct net_peer *p); /* the server's; NULL: gone */

#endif
