#include "rtp/rewrite.h"

#include <errno.h>
#include "rtp/seq.h"

#define SLOTS_MIN 16
#define SLOTS_MAX 16384 /* a jump of half the number space would look like a step back */
#define CLOCK_TRUST_US                                                                                       \
    1000000 /* sender reports that differ more than this from arrival times are not believed */
#define PICTURE_ID_MASK 0x7fff

int rewrite_init(struct rewrite *r, struct rewrite_slot *slots, size_t count, uint16_t first_seq,
    uint32_t first_ts, uint32_t rate)
{
    if (count < SLOTS_MIN || count > SLOTS_MAX || (count & (count - 1)) != 0 || rate == 0)
        return -EINVAL;
    *r = (struct rewrite){
        .slots = slots,
        .mask = (uint32_t)count - 1,
        .rate = rate,
        .next = first_seq & 0x7fff,
        .first = first_seq & 0x7fff,
        .first_ts = first_ts,
    };
    for (size_t i = 0; i < count; i++)
        slots[i] = (struct rewrite_slot){0};
    return 0;
}

static struct rewrite_slot *slot_of(const struct rewrite *r, uint64_t seq)
{
    return &r->slots[seq & r->mask];
}

/* The oldest outgoing number that the ring still has. */
static uint64_t oldest(const struct rewrite *r)
{
    uint64_t held = r->next - r->first;
    return held > r->mask + UINT64_C(1) ? r->next - r->mask - 1 : r->first;
}

static int64_t slot_src(const struct rewrite *r, const struct rewrite_slot *s)
{
    return seq_near32(r->epochs[s->epoch].src_first, s->src);
}

/* Gives the next outgoing number to the source number src. */
static struct rewrite_slot *slot_add(struct rewrite *r, int64_t src, enum rewrite_state state)
{
    struct rewrite_slot *s = slot_of(r, r->next++);
    *s = (struct rewrite_slot){
        .src = (uint32_t)src,
        .picture_shift = r->picture_shift,
        .epoch = r->epoch,
        .state = (uint8_t)(state & 0x7f),
    };
    return s;
}

/* Holds numbers for what is missing between the newest source number and src. A gap wider than the ring
 * becomes as wide as the ring: receivers see that something is missing, and nothing of it can come late. */
static void hold_gap(struct rewrite *r, int64_t src)
{
    int64_t gap = src - r->src_highest - 1;
    if (gap > (int64_t)r->mask + 1)
        gap = (int64_t)r->mask + 1;
    for (int64_t i = gap; i > 0; i--)
        (void)slot_add(r, src - i, REWRITE_HELD);
}

/* The outgoing number of a source number of this epoch; false: it has none (any more). */
static bool find_src(const struct rewrite *r, int64_t src, uint64_t *ret)
{
    uint64_t low = oldest(r), high = r->next;
    if (low < r->epochs[r->epoch].out_first)
        low = r->epochs[r->epoch].out_first;
    while (low < high) {
        uint64_t mid = low + (high - low) / 2;
        int64_t at = slot_src(r, slot_of(r, mid));
        if (at == src) {
            *ret = mid;
            return true;
        }
        if (at < src)
            low = mid + 1;
        else
            high = mid;
    }
    return false;
}

/* The timestamp that one of the epoch's source becomes. */
static uint32_t ts_out(const struct rewrite_epoch *e, uint32_t ts)
{
    int32_t behind = e->drawn ? ts_diff(e->edge_ts, ts) : 0;
    if (behind > 0)
        ts = e->edge_ts - ((uint32_t)behind >> REWRITE_DRAWN_SHIFT);
    return ts + e->ts_offset;
}

