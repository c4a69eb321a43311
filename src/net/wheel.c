#include "net/wheel.h"

#include <stdbool.h>
#include <stdlib.h>

/* Nine digits of six bits hold every tick that an int64_t of microseconds can name. A timer sits at the level
 * of the highest digit in which its tick differs from the present one, in the slot of that digit: so
 * everything at a level comes before everything at the levels above, and a slot is handed down when the
 * present reaches it. */
#define LEVELS 9
#define BITS   6
#define SLOTS  64

struct wheel {
    uint64_t tick;   /* the millisecond up to which everything was fired */
    uint64_t target; /* during wheel_advance: where it ends; otherwise equal to tick */
    struct list late;
    uint64_t maybe[LEVELS]; /* a bit for each slot that may hold timers (cancelling leaves it set) */
    struct list slots[LEVELS][SLOTS];
};

struct wheel *wheel_new(int64_t now_us)
{
    struct wheel *w = calloc(1, sizeof *w);
    if (!w)
        return NULL;
    w->tick = w->target = now_us > 0 ? (uint64_t)now_us / 1000 : 0;
    list_init(&w->late);
    for (int level = 0; level < LEVELS; level++)
        for (int slot = 0; slot < SLOTS; slot++)
            list_init(&w->slots[level][slot]);
    return w;
}

/* Empties a list so that its timers read as not set. */
static void list_forget(struct list *head)
{
    while (!list_empty(head))
        list_del(head->next);
}

void wheel_free(struct wheel *w)
{
    if (!w)
        return;
    list_forget(&w->late);
    for (int level = 0; level < LEVELS; level++)
        for (int slot = 0; slot < SLOTS; slot++)
            list_forget(&w->slots[level][slot]);
    free(w);
}

void wheel_timer_init(struct wheel_timer *t, wheel_fn fn, void *arg)
{
    list_init(&t->link);
    t->due_us = 0;
    t->fn = fn;
    t->arg = arg;
}

/* The first millisecond that begins at or after due_us: never early. */
static uint64_t tick_of(int64_t due_us)
{
    return due_us > 0 ? (uint64_t)due_us / 1000 + (due_us % 1000 != 0) : 0;
}

static void wheel_place(struct wheel *w, struct wheel_timer *t, uint64_t tick)
{
    uint64_t differ = tick ^ w->tick;
    int level = differ ? (63 - __builtin_clzll(differ)) / BITS : 0;
    int slot = (int)(tick >> (level * BITS)) & (SLOTS - 1);
    list_add_tail(&w->slots[level][slot], &t->link);
    w->maybe[level] |= 1ull << slot;
}

void wheel_set(struct wheel *w, struct wheel_timer *t, int64_t due_us)
{
    list_del(&t->link);
    t->due_us = due_us;
    uint64_t tick = tick_of(due_us);
    if (tick <= w->target)
        list_add_tail(&w->late, &t->link);
    else
        wheel_place(w, t, tick);
}

void wheel_cancel(struct wheel_timer *t)
{
    list_del(&t->link);
}

bool wheel_is_set(const struct wheel_timer *t)
{
    return !list_empty(&t->link);
}

/* The first millisecond after the present at which a slot is reached; UINT64_MAX: no timer is set. */
static uint64_t wheel_next_tick(struct wheel *w)
{
    for (int level = 0; level < LEVELS; level++) {
        int shift = level * BITS;
        unsigned digit = (unsigned)(w->tick >> shift) & (SLOTS - 1);
        uint64_t ahead = digit == SLOTS - 1 ? 0 : w->maybe[level] & (~0ull << (digit + 1));
        while (ahead) {
            int slot = __builtin_ctzll(ahead);
            if (!list_empty(&w->slots[level][slot])) {
                uint64_t above = shift + BITS < 64 ? w->tick >> (shift + BITS) << (shift + BITS) : 0;
                return above | (uint64_t)slot << shift;
            }
            ahead &= ahead - 1;
            w->maybe[level] &= ~(1ull << slot);
        }
    }
    return UINT64_MAX;
}

/* Moves the list's items behind an empty head of the caller's. */
static void list_move(struct list *to, struct list *from)
{
    list_init(to);
    if (list_empty(from))
        return;
    to->next = from->next;
    to->prev = from->prev;
    to->next->prev = to->prev->next = to;
    list_init(from);
}

/* Hands the slots that begin at the present tick down to the levels below. */
static void wheel_cascade(struct wheel *w)
{
    for (int level = LEVELS - 1; level > 0; level--) {
        int shift = level * BITS, slot = (int)(w->tick >> shift) & (SLOTS - 1);
        if ((w->tick & ((1ull << shift) - 1)) != 0 || !(w->maybe[level] & 1ull << slot))
            continue;
        w->maybe[level] &= ~(1ull << slot);
        struct list moved;
        list_move(&moved, &w->slots[level][slot]);
        while (!list_empty(&moved)) {
            struct wheel_timer *t = list_entry(moved.next, struct wheel_timer, link);
            list_del(&t->link);
            wheel_place(w, t, tick_of(t->due_us));
        }
    }
}

static void wheel_fire(struct list *from, int64_t now_us)
{
    struct list due;
    list_move(&due, from);
    while (!list_empty(&due)) {
        struct wheel_timer *t = list_entry(due.next, struct wheel_timer, link);
        list_del(&t->link);
        t->fn(t, now_us);
    }
}

void wheel_advance(struct wheel *w, int64_t now_us)
{
    uint64_t target = now_us > 0 ? (uint64_t)now_us / 1000 : 0;
    if (target > w->tick)
        w->target = target;
    wheel_fire(&w->late, now_us);
    for (uint64_t next; (next = wheel_next_tick(w)) <= w->target;) {
        w->tick = next;
        wheel_cascade(w);
        wheel_fire(&w->slots[0][w->tick & (SLOTS - 1)], now_us);
    }
    w->tick = w->target;
}

int64_t wheel_next_us(const struct wheel *w)
{
    if (!list_empty(&w->late))
        return (int64_t)w->tick * 1000;
    uint64_t next = wheel_next_tick((struct wheel *)(uintptr_t)w); /* clears stale hints only */
    return next > INT64_MAX / 1000 ? INT64_MAX : (int64_t)next * 1000;
}
