/* Sending on a worker's UDP socket: batches of single datagrams, and of runs that the kernel cuts. */
#include "net/udp.h"

#include <errno.h>
#include <netinet/in.h>
#include <netinet/udp.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/uio.h>

/* Room for either family's packet info and the length of a run's segments. */
#define CONTROL_SIZE (CMSG_SPACE(sizeof(struct in6_pktinfo)) + CMSG_SPACE(sizeof(uint16_t)))

union control {
    struct cmsghdr align;
    uint8_t bytes[CONTROL_SIZE];
};

/* What one sendmmsg is given. */
struct outbox {
    size_t n;
    struct mmsghdr messages[UDP_BATCH_MAX];
    struct sockaddr_in6 names[UDP_BATCH_MAX];
    union control controls[UDP_BATCH_MAX];
    const struct udp_message *first[UDP_BATCH_MAX];
    size_t count[UDP_BATCH_MAX]; /* datagrams: 1, or those of a run */
    size_t vector_count;
    struct iovec vectors[UDP_BATCH_MAX];
};

static void control_add(struct msghdr *m, int level, int type, const void *data, size_t size)
{
    struct cmsghdr *c = (struct cmsghdr *)(void *)((uint8_t *)m->msg_control + m->msg_controllen);
    memset(c, 0, CMSG_SPACE(size));
    c->cmsg_level = level;
    c->cmsg_type = type;
    c->cmsg_len = CMSG_LEN(size);
    memcpy(CMSG_DATA(c), data, size);
    m->msg_controllen += CMSG_SPACE(size);
}

