/* The UDP socket: both families, the local address both ways, batches, and what may go wrong. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>
#include <errno.h>
#include <poll.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>
#include "net/ifaddr.h"
#include "net/udp.h"

/* Stand in for the C library's, so that a kernel without IPv6 and full or failing sends can be had. */
static bool no_v6;
static int send_errors[8]; /* errno of the coming calls; 0 ends the list */
static int send_calls;
static unsigned send_at_most = UDP_BATCH_MAX;

int socket(int domain, int type, int protocol)
{
    if (no_v6 && domain == AF_INET6) {
        errno = EAFNOSUPPORT;
        return -1;
    }
    return (int)syscall(SYS_socket, domain, type, protocol);
}

int sendmmsg(int fd, struct mmsghdr *messages, unsigned count, int flags)
{
    int error = send_errors[0];
    send_calls++;
    if (error) {
        memmove(send_errors, send_errors + 1, sizeof send_errors - sizeof send_errors[0]);
        if (error > 0) {
            errno = error;
            return -1;
        }
    }
    return (int)syscall(SYS_sendmmsg, fd, messages, count < send_at_most ? count : send_at_most, flags);
}

static struct udp_socket a, b;
static struct packet_pool *pool;

static int setup(void **state)
{
    (void)state;
    memset(send_errors, 0, sizeof send_errors);
    send_at_most = UDP_BATCH_MAX;
    send_calls = 0;
    pool = packet_pool_new(1024);
    return pool && udp_open(&a, 0, 1 << 20) == 0 && udp_open(&b, 0, 1 << 20) == 0 ? 0 : -1;
}

static int teardown(void **state)
{
    (void)state;
    no_v6 = false;
    udp_close(&a);
    udp_close(&b);
    size_t used = packet_pool_used(pool);
    packet_pool_free(pool);
    return used == 0 ? 0 : -1;
}

static struct addr to(const char *ip, uint16_t port)
{
    struct addr x;
    assert_int_equal(addr_parse(ip, port, &x), 0);
    return x;
}

static size_t send_one(
    struct udp_socket *from, struct addr remote, const struct addr *local, const void *data, size_t len)
{
    struct udp_message m = {.path = {.remote = remote}, .data = data, .len = len};
    if (local)
        m.path.local = *local;
    return udp_send(from, &m, 1);
}

/* Waits for one datagram. */
static struct packet *receive(struct udp_socket *s)
{
    struct packet *p = NULL;
    struct pollfd wait = {.fd = s->fd, .events = POLLIN};
    assert_int_equal(poll(&wait, 1, 5000), 1);
    assert_int_equal(udp_recv(s, pool, &p, 1, 1234), 1);
    assert_int_equal(p->recv_us, 1234);
    return p;
}

static void expect_addr(const struct addr *x, const char *ip, uint16_t port)
{
    char text[ADDR_TEXT_MAX];
    assert_string_equal(addr_ip_text(x, text), ip);
    assert_int_equal(x->port, port);
}

/* There and back: the reply leaves from the address that was asked. */
static void exchange(const char *ip)
{
    assert_int_equal(send_one(&a, to(ip, b.port), NULL, "ping", 4), 1);
    struct packet *p = receive(&b);
    assert_int_equal(p->len, 4);
    assert_memory_equal(p->data, "ping", 4);
    assert_int_equal(p->path.conn, 0);
    assert_int_equal(p->path.remote.port, a.port);
    expect_addr(&p->path.local, ip, b.port);
    struct udp_message reply = {.path = p->path, .data = (const uint8_t *)"pong!", .len = 5};
    assert_int_equal(udp_send(&b, &reply, 1), 1);
    packet_unref(p);
    p = receive(&a);
    assert_int_equal(p->len, 5);
    expect_addr(&p->path.remote, ip, b.port);
    packet_unref(p);
}

static void replies_leave_from_the_address_that_was_asked(void **state)
{
    (void)state;
    exchange("127.0.0.1");
    exchange("127.0.0.2");
    exchange("127.200.3.4");
}

static bool have_v6(void)
{
    struct addr all[64];
    int n = ifaddr_list(all, 64, true);
    while (n-- > 0)
        if (!addr_is_v4(&all[n]) && addr_is_loopback(&all[n]))
            return true;
    return false;
}

static void the_same_socket_speaks_ipv6(void **state)
{
    (void)state;
    if (!have_v6()) {
        print_message("# no IPv6 here\n");
        skip();
    }
    exchange("::1");
}

static void every_address_of_the_machine_answers_as_itself(void **state)
{
    struct addr all[64];
    char text[ADDR_TEXT_MAX];
    (void)state;
    int n = ifaddr_list(all, 64, true);
    assert_true(n > 0);
    for (int i = 0; i < n; i++)
        exchange(addr_ip_text(&all[i], text));
}

