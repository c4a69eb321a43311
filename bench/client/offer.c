#include "offer.h"

#include <errno.h>
#include <stdlib.h>
#include "base/rand.h"

void offer_init(struct offer *o)
{
    *o = (struct offer){.id = rand_u32() >> 1};
}

void offer_done(struct offer *o)
{
    free(o->sections);
    o->sections = NULL;
    o->count = 0;
}

int offer_add(struct offer *o, enum sdp_kind kind, bool sends)
{
    if (o->count == SDP_MEDIA_MAX)
        return -ENOSPC;
    struct offer_section *sections = realloc(o->sections, (o->count + 1) * sizeof *sections);
    if (!sections)
        return -ENOMEM;
    o->sections = sections;
    struct offer_section *s = &sections[o->count];
    *s = (struct offer_section){.kind = kind, .sends = sends};
    if (sends) {
        s->ssrc = rand_u32();
        s->rtx_ssrc = rand_u32();
        rand_id(s->cid, 16);
    }
    return (int)o->count++;
}

/* ---- text ---- */

static const char audio_lines[] =
    "a=extmap:1 urn:ietf:params:rtp-hdrext:ssrc-audio-level\r\n"
    "a=extmap:2 http://www.webrtc.org/experiments/rtp-hdrext/abs-send-time\r\n"
    "a=extmap:3 http://www.ietf.org/id/draft-holmer-rmcat-transport-wide-cc-extensions-01\r\n"
    "a=extmap:4 urn:ietf:params:rtp-hdrext:sdes:mid\r\n"
    "a=rtpmap:111 opus/48000/2\r\n"
    "a=rtcp-fb:111 transport-cc\r\n"
    "a=fmtp:111 minptime=10;useinbandfec=1\r\n";

static const char video_exts[] =
    "a=extmap:2 http://www.webrtc.org/experiments/rtp-hdrext/abs-send-time\r\n"
    "a=extmap:3 http://www.ietf.org/id/draft-holmer-rmcat-transport-wide-cc-extensions-01\r\n"
    "a=extmap:4 urn:ietf:params:rtp-hdrext:sdes:mid\r\n";

static const char video_codec[] = "a=rtpmap:%u %s/90000\r\n"
                                  "a=rtcp-fb:%u transport-cc\r\n"
                                  "a=rtcp-fb:%u ccm fir\r\n"
                                  "a=rtcp-fb:%u nack\r\n"
                                  "a=rtcp-fb:%u nack pli\r\n"
                                  "%s"
                                  "a=rtpmap:%u rtx/90000\r\n"
                                  "a=fmtp:%u apt=%u\r\n";

const char *const offer_rids[OFFER_LAYERS] = {"q", "h", "f"};

static void put_video(const struct offer *o, const struct offer_section *s, struct strbuf *out)
{
    unsigned pt = o->h264 ? OFFER_PT_H264 : OFFER_PT_VP8, rtx = pt + 1;
    strbuf_add(out, video_exts);
    if (o->capture_time)
        strbuf_add(out, "a=extmap:5 http://www.webrtc.org/experiments/rtp-hdrext/abs-capture-time\r\n");
    if (s->simulcast)
        strbuf_add(out, "a=extmap:10 urn:ietf:params:rtp-hdrext:sdes:rtp-stream-id\r\n"
                        "a=extmap:11 urn:ietf:params:rtp-hdrext:sdes:repaired-rtp-stream-id\r\n");
    strbuf_addf(out, video_codec, pt, o->h264 ? "H264" : "VP8", pt, pt, pt, pt,
        o->h264 ? "a=fmtp:102 level-asymmetry-allowed=1;packetization-mode=1;profile-level-id=42e01f\r\n"
                : "",
        rtx, rtx, pt);
}

static void put_source(const struct offer *o, const struct offer_section *s, struct strbuf *out)
{
    strbuf_addf(out, "a=msid:%08x %s\r\n", o->id, s->cid);
    if (s->simulcast) {
        for (int i = 0; i < OFFER_LAYERS; i++)
            strbuf_addf(out, "a=rid:%s send\r\n", offer_rids[i]);
        strbuf_addf(out, "a=simulcast:send %s;%s;%s\r\n", offer_rids[0], offer_rids[1], offer_rids[2]);
        return;
    }
    if (s->kind == SDP_KIND_VIDEO)
        strbuf_addf(out, "a=ssrc-group:FID %u %u\r\na=ssrc:%u cname:%08x\r\n", s->ssrc, s->rtx_ssrc,
            s->rtx_ssrc, o->id);
    strbuf_addf(out, "a=ssrc:%u cname:%08x\r\n", s->ssrc, o->id);
}

void offer_print(
    struct offer *o, const struct ice_credentials *ice, const char *fingerprint, struct strbuf *out)
{
    strbuf_addf(
        out, "v=0\r\no=- %u %u IN IP4 127.0.0.1\r\ns=-\r\nt=0 0\r\na=group:BUNDLE", o->id, ++o->version);
    for (unsigned i = 0; i < o->count; i++)
        strbuf_addf(out, " %u", i);
    strbuf_add(out, "\r\na=extmap-allow-mixed\r\na=msid-semantic: WMS\r\n");
    for (unsigned i = 0; i < o->count; i++) {
        const struct offer_section *s = &o->sections[i];
        bool video = s->kind == SDP_KIND_VIDEO;
        strbuf_addf(out, "m=%s 9 UDP/TLS/RTP/SAVPF %s\r\nc=IN IP4 0.0.0.0\r\n", video ? "video" : "audio",
            !video    ? "111"
            : o->h264 ? "102 103"
                      : "96 97");
        strbuf_addf(out, "a=ice-ufrag:%s\r\na=ice-pwd:%s\r\na=ice-options:trickle\r\n", ice->ufrag, ice->pwd);
        strbuf_addf(out, "a=fingerprint:sha-256 %s\r\na=setup:actpass\r\na=mid:%u\r\na=%s\r\n", fingerprint,
            i, s->sends ? "sendonly" : "recvonly");
        if (o->candidate && i == 0)
            strbuf_addf(out, "a=%s\r\na=end-of-candidates\r\n", o->candidate);
        strbuf_add(out, "a=rtcp-mux\r\na=rtcp-rsize\r\n");
        if (video)
            put_video(o, s, out);
        else
            strbuf_add(out, audio_lines);
        if (s->sends)
            put_source(o, s, out);
    }
}

int offer_make(struct offer *o, const struct ice_credentials *ice, const char *fingerprint, char **ret_text,
    struct sdp_session **offered)
{
    struct strbuf text = {0};
    struct sdp_session *parsed = NULL;
    offer_print(o, ice, fingerprint, &text);
    int err = strbuf_ok(&text) ? sdp_parse(text.text, text.len, &parsed, NULL, 0) : -ENOMEM;
    char *taken = err ? NULL : strbuf_take(&text);
    if (!err && !taken)
        err = -ENOMEM;
    if (err) {
        strbuf_done(&text);
        sdp_free(parsed);
        return err;
    }
    sdp_free(*offered);
    *offered = parsed;
    *ret_text = taken;
    return 0;
}
