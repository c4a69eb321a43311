/* The libipsec-mb back end: managers, keys, sending. ipsecmb_rx.c receives.
 *
 * GCM runs a packet at a time: its own parallelism is inside the packet. AES-CM's HMAC-SHA1 is a chain, so
 * many packets run side by side in vector lanes. A pass over the lanes takes as long for one packet as for
 * all of them; what does not fill a pass is left to a second manager with fewer lanes, on the SHA
 * instructions where the processor has them.
 *
 * Managers keep state, so each thread has its own; they are made with the first AES-CM packet (0.5
 * ms, 400 KB). Whole passes are finished before a call returns: nothing waits in a manager. */
#include "srtp/backend.h"
#ifdef SRTP_IPSECMB

#include <errno.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include "base/huge.h"
#include "srtp/ipsecmb.h"

#define CM_RUN       64  /* AES-CM packets handed over at once: four passes over 16 lanes */
#define CM_SCHEDULES 240 /* bytes that an AES-128 key expansion may write */
#define SHA1_BLOCK   64
#define SHA1_SIZE    20
#define CM_TAG_MADE  12 /* bytes of a tag that the library can be asked for; 10 are sent */

struct gcm_key {
    struct gcm_key_data data;
    uint8_t salt[SRTP_SESSION_SALT];
};

struct cm_key {
    _Alignas(16) uint8_t schedule[IPSECMB_SCHEDULE];
    uint8_t inner[SHA1_SIZE], outer[SHA1_SIZE]; /* SHA-1 after the first block of either hash of the HMAC */
    uint8_t salt[SRTP_SESSION_SALT];
};

/* Also the stream of each SSRC, as all have the same keys. */
struct tx {
    size_t size; /* of all of it */
    enum srtp_profile profile;
};

struct gcm_tx {
    struct tx tx;
    _Alignas(IPSECMB_LINE) struct gcm_key rtp;
    _Alignas(IPSECMB_LINE) struct gcm_key rtcp;
};

struct cm_tx {
    struct tx tx;
    _Alignas(IPSECMB_LINE) struct cm_key rtp;
    _Alignas(IPSECMB_LINE) struct cm_key rtcp;
};

/* ---- managers ---- */

/* Of one thread, for AES-CM. */
struct lanes {
    IMB_MGR *wide, *narrow;
    unsigned wide_lanes,
        narrow_max; /* packets of a pass; packets beyond whole passes that narrow does better */
    IMB_JOB jobs[CM_RUN];
    uint8_t ivs[CM_RUN][SRTP_CM_IV];
    uint8_t tags[CM_RUN][SRTP_CM_IV];
};

static pthread_once_t init_once = PTHREAD_ONCE_INIT;
static IMB_MGR *common; /* for calls that keep no state; NULL: not usable here */
static pthread_key_t lanes_key;
static _Thread_local struct lanes *own_lanes;

static IMB_MGR *manager_new(bool wide)
{
    const uint64_t tested = IMB_FEATURE_SELF_TEST | IMB_FEATURE_SELF_TEST_PASS;
    IMB_MGR *m = alloc_mb_mgr(0);
    if (!m)
        return NULL;
    if (wide)
        init_mb_mgr_auto(m, NULL);
    else if (m->features & IMB_FEATURE_AVX)
        init_mb_mgr_avx(m);
    else
        init_mb_mgr_sse(m);
    if (imb_get_errno(m) == 0 && (m->features & tested) != IMB_FEATURE_SELF_TEST)
        return m;
    free_mb_mgr(m);
    return NULL;
}

static void lanes_free(void *arg)
{
    struct lanes *l = arg;
    if (l->wide)
        free_mb_mgr(l->wide);
    if (l->narrow)
        free_mb_mgr(l->narrow);
    free(l);
    own_lanes = NULL;
}

/* How many lanes, and where the managers break even, measured with 1,100-byte packets: a pass over 16 lanes
 * takes 4.0 us, over 8 3.5 us; narrow takes 0.5 us a packet with the SHA instructions, 2.8 us for 4 without.
 */
