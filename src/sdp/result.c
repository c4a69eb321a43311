/* What an offer and its answer agree on. */
#include "sdp/internal.h"
#include "sdp/negotiate.h"

#include <errno.h>
#include <strings.h>

#define MESSAGE_SIZE_UNSAID 65536 /* RFC 8841, section 6.1 */

struct agreeing {
    const struct sdp_session *offer, *answer, *remote;
    bool we_answered;
    struct sdp_result *r;
    struct sdp_arena *a;
    char *err;
    size_t err_size;
};

static int check_codec(
    const struct agreeing *x, unsigned i, const struct sdp_media *o, const struct sdp_codec *c)
{
    const struct sdp_codec *offered = sdp_media_codec(o, c->pt);
    if (!offered)
        return sdp_refuse(x->err, x->err_size,
            "section %u of the answer has payload type %u, which was not offered", i, c->pt);
    if (c->name[0] && (strcasecmp(offered->name, c->name) != 0 || offered->clock_hz != c->clock_hz ||
                          offered->channels != c->channels || offered->apt != c->apt))
        return sdp_refuse(x->err, x->err_size,
            "section %u of the answer gives payload type %u to another codec than the offer", i, c->pt);
    return 0;
}

/* Does section i of the answer fit the offer's? RFC 3264, section 6; RFC 8829, section 5.11. */
static int check_section(const struct agreeing *x, unsigned i)
{
    const struct sdp_media *o = &x->offer->media[i], *m = &x->answer->media[i];
    if (strcmp(o->kind_text, m->kind_text) != 0)
        return sdp_refuse(x->err, x->err_size, "section %u is %s in the offer and %s in the answer", i,
            o->kind_text, m->kind_text);
    if (o->mid && m->mid && strcmp(o->mid, m->mid) != 0)
        return sdp_refuse(x->err, x->err_size,
            "section %u has mid \"%s\" in the offer and \"%s\" in the answer", i, o->mid, m->mid);
    if (sdp_media_rejected(m))
        return 0;
    if (sdp_media_rejected(o))
        return sdp_refuse(
            x->err, x->err_size, "section %u of the answer accepts what the offer has rejected", i);
    if (m->dir & ~(unsigned)sdp_dir_reverse(o->dir))
        return sdp_refuse(
            x->err, x->err_size, "section %u of the answer has a direction that was not offered", i);
    for (unsigned k = 0; k < m->n_codecs; k++) {
        int rc = check_codec(x, i, o, &m->codecs[k]);
        if (rc != 0)
            return rc;
    }
    if (m->kind <= SDP_KIND_VIDEO && !m->rtcp_mux && !sdp_bundle(x->answer))
        return sdp_refuse(x->err, x->err_size, "section %u of the answer has no rtcp-mux", i);
    return 0;
}

/* Everything that is accepted shares one transport. */
static int check_bundle(const struct agreeing *x)
{
    const struct sdp_group *bundle = sdp_bundle(x->answer);
    unsigned alone = 0, accepted = 0;
    for (unsigned i = 0; i < x->answer->n_media; i++) {
        const struct sdp_media *m = &x->answer->media[i];
        if (sdp_media_rejected(m))
            continue;
        const char *mid = m->mid ? m->mid : x->offer->media[i].mid;
        accepted++;
        if (!bundle || !sdp_group_has(bundle, mid))
            alone++;
    }
    if (alone > 0 && accepted > 1)
        return sdp_refuse(x->err, x->err_size, "the answer does not bundle everything that it accepts");
    return 0;
}

static int check(const struct agreeing *x)
{
    if (x->offer->n_media != x->answer->n_media)
        return sdp_refuse(x->err, x->err_size, "the offer has %u sections and the answer %u",
            x->offer->n_media, x->answer->n_media);
    for (unsigned i = 0; i < x->offer->n_media; i++) {
        int rc = check_section(x, i);
        if (rc != 0)
            return rc;
    }
    return check_bundle(x);
}