/* What in becomes under the number seq, whose slot is s. */
static struct rewrite_out make_out(
    const struct rewrite *r, uint64_t seq, const struct rewrite_slot *s, const struct rtp_packet *in)
{
    const struct rewrite_epoch *e = &r->epochs[s->epoch];
    unsigned mask = in->payload.flags & PAYLOAD_PICTURE_ID_LONG ? PICTURE_ID_MASK : 0x7f;
    return (struct rewrite_out){
        .seq = seq,
        .ts = ts_out(e, in->ts),
        .picture_id = (uint16_t)((in->payload.picture_id - s->picture_shift) & mask),
        .frame_number = (uint16_t)(in->frame_number + e->frame_offset),
        .tl0 = (uint8_t)(in->payload.tl0 + e->tl0_offset),
        .marker = in->marker || s->marker,
    };
}

/* The outgoing timestamp at which the source begins: where its own clock leads, if that agrees with the time
 * that has passed since the last packet, else by that time alone. */
static uint32_t begin_ts(const struct rewrite *r, uint32_t source, const struct rtp_packet *first,
    int64_t arrival_us, const struct rtp_clock *from, const struct rtp_clock *to)
{
    const struct rewrite_epoch *old = &r->epochs[r->epoch];
    uint32_t base = old->ts_offset - old->ts_pushed;
    uint32_t by_arrival =
        r->last_ts - old->ts_pushed + (uint32_t)rtp_us_to_units(arrival_us - r->last_us, r->rate);
    uint32_t by_clock;
    if (old->source == source)
        by_clock = first->ts + base;
    else if (from && to && from->valid && to->valid && from->rate == r->rate && to->rate == r->rate)
        by_clock = rtp_clock_ts(from, rtp_clock_ntp(to, first->ts)) + base;
    else
        return by_arrival;
    int64_t differ = ts_diff(by_clock, by_arrival);
    int64_t trust = rtp_us_to_units(CLOCK_TRUST_US, r->rate);
    return differ > trust || differ < -trust ? by_arrival : by_clock;
}

static void switch_to(struct rewrite *r, struct rewrite_epoch e, const struct rtp_packet *first,
    int64_t arrival_us, const struct rtp_clock *from, const struct rtp_clock *to)
{
    uint32_t ts = r->started ? begin_ts(r, e.source, first, arrival_us, from, to) : r->first_ts;
    e.used = true;
    e.src_first = first->ext_seq;
    e.out_first = r->next;
    e.ts_offset = ts - first->ts;
    /* A key frame may be older than what the other layer has sent by now. The push is not carried on to the
     * next switch, so that pushes do not add up. */
    uint32_t least = r->last_ts + (r->rate / 1000 ? r->rate / 1000 : 1);
    if (r->started && ts_newer(least, ts_out(&e, first->ts))) {
        e.ts_pushed = least - ts_out(&e, first->ts);
        e.ts_offset += e.ts_pushed;
    }
    if (r->has_frame && rtp_has(first, RTP_EXT_DEPENDENCY))
        e.frame_offset = (uint16_t)(r->last_frame + 1 - first->frame_number);
    if (r->has_tl0 && payload_is(&first->payload, PAYLOAD_TL0))
        e.tl0_offset = (uint8_t)(r->last_tl0 + 1 - first->payload.tl0);
    r->picture_shift = 0;
    if (r->has_picture && payload_is(&first->payload, PAYLOAD_PICTURE_ID))
        r->picture_shift = (uint16_t)((first->payload.picture_id - r->last_picture - 1) & PICTURE_ID_MASK);
    r->epoch = (uint8_t)((r->epoch + 1) % REWRITE_EPOCHS);
    r->epochs[r->epoch] = e;
    r->src_highest = first->ext_seq - 1;
    r->src_has_picture = false;
    r->dropped = 0;
    r->live = true;
}

void rewrite_switch(struct rewrite *r, uint32_t source, const struct rtp_packet *first, int64_t arrival_us,
    const struct rtp_clock *from, const struct rtp_clock *to)
{
    switch_to(r, (struct rewrite_epoch){.source = source}, first, arrival_us, from, to);
}

