#include "support/http_server.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <cmocka.h>

#include "base/strbuf.h"
#include "net/wheel.h"

/* ---- plain routes ---- */

static void hello(void *arg, struct http_request *req)
{
    (void)arg;
    http_respond_text(req, 200, "hello");
}

static void echo(void *arg, struct http_request *req)
{
    size_t len;
    (void)arg;
    const char *body = http_request_body(req, &len), *type = http_request_header(req, "content-type");
    assert_int_equal(body[len], 0);
    http_respond(req, 200, type, body, len);
}

struct delayed {
    struct wheel_timer timer;
    struct server *server;
    struct http_request *req;
};

static void on_delay(struct wheel_timer *t, int64_t now_us)
{
    struct delayed *d = t->arg;
    (void)now_us;
    http_respond_text(d->req, 200, "later");
    pthread_mutex_lock(&d->server->lock);
    d->server->laters_done++;
    pthread_cond_broadcast(&d->server->changed);
    pthread_mutex_unlock(&d->server->lock);
    free(d);
}

static void later(void *arg, struct http_request *req)
{
    struct server *s = arg;
    struct loop *loop = control_loop(s->control);
    struct delayed *d = calloc(1, sizeof *d);
    d->req = req;
    d->server = s;
    pthread_mutex_lock(&s->lock);
    s->laters++;
    pthread_mutex_unlock(&s->lock);
    wheel_timer_init(&d->timer, on_delay, d);
    wheel_set(loop_wheel(loop), &d->timer, loop_now_us(loop) + 20000);
}

static void hold(void *arg, struct http_request *req)
{
    struct server *s = arg;
    pthread_mutex_lock(&s->lock);
    s->held = req;
    s->holds++;
    pthread_cond_broadcast(&s->changed);
    pthread_mutex_unlock(&s->lock);
}

static void show(void *arg, struct http_request *req)
{
    char text[1024], ip[ADDR_TEXT_MAX];
    const char *q = http_request_query(req, "q"), *again = http_request_query(req, "q");
    (void)arg;
    assert_ptr_equal(q, again);
    snprintf(text, sizeof text, "%s %s a=%s rest=%s q=%s none=%s ua=%s ip=%s secure=%d",
        http_request_method(req), http_request_path(req), http_request_param(req, "a"),
        http_request_param(req, "rest"), q ? q : "(null)", http_request_query(req, "none") ? "?" : "(null)",
        http_request_header(req, "USER-AGENT"), addr_ip_text(http_request_remote(req), ip),
        http_request_secure(req));
    assert_null(http_request_param(req, "b"));
    http_respond_text(req, 200, text);
}

static void teapot(void *arg, struct http_request *req)
{
    (void)arg;
    assert_int_equal(http_response_header(req, "X-Kind", "tea"), 0);
    assert_int_equal(http_response_header(req, "X-Bad", "a\r\nb"), -EINVAL);
    assert_int_equal(http_response_header(req, "X Bad", "a"), -EINVAL);
    http_respond_error(req, 418, "tea\"pot", "line\nbreak \\ \xff");
}

/* ---- WebSockets ---- */

static void note_send(struct server *s, int err)
{
    pthread_mutex_lock(&s->lock);
    s->refused_sends += err != 0;
    pthread_mutex_unlock(&s->lock);
}

static void flood(struct server *s, struct ws *w, int n)
{
    static char block[65536];
    struct ws_buffer *b = ws_buffer_new(block, sizeof block);
    for (int i = 0; i < n; i++)
        note_send(s, ws_send_buffer(w, false, b));
    ws_buffer_unref(b);
}

static void on_message(void *arg, struct ws *w, bool text, const uint8_t *data, size_t len, int64_t now_us)
{
    struct server *s = arg;
    (void)now_us;
    pthread_mutex_lock(&s->lock);
    s->messages++;
    pthread_cond_broadcast(&s->changed);
    pthread_mutex_unlock(&s->lock);
    char command[32];
    snprintf(command, sizeof command, "%.*s", (int)(len < 31 ? len : 31), len ? (const char *)data : "");
    if (text && strncmp(command, "close:", 6) == 0) {
        ws_close(w, (uint16_t)strtoul(command + 6, NULL, 10), "as asked");
        ws_close(w, 4999, "twice");
        assert_int_equal(ws_send_text(w, "x", 1), -EPIPE);
    } else if (text && strcmp(command, "abort") == 0) {
        ws_abort(w);
        assert_int_equal(ws_send_text(w, "x", 1), -EPIPE);
    } else if (text && strncmp(command, "flood:", 6) == 0) {
        flood(s, w, (int)strtol(command + 6, NULL, 10));
    } else if (text && strcmp(command, "both") == 0) {
        note_send(s, ws_send_text(w, "one", 3));
        note_send(s, ws_send_binary(w, "two", 3));
    } else {
        note_send(s, text ? ws_send_text(w, (const char *)data, len) : ws_send_binary(w, data, len));
    }
}

