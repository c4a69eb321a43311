/* VP8 and VP9 by their payload descriptors: pictures with a temporal layer, made of spatial layers.
 *
 * VP8, RFC 7741 section 4.2: a picture with the Y bit refers to the base layer alone, and nothing behind it
 * to higher ones before it: whoever gets it may have its temporal layer from there on. VP9, RFC 9628
 * section 4.2: after a picture of temporal layer T with the U bit, no picture above T refers to one above T
 * before it. A layer without the P bit needs no earlier picture, one without D no lower layer; where
 * predicted layers go without D (K-SVC), the wanted one passes alone between key pictures. */
#include <string.h>
#include "rtp/layers_internal.h"

#define SPATIAL_TOP (LAYERS_SPATIAL_MAX - 1)

/* The bits of the layers up to this one. */
static uint8_t bits_to(unsigned spatial)
{
    return (uint8_t)((2u << spatial) - 1);
}

static unsigned spatial_wanted(const struct layers *l)
{
    return l->want.spatial < SPATIAL_TOP ? l->want.spatial : SPATIAL_TOP;
}

void layers_picture_begin(struct layers *l, const struct layer_facts *f)
{
    layers_restart_at(l, f->number);
    l->intact = 0;
    memset(l->left, 0, sizeof l->left);
    l->key = f->number;
}

/* ---- limits, at the first packet of a picture ---- */

static void key_step(struct layers *l, const struct layer_facts *f)
{
    unsigned spatial = spatial_wanted(l);
    l->spatial = (uint8_t)spatial;
    l->temporal = layers_temporal_wanted(l, f);
    l->intact = bits_to(spatial);
    l->key = f->number;
    l->broken = l->blocked = false;
    l->short_us = 0;
}

static void temporal_step(struct layers *l, const struct layer_facts *f)
{
    uint8_t wanted = layers_temporal_wanted(l, f);
    if (wanted <= l->temporal) {
        l->temporal = wanted;
        l->short_us = 0;
        return;
    }
    if (!f->sync)
        return;
    if (f->codec == PAYLOAD_VP8 && f->temporal > l->temporal && f->temporal <= wanted)
        l->temporal = f->temporal;
    else if (f->codec == PAYLOAD_VP9 && f->temporal <= l->temporal)
        l->temporal = wanted;
    else
        return;
    l->short_us = 0;
}

/* Can a receiver of layer `spatial` go on at a picture that is not a key picture? */
static bool continues(const struct layers *l, const struct layer_facts *f, unsigned spatial)
{
    uint8_t need = f->independent ? (uint8_t)(1u << spatial) : bits_to(spatial);
    return (l->intact & need) == need;
}

static void spatial_step(struct layers *l, const struct layer_facts *f)
{
    unsigned wanted = spatial_wanted(l);
    if (wanted > l->spatial && l->spatial >= f->spatial_sent && !f->independent)
        l->spatial = (uint8_t)wanted; /* nothing above is sent at present; when it comes again it may pass */
    if (f->independent && f->spatial_sent < wanted)
        wanted = f->spatial_sent;
    if (wanted < l->spatial && continues(l, f, wanted))
        l->spatial = (uint8_t)wanted;
    l->blocked = l->spatial != wanted && (wanted < l->spatial || l->spatial < f->spatial_sent);
}

/* ---- pictures ---- */

static uint8_t mask_of(const struct layers_record *r, const struct layer_facts *f, bool key)
{
    if (f->temporal > r->picture.temporal)
        return 0;
    return f->independent && !key ? (uint8_t)(1u << r->picture.spatial) : bits_to(r->picture.spatial);
}

/* Whatever layer of it comes first: only key pictures of K-SVC have layers that refer to lower ones. */
static bool is_key_picture(const struct layer_facts *f)
{
    return (f->key && f->spatial == 0) || (f->independent && f->inter_layer && !f->predicted);
}

static struct layers_record *picture_new(struct layers *l, const struct layer_facts *f, int64_t now_us)
{
    struct layers_record missing = {
        .fate = l->broken ? LAYERS_FORWARDED : LAYERS_MISSING, /* decided: nothing passes */
        .picture = {.spatial = l->spatial, .temporal = l->temporal},
    };
    struct layers_record *r = layers_record_add(l, f->number, missing);
    bool key = is_key_picture(f) || (f->key && l->intact == 0);
    if (key) {
        key_step(l, f);
    } else {
        temporal_step(l, f);
        spatial_step(l, f);
    }
    r->picture.spatial = l->spatial;
    r->picture.temporal = l->temporal;
    r->picture.mask = mask_of(r, f, key);
    r->fate = LAYERS_FORWARDED;
    if (f->temporal > l->temporal && f->temporal <= layers_temporal_wanted(l, f) && !l->short_us)
        l->short_us = now_us;
    return r;
}

/* This layer of this picture does not pass. */
static void layer_left(struct layers *l, const struct layer_facts *f)
{
    uint8_t bit = (uint8_t)(1u << f->spatial);
    if (l->intact & bit || f->number < l->left[f->spatial])
        l->left[f->spatial] = f->number;
    l->intact &= (uint8_t)~bit;
}

/* The first packet of a layer of a picture: can it be decoded, and what does leaving it out mean? */
static void layer_new(struct layers *l, const struct layer_facts *f, struct layers_record *r)
{
    uint8_t bit = (uint8_t)(1u << f->spatial);
    if (f->temporal > r->picture.temporal || f->number < l->key)
        return;
    if (!(r->picture.mask & bit)) {
        layer_left(l, f);
        return;
    }
    bool whole = (!f->predicted || l->intact & bit || f->number < l->left[f->spatial]) &&
                 (!f->inter_layer || f->spatial == 0 || r->picture.mask & bit >> 1);
    if (whole) {
        if (!f->predicted && f->number == l->highest)
            l->intact |= bit; /* a late one does not mend what was left out since */
        return;
    }
    r->picture.mask &= (uint8_t)((bit - 1) | (r->picture.seen & ~bit)); /* what has begun goes on */
    layer_left(l, f);
    if (f->independent || f->spatial == 0)
        l->broken = true;
    else if (f->number == l->highest)
        l->spatial = (uint8_t)(f->spatial - 1); /* as if it had not been wanted; the rest is spatial_step's */
}

bool layers_picture_input(struct layers *l, const struct layer_facts *f, int64_t now_us, bool *ret_ends)
{
    if (f->number < 0 || f->spatial > SPATIAL_TOP)
        return false;
    struct layers_record *r;
    if (f->number > l->highest) {
        r = picture_new(l, f, now_us);
    } else {
        r = layers_record_of(l, f->number);
        if (!r)
            return false;
        if (r->fate == LAYERS_MISSING) {
            r->fate = LAYERS_FORWARDED;
            r->picture.mask = mask_of(r, f, is_key_picture(f));
        }
    }
    uint8_t bit = (uint8_t)(1u << f->spatial);
    if (!(r->picture.seen & bit)) {
        r->picture.seen |= bit;
        layer_new(l, f, r);
    }
    *ret_ends = f->spatial == r->picture.spatial;
    return r->picture.mask & bit;
}
