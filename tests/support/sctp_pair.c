#include "support/sctp_pair.h"
#include <stdarg.h>
#include <setjmp.h>
#include <cmocka.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include "sctp/stack.h"

extern int64_t virtual_now_us;

struct sctp_pair_peer peers[2];
struct bad_link pair_link;
unsigned pair_corrupt;

/* ---- what the associations tell ---- */

static void on_output(void *arg, const uint8_t *packet, size_t len)
{
    struct sctp_pair_peer *p = arg;
    uint8_t copy[SCTP_MTU];

    assert_in_range(len, 16, SCTP_MTU);
    if (len > p->largest_packet)
        p->largest_packet = len;
    memcpy(copy, packet, len);
    if (seeded_chance(&pair_link.random, pair_corrupt))
        copy[seeded_below(&pair_link.random, (uint32_t)len)] ^=
            (uint8_t)(1u << seeded_below(&pair_link.random, 8));
    bad_link_send(&pair_link, !p->number, &(struct path){0}, copy, len, virtual_now_us);
}

static void on_up(void *arg)
{
    struct sctp_pair_peer *p = arg;
    assert_int_equal(p->closed, 0);
    p->up++;
}

static void on_channel_open(void *arg, uint16_t stream, const struct dcep_open *open)
{
    struct sctp_pair_peer *p = arg;
    assert_int_equal(p->up, 1);
    assert_true(stream < SCTP_STREAMS);
    assert_int_equal(p->opens[stream], p->closes[stream]);
    p->opens[stream]++;
    p->open[stream] = *open;
    assert_non_null(sctp_association_channel(p->association, stream));
}

static void on_message(void *arg, uint16_t stream, bool binary, const uint8_t *data, size_t len)
{
    struct sctp_pair_peer *p = arg;
    assert_int_equal(p->opens[stream], p->closes[stream] + 1);
    assert_true(len <= SCTP_MESSAGE_MAX);
    assert_true(p->message_count < SCTP_PAIR_MESSAGES);
    struct sctp_pair_message *m = &p->messages[p->message_count++];
    *m = (struct sctp_pair_message){.stream = stream, .binary = binary, .len = len, .data = malloc(len + 1)};
    assert_non_null(m->data);
    memcpy(m->data, data, len);
    if (p->echo)
        assert_int_equal(sctp_association_send(p->association, stream, binary, data, len), 0);
    if (p->on_message == SCTP_PAIR_CLOSE_CHANNEL)
        (void)sctp_association_channel_close(p->association, stream);
    if (p->on_message == SCTP_PAIR_CLOSE_ASSOCIATION)
        sctp_association_close(p->association);
}

static void on_channel_closed(void *arg, uint16_t stream)
{
    struct sctp_pair_peer *p = arg;
    p->closes[stream]++;
    assert_null(sctp_association_channel(p->association, stream));
}

static void on_writable(void *arg)
{
    struct sctp_pair_peer *p = arg;
    p->writable++;
    assert_true(sctp_association_buffered(p->association) < SCTP_SEND_LOW);
}

static void on_closed(void *arg, enum sctp_close why)
{
    struct sctp_pair_peer *p = arg;
    p->closed++;
    p->why = why;
    assert_int_equal(sctp_association_send(p->association, 0, true, (const uint8_t *)"x", 1), -ENOENT);
}

const struct sctp_ops pair_ops = {
    on_output, on_up, on_channel_open, on_message, on_channel_closed, on_writable, on_closed};

/* ---- life ---- */

void pair_new(void)
{
    memset(peers, 0, sizeof peers);
    bad_link_init(&pair_link, 1);
    pair_link.delay_us = 5000;
    pair_corrupt = 0;
    for (int i = 0; i < 2; i++) {
        peers[i].number = i;
        assert_int_equal(sctp_association_new(NULL, &pair_ops, &peers[i], 5000, &peers[i].association), 0);
    }
}

