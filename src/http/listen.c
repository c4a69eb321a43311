#include "http/private.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/hash.h"

enum {
    ACCEPT_BATCH = 64,     /* connections taken a wake-up */
    ACCEPT_PAUSE_MS = 100, /* before trying again when there are no descriptors left */
    RCVBUF_BYTES = 262144, /* lets a whole request head wait in the kernel while we look at it */
    ADDRESS_BUCKETS = 1024,
};

/* ---- connections of each address ---- */

struct address_count {
    struct address_count *next;
    uint8_t key[16];
    unsigned count;
};

struct address_table {
    struct address_count *buckets[ADDRESS_BUCKETS];
};

struct address_table *address_table_new(void)
{
    return calloc(1, sizeof(struct address_table));
}

void address_table_free(struct address_table *t)
{
    for (size_t i = 0; t && i < ADDRESS_BUCKETS; i++) {
        while (t->buckets[i]) {
            struct address_count *a = t->buckets[i];
            t->buckets[i] = a->next;
            free(a);
        }
    }
    free(t);
}

/* An IPv6 host picks its addresses from a /64 as it likes. */
static void address_key(const struct addr *remote, uint8_t key[16])
{
    memcpy(key, remote->ip, 16);
    if (!addr_is_v4(remote))
        memset(key + 8, 0, 8);
}

static struct address_count **bucket_of(struct address_table *t, const uint8_t key[16])
{
    return &t->buckets[hash_bytes(key, 16) % ADDRESS_BUCKETS];
}

struct address_count *address_add(struct address_table *t, const struct addr *remote, unsigned max)
{
    uint8_t key[16];
    address_key(remote, key);
    struct address_count **bucket = bucket_of(t, key), *a = *bucket;
    while (a && memcmp(a->key, key, sizeof key) != 0)
        a = a->next;
    if (a && max && a->count >= max)
        return NULL;
    if (!a) {
        a = calloc(1, sizeof *a);
        if (!a)
            return NULL;
        memcpy(a->key, key, sizeof key);
        a->next = *bucket;
        *bucket = a;
    }
    a->count++;
    return a;
}

void address_del(struct address_table *t, struct address_count *a)
{
    if (!a || --a->count > 0)
        return;
    struct address_count **p = bucket_of(t, a->key);
    while (*p != a)
        p = &(*p)->next;
    *p = a->next;
    free(a);
}

/* ---- listening ---- */

static int fail(const struct addr *addr, const char *what, int err)
{
    char text[ADDR_TEXT_MAX];
    log_error("http.listen_failed", "address=%s step=%s reason=\"%s\"", addr_text(addr, text), what,
        err == EADDRINUSE ? "the port is in use by another program" : strerror(err));
    return -err;
}

/* Opens one socket. v6only: do not take IPv4 along on [::]. 0 or -errno; *addr gets the port bound. */
static int open_one(struct addr *addr, bool v6only, int *ret_fd)
{
    bool v4 = addr_is_v4(addr);
    int fd = socket(v4 ? AF_INET : AF_INET6, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (fd < 0)
        return -errno;
    int one = 1, only = v6only, rcvbuf = RCVBUF_BYTES;
    setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof one);
    setsockopt(fd, SOL_SOCKET, SO_RCVBUF, &rcvbuf, sizeof rcvbuf);
    if (!v4)
        setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &only, sizeof only);
    struct sockaddr_in6 sa6;
    struct sockaddr_in sa4 = {.sin_family = AF_INET, .sin_port = htons(addr->port)};
    addr_to_sockaddr(addr, &sa6);
    memcpy(&sa4.sin_addr, addr->ip + 12, 4);
    const struct sockaddr *sa = v4 ? (const struct sockaddr *)&sa4 : (const struct sockaddr *)&sa6;
    socklen_t len = v4 ? sizeof sa4 : sizeof sa6;
    struct sockaddr_storage bound;
    socklen_t bound_len = sizeof bound;
    struct addr got;
    if (bind(fd, sa, len) < 0 || listen(fd, HTTP_BACKLOG) < 0 ||
        getsockname(fd, (struct sockaddr *)&bound, &bound_len) < 0 ||
        addr_from_sockaddr((struct sockaddr *)&bound, &got) < 0) {
        int err = errno;
        close(fd);
        return -err;
    }
    addr->port = got.port;
    *ret_fd = fd;
    return 0;
}

static void on_acceptable(void *arg, uint32_t events, int64_t now_us);

static void accept_again(struct wheel_timer *t, int64_t now_us)
{
    struct listener *l = t->arg;
    (void)now_us;
    if (l->watch)
        loop_fd_mod(l->http->loop, l->watch, EPOLLIN);
}

