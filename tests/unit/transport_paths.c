/* Which way a connection goes: moved clients, ICE restarts, consent that runs out and comes back, TCP. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>
#include <stdio.h>
#include <string.h>
#include "support/transport_rig.h"
#include "support/virtual_time.h"

#define UP_SSRC   1111
#define DOWN_SSRC 2222

static struct transport_rig rig;
static uint64_t up_index, down_index, up_heard, down_heard, down_newest;

static void on_rtp(void *arg, struct packet *p)
{
    (void)arg;
    (void)p;
    up_heard++;
}

static void on_client_rtp(void *arg, const uint8_t *data, size_t len, const struct rtp_packet *h)
{
    (void)arg;
    (void)data;
    (void)len;
    down_heard++;
    down_newest = h->seq;
}

static void up(uint64_t seed)
{
    rig_init(&rig, seed, seed & 1 ? DTLS_CLIENT : DTLS_SERVER, false);
    rig.on_rtp = on_rtp;
    rig.on_client_rtp = on_client_rtp;
    up_index = down_index = up_heard = down_heard = 0;
    assert_true(rig_run(&rig, 30 * RIG_SECOND, rig_connected));
}

static size_t up_packet(uint8_t *out)
{
    struct rtp_fields f = {.pt = 96, .seq = (uint16_t)++up_index, .ssrc = UP_SSRC};
    return rtc_client_protect(&rig.client, &f, up_index, NULL, 0, (const uint8_t *)"up", 2, out);
}

/* Sends media of the client by its nth interface, whatever its ICE thinks. */
static void media_from(unsigned n)
{
    uint8_t out[PACKET_SIZE_MAX];
    size_t len = up_packet(out);
    struct path path = rig_server_path(n, 0);
    bad_link_send(&rig.link, 0, &path, out, len, virtual_now_us);
}

static void media_to_client(void)
{
    struct rtp_fields f = {.pt = 96, .seq = (uint16_t)++down_index, .ssrc = DOWN_SSRC};
    rig_server_rtp(&rig, &f, down_index, NULL, 0, (const uint8_t *)"down", 4);
}

/* The server sends to the client's nth interface. */
static bool goes_to(unsigned n)
{
    struct path path = rig_server_path(n, 0);
    return transport_path(rig.server) && path_equal(transport_path(rig.server), &path);
}

static void client_path_add(unsigned n)
{
    struct path path = rig_client_path(n, 0);
    assert_int_equal(ice_control_add_path(&rig.client.ice, &path, virtual_now_us), 0);
}

/* ---- moving ---- */

static void media_choose_the_path(void **state)
{
    (void)state;
    up(1);
    client_path_add(1);
    for (int i = 0; i < 50; i++) {
        media_from(0);
        rig_run(&rig, 20000, NULL);
    }
    assert_true(goes_to(0)); /* a check alone turns nothing away */
    assert_int_equal(rig.path_count, 2);

    uint8_t late[PACKET_SIZE_MAX];
    size_t late_len = up_packet(late);
    media_from(1);
    rig_run(&rig, 20000, NULL);
    assert_true(goes_to(1));
    struct path old = rig_server_path(0, 0);
    rig_inject(&rig, &old, late, late_len); /* was overtaken: heard, but no reason to go back */
    assert_int_equal(up_heard, 52);
    assert_true(goes_to(1));
    media_to_client();
    rig_run(&rig, 20000, NULL);
    assert_int_equal(down_heard, 1);

    media_from(0);
    rig_run(&rig, 20000, NULL);
    assert_true(goes_to(0));
    assert_int_equal(rig.state_count, 1);
    rig_done(&rig);
}

/* The same for what a client that only receives sends: reports, and data. */
static void reports_choose_the_path(void **state)
{
    uint8_t rr[8] = {0x80, RTCP_RR, 0, 1, 0, 0, 0, 5}, first[PACKET_SIZE_MAX], second[PACKET_SIZE_MAX];
    (void)state;
    up(1);
    client_path_add(1);
    rig_run(&rig, RIG_SECOND, NULL);
    assert_true(goes_to(0));
    size_t first_len = rtc_client_protect_rtcp(&rig.client, rr, sizeof rr, first);
    size_t second_len = rtc_client_protect_rtcp(&rig.client, rr, sizeof rr, second);
    struct path new = rig_server_path(1, 0), old = rig_server_path(0, 0);
    rig_inject(&rig, &new, second, second_len);
    assert_true(goes_to(1));
    rig_inject(&rig, &old, first, first_len);
    assert_int_equal(rig_stats(&rig).rtcp_in, 2);
    assert_true(goes_to(1));
    rig_done(&rig);
}

