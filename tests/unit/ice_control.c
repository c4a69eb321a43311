/* The controlling side against the lite one, over a seeded bad network in virtual time. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include "base/rand.h"
#include "ice/control.h"
#include "ice/lite.h"
#include "ice/message.h"
#include "support/seeded.h"

#define SECOND     1000000
#define FLIGHT_MAX 512

struct datagram {
    int64_t at_us;
    bool to_lite;
    struct path path; /* as its receiver sees it */
    size_t len;
    uint8_t data[ICE_REQUEST_MAX];
};

static struct ice_stun *stun;
static struct ice_lite lite;
static struct ice_control control;
static struct datagram flight[FLIGHT_MAX];
static size_t flight_count;
static struct seeded link_random, source_random;
static int64_t now_us;
static uint32_t loss_percent, double_percent, garble_percent;
static bool (*blocked)(const struct path *of_control);
static int requests; /* of the controlling side */

static void source(void *arg, void *buf, size_t len)
{
    for (uint8_t *p = buf; len > 0; len--)
        *p++ = (uint8_t)seeded_u64(arg);
}

static bool nothing_blocked(const struct path *p)
{
    (void)p;
    return false;
}

static bool all_blocked(const struct path *p)
{
    (void)p;
    return true;
}

static bool udp_blocked(const struct path *p)
{
    return p->conn == 0;
}

static struct path mirror(const struct path *p)
{
    return (struct path){.remote = p->local, .local = p->remote, .conn = p->conn};
}

/* Path n of the controlling side. */
static struct path path_of(int n, uint32_t conn)
{
    struct path p = {.conn = conn};
    assert_int_equal(addr_parse("198.51.100.1", 7882, &p.remote), 0);
    assert_int_equal(addr_parse("192.0.2.1", (uint16_t)(10000 + n), &p.local), 0);
    return p;
}

static void start(uint64_t seed)
{
    link_random = seeded_of(seed);
    source_random = seeded_of(seed + 1000);
    rand_source_set(source, &source_random);
    loss_percent = double_percent = garble_percent = 0;
    blocked = nothing_blocked;
    flight_count = 0;
    requests = 0;
    now_us = INT64_C(5000) * SECOND;
    ice_control_init(&control, now_us);
    ice_lite_init(&lite, NULL, control.local.ufrag, now_us);
    assert_int_equal(
        ice_control_set_remote(&control, ice_lite_local(&lite)->ufrag, ice_lite_local(&lite)->pwd), 0);
}

static void carry(bool to_lite, const struct path *sender_path, const uint8_t *data, size_t len)
{
    struct path receiver_path = mirror(sender_path);
    bool lost = blocked(to_lite ? sender_path : &receiver_path) || seeded_chance(&link_random, loss_percent);
    int copies = lost ? 0 : 1 + seeded_chance(&link_random, double_percent);
    while (copies-- > 0 && flight_count < FLIGHT_MAX) {
        struct datagram *d = &flight[flight_count++];
        d->at_us = now_us + 5000 + seeded_below(&link_random, 80000);
        d->to_lite = to_lite;
        d->path = receiver_path;
        d->len = len;
        memcpy(d->data, data, len);
        if (seeded_chance(&link_random, garble_percent))
            d->data[seeded_below(&link_random, (uint32_t)len)] ^=
                (uint8_t)(1 << seeded_below(&link_random, 8));
    }
}

static void deliver(struct datagram d)
{
    uint8_t buf[ICE_REPLY_MAX];
    struct writer w = writer_of(buf, sizeof buf);
    uint32_t events;
    if (d.to_lite)
        ice_lite_input(&lite, stun, &d.path, d.data, d.len, now_us, &w, &events);
    else
        ice_control_input(&control, stun, &d.path, d.data, d.len, now_us, &w);
    if (w.len > 0)
        carry(!d.to_lite, &d.path, buf, w.len);
}

static void poll_control(void)
{
    uint8_t buf[ICE_REQUEST_MAX];
    struct path p;
    struct writer w = writer_of(buf, sizeof buf);
    while (ice_control_poll(&control, stun, now_us, &p, &w)) {
        requests++;
        carry(true, &p, buf, w.len);
        w = writer_of(buf, sizeof buf);
    }
}

/* Runs until the time or until done says so. */
static void run(int64_t span_us, bool (*done)(void))
{
    int64_t end_us = now_us + span_us;
    for (;;) {
        poll_control();
        if (done && done())
            return;
        int64_t next_us = ice_control_next_timeout(&control);
        assert_true(next_us > now_us); /* polled dry */
        int64_t lite_us = ice_lite_next_timeout(&lite);
        next_us = lite_us < next_us ? lite_us : next_us;
        size_t first = flight_count;
        for (size_t i = 0; i < flight_count; i++)
            if (flight[i].at_us < next_us) {
                next_us = flight[i].at_us;
                first = i;
            }
        if (next_us > end_us) {
            now_us = end_us;
            return;
        }
        now_us = next_us > now_us ? next_us : now_us;
        if (first < flight_count) {
            struct datagram d = flight[first];
            flight[first] = flight[--flight_count];
            deliver(d);
        }
        ice_lite_timeout(&lite, now_us);
    }
}

