/* What srtp_rx and srtp_tx let pass: replays, the nonce law, SSRCs that come and go. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>
#include <errno.h>
#include <malloc.h>
#include <stdlib.h>
#include <string.h>
#include "base/cursor.h"
#include "srtp/backend.h"

#define OUT_MAX 256

static const uint8_t key[SRTP_KEY_MAX] = {1, 2, 3}, salt[SRTP_SALT_MAX] = {4, 5, 6};
static const enum srtp_profile profiles[] = {
    SRTP_PROFILE_AES128_CM_SHA1_80, SRTP_PROFILE_AEAD_AES_128_GCM, SRTP_PROFILE_AEAD_AES_256_GCM};
#define PROFILES (sizeof profiles / sizeof profiles[0])

static struct srtp_tx *tx_open(enum srtp_profile p)
{
    struct srtp_tx *tx = NULL;
    assert_int_equal(srtp_tx_new(p, key, salt, &tx), 0);
    return tx;
}

static struct srtp_rx *rx_open(enum srtp_profile p)
{
    struct srtp_rx *rx = NULL;
    assert_int_equal(srtp_rx_new(p, key, salt, &rx), 0);
    return rx;
}

static void header_make(uint8_t header[12], uint32_t ssrc, uint64_t index)
{
    struct writer w = writer_of(header, 12);
    writer_u16(&w, 0x8060);
    writer_u16(&w, (uint16_t)index);
    writer_u32(&w, 1);
    writer_u32(&w, ssrc);
}

/* Sends one packet of 20 bytes; its length, or the error. */
static int send_rtp(struct srtp_tx *tx, uint32_t ssrc, uint64_t index, uint8_t out[OUT_MAX])
{
    static const uint8_t payload[20] = "payload";
    uint8_t header[12];
    header_make(header, ssrc, index);
    struct srtp_tx_job j = {.tx = tx,
        .ssrc = ssrc,
        .index = index,
        .header = header,
        .header_len = sizeof header,
        .payload = payload,
        .payload_len = sizeof payload,
        .out = out,
        .out_cap = OUT_MAX};
    size_t good = srtp_tx_run(&j, 1);
    assert_int_equal(good, j.ret_err == 0);
    return j.ret_err ? j.ret_err : (int)j.ret_len;
}

static int send_rtcp(struct srtp_tx *tx, uint32_t ssrc, uint8_t out[OUT_MAX])
{
    struct writer w = writer_of(out, OUT_MAX);
    writer_u32(&w, 0x80c90002);
    writer_u32(&w, ssrc);
    writer_u32(&w, 42);
    size_t len = w.len;
    int r = srtp_tx_rtcp(tx, out, &len, OUT_MAX);
    return r ? r : (int)len;
}

static int receive(struct srtp_rx *rx, const uint8_t *packet, int len, uint64_t *ret_index)
{
    uint8_t copy[OUT_MAX];
    size_t n = (size_t)len;
    memcpy(copy, packet, n);
    return srtp_rx_rtp(rx, copy, &n, ret_index);
}

static int receive_rtcp(struct srtp_rx *rx, const uint8_t *packet, int len, uint32_t *ret_index)
{
    uint8_t copy[OUT_MAX];
    size_t n = (size_t)len;
    memcpy(copy, packet, n);
    return srtp_rx_rtcp(rx, copy, &n, ret_index);
}

/* ---- profiles ---- */

