/* Layers of every codec, from the bytes of a publisher's packets to what a decoder is given: publishers that
 * know what each frame refers to, a network that loses and reorders, a receiver whose wishes change. Whatever
 * happens, each frame that passes can be decoded, passes whole, and under numbers that go on without a seam;
 * and what is wanted is reached in time. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "rtp/frame.h"
#include "rtp/layers.h"
#include "rtp/rewrite.h"
#include "rtp/seq.h"
#include "rtp_dd_support.h"
#include "support/seeded.h"

#define RATE     90000
#define FRAME_US INT64_C(33333)

enum {
    STREAMS = 3,
    SPATIALS = 3,
    FRAMES_MAX = 40000,
    SENT_MAX = 60000,
    DEPS_MAX = 5,
    FLIGHTS = 4096,
    DATA = 200
};

/* ---- publishers ---- */

struct flavour {
    const char *name;
    enum payload_codec codec;
    unsigned streams, spatials, temporals;
    bool ksvc, dd;
    bool linked;         /* VP9: every other cycle is no switch point */
    bool comes_and_goes; /* the highest spatial layer is left out now and then */
};

/* A frame as its encoder knows it. */
struct frame {
    unsigned stream, spatial, temporal, picture;
    bool key, switches; /* what VP8's Y and VP9's U say */
    bool predicted;
    int deps[DEPS_MAX];
    unsigned dep_count;
    unsigned packets, came, passed, refused;
    bool torn;  /* its stream was left while it came */
    bool early; /* came before the first packet of the key frame that began its stream: NACKs bring it */
};

struct stream {
    int64_t seq;
    uint32_t ssrc, ts_base;
    struct rtp_clock clock; /* as its sender reports give it */
    uint16_t picture_id, number;
    uint8_t tl0;
    unsigned position; /* in the temporal pattern */
    unsigned cycle;
    bool key_wanted;
    int64_t key_due_us;
    unsigned spatials; /* sent at present */
    bool structure_sent, active_due;
    int last[SPATIALS][3]; /* newest frame by layer; -1: none */
    int vp8[4];            /* buffers: last, golden, alternate */
    int chain[SPATIALS];   /* newest frame of each chain */
    uint16_t number_of[FRAMES_MAX / 8];
    unsigned rows;
    struct template_row templates[16];
    char targets[16][16];
};

struct flight {
    int64_t at_us;
    int frame;
    bool whole; /* once it came */
    uint8_t data[DATA];
    struct rtp_packet p;
};

struct sent {
    bool used;
    int frame;
    unsigned epoch;
    struct rewrite_out out;
};

static struct scene {
    const struct flavour *flavour;
    struct seeded random;
    unsigned loss, reorder;
    struct stream streams[STREAMS];
    struct frame frames[FRAMES_MAX];
    uint16_t numbers[FRAMES_MAX];
    int frame_count;
    struct flight queue[FLIGHTS];
    unsigned queued;
    /* the receiver */
    struct frame_tracker trackers[STREAMS];
    struct dd_structure dd_ingest[STREAMS], dd[STREAMS];
    struct layer_source sources[STREAMS];
    struct layers layers;
    struct rewrite rewrite;
    struct rewrite_slot slots[1024];
    struct sent sent[SENT_MAX];
    uint64_t first, end;
    unsigned epochs, reached, holds;
    unsigned slowest; /* pictures until a wish came true */
    int last;         /* stream that was forwarded last; -1: none */
    int64_t now_us;
} scene;

/* ---- descriptors ---- */

