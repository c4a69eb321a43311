/* Subscribing over one connection: the client makes every offer, the server fills its sections. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>
#include <stdio.h>
#include <string.h>
#include "room/internal.h"
#include "support/room_guest.h"

static struct host *h;
static struct guest *alice, *bob;

static int two_guests(void **state)
{
    *state = h = host_new();
    alice = guest_enter(h, "alice");
    bob = guest_enter(h, "bob");
    guest_clear(alice);
    guest_clear(bob);
    host_mark(h);
    return 0;
}

static void a_new_track_takes_a_free_section(void **state)
{
    (void)state;
    struct track *cam = guest_publish(alice, "cam", SOURCE_CAMERA);
    assert_null(guest_receives(bob, cam));
    assert_int_equal(guest_count(bob, NOTE_SECTIONS), 0);
    host_run(h, MS(10));                                        /* changes are collected this long */
    assert_string_equal(guest_text(bob, NOTE_SECTIONS), "0 0"); /* there is room: just offer */
    assert_null(guest_receives(bob, cam));
    guest_offer(bob);
    const struct media *sub = guest_receives(bob, cam);
    assert_non_null(sub);
    const struct sdp_media *m = guest_section(bob, cam);
    assert_string_equal(m->mid, "3");
    assert_int_equal(m->dir, SDP_SENDONLY);
    char stream[ROOM_SID_MAX + 16];
    snprintf(stream, sizeof stream, "%s|camera", alice->sid);
    assert_string_equal(m->msid_stream, stream);
    assert_string_equal(m->msid_track, cam->sid);
    assert_string_equal(m->ssrcs[0].cname, alice->sid);
    assert_int_equal(m->ssrcs[0].ssrc, sub->ssrc);
    assert_int_equal(m->ssrc_groups[0].ssrcs[1], sub->rtx_ssrc);
    assert_int_equal(sub->section.codecs[0].codec, PAYLOAD_VP8);
    assert_false(sub->paused);
    assert_int_equal(sub->max_layer, -1);
    assert_string_equal(guest_text(alice, NOTE_SUBSCRIBED), "cam");
    host_settle(h);
    assert_int_equal(guest_count(bob, NOTE_SECTIONS), 1);
    assert_int_equal(guest_count(alice, NOTE_SECTIONS), 0);
}

static void the_first_subscriber_is_told_once(void **state)
{
    (void)state;
    guest_publish(alice, "cam", SOURCE_CAMERA);
    host_settle(h);
    struct guest_options o = guest_options("carol");
    guest_enter_with(h, &o);
    host_settle(h);
    assert_int_equal(host_live(h, MEDIA_SUB), 2);
    assert_int_equal(guest_count(alice, NOTE_SUBSCRIBED), 1);
}

static void tracks_that_are_there_come_with_the_first_answer(void **state)
{
    (void)state;
    struct track *cam = guest_publish(alice, "cam", SOURCE_CAMERA);
    struct track *mic = guest_publish(alice, "mic", SOURCE_MICROPHONE);
    struct guest_options o = guest_options("carol");
    struct guest *carol = guest_join(h, &o);
    host_run(h, S(1));
    assert_int_equal(guest_count(carol, NOTE_SECTIONS), 0); /* it has not offered yet */
    guest_offer(carol);
    assert_non_null(guest_receives(carol, cam));
    assert_non_null(guest_receives(carol, mic));
    host_run(h, S(1));
    assert_int_equal(guest_count(carol, NOTE_SECTIONS), 0);
}

