/* The packet history, and RTX (RFC 4588), which is made from it. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>
#include <errno.h>
#include <string.h>
#include "rtp/header.h"
#include "rtp/history.h"
#include "rtp/rtx.h"
#include "support/seeded.h"

#define SLOTS  64
#define AGE_US 1000

static struct packet_pool *pool;

static int pool_make(void **state)
{
    (void)state;
    pool = packet_pool_new(4096);
    return pool ? 0 : -1;
}

static int pool_check(void **state)
{
    (void)state;
    int left = packet_pool_used(pool) != 0;
    packet_pool_free(pool);
    return left; /* a reference was lost */
}

/* Puts a packet that arrives at recv_us; the history alone holds it. */
static int put_at(struct history *h, int64_t seq, int64_t recv_us)
{
    struct packet *p = packet_get(pool);
    assert_non_null(p);
    p->recv_us = recv_us;
    p->data[0] = (uint8_t)seq;
    p->len = 1;
    int r = history_put(h, seq, p);
    packet_unref(p);
    return r;
}

static void packets_are_found_by_number(void **state)
{
    (void)state;
    struct history h;
    struct history_slot slots[SLOTS];
    assert_int_equal(history_init(&h, slots, SLOTS, AGE_US), 0);
    assert_null(history_get(&h, 0, 0));
    assert_null(history_get16(&h, 0, 0));
    assert_int_equal(put_at(&h, 65534, 0), 0);
    assert_int_equal(put_at(&h, 65537, 0), 0);
    assert_int_equal(put_at(&h, 65535, 0), 0);
    assert_int_equal(put_at(&h, 65535, 0), -EEXIST);
    assert_non_null(history_get(&h, 65534, 0));
    assert_null(history_get(&h, 65536, 0));
    assert_null(history_get(&h, 65537 + SLOTS, 0));
    assert_null(history_get(&h, 65537 - SLOTS, 0));
    assert_ptr_equal(history_get16(&h, 1, 0), history_get(&h, 65537, 0));
    assert_ptr_equal(history_get16(&h, 65535, 0), history_get(&h, 65535, 0));
    assert_int_equal(history_get16(&h, 1, 0)->data[0], (uint8_t)65537);
    assert_int_equal(packet_pool_used(pool), 3);
    history_done(&h);
    assert_int_equal(packet_pool_used(pool), 0);
}

static void the_oldest_give_way(void **state)
{
    (void)state;
    struct history h;
    struct history_slot slots[SLOTS];
    assert_int_equal(history_init(&h, slots, SLOTS, AGE_US), 0);
    for (int64_t seq = 0; seq < 3 * SLOTS; seq++)
        assert_int_equal(put_at(&h, seq, 0), 0);
    assert_int_equal(h.count, SLOTS);
    assert_null(history_get(&h, 2 * SLOTS - 1, 0));
    assert_non_null(history_get(&h, 2 * SLOTS, 0));
    assert_int_equal(put_at(&h, 2 * SLOTS - 1, 0), -ESTALE);
    assert_int_equal(put_at(&h, 100 * SLOTS, 0), 0); /* a jump releases what it leaves behind */
    assert_int_equal(h.count, 1);
    assert_int_equal(packet_pool_used(pool), 1);
    history_done(&h);
}

static void old_packets_are_released(void **state)
{
    (void)state;
    struct history h;
    struct history_slot slots[SLOTS];
    assert_int_equal(history_init(&h, slots, SLOTS, AGE_US), 0);
    for (int64_t seq = 0; seq < 10; seq++)
        assert_int_equal(put_at(&h, 3 * seq, 100 * seq), 0);
    history_expire(&h, AGE_US);
    assert_int_equal(h.count, 10);
    assert_null(history_get(&h, 0, AGE_US + 1)); /* too old, though not released yet */
    history_expire(&h, AGE_US + 450);
    assert_int_equal(h.count, 5);
    assert_int_equal(packet_pool_used(pool), 5);
    assert_null(history_get(&h, 12, AGE_US));
    assert_non_null(history_get(&h, 15, AGE_US + 450));
    history_expire(&h, INT64_MAX / 2);
    assert_int_equal(packet_pool_used(pool), 0);
    assert_int_equal(put_at(&h, 5, 0), 0); /* begins anew, also below */
    assert_non_null(history_get(&h, 5, 0));
    history_done(&h);
}

