/* The lite side: what authenticates, what nominates, what is selected; restarts, silence, bounds. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>
#include <errno.h>
#include <stdio.h>
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

static int setup(void **state)
{
    (void)state;
    stun = ice_stun_new();
    now_us = 1000 * SECOND;
    ice_lite_init(&ice, NULL, REMOTE, now_us);
    local = *ice_lite_local(&ice);
    return stun ? 0 : -1;
}

static int teardown(void **state)
{
    (void)state;
    ice_stun_free(stun);
    return 0;
}

/* Path n: a remote address of its own; conn 0 is UDP. */
static struct path path_of(int n, uint32_t conn)
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

static enum ice_verdict input(const struct path *p, const uint8_t *data, size_t len)
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

static enum ice_verdict send_check(const struct path *p, const struct check *c)
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

static void check(const struct path *p, uint32_t priority, bool use_candidate)
{
    struct check c = {.priority = priority, .use_candidate = use_candidate};
    assert_int_equal(send_check(p, &c), ICE_ACCEPTED);
}

static bool selected(const struct path *p)
{
    const struct path *s = ice_lite_selected(&ice);
    return p ? s && path_equal(s, p) : s == NULL;
}

/* ---- what authenticates ---- */

static void a_check_gets_its_address_back(void **state)
{
    static const char *const ips[] = {"192.0.2.1", "2001:db8::5"};
    (void)state;
    for (int i = 0; i < 2; i++) {
        struct path p = path_of(1, 0);
        struct stun_view v;
        struct addr mapped;
        assert_int_equal(addr_parse(ips[i], 54321, &p.remote), 0);
        check(&p, 1, false);
        assert_int_equal(stun_view_read(reply, reply_len, &v), 0);
        assert_int_equal(v.class, STUN_RESPONSE);
        assert_true(v.has_integrity && v.has_fingerprint);
        assert_int_equal(v.user_len, 0);
        assert_memory_equal(v.id, "0123456789ab", 12);
        assert_int_equal(stun_answer_read(stun, &v, reply, reply_len, local.pwd, &mapped), 0);
        assert_true(addr_equal(&mapped, &p.remote));
        assert_int_equal(stun_answer_read(stun, &v, reply, reply_len, "other", &mapped), -EINVAL);
    }
}

static int error_of_reply(const char *pwd)
{
    struct stun_view v;
    struct addr a;
    assert_int_equal(stun_view_read(reply, reply_len, &v), 0);
    assert_int_equal(v.class, STUN_ERROR);
    assert_int_equal(v.has_integrity, pwd != NULL);
    return stun_answer_read(stun, &v, reply, reply_len, pwd, &a);
}

static void wrong_users_and_passwords_leave_no_trace(void **state)
{
    const struct check wrong[] = {
        {.receiver = "someoneElse", .use_candidate = true},
        {.receiver = "", .use_candidate = true},
        {.sender = "otherUfrag", .use_candidate = true},
        {.sender = "", .use_candidate = true},
        {.pwd = "wrongwrongwrongwrongwrong", .use_candidate = true},
        {.pwd = REMOTE, .use_candidate = true},
    };
    (void)state;
    struct path p = path_of(1, 0);
    for (size_t i = 0; i < sizeof wrong / sizeof wrong[0]; i++) {
        struct ice_lite before = ice;
        assert_int_equal(send_check(&p, &wrong[i]), ICE_UNAUTHORIZED);
        assert_int_equal(error_of_reply(NULL), 401);
        assert_int_equal(events, 0);
        assert_memory_equal(&ice, &before, sizeof ice);
    }
    assert_false(ice_lite_knows(&ice, &p));
}

static void prefixes_of_the_ufrag_are_not_the_ufrag(void **state)
{
    char name[ICE_LOCAL_UFRAG_MAX + 2];
    (void)state;
    struct path p = path_of(1, 0);
    size_t len = strlen(local.ufrag);
    memcpy(name, local.ufrag, len + 1);
    name[len - 1] = 0;
    struct check c = {.receiver = name};
    assert_int_equal(send_check(&p, &c), ICE_UNAUTHORIZED);
    name[len - 1] = local.ufrag[len - 1];
    name[len] = 'x';
    name[len + 1] = 0;
    assert_int_equal(send_check(&p, &c), ICE_UNAUTHORIZED);
}

static void an_unknown_peer_name_is_taken_until_it_is_known(void **state)
{
    (void)state;
    struct path p = path_of(1, 0);
    ice_lite_init(&ice, &local, NULL, now_us);
    assert_string_equal(ice_lite_local(&ice)->ufrag, local.ufrag);
    struct check c = {.sender = "anybody"};
    assert_int_equal(send_check(&p, &c), ICE_ACCEPTED);
    assert_int_equal(ice_lite_set_remote(&ice, "a:b"), -EINVAL);
    assert_int_equal(ice_lite_set_remote(&ice, "known"), 0);
    assert_int_equal(send_check(&p, &c), ICE_UNAUTHORIZED);
    c.sender = "known";
    assert_int_equal(send_check(&p, &c), ICE_ACCEPTED);
}

