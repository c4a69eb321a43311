/* What the tests of sdp/ share: files, parsing that must succeed, our end of a connection. */
#ifndef SDP_SUPPORT_H
#define SDP_SUPPORT_H

#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "sdp/plan.h"

#define CORPUS  "tests/fuzz/corpus/sdp/"
#define VECTORS "tests/vectors/sdp/"
#define FINGERPRINT                                                                                          \
    "69:41:B3:00:62:FC:77:BD:6F:46:01:BA:D9:AC:96:68:07:72:B0:04:16:54:72:73:93:E8:55:B5:6D:AA:8F:CA"

/* The lines that every description here starts with: lines 1 to 5; with a transport, 1 to 9. */
#define HEAD "v=0\r\no=- 1 2 IN IP4 127.0.0.1\r\ns=-\r\nt=0 0\r\n"
#define TRANSPORT                                                                                            \
    "a=ice-ufrag:clnt\r\na=ice-pwd:0123456789012345678901\r\na=fingerprint:sha-256 " FINGERPRINT             \
    "\r\na=setup:actpass\r\n"

/* One video section with these codecs; everything else as it should be. */
#define VIDEO_OFFER(pts, lines)                                                                              \
    HEAD "a=group:BUNDLE 0\r\n" TRANSPORT "m=video 9 UDP/TLS/RTP/SAVPF " pts                                 \
         "\r\na=mid:0\r\na=rtcp-mux\r\n" lines
#define AUDIO_OFFER(pts, lines)                                                                              \
    HEAD "a=group:BUNDLE 0\r\n" TRANSPORT "m=audio 9 UDP/TLS/RTP/SAVPF " pts                                 \
         "\r\na=mid:0\r\na=rtcp-mux\r\n" lines

#define N(d) (sizeof(d) / sizeof(d)[0])

/* A whole file, zero-terminated; the caller frees it. */
static inline char *read_file(const char *folder, const char *name, size_t *ret_len)
{
    char path[256];
    (void)snprintf(path, sizeof path, "%s%s", folder, name);
    FILE *f = fopen(path, "rb");
    if (!f)
        fail_msg("cannot open %s", path);
    char *text = calloc(1, SDP_SIZE_MAX + 1);
    assert_non_null(text);
    *ret_len = fread(text, 1, SDP_SIZE_MAX, f);
    assert_int_equal(fclose(f), 0);
    assert_true(*ret_len > 0);
    return text;
}

static inline struct sdp_session *must_parse(const char *text)
{
    struct sdp_session *s = NULL;
    char err[200] = "";
    if (sdp_parse(text, strlen(text), &s, err, sizeof err) != 0)
        fail_msg("not parsed: %s", err);
    return s;
}

static inline struct sdp_session *parse_file(const char *name)
{
    size_t len;
    char *text = read_file(CORPUS, name, &len);
    struct sdp_session *s = must_parse(text);
    free(text);
    return s;
}

/* The printed description; the caller frees it. */
static inline char *text_of(const struct sdp_session *s)
{
    struct strbuf out = {0};
    sdp_print(s, &out);
    char *text = strbuf_take(&out);
    assert_non_null(text);
    return text;
}

static inline struct sdp_candidate host_candidate(void)
{
    static const char text[] = "candidate:1 1 udp 2130706431 127.0.0.1 21299 typ host";
    struct sdp_candidate c;
    assert_int_equal(sdp_candidate_parse(text, strlen(text), &c), 0);
    return c;
}

/* Our end; candidates are the caller's to add. */
static inline struct sdp_local our_end(void)
{
    return (struct sdp_local){
        .origin_id = 4242,
        .origin_version = 1,
        .ufrag = "srvU",
        .pwd = "srvPassword0123456789abcd",
        .fingerprint = FINGERPRINT,
        .ice_lite = true,
    };
}

/* Answers with these decisions; both must work. */
static inline struct sdp_session *must_answer(
    const struct sdp_session *offer, const struct sdp_decision *d, unsigned n)
{
    struct sdp_local local = our_end();
    struct sdp_session *answer = NULL;
    char err[200] = "";
    if (sdp_answer(offer, &local, d, n, &answer, err, sizeof err) != 0)
        fail_msg("not answered: %s", err);
    return answer;
}

/* Answers a text of one section and gives the section; the session goes to *ret. */
static inline const struct sdp_media *answer_one(
    const char *offer_text, struct sdp_decision d, struct sdp_session **ret)
{
    struct sdp_session *offer = must_parse(offer_text);
    *ret = must_answer(offer, &d, 1);
    sdp_free(offer); /* the answer refers to nothing of it */
    return &(*ret)->media[0];
}

static inline struct sdp_result *must_agree(
    const struct sdp_session *offer, const struct sdp_session *answer, bool we_answered)
{
    struct sdp_result *r = NULL;
    char err[200] = "";
    if (sdp_result_new(offer, answer, we_answered, &r, err, sizeof err) != 0)
        fail_msg("no agreement: %s", err);
    return r;
}

/* The payload types of a section, "96 97 98". */
static inline const char *pts_of(const struct sdp_media *m)
{
    static char text[1024];
    size_t at = 0;
    text[0] = 0;
    for (unsigned i = 0; i < m->n_codecs; i++)
        at += (size_t)snprintf(&text[at], sizeof text - at, "%s%u", i ? " " : "", m->codecs[i].pt);
    return text;
}

#endif