/* The structure of flavours with descriptors: targets from the highest layer to the lowest. */
static void templates_make(struct stream *st)
{
    const struct flavour *f = scene.flavour;
    unsigned targets = f->spatials * f->temporals;
    st->rows = 0;
    for (unsigned s = 0; s < f->spatials; s++) {
        for (unsigned row = 0; row <= f->temporals; row++) {
            bool key = row == 0;
            unsigned t = key ? 0 : row - 1;
            struct template_row *r = &st->templates[st->rows];
            char *is = st->targets[st->rows++];
            memset(is, 0, sizeof st->targets[0]);
            for (unsigned k = 0; k < targets; k++) {
                unsigned ts = f->spatials - 1 - k / f->temporals, tt = f->temporals - 1 - k % f->temporals;
                if (s > ts || t > tt)
                    is[k] = '-';
                else if (s < ts)
                    is[k] = key ? 'S' : f->ksvc ? '-' : 'R';
                else
                    is[k] = t == 0 ? 'S' : t < tt ? 'S' : 'D';
            }
            *r = (struct template_row){.spatial = (uint8_t)s, .temporal = (uint8_t)t, .targets = is};
            r->fdiffs[0] = key ? (uint8_t)(s > 0) : (uint8_t)(f->spatials * (4u >> t));
            if (!key && s > 0 && !f->ksvc)
                r->fdiffs[1] = 1;
            for (unsigned c = 0; c < f->spatials; c++)
                r->chains[c] = key ? (uint8_t)(s > 0) : (uint8_t)(1 + c);
        }
    }
}

static unsigned chain_diff(const struct stream *st, int frame, unsigned chain)
{
    int last = st->chain[chain];
    return last < 0 ? 0 : (uint16_t)(scene.numbers[frame] - scene.numbers[last]);
}

static size_t descriptor_put(struct stream *st, int frame, bool start, bool end, uint8_t *out)
{
    const struct flavour *f = scene.flavour;
    const struct frame *fr = &scene.frames[frame];
    bool intra = fr->key || !fr->predicted;
    unsigned row = fr->spatial * (f->temporals + 1) + (intra && fr->temporal == 0 ? 0 : 1 + fr->temporal);
    if (!fr->key && row % (f->temporals + 1) == 0)
        row++; /* comes again between key frames: its targets are those of an ordinary one */
    const struct template_row *r = &st->templates[row];
    struct bit_writer w = {0};
    put_mandatory(&w, start, end, (st->ssrc + row) % 64, scene.numbers[frame]);
    unsigned fdiffs[DEPS_MAX], n = 0, template_n = 0;
    for (; template_n < 3 && r->fdiffs[template_n]; template_n++)
        ;
    bool own_fdiffs = fr->dep_count != template_n, own_chains = false;
    for (; n < fr->dep_count; n++) {
        fdiffs[n] = (uint16_t)(scene.numbers[frame] - scene.numbers[fr->deps[n]]);
        own_fdiffs |= n >= template_n || fdiffs[n] != r->fdiffs[n];
    }
    for (unsigned c = 0; c < f->spatials; c++)
        own_chains |= chain_diff(st, frame, c) != r->chains[c];
    bool structure = start && fr->key && fr->spatial == 0,
         active = start && fr->spatial == 0 && st->active_due;
    if (structure || active || own_fdiffs || own_chains) {
        put(&w, 1, structure);
        put(&w, 1, active);
        put(&w, 1, 0);
        put(&w, 1, own_fdiffs);
        put(&w, 1, own_chains);
    }
    if (structure) {
        uint8_t protects[9];
        for (unsigned k = 0; k < f->spatials * f->temporals; k++)
            protects[k] = (uint8_t)(f->spatials - 1 - k / f->temporals);
        put_structure(&w, st->ssrc % 64, st->templates, st->rows, f->spatials, protects, false);
    }
    for (unsigned k = f->spatials * f->temporals; active && k-- > 0;) /* target 0 is the lowest bit */
        put(&w, 1, f->spatials - 1 - k / f->temporals < st->spatials);
    for (unsigned i = 0; own_fdiffs && i < n; i++) {
        put(&w, 2, 2);
        put(&w, 8, fdiffs[i] - 1);
    }
    if (own_fdiffs)
        put(&w, 2, 0);
    for (unsigned c = 0; own_chains && c < f->spatials; c++)
        put(&w, 8, chain_diff(st, frame, c));
    memcpy(out, w.data, bytes_of(&w));
    return bytes_of(&w);
}

