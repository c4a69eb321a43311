/* Two sessions against each other, over good and bad links, in virtual time. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>
#include <errno.h>
#include <malloc.h>
#include <openssl/err.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "dtls/session_private.h"
#include "support/bad_link.h"
#include "support/virtual_time.h"

/* ---- two peers ---- */

#define DATA_MAX 64

struct peer {
    struct dtls_session *session;
    int number;
    int established, closed;
    struct dtls_keys keys;
    enum dtls_close why;
    char text[128];
    uint8_t data[DATA_MAX][DTLS_RECORD_MAX];
    size_t data_len[DATA_MAX];
    int data_count;
    bool echo;
    bool close_on_data;
};

static struct dtls_context *contexts[2];
static struct bad_link the_link;
static struct peer peers[2];

static void on_send(void *arg, const uint8_t *data, size_t len)
{
    struct peer *p = arg;
    assert_in_range(len, 14, DTLS_MTU);
    bad_link_send(&the_link, !p->number, &(struct path){0}, data, len, virtual_now_us);
}

static void on_established(void *arg, const struct dtls_keys *keys)
{
    struct peer *p = arg;
    assert_int_equal(p->closed, 0);
    p->established++;
    p->keys = *keys;
    /* A session may be written to from here on. */
    assert_true(dtls_session_is_established(p->session));
}

static void on_data(void *arg, const uint8_t *data, size_t len)
{
    struct peer *p = arg;
    assert_int_equal(p->established, 1);
    assert_int_equal(p->closed, 0);
    assert_true(p->data_count < DATA_MAX);
    memcpy(p->data[p->data_count], data, len);
    p->data_len[p->data_count++] = len;
    if (p->echo)
        assert_int_equal(dtls_session_write(p->session, data, len), 0);
    if (p->close_on_data)
        dtls_session_close(p->session);
}

static void on_closed(void *arg, enum dtls_close why, const char *text)
{
    struct peer *p = arg;
    p->closed++;
    p->why = why;
    (void)snprintf(p->text, sizeof p->text, "%s", text);
    assert_true(*text != '\0');
    assert_int_equal(dtls_session_write(p->session, (const uint8_t *)"x", 1), -ENOTCONN);
}

static const struct dtls_ops ops = {on_send, on_established, on_data, on_closed};

/* ---- the run ---- */

static void add_fingerprint_of(struct peer *p, const struct dtls_context *c)
{
    assert_int_equal(
        dtls_session_fingerprint_add(p->session, "sha-256", dtls_context_fingerprint(c), virtual_now_us), 0);
}

static void open_peers(void)
{
    memset(peers, 0, sizeof peers);
    bad_link_init(&the_link, 1);
    the_link.delay_us = 10000;
    for (int i = 0; i < 2; i++) {
        peers[i].number = i;
        assert_int_equal(
            dtls_session_new(contexts[i], i ? DTLS_SERVER : DTLS_CLIENT, &ops, &peers[i], &peers[i].session),
            0);
    }
}

static void open_and_start(void)
{
    open_peers();
    add_fingerprint_of(&peers[0], contexts[1]);
    add_fingerprint_of(&peers[1], contexts[0]);
    dtls_session_start(peers[1].session, virtual_now_us);
    dtls_session_start(peers[0].session, virtual_now_us);
}

static void close_peers(void)
{
    for (int i = 0; i < 2; i++)
        dtls_session_free(peers[i].session);
    bad_link_done(&the_link);
    /* Errors must not stay in OpenSSL's queue of this thread, for others to find. */
    assert_int_equal(ERR_peek_error(), 0);
}

