/* Receiving: each back end against libsrtp2, once behind the same law and once left to itself. The same
 * datagrams must get the same verdict and the same plain text. timeout: 300 */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>
#include <errno.h>
#include <pthread.h>
#include <srtp2/srtp.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>
#include "base/cursor.h"
#include "srtp/backend.h"
#include "support/seeded.h"

static const enum srtp_profile profiles[] = {
    SRTP_PROFILE_AES128_CM_SHA1_80, SRTP_PROFILE_AEAD_AES_128_GCM, SRTP_PROFILE_AEAD_AES_256_GCM};
#define PROFILES     (sizeof profiles / sizeof profiles[0])
#define DATAGRAM_MAX 1600
#define PAYLOAD_MAX  1300
#define PAST_MAX     512 /* datagrams that may come late, again, cut or forged */
#define STREAMS      5

/* Where libipsec-mb is missing, OpenSSL's alone. */
static const struct srtp_backend *const subjects[] = {&srtp_backend_evp, &srtp_backend_ipsecmb};
#define SUBJECTS (sizeof subjects / sizeof subjects[0])

static bool is_here(const struct srtp_backend *b)
{
    return b->supports(SRTP_PROFILE_AEAD_AES_128_GCM);
}

struct datagram {
    uint8_t data[DATAGRAM_MAX];
    size_t len;
    bool is_rtcp;
};

static void fill(struct seeded *s, uint8_t *data, size_t len)
{
    for (size_t i = 0; i < len; i++)
        data[i] = (uint8_t)seeded_u64(s);
}

/* ---- one sender, three receivers with its keys ---- */

struct rig {
    struct seeded s;
    enum srtp_profile profile;
    struct srtp_tx *tx;
    struct srtp_rx *reference, *subject; /* behind the same law: libsrtp2 and the back end */
    srtp_t alone;                        /* libsrtp2 without our law */
    uint64_t next[STREAMS];
    struct datagram past[PAST_MAX];
    size_t sent; /* datagrams in past, counted on */
    size_t accepted, refused;
};

static void alone_open(struct rig *r, uint8_t *key, uint8_t *salt)
{
    uint8_t both[SRTP_KEY_MAX + SRTP_SALT_MAX];
    srtp_profile_t profile = r->profile == SRTP_PROFILE_AEAD_AES_128_GCM   ? srtp_profile_aead_aes_128_gcm
                             : r->profile == SRTP_PROFILE_AEAD_AES_256_GCM ? srtp_profile_aead_aes_256_gcm
                                                                           : srtp_profile_aes128_cm_sha1_80;
    srtp_policy_t policy = {.ssrc.type = ssrc_any_inbound, .key = both, .window_size = SRTP_WINDOW};
    struct writer w = writer_of(both, sizeof both);

    writer_bytes(&w, key, srtp_profile_key_len(r->profile));
    writer_bytes(&w, salt, srtp_profile_salt_len(r->profile));
    assert_int_equal(srtp_crypto_policy_set_from_profile_for_rtp(&policy.rtp, profile), 0);
    assert_int_equal(srtp_crypto_policy_set_from_profile_for_rtcp(&policy.rtcp, profile), 0);
    assert_int_equal(srtp_create(&r->alone, &policy), 0);
}

static void rig_open(struct rig *r, uint64_t seed, enum srtp_profile profile, const struct srtp_backend *b)
{
    uint8_t key[SRTP_KEY_MAX], salt[SRTP_SALT_MAX];

    memset(r, 0, sizeof *r);
    r->s = seeded_of(seed);
    r->profile = profile;
    fill(&r->s, key, sizeof key);
    fill(&r->s, salt, sizeof salt);
    assert_int_equal(srtp_tx_new_with(&srtp_backend_evp, profile, key, salt, &r->tx), 0);
    assert_int_equal(srtp_rx_new_with(&srtp_backend_libsrtp2, profile, key, salt, &r->reference), 0);
    assert_int_equal(srtp_rx_new_with(b, profile, key, salt, &r->subject), 0);
    alone_open(r, key, salt);
    for (size_t i = 0; i < STREAMS; i++)
        r->next[i] = i == 0 ? 0 : seeded_below(&r->s, 0x10000);
}

static void rig_close(struct rig *r)
{
    struct srtp_rx_stats a, b;
    srtp_rx_stats(r->reference, &a);
    srtp_rx_stats(r->subject, &b);
    assert_memory_equal(&a, &b, sizeof a);
    srtp_tx_free(r->tx);
    srtp_rx_free(r->reference);
    srtp_rx_free(r->subject);
    assert_int_equal(srtp_dealloc(r->alone), 0);
}

