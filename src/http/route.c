#include "http/route.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "http/target.h"

void route_table_init(struct route_table *t)
{
    *t = (struct route_table){0};
    list_init(&t->routes);
}

static void route_free(struct route *r)
{
    if (!r)
        return;
    for (size_t i = 0; i < r->segment_count; i++)
        free(r->segments[i].text);
    free(r->segments);
    free((char *)r->public.method);
    free((char *)r->public.pattern);
    free(r);
}

void route_table_done(struct route_table *t)
{
    list_for_each_safe(item, &t->routes)
    {
        list_del(item);
        route_free(list_entry(item, struct route, link));
    }
    for (size_t i = 0; i < t->reserved_count; i++)
        free(t->reserved[i]);
    free(t->reserved);
    route_table_init(t);
}

/* Length of the segment that begins at from. */
static size_t segment_len(const char *path, size_t from, size_t len)
{
    size_t end = from;
    while (end < len && path[end] != '/')
        end++;
    return end - from;
}

bool route_table_reserved(const struct route_table *t, const char *path, size_t len)
{
    size_t n = len > 0 ? segment_len(path, 1, len) : 0;
    for (size_t i = 0; i < t->reserved_count; i++)
        if (strlen(t->reserved[i]) == n && memcmp(t->reserved[i], path + 1, n) == 0)
            return true;
    return false;
}

int route_table_reserve(struct route_table *t, const char *name, size_t len)
{
    if (len == 0)
        return 0; /* "/" itself is the web client's */
    for (size_t i = 0; i < t->reserved_count; i++)
        if (strlen(t->reserved[i]) == len && memcmp(t->reserved[i], name, len) == 0)
            return 0;
    char **grown = realloc(t->reserved, (t->reserved_count + 1) * sizeof *grown);
    if (!grown)
        return -ENOMEM;
    t->reserved = grown;
    char *copy = strndup(name, len);
    if (!copy)
        return -ENOMEM;
    t->reserved[t->reserved_count++] = copy;
    return 0;
}

/* Reads one segment of a pattern. */
static int segment_parse(const char *text, size_t len, bool last, struct route_segment *ret)
{
    struct route_segment s = {0};
    if (len >= 2 && text[0] == '{' && text[len - 1] == '}') {
        s.name = true;
        s.rest = text[len - 2] == '*';
        text++;
        len -= 2 + s.rest;
        if (len == 0 || (s.rest && !last))
            return -EINVAL;
    }
    if (memchr(text, '{', len) || memchr(text, '}', len))
        return -EINVAL;
    s.text = strndup(text, len);
    if (!s.text)
        return -ENOMEM;
    *ret = s;
    return 0;
}

static int pattern_parse(struct route *r, const char *pattern)
{
    size_t len = strlen(pattern), names = 0;
    if (len == 0 || pattern[0] != '/')
        return -EINVAL;
    for (size_t at = 1; at <= len;) {
        size_t n = segment_len(pattern, at, len);
        struct route_segment *grown = realloc(r->segments, (r->segment_count + 1) * sizeof *grown);
        if (!grown)
            return -ENOMEM;
        r->segments = grown;
        int err = segment_parse(pattern + at, n, at + n == len, &r->segments[r->segment_count]);
        if (err)
            return err;
        names += r->segments[r->segment_count++].name;
        at += n + 1;
    }
    return names <= HTTP_PARAMS_MAX ? 0 : -EINVAL;
}

int route_table_add(struct route_table *t, const struct http_route *route)
{
    if (!route->method || !route->pattern || !route->fn)
        return -EINVAL;
    struct route *r = calloc(1, sizeof *r);
    if (!r)
        return -ENOMEM;
    r->public = *route;
    r->public.method = strdup(route->method);
    r->public.pattern = strdup(route->pattern);
    int err = r->public.method && r->public.pattern ? pattern_parse(r, route->pattern) : -ENOMEM;
    if (!err && !r->segments[0].name)
        err = route_table_reserve(t, r->segments[0].text, strlen(r->segments[0].text));
    if (err) {
        route_free(r);
        return err;
    }
    list_add_tail(&t->routes, &r->link);
    return 0;
}

