/* Publishing: announcements meet their sections, in whatever order they come. */
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
    struct guest_options o = guest_options("bob");
    o.manual = true; /* looks on */
    bob = guest_enter_with(h, &o);
    guest_clear(alice);
    guest_clear(bob);
    host_mark(h);
    return 0;
}

static void a_track_is_published_when_its_section_is_negotiated(void **state)
{
    (void)state;
    assert_int_equal(guest_announce(alice, "cam", SOURCE_CAMERA), REQUEST_OK);
    assert_string_equal(guest_text(alice, NOTE_PUBLISHED), "cam");
    struct track *t = guest_track(alice, "cam");
    assert_memory_equal(t->sid, "TR_VC", 5);
    assert_false(t->published);
    assert_int_equal(guest_count(bob, NOTE_UPDATE), 0);
    assert_int_equal(host_count(h, SFU_TRACK_ADD), 0);
    guest_send(alice, "cam", TRACK_VIDEO);
    guest_offer(alice);
    assert_true(t->published); /* without any packet */
    assert_string_equal(t->mime, "video/VP8");
    assert_true(t->simulcast);
    assert_string_equal(t->mid, "7");
    assert_string_equal(t->desc.codecs[0].mime, "video/VP8");
    assert_string_equal(t->desc.codecs[0].mid, "7");
    assert_string_equal(t->desc.codecs[0].sdp_cid, "");
    assert_string_equal(t->desc.stream, "camera");
    assert_int_equal(host_count(h, SFU_TRACK_ADD), 1);
    const struct media *m = host_media(h, t->id);
    assert_int_equal(m->media, 1);
    assert_int_equal(m->section.rid_count, 3);
    assert_string_equal(m->section.rids[0], "q");
    assert_string_equal(m->section.rids[2], "f");
    assert_int_equal(m->section.codecs[0].codec, PAYLOAD_VP8);
    assert_true(m->section.codecs[0].rtx_pt && m->section.codecs[0].nack && m->section.codecs[0].pli);
    assert_int_equal(guest_count(bob, NOTE_UPDATE), 1);
    assert_string_equal(guest_sees_track(bob, t)->mime, "video/VP8");
    assert_int_equal(guest_count(alice, NOTE_UPDATE), 0);
    assert_int_equal(host_room(h)->publisher_count, 1);
    assert_int_equal(h->tracks_published, 1);
    assert_int_equal(guest_count(alice, NOTE_PUBLISHED), 1); /* never twice */
}

static void audio_comes_as_red_unless_that_is_switched_off(void **state)
{
    (void)state;
    struct track *mic = guest_publish(alice, "mic", SOURCE_MICROPHONE);
    assert_memory_equal(mic->sid, "TR_AM", 5);
    assert_string_equal(mic->mime, "audio/red");
    assert_int_equal(host_media(h, mic->id)->section.codecs[0].codec, PAYLOAD_RED);
    struct track_desc d = guest_desc("music", SOURCE_SCREEN_SHARE_AUDIO);
    d.disable_red = d.stereo = d.disable_dtx = true;
    assert_int_equal(participant_add_track(alice->p, &d, NULL), REQUEST_OK);
    guest_send(alice, "music", TRACK_AUDIO);
    guest_offer(alice);
    struct track *music = guest_track(alice, "music");
    assert_memory_equal(music->sid, "TR_As", 5);
    assert_string_equal(music->mime, "audio/opus");
    const struct sdp_media *m = sdp_media_find(alice->answer, music->mid);
    assert_non_null(strstr(m->codecs[0].fmtp, "stereo=1"));
    assert_null(strstr(m->codecs[0].fmtp, "usedtx"));
    m = sdp_media_find(alice->answer, mic->mid);
    assert_non_null(strstr(m->codecs[1].fmtp, "usedtx=1"));
    assert_null(strstr(m->codecs[1].fmtp, "stereo=1"));
    assert_string_equal(mic->mime, "audio/red"); /* still */
    /* encrypted frames are no RED of ours */
    d = guest_desc("secret", SOURCE_MICROPHONE);
    d.encryption = 1;
    assert_int_equal(participant_add_track(alice->p, &d, NULL), REQUEST_OK);
    guest_send(alice, "secret", TRACK_AUDIO);
    guest_offer(alice);
    assert_string_equal(guest_track(alice, "secret")->mime, "audio/opus");
    assert_true(host_media(h, guest_track(alice, "secret")->id)->encrypted);
    /* also when its section was answered before anybody knew */
    struct pc_section *s = guest_send(alice, "late", TRACK_AUDIO);
    guest_offer(alice);
    assert_int_equal(sdp_media_find(alice->answer, s->mid)->codecs[0].id, SDP_CODEC_RED);
    text_copy(d.cid, sizeof d.cid, "late");
    assert_int_equal(participant_add_track(alice->p, &d, NULL), REQUEST_OK);
    assert_string_equal(guest_track(alice, "late")->mime, "audio/opus");
    guest_offer(alice);
    assert_int_equal(sdp_media_find(alice->answer, s->mid)->codecs[0].id, SDP_CODEC_OPUS);
}

