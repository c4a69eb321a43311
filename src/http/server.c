#include "http/private.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "http/front.h"
#include "net/clock.h"

static void set_defaults(struct http_config *c)
{
    if (!c->body_max)
        c->body_max = HTTP_BODY_MAX;
    if (!c->message_max)
        c->message_max = WS_MESSAGE_MAX;
    if (!c->queue_max)
        c->queue_max = WS_QUEUE_MAX;
    if (!c->ping_interval_s)
        c->ping_interval_s = WS_PING_S;
    if (!c->connections_max)
        c->connections_max = HTTP_CONNECTIONS_MAX;
    if (!c->address_max)
        c->address_max = HTTP_ADDRESS_MAX;
    if (!c->idle_timeout_s)
        c->idle_timeout_s = HTTP_IDLE_S;
}

static int open_front(struct http *h, const struct http_config *config)
{
    struct credentials *c = credentials_new(config->cert_pem, config->key_pem);
    if (!c)
        return -EINVAL;
    h->front = front_new(c);
    h->https_refusal =
        conn_refusal(h, 400, "https_required", "This port speaks HTTPS, and the request came without TLS.");
    return h->front && h->https_refusal ? 0 : -ENOMEM;
}

static int copy_config(struct http *h, const struct http_config *config)
{
    h->config = *config;
    set_defaults(&h->config);
    h->cors_origin = strdup(config->cors_origin ? config->cors_origin : "*");
    h->files = static_load(config->static_dir);
    if (!h->cors_origin || !h->files)
        return -ENOMEM;
    if (config->bind_count > 0) {
        h->bind = malloc(config->bind_count * sizeof *h->bind);
        if (!h->bind)
            return -ENOMEM;
        memcpy(h->bind, config->bind, config->bind_count * sizeof *h->bind);
    }
    return config->https ? open_front(h, config) : 0;
}

static void on_stop_timer(struct wheel_timer *t, int64_t now_us);

struct http *http_new(struct control *c, const struct http_config *config)
{
    struct http *h = calloc(1, sizeof *h);
    if (!h)
        return NULL;
    h->control = c;
    h->loop = control_loop(c);
    route_table_init(&h->routes);
    list_init(&h->conns);
    list_init(&h->websockets);
    list_init(&h->pending);
    pthread_mutex_init(&h->lock, NULL);
    pthread_cond_init(&h->idle, NULL);
    wheel_timer_init(&h->stop_timer, on_stop_timer, h);
    h->addresses = address_table_new();
    h->scratch = malloc(HTTP_HEAD_MAX);
    int err = h->addresses && h->scratch ? copy_config(h, config) : -ENOMEM;
    if (err) {
        http_free(h);
        errno = -err;
        return NULL;
    }
    return h;
}

int http_route_add(struct http *h, const struct http_route *route)
{
    return route_table_add(&h->routes, route);
}

int http_reserve(struct http *h, const char *name)
{
    return route_table_reserve(&h->routes, name, strlen(name));
}

/* ---- start ---- */

static void on_daemon_log(void *cls, const char *fmt, va_list args)
{
    (void)cls;
    if (!log_enabled(LOG_LEVEL_DEBUG))
        return;
    char text[512];
    vsnprintf(text, sizeof text, fmt, args);
    text[strcspn(text, "\n")] = '\0';
    log_debug("http.microhttpd", "text=\"%s\"", text);
}

static struct MHD_Daemon *start_daemon(struct http *h)
{
    unsigned flags = MHD_USE_EPOLL_INTERNAL_THREAD | MHD_USE_NO_LISTEN_SOCKET | MHD_ALLOW_SUSPEND_RESUME |
                     MHD_ALLOW_UPGRADE | MHD_USE_ERROR_LOG;
    /* Our own limits hold; libmicrohttpd's must not come first, for it would refuse without telling us. */
    unsigned connections_max = h->config.connections_max + 1024;
    sigset_t all, old;
    sigfillset(&all); /* signals are the main thread's */
    pthread_sigmask(SIG_SETMASK, &all, &old);
    struct MHD_Daemon *d = MHD_start_daemon(flags, 0, NULL, NULL, request_on_data, h, /* the logger first: */
        MHD_OPTION_EXTERNAL_LOGGER, on_daemon_log, h, MHD_OPTION_CONNECTION_MEMORY_LIMIT,
        (size_t)HTTP_POOL_SIZE, MHD_OPTION_CONNECTION_LIMIT, connections_max, MHD_OPTION_CONNECTION_TIMEOUT,
        h->config.idle_timeout_s, MHD_OPTION_NOTIFY_COMPLETED, request_on_completed, h,
        MHD_OPTION_NOTIFY_CONNECTION, conn_notify, h, MHD_OPTION_URI_LOG_CALLBACK, request_on_uri, h,
        MHD_OPTION_END);
    pthread_sigmask(SIG_SETMASK, &old, NULL);
    return d;
}

/* The threads behind the sockets. */
static int start_threads(struct http *h)
{
    int err = h->front ? front_start(h->front) : 0;
    if (!err) {
        h->daemon = start_daemon(h);
        err = h->daemon ? 0 : -EIO;
    }
    if (err)
        log_error("http.start_failed", "reason=\"%s\"", strerror(-err));
    return err;
}

