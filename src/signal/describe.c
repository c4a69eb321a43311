/* Rooms, participants and tracks as messages, and requests as what room/ takes. */
#include <string.h>
#include "signal/internal.h"

static char *text(const char *s)
{
    return s && *s ? (char *)(uintptr_t)s : NO_TEXT;
}

static Livekit__TimedVersion *describe_version(struct arena *a, int64_t wall_us)
{
    Livekit__TimedVersion *v = arena_new(a, Livekit__TimedVersion);
    livekit__timed_version__init(v);
    v->unix_micro = wall_us;
    return v;
}

static Livekit__VideoLayer **describe_layers(
    struct arena *a, const struct track_layer *layers, uint8_t n, size_t *ret_n)
{
    Livekit__VideoLayer **list = arena_array(a, Livekit__VideoLayer *, n);
    for (uint8_t i = 0; i < n; i++) {
        list[i] = arena_new(a, Livekit__VideoLayer);
        livekit__video_layer__init(list[i]);
        list[i]->quality = (Livekit__VideoQuality)layers[i].quality;
        list[i]->width = layers[i].width;
        list[i]->height = layers[i].height;
        list[i]->bitrate = layers[i].bitrate_bps;
        list[i]->ssrc = layers[i].ssrc;
        list[i]->repair_ssrc = layers[i].repair_ssrc;
        list[i]->spatial_layer = layers[i].spatial_layer;
        list[i]->rid = text(layers[i].rid);
    }
    *ret_n = n;
    return list;
}

static Livekit__SimulcastCodecInfo *describe_codec(struct arena *a, const struct track_codec *c)
{
    Livekit__SimulcastCodecInfo *info = arena_new(a, Livekit__SimulcastCodecInfo);
    livekit__simulcast_codec_info__init(info);
    info->mime_type = text(c->mime);
    info->mid = text(c->mid);
    info->cid = text(c->cid);
    info->sdp_cid = text(c->sdp_cid);
    info->video_layer_mode = (Livekit__VideoLayer__Mode)c->layer_mode;
    info->layers = describe_layers(a, c->layers, c->layer_count, &info->n_layers);
    return info;
}

Livekit__TrackInfo *describe_track(struct arena *a, const struct track *t)
{
    const struct track_desc *d = &t->desc;
    Livekit__TrackInfo *info = arena_new(a, Livekit__TrackInfo);
    livekit__track_info__init(info);
    info->sid = text(t->sid);
    info->type = d->kind == TRACK_VIDEO ? LIVEKIT__TRACK_TYPE__VIDEO : LIVEKIT__TRACK_TYPE__AUDIO;
    info->name = text(d->name);
    info->muted = d->muted;
    info->width = d->width;
    info->height = d->height;
    info->simulcast = t->simulcast;
    info->disable_dtx = d->disable_dtx;
    info->source = (Livekit__TrackSource)d->source;
    info->layers = describe_layers(a, d->layers, d->layer_count, &info->n_layers);
    info->mime_type = text(t->mime);
    info->mid = text(t->mid);
    info->codecs = arena_array(a, Livekit__SimulcastCodecInfo *, d->codec_count);
    info->n_codecs = d->codec_count;
    for (uint8_t i = 0; i < d->codec_count; i++)
        info->codecs[i] = describe_codec(a, &d->codecs[i]);
    info->stereo = d->stereo;
    info->disable_red = d->disable_red;
    info->encryption = (Livekit__Encryption__Type)d->encryption;
    info->stream = text(d->stream);
    info->version = describe_version(a, t->version_us);
    info->n_audio_features = d->feature_count;
    info->audio_features = arena_array(a, Livekit__AudioTrackFeature, d->feature_count);
    for (uint8_t i = 0; i < d->feature_count; i++)
        info->audio_features[i] = (Livekit__AudioTrackFeature)d->features[i];
    info->backup_codec_policy = (Livekit__BackupCodecPolicy)d->backup_codec_policy;
    info->n_packet_trailer_features = d->trailer_feature_count;
    info->packet_trailer_features = arena_array(a, Livekit__PacketTrailerFeature, d->trailer_feature_count);
    for (uint8_t i = 0; i < d->trailer_feature_count; i++)
        info->packet_trailer_features[i] = (Livekit__PacketTrailerFeature)d->trailer_features[i];
    return info;
}

static Livekit__ParticipantPermission *describe_permission(struct arena *a, const struct permission *p)
{
    Livekit__ParticipantPermission *m = arena_new(a, Livekit__ParticipantPermission);
    livekit__participant_permission__init(m);
    m->can_subscribe = p->can_subscribe;
    m->can_publish = p->can_publish;
    m->can_publish_data = p->can_publish_data;
    m->hidden = p->hidden;
    m->recorder = p->recorder;
    m->can_update_metadata = p->can_update_metadata;
    m->agent = p->agent;
    m->can_subscribe_metrics = p->can_subscribe_metrics;
    m->can_manage_agent_session = p->can_manage_agent_session;
    m->can_publish_sources = arena_array(a, Livekit__TrackSource, 8);
    for (int i = 0; i <= SOURCE_SCREEN_SHARE_AUDIO; i++)
        if (p->publish_sources & 1u << i)
            m->can_publish_sources[m->n_can_publish_sources++] = (Livekit__TrackSource)i;
    return m;
}

