/* WebSockets (RFC 6455), server side, without extensions. Everything here is called, and calls back, on the
 * control thread. Callbacks come from the loop only, never from inside a function of this header. */
#ifndef HTTP_WS_H
#define HTTP_WS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include "http/http.h"

struct ws;

/* Why a socket ended, for logs. */
enum ws_cause {
    WS_CAUSE_PEER,     /* the peer sent a close frame; code is the peer's, 1005 if it gave none */
    WS_CAUSE_LOCAL,    /* ws_close; code is the one given */
    WS_CAUSE_LOST,     /* connection reset, timed out or ended without a close frame; 1006 */
    WS_CAUSE_PROTOCOL, /* malformed frames; 1002 (bad UTF-8: 1007, longer than message_max: 1009), sent to
                          the peer */
    WS_CAUSE_SLOW,     /* more than queue_max bytes waited for a peer that does not read; 1006 */
    WS_CAUSE_MEMORY,   /* 1006 */
};
const char *ws_cause_text(enum ws_cause cause);

struct ws_ops {
    /* One whole message of at most http_config.message_max bytes; text is valid UTF-8. data is valid during
     * the call and has no zero behind it. None come after ws_close. */
    void (*on_message)(void *arg, struct ws *w, bool text, const uint8_t *data, size_t len, int64_t now_us);
    /* The last call: w is gone afterwards. Comes exactly once for every socket, also after ws_close. */
    void (*on_closed)(void *arg, struct ws *w, uint16_t code, enum ws_cause cause);
};

/* Answers an upgrade request (of a HTTP_ROUTE_WEBSOCKET route) with 101. The socket may be sent to at once:
 * messages wait for the connection. ops must outlive it. NULL: no memory or the server is stopping; the
 * request was answered with an error then. A client that went away meanwhile shows as on_closed. */
struct ws *http_accept_websocket(struct http_request *req, const struct ws_ops *ops, void *arg);

/* Another owner for the callbacks; ops NULL: nobody is called any more (the socket itself lives on until
 * closed). */
void ws_set_ops(struct ws *w, const struct ws_ops *ops, void *arg);

/* A message encoded once for many sockets. Reference counted, control thread only. */
struct ws_buffer {
    unsigned refs;
    size_t len;
    uint8_t data[];
};
struct ws_buffer *ws_buffer_new(
    const void *data, size_t len); /* copies; data NULL: the caller fills. NULL: no memory */
struct ws_buffer *ws_buffer_ref(struct ws_buffer *b);
void ws_buffer_unref(struct ws_buffer *b); /* NULL is allowed */

/* Queues one message. 0; -EPIPE: closing or closed; -ENOBUFS: the queue is over queue_max and the socket
 * ends with WS_CAUSE_SLOW; -ENOMEM: likewise with WS_CAUSE_MEMORY. */
int ws_send_buffer(struct ws *w, bool text, struct ws_buffer *b); /* takes a reference of its own */
int ws_send_binary(struct ws *w, const void *data, size_t len);
int ws_send_text(struct ws *w, const char *text, size_t len);

/* Sends a close frame behind what is queued and waits for the peer's, WS_CLOSE_WAIT_S at most. reason is cut
 * at 123 bytes; NULL: none. A second call changes nothing. */
void ws_close(struct ws *w, uint16_t code, const char *reason);

/* Ends the connection without a close frame and without what is queued; on_closed follows with 1006. */
void ws_abort(struct ws *w);

const struct addr *ws_remote(const struct ws *w);
bool ws_secure(const struct ws *w);
size_t ws_queued(const struct ws *w); /* bytes that wait for the peer, with what keeping them costs */

#endif
