/* WebSockets over plain connections: handshake, echo, every way a socket ends, slow peers, many at once. */
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
#include "net/clock.h"
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

static struct client *open_ws(struct server *s)
{
    struct client *c = client_open(s->port, false);
    client_upgrade(c, "/ws", "");
    return c;
}

static void assert_frame(struct client *c, int first, const void *data, size_t len)
{
    struct frame f;
    client_read_frame(c, &f);
    assert_int_equal(f.first, first);
    assert_int_equal(f.len, len);
    assert_memory_equal(f.data, data, len);
    free(f.data);
}

static void send_text(struct client *c, const char *text)
{
    client_frame(c, FIN | TEXT, text, strlen(text));
}

/* The server has seen the end, and for this reason. */
static void assert_ended(struct server *s, int n, uint16_t code, enum ws_cause cause)
{
    server_wait(s, &s->closed, n);
    assert_int_equal(server_get(s, &s->closed), n);
    assert_int_equal(s->close_code, code);
    assert_string_equal(ws_cause_text(s->close_cause), ws_cause_text(cause));
}

static void messages_are_echoed(void **state)
{
    struct client *c = open_ws(*state);
    send_text(c, "h\xc3\xa4llo");
    assert_frame(c, FIN | TEXT, "h\xc3\xa4llo", 6);
    client_frame(c, FIN | BINARY, "\0\xff", 2);
    assert_frame(c, FIN | BINARY, "\0\xff", 2);
    client_frame(c, FIN | BINARY, "", 0);
    assert_frame(c, FIN | BINARY, "", 0);
    send_text(c, "both");
    assert_frame(c, FIN | TEXT, "one", 3);
    assert_frame(c, FIN | BINARY, "two", 3);
    client_close(c);
}

static void messages_of_every_size_of_length_are_echoed(void **state)
{
    static const size_t sizes[] = {125, 126, 4096, 65535, 65536, 100000, WS_MESSAGE_MAX};
    struct client *c = open_ws(*state);
    uint8_t *data = malloc(WS_MESSAGE_MAX);
    for (size_t i = 0; i < WS_MESSAGE_MAX; i++)
        data[i] = (uint8_t)(i * 7 + (i >> 9));
    for (size_t i = 0; i < sizeof sizes / sizeof sizes[0]; i++) {
        client_frame(c, FIN | BINARY, data, sizes[i]);
        assert_frame(c, FIN | BINARY, data, sizes[i]);
    }
    free(data);
    client_close(c);
}

static void fragments_and_pings_are_handled(void **state)
{
    struct client *c = open_ws(*state);
    client_frame(c, TEXT, "one ", 4);
    client_frame(c, FIN | PING, "?", 1);
    client_frame(c, CONTINUATION, "two ", 4);
    client_frame(c, FIN | CONTINUATION, "three", 5);
    assert_frame(c, FIN | PONG, "?", 1);
    assert_frame(c, FIN | TEXT, "one two three", 13);
    client_close(c);
}

static void what_is_sent_at_once_comes_first(void **state)
{
    struct server *s = *state;
    struct client *c = client_open(s->port, false);
    client_upgrade(c, "/ws?greet=welcome", "");
    assert_frame(c, FIN | TEXT, "welcome", 7);
    client_close(c);
}

static void bytes_behind_the_handshake_are_not_lost(void **state)
{
    struct server *s = *state;
    struct client *c = client_open(s->port, false);
    struct response r;
    static const uint8_t hi[] = {FIN | TEXT, 0x82, 0, 0, 0, 0, 'h', 'i'};
    char text[512];
    int n = snprintf(text, sizeof text,
        "GET /ws HTTP/1.1\r\nHost: x\r\nUpgrade: WebSocket\r\nConnection: Upgrade\r\nSec-WebSocket-Version: "
        "13\r\n"
        "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n");
    memcpy(text + n, hi, sizeof hi);
    client_send(c, text, (size_t)n + sizeof hi);
    client_response(c, true, &r);
    assert_int_equal(r.status, 101);
    response_done(&r);
    assert_frame(c, FIN | TEXT, "hi", 2);
    client_close(c);
}

static void a_handler_can_refuse(void **state)
{
    struct server *s = *state;
    struct response r;
    struct client *c = client_open(s->port, false);
    client_send_handshake(c, "/ws?refuse", "Origin: https://a.example\r\n");
    client_response(c, false, &r);
    assert_int_equal(r.status, 401);
    assert_string_equal(r.body, "invalid authorization token");
    assert_string_equal(response_header(&r, "Access-Control-Allow-Origin"), "https://a.example");
    response_done(&r);
    client_sendf(c, "GET /hello HTTP/1.1\r\nHost: x\r\n\r\n"); /* the connection goes on */
    client_response(c, false, &r);
    assert_int_equal(r.status, 200);
    response_done(&r);
    client_close(c);
}

