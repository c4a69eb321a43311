#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "base/log.h"
#include "room/internal.h"
#include "support/room_guest.h"
#include "support/room_host.h"

#define START_US   S(1000)
#define WALL_US    INT64_C(1700000000000000)
#define ROUNDS_MAX 80 /* of host_settle */

/* ---- the media side ---- */

struct media *host_media(struct host *h, uint32_t number)
{
    return number && number < h->media_count && h->media[number].kind != MEDIA_NONE ? &h->media[number]
                                                                                    : NULL;
}

static struct media *live(struct host *h, uint32_t number, enum media_kind kind)
{
    struct media *m = host_media(h, number);
    assert_non_null(m);
    assert_int_equal(m->kind, kind);
    assert_true(m->live);
    return m;
}

/* A number that was never used. */
static struct media *made(struct host *h, uint32_t number, enum media_kind kind)
{
    assert_int_not_equal(number, 0);
    assert_null(host_media(h, number));
    if (number >= h->media_count) {
        size_t n = number + 64;
        h->media = realloc(h->media, n * sizeof *h->media);
        assert_non_null(h->media);
        memset(h->media + h->media_count, 0, (n - h->media_count) * sizeof *h->media);
        h->media_count = n;
    }
    h->media[number] = (struct media){.kind = kind, .live = true};
    return &h->media[number];
}

unsigned host_live(const struct host *h, enum media_kind kind)
{
    unsigned n = 0;
    for (size_t i = 0; i < h->media_count; i++)
        n += h->media[i].kind == kind && h->media[i].live;
    return n;
}

/* Nothing that lives belongs to the object. */
static void assert_unused(struct host *h, uint32_t peer, uint32_t track)
{
    for (size_t i = 0; i < h->media_count; i++) {
        const struct media *m = &h->media[i];
        bool uses = (peer && m->peer == peer) || (track && m->track == track);
        if (m->live && m->kind != MEDIA_PEER && uses)
            fail_msg("%zu still lives and belongs to peer %u, track %u", i, m->peer, m->track);
    }
}

static void ssrc_add(struct host *h, uint32_t peer, uint32_t ssrc)
{
    if (!ssrc)
        return;
    for (size_t i = 0; i < h->ssrc_count; i++)
        assert_false(h->ssrcs[i].peer == peer && h->ssrcs[i].ssrc == ssrc);
    h->ssrcs = realloc(h->ssrcs, (h->ssrc_count + 1) * sizeof *h->ssrcs);
    assert_non_null(h->ssrcs);
    h->ssrcs[h->ssrc_count].peer = peer;
    h->ssrcs[h->ssrc_count++].ssrc = ssrc;
}

/* The payload types are those of the description that the client has. */
static void check_section(const struct sfu_section *s, const struct sdp_media *m)
{
    assert_non_null(m);
    assert_string_equal(s->mid, m->mid);
    assert_true(s->codec_count > 0);
    for (unsigned i = 0; i < s->codec_count; i++) {
        const struct sdp_codec *c = sdp_media_codec(m, s->codecs[i].pt);
        assert_non_null(c);
        assert_int_equal(c->clock_hz, s->codecs[i].clock_hz);
        assert_int_not_equal(s->codecs[i].codec, PAYLOAD_UNKNOWN);
        if (s->codecs[i].rtx_pt)
            assert_int_equal(sdp_media_codec(m, s->codecs[i].rtx_pt)->apt, c->pt);
    }
}

