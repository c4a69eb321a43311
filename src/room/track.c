/* Tracks: announced, published when their m-line is negotiated, muted, ended. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include "base/log.h"
#include "room/internal.h"

bool source_allowed(const struct permission *perm, enum track_source s)
{
    return perm->can_publish && (!perm->publish_sources || (perm->publish_sources & 1u << s));
}

struct track *participant_find_track(struct participant *p, const char *track_sid)
{
    list_for_each(l, &p->tracks)
    {
        struct track *t = list_entry(l, struct track, link);
        if (strcmp(t->sid, track_sid) == 0)
            return t;
    }
    return NULL;
}

static struct track *find_any(struct participant *p, const char *track_sid)
{
    struct track *t = participant_find_track(p, track_sid);
    if (t)
        return t;
    list_for_each(l, &p->pending)
    {
        t = list_entry(l, struct track, link);
        if (strcmp(t->sid, track_sid) == 0)
            return t;
    }
    return NULL;
}

static char source_letter(enum track_source s)
{
    switch (s) {
    case SOURCE_CAMERA:
        return 'C';
    case SOURCE_MICROPHONE:
        return 'M';
    case SOURCE_SCREEN_SHARE:
        return 'S';
    case SOURCE_SCREEN_SHARE_AUDIO:
        return 's';
    case SOURCE_UNKNOWN:
        break;
    }
    return 0;
}

static const char *default_stream(enum track_source s)
{
    switch (s) {
    case SOURCE_CAMERA:
    case SOURCE_MICROPHONE:
        return "camera";
    case SOURCE_SCREEN_SHARE:
    case SOURCE_SCREEN_SHARE_AUDIO:
        return "screen";
    case SOURCE_UNKNOWN:
        break;
    }
    return "unknown";
}

/* Versions only grow, also when the wall clock is set back: clients drop what looks old. */
void track_touch(struct room_track *t)
{
    int64_t wall_us = server_wall_us(t->t.publisher->room->server);
    t->t.version_us = wall_us > t->t.version_us ? wall_us : t->t.version_us + 1;
}

/* Layers get the rid and spatial index that LiveKit's clients use for their quality. */
static void fill_layers(struct track_layer *layers, uint8_t n)
{
    static const char *const rids[] = {"q", "h", "f"};
    for (uint8_t i = 0; i < n; i++) {
        int index = 0;
        for (uint8_t k = 0; k < n; k++)
            index += layers[k].quality < layers[i].quality;
        layers[i].spatial_layer = index;
        if (!layers[i].rid[0] && index < 3)
            text_copy(layers[i].rid, sizeof layers[i].rid, rids[index]);
    }
}

/* What a client leaves out of one of a track's codecs. */
static void fill_codec(const struct track_desc *d, struct track_codec *c)
{
    enum sdp_codec_id id = sdp_codec_from_mime(c->mime);
    if (id != SDP_CODEC_OTHER)
        text_copy(c->mime, sizeof c->mime, sdp_codec_mime(id)); /* "video/vp8" is "video/VP8" */
    if (!c->layer_count && d->kind == TRACK_VIDEO) {
        memcpy(c->layers, d->layers, sizeof c->layers);
        c->layer_count = d->layer_count;
    }
    fill_layers(c->layers, c->layer_count);
    if (!c->layer_mode && d->kind == TRACK_VIDEO) {
        bool svc = strcasecmp(c->mime, "video/vp9") == 0 || strcasecmp(c->mime, "video/av1") == 0;
        c->layer_mode = svc ? 2 : 1;
    }
}

/* Codec k as the client announces it, for the first time or with more to say. */
static void take_codec(struct room_track *t, uint8_t k, const struct track_codec *from)
{
    struct track_codec *c = &t->t.desc.codecs[k];
    if (t->media[k].id) { /* how it is sent stays as it was negotiated */
        memcpy(c->layers, from->layers, sizeof c->layers);
        c->layer_count = from->layer_count;
    } else if (from != c) {
        *c = *from;
    }
    fill_codec(&t->t.desc, c);
    if (!t->media[k].id)
        t->media[k].codec = sdp_codec_from_mime(c->mime);
}

