#include "seal.h"

#include <errno.h>

#ifdef SRTP_IPSECMB

#define NO_COMPAT_IMB_API_053
#include <intel-ipsec-mb.h>
#include <openssl/evp.h>
#include <openssl/hmac.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>

#define LINE     64
#define KEY_MAX  32
#define KEY_AUTH 20
#define SCHEDULE 240 /* bytes that an AES-128 key expansion may write */
#define SHA1     20
#define BLOCK    64 /* bytes of SHA-1 */
#define ROC      4
#define GCM_TAG  16
#define CM_TAG   10
#define CM_MADE  12 /* bytes of a tag that the library can be asked for */
#define CM_BURST 64 /* packets handed over at once: whole passes over 16 or 8 lanes */
#define GCM_IV   12
#define CM_IV    16
#define PACKET   2048
#define SALT     12

/* Only what the cipher touches lies together, so that as many lines are cold as in a server. */
struct gcm_keys {
    _Alignas(LINE) struct gcm_key_data data;
    uint8_t salt[SALT];
};

struct cm_keys {
    _Alignas(LINE) uint8_t schedule[SCHEDULE];
    uint8_t inner[SHA1], outer[SHA1], salt[SALT];
};

struct plain_keys {
    uint8_t key[KEY_MAX], auth[KEY_AUTH];
};

struct seal {
    enum seal_cipher cipher;
    IMB_MGR *manager;
    struct gcm_keys *gcm;     /* or */
    struct cm_keys *cm;       /* one for each receiver */
    struct plain_keys *plain; /* for seal_check */
    IMB_JOB jobs[CM_BURST];
    uint8_t ivs[CM_BURST][CM_IV], tags[CM_BURST][CM_IV];
};

size_t seal_overhead(enum seal_cipher cipher)
{
    return cipher == SEAL_CM_SHA1_80 ? CM_TAG : GCM_TAG;
}

/* ---- keys ---- */

static void hash_key(IMB_MGR *m, const uint8_t *auth, uint8_t pad, uint8_t ret[SHA1])
{
    uint8_t block[BLOCK];
    memset(block, pad, sizeof block);
    for (size_t i = 0; i < KEY_AUTH; i++)
        block[i] ^= auth[i];
    IMB_SHA1_ONE_BLOCK(m, block, ret);
}

static void key_init(struct seal *s, unsigned i)
{
    _Alignas(16) uint8_t unused[SCHEDULE];
    const struct plain_keys *k = &s->plain[i];
    if (s->cipher == SEAL_CM_SHA1_80) {
        IMB_AES_KEYEXP_128(s->manager, k->key, s->cm[i].schedule, unused);
        hash_key(s->manager, k->auth, 0x36, s->cm[i].inner);
        hash_key(s->manager, k->auth, 0x5c, s->cm[i].outer);
        (void)!getrandom(s->cm[i].salt, SALT, 0);
    } else {
        if (s->cipher == SEAL_GCM_256)
            IMB_AES256_GCM_PRE(s->manager, k->key, &s->gcm[i].data);
        else
            IMB_AES128_GCM_PRE(s->manager, k->key, &s->gcm[i].data);
        (void)!getrandom(s->gcm[i].salt, SALT, 0);
    }
}

static void jobs_init(struct seal *s)
{
    for (size_t i = 0; i < CM_BURST; i++)
        s->jobs[i] = (IMB_JOB){
            .cipher_mode = IMB_CIPHER_CNTR,
            .cipher_direction = IMB_DIR_ENCRYPT,
            .hash_alg = IMB_AUTH_HMAC_SHA_1,
            .chain_order = IMB_ORDER_CIPHER_HASH,
            .key_len_in_bytes = IMB_KEY_128_BYTES,
            .iv = s->ivs[i],
            .iv_len_in_bytes = CM_IV,
            .auth_tag_output = s->tags[i],
            .auth_tag_output_len_in_bytes = CM_MADE,
        };
}

