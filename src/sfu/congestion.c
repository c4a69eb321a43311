/* Congestion control of a peer: its estimator is told what was sent and what came of it, the pacer what the
 * estimator found, and probe clusters are sent: media that waits anyway at first, then packets of the history
 * once more as retransmissions (receivers know them and drop them), then padding. Receivers without
 * retransmissions are probed by their media alone: padding in between would take numbers from frames.
 *
 * Feedback is the peer's to forge. It moves this peer's estimate and nothing else. */
#include <stdlib.h>
#include "base/log.h"
#include "sfu/internal.h"

#define WAKE_PERCENT                                                                                         \
    5                   /* an estimate that leaves less than this above what is in use is looked at at once  \
                         */
#define TOLD_PERCENT 30 /* an estimate that moved by more is worth a line */

struct congestion {
    struct estimator estimator;
    int64_t begun_us;
    bool plain; /* without transport-wide feedback: what receiver reports and REMB say */
    bool begun; /* something was sent */
    int64_t allocated_bps, wanted_bps;
    int64_t told_bps; /* estimate of the last line logged */
    /* of the cluster that is being sent */
    uint8_t tag;
    uint64_t next; /* outgoing number of the packet to be repeated next, downwards */
};

/* ---- what it found ---- */

int64_t congestion_estimate_bps(const struct sfu_peer *p)
{
    const struct congestion *c = p->sent.state;
    if (!c || !c->begun)
        return SFU_ESTIMATE_START_BPS;
    bool silent = !c->plain && !c->estimator.has_feedback;
    if (silent && p->worker->now_us - c->begun_us >= SFU_ESTIMATE_WAIT_US)
        return ESTIMATOR_MAX_BPS; /* it sends no feedback although it said it would: nothing to go by */
    return c->estimator.estimate_bps;
}

bool congestion_found_full(const struct sfu_peer *p)
{
    const struct congestion *c = p->sent.state;
    return c && c->begun && estimator_found_full(&c->estimator);
}

bool congestion_is_silent(const struct sfu_peer *p)
{
    const struct congestion *c = p->sent.state;
    return c && c->begun && c->estimator.silent;
}

bool congestion_is_clear(const struct sfu_peer *p)
{
    const struct congestion *c = p->sent.state;
    return c && c->begun && estimator_is_clear(&c->estimator);
}

bool congestion_take_probed(struct sfu_peer *p)
{
    return p->sent.state && estimator_take_probed(&p->sent.state->estimator);
}

static void log_change(struct sfu_peer *p)
{
    static const char *const by[ESTIMATOR_LIMITS] = {"delay", "loss", "silence", "remb"};
    struct congestion *c = p->sent.state;
    const struct estimator *e = &c->estimator;
    int64_t off_bps =
        e->estimate_bps > c->told_bps ? e->estimate_bps - c->told_bps : c->told_bps - e->estimate_bps;
    if (off_bps * 100 <= c->told_bps * TOLD_PERCENT)
        return;
    log_debug("peer.estimate", "peer=%u bps=%lld was=%lld by=%s pace=%lld queue_us=%lld", p->id,
        (long long)e->estimate_bps, (long long)c->told_bps, by[e->limit], (long long)p->pacer.estimate_bps,
        (long long)e->queue_us);
    c->told_bps = e->estimate_bps;
}

/* Is there something to gain by a probe, and a way to send one? Who sends no feedback does not tell what came
 * of it; TCP repeats what is lost, and bunches. */
static bool may_probe(const struct sfu_peer *p)
{
    const struct congestion *c = p->sent.state;
    const struct path *path = transport_path(p->transport);
    return c->wanted_bps && c->estimator.has_feedback && path && !path->conn;
}

