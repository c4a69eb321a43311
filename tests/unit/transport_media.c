/* What passes a connection that is up: RTP, RTCP and data both ways over bad links, and transport-wide
 * feedback. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>
#include "base/cursor.h"
#include "support/nonce_watch.h"
#include "support/transport_rig.h"
#include "support/virtual_time.h"

#define PACKETS   600
#define FIRST     65300 /* the numbers wrap early */
#define UP_SSRC   1111
#define DOWN_SSRC 2222

static struct transport_rig rig;

static void up(uint64_t seed)
{
    rig_init(&rig, seed, seed & 1 ? DTLS_CLIENT : DTLS_SERVER, false);
    assert_true(rig_run(&rig, 30 * RIG_SECOND, rig_connected));
}

/* ---- both ways ---- */

struct direction {
    bool lost[PACKETS];                                 /* on the link, so that it cannot come */
    uint8_t rtp[PACKETS], rtcp[PACKETS], data[PACKETS]; /* how often each came */
    uint64_t expected;
};

static struct direction upward, downward;

/* A payload that says which packet it is of, in some length. */
static size_t payload_make(uint8_t *out, unsigned i)
{
    size_t len = 8 + i * 37 % 1000;
    memset(out, (int)i, len);
    struct writer w = writer_of(out, 8);
    writer_u32(&w, i);
    writer_u32(&w, (uint32_t)len);
    return len;
}

static unsigned payload_read(const uint8_t *data, size_t len)
{
    uint8_t want[1100];
    struct cursor c = cursor_of(data, len);
    unsigned i = cursor_u32(&c);
    assert_true(!c.bad && i < PACKETS);
    assert_int_equal(payload_make(want, i), len);
    assert_memory_equal(want, data, len);
    return i;
}

static void rtp_check(struct direction *d, const uint8_t *data, const struct rtp_packet *h, uint32_t ssrc)
{
    unsigned i = payload_read(data + h->payload_off, h->payload_len);
    assert_int_equal(h->ssrc, ssrc);
    assert_int_equal(h->seq, (uint16_t)(FIRST + i));
    assert_int_equal(h->ts, i * 960);
    assert_int_equal(h->pt, 96);
    d->rtp[i]++;
}

static void on_rtp(void *arg, struct packet *p)
{
    (void)arg;
    rtp_check(&upward, p->data, rtp_of(p), UP_SSRC);
}

static void on_client_rtp(void *arg, const uint8_t *data, size_t len, const struct rtp_packet *h)
{
    (void)arg;
    (void)len;
    rtp_check(&downward, data, h, DOWN_SSRC);
}

/* An RTCP packet that carries i: a receiver report on nobody. */
static size_t rtcp_make(uint8_t *out, size_t cap, unsigned i)
{
    struct writer w = writer_of(out, cap);
    rtcp_rr_write(&w, UP_SSRC, &(struct rtcp_report){.ssrc = i}, 1);
    assert_false(w.bad);
    return w.len;
}

static void rtcp_check(struct direction *d, const uint8_t *data, size_t len)
{
    struct cursor c = cursor_of(data, len), reports;
    struct rtcp_block b;
    struct rtcp_report r;
    uint32_t ssrc;
    while (rtcp_next(&c, &b) > 0) {
        if (b.type != RTCP_RR)
            continue;
        assert_int_equal(rtcp_rr_parse(&b, &ssrc, &reports), 0);
        assert_true(rtcp_report_next(&reports, &r));
        assert_true(r.ssrc < PACKETS);
        d->rtcp[r.ssrc]++;
    }
}

static void on_rtcp(void *arg, const uint8_t *data, size_t len)
{
    (void)arg;
    rtcp_check(&upward, data, len);
}

static void on_client_rtcp(void *arg, const uint8_t *data, size_t len)
{
    (void)arg;
    rtcp_check(&downward, data, len);
}

static void on_data(void *arg, const uint8_t *data, size_t len)
{
    (void)arg;
    upward.data[payload_read(data, len)]++;
}