static void a_section_that_comes_first_is_parked(void **state)
{
    (void)state;
    guest_send(alice, "mic", TRACK_AUDIO);
    guest_send(alice, "cam", TRACK_VIDEO);
    guest_offer(alice);
    assert_int_equal(sdp_media_find(alice->answer, "8")->dir, SDP_RECVONLY);
    assert_int_equal(host_count(h, SFU_TRACK_ADD), 0);
    assert_int_equal(guest_announce(alice, "cam", SOURCE_CAMERA), REQUEST_OK);
    struct track *cam = guest_track(alice, "cam");
    assert_true(cam->published);
    assert_string_equal(cam->mid, "8");
    assert_int_equal(host_count(h, SFU_TRACK_ADD), 1);
    assert_non_null(guest_sees_track(bob, cam));
    assert_int_equal(guest_announce(alice, "mic", SOURCE_MICROPHONE), REQUEST_OK);
    assert_string_equal(guest_track(alice, "mic")->mid, "7");
}

static void names_decide_not_the_order(void **state)
{
    (void)state;
    guest_announce(alice, "one", SOURCE_CAMERA);
    guest_announce(alice, "two", SOURCE_SCREEN_SHARE);
    guest_send(alice, "two", TRACK_VIDEO);
    guest_send(alice, "one", TRACK_VIDEO);
    guest_offer(alice);
    assert_string_equal(guest_track(alice, "two")->mid, "7");
    assert_string_equal(guest_track(alice, "one")->mid, "8");
    /* the same for sections that came first */
    guest_send(alice, "three", TRACK_VIDEO);
    guest_send(alice, "four", TRACK_VIDEO);
    guest_offer(alice);
    guest_announce(alice, "four", SOURCE_CAMERA);
    guest_announce(alice, "three", SOURCE_CAMERA);
    assert_string_equal(guest_track(alice, "three")->mid, "9");
    assert_string_equal(guest_track(alice, "four")->mid, "10");
}

static void an_unknown_name_gets_the_first_announcement_of_its_kind(void **state)
{
    (void)state;
    guest_announce(alice, "mic", SOURCE_MICROPHONE);
    guest_announce(alice, "cam", SOURCE_CAMERA);
    guest_announce(alice, "screen", SOURCE_SCREEN_SHARE);
    guest_send(alice, "{renamed}", TRACK_VIDEO);
    guest_offer(alice);
    struct track *t = guest_track(alice, "cam");
    assert_true(t->published);
    assert_string_equal(t->desc.codecs[0].sdp_cid, "{renamed}");
    assert_false(guest_track(alice, "screen")->published);
    assert_false(guest_track(alice, "mic")->published);
    guest_offer(alice); /* the same once more changes nothing */
    assert_ptr_equal(guest_track(alice, "cam"), t);
    assert_false(guest_track(alice, "screen")->published);
    assert_int_equal(guest_count(bob, NOTE_UPDATE), 1);
    guest_announce(alice, "another", SOURCE_CAMERA); /* whose section is still to come */
    assert_false(guest_track(alice, "another")->published);
}

