// link: http
/* The head of a request, whole and at every prefix, then its target, its query and the routes. */
#include <assert.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "http/head.h"
#include "http/route.h"
#include "http/target.h"

static void handler(void *arg, struct http_request *req)
{
    (void)arg;
    (void)req;
}

static struct route_table *table(void)
{
    static struct route_table t;
    static const struct http_route routes[] = {
        {.method = "GET", .pattern = "/", .fn = handler},
        {.method = "GET", .pattern = "/a/{b}", .fn = handler},
        {.method = "POST", .pattern = "/a/{b}/c", .fn = handler},
        {.method = "GET", .pattern = "/f/{rest*}", .fn = handler},
    };
    if (!t.routes.next) {
        route_table_init(&t);
        for (size_t i = 0; i < sizeof routes / sizeof routes[0]; i++)
            if (route_table_add(&t, &routes[i]) != 0)
                abort();
    }
    return &t;
}

/* A verdict does not change when more comes, except from "more". */
static void check_head(const uint8_t *data, size_t size)
{
    struct head_check whole = http_head_check(data, size);
    assert(whole.verdict != HEAD_BAD || (whole.status >= 400 && whole.code && whole.message));
    for (size_t n = 0; n < size && n < 512; n++) {
        struct head_check part = http_head_check(data, n);
        assert(part.verdict == HEAD_MORE || part.verdict == whole.verdict);
        assert(part.verdict == HEAD_MORE || part.status == whole.status);
    }
}

static void check_query(const struct http_target *t)
{
    static const char *const names[] = {"access_token", "a", "", "b c"};
    char *out = malloc(t->query_len + 1);
    if (!out)
        return;
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
        int n = http_query_find(t->query, t->query_len, names[i], out);
        assert(n < 0 || (size_t)n == strlen(out));
        assert(n < 0 || (size_t)n <= t->query_len);
    }
    free(out);
}

static void check_target(const char *text, size_t len)
{
    struct http_target t;
    if (http_target_split(text, len, &t) != 0)
        return;
    assert(t.path_len >= 1 && t.path[0] == '/');
    assert(t.path_len < 2 || t.path[1] != '/');
    assert(t.path_len + t.query_len <= len);
    check_query(&t);
    char *path = malloc(t.path_len + 1), allow[256];
    if (path && http_decode(t.path, t.path_len, false, path) >= 0) {
        struct route_match m;
        int err = route_table_match(table(), "GET", t.path, t.path_len, &m);
        assert(err == 0); /* the whole decodes, so each segment does */
        route_match_done(&m);
        route_table_allow(table(), t.path, t.path_len, allow, sizeof allow);
        route_table_reserved(table(), t.path, t.path_len);
    }
    free(path);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    check_head(data, size);
    check_target((const char *)data, size);
    const uint8_t *space = size ? memchr(data, ' ', size) : NULL;
    if (space)
        check_target((const char *)space + 1, size - (size_t)(space + 1 - data));
    return 0;
}
