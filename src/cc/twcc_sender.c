#include <errno.h>
#include "cc/twcc.h"

#define TICK_US       250
#define REFERENCE_US  64000
#define SLOTS_MAX     16384
#define REFERENCE_MAX (INT64_C(1) << 40) /* units: two thousand years, where no honest clock gets to */

enum { REPORT_NONE, REPORT_MISSING, REPORT_RECEIVED };

int twcc_sender_init(struct twcc_sender *s, struct twcc_sent *slots, size_t count)
{
    if (count == 0 || count > SLOTS_MAX || (count & (count - 1)) != 0)
        return -EINVAL;
    *s = (struct twcc_sender){.sent = slots, .mask = (uint32_t)count - 1};
    for (size_t i = 0; i < count; i++)
        slots[i] = (struct twcc_sent){0};
    return 0;
}

static struct twcc_sent *sent_of(struct twcc_sender *s, int64_t seq)
{
    return &s->sent[(uint64_t)seq & s->mask];
}

uint16_t twcc_sender_next(struct twcc_sender *s, int64_t now_us, uint16_t size, uint8_t tag)
{
    int64_t seq = s->next++;
    *sent_of(s, seq) = (struct twcc_sent){.sent_us = (uint32_t)now_us, .size = size, .tag = tag};
    s->newest_us = now_us;
    return (uint16_t)seq;
}

struct walk {
    struct twcc_sender *sender;
    twcc_result_fn fn;
    void *arg;
    int64_t seq;     /* extended number of the next status */
    int64_t recv_us; /* arrival of the last received one */
    int calls;
};

static void status_input(void *arg, uint16_t seq, bool received, int32_t delta)
{
    (void)seq;
    struct walk *k = arg;
    struct twcc_sender *s = k->sender;
    int64_t ext = k->seq++;
    if (received)
        k->recv_us += (int64_t)delta * TICK_US;
    if (ext < 0 || ext >= s->next || ext < s->next - (int64_t)s->mask - 1)
        return;
    struct twcc_sent *p = sent_of(s, ext);
    uint8_t news = received ? REPORT_RECEIVED : REPORT_MISSING;
    if (p->size == 0 || p->reported >= news)
        return;
    p->reported = news;
    if (ext >= s->acked)
        s->acked = ext + 1;
    struct twcc_result r = {
        .seq = ext,
        .sent_us = seq_near32(s->newest_us, p->sent_us),
        .recv_us = received ? k->recv_us : 0,
        .size = p->size,
        .tag = p->tag,
        .received = received,
    };
    k->calls++;
    k->fn(k->arg, &r);
}

int twcc_sender_feedback(struct twcc_sender *s, const struct rtcp_block *b, twcc_result_fn fn, void *arg)
{
    struct twcc_feedback f;
    int r = twcc_feedback_parse(b, &f, NULL, NULL);
    if (r < 0)
        return r;
    if (s->has_reference && s->reference < REFERENCE_MAX && s->reference > -REFERENCE_MAX)
        s->reference += seq_diff_bits(f.reference, (uint32_t)s->reference, 24);
    else
        s->reference = f.reference;
    s->has_reference = true;
    struct walk k = {
        .sender = s,
        .fn = fn,
        .arg = arg,
        .seq = seq_near(s->next, f.base),
        .recv_us = s->reference * REFERENCE_US,
    };
    r = twcc_feedback_parse(b, &f, status_input, &k);
    return r < 0 ? r : k.calls;
}
