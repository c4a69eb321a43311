/* A struct transport and a client of it, over a bad link in virtual time. The driver calls the transport on
 * input and at transport_next_timeout, never otherwise, and fails when it finds work that was not announced,
 * or an announced time that does not pass. The program includes support/virtual_time.h. */
#ifndef SUPPORT_TRANSPORT_RIG_H
#define SUPPORT_TRANSPORT_RIG_H

#include "support/bad_link.h"
#include "support/rtc_client.h"
#include "transport/transport.h"

#define RIG_STATES_MAX 32
#define RIG_PATHS_MAX  32
#define RIG_SECOND     INT64_C(1000000)

struct transport_rig {
    uint64_t seed;
    struct bad_link link;
    struct ice_stun *stun;
    struct packet_pool *pool;
    struct transport *server;
    struct rtc_client client;
    struct ice_credentials local; /* the server's newest */
    uint32_t down;                /* bit n: nothing gets through from or to the client's address n */
    bool patient;                 /* the client checks until it is answered, as browsers do */

    /* what the server said */
    struct {
        enum transport_state state;
        int64_t at_us;
        char text[64];
    } states[RIG_STATES_MAX];
    int state_count;
    struct path paths[RIG_PATHS_MAX]; /* datagrams from these are the peer's */
    int path_count;
    char dropped_ufrags[8][ICE_LOCAL_UFRAG_MAX + 1];
    int dropped_count;
    uint64_t calls; /* of transport_timeout */

    /* set by a test that wants to see */
    void *arg;
    void (*tap)(void *arg, bool to_server, const uint8_t *data, size_t len); /* all that is sent */
    void (*on_rtp)(void *arg, struct packet *p);
    void (*on_rtcp)(void *arg, const uint8_t *data, size_t len);
    void (*on_sent_result)(void *arg, const struct twcc_result *r);
    void (*on_data)(void *arg, const uint8_t *data, size_t len);
    void (*on_client_rtp)(void *arg, const uint8_t *data, size_t len, const struct rtp_packet *h);
    void (*on_client_rtcp)(void *arg, const uint8_t *data, size_t len);
    void (*on_client_data)(void *arg, const uint8_t *data, size_t len);
};

/* Group fixtures: the certificates; the nonce law is watched in between. */
int transport_rig_begin(void **state);
int transport_rig_end(void **state);
/* Teardown of each test: names the seed of a run that did not come to its end. */
int transport_rig_teardown(void **state);

extern struct dtls_context *rig_server_dtls, *rig_client_dtls, *rig_other_dtls;

/* server_role: of DTLS. late: the server does not know the client yet (rig_introduce). The link is perfect
 * and takes 10 ms; the client has one path, its address 0. Nothing has happened yet. */
void rig_init(struct transport_rig *r, uint64_t seed, enum dtls_role server_role, bool late);
void rig_done(struct transport_rig *r);

/* Tells a late server who the client is. */
void rig_introduce(struct transport_rig *r, enum dtls_role server_role);

/* The address of the client's nth interface; its paths as client and server see them. conn: 0 for UDP. */
struct path rig_client_path(unsigned n, uint32_t conn);
struct path rig_server_path(unsigned n, uint32_t conn);

/* Runs until done says so or us have passed. Returns whether done did; done may be NULL. */
bool rig_run(struct transport_rig *r, int64_t us, bool (*done)(const struct transport_rig *r));
bool rig_connected(const struct transport_rig *r); /* for done: both sides are up */

/* Hands a datagram to the server at once, as if it came on path. */
void rig_inject(struct transport_rig *r, const struct path *path, const uint8_t *data, size_t len);

/* ICE restart on both sides, as signalling would do it. */
void rig_restart(struct transport_rig *r);

/* Sends RTP of the server, through the transport's SRTP context, on its selected path. */
void rig_server_rtp(struct transport_rig *r, const struct rtp_fields *f, uint64_t index,
    const struct rtp_ext_out *exts, size_t ext_count, const uint8_t *payload, size_t len);

enum transport_state rig_last_state(const struct transport_rig *r);
struct transport_stats rig_stats(const struct transport_rig *r);

#endif
