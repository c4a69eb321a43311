#include "link.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "base/rand.h"
#include "../client/answer.h"
#include "rtp/ext.h"
#include "rtp/rtcp.h"
#include "sdp/negotiate.h"
#include "source.h"

#define FIRST_SECTIONS                                                                                       \
    16 /* receiving sections of a kind in the first offer: it travels in a request's line */
#define REPORT_US 1000000
#define RTCP_SIZE 1200 /* bytes of a datagram of RTCP */

/* ---- the end ---- */

void link_end(struct link *l, enum load_failure why, const char *text)
{
    struct load *g = l->load;
    if (l->state == LINK_ENDED)
        return;
    if (l->state >= LINK_CONNECTED)
        g->joined--;
    if (l->state == LINK_FLOWING)
        g->flowing--;
    l->state = LINK_ENDED;
    link_socket_close(l);
    g->ended++;
    load_failed(g, why, text);
}

/* ---- offers and answers ---- */

static int make_offer(struct link *l, char **ret)
{
    return offer_make(
        &l->offer, &l->peer.ice.local, dtls_context_fingerprint(l->load->dtls), ret, &l->offered);
}

static void offer_now(struct link *l)
{
    char *text;
    int err = make_offer(l, &text);
    if (!err) {
        err = l->load->opt.target->offer(l->signal, text);
        free(text);
    }
    if (err)
        link_end(l, LOAD_SIGNALLING, "an offer could not be sent");
}

static void learn_ext(struct link *l, unsigned id, enum sdp_ext e)
{
    enum rtp_ext ext = rtp_ext_find(sdp_ext_uri(e));
    if (ext != RTP_EXT_NONE)
        (void)rtp_extmap_set(&l->peer.extmap, id, ext); /* the same in all of the bundle */
}

static void apply_section(struct link *l, const struct sdp_section_result *s)
{
    bool live = !s->rejected && s->n_codecs;
    if (s->index < l->source_count)
        l->sources[s->index].agreed = live && s->dir & SDP_SENDONLY;
    if (!live)
        return;
    for (int e = 0; e < SDP_EXT_COUNT; e++)
        if (s->ext_id[e])
            learn_ext(l, s->ext_id[e], (enum sdp_ext)e);
    if (!(s->dir & SDP_RECVONLY))
        return;
    l->feedback |= s->codecs[0].fb & SDP_FB_TRANSPORT_CC && s->ext_id[SDP_EXT_TRANSPORT_CC];
    l->twcc_id = s->ext_id[SDP_EXT_TRANSPORT_CC] ? s->ext_id[SDP_EXT_TRANSPORT_CC] : l->twcc_id;
}

static void add_candidate(struct link *l, const struct sdp_candidate *c)
{
    struct addr remote;
    if (c->tcp || addr_parse(c->address, c->port, &remote) ||
        addr_is_v4(&remote) != addr_is_v4(&l->load->opt.url.addr))
        return;
    (void)link_add_path(l, &remote); /* the first ones are enough */
}

/* The server's end of the transport, from its first description. */
static int apply_transport(struct link *l, const char *ufrag, const char *pwd,
    const struct sdp_fingerprint *f, unsigned n, bool dtls_client)
{
    for (unsigned i = 0; i < n; i++)
        if (strcmp(f[i].hash, "sha-256") == 0) {
            l->remote_known = true;
            return peer_remote(&l->peer, ufrag, pwd, f[i].value, dtls_client, l->load->now_us);
        }
    return -EINVAL;
}

static int apply_answer(struct link *l, const char *sdp, char *why)
{
    struct sdp_session *answer;
    struct sdp_result *r;
    int err = sdp_parse(sdp, strlen(sdp), &answer, why, LOAD_WHY_SIZE);
    if (err)
        return err;
    err = sdp_result_new(l->offered, answer, false, &r, why, LOAD_WHY_SIZE);
    if (!err) {
        for (unsigned i = 0; i < r->n_sections; i++)
            apply_section(l, &r->sections[i]);
        receive_learn_rtx(l, answer);
        if (!l->remote_known)
            err = apply_transport(l, r->ufrag, r->pwd, r->fingerprints, r->n_fingerprints, r->dtls_client);
        for (unsigned i = 0; !err && i < r->n_candidates; i++)
            add_candidate(l, &r->candidates[i]);
        sdp_result_free(r);
        sdp_free(l->offered);
        l->offered = NULL;
    }
    sdp_free(answer);
    return err;
}

