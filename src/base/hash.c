#include "base/hash.h"

#include <errno.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>

/* SipHash-1-3 (Aumasson and Bernstein, 2012; one compression and three finalization rounds). */
struct sip {
    uint64_t a, b, c, d;
};

static pthread_once_t key_once = PTHREAD_ONCE_INIT;
static uint64_t key[2];

/* Straight from the kernel, so that a test's own random source neither sees nor decides it. */
static void key_make(void)
{
    while (getrandom(key, sizeof key, 0) != (ssize_t)sizeof key)
        if (errno != EINTR)
            abort();
}

static inline uint64_t rotate(uint64_t v, int bits)
{
    return v << bits | v >> (64 - bits);
}

static inline void sip_round(struct sip *s)
{
    s->a += s->b;
    s->b = rotate(s->b, 13) ^ s->a;
    s->a = rotate(s->a, 32);
    s->c += s->d;
    s->d = rotate(s->d, 16) ^ s->c;
    s->a += s->d;
    s->d = rotate(s->d, 21) ^ s->a;
    s->c += s->b;
    s->b = rotate(s->b, 17) ^ s->c;
    s->c = rotate(s->c, 32);
}

static inline void sip_word(struct sip *s, uint64_t word)
{
    s->d ^= word;
    sip_round(s);
    s->a ^= word;
}

uint64_t hash_keyed(const uint64_t k[2], const void *data, size_t len)
{
    struct sip s = {
        k[0] ^ 0x736f6d6570736575u,
        k[1] ^ 0x646f72616e646f6du,
        k[0] ^ 0x6c7967656e657261u,
        k[1] ^ 0x7465646279746573u,
    };
    const uint8_t *p = data;
    size_t left = len;
    for (; left >= 8; p += 8, left -= 8) {
        uint64_t word;
        memcpy(&word, p, 8);
        sip_word(&s, word);
    }
    uint64_t last = (uint64_t)len << 56;
    for (size_t i = 0; i < left; i++)
        last |= (uint64_t)p[i] << (8 * i);
    sip_word(&s, last);
    s.c ^= 0xff;
    sip_round(&s);
    sip_round(&s);
    sip_round(&s);
    return s.a ^ s.b ^ s.c ^ s.d;
}

uint64_t hash_bytes(const void *data, size_t len)
{
    pthread_once(&key_once, key_make);
    return hash_keyed(key, data, len);
}

uint64_t hash_text(const char *s)
{
    return hash_bytes(s, strlen(s));
}

int hash_equal(const void *a, const void *b, size_t len)
{
    const volatile uint8_t *x = a, *y = b;
    uint8_t diff = 0;
    for (size_t i = 0; i < len; i++)
        diff |= (uint8_t)(x[i] ^ y[i]);
    return diff == 0;
}