struct room_track *track_new(struct participant *p, const struct track_desc *d)
{
    struct room_track *t = calloc(1, sizeof *t);
    if (!t)
        return NULL;
    t->t.publisher = p;
    t->t.desc = *d;
    char prefix[6] = "TR_";
    char letter = source_letter(d->source);
    size_t n = 3;
    prefix[n++] = d->kind == TRACK_VIDEO ? 'V' : 'A';
    if (letter)
        prefix[n++] = letter;
    sid_make(t->t.sid, prefix);
    if (!t->t.desc.stream[0])
        text_copy(t->t.desc.stream, sizeof t->t.desc.stream, default_stream(d->source));
    fill_layers(t->t.desc.layers, t->t.desc.layer_count);
    if (!t->t.desc.codec_count) { /* one entry, its type unknown until media is negotiated */
        t->t.desc.codec_count = 1;
        text_copy(t->t.desc.codecs[0].cid, sizeof t->t.desc.codecs[0].cid, d->cid);
    }
    for (uint8_t i = 0; i < TRACK_CODECS_MAX; i++)
        t->media[i].track = t;
    for (uint8_t i = 0; i < t->t.desc.codec_count; i++)
        take_codec(t, i, &t->t.desc.codecs[i]);
    track_touch(t);
    list_init(&t->offered);
    list_init(&t->t.link);
    list_init(&t->t.subscriptions);
    list_init(&t->demand.link);
    return t;
}

static bool cid_in_use(const struct list *tracks, const char *cid)
{
    list_for_each(l, tracks)
    {
        if (strcmp(list_entry(l, struct track, link)->desc.cid, cid) == 0)
            return true;
    }
    return false;
}

static size_t list_length(const struct list *head)
{
    size_t n = 0;
    list_for_each(l, head)
    {
        n++;
    }
    return n;
}

static enum request_reason add_backup_codec(
    struct participant *p, const struct track_desc *d, const char *sid)
{
    struct track *t = find_any(p, sid);
    if (!t)
        return REQUEST_NOT_FOUND;
    for (uint8_t i = 0; i < d->codec_count; i++) {
        uint8_t k = 0;
        while (k < t->desc.codec_count && strcasecmp(t->desc.codecs[k].mime, d->codecs[i].mime) != 0)
            k++;
        if (k == TRACK_CODECS_MAX)
            return REQUEST_LIMIT_EXCEEDED;
        bool is_new = k == t->desc.codec_count;
        struct track_codec c = d->codecs[i];
        if (!c.cid[0] && d->codec_count == 1)
            text_copy(c.cid, sizeof c.cid, d->cid);
        t->desc.codec_count = (uint8_t)(t->desc.codec_count + is_new);
        take_codec(track_private(t), k, &c);
        if (is_new && media_possible(&track_private(t)->media[k]))
            subscriptions_retry(t, k);
    }
    track_touch(track_private(t));
    participant_changed(p, false);
    TELL(p, track_published, d->codec_count && d->codecs[0].cid[0] ? d->codecs[0].cid : d->cid, t);
    media_parked(p); /* its section may have been negotiated before the announcement came */
    return REQUEST_OK;
}

static enum track_kind kind_of(const struct sdp_section_result *s)
{
    return s->kind == SDP_KIND_VIDEO ? TRACK_VIDEO : TRACK_AUDIO;
}

static bool names_primary(const struct track_desc *d, const char *cid)
{
    return strcmp(d->cid, cid) == 0 ||
           (d->codec_count && d->codecs[0].cid[0] && strcmp(d->codecs[0].cid, cid) == 0);
}

static bool names_backup(const struct track_desc *d, const char *cid)
{
    for (uint8_t i = 1; i < d->codec_count; i++)
        if (d->codecs[i].cid[0] && strcmp(d->codecs[i].cid, cid) == 0)
            return true;
    return false;
}

