/* ICE-TCP: the acceptor's limits, framing in any cut, bounded queues, connections that end at any moment. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>
#include "base/limits.h"
#include "net/tcp.h"

/* The clock can be set forward, so that no test waits for seconds. */
static int64_t skew_us;
static bool no_v6;

int clock_gettime(clockid_t id, struct timespec *t)
{
    long rc = syscall(SYS_clock_gettime, id, t);
    t->tv_sec += skew_us / 1000000;
    t->tv_nsec += skew_us % 1000000 * 1000;
    if (t->tv_nsec >= 1000000000) {
        t->tv_nsec -= 1000000000;
        t->tv_sec++;
    }
    return (int)rc;
}

int socket(int domain, int type, int protocol)
{
    if (no_v6 && domain == AF_INET6) {
        errno = EAFNOSUPPORT;
        return -1;
    }
    return (int)syscall(SYS_socket, domain, type, protocol);
}

static int send_error; /* errno of the next send; 0: none */

ssize_t send(int fd, const void *data, size_t len, int flags)
{
    if (send_error) {
        errno = send_error;
        send_error = 0;
        return -1;
    }
    return syscall(SYS_sendto, fd, data, len, flags, NULL, 0);
}

static struct loop *loop;
static struct tcp_acceptor *acceptor;

/* What the acceptor handed over last. */
static int accepted_fd, accepted_count;
static struct addr accepted_remote, accepted_local;
static uint8_t accepted[PACKET_SIZE_MAX];
static size_t accepted_len;

static void on_accept(
    void *arg, int fd, const struct addr *remote, const struct addr *local, const uint8_t *first, size_t len)
{
    (void)arg;
    if (accepted_fd >= 0)
        close(accepted_fd);
    accepted_fd = fd;
    accepted_count++;
    accepted_remote = *remote;
    accepted_local = *local;
    accepted_len = len;
    memcpy(accepted, first, len);
}

static int setup(void **state)
{
    int rc = 0;
    (void)state;
    skew_us = 0;
    no_v6 = false;
    accepted_fd = -1;
    accepted_count = 0;
    loop = loop_new();
    acceptor = tcp_acceptor_new(loop, 0, on_accept, NULL, &rc);
    return acceptor ? 0 : -1;
}

static int teardown(void **state)
{
    (void)state;
    if (accepted_fd >= 0)
        close(accepted_fd);
    tcp_acceptor_free(acceptor);
    loop_free(loop);
    return 0;
}

static void turn(int rounds)
{
    while (rounds-- > 0)
        loop_run_once(loop, 0);
}

/* A client's connection from an address of its own; non-blocking once connected. */
static int dial(const char *from)
{
    struct sockaddr_in local = {.sin_family = AF_INET}, remote = {.sin_family = AF_INET};
    struct addr a;
    assert_int_equal(addr_parse(from, 0, &a), 0);
    memcpy(&local.sin_addr, a.ip + 12, 4);
    remote.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    remote.sin_port = htons(tcp_acceptor_port(acceptor));
    int fd = socket(AF_INET, SOCK_STREAM, 0), one = 1;
    assert_true(fd >= 0);
    assert_int_equal(bind(fd, (struct sockaddr *)&local, sizeof local), 0);
    assert_int_equal(connect(fd, (struct sockaddr *)&remote, sizeof remote), 0);
    setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
    fcntl(fd, F_SETFL, O_NONBLOCK);
    return fd;
}

static void send_all(int fd, const void *data, size_t len)
{
    assert_int_equal(send(fd, data, len, MSG_NOSIGNAL), len);
}

static size_t put_frame(uint8_t *out, const void *data, size_t len)
{
    out[0] = (uint8_t)(len >> 8);
    out[1] = (uint8_t)len;
    memcpy(out + 2, data, len);
    return len + 2;
}

/* Has the server closed it? */
static bool closed(int fd)
{
    char byte;
    ssize_t n = recv(fd, &byte, 1, MSG_PEEK | MSG_DONTWAIT);
    return n == 0 || (n < 0 && errno != EAGAIN);
}

