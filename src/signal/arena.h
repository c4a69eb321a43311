/* Memory for one message under construction: zeroed pieces, freed together. One thread. */
#ifndef SIGNAL_ARENA_H
#define SIGNAL_ARENA_H

#include <stddef.h>

struct arena_chunk;
struct arena {
    struct arena_chunk *chunks;
    size_t left; /* bytes in the newest chunk */
};

/* size bytes of zeroes, aligned for anything; aborts when memory is short (messages of a few kilobytes on the
 * control thread, which can do nothing without them). */
void *arena_get(struct arena *a, size_t size);
char *arena_text(struct arena *a, const char *text); /* a copy */
void arena_done(struct arena *a);

#define arena_new(a, type)      ((type *)arena_get((a), sizeof(type)))
#define arena_array(a, type, n) ((type *)arena_get((a), (n) * sizeof(type)))

#endif
