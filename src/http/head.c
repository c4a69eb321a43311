#include "http/head.h"

#include <string.h>
#include <strings.h>

#include "base/cursor.h"
#include "base/limits.h"

enum {
    LENGTH_DIGITS = 18, /* of a Content-Length */
};

static const struct head_check more = {.verdict = HEAD_MORE};
static const struct head_check ok = {.verdict = HEAD_OK};

static struct head_check bad(int status, const char *code, const char *message)
{
    return (struct head_check){.verdict = HEAD_BAD, .status = status, .code = code, .message = message};
}

static struct head_check malformed(const char *message)
{
    return bad(400, "bad_request", message);
}

/* The next line without its end (LF, or CR LF). false: there is no whole line; the cursor stays. */
static bool next_line(struct cursor *c, struct cursor *ret)
{
    const uint8_t *lf = cursor_left(c) ? memchr(c->p, '\n', cursor_left(c)) : NULL;
    if (!lf)
        return false;
    *ret = cursor_sub(c, (size_t)(lf - c->p));
    cursor_skip(c, 1);
    size_t n = cursor_left(ret);
    if (n > 0 && ret->p[n - 1] == '\r')
        ret->end--;
    return true;
}

/* A token of RFC 9110, section 5.6.2. */
static bool is_token_char(uint8_t c)
{
    return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') ||
           (c != 0 && strchr("!#$%&'*+-.^_`|~", c));
}

/* Cuts the bytes in front of the first sep off; they are all of c if there is none, and *found says which. */
static struct cursor cut(struct cursor *c, uint8_t sep, bool *found)
{
    const uint8_t *p = cursor_left(c) ? memchr(c->p, sep, cursor_left(c)) : NULL;
    *found = p != NULL;
    struct cursor part = cursor_sub(c, p ? (size_t)(p - c->p) : cursor_left(c));
    if (p)
        cursor_skip(c, 1);
    return part;
}

static bool all_tokens(struct cursor c)
{
    if (cursor_left(&c) == 0)
        return false;
    while (cursor_left(&c))
        if (!is_token_char(cursor_u8(&c)))
            return false;
    return true;
}

/* HTTP-name "/" DIGIT "." DIGIT; *ret_host: version 1.1 and later need a Host field. */
static struct head_check check_version(struct cursor c, bool *ret_host)
{
    const uint8_t *v = cursor_left(&c) == 8 ? cursor_bytes(&c, 8) : NULL;
    if (!v || memcmp(v, "HTTP/", 5) != 0 || v[6] != '.' || v[5] < '0' || v[5] > '9' || v[7] < '0' ||
        v[7] > '9')
        return malformed("The request line does not end in an HTTP version.");
    if (v[5] != '1')
        return bad(505, "http_version_not_supported", "This server speaks HTTP/1.1.");
    *ret_host = v[7] != '0';
    return ok;
}

static struct head_check check_request_line(struct cursor line, bool *ret_host)
{
    bool found, second;
    struct cursor method = cut(&line, ' ', &found);
    if (!found || !all_tokens(method))
        return malformed("The request does not begin with a method.");
    struct cursor target = cut(&line, ' ', &second);
    if (!second || cursor_left(&target) == 0)
        return malformed("The request line is not a method, a target and a version.");
    for (struct cursor t = target; cursor_left(&t);) {
        uint8_t c = cursor_u8(&t);
        if (c <= ' ' || c == 0x7f)
            return malformed("The request target contains a control character.");
    }
    return check_version(line, ret_host);
}

/* What the fields of one head may have once. */
struct fields_seen {
    bool host, length, encoding;
};

static bool name_is(struct cursor name, const char *text)
{
    size_t len = strlen(text);
    return cursor_left(&name) == len && strncasecmp((const char *)name.p, text, len) == 0;
}

static bool is_space(uint8_t c)
{
    return c == ' ' || c == '\t';
}

