/* Which of the offered codecs are answered, in which order, with which parameters. */
#include "sdp/build.h"

#include <inttypes.h>
#include <stdlib.h>
#include <strings.h>

#define VP9_PROFILE_MAX 2 /* what browsers send; 3 is 4:4:4 */

/* Formats within a codec that nobody here should be asked to forward. */
static bool format_known(const struct sdp_codec *c)
{
    struct sdp_h264 h;
    switch (c->id) {
    case SDP_CODEC_H264:
        return sdp_h264_parse(c->fmtp, &h) == 0 && h.profile != SDP_H264_OTHER && h.mode <= 1;
    case SDP_CODEC_VP9:
        return sdp_fmtp_number(c->fmtp, "profile-id", 0) <= VP9_PROFILE_MAX;
    case SDP_CODEC_AV1:
        return sdp_fmtp_number(c->fmtp, "profile", 0) == 0;
    default:
        return true;
    }
}

/* Would this payload type mean the same as it does in the sections before? */
static bool fits_bundle(const struct sdp_bundle_map *map, const struct sdp_codec *c)
{
    const struct sdp_codec *seen = map->codec[c->pt];
    return !seen || (strcasecmp(seen->name, c->name) == 0 && seen->clock_hz == c->clock_hz &&
                        seen->channels == c->channels && seen->apt == c->apt &&
                        sdp_codec_same_format(c->id, seen->fmtp, c->fmtp));
}

/* The Opus payload type inside of RED: fmtp "111/111" (RFC 2198, section 5). -1: none. */
static int red_inner_pt(const struct sdp_codec *red)
{
    struct cursor c = cursor_of(red->fmtp, red->fmtp ? strlen(red->fmtp) : 0);
    uint64_t pt;
    return sdp_span_number(sdp_span_until(&c, '/'), 127, &pt) ? (int)pt : -1;
}

/* The codecs allowed for the direction, as bits. */
static uint32_t allowed_codecs(const struct sdp_media *offered, const struct sdp_caps *caps,
    const struct sdp_decision *d, enum sdp_dir dir)
{
    const struct sdp_caps_rtp *receive = &caps->receive[offered->kind], *send = &caps->send[offered->kind];
    uint32_t mask = 0;
    if (dir & SDP_RECVONLY)
        mask = receive->codecs & (d->codecs ? d->codecs | SDP_CODEC_BIT(SDP_CODEC_RTX) : UINT32_MAX);
    else if (dir & SDP_SENDONLY)
        mask =
            send->codecs & (SDP_CODEC_BIT(d->track->codec) | d->track->codecs | SDP_CODEC_BIT(SDP_CODEC_RTX));
    else /* an idle section names one codec, the plainest */
        return (receive->codecs | send->codecs) & ~SDP_CODEC_BIT(SDP_CODEC_RED);
    bool preferred = false;
    for (unsigned i = 0; i < offered->n_codecs; i++)
        preferred |= offered->codecs[i].id == d->prefer && d->prefer != SDP_CODEC_OTHER;
    if ((dir & SDP_RECVONLY) && d->only && preferred && (mask & SDP_CODEC_BIT(d->prefer))) {
        mask &= SDP_CODEC_BIT(d->prefer) | SDP_CODEC_BIT(SDP_CODEC_RTX) |
                (d->prefer == SDP_CODEC_RED ? SDP_CODEC_BIT(SDP_CODEC_OPUS) : 0);
    }
    return mask;
}

/* Lower is nearer to the front: the wanted codec, best match of its parameters first. */
static int rank(const struct sdp_codec *c, const struct sdp_decision *d, enum sdp_dir dir)
{
    struct sdp_h264 ours, theirs;
    if (dir & SDP_RECVONLY)
        return c->id != d->prefer || c->id == SDP_CODEC_OTHER;
    if (!(dir & SDP_SENDONLY))
        return 0;
    if (c->id != d->track->codec)
        return 4;
    if (!d->track->fmtp || sdp_codec_same_format(c->id, d->track->fmtp, c->fmtp))
        return 0;
    if (c->id != SDP_CODEC_H264)
        return 3;
    if (sdp_h264_parse(d->track->fmtp, &ours) != 0 || sdp_h264_parse(c->fmtp, &theirs) != 0)
        return 3;
    return ours.mode == theirs.mode ? 1 : 2;
}

