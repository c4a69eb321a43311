/* The packet pool: limits, reuse, references, packets that come back from other threads. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>
#include <pthread.h>
#include <sched.h>
#include <string.h>
#include "base/packet.h"
#include "base/ring.h"

static void the_limit_holds_and_packets_come_back(void **state)
{
    enum { MAX = POOL_CHUNK_PACKETS + 10 };
    static struct packet *held[MAX];
    (void)state;
    struct packet_pool *pool = packet_pool_new(MAX);
    assert_non_null(pool);
    for (int round = 0; round < 3; round++) {
        for (int i = 0; i < MAX; i++) {
            held[i] = packet_get(pool);
            assert_non_null(held[i]);
            assert_ptr_equal(held[i]->data, held[i]->buf + PACKET_HEADROOM);
            assert_int_equal(held[i]->len, 0);
            assert_null(held[i]->next);
            memset(held[i]->buf, i, sizeof held[i]->buf);
            memset(held[i]->control, i, sizeof held[i]->control);
            held[i]->data += 5;
            held[i]->len = 9;
        }
        assert_null(packet_get(pool));
        assert_int_equal(packet_pool_used(pool), MAX);
        for (int i = 0; i < MAX; i++) { /* nobody shares memory with anybody */
            assert_int_equal(held[i]->buf[0], (uint8_t)i);
            assert_int_equal(held[i]->buf[sizeof held[i]->buf - 1], (uint8_t)i);
            packet_unref(held[i]);
        }
        assert_int_equal(packet_pool_used(pool), 0);
    }
    packet_pool_free(pool);
    packet_pool_free(NULL);
    packet_unref(NULL);
}

static void control_areas_are_aligned(void **state)
{
    (void)state;
    struct packet_pool *pool = packet_pool_new(4);
    struct packet *held[4];
    for (int i = 0; i < 4; i++) {
        held[i] = packet_get(pool);
        assert_int_equal((uintptr_t)held[i]->control % 8, 0);
    }
    for (int i = 0; i < 4; i++)
        packet_unref(held[i]);
    packet_pool_free(pool);
}

static void the_last_reference_releases(void **state)
{
    (void)state;
    struct packet_pool *pool = packet_pool_new(1);
    struct packet *p = packet_get(pool);
    assert_ptr_equal(packet_ref(p), p);
    packet_ref(p);
    packet_unref(p);
    packet_unref(p);
    assert_int_equal(packet_pool_used(pool), 1);
    assert_null(packet_get(pool));
    packet_unref(p);
    assert_int_equal(packet_pool_used(pool), 0);
    p = packet_get(pool);
    assert_non_null(p);
    packet_unref(p);
    packet_pool_free(pool);
}

#define READERS  3
#define MESSAGES 30000

static struct ring rings[READERS];

static void *reader(void *arg)
{
    struct ring *r = arg;
    uint64_t expected = 0;
    while (expected < MESSAGES) {
        struct packet *p = ring_pop(r);
        if (!p) {
            sched_yield();
            continue;
        }
        uint64_t got;
        memcpy(&got, p->data, sizeof got);
        if (got != expected || p->len != sizeof got)
            return r; /* overwritten while it was held */
        expected++;
        packet_unref(p);
    }
    return NULL;
}

/* One thread fills packets and hands a reference to each of three others, which release in any order. */
static void packets_released_elsewhere_come_back(void **state)
{
    (void)state;
    struct packet_pool *pool = packet_pool_new(64);
    pthread_t threads[READERS];
    for (int i = 0; i < READERS; i++) {
        assert_int_equal(ring_init(&rings[i], 16), 0);
        assert_int_equal(pthread_create(&threads[i], NULL, reader, &rings[i]), 0);
    }
    for (uint64_t n = 0; n < MESSAGES; n++) {
        struct packet *p;
        while (!(p = packet_get(pool)))
            sched_yield();
        memcpy(p->data, &n, sizeof n);
        p->len = sizeof n;
        for (int i = 0; i < READERS; i++) {
            packet_ref(p);
            while (!ring_push(&rings[i], p))
                sched_yield();
        }
        packet_unref(p);
    }
    for (int i = 0; i < READERS; i++) {
        void *spoiled;
        pthread_join(threads[i], &spoiled);
        assert_null(spoiled);
        ring_done(&rings[i]);
    }
    assert_int_equal(packet_pool_used(pool), 0);
    packet_pool_free(pool);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_limit_holds_and_packets_come_back),
        cmocka_unit_test(control_areas_are_aligned),
        cmocka_unit_test(the_last_reference_releases),
        cmocka_unit_test(packets_released_elsewhere_come_back),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
