/* Routing of DataPackets, on the sctp thread: the sender is stamped, order per sender is kept, unknown fields
 * pass through. Control announces members by functions that run here in the order they were posted. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include "base/log.h"
#include "signal/internal.h"

#define WAIT_BYTES_MAX (256 * 1024) /* reliable packets kept for a receiver that is still joining */
#define WAIT_US        2000000      /* and how long they are worth keeping */

struct data_room {
    UT_hash_handle hh; /* router->rooms, by sid */
    char sid[ROOM_SID_MAX];
    struct list members;
};

struct data_router {
    struct sfu *sfu;
    struct data_room *rooms;
    struct data_member *by_peer;
    struct opened
        *opened; /* peers whose channels are open; they may be open before the member is announced */
    uint64_t malformed, refused, dropped;
};

struct opened {
    UT_hash_handle hh;
    uint32_t peer;
};

struct waiting {
    struct waiting *next;
    int64_t since_us;
    size_t len;
    uint8_t data[];
};

/* ---- members, announced by control ---- */

struct member_call {
    struct data_router *router;
    struct data_member *member;
    char room_sid[ROOM_SID_MAX];
    bool hidden, may_publish;
};

static bool is_open(const struct data_router *r, uint32_t peer)
{
    struct opened *o;
    HASH_FIND_INT(r->opened, &peer, o);
    return o != NULL;
}

static void post(struct data_router *r, void (*fn)(void *arg), const struct member_call *from)
{
    struct member_call *c = malloc(sizeof *c);
    if (c) {
        *c = *from;
        c->router = r;
    }
    if (!c || sfu_data_call(r->sfu, fn, c)) {
        log_error("data.call_lost", "member=%s reason=memory", from->member->sid);
        free(c);
    }
}

static void add(void *arg)
{
    struct member_call *c = arg;
    struct data_router *r = c->router;
    struct data_room *room;
    HASH_FIND_STR(r->rooms, c->room_sid, room);
    if (!room) {
        room = calloc(1, sizeof *room);
        if (!room) {
            free(c);
            return;
        }
        text_copy(room->sid, sizeof room->sid, c->room_sid);
        list_init(&room->members);
        HASH_ADD_STR(r->rooms, sid, room);
    }
    c->member->room = room;
    list_add_tail(&room->members, &c->member->link);
    HASH_ADD(by_peer, r->by_peer, in_peer, sizeof c->member->in_peer, c->member);
    c->member->open = is_open(r, c->member->out_peer);
    free(c);
}

static void change(void *arg)
{
    struct member_call *c = arg;
    c->member->hidden = c->hidden;
    c->member->may_publish = c->may_publish;
    free(c);
}

static void forget_waiting(struct data_member *m)
{
    struct waiting *next;
    for (struct waiting *w = m->waiting; w; w = next) {
        next = w->next;
        free(w);
    }
    m->waiting = NULL;
    m->waiting_end = &m->waiting;
    m->waiting_bytes = 0;
}

static void member_free(struct data_router *r, struct data_member *m)
{
    if (m->room) {
        HASH_DELETE(by_peer, r->by_peer, m);
        list_del(&m->link);
        if (list_empty(&m->room->members)) {
            HASH_DEL(r->rooms, m->room);
            free(m->room);
        }
    }
    forget_waiting(m);
    free(m->identity);
    free(m);
}

static void drop(void *arg)
{
    struct member_call *c = arg;
    member_free(c->router, c->member);
    free(c);
}

void data_member_add(struct data_router *r, const char *room_sid, struct data_member *m)
{
    struct member_call c = {.member = m};
    text_copy(c.room_sid, sizeof c.room_sid, room_sid);
    post(r, add, &c);
}

void data_member_change(struct data_router *r, struct data_member *m, bool hidden, bool may_publish)
{
    struct member_call c = {.member = m, .hidden = hidden, .may_publish = may_publish};
    post(r, change, &c);
}

void data_member_remove(struct data_router *r, struct data_member *m)
{
    struct member_call c = {.member = m};
    post(r, drop, &c);
}

/* ---- delivery ---- */

/* Members without a data channel, such as WHEP viewers, never ask for theirs: what is too old goes. */
static void forget_old(struct data_member *m, int64_t now_us)
{
    while (m->waiting && now_us - m->waiting->since_us > WAIT_US) {
        struct waiting *w = m->waiting;
        m->waiting = w->next;
        m->waiting_bytes -= w->len;
        free(w);
    }
    if (!m->waiting)
        m->waiting_end = &m->waiting;
}

