/* Sockets that receive: one for each receiver, on loopback, without UDP_GRO, emptied once a millisecond by a
 * thread of their own, as a crowd of clients in one process would. */
#ifndef BENCH_FLOOR_SINK_H
#define BENCH_FLOOR_SINK_H

#include <netinet/in.h>
#include <stdint.h>

struct sink;

/* Opens n sockets and starts the thread, on a processor unless cpu is -1. 0 or -errno. */
int sink_new(unsigned n, int cpu, struct sink **ret);
void sink_free(struct sink *s); /* ends the thread; NULL is fine */

const struct sockaddr_in *sink_address(const struct sink *s, unsigned i);
uint64_t sink_received(const struct sink *s); /* datagrams so far, from any thread */

#endif
