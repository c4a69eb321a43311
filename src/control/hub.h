/* Rooms and the media side, joined on the control thread: commands one way, events the other, one clock for
 * both.
 */
#ifndef CONTROL_HUB_H
#define CONTROL_HUB_H

#include <stddef.h>
#include "config/config.h"
#include "control/control.h"
#include "room/room.h"
#include "sfu/sfu.h"

struct hub;

struct hub_config {
    const struct config *cfg;
    struct control *control;
    struct dtls_context *dtls;
    const char *fingerprint;             /* "AA:BB:...", SHA-256 of the certificate behind dtls; copied */
    const struct sfu_data_ops *data_ops; /* as in struct sfu_config */
    void *data_arg;
};

/* Opens the media ports and makes an empty table of rooms. Where a STUN server is configured and no address
 * is announced, it is asked for ours first, SFU_DISCOVER_US at most. Before control_start, or on the control
 * thread. Everything in c but fingerprint outlives the hub. 0, or -errno with one line in error (size bytes),
 * which is empty after success. */
int hub_new(const struct hub_config *c, struct hub **ret, char *error, size_t size);

struct room_server *hub_rooms(const struct hub *h);
struct sfu *hub_sfu(const struct hub *h);

/* Starts the media threads. 0 or -errno. */
int hub_start(struct hub *h);

/* Says goodbye to everybody and closes all rooms. Control thread; the front ends must still be there. */
void hub_goodbye(struct hub *h);

/* Ends the media threads. Any thread but theirs; once control runs no more, or after hub_goodbye. */
void hub_stop(struct hub *h);

void hub_free(struct hub *h); /* after control_stop; NULL is allowed */

#endif
