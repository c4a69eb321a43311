#include "support/net_video.h"

#include <setjmp.h>
#include <stdarg.h>
#include <cmocka.h>
#include <stdlib.h>
#include <string.h>

#define OFFSET_RISES   1000 /* us a second: clocks drift, paths change */
#define DELAY_MIN_US   10000
#define DELAY_MAX_US   2000000
#define NACK_FRAMES    3 /* retransmitted frames after which the playout delay has room for one */
#define NACK_ROOM_US   100000
#define NACK_FORGET_US 60000000
#define PERCENTILE     95
#define WAITING        128 /* pictures back that frames wait for what they need */

void net_video_init(struct net_video *v)
{
    *v = (struct net_video){.newest_picture = -1,
        .newest_tl0 = -1,
        .first_picture = -1,
        .newest_ts = -1,
        .decoded = -1,
        .next_us = INT64_MAX};
    for (int i = 0; i < NET_FRAMES; i++)
        v->groups[i].tl0 = -1;
}

void net_video_done(struct net_video *v)
{
    free(v->shown);
    free(v->in_time);
}

/* The number nearest to newest that has these low bits. */
static int64_t extend(int64_t newest, uint32_t low, unsigned bits)
{
    int64_t period = INT64_C(1) << bits;
    if (newest < 0)
        return period + low;
    int64_t diff = ((int64_t)low - newest) & (period - 1);
    return newest + (diff >= period / 2 ? diff - period : diff);
}

static struct net_frame *frame_at(struct net_video *v, int64_t picture)
{
    struct net_frame *f = &v->frames[(uint64_t)picture % NET_FRAMES];
    return f->used && f->picture == picture ? f : NULL;
}

/* ---- times ---- */

static void offset_input(struct net_video *v, int64_t ts_us, int64_t now_us)
{
    int64_t offset = now_us - ts_us;
    if (v->has_offset)
        v->offset_us += (now_us - v->offset_at_us) * OFFSET_RISES / 1000000;
    v->offset_at_us = now_us;
    if (!v->has_offset || offset < v->offset_us)
        v->offset_us = offset;
    v->has_offset = true;
}

static int compare(const void *a, const void *b)
{
    int64_t x = *(const int64_t *)a, y = *(const int64_t *)b;
    return (x > y) - (x < y);
}

static int64_t playout_delay(const struct net_video *v, int64_t now_us)
{
    int64_t sorted[NET_DELAYS];
    unsigned n = v->delay_count < NET_DELAYS ? v->delay_count : NET_DELAYS;
    memcpy(sorted, v->delays_us, n * sizeof *sorted);
    qsort(sorted, n, sizeof *sorted, compare);
    int64_t delay = n ? sorted[(n - 1) * PERCENTILE / 100] : 0;
    delay = delay < DELAY_MIN_US ? DELAY_MIN_US : delay > DELAY_MAX_US ? DELAY_MAX_US : delay;
    bool room = v->nacked >= NACK_FRAMES && now_us - v->nacked_us < NACK_FORGET_US;
    return delay + (room ? NACK_ROOM_US : 0);
}

/* ---- references, as libwebrtc finds them ---- */

static int64_t *group_of(struct net_video *v, int64_t tl0)
{
    return v->groups[(uint64_t)tl0 % NET_FRAMES].tl0 == tl0 ? v->groups[(uint64_t)tl0 % NET_FRAMES].picture
                                                            : NULL;
}

static int64_t *group_new(struct net_video *v, int64_t tl0, const int64_t *like)
{
    int64_t *g = v->groups[(uint64_t)tl0 % NET_FRAMES].picture;
    for (int i = 0; i < 3; i++)
        g[i] = like ? like[i] : -1;
    v->groups[(uint64_t)tl0 % NET_FRAMES].tl0 = tl0;
    return g;
}

