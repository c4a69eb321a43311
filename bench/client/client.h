/* One participant: signalling, a peer connection and its UDP socket. Many of them share a thread's loop.
 *
 * It joins with its tracks announced and its offer inside, adds receiving sections when the server asks for
 * them, and reports on what it receives as browsers do: receiver reports and transport-wide feedback. It
 * repairs no loss, so that loss is seen. */
#ifndef BENCH_CLIENT_CLIENT_H
#define BENCH_CLIENT_CLIENT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include "base/packet.h"
#include "cc/twcc.h"
#include "livekit.h"
#include "net/loop.h"
#include "net/udp.h"
#include "offer.h"
#include "peer.h"

/* What the clients of a thread share; it outlives them. */
struct client_env {
    struct loop *loop;
    struct packet_pool *pool;
    struct ice_stun *stun;
    struct cert *cert;
    struct dtls_context *dtls;
    struct addr server; /* of HTTP */
    const char *key, *secret;
};

int client_env_init(struct client_env *e, const struct addr *server, const char *key, const char *secret);
void client_env_done(struct client_env *e);

struct client;

struct client_ops {
    /* A genuine packet came; data is valid during the call. */
    void (*rtp)(void *arg, struct client *c, const uint8_t *data, size_t len, const struct rtp_packet *h);
    /* The server wants a key frame of a stream of ours. */
    void (*key_frame)(void *arg, struct client *c, uint32_t ssrc);
    /* Over, against our will or after client_leave; once and last. */
    void (*ended)(void *arg, struct client *c, const char *why);
};

/* When things happened, microseconds of clock_now_us; 0: not yet. */
struct client_times {
    int64_t open_us;      /* connecting the WebSocket began */
    int64_t joined_us;    /* join response */
    int64_t answered_us;  /* first answer */
    int64_t ice_us;       /* a path answered */
    int64_t connected_us; /* DTLS is up */
    int64_t asked_us;     /* the server asked for another offer */
    int64_t bound_us;     /* an answer brought a track to receive */
    int64_t audio_us;     /* first packet of each kind */
    int64_t video_us;
};

struct client_stream; /* what is received under one SSRC */
struct client_source; /* what is sent in one section */

struct client {
    struct client_env *env;
    const struct client_ops *ops;
    void *arg;
    struct livekit *livekit;
    struct peer peer;
    struct offer offer;
    struct sdp_session *offered; /* the newest offer, until it is answered */
    struct udp_socket udp;
    struct loop_fd *watch;
    struct wheel_timer timer;
    struct client_times times;
    struct client_stream *streams; /* by SSRC */
    struct client_source *sources; /* by section: the first source_count ones send */
    unsigned source_count;
    struct twcc_recorder recorder;
    uint16_t twcc_next; /* transport-wide number of the next packet sent */
    uint32_t ssrc;      /* of our feedback */
    uint32_t offer_id;  /* of the newest offer */
    bool feedback;      /* transport-wide feedback was agreed on for what we receive */
    bool remote_known;  /* an answer was applied */
    bool offer_again;   /* once the offer on its way is answered */
    bool left, ended;
    int64_t report_us;       /* the next receiver or sender reports */
    int64_t now_us;          /* of the callback under way */
    uint64_t received_bytes; /* of RTP packets that proved genuine */
};

struct client_join {
    const char *room, *identity;
    unsigned audio, video; /* tracks to publish: sections 0 to audio + video - 1 */
    /* receiving sections to offer from the start (more are added as the server asks) */
    unsigned receive_audio, receive_video;
};

/* Joins. ops and arg must outlive the client. 0 or -errno (nothing will be called). */
int client_open(struct client_env *env, const struct client_join *join, const struct client_ops *ops,
    void *arg, struct client **ret);
void client_leave(struct client *c); /* ended follows */
void client_free(struct client *c);  /* not inside a callback; NULL is allowed */

/* May the track of this section be sent? */
bool client_may_send(const struct client *c, unsigned section);

/* Sends a packet of a published track: payload type and SSRC are filled in, mid and transport-wide number
 * added. index: rollover counter << 16 | sequence number. 0 or as peer_send_rtp. */
int client_send(struct client *c, unsigned section, uint64_t index, uint32_t ts, bool marker,
    const uint8_t *payload, size_t len);

/* Bytes of the RTP header that client_send writes for a section. */
size_t client_header_len(const struct client *c, unsigned section);

#endif
