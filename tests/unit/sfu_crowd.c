/* Many subscribers on one worker: dividing their bandwidth delays media by half a millisecond at most, and is
 * cheap. The worker runs on the test's thread, without its loop: nothing is received or sent. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>
#include "base/log.h"
#include "ice/lite.h"
#include "net/clock.h"
#include "sfu/internal.h"
#include "tls/cert.h"

#define PEOPLE     500
#define VIDEOS_MAX 16
#define READ_US    20 /* what a look at the clock takes while it is ours */

static int64_t own_us; /* 0: the clock is the machine's */

int clock_gettime(clockid_t clock, struct timespec *t)
{
    if (!own_us)
        return (int)syscall(SYS_clock_gettime, clock, t);
    own_us += READ_US;
    t->tv_sec = own_us / 1000000;
    t->tv_nsec = own_us % 1000000 * 1000;
    return 0;
}

static struct config cfg;
static struct dtls_context *dtls;
static struct sfu *sfu;
static struct sfu_worker *worker;
static struct sfu_peer *people[PEOPLE];
static uint32_t next_id;

static int64_t real_us(void)
{
    struct timespec t;
    syscall(SYS_clock_gettime, CLOCK_THREAD_CPUTIME_ID, &t);
    return (int64_t)t.tv_sec * 1000000 + t.tv_nsec / 1000;
}

static struct sfu_peer *peer_add(void)
{
    struct sfu_command c = {.type = SFU_PEER_ADD, .peer = ++next_id};
    struct ice_credentials local;
    struct sfu_peer *p;
    ice_credentials_make(&local);
    (void)snprintf(c.remote.ice.local_ufrag, sizeof c.remote.ice.local_ufrag, "%s", local.ufrag);
    (void)snprintf(c.remote.ice.local_pwd, sizeof c.remote.ice.local_pwd, "%s", local.pwd);
    peer_command(worker, &c, NULL);
    HASH_FIND_INT(worker->peers, &next_id, p);
    assert_non_null(p);
    return p;
}

static uint32_t track_add(const struct sfu_peer *publisher)
{
    struct sfu_command c = {.type = SFU_TRACK_ADD, .peer = publisher->id, .track = ++next_id};
    c.track_add.kind = KIND_VIDEO;
    c.track_add.section.rid_count = 3;
    track_command(worker, &c);
    return c.track;
}

static void subscribe(const struct sfu_peer *p, uint32_t track)
{
    struct sfu_command c = {.type = SFU_SUB_ADD, .peer = p->id, .track = track, .sub = ++next_id};
    c.sub_add.kind = KIND_VIDEO;
    c.sub_add.ssrc = next_id;
    sub_command(worker, &c);
}

/* All layers of all tracks send for a second. */
static void send_a_second(const uint32_t *tracks, unsigned n)
{
    static const size_t bytes[] = {
        500, 1000, 2500}; /* 40, 80 and 200 kbit/s: any path is taken to carry them */
    for (int i = 0; i < 10; i++) {
        worker->now_us += 100000;
        for (unsigned k = 0; k < n; k++) {
            struct sfu_track *t = track_find(worker, tracks[k]);
            for (unsigned s = 0; s < 3; s++) {
                struct sfu_packet m = {.stream = (uint8_t)s};
                t->newest_us = worker->now_us;
                assert_non_null(track_stream(t, s));
                allocation_count(t, &m, bytes[s], worker->now_us);
            }
            allocation_track_tick(t, worker->now_us);
        }
    }
}

static unsigned waiting(void)
{
    unsigned n = 0;
    list_for_each(l, &worker->allocate_due)
    {
        n++;
    }
    return n;
}

static void take_events(void *arg, const struct sfu_event *e)
{
    (void)e;
    ++*(unsigned *)arg;
}

static void everybody_is_due(void)
{
    for (unsigned i = 0; i < PEOPLE; i++)
        allocation_wake(people[i]);
    assert_int_equal(waiting(), PEOPLE);
}

static void crowd_open(unsigned videos)
{
    char error[128];
    struct cert *cert = NULL;
    uint32_t tracks[VIDEOS_MAX];
    next_id = 0;
    cfg.rtc.buffer_bytes = 1 << 16;
    assert_int_equal(cert_make(&(struct cert_subject){.days = 30}, &cert, NULL), 0);
    assert_int_equal(dtls_context_new(cert, &dtls), 0);
    cert_free(cert);
    struct sfu_config config = {.cfg = &cfg, .dtls = dtls, .workers = 1};
    assert_int_equal(sfu_new(&config, &sfu, error, sizeof error), 0);
    worker = sfu->workers[0];
    const struct sfu_peer *publisher = peer_add();
    for (unsigned i = 0; i < videos; i++)
        tracks[i] = track_add(publisher);
    send_a_second(tracks, videos);
    for (unsigned i = 0; i < PEOPLE; i++) {
        people[i] = peer_add();
        people[i]->capacity_bps = 60000 * videos + 40000; /* something is short for everybody */
        for (unsigned k = 0; k < videos; k++)
            subscribe(people[i], tracks[k]);
    }
    send_a_second(tracks, videos);
}

