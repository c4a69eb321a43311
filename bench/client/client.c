#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "base/rand.h"
#include "client_private.h"
#include "net/clock.h"
#include "rtp/ext.h"
#include "sdp/negotiate.h"
#include "tls/cert.h"

#define POOL_PACKETS 8192 /* received and not yet looked at, of all clients of a thread */
#define WHY_SIZE     160

/* ---- what clients share ---- */

int client_env_init(struct client_env *e, const struct addr *server, const char *key, const char *secret)
{
    const struct cert_subject anybody = {.days = 30};
    *e = (struct client_env){.server = *server, .key = key, .secret = secret};
    e->loop = loop_new();
    e->pool = packet_pool_new(POOL_PACKETS);
    e->stun = ice_stun_new();
    int err = e->loop && e->pool && e->stun ? cert_make(&anybody, &e->cert, NULL) : -ENOMEM;
    if (!err)
        err = dtls_context_new(e->cert, &e->dtls);
    if (err)
        client_env_done(e);
    return err;
}

void client_env_done(struct client_env *e)
{
    dtls_context_free(e->dtls);
    cert_free(e->cert);
    ice_stun_free(e->stun);
    packet_pool_free(e->pool);
    loop_free(e->loop);
    *e = (struct client_env){0};
}

/* ---- the end ---- */

void client_end(struct client *c, const char *why)
{
    if (c->ended)
        return;
    c->ended = true;
    wheel_cancel(&c->timer);
    c->ops->ended(c->arg, c, why);
}

/* ---- offers and answers ---- */

/* The next offer, kept for its answer. *ret is the caller's to free. */
static int make_offer(struct client *c, char **ret)
{
    int err =
        offer_make(&c->offer, &c->peer.ice.local, dtls_context_fingerprint(c->env->dtls), ret, &c->offered);
    c->offer_id += !err;
    return err;
}

static void offer_now(struct client *c)
{
    char *text;
    int err = make_offer(c, &text);
    if (!err) {
        err = livekit_offer(c->livekit, text, c->offer_id);
        free(text);
    }
    if (err)
        client_end(c, "an offer could not be sent");
}

static void learn_extensions(struct client *c, const struct sdp_section_result *s)
{
    for (int e = 0; e < SDP_EXT_COUNT; e++) {
        enum rtp_ext ext = s->ext_id[e] ? rtp_ext_find(sdp_ext_uri((enum sdp_ext)e)) : RTP_EXT_NONE;
        if (ext != RTP_EXT_NONE)
            (void)rtp_extmap_set(&c->peer.extmap, s->ext_id[e], ext); /* the same in all of the bundle */
    }
}

static void apply_section(struct client *c, const struct sdp_section_result *s)
{
    bool live = !s->rejected && s->n_codecs;
    if (s->index < c->source_count)
        c->sources[s->index].agreed = live && s->dir & SDP_SENDONLY;
    if (!live)
        return;
    learn_extensions(c, s);
    if (!(s->dir & SDP_RECVONLY))
        return;
    c->feedback |= s->codecs[0].fb & SDP_FB_TRANSPORT_CC && s->ext_id[SDP_EXT_TRANSPORT_CC];
    if (!c->times.bound_us)
        c->times.bound_us = c->now_us;
}

/* The server's end of the transport, from its first answer. */
static int apply_transport(struct client *c, const struct sdp_result *r)
{
    if (!r->n_fingerprints)
        return -EINVAL;
    int err = peer_remote(&c->peer, r->ufrag, r->pwd, r->fingerprints[0].value, r->dtls_client, c->now_us);
    for (unsigned i = 0; !err && i < r->n_candidates; i++) {
        const struct sdp_candidate *from = &r->candidates[i];
        struct addr remote;
        if (!from->tcp && addr_parse(from->address, from->port, &remote) == 0)
            client_add_path(c, &remote);
    }
    return err;
}

static int apply_answer(struct client *c, const char *sdp, char *why)
{
    struct sdp_session *answer;
    struct sdp_result *r;
    int err = sdp_parse(sdp, strlen(sdp), &answer, why, WHY_SIZE);
    if (err)
        return err;
    err = sdp_result_new(c->offered, answer, false, &r, why, WHY_SIZE);
    sdp_free(answer);
    if (err)
        return err;
    for (unsigned i = 0; i < r->n_sections; i++)
        apply_section(c, &r->sections[i]);
    if (!c->remote_known)
        err = apply_transport(c, r);
    c->remote_known = true;
    sdp_result_free(r);
    sdp_free(c->offered);
    c->offered = NULL;
    return err;
}

static void answered(struct client *c, const Livekit__SessionDescription *d)
{
    char why[WHY_SIZE] = "the answer is of no use";
    if (!c->offered || (d->id && d->id != c->offer_id))
        return;
    if (!c->times.answered_us)
        c->times.answered_us = c->now_us;
    if (apply_answer(c, d->sdp, why)) {
        client_end(c, why);
        return;
    }
    if (c->offer_again) {
        c->offer_again = false;
        offer_now(c);
    }
    client_run(c, c->now_us);
}

static void sections_required(struct client *c, uint32_t audio, uint32_t video)
{
    if (!c->times.asked_us)
        c->times.asked_us = c->now_us;
    for (uint32_t i = 0; i < audio; i++)
        if (offer_add(&c->offer, SDP_KIND_AUDIO, false) < 0)
            break;
    for (uint32_t i = 0; i < video; i++)
        if (offer_add(&c->offer, SDP_KIND_VIDEO, false) < 0)
            break;
    if (c->offered)
        c->offer_again = true;
    else
        offer_now(c);
}

