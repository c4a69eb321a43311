/* Sections keep their place while tracks come and go. */
#include "sdp_support.h"

#include <errno.h>

static const struct sdp_track vp8 = {.stream = "PA_a|camera",
    .track = "TR_VC",
    .cname = "a",
    .ssrc = 1,
    .rtx_ssrc = 2,
    .codec = SDP_CODEC_VP8};
static const struct sdp_track opus = {.stream = "PA_a|camera",
    .track = "TR_AM",
    .cname = "a",
    .ssrc = 3,
    .codec = SDP_CODEC_OPUS,
    .fmtp = "stereo=1"};

static int bind_video(struct sdp_plan *p, uint64_t key, bool grow)
{
    return sdp_plan_bind(p, SDP_KIND_VIDEO, &vp8, key, grow);
}

/* One negotiation that we offer and the client takes whole. The directions of the sections, "SI" ... */
static const char *offer_round(struct sdp_plan *p)
{
    static char dirs[SDP_MEDIA_MAX + 1];
    struct sdp_local local = our_end();
    struct sdp_session *offer = NULL;
    assert_int_equal(sdp_plan_offer(p, &local, &offer), 0);
    for (unsigned i = 0; i < offer->n_media; i++) {
        const struct sdp_media *m = &offer->media[i];
        dirs[i] = sdp_media_rejected(m)             ? 'X'
                  : m->kind == SDP_KIND_APPLICATION ? 'D'
                  : m->dir == SDP_SENDONLY          ? 'S'
                                                    : 'I';
        assert_string_equal(m->mid, p->sections[i].mid);
    }
    dirs[offer->n_media] = 0;
    sdp_free(offer);
    return dirs;
}

static void sections_grow_and_are_reused_in_order(void **state)
{
    struct sdp_plan p;
    (void)state;
    sdp_plan_init(&p);
    assert_int_equal(sdp_plan_add_data(&p), 0);
    assert_int_equal(sdp_plan_add_data(&p), 0); /* one is enough */
    assert_int_equal(bind_video(&p, 1, true), 1);
    assert_int_equal(sdp_plan_bind(&p, SDP_KIND_AUDIO, &opus, 2, true), 2);
    assert_int_equal(bind_video(&p, 3, true), 3);
    assert_string_equal(p.sections[3].mid, "3");
    assert_string_equal(offer_round(&p), "DSSS");
    sdp_plan_commit(&p);

    assert_int_equal(sdp_plan_unbind(&p, 1), 0);
    assert_null(sdp_plan_track(&p, 1));
    assert_int_equal(sdp_plan_find(&p, 1), -ENOENT);
    assert_int_equal(sdp_plan_free(&p, SDP_KIND_VIDEO), 0); /* not before the client has seen it idle */
    assert_int_equal(bind_video(&p, 4, true), 4);
    assert_string_equal(offer_round(&p), "DXSSS");
    assert_string_equal(p.sections[1].mid, "1");
    sdp_plan_commit(&p);
    assert_string_equal(offer_round(&p), "DXSSS"); /* as long as nothing takes its place */
    assert_string_equal(p.sections[1].mid, "1");
    sdp_plan_commit(&p);
    assert_int_equal(sdp_plan_free(&p, SDP_KIND_VIDEO), 1);
    assert_int_equal(bind_video(&p, 5, true), 1); /* now */
    assert_string_equal(p.sections[1].mid, "5");  /* but as another */
    assert_string_equal(offer_round(&p), "DSSSS");
    sdp_plan_commit(&p);
    assert_int_equal(sdp_plan_find(&p, 5), 1);
    assert_int_equal(sdp_plan_unbind(&p, 5), 0);
    assert_string_equal(offer_round(&p), "DXSSS");
    sdp_plan_drop(&p, 1); /* at port 0 in the answer too, which is no refusal */
    sdp_plan_commit(&p);
    assert_int_equal(sdp_plan_bind(&p, SDP_KIND_AUDIO, &opus, 6, true), 1); /* of any kind */
    assert_string_equal(p.sections[1].mid, "6");
    assert_string_equal(offer_round(&p), "DSSSS");
    sdp_plan_done(&p);
}

