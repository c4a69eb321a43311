/* Hundreds of random histories: joins, offers, tracks, mutes, subscriptions, resumes, leaves. Host and guests
 * check every step (see room_host.h and room_guest.h); at the end of a history everybody receives what it
 * should, and nothing is left when all have gone. ROOM_SEED=n runs one history and tells its steps. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "base/rand.h"
#include "room/internal.h"
#include "support/room_guest.h"
#include "support/seeded.h"

#define SLOTS 7
#define STEPS 200
#define SEEDS 300

struct world {
    struct host *h;
    struct seeded rng;
    struct guest *slots[SLOTS];
    bool plain[SLOTS]; /* takes every codec in every section */
};

static uint32_t below(struct world *w, uint32_t n)
{
    return seeded_below(&w->rng, n);
}

static bool chance(struct world *w, uint32_t percent)
{
    return seeded_chance(&w->rng, percent);
}

/* SSRCs from few numbers, so that the same ones are drawn again and again. */
static void randomness(void *arg, void *buf, size_t len)
{
    struct world *w = arg;
    uint8_t *p = buf;
    for (size_t i = 0; i < len; i++)
        p[i] = (uint8_t)below(w, 256);
    if (len == sizeof(uint32_t))
        p[2] = p[3] = 0, p[1] &= 3;
}

/* A guest with a socket; NULL: the slot drawn has none. */
static struct guest *somebody(struct world *w, unsigned *ret_slot)
{
    *ret_slot = below(w, SLOTS);
    struct guest *g = w->slots[*ret_slot];
    return g && g->p ? g : NULL;
}

static struct track *some_track(struct world *w)
{
    struct guest *g = w->slots[below(w, SLOTS)];
    struct participant *p = g ? guest_participant(g) : NULL;
    size_t n = 0;
    if (!p)
        return NULL;
    struct list *head = chance(w, 80) ? &p->tracks : &p->pending;
    list_for_each(l, head)
    {
        n++;
    }
    n = n ? below(w, (uint32_t)n) : 0;
    list_for_each(m, head)
    {
        if (n-- == 0)
            return list_entry(m, struct track, link);
    }
    return NULL;
}

static const char *some_cid(struct world *w)
{
    static const char *const cids[] = {"c0", "c1", "c2", "c3", "c4", "c5"};
    return cids[below(w, 6)];
}

/* ---- coming and going ---- */

static void do_join(struct world *w)
{
    static const char *const names[] = {"ann", "ben", "cat", "dan", "eve", "fox", "gil", "hal", "ida"};
    unsigned slot = below(w, SLOTS);
    if (w->slots[slot] && guest_participant(w->slots[slot]))
        return;
    struct guest_options o = guest_options(names[chance(w, 90) ? slot : below(w, 9)]);
    o.room = chance(w, 90) ? "room" : "other";
    o.two_connections = chance(w, 35);
    o.firefox = chance(w, 25);
    o.manual = chance(w, 20);
    o.adaptive = chance(w, 30);
    o.protocol = (int)(8 + below(w, 10));
    o.audios = below(w, 4);
    o.videos = below(w, 4);
    o.no_data = o.audios && !o.two_connections && chance(w, 10); /* an offer of nothing is none */
    o.kind = chance(w, 10) ? PARTICIPANT_AGENT : PARTICIPANT_STANDARD;
    o.permission.hidden = chance(w, 10);
    o.permission.can_publish = !chance(w, 10);
    o.permission.can_subscribe = !chance(w, 10);
    o.permission.publish_sources = chance(w, 15) ? (uint8_t)below(w, 32) : 0;
    o.without = chance(w, 25) ? 1u << below(w, 4) : 0;
    w->plain[slot] = !o.two_connections && !o.firefox && !o.without;
    w->slots[slot] = guest_join(w->h, &o);
    if (chance(w, 20))
        return;
    guest_offer(w->slots[slot]);
    if (w->slots[slot]->offered)
        guest_answer(w->slots[slot]);
    guest_connect(w->slots[slot]);
}

static void do_leave(struct world *w)
{
    unsigned slot;
    struct guest *g = somebody(w, &slot);
    if (!g)
        return;
    if (chance(w, 60))
        guest_leave(g);
    else
        participant_evict(
            g->p, LEAVE_PARTICIPANT_REMOVED, chance(w, 50) ? LEAVE_DISCONNECT : LEAVE_RECONNECT, false);
}

static void do_socket(struct world *w)
{
    struct guest *g = w->slots[below(w, SLOTS)];
    if (!g || !guest_participant(g))
        return;
    if (g->p && chance(w, 30))
        guest_lose_socket(g);
    else
        guest_resume(g);
}

