// link: sdp base
/* Any text as a description: what is read prints to a fixpoint; every offer that is answered gets as many
 * sections and no payload type that it lacks; what we print, we read; nothing crashes on a hostile answer. */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "sdp/plan.h"
#include "support/fuzz.h"

static const struct sdp_local local = {
    .origin_id = 1,
    .origin_version = 1,
    .ufrag = "serv",
    .pwd = "0123456789abcdefghijkl",
    .fingerprint =
        "69:41:B3:00:62:FC:77:BD:6F:46:01:BA:D9:AC:96:68:07:72:B0:04:16:54:72:73:93:E8:55:B5:6D:AA:8F:CA",
    .ice_lite = true,
    .end_of_candidates = true,
};

static const struct sdp_track tracks[] = {
    {.stream = "PA_a|camera",
        .track = "TR_AMa",
        .cname = "a",
        .ssrc = 1,
        .codec = SDP_CODEC_RED,
        .codecs = SDP_CODEC_BIT(SDP_CODEC_OPUS),
        .stereo = true},
    {.stream = "PA_a|camera",
        .track = "TR_VCa",
        .cname = "a",
        .ssrc = 2,
        .rtx_ssrc = 3,
        .codec = SDP_CODEC_H264,
        .fmtp = "packetization-mode=1;profile-level-id=42e01f"},
    {.stream = "PA_b|camera",
        .track = "TR_VCb",
        .cname = "b",
        .ssrc = 4,
        .rtx_ssrc = 5,
        .codec = SDP_CODEC_VP8},
    {.stream = "PA_c|camera",
        .track = "TR_VCc",
        .cname = "c",
        .ssrc = 6,
        .rtx_ssrc = 7,
        .codec = SDP_CODEC_VP9,
        .fmtp = "profile-id=0"},
};

/* Prints s, reads it again with the same parser and prints that: must be the same text, which is returned. */
static struct strbuf fixpoint(const struct sdp_session *s, bool fragment)
{
    struct strbuf one = {0}, two = {0};
    struct sdp_session *again = NULL;
    if (fragment) {
        sdpfrag_print(s, &one);
        CHECK(one.len == 0 || sdpfrag_parse(one.text, one.len, &again, NULL, 0) == 0);
        if (again)
            sdpfrag_print(again, &two);
    } else {
        sdp_print(s, &one);
        CHECK(sdp_parse(one.text, one.len, &again, NULL, 0) == 0);
        sdp_print(again, &two);
    }
    CHECK(one.len == two.len && (one.len == 0 || memcmp(one.text, two.text, one.len) == 0));
    sdp_free(again);
    strbuf_done(&two);
    return one;
}

/* Decisions that the bytes of the input choose. */
static void decide(struct sdp_decision *d, const struct sdp_session *offer, const uint8_t *data, size_t size)
{
    for (unsigned i = 0; i < offer->n_media; i++) {
        uint8_t dice = data[(i * 7) % size], more = data[(i * 13 + 1) % size];
        d[i] = (struct sdp_decision){
            .reject = (dice & 15) == 0,
            .receive = dice & 1,
            .track = dice & 2 ? &tracks[more % 4] : NULL,
            .prefer = (enum sdp_codec_id)(more % SDP_CODEC_COUNT),
            .only = dice & 4,
            .opus_dtx = dice & 8,
            .opus_stereo = dice & 16,
            .codecs = dice & 32 ? (uint32_t)more << 1 : 0,
        };
    }
}

static void check_section(const struct sdp_media *offered, const struct sdp_media *m)
{
    CHECK(strcmp(offered->kind_text, m->kind_text) == 0 && strcmp(offered->proto, m->proto) == 0);
    CHECK((offered->mid == NULL) == (m->mid == NULL) && (!m->mid || strcmp(offered->mid, m->mid) == 0));
    CHECK((m->dir & ~(unsigned)sdp_dir_reverse(offered->dir)) == 0);
    for (unsigned i = 0; i < m->n_codecs; i++) {
        const struct sdp_codec *c = sdp_media_codec(offered, m->codecs[i].pt);
        CHECK(c && strcmp(c->name, m->codecs[i].name) == 0 && c->clock_hz == m->codecs[i].clock_hz);
        CHECK((m->codecs[i].fb & ~c->fb) == 0);
    }
    for (unsigned i = 0; i < m->n_extmap; i++) {
        bool found = false;
        for (unsigned k = 0; k < offered->n_extmap; k++)
            found |= offered->extmap[k].id == m->extmap[i].id && offered->extmap[k].ext == m->extmap[i].ext;
        CHECK(found);
    }
}

