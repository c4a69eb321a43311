/* A stage on one worker: how loud its microphones are, and, at its home, who gets the slots. */
#include "sfu/stage.h"
#include <stdlib.h>
#include <string.h>
#include "base/log.h"

#define ATTACK        0.5f /* of the difference, for each packet that is louder */
#define DECAY         0.1f /* for each that is fainter */
#define UNKNOWN_LEVEL 40   /* -dBov, of who does not say how loud it is, */
#define UNKNOWN_BYTES 16   /* while its payloads are larger than those of silence */

static struct sfu_stage *stage_find(struct sfu_worker *w, uint32_t id)
{
    struct sfu_stage *s;
    HASH_FIND_INT(w->stages, &id, s);
    return s;
}

/* ---- at home ---- */

static void tell_worker(struct sfu_stage *s, unsigned worker, const struct floor_change *c)
{
    struct worker_mail *m = sfu_mail_new(MAIL_SLOT_SOURCE, 0);
    if (!m)
        return;
    m->command = (struct sfu_command){
        .stage = s->id, .track = c->track, .peer = c->peer, .worker = c->worker, .sub = c->seat};
    sfu_mail(s->worker->sfu, worker, m);
}

static void decide(struct sfu_stage *s, int64_t now_us)
{
    struct floor_change changes[SFU_SLOTS_MAX];
    struct sfu_worker *w = s->worker;
    unsigned n = floor_decide(s->floor, now_us, changes);
    for (unsigned i = 0; i < n; i++) {
        const struct floor_change *c = &changes[i];
        for (unsigned k = 0; k < w->sfu->worker_count; k++)
            if (k != w->index)
                tell_worker(s, k, c);
        slot_source(&s->slots[c->seat], c->track, c->peer, c->worker);
        struct sfu_event e = {.type = SFU_EVENT_STAGE_SLOT, .track = c->track};
        e.stage_slot.stage = s->id;
        e.stage_slot.slot = (uint8_t)c->seat;
        sfu_emit(w, &e);
    }
}

/* ---- reports ---- */

static void deliver(struct sfu_stage *s, const struct floor_voice *list, size_t n)
{
    struct sfu_worker *w = s->worker;
    if (s->floor) {
        for (size_t i = 0; i < n; i++)
            floor_heard(s->floor, &list[i]);
        decide(s, w->now_us);
        return;
    }
    struct worker_mail *m = sfu_mail_new(MAIL_STAGE_REPORT, n * sizeof *list);
    if (!m)
        return;
    m->track = s->id;
    memcpy(m->bytes, list, n * sizeof *list);
    sfu_mail(w->sfu, s->home, m);
}

static struct floor_voice describe(const struct sfu_voice *v)
{
    return (struct floor_voice){.track = v->track->id,
        .peer = v->track->peer->id,
        .worker = v->stage->worker->index,
        .spoken_ms = (uint16_t)(v->spoken_ms < UINT16_MAX ? v->spoken_ms : UINT16_MAX),
        .loud = v->loud,
        .heard_us = v->heard_us};
}

/* Puts a voice into the list of the loudest, loudest first. */
static size_t insert(struct floor_voice *list, size_t n, size_t max, const struct floor_voice *v)
{
    size_t at = n;
    while (at > 0 && list[at - 1].loud < v->loud)
        at--;
    if (at == max)
        return n;
    size_t kept = n < max ? n : max - 1;
    memmove(&list[at + 1], &list[at], (kept - at) * sizeof *list);
    list[at] = *v;
    return kept + 1;
}

/* The loudest of this worker, as many as could matter: those that have a slot, and those that may get it. */
static void on_report(struct wheel_timer *t, int64_t now_us)
{
    struct sfu_stage *s = t->arg;
    struct floor_voice list[2 * SFU_SLOTS_MAX];
    size_t n = 0, max = 2 * (size_t)s->slot_count;
    s->worker->now_us = now_us;
    list_for_each_safe(l, &s->audible)
    {
        struct sfu_voice *v = list_entry(l, struct sfu_voice, link);
        if (now_us - v->heard_us >= STAGE_PAUSE_US) {
            list_del(l);
            continue;
        }
        const struct floor_voice now = describe(v);
        n = insert(list, n, max, &now);
    }
    if (n)
        deliver(s, list, n);
    if (!list_empty(&s->audible))
        wheel_set(loop_wheel(s->worker->loop), &s->report, now_us + STAGE_REPORT_US);
}