/* A stream of one VP9 or AV1 profile is no stream of another; and H.264 packets of mode 1 may not go to a
 * receiver of mode 0 (RFC 6184, section 6.2). */
static bool can_carry(const struct sdp_codec *c, const struct sdp_track *track)
{
    struct sdp_h264 ours, theirs;
    if (!track->fmtp || c->id != track->codec)
        return true;
    if (c->id != SDP_CODEC_H264)
        return sdp_codec_same_format(c->id, track->fmtp, c->fmtp);
    return sdp_h264_parse(track->fmtp, &ours) == 0 && sdp_h264_parse(c->fmtp, &theirs) == 0 &&
           ours.mode <= theirs.mode;
}

static void sort_by_rank(struct sdp_pick *picks, unsigned n, const struct sdp_decision *d, enum sdp_dir dir)
{
    for (unsigned i = 1; i < n; i++) { /* insertion keeps the client's order among equals */
        struct sdp_pick pick = picks[i];
        unsigned k = i;
        for (; k > 0 && rank(picks[k - 1].codec, d, dir) > rank(pick.codec, d, dir); k--)
            picks[k] = picks[k - 1];
        picks[k] = pick;
    }
}

/* RED stays only with the Opus that it wraps. */
static unsigned drop_bare_red(struct sdp_pick *picks, unsigned n)
{
    unsigned kept = 0;
    for (unsigned i = 0; i < n; i++) {
        bool keep = true;
        if (picks[i].codec->id == SDP_CODEC_RED) {
            int inner = red_inner_pt(picks[i].codec);
            keep = false;
            for (unsigned k = 0; k < n; k++)
                keep |= picks[k].codec->id == SDP_CODEC_OPUS && picks[k].codec->pt == inner;
        }
        if (keep)
            picks[kept++] = picks[i];
    }
    return kept;
}

static const struct sdp_codec *rtx_for(
    const struct sdp_media *offered, int pt, const struct sdp_bundle_map *map)
{
    for (unsigned i = 0; i < offered->n_codecs; i++) {
        const struct sdp_codec *c = &offered->codecs[i];
        if (c->id == SDP_CODEC_RTX && c->apt == pt && fits_bundle(map, c))
            return c;
    }
    return NULL;
}

static uint8_t feedback_of(const struct sdp_media *offered, const struct sdp_caps *caps, enum sdp_dir dir)
{
    uint8_t fb = 0;
    if (dir & SDP_RECVONLY || dir == SDP_INACTIVE)
        fb |= caps->receive[offered->kind].fb;
    if (dir & SDP_SENDONLY || dir == SDP_INACTIVE)
        fb |= caps->send[offered->kind].fb;
    return fb;
}

unsigned sdp_pick_codecs(const struct sdp_media *offered, const struct sdp_caps *caps,
    const struct sdp_decision *d, enum sdp_dir dir, const struct sdp_bundle_map *map,
    struct sdp_pick picks[SDP_CODECS_MAX])
{
    uint32_t mask = allowed_codecs(offered, caps, d, dir);
    uint8_t fb = feedback_of(offered, caps, dir);
    unsigned n = 0;
    for (unsigned i = 0; i < offered->n_codecs; i++) {
        const struct sdp_codec *c = &offered->codecs[i];
        if (c->id == SDP_CODEC_OTHER || c->id == SDP_CODEC_RTX || !(mask & SDP_CODEC_BIT(c->id)))
            continue;
        if (!format_known(c) || !fits_bundle(map, c) || (dir == SDP_SENDONLY && !can_carry(c, d->track)))
            continue;
        picks[n++] = (struct sdp_pick){.codec = c, .fb = c->fb & fb};
    }
    sort_by_rank(picks, n, d, dir);
    n = drop_bare_red(picks, n);
    if (dir == SDP_INACTIVE && n > 1)
        n = 1;
    for (unsigned i = 0; i < n; i++) {
        if (mask & SDP_CODEC_BIT(SDP_CODEC_RTX))
            picks[i].rtx = rtx_for(offered, picks[i].codec->pt, map);
        /* what RED lost, RED repairs */
        if (dir == SDP_SENDONLY && picks[0].codec->id == SDP_CODEC_RED)
            picks[i].fb &= (uint8_t)~SDP_FB_NACK;
    }
    return n;
}