static void lanes_measure(struct lanes *l)
{
    bool sha = l->narrow->features & IMB_FEATURE_SHANI;

    l->wide_lanes = 1;
    l->narrow_max = 0;
    if (l->wide->used_arch == IMB_ARCH_AVX512) {
        l->wide_lanes = 16;
        l->narrow_max = sha ? 8 : 4;
    } else if (l->wide->used_arch == IMB_ARCH_AVX2) {
        l->wide_lanes = 8;
        l->narrow_max = sha ? 6 : 4;
    }
}

static struct lanes *lanes_new(void)
{
    struct lanes *l = calloc(1, sizeof *l);
    if (!l)
        return NULL;
    l->wide = manager_new(true);
    l->narrow = manager_new(false);
    if (!l->wide || !l->narrow || pthread_setspecific(lanes_key, l) != 0) {
        lanes_free(l);
        return NULL;
    }
    lanes_measure(l);
    for (size_t i = 0; i < CM_RUN; i++) {
        l->jobs[i] = (IMB_JOB){
            .cipher_mode = IMB_CIPHER_CNTR,
            .cipher_direction = IMB_DIR_ENCRYPT,
            .hash_alg = IMB_AUTH_HMAC_SHA_1,
            .chain_order = IMB_ORDER_CIPHER_HASH,
            .key_len_in_bytes = IMB_KEY_128_BYTES,
            .iv = l->ivs[i],
            .iv_len_in_bytes = SRTP_CM_IV,
            .auth_tag_output = l->tags[i],
            .auth_tag_output_len_in_bytes = CM_TAG_MADE,
        };
    }
    return l;
}

/* This thread's, or NULL without memory. */
static struct lanes *lanes_own(void)
{
    if (!own_lanes)
        own_lanes = lanes_new();
    return own_lanes;
}

static void init(void)
{
    if (imb_get_version() < IMB_VERSION_NUM ||
        (imb_get_feature_flags() & IMB_CPUFLAGS_SSE) != IMB_CPUFLAGS_SSE)
        return;
    IMB_MGR *m = manager_new(true);
    if (!m)
        return;
    if (pthread_key_create(&lanes_key, lanes_free) != 0) {
        free_mb_mgr(m);
        return;
    }
    common = m;
}

static bool supports(enum srtp_profile p)
{
    (void)pthread_once(&init_once, init);
    return common && srtp_profile_is_known(p);
}

/* ---- keys ---- */

IMB_MGR *srtp_ipsecmb_common(void)
{
    return common;
}

IMB_MGR *srtp_ipsecmb_own(void)
{
    const struct lanes *l = lanes_own();
    return l ? l->wide : NULL;
}

void srtp_ipsecmb_expand_gcm(enum srtp_profile p, const struct srtp_session *s, struct gcm_key_data *ret)
{
    if (p == SRTP_PROFILE_AEAD_AES_256_GCM)
        IMB_AES256_GCM_PRE(common, s->key, ret);
    else
        IMB_AES128_GCM_PRE(common, s->key, ret);
}

void srtp_ipsecmb_expand_cm(const struct srtp_session *s, uint8_t ret[IPSECMB_SCHEDULE])
{
    _Alignas(16) uint8_t encrypt[CM_SCHEDULES], decrypt[CM_SCHEDULES];

    IMB_AES_KEYEXP_128(common, s->key, encrypt, decrypt);
    memcpy(ret, encrypt, IPSECMB_SCHEDULE);
    explicit_bzero(encrypt, sizeof encrypt);
    explicit_bzero(decrypt, sizeof decrypt);
}

static void gcm_key_init(struct gcm_key *k, enum srtp_profile p, const struct srtp_session *s)
{
    srtp_ipsecmb_expand_gcm(p, s, &k->data);
    memcpy(k->salt, s->salt, sizeof k->salt);
}

