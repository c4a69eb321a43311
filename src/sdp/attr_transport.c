/* Attributes (a=) of grouping and transport: mids, ICE, DTLS, SCTP. */
#include "sdp/internal.h"

#include <ctype.h>
#include <errno.h>

#define ICE_UFRAG_MIN 4  /* RFC 8839, section 5.4 */
#define ICE_PWD_MIN   22 /* RFC 8839, section 5.4 */

static int on_mid(struct sdp_parser *p, struct cursor c)
{
    struct sdp_span mid = sdp_span_rest(&c);
    int rc = 0;
    if (!p->m)
        return 0;
    if (p->m->mid)
        return sdp_parser_fail(p, "the section has two mids");
    if (!sdp_span_is_token(mid))
        return sdp_parser_fail(p, "the mid is malformed");
    p->m->mid = sdp_parser_keep(p, mid, SDP_MID_MAX, "the mid", &rc);
    p->mid_line = p->line;
    return rc;
}

/* group:<semantics> <mid> ... */
static int on_group(struct sdp_parser *p, struct cursor c)
{
    struct sdp_span semantics = sdp_span_word(&c);
    if (p->m)
        return 0;
    if (!sdp_span_is_token(semantics) || semantics.len > SDP_TEXT_MAX || p->s->n_groups == SDP_GROUPS_MAX)
        return sdp_parser_fail(p, "the group is malformed, or there are more than %d", SDP_GROUPS_MAX);
    if (sdp_span_is(semantics, "BUNDLE") && !sdp_bundle(p->s))
        p->bundle_line = p->line;
    struct sdp_group *g = sdp_push(p->a, p->s->groups, p->s->n_groups);
    if (!g)
        return -ENOMEM;
    g->semantics = sdp_arena_textn(p->a, semantics.p, semantics.len);
    if (!g->semantics)
        return -ENOMEM;
    for (struct sdp_span w = sdp_span_word(&c); w.len; w = sdp_span_word(&c)) {
        if (!sdp_span_is_token(w) || w.len > SDP_MID_MAX || g->n == SDP_MEDIA_MAX)
            return sdp_parser_fail(p, "the group is malformed");
        const char **mid = sdp_push(p->a, g->mids, g->n);
        if (!mid)
            return -ENOMEM;
        *mid = sdp_arena_textn(p->a, w.p, w.len);
        if (!*mid)
            return -ENOMEM;
    }
    return 0;
}

static struct sdp_ice *ice_of(struct sdp_parser *p)
{
    return p->m ? &p->m->ice : &p->s->ice;
}

/* Credentials: visible characters, and no colon, which separates the halves of a STUN user name. */
static int credential(
    struct sdp_parser *p, struct cursor c, size_t min, size_t max, const char *what, const char **ret)
{
    struct sdp_span text = sdp_span_rest(&c);
    int rc = 0;
    if (*ret)
        return sdp_parser_fail(p, "there are two %s", what);
    if (text.len < min || text.len > max || !sdp_span_is_graphic(text) || memchr(text.p, ':', text.len))
        return sdp_parser_fail(p, "the %s is malformed or not of %zu to %zu characters", what, min, max);
    *ret = sdp_parser_keep(p, text, max, what, &rc);
    return rc;
}

static int on_ice_ufrag(struct sdp_parser *p, struct cursor c)
{
    return credential(p, c, ICE_UFRAG_MIN, ICE_UFRAG_MAX, "ice-ufrag", &ice_of(p)->ufrag);
}

static int on_ice_pwd(struct sdp_parser *p, struct cursor c)
{
    return credential(p, c, ICE_PWD_MIN, ICE_PWD_MAX, "ice-pwd", &ice_of(p)->pwd);
}

static int on_ice_options(struct sdp_parser *p, struct cursor c)
{
    int rc = 0;
    ice_of(p)->options = sdp_parser_keep(p, sdp_span_rest(&c), SDP_TEXT_MAX, "ice-options", &rc);
    return rc;
}

static const struct {
    const char *name;
    size_t bytes;
} hashes[] = {{"sha-1", 20}, {"sha-224", 28}, {"sha-256", 32}, {"sha-384", 48}, {"sha-512", 64}};

/* fingerprint:<hash> <AB:CD:...>: RFC 8122, section 5. Hashes that nobody here computes are read over. */
static int on_fingerprint(struct sdp_parser *p, struct cursor c)
{
    struct sdp_span hash = sdp_span_word(&c), value = sdp_span_word(&c);
    struct sdp_fingerprint **list = p->m ? &p->m->fingerprints : &p->s->fingerprints;
    unsigned *n = p->m ? &p->m->n_fingerprints : &p->s->n_fingerprints;
    size_t i = 0;
    while (i < sizeof hashes / sizeof hashes[0] && !sdp_span_is_nocase(hash, hashes[i].name))
        i++;
    if (i == sizeof hashes / sizeof hashes[0])
        return hash.len ? 0 : sdp_parser_fail(p, "the fingerprint is malformed");
    char text[64 * 3];
    bool ok = value.len == hashes[i].bytes * 3 - 1;
    for (size_t k = 0; ok && k < value.len; k++) {
        text[k] = (char)toupper((unsigned char)value.p[k]);
        ok = k % 3 == 2 ? text[k] == ':' : isxdigit((unsigned char)text[k]);
    }
    if (!ok)
        return sdp_parser_fail(p, "the fingerprint is malformed");
    if (*n == SDP_FINGERPRINTS_MAX)
        return sdp_parser_fail(p, "more than %d fingerprints", SDP_FINGERPRINTS_MAX);
    struct sdp_fingerprint *f = sdp_push(p->a, *list, *n);
    if (!f)
        return -ENOMEM;
    f->hash = hashes[i].name;
    f->value = sdp_arena_textn(p->a, text, value.len);
    return 0;
}

