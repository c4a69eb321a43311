/* HTTPS and WebSockets over TLS: requests, echo, closes seen through libmicrohttpd's pair, another
 * certificate. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <cmocka.h>

#include "base/limits.h"
#include "support/http_client.h"
#include "support/http_server.h"
#include "tls/cert.h"

static struct cert *certs[2];

static int make_certs(void **state)
{
    static const char *const names[] = {"localhost"};
    static const struct cert_subject subject = {
        .common_name = "test", .names = names, .name_count = 1, .days = 2};
    (void)state;
    return cert_make(&subject, &certs[0], NULL) || cert_make(&subject, &certs[1], NULL);
}

static int drop_certs(void **state)
{
    (void)state;
    cert_free(certs[0]);
    cert_free(certs[1]);
    return 0;
}

static struct http_config tls_config(void)
{
    return (struct http_config){
        .https = true, .cert_pem = cert_chain_pem(certs[0]), .key_pem = cert_key_pem(certs[0])};
}

static int setup(void **state)
{
    struct http_config config = tls_config();
    *state = server_start(&config);
    return 0;
}

static int teardown(void **state)
{
    server_free(*state);
    return 0;
}

static void assert_hello(struct client *c)
{
    struct response r;
    client_sendf(c, "GET /hello HTTP/1.1\r\nHost: x\r\n\r\n");
    client_response(c, false, &r);
    assert_int_equal(r.status, 200);
    assert_string_equal(r.body, "hello");
    response_done(&r);
}

static struct client *open_wss(struct server *s)
{
    struct client *c = client_open(s->tls_port, true);
    client_upgrade(c, "/ws", "");
    return c;
}

static void assert_echo(struct client *c, const void *data, size_t len)
{
    struct frame f;
    client_frame(c, FIN | BINARY, data, len);
    client_read_frame(c, &f);
    assert_int_equal(f.first, FIN | BINARY);
    assert_int_equal(f.len, len);
    assert_memory_equal(f.data, data, len);
    free(f.data);
}

static void requests_are_answered(void **state)
{
    struct server *s = *state;
    struct response r;
    struct client *c = client_open(s->tls_port, true);
    assert_hello(c);
    client_sendf(c, "GET /show/x/ HTTP/1.1\r\nHost: x\r\nUser-Agent: t\r\n\r\n");
    client_response(c, false, &r);
    assert_string_equal(r.body, "GET /show/x/ a=x rest= q=(null) none=(null) ua=t ip=127.0.0.1 secure=1");
    response_done(&r);
    client_close(c);
    c = client_open(s->port, false); /* and without TLS as before */
    assert_hello(c);
    client_close(c);
}

static void a_plain_request_is_told_so(void **state)
{
    struct server *s = *state;
    struct response r;
    struct client *c = client_open(s->tls_port, false);
    client_sendf(c, "GET /hello HTTP/1.1\r\nHost: x\r\n\r\n");
    client_response(c, false, &r);
    assert_int_equal(r.status, 400);
    assert_non_null(strstr(r.body, "https_required"));
    response_done(&r);
    client_close(c);
}

static void websocket_messages_are_echoed(void **state)
{
    struct client *c = open_wss(*state);
    uint8_t *data = malloc(WS_MESSAGE_MAX);
    for (size_t i = 0; i < WS_MESSAGE_MAX; i++)
        data[i] = (uint8_t)(i * 3 + (i >> 11));
    static const size_t sizes[] = {0, 1, 5000, 70000, WS_MESSAGE_MAX, 3};
    for (size_t i = 0; i < sizeof sizes / sizeof sizes[0]; i++)
        assert_echo(c, data, sizes[i]);
    free(data);
    client_close(c);
}

