/* A viewer in virtual time as Chromium behaves: transport-wide feedback each 50 to 250 ms by what comes,
 * NACKs at once and then once a round trip, PLIs when nothing can be decoded, receiver reports, a frame
 * buffer (net_video.h) and a jitter buffer (net_neteq.h) for each stream. */
#ifndef SUPPORT_NET_VIEWER_H
#define SUPPORT_NET_VIEWER_H

#include "cc/twcc.h"
#include "rtp/receiver_stats.h"
#include "support/net_neteq.h"
#include "support/net_sender.h"
#include "support/net_video.h"

#define NET_VIEW_MAX 8 /* publishers that a viewer watches */
#define NET_NACK_MAX 1000
#define NET_SEEN     4096

struct net_lost {
    int64_t seq, asked_us;
    uint8_t tries;
};

/* One subscription. */
struct net_view {
    struct net_viewer *viewer;
    struct net_sender *sender;
    uint32_t sub, ssrc, rtx_ssrc;
    bool is_video, asked_key;
    int64_t subscribed_us, first_us; /* of the first packet; 0: none yet */
    struct receiver_stats stats;
    bool stats_known;
    struct seq_unwrap unwrap;
    int64_t newest; /* extended; -1: nothing came */
    int64_t newest_us;
    int64_t seen[NET_SEEN];
    struct net_lost lost[NET_NACK_MAX];
    unsigned lost_count;
    int64_t pli_us;
    struct net_video video;
    struct net_neteq sound;
    /* of the server, by datagrams it sent */
    uint64_t server_sent, server_dropped; /* packets, for the first time; dropped: by the link's queue */
    struct seq_unwrap server_unwrap;
    int64_t server_seen[NET_SEEN];
    int64_t server_delay_us; /* longest time in the server, of sound that arrived */
    uint32_t newest_tag;
    /* counted */
    uint64_t packets, again, useless; /* useless: came again, and was there already */
    unsigned plis, nacks;
    int8_t told_layer; /* as the newest event says */
    bool told_paused;
};

/* What came in a tenth of a second. */
struct net_sample {
    double at_s, link_bps, estimate_bps, sent_bps, useful_bps, queue_ms;
    int8_t layer; /* of the first video; -1: nothing shown lately */
    uint8_t fps;
};

struct net_viewer {
    struct net_peer *peer;
    struct net_view views[2 * NET_VIEW_MAX];
    unsigned view_count;
    struct twcc_recorder recorder;
    int64_t feedback_us, nack_us, report_us, sample_us;
    bool wants_red;
    uint64_t bytes_window; /* since the last feedback's interval was chosen */
    int64_t window_us;
    double rate_bps;
    /* by time of arrival, each a tenth of a second */
    struct net_sample *samples;
    size_t sample_count, sample_cap;
    uint64_t useful_bytes, all_bytes; /* so far, headers included */
    uint64_t sample_useful, sample_all, sample_shown;
    uint64_t paddings;
    /* waiting times in the bottleneck, of every packet by when it was sent; below zero: its queue was full */
    struct {
        int64_t at_us, queue_us;
    } * queues;
    size_t queue_count, queue_cap;
};

struct net_viewer *net_viewer_add(struct net_world *w, unsigned worker, bool red);
void net_viewer_free(struct net_viewer *v);
void net_viewer_start(struct net_viewer *v); /* after net_begin */

/* Subscribes to what a publisher has; the video is returned (or the sound, if there is no video). */
struct net_view *net_viewer_watch(struct net_viewer *v, struct net_sender *s, bool voice, bool camera);

int64_t net_viewer_estimate(const struct net_viewer *v); /* the server's, bit/s */

/* ---- figures; times are seconds from net_begin ---- */
double net_viewer_useful(const struct net_viewer *v, double from_s, double to_s); /* bit/s, headers too */
double net_viewer_queue_ms(const struct net_viewer *v, double from_s, double to_s, double percentile);
/* The time after from_s until no packet of half a second waits longer than limit_ms. */
double net_viewer_queue_back_s(const struct net_viewer *v, double from_s, double to_s, double limit_ms);
double net_viewer_loss(const struct net_viewer *v, double from_s, double to_s); /* by the link's queue */
double net_viewer_estimate_min(const struct net_viewer *v, double from_s, double to_s);
double net_viewer_estimate_mean(const struct net_viewer *v, double from_s, double to_s);
/* Of the first video; nothing shown counts as -1. */
double net_viewer_layer_mean(const struct net_viewer *v, double from_s, double to_s);

#endif
