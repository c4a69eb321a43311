/* Data channels between two associations, over good and bad links, in virtual time. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include "sctp/stack.h"
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

static struct dcep_open params(
    const char *label, bool ordered, enum dcep_reliability reliability, uint32_t limit)
{
    struct dcep_open o = {.ordered = ordered, .reliability = reliability, .limit = limit};
    o.label_len = (uint16_t)strlen(label);
    memcpy(o.label, label, o.label_len);
    return o;
}

/* ---- channels ---- */

static void channels_open_from_either_side(void **state)
{
    (void)state;
    pair_connect();
    uint16_t a = pair_open(0, "_reliable", true, DCEP_RELIABLE, 0);
    uint16_t b = pair_open(0, "_lossy", true, DCEP_MAX_RETRANSMITS, 0);
    uint16_t c = pair_open(1, "_data_track", false, DCEP_MAX_RETRANSMITS, 0);
    uint16_t d = pair_open(1, "timed", false, DCEP_MAX_LIFETIME, 500);
    assert_int_equal(a, 0); /* RFC 8832, section 6: even for the DTLS client */
    assert_int_equal(b, 2);
    assert_int_equal(c, 1);
    assert_int_equal(d, 3);
    assert_int_equal(pair_say(0, a, true, 1, 1), -ENOENT); /* not before it is open */
    pair_run(200000);
    for (int i = 0; i < 2; i++) {
        const struct sctp_pair_peer *p = &peers[i];
        assert_true(p->opens[a] == 1 && p->opens[b] == 1 && p->opens[c] == 1 && p->opens[d] == 1);
        assert_string_equal(p->open[a].label, "_reliable");
        assert_string_equal(p->open[b].label, "_lossy");
        assert_true(p->open[b].ordered && p->open[b].reliability == DCEP_MAX_RETRANSMITS);
        assert_false(p->open[c].ordered);
        assert_true(p->open[d].reliability == DCEP_MAX_LIFETIME && p->open[d].limit == 500);
        assert_int_equal(pair_stats(i).channels, 4);
        assert_int_equal(sctp_association_channel_find(p->association, "_data_track"), c);
        assert_int_equal(sctp_association_channel_find(p->association, "none"), -ENOENT);
        assert_null(sctp_association_channel(p->association, 4));
        assert_null(sctp_association_channel(p->association, 60000));
    }
    pair_free();
}

static void channels_opened_before_the_association_is_up_wait_for_it(void **state)
{
    struct dcep_open o = params("early", true, DCEP_RELIABLE, 0);
    uint16_t stream;
    (void)state;
    pair_new();
    assert_int_equal(sctp_association_channel_open(peers[0].association, &o, &stream), -ENOTCONN);
    assert_int_equal(sctp_association_start(peers[0].association, true), 0);
    assert_int_equal(sctp_association_start(peers[1].association, false), 0);
    stream = pair_open(0, "early", true, DCEP_RELIABLE, 0);
    pair_run(300000);
    assert_int_equal(peers[0].opens[stream], 1);
    assert_int_equal(peers[1].opens[stream], 1);
    pair_free();
}

static void there_are_no_more_channels_than_streams(void **state)
{
    struct dcep_open o = params("many", true, DCEP_RELIABLE, 0);
    uint16_t stream;
    (void)state;
    pair_connect();
    for (int i = 0; i < SCTP_STREAMS / 2; i++) {
        (void)pair_open(0, "many", true, DCEP_RELIABLE, 0);
        (void)pair_open(1, "more", true, DCEP_RELIABLE, 0);
    }
    for (int i = 0; i < 2; i++)
        assert_int_equal(sctp_association_channel_open(peers[i].association, &o, &stream), -ENOSPC);
    pair_run(500000);
    for (int i = 0; i < 2; i++)
        assert_int_equal(pair_stats(i).channels, SCTP_STREAMS);
    o.label_len = DCEP_LABEL_MAX + 1;
    assert_int_equal(sctp_association_channel_open(peers[0].association, &o, &stream), -EINVAL);
    pair_free();
}

static void a_channel_closes_on_both_sides_and_opens_again(void **state)
{
    (void)state;
    for (int opener = 0; opener < 2; opener++) {
        for (int closer = 0; closer < 2; closer++) {
            pair_connect();
            uint16_t stream = 0;
            for (int round = 1; round <= 3; round++) {
                stream = pair_open(opener, "again", round % 2, DCEP_RELIABLE, 0);
                assert_int_equal(stream, opener);
                pair_run(300000);
                assert_int_equal(pair_say(0, stream, true, 3000, 1), 0);
                assert_int_equal(pair_say(1, stream, false, 10, 2), 0);
                /* What was said before is heard. */
                assert_int_equal(sctp_association_channel_close(peers[closer].association, stream), 0);
                assert_int_equal(sctp_association_channel_close(peers[closer].association, stream), -ENOENT);
                assert_int_equal(pair_say(closer, stream, true, 1, 1), -ENOENT);
                pair_run(1500000);
                for (int i = 0; i < 2; i++) {
                    assert_int_equal(peers[i].opens[stream], round);
                    assert_int_equal(peers[i].closes[stream], round);
                    assert_int_equal(pair_stats(i).channels, 0);
                }
                assert_int_equal(peers[!closer].message_count, round);
            }
            pair_free();
        }
    }
}

