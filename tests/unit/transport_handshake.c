/* From the first check to keys, over good and bad links, in virtual time; and the ends: refused, timed out,
 * closed. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include "support/transport_rig.h"
#include "support/virtual_time.h"

static struct transport_rig rig;

static void link_make_bad(struct seeded *random)
{
    rig.link.loss = seeded_below(random, 31);
    rig.link.duplicate = seeded_below(random, 21);
    rig.link.delay_us = 1000 + seeded_below(random, 80000);
    rig.link.jitter_us = seeded_below(random, 100000);
}

static int heard;

static void on_client_rtp(void *arg, const uint8_t *data, size_t len, const struct rtp_packet *h)
{
    (void)arg;
    heard += h->payload_len == 5 && memcmp(data + len - 5, "hello", 5) == 0;
}

/* Up once, by way of CONNECTING only, and with keys that fit. */
static void assert_up(void)
{
    assert_int_equal(rig.state_count, 1);
    assert_int_equal(rig.states[0].state, TRANSPORT_CONNECTED);
    assert_string_equal(rig.states[0].text, "AEAD_AES_128_GCM");
    assert_true(rig.path_count >= 1);
    assert_non_null(transport_tx(rig.server));
    assert_false(rig.client.closed);
    rig.link.loss = 0;
    rig.link.duplicate = 0;
    rig.on_client_rtp = on_client_rtp;
    heard = 0;
    struct rtp_fields f = {.pt = 96, .seq = 7, .ssrc = 1};
    rig_server_rtp(&rig, &f, 7, NULL, 0, (const uint8_t *)"hello", 5);
    rtc_client_rtp(&rig.client, &f, 7, NULL, 0, (const uint8_t *)"hello", 5);
    rig_run(&rig, RIG_SECOND, NULL);
    assert_int_equal(rig_stats(&rig).rtp_in, 1);
    assert_int_equal(heard, 1);
}

static void handshakes_complete_over_bad_links(void **state)
{
    int64_t slowest_us = 0;
    (void)state;
    for (uint64_t seed = 0; seed < 1000; seed++) {
        struct seeded random = seeded_of(seed);
        rig_init(&rig, seed, seed & 1 ? DTLS_CLIENT : DTLS_SERVER, false);
        link_make_bad(&random);
        int64_t start_us = virtual_now_us;
        assert_true(rig_run(&rig, 30 * RIG_SECOND, rig_connected));
        assert_up();
        slowest_us = virtual_now_us - start_us > slowest_us ? virtual_now_us - start_us : slowest_us;
        rig_done(&rig);
    }
    assert_true(slowest_us > 500000); /* it was bad indeed */
}

/* The client's answer comes after its first checks and its first flights. */
static void credentials_may_come_late(void **state)
{
    (void)state;
    for (uint64_t seed = 0; seed < 500; seed++) {
        struct seeded random = seeded_of(seed);
        enum dtls_role role = seed & 1 ? DTLS_CLIENT : DTLS_SERVER;
        rig_init(&rig, seed, role, true);
        if (seed >= 20)
            link_make_bad(&random);
        assert_false(transport_has_remote(rig.server));
        assert_false(rig_run(&rig, 300000 + seeded_below(&random, 3000000), rig_connected));
        assert_int_equal(rig.state_count, 0);
        bool asked = rig_stats(&rig).before_keys > 0;
        assert_true(seed >= 20 || asked == (role == DTLS_SERVER)); /* ClientHellos nobody could answer */
        rig_introduce(&rig, role);
        assert_true(transport_has_remote(rig.server));
        assert_int_equal(transport_is_dtls_client(rig.server), role == DTLS_CLIENT);
        assert_true(rig_run(&rig, 30 * RIG_SECOND, rig_connected));
        assert_up();
        rig_done(&rig);
    }
}

/* The ClientHello that came before the client was known is not lost: no retransmission is waited for. */
static void an_early_client_hello_is_answered_when_the_client_is_known(void **state)
{
    (void)state;
    rig_init(&rig, 1, DTLS_SERVER, true);
    rig_run(&rig, 200000, NULL);
    assert_true(rig_stats(&rig).before_keys > 0);
    rig_introduce(&rig, DTLS_SERVER);
    assert_true(rig_run(&rig, 100000, rig_connected)); /* round trips of 20 ms */
    assert_up();
    rig_done(&rig);
}

/* Checks of a user that the server was not told of yet are taken, those of another one no longer once it
 * knows. */
static void the_remote_user_is_checked_once_known(void **state)
{
    (void)state;
    rig_init(&rig, 1, DTLS_SERVER, true);
    char fingerprint[160];
    (void)snprintf(fingerprint, sizeof fingerprint, "sha-256 %s", dtls_context_fingerprint(rig_client_dtls));
    assert_int_equal(transport_remote(rig.server, "somebodyElse", fingerprint, false, virtual_now_us), 0);
    rig_run(&rig, RIG_SECOND, NULL);
    assert_int_equal(rig_stats(&rig).ice[ICE_ACCEPTED], 0);
    assert_true(rig_stats(&rig).ice[ICE_UNAUTHORIZED] > 0);
    assert_int_equal(rig.path_count, 0);
    assert_int_equal(transport_set_remote_ufrag(rig.server, rig.client.ice.local.ufrag), 0);
    assert_true(rig_run(&rig, 10 * RIG_SECOND, rig_connected));
    rig_done(&rig);
}

