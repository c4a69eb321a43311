/* Requests over real sockets: every status the server answers by itself, CORS, bodies, keep-alive, limits. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <cmocka.h>

#include "base/limits.h"
#include "support/http_client.h"
#include "support/http_server.h"

static int setup(void **state)
{
    *state = server_start(NULL);
    return 0;
}

static int teardown(void **state)
{
    server_free(*state);
    return 0;
}

/* Sends text on a new connection and reads the answer. */
static void ask(struct server *s, const char *text, struct response *ret)
{
    struct client *c = client_open(s->port, false);
    client_send(c, text, strlen(text));
    client_response(c, strncmp(text, "HEAD", 4) == 0, ret);
    client_close(c);
}

static void get(struct server *s, const char *target, struct response *ret)
{
    char text[512];
    snprintf(text, sizeof text, "GET %s HTTP/1.1\r\nHost: x\r\nUser-Agent: test\r\n\r\n", target);
    ask(s, text, ret);
}

/* The answer is an error in JSON that a page of another origin may read. */
static void assert_error(const struct response *r, int status, const char *code)
{
    char start[128];
    snprintf(start, sizeof start, "{\"error\":{\"code\":\"%s\",\"message\":\"", code);
    if (r->status != status || strncmp(r->body, start, strlen(start)) != 0)
        fail_msg("expected %d %s, got %d %s", status, code, r->status, r->body);
    assert_string_equal(response_header(r, "Content-Type"), "application/json");
    assert_non_null(response_header(r, "Access-Control-Allow-Origin"));
}

static void a_handler_answers(void **state)
{
    struct response r;
    get(*state, "/hello", &r);
    assert_int_equal(r.status, 200);
    assert_string_equal(r.body, "hello");
    assert_string_equal(response_header(&r, "Content-Type"), "text/plain; charset=utf-8");
    assert_string_equal(response_header(&r, "X-Content-Type-Options"), "nosniff");
    response_done(&r);
}

static void a_handler_answers_later(void **state)
{
    struct response r;
    get(*state, "/later", &r);
    assert_string_equal(r.body, "later");
    response_done(&r);
}

static void a_handler_sees_the_request(void **state)
{
    struct response r;
    get(*state, "//show/x%2Fy/a/%62?q=1+2%26&none=%zz", &r);
    assert_string_equal(
        r.body, "GET /show/x/y/a/b a=x/y rest=a/b q=1 2& none=(null) ua=test ip=127.0.0.1 secure=0");
    response_done(&r);
    get(*state, "http://elsewhere/show/x/", &r);
    assert_string_equal(r.body, "GET /show/x/ a=x rest= q=(null) none=(null) ua=test ip=127.0.0.1 secure=0");
    response_done(&r);
}

static void head_is_get_without_a_body(void **state)
{
    struct response r;
    ask(*state, "HEAD /hello HTTP/1.1\r\nHost: x\r\n\r\n", &r);
    assert_int_equal(r.status, 200);
    assert_string_equal(response_header(&r, "Content-Length"), "5");
    response_done(&r);
    ask(*state, "HEAD / HTTP/1.1\r\nHost: x\r\nOrigin: https://app.example\r\n\r\n", &r);
    assert_int_equal(r.status, 200);
    assert_string_equal(response_header(&r, "Access-Control-Allow-Origin"), "https://app.example");
    response_done(&r);
}

static void an_error_is_escaped_and_carries_the_handlers_headers(void **state)
{
    struct response r;
    get(*state, "/teapot", &r);
    assert_int_equal(r.status, 418);
    assert_string_equal(
        r.body, "{\"error\":{\"code\":\"tea\\\"pot\",\"message\":\"line\\u000abreak \\\\ \\ufffd\"}}");
    assert_string_equal(response_header(&r, "X-Kind"), "tea");
    assert_null(response_header(&r, "X-Bad"));
    response_done(&r);
}

static void bodies_arrive_whole(void **state)
{
    struct server *s = *state;
    struct response r;
    ask(s, "POST /echo HTTP/1.1\r\nHost: x\r\nContent-Type: a/b\r\nContent-Length: 5\r\n\r\n12345", &r);
    assert_string_equal(r.body, "12345");
    assert_string_equal(response_header(&r, "Content-Type"), "a/b");
    response_done(&r);
    ask(s, "POST /echo HTTP/1.1\r\nHost: x\r\n\r\n", &r);
    assert_int_equal(r.status, 200);
    assert_int_equal(r.body_len, 0);
    response_done(&r);
    ask(s,
        "POST /echo HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: "
        "chunked\r\n\r\n3\r\nabc\r\n4;x=y\r\ndefg\r\n0\r\n\r\n",
        &r);
    assert_string_equal(r.body, "abcdefg");
    response_done(&r);
    size_t len = 3 << 20;
    char *large = malloc(len);
    for (size_t i = 0; i < len; i++)
        large[i] = (char)(i * 31);
    struct client *c = client_open(s->port, false);
    client_sendf(c, "POST /echo HTTP/1.1\r\nHost: x\r\nContent-Length: %zu\r\n\r\n", len);
    client_send(c, large, len);
    client_response(c, false, &r);
    assert_int_equal(r.body_len, len);
    assert_memory_equal(r.body, large, len);
    response_done(&r);
    client_close(c);
    free(large);
}