static void a_packet_outlives_its_history(void **state)
{
    (void)state;
    struct history h;
    struct history_slot slots[SLOTS];
    assert_int_equal(history_init(&h, slots, SLOTS, AGE_US), 0);
    assert_int_equal(put_at(&h, 7, 0), 0);
    struct packet *p = packet_ref(history_get(&h, 7, 0));
    history_done(&h);
    assert_int_equal(packet_pool_used(pool), 1);
    assert_int_equal(p->data[0], 7);
    packet_unref(p);
}

static void sizes_are_powers_of_two(void **state)
{
    (void)state;
    struct history h;
    struct history_slot slots[SLOTS];
    assert_int_equal(history_init(&h, slots, 0, AGE_US), -EINVAL);
    assert_int_equal(history_init(&h, slots, 63, AGE_US), -EINVAL);
    assert_int_equal(history_init(&h, slots, 64, 0), -EINVAL);
}

/* Against a plain model: what was put within the last SLOTS numbers and is young enough is there, nothing
 * else. */
static void it_agrees_with_a_model(void **state)
{
    (void)state;
    for (uint64_t seed = 1; seed <= 50; seed++) {
        struct seeded r = seeded_of(seed);
        struct history h;
        struct history_slot slots[SLOTS];
        assert_int_equal(history_init(&h, slots, SLOTS, AGE_US), 0);
        static int64_t put_us[4096]; /* when a number was put; 0: never */
        memset(put_us, 0, sizeof put_us);
        int64_t now_us = 1, highest = 1000;
        for (int i = 0; i < 1000; i++) {
            int64_t seq = highest + (seeded_chance(&r, 3) ? (int64_t)seeded_below(&r, 200) : 1) -
                          (seeded_chance(&r, 20) ? (int64_t)seeded_below(&r, 60) : 0);
            if (seq >= 4096 - 200)
                break;
            now_us += seeded_below(&r, 40);
            if (put_at(&h, seq, now_us) == 0)
                put_us[seq] = now_us;
            if (seq > highest)
                highest = seq;
            if (seeded_chance(&r, 30))
                history_expire(&h, now_us);
            for (int64_t probe = highest - SLOTS - 5; probe <= highest + 2; probe++) {
                bool want = put_us[probe] && probe > highest - SLOTS && now_us - put_us[probe] <= AGE_US;
                struct packet *p = history_get(&h, probe, now_us);
                assert_int_equal(p != NULL, want);
                if (p)
                    assert_int_equal(p->data[0], (uint8_t)probe);
            }
            assert_int_equal(packet_pool_used(pool), h.count);
        }
        history_expire(&h, now_us + AGE_US + 1);
        assert_int_equal(packet_pool_used(pool), 0);
        history_done(&h);
    }
}

/* ---- RTX ---- */

