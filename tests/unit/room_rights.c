/* What a participant may do and say of itself: permissions, muting, metadata; and who hears of it. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>
#include <errno.h>
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

/* ---- publishing ---- */

static void only_permitted_sources_are_taken(void **state)
{
    (void)state;
    struct guest_options o = guest_options("carol");
    o.permission.publish_sources = 1u << SOURCE_MICROPHONE;
    struct guest *carol = guest_enter_with(h, &o);
    assert_int_equal(guest_announce(carol, "cam", SOURCE_CAMERA), REQUEST_NOT_ALLOWED);
    assert_int_equal(guest_count(carol, NOTE_PUBLISHED), 0);
    assert_non_null(guest_publish(carol, "mic", SOURCE_MICROPHONE));
    o = guest_options("dave");
    o.permission.can_publish = false;
    struct guest *dave = guest_enter_with(h, &o);
    assert_int_equal(guest_announce(dave, "mic", SOURCE_MICROPHONE), REQUEST_NOT_ALLOWED);
    struct pc_section *s = guest_send(dave, "mic", TRACK_AUDIO);
    guest_offer(dave);
    assert_int_equal(sdp_media_find(dave->answer, s->mid)->dir, SDP_INACTIVE);
}

static void a_permission_that_is_taken_away_ends_tracks(void **state)
{
    (void)state;
    struct track *cam = guest_publish(alice, "cam", SOURCE_CAMERA);
    struct track *mic = guest_publish(alice, "mic", SOURCE_MICROPHONE);
    guest_announce(alice, "screen", SOURCE_SCREEN_SHARE);
    host_settle(h);
    assert_non_null(guest_receives(bob, cam));
    guest_clear(alice);
    guest_clear(bob);
    struct permission p = alice->p->permission;
    p.publish_sources = 1u << SOURCE_MICROPHONE;
    participant_set_permission(alice->p, &p);
    assert_int_equal(guest_count(alice, NOTE_UNPUBLISHED), 2); /* the announced one as well */
    assert_int_equal(guest_count(alice, NOTE_CLAIMS), 1);
    assert_string_equal(guest_text(alice, NOTE_UPDATE), "alice ACTIVE");
    assert_null(guest_track(alice, "cam"));
    assert_null(guest_track(alice, "screen"));
    assert_int_equal(guest_sees(bob, "alice")->track_count, 1);
    assert_non_null(guest_receives(bob, mic));
    assert_int_equal(host_live(h, MEDIA_SUB), 1);
    /* the client goes on sending until its next offer: that is nobody else's track */
    p.publish_sources = 1u << SOURCE_MICROPHONE | 1u << SOURCE_SCREEN_SHARE;
    participant_set_permission(alice->p, &p);
    assert_int_equal(guest_announce(alice, "screen", SOURCE_SCREEN_SHARE), REQUEST_OK);
    assert_false(guest_track(alice, "screen")->published);
    pc_sender(&alice->pub, "cam")->sends = false;
    guest_send(alice, "screen", TRACK_VIDEO);
    guest_offer(alice);
    assert_true(guest_track(alice, "screen")->published);
    /* all gone at once */
    p.can_publish = false;
    participant_set_permission(alice->p, &p);
    assert_int_equal(host_live(h, MEDIA_TRACK), 0);
    guest_offer(alice);
    for (unsigned i = 0; i < alice->answer->n_media; i++)
        assert_true(
            alice->answer->media[i].kind > SDP_KIND_VIDEO || !(alice->answer->media[i].dir & SDP_RECVONLY));
}

static void subscribing_can_be_taken_away_and_given_back(void **state)
{
    (void)state;
    struct track *cam = guest_publish(alice, "cam", SOURCE_CAMERA);
    host_settle(h);
    struct permission p = bob->p->permission, none = p;
    none.can_subscribe = false;
    participant_set_permission(bob->p, &none);
    assert_null(guest_receives(bob, cam));
    host_settle(h);
    assert_null(guest_section(bob, cam));
    participant_set_permission(bob->p, &p);
    host_settle(h);
    assert_non_null(guest_receives(bob, cam));
}

/* ---- muting ---- */

