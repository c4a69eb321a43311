#include "sdp/internal.h"

#include <inttypes.h>

static const char *const dirs[] = {"inactive", "sendonly", "recvonly", "sendrecv"};
static const char *const setups[] = {"", "actpass", "active", "passive", "holdconn"};

/* name + value + line end, if there is a value. */
static void line_if(struct strbuf *out, const char *name, const char *value)
{
    if (value)
        strbuf_addf(out, "%s%s\r\n", name, value);
}

static void flag_if(struct strbuf *out, const char *line, bool flag)
{
    if (flag)
        strbuf_addf(out, "%s\r\n", line);
}

static void print_transport(struct strbuf *out, const struct sdp_ice *ice,
    const struct sdp_fingerprint *fingerprints, unsigned n_fingerprints, enum sdp_setup setup)
{
    line_if(out, "a=ice-ufrag:", ice->ufrag);
    line_if(out, "a=ice-pwd:", ice->pwd);
    line_if(out, "a=ice-options:", ice->options);
    for (unsigned i = 0; i < n_fingerprints; i++)
        strbuf_addf(out, "a=fingerprint:%s %s\r\n", fingerprints[i].hash, fingerprints[i].value);
    if (setup != SDP_SETUP_NONE)
        strbuf_addf(out, "a=setup:%s\r\n", setups[setup]);
}

static void print_groups(struct strbuf *out, const struct sdp_session *s)
{
    for (unsigned i = 0; i < s->n_groups; i++) {
        strbuf_addf(out, "a=group:%s", s->groups[i].semantics);
        for (unsigned k = 0; k < s->groups[i].n; k++)
            strbuf_addf(out, " %s", s->groups[i].mids[k]);
        strbuf_add(out, "\r\n");
    }
}

static void print_media_line(struct strbuf *out, const struct sdp_media *m)
{
    strbuf_addf(out, "m=%s %u %s", m->kind_text, m->port, m->proto);
    for (unsigned i = 0; i < m->n_codecs; i++)
        strbuf_addf(out, " %u", m->codecs[i].pt);
    if (m->formats)
        strbuf_addf(out, " %s", m->formats);
    strbuf_add(out, "\r\n");
}

static void print_codec(struct strbuf *out, const struct sdp_codec *c)
{
    static const struct {
        uint8_t bit;
        const char *text;
    } fbs[] = {{SDP_FB_REMB, "goog-remb"}, {SDP_FB_TRANSPORT_CC, "transport-cc"}, {SDP_FB_CCM_FIR, "ccm fir"},
        {SDP_FB_NACK, "nack"}, {SDP_FB_NACK_PLI, "nack pli"}};
    if (c->name[0]) {
        strbuf_addf(out, "a=rtpmap:%u %s/%" PRIu32, c->pt, c->name, c->clock_hz);
        if (c->channels != 1)
            strbuf_addf(out, "/%u", c->channels);
        strbuf_add(out, "\r\n");
    }
    for (size_t i = 0; i < sizeof fbs / sizeof fbs[0]; i++)
        if (c->fb & fbs[i].bit)
            strbuf_addf(out, "a=rtcp-fb:%u %s\r\n", c->pt, fbs[i].text);
    if (c->fmtp)
        strbuf_addf(out, "a=fmtp:%u %s\r\n", c->pt, c->fmtp);
}

static void print_extmap(struct strbuf *out, const struct sdp_extmap *e)
{
    if (e->dir == SDP_SENDRECV)
        strbuf_addf(out, "a=extmap:%u %s\r\n", e->id, e->uri);
    else
        strbuf_addf(out, "a=extmap:%u/%s %s\r\n", e->id, dirs[e->dir], e->uri);
}

static void print_simulcast_list(struct strbuf *out, const char *dir, const struct sdp_simulcast *list)
{
    if (list->n == 0)
        return;
    strbuf_addf(out, "%s ", dir);
    for (unsigned i = 0; i < list->n; i++)
        for (unsigned k = 0; k < list->streams[i].n_alts; k++) {
            const struct sdp_simulcast_alt *alt = &list->streams[i].alts[k];
            const char *separator = k ? "," : i ? ";" : "";
            strbuf_addf(out, "%s%s%s", separator, alt->paused ? "~" : "", alt->rid);
        }
}

static void print_layers(struct strbuf *out, const struct sdp_media *m)
{
    for (unsigned i = 0; i < m->n_rids; i++) {
        const struct sdp_rid *r = &m->rids[i];
        strbuf_addf(out, "a=rid:%s %s", r->id, r->dir == SDP_SENDONLY ? "send" : "recv");
        if (r->restrictions)
            strbuf_addf(out, " %s", r->restrictions);
        strbuf_add(out, "\r\n");
    }
    if (m->simulcast_send.n == 0 && m->simulcast_recv.n == 0)
        return;
    strbuf_add(out, "a=simulcast:");
    print_simulcast_list(out, "send", &m->simulcast_send);
    if (m->simulcast_send.n && m->simulcast_recv.n)
        strbuf_add(out, " ");
    print_simulcast_list(out, "recv", &m->simulcast_recv);
    strbuf_add(out, "\r\n");
}

