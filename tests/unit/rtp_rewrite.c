/* One continuous stream out of several sources. The nonce law is checked over everything that is given out:
 * no outgoing number twice, whatever is lost, reordered, repeated, filtered, switched or paused. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include "rtp/seq.h"
#include "support/rewrite_packets.h"
#include "support/seeded.h"

static int pass(struct rewrite *r, int64_t seq, uint32_t ts, int64_t now_us, struct rewrite_out *out)
{
    struct rtp_packet p = packet_of(seq, ts);
    return rewrite_packet(r, &p, now_us, out);
}

static void drop(struct rewrite *r, int64_t seq)
{
    struct rtp_packet p = packet_of(seq, 0);
    rewrite_drop(r, &p);
}

static void switch_to(struct rewrite *r, uint32_t source, int64_t seq, uint32_t ts, int64_t now_us)
{
    struct rtp_packet p = packet_of(seq, ts);
    rewrite_switch(r, source, &p, now_us, NULL, NULL);
}

static void nothing_is_given_before_a_source_is_chosen(void **state)
{
    (void)state;
    struct rewrite r = start(0xffff, 7);
    struct rewrite_out out;
    struct rewrite_origin o;
    assert_int_equal(pass(&r, 1, 1, 0, &out), -ENOTCONN);
    assert_int_equal(rewrite_find(&r, 0x7fff, &o), -ENOENT);
    drop(&r, 1);
    switch_to(&r, 1, 5, 100, 0);
    assert_int_equal(pass(&r, 5, 100, 0, &out), 0);
    assert_int_equal(out.seq, 0x7fff); /* the upper half of first numbers is not used */
    assert_int_equal(out.ts, 7);
    assert_int_equal(pass(&r, 6, 160, 0, &out), 0);
    assert_int_equal(out.seq, 0x8000);
    assert_int_equal(out.ts, 67);
    struct rewrite bad;
    assert_int_equal(rewrite_init(&bad, slots, 8, 0, 0, RATE), -EINVAL);
    assert_int_equal(rewrite_init(&bad, slots, 100, 0, 0, RATE), -EINVAL);
    assert_int_equal(rewrite_init(&bad, slots, 32768, 0, 0, RATE), -EINVAL);
    assert_int_equal(rewrite_init(&bad, slots, SLOTS, 0, 0, 0), -EINVAL);
}

static void late_packets_get_the_number_that_was_held(void **state)
{
    (void)state;
    struct rewrite r = start(100, 0);
    struct rewrite_out out;
    struct rewrite_origin o;
    switch_to(&r, 1, 10, 0, 0);
    assert_int_equal(pass(&r, 10, 0, 0, &out), 0);
    assert_int_equal(pass(&r, 13, 9, 0, &out), 0);
    assert_int_equal(out.seq, 103);
    assert_int_equal(rewrite_find(&r, 102, &o), 0);
    assert_int_equal(o.state, REWRITE_HELD);
    assert_int_equal(o.src_seq, 12);
    assert_int_equal(pass(&r, 12, 6, 0, &out), 0);
    assert_int_equal(out.seq, 102);
    assert_int_equal(pass(&r, 12, 6, 0, &out), -EALREADY);
    assert_int_equal(pass(&r, 13, 9, 0, &out), -EALREADY);
    assert_int_equal(pass(&r, 9, 0, 0, &out), -ESTALE); /* before the source began */
    assert_int_equal(pass(&r, 11, 3, 0, &out), 0);
    assert_int_equal(out.seq, 101);
}

