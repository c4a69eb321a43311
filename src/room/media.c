/* The codecs of a track: its primary, and backups for those who cannot decode that. Each is negotiated in a
 * section of its own and a track of its own to the media side; clients know one track with one sid. A backup
 * is announced with its track, and sent only when the publisher is told that somebody wants it
 * (room/demand.c). */
#include <string.h>
#include "base/log.h"
#include "room/internal.h"

const struct track_layer *media_layers(const struct room_media *m, uint8_t *ret_n)
{
    const struct track_desc *d = &m->track->t.desc;
    const struct track_codec *c = media_desc(m);
    *ret_n = c->layer_count ? c->layer_count : d->layer_count;
    return c->layer_count ? c->layers : d->layers;
}

bool media_possible(const struct room_media *m)
{
    if (media_index(m) >= m->track->t.desc.codec_count)
        return false;
    uint32_t forwarded = sdp_caps_default.receive[SDP_KIND_VIDEO].codecs;
    return m->id || (m->track->t.desc.kind == TRACK_VIDEO && (forwarded & SDP_CODEC_BIT(m->codec)));
}

/* ---- sections ---- */

struct room_media *media_in_section(const struct participant *p, const char *mid)
{
    list_for_each(l, &p->tracks)
    {
        struct room_track *t = track_private(list_entry(l, struct track, link));
        for (uint8_t k = 0; k < t->t.desc.codec_count; k++)
            if (t->media[k].id && strcmp(t->t.desc.codecs[k].mid, mid) == 0)
                return &t->media[k];
    }
    return NULL;
}

struct room_media *media_for_section(const struct participant *p, const char *msid_track)
{
    list_for_each(l, &p->tracks)
    {
        struct room_track *t = track_private(list_entry(l, struct track, link));
        for (uint8_t k = 1; msid_track && k < t->t.desc.codec_count; k++)
            if (!t->media[k].id && strcmp(t->t.desc.codecs[k].cid, msid_track) == 0)
                return &t->media[k];
    }
    return NULL;
}

/* What the track comes as. A section that was answered before its announcement came may prefer RED although
 * the track is none. */
static const struct sdp_bound_codec *codec_for(const struct room_track *t, const struct sdp_section_result *s)
{
    bool no_red = t->t.desc.disable_red || t->t.desc.encryption;
    for (unsigned i = 0; i < s->n_codecs; i++)
        if (!no_red || s->codecs[i].id != SDP_CODEC_RED)
            return &s->codecs[i];
    return &s->codecs[0];
}

/* What a receiver may get besides: the Opus inside RED; and RED, where it may be made for it. */
static uint32_t extra_codecs(const struct room_media *m)
{
    const struct track *t = &m->track->t;
    if (t->desc.encryption)
        return 0;
    if (m->codec == SDP_CODEC_RED)
        return SDP_CODEC_BIT(SDP_CODEC_OPUS);
    bool made = m->codec == SDP_CODEC_OPUS && t->publisher->room->server->cfg->audio.red == CONFIG_RED_AUTO &&
                !t->desc.disable_red;
    return made ? SDP_CODEC_BIT(SDP_CODEC_RED) : 0;
}

void media_describe(struct room_media *m, const struct sdp_section_result *s)
{
    struct track *t = &m->track->t;
    const struct sdp_bound_codec *c = codec_for(m->track, s);
    m->codec = c->id;
    m->extra_codecs = extra_codecs(m);
    text_copy(m->fmtp, sizeof m->fmtp, c->fmtp ? c->fmtp : "");
    struct track_codec *own = &t->desc.codecs[media_index(m)];
    text_copy(own->mime, sizeof own->mime, sdp_codec_mime(c->id));
    text_copy(own->mid, sizeof own->mid, s->mid);
    if (s->msid_track && strcmp(own->cid, s->msid_track) != 0)
        text_copy(own->sdp_cid, sizeof own->sdp_cid, s->msid_track);
    m->simulcast = s->n_rids > 1 || s->ssrc_simulcast;
    if (media_index(m))
        return;
    text_copy(t->mime, sizeof t->mime, own->mime);
    text_copy(t->mid, sizeof t->mid, s->mid);
    t->simulcast = m->simulcast;
}

/* ---- the media side ---- */

void media_enter(struct room_media *m)
{
    struct room_server *rs = m->track->t.publisher->room->server;
    m->id = server_number(rs);
    m->asked_us = 0;
    HASH_ADD(hh, rs->media, id, sizeof m->id, m);
}

void media_announce(const struct room_media *m, const struct sdp_section_result *s)
{
    const struct room_track *t = m->track;
    struct room_server *rs = t->t.publisher->room->server;
    struct sfu_command c = {
        .type = SFU_TRACK_ADD, .worker = t->worker, .peer = t->peer->number, .track = m->id};
    peer_section(s, &c.track_add.section);
    c.track_add.kind = (uint8_t)t->t.desc.kind;
    c.track_add.encrypted = t->t.desc.encryption != 0;
    c.track_add.muted = t->t.desc.muted || t->t.server_muted;
    bandwidth_layers(m, &c.track_add.section, &c.track_add.announced);
    c.stage = t->on_stage ? t->t.publisher->room->priv->stage->id : 0;
    rs->host.post(rs->host.arg, &c);
}

