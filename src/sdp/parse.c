#include "sdp/internal.h"

#include <errno.h>

#define SCTP_PORT 5000 /* what everybody means who does not say */

struct sdp_session *sdp_session_new(void)
{
    struct sdp_arena *a = sdp_arena_new();
    struct sdp_session *s = a ? sdp_arena_alloc(a, sizeof *s) : NULL;
    if (!s) {
        sdp_arena_free(a);
        return NULL;
    }
    s->arena = a;
    s->origin_user = "-";
    return s;
}

void sdp_free(struct sdp_session *s)
{
    if (s)
        sdp_arena_free(s->arena);
}

/* o=<username> <sess-id> <sess-version> IN IP4 <address>: RFC 8866, section 5.2. */
static int parse_origin(struct sdp_parser *p, struct cursor c)
{
    struct sdp_span user = sdp_span_word(&c);
    struct sdp_span id = sdp_span_word(&c), version = sdp_span_word(&c);
    if (user.len == 0 || user.len > SDP_TEXT_MAX || !sdp_span_number(id, UINT64_MAX, &p->s->origin_id) ||
        !sdp_span_number(version, UINT64_MAX, &p->s->origin_version))
        return sdp_parser_fail(p, "the origin (o=) is malformed");
    p->s->origin_user = sdp_arena_textn(p->a, user.p, user.len);
    p->seen_origin = true;
    return 0;
}

static enum sdp_kind kind_of(struct sdp_span word)
{
    if (sdp_span_is(word, "audio"))
        return SDP_KIND_AUDIO;
    if (sdp_span_is(word, "video"))
        return SDP_KIND_VIDEO;
    if (sdp_span_is(word, "application"))
        return SDP_KIND_APPLICATION;
    return SDP_KIND_OTHER;
}

/* Payload types without an rtpmap: RFC 3551, section 6. */
static const struct {
    uint8_t pt;
    const char *name;
    uint32_t clock_hz;
} static_codecs[] = {{0, "PCMU", 8000}, {8, "PCMA", 8000}, {9, "G722", 8000}, {13, "CN", 8000}};

static void name_static_codec(struct sdp_codec *codec)
{
    for (size_t i = 0; i < sizeof static_codecs / sizeof static_codecs[0]; i++)
        if (static_codecs[i].pt == codec->pt && codec->name[0] == 0) {
            codec->name = static_codecs[i].name;
            codec->clock_hz = static_codecs[i].clock_hz;
            codec->channels = 1;
        }
}

/* Drops the rids of a list that no a=rid of that direction declares (RFC 8853, section 5.3.2). */
static void keep_declared(const struct sdp_media *m, enum sdp_dir dir, struct sdp_simulcast *list)
{
    unsigned kept = 0;
    for (unsigned i = 0; i < list->n; i++) {
        struct sdp_simulcast_stream *stream = &list->streams[i];
        unsigned n = 0;
        for (unsigned k = 0; k < stream->n_alts; k++)
            for (unsigned r = 0; r < m->n_rids; r++)
                if (m->rids[r].dir == dir && strcmp(m->rids[r].id, stream->alts[k].rid) == 0)
                    stream->alts[n++] = stream->alts[k];
        stream->n_alts = n;
        if (n > 0)
            list->streams[kept++] = *stream;
    }
    list->n = kept;
}

/* What needs the whole section: codecs by their final names, RTX, defaults. */
static int finish_media(struct sdp_parser *p)
{
    struct sdp_media *m = p->m;
    if (!m)
        return 0;
    for (unsigned i = 0; i < m->n_codecs; i++) {
        struct sdp_codec *codec = &m->codecs[i];
        name_static_codec(codec);
        codec->id = sdp_codec_find(m->kind, codec->name, codec->clock_hz, codec->channels);
        codec->fb |= p->wild_fb;
        if (codec->id == SDP_CODEC_RTX) {
            unsigned apt = sdp_fmtp_number(codec->fmtp, "apt", 128);
            codec->apt = apt < 128 ? (int)apt : -1;
        }
    }
    keep_declared(m, SDP_SENDONLY, &m->simulcast_send);
    keep_declared(m, SDP_RECVONLY, &m->simulcast_recv);
    if (!p->seen_dir)
        m->dir = p->session_dir;
    if (!p->seen_sctp_port && strstr(m->proto, "DTLS/SCTP") && !sdp_media_rejected(m))
        m->sctp_port = SCTP_PORT;
    if ((m->ice.ufrag == NULL) != (m->ice.pwd == NULL))
        return sdp_parser_fail(p, "the section has only one of ice-ufrag and ice-pwd");
    for (const struct sdp_media *other = p->s->media; other != m; other++)
        if (m->mid && other->mid && strcmp(m->mid, other->mid) == 0) {
            p->line = p->mid_line;
            return sdp_parser_fail(p, "mid \"%s\" is used twice", m->mid);
        }
    return 0;
}

