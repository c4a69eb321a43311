/* Inside dtls/ only. */
#ifndef DTLS_SESSION_PRIVATE_H
#define DTLS_SESSION_PRIVATE_H

#include <openssl/ssl.h>
#include "dtls/session.h"

/* A fingerprint that the SDP gave. */
struct dtls_fingerprint {
    const EVP_MD *md;
    uint8_t hash[EVP_MAX_MD_SIZE];
};

enum dtls_state {
    DTLS_HANDSHAKE,
    DTLS_WAITS_FOR_FINGERPRINT, /* handshake over, nothing to compare the certificate with yet */
    DTLS_ESTABLISHED,
    DTLS_OVER,
};

struct dtls_session {
    SSL *ssl;
    const struct dtls_ops *ops;
    void *arg;
    enum dtls_role role;
    enum dtls_state state;
    bool fingerprint_failed;
    const uint8_t *in; /* the datagram that OpenSSL may read, during dtls_session_input */
    size_t in_len;
    int64_t deadline_us;     /* end of the handshake; INT64_MAX before the start and after the end */
    int64_t next_timeout_us; /* of OpenSSL's timer; INT64_MAX: none */
    struct dtls_fingerprint fingerprints[DTLS_FINGERPRINTS_MAX];
    size_t fingerprint_count;
    struct dtls_stats stats;
};

/* A new SSL of the context, without BIO; NULL without memory. */
SSL *dtls_context_ssl(const struct dtls_context *c);

/* A BIO whose read gives the session's datagram whole, once, and whose every write is one datagram sent. */
BIO *dtls_bio_new(struct dtls_session *s);

/* Does the certificate match a fingerprint of the session? Constant time for each. */
bool dtls_fingerprint_matches(const struct dtls_session *s, const X509 *cert);

#endif
