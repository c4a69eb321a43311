/* SSRC -> pointer: open addressing, grows by doubling. Zero-initialised. */
#ifndef SRTP_TABLE_H
#define SRTP_TABLE_H

#include <stddef.h>
#include <stdint.h>

struct srtp_table_slot {
    void *value; /* NULL: free */
    uint32_t ssrc;
};

struct srtp_table {
    struct srtp_table_slot *slots;
    size_t size; /* of slots: 0 or a power of two */
    size_t count;
};

void *srtp_table_get(const struct srtp_table *t, uint32_t ssrc); /* NULL: not there */

/* Where ssrc is or would be, but for collisions: for prefetching. NULL: the table is empty. */
const struct srtp_table_slot *srtp_table_place(const struct srtp_table *t, uint32_t ssrc);

/* Adds or replaces; value is not NULL. 0 or -ENOMEM; replacing cannot fail. */
int srtp_table_set(struct srtp_table *t, uint32_t ssrc, void *value);

void *srtp_table_del(struct srtp_table *t, uint32_t ssrc); /* what was there, or NULL */
void srtp_table_done(struct srtp_table *t);                /* values are the caller's */

#endif
