/* When packets go out. What a track receives is handed to its subscribers at the end of a round, when all
 * that waited in the socket was read: so each subscriber is given what came together at once, its state is
 * looked at once, and its packets stand next to each other in the batch. From the subscription packets go
 * into the peer's pacer, and from there into the batch as the pace allows.
 *
 * Outgoing numbers are given before (rtp/rewrite), transport-wide numbers and send times only here. A packet
 * that is dropped while it waits leaves a gap: its number is never used (nonce law), and whoever asks for it
 * is told that it never comes. */
#include "base/prefetch.h"
#include "net/clock.h"
#include "sfu/internal.h"

#define ENOUGH 16 /* packets of a track that make a good run: no use to wait for more */

static void release_peer(struct sfu_peer *p);

/* ---- whose turn it is ---- */

static void make_ready(struct sfu_peer *p)
{
    if (p->gathers)
        list_del(&p->ready);
    p->gathers = false;
    if (list_empty(&p->ready))
        list_add_tail(&p->worker->ready, &p->ready);
}

static void make_due(struct sfu_track *t)
{
    if (t->burst_due)
        return;
    list_del(&t->ready);
    list_add_tail(&t->worker->due, &t->ready);
    t->burst_due = true;
}

static void turn_comes(struct sfu_worker *w, struct wheel_timer *t, int64_t after_us)
{
    if (!wheel_is_set(t))
        wheel_set(loop_wheel(w->loop), t, w->now_us + after_us);
}

/* Nothing but sound is there for the peer. Where many speak it waits for the voices that come until the
 * timer, or for video; where few do, that would not save a call into the kernel. */
static void gather_voices(struct sfu_peer *p)
{
    if (!list_empty(&p->ready))
        return;
    if (p->few_voices) {
        p->few_voices--;
        make_ready(p);
        return;
    }
    list_add_tail(&p->worker->listeners, &p->ready);
    p->gathers = p->gathered = true;
    turn_comes(p->worker, &p->worker->gather_timer, SFU_GATHER_US);
}

static void gather_ends(struct sfu_worker *w)
{
    while (!list_empty(&w->gather))
        make_due(list_entry(w->gather.next, struct sfu_track, ready));
    while (!list_empty(&w->listeners))
        make_ready(list_entry(w->listeners.next, struct sfu_peer, ready));
}

static void on_gather_timer(struct wheel_timer *t, int64_t now_us)
{
    struct sfu_worker *w = t->arg;
    w->now_us = now_us;
    gather_ends(w);
}

static void on_pace_timer(struct wheel_timer *t, int64_t now_us)
{
    struct sfu_worker *w = t->arg;
    w->now_us = now_us;
    while (!list_empty(&w->paced)) {
        struct sfu_peer *p = list_entry(w->paced.next, struct sfu_peer, paced);
        list_del(&p->paced);
        make_ready(p);
    }
}

/* ---- from the track to its subscribers ---- */

/* Subscribers are many, and what is needed of each is far apart in memory and leads from one to the next: so
 * each step is asked for while those before are served. */
static void look_ahead(const struct sfu_track *t, size_t i)
{
    if (i + 4 < t->sub_count) {
        const struct sfu_sub *s = t->subs[i + 4];
        prefetch(&s->peer, offsetof(struct sfu_sub, section) - offsetof(struct sfu_sub, peer));
        prefetch(&s->section.extmap, sizeof s->section.extmap);
        prefetch(
            &s->codecs, offsetof(struct sfu_sub, stats) + sizeof s->stats - offsetof(struct sfu_sub, codecs));
    }
    if (i + 3 < t->sub_count) {
        const struct sfu_sub *s = t->subs[i + 3];
        prefetch(s->peer, sizeof *s->peer);
        prefetch(&s->slots[s->rewrite.next & s->rewrite.mask], sizeof *s->slots);
    }
    if (i + 2 < t->sub_count)
        transport_prefetch(t->subs[i + 2]->peer->transport);
    if (i + 1 < t->sub_count)
        transport_prefetch_more(t->subs[i + 1]->peer->transport);
}

