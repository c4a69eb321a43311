#include "rtp/history.h"

#include <errno.h>
#include <stdbool.h>
#include "rtp/seq.h"

int history_init(struct history *h, struct history_slot *slots, size_t count, int64_t max_age_us)
{
    if (count == 0 || (count & (count - 1)) != 0 || count > UINT32_MAX / 2 || max_age_us <= 0)
        return -EINVAL;
    *h = (struct history){.slots = slots, .mask = (uint32_t)count - 1, .max_age_us = max_age_us};
    for (size_t i = 0; i < count; i++)
        slots[i] = (struct history_slot){0};
    return 0;
}

static struct history_slot *slot_of(const struct history *h, int64_t seq)
{
    return &h->slots[(uint64_t)seq & h->mask];
}

static void slot_release(struct history *h, struct history_slot *s)
{
    if (!s->packet)
        return;
    packet_unref(s->packet);
    s->packet = NULL;
    h->count--;
}

void history_done(struct history *h)
{
    for (uint64_t i = 0; h->count > 0 && i <= h->mask; i++)
        slot_release(h, &h->slots[i]);
    h->count = 0;
}

int history_put(struct history *h, int64_t seq, struct packet *p)
{
    bool empty = h->count == 0;
    if (!empty && seq <= h->highest - (int64_t)h->mask - 1)
        return -ESTALE;
    struct history_slot *s = slot_of(h, seq);
    if (s->packet && s->seq == seq)
        return -EEXIST;
    /* What the ring moves past is released at once: all that is held lies within the ring's size of the
     * newest. */
    int64_t skipped = empty ? 0 : seq - h->highest - 1;
    for (int64_t i = 0; i < skipped && i <= (int64_t)h->mask && h->count > 0; i++)
        slot_release(h, slot_of(h, h->highest + 1 + i));
    empty = h->count == 0;
    slot_release(h, s);
    s->seq = seq;
    s->packet = packet_ref(p);
    h->count++;
    if (empty || seq < h->oldest)
        h->oldest = seq;
    if (empty || seq > h->highest)
        h->highest = seq;
    return 0;
}

static bool too_old(const struct history *h, const struct packet *p, int64_t now_us)
{
    return now_us - p->recv_us > h->max_age_us;
}

struct packet *history_get(const struct history *h, int64_t seq, int64_t now_us)
{
    const struct history_slot *s = slot_of(h, seq);
    if (h->count == 0 || !s->packet || s->seq != seq || too_old(h, s->packet, now_us))
        return NULL;
    return s->packet;
}

struct packet *history_get16(const struct history *h, uint16_t seq, int64_t now_us)
{
    return history_get(h, seq_near(h->highest, seq), now_us);
}

void history_expire(struct history *h, int64_t now_us)
{
    int64_t floor = h->highest - (int64_t)h->mask; /* nothing below it is held (history_put) */
    if (h->oldest < floor)
        h->oldest = floor;
    while (h->count > 0) {
        struct history_slot *s = slot_of(h, h->oldest);
        if (s->packet && s->seq == h->oldest) {
            if (!too_old(h, s->packet, now_us))
                return;
            slot_release(h, s);
        }
        h->oldest++;
    }
}
