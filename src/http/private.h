/* What the files of this folder share. Four kinds of threads meet here:
 *
 * - control: listening sockets, connections until their first request is whole, handlers, WebSockets;
 * - libmicrohttpd's own, one for HTTP and one for HTTPS ("MHD's thread"): parsing, static files, writing
 * answers;
 * - whoever calls http_start and http_stop.
 *
 * A request belongs to MHD's thread until it is handed over (request_hand_over), to control until it is
 * answered, and to MHD's thread again afterwards; its connection is suspended in between, so nobody needs a
 * lock for its fields. */
#ifndef HTTP_PRIVATE_H
#define HTTP_PRIVATE_H

#include <pthread.h>
#include <stdatomic.h>
#include <microhttpd.h>

#include "base/limits.h"
#include "base/list.h"
#include "base/log.h"
#include "base/strbuf.h"
#include "http/http.h"
#include "http/route.h"
#include "http/target.h"
#include "http/ws.h"

struct http_static;
struct front;
struct address_table;
struct address_count;

struct listener {
    struct http *http;
    int fd;
    bool secure;
    struct addr addr; /* with the port bound */
    struct loop_fd *watch;
    struct wheel_timer retry; /* accepting again after descriptors ran out */
    struct loop_call watch_call;
};

struct http {
    struct control *control;
    struct loop *loop;
    struct http_config config; /* defaults filled in; pointers below are our own copies */
    struct addr *bind;
    char *cors_origin;
    struct route_table routes;
    struct http_static *files;
    struct front *front; /* NULL: no HTTPS */
    char *https_refusal; /* for front_add */
    struct MHD_Daemon *daemon;
    struct listener *listeners;
    size_t listener_count;
    uint16_t ports[2]; /* [0] HTTP, [1] HTTPS */
    bool started;

    /* control thread */
    struct list conns; /* struct http_conn */
    unsigned conn_count;
    struct address_table *addresses;
    struct list websockets; /* struct ws */
    unsigned ws_count;
    unsigned tls_closing; /* WebSockets over TLS that are gone while libmicrohttpd still flushes them */
    uint8_t *scratch;     /* HTTP_HEAD_MAX bytes for what is read within one callback */
    struct wheel_timer stop_timer;
    struct log_limit refused_limit;

    struct log_limit lost_limit; /* MHD's thread */

    pthread_mutex_t lock; /* guards: */
    pthread_cond_t idle;  /* some of what http_stop waits for went away */
    bool stopping;        /* also read by control without the lock, which alone writes it */
    bool quiet;           /* nothing is left to wait for */
    unsigned starting;    /* connections handed to libmicrohttpd that its thread has not taken up */
    unsigned answering;   /* requests that control was given, until their answers are sent */
    struct list pending;  /* struct http_request handed to control and not answered */

    _Atomic uint64_t count_connections, count_refused_total, count_refused_address, count_requests;
    _Atomic unsigned open_connections, open_websockets;
};

static inline void stat_add(_Atomic uint64_t *counter)
{
    atomic_fetch_add_explicit(counter, 1, memory_order_relaxed);
}

/* ---- connections (conn.c, listen.c); control thread unless noted ---- */

/* One accepted TCP connection: first ours, until its first request is whole, then libmicrohttpd's, then
 * perhaps a WebSocket's. It is counted until its last holder lets go. */
struct http_conn {
    struct list link; /* http.conns */
    struct http *http;
    struct addr remote;
    bool secure;
    struct address_count *address;
    unsigned holds;
    int fd; /* while ours, otherwise -1 */
    struct loop_fd *watch;
    struct wheel_timer deadline;
    bool refused; /* an answer was sent, we wait for the peer to hang up */

    struct loop_call closed_call; /* posted by MHD's thread when it is done with the connection */
};

struct address_table *address_table_new(void);
void address_table_free(struct address_table *t);
/* Counts one connection more of the address. NULL: it has max already, or no memory. max 0: no limit. */
struct address_count *address_add(struct address_table *t, const struct addr *remote, unsigned max);
void address_del(struct address_table *t, struct address_count *a);

/* Binds and listens everywhere the configuration says, in http->listeners. 0 or -errno, logged. Any thread,
 * once. */
int listen_open(struct http *h);
void listen_watch(struct http *h); /* begins to accept, as soon as control runs. Any thread */
void listen_close(struct http *h); /* control thread, or when it does not run */

/* A whole HTTP response that refuses what did not get as far as libmicrohttpd; NULL: no memory. */
char *conn_refusal(const struct http *h, int status, const char *code, const char *message);
/* Takes fd over. */
void conn_accept(struct http *h, int fd, const struct addr *remote, bool secure);
void conn_release(struct http_conn *c);
void conn_close_waiting(struct http *h);               /* those that are still ours */
void conn_free_all(struct http *h);                    /* when no thread runs any more */
struct http_conn *conn_of(struct MHD_Connection *mhd); /* MHD's thread */
/* MHD's thread: a connection ends. */
void conn_notify(
    void *cls, struct MHD_Connection *mhd, void **context, enum MHD_ConnectionNotificationCode code);

/* ---- requests (request.c, answer.c) ---- */

struct header {
    struct list link;
    const char *name, *value; /* point into text */
    char text[];
};

