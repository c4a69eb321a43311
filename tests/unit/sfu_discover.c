/* The public address, asked of a STUN server: answered, refused, not answered. */
#include <dlfcn.h>
#include <errno.h>
#include <netdb.h>
#include <poll.h>
#include <pthread.h>
#include <semaphore.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <cmocka.h>

#include "base/limits.h"
#include "net/clock.h"
#include "net/udp.h"
#include "sfu/sfu.h"

/* A STUN server that answers its first `deaf` requests not at all. */
struct stun_server {
    struct udp_socket socket;
    pthread_t thread;
    int deaf;
    bool refuses;
    int requests;
    char name[32];
};

/* 203.0.113.7:1234 as XOR-MAPPED-ADDRESS (RFC 8489, section 14.2), or error 400. */
static size_t write_answer(const struct stun_server *s, const uint8_t *request, uint8_t out[64])
{
    static const uint8_t mapped[] = {0, 0x20, 0, 8, 0, 1, (1234 >> 8) ^ 0x21, (1234 & 255) ^ 0x12, 203 ^ 0x21,
        0 ^ 0x12, 113 ^ 0xa4, 7 ^ 0x42};
    static const uint8_t error[] = {0, 0x09, 0, 4, 0, 0, 4, 0};
    const uint8_t *body = s->refuses ? error : mapped;
    size_t len = s->refuses ? sizeof error : sizeof mapped;
    memcpy(out, request, 20);
    out[0] = 0x01;
    out[1] = s->refuses ? 0x11 : 0x01;
    out[2] = 0;
    out[3] = (uint8_t)len;
    memcpy(out + 20, body, len);
    return 20 + len;
}

/* Until a datagram of one byte comes. */
static void *serve(void *arg)
{
    struct stun_server *s = arg;
    for (;;) {
        uint8_t request[512], answer[64];
        struct sockaddr_storage from;
        socklen_t size = sizeof from;
        struct pollfd ready = {.fd = s->socket.fd, .events = POLLIN};
        poll(&ready, 1, -1);
        ssize_t n = recvfrom(s->socket.fd, request, sizeof request, 0, (struct sockaddr *)&from, &size);
        if (n == 1)
            return NULL;
        if (n < 20 || ++s->requests <= s->deaf)
            continue;
        size_t len = write_answer(s, request, answer);
        sendto(s->socket.fd, answer, len, 0, (struct sockaddr *)&from, size);
    }
}

static void server_start(struct stun_server *s)
{
    assert_int_equal(udp_open(&s->socket, 0, 65536), 0);
    snprintf(s->name, sizeof s->name, "127.0.0.1:%u", s->socket.port);
    assert_int_equal(pthread_create(&s->thread, NULL, serve, s), 0);
}

static void server_stop(struct stun_server *s)
{
    struct udp_socket other;
    struct udp_message end = {.data = (const uint8_t *)"x", .len = 1};
    assert_int_equal(udp_open(&other, 0, 65536), 0);
    assert_int_equal(addr_parse("127.0.0.1", s->socket.port, &end.path.remote), 0);
    assert_int_equal(udp_send(&other, &end, 1), 1);
    pthread_join(s->thread, NULL);
    udp_close(&other);
    udp_close(&s->socket);
}

static int discover(struct stun_server *s, struct addr *ret)
{
    server_start(s);
    int err = sfu_discover(s->name, ret);
    server_stop(s);
    return err;
}

static void assert_mapped(const struct addr *a)
{
    char text[ADDR_TEXT_MAX];
    assert_string_equal(addr_text(a, text), "203.0.113.7:0");
}

static void the_server_tells_our_address(void **state)
{
    struct stun_server s = {0};
    struct addr mapped = {0};
    (void)state;
    assert_int_equal(discover(&s, &mapped), 0);
    assert_mapped(&mapped);
    assert_int_equal(s.requests, 1);
}