static void numbers_close_up_behind_what_is_dropped(void **state)
{
    (void)state;
    struct rewrite r = start(100, 0);
    struct rewrite_out out;
    struct rewrite_origin o;
    switch_to(&r, 1, 10, 0, 0);
    assert_int_equal(pass(&r, 10, 0, 0, &out), 0);
    drop(&r, 11);
    drop(&r, 12);
    assert_int_equal(pass(&r, 13, 0, 0, &out), 0);
    assert_int_equal(out.seq, 101);
    drop(&r, 15); /* 14 has not come: its number is held */
    assert_int_equal(pass(&r, 16, 0, 0, &out), 0);
    assert_int_equal(out.seq, 103);
    drop(&r, 14); /* it comes, and is not wanted: nothing else may have its number */
    assert_int_equal(pass(&r, 14, 0, 0, &out), -ESTALE);
    assert_int_equal(pass(&r, 11, 0, 0, &out), -ESTALE);
    assert_int_equal(rewrite_find(&r, 102, &o), 0);
    assert_int_equal(o.state, REWRITE_FILTERED);
    assert_int_equal(rewrite_find(&r, 101, &o), 0);
    assert_int_equal(o.state, REWRITE_SENT);
    assert_int_equal(o.src_seq, 13);
    assert_int_equal(rewrite_find(&r, 104, &o), -ENOENT); /* not given yet */
    assert_int_equal(rewrite_find(&r, 99, &o), -ENOENT);  /* never */
    drop(&r, 13);                                         /* too late to take it back */
    assert_int_equal(rewrite_find(&r, 101, &o), 0);
    assert_int_equal(o.state, REWRITE_SENT);
}

static void packets_from_before_a_switch_are_not_sent(void **state)
{
    (void)state;
    struct rewrite r = start(0, 0);
    struct rewrite_out out;
    struct rewrite_origin o;
    switch_to(&r, 1, 10, 0, 0);
    assert_int_equal(pass(&r, 10, 0, 0, &out), 0);
    assert_int_equal(pass(&r, 12, 0, 0, &out), 0); /* 11 is missing */
    switch_to(&r, 2, 10, 5000, MS(10));
    assert_int_equal(pass(&r, 10, 5000, MS(10), &out), 0);
    assert_int_equal(out.seq, 3);
    assert_int_equal(rewrite_find(&r, 1, &o), 0); /* the old source's gap is still known for what it is */
    assert_int_equal(o.source, 1);
    assert_int_equal(o.src_seq, 11);
    assert_int_equal(o.state, REWRITE_HELD);
    switch_to(&r, 1, 20, 900, MS(20));
    assert_int_equal(pass(&r, 20, 900, MS(20), &out), 0);
    assert_int_equal(out.seq, 4);
    assert_int_equal(pass(&r, 11, 0, MS(20), &out), -ESTALE); /* though it is of this source again */
    rewrite_pause(&r);
    assert_int_equal(pass(&r, 21, 0, MS(30), &out), -ENOTCONN);
    drop(&r, 22);
    switch_to(&r, 1, 30, 1800, MS(30));
    assert_int_equal(pass(&r, 30, 1800, MS(30), &out), 0);
    assert_int_equal(out.seq, 5);
}

static void what_has_left_the_ring_is_refused(void **state)
{
    (void)state;
    struct rewrite r = start(0, 0);
    struct rewrite_out out;
    struct rewrite_origin o;
    switch_to(&r, 1, 0, 0, 0);
    assert_int_equal(pass(&r, 0, 0, 0, &out), 0);
    assert_int_equal(pass(&r, 2, 0, 0, &out), 0);
    for (int64_t seq = 3; seq < SLOTS + 1; seq++)
        assert_int_equal(pass(&r, seq, 0, 0, &out), 0);
    assert_int_equal(rewrite_find(&r, 1, &o), 0);
    assert_int_equal(pass(&r, SLOTS + 1, 0, 0, &out), 0);
    assert_int_equal(rewrite_find(&r, 1, &o), -ENOENT);
    assert_int_equal(pass(&r, 1, 0, 0, &out), -ESTALE);
    /* a gap wider than the ring leaves a gap of the ring's size */
    assert_int_equal(pass(&r, 100000, 0, 0, &out), 0);
    assert_int_equal(out.seq, 2 * SLOTS + 2);
    assert_int_equal(pass(&r, 100000 - SLOTS, 0, 0, &out), -ESTALE); /* its number has just been pushed out */
    assert_int_equal(pass(&r, 100000 - SLOTS + 1, 0, 0, &out), 0);
    assert_int_equal(out.seq, SLOTS + 3);
    assert_int_equal(pass(&r, 99999, 0, 0, &out), 0);
    assert_int_equal(out.seq, 2 * SLOTS + 1);
}

