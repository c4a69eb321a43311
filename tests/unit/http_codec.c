/* WebSocket frames without a socket: messages at every split, control frames in between, and each way to be
 * wrong. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include "http/codec.h"

enum { FIN = 0x80, TEXT = 1, BINARY = 2, CLOSE = 8, PING = 9, PONG = 10, MAX = 1000 };

struct fixture {
    struct codec *codec;
    int messages;
    bool text;
    char last[MAX + 1];
    size_t last_len;
    uint8_t out[4096];
    size_t out_len;
    bool close_on_message;
};

static void on_message(void *arg, bool text, const uint8_t *data, size_t len)
{
    struct fixture *f = arg;
    assert_true(len <= MAX);
    f->messages++;
    f->text = text;
    f->last_len = len;
    if (len)
        memcpy(f->last, data, len);
    f->last[len] = '\0';
    if (f->close_on_message)
        assert_int_equal(codec_close(f->codec, 4000, "enough", 6), 0);
}

static void on_output(void *arg, const uint8_t *data, size_t len)
{
    struct fixture *f = arg;
    assert_true(f->out_len + len <= sizeof f->out);
    memcpy(f->out + f->out_len, data, len);
    f->out_len += len;
}

static int setup(void **state)
{
    static const struct codec_ops ops = {.on_message = on_message, .on_output = on_output};
    struct fixture *f = calloc(1, sizeof *f);
    f->codec = codec_new(MAX, &ops, f);
    *state = f;
    return f->codec ? 0 : -1;
}

static int teardown(void **state)
{
    struct fixture *f = *state;
    codec_free(f->codec);
    free(f);
    return 0;
}

/* Appends one masked frame to buf. */
static size_t frame(uint8_t *buf, size_t at, int first, const void *data, size_t len)
{
    static const uint8_t mask[4] = {0xa1, 0xb2, 0xc3, 0xd4};
    buf[at++] = (uint8_t)first;
    if (len < 126) {
        buf[at++] = (uint8_t)(0x80 | len);
    } else {
        buf[at++] = 0x80 | 126;
        buf[at++] = (uint8_t)(len >> 8);
        buf[at++] = (uint8_t)len;
    }
    memcpy(buf + at, mask, 4);
    at += 4;
    for (size_t i = 0; i < len; i++)
        buf[at++] = ((const uint8_t *)data)[i] ^ mask[i % 4];
    return at;
}

static int input(struct fixture *f, int first, const char *text)
{
    uint8_t buf[MAX + 20];
    return codec_input(f->codec, buf, frame(buf, 0, first, text, strlen(text)));
}

static void assert_closed_with(struct fixture *f, int err, uint16_t code)
{
    assert_int_equal(err, -EPROTO);
    assert_int_equal(codec_close_code(f->codec), code);
    assert_true(f->out_len >= 4);
    const uint8_t *close = f->out + f->out_len - 4; /* without a reason */
    assert_int_equal(close[0], FIN | CLOSE);
    assert_int_equal(close[1], 2);
    assert_int_equal(close[2] << 8 | close[3], code);
    /* nothing comes after it */
    size_t before = f->out_len;
    int messages = f->messages;
    assert_int_equal(input(f, FIN | TEXT, "late"), 0);
    assert_int_equal(f->messages, messages);
    assert_int_equal(f->out_len, before);
}

static void messages_arrive_whole_at_every_split(void **state)
{
    struct fixture *f = *state;
    uint8_t buf[4096];
    char large[600];
    memset(large, 'L', sizeof large);
    size_t n = frame(buf, 0, FIN | TEXT, "h\xc3\xa4llo", 6);
    n = frame(buf, n, FIN | BINARY, large, sizeof large);
    n = frame(buf, n, FIN | BINARY, "", 0);
    for (size_t cut = 0; cut <= n; cut++) {
        int before = f->messages;
        assert_int_equal(codec_input(f->codec, buf, cut), 0);
        assert_int_equal(codec_input(f->codec, buf + cut, n - cut), 0);
        assert_int_equal(f->messages, before + 3);
        assert_int_equal(f->last_len, 0);
    }
    for (size_t i = 0; i < n; i++)
        assert_int_equal(codec_input(f->codec, buf + i, 1), 0);
    assert_int_equal(f->messages, 3 * ((int)n + 2));
    assert_int_equal(f->out_len, 0);
}

static void fragments_are_joined_around_a_ping(void **state)
{
    struct fixture *f = *state;
    uint8_t buf[256];
    size_t n = frame(buf, 0, TEXT, "\xc3", 1); /* a character in two halves */
    n = frame(buf, n, FIN | PING, "now?", 4);
    n = frame(buf, n, 0, "", 0);
    n = frame(buf, n, 0, "\xa4 and", 5);
    n = frame(buf, n, FIN | 0, " more", 5);
    assert_int_equal(codec_input(f->codec, buf, n), 0);
    assert_int_equal(f->messages, 1);
    assert_true(f->text);
    assert_string_equal(f->last, "\xc3\xa4 and more");
    static const uint8_t pong[] = {FIN | PONG, 4, 'n', 'o', 'w', '?'};
    assert_int_equal(f->out_len, sizeof pong);
    assert_memory_equal(f->out, pong, sizeof pong);
}