/* ---- signalling ---- */

static void on_response(void *arg, const Livekit__SignalResponse *r)
{
    struct client *c = arg;
    char why[WHY_SIZE];
    c->now_us = clock_now_us();
    if (c->ended)
        return;
    switch (r->message_case) {
    case LIVEKIT__SIGNAL_RESPONSE__MESSAGE_JOIN:
        c->times.joined_us = c->now_us;
        break;
    case LIVEKIT__SIGNAL_RESPONSE__MESSAGE_ANSWER:
        answered(c, r->answer);
        break;
    case LIVEKIT__SIGNAL_RESPONSE__MESSAGE_MEDIA_SECTIONS_REQUIREMENT:
        sections_required(
            c, r->media_sections_requirement->num_audios, r->media_sections_requirement->num_videos);
        break;
    case LIVEKIT__SIGNAL_RESPONSE__MESSAGE_LEAVE:
        snprintf(why, sizeof why, "told to leave, reason %d", (int)r->leave->reason);
        client_end(c, why);
        break;
    default:
        break; /* about others, or not asked for */
    }
}

static void on_closed(void *arg, const char *why)
{
    struct client *c = arg;
    c->now_us = loop_now_us(c->env->loop);
    client_end(c, why);
}

static const struct livekit_ops livekit_callbacks = {.response = on_response, .closed = on_closed};

/* ---- life ---- */

static int add_sections(struct client *c, const struct client_join *j)
{
    const struct {
        unsigned count;
        enum sdp_kind kind;
        bool sends;
    } wanted[] = {{j->audio, SDP_KIND_AUDIO, true}, {j->video, SDP_KIND_VIDEO, true},
        {j->receive_audio, SDP_KIND_AUDIO, false}, {j->receive_video, SDP_KIND_VIDEO, false}};
    for (size_t w = 0; w < sizeof wanted / sizeof *wanted; w++)
        for (unsigned i = 0; i < wanted[w].count; i++) {
            int n = offer_add(&c->offer, wanted[w].kind, wanted[w].sends);
            if (n < 0)
                return n;
        }
    c->source_count = j->audio + j->video;
    c->sources = calloc(c->source_count + 1, sizeof *c->sources);
    if (!c->sources)
        return -ENOMEM;
    for (unsigned i = 0; i < c->source_count; i++) {
        const struct offer_section *s = &c->offer.sections[i];
        bool video = s->kind == SDP_KIND_VIDEO;
        c->sources[i] = (struct client_source){
            .pt = video ? OFFER_PT_VP8 : OFFER_PT_OPUS, .rate = video ? 90000 : 48000, .ssrc = s->ssrc};
        sender_stats_init(&c->sources[i].stats, s->ssrc);
    }
    return 0;
}

/* One track to announce; its texts are the offer's. */
static void describe_track(const struct offer_section *s, Livekit__AddTrackRequest *ret)
{
    livekit__add_track_request__init(ret);
    bool video = s->kind == SDP_KIND_VIDEO;
    ret->cid = (char *)(uintptr_t)s->cid;
    ret->type = video ? LIVEKIT__TRACK_TYPE__VIDEO : LIVEKIT__TRACK_TYPE__AUDIO;
    ret->source = video ? LIVEKIT__TRACK_SOURCE__CAMERA : LIVEKIT__TRACK_SOURCE__MICROPHONE;
    ret->width = video ? 1280 : 0;
    ret->height = video ? 720 : 0;
    ret->disable_red = !video;
}

static int join_room(struct client *c, const struct client_join *j)
{
    char *offer = NULL;
    Livekit__AddTrackRequest *tracks = calloc(c->source_count + 1, sizeof *tracks);
    Livekit__AddTrackRequest **list = calloc(c->source_count + 1, sizeof *list);
    int err = tracks && list ? make_offer(c, &offer) : -ENOMEM;
    for (unsigned i = 0; !err && i < c->source_count; i++) {
        describe_track(&c->offer.sections[i], &tracks[i]);
        list[i] = &tracks[i];
    }
    if (!err) {
        const struct livekit_join join = {.server = c->env->server,
            .key = c->env->key,
            .secret = c->env->secret,
            .room = j->room,
            .identity = j->identity,
            .auto_subscribe = true,
            .offer = offer,
            .tracks = list,
            .track_count = c->source_count};
        err = livekit_open(c->env->loop, &join, &livekit_callbacks, c, &c->times.open_us, &c->livekit);
    }
    free(offer);
    free(tracks);
    free(list);
    return err;
}

int client_open(struct client_env *env, const struct client_join *join, const struct client_ops *ops,
    void *arg, struct client **ret)
{
    struct client *c = calloc(1, sizeof *c);
    if (!c)
        return -ENOMEM;
    c->env = env;
    c->ops = ops;
    c->arg = arg;
    c->ssrc = rand_u32();
    c->now_us = clock_now_us();
    offer_init(&c->offer);
    int err = client_media_open(c);
    if (!err)
        err = add_sections(c, join);
    if (!err)
        err = join_room(c, join);
    if (err)
        client_free(c);
    else
        *ret = c;
    return err;
}

void client_leave(struct client *c)
{
    if (c->left || c->ended)
        return;
    c->left = true;
    livekit_leave(c->livekit);
}

void client_free(struct client *c)
{
    if (!c)
        return;
    livekit_free(c->livekit);
    client_media_done(c);
    sdp_free(c->offered);
    offer_done(&c->offer);
    free(c->sources);
    free(c);
}
