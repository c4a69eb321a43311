/* Base64 (RFC 4648). */
#ifndef PROTO_BASE64_H
#define PROTO_BASE64_H

#include <stddef.h>
#include <stdint.h>

/* Bytes of the encoding of len bytes, with padding and the terminating zero. */
static inline size_t proto_base64_encoded_size(size_t len)
{
    return (len + 2) / 3 * 4 + 1;
}

/* Bytes that the decoding of len characters needs at most. */
static inline size_t proto_base64_decoded_size(size_t len)
{
    return len / 4 * 3 + 3;
}

/* Standard alphabet, padded, zero-terminated; out holds proto_base64_encoded_size(len). */
void proto_base64_encode(const uint8_t *data, size_t len, char *out);

/* Takes the standard and the URL-safe alphabet, with padding or without; out holds
 * proto_base64_decoded_size(len). 0 or -EBADMSG. */
int proto_base64_decode(const char *text, size_t len, uint8_t *out, size_t *ret_len);

#endif