static void an_unmasked_frame_is_a_protocol_error(void **state)
{
    static const uint8_t unmasked[] = {FIN | TEXT, 2, 'h', 'i'};
    assert_closed_with(
        *state, codec_input(((struct fixture *)*state)->codec, unmasked, sizeof unmasked), 1002);
}

static void reserved_bits_are_a_protocol_error(void **state)
{
    assert_closed_with(*state, input(*state, FIN | 0x40 | TEXT, "x"), 1002);
}

static void an_unknown_opcode_is_a_protocol_error(void **state)
{
    assert_closed_with(*state, input(*state, FIN | 3, "x"), 1002);
}

static void an_unknown_control_opcode_is_a_protocol_error(void **state)
{
    assert_closed_with(*state, input(*state, FIN | 11, "x"), 1002);
}

static void a_continuation_of_nothing_is_a_protocol_error(void **state)
{
    assert_closed_with(*state, input(*state, FIN | 0, "x"), 1002);
}

static void a_message_inside_a_message_is_a_protocol_error(void **state)
{
    assert_int_equal(input(*state, TEXT, "begun"), 0);
    assert_closed_with(*state, input(*state, FIN | TEXT, "other"), 1002);
}

static void a_fragmented_ping_is_a_protocol_error(void **state)
{
    assert_closed_with(*state, input(*state, PING, "x"), 1002);
}

static void a_long_ping_is_a_protocol_error(void **state)
{
    char text[127];
    memset(text, 'p', sizeof text - 1);
    text[126] = '\0';
    assert_closed_with(*state, input(*state, FIN | PING, text), 1002);
}

static void a_length_in_too_many_bytes_is_a_protocol_error(void **state)
{
    static const uint8_t frame16[] = {FIN | TEXT, 0x80 | 126, 0, 5, 0, 0, 0, 0, 'a', 'b', 'c', 'd', 'e'};
    assert_closed_with(*state, codec_input(((struct fixture *)*state)->codec, frame16, sizeof frame16), 1002);
}

static void a_close_frame_with_an_impossible_code_is_a_protocol_error(void **state)
{
    assert_closed_with(*state, input(*state, FIN | CLOSE, "\x03\xee"), 1002); /* 1006 */
}

static void a_close_frame_with_half_a_code_is_a_protocol_error(void **state)
{
    assert_closed_with(*state, input(*state, FIN | CLOSE, "\x03"), 1002);
}

static void text_that_is_not_utf8_is_refused(void **state)
{
    assert_closed_with(*state, input(*state, FIN | TEXT, "ok\xff"), 1007);
}

static void text_that_ends_inside_a_character_is_refused(void **state)
{
    assert_closed_with(*state, input(*state, FIN | TEXT, "ok\xe2\x82"), 1007);
}

static void a_surrogate_is_refused(void **state)
{
    assert_closed_with(*state, input(*state, FIN | TEXT, "\xed\xa0\x80"), 1007);
}

static void binary_may_be_anything(void **state)
{
    assert_int_equal(input(*state, FIN | BINARY, "\xff\xfe"), 0);
    assert_int_equal(((struct fixture *)*state)->messages, 1);
}

static void the_largest_message_passes(void **state)
{
    struct fixture *f = *state;
    char text[MAX + 1];
    memset(text, 'm', MAX);
    text[MAX] = '\0';
    assert_int_equal(input(f, FIN | BINARY, text), 0);
    assert_int_equal(f->last_len, MAX);
}

static void a_longer_frame_is_refused_at_its_first_byte(void **state)
{
    static const uint8_t header[] = {
        FIN | BINARY, 0x80 | 126, (MAX + 1) >> 8, (MAX + 1) & 0xff, 0, 0, 0, 0, 'x'};
    assert_closed_with(*state, codec_input(((struct fixture *)*state)->codec, header, sizeof header), 1009);
}

static void a_frame_of_63_bits_of_length_is_refused(void **state)
{
    static const uint8_t header[] = {
        FIN | BINARY, 0xff, 0x7f, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0, 0, 0, 0, 'x'};
    assert_closed_with(*state, codec_input(((struct fixture *)*state)->codec, header, sizeof header), 1009);
}

static void fragments_that_are_too_much_together_are_refused(void **state)
{
    struct fixture *f = *state;
    char half[MAX / 2 + 1];
    memset(half, 'm', sizeof half - 1);
    half[sizeof half - 1] = '\0';
    assert_int_equal(input(f, BINARY, half), 0);
    assert_int_equal(input(f, 0, half), 0);
    assert_int_equal(input(f, 0, ""), 0);
    assert_closed_with(f, input(f, FIN | 0, "x"), 1009);
    assert_int_equal(f->messages, 0);
}

