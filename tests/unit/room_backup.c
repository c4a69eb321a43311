/* Backup codecs: who cannot decode a track's primary codec gets another, under the same sid. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>
#include <stdio.h>
#include <string.h>
#include "room/internal.h"
#include "support/room_guest.h"

enum { PREFER_REGRESSION, SIMULCAST, REGRESSION };
enum { VP9, VP8 }; /* places of the codecs in the track */

static struct host *h;
static struct guest *alice, *bob;
static struct track *cam;

static void publish(unsigned policy)
{
    struct track_desc d = guest_desc("cam", SOURCE_CAMERA);
    text_copy(d.codecs[VP9].mime, sizeof d.codecs[VP9].mime, "video/vp9");
    text_copy(d.codecs[VP8].mime, sizeof d.codecs[VP8].mime, "video/vp8");
    d.codec_count = 2;
    d.backup_codec_policy = (uint8_t)policy;
    assert_int_equal(participant_add_track(alice->p, &d, NULL), REQUEST_OK);
    guest_send(alice, "cam", TRACK_VIDEO)->rids = 0;
    guest_offer(alice);
    cam = guest_track(alice, "cam");
    host_settle(h);
    host_run(h, S(1));
}

static int two_guests(void **state)
{
    *state = h = host_new();
    alice = guest_enter(h, "alice");
    bob = guest_enter(h, "bob");
    return 0;
}

static int simulcast(void **state)
{
    two_guests(state);
    publish(SIMULCAST);
    return 0;
}

static struct guest *enter_without(const char *identity, unsigned without, bool two_connections)
{
    struct guest_options o = guest_options(identity);
    o.without = without;
    o.two_connections = two_connections;
    struct guest *g = guest_enter_with(h, &o);
    host_settle(h);
    host_run(h, S(1));
    host_settle(h);
    return g;
}

/* What livekit-client does when it is told that the backup is wanted. */
static void announce_backup(void)
{
    struct track_desc d = guest_desc("backup", SOURCE_CAMERA);
    text_copy(d.codecs[0].mime, sizeof d.codecs[0].mime, "video/vp8");
    assert_int_equal(participant_add_track(alice->p, &d, cam->sid), REQUEST_OK);
    assert_string_equal(guest_text(alice, NOTE_PUBLISHED), "backup");
}

static void send_backup(void)
{
    announce_backup();
    guest_send(alice, "backup", TRACK_VIDEO);
    guest_offer(alice);
    host_settle(h);
    host_run(h, S(1));
    host_settle(h);
}

static void packets_come(unsigned codec)
{
    struct sfu_event e = {.type = SFU_EVENT_TRACK_LIVE, .track = track_private(cam)->media[codec].id};
    room_server_event(h->rooms, &e);
    host_settle(h);
    host_run(h, S(1));
    host_settle(h);
}

/* "vp9", "vp8" or "": what is forwarded to g. */
static const char *seen_by(const struct guest *g)
{
    const struct participant *p = guest_participant(g);
    const char *found = "";
    for (uint32_t i = 0; i < h->media_count; i++) {
        const struct media *m = &h->media[i];
        if (m->kind != MEDIA_SUB || !m->live || m->peer != p->subscriber->number)
            continue;
        assert_string_equal(found, ""); /* one of them at most */
        found = m->section.codecs[0].codec == PAYLOAD_VP9 ? "vp9" : "vp8";
        unsigned codec = m->section.codecs[0].codec == PAYLOAD_VP9 ? VP9 : VP8;
        assert_int_equal(m->track, track_private(cam)->media[codec].id);
        assert_non_null(guest_section(g, cam)); /* under the track's sid */
    }
    return found;
}

static void who_lacks_the_primary_codec(bool two_connections)
{
    assert_string_equal(guest_text(alice, NOTE_DEMAND), "cam vp9 111");
    assert_string_equal(cam->desc.codecs[VP8].mime, "video/VP8");
    struct guest *carol = enter_without("carol", PC_VP9, two_connections);
    assert_string_equal(guest_text(alice, NOTE_DEMAND), "cam vp9 111 vp8 111");
    assert_string_equal(seen_by(carol), "");
    assert_int_equal(guest_count(carol, NOTE_SUB_FAILED), 0);
    host_mark(h);
    send_backup();
    assert_string_equal(seen_by(carol), "vp8");
    assert_string_equal(seen_by(bob), "vp9");
    packets_come(VP8);
    assert_string_equal(seen_by(bob), "vp9"); /* by the publisher's policy */
    assert_int_equal(host_count(h, SFU_SUB_REMOVE), 0);
    assert_string_equal(cam->mime, "video/VP9");
    assert_string_equal(cam->desc.codecs[VP8].cid, "backup");
    host_run(h, S(20));
    assert_int_equal(guest_count(carol, NOTE_SUB_FAILED), 0);
    guest_leave(carol); /* it is paused when nobody needs it */
    host_run(h, S(3));
    assert_string_equal(guest_text(alice, NOTE_DEMAND), "cam vp9 111 vp8 111");
    host_run(h, S(1));
    assert_string_equal(guest_text(alice, NOTE_DEMAND), "cam vp9 111 vp8 000");
    struct guest *dave = enter_without("dave", PC_VP9, two_connections);
    assert_string_equal(guest_text(alice, NOTE_DEMAND), "cam vp9 111 vp8 111");
    assert_string_equal(seen_by(dave), "vp8");
}