/* RFC 9110, section 8.6: digits, and so few that no reader of them overflows. */
static bool is_length(struct cursor value)
{
    while (cursor_left(&value) && is_space(value.p[0]))
        cursor_skip(&value, 1);
    while (cursor_left(&value) && is_space(value.end[-1]))
        value.end--;
    size_t len = cursor_left(&value);
    while (cursor_left(&value)) {
        uint8_t c = cursor_u8(&value);
        if (c < '0' || c > '9')
            return false;
    }
    return len > 0 && len <= LENGTH_DIGITS;
}

/* Two lengths, or two hosts, are two readings of one request, and whoever stands in front of us may have
 * taken the other one (RFC 9112, sections 3.2, 6.3 and 11.2). */
static struct head_check check_framing(struct cursor name, struct cursor value, struct fields_seen *seen)
{
    if (name_is(name, "host")) {
        if (seen->host)
            return malformed("The request has two Host headers.");
        seen->host = true;
    } else if (name_is(name, "content-length")) {
        if (seen->length)
            return malformed("The request has two Content-Length headers.");
        if (!is_length(value))
            return malformed("The Content-Length is not a number of bytes.");
        seen->length = true;
    } else if (name_is(name, "transfer-encoding")) {
        seen->encoding = true;
    }
    if (seen->length && seen->encoding)
        return malformed("The request has both a Content-Length and a Transfer-Encoding.");
    return ok;
}

/* field-name ":" field-value */
static struct head_check check_field(struct cursor line, struct fields_seen *seen)
{
    bool found;
    if (line.p[0] == ' ' || line.p[0] == '\t')
        return malformed("A header field is continued on a second line.");
    struct cursor name = cut(&line, ':', &found);
    if (!found || !all_tokens(name))
        return malformed("A header field has no name.");
    struct cursor value = line;
    while (cursor_left(&line)) {
        uint8_t c = cursor_u8(&line);
        if ((c < ' ' && c != '\t') || c == 0x7f)
            return malformed("A header field contains a control character.");
    }
    return check_framing(name, value, seen);
}

/* The fields behind the request line. */
static struct head_check check_fields(struct cursor c, bool need_host)
{
    struct cursor line;
    struct fields_seen seen = {0};
    while (next_line(&c, &line)) {
        if (cursor_left(&line) == 0)
            return seen.host || !need_host ? ok : malformed("The request has no Host header.");
        struct head_check field = check_field(line, &seen);
        if (field.verdict != HEAD_OK)
            return field;
    }
    return more;
}

/* Could this still become a request? Told early, so that other protocols do not wait for a line that never
 * ends. */
static struct head_check check_partial_line(struct cursor c)
{
    bool found;
    size_t len = cursor_left(&c);
    if (len > HTTP_LINE_MAX)
        return bad(414, "uri_too_long", "The request line is longer than 64 KiB.");
    struct cursor method = cut(&c, ' ', &found);
    if (!found && cursor_left(&method) > 0 && method.p[cursor_left(&method) - 1] == '\r')
        method.end--;
    if (cursor_left(&method) > 0 && !all_tokens(method))
        return malformed("The request does not begin with a method.");
    return more;
}

struct head_check http_head_check(const uint8_t *data, size_t len)
{
    struct cursor c = cursor_of(data, len), line;
    struct cursor rest = c;
    do { /* RFC 9112, section 2.2: empty lines in front are skipped */
        c = rest;
        if (!next_line(&rest, &line)) {
            struct head_check partial = check_partial_line(c);
            if (partial.verdict == HEAD_MORE && len >= HTTP_HEAD_MAX)
                return malformed("The request begins with too many empty lines.");
            return partial;
        }
    } while (cursor_left(&line) == 0);
    if (cursor_left(&line) > HTTP_LINE_MAX)
        return bad(414, "uri_too_long", "The request line is longer than 64 KiB.");
    bool need_host = false;
    struct head_check check = check_request_line(line, &need_host);
    if (check.verdict != HEAD_OK)
        return check;
    check = check_fields(rest, need_host);
    if (check.verdict == HEAD_MORE && len >= HTTP_HEAD_MAX)
        return bad(431, "headers_too_large", "The request's headers are too large.");
    return check;
}