static void a_close_frame_is_answered(void **state)
{
    struct fixture *f = *state;
    assert_int_equal(input(f, FIN | CLOSE,
                         "\x0f\xa1"
                         "bye"),
        0); /* 4001 */
    assert_true(codec_close_received(f->codec));
    assert_true(codec_close_sent(f->codec));
    assert_int_equal(codec_close_code(f->codec), 4001);
    static const uint8_t echo[] = {FIN | CLOSE, 5, 0x0f, 0xa1, 'b', 'y', 'e'};
    assert_int_equal(f->out_len, sizeof echo);
    assert_memory_equal(f->out, echo, sizeof echo);
}

static void a_close_frame_without_a_code_is_1005(void **state)
{
    struct fixture *f = *state;
    assert_int_equal(input(f, FIN | CLOSE, ""), 0);
    assert_int_equal(codec_close_code(f->codec), 1005);
    static const uint8_t echo[] = {FIN | CLOSE, 0};
    assert_int_equal(f->out_len, sizeof echo);
    assert_memory_equal(f->out, echo, sizeof echo);
}

static void after_our_close_no_message_is_given_out(void **state)
{
    struct fixture *f = *state;
    assert_int_equal(codec_close(f->codec, 1000, "done", 4), 0);
    static const uint8_t close[] = {FIN | CLOSE, 6, 0x03, 0xe8, 'd', 'o', 'n', 'e'};
    assert_memory_equal(f->out, close, sizeof close);
    assert_int_equal(input(f, FIN | TEXT, "crossing"), 0);
    assert_int_equal(f->messages, 0);
    assert_int_equal(codec_close(f->codec, 1001, NULL, 0), 0);
    assert_int_equal(input(f, FIN | CLOSE, "\x03\xe8"), 0);
    assert_true(codec_close_received(f->codec));
    assert_int_equal(codec_close_code(f->codec), 1000);
    assert_int_equal(f->out_len, sizeof close); /* one close frame, no more */
}

static void closing_inside_a_message_ends_the_rest(void **state)
{
    struct fixture *f = *state;
    uint8_t buf[128];
    f->close_on_message = true;
    size_t n = frame(buf, 0, FIN | TEXT, "one", 3);
    n = frame(buf, n, FIN | TEXT, "two", 3);
    assert_int_equal(codec_input(f->codec, buf, n), 0);
    assert_int_equal(f->messages, 1);
    assert_string_equal(f->last, "one");
    assert_true(codec_close_sent(f->codec));
}

static void pings_go_out(void **state)
{
    struct fixture *f = *state;
    static const uint8_t ping[] = {FIN | PING, 0};
    assert_int_equal(codec_ping(f->codec), 0);
    assert_int_equal(f->out_len, sizeof ping);
    assert_memory_equal(f->out, ping, sizeof ping);
    assert_int_equal(input(f, FIN | PONG, ""), 0);
    assert_int_equal(f->messages, 0);
}

static void headers_are_as_short_as_they_can_be(void **state)
{
    uint8_t out[CODEC_HEADER_MAX];
    (void)state;
    assert_int_equal(codec_header(true, 125, out), 2);
    assert_memory_equal(out, "\x81\x7d", 2);
    assert_int_equal(codec_header(false, 126, out), 4);
    assert_memory_equal(out, "\x82\x7e\x00\x7e", 4);
    assert_int_equal(codec_header(false, 65535, out), 4);
    assert_int_equal(codec_header(false, 65536, out), 10);
    assert_memory_equal(out, "\x82\x7f\0\0\0\0\0\x01\0\0", 10);
}

#define EACH(test) cmocka_unit_test_setup_teardown(test, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        EACH(messages_arrive_whole_at_every_split),
        EACH(fragments_are_joined_around_a_ping),
        EACH(an_unmasked_frame_is_a_protocol_error),
        EACH(reserved_bits_are_a_protocol_error),
        EACH(an_unknown_opcode_is_a_protocol_error),
        EACH(an_unknown_control_opcode_is_a_protocol_error),
        EACH(a_continuation_of_nothing_is_a_protocol_error),
        EACH(a_message_inside_a_message_is_a_protocol_error),
        EACH(a_fragmented_ping_is_a_protocol_error),
        EACH(a_long_ping_is_a_protocol_error),
        EACH(a_length_in_too_many_bytes_is_a_protocol_error),
        EACH(a_close_frame_with_an_impossible_code_is_a_protocol_error),
        EACH(a_close_frame_with_half_a_code_is_a_protocol_error),
        EACH(text_that_is_not_utf8_is_refused),
        EACH(text_that_ends_inside_a_character_is_refused),
        EACH(a_surrogate_is_refused),
        EACH(binary_may_be_anything),
        EACH(the_largest_message_passes),
        EACH(a_longer_frame_is_refused_at_its_first_byte),
        EACH(a_frame_of_63_bits_of_length_is_refused),
        EACH(fragments_that_are_too_much_together_are_refused),
        EACH(a_close_frame_is_answered),
        EACH(a_close_frame_without_a_code_is_1005),
        EACH(after_our_close_no_message_is_given_out),
        EACH(closing_inside_a_message_ends_the_rest),
        EACH(pings_go_out),
        cmocka_unit_test(headers_are_as_short_as_they_can_be),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
