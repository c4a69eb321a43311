/* The libipsec-mb back end: receiving, a packet at a time.
 *
 * AES-CM's tag is made by OpenSSL: with one packet only one of the library's lanes is used, which takes as
 * long as OpenSSL where the processor has SHA instructions and four times as long where not (1,100 bytes: 650
 * and 2,700 ns). */
#ifdef SRTP_IPSECMB

#include "srtp/ipsecmb.h"
#include <openssl/crypto.h>
#include <errno.h>
#include <string.h>
#include "base/huge.h"
#include "srtp/open.h"

struct rx {
    size_t size; /* of all of it */
    struct srtp_open rtp, rtcp;
};

struct gcm_rx {
    struct rx rx;
    _Alignas(IPSECMB_LINE) struct gcm_key_data rtp;
    _Alignas(IPSECMB_LINE) struct gcm_key_data rtcp;
};

struct cm_rx {
    struct rx rx;
    _Alignas(IPSECMB_LINE) uint8_t rtp[IPSECMB_SCHEDULE];
    _Alignas(IPSECMB_LINE) uint8_t rtcp[IPSECMB_SCHEDULE];
};

static int gcm_open(void *key, enum srtp_profile p, const uint8_t iv[SRTP_GCM_IV], const uint8_t *aad,
    size_t aad_len, uint8_t *data, size_t n, const uint8_t tag[SRTP_GCM_TAG])
{
    IMB_MGR *m = srtp_ipsecmb_common();
    struct gcm_context_data context;
    uint8_t made[SRTP_GCM_TAG];

    if (p == SRTP_PROFILE_AEAD_AES_256_GCM)
        IMB_AES256_GCM_DEC(m, key, &context, data, data, n, iv, aad, aad_len, made, sizeof made);
    else
        IMB_AES128_GCM_DEC(m, key, &context, data, data, n, iv, aad, aad_len, made, sizeof made);
    return CRYPTO_memcmp(made, tag, sizeof made) == 0 ? 0 : -EBADMSG;
}

static int ctr_open(void *key, const uint8_t iv[SRTP_CM_IV], uint8_t *data, size_t n)
{
    IMB_MGR *m = srtp_ipsecmb_own();
    IMB_JOB job = {
        .cipher_mode = IMB_CIPHER_CNTR,
        .cipher_direction = IMB_DIR_DECRYPT,
        .hash_alg = IMB_AUTH_NULL,
        .chain_order = IMB_ORDER_HASH_CIPHER,
        .key_len_in_bytes = IMB_KEY_128_BYTES,
        .enc_keys = key,
        .dec_keys = key,
        .iv = iv,
        .iv_len_in_bytes = SRTP_CM_IV,
        .src = data,
        .dst = data,
        .msg_len_to_cipher_in_bytes = n,
    };

    if (!m)
        return -ENOMEM;
    return IMB_SUBMIT_CIPHER_BURST_NOCHECK(m, &job, 1, IMB_CIPHER_CNTR, IMB_DIR_DECRYPT, IMB_KEY_128_BYTES) ==
                   1
               ? 0
               : -EIO;
}

static const struct srtp_open_cipher cipher = {.gcm = gcm_open, .ctr = ctr_open};

static void cm_init(struct cm_rx *cm, const struct srtp_session *rtp, const struct srtp_session *rtcp)
{
    const enum srtp_profile p = SRTP_PROFILE_AES128_CM_SHA1_80;
    srtp_ipsecmb_expand_cm(rtp, cm->rtp);
    srtp_ipsecmb_expand_cm(rtcp, cm->rtcp);
    srtp_open_init(&cm->rx.rtp, &cipher, cm->rtp, p, rtp);
    srtp_open_init(&cm->rx.rtcp, &cipher, cm->rtcp, p, rtcp);
}

static void gcm_init(
    struct gcm_rx *gcm, enum srtp_profile p, const struct srtp_session *rtp, const struct srtp_session *rtcp)
{
    srtp_ipsecmb_expand_gcm(p, rtp, &gcm->rtp);
    srtp_ipsecmb_expand_gcm(p, rtcp, &gcm->rtcp);
    srtp_open_init(&gcm->rx.rtp, &cipher, &gcm->rtp, p, rtp);
    srtp_open_init(&gcm->rx.rtcp, &cipher, &gcm->rtcp, p, rtcp);
}

int srtp_ipsecmb_rx_new(enum srtp_profile p, const uint8_t *key, const uint8_t *salt, void **ret)
{
    bool is_cm = p == SRTP_PROFILE_AES128_CM_SHA1_80;
    size_t size = is_cm ? sizeof(struct cm_rx) : sizeof(struct gcm_rx);
    struct srtp_session rtp, rtcp;
    struct rx *rx = huge_alloc(size);
    if (!rx)
        return -ENOMEM;
    rx->size = size;
    int r = srtp_session_derive(p, key, salt, &rtp, &rtcp);
    if (r == 0 && is_cm)
        cm_init((struct cm_rx *)rx, &rtp, &rtcp);
    else if (r == 0)
        gcm_init((struct gcm_rx *)rx, p, &rtp, &rtcp);
    explicit_bzero(&rtp, sizeof rtp);
    explicit_bzero(&rtcp, sizeof rtcp);
    if (r < 0) {
        srtp_ipsecmb_rx_free(rx);
        return r;
    }
    *ret = rx;
    return 0;
}

void srtp_ipsecmb_rx_free(void *state)
{
    struct rx *rx = state;
    size_t size = rx->size;
    explicit_bzero(rx, size);
    huge_free(rx, size);
}

int srtp_ipsecmb_rx_rtp(
    void *state, uint32_t ssrc, uint64_t index, size_t header_len, uint8_t *packet, size_t *len)
{
    const struct rx *rx = state;
    return srtp_open_rtp(&rx->rtp, ssrc, index, header_len, packet, len);
}

int srtp_ipsecmb_rx_rtcp(void *state, uint32_t ssrc, uint32_t index, uint8_t *packet, size_t *len)
{
    const struct rx *rx = state;
    return srtp_open_rtcp(&rx->rtcp, ssrc, index, packet, len);
}

void srtp_ipsecmb_rx_ssrc_del(void *state, uint32_t ssrc)
{
    (void)state;
    (void)ssrc;
}

#endif
