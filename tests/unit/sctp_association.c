/* Associations come up, meet peers that do not behave, and go, in virtual time. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>
#include <errno.h>
#include <malloc.h>
#include <stdlib.h>
#include <string.h>
#include "sctp/private.h"
#include "support/sctp_pair.h"
#include "support/virtual_time.h"

static int stack_up(void **state)
{
    (void)state;
    return sctp_stack_init();
}

static int stack_down(void **state)
{
    (void)state;
    return sctp_stack_done();
}

/* ---- coming up ---- */

static void associations_come_up_when_both_begin(void **state)
{
    (void)state;
    pair_connect();
    assert_int_equal(sctp_association_start(peers[0].association, true), -EALREADY);
    pair_free();
}

static void either_may_begin_first(void **state)
{
    (void)state;
    for (int first = 0; first < 2; first++) {
        pair_new();
        assert_int_equal(sctp_association_start(peers[first].association, first == 0), 0);
        pair_run(300000);
        assert_int_equal(peers[first].up, 0);
        assert_int_equal(sctp_association_start(peers[!first].association, first == 1), 0);
        pair_run(1000000);
        assert_int_equal(peers[0].up, 1);
        assert_int_equal(peers[1].up, 1);
        pair_free();
    }
}

static void nobody_there_is_a_timeout(void **state)
{
    (void)state;
    pair_new();
    pair_link.loss = 100;
    assert_int_equal(sctp_association_start(peers[0].association, true), 0);
    pair_run(60000000);
    assert_int_equal(peers[0].closed, 1);
    assert_int_equal(peers[0].why, SCTP_FAILED_TIMEOUT);
    pair_free();
}

static void a_peer_that_falls_silent_is_a_timeout(void **state)
{
    (void)state;
    pair_connect();
    uint16_t stream = pair_open(0, "x", true, DCEP_RELIABLE, 0);
    pair_run(200000);
    pair_link.loss = 100;
    assert_int_equal(pair_say(0, stream, true, 10, 1), 0);
    pair_run(120000000);
    assert_int_equal(peers[0].closed, 1);
    assert_int_equal(peers[0].why, SCTP_FAILED_TIMEOUT);
    assert_int_equal(peers[1].closed, 0); /* it has nothing to say, and ICE to watch over it */
    pair_free();
}

/* ---- peers that do not behave ---- */

static int pass(int from, uint16_t stream, uint32_t ppid, const void *data, size_t len)
{
    return association_pass(peers[from].association, NULL, stream, (enum ppid)ppid, data, len);
}

static void messages_without_a_channel_are_strays(void **state)
{
    (void)state;
    pair_connect();
    assert_int_equal(pass(0, 7, PPID_BINARY, "x", 1), 0);    /* no channel */
    assert_int_equal(pass(0, 7, PPID_DCEP, "\2", 1), 0);     /* an ACK to nothing */
    assert_int_equal(pass(0, 7, PPID_DCEP, "\3junk", 5), 0); /* a broken OPEN */
    assert_int_equal(pass(0, 7, 0, "x", 1), 0);              /* no such protocol */
    uint16_t stream = pair_open(0, "x", true, DCEP_RELIABLE, 0);
    pair_run(200000);
    assert_int_equal(pass(0, stream, 52, "x", 1), 0);                                /* deprecated */
    assert_int_equal(pass(0, stream, PPID_DCEP, "\3\0\0\0\0\0\0\0\0\0\0\0", 12), 0); /* open already */
    pair_run(200000);
    assert_int_equal(pair_stats(1).strays, 6);
    assert_int_equal(peers[1].message_count, 0);
    assert_int_equal(peers[1].opens[stream], 1);
    assert_int_equal(peers[1].opens[7], 0);
    pair_free();
}

static void a_message_that_is_too_long_is_dropped_whole(void **state)
{
    (void)state;
    pair_connect();
    uint16_t stream = pair_open(0, "long", true, DCEP_RELIABLE, 0);
    pair_run(200000);
    int room = 4 << 20;
    assert_int_equal(
        usrsctp_setsockopt(peers[0].association->socket, SOL_SOCKET, SO_SNDBUF, &room, sizeof room), 0);
    for (size_t len = SCTP_MESSAGE_MAX + 1; len < 1 << 20; len = len * 3 / 2) {
        uint8_t *data = pair_pattern(len, 5);
        assert_int_equal(pass(0, stream, PPID_BINARY, data, len), 0);
        free(data);
        assert_int_equal(pair_say(0, stream, true, 33, 6), 0);
        pair_run(5000000);
    }
    uint64_t oversized = pair_stats(1).oversized;
    assert_in_range(oversized, 6, 10);
    assert_int_equal(peers[1].message_count, oversized);
    for (int i = 0; i < peers[1].message_count; i++)
        pair_expect(&peers[1].messages[i], stream, true, 33, 6);
    pair_free();
}

static void junk_does_no_harm(void **state)
{
    uint8_t junk[DTLS_RECORD_MAX + 8];
    (void)state;
    pair_connect();
    uint16_t stream = pair_open(0, "x", true, DCEP_RELIABLE, 0);
    pair_run(200000);
    for (int i = 0; i < 20000; i++) {
        size_t len = seeded_below(&pair_link.random, i % 3 ? 64 : sizeof junk);
        for (size_t k = 0; k < len; k++)
            junk[k] = (uint8_t)seeded_u64(&pair_link.random);
        if (len >= 12 && i % 2)
            memcpy(junk, "\x13\x88\x13\x88", 4); /* ports 5000 */
        sctp_association_input(peers[1].association, junk, len);
    }
    assert_int_equal(pair_say(0, stream, true, 100, 1), 0);
    pair_run(200000);
    assert_int_equal(peers[1].message_count, 1);
    assert_int_equal(peers[1].closed, 0);
    pair_free();
}

