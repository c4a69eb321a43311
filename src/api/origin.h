/* Under which address a client reached us, and so the one that its WebSocket shall use. Pure functions. */
#ifndef API_ORIGIN_H
#define API_ORIGIN_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include "base/limits.h"

#define ORIGIN_URL_SIZE (sizeof "wss://" + API_HOST_MAX)

struct origin {
    const char *host; /* the field Host; NULL: absent */
    const char *
        forwarded_host; /* X-Forwarded-Host and -Proto, which proxies add; NULL: absent. They tell a client */
    const char *forwarded_proto; /* about itself only, so that a forged one harms nobody else */
    bool secure;                 /* the request came over TLS */
    uint16_t port;               /* of "localhost", where no host is usable */
};

/* Writes "ws://host:port" or "wss://...". Returns out. */
char *origin_socket_url(const struct origin *o, char out[ORIGIN_URL_SIZE]);

#endif
