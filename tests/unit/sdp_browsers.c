/* Negotiations that real browsers took, played again: our part must be the same byte for byte. How they were
 * recorded is told in tests/vectors/sdp/README.md. */
#include "sdp_support.h"

struct play {
    struct sdp_plan plan;
    struct sdp_session *offer; /* the last one of either side */
    enum sdp_codec_id prefer_audio, prefer_video;
    bool only, dtx, stereo;
    bool ours; /* the last offer is ours */
    uint64_t version;
    char *expected; /* what we have to say next */
    unsigned rounds;
};

static void do_bind(struct play *p, const char *line)
{
    char kind[16], mime[32], stream[64], track[64], grow[8];
    unsigned long long key;
    unsigned ssrc, rtx_ssrc;
    assert_int_equal(sscanf(line, "bind %15s %31s %llu %63s %63s %u %u %7s", kind, mime, &key, stream, track,
                         &ssrc, &rtx_ssrc, grow),
        8);
    struct sdp_track t = {
        .stream = stream,
        .track = track,
        .cname = stream,
        .ssrc = ssrc,
        .rtx_ssrc = rtx_ssrc,
        .codec = sdp_codec_from_mime(mime),
    };
    if (t.codec == SDP_CODEC_RED)
        t.codecs = SDP_CODEC_BIT(SDP_CODEC_OPUS);
    enum sdp_kind k = strcmp(kind, "audio") == 0 ? SDP_KIND_AUDIO : SDP_KIND_VIDEO;
    assert_true(sdp_plan_bind(&p->plan, k, &t, key, grow[0] == 'g') >= 0);
}

static void do_prefer(struct play *p, const char *mime)
{
    enum sdp_codec_id id = sdp_codec_from_mime(mime);
    assert_int_not_equal(id, SDP_CODEC_OTHER);
    if (sdp_codec_kind(id) == SDP_KIND_AUDIO)
        p->prefer_audio = id;
    else
        p->prefer_video = id;
}

static void do_command(struct play *p, const char *line)
{
    if (strncmp(line, "bind ", 5) == 0)
        do_bind(p, line);
    else if (strncmp(line, "unbind ", 7) == 0)
        assert_int_equal(sdp_plan_unbind(&p->plan, strtoull(&line[7], NULL, 10)), 0);
    else if (strncmp(line, "drop ", 5) == 0)
        sdp_plan_drop(&p->plan, (unsigned)strtoul(&line[5], NULL, 10));
    else if (strncmp(line, "prefer ", 7) == 0)
        do_prefer(p, &line[7]);
    else if (strcmp(line, "data") == 0)
        assert_true(sdp_plan_add_data(&p->plan) >= 0);
    else if (strncmp(line, "set", 3) == 0) {
        p->only = strstr(line, "only");
        p->dtx = strstr(line, "dtx");
        p->stereo = strstr(line, "stereo");
    } else
        fail_msg("what is \"%s\"?", line);
}

static struct sdp_local local_of(struct play *p, const struct sdp_candidate *candidate)
{
    struct sdp_local local = our_end();
    local.origin_version = ++p->version;
    local.trickle = true;
    local.candidates = candidate;
    local.n_candidates = 1;
    local.end_of_candidates = true;
    return local;
}

/* Every bound section that the browser takes sends what is bound to it. */
static void check_result(struct play *p, const struct sdp_session *answer)
{
    struct sdp_result *r = must_agree(p->offer, answer, !p->ours);
    assert_int_equal(r->n_sections, p->offer->n_media);
    assert_int_equal(r->dtls_client, false);
    assert_true(r->n_fingerprints > 0);
    for (unsigned i = 0; i < r->n_sections; i++) {
        const struct sdp_section_result *s = &r->sections[i];
        const struct sdp_track *track = sdp_plan_track(&p->plan, i);
        assert_string_equal(s->mid, p->plan.sections[i].mid);
        if (s->rejected)
            continue;
        assert_int_equal((s->dir & SDP_SENDONLY) != 0, track != NULL || s->kind == SDP_KIND_APPLICATION);
        if (!track)
            continue;
        assert_int_equal(s->codecs[0].id, track->codec);
        assert_int_equal(s->codecs[0].rtx_pt >= 0, s->kind == SDP_KIND_VIDEO);
        assert_true(s->mixed_ext && s->ext_id[SDP_EXT_MID] && s->ext_id[SDP_EXT_TRANSPORT_CC]);
    }
    sdp_result_free(r);
}

static void same_text(const struct sdp_session *s, const char *expected)
{
    char *text = text_of(s);
    assert_string_equal(text, expected);
    free(text);
}

static void client_offers(struct play *p, const char *text)
{
    char err[200] = "";
    sdp_free(p->offer);
    p->offer = must_parse(text);
    p->ours = false;
    if (sdp_plan_adopt(&p->plan, p->offer, err, sizeof err) != 0)
        fail_msg("%s", err);
}

