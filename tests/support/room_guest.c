#include "support/room_guest.h"

#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include "room/internal.h"
#include "support/room_ops.h"

/* ---- joining ---- */

struct guest_options guest_options(const char *identity)
{
    return (struct guest_options){
        .identity = identity,
        .room = "room",
        .protocol = 17,
        .permission = {.can_subscribe = true,
            .can_publish = true,
            .can_publish_data = true,
            .can_update_metadata = true},
        .audios = 3,
        .videos = 3,
    };
}

static struct guest_session *session_new(struct guest *g)
{
    struct guest_session *s = calloc(1, sizeof *s);
    assert_non_null(s);
    s->guest = g;
    list_add_tail(&g->sessions, &s->link);
    g->session = s;
    return s;
}

/* What a join response tells. */
static void see_the_others(struct guest *g)
{
    list_for_each(l, &g->p->room->participants)
    {
        struct participant *o = list_entry(l, struct participant, link);
        if (o != g->p && !o->permission.hidden && o->state >= PARTICIPANT_JOINED)
            guest_see(g, o);
    }
}

static void first_sections(struct guest *g)
{
    pc_init(&g->pub, ++g->host->connections, g->options.firefox);
    pc_init(&g->sub, ++g->host->connections, g->options.firefox);
    g->pub.without = g->sub.without = g->options.without;
    for (unsigned i = 0; i < g->options.audios && !g->options.two_connections; i++)
        pc_add(&g->pub, SDP_KIND_AUDIO, false, true);
    for (unsigned i = 0; i < g->options.videos && !g->options.two_connections; i++)
        pc_add(&g->pub, SDP_KIND_VIDEO, false, true);
    if (!g->options.no_data)
        pc_add_data(&g->pub);
}

static struct guest *guest_new(struct host *h, const struct guest_options *o)
{
    struct guest *g = calloc(1, sizeof *g);
    assert_non_null(g);
    g->host = h;
    g->options = *o;
    text_copy(g->identity, sizeof g->identity, o->identity);
    g->options.identity = g->identity;
    list_init(&g->sessions);
    list_add_tail(&h->guests, &g->link);
    session_new(g);
    first_sections(g);
    return g;
}

void guest_free(struct guest *g)
{
    list_del(&g->link);
    while (!list_empty(&g->sessions)) {
        struct guest_session *s = list_entry(g->sessions.next, struct guest_session, link);
        list_del(&s->link);
        free(s);
    }
    if (g->receives != g->answer) /* the same in single-connection mode */
        sdp_free(g->receives);
    sdp_free(g->answer);
    sdp_free(g->offered);
    for (size_t i = 0; i < g->seen_count; i++) {
        free(g->seen[i].description);
        free(g->seen[i].tracks);
    }
    free(g->carried);
    free(g->notes);
    free(g->seen);
    free(g);
}

int guest_try(struct host *h, const struct guest_options *o, struct guest **ret)
{
    struct guest *g = guest_new(h, o);
    struct participant_join j = {
        .room = o->room,
        .identity = g->identity,
        .name = o->name,
        .metadata = o->metadata,
        .attributes = o->attributes,
        .attribute_count = o->attribute_count,
        .kind = o->kind,
        .permission = o->permission,
        .may_create = !o->may_not_create,
        .single_connection = !o->two_connections,
        .auto_subscribe = !o->manual,
        .adaptive_stream = o->adaptive,
        .allow_pause = o->may_pause,
        .firefox = o->firefox,
        .no_signal = o->no_signal,
        .protocol = o->protocol,
        .ops = &guest_ops,
        .arg = g->session,
    };
    int err = participant_join(h->rooms, &j, &g->p);
    if (err) {
        assert_int_equal(g->note_count, 0);
        guest_free(g);
        return err;
    }
    text_copy(g->sid, sizeof g->sid, g->p->sid);
    host_name_add(h, g->sid, g->identity);
    assert_int_equal(g->note_count, 0); /* nothing before the join response */
    see_the_others(g);
    participant_joined(g->p);
    *ret = g;
    return 0;
}

struct guest *guest_join(struct host *h, const struct guest_options *o)
{
    struct guest *g = NULL;
    assert_int_equal(guest_try(h, o, &g), 0);
    return g;
}

struct guest *guest_enter_with(struct host *h, const struct guest_options *o)
{
    struct guest *g = guest_join(h, o);
    if (o->two_connections && g->offered)
        guest_answer(g);
    guest_offer(g);
    guest_connect(g);
    return g;
}

struct guest *guest_enter(struct host *h, const char *identity)
{
    struct guest_options o = guest_options(identity);
    return guest_enter_with(h, &o);
}

/* ---- descriptions ---- */

