/* The web client's files: what is served as what, with which headers, and that nothing else can be reached.
 */
#include <setjmp.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include <cmocka.h>

#include "support/http_client.h"
#include "support/http_server.h"
#include "tls/cert.h"

static char dir[64];

static void put(const char *path, const char *text)
{
    char full[256];
    snprintf(full, sizeof full, "%s/%s", dir, path);
    FILE *f = fopen(full, "w");
    assert_non_null(f);
    fputs(text, f);
    fclose(f);
}

static void make_dir(const char *path)
{
    char full[256];
    snprintf(full, sizeof full, "%s/%s", dir, path);
    assert_int_equal(mkdir(full, 0755), 0);
}

static void make_link(const char *to, const char *path)
{
    char full[256];
    snprintf(full, sizeof full, "%s/%s", dir, path);
    assert_int_equal(symlink(to, full), 0);
}

/* Makes a file so much older. */
static void age(const char *path, int seconds)
{
    char full[256];
    struct stat st;
    snprintf(full, sizeof full, "%s/%s", dir, path);
    assert_int_equal(stat(full, &st), 0);
    struct timespec times[2] = {st.st_atim, st.st_mtim};
    times[1].tv_sec -= seconds;
    assert_int_equal(utimensat(AT_FDCWD, full, times, 0), 0);
}

static void take_away(const char *path)
{
    char full[256];
    snprintf(full, sizeof full, "%s/%s", dir, path);
    assert_int_equal(unlink(full), 0);
}

static int setup(void **state)
{
    snprintf(dir, sizeof dir, "/tmp/http_static.XXXXXX");
    assert_non_null(mkdtemp(dir));
    make_dir("dist");
    make_dir("dist/assets");
    make_dir("dist/.hidden");
    put("secret.txt", "secret");
    put("dist/index.html", "<!doctype html>index");
    put("dist/favicon.svg", "<svg/>");
    put("dist/assets/app-1a2b.js", "app()");
    put("dist/assets/app-1a2b.css", "body{}");
    put("dist/assets/data", "no extension");
    put("dist/with space.txt", "space");
    put("dist/empty.txt", "");
    put("dist/assets/app-1a2b.js.gz", "packed app");
    put("dist/index.html.gz", "packed index");
    put("dist/old.css", "a{}");
    put("dist/old.css.gz", "packed old");
    put("dist/alone.txt.gz", "packed");
    age("dist/old.css.gz", 2);
    put("dist/.env", "secret");
    put("dist/.hidden/x.txt", "secret");
    make_link("../secret.txt", "dist/escape.txt");
    make_link("/etc", "dist/etc");
    make_link("../secret.txt", "dist/favicon.svg.gz");
    make_link("..", "dist/up");
    char dist[80];
    snprintf(dist, sizeof dist, "%s/dist", dir);
    struct http_config config = {.static_dir = dist};
    *state = server_start(&config);
    return 0;
}

static int teardown(void **state)
{
    static const char *const paths[] = {"dist/index.html", "dist/favicon.svg", "dist/assets/app-1a2b.js",
        "dist/assets/app-1a2b.css", "dist/assets/data", "dist/with space.txt", "dist/empty.txt", "dist/.env",
        "dist/assets/app-1a2b.js.gz", "dist/index.html.gz", "dist/old.css", "dist/old.css.gz",
        "dist/alone.txt.gz", "dist/favicon.svg.gz", "dist/.hidden/x.txt", "dist/escape.txt", "dist/etc",
        "dist/up", "secret.txt"};
    static const char *const dirs[] = {"dist/assets", "dist/.hidden", "dist", ""};
    char full[256];
    server_free(*state);
    for (size_t i = 0; i < sizeof paths / sizeof paths[0]; i++) {
        snprintf(full, sizeof full, "%s/%s", dir, paths[i]);
        assert_int_equal(unlink(full), 0);
    }
    for (size_t i = 0; i < sizeof dirs / sizeof dirs[0]; i++) {
        snprintf(full, sizeof full, "%s/%s", dir, dirs[i]);
        assert_int_equal(rmdir(full), 0);
    }
    return 0;
}

