/* Network addresses. IPv4 is kept as an IPv4-mapped IPv6 address, since every socket is dual-stack. */
#ifndef BASE_ADDR_H
#define BASE_ADDR_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <netinet/in.h>

struct addr {
    uint8_t ip[16]; /* IPv6, or ::ffff:a.b.c.d */
    uint32_t scope; /* interface of a link-local address, otherwise 0 */
    uint16_t port;  /* host byte order */
};

/* "[2001:db8::1]:65535" and the terminating zero, with a scope. */
#define ADDR_TEXT_MAX 64

/* The way to a peer: its address, our address (port included), and for TCP the connection. */
struct path {
    struct addr remote;
    struct addr local; /* ip all zero: let the kernel choose */
    uint32_t conn;     /* 0: UDP; otherwise the number of a TCP connection of this worker */
};

bool addr_is_v4(const struct addr *a);
bool addr_is_loopback(const struct addr *a);
bool addr_is_any(const struct addr *a);                         /* 0.0.0.0 or :: */
bool addr_is_link_local(const struct addr *a);                  /* 169.254/16 or fe80::/10 */
bool addr_equal(const struct addr *a, const struct addr *b);    /* ip, scope and port */
bool addr_equal_ip(const struct addr *a, const struct addr *b); /* ip only */
bool path_equal(const struct path *a, const struct path *b);

/* Reads an IPv4 or IPv6 literal (no name, no brackets). 0, or -EINVAL with *ret untouched. */
int addr_parse(const char *ip, uint16_t port, struct addr *ret);

/* Writes the ip alone ("192.0.2.1", "2001:db8::1") into out (ADDR_TEXT_MAX); returns out. */
const char *addr_ip_text(const struct addr *a, char out[ADDR_TEXT_MAX]);

/* Writes "192.0.2.1:7882" or "[2001:db8::1]:7882" into out; returns out. */
const char *addr_text(const struct addr *a, char out[ADDR_TEXT_MAX]);

/* To and from the kernel's form. addr_from_sockaddr accepts AF_INET and AF_INET6; 0 or -EAFNOSUPPORT. */
void addr_to_sockaddr(const struct addr *a, struct sockaddr_in6 *ret);
int addr_from_sockaddr(const struct sockaddr *sa, struct addr *ret);

#endif
