/* Request targets (RFC 9112, section 3.2) and their escapes (RFC 3986, section 2.1). Pure functions, any
 * thread. */
#ifndef HTTP_TARGET_H
#define HTTP_TARGET_H

#include <stdbool.h>
#include <stddef.h>

/* Both point into the text that was split. */
struct http_target {
    const char *path; /* begins with exactly one slash */
    size_t path_len;
    const char *query; /* behind the '?' */
    size_t query_len;  /* 0: none */
};

/* Splits an origin-form ("/path?query") or absolute-form ("http://host/path?query") target of len bytes.
 * Leading slashes count as one: people configure server addresses with a slash at the end, and a redirect
 * breaks POST. A fragment is cut. 0, or -EINVAL with *ret untouched. */
int http_target_split(const char *text, size_t len, struct http_target *ret);

/* Decodes %XX, and '+' to a space if plus, into out (at least len + 1 bytes) with a zero behind. Returns the
 * length, or -EINVAL for a broken escape or a NUL in the result. */
int http_decode(const char *in, size_t len, bool plus, char *out);

/* Finds the first parameter called name (compared decoded) and decodes its value into out (at least query_len
 * + 1 bytes). Returns the length of the value, -ENOENT, or -EINVAL for a value that does not decode. */
int http_query_find(const char *query, size_t query_len, const char *name, char *out);

#endif