static int bind_codecs(
    struct agreeing *x, struct sdp_section_result *s, const struct sdp_media *o, const struct sdp_media *m)
{
    for (unsigned i = 0; i < m->n_codecs; i++) {
        const struct sdp_codec *c = &m->codecs[i], *offered = sdp_media_codec(o, c->pt);
        if (offered->id == SDP_CODEC_OTHER || offered->id == SDP_CODEC_RTX)
            continue;
        struct sdp_bound_codec *b = sdp_push(x->a, s->codecs, s->n_codecs);
        if (!b)
            return -ENOMEM;
        *b = (struct sdp_bound_codec){
            .pt = c->pt,
            .rtx_pt = -1,
            .id = offered->id,
            .clock_hz = offered->clock_hz,
            .channels = offered->channels,
            .fb = offered->fb & c->fb,
            .fmtp = sdp_arena_text(x->a, x->we_answered || !c->fmtp ? offered->fmtp : c->fmtp),
        };
        for (unsigned k = 0; k < m->n_codecs; k++) {
            const struct sdp_codec *rtx = sdp_media_codec(o, m->codecs[k].pt);
            if (rtx->id == SDP_CODEC_RTX && rtx->apt == c->pt)
                b->rtx_pt = rtx->pt;
        }
    }
    return 0;
}

/* An id counts if both sides name it for the same extension, and one of them may send it on this section. */
static void bind_extensions(const struct agreeing *x, struct sdp_section_result *s, const struct sdp_media *o,
    const struct sdp_media *m)
{
    for (unsigned i = 0; i < m->n_extmap; i++) {
        const struct sdp_extmap *e = &m->extmap[i];
        for (unsigned k = 0; k < o->n_extmap; k++)
            if (e->ext != SDP_EXT_COUNT && o->extmap[k].id == e->id && o->extmap[k].ext == e->ext &&
                s->ext_id[e->ext] == 0 && (e->dir & sdp_dir_reverse(o->extmap[k].dir)))
                s->ext_id[e->ext] = (uint8_t)e->id;
    }
    s->mixed_ext = (x->offer->extmap_allow_mixed || o->extmap_allow_mixed) &&
                   (x->answer->extmap_allow_mixed || m->extmap_allow_mixed);
}

static int bind_rid(struct agreeing *x, struct sdp_section_result *s, const char *id, bool paused)
{
    struct sdp_bound_rid *r = s->n_rids < SDP_RIDS_MAX ? sdp_push(x->a, s->rids, s->n_rids) : NULL;
    if (!r)
        return sdp_arena_failed(x->a) ? -ENOMEM : 0;
    r->id = sdp_arena_text(x->a, id);
    r->paused = paused;
    return 0;
}

/* The client's layers: those of its a=simulcast that our answer accepted, in its order. */
static int bind_rids(
    struct agreeing *x, struct sdp_section_result *s, const struct sdp_media *o, const struct sdp_media *m)
{
    int rc = 0;
    if (!x->we_answered || !(s->dir & SDP_RECVONLY))
        return 0;
    if (m->simulcast_recv.n == 0) {
        for (unsigned i = 0; i < m->n_rids && rc == 0; i++)
            if (m->rids[i].dir == SDP_RECVONLY)
                rc = bind_rid(x, s, m->rids[i].id, false);
        return rc;
    }
    for (unsigned i = 0; i < o->simulcast_send.n && rc == 0; i++)
        for (unsigned k = 0; k < o->simulcast_send.streams[i].n_alts && rc == 0; k++) {
            const struct sdp_simulcast_alt *alt = &o->simulcast_send.streams[i].alts[k];
            bool accepted = false;
            for (unsigned j = 0; j < m->simulcast_recv.n; j++)
                accepted |= strcmp(m->simulcast_recv.streams[j].alts[0].rid, alt->rid) == 0;
            if (accepted)
                rc = bind_rid(x, s, alt->rid, alt->paused);
        }
    return rc;
}