/* ---- sending ---- */

static size_t header_make(struct seeded *s, uint8_t *data, size_t cap, uint32_t ssrc, uint16_t seq)
{
    static const uint16_t forms[] = {0xbede, 0x1000, 0x100f};
    unsigned csrcs = seeded_chance(s, 20) ? seeded_below(s, 16) : 0;
    bool extended = seeded_chance(s, 60);
    uint8_t rest[40 * 4];
    struct writer w = writer_of(data, cap);

    fill(s, rest, sizeof rest);
    writer_u8(&w, (uint8_t)(0x80 | (extended ? 0x10 : 0) | csrcs));
    writer_u8(&w, (uint8_t)seeded_u64(s));
    writer_u16(&w, seq);
    writer_u32(&w, (uint32_t)seeded_u64(s));
    writer_u32(&w, ssrc);
    writer_bytes(&w, rest, csrcs * (size_t)4);
    if (extended) {
        unsigned words = seeded_below(s, 40);
        writer_u16(&w, forms[seeded_below(s, 3)]);
        writer_u16(&w, (uint16_t)words);
        writer_bytes(&w, rest, words * (size_t)4);
    }
    assert_false(w.bad);
    return w.len;
}

static struct datagram *slot_of(struct rig *r)
{
    return &r->past[r->sent++ % PAST_MAX];
}

static struct datagram *send_rtp(struct rig *r, uint32_t ssrc, uint64_t index, size_t payload_len)
{
    uint8_t header[256], payload[PAYLOAD_MAX];
    struct datagram *d = slot_of(r);
    size_t header_len = header_make(&r->s, header, sizeof header, ssrc, (uint16_t)index);
    struct srtp_tx_job j = {.tx = r->tx,
        .ssrc = ssrc,
        .index = index,
        .header = header,
        .header_len = (uint16_t)header_len,
        .payload = payload,
        .payload_len = (uint16_t)payload_len,
        .out = d->data,
        .out_cap = sizeof d->data};

    fill(&r->s, payload, payload_len);
    assert_int_equal(srtp_tx_run(&j, 1), 1);
    d->len = j.ret_len;
    d->is_rtcp = false;
    return d;
}

/* A report and a description behind it. */
static struct datagram *send_rtcp(struct rig *r, uint32_t ssrc)
{
    unsigned reports = seeded_below(&r->s, 5), words = 1 + seeded_below(&r->s, 60);
    uint8_t rest[120 * 4];
    struct datagram *d = slot_of(r);
    struct writer w = writer_of(d->data, sizeof d->data);

    fill(&r->s, rest, sizeof rest);
    writer_u32(&w, 0x80c90001 + (reports << 24) + 6 * reports);
    writer_u32(&w, ssrc);
    writer_bytes(&w, rest, reports * (size_t)24);
    if (seeded_chance(&r->s, 70)) {
        writer_u32(&w, 0x81ca0000 + words);
        writer_bytes(&w, rest, words * (size_t)4);
    }
    d->len = w.len;
    d->is_rtcp = true;
    assert_int_equal(srtp_tx_rtcp(r->tx, d->data, &d->len, sizeof d->data), 0);
    return d;
}

/* Mostly the next index of a stream; gaps, and jumps that bring the next rollover near. Those must arrive:
 * two in a row, and the receiver's rollover counter is wrong for good. */
static struct datagram *send_next(struct rig *r, bool *ret_must_arrive)
{
    uint32_t stream = seeded_below(&r->s, STREAMS), kind = seeded_below(&r->s, 100);
    uint64_t index = r->next[stream];

    *ret_must_arrive = false;
    if (seeded_chance(&r->s, 20))
        return send_rtcp(r, 0xf0000000 + stream);
    if (kind < 10)
        index += seeded_below(&r->s, 300);
    else if ((*ret_must_arrive = kind < 13))
        index += seeded_below(&r->s, 0x7000);
    r->next[stream] = index + 1;
    return send_rtp(
        r, 0xf0000000 + stream, index, seeded_chance(&r->s, 10) ? 0 : seeded_below(&r->s, PAYLOAD_MAX + 1));
}

/* ---- receiving ---- */

