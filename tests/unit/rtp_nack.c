/* Loss detection at the receiver: what is asked for, when, and when it is given up. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>
#include <string.h>
#include "rtp/nack.h"
#include "support/seeded.h"

#define MS(x) ((int64_t)(x)*1000)

static struct nack n;

static enum nack_arrival input(uint16_t seq, int64_t now_us)
{
    return nack_input(&n, seq, now_us, NULL);
}

/* Asks and checks that exactly these numbers are named. */
static void expect_due(int64_t now_us, size_t count, const uint16_t *want)
{
    uint16_t seqs[NACK_LIST_MAX];
    assert_int_equal(nack_due(&n, now_us, seqs, NACK_LIST_MAX), count);
    if (count)
        assert_memory_equal(seqs, want, count * sizeof seqs[0]);
}

static void a_gap_is_asked_for_once_a_round_trip(void **state)
{
    (void)state;
    nack_init(&n);
    nack_rtt(&n, MS(40));
    int64_t ext;
    assert_int_equal(nack_input(&n, 65534, 0, &ext), NACK_NEW);
    assert_int_equal(ext, 65534);
    assert_true(nack_next_timeout(&n) == INT64_MAX);
    assert_int_equal(nack_input(&n, 2, 0, &ext), NACK_NEW);
    assert_int_equal(ext, 65538);
    const uint16_t missing[] = {65535, 0, 1};
    assert_int_equal(nack_next_timeout(&n), NACK_REORDER_MIN_US);
    expect_due(NACK_REORDER_MIN_US - 1, 0, NULL);
    expect_due(NACK_REORDER_MIN_US, 3, missing);
    expect_due(NACK_REORDER_MIN_US, 0, NULL);
    assert_int_equal(nack_next_timeout(&n), NACK_REORDER_MIN_US + MS(40) + NACK_SLACK_US);
    assert_int_equal(input(0, MS(30)), NACK_RECOVERED);
    const uint16_t rest[] = {65535, 1};
    expect_due(NACK_REORDER_MIN_US + MS(40), 0, NULL);
    expect_due(NACK_REORDER_MIN_US + MS(40) + NACK_SLACK_US, 2, rest);
    assert_int_equal(input(65535, MS(60)), NACK_RECOVERED);
    assert_int_equal(input(1, MS(60)), NACK_RECOVERED);
    assert_int_equal(input(1, MS(60)), NACK_OLD);
    assert_true(nack_next_timeout(&n) == INT64_MAX);
    assert_int_equal(n.recovered, 3);
    assert_int_equal(n.lost, 0);
    assert_false(nack_take_key_frame(&n));
}

static void reordered_packets_are_not_asked_for(void **state)
{
    (void)state;
    nack_init(&n);
    input(10, 0);
    input(12, MS(1));
    assert_int_equal(input(11, MS(2)), NACK_REORDERED);
    assert_true(nack_next_timeout(&n) == INT64_MAX);
    expect_due(MS(1000), 0, NULL);
    assert_int_equal(input(9, MS(3)), NACK_OLD); /* from before the start */
}

/* A path that keeps delivering 20 ms late raises the first wait; one that stops doing so lowers it again. */
static void the_first_wait_follows_the_path(void **state)
{
    (void)state;
    nack_init(&n);
    int64_t now_us = 0;
    uint16_t seq = 0;
    input(seq, now_us);
    for (int i = 0; i < 3; i++) {
        input((uint16_t)(seq + 2), now_us);
        input((uint16_t)(seq + 1), now_us + MS(20));
        seq += 2;
        now_us += MS(100);
    }
    assert_in_range(n.reorder_us, MS(20), NACK_REORDER_MAX_US);
    input((uint16_t)(seq + 2), now_us);
    expect_due(now_us + MS(19), 0, NULL);
    assert_int_equal(input((uint16_t)(seq + 1), now_us + MS(20)), NACK_REORDERED);
    seq += 2;
    for (int i = 0; i < 200; i++) {
        input((uint16_t)(seq + 2), now_us);
        input((uint16_t)(seq + 1), now_us + MS(1));
        seq += 2;
        now_us += MS(100);
    }
    assert_in_range(n.reorder_us, NACK_REORDER_MIN_US, NACK_REORDER_MIN_US + 100);
    /* what answers a request is not reordering, however late */
    input((uint16_t)(seq + 2), now_us);
    const uint16_t want = (uint16_t)(seq + 1);
    expect_due(now_us + MS(40), 1, &want);
    assert_int_equal(input(want, now_us + MS(200)), NACK_RECOVERED);
    assert_in_range(n.reorder_us, NACK_REORDER_MIN_US, NACK_REORDER_MIN_US + 100);
    /* the round trip counts from the first request, not from the last */
    nack_init(&n);
    nack_rtt(&n, MS(30));
    input(1, 0);
    input(3, 0);
    const uint16_t two = 2;
    expect_due(MS(5), 1, &two);
    expect_due(MS(35) + NACK_SLACK_US, 1, &two);
    assert_int_equal(input(2, MS(41)), NACK_RECOVERED);
    assert_int_equal(n.reorder_us, NACK_REORDER_MIN_US);
}

