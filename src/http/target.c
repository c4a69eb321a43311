#include "http/target.h"

#include <errno.h>
#include <string.h>
#include <strings.h>

static size_t find(const char *text, size_t from, size_t len, char c)
{
    while (from < len && text[from] != c)
        from++;
    return from;
}

/* Where the path begins: behind the authority of an absolute form, otherwise at 0; len if there is none. */
static size_t path_start(const char *text, size_t len)
{
    static const char *const schemes[] = {"http://", "https://"};
    for (size_t i = 0; i < sizeof schemes / sizeof schemes[0]; i++) {
        size_t n = strlen(schemes[i]);
        if (len >= n && strncasecmp(text, schemes[i], n) == 0)
            return find(text, n, len, '/');
    }
    return 0;
}

int http_target_split(const char *text, size_t len, struct http_target *ret)
{
    len = find(text, 0, len, '#');
    size_t mark = find(text, 0, len, '?');
    size_t start = path_start(text, mark);
    if (start >= mark || text[start] != '/')
        return -EINVAL;
    while (start + 1 < mark && text[start + 1] == '/')
        start++;
    *ret = (struct http_target){
        .path = text + start,
        .path_len = mark - start,
        .query = mark < len ? text + mark + 1 : text + len,
        .query_len = mark < len ? len - mark - 1 : 0,
    };
    return 0;
}

static int hex_value(char c)
{
    if (c >= '0' && c <= '9')
        return c - '0';
    if (c >= 'a' && c <= 'f')
        return c - 'a' + 10;
    if (c >= 'A' && c <= 'F')
        return c - 'A' + 10;
    return -1;
}

int http_decode(const char *in, size_t len, bool plus, char *out)
{
    size_t n = 0;
    for (size_t i = 0; i < len; i++) {
        char c = in[i];
        if (c == '%') {
            int hi = i + 1 < len ? hex_value(in[i + 1]) : -1;
            int lo = i + 2 < len ? hex_value(in[i + 2]) : -1;
            if (hi < 0 || lo < 0)
                return -EINVAL;
            c = (char)(hi << 4 | lo);
            i += 2;
        } else if (plus && c == '+') {
            c = ' ';
        }
        if (c == '\0')
            return -EINVAL;
        out[n++] = c;
    }
    out[n] = '\0';
    return (int)n;
}

int http_query_find(const char *query, size_t query_len, const char *name, char *out)
{
    size_t name_len = strlen(name);
    for (size_t at = 0; at < query_len;) {
        size_t end = find(query, at, query_len, '&');
        size_t eq = find(query, at, end, '=');
        /* A decoded name is never longer than the text it came from. */
        if (eq - at >= name_len && http_decode(query + at, eq - at, true, out) == (int)name_len &&
            memcmp(out, name, name_len) == 0)
            return eq < end ? http_decode(query + eq + 1, end - eq - 1, true, out)
                            : http_decode(query, 0, true, out);
        at = end + 1;
    }
    return -ENOENT;
}