/* SHA-1 of the key's block alone (RFC 2104: 0x36 for the inner hash, 0x5c for the outer). */
static void hash_key(const struct srtp_session *s, uint8_t pad, uint8_t ret[SHA1_SIZE])
{
    uint8_t block[SHA1_BLOCK];

    memset(block, pad, sizeof block);
    for (size_t i = 0; i < sizeof s->auth; i++)
        block[i] ^= s->auth[i];
    IMB_SHA1_ONE_BLOCK(common, block, ret);
    explicit_bzero(block, sizeof block);
}

static void cm_key_init(struct cm_key *k, const struct srtp_session *s)
{
    srtp_ipsecmb_expand_cm(s, k->schedule);
    hash_key(s, 0x36, k->inner);
    hash_key(s, 0x5c, k->outer);
    memcpy(k->salt, s->salt, sizeof k->salt);
}

static int tx_new(enum srtp_profile p, const uint8_t *key, const uint8_t *salt, void **ret)
{
    bool is_cm = p == SRTP_PROFILE_AES128_CM_SHA1_80;
    size_t size = is_cm ? sizeof(struct cm_tx) : sizeof(struct gcm_tx);
    struct srtp_session rtp, rtcp;
    struct tx *tx = huge_alloc(size);
    if (!tx)
        return -ENOMEM;
    int r = srtp_session_derive(p, key, salt, &rtp, &rtcp);
    if (r < 0) {
        huge_free(tx, size);
        return r;
    }
    tx->size = size;
    tx->profile = p;
    if (is_cm) {
        struct cm_tx *cm = (struct cm_tx *)tx;
        cm_key_init(&cm->rtp, &rtp);
        cm_key_init(&cm->rtcp, &rtcp);
    } else {
        struct gcm_tx *gcm = (struct gcm_tx *)tx;
        gcm_key_init(&gcm->rtp, p, &rtp);
        gcm_key_init(&gcm->rtcp, p, &rtcp);
    }
    explicit_bzero(&rtp, sizeof rtp);
    explicit_bzero(&rtcp, sizeof rtcp);
    *ret = tx;
    return 0;
}