static void what_is_not_there_is_404(void **state)
{
    static const char *const paths[] = {
        "/hello/x", "/settings/regions", "/nothing.js", "/ws/more", "/..", "/../etc/passwd"};
    struct response r;
    for (size_t i = 0; i < sizeof paths / sizeof paths[0]; i++) {
        get(*state, paths[i], &r);
        assert_error(&r, 404, "not_found");
        response_done(&r);
    }
    ask(*state, "POST /nowhere.js HTTP/1.1\r\nHost: x\r\n\r\n", &r);
    assert_error(&r, 404, "not_found");
    response_done(&r);
}

static void another_method_is_405_and_says_which(void **state)
{
    struct response r;
    ask(*state, "DELETE /hello HTTP/1.1\r\nHost: x\r\n\r\n", &r);
    assert_error(&r, 405, "method_not_allowed");
    assert_string_equal(response_header(&r, "Allow"), "GET, HEAD, OPTIONS");
    response_done(&r);
    get(*state, "/echo", &r);
    assert_error(&r, 405, "method_not_allowed");
    assert_string_equal(response_header(&r, "Allow"), "POST, OPTIONS");
    response_done(&r);
    ask(*state, "POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 2\r\n\r\nhi", &r);
    assert_error(&r, 405, "method_not_allowed");
    assert_string_equal(response_header(&r, "Allow"), "GET, HEAD, OPTIONS");
    response_done(&r);
}

static void a_body_that_is_not_json_is_415(void **state)
{
    struct response r;
    ask(*state, "POST /json HTTP/1.1\r\nHost: x\r\nContent-Type: text/plain\r\nContent-Length: 2\r\n\r\n{}",
        &r);
    assert_error(&r, 415, "unsupported_media_type");
    response_done(&r);
    ask(*state, "POST /json HTTP/1.1\r\nHost: x\r\nContent-Length: 2\r\n\r\n{}", &r);
    assert_error(&r, 415, "unsupported_media_type");
    response_done(&r);
    ask(*state,
        "POST /json HTTP/1.1\r\nHost: x\r\nContent-Type: application/jsonp\r\nContent-Length: 2\r\n\r\n{}",
        &r);
    assert_error(&r, 415, "unsupported_media_type");
    response_done(&r);
    ask(*state,
        "POST /json HTTP/1.1\r\nHost: x\r\nContent-Type: Application/JSON; charset=utf-8\r\nContent-Length: "
        "2\r\n\r\n{}",
        &r);
    assert_int_equal(r.status, 200);
    response_done(&r);
    ask(*state, "POST /json HTTP/1.1\r\nHost: x\r\n\r\n", &r); /* no body, no type */
    assert_int_equal(r.status, 200);
    response_done(&r);
}

static void a_body_that_is_too_large_is_413(void **state)
{
    struct server *s = *state;
    struct response r;
    struct client *c = client_open(s->port, false);
    client_sendf(c, "POST /small HTTP/1.1\r\nHost: x\r\nContent-Length: 17\r\n\r\n%017d", 0);
    client_response(c, false, &r);
    assert_error(&r, 413, "body_too_large");
    response_done(&r);
    /* it was read, so the connection goes on */
    client_sendf(c, "POST /small HTTP/1.1\r\nHost: x\r\nContent-Length: 16\r\n\r\n%016d", 0);
    client_response(c, false, &r);
    assert_int_equal(r.status, 200);
    assert_int_equal(r.body_len, 16);
    response_done(&r);
    client_sendf(c, "POST /small HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n"
                    "a\r\n0123456789\r\na\r\n0123456789\r\n0\r\n\r\n");
    client_response(c, false, &r);
    assert_error(&r, 413, "body_too_large");
    response_done(&r);
    client_close(c);
}

