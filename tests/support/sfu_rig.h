/* The media side as it runs, and clients of it on the test's thread. In a program that includes
 * support/virtual_net.h (in one file) time is virtual, the workers run on the test's thread, what is sent is
 * there at once, and randomness is the same in every run; there is no TCP and no data. In any other the
 * workers have their threads, datagrams go over loopback sockets, and time is real. Tests wait for
 * conditions, with a deadline. */
#ifndef SUPPORT_SFU_RIG_H
#define SUPPORT_SFU_RIG_H

#include "rtp/rtcp.h"
#include "sfu/sfu.h"
#include "support/rtc_client.h"
#include "support/seeded.h"

#define SFU_RIG_PEERS_MAX   64
#define SFU_RIG_STREAMS_MAX 64
#define SFU_RIG_HEAD        48

/* A packet that a client received. */
struct heard {
    struct rtp_packet h;
    struct payload_info payload; /* of VP8 payloads, filled by the sources' reader (sfu_source.h) */
    char mid[RTP_TEXT_MAX + 1];
    uint64_t hash; /* of the plain packet */
    int64_t at_us;
    uint8_t head[SFU_RIG_HEAD]; /* first bytes of the payload */
};

struct heard_stream {
    uint32_t ssrc;
    struct heard *packets;
    size_t count, cap;
    /* RTCP about or from it */
    unsigned plis, firs, nacks, reports, sender_reports;
    int64_t pli_us[256];       /* arrival of the first ones */
    uint16_t nacked[1024];     /* the first ones asked for */
    struct rtcp_report report; /* the newest that the server made of it */
    struct rtcp_sr sr;
    int64_t sr_us;
    char cname[64];
};

struct sfu_rig;

struct sfu_rig_peer {
    struct sfu_rig *rig;
    uint32_t id;
    uint8_t worker;
    int fd; /* UDP, or TCP when tcp; -1 in virtual time */
    bool tcp, removed;
    bool hung_up;          /* TCP: the server closed the connection */
    uint8_t in[2 + 65535]; /* TCP: bytes of the frame that is coming */
    size_t in_len;
    struct path path;
    struct ice_credentials remote; /* the server's */
    struct rtc_client client;
    struct heard_stream streams[SFU_RIG_STREAMS_MAX];
    size_t stream_count;
    uint64_t twcc_reports;
    uint32_t reference; /* middle of the newest reference time that the server told (RFC 3611) */
    unsigned references;
    uint32_t server_ssrc;      /* that it told it with */
    enum sfu_peer_state state; /* as the server's newest event says */
    bool state_tcp, gone;      /* gone: SFU_EVENT_PEER_REMOVED */
    char reason[48];
    unsigned qualities;
    struct sfu_event quality; /* the newest one */
    void (*on_data)(struct sfu_rig_peer *p, const uint8_t *data, size_t len);
    /* Is this datagram lost on its way to the client? NULL: none is. */
    bool (*loses)(struct sfu_rig_peer *p, const uint8_t *data, size_t len);
    void *arg;
};

struct sfu_rig {
    struct config cfg;
    struct dtls_context *server_dtls, *client_dtls;
    struct sfu *sfu;
    uint16_t udp_ports[SFU_WORKERS_MAX], tcp_port;
    struct sfu_rig_peer *peers[SFU_RIG_PEERS_MAX];
    size_t peer_count;
    struct sfu_event *events; /* all there were */
    size_t event_count, event_cap;
    uint32_t next_id;
    unsigned sent; /* packets of sources: they wait for the server now and then */
    bool stopped, is_virtual;
    struct seeded random; /* in virtual time, as the next port of a client */
    uint16_t next_port;
};

/* Opens and starts the media side. data_ops may be NULL. */
void sfu_rig_open(struct sfu_rig *r, unsigned workers, const struct sfu_data_ops *data_ops, void *data_arg);

/* Stops the threads; the clients may then be pumped to hear the goodbyes. */
void sfu_rig_stop(struct sfu_rig *r);

/* Stops it if it runs; nothing may be left of it but the clients. */
void sfu_rig_close(struct sfu_rig *r);

