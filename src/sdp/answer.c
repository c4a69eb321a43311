#include "sdp/build.h"

#include <errno.h>

struct answering {
    const struct sdp_session *offer;
    const struct sdp_local *local;
    const struct sdp_caps *caps;
    struct sdp_session *s;
    struct sdp_arena *a;
    struct sdp_bundle_map map;
    const struct sdp_group *bundle; /* of the offer; NULL: it does not bundle */
    enum sdp_setup setup;           /* ours */
    bool mixed;                     /* extmap-allow-mixed was offered for everything */
    bool has_transport;             /* a section has been accepted; its transport carries all others */
};

/* DTLS over UDP with SRTP and feedback, or data channels: nothing else is spoken here. */
static bool proto_known(const struct sdp_media *m)
{
    static const char *const rtp[] = {"UDP/TLS/RTP/SAVPF", "UDP/TLS/RTP/SAVP", "TCP/DTLS/RTP/SAVPF",
        "TCP/DTLS/RTP/SAVP", "RTP/SAVPF", "RTP/SAVP"};
    static const char *const data[] = {"UDP/DTLS/SCTP", "TCP/DTLS/SCTP", "DTLS/SCTP"};
    bool is_data = m->kind == SDP_KIND_APPLICATION;
    const char *const *names = is_data ? data : rtp;
    for (unsigned i = 0; i < (is_data ? 3 : 6); i++)
        if (strcmp(m->proto, names[i]) == 0)
            return true;
    return false;
}

static bool acceptable(const struct answering *x, const struct sdp_media *m, const struct sdp_decision *d)
{
    if (d->reject || m->kind == SDP_KIND_OTHER || sdp_media_rejected(m) || !proto_known(m))
        return false;
    if (m->kind == SDP_KIND_APPLICATION)
        return m->sctp_port != 0 && (!x->bundle ? !x->has_transport : sdp_group_has(x->bundle, m->mid));
    if (x->bundle) /* which implies rtcp-mux, written or not: RFC 9143, section 9.3 */
        return sdp_group_has(x->bundle, m->mid);
    return m->rtcp_mux && !x->has_transport; /* there is no second port for RTCP */
}

static int put_codec(
    struct answering *x, struct sdp_media *m, const struct sdp_codec *c, uint8_t fb, const char *fmtp)
{
    struct sdp_codec *out = sdp_push(x->a, m->codecs, m->n_codecs);
    if (!out)
        return -ENOMEM;
    *out = *c;
    out->name = sdp_arena_text(x->a, c->name);
    out->fmtp = fmtp;
    out->fb = fb;
    return sdp_arena_failed(x->a) ? -ENOMEM : 0;
}

/* Port 0, and the formats only because the grammar wants one. */
static int reject(struct answering *x, struct sdp_media *m, const struct sdp_media *offered)
{
    m->port = 0;
    m->dir = SDP_INACTIVE;
    m->formats = sdp_arena_text(x->a, offered->formats);
    if (offered->n_codecs == 0)
        return 0;
    const struct sdp_codec *c = &offered->codecs[0];
    return put_codec(x, m, c, 0, sdp_arena_text(x->a, c->fmtp));
}

static int put_codecs(struct answering *x, struct sdp_media *m, const struct sdp_decision *d,
    const struct sdp_pick *picks, unsigned n)
{
    for (unsigned i = 0; i < n; i++) {
        const struct sdp_pick *pick = &picks[i];
        int rc =
            put_codec(x, m, pick->codec, pick->fb, sdp_answer_fmtp(x->a, pick->codec, d, m->dir, x->caps));
        if (rc == 0 && pick->rtx)
            rc = put_codec(x, m, pick->rtx, 0, sdp_answer_fmtp(x->a, pick->rtx, d, m->dir, x->caps));
        if (rc != 0)
            return rc;
        x->map.codec[pick->codec->pt] = pick->codec;
        if (pick->rtx)
            x->map.codec[pick->rtx->pt] = pick->rtx;
    }
    return 0;
}

