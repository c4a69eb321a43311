/* What subscribers say they lost: sent again from the history that all of them share. A packet at most
 * SFU_RTX_PER_RTT times a round trip, and to a peer at most a share of what it is sent: a flood of requests
 * costs the numbers that are looked at (SFU_NACKED_MAX a second), and those bytes. */
#include <stdlib.h>
#include "sfu/internal.h"

#define NOTES_MS 10000 /* numbers come round again in no less: notes that are older are on another packet */

/* ---- budget ---- */

void repair_tick(struct sfu_peer *p, int64_t now_us)
{
    struct repair_budget *b = &p->repair;
    int64_t rate = (int64_t)(p->bytes_out - b->sent) * 1000000 / SFU_REPORT_US / SFU_RTX_SHARE;
    if (!b->refill_us)
        b->refill_us = now_us;
    b->bytes_per_s = rate > SFU_RTX_BYTES ? rate : SFU_RTX_BYTES;
    b->sent = p->bytes_out;
    b->numbers = 0;
}

bool repair_looks(const struct sfu_peer *p)
{
    return p->repair.numbers < SFU_NACKED_MAX;
}

static bool budget_take(struct sfu_peer *p, size_t bytes, int64_t now_us)
{
    struct repair_budget *b = &p->repair;
    int64_t rate = b->bytes_per_s ? b->bytes_per_s : SFU_RTX_BYTES; /* before the first tick */
    /* of a path that got narrow, not of what it was; and no burst that its queue has no room for */
    int64_t carried = congestion_estimate_bps(p) / 8 / SFU_RTX_SHARE;
    rate = rate < carried ? rate : carried;
    int64_t most = rate < carried / 4 ? rate : carried / 4;
    int64_t elapsed_us = b->refill_us ? now_us - b->refill_us : 1000000;
    if (elapsed_us > 1000000)
        elapsed_us = 1000000;
    b->bytes += elapsed_us * rate / 1000000;
    b->bytes = b->bytes < most ? b->bytes : most;
    b->refill_us = now_us;
    if (b->bytes < (int64_t)bytes)
        return false;
    b->bytes -= (int64_t)bytes;
    return true;
}

/* ---- how often ---- */

/* Who asks again sooner after a repetition has asked before that could arrive. An eighth less: the round trip
 * is an average. */
static int64_t again_after_us(const struct sfu_peer *p)
{
    int64_t rtt_us = p->rtt_us ? p->rtt_us : SFU_RTX_RTT_US;
    int64_t wait_us = (rtt_us - rtt_us / 8) / SFU_RTX_PER_RTT;
    if (wait_us > SFU_HISTORY_US / 2)
        return SFU_HISTORY_US / 2;
    return wait_us > SFU_RTX_AGAIN_US ? wait_us : SFU_RTX_AGAIN_US;
}

/* The notes on an outgoing number; NULL: no memory. Made when a subscriber first asks. */
static struct repair_slot *notes_on(struct sfu_sub *s, uint16_t seq, uint32_t now_ms)
{
    if (!s->repairs)
        s->repairs = calloc((size_t)s->rewrite.mask + 1, sizeof *s->repairs);
    if (!s->repairs)
        return NULL;
    struct repair_slot *slot = &s->repairs[seq & s->rewrite.mask];
    if (slot->seq != seq || now_ms - slot->at_ms > NOTES_MS)
        *slot = (struct repair_slot){.seq = seq};
    return slot;
}

/* ---- requests ---- */

enum answer { ANSWERED, REPEATED, REFUSED };

static enum answer answer_stored(struct sfu_sub *s, uint16_t seq, int64_t now_us)
{
    struct stored *st = &s->stored[seq % SFU_STORED_COUNT];
    if (!st->len || st->seq != seq || st->times >= SFU_RTX_TIMES_MAX)
        return REFUSED;
    if (st->times && now_us - st->again_us < again_after_us(s->peer))
        return REPEATED;
    s->peer->losses.missed += !st->times;
    if (!budget_take(s->peer, st->len, now_us) || !egress_stored(s, st))
        return REFUSED;
    st->times++;
    st->again_us = now_us;
    return ANSWERED;
}

/* Older than the key frame that the present layer began with: no decoder needs it. After a switch down, when
 * most was lost, it would fill what the path has left, and take the place of the key frame. */
static bool is_stale(const struct sfu_sub *s, const struct rewrite_origin *o)
{
    return s->kind == KIND_VIDEO && o->seq < rewrite_begin(&s->rewrite);
}

static bool never_comes(const struct sfu_sub *s, const struct rewrite_origin *o)
{
    return o->state == REWRITE_FILTERED || (o->seq >= s->dropped_from && o->seq < s->dropped_end);
}

/* free_of_charge: the budget is not asked. */
static bool send_again(struct sfu_sub *s, const struct rewrite_origin *o, bool free_of_charge, int64_t now_us)
{
    struct rewrite_out out = {.seq = o->seq, .ts = s->rewrite.last_ts};
    if (never_comes(s, o))
        return budget_take(s->peer, RTP_HEADER_MAX, now_us) && release_rtx(s, NULL, &out);
    const struct sfu_stream *stream = o->source < SFU_RIDS_MAX ? s->track->streams[o->source] : NULL;
    struct packet *pkt = stream ? history_get(&stream->history, o->src_seq, now_us) : NULL;
    return pkt && rewrite_again(&s->rewrite, o, &meta_of(pkt)->rtp, &out) == 0 &&
           (free_of_charge || budget_take(s->peer, pkt->len, now_us)) && release_rtx(s, pkt, &out);
}

/* Of the key frame that the present layer began with: without it nothing is shown, and it begins where the
 * path is at its worst. */
static bool begins(const struct sfu_sub *s, const struct rewrite_origin *o)
{
    return s->kind == KIND_VIDEO && o->seq - rewrite_begin(&s->rewrite) < SFU_RTX_KEY_PACKETS;
}

static enum answer answer_rtx(struct sfu_sub *s, uint16_t seq, int64_t now_us)
{
    struct rewrite_origin origin;
    if (!s->rtx_ssrc || rewrite_find(&s->rewrite, seq, &origin) || is_stale(s, &origin))
        return REFUSED;
    uint32_t now_ms = (uint32_t)(now_us / 1000);
    struct repair_slot *notes = notes_on(s, seq, now_ms);
    if (!notes || notes->times >= SFU_RTX_TIMES_MAX)
        return REFUSED;
    if (notes->times && now_ms - notes->at_ms < (uint32_t)(again_after_us(s->peer) / 1000))
        return REPEATED;
    if (!send_again(s, &origin, !notes->times && begins(s, &origin), now_us))
        return REFUSED;
    /* The second time as two copies: where one in ten is lost, a third request would come too late for one
     * frame in fifty. Two copies cost one packet in a hundred there, and less on better paths. */
    if (notes->times == 1 && send_again(s, &origin, false, now_us)) {
        s->peer->worker->stats.rtx_copies++;
        notes->times++;
    }
    notes->times++;
    notes->at_ms = now_ms;
    return ANSWERED;
}

/* Number seq of the subscription did not arrive. */
void repair_nack(struct sfu_sub *s, uint16_t seq, int64_t now_us)
{
    struct sfu_stats *stats = &s->peer->worker->stats;
    enum answer a = s->stored ? answer_stored(s, seq, now_us) : answer_rtx(s, seq, now_us);
    stats->nack_in++;
    stats->nack_repeated += a == REPEATED;
    stats->rtx_refused += a == REFUSED;
}
