#include "ice/message.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <stun/usages/ice.h>

#define PADDING          3 /* bytes that libnice may write behind an attribute without looking at the buffer's end */
#define INTEGRITY_SIZE   20
#define FINGERPRINT_SIZE 4

/* Comprehension-required types that a request may hold; those that say nothing to us do no harm. */
static const uint16_t known[] = {
    STUN_ATTRIBUTE_MAPPED_ADDRESS,
    STUN_ATTRIBUTE_USERNAME,
    STUN_ATTRIBUTE_MESSAGE_INTEGRITY,
    STUN_ATTRIBUTE_ERROR_CODE,
    STUN_ATTRIBUTE_UNKNOWN_ATTRIBUTES,
    STUN_ATTRIBUTE_REALM,
    STUN_ATTRIBUTE_NONCE,
    0x001c, /* MESSAGE-INTEGRITY-SHA256 (RFC 8489), which comes besides MESSAGE-INTEGRITY */
    STUN_ATTRIBUTE_XOR_MAPPED_ADDRESS,
    STUN_ATTRIBUTE_PRIORITY,
    STUN_ATTRIBUTE_USE_CANDIDATE,
    0,
};

static bool is_known(uint16_t type)
{
    for (size_t i = 0; known[i]; i++)
        if (known[i] == type)
            return true;
    return type >= 0x8000;
}

struct ice_stun *ice_stun_new(void)
{
    struct ice_stun *s = malloc(sizeof *s);
    if (s)
        stun_agent_init(&s->agent, known, STUN_COMPATIBILITY_RFC5389,
            STUN_AGENT_USAGE_SHORT_TERM_CREDENTIALS | STUN_AGENT_USAGE_USE_FINGERPRINT);
    return s;
}

void ice_stun_free(struct ice_stun *s)
{
    free(s);
}

/* One attribute in front of MESSAGE-INTEGRITY. Of several of a type the first counts. */
static void view_attribute(struct stun_view *v, uint16_t type, struct cursor value)
{
    size_t len = cursor_left(&value);
    switch (type) {
    case STUN_ATTRIBUTE_USERNAME:
        if (!v->user) {
            v->user_len = len;
            v->user = cursor_bytes(&value, len);
        }
        break;
    case STUN_ATTRIBUTE_PRIORITY:
        if (!v->has_priority && len == 4) {
            v->has_priority = true;
            v->priority = cursor_u32(&value);
        }
        break;
    case STUN_ATTRIBUTE_USE_CANDIDATE:
        v->use_candidate = true;
        break;
    case STUN_ATTRIBUTE_ICE_CONTROLLING:
        v->controlling |= len == 8;
        break;
    case STUN_ATTRIBUTE_ICE_CONTROLLED:
        v->controlled |= len == 8;
        break;
    default:
        if (!is_known(type) && v->unknown_count < STUN_UNKNOWN_MAX)
            v->unknown[v->unknown_count++] = type;
    }
}

int stun_view_read(const uint8_t *data, size_t len, struct stun_view *ret)
{
    struct stun_view v = {0};
    struct cursor c = cursor_of(data, len);
    uint16_t type = cursor_u16(&c);
    size_t body = cursor_u16(&c);
    uint32_t cookie = cursor_u32(&c);
    const uint8_t *id = cursor_bytes(&c, sizeof v.id);
    if (!id || type > 0x3fff || cookie != STUN_MAGIC_COOKIE || body != cursor_left(&c) || body % 4 != 0)
        return -EINVAL;
    memcpy(v.id, id, sizeof v.id);
    v.class = (StunClass)((type >> 7 & 2) | (type >> 4 & 1));
    v.binding = (type & 0x3eef) == STUN_BINDING;
    while (cursor_left(&c) > 0) {
        uint16_t attribute = cursor_u16(&c);
        size_t size = cursor_u16(&c);
        struct cursor value = cursor_sub(&c, size);
        cursor_skip(&c, (4 - size % 4) % 4);
        if (c.bad || v.has_fingerprint) /* nothing follows a FINGERPRINT */
            return -EINVAL;
        if (attribute == STUN_ATTRIBUTE_FINGERPRINT) {
            if (size != FINGERPRINT_SIZE)
                return -EINVAL;
            v.has_fingerprint = true;
        } else if (attribute == STUN_ATTRIBUTE_MESSAGE_INTEGRITY) {
            if (size != INTEGRITY_SIZE)
                return -EINVAL;
            v.has_integrity = true;
        } else if (!v.has_integrity) {
            view_attribute(&v, attribute, value);
        }
    }
    *ret = v;
    return 0;
}

bool stun_view_names(const struct stun_view *v, struct cursor *ret_receiver, struct cursor *ret_sender)
{
    if (!v->user)
        return false;
    struct cursor all = cursor_of(v->user, v->user_len);
    const uint8_t *colon = v->user_len ? memchr(v->user, ':', v->user_len) : NULL;
    if (!colon)
        return false;
    *ret_receiver = cursor_sub(&all, (size_t)(colon - v->user));
    cursor_skip(&all, 1);
    *ret_sender = all;
    return true;
}