static uint8_t records[2][PACKET_SIZE_MAX];
static size_t record_lens[2];
static int record_count, data_heard;

static void record_keep(void *arg, bool to_server, const uint8_t *data, size_t len)
{
    (void)arg;
    if (!to_server || data[0] != 23 || record_count == 2)
        return;
    memcpy(records[record_count], data, len);
    record_lens[record_count++] = len;
}

static void on_data(void *arg, const uint8_t *data, size_t len)
{
    (void)arg;
    (void)data;
    (void)len;
    data_heard++;
}

static void data_choose_the_path(void **state)
{
    (void)state;
    up(1);
    record_count = data_heard = 0;
    rig.tap = record_keep;
    rig.on_data = on_data;
    client_path_add(1);
    rig_run(&rig, RIG_SECOND, NULL);
    rig.down = 1; /* the client's own way is gone, so what it sends is only ours to hand in */
    assert_int_equal(dtls_session_write(rig.client.dtls, (const uint8_t *)"one", 3), 0);
    assert_int_equal(dtls_session_write(rig.client.dtls, (const uint8_t *)"two", 3), 0);
    assert_int_equal(record_count, 2);
    struct path new = rig_server_path(1, 0), old = rig_server_path(0, 0);
    assert_true(goes_to(0));
    uint8_t forged[PACKET_SIZE_MAX];
    memcpy(forged, records[1], record_lens[1]);
    forged[record_lens[1] - 1] ^= 1;
    rig_inject(&rig, &new, forged, record_lens[1]);
    assert_true(goes_to(0)); /* only what is authentic counts */
    assert_int_equal(data_heard, 0);
    rig_inject(&rig, &new, records[1], record_lens[1]);
    assert_int_equal(data_heard, 1);
    assert_true(goes_to(1));
    rig_inject(&rig, &old, records[0], record_lens[0]); /* late */
    assert_int_equal(data_heard, 2);
    assert_true(goes_to(1));
    rig_inject(&rig, &old, records[1], record_lens[1]); /* replayed */
    assert_int_equal(data_heard, 2);
    assert_true(goes_to(1));
    rig_done(&rig);
}

/* The client's network is gone from one moment to the next; it checks a new path, and media follow. */
static void a_client_that_moves_is_followed(void **state)
{
    (void)state;
    for (uint64_t seed = 0; seed < 50; seed++) {
        struct seeded random = seeded_of(seed);
        up(seed);
        rig.link.loss = seeded_below(&random, 21);
        rig.link.jitter_us = seeded_below(&random, 40000);
        for (unsigned n = 0; n < 4; n++) {
            struct path path = rig_client_path(n, 0);
            for (int i = 0; i < 100; i++) {
                media_from(n);
                rig_run(&rig, 10000, NULL);
            }
            assert_true(goes_to(n));
            rig.down = 1u << n; /* and back up is the one before: interfaces come and go */
            int64_t lost_us = virtual_now_us;
            client_path_add(n + 1);
            path = rig_client_path(n + 1, 0);
            while (ice_control_nominate(&rig.client.ice, &path, virtual_now_us) < 0)
                rig_run(&rig, 10000, NULL);
            while (!goes_to(n + 1)) {
                media_from(n + 1);
                rig_run(&rig, 10000, NULL);
            }
            assert_true(virtual_now_us - lost_us < 5 * RIG_SECOND);
        }
        assert_int_equal(rig.state_count, 1);
        rig_done(&rig);
    }
}

