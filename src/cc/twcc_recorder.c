#include "cc/twcc.h"

#define NEVER        INT64_MAX
#define TICK_US      250
#define REFERENCE_US 64000
#define FIXED_LEN    20   /* header, two SSRCs, base, count, reference time, counter */
#define RUN_MAX      8191 /* thirteen bits */
#define VECTOR_1BIT  14
#define VECTOR_2BIT  7

void twcc_recorder_init(struct twcc_recorder *r)
{
    *r = (struct twcc_recorder){.next_us = NEVER};
}

static int64_t *arrival_of(struct twcc_recorder *r, int64_t seq)
{
    return &r->arrival_us[(uint64_t)seq % TWCC_WINDOW];
}

/* Moves the window so that it ends behind seq; what it gains is empty, what it loses unreported is lost. */
static void window_extend(struct twcc_recorder *r, int64_t seq)
{
    int64_t first = r->end;
    if (seq - first >= TWCC_WINDOW)
        first = seq - TWCC_WINDOW + 1;
    for (int64_t i = first; i <= seq; i++)
        *arrival_of(r, i) = 0;
    r->end = seq + 1;
    if (r->base < r->end - TWCC_WINDOW)
        r->base = r->end - TWCC_WINDOW;
}

void twcc_recorder_input(struct twcc_recorder *r, uint16_t seq, int64_t now_us)
{
    int64_t ext = seq_unwrap(&r->unwrap, seq);
    if (!r->started) {
        r->started = true;
        r->base = r->end = ext;
        r->last_us = now_us;
    }
    if (ext >= r->end) {
        window_extend(r, ext);
    } else if (ext < r->end - TWCC_WINDOW) {
        r->dropped++;
        return;
    }
    int64_t *arrival = arrival_of(r, ext);
    if (*arrival != 0)
        return; /* a duplicate */
    *arrival = now_us;
    if (ext < r->base)
        r->base = ext; /* reported as missing: the next report takes it back */
    if (!r->pending) {
        r->pending = true;
        r->packets = 0;
        r->since_us = now_us;
    }
    r->packets++;
    int64_t due_us = r->last_us + (r->packets >= TWCC_FULL_PACKETS ? TWCC_MIN_US : TWCC_MAX_US);
    if (due_us < r->since_us + TWCC_MIN_US)
        due_us = r->since_us + TWCC_MIN_US; /* after silence: not for the first packet alone */
    r->next_us = due_us;
}

/* The statuses of one report, in order of number. */
struct statuses {
    unsigned count;
    unsigned delta_count;
    size_t delta_len; /* bytes */
    int64_t reference;
    uint8_t symbols[TWCC_WINDOW]; /* 0 missing, 1 a byte of delta, 2 two bytes */
    int16_t deltas[TWCC_WINDOW];  /* of those received */
};

/* Room that a report of count statuses may need: every chunk but the last holds seven or more. */
static size_t size_bound(size_t count, size_t delta_len)
{
    return FIXED_LEN + 2 * (count / VECTOR_2BIT + 1) + delta_len + 3;
}

/* Collects from the base on what fits into room bytes; a delta that does not fit 16 bits ends the report
 * before it. */
static void collect(struct twcc_recorder *r, size_t room, struct statuses *s)
{
    s->count = s->delta_count = 0;
    s->delta_len = 0;
    int64_t at_us = 0;
    unsigned complete = 0; /* statuses up to the last received one */
    for (int64_t seq = r->base; seq < r->end; seq++) {
        int64_t arrival_us = *arrival_of(r, seq);
        uint8_t symbol = 0;
        int64_t delta = 0;
        if (arrival_us != 0) {
            if (s->delta_count == 0) {
                s->reference = arrival_us / REFERENCE_US;
                at_us = s->reference * REFERENCE_US;
            }
            int64_t differ_us = arrival_us - at_us;
            delta = (differ_us + (differ_us >= 0 ? TICK_US / 2 : -TICK_US / 2)) / TICK_US;
            if (delta < INT16_MIN || delta > INT16_MAX)
                break;
            symbol = delta >= 0 && delta <= UINT8_MAX ? 1 : 2;
        }
        if (size_bound(s->count + 1, s->delta_len + symbol) > room)
            break;
        s->symbols[s->count++] = symbol;
        s->delta_len += symbol;
        if (symbol) {
            s->deltas[s->delta_count++] = (int16_t)delta;
            at_us += delta * TICK_US; /* what the receiver will compute: rounding does not add up */
            complete = s->count;
        }
    }
    s->count = complete;
}

static void chunk_vector_write(struct writer *w, const uint8_t *symbols, unsigned count, bool two_bit)
{
    unsigned bits = two_bit ? 0xc000 : 0x8000;
    for (unsigned i = 0; i < count; i++)
        bits |= (unsigned)symbols[i] << (two_bit ? 12 - 2 * i : 13 - i);
    writer_u16(w, (uint16_t)bits);
}

static void chunks_write(struct writer *w, const struct statuses *s)
{
    for (unsigned i = 0; i < s->count;) {
        unsigned left = s->count - i;
        unsigned run = 1;
        while (run < left && run < RUN_MAX && s->symbols[i + run] == s->symbols[i])
            run++;
        unsigned plain = 0; /* symbols from here that one bit can tell */
        while (plain < left && plain < VECTOR_1BIT && s->symbols[i + plain] <= 1)
            plain++;
        if (run >= VECTOR_1BIT || run == left ||
            (run >= VECTOR_2BIT && plain < VECTOR_1BIT && plain < left)) {
            writer_u16(w, (uint16_t)(s->symbols[i] << 13 | run));
            i += run;
        } else if (plain == VECTOR_1BIT || plain == left) {
            chunk_vector_write(w, &s->symbols[i], plain, false);
            i += plain;
        } else {
            unsigned n = left < VECTOR_2BIT ? left : VECTOR_2BIT;
            chunk_vector_write(w, &s->symbols[i], n, true);
            i += n;
        }
    }
}

static void deltas_write(struct writer *w, const struct statuses *s)
{
    unsigned delta = 0;
    for (unsigned i = 0; i < s->count; i++) {
        if (s->symbols[i] == 1)
            writer_u8(w, (uint8_t)s->deltas[delta++]);
        else if (s->symbols[i] == 2)
            writer_u16(w, (uint16_t)s->deltas[delta++]);
    }
}

bool twcc_recorder_write(
    struct twcc_recorder *r, struct writer *w, uint32_t sender_ssrc, uint32_t media_ssrc, int64_t now_us)
{
    if (!r->pending || w->bad)
        return false;
    struct statuses s;
    collect(r, w->cap - w->len, &s);
    if (s.count == 0) {
        w->bad = true;
        return false;
    }
    size_t at = rtcp_begin(w, RTCP_RTPFB, RTCP_FMT_TWCC);
    writer_u32(w, sender_ssrc);
    writer_u32(w, media_ssrc);
    writer_u16(w, (uint16_t)r->base);
    writer_u16(w, (uint16_t)s.count);
    writer_u24(w, (uint32_t)s.reference & 0xffffff);
    writer_u8(w, r->count++);
    chunks_write(w, &s);
    deltas_write(w, &s);
    size_t padding = (4 - (w->len - at) % 4) % 4;
    if (padding > 0) {
        writer_zero(w, padding - 1);
        writer_u8(w, (uint8_t)padding);
        w->buf[at] |= 0x20;
    }
    rtcp_end(w, at);

    r->base += s.count;
    r->last_us = now_us;
    r->pending = r->base < r->end;
    r->next_us = r->pending ? now_us : NEVER;
    return true;
}
