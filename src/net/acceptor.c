#include "net/tcp.h"

#include <errno.h>
#include <netinet/in.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/cursor.h"
#include "base/limits.h"
#include "base/list.h"

#define PREFIX   2      /* bytes of RFC 4571's length */
#define PAUSE_US 100000 /* out of descriptors: try again after this */

struct tcp_acceptor {
    struct loop *loop;
    int fd;
    struct loop_fd *watch;
    struct wheel_timer resume;
    tcp_accept_fn fn;
    void *arg;
    struct list pending; /* oldest first */
    size_t pending_count;
};

/* A connection that has not sent a whole frame yet. */
struct pending {
    struct list link;
    struct tcp_acceptor *acceptor;
    int fd;
    struct loop_fd *watch;
    struct wheel_timer timeout;
    struct addr remote, local;
    size_t len;
    uint8_t buf[PREFIX + PACKET_SIZE_MAX];
};

/* Takes it out of the acceptor; the descriptor stays open. */
static void pending_del(struct pending *p)
{
    wheel_cancel(&p->timeout);
    loop_fd_del(p->acceptor->loop, p->watch);
    list_del(&p->link);
    p->acceptor->pending_count--;
}

static void pending_drop(struct pending *p)
{
    pending_del(p);
    close(p->fd);
    free(p);
}

static void pending_timeout(struct wheel_timer *t, int64_t now_us)
{
    (void)now_us;
    pending_drop(t->arg);
}

/* Bytes still missing of the length or, once that is there, of the frame; 0: complete. -1: not a frame for
 * us. */
static int pending_missing(const struct pending *p)
{
    if (p->len < PREFIX)
        return (int)(PREFIX - p->len);
    struct cursor c = cursor_of(p->buf, p->len);
    size_t frame = cursor_u16(&c);
    if (frame == 0 || frame > PACKET_SIZE_MAX)
        return -1;
    return (int)(PREFIX + frame - p->len);
}

static void pending_event(void *arg, uint32_t events, int64_t now_us)
{
    (void)events;
    (void)now_us;
    struct pending *p = arg;
    int missing;
    while ((missing = pending_missing(p)) > 0) {
        ssize_t n = recv(p->fd, p->buf + p->len, (size_t)missing, 0);
        if (n < 0 && (errno == EAGAIN || errno == EINTR))
            return;
        if (n <= 0) {
            pending_drop(p);
            return;
        }
        p->len += (size_t)n;
    }
    if (missing < 0) {
        pending_drop(p);
        return;
    }
    struct tcp_acceptor *a = p->acceptor;
    pending_del(p);
    a->fn(a->arg, p->fd, &p->remote, &p->local, p->buf + PREFIX, p->len - PREFIX);
    free(p);
}

/* One customer: an IPv4 address, or the /64 that an IPv6 network gives to one. */
static bool same_origin(const struct addr *a, const struct addr *b)
{
    return addr_is_v4(a) == addr_is_v4(b) && memcmp(a->ip, b->ip, addr_is_v4(a) ? 16 : 8) == 0;
}

static size_t origin_count(const struct tcp_acceptor *a, const struct addr *remote)
{
    size_t count = 0;
    list_for_each(link, &a->pending) count +=
        same_origin(&list_entry(link, struct pending, link)->remote, remote);
    return count;
}

/* Takes fd over. */
static void pending_add(struct tcp_acceptor *a, int fd, const struct sockaddr *name)
{
    struct pending *p = malloc(sizeof *p);
    struct sockaddr_storage own;
    socklen_t len = sizeof own;
    if (!p)
        goto out;
    *p = (struct pending){.acceptor = a, .fd = fd};
    if (addr_from_sockaddr(name, &p->remote) < 0 || getsockname(fd, (struct sockaddr *)&own, &len) < 0 ||
        addr_from_sockaddr((struct sockaddr *)&own, &p->local) < 0)
        goto out;
    if (origin_count(a, &p->remote) >= TCP_PENDING_ADDR_MAX)
        goto out;
    p->watch = loop_fd_add(a->loop, fd, EPOLLIN, pending_event, p);
    if (!p->watch)
        goto out;
    if (a->pending_count >= TCP_PENDING_MAX)
        pending_drop(list_entry(a->pending.next, struct pending, link));
    list_add_tail(&a->pending, &p->link);
    a->pending_count++;
    wheel_timer_init(&p->timeout, pending_timeout, p);
    wheel_set(loop_wheel(a->loop), &p->timeout, loop_now_us(a->loop) + TCP_FIRST_FRAME_US);
    return;
out:
    free(p);
    close(fd);
}

