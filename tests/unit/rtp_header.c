/* The RTP header and its extensions: RFC 3550 section 5.1, RFC 8285 section 4, RFC 7941 section 4.1. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>
#include <errno.h>
#include <string.h>
#include "base/cursor.h"
#include "rtp/header.h"
#include "support/seeded.h"

struct pair {
    unsigned id;
    enum rtp_ext ext;
};

static struct rtp_extmap make_map(const struct pair *pairs, size_t count)
{
    struct rtp_extmap m;
    rtp_extmap_init(&m);
    for (size_t i = 0; i < count; i++)
        assert_int_equal(rtp_extmap_set(&m, pairs[i].id, pairs[i].ext), 0);
    return m;
}

static void uris_and_extensions_name_each_other(void **state)
{
    (void)state;
    for (unsigned i = 0; i < RTP_EXT_COUNT; i++) {
        assert_non_null(rtp_ext_uri((enum rtp_ext)i));
        assert_int_equal(rtp_ext_find(rtp_ext_uri((enum rtp_ext)i)), i);
    }
    assert_null(rtp_ext_uri(RTP_EXT_NONE));
    assert_int_equal(rtp_ext_find("urn:ietf:params:rtp-hdrext:sdes:MID"), RTP_EXT_NONE);
    assert_int_equal(rtp_ext_find(""), RTP_EXT_NONE);
}

static void a_table_gives_each_id_one_meaning(void **state)
{
    (void)state;
    struct rtp_extmap m;
    rtp_extmap_init(&m);
    assert_int_equal(rtp_extmap_ext(&m, 0), RTP_EXT_NONE);
    assert_int_equal(rtp_extmap_set(&m, 4, RTP_EXT_MID), 0);
    assert_int_equal(rtp_extmap_set(&m, 4, RTP_EXT_MID), 0);
    assert_int_equal(rtp_extmap_set(&m, 4, RTP_EXT_RID), -EEXIST);
    assert_int_equal(rtp_extmap_set(&m, 5, RTP_EXT_MID), -EEXIST);
    assert_int_equal(rtp_extmap_set(&m, 0, RTP_EXT_RID), -EINVAL);
    assert_int_equal(rtp_extmap_set(&m, 256, RTP_EXT_RID), -EINVAL);
    assert_int_equal(rtp_extmap_set(&m, 6, RTP_EXT_NONE), -EINVAL);
    assert_int_equal(rtp_extmap_id(&m, RTP_EXT_MID), 4);
    assert_int_equal(rtp_extmap_id(&m, RTP_EXT_RID), 0);
    assert_int_equal(rtp_extmap_set(&m, 255, RTP_EXT_RID), 0);
    assert_int_equal(rtp_extmap_ext(&m, 255), RTP_EXT_RID);
}

static void a_plain_header_is_read(void **state)
{
    (void)state;
    const uint8_t data[] = {0x80, 0xe0, 0x12, 0x34, 0x01, 0x02, 0x03, 0x04, 0xde, 0xad, 0xbe, 0xef, 'h', 'i'};
    struct rtp_packet p;
    assert_int_equal(rtp_parse(data, sizeof data, NULL, &p), 0);
    assert_true(p.marker);
    assert_int_equal(p.pt, 96);
    assert_int_equal(p.seq, 0x1234);
    assert_int_equal(p.ext_seq, 0x1234);
    assert_int_equal(p.ts, 0x01020304);
    assert_int_equal(p.ssrc, 0xdeadbeef);
    assert_int_equal(p.payload_off, 12);
    assert_int_equal(p.payload_len, 2);
    assert_int_equal(p.padding_len, 0);
    assert_int_equal(p.ext_has, 0);
    uint32_t ssrc;
    uint8_t pt;
    assert_int_equal(rtp_peek(data, sizeof data, &ssrc, &pt), 0);
    assert_int_equal(ssrc, 0xdeadbeef);
    assert_int_equal(pt, 96);
    assert_int_equal(rtp_peek(data, 11, &ssrc, &pt), -EBADMSG);
}

static void csrcs_and_padding_are_taken_off(void **state)
{
    (void)state;
    const uint8_t data[] = {0xa2, 0x60, 0, 1, 0, 0, 0, 2, 0, 0, 0, 3, /* P, two CSRCs */
        0, 0, 0, 4, 0, 0, 0, 5, 'a', 'b', 'c', 0, 0, 3};              /* three bytes of padding */
    struct rtp_packet p;
    assert_int_equal(rtp_parse(data, sizeof data, NULL, &p), 0);
    assert_int_equal(p.csrc_count, 2);
    assert_int_equal(p.payload_off, 20);
    assert_int_equal(p.payload_len, 3);
    assert_int_equal(p.padding_len, 3);
}

