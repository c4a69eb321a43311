/* Janus and its VideoRoom plugin, over WebSocket (subprotocol janus-protocol): a connection and a session for
 * each link, as each participant's page has its own. Rooms are numbers there; ours come from the room's name.
 * Whoever publishes makes the room first, and lives with its being there already.
 *
 * A subscribing link takes all publishers of its room that are there into one peer connection, and those that
 * come later by updates of it. Which those are, participants are told by Janus one by one; here the links of
 * a room tell each other, which comes to the same and is not in anybody's way. */
#include <errno.h>
#include <inttypes.h>
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "base/list.h"
#include "../client/websocket.h"
#include "net/wheel.h"
#include "target.h"

#define PLUGIN       "janus.plugin.videoroom"
#define KEEPALIVE_US 25000000 /* a session ends after 60 s of silence, where it was not told otherwise */
#define WHY_SIZE     256

enum { ERROR_UNAUTHORIZED = 403, ROOM_NO_SUCH_FEED = 428, ROOM_EXISTS = 427, ROOM_UNAUTHORIZED = 433 };

/* A publisher whose connection is up. */
struct feed {
    json_int_t id;
    unsigned member;
    bool gone;
};

struct room {
    struct list link; /* in the target's rooms */
    uint32_t number;
    struct list subscribers; /* links */
    struct feed *feeds;      /* in the order in which they came */
    unsigned feed_count, feed_room;
    char name[];
};

struct target {
    struct target_config config;
    struct list rooms;
};

/* What was asked for and is not answered; also the transaction's name in what we send. */
enum step {
    STEP_OPEN, /* the WebSocket */
    STEP_SESSION,
    STEP_ATTACH,
    STEP_ROOM,
    STEP_WAIT, /* for a publisher */
    STEP_JOIN,
    STEP_START, /* our answer to an offer was sent, or will be */
    STEP_UPDATE,
    STEP_IDLE,
    STEP_LEAVE,
    STEP_OVER,
};

static const char *const step_names[] = {
    "open", "session", "attach", "room", "wait", "join", "start", "update", "idle", "leave", "over"};

struct target_link {
    struct list link; /* in the room's subscribers */
    struct target *target;
    struct room *room;
    const struct target_events *events;
    void *arg;
    struct websocket *ws;
    struct wheel_timer keepalive, late;
    enum step step;
    json_int_t session, handle;
    char *identity, *offer; /* offer: NULL for one that subscribes */
    unsigned member;
    unsigned known;   /* feeds of the room that were asked for, from the first on */
    unsigned feed;    /* its own, with offer, once is_feed */
    bool is_feed, up; /* up: Janus says that the peer connection is */
    bool heard;       /* the server said something */
    bool described;   /* an answer or an offer came */
    bool busy;        /* inside a function of target_kind: what ends now is told later */
    enum load_failure why;
    char text[WHY_SIZE]; /* why it ended, to be told by late */
};

/* ---- the end ---- */

static void leave_room(struct target_link *l)
{
    if (l->is_feed)
        l->room->feeds[l->feed].gone = true;
    l->is_feed = false;
    list_del(&l->link);
}

static void tell_late(struct wheel_timer *t, int64_t now_us)
{
    struct target_link *l = t->arg;
    (void)now_us;
    l->events->ended(l->arg, l->why, l->text);
}

static void end(struct target_link *l, enum load_failure why, const char *text)
{
    if (l->step == STEP_OVER)
        return;
    l->step = STEP_OVER;
    leave_room(l);
    wheel_cancel(&l->keepalive);
    if (!l->busy) {
        l->events->ended(l->arg, why, text);
        return;
    }
    l->why = why;
    snprintf(l->text, sizeof l->text, "%s", text);
    wheel_set(loop_wheel(l->target->config.loop), &l->late, 0);
}

/* Not to be used once there was a description: that would be LOAD_DROPPED. */
static enum load_failure refusal(const struct target_link *l, enum load_failure why)
{
    return l->described ? LOAD_DROPPED : why;
}

