/* A bound on the rate from packet loss. Loss that comes with a rate above what the link carries goes away
 * when the rate falls; loss of the medium (radio) does not. The last windows of (rate, packets, lost) are
 * held against hypotheses "the link carries B, and loses a share i whatever the rate", and the likeliest B is
 * the bound; small i is taken for granted, large i has to be seen at different rates.
 *
 * Rates are bit/s, times microseconds of the sender's clock. Pure; plain data. */
#ifndef CC_LOSS_H
#define CC_LOSS_H

#include <stdbool.h>
#include <stdint.h>

#define LOSS_WINDOWS 16 /* of 250 ms and more: 4 s */

struct loss_window {
    double rate_bps;
    double packets, lost;
};

struct loss {
    int64_t bound_bps; /* INT64_MAX: none */
    double inherent;   /* share lost whatever the rate, of the present hypothesis */
    struct loss_window windows[LOSS_WINDOWS];
    unsigned count, newest;
    bool surprised; /* the last window did not fit the hypothesis */
    /* the window being filled */
    int64_t first_us, last_us; /* of sending */
    int64_t bytes, packets, lost;
    uint64_t total_packets, total_lost;
};

void loss_init(struct loss *l);

/* News of a packet. late: an earlier report called it lost, and now it came. */
void loss_input(struct loss *l, int64_t sent_us, uint16_t size, bool received, bool late);

/* After a report. rate_bps is what the delay says, acked_bps what arrives (0: unknown). Returns the bound. */
int64_t loss_update(struct loss *l, int64_t rate_bps, int64_t acked_bps, int64_t min_bps);

/* Of the windows held, 0 to 1. */
double loss_share(const struct loss *l);

#endif