/* Has everything between two pictures come? */
static bool all_known(struct net_video *v, int64_t after, int64_t before)
{
    for (int64_t p = after + 1; p < before; p++) {
        const struct net_frame *f = frame_at(v, p);
        if (!f || !f->known)
            return false;
    }
    return true;
}

static void group_set(struct net_video *v, int64_t tl0, unsigned temporal, int64_t picture)
{
    for (int64_t *g; (g = group_of(v, tl0)) && g[temporal] < picture; tl0++)
        g[temporal] = picture;
}

/* false: not yet, something before it has not come. */
static bool refs_find(struct net_video *v, struct net_frame *f)
{
    f->refs[0] = f->refs[1] = f->refs[2] = -1;
    if (f->key) {
        group_new(v, f->tl0, NULL)[0] = f->picture;
        return true;
    }
    const int64_t *g = group_of(v, f->temporal ? f->tl0 : f->tl0 - 1);
    if (!g)
        return false;
    if (!f->temporal) {
        f->refs[0] = g[0];
        group_new(v, f->tl0, g);
        group_set(v, f->tl0, 0, f->picture);
        return true;
    }
    if (f->sync) {
        f->refs[0] = g[0];
        group_set(v, f->tl0, f->temporal, f->picture);
        return true;
    }
    for (unsigned i = 0; i <= f->temporal; i++)
        if (g[i] >= 0 && (g[i] > f->picture || !all_known(v, g[i], f->picture)))
            return false;
    for (unsigned i = 0; i <= f->temporal; i++)
        f->refs[i] = g[i];
    group_set(v, f->tl0, f->temporal, f->picture);
    return true;
}

static int64_t ready_us(struct net_video *v, const struct net_frame *f)
{
    int64_t ready = f->complete_us;
    for (int i = 0; i < 3; i++) {
        const struct net_frame *r = f->refs[i] >= 0 ? frame_at(v, f->refs[i]) : NULL;
        if (r && r->ready_us > ready)
            ready = r->ready_us;
    }
    return ready;
}

/* A frame and all it needs are there, whether it is still of use or not. */
static void frame_known(struct net_video *v, struct net_frame *f)
{
    f->known = true;
    f->ready_us = ready_us(v, f);
    size_t at = (size_t)(f->picture - v->first_picture);
    if (f->picture < v->first_picture || f->ready_us - f->ts_us - v->offset_us > NET_IN_TIME_US)
        return;
    if (at >= v->in_time_cap) {
        size_t cap = 2 * at + 1024;
        v->in_time = realloc(v->in_time, cap * sizeof *v->in_time);
        assert_non_null(v->in_time);
        memset(v->in_time + v->in_time_cap, 0, (cap - v->in_time_cap) * sizeof *v->in_time);
        v->in_time_cap = cap;
    }
    v->in_time[at] = true;
}

static void refs_retry(struct net_video *v)
{
    for (bool found = true; found;) {
        found = false;
        int64_t from = v->newest_picture - WAITING;
        for (int64_t p = from > 0 ? from : 0; p <= v->newest_picture; p++) {
            struct net_frame *f = frame_at(v, p);
            if (!f || !f->complete || f->known || !refs_find(v, f))
                continue;
            frame_known(v, f);
            found = true;
        }
    }
}

static bool decodable(struct net_video *v, const struct net_frame *f)
{
    if (!f->known)
        return false;
    for (int i = 0; i < 3; i++) {
        const struct net_frame *r = f->refs[i] >= 0 ? frame_at(v, f->refs[i]) : NULL;
        if (f->refs[i] >= 0 && (!r || !r->decoded))
            return false;
    }
    return true;
}

/* ---- decoding and showing ---- */

static void freeze_note(struct net_video *v, int64_t gap_us, int64_t now_us)
{
    if (v->freezes < sizeof v->freeze_log / sizeof *v->freeze_log) {
        v->freeze_log[v->freezes].at_us = now_us - gap_us;
        v->freeze_log[v->freezes].us = gap_us;
    }
    v->freezes++;
    v->freeze_us += gap_us;
    if (gap_us > v->freeze_max_us)
        v->freeze_max_us = gap_us;
}

