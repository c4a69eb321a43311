/* The ClientHellos of browsers, whole and maltreated, are answered by a server of ours. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "base/cursor.h"
#include "dtls/session_private.h"

#define VECTORS       "tests/vectors/clienthello/"
#define RECORD_HEADER 13
#define HS_HEADER     12
#define HELLO_MAX     4096

static struct dtls_context *context;

/* ---- what a browser sent ---- */

struct datagram {
    uint8_t data[DTLS_RECORD_MAX];
    size_t len;
};

struct browser {
    const char *name;
    struct datagram first[2], again[2];
};

static struct browser browsers[] = {{.name = "chromium-156"}, {.name = "firefox-153"}};
#define BROWSERS (sizeof browsers / sizeof browsers[0])

static void load(struct datagram *d, const char *browser, const char *part)
{
    char path[128];
    (void)snprintf(path, sizeof path, VECTORS "%s-%s.bin", browser, part);
    FILE *f = fopen(path, "rb");
    assert_non_null(f);
    d->len = fread(d->data, 1, sizeof d->data, f);
    assert_int_equal(fclose(f), 0);
    assert_true(d->len > RECORD_HEADER + HS_HEADER);
}

static void load_all(void)
{
    for (size_t i = 0; i < BROWSERS; i++) {
        load(&browsers[i].first[0], browsers[i].name, "first-0");
        load(&browsers[i].first[1], browsers[i].name, "first-1");
        load(&browsers[i].again[0], browsers[i].name, "again-0");
        load(&browsers[i].again[1], browsers[i].name, "again-1");
    }
}

static int make_context(void **state)
{
    struct cert *cert = NULL;
    (void)state;
    load_all();
    if (cert_make(&(struct cert_subject){.days = 30}, &cert, NULL) < 0 ||
        dtls_context_new(cert, &context) < 0)
        return -1;
    cert_free(cert);
    return 0;
}

static int free_context(void **state)
{
    (void)state;
    dtls_context_free(context);
    return 0;
}

/* ---- the server ---- */

struct server {
    struct dtls_session *session;
    int datagrams;
    int server_hellos; /* handshake messages of type 2 seen going out */
    int closed;
};

static void on_send(void *arg, const uint8_t *data, size_t len)
{
    struct server *s = arg;
    struct cursor c = cursor_of(data, len);

    assert_in_range(len, RECORD_HEADER + 1, DTLS_MTU);
    s->datagrams++;
    while (cursor_left(&c) > 0) {
        uint8_t type = cursor_u8(&c);
        assert_int_equal(cursor_u16(&c), 0xfefd); /* DTLS 1.2 */
        cursor_skip(&c, 8);
        struct cursor body = cursor_sub(&c, cursor_u16(&c));
        if (type == 22 && cursor_u8(&body) == 2)
            s->server_hellos++;
    }
    assert_false(c.bad);
}

static void on_established(void *arg, const struct dtls_keys *keys)
{
    (void)arg;
    (void)keys;
    fail();
}

static void on_data(void *arg, const uint8_t *data, size_t len)
{
    (void)arg;
    (void)data;
    (void)len;
    fail();
}

static void on_closed(void *arg, enum dtls_close why, const char *text)
{
    struct server *s = arg;
    (void)why;
    print_message("# closed: %s\n", text);
    s->closed++;
}

static const struct dtls_ops ops = {on_send, on_established, on_data, on_closed};

static void server_open(struct server *s)
{
    memset(s, 0, sizeof *s);
    assert_int_equal(dtls_session_new(context, DTLS_SERVER, &ops, s, &s->session), 0);
}

static void feed(struct server *s, const struct datagram *d)
{
    dtls_session_input(s->session, d->data, d->len, 1000);
}

