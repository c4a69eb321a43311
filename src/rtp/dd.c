#include "rtp/dd.h"

#include <errno.h>
#include <string.h>
#include "base/cursor.h"

#define MANDATORY_LEN 3
#define TEMPORAL_MAX  8 /* three-bit temporal ids */

/* A reader of bits, highest first; errors are sticky. */
struct bits {
    struct cursor c;
    uint8_t byte;  /* current one */
    unsigned left; /* bits of it not yet read */
};

static uint32_t bits_read(struct bits *b, unsigned n)
{
    uint32_t v = 0;
    while (n > 0) {
        if (b->left == 0) {
            b->byte = cursor_u8(&b->c);
            b->left = 8;
        }
        unsigned take = n < b->left ? n : b->left;
        v = v << take | (b->byte >> (b->left - take) & ((1u << take) - 1));
        b->left -= take;
        n -= take;
    }
    return v;
}

/* ns(n) of the specification: a number below n, the lower ones a bit shorter. */
static uint32_t bits_read_ns(struct bits *b, uint32_t n)
{
    unsigned w = 0;
    for (uint32_t x = n; x != 0; x >>= 1)
        w++;
    uint32_t m = (UINT32_C(1) << w) - n;
    uint32_t v = bits_read(b, w - 1);
    if (v < m)
        return v;
    return (v << 1) - m + bits_read(b, 1);
}

static bool template_layers(struct bits *b, struct dd_structure *s)
{
    unsigned spatial = 0, temporal = 0;
    for (;;) {
        if (b->c.bad || s->template_count == DD_TEMPLATES_MAX || spatial >= DD_SPATIAL_MAX ||
            temporal >= TEMPORAL_MAX)
            return false;
        struct dd_deps *t = &s->templates[s->template_count++];
        t->spatial = (uint8_t)spatial;
        t->temporal = (uint8_t)temporal;
        if (temporal > s->temporal_max)
            s->temporal_max = (uint8_t)temporal;
        s->spatial_max = (uint8_t)spatial;
        switch (bits_read(b, 2)) {
        case 1:
            temporal++;
            break;
        case 2:
            temporal = 0;
            spatial++;
            break;
        case 3:
            return true;
        default:
            break;
        }
    }
}

static void indications(struct bits *b, unsigned targets, struct dd_deps *d)
{
    d->indications = 0;
    for (unsigned i = 0; i < targets; i++)
        d->indications |= (uint64_t)bits_read(b, 2) << (2 * i);
}

static bool template_fdiffs(struct bits *b, struct dd_structure *s)
{
    for (unsigned i = 0; i < s->template_count; i++) {
        struct dd_deps *t = &s->templates[i];
        while (!b->c.bad && bits_read(b, 1)) {
            if (t->fdiff_count == DD_FDIFFS_MAX)
                return false;
            t->fdiff[t->fdiff_count++] = (uint16_t)(bits_read(b, 4) + 1);
        }
    }
    return true;
}

static void template_chains(struct bits *b, struct dd_structure *s)
{
    s->chain_count = (uint8_t)bits_read_ns(b, s->target_count + 1u);
    memset(s->chain_of_target, DD_NO_CHAIN, sizeof s->chain_of_target);
    if (s->chain_count == 0)
        return;
    for (unsigned i = 0; i < s->target_count; i++)
        s->chain_of_target[i] = (uint8_t)bits_read_ns(b, s->chain_count);
    for (unsigned i = 0; i < s->template_count; i++) {
        for (unsigned k = 0; k < s->chain_count; k++)
            s->templates[i].chain_diff[k] = (uint8_t)bits_read(b, 4);
    }
}

/* The layer of a decode target: the highest of the templates that belong to it. */
static void target_layers(struct dd_structure *s)
{
    for (unsigned k = 0; k < s->target_count; k++) {
        for (unsigned i = 0; i < s->template_count; i++) {
            const struct dd_deps *t = &s->templates[i];
            if (dd_indication_of(t, k) == DD_ABSENT)
                continue;
            if (t->spatial > s->target_spatial[k])
                s->target_spatial[k] = t->spatial;
            if (t->temporal > s->target_temporal[k])
                s->target_temporal[k] = t->temporal;
        }
    }
}

/* *s starts zeroed. */
static bool structure_parse(struct bits *b, struct dd_structure *s)
{
    s->template_id_offset = (uint8_t)bits_read(b, 6);
    s->target_count = (uint8_t)(bits_read(b, 5) + 1);
    if (!template_layers(b, s))
        return false;
    for (unsigned i = 0; i < s->template_count; i++)
        indications(b, s->target_count, &s->templates[i]);
    if (!template_fdiffs(b, s))
        return false;
    template_chains(b, s);
    target_layers(s);
    if (bits_read(b, 1)) {
        s->resolution_count = (uint8_t)(s->spatial_max + 1);
        for (unsigned i = 0; i < s->resolution_count; i++) {
            s->width[i] = bits_read(b, 16) + 1;
            s->height[i] = bits_read(b, 16) + 1;
        }
    }
    s->valid = !b->c.bad;
    return s->valid;
}

