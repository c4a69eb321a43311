/* Runs: datagrams that the kernel is given as one and cuts. What arrives is what was sent, whatever the path
 * makes of it. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>
#include <errno.h>
#include <net/if.h>
#include <netinet/udp.h>
#include <poll.h>
#include <sched.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>
#include "net/udp.h"

#define NOW_US      1000000
#define MESSAGE_MAX 300

/* Stands in for the C library's: what it is given is noted, and runs fail when the test wants it. */
static int refuse_with;              /* errno of the next run; 0: it is sent */
static uint16_t refuse_to;           /* only to this port; 0: any */
static size_t segments[MESSAGE_MAX]; /* datagrams of each message that was sent */
static size_t sent;

static size_t segments_of(const struct msghdr *m)
{
    size_t bytes = 0;
    for (size_t i = 0; i < m->msg_iovlen; i++)
        bytes += m->msg_iov[i].iov_len;
    for (struct cmsghdr *c = CMSG_FIRSTHDR(m); c; c = CMSG_NXTHDR((struct msghdr *)(uintptr_t)m, c)) {
        uint16_t size;
        if (c->cmsg_level != SOL_UDP || c->cmsg_type != UDP_SEGMENT)
            continue;
        memcpy(&size, CMSG_DATA(c), sizeof size);
        return (bytes + size - 1) / size;
    }
    return 1;
}

static bool is_refused(const struct msghdr *m)
{
    const struct sockaddr_in6 *to = m->msg_name;
    return refuse_with && segments_of(m) > 1 && (!refuse_to || ntohs(to->sin6_port) == refuse_to);
}

int sendmmsg(int fd, struct mmsghdr *messages, unsigned count, int flags)
{
    unsigned n = 0;
    while (n < count && !is_refused(&messages[n].msg_hdr))
        n++;
    if (n == 0) {
        errno = refuse_with;
        return -1;
    }
    int done = (int)syscall(SYS_sendmmsg, fd, messages, n, flags);
    for (int i = 0; i < done && sent < MESSAGE_MAX; i++)
        segments[sent++] = segments_of(&messages[i].msg_hdr);
    return done;
}

static struct udp_socket a, b, c;
static struct packet_pool *pool;
static struct udp_destination to_b, to_c;
static uint8_t data[MESSAGE_MAX][1400];
static struct udp_message messages[MESSAGE_MAX];
static size_t count;

static int setup(void **state)
{
    (void)state;
    refuse_with = refuse_to = 0;
    sent = count = 0;
    to_b = to_c = (struct udp_destination){0};
    pool = packet_pool_new(1024);
    return pool && udp_open(&a, 0, 1 << 21) == 0 && udp_open(&b, 0, 1 << 21) == 0 &&
                   udp_open(&c, 0, 1 << 21) == 0
               ? 0
               : -1;
}

static int teardown(void **state)
{
    (void)state;
    udp_close(&a);
    udp_close(&b);
    udp_close(&c);
    size_t used = packet_pool_used(pool);
    packet_pool_free(pool);
    return used == 0 ? 0 : -1;
}

static void add(const struct udp_socket *s, struct udp_destination *d, size_t len)
{
    struct udp_message *m = &messages[count];
    memset(data[count], (int)(count * 7 + len), sizeof data[count]);
    *m = (struct udp_message){.data = data[count], .len = len, .destination = d};
    assert_int_equal(addr_parse("127.0.0.1", s->port, &m->path.remote), 0);
    count++;
}

/* s receives exactly those of the messages that were addressed to it, in order, and nothing else. */
static void expect_all(struct udp_socket *s)
{
    struct packet *p[UDP_BATCH_MAX];
    size_t at = 0;
    for (;;) {
        struct pollfd wait = {.fd = s->fd, .events = POLLIN};
        int n = poll(&wait, 1, 0) == 1 ? udp_recv(s, pool, p, UDP_BATCH_MAX, NOW_US) : 0;
        for (int i = 0; i < n; i++, at++) {
            while (at < count && messages[at].path.remote.port != s->port)
                at++;
            assert_true(at < count);
            assert_int_equal(p[i]->len, messages[at].len);
            assert_memory_equal(p[i]->data, messages[at].data, p[i]->len);
            packet_unref(p[i]);
        }
        if (n <= 0)
            break;
    }
    for (; at < count; at++)
        assert_int_not_equal(messages[at].path.remote.port, s->port);
}

static void expect_segments(const size_t *want, size_t n)
{
    assert_int_equal(sent, n);
    for (size_t i = 0; i < n; i++)
        assert_int_equal(segments[i], want[i]);
}

