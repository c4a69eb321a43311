#include "support/room_ops.h"

#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

static struct guest *guest_of(void *arg)
{
    struct guest_session *s = arg;
    assert_false(s->over); /* nobody speaks to a session that is over */
    assert_ptr_equal(s, s->guest->session);
    return s->guest;
}

static struct note *note_add(struct guest *g, enum note_kind kind)
{
    if (g->note_count == g->note_cap) {
        g->note_cap = g->note_cap ? 2 * g->note_cap : 16;
        g->notes = realloc(g->notes, g->note_cap * sizeof *g->notes);
        assert_non_null(g->notes);
    }
    struct note *n = &g->notes[g->note_count++];
    *n = (struct note){.kind = kind, .seq = ++g->host->seq, .at_us = g->host->now_us};
    return n;
}

static void note(void *arg, enum note_kind kind, const char *fmt, ...) __attribute__((format(printf, 3, 4)));

static void note(void *arg, enum note_kind kind, const char *fmt, ...)
{
    struct note *n = note_add(guest_of(arg), kind);
    va_list ap;
    va_start(ap, fmt);
    vsnprintf(n->text, sizeof n->text, fmt, ap);
    va_end(ap);
}

static const char *name_of(void *arg, const char *sid)
{
    return host_name_of(((struct guest_session *)arg)->guest->host, sid);
}

/* ---- participants ---- */

/* Everything that clients are told of a participant, so that nothing changes under one version. */
static char *description_of(const struct participant *p)
{
    struct strbuf d = {0};
    strbuf_addf(&d, "%s \"%s\" \"%s\" state %d publisher %d rights %d %d %d", p->identity, p->name,
        p->metadata, p->state, p->is_publisher, p->permission.can_publish, p->permission.can_subscribe,
        p->permission.publish_sources);
    for (size_t i = 0; i < p->attributes.n; i++)
        strbuf_addf(&d, " %s=%s", p->attributes.items[i].key, p->attributes.items[i].value);
    list_for_each(l, &p->tracks)
    {
        const struct track *t = list_entry(l, struct track, link);
        strbuf_addf(&d, ", %s %s muted %d stereo %d features %u %ux%u codecs %u", t->sid, t->mime,
            t->desc.muted, t->desc.stereo, t->desc.feature_count, t->desc.width, t->desc.height,
            t->desc.codec_count);
    }
    assert_true(strbuf_ok(&d));
    return strbuf_take(&d);
}

static void see_tracks(struct seen *s, const struct participant *p)
{
    struct seen_track *old = s->tracks;
    unsigned old_count = s->track_count;
    s->tracks = NULL;
    s->track_count = 0;
    list_for_each(l, &p->tracks)
    {
        const struct track *t = list_entry(l, struct track, link);
        s->tracks = realloc(s->tracks, (s->track_count + 1) * sizeof *s->tracks);
        assert_non_null(s->tracks);
        struct seen_track *now = &s->tracks[s->track_count++];
        *now =
            (struct seen_track){.muted = t->desc.muted, .width = t->desc.width, .version_us = t->version_us};
        text_copy(now->sid, sizeof now->sid, t->sid);
        text_copy(now->mime, sizeof now->mime, t->mime);
        for (unsigned i = 0; i < old_count; i++) {
            const struct seen_track *was = &old[i];
            if (strcmp(was->sid, now->sid) != 0)
                continue;
            bool changed =
                was->muted != now->muted || was->width != now->width || strcmp(was->mime, now->mime) != 0;
            assert_true(changed ? now->version_us > was->version_us : now->version_us >= was->version_us);
        }
    }
    free(old);
}

