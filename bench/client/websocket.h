/* The client's end of a WebSocket over a plain TCP socket (RFC 6455), on a loop of net/loop.h. Messages are
 * put together from their fragments, pings are answered. One thread; callbacks run in the loop's round, and
 * must not free the socket. */
#ifndef BENCH_CLIENT_WEBSOCKET_H
#define BENCH_CLIENT_WEBSOCKET_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include "base/addr.h"
#include "net/loop.h"

#define WEBSOCKET_MESSAGE_MAX (4 << 20) /* bytes received: a large room described in one message */
#define WEBSOCKET_QUEUE_MAX   (4 << 20) /* bytes waiting to be sent */
#define WEBSOCKET_HEAD_MAX    8192      /* bytes of the answer to the handshake */

struct websocket;

struct websocket_ops {
    void (*open)(void *arg);
    void (*message)(void *arg, bool text, const uint8_t *data, size_t len);
    void (*closed)(void *arg, const char *why); /* once and last; also when opening fails */
};

struct websocket_request {
    const char *target;   /* "/path?query" */
    const char *bearer;   /* a token, or NULL */
    const char *protocol; /* the subprotocol that is asked for ("janus-protocol"), or NULL */
};

/* Connects. ops and arg must outlive the socket; the request is needed during the call only. 0 or -errno
 * (nothing will be called). */
int websocket_open(struct loop *loop, const struct addr *server, const struct websocket_request *request,
    const struct websocket_ops *ops, void *arg, struct websocket **ret);
void websocket_free(struct websocket *w); /* hangs up without a word; NULL is allowed */

/* Queues one message. 0, -ENOTCONN before open and after the end, -ENOBUFS. */
int websocket_send(struct websocket *w, bool text, const void *data, size_t len);

/* Sends a close frame; closed is called once the server has answered and hung up. */
void websocket_close(struct websocket *w, uint16_t code);

#endif
