/* Workers on threads of their own, over loopback sockets: what the other programs, in virtual time, cannot
 * show. A frame goes when all have heard the one before, so that nothing depends on how fast that is. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>
#include <string.h>
#include "support/sfu_party.h"

#define FRAMES        20
#define FRAME_PACKETS 5
#define PAYLOAD_LEN   700

static struct party t;

static void one_worker_forwards_to_many(void **state)
{
    (void)state;
    party_forward(&t, &(struct party_options){.workers = 1, .subs = 9});
}

static void four_workers_forward_to_many(void **state)
{
    (void)state;
    party_forward(&t, &(struct party_options){.workers = 4, .subs = 8});
}

static void tcp_carries_the_same(void **state)
{
    (void)state;
    party_forward(&t, &(struct party_options){.workers = 2, .subs = 4, .tcp = true});
}

/* H.264 in equal packets; returns when all was heard. sent: packets so far. */
static size_t frames(size_t sent)
{
    uint8_t payload[PAYLOAD_LEN] = {0};
    for (int n = 0; n < FRAMES; n++) {
        t.camera->ts += 3000;
        for (int i = 0; i < FRAME_PACKETS; i++, sent++) {
            payload[0] = sent == 0 ? 0x67 : sent < FRAME_PACKETS ? 0x65 : 0x41;
            source_payload(t.camera, PUB_H264, payload, sizeof payload, i == FRAME_PACKETS - 1);
        }
        SFU_RIG_UNTIL(&t.rig, party_all_heard(&t, 0, sent), (void)0);
    }
    return sent;
}

/* Packets of a frame that came together leave in runs, which the kernel cuts. */
static void equal_packets_leave_in_runs(void **state)
{
    size_t sent = 0;
    (void)state;
    party_open(&t, &(struct party_options){.workers = 1, .subs = 2});
    SFU_RIG_UNTIL(&t.rig, sfu_rig_stats(&t.rig).udp_runs > 0, sent = frames(sent));
    struct sfu_stats s = sfu_rig_stats(&t.rig);
    assert_true(s.udp_run_datagrams >= 2 * s.udp_runs);
    assert_true(s.udp_sends < s.datagrams_out); /* what runs are for */
    assert_int_equal(s.udp_runs_refused, 0);
    for (unsigned k = 0; k < 2; k++) {
        const struct heard_stream *h = party_heard(&t, k, VIDEO);
        assert_int_equal(h->count, sent);
        for (size_t i = 0; i < h->count; i++) {
            assert_int_equal(h->packets[i].h.payload_len, PAYLOAD_LEN);
            assert_int_equal(h->packets[i].h.seq, (uint16_t)(h->packets[0].h.seq + i));
        }
    }
    party_close(&t);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_teardown(one_worker_forwards_to_many, sfu_rig_teardown),
        cmocka_unit_test_teardown(four_workers_forward_to_many, sfu_rig_teardown),
        cmocka_unit_test_teardown(tcp_carries_the_same, sfu_rig_teardown),
        cmocka_unit_test_teardown(equal_packets_leave_in_runs, sfu_rig_teardown),
    };
    return cmocka_run_group_tests(tests, sfu_rig_begin, sfu_rig_end);
}