struct http_request {
    struct http *http;
    struct http_conn *conn; /* not once detached */
    struct MHD_Connection *mhd;
    struct addr remote;
    bool secure;
    _Atomic int refs; /* MHD's thread, and control from hand-over to answer */

    char *raw; /* the target as it came */
    struct http_target target;
    char *path; /* decoded */
    char *method;
    bool http11;
    bool begun;                            /* the head was looked at */
    bool handed;                           /* control had it */
    struct list headers, response_headers; /* struct header */
    struct route_match match;
    char *body;
    size_t body_len, body_cap, body_max;
    size_t drained;           /* bytes of a refused body */
    struct list query_values; /* struct header: parameters that were asked for */

    struct list link; /* http.pending */
    struct loop_call call;
    bool detached; /* control: http_stop answered in the handler's place */

    int status; /* with response: the answer */
    struct MHD_Response *response;
    struct ws_upgrade *upgrade; /* the answer is 101 */
};

void request_unref(struct http_request *req);
const char *header_find(const struct list *headers, const char *name);
int header_copy(struct list *headers, const char *name, const char *value); /* 0 or -ENOMEM */
int header_add(
    struct list *headers, const char *name, const char *value); /* -EINVAL for control characters, too */
void headers_free(struct list *headers);

/* Callbacks of libmicrohttpd (exchange.c), on MHD's thread. */
void *request_on_uri(void *cls, const char *uri, struct MHD_Connection *mhd);
enum MHD_Result request_on_data(void *cls, struct MHD_Connection *mhd, const char *url, const char *method,
    const char *version, const char *upload, size_t *upload_len, void **context);
void request_on_completed(
    void *cls, struct MHD_Connection *mhd, void **context, enum MHD_RequestTerminationCode code);

/* Answers everything that is pending with 503. Control thread. */
void request_stop_all(struct http *h);

/* Decides on the request's answer: an error in JSON, or an empty body. The thread that owns the request. */
void answer_error(struct http_request *req, int status, const char *code, const char *message);
void answer_empty(struct http_request *req, int status);
void answer_preflight(struct http_request *req);
void answer_file(struct http_request *req);
void answer_body(
    struct http_request *req, int status, const char *content_type, const void *body, size_t len);
/* {"error":{...}}; NULL: no memory. */
char *error_json(const char *code, const char *message);
/* CORS and the handler's headers, for any response. 0 or -ENOMEM. */
int answer_common_headers(struct http_request *req, struct MHD_Response *response);

/* Control: the answer is complete, the connection goes on. The request is gone afterwards for the caller. */
void request_send(struct http_request *req);

/* ---- static files (static.c): listed once, the same for all threads ---- */

/* A file's content as it is stored, or compressed. */
struct http_form {
    bool present;
    size_t len; /* bytes, and time of the last change: what the file must still have when it is sent */
    int64_t mtime_ns;
    char etag[40]; /* with its quotes; another one for each form and each change */
};

struct http_file {
    char *path; /* "/assets/index-abc.js" */
    const char *type;
    const char *body; /* a page of our own; NULL: it is in the file */
    struct http_form plain, gzip;
};

/* Never NULL for lack of the directory: then there is one page, which says so. NULL: no memory. A file x.gz
 * is the compressed form of x, and no path of its own. */
struct http_static *static_load(const char *dir);
void static_free(struct http_static *s);
/* Opens the form of a file without a body of our own; it is the caller's to close. A compressed form that is
 * not what was listed any more is replaced by the plain one, in form. Or -errno: -ESTALE when the file was
 * changed, and -ENOENT, -ELOOP and others when it is not there. */
int static_open(const struct http_static *s, const struct http_file *f, const struct http_form **form);
const struct http_file *static_find(
    const struct http_static *s, const char *path); /* decoded; "/" is the index */
bool static_immutable(const struct http_file *f);   /* its name changes with its content */
bool static_is_page(const struct http_file *f);

/* ---- WebSockets (upgrade.c, ws.c) ---- */

/* On its way from an accepted request to MHD's thread, which fills in the connection, and back to control. */
struct ws_upgrade {
    struct loop_call call;
    struct http *http;
    struct ws *ws;
    int fd; /* -1: the client went away before */
    size_t extra_len;
    uint8_t *extra; /* bytes read behind the request */
};

/* Is this an upgrade request at all? MHD's thread. */
bool upgrade_wanted(const struct http_request *req);
/* Judges it (RFC 6455, section 4.2.1); false: it was answered. MHD's thread. */
bool upgrade_check(struct http_request *req);
void upgrade_failed(struct ws_upgrade *u); /* MHD's thread: it will not happen */

struct ws *ws_new(struct http_conn *conn, const struct ws_ops *ops, void *arg); /* takes a hold of conn */
void ws_attach(struct ws *w, struct ws_upgrade *u);                             /* frees u */
void ws_cancel(struct ws *w);                                                   /* before anybody saw it */
struct ws *ws_of_link(struct list *link); /* a member of http.websockets */
void ws_stop(struct ws *w);               /* ws_close with 1001 */
void ws_kill(struct ws *w); /* the last call: tells the owner, if it was not told, and frees at once */

/* Control: something that http_stop waits for went away. */
void http_check_quiet(struct http *h);

#endif
