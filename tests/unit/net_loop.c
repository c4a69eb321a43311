/* The loop: descriptors added and deleted in callbacks, timers, calls from other threads, stopping. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>
#include <errno.h>
#include <pthread.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <unistd.h>
#include "net/clock.h"
#include "net/loop.h"

static struct loop *loop;

static int setup(void **state)
{
    (void)state;
    loop = loop_new();
    return loop ? 0 : -1;
}

static int teardown(void **state)
{
    (void)state;
    loop_free(loop);
    return 0;
}

struct watched {
    int fd;
    struct loop_fd *handle;
    struct watched *victim; /* deleted in the callback */
    int calls;
};

static void on_event(void *arg, uint32_t events, int64_t now_us)
{
    struct watched *w = arg;
    assert_true(events & EPOLLIN);
    assert_int_equal(now_us, loop_now_us(loop));
    w->calls++;
    if (w->victim && w->victim->handle) {
        loop_fd_del(loop, w->victim->handle);
        w->victim->handle = NULL;
    }
}

static void watch(struct watched *w, struct watched *victim)
{
    *w = (struct watched){.fd = eventfd(1, EFD_NONBLOCK), .victim = victim};
    w->handle = loop_fd_add(loop, w->fd, EPOLLIN, on_event, w);
    assert_non_null(w->handle);
}

/* Both are readable at once; whichever runs first deletes the other, whose event was already fetched. */
static void an_event_of_a_deleted_descriptor_is_not_delivered(void **state)
{
    struct watched a, b;
    (void)state;
    watch(&a, &b);
    watch(&b, &a);
    loop_run_once(loop, 0);
    assert_int_equal(a.calls + b.calls, 1);
    loop_run_once(loop, 0);
    assert_int_equal(a.calls + b.calls, 2); /* the survivor */
    loop_fd_del(loop, a.handle ? a.handle : b.handle);
    close(a.fd);
    close(b.fd);
}

static void a_descriptor_may_delete_itself_and_come_back(void **state)
{
    struct watched a;
    (void)state;
    watch(&a, &a);
    loop_run_once(loop, 0);
    loop_run_once(loop, 0);
    assert_int_equal(a.calls, 1);
    a.victim = NULL;
    a.handle = loop_fd_add(loop, a.fd, EPOLLIN, on_event, &a);
    assert_non_null(a.handle);
    loop_run_once(loop, 0);
    assert_int_equal(a.calls, 2);
    assert_int_equal(loop_fd_mod(loop, a.handle, 0), 0);
    loop_run_once(loop, 0);
    assert_int_equal(a.calls, 2);
    loop_fd_del(loop, a.handle);
    close(a.fd);
    errno = 0;
    assert_null(loop_fd_add(loop, a.fd, EPOLLIN, on_event, &a));
    assert_int_equal(errno, EBADF);
}

static int added_calls;

static void on_added(void *arg, uint32_t events, int64_t now_us)
{
    (void)events;
    (void)now_us;
    struct watched *w = arg;
    added_calls++;
    loop_fd_del(loop, w->handle);
}

static void on_add_another(void *arg, uint32_t events, int64_t now_us)
{
    (void)events;
    (void)now_us;
    struct watched *pair = arg;
    loop_fd_del(loop, pair[0].handle);
    pair[1].handle = loop_fd_add(loop, pair[1].fd, EPOLLIN, on_added, &pair[1]);
}

static void descriptors_may_be_added_in_callbacks(void **state)
{
    struct watched pair[2] = {{.fd = eventfd(1, 0)}, {.fd = eventfd(1, 0)}};
    (void)state;
    pair[0].handle = loop_fd_add(loop, pair[0].fd, EPOLLIN, on_add_another, pair);
    loop_run_once(loop, 0);
    loop_run_once(loop, 0);
    assert_int_equal(added_calls, 1);
    close(pair[0].fd);
    close(pair[1].fd);
}

static int64_t timer_fired_us;

static void on_timer(struct wheel_timer *t, int64_t now_us)
{
    (void)t;
    timer_fired_us = now_us;
}

static void the_loop_sleeps_until_a_timer_is_due(void **state)
{
    struct wheel_timer t;
    (void)state;
    wheel_timer_init(&t, on_timer, NULL);
    int64_t start_us = clock_now_us(), due_us = start_us + 30500;
    wheel_set(loop_wheel(loop), &t, due_us);
    timer_fired_us = 0;
    int rounds = 0;
    while (!timer_fired_us) {
        loop_run_once(loop, -1);
        rounds++;
    }
    assert_true(timer_fired_us >= due_us);
    assert_true(rounds <= 3); /* it slept instead of spinning */
}

static char record[64];
static size_t record_len;

static char letters[] = "abcnox";

static void note(void *arg)
{
    record[record_len++] = *(char *)arg;
}

static void after(void *arg)
{
    (void)arg;
    record[record_len++] = '.';
}

static void note_and_call(void *arg)
{
    note(arg);
    assert_int_equal(loop_call(loop, note, &letters[3]), 0);
}

static void calls_keep_their_order_and_after_comes_last(void **state)
{
    struct loop_call own = {.fn = note, .arg = &letters[4]};
    (void)state;
    record_len = 0;
    loop_set_after(loop, after, NULL);
    loop_call(loop, note, &letters[0]);
    loop_call(loop, note_and_call, &letters[1]);
    loop_call_post(loop, &own);
    loop_call(loop, note, &letters[2]);
    loop_run_once(loop, 0);
    assert_memory_equal(record, "aboc.", 5);
    assert_int_equal(record_len, 5);
    loop_run_once(loop, -1); /* the call made inside runs in the next round, which does not sleep */
    assert_memory_equal(record, "aboc.n.", 7);
    loop_call_post(loop, &own); /* may be used again once it ran */
    loop_run_once(loop, -1);
    assert_int_equal(record[7], 'o');
    loop_set_after(loop, NULL, NULL);
}