/* Is this another description of a published track: its backup codec, or the same source once more? */
static bool names_published(const struct participant *p, const char *cid)
{
    list_for_each(l, &p->tracks)
    {
        const struct track_desc *d = &list_entry(l, struct track, link)->desc;
        if (names_primary(d, cid) || names_backup(d, cid))
            return true;
    }
    return false;
}

static bool queued_behind_another(struct participant *p, const struct track *t)
{
    if (cid_in_use(&p->tracks, t->desc.cid))
        return true;
    list_for_each(l, &p->pending)
    {
        const struct track *o = list_entry(l, struct track, link);
        if (o == t)
            return false;
        if (strcmp(o->desc.cid, t->desc.cid) == 0)
            return true;
    }
    return false;
}

/* The announced track that this section carries: by its id, else the first of its kind, because clients
 * sometimes change ids on the way. NULL: none is announced yet. */
struct room_track *track_for_section(struct room_peer *peer, const struct sdp_section_result *s)
{
    struct participant *p = peer->participant;
    struct track *first = NULL;
    list_for_each(l, &p->pending)
    {
        struct track *t = list_entry(l, struct track, link);
        if (t->desc.kind != kind_of(s) || queued_behind_another(p, t))
            continue;
        if (s->msid_track && names_primary(&t->desc, s->msid_track))
            return track_private(t);
        if (s->msid_track && names_backup(&t->desc, s->msid_track))
            return NULL; /* its turn comes when the track is there */
        first = first ? first : t;
    }
    if (s->msid_track && names_published(p, s->msid_track))
        return NULL;
    return first ? track_private(first) : NULL;
}

/* The reverse: a negotiated section that sends and has no track yet. */
static const struct sdp_section_result *section_for_track(struct room_peer *peer, const struct track_desc *d)
{
    const struct sdp_section_result *first = NULL;
    for (unsigned i = 0; peer->result && i < peer->result->n_sections; i++) {
        const struct sdp_section_result *s = &peer->result->sections[i];
        if (s->rejected || !(s->dir & SDP_RECVONLY) || s->kind > SDP_KIND_VIDEO || kind_of(s) != d->kind ||
            media_in_section(peer->participant, s->mid))
            continue;
        if (s->msid_track && names_primary(d, s->msid_track))
            return s;
        if (!first && !(s->msid_track && names_backup(d, s->msid_track)) &&
            !(s->msid_track && names_published(peer->participant, s->msid_track)))
            first = s;
    }
    return first;
}

enum request_reason participant_add_track(struct participant *p, const struct track_desc *d, const char *sid)
{
    const struct config *cfg = p->room->server->cfg;
    if (!source_allowed(&p->permission, d->source))
        return REQUEST_NOT_ALLOWED;
    if (sid && *sid)
        return add_backup_codec(p, d, sid);
    if (!d->cid[0])
        return REQUEST_INVALID_REQUEST;
    if (list_length(&p->pending) >= ROOM_PENDING_TRACKS_MAX ||
        (cfg->limits.tracks_max && list_length(&p->tracks) >= (size_t)cfg->limits.tracks_max))
        return REQUEST_LIMIT_EXCEEDED;
    bool queued = cid_in_use(&p->tracks, d->cid) || cid_in_use(&p->pending, d->cid);
    struct room_track *t = track_new(p, d);
    if (!t)
        return REQUEST_LIMIT_EXCEEDED;
    list_add_tail(&p->pending, &t->t.link);
    if (queued)
        return REQUEST_QUEUED;
    TELL(p, track_published, d->cid, &t->t);
    /* its m-line may have been negotiated before the announcement came */
    struct room_peer *peer = p->publisher;
    const struct sdp_section_result *s = section_for_track(peer, &t->t.desc);
    if (s)
        track_publish(t, peer, s);
    media_parked(p);
    return REQUEST_OK;
}

void track_enter(struct room_track *t, struct participant *p)
{
    struct room_server *rs = p->room->server;
    media_enter(&t->media[0]);
    t->t.id = t->media[0].id;
    t->published_us = server_now_us(rs);
    HASH_ADD(by_sid, rs->tracks_by_sid, t.sid[0], strlen(t->t.sid), t);
    list_del(&t->t.link);
    list_add_tail(&p->tracks, &t->t.link);
    if (!t->on_stage)
        list_add_tail(&p->room->priv->offered, &t->offered);
    t->t.published = true;
    track_touch(t);
}