/* Out of descriptors or memory: the connection stays with the kernel, and asking at once would spin. */
static void pause_accepting(struct listener *l, int err, int64_t now_us)
{
    log_warn("http.accept_paused", "reason=\"%s\"", strerror(err));
    loop_fd_mod(l->http->loop, l->watch, 0);
    wheel_set(loop_wheel(l->http->loop), &l->retry, now_us + ACCEPT_PAUSE_MS * 1000LL);
}

static void on_acceptable(void *arg, uint32_t events, int64_t now_us)
{
    struct listener *l = arg;
    (void)events;
    for (int i = 0; i < ACCEPT_BATCH; i++) {
        struct sockaddr_storage sa;
        socklen_t len = sizeof sa;
        int fd = accept4(l->fd, (struct sockaddr *)&sa, &len, SOCK_NONBLOCK | SOCK_CLOEXEC);
        if (fd < 0 && (errno == EAGAIN || errno == EWOULDBLOCK))
            return;
        if (fd < 0 && (errno == EMFILE || errno == ENFILE || errno == ENOBUFS || errno == ENOMEM)) {
            pause_accepting(l, errno, now_us);
            return;
        }
        if (fd < 0)
            continue; /* that one connection failed */
        struct addr remote;
        if (addr_from_sockaddr((struct sockaddr *)&sa, &remote) < 0)
            close(fd);
        else
            conn_accept(l->http, fd, &remote, l->secure);
    }
}

static int listener_open(struct http *h, struct addr addr, bool v6only, bool secure)
{
    struct listener *l = &h->listeners[h->listener_count];
    addr.port = h->ports[secure] ? h->ports[secure] : secure ? h->config.https_port : h->config.http_port;
    *l = (struct listener){.http = h, .secure = secure, .addr = addr, .fd = -1};
    wheel_timer_init(&l->retry, accept_again, l);
    int err = open_one(&l->addr, v6only, &l->fd);
    if (err)
        return err;
    h->listener_count++;
    h->ports[secure] = l->addr.port;
    return 0;
}

/* [::] for both families, or 0.0.0.0 where the kernel has no IPv6. */
static int open_any(struct http *h, bool secure)
{
    struct addr any6 = {0}, any4 = {.ip = {[10] = 0xff, [11] = 0xff}};
    int err = listener_open(h, any6, false, secure);
    if (err == -EAFNOSUPPORT || err == -EADDRNOTAVAIL)
        err = listener_open(h, any4, false, secure);
    return err ? fail(&h->listeners[h->listener_count].addr, "listen", -err) : 0;
}

static int open_bound(struct http *h, bool secure)
{
    bool any4 = false;
    for (size_t i = 0; i < h->config.bind_count; i++)
        any4 |= addr_is_v4(&h->bind[i]) && addr_is_any(&h->bind[i]);
    for (size_t i = 0; i < h->config.bind_count; i++) {
        int err = listener_open(h, h->bind[i], any4, secure);
        if (err)
            return fail(&h->listeners[h->listener_count].addr, "listen", -err);
    }
    return 0;
}

int listen_open(struct http *h)
{
    size_t most = 2 * (h->config.bind_count ? h->config.bind_count : 1);
    h->listeners = calloc(most, sizeof *h->listeners);
    if (!h->listeners)
        return -ENOMEM;
    for (int secure = 0; secure < 2; secure++) {
        if (!(secure ? h->config.https : h->config.http))
            continue;
        int err = h->config.bind_count ? open_bound(h, secure) : open_any(h, secure);
        if (err)
            return err;
    }
    return 0;
}

static void watch_run(void *arg)
{
    struct listener *l = arg;
    if (l->fd >= 0 && !l->http->stopping)
        l->watch = loop_fd_add(l->http->loop, l->fd, EPOLLIN, on_acceptable, l);
    if (!l->watch)
        log_error("http.watch_failed", "reason=\"%s\"", strerror(errno));
}

void listen_watch(struct http *h)
{
    for (size_t i = 0; i < h->listener_count; i++) {
        struct listener *l = &h->listeners[i];
        l->watch_call = (struct loop_call){.fn = watch_run, .arg = l};
        loop_call_post(h->loop, &l->watch_call);
    }
}

void listen_close(struct http *h)
{
    for (size_t i = 0; i < h->listener_count; i++) {
        struct listener *l = &h->listeners[i];
        loop_fd_del(h->loop, l->watch);
        l->watch = NULL;
        wheel_cancel(&l->retry);
        if (l->fd >= 0)
            close(l->fd);
        l->fd = -1;
    }
}
