/* The lite side: which pair is selected, also through restarts. */
#include "support/ice_peer.h"

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

int main(void)
{
    const struct CMUnitTest tests[] = {
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
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