static void apply(struct sfu_peer *p, int64_t now_us)
{
    struct congestion *c = p->sent.state;
    p->pacer.estimate_bps = estimator_pace_bps(&c->estimator, PACER_RATE_MIN_BPS, now_us);
    if (c->estimator.probed || c->estimator.estimate_bps * 100 < c->allocated_bps * (100 + WAKE_PERCENT))
        allocation_wake(p);
    log_change(p);
    if (!p->sent.probing && estimator_probes(&c->estimator) && may_probe(p)) {
        p->sent.probing = true;
        release_turns(p);
    }
}

/* ---- what was sent ---- */

static void start(struct congestion *c, int64_t now_us)
{
    /* without feedback there are no probes, and little would be found from below */
    c->told_bps = c->plain ? PACER_RATE_MIN_BPS : SFU_ESTIMATE_START_BPS;
    c->begun_us = now_us;
    estimator_init(&c->estimator, c->told_bps, now_us);
    estimator_wanted_set(&c->estimator, c->wanted_bps, now_us);
    c->estimator.probe.turn_us = PACER_TICK_US;
}

static struct congestion *state_of(struct sfu_peer *p)
{
    if (!p->sent.state)
        p->sent.state = calloc(1, sizeof *p->sent.state); /* lint: malloc: once a peer that receives */
    return p->sent.state;
}

void congestion_forget(struct sfu_peer *p)
{
    free(p->sent.state);
    p->sent = (struct congestion_sent){0};
}

void congestion_sent_probe(struct sfu_peer *p, uint16_t size, int64_t now_us)
{
    estimator_sent(&p->sent.state->estimator, size, now_us);
    p->sent.tag = estimator_tag(&p->sent.state->estimator);
}

void congestion_sent_tell(struct sfu_peer *p, int64_t now_us)
{
    uint32_t bytes = p->sent.bytes;
    p->sent.bytes = 0;
    struct congestion *c = bytes ? state_of(p) : NULL;
    if (!c)
        return;
    if (!c->begun || (c->plain && p->sent.numbered)) {
        c->begun = true;
        c->plain = !p->sent.numbered;
        start(c, p->sent.from_us);
    }
    estimator_sent_many(&c->estimator, bytes, p->sent.from_us, now_us);
}

/* ---- what came of it ---- */

void congestion_result(struct sfu_peer *p, const struct twcc_result *r)
{
    if (p->sent.bytes)
        congestion_sent_tell(p, p->worker->now_us);
    if (p->sent.state && p->sent.state->begun)
        estimator_result(&p->sent.state->estimator, r);
}

void congestion_feedback(struct sfu_peer *p, int64_t now_us)
{
    struct congestion *c = p->sent.state;
    if (!c || !c->estimator.report_any)
        return;
    estimator_update(&c->estimator, now_us);
    apply(p, now_us);
}

static bool is_plain(const struct sfu_peer *p)
{
    return p->sent.state && p->sent.state->begun && !p->sent.numbered;
}

void congestion_remb(struct sfu_peer *p, uint64_t bps, int64_t now_us)
{
    if (!is_plain(p))
        return;
    estimator_remb(&p->sent.state->estimator, bps, now_us);
    apply(p, now_us);
}

void congestion_loss(struct sfu_peer *p, uint8_t fraction_lost, int64_t now_us)
{
    if (!is_plain(p))
        return;
    if (p->sent.bytes)
        congestion_sent_tell(p, now_us);
    estimator_plain_loss(&p->sent.state->estimator, fraction_lost, now_us);
    apply(p, now_us);
}

void congestion_allocated(struct sfu_peer *p, int64_t total_bps, int64_t wanted_bps, int64_t now_us)
{
    struct congestion *c = state_of(p);
    if (!c)
        return;
    c->allocated_bps = total_bps;
    pacer_allocated(&p->pacer, total_bps);
    c->wanted_bps = wanted_bps > total_bps ? wanted_bps : 0;
    if (c->begun)
        estimator_wanted_set(&c->estimator, c->wanted_bps, now_us);
}

/* ---- time ---- */

/* Reports come as long as packets arrive, and everything is decided on when they come; only their end needs a
 * timer. */
