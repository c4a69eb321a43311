/* Rooms in which only the loudest few are heard (audio_top_n): a participant of the server's own presents as
 * many audio tracks, whose source changes with the speakers on the media side (sfu/stage.h). Clients
 * subscribe to these as to any others, and to microphones only if they ask for one by its sid. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "base/log.h"
#include "room/internal.h"

static void post_all(struct room *r, struct sfu_command *c)
{
    struct room_server *rs = r->server;
    for (unsigned i = 0; i < rs->host.workers; i++) {
        c->worker = (uint8_t)i;
        rs->host.post(rs->host.arg, c);
    }
}

/* What the others see of it. Every SDK knows ingress: somebody who publishes from a server. An agent would be
 * looked for by voice assistants, and what is hidden could not be subscribed to. */
static int make_participant(struct room *r, struct participant **ret)
{
    char identity[ROOM_SID_MAX] = "";
    sid_make(identity, "speakers_");
    const struct participant_join j = {.room = r->name,
        .identity = identity,
        .name = "Speakers",
        .attributes = &(struct attribute){.key = (char[]){"fanlight.slots"}, .value = (char[]){"true"}},
        .attribute_count = 1,
        .kind = PARTICIPANT_INGRESS,
        .permission = {.can_publish = true},
        .no_signal = true};
    return participant_new_own(r, &j, ret);
}

static int add_slot(struct room_stage *stage, unsigned index)
{
    struct participant *p = stage->p;
    struct track_desc d = {.kind = TRACK_AUDIO, .source = SOURCE_MICROPHONE};
    snprintf(d.cid, sizeof d.cid, "slot-%u", index + 1);
    snprintf(d.name, sizeof d.name, "speaker %u", index + 1);
    snprintf(
        d.stream, sizeof d.stream, "slot-%u", index + 1); /* each for itself: nothing is in step with it */
    struct room_track *t = track_new(p, &d);
    if (!t)
        return -ENOMEM;
    t->stage = stage;
    t->media[0].codec = SDP_CODEC_RED;
    t->media[0].extra_codecs = SDP_CODEC_BIT(SDP_CODEC_OPUS);
    text_copy(t->t.mime, sizeof t->t.mime, sdp_codec_mime(SDP_CODEC_RED));
    text_copy(t->t.desc.codecs[0].mime, sizeof t->t.desc.codecs[0].mime, t->t.mime);
    track_enter(t, p);
    return 0;
}

int stage_open(struct room *r, unsigned slots)
{
    struct room_server *rs = r->server;
    struct room_stage *stage = calloc(1, sizeof *stage);
    if (!stage)
        return -ENOMEM;
    stage->slots = slots < SFU_SLOTS_MAX ? slots : SFU_SLOTS_MAX;
    int err = make_participant(r, &stage->p);
    for (unsigned i = 0; !err && i < stage->slots; i++)
        err = add_slot(stage, i);
    if (err) {
        if (stage->p)
            participant_drop_own(stage->p);
        free(stage);
        return err;
    }
    stage->id = server_number(rs);
    r->priv->stage = stage;
    struct sfu_command c = {.type = SFU_STAGE_ADD, .stage = stage->id};
    c.stage_add.home = (uint8_t)(stage->id % rs->host.workers);
    list_for_each(l, &stage->p->tracks)
    {
        c.stage_add.slots[c.stage_add.slot_count++] = list_entry(l, struct track, link)->id;
    }
    post_all(r, &c);
    log_info("room.slots", "room=%s slots=%u participant=%s", r->name, stage->slots, stage->p->sid);
    return 0;
}

void stage_close(struct room *r)
{
    struct room_stage *stage = r->priv->stage;
    if (!stage)
        return;
    struct sfu_command c = {.type = SFU_STAGE_REMOVE, .stage = stage->id};
    r->priv->stage = NULL;
    participant_drop_own(stage->p);
    post_all(r, &c);
    free(stage);
}

/* Keys are the room's: the slots are told to be encrypted as the first microphone is. */
static void take_encryption(struct room_stage *stage, uint8_t encryption)
{
    stage->voices = true;
    list_for_each(l, &stage->p->tracks)
    {
        struct track *t = list_entry(l, struct track, link);
        if (t->desc.encryption == encryption)
            return;
        t->desc.encryption = encryption;
        enum sdp_codec_id codec = encryption ? SDP_CODEC_OPUS : SDP_CODEC_RED; /* RED is never encrypted */
        track_private(t)->media[0].codec = codec;
        text_copy(t->mime, sizeof t->mime, sdp_codec_mime(codec));
        text_copy(t->desc.codecs[0].mime, sizeof t->desc.codecs[0].mime, t->mime);
        track_touch(track_private(t));
        subscriptions_renew(t);
    }
    participant_changed(stage->p, false);
}

bool stage_takes(const struct room_track *t)
{
    struct room_stage *stage = t->t.publisher->room->priv->stage;
    const struct track_desc *d = &t->t.desc;
    if (!stage || stage->p == t->t.publisher || d->kind != TRACK_AUDIO ||
        d->source == SOURCE_SCREEN_SHARE_AUDIO ||
        (t->media[0].codec != SDP_CODEC_OPUS && t->media[0].codec != SDP_CODEC_RED))
        return false;
    if (!stage->voices)
        take_encryption(stage, d->encryption);
    const struct track *slot = list_entry(stage->p->tracks.next, struct track, link);
    return slot->desc.encryption == d->encryption; /* who differs is heard like anybody without slots */
}
