/* STUN messages: the vectors of RFC 5769, bounds of everything foreign, replies, discovery, candidates. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include "ice/candidate.h"
#include "ice/discover.h"
#include "ice/message.h"

#define PASSWORD "VOkJxbRl1RmTxUk/WvJxBt"

/* RFC 5769, section 2.1 */
static const uint8_t request[] = {0x00, 0x01, 0x00, 0x58, 0x21, 0x12, 0xa4, 0x42, 0xb7, 0xe7, 0xa7, 0x01,
    0xbc, 0x34, 0xd6, 0x86, 0xfa, 0x87, 0xdf, 0xae, 0x80, 0x22, 0x00, 0x10, 0x53, 0x54, 0x55, 0x4e, 0x20,
    0x74, 0x65, 0x73, 0x74, 0x20, 0x63, 0x6c, 0x69, 0x65, 0x6e, 0x74, 0x00, 0x24, 0x00, 0x04, 0x6e, 0x00,
    0x01, 0xff, 0x80, 0x29, 0x00, 0x08, 0x93, 0x2f, 0xf9, 0xb1, 0x51, 0x26, 0x3b, 0x36, 0x00, 0x06, 0x00,
    0x09, 0x65, 0x76, 0x74, 0x6a, 0x3a, 0x68, 0x36, 0x76, 0x59, 0x20, 0x20, 0x20, 0x00, 0x08, 0x00, 0x14,
    0x9a, 0xea, 0xa7, 0x0c, 0xbf, 0xd8, 0xcb, 0x56, 0x78, 0x1e, 0xf2, 0xb5, 0xb2, 0xd3, 0xf2, 0x49, 0xc1,
    0xb5, 0x71, 0xa2, 0x80, 0x28, 0x00, 0x04, 0xe5, 0x7a, 0x3b, 0xcf};

/* RFC 5769, section 2.2 */
static const uint8_t answer_v4[] = {0x01, 0x01, 0x00, 0x3c, 0x21, 0x12, 0xa4, 0x42, 0xb7, 0xe7, 0xa7, 0x01,
    0xbc, 0x34, 0xd6, 0x86, 0xfa, 0x87, 0xdf, 0xae, 0x80, 0x22, 0x00, 0x0b, 0x74, 0x65, 0x73, 0x74, 0x20,
    0x76, 0x65, 0x63, 0x74, 0x6f, 0x72, 0x20, 0x00, 0x20, 0x00, 0x08, 0x00, 0x01, 0xa1, 0x47, 0xe1, 0x12,
    0xa6, 0x43, 0x00, 0x08, 0x00, 0x14, 0x2b, 0x91, 0xf5, 0x99, 0xfd, 0x9e, 0x90, 0xc3, 0x8c, 0x74, 0x89,
    0xf9, 0x2a, 0xf9, 0xba, 0x53, 0xf0, 0x6b, 0xe7, 0xd7, 0x80, 0x28, 0x00, 0x04, 0xc0, 0x7d, 0x4c, 0x96};

/* RFC 5769, section 2.3 */
static const uint8_t answer_v6[] = {0x01, 0x01, 0x00, 0x48, 0x21, 0x12, 0xa4, 0x42, 0xb7, 0xe7, 0xa7, 0x01,
    0xbc, 0x34, 0xd6, 0x86, 0xfa, 0x87, 0xdf, 0xae, 0x80, 0x22, 0x00, 0x0b, 0x74, 0x65, 0x73, 0x74, 0x20,
    0x76, 0x65, 0x63, 0x74, 0x6f, 0x72, 0x20, 0x00, 0x20, 0x00, 0x14, 0x00, 0x02, 0xa1, 0x47, 0x01, 0x13,
    0xa9, 0xfa, 0xa5, 0xd3, 0xf1, 0x79, 0xbc, 0x25, 0xf4, 0xb5, 0xbe, 0xd2, 0xb9, 0xd9, 0x00, 0x08, 0x00,
    0x14, 0xa3, 0x82, 0x95, 0x4e, 0x4b, 0xe6, 0x7b, 0xf1, 0x17, 0x84, 0xc9, 0x7c, 0x82, 0x92, 0xc2, 0x75,
    0xbf, 0xe3, 0xed, 0x41, 0x80, 0x28, 0x00, 0x04, 0xc8, 0xfb, 0x0b, 0x4c};