static void describe_attributes(
    struct arena *a, const struct attributes *from, Livekit__ParticipantInfo *info)
{
    info->attributes = arena_array(a, Livekit__ParticipantInfo__AttributesEntry *, from->n);
    for (size_t i = 0; i < from->n; i++) {
        Livekit__ParticipantInfo__AttributesEntry *e =
            arena_new(a, Livekit__ParticipantInfo__AttributesEntry);
        livekit__participant_info__attributes_entry__init(e);
        e->key = from->items[i].key;
        e->value = from->items[i].value;
        info->attributes[info->n_attributes++] = e;
    }
}

Livekit__ParticipantInfo *describe_participant(struct arena *a, const struct participant *p)
{
    Livekit__ParticipantInfo *info = arena_new(a, Livekit__ParticipantInfo);
    livekit__participant_info__init(info);
    info->sid = text(p->sid);
    info->identity = text(p->identity);
    info->name = text(p->name);
    info->metadata = text(p->metadata);
    info->state = (Livekit__ParticipantInfo__State)p->state;
    info->kind = (Livekit__ParticipantInfo__Kind)p->kind;
    info->version = p->version;
    info->joined_at = p->joined_wall_us / 1000000;
    info->joined_at_ms = p->joined_wall_us / 1000;
    info->is_publisher = p->is_publisher;
    info->disconnect_reason = (Livekit__DisconnectReason)p->disconnect_reason;
    info->client_protocol = p->client_protocol;
    info->permission = describe_permission(a, &p->permission);
    describe_attributes(a, &p->attributes, info);
    info->n_capabilities = p->capability_count;
    info->capabilities = arena_array(a, Livekit__ClientInfo__Capability, p->capability_count);
    for (uint8_t i = 0; i < p->capability_count; i++)
        info->capabilities[i] = (Livekit__ClientInfo__Capability)p->capabilities[i];
    info->n_kind_details = p->kind_detail_count;
    info->kind_details = arena_array(a, Livekit__ParticipantInfo__KindDetail, p->kind_detail_count);
    for (uint8_t i = 0; i < p->kind_detail_count; i++)
        info->kind_details[i] = (Livekit__ParticipantInfo__KindDetail)p->kind_details[i];
    size_t n = 0;
    list_for_each(l, &p->tracks)
    {
        n++;
    }
    info->tracks = arena_array(a, Livekit__TrackInfo *, n);
    list_for_each(l, &p->tracks)
    {
        info->tracks[info->n_tracks++] = describe_track(a, list_entry(l, struct track, link));
    }
    return info;
}

Livekit__Room *describe_room(struct arena *a, const struct room *r)
{
    Livekit__Room *m = arena_new(a, Livekit__Room);
    livekit__room__init(m);
    m->sid = text(r->sid);
    m->name = text(r->name);
    m->metadata = text(r->metadata);
    m->empty_timeout = r->empty_timeout_s;
    m->departure_timeout = r->departure_timeout_s;
    m->max_participants = r->max_participants;
    m->creation_time = r->created_wall_us / 1000000;
    m->creation_time_ms = r->created_wall_us / 1000;
    m->num_participants = r->participant_count;
    m->num_publishers = r->publisher_count;
    m->active_recording = r->active_recording;
    m->version = describe_version(a, r->version_us);
    m->enabled_codecs = describe_codecs(a, &m->n_enabled_codecs);
    return m;
}

Livekit__ServerInfo *describe_server(struct arena *a, const struct signal *s)
{
    Livekit__ServerInfo *m = arena_new(a, Livekit__ServerInfo);
    livekit__server_info__init(m);
    m->version = (char *)(uintptr_t)SIGNAL_COMPATIBLE_VERSION;
    m->protocol = SIGNAL_PROTOCOL;
    m->node_id = text(s->node_id);
    m->debug_info = (char *)(uintptr_t) "fanlight " FL_VERSION;
    return m;
}

Livekit__ICEServer **describe_ice_servers(struct arena *a, const struct signal *s, size_t *ret_n)
{
    const struct config *cfg = s->cfg;
    Livekit__ICEServer **list = arena_array(a, Livekit__ICEServer *, cfg->ice_server_count);
    for (size_t i = 0; i < cfg->ice_server_count; i++) {
        list[i] = arena_new(a, Livekit__ICEServer);
        livekit__iceserver__init(list[i]);
        list[i]->urls = cfg->ice_servers[i].urls.at;
        list[i]->n_urls = cfg->ice_servers[i].urls.count;
        list[i]->username = text(cfg->ice_servers[i].username);
        list[i]->credential = text(cfg->ice_servers[i].credential);
    }
    *ret_n = cfg->ice_server_count;
    return list;
}