/* Builds a message by hand and lets libnice authenticate it. */
static size_t build(uint8_t *out, size_t cap, uint16_t type, const void *attributes, size_t attributes_len,
    bool user, const char *pwd)
{
    struct writer w = writer_of(out, cap);
    char name[600];
    int n = snprintf(name, sizeof name, "%s:%s", local.ufrag, REMOTE);
    writer_u16(&w, type);
    writer_u16(&w, 0);
    writer_u32(&w, STUN_MAGIC_COOKIE);
    writer_bytes(&w, "0123456789ab", 12);
    if (user) {
        writer_u16(&w, STUN_ATTRIBUTE_USERNAME);
        writer_u16(&w, (uint16_t)n);
        writer_bytes(&w, name, (size_t)n);
        writer_zero(&w, (4 - (size_t)n % 4) % 4);
    }
    writer_bytes(&w, attributes, attributes_len);
    writer_put_u16(&w, 2, (uint16_t)(w.len - 20));
    assert_false(w.bad);
    StunMessage msg = {.agent = &stun->agent, .buffer = out, .buffer_len = cap};
    size_t len = stun_agent_finish_message(&stun->agent, &msg, (const uint8_t *)pwd, pwd ? strlen(pwd) : 0);
    StunTransactionId id;
    stun_message_id(&msg, id);
    stun_agent_forget_transaction(&stun->agent, id);
    assert_true(len > 0);
    return len;
}

static void every_kind_of_message_has_its_verdict(void **state)
{
    uint8_t buf[2048];
    (void)state;
    struct path p = path_of(1, 0);
    struct ice_lite before = ice;
    assert_int_equal(input(&p, buf, build(buf, sizeof buf, 0x0001, NULL, 0, true, NULL)), ICE_BAD_REQUEST);
    assert_int_equal(error_of_reply(NULL), 400);
    assert_int_equal(
        input(&p, buf, build(buf, sizeof buf, 0x0001, NULL, 0, false, local.pwd)), ICE_BAD_REQUEST);
    assert_int_equal(error_of_reply(NULL), 400);
    assert_int_equal(input(&p, buf, build(buf, sizeof buf, 0x0001, NULL, 0, false, NULL)), ICE_BAD_REQUEST);
    assert_int_equal(reply_len, 0); /* 28 bytes: an error would be larger */
    assert_int_equal(input(&p, buf, build(buf, sizeof buf, 0x0011, NULL, 0, false, NULL)), ICE_INDICATION);
    assert_int_equal(reply_len, 0);
    assert_int_equal(input(&p, buf, build(buf, sizeof buf, 0x0101, NULL, 0, true, local.pwd)), ICE_IGNORED);
    assert_int_equal(input(&p, buf, build(buf, sizeof buf, 0x0111, NULL, 0, true, local.pwd)), ICE_IGNORED);
    assert_int_equal(input(&p, buf, build(buf, sizeof buf, 0x0003, NULL, 0, true, local.pwd)), ICE_IGNORED);
    assert_int_equal(reply_len, 0);
    size_t len = build(buf, sizeof buf, 0x0001, NULL, 0, true, local.pwd);
    for (size_t n = 0; n < len; n++)
        assert_int_equal(input(&p, buf, n), ICE_MALFORMED);
    buf[len - 1] ^= 1;
    assert_int_equal(input(&p, buf, len), ICE_MALFORMED);
    assert_memory_equal(&ice, &before, sizeof ice); /* none of it left a trace */
    buf[len - 1] ^= 1;
    assert_int_equal(input(&p, buf, len), ICE_ACCEPTED); /* PRIORITY and the role are not insisted on */
    for (int v = 0; v < ICE_VERDICT_COUNT; v++)
        assert_true(strlen(ice_verdict_name((enum ice_verdict)v)) > 0);
}