void guest_see(struct guest *g, const struct participant *p)
{
    struct seen *s = NULL;
    char *now = description_of(p);
    assert_true(!p->permission.hidden || strcmp(p->sid, g->sid) == 0);
    for (size_t i = 0; i < g->seen_count; i++)
        if (strcmp(g->seen[i].sid, p->sid) == 0)
            s = &g->seen[i];
    if (!s) {
        g->seen = realloc(g->seen, (g->seen_count + 1) * sizeof *g->seen);
        assert_non_null(g->seen);
        s = &g->seen[g->seen_count++];
        *s = (struct seen){0};
        text_copy(s->sid, sizeof s->sid, p->sid);
        text_copy(s->identity, sizeof s->identity, p->identity);
    } else {
        /* may be told again, after a resume; who was hidden comes back as somebody newer */
        assert_true(!s->gone || p->state == PARTICIPANT_DISCONNECTED || p->version > s->version);
        assert_true(p->version >= s->version);
        if (p->version == s->version && !s->gone)
            assert_string_equal(now, s->description);
    }
    free(s->description);
    s->description = now;
    s->version = p->version;
    s->state = p->state;
    s->reason = p->disconnect_reason;
    s->gone = p->state == PARTICIPANT_DISCONNECTED;
    text_copy(s->name, sizeof s->name, p->name);
    text_copy(s->metadata, sizeof s->metadata, p->metadata);
    see_tracks(s, p);
}

static void on_update(void *arg, struct participant *const *list, size_t n)
{
    static const char *const states[] = {"JOINING", "JOINED", "ACTIVE", "DISCONNECTED"};
    struct guest *g = guest_of(arg);
    struct note *note = note_add(g, NOTE_UPDATE);
    size_t at = 0;
    assert_true(n > 0);
    for (size_t i = 0; i < n; i++) {
        guest_see(g, list[i]);
        if (at < sizeof note->text)
            at += (size_t)snprintf(note->text + at, sizeof note->text - at, "%s%s %s", i ? ", " : "",
                list[i]->identity, states[list[i]->state]);
    }
}

static void on_room_update(void *arg, struct room *r)
{
    note(arg, NOTE_ROOM, "%u %u", r->participant_count, r->publisher_count);
}

/* ---- descriptions ---- */

static const char *mapped(const struct mid_track *mids, size_t n, const char *mid)
{
    const char *sid = NULL;
    for (size_t i = 0; i < n; i++)
        if (strcmp(mids[i].mid, mid) == 0) {
            assert_null(sid);
            sid = mids[i].track_sid;
        }
    return sid;
}

static bool knows_track(const struct guest *g, const char *sid)
{
    for (size_t i = 0; i < g->seen_count; i++)
        for (unsigned k = 0; !g->seen[i].gone && k < g->seen[i].track_count; k++)
            if (strcmp(g->seen[i].tracks[k].sid, sid) == 0)
                return true;
    return false;
}

/* The map names every section that sends, and what it sends is known; nothing changes hands at once. */
static void check_carried(
    struct guest *g, const struct sdp_session *now, const struct mid_track *mids, size_t n)
{
    unsigned sending = 0;
    char(*carried)[ROOM_SID_MAX] = calloc(SDP_MEDIA_MAX, sizeof *carried);
    assert_non_null(carried);
    for (unsigned i = 0; i < now->n_media; i++) {
        const struct sdp_media *m = &now->media[i];
        const char *sid = mapped(mids, n, m->mid);
        bool sends = m->kind <= SDP_KIND_VIDEO && !sdp_media_rejected(m) && (m->dir & SDP_SENDONLY);
        assert_int_equal(sends, sid != NULL);
        if (g->carried && g->carried[i][0] && sid)
            assert_string_equal(g->carried[i], sid);
        if (!sends)
            continue;
        sending++;
        assert_true(knows_track(g, sid));
        assert_string_equal(m->msid_track, sid);
        assert_non_null(strchr(m->msid_stream, '|'));
        text_copy(carried[i], sizeof carried[i], sid);
        for (unsigned k = 0; k < i; k++)
            assert_string_not_equal(carried[k], sid); /* no track twice */
    }
    assert_int_equal(sending, n);
    free(g->carried);
    g->carried = carried;
}