static void what_does_not_come_is_given_up(void **state)
{
    (void)state;
    nack_init(&n);
    nack_rtt(&n, MS(20));
    input(1, 0);
    input(3, 0);
    uint16_t seqs[4];
    int asked = 0;
    for (int64_t t = nack_next_timeout(&n); t != INT64_MAX; t = nack_next_timeout(&n)) {
        assert_in_range(t, 0, MS(2000));
        asked += (int)nack_due(&n, t, seqs, 4);
    }
    assert_int_equal(asked, NACK_TRIES_MAX);
    assert_int_equal(n.lost, 1);
    assert_true(nack_take_key_frame(&n));
    assert_false(nack_take_key_frame(&n));
    assert_int_equal(input(2, MS(3000)), NACK_OLD);

    nack_init(&n); /* a slow path: by age */
    nack_rtt(&n, MS(700));
    input(1, 0);
    input(3, 0);
    for (int64_t t = nack_next_timeout(&n); t != INT64_MAX; t = nack_next_timeout(&n)) {
        assert_in_range(t, 0, NACK_AGE_US + MS(1400));
        nack_due(&n, t, seqs, 4);
    }
    assert_true(nack_take_key_frame(&n));
}

/* What would come when nobody waits for it any more is not asked for again. */
static void retries_end_when_an_answer_would_be_late(void **state)
{
    (void)state;
    nack_init(&n);
    nack_rtt(&n, MS(200));
    n.age_us = MS(500);
    input(1, 0);
    input(3, 0);
    const uint16_t two = 2;
    expect_due(MS(5), 1, &two);
    expect_due(MS(210), 1, &two);
    expect_due(MS(415), 0, NULL); /* the answer would be there at 615 */
    assert_int_equal(n.lost, 1);
    assert_true(nack_take_key_frame(&n));
    assert_true(nack_next_timeout(&n) == INT64_MAX);
    nack_init(&n); /* the first request is made on any path */
    nack_rtt(&n, MS(800));
    n.age_us = MS(500);
    input(1, 0);
    input(3, 0);
    expect_due(MS(5), 1, &two);
    expect_due(MS(810), 0, NULL);
    assert_int_equal(n.lost, 1);
}

/* Without reports the time that answers take is the round trip; only where one request was made. */
static void answers_tell_the_round_trip(void **state)
{
    (void)state;
    nack_init(&n);
    uint16_t seq = 0;
    int64_t now_us = 0;
    input(seq, now_us);
    for (int i = 0; i < 40; i++, seq += 2, now_us += MS(500)) {
        input((uint16_t)(seq + 2), now_us);
        const uint16_t want = (uint16_t)(seq + 1);
        expect_due(now_us + MS(40), 1, &want);
        assert_int_equal(input(want, now_us + MS(40 + 250)), NACK_RECOVERED);
        nack_answered(&n);
        if (i == 0)
            assert_int_equal(n.rtt_us, NACK_RTT_DEFAULT_US + (MS(250) - NACK_RTT_DEFAULT_US) / 4);
        if (n.rtt_us > MS(240))
            break;
        if (n.rtt_us < MS(200))
            continue;
        uint16_t seqs[4]; /* asked for twice: whose answer it is, nobody knows */
        int64_t before = n.rtt_us;
        input((uint16_t)(seq + 4), now_us + MS(300));
        assert_int_equal(nack_due(&n, now_us + MS(340), seqs, 4), 1);
        assert_int_equal(nack_due(&n, now_us + MS(640), seqs, 4), 1);
        assert_int_equal(input((uint16_t)(seq + 3), now_us + MS(650)), NACK_RECOVERED);
        nack_answered(&n);
        assert_int_equal(n.rtt_us, before);
        seq += 2;
        now_us += MS(500);
    }
    assert_in_range(n.rtt_us, MS(240), MS(250));
    nack_rtt(&n, MS(60)); /* reports know better */
    input((uint16_t)(seq + 4), now_us + MS(1000));
    uint16_t seqs[4];
    assert_true(nack_due(&n, now_us + MS(1040), seqs, 4) > 0);
    assert_int_equal(input((uint16_t)(seq + 3), now_us + MS(1300)), NACK_RECOVERED);
    nack_answered(&n);
    assert_int_equal(n.rtt_us, MS(60));
}