static void hand_out(struct sfu_track *t)
{
    unsigned count = t->burst_count;
    list_del(&t->ready);
    t->burst_due = false;
    for (size_t i = 0; i < t->sub_count; i++) {
        struct sfu_sub *s = t->subs[i];
        look_ahead(t, i);
        sub_burst(s, t->burst, count);
        if (t->kind == KIND_VIDEO && !list_empty(&s->peer->ready) && !s->peer->gathers)
            release_peer(s->peer); /* while its state is at hand; audio waits for that of others */
    }
    for (unsigned k = 0; k < count; k++)
        packet_unref(t->burst[k]);
    t->burst_count = 0;
    choices_burst_end(t);
}

/* Hands out what the track has received so far: before something changes that holds for later packets only.
 */
void release_track(struct sfu_track *t)
{
    if (!t->burst_count)
        return;
    t->worker->send_us = clock_now_us();
    hand_out(t);
    egress_flush(t->worker);
}

void release_forget_track(struct sfu_track *t)
{
    for (unsigned k = 0; k < t->burst_count; k++)
        packet_unref(t->burst[k]);
    t->burst_count = 0;
    choices_burst_end(t);
    t->burst_due = false;
    list_del(&t->ready);
}

/* The track received a packet. Video that is only a part of its frame may wait for the rest where that saves
 * work: no decoder could use it before. */
void release_burst(struct sfu_track *t, struct packet *p)
{
    struct sfu_worker *w = t->worker;
    if (t->burst_count == SFU_BURST_MAX)
        release_track(t);
    if (t->kind == KIND_VIDEO)
        choices_input(t, p);
    if (!t->sub_count)
        return;
    t->burst[t->burst_count++] = packet_ref(p);
    if (t->kind != KIND_VIDEO || !w->gathering || meta_of(p)->rtp.marker || t->burst_count >= ENOUGH) {
        make_due(t);
    } else if (list_empty(&t->ready)) {
        list_add_tail(&w->gather, &t->ready);
        turn_comes(w, &w->gather_timer, SFU_GATHER_US);
    }
}

/* ---- what waited in vain ---- */

struct drop {
    struct sfu_sub *sub;
    uint64_t before; /* outgoing number of the first packet that stays */
    uint64_t low, high;
    uint32_t ts;
    uint32_t frames;
};

static bool is_dropped(void *arg, const struct pacer_item *item)
{
    struct drop *d = arg;
    uint64_t seq = item->out.seq;
    if (item->owner != d->sub || seq >= d->before)
        return false;
    if (!d->frames || d->ts != item->out.ts)
        d->frames++;
    d->ts = item->out.ts;
    d->low = seq < d->low ? seq : d->low;
    d->high = seq > d->high ? seq : d->high;
    return true;
}

/* Drops the video of a subscription that waits, up to an outgoing number. Returns the packets. */
static size_t drop_video(struct sfu_sub *s, uint64_t before, uint32_t *ret_frames)
{
    struct drop d = {.sub = s, .before = before, .low = UINT64_MAX};
    size_t n = pacer_drop(&s->peer->pacer, &s->peer->worker->items, PACER_VIDEO, is_dropped, &d);
    *ret_frames = d.frames;
    if (!n)
        return 0;
    if (d.low != s->dropped_end)
        s->dropped_from = d.low;
    s->dropped_end = d.high + 1;
    return n;
}

/* The newest key frame of a subscription that waits behind other video of its; UINT64_MAX: none does. */
static uint64_t newest_key_frame(const struct sfu_sub *s)
{
    uint64_t found = UINT64_MAX, first = UINT64_MAX;
    for (const struct pacer_item *i = s->peer->pacer.queues[PACER_VIDEO].head; i; i = i->next) {
        if (i->owner != s)
            continue;
        if (first == UINT64_MAX)
            first = i->out.seq;
        else if (i->out.seq > first &&
                 payload_is(&meta_of(i->packet)->rtp.payload, PAYLOAD_KEY | PAYLOAD_START))
            found = i->out.seq;
    }
    return found;
}

