/* Delay variation of a stream of packets: bursts are put together into groups, and each group is compared
 * with the one before it (draft-ietf-rmcat-gcc-02, sections 5.1 and 5.2). Also how long packets wait in
 * queues, from the least transit of the last half minute.
 *
 * Times are microseconds; sending and receiving clocks need not agree. Arrival times come from the network
 * and may be anything. Pure; plain data. */
#ifndef CC_DELAY_H
#define CC_DELAY_H

#include <stdbool.h>
#include <stdint.h>

#define DELAY_MINIMA 6 /* of 5 s each: a route that got longer is believed after half a minute */

struct delay_group {
    int64_t first_sent_us, sent_us; /* of its first and last packet */
    int64_t first_recv_us, recv_us;
    bool used;
};

struct delay_groups {
    struct delay_group current, previous;
    unsigned backwards; /* groups in a row that arrived before the one before them */
};

/* Between the last packets of two groups that follow each other. */
struct delay_delta {
    int64_t sent_us, recv_us; /* differences */
    int64_t at_us;            /* when the later group was complete, receiver's clock */
};

void delay_groups_init(struct delay_groups *g);

/* A packet that arrived, in the order of sending. true: a group is complete and *ret is set. Packets sent
 * before the present group are passed over; after three groups that arrived backwards, or a jump of the
 * receiver's clock by more than 3 s, it starts anew. */
bool delay_groups_input(struct delay_groups *g, int64_t sent_us, int64_t recv_us, struct delay_delta *ret);

struct delay_queue {
    int64_t minima_us[DELAY_MINIMA]; /* least transit of a span */
    int64_t span_us;                 /* when the present span began, sender's clock */
    unsigned at;                     /* the present one */
    bool started;
};

void delay_queue_init(struct delay_queue *q);

/* Returns by how much this packet's transit exceeds the least one: its time in queues, in us, 0 to 60 s. */
int64_t delay_queue_input(struct delay_queue *q, int64_t sent_us, int64_t recv_us);

#endif
