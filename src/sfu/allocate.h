/* Which layer of every video goes to one subscriber, so that all of it fits what the path carries: a function
 * over tables. Audio is never taken away and paid for first; then every visible video gets its lowest layer,
 * pinned ones and screen shares first; then layers are added, rank by rank, among equals in rounds. Video
 * whose lowest layer does not fit is paused and comes back by itself.
 *
 * What is forwarded already is kept while the path seems to bear it: an excess over the estimate is
 * tolerated while feedback shows that all gets through, else until the queue that it would make is
 * ALLOCATE_DEBT_US long; layers are only added where some room is left, and what failed is tried again more
 * and more rarely.
 *
 * Rates are bit/s as the estimate counts them (bytes on the wire), times microseconds of the monotonic clock.
 * Pure: no I/O, no allocation; O(n log n) in the subscriptions of a subscriber. Thread of the subscriber's
 * worker. */
#ifndef SFU_ALLOCATE_H
#define SFU_ALLOCATE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define ALLOCATE_SPATIAL  4 /* layers of one track; browsers send three */
#define ALLOCATE_TEMPORAL 4 /* of each; what is above counts as the highest */

#define ALLOCATE_RATE_MAX_BPS 10000000000 /* a layer that claims more is taken to have this */
#define ALLOCATE_METER_US     2500000     /* time constant of measured layers: a key frame is no rise */
#define ALLOCATE_METER_MIN_US 1000000     /* a new layer is measured so long before its rate is believed */
#define ALLOCATE_GUESS_BPS    150000      /* until then: its announced rate, or this, times 3 a layer */

#define ALLOCATE_UP_PERCENT    96  /* of the estimate that may be in use after a layer was added */
#define ALLOCATE_PROBE_PERCENT 115 /* of a total has to be proven, so that it is taken in spite of noise */
#define ALLOCATE_AGAIN_PERCENT 108 /* of what failed is tried when its time comes again */
#define ALLOCATE_DOUBT_PERCENT                                                                               \
    160                            /* of what failed: so much no estimate claims that rests on what is sent  \
                                    */
#define ALLOCATE_CUT_PERCENT   125 /* of the estimate: more is cut at once */
#define ALLOCATE_DEBT_US       150000 /* queue that an excess may make, going by the estimate, before it is cut */
#define ALLOCATE_SMOOTH_US     3000000 /* time constant of the estimate, for adding layers */
#define ALLOCATE_LEAP_US       500000  /* the same while it is off by more than ALLOCATE_LEAP_PERCENT */
#define ALLOCATE_LEAP_PERCENT  15      /* beyond the noise of a steady path */
#define ALLOCATE_TRADE_PERCENT 10 /* of the budget left over: then frames are given for a larger picture */
#define ALLOCATE_TRADES        4  /* that stand at the same time */
#define ALLOCATE_REFUSALS      16 /* attempts in vain of one run: each looks at all */
#define ALLOCATE_UP_WAIT_US    1000000 /* between two additions to one video, unless a probe succeeded */
#define ALLOCATE_SETTLE_US                                                                                   \
    3000000 /* after an addition that no probe covered, the estimate has its say first */
#define ALLOCATE_DOUBT_US     15000000 /* the same where so much has failed before */
#define ALLOCATE_DOWN_WAIT_US 2000000  /* after something was taken from it */
#define ALLOCATE_PROVE_US     45000000 /* an addition has failed if a cut follows within this time */
#define ALLOCATE_OWN_PERCENT                                                                                 \
    60 /* unless the estimate fell below this share of the total: that was the path */
#define ALLOCATE_BACKOFF_US     20000000 /* and is tried again after this time, doubled with each failure */
#define ALLOCATE_BACKOFF_MAX_US 160000000
#define ALLOCATE_FPS_LEAST      12 /* pictures a second: a larger picture with fewer than these moves in jerks */
#define ALLOCATE_FPS_KEPT       10      /* and is given up below these */
#define ALLOCATE_FPS_US         3000000 /* time constant of the pictures that come */
#define ALLOCATE_LARGER_US                                                                                   \
    120000000 /* and so much later if it is a larger picture: that costs a key frame to try */
