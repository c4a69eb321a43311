/* ICE candidates: RFC 8839, section 5.1; TCP: RFC 6544, section 4.5. */
#include "sdp/internal.h"

#include <errno.h>

static const char *const types[] = {"host", "srflx", "prflx", "relay"};
static const char *const tcptypes[] = {"", "active", "passive", "so"};

/* The index of the word among n names in any case; n if it is none of them. */
static unsigned index_of(struct sdp_span word, const char *const *names, unsigned n)
{
    unsigned i = 0;
    while (i < n && !sdp_span_is_nocase(word, names[i]))
        i++;
    return i;
}

/* One "name value" pair behind the type. Unknown ones are read over. */
static int read_extension(struct sdp_span name, struct sdp_span value, struct sdp_candidate *cand)
{
    uint64_t port;
    if (sdp_span_is(name, "raddr")) {
        if (!sdp_span_is_graphic(value) || !sdp_span_copy(value, cand->raddr, sizeof cand->raddr))
            return -EINVAL;
    } else if (sdp_span_is(name, "rport")) {
        if (!sdp_span_number(value, UINT16_MAX, &port))
            return -EINVAL;
        cand->rport = (uint16_t)port;
    } else if (sdp_span_is(name, "tcptype")) {
        unsigned i = index_of(value, tcptypes, 4);
        if (i == SDP_TCP_NONE || i == 4)
            return -EPROTONOSUPPORT;
        cand->tcptype = (enum sdp_tcptype)i;
    } else if (sdp_span_is(name, "ufrag")) {
        if (!sdp_span_is_graphic(value) || !sdp_span_copy(value, cand->ufrag, sizeof cand->ufrag))
            return -EINVAL;
    }
    return 0;
}

int sdp_candidate_value(struct sdp_span text, struct sdp_candidate *ret)
{
    struct sdp_candidate cand = {0};
    struct cursor c = cursor_of(text.p, text.len);
    struct sdp_span foundation = sdp_span_word(&c), component = sdp_span_word(&c),
                    transport = sdp_span_word(&c);
    struct sdp_span priority = sdp_span_word(&c), address = sdp_span_word(&c), port = sdp_span_word(&c);
    struct sdp_span typ = sdp_span_word(&c), type = sdp_span_word(&c);
    uint64_t component_number, priority_number, port_number;
    if (!sdp_span_is_graphic(foundation) ||
        !sdp_span_copy(foundation, cand.foundation, sizeof cand.foundation) ||
        !sdp_span_number(component, 256, &component_number) || component_number == 0 || transport.len == 0 ||
        !sdp_span_number(priority, UINT32_MAX, &priority_number) || !sdp_span_is_graphic(address) ||
        !sdp_span_copy(address, cand.address, sizeof cand.address) ||
        !sdp_span_number(port, UINT16_MAX, &port_number) || !sdp_span_is(typ, "typ") || type.len == 0)
        return -EINVAL;
    cand.component = (uint16_t)component_number;
    cand.priority = (uint32_t)priority_number;
    cand.port = (uint16_t)port_number;
    cand.tcp = sdp_span_is_nocase(transport, "tcp");
    unsigned i = index_of(type, types, 4);
    bool usable = (cand.tcp || sdp_span_is_nocase(transport, "udp")) && i < 4;
    cand.type = (enum sdp_cand_type)i;
    while (cursor_left(&c)) {
        struct sdp_span name = sdp_span_word(&c), value = sdp_span_word(&c);
        int rc = name.len ? read_extension(name, value, &cand) : 0;
        if (rc == -EINVAL)
            return rc;
        usable = usable && rc == 0;
    }
    if (!usable || cand.tcp != (cand.tcptype != SDP_TCP_NONE))
        return -EPROTONOSUPPORT;
    *ret = cand;
    return 0;
}

int sdp_candidate_parse(const char *text, size_t len, struct sdp_candidate *ret)
{
    struct cursor c = cursor_of(text, len);
    struct sdp_span name = sdp_span_until(&c, ':');
    if (!sdp_span_is(name, "candidate") && !sdp_span_is(name, "a=candidate"))
        return -EINVAL;
    struct sdp_span value = sdp_span_rest(&c);
    while (value.len && (value.p[value.len - 1] == '\n' || value.p[value.len - 1] == '\r'))
        value.len--;
    return sdp_candidate_value(value, ret);
}

void sdp_candidate_print(const struct sdp_candidate *c, struct strbuf *out)
{
    strbuf_addf(out, "candidate:%s %u %s %u %s %u typ %s", c->foundation, c->component,
        c->tcp ? "tcp" : "udp", c->priority, c->address, c->port, types[c->type]);
    if (c->raddr[0])
        strbuf_addf(out, " raddr %s rport %u", c->raddr, c->rport);
    if (c->tcp)
        strbuf_addf(out, " tcptype %s", tcptypes[c->tcptype]);
    if (c->ufrag[0])
        strbuf_addf(out, " ufrag %s", c->ufrag);
}