/* The hello has been understood: one flight is out, and it chose what we like best. */
static void expect_answered(struct server *s)
{
    assert_int_equal(s->closed, 0);
    assert_int_equal(s->server_hellos, 1);
    assert_in_range(s->datagrams, 1, 3);
    const SRTP_PROTECTION_PROFILE *profile = SSL_get_selected_srtp_profile(s->session->ssl);
    assert_non_null(profile);
    assert_int_equal(profile->id, SRTP_AEAD_AES_128_GCM);
    assert_string_equal(
        SSL_CIPHER_get_name(SSL_get_pending_cipher(s->session->ssl)), "ECDHE-ECDSA-AES128-GCM-SHA256");
    dtls_session_free(s->session);
}

static void expect_silent(const struct server *s)
{
    assert_int_equal(s->closed, 0);
    assert_int_equal(s->datagrams, 0);
}

/* ---- as browsers send them ---- */

static void browsers_are_answered(void **state)
{
    struct server s;
    (void)state;
    for (size_t i = 0; i < BROWSERS; i++) {
        server_open(&s);
        feed(&s, &browsers[i].first[0]);
        expect_silent(&s);
        feed(&s, &browsers[i].first[1]);
        expect_answered(&s);
    }
}

static void repetitions_alone_are_answered(void **state)
{
    struct server s;
    (void)state;
    for (size_t i = 0; i < BROWSERS; i++) {
        server_open(&s);
        feed(&s, &browsers[i].again[0]);
        feed(&s, &browsers[i].again[1]);
        expect_answered(&s);
    }
}

static void reordered_fragments_are_answered(void **state)
{
    struct server s;
    (void)state;
    for (size_t i = 0; i < BROWSERS; i++) {
        server_open(&s);
        feed(&s, &browsers[i].first[1]);
        expect_silent(&s);
        feed(&s, &browsers[i].first[0]);
        expect_answered(&s);
    }
}

static void a_lost_fragment_is_made_up_for_by_the_repetition(void **state)
{
    struct server s;
    (void)state;
    /* Firefox cuts its repetition elsewhere: what came before overlaps what comes now. */
    for (size_t i = 0; i < BROWSERS; i++) {
        for (int lost = 0; lost < 2; lost++) {
            for (int order = 0; order < 2; order++) {
                server_open(&s);
                feed(&s, &browsers[i].first[!lost]);
                feed(&s, &browsers[i].again[order]);
                if (s.server_hellos == 0)
                    feed(&s, &browsers[i].again[!order]);
                expect_answered(&s);
            }
        }
    }
}

static void duplicated_fragments_are_answered_once(void **state)
{
    struct server s;
    (void)state;
    for (size_t i = 0; i < BROWSERS; i++) {
        server_open(&s);
        for (int k = 0; k < 3; k++)
            feed(&s, &browsers[i].first[0]);
        feed(&s, &browsers[i].again[0]);
        expect_silent(&s);
        feed(&s, &browsers[i].first[1]);
        feed(&s, &browsers[i].first[1]);
        expect_answered(&s);
    }
}

static void two_browsers_at_once_do_not_mix(void **state)
{
    struct server a, b;
    (void)state;
    server_open(&a);
    server_open(&b);
    feed(&a, &browsers[0].first[0]);
    feed(&b, &browsers[1].first[1]);
    feed(&b, &browsers[1].first[0]);
    feed(&a, &browsers[0].first[1]);
    expect_answered(&a);
    expect_answered(&b);
}

static void junk_between_fragments_does_no_harm(void **state)
{
    struct server s;
    struct datagram junk = {.len = 300};
    (void)state;
    for (size_t i = 0; i < BROWSERS; i++) {
        server_open(&s);
        feed(&s, &browsers[i].first[0]);
        for (int first = 0; first < 256; first++) {
            memset(junk.data, 0xa5, junk.len);
            junk.data[0] = (uint8_t)first;
            feed(&s, &junk);
        }
        dtls_session_input(s.session, browsers[i].first[1].data, RECORD_HEADER - 1, 1000); /* cut */
        dtls_session_input(s.session, browsers[i].first[1].data, RECORD_HEADER + 20, 1000);
        expect_silent(&s);
        feed(&s, &browsers[i].first[1]);
        expect_answered(&s);
    }
}

/* ---- cut into pieces of our own ---- */

