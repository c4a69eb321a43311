/* What the sections of an offer mean: tracks to announce, or tracks to receive. */
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include "whip/internal.h"

static const uint8_t qualities[] = {QUALITY_LOW, QUALITY_MEDIUM, QUALITY_HIGH};

/* Layers by rid, in the order of a=simulcast. Which of them is the largest the description does not say;
 * senders list them from the smallest up or, like OBS, from the largest down with rids that count up. */
static void read_rids(const struct sdp_media *m, struct track_desc *d)
{
    for (unsigned i = 0; i < m->simulcast_send.n && i < sizeof qualities; i++) {
        struct track_layer *l = &d->layers[d->layer_count++];
        l->quality = qualities[i];
        text_copy(l->rid, sizeof l->rid, m->simulcast_send.streams[i].alts[0].rid);
    }
}

unsigned publish_announce(struct whip_session *s, const struct sdp_session *offer)
{
    unsigned n = 0, audios = 0, videos = 0;
    for (unsigned i = 0; i < offer->n_media; i++) {
        const struct sdp_media *m = &offer->media[i];
        bool video = m->kind == SDP_KIND_VIDEO;
        if ((m->kind != SDP_KIND_AUDIO && !video) || !(m->dir & SDP_SENDONLY) || sdp_media_rejected(m))
            continue;
        struct track_desc d = {.kind = video ? TRACK_VIDEO : TRACK_AUDIO, .disable_red = !video};
        if (m->msid_track)
            text_copy(d.cid, sizeof d.cid, m->msid_track);
        else
            snprintf(d.cid, sizeof d.cid, "mid-%s", m->mid ? m->mid : "");
        /* the first of a kind is camera and microphone, the second the screen and its sound */
        unsigned *count = video ? &videos : &audios;
        if (video)
            d.source = *count ? SOURCE_SCREEN_SHARE : SOURCE_CAMERA;
        else
            d.source = *count ? SOURCE_SCREEN_SHARE_AUDIO : SOURCE_MICROPHONE;
        ++*count;
        read_rids(m, &d);
        n += participant_add_track(s->p, &d, NULL) == REQUEST_OK;
    }
    return n;
}

static unsigned subscribe_to(struct participant *viewer, struct participant *publisher)
{
    unsigned n = 0;
    list_for_each(l, &publisher->tracks)
    {
        const struct track *t = list_entry(l, struct track, link);
        if (!participant_may_subscribe(viewer, t))
            continue;
        participant_subscribe(viewer, t->sid, true);
        n++;
    }
    return n;
}

int view_subscribe(struct whip_session *s, const char *identity)
{
    list_for_each(l, &s->p->room->participants)
    {
        struct participant *o = list_entry(l, struct participant, link);
        if (o == s->p || (identity && strcmp(o->identity, identity) != 0))
            continue;
        if (subscribe_to(s->p, o))
            return 0;
    }
    return -ENOENT;
}