static void the_answer_carries_the_handlers_headers(void **state)
{
    struct server *s = *state;
    struct response r;
    struct client *c = client_open(s->port, false);
    client_send_handshake(c, "/ws", "Origin: https://a.example\r\n");
    client_response(c, true, &r);
    assert_int_equal(r.status, 101);
    assert_string_equal(response_header(&r, "X-Session"), "one");
    assert_string_equal(response_header(&r, "Access-Control-Allow-Origin"), "https://a.example");
    response_done(&r);
    client_close(c);
}

static int status_of(struct server *s, const char *target, const char *headers, struct response *ret)
{
    struct client *c = client_open(s->port, false);
    client_sendf(c, "GET %s HTTP/1.1\r\nHost: x\r\n%s\r\n", target, headers);
    client_response(c, false, ret);
    client_close(c);
    return ret->status;
}

#define UPGRADE "Connection: Upgrade\r\nUpgrade: websocket\r\n"
#define KEY     "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n"

static void requests_that_are_no_upgrade_get_the_routes_status(void **state)
{
    struct response r;
    assert_int_equal(status_of(*state, "/ws", "", &r), 404);
    assert_int_equal(r.body_len, 0);
    assert_non_null(response_header(&r, "Access-Control-Allow-Origin"));
    response_done(&r);
    assert_int_equal(status_of(*state, "/ws426", "", &r), 426);
    assert_string_equal(response_header(&r, "Upgrade"), "websocket");
    response_done(&r);
}

static void malformed_handshakes_are_refused(void **state)
{
    struct response r;
    assert_int_equal(status_of(*state, "/ws", UPGRADE KEY, &r), 426);
    assert_string_equal(response_header(&r, "Sec-WebSocket-Version"), "13");
    response_done(&r);
    assert_int_equal(status_of(*state, "/ws", UPGRADE KEY "Sec-WebSocket-Version: 8\r\n", &r), 426);
    response_done(&r);
    static const char *const wrong[] = {
        UPGRADE "Sec-WebSocket-Version: 13\r\n",
        UPGRADE "Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: short\r\n",
        UPGRADE "Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ=!\r\n",
        UPGRADE "Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZTEy\r\n", /* 18 bytes */
        ("Connection: close\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\n" KEY),
    };
    for (size_t i = 0; i < sizeof wrong / sizeof wrong[0]; i++) {
        assert_int_equal(status_of(*state, "/ws", wrong[i], &r), 400);
        assert_non_null(strstr(r.body, "websocket_handshake"));
        response_done(&r);
    }
    /* an upgrade where there is no WebSocket is a plain request */
    assert_int_equal(status_of(*state, "/hello", UPGRADE KEY "Sec-WebSocket-Version: 13\r\n", &r), 200);
    response_done(&r);
    assert_int_equal(status_of(*state, "/no/page", UPGRADE KEY "Sec-WebSocket-Version: 13\r\n", &r), 404);
    response_done(&r);
}

static void http_1_0_is_not_upgraded(void **state)
{
    struct server *s = *state;
    struct response r;
    struct client *c = client_open(s->port, false);
    client_sendf(c, "GET /ws HTTP/1.0\r\n" UPGRADE KEY "Sec-WebSocket-Version: 13\r\n\r\n");
    client_response(c, false, &r);
    assert_int_equal(r.status, 400);
    response_done(&r);
    client_close(c);
}

static void the_peer_closes(void **state)
{
    struct server *s = *state;
    struct client *c = open_ws(s);
    client_frame(c, FIN | CLOSE, "\x03\xe9 away", 7);
    assert_frame(c, FIN | CLOSE, "\x03\xe9 away", 7);
    assert_true(client_at_end(c)); /* the server hangs up first */
    assert_ended(s, 1, 1001, WS_CAUSE_PEER);
    client_close(c);
    c = open_ws(s);
    client_frame(c, FIN | CLOSE, "", 0);
    assert_int_equal(client_read_close(c), 1005);
    assert_ended(s, 2, 1005, WS_CAUSE_PEER);
    client_close(c);
}

