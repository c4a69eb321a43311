/* Peers, tracks and subscriptions that come and go in any order, and ends in the middle of everything: with
 * threads, sockets and ICE-TCP. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>
#include <stdio.h>
#include <stdlib.h>
#include "support/seeded.h"
#include "support/sfu_party.h"

static struct party t;

/* ---- a crowd that does everything at random ---- */

#define CROWD  6
#define TRACKS 12
#define SUBS   40

static struct crowd {
    struct seeded random;
    struct sfu_rig rig;
    struct sfu_rig_peer *peers[CROWD]; /* NULL: not there */
    struct {
        uint32_t id;
        unsigned peer;
        uint8_t kind;
        struct source *source;
        char mid[8];
    } tracks[TRACKS];
    struct {
        uint32_t id, track;
        unsigned peer;
    } subs[SUBS];
    unsigned peers_made;
    uint32_t next_ssrc;
} crowd;

static void crowd_peer(unsigned i)
{
    if (crowd.peers_made == SFU_RIG_PEERS_MAX)
        return;
    crowd.peers[i] = sfu_rig_peer_add(&crowd.rig, i % 3, seeded_chance(&crowd.random, 30),
        seeded_chance(&crowd.random, 50) ? DTLS_CLIENT : DTLS_SERVER);
    crowd.peers_made++;
}

static void sub_forget(unsigned i)
{
    crowd.subs[i].id = 0;
}

static void track_forget(unsigned i)
{
    for (unsigned k = 0; k < SUBS; k++)
        if (crowd.subs[k].track == crowd.tracks[i].id)
            sub_forget(k);
    source_free(crowd.tracks[i].source);
    crowd.tracks[i].source = NULL;
    crowd.tracks[i].id = 0;
}

static void crowd_peer_remove(unsigned i)
{
    sfu_rig_peer_remove(crowd.peers[i]);
    crowd.peers[i] = NULL;
    for (unsigned k = 0; k < TRACKS; k++)
        if (crowd.tracks[k].id && crowd.tracks[k].peer == i)
            track_forget(k);
    for (unsigned k = 0; k < SUBS; k++)
        if (crowd.subs[k].peer == i)
            sub_forget(k);
}

static void crowd_track(unsigned i)
{
    struct sfu_section s;
    unsigned peer = seeded_below(&crowd.random, CROWD);
    if (!crowd.peers[peer])
        return;
    crowd.tracks[i].kind = (uint8_t)seeded_below(&crowd.random, 2);
    crowd.tracks[i].peer = peer;
    (void)snprintf(crowd.tracks[i].mid, sizeof crowd.tracks[i].mid, "t%u", i);
    if (crowd.tracks[i].kind == AUDIO)
        source_section_audio(&s, false, crowd.tracks[i].mid, false);
    else
        source_section_video(&s, false, crowd.tracks[i].mid, NULL, 0);
    crowd.tracks[i].id = source_publish(crowd.peers[peer], crowd.tracks[i].kind, &s);
    crowd.tracks[i].source =
        source_new(crowd.peers[peer], crowd.tracks[i].id, crowd.tracks[i].kind, crowd.tracks[i].mid, NULL);
}

static void crowd_track_remove(unsigned i)
{
    struct sfu_command c = {.type = SFU_TRACK_REMOVE,
        .worker = crowd.peers[crowd.tracks[i].peer]->worker,
        .peer = crowd.peers[crowd.tracks[i].peer]->id,
        .track = crowd.tracks[i].id};
    sfu_rig_post(&crowd.rig, &c);
    track_forget(i);
}

static void crowd_sub(unsigned i)
{
    struct sfu_section s;
    unsigned peer = seeded_below(&crowd.random, CROWD), track = seeded_below(&crowd.random, TRACKS);
    if (!crowd.peers[peer] || !crowd.tracks[track].id)
        return;
    /* ids of header extensions are those of a publisher, for a peer is both here */
    if (crowd.tracks[track].kind == AUDIO)
        source_section_audio(&s, false, "x", false);
    else
        source_section_video(&s, false, "x", NULL, 0);
    crowd.subs[i].peer = peer;
    crowd.subs[i].track = crowd.tracks[track].id;
    crowd.subs[i].id = source_subscribe(crowd.peers[peer], crowd.peers[crowd.tracks[track].peer],
        crowd.tracks[track].id, crowd.tracks[track].kind, &s, crowd.next_ssrc, crowd.next_ssrc + 1);
    crowd.next_ssrc += 2;
}