static void many_switches_keep_their_origins_apart(void **state)
{
    (void)state;
    struct rewrite r = start(0, 0);
    struct rewrite_out out;
    struct rewrite_origin o;
    for (uint32_t i = 0; i < 3 * REWRITE_EPOCHS; i++) {
        switch_to(&r, i, 1000 * i, 0, MS(i));
        assert_int_equal(pass(&r, 1000 * i, 0, MS(i), &out), 0);
        assert_int_equal(out.seq, i);
        for (uint32_t k = 0; k <= i; k++) {
            int found = rewrite_find(&r, (uint16_t)k, &o);
            assert_int_equal(found, i - k < REWRITE_EPOCHS ? 0 : -ENOENT);
            if (found == 0) {
                assert_int_equal(o.source, k);
                assert_int_equal(o.src_seq, 1000 * k);
            }
        }
    }
}

/* ---- timestamps ---- */

static void timestamps_run_on_by_arrival_without_reports(void **state)
{
    (void)state;
    struct rewrite r = start(0, 1000);
    struct rewrite_out out;
    switch_to(&r, 1, 0, 555, MS(0));
    assert_int_equal(pass(&r, 0, 555, MS(0), &out), 0);
    assert_int_equal(out.ts, 1000);
    switch_to(&r, 2, 0, 99, MS(100));
    assert_int_equal(pass(&r, 0, 99, MS(100), &out), 0);
    assert_int_equal(out.ts, 1000 + 9000);
    assert_int_equal(rewrite_ts_offset(&r), 10000 - 99);
    switch_to(&r, 3, 0, 7, MS(100)); /* no time has passed: still forward */
    assert_int_equal(pass(&r, 0, 7, MS(100), &out), 0);
    assert_int_equal(out.ts, 10000 + 90);
}

static struct rtp_clock clock_of(uint32_t ts, int64_t wall_us)
{
    struct rtp_clock c = {0};
    rtp_clock_input(&c, ntp_from_wall_us(wall_us), ts, RATE, 0);
    return c;
}

static void reports_align_layers_exactly(void **state)
{
    (void)state;
    struct rewrite r = start(0, UINT32_MAX - 100);
    struct rewrite_out out;
    const uint32_t base_a = 4000000000u, base_b = 123;
    /* each layer reported at another moment */
    struct rtp_clock a = clock_of(base_a + RATE, MS(1000)), b = clock_of(base_b + 3 * RATE, MS(3000));
    switch_to(&r, 1, 0, base_a, MS(50));
    assert_int_equal(pass(&r, 0, base_a, MS(50), &out), 0);
    uint32_t first = out.ts;
    assert_int_equal(pass(&r, 1, base_a + 2 * RATE, MS(2050), &out), 0);
    struct rtp_packet p =
        packet_of(0, base_b + 2 * RATE + 9000); /* captured at 2.1 s, arrives late, at 2.4 s */
    rewrite_switch(&r, 2, &p, MS(2400), &a, &b);
    assert_int_equal(rewrite_packet(&r, &p, MS(2400), &out), 0);
    assert_int_equal(out.ts - first, 2 * RATE + 9000);
    /* a key frame captured before what was sent last still moves forward */
    struct rtp_packet q = packet_of(5, base_a + 2 * RATE);
    rewrite_switch(&r, 1, &q, MS(2410), &b, &a);
    uint32_t before = out.ts;
    assert_int_equal(rewrite_packet(&r, &q, MS(2410), &out), 0);
    assert_int_equal(out.ts, before + 90);
    /* a report that contradicts arrival by seconds is not believed */
    struct rtp_clock wrong = clock_of(base_b, MS(60000));
    before = out.ts;
    struct rtp_packet s = packet_of(9, base_b + 3 * RATE);
    rewrite_switch(&r, 2, &s, MS(2610), &a, &wrong);
    assert_int_equal(rewrite_packet(&r, &s, MS(2610), &out), 0);
    assert_int_equal(out.ts, before - 9090 + 18000); /* and the push of before is not carried on */
}

static void the_same_source_keeps_its_clock_over_a_pause(void **state)
{
    (void)state;
    struct rewrite r = start(0, 77);
    struct rewrite_out out;
    switch_to(&r, 1, 0, 1000, MS(0));
    assert_int_equal(pass(&r, 0, 1000, MS(0), &out), 0);
    rewrite_pause(&r);
    switch_to(&r, 1, 500, 1000 + 10 * RATE, MS(10300)); /* arrives with more delay than before */
    assert_int_equal(pass(&r, 500, 1000 + 10 * RATE, MS(10300), &out), 0);
    assert_int_equal(out.ts, 77 + 10 * RATE);
    assert_int_equal(out.seq, 1);
    /* unless that clock began anew meanwhile: then the time that has passed counts */
    rewrite_pause(&r);
    switch_to(&r, 1, 9, 123456, MS(12300));
    assert_int_equal(pass(&r, 9, 123456, MS(12300), &out), 0);
    assert_int_equal(out.ts, 77 + 12 * RATE);
    assert_int_equal(out.seq, 2);
}

