/* One direction of a network link as a model: a queue that drains at a rate, then a delay. Loss, reordering,
 * duplication, outages; everything may change over time by a script. No clock and no sockets: time is an
 * argument, so the same object serves virtual and real time, and the same seed and input give the same
 * output. Bounded: the script has LINK_STEPS_MAX steps, LINK_PACKETS_MAX datagrams are held at most. */
#ifndef TESTS_NET_LINK_H
#define TESTS_NET_LINK_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include "support/seeded.h"

#define LINK_STEPS_MAX    256
#define LINK_PACKETS_MAX  65536 /* datagrams held: a quarter of a second of 3 Gbit/s */
#define LINK_DATAGRAM_MAX 65535
#define LINK_RATE_MAX     INT64_C(1000000000000) /* bit/s; keeps the arithmetic within 64 bits */
#define LINK_TIME_MAX_US  INT64_C(1000000000000) /* a delay, a queue, a time in a script: eleven days */
#define LINK_PPM          1000000

/* How the link is from some time on. All zero: it passes everything at once. */
struct link_shape {
    int64_t rate_bps;    /* of the bottleneck, headers included; 0: without limit */
    int64_t queue_us;    /* what arrives when the queue would take longer than this to drain is dropped */
    int64_t queue_bytes; /* or when it would hold more than this; 0 in both: LINK_PACKETS_MAX alone counts */
    int64_t delay_us;    /* of the wire, one way */
    int64_t jitter_us;   /* 0 to this much is added; keeps the order */
    uint32_t loss_ppm;   /* each datagram for itself */
    /* Bursts (Gilbert and Elliott): a datagram finds the link good or bad and may turn it before it passes.
     */
    uint32_t burst_enter_ppm, burst_leave_ppm, burst_loss_ppm;
    uint32_t reorder_ppm; /* these are held back by reorder_us, and others overtake them */
    int64_t reorder_us;
    uint32_t duplicate_ppm;
    uint32_t overhead; /* bytes that each datagram takes beside its own: IP and UDP headers */
    /* Outages: the last outage_us of each outage_every_us (counted from the script's start). 0: none. */
    int64_t outage_every_us, outage_us;
    bool outage_holds; /* the bottleneck stands still; otherwise what it sends is lost */
};

struct link_step {
    int64_t at_us; /* from the start of the script */
    struct link_shape shape;
};

struct link_datagram {
    struct link_datagram *next; /* in the queue */
    int64_t sent_us;            /* when it was given to the link */
    int64_t due_us;             /* when it comes out */
    int64_t queue_us;           /* how long it waited for others */
    uint64_t order;             /* of leaving the queue: keeps equal times apart */
    int tag;                    /* the caller's */
    size_t len;
    uint8_t data[];
};

struct link_counts {
    uint64_t sent, delivered; /* datagrams given, datagrams taken */
    uint64_t bytes;           /* taken */
    uint64_t dropped;         /* for the queue was full */
    uint64_t lost;            /* loss, bursts, outages */
    uint64_t duplicated, reordered;
};

struct link {
    struct seeded random;
    struct link_step *steps; /* ascending */
    size_t step_count;
    size_t step; /* the present one */
    int64_t start_us;
    int64_t at_us; /* the state is that of this time */
    bool bad;      /* of the burst model */
    /* the queue; the head is being sent */
    struct link_datagram *head, *tail;
    int64_t queued_bytes;
    int64_t head_left; /* of the head: bits times 10^6, so that a microsecond at a rate is a whole number */
    int64_t last_due_us;
    /* what has left the queue: a heap by (due_us, order) */
    struct link_datagram **flying;
    size_t flying_count, flying_cap;
    size_t held;
    uint64_t order;
    struct link_counts counts;
};

/* The script of a new link is one step that passes everything. Time starts at start_us >= 0. 0 or -ENOMEM. */
int link_init(struct link *l, uint64_t seed, int64_t start_us);
void link_done(struct link *l);

/* Appends a step; at_us is at or after that of the last one (the same time: replaces it). 0, -EINVAL (order,
 * values out of range), -ENOSPC. A step in the past counts from the next call on. */
int link_step_add(struct link *l, int64_t at_us, const struct link_shape *shape);
/* Ends the script: this shape from now_us on, for good. 0 or -EINVAL. */
int link_shape_set(struct link *l, const struct link_shape *shape, int64_t now_us);
/* The shape of the time of the last call. */
const struct link_shape *link_shape(const struct link *l);

/* Takes a copy of a datagram. now_us never goes back between calls of any function here. */
void link_send(struct link *l, int tag, const void *data, size_t len, int64_t now_us);

/* When to call link_take: something may come out then. INT64_MAX: the link is empty. */
int64_t link_next_us(const struct link *l);

/* The next datagram that has come out by now, the caller's to free(); NULL: none. */
struct link_datagram *link_take(struct link *l, int64_t now_us);

/* How long a datagram that comes now waits in the queue, at the present rate. 0 for an unlimited one. */
int64_t link_queue_us(const struct link *l);

/* ---- text (script.c) ---- */

/* Changes a shape by words "key=value", separated by blanks: rate=500k (0: unlimited), queue=300ms or
 * queue=64kB, delay, jitter, reorder=1%/20ms, loss=2%, burst=1%/30%/80% (enter, leave, loss while bad),
 * duplicate=0.1%, overhead=28, outage=100ms/10s (how long, every), stall=100ms/10s (the same; what comes then
 * waits). Numbers may have a fraction; rates end in nothing, k, M or G; times in us, ms, s or m. 0, or
 * -EINVAL with *shape untouched and *ret_bad (may be NULL) the offending word, in text. */
int link_shape_parse(const char *text, struct link_shape *shape, const char **ret_bad);

/* "10s", "250ms", "1.5m", "0". 0 or -EINVAL. */
int link_time_parse(const char *text, size_t len, int64_t *ret_us);

/* A script: lines "TIME words", times ascending from 0, # starts a comment. Each line changes what the line
 * before it said. 0, or -errno with *ret_line (may be NULL) the line's number, from 1. */
int link_script_parse(struct link *l, const char *text, int *ret_line);

#endif