static void crowd_change(void)
{
    unsigned peer = seeded_below(&crowd.random, CROWD), track = seeded_below(&crowd.random, TRACKS),
             sub = seeded_below(&crowd.random, SUBS);
    switch (seeded_below(&crowd.random, 12)) {
    case 0:
        if (!crowd.peers[peer])
            crowd_peer(peer);
        else if (seeded_chance(&crowd.random, 30))
            crowd_peer_remove(peer);
        break;
    case 1:
    case 2:
        if (!crowd.tracks[track].id)
            crowd_track(track);
        else if (seeded_chance(&crowd.random, 40))
            crowd_track_remove(track);
        break;
    case 3:
        if (crowd.tracks[track].id) {
            struct sfu_command c = {.type = SFU_TRACK_MUTE,
                .worker = crowd.peers[crowd.tracks[track].peer]->worker,
                .track = crowd.tracks[track].id};
            c.muted = seeded_chance(&crowd.random, 50);
            sfu_rig_post(&crowd.rig, &c);
        }
        break;
    case 4:
        if (crowd.subs[sub].id)
            source_wants(
                crowd.peers[crowd.subs[sub].peer], crowd.subs[sub].id, seeded_chance(&crowd.random, 30), -1);
        break;
    case 5:
        if (crowd.subs[sub].id) {
            source_unsubscribe(crowd.peers[crowd.subs[sub].peer], crowd.subs[sub].id);
            sub_forget(sub);
        }
        break;
    default:
        if (!crowd.subs[sub].id)
            crowd_sub(sub);
        break;
    }
}

static void crowd_traffic(void)
{
    for (unsigned i = 0; i < TRACKS; i++) {
        struct source *s = crowd.tracks[i].source;
        if (!s || !s->peer->client.established || !rtc_client_path(&s->peer->client))
            continue;
        if (s->kind == AUDIO)
            source_audio(s, seeded_chance(&crowd.random, 3));
        else
            source_frame(s, seeded_chance(&crowd.random, 20), 3, seeded_chance(&crowd.random, 5) ? 2 : 0);
    }
    for (size_t i = 0; i < crowd.rig.peer_count; i++) { /* and everybody complains about something */
        struct sfu_rig_peer *p = crowd.rig.peers[i];
        if (!p->stream_count || p->removed || !rtc_client_path(&p->client))
            continue;
        struct heard_stream *s = &p->streams[seeded_below(&crowd.random, (uint32_t)p->stream_count)];
        if (!s->count)
            continue;
        sfu_rig_nack(p, s->ssrc, &s->packets[seeded_below(&crowd.random, (uint32_t)s->count)].h.seq, 1);
        if (seeded_chance(&crowd.random, 5))
            sfu_rig_pli(p, s->ssrc);
    }
}

static void crowd_open(uint64_t seed)
{
    crowd = (struct crowd){.random = seeded_of(seed), .next_ssrc = 2000000};
    sfu_rig_open(&crowd.rig, 3, NULL, NULL);
    for (unsigned i = 0; i < CROWD; i++)
        crowd_peer(i);
    sfu_rig_connect(&crowd.rig);
    for (unsigned i = 0; i < TRACKS / 2; i++)
        crowd_track(i);
}

static void crowd_close(void)
{
    sfu_rig_close(&crowd.rig);
    for (unsigned i = 0; i < TRACKS; i++)
        source_free(crowd.tracks[i].source);
}

static bool crowd_gone(void)
{
    struct sfu_stats s;
    sfu_stats(crowd.rig.sfu, &s);
    return s.peers + s.tracks + s.subs + s.packets_used == 0;
}

static void peers_tracks_and_subscriptions_go_in_any_order(void **state)
{
    (void)state;
    for (uint64_t seed = 1; seed <= 4; seed++) {
        crowd_open(seed);
        for (int i = 0; i < 400; i++) {
            crowd_change();
            crowd_traffic();
            sfu_rig_pump(&crowd.rig, 1);
        }
        unsigned forwarded = 0;
        for (size_t i = 0; i < crowd.rig.peer_count; i++) {
            for (size_t k = 0; k < crowd.rig.peers[i]->stream_count; k++)
                forwarded += crowd.rig.peers[i]->streams[k].count;
            assert_true(!crowd.rig.peers[i]->client.closed || crowd.rig.peers[i]->removed);
        }
        assert_true(forwarded > 1000);
        for (unsigned left = CROWD; left > 0;) { /* tracks and peers go first, or last */
            unsigned i = seeded_below(&crowd.random, CROWD);
            if (seeded_chance(&crowd.random, 60) && crowd.tracks[i].id)
                crowd_track_remove(i);
            if (crowd.peers[i] && seeded_chance(&crowd.random, 50))
                crowd_peer_remove(i);
            crowd_traffic();
            for (left = CROWD; left > 0 && !crowd.peers[left - 1]; left--)
                ;
        }
        SFU_RIG_UNTIL(&crowd.rig, crowd_gone(), (void)0);
        for (size_t i = 0; i < crowd.rig.peer_count; i++)
            SFU_RIG_UNTIL(&crowd.rig, crowd.rig.peers[i]->gone, (void)0);
        crowd_close();
    }
}

