/* Keyed hashing for tables whose keys strangers choose (SipHash-1-3; the key is random per process). */
#ifndef BASE_HASH_H
#define BASE_HASH_H

#include <stddef.h>
#include <stdint.h>

uint64_t hash_bytes(const void *data, size_t len);
uint64_t hash_text(const char *s);

/* The same with a key of the caller's. */
uint64_t hash_keyed(const uint64_t k[2], const void *data, size_t len);

/* Constant-time comparison for secrets: 1 if equal. */
int hash_equal(const void *a, const void *b, size_t len);

#endif