static void on_client_data(void *arg, const uint8_t *data, size_t len)
{
    (void)arg;
    downward.data[payload_read(data, len)]++;
}

static void send_one(unsigned i)
{
    uint8_t payload[1100], rtcp[64];
    size_t len = payload_make(payload, i), rtcp_len = rtcp_make(rtcp, sizeof rtcp, i);
    struct rtp_fields f = {.pt = 96, .seq = (uint16_t)(FIRST + i), .ts = i * 960, .ssrc = UP_SSRC};
    uint64_t lost = rig.link.lost;
    rtc_client_rtp(&rig.client, &f, FIRST + i, NULL, 0, payload, len);
    upward.lost[i] = rig.link.lost > lost;
    f.ssrc = DOWN_SSRC;
    lost = rig.link.lost;
    rig_server_rtp(&rig, &f, FIRST + i, NULL, 0, payload, len);
    downward.lost[i] = rig.link.lost > lost;
    rtc_client_rtcp(&rig.client, rtcp, rtcp_len);
    assert_int_equal(transport_rtcp_send(rig.server, rtcp, rtcp_len), 0);
    assert_int_equal(dtls_session_write(rig.client.dtls, payload, len), 0);
    assert_int_equal(transport_write(rig.server, payload, len), 0);
}

static void assert_passed(const struct direction *d)
{
    unsigned rtcp = 0, data = 0;
    for (unsigned i = 0; i < PACKETS; i++) {
        assert_int_equal(d->rtp[i], !d->lost[i]);
        assert_true(d->rtcp[i] <= 1 && d->data[i] <= 1);
        rtcp += d->rtcp[i];
        data += d->data[i];
    }
    assert_true(rtcp > PACKETS / 2);
    assert_true(data > PACKETS / 2);
}

static void everything_passes_once_both_ways(void **state)
{
    (void)state;
    for (uint64_t seed = 0; seed < 16; seed++) {
        up(seed);
        upward = downward = (struct direction){0};
        rig.on_rtp = on_rtp;
        rig.on_rtcp = on_rtcp;
        rig.on_data = on_data;
        rig.on_client_rtp = on_client_rtp;
        rig.on_client_rtcp = on_client_rtcp;
        rig.on_client_data = on_client_data;
        rig.link.loss = 2 * (unsigned)seed;
        rig.link.duplicate = (unsigned)seed;
        rig.link.jitter_us = 5000 * (int64_t)seed;
        for (unsigned i = 0; i < PACKETS; i++) {
            send_one(i);
            rig_run(&rig, 5000, NULL);
        }
        rig_run(&rig, RIG_SECOND, NULL);
        assert_passed(&upward);
        assert_passed(&downward);
        struct transport_stats s = rig_stats(&rig);
        assert_int_equal(s.rx.forged + s.rx.malformed + s.rx.refused + s.rx.rtp_old + s.rx.rtcp_old, 0);
        assert_int_equal(s.rx.rtp_packets, s.rtp_in);
        assert_true(seed == 0 || s.rx.rtp_replays > 0);
        assert_int_equal(s.unknown_path + s.before_keys + s.rtp_malformed + s.rtcp_malformed, 0);
        assert_int_equal(rig.state_count, 1);
        rig_done(&rig);
    }
}

static void nothing_can_be_sent_before_keys_or_too_large(void **state)
{
    uint8_t rtcp[PACKET_SIZE_MAX] = {0x80, RTCP_RR}, large[DTLS_PAYLOAD_MAX + 1] = {0};
    (void)state;
    rig_init(&rig, 1, DTLS_SERVER, true);
    assert_null(transport_tx(rig.server));
    assert_null(transport_path(rig.server));
    assert_int_equal(transport_rtcp_send(rig.server, rtcp, 8), -ENOTCONN);
    assert_int_equal(transport_write(rig.server, rtcp, 8), -ENOTCONN);
    rig_introduce(&rig, DTLS_SERVER);
    assert_int_equal(transport_write(rig.server, rtcp, 8), -ENOTCONN);
    assert_true(rig_run(&rig, 30 * RIG_SECOND, rig_connected));
    assert_int_equal(transport_rtcp_send(rig.server, rtcp, sizeof rtcp), -EMSGSIZE);
    assert_int_equal(transport_rtcp_send(rig.server, rtcp, 7), -EINVAL);
    assert_int_equal(transport_write(rig.server, large, sizeof large), -EMSGSIZE);
    assert_int_equal(transport_rtcp_send(rig.server, rtcp, 8), 0);
    assert_int_equal(transport_write(rig.server, large, sizeof large - 1), 0);
    rig_done(&rig);
}