static void do_media_state(struct world *w)
{
    struct guest *g = w->slots[below(w, SLOTS)];
    struct participant *p = g ? guest_participant(g) : NULL;
    if (!p)
        return;
    if (chance(w, 90)) {
        guest_connect(g);
        return;
    }
    guest_state(g, chance(w, 50) ? PEER_PUBLISHER : PEER_SUBSCRIBER, (enum sfu_peer_state)below(w, 5));
}

static void do_time(struct world *w)
{
    host_run(w->h, chance(w, 5) ? S(6) : MS(below(w, 400)));
}

/* ---- descriptions ---- */

static void do_offer(struct world *w)
{
    unsigned slot;
    struct guest *g = somebody(w, &slot);
    if (!g)
        return;
    if (chance(w, 10))
        pc_restart(&g->pub);
    guest_offer(g);
}

static void do_act(struct world *w)
{
    unsigned slot;
    struct guest *g = somebody(w, &slot);
    if (g)
        guest_act(g);
}

static void do_answer(struct world *w)
{
    unsigned slot;
    struct guest *g = somebody(w, &slot);
    if (!g || !g->offered)
        return;
    if (chance(w, 10))
        pc_restart(&g->sub);
    guest_answer_but(
        g, chance(w, 15) ? seeded_u64(&w->rng) : 0, chance(w, 10) ? seeded_u64(&w->rng) & 15 : 0);
}

static void do_bad_description(struct world *w)
{
    unsigned slot;
    char err[256];
    struct guest *g = somebody(w, &slot);
    if (!g)
        return;
    struct strbuf text = {0};
    if (chance(w, 50) && g->offered) {
        struct pc pc = g->sub;
        pc_answer(&pc, g->offered, 0, 0, &text);
        text.text[below(w, 40)] = 0;
        assert_int_not_equal(participant_answer(g->p, text.text, strlen(text.text), 0, err, sizeof err), 0);
    } else {
        struct pc pc = g->pub;
        pc_offer(&pc, &text);
        text.text[below(w, 40)] = 0;
        g->offer_id--;
        assert_int_not_equal(guest_offer_text(g, text.text, err), 0);
    }
    strbuf_done(&text);
}

/* ---- publishing ---- */

static const char *some_mime(struct world *w)
{
    static const char *const mimes[] = {"video/VP8", "video/VP9", "video/H264", "video/AV1", "video/H265"};
    return mimes[below(w, chance(w, 90) ? 4 : 5)];
}

static void do_announce(struct world *w)
{
    unsigned slot;
    struct guest *g = somebody(w, &slot);
    if (!g)
        return;
    struct track_desc d = guest_desc(some_cid(w), (enum track_source)(1 + below(w, 4)));
    if (d.kind == TRACK_VIDEO) {
        text_copy(d.codecs[0].mime, sizeof d.codecs[0].mime, some_mime(w));
        d.codec_count = chance(w, 40) ? 2 : 1;
        text_copy(d.codecs[1].mime, sizeof d.codecs[1].mime, some_mime(w));
        if (chance(w, 20))
            text_copy(d.codecs[1].cid, sizeof d.codecs[1].cid, some_cid(w));
        d.backup_codec_policy = (uint8_t)below(w, 3);
    }
    d.muted = chance(w, 20);
    d.disable_red = chance(w, 30);
    d.encryption = chance(w, 10);
    participant_add_track(g->p, &d, NULL);
}

static void do_section(struct world *w)
{
    unsigned slot;
    struct guest *g = somebody(w, &slot);
    if (!g || g->pub.n > 40)
        return;
    if (chance(w, 60)) {
        struct pc_section *s = guest_send(g, some_cid(w), chance(w, 50) ? TRACK_VIDEO : TRACK_AUDIO);
        s->rids = s->kind == SDP_KIND_VIDEO ? below(w, 4) : 0;
        s->without = chance(w, 10) ? 1u << below(w, 6) : 0;
        s->receives = chance(w, 10);
        w->plain[slot] &= !s->without;
        return;
    }
    if (!g->pub.n)
        return;
    struct pc_section *s = &g->pub.sections[below(w, g->pub.n)];
    if (s->kind == SDP_KIND_APPLICATION || s->stopped)
        return;
    switch (below(w, 6)) {
    case 0:
    case 1:
        s->sends = false;
        break;
    case 2:
        s->sends = s->cid[0] != 0;
        break;
    case 3:
        s->receives = !s->receives;
        break;
    case 4:
        s->stopped = !g->options.no_data && chance(w, 30);
        break;
    case 5:
        if (s->sends)
            text_copy(s->cid, sizeof s->cid, some_cid(w));
        break;
    }
}

