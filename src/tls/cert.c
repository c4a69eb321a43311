#include "tls/cert.h"
#include "tls/cert_private.h"
#include <errno.h>
#include <openssl/bio.h>
#include <openssl/err.h>
#include <openssl/pem.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#define FILE_SIZE_MAX     (1 << 20) /* bytes of a PEM file: a chain takes 10 KB */
#define CHAIN_MAX         16        /* certificates of a chain; public ones have three */
#define SECURITY_BITS_MIN 112       /* RSA 2048, any ECDSA curve in use, Ed25519 */

struct cert {
    _Atomic unsigned refs;
    X509 *x509;
    EVP_PKEY *pkey;
    char *chain_pem, *key_pem;
    char *cert_path, *key_path; /* NULL: made in memory */
    int64_t expires_wall_us;
    char fingerprint[CERT_FINGERPRINT_SIZE];
};

int cert_why(char *why, int err, const char *fmt, ...)
{
    if (why) {
        va_list ap;
        va_start(ap, fmt);
        (void)vsnprintf(why, CERT_WHY_SIZE, fmt, ap);
        va_end(ap);
    }
    ERR_clear_error();
    return err;
}

/* The text of a memory BIO as a string of its own; NULL without memory. */
static char *bio_text(BIO *bio)
{
    char *data = NULL;
    long len = BIO_get_mem_data(bio, &data);
    char *text = len > 0 ? malloc((size_t)len + 1) : NULL;
    if (text) {
        memcpy(text, data, (size_t)len); /* no string: it ends without a NUL */
        text[len] = 0;
    }
    return text;
}

static char *key_text(EVP_PKEY *pkey)
{
    BIO *bio = BIO_new(BIO_s_mem());
    char *text = NULL;
    if (bio && PEM_write_bio_PKCS8PrivateKey(bio, pkey, NULL, NULL, 0, NULL, NULL))
        text = bio_text(bio);
    BIO_free(bio);
    return text;
}

static char *chain_text(X509 *x509, const char *intermediates)
{
    BIO *bio = BIO_new(BIO_s_mem());
    char *text = NULL;
    if (bio && PEM_write_bio_X509(bio, x509) && (!intermediates || BIO_puts(bio, intermediates) >= 0))
        text = bio_text(bio);
    BIO_free(bio);
    return text;
}

/* Microseconds since 1970 of notAfter; 0 if it cannot be told. */
static int64_t expiry_wall_us(const X509 *x509)
{
    struct tm tm;
    if (!ASN1_TIME_to_tm(X509_get0_notAfter(x509), &tm))
        return 0;
    return (int64_t)timegm(&tm) * 1000000;
}

static int write_fingerprint(const X509 *x509, char out[CERT_FINGERPRINT_SIZE])
{
    uint8_t hash[EVP_MAX_MD_SIZE];
    unsigned len = 0;
    if (!X509_digest(x509, EVP_sha256(), hash, &len) || len != 32)
        return -ENOMEM;
    for (unsigned i = 0; i < len; i++)
        (void)snprintf(out + (size_t)i * 3, 4, "%02X%s", hash[i], i + 1 < len ? ":" : "");
    return 0;
}

int cert_wrap(X509 *x509, EVP_PKEY *pkey, const char *intermediates, struct cert **ret)
{
    struct cert *c = calloc(1, sizeof *c);
    if (!c) {
        X509_free(x509);
        EVP_PKEY_free(pkey);
        return -ENOMEM;
    }
    atomic_init(&c->refs, 1);
    c->x509 = x509;
    c->pkey = pkey;
    c->expires_wall_us = expiry_wall_us(x509);
    c->key_pem = key_text(pkey);
    c->chain_pem = chain_text(x509, intermediates);
    if (!c->key_pem || !c->chain_pem || write_fingerprint(x509, c->fingerprint) < 0) {
        ERR_clear_error();
        cert_free(c);
        return -ENOMEM;
    }
    *ret = c;
    return 0;
}

int cert_set_paths(struct cert *c, const char *cert_path, const char *key_path)
{
    c->cert_path = strdup(cert_path);
    c->key_path = strdup(key_path);
    return c->cert_path && c->key_path ? 0 : -ENOMEM;
}

/* Reads a whole file into a memory BIO. */
static int read_file(const char *path, BIO **ret, char *why)
{
    FILE *f = fopen(path, "re");
    if (!f)
        return cert_why(why, -errno, "%s: %s", path, strerror(errno));

    BIO *bio = BIO_new(BIO_s_mem());
    char buf[4096];
    size_t n, total = 0;
    int err = bio ? 0 : -ENOMEM;
    while (!err && (n = fread(buf, 1, sizeof buf, f)) > 0) {
        total += n;
        if (total > FILE_SIZE_MAX)
            err = cert_why(why, -EFBIG, "%s: larger than %d bytes", path, FILE_SIZE_MAX);
        else if (BIO_write(bio, buf, (int)n) != (int)n)
            err = -ENOMEM;
    }
    if (!err && ferror(f))
        err = cert_why(why, -EIO, "%s: %s", path, strerror(errno ? errno : EIO));
    explicit_bzero(buf, sizeof buf);
    (void)fclose(f);
    if (err) {
        BIO_free(bio);
        return err == -ENOMEM ? cert_why(why, err, "%s: out of memory", path) : err;
    }
    *ret = bio;
    return 0;
}

/* OpenSSL asks for a pass phrase here: note it and give none. */
static int no_pass_phrase(char *buf, int size, int rwflag, void *asked)
{
    (void)buf;
    (void)size;
    (void)rwflag;
    *(bool *)asked = true;
    return -1;
}

