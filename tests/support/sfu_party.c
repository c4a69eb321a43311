#include "support/sfu_party.h"

#include <setjmp.h>
#include <stdarg.h>
#include <cmocka.h>

uint32_t party_ssrc(unsigned sub, uint8_t kind)
{
    return 1000000 + 100 * sub + 10u * kind;
}

struct heard_stream *party_heard(struct party *t, unsigned sub, uint8_t kind)
{
    return sfu_rig_stream(t->subs[sub], party_ssrc(sub, kind));
}

struct heard_stream *party_rtx(struct party *t, unsigned sub)
{
    return sfu_rig_stream(t->subs[sub], party_ssrc(sub, VIDEO) + 1);
}

void party_open(struct party *t, const struct party_options *o)
{
    struct sfu_section s;
    *t = (struct party){.count = o->subs};
    sfu_rig_open(&t->rig, o->workers, NULL, NULL);
    t->publisher = sfu_rig_peer_add(&t->rig, 0, o->tcp, DTLS_SERVER);
    for (unsigned i = 0; i < o->subs; i++)
        t->subs[i] =
            sfu_rig_peer_add(&t->rig, (i + 1) % o->workers, o->tcp, i & 1 ? DTLS_CLIENT : DTLS_SERVER);
    sfu_rig_connect(&t->rig);
    source_section_audio(&s, false, "0", o->red_up);
    t->audio = source_publish(t->publisher, AUDIO, &s);
    source_section_video(&s, false, "1", o->rids, o->rid_count);
    t->video = source_publish(t->publisher, VIDEO, &s);
    t->voice = source_new(t->publisher, t->audio, AUDIO, "0", NULL);
    t->camera = o->rids ? NULL : source_new(t->publisher, t->video, VIDEO, "1", NULL);
    for (unsigned i = 0; i < o->subs; i++) {
        source_section_audio(&s, true, "a", o->red_down);
        t->audio_sub[i] =
            source_subscribe(t->subs[i], t->publisher, t->audio, AUDIO, &s, party_ssrc(i, AUDIO), 0);
        source_section_video(&s, true, "v", NULL, 0);
        t->video_sub[i] = source_subscribe(
            t->subs[i], t->publisher, t->video, VIDEO, &s, party_ssrc(i, VIDEO), party_ssrc(i, VIDEO) + 1);
    }
    party_settle(t, 2, 2 * o->subs);
}

void party_close(struct party *t)
{
    sfu_rig_close(&t->rig);
    source_free(t->voice);
    source_free(t->camera);
}

void party_settle(struct party *t, unsigned tracks, unsigned subs)
{
    struct sfu_stats s;
    SFU_RIG_UNTIL(&t->rig, (sfu_stats(t->rig.sfu, &s), s.subs == subs && s.tracks == tracks), (void)0);
}

bool party_all_heard(struct party *t, size_t audio, size_t video)
{
    for (unsigned i = 0; i < t->count; i++)
        if (party_heard(t, i, AUDIO)->count < audio || party_heard(t, i, VIDEO)->count < video)
            return false;
    return true;
}