static void the_same_id_waits_for_its_turn(void **state)
{
    (void)state;
    struct track *first = guest_publish(alice, "cam", SOURCE_CAMERA);
    char sid[ROOM_SID_MAX];
    memcpy(sid, first->sid, sizeof sid);
    guest_clear(alice);
    assert_int_equal(guest_announce(alice, "cam", SOURCE_CAMERA), REQUEST_QUEUED);
    assert_int_equal(guest_count(alice, NOTE_PUBLISHED), 0);
    guest_offer(alice); /* the section of the first is not for the second */
    assert_string_equal(guest_track(alice, "cam")->sid, sid);
    guest_unpublish(alice, "cam");
    assert_string_equal(guest_text(alice, NOTE_PUBLISHED), "cam");
    struct track *second = guest_track(alice, "cam");
    assert_string_not_equal(second->sid, sid);
    assert_false(second->published);
    guest_send(alice, "cam", TRACK_VIDEO);
    guest_offer(alice);
    assert_true(second->published);
    assert_int_equal(guest_count(alice, NOTE_PUBLISHED), 1);
}

static void two_announcements_of_one_id_before_any_section(void **state)
{
    (void)state;
    assert_int_equal(guest_announce(alice, "cam", SOURCE_CAMERA), REQUEST_OK);
    assert_int_equal(guest_announce(alice, "cam", SOURCE_CAMERA), REQUEST_QUEUED);
    guest_send(alice, "cam", TRACK_VIDEO);
    guest_send(alice, "cam", TRACK_VIDEO);
    guest_offer(alice);
    assert_int_equal(host_live(h, MEDIA_TRACK), 1);
    assert_int_equal(guest_count(alice, NOTE_PUBLISHED), 1);
    alice->pub.sections[7].sends = false; /* the first ends: the second section was there all along */
    guest_offer(alice);
    assert_int_equal(guest_count(alice, NOTE_PUBLISHED), 2);
    assert_int_equal(host_live(h, MEDIA_TRACK), 1);
    assert_string_equal(guest_track(alice, "cam")->mid, "8");
}

static void a_section_that_stops_sending_ends_its_track(void **state)
{
    (void)state;
    struct track *cam = guest_publish(alice, "cam", SOURCE_CAMERA);
    guest_publish(alice, "mic", SOURCE_MICROPHONE);
    char sid[ROOM_SID_MAX];
    memcpy(sid, cam->sid, sizeof sid);
    guest_clear(bob);
    host_mark(h);
    guest_unpublish(alice, "cam");
    assert_null(guest_track(alice, "cam"));
    assert_int_equal(host_count(h, SFU_TRACK_REMOVE), 1);
    assert_int_equal(guest_count(bob, NOTE_UPDATE), 1);
    assert_int_equal(guest_sees(bob, "alice")->track_count, 1);
    assert_int_equal(guest_count(alice, NOTE_UNPUBLISHED), 0); /* it knows */
    assert_int_equal(h->tracks_unpublished, 1);
    assert_true(alice->p->is_publisher); /* was one */
    /* a stopped section, too */
    guest_clear(bob);
    pc_sender(&alice->pub, "mic")->stopped = true;
    guest_offer(alice);
    assert_int_equal(guest_sees(bob, "alice")->track_count, 0);
}

static void a_section_that_sends_again_needs_a_new_announcement(void **state)
{
    (void)state;
    guest_publish(alice, "cam", SOURCE_CAMERA);
    struct pc_section *s = pc_sender(&alice->pub, "cam");
    guest_unpublish(alice, "cam");
    host_mark(h);
    s->sends = true;
    text_copy(s->cid, sizeof s->cid, "cam2");
    guest_offer(alice);
    assert_int_equal(host_count(h, SFU_TRACK_ADD), 0);
    assert_int_equal(guest_announce(alice, "cam2", SOURCE_CAMERA), REQUEST_OK);
    assert_true(guest_track(alice, "cam2")->published);
    assert_string_equal(guest_track(alice, "cam2")->mid, s->mid);
}

