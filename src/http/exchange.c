#include "http/private.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

/* One request on MHD's thread: target, head, body, then an answer from here or from control. An answer is
 * queued only when the request was read whole (before that, libmicrohttpd would give up the connection),
 * unless what the client still wants to send is more than it is worth. */

/* ---- the head ---- */

void *request_on_uri(void *cls, const char *uri, struct MHD_Connection *mhd)
{
    struct http *h = cls;
    struct http_conn *conn = conn_of(mhd);
    struct http_request *req = calloc(1, sizeof *req);
    if (!req)
        return NULL;
    stat_add(&h->count_requests);
    atomic_init(&req->refs, 1);
    req->http = h;
    req->conn = conn;
    req->mhd = mhd;
    req->remote = conn->remote;
    req->secure = conn->secure;
    list_init(&req->headers);
    list_init(&req->response_headers);
    list_init(&req->query_values);
    list_init(&req->link);
    req->raw = strdup(uri);
    if (!req->raw) {
        request_unref(req);
        return NULL;
    }
    return req;
}

static enum MHD_Result copy_header(void *cls, enum MHD_ValueKind kind, const char *name, const char *value)
{
    struct http_request *req = cls;
    (void)kind;
    return header_copy(&req->headers, name, value ? value : "") == 0 ? MHD_YES : MHD_NO;
}

static int copy_head(struct http_request *req, const char *method, const char *version)
{
    req->method = strdup(method);
    req->http11 = strcmp(version, "HTTP/1.1") == 0;
    int count = MHD_get_connection_values(req->mhd, MHD_HEADER_KIND, NULL, NULL);
    return req->method && MHD_get_connection_values(req->mhd, MHD_HEADER_KIND, copy_header, req) == count
               ? 0
               : -ENOMEM;
}

/* Splits and decodes the target; false: it was answered, or there was no memory to do so. */
static bool read_target(struct http_request *req)
{
    size_t len = strlen(req->raw);
    if (len > HTTP_LINE_MAX) {
        answer_error(req, MHD_HTTP_URI_TOO_LONG, "uri_too_long", "The request line is longer than 64 KiB.");
        return false;
    }
    if (strcmp(req->method, "OPTIONS") == 0) { /* of "*", or of whatever path */
        answer_preflight(req);
        return false;
    }
    if (http_target_split(req->raw, len, &req->target) == 0) {
        req->path = malloc(req->target.path_len + 1);
        if (!req->path)
            return false;
        if (http_decode(req->target.path, req->target.path_len, false, req->path) >= 0)
            return true;
    }
    answer_error(req, MHD_HTTP_BAD_REQUEST, "bad_path", "The address cannot be decoded.");
    return false;
}

/* No route for this method. */
static void answer_unrouted(struct http_request *req)
{
    if (!req->match.path_known) {
        answer_file(req);
        return;
    }
    char allow[256];
    route_table_allow(&req->http->routes, req->target.path, req->target.path_len, allow, sizeof allow);
    if (header_add(&req->response_headers, "Allow", allow) == 0)
        answer_error(
            req, MHD_HTTP_METHOD_NOT_ALLOWED, "method_not_allowed", "This address does not know the method.");
}

/* Finds out what is asked: a route is set, or an answer. false: no memory for either. */
static bool begin(struct http_request *req)
{
    struct http *h = req->http;
    req->body_max = h->config.body_max;
    if (!read_target(req))
        return req->response;
    int err = route_table_match(&h->routes, req->method, req->target.path, req->target.path_len, &req->match);
    if (err) {
        if (err == -EINVAL)
            answer_error(req, MHD_HTTP_BAD_REQUEST, "bad_path", "The address cannot be decoded.");
        return req->response;
    }
    const struct route *route = req->match.route;
    if (!route) {
        answer_unrouted(req);
        return req->response;
    }
    if (route->public.body_max)
        req->body_max = route->public.body_max;
    if (route->public.flags & HTTP_ROUTE_WEBSOCKET) {
        req->body_max = 0;
        return upgrade_check(req) || req->response;
    }
    return true;
}

/* ---- the body ---- */

static void refuse_body(struct http_request *req)
{
    answer_error(req, MHD_HTTP_CONTENT_TOO_LARGE, "body_too_large", "The request's body is too large.");
}

/* Looks at the length that was announced. true: answer now and do not read it. libmicrohttpd has checked that
 * it is a number. A refused body is read all the same where that is affordable, because a client that is
 * still sending may never see an answer that is followed by a reset. */
static bool judge_announced_body(struct http_request *req)
{
    const char *text = header_find(&req->headers, "Content-Length");
    unsigned long long len = text ? strtoull(text, NULL, 10) : 0;
    if (len > req->body_max && !req->response)
        refuse_body(req);
    const char *expect = header_find(&req->headers, "Expect");
    bool waits = expect && strcasecmp(expect, "100-continue") == 0;
    return req->response && len > 0 && (len > HTTP_DRAIN_MAX || waits);
}