static void end_by_code(struct target_link *l, json_int_t code, const char *said)
{
    char text[WHY_SIZE];
    bool is_token = code == ERROR_UNAUTHORIZED || code == ROOM_UNAUTHORIZED;
    snprintf(
        text, sizeof text, "%s: %" JSON_INTEGER_FORMAT " %s", step_names[l->step], code, said ? said : "");
    end(l, refusal(l, is_token ? LOAD_TOKEN : LOAD_SIGNALLING), text);
}

/* ---- requests ---- */

/* Adds what every request has, and sends it. Takes the reference. */
static int request(struct target_link *l, const char *transaction, json_t *r)
{
    const struct target_config *c = &l->target->config;
    int err = r ? 0 : -ENOMEM;
    if (!err)
        err = json_object_set_new(r, "transaction", json_string(transaction));
    if (!err && l->session)
        err = json_object_set_new(r, "session_id", json_integer(l->session));
    if (!err && l->handle)
        err = json_object_set_new(r, "handle_id", json_integer(l->handle));
    if (!err && c->secret)
        err = json_object_set_new(r, "apisecret", json_string(c->secret));
    if (!err && c->key)
        err = json_object_set_new(r, "token", json_string(c->key));
    char *text = err ? NULL : json_dumps(r, JSON_COMPACT);
    json_decref(r);
    if (!text)
        return -ENOMEM;
    err = websocket_send(l->ws, true, text, strlen(text));
    free(text);
    return err;
}

/* A message to the plugin, with a description unless type is NULL. Takes the reference. */
static int message(struct target_link *l, json_t *body, const char *type, const char *sdp)
{
    json_t *r = json_pack("{s:s, s:o}", "janus", "message", "body", body);
    if (r && type && json_object_set_new(r, "jsep", json_pack("{s:s, s:s}", "type", type, "sdp", sdp))) {
        json_decref(r);
        r = NULL;
    }
    return request(l, step_names[l->step], r);
}

/* Goes on to the next step; a request that cannot be sent is the end. */
static void went(struct target_link *l, int err)
{
    if (err && l->step != STEP_OVER)
        end(l, refusal(l, LOAD_SIGNALLING), strerror(-err));
}

static void make_room(struct target_link *l)
{
    unsigned publishers = l->target->config.publishers;
    l->step = STEP_ROOM;
    went(l, message(l,
                json_pack("{s:s, s:I, s:i, s:i, s:i, s:s, s:s, s:b, s:b, s:b, s:b}", "request", "create",
                    "room", (json_int_t)l->room->number, "publishers", publishers ? (int)publishers : 1,
                    "bitrate", 0, "fir_freq", 0, "audiocodec", "opus", "videocodec", "vp8,h264",
                    "audiolevel_event", 0, "is_private", 1, "notify_joining", 0, "permanent", 0),
                NULL, NULL));
}

static void publish(struct target_link *l)
{
    l->step = STEP_JOIN;
    went(l, message(l,
                json_pack("{s:s, s:I, s:s, s:s}", "request", "joinandconfigure", "room",
                    (json_int_t)l->room->number, "ptype", "publisher", "display", l->identity),
                "offer", l->offer));
}

/* The publishers that it does not know yet, or NULL if there are none; counts them as known. */
static json_t *new_streams(struct target_link *l)
{
    json_t *streams = json_array();
    for (; l->known < l->room->feed_count; l->known++) {
        const struct feed *f = &l->room->feeds[l->known];
        if (!f->gone && f->member != l->member)
            json_array_append_new(streams, json_pack("{s:I}", "feed", f->id));
    }
    if (json_array_size(streams) > 0)
        return streams;
    json_decref(streams);
    return NULL;
}

