/* The ring between two threads: order, bounds, wrap-around. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>
#include <errno.h>
#include <pthread.h>
#include <sched.h>
#include "base/ring.h"

static void only_powers_of_two_are_capacities(void **state)
{
    static struct ring r; /* GCC 12's fake stacks do not align to 64 bytes */
    (void)state;
    assert_int_equal(ring_init(&r, 0), -EINVAL);
    assert_int_equal(ring_init(&r, 3), -EINVAL);
    assert_int_equal(ring_init(&r, 6), -EINVAL);
    assert_int_equal(ring_init(&r, 1), 0);
    ring_done(&r);
}

static void order_is_kept_and_full_is_full(void **state)
{
    static struct ring r;
    char items[64];
    (void)state;
    assert_int_equal(ring_init(&r, 8), 0);
    assert_null(ring_pop(&r));
    size_t in = 0, out = 0;
    while (in < sizeof items) { /* fill to the brim, take a few, again */
        while (in < sizeof items && ring_push(&r, &items[in]))
            in++;
        assert_int_equal(ring_count(&r), in - out);
        assert_true(in == sizeof items || in - out == 8);
        for (int i = 0; i < 3; i++)
            assert_ptr_equal(ring_pop(&r), &items[out++]);
    }
    while (out < in)
        assert_ptr_equal(ring_pop(&r), &items[out++]);
    assert_null(ring_pop(&r));
    assert_int_equal(ring_count(&r), 0);
    ring_done(&r);
}

#define ITEMS 300000

static void *producer(void *arg)
{
    for (uintptr_t i = 1; i <= ITEMS; i++)
        while (!ring_push(arg, (void *)i))
            sched_yield();
    return NULL;
}

static void two_threads_lose_and_swap_nothing(void **state)
{
    static struct ring r;
    pthread_t thread;
    (void)state;
    assert_int_equal(ring_init(&r, 64), 0);
    pthread_create(&thread, NULL, producer, &r);
    for (uintptr_t expected = 1; expected <= ITEMS;) {
        void *item = ring_pop(&r);
        assert_true(ring_count(&r) <= 64);
        if (!item)
            sched_yield();
        else
            assert_int_equal((uintptr_t)item, expected++);
    }
    pthread_join(thread, NULL);
    ring_done(&r);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(only_powers_of_two_are_capacities),
        cmocka_unit_test(order_is_kept_and_full_is_full),
        cmocka_unit_test(two_threads_lose_and_swap_nothing),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