static void muting_is_told_to_all(void **state)
{
    (void)state;
    struct track *cam = guest_publish(alice, "cam", SOURCE_CAMERA);
    host_settle(h);
    guest_clear(alice);
    guest_clear(bob);
    assert_int_equal(participant_mute_track(alice->p, cam->sid, true), REQUEST_OK);
    assert_true(host_media(h, cam->id)->muted);
    assert_true(guest_sees_track(alice, cam)->muted); /* the publisher, too */
    assert_true(guest_sees_track(bob, cam)->muted);
    assert_int_equal(participant_mute_track(alice->p, cam->sid, true), REQUEST_OK);
    assert_int_equal(guest_count(bob, NOTE_UPDATE), 1); /* nothing new */
    assert_int_equal(participant_mute_track(alice->p, cam->sid, false), REQUEST_OK);
    assert_false(host_media(h, cam->id)->muted);
    assert_false(guest_sees_track(bob, cam)->muted);
    assert_int_equal(participant_mute_track(alice->p, "TR_other", true), REQUEST_NOT_FOUND);
    assert_int_equal(participant_mute_track(bob->p, cam->sid, true), REQUEST_NOT_FOUND);
    assert_int_equal(guest_count(alice, NOTE_MUTE), 0);
}

static void a_track_can_be_muted_before_it_is_published(void **state)
{
    (void)state;
    struct track_desc d = guest_desc("mic", SOURCE_MICROPHONE);
    d.muted = true;
    participant_add_track(alice->p, &d, NULL);
    guest_announce(alice, "cam", SOURCE_CAMERA);
    assert_int_equal(participant_mute_track(alice->p, guest_track(alice, "cam")->sid, true), REQUEST_OK);
    guest_send(alice, "mic", TRACK_AUDIO);
    guest_send(alice, "cam", TRACK_VIDEO);
    guest_offer(alice);
    assert_true(host_media(h, guest_track(alice, "mic")->id)->muted);
    assert_true(host_media(h, guest_track(alice, "cam")->id)->muted);
    assert_true(guest_sees_track(bob, guest_track(alice, "mic"))->muted);
}

static void an_administrator_mutes_by_asking_the_client(void **state)
{
    (void)state;
    struct track *mic = guest_publish(alice, "mic", SOURCE_MICROPHONE);
    assert_int_equal(participant_admin_mute(alice->p, "TR_other", true), REQUEST_NOT_FOUND);
    assert_int_equal(participant_admin_mute(alice->p, mic->sid, true), REQUEST_OK);
    assert_string_equal(guest_text(alice, NOTE_MUTE), "mic 1");
    assert_true(host_media(h, mic->id)->muted);
    assert_true(guest_sees_track(bob, mic)->muted);
    assert_int_equal(participant_mute_track(alice->p, mic->sid, true), REQUEST_OK); /* the echo */
    assert_true(host_media(h, mic->id)->muted);
    assert_int_equal(participant_mute_track(alice->p, mic->sid, false), REQUEST_OK); /* its own wish */
    assert_false(host_media(h, mic->id)->muted);
    assert_false(mic->server_muted);
}

static void versions_grow_when_the_wall_clock_does_not(void **state)
{
    (void)state;
    struct track *cam = guest_publish(alice, "cam", SOURCE_CAMERA);
    int64_t version = cam->version_us, room_version = host_room(h)->version_us;
    for (int i = 0; i < 6; i++) {
        h->wall_us -= S(3600);
        participant_mute_track(alice->p, cam->sid, i % 2 == 0); /* guests check what they see */
        assert_true(cam->version_us > version);
        version = cam->version_us;
        room_set_metadata(host_room(h), "again");
        assert_true(host_room(h)->version_us > room_version);
        room_version = host_room(h)->version_us;
    }
}

/* ---- descriptions of tracks and participants ---- */