static int receive(struct srtp_rx *rx, struct datagram *d, uint64_t *ret_index)
{
    uint32_t index = 0;
    int err = d->is_rtcp ? srtp_rx_rtcp(rx, d->data, &d->len, &index)
                         : srtp_rx_rtp(rx, d->data, &d->len, ret_index);
    if (d->is_rtcp)
        *ret_index = index;
    return err;
}

/* libsrtp2 itself has to agree, but for RTCP that its window of 128 is too small for. */
static void compare_alone(struct rig *r, struct datagram *d, int err, const struct datagram *plain)
{
    int len = (int)d->len;
    srtp_err_status_t status =
        d->is_rtcp ? srtp_unprotect_rtcp(r->alone, d->data, &len) : srtp_unprotect(r->alone, d->data, &len);
    if (d->is_rtcp && status == srtp_err_status_replay_old)
        return;
    assert_int_equal(status == srtp_err_status_ok, err == 0);
    if (err == -EALREADY)
        assert_int_equal(status, srtp_err_status_replay_fail);
    if (err == -ESTALE)
        assert_int_equal(status, srtp_err_status_replay_old);
    if (err == 0) {
        assert_int_equal(len, plain->len);
        assert_memory_equal(d->data, plain->data, plain->len);
    }
}

static int deliver(struct rig *r, const struct datagram *d)
{
    struct datagram a = *d, b = *d, c = *d;
    uint64_t a_index = 0, b_index = 0;
    int err = receive(r->reference, &a, &a_index);

    assert_int_equal(receive(r->subject, &b, &b_index), err);
    assert_true(a_index == b_index);
    if (err == 0) {
        assert_int_equal(b.len, a.len);
        assert_memory_equal(b.data, a.data, a.len);
    } else {
        assert_int_equal(b.len, d->len);
    }
    compare_alone(r, &c, err, &a);
    *(err == 0 ? &r->accepted : &r->refused) += 1;
    return err;
}

static struct datagram *any_past(struct rig *r)
{
    size_t n = r->sent < PAST_MAX ? r->sent : PAST_MAX;
    return &r->past[seeded_below(&r->s, (uint32_t)n)];
}

/* Bits changed, bytes gone or too many, or nothing genuine at all. */
static void deliver_bad(struct rig *r)
{
    struct datagram d = *any_past(r);
    uint32_t kind = seeded_below(&r->s, 10);
    size_t len = d.len;

    if (kind < 5) { /* the first and the last bytes are those that are parsed */
        uint32_t at = kind == 0   ? seeded_below(&r->s, 16)
                      : kind == 1 ? (uint32_t)len - 1 - seeded_below(&r->s, 20)
                                  : seeded_below(&r->s, (uint32_t)len);
        d.data[at] ^= (uint8_t)(1u << seeded_below(&r->s, 8));
    } else if (kind < 7) {
        d.len = seeded_below(&r->s, (uint32_t)len);
    } else if (kind < 8) {
        d.len += 1 + seeded_below(&r->s, (uint32_t)(sizeof d.data - len));
        fill(&r->s, d.data + len, d.len - len);
    } else if (kind < 9) {
        d.is_rtcp = !d.is_rtcp;
    } else {
        d.len = seeded_below(&r->s, 200);
        fill(&r->s, d.data, d.len);
        d.data[0] = (uint8_t)(0x80 | (d.data[0] & 0x3f));
    }
    assert_true(deliver(r, &d) != 0);
}

static void deliver_something(struct rig *r)
{
    bool must_arrive;
    struct datagram *d = send_next(r, &must_arrive);
    uint32_t kind = seeded_below(&r->s, 100);

    if (kind < 70 || must_arrive)
        (void)deliver(r, d); /* or lost, or late */
    if (kind >= 50 && kind < 90)
        (void)deliver(r, any_past(r)); /* late, or once more, or too late */
    if (kind >= 80)
        deliver_bad(r);
}

static void stream_equals(uint64_t seed, enum srtp_profile profile, const struct srtp_backend *b, size_t n)
{
    static _Thread_local struct rig r;

    rig_open(&r, seed, profile, b);
    for (size_t i = 0; i < n; i++)
        deliver_something(&r);
    assert_true(r.accepted > n / 2 && r.refused > n / 10); /* or the mixture is not one */
    assert_true(r.next[0] >> 16 >= n / 2000);              /* rollovers */
    rig_close(&r);
}

