/* A lite side under test and the checks of a peer against it. Included by one file of a program. */
#ifndef SUPPORT_ICE_PEER_H
#define SUPPORT_ICE_PEER_H

#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>
#include <stdlib.h>
#include <string.h>
#include "ice/lite.h"
#include "ice/message.h"

#define REMOTE "remoteUfrag"
#define SECOND 1000000

static struct ice_stun *stun;
static struct ice_lite ice;
static struct ice_credentials local; /* of the newest generation */
static int64_t now_us;
static uint32_t events; /* of the last call */
static uint8_t reply[ICE_REPLY_MAX];
static size_t reply_len;

static inline int setup(void **state)
{
    (void)state;
    stun = ice_stun_new();
    now_us = 1000 * SECOND;
    ice_lite_init(&ice, NULL, REMOTE, now_us);
    local = *ice_lite_local(&ice);
    return stun ? 0 : -1;
}

static inline int teardown(void **state)
{
    (void)state;
    ice_stun_free(stun);
    return 0;
}

/* Path n: a remote address of its own; conn 0 is UDP. */
static inline struct path path_of(int n, uint32_t conn)
{
    struct path p = {.conn = conn};
    assert_int_equal(addr_parse("192.0.2.1", (uint16_t)(10000 + n), &p.remote), 0);
    assert_int_equal(addr_parse("198.51.100.1", 7882, &p.local), 0);
    return p;
}

struct check {
    const char *receiver, *sender, *pwd;
    uint32_t priority;
    bool use_candidate;
};

static inline enum ice_verdict input(const struct path *p, const uint8_t *data, size_t len)
{
    struct writer w = writer_of(reply, sizeof reply);
    uint8_t *exact = malloc(len ? len : 1); /* nothing behind it: a sanitizer sees every byte read too many */
    memcpy(exact, data, len);
    events = 0xffff;
    enum ice_verdict v = ice_lite_input(&ice, stun, p, exact, len, now_us, &w, &events);
    free(exact);
    reply_len = w.len;
    return v;
}

static inline enum ice_verdict send_check(const struct path *p, const struct check *c)
{
    uint8_t buf[ICE_REQUEST_MAX];
    struct writer w = writer_of(buf, sizeof buf);
    struct stun_check_request r = {
        .id = (const uint8_t *)"0123456789ab",
        .receiver_ufrag = c->receiver ? c->receiver : local.ufrag,
        .sender_ufrag = c->sender ? c->sender : REMOTE,
        .pwd = c->pwd ? c->pwd : local.pwd,
        .priority = c->priority,
        .tie_breaker = 1,
        .use_candidate = c->use_candidate,
    };
    assert_true(stun_write_check(stun, &r, &w));
    return input(p, buf, w.len);
}

static inline void check(const struct path *p, uint32_t priority, bool use_candidate)
{
    struct check c = {.priority = priority, .use_candidate = use_candidate};
    assert_int_equal(send_check(p, &c), ICE_ACCEPTED);
}

static inline bool selected(const struct path *p)
{
    const struct path *s = ice_lite_selected(&ice);
    return p ? s && path_equal(s, p) : s == NULL;
}

#endif
