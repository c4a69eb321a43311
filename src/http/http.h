/* HTTP and HTTPS: listening sockets, routes, static files, and the way into a WebSocket (http/ws.h).
 *
 * Requests are parsed on threads of libmicrohttpd. What no handler needs to see (static files, preflights,
 * 404, 405, 413, 415) is answered there; everything else is handed to the control thread, where its handler
 * runs and answers at once or later. Every response carries CORS headers, and every error made here the body
 * {"error":{"code":"...","message":"..."}}. */
#ifndef HTTP_HTTP_H
#define HTTP_HTTP_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include "base/addr.h"
#include "control/control.h"

struct http;
struct http_request;

/* Everything is copied by http_new. Zero means the default wherever one is named. */
struct http_config {
    bool http, https;               /* which of the two to serve */
    uint16_t http_port, https_port; /* 0: any free port, see http_port */
    const struct addr *bind;        /* addresses to listen on; their ports do not matter */
    size_t bind_count;              /* 0: every address, [::] dual-stack (0.0.0.0 where there is no IPv6) */
    const char *cert_pem, *key_pem; /* https: certificate chain and key, PEM text */
    const char *static_dir;         /* built web client; NULL, "" or missing: "/" says so in a plain page */
    const char
        *cors_origin;   /* who may read answers: NULL or "*": everybody, the Origin is echoed; "": nobody */
    size_t body_max;    /* bytes of a request body; default HTTP_BODY_MAX. Routes may have their own */
    size_t message_max; /* bytes of a WebSocket message received; default WS_MESSAGE_MAX */
    size_t queue_max;   /* bytes that wait for one WebSocket; default WS_QUEUE_MAX */
    unsigned ping_interval_s; /* between pings to a WebSocket; default WS_PING_S */
    unsigned connections_max; /* in total; default HTTP_CONNECTIONS_MAX */
    unsigned address_max;     /* of one IPv4 address or IPv6 /64; default HTTP_ADDRESS_MAX */
    bool limit_loopback; /* count loopback against address_max too (a proxy in front arrives from there) */
    unsigned idle_timeout_s; /* silent connections are closed; default HTTP_IDLE_S */
};

/* A server that listens on nothing yet; c must outlive it. NULL with errno set (EINVAL: a bad certificate,
 * key, or bind address; a line was logged). */
struct http *http_new(struct control *c, const struct http_config *config);

/* Binds, listens and serves. Any thread, once. 0 or -errno; a line naming address and reason was logged
 * (-EADDRINUSE: port busy), nothing listens then and http_free is all that is left to do. */
int http_start(struct http *h);

/* The port bound, host order; 0: not served. */
uint16_t http_port(const struct http *h);
uint16_t https_port(const struct http *h);

/* Ends everything while the control thread still runs; call from another thread, before control_stop. No new
 * connections; requests under way are answered 503 unless their handler answers meanwhile; open WebSockets
 * are closed with 1001 and get up to grace_ms to take what is queued. on_closed has been called for each when
 * this returns. */
void http_stop(struct http *h, int grace_ms);
void http_free(struct http *h); /* NULL is allowed; after http_stop if http_start succeeded */

/* Puts another certificate in place for handshakes that begin from now on. Any thread. 0, or -EINVAL with the
 * old one still in place. */
int http_set_certificate(struct http *h, const char *cert_pem, const char *key_pem);

/* Counters, any thread. */
struct http_stats {
    uint64_t connections;      /* accepted */
    uint64_t refused_total;    /* closed at once: connections_max */
    uint64_t refused_address;  /* closed at once: address_max */
    uint64_t requests;         /* of any outcome */
    unsigned connections_open; /* WebSockets included */
    unsigned websockets_open;
};
void http_stats(struct http *h, struct http_stats *ret);

/* ---- routes ---- */

/* Runs on the control thread. It, or what it starts, answers req exactly once by http_respond* or
 * http_accept_websocket; until then req stays valid however long it takes, also when the client went away or
 * the server stops (the answer then goes nowhere). */
typedef void (*http_handler_fn)(void *arg, struct http_request *req);

enum http_route_flags {
    HTTP_ROUTE_JSON = 1,      /* a body, where there is one, must be application/json: 415 otherwise */
    HTTP_ROUTE_WEBSOCKET = 2, /* only well-formed upgrade requests of RFC 6455 reach the handler */
};

struct http_route {
    const char *method;  /* "GET" (serves HEAD too), "POST", ... */
    const char *pattern; /* "/api/rooms/{code}/join": {name} is one path segment, a last {name*} the rest of
                            the path */
    http_handler_fn fn;
    void *arg;
    unsigned flags;   /* enum http_route_flags */
    size_t body_max;  /* 0: http_config.body_max */
    int plain_status; /* websocket routes: status of a request without upgrade, with an empty body; 0: 426 as
                         JSON */
};

/* Adds a route; pattern text is copied. Before http_start. The first route added wins where several match. 0,
 * -EINVAL or -ENOMEM. */
int http_route_add(struct http *h, const struct http_route *route);

/* Paths whose first segment is name never get the web client's page: they are 404 unless a route matches. The
 * first segments of all routes are reserved without asking. Before http_start. 0 or -ENOMEM. */
int http_reserve(struct http *h, const char *name);

/* ---- the request; control thread, valid until answered ---- */

const char *http_request_method(const struct http_request *req);
const char *http_request_path(const struct http_request *req); /* decoded, leading slashes collapsed to one */

/* The header's value, or NULL. Names compare without case; of several, the first. */
const char *http_request_header(const struct http_request *req, const char *name);

/* The decoded query parameter ('+' is a space), "" without a value, NULL if absent; of several, the first.
 * Values with a NUL or a broken escape count as absent. */
const char *http_request_query(struct http_request *req, const char *name);

/* What {name} of the pattern matched, decoded; NULL if the pattern has no such name. */
const char *http_request_param(const struct http_request *req, const char *name);

/* The body: *ret_len bytes and a zero behind them (not counted). Never NULL. */
const char *http_request_body(const struct http_request *req, size_t *ret_len);

const struct addr *http_request_remote(const struct http_request *req);
bool http_request_secure(const struct http_request *req); /* came over TLS */

/* ---- the answer; control thread, exactly one per request, which is gone afterwards ---- */

/* Adds a header to the answer to come. 0, -EINVAL (a control character) or -ENOMEM. */
int http_response_header(struct http_request *req, const char *name, const char *value);

/* body is copied; content_type NULL: none is named. */
void http_respond(
    struct http_request *req, int status, const char *content_type, const void *body, size_t len);
void http_respond_json(struct http_request *req, int status, const char *json);
void http_respond_text(struct http_request *req, int status, const char *text);
/* {"error":{"code":code,"message":message}}, escaped as needed. */
void http_respond_error(struct http_request *req, int status, const char *code, const char *message);

#endif