static struct ice_stun *stun;

static int setup(void **state)
{
    (void)state;
    stun = ice_stun_new();
    return stun ? 0 : -1;
}

static int teardown(void **state)
{
    (void)state;
    ice_stun_free(stun);
    return 0;
}

/* A copy with nothing behind it, so that a sanitizer sees every byte read too many. */
static uint8_t *exact(const uint8_t *data, size_t len)
{
    uint8_t *copy = malloc(len ? len : 1);
    memcpy(copy, data, len);
    return copy;
}

static enum stun_auth auth(const uint8_t *data, size_t len, const char *pwd)
{
    struct stun_view v;
    StunMessage msg;
    uint8_t *copy = exact(data, len);
    enum stun_auth result = STUN_AUTH_MALFORMED;
    if (stun_view_read(copy, len, &v) == 0)
        result = stun_request_check(stun, copy, len, pwd, &msg);
    free(copy);
    return result;
}

static void the_sample_request_is_read_and_verified(void **state)
{
    struct stun_view v;
    char ufrag[ICE_UFRAG_MAX + 1];
    (void)state;
    assert_int_equal(stun_view_read(request, sizeof request, &v), 0);
    assert_int_equal(v.class, STUN_REQUEST);
    assert_true(v.binding && v.has_integrity && v.has_fingerprint && v.has_priority && v.controlled);
    assert_false(v.controlling || v.use_candidate);
    assert_true(v.priority == 0x6e0001ff);
    assert_int_equal(v.unknown_count, 0);
    assert_int_equal(v.user_len, 9);
    assert_memory_equal(v.user, "evtj:h6vY", 9);
    assert_int_equal(ice_stun_ufrag(request, sizeof request, ufrag), 0);
    assert_string_equal(ufrag, "evtj");
    assert_int_equal(auth(request, sizeof request, PASSWORD), STUN_AUTH_OK);
    assert_int_equal(auth(request, sizeof request, "VOkJxbRl1RmTxUk/WvJxBu"), STUN_AUTH_WRONG);
    assert_int_equal(auth(request, sizeof request, ""), STUN_AUTH_WRONG);
    assert_int_equal(auth(request, sizeof request, NULL), STUN_AUTH_WRONG);
}

static int answer(const uint8_t *data, size_t len, const char *pwd, struct addr *ret)
{
    struct stun_view v;
    uint8_t *copy = exact(data, len);
    int rc = stun_view_read(copy, len, &v);
    if (rc == 0)
        rc = stun_answer_read(stun, &v, copy, len, pwd, ret);
    free(copy);
    return rc;
}

static void the_sample_responses_are_read_and_verified(void **state)
{
    char text[ADDR_TEXT_MAX];
    struct addr a;
    (void)state;
    assert_int_equal(answer(answer_v4, sizeof answer_v4, PASSWORD, &a), 0);
    assert_string_equal(addr_text(&a, text), "192.0.2.1:32853");
    assert_int_equal(answer(answer_v6, sizeof answer_v6, PASSWORD, &a), 0);
    assert_string_equal(addr_text(&a, text), "[2001:db8:1234:5678:11:2233:4455:6677]:32853");
    assert_int_equal(answer(answer_v4, sizeof answer_v4, "wrong", &a), -EINVAL);
    assert_int_equal(answer(answer_v6, sizeof answer_v6, "wrong", &a), -EINVAL);
    assert_int_equal(answer(request, sizeof request, PASSWORD, &a), -EINVAL);
}

static void no_bit_of_a_message_can_be_changed(void **state)
{
    (void)state;
    for (size_t bit = 0; bit < sizeof request * 8; bit++) {
        uint8_t copy[sizeof request];
        memcpy(copy, request, sizeof copy);
        copy[bit / 8] ^= (uint8_t)(1 << bit % 8);
        assert_int_not_equal(auth(copy, sizeof copy, PASSWORD), STUN_AUTH_OK);
    }
    for (size_t bit = 0; bit < sizeof answer_v4 * 8; bit++) {
        uint8_t copy[sizeof answer_v4];
        struct addr a;
        memcpy(copy, answer_v4, sizeof copy);
        copy[bit / 8] ^= (uint8_t)(1 << bit % 8);
        assert_int_not_equal(answer(copy, sizeof copy, PASSWORD, &a), 0);
    }
}

