/* One slot on one worker: whom it carries, and what its subscribers get of it. */
#include <stdlib.h>
#include "sfu/stage.h"

#define SLOT_PTIME_MAX_MS 120 /* the longest packet of Opus */

/* ---- whom it carries ---- */

/* What waits to be handed out belongs to the source so far. */
static void begin_anew(struct sfu_slot *slot)
{
    release_track(slot->track);
    slot->epoch++;
}

static void unplug(struct sfu_slot *slot)
{
    struct sfu_track *from = slot->from;
    if (!from)
        return;
    from->feeds = NULL;
    slot->from = NULL;
    track_unused(from);
}

/* The source's own track or image; what it said just before comes first. */
static void plug(struct sfu_slot *slot)
{
    struct sfu_worker *w = slot->track->worker;
    if (slot->from || !slot->source || !slot->track->sub_count)
        return;
    struct sfu_track *known = track_find(w, slot->source);
    struct sfu_track *from = known;
    if (!from)
        from = track_image_preroll(w, slot->source, slot->source_worker);
    if (!from)
        return;
    if (from->feeds)
        from->feeds->from = NULL;
    from->feeds = slot;
    slot->from = from;
    if (known)
        track_preroll(known, -1);
}

void slot_source(struct sfu_slot *slot, uint32_t track, uint32_t peer, uint8_t worker)
{
    if (!slot->track)
        return;
    begin_anew(slot);
    slot->source = track;
    slot->source_peer = peer;
    slot->source_worker = worker;
    unplug(slot);
    plug(slot);
}

/* Another SSRC, or the same after a mute: its numbers have nothing to do with what was. */
void slot_restart(struct sfu_slot *slot)
{
    begin_anew(slot);
}

/* The track that feeds it is about to end; home says who follows. */
void slot_lost(struct sfu_slot *slot)
{
    begin_anew(slot);
    slot->from->feeds = NULL;
    slot->from = NULL;
    slot->source = slot->source_peer = 0;
}

/* Somebody here listens now, or nobody does any more. */
void slot_listeners(struct sfu_slot *slot)
{
    if (slot->track->sub_count)
        plug(slot);
    else
        unplug(slot);
}

/* ---- what its subscribers get ---- */

/* A packet of the source. */
void slot_input(struct sfu_track *from, struct packet *p)
{
    release_burst(from->feeds->track, p);
}

/* A source begins. A receiver has played silence until now, and takes nothing that is older than that, nor
 * what overlaps the last packet: so the pre-roll is dated now, and all that follows is late by as much, until
 * a silence makes up for it. */
static void begin(struct sfu_sub *s, const struct rtp_packet *h, int64_t recv_us)
{
    struct rewrite *r = &s->rewrite;
    int64_t at_us = s->peer->worker->now_us;
    int64_t least_us = r->last_us + rtp_units_to_us(s->slot_ptime, r->rate);
    if (at_us < recv_us)
        at_us = recv_us;
    if (r->started && at_us < least_us)
        at_us = least_us;
    s->slot_lead_us = at_us - recv_us;
    s->slot_epoch = s->track->slot->epoch;
    s->current = 0;
    rewrite_switch(r, s->slot_epoch, h, at_us, NULL, NULL);
}

void slot_deliver(struct sfu_sub *s, struct packet *pkt)
{
    const struct sfu_slot *slot = s->track->slot;
    const struct rtp_packet *h = &meta_of(pkt)->rtp;
    if (s->paused || slot->source_peer == s->own_peer || !sub_takes(s, h))
        return;
    bool first = s->slot_epoch != slot->epoch || !s->rewrite.live;
    if (!h->payload_len || !egress_accepts(s, pkt)) {
        if (!first)
            rewrite_drop(&s->rewrite, h);
        return;
    }
    if (first)
        begin(s, h, pkt->recv_us);
    struct rewrite_out out;
    uint32_t last_ts = s->rewrite.last_ts;
    if (rewrite_packet(&s->rewrite, h, pkt->recv_us + s->slot_lead_us, &out))
        return;
    uint32_t ptime = out.ts - last_ts;
    if (first)
        rewrite_mark(&s->rewrite, &out); /* RFC 3551, section 4.1: a talk-spurt begins */
    else if (ptime <= s->rewrite.rate * SLOT_PTIME_MAX_MS / 1000)
        s->slot_ptime = ptime;
    sub_deliver(s, pkt, &out);
}

/* The clock of who speaks in the slot, if that is what the subscriber is being sent; NULL: it is not. */
const struct rtp_clock *slot_clock(const struct sfu_sub *s)
{
    const struct sfu_slot *slot = s->track->slot;
    const struct sfu_stream *st = slot->from ? slot->from->streams[0] : NULL;
    return st && s->slot_epoch == slot->epoch && st->clock.valid ? &st->clock : NULL;
}

/* ---- life ---- */

void slot_init(struct sfu_slot *slot, struct sfu_worker *w, uint32_t track)
{
    *slot = (struct sfu_slot){.epoch = 1};
    slot->track = track_slot(w, track);
    if (slot->track)
        slot->track->slot = slot;
}

void slot_done(struct sfu_slot *slot)
{
    if (!slot->track)
        return;
    slot->source = 0;
    unplug(slot);
    while (slot->track->sub_count)
        sub_remove(slot->track->subs[0]);
    slot->track->slot = NULL;
    track_remove(slot->track);
}
