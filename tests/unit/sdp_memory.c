/* When memory runs short, at any moment: -ENOMEM, nothing left behind, nothing touched. */
#include "sdp_support.h"

#include <errno.h>

#include "support/short_memory.h"

static char *text; /* what is parsed */
static size_t text_len;
static struct sdp_session *offer, *answer;
static unsigned kind_of_answer; /* which decisions are taken */

static const struct sdp_track track = {.stream = "PA_a|camera",
    .track = "TR_VC",
    .cname = "a",
    .ssrc = 1,
    .rtx_ssrc = 2,
    .codec = SDP_CODEC_H264,
    .fmtp = "packetization-mode=1;profile-level-id=42e01f"};

static int parse(void)
{
    struct sdp_session *s = NULL;
    int rc = sdp_parse(text, text_len, &s, NULL, 0);
    assert_true(rc == 0 || !s);
    sdp_free(s);
    return rc;
}

static int parse_fragment(void)
{
    struct sdp_session *s = NULL;
    int rc = sdpfrag_parse(text, text_len, &s, NULL, 0);
    assert_true(rc == 0 || !s);
    sdp_free(s);
    return rc;
}

static int answer_offer(void)
{
    struct sdp_local local = our_end();
    struct sdp_decision d[8] = {{0}};
    struct sdp_session *s = NULL;
    struct sdp_candidate candidates[3] = {{.port = 1}, {.port = 2}, {.port = 3}};
    local.candidates = candidates;
    local.n_candidates = 3;
    for (unsigned i = 0; i < 8; i++)
        d[i] = (struct sdp_decision){.receive = true,
            .opus_dtx = true,
            .opus_stereo = true,
            .reject = kind_of_answer == 1,
            .track = kind_of_answer == 2 ? &track : NULL};
    int rc = sdp_answer(offer, &local, d, offer->n_media, &s, NULL, 0);
    assert_true(rc == 0 || !s);
    sdp_free(s);
    return rc;
}

static int agree(void)
{
    struct sdp_result *r = NULL;
    int rc = sdp_result_new(offer, answer, false, &r, NULL, 0);
    assert_true(rc == 0 || !r);
    sdp_result_free(r);
    return rc;
}

static int plan_and_offer(void)
{
    struct sdp_local local = our_end();
    struct sdp_session *s = NULL;
    struct sdp_plan p;
    sdp_plan_init(&p);
    int rc = sdp_plan_adopt(&p, offer, NULL, 0);
    for (unsigned i = 1; i <= 20 && rc >= 0; i++)
        rc = sdp_plan_bind(&p, SDP_KIND_VIDEO, &track, i, true);
    if (rc >= 0)
        rc = sdp_plan_add_data(&p);
    if (rc >= 0)
        rc = sdp_plan_offer(&p, &local, &s);
    assert_true(rc == 0 || !s);
    sdp_free(s);
    sdp_plan_done(&p);
    return rc;
}

static int print(void)
{
    struct strbuf out = {0};
    sdp_print(offer, &out);
    int rc = strbuf_ok(&out) ? 0 : -ENOMEM;
    strbuf_done(&out);
    return rc;
}

static void reading(void **state)
{
    static const char *const files[] = {
        "chromium-156-join-offer.sdp", "firefox-153-publish-offer.sdp", "rfc8829-b2-offer.sdp"};
    (void)state;
    for (size_t i = 0; i < sizeof files / sizeof files[0]; i++) {
        text = read_file(CORPUS, files[i], &text_len);
        memory_fail_each(parse);
        memory_fail_each(parse_fragment);
        free(text);
    }
}

/* Every allocation of the parser, not only those that open a new chunk: the texts are made longer bit by bit,
 * so that the chunks end elsewhere each time. */
static void reading_at_every_place(void **state)
{
    size_t len;
    char *file = read_file(CORPUS, "firefox-153-publish-offer.sdp", &len);
    (void)state;
    text = malloc(len + 8192);
    assert_non_null(text);
    for (unsigned pad = 16; pad < 8192; pad += 112) {
        struct strbuf out = {0};
        strbuf_add(&out, "v=0\r\no=");
        for (unsigned i = 0; i < pad / 16 && i < SDP_TEXT_MAX; i++)
            strbuf_add(&out, "x");
        strbuf_add(&out, " 1 1 IN IP4 0.0.0.0\r\n");
        for (unsigned i = 0; i < pad / 1024; i++)
            strbuf_addf(&out, "a=group:LS %0*u\r\n", SDP_MID_MAX, i);
        strbuf_add(&out, strstr(file, "s=-"));
        assert_true(strbuf_ok(&out) && out.len < len + 8192);
        memcpy(text, out.text, out.len);
        text_len = out.len;
        strbuf_done(&out);
        memory_fail_each(parse);
    }
    free(text);
    free(file);
}

static void answering(void **state)
{
    static const char *const files[] = {"chromium-156-publish-offer.sdp", "chromium-156-join-offer.sdp",
        "firefox-153-publish-offer.sdp", "rfc8829-b2-offer.sdp"};
    (void)state;
    for (size_t i = 0; i < sizeof files / sizeof files[0]; i++) {
        offer = parse_file(files[i]);
        for (kind_of_answer = 0; kind_of_answer < 3; kind_of_answer++)
            if (kind_of_answer != 1 || i == 1)
                memory_fail_each(answer_offer);
        memory_fail_each(print);
        sdp_free(offer);
    }
}

static void agreeing(void **state)
{
    (void)state;
    offer = parse_file("rfc8829-b2-offer.sdp");
    answer = parse_file("rfc8829-b2-answer.sdp");
    memory_fail_each(agree);
    sdp_free(offer);
    sdp_free(answer);
}

static void planning(void **state)
{
    (void)state;
    offer = parse_file("chromium-156-join-offer.sdp");
    memory_fail_each(plan_and_offer);
    sdp_free(offer);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(reading),
        cmocka_unit_test(reading_at_every_place),
        cmocka_unit_test(answering),
        cmocka_unit_test(agreeing),
        cmocka_unit_test(planning),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
