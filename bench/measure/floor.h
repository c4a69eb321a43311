/* What one processor needs to encrypt 1,000-byte packets by AES-128-GCM and send them to 40 addresses over
 * loopback, and nothing else: the least that a server on this machine can come to. The receiving sockets are
 * small and not read, so what the kernel does to deliver is the least it can be, too. */
#ifndef BENCH_MEASURE_FLOOR_H
#define BENCH_MEASURE_FLOOR_H

#include "srtp/srtp.h"

enum floor_work {
    FLOOR_ENCRYPT,
    FLOOR_SEND, /* sendmmsg of one packet to everybody */
    FLOOR_BOTH,
    FLOOR_SEND_RUNS, /* segmented runs of 16 packets to each (UDP_SEGMENT) */
};

/* CPU nanoseconds for a packet, the median of several runs; negative: this kernel cannot do that. */
double floor_cost_ns(enum floor_work work);

#endif
