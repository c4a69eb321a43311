/* Session keys and initialisation vectors, for back ends on plain ciphers. */
#ifndef SRTP_SESSION_H
#define SRTP_SESSION_H

#include "base/cursor.h"
#include "srtp/srtp.h"

#define SRTP_AUTH_KEY     20 /* bytes of an HMAC-SHA1 key (RFC 3711, section 4.2.1) */
#define SRTP_GCM_IV       12 /* bytes (RFC 7714, section 8.1) */
#define SRTP_GCM_TAG      16
#define SRTP_CM_IV        16 /* bytes (RFC 3711, section 4.1.1) */
#define SRTP_CM_TAG       10
#define SRTP_CM_ROC       4           /* bytes of the rollover counter that a tag covers unseen */
#define SRTP_RTCP_CLEAR   8           /* bytes of a compound RTCP packet that stay clear */
#define SRTP_RTCP_E       0x80000000u /* "encrypted", in the word of the SRTCP index */
#define SRTP_SESSION_SALT 16          /* bytes: a salt and zeros */

/* What one of RTP and RTCP is protected with. Lengths are the profile's; auth is for AES-CM only. */
struct srtp_session {
    uint8_t key[SRTP_KEY_MAX];
    uint8_t auth[SRTP_AUTH_KEY];
    uint8_t salt[SRTP_SESSION_SALT];
};

/* Derives both from a master key and salt (RFC 3711, section 4.3, with key derivation rate 0; RFC 7714,
 * section 11). 0, or -EIO or -ENOMEM with the contents undefined. The caller wipes them. Any thread. */
int srtp_session_derive(enum srtp_profile profile, const uint8_t *key, const uint8_t *salt,
    struct srtp_session *ret_rtp, struct srtp_session *ret_rtcp);

static inline void srtp_session_xor(
    uint8_t iv[16], const uint8_t salt[SRTP_SESSION_SALT], size_t at, uint32_t ssrc, uint64_t index)
{
    uint8_t mask[16] = {0};
    uint64_t a[2], b[2];
    struct writer w = writer_of(mask + at, 10);
    writer_u32(&w, ssrc);
    writer_u16(&w, (uint16_t)(index >> 32));
    writer_u32(&w, (uint32_t)index);
    memcpy(a, mask, sizeof a);
    memcpy(b, salt, sizeof b);
    a[0] ^= b[0];
    a[1] ^= b[1];
    memcpy(iv, a, sizeof a);
}

/* The counter's first block (RFC 3711, section 4.1.1). index: of SRTP or SRTCP. */
static inline void srtp_session_cm_iv(
    uint8_t iv[SRTP_CM_IV], const uint8_t salt[SRTP_SESSION_SALT], uint32_t ssrc, uint64_t index)
{
    srtp_session_xor(iv, salt, 4, ssrc, index);
}

/* The first 12 bytes of iv (RFC 7714, sections 8.1 and 9.1); the others become zero. */
static inline void srtp_session_gcm_iv(
    uint8_t iv[16], const uint8_t salt[SRTP_SESSION_SALT], uint32_t ssrc, uint64_t index)
{
    srtp_session_xor(iv, salt, 2, ssrc, index);
}

#endif
