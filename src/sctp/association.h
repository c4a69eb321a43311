/* One SCTP association with its data channels (RFC 8831), over DTLS application data.
 *
 * Every function here belongs to the sctp thread (sctp/thread.h), save where "any thread" is said, and so
 * does every callback. A callback may call any function of any association except sctp_association_free of
 * its own. */
#ifndef SCTP_ASSOCIATION_H
#define SCTP_ASSOCIATION_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include "base/limits.h"
#include "sctp/dcep.h"

struct sctp_thread;
struct sctp_association;

enum sctp_close {
    SCTP_CLOSED_LOCAL,   /* sctp_association_close */
    SCTP_CLOSED_PEER,    /* SHUTDOWN or ABORT from the peer, or it began anew */
    SCTP_FAILED_TIMEOUT, /* the peer does not answer any more or never did, or breaks the protocol */
};

struct sctp_ops {
    /* An SCTP packet of at most SCTP_MTU bytes to go out as one DTLS record. Valid during the call only.
     * Comes from inside usrsctp: no function of an association may be called here. */
    void (*output)(void *arg, const uint8_t *packet, size_t len);
    /* The association is up: channels can be opened. */
    void (*up)(void *arg);
    /* A channel is open: the peer's OPEN came, or its ACK to ours. open is valid during the call only. */
    void (*channel_open)(void *arg, uint16_t stream, const struct dcep_open *open);
    /* A whole message, 0 to SCTP_MESSAGE_MAX bytes, on an open channel. */
    void (*message)(void *arg, uint16_t stream, bool binary, const uint8_t *data, size_t len);
    /* Both directions of the channel are closed; its stream number may be used again. */
    void (*channel_closed)(void *arg, uint16_t stream);
    /* What waits to be sent has fallen below SCTP_SEND_LOW after a send was refused with -EAGAIN. May be
     * NULL. */
    void (*writable)(void *arg);
    /* The association is over; once and last. Its channels are gone without channel_closed. */
    void (*closed)(void *arg, enum sctp_close why);
};

/* Any thread. Makes an association that does nothing until started; port is that of both sides (a=sctp-port,
 * 5000). t is kept for the functions of sctp/thread.h; NULL where there is no such thread (tests). 0 or
 * -ENOMEM. */
int sctp_association_new(struct sctp_thread *t, const struct sctp_ops *ops, void *arg, uint16_t port,
    struct sctp_association **ret);

/* DTLS is up: sends INIT. dtls_client is our DTLS role, which decides the parity of the streams that we open
 * (RFC 8832, section 6). 0, -EALREADY when started before, or -errno. */
int sctp_association_start(struct sctp_association *a, bool dtls_client);

/* One packet from the peer. Junk is dropped by its checksum. */
void sctp_association_input(struct sctp_association *a, const uint8_t *packet, size_t len);

/* Opens a channel on the lowest free stream of our parity; channel_open follows when the peer has agreed. May
 * be called as soon as the association is started. 0, -ENOTCONN before that, -ENOSPC (no stream left),
 * -EINVAL (label too long) or -ENOMEM. */
int sctp_association_channel_open(
    struct sctp_association *a, const struct dcep_open *open, uint16_t *ret_stream);

/* Sends what waits, then resets both directions (RFC 8831, section 6.7); channel_closed follows. -ENOENT if
 * there is no such channel or it is closing already. */
int sctp_association_channel_close(struct sctp_association *a, uint16_t stream);

/* The parameters of a channel that is open, owned by the association; NULL if it is not. */
const struct dcep_open *sctp_association_channel(const struct sctp_association *a, uint16_t stream);
/* The open channel of that label with the lowest stream number, or -ENOENT. */
int sctp_association_channel_find(const struct sctp_association *a, const char *label);

/* Queues one message of 0 to SCTP_MESSAGE_MAX bytes; the data is copied. Reliable channels queue up to
 * SCTP_SEND_BUFFER bytes together; any other channel takes a message as long as less than SCTP_LOSSY_BUFFER
 * bytes are on their way. -ENOENT no channel that is open, -EMSGSIZE, -EAGAIN full: nothing was queued and
 * the refusal is counted; -ENOMEM. */
int sctp_association_send(
    struct sctp_association *a, uint16_t stream, bool binary, const uint8_t *data, size_t len);

/* Bytes accepted by sctp_association_send and not yet acknowledged, with their chunk headers. */
size_t sctp_association_buffered(const struct sctp_association *a);

/* Ends it with an ABORT to the peer; closed(SCTP_CLOSED_LOCAL) comes before this returns. */
void sctp_association_close(struct sctp_association *a);

/* Frees it. No callback comes any more. Sends an ABORT if it was not closed. NULL is allowed. */
void sctp_association_free(struct sctp_association *a);

struct sctp_stats {
    uint64_t packets_in, packets_out;
    uint64_t packets_dropped;           /* by sctp_thread_input: SCTP_INPUT_QUEUE of them waited */
    uint64_t messages_in, messages_out; /* user messages */
    uint64_t bytes_in, bytes_out;       /* of those messages */
    uint64_t refused_lossy;             /* -EAGAIN on a channel that is not reliable: a loss */
    uint64_t refused_reliable;          /* -EAGAIN on a reliable channel */
    uint64_t oversized;                 /* incoming messages over SCTP_MESSAGE_MAX, dropped */
    uint64_t strays;   /* messages on streams without a channel, bad DCEP, unknown PPID: dropped */
    uint32_t channels; /* open now */
};
void sctp_association_stats(const struct sctp_association *a, struct sctp_stats *ret);

#endif
