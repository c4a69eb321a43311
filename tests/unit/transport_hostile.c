/* Datagrams of strangers, forgers and repeaters: counted and dropped, and nothing of the connection moves. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>
#include <stdio.h>
#include <string.h>
#include "support/transport_rig.h"
#include "support/virtual_time.h"

#define KEPT_MAX 256

static struct transport_rig rig;
static uint64_t rtp_heard, rtcp_heard, data_heard, replies;

/* What the client sent, as an eavesdropper has it. */
static struct {
    uint8_t data[PACKET_SIZE_MAX];
    size_t len;
} kept[KEPT_MAX];
static unsigned kept_count;

static void on_wire(void *arg, bool to_server, const uint8_t *data, size_t len)
{
    (void)arg;
    replies += !to_server;
    if (!to_server || kept_count == KEPT_MAX)
        return;
    memcpy(kept[kept_count].data, data, len);
    kept[kept_count++].len = len;
}

static void on_rtp(void *arg, struct packet *p)
{
    (void)arg;
    (void)p;
    rtp_heard++;
}

static void on_rtcp(void *arg, const uint8_t *data, size_t len)
{
    (void)arg;
    (void)data;
    (void)len;
    rtcp_heard++;
}

static void on_data(void *arg, const uint8_t *data, size_t len)
{
    (void)arg;
    (void)data;
    (void)len;
    data_heard++;
}

static void open_rig(uint64_t seed)
{
    rig_init(&rig, seed, seed & 1 ? DTLS_CLIENT : DTLS_SERVER, false);
    rig.tap = on_wire;
    rig.on_rtp = on_rtp;
    rig.on_rtcp = on_rtcp;
    rig.on_data = on_data;
    rtp_heard = rtcp_heard = data_heard = replies = 0;
    kept_count = 0;
}

static void client_sends(uint16_t from, uint16_t count)
{
    uint8_t rr[8] = {0x80, RTCP_RR, 0, 1, 0, 0, 0, 5}, payload[300] = {1};
    for (uint16_t i = from; i < from + count; i++) {
        struct rtp_fields f = {.pt = 96, .seq = i, .ssrc = 5};
        rtc_client_rtp(&rig.client, &f, i, NULL, 0, payload, sizeof payload);
        rtc_client_rtcp(&rig.client, rr, sizeof rr);
        assert_int_equal(dtls_session_write(rig.client.dtls, payload, sizeof payload), 0);
        rig_run(&rig, 20000, NULL);
    }
}

/* All that an outsider must not be able to move. */
struct picture {
    struct path path;
    int state_count, path_count;
    uint64_t rtp, rtcp, data;
    int64_t next_us;
};

static struct picture picture(void)
{
    const struct path *path = transport_path(rig.server);
    struct picture p = {
        .state_count = rig.state_count,
        .path_count = rig.path_count,
        .rtp = rtp_heard,
        .rtcp = rtcp_heard,
        .data = data_heard,
        .next_us = transport_next_timeout(rig.server),
    };
    if (path)
        p.path = *path;
    return p;
}

static void assert_unmoved(const struct picture *before)
{
    struct picture now = picture();
    assert_true(path_equal(&now.path, &before->path));
    assert_int_equal(now.state_count, before->state_count);
    assert_int_equal(now.path_count, before->path_count);
    assert_int_equal(now.rtp, before->rtp);
    assert_int_equal(now.rtcp, before->rtcp);
    assert_int_equal(now.data, before->data);
}

/* ---- from where no check came ---- */

static void strangers_are_not_heard(void **state)
{
    (void)state;
    open_rig(1);
    assert_true(rig_run(&rig, 30 * RIG_SECOND, rig_connected));
    client_sends(100, 10);
    unsigned captured = kept_count;
    assert_true(captured > 30);
    struct path stranger = rig_server_path(7, 0), conn = rig_server_path(0, 3);
    struct picture before = picture();
    uint64_t replied = replies;
    unsigned count = 0;
    for (unsigned i = 0; i < captured; i++) {
        if (kept[i].data[0] <= 3)
            continue;
        rig_inject(&rig, &stranger, kept[i].data, kept[i].len);
        rig_inject(&rig, &conn, kept[i].data, kept[i].len); /* the right address, but as if by TCP */
        count += 2;
    }
    assert_unmoved(&before);
    assert_int_equal(before.next_us, transport_next_timeout(rig.server));
    assert_int_equal(replies, replied);
    assert_int_equal(rig_stats(&rig).unknown_path, count);
    assert_int_equal(rig_stats(&rig).rx.rtp_replays, 0); /* not even looked at */

    uint8_t fresh[PACKET_SIZE_MAX];
    struct rtp_fields f = {.pt = 96, .seq = 200, .ssrc = 5};
    size_t len = rtc_client_protect(&rig.client, &f, 200, NULL, 0, (const uint8_t *)"x", 1, fresh);
    rig_inject(&rig, &stranger, fresh, len); /* genuine, yet from where nobody checked */
    assert_int_equal(rtp_heard, before.rtp);
    rig_done(&rig);
}

