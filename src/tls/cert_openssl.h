/* OpenSSL's view of a certificate, for tls/ and dtls/ only. */
#ifndef TLS_CERT_OPENSSL_H
#define TLS_CERT_OPENSSL_H

#include <openssl/evp.h>
#include <openssl/x509.h>
#include "tls/cert.h"

/* Owned by c. */
X509 *cert_x509(const struct cert *c);
EVP_PKEY *cert_pkey(const struct cert *c);

#endif