void rewrite_switch_back(struct rewrite *r, uint32_t source, const struct rtp_packet *first,
    int64_t arrival_us, const struct rtp_clock *from, const struct rtp_clock *to, uint32_t edge_ts)
{
    struct rewrite_epoch e = {.source = source, .drawn = true, .edge_ts = edge_ts};
    switch_to(r, e, first, arrival_us, from, to);
}

void rewrite_pause(struct rewrite *r)
{
    r->live = false;
}

/* VP8: a picture is passed or dropped whole, and dropped ones are taken out of the numbering. VP9's
 * references are differences of picture ids, and its layers share them: there they stay as they are. */
static bool pictures_count(const struct payload_info *i)
{
    return i->codec == PAYLOAD_VP8 && payload_is(i, PAYLOAD_PICTURE_ID);
}

/* A packet newer than all before: does it begin another picture? Remembers it, and whether it is dropped. */
static bool picture_advance(struct rewrite *r, const struct payload_info *i, bool dropped)
{
    if (!pictures_count(i) || (r->src_has_picture && i->picture_id == r->src_picture))
        return false;
    int32_t ahead = seq_diff_bits(i->picture_id, r->src_picture, payload_picture_id_bits(i));
    /* Ids that run back are a restart of the encoder. */
    r->dropped = r->src_has_picture && ahead > 0 && ahead < 64 ? r->dropped << ahead : 0;
    r->dropped |= dropped;
    r->src_has_picture = true;
    r->src_picture = i->picture_id;
    return true;
}

/* Was the picture that this packet belongs to dropped (or is it so old that nobody knows)? */
static bool picture_was_dropped(const struct rewrite *r, const struct payload_info *i, bool late)
{
    if (!pictures_count(i) || !r->src_has_picture)
        return false;
    int32_t behind = seq_diff_bits(r->src_picture, i->picture_id, payload_picture_id_bits(i));
    if (!late)
        return behind == 0 && r->dropped & 1;
    return behind >= 64 || (behind >= 0 && r->dropped >> behind & 1);
}

/* Remembers how far the outgoing stream has come. */
static void note_sent(
    struct rewrite *r, const struct rtp_packet *in, const struct rewrite_out *out, int64_t arrival_us)
{
    if (!r->started || ts_newer(out->ts, r->last_ts))
        r->last_ts = out->ts;
    r->started = true;
    r->last_us = arrival_us;
    if (payload_is(&in->payload, PAYLOAD_PICTURE_ID)) {
        r->has_picture = true;
        r->last_picture = out->picture_id;
    }
    if (payload_is(&in->payload, PAYLOAD_TL0)) {
        r->has_tl0 = true;
        r->last_tl0 = out->tl0;
    }
    if (rtp_has(in, RTP_EXT_DEPENDENCY)) {
        r->has_frame = true;
        r->last_frame = out->frame_number;
    }
}

/* A late packet may still be the furthest that was forwarded: what has overtaken it was dropped. */
static void note_late(
    struct rewrite *r, const struct rtp_packet *in, const struct rewrite_out *out, int64_t arrival_us)
{
    if (ts_newer(out->ts, r->last_ts)) {
        r->last_ts = out->ts;
        r->last_us = arrival_us;
    }
    if (payload_is(&in->payload, PAYLOAD_PICTURE_ID) &&
        seq_diff_bits(out->picture_id, r->last_picture, payload_picture_id_bits(&in->payload)) > 0)
        r->last_picture = out->picture_id;
    if (payload_is(&in->payload, PAYLOAD_TL0) && seq_diff_bits(out->tl0, r->last_tl0, 8) > 0)
        r->last_tl0 = out->tl0;
    if (rtp_has(in, RTP_EXT_DEPENDENCY) && seq_newer(out->frame_number, r->last_frame))
        r->last_frame = out->frame_number;
}

