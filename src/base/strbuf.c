#include "base/strbuf.h"

#include <errno.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* Room for len more bytes and the zero; false sets bad. */
static bool strbuf_grow(struct strbuf *s, size_t len)
{
    if (s->bad)
        return false;
    if (len > SIZE_MAX / 2 - s->len || (s->max && s->len + len > s->max))
        goto bad;
    size_t need = s->len + len + 1;
    if (need <= s->cap)
        return true;
    size_t cap = s->cap ? s->cap : 64;
    while (cap < need)
        cap *= 2;
    char *text = realloc(s->text, cap);
    if (!text)
        goto bad;
    s->text = text;
    s->cap = cap;
    return true;
bad:
    s->bad = true;
    return false;
}

void strbuf_addn(struct strbuf *s, const char *text, size_t len)
{
    if (!strbuf_grow(s, len))
        return;
    if (len)
        memcpy(s->text + s->len, text, len);
    s->len += len;
    s->text[s->len] = 0;
}

void strbuf_add(struct strbuf *s, const char *text)
{
    strbuf_addn(s, text, strlen(text));
}

void strbuf_addf(struct strbuf *s, const char *fmt, ...)
{
    va_list ap;
    va_start(ap, fmt);
    int n = vsnprintf(NULL, 0, fmt, ap);
    va_end(ap);
    if (n < 0) {
        s->bad = true;
        return;
    }
    if (!strbuf_grow(s, (size_t)n))
        return;
    va_start(ap, fmt);
    vsnprintf(s->text + s->len, (size_t)n + 1, fmt, ap);
    va_end(ap);
    s->len += (size_t)n;
}

char *strbuf_take(struct strbuf *s)
{
    if (!s->text)
        strbuf_grow(s, 0);
    char *text = NULL;
    if (!s->bad) {
        s->text[s->len] = 0;
        text = s->text;
        s->text = NULL;
    }
    strbuf_done(s);
    return text;
}

void strbuf_done(struct strbuf *s)
{
    free(s->text);
    *s = (struct strbuf){.max = s->max};
}

int text_copy(char *dst, size_t size, const char *src)
{
    size_t len = strlen(src);
    if (len < size) {
        memcpy(dst, src, len + 1);
        return 0;
    }
    if (size > 0) {
        len = size - 1;
        while (len > 0 && ((unsigned char)src[len] & 0xc0) == 0x80)
            len--; /* not inside a UTF-8 sequence */
        memcpy(dst, src, len);
        dst[len] = 0;
    }
    return -ENAMETOOLONG;
}

/* Bytes of the UTF-8 sequence at p (left >= 1), 0 if it is none. */
static size_t utf8_sequence(const unsigned char *p, size_t left)
{
    if (p[0] < 0x80)
        return p[0] != 0;
    size_t len = p[0] >= 0xf0 ? 4 : p[0] >= 0xe0 ? 3 : 2;
    if (p[0] < 0xc2 || p[0] > 0xf4 || left < len)
        return 0;
    for (size_t i = 1; i < len; i++)
        if ((p[i] & 0xc0) != 0x80)
            return 0;
    /* overlong forms, surrogates, beyond U+10FFFF: RFC 3629, section 4 */
    if ((p[0] == 0xe0 && p[1] < 0xa0) || (p[0] == 0xed && p[1] > 0x9f) || (p[0] == 0xf0 && p[1] < 0x90) ||
        (p[0] == 0xf4 && p[1] > 0x8f))
        return 0;
    return len;
}

bool text_is_utf8(const char *s, size_t len)
{
    for (size_t at = 0; at < len;) {
        size_t n = utf8_sequence((const unsigned char *)s + at, len - at);
        if (n == 0)
            return false;
        at += n;
    }
    return true;
}