static void on_peer(struct host *h, const struct sfu_command *c)
{
    struct media *p = c->type == SFU_PEER_ADD ? made(h, c->peer, MEDIA_PEER) : live(h, c->peer, MEDIA_PEER);
    const struct sfu_ice_credentials *ice = &c->remote.ice;
    if (c->type == SFU_PEER_ADD)
        p->worker = c->worker;
    assert_int_equal(p->worker, c->worker);
    assert_true(strlen(ice->local_ufrag) >= 4 && strlen(ice->local_pwd) >= 22);
    if (c->type == SFU_PEER_RESTART) {
        assert_string_not_equal(ice->local_ufrag, p->ice.local_ufrag);
        p->restarts++;
    } else if (c->type == SFU_PEER_REMOTE) {
        assert_string_equal(ice->local_ufrag, p->ice.local_ufrag);
        assert_true(ice->remote_ufrag[0] && ice->remote_pwd[0] && c->remote.fingerprint[0]);
    }
    if (c->remote.fingerprint[0]) {
        if (p->remote_known)
            assert_string_equal(p->fingerprint, c->remote.fingerprint);
        memcpy(p->fingerprint, c->remote.fingerprint, sizeof p->fingerprint);
        p->dtls_client = c->remote.dtls_client;
        p->remote_known = true;
    }
    p->ice = *ice;
}

static void on_track_add(struct host *h, const struct sfu_command *c)
{
    uint8_t worker = live(h, c->peer, MEDIA_PEER)->worker;
    struct media *t = host_media(h, c->track);
    if (!t) {
        t = made(h, c->track, MEDIA_TRACK);
        t->peer = c->peer;
        t->worker = c->worker;
        t->media = c->track_add.kind;
        t->encrypted = c->track_add.encrypted;
    }
    live(h, c->track, MEDIA_TRACK);
    assert_int_equal(t->peer, c->peer);
    assert_int_equal(worker, c->worker);
    assert_int_equal(t->media, c->track_add.kind);
    t->adds++;
    t->muted = c->track_add.muted;
    t->section = c->track_add.section;
    const struct guest *g = guest_of_peer(h, c->peer);
    assert_non_null(g);
    assert_non_null(g->answer);
    const struct sdp_media *m = sdp_media_find(g->answer, t->section.mid);
    check_section(&t->section, m);
    assert_true(m->dir & SDP_RECVONLY);
}

static void on_sub_add(struct host *h, const struct sfu_command *c)
{
    const struct media *peer = live(h, c->peer, MEDIA_PEER), *track = live(h, c->track, MEDIA_TRACK);
    assert_true(peer->remote_known);
    bool slot = track->slot;
    uint8_t worker = peer->worker, track_worker = slot ? worker : track->worker, kind = track->media;
    bool encrypted = slot ? c->sub_add.encrypted : track->encrypted;
    struct media *s = made(h, c->sub, MEDIA_SUB);
    s->peer = c->peer;
    s->track = c->track;
    s->worker = c->worker;
    s->ssrc = c->sub_add.ssrc;
    s->rtx_ssrc = c->sub_add.rtx_ssrc;
    s->section = c->sub_add.section;
    s->paused = c->sub_add.paused;
    assert_int_equal(c->worker, worker);
    assert_int_equal(c->sub_add.track_worker, track_worker);
    assert_int_equal(c->sub_add.kind, kind);
    assert_int_equal(c->sub_add.encrypted, encrypted);
    assert_int_equal(s->section.rid_count + s->section.ssrc_count, 0);
    assert_true(c->sub_add.cname[0]);
    assert_int_not_equal(s->ssrc, 0);
    assert_int_not_equal(s->ssrc, s->rtx_ssrc);
    ssrc_add(h, c->peer, s->ssrc);
    ssrc_add(h, c->peer, s->rtx_ssrc);
    /* the client has the description already */
    const struct guest *g = guest_of_peer(h, c->peer);
    assert_non_null(g);
    assert_non_null(g->receives);
    const struct sdp_media *m = sdp_media_find(g->receives, s->section.mid);
    check_section(&s->section, m);
    assert_true(m->dir & SDP_SENDONLY);
    bool signalled = false;
    for (unsigned i = 0; i < m->n_ssrcs; i++)
        signalled |= m->ssrcs[i].ssrc == s->ssrc;
    assert_true(signalled);
    for (size_t i = 0; i < h->media_count; i++) /* one track a section */
        assert_false(h->media[i].kind == MEDIA_SUB && h->media[i].live && i != c->sub &&
                     h->media[i].peer == c->peer && strcmp(h->media[i].section.mid, s->section.mid) == 0);
}

