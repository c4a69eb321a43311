/* Who has the floor: which voices of a large room hold its few seats. Pure: reports in, changes out, time is
 * an argument. One thread. */
#ifndef SFU_FLOOR_H
#define SFU_FLOOR_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include "base/limits.h"
#include "sfu/command.h"

/* What a worker says of a voice; plain data, sent between workers. */
struct floor_voice {
    uint32_t track;     /* its number */
    uint32_t peer;      /* of the speaker */
    uint8_t worker;     /* where it lives */
    bool gone;          /* muted or ended: nothing else counts */
    uint16_t spoken_ms; /* audible time since it was last quiet for STAGE_GAP_US */
    float loud;         /* dB over silence (127 - the level of RFC 6464), smoothed */
    int64_t heard_us;   /* newest audible packet */
};

struct floor_seat {
    uint32_t track; /* 0: empty */
    int64_t since_us;
};

struct floor {
    unsigned seat_count;
    struct floor_seat seats[SFU_SLOTS_MAX];
    unsigned voice_count;
    struct floor_voice voices[STAGE_VOICES_MAX]; /* those audible of late */
};

/* A seat has another voice; track 0: it is empty. */
struct floor_change {
    unsigned seat;
    uint32_t track, peer;
    uint8_t worker;
};

/* seats: 1 to SFU_SLOTS_MAX. */
void floor_init(struct floor *f, unsigned seats);

/* News of a voice. */
void floor_heard(struct floor *f, const struct floor_voice *v);

/* Who gets a seat by now: a free seat goes to who is heard for STAGE_ONSET_MS, that of a speaker who pauses
 * to the louder ones of those, that of one who speaks on only after STAGE_HOLD_US, and to who is louder by
 * STAGE_LOUDER_DB for STAGE_CHALLENGE_MS. Who is silent for STAGE_QUIET_US loses it. Returns the number of
 * changes, at most one a seat. */
unsigned floor_decide(struct floor *f, int64_t now_us, struct floor_change ret[SFU_SLOTS_MAX]);

/* Is there anything to decide without further news? */
bool floor_waits(const struct floor *f);

#endif