/* As clients do it: announced, sent, offered. */
static void do_publish(struct world *w)
{
    unsigned slot;
    struct guest *g = somebody(w, &slot);
    const char *cid = some_cid(w);
    if (!g || g->pub.n > 40 || guest_track(g, cid) || pc_sender(&g->pub, cid))
        return;
    enum track_source source = (enum track_source)(1 + below(w, 4));
    if (guest_announce(g, cid, source) != REQUEST_OK)
        return;
    guest_send(g, cid, guest_desc(cid, source).kind);
    guest_offer(g);
}

/* One more codec for a track, and with some luck its packets. */
static void do_backup(struct world *w)
{
    struct track *t = some_track(w);
    struct guest *g = NULL;
    for (unsigned i = 0; t && i < SLOTS; i++)
        if (w->slots[i] && w->slots[i]->p == t->publisher)
            g = w->slots[i];
    if (!g || !g->p || t->desc.kind != TRACK_VIDEO || g->pub.n > 40)
        return;
    char sid[ROOM_SID_MAX];
    memcpy(sid, t->sid, sizeof sid);
    struct track_desc d = guest_desc(some_cid(w), t->desc.source);
    text_copy(d.codecs[0].mime, sizeof d.codecs[0].mime, some_mime(w));
    if (participant_add_track(g->p, &d, sid) != REQUEST_OK || chance(w, 20))
        return;
    if (!pc_sender(&g->pub, d.cid))
        guest_send(g, d.cid, TRACK_VIDEO)->rids = below(w, 4);
    guest_offer(g);
    t = participant_find_track(g->p, sid);
    for (int k = 0; t && k < TRACK_CODECS_MAX; k++) {
        struct sfu_event e = {.type = SFU_EVENT_TRACK_LIVE, .track = track_private(t)->media[k].id};
        if (e.track && chance(w, 80))
            room_server_event(w->h->rooms, &e);
    }
}

static void do_mute(struct world *w)
{
    struct track *t = some_track(w);
    if (!t)
        return;
    bool muted = chance(w, 50);
    char sid[ROOM_SID_MAX];
    memcpy(sid, t->sid, sizeof sid);
    for (int i = chance(w, 10) ? 2 * ROOM_NEWS_BURST : 0; i; i--) /* so fast that the rest is collected */
        participant_mute_track(t->publisher, sid, i % 2);
    if (chance(w, 70))
        assert_int_equal(participant_mute_track(t->publisher, sid, muted), REQUEST_OK);
    else
        assert_int_equal(participant_admin_mute(t->publisher, sid, muted), REQUEST_OK);
}

static void do_permission(struct world *w)
{
    unsigned slot;
    struct guest *g = somebody(w, &slot);
    if (!g)
        return;
    struct permission p = g->p->permission;
    p.can_publish = !chance(w, 20);
    p.can_subscribe = !chance(w, 20);
    p.hidden = chance(w, 20) ? !p.hidden : p.hidden;
    p.publish_sources = chance(w, 30) ? (uint8_t)below(w, 32) : 0;
    participant_set_permission(g->p, &p);
}

/* ---- receiving ---- */

static void do_subscribe(struct world *w)
{
    unsigned slot;
    struct guest *g = somebody(w, &slot);
    struct track *t = some_track(w);
    if (!g)
        return;
    participant_subscribe(g->p, t ? t->sid : "TR_unknown", chance(w, 60));
}

static void do_settings(struct world *w)
{
    unsigned slot;
    struct guest *g = somebody(w, &slot);
    struct track *t = some_track(w);
    if (!g || !t)
        return;
    struct track_settings set = {.disabled = chance(w, 30),
        .quality = (enum video_quality)below(w, 4),
        .width = chance(w, 50) ? below(w, 2000) : 0,
        .height = below(w, 1200),
        .fps = below(w, 400)};
    participant_track_settings(g->p, t->sid, &set);
}

static void do_track_permission(struct world *w)
{
    unsigned slot;
    struct guest *g = somebody(w, &slot), *other = w->slots[below(w, SLOTS)];
    struct track *t = some_track(w);
    if (!g)
        return;
    const char *sids[] = {t ? t->sid : "TR_x"};
    struct track_permission list[] = {{.identity = "ann", .all_tracks = true},
        {.sid = other ? other->sid : NULL, .track_sids = sids, .track_count = 1}};
    participant_subscription_permission(g->p, chance(w, 60), list, below(w, 3));
}

/* ---- reports of the media side, also on what is gone ---- */

static void do_report(struct world *w)
{
    struct sfu_event e = {.type = (enum sfu_event_type)below(w, 8)};
    uint32_t newest = w->h->rooms->next_number + 2;
    e.peer = below(w, newest);
    e.track = below(w, newest);
    e.sub = below(w, newest);
    switch (e.type) {
    case SFU_EVENT_PEER_STATE:
        return; /* do_media_state */
    case SFU_EVENT_PEER_QUALITY:
        e.quality.loss = (float)below(w, 100) / 100;
        e.quality.rtt_ms = below(w, 1000);
        break;
    case SFU_EVENT_TRACK_LEVEL:
        e.level.level = (float)below(w, 100) / 100;
        e.level.active = e.level.level > 0;
        break;
    default:
        break;
    }
    room_server_event(w->h->rooms, &e);
}