int seal_new(enum seal_cipher cipher, unsigned receivers, struct seal **ret)
{
    struct seal *s = calloc(1, sizeof *s);
    if (!s)
        return -ENOMEM;
    s->cipher = cipher;
    s->manager = alloc_mb_mgr(0);
    s->plain = calloc(receivers, sizeof *s->plain);
    if (cipher == SEAL_CM_SHA1_80)
        s->cm = aligned_alloc(LINE, receivers * sizeof *s->cm);
    else
        s->gcm = aligned_alloc(LINE, receivers * sizeof *s->gcm);
    if (!s->manager || !s->plain || (!s->cm && !s->gcm)) {
        seal_free(s);
        return -ENOMEM;
    }
    init_mb_mgr_auto(s->manager, NULL);
    if (imb_get_errno(s->manager) != 0) {
        seal_free(s);
        return -ENOTSUP;
    }
    jobs_init(s);
    (void)!getrandom(s->plain, receivers * sizeof *s->plain, 0);
    for (unsigned i = 0; i < receivers; i++)
        key_init(s, i);
    *ret = s;
    return 0;
}

void seal_free(struct seal *s)
{
    if (!s)
        return;
    if (s->manager)
        free_mb_mgr(s->manager);
    free(s->gcm);
    free(s->cm);
    free(s->plain);
    free(s);
}

/* ---- packets ---- */

/* The salt, with the packet's index in its last bytes: all that differs between packets of a receiver. */
static void make_iv(uint8_t *iv, size_t size, const uint8_t *salt, uint32_t index)
{
    memset(iv, 0, size);
    memcpy(iv, salt, SALT);
    for (size_t i = 0; i < sizeof index; i++)
        iv[SALT - 1 - i] ^= (uint8_t)(index >> (8 * i));
}

static void gcm_one(struct seal *s, const struct seal_job *j)
{
    struct gcm_context_data context;
    const struct gcm_keys *k = &s->gcm[j->receiver];
    uint8_t iv[GCM_IV];
    size_t n = j->len - SEAL_HEADER;
    make_iv(iv, sizeof iv, k->salt, j->index);
    memcpy(j->out, j->in, SEAL_HEADER);
    if (s->cipher == SEAL_GCM_256)
        IMB_AES256_GCM_ENC(s->manager, &k->data, &context, j->out + SEAL_HEADER, j->in + SEAL_HEADER, n, iv,
            j->out, SEAL_HEADER, j->out + j->len, GCM_TAG);
    else
        IMB_AES128_GCM_ENC(s->manager, &k->data, &context, j->out + SEAL_HEADER, j->in + SEAL_HEADER, n, iv,
            j->out, SEAL_HEADER, j->out + j->len, GCM_TAG);
}

static void cm_fill(struct seal *s, size_t at, const struct seal_job *j)
{
    IMB_JOB *job = &s->jobs[at];
    const struct cm_keys *k = &s->cm[j->receiver];
    make_iv(s->ivs[at], CM_IV, k->salt, j->index);
    memcpy(j->out, j->in, SEAL_HEADER);
    memset(j->out + j->len, 0, ROC);
    job->enc_keys = job->dec_keys = k->schedule;
    job->u.HMAC._hashed_auth_key_xor_ipad = k->inner;
    job->u.HMAC._hashed_auth_key_xor_opad = k->outer;
    job->src = j->in + SEAL_HEADER;
    job->dst = j->out + SEAL_HEADER;
    job->msg_len_to_cipher_in_bytes = j->len - SEAL_HEADER;
    /* what is hashed is named relative to src, even where it lies in another buffer */
    job->hash_start_src_offset_in_bytes = (uint64_t)((uintptr_t)j->out - (uintptr_t)job->src);
    job->msg_len_to_hash_in_bytes = j->len + ROC;
}