/* A packet of a microphone that came in order or late; ms: its length. */
void stage_input(struct sfu_track *t, const struct rtp_packet *h, uint32_t ms, int64_t now_us)
{
    struct sfu_voice *v = t->voice;
    if (!v || t->muted)
        return;
    uint8_t level = h->payload_len > UNKNOWN_BYTES ? UNKNOWN_LEVEL : 127;
    if (rtp_has(h, RTP_EXT_AUDIO_LEVEL))
        level = h->audio_level;
    float loud = 127 - level;
    v->loud += (loud - v->loud) * (loud > v->loud ? ATTACK : DECAY);
    if (level > STAGE_AUDIBLE)
        return;
    if (now_us - v->heard_us > STAGE_GAP_US)
        v->spoken_ms = 0;
    v->spoken_ms += ms;
    v->heard_us = now_us;
    if (list_empty(&v->link))
        list_add_tail(&v->stage->audible, &v->link);
    if (!wheel_is_set(&v->stage->report))
        wheel_set(loop_wheel(t->worker->loop), &v->stage->report, now_us + STAGE_REPORT_US);
}

/* The microphone is muted or ends: its slot is free at once. */
void stage_silence(struct sfu_track *t)
{
    struct sfu_voice *v = t->voice;
    if (!v)
        return;
    struct floor_voice gone = describe(v);
    gone.gone = true;
    list_del(&v->link);
    v->loud = 0;
    v->spoken_ms = 0;
    deliver(v->stage, &gone, 1);
}

/* ---- microphones ---- */

void stage_join(struct sfu_track *t, uint32_t stage)
{
    struct sfu_stage *s = stage ? stage_find(t->worker, stage) : NULL;
    if (!s || t->voice || t->kind != KIND_AUDIO)
        return;
    struct sfu_voice *v = calloc(1, sizeof *v);
    if (!v)
        return;
    v->stage = s;
    v->track = t;
    list_init(&v->link);
    list_add_tail(&s->voices, &v->of_stage);
    t->voice = v;
}

void stage_leave(struct sfu_track *t)
{
    struct sfu_voice *v = t->voice;
    if (!v)
        return;
    stage_silence(t);
    list_del(&v->of_stage);
    t->voice = NULL;
    free(v);
}

/* ---- life ---- */

static void stage_add(struct sfu_worker *w, const struct sfu_command *c)
{
    if (stage_find(w, c->stage))
        return;
    struct sfu_stage *s = calloc(1, sizeof *s);
    if (s && c->stage_add.home == w->index)
        s->floor = malloc(sizeof *s->floor);
    if (!s || (c->stage_add.home == w->index && !s->floor)) {
        free(s);
        log_error("stage.lost", "worker=%u reason=memory", w->index);
        return;
    }
    s->id = c->stage;
    s->worker = w;
    s->home = c->stage_add.home;
    s->slot_count = c->stage_add.slot_count < SFU_SLOTS_MAX ? c->stage_add.slot_count : SFU_SLOTS_MAX;
    list_init(&s->voices);
    list_init(&s->audible);
    wheel_timer_init(&s->report, on_report, s);
    if (s->floor)
        floor_init(s->floor, s->slot_count);
    for (unsigned i = 0; i < s->slot_count; i++)
        slot_init(&s->slots[i], w, c->stage_add.slots[i]);
    HASH_ADD_INT(w->stages, id, s);
}

static void stage_free(struct sfu_stage *s)
{
    wheel_cancel(&s->report);
    while (!list_empty(&s->voices)) {
        struct sfu_voice *v = list_entry(s->voices.next, struct sfu_voice, of_stage);
        list_del(&v->link);
        list_del(&v->of_stage);
        v->track->voice = NULL;
        free(v);
    }
    for (unsigned i = 0; i < s->slot_count; i++)
        slot_done(&s->slots[i]);
    HASH_DELETE(hh, s->worker->stages, s);
    free(s->floor);
    free(s);
}

void stage_command(struct sfu_worker *w, const struct sfu_command *c)
{
    if (c->type == SFU_STAGE_ADD) {
        stage_add(w, c);
        return;
    }
    struct sfu_stage *s = stage_find(w, c->stage);
    if (s)
        stage_free(s);
}

void stage_mail(struct sfu_worker *w, const struct worker_mail *m)
{
    bool report = m->kind == MAIL_STAGE_REPORT;
    struct sfu_stage *s = stage_find(w, report ? m->track : m->command.stage);
    if (!s)
        return;
    if (report && s->floor)
        deliver(s, (const struct floor_voice *)(const void *)m->bytes, m->len / sizeof(struct floor_voice));
    else if (!report && m->command.sub < s->slot_count)
        slot_source(&s->slots[m->command.sub], m->command.track, m->command.peer, m->command.worker);
}

/* Silence is noticed by the clock alone. */
void stages_tick(struct sfu_worker *w, int64_t now_us)
{
    for (struct sfu_stage *s = w->stages; s; s = s->hh.next)
        if (s->floor && floor_waits(s->floor))
            decide(s, now_us);
}

void stages_done(struct sfu_worker *w)
{
    while (w->stages)
        stage_free(w->stages);
}
