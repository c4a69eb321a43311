/* RTCP of many does not wake a worker one by one, and none of it is lost or left. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>
#include "support/sfu_party.h"

#define REPORTS 1000

static struct party t;

static int stranger(void)
{
    struct sockaddr_in to = {.sin_family = AF_INET,
        .sin_port = htons(t.rig.udp_ports[0]),
        .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    assert_true(fd >= 0);
    assert_int_equal(connect(fd, (const struct sockaddr *)&to, sizeof to), 0);
    return fd;
}

/* Sends one at a time, each when some time has passed since the one before. */
static void send_spread(int fd, const uint8_t *data, size_t len, int64_t apart_us)
{
    int64_t start = sfu_rig_now_us();
    for (int i = 0; i < REPORTS; i++) {
        assert_int_equal(send(fd, data, len, 0), (ssize_t)len);
        while (sfu_rig_now_us() < start + (i + 1) * apart_us)
            nanosleep(&(struct timespec){.tv_nsec = 50000}, NULL);
    }
}

/* They count as of an unknown sender; what came with the same wake-ups is no matter here. */
static void reports_wake_a_worker_together(void **state)
{
    static const uint8_t report[32] = {0x80, 205};
    (void)state;
    party_open(&t, &(struct party_options){.workers = 1, .subs = 0});
    int fd = stranger();
    struct sfu_stats before = sfu_rig_stats(&t.rig);
    int64_t started_us = sfu_rig_now_us();
    send_spread(fd, report, sizeof report, 300);
    struct sfu_stats after = sfu_rig_stats(&t.rig);
    int64_t took_us = sfu_rig_now_us() - started_us;
    assert_int_equal(after.unknown_sender - before.unknown_sender, REPORTS);
    /* a turn each FEEDBACK_GATHER_US at most; the rest is what the rig itself asks, and a tick */
    assert_in_range(after.wakeups - before.wakeups, 1, (uint64_t)(took_us / FEEDBACK_GATHER_US) + 60);
    close(fd);
    party_close(&t);
}

/* More than one reading takes, while a call goes on. */
static void a_crowd_of_them_is_taken_in_turns(void **state)
{
    static const uint8_t report[32] = {0x81, 206};
    (void)state;
    party_open(&t, &(struct party_options){.workers = 1, .subs = 1});
    int fd = stranger();
    struct sfu_stats before = sfu_rig_stats(&t.rig);
    send_spread(fd, report, sizeof report, 0);
    SFU_RIG_UNTIL(&t.rig, party_all_heard(&t, 20, 0), source_audio(t.voice, false));
    struct sfu_stats after = sfu_rig_stats(&t.rig);
    assert_int_equal(after.unknown_sender - before.unknown_sender, REPORTS);
    close(fd);
    party_close(&t);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_teardown(reports_wake_a_worker_together, sfu_rig_teardown),
        cmocka_unit_test_teardown(a_crowd_of_them_is_taken_in_turns, sfu_rig_teardown),
    };
    return cmocka_run_group_tests(tests, sfu_rig_begin, sfu_rig_end);
}