/* Runs until end_us, or until both are established or nothing is left to do. */
static void run(int64_t end_us, bool until_established)
{
    while (virtual_now_us < end_us) {
        if (until_established && peers[0].established && peers[1].established)
            return;
        int64_t next_us = bad_link_next_us(&the_link);
        struct peer *timer = NULL;
        if (next_us > end_us)
            next_us = end_us;
        for (int i = 0; i < 2; i++) {
            int64_t t = dtls_session_next_timeout_us(peers[i].session);
            if (t < next_us) {
                next_us = t;
                timer = &peers[i];
            }
        }
        if (next_us > virtual_now_us)
            virtual_now_us = next_us;
        if (timer) {
            int64_t before_us = dtls_session_next_timeout_us(timer->session);
            dtls_session_timeout(timer->session, virtual_now_us);
            assert_true(dtls_session_next_timeout_us(timer->session) > before_us); /* it never spins */
        } else if (virtual_now_us < end_us) {
            struct bad_datagram *d = bad_link_take(&the_link, virtual_now_us);
            dtls_session_input(peers[d->to].session, d->data, d->len, virtual_now_us);
            free(d);
        }
    }
}

static void expect_established(void)
{
    for (int i = 0; i < 2; i++) {
        assert_int_equal(peers[i].established, 1);
        assert_int_equal(peers[i].closed, 0);
        assert_true(dtls_session_is_established(peers[i].session));
        assert_string_equal(dtls_session_cipher(peers[i].session), "ECDHE-ECDSA-AES128-GCM-SHA256");
    }
    assert_int_equal(peers[0].keys.srtp_profile, 7);
    assert_int_equal(peers[0].keys.key_len, 16);
    assert_int_equal(peers[0].keys.salt_len, 12);
    assert_memory_equal(&peers[0].keys.local, &peers[1].keys.remote, sizeof peers[0].keys.local);
    assert_memory_equal(&peers[0].keys.remote, &peers[1].keys.local, sizeof peers[0].keys.remote);
    assert_memory_not_equal(peers[0].keys.local.key, peers[0].keys.remote.key, 16);
    assert_memory_not_equal(peers[0].keys.local.salt, peers[0].keys.remote.salt, 12);
}

static void expect_data_flows(void)
{
    uint8_t record[DTLS_PAYLOAD_MAX];
    the_link.loss = the_link.duplicate = 0;
    for (int i = 0; i < 2; i++) {
        int had = peers[!i].data_count;
        memset(record, 'a' + i, sizeof record);
        assert_int_equal(dtls_session_write(peers[i].session, record, sizeof record), 0);
        assert_int_equal(dtls_session_write(peers[i].session, record, 1), 0);
        run(virtual_now_us + 1000000, false);
        assert_int_equal(peers[!i].data_count, had + 2);
        size_t whole = peers[!i].data_len[had] == 1; /* jitter may swap the two */
        assert_int_equal(peers[!i].data_len[had + (int)whole], sizeof record);
        assert_memory_equal(peers[!i].data[had + (int)whole], record, sizeof record);
    }
}

static int make_contexts(void **state)
{
    (void)state;
    for (int i = 0; i < 2; i++) {
        struct cert *cert = NULL;
        if (cert_make(&(struct cert_subject){.days = 30}, &cert, NULL) < 0 ||
            dtls_context_new(cert, &contexts[i]) < 0)
            return -1;
        assert_string_equal(dtls_context_fingerprint(contexts[i]), cert_fingerprint(cert));
        cert_free(cert);
    }
    return 0;
}

static int free_contexts(void **state)
{
    (void)state;
    for (int i = 0; i < 2; i++)
        dtls_context_free(contexts[i]);
    return 0;
}

/* ---- good links ---- */

static void a_handshake_takes_two_round_trips(void **state)
{
    int64_t start_us = virtual_now_us;
    struct dtls_stats stats;
    (void)state;
    open_and_start();
    run(virtual_now_us + 30000000, true);
    expect_established();
    assert_int_equal(virtual_now_us - start_us, 40000);
    for (int i = 0; i < 2; i++) {
        assert_int_equal(dtls_session_next_timeout_us(peers[i].session), INT64_MAX);
        dtls_session_stats(peers[i].session, &stats);
        assert_int_equal(stats.retransmissions, 0);
        assert_int_equal(stats.dropped, 0);
        assert_in_range(stats.datagrams_out, 2, 5);
    }
    expect_data_flows();
    close_peers();
}

