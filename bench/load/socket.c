/* The socket of a link: datagrams in and out, many at a time. */
#include <errno.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>
#include "../client/dial.h"
#include "link.h"
#include "rtp/rtcp.h"

#define READ_BATCH 32
#define SHORT_READ 384 /* bytes of a datagram that are enough to count it; control packets are shorter */
#define WHOLE_EVERY                                                                                          \
    64                  /* reads of a socket of which one is whole, so that every link's packets are checked \
                         */
#define REFUSED_MAX   8 /* answers in a row that the server's port is closed */
#define BUFFER_BYTES  (1 << 20)
#define BUFFER_SENDER (4 << 20)
#define CONTROL_BYTES 64

/* ---- addresses: a socket of IPv4 costs less where it is enough ---- */

static bool is_v4(const struct link *l)
{
    return addr_is_v4(&l->load->opt.url.addr);
}

static socklen_t put_addr(const struct link *l, const struct addr *a, struct sockaddr_in6 *ret)
{
    if (!is_v4(l)) {
        addr_to_sockaddr(a, ret);
        return sizeof *ret;
    }
    struct sockaddr_in v4 = {.sin_family = AF_INET, .sin_port = htons(a->port)};
    memcpy(&v4.sin_addr, a->ip + 12, 4);
    memcpy(ret, &v4, sizeof v4);
    return sizeof v4;
}

/* ---- life ---- */

static void set_buffer(int fd, int option, int forced, int bytes)
{
    if (setsockopt(fd, SOL_SOCKET, forced, &bytes, sizeof bytes) < 0) /* for those who may */
        (void)setsockopt(fd, SOL_SOCKET, option, &bytes, sizeof bytes);
}