void media_renegotiated(struct room_media *m, const struct sdp_section_result *s)
{
    struct room_track *t = m->track;
    if (!s->n_codecs)
        return;
    const struct sdp_bound_codec *c = codec_for(t, s);
    bool changed = m->codec != c->id || !sdp_codec_same_format(c->id, m->fmtp, c->fmtp);
    media_describe(m, s);
    media_announce(m, s);
    if (changed) {
        track_touch(t);
        participant_changed(t->t.publisher, true);
        subscriptions_renew(&t->t);
    }
}

void media_leave(struct room_media *m)
{
    struct room_track *t = m->track;
    struct room_server *rs = t->t.publisher->room->server;
    struct sfu_command c = {
        .type = SFU_TRACK_REMOVE, .worker = t->worker, .peer = t->peer ? t->peer->number : 0, .track = m->id};
    HASH_DELETE(hh, rs->media, m);
    m->id = 0;
    m->live = m->simulcast = false;
    m->arriving = 0;
    if (t->peer)
        rs->host.post(rs->host.arg, &c);
}

/* ---- backups ---- */

void media_publish(struct room_media *m, const struct sdp_section_result *s)
{
    struct room_track *t = m->track;
    if (!s->n_codecs)
        return;
    media_enter(m);
    media_describe(m, s);
    media_announce(m, s);
    track_touch(t);
    log_info("track.codec_added", "room=%s identity=%s track=%s mime=%s mid=%s layers=%u",
        t->t.publisher->room->name, t->t.publisher->identity, t->t.sid, media_desc(m)->mime, s->mid,
        s->n_rids);
    participant_changed(t->t.publisher, false);
    list_for_each(l, &t->t.subscriptions)
    {
        struct subscription *sub = list_entry(l, struct subscription, by_track);
        if (sub->codec_failed)
            subscription_retry(sub, media_index(m));
        if (sub->codec == media_index(m))
            negotiation_needed(sub->subscriber);
    }
    demand_update(t, server_now_us(t->t.publisher->room->server));
}

void media_parked(struct participant *p)
{
    const struct sdp_result *result = p->publisher->result;
    for (unsigned i = 0; result && i < result->n_sections; i++) {
        const struct sdp_section_result *s = &result->sections[i];
        if (s->rejected || !(s->dir & SDP_RECVONLY) || s->kind > SDP_KIND_VIDEO ||
            media_in_section(p, s->mid))
            continue;
        struct room_media *m = media_for_section(p, s->msid_track);
        if (m)
            media_publish(m, s);
    }
}

/* Its viewers get another that they take, if there is one. */
void media_end(struct room_media *m)
{
    struct room_track *t = m->track;
    struct track_codec *c = &t->t.desc.codecs[media_index(m)];
    if (t->regressed == media_index(m))
        t->regressed = 0;
    list_for_each(l, &t->t.subscriptions)
    {
        struct subscription *s = list_entry(l, struct subscription, by_track);
        if (s->codec != media_index(m))
            continue;
        subscription_stop(s);
        peer_unbind(s->subscriber->subscriber, s);
        demand_move(s, 0);
        s->codec_failed = false;
        negotiation_needed(s->subscriber);
    }
    media_leave(m);
    c->cid[0] = c->sdp_cid[0] = c->mid[0] = 0;
    track_touch(t);
    log_info("track.codec_ended", "track=%s mime=%s", t->t.sid, c->mime);
    participant_changed(t->t.publisher, false);
    demand_update(t, server_now_us(t->t.publisher->room->server));
}

enum { POLICY_PREFER_REGRESSION, POLICY_SIMULCAST, POLICY_REGRESSION }; /* BackupCodecPolicy */

static bool may_regress(const struct room_track *t)
{
    if (t->t.desc.backup_codec_policy == POLICY_PREFER_REGRESSION)
        return t->t.publisher->room->participant_count < ROOM_REGRESSION_PEOPLE;
    return t->t.desc.backup_codec_policy == POLICY_REGRESSION;
}

/* By the publisher's policy it encodes once: what everybody can decode. */
void media_regress(struct room_media *m)
{
    struct room_track *t = m->track;
    if (!media_index(m) || t->regressed || !m->live || !(m->viewers[0] + m->viewers[1] + m->viewers[2]) ||
        !may_regress(t))
        return;
    t->regressed = (uint8_t)media_index(m);
    log_info("track.regressed", "track=%s mime=%s", t->t.sid, media_desc(m)->mime);
    list_for_each(l, &t->t.subscriptions)
    {
        struct subscription *s = list_entry(l, struct subscription, by_track);
        if (s->codec == t->regressed || (s->refused & 1u << t->regressed) || s->codec_failed)
            continue;
        subscription_stop(s);
        peer_unbind(s->subscriber->subscriber, s);
        demand_move(s, t->regressed);
        negotiation_needed(s->subscriber);
    }
}
