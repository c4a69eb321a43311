/* How fast a path takes what is sent at once. The packets of a burst leave back to back, and the narrowest
 * link spreads them: how far apart they arrive is the rate at which the next burst may go without waiting
 * anywhere (packet trains: Jain and Dovrolis, "Packet-dispersion techniques and capacity estimation", 2004).
 * That is the rate of a link, not the share of it that is free: a bound for bursts, no estimate.
 *
 * Rates are bit/s, times microseconds. Pure; plain data. */
#ifndef CC_TRAIN_H
#define CC_TRAIN_H

#include <stdint.h>
#include "cc/twcc.h"

#define TRAIN_MAX_BPS 100000000 /* 62 kB in a pacer's burst: a run that the kernel takes */

struct train {
    int64_t rate_bps; /* 0: not known yet */
    /* the burst that is being read */
    int64_t first_sent_us, last_sent_us; /* last: of those that arrived */
    int64_t first_recv_us, last_recv_us;
    uint32_t bytes, first_size;
    uint16_t packets, lost; /* that arrived; that did not */
};

void train_init(struct train *t);

/* News of a packet, in the order of sending. A burst counts when the first packet of the next one comes: as
 * the rate at which it arrived, but no more than twice the rate so far; halfway to a lower one, if it did not
 * arrive as it was sent; and half of the rate so far if some of it is missing. */
void train_input(struct train *t, const struct twcc_result *r);

#endif
