/* One peer connection without its sockets: ICE (lite), DTLS, SRTP and transport-wide feedback behind input,
 * timeout and next timeout. What it wants sent, and what it received, goes out through ops, inside these
 * calls.
 *
 *   datagram -> transport_stun | transport_dtls | transport_rtp | transport_rtcp -> ops.rtp, ops.rtcp,
 * ops.data ops.send <- STUN replies, DTLS, RTCP.   Outgoing RTP is protected in batches by the caller
 * (transport_tx).
 *
 * Owned by one thread. ops may call transport_write, transport_rtcp_send and transport_close, but not free
 * the transport. No sockets, no clock, no threads: it runs in a test as it is. */
#ifndef TRANSPORT_TRANSPORT_H
#define TRANSPORT_TRANSPORT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include "base/addr.h"
#include "base/cursor.h"
#include "base/packet.h"
#include "cc/twcc.h"
#include "dtls/session.h"
#include "ice/lite.h"
#include "rtp/header.h"
#include "rtp/rtcp.h"
#include "srtp/srtp.h"

struct transport;

enum transport_state {
    TRANSPORT_CONNECTING,
    TRANSPORT_CONNECTED,    /* ICE has a pair and DTLS is established */
    TRANSPORT_DISCONNECTED, /* nothing authenticated heard for ICE_DISCONNECT_US; may come back */
    TRANSPORT_FAILED,       /* consent ran out, or DTLS failed (then for good) */
    TRANSPORT_CLOSED,       /* the peer sent close_notify */
};

struct transport_ops {
    /* One datagram for this path. Valid during the call only. */
    void (*send)(void *arg, const struct path *to, const uint8_t *data, size_t len);
    /* The state changed; text says why, for a log line. */
    void (*state)(void *arg, enum transport_state s, const char *text);
    /* An authenticated RTP packet, decrypted in place and parsed into rtp_of(p). The packet stays the
     * caller's of transport_rtp. */
    void (*rtp)(void *arg, struct packet *p, int64_t now_us);
    /* What the peer's transport-wide feedback says about one packet numbered by transport_twcc_next: before
     * rtcp is called for the datagram that it stood in. NULL: counted in the statistics, nothing else. */
    void (*sent_result)(void *arg, const struct twcc_result *r);
    /* An authenticated RTCP datagram. Transport-wide feedback inside was taken already. */
    void (*rtcp)(void *arg, const uint8_t *data, size_t len, int64_t now_us);
    /* A DTLS application record: an SCTP packet. */
    void (*data)(void *arg, const uint8_t *data, size_t len);
    /* From now on (added) or no longer, datagrams from this path are this peer's. */
    void (*path)(void *arg, const struct path *p, bool added);
    /* A user name fragment that no longer names this peer (ICE restart). */
    void (*ufrag_dropped)(void *arg, const char *ufrag);
};

/* stun and dtls outlive the transport. local: the credentials that were signalled. remote_ufrag may be ""
 * when it is not known yet. 0 or -ENOMEM. */
int transport_new(struct ice_stun *stun, struct dtls_context *dtls, const struct ice_credentials *local,
    const char *remote_ufrag, const struct transport_ops *ops, void *arg, int64_t now_us,
    struct transport **ret);
void transport_free(struct transport *t); /* NULL is allowed; sends nothing */

/* The other side became known: its ufrag, the DTLS role, and "sha-256 AB:CD..." of its certificate. Once. 0,
 * or with nothing changed -EINVAL (fingerprint, ufrag), -EOPNOTSUPP (a hash too weak or unknown), -EALREADY,
 * -ENOMEM. */
int transport_remote(
    struct transport *t, const char *remote_ufrag, const char *fingerprint, bool dtls_client, int64_t now_us);

/* ICE restart: new credentials; the old ones are valid until the new ones are in use. */
void transport_restart(
    struct transport *t, const struct ice_credentials *local, const char *remote_ufrag, int64_t now_us);
int transport_set_remote_ufrag(struct transport *t, const char *remote_ufrag);

/* Sends close_notify. */
void transport_close(struct transport *t);

/* Adds the header extensions that a section negotiated; numbers are common to all sections of a connection.
 */
void transport_extmap_add(struct transport *t, const struct rtp_extmap *m);

/* ---- input, by the kind of datagram (RFC 7983) ---- */

enum ice_verdict transport_stun(
    struct transport *t, const struct path *path, const uint8_t *data, size_t len, int64_t now_us);
void transport_dtls(
    struct transport *t, const struct path *path, const uint8_t *data, size_t len, int64_t now_us);
void transport_rtp(struct transport *t, struct packet *p, int64_t now_us);
void transport_rtcp(struct transport *t, struct packet *p, int64_t now_us);
void transport_conn_closed(struct transport *t, uint32_t conn, int64_t now_us);

void transport_timeout(struct transport *t, int64_t now_us);
int64_t transport_next_timeout(const struct transport *t); /* INT64_MAX: nothing due */

/* ---- output ---- */

/* Where media goes; NULL: nowhere at present. Valid until the next call. */
const struct path *transport_path(const struct transport *t);

/* The SRTP context for outgoing jobs; NULL until DTLS is established. */
struct srtp_tx *transport_tx(struct transport *t);

/* The next transport-wide number, for a packet of size bytes that is sent now. size and tag come back in its
 * result. */
uint16_t transport_twcc_next(struct transport *t, size_t size, uint8_t tag, int64_t now_us);

/* Protects and sends an RTCP compound of len bytes. 0, -ENOTCONN, or an error of srtp_tx_rtcp. */
int transport_rtcp_send(struct transport *t, const uint8_t *data, size_t len);

/* Sends one DTLS application record. 0, -ENOTCONN or -EMSGSIZE. */
int transport_write(struct transport *t, const uint8_t *data, size_t len);

/* Hints before transport_path, transport_tx and transport_twcc_next, in this order and with time in between.
 */
void transport_prefetch(const struct transport *t);
void transport_prefetch_more(const struct transport *t);

/* The SSRC that our feedback is sent with. */
uint32_t transport_ssrc(const struct transport *t);
enum transport_state transport_state(const struct transport *t);
bool transport_has_remote(const struct transport *t);
bool transport_is_dtls_client(const struct transport *t);

struct transport_stats {
    uint64_t ice[ICE_VERDICT_COUNT]; /* STUN messages by verdict */
    uint64_t unknown_path;           /* DTLS or media from where no check came: dropped */
    uint64_t before_keys;            /* media before DTLS was established: dropped */
    uint64_t rtp_in, rtcp_in;        /* authenticated packets */
    uint64_t bytes_in;               /* of them, decrypted */
    uint64_t rtp_malformed, rtcp_malformed;
    uint64_t feedback_bad;             /* unsound transport-wide feedback */
    uint64_t sent_reported, sent_lost; /* by transport-wide feedback */
    struct srtp_rx_stats rx;
};
void transport_stats(const struct transport *t, struct transport_stats *ret);

#endif