int cert_read_key(const char *path, EVP_PKEY **ret, char *why)
{
    BIO *bio = NULL;
    bool asked = false;
    int r = read_file(path, &bio, why);
    if (r < 0)
        return r;
    EVP_PKEY *pkey = PEM_read_bio_PrivateKey(bio, NULL, no_pass_phrase, &asked);
    BIO_free(bio);
    if (!pkey && asked)
        return cert_why(why, -EBADMSG, "%s: the private key is protected by a pass phrase", path);
    if (!pkey)
        return cert_why(why, -EBADMSG, "%s: holds no PEM private key", path);
    if (EVP_PKEY_get_security_bits(pkey) < SECURITY_BITS_MIN) {
        EVP_PKEY_free(pkey);
        return cert_why(why, -EKEYREJECTED, "%s: the private key is too weak (RSA needs 2048 bits)", path);
    }
    *ret = pkey;
    return 0;
}

/* The certificate of a PEM file and the text of those behind it (NULL: none). */
static int read_chain(const char *path, X509 **ret, char **ret_rest, char *why)
{
    BIO *bio = NULL;
    int r = read_file(path, &bio, why);
    if (r < 0)
        return r;

    X509 *leaf = PEM_read_bio_X509(bio, NULL, NULL, NULL);
    BIO *rest = BIO_new(BIO_s_mem());
    unsigned count = 1;
    while (leaf && rest && count <= CHAIN_MAX) {
        X509 *next = PEM_read_bio_X509(bio, NULL, NULL, NULL);
        if (!next)
            break;
        (void)PEM_write_bio_X509(rest, next);
        X509_free(next);
        count++;
    }
    /* Reading stops for want of another certificate, or at one that is broken. */
    bool broken = leaf && count <= CHAIN_MAX && ERR_GET_REASON(ERR_peek_last_error()) != PEM_R_NO_START_LINE;
    *ret_rest = rest ? bio_text(rest) : NULL;
    BIO_free(rest);
    BIO_free(bio);
    if (leaf && !broken && count <= CHAIN_MAX) {
        ERR_clear_error();
        *ret = leaf;
        return 0;
    }
    X509_free(leaf);
    free(*ret_rest);
    *ret_rest = NULL;
    if (broken)
        return cert_why(why, -EBADMSG, "%s: certificate %u of the chain is broken", path, count + 1);
    return leaf ? cert_why(why, -EBADMSG, "%s: more than %d certificates", path, CHAIN_MAX)
                : cert_why(why, -EBADMSG, "%s: holds no PEM certificate", path);
}

int cert_load(const char *cert_path, const char *key_path, struct cert **ret, char *why)
{
    X509 *x509 = NULL;
    EVP_PKEY *pkey = NULL;
    char *rest = NULL;
    struct cert *c = NULL;

    if (why)
        why[0] = '\0';
    int r = read_chain(cert_path, &x509, &rest, why);
    if (r < 0)
        return r;
    r = cert_read_key(key_path, &pkey, why);
    if (r == 0 && X509_check_private_key(x509, pkey) != 1)
        r = cert_why(
            why, -EKEYREJECTED, "%s: the key does not belong to the certificate in %s", key_path, cert_path);
    if (r < 0) {
        X509_free(x509);
        EVP_PKEY_free(pkey);
        goto out;
    }
    r = cert_wrap(x509, pkey, rest, &c);
    if (r == 0)
        r = cert_set_paths(c, cert_path, key_path);
    if (r < 0) {
        cert_free(c);
        (void)cert_why(why, r, "%s: out of memory", cert_path);
        goto out;
    }
    if (X509_cmp_current_time(X509_get0_notAfter(c->x509)) < 0)
        (void)cert_why(why, 0, "%s: the certificate has expired", cert_path);
    else if (X509_cmp_current_time(X509_get0_notBefore(c->x509)) > 0)
        (void)cert_why(why, 0, "%s: the certificate is not valid yet", cert_path);
    *ret = c;
out:
    free(rest);
    return r;
}

int cert_reload(const struct cert *c, struct cert **ret, char *why)
{
    if (!c->cert_path)
        return cert_why(why, -ENOENT, "the certificate was made in memory");
    return cert_load(c->cert_path, c->key_path, ret, why);
}

struct cert *cert_ref(struct cert *c)
{
    atomic_fetch_add_explicit(&c->refs, 1, memory_order_relaxed);
    return c;
}

void cert_free(struct cert *c)
{
    if (!c || atomic_fetch_sub_explicit(&c->refs, 1, memory_order_acq_rel) > 1)
        return;
    X509_free(c->x509);
    EVP_PKEY_free(c->pkey);
    if (c->key_pem)
        explicit_bzero(c->key_pem, strlen(c->key_pem));
    free(c->key_pem);
    free(c->chain_pem);
    free(c->cert_path);
    free(c->key_path);
    free(c);
}

const char *cert_fingerprint(const struct cert *c)
{
    return c->fingerprint;
}

const char *cert_chain_pem(const struct cert *c)
{
    return c->chain_pem;
}

const char *cert_key_pem(const struct cert *c)
{
    return c->key_pem;
}

int64_t cert_expires_wall_us(const struct cert *c)
{
    return c->expires_wall_us;
}

X509 *cert_x509(const struct cert *c)
{
    return c->x509;
}

EVP_PKEY *cert_pkey(const struct cert *c)
{
    return c->pkey;
}
