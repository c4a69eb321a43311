/* The REST API of the web client: rooms to make, look at and join, what a client must know of the server, and
 * its health; and for administrators of a room (a token with roomAdmin) what somebody in it receives and why
 * no more. Bodies are JSON; every error is {"error":{"code":"snake_case","message":"A sentence."}}. */
#ifndef API_API_H
#define API_API_H

#include "config/config.h"
#include "control/control.h"
#include "http/http.h"
#include "room/room.h"

struct api;

struct api_config { /* all of it outlives the API */
    const struct config *cfg;
    struct control *control;
    struct http *http; /* routes are added to it: before http_start */
    struct room_server *rooms;
};

struct api *api_new(const struct api_config *c); /* NULL with errno set */
void api_free(struct api *a);                    /* after http_stop; NULL is allowed */

#endif