/* What happens between an offer and its answer belongs to the next offer. */
static void changes_under_way_wait_for_the_next_round(void **state)
{
    struct sdp_plan p;
    (void)state;
    sdp_plan_init(&p);
    assert_int_equal(sdp_plan_add_data(&p), 0);
    assert_int_equal(bind_video(&p, 1, true), 1);
    assert_int_equal(bind_video(&p, 2, true), 2);
    assert_string_equal(offer_round(&p), "DSS");
    assert_int_equal(sdp_plan_unbind(&p, 1), 0); /* the offer on its way still shows it */
    sdp_plan_commit(&p);
    assert_int_equal(sdp_plan_free(&p, SDP_KIND_VIDEO), 0);
    assert_int_equal(bind_video(&p, 3, false), -ENOSPC);
    assert_string_equal(offer_round(&p), "DXS");
    assert_int_equal(sdp_plan_unbind(&p, 2), 0);
    sdp_plan_commit(&p);
    assert_int_equal(bind_video(&p, 3, false), 1);
    assert_int_equal(bind_video(&p, 4, false), -ENOSPC);
    assert_string_equal(offer_round(&p), "DSX");
    sdp_plan_commit(&p);
    assert_int_equal(bind_video(&p, 4, false), 2);
    sdp_plan_commit(&p); /* nothing under way: nothing changes */
    assert_int_equal(sdp_plan_find(&p, 4), 2);
    sdp_plan_done(&p);
}

/* The BUNDLE group goes by the first section: it cannot be stopped, nor carry another track. */
static void a_first_section_of_media_is_used_once(void **state)
{
    struct sdp_plan p;
    (void)state;
    sdp_plan_init(&p);
    assert_int_equal(bind_video(&p, 1, true), 0);
    assert_string_equal(offer_round(&p), "S");
    sdp_plan_commit(&p);
    assert_int_equal(sdp_plan_unbind(&p, 1), 0);
    assert_string_equal(offer_round(&p), "I");
    sdp_plan_commit(&p);
    assert_int_equal(sdp_plan_free(&p, SDP_KIND_VIDEO), 0);
    assert_int_equal(bind_video(&p, 2, true), 1);
    assert_string_equal(offer_round(&p), "IS");
    sdp_plan_commit(&p);
    assert_string_equal(offer_round(&p), "IS");
    sdp_plan_done(&p);
}

static void strings_are_copies(void **state)
{
    struct sdp_plan p;
    char stream[] = "PA_x|screen", fmtp[] = "profile-id=0";
    struct sdp_track t = vp8;
    (void)state;
    t.stream = stream;
    t.codec = SDP_CODEC_VP9;
    t.fmtp = fmtp;
    sdp_plan_init(&p);
    assert_int_equal(sdp_plan_bind(&p, SDP_KIND_VIDEO, &t, 9, true), 0);
    memset(stream, 'x', sizeof stream - 1);
    memset(fmtp, 'x', sizeof fmtp - 1);
    assert_string_equal(sdp_plan_track(&p, 0)->stream, "PA_x|screen");
    assert_string_equal(sdp_plan_track(&p, 0)->fmtp, "profile-id=0");
    assert_null(sdp_plan_track(&p, 0)->mid);
    assert_null(sdp_plan_track(&p, 1));
    sdp_plan_done(&p);
}

static void bad_tracks_are_refused(void **state)
{
    struct sdp_plan p;
    struct sdp_track nameless = vp8;
    (void)state;
    nameless.cname = NULL;
    sdp_plan_init(&p);
    assert_int_equal(bind_video(&p, 0, true), -EINVAL);
    assert_int_equal(sdp_plan_bind(&p, SDP_KIND_AUDIO, &vp8, 1, true), -EINVAL);
    assert_int_equal(sdp_plan_bind(&p, SDP_KIND_APPLICATION, &vp8, 1, true), -EINVAL);
    assert_int_equal(sdp_plan_bind(&p, SDP_KIND_VIDEO, &nameless, 1, true), -EINVAL);
    assert_int_equal(bind_video(&p, 1, true), 0);
    assert_int_equal(bind_video(&p, 1, true), -EEXIST);
    assert_int_equal(sdp_plan_unbind(&p, 2), -ENOENT);
    assert_int_equal(p.n, 1);
    sdp_plan_done(&p);
}

static void two_hundred_and_fifty_six_sections_and_no_more(void **state)
{
    struct sdp_plan p;
    (void)state;
    sdp_plan_init(&p);
    for (unsigned i = 0; i < SDP_MEDIA_MAX; i++)
        assert_int_equal(bind_video(&p, i + 1, true), i);
    assert_int_equal(bind_video(&p, 1000, true), -ENOSPC);
    assert_int_equal(sdp_plan_add_data(&p), -ENOSPC);
    assert_int_equal(strlen(offer_round(&p)), SDP_MEDIA_MAX);
    sdp_plan_done(&p);
}

static void what_the_client_refused_is_never_offered_again(void **state)
{
    struct sdp_plan p;
    (void)state;
    sdp_plan_init(&p);
    assert_int_equal(bind_video(&p, 1, true), 0);
    assert_int_equal(bind_video(&p, 2, true), 1);
    assert_string_equal(offer_round(&p), "SS");
    sdp_plan_drop(&p, 0);
    sdp_plan_drop(&p, 99);
    sdp_plan_commit(&p);
    assert_int_equal(sdp_plan_find(&p, 1), -ENOENT);
    assert_int_equal(bind_video(&p, 3, true), 2);
    assert_string_equal(offer_round(&p), "XSS");
    sdp_plan_done(&p);
}