/* RFC 5764, section 4.2: client key, server key, client salt, server salt. */
static void keys_are_cut_as_rfc_5764_says(void **state)
{
    uint8_t material[56];
    (void)state;
    open_and_start();
    run(virtual_now_us + 30000000, true);
    assert_int_equal(SSL_export_keying_material(peers[0].session->ssl, material, sizeof material,
                         "EXTRACTOR-dtls_srtp", 19, NULL, 0, 0),
        1);
    assert_int_equal(dtls_session_role(peers[0].session), DTLS_CLIENT);
    assert_memory_equal(peers[0].keys.local.key, material, 16);
    assert_memory_equal(peers[0].keys.remote.key, material + 16, 16);
    assert_memory_equal(peers[0].keys.local.salt, material + 32, 12);
    assert_memory_equal(peers[0].keys.remote.salt, material + 44, 12);
    close_peers();
}

static void profiles_are_taken_in_our_order(void **state)
{
    static const struct {
        const char *offered;
        int chosen, key_len, salt_len;
    } cases[] = {
        {"SRTP_AES128_CM_SHA1_80", 1, 16, 14},
        {"SRTP_AES128_CM_SHA1_80:SRTP_AEAD_AES_256_GCM", 8, 32, 12},
        {"SRTP_AES128_CM_SHA1_32:SRTP_AES128_CM_SHA1_80:SRTP_AEAD_AES_256_GCM:SRTP_AEAD_AES_128_GCM", 7, 16,
            12},
        {"SRTP_AES128_CM_SHA1_32", 0, 0, 0},
    };
    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        open_peers();
        add_fingerprint_of(&peers[0], contexts[1]);
        add_fingerprint_of(&peers[1], contexts[0]);
        assert_int_equal(SSL_set_tlsext_use_srtp(peers[0].session->ssl, cases[i].offered), 0);
        dtls_session_start(peers[0].session, virtual_now_us);
        run(virtual_now_us + 30000000, true);
        for (int k = 0; k < 2; k++) {
            assert_int_equal(peers[k].established, 1);
            assert_int_equal(peers[k].keys.srtp_profile, cases[i].chosen);
            assert_int_equal(peers[k].keys.key_len, cases[i].key_len);
            assert_int_equal(peers[k].keys.salt_len, cases[i].salt_len);
        }
        assert_memory_equal(&peers[0].keys.local, &peers[1].keys.remote, sizeof peers[0].keys.local);
        close_peers();
    }
}

static void records_may_be_answered_from_the_callback(void **state)
{
    uint8_t record[100] = {1, 2, 3};
    (void)state;
    open_and_start();
    run(virtual_now_us + 30000000, true);
    peers[1].echo = true;
    for (int i = 0; i < 10; i++)
        assert_int_equal(dtls_session_write(peers[0].session, record, sizeof record), 0);
    run(virtual_now_us + 1000000, false);
    assert_int_equal(peers[0].data_count, 10);
    close_peers();
}

static void writes_are_bounded(void **state)
{
    uint8_t record[DTLS_PAYLOAD_MAX + 1] = {0};
    (void)state;
    open_and_start();
    assert_int_equal(dtls_session_write(peers[0].session, record, 1), -ENOTCONN);
    run(virtual_now_us + 30000000, true);
    assert_int_equal(dtls_session_write(peers[0].session, record, sizeof record), -EMSGSIZE);
    assert_int_equal(dtls_session_write(peers[0].session, record, 0), -EMSGSIZE);
    close_peers();
}

/* ---- bad links ---- */