static int add_payload_type(struct sdp_parser *p, struct sdp_span word)
{
    uint64_t pt;
    if (!sdp_span_number(word, 127, &pt))
        return sdp_parser_fail(
            p, "\"%.*s\" is no payload type", (int)(word.len > 32 ? 32 : word.len), word.p);
    if (sdp_media_codec(p->m, (unsigned)pt))
        return 0;
    if (p->m->n_codecs == SDP_CODECS_MAX)
        return sdp_parser_fail(p, "more than %d payload types", SDP_CODECS_MAX);
    struct sdp_codec *codec = sdp_push(p->a, p->m->codecs, p->m->n_codecs);
    if (!codec)
        return -ENOMEM;
    codec->pt = (uint8_t)pt;
    codec->name = "";
    codec->channels = 1;
    codec->apt = -1;
    return 0;
}

/* m=<media> <port>[/<count>] <proto> <fmt> ...: RFC 8866, section 5.14. */
static int parse_media(struct sdp_parser *p, struct cursor c)
{
    struct sdp_span kind = sdp_span_word(&c), port = sdp_span_word(&c), proto = sdp_span_word(&c);
    struct cursor port_c = cursor_of(port.p, port.len);
    uint64_t port_number;
    int rc = finish_media(p);
    if (rc != 0)
        return rc;
    if (p->s->n_media == SDP_MEDIA_MAX)
        return sdp_parser_fail(p, "more than %d sections", SDP_MEDIA_MAX);
    if (!sdp_span_is_token(kind) || kind.len > SDP_TEXT_MAX || !sdp_span_is_graphic(proto) ||
        proto.len > SDP_TEXT_MAX || !sdp_span_number(sdp_span_until(&port_c, '/'), UINT16_MAX, &port_number))
        return sdp_parser_fail(p, "the media line (m=) is malformed");
    struct sdp_media *m = p->m = sdp_push(p->a, p->s->media, p->s->n_media);
    if (!m)
        return -ENOMEM;
    p->seen_dir = false;
    p->seen_sctp_port = false;
    p->wild_fb = 0;
    m->kind = kind_of(kind);
    m->kind_text = sdp_arena_textn(p->a, kind.p, kind.len);
    m->port = (uint16_t)port_number;
    m->proto = sdp_arena_textn(p->a, proto.p, proto.len);
    if (sdp_arena_failed(p->a))
        return -ENOMEM;
    if (strstr(m->proto, "RTP")) {
        for (struct sdp_span w = sdp_span_word(&c); w.len; w = sdp_span_word(&c))
            if ((rc = add_payload_type(p, w)) != 0)
                return rc;
        return m->n_codecs ? 0 : sdp_parser_fail(p, "the section names no payload type");
    }
    struct sdp_span formats = sdp_span_rest(&c);
    if (formats.len == 0 || formats.len > SDP_TEXT_MAX)
        return sdp_parser_fail(p, "the section names no format, or its formats are too long");
    m->formats = sdp_arena_textn(p->a, formats.p, formats.len);
    return 0;
}

/* b=AS:<kbit/s> and b=TIAS:<bit/s>; others, and what is no number, count as absent. */
static void parse_bandwidth(struct sdp_parser *p, struct cursor c)
{
    struct sdp_span type = sdp_span_until(&c, ':');
    uint64_t v;
    if (!p->m || !sdp_span_number(sdp_span_rest(&c), UINT32_MAX, &v))
        return;
    if (sdp_span_is(type, "AS"))
        p->m->as_kbps = (uint32_t)v;
    else if (sdp_span_is(type, "TIAS"))
        p->m->tias_bps = (uint32_t)v;
}

const char *sdp_parser_keep(struct sdp_parser *p, struct sdp_span text, size_t max, const char *what, int *rc)
{
    if (text.len == 0 || text.len > max) {
        *rc = sdp_parser_fail(p, "%s is empty or longer than %zu bytes", what, max);
        return NULL;
    }
    const char *copy = sdp_arena_textn(p->a, text.p, text.len);
    *rc = copy ? 0 : -ENOMEM;
    return copy;
}