static void features_and_dimensions_are_told(void **state)
{
    (void)state;
    struct track *mic = guest_publish(alice, "mic", SOURCE_MICROPHONE);
    struct track *cam = guest_publish(alice, "cam", SOURCE_CAMERA);
    const uint8_t features[] = {0, 3}, many[TRACK_FEATURES_MAX + 1] = {0};
    assert_int_equal(participant_update_audio(alice->p, mic->sid, features, 2), REQUEST_OK);
    assert_true(mic->desc.stereo);
    assert_false(mic->desc.disable_dtx);
    assert_int_equal(mic->desc.feature_count, 2);
    assert_int_equal(
        participant_update_audio(alice->p, mic->sid, many, sizeof many), REQUEST_INVALID_REQUEST);
    assert_int_equal(participant_update_audio(alice->p, cam->sid, features, 2), REQUEST_INVALID_REQUEST);
    assert_int_equal(participant_update_audio(alice->p, "TR_x", features, 2), REQUEST_NOT_FOUND);
    assert_int_equal(participant_update_video(alice->p, cam->sid, 640, 480), REQUEST_OK);
    assert_int_equal(guest_sees_track(bob, cam)->width, 640);
    assert_int_equal(guest_sees_track(alice, cam)->width, 640);
    assert_int_equal(participant_update_video(alice->p, mic->sid, 640, 480), REQUEST_INVALID_REQUEST);
    assert_int_equal(participant_update_video(alice->p, "TR_x", 640, 480), REQUEST_NOT_FOUND);
}

static struct attribute pair(const char *key, const char *value)
{
    return (struct attribute){.key = (char *)(uintptr_t)key, .value = (char *)(uintptr_t)value};
}

static void own_metadata_changes_come_back(void **state)
{
    (void)state;
    struct attribute a[] = {pair("k", "v"), pair("l", "w")};
    assert_int_equal(participant_update_metadata(alice->p, "Alice", "m", a, 2), REQUEST_OK);
    assert_string_equal(guest_sees(alice, "alice")->name, "Alice"); /* clients wait for this */
    assert_string_equal(guest_sees(bob, "alice")->metadata, "m");
    assert_int_equal(guest_count(alice, NOTE_CLAIMS), 1);
    /* nothing said is nothing changed; an empty value deletes */
    struct attribute del = pair("k", "");
    assert_int_equal(participant_update_metadata(alice->p, "", NULL, &del, 1), REQUEST_OK);
    assert_string_equal(alice->p->name, "Alice");
    assert_string_equal(alice->p->metadata, "m");
    assert_null(attributes_get(&alice->p->attributes, "k"));
    assert_string_equal(attributes_get(&alice->p->attributes, "l"), "w");
    assert_int_equal(alice->p->attributes.n, 1);
}

static void metadata_needs_a_permission_and_has_limits(void **state)
{
    (void)state;
    struct permission p = bob->p->permission;
    p.can_update_metadata = false;
    participant_set_permission(bob->p, &p);
    guest_clear(alice);
    assert_int_equal(participant_update_metadata(bob->p, "Bob", NULL, NULL, 0), REQUEST_NOT_ALLOWED);
    assert_int_equal(guest_count(alice, NOTE_UPDATE), 0);
    h->cfg.limits.name_bytes = h->cfg.limits.metadata_bytes = 4;
    h->cfg.limits.attributes_bytes = 8;
    assert_int_equal(participant_update_metadata(alice->p, "12345", NULL, NULL, 0), REQUEST_LIMIT_EXCEEDED);
    assert_int_equal(participant_update_metadata(alice->p, NULL, "12345", NULL, 0), REQUEST_LIMIT_EXCEEDED);
    struct attribute four[] = {pair("k", "123"), pair("l", "123")};
    assert_int_equal(participant_update_metadata(alice->p, "1234", "1234", four, 2), REQUEST_OK);
    struct attribute more = pair("m", "");
    assert_int_equal(
        participant_update_metadata(alice->p, NULL, NULL, &more, 1), REQUEST_OK); /* none there */
    more = pair("k", "1234");
    assert_int_equal(participant_update_metadata(alice->p, "no", NULL, &more, 1), REQUEST_LIMIT_EXCEEDED);
    assert_string_equal(alice->p->name, "1234"); /* all or nothing */
    struct attribute swap[] = {pair("k", ""), pair("n", "123")};
    assert_int_equal(participant_update_metadata(alice->p, NULL, NULL, swap, 2), REQUEST_OK);
    assert_string_equal(attributes_get(&alice->p->attributes, "n"), "123");
    assert_int_equal(attributes_bytes(&alice->p->attributes), 8);
    /* a key named twice counts once */
    struct attribute twice[] = {pair("n", ""), pair("l", "1"), pair("n", "12345")};
    assert_int_equal(participant_update_metadata(alice->p, NULL, NULL, twice, 3), REQUEST_OK);
    assert_int_equal(attributes_bytes(&alice->p->attributes), 8);
    struct attribute grow[] = {pair("n", "1"), pair("n", "1234567")};
    assert_int_equal(participant_update_metadata(alice->p, NULL, NULL, grow, 2), REQUEST_LIMIT_EXCEEDED);
}