static void send_all(int64_t now_us)
{
    sent = 0;
    assert_int_equal(udp_send_runs(&a, messages, count, now_us), count);
    expect_all(&b);
    expect_all(&c);
}

static void equal_datagrams_go_as_one(void **state)
{
    (void)state;
    for (int i = 0; i < 6; i++)
        add(&b, &to_b, 1100);
    send_all(NOW_US);
    expect_segments((const size_t[]){6}, 1);
    assert_int_equal(a.runs, 1);
    assert_int_equal(a.run_datagrams, 6);
    assert_int_equal(a.sends, 1);
}

/* A shorter one ends a run, a longer one begins another; another destination, too; who has none goes alone.
 */
static void what_differs_goes_apart(void **state)
{
    static const size_t lens[] = {900, 900, 901, 901, 300, 300, 299, 299};
    (void)state;
    for (size_t i = 0; i < sizeof lens / sizeof *lens; i++)
        add(&b, &to_b, lens[i]);
    add(&c, &to_c, 299);
    add(&c, &to_c, 299);
    add(&c, NULL, 299);
    add(&c, NULL, 299);
    add(&b, &to_b, 299);
    send_all(NOW_US);
    expect_segments((const size_t[]){2, 3, 2, 1, 2, 1, 1, 1}, 8);
    assert_int_equal(a.runs, 4);
    assert_int_equal(a.run_datagrams, 9);
    assert_int_equal(a.sends, 8);
}

static void memory_may_be_anywhere(void **state)
{
    (void)state;
    for (int i = 0; i < 8; i++)
        add(&b, &to_b, 1000);
    messages[3].data = messages[2].data + 100; /* overlapping */
    memset(data[2], 1, sizeof data[2]);
    for (int i = 4; i < 8; i++) { /* adjacent: one vector */
        messages[i].data = data[4] + 300 * (i - 4);
        messages[i].len = 300;
    }
    messages[7].len = 10;
    send_all(NOW_US);
    expect_segments((const size_t[]){5, 3}, 2);
}

static void runs_have_their_limits(void **state)
{
    (void)state;
    for (int i = 0; i < 130; i++)
        add(&b, &to_b, 20);
    send_all(NOW_US);
    expect_segments((const size_t[]){64, 64, 2}, 3);
    count = 0;
    for (int i = 0; i < 64; i++)
        add(&b, &to_b, 1300); /* 65,000 bytes are 50 of them */
    send_all(NOW_US);
    expect_segments((const size_t[]){50, 14}, 2);
}

static void without_runs_nothing_is_joined(void **state)
{
    (void)state;
    for (int i = 0; i < 5; i++)
        add(&b, &to_b, 500);
    assert_int_equal(udp_send(&a, messages, count), count);
    expect_all(&b);
    assert_int_equal(sent, 5);
    assert_int_equal(a.runs, 0);
}

/* A path whose MTU is too small: that destination gets single datagrams for a minute, the others runs. */
static void a_narrow_path_is_sent_single_datagrams(void **state)
{
    static const int errors[] = {EMSGSIZE, EINVAL};
    (void)state;
    for (int i = 0; i < 4; i++)
        add(&b, &to_b, 1200);
    for (int i = 0; i < 4; i++)
        add(&c, &to_c, 1200);
    for (int i = 0; i < 4; i++)
        add(&b, &to_b, 1200);
    for (unsigned round = 0; round < 2; round++) {
        int64_t now_us = NOW_US + (int64_t)round * 2 * UDP_RUN_AGAIN_US;
        refuse_with = errors[round];
        refuse_to = b.port;
        send_all(now_us);
        /* the second run to b was made before the first was refused: it fails, too, and goes the same way */
        expect_segments((const size_t[]){1, 1, 1, 1, 4, 1, 1, 1, 1}, 9);
        assert_int_equal(a.runs_refused, 2 * (round + 1));
        assert_int_equal(a.send_errors, 0);
        refuse_with = 0;
        send_all(now_us + UDP_RUN_AGAIN_US - 1);
        expect_segments((const size_t[]){1, 1, 1, 1, 4, 1, 1, 1, 1}, 9);
        send_all(now_us + UDP_RUN_AGAIN_US);
        expect_segments((const size_t[]){4, 4, 4}, 3);
    }
}