static void the_server_closes(void **state)
{
    struct server *s = *state;
    struct client *c = open_ws(s);
    send_text(c, "close:4123");
    assert_frame(c, FIN | CLOSE,
        "\x10\x1b"
        "as asked",
        10);
    send_text(c, "crossing"); /* not seen by the handler */
    client_frame(c, FIN | CLOSE, "\x10\x1b", 2);
    assert_true(client_at_end(c));
    assert_ended(s, 1, 4123, WS_CAUSE_LOCAL);
    assert_int_equal(server_get(s, &s->messages), 1);
    client_close(c);
}

static void a_peer_that_does_not_answer_the_close_is_left(void **state)
{
    struct server *s = *state;
    struct client *c = open_ws(s);
    send_text(c, "close:1000");
    assert_int_equal(client_read_close(c), 1000);
    assert_true(client_at_end(c)); /* after WS_CLOSE_WAIT_S */
    assert_ended(s, 1, 1000, WS_CAUSE_LOCAL);
    client_close(c);
}

static void what_is_queued_goes_out_before_the_close(void **state)
{
    struct server *s = *state;
    struct client *c = client_open_small(s->port);
    client_upgrade(c, "/ws", "");
    send_text(c, "flood:40"); /* 2.5 MiB */
    send_text(c, "close:1000");
    for (int i = 0; i < 40; i++) {
        struct frame f;
        client_read_frame(c, &f);
        assert_int_equal(f.first, FIN | BINARY);
        assert_int_equal(f.len, 65536);
        free(f.data);
    }
    assert_int_equal(client_read_close(c), 1000);
    client_frame(c, FIN | CLOSE, "\x03\xe8", 2);
    assert_ended(s, 1, 1000, WS_CAUSE_LOCAL);
    assert_int_equal(server_get(s, &s->refused_sends), 0);
    client_close(c);
}

static void a_lost_connection_is_1006(void **state)
{
    struct server *s = *state;
    struct client *c = open_ws(s);
    client_close(c);
    assert_ended(s, 1, 1006, WS_CAUSE_LOST);
    c = open_ws(s);
    struct linger hard = {.l_onoff = 1};
    setsockopt(client_fd(c), SOL_SOCKET, SO_LINGER, &hard, sizeof hard);
    client_close(c);
    assert_ended(s, 2, 1006, WS_CAUSE_LOST);
}

static void the_server_aborts(void **state)
{
    struct server *s = *state;
    struct client *c = open_ws(s);
    send_text(c, "abort");
    assert_true(client_at_end(c));
    assert_ended(s, 1, 1006, WS_CAUSE_LOCAL);
    client_close(c);
}

/* Sends bytes that are wrong; the peer learns why although it goes on sending. */
static void assert_protocol_error(struct server *s, int n, const void *bytes, size_t len, int code)
{
    struct client *c = open_ws(s);
    client_send(c, bytes, len);
    char junk[4096] = {0};
    for (int i = 0; i < 16 && client_try_send(c, junk, sizeof junk); i++)
        ;
    assert_int_equal(client_read_close(c), code);
    assert_true(client_at_end(c));
    assert_ended(s, n, (uint16_t)code, WS_CAUSE_PROTOCOL);
    client_close(c);
}

static void malformed_frames_end_the_socket(void **state)
{
    static const uint8_t unmasked[] = {FIN | TEXT, 2, 'h', 'i'}, reserved[] = {FIN | 3, 0x80, 0, 0, 0, 0},
                         rsv[] = {FIN | 0x40 | TEXT, 0x80, 0, 0, 0, 0},
                         utf8[] = {FIN | TEXT, 0x81, 0, 0, 0, 0, 0xff},
                         large[] = {FIN | BINARY, 0xff, 0, 0, 0, 0, 0, 0x20, 0, 1, 0, 0, 0, 0};
    assert_protocol_error(*state, 1, unmasked, sizeof unmasked, 1002);
    assert_protocol_error(*state, 2, reserved, sizeof reserved, 1002);
    assert_protocol_error(*state, 3, rsv, sizeof rsv, 1002);
    assert_protocol_error(*state, 4, utf8, sizeof utf8, 1007);
    assert_protocol_error(*state, 5, large, sizeof large, 1009);
}

static void others_do_not_notice(void **state)
{
    struct server *s = *state;
    struct client *good = open_ws(s), *bad = open_ws(s);
    client_send(bad, "\x81\x02hi", 4);
    assert_int_equal(client_read_close(bad), 1002);
    send_text(good, "still here");
    assert_frame(good, FIN | TEXT, "still here", 10);
    client_close(bad);
    client_close(good);
}