static void a_kernel_without_ipv6_is_served(void **state)
{
    (void)state;
    udp_close(&a);
    udp_close(&b);
    no_v6 = true;
    assert_int_equal(udp_open(&a, 0, 1 << 20), 0);
    assert_int_equal(udp_open(&b, 0, 1 << 20), 0);
    assert_true(a.v4_only);
    exchange("127.0.0.1");
    exchange("127.0.0.2");
    assert_int_equal(send_one(&a, to("::1", b.port), NULL, "x", 1), 0);
    assert_int_equal(a.send_errors, 1);
}

static void batches_arrive_whole_and_in_order(void **state)
{
    enum { N = 150 };
    static uint8_t data[N][500];
    static struct udp_message messages[N];
    (void)state;
    for (int i = 0; i < N; i++) {
        memset(data[i], i, sizeof data[i]);
        messages[i] = (struct udp_message){
            .path.remote = to("127.0.0.1", b.port), .data = data[i], .len = 100 + (size_t)i};
    }
    assert_int_equal(udp_send(&a, messages, N), N);
    assert_int_equal(send_calls, 3);
    struct packet *packets[UDP_BATCH_MAX];
    int got = 0;
    while (got < N) {
        int n = udp_recv(&b, pool, packets, 1000, 5); /* more than a batch is a batch */
        assert_in_range(n, 1, UDP_BATCH_MAX);
        for (int i = 0; i < n; i++, got++) {
            assert_int_equal(packets[i]->len, 100 + got);
            assert_int_equal(packets[i]->data[0], (uint8_t)got);
            assert_int_equal(packets[i]->data[packets[i]->len - 1], (uint8_t)got);
            packet_unref(packets[i]);
        }
    }
    assert_int_equal(udp_recv(&b, pool, packets, UDP_BATCH_MAX, 5), 0);
    assert_int_equal(udp_recv(&b, pool, packets, 0, 5), 0);
    assert_int_equal(udp_send(&a, messages, 0), 0);
}

static void a_bad_destination_does_not_hold_up_the_others(void **state)
{
    static uint8_t huge[70000];
    struct addr good = to("127.0.0.1", b.port);
    struct udp_message messages[] = {
        {.path.remote = to("127.0.0.1", 0), .data = huge, .len = 1}, /* no port */
        {.path.remote = good, .data = (const uint8_t *)"1", .len = 1},
        {.path.remote = good, .data = huge, .len = sizeof huge}, /* no datagram can be so long */
        {.path = {.remote = good, .local = to("192.0.2.77", 0)},
            .data = huge,
            .len = 1}, /* not our address */
        {.path.remote = good, .data = (const uint8_t *)"2", .len = 1},
        {.path.remote = to("127.0.0.1", 0), .data = huge, .len = 1},
    };
    (void)state;
    assert_int_equal(udp_send(&a, messages, 6), 2);
    assert_int_equal(a.send_errors, 4);
    assert_int_equal(a.send_blocked, 0);
    for (char c = '1'; c <= '2'; c++) {
        struct packet *p = receive(&b);
        assert_int_equal(p->data[0], c);
        packet_unref(p);
    }
}

static void interrupted_and_partial_sends_go_on(void **state)
{
    struct udp_message messages[10];
    (void)state;
    for (int i = 0; i < 10; i++)
        messages[i] = (struct udp_message){
            .path.remote = to("127.0.0.1", b.port), .data = (const uint8_t *)"x", .len = 1};
    send_at_most = 3;
    send_errors[0] = EINTR;
    send_errors[1] = -1;    /* one that works */
    send_errors[2] = EPERM; /* a packet filter's word on the fourth message */
    assert_int_equal(udp_send(&a, messages, 10), 9);
    assert_int_equal(a.send_errors, 1);
    for (int i = 0; i < 9; i++)
        packet_unref(receive(&b));
}

static void a_full_socket_drops_and_counts_the_rest(void **state)
{
    static struct udp_message messages[100];
    static const int full[] = {EAGAIN, ENOBUFS};
    (void)state;
    for (int i = 0; i < 100; i++)
        messages[i] = (struct udp_message){
            .path.remote = to("127.0.0.1", b.port), .data = (const uint8_t *)"x", .len = 1};
    for (int round = 0; round < 2; round++) {
        send_at_most = 7;
        send_errors[0] = -1;
        send_errors[1] = full[round];
        send_calls = 0;
        assert_int_equal(udp_send(&a, messages, 100), 7);
        assert_int_equal(send_calls, 2); /* not tried again */
        assert_int_equal(a.send_blocked, 93 * (round + 1));
        assert_int_equal(a.send_errors, 0);
        for (int i = 0; i < 7; i++)
            packet_unref(receive(&b));
    }
}