static int rounds_left;

static void after_again(void *arg)
{
    const struct watched *w = arg;
    if (--rounds_left > 0)
        loop_again(loop);
    else
        assert_int_equal(eventfd_write(w->fd, 1), 0);
}

static void who_has_more_to_do_does_not_sleep(void **state)
{
    struct watched w;
    eventfd_t once;
    (void)state;
    watch(&w, NULL);
    assert_int_equal(eventfd_read(w.fd, &once), 0);
    loop_set_after(loop, after_again, &w);
    rounds_left = 3;
    loop_again(loop);
    for (int i = 0; i < 3; i++) {
        assert_int_equal(w.calls, 0);
        loop_run_once(loop, -1); /* would sleep for ever */
    }
    assert_int_equal(rounds_left, 0);
    loop_set_after(loop, NULL, NULL);
    loop_run_once(loop, -1);
    assert_int_equal(w.calls, 1);
    loop_fd_del(loop, w.handle);
    close(w.fd);
}

static void calls_that_never_ran_are_freed(void **state)
{
    struct loop_call own = {.fn = note, .arg = &letters[5]};
    (void)state;
    struct loop *l = loop_new();
    loop_call(l, note, &letters[5]);
    loop_call_post(l, &own);
    record_len = 0;
    loop_free(l);
    assert_int_equal(record_len, 0);
    loop_free(NULL);
}

#define CALLERS 4
#define CALLS   5000

static _Atomic int running;
static int counts[CALLERS];

static void count(void *arg)
{
    ++*(int *)arg;
}

static void last(void *arg)
{
    (void)arg;
    if (--running == 0)
        loop_stop(loop);
}

static void *caller(void *arg)
{
    for (int i = 0; i < CALLS; i++)
        loop_call(loop, count, arg);
    loop_call(loop, last, NULL);
    return NULL;
}

static void threads_call_into_the_loop(void **state)
{
    pthread_t threads[CALLERS];
    (void)state;
    running = CALLERS;
    for (int i = 0; i < CALLERS; i++)
        pthread_create(&threads[i], NULL, caller, &counts[i]);
    loop_run(loop);
    for (int i = 0; i < CALLERS; i++) {
        pthread_join(threads[i], NULL);
        assert_int_equal(counts[i], CALLS);
    }
}

static void *stopper(void *arg)
{
    loop_stop(arg);
    return NULL;
}

static void a_stop_is_never_lost(void **state)
{
    (void)state;
    loop_stop(loop); /* before the loop runs */
    loop_run(loop);
    for (int i = 0; i < 200; i++) {
        pthread_t thread;
        pthread_create(&thread, NULL, stopper, loop);
        loop_run(loop);
        pthread_join(thread, NULL);
    }
}

/* Always readable: a loop without a pace would find it in every round. */
static void on_busy(void *arg, uint32_t events, int64_t now_us)
{
    struct watched *w = arg;
    (void)events;
    (void)now_us;
    if (++w->calls == 20)
        loop_stop(loop);
}

static int64_t twenty_rounds_us(int64_t apart_us)
{
    struct watched w = {.fd = eventfd(1, EFD_NONBLOCK)};
    w.handle = loop_fd_add(loop, w.fd, EPOLLIN, on_busy, &w);
    loop_set_pace(loop, apart_us);
    int64_t start_us = clock_now_us();
    loop_run(loop);
    int64_t took_us = clock_now_us() - start_us;
    loop_set_pace(loop, 0);
    loop_fd_del(loop, w.handle);
    close(w.fd);
    assert_int_equal(w.calls, 20);
    return took_us;
}

static void on_time(struct wheel_timer *t, int64_t now_us)
{
    *(int64_t *)t->arg = now_us;
    loop_stop(loop);
}

static void rounds_keep_a_distance(void **state)
{
    (void)state;
    assert_true(twenty_rounds_us(5000) >= 19 * 5000);
}

static void set_timer(void *arg)
{
    wheel_set(loop_wheel(loop), arg, loop_now_us(loop) + 20000);
}

static void a_timer_set_in_a_round_ends_the_rest(void **state)
{
    (void)state;
    int64_t fired_us = 0, start_us = clock_now_us();
    struct wheel_timer t = {0};
    wheel_timer_init(&t, on_time, &fired_us);
    loop_set_pace(loop, 900000);
    assert_int_equal(loop_call(loop, set_timer, &t), 0);
    loop_run(loop);
    assert_in_range(fired_us - start_us, 20000, 800000);
    loop_set_pace(loop, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(an_event_of_a_deleted_descriptor_is_not_delivered),
        cmocka_unit_test(a_descriptor_may_delete_itself_and_come_back),
        cmocka_unit_test(descriptors_may_be_added_in_callbacks),
        cmocka_unit_test(the_loop_sleeps_until_a_timer_is_due),
        cmocka_unit_test(calls_keep_their_order_and_after_comes_last),
        cmocka_unit_test(who_has_more_to_do_does_not_sleep),
        cmocka_unit_test(rounds_keep_a_distance),
        cmocka_unit_test(a_timer_set_in_a_round_ends_the_rest),
        cmocka_unit_test(calls_that_never_ran_are_freed),
        cmocka_unit_test(threads_call_into_the_loop),
        cmocka_unit_test(a_stop_is_never_lost),
    };
    return cmocka_run_group_tests(tests, setup, teardown);
}