static void get(struct server *s, const char *target, const char *headers, struct response *ret)
{
    struct client *c = client_open(s->port, false);
    client_sendf(c, "GET %s HTTP/1.1\r\nHost: x\r\n%s\r\n", target, headers);
    client_response(c, false, ret);
    client_close(c);
}

static void assert_file(struct server *s, const char *target, const char *type, const char *body)
{
    struct response r;
    get(s, target, "", &r);
    assert_int_equal(r.status, 200);
    assert_string_equal(r.body, body);
    assert_string_equal(response_header(&r, "Content-Type"), type);
    assert_string_equal(response_header(&r, "X-Content-Type-Options"), "nosniff");
    assert_string_equal(response_header(&r, "Referrer-Policy"), "no-referrer");
    response_done(&r);
}

static void files_are_served_with_their_types(void **state)
{
    assert_file(*state, "/", "text/html; charset=utf-8", "<!doctype html>index");
    assert_file(*state, "/index.html", "text/html; charset=utf-8", "<!doctype html>index");
    assert_file(*state, "/favicon.svg?v=2", "image/svg+xml", "<svg/>");
    assert_file(*state, "/assets/app-1a2b.js", "text/javascript; charset=utf-8", "app()");
    assert_file(*state, "//assets/app-1a2b.css", "text/css; charset=utf-8", "body{}");
    assert_file(*state, "/%61ssets/data", "application/octet-stream", "no extension");
    assert_file(*state, "/with%20space.txt", "text/plain; charset=utf-8", "space");
    assert_file(*state, "/empty.txt", "text/plain; charset=utf-8", "");
}

static void pages_of_the_client_get_its_index(void **state)
{
    assert_file(*state, "/r/abc-defg-hij", "text/html; charset=utf-8", "<!doctype html>index");
    assert_file(*state, "/r/abc-defg-hij?name=x.y", "text/html; charset=utf-8", "<!doctype html>index");
    assert_file(*state, "/anything/at/all", "text/html; charset=utf-8", "<!doctype html>index");
}

static void nothing_else_can_be_reached(void **state)
{
    static const char *const paths[] = {
        "/../secret.txt",
        "/..",
        "/../",
        "/assets/../../secret.txt",
        "/assets/../index.html",
        "/./index.html",
        "/%2e%2e/secret.txt",
        "/%2e%2e%2fsecret.txt",
        "/..%2fsecret.txt",
        "/..%5csecret.txt",
        "/..\\secret.txt",
        "/assets/%2e%2e/%2e%2e/secret.txt",
        "/escape.txt",
        "/up/secret.txt",
        "/.env",
        "/.hidden/x.txt",
        "/.hidden",
        "/assets//app-1a2b.js",
        "/missing.js",
        "/index.html.gz",
        "/assets/app-1a2b.js.gz",
        "/old.css.gz",
        "/alone.txt.gz",
        "/alone.txt",
        "/assets/missing-1a2b.js",
        "/ws/page",
        "/settings/regions",
        "/hello/world",
    };
    for (size_t i = 0; i < sizeof paths / sizeof paths[0]; i++) {
        struct response r;
        get(*state, paths[i], "", &r);
        if (r.status != 404)
            fail_msg("%s: %d %s", paths[i], r.status, r.body);
        assert_null(strstr(r.body, "secret"));
        assert_non_null(strstr(r.body, "\"not_found\""));
        response_done(&r);
    }
    /* a link to a directory is not followed: its files are pages of the client like any unknown path */
    assert_file(*state, "/etc/passwd", "text/html; charset=utf-8", "<!doctype html>index");
    assert_file(*state, "/etc", "text/html; charset=utf-8", "<!doctype html>index");
}

static void a_nul_is_refused(void **state)
{
    struct response r;
    get(*state, "/index.html%00.js", "", &r);
    assert_int_equal(r.status, 400);
    response_done(&r);
}