static bool connected(void)
{
    return control.state == ICE_CONTROL_CONNECTED && lite.state == ICE_CONNECTED;
}

static bool ended(void)
{
    return connected() || control.state == ICE_CONTROL_FAILED;
}

/* Both send on the same pair. */
static void expect_agreement(void)
{
    const struct path *c = ice_control_selected(&control), *l = ice_lite_selected(&lite);
    assert_non_null(c);
    assert_non_null(l);
    struct path m = mirror(c);
    assert_true(path_equal(&m, l));
}

static void a_clean_link_connects_in_two_round_trips(void **state)
{
    (void)state;
    start(1);
    struct path a = path_of(1, 0);
    assert_int_equal(ice_control_add_path(&control, &a, now_us), 0);
    assert_int_equal(ice_control_add_path(&control, &a, now_us), -EEXIST);
    int64_t start_us = now_us;
    run(SECOND, connected);
    assert_true(connected());
    assert_true(now_us - start_us <= 4 * 85000);
    assert_int_equal(requests, 2); /* a check and a nomination */
    expect_agreement();
    assert_true(addr_equal(&control.checks[0].mapped, &a.local));
}

static void bad_links_connect_as_well(void **state)
{
    int failed = 0;
    (void)state;
    for (uint64_t seed = 1; seed <= 400; seed++) {
        start(seed);
        loss_percent = (uint32_t)(seed % 5) * 10;
        double_percent = 10;
        garble_percent = 5;
        struct path a = path_of(1, 0), b = path_of(2, 0);
        ice_control_add_path(&control, &a, now_us);
        ice_control_add_path(&control, &b, now_us);
        run(60 * SECOND, ended);
        if (control.state == ICE_CONTROL_FAILED) {
            failed++;
            assert_true(loss_percent >= 30);
            continue;
        }
        assert_true(connected());
        expect_agreement();
        loss_percent = 0;
        garble_percent = 0;
        run(60 * SECOND, NULL);
        assert_true(connected());
        expect_agreement();
    }
    assert_true(failed < 30); /* of 160 on links that lose a third to a half of all round trips */
}

static void the_best_path_is_waited_for_but_not_long(void **state)
{
    (void)state;
    start(3);
    struct path a = path_of(1, 0), b = path_of(2, 0);
    ice_control_add_path(&control, &a, now_us);
    ice_control_add_path(&control, &b, now_us);
    run(5 * SECOND, connected);
    assert_true(path_equal(ice_control_selected(&control), &a));
    expect_agreement();
}

/* UDP is filtered: the connection over TCP, tried second, carries it. */
static void tcp_is_taken_where_udp_is_blocked(void **state)
{
    (void)state;
    start(4);
    blocked = udp_blocked;
    struct path udp = path_of(1, 0), tcp = path_of(2, 9);
    ice_control_add_path(&control, &udp, now_us);
    ice_control_add_path(&control, &tcp, now_us);
    int64_t start_us = now_us;
    run(5 * SECOND, connected);
    assert_true(connected());
    assert_true(now_us - start_us < ICE_PATIENCE_US + ICE_PACE_US + 4 * 85000);
    assert_true(path_equal(ice_control_selected(&control), &tcp));
    expect_agreement();
}

static void nothing_works_and_it_says_so(void **state)
{
    (void)state;
    start(5);
    blocked = all_blocked;
    struct path a = path_of(1, 0), b = path_of(2, 0);
    ice_control_add_path(&control, &a, now_us);
    ice_control_add_path(&control, &b, now_us);
    int64_t start_us = now_us;
    run(60 * SECOND, ended);
    assert_int_equal(control.state, ICE_CONTROL_FAILED);
    assert_int_equal(requests, 2 * ICE_SENDS_MAX);
    assert_true(now_us - start_us == 11500000 + ICE_PACE_US);
    assert_null(ice_control_selected(&control));
    assert_true(ice_control_next_timeout(&control) == INT64_MAX);
    blocked = nothing_blocked; /* a path that turns up later is tried */
    struct path c = path_of(3, 0);
    assert_int_equal(ice_control_add_path(&control, &c, now_us), 0);
    run(5 * SECOND, connected);
    expect_agreement();
}