static void who_lacks_the_primary_codec_gets_the_backup(void **state)
{
    (void)state;
    who_lacks_the_primary_codec(false);
}

static void so_it_is_with_two_connections(void **state)
{
    (void)state;
    who_lacks_the_primary_codec(true);
}

static void its_section_may_come_first(void **state)
{
    (void)state;
    struct guest *carol = enter_without("carol", PC_VP9, false);
    guest_send(alice, "backup", TRACK_VIDEO);
    guest_offer(alice);
    assert_int_equal(host_live(h, MEDIA_TRACK), 1);
    announce_backup();
    assert_int_equal(host_live(h, MEDIA_TRACK), 2);
    host_settle(h);
    host_run(h, S(1));
    host_settle(h);
    assert_string_equal(seen_by(carol), "vp8");
}

static void both_may_come_at_once(void **state)
{
    (void)state;
    struct track_desc d = guest_desc("cam", SOURCE_CAMERA);
    text_copy(d.codecs[VP9].mime, sizeof d.codecs[VP9].mime, "video/vp9");
    text_copy(d.codecs[VP8].mime, sizeof d.codecs[VP8].mime, "video/vp8");
    text_copy(d.codecs[VP8].cid, sizeof d.codecs[VP8].cid, "backup");
    d.codec_count = 2;
    for (int announced_first = 0; announced_first < 2; announced_first++) {
        if (announced_first)
            assert_int_equal(participant_add_track(alice->p, &d, NULL), REQUEST_OK);
        guest_send(alice, "backup", TRACK_VIDEO);
        guest_offer(alice);
        guest_send(alice, "cam", TRACK_VIDEO)->rids = 0;
        guest_offer(alice);
        if (!announced_first)
            assert_int_equal(participant_add_track(alice->p, &d, NULL), REQUEST_OK);
        cam = guest_track(alice, "cam");
        assert_int_equal(host_live(h, MEDIA_TRACK), 2);
        assert_string_equal(cam->mid, pc_sender(&alice->pub, "cam")->mid);
        assert_string_equal(cam->desc.codecs[VP8].mid, pc_sender(&alice->pub, "backup")->mid);
        pc_sender(&alice->pub, "backup")->sends = false;
        guest_unpublish(alice, "cam");
        assert_int_equal(host_live(h, MEDIA_TRACK), 0);
    }
}

static void a_backup_that_does_not_come_is_told_to_who_needs_it(void **state)
{
    (void)state;
    struct guest *carol = enter_without("carol", PC_VP9, false);
    host_run(h, S(8));
    assert_int_equal(guest_count(carol, NOTE_SUB_FAILED), 0);
    host_run(h, S(3));
    assert_string_equal(guest_text(carol, NOTE_SUB_FAILED), "cam CODEC");
    host_run(h, S(60));
    assert_int_equal(guest_count(carol, NOTE_SUB_FAILED), 1);
    assert_string_equal(guest_text(alice, NOTE_DEMAND), "cam vp9 111 vp8 000");
    struct guest *dave = enter_without("dave", PC_VP9, true); /* the next one asks again */
    assert_string_equal(guest_text(alice, NOTE_DEMAND), "cam vp9 111 vp8 111");
    send_backup(); /* better late */
    assert_string_equal(seen_by(carol), "vp8");
    assert_string_equal(seen_by(dave), "vp8");
    host_run(h, S(20));
    assert_int_equal(guest_count(dave, NOTE_SUB_FAILED), 0);
}

