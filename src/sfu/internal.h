/* What the files of sfu/ share among themselves. Objects belong to their worker's thread. */
#ifndef SFU_INTERNAL_H
#define SFU_INTERNAL_H

#include <pthread.h>
#include <stdatomic.h>
#include "base/limits.h"
#include "base/list.h"
#include "base/ring.h"
#include "base/table.h"
#include "cc/estimator.h"
#include "cc/pacer.h"
#include "net/loop.h"
#include "net/mailbox.h"
#include "net/tcp.h"
#include "net/udp.h"
#include "rtp/frame.h"
#include "rtp/history.h"
#include "rtp/layers.h"
#include "rtp/nack.h"
#include "rtp/receiver_stats.h"
#include "rtp/red_level.h"
#include "rtp/rewrite.h"
#include "rtp/sender_stats.h"
#include "sctp/association.h"
#include "sctp/thread.h"
#include "sfu/sfu.h"
#include "transport/transport.h"

#define KIND_AUDIO 0
#define KIND_VIDEO 1

/* In packet->control. Written once, by the worker that received the packet; then read by all. */
struct sfu_packet {
    struct rtp_packet rtp;
    uint32_t track;
    uint8_t stream; /* index in the track */
};
static_assert(sizeof(struct sfu_packet) <= PACKET_CONTROL_SIZE, "struct sfu_packet lives in packet->control");

static inline struct sfu_packet *meta_of(struct packet *p)
{
    return (struct sfu_packet *)(void *)p->control;
}

/* The newest key frame of a stream, and what followed it. */
struct key_cache {
    bool valid;
    int64_t seq; /* of its first packet, extended */
    uint32_t ts;
    int64_t recv_us;
    uint32_t packets; /* from there on; without a hole where they reach to the newest one */
    size_t bytes;
    struct layer_source before;
};

/* One encoding of a track: a simulcast layer, or the only one. On workers other than the publisher's it holds
 * the history, the clock and the layers only. */
struct sfu_stream {
    uint32_t ssrc, rtx_ssrc; /* 0: not seen yet */
    bool clocked;            /* the codec is known, statistics run */
    uint8_t pt;
    enum payload_codec codec;
    struct nack nack;
    struct receiver_stats rx;
    struct frame_tracker frames;
    struct dd_structure *dd;
    struct layer_source layers; /* video; its dd is the stream's */
    struct key_cache key;
    struct history history;
    struct history_slot *slots;
    struct rtp_clock clock;
    int64_t last_us; /* newest packet; 0: none yet */
    int64_t pli_us;  /* newest key frame request */
    bool pli_wanted;
    uint8_t fir_command;
    uint64_t packets, bytes;
};

/* What is forwarded of a video track to those subscribers here that want the same and had the same so far. */
struct sfu_choice {
    struct list of_track;
    unsigned subs;
    uint32_t pass, begins, marks; /* packets of the burst, a bit each: struct layers_out */
    struct layers_state state;    /* behind the burst */
    struct sfu_choice *into;      /* choices_merge */
    struct layers layers;
};
static_assert(SFU_BURST_MAX <= 32, "a bit for each packet of a burst");