static void on_answered(void *arg, const char *sdp)
{
    struct link *l = arg;
    char why[LOAD_WHY_SIZE] = "the answer is of no use";
    if (l->state == LINK_ENDED || !l->offered)
        return;
    if (apply_answer(l, sdp, why)) {
        link_end(l, LOAD_DESCRIPTION, why);
        return;
    }
    if (l->offer_again) {
        l->offer_again = false;
        offer_now(l);
    }
    if (l->state != LINK_ENDED)
        link_run(l, l->load->now_us);
}

static void on_wanted(void *arg, unsigned audio, unsigned video)
{
    struct link *l = arg;
    if (l->state == LINK_ENDED)
        return;
    for (unsigned i = 0; i < audio; i++)
        if (offer_add(&l->offer, SDP_KIND_AUDIO, false) < 0)
            break;
    for (unsigned i = 0; i < video; i++)
        if (offer_add(&l->offer, SDP_KIND_VIDEO, false) < 0)
            break;
    if (l->offered)
        l->offer_again = true;
    else
        offer_now(l);
}

static void learn_offer(struct link *l, const struct sdp_session *s)
{
    for (unsigned i = 0; i < s->n_media; i++) {
        const struct sdp_media *m = &s->media[i];
        for (unsigned k = 0; k < m->n_extmap; k++)
            if (m->extmap[k].ext != SDP_EXT_COUNT && m->kind <= SDP_KIND_VIDEO) {
                learn_ext(l, m->extmap[k].id, m->extmap[k].ext);
                if (m->extmap[k].ext == SDP_EXT_TRANSPORT_CC)
                    l->twcc_id = (uint8_t)m->extmap[k].id;
            }
        for (unsigned k = 0; k < m->n_codecs; k++) {
            const struct sdp_codec *c = &m->codecs[k];
            l->feedback |= c->fb & SDP_FB_TRANSPORT_CC && l->twcc_id;
            if (c->id == SDP_CODEC_RTX)
                l->pt[c->pt & 127] = LINK_PT_RTX;
            else if (answer_takes(c))
                l->pt[c->pt & 127] = m->kind == SDP_KIND_AUDIO ? LINK_PT_AUDIO : LINK_PT_VIDEO;
        }
    }
    receive_learn_rtx(l, s);
}

static int take_offer(struct link *l, const char *sdp, char *why)
{
    struct sdp_session *offer;
    struct sdp_transport t;
    struct strbuf text = {0};
    int err = sdp_parse(sdp, strlen(sdp), &offer, why, LOAD_WHY_SIZE);
    if (err)
        return err;
    err = sdp_transport_of(offer, &t, why, LOAD_WHY_SIZE);
    if (!err && !l->remote_known)
        err = apply_transport(l, t.ufrag, t.pwd, t.fingerprints, t.n_fingerprints, true);
    for (unsigned i = 0; !err && i < offer->n_media; i++)
        for (unsigned k = 0; k < offer->media[i].n_candidates; k++)
            add_candidate(l, &offer->media[i].candidates[k]);
    if (!err) {
        learn_offer(l, offer);
        answer_print(offer, l->offer.id, ++l->answers, &l->peer.ice.local,
            dtls_context_fingerprint(l->load->dtls), l->candidate, &text);
        err = strbuf_ok(&text) ? l->load->opt.target->answer(l->signal, text.text) : -ENOMEM;
    }
    strbuf_done(&text);
    sdp_free(offer);
    return err;
}

static void on_offered(void *arg, const char *sdp)
{
    struct link *l = arg;
    char why[LOAD_WHY_SIZE] = "the offer is of no use";
    if (l->state == LINK_ENDED)
        return;
    if (take_offer(l, sdp, why))
        link_end(l, LOAD_DESCRIPTION, why);
    else
        link_run(l, l->load->now_us);
}

static void on_candidate(void *arg, const char *candidate)
{
    struct link *l = arg;
    struct sdp_candidate c;
    if (l->state != LINK_ENDED && sdp_candidate_parse(candidate, strlen(candidate), &c) == 0)
        add_candidate(l, &c);
}

static void on_ended(void *arg, enum load_failure why, const char *text)
{
    link_end(arg, why, text);
}

static const struct target_events target_callbacks = {.answered = on_answered,
    .offered = on_offered,
    .wanted = on_wanted,
    .candidate = on_candidate,
    .ended = on_ended};

/* ---- the peer ---- */

static void on_send(void *arg, const struct path *path, const uint8_t *data, size_t len)
{
    link_send(arg, path, data, len);
}