static void acceptor_resume(struct wheel_timer *t, int64_t now_us)
{
    (void)now_us;
    struct tcp_acceptor *a = t->arg;
    loop_fd_mod(a->loop, a->watch, EPOLLIN);
}

static void acceptor_event(void *arg, uint32_t events, int64_t now_us)
{
    (void)events;
    struct tcp_acceptor *a = arg;
    for (int i = 0; i < TCP_ACCEPT_BATCH; i++) {
        struct sockaddr_storage name;
        socklen_t len = sizeof name;
        int fd = accept4(a->fd, (struct sockaddr *)&name, &len, SOCK_NONBLOCK | SOCK_CLOEXEC);
        if (fd >= 0) {
            pending_add(a, fd, (struct sockaddr *)&name);
        } else if (errno == EMFILE || errno == ENFILE || errno == ENOBUFS || errno == ENOMEM) {
            /* the connection stays in the queue and the listener readable: without a pause this would spin */
            loop_fd_mod(a->loop, a->watch, 0);
            wheel_set(loop_wheel(a->loop), &a->resume, now_us + PAUSE_US);
            return;
        } else if (errno == EAGAIN) {
            return;
        }
    }
}

/* A listening socket, dual-stack where the kernel has IPv6. Descriptor or -errno. */
static int listen_open(uint16_t port)
{
    struct sockaddr_in6 any6 = {.sin6_family = AF_INET6, .sin6_port = htons(port)};
    struct sockaddr_in any4 = {.sin_family = AF_INET, .sin_port = htons(port)};
    int one = 1, off = 0, fd = socket(AF_INET6, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    bool v6 = fd >= 0;
    if (!v6 && errno == EAFNOSUPPORT)
        fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (fd < 0)
        return -errno;
    const struct sockaddr *name = v6 ? (struct sockaddr *)&any6 : (struct sockaddr *)&any4;
    if (setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof one) < 0 ||
        (v6 && setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &off, sizeof off) < 0) ||
        bind(fd, name, v6 ? sizeof any6 : sizeof any4) < 0 || listen(fd, SOMAXCONN) < 0) {
        int rc = -errno;
        close(fd);
        return rc;
    }
    return fd;
}

struct tcp_acceptor *tcp_acceptor_new(
    struct loop *l, uint16_t port, tcp_accept_fn fn, void *arg, int *ret_err)
{
    int rc = -ENOMEM;
    struct tcp_acceptor *a = malloc(sizeof *a);
    if (!a)
        goto out;
    *a = (struct tcp_acceptor){.loop = l, .fn = fn, .arg = arg, .fd = -1};
    list_init(&a->pending);
    wheel_timer_init(&a->resume, acceptor_resume, a);
    rc = a->fd = listen_open(port);
    if (rc < 0)
        goto out;
    a->watch = loop_fd_add(l, a->fd, EPOLLIN, acceptor_event, a);
    if (a->watch)
        return a;
    rc = -errno;
out:
    tcp_acceptor_free(a);
    *ret_err = rc;
    return NULL;
}

uint16_t tcp_acceptor_port(const struct tcp_acceptor *a)
{
    struct sockaddr_storage name;
    socklen_t len = sizeof name;
    struct addr local;
    if (getsockname(a->fd, (struct sockaddr *)&name, &len) < 0 ||
        addr_from_sockaddr((struct sockaddr *)&name, &local) < 0)
        return 0;
    return local.port;
}

void tcp_acceptor_free(struct tcp_acceptor *a)
{
    if (!a)
        return;
    while (!list_empty(&a->pending))
        pending_drop(list_entry(a->pending.next, struct pending, link));
    wheel_cancel(&a->resume);
    loop_fd_del(a->loop, a->watch);
    if (a->fd >= 0)
        close(a->fd);
    free(a);
}