static void a_probe_is_all_padding(void **state)
{
    (void)state;
    uint8_t data[12 + 255] = {0xa0, 0x60};
    data[sizeof data - 1] = 255;
    struct rtp_packet p;
    assert_int_equal(rtp_parse(data, sizeof data, NULL, &p), 0);
    assert_int_equal(p.payload_len, 0);
    assert_int_equal(p.padding_len, 255);
}

static void impossible_headers_are_refused_and_nothing_is_written(void **state)
{
    (void)state;
    static const struct {
        const char *what;
        size_t len;
        uint8_t data[24];
    } bad[] = {
        {"empty", 0, {0}},
        {"eleven bytes", 11, {0x80, 0x60}},
        {"version 1", 12, {0x40, 0x60}},
        {"version 3", 12, {0xc0, 0x60}},
        {"a CSRC too many", 12, {0x81, 0x60}},
        {"extension header cut", 14, {0x90, 0x60, [12] = 0xbe, 0xde}},
        {"extension body cut", 18, {0x90, 0x60, [12] = 0xbe, 0xde, 0, 1, 0x10, 0}},
        {"extension of 262,140 bytes", 20, {0x90, 0x60, [12] = 0xbe, 0xde, 0xff, 0xff}},
        {"padding without room", 12, {0xa0, 0x60}},
        {"padding of zero", 16, {0xa0, 0x60, [15] = 0}},
        {"padding longer than the packet", 16, {0xa0, 0x60, [15] = 5}},
    };
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        struct rtp_packet p, before;
        memset(&p, 0x5a, sizeof p);
        before = p;
        if (rtp_parse(bad[i].data, bad[i].len, NULL, &p) != -EBADMSG)
            fail_msg("taken: %s", bad[i].what);
        assert_memory_equal(&p, &before, sizeof p);
    }
}

/* The figure of RFC 8285, section 4.2: lengths 1, 2 and 4 (L = 0, 1, 3), two bytes of padding in between. */
static void one_byte_elements_are_read_as_in_rfc_8285(void **state)
{
    (void)state;
    const uint8_t data[] = {
        0x90, 0x60, 0, 1, 0, 0, 0, 2, 0, 0, 0, 3, 0xbe, 0xde, 0, 3, 0x10,
        0x85,                         /* id 1, one byte: audio level */
        0x21, 0xab, 0xcd, 0x00, 0x00, /* id 2, two bytes: transport-wide number; padding */
        0x33, 'm', 'i', 'd', '4',     /* id 3, four bytes */
        0xff,                         /* payload */
    };
    const struct pair pairs[] = {{1, RTP_EXT_AUDIO_LEVEL}, {2, RTP_EXT_TWCC}, {3, RTP_EXT_MID}};
    struct rtp_extmap m = make_map(pairs, 3);
    struct rtp_packet p;
    char text[RTP_TEXT_MAX + 1];
    assert_int_equal(rtp_parse(data, sizeof data, &m, &p), 0);
    assert_true(rtp_has(&p, RTP_EXT_AUDIO_LEVEL) && rtp_has(&p, RTP_EXT_TWCC) && rtp_has(&p, RTP_EXT_MID));
    assert_true(p.voice);
    assert_int_equal(p.audio_level, 5);
    assert_int_equal(p.twcc, 0xabcd);
    assert_int_equal(rtp_ext_text(&p, data, RTP_EXT_MID, text), 4);
    assert_string_equal(text, "mid4");
    assert_int_equal(rtp_ext_text(&p, data, RTP_EXT_RID, text), 0);
    assert_string_equal(text, "");
    assert_ptr_equal(rtp_ext_value(&p, data, RTP_EXT_MID), data + 24);
    assert_null(rtp_ext_value(&p, data, RTP_EXT_RID));
    assert_int_equal(p.payload_len, 1);
}