/* Joins or updates, if there is somebody to be subscribed to and nothing is under way. */
static void subscribe(struct target_link *l)
{
    bool first = l->step == STEP_WAIT;
    if (!first && l->step != STEP_IDLE)
        return;
    json_t *streams = new_streams(l);
    if (!streams)
        return;
    l->step = first ? STEP_JOIN : STEP_UPDATE;
    if (first)
        went(l,
            message(l,
                json_pack("{s:s, s:I, s:s, s:b, s:o}", "request", "join", "room", (json_int_t)l->room->number,
                    "ptype", "subscriber", "autoupdate", 0, "streams", streams),
                NULL, NULL));
    else
        went(l, message(l, json_pack("{s:s, s:o}", "request", "update", "subscribe", streams), NULL, NULL));
}

/* ---- what Janus says ---- */

static json_int_t id_of(const json_t *m)
{
    return json_integer_value(json_object_get(json_object_get(m, "data"), "id"));
}

static void on_success(struct target_link *l, const json_t *m)
{
    if (l->step == STEP_SESSION && id_of(m)) {
        l->session = id_of(m);
        l->step = STEP_ATTACH;
        went(
            l, request(l, step_names[l->step], json_pack("{s:s, s:s}", "janus", "attach", "plugin", PLUGIN)));
    } else if (l->step == STEP_ATTACH && id_of(m)) {
        l->handle = id_of(m);
        if (l->offer) {
            make_room(l);
            return;
        }
        l->step = STEP_WAIT;
        subscribe(l);
    } else if (l->step == STEP_LEAVE) {
        websocket_close(l->ws, 1000);
    }
}

static int feed_add(struct target_link *l, json_int_t id)
{
    struct room *r = l->room;
    if (r->feed_count == r->feed_room) {
        unsigned more = r->feed_room ? r->feed_room * 2 : 8;
        struct feed *feeds = realloc(r->feeds, more * sizeof *feeds);
        if (!feeds)
            return -ENOMEM;
        r->feeds = feeds;
        r->feed_room = more;
    }
    l->feed = r->feed_count++;
    l->is_feed = true;
    r->feeds[l->feed] = (struct feed){.id = id, .member = l->member, .gone = true}; /* until it is up */
    return 0;
}

static void on_description(struct target_link *l, const char *type, const char *sdp)
{
    bool expected = l->step == STEP_JOIN || l->step == STEP_UPDATE;
    if (!expected || !sdp || !type || strcmp(type, l->offer ? "answer" : "offer") != 0) {
        end(l, refusal(l, LOAD_DESCRIPTION), "a description that was not asked for");
        return;
    }
    l->described = true;
    l->step = l->offer ? STEP_IDLE : STEP_START;
    if (l->offer)
        l->events->answered(l->arg, sdp);
    else
        l->events->offered(l->arg, sdp);
}

/* Of the plugin, as answer to our request or on its own. */
static void on_event(struct target_link *l, const json_t *m)
{
    const json_t *data = json_object_get(json_object_get(m, "plugindata"), "data"),
                 *jsep = json_object_get(m, "jsep");
    const char *transaction = json_string_value(json_object_get(m, "transaction"));
    json_int_t code = json_integer_value(json_object_get(data, "error_code"));
    bool ours = transaction && strcmp(transaction, step_names[l->step]) == 0;
    if (code && l->step == STEP_UPDATE && code == ROOM_NO_SUCH_FEED) {
        l->step = STEP_IDLE; /* it left in between */
        subscribe(l);
    } else if (code && !(l->step == STEP_ROOM && code == ROOM_EXISTS)) {
        end_by_code(l, code, json_string_value(json_object_get(data, "error")));
    } else if (ours && l->step == STEP_ROOM) {
        publish(l);
    } else if (jsep) {
        json_int_t id = json_integer_value(json_object_get(data, "id"));
        if (l->offer && !l->is_feed && id && feed_add(l, id)) {
            end(l, LOAD_SIGNALLING, "no memory");
            return;
        }
        on_description(l, json_string_value(json_object_get(jsep, "type")),
            json_string_value(json_object_get(jsep, "sdp")));
    } else if (ours && l->step == STEP_START) {
        l->step = STEP_IDLE;
        subscribe(l);
    } else if (ours && (l->step == STEP_JOIN || l->step == STEP_UPDATE)) {
        /* an update that changes nothing brings no offer */
        if (l->step == STEP_JOIN)
            end(l, LOAD_DESCRIPTION, "joined, and no description came");
        else
            l->step = STEP_IDLE;
    }
}

