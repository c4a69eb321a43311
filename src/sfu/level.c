/* How loud a track is, from the level that its packets carry (RFC 6464), over windows of ROOM_SPEAKERS_US. */
#include <math.h>
#include "rtp/seq.h"
#include "sfu/internal.h"

#define LEVEL_ACTIVE        35  /* -dBov: louder counts as speech */
#define LEVEL_MIN_PERCENT   40  /* of a window that must be speech */
#define LEVEL_PACKET_MAX_MS 120 /* the longest packet of Opus */
#define LEVEL_SMOOTHING     (2.0f / 3)

/* Milliseconds of sound in a packet: what the timestamps moved on, unless something is missing between. */
static uint32_t length_of(struct sfu_track *t, const struct rtp_packet *h, uint32_t clock_hz)
{
    int64_t ms = ts_diff(h->ts, t->level_ts) * 1000 / (clock_hz ? clock_hz : 48000);
    t->level_ts = h->ts;
    return ms >= 1 && ms <= LEVEL_PACKET_MAX_MS ? (uint32_t)ms : 20;
}

void level_input(struct sfu_track *t, const struct rtp_packet *h, uint32_t clock_hz, int64_t now_us)
{
    uint32_t ms = length_of(t, h, clock_hz);
    stage_input(t, h, ms, now_us);
    if (!rtp_has(h, RTP_EXT_AUDIO_LEVEL))
        return;
    if (t->window_ms == 0)
        t->window_loudest = 127;
    t->window_ms += ms;
    if (h->audio_level <= LEVEL_ACTIVE) {
        t->window_active_ms += ms;
        if (h->audio_level < t->window_loudest)
            t->window_loudest = h->audio_level;
    }
    level_tick(t, now_us);
}

void level_tick(struct sfu_track *t, int64_t now_us)
{
    if (now_us - t->window_us < ROOM_SPEAKERS_US)
        return;
    t->window_us = now_us;
    const uint32_t window_ms = ROOM_SPEAKERS_US / 1000;
    float level = 0;
    if (t->window_active_ms * 100 >= window_ms * LEVEL_MIN_PERCENT && !t->muted) {
        float share = (float)t->window_active_ms / window_ms;
        float db = (float)t->window_loudest - 20 * log10f(share > 1 ? 1 : share);
        level = powf(10, -db / 20);
    }
    t->window_ms = t->window_active_ms = 0;
    t->window_loudest = 127;
    t->level += (level - t->level) * LEVEL_SMOOTHING;
    bool speaking = t->level >= powf(10, -LEVEL_ACTIVE / 20.0f);
    if (!speaking && !t->speaking)
        return;
    t->speaking = speaking;
    struct sfu_event e = {.type = SFU_EVENT_TRACK_LEVEL, .peer = t->peer->id, .track = t->id};
    e.level.level = speaking ? t->level : 0;
    e.level.active = speaking;
    sfu_emit(t->worker, &e);
}