static void a_peer_that_does_not_read_is_closed(void **state)
{
    struct server *s = *state;
    struct client *c = client_open_small(s->port), *other = open_ws(s);
    client_upgrade(c, "/ws", "");
    send_text(c, "flood:200"); /* 12.5 MiB */
    assert_ended(s, 1, 1006, WS_CAUSE_SLOW);
    assert_true(server_get(s, &s->refused_sends) > 0);
    send_text(other, "ok");
    assert_frame(other, FIN | TEXT, "ok", 2);
    client_close(c);
    client_close(other);
}

static void a_queue_that_is_not_full_is_kept(void **state)
{
    struct server *s = *state;
    struct client *c = client_open_small(s->port);
    client_upgrade(c, "/ws", "");
    send_text(c, "flood:60"); /* 3.75 MiB */
    for (int i = 0; i < 60; i++) {
        struct frame f;
        client_read_frame(c, &f);
        assert_int_equal(f.len, 65536);
        free(f.data);
    }
    assert_int_equal(server_get(s, &s->refused_sends), 0);
    assert_int_equal(server_get(s, &s->closed), 0);
    client_close(c);
}

static void a_burst_of_questions_is_not_slowness(void **state)
{
    enum { COUNT = 2000 };
    struct http_config config = {.queue_max = 65536};
    static uint8_t pings[COUNT * 6];
    (void)state;
    struct server *s = server_start(&config);
    struct client *c = open_ws(s);
    for (size_t i = 0; i < COUNT; i++) {
        pings[i * 6] = FIN | PING;
        pings[i * 6 + 1] = 0x80;
    }
    client_send(c, pings, sizeof pings);
    for (int i = 0; i < COUNT; i++)
        assert_frame(c, FIN | PONG, "", 0);
    assert_int_equal(server_get(s, &s->closed), 0);
    client_close(c);
    server_free(s);
}

static void pings_that_are_never_read_end_the_socket(void **state)
{
    struct http_config config = {.queue_max = 65536};
    (void)state;
    struct server *s = server_start(&config);
    struct client *c = client_open_small(s->port);
    client_upgrade(c, "/ws", "");
    static uint8_t pings[131 * 64];
    for (size_t i = 0; i < 64; i++) {
        pings[i * 131] = FIN | PING;
        pings[i * 131 + 1] = 0x80 | 125;
    }
    while (client_try_send(c, pings, sizeof pings) && !server_get(s, &s->closed))
        ;
    assert_ended(s, 1, 1006, WS_CAUSE_SLOW);
    client_close(c);
    server_free(s);
}

static void the_configured_limits_hold(void **state)
{
    struct http_config config = {.message_max = 100};
    (void)state;
    struct server *s = server_start(&config);
    char text[101];
    memset(text, 'x', sizeof text);
    struct client *c = open_ws(s);
    client_frame(c, FIN | TEXT, text, 100);
    assert_frame(c, FIN | TEXT, text, 100);
    client_frame(c, FIN | TEXT, text, 101);
    assert_int_equal(client_read_close(c), 1009);
    client_close(c);
    server_free(s);
}

static void a_client_that_is_gone_before_the_upgrade_is_reported(void **state)
{
    struct server *s = *state;
    for (int i = 1; i <= 20; i++) {
        struct client *c = client_open(s->port, false);
        struct linger hard = {.l_onoff = 1};
        setsockopt(client_fd(c), SOL_SOCKET, SO_LINGER, &hard, sizeof hard);
        client_send_handshake(c, "/ws?greet=x", "");
        client_close(c);
    }
    /* some may have been reset before they were accepted at all */
    struct client *c = open_ws(s);
    send_text(c, "ping");
    assert_frame(c, FIN | TEXT, "ping", 4);
    client_close(c);
    server_wait(s, &s->closed, server_get(s, &s->opened));
}

static void hundreds_of_sockets_are_served(void **state)
{
    enum { SOCKETS = 200 };
    struct server *s = *state;
    static struct client *c[SOCKETS];
    struct http_stats stats;
    for (int i = 0; i < SOCKETS; i++)
        c[i] = open_ws(s);
    for (int round = 0; round < 3; round++) {
        char text[32];
        for (int i = 0; i < SOCKETS; i++) {
            snprintf(text, sizeof text, "%d of %d", i, round);
            send_text(c[i], text);
        }
        for (int i = 0; i < SOCKETS; i++) {
            snprintf(text, sizeof text, "%d of %d", i, round);
            assert_frame(c[i], FIN | TEXT, text, strlen(text));
        }
    }
    http_stats(s->http, &stats);
    assert_int_equal(stats.websockets_open, SOCKETS);
    for (int i = 0; i < SOCKETS; i++)
        client_close(c[i]);
    server_wait(s, &s->closed, SOCKETS);
}