static void handshakes_survive_bad_links(void **state)
{
    unsigned retransmissions = 0, worst_ms = 0;
    struct dtls_stats stats;
    (void)state;
    for (uint32_t seed = 1; seed <= 400; seed++) {
        int64_t start_us = virtual_now_us;
        open_and_start();
        the_link.random = seeded_of(seed);
        the_link.loss = seed % 4 * 10; /* 0 to 30 percent: a flight is up to three datagrams */
        the_link.duplicate = seed % 3 * 10;
        the_link.jitter_us = seed % 5 * 30000;
        run(virtual_now_us + 30000000, true);
        if (!peers[0].established || !peers[1].established)
            print_message("# seed %u\n", seed);
        expect_established();
        if ((virtual_now_us - start_us) / 1000 > worst_ms)
            worst_ms = (unsigned)((virtual_now_us - start_us) / 1000);
        expect_data_flows();
        for (int i = 0; i < 2; i++) {
            dtls_session_stats(peers[i].session, &stats);
            retransmissions += stats.retransmissions;
        }
        close_peers();
    }
    print_message("# 400 handshakes, %u retransmissions, worst %u ms\n", retransmissions, worst_ms);
    assert_in_range(retransmissions, 200, 4000);
}

static void a_lost_last_flight_is_sent_again_on_request(void **state)
{
    (void)state;
    open_and_start();
    run(virtual_now_us + 35000, true); /* the server has the client's last flight; its own is under way */
    assert_int_equal(peers[1].established, 1);
    assert_int_equal(peers[0].established, 0);
    int lost = 0;
    for (struct bad_datagram *d; (d = bad_link_take(&the_link, INT64_MAX)); lost++)
        free(d);
    assert_true(lost > 0);
    run(virtual_now_us + 30000000, true);
    expect_established();
    expect_data_flows();
    close_peers();
}

static void silence_ends_in_a_timeout(void **state)
{
    int64_t start_us = virtual_now_us;
    struct dtls_stats stats;
    (void)state;
    open_and_start();
    the_link.loss = 100;
    run(virtual_now_us + 60000000, true);
    for (int i = 0; i < 2; i++) {
        assert_int_equal(peers[i].closed, 1);
        assert_int_equal(peers[i].why, DTLS_FAILED_TIMEOUT);
        assert_int_equal(dtls_session_next_timeout_us(peers[i].session), INT64_MAX);
    }
    dtls_session_stats(peers[0].session, &stats);
    assert_in_range(stats.retransmissions, 8, 14);
    assert_true(virtual_now_us - start_us >= 15000000);
    close_peers();
}

static void a_server_waits_without_a_clock_until_it_is_started(void **state)
{
    (void)state;
    open_peers();
    assert_int_equal(dtls_session_next_timeout_us(peers[1].session), INT64_MAX);
    dtls_session_start(peers[1].session, virtual_now_us);
    assert_int_equal(dtls_session_next_timeout_us(peers[1].session), virtual_now_us + DTLS_HANDSHAKE_US);
    close_peers();
}

static void reordered_data_arrives_and_replayed_data_does_not(void **state)
{
    uint8_t record[2] = {0};
    (void)state;
    open_and_start();
    run(virtual_now_us + 30000000, true);
    the_link.jitter_us = 500000;
    the_link.duplicate = 100;
    for (uint8_t i = 0; i < 32; i++) {
        record[0] = i;
        assert_int_equal(dtls_session_write(peers[0].session, record, sizeof record), 0);
    }
    run(virtual_now_us + 2000000, false);
    assert_int_equal(peers[1].data_count, 32);
    uint32_t seen = 0;
    for (int i = 0; i < 32; i++)
        seen |= 1u << peers[1].data[i][0];
    assert_int_equal(seen, 0xffffffff);
    close_peers();
}

/* ---- fingerprints ---- */

static void swap_fingerprint(struct peer *p)
{
    char text[CERT_FINGERPRINT_SIZE];
    memcpy(text, dtls_context_fingerprint(contexts[p == &peers[0]]), sizeof text);
    text[0] = text[0] == 'A' ? 'B' : 'A';
    assert_int_equal(dtls_session_fingerprint_add(p->session, "sha-256", text, virtual_now_us), 0);
}

