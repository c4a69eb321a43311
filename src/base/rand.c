#include "base/rand.h"

#include <errno.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>

static _Atomic(rand_source_fn) source_fn;
static _Atomic(void *) source_arg;

void rand_source_set(rand_source_fn fn, void *arg)
{
    atomic_store_explicit(&source_arg, arg, memory_order_relaxed);
    atomic_store_explicit(&source_fn, fn, memory_order_release);
}

void rand_bytes(void *buf, size_t len)
{
    rand_source_fn fn = atomic_load_explicit(&source_fn, memory_order_acquire);
    if (fn) {
        fn(atomic_load_explicit(&source_arg, memory_order_relaxed), buf, len);
        return;
    }
    uint8_t *p = buf;
    while (len > 0) {
        ssize_t n = getrandom(p, len, 0);
        if (n < 0) {
            if (errno == EINTR)
                continue;
            abort();
        }
        p += n;
        len -= (size_t)n;
    }
}

uint32_t rand_u32(void)
{
    uint32_t v;
    rand_bytes(&v, sizeof v);
    return v;
}

uint64_t rand_u64(void)
{
    uint64_t v;
    rand_bytes(&v, sizeof v);
    return v;
}

char *rand_text(char *out, size_t len, const char *alphabet)
{
    unsigned count = (unsigned)strlen(alphabet);
    /* bytes at or above the largest multiple of count would favour the first letters: they are drawn again */
    unsigned limit = 256 - 256 % count;
    uint8_t pool[64];
    size_t have = 0;
    for (size_t i = 0; i < len;) {
        if (have == 0) {
            rand_bytes(pool, sizeof pool);
            have = sizeof pool;
        }
        uint8_t b = pool[--have];
        if (b < limit)
            out[i++] = alphabet[b % count];
    }
    out[len] = 0;
    return out;
}

char *rand_id(char *out, size_t len)
{
    return rand_text(out, len, "23456789ABCDEFGHJKLMNPQRSTUVWXYZabcdefghijkmnopqrstuvwxyz");
}
