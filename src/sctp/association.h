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
    SCTP_CLOSED_PEER,    /* SHUTDOWN or ABORT from the peer */
    SCTP_FAILED_TIMEOUT, /* the peer does not answer any more, or never did */
};

struct sctp_ops {
    /* An SCTP packet of at most SCTP_MTU bytes to go out as one DTLS record. Valid during the call only. */
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

/* Any thread. Makes an association that does nothing until started. port: both sides' SCTP port (5000).
 * dtls_client: our DTLS role, which decides the parity of our stream numbers (RFC 8832, section 6). 0 or
 * -ENOMEM. */
int sctp_association_new(struct sctp_thread *t, const struct sctp_ops *ops, void *arg, uint16_t port,
    struct sctp_association **ret);

/* DTLS is up: sends INIT. 0 or -errno; -EALREADY when started before. */
int sctp_association_start(struct sctp_association *a, bool dtls_client);

/* One packet from the peer. Junk is dropped by its checksum. */
void sctp_association_input(struct sctp_association *a, const uint8_t *packet, size_t len);

/* Opens a channel on the lowest free stream of our parity, or tells later through channel_open. May be called
 * before the association is up: the OPEN is sent then. 0, -ENOSPC (no stream left), -EINVAL or -ESHUTDOWN. */
int sctp_association_channel_open(
    struct sctp_association *a, const struct dcep_open *open, uint16_t *ret_stream);

/* Resets both directions (RFC 8831, section 6.7); channel_closed follows. -ENOENT if it is not open. */
int sctp_association_channel_close(struct sctp_association *a, uint16_t stream);

/* The parameters of an open channel, owned by the association; NULL if it is not open. */
const struct dcep_open *sctp_association_channel(const struct sctp_association *a, uint16_t stream);
/* The open channel of that label with the lowest stream number, or -ENOENT. */
int sctp_association_channel_find(const struct sctp_association *a, const char *label);

/* Queues one message of 0 to SCTP_MESSAGE_MAX bytes; the data is copied. -ENOENT no such channel, -EMSGSIZE,
 * -EAGAIN more than SCTP_SEND_BUFFER bytes would wait (a reliable channel) or more than SCTP_LOSSY_BUFFER
 * (any other): nothing was queued and the refusal is counted; -ESHUTDOWN. */
int sctp_association_send(
    struct sctp_association *a, uint16_t stream, bool binary, const uint8_t *data, size_t len);

/* Bytes accepted by sctp_association_send and not yet acknowledged. */
size_t sctp_association_buffered(const struct sctp_association *a);

/* Ends it with an ABORT to the peer; closed(SCTP_CLOSED_LOCAL) follows at once. */
void sctp_association_close(struct sctp_association *a);

/* Frees it. No callback comes any more. Sends an ABORT if it was not closed. NULL is allowed. */
void sctp_association_free(struct sctp_association *a);

struct sctp_stats {
    uint64_t packets_in, packets_out;
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