static void print_sources(struct strbuf *out, const struct sdp_media *m)
{
    for (unsigned i = 0; i < m->n_ssrc_groups; i++) {
        strbuf_addf(out, "a=ssrc-group:%s", m->ssrc_groups[i].semantics);
        for (unsigned k = 0; k < m->ssrc_groups[i].n; k++)
            strbuf_addf(out, " %" PRIu32, m->ssrc_groups[i].ssrcs[k]);
        strbuf_add(out, "\r\n");
    }
    for (unsigned i = 0; i < m->n_ssrcs; i++) {
        const struct sdp_ssrc *s = &m->ssrcs[i];
        if (s->cname)
            strbuf_addf(out, "a=ssrc:%" PRIu32 " cname:%s\r\n", s->ssrc, s->cname);
        if (s->msid_stream)
            strbuf_addf(out, "a=ssrc:%" PRIu32 " msid:%s%s%s\r\n", s->ssrc, s->msid_stream,
                s->msid_track ? " " : "", s->msid_track ? s->msid_track : "");
    }
}

/* RFC 8841, section 5; the form before it has the port in the m-line. */
static void print_sctp(struct strbuf *out, const struct sdp_media *m)
{
    bool closed = m->sctp_port == 0 && strstr(m->proto, "DTLS/SCTP") && !sdp_media_rejected(m);
    if (strcmp(m->proto, "DTLS/SCTP") == 0 && (m->sctp_port || closed))
        strbuf_addf(out, "a=sctpmap:%u webrtc-datachannel 1024\r\n", m->sctp_port);
    else if (m->sctp_port || closed)
        strbuf_addf(out, "a=sctp-port:%u\r\n", m->sctp_port);
    if (m->has_max_message_size)
        strbuf_addf(out, "a=max-message-size:%" PRIu64 "\r\n", m->max_message_size);
}

static void print_candidates(struct strbuf *out, const struct sdp_media *m)
{
    for (unsigned i = 0; i < m->n_candidates; i++) {
        strbuf_add(out, "a=");
        sdp_candidate_print(&m->candidates[i], out);
        strbuf_add(out, "\r\n");
    }
    flag_if(out, "a=end-of-candidates", m->end_of_candidates);
}

static void print_media(struct strbuf *out, const struct sdp_media *m)
{
    print_media_line(out, m);
    strbuf_add(out, "c=IN IP4 0.0.0.0\r\n");
    if (m->as_kbps)
        strbuf_addf(out, "b=AS:%" PRIu32 "\r\n", m->as_kbps);
    if (m->tias_bps)
        strbuf_addf(out, "b=TIAS:%" PRIu32 "\r\n", m->tias_bps);
    print_candidates(out, m);
    print_transport(out, &m->ice, m->fingerprints, m->n_fingerprints, m->setup);
    line_if(out, "a=mid:", m->mid);
    flag_if(out, "a=bundle-only", m->bundle_only);
    flag_if(out, "a=extmap-allow-mixed", m->extmap_allow_mixed);
    for (unsigned i = 0; i < m->n_extmap; i++)
        print_extmap(out, &m->extmap[i]);
    if (m->kind != SDP_KIND_APPLICATION || m->dir != SDP_SENDRECV)
        strbuf_addf(out, "a=%s\r\n", dirs[m->dir]);
    if (m->msid_stream)
        strbuf_addf(out, "a=msid:%s%s%s\r\n", m->msid_stream, m->msid_track ? " " : "",
            m->msid_track ? m->msid_track : "");
    flag_if(out, "a=rtcp-mux", m->rtcp_mux);
    flag_if(out, "a=rtcp-rsize", m->rtcp_rsize);
    for (unsigned i = 0; i < m->n_codecs; i++)
        print_codec(out, &m->codecs[i]);
    print_layers(out, m);
    print_sources(out, m);
    print_sctp(out, m);
}

void sdp_print(const struct sdp_session *s, struct strbuf *out)
{
    strbuf_addf(out, "v=0\r\no=%s %" PRIu64 " %" PRIu64 " IN IP4 127.0.0.1\r\ns=-\r\nt=0 0\r\n",
        s->origin_user, s->origin_id, s->origin_version);
    print_groups(out, s);
    flag_if(out, "a=extmap-allow-mixed", s->extmap_allow_mixed);
    line_if(out, "a=msid-semantic: ", s->msid_semantic);
    flag_if(out, "a=ice-lite", s->ice_lite);
    print_transport(out, &s->ice, s->fingerprints, s->n_fingerprints, s->setup);
    for (unsigned i = 0; i < s->n_media; i++)
        print_media(out, &s->media[i]);
}

void sdpfrag_print(const struct sdp_session *s, struct strbuf *out)
{
    print_groups(out, s);
    flag_if(out, "a=ice-lite", s->ice_lite);
    print_transport(out, &s->ice, s->fingerprints, s->n_fingerprints, s->setup);
    for (unsigned i = 0; i < s->n_media; i++) {
        const struct sdp_media *m = &s->media[i];
        print_media_line(out, m);
        line_if(out, "a=mid:", m->mid);
        print_transport(out, &m->ice, m->fingerprints, m->n_fingerprints, m->setup);
        print_candidates(out, m);
    }
}
