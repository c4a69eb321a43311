/* Offers and answers: what the sections of a description mean for tracks and subscriptions. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include "base/log.h"
#include "room/internal.h"

static enum sdp_kind kind_of(const struct track *t)
{
    return t->desc.kind == TRACK_VIDEO ? SDP_KIND_VIDEO : SDP_KIND_AUDIO;
}

/* ---- asking for an offer, or making one ---- */

void negotiation_needed(struct participant *p)
{
    struct participant_private *priv = p->priv;
    if (priv->leaving || !priv->told_joined || !list_empty(&priv->poke_link))
        return;
    struct room_server *rs = p->room->server;
    int64_t now = server_now_us(rs);
    priv->poke_due_us =
        now + (now - priv->poked_us < ROOM_POKE_AGAIN_US ? ROOM_POKE_AGAIN_US : ROOM_POKE_FIRST_US);
    list_add_tail(&rs->pokes, &priv->poke_link);
    server_wake_at(rs, priv->poke_due_us);
}

static bool waits(const struct subscription *s)
{
    return !s->key && !s->codec_failed && media_of(s)->id;
}

static bool is_retiring(const struct room_peer *peer)
{
    for (unsigned i = 0; i < peer->plan.n; i++)
        if (peer->plan.sections[i].state == SDP_PLAN_RETIRING)
            return true;
    return false;
}

static void count_waiting(const struct participant *p, unsigned waiting[2])
{
    waiting[0] = waiting[1] = 0;
    list_for_each(l, &p->subscriptions)
    {
        const struct subscription *s = list_entry(l, struct subscription, by_subscriber);
        waiting[s->track->desc.kind] += waits(s);
    }
}

/* The single-connection client makes all offers; it is told how many sections it lacks. */
static void ask_for_offer(struct participant *p, int64_t now_us)
{
    struct room_peer *peer = p->publisher;
    unsigned waiting[2];
    count_waiting(p, waiting);
    if (!peer->result || (!waiting[0] && !waiting[1] && !is_retiring(peer)))
        return; /* the first offer is still to come, or all is in place */
    uint32_t more[2];
    for (int k = 0; k < 2; k++) {
        unsigned have = sdp_plan_free(&peer->plan, (enum sdp_kind)k) + p->priv->asked[k];
        more[k] = waiting[k] > have ? waiting[k] - have : 0;
        p->priv->asked[k] += more[k];
    }
    p->priv->poked_us = now_us;
    TELL(p, sections_required, more[TRACK_AUDIO], more[TRACK_VIDEO]);
}

void negotiation_due(struct participant *p, int64_t now_us)
{
    if (!p->ops || p->signal_lost)
        return; /* participant_resumed starts over */
    if (p->single_connection) {
        ask_for_offer(p, now_us);
        return;
    }
    unsigned waiting[2];
    count_waiting(p, waiting);
    if (!p->subscriber->offer_out && (waiting[0] || waiting[1] || is_retiring(p->subscriber)))
        negotiation_offer(p, false);
}

/* Did both sides agree that this section carries something to the client? */
static bool carries(const struct sdp_section_result *s)
{
    return !s->rejected && (s->dir & SDP_SENDONLY) && s->n_codecs;
}

/* What the client receives by a description: of an answer (agreed) what it could not decline, of an offer
 * (NULL) everything. */
static size_t mid_map(const struct room_peer *peer, const struct sdp_result *agreed, struct mid_track *mids)
{
    size_t n = 0;
    for (unsigned i = 0; i < peer->plan.n; i++) {
        const struct sdp_track *t = sdp_plan_track(&peer->plan, i);
        if (t && (!agreed || carries(&agreed->sections[i])))
            mids[n++] = (struct mid_track){.mid = peer->plan.sections[i].mid, .track_sid = t->track};
    }
    return n;
}

static void bind_waiting(struct room_peer *peer, const struct sdp_session *offer);

static void add_to_media_side(struct room_peer *peer, enum sfu_command_type type)
{
    struct room_server *rs = peer->participant->room->server;
    struct sfu_command c = {.type = type, .worker = peer->worker, .peer = peer->number};
    text_copy(c.remote.ice.local_ufrag, sizeof c.remote.ice.local_ufrag, peer->ufrag);
    text_copy(c.remote.ice.local_pwd, sizeof c.remote.ice.local_pwd, peer->pwd);
    rs->host.post(rs->host.arg, &c);
    peer->added = true;
    peer->fresh = false;
}