static void a_wrong_certificate_is_refused_by_either_side(void **state)
{
    (void)state;
    for (int wronged = 0; wronged < 2; wronged++) {
        open_peers();
        swap_fingerprint(&peers[wronged]);
        add_fingerprint_of(&peers[!wronged], contexts[wronged]);
        dtls_session_start(peers[0].session, virtual_now_us);
        run(virtual_now_us + 60000000, true);
        assert_int_equal(peers[wronged].established, 0);
        assert_int_equal(peers[wronged].closed, 1);
        assert_int_equal(peers[wronged].why, DTLS_FAILED_FINGERPRINT);
        assert_int_equal(peers[!wronged].established, 0);
        assert_int_equal(peers[!wronged].closed, 1);
        assert_int_equal(peers[!wronged].why, DTLS_FAILED_ALERT);
        assert_non_null(strstr(peers[!wronged].text, "bad certificate"));
        close_peers();
    }
}

static void the_handshake_waits_for_a_late_fingerprint(void **state)
{
    struct dtls_stats stats;
    (void)state;
    for (int late = 0; late < 2; late++) {
        for (int wrong = 0; wrong < 2; wrong++) {
            struct peer *p = &peers[late];
            open_peers();
            add_fingerprint_of(&peers[!late], contexts[late]);
            dtls_session_start(peers[0].session, virtual_now_us);
            dtls_session_start(peers[1].session, virtual_now_us);
            run(virtual_now_us + 500000, true);
            assert_int_equal(peers[!late].established, 1);
            assert_int_equal(p->established, 0);
            assert_int_equal(dtls_session_write(p->session, (const uint8_t *)"x", 1), -ENOTCONN);
            assert_int_equal(dtls_session_write(peers[!late].session, (const uint8_t *)"x", 1), 0);
            run(virtual_now_us + 500000, true);
            dtls_session_stats(p->session, &stats);
            assert_int_equal(stats.early_data, 1);
            assert_int_equal(p->data_count, 0);
            if (wrong) {
                swap_fingerprint(p);
                assert_int_equal(p->established, 0);
                assert_int_equal(p->why, DTLS_FAILED_FINGERPRINT);
                run(virtual_now_us + 500000, false);
                assert_int_equal(peers[!late].why, DTLS_CLOSED_PEER);
            } else {
                add_fingerprint_of(p, contexts[!late]);
                expect_established();
                expect_data_flows();
            }
            close_peers();
        }
    }
}

static void a_fingerprint_that_never_comes_times_out(void **state)
{
    (void)state;
    open_peers();
    add_fingerprint_of(&peers[0], contexts[1]);
    dtls_session_start(peers[1].session, virtual_now_us);
    dtls_session_start(peers[0].session, virtual_now_us);
    run(virtual_now_us + 40000000, true);
    assert_int_equal(peers[1].why, DTLS_FAILED_TIMEOUT);
    assert_int_equal(peers[1].established, 0);
    close_peers();
}

static void other_hashes(struct peer *p, const EVP_MD *md, const char *name, int expected)
{
    uint8_t hash[EVP_MAX_MD_SIZE];
    char text[3 * EVP_MAX_MD_SIZE + 1] = "";
    unsigned len = 0;
    const X509 *cert = SSL_get_certificate(peers[p == &peers[0]].session->ssl);
    assert_int_equal(X509_digest(cert, md, hash, &len), 1);
    for (unsigned i = 0; i < len; i++)
        (void)snprintf(text + strlen(text), 4, "%s%02x", i ? ":" : "", hash[i]);
    assert_int_equal(dtls_session_fingerprint_add(p->session, name, text, virtual_now_us), expected);
}

