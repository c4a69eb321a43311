#include "ice/control.h"

#include <errno.h>
#include <string.h>

#include "base/rand.h"
#include "ice/message.h"

#define LAST_WAIT_RTOS   8       /* initial RTOs that are waited after the last request */
#define CONSENT_BASE_US  4000000 /* RFC 7675, section 5.1: every 5 s, of which 0.8 to 1.2 at random */
#define CONSENT_RANGE_US 2000000
#define PRIORITY_PRFLX   110 /* RFC 8445, section 5.1.2.2: the type a check's PRIORITY speaks of */

void ice_control_init(struct ice_control *c, int64_t now_us)
{
    memset(c, 0, sizeof *c);
    ice_credentials_make(&c->local);
    c->tie_breaker = rand_u64();
    c->selected = -1;
    c->state = ICE_CONTROL_CHECKING;
    c->first_success_us = INT64_MAX;
    c->pace_us = c->answered_us = now_us;
}

int ice_control_set_remote(struct ice_control *c, const char *ufrag, const char *pwd)
{
    if (!ice_ufrag_valid(ufrag) || !ice_pwd_valid(pwd))
        return -EINVAL;
    memset(c->remote_ufrag, 0, sizeof c->remote_ufrag);
    memset(c->remote_pwd, 0, sizeof c->remote_pwd);
    memcpy(c->remote_ufrag, ufrag, strlen(ufrag));
    memcpy(c->remote_pwd, pwd, strlen(pwd));
    return 0;
}

void ice_control_restart(struct ice_control *c, int64_t now_us)
{
    ice_credentials_make(&c->local);
    c->remote_ufrag[0] = c->remote_pwd[0] = 0;
    for (uint32_t i = 0; i < c->check_count; i++) {
        c->checks[i].state = ICE_CHECK_WAITING;
        c->checks[i].ask = ICE_ASK_NOTHING;
    }
    c->state = ICE_CONTROL_CHECKING;
    c->first_success_us = INT64_MAX;
    c->pace_us = now_us;
}

static struct ice_check *check_find(struct ice_control *c, const struct path *path)
{
    for (uint32_t i = 0; i < c->check_count; i++)
        if (path_equal(&c->checks[i].path, path))
            return &c->checks[i];
    return NULL;
}

int ice_control_add_path(struct ice_control *c, const struct path *path, int64_t now_us)
{
    if (check_find(c, path))
        return -EEXIST;
    if (c->check_count == ICE_PATHS_MAX)
        return -ENOSPC;
    c->checks[c->check_count++] = (struct ice_check){.path = *path, .state = ICE_CHECK_WAITING};
    if (c->pace_us < now_us)
        c->pace_us = now_us;
    if (c->state == ICE_CONTROL_FAILED && c->selected < 0)
        c->state = ICE_CONTROL_CHECKING;
    return 0;
}

static void ask(struct ice_check *k, enum ice_ask what, int64_t now_us)
{
    k->ask = what;
    k->sent = 0;
    k->due_us = now_us;
    k->rto_us = ICE_RTO_US;
    rand_bytes(k->id, sizeof k->id);
}

int ice_control_nominate(struct ice_control *c, const struct path *path, int64_t now_us)
{
    struct ice_check *k = check_find(c, path);
    if (!k || k->state != ICE_CHECK_SUCCEEDED)
        return -ENOENT;
    ask(k, ICE_ASK_NOMINATE, now_us);
    return 0;
}

static void selected_set(struct ice_control *c, struct ice_check *k, int64_t now_us)
{
    c->selected = (int32_t)(k - c->checks);
    c->state = ICE_CONTROL_CONNECTED;
    c->answered_us = now_us;
    c->consent_us = now_us + CONSENT_BASE_US + rand_u32() % CONSENT_RANGE_US;
}

/* No path can succeed any more, and none did. */
static void failure_find(struct ice_control *c)
{
    if (c->state != ICE_CONTROL_CHECKING || c->check_count == 0)
        return;
    for (uint32_t i = 0; i < c->check_count; i++)
        if (c->checks[i].state != ICE_CHECK_FAILED)
            return;
    c->state = ICE_CONTROL_FAILED;
    c->selected = -1;
}

