/* Sending in runs: datagrams of one size to one address as one message that the kernel cuts (UDP_SEGMENT),
 * many messages in one call (sendmmsg). One thread. */
#ifndef BENCH_FLOOR_TRAIN_H
#define BENCH_FLOOR_TRAIN_H

#include <netinet/in.h>
#include <stddef.h>
#include <stdint.h>

#define TRAIN_MESSAGES 64    /* of one call */
#define TRAIN_SEGMENTS 64    /* of one message, as in the kernel */
#define TRAIN_BYTES    65000 /* of one message, so that IP and UDP headers fit in 65,535 */

struct train {
    const struct sockaddr_in *to;
    const uint8_t *data;
    size_t len;       /* a multiple of segment */
    uint16_t segment; /* bytes of a datagram */
};

/* Sends n messages, at most TRAIN_MESSAGES, and waits where the kernel wants it. 0 or -errno: not all were
 * sent. */
int train_send(int fd, const struct train *trains, unsigned n);

#endif
