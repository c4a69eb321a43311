/* Data Channel Establishment Protocol (RFC 8832): the two messages that open a channel. Pure functions. */
#ifndef SCTP_DCEP_H
#define SCTP_DCEP_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include "base/limits.h"

enum dcep_reliability {
    DCEP_RELIABLE,
    DCEP_MAX_RETRANSMITS, /* limit: retransmissions of a message */
    DCEP_MAX_LIFETIME,    /* limit: milliseconds */
};

struct dcep_open {
    bool ordered;
    enum dcep_reliability reliability;
    uint32_t limit; /* 0 when reliable */
    uint16_t priority;
    uint16_t label_len, protocol_len;
    char label[DCEP_LABEL_MAX + 1]; /* zero-terminated, UTF-8 without NUL */
    char protocol[DCEP_LABEL_MAX + 1];
};

enum dcep_type {
    DCEP_ACK = 2,
    DCEP_OPEN = 3,
};

/* Reads a message. DCEP_OPEN with *ret filled, DCEP_ACK, or -EBADMSG (truncated, trailing bytes, unknown
 * type, text that is not UTF-8) or -ENAMETOOLONG (label or protocol over DCEP_LABEL_MAX) with *ret untouched.
 */
int dcep_parse(const uint8_t *data, size_t len, struct dcep_open *ret);

/* Writes a DATA_CHANNEL_OPEN. Returns its length, -EINVAL or -ENOBUFS. */
int dcep_write_open(const struct dcep_open *open, uint8_t *out, size_t cap);

/* Writes a DATA_CHANNEL_ACK: one byte. Returns 1 or -ENOBUFS. */
int dcep_write_ack(uint8_t *out, size_t cap);

#endif