static void interval_input(struct net_video *v, int64_t gap_us, int64_t now_us)
{
    unsigned n = v->interval_count < NET_GAPS ? v->interval_count : NET_GAPS;
    int64_t sum = 0;
    for (unsigned i = 0; i < n; i++)
        sum += v->intervals_us[i];
    int64_t mean = n ? sum / n : NET_FRAME_US;
    if (gap_us > 3 * mean && gap_us > mean + NET_FREEZE_US)
        freeze_note(v, gap_us, now_us);
    v->intervals_us[v->interval_count++ % NET_GAPS] = gap_us;
}

static bool truly_decoded(const struct net_video *v, const struct net_tag *t, uint32_t frame)
{
    return frame == t->frame || v->truth[t->layer][frame % NET_FRAMES] == frame;
}

static void show(struct net_video *v, const struct net_frame *f, int64_t now_us)
{
    if (v->shown_us)
        interval_input(v, now_us - v->shown_us, now_us);
    v->shown_us = now_us;
    if (v->shown_count && v->shown[v->shown_count - 1].layer != f->tag.layer)
        v->switches++;
    if (v->shown_count == v->shown_cap) {
        v->shown_cap = v->shown_cap ? 2 * v->shown_cap : 1024;
        v->shown = realloc(v->shown, v->shown_cap * sizeof *v->shown);
        assert_non_null(v->shown);
    }
    v->shown[v->shown_count++] =
        (struct net_shown){.at_us = now_us, .layer = f->tag.layer, .temporal = f->tag.temporal};
}

static void decode(struct net_video *v, struct net_frame *f, int64_t now_us)
{
    const struct net_tag *t = &f->tag;
    f->decoded = true;
    v->decoded = f->picture;
    v->keys += f->key;
    if (truly_decoded(v, t, t->needs) && truly_decoded(v, t, t->needs2))
        v->truth[t->layer][t->frame % NET_FRAMES] = t->frame;
    else
        v->broken++;
    show(v, f, now_us);
}

static struct net_frame *next_frame(struct net_video *v)
{
    int64_t from = v->newest_picture - NET_FRAMES + 1;
    for (int64_t p = from > v->decoded ? from : v->decoded + 1; p <= v->newest_picture; p++) {
        struct net_frame *f = frame_at(v, p);
        if (f && decodable(v, f))
            return f;
    }
    return NULL;
}

void net_video_run(struct net_video *v, int64_t now_us)
{
    struct net_frame *f;
    v->next_us = INT64_MAX;
    while ((f = next_frame(v))) {
        if (f->render_us > now_us) {
            v->next_us = f->render_us;
            return;
        }
        decode(v, f, now_us);
    }
}

int64_t net_video_needless(const struct net_video *v)
{
    const struct net_frame *f = &v->frames[(uint64_t)v->decoded % NET_FRAMES];
    return v->decoded >= 0 && f->picture == v->decoded ? f->first : -1;
}

/* ---- packets ---- */

static struct net_frame *frame_get(struct net_video *v, int64_t picture)
{
    struct net_frame *f = frame_at(v, picture);
    if (f)
        return f;
    if (v->newest_picture >= 0 && picture <= v->newest_picture - NET_FRAMES)
        return NULL; /* too old to matter */
    f = &v->frames[(uint64_t)picture % NET_FRAMES];
    *f = (struct net_frame){.used = true, .picture = picture, .first = -1, .last = -1};
    if (picture > v->newest_picture)
        v->newest_picture = picture;
    if (v->first_picture < 0)
        v->first_picture = picture;
    return f;
}