/* Frames that waited too long are dropped whole: up to the key frame that waits behind them, or all there
 * are; then the subscription goes on at the next key frame. */
static void drop_stale(struct sfu_sub *s)
{
    struct sfu_worker *w = s->peer->worker;
    uint32_t frames;
    uint64_t before = newest_key_frame(s);
    w->stats.stale_packets += drop_video(s, before, &frames);
    w->stats.stale_frames += frames;
    if (before != UINT64_MAX)
        return;
    sub_restart(s);
    sub_retarget(s);
}

static void relieve(struct sfu_peer *p)
{
    struct sfu_sub *s;
    while ((s = pacer_overdue(&p->pacer, p->worker->now_us)))
        drop_stale(s);
}

/* Nothing of it is sent any more. */
void release_forget_sub(struct sfu_sub *s)
{
    pacer_purge(&s->peer->pacer, &s->peer->worker->items, s);
}

void release_forget_peer(struct sfu_peer *p)
{
    pacer_purge(&p->pacer, &p->worker->items, NULL);
    list_del(&p->ready);
    list_del(&p->paced);
}

/* ---- in ---- */

static bool queue(struct sfu_sub *s, enum pacer_class class, enum egress_kind kind, struct packet *pkt,
    const struct rewrite_out *out)
{
    struct sfu_worker *w = s->peer->worker;
    struct pacer_item *item = pacer_item_get(&w->items);
    if (!item)
        return false;
    item->owner = s;
    item->packet = pkt ? packet_ref(pkt) : NULL;
    item->out = *out;
    item->kind = (uint8_t)kind;
    size_t payload_len = pkt ? meta_of(pkt)->rtp.payload_len : 0;
    item->size = egress_size(payload_len + redundancy_bytes(s, payload_len));
    if (pacer_input(&s->peer->pacer, class, item, w->now_us)) {
        pacer_item_put(&w->items, item);
        return false;
    }
    if (class == PACER_AUDIO && w->gathering)
        gather_voices(s->peer);
    else if (class == PACER_AUDIO || list_empty(&s->peer->paced))
        make_ready(s->peer);
    return true;
}

void release_media(struct sfu_sub *s, struct packet *pkt, const struct rewrite_out *out)
{
    enum pacer_class class = s->kind == KIND_AUDIO ? PACER_AUDIO : PACER_VIDEO;
    if (queue(s, class, EGRESS_MEDIA, pkt, out))
        return;
    if (class == PACER_VIDEO) {
        drop_stale(s); /* what is behind a hole is of no use, but for a key frame and what follows it */
        if (s->current >= 0 && queue(s, class, EGRESS_MEDIA, pkt, out))
            return;
    }
    s->peer->worker->stats.stale_packets++;
    if (class == PACER_AUDIO)
        return;
    if (s->dropped_end != out->seq)
        s->dropped_from = out->seq;
    s->dropped_end = out->seq + 1;
    if (s->current >= 0) { /* a key frame stayed, but what follows it is lost */
        sub_restart(s);
        sub_retarget(s);
    }
}

/* pkt NULL: says that the number out->seq never comes. false: there is no room, or no RTX. */
bool release_rtx(struct sfu_sub *s, struct packet *pkt, const struct rewrite_out *out)
{
    bool any = false;
    for (int i = 0; i < PAYLOAD_CODEC_COUNT; i++)
        any |= s->codecs[i].rtx_pt != 0;
    if (pkt) {
        unsigned codec = meta_of(pkt)->rtp.payload.codec;
        any = codec < PAYLOAD_CODEC_COUNT && s->codecs[codec].rtx_pt != 0;
    }
    return any && queue(s, PACER_RTX, pkt ? EGRESS_RTX : EGRESS_RTX_EMPTY, pkt, out);
}