void negotiation_offer(struct participant *p, bool restart)
{
    struct room_peer *peer = p->subscriber;
    struct room_server *rs = p->room->server;
    if (p->subscriber_primary)
        sdp_plan_add_data(&peer->plan); /* first: it stays, whatever tracks come and go */
    bind_waiting(peer, NULL);
    if (!peer->plan.n || !p->ops)
        return;
    if (restart && peer->added) {
        peer_new_credentials(peer);
        peer->restarting = true;
        add_to_media_side(peer, SFU_PEER_RESTART);
    } else if (!peer->added) {
        add_to_media_side(peer, SFU_PEER_ADD);
    }
    struct sdp_candidate candidates[SDP_CANDIDATES_MAX];
    struct sdp_local local;
    peer_local(peer, &local, candidates, SDP_CANDIDATES_MAX);
    struct sdp_session *offer;
    int err = sdp_plan_offer(&peer->plan, &local, &offer);
    if (err) {
        log_error("negotiation.offer_failed", "participant=%s error=\"%s\"", p->sid, strerror(-err));
        return;
    }
    struct strbuf text = {0};
    sdp_print(offer, &text);
    struct mid_track mids[SDP_MEDIA_MAX];
    size_t n = mid_map(peer, NULL, mids);
    sdp_free(peer->offer_out);
    peer->offer_out = offer;
    participant_watch(p);
    peer->offer_id++;
    peer->offer_sent_us = p->priv->poked_us = server_now_us(rs);
    if (strbuf_ok(&text))
        TELL(p, offer, peer->offer_id, text.text, mids, n);
    strbuf_done(&text);
}

/* ---- what the client can decode ---- */

/* Of a codec that is not sent so far the format is not known: any will do. */
static bool section_takes(const struct sdp_media *section, const struct room_media *m)
{
    for (unsigned i = 0; i < section->n_codecs; i++) {
        const struct sdp_codec *c = &section->codecs[i];
        if ((m->extra_codecs & SDP_CODEC_BIT(c->id)) ||
            (c->id == m->codec &&
                (!m->id || sdp_codec_same_format(c->id, c->fmtp, m->fmtp[0] ? m->fmtp : NULL))))
            return true;
    }
    return false;
}

/* Does any section in which the client receives take the codec? Without such a section the answer is yes. */
static bool client_takes(const struct sdp_session *offer, const struct room_media *m)
{
    bool any = false;
    for (unsigned i = 0; i < offer->n_media; i++) {
        const struct sdp_media *section = &offer->media[i];
        if (section->kind != kind_of(&m->track->t) || !(section->dir & SDP_RECVONLY))
            continue;
        if (section_takes(section, m))
            return true;
        any = true;
    }
    return !any;
}

/* Which of the track's codecs the client is to have: that of everybody, else the first that it takes. offer:
 * the client's, that tells; NULL: what it did not refuse so far. -1: none. */
static int pick_codec(const struct subscription *s, const struct sdp_session *offer)
{
    const struct room_track *t = track_private(s->track);
    for (int i = -1; i < TRACK_CODECS_MAX; i++) {
        int k = i < 0 ? t->regressed : i;
        if (media_possible(&t->media[k]) && !(s->refused & 1u << k) &&
            (!offer || client_takes(offer, &t->media[k])))
            return k;
    }
    return -1;
}

void subscription_failed(struct subscription *s)
{
    s->codec_failed = true;
    demand_changed(s);
    TELL(s->subscriber, subscription_failed, s->track->sid, SUBSCRIPTION_CODEC_UNSUPPORTED);
}

/* The next codec, if there is one. */
static void codec_refused(struct subscription *s)
{
    subscription_stop(s);
    peer_unbind(s->subscriber->subscriber, s);
    s->refused |= (uint8_t)(1u << s->codec);
    int next = pick_codec(s, NULL);
    if (next < 0) {
        subscription_failed(s);
        return;
    }
    demand_move(s, (unsigned)next);
    negotiation_needed(s->subscriber);
}

/* Binds what waits to free sections. offer: the client's, which decides what fits; NULL: ours, which may
 * grow. */
