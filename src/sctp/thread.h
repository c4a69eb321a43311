/* The sctp thread: every usrsctp call of the process happens on it. One at a time in a process. */
#ifndef SCTP_THREAD_H
#define SCTP_THREAD_H

#include <stddef.h>
#include <stdint.h>
#include "net/mailbox.h"
#include "sctp/association.h"

/* Initialises usrsctp and starts the thread. 0, -EBUSY (one runs already) or -errno. */
int sctp_thread_start(struct sctp_thread **ret);

/* Runs what was posted, then ends the thread. Every association must have been freed. From another thread. */
void sctp_thread_stop(struct sctp_thread *t); /* NULL is allowed */

/* A function to run on the sctp thread; embedded in the sender's own struct and valid until it has run. */
struct sctp_call {
    struct mail mail;
    void (*fn)(void *arg);
    void *arg;
};
/* Any thread; cannot fail. Order of one sender is kept, also with the functions below. */
void sctp_thread_post(struct sctp_thread *t, struct sctp_call *call);

/* The same with an allocation: 0 or -ENOMEM. */
int sctp_thread_call(struct sctp_thread *t, void (*fn)(void *arg), void *arg);

/* sctp_association_input, _start and _free from any thread. Packets are copied; beyond SCTP_INPUT_QUEUE
 * packets of one association in the mailbox they are dropped and counted, as a network would. A start that
 * fails is told by closed(SCTP_CLOSED_LOCAL). Nobody may post for an association after its free was posted;
 * freed(arg), which may be NULL, runs on the sctp thread when no callback can come any more. */
void sctp_thread_input(struct sctp_association *a, const uint8_t *packet, size_t len);
void sctp_thread_association_start(struct sctp_association *a, bool dtls_client);
void sctp_thread_association_free(struct sctp_association *a, void (*freed)(void *arg), void *arg);

#endif