static void a_key_frame_makes_older_loss_forgotten(void **state)
{
    (void)state;
    nack_init(&n);
    input(1, 0);
    input(5, 0);
    input(8, 0);
    nack_forget_before(&n, 6);
    const uint16_t want[] = {6, 7};
    expect_due(MS(100), 2, want);
    nack_forget_before(&n, 100);
    assert_true(nack_next_timeout(&n) == INT64_MAX);
    assert_int_equal(n.lost, 0);
    assert_int_equal(input(6, MS(200)), NACK_RECOVERED); /* no longer asked for, still known when it comes */
    assert_int_equal(input(6, MS(200)), NACK_OLD);
    assert_int_equal(input(2, MS(200)), NACK_REORDERED);
    /* it neither keeps room from others nor counts as lost */
    input((uint16_t)(8 + NACK_LIST_MAX + 1), MS(200));
    assert_int_equal(n.count, NACK_LIST_MAX);
    assert_int_equal(n.lost, 0);
    assert_false(nack_take_key_frame(&n));
    /* and goes with age */
    nack_init(&n);
    input(1, 0);
    input(3, 0);
    nack_forget_before(&n, 3);
    input(5, MS(100));
    uint16_t seqs[4];
    while (nack_next_timeout(&n) != INT64_MAX)
        nack_due(&n, nack_next_timeout(&n), seqs, 4);
    assert_int_equal(n.count, 0);
    assert_int_equal(n.lost, 1);
}

static void a_jump_of_the_source_is_not_loss(void **state)
{
    (void)state;
    nack_init(&n);
    input(1, 0);
    input(3, 0);
    assert_int_equal(input(3, 0), NACK_OLD); /* the newest, again */
    assert_int_equal(input(3 + NACK_GAP_MAX + 2, 0), NACK_RESTART);
    assert_true(nack_next_timeout(&n) == INT64_MAX);
    assert_true(nack_take_key_frame(&n));
    assert_int_equal(n.lost, 1);
    assert_int_equal(n.count, 0);
    assert_int_equal(input(3 + NACK_GAP_MAX + 3, 0), NACK_NEW);
    nack_init(&n); /* the widest gap that is still loss */
    input(0, 0);
    assert_int_equal(input(NACK_GAP_MAX + 1, 0), NACK_NEW);
    assert_int_equal(n.count, NACK_LIST_MAX);
}

static void a_full_list_gives_up_its_oldest(void **state)
{
    (void)state;
    nack_init(&n);
    input(0, 0);
    input(NACK_LIST_MAX + 1, 0); /* exactly full */
    assert_int_equal(n.count, NACK_LIST_MAX);
    assert_false(nack_take_key_frame(&n));
    input(NACK_LIST_MAX + 4, 0);
    assert_int_equal(n.count, NACK_LIST_MAX);
    assert_int_equal(n.lost, 2);
    assert_true(nack_take_key_frame(&n));
    uint16_t seqs[NACK_LIST_MAX];
    assert_int_equal(nack_due(&n, MS(50), seqs, NACK_LIST_MAX), NACK_LIST_MAX);
    assert_int_equal(seqs[0], 3);
    assert_int_equal(seqs[NACK_LIST_MAX - 1], NACK_LIST_MAX + 3);
    nack_init(&n);
    input(0, 0);
    input(NACK_GAP_MAX, 0); /* more than a list at once */
    assert_int_equal(n.count, NACK_LIST_MAX);
    assert_int_equal(n.lost, NACK_GAP_MAX - 1 - NACK_LIST_MAX);
    assert_true(nack_take_key_frame(&n));
}

