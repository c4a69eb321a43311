// link: base net rtp cc
/* The steps of a packet's way, each alone; micro_srtp.c has encryption. */
#include <errno.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include "base/packet.h"
#include "base/rand.h"
#include "base/ring.h"
#include "cc/estimator.h"
#include "measure/allocations.h"
#include "measure/rows.h"
#include "measure/server.h"
#include "measure/step.h"
#include "net/clock.h"
#include "net/demux.h"
#include "rtp/header.h"
#include "rtp/rewrite.h"

#define PACKET_SIZE 1000 /* bytes of RTP */
#define RING_SIZE   4096 /* packets, as between two workers */

/* Keeps a result from being optimised away. */
static volatile uint64_t sink;

/* ---- a packet like those of a browser ---- */

static uint8_t sample[PACKET_SIZE];
static struct rtp_extmap extmap;

static void make_sample(void)
{
    const struct rtp_fields f = {.pt = 96, .seq = 1000, .ts = 90000, .ssrc = 0x1234};
    static const uint8_t number[2] = {1, 2}, mid[1] = {'0'}, sent[3] = {1, 2, 3};
    const struct rtp_ext_out exts[] = {{RTP_EXT_TWCC, sizeof number, number}, {RTP_EXT_MID, sizeof mid, mid},
        {RTP_EXT_ABS_SEND_TIME, sizeof sent, sent}};
    rand_bytes(sample, sizeof sample);
    rtp_extmap_init(&extmap);
    rtp_extmap_set(&extmap, 2, RTP_EXT_ABS_SEND_TIME);
    rtp_extmap_set(&extmap, 3, RTP_EXT_TWCC);
    rtp_extmap_set(&extmap, 4, RTP_EXT_MID);
    if (rtp_write_header(sample, sizeof sample, &f, &extmap, exts, 3) < 0)
        bench_fail("the sample packet cannot be made");
}

/* ---- reading and rewriting ---- */

static void demux(uint64_t count)
{
    uint64_t sum = 0;
    for (uint64_t i = 0; i < count; i++) {
        sample[1] = (uint8_t)(i & 0x7f);
        sum += demux_classify(sample, sizeof sample);
    }
    sample[1] = 96;
    sink = sum;
}

static void parse(uint64_t count)
{
    struct rtp_packet h;
    uint64_t sum = 0;
    for (uint64_t i = 0; i < count; i++) {
        sample[3] = (uint8_t)i;
        if (rtp_parse(sample, sizeof sample, &extmap, &h))
            bench_fail("the sample packet cannot be read");
        sum += h.twcc + h.seq;
    }
    sink = sum;
}

static void write_header(uint64_t count)
{
    uint8_t header[RTP_HEADER_MAX];
    static const uint8_t number[2] = {1, 2};
    const struct rtp_ext_out exts[] = {{RTP_EXT_TWCC, sizeof number, number}};
    uint64_t sum = 0;
    for (uint64_t i = 0; i < count; i++) {
        struct rtp_fields f = {.pt = 96, .seq = (uint16_t)i, .ssrc = 1};
        sum += (uint64_t)rtp_write_header(header, sizeof header, &f, &extmap, exts, 1) + header[3];
    }
    sink = sum;
}

static void rewrite(uint64_t count)
{
    static struct rewrite_slot slots[REWRITE_SLOTS_VIDEO];
    static struct rewrite r;
    struct rtp_packet h;
    struct rewrite_out out;
    uint64_t sum = 0;
    if (rtp_parse(sample, sizeof sample, &extmap, &h) ||
        rewrite_init(&r, slots, REWRITE_SLOTS_VIDEO, 1, 1, 90000))
        bench_fail("rewriting cannot begin");
    rewrite_switch(&r, 0, &h, 0, NULL, NULL);
    for (uint64_t i = 0; i < count; i++) {
        h.ext_seq = (int64_t)(1000 + i);
        h.seq = (uint16_t)h.ext_seq;
        h.ts = (uint32_t)(90000 + i * 90);
        if (rewrite_packet(&r, &h, (int64_t)i * 1000, &out))
            bench_fail("rewriting failed");
        sum += out.seq;
    }
    sink = sum;
}

/* ---- what receivers report ---- */

#define REPORTED        20 /* packets a report: four frames of 1.5 Mbit/s */
#define REPORT_US       128000
#define REPORT_SLOTS    2048
#define REPORT_MAX      64
#define REPORT_FRAME_US (REPORT_US / 4)

/* A report that all arrived, each frame within a millisecond. */
static size_t report_write(uint8_t buf[REPORT_MAX], uint64_t number)
{
    struct writer w = writer_of(buf, REPORT_MAX);
    size_t at = rtcp_begin(&w, RTCP_RTPFB, RTCP_FMT_TWCC);
    writer_u32(&w, 1);
    writer_u32(&w, 2);
    writer_u16(&w, (uint16_t)(number * REPORTED));
    writer_u16(&w, REPORTED);
    writer_u24(&w, (uint32_t)(number * (REPORT_US / 64000)) & 0xffffff);
    writer_u8(&w, (uint8_t)number);
    writer_u16(&w, 0x2000 | REPORTED);
    for (int i = 0; i < REPORTED; i++)
        writer_u8(&w, i % 5 ? 1 : i ? 124 : 0); /* of 250 us */
    writer_zero(&w, 2);
    rtcp_end(&w, at);
    return w.len;
}

