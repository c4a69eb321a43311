/* Offers of the server, for clients that keep a second connection to receive. */
#include "sdp/build.h"

#include <errno.h>

/* Our own payload types. One codec has one number in every section, so that nothing collides in the bundle.
 */
static const struct {
    enum sdp_codec_id id;
    uint8_t pt;
    int rtx_pt; /* -1: none */
    const char *fmtp;
} table[] = {
    {SDP_CODEC_RED, 63, -1, "111/111"},
    {SDP_CODEC_OPUS, 111, -1, "minptime=10;useinbandfec=1"},
    {SDP_CODEC_PCMU, 0, -1, NULL},
    {SDP_CODEC_PCMA, 8, -1, NULL},
    {SDP_CODEC_VP8, 96, 97, NULL},
    {SDP_CODEC_VP9, 98, 99, "profile-id=0"},
    {SDP_CODEC_VP9, 100, 101, "profile-id=1"},
    {SDP_CODEC_VP9, 102, 103, "profile-id=2"},
    {SDP_CODEC_H264, 108, 109, "level-asymmetry-allowed=1;packetization-mode=1;profile-level-id=42e01f"},
    {SDP_CODEC_H264, 125, 126, "level-asymmetry-allowed=1;packetization-mode=0;profile-level-id=42e01f"},
    {SDP_CODEC_H264, 104, 105, "level-asymmetry-allowed=1;packetization-mode=1;profile-level-id=42001f"},
    {SDP_CODEC_H264, 39, 40, "level-asymmetry-allowed=1;packetization-mode=1;profile-level-id=4d001f"},
    {SDP_CODEC_H264, 123, 124, "level-asymmetry-allowed=1;packetization-mode=1;profile-level-id=64001f"},
    {SDP_CODEC_AV1, 35, 36, NULL},
    {SDP_CODEC_H265, 116, 117, NULL},
};

#define TABLE_N (sizeof table / sizeof table[0])

static int put_codec(
    struct sdp_arena *a, struct sdp_media *m, enum sdp_codec_id id, uint8_t pt, const char *fmtp)
{
    struct sdp_codec *c = sdp_push(a, m->codecs, m->n_codecs);
    if (!c)
        return -ENOMEM;
    bool rtx = id == SDP_CODEC_RTX;
    *c = (struct sdp_codec){
        .pt = pt,
        .id = id,
        .name = sdp_arena_text(a, sdp_codec_name(id)),
        .clock_hz = rtx ? 90000 : sdp_codec_clock_hz(id),
        .channels = rtx ? 1 : sdp_codec_channels(id),
        .fmtp = fmtp,
        .apt = -1,
    };
    return sdp_arena_failed(a) ? -ENOMEM : 0;
}

/* One row of the table, with its RTX. */
static int put_row(struct sdp_arena *a, struct sdp_media *m, unsigned row, const struct sdp_caps_rtp *caps,
    const struct sdp_track *track)
{
    const char *fmtp = sdp_arena_text(a, table[row].fmtp);
    if (table[row].id == SDP_CODEC_OPUS)
        fmtp = sdp_opus_fmtp(a, fmtp, NULL, track, false);
    int rc = put_codec(a, m, table[row].id, table[row].pt, fmtp);
    if (rc != 0)
        return rc;
    m->codecs[m->n_codecs - 1].fb = caps->fb;
    if (table[row].rtx_pt < 0 || !(caps->codecs & SDP_CODEC_BIT(SDP_CODEC_RTX)))
        return 0;
    rc = put_codec(
        a, m, SDP_CODEC_RTX, (uint8_t)table[row].rtx_pt, sdp_arena_textf(a, "apt=%u", table[row].pt));
    if (rc == 0)
        m->codecs[m->n_codecs - 1].apt = table[row].pt;
    return rc;
}

/* How well a row carries a track: EXACT is its very format; NEAR another profile of H.264, which decoders
 * take, but not in a packetization mode that they did not ask for (RFC 6184, section 6.2). */
enum fit { EXACT, NEAR, NOT };

static enum fit row_fit(unsigned row, const struct sdp_track *track)
{
    struct sdp_h264 ours, rows;
    if (!track->fmtp || sdp_codec_same_format(table[row].id, track->fmtp, table[row].fmtp))
        return EXACT;
    if (table[row].id == SDP_CODEC_H264 && sdp_h264_parse(track->fmtp, &ours) == 0 &&
        sdp_h264_parse(table[row].fmtp, &rows) == 0 && ours.mode <= rows.mode)
        return NEAR;
    return NOT;
}

/* All rows of a codec that fit so well. 0 or an error. */
static int put_rows(struct sdp_arena *a, struct sdp_media *m, enum sdp_codec_id id, enum fit fit,
    const struct sdp_caps_rtp *caps, const struct sdp_track *track)
{
    int rc = 0;
    for (unsigned row = 0; row < TABLE_N && rc == 0; row++)
        if (table[row].id == id && row_fit(row, track) == fit)
            rc = put_row(a, m, row, caps, track);
    return rc;
}

/* The track's codec first, then whatever else it may be sent as. A profile that the table lacks goes out
 * under the codec's own rows: decoders read what they get. */