void track_publish(struct room_track *t, struct room_peer *peer, const struct sdp_section_result *s)
{
    struct participant *p = peer->participant;
    struct room_server *rs = p->room->server;
    if (!s->n_codecs)
        return;
    t->peer = peer;
    t->worker = peer->worker;
    media_describe(&t->media[0], s);
    t->on_stage = stage_takes(t);
    track_enter(t, p);
    t->demand.lower_due_us = t->published_us + ROOM_DEMAND_FIRST_US;
    media_announce(&t->media[0], s);
    log_info("track.published", "room=%s identity=%s track=%s mime=%s mid=%s layers=%u", p->room->name,
        p->identity, t->t.sid, t->t.mime, t->t.mid, s->n_rids);
    if (!p->is_publisher) {
        p->is_publisher = true;
        room_count(p);
    }
    participant_changed(p, false);
    if (rs->watch.track_changed)
        rs->watch.track_changed(rs->watch.arg, &t->t, true);
    subscriptions_of_new_track(&t->t);
    demand_update(t, t->published_us);
}

/* A queued announcement of the same cid takes its turn. */
static void next_in_queue(struct participant *p, const char *cid)
{
    list_for_each(l, &p->pending)
    {
        struct track *t = list_entry(l, struct track, link);
        if (strcmp(t->desc.cid, cid) == 0) {
            TELL(p, track_published, cid, t);
            return;
        }
    }
}

void track_end(struct room_track *t)
{
    struct participant *p = t->t.publisher;
    struct room_server *rs = p->room->server;
    bool published = t->t.published;
    char cid[TRACK_CID_MAX];
    text_copy(cid, sizeof cid, t->t.desc.cid);
    list_del(&t->t.link);
    while (!list_empty(&t->t.subscriptions))
        subscription_end(list_entry(t->t.subscriptions.next, struct subscription, by_track));
    if (published) {
        choices_forget(&t->t);
        t->t.published = false;
        list_del(&t->offered);
        HASH_DELETE(by_sid, rs->tracks_by_sid, t);
        for (uint8_t k = 0; k < t->t.desc.codec_count; k++)
            if (t->media[k].id)
                media_leave(&t->media[k]);
        log_info("track.unpublished", "room=%s identity=%s track=%s", p->room->name, p->identity, t->t.sid);
        if (rs->watch.track_changed && !p->own)
            rs->watch.track_changed(rs->watch.arg, &t->t, false);
        if (!p->priv->leaving)
            participant_changed(p, false);
    }
    list_del(&t->demand.link);
    free(t);
    if (!p->priv->leaving)
        next_in_queue(p, cid);
}

static void set_muted(struct room_track *t)
{
    struct room_server *rs = t->t.publisher->room->server;
    track_touch(t);
    for (uint8_t k = 0; k < t->t.desc.codec_count; k++) {
        if (!t->media[k].id)
            continue;
        struct sfu_command c = {
            .type = SFU_TRACK_MUTE, .worker = t->worker, .peer = t->peer->number, .track = t->media[k].id};
        c.muted = t->t.desc.muted || t->t.server_muted;
        rs->host.post(rs->host.arg, &c);
    }
    participant_changed(t->t.publisher, true);
}

enum request_reason participant_mute_track(struct participant *p, const char *track_sid, bool muted)
{
    struct track *t = find_any(p, track_sid);
    if (!t)
        return REQUEST_NOT_FOUND;
    if (t->desc.muted == muted && !(t->server_muted && !muted))
        return REQUEST_OK;
    t->desc.muted = muted;
    if (!muted)
        t->server_muted = false;
    set_muted(track_private(t));
    return REQUEST_OK;
}