static void both_sides_may_close_at_once(void **state)
{
    (void)state;
    pair_connect();
    for (int i = 0; i < 10; i++)
        (void)pair_open(i % 2, "both", true, DCEP_RELIABLE, 0);
    pair_run(300000);
    for (uint16_t stream = 0; stream < 10; stream++) {
        for (int i = 0; i < 2; i++)
            assert_int_equal(sctp_association_channel_close(peers[i].association, stream), 0);
    }
    pair_run(3000000);
    for (uint16_t stream = 0; stream < 10; stream++) {
        for (int i = 0; i < 2; i++)
            assert_int_equal(peers[i].closes[stream], 1);
    }
    pair_free();
}

static void a_channel_may_be_closed_from_its_callback(void **state)
{
    (void)state;
    pair_connect();
    uint16_t stream = pair_open(0, "x", true, DCEP_RELIABLE, 0);
    pair_run(300000);
    peers[1].on_message = SCTP_PAIR_CLOSE_CHANNEL;
    for (int i = 0; i < 5; i++)
        assert_int_equal(pair_say(0, stream, true, 10, 1), 0);
    pair_run(2000000);
    assert_int_equal(peers[0].closes[stream], 1);
    assert_int_equal(peers[1].closes[stream], 1);
    pair_free();
}

/* ---- messages ---- */

static void messages_of_every_size_arrive_whole(void **state)
{
    static const size_t sizes[] = {0, 1, 2, 3, 4, 100, 1000, 1099, 1100, 1101, 1122, 1123, 1150, 1200, 2400,
        5000, 16383, 16384, 16385, 32768, 64000, 65535, 65536, SCTP_MESSAGE_MAX};
    size_t count = sizeof sizes / sizeof sizes[0];
    (void)state;
    pair_connect();
    uint16_t stream = pair_open(0, "sizes", true, DCEP_RELIABLE, 0);
    pair_run(200000);
    for (size_t i = 0; i < count; i++) {
        for (int from = 0; from < 2; from++)
            assert_int_equal(pair_say(from, stream, i % 2, sizes[i], (uint32_t)i), 0);
    }
    assert_int_equal(pair_say(0, stream, true, SCTP_MESSAGE_MAX + 1, 1), -EMSGSIZE);
    pair_run(10000000);
    for (int to = 0; to < 2; to++) {
        assert_int_equal(peers[to].message_count, count);
        for (size_t i = 0; i < count; i++)
            pair_expect(&peers[to].messages[i], stream, i % 2, sizes[i], (uint32_t)i);
        assert_in_range(peers[to].largest_packet, SCTP_MTU - 4, SCTP_MTU);
        assert_int_equal(sctp_association_buffered(peers[to].association), 0);
        assert_int_equal(pair_stats(to).messages_out, count);
        assert_int_equal(pair_stats(to).messages_in, count);
        assert_int_equal(pair_stats(to).bytes_in, pair_stats(!to).bytes_out);
        assert_int_equal(pair_stats(to).strays, 0);
    }
    pair_free();
}

static void bad_links_lose_nothing_on_reliable_channels(void **state)
{
    enum { MESSAGES = 60 };
    (void)state;
    for (uint32_t seed = 1; seed <= 60; seed++) {
        pair_start();
        pair_link.random = seeded_of(seed);
        pair_link.loss = seed % 4 * 5;
        pair_link.duplicate = seed % 3 * 5;
        pair_link.jitter_us = seed % 5 * 20000;
        pair_corrupt = seed % 7 == 0 ? 10 : 0;
        uint16_t ordered = pair_open(0, "ordered", true, DCEP_RELIABLE, 0);
        uint16_t unordered = pair_open(1, "unordered", false, DCEP_RELIABLE, 0);
        for (int spent = 0; spent < 60 && !(peers[0].opens[ordered] && peers[1].opens[unordered]); spent++)
            pair_run(1000000);
        for (uint32_t i = 0; i < MESSAGES; i++) {
            assert_int_equal(pair_say(0, ordered, true, i * 37 % 3000, i), 0);
            assert_int_equal(pair_say(1, unordered, false, 4, i), 0);
        }
        for (int spent = 0;
             spent < 200 && (peers[0].message_count < MESSAGES || peers[1].message_count < MESSAGES); spent++)
            pair_run(1000000);
        assert_int_equal(peers[1].message_count, MESSAGES);
        for (uint32_t i = 0; i < MESSAGES; i++)
            pair_expect(&peers[1].messages[i], ordered, true, i * 37 % 3000, i);
        assert_int_equal(peers[0].message_count, MESSAGES);
        uint64_t seen = 0;
        for (uint32_t i = 0; i < MESSAGES; i++) {
            for (uint32_t k = 0; k < MESSAGES; k++) {
                uint8_t *data = pair_pattern(4, k);
                if (memcmp(data, peers[0].messages[i].data, 4) == 0)
                    seen |= (uint64_t)1 << k;
                free(data);
            }
        }
        assert_true(seen == ((uint64_t)1 << MESSAGES) - 1);
        pair_free();
    }
}

