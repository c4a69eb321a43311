#include "rtp/layer_source.h"

#include <errno.h>
#include "rtp/seq.h"

#define RESTART_JUMP (4 * LAYERS_RECORDS) /* beyond everything that a receiver remembers */

void layer_source_init(struct layer_source *s, struct dd_structure *dd)
{
    *s = (struct layer_source){.dd = dd};
    if (dd)
        dd->valid = false;
}

static void source_restart(struct layer_source *s, const struct rtp_packet *p)
{
    uint32_t generation = s->generation + 1 ? s->generation + 1 : 1;
    uint32_t structure = s->structure;
    layer_source_init(s, s->dd);
    s->generation = generation;
    s->structure = structure;
    s->codec = p->payload.codec;
    s->ssrc = p->ssrc;
    s->seq_newest = p->ext_seq - 1;
    s->started = true;
}

/* ---- numbers ---- */

/* The number of the frame that the packets call raw; -1: an old packet with a number that is not. */
static int64_t number_of(struct layer_source *s, uint16_t raw, unsigned bits, bool newest_packet)
{
    if (!s->numbered) {
        s->numbered = true;
        s->raw = raw;
        s->newest = 1 << 16; /* older ones are not negative */
        return s->newest;
    }
    int32_t ahead = seq_diff_bits(raw, s->raw, bits);
    if (!newest_packet)
        return ahead > 0 ? -1 : s->newest + ahead;
    if (ahead < 0)
        ahead = RESTART_JUMP; /* a newer packet of an older frame: the encoder counts anew */
    s->newest += ahead;
    s->raw = raw;
    return s->newest;
}

/* ---- descriptors ---- */

/* FNV-1a. */
static uint64_t hash_of(const struct dd_structure *d)
{
    const uint8_t *bytes = (const uint8_t *)d;
    uint64_t h = UINT64_C(0xcbf29ce484222325);
    for (size_t i = 0; i < sizeof *d; i++)
        h = (h ^ bytes[i]) * UINT64_C(0x100000001b3);
    return h;
}

static void kind_set(struct layer_source *s, enum layer_kind kind)
{
    if (s->kind == kind)
        return;
    s->kind = kind;
    s->numbered = false;
    s->active_number = 0;
    s->generation = s->generation + 1 ? s->generation + 1 : 1;
}

static void structure_note(struct layer_source *s)
{
    uint64_t hash = hash_of(s->dd);
    if (hash == s->structure_hash)
        return;
    s->structure_hash = hash;
    s->structure++;
}

/* The layers of these targets are sent from now on, as long as they come. */
static void active_set(struct layer_source *s, uint32_t active, int64_t now_us)
{
    s->active = active;
    for (unsigned k = 0; k < s->dd->target_count; k++) {
        unsigned spatial = s->dd->target_spatial[k];
        if (!(active >> k & 1))
            continue;
        s->spatial_us[spatial] = now_us;
        s->spatial_picture[spatial] = s->pictures;
        if (spatial > s->spatial_sent)
            s->spatial_sent = (uint8_t)spatial;
    }
}

/* The packet that says which targets are active may be lost: what comes is sent, and what does not is not. */
static uint32_t active_now(struct layer_source *s, unsigned spatial, bool comes)
{
    uint32_t of_layer = 0, sent = 0;
    for (unsigned k = 0; k < s->dd->target_count; k++) {
        of_layer |= (uint32_t)(s->dd->target_spatial[k] == spatial) << k;
        sent |= (uint32_t)(s->dd->target_spatial[k] <= s->spatial_sent) << k;
    }
    if (comes && !(s->active & of_layer))
        s->active |= of_layer;
    return s->active & sent;
}

/* true: the descriptor's word counts. */
static bool descriptor_read(struct layer_source *s, const void *data, const struct rtp_packet *p,
    bool newest_packet, int64_t now_us, struct layer_facts *f)
{
    const uint8_t *value = rtp_ext_value(p, data, RTP_EXT_DEPENDENCY);
    struct dd dd;
    if (!value || !s->dd)
        return false;
    bool known = s->dd->valid;
    int r = dd_parse(value, p->ext_len[RTP_EXT_DEPENDENCY], s->dd, &dd);
    if (r == 0 && dd.has_structure) {
        if (!known || s->kind != LAYER_FRAMES)
            kind_set(s, LAYER_FRAMES);
        structure_note(s);
    }
    if (s->kind != LAYER_FRAMES)
        return false;
    bool readable = r == 0;
    if (!readable && r != -EAGAIN)
        return true;
    f->number = number_of(s, dd.frame_number, 16, newest_packet);
    f->start = dd.start;
    f->end = dd.end;
    f->readable = readable;
    if (!readable)
        return true;
    if ((dd.has_structure || dd.has_active_targets) && f->number >= s->active_number) {
        s->active_number = f->number;
        active_set(s, dd.active_targets, now_us);
    }
    f->deps = dd.deps;
    f->spatial = dd.deps.spatial;
    f->temporal = dd.deps.temporal;
    f->key = dd.has_structure && dd.deps.fdiff_count == 0;
    f->sync = false;
    return true;
}