/* ---- the end ---- */

static void a_close_tells_the_peer(void **state)
{
    (void)state;
    for (int closer = 0; closer < 2; closer++) {
        pair_connect();
        uint16_t stream = pair_open(0, "x", true, DCEP_RELIABLE, 0);
        pair_run(200000);
        sctp_association_close(peers[closer].association);
        assert_int_equal(peers[closer].closed, 1);
        assert_int_equal(peers[closer].why, SCTP_CLOSED_LOCAL);
        pair_run(200000);
        assert_int_equal(peers[!closer].closed, 1);
        assert_int_equal(peers[!closer].why, SCTP_CLOSED_PEER);
        assert_int_equal(peers[0].closes[stream], 0);
        sctp_association_close(peers[closer].association);
        sctp_association_input(peers[closer].association, (const uint8_t *)"0123456789abcdef", 16);
        assert_int_equal(sctp_association_channel_close(peers[closer].association, stream), -ENOENT);
        assert_int_equal(peers[closer].closed, 1);
        pair_free();
    }
}

static void an_association_may_be_closed_from_its_callback(void **state)
{
    (void)state;
    pair_connect();
    uint16_t stream = pair_open(0, "x", true, DCEP_RELIABLE, 0);
    pair_run(200000);
    peers[1].on_message = SCTP_PAIR_CLOSE_ASSOCIATION;
    for (int i = 0; i < 5; i++)
        assert_int_equal(pair_say(0, stream, true, 10, 1), 0);
    pair_run(500000);
    assert_int_equal(peers[1].message_count, 1);
    assert_int_equal(peers[1].why, SCTP_CLOSED_LOCAL);
    assert_int_equal(peers[0].why, SCTP_CLOSED_PEER);
    pair_free();
}

static void associations_go_in_any_state(void **state)
{
    (void)state;
    for (int64_t when_us = 0; when_us < 60000; when_us += 2500) {
        for (int closer = 0; closer < 2; closer++) {
            pair_start();
            (void)pair_open(0, "x", true, DCEP_RELIABLE, 0);
            pair_run(when_us);
            sctp_association_free(peers[closer].association);
            peers[closer].association = NULL;
            pair_forget_packets(closer); /* nobody takes them any more */
            pair_link.loss = 100;
            pair_run(50000);
            pair_free();
        }
    }
    assert_int_equal(sctp_association_new(NULL, &pair_ops, &peers[0], 5000, &peers[0].association), 0);
    sctp_association_free(peers[0].association); /* never started */
    sctp_association_free(NULL);
    pair_run(3000000);
    assert_false(sctp_stack_is_busy());
}

static void many_come_and_go(void **state)
{
    (void)state;
    for (int i = 0; i < 300; i++) {
        pair_connect();
        uint16_t stream = pair_open(i % 2, "x", true, DCEP_RELIABLE, 0);
        pair_run(50000);
        assert_int_equal(pair_say(0, stream, true, 5000, 1), 0);
        if (i % 3)
            pair_run(100000);
        pair_free();
    }
}

static void memory_of_an_idle_association(void **state)
{
    enum { PAIRS = 30 };
    static struct sctp_association *kept[PAIRS][2];
    (void)state;
    pair_run(3000000);
    size_t before = mallinfo2().uordblks;
    for (int i = 0; i < PAIRS; i++) {
        pair_connect();
        (void)pair_open(0, "_reliable", true, DCEP_RELIABLE, 0);
        (void)pair_open(0, "_lossy", true, DCEP_MAX_RETRANSMITS, 0);
        (void)pair_open(0, "_data_track", false, DCEP_MAX_RETRANSMITS, 0);
        pair_run(1000000);
        kept[i][0] = peers[0].association;
        kept[i][1] = peers[1].association;
        bad_link_done(&pair_link);
    }
    size_t after = mallinfo2().uordblks;
    print_message("# idle association with three channels: %zu bytes\n", (after - before) / PAIRS / 2);
    if (after > before) /* a sanitizer's allocator counts nothing */
        assert_true((after - before) / PAIRS / 2 < 60000);
    pair_link.loss = 100;
    for (int i = 0; i < PAIRS; i++) {
        sctp_association_free(kept[i][0]);
        sctp_association_free(kept[i][1]);
    }
}

static void the_stack_goes_down_and_comes_up(void **state)
{
    (void)state;
    assert_int_equal(sctp_stack_init(), -EBUSY);
    pair_connect();
    assert_int_equal(sctp_stack_done(), -EBUSY);
    pair_free();
    for (int i = 0; i < 3; i++) {
        assert_int_equal(sctp_stack_done(), 0);
        assert_int_equal(sctp_stack_done(), 0);
        assert_int_equal(sctp_stack_init(), 0);
        pair_connect();
        pair_free();
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(associations_come_up_when_both_begin),
        cmocka_unit_test(either_may_begin_first),
        cmocka_unit_test(nobody_there_is_a_timeout),
        cmocka_unit_test(a_peer_that_falls_silent_is_a_timeout),
        cmocka_unit_test(messages_without_a_channel_are_strays),
        cmocka_unit_test(a_message_that_is_too_long_is_dropped_whole),
        cmocka_unit_test(junk_does_no_harm),
        cmocka_unit_test(a_close_tells_the_peer),
        cmocka_unit_test(an_association_may_be_closed_from_its_callback),
        cmocka_unit_test(associations_go_in_any_state),
        cmocka_unit_test(many_come_and_go),
        cmocka_unit_test(memory_of_an_idle_association),
        cmocka_unit_test(the_stack_goes_down_and_comes_up),
    };
    return cmocka_run_group_tests(tests, stack_up, stack_down);
}
