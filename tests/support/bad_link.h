/* A bad network in virtual time: datagrams are lost, duplicated, delayed and overtake each other, the same
 * way for the same seed. One object carries any number of directions. */
#ifndef SUPPORT_BAD_LINK_H
#define SUPPORT_BAD_LINK_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include "base/addr.h"
#include "base/limits.h"
#include "support/seeded.h"

struct bad_datagram {
    int64_t due_us;
    uint64_t order;   /* of sending: keeps equal times apart */
    int to;           /* the caller's number for the receiver */
    struct path path; /* as the receiver sees it */
    size_t len;
    uint8_t data[PACKET_SIZE_MAX];
};

struct bad_link {
    struct seeded random;
    unsigned loss, duplicate; /* percent */
    int64_t delay_us;         /* one way */
    int64_t jitter_us;        /* 0 up to this much is added: what exceeds the spacing reorders */
    struct bad_datagram **flying;
    size_t count, cap;
    uint64_t sent, lost, duplicated;
};

void bad_link_init(struct bad_link *l, uint64_t seed);
void bad_link_done(struct bad_link *l);

/* Takes a copy of one datagram. */
void bad_link_send(
    struct bad_link *l, int to, const struct path *path, const uint8_t *data, size_t len, int64_t now_us);

/* When the next datagram arrives; INT64_MAX: nothing flies. */
int64_t bad_link_next_us(const struct bad_link *l);

/* The next datagram that has arrived by now, the caller's to free; NULL: none. */
struct bad_datagram *bad_link_take(struct bad_link *l, int64_t now_us);

#endif