/* The figure of RFC 8285, section 4.3: lengths 0, 1 and 4, one byte of padding; the appbits may be anything.
 */
static void two_byte_elements_are_read_as_in_rfc_8285(void **state)
{
    (void)state;
    uint8_t data[] = {
        0x90,
        0x60,
        0,
        1,
        0,
        0,
        0,
        2,
        0,
        0,
        0,
        3,
        0x10,
        0x00,
        0,
        3,
        200,
        0, /* id 200, empty */
        2,
        1,
        'q',
        0, /* id 2, one byte: rid; padding */
        17,
        4,
        'a',
        'b',
        'c',
        'd',
    };
    const struct pair pairs[] = {{200, RTP_EXT_DEPENDENCY}, {2, RTP_EXT_RID}, {17, RTP_EXT_MID}};
    struct rtp_extmap m = make_map(pairs, 3);
    for (unsigned appbits = 0; appbits < 16; appbits++) {
        struct rtp_packet p;
        char text[RTP_TEXT_MAX + 1];
        data[13] = (uint8_t)appbits;
        assert_int_equal(rtp_parse(data, sizeof data, &m, &p), 0);
        assert_false(rtp_has(&p, RTP_EXT_DEPENDENCY)); /* too short to be one */
        assert_int_equal(rtp_ext_text(&p, data, RTP_EXT_RID, text), 1);
        assert_string_equal(text, "q");
        assert_int_equal(rtp_ext_text(&p, data, RTP_EXT_MID, text), 4);
        assert_string_equal(text, "abcd");
        assert_int_equal(p.payload_len, 0);
    }
    struct rtp_packet p;
    data[12] = 0x11; /* another profile's extension: stepped over */
    assert_int_equal(rtp_parse(data, sizeof data, &m, &p), 0);
    assert_int_equal(p.ext_has, 0);
    assert_int_equal(p.payload_off, 28);
}

/* RFC 7941, section 4.1: an SDES item is its text, one or two bytes in front, no zero at the end. */
static void sdes_items_are_read_as_in_rfc_7941(void **state)
{
    (void)state;
    const struct pair pairs[] = {{1, RTP_EXT_MID}, {2, RTP_EXT_RID}, {3, RTP_EXT_REPAIRED_RID}};
    struct rtp_extmap m = make_map(pairs, 3);
    const uint8_t one[] = {0x90, 0x60, 0, 1, 0, 0, 0, 2, 0, 0, 0, 3, 0xbe, 0xde, 0, 4, 0x12, 'f', 'o', 'o',
        0x22, 'b', 'a', 'r', 0x36, 's', 'c', 'r', 'e', 'e', 'n', '1'};
    struct rtp_packet p;
    char text[RTP_TEXT_MAX + 1];
    assert_int_equal(rtp_parse(one, sizeof one, &m, &p), 0);
    assert_int_equal(rtp_ext_text(&p, one, RTP_EXT_MID, text), 3);
    assert_string_equal(text, "foo");
    assert_int_equal(rtp_ext_text(&p, one, RTP_EXT_RID, text), 3);
    assert_string_equal(text, "bar");
    assert_int_equal(rtp_ext_text(&p, one, RTP_EXT_REPAIRED_RID, text), 7);
    assert_string_equal(text, "screen1");
    const uint8_t two[] = {0x90, 0x60, 0, 1, 0, 0, 0, 2, 0, 0, 0, 3, 0x10, 0x00, 0, 4, 1, 3, 'f', 'o', 'o', 3,
        7, 's', 'c', 'r', 'e', 'e', 'n', '1', 0, 0};
    assert_int_equal(rtp_parse(two, sizeof two, &m, &p), 0);
    assert_int_equal(rtp_ext_text(&p, two, RTP_EXT_MID, text), 3);
    assert_string_equal(text, "foo");
    assert_int_equal(rtp_ext_text(&p, two, RTP_EXT_REPAIRED_RID, text), 7);
    assert_string_equal(text, "screen1");
    assert_false(rtp_has(&p, RTP_EXT_RID));
}