static void who_takes_neither_is_told(void **state)
{
    (void)state;
    struct guest *carol = enter_without("carol", PC_VP9 | PC_VP8, false);
    assert_string_equal(guest_text(carol, NOTE_SUB_FAILED), "cam CODEC");
    struct guest *dave = enter_without("dave", PC_VP9 | PC_VP8, true); /* it answers, and says only no */
    host_run(h, S(60));
    assert_string_equal(guest_text(dave, NOTE_SUB_FAILED), "cam CODEC");
    assert_int_equal(guest_count(carol, NOTE_SUB_FAILED) + guest_count(dave, NOTE_SUB_FAILED), 2);
    /* a codec that it does take is announced */
    struct track_desc d = guest_desc("third", SOURCE_CAMERA);
    text_copy(d.codecs[0].mime, sizeof d.codecs[0].mime, "video/h264");
    assert_int_equal(participant_add_track(alice->p, &d, cam->sid), REQUEST_OK);
    assert_non_null(strstr(guest_text(alice, NOTE_DEMAND), "h264 111"));
    struct pc_section *s = guest_send(alice, "third", TRACK_VIDEO);
    s->without = PC_VP9 | PC_VP8 | PC_AV1;
    guest_offer(alice);
    host_settle(h);
    host_run(h, S(1));
    host_settle(h);
    const struct room_media *third = &track_private(cam)->media[2];
    assert_int_equal(host_media(h, third->id)->section.codecs[0].codec, PAYLOAD_H264);
    assert_int_equal(third->viewers[QUALITY_HIGH], 2);
    assert_int_equal(host_live(h, MEDIA_SUB), 3);
}

static void by_regression_everybody_moves_to_the_backup(void **state)
{
    (void)state;
    publish(REGRESSION);
    struct guest *dave = enter_without("dave", PC_VP8, false);
    struct guest *erin = enter_without("erin", PC_VP8, true);
    struct guest *frank = enter_without("frank", 0, true);
    struct guest *carol = enter_without("carol", PC_VP9, false);
    send_backup();
    assert_string_equal(seen_by(bob), "vp9"); /* until it really comes */
    packets_come(VP8);
    assert_string_equal(seen_by(bob), "vp8");
    assert_string_equal(seen_by(frank), "vp8");
    assert_string_equal(seen_by(carol), "vp8");
    assert_string_equal(seen_by(dave), "vp9"); /* who cannot stays */
    assert_string_equal(seen_by(erin), "vp9");
    guest_leave(dave);
    guest_leave(erin);
    host_run(h, S(5));
    assert_string_equal(guest_text(alice, NOTE_DEMAND), "cam vp9 000 vp8 111");
    struct guest *grace = enter_without("grace", 0, false);
    assert_string_equal(seen_by(grace), "vp8");
    struct guest *heidi = enter_without("heidi", PC_VP8, false);
    assert_string_equal(seen_by(heidi), "vp9");
    assert_string_equal(guest_text(alice, NOTE_DEMAND), "cam vp9 111 vp8 111");
}

static void few_people_move_if_the_publisher_leaves_it_open(void **state)
{
    (void)state;
    publish(PREFER_REGRESSION);
    enter_without("carol", PC_VP9, false);
    send_backup();
    packets_come(VP8);
    assert_string_equal(seen_by(bob), "vp8");
}

static void many_people_do_not(void **state)
{
    (void)state;
    publish(PREFER_REGRESSION);
    struct guest *carol = enter_without("carol", PC_VP9, false);
    for (int i = 3; i < ROOM_REGRESSION_PEOPLE; i++) {
        char name[8];
        snprintf(name, sizeof name, "guest%d", i);
        enter_without(name, 0, false);
    }
    send_backup();
    packets_come(VP8);
    assert_string_equal(seen_by(bob), "vp9");
    assert_string_equal(seen_by(carol), "vp8");
}

static void a_mute_and_the_end_are_for_all_codecs(void **state)
{
    (void)state;
    enter_without("carol", PC_VP9, false);
    send_backup();
    const struct room_track *t = track_private(cam);
    uint32_t vp9 = t->media[VP9].id, vp8 = t->media[VP8].id;
    assert_int_equal(participant_mute_track(alice->p, cam->sid, true), REQUEST_OK);
    assert_true(host_media(h, vp9)->muted && host_media(h, vp8)->muted);
    pc_sender(&alice->pub, "backup")->sends = false;
    guest_unpublish(alice, "cam");
    assert_false(host_media(h, vp9)->live || host_media(h, vp8)->live);
    assert_int_equal(host_live(h, MEDIA_SUB), 0);
    assert_null(guest_track(alice, "cam"));
}

static void a_backup_that_ends_is_asked_for_again(void **state)
{
    (void)state;
    struct guest *carol = enter_without("carol", PC_VP9, false);
    send_backup();
    assert_string_equal(seen_by(carol), "vp8");
    guest_unpublish(alice, "backup");
    host_settle(h);
    host_run(h, S(1));
    host_settle(h);
    assert_string_equal(seen_by(carol), "");
    assert_string_equal(seen_by(bob), "vp9");
    assert_int_equal(host_live(h, MEDIA_TRACK), 1);
    guest_clear(alice);
    struct track_desc d = guest_desc("again", SOURCE_CAMERA);
    assert_int_equal(participant_add_track(alice->p, &d, cam->sid), REQUEST_OK);
    guest_send(alice, "again", TRACK_VIDEO);
    guest_offer(alice);
    host_settle(h);
    host_run(h, S(1));
    host_settle(h);
    assert_string_equal(seen_by(carol), "vp8");
}

