/* The bound from loss, against links that lose in different ways. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>
#include "cc/loss.h"
#include "support/seeded.h"

#define MS(x) ((int64_t)(x)*1000)
#define SIZE  1000

struct path {
    struct loss loss;
    struct seeded random;
    int64_t now_us;
    int64_t delay_bps; /* what the delay would allow */
    int64_t link_bps;  /* a policer drops what is above; 0: none */
    uint32_t loss_percent;
};

static void path_init(struct path *p, uint64_t seed)
{
    *p = (struct path){.random = seeded_of(seed), .now_us = MS(1000), .delay_bps = 2000000};
    loss_init(&p->loss);
}

static int64_t rate_of(const struct path *p)
{
    return p->loss.bound_bps < p->delay_bps ? p->loss.bound_bps : p->delay_bps;
}

/* Sends as fast as allowed, with a report each 100 ms. Returns the mean rate. */
static double run(struct path *p, int seconds)
{
    double sum = 0;
    for (int i = 0; i < seconds * 10; i++) {
        int64_t rate_bps = rate_of(p), packets = rate_bps / 10 / 8 / SIZE, arrived = 0;
        for (int64_t k = 0; k < packets; k++) {
            bool passes =
                p->link_bps == 0 || (int64_t)(seeded_u64(&p->random) % (uint64_t)rate_bps) < p->link_bps;
            bool received = passes && !seeded_chance(&p->random, p->loss_percent);
            loss_input(&p->loss, p->now_us + k * MS(100) / packets, SIZE, received, false);
            arrived += received;
        }
        p->now_us += MS(100);
        loss_update(&p->loss, p->delay_bps, arrived * 80 * SIZE, 30000);
        sum += (double)rate_of(p);
    }
    return sum / (seconds * 10);
}

static void without_loss_there_is_no_bound(void **state)
{
    (void)state;
    struct path p;
    path_init(&p, 1);
    run(&p, 20);
    assert_true(p.loss.bound_bps == INT64_MAX);
}

static void loss_of_the_medium_hardly_moves_it(void **state)
{
    (void)state;
    for (uint64_t seed = 1; seed <= 5; seed++) {
        struct path p;
        path_init(&p, seed);
        p.loss_percent = 2;
        assert_true(run(&p, 60) > 1800000);
        path_init(&p, seed);
        p.loss_percent = 10;
        assert_true(run(&p, 60) > 1000000);
    }
}

static void a_policer_is_found(void **state)
{
    (void)state;
    for (uint64_t seed = 1; seed <= 5; seed++) {
        struct path p;
        path_init(&p, seed);
        run(&p, 10);
        p.link_bps = 800000;
        run(&p, 5);
        double mean = run(&p, 30);
        assert_true(mean > 650000 && mean < 950000);
        p.link_bps = 0;
        run(&p, 20);
        assert_true(rate_of(&p) == 2000000);
    }
}

static void an_outage_is_not_taken_for_a_slow_link(void **state)
{
    (void)state;
    struct path p;
    path_init(&p, 1);
    for (int i = 0; i < 10; i++) {
        run(&p, 5);
        p.loss_percent = 100;
        for (int k = 0; k < 20; k++, p.now_us += MS(5))
            loss_input(&p.loss, p.now_us, SIZE, false, false);
        p.loss_percent = 0;
        assert_true(run(&p, 2) > 1950000);
    }
    run(&p, 5);
    assert_true(rate_of(&p) == 2000000);
}

static void what_comes_late_was_not_lost(void **state)
{
    (void)state;
    struct path p;
    path_init(&p, 1);
    for (int i = 0; i < 3000; i++) {
        p.now_us += MS(5);
        loss_input(&p.loss, p.now_us, SIZE, i % 10 != 0, false);
        if (i % 10 == 5)
            loss_input(&p.loss, p.now_us - MS(25), SIZE, true, true);
        if (i % 20 == 19)
            loss_update(&p.loss, p.delay_bps, 1600000, 30000);
    }
    assert_true(p.loss.bound_bps == INT64_MAX);
    assert_int_equal(p.loss.total_lost, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(without_loss_there_is_no_bound),
        cmocka_unit_test(loss_of_the_medium_hardly_moves_it),
        cmocka_unit_test(a_policer_is_found),
        cmocka_unit_test(an_outage_is_not_taken_for_a_slow_link),
        cmocka_unit_test(what_comes_late_was_not_lost),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