static void text_that_could_do_harm_is_absent(void **state)
{
    (void)state;
    const struct pair pairs[] = {{1, RTP_EXT_MID}};
    struct rtp_extmap m = make_map(pairs, 1);
    static const uint8_t bad[] = {0x00, '\n', ' ', 0x7f, 0x80, 0xff};
    for (size_t i = 0; i < sizeof bad; i++) {
        const uint8_t data[] = {
            0x90, 0x60, 0, 1, 0, 0, 0, 2, 0, 0, 0, 3, 0xbe, 0xde, 0, 1, 0x12, 'a', bad[i], 'b'};
        struct rtp_packet p;
        assert_int_equal(rtp_parse(data, sizeof data, &m, &p), 0);
        assert_false(rtp_has(&p, RTP_EXT_MID));
    }
    /* seventeen characters, which only the two-byte form can carry */
    uint8_t longer[16 + 20] = {0x90, 0x60, [12] = 0x10, 0x00, 0, 5, 1, 17};
    memset(longer + 18, 'x', 17);
    struct rtp_packet p;
    assert_int_equal(rtp_parse(longer, sizeof longer, &m, &p), 0);
    assert_false(rtp_has(&p, RTP_EXT_MID));
}

/* RFC 8285, section 4.2: id 15, and id 0 with a length, end the walk; what came before counts. */
static void reserved_ids_end_the_one_byte_block(void **state)
{
    (void)state;
    const struct pair pairs[] = {{1, RTP_EXT_TWCC}, {2, RTP_EXT_AUDIO_LEVEL}};
    struct rtp_extmap m = make_map(pairs, 2);
    static const uint8_t stops[] = {0xf0, 0xff, 0x01, 0x0f};
    for (size_t i = 0; i < sizeof stops; i++) {
        const uint8_t data[] = {0x90, 0x60, 0, 1, 0, 0, 0, 2, 0, 0, 0, 3, 0xbe, 0xde, 0, 2, 0x11, 1, 2, 0,
            stops[i], 0x20, 0x7f, 0, 9};
        struct rtp_packet p;
        assert_int_equal(rtp_parse(data, sizeof data, &m, &p), 0);
        assert_true(rtp_has(&p, RTP_EXT_TWCC));
        assert_int_equal(p.twcc, 0x0102);
        assert_false(rtp_has(&p, RTP_EXT_AUDIO_LEVEL));
        assert_int_equal(p.payload_off, 24);
        assert_int_equal(p.payload_len, 1);
    }
}

static void an_element_that_leads_out_of_the_block_ends_it(void **state)
{
    (void)state;
    const struct pair pairs[] = {{1, RTP_EXT_TWCC}, {2, RTP_EXT_MID}};
    struct rtp_extmap m = make_map(pairs, 2);
    const uint8_t one[] = {0x90, 0x60, 0, 1, 0, 0, 0, 2, 0, 0, 0, 3, 0xbe, 0xde, 0, 2, 0x11, 1, 2, 0, 0x2f,
        'a', 'b', 'c', 'd', 'e'};
    const uint8_t two[] = {
        0x90, 0x60, 0, 1, 0, 0, 0, 2, 0, 0, 0, 3, 0x10, 0x00, 0, 2, 1, 2, 1, 2, 2, 255, 'b', 'c', 'd', 'e'};
    const uint8_t cut[] = {
        0x90, 0x60, 0, 1, 0, 0, 0, 2, 0, 0, 0, 3, 0x10, 0x00, 0, 2, 1, 2, 1, 2, 0, 0, 0, 2, 'x'};
    struct rtp_packet p;
    assert_int_equal(rtp_parse(one, sizeof one, &m, &p), 0);
    assert_int_equal(p.ext_has, 1u << RTP_EXT_TWCC);
    assert_int_equal(p.payload_len, 2);
    assert_int_equal(rtp_parse(two, sizeof two, &m, &p), 0);
    assert_int_equal(p.ext_has, 1u << RTP_EXT_TWCC);
    assert_int_equal(p.payload_len, 2);
    assert_int_equal(rtp_parse(cut, sizeof cut, &m, &p), 0); /* an id without its length byte */
    assert_int_equal(p.ext_has, 1u << RTP_EXT_TWCC);
}

