/* A light controlling side of ICE: checks the addresses it is told, nominates one, keeps consent. For relays,
 * load and tests; towards a lite peer or a full one that accepts being controlled. No I/O; the time is an
 * argument. Plain data, owned by one thread.
 *
 * Checks start every ICE_PACE_US in the order the paths were added, and are retransmitted (RFC 8489,
 * section 6.2.1). The first path in that order which answers is nominated; a later one only after
 * ICE_PATIENCE_US. Then a consent check every 4 to 6 s (RFC 7675); without an answer for ICE_CONSENT_US it
 * has failed. */
#ifndef ICE_CONTROL_H
#define ICE_CONTROL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include "base/addr.h"
#include "base/cursor.h"
#include "base/limits.h"
#include "ice/stun.h"

enum ice_control_state {
    ICE_CONTROL_CHECKING,
    ICE_CONTROL_CONNECTED,
    ICE_CONTROL_FAILED,
};

enum ice_check_state {
    ICE_CHECK_WAITING,   /* not sent yet */
    ICE_CHECK_PROGRESS,  /* sent, no answer yet */
    ICE_CHECK_SUCCEEDED, /* answered */
    ICE_CHECK_FAILED,    /* no answer, or an error */
};

/* The transaction under way on a path, if any. */
enum ice_ask {
    ICE_ASK_NOTHING,
    ICE_ASK_CHECK,
    ICE_ASK_NOMINATE,
    ICE_ASK_CONSENT, /* never retransmitted; the next one replaces it */
};

struct ice_check {
    struct path path;
    enum ice_check_state state;
    enum ice_ask ask;
    uint8_t id[12];
    uint8_t sent;   /* requests of this transaction so far */
    int64_t due_us; /* next request, or the end of the last wait */
    int64_t rto_us;
    struct addr mapped; /* how the peer sees us */
};

struct ice_control {
    struct ice_credentials local;
    char remote_ufrag[ICE_UFRAG_MAX + 1];
    char remote_pwd[ICE_PWD_MAX + 1];
    uint64_t tie_breaker;
    bool aggressive; /* set by the owner: nominate with every check, as Firefox does */
    struct ice_check checks[ICE_PATHS_MAX];
    uint32_t check_count;
    int32_t selected; /* index, -1: none */
    enum ice_control_state state;
    int64_t first_success_us; /* INT64_MAX: none */
    int64_t pace_us;          /* the next new check not before this */
    int64_t consent_us;       /* the next consent check */
    int64_t answered_us;      /* newest answer on the selected path */
};

/* Makes local credentials. The peer's are set by ice_control_set_remote; nothing is sent before. */
void ice_control_init(struct ice_control *c, int64_t now_us);

/* Sets the peer's credentials; -EINVAL if they are not legal. */
int ice_control_set_remote(struct ice_control *c, const char *ufrag, const char *pwd);

/* New local credentials (RFC 8445, section 9); the peer's new ones are to be set, then every path is checked
 * again. The selected path stays in use until one is nominated. */
void ice_control_restart(struct ice_control *c, int64_t now_us);

/* A path to check, in order of preference. -ENOSPC beyond ICE_PATHS_MAX; -EEXIST. */
int ice_control_add_path(struct ice_control *c, const struct path *path, int64_t now_us);

/* Nominates a path that has answered, in place of the selected one. -ENOENT: no such path, or no answer yet.
 */
int ice_control_nominate(struct ice_control *c, const struct path *path, int64_t now_us);

/* Appends the next request that is due to out (ICE_REQUEST_MAX bytes) and says where it goes. To be called
 * until it returns false, then again at ice_control_next_timeout and after input. */
bool ice_control_poll(
    struct ice_control *c, struct ice_stun *stun, int64_t now_us, struct path *ret_path, struct writer *out);

/* Takes a STUN datagram. Answers to our requests move the state; checks of a full peer are answered (reply
 * goes back on the same path). Returns whether it was authenticated. */
bool ice_control_input(struct ice_control *c, struct ice_stun *stun, const struct path *path,
    const uint8_t *data, size_t len, int64_t now_us, struct writer *reply);

int64_t ice_control_next_timeout(const struct ice_control *c); /* INT64_MAX: never */

/* The nominated path, or NULL before there is one and once consent is lost. */
const struct path *ice_control_selected(const struct ice_control *c);

#endif