static void an_idle_pair_keeps_its_consent(void **state)
{
    (void)state;
    start(6);
    struct path a = path_of(1, 0);
    ice_control_add_path(&control, &a, now_us);
    run(SECOND, connected);
    requests = 0;
    for (int i = 0; i < 600; i++) {
        run(SECOND, NULL);
        assert_true(connected());
    }
    assert_in_range(requests, 100, 150); /* every 4 to 6 s */
}

static void a_cut_link_is_noticed_on_both_sides(void **state)
{
    (void)state;
    start(7);
    struct path a = path_of(1, 0);
    ice_control_add_path(&control, &a, now_us);
    run(SECOND, connected);
    run(100 * SECOND, NULL);
    blocked = all_blocked;
    flight_count = 0;
    int64_t heard_us = lite.alive_us, answered_us = control.answered_us;
    while (lite.state == ICE_CONNECTED)
        run(1000, NULL);
    assert_in_range(now_us - heard_us, ICE_DISCONNECT_US, ICE_DISCONNECT_US + 1000);
    while (lite.state == ICE_DISCONNECTED)
        run(1000, NULL);
    assert_in_range(now_us - heard_us, ICE_FAIL_US, ICE_FAIL_US + 1000);
    assert_null(ice_lite_selected(&lite));
    assert_non_null(ice_control_selected(&control));
    while (control.state == ICE_CONTROL_CONNECTED)
        run(1000, NULL);
    assert_in_range(now_us - answered_us, ICE_CONSENT_US, ICE_CONSENT_US + 1000);
    assert_null(ice_control_selected(&control));
}

static bool old_address_gone(const struct path *p)
{
    return p->local.port == 10001;
}

static bool both_on_b(void)
{
    struct path b = path_of(2, 0), m = mirror(&b);
    const struct path *l = ice_lite_selected(&lite), *c = ice_control_selected(&control);
    return l && path_equal(l, &m) && path_equal(c, &b);
}

static void an_address_change_moves_the_pair(void **state)
{
    (void)state;
    for (uint64_t seed = 1; seed <= 50; seed++) {
        start(seed);
        loss_percent = 10;
        struct path a = path_of(1, 0), b = path_of(2, 0);
        ice_control_add_path(&control, &a, now_us);
        run(20 * SECOND, connected);
        assert_true(connected());
        run(10 * SECOND, NULL);
        blocked = old_address_gone;
        ice_control_add_path(&control, &b, now_us);
        assert_int_equal(ice_control_nominate(&control, &b, now_us), -ENOENT); /* not checked yet */
        int64_t end_us = now_us + 20 * SECOND;
        while (ice_control_nominate(&control, &b, now_us) < 0 && now_us < end_us)
            run(50000, NULL);
        run(20 * SECOND,
            both_on_b); /* at the latest with the next check, when the old pair was silent long enough */
        expect_agreement();
        assert_true(connected());
        assert_true(both_on_b());
    }
}

static void restarts_complete_on_bad_links(void **state)
{
    (void)state;
    for (uint64_t seed = 1; seed <= 100; seed++) {
        start(seed);
        loss_percent = 20;
        struct path a = path_of(1, 0), b = path_of(2, 0);
        ice_control_add_path(&control, &a, now_us);
        ice_control_add_path(&control, &b, now_us);
        run(20 * SECOND, connected);
        for (int i = 0; i < 3; i++) {
            const struct path *before = ice_control_selected(&control);
            assert_non_null(before);
            ice_control_restart(&control, now_us);
            run(100000, NULL); /* the description is on its way */
            assert_ptr_equal(ice_control_selected(&control), before);
            ice_lite_restart(&lite, NULL, control.local.ufrag, now_us);
            ice_control_set_remote(&control, ice_lite_local(&lite)->ufrag, ice_lite_local(&lite)->pwd);
            run(20 * SECOND, connected);
            assert_true(connected());
            run(2 * SECOND, NULL);
            expect_agreement();
            assert_false(lite.old.valid);
        }
    }
}

/* As Firefox does: every check nominates; the lite side follows the media to where they really are. */
static void aggressive_nomination_agrees_once_media_flow(void **state)
{
    (void)state;
    for (uint64_t seed = 1; seed <= 100; seed++) {
        start(seed);
        loss_percent = 20;
        control.aggressive = true;
        struct path a = path_of(1, 0), b = path_of(2, 0), tcp = path_of(3, 4);
        ice_control_add_path(&control, &a, now_us);
        ice_control_add_path(&control, &b, now_us);
        ice_control_add_path(&control, &tcp, now_us);
        run(20 * SECOND, connected);
        assert_true(connected());
        for (int i = 0; i < 100; i++) {
            struct path m = mirror(ice_control_selected(&control));
            if (ice_lite_knows(&lite, &m)) {
                ice_lite_media(&lite, &m, true, now_us);
                expect_agreement();
            }
            run(20000, NULL);
        }
    }
}