static void a_body_that_nobody_would_read_is_413_at_once(void **state)
{
    struct response r;
    ask(*state, "POST /echo HTTP/1.1\r\nHost: x\r\nContent-Length: 999999999999\r\n\r\n", &r);
    assert_error(&r, 413, "body_too_large");
    response_done(&r);
    ask(*state, "POST /small HTTP/1.1\r\nHost: x\r\nContent-Length: 17\r\nExpect: 100-continue\r\n\r\n", &r);
    assert_error(&r, 413, "body_too_large");
    response_done(&r);
}

static void whoever_waits_to_send_a_body_is_told_to(void **state)
{
    struct server *s = *state;
    struct response r;
    struct client *c = client_open(s->port, false);
    client_sendf(c, "POST /small HTTP/1.1\r\nHost: x\r\nContent-Length: 3\r\nExpect: 100-continue\r\n\r\n");
    client_response(c, true, &r);
    assert_int_equal(r.status, 100);
    response_done(&r);
    client_send(c, "abc", 3);
    client_response(c, false, &r);
    assert_string_equal(r.body, "abc");
    response_done(&r);
    client_close(c);
}

/* A GET of a request line of len bytes. */
static char *long_get(size_t len)
{
    static const char start[] = "GET /show/x/?q=", end[] = " HTTP/1.1",
                      rest[] = "\r\nHost: x\r\nUser-Agent: t\r\n\r\n";
    char *text = malloc(len + sizeof rest);
    memset(text, 'a', len);
    memcpy(text, start, sizeof start - 1);
    memcpy(text + len - (sizeof end - 1), end, sizeof end - 1);
    memcpy(text + len, rest, sizeof rest);
    return text;
}

static void a_request_line_of_64_kib_is_answered(void **state)
{
    struct response r;
    char *text = long_get(HTTP_LINE_MAX);
    ask(*state, text, &r);
    assert_int_equal(r.status, 200);
    response_done(&r);
    free(text);
}

static void a_longer_request_line_is_414(void **state)
{
    struct server *s = *state;
    struct response r;
    char *text = long_get(HTTP_LINE_MAX + 1);
    ask(s, text, &r);
    assert_error(&r, 414, "uri_too_long");
    response_done(&r);
    free(text);
    text = long_get(HTTP_LINE_MAX + 20); /* as a second request, which only libmicrohttpd sees */
    struct client *c = client_open(s->port, false);
    client_sendf(c, "GET /hello HTTP/1.1\r\nHost: x\r\n\r\n");
    client_response(c, false, &r);
    assert_int_equal(r.status, 200);
    response_done(&r);
    client_send(c, text, strlen(text));
    client_response(c, false, &r);
    assert_error(&r, 414, "uri_too_long");
    response_done(&r);
    client_close(c);
    free(text);
}

static void malformed_requests_are_400(void **state)
{
    static const char *const wrong[] = {"nonsense\r\n\r\n", "GET /hello\r\n\r\n",
        "GET /hello HTTP/1.1\r\n\r\n", "\x16\x03\x01\x02", "GET /hello HTTP/1.1\r\nHost\r\n\r\n"};
    struct response r;
    for (size_t i = 0; i < sizeof wrong / sizeof wrong[0]; i++) {
        ask(*state, wrong[i], &r);
        assert_error(&r, 400, "bad_request");
        response_done(&r);
    }
    ask(*state, "GET / HTTP/3.0\r\n\r\n", &r);
    assert_error(&r, 505, "http_version_not_supported");
    response_done(&r);
    get(*state, "/hello%zz", &r);
    assert_error(&r, 400, "bad_path");
    response_done(&r);
    get(*state, "/show/%00/", &r);
    assert_error(&r, 400, "bad_path");
    response_done(&r);
}

static void headers_without_end_are_431(void **state)
{
    struct server *s = *state;
    struct response r;
    struct client *c = client_open(s->port, false);
    char block[1024];
    memset(block, 'h', sizeof block);
    client_sendf(c, "GET /hello HTTP/1.1\r\nX: ");
    for (int i = 0; i < HTTP_HEAD_MAX / 1024; i++)
        client_send(c, block, sizeof block);
    client_response(c, false, &r);
    assert_error(&r, 431, "headers_too_large");
    response_done(&r);
    client_close(c);
}

