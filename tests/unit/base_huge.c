/* Blocks in huge pages: apart from each other, zeroed, used again, and given back. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>
#include <pthread.h>
#include <string.h>
#include "base/huge.h"
#include "base/limits.h"
#include "base/prefetch.h"
#include "support/seeded.h"

#define BLOCKS 1000

static struct block {
    uint8_t *p;
    size_t size;
    uint8_t mark;
} blocks[BLOCKS];

static void take(struct block *b, size_t size, uint8_t mark)
{
    *b = (struct block){.p = huge_alloc(size), .size = size, .mark = mark};
    assert_non_null(b->p);
    assert_int_equal((uintptr_t)b->p % CACHE_LINE, 0);
    for (size_t i = 0; i < size; i++)
        assert_int_equal(b->p[i], 0);
    memset(b->p, mark, size);
}

static void give(struct block *b)
{
    for (size_t i = 0; i < b->size; i++) /* nobody else has written there */
        assert_int_equal(b->p[i], b->mark);
    huge_free(b->p, b->size);
    b->p = NULL;
}

static void blocks_are_apart_whatever_comes_and_goes(void **state)
{
    (void)state;
    struct seeded r = seeded_of(7);
    for (int step = 0; step < 20000; step++) {
        struct block *b = &blocks[seeded_below(&r, BLOCKS)];
        if (b->p)
            give(b);
        else
            take(b,
                1 + seeded_below(&r, step % 50     ? 3000
                                     : step % 1000 ? 500000
                                                   : 3000000),
                (uint8_t)(step | 1));
    }
    for (int i = 0; i < BLOCKS; i++)
        if (blocks[i].p)
            give(&blocks[i]);
    huge_free(NULL, 10);
}

static void memory_goes_back(void **state)
{
    (void)state;
    size_t before = huge_held();
    for (int round = 0; round < 3; round++) {
        for (int i = 0; i < BLOCKS; i++)
            take(&blocks[i], 2500, (uint8_t)i);
        size_t most = huge_held();
        if (most) /* sanitizers have each block on its own */
            assert_true(most >= (size_t)BLOCKS * 2500 && most <= (size_t)BLOCKS * 2500 * 5 / 4 + before);
        for (int i = 0; i < BLOCKS; i++)
            give(&blocks[i]);
        assert_true(huge_held() <= (size_t)2 << 20);
    }
}

static void *churn(void *arg)
{
    struct seeded r = seeded_of((uintptr_t)arg);
    uint8_t *own[50] = {0};
    uintptr_t bad = 0;
    for (int step = 0; step < 20000; step++) {
        uint32_t i = seeded_below(&r, 50);
        size_t size = 64 + i * 10;
        if (own[i]) {
            bad += own[i][0] != i + 1 || own[i][size - 1] != i + 1;
            huge_free(own[i], size);
            own[i] = NULL;
        } else if ((own[i] = huge_alloc(size))) {
            bad += own[i][0] != 0 || own[i][size - 1] != 0;
            own[i][0] = own[i][size - 1] = (uint8_t)(i + 1);
        }
    }
    for (uint32_t i = 0; i < 50; i++)
        huge_free(own[i], 64 + i * 10);
    return (void *)bad;
}

static void threads_share_it(void **state)
{
    pthread_t threads[3];
    (void)state;
    for (uintptr_t i = 0; i < 3; i++)
        assert_int_equal(pthread_create(&threads[i], NULL, churn, (void *)(i + 1)), 0);
    for (int i = 0; i < 3; i++) {
        void *bad;
        assert_int_equal(pthread_join(threads[i], &bad), 0);
        assert_null(bad);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(blocks_are_apart_whatever_comes_and_goes),
        cmocka_unit_test(memory_goes_back),
        cmocka_unit_test(threads_share_it),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