static int put_track_codecs(
    struct sdp_arena *a, struct sdp_media *m, const struct sdp_caps_rtp *caps, const struct sdp_track *track)
{
    struct sdp_track any = *track;
    any.fmtp = NULL;
    int rc = put_rows(a, m, track->codec, EXACT, caps, track);
    if (rc == 0)
        rc = put_rows(a, m, track->codec, NEAR, caps, track);
    if (rc == 0 && m->n_codecs == 0)
        rc = put_rows(a, m, track->codec, EXACT, caps, &any);
    for (unsigned id = SDP_CODEC_OTHER + 1; id < SDP_CODEC_COUNT && rc == 0; id++)
        if ((track->codecs & SDP_CODEC_BIT(id)) && id != track->codec && sdp_codec_kind(id) == m->kind)
            rc = put_rows(a, m, (enum sdp_codec_id)id, EXACT, caps, &any);
    if (rc != 0 || m->n_codecs == 0)
        return rc ? rc : -EINVAL;
    for (unsigned i = 0; m->codecs[0].id == SDP_CODEC_RED && i < m->n_codecs; i++)
        m->codecs[i].fb &= (uint8_t)~SDP_FB_NACK; /* what RED lost, RED repairs */
    return 0;
}

/* Our header extension ids are those of the enum, from 1: the same in every section. */
static int put_extensions(struct sdp_arena *a, struct sdp_media *m, uint32_t mask)
{
    for (unsigned ext = 0; ext < SDP_EXT_COUNT; ext++) {
        if (!(mask & SDP_EXT_BIT(ext)))
            continue;
        struct sdp_extmap *e = sdp_push(a, m->extmap, m->n_extmap);
        if (!e)
            return -ENOMEM;
        *e = (struct sdp_extmap){.id = (uint16_t)(ext + 1),
            .dir = SDP_SENDRECV,
            .ext = (enum sdp_ext)ext,
            .uri = sdp_ext_uri(ext)};
    }
    return 0;
}

static int offer_rtp(struct sdp_arena *a, struct sdp_media *m, const struct sdp_offer_section *section,
    const struct sdp_caps *caps)
{
    static const struct sdp_track idle[] = {
        [SDP_KIND_AUDIO] = {.codec = SDP_CODEC_OPUS}, [SDP_KIND_VIDEO] = {.codec = SDP_CODEC_VP8}};
    const struct sdp_track *track = section->track;
    const struct sdp_caps_rtp *send = &caps->send[m->kind];
    m->proto = sdp_arena_text(a, "UDP/TLS/RTP/SAVPF");
    m->dir = track ? SDP_SENDONLY : SDP_INACTIVE;
    m->rtcp_mux = true;
    m->rtcp_rsize = true;
    m->extmap_allow_mixed = true;
    int rc = put_track_codecs(a, m, send, track ? track : &idle[m->kind]);
    if (rc == 0)
        rc = put_extensions(a, m, send->exts);
    bool has_rtx = rc == 0 && m->n_codecs > 1 && m->codecs[1].id == SDP_CODEC_RTX;
    return rc == 0 && track ? sdp_put_track(a, m, track, has_rtx) : rc;
}

static int offer_data(struct sdp_arena *a, struct sdp_media *m, const struct sdp_local *local)
{
    m->proto = sdp_arena_text(a, "UDP/DTLS/SCTP");
    m->formats = sdp_arena_text(a, "webrtc-datachannel");
    m->dir = SDP_SENDRECV;
    m->sctp_port = 5000;
    m->max_message_size = local->max_message_size ? local->max_message_size : SDP_MESSAGE_SIZE;
    m->has_max_message_size = true;
    return 0;
}

static int offer_section(
    struct sdp_session *s, const struct sdp_local *local, const struct sdp_offer_section *section)
{
    static const char *const kinds[] = {"audio", "video", "application"};
    bool data = section->kind == SDP_KIND_APPLICATION;
    if (section->kind >= SDP_KIND_OTHER || !section->mid || (data && section->track) ||
        (section->track && sdp_codec_kind(section->track->codec) != section->kind))
        return -EINVAL;
    struct sdp_media *m = sdp_push(s->arena, s->media, s->n_media);
    if (!m)
        return -ENOMEM;
    m->kind = section->kind;
    m->kind_text = kinds[section->kind];
    m->port = 9;
    m->mid = sdp_arena_text(s->arena, section->mid);
    const struct sdp_caps *caps = local->caps ? local->caps : &sdp_caps_default;
    int rc = data ? offer_data(s->arena, m, local) : offer_rtp(s->arena, m, section, caps);
    if (rc != 0)
        return rc;
    if (section->rejected) {
        m->port = 0;
        return 0;
    }
    bool first = true;
    for (unsigned i = 0; i + 1 < s->n_media; i++)
        first &= sdp_media_rejected(&s->media[i]);
    return sdp_put_transport(s->arena, m, local, SDP_SETUP_ACTPASS, first);
}

int sdp_offer(const struct sdp_local *local, const struct sdp_offer_section *sections, unsigned n,
    struct sdp_session **ret)
{
    if (n > SDP_MEDIA_MAX)
        return -EINVAL;
    struct sdp_session *s = sdp_session_new();
    if (!s)
        return -ENOMEM;
    int rc = sdp_put_session(s, local);
    for (unsigned i = 0; rc == 0 && i < n; i++)
        rc = offer_section(s, local, &sections[i]);
    s->extmap_allow_mixed = true;
    if (rc == 0)
        rc = sdp_put_bundle(s);
    if (rc == 0)
        *ret = s;
    else
        sdp_free(s);
    return rc;
}