static void the_first_frame_is_handed_over_whole(void **state)
{
    uint8_t bytes[64], frame[40];
    (void)state;
    for (size_t i = 0; i < sizeof frame; i++)
        frame[i] = (uint8_t)i;
    size_t len = put_frame(bytes, frame, sizeof frame);
    int fd = dial("127.0.0.3");
    for (size_t i = 0; i < len; i++) {
        turn(2);
        assert_int_equal(accepted_count, 0);
        send_all(fd, bytes + i, 1);
    }
    turn(2);
    assert_int_equal(accepted_count, 1);
    assert_int_equal(accepted_len, sizeof frame);
    assert_memory_equal(accepted, frame, sizeof frame);
    char text[ADDR_TEXT_MAX];
    assert_string_equal(addr_ip_text(&accepted_remote, text), "127.0.0.3");
    assert_string_equal(addr_ip_text(&accepted_local, text), "127.0.0.1");
    assert_int_equal(accepted_local.port, tcp_acceptor_port(acceptor));
    assert_true(fcntl(accepted_fd, F_GETFL) & O_NONBLOCK);
    close(fd);
}

static void a_kernel_without_ipv6_is_served(void **state)
{
    int rc = 0;
    (void)state;
    tcp_acceptor_free(acceptor);
    no_v6 = true;
    acceptor = tcp_acceptor_new(loop, 0, on_accept, NULL, &rc);
    assert_non_null(acceptor);
    int fd = dial("127.0.0.1");
    send_all(fd, "\0\1x", 3);
    turn(3);
    assert_int_equal(accepted_count, 1);
    close(fd);
}

static void a_busy_port_is_said(void **state)
{
    int rc = 0;
    (void)state;
    assert_null(tcp_acceptor_new(loop, tcp_acceptor_port(acceptor), on_accept, NULL, &rc));
    assert_int_equal(rc, -EADDRINUSE);
}

static void what_is_no_frame_for_us_is_closed(void **state)
{
    static const char *const bad[] = {"\0\0", "\xff\xff", "GET / HTTP/1.1\r\n"};
    static const size_t len[] = {2, 2, 16};
    (void)state;
    for (int i = 0; i < 3; i++) {
        int fd = dial("127.0.0.1");
        send_all(fd, bad[i], len[i]);
        turn(3);
        assert_true(closed(fd));
        close(fd);
    }
    uint8_t limit[2] = {(PACKET_SIZE_MAX + 1) >> 8, (PACKET_SIZE_MAX + 1) & 0xff};
    int fd = dial("127.0.0.1");
    send_all(fd, limit, 2);
    turn(3);
    assert_true(closed(fd));
    close(fd);
    fd = dial("127.0.0.1");
    limit[1]--;
    send_all(fd, limit, 2);
    turn(3);
    assert_false(closed(fd));
    close(fd);
    turn(3); /* and one that hangs up before it said anything */
    assert_int_equal(accepted_count, 0);
}

static void a_slow_client_has_five_seconds_in_all(void **state)
{
    (void)state;
    int fd = dial("127.0.0.1");
    turn(2);
    for (int i = 0; i < 4; i++) { /* a byte a second wins no time */
        skew_us += 1000000;
        send_all(fd, i == 0 ? "\0" : "\x28", 1);
        turn(2);
        assert_false(closed(fd));
    }
    skew_us += 1001000; /* the wheel's millisecond */
    turn(2);
    assert_true(closed(fd));
    assert_int_equal(accepted_count, 0);
    close(fd);
}

static void an_address_has_so_many_waiting_and_no_more(void **state)
{
    int fds[TCP_PENDING_ADDR_MAX + 1];
    (void)state;
    for (int i = 0; i < TCP_PENDING_ADDR_MAX + 1; i++)
        fds[i] = dial("127.0.0.9");
    int other = dial("127.0.0.10");
    turn(4);
    for (int i = 0; i < TCP_PENDING_ADDR_MAX; i++)
        assert_false(closed(fds[i]));
    assert_true(closed(fds[TCP_PENDING_ADDR_MAX]));
    assert_false(closed(other));
    send_all(fds[0], "\0\1x", 3); /* one is through: there is room for another */
    turn(3);
    close(fds[TCP_PENDING_ADDR_MAX]);
    fds[TCP_PENDING_ADDR_MAX] = dial("127.0.0.9");
    turn(3);
    assert_false(closed(fds[TCP_PENDING_ADDR_MAX]));
    for (int i = 0; i < TCP_PENDING_ADDR_MAX + 1; i++)
        close(fds[i]);
    close(other);
}

