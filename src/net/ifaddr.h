/* The machine's usable addresses. */
#ifndef NET_IFADDR_H
#define NET_IFADDR_H

#include <stdbool.h>
#include <stddef.h>
#include "base/addr.h"

/* Writes up to max addresses (port 0) of interfaces that are up: IPv4 and global or unique-local IPv6, no
 * link-local ones; loopback only if with_loopback. Loopback comes last. Returns their number or -errno. */
int ifaddr_list(struct addr *ret, size_t max, bool with_loopback);

#endif
