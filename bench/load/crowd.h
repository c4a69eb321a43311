/* A run: everybody joins, all streams flow, the measuring, the end. */
#ifndef BENCH_LOAD_CROWD_H
#define BENCH_LOAD_CROWD_H

#include "load.h"
#include "process.h"

enum crowd_phase {
    CROWD_PUBLISHERS,  /* join */
    CROWD_SUBSCRIBERS, /* join, and receive all that is due */
    CROWD_MEASURE,
    CROWD_DRAIN, /* what is under way arrives */
    CROWD_LEAVE,
    CROWD_OVER,
};

/* What was measured. */
struct crowd_result {
    enum crowd_phase reached;
    bool interrupted, died; /* died: the server went away */
    unsigned links, joined, flowing;
    double seconds; /* of measuring */
    uint64_t expected, received;
    double expected_by_numbers; /* share of the expected count that sequence numbers gave (simulcast) */
    struct load_counts at_end;  /* when sending ended */
    struct load_counts drained; /* when everything had come */
    struct process_use server_start, server_end, self_start, self_end;
    bool has_server;
    /* of the server: before the subscribers came (if there are only publishers: before anybody), and with all
     */
    int64_t rss_empty_kib, rss_full_kib;
    uint64_t socket_drops; /* datagrams that our own sockets had no room for */
};

struct crowd {
    struct load load;
    enum crowd_phase phase;
    int64_t phase_us; /* when it began */
    unsigned begun;   /* links that were told to join */
    double tokens;    /* links that may begin */
    int64_t token_us;
    int64_t check_us, quiet_us;
    uint64_t quiet_packets;
    struct crowd_result result;
    /* of the display */
    int64_t shown_us;
    uint64_t shown_packets, shown_bytes;
    struct process_use shown_server;
};

/* 0, or -errno with a sentence in why. */
int crowd_open(struct crowd *c, const struct options *o, char *why, size_t why_size);
void crowd_close(struct crowd *c);

/* Until it is over; *stop is set by a signal. */
void crowd_run(struct crowd *c, volatile sig_atomic_t *stop);

#endif
