/* The timer wheel against a naive model, and the promises of its header. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>
#include <stdlib.h>
#include <string.h>
#include "net/wheel.h"

#define TIMERS 200

struct timer {
    struct wheel_timer timer;
    int64_t due_us; /* the model: INT64_MIN when not set */
    int64_t fired_us;
    int fired;
    int id;
};

static struct wheel *wheel;
static struct timer timers[TIMERS];
static int64_t order[100000]; /* due ticks in the order of firing within one advance */
static size_t order_count;
static uint64_t seed;

static uint64_t next_random(void)
{
    seed += 0x9e3779b97f4a7c15u;
    uint64_t z = (seed ^ seed >> 30) * 0xbf58476d1ce4e5b9u;
    z = (z ^ z >> 27) * 0x94d049bb133111ebu;
    return z ^ z >> 31;
}

/* Spans from under a millisecond to a month, so that every level is used. */
static int64_t random_span_us(void)
{
    return (int64_t)(next_random() >> (23 + next_random() % 40));
}

static int64_t tick(int64_t us)
{
    return us / 1000 + (us % 1000 > 0);
}

static void on_fire(struct wheel_timer *t, int64_t now_us)
{
    struct timer *x = t->arg;
    assert_false(wheel_is_set(t));
    assert_true(x->due_us != INT64_MIN);
    assert_true(now_us >= x->due_us);
    order[order_count++] = tick(x->due_us);
    x->due_us = INT64_MIN;
    x->fired++;
    x->fired_us = now_us;
}

static void set(struct timer *x, int64_t due_us)
{
    wheel_set(wheel, &x->timer, due_us);
    x->due_us = due_us;
}

static void cancel(struct timer *x)
{
    wheel_cancel(&x->timer);
    x->due_us = INT64_MIN;
}

static void start(int64_t now_us, wheel_fn fn)
{
    wheel = wheel_new(now_us);
    assert_non_null(wheel);
    for (int i = 0; i < TIMERS; i++) {
        timers[i] = (struct timer){.due_us = INT64_MIN, .id = i};
        wheel_timer_init(&timers[i].timer, fn, &timers[i]);
    }
    order_count = 0;
}

static int64_t model_next_us(void)
{
    int64_t next = INT64_MAX;
    for (int i = 0; i < TIMERS; i++)
        if (timers[i].due_us != INT64_MIN && timers[i].due_us < next)
            next = timers[i].due_us;
    return next;
}

/* Advances and compares: all that is due fired, nothing else did, in order of their milliseconds. */
static void advance_and_compare(int64_t now_us, int64_t before_us)
{
    bool was_due[TIMERS];
    size_t late = 0;
    for (int i = 0; i < TIMERS; i++) {
        int64_t due = timers[i].due_us;
        was_due[i] = due != INT64_MIN && tick(due) <= now_us / 1000;
        late += was_due[i] && tick(due) <= before_us / 1000; /* set for the past: come first, in any order */
        timers[i].fired = 0;
    }
    order_count = 0;
    wheel_advance(wheel, now_us);
    for (int i = 0; i < TIMERS; i++)
        assert_int_equal(timers[i].fired, was_due[i]);
    for (size_t i = late + 1; i < order_count; i++)
        assert_true(order[i - 1] <= order[i]);
}

static void random_operations(uint64_t new_seed, int64_t start_us)
{
    int64_t now_us = start_us;
    seed = new_seed;
    start(now_us, on_fire);
    for (int step = 0; step < 20000; step++) {
        struct timer *x = &timers[next_random() % TIMERS];
        switch (next_random() % 8) {
        case 0:
        case 1:
        case 2:
            set(x, now_us + random_span_us());
            break;
        case 3:
            set(x, now_us - random_span_us()); /* the past */
            break;
        case 4:
            cancel(x);
            break;
        case 5: { /* sleep until it asks for us: never late */
            int64_t next_us = wheel_next_us(wheel), model_us = model_next_us();
            int64_t latest_us = tick(model_us) * 1000 > now_us ? tick(model_us) * 1000 : now_us;
            assert_true(model_us == INT64_MAX ? next_us == INT64_MAX : next_us <= latest_us);
            if (next_us == INT64_MAX)
                break;
            int64_t before_us = now_us;
            now_us = next_us > now_us ? next_us : now_us;
            advance_and_compare(now_us, before_us);
            break;
        }
        default: {
            int64_t before_us = now_us;
            now_us += random_span_us() >> (next_random() % 30);
            advance_and_compare(now_us, before_us);
        }
        }
        assert_int_equal(wheel_is_set(&x->timer), x->due_us != INT64_MIN);
    }
    wheel_free(wheel);
    for (int i = 0; i < TIMERS; i++)
        assert_false(wheel_is_set(&timers[i].timer));
}

static void random_operations_agree_with_a_naive_model(void **state)
{
    (void)state;
    for (uint64_t s = 1; s <= 20; s++)
        random_operations(s, s % 3 == 0 ? 0 : (int64_t)(s * 1234567890123));
}