/* ---- out ---- */

/* Voices that go together, and behind what else goes: the longest at first, since a run may end with one that
 * is shorter. Those of one stream keep their order. */
struct voices {
    struct pacer_item *items[UDP_BATCH_MAX];
    size_t count;
};

static void voice_add(struct voices *v, struct pacer_item *item)
{
    size_t at = v->count++;
    for (; at && v->items[at - 1]->size < item->size && v->items[at - 1]->owner != item->owner; at--)
        v->items[at] = v->items[at - 1];
    v->items[at] = item;
}

static void release_items(struct sfu_peer *p, bool held)
{
    struct pacer_item *item;
    struct voices v;
    v.count = 0;
    while ((item = pacer_take(&p->pacer, held, p->worker->now_us))) {
        const struct sfu_sub *s = item->owner;
        if (p->worker->gathering && s->kind == KIND_AUDIO && v.count < UDP_BATCH_MAX)
            voice_add(&v, item);
        else
            egress_item(p, item);
    }
    for (size_t i = 0; i < v.count; i++)
        egress_item(p, v.items[i]);
    if (p->gathered && v.count < SFU_GATHER_VOICES)
        p->few_voices = SFU_GATHER_PAUSE;
    p->gathered = false;
}

static void release_peer(struct sfu_peer *p)
{
    struct sfu_worker *w = p->worker;
    bool held = !list_empty(&p->paced);
    bool probes = p->sent.probing && !held;
    list_del(&p->ready);
    p->gathers = false;
    egress_begin(p);
    if (probes)
        congestion_turn_begin(p, w->send_us);
    release_items(p, held);
    if (probes)
        congestion_turn_end(p, w->send_us);
    egress_end(p);
    bool waits = pacer_waits(&p->pacer);
    if (held || (!waits && !p->sent.probing))
        return;
    relieve(p);
    w->stats.paced += waits;
    release_turns(p);
}

/* The peer has a turn next time: something waits, or a cluster of probes is being sent. */
void release_turns(struct sfu_peer *p)
{
    if (list_empty(&p->paced))
        list_add_tail(&p->worker->paced, &p->paced);
    turn_comes(p->worker, &p->worker->pace_timer, PACER_TICK_US);
}

/* Sends what may go by now: at the end of each round. */
void release_run(struct sfu_worker *w)
{
    if (list_empty(&w->due) && list_empty(&w->ready))
        return;
    w->send_us = clock_now_us();
    while (!list_empty(&w->due))
        hand_out(list_entry(w->due.next, struct sfu_track, ready));
    while (!list_empty(&w->ready))
        release_peer(list_entry(w->ready.next, struct sfu_peer, ready));
    egress_flush(w);
}

/* The same, before a command may end a subscription: what was received before it is sent before it, as far as
 * the pace allows. */
void release_all(struct sfu_worker *w)
{
    gather_ends(w);
    release_run(w);
}

/* Does gathering pay? Only where the worker sends so much that each call into the kernel counts. */
void release_tick(struct sfu_worker *w)
{
    uint64_t sent = w->stats.rtp_out - w->rtp_out_then;
    w->rtp_out_then = w->stats.rtp_out;
    w->gathering = sent * 1000000 / SFU_TICK_US >= SFU_GATHER_RATE;
    loop_set_pace(w->loop, w->gathering ? SFU_ROUND_US : 0);
}

/* ---- life ---- */

void release_init(struct sfu_worker *w)
{
    pacer_pool_init(&w->items, PACER_POOL_ITEMS);
    wheel_timer_init(&w->gather_timer, on_gather_timer, w);
    wheel_timer_init(&w->pace_timer, on_pace_timer, w);
}

void release_done(struct sfu_worker *w)
{
    pacer_pool_done(&w->items);
}
