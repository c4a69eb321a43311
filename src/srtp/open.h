/* Receiving for back ends on plain ciphers: where tags, words and clear bytes lie is the same for all. */
#ifndef SRTP_OPEN_H
#define SRTP_OPEN_H

#include "srtp/hmac.h"

struct srtp_open_cipher {
    /* AES-GCM: authenticates aad and data against tag, then n bytes of data are plain. 0, -EBADMSG (data is
     * undefined) or -EIO. */
    int (*gcm)(void *key, enum srtp_profile p, const uint8_t iv[SRTP_GCM_IV], const uint8_t *aad,
        size_t aad_len, uint8_t *data, size_t n, const uint8_t tag[SRTP_GCM_TAG]);
    /* AES in counter mode over n bytes, at least one. 0, -ENOMEM or -EIO. */
    int (*ctr)(void *key, const uint8_t iv[SRTP_CM_IV], uint8_t *data, size_t n);
};

/* What one of RTP and RTCP is received with. Holds secrets. */
struct srtp_open {
    const struct srtp_open_cipher *cipher;
    void *key; /* the cipher's, and its owner's */
    enum srtp_profile profile;
    struct srtp_hmac hmac; /* AES-CM only */
    uint8_t salt[SRTP_SESSION_SALT];
};

void srtp_open_init(struct srtp_open *o, const struct srtp_open_cipher *cipher, void *key,
    enum srtp_profile p, const struct srtp_session *s);

/* In place; lengths have been checked. 0, with *len that of the plain packet, or -EBADMSG, -ENOMEM or -EIO;
 * after -EBADMSG nothing that was decrypted is left. One thread at a time with one key. */
int srtp_open_rtp(const struct srtp_open *o, uint32_t ssrc, uint64_t index, size_t header_len,
    uint8_t *packet, size_t *len);
int srtp_open_rtcp(const struct srtp_open *o, uint32_t ssrc, uint32_t index, uint8_t *packet, size_t *len);

#endif