static void bind_waiting(struct room_peer *peer, const struct sdp_session *offer)
{
    list_for_each(l, &peer->participant->subscriptions)
    {
        struct subscription *s = list_entry(l, struct subscription, by_subscriber);
        if (s->key || s->codec_failed)
            continue;
        int codec = pick_codec(s, offer);
        if (codec < 0) {
            subscription_failed(s);
            continue;
        }
        demand_move(s, (unsigned)codec);
        if (waits(s) && !peer_bind(peer, s, offer == NULL))
            participant_introduce(s->track->publisher, s->subscriber);
    }
}

/* Bindings that the client's offer ended (it stopped receiving there) wait for a section again. */
static void drop_lost_bindings(struct room_peer *peer)
{
    list_for_each(l, &peer->participant->subscriptions)
    {
        struct subscription *s = list_entry(l, struct subscription, by_subscriber);
        if (s->key && sdp_plan_find(&peer->plan, s->key) < 0) {
            subscription_stop(s);
            s->key = 0;
        }
    }
}

static struct subscription *by_key(const struct participant *p, uint64_t key)
{
    list_for_each(l, &p->subscriptions)
    {
        struct subscription *s = list_entry(l, struct subscription, by_subscriber);
        if (s->key == key)
            return s;
    }
    return NULL;
}

/* Media starts for what both sides agreed on. */
static void start_bound(struct room_peer *peer, const struct sdp_result *result)
{
    for (unsigned i = 0; i < peer->plan.n && i < result->n_sections; i++) {
        const struct sdp_plan_section *ps = &peer->plan.sections[i];
        struct subscription *s = ps->state == SDP_PLAN_BOUND ? by_key(peer->participant, ps->key) : NULL;
        if (!s)
            continue;
        if (!carries(&result->sections[i]))
            codec_refused(s);
        else if (!s->number)
            subscription_start(s, &result->sections[i]);
    }
}

/* A section of ours that the client has rejected is never used again. */
static void drop_rejected(struct room_peer *peer, const struct sdp_result *result)
{
    for (unsigned i = 0; i < peer->plan.n && i < result->n_sections; i++)
        if (result->sections[i].rejected && result->sections[i].kind <= SDP_KIND_VIDEO)
            sdp_plan_drop(&peer->plan, i);
}

/* ---- the client's offer ---- */

/* What the section carries: one of a track's codecs. NULL: nothing that is announced. */
static const struct track_desc *desc_for_media(
    struct participant *p, const struct sdp_media *m, const struct track_codec **ret_codec)
{
    const struct room_media *known = m->mid ? media_in_section(p, m->mid) : NULL;
    known = known ? known : media_for_section(p, m->msid_track);
    if (known) {
        *ret_codec = media_desc(known);
        return &known->track->t.desc;
    }
    const struct track_desc *first = NULL;
    list_for_each(l, &p->pending)
    {
        const struct track *t = list_entry(l, struct track, link);
        if (kind_of(t) != m->kind)
            continue;
        bool named = m->msid_track && strcmp(t->desc.cid, m->msid_track) == 0;
        first = first && !named ? first : &t->desc;
        if (named)
            break;
    }
    *ret_codec = first ? &first->codecs[0] : NULL;
    return first;
}

static void decide_receive(struct participant *p, const struct sdp_media *m, struct sdp_decision *d)
{
    const struct track_codec *codec = NULL;
    const struct track_desc *desc = desc_for_media(p, m, &codec);
    d->receive = p->permission.can_publish && (!desc || source_allowed(&p->permission, desc->source));
    if (m->kind == SDP_KIND_AUDIO) {
        bool red = p->room->server->cfg->audio.red != CONFIG_RED_OFF &&
                   (!desc || (!desc->disable_red && !desc->encryption));
        d->prefer = red ? SDP_CODEC_RED : SDP_CODEC_OPUS;
        if (!red)
            d->codecs =
                SDP_CODEC_BIT(SDP_CODEC_OPUS) | SDP_CODEC_BIT(SDP_CODEC_PCMU) | SDP_CODEC_BIT(SDP_CODEC_PCMA);
        d->opus_dtx = !desc || !desc->disable_dtx;
        d->opus_stereo = desc && desc->stereo;
        return;
    }
    if (codec && codec->mime[0])
        d->prefer = sdp_codec_from_mime(codec->mime);
    d->only = p->firefox && d->prefer != SDP_CODEC_OTHER;
}

