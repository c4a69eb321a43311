/* LiveKit's client protocol: the WebSocket at /rtc and /rtc/v1, and the routing of data packets. Control
 * thread, save where said. */
#ifndef SIGNAL_SIGNAL_H
#define SIGNAL_SIGNAL_H

#include "auth/token.h"
#include "config/config.h"
#include "control/control.h"
#include "http/http.h"
#include "room/room.h"
#include "sfu/data.h"

/* ---- data packets ---- */

/* Routes the DataPackets of all rooms; its tables belong to the sctp thread. */
struct data_router;

struct data_router *data_router_new(void); /* any thread; NULL: no memory */

/* The ops for the media side; arg is the router. */
extern const struct sfu_data_ops data_router_ops;

/* Where packets go out. Before the first room exists. */
void data_router_connect(struct data_router *r, struct sfu *sfu);

/* After the media side has stopped. NULL is allowed. */
void data_router_free(struct data_router *r);

/* ---- sessions ---- */

struct signal;

struct signal_config {
    const struct config *cfg;
    struct control *control;
    struct http *http; /* routes are added to it: before http_start */
    struct room_server *rooms;
    struct data_router *router;
};

/* NULL with errno set. All pointers outlive it. Watches rooms and participants (room_server_watch). */
struct signal *signal_new(const struct signal_config *c);

/* After http_stop. */
void signal_free(struct signal *s);

#endif