static void unknown_requirements_are_named_but_not_all_of_them(void **state)
{
    uint8_t buf[2048], attributes[4 * 200];
    (void)state;
    struct path p = path_of(1, 0);
    struct ice_lite before = ice;
    for (size_t count = 1; count <= 200; count += 33) {
        struct writer w = writer_of(attributes, sizeof attributes);
        for (size_t i = 0; i < count; i++) {
            writer_u16(&w, (uint16_t)(0x7000 + i));
            writer_u16(&w, 0);
        }
        size_t len = build(buf, sizeof buf, 0x0001, attributes, w.len, true, local.pwd);
        assert_int_equal(input(&p, buf, len), ICE_UNKNOWN_ATTRIBUTE);
        assert_int_equal(error_of_reply(local.pwd), 420);
        assert_true(reply_len <= ICE_REPLY_MAX);
        StunMessage msg = {.buffer = reply, .buffer_len = reply_len};
        uint16_t list_len;
        const uint8_t *list = stun_message_find(&msg, STUN_ATTRIBUTE_UNKNOWN_ATTRIBUTES, &list_len);
        assert_non_null(list);
        assert_int_equal(list_len, 2 * (count < STUN_UNKNOWN_MAX ? count : STUN_UNKNOWN_MAX));
        assert_memory_equal(list, "\x70\x00", 2);
    }
    assert_memory_equal(&ice, &before, sizeof ice);
    /* optional ones of any vendor do no harm */
    static const uint8_t optional[] = {0xc0, 0x57, 0, 4, 0, 1, 0, 2, 0x80, 0x22, 0, 0};
    assert_int_equal(
        input(&p, buf, build(buf, sizeof buf, 0x0001, optional, sizeof optional, true, local.pwd)),
        ICE_ACCEPTED);
}

static void a_peer_that_will_not_control_is_told(void **state)
{
    static const uint8_t controlled[] = {0x80, 0x29, 0, 8, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff};
    uint8_t buf[256];
    (void)state;
    struct path p = path_of(1, 0);
    size_t len = build(buf, sizeof buf, 0x0001, controlled, sizeof controlled, true, local.pwd);
    assert_int_equal(input(&p, buf, len), ICE_ROLE_CONFLICT);
    assert_int_equal(error_of_reply(local.pwd), 487);
    assert_false(ice_lite_knows(&ice, &p));
}

static void a_reply_that_does_not_fit_is_left_out(void **state)
{
    uint8_t buf[256];
    (void)state;
    struct path p = path_of(1, 0);
    size_t len = build(buf, sizeof buf, 0x0001, NULL, 0, true, local.pwd);
    struct writer w = writer_of(reply, 10);
    assert_int_equal(ice_lite_input(&ice, stun, &p, buf, len, now_us, &w, &events), ICE_ACCEPTED);
    assert_int_equal(w.len, 0);
    assert_false(w.bad);
}

/* ---- what is selected ---- */

static void a_check_alone_selects_nothing(void **state)
{
    (void)state;
    struct path a = path_of(1, 0);
    check(&a, 100, false);
    assert_int_equal(events, ICE_EVENT_PATH_ADDED);
    assert_true(ice_lite_knows(&ice, &a));
    assert_true(ice_lite_has_remote(&ice, &a.remote, 0));
    assert_false(ice_lite_has_remote(&ice, &a.remote, 1));
    assert_true(selected(NULL));
    assert_int_equal(ice.state, ICE_NEW);
    check(&a, 100, true);
    assert_int_equal(events, ICE_EVENT_SELECTED | ICE_EVENT_STATE);
    assert_true(selected(&a));
    assert_int_equal(ice.state, ICE_CONNECTED);
    check(&a, 100, true);
    assert_int_equal(events, 0);
}

static void before_any_media_the_best_nominated_pair_is_selected(void **state)
{
    (void)state;
    struct path tcp = path_of(1, 5), low = path_of(2, 0), high = path_of(3, 0);
    check(&tcp, 900, true);
    assert_true(selected(&tcp));
    check(&low, 100, true); /* UDP before TCP, whatever the number */
    assert_true(selected(&low));
    check(&high, 200, true);
    assert_true(selected(&high));
    check(&low, 100, true);
    assert_true(selected(&high));
    check(&tcp, 900, true);
    assert_true(selected(&high));
    check(&high, 200, false); /* still nominated */
    assert_true(selected(&high));
}

/* Firefox nominates every pair it checks, also towards a lite peer, and then uses the one it likes. */
static void aggressive_nomination_ends_where_the_media_are(void **state)
{
    (void)state;
    struct path a = path_of(1, 0), b = path_of(2, 0), tcp = path_of(3, 7);
    check(&a, 300, true);
    check(&b, 200, true);
    check(&tcp, 100, true);
    assert_true(selected(&a));
    assert_int_equal(ice_lite_media(&ice, &b, true, now_us), ICE_EVENT_SELECTED); /* its ClientHello */
    assert_true(selected(&b));
    for (int i = 0; i < 50; i++) { /* its checks of the others go on while media flow on b */
        now_us += 20000;
        assert_int_equal(ice_lite_media(&ice, &b, true, now_us), 0);
        check(i % 2 ? &a : &tcp, 300, true);
        assert_true(selected(&b));
    }
}