static void another_announced_track_in_a_section_replaces_the_first(void **state)
{
    (void)state;
    struct track *cam = guest_publish(alice, "cam", SOURCE_CAMERA);
    uint32_t id = cam->id;
    guest_clear(bob);
    guest_announce(alice, "screen", SOURCE_SCREEN_SHARE);
    struct pc_section *s = pc_sender(&alice->pub, "cam");
    text_copy(s->cid, sizeof s->cid, "screen");
    guest_offer(alice);
    assert_null(guest_track(alice, "cam"));
    assert_false(host_media(h, id)->live);
    struct track *screen = guest_track(alice, "screen");
    assert_true(screen->published);
    assert_string_equal(screen->mid, s->mid);
    assert_int_equal(guest_sees(bob, "alice")->track_count, 1);
    /* a new name that nobody announced is the same track */
    text_copy(s->cid, sizeof s->cid, "whatever");
    guest_offer(alice);
    assert_ptr_equal(guest_track(alice, "screen"), screen);
    assert_true(host_media(h, screen->id)->live);
}

static void layers_get_their_rids_and_indices(void **state)
{
    (void)state;
    struct track_desc d = guest_desc("two", SOURCE_CAMERA);
    d.layer_count = 2;
    d.layers[0].quality = QUALITY_LOW;
    d.layers[1].quality = QUALITY_HIGH;
    assert_int_equal(participant_add_track(alice->p, &d, NULL), REQUEST_OK);
    struct track *t = guest_track(alice, "two");
    assert_string_equal(t->desc.layers[0].rid, "q");
    assert_string_equal(t->desc.layers[1].rid, "h");
    assert_int_equal(t->desc.layers[1].spatial_layer, 1);
    assert_string_equal(t->desc.codecs[0].layers[1].rid, "h");
    assert_int_equal(t->desc.codecs[0].layer_mode, 1);
    /* highest first, and a codec of several layers in one stream */
    d = guest_desc("svc", SOURCE_CAMERA);
    for (uint8_t i = 0; i < 3; i++)
        d.layers[i].quality = (uint8_t)(2 - i);
    text_copy(d.codecs[0].mime, sizeof d.codecs[0].mime, "video/VP9");
    assert_int_equal(participant_add_track(alice->p, &d, NULL), REQUEST_OK);
    t = guest_track(alice, "svc");
    assert_string_equal(t->desc.layers[0].rid, "f");
    assert_int_equal(t->desc.layers[0].spatial_layer, 2);
    assert_int_equal(t->desc.layers[2].spatial_layer, 0);
    assert_int_equal(t->desc.codecs[0].layer_mode, 2);
    /* a single one, of a track that names no codec */
    d = guest_desc("one", SOURCE_CAMERA);
    d.layer_count = 1;
    d.layers[0].quality = QUALITY_HIGH;
    text_copy(d.layers[0].rid, sizeof d.layers[0].rid, "2");
    d.codec_count = 0;
    memset(d.codecs, 0, sizeof d.codecs);
    assert_int_equal(participant_add_track(alice->p, &d, NULL), REQUEST_OK);
    t = guest_track(alice, "one");
    assert_string_equal(t->desc.layers[0].rid, "2");
    assert_int_equal(t->desc.layers[0].spatial_layer, 0);
    assert_int_equal(t->desc.codec_count, 1);
    assert_string_equal(t->desc.codecs[0].cid, "one");
    assert_string_equal(t->desc.codecs[0].mime, "");
}

static void the_announced_codec_is_answered_first(void **state)
{
    (void)state;
    struct track_desc d = guest_desc("cam", SOURCE_CAMERA);
    text_copy(d.codecs[0].mime, sizeof d.codecs[0].mime, "video/h264");
    assert_int_equal(participant_add_track(alice->p, &d, NULL), REQUEST_OK);
    guest_send(alice, "cam", TRACK_VIDEO)->rids = 1;
    guest_offer(alice);
    struct track *t = guest_track(alice, "cam");
    assert_string_equal(t->mime, "video/H264");
    assert_false(t->simulcast);
    const struct media *m = host_media(h, t->id);
    assert_int_equal(m->section.codecs[0].codec, PAYLOAD_H264);
    assert_int_equal(m->section.rid_count, 0);
    assert_int_equal(m->section.ssrc_count, 1);
    assert_int_equal(m->section.ssrcs[0].rtx, m->section.ssrcs[0].ssrc + 1);
    /* what the client lacks is replaced */
    d = guest_desc("other", SOURCE_CAMERA);
    text_copy(d.codecs[0].mime, sizeof d.codecs[0].mime, "video/AV1");
    assert_int_equal(participant_add_track(alice->p, &d, NULL), REQUEST_OK);
    guest_send(alice, "other", TRACK_VIDEO)->without = PC_AV1;
    guest_offer(alice);
    assert_string_equal(guest_track(alice, "other")->mime, "video/VP8");
    assert_string_equal(guest_track(alice, "other")->desc.codecs[0].mime, "video/VP8");
}

