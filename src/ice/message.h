/* Private to src/ice/: one STUN message, walked by a bounded cursor, then checked and built by libnice. */
#ifndef ICE_MESSAGE_H
#define ICE_MESSAGE_H

#include <stun/stunagent.h>

#include "base/addr.h"
#include "base/cursor.h"
#include "ice/stun.h"

#define STUN_UNKNOWN_MAX 8 /* attribute types named in a 420 */

struct ice_stun {
    StunAgent agent;
};

/* What stands in a message in front of its MESSAGE-INTEGRITY; what follows that is not authenticated, and
 * skipped. */
struct stun_view {
    StunClass class;
    bool binding;        /* the method */
    uint8_t id[12];      /* of the transaction */
    const uint8_t *user; /* USERNAME; NULL: none */
    size_t user_len;
    bool has_integrity, has_fingerprint;
    bool controlling, controlled, use_candidate, has_priority;
    uint32_t priority;
    uint16_t unknown[STUN_UNKNOWN_MAX]; /* comprehension-required types that we do not know, as many as fit */
    size_t unknown_count;
};

/* Walks the whole message: 0, or -EINVAL where a header, a length or an order is wrong. */
int stun_view_read(const uint8_t *data, size_t len, struct stun_view *ret);

/* Splits the USERNAME of a request at its first colon. false: none, or no colon. */
bool stun_view_names(const struct stun_view *v, struct cursor *ret_receiver, struct cursor *ret_sender);

/* Are the bytes those of the text? */
bool cursor_is(const struct cursor *c, const char *text);

enum stun_auth {
    STUN_AUTH_OK,
    STUN_AUTH_MALFORMED,  /* no or a wrong FINGERPRINT */
    STUN_AUTH_INCOMPLETE, /* no USERNAME or no MESSAGE-INTEGRITY */
    STUN_AUTH_WRONG,
};

/* Checks fingerprint and integrity of a request that was walked. pwd NULL: nobody's, so wrong at best. msg
 * then serves stun_reply_*; it points into data and pwd. */
enum stun_auth stun_request_check(
    struct ice_stun *s, const uint8_t *data, size_t len, const char *pwd, StunMessage *msg);

/* Replies to a request; with MESSAGE-INTEGRITY if it was authenticated. false: does not fit, or (error) is
 * larger than max bytes; nothing is written then. */
bool stun_reply_success(
    struct ice_stun *s, const StunMessage *request, const struct addr *mapped, struct writer *w);
bool stun_reply_error(
    struct ice_stun *s, const StunMessage *request, StunError code, size_t max, struct writer *w);
bool stun_reply_unknown(
    struct ice_stun *s, const StunMessage *request, const struct stun_view *v, struct writer *w);

struct stun_check_request {
    const uint8_t *id;                               /* 12 bytes */
    const char *receiver_ufrag, *sender_ufrag, *pwd; /* pwd: the receiver's */
    uint32_t priority;
    uint64_t tie_breaker;
    bool use_candidate;
};

/* A check of a controlling agent (RFC 8445, section 7.1). */
bool stun_write_check(struct ice_stun *s, const struct stun_check_request *r, struct writer *w);

/* A plain Binding request with a FINGERPRINT and nothing else. */
bool stun_write_binding(struct ice_stun *s, const uint8_t id[12], struct writer *w);

/* Reads the answer to a request of ours that was walked. pwd NULL: neither integrity nor fingerprint is asked
 * for. 0 with the mapped address, the ERROR-CODE (300 to 699), or -EINVAL. */
int stun_answer_read(struct ice_stun *s, const struct stun_view *v, const uint8_t *data, size_t len,
    const char *pwd, struct addr *ret_mapped);

#endif
