#include "net/tcp.h"

#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/cursor.h"
#include "base/limits.h"

#define PREFIX    2    /* bytes of RFC 4571's length */
#define READ_SIZE 4096 /* at least one whole frame */

struct tcp_conn {
    struct loop *loop;
    struct loop_fd *watch;
    int fd;
    tcp_frame_fn frame;
    tcp_closed_fn closed;
    void *arg;
    struct wheel_timer ended; /* tells of an end that was found outside of the loop's events */
    bool dead;                /* nothing can be sent any more */
    bool *freed;              /* set when the connection is freed in one of its own callbacks */
    size_t in_len;
    uint8_t in[READ_SIZE];
    uint8_t *out; /* what the socket did not take yet: out_len bytes from out_at on */
    size_t out_at, out_len, out_cap;
};

/* Says that the connection is gone, once. The owner may free it there, so nothing may touch it afterwards. */
static void conn_end(struct tcp_conn *c)
{
    c->dead = true;
    wheel_cancel(&c->ended);
    if (!c->watch)
        return;
    loop_fd_del(c->loop, c->watch);
    c->watch = NULL;
    c->closed(c->arg, c);
}

static void conn_ended(struct wheel_timer *t, int64_t now_us)
{
    (void)now_us;
    conn_end(t->arg);
}

/* Hands out the whole frames in c->in. false: the connection ended or was freed. */
static bool conn_frames(struct tcp_conn *c, int64_t now_us)
{
    struct cursor in = cursor_of(c->in, c->in_len);
    while (cursor_left(&in) >= PREFIX) {
        struct cursor ahead = in;
        size_t len = cursor_u16(&ahead);
        if (len > PACKET_SIZE_MAX) {
            conn_end(c);
            return false;
        }
        const uint8_t *frame = cursor_bytes(&ahead, len);
        if (!frame)
            break;
        if (len > 0) { /* RFC 4571, section 2: a null frame says nothing */
            bool freed = false;
            c->freed = &freed;
            c->frame(c->arg, c, frame, len, now_us);
            if (freed)
                return false;
            c->freed = NULL;
        }
        in = ahead;
    }
    c->in_len = cursor_left(&in);
    memmove(c->in, in.p, c->in_len);
    return true;
}

static void conn_read(struct tcp_conn *c, int64_t now_us)
{
    for (int i = 0; i < TCP_READ_BATCH; i++) {
        size_t room = sizeof c->in - c->in_len;
        ssize_t n = recv(c->fd, c->in + c->in_len, room, 0);
        if (n < 0 && (errno == EAGAIN || errno == EINTR))
            return;
        if (n <= 0) {
            conn_end(c);
            return;
        }
        c->in_len += (size_t)n;
        if (!conn_frames(c, now_us) || (size_t)n < room)
            return;
    }
}

static void out_done(struct tcp_conn *c)
{
    free(c->out);
    c->out = NULL;
    c->out_at = c->out_len = c->out_cap = 0;
}

/* false: the connection ended. */
static bool conn_write(struct tcp_conn *c)
{
    while (c->out_len > 0) {
        ssize_t n = send(c->fd, c->out + c->out_at, c->out_len, MSG_NOSIGNAL);
        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0 && errno == EAGAIN)
            return true;
        if (n < 0) {
            conn_end(c);
            return false;
        }
        c->out_at += (size_t)n;
        c->out_len -= (size_t)n;
    }
    out_done(c);
    loop_fd_mod(c->loop, c->watch, EPOLLIN);
    return true;
}

static void conn_event(void *arg, uint32_t events, int64_t now_us)
{
    struct tcp_conn *c = arg;
    if (events & EPOLLOUT && !conn_write(c))
        return;
    if (events & (EPOLLIN | EPOLLHUP | EPOLLERR))
        conn_read(c, now_us);
}

struct tcp_conn *tcp_conn_new(struct loop *l, int fd, tcp_frame_fn frame, tcp_closed_fn closed, void *arg)
{
    struct tcp_conn *c = malloc(sizeof *c);
    if (!c) {
        close(fd);
        errno = ENOMEM;
        return NULL;
    }
    *c = (struct tcp_conn){.loop = l, .fd = fd, .frame = frame, .closed = closed, .arg = arg};
    wheel_timer_init(&c->ended, conn_ended, c);
    int one = 1, size = TCP_SEND_BUFFER;
    setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
    setsockopt(fd, SOL_SOCKET, SO_SNDBUF, &size, sizeof size);
    c->watch = loop_fd_add(l, fd, EPOLLIN, conn_event, c);
    if (!c->watch) {
        int saved = errno;
        close(fd);
        free(c);
        errno = saved;
        return NULL;
    }
    return c;
}

void tcp_conn_free(struct tcp_conn *c)
{
    if (!c)
        return;
    if (c->freed)
        *c->freed = true;
    wheel_cancel(&c->ended);
    loop_fd_del(c->loop, c->watch);
    close(c->fd);
    free(c->out);
    free(c);
}

/* Appends bytes that the socket did not take. false: no memory. */
static bool out_add(struct tcp_conn *c, const uint8_t *data, size_t len)
{
    if (c->out_at + c->out_len + len > c->out_cap && c->out_at > 0) {
        memmove(c->out, c->out + c->out_at, c->out_len);
        c->out_at = 0;
    }
    if (c->out_len + len > c->out_cap) {
        size_t cap = c->out_cap ? c->out_cap : READ_SIZE;
        while (cap < c->out_len + len)
            cap *= 2;
        uint8_t *out = realloc(c->out, cap);
        if (!out)
            return false;
        c->out = out;
        c->out_cap = cap;
    }
    memcpy(c->out + c->out_at + c->out_len, data, len);
    c->out_len += len;
    return true;
}

/* The stream is broken: the owner hears of it from the loop, not from inside its own call. */
static int conn_broken(struct tcp_conn *c)
{
    c->dead = true;
    wheel_set(loop_wheel(c->loop), &c->ended, 0);
    return -EPIPE;
}

int tcp_conn_send(struct tcp_conn *c, const uint8_t *frame, size_t len)
{
    if (c->dead)
        return -EPIPE;
    if (len == 0 || len > PACKET_SIZE_MAX)
        return -EMSGSIZE;
    if (c->out_len > 0 && c->out_len + PREFIX + len > TCP_QUEUE_MAX)
        return -ENOBUFS;
    uint8_t buf[PREFIX + PACKET_SIZE_MAX];
    struct writer w = writer_of(buf, sizeof buf);
    writer_u16(&w, (uint16_t)len);
    writer_bytes(&w, frame, len);
    size_t sent = 0;
    if (c->out_len == 0) {
        ssize_t n;
        do {
            n = send(c->fd, buf, w.len, MSG_NOSIGNAL);
        } while (n < 0 && errno == EINTR);
        if (n < 0 && errno != EAGAIN)
            return conn_broken(c);
        sent = n < 0 ? 0 : (size_t)n;
    }
    if (sent == w.len)
        return 0;
    bool waiting = c->out_len > 0;
    if (!out_add(c, buf + sent, w.len - sent))
        return sent > 0 ? conn_broken(c) : -ENOBUFS; /* half a frame cannot be taken back */
    if (!waiting)
        loop_fd_mod(c->loop, c->watch, EPOLLIN | EPOLLOUT);
    return 0;
}
