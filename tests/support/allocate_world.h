/* A subscriber and those it watches, for tests of the allocation: tables, a link and a clock. */
#ifndef SUPPORT_ALLOCATE_WORLD_H
#define SUPPORT_ALLOCATE_WORLD_H

#include <stdint.h>
#include <string.h>
#include "sfu/allocate.h"
#include "support/seeded.h"

#define MS(n)     ((int64_t)(n)*1000)
#define S(n)      ((int64_t)(n)*1000000)
#define TICK_US   MS(100)
#define PEOPLE    256
#define AUDIO_BPS 40000

/* ---- a subscriber and those it watches ---- */

struct world {
    struct allocate a;
    struct allocate_input in;
    struct allocate_track tracks[PEOPLE], mics[PEOPLE];
    struct allocate_sub subs[PEOPLE], ears[PEOPLE];
    struct allocate_sub *list[2 * PEOPLE];
    size_t videos, audios, listed;
    int64_t base_bps[PEOPLE][ALLOCATE_SPATIAL]; /* of simulcast layers, without noise */
    int vbr_percent, noise_percent;
    int64_t link_bps, now_us;
    struct seeded seed;
    /* what was seen */
    uint64_t runs, switches, frame_switches;
    double used, linked, excess; /* bits */
    int64_t worst_excess_us, debt_us;
};

static struct world w;

static inline int fresh(void **state)
{
    (void)state;
    memset(&w, 0, sizeof w);
    allocate_init(&w.a);
    w.now_us = S(1);
    w.seed = seeded_of(1);
    return 0;
}

static inline struct allocate_sub *add(struct allocate_sub *s)
{
    w.list[w.listed++] = s;
    return s;
}

static inline void cost_set(struct allocate_track *t, int s, int64_t bps)
{
    static const int percent[4][4] = {{100}, {60, 100}, {40, 60, 100}, {25, 40, 60, 100}};
    for (int l = 0; l < t->temporal; l++)
        t->cost_bps[s][l] = bps * percent[t->temporal - 1][l] / 100;
}

/* A camera of 1280x720 with spatial x temporal layers. */
static inline struct allocate_sub *camera(int spatial, int temporal)
{
    static const int64_t rates[] = {160000, 450000, 1700000};
    size_t i = w.videos++;
    struct allocate_track *t = &w.tracks[i];
    *t = (struct allocate_track){.spatial = (uint8_t)spatial, .temporal = (uint8_t)temporal};
    t->active = (uint8_t)((1 << spatial) - 1);
    for (int s = 0; s < spatial; s++) {
        t->layers[s].width = (uint16_t)(1280 >> (spatial - 1 - s));
        t->layers[s].height = (uint16_t)(720 >> (spatial - 1 - s));
        t->layers[s].fps = 30;
        w.base_bps[i][s] = rates[s + 3 - spatial];
        cost_set(t, s, w.base_bps[i][s]);
    }
    allocate_sub_init(&w.subs[i], (uint32_t)i + 1, t, false);
    return add(&w.subs[i]);
}

static inline struct allocate_sub *microphone(void)
{
    size_t i = w.audios++;
    w.mics[i] = (struct allocate_track){.spatial = 1, .temporal = 1, .active = 1};
    w.mics[i].cost_bps[0][0] = AUDIO_BPS;
    allocate_sub_init(&w.ears[i], 1000 + (uint32_t)i, &w.mics[i], true);
    return add(&w.ears[i]);
}

static inline struct allocate_track *track_of(struct allocate_sub *s)
{
    return &w.tracks[s - w.subs];
}

static inline void take_out(struct allocate_sub *s)
{
    size_t i = 0;
    while (w.list[i] != s)
        i++;
    w.list[i] = w.list[--w.listed];
}

static inline size_t run(int64_t estimate_bps)
{
    w.in.estimate_bps = estimate_bps;
    size_t n = allocate_run(&w.a, &w.in, w.list, w.listed, w.now_us);
    w.in.probed = false;
    w.runs++;
    for (size_t i = 0; i < w.videos; i++)
        w.subs[i].forwarded = w.subs[i].spatial; /* key frames come at once */
    w.now_us += TICK_US;
    return n;
}

static inline int64_t wobble(int64_t v, int percent)
{
    int64_t span = v * percent / 100;
    return span ? v - span + (int64_t)(seeded_u64(&w.seed) % (uint64_t)(2 * span + 1)) : v;
}

/* What the publishers send in a tick: their rates wander by vbr_percent in up to a minute, and each tick is
 * off by four times as much. */
static inline void measure(void)
{
    static const int percent[4][4] = {{100}, {60, 40}, {40, 20, 40}, {25, 15, 20, 40}};
    for (size_t i = 0; i < w.videos; i++) {
        struct allocate_track *t = &w.tracks[i];
        uint32_t bytes[ALLOCATE_SPATIAL][ALLOCATE_TEMPORAL] = {0};
        int64_t period = S(20 + 7 * (int64_t)i % 40), at = (w.now_us + S((int64_t)i)) % period;
        int64_t wander = 4 * w.vbr_percent * (at < period / 2 ? at : period - at) / (period / 100);
        for (int s = 0; s < t->spatial; s++) {
            int64_t rate = w.base_bps[i][s] * (10000 - 100 * w.vbr_percent + wander) / 10000;
            rate = wobble(rate, 4 * w.vbr_percent);
            for (int l = 0; l < t->temporal; l++)
                bytes[s][l] = (uint32_t)(rate * percent[t->temporal - 1][l] / 100 * TICK_US / 8000000);
        }
        allocate_track_input(t, bytes, w.now_us);
    }
}

/* The link for so long, with the estimate as noisy as the world is. */
static inline void live(int64_t link_bps, int64_t us)
{
    w.link_bps = link_bps;
    for (int64_t end = w.now_us + us; w.now_us < end;) {
        measure();
        run(wobble(link_bps, w.noise_percent));
        w.used += (double)w.a.total_bps * TICK_US / 1e6;
        w.linked += (double)link_bps * TICK_US / 1e6;
        w.debt_us += (w.a.total_bps - link_bps) * TICK_US / (link_bps ? link_bps : 1);
        w.debt_us = w.debt_us < 0 ? 0 : w.debt_us;
        w.worst_excess_us = w.debt_us > w.worst_excess_us ? w.debt_us : w.worst_excess_us;
    }
}

static inline void forget(void)
{
    w.used = w.linked = 0;
    w.worst_excess_us = w.debt_us = 0;
    w.switches = w.a.switches;
    w.frame_switches = w.a.frame_switches;
}

static inline double share_used(void)
{
    return w.used / w.linked;
}

static inline int step(const struct allocate_sub *s)
{
    return s->spatial * 10 + s->temporal;
}

#endif