/* Group fixtures: the nonce law is watched in between. */
int sfu_rig_begin(void **state);
int sfu_rig_end(void **state);
/* Teardown of each test: stops the media side of one that failed. */
int sfu_rig_teardown(void **state);

/* A new client and its peer connection on a worker. server_role: of DTLS. */
struct sfu_rig_peer *sfu_rig_peer_add(
    struct sfu_rig *r, unsigned worker, bool tcp, enum dtls_role server_role);
void sfu_rig_peer_remove(struct sfu_rig_peer *p); /* posts SFU_PEER_REMOVE; the client stays */
/* The same in steps. Without remote the server is not told who comes; then sfu_rig_peer_introduce tells it.
 * fingerprint: NULL for the true one. */
struct sfu_rig_peer *sfu_rig_peer_add_late(struct sfu_rig *r, unsigned worker, bool tcp);
void sfu_rig_peer_introduce(struct sfu_rig_peer *p, const char *fingerprint);

/* The client gets another socket, and checks the path anew; keys stay. */
void sfu_rig_peer_move(struct sfu_rig_peer *p, bool tcp);
/* ICE restart on both sides, as signalling would do it. */
void sfu_rig_peer_restart(struct sfu_rig_peer *p);

void sfu_rig_connect(struct sfu_rig *r); /* until all clients are connected */

void sfu_rig_post(struct sfu_rig *r, const struct sfu_command *c); /* has to succeed */

/* Numbers for tracks and subscriptions, never the same twice. */
uint32_t sfu_rig_id(struct sfu_rig *r);

/* Waits up to ms for something to come in, and handles what there is; in virtual time that long passes. */
void sfu_rig_pump(struct sfu_rig *r, int ms);

int64_t sfu_rig_now_us(void);
int64_t sfu_rig_patience_us(void); /* how long a condition may take: longer under sanitizers */

/* Pumps until cond holds, doing the statements behind it in between; the test fails when it takes too long.
 */
#define SFU_RIG_UNTIL(r, cond, ...)                                                                          \
    do {                                                                                                     \
        int64_t rig_until_us = sfu_rig_now_us() + sfu_rig_patience_us();                                     \
        while (!(cond)) {                                                                                    \
            if (sfu_rig_now_us() > rig_until_us)                                                             \
                fail_msg("waited in vain for: %s", #cond);                                                   \
            __VA_ARGS__;                                                                                     \
            sfu_rig_pump(r, 2);                                                                              \
        }                                                                                                    \
    } while (0)

/* Pumps for that long: for things that must not happen, or that need time to. */
void sfu_rig_idle(struct sfu_rig *r, int ms);

/* What a client heard under an SSRC, made when first asked for. */
struct heard_stream *sfu_rig_stream(struct sfu_rig_peer *p, uint32_t ssrc);

/* Events of a type about a peer, track or subscription (0: any), how many; and the newest one, or NULL. */
size_t sfu_rig_events(
    const struct sfu_rig *r, enum sfu_event_type type, uint32_t peer, uint32_t track, uint32_t sub);
const struct sfu_event *sfu_rig_event(
    const struct sfu_rig *r, enum sfu_event_type type, uint32_t peer, uint32_t track, uint32_t sub);

/* RTCP of a client. */
void sfu_rig_nack(struct sfu_rig_peer *p, uint32_t media, const uint16_t *seqs, size_t n);
void sfu_rig_pli(struct sfu_rig_peer *p, uint32_t media);
void sfu_rig_report(struct sfu_rig_peer *p, const struct rtcp_report *report);
/* Any packet of them. */
void sfu_rig_rtcp(struct sfu_rig_peer *p, const void *data, size_t len);
/* A datagram (or frame) from its address, as it is. */
void sfu_rig_send(struct sfu_rig_peer *p, const void *data, size_t len);

/* Returns when the workers have done whatever was posted or sent to them before, and the clients heard what
 * came of it. */
void sfu_rig_sync(struct sfu_rig *r);

/* The same, and nothing waits for its turn any more: all that was forwarded is sent and heard. */
void sfu_rig_drain(struct sfu_rig *r);

/* Counters, up to date: waits for the workers to publish them. */
struct sfu_stats sfu_rig_stats(struct sfu_rig *r);

#endif
