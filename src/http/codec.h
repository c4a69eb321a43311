/* WebSocket frames (RFC 6455, section 5) on the server's side: bytes in, messages and bytes out. wslay reads
 * and answers; headers of outgoing messages are written here, because wslay copies what it sends and a room
 * update must not be copied for every member. No I/O, no clock, no thread. */
#ifndef HTTP_CODEC_H
#define HTTP_CODEC_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct codec;

struct codec_ops {
    /* A whole message; data is valid during the call, not zero-terminated; text is valid UTF-8. */
    void (*on_message)(void *arg, bool text, const uint8_t *data, size_t len);
    /* Bytes of control frames for the peer: whole frames by the end of the codec_* call that made them. */
    void (*on_output)(void *arg, const uint8_t *data, size_t len);
};

/* max: bytes of a message. NULL: no memory. */
struct codec *codec_new(size_t max, const struct codec_ops *ops, void *arg);
void codec_free(struct codec *c); /* NULL is allowed; not inside on_message or on_output */

/* Takes all len bytes, any split. 0; -EPROTO: the peer broke the protocol, a close frame with
 * codec_close_code went out and nothing more is read; -ENOMEM. Further calls then do nothing. */
int codec_input(struct codec *c, const uint8_t *data, size_t len);

int codec_ping(struct codec *c); /* 0 or -ENOMEM */

/* Puts out a close frame; reason_len at most 123. No message is given out any more. Allowed in on_message. */
int codec_close(struct codec *c, uint16_t code, const char *reason, size_t reason_len);

bool codec_close_sent(const struct codec *c);
bool codec_close_received(const struct codec *c);

/* The code of the first close frame, of either side (1005: the peer's had none); 1006 before any. */
uint16_t codec_close_code(const struct codec *c);

/* Writes the header of an unmasked, unfragmented text or binary frame of len bytes; returns its size, at most
 * CODEC_HEADER_MAX. */
#define CODEC_HEADER_MAX 10
size_t codec_header(bool text, uint64_t len, uint8_t out[CODEC_HEADER_MAX]);

#endif
