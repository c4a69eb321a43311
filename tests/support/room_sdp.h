/* A browser's end of descriptions, for tests of rooms: sections as transceivers make them, offers as Chromium
 * and Firefox write them, and answers to the server's offers. Independent of src/sdp's printer. */
#ifndef SUPPORT_ROOM_SDP_H
#define SUPPORT_ROOM_SDP_H

#include <stdbool.h>
#include <stdint.h>
#include "base/strbuf.h"
#include "sdp/sdp.h"

#define PC_SECTIONS_MAX SDP_MEDIA_MAX
#define PC_ID_MAX       64

/* Codecs that a client has switched off, e.g. pc.without = PC_H264 | PC_AV1. */
enum { PC_VP8 = 1, PC_VP9 = 2, PC_H264 = 4, PC_AV1 = 8, PC_OPUS = 16, PC_RED = 32, PC_RTX = 64 };

struct pc_section {
    enum sdp_kind kind;
    char mid[8];
    bool sends, receives;
    bool stopped;    /* offered with port 0 */
    bool negotiated; /* an answer has come */
    unsigned without;
    char stream[PC_ID_MAX], cid[PC_ID_MAX];
    unsigned rids; /* layers: 0 or 1 to 3 */
    uint32_t ssrc; /* base of what it sends */
};

struct pc {
    bool firefox;
    unsigned without; /* of all sections */
    unsigned n;
    struct pc_section sections[PC_SECTIONS_MAX];
    unsigned version, generation; /* of the origin line; of the ICE credentials */
    uint32_t number;              /* tells connections apart */
    char setup[16];               /* of its offers: actpass */
    char fingerprint[100];
};

void pc_init(struct pc *pc, uint32_t number, bool firefox);

/* Appends a section. Its index. */
unsigned pc_add(struct pc *pc, enum sdp_kind kind, bool sends, bool receives);
void pc_add_data(struct pc *pc);

/* The section that sends a track, or NULL. */
struct pc_section *pc_sender(struct pc *pc, const char *cid);

/* New ICE credentials in the next description. */
void pc_restart(struct pc *pc);

/* The offer as it stands. */
void pc_offer(struct pc *pc, struct strbuf *out);

/* An answer to an offer of the server, which is taken over into the sections: it receives everything, but
 * sections of media whose bit is set in inactive or rejected. */
void pc_answer(
    struct pc *pc, const struct sdp_session *offer, uint64_t inactive, uint64_t rejected, struct strbuf *out);

#endif
