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

static const char video_lines[] =
    "a=extmap:2 http://www.webrtc.org/experiments/rtp-hdrext/abs-send-time\r\n"
    "a=extmap:3 http://www.ietf.org/id/draft-holmer-rmcat-transport-wide-cc-extensions-01\r\n"
    "a=extmap:4 urn:ietf:params:rtp-hdrext:sdes:mid\r\n"
    "a=rtpmap:96 VP8/90000\r\n"
    "a=rtcp-fb:96 transport-cc\r\n"
    "a=rtcp-fb:96 ccm fir\r\n"
    "a=rtcp-fb:96 nack\r\n"
    "a=rtcp-fb:96 nack pli\r\n"
    "a=rtpmap:97 rtx/90000\r\n"
    "a=fmtp:97 apt=96\r\n";

static void put_source(const struct offer *o, const struct offer_section *s, struct strbuf *out)
{
    strbuf_addf(out, "a=msid:%08x %s\r\n", o->id, s->cid);
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
            video ? "96 97" : "111");
        strbuf_addf(out, "a=ice-ufrag:%s\r\na=ice-pwd:%s\r\na=ice-options:trickle\r\n", ice->ufrag, ice->pwd);
        strbuf_addf(out, "a=fingerprint:sha-256 %s\r\na=setup:actpass\r\na=mid:%u\r\na=%s\r\n", fingerprint,
            i, s->sends ? "sendonly" : "recvonly");
        strbuf_addf(out, "a=rtcp-mux\r\na=rtcp-rsize\r\n%s", video ? video_lines : audio_lines);
        if (s->sends)
            put_source(o, s, out);
    }
}