/* ---- payloads ---- */

static size_t payload_put(const struct stream *st, const struct frame *f, bool start, bool end, uint8_t *out)
{
    bool key = f->key && f->spatial == 0;
    switch (scene.flavour->codec) {
    case PAYLOAD_VP8: {
        const uint8_t vp8[] = {(uint8_t)(0x80 | start << 4), 0xe0, (uint8_t)(0x80 | st->picture_id >> 8),
            (uint8_t)st->picture_id, st->tl0, (uint8_t)(f->temporal << 6 | f->switches << 5), !key, 0};
        memcpy(out, vp8, sizeof vp8);
        return sizeof vp8;
    }
    case PAYLOAD_VP9: {
        bool inter_layer = f->spatial > 0 && (!scene.flavour->ksvc || f->key);
        const uint8_t vp9[] = {(uint8_t)(0xa0 | f->predicted << 6 | start << 3 | end << 2),
            (uint8_t)(0x80 | st->picture_id >> 8), (uint8_t)st->picture_id,
            (uint8_t)(f->temporal << 5 | f->switches << 4 | f->spatial << 1 | inter_layer), st->tl0, 0};
        memcpy(out, vp9, sizeof vp9);
        return sizeof vp9;
    }
    case PAYLOAD_H264:
        out[0] = key ? (start ? 0x67 : 0x65) : 0x41;
        out[1] = start ? 0x80 : 0x20;
        return 2;
    default:
        memset(out, 0xff, 4); /* encrypted */
        return 4;
    }
}

/* ---- encoders ---- */

static void depend(struct frame *f, int on)
{
    if (on < 0)
        return;
    for (unsigned i = 0; i < f->dep_count; i++)
        if (f->deps[i] == on)
            return;
    f->deps[f->dep_count++] = on;
}

static const struct {
    uint8_t temporal, refers, updates, sync; /* bits: last 1, golden 2, alternate 4 */
} vp8_pattern[8] = {{0, 1, 1, 0}, {2, 1, 4, 1}, {1, 1, 2, 1}, {2, 7, 0, 0}, {0, 1, 1, 0}, {2, 7, 0, 0},
    {1, 3, 2, 0}, {2, 7, 0, 0}};

static unsigned temporal_at(const struct stream *st)
{
    static const uint8_t three[] = {0, 2, 1, 2}, two[] = {0, 1, 0, 1};
    unsigned n = scene.flavour->temporals;
    return n == 3 ? three[st->position % 4] : n == 2 ? two[st->position % 4] : 0;
}

static void refer(struct stream *st, struct frame *f, int self)
{
    if (scene.flavour->codec == PAYLOAD_VP8 && !scene.flavour->dd) {
        unsigned at = st->position % 8;
        for (unsigned b = 0; b < 3; b++) {
            if (!f->key && vp8_pattern[at].refers >> b & 1)
                depend(f, st->vp8[b]);
            if (f->key || vp8_pattern[at].updates >> b & 1)
                st->vp8[b] = self;
        }
        f->switches = !f->key && vp8_pattern[at].sync;
        return;
    }
    int best = -1;
    for (unsigned t = 0; !f->key && t < (f->temporal ? f->temporal : 1); t++)
        if (st->last[f->spatial][t] > best)
            best = st->last[f->spatial][t];
    depend(f, best);
    f->predicted = best >= 0;
    if (scene.flavour->linked && f->temporal == 1 && st->cycle % 2)
        depend(f, st->last[f->spatial][1]);
    if (f->spatial > 0 && (!scene.flavour->ksvc || f->key))
        depend(f, self - 1);
    f->switches = f->temporal == 0 && !(scene.flavour->linked && st->cycle % 2);
    st->last[f->spatial][f->temporal] = self;
}

static void chains_note(struct stream *st, const struct frame *f, int self)
{
    for (unsigned c = f->spatial; c < SPATIALS && f->temporal == 0; c++)
        if (c == f->spatial || !scene.flavour->ksvc || f->key)
            st->chain[c] = self;
}