enum request_reason participant_admin_mute(struct participant *p, const char *track_sid, bool muted)
{
    struct track *t = find_any(p, track_sid);
    if (!t)
        return REQUEST_NOT_FOUND;
    if (p->own)
        return REQUEST_NOT_ALLOWED;
    TELL(p, mute, track_sid, muted);
    t->server_muted = muted;
    t->desc.muted = muted;
    set_muted(track_private(t));
    return REQUEST_OK;
}

enum request_reason participant_update_audio(
    struct participant *p, const char *track_sid, const uint8_t *features, size_t n)
{
    struct track *t = find_any(p, track_sid);
    if (!t)
        return REQUEST_NOT_FOUND;
    if (t->desc.kind != TRACK_AUDIO || n > TRACK_FEATURES_MAX)
        return REQUEST_INVALID_REQUEST;
    memcpy(t->desc.features, features, n);
    t->desc.feature_count = (uint8_t)n;
    t->desc.stereo = false;
    t->desc.disable_dtx = false;
    for (size_t i = 0; i < n; i++) {
        t->desc.stereo |= features[i] == 0;
        t->desc.disable_dtx |= features[i] == 1;
    }
    track_touch(track_private(t));
    participant_changed(p, true);
    return REQUEST_OK;
}

static void scale_layers(
    struct track_layer *layers, uint8_t n, uint32_t old_w, uint32_t old_h, uint32_t width, uint32_t height)
{
    for (uint8_t i = 0; old_w && old_h && i < n; i++) {
        layers[i].width = (uint32_t)((uint64_t)layers[i].width * width / old_w);
        layers[i].height = (uint32_t)((uint64_t)layers[i].height * height / old_h);
    }
}

/* The media side is told what is announced of it by now. */
static void announce_again(const struct room_track *t)
{
    for (uint8_t k = 0; k < t->t.desc.codec_count; k++) {
        const struct room_media *m = &t->media[k];
        const struct sdp_section_result *s =
            m->id && t->peer->result ? sdp_result_find(t->peer->result, media_desc(m)->mid) : NULL;
        if (s && s->n_codecs)
            media_announce(m, s);
    }
}

enum request_reason participant_update_video(
    struct participant *p, const char *track_sid, uint32_t width, uint32_t height)
{
    struct track *t = find_any(p, track_sid);
    if (!t)
        return REQUEST_NOT_FOUND;
    if (t->desc.kind != TRACK_VIDEO)
        return REQUEST_INVALID_REQUEST;
    scale_layers(t->desc.layers, t->desc.layer_count, t->desc.width, t->desc.height, width, height);
    for (uint8_t i = 0; i < t->desc.codec_count; i++)
        scale_layers(t->desc.codecs[i].layers, t->desc.codecs[i].layer_count, t->desc.width, t->desc.height,
            width, height);
    t->desc.width = width;
    t->desc.height = height;
    announce_again(track_private(t));
    list_for_each(l, &t->subscriptions)
    {
        struct subscription *s = list_entry(l, struct subscription, by_track);
        subscription_apply(s); /* what they want by size is another layer now */
        demand_changed(s);
    }
    track_touch(track_private(t));
    participant_changed(p, true);
    return REQUEST_OK;
}

/* The client goes on sending there until its next offer: not to be taken for another track's. */
static void forget_section(struct room_track *t)
{
    struct sdp_result *result = t->peer->result;
    for (unsigned i = 0; i < result->n_sections; i++) {
        struct sdp_section_result *s = &result->sections[i];
        const struct room_media *m = s->mid ? media_in_section(t->t.publisher, s->mid) : NULL;
        if (m && m->track == t)
            s->dir = (enum sdp_dir)(s->dir & ~(unsigned)SDP_RECVONLY);
    }
}

/* Ends what the permission no longer allows, and tells the client so. */
void tracks_check_permission(struct participant *p)
{
    struct list *heads[] = {&p->tracks, &p->pending};
    for (int i = 0; i < 2; i++) {
        list_for_each_safe(l, heads[i])
        {
            struct track *t = list_entry(l, struct track, link);
            if (source_allowed(&p->permission, t->desc.source))
                continue;
            TELL(p, track_unpublished, t);
            if (t->published)
                forget_section(track_private(t));
            track_end(track_private(t));
        }
    }
}