static int on_setup(struct sdp_parser *p, struct cursor c)
{
    static const char *const names[] = {"", "actpass", "active", "passive", "holdconn"};
    struct sdp_span role = sdp_span_rest(&c);
    for (unsigned i = SDP_SETUP_ACTPASS; i <= SDP_SETUP_HOLDCONN; i++)
        if (sdp_span_is(role, names[i])) {
            *(p->m ? &p->m->setup : &p->s->setup) = (enum sdp_setup)i;
            return 0;
        }
    return sdp_parser_fail(p, "the setup role is none of actpass, active, passive, holdconn");
}

/* candidate:... Candidates that nobody here can use are read over, and so are those beyond the limit: a
 * lite agent learns the client's addresses from its checks. */
static int on_candidate(struct sdp_parser *p, struct cursor c)
{
    struct sdp_candidate cand;
    struct sdp_span text = sdp_span_rest(&c);
    int rc = sdp_candidate_value(text, &cand);
    if (rc == -EINVAL)
        return sdp_parser_fail(p, "the candidate is malformed");
    if (rc != 0 || p->n_candidates == SDP_CANDIDATES_MAX || (!p->m && !p->fragment))
        return 0;
    struct sdp_candidate *item =
        p->m ? sdp_push(p->a, p->m->candidates, p->m->n_candidates) : sdp_push(p->a, p->early, p->n_early);
    if (!item)
        return -ENOMEM;
    *item = cand;
    p->n_candidates++;
    return 0;
}

static int on_sctp_port(struct sdp_parser *p, struct cursor c)
{
    uint64_t port;
    if (!sdp_span_number(sdp_span_rest(&c), UINT16_MAX, &port))
        return sdp_parser_fail(p, "the sctp-port is malformed");
    if (p->m)
        p->m->sctp_port = (uint16_t)port;
    p->seen_sctp_port = true;
    return 0;
}

/* sctpmap:<port> webrtc-datachannel <streams>: how drafts before RFC 8841 spelled it. */
static int on_sctpmap(struct sdp_parser *p, struct cursor c)
{
    uint64_t port;
    if (!sdp_span_number(sdp_span_word(&c), UINT16_MAX, &port))
        return sdp_parser_fail(p, "the sctpmap is malformed");
    if (p->m)
        p->m->sctp_port = (uint16_t)port;
    p->seen_sctp_port = true;
    return 0;
}

static int on_max_message_size(struct sdp_parser *p, struct cursor c)
{
    uint64_t size;
    if (!sdp_span_number(sdp_span_rest(&c), UINT64_MAX, &size))
        return sdp_parser_fail(p, "the max-message-size is malformed");
    if (p->m) {
        p->m->max_message_size = size;
        p->m->has_max_message_size = true;
    }
    return 0;
}

static int on_msid_semantic(struct sdp_parser *p, struct cursor c)
{
    struct sdp_span text = sdp_span_rest(&c);
    int rc = 0;
    if (text.len && text.p[0] == ' ')
        text.p++, text.len--;
    if (text.len && !p->m)
        p->s->msid_semantic = sdp_parser_keep(p, text, SDP_TEXT_MAX, "the msid-semantic", &rc);
    return rc;
}

static int on_bundle_only(struct sdp_parser *p, struct cursor c)
{
    (void)c;
    if (p->m)
        p->m->bundle_only = true;
    return 0;
}

static int on_end_of_candidates(struct sdp_parser *p, struct cursor c)
{
    (void)c;
    *(p->m ? &p->m->end_of_candidates : &p->early_end) = true;
    return 0;
}

static int on_ice_lite(struct sdp_parser *p, struct cursor c)
{
    (void)c;
    p->s->ice_lite = true;
    return 0;
}

const struct sdp_attribute sdp_attributes_transport[] = {
    {"mid", on_mid},
    {"candidate", on_candidate},
    {"ice-ufrag", on_ice_ufrag},
    {"ice-pwd", on_ice_pwd},
    {"ice-options", on_ice_options},
    {"fingerprint", on_fingerprint},
    {"setup", on_setup},
    {"bundle-only", on_bundle_only},
    {"end-of-candidates", on_end_of_candidates},
    {"sctp-port", on_sctp_port},
    {"sctpmap", on_sctpmap},
    {"max-message-size", on_max_message_size},
    {"group", on_group},
    {"msid-semantic", on_msid_semantic},
    {"ice-lite", on_ice_lite},
    {NULL, NULL},
};
