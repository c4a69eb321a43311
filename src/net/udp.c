#include "net/udp.h"

#include <errno.h>
#include <linux/filter.h>
#include <netinet/in.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/uio.h>
#include <unistd.h>

/* Room for either family's packet info and the overflow counter. */
#define CONTROL_SIZE (CMSG_SPACE(sizeof(struct in6_pktinfo)) + CMSG_SPACE(sizeof(uint32_t)))

union control {
    struct cmsghdr align;
    uint8_t bytes[CONTROL_SIZE];
};

/* What one recvmmsg fills. */
struct inbox {
    struct mmsghdr messages[UDP_BATCH_MAX];
    struct iovec vectors[UDP_BATCH_MAX];
    struct sockaddr_in6 names[UDP_BATCH_MAX];
    union control controls[UDP_BATCH_MAX];
    struct packet *packets[UDP_BATCH_MAX];
};

static int option_set(int fd, int level, int name, int value)
{
    return setsockopt(fd, level, name, &value, sizeof value) < 0 ? -errno : 0;
}

static int buffer_size(int fd, int name)
{
    int granted = 0;
    socklen_t len = sizeof granted;
    getsockopt(fd, SOL_SOCKET, name, &granted, &len);
    return granted;
}

/* Asks for bytes, beyond the system's maximum if we may; never less than the default. What was granted, which
 * the kernel counts twice for its own use. */
static int buffer_raise(int fd, int forced, int normal, int bytes)
{
    if (bytes > buffer_size(fd, normal) / 2 && setsockopt(fd, SOL_SOCKET, forced, &bytes, sizeof bytes) < 0)
        setsockopt(fd, SOL_SOCKET, normal, &bytes, sizeof bytes);
    return buffer_size(fd, normal);
}

static int bind_v6(int fd, uint16_t port)
{
    int off = 0;
    struct sockaddr_in6 any = {.sin6_family = AF_INET6, .sin6_port = htons(port)};
    if (setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &off, sizeof off) < 0)
        return -errno;
    int rc = option_set(fd, IPPROTO_IPV6, IPV6_RECVPKTINFO, 1); /* of IPv4 packets too, as mapped addresses */
    if (rc < 0)
        return rc;
    return bind(fd, (struct sockaddr *)&any, sizeof any) < 0 ? -errno : 0;
}

static int bind_v4(int fd, uint16_t port)
{
    struct sockaddr_in any = {.sin_family = AF_INET, .sin_port = htons(port)};
    int rc = option_set(fd, IPPROTO_IP, IP_PKTINFO, 1);
    if (rc < 0)
        return rc;
    return bind(fd, (struct sockaddr *)&any, sizeof any) < 0 ? -errno : 0;
}

/* shared: the port may be one that another socket of ours shares. */
static int open_bound(struct udp_socket *s, uint16_t port, int buffer_bytes, bool shared)
{
    struct udp_socket new = {0};
    new.fd = socket(AF_INET6, SOCK_DGRAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    new.v4_only = new.fd < 0 && errno == EAFNOSUPPORT;
    if (new.v4_only)
        new.fd = socket(AF_INET, SOCK_DGRAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (new.fd < 0)
        return -errno;
    int rc = shared ? option_set(new.fd, SOL_SOCKET, SO_REUSEPORT, 1) : 0;
    if (rc == 0)
        rc = new.v4_only ? bind_v4(new.fd, port) : bind_v6(new.fd, port);
    if (rc == 0)
        rc = option_set(new.fd, SOL_SOCKET, SO_RXQ_OVFL, 1);
    struct sockaddr_storage name;
    socklen_t len = sizeof name;
    if (rc == 0 && getsockname(new.fd, (struct sockaddr *)&name, &len) < 0)
        rc = -errno;
    struct addr local;
    if (rc == 0)
        rc = addr_from_sockaddr((struct sockaddr *)&name, &local);
    if (rc < 0) {
        close(new.fd);
        return rc;
    }
    new.port = local.port;
    new.rcvbuf = buffer_raise(new.fd, SO_RCVBUFFORCE, SO_RCVBUF, buffer_bytes);
    new.sndbuf = buffer_raise(new.fd, SO_SNDBUFFORCE, SO_SNDBUF, buffer_bytes);
    *s = new;
    return 0;
}

int udp_open(struct udp_socket *s, uint16_t port, int buffer_bytes)
{
    return open_bound(s, port, buffer_bytes, false);
}

/* Gives the socket of RTCP, the second one of the port, what has version 2 and a packet type of 192 to 223.
 */
static int steer_rtcp(int fd)
{
    struct sock_filter code[] = {
        BPF_STMT(BPF_LD | BPF_B | BPF_ABS, 0), /* beyond the datagram: the program ends with 0 */
        BPF_STMT(BPF_ALU | BPF_AND | BPF_K, 0xc0),
        BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, 0x80, 0, 4),
        BPF_STMT(BPF_LD | BPF_B | BPF_ABS, 1),
        BPF_STMT(BPF_ALU | BPF_AND | BPF_K, 0xe0),
        BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, 0xc0, 0, 1),
        BPF_STMT(BPF_RET | BPF_K, 1),
        BPF_STMT(BPF_RET | BPF_K, 0),
    };
    struct sock_fprog program = {.len = sizeof code / sizeof *code, .filter = code};
    return setsockopt(fd, SOL_SOCKET, SO_ATTACH_REUSEPORT_CBPF, &program, sizeof program) < 0 ? -errno : 0;
}

