/* What a service manager is told. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>
#include <cmocka.h>

#include "net/notify.h"

static void listen_and_tell(const char *name, socklen_t extra)
{
    struct sockaddr_un at = {.sun_family = AF_UNIX};
    struct timeval patience = {.tv_sec = 10};
    char got[64] = "";
    size_t len = strlen(name);
    memcpy(at.sun_path, name, len);
    if (name[0] == '@')
        at.sun_path[0] = '\0';
    int fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    assert_true(fd >= 0);
    socklen_t size = (socklen_t)(offsetof(struct sockaddr_un, sun_path) + len) + extra;
    assert_int_equal(bind(fd, (struct sockaddr *)&at, size), 0);
    assert_int_equal(setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof patience), 0);
    assert_int_equal(setenv("NOTIFY_SOCKET", name, 1), 0);
    assert_int_equal(notify_send("READY=1"), 0);
    assert_int_equal(notify_send("RELOADING=1\nMONOTONIC_USEC=7"), 0);
    assert_int_equal(recv(fd, got, sizeof got, 0), 7);
    assert_memory_equal(got, "READY=1", 7);
    assert_int_equal(recv(fd, got, sizeof got, 0), 28);
    assert_memory_equal(got, "RELOADING=1\nMONOTONIC_USEC=7", 28);
    close(fd);
}

static void a_message_is_a_datagram(void **state)
{
    char dir[] = "/tmp/net_notify.XXXXXX", name[64];
    (void)state;
    assert_non_null(mkdtemp(dir));
    snprintf(name, sizeof name, "%s/socket", dir);
    listen_and_tell(name, 1);
    assert_int_equal(notify_send("READY=1"), -ECONNREFUSED); /* nobody listens any more */
    assert_int_equal(unlink(name), 0);
    assert_int_equal(notify_send("READY=1"), -ENOENT);
    assert_int_equal(rmdir(dir), 0);
}

static void an_abstract_name_has_no_zero_at_its_end(void **state)
{
    char name[64];
    (void)state;
    snprintf(name, sizeof name, "@net_notify.%d", (int)getpid());
    listen_and_tell(name, 0);
}

static void without_a_manager_nothing_is_sent(void **state)
{
    char name[200] = "/";
    (void)state;
    unsetenv("NOTIFY_SOCKET");
    assert_int_equal(notify_send("READY=1"), 0);
    setenv("NOTIFY_SOCKET", "", 1);
    assert_int_equal(notify_send("READY=1"), 0);
    setenv("NOTIFY_SOCKET", "vsock:2:1", 1);
    assert_int_equal(notify_send("READY=1"), -EINVAL);
    setenv("NOTIFY_SOCKET", "@", 1);
    assert_int_equal(notify_send("READY=1"), -EINVAL);
    memset(name + 1, 'a', sizeof name - 2);
    setenv("NOTIFY_SOCKET", name, 1);
    assert_int_equal(notify_send("READY=1"), -EINVAL);
}

static void the_watchdog_may_be_for_another_process(void **state)
{
    char pid[16];
    (void)state;
    unsetenv("WATCHDOG_PID");
    unsetenv("WATCHDOG_USEC");
    assert_int_equal(notify_watchdog_us(), 0);
    setenv("WATCHDOG_USEC", "20000000", 1);
    assert_int_equal(notify_watchdog_us(), 20000000);
    snprintf(pid, sizeof pid, "%d", (int)getpid());
    setenv("WATCHDOG_PID", pid, 1);
    assert_int_equal(notify_watchdog_us(), 20000000);
    snprintf(pid, sizeof pid, "%d", (int)getpid() + 1);
    setenv("WATCHDOG_PID", pid, 1);
    assert_int_equal(notify_watchdog_us(), 0);
    setenv("WATCHDOG_PID", "", 1);
    assert_int_equal(notify_watchdog_us(), 0);
    unsetenv("WATCHDOG_PID");
    static const char *const bad[] = {"", "0", "-1", "1s", "99999999999999999999"};
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        setenv("WATCHDOG_USEC", bad[i], 1);
        assert_int_equal(notify_watchdog_us(), 0);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_message_is_a_datagram),
        cmocka_unit_test(an_abstract_name_has_no_zero_at_its_end),
        cmocka_unit_test(without_a_manager_nothing_is_sent),
        cmocka_unit_test(the_watchdog_may_be_for_another_process),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
