/* Attributes (a=) of media: codecs, header extensions, layers, sources, directions. */
#include "sdp/internal.h"

#include <ctype.h>
#include <errno.h>

static bool dir_of(struct sdp_span word, enum sdp_dir *ret)
{
    static const char *const names[] = {"inactive", "sendonly", "recvonly", "sendrecv"};
    for (unsigned i = 0; i < 4; i++)
        if (sdp_span_is(word, names[i])) {
            *ret = (enum sdp_dir)i;
            return true;
        }
    return false;
}

static struct sdp_codec *codec_of(struct sdp_parser *p, struct sdp_span pt)
{
    uint64_t number;
    if (!p->m || !sdp_span_number(pt, 127, &number))
        return NULL;
    for (unsigned i = 0; i < p->m->n_codecs; i++)
        if (p->m->codecs[i].pt == number)
            return &p->m->codecs[i];
    return NULL;
}

/* rtpmap:<pt> <name>/<clock>[/<channels>]. One for a payload type that the m-line lacks is read over. */
static int on_rtpmap(struct sdp_parser *p, struct cursor c)
{
    struct sdp_span pt = sdp_span_word(&c), map = sdp_span_word(&c);
    struct cursor mc = cursor_of(map.p, map.len);
    struct sdp_span name = sdp_span_until(&mc, '/'), clock = sdp_span_until(&mc, '/'),
                    channels = sdp_span_rest(&mc);
    uint64_t pt_number, clock_hz, n_channels = 1;
    if (!sdp_span_number(pt, 127, &pt_number) || !sdp_span_is_token(name) || name.len > SDP_TEXT_MAX ||
        !sdp_span_number(clock, UINT32_MAX, &clock_hz) || clock_hz == 0 ||
        (channels.len && (!sdp_span_number(channels, UINT8_MAX, &n_channels) || n_channels == 0)))
        return sdp_parser_fail(p, "the rtpmap is malformed");
    struct sdp_codec *codec = codec_of(p, pt);
    if (!codec)
        return 0;
    if (codec->name[0]) {
        if (sdp_span_is_nocase(name, codec->name) && codec->clock_hz == clock_hz &&
            codec->channels == n_channels)
            return 0;
        return sdp_parser_fail(p, "payload type %u has two codecs", codec->pt);
    }
    const char *copy = sdp_arena_textn(p->a, name.p, name.len);
    if (!copy)
        return -ENOMEM;
    codec->name = copy;
    codec->clock_hz = (uint32_t)clock_hz;
    codec->channels = (uint8_t)n_channels;
    return 0;
}

static int on_fmtp(struct sdp_parser *p, struct cursor c)
{
    struct sdp_codec *codec = codec_of(p, sdp_span_word(&c));
    struct sdp_span text = sdp_span_rest(&c);
    int rc = 0;
    if (!codec || text.len == 0 || codec->fmtp)
        return 0;
    codec->fmtp = sdp_parser_keep(p, text, SDP_TEXT_MAX, "the fmtp", &rc);
    return rc;
}

static const struct {
    const char *text;
    uint8_t bit;
} feedbacks[] = {{"nack", SDP_FB_NACK}, {"nack pli", SDP_FB_NACK_PLI}, {"ccm fir", SDP_FB_CCM_FIR},
    {"transport-cc", SDP_FB_TRANSPORT_CC}, {"goog-remb", SDP_FB_REMB}};

static int on_rtcp_fb(struct sdp_parser *p, struct cursor c)
{
    struct sdp_span pt = sdp_span_word(&c), what = sdp_span_rest(&c);
    struct sdp_codec *codec = codec_of(p, pt);
    uint8_t bit = 0;
    for (size_t i = 0; i < sizeof feedbacks / sizeof feedbacks[0]; i++)
        if (sdp_span_is(what, feedbacks[i].text))
            bit = feedbacks[i].bit;
    if (sdp_span_is(pt, "*"))
        p->wild_fb |= bit;
    else if (codec)
        codec->fb |= bit;
    return 0;
}

/* extmap:<id>[/<direction>] <uri> [attributes]: RFC 8285, section 8. Ids of the offer-only range (4096 and
 * up), the reserved 15 and encrypted extensions (RFC 6904) are read over. */
