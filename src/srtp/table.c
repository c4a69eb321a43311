#include "srtp/table.h"
#include <errno.h>
#include "base/huge.h"

#define SIZE_MIN 16

static size_t slot_of(const struct srtp_table *t, uint32_t ssrc)
{
    return ((uint64_t)ssrc * 0x9e3779b97f4a7c15u >> 32) & (t->size - 1);
}

const struct srtp_table_slot *srtp_table_place(const struct srtp_table *t, uint32_t ssrc)
{
    return t->size ? &t->slots[slot_of(t, ssrc)] : NULL;
}

void *srtp_table_get(const struct srtp_table *t, uint32_t ssrc)
{
    if (t->size == 0)
        return NULL;
    for (size_t i = slot_of(t, ssrc); t->slots[i].value; i = (i + 1) & (t->size - 1)) {
        if (t->slots[i].ssrc == ssrc)
            return t->slots[i].value;
    }
    return NULL;
}

/* There is a free slot. True: the SSRC was new. */
static int put(struct srtp_table *t, uint32_t ssrc, void *value)
{
    size_t i = slot_of(t, ssrc);
    while (t->slots[i].value && t->slots[i].ssrc != ssrc)
        i = (i + 1) & (t->size - 1);
    int is_new = t->slots[i].value == NULL;
    t->slots[i] = (struct srtp_table_slot){.value = value, .ssrc = ssrc};
    return is_new;
}

static int resize(struct srtp_table *t, size_t size)
{
    struct srtp_table bigger = {
        .slots = huge_alloc(size * sizeof *t->slots), .size = size, .count = t->count};
    if (!bigger.slots)
        return -ENOMEM;
    for (size_t i = 0; i < t->size; i++) {
        if (t->slots[i].value)
            (void)put(&bigger, t->slots[i].ssrc, t->slots[i].value);
    }
    huge_free(t->slots, t->size * sizeof *t->slots);
    *t = bigger;
    return 0;
}

int srtp_table_set(struct srtp_table *t, uint32_t ssrc, void *value)
{
    if (2 * t->count >= t->size && !srtp_table_get(t, ssrc)) {
        int r = resize(t, t->size ? 2 * t->size : SIZE_MIN);
        if (r < 0)
            return r;
    }
    t->count += (size_t)put(t, ssrc, value);
    return 0;
}

void *srtp_table_del(struct srtp_table *t, uint32_t ssrc)
{
    void *value = srtp_table_get(t, ssrc);
    if (!value)
        return NULL;
    size_t hole = slot_of(t, ssrc);
    while (t->slots[hole].ssrc != ssrc || !t->slots[hole].value)
        hole = (hole + 1) & (t->size - 1);

    /* Moves back whatever the hole would cut off from its own slot. */
    for (size_t i = (hole + 1) & (t->size - 1); t->slots[i].value; i = (i + 1) & (t->size - 1)) {
        size_t home = slot_of(t, t->slots[i].ssrc);
        if (((i - home) & (t->size - 1)) >= ((i - hole) & (t->size - 1))) {
            t->slots[hole] = t->slots[i];
            hole = i;
        }
    }
    t->slots[hole].value = NULL;
    t->count--;
    return value;
}

void srtp_table_done(struct srtp_table *t)
{
    huge_free(t->slots, t->size * sizeof *t->slots);
    *t = (struct srtp_table){0};
}