static void on_closed(void *arg, struct ws *w, uint16_t code, enum ws_cause cause)
{
    struct server *s = arg;
    assert_int_equal(ws_send_text(w, "x", 1), -EPIPE);
    pthread_mutex_lock(&s->lock);
    s->closed++;
    s->close_code = code;
    s->close_cause = cause;
    if (s->last_ws == w)
        s->last_ws = NULL;
    pthread_cond_broadcast(&s->changed);
    pthread_mutex_unlock(&s->lock);
}

static void websocket(void *arg, struct http_request *req)
{
    static const struct ws_ops ops = {.on_message = on_message, .on_closed = on_closed};
    struct server *s = arg;
    if (http_request_query(req, "refuse")) {
        http_respond_text(req, 401, "invalid authorization token");
        return;
    }
    const char *greet = http_request_query(req, "greet");
    char text[64] = "";
    if (greet)
        snprintf(text, sizeof text, "%s", greet);
    http_response_header(req, "X-Session", "one");
    struct ws *w = http_accept_websocket(req, &ops, s);
    if (!w)
        return;
    if (*text)
        note_send(s, ws_send_text(w, text, strlen(text)));
    pthread_mutex_lock(&s->lock);
    s->opened++;
    s->last_ws = w;
    pthread_cond_broadcast(&s->changed);
    pthread_mutex_unlock(&s->lock);
}

/* ---- the server ---- */

struct server *server_prepare(const struct http_config *config)
{
    struct server *s = calloc(1, sizeof *s);
    pthread_mutex_init(&s->lock, NULL);
    pthread_cond_init(&s->changed, NULL);
    if (config)
        s->config = *config;
    s->config.http = true;
    s->control = control_new();
    assert_non_null(s->control);
    s->http = http_new(s->control, &s->config);
    assert_non_null(s->http);
    const struct http_route routes[] = {
        {.method = "GET", .pattern = "/hello", .fn = hello},
        {.method = "POST", .pattern = "/echo", .fn = echo},
        {.method = "POST", .pattern = "/json", .fn = echo, .flags = HTTP_ROUTE_JSON},
        {.method = "POST", .pattern = "/small", .fn = echo, .body_max = 16},
        {.method = "GET", .pattern = "/later", .fn = later, .arg = s},
        {.method = "GET", .pattern = "/hold", .fn = hold, .arg = s},
        {.method = "GET", .pattern = "/show/{a}/{rest*}", .fn = show},
        {.method = "GET", .pattern = "/teapot", .fn = teapot},
        {.method = "GET",
            .pattern = "/ws",
            .fn = websocket,
            .arg = s,
            .flags = HTTP_ROUTE_WEBSOCKET,
            .plain_status = 404},
        {.method = "GET", .pattern = "/ws426", .fn = websocket, .arg = s, .flags = HTTP_ROUTE_WEBSOCKET},
    };
    for (size_t i = 0; i < sizeof routes / sizeof routes[0]; i++)
        assert_int_equal(http_route_add(s->http, &routes[i]), 0);
    assert_int_equal(http_reserve(s->http, "settings"), 0);
    return s;
}

void server_run(struct server *s)
{
    assert_int_equal(control_start(s->control), 0);
    assert_int_equal(http_start(s->http), 0);
    s->port = http_port(s->http);
    s->tls_port = https_port(s->http);
}

struct server *server_start(const struct http_config *config)
{
    struct server *s = server_prepare(config);
    server_run(s);
    return s;
}

void server_stop(struct server *s, int grace_ms)
{
    http_stop(s->http, grace_ms);
}

void server_free(struct server *s)
{
    http_stop(s->http, 1000);
    server_wait(
        s, &s->laters_done, server_get(s, &s->laters)); /* handlers that would never answer are a leak */
    control_stop(s->control);
    http_free(s->http);
    control_free(s->control);
    pthread_cond_destroy(&s->changed);
    pthread_mutex_destroy(&s->lock);
    free(s);
}

static void release(void *arg)
{
    struct server *s = arg;
    pthread_mutex_lock(&s->lock);
    struct http_request *req = s->held;
    s->held = NULL;
    pthread_mutex_unlock(&s->lock);
    assert_non_null(req);
    http_respond_text(req, 200, "held");
}

void server_call(struct server *s, loop_call_fn fn, void *arg)
{
    assert_int_equal(control_call_wait(s->control, fn, arg), 0);
}

void server_release(struct server *s)
{
    server_call(s, release, s);
}

int server_get(struct server *s, const int *counter)
{
    pthread_mutex_lock(&s->lock);
    int n = *counter;
    pthread_mutex_unlock(&s->lock);
    return n;
}

void server_wait(struct server *s, const int *counter, int n)
{
    struct timespec until;
    clock_gettime(CLOCK_REALTIME, &until);
    until.tv_sec += 10;
    pthread_mutex_lock(&s->lock);
    while (*counter < n)
        if (pthread_cond_timedwait(&s->changed, &s->lock, &until) == ETIMEDOUT)
            break;
    int got = *counter;
    pthread_mutex_unlock(&s->lock);
    if (got < n)
        fail_msg("waited ten seconds for %d, have %d", n, got);
}