/* ---- picture ids, tl0 and frame numbers ---- */

static void decoders_see_one_row_of_pictures(void **state)
{
    (void)state;
    struct rewrite r = start(0, 0);
    struct rewrite_out out;
    struct rtp_packet p = vp8_packet(0, 0x7fff, 200, 65535);
    rewrite_switch(&r, 1, &p, 0, NULL, NULL);
    assert_int_equal(rewrite_packet(&r, &p, 0, &out), 0);
    assert_int_equal(out.picture_id, 0x7fff); /* the first source's own */
    assert_int_equal(out.tl0, 200);
    assert_int_equal(out.frame_number, 65535);
    p = vp8_packet(1, 0, 200, 0);
    rewrite_drop(&r, &p); /* a picture of a higher layer, in two packets */
    p = vp8_packet(2, 0, 200, 0);
    rewrite_drop(&r, &p);
    p = vp8_packet(3, 1, 201, 1);
    assert_int_equal(rewrite_packet(&r, &p, 0, &out), 0);
    assert_int_equal(out.picture_id, 0); /* closes up */
    assert_int_equal(out.tl0, 201);
    assert_int_equal(out.frame_number, 1); /* references are explicit there: no closing up */
    struct rtp_packet q = vp8_packet(70, 5000, 3, 40000);
    rewrite_switch(&r, 2, &q, MS(1), NULL, NULL);
    assert_int_equal(rewrite_packet(&r, &q, MS(1), &out), 0);
    assert_int_equal(out.picture_id, 1);
    assert_int_equal(out.tl0, 202);
    assert_int_equal(out.frame_number, 2);
    /* asked for again, the packets of before come back as they were */
    struct rewrite_origin o;
    assert_int_equal(rewrite_find(&r, 1, &o), 0);
    assert_int_equal(o.src_seq, 3);
    assert_int_equal(rewrite_again(&r, &o, &p, &out), 0);
    assert_int_equal(out.picture_id, 0);
    assert_int_equal(out.tl0, 201);
    assert_int_equal(rewrite_again(&r, &o, &q, &out), -ENOENT); /* another packet than the one named */
    struct rewrite_origin wrong = o;
    wrong.source = 2;
    assert_int_equal(rewrite_again(&r, &wrong, &p, &out), -ENOENT);
    wrong = o;
    wrong.src_seq = 70;
    assert_int_equal(rewrite_again(&r, &wrong, &q, &out), -ENOENT);
    wrong = o;
    wrong.seq += 65536;
    assert_int_equal(rewrite_again(&r, &wrong, &p, &out), -ENOENT);
}

