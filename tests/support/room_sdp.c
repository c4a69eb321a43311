#include "support/room_sdp.h"

#include <assert.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>

struct codec_row {
    unsigned bit;
    int pt;
    const char *rtpmap, *fmtp;
    int rtx; /* 0: none */
};

/* Payload types of Chromium 156 and Firefox 153; 0 is also the end of a table, PCMU comes in front of it. */
static const struct codec_row chromium_audio[] = {
    {PC_OPUS, 111, "opus/48000/2", "minptime=10;useinbandfec=1", 0},
    {PC_RED, 63, "red/48000/2", "111/111", 0},
    {0, 9, "G722/8000", NULL, 0},
    {0, 0, "PCMU/8000", NULL, 0},
    {0, 8, "PCMA/8000", NULL, 0},
    {0, 13, "CN/8000", NULL, 0},
    {0, 110, "telephone-event/48000", NULL, 0},
    {0, 126, "telephone-event/8000", NULL, 0},
    {0},
};

static const struct codec_row firefox_audio[] = {
    {PC_OPUS, 109, "opus/48000/2", "maxplaybackrate=48000;stereo=1;useinbandfec=1", 0},
    {0, 9, "G722/8000/1", NULL, 0},
    {0, 0, "PCMU/8000", NULL, 0},
    {0, 8, "PCMA/8000", NULL, 0},
    {0, 101, "telephone-event/8000/1", "0-15", 0},
    {0},
};

#define H264(profile, mode) "level-asymmetry-allowed=1;packetization-mode=" mode ";profile-level-id=" profile

static const struct codec_row chromium_video[] = {
    {PC_VP8, 96, "VP8/90000", NULL, 97},
    {PC_VP9, 98, "VP9/90000", "profile-id=0", 99},
    {PC_VP9, 100, "VP9/90000", "profile-id=2", 101},
    {PC_H264, 102, "H264/90000", H264("42001f", "1"), 103},
    {PC_H264, 104, "H264/90000", H264("42001f", "0"), 107},
    {PC_H264, 108, "H264/90000", H264("42e01f", "1"), 109},
    {PC_H264, 114, "H264/90000", H264("42e01f", "0"), 115},
    {PC_H264, 116, "H264/90000", H264("4d001f", "1"), 117},
    {PC_AV1, 45, "AV1/90000", "level-idx=5;profile=0;tier=0", 46},
    {0, 118, "red/90000", NULL, 119},
    {0, 120, "ulpfec/90000", NULL, 0},
    {0, 49, "flexfec-03/90000", "repair-window=10000000", 0},
    {0},
};

static const struct codec_row firefox_video[] = {
    {PC_VP8, 120, "VP8/90000", "max-fs=12288;max-fr=60", 124},
    {PC_VP9, 121, "VP9/90000", "max-fs=12288;max-fr=60", 125},
    {PC_AV1, 99, "AV1/90000", NULL, 100},
    {0, 123, "ulpfec/90000", NULL, 0},
    {0, 122, "red/90000", NULL, 119},
    {0},
};

static const char chromium_audio_exts[] =
    "a=extmap:1 urn:ietf:params:rtp-hdrext:ssrc-audio-level\r\n"
    "a=extmap:2 http://www.webrtc.org/experiments/rtp-hdrext/abs-send-time\r\n"
    "a=extmap:3 http://www.ietf.org/id/draft-holmer-rmcat-transport-wide-cc-extensions-01\r\n"
    "a=extmap:4 urn:ietf:params:rtp-hdrext:sdes:mid\r\n";