static void profiles_have_the_lengths_of_their_rfcs(void **state)
{
    struct srtp_tx *tx = NULL;
    struct srtp_rx *rx = NULL;
    (void)state;
    assert_int_equal(srtp_profile_key_len(SRTP_PROFILE_AES128_CM_SHA1_80), 16);
    assert_int_equal(srtp_profile_salt_len(SRTP_PROFILE_AES128_CM_SHA1_80), 14);
    assert_int_equal(srtp_profile_rtp_trailer(SRTP_PROFILE_AES128_CM_SHA1_80), 10);
    assert_int_equal(srtp_profile_rtcp_trailer(SRTP_PROFILE_AES128_CM_SHA1_80), 14);
    assert_int_equal(srtp_profile_key_len(SRTP_PROFILE_AEAD_AES_256_GCM), 32);
    assert_int_equal(srtp_profile_salt_len(SRTP_PROFILE_AEAD_AES_256_GCM), 12);
    assert_int_equal(srtp_profile_rtp_trailer(SRTP_PROFILE_AEAD_AES_128_GCM), 16);
    assert_int_equal(srtp_profile_rtcp_trailer(SRTP_PROFILE_AEAD_AES_128_GCM), 20);
    assert_string_equal(srtp_profile_name(SRTP_PROFILE_AEAD_AES_128_GCM), "AEAD_AES_128_GCM");
    assert_string_equal(srtp_profile_name((enum srtp_profile)2), "none");
    assert_false(srtp_profile_is_known(SRTP_PROFILE_NONE));
    assert_int_equal(srtp_tx_new((enum srtp_profile)2, key, salt, &tx), -EINVAL);
    assert_int_equal(srtp_rx_new(SRTP_PROFILE_NONE, key, salt, &rx), -EINVAL);
    srtp_tx_free(NULL);
    srtp_rx_free(NULL);
}

/* ---- replay ---- */

static void replayed_packets_are_refused(void **state)
{
    uint8_t packets[300][OUT_MAX];
    struct srtp_rx_stats stats;
    uint64_t index;
    (void)state;
    for (size_t i = 0; i < PROFILES; i++) {
        struct srtp_tx *tx = tx_open(profiles[i]);
        struct srtp_rx *rx = rx_open(profiles[i]);
        int len = 0;
        for (int k = 0; k < 300; k++) {
            len = send_rtp(tx, 5, 65400 + (uint64_t)k, packets[k]); /* over a rollover */
            assert_true(len > 0);
            assert_int_equal(receive(rx, packets[k], len, &index), 0);
        }
        for (int k = 0; k < 300; k++)
            assert_int_equal(receive(rx, packets[k], len, &index), -EALREADY);
        srtp_rx_stats(rx, &stats);
        assert_int_equal(stats.rtp_packets, 300);
        assert_int_equal(stats.rtp_replays, 300);
        assert_int_equal(stats.ssrcs, 1);
        srtp_tx_free(tx);
        srtp_rx_free(rx);
    }
}

static void late_packets_pass_once_as_far_as_the_window_reaches(void **state)
{
    static uint8_t packets[3000][OUT_MAX];
    struct srtp_rx_stats stats;
    uint64_t index;
    (void)state;
    for (size_t i = 0; i < PROFILES; i++) {
        struct srtp_tx *tx = tx_open(profiles[i]);
        struct srtp_rx *rx = rx_open(profiles[i]);
        int len = 0;
        for (int k = 0; k < 3000; k++)
            len = send_rtp(tx, 5, 100 + (uint64_t)k, packets[k]);
        assert_int_equal(receive(rx, packets[2999], len, &index), 0);
        for (int k = 2998; k >= 0; k--)
            assert_int_equal(receive(rx, packets[k], len, &index), 2999 - k < SRTP_WINDOW ? 0 : -ESTALE);
        for (int k = 0; k < 3000; k++)
            assert_int_equal(
                receive(rx, packets[k], len, &index), 2999 - k < SRTP_WINDOW ? -EALREADY : -ESTALE);
        srtp_rx_stats(rx, &stats);
        assert_int_equal(stats.rtp_old, 2 * (3000 - SRTP_WINDOW));
        srtp_tx_free(tx);
        srtp_rx_free(rx);
    }
}

