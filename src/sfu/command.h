/* What control tells the media side. Plain structs, copied by sfu_post; every object is named by a number
 * that control chooses and never reuses. Commands to one worker are carried out in order. */
#ifndef SFU_COMMAND_H
#define SFU_COMMAND_H

#include <stdbool.h>
#include <stdint.h>
#include "base/addr.h"
#include "base/limits.h"
#include "rtp/header.h"
#include "rtp/payload.h"

#define SFU_MID_MAX     17 /* RFC 8843 sets no bound; browsers use one to three characters */
#define SFU_CODECS_MAX  24 /* payload types of a section the media side looks at */
#define SFU_RIDS_MAX    4
#define SFU_LAYERS_MAX  4  /* announced layers of a track: browsers send three */
#define SFU_WORKERS_MAX 64 /* the worker is the first character of the ICE user name: 64 ice-chars */

/* A codec of a section: payload types as this peer numbers them. */
struct sfu_codec {
    enum payload_codec codec;
    uint8_t pt;
    uint8_t rtx_pt; /* 0: none */
    uint32_t clock_hz;
    bool nack, pli, fir, transport_cc, remb;
    uint8_t h264_profile; /* profile_idc, to tell variants apart; 0: not said */
    uint8_t h264_mode;    /* packetization-mode */
    uint8_t vp9_profile;
};

/* One m-line as negotiated. */
struct sfu_section {
    char mid[SFU_MID_MAX];
    uint8_t codec_count;
    struct sfu_codec codecs[SFU_CODECS_MAX];
    struct rtp_extmap extmap; /* ids by extension, 0: not negotiated */
    uint8_t rid_count;
    char rids[SFU_RIDS_MAX][SFU_MID_MAX]; /* in the order of the description, lowest layer first */
    uint8_t ssrc_count;
    struct {
        uint32_t ssrc, rtx; /* rtx 0: none */
    } ssrcs[SFU_RIDS_MAX];
};

/* What a publisher said of its video beforehand. */
struct sfu_announced {
    bool screen;         /* a screen share: before cameras, and sharp rather than smooth */
    uint8_t layer_count; /* 0: nothing is known */
    struct {
        uint16_t width, height; /* 0: not said */
        uint32_t bitrate_bps;   /* 0: not said */
    } layers[SFU_LAYERS_MAX]; /* lowest first: simulcast layers by their place in the section, or spatial ones
                               */
};

/* Where the server can be reached, for descriptions. */
struct sfu_candidate {
    struct addr addr; /* with the port of the worker */
    bool tcp;         /* ICE-TCP, passive */
};

enum sfu_command_type {
    SFU_PEER_ADD,     /* peer: a new peer connection on `worker` */
    SFU_PEER_REMOTE,  /* peer: the other side's credentials and fingerprint became known */
    SFU_PEER_RESTART, /* peer: ICE restart, new credentials on both sides */
    SFU_PEER_REMOVE,  /* peer: close it (DTLS close_notify); its tracks and subscriptions end too */
    SFU_PEER_DATA,    /* peer: SCTP was negotiated */
    SFU_PEER_SET,     /* peer: what holds for its subscriptions together */
    SFU_TRACK_ADD,    /* track: peer publishes a section (again: the section changed) */
    SFU_TRACK_REMOVE,
    SFU_TRACK_MUTE, /* track: forward or not; the publisher says it is muted */
    SFU_SUB_ADD,    /* sub: forward a track to a peer */
    SFU_SUB_REMOVE,
    SFU_SUB_SET,      /* sub: what the viewer wants */
    SFU_STAGE_ADD,    /* stage, to every worker: a few slots that carry the loudest of many microphones */
    SFU_STAGE_REMOVE, /* stage, to every worker: its slots end, with their subscriptions */
};

struct sfu_ice_credentials {
    char local_ufrag[33], local_pwd[65];
    char remote_ufrag[257], remote_pwd[257]; /* empty: not known yet */
};

struct sfu_command {
    enum sfu_command_type type;
    uint8_t worker; /* owner of the peer, track's peer or subscriber's peer: where the command goes */
    uint32_t peer;  /* number of the peer connection */
    uint32_t track;
    uint32_t sub;
    uint32_t stage; /* STAGE_ADD, STAGE_REMOVE; TRACK_ADD: a microphone of that stage (0: of none) */
    union {
        struct {
            struct sfu_ice_credentials ice;
            bool dtls_client;        /* we send the ClientHello */
            char fingerprint[160];   /* "sha-256 AB:CD..."; empty in PEER_ADD: not known yet */
            int64_t max_lifetime_us; /* 0: none */
        } remote;                    /* PEER_ADD, PEER_REMOTE, PEER_RESTART */
        struct {
            uint16_t port;             /* SCTP port of both sides */
            uint32_t max_message_size; /* what the other side takes; 0: any size */
            bool open_channels;        /* the server opens _reliable, _lossy and _data_track */
            bool dtls_client;          /* which stream ids are ours */
        } data;                        /* PEER_DATA */
        struct {
            struct sfu_section section;
            uint8_t kind;   /* enum track_kind: 0 audio, 1 video */
            bool encrypted; /* end-to-end: payload is opaque */
            bool muted;
            struct sfu_announced announced;
        } track_add; /* TRACK_ADD */
        struct {
            uint8_t track_worker; /* where the track lives */
            uint8_t kind;
            uint32_t ssrc, rtx_ssrc; /* never used before with this peer */
            struct sfu_section
                section; /* the subscriber's payload types and extension ids; no rids, no ssrcs */
            bool encrypted;
            bool paused;
            char cname[33];
            uint32_t own_peer; /* of a slot: with which the subscriber speaks; it does not hear itself */
        } sub_add;             /* SUB_ADD; of a slot: on the subscriber's worker */
        struct {
            uint8_t home; /* the worker that decides who is heard */
            uint8_t slot_count;
            uint32_t slots[SFU_SLOTS_MAX]; /* numbers of the tracks that are subscribed to */
        } stage_add;                       /* STAGE_ADD */
        struct {
            bool disabled;          /* the viewer wants none of it at present */
            bool pinned;            /* before everything else */
            int8_t max_layer;       /* highest spatial layer wanted, 0 lowest; -1: no limit */
            uint8_t max_fps;        /* 0: no limit */
            uint32_t width, height; /* of the viewer's picture; both 0: not said */
            uint32_t priority;      /* 1 the highest; 0: not said, behind those */
        } sub_set;                  /* SUB_SET */
        struct {
            bool never_pause; /* the client cannot be told of pauses: lowest layers go even if they do not fit
                               */
            int64_t
                capacity_bps; /* take its path to carry no more, for tests of clients; 0: what it carries */
        } peer_set;           /* PEER_SET */
        bool muted;           /* TRACK_MUTE */
    };
};

struct sfu;

/* Copies the command and carries it out on its worker. Control thread. -ENOMEM, or -ESHUTDOWN after sfu_stop.
 */
int sfu_post(struct sfu *s, const struct sfu_command *c);

#endif
