/* RTCP: RFC 3550 section 6, RFC 4585 section 6, RFC 5104 section 4.3.1, RFC 5506, REMB. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>
#include <errno.h>
#include <string.h>
#include "rtp/rtcp.h"
#include "support/seeded.h"

/* The first block of data. */
static struct rtcp_block block_of(const void *data, size_t len)
{
    struct cursor c = cursor_of(data, len);
    struct rtcp_block b = {0};
    assert_int_equal(rtcp_next(&c, &b), 1);
    return b;
}

static void a_sender_report_is_read_as_in_rfc_3550(void **state)
{
    (void)state;
    const uint8_t data[] = {
        0x81, 200, 0, 12,                                     /* V=2, one report block, 13 words */
        0x11, 0x22, 0x33, 0x44,                               /* SSRC of the sender */
        0xb4, 0x4d, 0xb7, 0x05, 0x20, 0x00, 0x00, 0x00,       /* NTP time */
        0x00, 0x01, 0x02, 0x03, 0, 0, 0x10, 0, 0, 0x20, 0, 0, /* timestamp, packets, octets */
        0xaa, 0xbb, 0xcc, 0xdd, 0x40, 0xff, 0xff, 0xfe,       /* SSRC, a quarter lost, -2 in all */
        0x00, 0x02, 0xff, 0xff, 0x00, 0x00, 0x00, 0x64,       /* two cycles, jitter */
        0xb7, 0x05, 0x20, 0x00, 0x00, 0x05, 0x40, 0x00,       /* LSR, DLSR: RFC 3550, figure 2 */
    };
    struct rtcp_block b = block_of(data, sizeof data);
    assert_int_equal(b.type, RTCP_SR);
    struct rtcp_sr sr;
    struct cursor reports;
    struct rtcp_report r;
    assert_int_equal(rtcp_sr_parse(&b, &sr, &reports), 0);
    assert_int_equal(sr.ssrc, 0x11223344);
    assert_true(sr.ntp == UINT64_C(0xb44db70520000000));
    assert_int_equal(sr.ts, 0x00010203);
    assert_int_equal(sr.packets, 0x1000);
    assert_int_equal(sr.octets, 0x200000);
    assert_true(rtcp_report_next(&reports, &r));
    assert_int_equal(r.ssrc, 0xaabbccdd);
    assert_int_equal(r.fraction_lost, 64);
    assert_int_equal(r.total_lost, -2);
    assert_int_equal(r.highest_seq, 0x2ffff);
    assert_int_equal(r.jitter, 100);
    assert_int_equal(r.lsr, 0xb7052000);
    assert_int_equal(r.dlsr, 0x00054000);
    assert_false(rtcp_report_next(&reports, &r));

    uint8_t out[sizeof data];
    struct writer w = writer_of(out, sizeof out);
    rtcp_sr_write(&w, &sr, &r, 1);
    assert_false(w.bad);
    assert_int_equal(w.len, sizeof data);
    assert_memory_equal(out, data, sizeof data);
}

static void a_receiver_report_round_trips_with_31_blocks(void **state)
{
    (void)state;
    struct rtcp_report in[32], out;
    for (unsigned i = 0; i < 32; i++)
        in[i] = (struct rtcp_report){
            .ssrc = i, .total_lost = (int32_t)i - 16, .highest_seq = i * 65537, .lsr = i};
    uint8_t data[1600];
    struct writer w = writer_of(data, sizeof data);
    rtcp_rr_write(&w, 7, in, 31);
    assert_false(w.bad);
    struct rtcp_block b = block_of(data, w.len);
    uint32_t ssrc;
    struct cursor reports;
    assert_int_equal(rtcp_rr_parse(&b, &ssrc, &reports), 0);
    assert_int_equal(ssrc, 7);
    for (unsigned i = 0; i < 31; i++) {
        assert_true(rtcp_report_next(&reports, &out));
        assert_int_equal(out.ssrc, in[i].ssrc);
        assert_int_equal(out.total_lost, in[i].total_lost);
        assert_int_equal(out.highest_seq, in[i].highest_seq);
        assert_int_equal(out.lsr, in[i].lsr);
    }
    assert_false(rtcp_report_next(&reports, &out));
    rtcp_rr_write(&w, 7, in, 32);
    assert_true(w.bad);

    w = writer_of(data, sizeof data);
    in[0].total_lost = 0x12345678; /* beyond 24 bits: held at the end of the range (RFC 3550, A.3) */
    in[1].total_lost = -0x12345678;
    rtcp_rr_write(&w, 7, in, 2);
    b = block_of(data, w.len);
    assert_int_equal(rtcp_rr_parse(&b, &ssrc, &reports), 0);
    assert_true(rtcp_report_next(&reports, &out));
    assert_int_equal(out.total_lost, 0x7fffff);
    assert_true(rtcp_report_next(&reports, &out));
    assert_int_equal(out.total_lost, -0x800000);
}