static void when_all_places_are_taken_the_oldest_gives_way(void **state)
{
    int fds[TCP_PENDING_MAX + 1];
    (void)state;
    for (int i = 0; i < TCP_PENDING_MAX + 1; i++) {
        char from[] = "127.0.1.x";
        from[8] = (char)('1' + i / TCP_PENDING_ADDR_MAX);
        fds[i] = dial(from);
        if (i % 50 == 49)
            turn(1);
    }
    turn(6);
    assert_true(closed(fds[0]));
    for (int i = 1; i < TCP_PENDING_MAX + 1; i++)
        assert_false(closed(fds[i]));
    for (int i = 0; i < TCP_PENDING_MAX + 1; i++)
        close(fds[i]);
}

/* Without a pause the listener, which stays readable, would spin. */
static void running_out_of_descriptors_pauses_the_listener(void **state)
{
    struct rlimit saved, low;
    (void)state;
    int fd = dial("127.0.0.1");
    int next = dup(fd);
    close(next);
    getrlimit(RLIMIT_NOFILE, &saved);
    low = (struct rlimit){.rlim_cur = (rlim_t)next, .rlim_max = saved.rlim_max};
    assert_int_equal(setrlimit(RLIMIT_NOFILE, &low), 0);
    turn(1); /* fails to accept */
    int64_t before_us = loop_now_us(loop);
    for (int rounds = 0; rounds < 4; rounds++) /* the wheel wakes at most three times on the way */
        if (loop_now_us(loop) - before_us < 90000)
            loop_run_once(loop, -1);
    assert_true(loop_now_us(loop) - before_us >= 90000);
    setrlimit(RLIMIT_NOFILE, &saved);
    skew_us += 200000;
    send_all(fd, "\0\1x", 3);
    turn(4);
    assert_int_equal(accepted_count, 1);
    close(fd);
}

/* ---- connections ---- */

struct peer {
    struct tcp_conn *conn;
    int frames, closes;
    size_t bytes;
    uint64_t sum;   /* over what arrived, in order */
    int free_after; /* frees the connection inside this frame's callback */
    bool free_in_close;
};

static void on_frame(void *arg, struct tcp_conn *c, const uint8_t *frame, size_t len, int64_t now_us)
{
    struct peer *p = arg;
    assert_ptr_equal(c, p->conn);
    assert_in_range(len, 1, PACKET_SIZE_MAX);
    assert_int_equal(now_us, loop_now_us(loop));
    p->frames++;
    p->bytes += len;
    for (size_t i = 0; i < len; i++)
        p->sum = p->sum * 31 + frame[i];
    p->sum = p->sum * 31 + len;
    if (p->frames == p->free_after) {
        tcp_conn_free(c);
        p->conn = NULL;
    }
}

static void on_closed(void *arg, struct tcp_conn *c)
{
    struct peer *p = arg;
    assert_ptr_equal(c, p->conn);
    p->closes++;
    if (p->free_in_close) {
        tcp_conn_free(c);
        p->conn = NULL;
    }
}

/* A connection pair: the client's descriptor and our end. */
static int connected(struct peer *p)
{
    int fd = dial("127.0.0.1");
    send_all(fd, "\0\1x", 3);
    while (accepted_fd < 0)
        loop_run_once(loop, 1000);
    *p = (struct peer){.free_in_close = true};
    p->conn = tcp_conn_new(loop, accepted_fd, on_frame, on_closed, p);
    assert_non_null(p->conn);
    accepted_fd = -1;
    return fd;
}

static uint64_t seed = 1;

static uint32_t next_random(uint32_t bound)
{
    seed = seed * 6364136223846793005u + 1442695040888963407u;
    return (uint32_t)(seed >> 33) % bound;
}

static void frames_survive_any_cut(void **state)
{
    struct peer p;
    (void)state;
    int fd = connected(&p);
    static uint8_t stream[400 * (PACKET_SIZE_MAX + 4)];
    size_t len = 0, bytes = 0;
    uint64_t sum = 0;
    int frames = 0;
    while (frames < 400) {
        uint8_t data[PACKET_SIZE_MAX];
        size_t n = next_random(3) ? next_random(PACKET_SIZE_MAX + 1) : next_random(4);
        n = frames == 7 ? PACKET_SIZE_MAX : n;
        for (size_t i = 0; i < n; i++)
            data[i] = (uint8_t)next_random(256);
        len += put_frame(stream + len, data, n);
        if (n == 0)
            continue; /* a null frame is passed over */
        frames++;
        bytes += n;
        for (size_t i = 0; i < n; i++)
            sum = sum * 31 + data[i];
        sum = sum * 31 + n;
    }
    for (size_t at = 0; at < len;) {
        size_t n = next_random(2) ? 1 + next_random(5) : 1 + next_random(6000);
        n = n > len - at ? len - at : n;
        ssize_t sent = send(fd, stream + at, n, MSG_NOSIGNAL);
        at += sent > 0 ? (size_t)sent : 0;
        turn(1);
    }
    while (p.bytes < bytes)
        loop_run_once(loop, 1000);
    assert_int_equal(p.frames, frames);
    assert_true(p.sum == sum);
    assert_int_equal(p.closes, 0);
    tcp_conn_free(p.conn);
    close(fd);
}

