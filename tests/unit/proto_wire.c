/* Messages from and to the wire: what is refused, with which error, and what survives. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include "base/limits.h"
#include "proto/codec.h"
#include "proto/data.pb-c.h"
#include "proto/private.h"
#include "proto/room_service.pb-c.h"
#include "proto/signal.pb-c.h"

#define MAX (2 * 1024 * 1024)

/* The result of unpacking bytes given as a C string literal. */
#define UNPACK(type, bytes) unpack_result(&type, bytes, sizeof(bytes) - 1)

static int unpack_result(const ProtobufCMessageDescriptor *type, const char *data, size_t len)
{
    ProtobufCMessage *m = NULL;
    int err = proto_unpack(type, data, len, MAX, &m);
    assert_true(err == 0 ? m != NULL : m == NULL);
    proto_free(m);
    return err;
}

#define REQUEST  livekit__signal_request__descriptor
#define TRICKLE  livekit__trickle_request__descriptor
#define SETTINGS livekit__update_track_settings__descriptor
#define METADATA livekit__update_participant_metadata__descriptor

static void *take(const ProtobufCMessageDescriptor *type, const void *data, size_t len)
{
    ProtobufCMessage *m;
    assert_int_equal(proto_unpack(type, data, len, MAX, &m), 0);
    return m;
}

static void a_message_comes_back(void **state)
{
    (void)state;
    char first[] = "TR_a", none[] = "", last[] = "TR_c";
    char *sids[] = {first, none, last};
    Livekit__UpdateSubscription sub = LIVEKIT__UPDATE_SUBSCRIPTION__INIT;
    sub.track_sids = sids;
    sub.n_track_sids = 3;
    sub.subscribe = 1;
    Livekit__SignalRequest req = LIVEKIT__SIGNAL_REQUEST__INIT;
    req.message_case = LIVEKIT__SIGNAL_REQUEST__MESSAGE_SUBSCRIPTION;
    req.subscription = &sub;

    uint8_t *data;
    size_t len;
    assert_int_equal(proto_pack(&req.base, &data, &len), 0);
    Livekit__SignalRequest *back = take(&REQUEST, data, len);
    assert_int_equal(back->message_case, LIVEKIT__SIGNAL_REQUEST__MESSAGE_SUBSCRIPTION);
    assert_int_equal(back->subscription->n_track_sids, 3);
    assert_string_equal(back->subscription->track_sids[0], "TR_a");
    assert_string_equal(back->subscription->track_sids[1], "");
    assert_string_equal(back->subscription->track_sids[2], "TR_c");
    assert_true(back->subscription->subscribe);
    proto_free(&back->base);
    free(data);
}

static void an_empty_message_has_no_bytes(void **state)
{
    (void)state;
    Livekit__SignalRequest *m = take(&REQUEST, NULL, 0);
    assert_int_equal(m->message_case, LIVEKIT__SIGNAL_REQUEST__MESSAGE__NOT_SET);
    uint8_t *data;
    size_t len = 9;
    assert_int_equal(proto_pack(&m->base, &data, &len), 0);
    assert_non_null(data);
    assert_int_equal(len, 0);
    free(data);
    proto_free(&m->base);
    proto_free(NULL);
}

static void presence_survives(void **state)
{
    (void)state;
    /* topic: given and empty; start_time: given and 0; id and end_time: absent */
    static const uint8_t wire[] = {0x22, 0x00, 0x48, 0x00};
    Livekit__UserPacket *m = take(&livekit__user_packet__descriptor, wire, sizeof wire);
    assert_int_equal(m->has_topic_case, LIVEKIT__USER_PACKET__HAS_TOPIC_TOPIC);
    assert_string_equal(m->topic, "");
    assert_int_equal(m->has_start_time_case, LIVEKIT__USER_PACKET__HAS_START_TIME_START_TIME);
    assert_int_equal(m->has_id_case, 0);
    assert_int_equal(m->has_end_time_case, 0);
    uint8_t *data;
    size_t len;
    assert_int_equal(proto_pack(&m->base, &data, &len), 0);
    assert_int_equal(len, sizeof wire);
    assert_memory_equal(data, wire, len);
    free(data);
    proto_free(&m->base);
}