/* A caller that changes its mind within a picture cannot bring two pictures under one id. */
static void a_dropped_picture_stays_dropped(void **state)
{
    (void)state;
    struct rewrite r = start(0, 0);
    struct rewrite_out out;
    struct rtp_packet p = vp8_packet(0, 10, 0, 0);
    rewrite_switch(&r, 1, &p, 0, NULL, NULL);
    assert_int_equal(rewrite_packet(&r, &p, 0, &out), 0);
    p = vp8_packet(1, 11, 0, 0);
    rewrite_drop(&r, &p);
    p = vp8_packet(2, 11, 0, 0);
    assert_int_equal(rewrite_packet(&r, &p, 0, &out), -ESTALE);
    p = vp8_packet(4, 12, 0, 0); /* 3 is missing: of picture 11 or 12 */
    assert_int_equal(rewrite_packet(&r, &p, 0, &out), 0);
    assert_int_equal(out.seq, 2);
    assert_int_equal(out.picture_id, 11);
    p = vp8_packet(3, 11, 0, 0);
    assert_int_equal(rewrite_packet(&r, &p, 0, &out), -ESTALE);
    p = vp8_packet(7, 14, 0, 0); /* 13 is missing altogether */
    rewrite_drop(&r, &p);
    p = vp8_packet(8, 15, 0, 0);
    assert_int_equal(rewrite_packet(&r, &p, 0, &out), 0);
    assert_int_equal(out.picture_id, 13);
    p = vp8_packet(5, 13, 0, 0);
    assert_int_equal(rewrite_packet(&r, &p, 0, &out), 0);
    assert_int_equal(out.picture_id, 12);
    assert_int_equal(out.seq, 3);
    p = vp8_packet(9, 3, 0, 0); /* the encoder began anew */
    assert_int_equal(rewrite_packet(&r, &p, 0, &out), 0);
    assert_int_equal(out.seq, 6);
    p = vp8_packet(10, 4, 0, 0);
    rewrite_drop(&r, &p);
    p = vp8_packet(12, 4 + 63, 0, 0); /* 62 pictures are lost */
    assert_int_equal(rewrite_packet(&r, &p, 0, &out), 0);
    p = vp8_packet(11, 4, 0, 0);
    assert_int_equal(rewrite_packet(&r, &p, 0, &out), -ESTALE); /* still known */
    p = vp8_packet(14, 4 + 64 + 63, 0, 0);
    assert_int_equal(rewrite_packet(&r, &p, 0, &out), 0);
    p = vp8_packet(13, 4 + 63, 0, 0);
    assert_int_equal(rewrite_packet(&r, &p, 0, &out), -ESTALE); /* too long ago to know */
    p = vp8_packet(15, 4 + 64 + 63 + 64, 0, 0);
    assert_int_equal(rewrite_packet(&r, &p, 0, &out), 0);
    p = vp8_packet(17, 4 + 64 + 63 + 66, 0, 0);
    assert_int_equal(rewrite_packet(&r, &p, 0, &out), 0);
    p = vp8_packet(16, 4 + 64 + 63 + 65, 0, 0); /* and nothing of it sticks */
    assert_int_equal(rewrite_packet(&r, &p, 0, &out), 0);
}

static void vp9_pictures_keep_their_distances(void **state)
{
    (void)state;
    struct rewrite r = start(0, 0);
    struct rewrite_out out;
    struct rtp_packet p = vp8_packet(0, 10, 0, 0);
    p.payload.codec = PAYLOAD_VP9;
    rewrite_switch(&r, 1, &p, 0, NULL, NULL);
    assert_int_equal(rewrite_packet(&r, &p, 0, &out), 0);
    p.ext_seq = 1;
    p.payload.picture_id = 11;
    rewrite_drop(&r, &p);
    p.ext_seq = 2;
    p.payload.picture_id = 12;
    assert_int_equal(rewrite_packet(&r, &p, 0, &out), 0);
    assert_int_equal(out.picture_id, 12);
    assert_int_equal(out.seq, 1);
}

static void short_picture_ids_wrap_at_seven_bits(void **state)
{
    (void)state;
    struct rewrite r = start(0, 0);
    struct rewrite_out out;
    uint16_t want = 126;
    for (int i = 0; i < 300; i++) {
        struct rtp_packet p = vp8_packet(i, (uint16_t)((126 + i) & 0x7f), 0, 0);
        p.payload.flags &= (uint16_t)~PAYLOAD_PICTURE_ID_LONG;
        if (i == 0)
            rewrite_switch(&r, 1, &p, 0, NULL, NULL);
        if (i % 3 == 2) {
            rewrite_drop(&r, &p);
            continue;
        }
        assert_int_equal(rewrite_packet(&r, &p, 0, &out), 0);
        assert_int_equal(out.picture_id, want);
        want = (want + 1) & 0x7f;
    }
}

/* ---- everything together, on a bad network ---- */

enum { LAYERS = 3, SENT_MAX = 40000 };

/* A simulcast publisher: three VP8 layers with clocks and numbers of their own, temporal pattern 0 2 1 2. */
struct layer {
    int64_t seq;
    uint32_t ts_base;
    uint16_t picture_id;
    uint8_t tl0;
    uint16_t frame_number;
    bool key_wanted;
    struct rtp_clock clock;
};

struct flight {
    int64_t at_us;
    unsigned layer;
    unsigned frame; /* which capture */
    struct rtp_packet p;
};

