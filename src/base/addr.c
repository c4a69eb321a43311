#include "base/addr.h"

#include <arpa/inet.h>
#include <errno.h>
#include <net/if.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const uint8_t mapped_prefix[12] = {0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff};

bool addr_is_v4(const struct addr *a)
{
    return memcmp(a->ip, mapped_prefix, sizeof mapped_prefix) == 0;
}

bool addr_is_loopback(const struct addr *a)
{
    static const uint8_t one[16] = {[15] = 1};
    return addr_is_v4(a) ? a->ip[12] == 127 : memcmp(a->ip, one, sizeof one) == 0;
}

bool addr_is_any(const struct addr *a)
{
    static const uint8_t zero[16];
    return memcmp(a->ip + 12, zero, 4) == 0 && (addr_is_v4(a) || memcmp(a->ip, zero, 12) == 0);
}

bool addr_is_link_local(const struct addr *a)
{
    if (addr_is_v4(a))
        return a->ip[12] == 169 && a->ip[13] == 254;
    return a->ip[0] == 0xfe && (a->ip[1] & 0xc0) == 0x80;
}

bool addr_equal_ip(const struct addr *a, const struct addr *b)
{
    return memcmp(a->ip, b->ip, sizeof a->ip) == 0;
}

bool addr_equal(const struct addr *a, const struct addr *b)
{
    return a->port == b->port && a->scope == b->scope && addr_equal_ip(a, b);
}

bool path_equal(const struct path *a, const struct path *b)
{
    return a->conn == b->conn && addr_equal(&a->remote, &b->remote) && addr_equal(&a->local, &b->local);
}

/* The scope behind '%': an interface's number or name. 0 if there is none such. */
static uint32_t scope_parse(const char *text)
{
    char *end;
    errno = 0;
    unsigned long n = strtoul(text, &end, 10);
    if (text[0] >= '0' && text[0] <= '9' && *end == 0 && errno == 0 && n <= UINT32_MAX)
        return (uint32_t)n;
    return if_nametoindex(text);
}

int addr_parse(const char *ip, uint16_t port, struct addr *ret)
{
    struct addr a = {.port = port};
    memcpy(a.ip, mapped_prefix, sizeof mapped_prefix);
    if (inet_pton(AF_INET, ip, a.ip + 12) == 1) {
        *ret = a;
        return 0;
    }
    const char *percent = strchr(ip, '%');
    size_t len = percent ? (size_t)(percent - ip) : strlen(ip);
    char bare[INET6_ADDRSTRLEN];
    if (len >= sizeof bare)
        return -EINVAL;
    memcpy(bare, ip, len);
    bare[len] = 0;
    if (inet_pton(AF_INET6, bare, a.ip) != 1)
        return -EINVAL;
    if (percent) {
        a.scope = scope_parse(percent + 1);
        if (a.scope == 0)
            return -EINVAL;
    }
    *ret = a;
    return 0;
}

const char *addr_ip_text(const struct addr *a, char out[ADDR_TEXT_MAX])
{
    bool v4 = addr_is_v4(a);
    if (!inet_ntop(v4 ? AF_INET : AF_INET6, v4 ? a->ip + 12 : a->ip, out, ADDR_TEXT_MAX))
        out[0] = 0;
    return out;
}

const char *addr_text(const struct addr *a, char out[ADDR_TEXT_MAX])
{
    char ip[ADDR_TEXT_MAX];
    addr_ip_text(a, ip);
    if (addr_is_v4(a))
        snprintf(out, ADDR_TEXT_MAX, "%.15s:%u", ip, a->port);
    else if (a->scope)
        snprintf(out, ADDR_TEXT_MAX, "[%.39s%%%u]:%u", ip, a->scope, a->port);
    else
        snprintf(out, ADDR_TEXT_MAX, "[%.45s]:%u", ip, a->port);
    return out;
}

void addr_to_sockaddr(const struct addr *a, struct sockaddr_in6 *ret)
{
    *ret = (struct sockaddr_in6){
        .sin6_family = AF_INET6,
        .sin6_port = htons(a->port),
        .sin6_scope_id = a->scope,
    };
    memcpy(&ret->sin6_addr, a->ip, sizeof a->ip);
}

int addr_from_sockaddr(const struct sockaddr *sa, struct addr *ret)
{
    struct addr a = {0};
    if (sa->sa_family == AF_INET6) {
        struct sockaddr_in6 s;
        memcpy(&s, sa, sizeof s);
        memcpy(a.ip, &s.sin6_addr, sizeof a.ip);
        a.port = ntohs(s.sin6_port);
        /* the kernel gives a scope with link-local addresses only, but does not promise it */
        a.scope = addr_is_link_local(&a) ? s.sin6_scope_id : 0;
    } else if (sa->sa_family == AF_INET) {
        struct sockaddr_in s;
        memcpy(&s, sa, sizeof s);
        memcpy(a.ip, mapped_prefix, sizeof mapped_prefix);
        memcpy(a.ip + 12, &s.sin_addr, 4);
        a.port = ntohs(s.sin_port);
    } else {
        return -EAFNOSUPPORT;
    }
    *ret = a;
    return 0;
}
