#include "dtls/session.h"
#include <errno.h>
#include <openssl/err.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/time.h>
#include "base/cursor.h"
#include "base/hash.h"
#include "dtls/session_private.h"
#include "tls/digest.h"

#define RETRANSMIT_MIN_US 100000  /* first wait for an answer; RFC 6347 says 1 s, written for slower paths */
#define RETRANSMIT_MAX_US 2000000 /* the wait doubles up to this: OpenSSL gives up after 12 of them, 17 s */
#define RECORD_HEADER     13      /* bytes (RFC 6347, section 4.1) */
#define GCM_RECORD_MIN    24 /* bytes of an encrypted record after its header: nonce 8 and tag 16 (RFC 5288) */
#define CHACHA_RECORD_MIN 16                    /* the tag alone (RFC 7905) */
#define EXPORT_LABEL      "EXTRACTOR-dtls_srtp" /* RFC 5764, section 4.2 */

static const struct {
    enum dtls_close why;
    const char *text;
} close_texts[] = {
    {DTLS_CLOSED_LOCAL, "closed here"},
    {DTLS_CLOSED_PEER, "closed by the peer"},
    {DTLS_FAILED_TIMEOUT, "handshake timed out"},
    {DTLS_FAILED_FINGERPRINT, "certificate does not match the fingerprint"},
    {DTLS_FAILED_ALERT, "refused by the peer"},
    {DTLS_FAILED_PROTOCOL, "protocol error"},
};

const char *dtls_close_text(enum dtls_close why)
{
    for (size_t i = 0; i < sizeof close_texts / sizeof close_texts[0]; i++) {
        if (close_texts[i].why == why)
            return close_texts[i].text;
    }
    return "unknown";
}

/* ---- life ---- */

static unsigned next_wait_us(SSL *ssl, unsigned wait_us)
{
    (void)ssl;
    if (wait_us == 0)
        return RETRANSMIT_MIN_US;
    return wait_us >= RETRANSMIT_MAX_US / 2 ? RETRANSMIT_MAX_US : wait_us * 2;
}

int dtls_session_new(struct dtls_context *c, enum dtls_role role, const struct dtls_ops *ops, void *arg,
    struct dtls_session **ret)
{
    struct dtls_session *s = calloc(1, sizeof *s);
    if (!s)
        return -ENOMEM;
    s->ssl = dtls_context_ssl(c);
    BIO *bio = s->ssl ? dtls_bio_new(s) : NULL;
    if (!bio) {
        ERR_clear_error();
        dtls_session_free(s);
        return -ENOMEM;
    }
    SSL_set_bio(s->ssl, bio, bio);
    SSL_set_app_data(s->ssl, s);
    SSL_set_mtu(s->ssl, DTLS_MTU);
    SSL_set_max_send_fragment(s->ssl, DTLS_MTU); /* a smaller write buffer, too */
    DTLS_set_timer_cb(s->ssl, next_wait_us);
    if (role == DTLS_CLIENT)
        SSL_set_connect_state(s->ssl);
    else
        SSL_set_accept_state(s->ssl);
    s->role = role;
    s->ops = ops;
    s->arg = arg;
    s->deadline_us = INT64_MAX;
    s->next_timeout_us = INT64_MAX;
    *ret = s;
    return 0;
}

void dtls_session_free(struct dtls_session *s)
{
    if (!s)
        return;
    SSL_free(s->ssl);
    free(s);
}

/* After the handshake a session is idle most of the time: its record buffers (18 KB) exist during calls only.
 * OpenSSL makes them again by itself for reading, but not for writing DTLS. */
static bool hold_buffers(struct dtls_session *s)
{
    return s->state == DTLS_HANDSHAKE || SSL_alloc_buffers(s->ssl);
}

static void drop_buffers(struct dtls_session *s)
{
    if (s->state != DTLS_HANDSHAKE)
        (void)SSL_free_buffers(s->ssl); /* refuses while records wait in them */
}

