/* The libsrtp2 back end.
 *
 * libsrtp2 keeps a rollover counter and windows of its own for each SSRC, and finds SSRCs in a list. It gets
 * only what the windows of srtp_rx and srtp_tx let pass, in the same order, and so counts the same. A
 * sender's SSRCs are spread over sessions of SHARD_SSRCS: longer lists cost more than the 18 KB that a
 * session takes (measured: 16 to 32 is best). */
#include <srtp2/srtp.h>
#include <errno.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include "base/cursor.h"
#include "srtp/backend.h"

#define SHARD_SSRCS 32

static int error_of(srtp_err_status_t status)
{
    switch (status) {
    case srtp_err_status_ok:
        return 0;
    case srtp_err_status_auth_fail:
    case srtp_err_status_cipher_fail:
        return -EBADMSG;
    case srtp_err_status_replay_fail:
        return -EALREADY;
    case srtp_err_status_replay_old:
    case srtp_err_status_pkt_idx_old:
        return -ESTALE;
    case srtp_err_status_bad_param:
    case srtp_err_status_parse_err:
    case srtp_err_status_cant_check: /* SRTCP that is not encrypted */
        return -EINVAL;
    case srtp_err_status_alloc_fail:
        return -ENOMEM;
    case srtp_err_status_key_expired:
        return -EKEYEXPIRED;
    default:
        return -EIO;
    }
}

static bool supports(enum srtp_profile p)
{
    return srtp_profile_is_known(p);
}

/* Master key and salt, as libsrtp2 wants them: one after the other. */
struct keys {
    enum srtp_profile profile;
    uint8_t key[SRTP_KEY_MAX + SRTP_SALT_MAX];
};

static void set_keys(struct keys *k, enum srtp_profile p, const uint8_t *key, const uint8_t *salt)
{
    k->profile = p;
    memcpy(k->key, key, srtp_profile_key_len(p));
    memcpy(k->key + srtp_profile_key_len(p), salt, srtp_profile_salt_len(p));
}

static void set_policy(srtp_policy_t *policy, struct keys *k, srtp_ssrc_type_t type, uint32_t ssrc)
{
    srtp_profile_t profile = srtp_profile_aes128_cm_sha1_80;

    if (k->profile == SRTP_PROFILE_AEAD_AES_128_GCM)
        profile = srtp_profile_aead_aes_128_gcm;
    else if (k->profile == SRTP_PROFILE_AEAD_AES_256_GCM)
        profile = srtp_profile_aead_aes_256_gcm;
    memset(policy, 0, sizeof *policy);
    (void)srtp_crypto_policy_set_from_profile_for_rtp(&policy->rtp, profile);
    (void)srtp_crypto_policy_set_from_profile_for_rtcp(&policy->rtcp, profile);
    policy->ssrc.type = type;
    policy->ssrc.value = ssrc;
    policy->key = k->key;
    policy->window_size = SRTP_WINDOW;
}

static pthread_once_t init_once = PTHREAD_ONCE_INIT;
static srtp_err_status_t init_status;
static srtp_t keeper;

/* Debian's libsrtp2 stands on NSS, which shuts down with the last session there is and comes up again with
 * the next: a millisecond and more each time. One session stays for good. */
static void init(void)
{
    struct keys k = {.profile = SRTP_PROFILE_AEAD_AES_128_GCM};
    srtp_policy_t policy;

    init_status = srtp_init();
    if (init_status == srtp_err_status_ok) {
        set_policy(&policy, &k, ssrc_any_outbound, 0);
        init_status = srtp_create(&keeper, &policy);
    }
}

void srtp_backend_libsrtp2_prepare(void)
{
    (void)pthread_once(&init_once, init);
}

static int session_new(struct keys *k, srtp_ssrc_type_t type, srtp_t *ret)
{
    srtp_policy_t policy;

    srtp_backend_libsrtp2_prepare();
    if (init_status != srtp_err_status_ok)
        return -EIO;
    set_policy(&policy, k, type, 0);
    return error_of(srtp_create(ret, &policy));
}

/* srtp_remove_stream takes the SSRC as it stands in packets. */
static void stream_del(srtp_t session, uint32_t ssrc)
{
    uint8_t bytes[4];
    uint32_t wire;
    struct writer w = writer_of(bytes, sizeof bytes);
    writer_u32(&w, ssrc);
    memcpy(&wire, bytes, sizeof wire);
    (void)srtp_remove_stream(session, wire);
}

/* ---- incoming ---- */

struct rx {
    struct keys keys;
    srtp_t session;
    srtp_t late; /* for RTCP that the session's window of 128 no longer knows; NULL until needed */
};

static void rx_free(void *state)
{
    struct rx *rx = state;
    if (rx->session)
        (void)srtp_dealloc(rx->session);
    if (rx->late)
        (void)srtp_dealloc(rx->late);
    explicit_bzero(rx, sizeof *rx);
    free(rx);
}

static int rx_new(enum srtp_profile p, const uint8_t *key, const uint8_t *salt, void **ret)
{
    struct rx *rx = calloc(1, sizeof *rx);
    if (!rx)
        return -ENOMEM;
    set_keys(&rx->keys, p, key, salt);
    int r = session_new(&rx->keys, ssrc_any_inbound, &rx->session);
    if (r < 0) {
        rx_free(rx);
        return r;
    }
    *ret = rx;
    return 0;
}