static struct sdp_session *parse(const char *sdp)
{
    struct sdp_session *s;
    char err[256];
    int e = sdp_parse(sdp, strlen(sdp), &s, err, sizeof err);
    if (e)
        fail_msg("%s\n%s", err, sdp);
    return s;
}

/* Same sections in the same order, only payload types of the offer. */
static void check_answer(struct guest *g, const struct sdp_session *answer)
{
    struct strbuf text = {0};
    g->pub.version--; /* once more the offer that was sent */
    pc_offer(&g->pub, &text);
    struct sdp_session *offer = parse(text.text);
    strbuf_done(&text);
    assert_int_equal(answer->n_media, offer->n_media);
    for (unsigned i = 0; i < offer->n_media; i++) {
        const struct sdp_media *o = &offer->media[i], *a = &answer->media[i];
        assert_string_equal(o->mid, a->mid);
        assert_int_equal(o->kind, a->kind);
        assert_int_equal(sdp_dir_reverse(o->dir) | a->dir, sdp_dir_reverse(o->dir));
        for (unsigned k = 0; k < a->n_codecs; k++) {
            const struct sdp_codec *c = sdp_media_codec(o, a->codecs[k].pt);
            assert_non_null(c);
            assert_int_equal(strcasecmp(c->name, a->codecs[k].name), 0);
        }
        assert_true(sdp_media_rejected(a) || sdp_in_group(answer, "BUNDLE", a->mid));
    }
    sdp_free(offer);
}

static void on_answer(void *arg, uint32_t id, const char *sdp, const struct mid_track *mids, size_t n)
{
    struct guest *g = guest_of(arg);
    assert_int_equal(id, g->offer_id);
    note(arg, NOTE_ANSWER, "%u", id);
    struct sdp_session *answer = parse(sdp);
    check_answer(g, answer);
    if (!g->options.two_connections) {
        check_carried(g, answer, mids, n);
        g->receives = answer;
    } else {
        assert_int_equal(n, 0);
    }
    sdp_free(g->answer);
    g->answer = answer;
}

static void on_offer(void *arg, uint32_t id, const char *sdp, const struct mid_track *mids, size_t n)
{
    struct guest *g = guest_of(arg);
    assert_true(g->options.two_connections); /* otherwise the server never offers */
    note(arg, NOTE_OFFER, "%u", id);
    struct sdp_session *offer = parse(sdp);
    for (unsigned i = 0; g->receives && i < g->receives->n_media; i++) {
        const struct sdp_media *old = &g->receives->media[i], *new = &offer->media[i];
        /* the place of one that ended; the new one may have ended, too, before this guest answered */
        if (sdp_media_rejected(old) && strcmp(new->mid, old->mid) != 0) {
            assert_null(sdp_media_find(g->receives, new->mid));
            continue;
        }
        assert_string_equal(new->mid, old->mid);
        assert_int_equal(new->kind, old->kind);
    }
    check_carried(g, offer, mids, n);
    sdp_free(g->offered);
    g->offered = offer;
    g->offered_id = id;
}

static void on_sections_required(void *arg, uint32_t audios, uint32_t videos)
{
    struct guest *g = guest_of(arg);
    assert_false(g->options.two_connections);
    note(arg, NOTE_SECTIONS, "%u %u", audios, videos);
    g->wants_offer = true;
    g->more_audios += audios;
    g->more_videos += videos;
}

/* ---- tracks ---- */

static void on_track_published(void *arg, const char *cid, const struct track *t)
{
    struct guest *g = guest_of(arg);
    assert_ptr_equal(t->publisher, g->p);
    host_name_add(g->host, t->sid, t->desc.cid);
    note(arg, NOTE_PUBLISHED, "%s", cid);
}

static void on_track_unpublished(void *arg, const struct track *t)
{
    note(arg, NOTE_UNPUBLISHED, "%s", t->desc.cid);
}

static void on_track_subscribed(void *arg, const struct track *t)
{
    note(arg, NOTE_SUBSCRIBED, "%s", t->desc.cid);
}