static void caching_follows_the_name(void **state)
{
    struct response r;
    get(*state, "/assets/app-1a2b.js", "", &r);
    assert_string_equal(response_header(&r, "Cache-Control"), "public, max-age=31536000, immutable");
    response_done(&r);
    get(*state, "/", "", &r);
    assert_string_equal(response_header(&r, "Cache-Control"), "no-cache");
    response_done(&r);
    get(*state, "/r/room", "", &r);
    assert_string_equal(response_header(&r, "Cache-Control"), "no-cache");
    response_done(&r);
}

static void what_the_browser_has_is_not_sent_again(void **state)
{
    struct response r;
    char header[128];
    get(*state, "/", "", &r);
    snprintf(header, sizeof header, "If-None-Match: %s\r\n", response_header(&r, "ETag"));
    response_done(&r);
    get(*state, "/", header, &r);
    assert_int_equal(r.status, 304);
    assert_non_null(response_header(&r, "ETag"));
    assert_string_equal(response_header(&r, "Cache-Control"), "no-cache");
    response_done(&r);
    get(*state, "/favicon.svg", header, &r);
    assert_int_equal(r.status, 200);
    response_done(&r);
    get(*state, "/", "If-None-Match: \"0\", \"1\"\r\n", &r);
    assert_int_equal(r.status, 200);
    response_done(&r);
}

static void pages_may_only_load_what_is_here(void **state)
{
    struct response r;
    get(*state, "/", "", &r);
    const char *policy = response_header(&r, "Content-Security-Policy");
    assert_non_null(policy);
    assert_non_null(strstr(policy, "default-src 'self';"));
    assert_non_null(strstr(policy, "connect-src 'self' ws: wss:;"));
    response_done(&r);
}

static void head_tells_the_length(void **state)
{
    struct server *s = *state;
    struct response r;
    struct client *c = client_open(s->port, false);
    client_sendf(c, "HEAD /assets/app-1a2b.js HTTP/1.1\r\nHost: x\r\n\r\n");
    client_response(c, true, &r);
    assert_int_equal(r.status, 200);
    assert_string_equal(response_header(&r, "Content-Length"), "5");
    response_done(&r);
    client_sendf(c, "GET /assets/app-1a2b.js HTTP/1.1\r\nHost: x\r\n\r\n"); /* no body was sent in between */
    client_response(c, false, &r);
    assert_string_equal(r.body, "app()");
    response_done(&r);
    client_close(c);
}

/* What came for the target with the header: packed or not. */
static void assert_form(
    struct server *s, const char *target, const char *header, bool packed, const char *body)
{
    struct response r;
    get(s, target, header, &r);
    assert_int_equal(r.status, 200);
    assert_string_equal(r.body, body);
    const char *encoding = response_header(&r, "Content-Encoding");
    if (packed != (encoding && strcmp(encoding, "gzip") == 0))
        fail_msg("%s with %s: Content-Encoding %s", target, header, encoding ? encoding : "none");
    response_done(&r);
}

static void compressed_is_sent_to_whom_can_read_it(void **state)
{
    static const char *const yes[] = {"Accept-Encoding: gzip\r\n",
        "Accept-Encoding: deflate, br;q=1.0, GZIP;q=0.5\r\n", "Accept-Encoding: *\r\n",
        "Accept-Encoding: br\r\nAccept-Encoding: gzip\r\n"};
    static const char *const no[] = {"", "Accept-Encoding:\r\n", "Accept-Encoding: gzip;q=0\r\n",
        "Accept-Encoding: *, gzip; q=0.0\r\n", "Accept-Encoding: br, deflate\r\n",
        "Accept-Encoding: gzipped\r\n"};
    for (size_t i = 0; i < sizeof yes / sizeof yes[0]; i++) {
        assert_form(*state, "/assets/app-1a2b.js", yes[i], true, "packed app");
        assert_form(*state, "/r/a-page", yes[i], true, "packed index");
    }
    for (size_t i = 0; i < sizeof no / sizeof no[0]; i++)
        assert_form(*state, "/assets/app-1a2b.js", no[i], false, "app()");
}