static void every_known_value_is_read(void **state)
{
    (void)state;
    struct rtp_extmap m;
    rtp_extmap_init(&m);
    for (unsigned i = 0; i < RTP_EXT_COUNT; i++)
        assert_int_equal(rtp_extmap_set(&m, 20 + i, (enum rtp_ext)i), 0);
    static const struct rtp_ext_out values[] = {
        {RTP_EXT_ABS_SEND_TIME, 3, (const uint8_t *)"\x12\x34\x56"},
        {RTP_EXT_PLAYOUT_DELAY, 3, (const uint8_t *)"\x00\xaf\xff"},
        {RTP_EXT_VIDEO_ORIENTATION, 1, (const uint8_t *)"\x0b"},
        {RTP_EXT_ABS_CAPTURE_TIME, 16, (const uint8_t *)"0123456789abcdef"},
        {RTP_EXT_DEPENDENCY, 3, (const uint8_t *)"\xc0\x00\x07"},
        {RTP_EXT_AUDIO_LEVEL, 1, (const uint8_t *)"\x7f"},
        {RTP_EXT_TOFFSET, 3, (const uint8_t *)"\x00\x00\x01"},
        {RTP_EXT_CONTENT_TYPE, 1, (const uint8_t *)"\x01"},
        {RTP_EXT_VIDEO_TIMING, 13, (const uint8_t *)"tttttttttttt"},
        {RTP_EXT_COLOR_SPACE, 4, (const uint8_t *)"cccc"},
        {RTP_EXT_LAYERS_ALLOCATION, 2, (const uint8_t *)"vv"},
    };
    uint8_t data[RTP_HEADER_MAX];
    const struct rtp_fields f = {.pt = 96, .seq = 1};
    int len = rtp_write_header(data, sizeof data, &f, &m, values, sizeof values / sizeof values[0]);
    assert_true(len > 12);
    struct rtp_packet p;
    assert_int_equal(rtp_parse(data, (size_t)len, &m, &p), 0);
    for (size_t i = 0; i < sizeof values / sizeof values[0]; i++) {
        assert_true(rtp_has(&p, values[i].ext));
        assert_int_equal(p.ext_len[values[i].ext], values[i].len);
        assert_memory_equal(rtp_ext_value(&p, data, values[i].ext), values[i].data, values[i].len);
    }
    assert_int_equal(p.abs_send_time, 0x123456);
    assert_int_equal(p.playout_min, 0x00a);
    assert_int_equal(p.playout_max, 0xfff);
    assert_int_equal(p.orientation, 0x0b);
    assert_int_equal(p.audio_level, 127);
    assert_false(p.voice);
    assert_false(rtp_has(&p, RTP_EXT_MID));
}