static int rx_rtp(void *state, uint32_t ssrc, uint64_t index, size_t header_len, uint8_t *packet, size_t *len)
{
    struct rx *rx = state;
    int n = (int)*len;
    (void)ssrc;
    (void)index;
    (void)header_len;
    srtp_err_status_t status = srtp_unprotect(rx->session, packet, &n);
    if (status == srtp_err_status_ok)
        *len = (size_t)n;
    return error_of(status);
}

static int rx_rtcp(void *state, uint32_t ssrc, uint32_t index, uint8_t *packet, size_t *len)
{
    struct rx *rx = state;
    int n = (int)*len;
    (void)index;
    srtp_err_status_t status = srtp_unprotect_rtcp(rx->session, packet, &n);
    if (status == srtp_err_status_replay_old) {
        /* Our own window says that this index is new. A session that has forgotten the SSRC checks nothing
         * but the tag. */
        int r = rx->late ? 0 : session_new(&rx->keys, ssrc_any_inbound, &rx->late);
        if (r < 0)
            return r;
        stream_del(rx->late, ssrc);
        n = (int)*len;
        status = srtp_unprotect_rtcp(rx->late, packet, &n);
    }
    if (status == srtp_err_status_ok)
        *len = (size_t)n;
    return error_of(status);
}

static void rx_ssrc_del(void *state, uint32_t ssrc)
{
    struct rx *rx = state;
    stream_del(rx->session, ssrc);
    if (rx->late)
        stream_del(rx->late, ssrc);
}

/* ---- outgoing ---- */

struct shard {
    struct shard *next;
    srtp_t session;
    unsigned ssrcs;
};

struct tx {
    struct keys keys;
    struct shard *shards;
};

static int tx_new(enum srtp_profile p, const uint8_t *key, const uint8_t *salt, void **ret)
{
    struct tx *tx = calloc(1, sizeof *tx);
    if (!tx)
        return -ENOMEM;
    set_keys(&tx->keys, p, key, salt);
    *ret = tx;
    return 0;
}

static void tx_free(void *state)
{
    struct tx *tx = state;
    while (tx->shards) {
        struct shard *s = tx->shards;
        tx->shards = s->next;
        (void)srtp_dealloc(s->session);
        free(s);
    }
    explicit_bzero(tx, sizeof *tx);
    free(tx);
}

static int tx_ssrc_add(void *state, uint32_t ssrc, void **ret)
{
    struct tx *tx = state;
    struct shard *s = tx->shards;
    (void)ssrc; /* its stream is made from the session's template by the first packet */

    while (s && s->ssrcs >= SHARD_SSRCS)
        s = s->next;
    if (!s) {
        s = calloc(1, sizeof *s);
        if (!s)
            return -ENOMEM;
        int r = session_new(&tx->keys, ssrc_any_outbound, &s->session);
        if (r < 0) {
            free(s);
            return r;
        }
        s->next = tx->shards;
        tx->shards = s;
    }
    s->ssrcs++;
    *ret = s;
    return 0;
}

static void tx_ssrc_del(void *state, uint32_t ssrc, void *stream)
{
    struct shard *s = stream;
    (void)state;
    stream_del(s->session, ssrc);
    s->ssrcs--;
}

/* libsrtp2 begins at rollover counter 0; any other has to be told once, and it can be told of known SSRCs
 * only. */
static int tx_ssrc_start(void *state, uint32_t ssrc, void *stream, uint64_t index)
{
    struct tx *tx = state;
    struct shard *s = stream;
    uint32_t roc = (uint32_t)(index >> 16);

    if (roc == 0)
        return 0;
    if (srtp_set_stream_roc(s->session, ssrc, roc) == srtp_err_status_ok)
        return 0; /* it has sent RTCP before */
    srtp_policy_t policy;
    set_policy(&policy, &tx->keys, ssrc_specific, ssrc);
    srtp_err_status_t status = srtp_add_stream(s->session, &policy);
    if (status == srtp_err_status_ok)
        status = srtp_set_stream_roc(s->session, ssrc, roc);
    return error_of(status);
}

static void tx_run(struct srtp_tx_job *const *jobs, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        struct srtp_tx_job *j = jobs[i];
        struct shard *s = j->stream;
        int len = j->header_len + j->payload_len;

        memcpy(j->out, j->header, j->header_len);
        if (j->payload_len)
            memcpy(j->out + j->header_len, j->payload, j->payload_len);
        srtp_err_status_t status = srtp_protect(s->session, j->out, &len);
        j->ret_err = error_of(status);
        j->ret_len = status == srtp_err_status_ok ? (size_t)len : 0;
    }
}

static int tx_rtcp(void *state, uint32_t ssrc, void *stream, uint32_t index, uint8_t *packet, size_t *len)
{
    struct shard *s = stream;
    int n = (int)*len;
    (void)state;
    (void)ssrc;
    (void)index; /* libsrtp2 counts the same from the stream's making on */
    srtp_err_status_t status = srtp_protect_rtcp(s->session, packet, &n);
    if (status == srtp_err_status_ok)
        *len = (size_t)n;
    return error_of(status);
}

const struct srtp_backend srtp_backend_libsrtp2 = {
    .name = "libsrtp2",
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