static void other_hashes_and_several_fingerprints_are_understood(void **state)
{
    (void)state;
    open_peers();
    swap_fingerprint(&peers[0]);
    other_hashes(&peers[0], EVP_sha384(), "SHA-384", 0);
    other_hashes(&peers[1], EVP_sha1(), "sha-1", -EOPNOTSUPP);
    other_hashes(&peers[1], EVP_sha512(), "sha-512", 0);
    dtls_session_start(peers[0].session, virtual_now_us);
    run(virtual_now_us + 30000000, true);
    expect_established();
    close_peers();
}

static void bad_fingerprints_are_refused(void **state)
{
    static const char good[] = "00:11:22:33:44:55:66:77:88:99:AA:BB:CC:DD:EE:FF:"
                               "00:11:22:33:44:55:66:77:88:99:aa:bb:cc:dd:ee:ff";
    char text[sizeof good + 8];
    (void)state;
    open_peers();
    struct dtls_session *s = peers[0].session;
    static const char *const unknown[] = {"", "sha-1", "md5", "sha256", "sha-224", "sha-256 "};
    for (size_t i = 0; i < sizeof unknown / sizeof unknown[0]; i++)
        assert_int_equal(dtls_session_fingerprint_add(s, unknown[i], good, virtual_now_us), -EOPNOTSUPP);
    for (size_t cut = 0; cut < sizeof good - 1; cut++) {
        (void)snprintf(text, sizeof text, "%.*s", (int)cut, good);
        assert_int_equal(dtls_session_fingerprint_add(s, "sha-256", text, virtual_now_us), -EINVAL);
        memcpy(text, good, sizeof good);
        text[cut] = 'x';
        assert_int_equal(dtls_session_fingerprint_add(s, "sha-256", text, virtual_now_us), -EINVAL);
    }
    (void)snprintf(text, sizeof text, "%s:00", good);
    assert_int_equal(dtls_session_fingerprint_add(s, "sha-256", text, virtual_now_us), -EINVAL);
    for (int i = 0; i < DTLS_FINGERPRINTS_MAX; i++)
        assert_int_equal(dtls_session_fingerprint_add(s, "sha-256", good, virtual_now_us), 0);
    assert_int_equal(dtls_session_fingerprint_add(s, "sha-256", good, virtual_now_us), -ENOSPC);
    close_peers();
}

/* ---- the end ---- */

static void a_close_tells_the_peer(void **state)
{
    struct dtls_stats before, after;
    (void)state;
    for (int closer = 0; closer < 2; closer++) {
        open_and_start();
        run(virtual_now_us + 30000000, true);
        dtls_session_close(peers[closer].session);
        assert_int_equal(peers[closer].why, DTLS_CLOSED_LOCAL);
        run(virtual_now_us + 1000000, false);
        assert_int_equal(peers[!closer].closed, 1);
        assert_int_equal(peers[!closer].why, DTLS_CLOSED_PEER);
        dtls_session_close(peers[closer].session);
        dtls_session_close(peers[!closer].session);
        dtls_session_stats(peers[closer].session, &before);
        dtls_session_input(
            peers[closer].session, (const uint8_t *)"\x16\xfe\xfd..........", 13, virtual_now_us);
        dtls_session_timeout(peers[closer].session, virtual_now_us + 60000000);
        dtls_session_stats(peers[closer].session, &after);
        assert_int_equal(after.dropped, before.dropped + 1);
        for (int i = 0; i < 2; i++)
            assert_int_equal(peers[i].closed, 1);
        close_peers();
    }
}

static void a_session_may_be_closed_from_a_callback(void **state)
{
    (void)state;
    open_and_start();
    run(virtual_now_us + 30000000, true);
    peers[1].close_on_data = true;
    for (int i = 0; i < 3; i++)
        assert_int_equal(dtls_session_write(peers[0].session, (const uint8_t *)"x", 1), 0);
    run(virtual_now_us + 1000000, false);
    assert_int_equal(peers[1].data_count, 1);
    assert_int_equal(peers[1].why, DTLS_CLOSED_LOCAL);
    assert_int_equal(peers[0].why, DTLS_CLOSED_PEER);
    close_peers();
}

