#include "srtp/open.h"
#include <openssl/crypto.h>
#include <errno.h>
#include <string.h>

void srtp_open_init(struct srtp_open *o, const struct srtp_open_cipher *cipher, void *key,
    enum srtp_profile p, const struct srtp_session *s)
{
    *o = (struct srtp_open){.cipher = cipher, .key = key, .profile = p};
    if (p == SRTP_PROFILE_AES128_CM_SHA1_80)
        srtp_hmac_init(&o->hmac, s);
    memcpy(o->salt, s->salt, sizeof o->salt);
}

static int gcm_open(
    const struct srtp_open *o, const uint8_t *iv, const uint8_t *aad, size_t aad_len, uint8_t *data, size_t n)
{
    int r = o->cipher->gcm(o->key, o->profile, iv, aad, aad_len, data, n, data + n);
    if (r < 0)
        memset(data, 0, n); /* what a forger sent must not be seen decrypted (NIST SP 800-38D, section 7.2) */
    return r;
}

/* The tag covers clear + n bytes of the packet and those of behind; then the n are decrypted. */
static int cm_open(const struct srtp_open *o, uint32_t ssrc, uint64_t index, uint8_t *packet, size_t clear,
    size_t n, const uint8_t behind[SRTP_CM_ROC], const uint8_t *tag)
{
    uint8_t made[SRTP_CM_TAG], iv[SRTP_CM_IV];

    srtp_hmac_tag(&o->hmac, packet, clear + n, behind, made);
    if (CRYPTO_memcmp(made, tag, sizeof made) != 0)
        return -EBADMSG;
    if (n == 0)
        return 0;
    srtp_session_cm_iv(iv, o->salt, ssrc, index);
    return o->cipher->ctr(o->key, iv, packet + clear, n);
}

int srtp_open_rtp(
    const struct srtp_open *o, uint32_t ssrc, uint64_t index, size_t header_len, uint8_t *packet, size_t *len)
{
    bool is_cm = o->profile == SRTP_PROFILE_AES128_CM_SHA1_80;
    size_t plain_len = *len - (is_cm ? SRTP_CM_TAG : SRTP_GCM_TAG), n = plain_len - header_len;
    int r;

    if (is_cm) {
        uint8_t roc[SRTP_CM_ROC];
        struct writer w = writer_of(roc, sizeof roc);
        writer_u32(&w, (uint32_t)(index >> 16));
        r = cm_open(o, ssrc, index, packet, header_len, n, roc, packet + plain_len);
    } else {
        uint8_t iv[16];
        srtp_session_gcm_iv(iv, o->salt, ssrc, index);
        r = gcm_open(o, iv, packet, header_len, packet + header_len, n);
    }
    if (r == 0)
        *len = plain_len;
    return r;
}

/* The word with the index lies behind the tag of AEAD profiles, but is authenticated behind the clear header
 * (RFC 7714, section 9); the other's lies in front of the tag (RFC 3711, section 3.4). */
int srtp_open_rtcp(const struct srtp_open *o, uint32_t ssrc, uint32_t index, uint8_t *packet, size_t *len)
{
    bool is_cm = o->profile == SRTP_PROFILE_AES128_CM_SHA1_80;
    size_t plain_len = *len - (is_cm ? SRTP_CM_TAG : SRTP_GCM_TAG) - SRTP_CM_ROC;
    size_t n = plain_len - SRTP_RTCP_CLEAR;
    uint8_t aad[SRTP_RTCP_CLEAR + 4], *word = aad + SRTP_RTCP_CLEAR;
    struct writer w = writer_of(aad, sizeof aad);
    int r;

    writer_bytes(&w, packet, SRTP_RTCP_CLEAR);
    writer_u32(&w, SRTP_RTCP_E | index);
    if (is_cm) {
        r = cm_open(o, ssrc, index, packet, SRTP_RTCP_CLEAR, n, word, packet + plain_len + SRTP_CM_ROC);
    } else {
        uint8_t iv[16];
        srtp_session_gcm_iv(iv, o->salt, ssrc, index);
        r = gcm_open(o, iv, aad, sizeof aad, packet + SRTP_RTCP_CLEAR, n);
    }
    if (r == 0)
        *len = plain_len;
    return r;
}
