#include "rtp/nack.h"

#include <string.h>

#define NEVER INT64_MAX

void nack_init(struct nack *n)
{
    *n = (struct nack){
        .rtt_us = NACK_RTT_DEFAULT_US,
        .age_us = NACK_AGE_US,
        .reorder_us = NACK_REORDER_MIN_US,
        .next_us = NEVER,
    };
}

static int64_t clamp(int64_t v, int64_t low, int64_t high)
{
    return v < low ? low : v > high ? high : v;
}

static void schedule(struct nack *n)
{
    n->next_us = NEVER;
    for (unsigned i = 0; i < n->count; i++) {
        if (n->entries[i].next_us < n->next_us)
            n->next_us = n->entries[i].next_us;
    }
}

static void remove_range(struct nack *n, unsigned first, unsigned count)
{
    memmove(
        &n->entries[first], &n->entries[first + count], (n->count - first - count) * sizeof n->entries[0]);
    n->count = (uint16_t)(n->count - count);
}

/* Index of the first entry that is not below seq. */
static unsigned lower_bound(const struct nack *n, int64_t seq)
{
    unsigned low = 0, high = n->count;
    while (low < high) {
        unsigned mid = (low + high) / 2;
        if (n->entries[mid].seq < seq)
            low = mid + 1;
        else
            high = mid;
    }
    return low;
}

/* Takes the oldest entries out, to make room. */
static void give_way(struct nack *n, unsigned count)
{
    for (unsigned i = 0; i < count; i++) {
        if (n->entries[i].next_us == NEVER)
            continue;
        n->lost++;
        n->key_frame = true;
    }
    remove_range(n, 0, count);
}

/* Everything from first up to, but not with, end is missing. The oldest entries give way. */
static void add_gap(struct nack *n, int64_t first, int64_t end, int64_t now_us)
{
    int64_t count = end - first;
    if (count > NACK_LIST_MAX) {
        n->lost += (uint64_t)(count - NACK_LIST_MAX);
        n->key_frame = true;
        first = end - NACK_LIST_MAX;
        count = NACK_LIST_MAX;
    }
    int64_t over = n->count + count - NACK_LIST_MAX;
    if (over > 0)
        give_way(n, (unsigned)over);
    int64_t due_us = now_us + n->reorder_us;
    for (int64_t seq = first; seq < end; seq++) {
        n->entries[n->count++] = (struct nack_entry){
            .seq = seq,
            .since_us = now_us,
            .next_us = due_us,
        };
    }
    if (count > 0 && due_us < n->next_us)
        n->next_us = due_us;
}

/* A missing packet came after late_us without (or before) an answer to a request: wait that long, and a bit,
 * in future. */
static void note_reordering(struct nack *n, int64_t late_us)
{
    int64_t want_us = clamp(late_us + late_us / 4, NACK_REORDER_MIN_US, NACK_REORDER_MAX_US);
    if (want_us > n->reorder_us)
        n->reorder_us = want_us;
    else
        n->reorder_us -= (n->reorder_us - want_us) / 16;
}

/* A number at or below the highest came. */
static enum nack_arrival late_input(struct nack *n, int64_t seq, int64_t now_us)
{
    unsigned i = lower_bound(n, seq);
    if (i == n->count || n->entries[i].seq != seq)
        return NACK_OLD;
    struct nack_entry e = n->entries[i];
    remove_range(n, i, 1);
    if (e.next_us == n->next_us)
        schedule(n);
    /* What comes sooner than a round trip after the request was on its way already. */
    bool answered = e.tries > 0 && now_us - e.asked_us >= n->rtt_us / 2;
    if (!answered)
        note_reordering(n, now_us - e.since_us);
    if (e.tries == 0)
        return NACK_REORDERED;
    n->answer_us = e.tries == 1 ? now_us - e.asked_us : 0;
    n->recovered++;
    return NACK_RECOVERED;
}

enum nack_arrival nack_input(struct nack *n, uint16_t seq, int64_t now_us, int64_t *ret_seq)
{
    bool first = !n->unwrap.started;
    int64_t before = n->unwrap.highest;
    int64_t ext = seq_unwrap(&n->unwrap, seq);
    if (ret_seq)
        *ret_seq = ext;
    if (first)
        return NACK_NEW;
    if (ext <= before)
        return late_input(n, ext, now_us);
    int64_t gap = ext - before - 1;
    if (gap > NACK_GAP_MAX) {
        give_way(n, n->count);
        n->next_us = NEVER;
        n->key_frame = true;
        return NACK_RESTART;
    }
    add_gap(n, before + 1, ext, now_us);
    return NACK_NEW;
}

void nack_rtt(struct nack *n, int64_t rtt_us)
{
    n->rtt_reported = true;
    n->rtt_us = clamp(rtt_us, NACK_RTT_MIN_US, NACK_AGE_US);
}

void nack_answered(struct nack *n)
{
    if (n->rtt_reported || !n->answer_us)
        return;
    n->rtt_us = clamp(n->rtt_us + (n->answer_us - n->rtt_us) / 4, NACK_RTT_MIN_US, NACK_AGE_US);
}

/* Is it of no use to ask (again)? The first request is made on any path. */
static bool in_vain(const struct nack *n, const struct nack_entry *e, int64_t now_us)
{
    if (e->tries == 0)
        return now_us - e->since_us >= n->age_us;
    return e->tries >= NACK_TRIES_MAX || now_us + n->rtt_us - e->since_us >= n->age_us;
}

size_t nack_due(struct nack *n, int64_t now_us, uint16_t *ret_seqs, size_t cap)
{
    if (now_us < n->next_us)
        return 0;
    size_t due = 0;
    unsigned kept = 0;
    for (unsigned i = 0; i < n->count; i++) {
        struct nack_entry *e = &n->entries[i];
        if (e->next_us == NEVER && now_us - e->since_us >= n->age_us)
            continue;
        if (e->next_us <= now_us && in_vain(n, e, now_us)) {
            n->lost++;
            n->key_frame = true;
            continue;
        }
        if (e->next_us <= now_us && due < cap) {
            ret_seqs[due++] = (uint16_t)e->seq;
            if (e->tries++ == 0)
                e->asked_us = now_us;
            e->next_us = now_us + n->rtt_us * (1 + e->tries / 3) + NACK_SLACK_US; /* slower and slower */
        }
        n->entries[kept++] = *e;
    }
    n->count = (uint16_t)kept;
    schedule(n);
    return due;
}

bool nack_take_key_frame(struct nack *n)
{
    bool wanted = n->key_frame;
    n->key_frame = false;
    return wanted;
}

void nack_forget_before(struct nack *n, int64_t seq)
{
    unsigned end = lower_bound(n, seq);
    for (unsigned i = 0; i < end; i++)
        n->entries[i].next_us = NEVER;
    schedule(n);
}
