// link: net rtp cc sdp tls ice dtls srtp proto auth
/* The load tester's command line, and the HTTP answers that it reads. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <cmocka.h>
#include "../../bench/client/request.h"
#include "../../bench/load/options.h"
#include "support/seeded.h"

#define ROUNDS 20000

static struct seeded seed;

static uint32_t draw(uint32_t below)
{
    return seeded_below(&seed, below);
}

/* ---- answers ---- */

static int parse(const char *text, size_t len, bool closed, struct request_answer *ret, char **ret_copy)
{
    *ret_copy = malloc(len + 1); /* exactly as many as there are, for the sanitizers */
    assert_non_null(*ret_copy);
    memcpy(*ret_copy, text, len);
    return request_parse((uint8_t *)*ret_copy, len, closed, ret);
}

static const char plain[] =
    "HTTP/1.1 201 Created\r\nlocation:  /whip/a/b \r\nContent-Length: 5\r\n\r\nv=0\r\n";
static const char chunked[] =
    "HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"
    "3\r\nabc\r\nA;x=y\r\n0123456789\r\n0\r\nTrailer: x\r\n\r\n";

static void an_answer_is_read_when_it_is_whole(void **arg)
{
    struct request_answer a;
    char *copy, value[64];
    (void)arg;
    for (size_t n = 0; n < sizeof plain - 1; n++) {
        assert_int_equal(parse(plain, n, false, &a, &copy), 0);
        free(copy);
        assert_int_equal(parse(plain, n, true, &a, &copy), -EBADMSG);
        free(copy);
    }
    assert_int_equal(parse(plain, sizeof plain - 1, false, &a, &copy), 1);
    assert_int_equal(a.status, 201);
    assert_int_equal(a.body_len, 5);
    assert_memory_equal(a.body, "v=0\r\n", 5);
    assert_true(request_field(&a, "Location", value, sizeof value));
    assert_string_equal(value, "/whip/a/b");
    assert_false(request_field(&a, "Location", value, 9));
    assert_false(request_field(&a, "ETag", value, sizeof value));
    free(copy);
}

static void chunks_are_put_together(void **arg)
{
    struct request_answer a;
    char *copy;
    (void)arg;
    for (size_t n = 0; n < sizeof chunked - 1; n++) {
        assert_int_equal(parse(chunked, n, false, &a, &copy), 0);
        free(copy);
    }
    assert_int_equal(parse(chunked, sizeof chunked - 1, false, &a, &copy), 1);
    assert_int_equal(a.status, 200);
    assert_int_equal(a.body_len, 13);
    assert_memory_equal(a.body, "abc0123456789", 13);
    free(copy);
}

static void an_answer_without_a_length_ends_with_the_connection(void **arg)
{
    static const char text[] = "HTTP/1.0 404 Not Found\n\nno such room";
    struct request_answer a;
    char *copy;
    (void)arg;
    assert_int_equal(parse(text, sizeof text - 1, false, &a, &copy), 0);
    free(copy);
    assert_int_equal(parse(text, sizeof text - 1, true, &a, &copy), 1);
    assert_int_equal(a.status, 404);
    assert_int_equal(a.body_len, 12);
    free(copy);
}

static void nonsense_is_refused(void **arg)
{
    static const char *const texts[] = {"SSH-2.0-OpenSSH_9.2\r\n", "HTTP/2 200\r\n\r\n",
        "HTTP/1.1 20x OK\r\n\r\n", "HTTP/1.1 99999 OK\r\n\r\n",
        "HTTP/1.1 200 OK\r\nContent-Length: -1\r\n\r\n",
        "HTTP/1.1 200 OK\r\nContent-Length: 99999999999999999999\r\n\r\n",
        "HTTP/1.1 200 OK\r\nTransfer-Encoding: gzip\r\n\r\n",
        "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n",
        "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n1\r\nabc\r\n",
        "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nffffffffffffffffff\r\n"};
    struct request_answer a;
    char *copy;
    (void)arg;
    for (size_t i = 0; i < sizeof texts / sizeof *texts; i++) {
        assert_true(parse(texts[i], strlen(texts[i]), false, &a, &copy) < 0);
        free(copy);
    }
    char *large = calloc(1, REQUEST_HEAD_MAX + 100);
    assert_non_null(large);
    memset(large, 'x', REQUEST_HEAD_MAX + 99);
    memcpy(large, "HTTP/1.1 200 OK\r\nX: ", 20);
    assert_int_equal(request_parse((uint8_t *)large, REQUEST_HEAD_MAX + 99, false, &a), -EMSGSIZE);
    free(large);
}

static void broken_answers_stay_in_bounds(void **arg)
{
    char bytes[sizeof chunked + sizeof plain], value[32];
    (void)arg;
    for (int i = 0; i < ROUNDS; i++) {
        const char *from = draw(2) ? plain : chunked;
        size_t len = strlen(from);
        memcpy(bytes, from, len);
        for (uint32_t k = draw(5); k; k--)
            bytes[draw((uint32_t)len)] = draw(2) ? (char)draw(256) : "\r\n:;0fF "[draw(8)];
        len = draw(3) ? len : draw((uint32_t)len + 1);
        struct request_answer a = {0};
        char *copy;
        if (parse(bytes, len, draw(2), &a, &copy) == 1) {
            assert_true(a.head >= copy && a.head + a.head_len <= copy + len);
            assert_true(a.body >= copy && a.body + a.body_len <= copy + len);
            (void)request_field(&a, "Location", value, sizeof value);
        }
        free(copy);
    }
}

/* ---- the command line ---- */

#define WHOLE "--target", "livekit", "--url", "http://127.0.0.1:7880", "--api-key", "k", "--api-secret", "s"