/* The publisher can be subscribed to from now on: the plugin knew it before we did. */
static void on_up(struct target_link *l)
{
    l->up = true;
    if (!l->is_feed)
        return;
    l->room->feeds[l->feed].gone = false;
    for (struct list *at = l->room->subscribers.next, *next; at != &l->room->subscribers; at = next) {
        next = at->next;
        subscribe(list_entry(at, struct target_link, link));
    }
}

static void on_hangup(struct target_link *l, const char *reason)
{
    char text[WHY_SIZE];
    snprintf(text, sizeof text, "hung up: %s", reason ? reason : "no reason given");
    end(l,
        l->up                              ? LOAD_DROPPED
        : reason && strstr(reason, "ICE")  ? LOAD_ICE
        : reason && strstr(reason, "DTLS") ? LOAD_DTLS
                                           : refusal(l, LOAD_SIGNALLING),
        text);
}

static void on_json(struct target_link *l, const json_t *m)
{
    const char *what = json_string_value(json_object_get(m, "janus"));
    if (!what) {
        end(l, refusal(l, LOAD_SIGNALLING), "a message that is not Janus's");
    } else if (strcmp(what, "success") == 0 && json_object_get(m, "plugindata")) {
        on_event(l, m); /* of requests that the plugin answers at once */
    } else if (strcmp(what, "success") == 0) {
        on_success(l, m);
    } else if (strcmp(what, "event") == 0) {
        on_event(l, m);
    } else if (strcmp(what, "error") == 0) {
        const json_t *e = json_object_get(m, "error");
        end_by_code(l, json_integer_value(json_object_get(e, "code")),
            json_string_value(json_object_get(e, "reason")));
    } else if (strcmp(what, "webrtcup") == 0) {
        on_up(l);
    } else if (strcmp(what, "hangup") == 0) {
        on_hangup(l, json_string_value(json_object_get(m, "reason")));
    } else if (strcmp(what, "timeout") == 0 || strcmp(what, "detached") == 0) {
        end(l, refusal(l, LOAD_SIGNALLING), what);
    } /* ack, media, slowlink, keepalive */
}

/* ---- the WebSocket ---- */

static void on_open(void *arg)
{
    struct target_link *l = arg;
    l->step = STEP_SESSION;
    l->heard = true;
    wheel_set(loop_wheel(l->target->config.loop), &l->keepalive,
        loop_now_us(l->target->config.loop) + KEEPALIVE_US);
    went(l, request(l, step_names[l->step], json_pack("{s:s}", "janus", "create")));
}

static void on_message(void *arg, bool text, const uint8_t *data, size_t len)
{
    struct target_link *l = arg;
    json_t *m = text ? json_loadb((const char *)data, len, 0, NULL) : NULL;
    if (l->step != STEP_OVER && m)
        on_json(l, m);
    else if (!m)
        end(l, refusal(l, LOAD_SIGNALLING), "a message that is not JSON");
    json_decref(m);
}

static void on_closed(void *arg, const char *why)
{
    struct target_link *l = arg;
    bool refused = strncmp(why, "HTTP/1.1 401", 12) == 0 || strncmp(why, "HTTP/1.1 403", 12) == 0;
    bool answered = l->heard || strncmp(why, "HTTP/", 5) == 0;
    end(l, refusal(l, refused ? LOAD_TOKEN : answered ? LOAD_SIGNALLING : LOAD_UNREACHABLE), why);
}

static const struct websocket_ops callbacks = {.open = on_open, .message = on_message, .closed = on_closed};

static void keep_alive(struct wheel_timer *t, int64_t now_us)
{
    struct target_link *l = t->arg;
    wheel_set(loop_wheel(l->target->config.loop), &l->keepalive, now_us + KEEPALIVE_US);
    if (l->session)
        went(l, request(l, "keepalive", json_pack("{s:s}", "janus", "keepalive")));
}

/* ---- rooms ---- */