static int on_extmap(struct sdp_parser *p, struct cursor c)
{
    struct sdp_media *m = p->m;
    struct sdp_span key = sdp_span_word(&c), uri = sdp_span_word(&c);
    struct cursor kc = cursor_of(key.p, key.len);
    struct sdp_span id_text = sdp_span_until(&kc, '/'), dir_text = sdp_span_rest(&kc);
    enum sdp_dir dir = SDP_SENDRECV;
    uint64_t id;
    int rc = 0;
    if (!sdp_span_number(id_text, 4351, &id) || id == 0 || (id > 255 && id < 4096) ||
        (dir_text.len && !dir_of(dir_text, &dir)) || !sdp_span_is_graphic(uri))
        return sdp_parser_fail(p, "the extmap is malformed");
    if (!m || id > 255 || id == 15 || sdp_span_is(uri, "urn:ietf:params:rtp-hdrext:encrypt"))
        return 0;
    for (unsigned i = 0; i < m->n_extmap; i++)
        if (m->extmap[i].id == id)
            return sdp_span_is(uri, m->extmap[i].uri)
                       ? 0
                       : sdp_parser_fail(p, "header extension id %u is used twice", (unsigned)id);
    if (m->n_extmap == SDP_EXTMAP_MAX)
        return sdp_parser_fail(p, "more than %d header extensions", SDP_EXTMAP_MAX);
    const char *copy = sdp_parser_keep(p, uri, SDP_TEXT_MAX, "the extension's URI", &rc);
    struct sdp_extmap *e = copy ? sdp_push(p->a, m->extmap, m->n_extmap) : NULL;
    if (!e)
        return rc ? rc : -ENOMEM;
    *e = (struct sdp_extmap){.id = (uint16_t)id, .dir = dir, .ext = sdp_ext_find(copy), .uri = copy};
    return 0;
}

/* RFC 8851, section 10, as corrected: letters, digits, "-" and "_". */
static bool is_rid(struct sdp_span s)
{
    for (size_t i = 0; i < s.len; i++)
        if (!isalnum((unsigned char)s.p[i]) && s.p[i] != '-' && s.p[i] != '_')
            return false;
    return s.len > 0 && s.len <= SDP_RID_MAX;
}

/* rid:<id> <send|recv> [restrictions] */
static int on_rid(struct sdp_parser *p, struct cursor c)
{
    struct sdp_media *m = p->m;
    struct sdp_span id = sdp_span_word(&c), dir = sdp_span_word(&c), more = sdp_span_rest(&c);
    if (!is_rid(id) || (!sdp_span_is(dir, "send") && !sdp_span_is(dir, "recv")) || more.len > SDP_TEXT_MAX)
        return sdp_parser_fail(p, "the rid is malformed");
    if (!m)
        return 0;
    for (unsigned i = 0; i < m->n_rids; i++)
        if (sdp_span_is(id, m->rids[i].id))
            return sdp_parser_fail(p, "rid \"%s\" is declared twice", m->rids[i].id);
    if (m->n_rids == 2 * SDP_RIDS_MAX)
        return sdp_parser_fail(p, "more than %d rids", 2 * SDP_RIDS_MAX);
    struct sdp_rid *r = sdp_push(p->a, m->rids, m->n_rids);
    if (!r)
        return -ENOMEM;
    r->id = sdp_arena_textn(p->a, id.p, id.len);
    r->dir = sdp_span_is(dir, "send") ? SDP_SENDONLY : SDP_RECVONLY;
    r->restrictions = more.len ? sdp_arena_textn(p->a, more.p, more.len) : NULL;
    return 0;
}

/* One alternative of a stream: [~]rid, in the older form of the draft rid=id. */
static int add_alternative(struct sdp_parser *p, struct sdp_simulcast_stream *stream, struct sdp_span text)
{
    struct cursor c = cursor_of(text.p, text.len);
    bool paused = text.len && text.p[0] == '~';
    if (paused)
        cursor_skip(&c, 1);
    struct sdp_span rid = sdp_span_rest(&c);
    if (!is_rid(rid) || stream->n_alts == SDP_ALTS_MAX)
        return sdp_parser_fail(p, "the simulcast list is malformed");
    struct sdp_simulcast_alt *alt = sdp_push(p->a, stream->alts, stream->n_alts);
    if (!alt)
        return -ENOMEM;
    alt->rid = sdp_arena_textn(p->a, rid.p, rid.len);
    alt->paused = paused;
    return 0;
}