static void missing_sections_are_counted(void **state)
{
    (void)state;
    struct guest_options o = guest_options("carol");
    o.audios = 1;
    o.videos = 2;
    struct guest *carol = guest_enter_with(h, &o);
    guest_clear(carol);
    for (int i = 0; i < 4; i++) {
        char cid[8];
        snprintf(cid, sizeof cid, "v%d", i);
        guest_publish(alice, cid, SOURCE_CAMERA);
        cid[0] = 'a';
        guest_publish(alice, cid, SOURCE_MICROPHONE);
    }
    host_run(h, MS(10));
    assert_int_equal(guest_count(carol, NOTE_SECTIONS), 1);
    assert_string_equal(guest_text(carol, NOTE_SECTIONS), "3 2"); /* in addition to those it has */
    /* one more meanwhile: only what was not asked for yet */
    guest_publish(bob, "v", SOURCE_CAMERA);
    host_run(h, MS(200));
    assert_int_equal(guest_count(carol, NOTE_SECTIONS), 2);
    assert_string_equal(guest_text(carol, NOTE_SECTIONS), "0 1");
    host_settle(h);
    unsigned subs = 0;
    list_for_each(l, &carol->p->subscriptions)
    {
        subs += list_entry(l, struct subscription, by_subscriber)->number != 0;
    }
    assert_int_equal(subs, 9);
    assert_int_equal(carol->pub.n, 4 + 3 + 2 + 1);
    assert_int_equal(guest_count(carol, NOTE_SECTIONS), 2);
}

static void a_client_without_sections_is_asked_after_its_first_offer(void **state)
{
    (void)state;
    struct track *cam = guest_publish(alice, "cam", SOURCE_CAMERA);
    struct guest_options o = guest_options("carol");
    o.audios = o.videos = 0;
    struct guest *carol = guest_enter_with(h, &o);
    host_run(h, MS(10));
    assert_string_equal(guest_text(carol, NOTE_SECTIONS), "0 1");
    host_settle(h);
    assert_non_null(guest_receives(carol, cam));
}

static void firefox_offers_after_the_join(void **state)
{
    (void)state;
    struct track *cam = guest_publish(alice, "cam", SOURCE_CAMERA);
    struct track *mic = guest_publish(alice, "mic", SOURCE_MICROPHONE);
    struct guest_options o = guest_options("fox");
    o.firefox = true;
    struct guest *fox = guest_join(h, &o);
    host_run(h, S(1));
    guest_offer(fox);
    guest_connect(fox);
    const struct media *sub = guest_receives(fox, mic);
    assert_non_null(sub);
    assert_int_equal(sub->section.codecs[0].codec, PAYLOAD_OPUS); /* of RED, what it knows */
    assert_int_equal(sub->section.codecs[0].pt, 109);
    sub = guest_receives(fox, cam);
    assert_int_equal(sub->section.codecs[0].pt, 120);
    assert_int_equal(sub->section.codecs[0].rtx_pt, 124);
    assert_int_equal(guest_receives(bob, cam) ? 1 : 0, 0);
    host_settle(h);
    assert_int_equal(guest_receives(bob, mic)->section.codecs[0].codec, PAYLOAD_RED);
    assert_int_equal(guest_receives(bob, mic)->rtx_ssrc, 0);
}

static void frequent_changes_are_collected_longer(void **state)
{
    (void)state;
    guest_publish(alice, "a", SOURCE_CAMERA);
    host_run(h, MS(10));
    assert_int_equal(guest_count(bob, NOTE_SECTIONS), 1);
    guest_offer(bob);
    guest_publish(alice, "b", SOURCE_CAMERA);
    host_run(h, MS(20));
    guest_publish(alice, "c", SOURCE_MICROPHONE);
    host_run(h, MS(120));
    assert_int_equal(guest_count(bob, NOTE_SECTIONS), 1);
    host_run(h, MS(20));
    assert_int_equal(guest_count(bob, NOTE_SECTIONS), 2);
    guest_offer(bob);
    assert_int_equal(host_live(h, MEDIA_SUB), 3);
}