static void every_truncation_is_refused(void **state)
{
    (void)state;
    for (size_t len = 0; len < sizeof request; len++) {
        uint8_t reply[ICE_REPLY_MAX];
        char ufrag[ICE_UFRAG_MAX + 1];
        struct writer w = writer_of(reply, sizeof reply);
        uint8_t *copy = exact(request, len);
        assert_int_equal(ice_stun_ufrag(copy, len, ufrag), -EINVAL);
        assert_false(ice_stun_refuse(stun, copy, len, &w));
        if (len >= 20) { /* also with a length that fits the cut */
            copy[2] = (uint8_t)((len - 20) >> 8);
            copy[3] = (uint8_t)(len - 20);
            assert_int_equal(auth(copy, len, PASSWORD) == STUN_AUTH_OK, 0);
            ice_stun_ufrag(copy, len, ufrag);
            assert_false(ice_stun_refuse(stun, copy, len, &w));
        }
        free(copy);
    }
}

/* ---- messages of our own ---- */

static uint8_t built[2048];

static struct writer begin(uint16_t type)
{
    struct writer w = writer_of(built, sizeof built - 64);
    writer_u16(&w, type);
    writer_u16(&w, 0);
    writer_u32(&w, STUN_MAGIC_COOKIE);
    writer_bytes(&w, "0123456789ab", 12);
    return w;
}

static void attribute(struct writer *w, uint16_t type, const void *data, size_t len)
{
    writer_u16(w, type);
    writer_u16(w, (uint16_t)len);
    writer_bytes(w, data, len);
    writer_zero(w, (4 - len % 4) % 4);
    writer_put_u16(w, 2, (uint16_t)(w->len - 20));
}

/* Appends what authenticates it, by libnice. */
static size_t finish(struct writer *w, const char *pwd)
{
    StunMessage msg = {.agent = &stun->agent, .buffer = built, .buffer_len = sizeof built};
    size_t len = stun_agent_finish_message(&stun->agent, &msg, (const uint8_t *)pwd, pwd ? strlen(pwd) : 0);
    StunTransactionId id;
    stun_message_id(&msg, id);
    stun_agent_forget_transaction(&stun->agent, id);
    assert_true(!w->bad && len > 0);
    return len;
}

static void an_integrity_that_is_too_short_is_not_read_past(void **state)
{
    (void)state;
    for (size_t size = 0; size <= 24; size += 4) {
        static const uint8_t zero[24];
        struct writer w = begin(0x0001);
        attribute(&w, STUN_ATTRIBUTE_USERNAME, "a:b", 3);
        attribute(&w, STUN_ATTRIBUTE_MESSAGE_INTEGRITY, zero, size);
        size_t len = finish(&w, NULL); /* the fingerprint is right: it needs no secret */
        assert_int_equal(auth(built, len, "password"), size == 20 ? STUN_AUTH_WRONG : STUN_AUTH_MALFORMED);
        w = begin(0x0001);
        attribute(&w, STUN_ATTRIBUTE_MESSAGE_INTEGRITY, zero, size);
        assert_int_equal(auth(built, w.len, "password"), STUN_AUTH_MALFORMED); /* no fingerprint */
    }
}

static void nothing_follows_a_fingerprint(void **state)
{
    (void)state;
    struct writer w = begin(0x0001);
    attribute(&w, STUN_ATTRIBUTE_USERNAME, "a:b", 3);
    w.len = finish(&w, "pwd");
    assert_int_equal(auth(built, w.len, "pwd"), STUN_AUTH_OK);
    attribute(&w, STUN_ATTRIBUTE_SOFTWARE, "x", 1);
    assert_int_equal(auth(built, w.len, "pwd"), STUN_AUTH_MALFORMED);
}