#define ALLOCATE_RESUME_US                                                                                   \
    60000000 /* a paused video waits half as long as others, and no longer than this                         \
              */
#define ALLOCATE_AGAIN_US      5000000   /* a second cut within this time means that the path keeps falling */
#define ALLOCATE_DRAIN_PERCENT 90        /* of the estimate: what goes then, so that queues drain */
#define ALLOCATE_FORGET_US     600000000 /* after which failures are forgotten */

/* ---- tracks, as all subscribers of a worker share them ---- */

struct allocate_track {
    /* set by the caller */
    bool svc;        /* a spatial layer needs those below it; else each is a stream of its own (simulcast) */
    uint8_t spatial; /* layers that the publisher announced or sent: 1 to ALLOCATE_SPATIAL; 0: no video yet */
    uint8_t temporal; /* 1 to ALLOCATE_TEMPORAL; 1 where the payload does not tell */
    uint8_t active;   /* bit a spatial layer that comes at present; 0 while the track is muted or silent */
    struct {
        uint16_t width, height; /* 0: unknown */
        uint8_t fps;            /* of all temporal layers together; 0: unknown, taken as 30 */
        int64_t announced_bps;  /* 0: unknown */
    } layers[ALLOCATE_SPATIAL];
    /* what it costs to forward spatial layer s with temporal layers up to t, and for svc those below s; kept
     * by allocate_track_input, or set by the caller. 0: not known yet */
    int64_t cost_bps[ALLOCATE_SPATIAL][ALLOCATE_TEMPORAL];
    /* of allocate_track_input */
    int64_t own_bps[ALLOCATE_SPATIAL][ALLOCATE_TEMPORAL]; /* of each layer alone */
    int64_t begun_us[ALLOCATE_SPATIAL];                   /* when the layer became active; 0: it is not */
    float sent_fps[ALLOCATE_SPATIAL]; /* of allocate_track_fps; 0: not known yet, taken as 30 */
    int64_t input_us;                 /* 0: never */
};

/* bytes on the wire that each layer brought since the last call (of a layer alone, not of those below it);
 * call it every 50 to 250 ms, with active set as it is now. Audio: [0][0]. now_us > 0. */
void allocate_track_input(
    struct allocate_track *t, uint32_t bytes[ALLOCATE_SPATIAL][ALLOCATE_TEMPORAL], int64_t now_us);

/* So many pictures a second came of a layer, all temporal layers together, in the dt_us before; 0: it is not
 * known. */
void allocate_track_fps(struct allocate_track *t, unsigned spatial, unsigned fps, int64_t dt_us);

/* ---- subscriptions ---- */

enum allocate_why {
    ALLOCATE_TOP,       /* it has the highest there is */
    ALLOCATE_BANDWIDTH, /* the next one does not fit, or failed lately */
    ALLOCATE_VIEWER,    /* the viewer wants no larger one, or none */
    ALLOCATE_PUBLISHER, /* the publisher does not send it */
    ALLOCATE_KEY_FRAME, /* chosen, and waits for a frame to begin at */
    ALLOCATE_LIMIT,     /* the subscriber's configured limit, not the path */
    ALLOCATE_WHYS
};

/* "bandwidth", "viewer" and so on; static. */
const char *allocate_why_name(enum allocate_why why);

