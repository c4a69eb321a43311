/* A session of LiveKit's client protocol: one participant's signalling over a WebSocket, in the
 * single-connection form (/rtc/v1 with a join request; the client makes every offer). Messages are those of
 * src/proto; pings are sent as the server asks. One thread. */
#ifndef BENCH_CLIENT_LIVEKIT_H
#define BENCH_CLIENT_LIVEKIT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include "base/addr.h"
#include "net/loop.h"
#include "proto/signal.pb-c.h"

struct livekit;

struct livekit_ops {
    /* Every message of the server, the first is a join response. It is valid during the call. */
    void (*response)(void *arg, const Livekit__SignalResponse *r);
    void (*closed)(void *arg, const char *why); /* once and last; also when joining is refused */
};

struct livekit_join {
    struct addr server;       /* of HTTP */
    const char *key, *secret; /* the API key that signs the token */
    const char *room, *identity;
    bool auto_subscribe;
    bool hidden;       /* the others are not told of it */
    bool deaf;         /* what is told of others is not unpacked: response hears nothing of it */
    const char *offer; /* id 1 */
    /* tracks to be published, announced with the join; NULL if there are none */
    Livekit__AddTrackRequest **tracks;
    size_t track_count;
};

/* Signs a token and connects. ops and arg must outlive the session; the rest is needed during the call only.
 * *ret_open_us, unless NULL, is the time at which connecting began. 0 or -errno (nothing will be called). */
int livekit_open(struct loop *loop, const struct livekit_join *join, const struct livekit_ops *ops, void *arg,
    int64_t *ret_open_us, struct livekit **ret);
void livekit_free(struct livekit *l); /* not inside a callback; NULL is allowed */

/* Sends a request. 0, -ENOTCONN, -ENOBUFS or -ENOMEM. */
int livekit_send(struct livekit *l, const Livekit__SignalRequest *r);

int livekit_offer(struct livekit *l, const char *sdp, uint32_t id);

/* Says goodbye and closes the socket; closed follows. */
void livekit_leave(struct livekit *l);

#endif