/* libsrtp2's own window for RTCP is 128 wide; ours is the one that counts. */
static void late_rtcp_passes_once_as_far_as_the_window_reaches(void **state)
{
    static uint8_t packets[3000][OUT_MAX];
    struct srtp_rx_stats stats;
    uint32_t index;
    (void)state;
    for (size_t i = 0; i < PROFILES; i++) {
        struct srtp_tx *tx = tx_open(profiles[i]);
        struct srtp_rx *rx = rx_open(profiles[i]);
        int len = 0;
        for (int k = 0; k < 3000; k++) {
            len = send_rtcp(tx, 6, packets[k]);
            assert_true(len > 0);
        }
        assert_int_equal(receive_rtcp(rx, packets[2999], len, &index), 0);
        assert_int_equal(index, 3000);
        for (int k = 0; k < 3000; k += 7) {
            packets[k][10] ^= 1;
            assert_int_equal(
                receive_rtcp(rx, packets[k], len, &index), 2999 - k < SRTP_WINDOW ? -EBADMSG : -ESTALE);
            packets[k][10] ^= 1;
        }
        for (int k = 0; k < 2999; k++)
            assert_int_equal(receive_rtcp(rx, packets[k], len, &index), 2999 - k < SRTP_WINDOW ? 0 : -ESTALE);
        for (int k = 0; k < 3000; k++)
            assert_int_equal(
                receive_rtcp(rx, packets[k], len, &index), 2999 - k < SRTP_WINDOW ? -EALREADY : -ESTALE);
        srtp_rx_stats(rx, &stats);
        assert_int_equal(stats.rtcp_packets, SRTP_WINDOW);
        assert_int_equal(stats.rtcp_replays, SRTP_WINDOW);
        srtp_tx_free(tx);
        srtp_rx_free(rx);
    }
}

static void another_key_proves_nothing(void **state)
{
    uint8_t other[SRTP_KEY_MAX] = {9}, packet[OUT_MAX];
    struct srtp_rx_stats stats;
    uint64_t index;
    uint32_t rtcp_index;
    (void)state;
    for (size_t i = 0; i < PROFILES; i++) {
        struct srtp_tx *tx = tx_open(profiles[i]);
        struct srtp_rx *rx = NULL;
        assert_int_equal(srtp_rx_new(profiles[i], other, salt, &rx), 0);
        int len = send_rtp(tx, 5, 1, packet);
        assert_int_equal(receive(rx, packet, len, &index), -EBADMSG);
        len = send_rtcp(tx, 5, packet);
        assert_int_equal(receive_rtcp(rx, packet, len, &rtcp_index), -EBADMSG);
        srtp_rx_stats(rx, &stats);
        assert_int_equal(stats.forged, 2);
        assert_int_equal(stats.ssrcs, 0);
        srtp_tx_free(tx);
        srtp_rx_free(rx);
    }
}

static void the_most_silent_ssrc_gives_way(void **state)
{
    uint8_t first[OUT_MAX], packet[OUT_MAX];
    struct srtp_rx_stats stats;
    uint64_t index;
    (void)state;
    for (size_t i = 0; i < PROFILES; i++) {
        struct srtp_tx *tx = tx_open(profiles[i]);
        struct srtp_rx *rx = rx_open(profiles[i]);
        int len = send_rtp(tx, 0, 1, first);
        assert_int_equal(receive(rx, first, len, &index), 0);
        for (uint32_t ssrc = 1; ssrc < 3 * SRTP_RX_SSRCS_MAX; ssrc++) {
            len = send_rtp(tx, ssrc, 1, packet);
            assert_int_equal(receive(rx, packet, len, &index), 0);
            len = send_rtp(tx, 0, 1 + ssrc, packet); /* stays busy, so it stays known */
            assert_int_equal(receive(rx, packet, len, &index), 0);
        }
        srtp_rx_stats(rx, &stats);
        assert_int_equal(stats.ssrcs, SRTP_RX_SSRCS_MAX);
        assert_int_equal(stats.forgotten, 2 * SRTP_RX_SSRCS_MAX);
        assert_int_equal(receive(rx, first, len, &index), -EALREADY);
        assert_int_equal(srtp_rx_highest(rx, 0, &index), 0);
        assert_int_equal(index, 3 * SRTP_RX_SSRCS_MAX);
        assert_int_equal(srtp_rx_highest(rx, 1, &index), -ENOENT);

        assert_int_equal(srtp_rx_remove_ssrc(rx, 0), 0);
        assert_int_equal(srtp_rx_remove_ssrc(rx, 0), -ENOENT);
        srtp_rx_stats(rx, &stats);
        assert_int_equal(stats.ssrcs, SRTP_RX_SSRCS_MAX - 1);
        assert_int_equal(receive(rx, first, len, &index), 0); /* as if never heard of */
        srtp_tx_free(tx);
        srtp_rx_free(rx);
    }
}

