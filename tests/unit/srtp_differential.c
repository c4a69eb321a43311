/* Back ends against libsrtp2, byte for byte, and against the ends of their buffers. timeout: 300 */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>
#include <errno.h>
#include <pthread.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>
#include "base/cursor.h"
#include "srtp/backend.h"
#include "support/seeded.h"

static const enum srtp_profile profiles[] = {
    SRTP_PROFILE_AES128_CM_SHA1_80, SRTP_PROFILE_AEAD_AES_128_GCM, SRTP_PROFILE_AEAD_AES_256_GCM};
#define PROFILES    (sizeof profiles / sizeof profiles[0])
#define PAYLOAD_MAX 1400
#define PLAIN_MAX   (PAYLOAD_MAX + 256)
#define SLOT        2048 /* bytes of an output buffer with what lies around it */
#define MARGIN      128  /* bytes in front of and behind an output that must stay as they are */
#define BATCH_MAX   64
#define PEERS       12
#define STREAMS     3

/* Back ends that send; where libipsec-mb is missing, OpenSSL's alone. */
static const struct srtp_backend *const subjects[] = {&srtp_backend_evp, &srtp_backend_ipsecmb};
#define SUBJECTS (sizeof subjects / sizeof subjects[0])

static bool is_here(const struct srtp_backend *b)
{
    return b->supports(SRTP_PROFILE_AEAD_AES_128_GCM);
}

/* ---- packets ---- */

struct plain {
    uint8_t data[PLAIN_MAX];
    uint16_t header_len, payload_len;
};

static void fill(struct seeded *s, uint8_t *data, size_t len)
{
    for (size_t i = 0; i < len; i += 8) {
        uint64_t v = seeded_u64(s);
        memcpy(data + i, &v, len - i < 8 ? len - i : 8);
    }
}

/* With CSRCs and extensions of either form, as chance will have it. */
static void plain_make(struct seeded *s, struct plain *p, uint32_t ssrc, uint64_t index, size_t payload_len)
{
    static const uint16_t forms[] = {0xbede, 0x1000, 0x100f};
    unsigned csrcs = seeded_chance(s, 20) ? seeded_below(s, 16) : 0;
    bool extended = seeded_chance(s, 60);
    uint8_t rest[16 * 4];
    struct writer w = writer_of(p->data, sizeof p->data);

    writer_u8(&w, (uint8_t)(0x80 | (extended ? 0x10 : 0) | csrcs));
    writer_u8(&w, (uint8_t)seeded_u64(s));
    writer_u16(&w, (uint16_t)index);
    writer_u32(&w, (uint32_t)seeded_u64(s));
    writer_u32(&w, ssrc);
    fill(s, rest, sizeof rest);
    writer_bytes(&w, rest, csrcs * (size_t)4);
    if (extended) {
        unsigned words = seeded_below(s, 10);
        writer_u16(&w, forms[seeded_below(s, 3)]);
        writer_u16(&w, (uint16_t)words);
        writer_bytes(&w, rest, words * (size_t)4);
    }
    assert_false(w.bad);
    p->header_len = (uint16_t)w.len;
    p->payload_len = (uint16_t)payload_len;
    fill(s, p->data + w.len, payload_len);
}

static size_t payload_len_of(struct seeded *s)
{
    uint32_t kind = seeded_below(s, 10);
    return kind == 0 ? 0 : kind < 4 ? seeded_below(s, 160) : seeded_below(s, PAYLOAD_MAX + 1);
}

/* ---- two senders with the same keys ---- */

struct peer {
    enum srtp_profile profile;
    struct srtp_tx *reference, *subject;
    uint64_t next[STREAMS];
};

static void peer_open(
    struct peer *p, struct seeded *s, enum srtp_profile profile, const struct srtp_backend *b)
{
    uint8_t key[SRTP_KEY_MAX], salt[SRTP_SALT_MAX];

