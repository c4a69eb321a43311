/* A blocking HTTP and WebSocket client for tests, with full control over the bytes. Every wait ends after ten
 * seconds with a failed assertion. */
#ifndef SUPPORT_HTTP_CLIENT_H
#define SUPPORT_HTTP_CLIENT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct client;

struct client *client_open(uint16_t port, bool tls); /* to 127.0.0.1; never NULL */
struct client *client_open_small(
    uint16_t port); /* with a small receive buffer, for a peer that does not read */
void client_close(struct client *c);
int client_fd(const struct client *c);
int client_connect(uint16_t port); /* a descriptor alone, or -1 */

void client_send(struct client *c, const void *data, size_t len);
void client_sendf(struct client *c, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
bool client_try_send(struct client *c, const void *data, size_t len); /* false: the peer is gone */

/* SHA-256 of the peer's certificate in hex; TLS only. Valid until the next call. */
const char *client_peer_certificate(struct client *c);

struct response {
    int status;
    char *head; /* status line and fields */
    char *body; /* zero-terminated */
    size_t body_len;
};

/* Reads one response; head: to a HEAD request. The caller frees it with response_done. */
void client_response(struct client *c, bool head, struct response *ret);
/* The value of a header, or NULL; valid until the next call. */
const char *response_header(const struct response *r, const char *name);
void response_done(struct response *r);

bool client_at_end(struct client *c); /* waits for the peer to hang up: true; false: it sent something */

/* ---- WebSocket ---- */

/* Sends a handshake for the target with extra header lines ("Name: value\r\n"), and checks the answer. */
void client_upgrade(struct client *c, const char *target, const char *extra);
void client_send_handshake(struct client *c, const char *target, const char *extra);

enum { FIN = 0x80, CONTINUATION = 0, TEXT = 1, BINARY = 2, CLOSE = 8, PING = 9, PONG = 10 };

/* first: FIN | opcode. Masked, as a client must. */
void client_frame(struct client *c, int first, const void *data, size_t len);

struct frame {
    int first; /* FIN | opcode */
    uint8_t *data;
    size_t len;
};
void client_read_frame(struct client *c, struct frame *ret); /* data is the caller's to free */
/* Reads frames until a close frame, and returns its code (1005: it has none). */
int client_read_close(struct client *c);

#endif
