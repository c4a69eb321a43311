/* Serial number arithmetic (RFC 1982) for sequence numbers and timestamps. Every comparison, difference or
 * extension of a number that wraps goes through here. Any thread. */
#ifndef RTP_SEQ_H
#define RTP_SEQ_H

#include <stdbool.h>
#include <stdint.h>

/* a - b, the short way round: -32768..32767. */
static inline int32_t seq_diff(uint16_t a, uint16_t b)
{
    return (int16_t)(uint16_t)(a - b);
}

/* Is a later than b? Half the circle away counts as earlier, in both directions. */
static inline bool seq_newer(uint16_t a, uint16_t b)
{
    return seq_diff(a, b) > 0;
}

/* a - b for 32-bit timestamps, the short way round. */
static inline int64_t ts_diff(uint32_t a, uint32_t b)
{
    return (int32_t)(a - b);
}

static inline bool ts_newer(uint32_t a, uint32_t b)
{
    return ts_diff(a, b) > 0;
}

/* a - b for numbers of the given width in bits (1 to 31), the short way round: VP8 and VP9 picture ids. */
static inline int32_t seq_diff_bits(uint32_t a, uint32_t b, unsigned bits)
{
    uint32_t mask = (UINT32_C(1) << bits) - 1;
    uint32_t d = (a - b) & mask;
    return d & (UINT32_C(1) << (bits - 1)) ? (int32_t)d - (int32_t)(mask + 1) : (int32_t)d;
}

/* Extends 16-bit numbers to 64 bits, measured from the highest number seen. Zero-initialised. The first
 * number keeps its value; one that is older than the first can come out negative. The low 16 bits are always
 * the number itself. */
struct seq_unwrap {
    int64_t highest;
    bool started;
};

/* What seq_unwrap would return; changes nothing. */
static inline int64_t seq_unwrap_peek(const struct seq_unwrap *u, uint16_t seq)
{
    return u->started ? u->highest + seq_diff(seq, (uint16_t)u->highest) : seq;
}

static inline int64_t seq_unwrap(struct seq_unwrap *u, uint16_t seq)
{
    int64_t ext = seq_unwrap_peek(u, seq);
    if (!u->started || ext > u->highest) {
        u->highest = ext;
        u->started = true;
    }
    return ext;
}

/* The extended form of a 16-bit number, given one that is near it. */
static inline int64_t seq_near(int64_t near, uint16_t seq)
{
    return near + seq_diff(seq, (uint16_t)near);
}

/* The same for 32-bit numbers. */
static inline int64_t seq_near32(int64_t near, uint32_t seq)
{
    return near + ts_diff(seq, (uint32_t)near);
}

/* Extends 32-bit timestamps. Zero-initialised; as seq_unwrap. */
struct ts_unwrap {
    int64_t highest;
    bool started;
};

static inline int64_t ts_unwrap(struct ts_unwrap *u, uint32_t ts)
{
    int64_t ext = u->started ? seq_near32(u->highest, ts) : ts;
    if (!u->started || ext > u->highest) {
        u->highest = ext;
        u->started = true;
    }
    return ext;
}

#endif
