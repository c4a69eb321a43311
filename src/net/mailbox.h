/* Messages into a thread: many producers, one consumer, an eventfd that wakes it. The list is swapped out
 * whole. */
#ifndef NET_MAILBOX_H
#define NET_MAILBOX_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>

/* Embedded at the start of a message; the message is the sender's allocation and becomes the receiver's. */
struct mail {
    struct mail *next;
};

struct mailbox {
    _Atomic(struct mail *) head;
    int fd; /* eventfd, readable when mail waits; for the consumer's epoll */
};

int mailbox_init(struct mailbox *m);  /* 0 or -errno */
void mailbox_done(struct mailbox *m); /* mail still inside is the caller's to take first */

/* Any thread; wakes the consumer only when the box was empty. The box must outlive the call, which still
 * writes to fd when the consumer may already have the mail. Order of one sender is kept. */
void mailbox_post(struct mailbox *m, struct mail *mail);

/* Makes fd readable without mail. Any thread. */
void mailbox_wake(struct mailbox *m);

/* Is there mail? Whoever posted before this thread learnt of it by another way (a datagram) is seen. */
static inline bool mailbox_waits(struct mailbox *m)
{
    return atomic_load_explicit(&m->head, memory_order_acquire) != NULL;
}

/* All mail, oldest first, linked by next; NULL if none. Consumer thread. Drains the eventfd. */
struct mail *mailbox_take(struct mailbox *m);

#endif
