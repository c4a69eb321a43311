/* The OpenSSL back end, for machines that libipsec-mb does not know. */
#include <openssl/evp.h>
#include <errno.h>
#include <string.h>
#include "base/huge.h"
#include "srtp/backend.h"
#include "srtp/open.h"

struct keys {
    EVP_CIPHER_CTX *cipher;
    struct srtp_hmac hmac; /* AES-CM only */
    uint8_t salt[SRTP_SESSION_SALT];
};

/* Also the stream of each SSRC, as all have the same keys. */
struct tx {
    enum srtp_profile profile;
    struct keys rtp, rtcp;
};

/* As EVP_CipherInit_ex counts. */
enum direction { DECRYPT = 0, ENCRYPT = 1 };

static bool supports(enum srtp_profile p)
{
    return srtp_profile_is_known(p);
}

/* ---- keys ---- */

static const EVP_CIPHER *cipher_of(enum srtp_profile p)
{
    switch (p) {
    case SRTP_PROFILE_AEAD_AES_128_GCM:
        return EVP_aes_128_gcm();
    case SRTP_PROFILE_AEAD_AES_256_GCM:
        return EVP_aes_256_gcm();
    default:
        return EVP_aes_128_ctr();
    }
}

/* *ret is the caller's to free, also after an error; it may be NULL then. */
static int cipher_new(
    enum srtp_profile p, const struct srtp_session *s, enum direction direction, EVP_CIPHER_CTX **ret)
{
    *ret = EVP_CIPHER_CTX_new();
    if (!*ret)
        return -ENOMEM;
    return EVP_CipherInit_ex(*ret, cipher_of(p), NULL, s->key, NULL, (int)direction) == 1 ? 0 : -EIO;
}

static int keys_init(struct keys *k, enum srtp_profile p, const struct srtp_session *s)
{
    int r = cipher_new(p, s, ENCRYPT, &k->cipher);
    if (r < 0)
        return r;
    srtp_hmac_init(&k->hmac, s);
    memcpy(k->salt, s->salt, sizeof k->salt);
    return 0;
}

static void tx_free(void *state)
{
    struct tx *tx = state;
    EVP_CIPHER_CTX_free(tx->rtp.cipher);
    EVP_CIPHER_CTX_free(tx->rtcp.cipher);
    explicit_bzero(tx, sizeof *tx);
    huge_free(tx, sizeof *tx);
}

static int tx_new(enum srtp_profile p, const uint8_t *key, const uint8_t *salt, void **ret)
{
    struct srtp_session rtp, rtcp;
    struct tx *tx = huge_alloc(sizeof *tx);
    if (!tx)
        return -ENOMEM;
    tx->profile = p;
    int r = srtp_session_derive(p, key, salt, &rtp, &rtcp);
    if (r == 0)
        r = keys_init(&tx->rtp, p, &rtp);
    if (r == 0)
        r = keys_init(&tx->rtcp, p, &rtcp);
    explicit_bzero(&rtp, sizeof rtp);
    explicit_bzero(&rtcp, sizeof rtcp);
    if (r < 0) {
        tx_free(tx);
        return r;
    }
    *ret = tx;
    return 0;
}

static int tx_ssrc_add(void *tx, uint32_t ssrc, void **ret)
{
    (void)ssrc;
    *ret = tx;
    return 0;
}

static void tx_ssrc_del(void *tx, uint32_t ssrc, void *stream)
{
    (void)tx;
    (void)ssrc;
    (void)stream;
}

static int tx_ssrc_start(void *tx, uint32_t ssrc, void *stream, uint64_t index)
{
    (void)tx;
    (void)ssrc;
    (void)stream;
    (void)index;
    return 0;
}

/* ---- sending ---- */

/* aad, then in (n bytes) to out, the tag behind it. in may be out. */
static bool gcm_seal(const struct keys *k, const uint8_t iv[SRTP_GCM_IV], const uint8_t *aad, size_t aad_len,
    const uint8_t *in, size_t n, uint8_t *out)
{
    EVP_CIPHER_CTX *c = k->cipher;
    int done;

    return EVP_EncryptInit_ex(c, NULL, NULL, NULL, iv) == 1 &&
           EVP_EncryptUpdate(c, NULL, &done, aad, (int)aad_len) == 1 &&
           (n == 0 || EVP_EncryptUpdate(c, out, &done, in, (int)n) == 1) &&
           EVP_EncryptFinal_ex(c, out + n, &done) == 1 &&
           EVP_CIPHER_CTX_ctrl(c, EVP_CTRL_GCM_GET_TAG, SRTP_GCM_TAG, out + n) == 1;
}

