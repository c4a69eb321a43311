/* Memory that runs short: a malloc of the test program's own, which fails at a moment of the test's choosing
 * and counts what is not given back. Sanitizers bring their own malloc; under them nothing fails and nothing
 * is counted. Included by one file of a program, since it defines malloc. */
#ifndef SUPPORT_SHORT_MEMORY_H
#define SUPPORT_SHORT_MEMORY_H

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <cmocka.h>

#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
#define OWN_MALLOC 0
#elif defined(__has_feature)
#if __has_feature(address_sanitizer) || __has_feature(thread_sanitizer)
#define OWN_MALLOC 0
#endif
#endif
#ifndef OWN_MALLOC
#define OWN_MALLOC 1
#endif

static long memory_countdown = -1; /* allocations until one fails; negative: none does, or one did */
static long memory_live;           /* blocks taken and not given back while counting */
static int memory_counting;

/* Did an allocation fail since memory_short_from? */
static inline int memory_failed(void)
{
    return OWN_MALLOC && memory_countdown < 0;
}

/* From here on allocations count, and the nth one (from 0) fails. */
static inline void memory_short_from(long n)
{
    memory_countdown = n;
    memory_live = 0;
    memory_counting = OWN_MALLOC;
}

/* Back to plenty. Returns the blocks that are still taken. */
static inline long memory_plenty(void)
{
    memory_counting = 0;
    return memory_live;
}

#if OWN_MALLOC
extern void *__libc_malloc(size_t n);
extern void *__libc_calloc(size_t n, size_t size);
extern void *__libc_realloc(void *p, size_t n);
extern void __libc_free(void *p);

static int memory_fails(void)
{
    return memory_counting && memory_countdown >= 0 && memory_countdown-- == 0;
}

void *malloc(size_t n)
{
    void *p = memory_fails() ? NULL : __libc_malloc(n);
    memory_live += memory_counting && p;
    return p;
}

void *calloc(size_t n, size_t size)
{
    void *p = memory_fails() ? NULL : __libc_calloc(n, size);
    memory_live += memory_counting && p;
    return p;
}

void *realloc(void *old, size_t n)
{
    void *p = memory_fails() ? NULL : __libc_realloc(old, n);
    memory_live += memory_counting && p && !old;
    return p;
}

void free(void *p)
{
    memory_live -= memory_counting && p;
    __libc_free(p);
}
#endif

/* Runs fn with the nth allocation failing, for every n until none fails. fn says -ENOMEM when one did, and 0
 * then; what it took it has given back. */
static inline void memory_fail_each(int (*fn)(void))
{
    for (long n = 0, done = 0; !done; n++) {
        assert_true(n < 10000);
        memory_short_from(n);
        int err = fn();
        done = !memory_failed();
        assert_int_equal(memory_plenty(), 0);
        assert_int_equal(err, done ? 0 : -ENOMEM);
        assert_true(!OWN_MALLOC || !done || n > 3);
    }
}

#endif
