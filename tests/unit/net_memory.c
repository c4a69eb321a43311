/* When memory runs short, at any moment: said, nothing left behind, no descriptor left open. */
#include <errno.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <unistd.h>
#include "support/short_memory.h"

#include "net/tcp.h"

static void on_event(void *arg, uint32_t events, int64_t now_us)
{
    (void)arg, (void)events, (void)now_us;
}

static void on_call(void *arg)
{
    ++*(int *)arg;
}

static void on_accept(
    void *arg, int fd, const struct addr *remote, const struct addr *local, const uint8_t *first, size_t len)
{
    (void)arg, (void)remote, (void)local, (void)first, (void)len;
    close(fd);
}

static void on_frame(void *arg, struct tcp_conn *c, const uint8_t *frame, size_t len, int64_t now_us)
{
    (void)arg, (void)c, (void)frame, (void)len, (void)now_us;
}

static void on_closed(void *arg, struct tcp_conn *c)
{
    (void)arg, (void)c;
}

static int lowest_free_fd(void)
{
    int fd = dup(0);
    close(fd);
    return fd;
}

/* Fills the queue of a connection whose reader sleeps. */
static int overfill(struct tcp_conn *c)
{
    static const uint8_t frame[PACKET_SIZE_MAX];
    for (int i = 0; i < 1000; i++) {
        int rc = tcp_conn_send(c, frame, sizeof frame);
        if (rc < 0)
            return memory_failed() ? -ENOMEM : 0; /* by itself it ends with a full queue */
    }
    return 0;
}

static int connections(struct loop *l)
{
    int rc = -ENOMEM, fds[2];
    struct tcp_acceptor *a = tcp_acceptor_new(l, 0, on_accept, NULL, &rc);
    if (!a)
        return rc;
    assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, fds), 0);
    struct tcp_conn *c = tcp_conn_new(l, fds[0], on_frame, on_closed, NULL);
    rc = c ? overfill(c) : -errno;
    tcp_conn_free(c);
    close(fds[1]);
    tcp_acceptor_free(a);
    return rc;
}

static int everything(void)
{
    int called = 0;
    struct loop *l = loop_new();
    if (!l)
        return -errno;
    int fd = eventfd(0, 0), rc = -ENOMEM;
    struct loop_fd *f = loop_fd_add(l, fd, 1, on_event, NULL);
    if (f && loop_call(l, on_call, &called) == 0) {
        loop_run_once(l, 0);
        assert_int_equal(called, 1);
        rc = connections(l);
    }
    loop_fd_del(l, f);
    loop_free(l);
    close(fd);
    return rc;
}

static void loops_and_connections_say_so(void **state)
{
    (void)state;
    int before = lowest_free_fd();
    memory_fail_each(everything);
    assert_int_equal(lowest_free_fd(), before);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(loops_and_connections_say_so),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