static enum options_verdict read_line(struct options *o, char *why, const char *const *args)
{
    char *argv[64] = {(char *)(uintptr_t) "fanlight-load"};
    int argc = 1;
    for (; args[argc - 1]; argc++)
        argv[argc] = (char *)(uintptr_t)args[argc - 1];
    return options_parse(argc, argv, o, why, 200);
}

static void options_are_read(void **arg)
{
    struct options o;
    char why[200];
    (void)arg;
    assert_int_equal(read_line(&o, why, (const char *const[]){WHOLE, NULL}), OPTIONS_RUN);
    assert_string_equal(o.target->name, "livekit");
    assert_int_equal(o.subscribers, 1);
    assert_int_equal(o.video_kbps, 1500);
    assert_int_equal(o.url.addr.port, 7880);
    assert_false(o.audio);
    assert_int_equal(
        read_line(&o, why,
            (const char *const[]){WHOLE, "--rooms", "20", "--publishers", "5", "--meeting", "--audio",
                "--srtp", "cm", "--join-rate", "12.5", "--duration", "3", "--burst", "--json", "-", NULL}),
        OPTIONS_RUN);
    assert_int_equal(o.rooms, 20);
    assert_int_equal(o.subscribers, 0); /* a meeting has no others, unless told */
    assert_int_equal(o.srtp, LOAD_SRTP_CM);
    assert_true(o.join_rate == 12.5 && o.meeting && o.audio && o.burst);
    assert_int_equal(read_line(&o, why, (const char *const[]){"--help", NULL}), OPTIONS_HELP);
}

static void what_is_wrong_is_said(void **arg)
{
    static const struct {
        const char *args[16], *why;
    } lines[] = {
        {{NULL}, "--target is missing"},
        {{"--target", "rtmp"}, "not livekit"},
        {{"--target", "whip"}, "--url is missing"},
        {{"--target", "livekit", "--url", "http://127.0.0.1"}, "wants --api-key"},
        {{"--target", "livekit", "--url", "http://127.0.0.1", "--api-key", "k"}, "go together"},
        {{WHOLE, "--rooms", "0"}, "--rooms 0: not a whole number"},
        {{WHOLE, "--rooms", "1x"}, "--rooms 1x"},
        {{WHOLE, "--rooms", "-1"}, "--rooms -1"},
        {{WHOLE, "--fps", "501"}, "from 1 to 500"},
        {{WHOLE, "--duration", "nan"}, "--duration nan"},
        {{WHOLE, "--join-rate", "0"}, "--join-rate 0"},
        {{WHOLE, "--srtp", "aes"}, "not gcm or cm"},
        {{WHOLE, "--media", "/nowhere/at.all"}, "No such file"},
        {{WHOLE, "--server-pid", "0"}, "--server-pid 0"},
        {{WHOLE, "--video-kbps", "0"}, "nothing to send"},
        {{WHOLE, "--subscribers", "0"}, "nobody receives"},
        {{WHOLE, "--meeting"}, "a meeting takes two"},
        {{WHOLE, "--simulcast", "--video-kbps", "0", "--audio"}, "--simulcast"},
        {{WHOLE, "--rooms", "200", "--subscribers", "200"}, "20,000 connections"},
        {{WHOLE, "--publishers", "129", "--audio"}, "256 tracks"},
        {{WHOLE, "--fast"}, "--fast: no such option"},
        {{WHOLE, "--json"}, "--json wants a value"},
        {{WHOLE, "more"}, "more: not an option"},
        {{"--url", "https://x"}, "TLS"},
        {{"--url", "127.0.0.1:7880"}, "not http://"},
        {{"--url", "http://127.0.0.1:0"}, "port"},
        {{"--url", "http://127.0.0.1:70000"}, "port"},
        {{"--url", "http://"}, "not http://"},
    };
    struct options o;
    char why[200];
    (void)arg;
    for (size_t i = 0; i < sizeof lines / sizeof *lines; i++) {
        why[0] = 0;
        assert_int_equal(read_line(&o, why, lines[i].args), OPTIONS_BAD);
        if (!strstr(why, lines[i].why))
            fail_msg("%s: does not say %s", why, lines[i].why);
    }
}

static void addresses_are_read(void **arg)
{
    struct load_url url;
    char why[200];
    (void)arg;
    assert_int_equal(options_read_url("ws://[::1]:99/a/b//", &url, why, sizeof why), 0);
    assert_string_equal(url.path, "/a/b");
    assert_string_equal(url.host, "[::1]:99");
    assert_int_equal(url.addr.port, 99);
    assert_false(addr_is_v4(&url.addr));
    assert_int_equal(options_read_url("http://127.0.0.1", &url, why, sizeof why), 0);
    assert_int_equal(url.addr.port, 80);
    assert_string_equal(url.path, "");
    char *longest = calloc(1, 2000);
    assert_non_null(longest);
    memset(longest, 'a', 1999);
    memcpy(longest, "http://", 7);
    assert_int_not_equal(options_read_url(longest, &url, why, sizeof why), 0);
    memcpy(longest, "http://127.0.0.1/", 17);
    assert_int_not_equal(options_read_url(longest, &url, why, sizeof why), 0);
    free(longest);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(an_answer_is_read_when_it_is_whole),
        cmocka_unit_test(chunks_are_put_together),
        cmocka_unit_test(an_answer_without_a_length_ends_with_the_connection),
        cmocka_unit_test(nonsense_is_refused),
        cmocka_unit_test(broken_answers_stay_in_bounds),
        cmocka_unit_test(options_are_read),
        cmocka_unit_test(what_is_wrong_is_said),
        cmocka_unit_test(addresses_are_read),
    };
    return cmocka_run_group_tests_name("bench_request", tests, NULL, NULL);
}
