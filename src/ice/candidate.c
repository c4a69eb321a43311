#include "ice/candidate.h"

#include <errno.h>
#include <stdbool.h>
#include <stdio.h>

#define COMPONENT      1
#define TYPE_UDP       126 /* RFC 8445, section 5.1.2.2: host */
#define TYPE_TCP       90  /* RFC 6544, section 4.2: below what UDP gets */
#define TCP_PASSIVE    4   /* RFC 6544, section 4.2: direction preference of a passive host candidate */
#define PREFERENCE_MAX 8191

uint32_t ice_candidate_priority(enum ice_protocol protocol, unsigned preference)
{
    if (preference > PREFERENCE_MAX)
        preference = PREFERENCE_MAX;
    uint32_t type = protocol == ICE_UDP ? TYPE_UDP : TYPE_TCP;
    uint32_t local = (protocol == ICE_UDP ? 7u : TCP_PASSIVE) << 13 | preference;
    return type << 24 | local << 8 | (256 - COMPONENT);
}

static size_t candidates_add(const struct addr *addrs, size_t count, enum ice_protocol protocol,
    uint16_t port, struct ice_candidate *ret, size_t n, size_t max)
{
    unsigned place = 0;
    for (int loopback = 0; loopback <= 1; loopback++)
        for (size_t i = 0; i < count && n < max; i++) {
            if (addr_is_loopback(&addrs[i]) != (loopback == 1))
                continue;
            struct ice_candidate *c = &ret[n++];
            c->protocol = protocol;
            c->addr = addrs[i];
            c->addr.port = port;
            c->foundation =
                (uint32_t)n; /* type, address and protocol are never all the same: RFC 8445, 5.1.1.3 */
            c->priority =
                ice_candidate_priority(protocol, place < PREFERENCE_MAX ? PREFERENCE_MAX - place : 0);
            place++;
        }
    return n;
}

size_t ice_candidates_host(const struct addr *addrs, size_t count, uint16_t udp_port, uint16_t tcp_port,
    struct ice_candidate *ret, size_t max)
{
    size_t n = candidates_add(addrs, count, ICE_UDP, udp_port, ret, 0, max);
    return tcp_port ? candidates_add(addrs, count, ICE_TCP_PASSIVE, tcp_port, ret, n, max) : n;
}

int ice_candidate_text(const struct ice_candidate *c, char *out, size_t size)
{
    char ip[ADDR_TEXT_MAX];
    bool tcp = c->protocol == ICE_TCP_PASSIVE;
    int n = snprintf(out, size, "candidate:%u %d %s %u %s %u typ host%s", c->foundation, COMPONENT,
        tcp ? "tcp" : "udp", c->priority, addr_ip_text(&c->addr, ip), c->addr.port,
        tcp ? " tcptype passive" : "");
    return n < 0 || (size_t)n >= size ? -ENOSPC : 0;
}