static void an_end_amid_traffic_is_clean(void **state)
{
    (void)state;
    for (uint64_t seed = 1; seed <= 8; seed++) {
        crowd_open(seed);
        for (int i = 0; i < 60; i++) {
            crowd_change();
            crowd_traffic();
            if (i % 4 == 0)
                sfu_rig_pump(&crowd.rig, 0);
        }
        sfu_rig_stop(&crowd.rig);
        crowd_close();
    }
}

static bool all_closed(const struct sfu_rig *r)
{
    for (size_t i = 0; i < r->peer_count; i++)
        if (!r->peers[i]->client.closed || r->peers[i]->hung_up != r->peers[i]->tcp)
            return false;
    return true;
}

static void everybody_hears_the_goodbye(void **state)
{
    (void)state;
    for (int tcp = 0; tcp < 2; tcp++) {
        party_open(&t, &(struct party_options){.workers = 2, .subs = 4, .tcp = tcp});
        source_frame(t.camera, true, 5, 0);
        sfu_rig_stop(&t.rig);
        SFU_RIG_UNTIL(&t.rig, all_closed(&t.rig), (void)0);
        for (size_t i = 0; i < t.rig.peer_count; i++) {
            assert_int_equal(t.rig.peers[i]->client.why, DTLS_CLOSED_PEER);
            assert_true(t.rig.peers[i]->gone);
        }
        party_close(&t);
    }
}

/* Commands that nobody carries out any more, those with data of their own among them. */
static void commands_may_be_under_way_at_the_end(void **state)
{
    (void)state;
    for (int round = 0; round < 10; round++) {
        sfu_rig_open(&t.rig, 2, NULL, NULL);
        for (unsigned i = 0; i < 20; i++) {
            struct sfu_rig_peer *p = sfu_rig_peer_add(&t.rig, i % 2, false, DTLS_SERVER);
            struct sfu_command c = {.type = SFU_PEER_DATA, .worker = p->worker, .peer = p->id};
            c.data.port = 5000;
            sfu_rig_post(&t.rig, &c);
            sfu_rig_post(&t.rig, &c); /* twice: the second is let go */
            c.peer = 999;
            sfu_rig_post(&t.rig, &c); /* nobody's */
        }
        sfu_rig_close(&t.rig);
    }
}

/* ---- peers ---- */

static void a_late_answer_and_a_restart_go_through(void **state)
{
    (void)state;
    sfu_rig_open(&t.rig, 2, NULL, NULL);
    struct sfu_rig_peer *p[2];
    for (unsigned i = 0; i < 2; i++)
        p[i] = sfu_rig_peer_add_late(&t.rig, i, i == 1);
    for (unsigned i = 0; i < 2; i++) {
        SFU_RIG_UNTIL(&t.rig, p[i]->client.ice.state == ICE_CONTROL_CONNECTED, (void)0);
        sfu_rig_idle(&t.rig, 150); /* the client begins to shake hands */
        assert_false(p[i]->client.established);
        sfu_rig_peer_introduce(p[i], NULL);
    }
    sfu_rig_connect(&t.rig);
    for (unsigned i = 0; i < 2; i++) {
        sfu_rig_peer_restart(p[i]);
        SFU_RIG_UNTIL(&t.rig, p[i]->client.ice.state == ICE_CONTROL_CONNECTED, (void)0);
        sfu_rig_peer_restart(p[i]); /* and once more: the first ones are forgotten by now */
        SFU_RIG_UNTIL(&t.rig, p[i]->client.ice.state == ICE_CONTROL_CONNECTED, (void)0);
        assert_int_equal(p[i]->state, SFU_PEER_CONNECTED);
    }
    assert_int_equal(sfu_rig_events(&t.rig, SFU_EVENT_PEER_STATE, 0, 0, 0), 2);
    sfu_rig_close(&t.rig);
}

/* ---- paths ---- */