static void verdicts_and_plain_text_equal_those_of_libsrtp2(void **state)
{
    (void)state;
    for (size_t k = 0; k < SUBJECTS * PROFILES; k++)
        if (is_here(subjects[k / PROFILES]))
            for (uint64_t seed = 1; seed <= 4; seed++)
                stream_equals(seed * 31 + k, profiles[k % PROFILES], subjects[k / PROFILES], 6000);
}

static void *run_thread(void *arg)
{
    for (size_t k = 0; k < SUBJECTS * PROFILES; k++)
        if (is_here(subjects[k / PROFILES]))
            stream_equals(*(uint64_t *)arg + k, profiles[k % PROFILES], subjects[k / PROFILES], 1500);
    return NULL;
}

static void threads_do_not_disturb_one_another(void **state)
{
    pthread_t threads[3];
    uint64_t seeds[3] = {1000, 2000, 3000};
    (void)state;
    for (size_t i = 0; i < 3; i++)
        assert_int_equal(pthread_create(&threads[i], NULL, run_thread, &seeds[i]), 0);
    for (size_t i = 0; i < 3; i++)
        assert_int_equal(pthread_join(threads[i], NULL), 0);
}

/* ---- more senders than are remembered ---- */

static void forgotten_ssrcs_are_forgotten_by_both(void **state)
{
    static struct rig r;
    (void)state;
    for (size_t k = 0; k < SUBJECTS * PROFILES; k++) {
        struct srtp_rx_stats stats;
        if (!is_here(subjects[k / PROFILES]))
            continue;
        rig_open(&r, 77 + k, profiles[k % PROFILES], subjects[k / PROFILES]);
        for (uint32_t i = 0; i < 4000; i++) {
            uint32_t ssrc = seeded_below(&r.s, 2 * SRTP_RX_SSRCS_MAX);
            uint64_t a_index = 0, b_index = 0;
            struct datagram a, b;
            if (seeded_chance(&r.s, 5)) {
                assert_int_equal(
                    srtp_rx_remove_ssrc(r.subject, ssrc), srtp_rx_remove_ssrc(r.reference, ssrc));
                continue;
            }
            if (seeded_chance(&r.s, 80) || i < 10)
                a = *(seeded_chance(&r.s, 20) ? send_rtcp(&r, ssrc) : send_rtp(&r, ssrc, i, 20));
            else
                a = *any_past(&r);
            b = a;
            assert_int_equal(receive(r.subject, &b, &b_index), receive(r.reference, &a, &a_index));
            assert_true(a_index == b_index && a.len == b.len);
            assert_int_equal(
                srtp_rx_highest(r.subject, ssrc, &b_index), srtp_rx_highest(r.reference, ssrc, &a_index));
            assert_true(a_index == b_index);
        }
        srtp_rx_stats(r.subject, &stats);
        assert_true(stats.ssrcs <= SRTP_RX_SSRCS_MAX && stats.forgotten > 500);
        rig_close(&r);
    }
}

/* ---- forgeries ---- */

/* Whoever does not have the key changes nothing: not one bit, not what comes after, and learns nothing. */
static void forgeries_leave_no_trace(void **state)
{
    static struct rig r;
    (void)state;
    for (size_t k = 0; k < SUBJECTS * PROFILES; k++) {
        if (!is_here(subjects[k / PROFILES]))
            continue;
        rig_open(&r, 99 + k, profiles[k % PROFILES], subjects[k / PROFILES]);
        for (int round = 0; round < 4; round++) {
            bool is_rtcp = round % 2;
            struct datagram good = *(is_rtcp ? send_rtcp(&r, 5) : send_rtp(&r, 5, 7 + (uint64_t)round, 60));
            struct datagram plain = good;
            uint64_t index = 0;
            struct srtp_rx_stats before, after;

            assert_int_equal(receive(r.reference, &plain, &index), 0);
            srtp_rx_stats(r.subject, &before);
            for (size_t bit = 0; bit < good.len * 8; bit++) {
                struct datagram bad = good;
                bad.data[bit / 8] ^= (uint8_t)(1u << bit % 8);
                int err = receive(r.subject, &bad, &index);
                assert_true(err == -EBADMSG || err == -EINVAL || (is_rtcp && err == -EALREADY));
                if (plain.len >= 16) /* shorter RTCP has nothing to hide */
                    assert_memory_not_equal(bad.data + plain.len - 8, plain.data + plain.len - 8, 8);
            }
            srtp_rx_stats(r.subject, &after);
            assert_int_equal(after.ssrcs, before.ssrcs);
            assert_int_equal(
                after.rtp_packets + after.rtcp_packets, before.rtp_packets + before.rtcp_packets);
            assert_int_equal(receive(r.subject, &good, &index), 0);
            assert_int_equal(good.len, plain.len);
            assert_memory_equal(good.data, plain.data, plain.len);
        }
        srtp_tx_free(r.tx);
        srtp_rx_free(r.reference);
        srtp_rx_free(r.subject);
        assert_int_equal(srtp_dealloc(r.alone), 0);
    }
}

