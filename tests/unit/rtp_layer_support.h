/* One layer choice, fed with facts made by hand. */
#ifndef UNIT_RTP_LAYER_SUPPORT_H
#define UNIT_RTP_LAYER_SUPPORT_H

#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>
#include "rtp/layers.h"

#define MS(x) ((int64_t)(x)*1000)

static struct layers l;
static int64_t now_us;
static const uint16_t fps[LAYERS_TEMPORAL_MAX] = {8, 15, 30, 30, 30, 30, 30, 30};

static void begin(struct layers_want want)
{
    layers_init(&l);
    layers_want(&l, want);
    now_us = MS(1000);
}

static void want(int stream, unsigned spatial, unsigned temporal)
{
    layers_want(&l, (struct layers_want){(int8_t)stream, (uint8_t)spatial, (uint8_t)temporal, 0});
}

static struct layers_out out;

static bool input(unsigned stream, const struct layer_facts *f)
{
    return layers_input(&l, stream, f, now_us, &out);
}

#endif