int rewrite_packet(
    struct rewrite *r, const struct rtp_packet *in, int64_t arrival_us, struct rewrite_out *ret)
{
    if (!r->live)
        return -ENOTCONN;
    int64_t src = in->ext_seq;
    if (src < r->epochs[r->epoch].src_first)
        return -ESTALE;
    if (picture_was_dropped(r, &in->payload, src <= r->src_highest)) {
        rewrite_drop(r, in);
        return -ESTALE;
    }
    if (src > r->src_highest) {
        hold_gap(r, src);
        (void)picture_advance(r, &in->payload, false);
        uint64_t seq = r->next;
        struct rewrite_slot *s = slot_add(r, src, REWRITE_SENT);
        r->src_highest = src;
        *ret = make_out(r, seq, s, in);
        note_sent(r, in, ret, arrival_us);
        return 0;
    }
    uint64_t seq;
    if (!find_src(r, src, &seq))
        return -ESTALE;
    struct rewrite_slot *s = slot_of(r, seq);
    if (s->state != REWRITE_HELD)
        return s->state == REWRITE_SENT ? -EALREADY : -ESTALE;
    s->state = REWRITE_SENT;
    *ret = make_out(r, seq, s, in);
    note_late(r, in, ret, arrival_us);
    return 0;
}

void rewrite_mark(struct rewrite *r, struct rewrite_out *out)
{
    out->marker = true;
    if (out->seq >= oldest(r) && out->seq < r->next)
        slot_of(r, out->seq)->marker = 1;
}

void rewrite_drop(struct rewrite *r, const struct rtp_packet *in)
{
    int64_t src = in->ext_seq;
    if (!r->live || src < r->epochs[r->epoch].src_first)
        return;
    if (src > r->src_highest) {
        hold_gap(r, src);
        r->src_highest = src;
        if (picture_advance(r, &in->payload, true))
            r->picture_shift = (r->picture_shift + 1) & PICTURE_ID_MASK;
        return;
    }
    uint64_t seq;
    if (find_src(r, src, &seq) && slot_of(r, seq)->state == REWRITE_HELD)
        slot_of(r, seq)->state = REWRITE_FILTERED;
}

/* The slot of an extended outgoing number that is still known; else NULL. */
static const struct rewrite_slot *slot_known(const struct rewrite *r, uint64_t seq)
{
    if (seq < oldest(r) || seq >= r->next)
        return NULL;
    const struct rewrite_slot *s = slot_of(r, seq);
    const struct rewrite_epoch *e = &r->epochs[s->epoch];
    /* Its epoch's place may belong to a later one by now. */
    return s->state != REWRITE_NONE && e->used && seq >= e->out_first ? s : NULL;
}

int rewrite_find(const struct rewrite *r, uint16_t out_seq, struct rewrite_origin *ret)
{
    int64_t seq = seq_near((int64_t)r->next, out_seq);
    const struct rewrite_slot *s = seq >= 0 ? slot_known(r, (uint64_t)seq) : NULL;
    if (!s)
        return -ENOENT;
    *ret = (struct rewrite_origin){
        .state = (enum rewrite_state)s->state,
        .source = r->epochs[s->epoch].source,
        .src_seq = slot_src(r, s),
        .seq = (uint64_t)seq,
    };
    return 0;
}

int rewrite_again(const struct rewrite *r, const struct rewrite_origin *o, const struct rtp_packet *in,
    struct rewrite_out *ret)
{
    const struct rewrite_slot *s = slot_known(r, o->seq);
    if (!s || r->epochs[s->epoch].source != o->source || slot_src(r, s) != o->src_seq ||
        in->ext_seq != o->src_seq)
        return -ENOENT;
    *ret = make_out(r, o->seq, s, in);
    return 0;
}

uint64_t rewrite_begin(const struct rewrite *r)
{
    return r->epochs[r->epoch].out_first;
}

uint32_t rewrite_ts_offset(const struct rewrite *r)
{
    return r->epochs[r->epoch].ts_offset;
}