static void late_packets_of_a_left_path_do_not_turn_it_back(void **state)
{
    (void)state;
    struct path a = path_of(1, 0), b = path_of(2, 0);
    check(&a, 1, true);
    check(&b, 1, false);
    ice_lite_media(&ice, &a, true, now_us);
    assert_int_equal(ice_lite_media(&ice, &b, true, now_us), ICE_EVENT_SELECTED);
    assert_int_equal(ice_lite_media(&ice, &a, false, now_us + 1000), 0);
    assert_true(selected(&b));
    assert_int_equal(ice_lite_media(&ice, &a, true, now_us + 2000), ICE_EVENT_SELECTED);
    assert_true(selected(&a));
}

static void media_of_an_unchecked_path_are_nobodys(void **state)
{
    (void)state;
    struct path a = path_of(1, 0), b = path_of(2, 0), c;
    check(&a, 1, true);
    assert_int_equal(ice_lite_media(&ice, &b, true, now_us), 0);
    assert_true(selected(&a));
    c = a;
    c.local.port++; /* another of our addresses is another pair */
    assert_int_equal(ice_lite_media(&ice, &c, true, now_us), 0);
    c = a;
    c.conn = 3;
    assert_int_equal(ice_lite_media(&ice, &c, true, now_us), 0);
    assert_true(selected(&a));
}

static void media_on_a_checked_pair_need_no_nomination(void **state)
{
    (void)state;
    struct path a = path_of(1, 0);
    check(&a, 1, false);
    assert_int_equal(ice_lite_media(&ice, &a, true, now_us), ICE_EVENT_SELECTED | ICE_EVENT_STATE);
    assert_true(selected(&a));
    assert_int_equal(ice.state, ICE_CONNECTED);
}

/* A change of address where nothing but checks may come: a viewer without RTCP of its own. */
static void a_newly_nominated_pair_takes_over_from_a_silent_one(void **state)
{
    (void)state;
    struct path a = path_of(1, 0), b = path_of(2, 0);
    check(&a, 9, true);
    ice_lite_media(&ice, &a, true, now_us);
    now_us += ICE_SILENT_US - 1;
    check(&b, 1, true);
    assert_true(selected(&a));
    now_us += 1;
    check(&b, 1, false); /* not a nomination */
    assert_true(selected(&a));
    check(&b, 1, true);
    assert_int_equal(events, ICE_EVENT_SELECTED);
    assert_true(selected(&b));
    now_us += ICE_SILENT_US;
    check(&a, 9, true); /* and back, nominated again */
    assert_true(selected(&a));
}

static void a_replayed_check_does_not_move_live_media(void **state)
{
    uint8_t buf[ICE_REQUEST_MAX];
    (void)state;
    struct path victim = path_of(1, 0), attacker = path_of(66, 0);
    struct writer w = writer_of(buf, sizeof buf);
    struct stun_check_request r = {.id = (const uint8_t *)"0123456789ab",
        .receiver_ufrag = local.ufrag,
        .sender_ufrag = REMOTE,
        .pwd = local.pwd,
        .priority = 5,
        .use_candidate = true};
    assert_true(stun_write_check(stun, &r, &w));
    assert_int_equal(input(&victim, buf, w.len), ICE_ACCEPTED);
    ice_lite_media(&ice, &victim, true, now_us);
    for (int i = 0; i < 500; i++) {
        now_us += 20000;
        assert_int_equal(input(&attacker, buf, w.len), ICE_ACCEPTED); /* bit for bit, from elsewhere */
        ice_lite_media(&ice, &victim, i % 10 == 0, now_us);
        assert_true(selected(&victim));
    }
}

static void a_nominated_pair_without_renomination_replaces_a_lost_one(void **state)
{
    (void)state;
    struct path a = path_of(1, 0), b = path_of(2, 0);
    check(&a, 9, true);
    check(&b, 1, true);
    ice_lite_media(&ice, &a, true, now_us);
    for (int i = 0; i < 10; i++) { /* consent checks without USE-CANDIDATE on b, while a has died */
        assert_true(selected(&a));
        now_us += SECOND;
        check(&b, 1, false);
    }
    assert_true(selected(&b));
}

/* ---- restarts ---- */

