#include "sfu/floor.h"
#include <string.h>

void floor_init(struct floor *f, unsigned seats)
{
    memset(f, 0, sizeof *f);
    f->seat_count = seats < 1 ? 1 : seats > SFU_SLOTS_MAX ? SFU_SLOTS_MAX : seats;
}

static struct floor_voice *find(struct floor *f, uint32_t track)
{
    for (unsigned i = 0; i < f->voice_count; i++)
        if (f->voices[i].track == track)
            return &f->voices[i];
    return NULL;
}

static struct floor_seat *seat_of(struct floor *f, uint32_t track)
{
    for (unsigned i = 0; i < f->seat_count; i++)
        if (f->seats[i].track == track)
            return &f->seats[i];
    return NULL;
}

static void forget(struct floor *f, struct floor_voice *v)
{
    *v = f->voices[--f->voice_count];
}

/* Room for another voice: the faintest without a seat makes it, if it is fainter than the new one. */
static struct floor_voice *make_room(struct floor *f, float loud)
{
    if (f->voice_count < STAGE_VOICES_MAX)
        return &f->voices[f->voice_count++];
    struct floor_voice *faintest = NULL;
    for (unsigned i = 0; i < f->voice_count; i++) {
        struct floor_voice *v = &f->voices[i];
        if (!seat_of(f, v->track) && v->loud < loud && (!faintest || v->loud < faintest->loud))
            faintest = v;
    }
    return faintest;
}

void floor_heard(struct floor *f, const struct floor_voice *v)
{
    struct floor_voice *known = find(f, v->track);
    if (!known && !v->gone)
        known = make_room(f, v->loud);
    if (known)
        *known = *v;
}

/* Ended voices lose their seats at once, silent ones after a while. */
static void clear(struct floor *f, int64_t now_us)
{
    for (unsigned i = f->voice_count; i-- > 0;) {
        struct floor_voice *v = &f->voices[i];
        if (!v->gone && now_us - v->heard_us < STAGE_QUIET_US)
            continue;
        struct floor_seat *seat = seat_of(f, v->track);
        if (seat)
            *seat = (struct floor_seat){.since_us = now_us};
        forget(f, v);
    }
}

/* The loudest without a seat that has been heard for so long. */
static struct floor_voice *loudest(struct floor *f, unsigned spoken_ms, int64_t now_us)
{
    struct floor_voice *best = NULL;
    for (unsigned i = 0; i < f->voice_count; i++) {
        struct floor_voice *v = &f->voices[i];
        if (v->spoken_ms >= spoken_ms && now_us - v->heard_us < STAGE_PAUSE_US && !seat_of(f, v->track) &&
            (!best || v->loud > best->loud))
            best = v;
    }
    return best;
}

static bool pauses(struct floor *f, const struct floor_seat *s, int64_t now_us)
{
    const struct floor_voice *v = find(f, s->track);
    return !v || now_us - v->heard_us >= STAGE_PAUSE_US;
}

/* The seat that the voice may take: an empty one, one whose speaker pauses (the longest first), or the
 * faintest one's. */
static struct floor_seat *seat_for(struct floor *f, const struct floor_voice *v, int64_t now_us)
{
    struct floor_seat *paused = NULL, *faintest = NULL;
    int64_t paused_us = INT64_MAX;
    float faint = 0;
    for (unsigned i = 0; i < f->seat_count; i++) {
        struct floor_seat *s = &f->seats[i];
        if (!s->track)
            return s;
        const struct floor_voice *holder = find(f, s->track);
        if (pauses(f, s, now_us)) {
            int64_t heard_us = holder ? holder->heard_us : 0;
            if (heard_us < paused_us) {
                paused = s;
                paused_us = heard_us;
            }
        } else if (now_us - s->since_us >= STAGE_HOLD_US && (!faintest || holder->loud < faint)) {
            faintest = s;
            faint = holder->loud;
        }
    }
    if (paused)
        return paused;
    bool stronger = faintest && v->spoken_ms >= STAGE_CHALLENGE_MS && v->loud >= faint + STAGE_LOUDER_DB;
    return stronger ? faintest : NULL;
}

static void seat_voices(struct floor *f, int64_t now_us)
{
    for (unsigned n = 0; n < f->seat_count; n++) {
        const struct floor_voice *v = loudest(f, STAGE_ONSET_MS, now_us);
        struct floor_seat *s = v ? seat_for(f, v, now_us) : NULL;
        if (!s)
            return;
        *s = (struct floor_seat){.track = v->track, .since_us = now_us};
    }
}

unsigned floor_decide(struct floor *f, int64_t now_us, struct floor_change ret[SFU_SLOTS_MAX])
{
    struct floor_seat before[SFU_SLOTS_MAX];
    memcpy(before, f->seats, sizeof before);
    clear(f, now_us);
    seat_voices(f, now_us);
    unsigned n = 0;
    for (unsigned i = 0; i < f->seat_count; i++) {
        if (f->seats[i].track == before[i].track)
            continue;
        const struct floor_voice *v = f->seats[i].track ? find(f, f->seats[i].track) : NULL;
        ret[n++] = (struct floor_change){
            .seat = i, .track = v ? v->track : 0, .peer = v ? v->peer : 0, .worker = v ? v->worker : 0};
    }
    return n;
}

bool floor_waits(const struct floor *f)
{
    return f->voice_count > 0;
}
