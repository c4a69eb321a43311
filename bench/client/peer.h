/* The client's end of a peer connection without its sockets: the controlling side of ICE, DTLS and SRTP.
 * Datagrams and the time are handed in; what goes out comes through ops. One thread. */
#ifndef BENCH_CLIENT_PEER_H
#define BENCH_CLIENT_PEER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include "base/addr.h"
#include "dtls/session.h"
#include "ice/control.h"
#include "rtp/header.h"
#include "srtp/srtp.h"

struct peer_ops {
    void (*send)(void *arg, const struct path *path, const uint8_t *data, size_t len);
    void (*connected)(void *arg); /* DTLS is up: media may be sent */
    /* Decrypted packets; data is valid during the call. h is what rtp_parse says with the peer's extmap. */
    void (*rtp)(void *arg, const uint8_t *data, size_t len, const struct rtp_packet *h);
    void (*rtcp)(void *arg, const uint8_t *data, size_t len);
    void (*data)(void *arg, const uint8_t *data, size_t len); /* a DTLS application record; may be NULL */
    void (*closed)(void *arg, const char *why);               /* once and last */
};

/* What a peer counts. */
struct peer_stats {
    uint64_t rtp, rtcp;    /* packets that proved genuine */
    uint64_t repeated;     /* SRTP packets seen before */
    uint64_t refused;      /* everything else that was dropped, error replies to checks included */
    uint64_t check_errors; /* those among it that are STUN */
    int64_t ice_us;        /* a path answered; 0: not yet */
    int64_t connected_us;  /* DTLS was up; 0: not yet */
};

struct peer {
    const struct peer_ops *ops;
    void *arg;
    struct ice_stun *stun; /* the thread's */
    struct ice_control ice;
    struct dtls_context *context;
    struct dtls_session *dtls; /* NULL until the remote side is known */
    struct srtp_rx *rx;
    struct srtp_tx *tx;
    struct rtp_extmap extmap; /* for parsing and writing */
    struct peer_stats stats;
    bool started; /* DTLS */
    bool closed;
    int64_t now_us;
};

/* stun and context are shared by the peers of a thread, and outlive them. */
void peer_init(struct peer *p, struct ice_stun *stun, struct dtls_context *context,
    const struct peer_ops *ops, void *arg, int64_t now_us);
void peer_done(struct peer *p); /* sends nothing */

/* What the server's description says; checks begin on the paths that are added. Called once. 0, -EINVAL (not
 * legal) or -ENOMEM. */
int peer_remote(struct peer *p, const char *ufrag, const char *pwd, const char *fingerprint, bool dtls_client,
    int64_t now_us);
int peer_add_path(struct peer *p, const struct path *path, int64_t now_us); /* as ice_control_add_path */

/* One datagram, which is decrypted in place. */
void peer_input(struct peer *p, const struct path *path, uint8_t *data, size_t len, int64_t now_us);

/* Does what time asks for; at peer_next_timeout, after input and after every change. */
void peer_run(struct peer *p, int64_t now_us);
int64_t peer_next_timeout(const struct peer *p); /* INT64_MAX: never */

/* Where media goes: the nominated path, or before there is one the first that answered; NULL: nowhere yet. */
const struct path *peer_path(const struct peer *p);
bool peer_connected(const struct peer *p);

/* Encrypts a packet whose header f, exts and the peer's extmap make, and sends it. index: rollover counter <<
 * 16 | sequence number. 0, -ENOTCONN before peer_connected, or as srtp_tx_run and rtp_write_header. */
int peer_send_rtp(struct peer *p, const struct rtp_fields *f, uint64_t index, const struct rtp_ext_out *exts,
    size_t ext_count, const uint8_t *payload, size_t len);

/* The same for a compound RTCP packet. */
int peer_send_rtcp(struct peer *p, const uint8_t *data, size_t len);

#endif