static void on_sub(struct host *h, const struct sfu_command *c)
{
    struct media *s = live(h, c->sub, MEDIA_SUB);
    live(h, c->peer, MEDIA_PEER);
    live(h, c->track, MEDIA_TRACK);
    assert_int_equal(s->peer, c->peer);
    assert_int_equal(s->track, c->track);
    assert_int_equal(s->worker, c->worker);
    if (c->type == SFU_SUB_REMOVE) {
        s->live = false;
        return;
    }
    s->set = true;
    s->paused = c->sub_set.disabled;
    s->max_layer = c->sub_set.max_layer;
    s->max_fps = c->sub_set.max_fps;
    s->wish = *c;
}

static void on_track(struct host *h, const struct sfu_command *c)
{
    struct media *t = live(h, c->track, MEDIA_TRACK);
    live(h, c->peer, MEDIA_PEER);
    assert_int_equal(t->peer, c->peer);
    assert_int_equal(t->worker, c->worker);
    if (c->type == SFU_TRACK_MUTE) {
        t->muted = c->muted;
        return;
    }
    assert_unused(h, 0, c->track);
    t->live = false;
}

static void on_data(struct host *h, const struct sfu_command *c)
{
    struct media *p = live(h, c->peer, MEDIA_PEER);
    assert_true(p->remote_known);
    assert_false(p->data);
    assert_int_not_equal(c->data.port, 0);
    assert_true(c->data.max_message_size >= 65536);
    assert_int_equal(c->data.dtls_client, p->dtls_client);
    p->data = true;
    p->opens_channels = c->data.open_channels;
}

static void on_stage(struct host *h, const struct sfu_command *c)
{
    assert_int_not_equal(c->stage, 0);
    if (c->worker != 0) /* each is told the same */
        return;
    if (c->type == SFU_STAGE_ADD) {
        for (unsigned i = 0; i < c->stage_add.slot_count; i++) {
            struct media *t = made(h, c->stage_add.slots[i], MEDIA_TRACK);
            t->slot = true;
            t->peer = c->stage; /* whose it is */
        }
        return;
    }
    for (size_t i = 0; i < h->media_count; i++) {
        if (!h->media[i].slot || h->media[i].peer != c->stage)
            continue;
        assert_unused(h, 0, (uint32_t)i);
        h->media[i].live = false;
    }
}

static void host_post(void *arg, const struct sfu_command *c)
{
    struct host *h = arg;
    if (h->command_count == h->command_cap) {
        h->command_cap = h->command_cap ? 2 * h->command_cap : 64;
        h->commands = realloc(h->commands, h->command_cap * sizeof *h->commands);
        assert_non_null(h->commands);
    }
    h->commands[h->command_count++] = *c;
    switch (c->type) {
    case SFU_PEER_ADD:
    case SFU_PEER_REMOTE:
    case SFU_PEER_RESTART:
        on_peer(h, c);
        break;
    case SFU_PEER_REMOVE:
        assert_unused(h, c->peer, 0);
        live(h, c->peer, MEDIA_PEER)->live = false;
        break;
    case SFU_PEER_DATA:
        on_data(h, c);
        break;
    case SFU_PEER_SET:
        live(h, c->peer, MEDIA_PEER)->never_pause = c->peer_set.never_pause;
        break;
    case SFU_TRACK_ADD:
        on_track_add(h, c);
        break;
    case SFU_TRACK_REMOVE:
    case SFU_TRACK_MUTE:
        on_track(h, c);
        break;
    case SFU_SUB_ADD:
        on_sub_add(h, c);
        break;
    case SFU_SUB_REMOVE:
    case SFU_SUB_SET:
        on_sub(h, c);
        break;
    case SFU_STAGE_ADD:
    case SFU_STAGE_REMOVE:
        on_stage(h, c);
        break;
    }
}