static int parse_simulcast_list(struct sdp_parser *p, struct sdp_span text, struct sdp_simulcast *list)
{
    struct cursor c = cursor_of(text.p, text.len);
    struct cursor draft = c;
    if (sdp_span_is(sdp_span_until(&draft, '='), "rid"))
        c = draft;
    do {
        struct sdp_span item = sdp_span_until(&c, ';');
        struct cursor ic = cursor_of(item.p, item.len);
        if (list->n == SDP_RIDS_MAX)
            return sdp_parser_fail(p, "more than %d simulcast streams", SDP_RIDS_MAX);
        struct sdp_simulcast_stream *stream = sdp_push(p->a, list->streams, list->n);
        if (!stream)
            return -ENOMEM;
        do {
            int rc = add_alternative(p, stream, sdp_span_until(&ic, ','));
            if (rc != 0)
                return rc;
        } while (cursor_left(&ic));
    } while (cursor_left(&c));
    return 0;
}

/* simulcast:send <list> [recv <list>]: RFC 8853, section 5.1. */
static int on_simulcast(struct sdp_parser *p, struct cursor c)
{
    if (!p->m)
        return 0;
    for (struct sdp_span dir = sdp_span_word(&c); dir.len; dir = sdp_span_word(&c)) {
        bool send = sdp_span_is(dir, "send");
        struct sdp_simulcast *list = send ? &p->m->simulcast_send : &p->m->simulcast_recv;
        if ((!send && !sdp_span_is(dir, "recv")) || list->n)
            return sdp_parser_fail(p, "the simulcast list is malformed");
        int rc = parse_simulcast_list(p, sdp_span_word(&c), list);
        if (rc != 0)
            return rc;
    }
    return 0;
}

static struct sdp_ssrc *ssrc_of(struct sdp_parser *p, uint32_t ssrc, int *rc)
{
    struct sdp_media *m = p->m;
    for (unsigned i = 0; i < m->n_ssrcs; i++)
        if (m->ssrcs[i].ssrc == ssrc)
            return &m->ssrcs[i];
    if (m->n_ssrcs == SDP_SSRCS_MAX) {
        *rc = sdp_parser_fail(p, "more than %d sources (a=ssrc)", SDP_SSRCS_MAX);
        return NULL;
    }
    struct sdp_ssrc *s = sdp_push(p->a, m->ssrcs, m->n_ssrcs);
    if (s)
        s->ssrc = ssrc;
    else
        *rc = -ENOMEM;
    return s;
}

/* ssrc:<ssrc> <attribute>[:<value>]: RFC 5576. Of the attributes, cname and msid are kept. */
static int on_ssrc(struct sdp_parser *p, struct cursor c)
{
    struct sdp_span number = sdp_span_word(&c), name = sdp_span_until(&c, ':');
    uint64_t ssrc;
    int rc = 0;
    if (!sdp_span_number(number, UINT32_MAX, &ssrc) || name.len == 0)
        return sdp_parser_fail(p, "the ssrc is malformed");
    bool cname = sdp_span_is(name, "cname"), msid = sdp_span_is(name, "msid");
    if (!p->m || (!cname && !msid))
        return 0;
    struct sdp_span first = cname ? sdp_span_rest(&c) : sdp_span_word(&c), second = sdp_span_word(&c);
    if (first.len == 0 || first.len > SDP_TEXT_MAX || second.len > SDP_TEXT_MAX)
        return sdp_parser_fail(p, "the ssrc is malformed");
    struct sdp_ssrc *s = ssrc_of(p, (uint32_t)ssrc, &rc);
    if (!s)
        return rc;
    const char *copy = sdp_arena_textn(p->a, first.p, first.len);
    if (cname) {
        s->cname = copy;
    } else {
        s->msid_stream = copy;
        s->msid_track = second.len ? sdp_arena_textn(p->a, second.p, second.len) : NULL;
    }
    return 0;
}