static void preflights_are_allowed_everything(void **state)
{
    struct response r;
    ask(*state,
        "OPTIONS /api/anything HTTP/1.1\r\nHost: x\r\nOrigin: https://a.example\r\n"
        "Access-Control-Request-Method: PATCH\r\nAccess-Control-Request-Headers: authorization, x-y\r\n\r\n",
        &r);
    assert_int_equal(r.status, 204);
    assert_string_equal(response_header(&r, "Access-Control-Allow-Origin"), "https://a.example");
    assert_string_equal(response_header(&r, "Vary"), "Origin");
    assert_string_equal(
        response_header(&r, "Access-Control-Allow-Methods"), "OPTIONS, HEAD, GET, POST, PATCH, DELETE");
    assert_string_equal(response_header(&r, "Access-Control-Allow-Headers"), "authorization, x-y");
    assert_string_equal(response_header(&r, "Access-Control-Max-Age"), "86400");
    response_done(&r);
    ask(*state, "OPTIONS * HTTP/1.1\r\nHost: x\r\n\r\n", &r);
    assert_int_equal(r.status, 204);
    assert_string_equal(response_header(&r, "Access-Control-Allow-Origin"), "*");
    response_done(&r);
}

static void one_origin_alone_can_be_allowed(void **state)
{
    struct http_config config = {.cors_origin = "https://only.example"}, silent = {.cors_origin = ""};
    struct response r;
    (void)state;
    struct server *s = server_start(&config);
    ask(s, "GET /hello HTTP/1.1\r\nHost: x\r\nOrigin: https://other.example\r\n\r\n", &r);
    assert_string_equal(response_header(&r, "Access-Control-Allow-Origin"), "https://only.example");
    response_done(&r);
    server_free(s);
    s = server_start(&silent);
    ask(s, "GET /hello HTTP/1.1\r\nHost: x\r\nOrigin: https://other.example\r\n\r\n", &r);
    assert_null(response_header(&r, "Access-Control-Allow-Origin"));
    response_done(&r);
    server_free(s);
}

static void requests_in_a_row_are_answered_in_order(void **state)
{
    struct server *s = *state;
    struct response r;
    struct client *c = client_open(s->port, false);
    client_sendf(c, "GET /later HTTP/1.1\r\nHost: x\r\n\r\nGET /hello HTTP/1.1\r\nHost: x\r\n\r\n"
                    "POST /echo HTTP/1.1\r\nHost: x\r\nContent-Length: 4\r\n\r\nbody"
                    "DELETE /hello HTTP/1.1\r\nHost: x\r\n\r\nGET / HTTP/1.1\r\nHost: x\r\n\r\n"
                    "GET /hello HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n");
    static const char *const bodies[] = {"later", "hello", "body", NULL, NULL, "hello"};
    static const int statuses[] = {200, 200, 200, 405, 200, 200};
    for (size_t i = 0; i < 6; i++) {
        client_response(c, false, &r);
        assert_int_equal(r.status, statuses[i]);
        if (bodies[i])
            assert_string_equal(r.body, bodies[i]);
        response_done(&r);
    }
    assert_true(client_at_end(c));
    client_close(c);
}

static void a_request_in_single_bytes_is_answered(void **state)
{
    struct server *s = *state;
    static const char text[] = "POST /echo HTTP/1.1\r\nHost: x\r\nContent-Length: 3\r\n\r\nabc";
    struct response r;
    struct client *c = client_open(s->port, false);
    for (size_t i = 0; i < sizeof text - 1; i++)
        client_send(c, text + i, 1);
    client_response(c, false, &r);
    assert_string_equal(r.body, "abc");
    response_done(&r);
    client_close(c);
}

static void a_client_that_closes_for_writing_is_answered(void **state)
{
    struct server *s = *state;
    struct response r;
    struct client *c = client_open(s->port, false);
    client_sendf(c, "GET /later HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n");
    shutdown(client_fd(c), SHUT_WR);
    client_response(c, false, &r);
    assert_string_equal(r.body, "later");
    response_done(&r);
    client_close(c);
}

static void half_a_request_is_dropped(void **state)
{
    struct server *s = *state;
    struct client *c = client_open(s->port, false);
    client_sendf(c, "GET /hello HT");
    shutdown(client_fd(c), SHUT_WR);
    assert_true(client_at_end(c));
    client_close(c);
}

static void a_client_may_go_away_while_it_waits(void **state)
{
    struct server *s = *state;
    struct response r;
    for (int i = 1; i <= 20; i++) {
        struct client *c = client_open(s->port, false);
        client_sendf(c, "GET /hold HTTP/1.1\r\nHost: x\r\n\r\n");
        server_wait(s, &s->holds, i);
        if (i % 2) { /* with a reset */
            struct linger hard = {.l_onoff = 1};
            setsockopt(client_fd(c), SOL_SOCKET, SO_LINGER, &hard, sizeof hard);
        }
        client_close(c);
        server_release(s);
    }
    get(s, "/hello", &r);
    assert_int_equal(r.status, 200);
    response_done(&r);
}

