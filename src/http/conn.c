#include "http/private.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#include "http/front.h"
#include "http/head.h"

/* What libmicrohttpd is told as the client's address, and hands back: it copies all of it. */
struct peer_address {
    struct sockaddr_in6 sa;
    struct http_conn *conn;
};

struct http_conn *conn_of(struct MHD_Connection *mhd)
{
    const union MHD_ConnectionInfo *info = MHD_get_connection_info(mhd, MHD_CONNECTION_INFO_CLIENT_ADDRESS);
    return ((struct peer_address *)(void *)info->client_addr)->conn;
}

static void conn_free(struct http_conn *c)
{
    struct http *h = c->http;
    loop_fd_del(h->loop, c->watch);
    wheel_cancel(&c->deadline);
    if (c->fd >= 0)
        close(c->fd);
    address_del(h->addresses, c->address);
    list_del(&c->link);
    h->conn_count--;
    atomic_store_explicit(&h->open_connections, h->conn_count, memory_order_relaxed);
    free(c);
}

void conn_release(struct http_conn *c)
{
    if (--c->holds == 0)
        conn_free(c);
}

static void on_closed(void *arg)
{
    conn_release(arg);
}

static void count_starting(struct http *h, int change)
{
    pthread_mutex_lock(&h->lock);
    h->starting += (unsigned)change;
    pthread_cond_signal(&h->idle);
    pthread_mutex_unlock(&h->lock);
}

void conn_notify(
    void *cls, struct MHD_Connection *mhd, void **context, enum MHD_ConnectionNotificationCode code)
{
    struct http *h = cls;
    (void)context;
    if (code == MHD_CONNECTION_NOTIFY_STARTED) {
        count_starting(h, -1);
    } else {
        struct http_conn *c = conn_of(mhd);
        c->closed_call = (struct loop_call){.fn = on_closed, .arg = c};
        loop_call_post(h->loop, &c->closed_call);
    }
}

/* From here on the connection is libmicrohttpd's; c is its hold. */
static void hand_over(struct http_conn *c)
{
    struct http *h = c->http;
    loop_fd_del(h->loop, c->watch);
    c->watch = NULL;
    wheel_cancel(&c->deadline);
    struct peer_address peer = {.conn = c};
    addr_to_sockaddr(&c->remote, &peer.sa);
    int fd = c->fd;
    c->fd = -1; /* closed by libmicrohttpd, whatever happens */
    count_starting(h, 1);
    if (MHD_add_connection(h->daemon, fd, (struct sockaddr *)&peer, sizeof peer) != MHD_YES) {
        count_starting(h, -1);
        conn_release(c);
    }
}

char *conn_refusal(const struct http *h, int status, const char *code, const char *message)
{
    char *json = error_json(code, message);
    struct strbuf text = {0};
    strbuf_addf(&text, "HTTP/1.1 %d %s\r\nConnection: close\r\nContent-Type: application/json\r\n", status,
        MHD_get_reason_phrase_for((unsigned)status));
    strbuf_addf(&text, "Content-Length: %zu\r\nX-Content-Type-Options: nosniff\r\n", json ? strlen(json) : 0);
    if (*h->cors_origin)
        strbuf_addf(&text, "Access-Control-Allow-Origin: %s\r\n", h->cors_origin);
    strbuf_addf(&text, "\r\n%s", json ? json : "");
    free(json);
    return strbuf_take(&text);
}

/* Answers and waits for the peer to hang up: closing at once could take the answer back, if more came
 * meanwhile. */
static void refuse(struct http_conn *c, const struct head_check *check)
{
    struct http *h = c->http;
    stat_add(&h->count_requests);
    char *text = conn_refusal(h, check->status, check->code, check->message);
    ssize_t sent = text ? send(c->fd, text, strlen(text), MSG_NOSIGNAL | MSG_DONTWAIT) : -1;
    free(text);
    c->refused = true;
    if (sent < 0 || shutdown(c->fd, SHUT_WR) < 0 || loop_fd_mod(h->loop, c->watch, EPOLLIN) < 0)
        conn_release(c);
}