/* ---- commands ---- */

void host_mark(struct host *h)
{
    h->mark = h->command_count;
}

unsigned host_count(const struct host *h, enum sfu_command_type type)
{
    unsigned n = 0;
    for (size_t i = h->mark; i < h->command_count; i++)
        n += h->commands[i].type == type;
    return n;
}

const struct sfu_command *host_last(const struct host *h, enum sfu_command_type type)
{
    for (size_t i = h->command_count; i > h->mark; i--)
        if (h->commands[i - 1].type == type)
            return &h->commands[i - 1];
    return NULL;
}

/* ---- names ---- */

void host_name_add(struct host *h, const char *sid, const char *name)
{
    h->names = realloc(h->names, (h->name_count + 1) * sizeof *h->names);
    assert_non_null(h->names);
    struct host_name *n = &h->names[h->name_count++];
    text_copy(n->sid, sizeof n->sid, sid);
    text_copy(n->name, sizeof n->name, name);
}

const char *host_name_of(const struct host *h, const char *sid)
{
    for (size_t i = 0; i < h->name_count; i++)
        if (strcmp(h->names[i].sid, sid) == 0)
            return h->names[i].name;
    return sid;
}

/* ---- the clock ---- */

static int64_t host_now_us(void *arg)
{
    return ((struct host *)arg)->now_us;
}

static int64_t host_wall_us(void *arg)
{
    const struct host *h = arg;
    return h->wall_us + h->now_us;
}

static void host_wake_at(void *arg, int64_t due_us)
{
    struct host *h = arg;
    if (due_us < h->wake_us)
        h->wake_us = due_us;
}

void host_run(struct host *h, int64_t us)
{
    int64_t end_us = h->now_us + us;
    while (h->wake_us <= end_us) {
        assert_true(h->wake_us >= h->now_us - MS(1)); /* nobody asks for the past again and again */
        h->now_us = h->wake_us > h->now_us ? h->wake_us : h->now_us;
        h->wake_us = INT64_MAX;
        room_server_timeout(h->rooms, h->now_us);
        assert_true(h->wake_us <= h->now_us + ROOM_TICK_US); /* it asked to be called again */
    }
    h->now_us = end_us;
}

void host_settle(struct host *h)
{
    for (int round = 0, idle = 0; idle < 2; round++) {
        bool acted = false;
        list_for_each(l, &h->guests)
        {
            acted |= guest_act(list_entry(l, struct guest, link));
        }
        idle = acted ? 0 : idle + 1;
        host_run(h, MS(200));
        if (round == ROUNDS_MAX)
            fail_msg("it never settles");
    }
}

/* ---- watching ---- */

static void room_started(void *arg, struct room *r)
{
    (void)r;
    ((struct host *)arg)->rooms_started++;
}

static void room_finished(void *arg, struct room *r)
{
    assert_true(list_empty(&r->participants));
    ((struct host *)arg)->rooms_finished++;
}

static void participant_watched(void *arg, struct participant *p)
{
    static const char *const states[] = {"JOINING", "JOINED", "ACTIVE", "DISCONNECTED"};
    struct host *h = arg;
    assert_non_null(p->room->name);
    snprintf(h->last_watched, sizeof h->last_watched, "%s %s", p->identity, states[p->state]);
}

static void track_watched(void *arg, struct track *t, bool published)
{
    struct host *h = arg;
    assert_int_equal(t->published, published);
    h->tracks_published += published;
    h->tracks_unpublished += !published;
}

/* ---- life ---- */

static const struct sfu_candidate *host_candidates(void *arg, unsigned worker, size_t *ret_n)
{
    static struct sfu_candidate list[2];
    (void)arg;
    addr_parse("192.0.2.1", (uint16_t)(7882 + worker), &list[0].addr);
    addr_parse("192.0.2.1", 7881, &list[1].addr);
    list[1].tcp = true;
    *ret_n = 2;
    return list;
}