bool cursor_is(const struct cursor *c, const char *text)
{
    size_t len = strlen(text);
    return cursor_left(c) == len && (len == 0 || memcmp(c->p, text, len) == 0);
}

static bool give_password(StunAgent *agent, StunMessage *msg, uint8_t *user, uint16_t user_len,
    uint8_t **ret_pwd, size_t *ret_len, void *pwd)
{
    (void)agent;
    (void)msg;
    (void)user;
    (void)user_len;
    if (!pwd ||
        *(const char *)pwd == 0) /* with an empty key libnice would not look at the integrity at all */
        return false;
    *ret_pwd = pwd;
    *ret_len = strlen(pwd);
    return true;
}

enum stun_auth stun_request_check(
    struct ice_stun *s, const uint8_t *data, size_t len, const char *pwd, StunMessage *msg)
{
    switch (stun_agent_validate(&s->agent, msg, data, len, give_password, (void *)(uintptr_t)pwd)) {
    case STUN_VALIDATION_SUCCESS:
    case STUN_VALIDATION_UNKNOWN_REQUEST_ATTRIBUTE: /* found after the integrity was; the view knows which
                                                       count */
        return STUN_AUTH_OK;
    case STUN_VALIDATION_UNAUTHORIZED_BAD_REQUEST:
        return STUN_AUTH_INCOMPLETE;
    case STUN_VALIDATION_UNAUTHORIZED:
        return STUN_AUTH_WRONG;
    default:
        return STUN_AUTH_MALFORMED;
    }
}

/* libnice's form of an address, IPv4 as such. */
static void mapped_write(const struct addr *a, struct sockaddr_storage *ret)
{
    memset(ret, 0, sizeof *ret);
    if (addr_is_v4(a)) {
        struct sockaddr_in *v4 = (struct sockaddr_in *)ret;
        v4->sin_family = AF_INET;
        v4->sin_port = htons(a->port);
        memcpy(&v4->sin_addr, a->ip + 12, 4);
    } else {
        addr_to_sockaddr(a, (struct sockaddr_in6 *)ret);
    }
}

static bool reply_put(const uint8_t *buf, size_t len, size_t max, struct writer *w)
{
    if (len == 0 || len > max || w->bad || w->cap - w->len < len)
        return false;
    writer_bytes(w, buf, len);
    return true;
}

bool stun_reply_success(
    struct ice_stun *s, const StunMessage *request, const struct addr *mapped, struct writer *w)
{
    uint8_t buf[ICE_REPLY_MAX + PADDING];
    StunMessage msg;
    struct sockaddr_storage name;
    mapped_write(mapped, &name);
    if (!stun_agent_init_response(&s->agent, &msg, buf, ICE_REPLY_MAX, request) ||
        stun_message_append_xor_addr(&msg, STUN_ATTRIBUTE_XOR_MAPPED_ADDRESS, &name, sizeof name) !=
            STUN_MESSAGE_RETURN_SUCCESS)
        return false;
    return reply_put(buf, stun_agent_finish_message(&s->agent, &msg, NULL, 0), sizeof buf, w);
}

bool stun_reply_error(
    struct ice_stun *s, const StunMessage *request, StunError code, size_t max, struct writer *w)
{
    uint8_t buf[ICE_REPLY_MAX + PADDING];
    StunMessage msg;
    if (!stun_agent_init_error(&s->agent, &msg, buf, ICE_REPLY_MAX, request, code))
        return false;
    return reply_put(buf, stun_agent_finish_message(&s->agent, &msg, NULL, 0), max, w);
}

bool stun_reply_unknown(
    struct ice_stun *s, const StunMessage *request, const struct stun_view *v, struct writer *w)
{
    uint8_t buf[ICE_REPLY_MAX + PADDING], types[2 * STUN_UNKNOWN_MAX];
    struct writer list = writer_of(types, sizeof types);
    for (size_t i = 0; i < v->unknown_count; i++)
        writer_u16(&list, v->unknown[i]);
    StunMessage msg;
    if (!stun_agent_init_error(&s->agent, &msg, buf, ICE_REPLY_MAX, request, STUN_ERROR_UNKNOWN_ATTRIBUTE) ||
        stun_message_append_bytes(&msg, STUN_ATTRIBUTE_UNKNOWN_ATTRIBUTES, types, list.len) !=
            STUN_MESSAGE_RETURN_SUCCESS)
        return false;
    return reply_put(buf, stun_agent_finish_message(&s->agent, &msg, NULL, 0), sizeof buf, w);
}

