/* Request targets, their escapes, query parameters, routes. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include "http/route.h"
#include "http/target.h"

static void assert_split(const char *text, const char *path, const char *query)
{
    struct http_target t;
    assert_int_equal(http_target_split(text, strlen(text), &t), 0);
    assert_int_equal(t.path_len, strlen(path));
    assert_memory_equal(t.path, path, t.path_len);
    assert_int_equal(t.query_len, strlen(query));
    assert_memory_equal(t.query, query, t.query_len);
}

static void targets_are_split(void **state)
{
    (void)state;
    assert_split("/", "/", "");
    assert_split("/a/b?c=d&e", "/a/b", "c=d&e");
    assert_split("//rtc/v1?x=1", "/rtc/v1", "x=1");
    assert_split("////", "/", "");
    assert_split("///a//b", "/a//b", "");
    assert_split("/a?b?c", "/a", "b?c");
    assert_split("/a?", "/a", "");
    assert_split("/a?b//c", "/a", "b//c");
    assert_split("/a#frag?no", "/a", "");
    assert_split("http://host:80/x?y", "/x", "y");
    assert_split("HTTPS://host//x", "/x", "");
}

static void targets_without_a_path_are_refused(void **state)
{
    static const char *const wrong[] = {
        "", "*", "a/b", "?x=/", "http://host", "http://host?x=/y", "#/a", "ws://h/"};
    (void)state;
    for (size_t i = 0; i < sizeof wrong / sizeof wrong[0]; i++) {
        struct http_target t = {.path_len = 77};
        assert_int_equal(http_target_split(wrong[i], strlen(wrong[i]), &t), -EINVAL);
        assert_int_equal(t.path_len, 77);
    }
}

static void escapes_are_decoded(void **state)
{
    char out[64];
    (void)state;
    assert_int_equal(http_decode("a%20b+c%2f", 10, false, out), 6);
    assert_string_equal(out, "a b+c/");
    assert_int_equal(http_decode("a%20b+c%2F", 10, true, out), 6);
    assert_string_equal(out, "a b c/");
    assert_int_equal(http_decode("%C3%A4", 6, false, out), 2);
    assert_string_equal(out, "\xc3\xa4");
    assert_int_equal(http_decode("", 0, false, out), 0);
    assert_string_equal(out, "");
}

static void broken_escapes_and_nul_are_refused(void **state)
{
    static const char *const wrong[] = {"%", "a%", "%4", "%4g", "%zz", "x%00y", "%%41"};
    char out[64];
    (void)state;
    for (size_t i = 0; i < sizeof wrong / sizeof wrong[0]; i++)
        assert_int_equal(http_decode(wrong[i], strlen(wrong[i]), false, out), -EINVAL);
    assert_int_equal(http_decode("a\0b", 3, false, out), -EINVAL);
    assert_int_equal(http_decode("%41", 2, false, out), -EINVAL); /* the text ends inside the escape */
}

static void query_parameters_are_found(void **state)
{
    static const char query[] = "access_token=a.b-c_d%3D&empty=&bare&x=1&x=2&na%6De=v+w&bad=%zz&=anon";
    char out[sizeof query];
    (void)state;
    assert_int_equal(http_query_find(query, sizeof query - 1, "access_token", out), 8);
    assert_string_equal(out, "a.b-c_d=");
    assert_int_equal(http_query_find(query, sizeof query - 1, "empty", out), 0);
    assert_string_equal(out, "");
    assert_int_equal(http_query_find(query, sizeof query - 1, "bare", out), 0);
    assert_int_equal(http_query_find(query, sizeof query - 1, "x", out), 1);
    assert_string_equal(out, "1");
    assert_int_equal(http_query_find(query, sizeof query - 1, "name", out), 3);
    assert_string_equal(out, "v w");
    assert_int_equal(http_query_find(query, sizeof query - 1, "bad", out), -EINVAL);
    assert_int_equal(http_query_find(query, sizeof query - 1, "acces_token", out), -ENOENT);
    assert_int_equal(http_query_find(query, sizeof query - 1, "emp", out), -ENOENT);
    assert_int_equal(http_query_find(query, sizeof query - 1, "", out), 4);
    assert_int_equal(http_query_find("", 0, "x", out), -ENOENT);
}

/* ---- routes ---- */

static void handler(void *arg, struct http_request *req)
{
    (void)arg;
    (void)req;
}

static int setup(void **state)
{
    static const struct http_route routes[] = {
        {.method = "GET", .pattern = "/", .fn = handler},
        {.method = "POST", .pattern = "/api/rooms", .fn = handler},
        {.method = "GET", .pattern = "/api/rooms/{code}", .fn = handler},
        {.method = "POST", .pattern = "/api/rooms/{code}/join", .fn = handler},
        {.method = "POST", .pattern = "/twirp/{service}/{method}", .fn = handler},
        {.method = "GET", .pattern = "/rtc", .fn = handler},
        {.method = "HEAD", .pattern = "/rtc", .fn = handler},
        {.method = "GET", .pattern = "/files/{path*}", .fn = handler},
    };
    struct route_table *t = malloc(sizeof *t);
    route_table_init(t);
    for (size_t i = 0; i < sizeof routes / sizeof routes[0]; i++)
        assert_int_equal(route_table_add(t, &routes[i]), 0);
    *state = t;
    return 0;
}

static int teardown(void **state)
{
    route_table_done(*state);
    free(*state);
    return 0;
}