struct sfu_track {
    UT_hash_handle hh; /* worker->tracks */
    uint32_t id;
    struct sfu_worker *worker;
    struct sfu_peer *peer; /* NULL: the track lives on worker `home`, this is its image here */
    struct list of_peer;
    uint8_t home;
    uint8_t kind;
    bool encrypted, muted, live;
    uint8_t past;                  /* of an image: what comes came before it; how many ticks that may last */
    enum payload_codec live_codec; /* as last told */
    uint8_t told_layers;           /* the same */
    struct sfu_section section;
    struct sfu_stream *streams[SFU_RIDS_MAX];
    uint8_t stream_count; /* highest index in use, and one */
    struct sfu_sub **subs;
    size_t sub_count, sub_cap;
    struct list choices;     /* of video */
    struct list serve;       /* in worker->serve: somebody may wait for a key frame */
    unsigned again;          /* subscribers that ask for what they were given */
    uint64_t images;         /* bit a worker that has an image of this track */
    struct sfu_voice *voice; /* a microphone of a stage (sfu/stage.h); NULL: it is none */
    struct sfu_slot *slot;   /* this is a slot of a stage: no publisher's, and no image */
    struct sfu_slot *feeds;  /* the slot that carries this track at present, here */
    /* what came and is handed to the subscribers here at the end of the round, or when the frame is whole */
    struct packet *burst[SFU_BURST_MAX];
    uint8_t burst_count;
    bool burst_due;    /* ready: in worker->due, not in worker->gather */
    struct list ready; /* in one of the two while there is a burst */
    int64_t newest_us;
    /* what there is to choose from (allocation.c) */
    struct sfu_announced announced;
    struct allocate_track layers;
    uint32_t layer_bytes[ALLOCATE_SPATIAL][ALLOCATE_TEMPORAL]; /* on the wire, since the last tick */
    int64_t layer_us[ALLOCATE_SPATIAL];                        /* newest packet of each; 0: none came */
    uint32_t layers_seen;                                      /* bits */
    bool layers_news;                                          /* one has begun since the last tick */
    bool image_simulcast;                                      /* of an image: the track at home is so */
    /* speech, windows of ROOM_SPEAKERS_US */
    int64_t window_us;
    uint32_t window_active_ms, window_ms;
    uint8_t window_loudest;
    uint32_t level_ts; /* of the newest packet */
    float level;
    bool speaking;
};

struct stored { /* a sent packet of a stream without RTX, to be sent again bit for bit */
    uint16_t seq;
    uint16_t len;
    uint8_t times;    /* that it was sent again */
    int64_t again_us; /* when last */
    uint8_t data[SFU_STORED_SIZE];
};

/* What was sent again lately, by outgoing number. */
struct repair_slot {
    uint16_t seq;
    uint8_t times; /* 0: unused */
    uint32_t at_ms;
};

/* What may be sent again to a peer. */
struct repair_budget {
    int64_t bytes;       /* now */
    int64_t bytes_per_s; /* what comes back, and the most there can be */
    int64_t refill_us;
    uint64_t sent;    /* peer->bytes_out at the last tick */
    uint32_t numbers; /* asked for since then */
};

/* Of what was sent to a peer, so far, and as of the last tick. */
struct losses {
    uint64_t arrived, lost; /* by transport-wide feedback; both of the last tick */
    uint64_t voice, missed; /* packets of voices that can only be repeated bit for bit, and asked for */
    uint64_t told_voice, told_missed;
};

struct sfu_sub {
    UT_hash_handle hh;      /* worker->subs, by id */
    UT_hash_handle by_ssrc; /* peer->subs */
    uint32_t id;
    struct sfu_peer *peer; /* the subscriber */
    struct sfu_track *track;
    uint32_t ssrc, rtx_ssrc;
    uint8_t kind;
    bool encrypted, paused, live, acked, removed;
    bool again; /* it asks for the key frame that it was sent, in track->again */
    uint8_t again_count;
    int64_t live_us; /* first packet */
    int8_t max_layer;
    int8_t current, target;    /* stream that is forwarded, and the one to be; -1: none */
    struct layers_state told;  /* by SFU_EVENT_SUB_LAYER */
    struct layers_want aim;    /* what can be had at present of what is wanted */
    struct sfu_choice *choice; /* video; NULL: nothing is wanted, or it cannot be sent */
    struct sfu_section section;
    struct {
        bool known;
        uint8_t pt, rtx_pt;
        uint32_t clock_hz;
    } codecs[PAYLOAD_CODEC_COUNT];
    bool twcc, nack;
    struct rewrite rewrite;
    struct rewrite_slot *slots;
    uint64_t rtx_seq;                   /* extended: grows only (nonce law) */
    uint64_t dropped_from, dropped_end; /* outgoing numbers last given in vain: dropped while they waited */
    struct sender_stats stats;
    int64_t sr_us;
    uint32_t reported_seq; /* by the newest report; 0: none yet */
    int32_t reported_lost;
    struct repair_slot *repairs; /* as many as rewrite slots; NULL: nothing was asked for yet */
    struct stored *stored;       /* SFU_STORED_COUNT; NULL where RTX or no NACK was negotiated */
    /* of a slot: what is not forwarded, the source that is, the length of its packets, and by how much they
     * are dated later than they came */
    uint32_t own_peer, slot_epoch, slot_ptime;
    int64_t slot_lead_us;
    uint32_t reported; /* highest number that a receiver report spoke of */
    char cname[33];
    /* what the viewer wants, and what it gets of the bandwidth (allocation.c) */
    struct allocate_sub wish;
    struct layers_want want; /* as sub_want was told last */
    bool wanted;             /* it was */
    /* as control was told last */
    int64_t told_us, told_bps;
    enum allocate_why told_why;
    int8_t told_forwarded;
};