static void compound_packets_are_walked(void **state)
{
    (void)state;
    const uint8_t data[] = {
        0x80, 201, 0, 1, 0, 0, 0, 1,                         /* RR without blocks */
        0x81, 207, 0, 3, 0, 0, 0, 1, 4, 0, 0, 1, 1, 2, 3, 4, /* XR: stepped over */
        0x85, 204, 0, 2, 0, 0, 0, 1, 'n', 'a', 'm', 'e',     /* APP */
        0x80, 250, 0, 0,                                     /* a type nobody knows */
        0xa1, 206, 0, 3, 0, 0, 0, 1, 0, 0, 0, 2, 0, 0, 0, 4, /* PLI with four bytes of padding */
    };
    static const struct {
        uint8_t type, count;
        size_t len;
    } want[] = {{201, 0, 4}, {207, 1, 12}, {204, 5, 8}, {250, 0, 0}, {206, 1, 8}};
    struct cursor c = cursor_of(data, sizeof data);
    struct rtcp_block b;
    for (size_t i = 0; i < sizeof want / sizeof want[0]; i++) {
        assert_int_equal(rtcp_next(&c, &b), 1);
        assert_int_equal(b.type, want[i].type);
        assert_int_equal(b.count, want[i].count);
        assert_int_equal(b.len, want[i].len);
    }
    assert_int_equal(rtcp_next(&c, &b), 0);
    assert_int_equal(rtcp_next(&c, &b), 0);
}

static void broken_compounds_end_the_walk(void **state)
{
    (void)state;
    static const struct {
        const char *what;
        size_t len;
        uint8_t data[16];
    } bad[] = {
        {"one byte", 1, {0x80}},
        {"three bytes", 3, {0x80, 201, 0}},
        {"version 1", 8, {0x40, 201, 0, 1}},
        {"longer than the datagram", 8, {0x80, 201, 0, 2}},
        {"the longest length", 8, {0x80, 201, 0xff, 0xff}},
        {"padding of zero", 8, {0xa0, 201, 0, 1, 0, 0, 0, 0}},
        {"padding longer than the block", 8, {0xa0, 201, 0, 1, 0, 0, 0, 5}},
        {"padding without a body", 4, {0xa0, 201, 0, 0}},
        {"junk after the last block", 10, {0x80, 201, 0, 1, 0, 0, 0, 1, 0x80, 201}},
    };
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        struct cursor c = cursor_of(bad[i].data, bad[i].len);
        struct rtcp_block b;
        int r = rtcp_next(&c, &b);
        if (r == 1)
            r = rtcp_next(&c, &b);
        if (r != -EBADMSG || rtcp_next(&c, &b) != -EBADMSG)
            fail_msg("taken: %s", bad[i].what);
    }
}

static void rtcp_is_told_from_rtp(void **state)
{
    (void)state;
    assert_true(rtcp_is((const uint8_t[]){0x80, 200}, 2));
    assert_true(rtcp_is((const uint8_t[]){0xbf, 207}, 2));
    assert_true(rtcp_is((const uint8_t[]){0x80, 192}, 2));
    assert_true(rtcp_is((const uint8_t[]){0x80, 223}, 2));
    assert_false(rtcp_is((const uint8_t[]){0x80, 191}, 2)); /* marker and payload type 63 */
    assert_false(rtcp_is((const uint8_t[]){0x80, 224}, 2)); /* marker and payload type 96 */
    assert_false(rtcp_is((const uint8_t[]){0x00, 200}, 2));
    assert_false(rtcp_is((const uint8_t[]){0x80}, 1));
}

