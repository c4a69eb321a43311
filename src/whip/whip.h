/* WHIP (RFC 9725) and WHEP (draft-ietf-wish-whep): a call by plain HTTP requests. A publisher by WHIP and a
 * viewer by WHEP are ordinary participants, whom LiveKit's clients see and hear, and the other way round.
 * Control thread. */
#ifndef WHIP_WHIP_H
#define WHIP_WHIP_H

#include "config/config.h"
#include "http/http.h"
#include "room/room.h"

struct whip;

struct whip_config {
    const struct config *cfg;
    struct http *http; /* routes are added to it: before http_start */
    struct room_server *rooms;
};

/* NULL with errno set. All pointers outlive it. */
struct whip *whip_new(const struct whip_config *c);

/* After the rooms were closed. NULL is allowed. */
void whip_free(struct whip *w);

#endif
