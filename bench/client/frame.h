/* WebSocket frames as a client writes and reads them (RFC 6455, section 5). Pure functions. */
#ifndef BENCH_CLIENT_FRAME_H
#define BENCH_CLIENT_FRAME_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum frame_opcode {
    FRAME_CONTINUATION = 0,
    FRAME_TEXT = 1,
    FRAME_BINARY = 2,
    FRAME_CLOSE = 8,
    FRAME_PING = 9,
    FRAME_PONG = 10,
};

struct frame {
    enum frame_opcode opcode;
    bool fin;
    const uint8_t *payload; /* inside what was parsed */
    size_t len;             /* bytes of payload */
    size_t size;            /* bytes of the whole frame */
};

/* Reads a frame of a server from the start of data. 1: there is one; 0: it is not complete yet; -EMSGSIZE:
 * its payload is larger than max; -EBADMSG: masked, reserved bits, an unknown opcode, a control frame that is
 * cut or longer than 125 bytes. */
int frame_parse(const uint8_t *data, size_t len, size_t max, struct frame *ret);

#define FRAME_HEAD_MAX 14 /* bytes */

/* Writes the head of an unfragmented frame with len bytes of payload; returns its size. */
size_t frame_head(uint8_t out[FRAME_HEAD_MAX], enum frame_opcode opcode, size_t len, const uint8_t key[4]);

/* Masks a payload in place. */
void frame_mask(uint8_t *payload, size_t len, const uint8_t key[4]);

#endif
