/* The pacer, in virtual time: who goes first, how much goes at once, how fast, and what is dropped. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>
#include <errno.h>
#include "cc/pacer.h"

#define START_US 1000000
#define SIZE     1000 /* bytes of a packet */

static struct pacer_pool pool;
static struct pacer pacer;
static int64_t now_us;
static uint64_t next_seq;
static int owner_a, owner_b;

static int setup(void **state)
{
    (void)state;
    now_us = START_US;
    next_seq = 0;
    pacer_pool_init(&pool, PACER_POOL_ITEMS);
    pacer_init(&pacer, now_us);
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    pacer_purge(&pacer, &pool, NULL);
    size_t used = pool.used;
    pool.used = 0;
    pacer_pool_done(&pool);
    return used == 0 ? 0 : -1;
}

static int put_of(void *owner, enum pacer_class class, uint16_t size)
{
    struct pacer_item *item = pacer_item_get(&pool);
    assert_non_null(item);
    item->owner = owner;
    item->size = size;
    item->out.seq = next_seq++;
    item->kind = (uint8_t) class;
    int r = pacer_input(&pacer, class, item, now_us);
    if (r)
        pacer_item_put(&pool, item);
    return r;
}

static void put(enum pacer_class class, unsigned count)
{
    while (count--)
        assert_int_equal(put_of(&owner_a, class, SIZE), 0);
}

/* Takes what may go now; how many. */
static unsigned take(void)
{
    unsigned n = 0;
    for (struct pacer_item *i; (i = pacer_take(&pacer, false, now_us)); n++)
        pacer_item_put(&pool, i);
    return n;
}

static void audio_goes_first_then_repairs_then_video(void **state)
{
    static const enum pacer_class in[] = {PACER_VIDEO, PACER_RTX, PACER_AUDIO, PACER_VIDEO, PACER_AUDIO},
                                  out[] = {PACER_AUDIO, PACER_AUDIO, PACER_RTX, PACER_VIDEO, PACER_VIDEO};
    static const uint64_t seqs[] = {2, 4, 1, 0, 3};
    (void)state;
    for (int i = 0; i < 5; i++)
        assert_int_equal(put_of(&owner_a, in[i], 200), 0);
    for (int i = 0; i < 5; i++) {
        struct pacer_item *item = pacer_take(&pacer, false, now_us);
        assert_non_null(item);
        assert_int_equal(item->kind, out[i]);
        assert_int_equal(item->out.seq, seqs[i]);
        pacer_item_put(&pool, item);
    }
    assert_null(pacer_take(&pacer, false, now_us));
    assert_false(pacer_waits(&pacer));
}

/* 1.5 Mbit/s at 30 frames a second: 6,250 bytes a frame, six packets. */
static void a_frame_that_fits_goes_at_once(void **state)
{
    (void)state;
    for (int frame = 0; frame < 90; frame++) {
        for (int i = 0; i < 6; i++)
            assert_int_equal(put_of(&owner_a, PACER_VIDEO, 1042 + 40), 0);
        assert_int_equal(take(), 6);
        now_us += 33333;
    }
}

/* No 5 ms carry more than the pace rate gives in that time, and one packet that began within it. */
static void a_large_frame_goes_in_steps(void **state)
{
    const int64_t burst = INT64_C(1) * PACER_RATE_MIN_BPS / 8 * PACER_BURST_US / 1000000;
    (void)state;
    put(PACER_VIDEO, 60); /* 60,000 bytes in half a second: 2.5 times that is below the least rate */
    unsigned sent = 0, turns = 0;
    while (pacer_waits(&pacer)) {
        unsigned n = take();
        assert_true(n * SIZE <= burst + SIZE);
        assert_true(n > 0);
        sent += n;
        turns++;
        assert_true(
            (int64_t)sent * SIZE <= burst + SIZE + (now_us - START_US) * (PACER_RATE_MIN_BPS / 8) / 1000000);
        now_us += PACER_BURST_US;
    }
    assert_int_equal(sent, 60);
    assert_in_range(turns, 9, 11);
}