static void requests_are_cut_to_what_the_caller_takes(void **state)
{
    (void)state;
    nack_init(&n);
    input(0, 0);
    input(11, 0);
    uint16_t seqs[4];
    uint16_t next = 1;
    for (int i = 0; i < 3; i++) {
        size_t count = nack_due(&n, MS(5), seqs, 4);
        assert_int_equal(count, i < 2 ? 4 : 2);
        for (size_t k = 0; k < count; k++)
            assert_int_equal(seqs[k], next++);
    }
    assert_true(nack_next_timeout(&n) > MS(5));
}

/* A lossy, reordering path with a sender that answers: everything is named at most once a round trip, only
 * what is missing is named, and everything comes in the end. */
static void a_lossy_path_is_mended(void **state)
{
    (void)state;
    enum { COUNT = 20000, RTT_MS = 50 };
    for (uint64_t seed = 1; seed <= 10; seed++) {
        struct seeded r = seeded_of(seed);
        static uint8_t arrived[COUNT + 1];
        static int64_t answer_us[COUNT + 1], asked_us[COUNT + 1];
        memset(arrived, 0, sizeof arrived);
        memset(answer_us, 0, sizeof answer_us);
        memset(asked_us, 0, sizeof asked_us);
        nack_init(&n);
        nack_rtt(&n, MS(RTT_MS));
        uint16_t first = (uint16_t)seeded_u64(&r);
        int64_t late_us[COUNT + 1];
        for (int i = 0; i <= COUNT; i++)
            late_us[i] = i > 0 && seeded_chance(&r, 5) ? -1 : i * MS(1) + (int64_t)seeded_below(&r, 3000);
        late_us[0] = 0;
        int64_t end_us = MS(COUNT) + MS(1500);
        for (int64_t now_us = 0; now_us < end_us; now_us += 500) {
            int lo = (int)(now_us / 1000) - 5, hi = (int)(now_us / 1000) + 1;
            for (int i = lo < 0 ? 0 : lo; i <= hi && i <= COUNT; i++) {
                if (!arrived[i] && late_us[i] >= 0 && late_us[i] <= now_us) {
                    arrived[i] = 1;
                    input((uint16_t)(first + i), now_us);
                }
            }
            for (int i = now_us > MS(1600) ? (int)((now_us - MS(1600)) / 1000) : 0; i <= hi && i <= COUNT;
                 i++) {
                if (answer_us[i] && answer_us[i] <= now_us) {
                    answer_us[i] = 0;
                    arrived[i] = 1;
                    input((uint16_t)(first + i), now_us);
                }
            }
            uint16_t seqs[64];
            size_t due = nack_due(&n, now_us, seqs, 64);
            for (size_t k = 0; k < due; k++) {
                int i = (int)(n.unwrap.highest + seq_diff(seqs[k], (uint16_t)n.unwrap.highest) - first);
                assert_in_range(i, 1, COUNT - 1);
                assert_false(arrived[i]);
                assert_true(!asked_us[i] || now_us - asked_us[i] >= MS(RTT_MS));
                asked_us[i] = now_us;
                if (!seeded_chance(&r, 20))
                    answer_us[i] = now_us + MS(RTT_MS);
            }
            if (due < 64)
                assert_true(nack_next_timeout(&n) > now_us);
        }
        for (int i = 0; i < COUNT - 1; i++)
            assert_true(arrived[i]);
        assert_int_equal(n.lost, 0);
        assert_int_equal(n.count, 0);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_gap_is_asked_for_once_a_round_trip),
        cmocka_unit_test(reordered_packets_are_not_asked_for),
        cmocka_unit_test(the_first_wait_follows_the_path),
        cmocka_unit_test(what_does_not_come_is_given_up),
        cmocka_unit_test(retries_end_when_an_answer_would_be_late),
        cmocka_unit_test(answers_tell_the_round_trip),
        cmocka_unit_test(a_key_frame_makes_older_loss_forgotten),
        cmocka_unit_test(a_jump_of_the_source_is_not_loss),
        cmocka_unit_test(a_full_list_gives_up_its_oldest),
        cmocka_unit_test(requests_are_cut_to_what_the_caller_takes),
        cmocka_unit_test(a_lossy_path_is_mended),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