int64_t congestion_next_timeout(const struct sfu_peer *p)
{
    return p->sent.state && p->sent.state->begun ? p->sent.state->estimator.next_backoff_us : INT64_MAX;
}

void congestion_timeout(struct sfu_peer *p, int64_t now_us)
{
    if (congestion_next_timeout(p) > now_us)
        return;
    estimator_timeout(&p->sent.state->estimator, now_us);
    apply(p, now_us);
}

/* ---- probes ---- */

void congestion_turn_begin(struct sfu_peer *p, int64_t now_us)
{
    struct congestion *c = p->sent.state;
    if (p->sent.bytes)
        congestion_sent_tell(p, now_us);
    bool may = may_probe(p); /* the way may be gone in the middle of a cluster */
    int64_t due = may ? estimator_probe_due(&c->estimator, now_us) : 0;
    p->sent.tag = may ? estimator_tag(&c->estimator) : 0;
    p->sent.probing = may && estimator_probes(&c->estimator);
    if (p->sent.tag)
        pacer_allow(&p->pacer, due, now_us);
}

/* A subscription whose packets may be sent again, best one of which there are some; padding may go before
 * any. */
static struct sfu_sub *repeatable(const struct sfu_peer *p)
{
    struct sfu_sub *found = NULL;
    for (struct sfu_sub *s = p->subs; s; s = s->by_ssrc.next)
        if (s->kind == KIND_VIDEO && s->rtx_ssrc && s->twcc && (!found || s->live))
            found = s;
    return found;
}

/* A packet that was sent lately, once more; NULL: none of about that size is left. */
static struct packet *next_again(
    struct sfu_sub *s, uint64_t *next, int64_t due, int64_t now_us, struct rewrite_out *ret)
{
    for (int i = 0; i<SFU_PROBE_TRIES && * next> s->rewrite.first; i++) {
        struct rewrite_origin origin;
        *next -= 1;
        *ret = (struct rewrite_out){.seq = *next, .ts = s->rewrite.last_ts};
        if (rewrite_find(&s->rewrite, (uint16_t)*next, &origin) || origin.state != REWRITE_SENT ||
            origin.seq != *next || origin.source >= SFU_RIDS_MAX || !s->track->streams[origin.source])
            continue;
        struct packet *pkt = history_get(&s->track->streams[origin.source]->history, origin.src_seq, now_us);
        if (!pkt || rewrite_again(&s->rewrite, &origin, &meta_of(pkt)->rtp, ret))
            continue;
        unsigned codec = meta_of(pkt)->rtp.payload.codec;
        if (codec < PAYLOAD_CODEC_COUNT && s->codecs[codec].rtx_pt && pkt->len <= 2 * due)
            return pkt;
    }
    return NULL;
}

static bool send_again(struct sfu_peer *p, struct sfu_sub *s, int64_t due, int64_t now_us)
{
    struct congestion *c = p->sent.state;
    struct pacer_item *item = pacer_item_get(&p->worker->items);
    if (!item)
        return false;
    struct packet *pkt = next_again(s, &c->next, due, now_us, &item->out);
    item->owner = s;
    item->packet = pkt ? packet_ref(pkt) : NULL;
    item->kind = pkt ? EGRESS_PROBE : EGRESS_PADDING;
    egress_item(p, item);
    p->worker->stats.probe_out++;
    return true;
}

/* Of the cluster, what media did not fill. */
void congestion_turn_end(struct sfu_peer *p, int64_t now_us)
{
    struct congestion *c = p->sent.state;
    struct sfu_sub *s = p->sent.tag ? repeatable(p) : NULL;
    if (!s)
        return;
    if (c->tag != p->sent.tag) {
        c->tag = p->sent.tag;
        c->next = s->rewrite.next;
    }
    for (int i = 0; i < SFU_PROBE_PACKETS && p->sent.tag == c->tag; i++) {
        int64_t due = estimator_probe_due(&c->estimator, now_us);
        if (due <= 0 || !send_again(p, s, due, now_us))
            break;
    }
}
