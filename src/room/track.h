/* A published track as rooms and front ends see it. Control thread. Front ends read, room/ writes. */
#ifndef ROOM_TRACK_H
#define ROOM_TRACK_H

#include "base/list.h"
#include "room/types.h"

#define TRACK_LAYERS_MAX   4 /* low, medium, high, and one that a future client may add */
#define TRACK_CODECS_MAX   3 /* a primary and backup codecs */
#define TRACK_FEATURES_MAX 8
#define TRACK_CID_MAX      256
#define TRACK_NAME_MAX     256
#define TRACK_MIME_MAX     32
#define TRACK_RID_MAX      17

struct track_layer {
    uint8_t quality; /* enum video_quality */
    uint32_t width, height, bitrate_bps, ssrc, repair_ssrc;
    int32_t spatial_layer;
    char rid[TRACK_RID_MAX];
};

struct track_codec {
    char mime[TRACK_MIME_MAX]; /* "video/VP8"; empty until media or the description tells */
    char cid[TRACK_CID_MAX];
    char sdp_cid[TRACK_CID_MAX]; /* track id in the description where it differs from cid */
    char mid[TRACK_RID_MAX];
    uint8_t layer_mode; /* VideoLayer.Mode */
    uint8_t layer_count;
    struct track_layer layers[TRACK_LAYERS_MAX];
};

/* What a client says of a track: the request, and later the description of the published track. */
struct track_desc {
    char cid[TRACK_CID_MAX]; /* the client's id of the track */
    char name[TRACK_NAME_MAX];
    char stream[TRACK_NAME_MAX]; /* group for lip sync; default camera, screen or unknown */
    enum track_kind kind;
    enum track_source source;
    uint32_t width, height;
    bool muted, disable_dtx, stereo, disable_red;
    uint8_t encryption; /* Encryption.Type; 0: none */
    uint8_t backup_codec_policy;
    uint8_t feature_count, trailer_feature_count;
    uint8_t features[TRACK_FEATURES_MAX];         /* AudioTrackFeature */
    uint8_t trailer_features[TRACK_FEATURES_MAX]; /* PacketTrailerFeature */
    uint8_t layer_count, codec_count;
    struct track_layer layers[TRACK_LAYERS_MAX];
    struct track_codec codecs[TRACK_CODECS_MAX];
};

struct participant;

struct track {
    struct list link; /* in its participant's tracks or pending tracks */
    struct participant *publisher;
    char sid[ROOM_SID_MAX];
    uint32_t id; /* of the media side (sfu), in its primary codec; 0 until published */
    struct track_desc desc;
    char mime[TRACK_MIME_MAX]; /* of the primary codec, from the description: "video/VP8", "audio/opus",
                                  "audio/red" */
    char mid[TRACK_RID_MAX];
    bool simulcast;            /* several encodings, told apart by rid */
    bool published;            /* its m-line is negotiated, others see it */
    bool announced_subscribed; /* the publisher was told of a first subscriber */
    bool server_muted;         /* muted by an administrator */
    int64_t version_us;        /* wall time of the last change */
    struct list subscriptions; /* of struct subscription */
};

#endif