static void fly(const struct flight *f)
{
    struct scene *s = &scene;
    struct flight g = *f;
    if (seeded_chance(&s->random, s->loss)) {
        if (seeded_chance(&s->random, 10))
            return; /* NACKs did not bring it either */
        g.at_us += 80000;
    } else if (seeded_chance(&s->random, s->reorder)) {
        g.at_us += seeded_below(&s->random, 50000);
    }
    assert_true(s->queued < FLIGHTS);
    s->queue[s->queued++] = g;
}

static void packets_send(struct stream *st, int self, bool last)
{
    struct scene *s = &scene;
    struct frame *f = &s->frames[self];
    f->packets = 1 + seeded_below(&s->random, 3) + (f->key ? 2 : 0);
    for (unsigned k = 0; k < f->packets; k++) {
        bool start = k == 0, end = k + 1 == f->packets;
        struct flight g = {.frame = self, .at_us = s->now_us + 20000 + 500 * f->stream};
        g.p = (struct rtp_packet){.ext_seq = st->seq, .seq = (uint16_t)st->seq, .ssrc = st->ssrc};
        st->seq++;
        g.p.ts = st->ts_base + f->picture * 3000;
        g.p.marker = end && last;
        if (s->flavour->dd) {
            g.p.ext_has = 1u << RTP_EXT_DEPENDENCY;
            g.p.ext_len[RTP_EXT_DEPENDENCY] = (uint8_t)descriptor_put(st, self, start, end, g.data);
        }
        g.p.payload_off = DATA - 16;
        g.p.payload_len = (uint16_t)payload_put(st, f, start, end, g.data + DATA - 16);
        fly(&g);
    }
}

/* The source begins anew: another sender, or the browser came back. */
static void stream_begin(unsigned index)
{
    struct scene *s = &scene;
    struct stream *st = &s->streams[index];
    *st = (struct stream){
        .seq = seeded_below(&s->random, 65536),
        .ssrc = (uint32_t)seeded_u64(&s->random),
        .ts_base = (uint32_t)seeded_u64(&s->random),
        .picture_id = seeded_u64(&s->random) & 0x7fff,
        .number = (uint16_t)seeded_u64(&s->random),
        .tl0 = (uint8_t)seeded_u64(&s->random),
        .key_wanted = true,
        .spatials = s->flavour->spatials,
    };
    memset(st->last, -1, sizeof st->last);
    memset(st->vp8, -1, sizeof st->vp8);
    memset(st->chain, -1, sizeof st->chain);
    templates_make(st);
    frame_tracker_init(&s->trackers[index], s->flavour->codec, s->flavour->dd ? &s->dd_ingest[index] : NULL);
}

static void picture_publish(unsigned index, unsigned picture)
{
    struct scene *s = &scene;
    struct stream *st = &s->streams[index];
    const struct flavour *fl = s->flavour;
    if (picture == 0 || (picture + 7 * index) % 30 == 0)
        rtp_clock_input(
            &st->clock, ntp_from_wall_us(s->now_us), st->ts_base + picture * 3000, RATE, s->now_us);
    bool key = st->key_wanted && s->now_us >= st->key_due_us;
    if (key) {
        st->key_wanted = false;
        st->position = st->cycle = 0;
        memset(st->last, -1, sizeof st->last);
        memset(st->chain, -1, sizeof st->chain);
    }
    bool vp8 = fl->codec == PAYLOAD_VP8 && !fl->dd;
    unsigned temporal = vp8 && fl->temporals == 3 ? vp8_pattern[st->position % 8].temporal : temporal_at(st);
    if (fl->comes_and_goes && temporal == 0 && (key || !fl->ksvc) && seeded_chance(&s->random, 8)) {
        st->spatials = 1 + seeded_below(&s->random, fl->spatials);
        st->active_due = true;
        for (unsigned i = st->spatials; i < SPATIALS; i++)
            memset(st->last[i], -1, sizeof st->last[i]);
    }
    st->active_due |= key;
    st->picture_id = (st->picture_id + 1) & 0x7fff;
    st->tl0 = (uint8_t)(st->tl0 + (temporal == 0));
    for (unsigned i = 0; i < st->spatials; i++) {
        int self = s->frame_count++;
        assert_true(self < FRAMES_MAX);
        struct frame *f = &s->frames[self];
        *f = (struct frame){
            .stream = index, .spatial = i, .temporal = temporal, .picture = picture, .key = key};
        s->numbers[self] = st->number++;
        refer(st, f, self);
        packets_send(st, self, i + 1 == st->spatials);
        chains_note(st, f, self);
    }
    st->active_due = false;
    if (++st->position % 4 == 0)
        st->cycle++;
}

