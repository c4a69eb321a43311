/* Digests and text encodings. Pure functions, any thread; none allocates. */
#ifndef TLS_DIGEST_H
#define TLS_DIGEST_H

#include <stddef.h>
#include <stdint.h>

#define DIGEST_SHA1_SIZE   20 /* bytes */
#define DIGEST_SHA256_SIZE 32 /* bytes */

void digest_sha1(const void *data, size_t len, uint8_t out[DIGEST_SHA1_SIZE]);
void digest_sha256(const void *data, size_t len, uint8_t out[DIGEST_SHA256_SIZE]);

/* HMAC (RFC 2104). key_len may be 0. */
void digest_hmac_sha1(
    const void *key, size_t key_len, const void *data, size_t len, uint8_t out[DIGEST_SHA1_SIZE]);
void digest_hmac_sha256(
    const void *key, size_t key_len, const void *data, size_t len, uint8_t out[DIGEST_SHA256_SIZE]);

/* Characters that len bytes take in base64, padding included, and one for the terminating zero. */
#define BASE64_TEXT_SIZE(len) (((len) + 2) / 3 * 4 + 1)

/* Base64 (RFC 4648, section 4), padded, one line; the url form (section 5) has no padding. Both write a
 * terminating zero. Returns the number of characters, or -ENOBUFS with out untouched when cap bytes do not
 * hold them all. */
int base64_encode(const void *data, size_t len, char *out, size_t cap);
int base64url_encode(const void *data, size_t len, char *out, size_t cap);

/* Reads len characters of base64 (padding as in section 4: required) or base64url (padding allowed, not
 * required). Anything else in the text, white space and stray bits of the last character included, is
 * refused. Returns the number of bytes, -EINVAL, or -ENOBUFS when they are more than cap. out may hold part
 * of the result after an error. */
int base64_decode(const char *text, size_t len, void *out, size_t cap);
int base64url_decode(const char *text, size_t len, void *out, size_t cap);

/* Lower-case hexadecimal with a terminating zero: 2 * len + 1 <= cap. Returns 2 * len or -ENOBUFS. */
int hex_encode(const void *data, size_t len, char *out, size_t cap);

/* Reads len hexadecimal digits of either case. Returns the number of bytes, -EINVAL or -ENOBUFS. */
int hex_decode(const char *text, size_t len, void *out, size_t cap);

#endif