/* Says which of our addresses a message leaves from. */
static void local_write(const struct udp_socket *s, const struct addr *local, struct msghdr *m)
{
    static const uint8_t zero[16];
    if (memcmp(local->ip, zero, sizeof zero) == 0)
        return;
    struct in6_pktinfo v6 = {.ipi6_ifindex = local->scope};
    struct in_pktinfo v4 = {0};
    memcpy(&v6.ipi6_addr, local->ip, sizeof local->ip);
    memcpy(&v4.ipi_spec_dst, local->ip + 12, 4);
    if (s->v4_only)
        control_add(m, IPPROTO_IP, IP_PKTINFO, &v4, sizeof v4);
    else
        control_add(m, IPPROTO_IPV6, IPV6_PKTINFO, &v6, sizeof v6);
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

/* How many of the n messages at m go as one: 1 if m[0] goes alone. */
static size_t run_length(const struct udp_socket *s, const struct udp_message *m, size_t n, int64_t now_us)
{
    const struct udp_destination *d = m->destination;
    if (!d || s->no_runs || now_us < d->single_until_us || m->len == 0)
        return 1;
    size_t count = 1, bytes = m->len;
    while (count < n && count < UDP_RUN_MAX) {
        const struct udp_message *next = &m[count];
        if (next->destination != d || next->len > m->len || next->len == 0 ||
            bytes + next->len > UDP_RUN_BYTES || !path_equal(&next->path, &m->path))
            break;
        bytes += next->len;
        count++;
        if (next->len < m->len)
            break; /* the last one of a run may be shorter (udp(7), UDP_SEGMENT) */
    }
    return count;
}

/* Datagrams that are adjacent in memory share a vector. */
static size_t vectors_fill(struct iovec *v, const struct udp_message *m, size_t count)
{
    size_t used = 0;
    for (size_t i = 0; i < count; i++) {
        if (used && (const uint8_t *)v[used - 1].iov_base + v[used - 1].iov_len == m[i].data)
            v[used - 1].iov_len += m[i].len;
        else
            v[used++] = (struct iovec){(void *)(uintptr_t)m[i].data, m[i].len};
    }
    return used;
}

static void outbox_add(
    struct outbox *o, const struct udp_socket *s, const struct udp_message *from, size_t count)
{
    size_t i = o->n++;
    struct msghdr *m = &o->messages[i].msg_hdr;
    struct iovec *v = &o->vectors[o->vector_count];
    *m = (struct msghdr){.msg_name = &o->names[i], .msg_iov = v, .msg_control = &o->controls[i]};
    m->msg_iovlen = vectors_fill(v, from, count);
    o->vector_count += m->msg_iovlen;
    m->msg_namelen = remote_write(s, &from->path.remote, &o->names[i]);
    local_write(s, &from->path.local, m);
    if (count > 1) {
        uint16_t segment = (uint16_t)from->len;
        control_add(m, SOL_UDP, UDP_SEGMENT, &segment, sizeof segment);
    }
    o->first[i] = from;
    o->count[i] = count;
}

/* A run was refused. true: because it was one. */
static bool run_refused(struct udp_socket *s, const struct udp_message *m, int error, int64_t now_us)
{
    if (error == EIO)
        s->no_runs = true;
    else if (error == EMSGSIZE || error == EINVAL)
        m->destination->single_until_us = now_us + UDP_RUN_AGAIN_US;
    else
        return false;
    s->runs_refused++;
    return true;
}

static size_t send_list(
    struct udp_socket *s, const struct udp_message *list, size_t n, int64_t now_us, bool *ret_blocked);

static void count_sent(struct udp_socket *s, const struct outbox *o, size_t at, size_t n, size_t *accepted)
{
    s->sends += n;
    for (size_t i = at; i < at + n; i++) {
        *accepted += o->count[i];
        if (o->count[i] > 1) {
            s->runs++;
            s->run_datagrams += o->count[i];
        }
    }
}

/* sendmmsg until all is sent, skipped or dropped. sendmmsg stops at the first message that fails. */
static size_t outbox_send(struct udp_socket *s, struct outbox *o, int64_t now_us, bool *ret_blocked)
{
    size_t accepted = 0;
    for (size_t at = 0; at < o->n;) {
        int n = *ret_blocked ? -1 : sendmmsg(s->fd, o->messages + at, (unsigned)(o->n - at), MSG_DONTWAIT);
        int error = *ret_blocked ? EAGAIN : errno;
        if (n > 0) {
            count_sent(s, o, at, (size_t)n, &accepted);
            at += (size_t)n;
        } else if (n < 0 && error == EINTR) {
            continue;
        } else if (n < 0 && (error == EAGAIN || error == ENOBUFS || error == ENOMEM)) {
            *ret_blocked = true;
            s->send_blocked += o->count[at++];
        } else if (o->count[at] > 1 && run_refused(s, o->first[at], error, now_us)) {
            accepted += send_list(s, o->first[at], o->count[at], now_us, ret_blocked);
            at++;
        } else {
            s->send_errors += o->count[at++]; /* not tried again, the rest is */
        }
    }
    return accepted;
}

static size_t send_list(
    struct udp_socket *s, const struct udp_message *list, size_t n, int64_t now_us, bool *ret_blocked)
{
    size_t accepted = 0;
    for (size_t at = 0; at < n;) {
        if (*ret_blocked) {
            s->send_blocked += n - at;
            break;
        }
        struct outbox o;
        size_t end = n - at < UDP_BATCH_MAX ? n : at + UDP_BATCH_MAX;
        o.n = o.vector_count = 0;
        while (at < end) {
            size_t count = run_length(s, &list[at], end - at, now_us);
            outbox_add(&o, s, &list[at], count);
            at += count;
        }
        accepted += outbox_send(s, &o, now_us, ret_blocked);
    }
    return accepted;
}

size_t udp_send(struct udp_socket *s, const struct udp_message *list, size_t n)
{
    return udp_send_runs(s, list, n, INT64_MIN);
}

size_t udp_send_runs(struct udp_socket *s, const struct udp_message *list, size_t n, int64_t now_us)
{
    bool blocked = false;
    return send_list(s, list, n, now_us, &blocked);
}