static void on_refused_readable(struct http_conn *c)
{
    ssize_t n = recv(c->fd, c->http->scratch, HTTP_HEAD_MAX, MSG_DONTWAIT);
    if (n == 0 || (n < 0 && errno != EAGAIN && errno != EWOULDBLOCK && errno != EINTR))
        conn_release(c);
}

/* Edge-triggered: what has been looked at stays in the kernel's buffer, for libmicrohttpd to read. */
static void on_readable(void *arg, uint32_t events, int64_t now_us)
{
    struct http_conn *c = arg;
    (void)now_us;
    if (c->refused) {
        on_refused_readable(c);
        return;
    }
    ssize_t n = recv(c->fd, c->http->scratch, HTTP_HEAD_MAX, MSG_PEEK | MSG_DONTWAIT);
    if (n < 0 && (errno == EAGAIN || errno == EWOULDBLOCK || errno == EINTR))
        return;
    if (n <= 0) {
        conn_release(c);
        return;
    }
    struct head_check check = http_head_check(c->http->scratch, (size_t)n);
    if (check.verdict == HEAD_OK)
        hand_over(c);
    else if (check.verdict == HEAD_BAD)
        refuse(c, &check);
    else if (events & (EPOLLRDHUP | EPOLLHUP | EPOLLERR))
        conn_release(c); /* the rest will not come */
}

static void on_deadline(struct wheel_timer *t, int64_t now_us)
{
    (void)now_us;
    conn_release(t->arg);
}

/* Puts TLS in front of a connection; returns the plain end, or -1. Takes fd over. */
static int put_tls_before(struct http *h, int fd)
{
    int pair[2];
    if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, pair) < 0) {
        close(fd);
        return -1;
    }
    front_add(h->front, fd, pair[1], h->https_refusal);
    return pair[0];
}

/* Is there room for one more? The reason if not. */
static const char *admit(struct http *h, const struct addr *remote, struct address_count **ret)
{
    if (h->conn_count >= h->config.connections_max) {
        stat_add(&h->count_refused_total);
        return "connections_max";
    }
    unsigned max = addr_is_loopback(remote) && !h->config.limit_loopback ? 0 : h->config.address_max;
    *ret = address_add(h->addresses, remote, max);
    if (*ret)
        return NULL;
    stat_add(&h->count_refused_address);
    return "connections_per_address_max";
}

void conn_accept(struct http *h, int fd, const struct addr *remote, bool secure)
{
    struct address_count *address;
    const char *reason = admit(h, remote, &address);
    struct http_conn *c = reason ? NULL : calloc(1, sizeof *c);
    if (!c) {
        if (log_limit_pass(&h->refused_limit, loop_now_us(h->loop)))
            log_warn("http.connection_refused", "reason=%s", reason ? reason : "memory");
        if (!reason)
            address_del(h->addresses, address);
        close(fd);
        return;
    }
    stat_add(&h->count_connections);
    *c = (struct http_conn){.http = h, .remote = *remote, .secure = secure, .address = address, .holds = 1};
    list_add_tail(&h->conns, &c->link);
    h->conn_count++;
    atomic_store_explicit(&h->open_connections, h->conn_count, memory_order_relaxed);
    wheel_timer_init(&c->deadline, on_deadline, c);
    wheel_set(loop_wheel(h->loop), &c->deadline, loop_now_us(h->loop) + HTTP_HEAD_S * 1000000LL);
    c->fd = secure ? put_tls_before(h, fd) : fd;
    if (c->fd >= 0)
        c->watch = loop_fd_add(h->loop, c->fd, EPOLLIN | EPOLLRDHUP | EPOLLET, on_readable, c);
    if (!c->watch)
        conn_release(c);
}

void conn_close_waiting(struct http *h)
{
    list_for_each_safe(item, &h->conns)
    {
        struct http_conn *c = list_entry(item, struct http_conn, link);
        if (c->fd >= 0)
            conn_release(c);
    }
}

void conn_free_all(struct http *h)
{
    list_for_each_safe(item, &h->conns) conn_free(list_entry(item, struct http_conn, link));
}
