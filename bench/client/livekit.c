#include "livekit.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include "auth/token.h"
#include "base/strbuf.h"
#include "net/clock.h"
#include "proto/codec.h"
#include "tls/digest.h"
#include "websocket.h"

#define TOKEN_TTL_S      3600
#define PROTOCOL         17 /* of the client protocol, as current SDKs say */
#define PING_INTERVAL_US 5000000
#define LARGE_JOIN       (16 << 10) /* bytes: its interval for pings is not worth the reading */
#define TARGET_MAX       (64 << 10) /* bytes of a request line that servers take */

struct livekit {
    struct loop *loop;
    struct websocket *ws;
    const struct livekit_ops *ops;
    void *arg;
    struct wheel_timer ping;
    int64_t ping_us;
    int64_t rtt_ms;
    bool deaf;
};

/* ---- the token and the join request ---- */

static int make_token(const struct livekit_join *j, char **ret)
{
    struct auth_grants g;
    struct config_key key = {.key = (char *)(uintptr_t)j->key, .secret = (char *)(uintptr_t)j->secret};
    auth_grants_init(&g);
    g.has_video = true;
    g.video.room_join = true;
    g.video.hidden = j->hidden;
    int err = auth_text_set(&g.identity, j->identity);
    if (!err)
        err = auth_text_set(&g.video.room, j->room);
    if (!err)
        err = auth_sign(&key, &g, clock_wall_us() / 1000000, TOKEN_TTL_S, ret);
    auth_grants_done(&g);
    return err;
}

static int pack_join(const struct livekit_join *j, uint8_t **ret, size_t *ret_len)
{
    Livekit__JoinRequest r = LIVEKIT__JOIN_REQUEST__INIT;
    Livekit__ClientInfo info = LIVEKIT__CLIENT_INFO__INIT;
    Livekit__ConnectionSettings settings = LIVEKIT__CONNECTION_SETTINGS__INIT;
    Livekit__SessionDescription offer = LIVEKIT__SESSION_DESCRIPTION__INIT;
    info.sdk = LIVEKIT__CLIENT_INFO__SDK__CPP;
    info.protocol = PROTOCOL;
    settings.auto_subscribe = j->auto_subscribe;
    offer.type = (char[]){"offer"};
    offer.sdp = (char *)(uintptr_t)j->offer;
    offer.id = 1;
    r.client_info = &info;
    r.connection_settings = &settings;
    r.publisher_offer = &offer;
    r.add_track_requests = j->tracks;
    r.n_add_track_requests = j->track_count;
    uint8_t *inner;
    size_t len;
    int err = proto_pack(&r.base, &inner, &len);
    if (err)
        return err;
    Livekit__WrappedJoinRequest wrapped = LIVEKIT__WRAPPED_JOIN_REQUEST__INIT;
    wrapped.join_request = (ProtobufCBinaryData){.data = inner, .len = len};
    err = proto_pack(&wrapped.base, ret, ret_len);
    free(inner);
    return err;
}

/* "/rtc/v1?join_request=..."; the caller's to free. */
static int make_target(const struct livekit_join *j, char **ret)
{
    static const char path[] = "/rtc/v1?join_request=";
    uint8_t *request;
    size_t len;
    int err = pack_join(j, &request, &len);
    if (err)
        return err;
    size_t size = sizeof path + BASE64_TEXT_SIZE(len);
    char *target = size <= TARGET_MAX ? malloc(size) : NULL;
    if (target) {
        memcpy(target, path, sizeof path);
        base64url_encode(request, len, target + sizeof path - 1, BASE64_TEXT_SIZE(len));
        *ret = target;
    } else {
        err = size > TARGET_MAX ? -EMSGSIZE : -ENOMEM;
    }
    free(request);
    return err;
}

/* ---- messages ---- */

int livekit_send(struct livekit *l, const Livekit__SignalRequest *r)
{
    uint8_t *wire;
    size_t len;
    int err = proto_pack(&r->base, &wire, &len);
    if (err)
        return err;
    err = websocket_send(l->ws, false, wire, len);
    free(wire);
    return err;
}

int livekit_offer(struct livekit *l, const char *sdp, uint32_t id)
{
    Livekit__SignalRequest r = LIVEKIT__SIGNAL_REQUEST__INIT;
    Livekit__SessionDescription d = LIVEKIT__SESSION_DESCRIPTION__INIT;
    d.type = (char[]){"offer"};
    d.sdp = (char *)(uintptr_t)sdp;
    d.id = id;
    r.message_case = LIVEKIT__SIGNAL_REQUEST__MESSAGE_OFFER;
    r.offer = &d;
    return livekit_send(l, &r);
}

