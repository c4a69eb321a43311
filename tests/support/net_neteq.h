/* What a browser makes of the packets of a voice: a jitter buffer that aims at a delay by the lateness of
 * packets (and of those that come again, where that costs less than to miss them), stretches and shrinks what
 * it plays to get there, and conceals what is not there when it is to be played. */
#ifndef SUPPORT_NET_NETEQ_H
#define SUPPORT_NET_NETEQ_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct net_neteq {
    int64_t *arrival_us; /* by frame: first time it came, by itself or in another packet; 0: never */
    size_t cap;
    uint32_t first, newest; /* frames; first 0: nothing came */
};

/* Frame (20 ms of sound) number n came. */
void net_neteq_input(struct net_neteq *q, uint32_t frame, int64_t now_us);
void net_neteq_done(struct net_neteq *q);

struct net_played {
    uint64_t frames, concealed; /* of 20 ms */
    uint64_t stretched, shrunk;
    double delay_ms; /* mean of the buffer's aim */
};

/* Plays what came between two times. */
struct net_played net_neteq_play(const struct net_neteq *q, int64_t from_us, int64_t to_us);

#endif