/* What stands in the worker's table is exactly what the transport would hear: nine paths do not fit. */
static void paths_beyond_the_limit_are_let_go(void **state)
{
    (void)state;
    up(1);
    for (unsigned n = 1; n < ICE_PATHS_MAX + 4; n++) {
        struct ice_control *ice = &rig.client.ice;
        ice->checks[ice->selected == 1 ? 0 : 1].state = ICE_CHECK_WAITING; /* its second path moves on */
        if (n == 1) {
            client_path_add(1);
        } else {
            ice->checks[1].path = rig_client_path(n, 0);
            ice->checks[1].state = ICE_CHECK_WAITING;
            ice->checks[1].ask = ICE_ASK_NOTHING;
        }
        media_from(0);
        rig_run(&rig, 500000, NULL);
        media_from(0);
        assert_int_equal(rig.path_count, n + 1 < ICE_PATHS_MAX ? n + 1 : ICE_PATHS_MAX);
    }
    assert_true(goes_to(0));
    struct path gone = rig_server_path(1, 0), there = rig_server_path(ICE_PATHS_MAX + 3, 0);
    uint8_t out[PACKET_SIZE_MAX];
    size_t len = up_packet(out);
    uint64_t before = up_heard;
    rig_inject(&rig, &gone, out, len);
    assert_int_equal(up_heard, before);
    assert_int_equal(rig_stats(&rig).unknown_path, 1);
    rig_inject(&rig, &there, out, len);
    assert_int_equal(up_heard, before + 1);
    rig_done(&rig);
}

/* ---- restart ---- */

static void a_restart_costs_no_packet(void **state)
{
    (void)state;
    for (uint64_t seed = 0; seed < 50; seed++) {
        struct seeded random = seeded_of(seed);
        up(seed);
        rig.link.jitter_us = seeded_below(&random, 30000);
        char old[ICE_LOCAL_UFRAG_MAX + 1];
        uint64_t sent = 0;
        for (int round = 0; round < 3; round++) {
            for (int i = 0; i < 50; i++, sent++) {
                media_from(0);
                media_to_client();
                rig_run(&rig, 1 + seeded_below(&random, 20000), NULL);
            }
            memcpy(old, rig.local.ufrag, sizeof old);
            rig_restart(&rig);
        }
        for (int i = 0; i < 50; i++, sent++) {
            media_from(0);
            media_to_client();
            rig_run(&rig, 20000, NULL);
        }
        rig_run(&rig, RIG_SECOND, NULL);
        assert_int_equal(up_heard, sent);
        assert_int_equal(down_heard, sent);
        assert_int_equal(rig.state_count, 1);
        assert_int_equal(rig.dropped_count, 3); /* all but the newest */
        assert_string_equal(rig.dropped_ufrags[2], old);
        rig_done(&rig);
    }
}

/* The client's answer to the restart takes its time, and the old credentials serve until then. */
static void the_old_credentials_serve_until_the_new_ones_do(void **state)
{
    struct ice_credentials first, second;
    (void)state;
    up(1);
    first = rig.local;
    ice_credentials_make(&second);
    transport_restart(rig.server, &second, "", virtual_now_us);
    for (int i = 0; i < 40 * 50; i++) { /* 40 s: consent is kept by the old ones */
        media_to_client();
        rig_run(&rig, 20000, NULL);
    }
    assert_int_equal(down_heard, 40 * 50);
    assert_int_equal(rig.state_count, 1);
    assert_int_equal(rig.dropped_count, 0);
    rtc_client_restart(&rig.client, second.ufrag, second.pwd, virtual_now_us);
    assert_int_equal(transport_set_remote_ufrag(rig.server, rig.client.ice.local.ufrag), 0);
    rig_run(&rig, RIG_SECOND, NULL);
    assert_int_equal(rig.dropped_count, 1);
    assert_string_equal(rig.dropped_ufrags[0], first.ufrag);
    assert_int_equal(rig_stats(&rig).ice[ICE_UNAUTHORIZED], 0);
    rig_done(&rig);
}

/* A restart to another network: the client's first address is gone already. */
static void a_restart_may_change_the_path(void **state)
{
    (void)state;
    for (uint64_t seed = 0; seed < 50; seed++) {
        struct seeded random = seeded_of(seed);
        up(seed);
        rig.link.loss = seeded_below(&random, 21);
        rig_run(&rig, seeded_below(&random, 10000000), NULL);
        rig.down = 1;
        rig_run(
            &rig, seeded_below(&random, 25000000), NULL); /* disconnected or failed by then, in some runs */
        rig_restart(&rig);
        client_path_add(1);
        int64_t start_us = virtual_now_us;
        while (!goes_to(1) || transport_state(rig.server) != TRANSPORT_CONNECTED) {
            assert_true(virtual_now_us - start_us < 20 * RIG_SECOND);
            rig_run(&rig, 10000, NULL);
        }
        rig.link.loss = 0;
        media_to_client();
        rig_run(&rig, RIG_SECOND, NULL);
        assert_int_equal(down_heard, 1);
        rig_done(&rig);
    }
}