static void text_must_be_utf8_without_nul(void **state)
{
    (void)state;
    assert_int_equal(UNPACK(TRICKLE, "\x0a\x02\xc3\xa9"), 0);
    assert_int_equal(UNPACK(TRICKLE, "\x0a\x03"
                                     "a\0b"),
        -EILSEQ);
    assert_int_equal(UNPACK(TRICKLE, "\x0a\x01\0"), -EILSEQ);
    assert_int_equal(UNPACK(TRICKLE, "\x0a\x01\xff"), -EILSEQ);
    assert_int_equal(UNPACK(TRICKLE, "\x0a\x02\xc0\x80"), -EILSEQ);         /* overlong */
    assert_int_equal(UNPACK(TRICKLE, "\x0a\x03\xed\xa0\x80"), -EILSEQ);     /* surrogate */
    assert_int_equal(UNPACK(TRICKLE, "\x0a\x04\xf4\x90\x80\x80"), -EILSEQ); /* beyond U+10FFFF */
    assert_int_equal(UNPACK(TRICKLE, "\x0a\x02\xe2\x82"), -EILSEQ);         /* cut short */
}

static void text_is_checked_wherever_it_is(void **state)
{
    (void)state;
    assert_int_equal(UNPACK(SETTINGS, "\x0a\x01"
                                      "a\x0a\x01\xff"),
        -EILSEQ); /* repeated */
    assert_int_equal(UNPACK(METADATA, "\x1a\x06\x0a\x01\xff\x12\x01"
                                      "v"),
        -EILSEQ); /* a map's key */
    assert_int_equal(UNPACK(METADATA, "\x1a\x06\x0a\x01k\x12\x01\xff"), -EILSEQ);
    assert_int_equal(UNPACK(livekit__user_packet__descriptor, "\x22\x01\xff"), -EILSEQ); /* a oneof */
    assert_int_equal(UNPACK(REQUEST, "\x1a\x03\x0a\x01\xff"), -EILSEQ); /* inside a message */
    assert_int_equal(UNPACK(livekit__signal_response__descriptor, "\x82\x01\x01\xff"), -EILSEQ);
    /* a text that a later one replaces is still text that was sent */
    assert_int_equal(UNPACK(TRICKLE, "\x0a\x01\xff\x0a\x01"
                                     "a"),
        -EILSEQ);
}

static void bytes_hold_anything(void **state)
{
    (void)state;
    static const uint8_t wire[] = {0x12, 0x03, 0x00, 0xff, 0x00};
    Livekit__UserPacket *m = take(&livekit__user_packet__descriptor, wire, sizeof wire);
    assert_int_equal(m->payload.len, 3);
    assert_memory_equal(m->payload.data, wire + 2, 3);
    proto_free(&m->base);
}

static void the_callers_limit_counts(void **state)
{
    (void)state;
    ProtobufCMessage *m;
    static const uint8_t wire[] = {0x0a, 0x01, 'a'};
    assert_int_equal(proto_unpack(&TRICKLE, wire, 3, 2, &m), -EMSGSIZE);
    assert_int_equal(proto_unpack(&TRICKLE, wire, 3, 3, &m), 0);
    proto_free(m);
}

static void broken_fields_are_refused(void **state)
{
    (void)state;
    assert_int_equal(UNPACK(TRICKLE, "\x0a"), -EBADMSG); /* no length */
    assert_int_equal(UNPACK(TRICKLE, "\x0a\x02"
                                     "a"),
        -EBADMSG);                                                           /* too short */
    assert_int_equal(UNPACK(TRICKLE, "\x0a\xff\xff\xff\xff\x0f"), -EBADMSG); /* 4 GiB */
    assert_int_equal(UNPACK(TRICKLE, "\x0a\x81\x80\x80\x80\x80\x00"
                                     "a"),
        -EBADMSG); /* a length of six bytes */
    assert_int_equal(UNPACK(TRICKLE, "\x10"), -EBADMSG);
    assert_int_equal(UNPACK(TRICKLE, "\x10\x80"), -EBADMSG);
    assert_int_equal(UNPACK(TRICKLE, "\x10\x80\x80\x80\x80\x80\x80\x80\x80\x80\x80\x01"), -EBADMSG);
    assert_int_equal(UNPACK(TRICKLE, "\xa1\x06\x01\x02\x03\x04\x05\x06\x07"), -EBADMSG); /* 7 of 8 bytes */
    assert_int_equal(UNPACK(TRICKLE, "\xa5\x06\x01\x02\x03"), -EBADMSG);                 /* 3 of 4 bytes */
    assert_int_equal(UNPACK(TRICKLE, "\x80"), -EBADMSG);                                 /* half a key */
}