/* RFC 8489, section 14.5: what follows MESSAGE-INTEGRITY is ignored. */
static void what_is_not_authenticated_does_not_count(void **state)
{
    struct stun_view v;
    (void)state;
    struct writer w = begin(0x0001);
    attribute(&w, STUN_ATTRIBUTE_USERNAME, "a:b", 3);
    stun->agent.usage_flags &= ~STUN_AGENT_USAGE_USE_FINGERPRINT;
    w.len = finish(&w, "pwd");
    stun->agent.usage_flags |= STUN_AGENT_USAGE_USE_FINGERPRINT;
    attribute(&w, STUN_ATTRIBUTE_USE_CANDIDATE, NULL, 0);
    attribute(&w, STUN_ATTRIBUTE_PRIORITY, "\1\2\3\4", 4);
    attribute(&w, 0x7ffe, NULL, 0);
    size_t len = finish(&w, NULL);
    assert_int_equal(stun_view_read(built, len, &v), 0);
    assert_false(v.use_candidate || v.has_priority);
    assert_int_equal(v.unknown_count, 0);
    assert_int_equal(auth(built, len, "pwd"), STUN_AUTH_OK);
}

static void the_first_attribute_of_a_type_counts(void **state)
{
    struct stun_view v;
    (void)state;
    struct writer w = begin(0x0001);
    attribute(&w, STUN_ATTRIBUTE_USERNAME, "a:b", 3);
    attribute(&w, STUN_ATTRIBUTE_USERNAME, "c:d", 3);
    attribute(&w, STUN_ATTRIBUTE_PRIORITY, "\0\0\0", 3); /* not a number */
    attribute(&w, STUN_ATTRIBUTE_PRIORITY, "\0\0\0\5", 4);
    attribute(&w, STUN_ATTRIBUTE_PRIORITY, "\0\0\0\6", 4);
    assert_int_equal(stun_view_read(built, w.len, &v), 0);
    assert_memory_equal(v.user, "a:b", 3);
    assert_int_equal(v.priority, 5);
}

static void methods_and_classes_are_told_apart(void **state)
{
    static const struct {
        uint16_t type;
        StunClass class;
        bool binding;
    } cases[] = {
        {0x0001, STUN_REQUEST, true},
        {0x0011, STUN_INDICATION, true},
        {0x0101, STUN_RESPONSE, true},
        {0x0111, STUN_ERROR, true},
        {0x0003, STUN_REQUEST, false},
        {0x0113, STUN_ERROR, false},
        {0x2001, STUN_REQUEST, false},
    };
    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct stun_view v;
        struct writer w = begin(cases[i].type);
        assert_int_equal(stun_view_read(built, w.len, &v), 0);
        assert_int_equal(v.class, cases[i].class);
        assert_int_equal(v.binding, cases[i].binding);
    }
    struct stun_view v;
    struct writer w = begin(0x4001);
    assert_int_equal(stun_view_read(built, w.len, &v), -EINVAL);
}

static int ufrag_of(const void *name, size_t len, char out[ICE_UFRAG_MAX + 1])
{
    struct writer w = begin(0x0001);
    attribute(&w, STUN_ATTRIBUTE_USERNAME, name, len);
    uint8_t *copy = exact(built, w.len);
    int rc = ice_stun_ufrag(copy, w.len, out);
    free(copy);
    return rc;
}

static void the_ufrag_is_bounded(void **state)
{
    char out[ICE_UFRAG_MAX + 1], name[600];
    (void)state;
    assert_int_equal(ufrag_of("ab:cd:ef", 8, out), 0);
    assert_string_equal(out, "ab");
    assert_int_equal(ufrag_of("ab:", 3, out), 0);
    memcpy(out, "same", 5);
    assert_int_equal(ufrag_of(":cd", 3, out), -ENOENT);
    assert_int_equal(ufrag_of("abcd", 4, out), -ENOENT);
    assert_int_equal(ufrag_of("", 0, out), -ENOENT);
    assert_int_equal(ufrag_of("a\0b:cd", 6, out), -ENOENT);
    memset(name, 'x', sizeof name);
    name[ICE_UFRAG_MAX + 1] = ':';
    assert_int_equal(ufrag_of(name, sizeof name, out), -ENOENT);
    assert_string_equal(out, "same");
    name[ICE_UFRAG_MAX] = ':';
    assert_int_equal(ufrag_of(name, sizeof name, out), 0);
    assert_int_equal(strlen(out), ICE_UFRAG_MAX);
    struct writer w = begin(0x0001);
    assert_int_equal(ice_stun_ufrag(built, w.len, out), -ENOENT);
    w = begin(0x0011);
    attribute(&w, STUN_ATTRIBUTE_USERNAME, "ab:cd", 5);
    assert_int_equal(ice_stun_ufrag(built, w.len, out), -EINVAL); /* an indication names nobody */
}