/* The extensions to answer to one that is offered for these directions (as we see them). Those of both
 * directions whatever the section does now: Chromium leaves out of every later offer what one answer lacked,
 * and an idle section will carry something some day. */
static uint32_t wanted_exts(const struct sdp_caps *caps, enum sdp_kind kind, enum sdp_dir ext_dir)
{
    uint32_t mask = 0;
    if (ext_dir & SDP_RECVONLY)
        mask |= caps->receive[kind].exts;
    if (ext_dir & SDP_SENDONLY)
        mask |= caps->send[kind].exts;
    return mask;
}

static int put_extensions(struct answering *x, struct sdp_media *m, const struct sdp_media *offered)
{
    uint32_t taken = 0;
    for (unsigned i = 0; i < offered->n_extmap; i++) {
        const struct sdp_extmap *e = &offered->extmap[i];
        enum sdp_dir ours = sdp_dir_reverse(e->dir);
        const char *seen = x->map.uri[e->id];
        if (e->ext == SDP_EXT_COUNT || (taken & SDP_EXT_BIT(e->ext)) || (seen && strcmp(seen, e->uri) != 0))
            continue;
        if (!(wanted_exts(x->caps, m->kind, ours) & SDP_EXT_BIT(e->ext)))
            continue;
        struct sdp_extmap *out = sdp_push(x->a, m->extmap, m->n_extmap);
        if (!out)
            return -ENOMEM;
        *out = (struct sdp_extmap){.id = e->id, .dir = ours, .ext = e->ext, .uri = sdp_ext_uri(e->ext)};
        taken |= SDP_EXT_BIT(e->ext);
        x->map.uri[e->id] = e->uri;
    }
    m->extmap_allow_mixed = x->offer->extmap_allow_mixed || offered->extmap_allow_mixed;
    return 0;
}

/* The payload types of a rid's "pt=" that the answer has, as a new restriction list. False if it names
 * payload types and none is left. */
static bool narrow_restrictions(
    struct sdp_arena *a, const struct sdp_media *m, const char *restrictions, const char **ret)
{
    struct cursor c = cursor_of(restrictions, restrictions ? strlen(restrictions) : 0);
    const char *out = NULL;
    while (cursor_left(&c)) {
        struct sdp_span item = sdp_span_until(&c, ';');
        struct cursor ic = cursor_of(item.p, item.len);
        const char *text = NULL;
        if (sdp_span_is(sdp_span_until(&ic, '='), "pt")) {
            while (cursor_left(&ic)) {
                uint64_t pt;
                if (!sdp_span_number(sdp_span_until(&ic, ','), 127, &pt) || !sdp_media_codec(m, (unsigned)pt))
                    continue;
                text = text ? sdp_arena_textf(a, "%s,%u", text, (unsigned)pt)
                            : sdp_arena_textf(a, "pt=%u", (unsigned)pt);
            }
            if (!text)
                return false;
        } else {
            text = sdp_arena_textn(a, item.p, item.len);
        }
        if (text)
            out = out ? sdp_arena_textf(a, "%s;%s", out, text) : text;
    }
    *ret = out;
    return true;
}

/* Accepts one rid that the client sends; 1 if it was, 0 if its payload types are gone. */
static int put_rid(struct answering *x, struct sdp_media *m, const struct sdp_rid *offered)
{
    const char *restrictions = NULL;
    if (!narrow_restrictions(x->a, m, offered->restrictions, &restrictions))
        return 0;
    struct sdp_rid *r = sdp_push(x->a, m->rids, m->n_rids);
    if (!r)
        return -ENOMEM;
    *r = (struct sdp_rid){
        .id = sdp_arena_text(x->a, offered->id), .dir = SDP_RECVONLY, .restrictions = restrictions};
    return 1;
}