static void a_left_section_is_inactive_once_before_it_is_used_again(void **state)
{
    (void)state;
    struct guest_options o = guest_options("carol");
    o.audios = 0;
    o.videos = 1;
    struct guest *carol = guest_enter_with(h, &o);
    struct track *cam = guest_publish(alice, "cam", SOURCE_CAMERA);
    host_settle(h);
    uint32_t ssrc = guest_receives(carol, cam)->ssrc;
    guest_clear(carol);
    guest_unpublish(alice, "cam");
    struct track *screen = guest_publish(alice, "screen", SOURCE_SCREEN_SHARE);
    host_run(h, MS(200));
    guest_offer(carol); /* the only section shows that the old one is gone */
    assert_int_equal(carol->answer->media[0].dir, SDP_INACTIVE);
    assert_null(guest_receives(carol, screen));
    host_run(h, MS(200));
    assert_string_equal(guest_text(carol, NOTE_SECTIONS), "0 0"); /* now there is a free one */
    guest_offer(carol);
    assert_non_null(guest_receives(carol, screen));
    assert_int_not_equal(guest_receives(carol, screen)->ssrc, ssrc); /* the host checks all others */
}

static void an_unsubscription_is_negotiated_and_can_be_undone(void **state)
{
    (void)state;
    struct track *cam = guest_publish(alice, "cam", SOURCE_CAMERA);
    host_settle(h);
    guest_clear(bob);
    for (int i = 0; i < 3; i++) {
        participant_subscribe(bob->p, cam->sid, false);
        assert_null(guest_receives(bob, cam)); /* media stops at once */
        host_run(h, MS(200));
        assert_string_equal(guest_text(bob, NOTE_SECTIONS), "0 0");
        guest_offer(bob);
        assert_null(guest_section(bob, cam));
        participant_subscribe(bob->p, cam->sid, true);
        host_settle(h);
        assert_non_null(guest_receives(bob, cam));
        assert_non_null(guest_section(bob, cam));
    }
    participant_subscribe(bob->p, cam->sid, true); /* again: nothing */
    host_mark(h);
    host_settle(h);
    assert_int_equal(h->command_count, h->mark);
    /* there and back before the client offers */
    participant_subscribe(bob->p, cam->sid, false);
    participant_subscribe(bob->p, cam->sid, true);
    host_settle(h);
    assert_non_null(guest_receives(bob, cam));
}

static void a_client_may_stop_receiving_in_a_section(void **state)
{
    (void)state;
    struct track *cam = guest_publish(alice, "cam", SOURCE_CAMERA);
    host_settle(h);
    struct pc_section *s = &bob->pub.sections[3];
    s->receives = false;
    guest_offer(bob);
    assert_non_null(guest_receives(bob, cam)); /* in another one, which was free */
    assert_string_equal(guest_receives(bob, cam)->section.mid, "4");
    s->receives = true;
    guest_offer(bob);
    assert_string_equal(guest_receives(bob, cam)->section.mid, "4");
    /* all gone: it is asked for another */
    for (unsigned i = 3; i < 6; i++)
        bob->pub.sections[i].stopped = true;
    guest_offer(bob);
    assert_null(guest_receives(bob, cam));
    host_run(h, MS(200));
    assert_string_equal(guest_text(bob, NOTE_SECTIONS), "0 1");
    host_settle(h);
    assert_string_equal(guest_receives(bob, cam)->section.mid, "7");
}

static void a_codec_the_client_lacks_is_said_so(void **state)
{
    (void)state;
    struct guest_options o = guest_options("carol");
    o.without = PC_AV1 | PC_VP9;
    struct guest *carol = guest_enter_with(h, &o);
    struct track_desc d = guest_desc("cam", SOURCE_CAMERA);
    text_copy(d.codecs[0].mime, sizeof d.codecs[0].mime, "video/AV1");
    participant_add_track(alice->p, &d, NULL);
    guest_send(alice, "cam", TRACK_VIDEO);
    guest_offer(alice);
    struct track *cam = guest_track(alice, "cam"), *mic = guest_publish(alice, "mic", SOURCE_MICROPHONE);
    guest_clear(carol);
    host_settle(h);
    assert_string_equal(guest_text(carol, NOTE_SUB_FAILED), "cam CODEC");
    assert_int_equal(guest_count(carol, NOTE_SUB_FAILED), 1);
    assert_null(guest_receives(carol, cam));
    assert_non_null(guest_receives(carol, mic));
    assert_non_null(guest_receives(bob, cam));
    assert_int_equal(guest_count(carol, NOTE_SECTIONS), 1); /* nobody asks for it again */
    /* a new try gets a new answer */
    participant_subscribe(carol->p, cam->sid, false);
    participant_subscribe(carol->p, cam->sid, true);
    host_settle(h);
    assert_int_equal(guest_count(carol, NOTE_SUB_FAILED), 2);
}