static bool frame_fdiffs(struct bits *b, struct dd_deps *d)
{
    d->fdiff_count = 0;
    for (;;) {
        unsigned size = bits_read(b, 2);
        if (b->c.bad)
            return false;
        if (size == 0)
            return true;
        if (d->fdiff_count == DD_FDIFFS_MAX)
            return false;
        d->fdiff[d->fdiff_count++] = (uint16_t)(bits_read(b, 4 * size) + 1);
    }
}

/* The flags of the extended part that speak of this frame. */
struct custom {
    bool indications, fdiffs, chains;
};

static int frame_parse(struct bits *b, const struct dd_structure *s, struct custom custom, struct dd *d)
{
    unsigned index = (d->template_id + 64u - s->template_id_offset) % 64;
    if (index >= s->template_count)
        return -EAGAIN;
    d->deps = s->templates[index];
    if (custom.indications)
        indications(b, s->target_count, &d->deps);
    if (custom.fdiffs && !frame_fdiffs(b, &d->deps))
        return -EBADMSG;
    if (custom.chains) {
        for (unsigned k = 0; k < s->chain_count; k++)
            d->deps.chain_diff[k] = (uint8_t)bits_read(b, 8);
    }
    return b->c.bad ? -EBADMSG : 0;
}

static uint32_t all_targets(const struct dd_structure *s)
{
    return (uint32_t)((UINT64_C(1) << s->target_count) - 1);
}

/* A descriptor that brings its structure: kept only if all of it is sound. b stands behind the five flags. */
static int keyed_parse(
    struct bits *b, struct dd_structure *s, bool has_active, struct custom custom, struct dd *d)
{
    struct dd_structure new = {0};
    if (!structure_parse(b, &new))
        return -EBADMSG;
    d->active_targets = has_active ? bits_read(b, new.target_count) : all_targets(&new);
    int r = frame_parse(b, &new, custom, d);
    if (r < 0)
        return -EBADMSG; /* also where the template is not one of its own */
    *s = new;
    return 0;
}

int dd_parse(const void *data, size_t len, struct dd_structure *s, struct dd *ret)
{
    struct dd d = {0};
    struct bits b = {.c = cursor_of(data, len)};
    if (len < MANDATORY_LEN)
        return -EBADMSG;
    d.start = bits_read(&b, 1);
    d.end = bits_read(&b, 1);
    d.template_id = (uint8_t)bits_read(&b, 6);
    d.frame_number = (uint16_t)bits_read(&b, 16);

    struct custom custom = {0};
    bool has_structure = false, has_active = false;
    if (len > MANDATORY_LEN) {
        has_structure = bits_read(&b, 1);
        has_active = bits_read(&b, 1);
        custom.indications = bits_read(&b, 1);
        custom.fdiffs = bits_read(&b, 1);
        custom.chains = bits_read(&b, 1);
    }
    int r;
    if (has_structure) {
        d.has_structure = true;
        d.has_active_targets = has_active;
        r = keyed_parse(&b, s, has_active, custom, &d);
    } else if (!s->valid) {
        r = -EAGAIN;
    } else {
        d.has_active_targets = has_active;
        d.active_targets = has_active ? bits_read(&b, s->target_count) : 0;
        r = frame_parse(&b, s, custom, &d);
    }
    if (r == 0) {
        *ret = d;
    } else if (r == -EAGAIN) {
        *ret = (struct dd){
            .start = d.start, .end = d.end, .template_id = d.template_id, .frame_number = d.frame_number};
    }
    return r;
}

/* Can more of the frame's spatial layer be decoded from here on? */
static bool is_switch(const struct dd *d, const struct dd_structure *s)
{
    for (unsigned k = 0; k < s->target_count; k++) {
        if (s->target_spatial[k] == d->deps.spatial && s->target_temporal[k] >= d->deps.temporal &&
            dd_indication_of(&d->deps, k) == DD_SWITCH)
            return true;
    }
    return false;
}

static bool is_discardable(const struct dd *d, const struct dd_structure *s)
{
    for (unsigned k = 0; k < s->target_count; k++) {
        enum dd_indication i = dd_indication_of(&d->deps, k);
        if (i == DD_SWITCH || i == DD_REQUIRED)
            return false;
    }
    return true;
}

void dd_to_payload(const struct dd *d, const struct dd_structure *s, struct payload_info *i)
{
    unsigned known = PAYLOAD_START | PAYLOAD_END | PAYLOAD_KEY;
    unsigned flags = (d->start ? PAYLOAD_START : 0) | (d->end ? PAYLOAD_END : 0);
    if (s) {
        known |= PAYLOAD_DISCARDABLE | PAYLOAD_LAYER_SYNC;
        flags |= PAYLOAD_LAYERS;
        if (d->has_structure)
            flags |= PAYLOAD_KEY;
        if (is_switch(d, s))
            flags |= PAYLOAD_LAYER_SYNC;
        if (is_discardable(d, s))
            flags |= PAYLOAD_DISCARDABLE;
        i->spatial = d->deps.spatial;
        i->temporal = d->deps.temporal;
    }
    i->flags = (uint16_t)((i->flags & ~known) | flags);
}

int dd_patch_frame_number(void *data, size_t len, uint16_t frame_number)
{
    if (len < MANDATORY_LEN)
        return -EINVAL;
    struct writer w = writer_of((uint8_t *)data + DD_FRAME_NUMBER_OFF, 2);
    writer_u16(&w, frame_number);
    return 0;
}