struct cnames {
    int count;
    uint32_t ssrc[4];
    char text[4][256];
};

static void cname_note(void *arg, uint32_t ssrc, const char *cname, size_t len)
{
    struct cnames *n = arg;
    n->ssrc[n->count] = ssrc;
    memcpy(n->text[n->count], cname, len);
    n->text[n->count++][len] = '\0';
}

static void sdes_chunks_give_their_cname(void **state)
{
    (void)state;
    const uint8_t data[] = {
        0x83,
        202,
        0,
        12, /* three chunks */
        0,
        0,
        0,
        1,
        1,
        4,
        'a',
        'b',
        'c',
        'd',
        0,
        0, /* ends on the word */
        0,
        0,
        0,
        2,
        2,
        3,
        'B',
        'o',
        'b',
        1,
        3,
        'x',
        'y',
        'z',
        0,
        0, /* NAME before CNAME */
        0,
        0,
        0,
        3,
        6,
        4,
        't',
        'o',
        'o',
        'l',
        0,
        0, /* no CNAME */
        0,
        0,
        0,
        0, /* beyond the last chunk */
        0,
        0,
        0,
        0,
    };
    struct rtcp_block b = block_of(data, sizeof data);
    struct cnames n = {0};
    assert_int_equal(rtcp_sdes_parse(&b, cname_note, &n), 0);
    assert_int_equal(n.count, 2);
    assert_int_equal(n.ssrc[0], 1);
    assert_string_equal(n.text[0], "abcd");
    assert_int_equal(n.ssrc[1], 2);
    assert_string_equal(n.text[1], "xyz");

    for (size_t len = 1; len <= 255; len++) { /* every alignment of the end */
        char cname[256] = {0};
        memset(cname, 'c', len);
        uint8_t out[300];
        struct writer w = writer_of(out, sizeof out);
        rtcp_sdes_write(&w, 0xabcd0123, cname);
        assert_false(w.bad);
        assert_int_equal(w.len % 4, 0);
        b = block_of(out, w.len);
        assert_int_equal(b.len + 4, w.len);
        n.count = 0;
        assert_int_equal(rtcp_sdes_parse(&b, cname_note, &n), 0);
        assert_int_equal(n.count, 1);
        assert_int_equal(n.ssrc[0], 0xabcd0123);
        assert_string_equal(n.text[0], cname);
    }
    static const uint8_t bad[][16] = {
        {0x81, 202, 0, 2, 0, 0, 0, 1, 1, 9, 'a', 'b'}, /* item leads out */
        {0x81, 202, 0, 2, 0, 0, 0, 1, 1, 2, 'a', 'b'}, /* no end of items */
        {0x82, 202, 0, 2, 0, 0, 0, 1, 1, 1, 'a', 0},   /* a chunk is missing */
        {0x81, 202, 0, 2, 0, 0, 0, 1, 1, 1, 'a', 1},   /* cut within an item */
    };
    for (size_t i = 0; i < 4; i++) {
        b = block_of(bad[i], 12);
        assert_int_equal(rtcp_sdes_parse(&b, cname_note, &n), -EBADMSG);
    }
}

static void goodbyes_round_trip(void **state)
{
    (void)state;
    const uint32_t in[3] = {1, 0xffffffff, 3};
    uint32_t out[2] = {0};
    uint8_t data[64];
    struct writer w = writer_of(data, sizeof data);
    rtcp_bye_write(&w, in, 3);
    struct rtcp_block b = block_of(data, w.len);
    assert_int_equal(b.type, RTCP_BYE);
    assert_int_equal(rtcp_bye_parse(&b, out, 2), 3);
    assert_int_equal(out[0], 1);
    assert_int_equal(out[1], 0xffffffff);
    b.count = 4;
    assert_int_equal(rtcp_bye_parse(&b, out, 2), -EBADMSG);
}

struct seqs {
    uint32_t media;
    int count;
    uint16_t seq[RTCP_NACK_MAX + 1];
};