/* How an SSRC of a publisher is known. */
struct ssrc_ref {
    UT_hash_handle hh; /* peer->ssrcs */
    uint32_t ssrc;
    struct sfu_track *track;
    uint8_t stream;
    bool rtx;
    bool used;    /* rtx: has repaired something */
    bool retired; /* another source took the stream over */
};

struct path_key {
    uint8_t ip[16];
    uint32_t scope, conn;
    uint16_t port, zero;
};

/* Remote address -> peer. */
struct path_ref {
    UT_hash_handle hh; /* worker->paths */
    struct list of_peer;
    struct path_key key;
    struct sfu_peer *peer;
};

struct ufrag_ref {
    UT_hash_handle hh; /* worker->ufrags */
    struct list of_peer;
    char ufrag[ICE_LOCAL_UFRAG_MAX + 1];
    struct sfu_peer *peer;
};

struct congestion; /* congestion.c */

/* All that the send path touches of congestion control, so that it needs one cache line of it. */
struct congestion_sent {
    struct congestion *state; /* NULL: nothing was sent yet */
    int64_t from_us;          /* the first of */
    uint32_t bytes;           /* sent since the estimator was told last; 0: none */
    uint8_t tag;              /* of packets sent now: the probe cluster; 0: none */
    bool probing;             /* a cluster is being sent, or is to begin with the next turn */
    bool numbered;            /* packets with transport-wide numbers are sent */
};

struct sfu_peer {
    UT_hash_handle hh; /* worker->peers */
    uint32_t id;
    struct sfu_worker *worker;
    struct transport *transport;
    struct list paths, ufrags, tracks;
    struct ssrc_ref *ssrcs;
    size_t ssrc_count;
    struct sfu_sub *subs;
    struct wheel_timer timer;
    struct pacer pacer;
    struct congestion_sent sent;
    struct list ready;  /* in worker->ready, or in worker->listeners */
    bool gathers;       /* in the latter */
    bool gathered;      /* it was, since its last turn */
    uint8_t few_voices; /* turns until it is tried again */
    struct list paced;  /* in worker->paced: what waits but for audio waits for the worker's next turn */
    struct udp_destination destination;
    int64_t report_us, quality_us;
    int64_t rtt_us; /* smoothed, from reports on what we send, and extended ones; 0: unknown */
    struct repair_budget repair;
    struct red_level red; /* of the voices that are sent to it */
    struct losses losses;
    float loss_up, loss_down; /* worst of the streams, this quality interval */
    uint32_t jitter_ms;
    struct sfu_data *data; /* NULL: no data channels */
    bool data_started, removed;
    bool never_pause;                  /* as struct allocate_input */
    int64_t capacity_bps;              /* the path is taken to carry no more; 0: what it carries */
    struct sfu_allocation *allocation; /* NULL: it subscribes to nothing */
    uint8_t handshakes_waiting;        /* of its datagrams, in the worker's queue */
    uint64_t bytes_in, bytes_out;
};

/* Data channels of a peer; owned by the sctp thread once posted. */
struct sfu_data {
    UT_hash_handle hh; /* sfu->data, sctp thread */
    struct sfu *sfu;
    uint32_t peer;
    uint8_t worker;
    bool open_channels, told_open;
    uint32_t message_max; /* bytes the peer takes; 0: any number (RFC 8841, section 6) */
    struct sctp_association *association;
    int streams[SFU_CHANNEL_COUNT]; /* -1: not open */
};