static void a_profile_the_client_lacks_is_no_codec_it_has(void **state)
{
    (void)state;
    struct guest_options o = guest_options("fox");
    o.firefox = true; /* VP9 of profile 0 only */
    struct guest *fox = guest_enter_with(h, &o);
    struct track_desc d = guest_desc("cam", SOURCE_CAMERA);
    text_copy(d.codecs[0].mime, sizeof d.codecs[0].mime, "video/H264");
    participant_add_track(alice->p, &d, NULL);
    guest_send(alice, "cam", TRACK_VIDEO);
    guest_offer(alice);
    host_settle(h);
    assert_string_equal(guest_text(fox, NOTE_SUB_FAILED), "cam CODEC");
    assert_non_null(guest_receives(bob, guest_track(alice, "cam")));
}

static void a_codec_that_changes_moves_its_subscribers(void **state)
{
    (void)state;
    struct guest_options o = guest_options("carol");
    o.without = PC_VP8;
    struct guest *carol = guest_enter_with(h, &o);
    struct track *cam = guest_publish(alice, "cam", SOURCE_CAMERA);
    host_settle(h);
    uint32_t ssrc = guest_receives(bob, cam)->ssrc;
    assert_int_equal(guest_receives(bob, cam)->section.codecs[0].codec, PAYLOAD_VP8);
    assert_string_equal(guest_text(carol, NOTE_SUB_FAILED), "cam CODEC");
    pc_sender(&alice->pub, "cam")->without = PC_VP8;
    guest_offer(alice);
    assert_string_equal(cam->mime, "video/VP9");
    assert_null(guest_receives(bob, cam));
    host_settle(h);
    assert_int_equal(guest_receives(bob, cam)->section.codecs[0].codec, PAYLOAD_VP9);
    assert_int_not_equal(guest_receives(bob, cam)->ssrc, ssrc);
    assert_non_null(guest_receives(carol, cam));
    assert_string_equal(guest_sees_track(bob, cam)->mime, "video/VP9");
}

static void a_codec_the_client_gave_up_ends_media(void **state)
{
    (void)state;
    struct track *cam = guest_publish(alice, "cam", SOURCE_CAMERA);
    host_settle(h);
    bob->pub.without = PC_VP8;
    guest_offer(bob);
    assert_null(guest_receives(bob, cam));
    assert_string_equal(guest_text(bob, NOTE_SUB_FAILED), "cam CODEC");
    assert_null(guest_section(bob, cam));
}

static void everybody_publishes_and_subscribes(void **state)
{
    (void)state;
    struct guest *all[5] = {alice, bob};
    for (int i = 2; i < 5; i++) {
        char identity[8];
        snprintf(identity, sizeof identity, "g%d", i);
        struct guest_options o = guest_options(identity);
        o.firefox = i == 3;
        all[i] = guest_enter_with(h, &o);
    }
    for (int i = 0; i < 5; i++) {
        guest_publish(all[i], "mic", SOURCE_MICROPHONE);
        guest_publish(all[i], "cam", SOURCE_CAMERA);
    }
    host_settle(h);
    assert_int_equal(host_live(h, MEDIA_TRACK), 10);
    assert_int_equal(host_live(h, MEDIA_SUB), 5 * 8);
    for (int i = 0; i < 5; i++) {
        guest_unpublish(all[i], "cam");
        guest_publish(all[i], "cam2", SOURCE_CAMERA);
    }
    host_settle(h);
    assert_int_equal(host_live(h, MEDIA_SUB), 5 * 8);
    for (int i = 0; i < 5; i++)
        assert_int_equal(guest_count(all[i], NOTE_SUB_FAILED), 0);
}