/* ---- the nonce law ---- */

static void an_index_is_encrypted_once(void **state)
{
    uint8_t out[OUT_MAX];
    struct srtp_tx_stats stats;
    (void)state;
    for (size_t i = 0; i < PROFILES; i++) {
        struct srtp_tx *tx = tx_open(profiles[i]);
        assert_true(send_rtp(tx, 5, 40000, out) > 0);
        assert_int_equal(send_rtp(tx, 5, 40000, out), -EALREADY);
        assert_true(send_rtp(tx, 6, 40000, out) > 0);
        assert_true(send_rtp(tx, 5, 40000 + 30000, out) > 0);
        assert_true(send_rtp(tx, 5, 40000 + 29000, out) > 0); /* late, but new */
        assert_int_equal(send_rtp(tx, 5, 40000 + 29000, out), -EALREADY);
        assert_int_equal(send_rtp(tx, 5, 40000, out), -ESTALE);
        assert_int_equal(send_rtp(tx, 5, 40001, out), -ESTALE);
        assert_int_equal(send_rtp(tx, 5, 70000 + 0x8000, out), -EINVAL);
        assert_int_equal(send_rtp(tx, 5, 70000 + 0x10000, out), -EINVAL);
        assert_int_equal(send_rtp(tx, 5, (uint64_t)1 << 48, out), -EINVAL);
        assert_true(send_rtp(tx, 5, 70000 + 0x7fff, out) > 0);
        srtp_tx_stats(tx, &stats);
        assert_int_equal(stats.rtp_packets, 5);
        assert_int_equal(stats.repeats, 2);
        assert_int_equal(stats.stale, 2);
        assert_int_equal(stats.refused, 3);
        assert_int_equal(stats.ssrcs, 2);
        srtp_tx_free(tx);
    }
}

static void a_repeat_inside_one_batch_is_refused(void **state)
{
    uint8_t headers[3][12], out[3][OUT_MAX];
    struct srtp_tx_job jobs[3];
    (void)state;
    struct srtp_tx *tx = tx_open(SRTP_PROFILE_AEAD_AES_128_GCM);
    for (int i = 0; i < 3; i++) {
        header_make(headers[i], 5, 100 + (uint64_t)(i == 1));
        jobs[i] = (struct srtp_tx_job){.tx = tx,
            .ssrc = 5,
            .index = 100 + (uint64_t)(i == 1),
            .header = headers[i],
            .header_len = 12,
            .out = out[i],
            .out_cap = OUT_MAX};
    }
    assert_int_equal(srtp_tx_run(jobs, 3), 2);
    assert_int_equal(jobs[0].ret_err, 0);
    assert_int_equal(jobs[1].ret_err, 0);
    assert_int_equal(jobs[2].ret_err, -EALREADY);
    assert_int_equal(jobs[2].ret_len, 0);
    assert_int_equal(srtp_tx_run(jobs, 0), 0);
    srtp_tx_free(tx);
}

/* Every profile at once, more than a back end takes at a time, two peers' keys mixed. */
static void batches_may_mix_senders(void **state)
{
    enum { JOBS = 500 };
    static uint8_t headers[JOBS][12], out[JOBS][OUT_MAX];
    static struct srtp_tx_job jobs[JOBS];
    static const uint8_t payload[20] = "shared by all";
    struct srtp_tx *tx[PROFILES];
    struct srtp_rx *rx[PROFILES];
    (void)state;
    for (size_t i = 0; i < PROFILES; i++) {
        tx[i] = tx_open(profiles[i]);
        rx[i] = rx_open(profiles[i]);
    }
    for (size_t i = 0; i < JOBS; i++) {
        header_make(headers[i], 7, 1000 + i);
        jobs[i] = (struct srtp_tx_job){.tx = tx[i % PROFILES],
            .ssrc = 7,
            .index = 1000 + i,
            .header = headers[i],
            .header_len = 12,
            .payload = payload,
            .payload_len = sizeof payload,
            .out = out[i],
            .out_cap = i % 50 ? OUT_MAX : 40};
    }
    assert_int_equal(srtp_tx_run(jobs, JOBS), JOBS - JOBS / 50);
    for (size_t i = 0; i < JOBS; i++) {
        uint64_t index = 0;
        if (i % 50 == 0) {
            assert_int_equal(jobs[i].ret_err, -ENOBUFS);
            continue;
        }
        assert_int_equal(receive(rx[i % PROFILES], out[i], (int)jobs[i].ret_len, &index), 0);
        assert_int_equal(index, 1000 + i);
    }
    for (size_t i = 0; i < PROFILES; i++) {
        srtp_tx_free(tx[i]);
        srtp_rx_free(rx[i]);
    }
}

