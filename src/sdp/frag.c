/* Fragments that carry ICE values on their own: RFC 8840, section 9. */
#include "sdp/internal.h"

#include <errno.h>

/* Candidates before the first section belong to the transport that all sections share: the first one. */
static int place_early(struct sdp_parser *p)
{
    struct sdp_session *s = p->s;
    if (p->n_early == 0 && !p->early_end)
        return 0;
    if (s->n_media == 0) {
        struct sdp_media *m = sdp_push(p->a, s->media, s->n_media);
        if (!m)
            return -ENOMEM;
        *m = (struct sdp_media){
            .kind = SDP_KIND_APPLICATION,
            .kind_text = "application",
            .port = 9,
            .proto = "UDP/DTLS/SCTP",
            .formats = "webrtc-datachannel",
            .dir = SDP_SENDRECV,
        };
    }
    struct sdp_media *first = &s->media[0];
    first->end_of_candidates |= p->early_end;
    for (unsigned i = 0; i < p->n_early; i++) {
        struct sdp_candidate *c = sdp_push(p->a, first->candidates, first->n_candidates);
        if (!c)
            return -ENOMEM;
        *c = p->early[i];
    }
    return 0;
}

int sdpfrag_parse(const char *text, size_t len, struct sdp_session **ret, char *err, size_t err_size)
{
    struct sdp_parser p = {.fragment = true, .err = err, .err_size = err_size};
    int rc = sdp_parser_run(&p, text, len);
    if (rc == 0)
        rc = place_early(&p);
    if (rc == 0)
        *ret = p.s;
    else
        sdp_free(p.s);
    return rc;
}
