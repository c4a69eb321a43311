/* The end: with nothing open, with requests that wait, with WebSockets in every state, and while more arrive.
 */
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>
#include <cmocka.h>

#include "net/clock.h"
#include "support/http_client.h"
#include "support/http_server.h"
#include "tls/cert.h"

static struct cert *cert;

static int make_cert(void **state)
{
    static const struct cert_subject subject = {.common_name = "test", .days = 2};
    (void)state;
    return cert_make(&subject, &cert, NULL);
}

static int drop_cert(void **state)
{
    (void)state;
    cert_free(cert);
    return 0;
}

static int setup(void **state)
{
    struct http_config config = {
        .https = true, .cert_pem = cert_chain_pem(cert), .key_pem = cert_key_pem(cert)};
    *state = server_start(&config);
    return 0;
}

static int teardown(void **state)
{
    if (*state)
        server_free(*state);
    return 0;
}

static void it_stops_with_nothing_open(void **state)
{
    int64_t before_us = clock_now_us();
    server_stop(*state, 20000);
    assert_true(clock_now_us() - before_us < 10000000);
    server_stop(*state, 20000); /* a second time does nothing */
}

static void it_stops_without_having_been_started(void **state)
{
    (void)state;
    struct server *s = server_prepare(NULL);
    server_stop(s, 100);
    server_free(s);
}

static void it_is_freed_after_a_failed_start(void **state)
{
    struct server *running = *state;
    struct http_config config = {.http_port = running->port,
        .https = true,
        .cert_pem = cert_chain_pem(cert),
        .key_pem = cert_key_pem(cert)};
    struct server *s = server_prepare(&config);
    assert_true(http_start(s->http) < 0);
    server_free(s);
}

static void requests_that_wait_are_answered_503(void **state)
{
    struct server *s = *state;
    struct response r;
    struct client *c[10];
    for (int i = 0; i < 10; i++) {
        c[i] = client_open(i % 2 ? s->tls_port : s->port, i % 2);
        client_sendf(c[i], "GET /hold HTTP/1.1\r\nHost: x\r\n\r\n");
        server_wait(s, &s->holds, i + 1);
        if (i < 9)
            server_release(s);
    }
    server_stop(s, 2000);
    client_response(c[9], false, &r);
    assert_int_equal(r.status, 503);
    assert_non_null(strstr(r.body, "stopping"));
    response_done(&r);
    assert_true(client_at_end(c[9]));
    server_release(s); /* the handler's own answer, too late */
    for (int i = 0; i < 10; i++)
        client_close(c[i]);
}

static void clients_that_only_connected_are_dropped(void **state)
{
    struct server *s = *state;
    struct client *silent = client_open(s->port, false), *half = client_open(s->port, false);
    struct client *tls = client_open(s->tls_port, true), *idle = client_open(s->port, false);
    struct response r;
    client_sendf(half, "GET /hello HTT");
    client_sendf(idle, "GET /hello HTTP/1.1\r\nHost: x\r\n\r\n");
    client_response(idle, false, &r);
    response_done(&r);
    int64_t before_us = clock_now_us();
    server_stop(s, 20000);
    assert_true(clock_now_us() - before_us < 10000000);
    assert_true(client_at_end(silent));
    assert_true(client_at_end(half));
    assert_true(client_at_end(idle));
    assert_true(client_at_end(tls));
    client_close(silent);
    client_close(half);
    client_close(idle);
    client_close(tls);
}

static void websockets_are_told_and_waited_for(void **state)
{
    struct server *s = *state;
    struct client *plain = client_open(s->port, false), *tls = client_open(s->tls_port, true);
    client_upgrade(plain, "/ws", "");
    client_upgrade(tls, "/ws", "");
    server_wait(s, &s->opened, 2);
    server_stop(s, 500); /* the clients do not answer the close frame within it */
    assert_int_equal(server_get(s, &s->closed), 2);
    assert_int_equal(s->close_code, 1001);
    assert_int_equal(client_read_close(plain), 1001);
    assert_int_equal(client_read_close(tls), 1001);
    assert_true(client_at_end(plain));
    assert_true(client_at_end(tls));
    client_close(plain);
    client_close(tls);
}

static void *answer_close(void *arg)
{
    struct client *c = arg;
    int code = client_read_close(c);
    client_frame(c, FIN | CLOSE, "\x03\xe9", 2);
    assert_true(client_at_end(c));
    return (void *)(intptr_t)code;
}