/* FNV-1a, 32 bits: a number that is the same for a name in every run, so that somebody else can find the
 * room. */
static uint32_t room_number(const char *name)
{
    uint32_t h = 2166136261U;
    for (; *name; name++)
        h = (h ^ (uint8_t)*name) * 16777619U;
    return h ? h : 1;
}

static struct room *find_room(struct target *t, const char *name)
{
    for (struct list *at = t->rooms.next; at != &t->rooms; at = at->next) {
        struct room *r = list_entry(at, struct room, link);
        if (strcmp(r->name, name) == 0)
            return r;
    }
    size_t size = strlen(name) + 1;
    struct room *r = calloc(1, sizeof *r + size);
    if (!r)
        return NULL;
    r->number = room_number(name);
    memcpy(r->name, name, size);
    list_init(&r->subscribers);
    list_add_tail(&t->rooms, &r->link);
    return r;
}

/* ---- the target ---- */

static int janus_open(const struct target_config *c, struct target **ret, char *why, size_t why_size)
{
    struct target *t = calloc(1, sizeof *t);
    if (!t) {
        snprintf(why, why_size, "no memory");
        return -ENOMEM;
    }
    t->config = *c;
    list_init(&t->rooms);
    *ret = t;
    return 0;
}

static void janus_close(struct target *t)
{
    if (!t)
        return;
    while (!list_empty(&t->rooms)) {
        struct room *r = list_entry(t->rooms.next, struct room, link);
        list_del(&r->link);
        free(r->feeds);
        free(r);
    }
    free(t);
}

static void janus_free(struct target_link *l)
{
    if (!l)
        return;
    if (l->room)
        leave_room(l);
    wheel_cancel(&l->keepalive);
    wheel_cancel(&l->late);
    websocket_free(l->ws);
    free(l->identity);
    free(l->offer);
    free(l);
}

static int janus_join(struct target *t, const struct target_join *join, const struct target_events *events,
    void *arg, struct target_link **ret)
{
    const struct websocket_request r = {
        .target = t->config.url.path[0] ? t->config.url.path : "/", .protocol = "janus-protocol"};
    struct target_link *l = calloc(1, sizeof *l);
    int err = -ENOMEM;
    if (!l)
        return err;
    *l = (struct target_link){.target = t, .events = events, .arg = arg, .member = join->member};
    list_init(&l->link);
    wheel_timer_init(&l->keepalive, keep_alive, l);
    wheel_timer_init(&l->late, tell_late, l);
    l->room = find_room(t, join->room);
    l->identity = strdup(join->identity);
    l->offer = join->offer ? strdup(join->offer) : NULL;
    if (l->room && l->identity && (l->offer || !join->offer))
        err = websocket_open(t->config.loop, &t->config.url.addr, &r, &callbacks, l, &l->ws);
    if (err) {
        janus_free(l);
        return err;
    }
    if (!l->offer)
        list_add_tail(&l->room->subscribers, &l->link);
    *ret = l;
    return 0;
}

static int janus_answer(struct target_link *l, const char *sdp)
{
    if (l->step != STEP_START)
        return -ENOTCONN;
    bool before = l->busy;
    l->busy = true;
    int err = message(l, json_pack("{s:s}", "request", "start"), "answer", sdp);
    l->busy = before;
    return err;
}

/* The session goes with all that is in it; the socket is closed when it has. */
static void janus_leave(struct target_link *l)
{
    if (l->step == STEP_OVER)
        return;
    l->busy = true;
    leave_room(l);
    bool open = l->session != 0;
    l->handle = 0;
    l->step = STEP_LEAVE;
    if (!open || request(l, step_names[l->step], json_pack("{s:s}", "janus", "destroy")) != 0)
        websocket_close(l->ws, 1000);
    l->busy = false;
}

const struct target_kind target_janus = {
    .name = "janus",
    .server_offers = true,
    .open = janus_open,
    .close = janus_close,
    .join = janus_join,
    .answer = janus_answer,
    .leave = janus_leave,
    .free = janus_free,
};