/* Video before audio, VP8 before H.264: some clients take the first they know. */
Livekit__Codec **describe_codecs(struct arena *a, size_t *ret_n)
{
    static const char *const mimes[] = {
        "video/VP8", "video/H264", "video/VP9", "video/AV1", "audio/opus", "audio/red"};
    const size_t n = sizeof mimes / sizeof *mimes;
    Livekit__Codec **list = arena_array(a, Livekit__Codec *, n);
    for (size_t i = 0; i < n; i++) {
        list[i] = arena_new(a, Livekit__Codec);
        livekit__codec__init(list[i]);
        list[i]->mime = text(mimes[i]);
    }
    *ret_n = n;
    return list;
}

/* ---- requests ---- */

static void read_layers(Livekit__VideoLayer **from, size_t n, struct track_layer *to, uint8_t *ret_n)
{
    *ret_n = 0;
    for (size_t i = 0; i < n && i < TRACK_LAYERS_MAX; i++) {
        if ((unsigned)from[i]->quality > QUALITY_HIGH)
            continue;
        struct track_layer *l = &to[(*ret_n)++];
        *l = (struct track_layer){.quality = (uint8_t)from[i]->quality,
            .width = from[i]->width,
            .height = from[i]->height,
            .bitrate_bps = from[i]->bitrate,
            .ssrc = from[i]->ssrc,
            .repair_ssrc = from[i]->repair_ssrc,
            .spatial_layer = from[i]->spatial_layer};
        text_copy(l->rid, sizeof l->rid, from[i]->rid);
    }
}

/* "vp8" and "video/VP8" both occur. */
static void read_mime(const char *codec, enum track_kind kind, char out[TRACK_MIME_MAX])
{
    if (!*codec || strchr(codec, '/')) {
        text_copy(out, TRACK_MIME_MAX, codec);
        return;
    }
    struct strbuf s = {.max = TRACK_MIME_MAX - 1};
    strbuf_addf(&s, "%s/%s", kind == TRACK_VIDEO ? "video" : "audio", codec);
    if (strbuf_ok(&s))
        text_copy(out, TRACK_MIME_MAX, s.text);
    strbuf_done(&s);
}

void read_track(const Livekit__AddTrackRequest *r, struct track_desc *d)
{
    memset(d, 0, sizeof *d);
    text_copy(d->cid, sizeof d->cid, r->cid);
    text_copy(d->name, sizeof d->name, r->name);
    text_copy(d->stream, sizeof d->stream, r->stream);
    d->kind = r->type == LIVEKIT__TRACK_TYPE__VIDEO ? TRACK_VIDEO : TRACK_AUDIO;
    d->source =
        (unsigned)r->source <= SOURCE_SCREEN_SHARE_AUDIO ? (enum track_source)r->source : SOURCE_UNKNOWN;
    d->width = r->width;
    d->height = r->height;
    d->muted = r->muted;
    d->disable_dtx = r->disable_dtx;
    d->stereo = r->stereo;
    d->disable_red = r->disable_red;
    d->encryption = (uint8_t)r->encryption;
    d->backup_codec_policy = (uint8_t)r->backup_codec_policy;
    for (size_t i = 0; i < r->n_audio_features && d->feature_count < TRACK_FEATURES_MAX; i++) {
        d->features[d->feature_count++] = (uint8_t)r->audio_features[i];
        d->stereo |= r->audio_features[i] == LIVEKIT__AUDIO_TRACK_FEATURE__TF_STEREO;
        d->disable_dtx |= r->audio_features[i] == LIVEKIT__AUDIO_TRACK_FEATURE__TF_NO_DTX;
    }
    for (size_t i = 0; i < r->n_packet_trailer_features && d->trailer_feature_count < TRACK_FEATURES_MAX; i++)
        d->trailer_features[d->trailer_feature_count++] = (uint8_t)r->packet_trailer_features[i];
    read_layers(r->layers, r->n_layers, d->layers, &d->layer_count);
    for (size_t i = 0; i < r->n_simulcast_codecs && d->codec_count < TRACK_CODECS_MAX; i++) {
        const Livekit__SimulcastCodec *from = r->simulcast_codecs[i];
        struct track_codec *c = &d->codecs[d->codec_count++];
        read_mime(from->codec, d->kind, c->mime);
        text_copy(c->cid, sizeof c->cid, from->cid);
        c->layer_mode = (uint8_t)from->video_layer_mode;
        read_layers(from->layers, from->n_layers, c->layers, &c->layer_count);
    }
    if (!d->layer_count && d->codec_count) {
        memcpy(d->layers, d->codecs[0].layers, sizeof d->layers);
        d->layer_count = d->codecs[0].layer_count;
    }
}
