/* A look at the head of a connection's first request before libmicrohttpd gets the connection. It costs no
 * memory until the head is whole, and what is wrong gets an answer that says so in JSON; libmicrohttpd, which
 * parses it again and speaks for itself from then on, knows only pages of its own. Pure function, any thread.
 */
#ifndef HTTP_HEAD_H
#define HTTP_HEAD_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum head_verdict {
    HEAD_MORE, /* right so far */
    HEAD_OK,   /* whole */
    HEAD_BAD,  /* see status */
};

struct head_check {
    enum head_verdict verdict;
    int status;       /* HEAD_BAD: 400, 414, 431 or 505 */
    const char *code; /* HEAD_BAD: for the error's body */
    const char *message;
};

/* Judges the first len bytes of a connection. Bounds: HTTP_LINE_MAX, HTTP_HEAD_MAX. */
struct head_check http_head_check(const uint8_t *data, size_t len);

#endif