/* The end. Nothing touches OpenSSL afterwards, except for freeing. */
static void end(struct dtls_session *s, enum dtls_close why, const char *text)
{
    if (s->state == DTLS_OVER)
        return;
    s->state = DTLS_OVER;
    s->deadline_us = INT64_MAX;
    s->next_timeout_us = INT64_MAX;
    s->ops->closed(s->arg, why, text && *text ? text : dtls_close_text(why));
}

/* OpenSSL has refused to go on: finds out why. */
static void fail(struct dtls_session *s)
{
    unsigned long error = ERR_peek_last_error();
    int reason = ERR_GET_LIB(error) == ERR_LIB_SSL ? ERR_GET_REASON(error) : 0;
    const char *text = ERR_reason_error_string(error);
    enum dtls_close why = DTLS_FAILED_PROTOCOL;

    ERR_clear_error();
    if (s->fingerprint_failed) {
        why = DTLS_FAILED_FINGERPRINT;
        text = NULL;
    } else if (reason == SSL_R_READ_TIMEOUT_EXPIRED) {
        why = DTLS_FAILED_TIMEOUT;
        text = NULL;
    } else if (reason >= SSL_AD_REASON_OFFSET) {
        why = DTLS_FAILED_ALERT;
    }
    end(s, why, text);
}

/* ---- fingerprints ---- */

static const struct {
    const char *name;
    const EVP_MD *(*md)(void);
} algorithms[] = {{"sha-256", EVP_sha256}, {"sha-384", EVP_sha384}, {"sha-512", EVP_sha512}};

bool dtls_fingerprint_matches(const struct dtls_session *s, const X509 *cert)
{
    uint8_t hash[EVP_MAX_MD_SIZE];
    unsigned len;
    bool found = false;

    for (size_t i = 0; cert && i < s->fingerprint_count; i++) {
        const struct dtls_fingerprint *f = &s->fingerprints[i];
        if (X509_digest(cert, f->md, hash, &len) && hash_equal(hash, f->hash, len))
            found = true;
    }
    return found;
}

/* "AB:CD:..." of exactly len bytes, either case (RFC 8122, section 5). */
static int read_fingerprint(const char *text, size_t len, uint8_t *out)
{
    if (strlen(text) != 3 * len - 1)
        return -EINVAL;
    for (size_t i = 0; i < len; i++) {
        if (hex_decode(text + 3 * i, 2, out + i, 1) != 1 || (i + 1 < len && text[3 * i + 2] != ':'))
            return -EINVAL;
    }
    return 0;
}

/* ---- handshake ---- */

static void export_keys(struct dtls_session *s, struct dtls_keys *keys)
{
    const SRTP_PROTECTION_PROFILE *profile = SSL_get_selected_srtp_profile(s->ssl);
    uint8_t material[2 * (sizeof keys->local.key + sizeof keys->local.salt)];

    if (!profile)
        return;
    switch (profile->id) {
    case SRTP_AEAD_AES_128_GCM:
        keys->key_len = 16;
        keys->salt_len = 12;
        break;
    case SRTP_AEAD_AES_256_GCM:
        keys->key_len = 32;
        keys->salt_len = 12;
        break;
    case SRTP_AES128_CM_SHA1_80:
        keys->key_len = 16;
        keys->salt_len = 14;
        break;
    default:
        return;
    }
    size_t k = keys->key_len, n = keys->salt_len;
    if (SSL_export_keying_material(
            s->ssl, material, 2 * (k + n), EXPORT_LABEL, strlen(EXPORT_LABEL), NULL, 0, 0) != 1)
        return;
    /* Client key, server key, client salt, server salt. */
    struct dtls_srtp_key *client = s->role == DTLS_CLIENT ? &keys->local : &keys->remote;
    struct dtls_srtp_key *server = s->role == DTLS_CLIENT ? &keys->remote : &keys->local;
    memcpy(client->key, material, k);
    memcpy(server->key, material + k, k);
    memcpy(client->salt, material + 2 * k, n);
    memcpy(server->salt, material + 2 * k + n, n);
    OPENSSL_cleanse(material, sizeof material);
    keys->srtp_profile = (uint16_t)profile->id;
}

/* Sends close_notify. */
static void say_goodbye(struct dtls_session *s)
{
    if (hold_buffers(s))
        (void)SSL_shutdown(s->ssl);
    ERR_clear_error();
}

