/* Packets byte for byte.
 *
 * The RFCs give vectors for session keys, which no SRTP interface takes. So there is a second implementation
 * here, on OpenSSL: it is held against the vectors of RFC 3711 (B.2, B.3) and RFC 7714 (16, 17), and srtp/
 * against it. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>
#include <errno.h>
#include <openssl/evp.h>
#include <openssl/hmac.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include "base/cursor.h"
#include "srtp/backend.h"
#include "srtp/session.h"

static const enum srtp_profile profiles[] = {
    SRTP_PROFILE_AES128_CM_SHA1_80, SRTP_PROFILE_AEAD_AES_128_GCM, SRTP_PROFILE_AEAD_AES_256_GCM};
#define PROFILES    (sizeof profiles / sizeof profiles[0])
#define PACKET_MAX  1500
#define SESSION_MAX 32

static uint64_t seed;

static uint32_t next_random(void)
{
    seed = seed * 6364136223846793005u + 1442695040888963407u;
    return (uint32_t)(seed >> 33);
}

static size_t unhex(const char *text, uint8_t *out)
{
    size_t n = 0;
    int half = -1;
    for (; *text; text++) {
        if (*text == ' ')
            continue;
        int v = *text <= '9' ? *text - '0' : (*text | 32) - 'a' + 10;
        if (half < 0) {
            half = v;
        } else {
            out[n++] = (uint8_t)(half << 4 | v);
            half = -1;
        }
    }
    return n;
}

/* ---- the second implementation ---- */

struct session {
    enum srtp_profile profile;
    size_t key_len;
    uint8_t key[SESSION_MAX], salt[14], auth[20]; /* RTP */
    uint8_t rtcp_key[SESSION_MAX], rtcp_salt[14], rtcp_auth[20];
};

static void aes_ctr(
    const uint8_t *key, size_t key_len, const uint8_t iv[16], const uint8_t *in, size_t len, uint8_t *out)
{
    EVP_CIPHER_CTX *c = EVP_CIPHER_CTX_new();
    int n = 0;
    assert_int_equal(
        EVP_EncryptInit_ex(c, key_len == 32 ? EVP_aes_256_ctr() : EVP_aes_128_ctr(), NULL, key, iv), 1);
    assert_int_equal(EVP_EncryptUpdate(c, out, &n, in, (int)len), 1);
    EVP_CIPHER_CTX_free(c);
}

/* RFC 3711, section 4.3: label at byte 7 of the salt, which is 14 bytes long, padded with zeros. */
static void derive(const uint8_t *key, size_t key_len, const uint8_t *salt, size_t salt_len, uint8_t label,
    uint8_t *out, size_t len)
{
    uint8_t iv[16] = {0}, zero[32] = {0};
    memcpy(iv, salt, salt_len);
    iv[7] ^= label;
    aes_ctr(key, key_len, iv, zero, len, out);
}

static void session_of(struct session *s, enum srtp_profile p, const uint8_t *key, const uint8_t *salt)
{
    size_t k = srtp_profile_key_len(p), n = srtp_profile_salt_len(p);
    memset(s, 0, sizeof *s);
    s->profile = p;
    s->key_len = k;
    derive(key, k, salt, n, 0, s->key, k);
    derive(key, k, salt, n, 1, s->auth, sizeof s->auth);
    derive(key, k, salt, n, 2, s->salt, n);
    derive(key, k, salt, n, 3, s->rtcp_key, k);
    derive(key, k, salt, n, 4, s->rtcp_auth, sizeof s->rtcp_auth);
    derive(key, k, salt, n, 5, s->rtcp_salt, n);
}

static void gcm(const uint8_t *key, size_t key_len, const uint8_t iv[12], const uint8_t *aad, size_t aad_len,
    const uint8_t *aad2, size_t aad2_len, const uint8_t *in, size_t len, uint8_t *out)
{
    EVP_CIPHER_CTX *c = EVP_CIPHER_CTX_new();
    int n = 0;
    assert_int_equal(
        EVP_EncryptInit_ex(c, key_len == 32 ? EVP_aes_256_gcm() : EVP_aes_128_gcm(), NULL, key, iv), 1);
    assert_int_equal(EVP_EncryptUpdate(c, NULL, &n, aad, (int)aad_len), 1);
    if (aad2_len)
        assert_int_equal(EVP_EncryptUpdate(c, NULL, &n, aad2, (int)aad2_len), 1);
    if (len)
        assert_int_equal(EVP_EncryptUpdate(c, out, &n, in, (int)len), 1);
    assert_int_equal(EVP_EncryptFinal_ex(c, out + len, &n), 1);
    assert_int_equal(EVP_CIPHER_CTX_ctrl(c, EVP_CTRL_GCM_GET_TAG, 16, out + len), 1);
    EVP_CIPHER_CTX_free(c);
}

