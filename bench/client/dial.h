/* A TCP connection on its way. */
#ifndef BENCH_CLIENT_DIAL_H
#define BENCH_CLIENT_DIAL_H

#include "base/addr.h"

/* A non-blocking socket that is connecting, or -errno. Its error, if any, is read once it is writable. */
int dial_tcp(const struct addr *server);

/* 0, or the -errno with which connecting failed; for a socket that became writable. */
int dial_result(int fd);

/* The address that we reach remote from; its port means nothing. 0 or -errno. */
int dial_local(const struct addr *remote, struct addr *ret);

#endif