static void connections_are_counted_and_limited(void **state)
{
    struct http_config config = {.connections_max = 5};
    struct client *c[8];
    struct http_stats stats;
    (void)state;
    struct server *s = server_start(&config);
    for (int i = 0; i < 5; i++) {
        struct response r;
        c[i] = client_open(s->port, false);
        client_sendf(c[i], "GET /hello HTTP/1.1\r\nHost: x\r\n\r\n");
        client_response(c[i], false, &r);
        response_done(&r);
    }
    for (int i = 5; i < 8; i++) {
        c[i] = client_open(s->port, false);
        assert_true(client_at_end(c[i]));
    }
    http_stats(s->http, &stats);
    assert_int_equal(stats.connections, 5);
    assert_int_equal(stats.connections_open, 5);
    assert_int_equal(stats.refused_total, 3);
    assert_int_equal(stats.requests, 5);
    for (int i = 0; i < 8; i++)
        client_close(c[i]);
    /* what was closed makes room again */
    for (int tries = 0;; tries++) {
        http_stats(s->http, &stats);
        if (stats.connections_open == 0)
            break;
        assert_true(tries < 1000);
        struct timespec ms = {.tv_nsec = 10000000};
        nanosleep(&ms, NULL);
    }
    struct response r;
    get(s, "/hello", &r);
    assert_int_equal(r.status, 200);
    response_done(&r);
    server_free(s);
}

static void one_address_cannot_take_everything(void **state)
{
    struct http_config config = {.address_max = 2, .limit_loopback = true};
    struct http_stats stats;
    (void)state;
    struct server *s = server_start(&config);
    struct client *a = client_open(s->port, false), *b = client_open(s->port, false);
    struct client *refused = client_open(s->port, false);
    assert_true(client_at_end(refused));
    http_stats(s->http, &stats);
    assert_int_equal(stats.refused_address, 1);
    client_close(a);
    client_close(b);
    client_close(refused);
    server_free(s);
    config.limit_loopback = false;
    s = server_start(&config);
    for (int i = 0; i < 5; i++) {
        struct response r;
        get(s, "/hello", &r);
        assert_int_equal(r.status, 200);
        response_done(&r);
    }
    server_free(s);
}

static void a_busy_port_is_an_error(void **state)
{
    struct server *s = *state;
    struct http_config config = {.http = true, .http_port = s->port};
    struct http *second = http_new(s->control, &config);
    assert_non_null(second);
    assert_int_equal(http_start(second), -EADDRINUSE);
    http_free(second);
}

static void it_listens_where_it_is_told_to(void **state)
{
    struct addr bind[2];
    (void)state;
    assert_int_equal(addr_parse("127.0.0.1", 0, &bind[0]), 0);
    assert_int_equal(addr_parse("::1", 0, &bind[1]), 0);
    struct http_config config = {.bind = bind, .bind_count = 2};
    struct response r;
    struct server *s = server_start(&config);
    get(s, "/hello", &r);
    assert_int_equal(r.status, 200);
    response_done(&r);
    server_free(s);
}

#define EACH(test) cmocka_unit_test_setup_teardown(test, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        EACH(a_handler_answers),
        EACH(a_handler_answers_later),
        EACH(a_handler_sees_the_request),
        EACH(head_is_get_without_a_body),
        EACH(an_error_is_escaped_and_carries_the_handlers_headers),
        EACH(bodies_arrive_whole),
        EACH(what_is_not_there_is_404),
        EACH(another_method_is_405_and_says_which),
        EACH(a_body_that_is_not_json_is_415),
        EACH(a_body_that_is_too_large_is_413),
        EACH(a_body_that_nobody_would_read_is_413_at_once),
        EACH(whoever_waits_to_send_a_body_is_told_to),
        EACH(a_request_line_of_64_kib_is_answered),
        EACH(a_longer_request_line_is_414),
        EACH(malformed_requests_are_400),
        EACH(headers_without_end_are_431),
        EACH(preflights_are_allowed_everything),
        cmocka_unit_test(one_origin_alone_can_be_allowed),
        EACH(requests_in_a_row_are_answered_in_order),
        EACH(a_request_in_single_bytes_is_answered),
        EACH(a_client_that_closes_for_writing_is_answered),
        EACH(half_a_request_is_dropped),
        EACH(a_client_may_go_away_while_it_waits),
        cmocka_unit_test(connections_are_counted_and_limited),
        cmocka_unit_test(one_address_cannot_take_everything),
        EACH(a_busy_port_is_an_error),
        cmocka_unit_test(it_listens_where_it_is_told_to),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