static void answers_must_be_the_peers_and_to_what_was_asked(void **state)
{
    uint8_t buf[ICE_REQUEST_MAX], reply[ICE_REPLY_MAX];
    struct path a = path_of(1, 0), b = path_of(2, 0), p;
    uint32_t events;
    (void)state;
    start(8);
    ice_control_add_path(&control, &a, now_us);
    ice_control_add_path(&control, &b, now_us);
    struct writer w = writer_of(buf, sizeof buf), r = writer_of(reply, sizeof reply),
                  none = writer_of(NULL, 0);
    assert_true(ice_control_poll(&control, stun, now_us, &p, &w));
    struct path m = mirror(&p);
    ice_lite_input(&lite, stun, &m, buf, w.len, now_us, &r, &events);
    assert_false(ice_control_input(&control, stun, &b, reply, r.len, now_us, &none)); /* from another side */
    reply[r.len - 12] ^= 1;                                                           /* in the integrity */
    assert_false(ice_control_input(&control, stun, &a, reply, r.len, now_us, &none));
    reply[r.len - 12] ^= 1;
    control.remote_pwd[0] ^= 1;
    assert_false(ice_control_input(&control, stun, &a, reply, r.len, now_us, &none));
    control.remote_pwd[0] ^= 1;
    assert_true(ice_control_input(&control, stun, &a, reply, r.len, now_us, &none));
    assert_false(ice_control_input(&control, stun, &a, reply, r.len, now_us, &none)); /* once */
    assert_int_equal(control.checks[0].state, ICE_CHECK_SUCCEEDED);
}

static void checks_of_a_full_peer_are_answered(void **state)
{
    uint8_t buf[ICE_REQUEST_MAX], reply[ICE_REPLY_MAX];
    struct path a = path_of(1, 0);
    struct stun_view v;
    struct addr mapped;
    (void)state;
    start(9);
    ice_control_add_path(&control, &a, now_us);
    struct stun_check_request q = {.id = (const uint8_t *)"0123456789ab",
        .receiver_ufrag = control.local.ufrag,
        .sender_ufrag = control.remote_ufrag,
        .pwd = control.local.pwd};
    struct writer w = writer_of(buf, sizeof buf), r = writer_of(reply, sizeof reply);
    assert_true(stun_write_check(stun, &q, &w)); /* says that it controls as well */
    assert_true(ice_control_input(&control, stun, &a, buf, w.len, now_us, &r));
    assert_int_equal(stun_view_read(reply, r.len, &v), 0);
    assert_int_equal(stun_answer_read(stun, &v, reply, r.len, control.local.pwd, &mapped), 487);
    q.pwd = control.remote_pwd;
    w = writer_of(buf, sizeof buf), r = writer_of(reply, sizeof reply);
    assert_true(stun_write_check(stun, &q, &w));
    assert_false(ice_control_input(&control, stun, &a, buf, w.len, now_us, &r));
    assert_int_equal(r.len, 0);
}

static void bounds_are_said(void **state)
{
    (void)state;
    start(10);
    for (int i = 0; i < ICE_PATHS_MAX; i++) {
        struct path p = path_of(i, 0);
        assert_int_equal(ice_control_add_path(&control, &p, now_us), 0);
    }
    struct path p = path_of(99, 0);
    assert_int_equal(ice_control_add_path(&control, &p, now_us), -ENOSPC);
    assert_int_equal(ice_control_set_remote(&control, "ok12", "short"), -EINVAL);
    assert_int_equal(ice_control_set_remote(&control, "no", "0123456789012345678901"), -EINVAL);
}

static int setup(void **state)
{
    (void)state;
    stun = ice_stun_new();
    return stun ? 0 : -1;
}

static int teardown(void **state)
{
    (void)state;
    rand_source_set(NULL, NULL);
    ice_stun_free(stun);
    return 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_clean_link_connects_in_two_round_trips),
        cmocka_unit_test(bad_links_connect_as_well),
        cmocka_unit_test(the_best_path_is_waited_for_but_not_long),
        cmocka_unit_test(tcp_is_taken_where_udp_is_blocked),
        cmocka_unit_test(nothing_works_and_it_says_so),
        cmocka_unit_test(an_idle_pair_keeps_its_consent),
        cmocka_unit_test(a_cut_link_is_noticed_on_both_sides),
        cmocka_unit_test(an_address_change_moves_the_pair),
        cmocka_unit_test(restarts_complete_on_bad_links),
        cmocka_unit_test(aggressive_nomination_agrees_once_media_flow),
        cmocka_unit_test(answers_must_be_the_peers_and_to_what_was_asked),
        cmocka_unit_test(checks_of_a_full_peer_are_answered),
        cmocka_unit_test(bounds_are_said),
    };
    return cmocka_run_group_tests(tests, setup, teardown);
}