static void decide(struct room_peer *peer, const struct sdp_session *offer, struct sdp_decision *decisions)
{
    struct participant *p = peer->participant;
    for (unsigned i = 0; i < offer->n_media; i++) {
        const struct sdp_media *m = &offer->media[i];
        decisions[i] = (struct sdp_decision){0};
        if (m->kind != SDP_KIND_AUDIO && m->kind != SDP_KIND_VIDEO)
            continue;
        if (m->dir & SDP_SENDONLY)
            decide_receive(p, m, &decisions[i]);
        decisions[i].track = sdp_plan_track(&peer->plan, i);
    }
}

static bool is_ice_restart(const struct room_peer *peer, const struct sdp_transport *t)
{
    return peer->remote_known && t->ufrag && t->pwd &&
           (strcmp(t->ufrag, peer->remote_ufrag) != 0 || strcmp(t->pwd, peer->remote_pwd) != 0);
}

/* What a section carried ended when it stopped sending, or now carries another announced track. */
static bool media_ended(
    struct room_peer *peer, const struct room_media *m, const struct sdp_section_result *s)
{
    if (!s || s->rejected || !(s->dir & SDP_RECVONLY))
        return true;
    const char *cid = media_index(m) ? media_desc(m)->cid : m->track->t.desc.cid;
    if (!s->msid_track || strcmp(s->msid_track, cid) == 0)
        return false;
    const struct room_track *next = track_for_section(peer, s);
    return next && strcmp(next->t.desc.cid, s->msid_track) == 0;
}

/* A track lives as long as its primary codec is negotiated; not that anything of it need be sent. */
static void apply_to_track(struct room_peer *peer, struct room_track *t)
{
    for (uint8_t k = 0; k < t->t.desc.codec_count; k++) {
        struct room_media *m = &t->media[k];
        const struct sdp_section_result *s = m->id ? sdp_result_find(peer->result, media_desc(m)->mid) : NULL;
        if (!m->id)
            continue;
        if (!media_ended(peer, m, s)) {
            media_renegotiated(m, s);
        } else if (k == 0) {
            track_end(t);
            return;
        } else {
            media_end(m);
        }
    }
}

static void apply_published(struct room_peer *peer)
{
    struct participant *p = peer->participant;
    list_for_each_safe(l, &p->tracks)
    {
        struct room_track *t = track_private(list_entry(l, struct track, link));
        if (t->peer == peer)
            apply_to_track(peer, t);
    }
    for (unsigned i = 0; i < peer->result->n_sections; i++) {
        const struct sdp_section_result *s = &peer->result->sections[i];
        if (s->rejected || !(s->dir & SDP_RECVONLY) || s->kind > SDP_KIND_VIDEO)
            continue;
        struct room_track *t = media_in_section(p, s->mid) ? NULL : track_for_section(peer, s);
        if (t)
            track_publish(t, peer, s);
    }
    media_parked(p);
}

static int answer_offer(
    struct room_peer *peer, const struct sdp_session *offer, uint32_t id, char *err, size_t err_size)
{
    struct participant *p = peer->participant;
    struct sdp_decision decisions[SDP_MEDIA_MAX];
    decide(peer, offer, decisions);
    struct sdp_candidate candidates[SDP_CANDIDATES_MAX];
    struct sdp_local local;
    peer_local(peer, &local, candidates, SDP_CANDIDATES_MAX);
    struct sdp_session *answer = NULL;
    struct sdp_result *result = NULL;
    struct strbuf text = {0};
    int e = sdp_answer(offer, &local, decisions, offer->n_media, &answer, err, err_size);
    if (!e)
        e = sdp_result_new(offer, answer, true, &result, err, err_size);
    if (e)
        goto out;
    sdp_print(answer, &text);
    if (!strbuf_ok(&text)) {
        e = -ENOMEM;
        goto out;
    }
    struct mid_track mids[SDP_MEDIA_MAX];
    size_t n = mid_map(peer, result, mids);
    sdp_plan_commit(&peer->plan);
    sdp_result_free(peer->result);
    peer->result = result;
    result = NULL;
    p->priv->asked[0] = p->priv->asked[1] = 0;
    peer_announce(peer, peer->result);
    TELL(p, answer, id, text.text, mids, n);
    apply_published(peer);
    start_bound(peer, peer->result);
    negotiation_needed(p);
out:
    strbuf_done(&text);
    sdp_result_free(result);
    sdp_free(answer);
    return e;
}