static const char chromium_video_exts[] =
    "a=extmap:14 urn:ietf:params:rtp-hdrext:toffset\r\n"
    "a=extmap:2 http://www.webrtc.org/experiments/rtp-hdrext/abs-send-time\r\n"
    "a=extmap:13 urn:3gpp:video-orientation\r\n"
    "a=extmap:3 http://www.ietf.org/id/draft-holmer-rmcat-transport-wide-cc-extensions-01\r\n"
    "a=extmap:5 http://www.webrtc.org/experiments/rtp-hdrext/playout-delay\r\n"
    "a=extmap:8 http://www.webrtc.org/experiments/rtp-hdrext/color-space\r\n"
    "a=extmap:4 urn:ietf:params:rtp-hdrext:sdes:mid\r\n"
    "a=extmap:10 urn:ietf:params:rtp-hdrext:sdes:rtp-stream-id\r\n"
    "a=extmap:11 urn:ietf:params:rtp-hdrext:sdes:repaired-rtp-stream-id\r\n"
    "a=extmap:12 https://aomediacodec.github.io/av1-rtp-spec/#dependency-descriptor-rtp-header-extension\r\n";

static const char firefox_audio_exts[] =
    "a=extmap:1 urn:ietf:params:rtp-hdrext:ssrc-audio-level\r\n"
    "a=extmap:2/recvonly urn:ietf:params:rtp-hdrext:csrc-audio-level\r\n"
    "a=extmap:3 urn:ietf:params:rtp-hdrext:sdes:mid\r\n"
    "a=extmap:7 http://www.ietf.org/id/draft-holmer-rmcat-transport-wide-cc-extensions-01\r\n"
    "a=extmap-allow-mixed\r\n";

static const char firefox_video_exts[] =
    "a=extmap:3 urn:ietf:params:rtp-hdrext:sdes:mid\r\n"
    "a=extmap:4 http://www.webrtc.org/experiments/rtp-hdrext/abs-send-time\r\n"
    "a=extmap:5 urn:ietf:params:rtp-hdrext:toffset\r\n"
    "a=extmap:6/recvonly http://www.webrtc.org/experiments/rtp-hdrext/playout-delay\r\n"
    "a=extmap:7 http://www.ietf.org/id/draft-holmer-rmcat-transport-wide-cc-extensions-01\r\n"
    "a=extmap:8/sendonly https://aomediacodec.github.io/av1-rtp-spec/"
    "#dependency-descriptor-rtp-header-extension\r\n"
    "a=extmap:9/sendonly urn:ietf:params:rtp-hdrext:sdes:rtp-stream-id\r\n"
    "a=extmap:10/sendonly urn:ietf:params:rtp-hdrext:sdes:repaired-rtp-stream-id\r\n"
    "a=extmap-allow-mixed\r\n";

void pc_init(struct pc *pc, uint32_t number, bool firefox)
{
    memset(pc, 0, sizeof *pc);
    pc->number = number;
    pc->firefox = firefox;
    text_copy(pc->setup, sizeof pc->setup, "actpass");
    for (int i = 0; i < 32; i++)
        snprintf(pc->fingerprint + 3 * i, 4, "%02X:", (unsigned)(number * 7 + (uint32_t)i * 5) & 0xff);
    pc->fingerprint[95] = 0;
}

unsigned pc_add(struct pc *pc, enum sdp_kind kind, bool sends, bool receives)
{
    assert(pc->n < PC_SECTIONS_MAX);
    struct pc_section *s = &pc->sections[pc->n];
    *s = (struct pc_section){.kind = kind, .sends = sends, .receives = receives};
    snprintf(s->mid, sizeof s->mid, "%u", pc->n);
    s->ssrc = pc->number << 16 | pc->n << 4;
    return pc->n++;
}

void pc_add_data(struct pc *pc)
{
    pc_add(pc, SDP_KIND_APPLICATION, true, true);
}

struct pc_section *pc_sender(struct pc *pc, const char *cid)
{
    for (unsigned i = 0; i < pc->n; i++)
        if (pc->sections[i].sends && strcmp(pc->sections[i].cid, cid) == 0)
            return &pc->sections[i];
    return NULL;
}

void pc_restart(struct pc *pc)
{
    pc->generation++;
}