/* What a receiver was given under a number. */
struct sent {
    bool used;
    unsigned layer;
    int64_t src_seq;
    unsigned frame;
    unsigned temporal;
    struct rewrite_out out;
};

struct scene {
    struct seeded random;
    unsigned loss, reorder, repeat; /* percent */
    struct layer layers[LAYERS];
    struct flight queue[4096];
    unsigned queued;
    struct rewrite r;
    /* the receiver's choice */
    int current, wanted; /* layer; -1: paused */
    unsigned temporal_max, temporal_wanted;
    unsigned frame_temporal_max[LAYERS];
    int64_t frame_decided[LAYERS]; /* picture that temporal_max was decided for */
    struct sent sent[SENT_MAX];
    uint64_t first, end;
    int switches, given, late, refused;
};

static struct scene scene;

static void scene_start(uint64_t seed, unsigned loss, unsigned reorder, unsigned repeat)
{
    struct scene *s = &scene;
    memset(s, 0, sizeof *s);
    s->random = seeded_of(seed);
    s->loss = loss;
    s->reorder = reorder;
    s->repeat = repeat;
    for (unsigned i = 0; i < LAYERS; i++) {
        s->layers[i] = (struct layer){
            .seq = seeded_below(&s->random, 65536),
            .ts_base = (uint32_t)seeded_u64(&s->random),
            .picture_id = seeded_u64(&s->random) & 0x7fff,
            .tl0 = (uint8_t)seeded_u64(&s->random),
            .frame_number = (uint16_t)seeded_u64(&s->random),
            .key_wanted = true,
        };
    }
    s->r = start((uint16_t)seeded_u64(&s->random), (uint32_t)seeded_u64(&s->random));
    s->first = s->end = s->r.next;
    s->current = s->wanted = -1;
    s->temporal_max = s->temporal_wanted = 2;
}

static void fly(struct flight f)
{
    struct scene *s = &scene;
    unsigned copies = 1 + seeded_chance(&s->random, s->repeat);
    while (copies-- > 0 && s->queued < sizeof s->queue / sizeof s->queue[0]) {
        if (seeded_chance(&s->random, s->loss))
            continue;
        struct flight g = f;
        if (seeded_chance(&s->random, s->reorder))
            g.at_us += seeded_below(&s->random, 60000);
        s->queue[s->queued++] = g;
    }
}

static void publish(unsigned frame, int64_t now_us)
{
    static const uint8_t pattern[] = {0, 2, 1, 2};
    struct scene *s = &scene;
    for (unsigned i = 0; i < LAYERS; i++) {
        struct layer *l = &s->layers[i];
        bool key = l->key_wanted && frame % 4 == 0;
        unsigned temporal = pattern[frame % 4];
        if (key)
            l->key_wanted = false;
        l->picture_id = (l->picture_id + 1) & 0x7fff;
        l->frame_number++;
        l->tl0 = (uint8_t)(l->tl0 + (temporal == 0));
        uint32_t ts = l->ts_base + frame * 3000;
        if (frame % 30 == 3 * i)
            rtp_clock_input(&l->clock, ntp_from_wall_us(now_us), ts, RATE, now_us);
        unsigned packets = 1 + seeded_below(&s->random, 3) + (key ? 3 : 0);
        for (unsigned k = 0; k < packets; k++) {
            struct flight f = {.at_us = now_us + 20000 + 100 * k, .layer = i, .frame = frame};
            f.p = vp8_packet(l->seq++, l->picture_id, l->tl0, l->frame_number);
            f.p.ts = ts;
            f.p.payload.temporal = (uint8_t)temporal;
            if (k == 0)
                f.p.payload.flags |= PAYLOAD_START;
            if (key)
                f.p.payload.flags |= PAYLOAD_KEY;
            fly(f);
        }
    }
}

/* Is the packet's frame within the temporal layers? Decided once a frame, since frames pass or are dropped
 * whole. */
static bool temporal_passes(const struct flight *f)
{
    struct scene *s = &scene;
    if (s->frame_decided[f->layer] < (int64_t)f->frame) {
        s->frame_decided[f->layer] = f->frame;
        if (f->p.payload.temporal == 0)
            s->temporal_max = s->temporal_wanted;
    }
    return f->p.payload.temporal <= s->temporal_max;
}

