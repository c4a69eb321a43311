/* Receiver and sender statistics, and the relation of timestamps and wall time (RFC 3550, 6.4 and appendix
 * A). */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>
#include <stdlib.h>
#include "rtp/receiver_stats.h"
#include "rtp/sender_stats.h"
#include "support/seeded.h"

#define MS(x) ((int64_t)(x)*1000)

/* RFC 3550, figure 2: sent at 46853.125 s, answered after 5.250 s, arrived at 46864.500 s: 6.125 s under way.
 */
static void the_round_trip_of_rfc_3550_figure_2(void **state)
{
    (void)state;
    struct sender_stats s;
    struct rtcp_sr sr;
    sender_stats_init(&s, 42);
    sender_stats_packet(&s, 100);
    sender_stats_packet(&s, 50);
    int64_t sent_us = 1000;
    sender_stats_sr(&s, UINT64_C(0xb44db70520000000), 777, sent_us, &sr);
    assert_int_equal(sr.ssrc, 42);
    assert_int_equal(sr.packets, 2);
    assert_int_equal(sr.octets, 150);
    assert_int_equal(sr.ts, 777);
    struct rtcp_report r = {
        .ssrc = 42, .fraction_lost = 9, .total_lost = -1, .jitter = 5, .lsr = 0xb7052000, .dlsr = 0x00054000};
    assert_int_equal(sender_stats_report(&s, &r, sent_us + 11375000), 6125000);
    assert_int_equal(s.rtt_us, 6125000);
    assert_int_equal(s.fraction_lost, 9);
    assert_int_equal(s.total_lost, -1);
}

static void only_answers_to_our_reports_count(void **state)
{
    (void)state;
    struct sender_stats s;
    struct rtcp_sr sr;
    sender_stats_init(&s, 42);
    struct rtcp_report r = {.lsr = 0};
    assert_int_equal(sender_stats_report(&s, &r, 0), 0); /* none of ours came */
    for (uint32_t i = 1; i <= SENDER_STATS_REPORTS + 1; i++)
        sender_stats_sr(&s, (uint64_t)i << 16, 0, MS(1000 * i), &sr);
    r.lsr = 1; /* pushed out by later ones */
    assert_int_equal(sender_stats_report(&s, &r, MS(9000)), 0);
    r.lsr = 3;
    r.dlsr = 65536;
    assert_int_equal(sender_stats_report(&s, &r, MS(4080)), MS(80));
    r.dlsr = 3 * 65536; /* longer than the time that has passed: rounding, or a lie */
    assert_int_equal(sender_stats_report(&s, &r, MS(4080)), 1);
    assert_in_range(s.rtt_us, MS(60), MS(80));
    r.lsr = 99;
    assert_int_equal(sender_stats_report(&s, &r, MS(4080)), 0);
    r.lsr = 3;
    r.dlsr = UINT32_MAX;
    assert_int_equal(sender_stats_report(&s, &r, MS(4080)), 0);
    r.dlsr = 0;
    assert_int_equal(sender_stats_report(&s, &r, MS(100000)), 0);
}

static void loss_is_counted_as_in_appendix_a3(void **state)
{
    (void)state;
    struct receiver_stats s;
    struct rtcp_report r;
    receiver_stats_init(&s, 7, 90000);
    assert_false(receiver_stats_report(&s, 0, &r));
    for (int i = 0; i < 100; i++) {
        if (i % 4 != 3)
            receiver_stats_packet(&s, (uint16_t)(65500 + i), (uint32_t)i * 3000, 10, MS(i));
    }
    receiver_stats_packet(&s, (uint16_t)(65500 + 100), 0, 10, MS(100));
    assert_true(receiver_stats_report(&s, MS(100), &r));
    assert_int_equal(r.ssrc, 7);
    assert_int_equal(r.total_lost, 25);
    assert_int_equal(r.fraction_lost, 25 * 256 / 101);
    assert_int_equal(r.highest_seq, 65600); /* one cycle */
    assert_int_equal(r.lsr, 0);
    assert_int_equal(r.dlsr, 0);
    /* nothing new is lost in the second interval; one packet comes late, one twice */
    receiver_stats_packet(&s, (uint16_t)(65500 + 3), 0, 10, MS(101));
    receiver_stats_packet(&s, (uint16_t)(65500 + 3), 0, 10, MS(101));
    receiver_stats_packet(&s, (uint16_t)(65500 + 101), 0, 10, MS(101));
    assert_true(receiver_stats_report(&s, MS(200), &r));
    assert_int_equal(r.fraction_lost, 0);
    assert_int_equal(r.total_lost, 23);
    /* everything is lost but the last */
    receiver_stats_packet(&s, (uint16_t)(65500 + 1101), 0, 10, MS(300));
    assert_true(receiver_stats_report(&s, MS(300), &r));
    assert_int_equal(r.fraction_lost, 255);
    assert_int_equal(receiver_stats_lost(&s), 23 + 999);
    /* duplicates may make it negative */
    receiver_stats_init(&s, 7, 90000);
    for (int i = 0; i < 10; i++)
        receiver_stats_packet(&s, 5, 0, 10, 0);
    assert_true(receiver_stats_report(&s, 0, &r));
    assert_int_equal(r.total_lost, -9);
    assert_int_equal(r.fraction_lost, 0);
}