static void after_a_restart_both_generations_are_heard(void **state)
{
    (void)state;
    struct ice_credentials first = local;
    struct path a = path_of(1, 0), b = path_of(2, 0);
    check(&a, 1, true);
    ice_lite_media(&ice, &a, true, now_us);
    assert_int_equal(ice_lite_restart(&ice, NULL, "secondRemote", now_us), 0);
    local = *ice_lite_local(&ice);
    assert_string_not_equal(local.ufrag, first.ufrag);
    assert_string_not_equal(local.pwd, first.pwd);
    assert_true(ice_lite_has_ufrag(&ice, first.ufrag) && ice_lite_has_ufrag(&ice, local.ufrag));
    assert_true(selected(&a));

    struct check old = {.receiver = first.ufrag, .pwd = first.pwd};
    struct check new = {.sender = "secondRemote"};
    struct check mixed = {.receiver = first.ufrag, .pwd = local.pwd};
    struct check crossed = {.receiver = local.ufrag}; /* new name, old remote name */
    assert_int_equal(send_check(&a, &old), ICE_ACCEPTED);
    assert_int_equal(send_check(&b, &new), ICE_ACCEPTED);
    assert_int_equal(send_check(&b, &mixed), ICE_UNAUTHORIZED);
    assert_int_equal(send_check(&b, &crossed), ICE_UNAUTHORIZED);
    ice_lite_media(&ice, &a, true, now_us);
    assert_true(selected(&a));
    assert_true(ice_lite_has_ufrag(&ice, first.ufrag));

    new.use_candidate =
        true; /* the new generation is in use: the old one is done, though its media still flow */
    assert_int_equal(send_check(&b, &new), ICE_ACCEPTED);
    assert_int_equal(events, ICE_EVENT_SELECTED | ICE_EVENT_UFRAG_DROPPED);
    assert_string_equal(ice.dropped_ufrag, first.ufrag);
    assert_false(ice_lite_has_ufrag(&ice, first.ufrag));
    assert_true(selected(&b));
    assert_int_equal(send_check(&a, &old), ICE_UNAUTHORIZED);
    ice_lite_media(&ice, &a, true, now_us); /* still on its way */
    assert_true(selected(&b));
    ice_lite_media(&ice, &b, true, now_us);
    assert_true(selected(&b));
}

static void a_restart_over_the_same_pair_ends_with_its_media(void **state)
{
    (void)state;
    struct ice_credentials first = local;
    struct path a = path_of(1, 0);
    check(&a, 1, true);
    ice_lite_media(&ice, &a, true, now_us);
    ice_lite_restart(&ice, NULL, "secondRemote", now_us);
    local = *ice_lite_local(&ice);
    assert_int_equal(
        ice_lite_media(&ice, &a, true, now_us), 0); /* says nothing about the new generation yet */
    assert_true(ice_lite_has_ufrag(&ice, first.ufrag));
    struct check new = {.sender = "secondRemote"};
    assert_int_equal(send_check(&a, &new), ICE_ACCEPTED);
    assert_int_equal(events, 0);
    assert_int_equal(ice_lite_media(&ice, &a, true, now_us), ICE_EVENT_UFRAG_DROPPED);
    assert_true(selected(&a));
}

static void an_old_nomination_is_none_of_the_new_generation(void **state)
{
    (void)state;
    struct ice_credentials first = local;
    struct path a = path_of(1, 0), b = path_of(2, 0);
    check(&a, 9, true);
    check(&b, 1, false);
    ice_lite_restart(&ice, NULL, "secondRemote", now_us);
    local = *ice_lite_local(&ice);
    struct check new = {.sender = "secondRemote", .priority = 9};
    assert_int_equal(send_check(&a, &new), ICE_ACCEPTED); /* authenticated anew, not nominated anew */
    struct check old = {.receiver = first.ufrag, .pwd = first.pwd, .priority = 99, .use_candidate = true};
    assert_int_equal(
        send_check(&b, &old), ICE_ACCEPTED); /* an old nomination on its way takes nothing over */
    assert_true(selected(&a));
    new.use_candidate = true, new.priority = 1;
    assert_int_equal(send_check(&b, &new), ICE_ACCEPTED);
    assert_true(selected(&b)); /* a is of the new generation too, but not nominated in it */
    assert_false(ice_lite_has_ufrag(&ice, first.ufrag));
}

static void before_media_of_a_new_generation_its_best_nominated_pair_is_selected(void **state)
{
    (void)state;
    struct path a = path_of(1, 0), low = path_of(2, 0), high = path_of(3, 0);
    check(&a, 1, true);
    ice_lite_media(&ice, &a, true, now_us);
    ice_lite_restart(&ice, NULL, REMOTE, now_us);
    local = *ice_lite_local(&ice);
    check(&low, 100, true);
    assert_true(selected(&low));
    check(&high, 200, true);
    assert_true(selected(&high));
    ice_lite_media(&ice, &low, true, now_us);
    check(&high, 200, true);
    assert_true(selected(&low));
}