static void the_short_form_is_written_where_it_fits(void **state)
{
    (void)state;
    const struct pair pairs[] = {
        {14, RTP_EXT_MID}, {1, RTP_EXT_TWCC}, {15, RTP_EXT_RID}, {3, RTP_EXT_DEPENDENCY}};
    struct rtp_extmap m = make_map(pairs, 4);
    const struct rtp_fields f = {
        .pt = 96, .marker = true, .seq = 0x1234, .ts = 0x01020304, .ssrc = 0xdeadbeef};
    uint8_t out[64];
    uint8_t blob[17] = {0};
    const struct rtp_ext_out mid = {RTP_EXT_MID, 1, (const uint8_t *)"0"};
    const struct rtp_ext_out twcc = {RTP_EXT_TWCC, 2, (const uint8_t *)"\xab\xcd"};
    const struct rtp_ext_out unknown = {RTP_EXT_TOFFSET, 3, blob};

    const uint8_t plain[] = {0x80, 0xe0, 0x12, 0x34, 1, 2, 3, 4, 0xde, 0xad, 0xbe, 0xef};
    assert_int_equal(rtp_write_header(out, sizeof out, &f, NULL, NULL, 0), 12);
    assert_memory_equal(out, plain, 12);
    assert_int_equal(rtp_write_header(out, sizeof out, &f, &m, &unknown, 1), 12); /* not negotiated */
    assert_memory_equal(out, plain, 12);

    const uint8_t shorter[] = {0xbe, 0xde, 0, 2, 0xe0, '0', 0x11, 0xab, 0xcd, 0, 0, 0};
    assert_int_equal(
        rtp_write_header(out, sizeof out, &f, &m, (const struct rtp_ext_out[]){mid, unknown, twcc}, 3), 24);
    assert_int_equal(out[0], 0x90);
    assert_memory_equal(out + 12, shorter, 12);

    const struct rtp_ext_out forces[] = {
        {RTP_EXT_RID, 1, blob},         /* id 15 */
        {RTP_EXT_DEPENDENCY, 17, blob}, /* seventeen bytes */
        {RTP_EXT_DEPENDENCY, 0, blob},  /* none */
    };
    for (size_t i = 0; i < 3; i++) {
        int len = rtp_write_header(out, sizeof out, &f, &m, (const struct rtp_ext_out[]){mid, forces[i]}, 2);
        assert_true(len > 16 && len % 4 == 0);
        assert_int_equal(out[12] << 8 | out[13], 0x1000);
        const uint8_t first[] = {14, 1, '0'};
        assert_memory_equal(out + 16, first, 3);
    }
}

static void a_header_that_does_not_fit_is_not_written(void **state)
{
    (void)state;
    const struct pair pairs[] = {{1, RTP_EXT_TWCC}};
    struct rtp_extmap m = make_map(pairs, 1);
    const struct rtp_ext_out twcc = {RTP_EXT_TWCC, 2, (const uint8_t *)"\xab\xcd"};
    struct rtp_fields f = {.pt = 96};
    uint8_t out[20];
    for (size_t cap = 0; cap < 20; cap++)
        assert_int_equal(rtp_write_header(out, cap, &f, &m, &twcc, 1), -ENOBUFS);
    assert_int_equal(rtp_write_header(out, 20, &f, &m, &twcc, 1), 20);
    f.pt = 128;
    assert_int_equal(rtp_write_header(out, 20, &f, &m, &twcc, 1), -EINVAL);
}

static void padding_is_written_and_read(void **state)
{
    (void)state;
    const struct rtp_fields f = {.pt = 96, .padding = true};
    for (size_t n = 1; n <= 255; n++) {
        uint8_t data[12 + 255];
        memset(data, 0xee, sizeof data);
        assert_int_equal(rtp_write_header(data, sizeof data, &f, NULL, NULL, 0), 12);
        assert_int_equal(rtp_write_padding(data + 12, n - 1, n), -ENOBUFS);
        assert_int_equal(rtp_write_padding(data + 12, n, n), 0);
        struct rtp_packet p;
        assert_int_equal(rtp_parse(data, 12 + n, NULL, &p), 0);
        assert_int_equal(p.padding_len, n);
        assert_int_equal(p.payload_len, 0);
    }
    uint8_t b[300];
    assert_int_equal(rtp_write_padding(b, sizeof b, 0), -EINVAL);
    assert_int_equal(rtp_write_padding(b, sizeof b, 256), -EINVAL);
}