static void each_of_several_is_answered_its_own_codec(void **state)
{
    (void)state;
    static const char *const mimes[] = {"video/VP9", "video/H264"}, *const cids[] = {"nine", "h264"};
    for (int i = 0; i < 2; i++) {
        struct track_desc d = guest_desc(cids[i], SOURCE_CAMERA);
        text_copy(d.codecs[0].mime, sizeof d.codecs[0].mime, mimes[i]);
        assert_int_equal(participant_add_track(alice->p, &d, NULL), REQUEST_OK);
    }
    guest_send(alice, "h264", TRACK_VIDEO); /* not in the order of the announcements */
    guest_send(alice, "nine", TRACK_VIDEO);
    guest_offer(alice);
    assert_string_equal(guest_track(alice, "nine")->mime, "video/VP9");
    assert_string_equal(guest_track(alice, "h264")->mime, "video/H264");
    guest_offer(alice);
    assert_string_equal(guest_track(alice, "h264")->mime, "video/H264");
}

static void firefox_is_answered_one_codec(void **state)
{
    (void)state;
    struct guest_options o = guest_options("fox");
    o.firefox = true;
    struct guest *fox = guest_enter_with(h, &o);
    struct track *cam = guest_publish(fox, "{cam}", SOURCE_CAMERA);
    const struct sdp_media *m = sdp_media_find(fox->answer, cam->mid);
    for (unsigned i = 0; i < m->n_codecs; i++)
        assert_true(m->codecs[i].id == SDP_CODEC_VP8 || m->codecs[i].id == SDP_CODEC_RTX);
    assert_int_equal(host_media(h, cam->id)->section.rid_count, 3);
    struct track *mic = guest_publish(fox, "{mic}", SOURCE_MICROPHONE);
    assert_string_equal(mic->mime, "audio/opus");
}

static void a_backup_codec_joins_its_track(void **state)
{
    (void)state;
    struct track_desc d = guest_desc("cam", SOURCE_CAMERA);
    text_copy(d.codecs[0].mime, sizeof d.codecs[0].mime, "video/VP9");
    text_copy(d.codecs[1].mime, sizeof d.codecs[1].mime, "video/VP8"); /* no cid yet */
    d.codec_count = 2;
    assert_int_equal(participant_add_track(alice->p, &d, NULL), REQUEST_OK);
    guest_send(alice, "cam", TRACK_VIDEO);
    guest_offer(alice);
    struct track *cam = guest_track(alice, "cam");
    assert_string_equal(cam->mime, "video/VP9");
    int64_t version = cam->version_us;
    guest_clear(alice);
    struct track_desc backup = guest_desc("backup", SOURCE_CAMERA);
    backup.codecs[0].layer_count = 0;
    assert_int_equal(participant_add_track(alice->p, &backup, "TR_unknown"), REQUEST_NOT_FOUND);
    assert_int_equal(participant_add_track(alice->p, &backup, cam->sid), REQUEST_OK);
    assert_string_equal(guest_text(alice, NOTE_PUBLISHED), "backup");
    assert_int_equal(cam->desc.codec_count, 2);
    assert_string_equal(cam->desc.codecs[1].cid, "backup");
    assert_string_equal(cam->desc.codecs[1].layers[2].rid, "f");
    assert_true(cam->version_us > version);
    /* its section is no track of its own, and nobody else's */
    host_mark(h);
    guest_send(alice, "backup", TRACK_VIDEO);
    guest_offer(alice);
    guest_announce(alice, "screen", SOURCE_SCREEN_SHARE);
    guest_offer(alice);
    assert_false(guest_track(alice, "screen")->published);
    assert_int_equal(host_live(h, MEDIA_TRACK), 2);
    assert_int_equal(host_media(h, track_private(cam)->media[1].id)->section.codecs[0].codec, PAYLOAD_VP8);
    assert_string_equal(cam->desc.codecs[1].mid, "8");
    /* a third and no fourth codec */
    text_copy(backup.codecs[0].mime, sizeof backup.codecs[0].mime, "video/H264");
    assert_int_equal(participant_add_track(alice->p, &backup, cam->sid), REQUEST_OK);
    text_copy(backup.codecs[0].mime, sizeof backup.codecs[0].mime, "video/AV1");
    assert_int_equal(participant_add_track(alice->p, &backup, cam->sid), REQUEST_LIMIT_EXCEEDED);
}