/* Encrypts n bytes from in to out + clear. The tag of all that, with the 4 bytes of behind, goes to tag. */
static bool cm_seal(const struct keys *k, const uint8_t iv[SRTP_CM_IV], const uint8_t *in, size_t n,
    uint8_t *out, size_t clear, const uint8_t behind[4], uint8_t *tag)
{
    EVP_CIPHER_CTX *c = k->cipher;
    int done;

    if (n > 0 && (EVP_EncryptInit_ex(c, NULL, NULL, NULL, iv) != 1 ||
                     EVP_EncryptUpdate(c, out + clear, &done, in, (int)n) != 1))
        return false;
    srtp_hmac_tag(&k->hmac, out, clear + n, behind, tag);
    return true;
}

static bool protect_rtp(const struct tx *tx, const struct srtp_tx_job *j)
{
    size_t len = (size_t)j->header_len + j->payload_len;
    uint8_t iv[16], roc[SRTP_CM_ROC];
    struct writer w = writer_of(roc, sizeof roc);

    memcpy(j->out, j->header, j->header_len);
    if (tx->profile != SRTP_PROFILE_AES128_CM_SHA1_80) {
        srtp_session_gcm_iv(iv, tx->rtp.salt, j->ssrc, j->index);
        return gcm_seal(
            &tx->rtp, iv, j->header, j->header_len, j->payload, j->payload_len, j->out + j->header_len);
    }
    writer_u32(&w, (uint32_t)(j->index >> 16));
    srtp_session_cm_iv(iv, tx->rtp.salt, j->ssrc, j->index);
    return cm_seal(&tx->rtp, iv, j->payload, j->payload_len, j->out, j->header_len, roc, j->out + len);
}

static void tx_run(struct srtp_tx_job *const *jobs, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        struct srtp_tx_job *j = jobs[i];
        const struct tx *tx = j->stream;
        bool good = protect_rtp(tx, j);
        j->ret_err = good ? 0 : -EIO;
        j->ret_len =
            good ? (size_t)j->header_len + j->payload_len + srtp_profile_rtp_trailer(tx->profile) : 0;
    }
}

/* The word with the index is sent behind the tag of AEAD profiles (RFC 7714, section 9) and in front of the
 * other's (RFC 3711, section 3.4). */
static int tx_rtcp(void *state, uint32_t ssrc, void *stream, uint32_t index, uint8_t *packet, size_t *len)
{
    const struct tx *tx = state;
    uint8_t iv[16], aad[SRTP_RTCP_CLEAR + 4], word[4], *body = packet + SRTP_RTCP_CLEAR;
    size_t n = *len - SRTP_RTCP_CLEAR;
    struct writer w = writer_of(word, sizeof word), a = writer_of(aad, sizeof aad);
    bool good;

    (void)stream;
    writer_u32(&w, SRTP_RTCP_E | index);
    if (tx->profile != SRTP_PROFILE_AES128_CM_SHA1_80) {
        writer_bytes(&a, packet, SRTP_RTCP_CLEAR);
        writer_bytes(&a, word, sizeof word);
        srtp_session_gcm_iv(iv, tx->rtcp.salt, ssrc, index);
        good = gcm_seal(&tx->rtcp, iv, aad, sizeof aad, body, n, body);
        memcpy(body + n + SRTP_GCM_TAG, word, sizeof word);
    } else {
        srtp_session_cm_iv(iv, tx->rtcp.salt, ssrc, index);
        good = cm_seal(&tx->rtcp, iv, body, n, packet, SRTP_RTCP_CLEAR, word, body + n + sizeof word);
        memcpy(body + n, word, sizeof word);
    }
    if (!good)
        return -EIO;
    *len += srtp_profile_rtcp_trailer(tx->profile);
    return 0;
}

/* ---- receiving ---- */

struct rx {
    struct srtp_open rtp, rtcp; /* their keys are EVP_CIPHER_CTX */
};