static void oversized_datagrams_are_dropped_and_counted(void **state)
{
    static uint8_t data[PACKET_SIZE_MAX + 1];
    (void)state;
    send_one(&a, to("127.0.0.1", b.port), NULL, data, PACKET_SIZE_MAX + 1);
    send_one(&a, to("127.0.0.1", b.port), NULL, data, PACKET_SIZE_MAX);
    send_one(&a, to("127.0.0.1", b.port), NULL, data, 0);
    struct packet *packets[8];
    int n = udp_recv(&b, pool, packets, 8, 5);
    assert_int_equal(n, 2);
    assert_int_equal(packets[0]->len, PACKET_SIZE_MAX);
    assert_int_equal(packets[1]->len, 0);
    assert_int_equal(b.truncated, 1);
    packet_unref(packets[0]);
    packet_unref(packets[1]);
}

static void an_exhausted_pool_drops_one_at_a_time(void **state)
{
    (void)state;
    struct packet_pool *small = packet_pool_new(1);
    struct packet *held = packet_get(small), *p;
    for (char c = '1'; c <= '3'; c++)
        send_one(&a, to("127.0.0.1", b.port), NULL, &c, 1);
    assert_int_equal(udp_recv(&b, small, &p, 1, 5), -ENOBUFS);
    assert_int_equal(udp_recv(&b, small, &p, 1, 5), -ENOBUFS);
    packet_unref(held);
    assert_int_equal(udp_recv(&b, small, &p, 1, 5), 1);
    assert_int_equal(p->data[0], '3');
    assert_int_equal(udp_recv(&b, small, &held, 1, 5), 0); /* nothing to drop */
    packet_unref(p);
    packet_pool_free(small);
}

static void the_kernels_drops_are_counted(void **state)
{
    static uint8_t data[1000];
    (void)state;
    int small = 4096;
    assert_int_equal(setsockopt(b.fd, SOL_SOCKET, SO_RCVBUF, &small, sizeof small), 0);
    uint64_t dropped = 0;
    for (int round = 1; round <= 2; round++) {
        struct packet *packets[UDP_BATCH_MAX];
        int arrived = 0, n;
        for (int i = 0; i < 100; i++)
            assert_int_equal(send_one(&a, to("127.0.0.1", b.port), NULL, data, sizeof data), 1);
        while ((n = udp_recv(&b, pool, packets, UDP_BATCH_MAX, 5)) > 0)
            for (int i = 0; i < n; i++, arrived++)
                packet_unref(packets[i]);
        assert_in_range(arrived, 1, 99);
        dropped += (uint64_t)(100 - arrived);
        send_one(&a, to("127.0.0.1", b.port), NULL, "x", 1); /* the count comes with the next datagram */
        packet_unref(receive(&b));
        assert_int_equal(b.overflows, dropped);
    }
}

static void a_busy_port_is_said(void **state)
{
    (void)state;
    struct udp_socket c = {.fd = 77};
    assert_int_equal(udp_open(&c, a.port, 1 << 20), -EADDRINUSE);
    assert_int_equal(c.fd, 77);
}

/* Which of two sockets of a port a datagram comes to. */
static bool comes_to_second(struct udp_socket *second, const char *ip, const uint8_t *data, size_t len)
{
    assert_int_equal(send_one(&a, to(ip, b.port), NULL, data, len), 1);
    struct pollfd wait[2] = {{.fd = b.fd, .events = POLLIN}, {.fd = second->fd, .events = POLLIN}};
    assert_int_equal(poll(wait, 2, 5000), 1);
    bool is_second = wait[1].revents != 0;
    struct packet *p = receive(is_second ? second : &b);
    char text[ADDR_TEXT_MAX];
    assert_int_equal(p->len, len);
    assert_memory_equal(p->data, data, len);
    assert_string_equal(addr_ip_text(&p->path.local, text), ip);
    assert_int_equal(p->path.local.port, b.port);
    assert_int_equal(p->path.remote.port, a.port);
    packet_unref(p);
    return is_second;
}

