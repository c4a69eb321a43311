/* One peer connection of a participant: credentials, SSRCs, and its description to the media side. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "base/log.h"
#include "base/rand.h"
#include "room/internal.h"

/* ice-char of RFC 8839, section 5.4. The first character of a user name fragment is the worker's, so that the
 * first check of a TCP connection, which arrives at a shared port, can be given to the right worker. */
static const char ice_chars[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

void peer_new_credentials(struct room_peer *peer)
{
    rand_text(peer->ufrag, 12, ice_chars);
    peer->ufrag[0] = ice_chars[peer->worker];
    rand_text(peer->pwd, 32, ice_chars);
    peer->fresh = true;
}

struct room_peer *peer_new(struct participant *p, enum peer_target target)
{
    struct room_server *rs = p->room->server;
    struct room_peer *peer = calloc(1, sizeof *peer);
    if (!peer)
        return NULL;
    peer->number = server_number(rs);
    peer->participant = p;
    peer->target = target;
    peer->origin_id = rand_u64() >> 2; /* RFC 8829, section 5.2.1: less than 2^62 */
    sdp_plan_init(&peer->plan);
    HASH_ADD_INT(rs->peers, number, peer);
    return peer;
}

void peer_free(struct room_peer *peer)
{
    if (!peer)
        return;
    struct room_server *rs = peer->participant->room->server;
    HASH_DELETE(hh, rs->peers, peer);
    sdp_plan_done(&peer->plan);
    sdp_free(peer->offer_out);
    sdp_result_free(peer->result);
    free(peer->ssrcs);
    free(peer);
}

static bool ssrc_used(const struct room_peer *peer, uint32_t ssrc)
{
    for (size_t i = 0; i < peer->ssrc_count; i++)
        if (peer->ssrcs[i] == ssrc)
            return true;
    for (unsigned i = 0; peer->result && i < peer->result->n_sections; i++) {
        const struct sdp_section_result *s = &peer->result->sections[i];
        for (unsigned k = 0; k < s->n_ssrcs; k++)
            if (s->ssrcs[k].ssrc == ssrc || s->ssrcs[k].rtx_ssrc == ssrc)
                return true;
    }
    return false;
}

/* A number that this connection has never sent with; 0 when memory is short. */
uint32_t peer_ssrc(struct room_peer *peer)
{
    if (peer->ssrc_count == peer->ssrc_cap) {
        size_t cap = peer->ssrc_cap ? peer->ssrc_cap * 2 : 32;
        uint32_t *grown = realloc(peer->ssrcs, cap * sizeof *grown);
        if (!grown)
            return 0;
        peer->ssrcs = grown;
        peer->ssrc_cap = cap;
    }
    uint32_t ssrc;
    do
        ssrc = rand_u32();
    while (!ssrc || ssrc_used(peer, ssrc));
    peer->ssrcs[peer->ssrc_count++] = ssrc;
    return ssrc;
}

static enum payload_codec payload_of(enum sdp_codec_id id)
{
    switch (id) {
    case SDP_CODEC_OPUS:
        return PAYLOAD_OPUS;
    case SDP_CODEC_RED:
        return PAYLOAD_RED;
    case SDP_CODEC_PCMU:
        return PAYLOAD_PCMU;
    case SDP_CODEC_PCMA:
        return PAYLOAD_PCMA;
    case SDP_CODEC_VP8:
        return PAYLOAD_VP8;
    case SDP_CODEC_VP9:
        return PAYLOAD_VP9;
    case SDP_CODEC_H264:
        return PAYLOAD_H264;
    case SDP_CODEC_AV1:
        return PAYLOAD_AV1;
    case SDP_CODEC_H265:
    case SDP_CODEC_RTX:
    case SDP_CODEC_OTHER:
    case SDP_CODEC_COUNT:
        break;
    }
    return PAYLOAD_UNKNOWN;
}

static enum rtp_ext ext_of(enum sdp_ext ext)
{
    const char *uri = sdp_ext_uri(ext);
    return uri ? rtp_ext_find(uri) : RTP_EXT_NONE;
}

static void codec_of(const struct sdp_bound_codec *from, struct sfu_codec *to)
{
    *to = (struct sfu_codec){.codec = payload_of(from->id),
        .pt = from->pt,
        .rtx_pt = from->rtx_pt > 0 ? (uint8_t)from->rtx_pt : 0,
        .clock_hz = from->clock_hz,
        .nack = from->fb & SDP_FB_NACK,
        .pli = from->fb & SDP_FB_NACK_PLI,
        .fir = from->fb & SDP_FB_CCM_FIR,
        .transport_cc = from->fb & SDP_FB_TRANSPORT_CC,
        .remb = from->fb & SDP_FB_REMB};
    struct sdp_h264 h264;
    if (from->id == SDP_CODEC_H264 && sdp_h264_parse(from->fmtp, &h264) == 0) {
        to->h264_profile = (uint8_t)h264.profile;
        to->h264_mode = h264.mode;
    }
    if (from->id == SDP_CODEC_VP9)
        to->vp9_profile = (uint8_t)sdp_fmtp_number(from->fmtp, "profile-id", 0);
}

void peer_section(const struct sdp_section_result *s, struct sfu_section *ret)
{
    memset(ret, 0, sizeof *ret);
    text_copy(ret->mid, sizeof ret->mid, s->mid ? s->mid : "");
    for (unsigned i = 0; i < s->n_codecs && ret->codec_count < SFU_CODECS_MAX; i++)
        codec_of(&s->codecs[i], &ret->codecs[ret->codec_count++]);
    rtp_extmap_init(&ret->extmap);
    for (int e = 0; e < SDP_EXT_COUNT; e++)
        if (s->ext_id[e] && ext_of((enum sdp_ext)e) != RTP_EXT_NONE)
            rtp_extmap_set(&ret->extmap, s->ext_id[e], ext_of((enum sdp_ext)e));
    for (unsigned i = 0; i < s->n_rids && ret->rid_count < SFU_RIDS_MAX; i++)
        text_copy(ret->rids[ret->rid_count++], SFU_MID_MAX, s->rids[i].id);
    unsigned streams = s->ssrc_simulcast ? s->n_ssrcs : s->n_ssrcs > 0;
    for (unsigned i = 0; i < streams && ret->ssrc_count < SFU_RIDS_MAX; i++) {
        ret->ssrcs[ret->ssrc_count].ssrc = s->ssrcs[i].ssrc;
        ret->ssrcs[ret->ssrc_count++].rtx = s->ssrcs[i].rtx_ssrc;
    }
}

static uint32_t candidate_priority(size_t index, bool tcp)
{
    /* RFC 8445, section 5.1.2.1: type preference 126 for host; UDP before TCP (RFC 6544, section 4.2) */
    uint32_t local = (tcp ? (2u << 13 | 8191u) : 65535u) - (uint32_t)index;
    return 126u << 24 | (local & 0xffff) << 8 | 255u;
}

void peer_local(struct room_peer *peer, struct sdp_local *local, struct sdp_candidate *candidates, size_t max)
{
    struct room_server *rs = peer->participant->room->server;
    size_t n = 0, count = 0;
    const struct sfu_candidate *list = rs->host.candidates(rs->host.arg, peer->worker, &n);
    for (size_t i = 0; i < n && count < max; i++) {
        struct sdp_candidate *c = &candidates[count++];
        *c = (struct sdp_candidate){.component = 1,
            .tcp = list[i].tcp,
            .priority = candidate_priority(i, list[i].tcp),
            .port = list[i].addr.port,
            .type = SDP_CAND_HOST,
            .tcptype = list[i].tcp ? SDP_TCP_PASSIVE : SDP_TCP_NONE};
        snprintf(c->foundation, sizeof c->foundation, "%s%zu", list[i].tcp ? "t" : "u", i);
        char text[ADDR_TEXT_MAX];
        text_copy(c->address, sizeof c->address, addr_ip_text(&list[i].addr, text));
    }
    const char *hash = strchr(rs->host.fingerprint, ' ');
    *local = (struct sdp_local){.origin_id = peer->origin_id,
        .origin_version = ++peer->origin_version,
        .ufrag = peer->ufrag,
        .pwd = peer->pwd,
        .fingerprint = hash ? hash + 1 : rs->host.fingerprint,
        .ice_lite = true,
        .trickle = true,
        .candidates = candidates,
        .n_candidates = (unsigned)count,
        .end_of_candidates = true};
}

static void announce_data(struct room_peer *peer, const struct sdp_result *result)
{
    struct room_server *rs = peer->participant->room->server;
    for (unsigned i = 0; i < result->n_sections; i++) {
        const struct sdp_section_result *s = &result->sections[i];
        if (s->kind != SDP_KIND_APPLICATION || s->rejected)
            continue;
        struct sfu_command c = {.type = SFU_PEER_DATA, .worker = peer->worker, .peer = peer->number};
        c.data.port = s->sctp_port ? s->sctp_port : 5000;
        c.data.max_message_size =
            s->max_message_size > UINT32_MAX ? UINT32_MAX : (uint32_t)s->max_message_size;
        c.data.open_channels = peer->target == PEER_SUBSCRIBER && peer->participant->subscriber_primary;
        c.data.dtls_client = result->dtls_client;
        rs->host.post(rs->host.arg, &c);
        peer->data_added = true;
        return;
    }
}

static void set_remote(struct room_peer *peer, const struct sdp_result *result, struct sfu_command *c)
{
    text_copy(peer->remote_ufrag, sizeof peer->remote_ufrag, result->ufrag);
    text_copy(peer->remote_pwd, sizeof peer->remote_pwd, result->pwd);
    if (result->n_fingerprints)
        snprintf(peer->remote_fingerprint, sizeof peer->remote_fingerprint, "%s %s",
            result->fingerprints[0].hash, result->fingerprints[0].value);
    text_copy(c->remote.ice.local_ufrag, sizeof c->remote.ice.local_ufrag, peer->ufrag);
    text_copy(c->remote.ice.local_pwd, sizeof c->remote.ice.local_pwd, peer->pwd);
    text_copy(c->remote.ice.remote_ufrag, sizeof c->remote.ice.remote_ufrag, peer->remote_ufrag);
    text_copy(c->remote.ice.remote_pwd, sizeof c->remote.ice.remote_pwd, peer->remote_pwd);
    text_copy(c->remote.fingerprint, sizeof c->remote.fingerprint, peer->remote_fingerprint);
    c->remote.dtls_client = result->dtls_client;
    peer->remote_known = true;
}

void peer_announce(struct room_peer *peer, const struct sdp_result *result)
{
    struct room_server *rs = peer->participant->room->server;
    bool changed =
        strcmp(peer->remote_ufrag, result->ufrag) != 0 || strcmp(peer->remote_pwd, result->pwd) != 0;
    struct sfu_command c = {.worker = peer->worker, .peer = peer->number};
    if (!peer->added)
        c.type = SFU_PEER_ADD;
    else if (peer->fresh)
        c.type = SFU_PEER_RESTART;
    else
        c.type = SFU_PEER_REMOTE; /* the peer, or its new credentials, are known without the other side's */
    if (!peer->added || !peer->remote_known || peer->restarting || changed) {
        set_remote(peer, result, &c);
        rs->host.post(rs->host.arg, &c);
    }
    if (c.type == SFU_PEER_ADD)
        bandwidth_announce(peer);
    peer->added = true;
    peer->fresh = peer->restarting = false;
    if (!peer->data_added)
        announce_data(peer, result);
}

static const char *stream_of(const struct track *t)
{
    return t->desc.stream;
}

/* LiveKit clients up to protocol 9 take the stream id apart as participant|track. */
#define PROTOCOL_STREAM_NAMES 10

int peer_bind(struct room_peer *peer, struct subscription *s, bool grow)
{
    struct track *t = s->track;
    const struct room_media *m = media_of(s);
    enum sdp_kind kind = t->desc.kind == TRACK_VIDEO ? SDP_KIND_VIDEO : SDP_KIND_AUDIO;
    char stream[TRACK_NAME_MAX + ROOM_SID_MAX + 2];
    snprintf(stream, sizeof stream, "%s|%s", t->publisher->sid,
        s->subscriber->protocol < PROTOCOL_STREAM_NAMES && s->subscriber->protocol > 0 ? t->sid
                                                                                       : stream_of(t));
    struct sdp_track st = {.stream = stream,
        .track = t->sid,
        .cname = t->publisher->sid,
        .ssrc = peer_ssrc(peer),
        .rtx_ssrc = t->desc.kind == TRACK_VIDEO ? peer_ssrc(peer) : 0,
        .codec = m->codec,
        .codecs = m->extra_codecs,
        .fmtp = m->fmtp[0] ? m->fmtp : NULL,
        .stereo = t->desc.stereo};
    if (!st.ssrc)
        return -ENOMEM;
    uint64_t key = ++peer->participant->room->server->next_key;
    int at = sdp_plan_bind(&peer->plan, kind, &st, key, grow);
    if (at < 0) {
        peer->ssrc_count -= st.rtx_ssrc ? 2 : 1; /* never left this function */
        return at;
    }
    s->key = key;
    return 0;
}

void peer_unbind(struct room_peer *peer, struct subscription *s)
{
    if (s->key)
        sdp_plan_unbind(&peer->plan, s->key);
    s->key = 0;
}
