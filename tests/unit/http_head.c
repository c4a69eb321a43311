/* The look at a connection's first request: what passes, what is refused and with which status, at every
 * split. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include "base/limits.h"
#include "http/head.h"

static struct head_check check(const char *text)
{
    return http_head_check((const uint8_t *)text, strlen(text));
}

/* Whole: OK. Every prefix: not yet, never an error. */
static void assert_ok(const char *text)
{
    size_t len = strlen(text);
    for (size_t n = 0; n < len; n++) {
        struct head_check c = http_head_check((const uint8_t *)text, n);
        if (c.verdict != HEAD_MORE)
            fail_msg("after %zu bytes of \"%s\": %d %s", n, text, c.status, c.message);
    }
    assert_int_equal(check(text).verdict, HEAD_OK);
}

static void assert_bad(const char *text, int status)
{
    struct head_check c = check(text);
    if (c.verdict != HEAD_BAD || c.status != status)
        fail_msg("\"%s\": verdict %d, status %d", text, c.verdict, c.status);
    assert_non_null(c.code);
    assert_non_null(c.message);
}

static void whole_heads_pass(void **state)
{
    (void)state;
    assert_ok("GET / HTTP/1.1\r\nHost: x\r\n\r\n");
    assert_ok("GET / HTTP/1.0\r\n\r\n");
    assert_ok("GET / HTTP/1.1\nHost: x\n\n");
    assert_ok("\r\n\r\nPOST /a?b=%20c HTTP/1.1\r\nhost:\r\nX-Y: a\tb \xc3\xa4\r\n\r\n");
    assert_ok("M-SEARCH * HTTP/1.1\r\nHOST: x\r\n\r\n");
}

static void what_follows_the_head_is_not_looked_at(void **state)
{
    (void)state;
    assert_int_equal(check("GET / HTTP/1.0\r\n\r\n\x01garbage").verdict, HEAD_OK);
}

static void malformed_heads_are_refused(void **state)
{
    (void)state;
    assert_bad("\x16\x03\x01", 400); /* TLS to the plain port */
    assert_bad("SSH-2.0-OpenSSH_9\r\n", 400);
    assert_bad("<html>", 400);
    assert_bad(" GET / HTTP/1.1\r\n", 400);
    assert_bad("GET\r\n", 400);
    assert_bad("GET /\r\n", 400);
    assert_bad("GET  / HTTP/1.1\r\n", 400);
    assert_bad("GET / x HTTP/1.1\r\n", 400);
    assert_bad("GET / HTTP/1.1 \r\n", 400);
    assert_bad("GET / HTTQ/1.1\r\n", 400);
    assert_bad("GET / HTTP/11\r\n", 400);
    assert_bad("GET /\x01 HTTP/1.1\r\n", 400);
    assert_bad("GET / HTTP/1.1\r\nno colon\r\n", 400);
    assert_bad("GET / HTTP/1.1\r\n: no name\r\n", 400);
    assert_bad("GET / HTTP/1.1\r\nbad name: x\r\n", 400);
    assert_bad("GET / HTTP/1.1\r\nHost : x\r\n", 400);
    assert_bad("GET / HTTP/1.1\r\nHost: x\r\n folded\r\n", 400);
    assert_bad("GET / HTTP/1.1\r\nHost: a\rb\r\n", 400);
    assert_bad("GET / HTTP/1.1\r\nX: y\r\n\r\n", 400); /* no Host */
    assert_int_equal(http_head_check((const uint8_t *)"GET / HTTP/1.1\r\nX: a\0b\r\n", 25).verdict, HEAD_BAD);
}

static void bodies_of_two_lengths_are_refused(void **state)
{
    (void)state;
    assert_ok("POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 12 \r\n\r\n");
    assert_ok("POST / HTTP/1.1\r\nHost: x\r\ncontent-length:999999999999999999\r\n\r\n");
    assert_ok("POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n");
    assert_bad("POST / HTTP/1.1\r\nHost: x\r\nContent-Length: -1\r\n\r\n", 400);
    assert_bad("POST / HTTP/1.1\r\nHost: x\r\nContent-Length: +1\r\n\r\n", 400);
    assert_bad("POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 1 2\r\n\r\n", 400);
    assert_bad("POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 1, 1\r\n\r\n", 400);
    assert_bad("POST / HTTP/1.1\r\nHost: x\r\nContent-Length:\r\n\r\n", 400);
    assert_bad("POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 1000000000000000000\r\n\r\n", 400);
    assert_bad("POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\nCONTENT-LENGTH: 6\r\n\r\n", 400);
    assert_bad("POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\nContent-Length: 6\r\n\r\n", 400);
    assert_bad("POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 6\r\nTransfer-Encoding: chunked\r\n\r\n", 400);
}

static void a_second_host_is_refused(void **state)
{
    (void)state;
    assert_bad("GET / HTTP/1.1\r\nHost: x\r\nhost: y\r\n\r\n", 400);
}

static void other_versions_are_refused(void **state)
{
    (void)state;
    assert_bad("GET / HTTP/2.0\r\n", 505);
    assert_bad("GET / HTTP/0.9\r\n", 505);
    assert_bad("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", 505);
}

/* "GET /aaa HTTP/1.1" of len bytes, and then what follows. */
static char *long_line(size_t len, const char *rest)
{
    char *text = malloc(len + strlen(rest) + 1);
    assert_non_null(text);
    memset(text, 'a', len);
    memcpy(text, "GET /", 5);
    memcpy(text + len - 9, " HTTP/1.1", 9);
    memcpy(text + len, rest, strlen(rest) + 1);
    return text;
}

static void a_request_line_of_64_kib_passes_and_a_longer_one_does_not(void **state)
{
    (void)state;
    char *text = long_line(HTTP_LINE_MAX, "\r\nHost: x\r\n\r\n");
    assert_int_equal(check(text).verdict, HEAD_OK);
    assert_int_equal(http_head_check((const uint8_t *)text, HTTP_LINE_MAX).verdict, HEAD_MORE);
    free(text);
    text = long_line(HTTP_LINE_MAX + 1, "\r\nHost: x\r\n\r\n");
    assert_bad(text, 414);
    assert_int_equal(
        http_head_check((const uint8_t *)text, HTTP_LINE_MAX + 1).status, 414); /* before its end */
    free(text);
}

static void fields_without_end_are_refused(void **state)
{
    (void)state;
    char *text = malloc(HTTP_HEAD_MAX);
    memset(text, 'b', HTTP_HEAD_MAX);
    static const char start[] = "GET / HTTP/1.1\r\nX: ";
    memcpy(text, start, sizeof start - 1);
    assert_int_equal(http_head_check((const uint8_t *)text, HTTP_HEAD_MAX - 1).verdict, HEAD_MORE);
    assert_int_equal(http_head_check((const uint8_t *)text, HTTP_HEAD_MAX).status, 431);
    memset(text, '\n', HTTP_HEAD_MAX);
    assert_int_equal(http_head_check((const uint8_t *)text, HTTP_HEAD_MAX).status, 400);
    free(text);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(whole_heads_pass),
        cmocka_unit_test(what_follows_the_head_is_not_looked_at),
        cmocka_unit_test(malformed_heads_are_refused),
        cmocka_unit_test(bodies_of_two_lengths_are_refused),
        cmocka_unit_test(a_second_host_is_refused),
        cmocka_unit_test(other_versions_are_refused),
        cmocka_unit_test(a_request_line_of_64_kib_passes_and_a_longer_one_does_not),
        cmocka_unit_test(fields_without_end_are_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