static void on_mute(void *arg, const char *track_sid, bool muted)
{
    note(arg, NOTE_MUTE, "%s %d", name_of(arg, track_sid), muted);
}

static void on_subscription_failed(void *arg, const char *track_sid, enum subscription_error why)
{
    static const char *const words[] = {"UNKNOWN", "CODEC", "NOT_FOUND"};
    note(arg, NOTE_SUB_FAILED, "%s %s", name_of(arg, track_sid), words[why]);
}

static void on_subscription_permission(
    void *arg, const char *participant_sid, const char *track_sid, bool allowed)
{
    note(arg, NOTE_SUB_PERMISSION, "%s %s %d", name_of(arg, participant_sid), name_of(arg, track_sid),
        allowed);
}

static void on_stream_state(void *arg, const char *participant_sid, const char *track_sid, bool paused)
{
    note(arg, NOTE_STREAM, "%s %s %d", name_of(arg, participant_sid), name_of(arg, track_sid), paused);
}

static void on_demand(void *arg, const char *track_sid, const struct codec_demand *list, size_t n)
{
    struct note *note = note_add(guest_of(arg), NOTE_DEMAND);
    int at = snprintf(note->text, sizeof note->text, "%s", name_of(arg, track_sid));
    assert_true(n > 0);
    for (size_t i = 0; i < n; i++)
        at += snprintf(note->text + at, sizeof note->text - (size_t)at, " %s %d%d%d", list[i].codec,
            list[i].enabled[0], list[i].enabled[1], list[i].enabled[2]);
}

/* ---- speakers, quality ---- */

static void on_speakers(void *arg, const struct speaker *list, size_t n)
{
    struct note *note = note_add(guest_of(arg), NOTE_SPEAKERS);
    size_t at = 0;
    assert_true(n > 0);
    for (size_t i = 0; i < n && at < sizeof note->text; i++) {
        assert_true(list[i].active ? list[i].level > 0 : list[i].level == 0);
        at += (size_t)snprintf(note->text + at, sizeof note->text - at, "%s%s %.3f", i ? ", " : "",
            name_of(arg, list[i].participant_sid), (double)list[i].level);
    }
}

static void on_quality(void *arg, const struct participant_quality *list, size_t n)
{
    static const char *const words[] = {"POOR", "GOOD", "EXCELLENT", "LOST"};
    struct note *note = note_add(guest_of(arg), NOTE_QUALITY);
    size_t at = 0;
    assert_true(n > 0);
    for (size_t i = 0; i < n && at < sizeof note->text; i++) {
        assert_true(list[i].score >= 1 && list[i].score <= 4.51f);
        at += (size_t)snprintf(note->text + at, sizeof note->text - at, "%s%s %s", i ? ", " : "",
            name_of(arg, list[i].participant_sid), words[list[i].quality]);
    }
}

static void on_claims_changed(void *arg)
{
    note(arg, NOTE_CLAIMS, "%s", "");
}

/* The last word to a session; a newer one may have begun. */
static void on_leave(void *arg, enum leave_reason reason, enum leave_action action)
{
    struct guest_session *s = arg;
    assert_false(s->over);
    struct note *n = note_add(s->guest, NOTE_LEAVE);
    snprintf(n->text, sizeof n->text, "%d %d", reason, action);
    s->over = true;
    if (s == s->guest->session)
        s->guest->p = NULL;
}

const struct participant_ops guest_ops = {
    .update = on_update,
    .answer = on_answer,
    .offer = on_offer,
    .track_published = on_track_published,
    .track_unpublished = on_track_unpublished,
    .track_subscribed = on_track_subscribed,
    .mute = on_mute,
    .sections_required = on_sections_required,
    .subscription_failed = on_subscription_failed,
    .subscription_permission = on_subscription_permission,
    .room_update = on_room_update,
    .speakers = on_speakers,
    .quality = on_quality,
    .stream_state = on_stream_state,
    .demand = on_demand,
    .claims_changed = on_claims_changed,
    .leave = on_leave,
};
