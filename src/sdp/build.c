#include "sdp/build.h"

#include <errno.h>

const struct sdp_caps sdp_caps_default = {
    .receive =
        {
            [SDP_KIND_AUDIO] =
                {
                    .codecs = SDP_CODEC_BIT(SDP_CODEC_OPUS) | SDP_CODEC_BIT(SDP_CODEC_RED) |
                              SDP_CODEC_BIT(SDP_CODEC_PCMU) | SDP_CODEC_BIT(SDP_CODEC_PCMA) |
                              SDP_CODEC_BIT(SDP_CODEC_RTX),
                    .exts = SDP_EXT_BIT(SDP_EXT_MID) | SDP_EXT_BIT(SDP_EXT_RID) |
                            SDP_EXT_BIT(SDP_EXT_AUDIO_LEVEL) | SDP_EXT_BIT(SDP_EXT_ABS_CAPTURE_TIME),
                    .fb = SDP_FB_NACK,
                },
            [SDP_KIND_VIDEO] =
                {
                    .codecs = SDP_CODEC_BIT(SDP_CODEC_VP8) | SDP_CODEC_BIT(SDP_CODEC_VP9) |
                              SDP_CODEC_BIT(SDP_CODEC_H264) | SDP_CODEC_BIT(SDP_CODEC_AV1) |
                              SDP_CODEC_BIT(SDP_CODEC_RTX),
                    .exts = SDP_EXT_BIT(SDP_EXT_MID) | SDP_EXT_BIT(SDP_EXT_RID) |
                            SDP_EXT_BIT(SDP_EXT_REPAIRED_RID) | SDP_EXT_BIT(SDP_EXT_TRANSPORT_CC) |
                            SDP_EXT_BIT(SDP_EXT_ABS_SEND_TIME) | SDP_EXT_BIT(SDP_EXT_ABS_CAPTURE_TIME) |
                            SDP_EXT_BIT(SDP_EXT_DEPENDENCY_DESCRIPTOR) | SDP_EXT_BIT(SDP_EXT_FRAME_MARKING),
                    .fb = SDP_FB_NACK | SDP_FB_NACK_PLI | SDP_FB_CCM_FIR | SDP_FB_TRANSPORT_CC,
                },
        },
    .send =
        {
            [SDP_KIND_AUDIO] =
                {
                    .codecs = SDP_CODEC_BIT(SDP_CODEC_OPUS) | SDP_CODEC_BIT(SDP_CODEC_RED) |
                              SDP_CODEC_BIT(SDP_CODEC_PCMU) | SDP_CODEC_BIT(SDP_CODEC_PCMA) |
                              SDP_CODEC_BIT(SDP_CODEC_RTX),
                    .exts = SDP_EXT_BIT(SDP_EXT_MID) | SDP_EXT_BIT(SDP_EXT_ABS_CAPTURE_TIME) |
                            SDP_EXT_BIT(SDP_EXT_TRANSPORT_CC),
                    .fb = SDP_FB_NACK | SDP_FB_TRANSPORT_CC,
                },
            [SDP_KIND_VIDEO] =
                {
                    .codecs = SDP_CODEC_BIT(SDP_CODEC_VP8) | SDP_CODEC_BIT(SDP_CODEC_VP9) |
                              SDP_CODEC_BIT(SDP_CODEC_H264) | SDP_CODEC_BIT(SDP_CODEC_AV1) |
                              SDP_CODEC_BIT(SDP_CODEC_RTX),
                    .exts = SDP_EXT_BIT(SDP_EXT_MID) | SDP_EXT_BIT(SDP_EXT_TRANSPORT_CC) |
                            SDP_EXT_BIT(SDP_EXT_ABS_SEND_TIME) | SDP_EXT_BIT(SDP_EXT_ABS_CAPTURE_TIME) |
                            SDP_EXT_BIT(SDP_EXT_DEPENDENCY_DESCRIPTOR) | SDP_EXT_BIT(SDP_EXT_PLAYOUT_DELAY),
                    .fb = SDP_FB_NACK | SDP_FB_NACK_PLI | SDP_FB_CCM_FIR | SDP_FB_TRANSPORT_CC,
                },
        },
    .h264_level = 0x34, /* 5.2: 4096x2304 at 60 frames a second */
};