/* ---- the receiver ---- */

static void ask(int stream)
{
    struct stream *st = &scene.streams[stream];
    if (st->key_wanted)
        return;
    st->key_wanted = true;
    st->key_due_us = scene.now_us + 60000;
}

static void note_sent(const struct flight *g, const struct rewrite_out *out)
{
    struct scene *s = &scene;
    assert_true(out->seq >= s->first && out->seq - s->first < SENT_MAX);
    struct sent *e = &s->sent[out->seq - s->first];
    assert_false(e->used); /* the nonce law */
    *e = (struct sent){.used = true, .frame = g->frame, .epoch = s->epochs, .out = *out};
    if (out->seq >= s->end)
        s->end = out->seq + 1;
}

/* Leaving a stream tears the frames that have not come, or in part. */
static void torn(int stream)
{
    struct scene *s = &scene;
    for (int i = s->frame_count - 1; i >= 0 && i > s->frame_count - 200; i--) {
        struct frame *f = &s->frames[i];
        if ((int)f->stream == stream && f->came < f->packets)
            f->torn = true;
    }
}

static void overtaken(int stream, int key)
{
    struct scene *s = &scene;
    for (int i = key; i < s->frame_count; i++)
        if ((int)s->frames[i].stream == stream && s->frames[i].came > 0)
            s->frames[i].early = true;
}

static void receive(struct flight *g)
{
    struct scene *s = &scene;
    struct frame *f = &s->frames[g->frame];
    struct rtp_packet *p = &g->p;
    if (p->ssrc != s->streams[f->stream].ssrc)
        return; /* of a source that was replaced */
    struct layer_facts facts;
    struct layers_out out;
    struct rewrite_out ro;
    int before = layers_current(&s->layers).stream;
    f->came++;
    (void)frame_track(&s->trackers[f->stream], g->data, p, NULL);
    layer_source_read(&s->sources[f->stream], g->data, p, s->now_us, &facts);
    bool passes = layers_input(&s->layers, f->stream, &facts, s->now_us, &out);
    int after = layers_current(&s->layers).stream;
    if (out.ask)
        ask(layers_key_stream(&s->layers, s->now_us));
    assert_true(passes || (!out.begins && !out.marker));
    if (out.begins) {
        torn(before);
        overtaken(after, g->frame);
        rewrite_switch(&s->rewrite, f->stream, p, s->now_us, s->last < 0 ? NULL : &s->streams[s->last].clock,
            &s->streams[f->stream].clock);
        s->last = (int)f->stream;
        s->epochs++;
        f->refused = 0;
    }
    if (passes) {
        assert_int_equal(after, f->stream);
        int r = rewrite_packet(&s->rewrite, p, s->now_us, &ro);
        if (r == -ESTALE && facts.kind == LAYER_PLAIN)
            return; /* of before the switch: the numbers alone know */
        assert_int_equal(r, 0);
        f->passed++;
        if (out.marker && !p->marker)
            rewrite_mark(&s->rewrite, &ro);
        assert_int_equal(ro.marker, out.marker);
        note_sent(g, &ro);
    } else if (after == (int)f->stream) {
        f->refused++;
        rewrite_drop(&s->rewrite, p);
    }
}