static void default_config(struct config *c)
{
    c->rtc.connect_timeout_s = 20;
    c->room.auto_create = true;
    c->room.empty_timeout_s = 300;
    c->room.departure_timeout_s = 20;
    c->signal.resume_timeout_s = 30;
    c->limits.room_name_bytes = c->limits.identity_bytes = c->limits.name_bytes = 256;
    c->limits.metadata_bytes = 512 * 1024;
    c->limits.attributes_bytes = 64 * 1024;
    c->limits.tracks_max = 32;
}

struct host *host_new(void)
{
    struct host *h = calloc(1, sizeof *h);
    assert_non_null(h);
    log_open(LOG_LEVEL_ERROR, NULL);
    h->now_us = START_US;
    h->wall_us = WALL_US;
    h->wake_us = INT64_MAX;
    list_init(&h->guests);
    default_config(&h->cfg);
    struct room_host host = {
        .arg = h,
        .now_us = host_now_us,
        .wall_us = host_wall_us,
        .post = host_post,
        .wake_at = host_wake_at,
        .candidates = host_candidates,
        .workers = 3,
        .fingerprint = "sha-256 01:23:45:67:89:AB:CD:EF:01:23:45:67:89:AB:CD:EF:"
                       "01:23:45:67:89:AB:CD:EF:01:23:45:67:89:AB:CD:EF",
    };
    h->rooms = room_server_new(&h->cfg, &host);
    assert_non_null(h->rooms);
    struct room_watch watch = {
        .arg = h,
        .room_started = room_started,
        .room_finished = room_finished,
        .participant_changed = participant_watched,
        .track_changed = track_watched,
    };
    room_server_watch(h->rooms, &watch);
    return h;
}

void host_free(struct host *h)
{
    room_server_close(h->rooms, LEAVE_SERVER_SHUTDOWN, LEAVE_DISCONNECT);
    host_check(h);
    size_t rooms, participants;
    room_server_counts(h->rooms, &rooms, &participants);
    assert_int_equal(rooms + participants, 0);
    assert_int_equal(host_live(h, MEDIA_PEER) + host_live(h, MEDIA_TRACK) + host_live(h, MEDIA_SUB), 0);
    assert_int_equal(h->rooms_started, h->rooms_finished);
    assert_int_equal(h->tracks_published, h->tracks_unpublished);
    while (!list_empty(&h->guests)) {
        struct guest *g = list_entry(h->guests.next, struct guest, link);
        assert_null(g->p); /* everybody was told */
        guest_free(g);
    }
    room_server_free(h->rooms);
    free(h->media);
    free(h->commands);
    free(h->ssrcs);
    free(h->names);
    free(h);
}

int host_end(void **state)
{
    host_check(*state);
    host_free(*state);
    return 0;
}

struct room *host_room(struct host *h)
{
    return room_find(h->rooms, "room");
}

/* ---- do tables and objects agree? ---- */

struct count {
    unsigned peers, added, tracks, subs, started, participants;
};

static void check_peer(struct host *h, const struct room_peer *peer, struct count *n)
{
    n->peers++;
    n->added += peer->added;
    assert_int_equal(peer->added, host_media(h, peer->number) && host_media(h, peer->number)->live);
    for (unsigned i = 0; i < peer->plan.n; i++) {
        const struct sdp_plan_section *s = &peer->plan.sections[i];
        bool found = s->state != SDP_PLAN_BOUND;
        list_for_each(l, &peer->participant->subscriptions)
        {
            found |= list_entry(l, struct subscription, by_subscriber)->key == s->key;
        }
        assert_true(found); /* what sits in a section is somebody's */
    }
}

