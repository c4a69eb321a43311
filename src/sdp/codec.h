/* The codecs and header extensions that the server can name, and how format parameters are read.
 * Pure functions on constant tables. Any thread. */
#ifndef SDP_CODEC_H
#define SDP_CODEC_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum sdp_kind {
    SDP_KIND_AUDIO,
    SDP_KIND_VIDEO,
    SDP_KIND_APPLICATION,
    SDP_KIND_OTHER, /* parsed and printed, always refused in an answer */
};

enum sdp_codec_id {
    SDP_CODEC_OTHER, /* known to the client only */
    SDP_CODEC_OPUS,
    SDP_CODEC_RED, /* audio redundancy, RFC 2198; video RED is SDP_CODEC_OTHER */
    SDP_CODEC_PCMU,
    SDP_CODEC_PCMA,
    SDP_CODEC_VP8,
    SDP_CODEC_VP9,
    SDP_CODEC_H264,
    SDP_CODEC_AV1,
    SDP_CODEC_H265,
    SDP_CODEC_RTX, /* RFC 4588; belongs to the payload type in its apt */
    SDP_CODEC_COUNT,
};

#define SDP_CODEC_BIT(id) (1u << (id))

/* Header extensions, RFC 8285. The value indexes sdp_section_result.ext_id. */
enum sdp_ext {
    SDP_EXT_MID,           /* RFC 8843, section 15 */
    SDP_EXT_RID,           /* RFC 8852 */
    SDP_EXT_REPAIRED_RID,  /* RFC 8852 */
    SDP_EXT_AUDIO_LEVEL,   /* RFC 6464 */
    SDP_EXT_TRANSPORT_CC,  /* draft-holmer-rmcat-transport-wide-cc-extensions-01 */
    SDP_EXT_ABS_SEND_TIME, /* webrtc.org experiment */
    SDP_EXT_ABS_CAPTURE_TIME,
    SDP_EXT_DEPENDENCY_DESCRIPTOR, /* AV1 RTP specification, appendix A */
    SDP_EXT_PLAYOUT_DELAY,
    SDP_EXT_FRAME_MARKING,
    SDP_EXT_VIDEO_ORIENTATION, /* 3GPP TS 26.114; a publisher that has it stops rotating its pictures itself
                                */
    SDP_EXT_COUNT,
};

#define SDP_EXT_BIT(ext) (1u << (ext))

/* RTCP feedback, RFC 4585, section 4.2. */
#define SDP_FB_NACK         1u
#define SDP_FB_NACK_PLI     2u
#define SDP_FB_CCM_FIR      4u
#define SDP_FB_TRANSPORT_CC 8u
#define SDP_FB_REMB         16u

/* H.264 profiles as profile-level-id spells them, RFC 6184, table 5. */
enum sdp_h264_profile {
    SDP_H264_CONSTRAINED_BASELINE,
    SDP_H264_BASELINE,
    SDP_H264_MAIN,
    SDP_H264_CONSTRAINED_HIGH,
    SDP_H264_HIGH,
    SDP_H264_OTHER,
};

struct sdp_h264 {
    enum sdp_h264_profile profile;
    uint8_t level;          /* level_idc: ten times the level; 9 stands for level 1b */
    uint8_t mode;           /* packetization-mode 0, 1 or 2 */
    bool asymmetry_allowed; /* level-asymmetry-allowed=1 */
};

/* The codec behind an rtpmap; names compare without case. SDP_CODEC_OTHER if the server has no name for it.
 */
enum sdp_codec_id sdp_codec_find(enum sdp_kind kind, const char *name, uint32_t clock_hz, unsigned channels);

/* "opus", "VP8" ...: the name in an rtpmap. "" for SDP_CODEC_OTHER. Static. */
const char *sdp_codec_name(enum sdp_codec_id id);

/* "audio/opus", "video/H264", "audio/red" ... as LiveKit spells mime types. "" for RTX and OTHER. Static. */
const char *sdp_codec_mime(enum sdp_codec_id id);

/* The codec of a mime type in any case, with or without the "video/"; SDP_CODEC_OTHER if unknown. */
enum sdp_codec_id sdp_codec_from_mime(const char *mime);

/* Audio or video; SDP_KIND_OTHER for RTX and OTHER. */
enum sdp_kind sdp_codec_kind(enum sdp_codec_id id);

/* What stands in an rtpmap: Hz and channels. 0 for RTX (the clock is that of what it repeats) and OTHER. */
uint32_t sdp_codec_clock_hz(enum sdp_codec_id id);
uint8_t sdp_codec_channels(enum sdp_codec_id id);

/* The URI of an extension, static; and back (SDP_EXT_COUNT if the server has no name for it). */
const char *sdp_ext_uri(enum sdp_ext ext);
enum sdp_ext sdp_ext_find(const char *uri);

/* Copies the value of a parameter ("profile-id" in "a=1;profile-id=2") into out. Names compare without case.
 * True if it is there and fits; out is "" otherwise. fmtp may be NULL. */
bool sdp_fmtp_get(const char *fmtp, const char *name, char *out, size_t out_size);

/* The same for a decimal number; fallback if it is absent or no number. */
unsigned sdp_fmtp_number(const char *fmtp, const char *name, unsigned fallback);

/* Reads H.264 parameters; what is absent has its default (RFC 6184, section 8.1: profile 42000A, mode 0).
 * -EINVAL if profile-level-id is malformed. */
int sdp_h264_parse(const char *fmtp, struct sdp_h264 *ret);

/* Do two format parameters of one codec name the same bitstream format? H.264: profile and packetization
 * mode; VP9: profile-id; AV1: profile; H265: profile-id; other codecs: always. */
bool sdp_codec_same_format(enum sdp_codec_id id, const char *fmtp_a, const char *fmtp_b);

#endif
