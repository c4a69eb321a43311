#include "rtp/ext.h"

#include <errno.h>
#include <string.h>

static const char *const uris[RTP_EXT_COUNT] = {
    [RTP_EXT_MID] = "urn:ietf:params:rtp-hdrext:sdes:mid",
    [RTP_EXT_RID] = "urn:ietf:params:rtp-hdrext:sdes:rtp-stream-id",
    [RTP_EXT_REPAIRED_RID] = "urn:ietf:params:rtp-hdrext:sdes:repaired-rtp-stream-id",
    [RTP_EXT_AUDIO_LEVEL] = "urn:ietf:params:rtp-hdrext:ssrc-audio-level",
    [RTP_EXT_TWCC] = "http://www.ietf.org/id/draft-holmer-rmcat-transport-wide-cc-extensions-01",
    [RTP_EXT_ABS_SEND_TIME] = "http://www.webrtc.org/experiments/rtp-hdrext/abs-send-time",
    [RTP_EXT_ABS_CAPTURE_TIME] = "http://www.webrtc.org/experiments/rtp-hdrext/abs-capture-time",
    [RTP_EXT_DEPENDENCY] =
        "https://aomediacodec.github.io/av1-rtp-spec/#dependency-descriptor-rtp-header-extension",
    [RTP_EXT_VIDEO_ORIENTATION] = "urn:3gpp:video-orientation",
    [RTP_EXT_PLAYOUT_DELAY] = "http://www.webrtc.org/experiments/rtp-hdrext/playout-delay",
    [RTP_EXT_TOFFSET] = "urn:ietf:params:rtp-hdrext:toffset",
    [RTP_EXT_CONTENT_TYPE] = "http://www.webrtc.org/experiments/rtp-hdrext/video-content-type",
    [RTP_EXT_VIDEO_TIMING] = "http://www.webrtc.org/experiments/rtp-hdrext/video-timing",
    [RTP_EXT_COLOR_SPACE] = "http://www.webrtc.org/experiments/rtp-hdrext/color-space",
    [RTP_EXT_LAYERS_ALLOCATION] = "http://www.webrtc.org/experiments/rtp-hdrext/video-layers-allocation00",
};

const char *rtp_ext_uri(enum rtp_ext ext)
{
    return (unsigned)ext < RTP_EXT_COUNT ? uris[ext] : NULL;
}

enum rtp_ext rtp_ext_find(const char *uri)
{
    for (unsigned i = 0; i < RTP_EXT_COUNT; i++) {
        if (strcmp(uris[i], uri) == 0)
            return (enum rtp_ext)i;
    }
    return RTP_EXT_NONE;
}

void rtp_extmap_init(struct rtp_extmap *m)
{
    memset(m->ext_of, RTP_EXT_NONE, sizeof m->ext_of);
    memset(m->id_of, 0, sizeof m->id_of);
}

int rtp_extmap_set(struct rtp_extmap *m, unsigned id, enum rtp_ext ext)
{
    if (id < 1 || id > 255 || (unsigned)ext >= RTP_EXT_COUNT)
        return -EINVAL;
    if (m->ext_of[id] == ext && m->id_of[ext] == id)
        return 0;
    if (m->ext_of[id] != RTP_EXT_NONE || m->id_of[ext] != 0)
        return -EEXIST;
    m->ext_of[id] = (uint8_t)ext;
    m->id_of[ext] = (uint8_t)id;
    return 0;
}