enum mail_kind {
    MAIL_COMMAND,
    MAIL_SCTP_OUT,  /* an SCTP packet for a peer */
    MAIL_TCP,       /* a new ICE-TCP connection */
    MAIL_IMAGE_ADD, /* worker `from` wants this track's packets */
    MAIL_IMAGE_DEL,
    MAIL_KEY_FRAME,    /* an image's subscriber needs a key frame of `stream` */
    MAIL_CLOCK,        /* a sender report came */
    MAIL_IMAGE_RESET,  /* the track was muted (flag) or unmuted at home, or its codec changed */
    MAIL_IMAGE_SET,    /* what was announced of the track, and what comes; flag: simulcast */
    MAIL_TRACK_GONE,   /* the track ended at home */
    MAIL_RING,         /* look at the rings */
    MAIL_STAGE_REPORT, /* to a stage's home, `track` being the stage's number: voices of a worker */
    MAIL_SLOT_SOURCE,  /* from a stage's home: who speaks in a slot; see sfu/stage.c for the command */
};

struct worker_mail {
    struct mail mail;
    enum mail_kind kind;
    uint8_t from, stream;
    bool flag;
    uint32_t peer, track;
    union {
        struct sfu_command command;
        struct rtp_clock clock;
        struct {
            struct sfu_announced announced;
            struct allocate_track layers;
        } track_set; /* IMAGE_SET */
        struct {
            int fd;
            struct addr remote, local;
        } tcp;
    };
    struct sfu_data *data;
    size_t len;
    uint8_t bytes[]; /* len of them: SCTP packet, first frame */
};

/* What an item of the pacer is. */
enum egress_kind { EGRESS_MEDIA, EGRESS_RTX, EGRESS_RTX_EMPTY, EGRESS_PROBE, EGRESS_PADDING };

struct egress_slot {
    struct sfu_sub *sub;
    struct packet *packet;
    uint32_t ts;
    uint16_t seq;
    bool rtx;
    uint8_t header[RTP_HEADER_MAX];
    uint8_t payload[PACKET_SIZE_MAX]; /* where it differs from the packet's */
};

#define EGRESS_OUT_MAX (RTP_HEADER_MAX + PACKET_SIZE_MAX + SRTP_RTP_TRAILER_MAX)

/* The batch that is being made. Empty between two releases. */
struct egress {
    size_t n;
    size_t first;            /* where the present peer's packets begin */
    struct srtp_tx *tx;      /* the present peer's; NULL: it cannot be sent to */
    const struct path *path; /* the same */
    struct srtp_tx_job jobs[UDP_BATCH_MAX];
    struct udp_message messages[UDP_BATCH_MAX];
    struct egress_slot slots[UDP_BATCH_MAX];
    uint8_t out[UDP_BATCH_MAX * EGRESS_OUT_MAX]; /* datagrams one behind the other: runs need no gathering */
};

struct tcp_ref {
    UT_hash_handle hh; /* worker->conns */
    uint32_t number;
    struct sfu_worker *worker;
    struct tcp_conn *conn;
    struct wheel_timer lone; /* closes it if no peer has it by then */
    struct addr remote, local;
};

/* Datagrams of handshakes that wait for their turn; oldest at first. */
struct handshakes {
    struct handshake {
        struct packet *packet;
        uint32_t peer;
    } items[SFU_HANDSHAKES_MAX];
    unsigned first, count;
};

/* RTCP, which may wait a little. */
struct feedback {
    struct udp_socket udp; /* fd -1: it comes with the rest */
    struct loop_fd *fd;
    struct wheel_timer timer; /* set: it is read then, and nobody waits for it meanwhile */
    int64_t read_us;          /* last time */
};