static void only_a_compressed_form_of_this_very_file_is_sent(void **state)
{
    const char *gzip = "Accept-Encoding: gzip\r\n";
    assert_form(*state, "/assets/app-1a2b.css", gzip, false, "body{}");
    assert_form(*state, "/old.css", gzip, false, "a{}");        /* the other one is older */
    assert_form(*state, "/favicon.svg", gzip, false, "<svg/>"); /* the other one is a link */
    put("dist/assets/app-1a2b.js.gz", "packed another");
    assert_form(*state, "/assets/app-1a2b.js", gzip, false, "app()");
    take_away("dist/assets/app-1a2b.js.gz");
    assert_form(*state, "/assets/app-1a2b.js", gzip, false, "app()");
    put("dist/assets/app-1a2b.js.gz", ""); /* for teardown */
}

static void compressed_differs_only_in_its_form(void **state)
{
    struct response plain, packed, r;
    const char *gzip = "Accept-Encoding: gzip\r\n";
    char header[160];
    get(*state, "/assets/app-1a2b.js", "Origin: https://x\r\n", &plain);
    get(*state, "/assets/app-1a2b.js", gzip, &packed);
    assert_non_null(strstr(plain.head, "Vary: Accept-Encoding\r\n"));
    assert_non_null(strstr(packed.head, "Vary: Accept-Encoding\r\n"));
    assert_string_equal(response_header(&packed, "Content-Type"), "text/javascript; charset=utf-8");
    assert_string_equal(response_header(&packed, "Cache-Control"), "public, max-age=31536000, immutable");
    assert_string_equal(response_header(&packed, "Content-Length"), "10");
    snprintf(header, sizeof header, "If-None-Match: %s\r\n", response_header(&plain, "ETag"));
    assert_null(strstr(header, response_header(&packed, "ETag")));
    response_done(&plain);

    snprintf(header, sizeof header, "%sIf-None-Match: %s\r\n", gzip, response_header(&packed, "ETag"));
    get(*state, "/assets/app-1a2b.js", header, &r);
    assert_int_equal(r.status, 304);
    assert_non_null(strstr(r.head, "Vary: Accept-Encoding\r\n"));
    assert_string_equal(response_header(&r, "ETag"), response_header(&packed, "ETag"));
    response_done(&r);
    get(*state, "/assets/app-1a2b.js", strstr(header, "If-None-Match"), &r);
    assert_int_equal(r.status, 200);
    response_done(&r);
    response_done(&packed);

    get(*state, "/assets/app-1a2b.css", gzip, &r); /* it has one form only */
    assert_null(strstr(r.head, "Vary: Accept-Encoding"));
    response_done(&r);
}

static void assert_error(struct server *s, const char *target, int status, const char *code)
{
    struct response r;
    get(s, target, "Accept-Encoding: gzip\r\n", &r);
    assert_int_equal(r.status, status);
    assert_non_null(strstr(r.body, code));
    assert_null(strstr(r.body, "secret"));
    assert_string_equal(response_header(&r, "Content-Type"), "application/json");
    response_done(&r);
}

static void a_file_that_became_another_is_not_sent(void **state)
{
    assert_file(*state, "/empty.txt", "text/plain; charset=utf-8", "");
    put("dist/empty.txt", "secret"); /* of another size */
    assert_error(*state, "/empty.txt", 500, "\"file_changed\"");
    age("dist/with space.txt", 1); /* of another time */
    assert_error(*state, "/with%20space.txt", 500, "\"file_changed\"");
    age("dist/index.html", 1); /* its compressed form is as it was, but of another file */
    assert_error(*state, "/", 500, "\"file_changed\"");
}

static void a_file_that_went_away_is_not_found(void **state)
{
    take_away("dist/empty.txt");
    assert_error(*state, "/empty.txt", 404, "\"not_found\"");
    make_link("../secret.txt", "dist/empty.txt");
    assert_error(*state, "/empty.txt", 404, "\"not_found\"");
}