static void seq_note(void *arg, uint32_t media, uint16_t seq)
{
    struct seqs *s = arg;
    s->media = media;
    s->seq[s->count++] = seq;
}

static void a_nack_names_its_numbers_as_in_rfc_4585(void **state)
{
    (void)state;
    const uint8_t data[] = {0x81, 205, 0, 4, 0, 0, 0, 1, 0, 0, 0, 2, 0xff, 0xfe, 0x80, 0x05, 0, 100, 0, 0};
    static const uint16_t want[] = {0xfffe, 0xffff, 1, 14, 100}; /* bit i of the mask: number + i + 1 */
    struct rtcp_block b = block_of(data, sizeof data);
    assert_true(rtcp_is_feedback(&b, RTCP_RTPFB, RTCP_FMT_NACK));
    static struct seqs s;
    s.count = 0;
    assert_int_equal(rtcp_nack_parse(&b, seq_note, &s), 5);
    assert_int_equal(s.media, 2);
    assert_memory_equal(s.seq, want, sizeof want);

    uint8_t out[sizeof data];
    struct writer w = writer_of(out, sizeof out);
    assert_int_equal(rtcp_nack_write(&w, 1, 2, want, 5), 5);
    assert_memory_equal(out, data, sizeof data);

    b.len -= 2; /* half an entry */
    assert_int_equal(rtcp_nack_parse(&b, seq_note, &s), -EBADMSG);
    b.len = 8; /* none */
    assert_int_equal(rtcp_nack_parse(&b, seq_note, &s), -EBADMSG);
    b.len = 4;
    assert_int_equal(rtcp_nack_parse(&b, seq_note, &s), -EBADMSG);
}

static void one_nack_costs_a_bounded_amount(void **state)
{
    (void)state;
    uint8_t data[12 + 4 * 300] = {0x81, 205, (300 + 2) >> 8, (300 + 2) & 0xff};
    memset(data + 12, 0xff, sizeof data - 12); /* 300 entries of 17 numbers */
    struct rtcp_block b = block_of(data, sizeof data);
    static struct seqs s;
    s.count = 0;
    assert_int_equal(rtcp_nack_parse(&b, seq_note, &s), RTCP_NACK_MAX);
    assert_int_equal(s.count, RTCP_NACK_MAX);
}

static void nacks_round_trip_and_fill_what_room_there_is(void **state)
{
    (void)state;
    for (uint64_t seed = 1; seed <= 500; seed++) {
        struct seeded r = seeded_of(seed);
        uint16_t in[200];
        size_t count = 1 + seeded_below(&r, 200);
        uint16_t seq = (uint16_t)seeded_u64(&r);
        for (size_t i = 0; i < count; i++)
            in[i] = seq = (uint16_t)(seq + 1 + seeded_below(&r, 1 + seeded_below(&r, 40)));
        uint8_t data[900];
        struct writer w = writer_of(data, 8 + 4 * seeded_below(&r, 220));
        size_t taken = rtcp_nack_write(&w, 1, 2, in, count);
        assert_false(w.bad);
        if (w.cap < 16) {
            assert_int_equal(taken, 0);
            assert_int_equal(w.len, 0);
            continue;
        }
        assert_true(taken > 0 && taken <= count);
        if (taken < count)
            assert_true(w.cap - w.len < 4);
        struct rtcp_block b = block_of(data, w.len);
        static struct seqs s;
        s.count = 0;
        assert_int_equal(rtcp_nack_parse(&b, seq_note, &s), taken);
        assert_memory_equal(s.seq, in, taken * sizeof in[0]);
    }
}

static void fir_note(void *arg, uint32_t media, uint8_t command)
{
    uint32_t *out = arg;
    out[0]++;
    out[1] = media;
    out[2] = command;
}