static void check_subscription(struct host *h, const struct subscription *s, struct count *n)
{
    const struct participant *p = s->subscriber;
    n->subs++;
    assert_true(s->track->published);
    assert_ptr_equal(s->track->publisher->room, p->room);
    assert_true(participant_may_subscribe(p, s->track));
    list_for_each(l, &p->subscriptions)
    {
        const struct subscription *o = list_entry(l, struct subscription, by_subscriber);
        assert_true(o == s || o->track != s->track);
    }
    if (s->key)
        assert_true(sdp_plan_find(&p->subscriber->plan, s->key) >= 0);
    if (!s->number)
        return;
    n->started++;
    const struct media *m = host_media(h, s->number);
    assert_true(m && m->live && m->set);
    assert_true(s->key && !s->codec_failed);
    assert_int_equal(m->peer, p->subscriber->number);
    assert_int_equal(m->track, media_of(s)->id);
}

static void check_media(struct host *h, const struct room_track *t, struct count *n)
{
    assert_int_equal(t->t.id, t->media[0].id);
    for (int k = 0; k < TRACK_CODECS_MAX; k++) {
        if (!t->media[k].id)
            continue;
        const struct media *m = host_media(h, t->media[k].id);
        n->tracks++;
        assert_true(k < t->t.desc.codec_count && m && m->live);
        assert_int_equal(m->muted, t->t.desc.muted || t->t.server_muted);
    }
}

/* What is counted as it changes is what counting would find. */
static void check_counts(const struct room_track *t)
{
    uint32_t viewers[TRACK_CODECS_MAX][3] = {0};
    list_for_each(l, &t->t.subscriptions)
    {
        const struct subscription *s = list_entry(l, struct subscription, by_track);
        if (s->want >= 0)
            viewers[s->codec][s->want]++;
    }
    for (int k = 0; k < TRACK_CODECS_MAX; k++)
        assert_memory_equal(viewers[k], t->media[k].viewers, sizeof viewers[k]);
}

static void check_participant(struct host *h, const struct participant *p, struct count *n)
{
    n->participants += !p->own;
    for (int i = 0; i < 2; i++)
        if (p->priv->peers[i])
            check_peer(h, p->priv->peers[i], n);
    list_for_each(l, &p->tracks)
    {
        const struct track *t = list_entry(l, struct track, link);
        assert_true(t->published && t->id);
        check_media(h, (struct room_track *)t, n);
        check_counts((struct room_track *)t);
    }
    list_for_each(l, &p->pending)
    {
        assert_false(list_entry(l, struct track, link)->published);
    }
    list_for_each(l, &p->subscriptions)
    {
        check_subscription(h, list_entry(l, struct subscription, by_subscriber), n);
    }
}

void host_check(struct host *h)
{
    struct room_server *rs = h->rooms;
    struct count n = {0};
    list_for_each(l, &rs->rooms)
    {
        struct room *r = list_entry(l, struct room, link);
        unsigned count = 0, people = 0, standard = 0, publishers = 0;
        list_for_each(m, &r->participants)
        {
            const struct participant *p = list_entry(m, struct participant, link);
            check_participant(h, p, &n);
            count += participant_counts(p);
            publishers += participant_counts(p) && p->is_publisher;
            standard += p->priv->counted.standard;
            people++;
        }
        assert_int_equal(r->priv->people, people);
        assert_int_equal(r->priv->standard, standard);
        assert_int_equal(r->publisher_count, publishers);
        assert_int_equal(r->participant_count, count);
        assert_ptr_equal(room_find(rs, r->name), r);
    }
    assert_int_equal(HASH_COUNT(rs->peers), n.peers);
    assert_int_equal(HASH_COUNT(rs->media), n.tracks);
    assert_int_equal(HASH_COUNT(rs->subs), n.started);
    assert_int_equal(rs->participant_count, n.participants);
    assert_int_equal(host_live(h, MEDIA_PEER), n.added);
    assert_int_equal(host_live(h, MEDIA_TRACK), n.tracks);
    assert_int_equal(host_live(h, MEDIA_SUB), n.started);
    size_t load = 0;
    for (unsigned i = 0; i < SFU_WORKERS_MAX; i++)
        load += rs->worker_load[i];
    assert_int_equal(load, n.peers);
}