int sdp_put_session(struct sdp_session *s, const struct sdp_local *local)
{
    s->origin_id = local->origin_id;
    s->origin_version = local->origin_version;
    s->ice_lite = local->ice_lite;
    s->msid_semantic = sdp_arena_text(s->arena, "WMS *");
    return sdp_arena_failed(s->arena) ? -ENOMEM : 0;
}

int sdp_put_bundle(struct sdp_session *s)
{
    struct sdp_group *g = sdp_push(s->arena, s->groups, s->n_groups);
    if (!g)
        return -ENOMEM;
    g->semantics = sdp_arena_text(s->arena, "BUNDLE");
    for (unsigned i = 0; i < s->n_media; i++) {
        if (sdp_media_rejected(&s->media[i]) || !s->media[i].mid)
            continue;
        const char **mid = sdp_push(s->arena, g->mids, g->n);
        if (!mid)
            return -ENOMEM;
        *mid = s->media[i].mid;
    }
    return sdp_arena_failed(s->arena) ? -ENOMEM : 0;
}

int sdp_put_transport(struct sdp_arena *a, struct sdp_media *m, const struct sdp_local *local,
    enum sdp_setup setup, bool with_candidates)
{
    m->ice.ufrag = sdp_arena_text(a, local->ufrag);
    m->ice.pwd = sdp_arena_text(a, local->pwd);
    m->ice.options = local->trickle ? sdp_arena_text(a, "trickle") : NULL;
    m->setup = setup;
    struct sdp_fingerprint *f = sdp_push(a, m->fingerprints, m->n_fingerprints);
    if (!f)
        return -ENOMEM;
    f->hash = sdp_arena_text(a, "sha-256");
    f->value = sdp_arena_text(a, local->fingerprint);
    for (unsigned i = 0; with_candidates && i < local->n_candidates; i++) {
        struct sdp_candidate *c = sdp_push(a, m->candidates, m->n_candidates);
        if (!c)
            return -ENOMEM;
        *c = local->candidates[i];
    }
    m->end_of_candidates = with_candidates && local->end_of_candidates;
    return sdp_arena_failed(a) ? -ENOMEM : 0;
}

static int put_ssrc(struct sdp_arena *a, struct sdp_media *m, const struct sdp_track *track, uint32_t ssrc)
{
    struct sdp_ssrc *s = sdp_push(a, m->ssrcs, m->n_ssrcs);
    if (!s)
        return -ENOMEM;
    s->ssrc = ssrc;
    s->cname = sdp_arena_text(a, track->cname);
    s->msid_stream = m->msid_stream;
    s->msid_track = m->msid_track;
    return 0;
}

int sdp_put_track(struct sdp_arena *a, struct sdp_media *m, const struct sdp_track *track, bool has_rtx)
{
    m->msid_stream = sdp_arena_text(a, track->stream);
    m->msid_track = sdp_arena_text(a, track->track);
    int rc = put_ssrc(a, m, track, track->ssrc);
    if (rc == 0 && has_rtx && track->rtx_ssrc) {
        struct sdp_ssrc_group *g = sdp_push(a, m->ssrc_groups, m->n_ssrc_groups);
        if (!g)
            return -ENOMEM;
        g->semantics = sdp_arena_text(a, "FID");
        g->ssrcs = sdp_arena_alloc(a, 2 * sizeof *g->ssrcs);
        if (!g->ssrcs)
            return -ENOMEM;
        g->ssrcs[0] = track->ssrc;
        g->ssrcs[1] = track->rtx_ssrc;
        g->n = 2;
        rc = put_ssrc(a, m, track, track->rtx_ssrc);
    }
    return rc ? rc : sdp_arena_failed(a) ? -ENOMEM : 0;
}