static void one_hundred_tracks(void **state)
{
    (void)state;
    h->cfg.limits.tracks_max = 100;
    for (int i = 0; i < 50; i++) {
        char cid[8];
        snprintf(cid, sizeof cid, "v%d", i);
        guest_announce(alice, cid, i % 2 ? SOURCE_CAMERA : SOURCE_MICROPHONE);
        guest_send(alice, cid, i % 2 ? TRACK_VIDEO : TRACK_AUDIO);
        if (i % 25 == 24)
            guest_offer(alice);
    }
    guest_clear(bob);
    host_settle(h);
    assert_int_equal(host_live(h, MEDIA_SUB), 50);
    assert_true(guest_count(bob, NOTE_SECTIONS) <= 2);
}

static void a_client_that_never_offers_again_is_left_alone(void **state)
{
    (void)state;
    bob->wants_none = true;
    guest_publish(alice, "cam", SOURCE_CAMERA);
    host_run(h, S(30));
    assert_int_equal(guest_count(bob, NOTE_SECTIONS), 1);
    guest_unpublish(alice, "cam");
    host_run(h, S(30));
    assert_int_equal(guest_count(bob, NOTE_SECTIONS), 1);
    assert_non_null(bob->p);
}

static void without_retransmission_there_is_no_ssrc_for_it(void **state)
{
    (void)state;
    struct guest *g[2];
    for (int i = 0; i < 2; i++) {
        struct guest_options o = guest_options(i ? "one" : "two");
        o.without = PC_RTX;
        o.two_connections = !i;
        g[i] = guest_enter_with(h, &o);
    }
    struct track *cam = guest_publish(alice, "cam", SOURCE_CAMERA);
    host_settle(h);
    for (int i = 0; i < 2; i++) {
        assert_int_equal(guest_receives(g[i], cam)->rtx_ssrc, 0);
        assert_int_equal(guest_receives(g[i], cam)->section.codecs[0].rtx_pt, 0);
    }
    assert_int_equal(guest_section(g[1], cam)->n_ssrc_groups, 0);
    assert_int_not_equal(guest_receives(bob, cam)->rtx_ssrc, 0);
    /* nor on the way in */
    struct track *screen = guest_publish(g[1], "screen", SOURCE_SCREEN_SHARE);
    assert_int_equal(host_media(h, screen->id)->section.codecs[0].rtx_pt, 0);
}

static void old_clients_find_the_track_in_the_stream_id(void **state)
{
    (void)state;
    struct guest_options o = guest_options("old");
    o.protocol = 9;
    struct guest *old = guest_enter_with(h, &o);
    struct track *cam = guest_publish(alice, "cam", SOURCE_CAMERA);
    host_settle(h);
    char stream[2 * ROOM_SID_MAX + 2];
    snprintf(stream, sizeof stream, "%s|%s", alice->sid, cam->sid);
    assert_string_equal(guest_section(old, cam)->msid_stream, stream);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, two_guests, host_end)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(a_new_track_takes_a_free_section),
        TEST(the_first_subscriber_is_told_once),
        TEST(tracks_that_are_there_come_with_the_first_answer),
        TEST(missing_sections_are_counted),
        TEST(a_client_without_sections_is_asked_after_its_first_offer),
        TEST(firefox_offers_after_the_join),
        TEST(frequent_changes_are_collected_longer),
        TEST(a_left_section_is_inactive_once_before_it_is_used_again),
        TEST(an_unsubscription_is_negotiated_and_can_be_undone),
        TEST(a_client_may_stop_receiving_in_a_section),
        TEST(a_codec_the_client_lacks_is_said_so),
        TEST(a_profile_the_client_lacks_is_no_codec_it_has),
        TEST(a_codec_that_changes_moves_its_subscribers),
        TEST(a_codec_the_client_gave_up_ends_media),
        TEST(everybody_publishes_and_subscribes),
        TEST(one_hundred_tracks),
        TEST(a_client_that_never_offers_again_is_left_alone),
        TEST(without_retransmission_there_is_no_ssrc_for_it),
        TEST(old_clients_find_the_track_in_the_stream_id),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