/* ---- transport-wide feedback on what the server receives ---- */

#define TWCC_ID 3

struct twcc_run {
    struct twcc_sent slots[1024];
    struct twcc_sender sender;
    int64_t arrived_us[1024], told_us[1024]; /* by number; 0: not (yet) */
    bool told_lost[1024];
    int64_t newest_us; /* feedback */
    int reports;
};

static struct twcc_run run;

static void on_numbered(void *arg, struct packet *p)
{
    (void)arg;
    const struct rtp_packet *h = rtp_of(p);
    assert_true(rtp_has(h, RTP_EXT_TWCC));
    run.arrived_us[h->twcc] = virtual_now_us;
}

static void on_result(void *arg, const struct twcc_result *r)
{
    (void)arg;
    assert_in_range(r->seq, 0, 1023);
    if (r->received)
        run.told_us[r->seq] = r->recv_us;
    else
        run.told_lost[r->seq] = true;
}

static void on_feedback(void *arg, const uint8_t *data, size_t len)
{
    (void)arg;
    struct cursor c = cursor_of(data, len);
    struct rtcp_block b;
    uint32_t sender, media;
    struct cursor fci;
    while (rtcp_next(&c, &b) > 0) {
        if (!rtcp_is_feedback(&b, RTCP_RTPFB, RTCP_FMT_TWCC))
            continue;
        assert_int_equal(rtcp_feedback_parse(&b, &sender, &media, &fci), 0);
        assert_int_equal(sender, transport_ssrc(rig.server));
        assert_int_equal(media, UP_SSRC);
        assert_true(twcc_sender_feedback(&run.sender, &b, on_result, NULL) >= 0);
        assert_true(run.newest_us == 0 || virtual_now_us - run.newest_us <= 2 * TWCC_MAX_US);
        run.newest_us = virtual_now_us;
        run.reports++;
    }
}

static void numbered_send(unsigned i)
{
    uint8_t value[2], payload[200] = {0};
    uint16_t number = twcc_sender_next(&run.sender, virtual_now_us, sizeof payload, 0);
    assert_int_equal(number, i);
    value[0] = (uint8_t)(number >> 8);
    value[1] = (uint8_t)number;
    struct rtp_ext_out ext = {.ext = RTP_EXT_TWCC, .len = 2, .data = value};
    struct rtp_fields f = {.pt = 96, .seq = (uint16_t)i, .ssrc = UP_SSRC};
    rtc_client_rtp(&rig.client, &f, i, &ext, 1, payload, sizeof payload);
}

