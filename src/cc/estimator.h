/* What the path to one receiver carries, in bit/s, from its transport-wide feedback: by delay (delay.h,
 * trendline.h, aimd.h), by loss (loss.h), by probes (probe.h). One of these a receiver; nothing here knows of
 * another one's network.
 *
 * Feedback is the receiver's to forge: it moves this one estimate, between its limits, costs a bounded time a
 * packet that was really sent, and nothing else.
 *
 * Sizes are bytes on the wire as counted for twcc_sender_next; the estimate counts the same bytes. Times are
 * microseconds of the monotonic clock. Pure: no I/O, no allocation, plain data without pointers. */
#ifndef CC_ESTIMATOR_H
#define CC_ESTIMATOR_H

#include <stdbool.h>
#include <stdint.h>
#include "cc/aimd.h"
#include "cc/delay.h"
#include "cc/estimator_rate.h"
#include "cc/loss.h"
#include "cc/probe.h"
#include "cc/train.h"
#include "cc/trendline.h"
#include "cc/twcc.h"

#define ESTIMATOR_MIN_BPS 30000     /* an audio stream goes whatever happens */
#define ESTIMATOR_MAX_BPS 200000000 /* beyond what one viewer can be sent */

/* What holds the estimate where it is. */
enum estimator_limit {
    ESTIMATOR_BY_DELAY,
    ESTIMATOR_BY_LOSS,
    ESTIMATOR_BY_SILENCE, /* feedback has stopped */
    ESTIMATOR_BY_REMB,
    ESTIMATOR_LIMITS
};

struct estimator {
    struct delay_groups groups;
    struct delay_queue queue;
    struct trendline trendline;
    struct aimd aimd;
    struct loss loss;
    struct probe probe;
    struct train train;
    struct estimator_rate acked; /* by arrival */
    struct estimator_rate sent;
    int64_t estimate_bps;
    enum estimator_limit limit;
    bool app_limited;
    bool probed;             /* a probe raised the estimate (estimator_take_probed) */
    int64_t next_check_us;   /* for app_limited */
    int64_t troubled_us;     /* the path was last seen not to be clear (estimator_pace_bps) */
    int64_t rtt_us;          /* smoothed; 0: unknown */
    int64_t queue_us;        /* in queues, the least of the last report */
    int64_t queue_before_us; /* and of the one before */
    int64_t newest_queue_us; /* of the newest packet that arrived */
    int64_t newest_sent_us;  /* and when it was sent */
    int64_t seq_next;        /* one past the highest number reported on */
    double packet_bytes;     /* of a packet on average */
    /* the report that is being read */
    int64_t report_sent_us; /* when the newest packet that it received was sent; INT64_MIN: none */
    int64_t report_queue_us;
    bool report_overuse;
    bool report_any;
    /* feedback that stops */
    bool has_feedback;  /* transport-wide feedback has come */
    int64_t waiting_us; /* the first packet sent since the last report; INT64_MAX: none */
    int64_t next_backoff_us;
    bool silent;
    int64_t heard_bps; /* the rate when it began */
    /* clients without it */
    int64_t remb_bps;  /* 0: none came */
    int64_t plain_bps; /* bound from the loss in receiver reports */
    bool plain_lossy;  /* the last one told of some */
};

/* start_bps is held within the limits. */
void estimator_init(struct estimator *e, int64_t start_bps, int64_t now_us);

/* A packet is sent: size as given to twcc_sender_next, whose tag has to be estimator_tag. */
void estimator_sent(struct estimator *e, uint16_t size, int64_t now_us);
/* The same for packets that were sent from from_us to now_us, bytes in all, while there was no cluster
 * (estimator_tag was 0): so that who sends to many need not look at each one's estimator for every packet.
 * Call it before the results of a report, and at least each 100 ms while something is sent. */
void estimator_sent_many(struct estimator *e, uint32_t bytes, int64_t from_us, int64_t now_us);

static inline uint8_t estimator_tag(const struct estimator *e)
{
    return probe_tag(&e->probe);
}

/* One result of a feedback block; arg is the estimator: for twcc_sender_feedback. */
void estimator_result(void *arg, const struct twcc_result *r);
/* After the results of a block, or of all blocks of a datagram. Returns the estimate. */
int64_t estimator_update(struct estimator *e, int64_t now_us);

/* What the sender would send if it could, all layers that the viewer wants; 0: no more than it does. */
void estimator_wanted_set(struct estimator *e, int64_t wanted_bps, int64_t now_us);

/* A cluster is being sent, or is to begin at once (by estimator_probe_due). */
static inline bool estimator_probes(const struct estimator *e)
{
    return e->probe.active || e->probe.queued;
}

/* Did a probe raise the estimate since the last call? */
bool estimator_take_probed(struct estimator *e);

/* Was the path ever found full, by delay, by loss or by silence? Before that the estimate says only what was
 * borne out so far. */
bool estimator_found_full(const struct estimator *e);

/* Does what is sent get through? No queue stands, nothing to speak of is lost, no link has just got slower.
 * An estimate may be lower all the same: it falls by a share when frames that meet wait for one another. */
bool estimator_is_clear(const struct estimator *e);

/* The rate at which bursts may go out: never below the estimate, and unknown_bps while nothing is known. On a
 * path that is clear (for a second no overuse, no queue, no loss to speak of) as fast as the bursts before
 * were seen to get through (train.h). An estimate says what may go in the long run, and grows no further than
 * what is sent bears out; how fast a single frame may go is another question. Sent at the estimate, the
 * frames of a camera would be cut to pieces on a path that has ten times the room. */
int64_t estimator_pace_bps(const struct estimator *e, int64_t unknown_bps, int64_t now_us);

/* Bytes of a probe cluster that should go now beside what goes anyway (probe_due); 0: none. */
int64_t estimator_probe_due(struct estimator *e, int64_t now_us);

/* When estimator_timeout or estimator_probe_due has something to do; INT64_MAX: never. */
int64_t estimator_next_timeout(const struct estimator *e, int64_t now_us);
/* Backs off where feedback has stopped, decides on probes. Returns the estimate. */
int64_t estimator_timeout(struct estimator *e, int64_t now_us);

/* For clients without transport-wide feedback; once that has come both are without effect. REMB
 * (draft-alvestrand-rmcat-remb-03) is an upper bound; the share lost (0 to 255 of 256, from a receiver
 * report) moves the rate as draft-ietf-rmcat-gcc-02, section 6: up by 8 % a report below 2 %, down above 10
 * %. Return the estimate. */
int64_t estimator_remb(struct estimator *e, uint64_t remb_bps, int64_t now_us);
int64_t estimator_plain_loss(struct estimator *e, uint8_t fraction_lost, int64_t now_us);

#endif
