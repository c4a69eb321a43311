#include <string.h>
#include "source.h"

#define MAGIC_LEN  4
#define SOURCE_LEN 4 /* 7 bits a byte, the eighth is set */
#define TIME_LEN   9
#define INDEX_LEN  7
_Static_assert(MAGIC_LEN + SOURCE_LEN + TIME_LEN + INDEX_LEN == STAMP_LEN, "what a stamp is made of");

static const uint8_t magic[MAGIC_LEN] = {0xf5, 0xa9, 0xd3, 0x8e};

static void put_sevens(uint8_t *out, size_t n, uint64_t v)
{
    for (size_t i = n; i > 0; i--, v >>= 7)
        out[i - 1] = (uint8_t)(0x80 | (v & 0x7f));
}

static uint64_t get_sevens(const uint8_t *p, size_t n)
{
    uint64_t v = 0;
    for (size_t i = 0; i < n; i++)
        v = v << 7 | (p[i] & 0x7f);
    return v;
}

void stamp_write(uint8_t out[STAMP_LEN], const struct stamp *s)
{
    memcpy(out, magic, MAGIC_LEN);
    put_sevens(out + MAGIC_LEN, SOURCE_LEN, s->source);
    put_sevens(out + MAGIC_LEN + SOURCE_LEN, TIME_LEN, (uint64_t)s->wall_us);
    put_sevens(out + MAGIC_LEN + SOURCE_LEN + TIME_LEN, INDEX_LEN, s->index);
}

bool stamp_read(const uint8_t *payload, size_t len, struct stamp *ret)
{
    for (size_t behind = 0; behind < 2; behind++) { /* a unit of H.264 has one byte more */
        if (len < STAMP_LEN + behind)
            return false;
        const uint8_t *p = payload + len - behind - STAMP_LEN;
        if (memcmp(p, magic, MAGIC_LEN) != 0)
            continue;
        ret->source = (unsigned)get_sevens(p + MAGIC_LEN, SOURCE_LEN);
        ret->wall_us = (int64_t)get_sevens(p + MAGIC_LEN + SOURCE_LEN, TIME_LEN);
        ret->index = get_sevens(p + MAGIC_LEN + SOURCE_LEN + TIME_LEN, INDEX_LEN);
        return true;
    }
    return false;
}