static void assert_route(struct route_table *t, const char *method, const char *path, const char *pattern)
{
    struct route_match m;
    assert_int_equal(route_table_match(t, method, path, strlen(path), &m), 0);
    if (pattern) {
        assert_non_null(m.route);
        assert_string_equal(m.route->public.pattern, pattern);
    } else {
        assert_null(m.route);
    }
    route_match_done(&m);
}

static void routes_are_found(void **state)
{
    assert_route(*state, "GET", "/", "/");
    assert_route(*state, "POST", "/api/rooms", "/api/rooms");
    assert_route(*state, "GET", "/api/rooms/abc-defg-hij", "/api/rooms/{code}");
    assert_route(*state, "GET", "/%61pi/rooms/x", "/api/rooms/{code}");
    assert_route(*state, "POST", "/api/rooms/abc/join", "/api/rooms/{code}/join");
    assert_route(*state, "GET", "/files/", "/files/{path*}");
    assert_route(*state, "GET", "/files/a/b/c", "/files/{path*}");
    assert_route(*state, "HEAD", "/api/rooms/x", "/api/rooms/{code}"); /* as GET */
}

static void what_is_no_route_is_not_found(void **state)
{
    static const char *const none[] = {"/api", "/api/", "/api/rooms/", "/api/rooms//join",
        "/api/rooms/x/join/", "/api/rooms/x/leave", "/rtc/", "/files", "/twirp/a", "/twirp/a/b/c",
        "/API/rooms"};
    for (size_t i = 0; i < sizeof none / sizeof none[0]; i++) {
        assert_route(*state, "GET", none[i], NULL);
        assert_route(*state, "POST", none[i], NULL);
    }
}

static void parameters_are_decoded(void **state)
{
    struct route_match m;
    static const char path[] = "/twirp/livekit.Room%2FService/a%20b";
    assert_int_equal(route_table_match(*state, "POST", path, strlen(path), &m), 0);
    assert_int_equal(m.param_count, 2);
    assert_string_equal(m.params[0].name, "service");
    assert_string_equal(m.params[0].value, "livekit.Room/Service");
    assert_string_equal(m.params[1].name, "method");
    assert_string_equal(m.params[1].value, "a b");
    route_match_done(&m);
    assert_int_equal(route_table_match(*state, "GET", "/files/a/%62/c", 14, &m), 0);
    assert_string_equal(m.params[0].value, "a/b/c");
    route_match_done(&m);
}

static void an_escape_that_cannot_be_decoded_is_an_error(void **state)
{
    struct route_match m;
    assert_int_equal(route_table_match(*state, "GET", "/api/rooms/%zz", 14, &m), -EINVAL);
    assert_int_equal(route_table_match(*state, "GET", "/api/rooms/a%00", 15, &m), -EINVAL);
}

static void the_methods_of_a_path_are_listed(void **state)
{
    char allow[64];
    struct route_match m;
    assert_int_equal(route_table_match(*state, "DELETE", "/api/rooms", 10, &m), 0);
    assert_null(m.route);
    assert_true(m.path_known);
    route_match_done(&m);
    route_table_allow(*state, "/api/rooms", 10, allow, sizeof allow);
    assert_string_equal(allow, "POST, OPTIONS");
    route_table_allow(*state, "/rtc", 4, allow, sizeof allow);
    assert_string_equal(allow, "GET, HEAD, OPTIONS");
}

static void first_segments_of_routes_are_reserved(void **state)
{
    assert_true(route_table_reserved(*state, "/api/nothing", 12));
    assert_true(route_table_reserved(*state, "/rtc", 4));
    assert_false(route_table_reserved(*state, "/", 1));
    assert_false(route_table_reserved(*state, "/r/abc", 6));
    assert_false(route_table_reserved(*state, "/apix", 5));
    assert_int_equal(route_table_reserve(*state, "settings", 8), 0);
    assert_true(route_table_reserved(*state, "/settings/regions", 17));
}

static void bad_patterns_are_refused(void **state)
{
    static const char *const wrong[] = {
        "", "api", "/{}", "/{a*}/b", "/a{b}", "/{*}", "/{a}/{b}/{c}/{d}/{e}/{f}/{g}/{h}/{i}"};
    for (size_t i = 0; i < sizeof wrong / sizeof wrong[0]; i++) {
        struct http_route r = {.method = "GET", .pattern = wrong[i], .fn = handler};
        assert_int_equal(route_table_add(*state, &r), -EINVAL);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(targets_are_split),
        cmocka_unit_test(targets_without_a_path_are_refused),
        cmocka_unit_test(escapes_are_decoded),
        cmocka_unit_test(broken_escapes_and_nul_are_refused),
        cmocka_unit_test(query_parameters_are_found),
        cmocka_unit_test_setup_teardown(routes_are_found, setup, teardown),
        cmocka_unit_test_setup_teardown(what_is_no_route_is_not_found, setup, teardown),
        cmocka_unit_test_setup_teardown(parameters_are_decoded, setup, teardown),
        cmocka_unit_test_setup_teardown(an_escape_that_cannot_be_decoded_is_an_error, setup, teardown),
        cmocka_unit_test_setup_teardown(the_methods_of_a_path_are_listed, setup, teardown),
        cmocka_unit_test_setup_teardown(first_segments_of_routes_are_reserved, setup, teardown),
        cmocka_unit_test_setup_teardown(bad_patterns_are_refused, setup, teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