static int flight_order(const void *a, const void *b)
{
    const struct flight *x = a, *y = b;
    if (x->at_us != y->at_us)
        return x->at_us < y->at_us ? -1 : 1;
    return x->p.ext_seq < y->p.ext_seq ? -1 : 1;
}

static void deliver(int64_t until_us)
{
    struct scene *s = &scene;
    qsort(s->queue, s->queued, sizeof s->queue[0], flight_order);
    unsigned n = 0;
    while (n < s->queued && s->queue[n].at_us <= until_us)
        receive(&s->queue[n++]);
    memmove(s->queue, s->queue + n, (s->queued - n) * sizeof s->queue[0]);
    s->queued -= n;
}

static void scene_begin(const struct flavour *f, uint64_t seed, unsigned loss, unsigned reorder)
{
    struct scene *s = &scene;
    memset(s, 0, sizeof *s);
    s->flavour = f;
    s->random = seeded_of(seed);
    s->loss = loss;
    s->reorder = reorder;
    s->now_us = 1000000;
    s->last = -1;
    for (unsigned i = 0; i < f->streams; i++) {
        stream_begin(i);
        layer_source_init(&s->sources[i], f->dd ? &s->dd[i] : NULL);
    }
    layers_init(&s->layers);
    assert_int_equal(rewrite_init(&s->rewrite, s->slots, 1024, (uint16_t)seeded_u64(&s->random),
                         (uint32_t)seeded_u64(&s->random), RATE),
        0);
    s->first = s->end = s->rewrite.next;
}

static struct layers_want any_wish(void)
{
    struct scene *s = &scene;
    return (struct layers_want){
        .stream = (int8_t)seeded_below(&s->random, s->flavour->streams),
        .spatial = (uint8_t)seeded_below(&s->random, s->flavour->spatials),
        .temporal = (uint8_t)seeded_below(&s->random, s->flavour->temporals),
    };
}

/* Has the receiver what it wants, as far as it is sent? */
static bool has_reached(void)
{
    struct scene *s = &scene;
    const struct layers_want *w = &s->layers.want;
    struct layers_state is = layers_current(&s->layers);
    unsigned sent = s->streams[w->stream].spatials - 1u, spatial = w->spatial < sent ? w->spatial : sent;
    bool layered = s->flavour->dd || s->flavour->codec != PAYLOAD_H264;
    return is.stream == w->stream && is.spatial == spatial && (!layered || is.temporal == w->temporal);
}

static void scene_run(unsigned seconds, unsigned restarts)
{
    struct scene *s = &scene;
    unsigned hold = 0, length = 0; /* of a wish, in pictures */
    bool arrived = false;
    for (unsigned picture = 0; picture < seconds * 30; picture++, hold++) {
        s->now_us += FRAME_US;
        if (hold >= length) {
            if (picture > 0) {
                s->holds++;
                s->reached += has_reached();
            }
            hold = 0;
            length = 100 + seeded_below(&s->random, 41);
            arrived = false;
            if (picture > 0 && seeded_chance(&s->random, 20)) {
                layers_want(&s->layers, (struct layers_want){.stream = -1});
                for (unsigned i = 0; i < s->flavour->streams; i++)
                    torn((int)i);
                rewrite_pause(&s->rewrite);
                assert_int_equal(layers_key_stream(&s->layers, s->now_us), -1);
            }
            layers_want(&s->layers, any_wish());
        }
        for (unsigned i = 0; i < s->flavour->streams; i++) {
            if (hold == 10 && seeded_chance(&s->random, restarts)) {
                torn((int)i);
                stream_begin(i);
            }
            picture_publish(i, picture);
        }
        deliver(s->now_us);
        if (!arrived) {
            arrived = has_reached();
            if (hold > s->slowest)
                s->slowest = hold;
        }
        int key = layers_key_stream(&s->layers, s->now_us);
        if (key >= 0 && picture % 4 == 0)
            ask(key);
    }
}