/* salt XOR (SSRC at byte ssrc_at, then 48 bits of the index) */
static void make_iv(uint8_t *iv, size_t iv_len, const uint8_t *salt, size_t salt_len, size_t ssrc_at,
    uint32_t ssrc, uint64_t index48)
{
    uint8_t mask[16] = {0};
    struct writer w = writer_of(mask + ssrc_at, 10);
    writer_u32(&w, ssrc);
    writer_u16(&w, (uint16_t)(index48 >> 32));
    writer_u32(&w, (uint32_t)index48);
    assert_false(w.bad);
    memset(iv, 0, iv_len);
    memcpy(iv, salt, salt_len);
    for (size_t i = 0; i < iv_len; i++)
        iv[i] ^= mask[i];
}

static void hmac_tag(const uint8_t auth[20], const uint8_t *data, size_t len, uint8_t tag[10])
{
    uint8_t full[20];
    unsigned n = 0;
    assert_non_null(HMAC(EVP_sha1(), auth, 20, data, len, full, &n));
    memcpy(tag, full, 10);
}

static size_t reference_rtp(const struct session *s, uint32_t ssrc, uint64_t index, const uint8_t *packet,
    size_t header_len, size_t len, uint8_t *out)
{
    uint8_t iv[16];
    memcpy(out, packet, header_len);
    if (s->profile != SRTP_PROFILE_AES128_CM_SHA1_80) {
        make_iv(iv, 12, s->salt, 12, 2, ssrc, index);
        gcm(s->key, s->key_len, iv, packet, header_len, NULL, 0, packet + header_len, len - header_len,
            out + header_len);
        return len + 16;
    }
    uint8_t roc[4];
    struct writer w = writer_of(roc, sizeof roc);
    writer_u32(&w, (uint32_t)(index >> 16));
    make_iv(iv, 16, s->salt, 14, 4, ssrc, index);
    aes_ctr(s->key, s->key_len, iv, packet + header_len, len - header_len, out + header_len);
    memcpy(out + len, roc, 4);
    uint8_t tag[10];
    hmac_tag(s->auth, out, len + 4, tag);
    memcpy(out + len, tag, 10);
    return len + 10;
}

static size_t reference_rtcp(
    const struct session *s, uint32_t ssrc, uint32_t index, const uint8_t *packet, size_t len, uint8_t *out)
{
    uint8_t iv[16], word[4];
    struct writer w = writer_of(word, sizeof word);
    writer_u32(&w, 0x80000000u | index);
    memcpy(out, packet, 8);
    if (s->profile != SRTP_PROFILE_AES128_CM_SHA1_80) {
        make_iv(iv, 12, s->rtcp_salt, 12, 2, ssrc, index);
        gcm(s->rtcp_key, s->key_len, iv, packet, 8, word, 4, packet + 8, len - 8, out + 8);
        memcpy(out + len + 16, word, 4);
        return len + 20;
    }
    make_iv(iv, 16, s->rtcp_salt, 14, 4, ssrc, index);
    aes_ctr(s->rtcp_key, s->key_len, iv, packet + 8, len - 8, out + 8);
    memcpy(out + len, word, 4);
    hmac_tag(s->rtcp_auth, out, len + 4, out + len + 4);
    return len + 14;
}

/* ---- the second implementation against the RFCs ---- */

static void expect_hex(const uint8_t *data, size_t len, const char *text)
{
    uint8_t expected[256];
    assert_int_equal(unhex(text, expected), len);
    assert_memory_equal(data, expected, len);
}

static void rfc_3711_b2_keystream(void **state)
{
    struct session s = {.profile = SRTP_PROFILE_AES128_CM_SHA1_80, .key_len = 16};
    uint8_t packet[12 + 48] = {0x80}, out[128];
    (void)state;
    unhex("2B7E151628AED2A6ABF7158809CF4F3C", s.key);
    unhex("F0F1F2F3F4F5F6F7F8F9FAFBFCFD", s.salt);
    assert_int_equal(reference_rtp(&s, 0, 0, packet, 12, sizeof packet, out), sizeof packet + 10);
    expect_hex(out + 12, 48,
        "E03EAD0935C95E80E166B16DD92B4EB4 D23513162B02D0F72A43A2FE4A5F97AB 41E95B3BB0A2E8DD477901E4FCA894C0");
}