static void a_restart_before_the_last_one_was_used_replaces_it(void **state)
{
    (void)state;
    struct ice_credentials first = local, second;
    struct path a = path_of(1, 0);
    check(&a, 1, true);
    ice_lite_restart(&ice, NULL, "r2r2", now_us);
    second = *ice_lite_local(&ice);
    assert_int_equal(ice_lite_restart(&ice, NULL, NULL, now_us), ICE_EVENT_UFRAG_DROPPED);
    assert_string_equal(ice.dropped_ufrag, second.ufrag);
    local = *ice_lite_local(&ice);
    assert_true(ice_lite_has_ufrag(&ice, first.ufrag) && ice_lite_has_ufrag(&ice, local.ufrag));
    assert_false(ice_lite_has_ufrag(&ice, second.ufrag));
    struct check old = {.receiver = first.ufrag, .pwd = first.pwd};
    assert_int_equal(send_check(&a, &old), ICE_ACCEPTED);
    struct check new = {.sender = "any", .use_candidate = true};
    assert_int_equal(send_check(&a, &new), ICE_ACCEPTED);
    assert_string_equal(ice.dropped_ufrag, first.ufrag);
    for (int i = 0; i < 600; i++) { /* generations are numbered in a byte */
        ice_lite_restart(&ice, NULL, REMOTE, now_us);
        if (i % 3 == 0)
            continue;
        local = *ice_lite_local(&ice);
        check(&a, 1, true);
        assert_true(selected(&a));
        assert_false(ice.old.valid);
    }
}

static void a_restart_gives_given_credentials(void **state)
{
    static const struct ice_credentials given = {"abcdefgh", "0123456789012345678901234"};
    (void)state;
    struct path a = path_of(1, 0);
    check(&a, 1, true);
    ice_lite_restart(&ice, &given, REMOTE, now_us);
    struct check c = {.receiver = given.ufrag, .pwd = given.pwd};
    assert_int_equal(send_check(&a, &c), ICE_ACCEPTED);
}

/* ---- silence ---- */

static void run_until(int64_t until_us)
{
    int64_t next_us;
    uint32_t all = 0;
    while ((next_us = ice_lite_next_timeout(&ice)) <= until_us) {
        assert_true(next_us >= now_us);
        now_us = next_us;
        uint32_t changed = ice_lite_timeout(&ice, now_us);
        assert_int_not_equal(changed, 0); /* it asked for nothing that does nothing */
        all |= changed;
    }
    now_us = until_us;
    events = all;
}

static void silence_disconnects_then_fails_then_forgets(void **state)
{
    (void)state;
    struct path a = path_of(1, 0), gone;
    assert_true(
        ice_lite_next_timeout(&ice) == INT64_MAX); /* a peer that never came is not ours to time out */
    check(&a, 1, true);
    int64_t start_us = now_us;
    run_until(start_us + ICE_DISCONNECT_US - 1);
    assert_int_equal(ice.state, ICE_CONNECTED);
    run_until(start_us + ICE_DISCONNECT_US);
    assert_int_equal(ice.state, ICE_DISCONNECTED);
    assert_int_equal(events, ICE_EVENT_STATE);
    assert_true(selected(&a)); /* it may come back */
    run_until(start_us + ICE_FAIL_US - 1);
    assert_int_equal(ice.state, ICE_DISCONNECTED);
    run_until(start_us + ICE_FAIL_US);
    assert_int_equal(ice.state, ICE_FAILED);
    assert_int_equal(events, ICE_EVENT_STATE | ICE_EVENT_SELECTED);
    assert_true(selected(NULL)); /* consent is gone */
    run_until(start_us + ICE_CONSENT_US);
    assert_true(events & ICE_EVENT_PATH_REMOVED);
    assert_true(ice_lite_take_removed(&ice, &gone));
    assert_true(path_equal(&gone, &a));
    assert_false(ice_lite_take_removed(&ice, &gone));
    assert_false(ice_lite_knows(&ice, &a));
    assert_true(ice_lite_next_timeout(&ice) == INT64_MAX);
}

static void checks_or_media_of_any_kind_keep_it_alive(void **state)
{
    (void)state;
    struct path a = path_of(1, 0);
    check(&a, 1, true);
    for (int i = 0; i < 20; i++) {
        run_until(now_us + ICE_DISCONNECT_US - 1);
        if (i % 3 == 0)
            check(&a, 1, false);
        else
            ice_lite_media(&ice, &a, i % 3 == 1, now_us);
        assert_int_equal(ice.state, ICE_CONNECTED);
    }
    uint8_t buf[256]; /* but what anybody can send does not */
    struct check wrong = {.pwd = "wrongwrongwrongwrongwrong"};
    for (int i = 0; i < 15; i++) {
        run_until(now_us + SECOND);
        input(&a, buf, build(buf, sizeof buf, 0x0011, NULL, 0, true, NULL));
        send_check(&a, &wrong);
    }
    assert_int_equal(ice.state, ICE_FAILED);
}

