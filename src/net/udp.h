/* The dual-stack UDP socket of a worker: batches in, batches out, with the local address both ways. */
#ifndef NET_UDP_H
#define NET_UDP_H

#include <stdbool.h>
#include <stdint.h>
#include <stddef.h>
#include "base/addr.h"
#include "base/packet.h"

struct udp_socket {
    int fd;                 /* -1: closed */
    bool v4_only;           /* the kernel has no IPv6 */
    uint16_t port;          /* bound port, host order */
    int rcvbuf, sndbuf;     /* bytes granted by the kernel */
    uint64_t overflows;     /* datagrams that the kernel dropped for lack of buffer (SO_RXQ_OVFL) */
    uint32_t overflow_seen; /* the kernel's counter when last read */
    uint64_t truncated;     /* datagrams larger than PACKET_SIZE_MAX, dropped */
    uint64_t send_errors;   /* datagrams that could not be sent (bad destination, ...), skipped */
    uint64_t send_blocked;  /* datagrams dropped because the socket's buffer was full */
    size_t expected;        /* datagrams that the next receive call makes room for at first */
    bool no_runs;           /* the socket's device cannot segment (EIO) */
    uint64_t sends;         /* messages that the kernel took: runs and single datagrams */
    uint64_t runs;          /* of them, runs */
    uint64_t run_datagrams; /* datagrams in those */
    uint64_t runs_refused;  /* runs that had to be sent as single datagrams after all */
};

/* Binds [::]:port (0: any), or a v4-only socket where the kernel has no IPv6. Receive and send buffers are
 * raised as far as permitted, up to buffer_bytes. 0 or -errno (-EADDRINUSE: port busy). */
int udp_open(struct udp_socket *s, uint16_t port, int buffer_bytes);
void udp_close(struct udp_socket *s);

/* Opens a second socket on the port of s, to which the kernel gives what looks like RTCP from then on (RFC
 * 5761, section 4; SO_ATTACH_REUSEPORT_CBPF, Linux 4.5); s gets the rest, and sends. Each has its own buffer.
 * The port stays busy for everybody else. 0 or -errno: s is as it was, and gets everything. */
int udp_open_rtcp(struct udp_socket *s, int buffer_bytes, struct udp_socket *ret);

/* Receives up to max (<= UDP_BATCH_MAX) datagrams into new packets of the pool; path and recv_us are filled.
 * Returns their number, 0 when nothing waits, -ENOBUFS when the pool is exhausted (one datagram is read and
 * dropped). */
int udp_recv(struct udp_socket *s, struct packet_pool *pool, struct packet **ret, size_t max, int64_t now_us);

/* What is known of a destination, kept by its owner; all zero at first. */
struct udp_destination {
    int64_t single_until_us; /* runs are not tried before: the path did not take one */
};

struct udp_message {
    struct path path; /* remote: to; local.ip: from (all zero: kernel's choice) */
    const uint8_t *data;
    size_t len;
    struct udp_destination *destination; /* udp_send_runs; NULL: goes alone */
};

/* Sends n messages with sendmmsg. A bad destination is skipped and counted, never retried; when the socket's
 * buffer is full the rest is dropped and counted. Returns the number accepted by the kernel. */
size_t udp_send(struct udp_socket *s, const struct udp_message *messages, size_t n);

/* The same, but messages that follow one another to the same destination and path, of equal length but for
 * the last, which may be shorter, go as one run that the kernel cuts (UDP_SEGMENT, Linux 4.18): at most
 * UDP_RUN_MAX of them, and UDP_RUN_BYTES. They are best adjacent in memory. A path whose MTU is below the
 * length refuses runs (EMSGSIZE; EINVAL on older kernels): the destination is sent single datagrams for
 * UDP_RUN_AGAIN_US. A device without checksums refuses them all (EIO): so does the socket from then on. */
size_t udp_send_runs(struct udp_socket *s, const struct udp_message *messages, size_t n, int64_t now_us);

#endif