/* ---- a history ---- */

static const struct {
    const char *name;
    void (*fn)(struct world *w);
    unsigned weight;
} operations[] = {
    {"join", do_join, 14},
    {"leave", do_leave, 2},
    {"socket", do_socket, 5},
    {"media_state", do_media_state, 6},
    {"time", do_time, 12},
    {"offer", do_offer, 8},
    {"act", do_act, 20},
    {"answer", do_answer, 5},
    {"bad_description", do_bad_description, 2},
    {"announce", do_announce, 4},
    {"section", do_section, 6},
    {"publish", do_publish, 16},
    {"backup", do_backup, 6},
    {"mute", do_mute, 4},
    {"permission", do_permission, 1},
    {"subscribe", do_subscribe, 6},
    {"settings", do_settings, 4},
    {"track_permission", do_track_permission, 1},
    {"report", do_report, 6},
};

static void one_step(struct world *w, bool tell, int number)
{
    unsigned total = 0, i = 0;
    for (size_t k = 0; k < sizeof operations / sizeof *operations; k++)
        total += operations[k].weight;
    for (unsigned at = below(w, total); at >= operations[i].weight; i++)
        at -= operations[i].weight;
    if (tell)
        fprintf(stderr, "%d %s\n", number, operations[i].name);
    operations[i].fn(w);
    host_check(w->h);
}

static const struct subscription *subscription_of(const struct participant *p, const struct track *t)
{
    list_for_each(l, &p->subscriptions)
    {
        const struct subscription *s = list_entry(l, struct subscription, by_subscriber);
        if (s->track == t)
            return s;
    }
    return NULL;
}

static void check_received(struct world *w, unsigned slot, const struct track *t)
{
    const struct guest *g = w->slots[slot];
    struct participant *p = g->p;
    const struct choice *c = choice_of(p, t->sid, false);
    bool wanted = c && c->chosen ? c->subscribe : p->auto_subscribe;
    const struct subscription *s = subscription_of(p, t);
    assert_int_equal(s != NULL, wanted && participant_may_subscribe(p, t));
    if (!s)
        return;
    bool sent = !s->codec_failed && media_of(s)->id; /* or it waits for a backup codec */
    if (w->plain[slot])
        assert_true(sent);
    if (!sent)
        assert_null(guest_section(g, t));
    else if (!guest_receives(g, t) || !guest_section(g, t))
        fail_msg("%s does not receive %s of %s", g->identity, t->desc.cid, t->publisher->identity);
}

/* Once nobody moves any more, everybody receives what it should, sees who is there, and nothing else. */
static void check_settled(struct world *w)
{
    for (unsigned i = 0; i < SLOTS; i++) {
        struct guest *g = w->slots[i];
        if (g && g->p && !g->answer)
            guest_offer(g);
        if (g && g->p)
            guest_connect(g);
    }
    host_settle(w->h);
    for (unsigned i = 0; i < SLOTS; i++) {
        const struct guest *g = w->slots[i];
        if (!g || !g->p)
            continue;
        size_t seen = 0, there = 0;
        for (size_t k = 0; k < g->seen_count; k++)
            seen += !g->seen[k].gone && strcmp(g->seen[k].sid, g->sid) != 0;
        list_for_each(l, &g->p->room->participants)
        {
            const struct participant *p = list_entry(l, struct participant, link);
            there += p != g->p && !p->permission.hidden;
            list_for_each(m, &p->tracks)
            {
                check_received(w, i, list_entry(m, struct track, link));
            }
        }
        if (g->options.protocol < 12)
            assert_int_equal(seen, there); /* newer ones forget replaced sessions by themselves */
    }
    host_check(w->h);
}

static void history(uint64_t seed, bool tell)
{
    struct world w = {.h = host_new(), .rng = seeded_of(seed)};
    rand_source_set(randomness, &w);
    for (int i = 0; i < SLOTS; i++)
        do_join(&w);
    for (int i = 0; i < STEPS; i++)
        one_step(&w, tell, i);
    check_settled(&w);
    host_free(w.h);
    rand_source_set(NULL, NULL);
}

static void random_histories_keep_the_rules(void **state)
{
    (void)state;
    const char *one = getenv("ROOM_SEED");
    if (one) {
        history(strtoull(one, NULL, 10), true);
        return;
    }
    for (uint64_t seed = 1; seed <= SEEDS; seed++) {
        print_message("# seed %u\n", (unsigned)seed);
        history(seed, false);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(random_histories_keep_the_rules)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