static void field_numbers_have_bounds(void **state)
{
    (void)state;
    assert_int_equal(UNPACK(TRICKLE, "\x00\x01"), -EBADMSG);
    assert_int_equal(
        UNPACK(TRICKLE, "\x80\x00\x01"), -EBADMSG); /* 0 in two bytes, which protobuf-c would take */
    assert_int_equal(UNPACK(TRICKLE, "\xf8\xff\xff\xff\x0f\x01"), 0); /* 2^29 - 1 */
    assert_int_equal(UNPACK(TRICKLE, "\x80\x80\x80\x80\x10\x01"), -EBADMSG);
    assert_int_equal(UNPACK(TRICKLE, "\x90\x80\x80\x80\x80\x00\x01"), -EBADMSG); /* 2 in six bytes */
}

static void wire_types_must_fit(void **state)
{
    (void)state;
    assert_int_equal(UNPACK(TRICKLE, "\x08\x01"), -EBADMSG);                           /* string as varint */
    assert_int_equal(UNPACK(TRICKLE, "\x12\x01\x01"), -EBADMSG);                       /* enum as bytes */
    assert_int_equal(UNPACK(TRICKLE, "\x1a\x01\x01"), -EBADMSG);                       /* bool as bytes */
    assert_int_equal(UNPACK(TRICKLE, "\x1d\x01\x01\x01\x01"), -EBADMSG);               /* bool as fixed */
    assert_int_equal(UNPACK(REQUEST, "\x08\x01"), -EBADMSG);                           /* message as varint */
    assert_int_equal(UNPACK(TRICKLE, "\x23\x24"), -EBADMSG);                           /* a group */
    assert_int_equal(UNPACK(TRICKLE, "\x26\x01"), -EBADMSG);                           /* no such type */
    assert_int_equal(UNPACK(livekit__speaker_info__descriptor, "\x10\x01"), -EBADMSG); /* float as varint */
}

static void a_message_field_given_twice_is_refused(void **state)
{
    (void)state;
    assert_int_equal(UNPACK(livekit__join_request__descriptor, "\x0a\x00\x12\x00"), 0);
    assert_int_equal(UNPACK(livekit__join_request__descriptor, "\x0a\x00\x0a\x00"), -EBADMSG);
    assert_int_equal(UNPACK(REQUEST, "\x0a\x00\x0a\x00"), -EBADMSG);
    assert_int_equal(UNPACK(livekit__join_request__descriptor, "\x2a\x00\x2a\x00"), 0); /* repeated */
}

static void the_last_of_a_oneof_counts(void **state)
{
    (void)state;
    static const uint8_t wire[] = {0x0a, 0x03, 0x0a, 0x01, 'o', 0x70, 0x07, 0x12, 0x03, 0x0a, 0x01, 'a'};
    Livekit__SignalRequest *m = take(&REQUEST, wire, sizeof wire); /* offer, ping, answer */
    assert_int_equal(m->message_case, LIVEKIT__SIGNAL_REQUEST__MESSAGE_ANSWER);
    assert_string_equal(m->answer->type, "a");
    proto_free(&m->base);

    static const uint8_t value[] = {0x12, 0x02, 'h', 'i', 0x22, 0x02, 0x00, 0x01, 0x12, 0x01, 'x'};
    Livekit__RpcResponse *r = take(&livekit__rpc_response__descriptor, value, sizeof value);
    assert_int_equal(r->value_case, LIVEKIT__RPC_RESPONSE__VALUE_PAYLOAD);
    assert_string_equal(r->payload, "x");
    proto_free(&r->base);
}

static void the_last_of_a_plain_field_counts(void **state)
{
    (void)state;
    static const uint8_t wire[] = {0x0a, 0x01, 'a', 0x18, 0x01, 0x0a, 0x01, 'b', 0x18, 0x00};
    Livekit__TrickleRequest *m = take(&TRICKLE, wire, sizeof wire);
    assert_string_equal(m->candidateinit, "b");
    assert_false(m->final);
    proto_free(&m->base);
}