static void a_moved_client_keeps_its_streams(void **state)
{
    static const bool ways[] = {false, true, true, false};
    (void)state;
    party_open(&t, &(struct party_options){.workers = 2, .subs = 2});
    SFU_RIG_UNTIL(&t.rig, party_all_heard(&t, 20, 0), source_audio(t.voice, false));
    for (unsigned k = 0; k < sizeof ways / sizeof ways[0]; k++) {
        sfu_rig_peer_move(t.subs[0], ways[k]);
        SFU_RIG_UNTIL(&t.rig, rtc_client_path(&t.subs[0]->client), source_audio(t.voice, false),
            sfu_rig_idle(&t.rig, 5));
        size_t heard = party_heard(&t, 0, AUDIO)->count;
        SFU_RIG_UNTIL(&t.rig, party_heard(&t, 0, AUDIO)->count > heard + 10,
            sfu_rig_report(t.subs[0], &(struct rtcp_report){.ssrc = party_ssrc(0, AUDIO)}),
            source_audio(t.voice, false));
        sfu_rig_peer_move(t.publisher, ways[k]);
        SFU_RIG_UNTIL(&t.rig, rtc_client_path(&t.publisher->client), (void)0);
        heard = party_heard(&t, 0, AUDIO)->count;
        SFU_RIG_UNTIL(&t.rig, party_heard(&t, 0, AUDIO)->count > heard + 10, source_audio(t.voice, false));
    }
    assert_int_equal(t.subs[0]->client.refused, 0);
    party_close(&t);
}

/* A subscriber without any way to it for longer than half of the sequence numbers: what was not sent to it
 * took none, or its receiver and the cipher would be lost for good. */
static void a_long_absence_costs_no_numbers(void **state)
{
    (void)state;
    party_open(&t, &(struct party_options){.workers = 1, .subs = 2, .tcp = true});
    SFU_RIG_UNTIL(&t.rig, party_all_heard(&t, 20, 0), source_audio(t.voice, false));
    sfu_rig_sync(&t.rig);
    size_t heard = party_heard(&t, 0, AUDIO)->count;
    sfu_rig_peer_move(t.subs[0], false); /* to a socket that does not check yet */
    t.subs[0]->client.ice.pace_us = INT64_MAX;
    SFU_RIG_UNTIL(&t.rig, t.subs[0]->state == SFU_PEER_DISCONNECTED, (void)0);
    for (unsigned i = 0; i < 34000; i++) {
        source_audio(t.voice, false);
        if (i % 32 == 31)
            sfu_rig_pump(&t.rig, 0); /* the source waits for the server by itself */
    }
    SFU_RIG_UNTIL(&t.rig, party_heard(&t, 1, AUDIO)->count >= heard + 34000, (void)0);
    t.subs[0]->client.ice.pace_us = 0;
    SFU_RIG_UNTIL(&t.rig, party_heard(&t, 0, AUDIO)->count >= heard + 20, source_audio(t.voice, false));
    source_assert_continuous(party_heard(&t, 0, AUDIO), AUDIO);
    assert_int_equal(sfu_rig_stats(&t.rig).crypto_refused, 0);
    party_close(&t);
}

/* ---- ICE-TCP ---- */

static void connections_end_with_their_peer(void **state)
{
    (void)state;
    sfu_rig_open(&t.rig, 2, NULL, NULL);
    struct sfu_rig_peer *p = sfu_rig_peer_add(&t.rig, 1, true, DTLS_SERVER);
    struct sfu_rig_peer *forger = sfu_rig_peer_add_late(&t.rig, 0, true);
    /* a well-formed check for a peer that is there, but with another password */
    assert_int_equal(
        ice_control_set_remote(&forger->client.ice, p->remote.ufrag, "0123456789012345678901234567"), 0);
    SFU_RIG_UNTIL(&t.rig, p->state == SFU_PEER_CONNECTED, (void)0);
    assert_true(p->state_tcp);
    SFU_RIG_UNTIL(&t.rig, forger->hung_up, (void)0); /* a descriptor is not to be had for that */
    assert_false(p->hung_up);
    sfu_rig_peer_remove(p);
    SFU_RIG_UNTIL(&t.rig, p->hung_up && p->client.closed, (void)0);
    sfu_rig_close(&t.rig);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_teardown(peers_tracks_and_subscriptions_go_in_any_order, sfu_rig_teardown),
        cmocka_unit_test_teardown(an_end_amid_traffic_is_clean, sfu_rig_teardown),
        cmocka_unit_test_teardown(everybody_hears_the_goodbye, sfu_rig_teardown),
        cmocka_unit_test_teardown(commands_may_be_under_way_at_the_end, sfu_rig_teardown),
        cmocka_unit_test_teardown(a_late_answer_and_a_restart_go_through, sfu_rig_teardown),
        cmocka_unit_test_teardown(a_moved_client_keeps_its_streams, sfu_rig_teardown),
        cmocka_unit_test_teardown(a_long_absence_costs_no_numbers, sfu_rig_teardown),
        cmocka_unit_test_teardown(connections_end_with_their_peer, sfu_rig_teardown),
    };
    return cmocka_run_group_tests(tests, sfu_rig_begin, sfu_rig_end);
}
