/* What ends with what: tracks with their peers, subscriptions with their tracks; peers that are refused, or
 * that leave. In virtual time. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>
#include <string.h>
#include "support/sfu_party.h"
#include "support/virtual_net.h"

static struct party t;

static bool counts_are(unsigned peers, unsigned tracks, unsigned subs)
{
    struct sfu_stats s;
    sfu_stats(t.rig.sfu, &s);
    return s.peers == peers && s.tracks == tracks && s.subs == subs;
}

static void a_track_takes_its_subscriptions_along(void **state)
{
    (void)state;
    for (int whole_peer = 0; whole_peer < 2; whole_peer++) {
        party_open(&t, &(struct party_options){.workers = 3, .subs = 6});
        SFU_RIG_UNTIL(&t.rig, party_all_heard(&t, 10, 10), source_audio(t.voice, false),
            source_frame(t.camera, true, 2, 0));
        if (whole_peer) {
            sfu_rig_peer_remove(t.publisher);
            SFU_RIG_UNTIL(&t.rig, counts_are(6, 0, 0), (void)0);
            assert_true(t.publisher->gone);
            assert_true(t.publisher->client.closed);
        } else {
            sfu_rig_post(&t.rig,
                &(struct sfu_command){.type = SFU_TRACK_REMOVE, .peer = t.publisher->id, .track = t.video});
            SFU_RIG_UNTIL(&t.rig, counts_are(7, 1, 6), source_frame(t.camera, true, 2, 0));
            size_t heard = party_heard(&t, 0, AUDIO)->count;
            SFU_RIG_UNTIL(&t.rig, party_all_heard(&t, heard + 10, 0), source_audio(t.voice, false));
            source_unsubscribe(t.subs[0], t.video_sub[0]); /* control says so, too: nothing comes of it */
            sfu_rig_post(&t.rig,
                &(struct sfu_command){.type = SFU_TRACK_REMOVE, .peer = t.publisher->id, .track = t.audio});
            SFU_RIG_UNTIL(&t.rig, counts_are(7, 0, 0), (void)0);
        }
        SFU_RIG_UNTIL(&t.rig, sfu_rig_stats(&t.rig).packets_used == 0, (void)0);
        party_close(&t);
    }
}

/* The track went while the subscription was on its way: on its own worker, and on another. */
static void a_subscription_to_nothing_ends_by_itself(void **state)
{
    struct sfu_section s;
    (void)state;
    party_open(&t, &(struct party_options){.workers = 2, .subs = 2});
    sfu_rig_post(
        &t.rig, &(struct sfu_command){.type = SFU_TRACK_REMOVE, .peer = t.publisher->id, .track = t.video});
    source_section_video(&s, true, "w", NULL, 0);
    for (unsigned k = 0; k < 2; k++)
        (void)source_subscribe(t.subs[k], t.publisher, t.video, VIDEO, &s, 42, 43);
    SFU_RIG_UNTIL(&t.rig, counts_are(3, 1, 2), (void)0);
    party_close(&t);
}

/* ---- peers ---- */

static void another_certificate_is_refused_with_a_reason(void **state)
{
    static const char other[] =
        "00:11:22:33:44:55:66:77:88:99:AA:BB:CC:DD:EE:FF:00:11:22:33:44:55:66:77:88:99:AA:BB:CC:"
        "DD:EE:FF";
    (void)state;
    sfu_rig_open(&t.rig, 1, NULL, NULL);
    struct sfu_rig_peer *p = sfu_rig_peer_add_late(&t.rig, 0, false),
                        *q = sfu_rig_peer_add_late(&t.rig, 0, false);
    sfu_rig_peer_introduce(p, other);
    sfu_rig_peer_introduce(q, "12:34");
    SFU_RIG_UNTIL(&t.rig, p->state == SFU_PEER_FAILED && q->state == SFU_PEER_FAILED, (void)0);
    assert_non_null(strstr(p->reason, "fingerprint"));
    assert_string_equal(q->reason, "bad remote credentials");
    sfu_rig_close(&t.rig);
}

static void a_client_that_says_goodbye_is_told_of(void **state)
{
    (void)state;
    party_open(&t, &(struct party_options){.workers = 1, .subs = 1});
    dtls_session_close(t.subs[0]->client.dtls);
    SFU_RIG_UNTIL(&t.rig, t.subs[0]->state == SFU_PEER_CLOSED, source_audio(t.voice, false));
    party_close(&t);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_teardown(a_track_takes_its_subscriptions_along, sfu_rig_teardown),
        cmocka_unit_test_teardown(a_subscription_to_nothing_ends_by_itself, sfu_rig_teardown),
        cmocka_unit_test_teardown(another_certificate_is_refused_with_a_reason, sfu_rig_teardown),
        cmocka_unit_test_teardown(a_client_that_says_goodbye_is_told_of, sfu_rig_teardown),
    };
    return cmocka_run_group_tests(tests, sfu_rig_begin, sfu_rig_end);
}