int http_start(struct http *h)
{
    int err = listen_open(h);
    if (!err)
        err = start_threads(h);
    if (err) {
        listen_close(h);
        return err;
    }
    h->started = true;
    listen_watch(h);
    return 0;
}

uint16_t http_port(const struct http *h)
{
    return h->ports[0];
}

uint16_t https_port(const struct http *h)
{
    return h->ports[1];
}

int http_set_certificate(struct http *h, const char *cert_pem, const char *key_pem)
{
    struct credentials *c = h->front ? credentials_new(cert_pem, key_pem) : NULL;
    if (!c)
        return -EINVAL;
    front_set_credentials(h->front, c);
    return 0;
}

void http_stats(struct http *h, struct http_stats *ret)
{
    *ret = (struct http_stats){
        .connections = atomic_load_explicit(&h->count_connections, memory_order_relaxed),
        .refused_total = atomic_load_explicit(&h->count_refused_total, memory_order_relaxed),
        .refused_address = atomic_load_explicit(&h->count_refused_address, memory_order_relaxed),
        .requests = atomic_load_explicit(&h->count_requests, memory_order_relaxed),
        .connections_open = atomic_load_explicit(&h->open_connections, memory_order_relaxed),
        .websockets_open = atomic_load_explicit(&h->open_websockets, memory_order_relaxed),
    };
}

/* ---- stop ---- */

static void say_quiet(struct http *h)
{
    pthread_mutex_lock(&h->lock);
    h->quiet = true;
    pthread_cond_signal(&h->idle);
    pthread_mutex_unlock(&h->lock);
}

void http_check_quiet(struct http *h)
{
    if (h->stopping && h->ws_count == 0)
        say_quiet(h);
}

/* Grace is over. */
static void on_stop_timer(struct wheel_timer *t, int64_t now_us)
{
    struct http *h = t->arg;
    (void)now_us;
    list_for_each_safe(item, &h->websockets) ws_kill(ws_of_link(item));
    say_quiet(h);
}

struct stop_begin {
    struct http *http;
    int grace_ms;
};

static void stop_begin(void *arg)
{
    struct stop_begin *s = arg;
    struct http *h = s->http;
    pthread_mutex_lock(&h->lock);
    h->stopping = true;
    pthread_mutex_unlock(&h->lock);
    listen_close(h);
    conn_close_waiting(h);
    request_stop_all(h);
    list_for_each_safe(item, &h->websockets) ws_stop(ws_of_link(item));
    wheel_set(loop_wheel(h->loop), &h->stop_timer, loop_now_us(h->loop) + s->grace_ms * 1000LL);
    http_check_quiet(h);
}

static void nothing(void *arg)
{
    (void)arg;
}

static void stop_end(void *arg)
{
    struct http *h = arg;
    wheel_cancel(&h->stop_timer);
}

/* Waits for WebSockets to end, answers to be sent, and connections on their way to libmicrohttpd to be taken
 * up (when it ends, it looks at them without its lock). One that it failed to take up is never counted off,
 * hence the limit. */
static void wait_quiet(struct http *h, int grace_ms)
{
    struct timespec until;
    clock_gettime(CLOCK_REALTIME, &until);
    until.tv_sec += grace_ms / 1000;
    until.tv_nsec += grace_ms % 1000 * 1000000L;
    until.tv_sec += until.tv_nsec / 1000000000;
    until.tv_nsec %= 1000000000;
    pthread_mutex_lock(&h->lock);
    while (!h->quiet) /* control's timer sees to it */
        pthread_cond_wait(&h->idle, &h->lock);
    while (h->answering > 0 && pthread_cond_timedwait(&h->idle, &h->lock, &until) == 0)
        ;
    until.tv_sec += 1;
    while (h->starting > 0 && pthread_cond_timedwait(&h->idle, &h->lock, &until) == 0)
        ;
    pthread_mutex_unlock(&h->lock);
}

void http_stop(struct http *h, int grace_ms)
{
    if (!h->started)
        return;
    int64_t until_us = clock_now_us() + grace_ms * 1000LL;
    struct stop_begin begin = {.http = h, .grace_ms = grace_ms};
    if (control_call_wait(h->control, stop_begin, &begin) != 0) {
        stop_begin(&begin); /* the control thread does not run, so nobody is waited for */
        say_quiet(h);
    }
    wait_quiet(h, grace_ms);
    MHD_stop_daemon(h->daemon);
    h->daemon = NULL;
    /* What its thread posted last runs in the first of these, and what that posted in the second. */
    control_call_wait(h->control, nothing, NULL);
    control_call_wait(h->control, stop_end, h);
    int64_t left_us = until_us - clock_now_us();
    if (h->front)
        front_stop(h->front, left_us > 0 ? (int)(left_us / 1000) : 0);
    h->started = false;
}

void http_free(struct http *h)
{
    if (!h)
        return;
    if (h->daemon)
        MHD_stop_daemon(h->daemon); /* the caller did not stop, or control never ran */
    front_free(h->front);
    listen_close(h);
    conn_free_all(h);
    free(h->listeners);
    address_table_free(h->addresses);
    static_free(h->files);
    route_table_done(&h->routes);
    free(h->bind);
    free(h->cors_origin);
    free(h->https_refusal);
    free(h->scratch);
    pthread_cond_destroy(&h->idle);
    pthread_mutex_destroy(&h->lock);
    free(h);
}
