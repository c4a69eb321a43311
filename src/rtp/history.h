/* The last packets of one stream, kept once for all its receivers: a ring by extended sequence number that
 * holds a reference to each packet. Memory for the ring is the caller's. Thread of the track. */
#ifndef RTP_HISTORY_H
#define RTP_HISTORY_H

#include <stddef.h>
#include <stdint.h>
#include "base/packet.h"

struct history_slot {
    int64_t seq;
    struct packet *packet; /* NULL: empty */
};

struct history {
    struct history_slot *slots;
    uint32_t mask;
    uint32_t count;     /* packets held */
    int64_t oldest;     /* no held packet is older than this number */
    int64_t highest;    /* newest number ever put */
    int64_t max_age_us; /* from the packet's arrival (packet->recv_us) */
};

/* slots: a power of two of them, zeroed or not. Packets are dropped once they are older than max_age_us. 0 or
 * -EINVAL. */
int history_init(struct history *h, struct history_slot *slots, size_t count, int64_t max_age_us);

/* Gives all packets back. The slots may then be freed. */
void history_done(struct history *h);

/* Takes a reference of its own. 0; -EEXIST if the number is held already; -ESTALE if it is too old for the
 * ring. */
int history_put(struct history *h, int64_t seq, struct packet *p);

/* The packet, still the history's (packet_ref it to keep it); NULL if it is not held or is older than
 * max_age_us. */
struct packet *history_get(const struct history *h, int64_t seq, int64_t now_us);

/* The packet whose 16-bit number is nearest to the newest one; as history_get. */
struct packet *history_get16(const struct history *h, uint16_t seq, int64_t now_us);

/* Releases what is too old; call it with every packet or on a timer. Work is bounded by what it releases. */
void history_expire(struct history *h, int64_t now_us);

#endif