int link_socket_open(struct link *l)
{
    const struct addr any = {0};
    struct sockaddr_in6 own;
    struct sockaddr_storage bound;
    socklen_t len = sizeof bound;
    struct epoll_event ev = {.events = EPOLLIN | EPOLLET, .data.ptr = l};
    int on = 1;
    l->fd = socket(is_v4(l) ? AF_INET : AF_INET6, SOCK_DGRAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (l->fd < 0)
        return -errno;
    socklen_t own_len = put_addr(l, &any, &own);
    if (bind(l->fd, (struct sockaddr *)&own, own_len) < 0 ||
        getsockname(l->fd, (struct sockaddr *)&bound, &len) < 0 ||
        setsockopt(l->fd, SOL_SOCKET, SO_TIMESTAMPNS, &on, sizeof on) < 0 ||
        epoll_ctl(l->load->epoll, EPOLL_CTL_ADD, l->fd, &ev) < 0)
        return -errno;
    set_buffer(l->fd, SO_RCVBUF, SO_RCVBUFFORCE, BUFFER_BYTES);
    if (l->source_count)
        set_buffer(l->fd, SO_SNDBUF, SO_SNDBUFFORCE, BUFFER_SENDER);
    struct addr port;
    int err = addr_from_sockaddr((struct sockaddr *)&bound, &port);
    if (!err)
        err = dial_local(&l->load->opt.url.addr, &l->local);
    l->local.port = port.port;
    return err;
}

void link_socket_close(struct link *l)
{
    if (l->fd >= 0)
        close(l->fd);
    l->fd = -1;
}

int link_add_path(struct link *l, const struct addr *remote)
{
    struct path path = {.remote = *remote};
    int err = dial_local(remote, &path.local);
    if (err)
        return err;
    path.local.port = l->local.port;
    return peer_add_path(&l->peer, &path, l->load->now_us);
}

void link_socket_fix(struct link *l)
{
    const struct path *path = ice_control_selected(&l->peer.ice);
    struct sockaddr_in6 to;
    if (!path || l->fixed)
        return;
    if (connect(l->fd, (struct sockaddr *)&to, put_addr(l, &path->remote, &to)) < 0)
        return;
    l->path = *path;
    l->fixed = true;
}

/* ---- out ---- */

static void port_closed(struct link *l)
{
    if (++l->refused == REFUSED_MAX && l->state >= LINK_CONNECTED)
        link_end(l, LOAD_DROPPED, "the server's media port is closed");
}

void link_send(struct link *l, const struct path *path, const uint8_t *data, size_t len)
{
    struct sockaddr_in6 to;
    socklen_t to_len = put_addr(l, &path->remote, &to);
    bool plain = l->fixed && path_equal(path, &l->path);
    if (sendto(l->fd, data, len, MSG_DONTWAIT, plain ? NULL : (struct sockaddr *)&to, plain ? 0 : to_len) < 0)
        l->load->counts.dropped++;
}

size_t link_send_many(struct link *l, const struct link_out *out, size_t n)
{
    struct mmsghdr msgs[LINK_OUT_MAX];
    struct iovec iov[LINK_OUT_MAX];
    size_t done = 0;
    if (!l->fixed) {
        const struct path *path = peer_path(&l->peer);
        for (size_t i = 0; path && i < n; i++)
            link_send(l, path, out[i].data, out[i].len);
        return n;
    }
    for (size_t i = 0; i < n; i++) {
        iov[i] = (struct iovec){.iov_base = (void *)(uintptr_t)out[i].data, .iov_len = out[i].len};
        msgs[i] = (struct mmsghdr){.msg_hdr = {.msg_iov = &iov[i], .msg_iovlen = 1}};
    }
    for (int tries = 0; done < n && tries < 3; tries++) {
        int sent = sendmmsg(l->fd, msgs + done, (unsigned)(n - done), MSG_DONTWAIT);
        done += sent > 0 ? (size_t)sent : 0;
        if (sent < 0 && errno == ECONNREFUSED)
            port_closed(l); /* the error of an earlier datagram: this one may still go */
        else if (sent < 0 && errno != EINTR)
            break;
    }
    return done;
}

/* ---- in ---- */

static struct {
    uint8_t data[READ_BATCH][PACKET_SIZE_MAX];
    uint8_t control[READ_BATCH][CONTROL_BYTES];
    struct sockaddr_in6 from[READ_BATCH];
    struct iovec iov[READ_BATCH];
    struct mmsghdr msgs[READ_BATCH];
} in; /* one thread reads */

/* How much of its datagrams does this read want? Sets whether media is decrypted. */
static size_t choose_size(struct link *l)
{
    l->opens = l->sampled || l->reads++ % WHOLE_EVERY == 0;
    bool is_short = l->state == LINK_FLOWING && !l->opens && !l->missing;
    return is_short ? SHORT_READ : PACKET_SIZE_MAX;
}

static int read_batch(struct link *l, size_t size)
{
    for (int i = 0; i < READ_BATCH; i++) {
        in.iov[i] = (struct iovec){.iov_base = in.data[i], .iov_len = size};
        struct msghdr *h = &in.msgs[i].msg_hdr;
        h->msg_iov = &in.iov[i];
        h->msg_iovlen = 1;
        h->msg_name = l->fixed ? NULL : &in.from[i];
        h->msg_namelen = l->fixed ? 0 : sizeof in.from[i];
        h->msg_control = in.control[i];
        h->msg_controllen = CONTROL_BYTES;
    }
    return recvmmsg(l->fd, in.msgs, READ_BATCH, MSG_DONTWAIT | MSG_TRUNC, NULL);
}

/* Wall time at which the kernel took it in; 0: it does not say. */
static int64_t arrival_of(struct msghdr *h)
{
    for (struct cmsghdr *c = CMSG_FIRSTHDR(h); c; c = CMSG_NXTHDR(h, c))
        if (c->cmsg_level == SOL_SOCKET && c->cmsg_type == SCM_TIMESTAMPNS) {
            struct timespec t;
            memcpy(&t, CMSG_DATA(c), sizeof t);
            return (int64_t)t.tv_sec * 1000000 + t.tv_nsec / 1000;
        }
    return 0;
}

static void take(struct link *l, int i)
{
    size_t len = in.msgs[i].msg_len, have = len < in.iov[i].iov_len ? len : in.iov[i].iov_len;
    uint8_t *data = in.data[i];
    if (have >= 2 && data[0] >= 128 && data[0] < 192 && !rtcp_is(data, have)) {
        receive_rtp(l, data, have, len, arrival_of(&in.msgs[i].msg_hdr));
        return;
    }
    if (have < len) {
        l->load->counts.cut++;
        return;
    }
    struct path path = l->path;
    if (!l->fixed) {
        if (addr_from_sockaddr((struct sockaddr *)&in.from[i], &path.remote) ||
            dial_local(&path.remote, &path.local))
            return;
        path.local.port = l->local.port;
    }
    peer_input(&l->peer, &path, data, len, l->load->now_us);
    l->peer_us = 0; /* what time asks for has changed */
}

void link_read(struct link *l)
{
    int n;
    do {
        n = read_batch(l, choose_size(l));
        if (n < 0 && errno == ECONNREFUSED)
            port_closed(l);
        if (n > 0)
            l->refused = 0;
        for (int i = 0; i < n && l->state != LINK_ENDED; i++)
            take(l, i);
    } while (n == READ_BATCH && l->state != LINK_ENDED); /* edge-triggered: until nothing is left */
    if (!l->fixed && l->state != LINK_ENDED)
        link_run(l, l->load->now_us); /* handshakes do not wait for their turn */
}