static int param_add(struct route_match *m, const char *name, const char *text, size_t len)
{
    char *value = malloc(len + 1);
    if (!value)
        return -ENOMEM;
    if (http_decode(text, len, false, value) < 0) {
        free(value);
        return -EINVAL;
    }
    m->params[m->param_count++] = (struct route_param){.name = name, .value = value};
    return 0;
}

/* Is the segment of the path, decoded, the literal? An escape that does not decode matches nothing. */
static bool literal_matches(const char *literal, const char *text, size_t len)
{
    char decoded[256];
    if (len >= sizeof decoded)
        return false;
    int n = http_decode(text, len, false, decoded);
    return n >= 0 && strcmp(decoded, literal) == 0;
}

/* 1: it matches and the parameters are in m; 0: it does not; -EINVAL, -ENOMEM. m is to be released in any
 * case. */
static int path_match(const struct route *r, const char *path, size_t len, struct route_match *m)
{
    size_t at = 1;
    for (size_t i = 0; i < r->segment_count; i++) {
        const struct route_segment *s = &r->segments[i];
        if (at > len)
            return 0;
        size_t n = s->rest ? len - at : segment_len(path, at, len);
        if (s->name) {
            if (n == 0 && !s->rest)
                return 0;
            int err = param_add(m, s->text, path + at, n);
            if (err)
                return err;
        } else if (!literal_matches(s->text, path + at, n)) {
            return 0;
        }
        at += n + 1;
    }
    return at > len;
}

void route_match_done(struct route_match *m)
{
    for (size_t i = 0; i < m->param_count; i++)
        free(m->params[i].value);
    *m = (struct route_match){0};
}

/* The first route with this very method; *known is set when the path exists with any. */
static int match_method(const struct route_table *t, const char *method, const char *path, size_t len,
    bool *known, struct route_match *ret)
{
    list_for_each(item, &t->routes)
    {
        const struct route *r = list_entry(item, struct route, link);
        struct route_match m = {0};
        int found = path_match(r, path, len, &m);
        if (found > 0) {
            *known = true;
            if (strcmp(r->public.method, method) == 0) {
                m.route = r;
                *ret = m;
                return 0;
            }
        }
        route_match_done(&m);
        if (found < 0)
            return found;
    }
    return -ENOENT;
}

int route_table_match(
    const struct route_table *t, const char *method, const char *path, size_t len, struct route_match *ret)
{
    struct route_match m = {0};
    bool known = false;
    int err = match_method(t, method, path, len, &known, &m);
    if (err == -ENOENT && strcmp(method, "HEAD") == 0)
        err = match_method(t, "GET", path, len, &known, &m);
    if (err && err != -ENOENT)
        return err;
    m.path_known = known;
    *ret = m;
    return 0;
}

/* Appends ", name" unless it is there already. */
static void allow_add(char *out, size_t size, const char *name)
{
    size_t n = strlen(name), used = strlen(out);
    for (const char *p = strstr(out, name); p; p = strstr(p + 1, name))
        if ((p == out || p[-1] == ' ') && (p[n] == ',' || p[n] == '\0'))
            return;
    snprintf(out + used, size - used, "%s%s", used ? ", " : "", name);
}

void route_table_allow(const struct route_table *t, const char *path, size_t len, char *out, size_t size)
{
    out[0] = '\0';
    list_for_each(item, &t->routes)
    {
        const struct route *r = list_entry(item, struct route, link);
        struct route_match m = {0};
        if (path_match(r, path, len, &m) > 0) {
            allow_add(out, size, r->public.method);
            if (strcmp(r->public.method, "GET") == 0)
                allow_add(out, size, "HEAD");
        }
        route_match_done(&m);
    }
    allow_add(out, size, "OPTIONS");
}
