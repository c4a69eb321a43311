/* Finds out by short clusters of packets whether the path carries more than it is asked to. Decides when, at
 * which rate and how many; says while a cluster is being sent how many bytes are due; reads from feedback how
 * fast they arrived. What is sent is the caller's affair: media that goes anyway, retransmissions of real
 * packets, padding at last.
 *
 * Clusters are sent
 * - at the start: three and six times the start rate, then twice the last result while that succeeds;
 * - when more is wanted than the estimate (a layer above waits, the sender is not limited by its own media
 *   alone): at once when the wish is new, then every few seconds, more rarely after failures. One that found
 *   the path full tells less than the path carries: the next one goes at the rate that it found;
 * - after a sharp fall, when the queue is empty again: the rate from before the fall.
 * Never while the queue grows or stands.
 *
 * Wiring: put probe_tag into struct twcc_sent of every packet sent, and call probe_sent for it; at
 * probe_next_us, and whenever something is sent, ask probe_due and send packets until it is 0.
 *
 * Rates are bit/s. Pure; plain data. */
#ifndef CC_PROBE_H
#define CC_PROBE_H

#include <stdbool.h>
#include <stdint.h>
#include "cc/twcc.h"

#define PROBE_PACKETS_MIN 5
#define PROBE_PACKETS_MAX 128   /* of one cluster: 15 ms at 80 Mbit/s */
#define PROBE_DURATION_US 15000 /* a cluster is at least so long */
#define PROBE_TRACKS      4     /* clusters whose results are awaited */
#define PROBE_QUEUED      2     /* clusters decided and not yet begun */

struct probe_cluster {
    uint8_t id;       /* 1 to 255 */
    int64_t rate_bps; /* at which its packets are to go */
    uint32_t packets; /* at least so many */
    uint32_t bytes;   /* and so many bytes */
    bool found;       /* at the rate that one before it found: it asks for nothing new */
    bool first;       /* of the start phase: a result below the rate is believed as well */
};

/* What became of a cluster. */
struct probe_track {
    struct probe_cluster cluster; /* id 0: free */
    int64_t begun_us;
    bool complete; /* all of it has been sent */
    int64_t complete_us;
    uint32_t sent_packets, sent_bytes;
    uint32_t packets, bytes; /* that arrived */
    uint32_t lost;
    int64_t first_sent_us, last_sent_us, first_recv_us, last_recv_us;
    /* Packets of a cluster may go in bursts, a turn of the pacer each: the first burst is when the clock of
     * the arrivals starts (first_recv_us: of its last packet), the last one when that of the sending ends
     * (last_sent_us: of its first packet); their bytes are outside. */
    uint32_t first_bytes, last_bytes;
};

struct probe {
    struct probe_track tracks[PROBE_TRACKS];
    struct probe_cluster queue[PROBE_QUEUED];
    unsigned queued;
    uint8_t active; /* id of the cluster being sent; 0: none */
    uint8_t last_id;
    int64_t turn_us; /* the caller's: time between two calls of probe_due, each is given what is due until the
                        next one. 0: as often as probe_next_us says */
    int64_t wanted_bps;  /* what the sender would send if it could; 0: nothing more */
    int64_t found_bps;   /* at which the last cluster arrived, slower than it was sent; 0: it was asked for */
    int64_t recover_bps; /* a rate that went until just now; 0: none */
    int64_t recover_at_us;
    int64_t next_us; /* no cluster of the periodic kind before */
    int64_t interval_us;
    int64_t begun_us;    /* the last cluster */
    int64_t raised_us;   /* the last cluster that got through */
    int64_t reported_us; /* when the newest packet that a report spoke of was sent */
};

/* Where the estimate stands when a cluster may be decided on. */
struct probe_state {
    int64_t estimate_bps;
    int64_t max_bps;
    bool app_limited; /* less is sent than the estimate allows */
    bool quiet;       /* no overuse, no queue, no loss to speak of */
};

/* Begins with the clusters of the start. */
void probe_init(struct probe *p, int64_t start_bps, int64_t max_bps, int64_t now_us);

/* What would be sent if the path carried it; 0: no more than now. May be called as often as one likes. */
void probe_wanted_set(struct probe *p, int64_t wanted_bps, int64_t now_us);

/* The rate fell from before_bps; ask again when it is quiet. */
void probe_recover(struct probe *p, int64_t before_bps, int64_t now_us);

/* The queue grew, and the rate was lowered. Soon after a cluster that got through that one was misleading: a
 * link that others use seems empty between the frames of their video. Then clusters become rare. */
void probe_overuse(struct probe *p, int64_t now_us);

/* One got through a moment ago, and nothing spoke against it since. */
bool probe_climbs(const struct probe *p, int64_t now_us);

/* There are signs that the path carries more than it did: the next cluster goes sooner. */
void probe_hint(struct probe *p, int64_t now_us);

/* Decides; call it after each report and at probe_next_us. */
void probe_update(struct probe *p, const struct probe_state *s, int64_t now_us);

/* When probe_update has something to decide or probe_due something to send; INT64_MAX: never. */
int64_t probe_next_us(const struct probe *p, int64_t now_us);

/* How many bytes of a cluster should go now, beyond what goes anyway; 0: none. Begins a cluster that waits.
 * A packet may be larger than that; packets below 200 bytes make poor probes. */
int64_t probe_due(struct probe *p, int64_t now_us);

/* The tag of a packet sent now. */
static inline uint8_t probe_tag(const struct probe *p)
{
    return p->active;
}

/* A packet went, with probe_tag. */
void probe_sent(struct probe *p, uint16_t size, int64_t now_us);

/* News of a packet, whatever its tag. */
void probe_input(struct probe *p, const struct twcc_result *r);

/* After a report: takes the result of a cluster that is complete. false: none is. ret_bps is the rate at
 * which it arrived, at most the one at which it was sent; *ret_full: the path carried it all (it may carry
 * more); *ret_first: it was one of the start. When more is worth trying, the next cluster is already decided.
 */
bool probe_result_take(
    struct probe *p, int64_t rtt_us, int64_t now_us, int64_t *ret_bps, bool *ret_full, bool *ret_first);

#endif
