#include "http/private.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <gnutls/abstract.h>
#include <gnutls/gnutls.h>
#include <gnutls/x509.h>

/* The certificate of handshakes to come. Each handshake takes a copy, so that an exchange disturbs none under
 * way. */
struct certificate {
    pthread_mutex_t lock;
    gnutls_x509_crt_t *chain;
    unsigned chain_len;
    gnutls_x509_privkey_t key;
};

struct certificate *certificate_new(void)
{
    struct certificate *c = calloc(1, sizeof *c);
    if (c)
        pthread_mutex_init(&c->lock, NULL);
    return c;
}

static void chain_free(gnutls_x509_crt_t *chain, unsigned len)
{
    for (unsigned i = 0; i < len; i++)
        gnutls_x509_crt_deinit(chain[i]);
    gnutls_free(chain);
}

void certificate_free(struct certificate *c)
{
    if (!c)
        return;
    chain_free(c->chain, c->chain_len);
    if (c->key)
        gnutls_x509_privkey_deinit(c->key);
    pthread_mutex_destroy(&c->lock);
    free(c);
}

static gnutls_datum_t datum_of(const char *text)
{
    return (gnutls_datum_t){.data = (unsigned char *)text, .size = (unsigned)strlen(text)};
}

/* Does the key belong to the first certificate of the chain? */
static bool belongs(gnutls_x509_crt_t crt, gnutls_x509_privkey_t key)
{
    unsigned char a[64], b[64];
    size_t a_len = sizeof a, b_len = sizeof b;
    return gnutls_x509_crt_get_key_id(crt, GNUTLS_KEYID_USE_SHA256, a, &a_len) == 0 &&
           gnutls_x509_privkey_get_key_id(key, GNUTLS_KEYID_USE_SHA256, b, &b_len) == 0 && a_len == b_len &&
           memcmp(a, b, a_len) == 0;
}

static int refuse(const char *reason)
{
    log_error("http.certificate_refused", "reason=\"%s\"", reason);
    return -EINVAL;
}

int certificate_set(struct certificate *c, const char *cert_pem, const char *key_pem)
{
    if (!cert_pem || !key_pem)
        return refuse("certificate or key missing");
    gnutls_datum_t cert_text = datum_of(cert_pem), key_text = datum_of(key_pem);
    gnutls_x509_crt_t *chain = NULL;
    unsigned chain_len = 0;
    gnutls_x509_privkey_t key = NULL;
    int err = gnutls_x509_crt_list_import2(&chain, &chain_len, &cert_text, GNUTLS_X509_FMT_PEM, 0);
    if (err < 0 || chain_len == 0)
        return refuse(err < 0 ? gnutls_strerror(err) : "no certificate in the text");
    err = gnutls_x509_privkey_init(&key);
    if (err == 0)
        err = gnutls_x509_privkey_import2(key, &key_text, GNUTLS_X509_FMT_PEM, NULL, 0);
    if (err < 0 || !belongs(chain[0], key)) {
        chain_free(chain, chain_len);
        if (key)
            gnutls_x509_privkey_deinit(key);
        return refuse(err < 0 ? gnutls_strerror(err) : "the key does not belong to the certificate");
    }
    pthread_mutex_lock(&c->lock);
    gnutls_x509_crt_t *old_chain = c->chain;
    unsigned old_len = c->chain_len;
    gnutls_x509_privkey_t old_key = c->key;
    c->chain = chain;
    c->chain_len = chain_len;
    c->key = key;
    pthread_mutex_unlock(&c->lock);
    chain_free(old_chain, old_len);
    if (old_key)
        gnutls_x509_privkey_deinit(old_key);
    return 0;
}

static int copy_chain(const struct certificate *c, gnutls_pcert_st **ret, unsigned *ret_len)
{
    gnutls_pcert_st *list = gnutls_calloc(c->chain_len, sizeof *list);
    if (!list)
        return -1;
    for (unsigned i = 0; i < c->chain_len; i++) {
        if (gnutls_pcert_import_x509(&list[i], c->chain[i], 0) == 0)
            continue;
        while (i > 0)
            gnutls_pcert_deinit(&list[--i]);
        gnutls_free(list);
        return -1;
    }
    *ret = list;
    *ret_len = c->chain_len;
    return 0;
}

static int copy_key(const struct certificate *c, gnutls_privkey_t *ret)
{
    gnutls_privkey_t key;
    if (gnutls_privkey_init(&key) != 0)
        return -1;
    if (gnutls_privkey_import_x509(key, c->key, GNUTLS_PRIVKEY_IMPORT_COPY) != 0) {
        gnutls_privkey_deinit(key);
        return -1;
    }
    *ret = key;
    return 0;
}

/* gnutls_certificate_retrieve_function3: GnuTLS frees what it is given (GNUTLS_CERT_RETR_DEINIT_ALL). */
static int retrieve(gnutls_session_t session, const struct gnutls_cert_retr_st *info, gnutls_pcert_st **certs,
    unsigned int *cert_count, gnutls_ocsp_data_st **ocsp, unsigned int *ocsp_count, gnutls_privkey_t *key,
    unsigned int *flags)
{
    (void)info;
    struct certificate *c = gnutls_db_get_ptr(session);
    *ocsp = NULL;
    *ocsp_count = 0;
    pthread_mutex_lock(&c->lock);
    int err = copy_chain(c, certs, cert_count);
    if (err == 0 && copy_key(c, key) != 0) {
        for (unsigned i = 0; i < *cert_count; i++)
            gnutls_pcert_deinit(&(*certs)[i]);
        gnutls_free(*certs);
        err = -1;
    }
    pthread_mutex_unlock(&c->lock);
    if (err == 0)
        *flags = GNUTLS_CERT_RETR_DEINIT_ALL;
    return err;
}

struct MHD_OptionItem certificate_option(void)
{
    return (struct MHD_OptionItem){.option = MHD_OPTION_HTTPS_CERT_CALLBACK2, .ptr_value = (void *)retrieve};
}

/* The callback is not told whose it is. The session cache's pointer is free for that: there is no cache. */
void certificate_use(struct certificate *c, struct MHD_Connection *mhd)
{
    const union MHD_ConnectionInfo *info = MHD_get_connection_info(mhd, MHD_CONNECTION_INFO_GNUTLS_SESSION);
    if (info && info->tls_session)
        gnutls_db_set_ptr(info->tls_session, c);
}
