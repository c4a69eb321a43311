/* Certificates with their private keys: made here, kept in a directory, or loaded from PEM files.
 *
 * A struct cert never changes and is counted by reference: any thread may read it and hold it. Reloading
 * makes a new one. Functions that can fail for a reason worth telling write one line of text, without a
 * newline, into why (CERT_WHY_SIZE bytes, may be NULL); it is empty after success. */
#ifndef TLS_CERT_H
#define TLS_CERT_H

#include <stddef.h>
#include <stdint.h>

#define CERT_WHY_SIZE         256
#define CERT_FINGERPRINT_SIZE 96 /* "AB:CD:..." of SHA-256 and the terminating zero */
#define CERT_RENEW_DAYS       30 /* a kept certificate with less validity left is made again */

struct cert;

/* What a self-signed certificate says. */
struct cert_subject {
    const char *common_name;  /* NULL: 16 random hexadecimal digits */
    const char *const *names; /* subject alternative names: DNS names or IP literals */
    size_t name_count;        /* may be 0: no such extension (DTLS) */
    int days;                 /* validity from one day ago; 1 to 36,500 */
};

/* A new ECDSA P-256 key and a certificate that it signs itself (SHA-256), in memory only. 0, -EINVAL or
 * -ENOMEM. */
int cert_make(const struct cert_subject *subject, struct cert **ret, char *why);

/* Loads a PEM certificate, which intermediate certificates may follow, and its PEM private key (RSA of at
 * least 2,048 bits, ECDSA or Ed25519, no pass phrase); key_path may equal cert_path. Errors: -errno of the
 * file, -EBADMSG: not PEM, no certificate or no key; -EKEYREJECTED: the key does not belong to the
 * certificate or is too weak. A certificate that has expired loads, with a warning in why. */
int cert_load(const char *cert_path, const char *key_path, struct cert **ret, char *why);

/* The long-lived certificate of this machine: loads state_dir/https-cert.pem and https-key.pem, or makes and
 * stores them (key mode 0600, directory made with 0700 if missing) on first start, when less than 30 days of
 * validity are left, or when a name of the subject is missing from the stored one. Stored files that cannot
 * be read are an error; they are never overwritten. 0 or -errno as above. */
int cert_keep(const char *state_dir, const struct cert_subject *subject, struct cert **ret, char *why);

/* Loads again from the files that c came from (cert_load, cert_keep). On failure *ret is untouched and c
 * remains good to use. -ENOENT for a certificate made in memory. */
int cert_reload(const struct cert *c, struct cert **ret, char *why);

struct cert *cert_ref(struct cert *c);
void cert_free(struct cert *c); /* drops a reference; NULL is allowed */

/* SHA-256 of the DER form, upper-case with colons, as in a=fingerprint:sha-256 (RFC 8122, section 5). */
const char *cert_fingerprint(const struct cert *c);

/* The certificate with its chain, and the unencrypted PKCS #8 key, as zero-terminated PEM text owned by c. */
const char *cert_chain_pem(const struct cert *c);
const char *cert_key_pem(const struct cert *c);

int64_t cert_expires_wall_us(const struct cert *c); /* microseconds since 1970 */

#endif