/* ---- what must hold ---- */

static void check_frames(void)
{
    struct scene *s = &scene;
    unsigned passed = 0;
    for (int i = 0; i < s->frame_count; i++) {
        const struct frame *f = &s->frames[i];
        if (!f->passed)
            continue;
        passed++;
        if (!f->torn && f->refused) {
            print_error("%s: frame %d is cut: %u of %u, %u refused\n", s->flavour->name, i, f->passed,
                f->packets, f->refused);
            fail();
        }
        for (unsigned k = 0; k < f->dep_count; k++) {
            const struct frame *d = &s->frames[f->deps[k]];
            if (d->passed || !d->came || d->early || d->torn)
                continue;
            print_error("%s: frame %d (S%uT%u picture %u) passed, but not %d (S%uT%u picture %u)\n",
                s->flavour->name, i, f->spatial, f->temporal, f->picture, f->deps[k], d->spatial, d->temporal,
                d->picture);
            fail();
        }
    }
    assert_true(passed > 500);
}

/* In order of number. clean: nothing was lost or reordered; in_sync: nor did a source begin anew, whose clock
 * is not known until its first report. */
static void check_row(bool clean, bool in_sync, bool ends)
{
    struct scene *s = &scene;
    const struct sent *last = NULL, *first = NULL;
    unsigned open = 0;
    for (uint64_t seq = s->first; seq < s->end; seq++) {
        const struct sent *e = &s->sent[seq - s->first];
        assert_true(e->used || !clean);
        if (!e->used)
            continue;
        const struct frame *f = &s->frames[e->frame];
        if (!first)
            first = e;
        if (clean && in_sync) { /* with the captures, whatever the layer; each switch upwards may push by a
                                   millisecond */
            int64_t ideal = (int64_t)(f->picture - s->frames[first->frame].picture) * 3000;
            assert_in_range(ts_diff(e->out.ts, first->out.ts) - ideal + RATE / 300, 0, RATE / 150);
        }
        if (last) {
            const struct frame *g = &s->frames[last->frame];
            bool same = last->epoch == e->epoch && g->picture == f->picture && f->stream == g->stream;
            int64_t ts = ts_diff(e->out.ts, last->out.ts);
            int32_t pid = seq_diff_bits(e->out.picture_id, last->out.picture_id, 15);
            int32_t number = seq_diff(e->out.frame_number, last->out.frame_number);
            assert_true(same ? ts == 0 : ts > 0);
            if (!same && clean && f->picture > g->picture)
                assert_in_range(ts, 1, (f->picture - g->picture) * 3000 + RATE / 10);
            if (s->flavour->dd) {
                if (last->epoch != e->epoch)
                    assert_int_equal(number, 1);
                else
                    assert_int_equal(number, (int16_t)(s->numbers[e->frame] - s->numbers[last->frame]));
            } else if (s->flavour->codec == PAYLOAD_VP8) {
                assert_true(same ? pid == 0 : clean ? pid == 1 : pid > 0);
                int8_t tl0 = (int8_t)(e->out.tl0 - last->out.tl0);
                assert_true(same ? tl0 == 0 : clean ? tl0 == (f->temporal == 0) : tl0 >= 0);
            } else if (s->flavour->codec == PAYLOAD_VP9) {
                assert_true(same ? pid == 0 : pid > 0);
                if (last->epoch == e->epoch && !same)
                    assert_int_equal(pid, f->picture - g->picture);
                else if (!same)
                    assert_int_equal(pid, 1);
            }
            /* the last packet of a picture says so, and no other */
            if (ends && clean && !g->torn) {
                if (same && last->out.marker)
                    fail_msg("the marker is before the end of picture %u", g->picture);
                open += !same && !last->out.marker;
            }
        }
        last = e;
    }
    assert_int_equal(open, 0);
}