/* Its packets are numbered, and the report of them is written, read and acted on. */
static void reports(uint64_t count)
{
    static struct twcc_sent slots[REPORT_SLOTS];
    static struct twcc_sender sender;
    static struct estimator e;
    uint8_t buf[REPORT_MAX];
    if (twcc_sender_init(&sender, slots, REPORT_SLOTS))
        bench_fail("packets cannot be numbered");
    estimator_init(&e, 1000000, 0);
    for (uint64_t i = 0; i < count; i++) {
        int64_t now_us = (int64_t)i * REPORT_US;
        for (int k = 0; k < REPORTED; k++)
            twcc_sender_next(&sender, now_us + k / 5 * REPORT_FRAME_US, 1200, 0);
        estimator_sent_many(&e, REPORTED * 1200, now_us, now_us + REPORT_US);
        struct cursor c = cursor_of(buf, report_write(buf, i));
        struct rtcp_block b;
        if (rtcp_next(&c, &b) != 1 || twcc_sender_feedback(&sender, &b, estimator_result, &e) != REPORTED)
            bench_fail("a report cannot be read");
        sink = (uint64_t)estimator_update(&e, now_us + REPORT_US + 20000);
    }
}

/* ---- memory, and between threads ---- */

static void packets(uint64_t count)
{
    struct packet_pool *pool = packet_pool_new(POOL_CHUNK_PACKETS);
    if (!pool)
        bench_fail("no memory");
    for (uint64_t i = 0; i < count; i++) {
        struct packet *p = packet_get(pool);
        p->len = (uint16_t)i;
        packet_unref(p);
    }
    packet_pool_free(pool);
}

static void references(uint64_t count)
{
    struct packet_pool *pool = packet_pool_new(POOL_CHUNK_PACKETS);
    struct packet *p = pool ? packet_get(pool) : NULL;
    if (!p)
        bench_fail("no memory");
    for (uint64_t i = 0; i < count; i++)
        packet_unref(packet_ref(p));
    packet_unref(p);
    packet_pool_free(pool);
}

static void ring_alone(uint64_t count)
{
    struct ring r;
    uint64_t sum = 0;
    if (ring_init(&r, RING_SIZE))
        bench_fail("no memory");
    for (uint64_t i = 0; i < count; i++) {
        ring_push(&r, &r);
        sum += ring_pop(&r) != NULL;
    }
    sink = sum;
    ring_done(&r);
}

struct relay {
    struct ring ring;
    uint64_t count;
};

/* A failed look costs the other side its cache line; between workers nobody looks without being told. */
static void breathe(void)
{
    struct timespec t = {.tv_nsec = 20000};
    clock_nanosleep(CLOCK_MONOTONIC, 0, &t, NULL);
}

static void *take_all(void *arg)
{
    struct relay *r = arg;
    if (processors() > 1)
        pin_to(1);
    for (uint64_t i = 0; i < r->count;) {
        struct packet *p = ring_pop(&r->ring);
        if (p) {
            packet_unref(p);
            i++;
        } else {
            breathe();
        }
    }
    return NULL;
}

/* From the pool of one thread through the ring to another, which gives the packet back. */
static void ring_across(uint64_t count)
{
    static struct relay r;
    pthread_t other;
    struct packet_pool *pool = packet_pool_new(POOL_PACKETS_MAX);
    r.count = count;
    if (!pool || ring_init(&r.ring, RING_SIZE) || pthread_create(&other, NULL, take_all, &r))
        bench_fail("a second thread cannot be had");
    for (uint64_t i = 0; i < count;) {
        struct packet *p = packet_get(pool);
        if (p && ring_push(&r.ring, p)) {
            i++;
            continue;
        }
        packet_unref(p);
        breathe();
    }
    pthread_join(other, NULL);
    ring_done(&r.ring);
    packet_pool_free(pool);
}

int main(void)
{
    if (processors() > 1)
        pin_to(0);
    make_sample();
    if (ALLOCATIONS_COUNTED)
        step_count_allocations(&allocations);
    rows_heading("Steps of a packet's way, each alone");
    step("demultiplexing by the first bytes", demux, 2000000);
    step("rtp_parse, three extensions", parse, 1000000);
    step("rewrite_packet", rewrite, 1000000);
    step("rtp_write_header, one extension", write_header, 1000000);
    step("a report on 20 packets: numbered, read, estimated", reports, 20000);
    step("packet_get and packet_unref", packets, 1000000);
    step("packet_ref and packet_unref", references, 1000000);
    step("ring_push and ring_pop, one thread", ring_alone, 1000000);
    step("get, push to another thread, its unref: the sender's side", ring_across, 200000);
    return EXIT_SUCCESS;
}
