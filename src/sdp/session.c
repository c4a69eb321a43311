/* Looking things up in a description. */
#include "sdp/internal.h"

const struct sdp_media *sdp_media_find(const struct sdp_session *s, const char *mid)
{
    for (unsigned i = 0; mid && i < s->n_media; i++)
        if (s->media[i].mid && strcmp(s->media[i].mid, mid) == 0)
            return &s->media[i];
    return NULL;
}

bool sdp_media_rejected(const struct sdp_media *m)
{
    return m->port == 0 && !m->bundle_only;
}

const struct sdp_codec *sdp_media_codec(const struct sdp_media *m, unsigned pt)
{
    for (unsigned i = 0; i < m->n_codecs; i++)
        if (m->codecs[i].pt == pt)
            return &m->codecs[i];
    return NULL;
}

bool sdp_group_has(const struct sdp_group *g, const char *mid)
{
    for (unsigned i = 0; mid && i < g->n; i++)
        if (strcmp(g->mids[i], mid) == 0)
            return true;
    return false;
}

bool sdp_in_group(const struct sdp_session *s, const char *semantics, const char *mid)
{
    for (unsigned i = 0; i < s->n_groups; i++)
        if (strcmp(s->groups[i].semantics, semantics) == 0 && sdp_group_has(&s->groups[i], mid))
            return true;
    return false;
}

const struct sdp_group *sdp_bundle(const struct sdp_session *s)
{
    for (unsigned i = 0; i < s->n_groups; i++)
        if (strcmp(s->groups[i].semantics, "BUNDLE") == 0)
            return &s->groups[i];
    return NULL;
}

/* The section whose transport values count: the first of the BUNDLE group that is not rejected, else the
 * first one that is not rejected (RFC 9143, section 7.1). */
static const struct sdp_media *tagged_media(const struct sdp_session *s)
{
    const struct sdp_group *bundle = sdp_bundle(s);
    for (unsigned i = 0; bundle && i < bundle->n; i++) {
        const struct sdp_media *m = sdp_media_find(s, bundle->mids[i]);
        if (m && !sdp_media_rejected(m))
            return m;
    }
    for (unsigned i = 0; i < s->n_media; i++)
        if (!sdp_media_rejected(&s->media[i]))
            return &s->media[i];
    return NULL;
}

bool sdp_media_rsize(const struct sdp_session *s, const struct sdp_media *m)
{
    const struct sdp_media *tagged = tagged_media(s);
    return m->rtcp_rsize || (!m->rtcp_mux && tagged && tagged->rtcp_rsize);
}

enum sdp_setup sdp_setup_of(const struct sdp_session *s)
{
    const struct sdp_media *m = tagged_media(s);
    return m && m->setup != SDP_SETUP_NONE ? m->setup : s->setup;
}

int sdp_transport_of(const struct sdp_session *s, struct sdp_transport *ret, char *err, size_t err_size)
{
    static const struct sdp_media nothing;
    const struct sdp_media *m = tagged_media(s);
    if (!m)
        m = &nothing;
    const struct sdp_ice *ice = m->ice.ufrag ? &m->ice : &s->ice;
    struct sdp_transport t = {
        .ufrag = ice->ufrag,
        .pwd = ice->pwd,
        .options = m->ice.options ? m->ice.options : s->ice.options,
        .fingerprints = m->n_fingerprints ? m->fingerprints : s->fingerprints,
        .n_fingerprints = m->n_fingerprints ? m->n_fingerprints : s->n_fingerprints,
        .setup = sdp_setup_of(s),
        .ice_lite = s->ice_lite,
    };
    if (!t.ufrag || !t.pwd)
        return sdp_refuse(err, err_size, "there are no ICE credentials (ice-ufrag, ice-pwd)");
    if (t.n_fingerprints == 0)
        return sdp_refuse(err, err_size, "there is no certificate fingerprint");
    *ret = t;
    return 0;
}

enum sdp_dir sdp_dir_reverse(enum sdp_dir dir)
{
    switch (dir) {
    case SDP_SENDONLY:
        return SDP_RECVONLY;
    case SDP_RECVONLY:
        return SDP_SENDONLY;
    default:
        return dir;
    }
}