struct hello {
    uint8_t body[HELLO_MAX]; /* without the handshake header */
    size_t len;
    uint64_t sequence; /* of the next record */
};

static void join(struct hello *h, const struct browser *b)
{
    memset(h, 0, sizeof *h);
    for (int i = 0; i < 2; i++) {
        struct cursor c = cursor_of(b->first[i].data, b->first[i].len);
        cursor_skip(&c, RECORD_HEADER + 1);
        h->len = cursor_u24(&c);
        assert_int_equal(cursor_u16(&c), 0);
        uint32_t offset = cursor_u24(&c), len = cursor_u24(&c);
        const uint8_t *bytes = cursor_bytes(&c, len);
        assert_non_null(bytes);
        assert_true(offset + len <= h->len && h->len <= sizeof h->body);
        memcpy(h->body + offset, bytes, len);
    }
}

static void cut(struct hello *h, size_t from, size_t len, struct datagram *ret)
{
    struct writer w = writer_of(ret->data, sizeof ret->data);
    if (from + len > h->len)
        len = h->len - from;
    writer_u8(&w, 22);
    writer_u16(&w, 0xfeff);
    writer_u64(&w, h->sequence++); /* epoch 0 */
    writer_u16(&w, (uint16_t)(HS_HEADER + len));
    writer_u8(&w, 1);
    writer_u24(&w, (uint32_t)h->len);
    writer_u16(&w, 0);
    writer_u24(&w, (uint32_t)from);
    writer_u24(&w, (uint32_t)len);
    writer_bytes(&w, h->body + from, len);
    assert_false(w.bad);
    ret->len = w.len;
}

static void any_fragmentation_is_answered(void **state)
{
    static const size_t sizes[] = {40, 100, 237, 500, 1000, 1500};
    struct hello h;
    struct server s;
    struct datagram d;
    (void)state;
    for (size_t i = 0; i < BROWSERS; i++) {
        for (size_t k = 0; k < sizeof sizes / sizeof sizes[0]; k++) {
            join(&h, &browsers[i]);
            server_open(&s);
            for (size_t at = 0; at < h.len; at += sizes[k]) {
                expect_silent(&s);
                cut(&h, at, sizes[k], &d);
                feed(&s, &d);
            }
            expect_answered(&s);
        }
    }
}

static uint32_t next_random(uint32_t *seed)
{
    *seed = *seed * 1664525 + 1013904223;
    return *seed >> 8;
}

static void random_overlapping_pieces_are_answered(void **state)
{
    struct hello h;
    struct server s;
    struct datagram d;
    (void)state;
    for (uint32_t seed = 1; seed <= 100; seed++) {
        uint32_t random = seed;
        uint8_t have[HELLO_MAX] = {0};
        join(&h, &browsers[seed % BROWSERS]);
        server_open(&s);
        while (memchr(have, 0, h.len)) {
            size_t from = next_random(&random) % h.len;
            size_t len = 1 + next_random(&random) % 700;
            if (next_random(&random) % 4 == 0)
                from = (size_t)((uint8_t *)memchr(have, 0, h.len) - have); /* so that it ends */
            if (from + len > h.len)
                len = h.len - from;
            expect_silent(&s);
            cut(&h, from, len, &d);
            feed(&s, &d);
            memset(have + from, 1, len);
        }
        expect_answered(&s);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(browsers_are_answered),
        cmocka_unit_test(repetitions_alone_are_answered),
        cmocka_unit_test(reordered_fragments_are_answered),
        cmocka_unit_test(a_lost_fragment_is_made_up_for_by_the_repetition),
        cmocka_unit_test(duplicated_fragments_are_answered_once),
        cmocka_unit_test(two_browsers_at_once_do_not_mix),
        cmocka_unit_test(junk_between_fragments_does_no_harm),
        cmocka_unit_test(any_fragmentation_is_answered),
        cmocka_unit_test(random_overlapping_pieces_are_answered),
    };
    return cmocka_run_group_tests(tests, make_context, free_context);
}
