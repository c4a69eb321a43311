/* How a guest listens: the ops table of room_guest.c. */
#ifndef SUPPORT_ROOM_OPS_H
#define SUPPORT_ROOM_OPS_H

#include "support/room_guest.h"

extern const struct participant_ops guest_ops;

/* Takes in what is told of a participant. */
void guest_see(struct guest *g, const struct participant *p);

#endif