/* ---- consent ---- */

static void silence_disconnects_fails_and_a_check_brings_it_back(void **state)
{
    (void)state;
    static const int64_t silences_us[] = {
        12 * RIG_SECOND, /* disconnected */
        20 * RIG_SECOND, /* failed, the path still known */
        23 * RIG_SECOND, /* and the client is about to give up itself */
    };
    for (unsigned k = 0; k < 3; k++) {
        up(k);
        media_from(0);
        rig_run(&rig, 20000, NULL);
        while (rig_stats(&rig).ice[ICE_ACCEPTED] < 4) /* the next consent check is 4 s away at least */
            rig_run(&rig, 10000, NULL);
        int64_t heard_us = virtual_now_us;
        rig_run(&rig, 20000, NULL); /* the answer arrives */
        rig.down = 1;
        rig_run(&rig, silences_us[k], NULL);
        assert_int_equal(rig.states[1].state, TRANSPORT_DISCONNECTED);
        assert_in_range(rig.states[1].at_us - heard_us, ICE_DISCONNECT_US - 20000, ICE_DISCONNECT_US);
        assert_int_equal(rig.state_count, k == 0 ? 2 : 3);
        if (k > 0) {
            assert_int_equal(rig.states[2].state, TRANSPORT_FAILED);
            assert_in_range(rig.states[2].at_us - heard_us, ICE_FAIL_US - 20000, ICE_FAIL_US);
            assert_null(transport_path(rig.server)); /* nothing may be sent without consent */
        }
        rig.down = 0;
        while (rig_last_state(&rig) != TRANSPORT_CONNECTED) {
            assert_true(virtual_now_us - heard_us < silences_us[k] + 7 * RIG_SECOND);
            rig_run(&rig, 10000, NULL);
        }
        media_to_client();
        rig_run(&rig, RIG_SECOND, NULL);
        assert_int_equal(down_heard, 1);
        rig_done(&rig);
    }
}

static void a_path_is_forgotten_without_consent(void **state)
{
    (void)state;
    up(1);
    rig.down = 1;
    rig_run(&rig, 29 * RIG_SECOND, NULL);
    assert_int_equal(rig.path_count, 1);
    rig_run(&rig, 10 * RIG_SECOND, NULL);
    assert_int_equal(rig.path_count, 0);
    assert_int_equal(rig_last_state(&rig), TRANSPORT_FAILED);
    assert_true(transport_next_timeout(rig.server) == INT64_MAX); /* and nothing is left to wait for */
    rig.down = 0;
    media_from(0);
    rig_run(&rig, RIG_SECOND, NULL);
    assert_int_equal(up_heard, 0); /* media prove nothing of a path that was forgotten */
    assert_true(rig_stats(&rig).unknown_path > 0);

    rig_restart(&rig);
    rig_run(&rig, 5 * RIG_SECOND, NULL);
    assert_int_equal(rig_last_state(&rig), TRANSPORT_CONNECTED);
    assert_int_equal(rig.path_count, 1);
    media_from(0);
    media_to_client();
    rig_run(&rig, RIG_SECOND, NULL);
    assert_int_equal(up_heard, 1);
    assert_int_equal(down_heard, 1);
    rig_done(&rig);
}

/* Media alone keep a connection up: the client's checks are lost for long. */
static void media_are_a_sign_of_life(void **state)
{
    (void)state;
    up(1);
    rig.client.ice.consent_us = INT64_MAX;
    rig.client.ice.answered_us = INT64_MAX / 2;
    for (int i = 0; i < 60 * 10; i++) {
        media_from(0);
        rig_run(&rig, 100000, NULL);
    }
    assert_int_equal(up_heard, 600);
    assert_int_equal(rig.state_count, 1);
    rig_done(&rig);
}

