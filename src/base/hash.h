/* Keyed hashing for tables whose keys strangers choose (SipHash-1-3; the key is random per process). */
#ifndef BASE_HASH_H
#define BASE_HASH_H

#include <stddef.h>
#include <stdint.h>

uint64_t hash_bytes(const void *data, size_t len);
uint64_t hash_text(const char *s);

/* Constant-time comparison for secrets: 1 if equal. */
int hash_equal(const void *a, const void *b, size_t len);

#endif