/* ---- the client offers ---- */

/* A client's offer: a section for each letter: r(ecvonly), s(endonly), b(oth), i(nactive), x (rejected)
 * video; A recvonly audio; D data; T text. */
static struct sdp_session *client_offer(const char *letters)
{
    struct strbuf text = {0};
    strbuf_add(&text, HEAD TRANSPORT);
    for (unsigned i = 0; letters[i]; i++) {
        const char *dir = letters[i] == 's'   ? "sendonly"
                          : letters[i] == 'b' ? "sendrecv"
                          : letters[i] == 'i' ? "inactive"
                                              : "recvonly";
        if (letters[i] == 'D')
            strbuf_add(&text, "m=application 9 UDP/DTLS/SCTP webrtc-datachannel\r\n");
        else
            strbuf_addf(&text, "m=%s %u UDP/TLS/RTP/SAVPF 96\r\na=%s\r\n",
                letters[i] == 'A'   ? "audio"
                : letters[i] == 'T' ? "text"
                                    : "video",
                letters[i] == 'x' ? 0 : 9, dir);
        strbuf_addf(&text, "a=mid:m%u\r\n", i);
    }
    struct sdp_session *s = must_parse(text.text);
    strbuf_done(&text);
    return s;
}

static int adopt(struct sdp_plan *p, const char *letters)
{
    struct sdp_session *s = client_offer(letters);
    char err[200] = "";
    int rc = sdp_plan_adopt(p, s, err, sizeof err);
    sdp_free(s);
    return rc;
}

/* The states of the sections: I B R T. */
static const char *states(const struct sdp_plan *p)
{
    static char text[SDP_MEDIA_MAX + 1];
    for (unsigned i = 0; i < p->n; i++)
        text[i] = "IBRT"[p->sections[i].state];
    text[p->n] = 0;
    return text;
}

static void the_clients_sections_are_adopted(void **state)
{
    struct sdp_plan p;
    (void)state;
    sdp_plan_init(&p);
    assert_int_equal(adopt(&p, "ArrsbixDT"), 0);
    assert_string_equal(states(&p), "IIITTTTTT");
    assert_string_equal(p.sections[2].mid, "m2");
    assert_int_equal(sdp_plan_free(&p, SDP_KIND_VIDEO), 2);
    assert_int_equal(sdp_plan_free(&p, SDP_KIND_AUDIO), 1);
    assert_int_equal(bind_video(&p, 1, false), 1);
    assert_int_equal(bind_video(&p, 2, false), 2);
    assert_int_equal(bind_video(&p, 3, false), -ENOSPC); /* the client has to offer one more */
    sdp_plan_commit(&p);
    assert_int_equal(adopt(&p, "ArrsbixDTr"), 0);
    assert_string_equal(states(&p), "IBBTTTTTTI");
    assert_int_equal(bind_video(&p, 3, false), 9);
    sdp_plan_done(&p);
}

static void a_section_is_idle_for_one_answer(void **state)
{
    struct sdp_plan p;
    (void)state;
    sdp_plan_init(&p);
    assert_int_equal(adopt(&p, "r"), 0);
    assert_int_equal(bind_video(&p, 1, false), 0);
    sdp_plan_commit(&p);
    assert_int_equal(sdp_plan_unbind(&p, 1), 0);
    assert_string_equal(states(&p), "R");
    sdp_plan_commit(&p); /* some other commit: the client has not been told */
    assert_string_equal(states(&p), "R");
    assert_int_equal(adopt(&p, "r"), 0);
    assert_int_equal(bind_video(&p, 2, false), -ENOSPC); /* this answer shows it idle */
    sdp_plan_commit(&p);
    assert_string_equal(states(&p), "I");
    assert_int_equal(bind_video(&p, 2, false), 0);
    sdp_plan_done(&p);
}