/* ---- picture ids ---- */

static void picture_read(
    struct layer_source *s, const struct rtp_packet *p, bool newest_packet, struct layer_facts *f)
{
    const struct payload_info *i = &p->payload;
    bool key = payload_is(i, PAYLOAD_KEY | PAYLOAD_START);
    if (payload_is(i, PAYLOAD_PICTURE_ID) && (i->codec == PAYLOAD_VP8 || i->codec == PAYLOAD_VP9)) {
        if (s->kind == LAYER_PLAIN || (s->kind == LAYER_FRAMES && key))
            kind_set(s, LAYER_PICTURES);
        if (s->kind == LAYER_PICTURES)
            f->number = number_of(s, i->picture_id, payload_picture_id_bits(i), newest_packet);
    } else if (s->kind != LAYER_PLAIN && key) {
        kind_set(s, LAYER_PLAIN); /* ids, or descriptors, are not sent any more */
    }
    if (i->codec != PAYLOAD_VP9 || s->kind != LAYER_PICTURES || !payload_is(i, PAYLOAD_LAYERS))
        return;
    f->predicted = payload_is(i, PAYLOAD_PREDICTED);
    f->inter_layer = payload_is(i, PAYLOAD_INTER_LAYER);
    if (newest_packet && f->predicted && i->spatial > 0)
        s->independent = !f->inter_layer;
}

/* ---- what is sent ---- */

static void window_close(struct layer_source *s, int64_t now_us)
{
    int64_t length_us = now_us - s->window_us;
    uint32_t sum = 0;
    for (unsigned t = 0; t < LAYERS_TEMPORAL_MAX; t++) {
        sum += s->counts[t];
        /* silence in between is not a lower frame rate */
        s->fps[t] = length_us > 2 * LAYERS_FPS_US ? 0 : (uint16_t)(sum * INT64_C(1000000) / length_us);
        s->counts[t] = 0;
    }
    s->window_us = now_us;
}

static void sent_note(struct layer_source *s, const struct layer_facts *f, int64_t now_us)
{
    uint8_t spatial = f->spatial % LAYERS_SPATIAL_MAX;
    if (!s->window_us || f->ts != s->ts_newest) {
        if (!s->window_us)
            s->window_us = now_us;
        else if (now_us - s->window_us >= LAYERS_FPS_US)
            window_close(s, now_us);
        s->pictures++;
        if (s->counts[f->temporal % LAYERS_TEMPORAL_MAX] < UINT16_MAX / LAYERS_TEMPORAL_MAX)
            s->counts[f->temporal % LAYERS_TEMPORAL_MAX]++;
        while (s->spatial_sent > 0 && now_us - s->spatial_us[s->spatial_sent] > LAYERS_ABSENT_US &&
               s->pictures - s->spatial_picture[s->spatial_sent] > LAYERS_ABSENT_FRAMES)
            s->spatial_sent--;
    }
    if (spatial > s->spatial_sent)
        s->spatial_sent = spatial;
    s->spatial_us[spatial] = now_us;
    s->spatial_picture[spatial] = s->pictures;
}

void layer_source_read(struct layer_source *s, const void *data, const struct rtp_packet *p, int64_t now_us,
    struct layer_facts *ret)
{
    const struct payload_info *i = &p->payload;
    if (!s->started || s->ssrc != p->ssrc || s->codec != i->codec)
        source_restart(s, p);
    bool newest_packet = p->ext_seq > s->seq_newest;
    uint32_t generation = s->generation;
    struct layer_facts f = {
        .number = -1,
        .codec = s->codec,
        .ts = p->ts,
        .marker = p->marker,
        .spatial = i->spatial,
        .temporal = i->temporal,
        .start = payload_is(i, PAYLOAD_START),
        .end = payload_is(i, PAYLOAD_END),
        .key = payload_is(i, PAYLOAD_KEY),
        .sync = payload_is(i, PAYLOAD_LAYER_SYNC),
    };
    if (i->codec == PAYLOAD_UNKNOWN)
        f.key = f.start = true; /* forwarded as it is, from anywhere */
    if (!descriptor_read(s, data, p, newest_packet, now_us, &f))
        picture_read(s, p, newest_packet, &f);
    if (s->generation != generation)
        newest_packet = true; /* numbers begin here: those before say nothing */
    f.newest = newest_packet || (s->kind == LAYER_PLAIN ? p->ts == s->ts_newest : f.number == s->newest);
    if (newest_packet) {
        if (s->kind == LAYER_PLAIN || f.number >= 0)
            sent_note(s, &f, now_us);
        s->seq_newest = p->ext_seq;
        s->ts_newest = p->ts;
    }
    f.kind = s->kind;
    f.generation = s->generation;
    f.structure = s->structure;
    f.independent = s->independent;
    f.spatial_sent = s->spatial_sent;
    if (f.kind == LAYER_FRAMES)
        f.active = active_now(s, f.spatial, newest_packet && f.readable);
    f.dd = s->dd;
    f.fps = s->fps;
    *ret = f;
}