static void keep(struct data_member *m, const uint8_t *data, size_t len)
{
    int64_t now_us = clock_now_us();
    forget_old(m, now_us);
    if (m->waiting_bytes + len > WAIT_BYTES_MAX)
        return;
    struct waiting *w = malloc(sizeof *w + len);
    if (!w)
        return;
    w->next = NULL;
    w->since_us = now_us;
    w->len = len;
    memcpy(w->data, data, len);
    *m->waiting_end = w;
    m->waiting_end = &w->next;
    m->waiting_bytes += len;
}

static void deliver(
    struct data_router *r, struct data_member *to, enum sfu_channel channel, const uint8_t *data, size_t len)
{
    if (!to->open) {
        if (channel == SFU_CHANNEL_RELIABLE)
            keep(to, data, len);
        return;
    }
    if (sfu_data_send(r->sfu, to->out_peer, channel, data, len) == -EAGAIN)
        r->dropped++;
}

static void flush_waiting(struct data_router *r, struct data_member *m)
{
    int64_t now = clock_now_us();
    for (struct waiting *w = m->waiting; w; w = w->next)
        if (now - w->since_us <= WAIT_US)
            sfu_data_send(r->sfu, m->out_peer, SFU_CHANNEL_RELIABLE, w->data, w->len);
    forget_waiting(m);
}

static int compare(const void *a, const void *b)
{
    return strcmp(*(char *const *)a, *(char *const *)b);
}

/* A list is looked through once for each member, and its sender decides how long it is. */
static void sort(char **list, size_t n)
{
    if (n > 1)
        qsort(list, n, sizeof *list, compare);
}

static void sort_destinations(Livekit__DataPacket *p)
{
    sort(p->destination_identities, p->n_destination_identities);
    if (p->value_case != LIVEKIT__DATA_PACKET__VALUE_USER)
        return;
    sort(p->user->destination_identities, p->user->n_destination_identities);
    sort(p->user->destination_sids, p->user->n_destination_sids);
}

/* The list is sorted. */
static bool named(char **list, size_t n, const char *name)
{
    return n && bsearch(&name, list, n, sizeof *list, compare);
}

static bool is_destination(const Livekit__DataPacket *p, const struct data_member *to)
{
    const Livekit__UserPacket *u = p->value_case == LIVEKIT__DATA_PACKET__VALUE_USER ? p->user : NULL;
    size_t addressed =
        p->n_destination_identities + (u ? u->n_destination_identities + u->n_destination_sids : 0);
    if (!addressed)
        return true;
    return named(p->destination_identities, p->n_destination_identities, to->identity) ||
           (u && (named(u->destination_identities, u->n_destination_identities, to->identity) ||
                     named(u->destination_sids, u->n_destination_sids, to->sid)));
}

static bool keeps_foreign_identity(const struct data_member *from, const Livekit__DataPacket *p)
{
    if (!from->agent)
        return false;
    return p->value_case == LIVEKIT__DATA_PACKET__VALUE_CHAT_MESSAGE ||
           (p->value_case == LIVEKIT__DATA_PACKET__VALUE_STREAM_HEADER && p->stream_header->text_header);
}

/* Replaces a string of a decoded message; the message owns the new one. */
static bool replace(char **field, const char *text)
{
    char *own = strdup(text);
    if (!own)
        return false;
    if (*field != NO_TEXT)
        free(*field);
    *field = own;
    return true;
}

static bool stamp(Livekit__DataPacket *p, const struct data_member *from)
{
    const char *identity = from->hidden ? "" : from->identity;
    bool ok = replace(&p->participant_sid, from->sid);
    if (!keeps_foreign_identity(from, p) || !*p->participant_identity)
        ok &= replace(&p->participant_identity, identity);
    if (p->value_case == LIVEKIT__DATA_PACKET__VALUE_USER) {
        ok &= replace(&p->user->participant_sid, from->sid);
        ok &= replace(&p->user->participant_identity, identity);
    }
    return ok;
}

