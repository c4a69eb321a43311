/* The offers of a client: Opus and VP8 (or H.264) with the payload types, extensions and feedback of
 * Chromium, one bundle. Sections are only ever added. */
#ifndef BENCH_CLIENT_OFFER_H
#define BENCH_CLIENT_OFFER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include "base/strbuf.h"
#include "ice/stun.h"
#include "sdp/sdp.h"

enum {
    OFFER_PT_OPUS = 111,
    OFFER_PT_VP8 = 96,
    OFFER_PT_VP8_RTX = 97,
    OFFER_PT_H264 = 102,
    OFFER_PT_H264_RTX = 103,
};

#define OFFER_LAYERS 3
extern const char *const offer_rids[OFFER_LAYERS]; /* "q", "h", "f": lowest first */

#define OFFER_CID_MAX 32 /* bytes of a cid with its zero */

struct offer_section {
    enum sdp_kind kind; /* audio or video */
    bool sends;         /* otherwise it receives */
    bool simulcast;     /* may be set by the owner: three layers by rid, and no SSRCs in the text */
    /* of what is sent */
    char cid[OFFER_CID_MAX];
    uint32_t ssrc, rtx_ssrc; /* rtx_ssrc: video only */
};

struct offer {
    struct offer_section *sections; /* the n-th has mid "n" */
    unsigned count;
    uint32_t id, version;
    /* may be set by the owner */
    bool h264;             /* all video is H.264 */
    bool capture_time;     /* video carries the time of capture */
    const char *candidate; /* "candidate:...", the only one; NULL: the server learns where we are */
};

void offer_init(struct offer *o);
void offer_done(struct offer *o);

/* Adds a section; -ENOMEM, or -ENOSPC beyond SDP_MEDIA_MAX. Returns its number otherwise. The section may
 * move. */
int offer_add(struct offer *o, enum sdp_kind kind, bool sends);

/* Appends the text; errors are the strbuf's. Each call is a new version. */
void offer_print(
    struct offer *o, const struct ice_credentials *ice, const char *fingerprint, struct strbuf *out);

/* The next offer, as text (*ret_text, the caller's to free) and as what its answer is read against: *offered
 * (NULL or an older one, which is freed) is replaced. -errno: nothing changed but the version. */
int offer_make(struct offer *o, const struct ice_credentials *ice, const char *fingerprint, char **ret_text,
    struct sdp_session **offered);

#endif