/* ---- text ---- */

static void put_session(struct pc *pc, struct strbuf *out, bool bundle)
{
    strbuf_addf(out, "v=0\r\no=%s %u %u IN IP4 127.0.0.1\r\ns=-\r\nt=0 0\r\n",
        pc->firefox ? "mozilla...THIS_IS_SDPARTA-99.0" : "-", 1000 + pc->number, ++pc->version);
    if (pc->firefox)
        strbuf_addf(out, "a=fingerprint:sha-256 %s\r\n", pc->fingerprint);
    if (bundle) {
        strbuf_add(out, "a=group:BUNDLE");
        for (unsigned i = 0; i < pc->n; i++)
            if (!pc->sections[i].stopped)
                strbuf_addf(out, " %s", pc->sections[i].mid);
        strbuf_add(out, "\r\n");
    }
    strbuf_add(out, pc->firefox ? "a=ice-options:trickle\r\n" : "a=extmap-allow-mixed\r\n");
    strbuf_addf(out, "a=msid-semantic:%s\r\n", pc->firefox ? "WMS *" : " WMS");
}

static void put_transport(const struct pc *pc, const char *setup, struct strbuf *out)
{
    strbuf_addf(out, "a=ice-ufrag:u%ug%u\r\na=ice-pwd:password-of-connection-%u-%u\r\n", pc->number,
        pc->generation, pc->number, pc->generation);
    if (!pc->firefox)
        strbuf_addf(out, "a=ice-options:trickle\r\na=fingerprint:sha-256 %s\r\n", pc->fingerprint);
    strbuf_addf(out, "a=setup:%s\r\n", setup);
}

static const struct codec_row *rows_of(const struct pc *pc, enum sdp_kind kind)
{
    if (kind == SDP_KIND_AUDIO)
        return pc->firefox ? firefox_audio : chromium_audio;
    return pc->firefox ? firefox_video : chromium_video;
}

static void put_formats(const struct codec_row *rows, unsigned without, struct strbuf *out)
{
    for (const struct codec_row *r = rows; r->rtpmap; r++) {
        if (r->bit & without)
            continue;
        strbuf_addf(out, " %d", r->pt);
        if (r->rtx && !(without & PC_RTX))
            strbuf_addf(out, " %d", r->rtx);
    }
    strbuf_add(out, "\r\n");
}

static void put_codecs(const struct codec_row *rows, unsigned without, bool video, struct strbuf *out)
{
    for (const struct codec_row *r = rows; r->rtpmap; r++) {
        if (r->bit & without)
            continue;
        strbuf_addf(out, "a=rtpmap:%d %s\r\n", r->pt, r->rtpmap);
        if (video && r->bit)
            strbuf_addf(out,
                "a=rtcp-fb:%d goog-remb\r\na=rtcp-fb:%d transport-cc\r\na=rtcp-fb:%d ccm fir\r\n"
                "a=rtcp-fb:%d nack\r\na=rtcp-fb:%d nack pli\r\n",
                r->pt, r->pt, r->pt, r->pt, r->pt);
        else if (r->bit & PC_OPUS)
            strbuf_addf(out, "a=rtcp-fb:%d transport-cc\r\n", r->pt);
        if (r->fmtp)
            strbuf_addf(out, "a=fmtp:%d %s\r\n", r->pt, r->fmtp);
        if (r->rtx && !(without & PC_RTX))
            strbuf_addf(out, "a=rtpmap:%d rtx/90000\r\na=fmtp:%d apt=%d\r\n", r->rtx, r->rtx, r->pt);
    }
}

static const char *dir_text(bool sends, bool receives)
{
    if (sends)
        return receives ? "sendrecv" : "sendonly";
    return receives ? "recvonly" : "inactive";
}