static void a_directory_that_became_a_link_is_not_followed(void **state)
{
    char assets[128], moved[128];
    snprintf(assets, sizeof assets, "%s/dist/assets", dir);
    snprintf(moved, sizeof moved, "%s/moved", dir);
    assert_int_equal(rename(assets, moved), 0);
    make_link("../moved", "dist/assets"); /* to the very same files */
    assert_error(*state, "/assets/app-1a2b.js", 404, "\"not_found\"");
    take_away("dist/assets");
    assert_error(*state, "/assets/app-1a2b.js", 404, "\"not_found\"");
    assert_int_equal(rename(moved, assets), 0);
    assert_form(*state, "/assets/app-1a2b.js", "", false, "app()");
}

/* More than a socket and a TLS record hold, over both ports. */
static void large_files_arrive_whole(void **state)
{
    enum { SIZE = 3000001 };
    (void)state;
    char root[] = "/tmp/http_static.XXXXXX", path[64];
    assert_non_null(mkdtemp(root));
    snprintf(path, sizeof path, "%s/large.js", root);
    char *data = malloc(SIZE);
    assert_non_null(data);
    for (size_t i = 0; i < SIZE; i++)
        data[i] = (char)('a' + (i * 7 + i / 1000) % 26);
    FILE *f = fopen(path, "w");
    assert_non_null(f);
    assert_int_equal(fwrite(data, 1, SIZE, f), SIZE);
    fclose(f);
    static const char *const names[] = {"localhost"};
    static const struct cert_subject subject = {
        .common_name = "files", .names = names, .name_count = 1, .days = 90};
    struct cert *cert;
    assert_int_equal(cert_make(&subject, &cert, NULL), 0);
    struct http_config config = {
        .static_dir = root, .https = true, .cert_pem = cert_chain_pem(cert), .key_pem = cert_key_pem(cert)};
    struct server *s = server_start(&config);
    for (int tls = 0; tls < 2; tls++) {
        struct response r;
        struct client *c = client_open(tls ? s->tls_port : s->port, tls);
        for (int round = 0; round < 2; round++) {
            client_sendf(c, "GET /large.js HTTP/1.1\r\nHost: x\r\n\r\n");
            client_response(c, false, &r);
            assert_int_equal(r.status, 200);
            assert_int_equal(r.body_len, SIZE);
            assert_memory_equal(r.body, data, SIZE);
            response_done(&r);
        }
        client_close(c);
    }
    server_free(s);
    cert_free(cert);
    free(data);
    assert_int_equal(unlink(path), 0);
    assert_int_equal(rmdir(root), 0);
}

static void without_the_client_a_page_says_so(void **state)
{
    struct http_config config = {.static_dir = "/nonexistent/dist"};
    struct response r;
    (void)state;
    struct server *s = server_start(&config);
    get(s, "/", "", &r);
    assert_int_equal(r.status, 200);
    assert_non_null(strstr(r.body, "not installed"));
    assert_string_equal(response_header(&r, "Content-Type"), "text/html; charset=utf-8");
    response_done(&r);
    get(s, "/app.js", "", &r);
    assert_int_equal(r.status, 404);
    response_done(&r);
    server_free(s);
}

#define EACH(test) cmocka_unit_test_setup_teardown(test, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        EACH(files_are_served_with_their_types),
        EACH(pages_of_the_client_get_its_index),
        EACH(nothing_else_can_be_reached),
        EACH(a_nul_is_refused),
        EACH(caching_follows_the_name),
        EACH(what_the_browser_has_is_not_sent_again),
        EACH(pages_may_only_load_what_is_here),
        EACH(head_tells_the_length),
        EACH(compressed_is_sent_to_whom_can_read_it),
        EACH(only_a_compressed_form_of_this_very_file_is_sent),
        EACH(compressed_differs_only_in_its_form),
        EACH(a_file_that_became_another_is_not_sent),
        EACH(a_file_that_went_away_is_not_found),
        EACH(a_directory_that_became_a_link_is_not_followed),
        cmocka_unit_test(large_files_arrive_whole),
        cmocka_unit_test(without_the_client_a_page_says_so),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