/* One piece of the body. MHD_NO: nothing that can be said in an answer. */
static enum MHD_Result take_body(struct http_request *req, const char *data, size_t len)
{
    if (req->response) {
        req->drained += len;
        return req->drained <= HTTP_DRAIN_MAX ? MHD_YES : MHD_NO;
    }
    if (len > req->body_max - req->body_len) {
        free(req->body);
        req->body = NULL;
        req->body_len = req->body_cap = 0;
        refuse_body(req);
        return MHD_YES;
    }
    size_t need = req->body_len + len + 1; /* the zero behind it */
    if (need > req->body_cap) {
        size_t cap = req->body_cap ? req->body_cap : 1024;
        while (cap < need)
            cap *= 2;
        char *grown = realloc(req->body, cap);
        if (!grown)
            return MHD_NO;
        req->body = grown;
        req->body_cap = cap;
    }
    memcpy(req->body + req->body_len, data, len);
    req->body_len += len;
    req->body[req->body_len] = '\0';
    return MHD_YES;
}

/* "application/json", whatever parameters follow. */
static bool is_json(const struct http_request *req)
{
    static const char json[] = "application/json";
    const char *type = header_find(&req->headers, "Content-Type");
    size_t len = sizeof json - 1;
    return type && strncasecmp(type, json, len) == 0 && strchr("; \t", type[len]) != NULL;
}

/* ---- the answer ---- */

static enum MHD_Result queue(struct http_request *req)
{
    if (!req->response)
        return MHD_NO;
    char from[ADDR_TEXT_MAX]; /* the query stays out of it: it may hold a token */
    log_debug("http.request", "method=%s path=%s status=%d from=%s", req->method, req->path ? req->path : "-",
        req->status, addr_text(&req->remote, from));
    return MHD_queue_response(req->mhd, (unsigned)req->status, req->response);
}

/* On control: the handler's turn. */
static void deliver(void *arg)
{
    struct http_request *req = arg;
    const struct http_route *route = &req->match.route->public;
    if (req->detached)
        request_unref(req);
    else
        route->fn(route->arg, req);
}

/* Gives the request to control. The connection sleeps until request_send or request_stop_all. */
static enum MHD_Result hand_over(struct http_request *req)
{
    struct http *h = req->http;
    MHD_suspend_connection(req->mhd);
    pthread_mutex_lock(&h->lock);
    bool stopping = h->stopping;
    h->answering++;
    if (!stopping) {
        list_add_tail(&h->pending, &req->link);
        atomic_fetch_add_explicit(&req->refs, 1, memory_order_relaxed);
        req->call = (struct loop_call){.fn = deliver, .arg = req};
        /* Under the lock: what http_stop finds in the list has been posted, and so is delivered before it
         * ends. */
        loop_call_post(h->loop, &req->call);
    }
    pthread_mutex_unlock(&h->lock);
    if (stopping) {
        answer_error(req, MHD_HTTP_SERVICE_UNAVAILABLE, "stopping", "The server is stopping.");
        MHD_resume_connection(req->mhd);
    }
    return MHD_YES;
}

enum MHD_Result request_on_data(void *cls, struct MHD_Connection *mhd, const char *url, const char *method,
    const char *version, const char *upload, size_t *upload_len, void **context)
{
    struct http_request *req = *context;
    (void)cls;
    (void)mhd;
    (void)url;
    if (!req)
        return MHD_NO;
    if (!req->begun) {
        req->begun = true;
        if (copy_head(req, method, version) != 0 || !begin(req))
            return MHD_NO;
        return judge_announced_body(req) ? queue(req) : MHD_YES;
    }
    if (*upload_len > 0) {
        size_t len = *upload_len;
        *upload_len = 0;
        return take_body(req, upload, len);
    }
    if (!req->response && !req->handed && req->match.route->public.flags & HTTP_ROUTE_JSON &&
        req->body_len > 0 && !is_json(req))
        answer_error(req, MHD_HTTP_UNSUPPORTED_MEDIA_TYPE, "unsupported_media_type",
            "The body must be application/json.");
    if (req->response || req->handed)
        return queue(req);
    req->handed = true;
    return hand_over(req);
}

void request_on_completed(
    void *cls, struct MHD_Connection *mhd, void **context, enum MHD_RequestTerminationCode code)
{
    struct http_request *req = *context;
    (void)cls;
    (void)mhd;
    (void)code;
    *context = NULL;
    if (!req)
        return;
    if (req->handed) {
        pthread_mutex_lock(&req->http->lock);
        req->http->answering--;
        pthread_cond_signal(&req->http->idle);
        pthread_mutex_unlock(&req->http->lock);
    }
    if (req->upgrade)
        upgrade_failed(req->upgrade);
    request_unref(req);
}
