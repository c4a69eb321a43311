// link: proto
/* The codec at the end of a pipe. One request a line, "verb type base64", one answer a line: "ok base64",
 * "error NAME" (or "refused TEXT"). Verbs: wire (wire to wire), json and twirp (wire to JSON), parse (JSON to
 * wire), join (type is
 * "-", the rest is the query parameter itself; answers with the wire form of the JoinRequest), describe (no
 * more words; answers with JSON that lists every message and enum). */
#include <errno.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "base/strbuf.h"
#include "proto/base64.h"
#include "proto/codec.h"
#include "proto/data.pb-c.h"
#include "proto/join_request.h"
#include "proto/room_service.pb-c.h"
#include "proto/signal.pb-c.h"
#include "proto/webhook.pb-c.h"

#define MESSAGE_MAX (4 * 1024 * 1024)
#define TYPES_MAX   256

/* Every message that no other one contains. */
static const ProtobufCMessageDescriptor *const roots[] = {
    &livekit__signal_request__descriptor,
    &livekit__signal_response__descriptor,
    &livekit__wrapped_join_request__descriptor,
    &livekit__join_request__descriptor,
    &livekit__data_packet__descriptor,
    &livekit__encrypted_packet_payload__descriptor,
    &livekit__create_room_request__descriptor,
    &livekit__list_rooms_request__descriptor,
    &livekit__list_rooms_response__descriptor,
    &livekit__delete_room_request__descriptor,
    &livekit__delete_room_response__descriptor,
    &livekit__list_participants_request__descriptor,
    &livekit__list_participants_response__descriptor,
    &livekit__room_participant_identity__descriptor,
    &livekit__remove_participant_response__descriptor,
    &livekit__mute_room_track_request__descriptor,
    &livekit__mute_room_track_response__descriptor,
    &livekit__update_participant_request__descriptor,
    &livekit__update_subscriptions_request__descriptor,
    &livekit__update_subscriptions_response__descriptor,
    &livekit__send_data_request__descriptor,
    &livekit__send_data_response__descriptor,
    &livekit__update_room_metadata_request__descriptor,
    &livekit__forward_participant_request__descriptor,
    &livekit__forward_participant_response__descriptor,
    &livekit__move_participant_request__descriptor,
    &livekit__move_participant_response__descriptor,
    &livekit__perform_rpc_request__descriptor,
    &livekit__perform_rpc_response__descriptor,
    &livekit__room_configuration__descriptor,
    &livekit__webhook_event__descriptor,
};

static const ProtobufCMessageDescriptor *types[TYPES_MAX];
static size_t type_count;

static void collect(const ProtobufCMessageDescriptor *type)
{
    for (size_t i = 0; i < type_count; i++)
        if (types[i] == type)
            return;
    if (type_count == TYPES_MAX)
        abort();
    types[type_count++] = type;
    for (unsigned i = 0; i < type->n_fields; i++)
        if (type->fields[i].type == PROTOBUF_C_TYPE_MESSAGE)
            collect(type->fields[i].descriptor);
}

static const ProtobufCMessageDescriptor *find_type(const char *name)
{
    for (size_t i = 0; i < type_count; i++)
        if (strcmp(types[i]->name, name) == 0)
            return types[i];
    return NULL;
}

static const char *scalar_name(ProtobufCType type)
{
    static const char *const names[] = {"int32", "sint32", "sfixed32", "int64", "sint64", "sfixed64",
        "uint32", "fixed32", "uint64", "fixed64", "float", "double", "bool", "enum", "string", "bytes",
        "message"};
    return names[type];
}

static void describe_field(struct strbuf *s, const ProtobufCFieldDescriptor *f)
{
    const char *of = "";
    if (f->type == PROTOBUF_C_TYPE_MESSAGE)
        of = ((const ProtobufCMessageDescriptor *)f->descriptor)->name;
    else if (f->type == PROTOBUF_C_TYPE_ENUM)
        of = ((const ProtobufCEnumDescriptor *)f->descriptor)->name;
    strbuf_addf(s, "{\"no\":%u,\"name\":\"%s\",\"type\":\"%s\",\"of\":\"%s\",\"repeated\":%s,\"oneof\":%u}",
        f->id, f->name, scalar_name(f->type), of, f->label == PROTOBUF_C_LABEL_REPEATED ? "true" : "false",
        f->flags & PROTOBUF_C_FIELD_FLAG_ONEOF ? f->quantifier_offset : 0);
}

