/* The offers of a client: Opus and VP8 with the payload types, extensions and feedback of Chromium, one
 * bundle. Sections are only ever added. */
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
};

#define OFFER_CID_MAX 32 /* bytes of a cid with its zero */

struct offer_section {
    enum sdp_kind kind; /* audio or video */
    bool sends;         /* otherwise it receives */
    /* of what is sent */
    char cid[OFFER_CID_MAX];
    uint32_t ssrc, rtx_ssrc; /* rtx_ssrc: video only */
};

struct offer {
    struct offer_section *sections; /* the n-th has mid "n" */
    unsigned count;
    uint32_t id, version;
};

void offer_init(struct offer *o);
void offer_done(struct offer *o);

/* Adds a section; -ENOMEM, or -ENOSPC beyond SDP_MEDIA_MAX. Returns its number otherwise. The section may
 * move. */
int offer_add(struct offer *o, enum sdp_kind kind, bool sends);

/* Appends the text; errors are the strbuf's. Each call is a new version. */
void offer_print(
    struct offer *o, const struct ice_credentials *ice, const char *fingerprint, struct strbuf *out);

#endif