struct sfu_worker {
    struct sfu *sfu;
    uint8_t index;
    pthread_t thread;
    bool running;
    struct loop *loop;
    struct udp_socket udp;
    struct loop_fd *udp_fd, *mail_fd;
    struct packet_pool *pool;
    struct ice_stun *stun;
    struct mailbox mail;
    struct ring *in[SFU_WORKERS_MAX]; /* from worker i; NULL at our own index */
    bool ring_dirty[SFU_WORKERS_MAX]; /* we pushed to worker i in this round */
    _Atomic bool ring_pending;        /* a MAIL_RING is on its way to us */
    struct sfu_peer *peers;
    struct sfu_track *tracks;
    struct sfu_sub *subs;
    struct sfu_stage *stages;
    struct path_ref *paths;
    struct ufrag_ref *ufrags;
    struct tcp_ref *conns;
    uint32_t next_conn;
    uint64_t tcp_dropped; /* frames that did not fit a connection's queue */
    struct wheel_timer tick;
    struct handshakes handshakes;
    struct feedback feedback;
    struct egress *egress;
    struct pacer_pool items;
    struct list due;       /* tracks whose bursts go at the end of this round */
    struct list gather;    /* tracks that wait for the rest of a frame */
    struct list listeners; /* peers for whom only sound is there, and which wait for more */
    struct list ready;     /* peers whose packets go at the end of this round */
    struct list paced;     /* peers that have to wait for tokens */
    struct list serve;     /* tracks of whose choices some wait for a key frame */
    struct wheel_timer gather_timer, pace_timer;
    bool gathering;            /* so much is sent that gathering pays */
    uint64_t rtp_out_then;     /* stats.rtp_out, a tick ago */
    int64_t send_us;           /* the time of the present batch */
    struct sfu_events *events; /* to be told to control; NULL: nothing */
    bool events_due;           /* at the end of this round; otherwise with the next tick */
    struct list allocations;   /* struct sfu_allocation, of every subscriber */
    struct list allocate_due;  /* those whose turn it is */
    struct wheel_timer allocate_timer;
    struct log_limit limit, overflow_limit;
    struct sfu_stats stats;     /* this thread's; published by tick */
    pthread_mutex_t stats_lock; /* guards published, taken once a tick */
    struct sfu_stats published;
    int64_t now_us;
};

struct sfu {
    struct sfu_config config;
    struct sfu_worker *workers[SFU_WORKERS_MAX];
    unsigned worker_count;
    struct mailbox events;
    struct tcp_acceptor *acceptor; /* on worker 0's loop */
    struct sctp_thread *sctp;
    struct sfu_data *data; /* hash by peer; sctp thread */
    struct sfu_candidate candidates[SFU_WORKERS_MAX][SFU_CANDIDATES_MAX];
    size_t candidate_count[SFU_WORKERS_MAX];
    struct addr discovered; /* public address from the STUN server */
    bool has_discovered;
    bool prepared; /* control thread: the ciphers are started, or will be */
    _Atomic bool stopping;
};

/* ---- sfu.c ---- */
void sfu_emit(struct sfu_worker *w, const struct sfu_event *e);
void sfu_flush_events(struct sfu_worker *w);
void sfu_mail(struct sfu *s, unsigned worker, struct worker_mail *m);
struct worker_mail *sfu_mail_new(enum mail_kind kind, size_t bytes);

/* ---- worker.c ---- */
int worker_new(struct sfu *s, unsigned index, struct sfu_worker **ret, char *error, size_t size);
void worker_free(struct sfu_worker *w);
int worker_start(struct sfu_worker *w);
void worker_stop(struct sfu_worker *w);
/* Takes in what waits in a socket, SFU_RECV_MAX datagrams at most; returns how many there were. */
size_t worker_receive(struct sfu_worker *w, struct udp_socket *s, int64_t now_us);
void worker_send(struct sfu_worker *w, const struct path *to, const uint8_t *data, size_t len);
void worker_ring_push(struct sfu_worker *w, unsigned to, struct packet *p);
void worker_flush_rings(struct sfu_worker *w);
void worker_path_forget(struct sfu_worker *w, struct path_ref *r);
void worker_path_set(struct sfu_peer *p, const struct path *path, bool added);

/* ---- mail.c ---- */
void mail_handle(struct sfu_worker *w, struct worker_mail *m);

/* ---- tcp.c ---- */
int tcp_listen(struct sfu *s, char *error, size_t size);
void tcp_take(struct sfu_worker *w, struct worker_mail *m);
void tcp_drop_all(struct sfu_worker *w);

