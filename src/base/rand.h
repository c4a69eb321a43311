/* Random numbers from the kernel, and identifiers made of them. */
#ifndef BASE_RAND_H
#define BASE_RAND_H

#include <stddef.h>
#include <stdint.h>

/* Fills buf; aborts if the kernel has no randomness. Any thread. Tests may install a source of their own
 * (rand_source_set) for repeatable runs; NULL puts the kernel back. */
void rand_bytes(void *buf, size_t len);
uint32_t rand_u32(void);
uint64_t rand_u64(void);
typedef void (*rand_source_fn)(void *arg, void *buf, size_t len);
void rand_source_set(rand_source_fn fn, void *arg);

/* len characters of the 57-letter alphabet without look-alikes (2-9, A-Z without I and O, a-z without l), and
 * a terminating zero: out holds len + 1 bytes. Returns out. */
char *rand_id(char *out, size_t len);

/* The same from an alphabet of the caller's. */
char *rand_text(char *out, size_t len, const char *alphabet);

#endif