/* Appends one parameter to a list. */
static const char *with_param(struct sdp_arena *a, const char *fmtp, const char *param)
{
    return fmtp && fmtp[0] ? sdp_arena_textf(a, "%s;%s", fmtp, param) : sdp_arena_text(a, param);
}

/* A copy of fmtp without the named parameters; NULL if nothing is left. */
static const char *without_params(struct sdp_arena *a, const char *fmtp, const char *const *names, unsigned n)
{
    struct cursor c = cursor_of(fmtp, fmtp ? strlen(fmtp) : 0);
    const char *out = NULL;
    while (cursor_left(&c)) {
        struct sdp_span item = sdp_span_until(&c, ';');
        while (item.len && item.p[0] == ' ')
            item.p++, item.len--;
        struct cursor ic = cursor_of(item.p, item.len);
        struct sdp_span key = sdp_span_until(&ic, '=');
        bool drop = item.len == 0;
        for (unsigned i = 0; i < n; i++)
            drop |= sdp_span_is_nocase(key, names[i]);
        if (drop)
            continue;
        const char *text = sdp_arena_textn(a, item.p, item.len);
        if (!text)
            return NULL;
        out = with_param(a, out, text);
    }
    return out;
}

const char *sdp_opus_fmtp(struct sdp_arena *a, const char *fmtp, const struct sdp_decision *d,
    const struct sdp_track *track, bool receive)
{
    static const char *const ours[] = {"usedtx", "stereo", "sprop-stereo", "maxaveragebitrate"};
    const char *out = without_params(a, fmtp, ours, 4);
    if (receive && d->opus_dtx)
        out = with_param(a, out, "usedtx=1");
    if (receive && d->opus_stereo)
        out = with_param(a, out, "stereo=1;maxaveragebitrate=510000");
    if (track && track->stereo)
        out = with_param(a, out, "sprop-stereo=1");
    return out;
}

/* The profile stays; where both sides allow different levels we state what we take, otherwise the lower one
 * binds both (RFC 6184, section 8.2.2). */
static const char *h264_fmtp(struct sdp_arena *a, const char *fmtp, const struct sdp_caps *caps, bool receive)
{
    static const char *const level[] = {"profile-level-id"};
    char text[8] = "";
    if (!sdp_fmtp_get(fmtp, "profile-level-id", text, sizeof text) || strlen(text) != 6)
        return sdp_arena_text(a, fmtp);
    uint8_t theirs = (uint8_t)strtoul(&text[4], NULL, 16), answer = theirs;
    bool differ = sdp_fmtp_number(fmtp, "level-asymmetry-allowed", 0) == 1;
    if (receive)
        answer = differ || caps->h264_level < theirs ? caps->h264_level : theirs;
    const char *rest = without_params(a, fmtp, level, 1);
    return rest ? sdp_arena_textf(a, "%s;profile-level-id=%.4s%02x", rest, text, answer)
                : sdp_arena_textf(a, "profile-level-id=%.4s%02x", text, answer);
}

const char *sdp_answer_fmtp(struct sdp_arena *a, const struct sdp_codec *codec, const struct sdp_decision *d,
    enum sdp_dir dir, const struct sdp_caps *caps)
{
    static const char *const receiver_limits[] = {"max-fs", "max-fr"};
    bool receive = dir & SDP_RECVONLY;
    switch (codec->id) {
    case SDP_CODEC_OPUS:
        return sdp_opus_fmtp(a, codec->fmtp, d, dir & SDP_SENDONLY ? d->track : NULL, receive);
    case SDP_CODEC_H264:
        return h264_fmtp(a, codec->fmtp, caps, receive);
    case SDP_CODEC_RTX:
        return sdp_arena_textf(a, "apt=%d", codec->apt);
    case SDP_CODEC_VP8:
    case SDP_CODEC_VP9: /* what the client can take is no limit of ours (RFC 7741, section 6.1) */
        return without_params(a, codec->fmtp, receiver_limits, 2);
    default:
        return sdp_arena_text(a, codec->fmtp);
    }
}
