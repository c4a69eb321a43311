/* A server with a control thread and a few routes, for tests of http/ over real sockets. */
#ifndef SUPPORT_HTTP_SERVER_H
#define SUPPORT_HTTP_SERVER_H

#include <pthread.h>

#include "control/control.h"
#include "http/http.h"
#include "http/ws.h"

/* What handlers have noted; under the lock, with changed signalled. */
struct server {
    struct control *control;
    struct http *http;
    struct http_config config;
    uint16_t port, tls_port;

    pthread_mutex_t lock;
    pthread_cond_t changed;
    struct http_request *held; /* of GET /hold; answered by server_release */
    int holds;                 /* how many there were */
    struct ws *last_ws;        /* the newest WebSocket that is open */
    int opened, closed, messages;
    uint16_t close_code; /* of the last that closed */
    enum ws_cause close_cause;
    int refused_sends;       /* ws_send_* that returned an error */
    int laters, laters_done; /* of GET /later */
};

/* Routes:
 *   GET  /hello               "hello"
 *   POST /echo                the body, with its content type
 *   POST /json                the same, JSON only
 *   POST /small               the same, at most 16 bytes
 *   GET  /later               "later" 20 ms later, from a timer
 *   GET  /hold                not answered before server_release
 *   GET  /show/{a}/{rest*}    what the handler sees, as text
 *   GET  /teapot              418, an error with characters that JSON escapes, a header of the handler's
 *   GET  /ws                  WebSocket that echoes; first sends query "greet"; 401 with query "refuse"; 404
 * without upgrade text messages: "close:CODE", "abort", "flood:N" (N messages of 64 KiB), "both" (two
 * answers) GET  /ws426               WebSocket without a status for plain requests
 *
 * config: NULL, or what to start with; http is switched on, its port 0. */
struct server *server_start(const struct http_config *config);
/* The control thread does not run and nothing listens until this. */
struct server *server_prepare(const struct http_config *config);
void server_run(struct server *s);
void server_stop(struct server *s, int grace_ms); /* http_stop */
void server_free(struct server *s);               /* stops what runs */

void server_release(struct server *s);                          /* answers /hold with "held" */
void server_call(struct server *s, loop_call_fn fn, void *arg); /* on control, waits */

/* Waits until *counter is at least n; fails the test after ten seconds. */
void server_wait(struct server *s, const int *counter, int n);
int server_get(struct server *s, const int *counter);

#endif
