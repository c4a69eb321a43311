/* Handshakes beside media: many at once, floods of them, and peers that go in the middle of one. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>
#include <sys/socket.h>
#include "support/sfu_party.h"

#define CROWD 40

static struct party t;

static void media_flows(void)
{
    size_t heard = party_heard(&t, 0, AUDIO)->count;
    SFU_RIG_UNTIL(&t.rig, party_all_heard(&t, heard + 20, 0), source_audio(t.voice, false));
}

/* Their first flights come together, and cost more than a round gives them. */
static void many_at_once_take_turns(void **state)
{
    (void)state;
    party_open(&t, &(struct party_options){.workers = 1, .subs = 1});
    struct sfu_rig_peer *crowd[CROWD];
    for (int i = 0; i < CROWD; i++)
        crowd[i] = sfu_rig_peer_add(&t.rig, 0, false, i % 2 ? DTLS_SERVER : DTLS_CLIENT);
    SFU_RIG_UNTIL(&t.rig, crowd[CROWD - 1]->client.established, source_audio(t.voice, false));
    sfu_rig_connect(&t.rig);
    struct sfu_stats stats = sfu_rig_stats(&t.rig);
    assert_true(stats.handshakes_waited > 0);
    assert_int_equal(stats.handshakes_dropped, 0);
    media_flows();
    party_close(&t);
}

static bool handshakes_are_lost(struct sfu_rig_peer *p, const uint8_t *data, size_t len)
{
    (void)p;
    return len && data[0] >= 20 && data[0] < 64;
}

/* Records of a handshake that lead nowhere: each message is the first fragment of a long one. */
static void flood(struct sfu_rig_peer *p)
{
    uint8_t record[60] = {22, 0xfe, 0xff, [12] = 47, 1, 0, 0x10, 0, [24] = 35};
    for (uint8_t i = 0; i < 64; i++) {
        record[10] = i;
        (void)send(p->fd, record, sizeof record, 0);
    }
}

static void a_flood_fills_no_more_than_its_share(void **state)
{
    (void)state;
    party_open(&t, &(struct party_options){.workers = 1, .subs = 1});
    struct sfu_rig_peer *p = sfu_rig_peer_add(&t.rig, 0, false, DTLS_SERVER);
    p->loses = handshakes_are_lost;
    SFU_RIG_UNTIL(&t.rig, p->client.ice.state == ICE_CONTROL_CONNECTED, (void)0);
    SFU_RIG_UNTIL(&t.rig, sfu_rig_stats(&t.rig).handshakes_dropped > 0, flood(p));
    /* others come in meanwhile */
    struct sfu_rig_peer *other = sfu_rig_peer_add(&t.rig, 0, false, DTLS_SERVER);
    SFU_RIG_UNTIL(&t.rig, other->client.established, flood(p));
    assert_false(p->client.established);
    /* and it can go with its queue full */
    flood(p);
    sfu_rig_peer_remove(p);
    flood(p);
    SFU_RIG_UNTIL(&t.rig, p->gone, (void)0);
    media_flows();
    flood(other);
    party_close(&t);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_teardown(many_at_once_take_turns, sfu_rig_teardown),
        cmocka_unit_test_teardown(a_flood_fills_no_more_than_its_share, sfu_rig_teardown),
    };
    return cmocka_run_group_tests(tests, sfu_rig_begin, sfu_rig_end);
}
