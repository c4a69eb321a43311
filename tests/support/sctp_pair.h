/* Two SCTP associations against each other over a bad link, in virtual time, on the test's own thread, which
 * is the sctp thread. The program includes support/virtual_time.h and has called sctp_stack_init. */
#ifndef SUPPORT_SCTP_PAIR_H
#define SUPPORT_SCTP_PAIR_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include "sctp/association.h"
#include "support/bad_link.h"

#define SCTP_PAIR_MESSAGES 4096

struct sctp_pair_message {
    uint16_t stream;
    bool binary;
    uint8_t *data;
    size_t len;
};

struct sctp_pair_peer {
    struct sctp_association *association;
    int number;
    int up, closed, writable; /* how often each was told */
    enum sctp_close why;
    int opens[SCTP_STREAMS], closes[SCTP_STREAMS];
    struct dcep_open open[SCTP_STREAMS];
    struct sctp_pair_message messages[SCTP_PAIR_MESSAGES];
    int message_count;
    size_t largest_packet;
    bool echo;
    enum {
        SCTP_PAIR_CLOSE_NOTHING,
        SCTP_PAIR_CLOSE_CHANNEL,
        SCTP_PAIR_CLOSE_ASSOCIATION
    } on_message; /* what a message makes it do */
};

extern struct sctp_pair_peer peers[2];
extern struct bad_link pair_link; /* good, with 5 ms each way, until the test says otherwise */
extern unsigned pair_corrupt;     /* percent of packets with one bit turned over */
extern const struct sctp_ops pair_ops;

void pair_new(void);     /* two associations that have not been started */
void pair_start(void);   /* the same, started: peers[0] as DTLS client */
void pair_connect(void); /* the same, and up */
void pair_free(void);
void pair_forget_packets(int to);

/* Lets that much time pass: packets arrive, timers run. */
void pair_run(int64_t us);

/* Opens a channel from one side and returns its stream. */
uint16_t pair_open(
    int from, const char *label, bool ordered, enum dcep_reliability reliability, uint32_t limit);

/* Sends a message whose bytes follow from the seed; what sctp_association_send says. */
int pair_say(int from, uint16_t stream, bool binary, size_t len, uint32_t seed);
void pair_expect(const struct sctp_pair_message *m, uint16_t stream, bool binary, size_t len, uint32_t seed);

uint8_t *pair_pattern(size_t len, uint32_t seed); /* the caller's to free */
struct sctp_stats pair_stats(int i);

#endif