/* Random headers come back as they were written, and no prefix of one does harm. */
static void headers_survive_a_round_trip(void **state)
{
    (void)state;
    for (uint64_t seed = 1; seed <= 5000; seed++) {
        struct seeded r = seeded_of(seed);
        struct rtp_extmap m;
        rtp_extmap_init(&m);
        struct rtp_ext_out exts[RTP_EXT_COUNT];
        uint8_t values[RTP_EXT_COUNT][32];
        size_t count = 0;
        static const uint8_t lens[RTP_EXT_COUNT] = {4, 1, 16, 1, 2, 3, 8, 9, 1, 3, 3, 1, 13, 4, 5};
        uint32_t ids = seeded_chance(&r, 70) ? 14 : 255;
        for (unsigned e = 0; e < RTP_EXT_COUNT; e++) {
            if (!seeded_chance(&r, 40) || rtp_extmap_set(&m, 1 + seeded_below(&r, ids), (enum rtp_ext)e) < 0)
                continue;
            for (unsigned k = 0; k < lens[e]; k++)
                values[e][k] = (uint8_t)('!' + seeded_below(&r, 90));
            exts[count++] = (struct rtp_ext_out){(enum rtp_ext)e, lens[e], values[e]};
        }
        const struct rtp_fields f = {
            .pt = (uint8_t)seeded_below(&r, 128),
            .marker = seeded_chance(&r, 50),
            .seq = (uint16_t)seeded_u64(&r),
            .ts = (uint32_t)seeded_u64(&r),
            .ssrc = (uint32_t)seeded_u64(&r),
        };
        uint8_t data[RTP_HEADER_MAX];
        int len = rtp_write_header(data, sizeof data - 8, &f, &m, exts, count);
        assert_true(len >= 12 && len % 4 == 0);
        struct rtp_packet p;
        assert_int_equal(rtp_parse(data, (size_t)len + 8, &m, &p), 0);
        assert_int_equal(p.pt, f.pt);
        assert_int_equal(p.marker, f.marker);
        assert_int_equal(p.seq, f.seq);
        assert_int_equal(p.ts, f.ts);
        assert_int_equal(p.ssrc, f.ssrc);
        assert_int_equal(p.payload_off, len);
        assert_int_equal(p.payload_len, 8);
        uint16_t has = 0;
        for (size_t i = 0; i < count; i++) {
            has |= (uint16_t)(1u << exts[i].ext);
            assert_int_equal(p.ext_len[exts[i].ext], exts[i].len);
            assert_memory_equal(rtp_ext_value(&p, data, exts[i].ext), exts[i].data, exts[i].len);
        }
        assert_int_equal(p.ext_has, has);
        for (int cut = 0; cut < len; cut++)
            assert_int_equal(rtp_parse(data, (size_t)cut, &m, &p), -EBADMSG);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(uris_and_extensions_name_each_other),
        cmocka_unit_test(a_table_gives_each_id_one_meaning),
        cmocka_unit_test(a_plain_header_is_read),
        cmocka_unit_test(csrcs_and_padding_are_taken_off),
        cmocka_unit_test(a_probe_is_all_padding),
        cmocka_unit_test(impossible_headers_are_refused_and_nothing_is_written),
        cmocka_unit_test(one_byte_elements_are_read_as_in_rfc_8285),
        cmocka_unit_test(two_byte_elements_are_read_as_in_rfc_8285),
        cmocka_unit_test(sdes_items_are_read_as_in_rfc_7941),
        cmocka_unit_test(text_that_could_do_harm_is_absent),
        cmocka_unit_test(reserved_ids_end_the_one_byte_block),
        cmocka_unit_test(an_element_that_leads_out_of_the_block_ends_it),
        cmocka_unit_test(every_known_value_is_read),
        cmocka_unit_test(the_short_form_is_written_where_it_fits),
        cmocka_unit_test(a_header_that_does_not_fit_is_not_written),
        cmocka_unit_test(padding_is_written_and_read),
        cmocka_unit_test(headers_survive_a_round_trip),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