void livekit_leave(struct livekit *l)
{
    Livekit__SignalRequest r = LIVEKIT__SIGNAL_REQUEST__INIT;
    Livekit__LeaveRequest leave = LIVEKIT__LEAVE_REQUEST__INIT;
    leave.reason = LIVEKIT__DISCONNECT_REASON__CLIENT_INITIATED;
    r.message_case = LIVEKIT__SIGNAL_REQUEST__MESSAGE_LEAVE;
    r.leave = &leave;
    (void)livekit_send(l, &r); /* a socket that is gone needs no goodbye */
    websocket_close(l->ws, 1000);
}

static void send_ping(struct wheel_timer *t, int64_t now_us)
{
    struct livekit *l = t->arg;
    Livekit__SignalRequest r = LIVEKIT__SIGNAL_REQUEST__INIT;
    Livekit__Ping ping = LIVEKIT__PING__INIT;
    ping.timestamp = clock_wall_us() / 1000;
    ping.rtt = l->rtt_ms;
    r.message_case = LIVEKIT__SIGNAL_REQUEST__MESSAGE_PING_REQ;
    r.ping_req = &ping;
    if (livekit_send(l, &r) == 0)
        wheel_set(loop_wheel(l->loop), &l->ping, now_us + l->ping_us);
}

static void on_open(void *arg)
{
    struct livekit *l = arg;
    wheel_set(loop_wheel(l->loop), &l->ping, loop_now_us(l->loop) + l->ping_us);
}

/* In a room of thousands nearly all that comes is about others, and takes long to unpack. */
static bool is_about_others(const uint8_t *data, size_t len)
{
    static const uint8_t fields[] = {LIVEKIT__SIGNAL_RESPONSE__MESSAGE_UPDATE,
        LIVEKIT__SIGNAL_RESPONSE__MESSAGE_SPEAKERS_CHANGED,
        LIVEKIT__SIGNAL_RESPONSE__MESSAGE_CONNECTION_QUALITY, LIVEKIT__SIGNAL_RESPONSE__MESSAGE_ROOM_UPDATE};
    for (size_t i = 0; i < sizeof fields; i++)
        if (len && data[0] == (fields[i] << 3 | 2))
            return true;
    return len > LARGE_JOIN && data[0] == (LIVEKIT__SIGNAL_RESPONSE__MESSAGE_JOIN << 3 | 2);
}

static void on_message(void *arg, bool text, const uint8_t *data, size_t len)
{
    struct livekit *l = arg;
    ProtobufCMessage *m;
    if (l->deaf && !text && is_about_others(data, len))
        return;
    int err = text
                  ? -EPROTO /* we never send JSON, so none comes back */
                  : proto_unpack(&livekit__signal_response__descriptor, data, len, WEBSOCKET_MESSAGE_MAX, &m);
    if (err) {
        websocket_close(l->ws, 1002);
        return;
    }
    const Livekit__SignalResponse *r = (const Livekit__SignalResponse *)m;
    if (r->message_case == LIVEKIT__SIGNAL_RESPONSE__MESSAGE_JOIN && r->join->ping_interval > 0)
        l->ping_us = (int64_t)r->join->ping_interval * 1000000;
    else if (r->message_case == LIVEKIT__SIGNAL_RESPONSE__MESSAGE_PONG_RESP)
        l->rtt_ms = clock_wall_us() / 1000 - r->pong_resp->last_ping_timestamp;
    l->ops->response(l->arg, r);
    proto_free(m);
}

static void on_closed(void *arg, const char *why)
{
    struct livekit *l = arg;
    wheel_cancel(&l->ping);
    l->ops->closed(l->arg, why);
}

static const struct websocket_ops websocket_callbacks = {
    .open = on_open, .message = on_message, .closed = on_closed};

/* ---- life ---- */

int livekit_open(struct loop *loop, const struct livekit_join *join, const struct livekit_ops *ops, void *arg,
    int64_t *ret_open_us, struct livekit **ret)
{
    struct livekit *l = calloc(1, sizeof *l);
    if (!l)
        return -ENOMEM;
    *l = (struct livekit){
        .loop = loop, .ops = ops, .arg = arg, .ping_us = PING_INTERVAL_US, .deaf = join->deaf};
    wheel_timer_init(&l->ping, send_ping, l);
    char *token = NULL, *target = NULL;
    int err = make_token(join, &token);
    if (!err)
        err = make_target(join, &target);
    if (!err && ret_open_us)
        *ret_open_us = clock_now_us();
    if (!err) {
        const struct websocket_request request = {.target = target, .bearer = token};
        err = websocket_open(loop, &join->server, &request, &websocket_callbacks, l, &l->ws);
    }
    free(token);
    free(target);
    if (err)
        free(l);
    else
        *ret = l;
    return err;
}

void livekit_free(struct livekit *l)
{
    if (!l)
        return;
    wheel_cancel(&l->ping);
    websocket_free(l->ws);
    free(l);
}