static bool forwarded(const struct data_member *from, const Livekit__DataPacket *p)
{
    switch (p->value_case) {
    case LIVEKIT__DATA_PACKET__VALUE_SPEAKER: /* the server's to say */
    case LIVEKIT__DATA_PACKET__VALUE_METRICS:
        return false;
    case LIVEKIT__DATA_PACKET__VALUE_TRANSCRIPTION:
        return from->agent;
    default:
        return true;
    }
}

/* A reliable packet that came before, sent again after a resume. */
static bool is_repeat(struct data_member *from, enum sfu_channel channel, const Livekit__DataPacket *p)
{
    if (channel != SFU_CHANNEL_RELIABLE || !p->sequence)
        return false;
    if (p->sequence <= from->last_sequence)
        return true;
    from->last_sequence = p->sequence;
    atomic_store_explicit(&from->told_sequence, p->sequence, memory_order_relaxed);
    return false;
}

static void route(
    struct data_router *r, struct data_member *from, enum sfu_channel channel, Livekit__DataPacket *p)
{
    uint8_t *wire;
    size_t len;
    p->kind = channel == SFU_CHANNEL_LOSSY ? LIVEKIT__DATA_PACKET__KIND__LOSSY
                                           : LIVEKIT__DATA_PACKET__KIND__RELIABLE;
    if (is_repeat(from, channel, p) || !forwarded(from, p) || !stamp(p, from) ||
        proto_pack(&p->base, &wire, &len))
        return;
    sort_destinations(p);
    list_for_each(l, &from->room->members)
    {
        struct data_member *to = list_entry(l, struct data_member, link);
        if (to != from && is_destination(p, to))
            deliver(r, to, channel, wire, len);
    }
    free(wire);
}

/* ---- what the media side hears ---- */

static struct data_member *by_in_peer(const struct data_router *r, uint32_t peer)
{
    struct data_member *m;
    HASH_FIND(by_peer, r->by_peer, &peer, sizeof peer, m);
    return m;
}

static struct data_member *by_out_peer(const struct data_router *r, uint32_t peer)
{
    struct data_member *m = by_in_peer(r, peer);
    if (m && m->out_peer == peer)
        return m;
    for (m = r->by_peer; m; m = m->by_peer.next)
        if (m->out_peer == peer)
            return m;
    return NULL;
}

static void on_open(void *arg, uint32_t peer)
{
    struct data_router *r = arg;
    if (!is_open(r, peer)) {
        struct opened *o = calloc(1, sizeof *o);
        if (!o)
            return;
        o->peer = peer;
        HASH_ADD_INT(r->opened, peer, o);
    }
    struct data_member *m = by_out_peer(r, peer);
    if (!m)
        return;
    m->open = true;
    flush_waiting(r, m);
}

static void on_closed(void *arg, uint32_t peer)
{
    struct data_router *r = arg;
    struct opened *o;
    HASH_FIND_INT(r->opened, &peer, o);
    if (o) {
        HASH_DEL(r->opened, o);
        free(o);
    }
    struct data_member *m = by_out_peer(r, peer);
    if (m)
        m->open = false;
}

static void on_message(void *arg, uint32_t peer, enum sfu_channel channel, const uint8_t *data, size_t len)
{
    struct data_router *r = arg;
    struct data_member *from = by_in_peer(r, peer);
    ProtobufCMessage *m;
    if (!from || !from->may_publish || channel == SFU_CHANNEL_DATA_TRACK) {
        r->refused++;
        return;
    }
    if (proto_unpack(&livekit__data_packet__descriptor, data, len, SCTP_MESSAGE_MAX, &m)) {
        r->malformed++;
        return;
    }
    route(r, from, channel, (Livekit__DataPacket *)m);
    proto_free(m);
}

const struct sfu_data_ops data_router_ops = {.open = on_open, .message = on_message, .closed = on_closed};

/* ---- life ---- */

struct data_router *data_router_new(void)
{
    return calloc(1, sizeof(struct data_router));
}

void data_router_connect(struct data_router *r, struct sfu *sfu)
{
    r->sfu = sfu;
}

void data_router_free(struct data_router *r)
{
    if (!r)
        return;
    struct data_member *m, *next;
    HASH_ITER(by_peer, r->by_peer, m, next)
    {
        member_free(r, m);
    }
    struct opened *o, *next_o;
    HASH_ITER(hh, r->opened, o, next_o)
    {
        HASH_DEL(r->opened, o);
        free(o);
    }
    free(r);
}
