#include "http/front.h"

#include <errno.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#include "base/log.h"

void credentials_unref(struct credentials *c)
{
    if (!c || atomic_fetch_sub_explicit(&c->refs, 1, memory_order_acq_rel) > 1)
        return;
    gnutls_certificate_free_credentials(c->gnutls);
    free(c);
}

static struct credentials *refuse(struct credentials *c, const char *reason)
{
    log_error("http.certificate_refused", "reason=\"%s\"", reason);
    credentials_unref(c);
    return NULL;
}

static gnutls_datum_t datum_of(const char *text)
{
    return (gnutls_datum_t){.data = (unsigned char *)text, .size = (unsigned)strlen(text)};
}

struct credentials *credentials_new(const char *cert_pem, const char *key_pem)
{
    if (!cert_pem || !key_pem)
        return refuse(NULL, "certificate or key missing");
    struct credentials *c = calloc(1, sizeof *c);
    if (!c)
        return refuse(NULL, "no memory");
    atomic_init(&c->refs, 1);
    if (gnutls_certificate_allocate_credentials(&c->gnutls) != 0) {
        free(c);
        return refuse(NULL, "no memory");
    }
    gnutls_datum_t cert = datum_of(cert_pem), key = datum_of(key_pem);
    /* checks that they belong together, too */
    int err = gnutls_certificate_set_x509_key_mem(c->gnutls, &cert, &key, GNUTLS_X509_FMT_PEM);
    return err < 0 ? refuse(c, gnutls_strerror(err)) : c;
}