static void announcements_are_bounded(void **state)
{
    (void)state;
    char cid[16];
    assert_int_equal(guest_announce(alice, "", SOURCE_CAMERA), REQUEST_INVALID_REQUEST);
    for (int i = 0; i < ROOM_PENDING_TRACKS_MAX; i++) {
        snprintf(cid, sizeof cid, "t%d", i);
        assert_int_equal(guest_announce(alice, cid, SOURCE_CAMERA), REQUEST_OK);
    }
    assert_int_equal(guest_announce(alice, "more", SOURCE_CAMERA), REQUEST_LIMIT_EXCEEDED);
    h->cfg.limits.tracks_max = 2;
    guest_publish(bob, "a", SOURCE_MICROPHONE);
    guest_publish(bob, "b", SOURCE_MICROPHONE);
    assert_int_equal(guest_announce(bob, "c", SOURCE_MICROPHONE), REQUEST_LIMIT_EXCEEDED);
    guest_unpublish(bob, "a");
    assert_int_equal(guest_announce(bob, "c", SOURCE_MICROPHONE), REQUEST_OK);
}

static void a_sender_and_receiver_in_one_section(void **state)
{
    (void)state;
    unsigned i = pc_add(&alice->pub, SDP_KIND_AUDIO, true, true);
    text_copy(alice->pub.sections[i].cid, PC_ID_MAX, "mic");
    text_copy(alice->pub.sections[i].stream, PC_ID_MAX, "s");
    guest_announce(alice, "mic", SOURCE_MICROPHONE);
    guest_offer(alice);
    assert_true(guest_track(alice, "mic")->published);
    assert_int_equal(alice->answer->media[i].dir, SDP_RECVONLY);
    alice->pub.sections[i].sends = false; /* from now on it can carry something of ours */
    guest_offer(alice);
    assert_null(guest_track(alice, "mic"));
    assert_int_equal(alice->answer->media[i].dir, SDP_INACTIVE);
}

static void two_connections_publish_alike(void **state)
{
    (void)state;
    struct guest_options o = guest_options("carol");
    o.two_connections = true;
    struct guest *carol = guest_enter_with(h, &o);
    struct track *cam = guest_publish(carol, "cam", SOURCE_CAMERA);
    assert_int_equal(host_media(h, cam->id)->peer, carol->p->publisher->number);
    assert_non_null(guest_sees_track(bob, cam));
    guest_unpublish(carol, "cam");
    assert_null(guest_track(carol, "cam"));
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, two_guests, host_end)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(a_track_is_published_when_its_section_is_negotiated),
        TEST(audio_comes_as_red_unless_that_is_switched_off),
        TEST(a_section_that_comes_first_is_parked),
        TEST(names_decide_not_the_order),
        TEST(an_unknown_name_gets_the_first_announcement_of_its_kind),
        TEST(the_same_id_waits_for_its_turn),
        TEST(two_announcements_of_one_id_before_any_section),
        TEST(a_section_that_stops_sending_ends_its_track),
        TEST(a_section_that_sends_again_needs_a_new_announcement),
        TEST(another_announced_track_in_a_section_replaces_the_first),
        TEST(layers_get_their_rids_and_indices),
        TEST(the_announced_codec_is_answered_first),
        TEST(each_of_several_is_answered_its_own_codec),
        TEST(firefox_is_answered_one_codec),
        TEST(a_backup_codec_joins_its_track),
        TEST(announcements_are_bounded),
        TEST(a_sender_and_receiver_in_one_section),
        TEST(two_connections_publish_alike),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
