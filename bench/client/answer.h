/* The answer of a client that only receives, to the offer of a server. */
#ifndef BENCH_CLIENT_ANSWER_H
#define BENCH_CLIENT_ANSWER_H

#include "base/strbuf.h"
#include "ice/stun.h"
#include "sdp/sdp.h"

/* Every section of Opus, VP8 or H.264 is taken with those codecs and their RTX, with the extensions that
 * offer.h has and the feedback that the server named; data sections are refused. DTLS is started by us.
 * version: 1 for the first answer of a connection, then one more each time. candidate: "candidate:..." or
 * NULL. Errors are the strbuf's. */
void answer_print(const struct sdp_session *offer, uint32_t id, uint32_t version,
    const struct ice_credentials *ice, const char *fingerprint, const char *candidate, struct strbuf *out);

/* Is this a codec that a client receives? */
bool answer_takes(const struct sdp_codec *c);

#endif
