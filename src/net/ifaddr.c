#include "net/ifaddr.h"

#include <errno.h>
#include <ifaddrs.h>
#include <net/if.h>

static bool ifaddr_usable(const struct ifaddrs *i, bool loopback, struct addr *ret)
{
    if (!i->ifa_addr || !(i->ifa_flags & IFF_UP) || addr_from_sockaddr(i->ifa_addr, ret) < 0)
        return false;
    if (addr_is_any(ret) || addr_is_link_local(ret))
        return false;
    /* site-local fec0::/10 is dead (RFC 3879), multicast is nobody's address */
    if (!addr_is_v4(ret) && (ret->ip[0] == 0xff || (ret->ip[0] == 0xfe && (ret->ip[1] & 0xc0) == 0xc0)))
        return false;
    return addr_is_loopback(ret) == loopback;
}

static size_t ifaddr_collect(const struct ifaddrs *all, bool loopback, struct addr *ret, size_t n, size_t max)
{
    for (const struct ifaddrs *i = all; i && n < max; i = i->ifa_next) {
        struct addr a;
        if (!ifaddr_usable(i, loopback, &a))
            continue;
        a.port = 0;
        size_t seen = 0;
        while (seen < n && !addr_equal_ip(&ret[seen], &a))
            seen++;
        if (seen == n)
            ret[n++] = a;
    }
    return n;
}

int ifaddr_list(struct addr *ret, size_t max, bool with_loopback)
{
    struct ifaddrs *all;
    if (getifaddrs(&all) < 0)
        return -errno;
    size_t n = ifaddr_collect(all, false, ret, 0, max);
    if (with_loopback)
        n = ifaddr_collect(all, true, ret, n, max);
    freeifaddrs(all);
    return (int)n;
}