static int gcm_open(void *key, enum srtp_profile p, const uint8_t iv[SRTP_GCM_IV], const uint8_t *aad,
    size_t aad_len, uint8_t *data, size_t n, const uint8_t tag[SRTP_GCM_TAG])
{
    EVP_CIPHER_CTX *c = key;
    uint8_t expected[SRTP_GCM_TAG], none[16];
    int done;

    (void)p;
    memcpy(expected, tag, sizeof expected); /* SET_TAG takes no const */
    if (EVP_DecryptInit_ex(c, NULL, NULL, NULL, iv) != 1 ||
        EVP_CIPHER_CTX_ctrl(c, EVP_CTRL_GCM_SET_TAG, sizeof expected, expected) != 1 ||
        EVP_DecryptUpdate(c, NULL, &done, aad, (int)aad_len) != 1 ||
        (n > 0 && EVP_DecryptUpdate(c, data, &done, data, (int)n) != 1))
        return -EIO;
    return EVP_DecryptFinal_ex(c, none, &done) == 1 ? 0 : -EBADMSG;
}

static int ctr_open(void *key, const uint8_t iv[SRTP_CM_IV], uint8_t *data, size_t n)
{
    int done;
    return EVP_DecryptInit_ex(key, NULL, NULL, NULL, iv) == 1 &&
                   EVP_DecryptUpdate(key, data, &done, data, (int)n) == 1
               ? 0
               : -EIO;
}

static const struct srtp_open_cipher open_cipher = {.gcm = gcm_open, .ctr = ctr_open};

static void rx_free(void *state)
{
    struct rx *rx = state;
    EVP_CIPHER_CTX_free(rx->rtp.key); /* wipes its keys */
    EVP_CIPHER_CTX_free(rx->rtcp.key);
    explicit_bzero(rx, sizeof *rx);
    huge_free(rx, sizeof *rx);
}

static int rx_open_init(struct srtp_open *o, enum srtp_profile p, const struct srtp_session *s)
{
    EVP_CIPHER_CTX *c;
    int r = cipher_new(p, s, DECRYPT, &c);
    srtp_open_init(o, &open_cipher, c, p, s);
    return r;
}

static int rx_new(enum srtp_profile p, const uint8_t *key, const uint8_t *salt, void **ret)
{
    struct srtp_session rtp, rtcp;
    struct rx *rx = huge_alloc(sizeof *rx);
    if (!rx)
        return -ENOMEM;
    int r = srtp_session_derive(p, key, salt, &rtp, &rtcp);
    if (r == 0)
        r = rx_open_init(&rx->rtp, p, &rtp);
    if (r == 0)
        r = rx_open_init(&rx->rtcp, p, &rtcp);
    explicit_bzero(&rtp, sizeof rtp);
    explicit_bzero(&rtcp, sizeof rtcp);
    if (r < 0) {
        rx_free(rx);
        return r;
    }
    *ret = rx;
    return 0;
}

static int rx_rtp(void *state, uint32_t ssrc, uint64_t index, size_t header_len, uint8_t *packet, size_t *len)
{
    const struct rx *rx = state;
    return srtp_open_rtp(&rx->rtp, ssrc, index, header_len, packet, len);
}

static int rx_rtcp(void *state, uint32_t ssrc, uint32_t index, uint8_t *packet, size_t *len)
{
    const struct rx *rx = state;
    return srtp_open_rtcp(&rx->rtcp, ssrc, index, packet, len);
}

static void rx_ssrc_del(void *rx, uint32_t ssrc)
{
    (void)rx;
    (void)ssrc;
}

const struct srtp_backend srtp_backend_evp = {
    .name = "openssl",
    .supports = supports,
    .rx_new = rx_new,
    .rx_free = rx_free,
    .rx_rtp = rx_rtp,
    .rx_rtcp = rx_rtcp,
    .rx_ssrc_del = rx_ssrc_del,
    .tx_new = tx_new,
    .tx_free = tx_free,
    .tx_ssrc_add = tx_ssrc_add,
    .tx_ssrc_del = tx_ssrc_del,
    .tx_ssrc_start = tx_ssrc_start,
    .tx_run = tx_run,
    .tx_rtcp = tx_rtcp,
};