static void bad_credentials_are_refused_and_good_ones_taken_after_them(void **state)
{
    char good[160], weak[160];
    (void)state;
    rig_init(&rig, 1, DTLS_SERVER, true);
    const char *ufrag = rig.client.ice.local.ufrag;
    (void)snprintf(good, sizeof good, "sha-256 %s", dtls_context_fingerprint(rig_client_dtls));
    (void)snprintf(weak, sizeof weak, "sha-1 %s", dtls_context_fingerprint(rig_client_dtls));
    const char *bad[] = {"", "sha-256", "sha-256 ", "sha-256 AB:CD", "sha-256 zz",
        "a-very-long-algorithm AB:CD", "sha-512 AB:CD"};
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        int err = transport_remote(rig.server, ufrag, bad[i], false, virtual_now_us);
        assert_true(err == -EINVAL || err == -EOPNOTSUPP);
        assert_false(transport_has_remote(rig.server));
    }
    assert_int_equal(transport_remote(rig.server, ufrag, weak, false, virtual_now_us), -EOPNOTSUPP);
    assert_int_equal(transport_remote(rig.server, "a b", good, false, virtual_now_us), -EINVAL);
    assert_int_equal(transport_remote(rig.server, "", good, false, virtual_now_us), -EINVAL);
    assert_false(transport_has_remote(rig.server));
    assert_int_equal(transport_remote(rig.server, ufrag, good, false, virtual_now_us), 0);
    assert_int_equal(transport_remote(rig.server, ufrag, good, false, virtual_now_us), -EALREADY);
    assert_true(rig_run(&rig, 10 * RIG_SECOND, rig_connected));
    rig_done(&rig);
}

static bool failed(const struct transport_rig *r)
{
    return rig_last_state(r) == TRANSPORT_FAILED;
}

static void another_certificate_fails_and_says_why(void **state)
{
    (void)state;
    for (uint64_t seed = 0; seed < 10; seed++) {
        enum dtls_role role = seed & 1 ? DTLS_CLIENT : DTLS_SERVER;
        rig_init(&rig, seed, role, true);
        char fingerprint[160];
        (void)snprintf(
            fingerprint, sizeof fingerprint, "sha-256 %s", dtls_context_fingerprint(rig_other_dtls));
        assert_int_equal(transport_remote(rig.server, rig.client.ice.local.ufrag, fingerprint,
                             role == DTLS_CLIENT, virtual_now_us),
            0);
        assert_true(rig_run(&rig, 30 * RIG_SECOND, failed));
        assert_int_equal(rig.state_count, 1);
        assert_non_null(strstr(rig.states[0].text, "fingerprint"));
        assert_null(transport_tx(rig.server));
        assert_int_equal(transport_write(rig.server, (const uint8_t *)"x", 1), -ENOTCONN);
        rig_run(&rig, 60 * RIG_SECOND, NULL); /* and stays so, whatever checks say */
        assert_int_equal(rig.state_count, 1);
        assert_true(rig.client.closed);
        rig_done(&rig);
    }
}

static void a_handshake_that_stops_times_out(void **state)
{
    (void)state;
    rig_init(&rig, 1, DTLS_SERVER, false);
    rig.client.data_paused = true;
    assert_false(rig_run(&rig, 29 * RIG_SECOND, failed));
    int64_t paired_us = virtual_now_us - 29 * RIG_SECOND;
    assert_true(rig_run(&rig, 5 * RIG_SECOND, failed));
    assert_non_null(strstr(rig.states[0].text, "timed out"));
    assert_in_range(rig.states[0].at_us - paired_us, DTLS_HANDSHAKE_US, DTLS_HANDSHAKE_US + RIG_SECOND);
    rig_done(&rig);
}

static bool client_closed(const struct transport_rig *r)
{
    return r->client.closed;
}

static bool closed(const struct transport_rig *r)
{
    return rig_last_state(r) == TRANSPORT_CLOSED;
}

static void goodbyes_arrive(void **state)
{
    (void)state;
    for (uint64_t seed = 0; seed < 4; seed++) {
        rig_init(&rig, seed, seed & 1 ? DTLS_CLIENT : DTLS_SERVER, false);
        assert_true(rig_run(&rig, 10 * RIG_SECOND, rig_connected));
        if (seed & 2) {
            transport_close(rig.server);
            assert_true(rig_run(&rig, RIG_SECOND, client_closed));
            assert_int_equal(rig.client.why, DTLS_CLOSED_PEER);
            assert_int_equal(rig.state_count, 1); /* no news to who closed it */
        } else {
            dtls_session_close(rig.client.dtls);
            assert_true(rig_run(&rig, RIG_SECOND, closed));
            rig_run(&rig, 40 * RIG_SECOND, NULL); /* the silence after it is no news either */
            assert_int_equal(rig.state_count, 2);
        }
        assert_int_equal(transport_write(rig.server, (const uint8_t *)"x", 1), -ENOTCONN);
        rig_done(&rig);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_teardown(handshakes_complete_over_bad_links, transport_rig_teardown),
        cmocka_unit_test_teardown(credentials_may_come_late, transport_rig_teardown),
        cmocka_unit_test_teardown(
            an_early_client_hello_is_answered_when_the_client_is_known, transport_rig_teardown),
        cmocka_unit_test_teardown(the_remote_user_is_checked_once_known, transport_rig_teardown),
        cmocka_unit_test_teardown(
            bad_credentials_are_refused_and_good_ones_taken_after_them, transport_rig_teardown),
        cmocka_unit_test_teardown(another_certificate_fails_and_says_why, transport_rig_teardown),
        cmocka_unit_test_teardown(a_handshake_that_stops_times_out, transport_rig_teardown),
        cmocka_unit_test_teardown(goodbyes_arrive, transport_rig_teardown),
    };
    return cmocka_run_group_tests(tests, transport_rig_begin, transport_rig_end);
}