static void media_before_keys_are_dropped(void **state)
{
    uint8_t rtp[40] = {0x80, 96}, rtcp[40] = {0x80, RTCP_RR, 0, 1};
    (void)state;
    open_rig(1);
    rig.client.data_paused = true;
    rig_run(&rig, RIG_SECOND, NULL);
    struct path path = rig_server_path(0, 0);
    assert_int_equal(rig.path_count, 1);
    rig_inject(&rig, &path, rtp, sizeof rtp);
    rig_inject(&rig, &path, rtcp, sizeof rtcp);
    assert_int_equal(rig_stats(&rig).before_keys, 2);
    assert_int_equal(rtp_heard + rtcp_heard, 0);
    rig.client.data_paused = false;
    assert_true(rig_run(&rig, 30 * RIG_SECOND, rig_connected));
    rig_done(&rig);
}

/* ---- on the path itself ---- */

static void repeated_datagrams_are_counted_and_dropped(void **state)
{
    (void)state;
    open_rig(1);
    assert_true(rig_run(&rig, 30 * RIG_SECOND, rig_connected));
    kept_count = 0;
    client_sends(100, 40);
    assert_int_equal(rtp_heard, 40);
    struct picture before = picture();
    struct path path = rig_server_path(0, 0);
    unsigned rtp = 0, rtcp = 0, total = kept_count;
    rig.tap = NULL;
    for (int round = 0; round < 3; round++) {
        for (unsigned i = 0; i < total; i++) {
            bool media = kept[i].data[0] >= 128, is_rtcp = media && kept[i].data[1] >= 192;
            rtp += media && !is_rtcp;
            rtcp += is_rtcp;
            rig_inject(&rig, &path, kept[i].data, kept[i].len);
        }
    }
    assert_unmoved(&before);
    assert_int_equal(rig_stats(&rig).rx.rtp_replays, rtp);
    assert_int_equal(rig_stats(&rig).rx.rtcp_replays, rtcp);
    assert_int_equal(rtp, 120);
    rig_done(&rig);
}

/* Whoever can read checks can repeat them from elsewhere: the address is then known, but media are not led
 * there. */
static void a_repeated_check_leads_nothing_away(void **state)
{
    (void)state;
    open_rig(1);
    assert_true(rig_run(&rig, 30 * RIG_SECOND, rig_connected));
    client_sends(100, 5);
    struct path stranger = rig_server_path(7, 0), home = rig_server_path(0, 0);
    unsigned checks = 0;
    for (uint16_t i = 0; i < 500; i++) {
        client_sends((uint16_t)(200 + i), 1);
        if (kept[i % 8].data[0] > 3)
            continue;
        rig_inject(&rig, &stranger, kept[i % 8].data, kept[i % 8].len);
        checks++;
        assert_true(path_equal(transport_path(rig.server), &home));
    }
    assert_true(checks > 50);
    assert_int_equal(rig.path_count, 2);
    assert_int_equal(rig.state_count, 1);
    rig_done(&rig);
}