int udp_open_rtcp(struct udp_socket *s, int buffer_bytes, struct udp_socket *ret)
{
    struct udp_socket new = {.fd = -1};
    int rc = option_set(s->fd, SOL_SOCKET, SO_REUSEPORT, 1);
    if (rc == 0)
        rc = open_bound(&new, s->port, buffer_bytes, true);
    if (rc == 0)
        rc = steer_rtcp(s->fd);
    if (rc < 0) {
        udp_close(&new);
        option_set(s->fd, SOL_SOCKET, SO_REUSEPORT, 0);
        return rc;
    }
    *ret = new;
    return 0;
}

void udp_close(struct udp_socket *s)
{
    if (s->fd >= 0)
        close(s->fd);
    s->fd = -1;
}

static void local_read(struct udp_socket *s, struct msghdr *m, struct addr *local)
{
    memset(local, 0, sizeof *local);
    local->port = s->port;
    for (struct cmsghdr *c = CMSG_FIRSTHDR(m); c; c = CMSG_NXTHDR(m, c)) {
        if (c->cmsg_level == IPPROTO_IPV6 && c->cmsg_type == IPV6_PKTINFO) {
            struct in6_pktinfo info;
            memcpy(&info, CMSG_DATA(c), sizeof info);
            memcpy(local->ip, &info.ipi6_addr, sizeof local->ip);
            local->scope = addr_is_link_local(local) && !addr_is_v4(local) ? info.ipi6_ifindex : 0;
        } else if (c->cmsg_level == IPPROTO_IP && c->cmsg_type == IP_PKTINFO) {
            struct in_pktinfo info;
            memcpy(&info, CMSG_DATA(c), sizeof info);
            local->ip[10] = local->ip[11] = 0xff;
            memcpy(local->ip + 12, &info.ipi_addr, 4);
        } else if (c->cmsg_level == SOL_SOCKET && c->cmsg_type == SO_RXQ_OVFL) {
            uint32_t total;
            memcpy(&total, CMSG_DATA(c), sizeof total);
            s->overflows += (uint32_t)(total - s->overflow_seen); /* the kernel's counter wraps */
            s->overflow_seen = total;
        }
    }
}

/* The pool is empty: reads one datagram away, so that the socket's queue moves on. */
static int recv_discard(struct udp_socket *s)
{
    uint8_t byte;
    ssize_t n = recv(s->fd, &byte, sizeof byte, MSG_DONTWAIT);
    return n < 0 && (errno == EAGAIN || errno == EINTR) ? 0 : -ENOBUFS;
}

/* Makes room for one datagram in each of count new packets; fewer when the pool is short. */
static size_t recv_prepare(struct inbox *in, struct packet_pool *pool, size_t count)
{
    size_t n = 0;
    for (; n < count && (in->packets[n] = packet_get(pool)); n++) {
        in->vectors[n] = (struct iovec){in->packets[n]->data, PACKET_SIZE_MAX};
        in->messages[n].msg_hdr = (struct msghdr){
            .msg_name = &in->names[n],
            .msg_namelen = sizeof in->names[n],
            .msg_iov = &in->vectors[n],
            .msg_iovlen = 1,
            .msg_control = &in->controls[n],
            .msg_controllen = sizeof in->controls[n],
        };
    }
    return n;
}

/* One recvmmsg for up to count datagrams. *ret_kept grows by those that are good. Returns the number that the
 * kernel gave, 0 when nothing waits, or -errno. */
static int recv_some(struct udp_socket *s, struct packet_pool *pool, size_t count, struct packet **ret,
    size_t *ret_kept, int64_t now_us)
{
    struct inbox in;
    size_t ready = recv_prepare(&in, pool, count);
    if (ready == 0)
        return *ret_kept ? 0 : recv_discard(s);
    int n = recvmmsg(s->fd, in.messages, (unsigned)ready, MSG_DONTWAIT, NULL);
    int rc = n >= 0 ? n : errno == EAGAIN || errno == EINTR ? 0 : -errno;
    size_t taken = n < 0 ? 0 : (size_t)n;
    for (size_t i = 0; i < taken; i++) {
        struct packet *p = in.packets[i];
        struct msghdr *m = &in.messages[i].msg_hdr;
        local_read(s, m, &p->path.local);
        if (m->msg_flags & MSG_TRUNC || addr_from_sockaddr(m->msg_name, &p->path.remote) < 0) {
            s->truncated += (m->msg_flags & MSG_TRUNC) != 0;
            packet_unref(p);
            continue;
        }
        p->path.conn = 0;
        p->len = (uint16_t)in.messages[i].msg_len;
        p->recv_us = now_us;
        ret[(*ret_kept)++] = p;
    }
    for (size_t i = ready; i > taken; i--)
        packet_unref(in.packets[i - 1]);
    return rc;
}

/* Preparing for datagrams that do not wait costs as much as receiving them: a call asks for about as many as
 * came last time, and for twice as many again while they keep coming. */
int udp_recv(struct udp_socket *s, struct packet_pool *pool, struct packet **ret, size_t max, int64_t now_us)
{
    size_t kept = 0, asked = 0;
    if (max > UDP_BATCH_MAX)
        max = UDP_BATCH_MAX;
    if (s->expected < UDP_RECV_FIRST)
        s->expected = UDP_RECV_FIRST;
    while (asked < max) {
        size_t count = max - asked < s->expected ? max - asked : s->expected;
        int n = recv_some(s, pool, count, ret, &kept, now_us);
        if (n < 0)
            return kept ? (int)kept : n;
        asked += (size_t)n;
        if ((size_t)n < count) {
            s->expected = asked + asked / 2;
            break;
        }
        s->expected *= 2;
    }
    if (s->expected > UDP_BATCH_MAX)
        s->expected = UDP_BATCH_MAX;
    return (int)kept;
}