    fill(s, key, sizeof key);
    fill(s, salt, sizeof salt);
    p->profile = profile;
    assert_int_equal(srtp_tx_new_with(&srtp_backend_libsrtp2, profile, key, salt, &p->reference), 0);
    assert_int_equal(srtp_tx_new_with(b, profile, key, salt, &p->subject), 0);
    for (size_t i = 0; i < STREAMS; i++) {
        p->next[i] = seeded_chance(s, 50) ? 0xff00 + seeded_below(s, 0x100) : seeded_below(s, 0x8000);
        if (seeded_chance(s, 30))
            p->next[i] += (uint64_t)seeded_below(s, 0x7fffffff) << 16;
    }
}

static void peer_close(struct peer *p)
{
    struct srtp_tx_stats a, b;
    srtp_tx_stats(p->reference, &a);
    srtp_tx_stats(p->subject, &b);
    assert_memory_equal(&a, &b, sizeof a);
    srtp_tx_free(p->reference);
    srtp_tx_free(p->subject);
}

/* Mostly the next index; gaps, and steps back that may be repeats or too late. */
static uint64_t next_index(struct seeded *s, uint64_t *next)
{
    uint32_t kind = seeded_below(s, 100);
    uint64_t index = *next;

    if (kind < 8 && *next > 2300)
        return *next - 1 - seeded_below(s, 2200);
    if (kind < 12)
        index += seeded_below(s, 300);
    else if (kind < 13)
        index += seeded_below(s, 0x7000);
    *next = index + 1;
    return index;
}

struct batch {
    struct plain plain[BATCH_MAX];
    struct srtp_tx_job reference[BATCH_MAX], subject[BATCH_MAX];
    uint8_t expected[BATCH_MAX][SLOT], out[BATCH_MAX][SLOT];
};

static void batch_fill(struct batch *b, struct seeded *s, struct peer *peers, size_t peer_count, size_t n)
{
    memset(b->expected, 0x5a, sizeof b->expected);
    memset(b->out, 0x5a, sizeof b->out);
    for (size_t i = 0; i < n; i++) {
        struct peer *p = &peers[seeded_below(s, (uint32_t)peer_count)];
        uint32_t stream = seeded_below(s, STREAMS);
        size_t at = MARGIN + seeded_below(s, 64); /* at any alignment */
        struct srtp_tx_job j = {
            .tx = p->reference, .ssrc = 0xf0000000 + stream, .index = next_index(s, &p->next[stream])};

        plain_make(s, &b->plain[i], j.ssrc, j.index, payload_len_of(s));
        j.header = b->plain[i].data;
        j.header_len = b->plain[i].header_len;
        j.payload_len = b->plain[i].payload_len;
        j.payload = j.payload_len || seeded_chance(s, 50) ? j.header + j.header_len : NULL;
        j.out = b->expected[i] + at;
        j.out_cap = (size_t)j.header_len + j.payload_len + srtp_profile_rtp_trailer(p->profile);
        b->reference[i] = j;
        j.tx = p->subject;
        j.out = b->out[i] + at;
        b->subject[i] = j;
    }
}

static void rtp_batch_equals(struct batch *b, struct seeded *s, struct peer *peers, size_t peer_count)
{
    static const size_t sizes[] = {1, 2, 7, 8, 9, 15, 16, 17, 24, 25, 33, 63, 64};
    size_t n = seeded_chance(s, 50) ? sizes[seeded_below(s, sizeof sizes / sizeof sizes[0])]
                                    : 1 + seeded_below(s, BATCH_MAX);

    batch_fill(b, s, peers, peer_count, n);
    size_t good = srtp_tx_run(b->reference, n);
    assert_int_equal(srtp_tx_run(b->subject, n), good);
    for (size_t i = 0; i < n; i++) {
        assert_int_equal(b->subject[i].ret_err, b->reference[i].ret_err);
        assert_int_equal(b->subject[i].ret_len, b->reference[i].ret_len);
        if (b->subject[i].ret_err == 0)
            assert_memory_equal(b->out[i], b->expected[i], SLOT); /* the margins too */
    }
}