static void tx_free(void *state)
{
    struct tx *tx = state;
    size_t size = tx->size;
    explicit_bzero(tx, size);
    huge_free(tx, size);
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

/* ---- AES-GCM ---- */

/* aad, then in (n bytes) to out, the tag behind it. in may be out. */
static void gcm_seal(enum srtp_profile p, const struct gcm_key *k, const uint8_t iv[SRTP_GCM_IV],
    const uint8_t *aad, size_t aad_len, const uint8_t *in, size_t n, uint8_t *out)
{
    struct gcm_context_data context;

    if (p == SRTP_PROFILE_AEAD_AES_256_GCM)
        IMB_AES256_GCM_ENC(common, &k->data, &context, out, in, n, iv, aad, aad_len, out + n, SRTP_GCM_TAG);
    else
        IMB_AES128_GCM_ENC(common, &k->data, &context, out, in, n, iv, aad, aad_len, out + n, SRTP_GCM_TAG);
}

static void gcm_rtp(struct srtp_tx_job *j, enum srtp_profile p)
{
    const struct gcm_tx *tx = j->stream;
    uint8_t iv[16];

    srtp_session_gcm_iv(iv, tx->rtp.salt, j->ssrc, j->index);
    memcpy(j->out, j->header, j->header_len);
    gcm_seal(p, &tx->rtp, iv, j->header, j->header_len, j->payload, j->payload_len, j->out + j->header_len);
    j->ret_len = (size_t)j->header_len + j->payload_len + SRTP_GCM_TAG;
    j->ret_err = 0;
}

/* The word with the index is authenticated behind the clear header, but sent behind the tag (RFC 7714,
 * section 9). */
static void gcm_rtcp(
    const struct gcm_tx *tx, enum srtp_profile p, uint32_t ssrc, uint32_t index, uint8_t *packet, size_t *len)
{
    uint8_t iv[16], aad[SRTP_RTCP_CLEAR + 4], word[4];
    struct writer w = writer_of(word, sizeof word), a = writer_of(aad, sizeof aad);

    writer_u32(&w, SRTP_RTCP_E | index);
    writer_bytes(&a, packet, SRTP_RTCP_CLEAR);
    writer_bytes(&a, word, sizeof word);
    srtp_session_gcm_iv(iv, tx->rtcp.salt, ssrc, index);
    gcm_seal(p, &tx->rtcp, iv, aad, sizeof aad, packet + SRTP_RTCP_CLEAR, *len - SRTP_RTCP_CLEAR,
        packet + SRTP_RTCP_CLEAR);
    memcpy(packet + *len + SRTP_GCM_TAG, word, sizeof word);
    *len += SRTP_GCM_TAG + sizeof word;
}

/* ---- AES-CM and HMAC-SHA1 ---- */

/* Encrypts n bytes from in to out + clear and hashes out up to their end and 4 bytes more, which are there
 * already. */
static void cm_fill(struct lanes *l, size_t at, const struct cm_key *k, uint32_t ssrc, uint64_t index,
    const uint8_t *in, size_t n, uint8_t *out, size_t clear)
{
    IMB_JOB *job = &l->jobs[at];

    srtp_session_cm_iv(l->ivs[at], k->salt, ssrc, index);
    job->enc_keys = job->dec_keys = k->schedule;
    job->u.HMAC._hashed_auth_key_xor_ipad = k->inner;
    job->u.HMAC._hashed_auth_key_xor_opad = k->outer;
    job->src = n ? in : out;
    job->dst = out + clear;
    job->msg_len_to_cipher_in_bytes = n;
    /* what is hashed is named relative to src, even where it lies in another buffer or in front of it */
    job->hash_start_src_offset_in_bytes = (uint64_t)((uintptr_t)out - (uintptr_t)job->src);
    job->msg_len_to_hash_in_bytes = clear + n + SRTP_CM_ROC;
}

/* Runs jobs of l from first, n of them, of which the first `full` have something to encrypt. */
static bool cm_burst(struct lanes *l, IMB_MGR *m, size_t first, size_t n, size_t full)
{
    IMB_JOB *jobs = &l->jobs[first];

    if (full > 0 && IMB_SUBMIT_CIPHER_BURST_NOCHECK(
                        m, jobs, (uint32_t)full, IMB_CIPHER_CNTR, IMB_DIR_ENCRYPT, IMB_KEY_128_BYTES) != full)
        return false;
    return n == 0 || IMB_SUBMIT_HASH_BURST_NOCHECK(m, jobs, (uint32_t)n, IMB_AUTH_HMAC_SHA_1) == n;
}

static bool cm_run(struct lanes *l, size_t n, size_t full)
{
    size_t wide = n - n % l->wide_lanes;

    if (n - wide > l->narrow_max)
        wide = n;
    size_t wide_full = full < wide ? full : wide;
    return cm_burst(l, l->wide, 0, wide, wide_full) &&
           cm_burst(l, l->narrow, wide, n - wide, full - wide_full);
}

static void cm_add(struct lanes *l, size_t at, const struct srtp_tx_job *j)
{
    const struct cm_tx *tx = j->stream;
    size_t len = (size_t)j->header_len + j->payload_len;
    struct writer behind = writer_of(j->out + len, SRTP_CM_ROC);

    memcpy(j->out, j->header, j->header_len);
    writer_u32(&behind, (uint32_t)(j->index >> 16)); /* the tag takes its place */
    cm_fill(l, at, &tx->rtp, j->ssrc, j->index, j->payload, j->payload_len, j->out, j->header_len);
}

/* Longest first: lanes then end together, and jobs without anything to encrypt stand behind the others.
 * Packets of one frame differ little, so that there is seldom much to do. */
static void cm_sort(struct srtp_tx_job **jobs, size_t n)
{
    for (size_t i = 1; i < n; i++) {
        struct srtp_tx_job *j = jobs[i];
        size_t at = i;
        for (; at > 0 && jobs[at - 1]->payload_len < j->payload_len; at--)
            jobs[at] = jobs[at - 1];
        jobs[at] = j;
    }
}

/* Up to CM_RUN, which are put in another order. */
static void cm_rtp(struct srtp_tx_job **jobs, size_t n)
{
    struct lanes *l = lanes_own();
    size_t full = 0;

    cm_sort(jobs, n);
    for (size_t i = 0; l && i < n; i++) {
        cm_add(l, i, jobs[i]);
        full += jobs[i]->payload_len > 0;
    }
    int r = !l ? -ENOMEM : cm_run(l, n, full) ? 0 : -EIO;
    for (size_t i = 0; i < n; i++) {
        struct srtp_tx_job *j = jobs[i];
        size_t len = (size_t)j->header_len + j->payload_len;
        j->ret_err = r;
        j->ret_len = r == 0 ? len + SRTP_CM_TAG : 0;
        if (r == 0)
            memcpy(j->out + len, l->tags[i], SRTP_CM_TAG);
    }
}

static int cm_rtcp(const struct cm_tx *tx, uint32_t ssrc, uint32_t index, uint8_t *packet, size_t *len)
{
    struct lanes *l = lanes_own();
    struct writer behind = writer_of(packet + *len, 4);
    size_t n = *len - SRTP_RTCP_CLEAR;

    if (!l)
        return -ENOMEM;
    writer_u32(&behind, SRTP_RTCP_E | index);
    cm_fill(l, 0, &tx->rtcp, ssrc, index, packet + SRTP_RTCP_CLEAR, n, packet, SRTP_RTCP_CLEAR);
    if (!cm_run(l, 1, n > 0))
        return -EIO;
    memcpy(packet + *len + 4, l->tags[0], SRTP_CM_TAG);
    *len += 4 + SRTP_CM_TAG;
    return 0;
}

/* ---- both ---- */

static void tx_run(struct srtp_tx_job *const *jobs, size_t n)
{
    struct srtp_tx_job *cm[CM_RUN];
    size_t waiting = 0;

    for (size_t i = 0; i < n; i++) {
        enum srtp_profile p = srtp_tx_profile(jobs[i]->tx);
        if (p != SRTP_PROFILE_AES128_CM_SHA1_80) {
            gcm_rtp(jobs[i], p);
            continue;
        }
        cm[waiting++] = jobs[i];
        if (waiting == CM_RUN) {
            cm_rtp(cm, waiting);
            waiting = 0;
        }
    }
    if (waiting > 0)
        cm_rtp(cm, waiting);
}

static int tx_rtcp(void *state, uint32_t ssrc, void *stream, uint32_t index, uint8_t *packet, size_t *len)
{
    const struct tx *tx = state;
    (void)stream;
    if (tx->profile == SRTP_PROFILE_AES128_CM_SHA1_80)
        return cm_rtcp(state, ssrc, index, packet, len);
    gcm_rtcp(state, tx->profile, ssrc, index, packet, len);
    return 0;
}

const struct srtp_backend srtp_backend_ipsecmb = {
    .name = "ipsecmb",
    .supports = supports,
    .rx_new = srtp_ipsecmb_rx_new,
    .rx_free = srtp_ipsecmb_rx_free,
    .rx_rtp = srtp_ipsecmb_rx_rtp,
    .rx_rtcp = srtp_ipsecmb_rx_rtcp,
    .rx_ssrc_del = srtp_ipsecmb_rx_ssrc_del,
    .tx_new = tx_new,
    .tx_free = tx_free,
    .tx_ssrc_add = tx_ssrc_add,
    .tx_ssrc_del = tx_ssrc_del,
    .tx_ssrc_start = tx_ssrc_start,
    .tx_run = tx_run,
    .tx_rtcp = tx_rtcp,
};

#else

static bool supports(enum srtp_profile p)
{
    (void)p;
    return false;
}

const struct srtp_backend srtp_backend_ipsecmb = {.name = "ipsecmb", .supports = supports};

#endif