static void rfc_3711_b3_key_derivation(void **state)
{
    struct session s;
    uint8_t key[16], salt[14];
    (void)state;
    unhex("E1F97A0D3E018BE0D64FA32C06DE4139", key);
    unhex("0EC675AD498AFEEBB6960B3AABE6", salt);
    session_of(&s, SRTP_PROFILE_AES128_CM_SHA1_80, key, salt);
    expect_hex(s.key, 16, "C61E7A93744F39EE10734AFE3FF7A087");
    expect_hex(s.salt, 14, "30CBBC08863D8C85D49DB34A9AE1");
    expect_hex(s.auth, 20, "CEBE321F6FF7716B6FD4AB49AF256A156D38BAA4");

    struct srtp_session rtp, rtcp; /* those of srtp/ itself */
    assert_int_equal(srtp_session_derive(SRTP_PROFILE_AES128_CM_SHA1_80, key, salt, &rtp, &rtcp), 0);
    expect_hex(rtp.key, 16, "C61E7A93744F39EE10734AFE3FF7A087");
    expect_hex(rtp.salt, 14, "30CBBC08863D8C85D49DB34A9AE1");
    expect_hex(rtp.auth, 20, "CEBE321F6FF7716B6FD4AB49AF256A156D38BAA4");
    assert_memory_equal(rtcp.key, s.rtcp_key, 16);
    assert_memory_equal(rtcp.salt, s.rtcp_salt, 14);
    assert_memory_equal(rtcp.auth, s.rtcp_auth, 20);
}

#define QUID_PRO_QUO "517569642070726f2071756f"
#define GALLIA                                                                                               \
    "8040f17b 8041f8d3 5501a0b2 47616c6c 69612065 7374206f 6d6e6973 20646976 69736120 696e2070 61727465 "    \
    "73207472 6573"

static void rfc_7714_16_rtp(void **state)
{
    static const char *const expected[] = {
        "8040f17b8041f8d35501a0b2 "
        "f24de3a3fb34de6cacba861c9d7e4bcabe633bd50d294e6f42a5f47a51c7d19b36de3adf8833"
        "899d7f27beb16a9152cf765ee4390cce",
        "8040f17b8041f8d35501a0b2 "
        "32b1de78a822fe12ef9f78fa332e33aab18012389a58e2f3b50b2a0276ffae0f1ba63799b87b"
        "7aa3db36dfffd6b0f9bb7878d7a76c13"};
    uint8_t packet[64], out[96];
    (void)state;
    size_t len = unhex(GALLIA, packet);
    for (size_t i = 0; i < 2; i++) {
        struct session s = {.profile = profiles[i + 1], .key_len = i ? 32 : 16};
        unhex("000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f", s.key);
        unhex(QUID_PRO_QUO, s.salt);
        size_t n = reference_rtp(&s, 0x5501a0b2, 0xf17b, packet, 12, len, out);
        expect_hex(out, n, expected[i]);
    }
}

static void rfc_7714_17_rtcp(void **state)
{
    struct session s = {.profile = SRTP_PROFILE_AEAD_AES_128_GCM, .key_len = 16};
    uint8_t packet[64], out[96];
    (void)state;
    size_t len =
        unhex("81c8000d 4d617273 4e545031 4e545032 52545020 0000042a 0000e930 4c756e61 deadbeef deadbeef "
              "deadbeef deadbeef deadbeef",
            packet);
    unhex("000102030405060708090a0b0c0d0e0f", s.rtcp_key);
    unhex(QUID_PRO_QUO, s.rtcp_salt);
    size_t n = reference_rtcp(&s, 0x4d617273, 0x5d4, packet, len, out);
    expect_hex(out, n,
        "81c8000d 4d617273 63e94885 dcdab67c a727d766 2f6b7e99 7ff5c0f7 6c06f32d c676a5f1 730d6fda 4ce09b46 "
        "86303ded 0bb9275b c84aa458 96cf4d2f c5abf872 45d9eade 800005d4");
}

/* ---- srtp/ against the second implementation ---- */

struct pair {
    enum srtp_profile profile;
    struct session session;
    struct srtp_tx *tx;
    struct srtp_rx *rx;
};

