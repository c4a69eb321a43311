/* The OpenSSL back end: sending only, for machines that libipsec-mb does not know. AES goes through EVP;
 * SHA-1 does not: OpenSSL 3's HMAC allocates for every packet, the plain hash does not and takes a sixth less
 * time.
 */
#define OPENSSL_SUPPRESS_DEPRECATED /* SHA1_Update and its kin */
#include <openssl/evp.h>
#include <openssl/sha.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include "srtp/backend.h"
#include "srtp/session.h"

struct keys {
    EVP_CIPHER_CTX *cipher;
    SHA_CTX inner, outer; /* after the key's block; AES-CM only */
    uint8_t salt[SRTP_SESSION_SALT];
};

/* Also the stream of each SSRC, as all have the same keys. */
struct tx {
    enum srtp_profile profile;
    struct keys rtp, rtcp;
};

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

/* SHA-1 begun with the key's block (RFC 2104: 0x36 for the inner hash, 0x5c for the outer). */
static void hash_key(const struct srtp_session *s, uint8_t pad, SHA_CTX *ret)
{
    uint8_t block[SHA_CBLOCK];

    memset(block, pad, sizeof block);
    for (size_t i = 0; i < sizeof s->auth; i++)
        block[i] ^= s->auth[i];
    (void)SHA1_Init(ret);
    (void)SHA1_Update(ret, block, sizeof block);
    explicit_bzero(block, sizeof block);
}

static int keys_init(struct keys *k, enum srtp_profile p, const struct srtp_session *s)
{
    k->cipher = EVP_CIPHER_CTX_new();
    if (!k->cipher)
        return -ENOMEM;
    if (EVP_EncryptInit_ex(k->cipher, cipher_of(p), NULL, s->key, NULL) != 1)
        return -EIO;
    hash_key(s, 0x36, &k->inner);
    hash_key(s, 0x5c, &k->outer);
    memcpy(k->salt, s->salt, sizeof k->salt);
    return 0;
}

static void tx_free(void *state)
{
    struct tx *tx = state;
    EVP_CIPHER_CTX_free(tx->rtp.cipher);
    EVP_CIPHER_CTX_free(tx->rtcp.cipher);
    explicit_bzero(tx, sizeof *tx);
    free(tx);
}

static int tx_new(enum srtp_profile p, const uint8_t *key, const uint8_t *salt, void **ret)
{
    struct srtp_session rtp, rtcp;
    struct tx *tx = calloc(1, sizeof *tx);
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

/* ---- packets ---- */

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
    SHA_CTX inner = k->inner, outer = k->outer;
    uint8_t hash[SHA_DIGEST_LENGTH];
    int done;

    if (n > 0 && (EVP_EncryptInit_ex(c, NULL, NULL, NULL, iv) != 1 ||
                     EVP_EncryptUpdate(c, out + clear, &done, in, (int)n) != 1))
        return false;
    bool good = SHA1_Update(&inner, out, clear + n) == 1 && SHA1_Update(&inner, behind, 4) == 1 &&
                SHA1_Final(hash, &inner) == 1 && SHA1_Update(&outer, hash, sizeof hash) == 1 &&
                SHA1_Final(hash, &outer) == 1;
    memcpy(tag, hash, SRTP_CM_TAG);
    return good;
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

const struct srtp_backend srtp_backend_evp = {
    .name = "openssl",
    .supports = supports,
    .tx_new = tx_new,
    .tx_free = tx_free,
    .tx_ssrc_add = tx_ssrc_add,
    .tx_ssrc_del = tx_ssrc_del,
    .tx_ssrc_start = tx_ssrc_start,
    .tx_run = tx_run,
    .tx_rtcp = tx_rtcp,
};