static void an_oversized_frame_closes(void **state)
{
    struct peer p;
    (void)state;
    int fd = connected(&p);
    uint8_t bytes[] = {0, 1, 'a', (PACKET_SIZE_MAX + 1) >> 8, (PACKET_SIZE_MAX + 1) & 0xff, 'b'};
    send_all(fd, bytes, sizeof bytes);
    turn(3);
    assert_int_equal(p.frames, 1);
    assert_int_equal(p.closes, 1);
    assert_null(p.conn);
    assert_true(closed(fd));
    close(fd);
}

static void the_end_is_told_once_and_freeing_may_come_later(void **state)
{
    struct peer p;
    (void)state;
    int fd = connected(&p);
    p.free_in_close = false;
    send_all(fd, "\0\1a\0\1", 5);
    close(fd);
    turn(5);
    assert_int_equal(p.frames, 1);
    assert_int_equal(p.closes, 1);
    assert_int_equal(tcp_conn_send(p.conn, (const uint8_t *)"x", 1), -EPIPE);
    turn(3);
    assert_int_equal(p.closes, 1);
    tcp_conn_free(p.conn);
    tcp_conn_free(NULL);
}

static void a_connection_may_be_freed_by_its_own_frame(void **state)
{
    struct peer p;
    (void)state;
    int fd = connected(&p);
    p.free_after = 2;
    send_all(fd, "\0\1a\0\1b\0\1c\0\1d", 12);
    turn(3);
    assert_int_equal(p.frames, 2);
    assert_int_equal(p.closes, 0);
    assert_true(closed(fd));
    close(fd);
}

/* Reads what is there and checks that it is frames of number `*next` and up, each filled with its number. */
static void read_frames(int fd, uint8_t *rest, size_t *rest_len, int *next)
{
    ssize_t n = recv(fd, rest + *rest_len, 65536 - *rest_len, 0);
    if (n <= 0)
        return;
    *rest_len += (size_t)n;
    size_t at = 0;
    while (*rest_len - at >= 2) {
        size_t len = (size_t)(rest[at] << 8 | rest[at + 1]);
        if (*rest_len - at < 2 + len)
            break;
        uint32_t number;
        assert_int_equal(len, 1000 + *next % 600);
        memcpy(&number, rest + at + 2, sizeof number);
        assert_int_equal(number, *next);
        assert_int_equal(rest[at + 2 + len - 1], (uint8_t)*next);
        ++*next;
        at += 2 + len;
    }
    memmove(rest, rest + at, *rest_len - at);
    *rest_len -= at;
}

static int send_numbered(struct tcp_conn *c, int number)
{
    uint8_t frame[PACKET_SIZE_MAX];
    uint32_t n = (uint32_t)number;
    memset(frame, number, sizeof frame);
    memcpy(frame, &n, sizeof n);
    return tcp_conn_send(c, frame, 1000 + (size_t)number % 600);
}

static void a_reader_that_stops_costs_frames_not_memory(void **state)
{
    static uint8_t rest[65536];
    struct peer p;
    size_t rest_len = 0;
    int sent = 0, got = 0, refused = 0;
    (void)state;
    int fd = connected(&p);
    for (int i = 0; i < 20000 && refused < 50; i++) {
        int rc = send_numbered(p.conn, sent);
        assert_true(rc == 0 || rc == -ENOBUFS);
        sent += rc == 0;
        refused += rc == -ENOBUFS;
        turn(1);
    }
    assert_int_equal(refused, 50);
    while (got < sent) { /* it reads again: all that was accepted comes, whole and in order */
        read_frames(fd, rest, &rest_len, &got);
        turn(1);
    }
    assert_int_equal(rest_len, 0);
    for (int i = 0; i < 100; i++) {
        assert_int_equal(send_numbered(p.conn, sent), 0);
        sent++;
        turn(1);
        read_frames(fd, rest, &rest_len, &got);
    }
    while (got < sent)
        read_frames(fd, rest, &rest_len, &got);
    assert_int_equal(p.closes, 0);
    tcp_conn_free(p.conn);
    close(fd);
}

