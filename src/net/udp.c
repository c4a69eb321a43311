#include "net/udp.h"

#include <errno.h>
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

static int option_on(int fd, int level, int name)
{
    int one = 1;
    return setsockopt(fd, level, name, &one, sizeof one) < 0 ? -errno : 0;
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
    int rc = option_on(fd, IPPROTO_IPV6, IPV6_RECVPKTINFO); /* of IPv4 packets too, as mapped addresses */
    if (rc < 0)
        return rc;
    return bind(fd, (struct sockaddr *)&any, sizeof any) < 0 ? -errno : 0;
}

static int bind_v4(int fd, uint16_t port)
{
    struct sockaddr_in any = {.sin_family = AF_INET, .sin_port = htons(port)};
    int rc = option_on(fd, IPPROTO_IP, IP_PKTINFO);
    if (rc < 0)
        return rc;
    return bind(fd, (struct sockaddr *)&any, sizeof any) < 0 ? -errno : 0;
}

int udp_open(struct udp_socket *s, uint16_t port, int buffer_bytes)
{
    struct udp_socket new = {0};
    new.fd = socket(AF_INET6, SOCK_DGRAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    new.v4_only = new.fd < 0 && errno == EAFNOSUPPORT;
    if (new.v4_only)
        new.fd = socket(AF_INET, SOCK_DGRAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (new.fd < 0)
        return -errno;
    int rc = new.v4_only ? bind_v4(new.fd, port) : bind_v6(new.fd, port);
    if (rc == 0)
        rc = option_on(new.fd, SOL_SOCKET, SO_RXQ_OVFL);
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

int udp_recv(struct udp_socket *s, struct packet_pool *pool, struct packet **ret, size_t max, int64_t now_us)
{
    struct mmsghdr messages[UDP_BATCH_MAX];
    struct iovec vectors[UDP_BATCH_MAX];
    struct sockaddr_in6 names[UDP_BATCH_MAX];
    union control controls[UDP_BATCH_MAX];
    struct packet *packets[UDP_BATCH_MAX];
    size_t count = 0;
    if (max > UDP_BATCH_MAX)
        max = UDP_BATCH_MAX;
    while (count < max && (packets[count] = packet_get(pool))) {
        vectors[count] = (struct iovec){packets[count]->data, PACKET_SIZE_MAX};
        messages[count].msg_hdr = (struct msghdr){
            .msg_name = &names[count],
            .msg_namelen = sizeof names[count],
            .msg_iov = &vectors[count],
            .msg_iovlen = 1,
            .msg_control = &controls[count],
            .msg_controllen = sizeof controls[count],
        };
        count++;
    }
    if (count == 0)
        return max == 0 ? 0 : recv_discard(s);
    int n = recvmmsg(s->fd, messages, (unsigned)count, MSG_DONTWAIT, NULL);
    int rc = n < 0 && errno != EAGAIN && errno != EINTR ? -errno : 0;
    size_t taken = n < 0 ? 0 : (size_t)n;
    int kept = 0;
    for (size_t i = 0; i < taken; i++) {
        struct packet *p = packets[i];
        struct msghdr *m = &messages[i].msg_hdr;
        local_read(s, m, &p->path.local);
        if (m->msg_flags & MSG_TRUNC || addr_from_sockaddr(m->msg_name, &p->path.remote) < 0) {
            s->truncated += (m->msg_flags & MSG_TRUNC) != 0;
            packet_unref(p);
            continue;
        }
        p->path.conn = 0;
        p->len = (uint16_t)messages[i].msg_len;
        p->recv_us = now_us;
        ret[kept++] = p;
    }
    for (size_t i = count; i > taken; i--)
        packet_unref(packets[i - 1]);
    return rc < 0 ? rc : kept;
}

/* Says in m's control buffer which of our addresses a message leaves from. */
static void local_write(
    const struct udp_socket *s, const struct addr *local, struct msghdr *m, union control *control)
{
    static const uint8_t zero[16];
    m->msg_control = NULL;
    m->msg_controllen = 0;
    if (memcmp(local->ip, zero, sizeof zero) == 0)
        return;
    struct in6_pktinfo v6 = {.ipi6_ifindex = local->scope};
    struct in_pktinfo v4 = {0};
    memcpy(&v6.ipi6_addr, local->ip, sizeof local->ip);
    memcpy(&v4.ipi_spec_dst, local->ip + 12, 4);
    const void *info = s->v4_only ? (void *)&v4 : (void *)&v6;
    size_t size = s->v4_only ? sizeof v4 : sizeof v6;
    m->msg_control = control;
    m->msg_controllen = CMSG_SPACE(size);
    memset(control, 0, m->msg_controllen);
    struct cmsghdr *c = CMSG_FIRSTHDR(m);
    c->cmsg_level = s->v4_only ? IPPROTO_IP : IPPROTO_IPV6;
    c->cmsg_type = s->v4_only ? IP_PKTINFO : IPV6_PKTINFO;
    c->cmsg_len = CMSG_LEN(size);
    memcpy(CMSG_DATA(c), info, size);
}

static socklen_t remote_write(
    const struct udp_socket *s, const struct addr *remote, struct sockaddr_in6 *name)
{
    if (!s->v4_only) {
        addr_to_sockaddr(remote, name);
        return sizeof *name;
    }
    struct sockaddr_in v4 = {.sin_family = AF_INET, .sin_port = htons(remote->port)};
    if (!addr_is_v4(remote))
        v4.sin_family = AF_INET6; /* the kernel refuses it, and it is counted */
    memcpy(&v4.sin_addr, remote->ip + 12, 4);
    memcpy(name, &v4, sizeof v4);
    return sizeof v4;
}

/* sendmmsg until all count messages are sent, skipped or dropped; *ret_blocked: the socket's buffer is full.
 */
static size_t send_batch(struct udp_socket *s, struct mmsghdr *messages, size_t count, bool *ret_blocked)
{
    size_t accepted = 0;
    for (size_t at = 0; at < count;) {
        int n = sendmmsg(s->fd, messages + at, (unsigned)(count - at), MSG_DONTWAIT);
        if (n > 0) {
            at += (size_t)n;
            accepted += (size_t)n;
        } else if (n < 0 && errno == EINTR) {
            continue;
        } else if (n < 0 && (errno == EAGAIN || errno == ENOBUFS || errno == ENOMEM)) {
            s->send_blocked += count - at;
            *ret_blocked = true;
            break;
        } else {
            s->send_errors++; /* of the first message: it is not tried again, the rest is */
            at++;
        }
    }
    return accepted;
}

size_t udp_send(struct udp_socket *s, const struct udp_message *list, size_t n)
{
    struct mmsghdr messages[UDP_BATCH_MAX];
    struct iovec vectors[UDP_BATCH_MAX];
    struct sockaddr_in6 names[UDP_BATCH_MAX];
    union control controls[UDP_BATCH_MAX];
    size_t accepted = 0;
    bool blocked = false;
    for (size_t at = 0; at < n;) {
        size_t count = n - at < UDP_BATCH_MAX ? n - at : UDP_BATCH_MAX;
        if (blocked) {
            s->send_blocked += n - at;
            break;
        }
        for (size_t i = 0; i < count; i++) {
            const struct udp_message *from = &list[at + i];
            struct msghdr *m = &messages[i].msg_hdr;
            vectors[i] = (struct iovec){(void *)(uintptr_t)from->data, from->len};
            *m = (struct msghdr){.msg_name = &names[i], .msg_iov = &vectors[i], .msg_iovlen = 1};
            m->msg_namelen = remote_write(s, &from->path.remote, &names[i]);
            local_write(s, &from->path.local, m, &controls[i]);
        }
        accepted += send_batch(s, messages, count, &blocked);
        at += count;
    }
    return accepted;
}