/* The partner of ssrc in a group of two: its RTX or FEC stream. 0: none. */
static uint32_t partner_of(const struct sdp_media *m, const char *semantics, uint32_t ssrc, unsigned place)
{
    for (unsigned i = 0; i < m->n_ssrc_groups; i++) {
        const struct sdp_ssrc_group *g = &m->ssrc_groups[i];
        if (strcmp(g->semantics, semantics) == 0 && g->n == 2 && g->ssrcs[place] == ssrc)
            return g->ssrcs[1 - place];
    }
    return 0;
}

static const struct sdp_ssrc_group *sim_group(const struct sdp_media *m)
{
    for (unsigned i = 0; i < m->n_ssrc_groups; i++)
        if (strcmp(m->ssrc_groups[i].semantics, "SIM") == 0)
            return &m->ssrc_groups[i];
    return NULL;
}

static int bind_ssrc(
    struct agreeing *x, struct sdp_section_result *s, const struct sdp_media *m, uint32_t ssrc)
{
    struct sdp_bound_ssrc *b = sdp_push(x->a, s->ssrcs, s->n_ssrcs);
    if (!b)
        return -ENOMEM;
    b->ssrc = ssrc;
    b->rtx_ssrc = partner_of(m, "FID", ssrc, 0);
    for (unsigned i = 0; i < m->n_ssrcs; i++)
        if (m->ssrcs[i].ssrc == ssrc)
            b->cname = sdp_arena_text(x->a, m->ssrcs[i].cname);
    return 0;
}

static int bind_ssrcs(struct agreeing *x, struct sdp_section_result *s, const struct sdp_media *m)
{
    const struct sdp_ssrc_group *sim = sim_group(m);
    int rc = 0;
    if (!(s->dir & SDP_RECVONLY))
        return 0;
    s->ssrc_simulcast = sim && sim->n > 1;
    for (unsigned i = 0; s->ssrc_simulcast && i < sim->n && rc == 0; i++)
        rc = bind_ssrc(x, s, m, sim->ssrcs[i]);
    for (unsigned i = 0; !s->ssrc_simulcast && i < m->n_ssrcs && rc == 0; i++) {
        uint32_t ssrc = m->ssrcs[i].ssrc;
        if (!partner_of(m, "FID", ssrc, 1) && !partner_of(m, "FEC-FR", ssrc, 1))
            rc = bind_ssrc(x, s, m, ssrc);
    }
    return rc;
}

/* a=msid, or where only a=ssrc tells it, that. */
static void bind_msid(struct agreeing *x, struct sdp_section_result *s, const struct sdp_media *m)
{
    const char *stream = m->msid_stream, *track = m->msid_track;
    for (unsigned i = 0; !stream && i < m->n_ssrcs; i++) {
        stream = m->ssrcs[i].msid_stream;
        track = m->ssrcs[i].msid_track;
    }
    s->msid_stream = sdp_arena_text(x->a, stream);
    s->msid_track = sdp_arena_text(x->a, track);
}

static int bind_section(struct agreeing *x, unsigned i)
{
    const struct sdp_media *o = &x->offer->media[i], *m = &x->answer->media[i],
                           *remote = &x->remote->media[i];
    struct sdp_section_result *s = sdp_push(x->a, x->r->sections, x->r->n_sections);
    if (!s)
        return -ENOMEM;
    s->index = i;
    s->mid = sdp_arena_text(x->a, o->mid ? o->mid : m->mid);
    s->kind = o->kind;
    s->rejected = sdp_media_rejected(m);
    if (s->rejected)
        return 0;
    s->dir = x->we_answered ? m->dir : sdp_dir_reverse(m->dir);
    if (s->kind == SDP_KIND_APPLICATION) {
        s->sctp_port = remote->sctp_port;
        s->max_message_size = !remote->has_max_message_size   ? MESSAGE_SIZE_UNSAID
                              : remote->max_message_size == 0 ? UINT64_MAX
                                                              : remote->max_message_size;
        return 0;
    }
    s->rtcp_rsize = sdp_media_rsize(x->offer, o) && sdp_media_rsize(x->answer, m);
    bind_extensions(x, s, o, m);
    bind_msid(x, s, remote);
    int rc = bind_codecs(x, s, o, m);
    if (rc == 0)
        rc = bind_rids(x, s, o, m);
    return rc ? rc : bind_ssrcs(x, s, remote);
}