void guest_offer(struct guest *g)
{
    char err[256] = "";
    struct strbuf text = {0};
    unsigned answers = guest_count(g, NOTE_ANSWER);
    pc_offer(&g->pub, &text);
    g->offer_id++;
    g->wants_offer = false;
    int e = participant_offer(g->p, text.text, text.len, g->offer_id, err, sizeof err);
    if (e)
        fail_msg("the offer was refused: %s (%d)\n%s", err, e, text.text);
    assert_string_equal(err, "");
    strbuf_done(&text);
    assert_int_equal(guest_count(g, NOTE_ANSWER), answers + 1);
    for (unsigned i = 0; i < g->pub.n; i++)
        g->pub.sections[i].negotiated = true;
}

int guest_offer_text(struct guest *g, const char *text, char *err)
{
    err[0] = 0;
    return participant_offer(g->p, text, strlen(text), ++g->offer_id, err, 256);
}

void guest_answer_but(struct guest *g, uint64_t inactive, uint64_t rejected)
{
    char err[256] = "";
    struct strbuf text = {0};
    assert_non_null(g->offered);
    pc_answer(&g->sub, g->offered, inactive, rejected, &text);
    sdp_free(g->receives);
    g->receives = g->offered; /* before the server may act on it */
    g->offered = NULL;
    for (unsigned i = 0; i < g->sub.n; i++)
        if (g->sub.sections[i].stopped || !g->sub.sections[i].receives)
            g->carried[i][0] = 0;
    int e = participant_answer(g->p, text.text, text.len, g->offered_id, err, sizeof err);
    if (e)
        fail_msg("the answer was refused: %s (%d)\n%s", err, e, text.text);
    strbuf_done(&text);
}

void guest_answer(struct guest *g)
{
    guest_answer_but(g, 0, 0);
}

bool guest_act(struct guest *g)
{
    bool acted = false;
    if (!g->p || g->wants_none)
        return false;
    if (g->offered) {
        guest_answer(g);
        acted = true;
    }
    if (g->wants_offer && g->p) {
        for (; g->more_audios; g->more_audios--)
            pc_add(&g->pub, SDP_KIND_AUDIO, false, true);
        for (; g->more_videos; g->more_videos--)
            pc_add(&g->pub, SDP_KIND_VIDEO, false, true);
        guest_offer(g);
        acted = true;
    }
    return acted;
}

/* ---- the media side ---- */

struct participant *guest_participant(const struct guest *g)
{
    struct room *r = room_find(g->host->rooms, g->options.room);
    return r ? room_participant_sid(r, g->sid) : NULL;
}

struct guest *guest_of_peer(struct host *h, uint32_t peer)
{
    list_for_each(l, &h->guests)
    {
        struct guest *g = list_entry(l, struct guest, link);
        const struct participant *p = guest_participant(g);
        if (p && (p->publisher->number == peer || p->subscriber->number == peer))
            return g;
    }
    return NULL;
}

void guest_state(struct guest *g, enum peer_target target, enum sfu_peer_state state)
{
    const struct participant *p = guest_participant(g);
    assert_non_null(p);
    struct sfu_event e = {.type = SFU_EVENT_PEER_STATE,
        .peer = target == PEER_PUBLISHER ? p->publisher->number : p->subscriber->number};
    e.peer_state.state = state;
    room_server_event(g->host->rooms, &e);
}

void guest_connect(struct guest *g)
{
    const struct participant *p = guest_participant(g);
    for (int i = 0; i < (p->single_connection ? 1 : 2); i++) {
        const struct room_peer *peer = p->priv->peers[i];
        const struct media *m = host_media(g->host, peer->number);
        if (m && m->remote_known && peer->state != SFU_PEER_CONNECTED)
            guest_state(g, (enum peer_target)i, SFU_PEER_CONNECTED);
    }
}

/* ---- leaving and coming back ---- */

void guest_leave(struct guest *g)
{
    struct participant *p = g->p;
    g->session->over = true;
    g->p = NULL;
    participant_leave(p, LEAVE_CLIENT_INITIATED);
}

void guest_lose_socket(struct guest *g)
{
    struct participant *p = g->p;
    g->session->over = true;
    g->p = NULL;
    participant_signal_lost(p);
}

void guest_resume(struct guest *g)
{
    struct guest_session *old = g->session;
    struct guest_session *s = session_new(g);
    int err = participant_resume(g->host->rooms, g->options.room, g->identity, g->sid, &guest_ops, s, &g->p);
    assert_int_equal(err, 0);
    assert_true(old->over); /* told, or gone before */
    assert_string_equal(g->p->sid, g->sid);
    participant_resumed(g->p);
}

/* ---- publishing ---- */

