/* RED, redundant audio (RFC 2198, section 3). Any thread. */
#ifndef RTP_RED_H
#define RTP_RED_H

#include <stddef.h>
#include <stdint.h>
#include "base/limits.h"

/* One block of a RED payload. */
struct red_block {
    uint8_t pt;
    uint16_t ts_back; /* timestamp units before the packet's; 0 for the primary */
    uint16_t off;     /* from the start of the RED payload */
    uint16_t len;
};

struct red {
    uint8_t count; /* 1 to RED_BLOCKS_MAX; the primary is the last one */
    struct red_block blocks[RED_BLOCKS_MAX];
};

/* Reads all headers; block lengths must fill the payload exactly. 0 or -EBADMSG (*ret untouched). */
int red_parse(const void *payload, size_t len, struct red *ret);

/* The primary block alone, for receivers without RED. 0 or -EBADMSG (*ret untouched). */
int red_primary(const void *payload, size_t len, struct red_block *ret);

/* A payload that is repeated. */
struct red_repeat {
    const uint8_t *data;
    uint16_t len;     /* at most RED_BLOCK_MAX */
    uint16_t ts_back; /* at most RED_BACK_MAX, above 0 */
};

/* Writes a RED payload: the repeated blocks, oldest first, and the primary one, all of payload type pt. What
 * does not fit into cap is left out, oldest first. Returns the length, or -EINVAL: not even the primary fits,
 * or a block is beyond the limits. */
int red_write(void *dst, size_t cap, uint8_t pt, const struct red_repeat *repeats, unsigned count,
    const void *primary, size_t primary_len);

#endif