static void it_comes_back_after_disconnect_and_after_failure(void **state)
{
    (void)state;
    struct path a = path_of(1, 0);
    check(&a, 1, true);
    run_until(now_us + ICE_DISCONNECT_US);
    check(&a, 1, false);
    assert_int_equal(events, ICE_EVENT_STATE);
    assert_int_equal(ice.state, ICE_CONNECTED);
    run_until(now_us + ICE_FAIL_US);
    assert_int_equal(ice.state, ICE_FAILED);
    check(&a, 1, false);
    assert_int_equal(events, ICE_EVENT_STATE | ICE_EVENT_SELECTED);
    assert_int_equal(ice.state, ICE_CONNECTED);
    assert_true(selected(&a));
}

static void a_restart_after_failure_gives_new_time(void **state)
{
    (void)state;
    struct path a = path_of(1, 0), b = path_of(2, 0);
    check(&a, 1, true);
    run_until(now_us + ICE_FAIL_US);
    uint32_t changed = ice_lite_restart(&ice, NULL, REMOTE, now_us);
    assert_int_equal(changed & ICE_EVENT_STATE, ICE_EVENT_STATE);
    assert_int_equal(ice.state, ICE_DISCONNECTED);
    local = *ice_lite_local(&ice);
    run_until(now_us + ICE_FAIL_US - 1);
    assert_int_equal(ice.state, ICE_DISCONNECTED);
    check(&b, 1, true);
    assert_int_equal(ice.state, ICE_CONNECTED);
    assert_true(selected(&b));
    run_until(now_us + ICE_FAIL_US);
    ice_lite_restart(&ice, NULL, REMOTE, now_us);
    run_until(now_us + ICE_FAIL_US);
    assert_int_equal(ice.state, ICE_FAILED);
}

/* RFC 7675 speaks of a pair: nothing goes to one that was silent, though others are alive. */
static void consent_belongs_to_the_pair(void **state)
{
    (void)state;
    struct path a = path_of(1, 0), b = path_of(2, 0), gone;
    check(&b, 1, false);
    check(&a, 1, true);
    for (int i = 0; i < 29; i++) {
        run_until(now_us + SECOND);
        check(&b, 1, false); /* never nominated */
        assert_true(selected(&a));
    }
    run_until(now_us + SECOND);
    assert_true(selected(NULL));
    assert_int_equal(events, ICE_EVENT_PATH_REMOVED | ICE_EVENT_SELECTED | ICE_EVENT_STATE);
    assert_int_equal(ice.state, ICE_DISCONNECTED);
    assert_true(ice_lite_take_removed(&ice, &gone));
    assert_true(path_equal(&gone, &a));
    check(&b, 1, true);
    assert_true(selected(&b));
    assert_int_equal(ice.state, ICE_CONNECTED);
}

/* ---- bounds and TCP ---- */

static void the_ninth_path_replaces_the_one_longest_silent(void **state)
{
    (void)state;
    struct path p[ICE_PATHS_MAX + 3], gone;
    for (int i = 0; i < ICE_PATHS_MAX + 3; i++)
        p[i] = path_of(i, 0);
    for (int i = 0; i < ICE_PATHS_MAX; i++) {
        check(&p[i], 1, i == 0); /* the oldest is the selected one: it stays */
        now_us += 1000;
    }
    ice_lite_media(&ice, &p[1], false, now_us);
    check(&p[8], 1, false);
    assert_int_equal(events, ICE_EVENT_PATH_ADDED | ICE_EVENT_PATH_REMOVED);
    assert_true(ice_lite_take_removed(&ice, &gone));
    assert_true(path_equal(&gone, &p[2]));
    now_us += 1000;
    check(&p[9], 1, false);
    assert_true(ice_lite_take_removed(&ice, &gone));
    assert_true(path_equal(&gone, &p[3]));
    assert_true(selected(&p[0]));
    assert_int_equal(ice.path_count, ICE_PATHS_MAX);
    static const bool known[] = {true, true, false, false, true, true, true, true, true, true, false};
    for (int i = 0; i < ICE_PATHS_MAX + 3; i++)
        assert_int_equal(ice_lite_knows(&ice, &p[i]), known[i]);
}