static void describe_enum(struct strbuf *s, const ProtobufCEnumDescriptor *e)
{
    strbuf_addf(s, "\"%s\":{", e->name);
    for (unsigned i = 0; i < e->n_values; i++)
        strbuf_addf(s, "%s\"%s\":%d", i ? "," : "", e->values[i].name, e->values[i].value);
    strbuf_add(s, "},");
}

static void describe(struct strbuf *s)
{
    strbuf_add(s, "{\"enums\":{");
    for (size_t i = 0; i < type_count; i++)
        for (unsigned j = 0; j < types[i]->n_fields; j++)
            if (types[i]->fields[j].type == PROTOBUF_C_TYPE_ENUM)
                describe_enum(s, types[i]->fields[j].descriptor);
    strbuf_add(s, "\"\":{}},\"messages\":{");
    for (size_t i = 0; i < type_count; i++) {
        strbuf_addf(s, "%s\"%s\":[", i ? "," : "", types[i]->name);
        for (unsigned j = 0; j < types[i]->n_fields; j++) {
            if (j)
                strbuf_add(s, ",");
            describe_field(s, &types[i]->fields[j]);
        }
        strbuf_add(s, "]");
    }
    strbuf_add(s, "}}");
}

static void answer(const void *data, size_t len)
{
    char *text = malloc(proto_base64_encoded_size(len));
    if (!text)
        abort();
    proto_base64_encode(data, len, text);
    printf("ok %s\n", text);
    free(text);
}

static void answer_error(int err)
{
    printf("error %s\n", err == -EBADMSG    ? "EBADMSG"
                         : err == -EILSEQ   ? "EILSEQ"
                         : err == -EMSGSIZE ? "EMSGSIZE"
                                            : "other");
}

static int write_out(const char *verb, const ProtobufCMessage *m)
{
    uint8_t *data;
    size_t len;
    int err;
    if (strcmp(verb, "json") == 0 || strcmp(verb, "twirp") == 0)
        err = proto_to_json(
            m, strcmp(verb, "twirp") ? PROTO_JSON_SIGNAL : PROTO_JSON_TWIRP, (char **)&data, &len);
    else
        err = proto_pack(m, &data, &len);
    if (err)
        return err;
    answer(data, len);
    free(data);
    return 0;
}

static void convert(const char *verb, const ProtobufCMessageDescriptor *type, const char *payload)
{
    size_t len;
    ProtobufCMessage *m;
    uint8_t *data = malloc(proto_base64_decoded_size(strlen(payload)));
    if (!data || proto_base64_decode(payload, strlen(payload), data, &len))
        abort();
    int err = strcmp(verb, "parse") == 0 ? proto_from_json(type, (const char *)data, len, MESSAGE_MAX, &m)
                                         : proto_unpack(type, data, len, MESSAGE_MAX, &m);
    free(data);
    if (!err) {
        err = write_out(verb, m);
        proto_free(m);
    }
    if (err)
        answer_error(err);
}

static void join(const char *value)
{
    Livekit__JoinRequest *r;
    const char *text;
    if (proto_join_request_decode(value, &r, &text)) {
        printf("refused %s\n", text);
        return;
    }
    write_out("wire", &r->base);
    proto_free(&r->base);
}

static void serve(char *line)
{
    char *rest = NULL;
    const char *verb = strtok_r(line, " ", &rest), *name = strtok_r(NULL, " ", &rest);
    const char *payload = strtok_r(NULL, " ", &rest);
    if (verb && strcmp(verb, "describe") == 0) {
        struct strbuf s = {0};
        describe(&s);
        answer(s.text, s.len);
        strbuf_done(&s);
    } else if (verb && strcmp(verb, "join") == 0) {
        join(payload);
    } else {
        const ProtobufCMessageDescriptor *type = name ? find_type(name) : NULL;
        if (!type)
            printf("error no such type\n");
        else
            convert(verb, type, payload ? payload : "");
    }
    fflush(stdout);
}

int main(void)
{
    char *line = NULL;
    size_t cap = 0;
    ssize_t len;
    for (size_t i = 0; i < sizeof roots / sizeof *roots; i++)
        collect(roots[i]);
    while ((len = getline(&line, &cap, stdin)) > 0) {
        line[strcspn(line, "\n")] = '\0';
        serve(line);
    }
    free(line);
    return 0;
}