static const struct sdp_rid *rid_find(const struct sdp_media *m, const char *id)
{
    for (unsigned i = 0; i < m->n_rids; i++)
        if (strcmp(m->rids[i].id, id) == 0)
            return &m->rids[i];
    return NULL;
}

static int put_stream(struct answering *x, struct sdp_media *m, const char *rid)
{
    struct sdp_simulcast_stream *stream = sdp_push(x->a, m->simulcast_recv.streams, m->simulcast_recv.n);
    struct sdp_simulcast_alt *alt = stream ? sdp_push(x->a, stream->alts, stream->n_alts) : NULL;
    if (!alt)
        return -ENOMEM;
    alt->rid = sdp_arena_text(x->a, rid);
    return alt->rid ? 0 : -ENOMEM;
}

/* Echoes what the client sends in layers, one alternative a stream; a stream that it starts paused is
 * accepted like the others (RFC 8853, section 5.3.2). Without a=simulcast a single rid may stand alone. */
static int put_simulcast(struct answering *x, struct sdp_media *m, const struct sdp_media *offered)
{
    if (!(m->dir & SDP_RECVONLY))
        return 0;
    int rc = 0;
    if (offered->simulcast_send.n == 0) {
        for (unsigned i = 0; i < offered->n_rids && m->n_rids < SDP_RIDS_MAX && rc >= 0; i++)
            if (offered->rids[i].dir == SDP_SENDONLY)
                rc = put_rid(x, m, &offered->rids[i]);
        return rc < 0 ? rc : 0;
    }
    for (unsigned i = 0; i < offered->simulcast_send.n; i++) {
        const struct sdp_simulcast_stream *stream = &offered->simulcast_send.streams[i];
        for (unsigned k = 0; k < stream->n_alts; k++) {
            if (rid_find(m, stream->alts[k].rid))
                continue;
            rc = put_rid(x, m, rid_find(offered, stream->alts[k].rid));
            if (rc == 1)
                rc = put_stream(x, m, stream->alts[k].rid) ? -ENOMEM : 1;
            if (rc != 0)
                break;
        }
        if (rc < 0)
            return rc;
    }
    return 0;
}

static int answer_data(struct answering *x, struct sdp_media *m, const struct sdp_media *offered)
{
    m->formats = sdp_arena_text(x->a, offered->formats);
    m->sctp_port = offered->sctp_port;
    m->max_message_size = x->local->max_message_size ? x->local->max_message_size : SDP_MESSAGE_SIZE;
    m->has_max_message_size = true;
    return 0;
}

static enum sdp_dir answer_dir(const struct sdp_media *offered, const struct sdp_decision *d)
{
    unsigned dir = 0;
    if (d->receive && (offered->dir & SDP_SENDONLY))
        dir |= SDP_RECVONLY;
    if (d->track && (offered->dir & SDP_RECVONLY))
        dir |= SDP_SENDONLY;
    return (enum sdp_dir)dir;
}

/* The pick that the track goes out with; NULL: none. */
static const struct sdp_pick *pick_for(
    const struct sdp_track *track, const struct sdp_pick *picks, unsigned n)
{
    for (unsigned i = 0; i < n; i++)
        if ((SDP_CODEC_BIT(track->codec) | track->codecs) & SDP_CODEC_BIT(picks[i].codec->id))
            return &picks[i];
    return NULL;
}

/* Direction and codecs. A track that the client cannot take leaves its section without it. */
static unsigned choose(struct answering *x, struct sdp_media *m, const struct sdp_media *offered,
    const struct sdp_decision *d, struct sdp_pick picks[SDP_CODECS_MAX])
{
    m->dir = answer_dir(offered, d);
    unsigned n = sdp_pick_codecs(offered, x->caps, d, m->dir, &x->map, picks);
    if (!(m->dir & SDP_SENDONLY) || pick_for(d->track, picks, n))
        return n;
    m->dir = (enum sdp_dir)(m->dir & ~(unsigned)SDP_SENDONLY);
    return sdp_pick_codecs(offered, x->caps, d, m->dir, &x->map, picks);
}

