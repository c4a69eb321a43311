/* The web client's files: what is served as what, with which headers, and that nothing else can be reached.
 */
#include <setjmp.h>
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
    put("dist/.env", "secret");
    put("dist/.hidden/x.txt", "secret");
    make_link("../secret.txt", "dist/escape.txt");
    make_link("/etc", "dist/etc");
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
        "dist/.hidden/x.txt", "dist/escape.txt", "dist/etc", "dist/up", "secret.txt"};
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
        cmocka_unit_test(without_the_client_a_page_says_so),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