static void a_lost_request_is_sent_again(void **state)
{
    struct stun_server s = {.deaf = 1};
    struct addr mapped = {0};
    (void)state;
    assert_int_equal(discover(&s, &mapped), 0);
    assert_mapped(&mapped);
    assert_int_equal(s.requests, 2);
}

static void a_name_is_resolved(void **state)
{
    struct stun_server s = {0};
    struct addr mapped = {0};
    (void)state;
    server_start(&s);
    snprintf(s.name, sizeof s.name, "localhost:%u", s.socket.port);
    int err = sfu_discover(s.name, &mapped);
    server_stop(&s);
    assert_int_equal(err, 0);
    assert_mapped(&mapped);
}

static void an_address_in_brackets_is_one(void **state)
{
    struct stun_server s = {0};
    struct addr mapped = {0};
    (void)state;
    server_start(&s);
    snprintf(s.name, sizeof s.name, "[::ffff:127.0.0.1]:%u", s.socket.port);
    int err = sfu_discover(s.name, &mapped);
    server_stop(&s);
    assert_int_equal(err, 0);
    assert_mapped(&mapped);
}

static void an_error_is_no_address(void **state)
{
    struct stun_server s = {.refuses = true};
    struct addr mapped = {.port = 77};
    (void)state;
    assert_int_equal(discover(&s, &mapped), -EPROTO);
    assert_int_equal(mapped.port, 77);
}

static void silence_ends_in_time(void **state)
{
    struct stun_server s = {.deaf = 100};
    struct addr mapped = {.port = 77};
    (void)state;
    int64_t began_us = clock_now_us();
    assert_int_equal(discover(&s, &mapped), -ETIMEDOUT);
    assert_in_range(clock_now_us() - began_us, SFU_DISCOVER_US, SFU_DISCOVER_US + 2000000);
    assert_int_equal(mapped.port, 77);
    assert_int_equal(s.requests, 3);
}

/* ---- a resolver that hangs ---- */

static sem_t released, resolved;

/* In front of libc's: one name is not resolved before the test says so. */
int getaddrinfo(const char *restrict host, const char *restrict port, const struct addrinfo *restrict hints,
    struct addrinfo **restrict ret)
{
    int (*real)(const char *, const char *, const struct addrinfo *, struct addrinfo **);
    *(void **)&real = dlsym(RTLD_NEXT, "getaddrinfo");
    if (strcmp(host, "hangs.example") != 0)
        return real(host, port, hints, ret);
    sem_wait(&released);
    int err = real("127.0.0.1", port, hints, ret);
    sem_post(&resolved);
    return err;
}

static void a_resolver_that_hangs_is_left_behind(void **state)
{
    struct addr mapped = {.port = 77};
    (void)state;
    sem_init(&released, 0, 0);
    sem_init(&resolved, 0, 0);
    int64_t began_us = clock_now_us();
    assert_int_equal(sfu_discover("hangs.example:3478", &mapped), -ETIMEDOUT);
    assert_in_range(clock_now_us() - began_us, SFU_DISCOVER_US, SFU_DISCOVER_US + 2000000);
    assert_int_equal(mapped.port, 77);
    sem_post(&released); /* what it finds now, nobody wants */
    sem_wait(&resolved);
}

static void what_is_no_address_is_refused(void **state)
{
    struct addr mapped;
    (void)state;
    assert_int_equal(sfu_discover("nobody", &mapped), -EINVAL);
    assert_int_equal(sfu_discover(":3478", &mapped), -EINVAL);
    assert_int_equal(sfu_discover("[]:3478", &mapped), -EINVAL);
    assert_int_equal(sfu_discover("127.0.0.1:no-such-service", &mapped), -EINVAL);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_server_tells_our_address),
        cmocka_unit_test(a_lost_request_is_sent_again),
        cmocka_unit_test(a_name_is_resolved),
        cmocka_unit_test(an_address_in_brackets_is_one),
        cmocka_unit_test(an_error_is_no_address),
        cmocka_unit_test(silence_ends_in_time),
        cmocka_unit_test(a_resolver_that_hangs_is_left_behind),
        cmocka_unit_test(what_is_no_address_is_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