static void pair_open(struct pair *p, enum srtp_profile profile)
{
    uint8_t key[SRTP_KEY_MAX], salt[SRTP_SALT_MAX];
    for (size_t i = 0; i < sizeof key; i++)
        key[i] = (uint8_t)next_random();
    for (size_t i = 0; i < sizeof salt; i++)
        salt[i] = (uint8_t)next_random();
    p->profile = profile;
    session_of(&p->session, profile, key, salt);
    assert_int_equal(srtp_tx_new(profile, key, salt, &p->tx), 0);
    assert_int_equal(srtp_rx_new(profile, key, salt, &p->rx), 0);
    assert_int_equal(srtp_tx_profile(p->tx), profile);
}

static void pair_close(struct pair *p)
{
    srtp_tx_free(p->tx);
    srtp_rx_free(p->rx);
}

struct plain {
    uint8_t data[PACKET_MAX];
    size_t header_len, len;
};

/* A packet with CSRCs and extensions of either form, as the random numbers will have it. */
static void plain_make(struct plain *p, uint32_t ssrc, uint16_t seq, size_t payload_len)
{
    struct writer w = writer_of(p->data, sizeof p->data);
    unsigned csrcs = next_random() % 4 == 0 ? next_random() % 16 : 0;
    unsigned words = next_random() % 5;
    bool extension = next_random() % 2;

    writer_u8(&w, (uint8_t)(0x80 | (extension ? 0x10 : 0) | csrcs));
    writer_u8(&w, (uint8_t)next_random());
    writer_u16(&w, seq);
    writer_u32(&w, next_random());
    writer_u32(&w, ssrc);
    for (unsigned i = 0; i < csrcs; i++)
        writer_u32(&w, next_random());
    if (extension) {
        writer_u16(&w, next_random() % 2 ? 0xbede : 0x1000);
        writer_u16(&w, (uint16_t)words);
        for (unsigned i = 0; i < words; i++)
            writer_u32(&w, next_random());
    }
    p->header_len = w.len;
    for (size_t i = 0; i < payload_len; i++)
        writer_u8(&w, (uint8_t)next_random());
    assert_false(w.bad);
    p->len = w.len;
}

static int send_rtp(
    struct pair *p, const struct plain *plain, uint32_t ssrc, uint64_t index, uint8_t *out, size_t *ret_len)
{
    struct srtp_tx_job j = {.tx = p->tx,
        .ssrc = ssrc,
        .index = index,
        .header = plain->data,
        .header_len = (uint16_t)plain->header_len,
        .payload = plain->data + plain->header_len,
        .payload_len = (uint16_t)(plain->len - plain->header_len),
        .out = out,
        .out_cap = plain->len + srtp_profile_rtp_trailer(p->profile)};
    size_t good = srtp_tx_run(&j, 1);
    assert_int_equal(good, j.ret_err == 0);
    assert_int_equal(j.ret_len, j.ret_err ? 0 : plain->len + srtp_profile_rtp_trailer(p->profile));
    *ret_len = j.ret_len;
    return j.ret_err;
}

static void rtp_equals_the_reference_and_comes_back(void **state)
{
    struct pair p;
    struct plain plain;
    uint8_t out[PACKET_MAX + 64], reference[PACKET_MAX + 64];
    (void)state;
    seed = 11;
    for (size_t i = 0; i < PROFILES; i++) {
        pair_open(&p, profiles[i]);
        /* Starts just under 2^15, as senders do, and runs through two rollovers, with gaps. */
        for (uint64_t index = 0x7000; index < 0x28000; index += 1 + next_random() % 60) {
            uint32_t ssrc = 0x1000 + next_random() % 3;
            size_t n;
            uint64_t seen = 0;
            plain_make(&plain, ssrc, (uint16_t)index, index % 7 == 0 ? 0 : next_random() % 1200);
            assert_int_equal(send_rtp(&p, &plain, ssrc, index, out, &n), 0);
            size_t expected =
                reference_rtp(&p.session, ssrc, index, plain.data, plain.header_len, plain.len, reference);
            assert_int_equal(n, expected);
            assert_memory_equal(out, reference, n);
            assert_int_equal(srtp_rx_rtp(p.rx, out, &n, &seen), 0);
            assert_true(seen == index);
            assert_int_equal(n, plain.len);
            assert_memory_equal(out, plain.data, n);
        }
        pair_close(&p);
    }
}

