#include <errno.h>
#include <openssl/err.h>
#include <stdlib.h>
#include "dtls/session_private.h"
#include "tls/cert_openssl.h"

/* Forward secrecy and AEAD only, cheapest first. RSA is for peers whose certificate is RSA, when we are the
 * client. */
#define CIPHERS                                                                                              \
    "ECDHE-ECDSA-AES128-GCM-SHA256:ECDHE-RSA-AES128-GCM-SHA256:ECDHE-ECDSA-AES256-GCM-SHA384:"               \
    "ECDHE-RSA-AES256-GCM-SHA384:ECDHE-ECDSA-CHACHA20-POLY1305:ECDHE-RSA-CHACHA20-POLY1305"
#define GROUPS "X25519:P-256:P-384"

/* The server's order wins. */
#define SRTP_PROFILES "SRTP_AEAD_AES_128_GCM:SRTP_AEAD_AES_256_GCM:SRTP_AES128_CM_SHA1_80"

struct dtls_context {
    SSL_CTX *ctx;
    struct cert *cert;
};

/* Certificates of peers are self-signed: what counts is the fingerprint. Without one yet, anything passes
 * here and the session is not established before one matches. */
static int verify(X509_STORE_CTX *store, void *arg)
{
    SSL *ssl = X509_STORE_CTX_get_ex_data(store, SSL_get_ex_data_X509_STORE_CTX_idx());
    struct dtls_session *s = SSL_get_app_data(ssl);
    (void)arg;

    if (s->fingerprint_count == 0 || dtls_fingerprint_matches(s, X509_STORE_CTX_get0_cert(store))) {
        X509_STORE_CTX_set_error(store, X509_V_OK);
        return 1;
    }
    s->fingerprint_failed = true;
    X509_STORE_CTX_set_error(store, X509_V_ERR_CERT_REJECTED);
    return 0;
}

static bool configure(SSL_CTX *ctx, struct cert *cert)
{
    /* No compression, tickets or renegotiation: none is used by anybody, each has had its attack. */
    SSL_CTX_set_options(ctx, SSL_OP_NO_QUERY_MTU | SSL_OP_NO_RENEGOTIATION | SSL_OP_NO_TICKET |
                                 SSL_OP_NO_COMPRESSION | SSL_OP_CIPHER_SERVER_PREFERENCE);
    (void)SSL_CTX_set_session_cache_mode(ctx, SSL_SESS_CACHE_OFF);
    SSL_CTX_set_verify(ctx, SSL_VERIFY_PEER | SSL_VERIFY_FAIL_IF_NO_PEER_CERT, NULL);
    SSL_CTX_set_cert_verify_callback(ctx, verify, NULL);
    return SSL_CTX_set_min_proto_version(ctx, DTLS1_2_VERSION) &&
           SSL_CTX_set_max_proto_version(ctx, DTLS1_2_VERSION) && SSL_CTX_set_cipher_list(ctx, CIPHERS) &&
           SSL_CTX_set1_groups_list(ctx, GROUPS) &&
           SSL_CTX_set_tlsext_use_srtp(ctx, SRTP_PROFILES) == 0 /* success */ &&
           SSL_CTX_use_certificate(ctx, cert_x509(cert)) == 1 &&
           SSL_CTX_use_PrivateKey(ctx, cert_pkey(cert)) == 1;
}

int dtls_context_new(struct cert *cert, struct dtls_context **ret)
{
    int kind = EVP_PKEY_get_base_id(cert_pkey(cert));
    if (kind != EVP_PKEY_EC && kind != EVP_PKEY_RSA)
        return -EINVAL;
    struct dtls_context *c = calloc(1, sizeof *c);
    if (!c)
        return -ENOMEM;
    c->ctx = SSL_CTX_new(DTLS_method());
    if (!c->ctx || !configure(c->ctx, cert)) {
        ERR_clear_error();
        SSL_CTX_free(c->ctx);
        free(c);
        return -ENOMEM;
    }
    c->cert = cert_ref(cert);
    *ret = c;
    return 0;
}

void dtls_context_free(struct dtls_context *c)
{
    if (!c)
        return;
    SSL_CTX_free(c->ctx);
    cert_free(c->cert);
    free(c);
}

const char *dtls_context_fingerprint(const struct dtls_context *c)
{
    return cert_fingerprint(c->cert);
}

SSL *dtls_context_ssl(const struct dtls_context *c)
{
    return SSL_new(c->ctx);
}
