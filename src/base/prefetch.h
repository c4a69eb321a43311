/* Memory that is needed soon. What a loop over many receivers touches of each is spread over dozens of cache
 * lines that the others have pushed out since; asked for a few receivers ahead, they come while work goes on.
 */
#ifndef BASE_PREFETCH_H
#define BASE_PREFETCH_H

#include <stddef.h>
#include <stdint.h>

#define CACHE_LINE 64

/* Hints only: any address is allowed. len: bytes from p on. */
static inline void prefetch(const void *p, size_t len)
{
    uintptr_t end = (uintptr_t)p + len;
    for (uintptr_t line = (uintptr_t)p & ~(uintptr_t)(CACHE_LINE - 1); line < end; line += CACHE_LINE)
        __builtin_prefetch((const void *)line, 1);
}

#endif