void pair_start(void)
{
    pair_new();
    assert_int_equal(sctp_association_start(peers[0].association, true), 0);
    assert_int_equal(sctp_association_start(peers[1].association, false), 0);
}

void pair_connect(void)
{
    pair_start();
    pair_run(100000);
    for (int i = 0; i < 2; i++) {
        assert_int_equal(peers[i].up, 1);
        assert_int_equal(peers[i].closed, 0);
    }
}

void pair_free(void)
{
    for (int i = 0; i < 2; i++) {
        sctp_association_free(peers[i].association);
        for (int k = 0; k < peers[i].message_count; k++)
            free(peers[i].messages[k].data);
        peers[i].message_count = 0;
    }
    bad_link_done(&pair_link);
}

void pair_forget_packets(int to)
{
    struct bad_datagram *kept[2048], *d;
    size_t n = 0;
    while ((d = bad_link_take(&pair_link, INT64_MAX))) {
        if (d->to == to) {
            free(d);
        } else {
            assert_true(n < sizeof kept / sizeof kept[0]);
            kept[n++] = d;
        }
    }
    unsigned loss = pair_link.loss, duplicate = pair_link.duplicate;
    pair_link.loss = pair_link.duplicate = 0;
    for (size_t i = 0; i < n; i++) {
        bad_link_send(&pair_link, kept[i]->to, &kept[i]->path, kept[i]->data, kept[i]->len, virtual_now_us);
        free(kept[i]);
    }
    pair_link.loss = loss;
    pair_link.duplicate = duplicate;
}

void pair_run(int64_t us)
{
    int64_t end_us = virtual_now_us + us;
    while (virtual_now_us < end_us) {
        int64_t tick_us = virtual_now_us - virtual_now_us % SCTP_TICK_US + SCTP_TICK_US;
        int64_t next_us = bad_link_next_us(&pair_link);
        if (next_us <= tick_us && next_us <= end_us) {
            if (next_us > virtual_now_us)
                virtual_now_us = next_us;
            struct bad_datagram *d = bad_link_take(&pair_link, virtual_now_us);
            sctp_association_input(peers[d->to].association, d->data, d->len);
            free(d);
            continue;
        }
        virtual_now_us = tick_us;
        sctp_stack_tick(SCTP_TICK_US / 1000);
    }
}

/* ---- channels and messages ---- */

uint16_t pair_open(
    int from, const char *label, bool ordered, enum dcep_reliability reliability, uint32_t limit)
{
    struct dcep_open o = {.ordered = ordered, .reliability = reliability, .limit = limit};
    uint16_t stream = 999;
    o.label_len = (uint16_t)strlen(label);
    memcpy(o.label, label, o.label_len);
    assert_int_equal(sctp_association_channel_open(peers[from].association, &o, &stream), 0);
    return stream;
}

uint8_t *pair_pattern(size_t len, uint32_t seed)
{
    struct seeded random = seeded_of(seed);
    uint8_t *data = malloc(len + 1);
    assert_non_null(data);
    for (size_t i = 0; i < len; i++)
        data[i] = (uint8_t)seeded_u64(&random);
    return data;
}

int pair_say(int from, uint16_t stream, bool binary, size_t len, uint32_t seed)
{
    uint8_t *data = pair_pattern(len, seed);
    int r = sctp_association_send(peers[from].association, stream, binary, data, len);
    free(data);
    return r;
}

void pair_expect(const struct sctp_pair_message *m, uint16_t stream, bool binary, size_t len, uint32_t seed)
{
    uint8_t *data = pair_pattern(len, seed);
    assert_int_equal(m->stream, stream);
    assert_int_equal(m->binary, binary);
    assert_int_equal(m->len, len);
    assert_memory_equal(m->data, data, len);
    free(data);
}

struct sctp_stats pair_stats(int i)
{
    struct sctp_stats s;
    sctp_association_stats(peers[i].association, &s);
    return s;
}
