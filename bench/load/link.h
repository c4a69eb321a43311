/* One peer connection to the server with a socket of its own: signalling by the target, ICE, DTLS, SRTP, and
 * the behaviour of a browser about media. */
#ifndef BENCH_LOAD_LINK_H
#define BENCH_LOAD_LINK_H

#include "cc/twcc.h"
#include "../client/offer.h"
#include "../client/peer.h"
#include "load.h"
#include "target.h"

enum link_state {
    LINK_WAITING, /* not begun */
    LINK_JOINING,
    LINK_CONNECTED, /* DTLS is up */
    LINK_FLOWING,   /* and everything that it subscribes to has come */
    LINK_ENDED,
};

/* What a payload type means on a link. */
enum link_pt { LINK_PT_UNKNOWN, LINK_PT_AUDIO, LINK_PT_VIDEO, LINK_PT_RTX };

struct stream; /* what is received under one SSRC (receive.c) */

struct link_rtx {
    uint32_t rtx_ssrc, ssrc;
};

struct link {
    struct load *load;
    struct target_link *signal;
    struct peer peer;
    int fd;
    enum link_state state;
    bool subscribes;
    bool fixed;   /* the socket is connected to the path in use */
    bool sampled; /* every packet is decrypted */
    bool opens;   /* those of the read under way are */
    uint8_t pt[128];
    uint8_t twcc_id;             /* of what is received; 0: none */
    bool feedback;               /* transport-wide feedback was agreed on for it */
    bool media_forged, no_media; /* counted as a failure already */
    uint8_t refused;             /* times that the port turned out closed, in a row */
    unsigned reads;              /* of the socket */
    unsigned number, room, member;
    char publisher[32], identity[32]; /* publisher: whom it subscribes to, if only one */

    struct offer offer;
    struct sdp_session *offered; /* the newest offer of ours, until it is answered */
    unsigned answers;            /* made by us */
    bool offer_again, remote_known;
    struct addr local;
    char candidate[96];
    struct path path; /* in use */

    struct stream *streams;
    uint32_t *ssrcs; /* of the streams, for looking them up */
    unsigned stream_count, last_stream, expected_streams, seen_streams;
    unsigned missing; /* streams that wait for lost packets, or for a key frame */
    struct link_rtx *rtx;
    unsigned rtx_count;
    struct twcc_recorder *recorder;
    uint32_t ssrc; /* of our feedback */
    uint64_t received;

    struct source *sources; /* by section */
    unsigned source_count;
    uint16_t twcc_next;

    int64_t open_us, connected_us, flowing_us; /* 0: not yet */
    int64_t report_us, pli_us;
    int64_t peer_us; /* when ICE and DTLS want their turn */
};

struct link_spec {
    unsigned number, room, member;
    bool publishes, subscribes;
    unsigned expected_audio, expected_video; /* streams to receive in the end */
    const char *publisher;                   /* NULL: everybody */
};

/* NULL without memory or sockets (errno). */
struct link *link_new(struct load *g, const struct link_spec *spec);
void link_free(struct link *l); /* NULL is allowed */

/* Begins to join. What fails is counted. */
void link_join(struct link *l);
void link_leave(struct link *l);

/* Does what time asks for. */
void link_run(struct link *l, int64_t now_us);

/* Its socket is readable. */
void link_read(struct link *l);

/* It is over; counted as a failure unless the tester ends it. */
void link_end(struct link *l, enum load_failure why, const char *text);

/* ---- between the files of a link ---- */

int link_socket_open(struct link *l);
void link_socket_close(struct link *l);
int link_add_path(struct link *l, const struct addr *remote);
void link_socket_fix(struct link *l); /* once a path was nominated */
void link_send(struct link *l, const struct path *path, const uint8_t *data, size_t len);

struct link_out {
    const uint8_t *data;
    size_t len;
};
#define LINK_OUT_MAX 32
/* Several datagrams on the path in use; returns how many the kernel took. */
size_t link_send_many(struct link *l, const struct link_out *out, size_t n);

void receive_done(struct link *l);
/* A packet of RTP: have bytes of len are there. at_us: wall time of its arrival, 0: not known. */
void receive_rtp(struct link *l, uint8_t *data, size_t have, size_t len, int64_t at_us);
void receive_rtcp(struct link *l, const uint8_t *data, size_t len);
void receive_run(struct link *l, int64_t now_us);
void receive_reset(struct link *l); /* counting begins now */
/* Adds the media packets that should have come by their numbers, and those that did. */
void receive_counts(const struct link *l, bool video_only, uint64_t *ret_expected, uint64_t *ret_received);
void receive_learn_rtx(struct link *l, const struct sdp_session *s);

#endif