/* In a bundle a payload type means one thing. */
static void check_bundle(const struct sdp_session *answer)
{
    const struct sdp_codec *seen[128] = {0};
    for (unsigned i = 0; i < answer->n_media; i++) {
        const struct sdp_media *m = &answer->media[i];
        for (unsigned k = 0; k < m->n_codecs && !sdp_media_rejected(m); k++) {
            const struct sdp_codec *c = &m->codecs[k];
            CHECK(!seen[c->pt] || (seen[c->pt]->id == c->id && seen[c->pt]->apt == c->apt));
            seen[c->pt] = c;
        }
    }
}

static void answer_it(const struct sdp_session *offer, const uint8_t *data, size_t size)
{
    static struct sdp_decision decisions[SDP_MEDIA_MAX];
    struct sdp_session *answer = NULL;
    struct sdp_result *result = NULL;
    decide(decisions, offer, data, size);
    if (sdp_answer(offer, &local, decisions, offer->n_media, &answer, NULL, 0) != 0)
        return;
    CHECK(answer->n_media == offer->n_media);
    for (unsigned i = 0; i < offer->n_media; i++)
        check_section(&offer->media[i], &answer->media[i]);
    check_bundle(answer);
    struct strbuf text = fixpoint(answer, false);
    strbuf_done(&text);
    CHECK(sdp_result_new(offer, answer, true, &result, NULL, 0) == 0);
    CHECK(result->n_sections == offer->n_media);
    sdp_result_free(result);
    sdp_free(answer);
}

/* The input as the answer of a client to an offer of ours, and as the offers of a client that come one after
 * another. */
static void plan_it(const struct sdp_session *s)
{
    struct sdp_plan plan;
    struct sdp_session *offer = NULL;
    struct sdp_result *result = NULL;
    sdp_plan_init(&plan);
    if (sdp_plan_adopt(&plan, s, NULL, 0) == 0) {
        for (unsigned i = 0; i < 4; i++)
            (void)sdp_plan_bind(&plan, sdp_codec_kind(tracks[i].codec), &tracks[i], i + 1, i & 1);
        (void)sdp_plan_unbind(&plan, 1);
        (void)sdp_plan_adopt(&plan, s, NULL, 0);
        sdp_plan_commit(&plan);
        bool offerable = true;
        for (unsigned i = 0; i < plan.n; i++)
            offerable &= plan.sections[i].kind != SDP_KIND_OTHER;
        CHECK((sdp_plan_offer(&plan, &local, &offer) == 0) == offerable);
    }
    sdp_plan_done(&plan);
    if (offer) {
        struct strbuf text = fixpoint(offer, false);
        strbuf_done(&text);
        if (sdp_result_new(offer, s, false, &result, NULL, 0) == 0)
            sdp_result_free(result);
    }
    sdp_free(offer);
}

static void candidate_it(const char *text, size_t size)
{
    struct sdp_candidate one, two;
    struct strbuf out = {0};
    if (sdp_candidate_parse(text, size, &one) != 0)
        return;
    sdp_candidate_print(&one, &out);
    CHECK(sdp_candidate_parse(out.text, out.len, &two) == 0);
    CHECK(one.port == two.port && one.tcptype == two.tcptype && strcmp(one.address, two.address) == 0);
    strbuf_done(&out);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct sdp_session *s = NULL;
    char err[160];
    if (size == 0)
        return 0;
    int rc = sdp_parse((const char *)data, size, &s, err, sizeof err);
    CHECK(rc == 0 || err[0]);
    if (rc == 0) {
        struct strbuf text = fixpoint(s, false);
        strbuf_done(&text);
        answer_it(s, data, size);
        plan_it(s);
        sdp_free(s);
        s = NULL;
    }
    if (sdpfrag_parse((const char *)data, size, &s, err, sizeof err) == 0) {
        struct strbuf text = fixpoint(s, true);
        strbuf_done(&text);
        sdp_free(s);
    }
    candidate_it((const char *)data, size);
    return 0;
}