/* Turns that come late do not make it slower. */
static void late_turns_are_made_up_for(void **state)
{
    (void)state;
    put(PACER_VIDEO, 60);
    unsigned turns = 1;
    for (take(); pacer_waits(&pacer); turns++) {
        now_us += 12000;
        take();
    }
    assert_in_range(now_us - START_US, 36000, 60000);
    assert_in_range(turns, 4, 6);
}

static void idleness_saves_up_one_burst_only(void **state)
{
    (void)state;
    put(PACER_VIDEO, 1);
    assert_int_equal(take(), 1);
    now_us += 60000000;
    put(PACER_VIDEO, 30);
    assert_in_range(take(), 6, 7);
}

/* Five times the least rate, in frames of 20 ms: the pace follows, and nothing waits for long. */
static void the_pace_follows_what_comes(void **state)
{
    unsigned most = 0;
    (void)state;
    assert_int_equal(pacer_rate_bps(&pacer), PACER_RATE_MIN_BPS);
    for (int i = 0; i < 300; i++) {
        if (i % 5 == 0)
            put(PACER_VIDEO, 125);
        take();
        if (i > 150) /* the half second, and what waited until the pace was known */
            most = pacer.count > most ? pacer.count : most;
        now_us += PACER_TICK_US;
    }
    assert_in_range(pacer_rate_bps(&pacer), 120000000, 155000000);
    assert_in_range(most, 1, 124);
    assert_null(pacer_overdue(&pacer, now_us));
    now_us += 1000000;
    put(PACER_VIDEO, 1);
    assert_int_equal(pacer_rate_bps(&pacer), PACER_RATE_MIN_BPS);
}

static void an_estimate_raises_the_pace(void **state)
{
    (void)state;
    pacer.estimate_bps = 100000000;
    now_us += PACER_BURST_US;
    put(PACER_VIDEO, 100);
    assert_in_range(take(), 62, 63);
}

static void audio_never_waits(void **state)
{
    (void)state;
    put(PACER_VIDEO, 60);
    take();
    put(PACER_RTX, 1);
    for (int i = 0; i < 20; i++) {
        put(PACER_AUDIO, 1);
        struct pacer_item *item = pacer_take(&pacer, true, now_us);
        assert_non_null(item);
        assert_int_equal(item->kind, PACER_AUDIO);
        pacer_item_put(&pool, item);
        assert_null(pacer_take(&pacer, true, now_us));
    }
    now_us += 2 * PACER_BURST_US + 1000; /* what it used is owed, but for a burst at most */
    assert_true(take() > 0);
    while (pacer.count < PACER_ITEMS_MAX)
        put(PACER_VIDEO, 1);
    assert_int_equal(put_of(&owner_a, PACER_VIDEO, SIZE), -ENOBUFS);
    assert_int_equal(put_of(&owner_a, PACER_RTX, SIZE), -ENOBUFS);
    assert_int_equal(put_of(&owner_a, PACER_AUDIO, SIZE), 0);
    assert_int_equal(take() > 0, 1);
}

static void video_that_waits_too_long_is_named(void **state)
{
    (void)state;
    put(PACER_VIDEO, 8);
    take();
    assert_true(pacer_waits(&pacer));
    assert_null(pacer_overdue(&pacer, now_us + PACER_QUEUE_US));
    assert_ptr_equal(pacer_overdue(&pacer, now_us + PACER_QUEUE_US + 1), &owner_a);
    while (pacer.count < PACER_ITEMS_MAX)
        assert_int_equal(put_of(&owner_b, PACER_VIDEO, SIZE), 0);
    assert_ptr_equal(pacer_overdue(&pacer, now_us), &owner_a); /* the oldest one's */
    pacer_purge(&pacer, &pool, &owner_a);
    assert_null(pacer_overdue(&pacer, now_us));
    pacer_purge(&pacer, &pool, &owner_b);
    put(PACER_RTX, 20);
    take();
    assert_null(pacer_overdue(&pacer, now_us + 10 * PACER_QUEUE_US)); /* only video goes stale */
}