static void cut_and_bent_datagrams_are_counted_and_dropped(void **state)
{
    uint8_t out[PACKET_SIZE_MAX], bent[PACKET_SIZE_MAX];
    (void)state;
    open_rig(1);
    assert_true(rig_run(&rig, 30 * RIG_SECOND, rig_connected));
    client_sends(100, 5);
    uint8_t rr[8] = {0x80, RTCP_RR, 0, 1, 0, 0, 0, 5};
    struct path path = rig_server_path(0, 0);
    struct picture before = picture();
    for (int is_rtcp = 0; is_rtcp < 2; is_rtcp++) {
        struct rtp_fields f = {.pt = 96, .seq = 200, .ssrc = 5};
        size_t len = is_rtcp ? rtc_client_protect_rtcp(&rig.client, rr, sizeof rr, out)
                             : rtc_client_protect(&rig.client, &f, 200, NULL, 0, rr, sizeof rr, out);
        uint64_t bad = rig_stats(&rig).rx.forged + rig_stats(&rig).rx.malformed;
        for (size_t n = 2; n < len; n++)
            rig_inject(&rig, &path, out, n);
        for (size_t i = 2; i < len; i++) { /* the first bytes say that it is RTP or RTCP */
            for (int bit = 0; bit < 8; bit++) {
                memcpy(bent, out, len);
                bent[i] ^= (uint8_t)(1 << bit);
                rig_inject(&rig, &path, bent, len);
            }
        }
        assert_unmoved(&before);
        struct transport_stats s = rig_stats(&rig);
        assert_int_equal(s.rx.forged + s.rx.malformed + s.rx.rtp_replays + s.rx.rtcp_replays + s.rx.rtp_old +
                             s.rx.rtcp_old - bad,
            len - 2 + 8 * (len - 2));
        assert_int_equal(s.rx.ssrcs, 1); /* forged SSRCs took no place */
        rig_inject(&rig, &path, out, len);
        before = picture();
        assert_int_equal(is_rtcp ? rtcp_heard : rtp_heard, 6);
    }
    rig_done(&rig);
}

/* RTP and RTCP that is authentic and still nonsense: a client's bug, counted apart. */
static void authentic_nonsense_is_counted(void **state)
{
    uint8_t out[PACKET_SIZE_MAX], header[12] = {0xa0, 96, 0, 9, 0, 0, 0, 0, 0, 0, 0, 5},
                                  payload[4] = {0, 0, 0, 200};
    (void)state;
    open_rig(1);
    assert_true(rig_run(&rig, 30 * RIG_SECOND, rig_connected));
    struct path path = rig_server_path(0, 0);
    struct srtp_tx_job job = {.tx = rig.client.tx,
        .index = 9,
        .header = header,
        .header_len = sizeof header,
        .payload = payload,
        .payload_len = sizeof payload,
        .out = out,
        .out_cap = sizeof out,
        .ssrc = 5};
    assert_int_equal(srtp_tx_run(&job, 1), 1);
    rig_inject(&rig, &path, out, job.ret_len); /* more padding than packet */
    assert_int_equal(rig_stats(&rig).rtp_malformed, 1);
    assert_int_equal(rtp_heard, 0);

    uint8_t rtcp[12] = {0x80, RTCP_RR, 0, 200, 0, 0, 0, 5}; /* a length that leads out of it */
    size_t len = rtc_client_protect_rtcp(&rig.client, rtcp, sizeof rtcp, out);
    rig_inject(&rig, &path, out, len);
    assert_int_equal(rig_stats(&rig).rtcp_malformed, 1);
    rig_done(&rig);
}

/* DTLS that anybody can write, on the path itself: alerts and handshakes in the clear, records with numbers
 * out of the air. */
static void records_in_the_clear_end_nothing(void **state)
{
    static const uint8_t goodbye[] = {21, 0xfe, 0xfd, 0, 0, 0, 0, 0, 0, 0, 9, 0, 2, 1, 0};
    static const uint8_t fatal[] = {21, 0xfe, 0xfd, 0, 0, 0, 0, 0, 0, 0, 10, 0, 2, 2, 40};
    (void)state;
    for (uint64_t seed = 0; seed < 2; seed++) {
        open_rig(seed);
        assert_true(rig_run(&rig, 30 * RIG_SECOND, rig_connected));
        client_sends(100, 5);
        struct path path = rig_server_path(0, 0);
        struct seeded random = seeded_of(seed);
        struct picture before = picture();
        uint8_t junk[PACKET_SIZE_MAX];
        rig_inject(&rig, &path, goodbye, sizeof goodbye);
        rig_inject(&rig, &path, fatal, sizeof fatal);
        for (int i = 0; i < 5000; i++) {
            size_t len = 13 + seeded_below(&random, 200);
            for (size_t k = 0; k < len; k++)
                junk[k] = (uint8_t)seeded_u64(&random);
            junk[0] = (uint8_t)(20 + seeded_below(&random, 6));
            if (i & 1) { /* a whole record, of this epoch or the last */
                junk[1] = 0xfe;
                junk[2] = 0xfd;
                junk[3] = 0;
                junk[4] = i & 2 ? 1 : 0;
                junk[11] = (uint8_t)((len - 13) >> 8);
                junk[12] = (uint8_t)(len - 13);
            }
            rig_inject(&rig, &path, junk, len);
        }
        assert_unmoved(&before);
        client_sends(200, 5);
        assert_int_equal(data_heard, 10);
        rig_done(&rig);
    }
}

