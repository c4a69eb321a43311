/* Tracks: their streams, their subscribers, and their images on other workers. */
#include <stdlib.h>
#include <string.h>
#include "base/log.h"
#include "sfu/internal.h"

struct sfu_track *track_find(struct sfu_worker *w, uint32_t id)
{
    struct sfu_track *t;
    HASH_FIND_INT(w->tracks, &id, t);
    return t;
}

static struct sfu_track *track_make(struct sfu_worker *w, uint32_t id, uint8_t kind)
{
    struct sfu_track *t = calloc(1, sizeof *t);
    if (!t)
        return NULL;
    t->id = id;
    t->worker = w;
    t->kind = kind;
    t->home = w->index;
    list_init(&t->of_peer);
    list_init(&t->ready);
    list_init(&t->choices);
    list_init(&t->serve);
    allocation_track_restart(t);
    HASH_ADD_INT(w->tracks, id, t);
    return t;
}

static void tell_home(struct sfu_track *t, enum mail_kind kind, unsigned stream, bool flag)
{
    struct worker_mail *m = sfu_mail_new(kind, 0);
    if (!m)
        return;
    m->track = t->id;
    m->from = t->worker->index;
    m->stream = (uint8_t)stream;
    m->flag = flag;
    sfu_mail(t->worker->sfu, t->home, m);
}

static struct sfu_track *image(struct sfu_worker *w, uint32_t id, uint8_t home, uint8_t kind, bool preroll)
{
    struct sfu_track *t = track_find(w, id);
    if (t || home == w->index || home >= w->sfu->worker_count)
        return t;
    t = track_make(w, id, kind);
    if (!t)
        return NULL;
    t->home = home;
    t->past = kind == KIND_VIDEO ? IMAGE_PAST_TICKS : 0;
    tell_home(t, MAIL_IMAGE_ADD, 0, preroll);
    return t;
}

/* The track itself if it lives on this worker, else its image, made when the first subscriber here wants it.
 */
struct sfu_track *track_image(struct sfu_worker *w, uint32_t id, uint8_t home, uint8_t kind)
{
    return image(w, id, home, kind, false);
}

/* The same of a microphone; an image that is new gets what its home has of the last STAGE_PREROLL_US first.
 */
struct sfu_track *track_image_preroll(struct sfu_worker *w, uint32_t id, uint8_t home)
{
    return image(w, id, home, KIND_AUDIO, true);
}

/* A track of no publisher's, for a slot. */
struct sfu_track *track_slot(struct sfu_worker *w, uint32_t id)
{
    return track_find(w, id) ? NULL : track_make(w, id, KIND_AUDIO);
}

/* What came of a microphone in the last STAGE_PREROLL_US, oldest first: to the slot here that it feeds, or to
 * another worker (-1: here). */
void track_preroll(struct sfu_track *t, int worker)
{
    const struct sfu_stream *s = t->streams[0];
    struct sfu_worker *w = t->worker;
    if (!s || !s->history.count)
        return;
    for (int64_t seq = s->history.highest - SFU_HISTORY_AUDIO + 1; seq <= s->history.highest; seq++) {
        struct packet *p = history_get(&s->history, seq, w->now_us);
        if (!p || p->recv_us < w->now_us - STAGE_PREROLL_US)
            continue;
        if (worker < 0)
            slot_input(t, p);
        else
            worker_ring_push(w, (unsigned)worker, p);
    }
}

/* ---- streams ---- */

static void stream_free(struct sfu_stream *s)
{
    if (!s)
        return;
    if (s->slots)
        history_done(&s->history);
    free(s->slots);
    free(s->dd);
    free(s->layers.dd);
    free(s);
}

struct sfu_stream *track_stream(struct sfu_track *t, unsigned index)
{
    if (index >= SFU_RIDS_MAX)
        return NULL;
    struct sfu_stream *s = t->streams[index];
    if (s)
        return s;
    size_t slots = t->kind == KIND_VIDEO ? SFU_HISTORY_VIDEO : SFU_HISTORY_AUDIO;
    s = calloc(1, sizeof *s);
    if (!s)
        return NULL;
    s->slots = calloc(slots, sizeof *s->slots);
    if (!s->slots || history_init(&s->history, s->slots, slots, SFU_HISTORY_US)) {
        free(s->slots);
        free(s);
        return NULL;
    }
    nack_init(&s->nack);
    t->streams[index] = s;
    if (index >= t->stream_count)
        t->stream_count = (uint8_t)(index + 1);
    return s;
}