static void rtcp_equals(struct seeded *s, struct peer *p)
{
    uint8_t expected[SLOT], out[SLOT];
    size_t len = 8 + (size_t)seeded_below(s, 330) * 4, a = len, b = len;
    size_t at = MARGIN + seeded_below(s, 64), cap = len + srtp_profile_rtcp_trailer(p->profile);

    memset(expected, 0x5a, sizeof expected);
    fill(s, expected + at, len);
    struct writer w = writer_of(expected + at, len);
    writer_u32(&w, 0x80c80000 | (uint32_t)(len / 4 - 1));
    writer_u32(&w, 0xf0000000 + seeded_below(s, STREAMS));
    memcpy(out, expected, sizeof out);
    assert_int_equal(srtp_tx_rtcp(p->reference, expected + at, &a, cap), 0);
    assert_int_equal(srtp_tx_rtcp(p->subject, out + at, &b, cap), 0);
    assert_int_equal(a, b);
    assert_memory_equal(out, expected, sizeof out);
}

/* Mixed profiles, keys, SSRCs, lengths and batch sizes, over rollovers, in disorder. */
static void back_end_equals(const struct srtp_backend *b, uint64_t seed, size_t rounds)
{
    static _Thread_local struct batch batch;
    struct seeded s = seeded_of(seed);
    struct peer peers[PEERS];

    for (size_t i = 0; i < PEERS; i++)
        peer_open(&peers[i], &s, profiles[i % PROFILES], b);
    for (size_t round = 0; round < rounds; round++) {
        /* batches of one peer, that is of one profile, too */
        size_t one = seeded_below(&s, PEERS);
        if (seeded_chance(&s, 30))
            rtp_batch_equals(&batch, &s, &peers[one], 1);
        else
            rtp_batch_equals(&batch, &s, peers, PEERS);
        rtcp_equals(&s, &peers[one]);
    }
    for (size_t i = 0; i < PEERS; i++)
        peer_close(&peers[i]);
}

static void packets_equal_those_of_libsrtp2(void **state)
{
    (void)state;
    for (size_t i = 0; i < SUBJECTS; i++) {
        if (!is_here(subjects[i]))
            continue;
        for (uint64_t seed = 1; seed <= 3; seed++)
            back_end_equals(subjects[i], seed, 600);
    }
}

static void *run_thread(void *arg)
{
    for (size_t i = 0; i < SUBJECTS; i++)
        if (is_here(subjects[i]))
            back_end_equals(subjects[i], *(uint64_t *)arg, 60);
    return NULL;
}

static void threads_do_not_disturb_one_another(void **state)
{
    pthread_t threads[3];
    uint64_t seeds[3] = {101, 102, 103};
    (void)state;
    for (size_t i = 0; i < 3; i++)
        assert_int_equal(pthread_create(&threads[i], NULL, run_thread, &seeds[i]), 0);
    for (size_t i = 0; i < 3; i++)
        assert_int_equal(pthread_join(threads[i], NULL), 0);
}

/* ---- buffers between pages that nobody may touch: a step across ends the program ---- */

#define FENCED 17 /* packets: a pass over 16 lanes and one more */

struct fence {
    uint8_t *start, *end;
};