/* ---- peer.c ---- */
void peer_command(struct sfu_worker *w, const struct sfu_command *c, struct sfu_data *data);
void peer_remove(struct sfu_peer *p, bool say_goodbye);
void peer_arm(struct sfu_peer *p, int64_t due_us);
void peer_ufrag_add(struct sfu_peer *p, const char *ufrag);

/* ---- track.c ---- */
void track_command(struct sfu_worker *w, const struct sfu_command *c);
struct sfu_track *track_find(struct sfu_worker *w, uint32_t id);
struct sfu_track *track_image(struct sfu_worker *w, uint32_t id, uint8_t home, uint8_t kind);
struct sfu_track *track_image_preroll(struct sfu_worker *w, uint32_t id, uint8_t home);
struct sfu_track *track_slot(struct sfu_worker *w, uint32_t id);
void track_preroll(struct sfu_track *t, int worker);
void track_remove(struct sfu_track *t);
void track_unused(struct sfu_track *t);
void track_gone(struct sfu_track *t);
void track_tell(struct sfu_worker *w, unsigned worker, enum mail_kind kind, uint32_t track);
void track_describe(struct sfu_track *t, unsigned worker);
struct sfu_stream *track_stream(struct sfu_track *t, unsigned index);
void track_fan_out(struct sfu_track *t, struct packet *p);
void track_key_frame(struct sfu_track *t, unsigned stream, int64_t now_us);
void track_tick(struct sfu_track *t, int64_t now_us);
void track_reset_subs(struct sfu_track *t);
void track_restart_stream(struct sfu_track *t, unsigned index);
bool stream_active(const struct sfu_track *t, unsigned index);
void track_add_sub(struct sfu_track *t, struct sfu_sub *s);
void track_del_sub(struct sfu_track *t, struct sfu_sub *s);

/* ---- ingest.c ---- */
void ingest_rtp(struct sfu_peer *p, struct packet *pkt, int64_t now_us);
void ingest_image(struct sfu_worker *w, struct packet *pkt, int64_t now_us);
void ingest_forget_track(struct sfu_peer *p, struct sfu_track *t);

/* ---- level.c ---- */
void level_input(struct sfu_track *t, const struct rtp_packet *h, uint32_t clock_hz, int64_t now_us);
void level_tick(struct sfu_track *t, int64_t now_us);

/* ---- sub.c ---- */
void sub_command(struct sfu_worker *w, const struct sfu_command *c);
void sub_remove(struct sfu_sub *s);
void sub_forward(struct sfu_sub *s, struct packet *pkt, int64_t arrival_us, bool marks);
bool sub_takes_codec(const struct sfu_sub *s, enum payload_codec c);
void sub_burst(struct sfu_sub *s, struct packet *const *burst, unsigned count);
void sub_want(struct sfu_sub *s, struct layers_want want);
int8_t sub_layer(const struct sfu_sub *s);
void sub_retarget(struct sfu_sub *s);
void sub_reset(struct sfu_sub *s);
void sub_restart(struct sfu_sub *s);
void sub_begin_again(struct sfu_sub *s, int64_t now_us);
void sub_key_frame_wanted(struct sfu_sub *s, int64_t now_us);
const struct rtp_clock *sub_clock(const struct sfu_sub *s);
bool sub_takes(const struct sfu_sub *s, const struct rtp_packet *h);
void sub_deliver(struct sfu_sub *s, struct packet *pkt, const struct rewrite_out *out);

/* ---- repair.c ---- */
void repair_nack(struct sfu_sub *s, uint16_t seq, int64_t now_us);
bool repair_looks(const struct sfu_peer *p);
void repair_tick(struct sfu_peer *p, int64_t now_us);

/* ---- stage.c ---- */
void stage_command(struct sfu_worker *w, const struct sfu_command *c);
void stage_mail(struct sfu_worker *w, const struct worker_mail *m);
void stage_join(struct sfu_track *t, uint32_t stage);
void stage_leave(struct sfu_track *t);
void stage_input(struct sfu_track *t, const struct rtp_packet *h, uint32_t ms, int64_t now_us);
void stage_silence(struct sfu_track *t);
void stages_tick(struct sfu_worker *w, int64_t now_us);
void stages_done(struct sfu_worker *w);