static void headers_must_agree_with_the_job(void **state)
{
    uint8_t header[32] = {0}, out[OUT_MAX];
    (void)state;
    struct srtp_tx *tx = tx_open(SRTP_PROFILE_AEAD_AES_128_GCM);
    struct srtp_tx_job good = {
        .tx = tx, .ssrc = 5, .index = 9, .header = header, .header_len = 12, .out = out, .out_cap = OUT_MAX};
    struct srtp_tx_job j;
#define EXPECT(err, ...)                                                                                     \
    do {                                                                                                     \
        header_make(header, 5, 9);                                                                           \
        j = good;                                                                                            \
        __VA_ARGS__;                                                                                         \
        (void)srtp_tx_run(&j, 1);                                                                            \
        assert_int_equal(j.ret_err, err);                                                                    \
        assert_int_equal(j.ret_len, err ? 0 : 12 + 16);                                                      \
    } while (0)
    EXPECT(-EINVAL, j.ssrc = 6);
    EXPECT(-EINVAL, j.index = 10);
    EXPECT(-EINVAL, j.header_len = 11);
    EXPECT(-EINVAL, j.header_len = 16);
    EXPECT(-EINVAL, header[0] = 0x40);
    EXPECT(-EINVAL, header[0] = 0x81);                                    /* a CSRC that is not there */
    EXPECT(-EINVAL, header[0] = 0x90; j.header_len = 16; header[15] = 1); /* an extension cut short */
    EXPECT(-ENOBUFS, j.out_cap = 27);
    EXPECT(0, j.out_cap = 28);
#undef EXPECT
    srtp_tx_free(tx);
}

static void a_removed_ssrc_never_sends_again(void **state)
{
    uint8_t out[OUT_MAX];
    struct srtp_tx_stats stats;
    (void)state;
    for (size_t i = 0; i < PROFILES; i++) {
        struct srtp_tx *tx = tx_open(profiles[i]);
        assert_true(send_rtp(tx, 5, 1, out) > 0);
        assert_true(send_rtcp(tx, 5, out) > 0);
        assert_int_equal(srtp_tx_remove_ssrc(tx, 5), 0);
        assert_int_equal(srtp_tx_remove_ssrc(tx, 5), 0);
        assert_int_equal(srtp_tx_remove_ssrc(tx, 6), 0); /* never used */
        assert_int_equal(send_rtp(tx, 5, 2, out), -ESHUTDOWN);
        assert_int_equal(send_rtcp(tx, 5, out), -ESHUTDOWN);
        assert_int_equal(send_rtp(tx, 6, 1, out), -ESHUTDOWN);
        srtp_tx_stats(tx, &stats);
        assert_int_equal(stats.ssrcs, 0);
        assert_int_equal(stats.retired, 2);
        srtp_tx_free(tx);
    }
}

static void ssrcs_of_one_key_are_bounded(void **state)
{
    uint8_t out[OUT_MAX];
    struct srtp_tx_stats stats;
    (void)state;
    struct srtp_tx *tx = tx_open(SRTP_PROFILE_AEAD_AES_128_GCM);
    for (uint32_t ssrc = 0; ssrc < SRTP_TX_SSRCS_MAX; ssrc++) {
        if (ssrc % 64 == 0)
            assert_true(send_rtp(tx, ssrc, 1, out) > 0);
        assert_int_equal(srtp_tx_remove_ssrc(tx, ssrc), 0);
    }
    assert_int_equal(send_rtp(tx, SRTP_TX_SSRCS_MAX, 1, out), -ENOSPC);
    assert_int_equal(send_rtcp(tx, SRTP_TX_SSRCS_MAX, out), -ENOSPC);
    assert_int_equal(srtp_tx_remove_ssrc(tx, SRTP_TX_SSRCS_MAX), -ENOSPC);
    assert_int_equal(send_rtp(tx, 5, 1, out), -ESHUTDOWN);
    srtp_tx_stats(tx, &stats);
    assert_int_equal(stats.retired, SRTP_TX_SSRCS_MAX);
    srtp_tx_free(tx);
}

