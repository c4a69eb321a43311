/* The datagram BIO: a memory BIO would join datagrams, a socket BIO would own the socket. */
#include <openssl/bio.h>
#include <pthread.h>
#include <string.h>
#include "dtls/session_private.h"

static BIO_METHOD *method;
static pthread_once_t method_once = PTHREAD_ONCE_INIT;

static int bio_read(BIO *bio, char *out, int size)
{
    struct dtls_session *s = BIO_get_data(bio);

    BIO_clear_retry_flags(bio);
    if (!s->in) {
        BIO_set_retry_read(bio);
        return -1;
    }
    /* OpenSSL reads with room for the largest record, so nothing is cut here. */
    int n = s->in_len < (size_t)size ? (int)s->in_len : size;
    memcpy(out, s->in, (size_t)n);
    s->in = NULL;
    return n;
}

static int bio_write(BIO *bio, const char *data, int len)
{
    struct dtls_session *s = BIO_get_data(bio);

    BIO_clear_retry_flags(bio);
    s->stats.datagrams_out++;
    s->ops->send(s->arg, (const uint8_t *)data, (size_t)len);
    return len;
}

static long bio_ctrl(BIO *bio, int cmd, long num, void *ptr)
{
    (void)bio;
    (void)num;
    (void)ptr;
    switch (cmd) {
    case BIO_CTRL_FLUSH: /* every write has left already */
    case BIO_CTRL_DUP:
        return 1;
    case BIO_CTRL_DGRAM_QUERY_MTU:
    case BIO_CTRL_DGRAM_GET_FALLBACK_MTU:
        return DTLS_MTU;
    default: /* no overhead inside the MTU, nothing pending, no timeouts, no peer address */
        return 0;
    }
}

static void make_method(void)
{
    BIO_METHOD *m = BIO_meth_new(BIO_get_new_index() | BIO_TYPE_SOURCE_SINK, "datagram");
    if (m && BIO_meth_set_read(m, bio_read) && BIO_meth_set_write(m, bio_write) &&
        BIO_meth_set_ctrl(m, bio_ctrl))
        method = m;
    else
        BIO_meth_free(m);
}

BIO *dtls_bio_new(struct dtls_session *s)
{
    (void)pthread_once(&method_once, make_method);
    BIO *bio = method ? BIO_new(method) : NULL;
    if (!bio)
        return NULL;
    BIO_set_data(bio, s);
    BIO_set_init(bio, 1);
    return bio;
}