static void note_given(const struct flight *f, const struct rewrite_out *out)
{
    struct scene *s = &scene;
    assert_true(out->seq >= s->first && out->seq - s->first < SENT_MAX);
    struct sent *e = &s->sent[out->seq - s->first];
    assert_false(e->used); /* the nonce law */
    *e = (struct sent){true, f->layer, f->p.ext_seq, f->frame, f->p.payload.temporal, *out};
    if (out->seq >= s->end)
        s->end = out->seq + 1;
    else
        s->late++;
    s->given++;
}

static void receive(const struct flight *f)
{
    struct scene *s = &scene;
    if (s->wanted != s->current && s->wanted == (int)f->layer &&
        payload_is(&f->p.payload, PAYLOAD_START | PAYLOAD_KEY)) {
        const struct rtp_clock *from = s->current >= 0 ? &s->layers[s->current].clock : NULL;
        rewrite_switch(&s->r, f->layer, &f->p, f->at_us, from, &s->layers[f->layer].clock);
        s->current = s->wanted;
        s->switches++;
        s->temporal_max = s->temporal_wanted;
        s->frame_decided[f->layer] = f->frame;
    }
    if (s->current != (int)f->layer)
        return;
    if (!temporal_passes(f)) {
        rewrite_drop(&s->r, &f->p);
        return;
    }
    struct rewrite_out out;
    int r = rewrite_packet(&s->r, &f->p, f->at_us, &out);
    if (r == 0)
        note_given(f, &out);
    else
        s->refused++;
    assert_true(r == 0 || r == -EALREADY || r == -ESTALE);
}

static int flight_order(const void *a, const void *b)
{
    const struct flight *x = a, *y = b;
    return x->at_us < y->at_us ? -1 : x->at_us > y->at_us;
}

static void deliver(int64_t now_us)
{
    struct scene *s = &scene;
    qsort(s->queue, s->queued, sizeof s->queue[0], flight_order);
    unsigned n = 0;
    while (n < s->queued && s->queue[n].at_us <= now_us)
        receive(&s->queue[n++]);
    memmove(s->queue, s->queue + n, (s->queued - n) * sizeof s->queue[0]);
    s->queued -= n;
}

/* Every number that the ring still knows leads back to what was sent under it. */
static void check_origins(void)
{
    struct scene *s = &scene;
    for (uint64_t seq = s->end > s->first + SLOTS ? s->end - SLOTS : s->first; seq < s->end; seq++) {
        const struct sent *e = &s->sent[seq - s->first];
        struct rewrite_origin o;
        int r = rewrite_find(&s->r, (uint16_t)seq, &o);
        if (r < 0)
            continue;
        assert_int_equal(o.seq, seq);
        assert_int_equal(o.state == REWRITE_SENT, e->used);
        if (!e->used)
            continue;
        assert_int_equal(o.source, e->layer);
        assert_int_equal(o.src_seq, e->src_seq);
        struct rtp_packet p = vp8_packet(o.src_seq, 0, 0, 0);
        struct rewrite_out out;
        assert_int_equal(rewrite_again(&s->r, &o, &p, &out), 0);
        assert_int_equal(out.seq, seq);
    }
}

static void scene_run(unsigned frames)
{
    struct scene *s = &scene;
    for (unsigned frame = 0; frame < frames; frame++) {
        int64_t now_us = frame * INT64_C(33333);
        if (seeded_chance(&s->random, 3) && s->wanted == s->current) {
            s->wanted = (int)seeded_below(&s->random, LAYERS);
            if (s->wanted != s->current)
                s->layers[s->wanted].key_wanted = true;
        }
        if (seeded_chance(&s->random, 1)) {
            rewrite_pause(&s->r);
            s->current = -1;
            s->wanted = (int)seeded_below(&s->random, LAYERS);
            s->layers[s->wanted].key_wanted = true;
        }
        if (seeded_chance(&s->random, 5))
            s->temporal_wanted = seeded_below(&s->random, 3);
        publish(frame, now_us);
        deliver(now_us);
        if (frame % 16 == 0)
            check_origins();
        /* a key frame that was lost is asked for again */
        if (s->wanted != s->current && frame % 12 == 0)
            s->layers[s->wanted].key_wanted = true;
    }
}