static void numbers_come_packed_or_one_by_one(void **state)
{
    (void)state;
    static const uint8_t both[] = {0x4a, 0x02, 0x01, 0x02, 0x48, 0x03, 0x4a, 0x00};
    Livekit__ParticipantPermission *m = take(&livekit__participant_permission__descriptor, both, sizeof both);
    assert_int_equal(m->n_can_publish_sources, 3);
    for (int i = 0; i < 3; i++)
        assert_int_equal(m->can_publish_sources[i], i + 1);
    proto_free(&m->base);
    assert_int_equal(UNPACK(livekit__participant_permission__descriptor, "\x4a\x02\x01\x80"), -EBADMSG);
}

static void unknown_and_negative_enums_are_kept(void **state)
{
    (void)state;
    static const uint8_t wire[] = {0x10, 0xfd, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x01};
    Livekit__TrickleRequest *m = take(&TRICKLE, wire, sizeof wire);
    assert_int_equal((int)m->target, -3);
    uint8_t *data;
    size_t len;
    assert_int_equal(proto_pack(&m->base, &data, &len), 0);
    assert_int_equal(len, sizeof wire);
    assert_memory_equal(data, wire, len);
    free(data);
    proto_free(&m->base);
}

static void unknown_fields_are_written_again(void **state)
{
    (void)state;
    static const uint8_t wire[] = {0x0a, 0x01, 'a', 0xa0, 0x06, 0x96, 0x01, 0xa2, 0x06, 0x02, 0x00, 0xff,
        0xa5, 0x06, 1, 2, 3, 4, 0xa1, 0x06, 1, 2, 3, 4, 5, 6, 7, 8};
    Livekit__TrickleRequest *m = take(&TRICKLE, wire, sizeof wire);
    uint8_t *data;
    size_t len;
    assert_int_equal(proto_pack(&m->base, &data, &len), 0);
    assert_int_equal(len, sizeof wire);
    assert_memory_equal(data, wire, len);
    free(data);
    proto_free(&m->base);
}

/* Every beginning of a message is refused or taken, and never read past its end. */
static void cut_messages_do_no_harm(void **state)
{
    (void)state;
    static const uint8_t wire[] = {0x42, 0x12, 0x08, 0x01, 0x10, 0x03, 0x18, 0x02, 0x22, 0x0a, 0x0a, 0x08,
        0x0a, 0x02, 'e', 'u', 0x12, 0x00, 0x18, 0x05};
    assert_int_equal(unpack_result(&REQUEST, (const char *)wire, sizeof wire), 0);
    for (size_t n = 0; n < sizeof wire; n++) {
        char *exact = malloc(n ? n : 1); /* so that a sanitizer sees the end */
        memcpy(exact, wire, n);
        assert_int_equal(unpack_result(&REQUEST, exact, n), n == 0 ? 0 : -EBADMSG);
        free(exact);
    }
}

/* Two bytes of wire are a whole struct in memory. */
static void memory_is_bounded(void **state)
{
    (void)state;
    size_t n = MAX / 2;
    char *wire = malloc(MAX);
    for (size_t i = 0; i < n; i++) {
        wire[2 * i] = 0x2a; /* add_track_requests */
        wire[2 * i + 1] = 0x00;
    }
    assert_int_equal(unpack_result(&livekit__join_request__descriptor, wire, MAX), -EMSGSIZE);
    assert_int_equal(unpack_result(&livekit__join_request__descriptor, wire, 40000), 0);
    memset(wire, 0x78, MAX); /* field 15, unknown, value 120 */
    assert_int_equal(unpack_result(&livekit__trickle_request__descriptor, wire, MAX), -EMSGSIZE);
    assert_int_equal(unpack_result(&livekit__trickle_request__descriptor, wire, 40000), 0);
    /* one text of that size is no trouble */
    memcpy(wire, "\x0a\xfb\xff\x7f", 4);
    memset(wire + 4, 'x', MAX - 4);
    assert_int_equal(unpack_result(&livekit__trickle_request__descriptor, wire, 4 + 0x1ffffb), 0);
    free(wire);
}

/* ---- a message that contains itself, which none of the protocol's does ---- */

struct nest {
    ProtobufCMessage base;
    struct nest *inner;
};
static const ProtobufCMessageDescriptor nest_type;
static void nest_init(ProtobufCMessage *m)
{
    *(struct nest *)m = (struct nest){.base = PROTOBUF_C_MESSAGE_INIT(&nest_type)};
}
static const ProtobufCFieldDescriptor nest_fields[] = {{.name = "inner",
    .id = 1,
    .label = PROTOBUF_C_LABEL_NONE,
    .type = PROTOBUF_C_TYPE_MESSAGE,
    .offset = offsetof(struct nest, inner),
    .descriptor = &nest_type}};
