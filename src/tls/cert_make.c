/* Self-signed certificates: in memory, and the one that a machine keeps. */
#include "base/rand.h"
#include "tls/cert_private.h"
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <openssl/ec.h>
#include <openssl/err.h>
#include <openssl/x509v3.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#define DAYS_MAX     36500
#define DAY_S        86400
#define NAME_MAX_LEN 253 /* bytes of a DNS name (RFC 1035, section 2.3.4) */

EVP_PKEY *cert_new_key(void)
{
    EVP_PKEY *pkey = EVP_EC_gen("P-256");
    if (!pkey)
        ERR_clear_error();
    return pkey;
}

/* The 4 or 16 bytes of an IP literal; 0 if the name is none. */
static size_t name_ip(const char *name, uint8_t out[16])
{
    if (inet_pton(AF_INET, name, out) == 1)
        return 4;
    return inet_pton(AF_INET6, name, out) == 1 ? 16 : 0;
}

static bool name_is_dns(const char *name)
{
    size_t len = strlen(name);
    return len > 0 && len <= NAME_MAX_LEN &&
           strspn(name, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-._") == len;
}

/* One subject alternative name; NULL without memory. */
static GENERAL_NAME *general_name(const char *name)
{
    uint8_t ip[16];
    size_t ip_len = name_ip(name, ip);
    GENERAL_NAME *gen = GENERAL_NAME_new();
    ASN1_STRING *value = ip_len ? ASN1_OCTET_STRING_new() : ASN1_IA5STRING_new();

    if (!gen || !value ||
        !ASN1_STRING_set(value, ip_len ? (const void *)ip : name, (int)(ip_len ? ip_len : strlen(name)))) {
        GENERAL_NAME_free(gen);
        ASN1_STRING_free(value);
        return NULL;
    }
    GENERAL_NAME_set0_value(gen, ip_len ? GEN_IPADD : GEN_DNS, value);
    return gen;
}

static int add_names(X509 *x509, const struct cert_subject *subject)
{
    GENERAL_NAMES *names = GENERAL_NAMES_new();
    int r = names ? 0 : -ENOMEM;

    for (size_t i = 0; r == 0 && i < subject->name_count; i++) {
        GENERAL_NAME *gen = general_name(subject->names[i]);
        if (!gen || !sk_GENERAL_NAME_push(names, gen)) {
            GENERAL_NAME_free(gen);
            r = -ENOMEM;
        }
    }
    if (r == 0 && X509_add1_ext_i2d(x509, NID_subject_alt_name, names, 0, 0) != 1)
        r = -ENOMEM;
    GENERAL_NAMES_free(names);
    return r;
}

static int add_extension(X509 *x509, int nid, const char *value)
{
    X509_EXTENSION *ext = X509V3_EXT_conf_nid(NULL, NULL, nid, value);
    int ok = ext && X509_add_ext(x509, ext, -1);
    X509_EXTENSION_free(ext);
    return ok ? 0 : -ENOMEM;
}

/* What a browser wants to see in the certificate of a web server. */
static int add_web_extensions(X509 *x509, const struct cert_subject *subject)
{
    if (subject->name_count == 0)
        return 0;
    int r = add_names(x509, subject);
    if (r == 0)
        r = add_extension(x509, NID_basic_constraints, "critical,CA:FALSE");
    if (r == 0)
        r = add_extension(x509, NID_key_usage, "critical,digitalSignature");
    return r ? r : add_extension(x509, NID_ext_key_usage, "serverAuth");
}

static int fill(X509 *x509, const struct cert_subject *subject, EVP_PKEY *pkey)
{
    uint8_t serial[16];
    char random_name[17];
    const char *name = subject->common_name;
    X509_NAME *subject_name = X509_get_subject_name(x509);

    if (!name)
        name = rand_text(random_name, 16, "0123456789abcdef");
    rand_bytes(serial, sizeof serial);
    serial[0] = (uint8_t)((serial[0] & 0x7f) | 0x40); /* positive, and of the same length every time */
    BIGNUM *number = BN_bin2bn(serial, sizeof serial, NULL);
    bool ok = number && BN_to_ASN1_INTEGER(number, X509_get_serialNumber(x509));
    BN_free(number);

    ok = ok && X509_set_version(x509, X509_VERSION_3) && X509_set_pubkey(x509, pkey) &&
         X509_gmtime_adj(X509_getm_notBefore(x509), -DAY_S) &&
         X509_time_adj_ex(X509_getm_notAfter(x509), subject->days - 1, 0, NULL) &&
         X509_NAME_add_entry_by_NID(
             subject_name, NID_commonName, MBSTRING_UTF8, (const unsigned char *)name, -1, -1, 0) &&
         X509_set_issuer_name(x509, subject_name) && add_web_extensions(x509, subject) == 0;
    return ok && X509_sign(x509, pkey, EVP_sha256()) ? 0 : -ENOMEM;
}

int cert_sign(const struct cert_subject *subject, EVP_PKEY *pkey, struct cert **ret, char *why)
{
    uint8_t ip[16];

    if (subject->days < 1 || subject->days > DAYS_MAX)
        return cert_why(why, -EINVAL, "validity of %d days: 1 to %d are possible", subject->days, DAYS_MAX);
    if (subject->common_name && (!*subject->common_name || strlen(subject->common_name) > 64))
        return cert_why(why, -EINVAL, "a common name has 1 to 64 characters");
    for (size_t i = 0; i < subject->name_count; i++) {
        if (!name_ip(subject->names[i], ip) && !name_is_dns(subject->names[i]))
            return cert_why(why, -EINVAL, "not a host name or address: %.64s", subject->names[i]);
    }

    X509 *x509 = X509_new();
    if (!x509 || fill(x509, subject, pkey) < 0) {
        X509_free(x509);
        return cert_why(why, -ENOMEM, "out of memory");
    }
    EVP_PKEY_up_ref(pkey);
    int r = cert_wrap(x509, pkey, NULL, ret);
    return r ? cert_why(why, r, "out of memory") : 0;
}

int cert_make(const struct cert_subject *subject, struct cert **ret, char *why)
{
    EVP_PKEY *pkey = cert_new_key();
    if (why)
        why[0] = '\0';
    if (!pkey)
        return cert_why(why, -ENOMEM, "out of memory");
    int r = cert_sign(subject, pkey, ret, why);
    EVP_PKEY_free(pkey);
    return r;
}

/* ---- the kept one ---- */

/* mkdir -p with mode 0700. */
static int make_directories(const char *path, char *why)
{
    char part[PATH_MAX];
    size_t len = strlen(path);

    if (len == 0 || len >= sizeof part)
        return cert_why(why, -ENAMETOOLONG, "bad name of a state directory");
    for (size_t i = 1; i <= len; i++) {
        if (path[i] != '/' && path[i] != '\0')
            continue;
        memcpy(part, path, i);
        part[i] = '\0';
        if (mkdir(part, 0700) < 0 && errno != EEXIST)
            return cert_why(why, -errno, "%s: %s", part, strerror(errno));
    }
    return 0;
}

/* Writes a file so that it is there whole or not at all. */
static int write_file(const char *path, const char *text, mode_t mode, char *why)
{
    char temp[PATH_MAX + 8];
    size_t len = strlen(text);

    (void)snprintf(temp, sizeof temp, "%s.new", path);
    (void)unlink(temp); /* left by a crash: the directory is locked, so nobody else is writing it */
    int fd = open(temp, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, mode);
    if (fd < 0)
        return cert_why(why, -errno, "%s: %s", temp, strerror(errno));
    int err = 0;
    while (len > 0 && !err) {
        ssize_t n = write(fd, text, len);
        if (n > 0) {
            text += n;
            len -= (size_t)n;
        } else if (n < 0 && errno != EINTR) {
            err = errno;
        }
    }
    if (!err && fsync(fd) < 0)
        err = errno;
    (void)close(fd);
    if (!err && rename(temp, path) < 0)
        err = errno;
    if (err)
        (void)unlink(temp);
    return err ? cert_why(why, -err, "%s: %s", path, strerror(err)) : 0;
}

static bool names_covered(const struct cert *c, const struct cert_subject *subject)
{
    X509 *x509 = cert_x509(c);
    for (size_t i = 0; i < subject->name_count; i++) {
        const char *name = subject->names[i];
        uint8_t ip[16];
        size_t ip_len = name_ip(name, ip);
        int ok = ip_len ? X509_check_ip(x509, ip, ip_len, 0)
                        : X509_check_host(x509, name, 0, X509_CHECK_FLAG_NEVER_CHECK_SUBJECT, NULL);
        if (ok != 1)
            return false;
    }
    return true;
}

static bool still_good(const struct cert *c, const struct cert_subject *subject)
{
    int64_t left_us = cert_expires_wall_us(c) - (int64_t)time(NULL) * 1000000;
    return left_us > (int64_t)CERT_RENEW_DAYS * DAY_S * 1000000 && names_covered(c, subject);
}

/* Makes a certificate with the stored key, or with a new one if there is none, and stores what is new. */
static int make_and_store(const char *cert_path, const char *key_path, const struct cert_subject *subject,
    struct cert **ret, char *why)
{
    EVP_PKEY *pkey = NULL;
    struct cert *c = NULL;
    bool new_key = access(key_path, F_OK) < 0 && errno == ENOENT;

    if (new_key)
        pkey = cert_new_key();
    int r =
        new_key ? (pkey ? 0 : cert_why(why, -ENOMEM, "out of memory")) : cert_read_key(key_path, &pkey, why);
    if (r == 0)
        r = cert_sign(subject, pkey, &c, why);
    /* The key first: a key without its certificate is mended at the next start, the other way round it is
     * not. */
    if (r == 0 && new_key)
        r = write_file(key_path, cert_key_pem(c), 0600, why);
    if (r == 0)
        r = write_file(cert_path, cert_chain_pem(c), 0644, why);
    if (r == 0)
        r = cert_set_paths(c, cert_path, key_path);
    EVP_PKEY_free(pkey);
    if (r < 0) {
        cert_free(c);
        return r;
    }
    *ret = c;
    return 0;
}

int cert_keep(const char *state_dir, const struct cert_subject *subject, struct cert **ret, char *why)
{
    char cert_path[PATH_MAX], key_path[PATH_MAX];
    struct cert *c = NULL;

    if (why)
        why[0] = '\0';
    int r = make_directories(state_dir, why);
    if (r < 0)
        return r;
    if (snprintf(cert_path, sizeof cert_path, "%s/https-cert.pem", state_dir) >= (int)sizeof cert_path ||
        snprintf(key_path, sizeof key_path, "%s/https-key.pem", state_dir) >= (int)sizeof key_path)
        return cert_why(why, -ENAMETOOLONG, "bad name of a state directory");

    int dir = open(state_dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (dir < 0 || flock(dir, LOCK_EX) < 0) {
        r = cert_why(why, -errno, "%s: %s", state_dir, strerror(errno));
        goto out;
    }
    if (access(cert_path, F_OK) == 0 || errno != ENOENT) {
        r = cert_load(cert_path, key_path, &c, why);
        if (r < 0)
            goto out;
    }
    if (c && still_good(c, subject)) {
        *ret = c;
        goto out;
    }
    cert_free(c);
    if (why)
        why[0] = '\0';
    r = make_and_store(cert_path, key_path, subject, ret, why);
out:
    if (dir >= 0)
        (void)close(dir);
    return r;
}