static void a_session_closed_before_its_handshake_sends_nothing(void **state)
{
    (void)state;
    open_peers();
    dtls_session_close(peers[0].session);
    dtls_session_start(peers[0].session, virtual_now_us);
    assert_int_equal(the_link.sent, 0);
    assert_int_equal(peers[0].why, DTLS_CLOSED_LOCAL);
    close_peers();
}

/* ---- strangers ---- */

static void junk_does_not_disturb_an_established_session(void **state)
{
    uint8_t junk[DTLS_RECORD_MAX + 8];
    struct dtls_stats before, after;
    (void)state;
    open_and_start();
    run(virtual_now_us + 30000000, true);
    dtls_session_stats(peers[1].session, &before);
    for (unsigned i = 0; i < 20000; i++) {
        size_t len = (uint32_t)seeded_u64(&the_link.random) % (i % 2 ? 60 : sizeof junk);
        for (size_t k = 0; k < len; k++)
            junk[k] = (uint8_t)(uint32_t)seeded_u64(&the_link.random);
        if (len > 13 && i % 4) { /* looks like a record */
            junk[0] = (uint8_t)(20 + (uint32_t)seeded_u64(&the_link.random) % 5);
            junk[1] = 0xfe;
            junk[2] = 0xfd;
            memset(junk + 3, 0, 7);
            junk[4] = i % 3 == 0;
            junk[11] = (uint8_t)((len - 13) >> 8);
            junk[12] = (uint8_t)(len - 13);
        }
        dtls_session_input(peers[1].session, junk, len, virtual_now_us);
    }
    dtls_session_stats(peers[1].session, &after);
    assert_true(after.dropped > before.dropped);
    assert_int_equal(peers[1].closed, 0);
    expect_established();
    expect_data_flows();
    close_peers();
}

/* Neither in a datagram of its own nor behind a good record does one too short for nonce and tag do anything.
 */
static void short_records_are_dropped(void **state)
{
    uint8_t text[4] = "abc", joined[256];
    struct dtls_stats before, after;
    (void)state;
    open_and_start();
    run(virtual_now_us + 30000000, true);
    dtls_session_stats(peers[1].session, &before);
    for (uint8_t type = 20; type < 25; type++) {
        for (uint8_t body = 0; body < 24; body++) {
            uint8_t record[13 + 24] = {type, 0xfe, 0xfd, 0, 1, 0, 0, 0, 1, type, body, 0, body};
            dtls_session_input(peers[1].session, record, 13u + body, virtual_now_us);
        }
    }
    dtls_session_stats(peers[1].session, &after);
    assert_int_equal(after.dropped - before.dropped, 5 * 24);
    assert_int_equal(after.datagrams_in, before.datagrams_in);
    assert_int_equal(peers[1].closed, 0);

    static const uint8_t tail[] = {20, 0xfe, 0xfd, 0, 1, 0, 0, 0, 2, 0, 0, 0, 1, 1};
    assert_int_equal(dtls_session_write(peers[0].session, text, sizeof text), 0);
    size_t len = the_link.flying[0]->len;
    assert_true(len + sizeof tail <= sizeof joined);
    memcpy(joined, the_link.flying[0]->data, len);
    memcpy(joined + len, tail, sizeof tail);
    dtls_session_input(peers[1].session, joined, len + sizeof tail, virtual_now_us);
    assert_int_equal(peers[1].data_count, 1);
    assert_int_equal(peers[1].closed, 0);
    run(virtual_now_us + 1000000, false);
    expect_data_flows();
    close_peers();
}