struct allocate_sub {
    /* set by the caller */
    const struct allocate_track *track;
    uint32_t id; /* settles what is otherwise equal: the lower goes first */
    bool audio;
    bool screen;        /* a screen share */
    bool pinned;        /* before everything else */
    bool disabled;      /* the viewer does not want it at present */
    uint32_t priority;  /* the viewer's, 1 the highest; 0: it has said none, behind those */
    uint32_t width;     /* of the viewer's picture: the lowest layer that is as wide or as high is enough */
    uint32_t height;    /* both 0: it has said none */
    uint8_t fps;        /* frames a second that are enough; 0: all */
    int8_t max_spatial; /* highest layer wanted; -1: all */
    int8_t forwarded;   /* spatial layer that goes to the viewer at this moment; -1: none */
    /* the result */
    int8_t spatial, temporal; /* to be forwarded; -1: nothing */
    bool paused;              /* for want of bandwidth: StreamStateUpdate */
    bool changed;             /* this run changed spatial, temporal or paused */
    enum allocate_why why;    /* no more than forwarded */
    int64_t cost_bps;         /* of the result */
    int64_t next_bps; /* what the next step would add; 0: there is none, or not for want of bandwidth */
    int64_t retry_us; /* the next step waits until then, whatever the estimate; 0: it does not */
    /* its own memory: zero at first (allocate_sub_init) */
    bool begun;
    int8_t failed; /* the step that failed lately; -1: none */
    uint8_t failures;
    int64_t raised_us, wait_us, backoff_us;
    /* of one run. A step is spatial * ALLOCATE_TEMPORAL + temporal, -1: nothing */
    uint16_t steps;      /* bit a step that the publisher sends and the viewer wants; 0: none */
    int8_t held, chosen; /* step that went so far, and that will go */
    bool waits;          /* its next step fits, but it is too soon */
    bool more_unsent;    /* the viewer would take a higher layer that the publisher does not send */
    bool more_unwanted;  /* there is a higher one that the viewer does not want */
    uint64_t key;        /* rank and size; the lower goes first */
};

/* All zero but for what is not: nothing wanted less, nothing forwarded. */
void allocate_sub_init(struct allocate_sub *s, uint32_t id, const struct allocate_track *track, bool audio);

/* ---- the allocation ---- */

struct allocate_input {
    int64_t estimate_bps; /* what the path carries */
    int64_t limit_bps;    /* never more than this, whatever it carries; 0: none */
    int64_t reserved_bps; /* goes anyway: retransmissions, data */
    int64_t
        trusted_bps; /* nobody has found the path full: up to this lowest layers go whatever the estimate */
    bool probed;     /* a probe succeeded since the last run: the estimate is proven */
    bool silent;     /* the estimate falls because nothing is heard: nobody's addition was too much */
    bool clear; /* what is sent gets through, without a queue or loss: whatever the estimate, it is borne */
    bool never_pause; /* the client cannot be told of pauses: lowest layers go even if they do not fit */
};

struct allocate {
    /* the result */
    int64_t audio_bps;  /* and what is reserved */
    int64_t total_bps;  /* all that is allocated, audio and reserved too: for the pacer */
    int64_t next_bps;   /* worth probing for: the cheapest step more; 0: none waits */
    int64_t wanted_bps; /* the same, for all that viewers want; 0: it goes already */
    uint32_t paused;    /* videos */
    /* counted */
    uint64_t runs, cuts, failures;
    uint64_t switches;       /* another spatial layer, pause, resumption; not what viewer or publisher did */
    uint64_t frame_switches; /* another temporal layer of the same */
    /* its own memory */
    int64_t run_us; /* 0: never */
    int64_t smooth_bps, debt_us;
    int64_t raised_us;        /* when something was added last; 0: never */
    int64_t raised_total_bps; /* what that made in all */
    int64_t before_bps;       /* and what there was before; 0: a cut has undone it */
    int64_t sure_bps;         /* a probe or some seconds have shown that the path carries it */
    int64_t ceiling_bps;      /* a total that proved too much; 0: none */
    int64_t ceiling_until_us; /* not to be tried before */
    int64_t failed_us;
    int64_t cut_us;
    int64_t wait_us; /* after a cut nothing is added before */
    uint8_t in_row;  /* failures since the last time that they were forgotten */
};

void allocate_init(struct allocate *a);

/* Writes the result of every subscription, and of *a. subs: n pointers to this subscriber's subscriptions,
 * which may come in any order and are left sorted. now_us > 0. Run it every 50 to 250 ms, and at once when
 * a subscription comes or goes, a viewer's wish changes, a layer or track becomes active or stops, or a probe
 * succeeds. Returns how many subscriptions changed. */
size_t allocate_run(struct allocate *a, const struct allocate_input *in, struct allocate_sub **subs, size_t n,
    int64_t now_us);

#endif