static int error_code(const struct writer *w)
{
    struct stun_view v;
    struct addr a;
    assert_int_equal(stun_view_read(w->buf, w->len, &v), 0);
    assert_int_equal(v.class, STUN_ERROR);
    assert_true(v.has_fingerprint);
    assert_memory_equal(v.id, "0123456789ab", 12);
    return stun_answer_read(stun, &v, w->buf, w->len, NULL, &a);
}

static void strangers_get_an_error_no_larger_than_their_request(void **state)
{
    uint8_t reply[ICE_REPLY_MAX];
    (void)state;
    struct writer w = begin(0x0001), out = writer_of(reply, sizeof reply);
    attribute(&w, STUN_ATTRIBUTE_USERNAME, "a:b", 3);
    size_t len = finish(&w, "pwd");
    assert_true(ice_stun_refuse(stun, built, len, &out));
    assert_true(out.len <= len);
    assert_int_equal(error_code(&out), 401);

    w = begin(0x0001), out = writer_of(reply, sizeof reply);
    attribute(&w, STUN_ATTRIBUTE_USERNAME, "someone:somebody", 16);
    len = finish(&w, NULL); /* without integrity */
    assert_true(ice_stun_refuse(stun, built, len, &out));
    assert_true(out.len <= len);
    assert_int_equal(error_code(&out), 400);

    w = begin(0x0001), out = writer_of(reply, sizeof reply);
    len = finish(&w, NULL); /* 28 bytes: any error would be larger */
    assert_int_equal(len, 28);
    assert_false(ice_stun_refuse(stun, built, len, &out));
    assert_int_equal(out.len, 0);

    w = begin(0x0001), out = writer_of(reply, 20);
    attribute(&w, STUN_ATTRIBUTE_USERNAME, "a:b", 3);
    len = finish(&w, "pwd");
    assert_false(ice_stun_refuse(stun, built, len, &out)); /* no room */
    assert_false(out.bad);

    static const uint16_t silent[] = {0x0011, 0x0101, 0x0111, 0x0003};
    for (size_t i = 0; i < sizeof silent / sizeof silent[0]; i++) {
        w = begin(silent[i]), out = writer_of(reply, sizeof reply);
        attribute(&w, STUN_ATTRIBUTE_USERNAME, "a:b", 3);
        len = finish(&w, "pwd");
        assert_false(ice_stun_refuse(stun, built, len, &out));
    }
    w = begin(0x0001), out = writer_of(reply, sizeof reply);
    attribute(&w, STUN_ATTRIBUTE_USERNAME, "a:b", 3);
    len = finish(&w, "pwd");
    built[len - 1] ^= 1; /* the fingerprint is wrong: perhaps not even STUN */
    assert_false(ice_stun_refuse(stun, built, len, &out));
}

static void checks_are_what_they_say(void **state)
{
    struct stun_view v;
    uint8_t buf[ICE_REQUEST_MAX];
    char long_name[ICE_UFRAG_MAX + 1];
    (void)state;
    memset(long_name, 'x', ICE_UFRAG_MAX);
    long_name[ICE_UFRAG_MAX] = 0;
    const char *const names[] = {"abcd", long_name};
    for (int i = 0; i < 2; i++)
        for (int use = 0; use <= 1; use++) {
            struct writer w = writer_of(buf, sizeof buf);
            struct stun_check_request r = {.id = (const uint8_t *)"abcdefghijkl",
                .receiver_ufrag = names[i],
                .sender_ufrag = names[i],
                .pwd = PASSWORD,
                .priority = 77,
                .tie_breaker = 5,
                .use_candidate = use};
            assert_true(stun_write_check(stun, &r, &w));
            assert_int_equal(stun_view_read(buf, w.len, &v), 0);
            assert_int_equal(v.use_candidate, use);
            assert_true(v.controlling && !v.controlled);
            assert_int_equal(v.priority, 77);
            assert_memory_equal(v.id, "abcdefghijkl", 12);
            assert_int_equal(v.user_len, 2 * strlen(names[i]) + 1);
            assert_int_equal(auth(buf, w.len, PASSWORD), STUN_AUTH_OK);
        }
    for (int i = 0; i < 1000; i++) { /* libnice remembers 200 requests: ours are none of them */
        struct writer w = writer_of(buf, sizeof buf);
        struct stun_check_request r = {.id = (const uint8_t *)"abcdefghijkl",
            .receiver_ufrag = "abcd",
            .sender_ufrag = "efgh",
            .pwd = PASSWORD};
        assert_true(stun_write_check(stun, &r, &w));
    }
}