/* The handshake is over: established, if the certificate is the right one. */
static void finish(struct dtls_session *s)
{
    struct dtls_keys keys = {0};

    if (s->fingerprint_count == 0) {
        s->state = DTLS_WAITS_FOR_FINGERPRINT;
        return;
    }
    if (!dtls_fingerprint_matches(s, SSL_get0_peer_certificate(s->ssl))) {
        say_goodbye(s);
        end(s, DTLS_FAILED_FINGERPRINT, NULL);
        return;
    }
    export_keys(s, &keys);
    s->state = DTLS_ESTABLISHED;
    s->deadline_us = INT64_MAX;
    s->ops->established(s->arg, &keys);
    OPENSSL_cleanse(&keys, sizeof keys);
}

/* Lets OpenSSL go on as far as it can; false when it has to wait or the session is over. */
static bool shake(struct dtls_session *s)
{
    ERR_clear_error();
    int r = SSL_do_handshake(s->ssl);
    if (r == 1) {
        finish(s);
        return s->state != DTLS_OVER;
    }
    int error = SSL_get_error(s->ssl, r);
    if (error != SSL_ERROR_WANT_READ && error != SSL_ERROR_WANT_WRITE)
        fail(s);
    return false;
}

/* Sets the next timeout from OpenSSL's timer, which runs on gettimeofday. */
static void rearm(struct dtls_session *s, int64_t now_us)
{
    struct timeval left;

    s->next_timeout_us = INT64_MAX;
    if (s->state != DTLS_OVER && DTLSv1_get_timeout(s->ssl, &left) == 1)
        s->next_timeout_us = now_us + (int64_t)left.tv_sec * 1000000 + left.tv_usec;
}

static void start_clock(struct dtls_session *s, int64_t now_us)
{
    if (s->state == DTLS_HANDSHAKE && s->deadline_us == INT64_MAX)
        s->deadline_us = now_us + DTLS_HANDSHAKE_US;
}

void dtls_session_start(struct dtls_session *s, int64_t now_us)
{
    if (s->state != DTLS_HANDSHAKE || s->deadline_us != INT64_MAX)
        return;
    start_clock(s, now_us);
    if (s->role == DTLS_CLIENT)
        (void)shake(s);
    rearm(s, now_us);
}

int dtls_session_fingerprint_add(
    struct dtls_session *s, const char *algorithm, const char *text, int64_t now_us)
{
    const EVP_MD *md = NULL;
    struct dtls_fingerprint f;

    for (size_t i = 0; i < sizeof algorithms / sizeof algorithms[0]; i++) {
        if (strcasecmp(algorithm, algorithms[i].name) == 0)
            md = algorithms[i].md();
    }
    if (!md)
        return -EOPNOTSUPP;
    if (read_fingerprint(text, (size_t)EVP_MD_get_size(md), f.hash) < 0)
        return -EINVAL;
    if (s->fingerprint_count == DTLS_FINGERPRINTS_MAX)
        return -ENOSPC;
    f.md = md;
    s->fingerprints[s->fingerprint_count++] = f;
    if (s->state == DTLS_WAITS_FOR_FINGERPRINT) {
        finish(s);
        rearm(s, now_us);
    }
    return 0;
}

/* ---- records ---- */

/* Reads all records of the datagram at hand. */
static void read_records(struct dtls_session *s)
{
    uint8_t record[DTLS_RECORD_MAX];

    while (s->state != DTLS_OVER) {
        ERR_clear_error();
        int n = SSL_read(s->ssl, record, sizeof record);
        if (n > 0) {
            if (s->state == DTLS_ESTABLISHED)
                s->ops->data(s->arg, record, (size_t)n);
            else
                s->stats.early_data++;
            continue;
        }
        int error = SSL_get_error(s->ssl, n);
        if (error == SSL_ERROR_WANT_READ || error == SSL_ERROR_WANT_WRITE)
            break;
        if (error == SSL_ERROR_ZERO_RETURN) {
            say_goodbye(s);
            end(s, DTLS_CLOSED_PEER, NULL);
        } else {
            fail(s);
        }
    }
}