static void lossy_channels_give_up(void **state)
{
    (void)state;
    pair_connect();
    uint16_t stream = pair_open(0, "_lossy", false, DCEP_MAX_RETRANSMITS, 0);
    pair_run(200000);
    pair_link.loss = 30;
    for (uint32_t i = 0; i < 300; i++) {
        assert_int_equal(pair_say(0, stream, true, 500, i), 0);
        pair_run(20000);
    }
    pair_link.loss = 0;
    pair_run(5000000);
    assert_in_range(peers[1].message_count, 100, 280);
    assert_int_equal(sctp_association_buffered(peers[0].association), 0);
    pair_free();
}

static void full_lossy_channels_drop_and_reliable_ones_refuse(void **state)
{
    int reliable_sent = 0, lossy_sent = 0, refused = 0;
    (void)state;
    pair_connect();
    uint16_t lossy = pair_open(0, "_lossy", false, DCEP_MAX_RETRANSMITS, 0);
    uint16_t reliable = pair_open(0, "_reliable", true, DCEP_RELIABLE, 0);
    pair_run(200000);
    /* Reliable data first, as much as is taken: the lossy channel still finds room behind it. */
    while (pair_say(0, reliable, true, 10000, (uint32_t)reliable_sent) == 0)
        reliable_sent++;
    assert_in_range(reliable_sent * 10000, SCTP_SEND_BUFFER, SCTP_SEND_BUFFER + SCTP_LOSSY_BUFFER);
    while (pair_say(0, lossy, true, 1000, (uint32_t)lossy_sent) == 0)
        lossy_sent++;
    assert_in_range(lossy_sent, 100, SCTP_LOSSY_BUFFER / 1000);
    assert_int_equal(pair_stats(0).refused_lossy, 1);
    assert_int_equal(pair_stats(0).refused_reliable, 1);
    assert_in_range(sctp_association_buffered(peers[0].association), SCTP_SEND_BUFFER,
        SCTP_SEND_BUFFER + 2 * SCTP_LOSSY_BUFFER);
    assert_int_equal(peers[0].writable, 0);
    for (int spent = 0; spent < 100 && !peers[0].writable; spent++)
        pair_run(100000);
    assert_int_equal(peers[0].writable, 1);
    pair_run(5000000);
    assert_int_equal(peers[0].writable, 1);
    for (int i = 0, next = 0; i < peers[1].message_count; i++) {
        if (peers[1].messages[i].stream == reliable)
            pair_expect(&peers[1].messages[i], reliable, true, 10000, (uint32_t)next++);
        else
            refused++;
    }
    assert_int_equal(peers[1].message_count, reliable_sent + lossy_sent);
    assert_int_equal(refused, lossy_sent);
    pair_free();
}

static void a_channel_closes_only_after_what_waits_has_gone(void **state)
{
    int sent = 0;
    (void)state;
    pair_connect();
    uint16_t stream = pair_open(0, "file", true, DCEP_RELIABLE, 0);
    pair_run(200000);
    while (pair_say(0, stream, true, 10000, 1) == 0)
        sent++;
    assert_int_equal(sctp_association_channel_close(peers[0].association, stream), 0);
    pair_run(20000000);
    assert_int_equal(peers[1].message_count, sent);
    assert_int_equal(peers[0].closes[stream], 1);
    assert_int_equal(peers[1].closes[stream], 1);
    pair_free();
}

static void echoes_may_be_sent_from_the_callback(void **state)
{
    (void)state;
    pair_connect();
    uint16_t stream = pair_open(0, "echo", true, DCEP_RELIABLE, 0);
    pair_run(200000);
    peers[1].echo = true;
    for (uint32_t i = 0; i < 50; i++)
        assert_int_equal(pair_say(0, stream, true, 2000, i), 0);
    pair_run(3000000);
    assert_int_equal(peers[0].message_count, 50);
    for (uint32_t i = 0; i < 50; i++)
        pair_expect(&peers[0].messages[i], stream, true, 2000, i);
    pair_free();
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(channels_open_from_either_side),
        cmocka_unit_test(channels_opened_before_the_association_is_up_wait_for_it),
        cmocka_unit_test(there_are_no_more_channels_than_streams),
        cmocka_unit_test(a_channel_closes_on_both_sides_and_opens_again),
        cmocka_unit_test(both_sides_may_close_at_once),
        cmocka_unit_test(a_channel_may_be_closed_from_its_callback),
        cmocka_unit_test(messages_of_every_size_arrive_whole),
        cmocka_unit_test(bad_links_lose_nothing_on_reliable_channels),
        cmocka_unit_test(lossy_channels_give_up),
        cmocka_unit_test(full_lossy_channels_drop_and_reliable_ones_refuse),
        cmocka_unit_test(a_channel_closes_only_after_what_waits_has_gone),
        cmocka_unit_test(echoes_may_be_sent_from_the_callback),
    };
    return cmocka_run_group_tests(tests, stack_up, stack_down);
}