static void check_fail(struct ice_control *c, struct ice_check *k)
{
    k->state = ICE_CHECK_FAILED;
    k->ask = ICE_ASK_NOTHING;
    failure_find(c);
}

/* Nominates the first path that answered, once no better one can or the patience is over. */
static void nominate_best(struct ice_control *c, int64_t now_us)
{
    if (c->state != ICE_CONTROL_CHECKING || c->first_success_us == INT64_MAX)
        return;
    bool patient = now_us - c->first_success_us < ICE_PATIENCE_US;
    struct ice_check *best = NULL;
    for (uint32_t i = 0; i < c->check_count; i++) {
        struct ice_check *k = &c->checks[i];
        if (k->ask == ICE_ASK_NOMINATE)
            return;
        if (best)
            continue;
        if (k->state == ICE_CHECK_SUCCEEDED)
            best = k;
        else if (k->state != ICE_CHECK_FAILED && patient)
            return;
    }
    if (best)
        ask(best, ICE_ASK_NOMINATE, now_us);
}

/* Moves everything on that time alone moves. */
static void control_advance(struct ice_control *c, int64_t now_us)
{
    for (uint32_t i = 0; i < c->check_count; i++) {
        struct ice_check *k = &c->checks[i];
        if (k->state == ICE_CHECK_WAITING && now_us >= c->pace_us) {
            k->state = ICE_CHECK_PROGRESS;
            ask(k, ICE_ASK_CHECK, now_us);
            c->pace_us = now_us + ICE_PACE_US;
        } else if ((k->ask == ICE_ASK_CHECK || k->ask == ICE_ASK_NOMINATE) && k->sent == ICE_SENDS_MAX &&
                   now_us >= k->due_us) {
            check_fail(c, k);
        }
    }
    nominate_best(c, now_us);
    if (c->state != ICE_CONTROL_CONNECTED)
        return;
    if (now_us - c->answered_us >= ICE_CONSENT_US) {
        c->state = ICE_CONTROL_FAILED;
        return;
    }
    struct ice_check *k = &c->checks[c->selected];
    if (now_us >= c->consent_us) {
        if (k->ask == ICE_ASK_NOTHING || k->ask == ICE_ASK_CONSENT)
            ask(k, ICE_ASK_CONSENT, now_us);
        c->consent_us = now_us + CONSENT_BASE_US + rand_u32() % CONSENT_RANGE_US;
    }
}

static bool check_due(const struct ice_check *k, int64_t now_us)
{
    int sends = k->ask == ICE_ASK_CONSENT ? 1 : ICE_SENDS_MAX;
    return k->ask != ICE_ASK_NOTHING && k->sent < sends && now_us >= k->due_us;
}

bool ice_control_poll(
    struct ice_control *c, struct ice_stun *stun, int64_t now_us, struct path *ret_path, struct writer *out)
{
    if (c->remote_ufrag[0] == 0 || c->state == ICE_CONTROL_FAILED)
        return false;
    control_advance(c, now_us);
    for (uint32_t i = 0; i < c->check_count && c->state != ICE_CONTROL_FAILED; i++) {
        struct ice_check *k = &c->checks[i];
        if (!check_due(k, now_us))
            continue;
        struct stun_check_request r = {
            .id = k->id,
            .receiver_ufrag = c->remote_ufrag,
            .sender_ufrag = c->local.ufrag,
            .pwd = c->remote_pwd,
            .priority = PRIORITY_PRFLX << 24 | (65535 - i) << 8 | 255,
            .tie_breaker = c->tie_breaker,
            .use_candidate = c->aggressive || k->ask != ICE_ASK_CHECK,
        };
        k->sent++;
        k->due_us = now_us + (k->sent == ICE_SENDS_MAX ? LAST_WAIT_RTOS * ICE_RTO_US : k->rto_us);
        k->rto_us *= 2;
        if (!stun_write_check(stun, &r, out))
            continue; /* no room: as if lost */
        *ret_path = k->path;
        return true;
    }
    return false;
}

