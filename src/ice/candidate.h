/* Host candidates of the server (RFC 8445, section 5.1; TCP: RFC 6544). */
#ifndef ICE_CANDIDATE_H
#define ICE_CANDIDATE_H

#include <stddef.h>
#include <stdint.h>
#include "base/addr.h"

enum ice_protocol {
    ICE_UDP,
    ICE_TCP_PASSIVE, /* "tcp", tcptype passive */
};

struct ice_candidate {
    uint32_t foundation; /* 1 and up; printed in decimal */
    uint32_t priority;
    enum ice_protocol protocol;
    struct addr addr;
};

/* Priority of a host candidate of component 1. preference: 0 (last choice) to 8,191 (first). UDP lies above
 * TCP whatever the preference. */
uint32_t ice_candidate_priority(enum ice_protocol protocol, unsigned preference);

/* A UDP candidate for each address (in order of preference) with udp_port and, unless tcp_port is 0, a TCP
 * one with tcp_port; the addresses' own ports are not looked at. Loopback comes after everything else of its
 * protocol. Returns their number, at most max: all UDP ones first. */
size_t ice_candidates_host(const struct addr *addrs, size_t count, uint16_t udp_port, uint16_t tcp_port,
    struct ice_candidate *ret, size_t max);

/* Writes "candidate:1 1 udp 2130706431 192.0.2.1 7882 typ host" (no "a="), zero-terminated. 0 or -ENOSPC. */
int ice_candidate_text(const struct ice_candidate *c, char *out, size_t size);

#endif