/* A layer is active while it keeps up with the others; the only one always is. */
bool stream_active(const struct sfu_track *t, unsigned index)
{
    const struct sfu_stream *s = index < SFU_RIDS_MAX ? t->streams[index] : NULL;
    return s && s->last_us && t->newest_us - s->last_us < SFU_LAYER_SILENT_US;
}

/* ---- subscribers ---- */

void track_add_sub(struct sfu_track *t, struct sfu_sub *s)
{
    if (t->sub_count == t->sub_cap) {
        size_t cap = t->sub_cap ? t->sub_cap * 2 : 8;
        struct sfu_sub **grown = realloc(t->subs, cap * sizeof(*grown));
        if (!grown)
            return;
        t->subs = grown;
        t->sub_cap = cap;
    }
    t->subs[t->sub_count++] = s;
}

void track_del_sub(struct sfu_track *t, struct sfu_sub *s)
{
    for (size_t i = 0; i < t->sub_count; i++) {
        if (t->subs[i] != s)
            continue;
        t->subs[i] = t->subs[--t->sub_count];
        return;
    }
}

void track_unused(struct sfu_track *t)
{
    if (t->slot) {
        slot_listeners(t->slot);
    } else if (!t->peer && !t->sub_count && !t->feeds) {
        tell_home(t, MAIL_IMAGE_DEL, 0, false);
        track_remove(t);
    }
}

void track_fan_out(struct sfu_track *t, struct packet *p)
{
    release_burst(t, p);
    if (t->feeds)
        slot_input(t, p);
    for (uint64_t left = t->images; left; left &= left - 1)
        worker_ring_push(t->worker, (unsigned)__builtin_ctzll(left), p);
}

void track_tell(struct sfu_worker *w, unsigned worker, enum mail_kind kind, uint32_t track)
{
    struct worker_mail *m = sfu_mail_new(kind, 0);
    if (!m)
        return;
    m->track = track;
    m->from = w->index;
    if (kind == MAIL_IMAGE_RESET)
        m->flag = track_find(w, track)->muted;
    sfu_mail(w->sfu, worker, m);
}

/* Tells a worker that has an image what is known of the track beforehand. */
void track_describe(struct sfu_track *t, unsigned worker)
{
    struct worker_mail *m = sfu_mail_new(MAIL_IMAGE_SET, 0);
    if (!m)
        return;
    m->track = t->id;
    m->from = t->worker->index;
    m->flag = t->section.rid_count > 1 || t->section.ssrc_count > 1;
    m->track_set.announced = t->announced;
    m->track_set.layers = t->layers;
    sfu_mail(t->worker->sfu, worker, m);
}

static void tell_images(struct sfu_track *t, enum mail_kind kind)
{
    for (uint64_t left = t->images; left; left &= left - 1)
        track_tell(t->worker, (unsigned)__builtin_ctzll(left), kind, t->id);
}

/* Everyone starts over at the next key frame: after a mute, or a new codec. */
void track_reset_subs(struct sfu_track *t)
{
    release_track(t);
    allocation_track_restart(t);
    for (unsigned i = 0; i < t->stream_count; i++)
        if (t->streams[i])
            key_cache_forget(t->streams[i]);
    for (size_t i = 0; i < t->sub_count; i++)
        sub_reset(t->subs[i]);
    if (t->feeds)
        slot_restart(t->feeds);
    tell_images(t, MAIL_IMAGE_RESET);
}

/* Another source begins in this stream: its numbers have nothing to do with the old one's. */
void track_restart_stream(struct sfu_track *t, unsigned index)
{
    release_track(t);
    for (size_t i = 0; i < t->sub_count; i++)
        if (t->subs[i]->current == (int)index)
            sub_restart(t->subs[i]);
    if (t->feeds)
        slot_restart(t->feeds);
}

/* ---- key frames ---- */

/* Requests of all subscribers are merged: one is sent at once, the next not before SFU_KEY_FRAME_US; a key
 * frame that starts meanwhile answers them all (ingest clears pli_wanted). */
void track_key_frame(struct sfu_track *t, unsigned index, int64_t now_us)
{
    if (t->kind != KIND_VIDEO || index >= SFU_RIDS_MAX)
        return;
    if (!t->peer) {
        struct sfu_stream *image = track_stream(t, index);
        if (!image || now_us - image->pli_us < SFU_TICK_US)
            return;
        image->pli_us = now_us;
        tell_home(t, MAIL_KEY_FRAME, index, false);
        return;
    }
    struct sfu_stream *s = t->streams[index];
    if (!s || !s->ssrc || t->muted)
        return;
    if (s->pli_us && now_us - s->pli_us < SFU_KEY_FRAME_US) {
        s->pli_wanted = true;
        return;
    }
    s->pli_us = now_us;
    s->pli_wanted = true; /* until it comes */
    rtcp_ask_key_frame(t, s);
}