static int crowd_close(void **state)
{
    (void)state;
    own_us = 0;
    if (!sfu)
        return 0;
    while (worker->peers)
        peer_remove(worker->peers, false);
    sfu_free(sfu);
    dtls_context_free(dtls);
    sfu = NULL;
    return 0;
}

static unsigned run_all(void)
{
    unsigned rounds = 0;
    for (; waiting(); rounds++)
        allocation_run(worker);
    return rounds;
}

static void a_round_takes_no_more_than_its_slice(void **state)
{
    (void)state;
    crowd_open(1);
    own_us = worker->now_us + 1000000;
    everybody_is_due();
    unsigned rounds = 0, most = 0;
    for (unsigned left = PEOPLE; left; rounds++) {
        int64_t before_us = own_us;
        worker->now_us = own_us;
        allocation_run(worker);
        assert_true(own_us - before_us <= SFU_ALLOCATE_SLICE_US + 3 * READ_US);
        unsigned now = waiting();
        assert_true(now < left);
        most = left - now > most ? left - now : most;
        left = now;
        assert_true(!left || wheel_is_set(&worker->allocate_timer)); /* the rest goes on by itself */
    }
    assert_true(most <= SFU_ALLOCATE_SLICE_US / READ_US + 2);
    assert_true(rounds >= PEOPLE / most);
    for (unsigned i = 0; i < PEOPLE; i++) { /* and everybody was served */
        const struct sfu_sub *s = people[i]->subs;
        assert_true(s->wish.spatial >= 0 && s->want.stream == s->wish.spatial);
    }
}

static void who_has_all_it_wants_costs_little(void **state)
{
    (void)state;
    crowd_open(1);
    for (unsigned i = 0; i < PEOPLE; i++)
        people[i]->capacity_bps = 0;
    everybody_is_due();
    (void)run_all();
    unsigned looked_at = 0;
    for (int i = 0; i < 9; i++) { /* nine tenths of a second */
        worker->now_us += SFU_TICK_US;
        for (struct sfu_sub *s = worker->subs; s; s = s->hh.next)
            s->current = s->wish.spatial; /* key frames have come */
        allocation_tick(worker, worker->now_us);
        looked_at += waiting();
        (void)run_all();
    }
    assert_true(looked_at <= 2 * PEOPLE); /* at first for the key frames, then for none */
    for (unsigned i = 0; i < PEOPLE; i++)
        people[i]->capacity_bps = 60000;
    worker->now_us += SFU_TICK_US;
    allocation_tick(worker, worker->now_us);
    assert_int_equal(waiting(), PEOPLE); /* what became short is seen with the next tick */
}

static void the_time_it_takes(void **state)
{
    (void)state;
    static const unsigned videos[] = {1, 4, 16};
    for (unsigned i = 0; i < sizeof videos / sizeof *videos; i++) {
        crowd_open(videos[i]);
        everybody_is_due();
        (void)run_all();
        unsigned events = 0;
        sfu_flush_events(worker);
        sfu_take_events(sfu, take_events, &events);
        int64_t took_us = 0;
        for (int k = 0; k < 20; k++) {
            worker->now_us += SFU_ALLOCATE_US;
            everybody_is_due();
            int64_t from_us = real_us();
            (void)run_all();
            took_us += real_us() - from_us;
        }
        unsigned later = 0;
        sfu_flush_events(worker);
        sfu_take_events(sfu, take_events, &later);
        int64_t tick_us = real_us();
        for (int k = 0; k < 20; k++)
            allocation_tick(worker, worker->now_us);
        tick_us = real_us() - tick_us;
        (void)run_all();
        printf("%u subscribers, all short of bandwidth, %2u videos each: %.2f us a run, %.1f %% of a core, "
               "%.3f us a tick for who is not due, %.1f events a second and subscriber\n",
            PEOPLE, videos[i], (double)took_us / 20 / PEOPLE,
            (double)took_us / 20 / (double)SFU_ALLOCATE_US * 100, (double)tick_us / 20 / PEOPLE,
            (double)later / 20 / PEOPLE * 1e6 / (double)SFU_ALLOCATE_US);
        assert_true(took_us / 20 / PEOPLE < 1000);
        crowd_close(NULL);
    }
}

#define TEST(name) cmocka_unit_test_teardown(name, crowd_close)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(a_round_takes_no_more_than_its_slice),
        TEST(who_has_all_it_wants_costs_little),
        TEST(the_time_it_takes),
    };
    (void)log_open(LOG_LEVEL_WARN, NULL);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
