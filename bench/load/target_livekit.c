/* LiveKit's client protocol in its single-connection form: Fanlight, and a LiveKit server of 1.10 or newer.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <jansson.h>
#include "../client/livekit.h"
#include "target.h"

struct target {
    struct target_config config;
};

struct target_link {
    struct livekit *session;
    const struct target_events *events;
    void *arg;
    uint32_t offer_id; /* of the newest offer */
    bool answered;     /* there was an answer */
    bool answers;      /* the server has said something */
    bool over;
};

static int livekit_target_open(const struct target_config *c, struct target **ret, char *why, size_t why_size)
{
    (void)why;
    (void)why_size;
    struct target *t = calloc(1, sizeof *t);
    if (!t)
        return -ENOMEM;
    t->config = *c;
    *ret = t;
    return 0;
}

static void livekit_target_close(struct target *t)
{
    free(t);
}

static void end(struct target_link *l, enum load_failure why, const char *text)
{
    if (l->over)
        return;
    l->over = true;
    l->events->ended(l->arg, why, text);
}

/* {"candidate":"candidate:...", ...} */
static void take_candidate(struct target_link *l, const char *json)
{
    json_t *root = json_loads(json, JSON_REJECT_DUPLICATES, NULL);
    const char *candidate = json_string_value(json_object_get(root, "candidate"));
    if (candidate && *candidate)
        l->events->candidate(l->arg, candidate);
    json_decref(root);
}

static void on_response(void *arg, const Livekit__SignalResponse *r)
{
    struct target_link *l = arg;
    char text[64];
    if (l->over)
        return;
    l->answers = true;
    switch (r->message_case) {
    case LIVEKIT__SIGNAL_RESPONSE__MESSAGE_ANSWER:
        if (r->answer->id && r->answer->id != l->offer_id)
            return; /* to an older offer */
        l->answered = true;
        l->events->answered(l->arg, r->answer->sdp);
        return;
    case LIVEKIT__SIGNAL_RESPONSE__MESSAGE_MEDIA_SECTIONS_REQUIREMENT:
        l->events->wanted(
            l->arg, r->media_sections_requirement->num_audios, r->media_sections_requirement->num_videos);
        return;
    case LIVEKIT__SIGNAL_RESPONSE__MESSAGE_TRICKLE:
        take_candidate(l, r->trickle->candidateinit);
        return;
    case LIVEKIT__SIGNAL_RESPONSE__MESSAGE_LEAVE:
        snprintf(text, sizeof text, "told to leave, reason %d", (int)r->leave->reason);
        end(l, l->answered ? LOAD_DROPPED : LOAD_SIGNALLING, text);
        return;
    default:
        return; /* about others, or not asked for */
    }
}

static void on_closed(void *arg, const char *why)
{
    struct target_link *l = arg;
    bool http = strncmp(why, "HTTP/", 5) == 0;
    bool token = strncmp(why, "HTTP/1.1 401", 12) == 0 || strncmp(why, "HTTP/1.1 403", 12) == 0;
    end(l,
        l->answered                ? LOAD_DROPPED
        : token                    ? LOAD_TOKEN
        : http || l->answers       ? LOAD_SIGNALLING
        : strstr(why, "handshake") ? LOAD_SIGNALLING
                                   : LOAD_UNREACHABLE,
        why);
}

static const struct livekit_ops livekit_callbacks = {.response = on_response, .closed = on_closed};

static void describe(const struct target_track *from, Livekit__AddTrackRequest *ret,
    Livekit__VideoLayer *layers, Livekit__VideoLayer **list)
{
    livekit__add_track_request__init(ret);
    ret->cid = (char *)(uintptr_t)from->cid;
    ret->type = from->video ? LIVEKIT__TRACK_TYPE__VIDEO : LIVEKIT__TRACK_TYPE__AUDIO;
    ret->source = from->video ? LIVEKIT__TRACK_SOURCE__CAMERA : LIVEKIT__TRACK_SOURCE__MICROPHONE;
    ret->width = from->width;
    ret->height = from->height;
    ret->disable_red = !from->video;
    for (unsigned i = 0; from->simulcast && i < 3; i++) { /* q, h, f */
        static const unsigned percent[] = {9, 27, 100};
        livekit__video_layer__init(&layers[i]);
        layers[i].quality = (Livekit__VideoQuality)i;
        layers[i].width = from->width >> (2 - i);
        layers[i].height = from->height >> (2 - i);
        layers[i].bitrate = from->kbps * 10 * percent[i];
        list[i] = &layers[i];
        ret->n_layers = i + 1;
        ret->layers = list;
    }
}

static int livekit_target_join(struct target *t, const struct target_join *join,
    const struct target_events *events, void *arg, struct target_link **ret)
{
    Livekit__AddTrackRequest tracks[2], *list[2];
    Livekit__VideoLayer layers[3], *layer_list[3];
    struct target_link *l = calloc(1, sizeof *l);
    if (!l)
        return -ENOMEM;
    *l = (struct target_link){.events = events, .arg = arg, .offer_id = 1};
    for (unsigned i = 0; i < join->track_count; i++) {
        describe(&join->tracks[i], &tracks[i], layers, layer_list);
        list[i] = &tracks[i];
    }
    const struct livekit_join request = {.server = t->config.url.addr,
        .key = t->config.key,
        .secret = t->config.secret,
        .room = join->room,
        .identity = join->identity,
        .auto_subscribe = join->subscribes,
        .hidden = join->audience,
        .deaf = true,
        .offer = join->offer,
        .tracks = join->track_count ? list : NULL,
        .track_count = join->track_count};
    int err = livekit_open(t->config.loop, &request, &livekit_callbacks, l, NULL, &l->session);
    if (err)
        free(l);
    else
        *ret = l;
    return err;
}

static int livekit_target_offer(struct target_link *l, const char *sdp)
{
    return livekit_offer(l->session, sdp, ++l->offer_id);
}

static void livekit_target_leave(struct target_link *l)
{
    if (!l->over)
        livekit_leave(l->session);
}

static void livekit_target_free(struct target_link *l)
{
    if (!l)
        return;
    livekit_free(l->session);
    free(l);
}

const struct target_kind target_livekit = {.name = "livekit",
    .both_ways = true,
    .needs_key = true,
    .open = livekit_target_open,
    .close = livekit_target_close,
    .join = livekit_target_join,
    .offer = livekit_target_offer,
    .leave = livekit_target_leave,
    .free = livekit_target_free};
