/* What a browser makes of the packets of one VP8 stream: frames by their picture ids, their references by the
 * rules of libwebrtc's reference finder (TL0PICIDX, temporal layers, layer sync), a frame buffer that decodes
 * what can be decoded when it is to be shown, a playout delay that follows the jitter, and freezes as
 * getStats counts them. What a frame truly needs is in its tag: a frame that the rules let through although
 * its reference was not decoded is counted as broken. */
#ifndef SUPPORT_NET_VIDEO_H
#define SUPPORT_NET_VIDEO_H

#include "rtp/payload.h"
#include "support/net_sender.h"

#define NET_FRAMES     512    /* that the buffer knows */
#define NET_DELAYS     100    /* frames that the playout delay is taken from */
#define NET_IN_TIME_US 250000 /* a frame that can be decoded so long after the best case is in time */
#define NET_GAPS       30     /* the mean of so many intervals tells what a freeze is */
#define NET_FREEZE_US  150000

struct net_frame {
    bool used, complete, known, decoded, key, sync, nacked;
    uint8_t temporal;
    int64_t picture, tl0; /* extended */
    int64_t ts_us;        /* of its RTP timestamp, extended */
    int64_t first, last;  /* extended sequence numbers; -1: not known */
    uint32_t packets;
    int64_t complete_us, ready_us, render_us; /* ready: what it needs has come too */
    int64_t refs[3];                          /* pictures; -1: none */
    struct net_tag tag;
};

/* One frame that was shown. */
struct net_shown {
    int64_t at_us;
    uint8_t layer, temporal;
};

struct net_video {
    struct net_frame frames[NET_FRAMES];
    struct {
        int64_t tl0, picture[3];
    } groups[NET_FRAMES];
    int64_t newest_picture, newest_tl0, first_picture, newest_ts; /* -1: none */
    int64_t decoded;                                              /* the newest picture that was decoded */
    uint32_t last_ts;
    int64_t offset_us; /* arrival of a frame without any delay, against its timestamp */
    bool has_offset;
    int64_t offset_at_us;
    int64_t delays_us[NET_DELAYS];
    unsigned delay_count;
    unsigned nacked;   /* frames that waited for retransmissions */
    int64_t nacked_us; /* the newest of them */
    int64_t next_us;   /* when something is to be decoded */
    int64_t shown_us;  /* 0: nothing yet */
    int64_t intervals_us[NET_GAPS];
    unsigned interval_count;
    uint32_t truth[NET_LAYERS][NET_FRAMES]; /* frames that were decoded, by layer */
    struct net_shown *shown;                /* all that were */
    size_t shown_count, shown_cap;
    bool *in_time; /* by picture, from the first one on: it was ready soon enough */
    size_t in_time_cap;
    /* counted */
    uint64_t complete, broken, keys;
    uint64_t freezes, switches; /* switches: of the spatial layer */
    int64_t freeze_us, freeze_max_us;
    struct {
        int64_t at_us, us;
    } freeze_log[64];
};

void net_video_init(struct net_video *v);
void net_video_done(struct net_video *v);

/* A media packet, for the first time; again: it came as a retransmission. seq is extended. */
void net_video_input(struct net_video *v, int64_t seq, uint32_t ts, bool marker, const struct payload_info *i,
    const struct net_tag *tag, bool again, int64_t now_us);

/* Decodes and shows what is due; the time of the next one is in next_us (INT64_MAX: nothing). */
void net_video_run(struct net_video *v, int64_t now_us);

/* The sequence number below which nothing is of use any more; -1: not known. */
int64_t net_video_needless(const struct net_video *v);

/* Pictures that were announced by their numbers, from the first one on. */
int64_t net_video_pictures(const struct net_video *v);
/* Of the pictures from the from-th one up to and without the to-th, those that were there in time. */
int64_t net_video_in_time(const struct net_video *v, int64_t from, int64_t to);
/* Frames of this layer or above shown between two times; the time at which a layer was first shown after a
 * time (-1: never); the longest time without a frame in a span. */
unsigned net_video_shown(const struct net_video *v, int64_t from_us, int64_t to_us, int layer);
int64_t net_video_first(const struct net_video *v, int64_t from_us, int layer);
int64_t net_video_gap(const struct net_video *v, int64_t from_us, int64_t to_us);
unsigned net_video_switches(const struct net_video *v, int64_t from_us, int64_t to_us);

#endif
