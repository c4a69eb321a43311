/* ICE-TCP, passive side (RFC 6544): a shared acceptor, and RFC 4571 framed connections owned by workers.
 *
 * The acceptor reads one whole frame of each new connection (bounded in time, size and number per address),
 * then hands descriptor and bytes to its owner, who picks the worker by the ufrag in the frame. */
#ifndef NET_TCP_H
#define NET_TCP_H

#include <stdint.h>
#include <stddef.h>
#include "base/addr.h"
#include "base/limits.h"
#include "net/loop.h"

struct tcp_acceptor;

/* The connection is fn's now: first (len bytes) is its first frame without the length prefix; frames that
 * came behind it are still in the kernel's buffer. fd is non-blocking. */
typedef void (*tcp_accept_fn)(
    void *arg, int fd, const struct addr *remote, const struct addr *local, const uint8_t *first, size_t len);

/* Listens on [::]:port. NULL with *ret_err = -errno. Loop's thread. */
struct tcp_acceptor *tcp_acceptor_new(
    struct loop *l, uint16_t port, tcp_accept_fn fn, void *arg, int *ret_err);
uint16_t tcp_acceptor_port(const struct tcp_acceptor *a);
void tcp_acceptor_free(struct tcp_acceptor *a);

struct tcp_conn;

/* One frame arrived (len 1 to PACKET_SIZE_MAX; larger ones close the connection). */
typedef void (*tcp_frame_fn)(void *arg, struct tcp_conn *c, const uint8_t *frame, size_t len, int64_t now_us);
/* The connection is gone (ended by either side, an error, an oversized frame): called once; free it with
 * tcp_conn_free. */
typedef void (*tcp_closed_fn)(void *arg, struct tcp_conn *c);

/* Takes fd over; TCP_NODELAY is set. Loop's thread. NULL with errno set (fd is then closed). */
struct tcp_conn *tcp_conn_new(struct loop *l, int fd, tcp_frame_fn frame, tcp_closed_fn closed, void *arg);

/* Sends or queues one frame (1 to PACKET_SIZE_MAX bytes); when more than TCP_QUEUE_MAX bytes would wait, it
 * is dropped whole. 0, -ENOBUFS, -EMSGSIZE, or -EPIPE: the connection is broken, and closed will be called by
 * the loop, never from in here. */
int tcp_conn_send(struct tcp_conn *c, const uint8_t *frame, size_t len);
/* NULL is allowed; closes the descriptor. Also inside frame and closed. */
void tcp_conn_free(struct tcp_conn *c);

#endif
