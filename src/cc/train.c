#include "cc/train.h"

#define SPAN_US 1000 /* of sending: a burst. Batches of one turn are sent within that */
#define TICK_US 250  /* arrivals are known to this: a burst may have taken so much longer */

void train_init(struct train *t)
{
    *t = (struct train){.first_sent_us = INT64_MIN / 2};
}

static void train_end(struct train *t)
{
    int64_t span_us = t->last_recv_us - t->first_recv_us + TICK_US;
    if (t->lost > 0 && t->packets + t->lost > 1) {
        t->rate_bps /= 2; /* perhaps a short queue overflowed; chance is made good by the next one */
        return;
    }
    if (t->packets < 2 || span_us <= 0 || span_us > INT32_MAX)
        return;
    int64_t rate_bps = (int64_t)(t->bytes - t->first_size) * 8000000 / span_us;
    bool spread = span_us > t->last_sent_us - t->first_sent_us + 2 * TICK_US;
    if (t->rate_bps <= 0)
        t->rate_bps = rate_bps;
    else if (rate_bps < t->rate_bps)
        t->rate_bps -= spread ? (t->rate_bps - rate_bps) / 2 : 0; /* it was sent no faster */
    else
        t->rate_bps = rate_bps < 2 * t->rate_bps ? rate_bps : 2 * t->rate_bps;
    if (t->rate_bps > TRAIN_MAX_BPS)
        t->rate_bps = TRAIN_MAX_BPS;
}

void train_input(struct train *t, const struct twcc_result *r)
{
    if (r->sent_us < t->first_sent_us)
        return; /* of an earlier one, late */
    if (r->sent_us - t->first_sent_us > SPAN_US) {
        train_end(t);
        int64_t rate_bps = t->rate_bps;
        *t = (struct train){.rate_bps = rate_bps, .first_sent_us = r->sent_us};
    }
    if (!r->received) {
        t->lost++;
        return;
    }
    if (t->packets == 0 || r->recv_us < t->first_recv_us) {
        t->first_recv_us = r->recv_us;
        t->first_size = r->size;
    }
    if (t->packets == 0 || r->recv_us > t->last_recv_us)
        t->last_recv_us = r->recv_us;
    t->last_sent_us = r->sent_us;
    t->packets++;
    t->bytes += r->size;
}