static void tell_layers(struct sfu_track *t)
{
    struct sfu_event e = {.type = SFU_EVENT_TRACK_LAYERS, .peer = t->peer->id, .track = t->id};
    for (unsigned i = 0; i < t->stream_count; i++)
        e.layers.active |= (uint8_t)(stream_active(t, i) << i);
    if (e.layers.active == t->told_layers)
        return;
    t->told_layers = e.layers.active;
    sfu_emit(t->worker, &e);
}

void track_tick(struct sfu_track *t, int64_t now_us)
{
    if (t->slot)
        return;
    t->past -= t->past > 0;
    allocation_track_tick(t, now_us);
    for (size_t i = 0; i < t->sub_count; i++)
        sub_retarget(t->subs[i]);
    choices_merge(t);
    choices_wait(t);
    for (unsigned i = 0; i < t->stream_count; i++) {
        struct sfu_stream *s = t->streams[i];
        if (!s)
            continue;
        history_expire(&s->history, now_us);
        if (!stream_active(t, i))
            s->pli_wanted = false; /* whoever sees it again will ask */
        if (t->peer && s->pli_wanted && now_us - s->pli_us >= SFU_KEY_FRAME_US && (t->sub_count || t->images))
            track_key_frame(t, i, now_us);
    }
    if (t->kind == KIND_AUDIO && t->peer)
        level_tick(t, now_us);
    if (t->kind == KIND_VIDEO && t->peer)
        tell_layers(t);
}

/* ---- commands ---- */

static void bind_declared(struct sfu_track *t)
{
    for (unsigned i = 0; i < t->section.ssrc_count; i++) {
        struct sfu_stream *s = track_stream(t, i);
        if (!s || s->ssrc)
            continue;
        s->rtx_ssrc = t->section.ssrcs[i].rtx;
    }
}

static void track_add(struct sfu_worker *w, const struct sfu_command *c)
{
    struct sfu_peer *p;
    HASH_FIND_INT(w->peers, &c->peer, p);
    if (!p)
        return;
    struct sfu_track *t = track_find(w, c->track);
    if (!t) {
        t = track_make(w, c->track, c->track_add.kind);
        if (!t)
            return;
        t->peer = p;
        list_add_tail(&p->tracks, &t->of_peer);
        t->muted = c->track_add.muted;
        t->window_us = w->now_us;
    }
    t->encrypted = c->track_add.encrypted;
    t->section = c->track_add.section;
    transport_extmap_add(p->transport, &t->section.extmap);
    bind_declared(t);
    stage_join(t, c->stage);
    allocation_track_set(t, &c->track_add.announced);
    for (uint64_t left = t->images; left; left &= left - 1)
        track_describe(t, (unsigned)__builtin_ctzll(left));
}

/* The track that this is the image of has ended. */
void track_gone(struct sfu_track *t)
{
    if (t->feeds)
        slot_lost(t->feeds);
    if (!t->sub_count)
        track_unused(t);
    else
        for (size_t n = t->sub_count; n > 0; n--)
            sub_remove(t->subs[0]); /* the last one takes the image along */
}

/* A track with its subscriptions, here and elsewhere; or an image that nobody needs any more. */
void track_remove(struct sfu_track *t)
{
    struct sfu_worker *w = t->worker;
    while (t->peer && t->sub_count)
        sub_remove(t->subs[0]);
    stage_leave(t);
    if (t->feeds)
        slot_lost(t->feeds);
    if (t->peer)
        ingest_forget_track(t->peer, t);
    tell_images(t, MAIL_TRACK_GONE);
    for (unsigned i = 0; i < SFU_RIDS_MAX; i++)
        stream_free(t->streams[i]);
    release_forget_track(t);
    list_del(&t->serve);
    list_del(&t->of_peer);
    HASH_DELETE(hh, w->tracks, t);
    free(t->subs);
    free(t);
}

void track_command(struct sfu_worker *w, const struct sfu_command *c)
{
    if (c->type == SFU_TRACK_ADD) {
        track_add(w, c);
        return;
    }
    struct sfu_track *t = track_find(w, c->track);
    if (!t || !t->peer)
        return;
    if (c->type == SFU_TRACK_REMOVE) {
        track_remove(t);
        return;
    }
    if (t->muted == c->muted)
        return;
    t->muted = c->muted;
    if (t->muted)
        stage_silence(t);
    track_reset_subs(t);
}
