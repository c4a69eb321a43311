/* Inside sdp/ only: building descriptions of our own (answer.c, offer.c). */
#ifndef SDP_BUILD_H
#define SDP_BUILD_H

#include "sdp/internal.h"
#include "sdp/negotiate.h"

/* What a payload type or an extension id means in the sections accepted so far: within a bundle it may mean
 * only one thing (RFC 9143, section 9.1; RFC 8285, section 6). Points into the offer. */
struct sdp_bundle_map {
    const struct sdp_codec *codec[128];
    const char *uri[256];
};

/* One codec that is to be answered, and its RTX (NULL: none). */
struct sdp_pick {
    const struct sdp_codec *codec, *rtx;
    uint8_t fb;
};

/* Chooses and orders the codecs of an offered section; dir is ours. Returns how many (0: none is left). */
unsigned sdp_pick_codecs(const struct sdp_media *offered, const struct sdp_caps *caps,
    const struct sdp_decision *d, enum sdp_dir dir, const struct sdp_bundle_map *map,
    struct sdp_pick picks[SDP_CODECS_MAX]);

/* The fmtp to answer to an offered one. NULL: none, or no memory (see the arena). */
const char *sdp_answer_fmtp(struct sdp_arena *a, const struct sdp_codec *codec, const struct sdp_decision *d,
    enum sdp_dir dir, const struct sdp_caps *caps);

/* ICE, DTLS; candidates too if with_candidates. */
int sdp_put_transport(struct sdp_arena *a, struct sdp_media *m, const struct sdp_local *local,
    enum sdp_setup setup, bool with_candidates);

/* msid, sources and the FID group of a track. has_rtx: RTX is agreed for the codec that is sent. */
int sdp_put_track(struct sdp_arena *a, struct sdp_media *m, const struct sdp_track *track, bool has_rtx);

/* Origin and session-level flags. */
int sdp_put_session(struct sdp_session *s, const struct sdp_local *local);

/* The mids of all sections that are not rejected, as a BUNDLE group. */
int sdp_put_bundle(struct sdp_session *s);

/* Opus parameters with ours put in: usedtx, stereo, maxaveragebitrate, sprop-stereo. */
const char *sdp_opus_fmtp(struct sdp_arena *a, const char *fmtp, const struct sdp_decision *d,
    const struct sdp_track *track, bool receive);

#endif