static void we_answer(struct play *p, const char *expected)
{
    struct sdp_candidate candidate = host_candidate();
    struct sdp_local local = local_of(p, &candidate);
    struct sdp_decision *d = calloc(p->offer->n_media, sizeof *d);
    struct sdp_session *answer = NULL;
    char err[200] = "";
    assert_non_null(d);
    for (unsigned i = 0; i < p->offer->n_media; i++) {
        const struct sdp_media *m = &p->offer->media[i];
        d[i].receive = m->dir & SDP_SENDONLY;
        d[i].track = sdp_plan_track(&p->plan, i);
        d[i].prefer = m->kind == SDP_KIND_AUDIO ? p->prefer_audio : p->prefer_video;
        d[i].only = p->only;
        d[i].opus_dtx = p->dtx;
        d[i].opus_stereo = p->stereo;
    }
    if (sdp_answer(p->offer, &local, d, p->offer->n_media, &answer, err, sizeof err) != 0)
        fail_msg("%s", err);
    same_text(answer, expected);
    check_result(p, answer);
    sdp_plan_commit(&p->plan);
    sdp_free(answer);
    free(d);
    p->rounds++;
}

static void we_offer(struct play *p, const char *expected)
{
    struct sdp_candidate candidate = host_candidate();
    struct sdp_local local = local_of(p, &candidate);
    sdp_free(p->offer);
    p->offer = NULL;
    assert_int_equal(sdp_plan_offer(&p->plan, &local, &p->offer), 0);
    p->ours = true;
    same_text(p->offer, expected);
}

static void client_answers(struct play *p, const char *text)
{
    struct sdp_session *answer = must_parse(text);
    check_result(p, answer);
    sdp_plan_commit(&p->plan);
    sdp_free(answer);
    p->rounds++;
}

/* One step: its name and the description that follows. */
static void do_step(struct play *p, const char *name, const char *body)
{
    if (strcmp(name, "client-offer") == 0)
        client_offers(p, body);
    else if (strcmp(name, "our-answer") == 0)
        we_answer(p, body);
    else if (strcmp(name, "our-offer") == 0)
        we_offer(p, body);
    else if (strcmp(name, "client-answer") == 0)
        client_answers(p, body);
    else
        do_command(p, name);
}

static void play_file(const char *name, unsigned rounds)
{
    struct play p = {0};
    size_t len;
    char *text = read_file(VECTORS, name, &len);
    sdp_plan_init(&p.plan);
    assert_memory_equal(text, "@ ", 2);
    for (char *step = text; step;) {
        char *line = step + 2, *end = strchr(line, '\n'), *next;
        assert_non_null(end);
        *end = 0;
        char *body = end + 1;
        if (strncmp(body, "@ ", 2) == 0) {
            next = body;
        } else {
            next = strstr(body, "\n@ ");
            if (next)
                next++;
        }
        char *copy = next ? strndup(body, (size_t)(next - body)) : strdup(body);
        assert_non_null(copy);
        do_step(&p, line, copy);
        free(copy);
        step = next;
    }
    assert_int_equal(p.rounds, rounds);
    sdp_plan_done(&p.plan);
    sdp_free(p.offer);
    free(text);
}

static void chromium_joins_and_publishes(void **state)
{
    (void)state;
    play_file("chromium-156-join.txt", 3);
}

static void chromium_sections_are_reused(void **state)
{
    (void)state;
    play_file("chromium-156-reuse.txt", 8);
}

static void chromium_publishes_one_codec(void **state)
{
    (void)state;
    play_file("chromium-156-only.txt", 1);
}

static void chromium_publishes_h264(void **state)
{
    (void)state;
    play_file("chromium-156-h264.txt", 1);
}

static void chromium_is_offered_tracks(void **state)
{
    (void)state;
    play_file("chromium-156-dual.txt", 4);
}

static void firefox_joins_and_publishes(void **state)
{
    (void)state;
    play_file("firefox-153-join.txt", 3);
}

static void firefox_sections_are_reused(void **state)
{
    (void)state;
    play_file("firefox-153-reuse.txt", 8);
}

static void firefox_publishes_one_codec(void **state)
{
    (void)state;
    play_file("firefox-153-only.txt", 1);
}

static void firefox_is_offered_tracks(void **state)
{
    (void)state;
    play_file("firefox-153-dual.txt", 4);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(chromium_joins_and_publishes),
        cmocka_unit_test(chromium_sections_are_reused),
        cmocka_unit_test(chromium_publishes_one_codec),
        cmocka_unit_test(chromium_publishes_h264),
        cmocka_unit_test(chromium_is_offered_tracks),
        cmocka_unit_test(firefox_joins_and_publishes),
        cmocka_unit_test(firefox_sections_are_reused),
        cmocka_unit_test(firefox_publishes_one_codec),
        cmocka_unit_test(firefox_is_offered_tracks),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
