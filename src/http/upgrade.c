#include "http/private.h"

#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <unistd.h>

#include "tls/digest.h"

#define ACCEPT_GUID "258EAFA5-E914-47DA-95CA-C5AB0DC85B11" /* RFC 6455, section 1.3 */

/* Does a comma-separated list name the token? */
static bool list_has(const char *list, const char *token)
{
    size_t len = strlen(token);
    while (list && *list) {
        list += strspn(list, " \t,");
        size_t n = strcspn(list, " \t,");
        if (n == len && strncasecmp(list, token, len) == 0)
            return true;
        list += n;
    }
    return false;
}

bool upgrade_wanted(const struct http_request *req)
{
    return list_has(header_find(&req->headers, "Upgrade"), "websocket");
}

/* Sixteen bytes in base64 (RFC 6455, section 4.1). */
static bool key_valid(const char *key)
{
    uint8_t bytes[16];
    return key && strlen(key) == 24 && base64_decode(key, 24, bytes, sizeof bytes) == sizeof bytes;
}

bool upgrade_check(struct http_request *req)
{
    const struct http_route *route = &req->match.route->public;
    if (!upgrade_wanted(req)) {
        if (route->plain_status)
            answer_empty(req, route->plain_status);
        else if (header_add(&req->response_headers, "Upgrade", "websocket") == 0)
            answer_error(req, MHD_HTTP_UPGRADE_REQUIRED, "upgrade_required", "This address is a WebSocket.");
        return false;
    }
    const char *version = header_find(&req->headers, "Sec-WebSocket-Version");
    if (!version || strcmp(version, "13") != 0) {
        if (header_add(&req->response_headers, "Sec-WebSocket-Version", "13") == 0)
            answer_error(
                req, MHD_HTTP_UPGRADE_REQUIRED, "websocket_version", "Only WebSocket version 13 is known.");
        return false;
    }
    if (strcmp(req->method, "GET") == 0 && req->http11 &&
        list_has(header_find(&req->headers, "Connection"), "upgrade") &&
        key_valid(header_find(&req->headers, "Sec-WebSocket-Key")))
        return true;
    answer_error(req, MHD_HTTP_BAD_REQUEST, "websocket_handshake", "The WebSocket handshake is malformed.");
    return false;
}

/* ---- MHD's thread: the connection changes hands ---- */

static void post_attach(struct ws_upgrade *u);

static void set_options(int fd)
{
    int one = 1, zero = 0;
    unsigned dead_ms = WS_DEAD_S * 1000;
    /* libmicrohttpd leaves Nagle's algorithm on: messages would wait for acknowledgements. */
    setsockopt(fd, IPPROTO_TCP, TCP_CORK, &zero, sizeof zero);
    setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
    setsockopt(fd, IPPROTO_TCP, TCP_USER_TIMEOUT, &dead_ms, sizeof dead_ms);
}

/* MHD_UpgradeHandler. The connection is duplicated and libmicrohttpd's side closed, which frees its memory
 * pool. */
static void on_upgrade(void *cls, struct MHD_Connection *mhd, void *context, const char *extra,
    size_t extra_len, MHD_socket fd, struct MHD_UpgradeResponseHandle *handle)
{
    struct ws_upgrade *u = cls;
    struct http_request *req = context;
    (void)mhd;
    req->upgrade = NULL; /* it happens: request_on_completed has nothing to report */
    u->extra = extra_len ? malloc(extra_len) : NULL;
    u->fd = extra_len && !u->extra ? -1 : fcntl(fd, F_DUPFD_CLOEXEC, 0);
    if (u->extra) {
        memcpy(u->extra, extra, extra_len);
        u->extra_len = extra_len;
    }
    if (u->fd >= 0 && !req->secure)
        set_options(u->fd);
    MHD_upgrade_action(handle, MHD_UPGRADE_ACTION_CLOSE);
    post_attach(u);
}

void upgrade_failed(struct ws_upgrade *u)
{
    post_attach(u);
}

/* ---- control ---- */

static void attach_run(void *arg)
{
    struct ws_upgrade *u = arg;
    ws_attach(u->ws, u);
}

static void post_attach(struct ws_upgrade *u)
{
    u->call = (struct loop_call){.fn = attach_run, .arg = u};
    loop_call_post(u->http->loop, &u->call);
}

/* The answer 101 (RFC 6455, section 4.2.2); NULL: no memory. */
static struct MHD_Response *make_response(struct http_request *req, struct ws_upgrade *u)
{
    const char *key = header_find(&req->headers, "Sec-WebSocket-Key");
    char text[24 + sizeof ACCEPT_GUID], accept[BASE64_TEXT_SIZE(DIGEST_SHA1_SIZE)];
    uint8_t digest[DIGEST_SHA1_SIZE];
    snprintf(text, sizeof text, "%.24s%s", key, ACCEPT_GUID);
    digest_sha1(text, strlen(text), digest);
    base64_encode(digest, sizeof digest, accept, sizeof accept);
    struct MHD_Response *r = MHD_create_response_for_upgrade(on_upgrade, u);
    if (r && (MHD_add_response_header(r, "Upgrade", "websocket") != MHD_YES ||
                 MHD_add_response_header(r, "Sec-WebSocket-Accept", accept) != MHD_YES ||
                 answer_common_headers(req, r) != 0)) {
        MHD_destroy_response(r);
        return NULL;
    }
    return r;
}

struct ws *http_accept_websocket(struct http_request *req, const struct ws_ops *ops, void *arg)
{
    if (req->detached) {
        request_send(req);
        return NULL;
    }
    struct ws *w = ws_new(req->conn, ops, arg);
    struct ws_upgrade *u = w ? calloc(1, sizeof *u) : NULL;
    struct MHD_Response *r = u ? make_response(req, u) : NULL;
    if (!r) {
        free(u);
        if (w)
            ws_cancel(w);
        http_respond_error(req, MHD_HTTP_SERVICE_UNAVAILABLE, "no_memory", "The server is out of memory.");
        return NULL;
    }
    *u = (struct ws_upgrade){.http = req->http, .ws = w, .fd = -1};
    req->upgrade = u;
    req->status = MHD_HTTP_SWITCHING_PROTOCOLS;
    req->response = r;
    request_send(req);
    return w;
}
