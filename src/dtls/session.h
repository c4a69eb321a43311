/* DTLS 1.2 for SRTP keys and data channels (RFC 6347, RFC 5764, RFC 8842). No I/O: datagrams and the time
 * come in through functions, datagrams go out through ops.send, one call each and at most DTLS_MTU bytes.
 *
 * A session belongs to one thread. Its callbacks run inside dtls_session_input, _timeout, _start, _write,
 * _close and _fingerprint_add; they may call dtls_session_write and _close, but not free the session. After
 * the handshake it is records in, records out. ops.send must not call back. */
#ifndef DTLS_SESSION_H
#define DTLS_SESSION_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include "base/limits.h"
#include "tls/cert.h"

/* Cipher settings and the certificate, shared by the sessions of all threads. */
struct dtls_context;
struct dtls_session;

/* Takes a reference to the certificate. 0, -EINVAL (key of a kind that DTLS cannot use) or -ENOMEM. */
int dtls_context_new(struct cert *cert, struct dtls_context **ret);
void dtls_context_free(struct dtls_context *c); /* sessions still open keep what they need; NULL is allowed */
const char *dtls_context_fingerprint(const struct dtls_context *c); /* as cert_fingerprint */

enum dtls_role {
    DTLS_SERVER, /* a=setup:passive: waits for a ClientHello */
    DTLS_CLIENT, /* a=setup:active: dtls_session_start sends one */
};

/* A master key and salt of one direction (RFC 3711, section 8.2). */
struct dtls_srtp_key {
    uint8_t key[32];
    uint8_t salt[14];
};

struct dtls_keys {
    uint16_t srtp_profile; /* number of the DTLS-SRTP protection profile (equals enum srtp_profile); 0: none
                              agreed */
    struct dtls_srtp_key local;  /* for what this side sends */
    struct dtls_srtp_key remote; /* for what the peer sends */
    uint8_t key_len, salt_len;   /* bytes of them in use */
};

enum dtls_close {
    DTLS_CLOSED_LOCAL,       /* dtls_session_close */
    DTLS_CLOSED_PEER,        /* close_notify */
    DTLS_FAILED_TIMEOUT,     /* handshake not over within DTLS_HANDSHAKE_US */
    DTLS_FAILED_FINGERPRINT, /* the peer's certificate is not the one that its SDP names */
    DTLS_FAILED_ALERT,       /* fatal alert from the peer */
    DTLS_FAILED_PROTOCOL,    /* anything else that OpenSSL refuses */
};

struct dtls_ops {
    /* One datagram for the peer. data is valid during the call only. */
    void (*send)(void *arg, const uint8_t *data, size_t len);
    /* The handshake is over and the peer's certificate matches a fingerprint; called once. keys is wiped
     * after it. */
    void (*established)(void *arg, const struct dtls_keys *keys);
    /* One application record (SCTP packet), 1 to DTLS_RECORD_MAX bytes; never before established. */
    void (*data)(void *arg, const uint8_t *data, size_t len);
    /* Over, for good; called at most once and last. text is for a log line. */
    void (*closed)(void *arg, enum dtls_close why, const char *text);
};

/* ops and arg must outlive the session. 0 or -ENOMEM. */
int dtls_session_new(struct dtls_context *c, enum dtls_role role, const struct dtls_ops *ops, void *arg,
    struct dtls_session **ret);
void dtls_session_free(struct dtls_session *s); /* sends nothing; NULL is allowed */

/* Admits a certificate by the hash that a=fingerprint gives: algorithm "sha-256", "sha-384" or "sha-512" in
 * any case, text "AB:CD:...". Up to DTLS_FINGERPRINTS_MAX; the peer must match one (RFC 8122, section 5).
 * Until the first is given a finished handshake waits and application data is dropped. Compared in constant
 * time. 0, -EOPNOTSUPP (an algorithm too weak or unknown; skip it), -EINVAL (text) or -ENOSPC. */
int dtls_session_fingerprint_add(
    struct dtls_session *s, const char *algorithm, const char *text, int64_t now_us);

/* A client sends its ClientHello; both sides start the handshake's clock. Input starts a server by itself. */
void dtls_session_start(struct dtls_session *s, int64_t now_us);

/* One datagram from the peer. What is not DTLS is dropped and counted, what does not decrypt is dropped. */
void dtls_session_input(struct dtls_session *s, const uint8_t *data, size_t len, int64_t now_us);

/* Sends again what is due. To be called at or after dtls_session_next_timeout_us. */
void dtls_session_timeout(struct dtls_session *s, int64_t now_us);
int64_t dtls_session_next_timeout_us(const struct dtls_session *s); /* INT64_MAX: nothing due */

/* Sends one record of 1 to DTLS_PAYLOAD_MAX bytes. 0, -ENOTCONN before established or after the end,
 * -EMSGSIZE or -ENOMEM. */
int dtls_session_write(struct dtls_session *s, const uint8_t *data, size_t len);

/* Sends close_notify if the handshake is over, then calls closed(DTLS_CLOSED_LOCAL). Nothing if closed
 * already. */
void dtls_session_close(struct dtls_session *s);

bool dtls_session_is_established(const struct dtls_session *s);
enum dtls_role dtls_session_role(const struct dtls_session *s);
const char *dtls_session_cipher(
    const struct dtls_session *s); /* "ECDHE-ECDSA-AES128-GCM-SHA256"; "" before */

struct dtls_stats {
    uint64_t datagrams_in, datagrams_out;
    uint64_t dropped;         /* datagrams: not DTLS, first record too short, or after the end */
    uint64_t early_data;      /* application records before established */
    uint32_t retransmissions; /* flights sent again because of the timer */
};
void dtls_session_stats(const struct dtls_session *s, struct dtls_stats *ret);

const char *dtls_close_text(enum dtls_close why); /* "closed by the peer", ... */

#endif