static void there_are_only_so_many_attributes(void **state)
{
    (void)state;
    struct attribute list[ROOM_ATTRIBUTES_MAX + 1];
    char keys[ROOM_ATTRIBUTES_MAX + 1][8];
    for (int i = 0; i <= ROOM_ATTRIBUTES_MAX; i++) {
        snprintf(keys[i], sizeof keys[i], "k%d", i);
        list[i] = pair(keys[i], "v");
    }
    assert_int_equal(participant_update_metadata(alice->p, NULL, NULL, list, ROOM_ATTRIBUTES_MAX + 1),
        REQUEST_LIMIT_EXCEEDED);
    assert_int_equal(
        participant_update_metadata(alice->p, NULL, NULL, list, ROOM_ATTRIBUTES_MAX), REQUEST_OK);
    assert_int_equal(participant_update_metadata(alice->p, NULL, NULL, &list[ROOM_ATTRIBUTES_MAX], 1),
        REQUEST_LIMIT_EXCEEDED);
    struct guest_options o = guest_options("carol");
    struct guest *carol;
    o.attributes = list;
    o.attribute_count = ROOM_ATTRIBUTES_MAX + 1;
    assert_int_equal(guest_try(h, &o, &carol), -ENAMETOOLONG);
}

static void who_becomes_hidden_leaves_the_others(void **state)
{
    (void)state;
    struct track *cam = guest_publish(alice, "cam", SOURCE_CAMERA);
    host_settle(h);
    assert_non_null(guest_receives(bob, cam));
    guest_clear(bob);
    struct permission p = alice->p->permission;
    p.hidden = true;
    participant_set_permission(alice->p, &p);
    assert_string_equal(guest_text(bob, NOTE_UPDATE), "alice DISCONNECTED");
    assert_int_equal(guest_count(bob, NOTE_UPDATE), 1);
    assert_null(guest_receives(bob, cam));
    assert_int_equal(host_room(h)->participant_count, 1);
    assert_int_equal(alice->p->state, PARTICIPANT_ACTIVE);
    participant_mute_track(alice->p, cam->sid, true); /* nobody hears of it */
    assert_int_equal(guest_count(bob, NOTE_UPDATE), 1);
    guest_lose_socket(bob);
    guest_resume(bob);
    assert_null(guest_sees(bob, "alice"));
    p.hidden = false;
    participant_set_permission(alice->p, &p);
    assert_string_equal(guest_text(bob, NOTE_UPDATE), "alice ACTIVE");
    host_settle(h);
    assert_non_null(guest_receives(bob, cam));
    assert_int_equal(host_room(h)->participant_count, 2);
    guest_clear(bob);
    guest_lose_socket(bob);
    guest_resume(bob);
    assert_string_equal(
        guest_text(bob, NOTE_UPDATE), "alice ACTIVE, bob ACTIVE"); /* no word of her leaving */
    assert_int_equal(guest_count(bob, NOTE_UPDATE), 1);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, two_guests, host_end)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(only_permitted_sources_are_taken),
        TEST(a_permission_that_is_taken_away_ends_tracks),
        TEST(subscribing_can_be_taken_away_and_given_back),
        TEST(muting_is_told_to_all),
        TEST(a_track_can_be_muted_before_it_is_published),
        TEST(an_administrator_mutes_by_asking_the_client),
        TEST(versions_grow_when_the_wall_clock_does_not),
        TEST(features_and_dimensions_are_told),
        TEST(own_metadata_changes_come_back),
        TEST(metadata_needs_a_permission_and_has_limits),
        TEST(there_are_only_so_many_attributes),
        TEST(who_becomes_hidden_leaves_the_others),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