/* a=<name>[:<value>]; what has no row in a table is read over. */
static int parse_attribute(struct sdp_parser *p, struct cursor c)
{
    static const struct sdp_attribute *const tables[] = {sdp_attributes_rtp, sdp_attributes_transport};
    struct sdp_span name = sdp_span_until(&c, ':');
    for (unsigned t = 0; t < 2; t++)
        for (const struct sdp_attribute *row = tables[t]; row->name; row++)
            if (sdp_span_is(name, row->name))
                return row->fn(p, c);
    return 0;
}

static int parse_line(struct sdp_parser *p, struct sdp_span line)
{
    struct cursor c = cursor_of(line.p, line.len);
    if (line.len < 2 || line.p[1] != '=')
        return sdp_parser_fail(p, "not a line of the form x=...");
    char type = line.p[0];
    cursor_skip(&c, 2);
    if (p->line == 1 && type != 'v' && !p->fragment)
        return sdp_parser_fail(p, "a description starts with v=0");
    switch (type) {
    case 'v':
        return sdp_span_is(sdp_span_rest(&c), "0") ? 0 : sdp_parser_fail(p, "only version 0 exists");
    case 'o':
        return parse_origin(p, c);
    case 'm':
        if (!p->seen_origin && !p->fragment)
            return sdp_parser_fail(p, "there is no origin (o=) before the first section");
        return parse_media(p, c);
    case 'b':
        parse_bandwidth(p, c);
        return 0;
    case 'a':
        return parse_attribute(p, c);
    default:
        if (strchr("siuepctrzk", type))
            return 0;
        return sdp_parser_fail(p, "lines of this type do not exist");
    }
}

/* No control characters and no broken UTF-8: the values go on into other protocols. */
static int check_text(struct sdp_parser *p, struct sdp_span line)
{
    for (size_t i = 0; i < line.len; i++)
        if (((unsigned char)line.p[i] < ' ' && line.p[i] != '\t') || line.p[i] == 0x7f)
            return sdp_parser_fail(p, "there is a control character");
    if (!text_is_utf8(line.p, line.len))
        return sdp_parser_fail(p, "the text is not UTF-8");
    return 0;
}

/* Checks that span sections, after the last line. */
static int finish_session(struct sdp_parser *p)
{
    struct sdp_session *s = p->s;
    int rc = finish_media(p);
    if (rc != 0)
        return rc;
    if (!p->fragment && !p->seen_origin)
        return sdp_parser_fail(p, "there is no origin (o=)");
    if ((s->ice.ufrag == NULL) != (s->ice.pwd == NULL))
        return sdp_parser_fail(p, "the session has only one of ice-ufrag and ice-pwd");
    const struct sdp_group *bundle = sdp_bundle(s);
    for (unsigned i = 0; bundle && !p->fragment && i < bundle->n; i++)
        if (!sdp_media_find(s, bundle->mids[i])) {
            p->line = p->bundle_line;
            return sdp_parser_fail(
                p, "the BUNDLE group names mid \"%s\", which no section has", bundle->mids[i]);
        }
    return 0;
}

int sdp_parser_run(struct sdp_parser *p, const char *text, size_t len)
{
    struct cursor c = cursor_of(text, len);
    int rc = 0;
    if (len > SDP_SIZE_MAX)
        return sdp_refuse(p->err, p->err_size, "the description is longer than %d bytes", SDP_SIZE_MAX);
    if (len == 0)
        return sdp_refuse(p->err, p->err_size, "the description is empty");
    p->s = sdp_session_new();
    if (!p->s)
        return -ENOMEM;
    p->a = p->s->arena;
    p->session_dir = SDP_SENDRECV;
    while (rc == 0 && cursor_left(&c)) {
        struct sdp_span line = sdp_span_until(&c, '\n');
        p->line++;
        if (line.len && line.p[line.len - 1] == '\r')
            line.len--;
        if (line.len == 0)
            continue;
        rc = check_text(p, line);
        if (rc == 0)
            rc = parse_line(p, line);
        if (rc == 0 && sdp_arena_failed(p->a))
            rc = -ENOMEM;
    }
    if (rc == 0)
        rc = finish_session(p);
    if (rc == 0 && sdp_arena_failed(p->a))
        rc = -ENOMEM;
    return rc;
}

int sdp_parse(const char *text, size_t len, struct sdp_session **ret, char *err, size_t err_size)
{
    struct sdp_parser p = {.err = err, .err_size = err_size};
    int rc = sdp_parser_run(&p, text, len);
    if (rc == 0)
        *ret = p.s;
    else
        sdp_free(p.s);
    return rc;
}