static bool answer_input(struct ice_control *c, struct ice_stun *stun, const struct stun_view *v,
    const struct path *path, const uint8_t *data, size_t len, int64_t now_us)
{
    struct ice_check *k =
        check_find(c, path); /* RFC 8445, section 7.2.5.2.1: an answer comes the way that was asked */
    if (!k || k->ask == ICE_ASK_NOTHING || memcmp(k->id, v->id, sizeof k->id) != 0)
        return false;
    int rc = stun_answer_read(stun, v, data, len, c->remote_pwd, &k->mapped);
    if (rc < 0 || rc == STUN_ERROR_UNAUTHORIZED || rc == STUN_ERROR_SERVER_ERROR)
        return false; /* not the peer's word, or not its last one: it may learn our name yet */
    if (rc > 0) {
        if (k->ask != ICE_ASK_CONSENT)
            check_fail(c, k);
        return true;
    }
    enum ice_ask asked = k->ask;
    k->ask = ICE_ASK_NOTHING;
    k->state = ICE_CHECK_SUCCEEDED;
    if (c->first_success_us == INT64_MAX)
        c->first_success_us = now_us;
    if (asked == ICE_ASK_NOMINATE || (c->aggressive && (c->selected < 0 || k < &c->checks[c->selected])))
        selected_set(c, k, now_us);
    else if (k - c->checks == c->selected)
        c->answered_us = now_us;
    return true;
}

static bool request_input(struct ice_control *c, struct ice_stun *stun, const struct stun_view *v,
    const struct path *path, const uint8_t *data, size_t len, struct writer *reply)
{
    struct cursor receiver, sender;
    bool ours = stun_view_names(v, &receiver, &sender) && cursor_is(&receiver, c->local.ufrag) &&
                (c->remote_ufrag[0] == 0 || cursor_is(&sender, c->remote_ufrag));
    StunMessage msg;
    if (!ours || stun_request_check(stun, data, len, c->local.pwd, &msg) != STUN_AUTH_OK)
        return false;
    if (v->controlling) /* we do not switch: this side exists to control */
        stun_reply_error(stun, &msg, STUN_ERROR_ROLE_CONFLICT, ICE_REPLY_MAX, reply);
    else
        stun_reply_success(stun, &msg, &path->remote, reply);
    return true;
}

bool ice_control_input(struct ice_control *c, struct ice_stun *stun, const struct path *path,
    const uint8_t *data, size_t len, int64_t now_us, struct writer *reply)
{
    struct stun_view v;
    if (stun_view_read(data, len, &v) < 0 || !v.binding)
        return false;
    if (v.class == STUN_REQUEST)
        return request_input(c, stun, &v, path, data, len, reply);
    return answer_input(c, stun, &v, path, data, len, now_us);
}

int64_t ice_control_next_timeout(const struct ice_control *c)
{
    if (c->remote_ufrag[0] == 0 || c->state == ICE_CONTROL_FAILED)
        return INT64_MAX;
    int64_t next = INT64_MAX;
    for (uint32_t i = 0; i < c->check_count; i++) {
        const struct ice_check *k = &c->checks[i];
        bool waits = k->ask == ICE_ASK_CHECK || k->ask == ICE_ASK_NOMINATE ||
                     (k->ask == ICE_ASK_CONSENT && k->sent == 0);
        int64_t due = k->state == ICE_CHECK_WAITING ? c->pace_us : waits ? k->due_us : INT64_MAX;
        next = due < next ? due : next;
    }
    if (c->state == ICE_CONTROL_CHECKING && c->first_success_us != INT64_MAX) {
        int64_t due = c->first_success_us + ICE_PATIENCE_US;
        /* past: a nomination is under way already, or whatever had answered has failed since */
        bool open = false, ready = false;
        for (uint32_t i = 0; i < c->check_count; i++) {
            open |= c->checks[i].ask == ICE_ASK_NOMINATE;
            ready |= c->checks[i].state == ICE_CHECK_SUCCEEDED;
        }
        next = ready && !open && due < next ? due : next;
    }
    if (c->state == ICE_CONTROL_CONNECTED) {
        int64_t expires = c->answered_us + ICE_CONSENT_US;
        next = c->consent_us < next ? c->consent_us : next;
        next = expires < next ? expires : next;
    }
    return next;
}

const struct path *ice_control_selected(const struct ice_control *c)
{
    return c->selected < 0 || c->state == ICE_CONTROL_FAILED ? NULL : &c->checks[c->selected].path;
}
