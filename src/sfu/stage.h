/* Slots: tracks of no publisher, which carry whichever microphones of a room are the loudest. A stage exists
 * on every worker. Its home decides by what all of them report (sfu/floor.h), and tells each worker by one
 * message which track now speaks in a slot; to the subscribers of a slot it is one stream (rtp/rewrite). */
#ifndef SFU_STAGE_H
#define SFU_STAGE_H

#include "sfu/floor.h"
#include "sfu/internal.h"

/* A microphone of a stage, on the worker where it lives. */
struct sfu_voice {
    struct list link; /* in stage->audible while it is heard */
    struct list of_stage;
    struct sfu_stage *stage;
    struct sfu_track *track;
    float loud;
    uint32_t spoken_ms;
    int64_t heard_us;
};

struct sfu_slot {
    struct sfu_track *track;      /* what is subscribed to, on this worker; NULL: memory was short */
    uint32_t source, source_peer; /* who speaks here; 0: nobody */
    uint8_t source_worker;
    struct sfu_track *from; /* the source, or its image here; NULL while nobody here listens */
    uint32_t epoch;         /* counts the sources, and their restarts */
};

struct sfu_stage {
    UT_hash_handle hh; /* worker->stages */
    uint32_t id;
    struct sfu_worker *worker;
    uint8_t home;
    unsigned slot_count;
    struct sfu_slot slots[SFU_SLOTS_MAX];
    struct list voices;  /* struct sfu_voice */
    struct list audible; /* those heard of late */
    struct wheel_timer report;
    struct floor *floor; /* at home only */
};

#endif