static void a_retransmission_becomes_the_packet_again(void **state)
{
    (void)state;
    struct rtp_extmap m;
    rtp_extmap_init(&m);
    assert_int_equal(rtp_extmap_set(&m, 1, RTP_EXT_MID), 0);
    assert_int_equal(rtp_extmap_set(&m, 2, RTP_EXT_REPAIRED_RID), 0);
    const struct rtp_ext_out exts[] = {
        {RTP_EXT_MID, 1, (const uint8_t *)"0"},
        {RTP_EXT_REPAIRED_RID, 1, (const uint8_t *)"h"},
    };
    const struct rtp_fields f = {.pt = 97, .marker = true, .seq = 5, .ts = 0xcafe0123, .ssrc = 0x5555};
    uint8_t data[64];
    int len = rtx_write(data, sizeof data, &f, &m, exts, 2, 0xabcd, "payload", 7);
    assert_int_equal(len, 12 + 8 + 2 + 7);
    struct rtp_packet h, p;
    assert_int_equal(rtp_parse(data, (size_t)len, &m, &h), 0);
    assert_int_equal(rtx_unwrap(data, (size_t)len, &h, 96, 0x4444), 0);
    const uint8_t *media = data + RTX_OSN_LEN;
    size_t media_len = (size_t)len - RTX_OSN_LEN;
    assert_int_equal(rtp_parse(media, media_len, &m, &p), 0);
    assert_int_equal(p.pt, 96);
    assert_true(p.marker);
    assert_int_equal(p.seq, 0xabcd);
    assert_int_equal(p.ts, 0xcafe0123);
    assert_int_equal(p.ssrc, 0x4444);
    assert_int_equal(p.payload_len, 7);
    assert_memory_equal(media + p.payload_off, "payload", 7);
    char text[RTP_TEXT_MAX + 1];
    assert_int_equal(rtp_ext_text(&p, media, RTP_EXT_REPAIRED_RID, text), 1);
    assert_string_equal(text, "h");
    for (size_t cap = 0; cap < (size_t)len; cap++)
        assert_int_equal(rtx_write(data, cap, &f, &m, exts, 2, 0xabcd, "payload", 7), -ENOBUFS);
}

static void probes_and_stumps_are_no_retransmissions(void **state)
{
    (void)state;
    uint8_t data[20] = {0xa0, 97, [15] = 4};
    struct rtp_packet h;
    assert_int_equal(rtp_parse(data, 16, NULL, &h), 0);
    assert_int_equal(rtx_unwrap(data, 16, &h, 96, 1), -ENODATA);
    data[0] = 0x80;
    assert_int_equal(rtp_parse(data, 13, NULL, &h), 0);
    assert_int_equal(rtx_unwrap(data, 13, &h, 96, 1), -EBADMSG);
    assert_int_equal(rtp_parse(data, 14, NULL, &h), 0);
    assert_int_equal(rtx_unwrap(data, 13, &h, 96, 1), -EBADMSG); /* h is of another packet */
    assert_int_equal(rtx_unwrap(data, 14, &h, 128, 1), -EBADMSG);
    assert_int_equal(rtx_unwrap(data, 14, &h, 96, 1), 0); /* an empty packet: the number will never come */
    struct rtp_packet p;
    assert_int_equal(rtp_parse(data + 2, 12, NULL, &p), 0);
    assert_int_equal(p.payload_len, 0);
}

static void padding_stays_behind_the_payload(void **state)
{
    (void)state;
    uint8_t data[12 + 2 + 3 + 4] = {0xa0, 97, 0, 1, [12] = 0x12, 0x34, 'a', 'b', 'c', 0, 0, 0, 4};
    struct rtp_packet h, p;
    assert_int_equal(rtp_parse(data, sizeof data, NULL, &h), 0);
    assert_int_equal(rtx_unwrap(data, sizeof data, &h, 96, 1), 0);
    assert_int_equal(rtp_parse(data + 2, sizeof data - 2, NULL, &p), 0);
    assert_int_equal(p.payload_len, 3);
    assert_int_equal(p.padding_len, 4);
    assert_int_equal(p.seq, 0x1234);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(packets_are_found_by_number),
        cmocka_unit_test(the_oldest_give_way),
        cmocka_unit_test(old_packets_are_released),
        cmocka_unit_test(a_packet_outlives_its_history),
        cmocka_unit_test(sizes_are_powers_of_two),
        cmocka_unit_test(it_agrees_with_a_model),
        cmocka_unit_test(a_retransmission_becomes_the_packet_again),
        cmocka_unit_test(probes_and_stumps_are_no_retransmissions),
        cmocka_unit_test(padding_stays_behind_the_payload),
    };
    return cmocka_run_group_tests(tests, pool_make, pool_check);
}
