/* Growing text. Errors (no memory, over the limit) are sticky: check strbuf_ok once at the end. */
#ifndef BASE_STRBUF_H
#define BASE_STRBUF_H

#include <stdbool.h>
#include <stddef.h>

struct strbuf {
    char *text; /* always zero-terminated once anything was written; NULL before */
    size_t len, cap;
    size_t max; /* bytes it may grow to; 0: no limit */
    bool bad;
};

void strbuf_add(struct strbuf *s, const char *text);
void strbuf_addn(struct strbuf *s, const char *text, size_t len);
void strbuf_addf(struct strbuf *s, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
static inline bool strbuf_ok(const struct strbuf *s)
{
    return !s->bad;
}

/* The text, now the caller's to free; "" allocated if empty; NULL after an error. The buffer is reset. */
char *strbuf_take(struct strbuf *s);
void strbuf_done(struct strbuf *s);

/* Copies src into dst (size bytes with the zero); 0, or -ENAMETOOLONG with dst cut. */
int text_copy(char *dst, size_t size, const char *src);

/* Is this valid UTF-8 without NUL (RFC 3629: no surrogates, no overlong forms, at most U+10FFFF)? */
bool text_is_utf8(const char *s, size_t len);

#endif