static void rtcp_comes_to_a_socket_of_its_own(void **state)
{
    (void)state;
    struct udp_socket second = {.fd = -1}, third = {.fd = 77};
    int err = udp_open_rtcp(&b, 1 << 20, &second);
    if (err) {
        print_message("this kernel does not tell RTCP apart: %s\n", strerror(-err));
        skip();
    }
    assert_int_equal(second.port, b.port);
    for (unsigned first = 0; first < 256; first++)
        for (unsigned type = 190; type < 226; type++) {
            const uint8_t data[12] = {(uint8_t)first, (uint8_t)type};
            const char *ip = type % 2 ? "127.0.0.1" : "::1";
            bool rtcp = first >> 6 == 2 && type >= 192 && type <= 223;
            assert_int_equal(comes_to_second(&second, ip, data, first % 12 + 1), rtcp && first % 12);
        }
    /* nobody else has the port, until both leave it */
    assert_int_equal(udp_open(&third, b.port, 1 << 20), -EADDRINUSE);
    assert_int_equal(third.fd, 77);
    uint16_t port = b.port;
    udp_close(&second);
    udp_close(&b);
    assert_int_equal(udp_open(&b, port, 1 << 20), 0);
}

static void a_kernel_without_ipv6_tells_rtcp_apart_too(void **state)
{
    (void)state;
    udp_close(&b);
    no_v6 = true;
    struct udp_socket second = {.fd = -1};
    assert_int_equal(udp_open(&b, 0, 1 << 20), 0);
    int err = udp_open_rtcp(&b, 1 << 20, &second);
    no_v6 = false;
    if (err) {
        print_message("this kernel does not tell RTCP apart: %s\n", strerror(-err));
        skip();
    }
    assert_true(second.v4_only);
    assert_true(comes_to_second(&second, "127.0.0.1", (const uint8_t *)"\x80\xc8\0\0", 4));
    assert_false(comes_to_second(&second, "127.0.0.1", (const uint8_t *)"\x80\x60\0\0", 4));
    udp_close(&second);
}

static void buffers_are_raised_but_never_lowered(void **state)
{
    (void)state;
    struct udp_socket low;
    assert_int_equal(udp_open(&low, 0, 1), 0);
    assert_true(low.rcvbuf >= 65536);
    assert_true(a.rcvbuf >= low.rcvbuf && a.sndbuf >= low.sndbuf);
    if (geteuid() == 0) /* beyond net.core.rmem_max, where the capability is ours */
        assert_true(a.rcvbuf >= 1 << 20 || a.rcvbuf == low.rcvbuf);
    udp_close(&low);
    udp_close(&low);
}

static void loopback_addresses_come_last(void **state)
{
    struct addr all[64], some[64];
    (void)state;
    int n = ifaddr_list(all, 64, true), m = ifaddr_list(some, 64, false);
    assert_true(n >= m && m >= 0);
    bool seen = false;
    for (int i = 0; i < n; i++) {
        assert_int_equal(all[i].port, 0);
        assert_false(addr_is_link_local(&all[i]));
        assert_false(seen && !addr_is_loopback(&all[i]));
        seen |= addr_is_loopback(&all[i]);
        for (int j = 0; j < i; j++)
            assert_false(addr_equal_ip(&all[i], &all[j]));
    }
    assert_true(seen);
    for (int i = 0; i < m; i++)
        assert_false(addr_is_loopback(&some[i]));
    assert_int_equal(ifaddr_list(all, 1, true), 1);
    assert_int_equal(ifaddr_list(all, 0, true), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(replies_leave_from_the_address_that_was_asked, setup, teardown),
        cmocka_unit_test_setup_teardown(the_same_socket_speaks_ipv6, setup, teardown),
        cmocka_unit_test_setup_teardown(every_address_of_the_machine_answers_as_itself, setup, teardown),
        cmocka_unit_test_setup_teardown(a_kernel_without_ipv6_is_served, setup, teardown),
        cmocka_unit_test_setup_teardown(batches_arrive_whole_and_in_order, setup, teardown),
        cmocka_unit_test_setup_teardown(a_bad_destination_does_not_hold_up_the_others, setup, teardown),
        cmocka_unit_test_setup_teardown(interrupted_and_partial_sends_go_on, setup, teardown),
        cmocka_unit_test_setup_teardown(a_full_socket_drops_and_counts_the_rest, setup, teardown),
        cmocka_unit_test_setup_teardown(oversized_datagrams_are_dropped_and_counted, setup, teardown),
        cmocka_unit_test_setup_teardown(an_exhausted_pool_drops_one_at_a_time, setup, teardown),
        cmocka_unit_test_setup_teardown(the_kernels_drops_are_counted, setup, teardown),
        cmocka_unit_test_setup_teardown(a_busy_port_is_said, setup, teardown),
        cmocka_unit_test_setup_teardown(rtcp_comes_to_a_socket_of_its_own, setup, teardown),
        cmocka_unit_test_setup_teardown(a_kernel_without_ipv6_tells_rtcp_apart_too, setup, teardown),
        cmocka_unit_test_setup_teardown(buffers_are_raised_but_never_lowered, setup, teardown),
        cmocka_unit_test(loopback_addresses_come_last),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
