/* Where a stream stands after packets that were overtaken, and pictures that end before their sender's end.
 */
#include "support/rewrite_packets.h"

/* What has overtaken a packet was dropped: that packet is the furthest that was forwarded, and what comes
 * next goes on behind it. */
static void a_late_packet_may_be_the_furthest(void **state)
{
    (void)state;
    struct rewrite r = start(0, 0);
    struct rewrite_out out;
    struct rtp_packet p = vp8_packet(0, 10, 5, 50);
    rewrite_switch(&r, 1, &p, 0, NULL, NULL);
    assert_int_equal(rewrite_packet(&r, &p, 0, &out), 0);
    p = vp8_packet(2, 12, 6, 52);
    rewrite_drop(&r, &p);
    p = vp8_packet(1, 11, 6, 51);
    assert_int_equal(rewrite_packet(&r, &p, MS(40), &out), 0);
    assert_int_equal(out.seq, 1);
    uint32_t ts = out.ts;
    p = vp8_packet(100, 3000, 77, 9);
    rewrite_switch(&r, 2, &p, MS(40), NULL, NULL);
    assert_int_equal(rewrite_packet(&r, &p, MS(40), &out), 0);
    assert_int_equal(out.seq, 2);
    assert_int_equal(out.picture_id, 12);
    assert_int_equal(out.tl0, 7);
    assert_int_equal(out.frame_number, 52);
    assert_int_equal(out.ts, ts + 90);
}

/* A picture whose higher layers are left out ends early, in retransmissions too. */
static void a_marker_that_was_set_comes_again(void **state)
{
    (void)state;
    struct rewrite r = start(0, 0);
    struct rewrite_out out;
    struct rewrite_origin o;
    struct rtp_packet p = packet_of(10, 0), q = packet_of(11, 0);
    rewrite_switch(&r, 1, &p, 0, NULL, NULL);
    assert_int_equal(rewrite_packet(&r, &p, 0, &out), 0);
    assert_false(out.marker);
    rewrite_mark(&r, &out);
    assert_true(out.marker);
    assert_int_equal(rewrite_packet(&r, &q, 0, &out), 0);
    assert_false(out.marker);
    assert_int_equal(rewrite_find(&r, 0, &o), 0);
    assert_int_equal(o.state, REWRITE_SENT);
    assert_int_equal(rewrite_again(&r, &o, &p, &out), 0);
    assert_true(out.marker);
    assert_int_equal(rewrite_find(&r, 1, &o), 0);
    assert_int_equal(rewrite_again(&r, &o, &q, &out), 0);
    assert_false(out.marker);
    p = packet_of(12, 0);
    p.marker = true; /* the sender's own */
    assert_int_equal(rewrite_packet(&r, &p, 0, &out), 0);
    assert_true(out.marker);
    out.seq = 1000; /* never given */
    rewrite_mark(&r, &out);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_late_packet_may_be_the_furthest),
        cmocka_unit_test(a_marker_that_was_set_comes_again),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