static void a_closed_connection_takes_its_path_along(void **state)
{
    (void)state;
    struct path udp = path_of(1, 0), tcp = path_of(2, 4), other = path_of(3, 5), gone;
    check(&udp, 1, true);
    check(&tcp, 1, true);
    check(&other, 1, false);
    ice_lite_media(&ice, &tcp, true, now_us);
    assert_true(selected(&tcp));
    assert_int_equal(ice_lite_conn_closed(&ice, 99, now_us), 0);
    assert_int_equal(ice_lite_conn_closed(&ice, 0, now_us), 0);
    assert_int_equal(ice_lite_conn_closed(&ice, 5, now_us), ICE_EVENT_PATH_REMOVED);
    assert_true(ice_lite_take_removed(&ice, &gone) && path_equal(&gone, &other));
    assert_int_equal(ice_lite_conn_closed(&ice, 4, now_us), ICE_EVENT_PATH_REMOVED | ICE_EVENT_SELECTED);
    assert_true(ice_lite_take_removed(&ice, &gone) && path_equal(&gone, &tcp));
    assert_true(selected(&udp)); /* nominated, and heard lately */
    check(&tcp, 1, true);
    ice_lite_media(&ice, &tcp, true, now_us);
    now_us += ICE_DISCONNECT_US;
    ice_lite_media(&ice, &tcp, true, now_us);
    uint32_t changed = ice_lite_conn_closed(&ice, 4, now_us); /* nobody heard udp for long */
    assert_int_equal(changed, ICE_EVENT_PATH_REMOVED | ICE_EVENT_SELECTED | ICE_EVENT_STATE);
    assert_true(selected(NULL));
    assert_int_equal(ice.state, ICE_DISCONNECTED);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(a_check_gets_its_address_back, setup, teardown),
        cmocka_unit_test_setup_teardown(wrong_users_and_passwords_leave_no_trace, setup, teardown),
        cmocka_unit_test_setup_teardown(prefixes_of_the_ufrag_are_not_the_ufrag, setup, teardown),
        cmocka_unit_test_setup_teardown(an_unknown_peer_name_is_taken_until_it_is_known, setup, teardown),
        cmocka_unit_test_setup_teardown(every_kind_of_message_has_its_verdict, setup, teardown),
        cmocka_unit_test_setup_teardown(unknown_requirements_are_named_but_not_all_of_them, setup, teardown),
        cmocka_unit_test_setup_teardown(a_peer_that_will_not_control_is_told, setup, teardown),
        cmocka_unit_test_setup_teardown(a_reply_that_does_not_fit_is_left_out, setup, teardown),
        cmocka_unit_test_setup_teardown(a_check_alone_selects_nothing, setup, teardown),
        cmocka_unit_test_setup_teardown(
            before_any_media_the_best_nominated_pair_is_selected, setup, teardown),
        cmocka_unit_test_setup_teardown(aggressive_nomination_ends_where_the_media_are, setup, teardown),
        cmocka_unit_test_setup_teardown(late_packets_of_a_left_path_do_not_turn_it_back, setup, teardown),
        cmocka_unit_test_setup_teardown(media_of_an_unchecked_path_are_nobodys, setup, teardown),
        cmocka_unit_test_setup_teardown(media_on_a_checked_pair_need_no_nomination, setup, teardown),
        cmocka_unit_test_setup_teardown(a_newly_nominated_pair_takes_over_from_a_silent_one, setup, teardown),
        cmocka_unit_test_setup_teardown(a_replayed_check_does_not_move_live_media, setup, teardown),
        cmocka_unit_test_setup_teardown(
            a_nominated_pair_without_renomination_replaces_a_lost_one, setup, teardown),
        cmocka_unit_test_setup_teardown(after_a_restart_both_generations_are_heard, setup, teardown),
        cmocka_unit_test_setup_teardown(a_restart_over_the_same_pair_ends_with_its_media, setup, teardown),
        cmocka_unit_test_setup_teardown(an_old_nomination_is_none_of_the_new_generation, setup, teardown),
        cmocka_unit_test_setup_teardown(
            before_media_of_a_new_generation_its_best_nominated_pair_is_selected, setup, teardown),
        cmocka_unit_test_setup_teardown(a_restart_before_the_last_one_was_used_replaces_it, setup, teardown),
        cmocka_unit_test_setup_teardown(a_restart_gives_given_credentials, setup, teardown),
        cmocka_unit_test_setup_teardown(silence_disconnects_then_fails_then_forgets, setup, teardown),
        cmocka_unit_test_setup_teardown(checks_or_media_of_any_kind_keep_it_alive, setup, teardown),
        cmocka_unit_test_setup_teardown(it_comes_back_after_disconnect_and_after_failure, setup, teardown),
        cmocka_unit_test_setup_teardown(a_restart_after_failure_gives_new_time, setup, teardown),
        cmocka_unit_test_setup_teardown(consent_belongs_to_the_pair, setup, teardown),
        cmocka_unit_test_setup_teardown(the_ninth_path_replaces_the_one_longest_silent, setup, teardown),
        cmocka_unit_test_setup_teardown(a_closed_connection_takes_its_path_along, setup, teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