static void fence_open(struct fence *f)
{
    size_t page = (size_t)sysconf(_SC_PAGESIZE);
    uint8_t *p = mmap(NULL, 3 * page, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    assert_true(p != MAP_FAILED);
    assert_int_equal(mprotect(p + page, page, PROT_READ | PROT_WRITE), 0);
    f->start = p + page;
    f->end = p + 2 * page;
}

static void fence_close(struct fence *f)
{
    size_t page = (size_t)sysconf(_SC_PAGESIZE);
    assert_int_equal(munmap(f->start - page, 3 * page), 0);
}

/* n bytes against one of the two borders. */
static uint8_t *fence_place(const struct fence *f, size_t n, bool at_end)
{
    return at_end ? f->end - n : f->start;
}

struct pen {
    struct fence header[FENCED], payload[FENCED], out[FENCED];
    struct srtp_tx_job jobs[FENCED];
};

static void fenced_rtp(
    struct pen *pen, struct peer *p, size_t n, size_t payload_len, uint64_t index, bool at_end)
{
    size_t header_len = 12 + payload_len % 5 * 4; /* up to four CSRCs */

    for (size_t i = 0; i < n; i++) {
        struct srtp_tx_job *j = &pen->jobs[i];
        uint8_t *header = fence_place(&pen->header[i], header_len, at_end);
        size_t cap = header_len + payload_len + srtp_profile_rtp_trailer(p->profile);
        struct writer w = writer_of(header, header_len);
        writer_u16(&w, (uint16_t)(0x8060 | payload_len % 5 << 8));
        writer_u16(&w, (uint16_t)(index + i));
        writer_u32(&w, 1);
        writer_u32(&w, 9);
        *j = (struct srtp_tx_job){.tx = p->subject,
            .ssrc = 9,
            .index = index + i,
            .header = header,
            .header_len = (uint16_t)header_len,
            .payload = fence_place(&pen->payload[i], payload_len, at_end),
            .payload_len = (uint16_t)payload_len,
            .out = fence_place(&pen->out[i], cap, at_end),
            .out_cap = cap};
    }
    assert_int_equal(srtp_tx_run(pen->jobs, n), n);
}

static void fenced_rtcp(struct pen *pen, struct peer *p, size_t len, bool at_end)
{
    size_t cap = len + srtp_profile_rtcp_trailer(p->profile), n = len;
    uint8_t *packet = fence_place(&pen->out[0], cap, at_end);
    struct writer w = writer_of(packet, len);
    writer_u32(&w, 0x80c80000 | (uint32_t)(len / 4 - 1));
    writer_u32(&w, 9);
    assert_int_equal(srtp_tx_rtcp(p->subject, packet, &n, cap), 0);
    assert_int_equal(n, cap);
}

static void nothing_is_touched_beyond_the_buffers(void **state)
{
    struct seeded s = seeded_of(5);
    struct pen pen;
    (void)state;
    for (size_t i = 0; i < FENCED; i++) {
        fence_open(&pen.header[i]);
        fence_open(&pen.payload[i]);
        fence_open(&pen.out[i]);
    }
    for (size_t k = 0; k < SUBJECTS * PROFILES; k++) {
        struct peer p;
        uint64_t index = 0;
        if (!is_here(subjects[k / PROFILES]))
            continue;
        peer_open(&p, &s, profiles[k % PROFILES], subjects[k / PROFILES]);
        for (size_t len = 0; len <= PAYLOAD_MAX; len += len < 300 ? 1 : 13) {
            for (int at_end = 0; at_end < 2; at_end++) {
                fenced_rtp(&pen, &p, 1, len, index, at_end);
                fenced_rtp(&pen, &p, FENCED, len, index + 1, at_end);
                index += 1 + FENCED;
                fenced_rtcp(&pen, &p, 8 + len / 4 * 4, at_end);
            }
        }
        srtp_tx_free(p.reference);
        srtp_tx_free(p.subject);
    }
    for (size_t i = 0; i < FENCED; i++) {
        fence_close(&pen.header[i]);
        fence_close(&pen.payload[i]);
        fence_close(&pen.out[i]);
    }
}

/* ---- the choice ---- */

static void the_library_is_chosen(void **state)
{
    bool ipsecmb = is_here(&srtp_backend_ipsecmb);
    (void)state;
    assert_string_equal(srtp_library_name(), ipsecmb ? "ipsecmb" : "openssl");
    assert_int_equal(srtp_use(SRTP_LIBRARY_LIBSRTP), 0);
    assert_string_equal(srtp_library_name(), "libsrtp2");
    assert_int_equal(srtp_use(SRTP_LIBRARY_OPENSSL), 0);
    assert_ptr_equal(srtp_backend_of(SRTP_PROFILE_AES128_CM_SHA1_80), &srtp_backend_evp);
    assert_null(srtp_backend_of(SRTP_PROFILE_NONE));
    assert_int_equal(srtp_use(SRTP_LIBRARY_IPSECMB), ipsecmb ? 0 : -ENOTSUP);
    assert_string_equal(srtp_library_name(), ipsecmb ? "ipsecmb" : "openssl");
    assert_int_equal(srtp_use(SRTP_LIBRARY_AUTO), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(packets_equal_those_of_libsrtp2),
        cmocka_unit_test(threads_do_not_disturb_one_another),
        cmocka_unit_test(nothing_is_touched_beyond_the_buffers),
        cmocka_unit_test(the_library_is_chosen),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