/* More SSRCs than one session of libsrtp2 is given, coming and going. */
static void many_ssrcs_keep_their_counters_apart(void **state)
{
    uint8_t out[OUT_MAX];
    uint64_t seen;
    uint32_t rtcp_seen;
    (void)state;
    for (size_t i = 0; i < PROFILES; i++) {
        struct srtp_tx *tx = tx_open(profiles[i]);
        struct srtp_rx *rx = rx_open(profiles[i]);
        for (uint32_t round = 0; round < 4; round++) {
            for (uint32_t ssrc = 0; ssrc < 200; ssrc++) {
                uint64_t index = 30000 + round * 20000 + ssrc;
                if (ssrc % 10 == 9 && round == 2)
                    assert_int_equal(srtp_tx_remove_ssrc(tx, ssrc), 0);
                int len = send_rtp(tx, ssrc, index, out);
                if (ssrc % 10 == 9 && round >= 2) {
                    assert_int_equal(len, -ESHUTDOWN);
                    continue;
                }
                assert_true(len > 0);
                assert_int_equal(receive(rx, out, len, &seen), 0);
                assert_true(seen == index);
                len = send_rtcp(tx, ssrc, out);
                assert_int_equal(receive_rtcp(rx, out, len, &rtcp_seen), 0);
                assert_int_equal(rtcp_seen, round + 1);
            }
        }
        srtp_tx_free(tx);
        srtp_rx_free(rx);
    }
}

static void bad_rtcp_is_refused(void **state)
{
    uint8_t packet[64] = {0x80, 201, 0, 1, 0, 0, 0, 5};
    size_t len;
    (void)state;
    struct srtp_tx *tx = tx_open(SRTP_PROFILE_AEAD_AES_128_GCM);
    len = 4;
    assert_int_equal(srtp_tx_rtcp(tx, packet, &len, sizeof packet), -EINVAL);
    len = 10;
    assert_int_equal(srtp_tx_rtcp(tx, packet, &len, sizeof packet), -EINVAL);
    len = 8;
    assert_int_equal(srtp_tx_rtcp(tx, packet, &len, 27), -ENOBUFS);
    assert_int_equal(srtp_tx_rtcp(tx, packet, &len, 28), 0);
    assert_int_equal(len, 28);
    srtp_tx_free(tx);
}

/* ---- the observer ---- */

struct sent {
    uint64_t key_id, index, hash;
    uint32_t ssrc;
    bool is_rtcp;
};
static struct sent log_of[16];
static int logged;

static void on_sent(void *arg, uint64_t key_id, uint32_t ssrc, uint64_t index, uint64_t hash, bool is_rtcp)
{
    assert_ptr_equal(arg, &logged);
    log_of[logged++] = (struct sent){key_id, index, hash, ssrc, is_rtcp};
}