static bool is_odd(void *arg, const struct pacer_item *item)
{
    (void)arg;
    return item->out.seq % 2;
}

static void what_is_dropped_leaves_the_order_of_the_rest(void **state)
{
    (void)state;
    for (int i = 0; i < 10; i++)
        assert_int_equal(put_of(&owner_a, PACER_VIDEO, 100), 0);
    assert_int_equal(pacer_drop(&pacer, &pool, PACER_VIDEO, is_odd, NULL), 5);
    assert_int_equal(pacer_drop(&pacer, &pool, PACER_AUDIO, is_odd, NULL), 0);
    assert_int_equal(pool.used, 5);
    for (uint64_t seq = 0; seq < 10; seq += 2) {
        struct pacer_item *item = pacer_take(&pacer, false, now_us);
        assert_int_equal(item->out.seq, seq);
        pacer_item_put(&pool, item);
    }
    put(PACER_VIDEO, 1); /* the end of the queue is found again */
    assert_int_equal(take(), 1);
}

static void who_leaves_takes_everything_along(void **state)
{
    (void)state;
    struct packet_pool *packets = packet_pool_new(64);
    assert_non_null(packets);
    for (int i = 0; i < 12; i++) {
        assert_int_equal(put_of(i % 2 ? &owner_b : &owner_a, (enum pacer_class)(i % 3), SIZE), 0);
        pacer.queues[i % 3].tail->packet = packet_get(packets);
    }
    assert_int_equal(pacer_purge(&pacer, &pool, &owner_a), 6);
    assert_int_equal(packet_pool_used(packets), 6);
    for (int c = 0; c < PACER_CLASSES; c++)
        for (const struct pacer_item *i = pacer.queues[c].head; i; i = i->next)
            assert_ptr_equal(i->owner, &owner_b);
    assert_int_equal(pacer_purge(&pacer, &pool, NULL), 6);
    assert_int_equal(packet_pool_used(packets), 0);
    assert_false(pacer_waits(&pacer));
    packet_pool_free(packets);
}

static void the_pool_has_an_end(void **state)
{
    struct pacer_item *items[2 * PACER_CHUNK_ITEMS];
    (void)state;
    pacer_pool_init(&pool, 2 * PACER_CHUNK_ITEMS);
    for (size_t i = 0; i < 2 * PACER_CHUNK_ITEMS; i++)
        assert_non_null(items[i] = pacer_item_get(&pool));
    assert_null(pacer_item_get(&pool));
    pacer_item_put(&pool, items[7]);
    assert_ptr_equal(pacer_item_get(&pool), items[7]);
    assert_null(pacer_item_get(&pool));
    for (size_t i = 0; i < 2 * PACER_CHUNK_ITEMS; i++)
        pacer_item_put(&pool, items[i]);
    pacer_item_put(&pool, NULL);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(audio_goes_first_then_repairs_then_video, setup, teardown),
        cmocka_unit_test_setup_teardown(a_frame_that_fits_goes_at_once, setup, teardown),
        cmocka_unit_test_setup_teardown(a_large_frame_goes_in_steps, setup, teardown),
        cmocka_unit_test_setup_teardown(late_turns_are_made_up_for, setup, teardown),
        cmocka_unit_test_setup_teardown(idleness_saves_up_one_burst_only, setup, teardown),
        cmocka_unit_test_setup_teardown(the_pace_follows_what_comes, setup, teardown),
        cmocka_unit_test_setup_teardown(an_estimate_raises_the_pace, setup, teardown),
        cmocka_unit_test_setup_teardown(audio_never_waits, setup, teardown),
        cmocka_unit_test_setup_teardown(video_that_waits_too_long_is_named, setup, teardown),
        cmocka_unit_test_setup_teardown(what_is_dropped_leaves_the_order_of_the_rest, setup, teardown),
        cmocka_unit_test_setup_teardown(who_leaves_takes_everything_along, setup, teardown),
        cmocka_unit_test_setup_teardown(the_pool_has_an_end, setup, teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
