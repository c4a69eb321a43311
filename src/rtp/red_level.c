#include "rtp/red_level.h"

/* Loss in per mille from which on a distance is chosen. */
static const uint32_t warrants[RED_DISTANCE_MAX + 1] = {0, RED_LOSS_ONE, RED_LOSS_TWO};

static void decide(struct red_level *l, uint32_t loss, int64_t now_us)
{
    uint8_t want = 0;
    while (want < RED_DISTANCE_MAX && loss >= warrants[want + 1])
        want++;
    if (want >= l->distance || loss >= warrants[l->distance] / 2) {
        l->distance = want > l->distance ? want : l->distance;
        l->calm_us = 0;
    } else if (!l->calm_us) {
        l->calm_us = now_us;
    } else if (now_us - l->calm_us >= RED_CALM_US) {
        l->distance--;
        l->calm_us = now_us;
    }
}

void red_level_report(struct red_level *l, uint32_t expected, uint32_t lost, int64_t now_us)
{
    if (!l->since_us)
        l->since_us = now_us;
    l->expected += expected < RED_WINDOW_MAX ? expected : RED_WINDOW_MAX;
    l->lost += lost < expected ? lost : expected;
    if (l->lost > l->expected)
        l->lost = l->expected;
    if (l->expected < RED_WINDOW_PACKETS || now_us - l->since_us < RED_WINDOW_US)
        return;
    decide(l, (uint32_t)((uint64_t)l->lost * 1000 / l->expected), now_us);
    l->expected = l->lost = 0;
    l->since_us = now_us;
}