static void put_sending(const struct pc *pc, const struct pc_section *s, struct strbuf *out)
{
    static const char *const rids[] = {"q", "h", "f"};
    strbuf_addf(out, "a=msid:%s %s\r\n", s->stream, s->cid);
    if (s->rids > 1) {
        for (unsigned i = 0; i < s->rids; i++)
            strbuf_addf(out, "a=rid:%s send\r\n", rids[i]);
        strbuf_addf(out, "a=simulcast:send q;h%s\r\n", s->rids > 2 ? ";f" : "");
        return;
    }
    if (s->kind == SDP_KIND_VIDEO)
        strbuf_addf(out, "a=ssrc-group:FID %u %u\r\n", s->ssrc, s->ssrc + 1);
    strbuf_addf(out, "a=ssrc:%u cname:c%u\r\n", s->ssrc, pc->number);
    if (s->kind == SDP_KIND_VIDEO)
        strbuf_addf(out, "a=ssrc:%u cname:c%u\r\n", s->ssrc + 1, pc->number);
}

static void put_data(struct pc *pc, const struct pc_section *s, const char *setup, struct strbuf *out)
{
    strbuf_addf(
        out, "m=application %d UDP/DTLS/SCTP webrtc-datachannel\r\nc=IN IP4 0.0.0.0\r\n", s->stopped ? 0 : 9);
    put_transport(pc, setup, out);
    strbuf_addf(out, "a=mid:%s\r\na=sctp-port:5000\r\na=max-message-size:%u\r\n", s->mid,
        pc->firefox ? 1073741823u : 262144u);
}

/* Firefox bundles what was not negotiated yet, but the first of each kind, without a port of its own. */
static bool bundle_only(const struct pc *pc, unsigned index)
{
    if (!pc->firefox || pc->sections[index].negotiated)
        return false;
    for (unsigned i = 0; i < index; i++)
        if (pc->sections[i].kind == pc->sections[index].kind && !pc->sections[i].stopped)
            return true;
    return false;
}

static void put_media(struct pc *pc, unsigned index, struct strbuf *out)
{
    const struct pc_section *s = &pc->sections[index];
    const struct codec_row *rows = rows_of(pc, s->kind);
    bool video = s->kind == SDP_KIND_VIDEO;
    unsigned without = pc->without | s->without;
    strbuf_addf(out, "m=%s %d UDP/TLS/RTP/SAVPF", video ? "video" : "audio",
        s->stopped || bundle_only(pc, index) ? 0 : 9);
    put_formats(rows, without, out);
    strbuf_addf(
        out, "c=IN IP4 0.0.0.0\r\n%s", bundle_only(pc, index) && !s->stopped ? "a=bundle-only\r\n" : "");
    put_transport(pc, pc->setup, out);
    strbuf_addf(out, "a=mid:%s\r\n", s->mid);
    if (pc->firefox)
        strbuf_add(out, video ? firefox_video_exts : firefox_audio_exts);
    else
        strbuf_add(out, video ? chromium_video_exts : chromium_audio_exts);
    strbuf_addf(out, "a=%s\r\na=rtcp-mux\r\na=rtcp-rsize\r\n",
        s->stopped ? "inactive" : dir_text(s->sends, s->receives));
    put_codecs(rows, without, video, out);
    if (s->sends && !s->stopped)
        put_sending(pc, s, out);
}

void pc_offer(struct pc *pc, struct strbuf *out)
{
    put_session(pc, out, true);
    for (unsigned i = 0; i < pc->n; i++) {
        if (pc->sections[i].kind == SDP_KIND_APPLICATION)
            put_data(pc, &pc->sections[i], pc->setup, out);
        else
            put_media(pc, i, out);
    }
}

/* ---- answers ---- */

static unsigned bit_of(const struct pc *pc, enum sdp_kind kind, const struct sdp_codec *c)
{
    size_t len = strlen(c->name);
    for (const struct codec_row *r = rows_of(pc, kind); r->rtpmap; r++)
        if (r->bit && strncasecmp(r->rtpmap, c->name, len) == 0 && r->rtpmap[len] == '/')
            return r->bit;
    return 0;
}

