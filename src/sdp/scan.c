#include "sdp/internal.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <strings.h>

struct sdp_span sdp_span_until(struct cursor *c, char sep)
{
    size_t left = cursor_left(c);
    if (left == 0)
        return (struct sdp_span){.p = "", .len = 0};
    const uint8_t *start = c->p;
    const uint8_t *hit = memchr(start, sep, left);
    size_t len = hit ? (size_t)(hit - start) : left;
    const uint8_t *p = cursor_bytes(c, len);
    if (hit)
        cursor_skip(c, 1);
    return (struct sdp_span){.p = (const char *)p, .len = p ? len : 0};
}

struct sdp_span sdp_span_word(struct cursor *c)
{
    struct sdp_span word;
    do
        word = sdp_span_until(c, ' ');
    while (word.len == 0 && cursor_left(c) > 0);
    return word;
}

struct sdp_span sdp_span_rest(struct cursor *c)
{
    size_t len = cursor_left(c);
    if (len == 0)
        return (struct sdp_span){.p = "", .len = 0};
    return (struct sdp_span){.p = (const char *)cursor_bytes(c, len), .len = len};
}

bool sdp_span_is(struct sdp_span s, const char *text)
{
    return s.len == strlen(text) && (s.len == 0 || memcmp(s.p, text, s.len) == 0);
}

bool sdp_span_is_nocase(struct sdp_span s, const char *text)
{
    return s.len == strlen(text) && (s.len == 0 || strncasecmp(s.p, text, s.len) == 0);
}

bool sdp_span_number(struct sdp_span s, uint64_t max, uint64_t *ret)
{
    uint64_t v = 0;
    if (s.len == 0)
        return false;
    for (size_t i = 0; i < s.len; i++) {
        if (s.p[i] < '0' || s.p[i] > '9')
            return false;
        unsigned digit = (unsigned)(s.p[i] - '0');
        if (v > (UINT64_MAX - digit) / 10)
            return false;
        v = v * 10 + digit;
    }
    if (v > max)
        return false;
    *ret = v;
    return true;
}

bool sdp_span_is_graphic(struct sdp_span s)
{
    for (size_t i = 0; i < s.len; i++)
        if (s.p[i] <= ' ' || s.p[i] > '~')
            return false;
    return s.len > 0;
}

/* RFC 8866, section 9: token-char is any visible character but "(),/:;<=>?@[\] */
bool sdp_span_is_token(struct sdp_span s)
{
    for (size_t i = 0; i < s.len; i++)
        if (strchr("\"(),/:;<=>?@[\\]", s.p[i]))
            return false;
    return sdp_span_is_graphic(s);
}

bool sdp_span_copy(struct sdp_span s, char *out, size_t size)
{
    if (s.len >= size)
        return false;
    if (s.len)
        memcpy(out, s.p, s.len);
    out[s.len] = 0;
    return true;
}

int sdp_refuse(char *err, size_t err_size, const char *fmt, ...)
{
    va_list ap;
    va_start(ap, fmt);
    if (err && err_size)
        vsnprintf(err, err_size, fmt, ap);
    va_end(ap);
    return -EINVAL;
}

int sdp_parser_fail(struct sdp_parser *p, const char *fmt, ...)
{
    char why[200];
    va_list ap;
    va_start(ap, fmt);
    vsnprintf(why, sizeof why, fmt, ap);
    va_end(ap);
    return sdp_refuse(p->err, p->err_size, "line %u: %s", p->line, why);
}