static void what_the_server_sends_does_not_wait_for_the_peer(void **state)
{
    struct client *c = open_wss(*state);
    client_frame(c, FIN | TEXT, "flood:30", 8); /* the last that the peer sends */
    for (int i = 0; i < 30; i++) {
        struct frame f;
        client_read_frame(c, &f);
        assert_int_equal(f.first, FIN | BINARY);
        assert_int_equal(f.len, 65536);
        free(f.data);
    }
    client_close(c);
}

static void long_and_wrong_requests_are_answered_as_without_tls(void **state)
{
    struct server *s = *state;
    struct response r;
    static char line[HTTP_LINE_MAX + 64];
    memset(line, 'a', HTTP_LINE_MAX);
    memcpy(line, "GET /show/x/?q=", 15);
    snprintf(line + HTTP_LINE_MAX - 9, sizeof line - HTTP_LINE_MAX + 9,
        " HTTP/1.1\r\nHost: x\r\nUser-Agent: t\r\n\r\n");
    struct client *c = client_open(s->tls_port, true);
    client_send(c, line, strlen(line));
    client_response(c, false, &r);
    assert_int_equal(r.status, 200);
    response_done(&r);
    client_close(c);
    c = client_open(s->tls_port, true);
    client_sendf(c, "nonsense\r\n\r\n");
    client_response(c, false, &r);
    assert_int_equal(r.status, 400);
    assert_non_null(strstr(r.body, "bad_request"));
    response_done(&r);
    client_close(c);
}

static void either_side_closes(void **state)
{
    struct server *s = *state;
    struct client *c = open_wss(s);
    client_frame(c, FIN | CLOSE, "\x03\xe8", 2);
    assert_int_equal(client_read_close(c), 1000);
    assert_true(client_at_end(c));
    server_wait(s, &s->closed, 1);
    assert_int_equal(s->close_code, 1000);
    client_close(c);
    c = open_wss(s);
    client_frame(c, FIN | TEXT, "close:4001", 10);
    assert_int_equal(client_read_close(c), 4001);
    client_frame(c, FIN | CLOSE, "\x0f\xa1", 2);
    assert_true(client_at_end(c));
    server_wait(s, &s->closed, 2);
    assert_int_equal(s->close_code, 4001);
    client_close(c);
}

static void a_protocol_error_reaches_the_peer(void **state)
{
    struct server *s = *state;
    struct client *c = open_wss(s);
    client_send(c, "\x81\x02hi", 4);
    assert_int_equal(client_read_close(c), 1002);
    client_close(c);
    server_wait(s, &s->closed, 1);
    assert_int_equal(s->close_cause, WS_CAUSE_PROTOCOL);
}

static void a_lost_connection_is_noticed_at_once(void **state)
{
    struct server *s = *state;
    struct timespec a, b;
    struct client *c = open_wss(s);
    assert_echo(c, "x", 1);
    clock_gettime(CLOCK_MONOTONIC, &a);
    client_close(c);
    server_wait(s, &s->closed, 1);
    clock_gettime(CLOCK_MONOTONIC, &b);
    assert_int_equal(s->close_cause, WS_CAUSE_LOST);
    assert_int_equal(s->close_code, 1006);
    assert_true(b.tv_sec - a.tv_sec <= 3); /* not only by the next ping */
}

static void what_was_sent_before_hanging_up_arrives(void **state)
{
    struct server *s = *state;
    static uint8_t large[300000];
    for (int i = 1; i <= 10; i++) {
        struct client *c = open_wss(s);
        client_frame(c, FIN | BINARY, large, sizeof large);
        shutdown(client_fd(c), SHUT_WR);
        server_wait(s, &s->messages, i);
        client_close(c);
    }
    server_wait(s, &s->closed, 10);
}

static void a_peer_that_does_not_read_is_closed(void **state)
{
    struct server *s = *state;
    struct client *c = open_wss(s);
    client_frame(c, FIN | TEXT, "flood:400", 9); /* 25 MiB, more than all buffers in between */
    server_wait(s, &s->closed, 1);
    assert_int_equal(s->close_cause, WS_CAUSE_SLOW);
    client_close(c);
}