static void the_end_comes_as_soon_as_everybody_has_answered(void **state)
{
    struct server *s = *state;
    struct client *plain = client_open(s->port, false), *tls = client_open(s->tls_port, true);
    pthread_t threads[2];
    void *codes[2];
    client_upgrade(plain, "/ws", "");
    client_upgrade(tls, "/ws", "");
    server_wait(s, &s->opened, 2);
    pthread_create(&threads[0], NULL, answer_close, plain);
    pthread_create(&threads[1], NULL, answer_close, tls);
    int64_t before_us = clock_now_us();
    server_stop(s, 20000);
    pthread_join(threads[0], &codes[0]);
    pthread_join(threads[1], &codes[1]);
    assert_true(clock_now_us() - before_us < 10000000);
    assert_int_equal((intptr_t)codes[0], 1001);
    assert_int_equal((intptr_t)codes[1], 1001);
    assert_int_equal(server_get(s, &s->closed), 2);
    client_close(plain);
    client_close(tls);
}

static void a_websocket_that_does_not_read_does_not_hold_it_up(void **state)
{
    struct server *s = *state;
    struct client *c = client_open_small(s->port), *tls = client_open(s->tls_port, true);
    client_upgrade(c, "/ws", "");
    client_upgrade(tls, "/ws", "");
    client_frame(c, FIN | TEXT, "flood:50", 8);
    client_frame(tls, FIN | TEXT, "flood:50", 8);
    server_wait(s, &s->messages, 2);
    int64_t before_us = clock_now_us();
    server_stop(s, 300);
    assert_true(clock_now_us() - before_us < 10000000);
    assert_int_equal(server_get(s, &s->closed), 2);
    client_close(c);
    client_close(tls);
}

static void a_refused_websocket_that_lingers_does_not_hold_it_up(void **state)
{
    struct server *s = *state;
    struct client *c = client_open(s->port, false);
    client_upgrade(c, "/ws", "");
    client_send(c, "\x81\x02hi", 4);
    assert_int_equal(client_read_close(c), 1002);
    server_wait(s, &s->closed, 1);
    int64_t before_us = clock_now_us();
    server_stop(s, 20000);
    assert_true(clock_now_us() - before_us < 10000000);
    assert_int_equal(server_get(s, &s->closed), 1);
    client_close(c);
}

/* ---- while clients keep coming ---- */

struct crowd {
    struct server *server;
    _Atomic bool end;
    int kind;
};

/* One client after the other, of one kind, whatever becomes of them. Not the checking client: refusals are
 * expected. */
static void *come_and_go(void *arg)
{
    struct crowd *crowd = arg;
    static const char *const requests[] = {
        "GET /later HTTP/1.1\r\nHost: x\r\n\r\n",
        "GET /ws?greet=hi HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n"
        "Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n",
        "GET /ws?greet=hi HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n"
        "Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n",
        "GET / HTTP/1.1\r\nHost: x\r\n\r\n",
    };
    while (!atomic_load_explicit(&crowd->end, memory_order_relaxed)) {
        int fd = client_connect(crowd->server->port);
        if (fd < 0)
            continue;
        char buf[4096];
        const char *text = requests[crowd->kind];
        if (send(fd, text, strlen(text), MSG_NOSIGNAL) > 0 && crowd->kind != 2)
            (void)!recv(fd, buf, sizeof buf, 0);
        close(fd);
    }
    return NULL;
}

static void it_stops_in_the_middle_of_everything(void **state)
{
    (void)state;
    for (int round = 0; round < 10; round++) {
        struct server *s = server_start(NULL);
        struct crowd crowds[4];
        pthread_t threads[4];
        for (int i = 0; i < 4; i++) {
            crowds[i] = (struct crowd){.server = s, .kind = i};
            pthread_create(&threads[i], NULL, come_and_go, &crowds[i]);
        }
        server_wait(s, &s->opened, 20);
        server_stop(s, round % 2 ? 1000 : 0);
        assert_int_equal(server_get(s, &s->closed), server_get(s, &s->opened));
        for (int i = 0; i < 4; i++) {
            atomic_store_explicit(&crowds[i].end, true, memory_order_relaxed);
            pthread_join(threads[i], NULL);
        }
        server_free(s);
    }
}

#define EACH(test) cmocka_unit_test_setup_teardown(test, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        EACH(it_stops_with_nothing_open),
        cmocka_unit_test(it_stops_without_having_been_started),
        EACH(it_is_freed_after_a_failed_start),
        EACH(requests_that_wait_are_answered_503),
        EACH(clients_that_only_connected_are_dropped),
        EACH(websockets_are_told_and_waited_for),
        EACH(the_end_comes_as_soon_as_everybody_has_answered),
        EACH(a_websocket_that_does_not_read_does_not_hold_it_up),
        EACH(a_refused_websocket_that_lingers_does_not_hold_it_up),
        cmocka_unit_test(it_stops_in_the_middle_of_everything),
    };
    return cmocka_run_group_tests(tests, make_cert, drop_cert);
}