/* ---- slot.c ---- */
void slot_init(struct sfu_slot *slot, struct sfu_worker *w, uint32_t track);
void slot_done(struct sfu_slot *slot);
void slot_source(struct sfu_slot *slot, uint32_t track, uint32_t peer, uint8_t worker);
void slot_restart(struct sfu_slot *slot);
void slot_lost(struct sfu_slot *slot);
void slot_listeners(struct sfu_slot *slot);
void slot_input(struct sfu_track *from, struct packet *p);
void slot_deliver(struct sfu_sub *s, struct packet *pkt);
const struct rtp_clock *slot_clock(const struct sfu_sub *s);

/* ---- allocation.c ---- */
void allocation_init(struct sfu_worker *w);
/* Who is due, every SFU_TICK_US; and runs for them, at the end of each round. */
void allocation_tick(struct sfu_worker *w, int64_t now_us);
void allocation_run(struct sfu_worker *w);
/* This peer is due: a probe succeeded, its estimate fell, its path came. */
void allocation_wake(struct sfu_peer *p);
void allocation_peer_set(struct sfu_peer *p, const struct sfu_command *c);
void allocation_track_set(struct sfu_track *t, const struct sfu_announced *announced);
/* What its home knows of an image's track, so that nothing of that is waited for. */
void allocation_image_set(struct sfu_track *t, const struct worker_mail *m, int64_t now_us);
void allocation_track_restart(struct sfu_track *t);
void allocation_track_tick(struct sfu_track *t, int64_t now_us);
/* A packet of the track, before it is handed to subscribers; bytes as receivers will get it. Once a packet.
 */
void allocation_count(struct sfu_track *t, const struct sfu_packet *m, size_t bytes, int64_t now_us);
bool allocation_sub_add(struct sfu_sub *s, bool disabled); /* false: no memory */
void allocation_sub_del(struct sfu_sub *s);
void allocation_sub_set(struct sfu_sub *s, const struct sfu_command *c);

/* ---- redundancy.c ---- */
void redundancy_report(struct sfu_sub *s, const struct rtcp_report *r, int64_t now_us);
size_t redundancy_bytes(const struct sfu_sub *s, size_t payload_len);
void redundancy_tick(struct sfu_peer *p, int64_t now_us);
int redundancy_write(
    const struct sfu_sub *s, const struct rewrite_out *out, struct packet *pkt, uint8_t *dst, size_t cap);

/* ---- choice.c ---- */
void choice_enter(struct sfu_sub *s, const struct layers *state);
void choice_want(struct sfu_sub *s, struct layers_want want);
void choice_restart(struct sfu_sub *s);
void choices_merge(struct sfu_track *t);
void choices_input(struct sfu_track *t, struct packet *p);
void choices_past(struct sfu_track *t, struct packet *p);
void choices_past_end(struct sfu_track *t);
void choices_burst_end(struct sfu_track *t);
void choices_wait(struct sfu_track *t);
void choices_run(struct sfu_worker *w);

/* ---- key_cache.c ---- */
void key_cache_note(
    struct sfu_stream *s, struct packet *p, const struct layer_facts *f, const struct layer_source *before);
void key_cache_forget(struct sfu_stream *s);
bool key_cache_serve(struct sfu_track *t, struct sfu_choice *c, int64_t now_us);
bool key_cache_again(struct sfu_sub *s, int64_t now_us);
void key_cache_copy(struct sfu_track *t, unsigned worker, int64_t now_us);

/* ---- release.c ---- */
void release_init(struct sfu_worker *w);
void release_done(struct sfu_worker *w);
void release_burst(struct sfu_track *t, struct packet *p);
void release_track(struct sfu_track *t);
void release_forget_track(struct sfu_track *t);
void release_media(struct sfu_sub *s, struct packet *pkt, const struct rewrite_out *out);
bool release_rtx(struct sfu_sub *s, struct packet *pkt, const struct rewrite_out *out);
void release_run(struct sfu_worker *w);
void release_all(struct sfu_worker *w);
void release_tick(struct sfu_worker *w);
void release_forget_sub(struct sfu_sub *s);
void release_forget_peer(struct sfu_peer *p);
void release_turns(struct sfu_peer *p);