/* ---- TCP ---- */

static void a_closed_connection_gives_way_to_what_is_left(void **state)
{
    (void)state;
    rig_init(&rig, 1, DTLS_SERVER, false);
    rig.on_rtp = on_rtp;
    rig.on_client_rtp = on_client_rtp;
    up_index = down_index = up_heard = down_heard = 0;
    rig.client.ice.check_count = 0;
    struct path tcp = rig_client_path(0, 9), tcp_at_server = rig_server_path(0, 9);
    assert_int_equal(ice_control_add_path(&rig.client.ice, &tcp, virtual_now_us), 0);
    assert_true(rig_run(&rig, 10 * RIG_SECOND, rig_connected));
    assert_true(path_equal(transport_path(rig.server), &tcp_at_server));
    client_path_add(1);
    rig_run(&rig, RIG_SECOND, NULL);
    struct path udp = rig_client_path(1, 0);
    assert_int_equal(ice_control_nominate(&rig.client.ice, &udp, virtual_now_us), 0);
    rig_run(&rig, RIG_SECOND, NULL);
    assert_true(goes_to(1)); /* UDP before TCP, while nothing was said by media */
    uint8_t out[PACKET_SIZE_MAX];
    size_t len = up_packet(out);
    rig_inject(&rig, &tcp_at_server, out, len);
    assert_true(path_equal(transport_path(rig.server), &tcp_at_server));

    transport_conn_closed(rig.server, 9, virtual_now_us);
    assert_true(goes_to(1));
    assert_int_equal(rig.path_count, 1);
    len = up_packet(out);
    rig_inject(&rig, &tcp_at_server, out, len);
    assert_int_equal(up_heard, 1); /* the number may be another connection's by now */
    transport_conn_closed(rig.server, 9, virtual_now_us);
    assert_int_equal(rig.state_count, 1);
    rig_done(&rig);
}

static void the_last_connection_closed_disconnects(void **state)
{
    (void)state;
    rig_init(&rig, 1, DTLS_SERVER, false);
    rig.client.ice.check_count = 0;
    struct path tcp = rig_client_path(0, 9);
    assert_int_equal(ice_control_add_path(&rig.client.ice, &tcp, virtual_now_us), 0);
    assert_true(rig_run(&rig, 10 * RIG_SECOND, rig_connected));
    transport_conn_closed(rig.server, 9, virtual_now_us);
    assert_int_equal(rig_last_state(&rig), TRANSPORT_DISCONNECTED);
    assert_null(transport_path(rig.server));
    assert_int_equal(rig.path_count, 0);
    rig.down = 1;
    rig_run(&rig, ICE_FAIL_US + RIG_SECOND, NULL);
    assert_int_equal(rig_last_state(&rig), TRANSPORT_FAILED);
    rig_done(&rig);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_teardown(media_choose_the_path, transport_rig_teardown),
        cmocka_unit_test_teardown(reports_choose_the_path, transport_rig_teardown),
        cmocka_unit_test_teardown(data_choose_the_path, transport_rig_teardown),
        cmocka_unit_test_teardown(a_client_that_moves_is_followed, transport_rig_teardown),
        cmocka_unit_test_teardown(paths_beyond_the_limit_are_let_go, transport_rig_teardown),
        cmocka_unit_test_teardown(a_restart_costs_no_packet, transport_rig_teardown),
        cmocka_unit_test_teardown(the_old_credentials_serve_until_the_new_ones_do, transport_rig_teardown),
        cmocka_unit_test_teardown(a_restart_may_change_the_path, transport_rig_teardown),
        cmocka_unit_test_teardown(
            silence_disconnects_fails_and_a_check_brings_it_back, transport_rig_teardown),
        cmocka_unit_test_teardown(a_path_is_forgotten_without_consent, transport_rig_teardown),
        cmocka_unit_test_teardown(media_are_a_sign_of_life, transport_rig_teardown),
        cmocka_unit_test_teardown(a_closed_connection_gives_way_to_what_is_left, transport_rig_teardown),
        cmocka_unit_test_teardown(the_last_connection_closed_disconnects, transport_rig_teardown),
    };
    return cmocka_run_group_tests(tests, transport_rig_begin, transport_rig_end);
}