static void dozens_of_sockets_are_served(void **state)
{
    enum { SOCKETS = 50 };
    struct server *s = *state;
    static struct client *c[SOCKETS];
    for (int i = 0; i < SOCKETS; i++)
        c[i] = open_wss(s);
    for (int i = 0; i < SOCKETS; i++)
        assert_echo(c[i], &i, sizeof i);
    for (int i = 0; i < SOCKETS; i++)
        client_close(c[i]);
    server_wait(s, &s->closed, SOCKETS);
}

static void another_certificate_is_used_from_then_on(void **state)
{
    struct server *s = *state;
    char first[65];
    struct client *old = client_open(s->tls_port, true), *ws = open_wss(s);
    snprintf(first, sizeof first, "%s", client_peer_certificate(old));
    assert_int_equal(http_set_certificate(s->http, cert_chain_pem(certs[1]), cert_key_pem(certs[1])), 0);
    struct client *new = client_open(s->tls_port, true);
    assert_string_not_equal(client_peer_certificate(new), first);
    assert_hello(new);
    assert_hello(old); /* goes on with what it has */
    assert_echo(ws, "on", 2);
    client_close(old);
    client_close(new);
    client_close(ws);
}

static void a_bad_certificate_is_refused_and_the_old_one_stays(void **state)
{
    struct server *s = *state;
    assert_int_equal(http_set_certificate(s->http, "nonsense", cert_key_pem(certs[1])), -EINVAL);
    assert_int_equal(http_set_certificate(s->http, cert_chain_pem(certs[1]), "nonsense"), -EINVAL);
    assert_int_equal(
        http_set_certificate(s->http, cert_chain_pem(certs[1]), cert_key_pem(certs[0])), -EINVAL);
    struct client *c = client_open(s->tls_port, true);
    assert_hello(c);
    client_close(c);
}

static void it_does_not_start_with_a_bad_certificate(void **state)
{
    (void)state;
    struct control *control = control_new();
    struct http_config config = {.https = true, .cert_pem = "x", .key_pem = "y"};
    assert_null(http_new(control, &config));
    assert_int_equal(errno, EINVAL);
    config.cert_pem = config.key_pem = NULL;
    assert_null(http_new(control, &config));
    control_free(control);
}

static void broken_and_unfinished_handshakes_are_dropped(void **state)
{
    struct server *s = *state;
    struct client *unfinished = client_open(s->tls_port, false), *broken = client_open(s->tls_port, false);
    client_send(unfinished, "\x16\x03\x01\x00\x05hello", 10); /* the beginning of a long message */
    client_send(broken, "\x16\xff\xff\xff\xff?", 6);
    while (!client_at_end(broken)) /* an alert comes first */
        ;
    client_close(unfinished);
    client_close(broken);
    struct client *c = client_open(s->tls_port, true);
    assert_hello(c);
    client_close(c);
}

#define EACH(test) cmocka_unit_test_setup_teardown(test, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        EACH(requests_are_answered),
        EACH(a_plain_request_is_told_so),
        EACH(websocket_messages_are_echoed),
        EACH(what_the_server_sends_does_not_wait_for_the_peer),
        EACH(long_and_wrong_requests_are_answered_as_without_tls),
        EACH(either_side_closes),
        EACH(a_protocol_error_reaches_the_peer),
        EACH(a_lost_connection_is_noticed_at_once),
        EACH(what_was_sent_before_hanging_up_arrives),
        EACH(a_peer_that_does_not_read_is_closed),
        EACH(dozens_of_sockets_are_served),
        EACH(another_certificate_is_used_from_then_on),
        EACH(a_bad_certificate_is_refused_and_the_old_one_stays),
        cmocka_unit_test(it_does_not_start_with_a_bad_certificate),
        EACH(broken_and_unfinished_handshakes_are_dropped),
    };
    return cmocka_run_group_tests(tests, make_certs, drop_certs);
}
