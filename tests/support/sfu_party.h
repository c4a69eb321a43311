/* A publisher of one voice and one camera, and subscribers to both, on any number of workers. */
#ifndef SUPPORT_SFU_PARTY_H
#define SUPPORT_SFU_PARTY_H

#include "support/sfu_source.h"

#define PARTY_SUBS_MAX 16

enum { AUDIO, VIDEO };

struct party {
    struct sfu_rig rig;
    struct sfu_rig_peer *publisher, *subs[PARTY_SUBS_MAX];
    uint32_t audio, video;                                         /* tracks */
    uint32_t audio_sub[PARTY_SUBS_MAX], video_sub[PARTY_SUBS_MAX]; /* subscriptions */
    struct source *voice, *camera;
    unsigned count;
};

struct party_options {
    unsigned workers, subs;
    bool tcp;
    bool red_up, red_down;   /* RED is negotiated with the publisher, with the subscribers */
    const char *const *rids; /* of the camera, lowest first; NULL: no simulcast, and camera is made */
    unsigned rid_count;
};

/* Opens a media side and connects everybody; returns when all subscriptions are in place. The publisher is on
 * worker 0, subscriber n on worker (n + 1) % workers. */
void party_open(struct party *t, const struct party_options *o);
void party_close(struct party *t);

/* Until so many tracks and subscriptions exist. */
void party_settle(struct party *t, unsigned tracks, unsigned subs);

uint32_t party_ssrc(unsigned sub, uint8_t kind); /* the RTX SSRC of video is one higher */
struct heard_stream *party_heard(struct party *t, unsigned sub, uint8_t kind);
struct heard_stream *party_rtx(struct party *t, unsigned sub);
bool party_all_heard(struct party *t, size_t audio, size_t video); /* so many packets, everybody */

/* Every packet of the source from index first on, once and in order, and nothing else. */
void party_assert_forwarded(const struct heard_stream *s, const struct source *src, uint64_t first);

/* Opens, sends voice and pictures, and closes: everybody hears everything. A frame goes when the one before
 * was heard by all, however long that takes. */
void party_forward(struct party *t, const struct party_options *o);

#endif