static void on_connected(void *arg)
{
    struct link *l = arg;
    struct load *g = l->load;
    if (l->state == LINK_ENDED)
        return;
    l->state = LINK_CONNECTED;
    l->connected_us = g->now_us;
    l->report_us = g->now_us + (int64_t)(rand_u32() % REPORT_US); /* not all links at once */
    g->joined++;
    g->profile = srtp_profile_name(srtp_tx_profile(l->peer.tx));
    if (g->opt.target->connected)
        g->opt.target->connected(l->signal);
    if (!l->expected_streams) {
        l->state = LINK_FLOWING;
        l->flowing_us = g->now_us;
        g->flowing++;
        histogram_add(&g->joins, g->now_us - l->open_us);
    }
}

static void on_rtp(void *arg, const uint8_t *data, size_t len, const struct rtp_packet *h)
{
    (void)arg; /* link_read takes RTP before the peer sees it */
    (void)data;
    (void)len;
    (void)h;
}

static void on_rtcp(void *arg, const uint8_t *data, size_t len)
{
    receive_rtcp(arg, data, len);
}

static void on_closed(void *arg, const char *why)
{
    struct link *l = arg;
    bool was_up = l->state >= LINK_CONNECTED;
    link_end(l, was_up ? LOAD_DROPPED : l->peer.started ? LOAD_DTLS : LOAD_ICE, why);
}

static const struct peer_ops peer_callbacks = {
    .send = on_send, .connected = on_connected, .rtp = on_rtp, .rtcp = on_rtcp, .closed = on_closed};

/* ---- time ---- */

static void send_reports(struct link *l, int64_t now_us)
{
    uint8_t buf[RTCP_SIZE];
    char cname[16];
    struct writer w = writer_of(buf, sizeof buf);
    for (unsigned i = 0; i < l->source_count; i++)
        source_put_sr(&l->sources[i], &w, now_us);
    if (!w.len)
        return;
    snprintf(cname, sizeof cname, "%08x", l->offer.id);
    rtcp_sdes_write(&w, l->ssrc, cname);
    peer_send_rtcp(&l->peer, buf, w.len);
}

static void check_join(struct link *l, int64_t now_us)
{
    if (l->state == LINK_JOINING && now_us - l->open_us > LOAD_JOIN_US)
        link_end(l, LOAD_TIMEOUT, "not connected within 15 s");
}

void link_run(struct link *l, int64_t now_us)
{
    if (l->state == LINK_WAITING || l->state == LINK_ENDED)
        return;
    if (l->peer_us <= now_us || !l->fixed) {
        peer_run(&l->peer, now_us);
        link_socket_fix(l);
        l->peer_us = peer_next_timeout(&l->peer);
    }
    if (l->state < LINK_CONNECTED || !peer_connected(&l->peer)) {
        check_join(l, now_us);
        return;
    }
    if (l->report_us <= now_us) {
        if (l->source_count)
            send_reports(l, now_us);
    }
    if (l->subscribes)
        receive_run(l, now_us);
    if (l->report_us <= now_us)
        l->report_us = now_us + REPORT_US;
}

/* ---- life ---- */

static int add_sections(struct link *l, const struct link_spec *spec)
{
    const struct options *o = &l->load->opt;
    bool video = o->video_kbps > 0;
    unsigned sends[2] = {spec->publishes && o->audio, spec->publishes && video};
    unsigned receives[2] = {spec->expected_audio, spec->expected_video};
    for (int kind = SDP_KIND_AUDIO; kind <= SDP_KIND_VIDEO; kind++)
        for (unsigned i = 0; i < sends[kind]; i++) {
            int n = offer_add(&l->offer, (enum sdp_kind)kind, true);
            if (n < 0)
                return n;
            l->offer.sections[n].simulcast = kind == SDP_KIND_VIDEO && o->simulcast;
        }
    l->source_count = l->offer.count;
    for (int kind = SDP_KIND_AUDIO; kind <= SDP_KIND_VIDEO; kind++)
        for (unsigned i = 0; i < receives[kind] && i < FIRST_SECTIONS; i++)
            if (offer_add(&l->offer, (enum sdp_kind)kind, false) < 0)
                return -ENOMEM;
    l->sources = calloc(l->source_count + 1, sizeof *l->sources);
    return l->sources ? 0 : -ENOMEM;
}

