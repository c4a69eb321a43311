/* TLS in front of the HTTP server: a thread that turns each TLS connection into a plain one on a socket pair,
 * so that everything behind it sees the same bytes with and without TLS.
 *
 * libmicrohttpd could do this itself, but once a connection is a WebSocket its forwarding (0.9.75) stalls on
 * more than one TLS record at a time, does not report that the peer hung up, and keeps the request's memory
 * pool. */
#ifndef HTTP_FRONT_H
#define HTTP_FRONT_H

#include <stdatomic.h>
#include <stdbool.h>
#include <gnutls/gnutls.h>

struct front;

/* Certificate and key, shared by the sessions that began with them. */
struct credentials {
    _Atomic int refs;
    gnutls_certificate_credentials_t gnutls;
};

/* One reference, or NULL: they cannot be read or do not belong together; a line was logged. */
struct credentials *credentials_new(const char *cert_pem, const char *key_pem);
void credentials_unref(struct credentials *c); /* NULL is allowed; any thread */

struct front *front_new(struct credentials *c); /* takes the reference over. NULL with errno set */
int front_start(struct front *f);               /* 0 or -errno */

/* For handshakes that begin from now on; takes the reference over. Any thread. */
void front_set_credentials(struct front *f, struct credentials *c);

/* Takes over a TCP connection and one end of a socket pair: what is decrypted comes out at the other end, and
 * what is written there goes out encrypted. Closing that end ends the connection when everything was sent.
 * refusal: sent as it is to a peer that does not speak TLS (static text). Any thread. */
void front_add(struct front *f, int tcp, int pair, const char *refusal);

/* Gives connections grace_ms to send what they hold after their other ends were closed, then ends the thread.
 */
void front_stop(struct front *f, int grace_ms);
void front_free(struct front *f); /* NULL is allowed; stops without grace first */

#endif
