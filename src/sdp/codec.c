#include "sdp/codec.h"

#include <errno.h>
#include <stdlib.h>
#include <strings.h>

#include "sdp/internal.h"

static const struct {
    enum sdp_kind kind;
    const char *name;
    uint32_t clock_hz;
    uint8_t channels;
} codecs[SDP_CODEC_COUNT] = {
    [SDP_CODEC_OTHER] = {SDP_KIND_OTHER, "", 0, 0},
    [SDP_CODEC_OPUS] = {SDP_KIND_AUDIO, "opus", 48000, 2},
    [SDP_CODEC_RED] = {SDP_KIND_AUDIO, "red", 48000, 2},
    [SDP_CODEC_PCMU] = {SDP_KIND_AUDIO, "PCMU", 8000, 1},
    [SDP_CODEC_PCMA] = {SDP_KIND_AUDIO, "PCMA", 8000, 1},
    [SDP_CODEC_VP8] = {SDP_KIND_VIDEO, "VP8", 90000, 1},
    [SDP_CODEC_VP9] = {SDP_KIND_VIDEO, "VP9", 90000, 1},
    [SDP_CODEC_H264] = {SDP_KIND_VIDEO, "H264", 90000, 1},
    [SDP_CODEC_AV1] = {SDP_KIND_VIDEO, "AV1", 90000, 1},
    [SDP_CODEC_H265] = {SDP_KIND_VIDEO, "H265", 90000, 1},
    [SDP_CODEC_RTX] = {SDP_KIND_OTHER, "rtx", 0, 1},
};

static const char *const mimes[SDP_CODEC_COUNT] = {
    [SDP_CODEC_OTHER] = "",
    [SDP_CODEC_OPUS] = "audio/opus",
    [SDP_CODEC_RED] = "audio/red",
    [SDP_CODEC_PCMU] = "audio/PCMU",
    [SDP_CODEC_PCMA] = "audio/PCMA",
    [SDP_CODEC_VP8] = "video/VP8",
    [SDP_CODEC_VP9] = "video/VP9",
    [SDP_CODEC_H264] = "video/H264",
    [SDP_CODEC_AV1] = "video/AV1",
    [SDP_CODEC_H265] = "video/H265",
    [SDP_CODEC_RTX] = "",
};

static const char *const ext_uris[SDP_EXT_COUNT] = {
    [SDP_EXT_MID] = "urn:ietf:params:rtp-hdrext:sdes:mid",
    [SDP_EXT_RID] = "urn:ietf:params:rtp-hdrext:sdes:rtp-stream-id",
    [SDP_EXT_REPAIRED_RID] = "urn:ietf:params:rtp-hdrext:sdes:repaired-rtp-stream-id",
    [SDP_EXT_AUDIO_LEVEL] = "urn:ietf:params:rtp-hdrext:ssrc-audio-level",
    [SDP_EXT_TRANSPORT_CC] = "http://www.ietf.org/id/draft-holmer-rmcat-transport-wide-cc-extensions-01",
    [SDP_EXT_ABS_SEND_TIME] = "http://www.webrtc.org/experiments/rtp-hdrext/abs-send-time",
    [SDP_EXT_ABS_CAPTURE_TIME] = "http://www.webrtc.org/experiments/rtp-hdrext/abs-capture-time",
    [SDP_EXT_DEPENDENCY_DESCRIPTOR] =
        "https://aomediacodec.github.io/av1-rtp-spec/#dependency-descriptor-rtp-header-extension",
    [SDP_EXT_PLAYOUT_DELAY] = "http://www.webrtc.org/experiments/rtp-hdrext/playout-delay",
    [SDP_EXT_FRAME_MARKING] = "urn:ietf:params:rtp-hdrext:framemarking",
    [SDP_EXT_VIDEO_ORIENTATION] = "urn:3gpp:video-orientation",
};

enum sdp_codec_id sdp_codec_find(enum sdp_kind kind, const char *name, uint32_t clock_hz, unsigned channels)
{
    if ((kind == SDP_KIND_VIDEO || kind == SDP_KIND_AUDIO) && strcasecmp(name, "rtx") == 0)
        return SDP_CODEC_RTX;
    for (unsigned i = SDP_CODEC_OTHER + 1; i < SDP_CODEC_COUNT; i++)
        if (codecs[i].kind == kind && codecs[i].clock_hz == clock_hz && codecs[i].channels == channels &&
            strcasecmp(codecs[i].name, name) == 0)
            return (enum sdp_codec_id)i;
    return SDP_CODEC_OTHER;
}

const char *sdp_codec_name(enum sdp_codec_id id)
{
    return id < SDP_CODEC_COUNT ? codecs[id].name : "";
}

const char *sdp_codec_mime(enum sdp_codec_id id)
{
    return id < SDP_CODEC_COUNT ? mimes[id] : "";
}

enum sdp_codec_id sdp_codec_from_mime(const char *mime)
{
    for (unsigned i = SDP_CODEC_OTHER + 1; i < SDP_CODEC_COUNT; i++) {
        if (!mimes[i][0])
            continue;
        if (strcasecmp(mimes[i], mime) == 0 || strcasecmp(codecs[i].name, mime) == 0)
            return (enum sdp_codec_id)i;
    }
    return SDP_CODEC_OTHER;
}

enum sdp_kind sdp_codec_kind(enum sdp_codec_id id)
{
    return id < SDP_CODEC_COUNT ? codecs[id].kind : SDP_KIND_OTHER;
}

uint32_t sdp_codec_clock_hz(enum sdp_codec_id id)
{
    return id < SDP_CODEC_COUNT ? codecs[id].clock_hz : 0;
}

