/* Inside tls/ only. */
#ifndef TLS_CERT_PRIVATE_H
#define TLS_CERT_PRIVATE_H

#include "tls/cert_openssl.h"

/* Wraps a certificate and its key (references taken over, also on failure). intermediates: PEM text that
 * follows the certificate, or NULL. 0 or -ENOMEM. */
int cert_wrap(X509 *x509, EVP_PKEY *pkey, const char *intermediates, struct cert **ret);

/* Remembers where the certificate came from, for cert_reload. 0 or -ENOMEM. */
int cert_set_paths(struct cert *c, const char *cert_path, const char *key_path);

/* A self-signed certificate for the subject, signed with pkey (reference kept by the caller). */
int cert_sign(const struct cert_subject *subject, EVP_PKEY *pkey, struct cert **ret, char *why);

/* A new P-256 key; NULL without memory. */
EVP_PKEY *cert_new_key(void);

/* Reads a PEM private key file. 0 or -errno as cert_load. */
int cert_read_key(const char *path, EVP_PKEY **ret, char *why);

/* Writes a line into why, which may be NULL; returns err. */
int cert_why(char *why, int err, const char *fmt, ...) __attribute__((format(printf, 3, 4)));

#endif
