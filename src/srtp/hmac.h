/* The tag of AES-CM profiles: HMAC-SHA1 over a packet and four bytes that belong behind it, one packet at a
 * time. OpenSSL's plain SHA-1, not its HMAC, which allocates for every packet and takes a sixth longer. */
#ifndef SRTP_HMAC_H
#define SRTP_HMAC_H

#define OPENSSL_SUPPRESS_DEPRECATED /* SHA1_Update and its kin */
#include <openssl/sha.h>
#include "srtp/session.h"

struct srtp_hmac {
    SHA_CTX inner, outer; /* after the key's block */
};

/* Of the session's auth key. Whoever owns h wipes it. */
void srtp_hmac_init(struct srtp_hmac *h, const struct srtp_session *s);

/* The tag of n bytes and of those behind them: the rollover counter (RFC 3711, section 4.2) or the word with
 * the SRTCP index. Any number of threads with one h. */
void srtp_hmac_tag(const struct srtp_hmac *h, const uint8_t *data, size_t n,
    const uint8_t behind[SRTP_CM_ROC], uint8_t ret[SRTP_CM_TAG]);

#endif