static void a_device_that_cannot_is_not_asked_again(void **state)
{
    (void)state;
    for (int i = 0; i < 4; i++)
        add(i % 4 < 2 ? &b : &c, i % 4 < 2 ? &to_b : &to_c, 1200);
    refuse_with = EIO;
    send_all(NOW_US);
    expect_segments((const size_t[]){1, 1, 1, 1}, 4);
    refuse_with = 0;
    send_all(NOW_US + 10 * (int64_t)UDP_RUN_AGAIN_US);
    assert_int_equal(sent, 4);
    assert_int_equal(a.runs, 0);
    assert_true(a.no_runs);
}

/* What is wrong with the destination itself is no reason to give its runs up for others. */
static void a_bad_destination_is_skipped(void **state)
{
    (void)state;
    add(&b, &to_b, 400);
    add(&b, &to_b, 400);
    for (int i = 0; i < 3; i++) {
        add(&c, &to_c, 400);
        messages[count - 1].path.remote.port = 0;
    }
    add(&b, &to_b, 400);
    sent = 0;
    assert_int_equal(udp_send_runs(&a, messages, count, NOW_US), 3);
    expect_all(&b);
    assert_int_equal(a.send_errors, 3);
    expect_segments((const size_t[]){2, 1}, 2);
}

static void a_full_socket_drops_whole_runs(void **state)
{
    (void)state;
    for (int i = 0; i < 6; i++)
        add(&b, &to_b, 400);
    for (int i = 0; i < 3; i++)
        add(&c, &to_c, 400);
    refuse_with = ENOBUFS;
    refuse_to = c.port;
    assert_int_equal(udp_send_runs(&a, messages, count, NOW_US), 6);
    expect_all(&b);
    assert_int_equal(a.send_blocked, 3);
    assert_int_equal(a.runs_refused, 0);
}

/* In a network of its own, whose loopback interface is as narrow as a tunnel: the kernel's own refusal. */
static void narrow_loopback(void)
{
    struct ifreq r = {.ifr_name = "lo"};
    int fd = socket(AF_INET, SOCK_DGRAM, 0);
    if (unshare(CLONE_NEWNET) && (unshare(CLONE_NEWUSER | CLONE_NEWNET)))
        _exit(77);
    close(fd);
    fd = socket(AF_INET, SOCK_DGRAM, 0);
    r.ifr_mtu = 1280;
    if (fd < 0 || ioctl(fd, SIOCSIFMTU, &r))
        _exit(77);
    r.ifr_flags = IFF_UP | IFF_RUNNING | IFF_LOOPBACK;
    if (ioctl(fd, SIOCSIFFLAGS, &r))
        _exit(77);
    if (udp_open(&a, 0, 1 << 20) || udp_open(&b, 0, 1 << 20) || udp_open(&c, 0, 1 << 20))
        _exit(2);
}

static void the_kernel_refuses_what_is_too_wide(void **state)
{
    int status;
    (void)state;
    pid_t child = fork();
    if (child == 0) {
        narrow_loopback();
        for (int i = 0; i < 4; i++)
            add(&b, &to_b, 1300);
        for (int i = 0; i < 4; i++)
            add(&c, &to_c, 1200);
        size_t n = udp_send_runs(&a, messages, count, NOW_US);
        bool good = n == 8 && a.runs_refused == 1 && a.runs == 1 && to_b.single_until_us > NOW_US;
        expect_all(&b);
        expect_all(&c);
        _exit(good ? 0 : 1);
    }
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_true(WIFEXITED(status));
    if (WEXITSTATUS(status) == 77) {
        print_message("# network namespaces are not permitted here\n");
        skip();
    }
    assert_int_equal(WEXITSTATUS(status), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(equal_datagrams_go_as_one, setup, teardown),
        cmocka_unit_test_setup_teardown(what_differs_goes_apart, setup, teardown),
        cmocka_unit_test_setup_teardown(memory_may_be_anywhere, setup, teardown),
        cmocka_unit_test_setup_teardown(runs_have_their_limits, setup, teardown),
        cmocka_unit_test_setup_teardown(without_runs_nothing_is_joined, setup, teardown),
        cmocka_unit_test_setup_teardown(a_narrow_path_is_sent_single_datagrams, setup, teardown),
        cmocka_unit_test_setup_teardown(a_device_that_cannot_is_not_asked_again, setup, teardown),
        cmocka_unit_test_setup_teardown(a_bad_destination_is_skipped, setup, teardown),
        cmocka_unit_test_setup_teardown(a_full_socket_drops_whole_runs, setup, teardown),
        cmocka_unit_test_setup_teardown(the_kernel_refuses_what_is_too_wide, setup, teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
