/* The lite side: what authenticates, silence, bounds. */
#include <errno.h>
#include <stdio.h>
#include "support/ice_peer.h"

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