static void small_messages_do_not_wait_for_acknowledgements(void **state)
{
    struct client *c = open_ws(*state);
    int64_t fastest_us = INT64_MAX;
    for (int i = 0; i < 20; i++) {
        int64_t before_us = clock_now_us();
        send_text(c, "both"); /* Nagle's algorithm would hold the second answer back, for 40 ms */
        assert_frame(c, FIN | TEXT, "one", 3);
        assert_frame(c, FIN | BINARY, "two", 3);
        int64_t took_us = clock_now_us() - before_us;
        fastest_us = took_us < fastest_us ? took_us : fastest_us;
    }
    assert_true(fastest_us < 20000);
    client_close(c);
}

struct broadcast {
    struct server *server;
    struct ws_buffer *buffer;
};

static void send_shared(void *arg)
{
    struct broadcast *b = arg;
    assert_int_equal(ws_send_buffer(b->server->last_ws, true, b->buffer), 0);
    assert_int_equal(ws_send_buffer(b->server->last_ws, true, b->buffer), 0);
    ws_buffer_unref(b->buffer);
}

static void a_buffer_can_be_sent_more_than_once(void **state)
{
    struct server *s = *state;
    struct client *c = open_ws(s);
    server_wait(s, &s->opened, 1);
    struct broadcast b = {.server = s, .buffer = ws_buffer_new("news", 4)};
    server_call(s, send_shared, &b);
    assert_frame(c, FIN | TEXT, "news", 4);
    assert_frame(c, FIN | TEXT, "news", 4);
    client_close(c);
}

static void forget_owner(void *arg)
{
    struct server *s = arg;
    ws_set_ops(s->last_ws, NULL, NULL);
    ws_close(s->last_ws, 1000, NULL);
}

static void without_an_owner_nobody_is_told(void **state)
{
    struct server *s = *state;
    struct client *c = open_ws(s);
    server_wait(s, &s->opened, 1);
    server_call(s, forget_owner, s);
    assert_int_equal(client_read_close(c), 1000);
    client_frame(c, FIN | CLOSE, "\x03\xe8", 2);
    assert_true(client_at_end(c));
    assert_int_equal(server_get(s, &s->closed), 0);
    client_close(c);
}

static void the_server_pings(void **state)
{
    struct http_config config = {.ping_interval_s = 1};
    (void)state;
    struct server *s = server_start(&config);
    struct client *c = open_ws(s);
    for (int i = 0; i < 2; i++) {
        assert_frame(c, FIN | PING, "", 0);
        client_frame(c, FIN | PONG, "", 0);
    }
    client_close(c);
    server_free(s);
}

#define EACH(test) cmocka_unit_test_setup_teardown(test, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        EACH(messages_are_echoed),
        EACH(messages_of_every_size_of_length_are_echoed),
        EACH(fragments_and_pings_are_handled),
        EACH(what_is_sent_at_once_comes_first),
        EACH(bytes_behind_the_handshake_are_not_lost),
        EACH(a_handler_can_refuse),
        EACH(the_answer_carries_the_handlers_headers),
        EACH(requests_that_are_no_upgrade_get_the_routes_status),
        EACH(malformed_handshakes_are_refused),
        EACH(http_1_0_is_not_upgraded),
        EACH(the_peer_closes),
        EACH(the_server_closes),
        EACH(a_peer_that_does_not_answer_the_close_is_left),
        EACH(what_is_queued_goes_out_before_the_close),
        EACH(a_lost_connection_is_1006),
        EACH(the_server_aborts),
        EACH(malformed_frames_end_the_socket),
        EACH(others_do_not_notice),
        EACH(a_peer_that_does_not_read_is_closed),
        EACH(a_queue_that_is_not_full_is_kept),
        cmocka_unit_test(a_burst_of_questions_is_not_slowness),
        cmocka_unit_test(pings_that_are_never_read_end_the_socket),
        cmocka_unit_test(the_configured_limits_hold),
        EACH(a_client_that_is_gone_before_the_upgrade_is_reported),
        EACH(hundreds_of_sockets_are_served),
        EACH(small_messages_do_not_wait_for_acknowledgements),
        EACH(a_buffer_can_be_sent_more_than_once),
        EACH(without_an_owner_nobody_is_told),
        cmocka_unit_test(the_server_pings),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