uint8_t sdp_codec_channels(enum sdp_codec_id id)
{
    return id < SDP_CODEC_COUNT ? codecs[id].channels : 0;
}

const char *sdp_ext_uri(enum sdp_ext ext)
{
    return ext < SDP_EXT_COUNT ? ext_uris[ext] : "";
}

enum sdp_ext sdp_ext_find(const char *uri)
{
    unsigned i = 0;
    while (i < SDP_EXT_COUNT && strcmp(ext_uris[i], uri) != 0)
        i++;
    return (enum sdp_ext)i;
}

/* One "name=value" without the spaces around it. */
static struct sdp_span trim(struct sdp_span s)
{
    struct cursor c = cursor_of(s.p, s.len);
    while (cursor_left(&c) && *c.p == ' ')
        cursor_skip(&c, 1);
    s = sdp_span_rest(&c);
    while (s.len && s.p[s.len - 1] == ' ')
        s.len--;
    return s;
}

bool sdp_fmtp_get(const char *fmtp, const char *name, char *out, size_t out_size)
{
    struct cursor c = cursor_of(fmtp, fmtp ? strlen(fmtp) : 0);
    out[0] = 0;
    while (cursor_left(&c)) {
        struct sdp_span item = sdp_span_until(&c, ';');
        struct cursor ic = cursor_of(item.p, item.len);
        struct sdp_span key = trim(sdp_span_until(&ic, '='));
        if (sdp_span_is_nocase(key, name))
            return sdp_span_copy(trim(sdp_span_rest(&ic)), out, out_size);
    }
    return false;
}

unsigned sdp_fmtp_number(const char *fmtp, const char *name, unsigned fallback)
{
    char text[16];
    uint64_t v;
    if (!sdp_fmtp_get(fmtp, name, text, sizeof text) ||
        !sdp_span_number((struct sdp_span){text, strlen(text)}, UINT32_MAX, &v))
        return fallback;
    return (unsigned)v;
}

/* RFC 6184, table 5: the bits of profile-iop that matter for each profile_idc. constraint_set0 is the top
 * bit. */
static const struct {
    uint8_t idc, mask, value;
    enum sdp_h264_profile profile;
} h264_profiles[] = {
    {0x42, 0x4f, 0x40, SDP_H264_CONSTRAINED_BASELINE}, /* x1xx0000 */
    {0x4d, 0x8f, 0x80, SDP_H264_CONSTRAINED_BASELINE}, /* 1xxx0000 */
    {0x58, 0xcf, 0xc0, SDP_H264_CONSTRAINED_BASELINE}, /* 11xx0000 */
    {0x42, 0x4f, 0x00, SDP_H264_BASELINE},             /* x0xx0000 */
    {0x58, 0xcf, 0x80, SDP_H264_BASELINE},             /* 10xx0000 */
    {0x4d, 0xaf, 0x00, SDP_H264_MAIN},                 /* 0x0x0000 */
    {0x64, 0xff, 0x00, SDP_H264_HIGH},
    {0x64, 0xff, 0x0c, SDP_H264_CONSTRAINED_HIGH},
};

static bool hex24(const char *text, uint32_t *ret)
{
    if (strlen(text) != 6 || strspn(text, "0123456789abcdefABCDEF") != 6)
        return false;
    *ret = (uint32_t)strtoul(text, NULL, 16);
    return true;
}

int sdp_h264_parse(const char *fmtp, struct sdp_h264 *ret)
{
    struct sdp_h264 h = {.profile = SDP_H264_OTHER};
    uint32_t id = 0x42000a;
    char text[SDP_TEXT_MAX + 1];
    if (sdp_fmtp_get(fmtp, "profile-level-id", text, sizeof text) && !hex24(text, &id))
        return -EINVAL;
    uint8_t idc = (uint8_t)(id >> 16), iop = (uint8_t)(id >> 8);
    for (size_t i = 0; i < sizeof h264_profiles / sizeof h264_profiles[0]; i++)
        if (h264_profiles[i].idc == idc && (iop & h264_profiles[i].mask) == h264_profiles[i].value) {
            h.profile = h264_profiles[i].profile;
            break;
        }
    h.level = (uint8_t)id;
    /* level 1b of the older profiles is level_idc 11 with constraint_set3 (H.264, A.3.1) */
    if (h.level == 11 && (iop & 0x10) && idc != 0x64)
        h.level = 9;
    unsigned mode = sdp_fmtp_number(fmtp, "packetization-mode", 0);
    h.mode = (uint8_t)(mode > 2 ? 2 : mode);
    h.asymmetry_allowed = sdp_fmtp_number(fmtp, "level-asymmetry-allowed", 0) == 1;
    *ret = h;
    return 0;
}

bool sdp_codec_same_format(enum sdp_codec_id id, const char *fmtp_a, const char *fmtp_b)
{
    struct sdp_h264 a, b;
    switch (id) {
    case SDP_CODEC_H264:
        return sdp_h264_parse(fmtp_a, &a) == 0 && sdp_h264_parse(fmtp_b, &b) == 0 && a.profile == b.profile &&
               a.mode == b.mode;
    case SDP_CODEC_VP9:
        return sdp_fmtp_number(fmtp_a, "profile-id", 0) == sdp_fmtp_number(fmtp_b, "profile-id", 0);
    case SDP_CODEC_AV1:
        return sdp_fmtp_number(fmtp_a, "profile", 0) == sdp_fmtp_number(fmtp_b, "profile", 0);
    case SDP_CODEC_H265:
        return sdp_fmtp_number(fmtp_a, "profile-id", 1) == sdp_fmtp_number(fmtp_b, "profile-id", 1);
    default:
        return true;
    }
}
