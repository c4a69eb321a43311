/* Inside sctp/ only. */
#ifndef SCTP_PRIVATE_H
#define SCTP_PRIVATE_H

#include <usrsctp.h>
#include <stdatomic.h>
#include "base/list.h"
#include "sctp/association.h"
#include "sctp/stack.h"
#include "sctp/thread.h"

/* Payload protocol identifiers (RFC 8831, section 8). The deprecated ones for partial messages are strays. */
enum ppid {
    PPID_DCEP = 50,
    PPID_STRING = 51,
    PPID_BINARY = 53,
    PPID_STRING_EMPTY = 56,
    PPID_BINARY_EMPTY = 57,
};

struct channel {
    struct dcep_open open;
    bool is_open;    /* reported by channel_open */
    bool acked;      /* the peer knows of it, so that messages may go unordered */
    bool send_open;  /* our OPEN has yet to go out */
    bool send_ack;   /* our ACK has yet to go out */
    bool closing;    /* our direction is to be reset, or has been */
    bool send_reset; /* the reset has yet to be asked for */
    bool in_closed;  /* the peer's direction is reset */
    bool out_closed; /* our direction is reset */
};

/* A message on a reliable channel that usrsctp has no room for yet. */
struct queued {
    struct queued *next;
    uint16_t stream;
    uint16_t ppid;
    size_t len;
    uint8_t data[];
};

enum association_state {
    ASSOCIATION_NEW,
    ASSOCIATION_CONNECTING,
    ASSOCIATION_UP,
    ASSOCIATION_OVER,
};

struct sctp_association {
    struct sctp_thread *thread;
    const struct sctp_ops *ops;
    void *arg;
    enum association_state state;
    uint16_t port;
    bool dtls_client;
    bool want_writable;   /* a send was refused */
    uint16_t streams_out; /* agreed at the start; SCTP_STREAMS until then */

    struct socket *socket; /* NULL unless connecting or up */
    struct stack_slot *slot;
    struct list pending; /* in the stack's list when there is something to read or send */

    struct channel *channels[SCTP_STREAMS];
    struct queued *queue_head, **queue_tail;
    size_t queue_bytes;

    uint8_t *partial;   /* a message of which the end has not come; SCTP_MESSAGE_MAX bytes, or NULL */
    size_t partial_len; /* larger than SCTP_MESSAGE_MAX: too long, and to be dropped when it ends */
    struct sctp_stats stats;

    /* For sctp/thread.h: mail about this association that must not need memory. */
    atomic_uint input_queued;    /* packets in the mailbox */
    atomic_ullong input_dropped; /* packets that found it full */
    bool start_as_client;
    struct sctp_call start_call, free_call;
    void (*freed)(void *arg);
    void *freed_arg;
};

/* ---- stack.c ---- */

/* A local address of usrsctp's. Taking one away again would be work for usrsctp's own iterator thread, so
 * they are made when needed, used again, and never taken away. */
struct stack_slot {
    struct stack_slot *next_free;
    struct sctp_association *owner; /* NULL: free */
    size_t number;
};

struct stack_slot *stack_slot_take(struct sctp_association *owner); /* NULL without memory */
void stack_slot_give(struct stack_slot *s);
struct sockaddr_conn stack_address(struct stack_slot *s, uint16_t port);

/* Has association_attend called before the stack returns to whoever called it. */
void stack_mark(struct sctp_association *a);

/* Attends to all that are marked; a call within a callback leaves it to the outermost one. */
void stack_drain(void);

/* Network byte order. */
uint32_t stack_wire_u32(uint32_t v);

/* ---- association.c ---- */

/* Reads what usrsctp has for the association, tells of it, and sends what waits. */
void association_attend(struct sctp_association *a);

/* Gives a message to usrsctp, whole. 0, -EAGAIN or another -errno. */
int association_pass(struct sctp_association *a, const struct channel *ch, uint16_t stream, enum ppid ppid,
    const uint8_t *data, size_t len);

/* ---- channel.c ---- */

void channel_receive(
    struct sctp_association *a, uint16_t stream, uint32_t ppid, const uint8_t *data, size_t len);
void channel_reset(struct sctp_association *a, uint16_t stream, bool incoming, bool outgoing, bool refused);
void channel_up(struct sctp_association *a); /* the association is up: streams_out is known */
void channel_flush(struct sctp_association *a);
void channel_free_all(struct sctp_association *a);

#endif
