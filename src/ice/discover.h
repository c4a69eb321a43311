/* Asks a STUN server how it sees a socket (RFC 8489, section 2): the public address behind a one-to-one NAT.
 * No I/O. */
#ifndef ICE_DISCOVER_H
#define ICE_DISCOVER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include "base/addr.h"
#include "base/cursor.h"
#include "ice/stun.h"

enum ice_discover_state {
    ICE_DISCOVER_WAITING,
    ICE_DISCOVER_DONE,   /* mapped holds the answer */
    ICE_DISCOVER_FAILED, /* no answer in 11.5 s, or an error */
};

struct ice_discover {
    struct addr server;
    struct addr mapped;
    enum ice_discover_state state;
    uint8_t id[12];
    uint8_t sent;
    int64_t due_us, rto_us;
};

void ice_discover_init(struct ice_discover *d, const struct addr *server, int64_t now_us);

/* Appends the request to out (28 bytes) when it is due; to be sent to d->server from the socket in question.
 */
bool ice_discover_poll(struct ice_discover *d, struct ice_stun *stun, int64_t now_us, struct writer *out);

/* Takes a datagram; returns whether it was the answer (success or error), which needs the server's address
 * and our transaction number. */
bool ice_discover_input(
    struct ice_discover *d, struct ice_stun *stun, const struct addr *from, const uint8_t *data, size_t len);

int64_t ice_discover_next_timeout(const struct ice_discover *d); /* INT64_MAX: done or failed */

#endif