struct track_desc guest_desc(const char *cid, enum track_source source)
{
    struct track_desc d = {.source = source};
    bool video = source == SOURCE_CAMERA || source == SOURCE_SCREEN_SHARE;
    d.kind = video ? TRACK_VIDEO : TRACK_AUDIO;
    text_copy(d.cid, sizeof d.cid, cid);
    text_copy(d.name, sizeof d.name, cid);
    if (!video)
        return d;
    d.width = 1280;
    d.height = 720;
    for (uint8_t i = 0; i < 3; i++)
        d.layers[d.layer_count++] = (struct track_layer){.quality = i,
            .width = 1280u >> (2 - i),
            .height = 720u >> (2 - i),
            .bitrate_bps = 200000u << 2 * i};
    text_copy(d.codecs[0].mime, sizeof d.codecs[0].mime, "video/VP8");
    text_copy(d.codecs[0].cid, sizeof d.codecs[0].cid, cid);
    d.codec_count = 1;
    return d;
}

enum request_reason guest_announce(struct guest *g, const char *cid, enum track_source source)
{
    struct track_desc d = guest_desc(cid, source);
    return participant_add_track(g->p, &d, NULL);
}

struct pc_section *guest_send(struct guest *g, const char *cid, enum track_kind kind)
{
    unsigned i = pc_add(&g->pub, kind == TRACK_VIDEO ? SDP_KIND_VIDEO : SDP_KIND_AUDIO, true, false);
    struct pc_section *s = &g->pub.sections[i];
    text_copy(s->cid, sizeof s->cid, cid);
    text_copy(s->stream, sizeof s->stream, "stream");
    s->rids = kind == TRACK_VIDEO ? 3 : 0;
    return s;
}

struct track *guest_publish(struct guest *g, const char *cid, enum track_source source)
{
    assert_int_equal(guest_announce(g, cid, source), REQUEST_OK);
    assert_string_equal(guest_text(g, NOTE_PUBLISHED), cid);
    bool video = source == SOURCE_CAMERA || source == SOURCE_SCREEN_SHARE;
    guest_send(g, cid, video ? TRACK_VIDEO : TRACK_AUDIO);
    guest_offer(g);
    struct track *t = guest_track(g, cid);
    assert_non_null(t);
    assert_true(t->published);
    return t;
}

void guest_unpublish(struct guest *g, const char *cid)
{
    struct pc_section *s = pc_sender(&g->pub, cid);
    assert_non_null(s);
    s->sends = false;
    guest_offer(g);
}

struct track *guest_track(const struct guest *g, const char *cid)
{
    struct participant *p = guest_participant(g);
    struct list *heads[] = {&p->tracks, &p->pending};
    for (int i = 0; i < 2; i++) {
        list_for_each(l, heads[i])
        {
            struct track *t = list_entry(l, struct track, link);
            if (strcmp(t->desc.cid, cid) == 0)
                return t;
        }
    }
    return NULL;
}

/* ---- receiving ---- */

static bool is_of(const struct track *t, uint32_t number)
{
    for (int k = 0; k < TRACK_CODECS_MAX; k++)
        if (number && ((const struct room_track *)t)->media[k].id == number)
            return true;
    return false;
}

struct media *guest_receives(const struct guest *g, const struct track *t)
{
    const struct participant *p = guest_participant(g);
    for (uint32_t i = 0; p && i < g->host->media_count; i++) {
        struct media *m = &g->host->media[i];
        if (m->kind == MEDIA_SUB && m->live && m->peer == p->subscriber->number && is_of(t, m->track))
            return m;
    }
    return NULL;
}

const struct sdp_media *guest_section(const struct guest *g, const struct track *t)
{
    for (unsigned i = 0; g->receives && i < g->receives->n_media; i++)
        if (strcmp(g->carried[i], t->sid) == 0)
            return &g->receives->media[i];
    return NULL;
}

/* ---- what it was told ---- */

void guest_clear(struct guest *g)
{
    g->first = g->note_count;
}

unsigned guest_count(const struct guest *g, enum note_kind kind)
{
    unsigned n = 0;
    for (size_t i = g->first; i < g->note_count; i++)
        n += g->notes[i].kind == kind;
    return n;
}

const struct note *guest_last(const struct guest *g, enum note_kind kind)
{
    static const struct note none = {.text = "(none)"};
    for (size_t i = g->note_count; i > g->first; i--)
        if (g->notes[i - 1].kind == kind)
            return &g->notes[i - 1];
    return &none;
}

const struct seen *guest_sees(const struct guest *g, const char *identity)
{
    for (size_t i = g->seen_count; i > 0; i--)
        if (!g->seen[i - 1].gone && strcmp(g->seen[i - 1].identity, identity) == 0)
            return &g->seen[i - 1];
    return NULL;
}

const struct seen_track *guest_sees_track(const struct guest *g, const struct track *t)
{
    for (size_t i = 0; i < g->seen_count; i++)
        for (unsigned k = 0; !g->seen[i].gone && k < g->seen[i].track_count; k++)
            if (strcmp(g->seen[i].tracks[k].sid, t->sid) == 0)
                return &g->seen[i].tracks[k];
    return NULL;
}
