/* Repeatable randomness for tests: the same seed, the same run. */
#ifndef SUPPORT_SEEDED_H
#define SUPPORT_SEEDED_H

#include <stdbool.h>
#include <stdint.h>

struct seeded {
    uint64_t state;
};

static inline struct seeded seeded_of(uint64_t seed)
{
    return (struct seeded){.state = seed * UINT64_C(0x9e3779b97f4a7c15) + 1};
}

/* SplitMix64. */
static inline uint64_t seeded_u64(struct seeded *s)
{
    uint64_t z = s->state += UINT64_C(0x9e3779b97f4a7c15);
    z = (z ^ z >> 30) * UINT64_C(0xbf58476d1ce4e5b9);
    z = (z ^ z >> 27) * UINT64_C(0x94d049bb133111eb);
    return z ^ z >> 31;
}

/* 0 to n - 1. */
static inline uint32_t seeded_below(struct seeded *s, uint32_t n)
{
    return (uint32_t)(seeded_u64(s) % n);
}

/* true in percent of 100 cases. */
static inline bool seeded_chance(struct seeded *s, uint32_t percent)
{
    return seeded_below(s, 100) < percent;
}

#endif