/* A header may claim more than the packet has. */
static void headers_end_in_front_of_the_tag(void **state)
{
    static struct rig r;
    (void)state;
    for (size_t k = 0; k < SUBJECTS * PROFILES; k++) {
        if (!is_here(subjects[k / PROFILES]))
            continue;
        size_t tag = srtp_profile_rtp_trailer(profiles[k % PROFILES]);
        rig_open(&r, 111 + k, profiles[k % PROFILES], subjects[k / PROFILES]);
        for (unsigned words = 0; words < 40; words++) {
            struct datagram d = {.data = {0x90, 96, 0, 1, 0, 0, 0, 1, 0, 0, 0, 9, 0xbe, 0xde}, .len = 60};
            bool fits = 16 + words * 4 + tag <= d.len;
            d.data[15] = (uint8_t)words;
            assert_int_equal(deliver(&r, &d), fits ? -EBADMSG : -EINVAL);
            d.data[14] = (uint8_t)(words + 1); /* 1 KiB and more */
            assert_int_equal(deliver(&r, &d), -EINVAL);
            d.data[0] = (uint8_t)(0x80 | (words & 15));
            fits = 12 + (words & 15) * 4 + tag <= d.len;
            assert_int_equal(deliver(&r, &d), fits ? -EBADMSG : -EINVAL);
        }
        rig_close(&r);
    }
}

/* ---- buffers between pages that nobody may touch: a step across ends the program ---- */

static void nothing_is_touched_beyond_the_datagram(void **state)
{
    static struct rig r;
    size_t page = (size_t)sysconf(_SC_PAGESIZE);
    uint8_t *fence = mmap(NULL, 3 * page, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    (void)state;
    assert_true(fence != MAP_FAILED);
    assert_int_equal(mprotect(fence + page, page, PROT_READ | PROT_WRITE), 0);
    for (size_t k = 0; k < SUBJECTS * PROFILES; k++) {
        if (!is_here(subjects[k / PROFILES]))
            continue;
        rig_open(&r, 5 + k, profiles[k % PROFILES], subjects[k / PROFILES]);
        uint64_t index = 0, seen;
        for (size_t len = 0; len <= PAYLOAD_MAX; len += len < 300 ? 1 : 13) {
            for (int at = 0; at < 4; at++) {
                struct datagram *d = at < 2 ? send_rtp(&r, 1, index++, len) : send_rtcp(&r, 1);
                uint8_t *place = at % 2 ? fence + page : fence + 2 * page - d->len;
                size_t n = d->len;
                uint32_t rtcp_seen;
                memcpy(place, d->data, n);
                place[n - 1] ^= 1; /* of a tag or an index: refused, or never sent */
                (void)(d->is_rtcp ? srtp_rx_rtcp(r.subject, place, &n, &rtcp_seen)
                                  : srtp_rx_rtp(r.subject, place, &n, &seen));
                assert_int_equal(n, d->len);
                memcpy(place, d->data, n);
                assert_int_equal(d->is_rtcp ? srtp_rx_rtcp(r.subject, place, &n, &rtcp_seen)
                                            : srtp_rx_rtp(r.subject, place, &n, &seen),
                    0);
            }
        }
        srtp_tx_free(r.tx);
        srtp_rx_free(r.reference);
        srtp_rx_free(r.subject);
        assert_int_equal(srtp_dealloc(r.alone), 0);
    }
    assert_int_equal(munmap(fence, 3 * page), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(verdicts_and_plain_text_equal_those_of_libsrtp2),
        cmocka_unit_test(threads_do_not_disturb_one_another),
        cmocka_unit_test(forgotten_ssrcs_are_forgotten_by_both),
        cmocka_unit_test(forgeries_leave_no_trace),
        cmocka_unit_test(headers_end_in_front_of_the_tag),
        cmocka_unit_test(nothing_is_touched_beyond_the_datagram),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