static void frame_complete(struct net_video *v, struct net_frame *f, int64_t now_us)
{
    int64_t late_us = now_us - f->ts_us - v->offset_us;
    f->complete = true;
    f->complete_us = now_us;
    v->complete++;
    if (f->nacked) {
        v->nacked++;
        v->nacked_us = now_us;
    } else {
        v->delays_us[v->delay_count++ % NET_DELAYS] = late_us;
    }
    f->render_us = f->ts_us + v->offset_us + playout_delay(v, now_us);
    refs_retry(v);
}

void net_video_input(struct net_video *v, int64_t seq, uint32_t ts, bool marker, const struct payload_info *i,
    const struct net_tag *tag, bool again, int64_t now_us)
{
    if (v->newest_ts < 0)
        v->newest_ts = (INT64_C(1) << 32) + ts;
    int64_t ts_ext = extend(v->newest_ts, ts, 32);
    v->newest_ts = ts_ext > v->newest_ts ? ts_ext : v->newest_ts;
    int64_t picture = extend(v->newest_picture, i->picture_id, 15);
    struct net_frame *f = frame_get(v, picture);
    if (!f || f->complete)
        return;
    if (!f->packets) {
        f->tl0 = extend(v->newest_tl0, i->tl0, 8);
        v->newest_tl0 = f->tl0 > v->newest_tl0 ? f->tl0 : v->newest_tl0;
        f->ts_us = ts_ext * 100 / 9;
        f->temporal = i->temporal;
        f->sync = payload_is(i, PAYLOAD_LAYER_SYNC);
        f->tag = *tag;
        if (!again)
            offset_input(v, f->ts_us, now_us);
    }
    f->packets++;
    f->nacked |= again;
    if (payload_is(i, PAYLOAD_START)) {
        f->first = seq;
        f->key = payload_is(i, PAYLOAD_KEY);
    }
    if (marker)
        f->last = seq;
    if (f->first >= 0 && f->last >= 0 && f->packets == f->last - f->first + 1) {
        frame_complete(v, f, now_us);
        net_video_run(v, now_us);
    }
}

/* ---- figures ---- */

int64_t net_video_pictures(const struct net_video *v)
{
    return v->first_picture < 0 ? 0 : v->newest_picture - v->first_picture + 1;
}

int64_t net_video_in_time(const struct net_video *v, int64_t from, int64_t to)
{
    int64_t n = 0;
    for (int64_t at = from; at < to && at < (int64_t)v->in_time_cap; at++)
        n += v->in_time[at];
    return n;
}

unsigned net_video_shown(const struct net_video *v, int64_t from_us, int64_t to_us, int layer)
{
    unsigned n = 0;
    for (size_t i = 0; i < v->shown_count; i++)
        n += v->shown[i].at_us >= from_us && v->shown[i].at_us < to_us && v->shown[i].layer >= layer;
    return n;
}

int64_t net_video_first(const struct net_video *v, int64_t from_us, int layer)
{
    for (size_t i = 0; i < v->shown_count; i++)
        if (v->shown[i].at_us >= from_us && v->shown[i].layer >= layer)
            return v->shown[i].at_us;
    return -1;
}

int64_t net_video_gap(const struct net_video *v, int64_t from_us, int64_t to_us)
{
    int64_t gap = 0, last = from_us;
    for (size_t i = 0; i < v->shown_count; i++) {
        int64_t at = v->shown[i].at_us;
        if (at < from_us || at > to_us)
            continue;
        gap = at - last > gap ? at - last : gap;
        last = at;
    }
    return to_us - last > gap ? to_us - last : gap;
}

unsigned net_video_switches(const struct net_video *v, int64_t from_us, int64_t to_us)
{
    unsigned n = 0;
    for (size_t i = 1; i < v->shown_count; i++)
        n += v->shown[i].at_us >= from_us && v->shown[i].at_us < to_us &&
             v->shown[i].layer != v->shown[i - 1].layer;
    return n;
}