/* ---- discovery ---- */

static struct addr address(const char *ip, uint16_t port)
{
    struct addr a;
    assert_int_equal(addr_parse(ip, port, &a), 0);
    return a;
}

static size_t discover_answer(const struct ice_discover *d, uint16_t type, bool xor)
{
    uint8_t value[8] = {0, 1};
    struct writer w = begin(type), v = writer_of(value, sizeof value);
    memcpy(built + 8, d->id, 12);
    v.len = 2;
    writer_u16(&v, 4000 ^ (xor? STUN_MAGIC_COOKIE >> 16 : 0));
    writer_u32(&v, 0xc6336401 ^ (xor? STUN_MAGIC_COOKIE : 0)); /* 198.51.100.1 */
    if (type == 0x0101)
        attribute(
            &w, xor? STUN_ATTRIBUTE_XOR_MAPPED_ADDRESS : STUN_ATTRIBUTE_MAPPED_ADDRESS, value, sizeof value);
    else
        attribute(&w, STUN_ATTRIBUTE_ERROR_CODE, "\0\0\5\0Server Error", 16);
    return w.len; /* public servers add no fingerprint */
}

static void the_public_address_is_discovered(void **state)
{
    (void)state;
    for (int xor = 0; xor <= 1; xor ++) {
        struct ice_discover d;
        struct addr server = address("192.0.2.9", 3478), other = address("192.0.2.9", 3479);
        uint8_t buf[64];
        struct writer w = writer_of(buf, sizeof buf);
        ice_discover_init(&d, &server, 1000);
        assert_int_equal(ice_discover_next_timeout(&d), 1000);
        assert_true(ice_discover_poll(&d, stun, 1000, &w));
        assert_int_equal(w.len, 28);
        assert_false(ice_discover_poll(&d, stun, 1000, &w));
        size_t len = discover_answer(&d, 0x0101, xor);
        assert_false(ice_discover_input(&d, stun, &other, built, len)); /* not who was asked */
        built[10] ^= 1;
        assert_false(ice_discover_input(&d, stun, &server, built, len)); /* not what was asked */
        built[10] ^= 1;
        assert_false(ice_discover_input(&d, stun, &server, built, len - 1));
        assert_true(ice_discover_input(&d, stun, &server, built, len));
        assert_int_equal(d.state, ICE_DISCOVER_DONE);
        char text[ADDR_TEXT_MAX];
        assert_string_equal(addr_text(&d.mapped, text), "198.51.100.1:4000");
        assert_true(ice_discover_next_timeout(&d) == INT64_MAX);
        assert_false(ice_discover_input(&d, stun, &server, built, len));
    }
}

static void a_silent_server_is_asked_five_times(void **state)
{
    static const int64_t times[] = {0, 500000, 1500000, 3500000, 7500000};
    struct ice_discover d;
    struct addr server = address("2001:db8::9", 3478);
    uint8_t buf[64], first[64];
    (void)state;
    ice_discover_init(&d, &server, 0);
    for (int i = 0; i < 5; i++) {
        struct writer w = writer_of(buf, sizeof buf);
        assert_int_equal(ice_discover_next_timeout(&d), times[i]);
        assert_false(ice_discover_poll(&d, stun, times[i] - 1, &w));
        assert_true(ice_discover_poll(&d, stun, times[i], &w));
        if (i == 0)
            memcpy(first, buf, w.len);
        assert_memory_equal(buf, first, w.len); /* the same request again */
    }
    struct writer w = writer_of(buf, sizeof buf);
    assert_int_equal(ice_discover_next_timeout(&d), 11500000);
    assert_false(ice_discover_poll(&d, stun, 11500000, &w));
    assert_int_equal(d.state, ICE_DISCOVER_FAILED);
    ice_discover_init(&d, &server, 0);
    assert_true(ice_discover_input(&d, stun, &server, built, discover_answer(&d, 0x0111, true)));
    assert_int_equal(d.state, ICE_DISCOVER_FAILED);
}

/* ---- credentials and candidates ---- */

