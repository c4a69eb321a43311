/* Flows over a link in virtual time, for tests of congestion control: paced video senders that follow their
 * estimate, with real transport-wide feedback in both directions, and senders that behave as TCP. All flows
 * of a network share its bottleneck. What happened to every packet is kept, so that a test can ask for any
 * figure of any span afterwards. */
#ifndef TESTS_NET_FLOW_H
#define TESTS_NET_FLOW_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include "cc/estimator.h"
#include "cc/twcc.h"
#include "net/link.h"

#define FLOWS_MAX     4
#define FLOW_SLOTS    4096
#define FLOW_START_US INT64_C(1000000) /* virtual time of a network's beginning */
#define FLOW_TICK_US  1000             /* senders have a turn this often, as a server's timer */
#define FLOW_FRAME_US 33333
#define FLOW_PACKET   1200

struct flow_packet {
    int64_t sent_us;
    int64_t recv_us;  /* 0: lost */
    int64_t queue_us; /* waited in the bottleneck */
    uint16_t size;
    bool probe; /* padding, no media */
};

struct flow_sample {
    int64_t at_us, estimate_bps;
};

struct tcp_flow {
    double window, threshold; /* packets */
    int64_t next, acked;      /* numbers; acked: one past the highest one that came back */
    int64_t in_flight;
    int64_t recover; /* no second decrease before this number is acknowledged */
    int64_t heard_us;
};

struct flow {
    bool used, tcp;
    int64_t from_us;    /* it begins then */
    int64_t wanted_bps; /* what its media could use */
    int64_t media_bps;  /* what its media has at most; less than wanted: limited by the application */
    struct estimator estimator;
    struct twcc_sender sender;
    struct twcc_sent slots[FLOW_SLOTS];
    struct twcc_recorder recorder;
    int64_t frame_us; /* the next frame */
    int64_t backlog;  /* bytes of media that wait in the pacer */
    int64_t level;    /* tokens of the pacer, bytes */
    int64_t refill_us;
    int64_t carry; /* of a frame's size, below a byte */
    struct tcp_flow tcp_state;
    struct flow_packet *packets; /* by transport-wide number */
    size_t count, cap;
    struct flow_sample *samples; /* each FLOW_TICK_US * 10 */
    size_t sample_count, sample_cap;
};

struct network {
    struct link out, back;
    struct flow flows[FLOWS_MAX];
    int64_t now_us;
};

/* shape is the bottleneck's (link_shape_parse) and back the way of the feedback. Aborts when it is not sound:
 * a test's own mistake. */
struct network *network_new(uint64_t seed, const char *shape, const char *back);
void network_free(struct network *n);

/* The bottleneck changes at this time from the beginning, by words. */
void network_change(struct network *n, double at_s, const char *words);

struct flow *network_media(struct network *n, double from_s, int64_t start_bps, int64_t wanted_bps);
struct flow *network_tcp(struct network *n, double from_s);
void flow_limit(struct flow *f, int64_t media_bps, int64_t wanted_bps, int64_t now_us);

void network_run(struct network *n, double until_s);

/* ---- figures; spans are seconds from the beginning, of sending ---- */

double flow_sent_bps(const struct flow *f, double from_s, double to_s);
/* Media that arrived (without padding), by the time of arrival. */
double flow_useful_bps(const struct flow *f, double from_s, double to_s);
double flow_loss(const struct flow *f, double from_s, double to_s);
/* Percentile (0 to 100) of the time in the bottleneck's queue, ms. */
double flow_queue_ms(const struct flow *f, double from_s, double to_s, double percentile);
double flow_estimate_mean(const struct flow *f, double from_s, double to_s);
double flow_estimate_min(const struct flow *f, double from_s, double to_s);
double flow_estimate_max(const struct flow *f, double from_s, double to_s);
/* The first time from from_s on, in seconds after it, at which the estimate is at least bps; -1: never. */
double flow_reaches_s(const struct flow *f, double from_s, double bps);
/* The time after from_s at which the last packet had waited longer than limit_ms, of those sent till to_s. */
double flow_queue_over_s(const struct flow *f, double from_s, double to_s, double limit_ms);

#endif