static int bind_candidates(struct agreeing *x)
{
    struct sdp_result *r = x->r;
    struct sdp_candidate *list = NULL;
    for (unsigned i = 0; i < x->remote->n_media; i++) {
        const struct sdp_media *m = &x->remote->media[i];
        if (sdp_media_rejected(&x->answer->media[i]))
            continue;
        r->end_of_candidates |= m->end_of_candidates;
        for (unsigned k = 0; k < m->n_candidates; k++) {
            struct sdp_candidate *c = sdp_push(x->a, list, r->n_candidates);
            if (!c)
                return -ENOMEM;
            *c = m->candidates[k];
        }
    }
    r->candidates = list;
    return 0;
}

static int bind_transport(struct agreeing *x)
{
    struct sdp_result *r = x->r;
    struct sdp_transport remote;
    int rc = sdp_transport_of(x->remote, &remote, x->err, x->err_size);
    if (rc != 0)
        return rc;
    enum sdp_setup setup = sdp_setup_of(x->answer);
    if (setup == SDP_SETUP_ACTPASS || setup == SDP_SETUP_HOLDCONN)
        return sdp_refuse(x->err, x->err_size, "the answer's setup role is neither active nor passive");
    /* an answer without a role is active: RFC 5763, section 5, by way of RFC 4145, section 4.1 */
    bool answerer_is_client = setup != SDP_SETUP_PASSIVE;
    r->dtls_client = x->we_answered == answerer_is_client;
    r->client_is_lite = remote.ice_lite;
    r->ufrag = sdp_arena_text(x->a, remote.ufrag);
    r->pwd = sdp_arena_text(x->a, remote.pwd);
    r->ice_options = sdp_arena_text(x->a, remote.options);
    struct sdp_fingerprint *list = NULL;
    for (unsigned i = 0; i < remote.n_fingerprints; i++) {
        struct sdp_fingerprint *f = sdp_push(x->a, list, r->n_fingerprints);
        if (!f)
            return -ENOMEM;
        f->hash = sdp_arena_text(x->a, remote.fingerprints[i].hash);
        f->value = sdp_arena_text(x->a, remote.fingerprints[i].value);
    }
    r->fingerprints = list;
    return bind_candidates(x);
}

int sdp_result_new(const struct sdp_session *offer, const struct sdp_session *answer, bool we_answered,
    struct sdp_result **ret, char *err, size_t err_size)
{
    struct agreeing x = {
        .offer = offer,
        .answer = answer,
        .remote = we_answered ? offer : answer,
        .we_answered = we_answered,
        .err = err,
        .err_size = err_size,
    };
    int rc = check(&x);
    if (rc != 0)
        return rc;
    x.a = sdp_arena_new();
    x.r = x.a ? sdp_arena_alloc(x.a, sizeof *x.r) : NULL;
    if (!x.r) {
        sdp_arena_free(x.a);
        return -ENOMEM;
    }
    x.r->arena = x.a;
    rc = bind_transport(&x);
    for (unsigned i = 0; rc == 0 && i < offer->n_media; i++)
        rc = bind_section(&x, i);
    if (rc == 0 && sdp_arena_failed(x.a))
        rc = -ENOMEM;
    if (rc == 0)
        *ret = x.r;
    else
        sdp_result_free(x.r);
    return rc;
}

void sdp_result_free(struct sdp_result *r)
{
    if (r)
        sdp_arena_free(r->arena);
}

const struct sdp_section_result *sdp_result_find(const struct sdp_result *r, const char *mid)
{
    for (unsigned i = 0; mid && i < r->n_sections; i++)
        if (r->sections[i].mid && strcmp(r->sections[i].mid, mid) == 0)
            return &r->sections[i];
    return NULL;
}