static void credentials_are_legal_and_new(void **state)
{
    struct ice_credentials a, b;
    char long_one[300];
    (void)state;
    ice_credentials_make(&a);
    ice_credentials_make(&b);
    assert_true(ice_ufrag_valid(a.ufrag) && ice_pwd_valid(a.pwd));
    assert_string_not_equal(a.ufrag, b.ufrag);
    assert_string_not_equal(a.pwd, b.pwd);
    memset(long_one, 'x', sizeof long_one);
    long_one[257] = 0;
    assert_false(ice_ufrag_valid(long_one) || ice_pwd_valid(long_one));
    long_one[256] = 0;
    assert_true(ice_ufrag_valid(long_one) && ice_pwd_valid(long_one));
    assert_true(ice_ufrag_valid("ab+/"));
    assert_false(
        ice_ufrag_valid("abc") || ice_ufrag_valid("abc:") || ice_ufrag_valid("ab c") || ice_ufrag_valid(""));
    assert_false(ice_pwd_valid("0123456789012345678901-"));
    assert_false(ice_pwd_valid("012345678901234567890"));
    assert_true(ice_pwd_valid("0123456789012345678901"));
}

static void candidates_are_ordered(void **state)
{
    struct addr addrs[4] = {
        address("127.0.0.1", 9), address("192.0.2.1", 9), address("2001:db8::1", 9), address("::1", 9)};
    struct ice_candidate c[16];
    char text[128];
    (void)state;
    assert_int_equal(ice_candidates_host(addrs, 4, 7882, 7881, c, 16), 8);
    for (int i = 1; i < 8; i++) {
        assert_true(c[i - 1].priority > c[i].priority);
        for (int j = 0; j < i; j++)
            assert_int_not_equal(c[i].foundation, c[j].foundation);
    }
    assert_int_equal(ice_candidate_text(&c[0], text, sizeof text), 0);
    assert_string_equal(text, "candidate:1 1 udp 2130706431 192.0.2.1 7882 typ host");
    assert_true(c[0].priority == (126u << 24 | 65535u << 8 | 255u)); /* RFC 8445, section 5.1.2.1 */
    assert_int_equal(ice_candidate_text(&c[1], text, sizeof text), 0);
    assert_non_null(strstr(text, " 2001:db8::1 7882 typ host"));
    assert_true(addr_is_loopback(&c[2].addr) && addr_is_loopback(&c[3].addr));
    assert_int_equal(ice_candidate_text(&c[4], text, sizeof text), 0);
    assert_non_null(strstr(text, " 1 tcp "));
    assert_non_null(strstr(text, " 192.0.2.1 7881 typ host tcptype passive"));
    assert_true(c[3].priority > c[4].priority);
    assert_int_equal(ice_candidate_text(&c[0], text, 40), -ENOSPC);
    assert_int_equal(ice_candidates_host(addrs, 4, 7882, 0, c, 16), 4);
    assert_int_equal(ice_candidates_host(addrs, 4, 7882, 7881, c, 3), 3);
    assert_int_equal(ice_candidates_host(addrs, 0, 7882, 7881, c, 16), 0);
    assert_true(ice_candidate_priority(ICE_UDP, 0) > ice_candidate_priority(ICE_TCP_PASSIVE, 100000));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_sample_request_is_read_and_verified),
        cmocka_unit_test(the_sample_responses_are_read_and_verified),
        cmocka_unit_test(no_bit_of_a_message_can_be_changed),
        cmocka_unit_test(every_truncation_is_refused),
        cmocka_unit_test(an_integrity_that_is_too_short_is_not_read_past),
        cmocka_unit_test(nothing_follows_a_fingerprint),
        cmocka_unit_test(what_is_not_authenticated_does_not_count),
        cmocka_unit_test(the_first_attribute_of_a_type_counts),
        cmocka_unit_test(methods_and_classes_are_told_apart),
        cmocka_unit_test(the_ufrag_is_bounded),
        cmocka_unit_test(strangers_get_an_error_no_larger_than_their_request),
        cmocka_unit_test(checks_are_what_they_say),
        cmocka_unit_test(the_public_address_is_discovered),
        cmocka_unit_test(a_silent_server_is_asked_five_times),
        cmocka_unit_test(credentials_are_legal_and_new),
        cmocka_unit_test(candidates_are_ordered),
    };
    return cmocka_run_group_tests(tests, setup, teardown);
}