static void key_frame_requests_are_read_and_written(void **state)
{
    (void)state;
    const uint8_t pli[] = {0x81, 206, 0, 2, 0, 0, 0, 1, 0xde, 0xad, 0xbe, 0xef};
    const uint8_t fir[] = {0x84, 206, 0, 4, 0, 0, 0, 1, 0, 0, 0, 0, 0xde, 0xad, 0xbe, 0xef, 9, 0, 0, 0};
    uint8_t out[32];
    struct writer w = writer_of(out, sizeof out);
    rtcp_pli_write(&w, 1, 0xdeadbeef);
    assert_int_equal(w.len, sizeof pli);
    assert_memory_equal(out, pli, sizeof pli);
    struct rtcp_block b = block_of(out, w.len);
    uint32_t sender, media, seen[3] = {0};
    assert_int_equal(rtcp_pli_parse(&b, &sender, &media), 0);
    assert_int_equal(sender, 1);
    assert_int_equal(media, 0xdeadbeef);
    b.len = 4;
    assert_int_equal(rtcp_pli_parse(&b, &sender, &media), -EBADMSG);

    w = writer_of(out, sizeof out);
    rtcp_fir_write(&w, 1, 0xdeadbeef, 9);
    assert_int_equal(w.len, sizeof fir);
    assert_memory_equal(out, fir, sizeof fir);
    b = block_of(out, w.len);
    assert_int_equal(rtcp_fir_parse(&b, fir_note, seen), 1);
    assert_int_equal(seen[0], 1);
    assert_int_equal(seen[1], 0xdeadbeef);
    assert_int_equal(seen[2], 9);
    b.len = 8;
    assert_int_equal(rtcp_fir_parse(&b, fir_note, seen), -EBADMSG);
    b.len = 12;
    assert_int_equal(rtcp_fir_parse(&b, fir_note, seen), -EBADMSG);
}

static void remb_keeps_18_bits_of_the_rate(void **state)
{
    (void)state;
    /* 262,143 << 2, two SSRCs */
    const uint8_t data[] = {0x8f, 206, 0, 6, 0, 0, 0, 1, 0, 0, 0, 0, 'R', 'E', 'M', 'B', 2, (2 << 2) | 3,
        0xff, 0xff, 0, 0, 0, 5, 0, 0, 0, 6};
    struct rtcp_block b = block_of(data, sizeof data);
    uint64_t bps;
    uint32_t ssrcs[2];
    size_t count;
    assert_int_equal(rtcp_remb_parse(&b, &bps, ssrcs, 1, &count), 0);
    assert_int_equal(bps, 262143 << 2);
    assert_int_equal(count, 2);
    assert_int_equal(ssrcs[0], 5);
    uint8_t out[sizeof data];
    struct writer w = writer_of(out, sizeof out);
    rtcp_remb_write(&w, 1, bps, (const uint32_t[]){5, 6}, 2);
    assert_memory_equal(out, data, sizeof data);

    static const uint64_t rates[] = {0, 1, 262143, 262144, 30000, 2500000, UINT64_C(1) << 40, INT64_MAX};
    for (size_t i = 0; i < sizeof rates / sizeof rates[0]; i++) {
        w = writer_of(out, sizeof out);
        rtcp_remb_write(&w, 1, rates[i], ssrcs, 1);
        b = block_of(out, w.len);
        assert_int_equal(rtcp_remb_parse(&b, &bps, ssrcs, 2, &count), 0);
        assert_true(bps <= rates[i] && rates[i] - bps <= rates[i] >> 17);
    }
    uint8_t bad[sizeof data];
    memcpy(bad, data, sizeof data);
    bad[16] = 3; /* an SSRC too many */
    b = block_of(bad, sizeof bad);
    assert_int_equal(rtcp_remb_parse(&b, &bps, ssrcs, 2, &count), -EBADMSG);
    bad[16] = 2;
    bad[17] = 0xff; /* 2^63 and more */
    b = block_of(bad, sizeof bad);
    assert_int_equal(rtcp_remb_parse(&b, &bps, ssrcs, 2, &count), -EBADMSG);
    bad[12] = 'X'; /* another application's feedback */
    b = block_of(bad, sizeof bad);
    assert_int_equal(rtcp_remb_parse(&b, &bps, ssrcs, 2, &count), -ENOMSG);
}