/* In order of number: timestamps do not run back, one frame has one timestamp, picture id, tl0 and frame
 * number, and two frames never share one. */
static void check_row(bool lossless)
{
    struct scene *s = &scene;
    const struct sent *last = NULL;
    for (uint64_t seq = s->first; seq < s->end; seq++) {
        const struct sent *e = &s->sent[seq - s->first];
        if (lossless)
            assert_true(e->used); /* no holes */
        if (!e->used)
            continue;
        if (last) {
            bool same = last->layer == e->layer && last->frame == e->frame;
            int64_t ts = ts_diff(e->out.ts, last->out.ts);
            int32_t picture = seq_diff_bits(e->out.picture_id, last->out.picture_id, 15);
            int32_t tl0 = (int8_t)(e->out.tl0 - last->out.tl0);
            int32_t number = seq_diff(e->out.frame_number, last->out.frame_number);
            if (same) {
                assert_true(ts == 0 && picture == 0 && tl0 == 0 && number == 0);
                assert_true(e->src_seq > last->src_seq);
            } else {
                assert_true(ts > 0 && picture > 0 && number > 0);
                assert_true(tl0 >= 0);
                if (lossless) {
                    assert_int_equal(picture, 1);
                    assert_int_equal(tl0, e->temporal == 0);
                }
                if (last->layer == e->layer && e->frame > last->frame && e->frame - last->frame < 8)
                    assert_in_range(ts, 1, 8 * 3000 + RATE / 2);
            }
        }
        last = e;
    }
}

static void a_clean_network_gives_a_seamless_stream(void **state)
{
    (void)state;
    for (uint64_t seed = 1; seed <= 25; seed++) {
        scene_start(seed, 0, 0, 0);
        scene_run(1500);
        assert_true(scene.switches > 10);
        assert_true(scene.given > 1000);
        check_row(true);
    }
}

static void a_bad_network_never_gives_a_number_twice(void **state)
{
    (void)state;
    int late = 0, refused = 0;
    for (uint64_t seed = 101; seed <= 140; seed++) {
        scene_start(seed, 5, 15, 5);
        scene_run(1500);
        assert_true(scene.switches > 5);
        assert_true(scene.given > 500);
        check_row(false);
        late += scene.late;
        refused += scene.refused;
    }
    assert_true(late > 1000 && refused > 1000); /* the run did what it is for */
}

/* Reports keep the outgoing clock on the captures, however often the layer changes. */
static void the_outgoing_clock_stays_on_the_captures(void **state)
{
    (void)state;
    for (uint64_t seed = 201; seed <= 210; seed++) {
        scene_start(seed, 0, 0, 0);
        scene_run(1500);
        const struct sent *first = NULL;
        for (uint64_t seq = scene.first; seq < scene.end; seq++) {
            const struct sent *e = &scene.sent[seq - scene.first];
            if (!first)
                first = e;
            int64_t ideal = (int64_t)(e->frame - first->frame) * 3000;
            int64_t differ = ts_diff(e->out.ts, first->out.ts) - ideal;
            assert_in_range(differ + RATE / 100, 0, RATE / 50); /* 10 ms either way */
        }
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(nothing_is_given_before_a_source_is_chosen),
        cmocka_unit_test(late_packets_get_the_number_that_was_held),
        cmocka_unit_test(numbers_close_up_behind_what_is_dropped),
        cmocka_unit_test(packets_from_before_a_switch_are_not_sent),
        cmocka_unit_test(what_has_left_the_ring_is_refused),
        cmocka_unit_test(many_switches_keep_their_origins_apart),
        cmocka_unit_test(timestamps_run_on_by_arrival_without_reports),
        cmocka_unit_test(reports_align_layers_exactly),
        cmocka_unit_test(the_same_source_keeps_its_clock_over_a_pause),
        cmocka_unit_test(decoders_see_one_row_of_pictures),
        cmocka_unit_test(a_dropped_picture_stays_dropped),
        cmocka_unit_test(vp9_pictures_keep_their_distances),
        cmocka_unit_test(short_picture_ids_wrap_at_seven_bits),
        cmocka_unit_test(a_clean_network_gives_a_seamless_stream),
        cmocka_unit_test(a_bad_network_never_gives_a_number_twice),
        cmocka_unit_test(the_outgoing_clock_stays_on_the_captures),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
