/* The control thread: calls from other threads, their order, waiting, timers, the end. */
#include <errno.h>
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stddef.h>
#include <stdint.h>
#include <unistd.h>
#include <cmocka.h>

#include "control/control.h"
#include "net/clock.h"
#include "net/wheel.h"

static int setup(void **state)
{
    *state = control_new();
    return *state ? 0 : -1;
}

static int teardown(void **state)
{
    control_free(*state);
    return 0;
}

static void note_thread(void *arg)
{
    *(pthread_t *)arg = pthread_self();
}

static void a_waited_call_runs_on_the_other_thread(void **state)
{
    struct control *c = *state;
    pthread_t ran = pthread_self();
    assert_int_equal(control_start(c), 0);
    assert_int_equal(control_call_wait(c, note_thread, &ran), 0);
    assert_false(pthread_equal(ran, pthread_self()));
}

static void waiting_without_a_thread_is_refused(void **state)
{
    pthread_t ran = pthread_self();
    assert_int_equal(control_call_wait(*state, note_thread, &ran), -ESRCH);
}

struct order {
    int sender, number;
    int *next; /* of each sender */
    int *wrong;
};

static void check_order(void *arg)
{
    struct order *o = arg;
    if (o->next[o->sender]++ != o->number)
        ++*o->wrong;
}

enum { SENDERS = 4, CALLS = 2000 };

struct sender {
    struct control *control;
    struct order *calls;
};

static void *send_all(void *arg)
{
    struct sender *s = arg;
    for (int i = 0; i < CALLS; i++)
        assert_int_equal(control_call(s->control, check_order, &s->calls[i]), 0);
    return NULL;
}

static void nothing(void *arg)
{
    (void)arg;
}

static void each_senders_calls_keep_their_order(void **state)
{
    static struct order calls[SENDERS][CALLS];
    int next[SENDERS] = {0}, wrong = 0;
    pthread_t threads[SENDERS];
    struct sender senders[SENDERS];
    struct control *c = *state;
    assert_int_equal(control_start(c), 0);
    for (int s = 0; s < SENDERS; s++) {
        for (int i = 0; i < CALLS; i++)
            calls[s][i] = (struct order){.sender = s, .number = i, .next = next, .wrong = &wrong};
        senders[s] = (struct sender){.control = c, .calls = calls[s]};
        assert_int_equal(pthread_create(&threads[s], NULL, send_all, &senders[s]), 0);
    }
    for (int s = 0; s < SENDERS; s++)
        pthread_join(threads[s], NULL);
    assert_int_equal(control_call_wait(c, nothing, NULL), 0);
    for (int s = 0; s < SENDERS; s++)
        assert_int_equal(next[s], CALLS);
    assert_int_equal(wrong, 0);
}

struct timed {
    struct wheel_timer timer;
    struct control *control;
    int64_t set_us, fired_us;
    pthread_mutex_t lock;
    pthread_cond_t changed;
};

static void on_timer(struct wheel_timer *t, int64_t now_us)
{
    struct timed *x = t->arg;
    pthread_mutex_lock(&x->lock);
    x->fired_us = now_us;
    pthread_cond_signal(&x->changed);
    pthread_mutex_unlock(&x->lock);
}

static void set_timer(void *arg)
{
    struct timed *x = arg;
    x->set_us = clock_now_us();
    wheel_set(loop_wheel(control_loop(x->control)), &x->timer, x->set_us + 20000);
}

static void a_timer_fires_at_its_time(void **state)
{
    struct timed x = {
        .control = *state, .lock = PTHREAD_MUTEX_INITIALIZER, .changed = PTHREAD_COND_INITIALIZER};
    wheel_timer_init(&x.timer, on_timer, &x);
    assert_int_equal(control_start(*state), 0);
    assert_int_equal(control_call(*state, set_timer, &x), 0);
    pthread_mutex_lock(&x.lock);
    while (!x.fired_us)
        pthread_cond_wait(&x.changed, &x.lock);
    pthread_mutex_unlock(&x.lock);
    control_stop(*state);
    assert_true(x.fired_us - x.set_us >= 20000);
}

static void it_can_be_stopped_and_started_again(void **state)
{
    struct control *c = *state;
    pthread_t ran = pthread_self();
    for (int i = 0; i < 3; i++) {
        assert_int_equal(control_start(c), 0);
        assert_int_equal(control_call_wait(c, note_thread, &ran), 0);
        control_stop(c);
        control_stop(c);
    }
}

static void calls_that_did_not_run_are_freed(void **state)
{
    for (int i = 0; i < 100; i++)
        assert_int_equal(control_call(*state, nothing, NULL), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(a_waited_call_runs_on_the_other_thread, setup, teardown),
        cmocka_unit_test_setup_teardown(waiting_without_a_thread_is_refused, setup, teardown),
        cmocka_unit_test_setup_teardown(each_senders_calls_keep_their_order, setup, teardown),
        cmocka_unit_test_setup_teardown(a_timer_fires_at_its_time, setup, teardown),
        cmocka_unit_test_setup_teardown(it_can_be_stopped_and_started_again, setup, teardown),
        cmocka_unit_test_setup_teardown(calls_that_did_not_run_are_freed, setup, teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