static int cm_burst(struct seal *s, const struct seal_job *jobs, size_t n)
{
    for (size_t i = 0; i < n; i++)
        cm_fill(s, i, &jobs[i]);
    if (IMB_SUBMIT_CIPHER_BURST_NOCHECK(
            s->manager, s->jobs, (uint32_t)n, IMB_CIPHER_CNTR, IMB_DIR_ENCRYPT, IMB_KEY_128_BYTES) != n ||
        IMB_SUBMIT_HASH_BURST_NOCHECK(s->manager, s->jobs, (uint32_t)n, IMB_AUTH_HMAC_SHA_1) != n)
        return -EIO;
    for (size_t i = 0; i < n; i++)
        memcpy(jobs[i].out + jobs[i].len, s->tags[i], CM_TAG);
    return 0;
}

int seal_run(struct seal *s, const struct seal_job *jobs, size_t n)
{
    if (s->cipher != SEAL_CM_SHA1_80) {
        for (size_t i = 0; i < n; i++)
            gcm_one(s, &jobs[i]);
        return 0;
    }
    int r = 0;
    for (size_t done = 0; done < n && r == 0; done += CM_BURST)
        r = cm_burst(s, jobs + done, n - done < CM_BURST ? n - done : CM_BURST);
    return r;
}

/* ---- the same by OpenSSL ---- */

/* What the job's output should be, len + overhead bytes. */
static bool expect(const struct seal *s, const struct seal_job *j, uint8_t *out, EVP_CIPHER_CTX *c)
{
    bool is_cm = s->cipher == SEAL_CM_SHA1_80;
    const struct plain_keys *k = &s->plain[j->receiver];
    const uint8_t *salt = is_cm ? s->cm[j->receiver].salt : s->gcm[j->receiver].salt;
    const EVP_CIPHER *cipher = is_cm                       ? EVP_aes_128_ctr()
                               : s->cipher == SEAL_GCM_256 ? EVP_aes_256_gcm()
                                                           : EVP_aes_128_gcm();
    uint8_t iv[CM_IV], tag[EVP_MAX_MD_SIZE];
    int n = (int)(j->len - SEAL_HEADER), made;
    make_iv(iv, sizeof iv, salt, j->index);
    memcpy(out, j->in, SEAL_HEADER);
    if (EVP_EncryptInit_ex(c, cipher, NULL, k->key, iv) != 1 ||
        (!is_cm && EVP_EncryptUpdate(c, NULL, &made, out, SEAL_HEADER) != 1) ||
        EVP_EncryptUpdate(c, out + SEAL_HEADER, &made, j->in + SEAL_HEADER, n) != 1 || made != n ||
        EVP_EncryptFinal_ex(c, out + j->len, &made) != 1)
        return false;
    if (!is_cm)
        return EVP_CIPHER_CTX_ctrl(c, EVP_CTRL_GCM_GET_TAG, GCM_TAG, out + j->len) == 1;
    memset(out + j->len, 0, ROC);
    if (!HMAC(EVP_sha1(), k->auth, KEY_AUTH, out, j->len + ROC, tag, NULL))
        return false;
    memcpy(out + j->len, tag, CM_TAG);
    return true;
}

int seal_check(const struct seal *s, const struct seal_job *job)
{
    uint8_t out[PACKET];
    EVP_CIPHER_CTX *c = EVP_CIPHER_CTX_new();
    size_t size = job->len + seal_overhead(s->cipher);
    int r = !c || job->len + SEAL_TRAILER > sizeof out || !expect(s, job, out, c) ? -EIO
            : memcmp(out, job->out, size) != 0                                    ? -EBADMSG
                                                                                  : 0;
    EVP_CIPHER_CTX_free(c);
    return r;
}

#else

size_t seal_overhead(enum seal_cipher cipher)
{
    (void)cipher;
    return SEAL_TRAILER;
}

int seal_new(enum seal_cipher cipher, unsigned receivers, struct seal **ret)
{
    (void)cipher;
    (void)receivers;
    (void)ret;
    return -ENOTSUP;
}

void seal_free(struct seal *s)
{
    (void)s;
}

int seal_run(struct seal *s, const struct seal_job *jobs, size_t n)
{
    (void)s;
    (void)jobs;
    (void)n;
    return -EIO;
}

int seal_check(const struct seal *s, const struct seal_job *job)
{
    (void)s;
    (void)job;
    return -EIO;
}

#endif