static void sizes_that_are_no_frame_are_refused(void **state)
{
    static uint8_t data[PACKET_SIZE_MAX + 1];
    struct peer p;
    (void)state;
    int fd = connected(&p);
    assert_int_equal(tcp_conn_send(p.conn, data, 0), -EMSGSIZE);
    assert_int_equal(tcp_conn_send(p.conn, data, sizeof data), -EMSGSIZE);
    assert_int_equal(tcp_conn_send(p.conn, data, PACKET_SIZE_MAX), 0);
    tcp_conn_free(p.conn);
    close(fd);
}

static void a_reset_is_told_by_the_loop_and_not_inside_send(void **state)
{
    struct peer p;
    (void)state;
    int fd = connected(&p);
    struct linger now = {.l_onoff = 1, .l_linger = 0};
    setsockopt(fd, SOL_SOCKET, SO_LINGER, &now, sizeof now);
    close(fd);
    int rc = 0;
    for (int i = 0; i < 100 && rc == 0; i++)
        rc = tcp_conn_send(p.conn, (const uint8_t *)"x", 1);
    assert_int_equal(rc, -EPIPE);
    assert_int_equal(p.closes, 0);
    assert_int_equal(tcp_conn_send(p.conn, (const uint8_t *)"x", 1), -EPIPE);
    turn(3);
    assert_int_equal(p.closes, 1);
    assert_null(p.conn);
}

/* No event of the descriptor tells of this one. */
static void a_send_that_fails_ends_it_though_nothing_else_does(void **state)
{
    struct peer p;
    (void)state;
    int fd = connected(&p);
    send_error = EINTR; /* goes on */
    assert_int_equal(tcp_conn_send(p.conn, (const uint8_t *)"x", 1), 0);
    send_error = EIO;
    assert_int_equal(tcp_conn_send(p.conn, (const uint8_t *)"x", 1), -EPIPE);
    assert_int_equal(p.closes, 0);
    turn(2);
    assert_int_equal(p.closes, 1);
    assert_null(p.conn);
    close(fd);
}

static void a_reset_with_a_full_queue_ends_it(void **state)
{
    struct peer p;
    (void)state;
    int fd = connected(&p), sent = 0;
    while (send_numbered(p.conn, sent) == 0)
        sent++;
    struct linger now = {.l_onoff = 1, .l_linger = 0};
    setsockopt(fd, SOL_SOCKET, SO_LINGER, &now, sizeof now);
    close(fd);
    turn(4);
    assert_int_equal(p.closes, 1);
    assert_null(p.conn);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(the_first_frame_is_handed_over_whole, setup, teardown),
        cmocka_unit_test_setup_teardown(a_kernel_without_ipv6_is_served, setup, teardown),
        cmocka_unit_test_setup_teardown(a_busy_port_is_said, setup, teardown),
        cmocka_unit_test_setup_teardown(what_is_no_frame_for_us_is_closed, setup, teardown),
        cmocka_unit_test_setup_teardown(a_slow_client_has_five_seconds_in_all, setup, teardown),
        cmocka_unit_test_setup_teardown(an_address_has_so_many_waiting_and_no_more, setup, teardown),
        cmocka_unit_test_setup_teardown(when_all_places_are_taken_the_oldest_gives_way, setup, teardown),
        cmocka_unit_test_setup_teardown(running_out_of_descriptors_pauses_the_listener, setup, teardown),
        cmocka_unit_test_setup_teardown(frames_survive_any_cut, setup, teardown),
        cmocka_unit_test_setup_teardown(an_oversized_frame_closes, setup, teardown),
        cmocka_unit_test_setup_teardown(the_end_is_told_once_and_freeing_may_come_later, setup, teardown),
        cmocka_unit_test_setup_teardown(a_connection_may_be_freed_by_its_own_frame, setup, teardown),
        cmocka_unit_test_setup_teardown(a_reader_that_stops_costs_frames_not_memory, setup, teardown),
        cmocka_unit_test_setup_teardown(sizes_that_are_no_frame_are_refused, setup, teardown),
        cmocka_unit_test_setup_teardown(a_reset_is_told_by_the_loop_and_not_inside_send, setup, teardown),
        cmocka_unit_test_setup_teardown(a_send_that_fails_ends_it_though_nothing_else_does, setup, teardown),
        cmocka_unit_test_setup_teardown(a_reset_with_a_full_queue_ends_it, setup, teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