/* The bytes that OpenSSL may see: the records before the first one that is too short for nonce and tag of its
 * cipher. Anybody can send such a record, and many a version of OpenSSL ends the session over it
 * (CVE-2026-75806). No peer makes one, so what follows it in the datagram is no loss. */
static size_t sound_len(const struct dtls_session *s, const uint8_t *data, size_t len)
{
    const SSL_CIPHER *cipher = SSL_get_current_cipher(s->ssl);
    bool chacha = cipher && SSL_CIPHER_get_cipher_nid(cipher) == NID_chacha20_poly1305;
    size_t least = chacha ? CHACHA_RECORD_MIN : GCM_RECORD_MIN;
    struct cursor c = cursor_of(data, len);

    while (cursor_left(&c) >= RECORD_HEADER) {
        size_t at = len - cursor_left(&c);
        cursor_skip(&c, 3); /* type, version */
        uint16_t epoch = cursor_u16(&c);
        cursor_skip(&c, 6); /* sequence number */
        uint16_t body = cursor_u16(&c);
        if (epoch > 0 && body < least)
            return at;
        cursor_skip(&c, body);
    }
    return len;
}

void dtls_session_input(struct dtls_session *s, const uint8_t *data, size_t len, int64_t now_us)
{
    /* First bytes of DTLS lie between 20 and 63 (RFC 7983). */
    if (s->state == DTLS_OVER || len < RECORD_HEADER || len > DTLS_RECORD_MAX || data[0] < 20 ||
        data[0] > 63) {
        s->stats.dropped++;
        return;
    }
    len = sound_len(s, data, len);
    if (len == 0) {
        s->stats.dropped++;
        return;
    }
    s->stats.datagrams_in++;
    start_clock(s, now_us);
    s->in = data;
    s->in_len = len;
    if (s->state != DTLS_HANDSHAKE || shake(s))
        read_records(s);
    s->in = NULL;
    drop_buffers(s);
    rearm(s, now_us);
}

void dtls_session_timeout(struct dtls_session *s, int64_t now_us)
{
    if (s->state == DTLS_OVER)
        return;
    if (now_us >= s->deadline_us) {
        end(s, DTLS_FAILED_TIMEOUT, NULL);
        return;
    }
    ERR_clear_error();
    int r = hold_buffers(s) ? DTLSv1_handle_timeout(s->ssl) : 0;
    if (r > 0)
        s->stats.retransmissions++;
    if (r < 0)
        fail(s);
    else
        rearm(s, now_us);
}

int64_t dtls_session_next_timeout_us(const struct dtls_session *s)
{
    return s->next_timeout_us < s->deadline_us ? s->next_timeout_us : s->deadline_us;
}

int dtls_session_write(struct dtls_session *s, const uint8_t *data, size_t len)
{
    if (s->state != DTLS_ESTABLISHED)
        return -ENOTCONN;
    if (len == 0 || len > DTLS_PAYLOAD_MAX)
        return -EMSGSIZE;
    ERR_clear_error();
    if (!hold_buffers(s))
        return -ENOMEM;
    int n = SSL_write(s->ssl, data, (int)len);
    if (n <= 0)
        fail(s);
    drop_buffers(s);
    return n > 0 ? 0 : -ENOTCONN;
}

void dtls_session_close(struct dtls_session *s)
{
    if (s->state == DTLS_OVER)
        return;
    if (s->state != DTLS_HANDSHAKE)
        say_goodbye(s);
    end(s, DTLS_CLOSED_LOCAL, NULL);
}

bool dtls_session_is_established(const struct dtls_session *s)
{
    return s->state == DTLS_ESTABLISHED;
}

enum dtls_role dtls_session_role(const struct dtls_session *s)
{
    return s->role;
}

const char *dtls_session_cipher(const struct dtls_session *s)
{
    const SSL_CIPHER *cipher = SSL_get_current_cipher(s->ssl);
    return cipher ? SSL_CIPHER_get_name(cipher) : "";
}

void dtls_session_stats(const struct dtls_session *s, struct dtls_stats *ret)
{
    *ret = s->stats;
}
