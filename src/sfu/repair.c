/* What subscribers say they lost: sent again from the history that all of them share, within a budget. */
#include "sfu/internal.h"

static bool budget_take(struct sfu_sub *s, size_t bytes, int64_t now_us)
{
    int64_t elapsed = now_us - s->rtx_refill_us;
    int64_t cap = SFU_RTX_RATE_BPS / 8 / 2; /* half a second's worth at once */
    if (elapsed > 1000000)
        elapsed = 1000000;
    s->rtx_budget += elapsed * (SFU_RTX_RATE_BPS / 8) / 1000000;
    s->rtx_refill_us = now_us;
    if (s->rtx_budget > cap)
        s->rtx_budget = cap;
    if (s->rtx_budget < (int64_t)bytes)
        return false;
    s->rtx_budget -= (int64_t)bytes;
    return true;
}

void repair_nack(struct sfu_sub *s, uint16_t seq, int64_t now_us)
{
    struct sfu_worker *w = s->peer->worker;
    struct rewrite_origin origin;
    w->stats.nack_in++;
    if (s->stored) {
        if (!budget_take(s, SFU_STORED_SIZE, now_us) || !egress_stored(s, seq))
            w->stats.rtx_refused++;
        return;
    }
    if (!s->rtx_ssrc || rewrite_find(&s->rewrite, seq, &origin))
        goto refused;
    struct rewrite_out out = {.seq = seq, .ts = s->rewrite.last_ts};
    if (origin.state == REWRITE_FILTERED || (origin.seq >= s->dropped_from && origin.seq < s->dropped_end)) {
        if (budget_take(s, 64, now_us))
            release_rtx(s, NULL, &out);
        return;
    }
    const struct sfu_stream *stream = origin.source < SFU_RIDS_MAX ? s->track->streams[origin.source] : NULL;
    struct packet *pkt = stream ? history_get(&stream->history, origin.src_seq, now_us) : NULL;
    if (!pkt || rewrite_again(&s->rewrite, &origin, &meta_of(pkt)->rtp, &out) ||
        !budget_take(s, pkt->len, now_us) || !release_rtx(s, pkt, &out))
        goto refused;
    return;
refused:
    w->stats.rtx_refused++;
}