static void the_observer_sees_what_is_encrypted_and_nothing_else(void **state)
{
    uint8_t out[OUT_MAX];
    (void)state;
    struct srtp_tx *tx = tx_open(SRTP_PROFILE_AEAD_AES_128_GCM),
                   *same = tx_open(SRTP_PROFILE_AEAD_AES_128_GCM);
    struct srtp_tx *other = tx_open(SRTP_PROFILE_AES128_CM_SHA1_80);
    logged = 0;
    srtp_tx_observe(on_sent, &logged);
    assert_true(send_rtp(tx, 5, 70000, out) > 0);
    assert_int_equal(send_rtp(tx, 5, 70000, out), -EALREADY);
    assert_true(send_rtcp(tx, 5, out) > 0);
    assert_true(send_rtp(same, 5, 70000, out) > 0);
    assert_true(send_rtp(other, 5, 70000, out) > 0);
    assert_true(send_rtp(tx, 5, 70001, out) > 0);
    srtp_tx_observe(NULL, NULL);
    assert_true(send_rtp(tx, 5, 70002, out) > 0);
    assert_int_equal(logged, 5);
    assert_true(log_of[0].ssrc == 5 && log_of[0].index == 70000 && !log_of[0].is_rtcp);
    assert_true(log_of[1].is_rtcp && log_of[1].index == 1 && log_of[1].ssrc == 5);
    /* The same key in a second object is found out by its id. */
    assert_true(log_of[2].key_id == log_of[0].key_id && log_of[2].hash == log_of[0].hash);
    assert_true(log_of[3].key_id != log_of[0].key_id);
    assert_true(log_of[4].hash != log_of[0].hash);
    srtp_tx_free(tx);
    srtp_tx_free(same);
    srtp_tx_free(other);
}

static void memory_of_keys_and_streams(void **state)
{
    uint8_t out[OUT_MAX];
    uint64_t index;
    (void)state;
    for (size_t i = 0; i < PROFILES; i++) {
        struct mallinfo2 before = mallinfo2();
        struct srtp_rx *rx = rx_open(profiles[i]);
        struct mallinfo2 one_rx = mallinfo2();
        struct srtp_tx *tx = tx_open(profiles[i]);
        int len = send_rtp(tx, 0, 1, out);
        struct mallinfo2 one_tx = mallinfo2();
        for (uint32_t ssrc = 1; ssrc <= 64; ssrc++)
            assert_true(send_rtp(tx, ssrc, 1, out) > 0);
        struct mallinfo2 more_tx = mallinfo2();
        assert_int_equal(receive(rx, out, len, &index), 0);
        struct mallinfo2 more_rx = mallinfo2();
        print_message("# %s: rx %zu + %zu an SSRC, tx %zu + %zu an SSRC\n", srtp_profile_name(profiles[i]),
            one_rx.uordblks - before.uordblks, more_rx.uordblks - more_tx.uordblks,
            one_tx.uordblks - one_rx.uordblks, (more_tx.uordblks - one_tx.uordblks) / 64);
        if (one_rx.uordblks > before.uordblks) /* a sanitizer's allocator counts nothing */
            assert_true(one_tx.uordblks - before.uordblks < 80000);
        srtp_tx_free(tx);
        srtp_rx_free(rx);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(profiles_have_the_lengths_of_their_rfcs),
        cmocka_unit_test(replayed_packets_are_refused),
        cmocka_unit_test(late_packets_pass_once_as_far_as_the_window_reaches),
        cmocka_unit_test(late_rtcp_passes_once_as_far_as_the_window_reaches),
        cmocka_unit_test(another_key_proves_nothing),
        cmocka_unit_test(the_most_silent_ssrc_gives_way),
        cmocka_unit_test(an_index_is_encrypted_once),
        cmocka_unit_test(a_repeat_inside_one_batch_is_refused),
        cmocka_unit_test(batches_may_mix_senders),
        cmocka_unit_test(headers_must_agree_with_the_job),
        cmocka_unit_test(a_removed_ssrc_never_sends_again),
        cmocka_unit_test(ssrcs_of_one_key_are_bounded),
        cmocka_unit_test(many_ssrcs_keep_their_counters_apart),
        cmocka_unit_test(bad_rtcp_is_refused),
        cmocka_unit_test(the_observer_sees_what_is_encrypted_and_nothing_else),
        cmocka_unit_test(memory_of_keys_and_streams),
    };
    static const enum srtp_library libraries[] = {
        SRTP_LIBRARY_LIBSRTP, SRTP_LIBRARY_OPENSSL, SRTP_LIBRARY_IPSECMB};
    int failed = 0;

    for (size_t i = 0; i < sizeof libraries / sizeof *libraries; i++)
        if (srtp_use(libraries[i]) == 0) /* libipsec-mb may be missing */
            failed += cmocka_run_group_tests_name(srtp_library_name(), tests, NULL, NULL);
    return failed;
}
