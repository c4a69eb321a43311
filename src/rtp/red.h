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

#endif