static int add_sources(struct link *l)
{
    struct load *g = l->load;
    for (unsigned i = 0; i < l->source_count; i++) {
        int err = source_init(&l->sources[i], l, i, g->source_count);
        if (err)
            return err;
        g->sources[g->source_count++] = &l->sources[i];
    }
    return 0;
}

struct link *link_new(struct load *g, const struct link_spec *spec)
{
    struct link *l = calloc(1, sizeof *l);
    if (!l)
        return NULL;
    *l = (struct link){.load = g,
        .fd = -1,
        .subscribes = spec->subscribes,
        .number = spec->number,
        .room = spec->room,
        .member = spec->member,
        .ssrc = rand_u32(),
        .expected_streams = spec->subscribes ? spec->expected_audio + spec->expected_video : 0};
    snprintf(l->identity, sizeof l->identity, "load-%u", spec->member);
    snprintf(l->publisher, sizeof l->publisher, "%s", spec->publisher ? spec->publisher : "");
    l->pt[OFFER_PT_OPUS] = LINK_PT_AUDIO;
    l->pt[OFFER_PT_VP8] = l->pt[OFFER_PT_H264] = LINK_PT_VIDEO;
    l->pt[OFFER_PT_VP8_RTX] = l->pt[OFFER_PT_H264_RTX] = LINK_PT_RTX;
    offer_init(&l->offer);
    l->offer.h264 = g->media.h264;
    l->offer.capture_time = true;
    int err = add_sections(l, spec);
    if (!err && l->subscribes) {
        l->recorder = malloc(sizeof *l->recorder);
        err = l->recorder ? 0 : -ENOMEM;
    }
    if (!err)
        err = add_sources(l);
    if (err) {
        link_free(l);
        errno = -err;
        return NULL;
    }
    if (l->recorder)
        twcc_recorder_init(l->recorder);
    return l;
}

static void print_candidate(struct link *l)
{
    char ip[ADDR_TEXT_MAX];
    snprintf(l->candidate, sizeof l->candidate, "candidate:1 1 udp 2130706431 %s %u typ host",
        addr_ip_text(&l->local, ip), l->local.port);
    l->offer.candidate = l->candidate;
}

static int begin(struct link *l)
{
    struct load *g = l->load;
    const struct options *o = &g->opt;
    struct target_track tracks[2];
    char room[32], *text = NULL;
    snprintf(room, sizeof room, "%s-%u", o->room, l->room);
    for (unsigned i = 0; i < l->source_count && i < 2; i++) {
        const struct offer_section *s = &l->offer.sections[i];
        bool video = s->kind == SDP_KIND_VIDEO;
        tracks[i] = (struct target_track){.video = video,
            .h264 = video && l->offer.h264,
            .simulcast = s->simulcast,
            .cid = s->cid,
            .width = video ? 1280 : 0,
            .height = video ? 720 : 0,
            .kbps = video ? o->video_kbps : 32};
    }
    peer_init(&l->peer, g->stun, g->dtls, &peer_callbacks, l, g->now_us);
    int err = link_socket_open(l);
    if (!err)
        print_candidate(l);
    bool offers = l->source_count || !o->target->server_offers;
    if (!err && offers)
        err = make_offer(l, &text);
    if (!err) {
        const struct target_join join = {.room = room,
            .identity = l->identity,
            .tracks = l->source_count ? tracks : NULL,
            .track_count = l->source_count,
            .subscribes = l->subscribes,
            .publisher = l->publisher[0] ? l->publisher : NULL,
            .member = l->member,
            .audience = !o->visible && l->member >= o->publishers,
            .offer = text};
        err = o->target->join(g->target, &join, &target_callbacks, l, &l->signal);
    }
    free(text);
    return err;
}

void link_join(struct link *l)
{
    l->open_us = l->load->now_us;
    l->state = LINK_JOINING;
    int err = begin(l);
    if (err)
        link_end(l, LOAD_UNREACHABLE, strerror(-err));
}

void link_leave(struct link *l)
{
    if (l->signal && l->state != LINK_ENDED && l->state != LINK_WAITING)
        l->load->opt.target->leave(l->signal);
}

void link_free(struct link *l)
{
    if (!l)
        return;
    if (l->signal)
        l->load->opt.target->free(l->signal);
    for (unsigned i = 0; i < l->source_count; i++)
        source_done(&l->sources[i]);
    receive_done(l);
    link_socket_close(l);
    if (l->open_us)
        peer_done(&l->peer);
    sdp_free(l->offered);
    offer_done(&l->offer);
    free(l->sources);
    free(l->recorder);
    free(l->rtx);
    free(l);
}