static int answer_rtp(struct answering *x, struct sdp_media *m, const struct sdp_media *offered,
    const struct sdp_decision *d, const struct sdp_pick *picks, unsigned n)
{
    m->rtcp_mux = true;
    m->rtcp_rsize = sdp_media_rsize(x->offer, offered);
    int rc = put_codecs(x, m, d, picks, n);
    if (rc == 0)
        rc = put_extensions(x, m, offered);
    if (rc == 0)
        rc = put_simulcast(x, m, offered);
    if (rc == 0 && (m->dir & SDP_SENDONLY))
        rc = sdp_put_track(x->a, m, d->track, pick_for(d->track, picks, n)->rtx != NULL);
    return rc;
}

static int answer_media(struct answering *x, const struct sdp_media *offered, const struct sdp_decision *d)
{
    struct sdp_pick picks[SDP_CODECS_MAX];
    unsigned n_picks = 0;
    struct sdp_media *m = sdp_push(x->a, x->s->media, x->s->n_media);
    if (!m)
        return -ENOMEM;
    m->kind = offered->kind;
    m->kind_text = sdp_arena_text(x->a, offered->kind_text);
    m->proto = sdp_arena_text(x->a, offered->proto);
    m->mid = sdp_arena_text(x->a, offered->mid);
    m->port = 9; /* the discard port: ICE knows better (RFC 8840, section 4.1.1) */
    bool accepted = acceptable(x, offered, d);
    bool data = offered->kind == SDP_KIND_APPLICATION;
    if (accepted && !data) {
        n_picks = choose(x, m, offered, d, picks);
        accepted = n_picks > 0;
    }
    if (!accepted)
        return reject(x, m, offered);
    if (data)
        m->dir = sdp_dir_reverse(offered->dir); /* means nothing here, but has to fit */
    int rc = data ? answer_data(x, m, offered) : answer_rtp(x, m, offered, d, picks, n_picks);
    if (rc == 0)
        rc = sdp_put_transport(x->a, m, x->local, x->setup, !x->has_transport);
    x->has_transport = true;
    return rc;
}

/* RFC 5763, section 5. An offer without a role is taken for actpass. */
static enum sdp_setup answer_setup(enum sdp_setup offered)
{
    return offered == SDP_SETUP_PASSIVE ? SDP_SETUP_ACTIVE : SDP_SETUP_PASSIVE;
}

int sdp_answer(const struct sdp_session *offer, const struct sdp_local *local,
    const struct sdp_decision *decisions, unsigned n, struct sdp_session **ret, char *err, size_t err_size)
{
    struct sdp_transport remote;
    if (n != offer->n_media)
        return sdp_refuse(err, err_size, "%u decisions for %u sections", n, offer->n_media);
    int rc = sdp_transport_of(offer, &remote, err, err_size);
    if (rc != 0)
        return rc;
    if (remote.setup == SDP_SETUP_HOLDCONN)
        return sdp_refuse(err, err_size, "the offer's setup role is holdconn");
    struct answering x = {
        .offer = offer,
        .local = local,
        .caps = local->caps ? local->caps : &sdp_caps_default,
        .s = sdp_session_new(),
        .bundle = sdp_bundle(offer),
        .setup = answer_setup(remote.setup),
    };
    if (!x.s)
        return -ENOMEM;
    x.a = x.s->arena;
    rc = sdp_put_session(x.s, local);
    for (unsigned i = 0; rc == 0 && i < n; i++)
        rc = answer_media(&x, &offer->media[i], &decisions[i]);
    x.s->extmap_allow_mixed = offer->extmap_allow_mixed;
    if (rc == 0 && x.bundle)
        rc = sdp_put_bundle(x.s);
    if (rc == 0 && sdp_arena_failed(x.a))
        rc = -ENOMEM;
    if (rc == 0)
        *ret = x.s;
    else
        sdp_free(x.s);
    return rc;
}