/* A block that does not fit leaves the ones before it whole. */
static void what_does_not_fit_leaves_no_trace(void **state)
{
    (void)state;
    for (size_t cap = 0; cap < 64; cap++) {
        uint8_t out[64];
        memset(out, 0xee, sizeof out);
        struct writer w = writer_of(out, cap);
        const struct rtcp_report r = {.ssrc = 1};
        rtcp_pli_write(&w, 1, 2);
        rtcp_rr_write(&w, 1, &r, 1);
        assert_int_equal(w.len, cap < 12 ? 0 : cap < 44 ? 12 : 44);
        assert_int_equal(w.bad, cap < 44);
        for (size_t i = cap; i < sizeof out; i++)
            assert_int_equal(out[i], 0xee);
        struct cursor c = cursor_of(out, w.len);
        struct rtcp_block b;
        int n;
        while ((n = rtcp_next(&c, &b)) == 1)
            continue;
        assert_int_equal(n, 0);
    }
}

static void reference_times_are_told_and_their_answers_found(void **state)
{
    (void)state;
    const uint8_t told[] = {
        0x80, 207, 0, 4,        /* V=2, XR, five words */
        0x11, 0x22, 0x33, 0x44, /* SSRC of the reporter */
        4, 0, 0, 2,             /* RFC 3611, section 4.4 */
        1, 2, 3, 4, 5, 6, 7, 8, /* NTP time */
    };
    uint8_t out[sizeof told];
    struct writer w = writer_of(out, sizeof out);
    rtcp_rrtr_write(&w, 0x11223344, UINT64_C(0x0102030405060708));
    assert_false(w.bad);
    assert_memory_equal(out, told, sizeof told);

    uint8_t answer[] = {
        0x80, 207, 0, 13,                               /* */
        0, 0, 0, 9,                                     /* SSRC of the peer */
        4, 0, 0, 2, 1, 2, 3, 4, 5, 6, 7, 8,             /* a reference time of its own */
        5, 0, 0, 6, 0, 0, 0, 7, 1, 1, 1, 1, 2, 2, 2, 2, /* RFC 3611, section 4.5: two sub-blocks */
        0x11, 0x22, 0x33, 0x44, 3, 4, 5, 6, 0, 1, 0, 0, /* the second is ours */
        99, 0, 0, 1, 0, 0, 0, 0,                        /* an unknown block */
    };
    struct rtcp_dlrr d = {0};
    struct rtcp_block b = block_of(answer, sizeof answer);
    assert_true(rtcp_dlrr_find(&b, 0x11223344, &d));
    assert_int_equal(d.lrr, 0x03040506);
    assert_int_equal(d.dlrr, 65536);
    assert_false(rtcp_dlrr_find(&b, 0x11223345, &d));
    answer[23] = 7; /* the block leads into the next one, and that out of the packet */
    assert_true(rtcp_dlrr_find(&b, 0x11223344, &d));
    answer[23] = 200;
    assert_false(rtcp_dlrr_find(&b, 0x11223344, &d));
    for (size_t len = 0; len < b.len; len++) { /* cut short anywhere */
        struct rtcp_block cut = {.type = RTCP_XR, .body = b.body, .len = len};
        assert_false(rtcp_dlrr_find(&cut, 0x11223344, &d));
    }
    assert_int_equal(d.lrr, 0x03040506);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(reference_times_are_told_and_their_answers_found),
        cmocka_unit_test(a_sender_report_is_read_as_in_rfc_3550),
        cmocka_unit_test(a_receiver_report_round_trips_with_31_blocks),
        cmocka_unit_test(compound_packets_are_walked),
        cmocka_unit_test(broken_compounds_end_the_walk),
        cmocka_unit_test(rtcp_is_told_from_rtp),
        cmocka_unit_test(sdes_chunks_give_their_cname),
        cmocka_unit_test(goodbyes_round_trip),
        cmocka_unit_test(a_nack_names_its_numbers_as_in_rfc_4585),
        cmocka_unit_test(one_nack_costs_a_bounded_amount),
        cmocka_unit_test(nacks_round_trip_and_fill_what_room_there_is),
        cmocka_unit_test(key_frame_requests_are_read_and_written),
        cmocka_unit_test(remb_keeps_18_bits_of_the_rate),
        cmocka_unit_test(what_does_not_fit_leaves_no_trace),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
