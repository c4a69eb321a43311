/* What other threads tell a worker. */
#include <stdlib.h>
#include <unistd.h>
#include "base/log.h"
#include "sfu/internal.h"

static void command(struct sfu_worker *w, struct worker_mail *m)
{
    const struct sfu_command *c = &m->command;
    switch (c->type) {
    case SFU_PEER_ADD:
    case SFU_PEER_REMOTE:
    case SFU_PEER_RESTART:
    case SFU_PEER_REMOVE:
    case SFU_PEER_DATA:
    case SFU_PEER_SET:
        peer_command(w, c, m->data);
        return;
    case SFU_TRACK_ADD:
    case SFU_TRACK_REMOVE:
    case SFU_TRACK_MUTE:
        track_command(w, c);
        return;
    case SFU_SUB_ADD:
    case SFU_SUB_REMOVE:
    case SFU_SUB_SET:
        sub_command(w, c);
        return;
    case SFU_STAGE_ADD:
    case SFU_STAGE_REMOVE:
        stage_command(w, c);
        return;
    }
}

static void sctp_out(struct sfu_worker *w, const struct worker_mail *m)
{
    struct sfu_peer *p;
    HASH_FIND_INT(w->peers, &m->peer, p);
    if (p)
        transport_write(p->transport, m->bytes, m->len);
}

static void image_add(struct sfu_worker *w, const struct worker_mail *m)
{
    struct sfu_track *t = track_find(w, m->track);
    if (!t || !t->peer) {
        track_tell(w, m->from, MAIL_TRACK_GONE, m->track);
        return;
    }
    if (m->flag)
        track_preroll(t, m->from);
    if (t->kind == KIND_VIDEO) {
        key_cache_copy(t, m->from, w->now_us);
        worker_flush_rings(w); /* it has that before it hears more */
    }
    t->images |= 1ull << m->from;
    track_describe(t, m->from);
    for (unsigned i = 0; i < t->stream_count; i++) { /* what its sender reports said so far */
        if (!t->streams[i] || !t->streams[i]->clock.valid)
            continue;
        struct worker_mail *c = sfu_mail_new(MAIL_CLOCK, 0);
        if (!c)
            return;
        c->track = t->id;
        c->stream = (uint8_t)i;
        c->clock = t->streams[i]->clock;
        sfu_mail(w->sfu, m->from, c);
    }
}

static void clock_set(struct sfu_worker *w, const struct worker_mail *m)
{
    struct sfu_track *t = track_find(w, m->track);
    struct sfu_stream *s = t && !t->peer ? track_stream(t, m->stream) : NULL;
    if (s)
        s->clock = m->clock;
}

void mail_handle(struct sfu_worker *w, struct worker_mail *m)
{
    struct sfu_track *t;
    switch (m->kind) {
    case MAIL_COMMAND:
        command(w, m);
        return;
    case MAIL_SCTP_OUT:
        sctp_out(w, m);
        return;
    case MAIL_TCP:
        tcp_take(w, m);
        return;
    case MAIL_IMAGE_ADD:
        image_add(w, m);
        return;
    case MAIL_IMAGE_DEL:
        t = track_find(w, m->track);
        if (t)
            t->images &= ~(1ull << m->from);
        return;
    case MAIL_KEY_FRAME:
        t = track_find(w, m->track);
        if (t && t->peer)
            track_key_frame(t, m->stream, w->now_us);
        return;
    case MAIL_CLOCK:
        clock_set(w, m);
        return;
    case MAIL_IMAGE_RESET:
        t = track_find(w, m->track);
        if (t && !t->peer) {
            t->muted = m->flag;
            track_reset_subs(t);
        }
        return;
    case MAIL_IMAGE_SET:
        t = track_find(w, m->track);
        if (t && !t->peer) {
            allocation_image_set(t, m, w->now_us);
            choices_past_end(t);
        }
        return;
    case MAIL_TRACK_GONE:
        t = track_find(w, m->track);
        if (t && !t->peer)
            track_gone(t);
        return;
    case MAIL_RING:
        return;
    case MAIL_STAGE_REPORT:
    case MAIL_SLOT_SOURCE:
        stage_mail(w, m);
        return;
    }
}