/* ---- all of it at once, during the whole life ---- */

/* Makes something else of it in any case. */
static void bend(struct seeded *random, uint8_t *data, size_t *len)
{
    switch (seeded_below(random, 4)) {
    case 0:
        *len = 2 + seeded_below(random, (uint32_t)*len - 2);
        break;
    case 1:
        data[seeded_below(random, (uint32_t)*len)] ^= (uint8_t)(1 + seeded_below(random, 255));
        break;
    case 2:
        data[0] ^= (uint8_t)(1 + seeded_below(random, 255));
        break;
    default:
        memset(data + *len / 2, 0xff, *len - *len / 2);
        break;
    }
}

/* A neighbour bends what it sees and sends it on from its own address, also during the handshake. */
static void a_noisy_neighbour_stops_nobody(void **state)
{
    (void)state;
    for (uint64_t seed = 0; seed < 100; seed++) {
        struct seeded random = seeded_of(seed);
        open_rig(seed);
        rig.link.loss = seeded_below(&random, 20);
        struct path stranger = rig_server_path(7, 0);
        int64_t start_us = virtual_now_us;
        while (!rig_connected(&rig)) {
            assert_true(virtual_now_us - start_us < 30 * RIG_SECOND);
            rig_run(&rig, 5000, rig_connected);
            for (int i = 0; kept_count && i < 10; i++) {
                unsigned k = seeded_below(&random, kept_count);
                uint8_t data[PACKET_SIZE_MAX];
                size_t len = kept[k].len;
                memcpy(data, kept[k].data, len);
                bend(&random, data, &len);
                rig_inject(&rig, &stranger, data, len);
            }
            if (kept_count == KEPT_MAX)
                kept_count = 0;
        }
        rig.link.loss = 0;
        assert_int_equal(rig.path_count, 1);
        client_sends(100, 20);
        assert_int_equal(rtp_heard, 20);
        assert_int_equal(rig.state_count, 1);
        rig_done(&rig);
    }
}

/* The same on the client's own address, once it is up: no forger gets a packet in. */
static void a_forger_on_the_path_gets_nothing_in(void **state)
{
    (void)state;
    for (uint64_t seed = 0; seed < 20; seed++) {
        struct seeded random = seeded_of(seed);
        open_rig(seed);
        assert_true(rig_run(&rig, 30 * RIG_SECOND, rig_connected));
        struct path path = rig_server_path(0, 0);
        for (uint16_t n = 0; n < 30; n++) {
            kept_count = 0;
            client_sends((uint16_t)(100 + n), 1);
            struct picture before = picture();
            for (int i = 0; i < 50; i++) {
                unsigned k = seeded_below(&random, kept_count);
                uint8_t data[PACKET_SIZE_MAX];
                size_t len = kept[k].len;
                memcpy(data, kept[k].data, len);
                bend(&random, data, &len);
                rig_inject(&rig, &path, data, len);
            }
            assert_unmoved(&before);
        }
        assert_int_equal(rtp_heard, 30);
        assert_int_equal(rig.state_count, 1);
        rig_done(&rig);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_teardown(strangers_are_not_heard, transport_rig_teardown),
        cmocka_unit_test_teardown(media_before_keys_are_dropped, transport_rig_teardown),
        cmocka_unit_test_teardown(repeated_datagrams_are_counted_and_dropped, transport_rig_teardown),
        cmocka_unit_test_teardown(a_repeated_check_leads_nothing_away, transport_rig_teardown),
        cmocka_unit_test_teardown(cut_and_bent_datagrams_are_counted_and_dropped, transport_rig_teardown),
        cmocka_unit_test_teardown(authentic_nonsense_is_counted, transport_rig_teardown),
        cmocka_unit_test_teardown(records_in_the_clear_end_nothing, transport_rig_teardown),
        cmocka_unit_test_teardown(a_noisy_neighbour_stops_nobody, transport_rig_teardown),
        cmocka_unit_test_teardown(a_forger_on_the_path_gets_nothing_in, transport_rig_teardown),
    };
    return cmocka_run_group_tests(tests, transport_rig_begin, transport_rig_end);
}