static void reports_answer_the_last_sender_report(void **state)
{
    (void)state;
    struct receiver_stats s;
    struct rtcp_report r;
    receiver_stats_init(&s, 7, 48000);
    receiver_stats_packet(&s, 1, 0, 10, 0);
    const struct rtcp_sr sr = {.ssrc = 7, .ntp = UINT64_C(0xb44db70520000000), .ts = 1234};
    receiver_stats_sr(&s, &sr, MS(1000));
    assert_true(receiver_stats_report(&s, MS(6250), &r));
    assert_int_equal(r.lsr, 0xb7052000);
    assert_int_equal(r.dlsr, 0x00054000);
    assert_true(s.clock.valid);
    assert_int_equal(s.clock.ts, 1234);
}

/* Appendix A.8 with floating point, by a second hand. */
static void jitter_follows_appendix_a8(void **state)
{
    (void)state;
    for (uint64_t seed = 1; seed <= 20; seed++) {
        struct seeded r = seeded_of(seed);
        struct receiver_stats s;
        receiver_stats_init(&s, 1, 90000);
        double jitter = 0, last = 0;
        uint32_t ts = (uint32_t)seeded_u64(&r);
        for (int i = 0; i < 2000; i++) {
            int64_t at_us = i * MS(33) + (int64_t)seeded_below(&r, 12000);
            receiver_stats_packet(&s, (uint16_t)i, ts + (uint32_t)(i * 2970), 10, at_us);
            double transit = (double)at_us * 0.09 - i * 2970.0;
            double d = transit - last;
            if (i > 0)
                jitter += ((d < 0 ? -d : d) - jitter) / 16;
            last = transit;
        }
        double got = (double)s.jitter_q4 / 16;
        assert_true(got > jitter * 0.98 && got < jitter * 1.02);
        assert_in_range(receiver_stats_jitter_us(&s), 1000, 12000);
    }
}

static void packets_of_one_frame_are_no_jitter(void **state)
{
    (void)state;
    struct receiver_stats s;
    receiver_stats_init(&s, 1, 90000);
    for (int i = 0; i < 1000; i++) /* ten packets a frame, spread over 20 ms */
        receiver_stats_packet(
            &s, (uint16_t)i, (uint32_t)(i / 10) * 3000, 10, i / 10 * INT64_C(33333) + i % 10 * MS(2));
    assert_in_range(s.jitter_q4 >> 4, 0, 2);
    receiver_stats_packet(&s, 500, 50 * 3000, 10, MS(900000)); /* a retransmission, much later */
    assert_in_range(s.jitter_q4 >> 4, 0, 2);
}

static void a_clock_relates_timestamps_and_time(void **state)
{
    (void)state;
    struct rtp_clock c = {0};
    rtp_clock_input(&c, 0, 5, 90000, 0); /* a sender without a clock */
    assert_false(c.valid);
    uint64_t ntp = ntp_from_wall_us(0);
    assert_true(ntp == UINT64_C(2208988800) << 32);
    assert_int_equal(ntp_diff_us(ntp_add_us(ntp, 1234567), ntp), 1234567);
    assert_int_equal(ntp_diff_us(ntp, ntp_add_us(ntp, 1234567)), -1234567);
    rtp_clock_input(&c, ntp, UINT32_MAX - 44999, 90000, MS(100));
    assert_true(c.valid);
    assert_int_equal(ntp_diff_us(rtp_clock_ntp(&c, 45000), ntp), 1000000);
    assert_int_equal(ntp_diff_us(rtp_clock_ntp(&c, UINT32_MAX - 44999 - 90000), ntp), -1000000);
    assert_int_equal(rtp_clock_ts(&c, ntp_add_us(ntp, 500000)), 0);
    uint64_t now_ntp;
    uint32_t now_ts;
    rtp_clock_now(&c, MS(2100), &now_ntp, &now_ts);
    assert_int_equal(ntp_diff_us(now_ntp, ntp), 2000000);
    assert_int_equal(now_ts, 135000);
    assert_int_equal(rtp_us_to_units(20000, 48000), 960);
    assert_int_equal(rtp_us_to_units(-20000, 48000), -960);
    assert_int_equal(rtp_units_to_us(960, 48000), 20000);
    assert_int_equal(rtp_units_to_us(1, 0), 0);
    assert_true(rtp_us_to_units(INT64_MAX / 1000000, 90000) == INT64_MAX / 1000000 * 9 / 100 + 1 ||
                rtp_us_to_units(INT64_MAX / 1000000, 90000) == INT64_MAX / 1000000 * 9 / 100);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_round_trip_of_rfc_3550_figure_2),
        cmocka_unit_test(only_answers_to_our_reports_count),
        cmocka_unit_test(loss_is_counted_as_in_appendix_a3),
        cmocka_unit_test(reports_answer_the_last_sender_report),
        cmocka_unit_test(jitter_follows_appendix_a8),
        cmocka_unit_test(packets_of_one_frame_are_no_jitter),
        cmocka_unit_test(a_clock_relates_timestamps_and_time),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