static void everybody_returns_when_the_common_backup_ends(void **state)
{
    (void)state;
    publish(REGRESSION);
    enter_without("carol", PC_VP9, false);
    send_backup();
    packets_come(VP8);
    assert_string_equal(seen_by(bob), "vp8");
    guest_unpublish(alice, "backup");
    host_settle(h);
    host_run(h, S(1));
    host_settle(h);
    assert_string_equal(seen_by(bob), "vp9");
}

static void wishes_count_by_the_layers_of_the_codec_at_hand(void **state)
{
    (void)state;
    struct guest *carol = enter_without("carol", PC_VP9, false);
    struct track_desc d = guest_desc("backup", SOURCE_CAMERA);
    d.codecs[0].layer_count = 2; /* a smaller picture in two layers */
    for (uint8_t i = 0; i < 2; i++)
        d.codecs[0].layers[i] = (struct track_layer){
            .quality = i, .width = 320u << i, .height = 180u << i, .bitrate_bps = 100000};
    assert_int_equal(participant_add_track(alice->p, &d, cam->sid), REQUEST_OK);
    guest_send(alice, "backup", TRACK_VIDEO)->rids = 2;
    guest_offer(alice);
    host_settle(h);
    host_run(h, S(5));
    host_settle(h);
    struct track_settings set = {.width = 500, .height = 300};
    participant_track_settings(carol->p, cam->sid, &set);
    participant_track_settings(bob->p, cam->sid, &set);
    host_run(h, S(5));
    assert_string_equal(guest_text(alice, NOTE_DEMAND), "cam vp9 110 vp8 110");
    const struct media *m = NULL;
    for (uint32_t i = 0; i < h->media_count; i++)
        if (h->media[i].kind == MEDIA_SUB && h->media[i].live &&
            h->media[i].peer == carol->p->subscriber->number)
            m = &h->media[i];
    assert_non_null(m);
    assert_int_equal(m->max_layer, 1);
    set = (struct track_settings){.disabled = true};
    participant_track_settings(carol->p, cam->sid, &set);
    host_run(h, S(5));
    assert_string_equal(guest_text(alice, NOTE_DEMAND), "cam vp9 110 vp8 000");
}

static void a_publisher_that_was_away_is_told_of_both(void **state)
{
    (void)state;
    enter_without("carol", PC_VP9, false);
    send_backup();
    guest_lose_socket(alice);
    host_run(h, S(1));
    guest_resume(alice);
    host_run(h, S(1));
    assert_string_equal(guest_text(alice, NOTE_DEMAND), "cam vp9 111 vp8 111");
}

static void no_key_frame_is_lost_to_a_moment_of_the_other_codec(void **state)
{
    (void)state;
    participant_subscribe(bob->p, cam->sid, false);
    host_run(h, S(1));
    enter_without("carol", PC_VP9, false); /* more of one is told at once, less of the other when it lasts */
    assert_string_equal(guest_text(alice, NOTE_DEMAND), "cam vp9 111 vp8 111");
    host_run(h, S(5));
    assert_string_equal(guest_text(alice, NOTE_DEMAND), "cam vp9 000 vp8 111");
}

#define TEST(setup, name) cmocka_unit_test_setup_teardown(name, setup, host_end)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(simulcast, who_lacks_the_primary_codec_gets_the_backup),
        TEST(simulcast, so_it_is_with_two_connections),
        TEST(simulcast, its_section_may_come_first),
        TEST(two_guests, both_may_come_at_once),
        TEST(simulcast, a_backup_that_does_not_come_is_told_to_who_needs_it),
        TEST(simulcast, who_takes_neither_is_told),
        TEST(two_guests, by_regression_everybody_moves_to_the_backup),
        TEST(two_guests, few_people_move_if_the_publisher_leaves_it_open),
        TEST(two_guests, many_people_do_not),
        TEST(simulcast, a_mute_and_the_end_are_for_all_codecs),
        TEST(simulcast, a_backup_that_ends_is_asked_for_again),
        TEST(two_guests, everybody_returns_when_the_common_backup_ends),
        TEST(simulcast, wishes_count_by_the_layers_of_the_codec_at_hand),
        TEST(simulcast, a_publisher_that_was_away_is_told_of_both),
        TEST(simulcast, no_key_frame_is_lost_to_a_moment_of_the_other_codec),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