static const unsigned nest_by_name[] = {0};
static const ProtobufCIntRange nest_ranges[] = {{1, 0}, {0, 1}};
static const ProtobufCMessageDescriptor nest_type = {.magic = PROTOBUF_C__MESSAGE_DESCRIPTOR_MAGIC,
    .name = "Nest",
    .short_name = "Nest",
    .c_name = "Nest",
    .package_name = "",
    .sizeof_message = sizeof(struct nest),
    .n_fields = 1,
    .fields = nest_fields,
    .fields_sorted_by_name = nest_by_name,
    .n_field_ranges = 1,
    .field_ranges = nest_ranges,
    .message_init = nest_init};

static void depth_is_bounded(void **state)
{
    (void)state;
    char wire[2 * PROTO_DEPTH_MAX];
    for (size_t i = 0; i < sizeof wire / 2; i++) {
        wire[2 * i] = 0x0a;
        wire[2 * i + 1] = (char)(sizeof wire - 2 * i - 2);
    }
    assert_int_equal(unpack_result(&nest_type, wire + 2, sizeof wire - 2), 0);
    assert_int_equal(unpack_result(&nest_type, wire, sizeof wire), -EMSGSIZE);
}

/* ---- what the codec takes for granted of the definitions ---- */

static void check_type(const ProtobufCMessageDescriptor *type, unsigned depth, unsigned *ret_deepest)
{
    assert_true(type->n_fields <= 128);
    if (depth > *ret_deepest)
        *ret_deepest = depth;
    for (unsigned i = 0; i < type->n_fields; i++) {
        assert_true(strlen(type->fields[i].name) < PROTO_NAME_MAX);
        assert_int_not_equal(type->fields[i].label, PROTOBUF_C_LABEL_REQUIRED);
        if (type->fields[i].type == PROTOBUF_C_TYPE_MESSAGE)
            check_type(type->fields[i].descriptor, depth + 1, ret_deepest);
    }
}

static void the_definitions_keep_within_the_codecs_limits(void **state)
{
    (void)state;
    unsigned deepest = 0;
    check_type(&livekit__signal_request__descriptor, 1, &deepest);
    check_type(&livekit__signal_response__descriptor, 1, &deepest);
    check_type(&livekit__join_request__descriptor, 1, &deepest);
    check_type(&livekit__data_packet__descriptor, 1, &deepest);
    assert_true(deepest <= PROTO_DEPTH_MAX / 2);
}

static void only_maps_are_maps(void **state)
{
    (void)state;
    const ProtobufCMessageDescriptor *type = &livekit__participant_info__descriptor;
    for (unsigned i = 0; i < type->n_fields; i++)
        assert_int_equal(
            proto_field_is_map(type, &type->fields[i]), strcmp(type->fields[i].name, "attributes") == 0);
    type = &livekit__data_track_subscriber_handles__descriptor;
    assert_true(proto_field_is_map(type, &type->fields[0]));
    type = &livekit__update_subscription__descriptor; /* repeated ParticipantTracks: two fields, but no map */
    assert_false(proto_field_is_map(type, &type->fields[2]));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_message_comes_back),
        cmocka_unit_test(an_empty_message_has_no_bytes),
        cmocka_unit_test(presence_survives),
        cmocka_unit_test(text_must_be_utf8_without_nul),
        cmocka_unit_test(text_is_checked_wherever_it_is),
        cmocka_unit_test(bytes_hold_anything),
        cmocka_unit_test(the_callers_limit_counts),
        cmocka_unit_test(broken_fields_are_refused),
        cmocka_unit_test(field_numbers_have_bounds),
        cmocka_unit_test(wire_types_must_fit),
        cmocka_unit_test(a_message_field_given_twice_is_refused),
        cmocka_unit_test(the_last_of_a_oneof_counts),
        cmocka_unit_test(the_last_of_a_plain_field_counts),
        cmocka_unit_test(numbers_come_packed_or_one_by_one),
        cmocka_unit_test(unknown_and_negative_enums_are_kept),
        cmocka_unit_test(unknown_fields_are_written_again),
        cmocka_unit_test(cut_messages_do_no_harm),
        cmocka_unit_test(memory_is_bounded),
        cmocka_unit_test(depth_is_bounded),
        cmocka_unit_test(the_definitions_keep_within_the_codecs_limits),
        cmocka_unit_test(only_maps_are_maps),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
