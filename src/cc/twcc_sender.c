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

int twcc_sender_grow(struct twcc_sender *s, struct twcc_sent *slots, size_t count)
{
    if (count <= (size_t)s->mask + 1 || count > SLOTS_MAX || (count & (count - 1)) != 0)
        return -EINVAL;
    for (size_t i = 0; i < count; i++)
        slots[i] = (struct twcc_sent){0};
    int64_t from = s->next > (int64_t)s->mask ? s->next - (int64_t)s->mask - 1 : 0;
    for (int64_t seq = from; seq < s->next; seq++)
        slots[(uint64_t)seq & (count - 1)] = *sent_of(s, seq);
    s->sent = slots;
    s->mask = (uint32_t)count - 1;
    return 0;
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
    const struct twcc_feedback *feedback; /* known when the first status comes */
    bool begun;
    twcc_result_fn fn;
    void *arg;
    int64_t seq;     /* extended number of the next status */
    int64_t recv_us; /* arrival of the last received one */
    int calls;
};

static void reference_input(struct twcc_sender *s, uint32_t reference)
{
    if (s->has_reference && s->reference < REFERENCE_MAX && s->reference > -REFERENCE_MAX)
        s->reference += seq_diff_bits(reference, (uint32_t)s->reference, 24);
    else
        s->reference = reference;
    s->has_reference = true;
}

static void status_input(void *arg, uint16_t seq, bool received, int32_t delta)
{
    struct walk *k = arg;
    struct twcc_sender *s = k->sender;
    if (!k->begun) {
        k->begun = true;
        reference_input(s, k->feedback->reference);
        k->seq = seq_near(s->next, seq);
        k->recv_us = s->reference * REFERENCE_US;
    }
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
    struct walk k = {.sender = s, .feedback = &f, .fn = fn, .arg = arg};
    int r = twcc_feedback_parse(b, &f, status_input, &k);
    return r < 0 ? r : k.calls;
}