static void every_arrival_is_reported_to_the_sender(void **state)
{
    (void)state;
    for (uint64_t seed = 0; seed < 8; seed++) {
        up(seed);
        memset(&run, 0, sizeof run);
        assert_int_equal(twcc_sender_init(&run.sender, run.slots, 1024), 0);
        assert_int_equal(rtp_extmap_set(&rig.client.extmap, TWCC_ID, RTP_EXT_TWCC), 0);
        transport_extmap_add(rig.server, &rig.client.extmap);
        rig.on_rtp = on_numbered;
        rig.on_client_rtcp = on_feedback;
        rig.link.jitter_us = 4000 * (int64_t)seed;
        struct seeded random = seeded_of(seed);
        for (unsigned i = 0; i < 1000; i++) {
            rig.link.loss = 20; /* of media; the way back is clean */
            numbered_send(i);
            rig.link.loss = 0;
            rig_run(&rig, 1 + seeded_below(&random, 8000), NULL);
        }
        rig_run(&rig, RIG_SECOND, NULL);
        int64_t base_us = INT64_MIN;
        unsigned last = 999; /* what is lost before the first or after the last arrival, nobody knows of */
        while (!run.arrived_us[last])
            last--;
        for (unsigned i = 0; i <= last; i++) {
            assert_int_equal(run.told_us[i] != 0, run.arrived_us[i] != 0);
            if (!run.arrived_us[i]) {
                assert_true(run.told_lost[i] || base_us == INT64_MIN);
                continue;
            }
            if (base_us == INT64_MIN)
                base_us = run.told_us[i] - run.arrived_us[i];
            assert_in_range(
                run.told_us[i] - run.arrived_us[i] - base_us + 500, 0, 1000); /* ticks of 250 us */
        }
        assert_in_range(run.reports, 20, 120);
        assert_int_equal(
            transport_next_timeout(rig.server) > virtual_now_us + RIG_SECOND, 1); /* nothing left to say */
        rig_done(&rig);
    }
}

/* ---- and on what it sends ---- */

static struct twcc_recorder recorder;

static void on_client_numbered(void *arg, const uint8_t *data, size_t len, const struct rtp_packet *h)
{
    (void)arg;
    (void)data;
    (void)len;
    assert_true(rtp_has(h, RTP_EXT_TWCC));
    twcc_recorder_input(&recorder, h->twcc, virtual_now_us);
}

static void client_reports(void)
{
    while (twcc_recorder_next_timeout(&recorder) <= virtual_now_us) {
        uint8_t buf[1200];
        struct writer w = writer_of(buf, sizeof buf);
        assert_true(twcc_recorder_write(&recorder, &w, UP_SSRC, DOWN_SSRC, virtual_now_us));
        rtc_client_rtcp(&rig.client, buf, w.len);
    }
}

static uint64_t results_received, results_lost;

/* Tag and size come back as they were given. */
static void on_sent_result(void *arg, const struct twcc_result *r)
{
    (void)arg;
    assert_int_equal(r->tag, (uint8_t)(r->seq % 7));
    assert_int_equal(r->size, 200 + r->seq % 100);
    assert_true(r->sent_us < virtual_now_us);
    results_received += r->received;
    results_lost += !r->received;
}

/* Reports of which each costs thousands of steps, as many as fit into a datagram: only the first ones are
 * read. */
static void reports_of_one_datagram_are_few(uint64_t bad)
{
    uint8_t buf[1200];
    struct writer w = writer_of(buf, sizeof buf);
    int count = 0;
    for (; w.cap - w.len >= 24; count++) {
        uint8_t block[24] = {0x80 | RTCP_FMT_TWCC, RTCP_RTPFB, 0, 5, 0, 0, 0, 1, 0, 0, 0, 2, 0, 1, 0x1f, 0xff,
            0, 0, 1, 0, 0x1f, 0xff}; /* 8,191 times "did not arrive" */
        writer_bytes(&w, block, sizeof block);
    }
    rtc_client_rtcp(&rig.client, buf, w.len);
    rig_run(&rig, RIG_SECOND, NULL);
    assert_int_equal(rig_stats(&rig).feedback_bad, bad + (uint64_t)(count - TWCC_BLOCKS_MAX));
}

