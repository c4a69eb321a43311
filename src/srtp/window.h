/* Which of the latest SRTP_WINDOW packet indexes have been seen (RFC 3711, section 3.3.2; the ring of RFC
 * 6479). Plain data; zero-initialised. */
#ifndef SRTP_WINDOW_H
#define SRTP_WINDOW_H

#include <errno.h>
#include <stdbool.h>
#include <stdint.h>
#include "base/limits.h"

/* One word more than the window has: advancing clears whole words. */
#define SRTP_WINDOW_WORDS (SRTP_WINDOW / 64 + 1)

struct srtp_window {
    uint64_t highest;
    bool any; /* an index has been marked */
    uint64_t bits[SRTP_WINDOW_WORDS];
};

/* 0 if the index is new, -EALREADY if it was marked, -ESTALE if it lies too far back to know. */
static inline int srtp_window_check(const struct srtp_window *w, uint64_t index)
{
    if (!w->any || index > w->highest)
        return 0;
    if (w->highest - index >= SRTP_WINDOW)
        return -ESTALE;
    return w->bits[index / 64 % SRTP_WINDOW_WORDS] >> (index % 64) & 1 ? -EALREADY : 0;
}

/* Marks an index that srtp_window_check has let pass. */
static inline void srtp_window_mark(struct srtp_window *w, uint64_t index)
{
    if (!w->any || index > w->highest) {
        uint64_t steps = w->any ? index / 64 - w->highest / 64 : SRTP_WINDOW_WORDS;
        for (uint64_t i = 0; i < steps && i < SRTP_WINDOW_WORDS; i++)
            w->bits[(index / 64 - i) % SRTP_WINDOW_WORDS] = 0;
        w->highest = index;
        w->any = true;
    }
    w->bits[index / 64 % SRTP_WINDOW_WORDS] |= (uint64_t)1 << (index % 64);
}

/* The 48-bit index that a sequence number most likely stands for (RFC 3711, section 3.3.1). While nothing is
 * known of an SSRC, and close to the start, the rollover counter is 0. */
static inline uint64_t srtp_window_estimate(const struct srtp_window *w, uint16_t seq)
{
    uint64_t base = w->highest & ~(uint64_t)0xffff;
    uint16_t last = (uint16_t)w->highest;

    if (!w->any || w->highest <= 0x8000)
        return seq;
    if (last < 0x8000 && seq > last && seq - last > 0x8000)
        return (base | seq) - 0x10000;
    if (last >= 0x8000 && last - 0x8000 > seq)
        return (base | seq) + 0x10000;
    return base | seq;
}

#endif