static void rtcp_equals_the_reference_and_comes_back(void **state)
{
    struct pair p;
    uint8_t packet[PACKET_MAX], reference[PACKET_MAX + 64], copy[PACKET_MAX];
    (void)state;
    seed = 12;
    for (size_t i = 0; i < PROFILES; i++) {
        uint32_t next[3] = {0};
        pair_open(&p, profiles[i]);
        for (int k = 0; k < 500; k++) {
            size_t len = 8 + (size_t)next_random() % 300 * 4;
            uint32_t which = next_random() % 3, ssrc = 77 + which, index = 0;
            struct writer w = writer_of(packet, sizeof packet);
            writer_u32(&w, 0x81c90000 | (uint32_t)(len / 4 - 1));
            writer_u32(&w, ssrc);
            while (w.len < len)
                writer_u32(&w, next_random());
            memcpy(copy, packet, len);
            size_t n = len;
            assert_int_equal(srtp_tx_rtcp(p.tx, packet, &n, len + srtp_profile_rtcp_trailer(p.profile)), 0);
            size_t expected = reference_rtcp(&p.session, ssrc, ++next[which], copy, len, reference);
            assert_int_equal(n, expected);
            assert_memory_equal(packet, reference, n);
            assert_int_equal(srtp_rx_rtcp(p.rx, packet, &n, &index), 0);
            assert_int_equal(index, next[which]);
            assert_int_equal(n, len);
            assert_memory_equal(packet, copy, n);
        }
        pair_close(&p);
    }
}

/* Out of order inside the window, over a rollover, sent and received. */
static void disorder_over_a_rollover_is_understood(void **state)
{
    static const uint64_t order[] = {0xfff0, 0x10005, 0xfff1, 0xffff, 0x10000, 0x1fffe - 0x8000, 0x17ffd,
        0x1ff00, 0x20010, 0x1ff01, 0x20001, 0x1ffff, 0x20000};
    struct pair p;
    struct plain plain;
    uint8_t out[PACKET_MAX + 64], reference[PACKET_MAX + 64];
    (void)state;
    seed = 13;
    for (size_t i = 0; i < PROFILES; i++) {
        pair_open(&p, profiles[i]);
        for (size_t k = 0; k < sizeof order / sizeof order[0]; k++) {
            uint64_t seen = 0;
            size_t n;
            plain_make(&plain, 9, (uint16_t)order[k], 50);
            assert_int_equal(send_rtp(&p, &plain, 9, order[k], out, &n), 0);
            (void)reference_rtp(&p.session, 9, order[k], plain.data, plain.header_len, plain.len, reference);
            assert_memory_equal(out, reference, n);
            assert_int_equal(srtp_rx_rtp(p.rx, out, &n, &seen), 0);
            assert_true(seen == order[k]);
        }
        assert_int_equal(srtp_rx_highest(p.rx, 9, &(uint64_t){0}), 0);
        assert_int_equal(srtp_rx_highest(p.rx, 10, &(uint64_t){0}), -ENOENT);
        pair_close(&p);
    }
}

static void a_stream_may_start_at_any_rollover(void **state)
{
    struct pair p;
    struct plain plain;
    uint8_t out[PACKET_MAX + 64], reference[PACKET_MAX + 64];
    (void)state;
    seed = 14;
    for (size_t i = 0; i < PROFILES; i++) {
        for (int rtcp_first = 0; rtcp_first < 2; rtcp_first++) {
            static const uint64_t starts[] = {0x10000, 0x1ffff, 0x50003, 0xffffffff0000, 0xffff};
            pair_open(&p, profiles[i]);
            for (size_t k = 0; k < sizeof starts / sizeof starts[0]; k++) {
                uint32_t ssrc = 500 + (uint32_t)k;
                if (rtcp_first) {
                    uint8_t rr[64] = {0x80, 201, 0, 1, 0, 0, 1, (uint8_t)(ssrc - 256)};
                    size_t n = 8;
                    assert_int_equal(srtp_tx_rtcp(p.tx, rr, &n, sizeof rr), 0);
                }
                for (uint64_t index = starts[k]; index < starts[k] + 3; index++) {
                    size_t n;
                    if (index >> 48)
                        continue;
                    plain_make(&plain, ssrc, (uint16_t)index, 30);
                    assert_int_equal(send_rtp(&p, &plain, ssrc, index, out, &n), 0);
                    (void)reference_rtp(
                        &p.session, ssrc, index, plain.data, plain.header_len, plain.len, reference);
                    assert_memory_equal(out, reference, n);
                }
            }
            pair_close(&p);
        }
    }
}