static void reports_of_the_receiver_are_read(void **state)
{
    uint64_t lost = 0;
    (void)state;
    up(3);
    twcc_recorder_init(&recorder);
    assert_int_equal(rtp_extmap_set(&rig.client.extmap, TWCC_ID, RTP_EXT_TWCC), 0);
    rig.on_client_rtp = on_client_numbered;
    rig.on_sent_result = on_sent_result;
    results_received = results_lost = 0;
    for (unsigned i = 0; i < 3000; i++) {
        uint16_t number = transport_twcc_next(rig.server, 200 + i % 100, (uint8_t)(i % 7), virtual_now_us);
        assert_int_equal(number, i);
        uint8_t value[2] = {(uint8_t)(number >> 8), (uint8_t)number}, payload[200] = {0};
        struct rtp_ext_out ext = {.ext = RTP_EXT_TWCC, .len = 2, .data = value};
        struct rtp_fields f = {.pt = 96, .seq = (uint16_t)i, .ssrc = DOWN_SSRC};
        uint64_t before = rig.link.lost;
        rig.link.loss = i < 2990 ? 15 : 0;
        rig_server_rtp(&rig, &f, i, &ext, 1, payload, sizeof payload);
        rig.link.loss = 0;
        lost += rig.link.lost - before;
        rig_run(&rig, 2000, NULL);
        client_reports();
    }
    for (int i = 0; i < 100; i++) {
        rig_run(&rig, 10000, NULL);
        client_reports();
    }
    struct transport_stats s = rig_stats(&rig);
    assert_true(lost > 300);
    assert_int_equal(s.sent_reported, 3000 - lost);
    assert_int_equal(s.sent_lost, lost);
    assert_int_equal(s.feedback_bad, 0);
    assert_int_equal(results_received, 3000 - lost);
    assert_int_equal(results_lost, lost);

    uint8_t bad[24] = {
        0x80 | RTCP_FMT_TWCC, RTCP_RTPFB, 0, 5, 0, 0, 0, 1, 0, 0, 0, 2, 0, 1, 0xff, 0xff, 0, 0, 1, 0};
    rtc_client_rtcp(&rig.client, bad, sizeof bad); /* 65,535 statuses, and no room for them */
    rig_run(&rig, RIG_SECOND, NULL);
    assert_int_equal(rig_stats(&rig).feedback_bad, 1);
    reports_of_one_datagram_are_few(1);
    rig_done(&rig);
}

/* ---- the watch itself ---- */

/* Two contexts with one key, as only a mistake could make them: each admits what the other has sent. */
static void break_the_law(void)
{
    uint8_t key[SRTP_KEY_MAX] = {1}, salt[SRTP_SALT_MAX] = {2}, out[64];
    uint8_t header[12] = {0x80, 96, 0, 9, 0, 0, 0, 0, 0, 0, 0, 5};
    for (int i = 0; i < 2; i++) {
        struct srtp_tx *tx;
        if (srtp_tx_new(SRTP_PROFILE_AEAD_AES_128_GCM, key, salt, &tx))
            _exit(1);
        struct srtp_tx_job job = {.tx = tx,
            .index = 9,
            .header = header,
            .out = out,
            .out_cap = sizeof out,
            .ssrc = 5,
            .header_len = sizeof header};
        if (srtp_tx_run(&job, 1) != 1)
            _exit(2);
    }
    _exit(3);
}

static void a_repeated_nonce_ends_the_program(void **state)
{
    int status = 0;
    (void)state;
    pid_t child = fork();
    assert_true(child >= 0);
    if (child == 0) {
        struct sigaction plain = {.sa_handler = SIG_DFL};
        sigaction(SIGABRT, &plain, NULL);
        if (!freopen("/dev/null", "w", stderr))
            _exit(4);
        break_the_law();
    }
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_true(WIFSIGNALED(status));
    assert_int_equal(WTERMSIG(status), SIGABRT);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_teardown(everything_passes_once_both_ways, transport_rig_teardown),
        cmocka_unit_test_teardown(nothing_can_be_sent_before_keys_or_too_large, transport_rig_teardown),
        cmocka_unit_test_teardown(every_arrival_is_reported_to_the_sender, transport_rig_teardown),
        cmocka_unit_test_teardown(reports_of_the_receiver_are_read, transport_rig_teardown),
        cmocka_unit_test_teardown(a_repeated_nonce_ends_the_program, transport_rig_teardown),
    };
    return cmocka_run_group_tests(tests, transport_rig_begin, transport_rig_end);
}
