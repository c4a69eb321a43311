#include "answer.h"

#include <string.h>

bool answer_takes(const struct sdp_codec *c)
{
    return c->id == SDP_CODEC_OPUS || c->id == SDP_CODEC_VP8 || c->id == SDP_CODEC_H264;
}

static bool takes_pt(const struct sdp_media *m, const struct sdp_codec *c)
{
    if (c->id != SDP_CODEC_RTX)
        return answer_takes(c);
    const struct sdp_codec *of = c->apt >= 0 ? sdp_media_codec(m, (unsigned)c->apt) : NULL;
    return of && answer_takes(of);
}

static unsigned count_taken(const struct sdp_media *m)
{
    unsigned n = 0;
    for (unsigned i = 0; i < m->n_codecs; i++)
        n += takes_pt(m, &m->codecs[i]);
    return n;
}

static bool takes(const struct sdp_media *m)
{
    return !sdp_media_rejected(m) && m->kind <= SDP_KIND_VIDEO && count_taken(m) && m->mid;
}

static void put_codec(const struct sdp_codec *c, struct strbuf *out)
{
    static const struct {
        uint8_t bit;
        const char *text;
    } feedback[] = {{SDP_FB_TRANSPORT_CC, "transport-cc"}, {SDP_FB_CCM_FIR, "ccm fir"}, {SDP_FB_NACK, "nack"},
        {SDP_FB_NACK_PLI, "nack pli"}};
    strbuf_addf(out, "a=rtpmap:%u %s/%u%s\r\n", c->pt, c->name, c->clock_hz, c->channels == 2 ? "/2" : "");
    for (size_t i = 0; i < sizeof feedback / sizeof *feedback; i++)
        if (c->fb & feedback[i].bit)
            strbuf_addf(out, "a=rtcp-fb:%u %s\r\n", c->pt, feedback[i].text);
    if (c->fmtp)
        strbuf_addf(out, "a=fmtp:%u %s\r\n", c->pt, c->fmtp);
}

static void put_media(const struct sdp_media *m, struct strbuf *out)
{
    for (unsigned i = 0; i < m->n_extmap; i++) {
        enum sdp_ext e = m->extmap[i].ext;
        if (e == SDP_EXT_MID || e == SDP_EXT_TRANSPORT_CC || e == SDP_EXT_ABS_SEND_TIME)
            strbuf_addf(out, "a=extmap:%u %s\r\n", m->extmap[i].id, m->extmap[i].uri);
    }
    for (unsigned i = 0; i < m->n_codecs; i++)
        if (takes_pt(m, &m->codecs[i]))
            put_codec(&m->codecs[i], out);
}

static void put_section(const struct sdp_media *m, const struct ice_credentials *ice, const char *fingerprint,
    const char *candidate, struct strbuf *out)
{
    bool taken = takes(m);
    strbuf_addf(out, "m=%s %u %s", m->kind_text, taken ? 9 : 0, m->proto);
    for (unsigned i = 0; taken && i < m->n_codecs; i++)
        if (takes_pt(m, &m->codecs[i]))
            strbuf_addf(out, " %u", m->codecs[i].pt);
    if (!taken && m->formats)
        strbuf_addf(out, " %s", m->formats);
    else if (!taken)
        strbuf_addf(out, " %u", m->n_codecs ? m->codecs[0].pt : 0);
    strbuf_add(out, "\r\nc=IN IP4 0.0.0.0\r\n");
    if (m->mid)
        strbuf_addf(out, "a=mid:%s\r\n", m->mid);
    if (!taken) {
        strbuf_add(out, "a=inactive\r\n");
        return;
    }
    strbuf_addf(out, "a=ice-ufrag:%s\r\na=ice-pwd:%s\r\n", ice->ufrag, ice->pwd);
    strbuf_addf(out, "a=fingerprint:sha-256 %s\r\na=setup:active\r\n", fingerprint);
    strbuf_addf(
        out, "a=%s\r\na=rtcp-mux\r\na=rtcp-rsize\r\n", m->dir & SDP_SENDONLY ? "recvonly" : "inactive");
    if (candidate)
        strbuf_addf(out, "a=%s\r\na=end-of-candidates\r\n", candidate);
    put_media(m, out);
}

void answer_print(const struct sdp_session *offer, uint32_t id, uint32_t version,
    const struct ice_credentials *ice, const char *fingerprint, const char *candidate, struct strbuf *out)
{
    strbuf_addf(out, "v=0\r\no=- %u %u IN IP4 127.0.0.1\r\ns=-\r\nt=0 0\r\na=group:BUNDLE", id, version);
    for (unsigned i = 0; i < offer->n_media; i++)
        if (takes(&offer->media[i]))
            strbuf_addf(out, " %s", offer->media[i].mid);
    strbuf_add(out, "\r\na=msid-semantic: WMS\r\n");
    for (unsigned i = 0; i < offer->n_media; i++)
        put_section(&offer->media[i], ice, fingerprint, candidate, out);
}
