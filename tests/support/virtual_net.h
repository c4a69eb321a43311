/* The server's UDP sockets in virtual time: what net/udp.h declares, on top of support/virtual_sfu.h.
 * Included by one file of a program, since it defines the functions, as support/virtual_time.h, which it
 * includes. */
#ifndef SUPPORT_VIRTUAL_NET_H
#define SUPPORT_VIRTUAL_NET_H

#include <errno.h>
#include "support/virtual_sfu.h"
#include "support/virtual_time.h"

int udp_open(struct udp_socket *s, uint16_t port, int buffer_bytes)
{
    (void)buffer_bytes;
    return virtual_socket_open(s, port);
}

/* One socket has everything, as on a kernel that cannot tell RTCP apart. */
int udp_open_rtcp(struct udp_socket *s, int buffer_bytes, struct udp_socket *ret)
{
    (void)s;
    (void)buffer_bytes;
    (void)ret;
    return -ENOPROTOOPT;
}

void udp_close(struct udp_socket *s)
{
    if (s->fd >= 0)
        virtual_socket_close(s);
}

int udp_recv(struct udp_socket *s, struct packet_pool *pool, struct packet **ret, size_t max, int64_t now_us)
{
    return virtual_socket_recv(s, pool, ret, max, now_us);
}

size_t udp_send(struct udp_socket *s, const struct udp_message *messages, size_t n)
{
    return virtual_socket_send(s, messages, n);
}

size_t udp_send_runs(struct udp_socket *s, const struct udp_message *messages, size_t n, int64_t now_us)
{
    (void)now_us;
    return virtual_socket_send(s, messages, n);
}

#endif