/* The offered codecs that we have, with the server's payload types; how many. */
static unsigned common_codecs(
    const struct pc *pc, const struct sdp_media *m, const struct sdp_codec *list[SDP_CODECS_MAX])
{
    unsigned n = 0;
    for (unsigned i = 0; i < m->n_codecs; i++) {
        const struct sdp_codec *c = &m->codecs[i];
        const struct sdp_codec *base = c->apt >= 0 ? sdp_media_codec(m, (unsigned)c->apt) : c;
        unsigned bit = base ? bit_of(pc, m->kind, base) : 0;
        bit |= bit && c != base ? PC_RTX : 0;
        if (bit && !(bit & pc->without))
            list[n++] = c;
    }
    return n;
}

static void answer_media(
    struct pc *pc, const struct sdp_media *m, const struct pc_section *s, struct strbuf *out)
{
    const struct sdp_codec *list[SDP_CODECS_MAX];
    unsigned n = common_codecs(pc, m, list);
    strbuf_addf(out, "m=%s %d UDP/TLS/RTP/SAVPF", m->kind_text, s->stopped ? 0 : 9);
    for (unsigned i = 0; i < n; i++)
        strbuf_addf(out, " %u", list[i]->pt);
    strbuf_addf(out, "%s\r\nc=IN IP4 0.0.0.0\r\n", n ? "" : " 0");
    if (!s->stopped)
        put_transport(pc, "active", out);
    strbuf_addf(
        out, "a=mid:%s\r\na=%s\r\na=rtcp-mux\r\n", s->mid, dir_text(false, s->receives && !s->stopped));
    for (unsigned i = 0; i < m->n_extmap && !s->stopped; i++)
        strbuf_addf(out, "a=extmap:%u %s\r\n", m->extmap[i].id, m->extmap[i].uri);
    for (unsigned i = 0; i < n; i++) {
        strbuf_addf(out, "a=rtpmap:%u %s/%u%s\r\n", list[i]->pt, list[i]->name, list[i]->clock_hz,
            list[i]->channels == 2 ? "/2" : "");
        if (list[i]->fmtp)
            strbuf_addf(out, "a=fmtp:%u %s\r\n", list[i]->pt, list[i]->fmtp);
        if (m->kind == SDP_KIND_VIDEO && list[i]->apt < 0)
            strbuf_addf(out, "a=rtcp-fb:%u nack\r\na=rtcp-fb:%u nack pli\r\n", list[i]->pt, list[i]->pt);
    }
}

void pc_answer(
    struct pc *pc, const struct sdp_session *offer, uint64_t inactive, uint64_t rejected, struct strbuf *out)
{
    for (unsigned i = 0; i < offer->n_media; i++) {
        const struct sdp_media *m = &offer->media[i];
        if (i == pc->n)
            pc_add(pc, m->kind, false, true);
        struct pc_section *s = &pc->sections[i];
        text_copy(s->mid, sizeof s->mid, m->mid);
        s->kind = m->kind;
        s->receives = (m->dir & SDP_SENDONLY) && !(i < 64 && (inactive >> i & 1));
        s->stopped = sdp_media_rejected(m) || (s->kind <= SDP_KIND_VIDEO && i < 64 && (rejected >> i & 1));
        s->negotiated = true;
        const struct sdp_codec *list[SDP_CODECS_MAX];
        s->stopped |= s->kind <= SDP_KIND_VIDEO && common_codecs(pc, m, list) == 0;
    }
    put_session(pc, out, true);
    for (unsigned i = 0; i < offer->n_media; i++) {
        const struct pc_section *s = &pc->sections[i];
        if (s->kind == SDP_KIND_APPLICATION)
            put_data(pc, s, "active", out);
        else
            answer_media(pc, &offer->media[i], s, out);
    }
}