/* ssrc-group:<semantics> <ssrc> ... */
static int on_ssrc_group(struct sdp_parser *p, struct cursor c)
{
    struct sdp_span semantics = sdp_span_word(&c);
    struct sdp_media *m = p->m;
    if (!sdp_span_is_token(semantics) || semantics.len > SDP_TEXT_MAX)
        return sdp_parser_fail(p, "the ssrc-group is malformed");
    if (!m)
        return 0;
    if (m->n_ssrc_groups == SDP_SSRC_GROUPS_MAX)
        return sdp_parser_fail(p, "more than %d ssrc-groups", SDP_SSRC_GROUPS_MAX);
    struct sdp_ssrc_group *g = sdp_push(p->a, m->ssrc_groups, m->n_ssrc_groups);
    if (!g)
        return -ENOMEM;
    g->semantics = sdp_arena_textn(p->a, semantics.p, semantics.len);
    for (struct sdp_span w = sdp_span_word(&c); w.len; w = sdp_span_word(&c)) {
        uint64_t ssrc;
        if (!sdp_span_number(w, UINT32_MAX, &ssrc) || g->n == SDP_SSRCS_MAX)
            return sdp_parser_fail(p, "the ssrc-group is malformed");
        uint32_t *item = sdp_push(p->a, g->ssrcs, g->n);
        if (!item)
            return -ENOMEM;
        *item = (uint32_t)ssrc;
    }
    return g->n ? 0 : sdp_parser_fail(p, "the ssrc-group is malformed");
}

/* msid:<stream> [<track>]. Where a track is in several streams the first counts. */
static int on_msid(struct sdp_parser *p, struct cursor c)
{
    struct sdp_span stream = sdp_span_word(&c), track = sdp_span_word(&c);
    int rc = 0;
    if (!p->m || p->m->msid_stream)
        return 0;
    if (track.len > SDP_TEXT_MAX)
        return sdp_parser_fail(p, "the msid is too long");
    p->m->msid_stream = sdp_parser_keep(p, stream, SDP_TEXT_MAX, "the msid", &rc);
    p->m->msid_track = rc == 0 && track.len ? sdp_arena_textn(p->a, track.p, track.len) : NULL;
    return rc;
}

static int set_direction(struct sdp_parser *p, enum sdp_dir dir)
{
    if (!p->m) {
        p->session_dir = dir;
        return 0;
    }
    if (p->seen_dir && p->m->dir != dir)
        return sdp_parser_fail(p, "the section has two directions");
    p->m->dir = dir;
    p->seen_dir = true;
    return 0;
}

static int on_inactive(struct sdp_parser *p, struct cursor c)
{
    (void)c;
    return set_direction(p, SDP_INACTIVE);
}

static int on_sendonly(struct sdp_parser *p, struct cursor c)
{
    (void)c;
    return set_direction(p, SDP_SENDONLY);
}

static int on_recvonly(struct sdp_parser *p, struct cursor c)
{
    (void)c;
    return set_direction(p, SDP_RECVONLY);
}

static int on_sendrecv(struct sdp_parser *p, struct cursor c)
{
    (void)c;
    return set_direction(p, SDP_SENDRECV);
}

static int on_rtcp_mux(struct sdp_parser *p, struct cursor c)
{
    (void)c;
    if (p->m)
        p->m->rtcp_mux = true;
    return 0;
}

static int on_rtcp_rsize(struct sdp_parser *p, struct cursor c)
{
    (void)c;
    if (p->m)
        p->m->rtcp_rsize = true;
    return 0;
}

static int on_extmap_allow_mixed(struct sdp_parser *p, struct cursor c)
{
    (void)c;
    *(p->m ? &p->m->extmap_allow_mixed : &p->s->extmap_allow_mixed) = true;
    return 0;
}

const struct sdp_attribute sdp_attributes_rtp[] = {
    {"rtpmap", on_rtpmap},
    {"rtcp-fb", on_rtcp_fb},
    {"fmtp", on_fmtp},
    {"extmap", on_extmap},
    {"ssrc", on_ssrc},
    {"ssrc-group", on_ssrc_group},
    {"msid", on_msid},
    {"rid", on_rid},
    {"simulcast", on_simulcast},
    {"sendrecv", on_sendrecv},
    {"sendonly", on_sendonly},
    {"recvonly", on_recvonly},
    {"inactive", on_inactive},
    {"rtcp-mux", on_rtcp_mux},
    {"rtcp-rsize", on_rtcp_rsize},
    {"extmap-allow-mixed", on_extmap_allow_mixed},
    {NULL, NULL},
};
