/* One HTTP request over a plain TCP socket of its own (RFC 9112), on a loop of net/loop.h. One thread;
 * callbacks run in the loop's round, and must not free the request. */
#ifndef BENCH_CLIENT_REQUEST_H
#define BENCH_CLIENT_REQUEST_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include "base/addr.h"
#include "net/loop.h"

#define REQUEST_ANSWER_MAX (1 << 20) /* bytes of an answer, head and body */
#define REQUEST_HEAD_MAX   16384     /* bytes of its head */

/* An answer inside the bytes that were parsed. */
struct request_answer {
    int status;       /* 200 to 599: informational ones are read over */
    const char *head; /* fields, a line each, CR LF at the end of each; not zero-terminated */
    size_t head_len;
    const char *body; /* chunks put together */
    size_t body_len;
};

/* Reads an answer from the start of data, which is changed where a chunked body is put together (only when 1
 * is returned). closed: no more will come. 1: there is one; 0: it is not complete yet; -EBADMSG: not HTTP/1,
 * or cut; -EMSGSIZE: larger than the limits above. */
int request_parse(uint8_t *data, size_t len, bool closed, struct request_answer *ret);

/* Copies the first field of that name, case ignored, into out. false: absent, or longer than out. */
bool request_field(const struct request_answer *a, const char *name, char *out, size_t size);

struct request_ops {
    void (*answered)(void *arg, const struct request_answer *a); /* valid during the call */
    /* No answer came: sent says whether the connection was there and the request on its way. */
    void (*failed)(void *arg, bool sent, const char *why);
};

struct request_spec {
    struct addr server;
    const char *host;   /* of the Host field */
    const char *method; /* "POST" */
    const char *target; /* "/path?query" */
    const char *bearer; /* a token, or NULL */
    const char *type;   /* Content-Type of the body, or NULL: no body */
    const char *body;
    size_t body_len;
};

struct request;

/* Connects and asks; one of the ops is called, once. ops and arg must outlive the request; spec is needed
 * during the call only. 0 or -errno (nothing will be called). */
int request_open(struct loop *loop, const struct request_spec *spec, const struct request_ops *ops, void *arg,
    struct request **ret);
void request_free(struct request *r); /* hangs up; NULL is allowed */

#endif