static void tampered_records_are_dropped(void **state)
{
    uint8_t record[50] = {7};
    (void)state;
    open_and_start();
    run(virtual_now_us + 30000000, true);
    for (size_t i = 0; i < 13 + 8 + sizeof record + 16; i++) {
        assert_int_equal(dtls_session_write(peers[0].session, record, sizeof record), 0);
        assert_int_equal(the_link.count, 1);
        the_link.flying[0]->data[i] ^= 1;
        run(virtual_now_us + 100000, false);
    }
    /* A changed version or record type of application data may pass as nothing else does: neither must yield
     * data. */
    assert_int_equal(peers[1].data_count, 0);
    assert_int_equal(peers[1].closed, 0);
    expect_data_flows();
    close_peers();
}

static void a_new_client_hello_does_not_restart_an_established_session(void **state)
{
    struct bad_datagram hello;
    (void)state;
    open_and_start();
    hello = *the_link.flying[0];
    run(virtual_now_us + 30000000, true);
    dtls_session_input(peers[1].session, hello.data, hello.len, virtual_now_us);
    run(virtual_now_us + 1000000, false);
    expect_established();
    expect_data_flows();
    close_peers();
}

/* ---- memory ---- */

static void memory_of_an_idle_session(void **state)
{
#define SESSIONS 20
    static struct dtls_session *clients[SESSIONS], *servers[SESSIONS];
    (void)state;
    struct mallinfo2 before = mallinfo2();
    for (int i = 0; i < SESSIONS; i++) {
        open_and_start();
        run(virtual_now_us + 30000000, true);
        expect_established();
        bad_link_done(&the_link);
        clients[i] = peers[0].session;
        servers[i] = peers[1].session;
    }
    struct mallinfo2 both = mallinfo2();
    for (int i = 0; i < SESSIONS; i++)
        dtls_session_free(clients[i]);
    struct mallinfo2 one = mallinfo2();
    for (int i = 0; i < SESSIONS; i++)
        dtls_session_free(servers[i]);
    size_t client = (both.uordblks - one.uordblks) / SESSIONS,
           server = (one.uordblks - before.uordblks) / SESSIONS;
    print_message("# idle client %zu bytes, server %zu bytes\n", client, server);
    /* Under a sanitizer the allocator is another one and counts nothing. */
    if (both.uordblks > before.uordblks)
        assert_true(server < 45000);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_handshake_takes_two_round_trips),
        cmocka_unit_test(keys_are_cut_as_rfc_5764_says),
        cmocka_unit_test(profiles_are_taken_in_our_order),
        cmocka_unit_test(records_may_be_answered_from_the_callback),
        cmocka_unit_test(writes_are_bounded),
        cmocka_unit_test(handshakes_survive_bad_links),
        cmocka_unit_test(a_lost_last_flight_is_sent_again_on_request),
        cmocka_unit_test(silence_ends_in_a_timeout),
        cmocka_unit_test(a_server_waits_without_a_clock_until_it_is_started),
        cmocka_unit_test(reordered_data_arrives_and_replayed_data_does_not),
        cmocka_unit_test(a_wrong_certificate_is_refused_by_either_side),
        cmocka_unit_test(the_handshake_waits_for_a_late_fingerprint),
        cmocka_unit_test(a_fingerprint_that_never_comes_times_out),
        cmocka_unit_test(other_hashes_and_several_fingerprints_are_understood),
        cmocka_unit_test(bad_fingerprints_are_refused),
        cmocka_unit_test(a_close_tells_the_peer),
        cmocka_unit_test(a_session_may_be_closed_from_a_callback),
        cmocka_unit_test(a_session_closed_before_its_handshake_sends_nothing),
        cmocka_unit_test(junk_does_not_disturb_an_established_session),
        cmocka_unit_test(short_records_are_dropped),
        cmocka_unit_test(tampered_records_are_dropped),
        cmocka_unit_test(a_new_client_hello_does_not_restart_an_established_session),
        cmocka_unit_test(memory_of_an_idle_session),
    };
    return cmocka_run_group_tests(tests, make_contexts, free_contexts);
}
