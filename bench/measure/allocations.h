/* Counts the allocations of a program, those of the libraries it uses included. Defines malloc and its kin:
 * included by one file of a program. */
#ifndef BENCH_MEASURE_ALLOCATIONS_H
#define BENCH_MEASURE_ALLOCATIONS_H

#include <errno.h>
#include <stdatomic.h>
#include <stddef.h>
#include <stdint.h>

static _Atomic uint64_t allocations;

#if defined __GLIBC__ && !defined __SANITIZE_ADDRESS__ && !defined __SANITIZE_THREAD__
#define ALLOCATIONS_COUNTED 1

void *__libc_malloc(size_t size);
void *__libc_calloc(size_t count, size_t size);
void *__libc_realloc(void *p, size_t size);
void *__libc_memalign(size_t alignment, size_t size);
/* what the C library declares, here without its headers' attributes */
void *malloc(size_t size);
void *calloc(size_t count, size_t size);
void *realloc(void *p, size_t size);
void *aligned_alloc(size_t alignment, size_t size);
int posix_memalign(void **ret, size_t alignment, size_t size);

static inline void allocations_add(void)
{
    atomic_fetch_add_explicit(&allocations, 1, memory_order_relaxed);
}

void *malloc(size_t size)
{
    allocations_add();
    return __libc_malloc(size);
}

void *calloc(size_t count, size_t size)
{
    allocations_add();
    return __libc_calloc(count, size);
}

void *realloc(void *p, size_t size)
{
    allocations_add();
    return __libc_realloc(p, size);
}

void *aligned_alloc(size_t alignment, size_t size)
{
    allocations_add();
    return __libc_memalign(alignment, size);
}

int posix_memalign(void **ret, size_t alignment, size_t size)
{
    allocations_add();
    void *p = __libc_memalign(alignment, size);
    if (!p)
        return ENOMEM;
    *ret = p;
    return 0;
}

#else
#define ALLOCATIONS_COUNTED 0
#endif

#endif