static void it_never_fires_early_and_at_most_a_millisecond_late(void **state)
{
    (void)state;
    start(1000000, on_fire);
    set(&timers[0], 1000001);
    assert_int_equal(wheel_next_us(wheel), 1001000);
    wheel_advance(wheel, 1000999);
    assert_int_equal(timers[0].fired, 0);
    wheel_advance(wheel, 1001000);
    assert_int_equal(timers[0].fired, 1);
    set(&timers[0], 1002000);
    wheel_advance(wheel, 1001999);
    assert_int_equal(timers[0].fired, 1);
    wheel_advance(wheel, 1002000);
    assert_int_equal(timers[0].fired, 2);
    wheel_free(wheel);
}

static void the_past_fires_at_once_even_within_the_same_millisecond(void **state)
{
    (void)state;
    start(5000, on_fire);
    wheel_advance(wheel, 5100);
    set(&timers[0], 0);
    set(&timers[1], -77);
    set(&timers[2], INT64_MIN + 1);
    assert_true(wheel_next_us(wheel) <= 5100);
    wheel_advance(wheel, 5200);
    assert_int_equal(timers[0].fired + timers[1].fired + timers[2].fired, 3);
    assert_true(wheel_next_us(wheel) == INT64_MAX);
    wheel_free(wheel);
}

static void far_ends_of_time_hold(void **state)
{
    (void)state;
    start(0, on_fire);
    set(&timers[0], INT64_MAX);
    set(&timers[1], INT64_MAX - 1000000);
    wheel_advance(wheel, INT64_MAX / 2);
    assert_int_equal(timers[0].fired + timers[1].fired, 0);
    assert_true(wheel_next_us(wheel) <= INT64_MAX - 1000000 + 1000);
    wheel_advance(wheel, INT64_MAX - 1000);
    assert_int_equal(timers[1].fired, 1);
    assert_int_equal(timers[0].fired, 0);
    wheel_advance(wheel, 1); /* a clock that steps back moves nothing */
    set(&timers[2], INT64_MAX - 5000);
    wheel_advance(wheel, INT64_MAX - 1000);
    assert_int_equal(timers[2].fired, 1);
    wheel_free(wheel);
}

/* In callbacks: set again, cancel a neighbour due in the same millisecond, move one that is due later. */
static void on_meddle(struct wheel_timer *t, int64_t now_us)
{
    struct timer *x = t->arg;
    x->fired++;
    if (x->id == 0) {
        wheel_cancel(&timers[1].timer);
        wheel_set(wheel, &timers[2].timer, now_us + 10000);
        wheel_set(wheel, &timers[0].timer, now_us);     /* now: not in this round again */
        wheel_set(wheel, &timers[3].timer, now_us - 1); /* brought forward, but not into this round */
    }
}

static void callbacks_may_set_and_cancel_anything(void **state)
{
    (void)state;
    start(0, on_meddle);
    for (int i = 0; i < 3; i++)
        set(&timers[i], 1000);
    set(&timers[3], 50000);
    set(&timers[4], 1000);
    wheel_advance(wheel, 2000);
    assert_int_equal(timers[0].fired, 1);
    assert_int_equal(timers[1].fired, 0);
    assert_int_equal(timers[2].fired, 0);
    assert_int_equal(timers[3].fired, 0);
    assert_int_equal(timers[4].fired, 1);
    wheel_cancel(&timers[0].timer);
    wheel_advance(wheel, 2000);
    assert_int_equal(timers[3].fired, 1);
    wheel_advance(wheel, 11999);
    assert_int_equal(timers[2].fired, 0);
    wheel_advance(wheel, 12000);
    assert_int_equal(timers[2].fired, 1);
    assert_int_equal(timers[1].fired, 0);
    wheel_free(wheel);
}

static void on_repeat(struct wheel_timer *t, int64_t now_us)
{
    struct timer *x = t->arg;
    x->fired++;
    wheel_set(wheel, t, t->due_us + 20000);
    assert_true(now_us >= t->due_us - 20000);
}

static void a_stall_does_not_replay_every_missed_period(void **state)
{
    (void)state;
    start(0, on_repeat);
    wheel_set(wheel, &timers[0].timer, 20000);
    wheel_advance(wheel, 10000000); /* ten seconds late: one call, and one a round from here on */
    assert_int_equal(timers[0].fired, 1);
    wheel_advance(wheel, 10000000);
    assert_int_equal(timers[0].fired, 2);
    wheel_free(wheel);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(random_operations_agree_with_a_naive_model),
        cmocka_unit_test(it_never_fires_early_and_at_most_a_millisecond_late),
        cmocka_unit_test(the_past_fires_at_once_even_within_the_same_millisecond),
        cmocka_unit_test(far_ends_of_time_hold),
        cmocka_unit_test(callbacks_may_set_and_cancel_anything),
        cmocka_unit_test(a_stall_does_not_replay_every_missed_period),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