/* A connection keeps its certificate: DTLS is not done again. */
static int check_fingerprint(
    const struct room_peer *peer, const struct sdp_fingerprint *list, unsigned n, char *err, size_t err_size)
{
    char text[sizeof peer->remote_fingerprint];
    if (!peer->remote_known || !n)
        return 0;
    snprintf(text, sizeof text, "%s %s", list[0].hash, list[0].value);
    if (strcmp(text, peer->remote_fingerprint) == 0)
        return 0;
    snprintf(err, err_size, "the certificate fingerprint changed: make a new connection");
    return -EINVAL;
}

/* What sdp_answer would refuse is refused before anything changes. */
static int check_offer(const struct room_peer *peer, const struct sdp_session *offer,
    struct sdp_transport *ret, char *err, size_t err_size)
{
    int e = sdp_transport_of(offer, ret, err, err_size);
    if (!e && ret->setup == SDP_SETUP_HOLDCONN) {
        snprintf(err, err_size, "the offer's setup role is holdconn");
        e = -EINVAL;
    }
    return e ? e : check_fingerprint(peer, ret->fingerprints, ret->n_fingerprints, err, err_size);
}

int participant_offer(
    struct participant *p, const char *sdp, size_t len, uint32_t id, char *err, size_t err_size)
{
    struct room_peer *peer = p->publisher;
    struct sdp_session *offer;
    int e = sdp_parse(sdp, len, &offer, err, err_size);
    if (e)
        return e;
    struct sdp_transport transport;
    e = check_offer(peer, offer, &transport, err, err_size);
    if (!e)
        e = sdp_plan_adopt(&peer->plan, offer, err, err_size);
    if (!e) {
        if (is_ice_restart(peer, &transport))
            peer_new_credentials(peer);
        if (p->single_connection) {
            drop_lost_bindings(peer);
            bind_waiting(peer, offer);
        }
        e = answer_offer(peer, offer, id, err, err_size);
    }
    sdp_free(offer);
    return e;
}

static bool rejects_all(const struct sdp_session *offer, const struct sdp_session *answer)
{
    bool all = answer->n_media == offer->n_media;
    for (unsigned i = 0; i < answer->n_media; i++)
        all &= sdp_media_rejected(&answer->media[i]);
    return all;
}

/* Such an answer has no transport to speak of. */
static void take_refusal(struct room_peer *peer)
{
    for (unsigned i = 0; i < peer->plan.n; i++) {
        const struct sdp_plan_section *ps = &peer->plan.sections[i];
        struct subscription *s = ps->state == SDP_PLAN_BOUND ? by_key(peer->participant, ps->key) : NULL;
        if (s)
            codec_refused(s);
        if (ps->kind <= SDP_KIND_VIDEO)
            sdp_plan_drop(&peer->plan, i);
    }
    sdp_free(peer->offer_out);
    peer->offer_out = NULL;
    negotiation_needed(peer->participant);
}

int participant_answer(
    struct participant *p, const char *sdp, size_t len, uint32_t id, char *err, size_t err_size)
{
    struct room_peer *peer = p->subscriber;
    if (p->single_connection || !peer->offer_out) {
        snprintf(err, err_size, "no offer of the server waits for an answer");
        return -EINVAL;
    }
    if (id && id != peer->offer_id)
        return 0; /* of an offer that a newer one has replaced */
    struct sdp_session *answer;
    int e = sdp_parse(sdp, len, &answer, err, err_size);
    if (e)
        return e;
    if (rejects_all(peer->offer_out, answer)) {
        take_refusal(peer);
        sdp_free(answer);
        return 0;
    }
    struct sdp_result *result;
    e = sdp_result_new(peer->offer_out, answer, false, &result, err, err_size);
    sdp_free(answer);
    if (e)
        return e;
    e = check_fingerprint(peer, result->fingerprints, result->n_fingerprints, err, err_size);
    if (e) {
        sdp_result_free(result);
        return e;
    }
    sdp_free(peer->offer_out);
    peer->offer_out = NULL;
    sdp_plan_commit(&peer->plan);
    sdp_result_free(peer->result);
    peer->result = result;
    peer_announce(peer, result);
    start_bound(peer, result);
    drop_rejected(peer, result);
    negotiation_needed(p);
    return 0;
}