static void every_changed_byte_is_noticed(void **state)
{
    struct pair p;
    struct plain plain;
    struct srtp_rx_stats stats;
    uint8_t out[PACKET_MAX + 64], copy[PACKET_MAX + 64];
    (void)state;
    seed = 15;
    for (size_t i = 0; i < PROFILES; i++) {
        size_t n, m;
        uint64_t index = 0;
        uint32_t rtcp_index = 0;
        pair_open(&p, profiles[i]);
        plain_make(&plain, 3, 1000, 40);
        assert_int_equal(send_rtp(&p, &plain, 3, 1000, out, &n), 0);
        for (size_t at = 0; at < n; at++) {
            memcpy(copy, out, n);
            copy[at] ^= (uint8_t)(1u << at % 8);
            m = n;
            assert_true(srtp_rx_rtp(p.rx, copy, &m, &index) < 0);
        }
        for (m = 0; m < n; m++) { /* cut */
            size_t len = m;
            memcpy(copy, out, n);
            assert_true(srtp_rx_rtp(p.rx, copy, &len, &index) < 0);
        }
        srtp_rx_stats(p.rx, &stats);
        assert_int_equal(stats.ssrcs, 0); /* nobody gets state for nothing */
        assert_int_equal(stats.rtp_packets, 0);
        assert_int_equal(stats.forged + stats.malformed, 2 * n);
        m = n;
        assert_int_equal(srtp_rx_rtp(p.rx, out, &m, &index), 0);

        uint8_t rtcp[128] = {0x81, 201, 0, 7, 0, 0, 0, 3, 1, 2, 3};
        n = 32;
        assert_int_equal(srtp_tx_rtcp(p.tx, rtcp, &n, sizeof rtcp), 0);
        for (size_t at = 0; at < n; at++) {
            memcpy(copy, rtcp, n);
            copy[at] ^= (uint8_t)(1u << at % 8);
            m = n;
            assert_true(srtp_rx_rtcp(p.rx, copy, &m, &rtcp_index) < 0);
        }
        for (m = 0; m < n; m++) {
            size_t len = m;
            memcpy(copy, rtcp, n);
            assert_true(srtp_rx_rtcp(p.rx, copy, &len, &rtcp_index) < 0);
        }
        m = n;
        assert_int_equal(srtp_rx_rtcp(p.rx, rtcp, &m, &rtcp_index), 0);
        pair_close(&p);
    }
}

static void random_bytes_are_refused(void **state)
{
    struct pair p;
    uint8_t data[200];
    (void)state;
    seed = 16;
    for (size_t i = 0; i < PROFILES; i++) {
        pair_open(&p, profiles[i]);
        for (int k = 0; k < 20000; k++) {
            size_t len = next_random() % sizeof data, n = len;
            uint64_t index;
            uint32_t rtcp_index;
            for (size_t b = 0; b < len; b++)
                data[b] = (uint8_t)next_random();
            if (len && k % 2)
                data[0] = 0x90;
            assert_true(srtp_rx_rtp(p.rx, data, &n, &index) < 0);
            n = len;
            assert_true(srtp_rx_rtcp(p.rx, data, &n, &rtcp_index) < 0);
        }
        pair_close(&p);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(rfc_3711_b2_keystream),
        cmocka_unit_test(rfc_3711_b3_key_derivation),
        cmocka_unit_test(rfc_7714_16_rtp),
        cmocka_unit_test(rfc_7714_17_rtcp),
        cmocka_unit_test(rtp_equals_the_reference_and_comes_back),
        cmocka_unit_test(rtcp_equals_the_reference_and_comes_back),
        cmocka_unit_test(disorder_over_a_rollover_is_understood),
        cmocka_unit_test(a_stream_may_start_at_any_rollover),
        cmocka_unit_test(every_changed_byte_is_noticed),
        cmocka_unit_test(random_bytes_are_refused),
    };
    static const enum srtp_library libraries[] = {
        SRTP_LIBRARY_LIBSRTP, SRTP_LIBRARY_OPENSSL, SRTP_LIBRARY_IPSECMB};
    int failed = 0;

    for (size_t i = 0; i < sizeof libraries / sizeof *libraries; i++)
        if (srtp_use(libraries[i]) == 0) /* libipsec-mb may be missing */
            failed += cmocka_run_group_tests_name(srtp_library_name(), tests, NULL, NULL);
    return failed;
}