/* Begins a Binding request with our own transaction number, so that a seeded run repeats. */
static bool request_begin(
    struct ice_stun *s, const uint8_t id[12], uint8_t *buf, size_t size, StunMessage *msg)
{
    StunTransactionId full;
    struct writer w = writer_of(full, sizeof full);
    writer_u32(&w, STUN_MAGIC_COOKIE);
    writer_bytes(&w, id, 12);
    *msg = (StunMessage){.agent = &s->agent, .buffer = buf, .buffer_len = size};
    return stun_message_init(msg, STUN_REQUEST, STUN_BINDING, full);
}

/* Appends what libnice adds at the end, and makes it forget the request: it would keep a pointer to the
 * password, and remember 200 requests of all peers together. Answers are matched by their owners. */
static bool request_end(struct ice_stun *s, StunMessage *msg, const char *pwd, struct writer *w)
{
    size_t len = stun_agent_finish_message(&s->agent, msg, (const uint8_t *)pwd, pwd ? strlen(pwd) : 0);
    StunTransactionId id;
    stun_message_id(msg, id);
    stun_agent_forget_transaction(&s->agent, id);
    return reply_put(msg->buffer, len, msg->buffer_len, w);
}

bool stun_write_check(struct ice_stun *s, const struct stun_check_request *r, struct writer *w)
{
    uint8_t buf[ICE_REQUEST_MAX + PADDING], user[2 * ICE_UFRAG_MAX + 1];
    struct writer name = writer_of(user, sizeof user);
    writer_bytes(&name, r->receiver_ufrag, strlen(r->receiver_ufrag));
    writer_u8(&name, ':');
    writer_bytes(&name, r->sender_ufrag, strlen(r->sender_ufrag));
    StunMessage msg;
    if (name.bad || !request_begin(s, r->id, buf, ICE_REQUEST_MAX, &msg) ||
        stun_message_append_bytes(&msg, STUN_ATTRIBUTE_USERNAME, user, name.len) !=
            STUN_MESSAGE_RETURN_SUCCESS ||
        stun_message_append64(&msg, STUN_ATTRIBUTE_ICE_CONTROLLING, r->tie_breaker) !=
            STUN_MESSAGE_RETURN_SUCCESS ||
        stun_message_append32(&msg, STUN_ATTRIBUTE_PRIORITY, r->priority) != STUN_MESSAGE_RETURN_SUCCESS)
        return false;
    if (r->use_candidate &&
        stun_message_append_flag(&msg, STUN_ATTRIBUTE_USE_CANDIDATE) != STUN_MESSAGE_RETURN_SUCCESS)
        return false;
    return request_end(s, &msg, r->pwd, w);
}

bool stun_write_binding(struct ice_stun *s, const uint8_t id[12], struct writer *w)
{
    uint8_t buf[ICE_REPLY_MAX + PADDING];
    StunMessage msg;
    return request_begin(s, id, buf, ICE_REPLY_MAX, &msg) && request_end(s, &msg, NULL, w);
}

/* Checks integrity and fingerprint of an answer: libnice looks its key up among the requests it remembers, so
 * the one in question is put there for the time of the call. */
static bool answer_check(
    struct ice_stun *s, const uint8_t *data, size_t len, const char *pwd, StunMessage *msg)
{
    StunAgentSavedIds *saved = &s->agent.sent_ids[0];
    memcpy(saved->id, data + STUN_MESSAGE_TRANS_ID_POS, sizeof saved->id);
    saved->method = STUN_BINDING;
    saved->key = (uint8_t *)(uintptr_t)pwd;
    saved->key_len = strlen(pwd);
    saved->long_term_valid = false;
    saved->valid = true;
    StunValidationStatus status = stun_agent_validate(&s->agent, msg, data, len, NULL, NULL);
    *saved = (StunAgentSavedIds){0};
    return status == STUN_VALIDATION_SUCCESS;
}

int stun_answer_read(struct ice_stun *s, const struct stun_view *v, const uint8_t *data, size_t len,
    const char *pwd, struct addr *ret_mapped)
{
    StunMessage msg = {.agent = &s->agent, .buffer = (uint8_t *)(uintptr_t)data, .buffer_len = len};
    if (!v->binding || (v->class != STUN_RESPONSE && v->class != STUN_ERROR))
        return -EINVAL;
    if (pwd && (*pwd == 0 || !answer_check(s, data, len, pwd, &msg)))
        return -EINVAL;
    int code;
    if (v->class == STUN_ERROR)
        return stun_message_find_error(&msg, &code) == STUN_MESSAGE_RETURN_SUCCESS ? code : -EINVAL;
    struct sockaddr_storage name;
    socklen_t size = sizeof name;
    struct addr mapped;
    if (stun_usage_ice_conncheck_process(&msg, &name, &size, STUN_USAGE_ICE_COMPATIBILITY_RFC5245) !=
            STUN_USAGE_ICE_RETURN_SUCCESS ||
        addr_from_sockaddr((struct sockaddr *)&name, &mapped) < 0)
        return -EINVAL;
    *ret_mapped = mapped;
    return 0;
}
