/* The lite side of ICE for one peer (RFC 8445, section 2.5): it answers checks and never makes any. No I/O;
 * the time is an argument. Plain data, no pointers, so it may be embedded, copied and moved; owned by one
 * thread.
 *
 * Three things are kept apart. A check with the right password *authenticates* a pair: packets from it may be
 * heard. USE-CANDIDATE *nominates* it. *Selected* is the one pair that is sent to:
 *   - the one on which the newest authenticated media (SRTP, SRTCP, DTLS) came;
 *   - before any came, the nominated one of the highest priority, UDP before TCP;
 *   - a pair that is nominated (again) while the selected one has been silent for ICE_SILENT_US, at once.
 * So neither a browser that nominates every pair it checks, nor a replayed check, can turn live media away.
 */
#ifndef ICE_LITE_H
#define ICE_LITE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include "base/addr.h"
#include "base/cursor.h"
#include "base/limits.h"
#include "ice/stun.h"

enum ice_state {
    ICE_NEW, /* no pair selected yet */
    ICE_CONNECTED,
    ICE_DISCONNECTED, /* no authenticated check or media for ICE_DISCONNECT_US */
    ICE_FAILED, /* the same for ICE_FAIL_US: consent is gone (RFC 7675), nothing may be sent. A new check (of
                   the same or a restarted generation) connects it again. */
};

struct ice_path {
    struct path path;
    int64_t check_us;   /* newest authenticated check */
    int64_t media_us;   /* newest authenticated media; INT64_MIN: none yet */
    uint32_t priority;  /* PRIORITY of the newest check that had one */
    uint8_t generation; /* of the newest credentials that authenticated it */
    bool nominated;
};

struct ice_generation {
    struct ice_credentials local;
    char remote_ufrag[ICE_UFRAG_MAX + 1]; /* "": not known yet, any is taken */
    uint8_t number;
    bool valid;
};

struct ice_lite {
    struct ice_generation current, old; /* old: the one before a restart, until the new one is in use */
    struct ice_path paths[ICE_PATHS_MAX];
    uint32_t path_count;
    int32_t selected; /* index, -1: none */
    bool media_seen;  /* of the current generation */
    enum ice_state state;
    int64_t alive_us; /* newest authenticated check or media of any path */
    struct path removed[ICE_PATHS_MAX];
    uint32_t removed_count;
    char dropped_ufrag[ICE_LOCAL_UFRAG_MAX + 1];
};

/* What a call changed, or-ed. */
#define ICE_EVENT_PATH_ADDED                                                                                 \
    1u /* the path of this call is authenticated: remember remote address -> peer                            \
        */
#define ICE_EVENT_PATH_REMOVED  2u /* ice_lite_take_removed says which */
#define ICE_EVENT_SELECTED      4u /* ice_lite_selected gives another path, or NULL */
#define ICE_EVENT_STATE         8u
#define ICE_EVENT_UFRAG_DROPPED 16u /* ice->dropped_ufrag is no longer ours: forget ufrag -> peer */

/* One row a reason, for counters. Only ICE_ACCEPTED authenticates. */
enum ice_verdict {
    ICE_ACCEPTED,     /* an authenticated Binding request; the reply is written */
    ICE_INDICATION,   /* a Binding indication: a keepalive, proves nothing */
    ICE_IGNORED,      /* a response, or another method: not for a lite agent */
    ICE_MALFORMED,    /* not STUN, or without a correct FINGERPRINT: dropped */
    ICE_BAD_REQUEST,  /* no USERNAME or MESSAGE-INTEGRITY: 400 written if it is not larger than the request */
    ICE_UNAUTHORIZED, /* wrong user or integrity: 401 written if it is not larger than the request */
    ICE_UNKNOWN_ATTRIBUTE, /* authenticated, but asks for what we do not know: 420 written */
    ICE_ROLE_CONFLICT,     /* authenticated, but says that we control: 487 written */
    ICE_VERDICT_COUNT,
};
const char *ice_verdict_name(enum ice_verdict v); /* "accepted", "bad_request", ... */

/* local: the credentials that were or will be signalled; NULL: they are made here. remote_ufrag: NULL or ""
 * if the peer has not said it yet. */
void ice_lite_init(
    struct ice_lite *ice, const struct ice_credentials *local, const char *remote_ufrag, int64_t now_us);

/* The credentials to signal: those of the newest generation. */
const struct ice_credentials *ice_lite_local(const struct ice_lite *ice);

/* Sets the peer's ufrag of the newest generation, when it becomes known. -EINVAL: not legal. */
int ice_lite_set_remote(struct ice_lite *ice, const char *remote_ufrag);

/* New credentials (RFC 8445, section 9), as in ice_lite_init. The old ones stay valid until a pair of the new
 * generation is nominated or carries media; a restart before that replaces the generation that was never used
 * (event ICE_EVENT_UFRAG_DROPPED). Returns events. */
uint32_t ice_lite_restart(
    struct ice_lite *ice, const struct ice_credentials *local, const char *remote_ufrag, int64_t now_us);

/* Is ufrag one of the (at most two) that are ours at present? */
bool ice_lite_has_ufrag(const struct ice_lite *ice, const char *ufrag);

/* Takes a STUN datagram (or RFC 4571 frame) of len bytes that came on path. What is to be sent back on the
 * same path is appended to reply, which wants ICE_REPLY_MAX bytes; a reply that does not fit is left out.
 * *ret_events: what changed. */
enum ice_verdict ice_lite_input(struct ice_lite *ice, struct ice_stun *stun, const struct path *path,
    const uint8_t *data, size_t len, int64_t now_us, struct writer *reply, uint32_t *ret_events);

/* Reports authenticated media: an SRTP or SRTCP packet that verified, or a DTLS record that belongs to the
 * session. newest: nothing newer has been seen (its index, or the record's number, is the highest so far); a
 * late packet of a path that was left must not turn the selection back. Unknown paths change nothing. Returns
 * events. */
uint32_t ice_lite_media(struct ice_lite *ice, const struct path *path, bool newest, int64_t now_us);

/* Has a check authenticated this path? DTLS and media from any other are dropped unread. */
bool ice_lite_knows(const struct ice_lite *ice, const struct path *path);

/* Does any authenticated path lead to this remote address? */
bool ice_lite_has_remote(const struct ice_lite *ice, const struct addr *remote, uint32_t conn);

/* A TCP connection is gone: forgets its path. Returns events. */
uint32_t ice_lite_conn_closed(struct ice_lite *ice, uint32_t conn, int64_t now_us);

/* Where to send; NULL: nowhere yet, or consent is gone. Valid until the next call. */
const struct path *ice_lite_selected(const struct ice_lite *ice);

/* Paths forgotten since the last call of this, one a call; false: no more. To be drained after every call
 * that says ICE_EVENT_PATH_REMOVED. */
bool ice_lite_take_removed(struct ice_lite *ice, struct path *ret);

/* Moves the state on and forgets paths that were silent for ICE_CONSENT_US. Returns events. */
uint32_t ice_lite_timeout(struct ice_lite *ice, int64_t now_us);

/* When ice_lite_timeout is next needed; INT64_MAX: not before something comes in. */
int64_t ice_lite_next_timeout(const struct ice_lite *ice);

#endif