/* ---- egress.c ---- */
/* Bytes on the wire of a packet with so much payload, about: as pacer, estimate and allocation count them. */
static inline uint16_t egress_size(size_t payload_len)
{
    return (uint16_t)(payload_len + RTP_HEADER_LEN + SFU_PACKET_OVERHEAD);
}
bool egress_accepts(const struct sfu_sub *s, struct packet *pkt);
void egress_begin(struct sfu_peer *p);
void egress_item(struct sfu_peer *p, struct pacer_item *item);
void egress_end(struct sfu_peer *p);
bool egress_stored(struct sfu_sub *s, struct stored *st);
void egress_flush(struct sfu_worker *w);

/* ---- congestion.c ---- */

/* What the path to this peer carries, bit/s on the wire (egress_size); a guess until something was sent. */
int64_t congestion_estimate_bps(const struct sfu_peer *p);
bool congestion_found_full(const struct sfu_peer *p);
/* Has feedback stopped although something is sent? */
bool congestion_is_silent(const struct sfu_peer *p);
/* Does what is sent get through, without a queue or loss to speak of, as feedback shows? */
bool congestion_is_clear(const struct sfu_peer *p);
/* Did a probe raise the estimate since the last call? */
bool congestion_take_probed(struct sfu_peer *p);
/* What was allocated to the peer: total_bps in all, and wanted_bps, the total that is worth probing for (0:
 * none above the first, and nothing is probed). */
void congestion_allocated(struct sfu_peer *p, int64_t total_bps, int64_t wanted_bps, int64_t now_us);

void congestion_forget(struct sfu_peer *p);
void congestion_result(struct sfu_peer *p, const struct twcc_result *r);
void congestion_feedback(struct sfu_peer *p, int64_t now_us); /* after the results of a datagram */
void congestion_remb(struct sfu_peer *p, uint64_t bps, int64_t now_us);
void congestion_loss(struct sfu_peer *p, uint8_t fraction_lost, int64_t now_us);
int64_t congestion_next_timeout(const struct sfu_peer *p);
void congestion_timeout(struct sfu_peer *p, int64_t now_us);
void congestion_sent_probe(struct sfu_peer *p, uint16_t size, int64_t now_us);
void congestion_sent_tell(struct sfu_peer *p, int64_t now_us);
void congestion_turn_begin(struct sfu_peer *p, int64_t now_us);
void congestion_turn_end(struct sfu_peer *p, int64_t now_us);

/* A packet of size bytes goes out. */
static inline void congestion_sent(struct sfu_peer *p, uint16_t size, int64_t now_us)
{
    if (p->sent.tag) {
        congestion_sent_probe(p, size, now_us);
        return;
    }
    if (!p->sent.bytes)
        p->sent.from_us = now_us;
    p->sent.bytes += size;
}

/* ---- rtcp.c ---- */
void rtcp_input(struct sfu_peer *p, const uint8_t *data, size_t len, int64_t now_us);
void rtcp_nacks(struct sfu_peer *p, int64_t now_us);
void rtcp_reports(struct sfu_peer *p, int64_t now_us);
void rtcp_ask_key_frame(struct sfu_track *t, struct sfu_stream *s);
int64_t rtcp_next_timeout(const struct sfu_peer *p);

/* ---- feedback.c ---- */
int feedback_init(struct sfu_worker *w, int buffer_bytes); /* once socket and loop are there; 0 or -errno */
void feedback_done(struct sfu_worker *w);
void feedback_round(
    struct sfu_worker *w, int64_t now_us); /* the worker is awake: takes what waited for some time */

/* ---- handshake.c ---- */
bool handshake_input(struct sfu_peer *peer, struct packet *p);
void handshakes_run(struct sfu_worker *w);
void handshakes_done(struct sfu_worker *w);

/* ---- channels.c ---- */
int data_new(struct sfu *s, const struct sfu_command *c, struct sfu_data **ret);
void data_start(struct sfu_peer *p);
void data_input(struct sfu_peer *p, const uint8_t *data, size_t len);
void data_stop(struct sfu_data *d);

#endif