static void sections_change_sides(void **state)
{
    static const struct {
        const char *first, *then, *states;
        bool bound; /* a track was in it */
    } rows[] = {
        {"r", "r", "B", true},
        {"r", "s", "T", true}, /* the client publishes where it received */
        {"r", "b", "T", true},
        {"r", "i", "T", true},
        {"r", "x", "T", true},
        {"r", "s", "T", false},
        {"s", "r", "R", false}, /* what it published is over: it sees an idle section first */
        {"s", "i", "T", false},
        {"i", "r", "R", false},
        {"x", "r", "R", false},
        {"D", "D", "T", false},
    };
    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct sdp_plan p;
        sdp_plan_init(&p);
        assert_int_equal(adopt(&p, rows[i].first), 0);
        if (rows[i].bound)
            assert_int_equal(bind_video(&p, 7, false), 0);
        sdp_plan_commit(&p);
        assert_int_equal(adopt(&p, rows[i].then), 0);
        if (strcmp(states(&p), rows[i].states) != 0)
            fail_msg("row %zu: %s", i, states(&p));
        assert_int_equal(sdp_plan_find(&p, 7) >= 0, rows[i].states[0] == 'B');
        sdp_plan_commit(&p);
        if (rows[i].states[0] == 'R')
            assert_string_equal(states(&p), "I");
        sdp_plan_done(&p);
    }
}

static void a_retiring_section_that_turns_away_is_taken(void **state)
{
    struct sdp_plan p;
    (void)state;
    sdp_plan_init(&p);
    assert_int_equal(adopt(&p, "r"), 0);
    assert_int_equal(bind_video(&p, 1, false), 0);
    assert_int_equal(sdp_plan_unbind(&p, 1), 0);
    assert_int_equal(adopt(&p, "s"), 0);
    assert_string_equal(states(&p), "T");
    sdp_plan_commit(&p);
    assert_string_equal(states(&p), "T");
    sdp_plan_done(&p);
}

static void impossible_offers_change_nothing(void **state)
{
    struct sdp_plan p;
    struct sdp_session *s;
    char err[200] = "";
    (void)state;
    sdp_plan_init(&p);
    assert_int_equal(adopt(&p, "rr"), 0);
    assert_int_equal(bind_video(&p, 1, false), 0);
    s = client_offer("r");
    assert_int_equal(sdp_plan_adopt(&p, s, err, sizeof err), -EINVAL);
    assert_string_equal(err, "the offer has 1 sections, and 2 before");
    sdp_free(s);
    s = client_offer("Ar");
    assert_int_equal(sdp_plan_adopt(&p, s, err, sizeof err), -EINVAL);
    assert_string_equal(err, "section 0 carries a track and has another mid or kind now");
    sdp_free(s);
    s = must_parse(
        HEAD TRANSPORT "m=video 9 UDP/TLS/RTP/SAVPF 96\r\na=mid:m0\r\nm=video 9 UDP/TLS/RTP/SAVPF 96\r\n");
    assert_int_equal(sdp_plan_adopt(&p, s, err, sizeof err), -EINVAL);
    assert_string_equal(err, "section 1 has no mid");
    sdp_free(s);
    assert_string_equal(states(&p), "BI");
    assert_int_equal(p.n, 2);
    sdp_plan_done(&p);
}

/* A stopped section comes back with another mid and even another kind: Chromium does so. */
static void a_stopped_section_comes_back_as_another(void **state)
{
    struct sdp_plan p;
    (void)state;
    sdp_plan_init(&p);
    assert_int_equal(adopt(&p, "rr"), 0);
    assert_int_equal(bind_video(&p, 1, false), 0);
    sdp_plan_commit(&p);
    assert_int_equal(adopt(&p, "xr"), 0);
    assert_string_equal(states(&p), "TI");
    sdp_plan_commit(&p);
    struct sdp_session *s =
        must_parse(HEAD TRANSPORT "m=audio 9 UDP/TLS/RTP/SAVPF 96\r\na=mid:new\r\na=recvonly\r\n"
                                  "m=video 9 UDP/TLS/RTP/SAVPF 96\r\na=mid:m1\r\na=recvonly\r\n");
    assert_int_equal(sdp_plan_adopt(&p, s, NULL, 0), 0);
    sdp_free(s);
    assert_string_equal(states(&p), "II");
    assert_string_equal(p.sections[0].mid, "new");
    assert_int_equal(sdp_plan_bind(&p, SDP_KIND_AUDIO, &opus, 2, false), 0);
    sdp_plan_done(&p);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(sections_grow_and_are_reused_in_order),
        cmocka_unit_test(changes_under_way_wait_for_the_next_round),
        cmocka_unit_test(a_first_section_of_media_is_used_once),
        cmocka_unit_test(strings_are_copies),
        cmocka_unit_test(bad_tracks_are_refused),
        cmocka_unit_test(two_hundred_and_fifty_six_sections_and_no_more),
        cmocka_unit_test(what_the_client_refused_is_never_offered_again),
        cmocka_unit_test(the_clients_sections_are_adopted),
        cmocka_unit_test(a_section_is_idle_for_one_answer),
        cmocka_unit_test(sections_change_sides),
        cmocka_unit_test(a_retiring_section_that_turns_away_is_taken),
        cmocka_unit_test(impossible_offers_change_nothing),
        cmocka_unit_test(a_stopped_section_comes_back_as_another),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
