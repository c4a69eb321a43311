/* Writes dependency descriptors, independently of the code that reads them: bits, template structures, and
 * the structures of the specification's section A.10.2. */
#ifndef UNIT_RTP_DD_SUPPORT_H
#define UNIT_RTP_DD_SUPPORT_H

#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>
#include <string.h>
#include "rtp/dd.h"

struct bit_writer {
    uint8_t data[256];
    unsigned bits;
};

static void put(struct bit_writer *w, unsigned n, uint32_t v)
{
    for (unsigned i = n; i-- > 0; w->bits++) {
        assert_true(w->bits < 8 * sizeof w->data);
        if (v >> i & 1)
            w->data[w->bits / 8] |= (uint8_t)(0x80 >> w->bits % 8);
    }
}

/* ns(n): the values below m take one bit less. */
static void put_ns(struct bit_writer *w, uint32_t n, uint32_t v)
{
    unsigned width = 0;
    while (n >> width)
        width++;
    uint32_t m = (1u << width) - n;
    if (v < m)
        put(w, width - 1, v);
    else
        put(w, width, v + m);
}

static size_t bytes_of(const struct bit_writer *w)
{
    return (w->bits + 7) / 8;
}

struct template_row {
    uint8_t spatial, temporal;
    uint8_t fdiffs[3]; /* zero-terminated */
    uint8_t chains[3];
    const char *targets; /* S, R, D, - */
};

static const struct template_row l1t3[] = {
    {0, 0, {0}, {0}, "SSS"},
    {0, 0, {4}, {4}, "SSS"},
    {0, 1, {2}, {2}, "SD-"},
    {0, 2, {1}, {1}, "D--"},
    {0, 2, {1}, {3}, "D--"},
};

static const struct template_row l3t3[] = {
    {0, 0, {0}, {0, 0, 0}, "SSSSSSSSS"},
    {0, 0, {12}, {12, 11, 10}, "RRRRRRSSS"},
    {0, 1, {6}, {6, 5, 4}, "RR-RR-SD-"},
    {0, 2, {3}, {3, 2, 1}, "R--R--D--"},
    {0, 2, {3}, {9, 8, 7}, "R--R--D--"},
    {1, 0, {1}, {1, 1, 1}, "SSSSSS---"},
    {1, 0, {12, 1}, {1, 1, 1}, "RRRSSS---"},
    {1, 1, {6, 1}, {7, 6, 5}, "RR-SD----"},
    {1, 2, {3, 1}, {4, 3, 2}, "R--D-----"},
    {1, 2, {3, 1}, {10, 9, 8}, "R--D-----"},
    {2, 0, {1}, {2, 1, 1}, "SSS------"},
    {2, 0, {12, 1}, {2, 1, 1}, "SSS------"},
    {2, 1, {6, 1}, {8, 7, 6}, "SD-------"},
    {2, 2, {3, 1}, {5, 4, 3}, "D--------"},
    {2, 2, {3, 1}, {11, 10, 9}, "D--------"},
};

static unsigned indication_of(char c)
{
    return c == 'R' ? DD_REQUIRED : c == 'S' ? DD_SWITCH : c == 'D' ? DD_DISCARDABLE : DD_ABSENT;
}

static void put_structure(struct bit_writer *w, unsigned offset, const struct template_row *rows,
    unsigned count, unsigned chains, const uint8_t *protects, bool resolutions)
{
    unsigned targets = (unsigned)strlen(rows[0].targets);
    put(w, 6, offset);
    put(w, 5, targets - 1);
    for (unsigned i = 0; i < count; i++) {
        unsigned next = 3;
        if (i + 1 < count)
            next = rows[i + 1].spatial != rows[i].spatial     ? 2
                   : rows[i + 1].temporal != rows[i].temporal ? 1
                                                              : 0;
        put(w, 2, next);
    }
    for (unsigned i = 0; i < count; i++) {
        for (unsigned k = 0; k < targets; k++)
            put(w, 2, indication_of(rows[i].targets[k]));
    }
    for (unsigned i = 0; i < count; i++) {
        for (unsigned k = 0; k < 3 && rows[i].fdiffs[k]; k++) {
            put(w, 1, 1);
            put(w, 4, rows[i].fdiffs[k] - 1u);
        }
        put(w, 1, 0);
    }
    put_ns(w, targets + 1, chains);
    if (chains) {
        for (unsigned k = 0; k < targets; k++)
            put_ns(w, chains, protects[k]);
        for (unsigned i = 0; i < count; i++) {
            for (unsigned k = 0; k < chains; k++)
                put(w, 4, rows[i].chains[k]);
        }
    }
    put(w, 1, resolutions);
    for (unsigned s = 0; resolutions && s <= rows[count - 1].spatial; s++) {
        put(w, 16, (320u << s) - 1);
        put(w, 16, (180u << s) - 1);
    }
}

static void put_mandatory(struct bit_writer *w, bool start, bool end, unsigned id, uint16_t number)
{
    put(w, 1, start);
    put(w, 1, end);
    put(w, 6, id);
    put(w, 16, number);
}

#endif