static const struct flavour flavours[] = {
    {"VP8 3xL1T3", PAYLOAD_VP8, 3, 1, 3, false, false, false, false},
    {"VP8 L1T1", PAYLOAD_VP8, 1, 1, 1, false, false, false, false},
    {"H.264 x3", PAYLOAD_H264, 3, 1, 1, false, false, false, false},
    {"VP9 L3T3", PAYLOAD_VP9, 1, 3, 3, false, false, false, false},
    {"VP9 L3T3 linked", PAYLOAD_VP9, 1, 3, 3, false, false, true, false},
    {"VP9 L3T3_KEY", PAYLOAD_VP9, 1, 3, 3, true, false, false, false},
    {"VP9 L3T3 DD", PAYLOAD_VP9, 1, 3, 3, false, true, false, false},
    {"AV1 L3T3", PAYLOAD_AV1, 1, 3, 3, false, true, false, false},
    {"AV1 L3T3_KEY", PAYLOAD_AV1, 1, 3, 3, true, true, false, false},
    {"AV1 L2T2", PAYLOAD_AV1, 1, 2, 2, false, true, false, false},
    {"AV1 3xL1T3", PAYLOAD_AV1, 3, 1, 3, false, true, false, false},
};

static const struct flavour changing[] = {
    {"VP9 L3T3 now and then", PAYLOAD_VP9, 1, 3, 3, false, false, false, true},
    {"VP9 L3T3_KEY now and then", PAYLOAD_VP9, 1, 3, 3, true, false, false, true},
    {"AV1 L3T3 now and then", PAYLOAD_AV1, 1, 3, 3, false, true, false, true},
    {"AV1 L3T3_KEY now and then", PAYLOAD_AV1, 1, 3, 3, true, true, false, true},
};

static void run_all(const struct flavour *f, size_t count, uint64_t seeds, unsigned loss, unsigned reorder,
    unsigned restarts, unsigned least_percent, unsigned pictures, bool ends)
{
    for (size_t i = 0; i < count; i++) {
        unsigned holds = 0, reached = 0, epochs = 0, slowest = 0;
        for (uint64_t seed = 1; seed <= seeds; seed++) {
            scene_begin(&f[i], seed * 100 + i, loss, reorder);
            scene_run(60, restarts);
            check_frames();
            check_row(loss + reorder == 0, restarts == 0, ends);
            holds += scene.holds;
            reached += scene.reached;
            epochs += scene.epochs;
            if (scene.slowest > slowest)
                slowest = scene.slowest;
        }
        print_message("%s: %u of %u wishes reached, in %u pictures at most, %u sources begun\n", f[i].name,
            reached, holds, slowest, epochs);
        assert_true(holds > 10 && reached * 100 >= holds * least_percent);
        assert_in_range(slowest, 1, pictures);
    }
}

#define COUNT(x) (sizeof(x) / sizeof(x)[0])

static void a_clean_network_reaches_every_wish(void **state)
{
    (void)state;
    run_all(flavours, COUNT(flavours), 8, 0, 0, 0, 100, 16, true);
}

static void a_bad_network_breaks_no_picture(void **state)
{
    (void)state;
    run_all(flavours, COUNT(flavours), 8, 3, 10, 0, 90, 60, false);
    run_all(flavours, COUNT(flavours), 8, 12, 30, 0, 90, 90, false);
}

static void sources_that_begin_anew_are_followed(void **state)
{
    (void)state;
    run_all(flavours, COUNT(flavours), 4, 0, 0, 50, 100, 40, true);
    run_all(flavours, COUNT(flavours), 4, 3, 10, 50, 90, 60, false);
}

static void layers_that_come_and_go_are_followed(void **state)
{
    (void)state;
    run_all(changing, COUNT(changing), 8, 0, 0, 0, 90, 60, false);
    run_all(changing, COUNT(changing), 8, 3, 10, 10, 90, 60, false);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_clean_network_reaches_every_wish),
        cmocka_unit_test(a_bad_network_breaks_no_picture),
        cmocka_unit_test(sources_that_begin_anew_are_followed),
        cmocka_unit_test(layers_that_come_and_go_are_followed),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
