#include "request.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>
#include "base/cursor.h"
#include "base/strbuf.h"
#include "bytes.h"
#include "dial.h"

#define READ_SIZE 16384 /* bytes asked for at once */

struct request {
    struct loop *loop;
    struct loop_fd *watch;
    const struct request_ops *ops;
    void *arg;
    int fd;
    bool connected, over;
    struct bytes in, out;
};

/* ---- reading an answer ---- */

/* The next line of c without its end (CR LF or LF), or false: there is no whole one. */
static bool next_line(struct cursor *c, const char **ret, size_t *ret_len)
{
    const uint8_t *p = c->p, *stop = cursor_left(c) ? memchr(p, '\n', cursor_left(c)) : NULL;
    if (!stop)
        return false;
    size_t len = (size_t)(stop - p);
    cursor_skip(c, len + 1);
    *ret = (const char *)p;
    *ret_len = len && p[len - 1] == '\r' ? len - 1 : len;
    return true;
}

/* "HTTP/1.1 200 OK": 200, or -EBADMSG. */
static int read_status(const char *line, size_t len)
{
    if (len < 12 || memcmp(line, "HTTP/1.", 7) != 0 || line[8] != ' ')
        return -EBADMSG;
    int status = 0;
    for (int i = 9; i < 12; i++) {
        if (line[i] < '0' || line[i] > '9')
            return -EBADMSG;
        status = status * 10 + line[i] - '0';
    }
    return status >= 100 && status < 600 && (len == 12 || line[12] == ' ') ? status : -EBADMSG;
}

/* Digits of a base as a size of at most REQUEST_ANSWER_MAX; stops at ';' and blanks. */
static int read_size(const char *text, size_t len, unsigned base, size_t *ret)
{
    size_t n = 0, i = 0;
    for (; i < len && text[i] != ';' && text[i] != ' '; i++) {
        char c = text[i];
        unsigned digit = c >= '0' && c <= '9'   ? (unsigned)(c - '0')
                         : c >= 'a' && c <= 'f' ? (unsigned)(c - 'a') + 10
                         : c >= 'A' && c <= 'F' ? (unsigned)(c - 'A') + 10
                                                : 99;
        if (digit >= base)
            return -EBADMSG;
        n = n * base + digit;
        if (n > REQUEST_ANSWER_MAX)
            return -EMSGSIZE;
    }
    if (i == 0)
        return -EBADMSG;
    *ret = n;
    return 0;
}

/* Walks the chunks behind c; moves their bytes together at to unless it is NULL. 1, 0 or -errno. */
static int walk_chunks(struct cursor c, uint8_t *to, size_t *ret_len)
{
    size_t total = 0;
    for (;;) {
        const char *line;
        size_t len, size;
        if (!next_line(&c, &line, &len))
            return 0;
        int err = read_size(line, len, 16, &size);
        if (err)
            return err;
        if (size == 0)
            break;
        const uint8_t *data = cursor_bytes(&c, size);
        if (!data)
            return 0;
        if (to)
            memmove(to + total, data, size);
        total += size;
        if (!next_line(&c, &line, &len))
            return 0;
        if (len)
            return -EBADMSG;
    }
    for (;;) { /* trailer fields */
        const char *line;
        size_t len;
        if (!next_line(&c, &line, &len))
            return 0;
        if (!len)
            break;
    }
    *ret_len = total;
    return 1;
}

bool request_field(const struct request_answer *a, const char *name, char *out, size_t size)
{
    struct cursor c = cursor_of(a->head, a->head_len);
    size_t n = strlen(name), len;
    const char *line;
    while (next_line(&c, &line, &len)) {
        if (len <= n || line[n] != ':' || strncasecmp(line, name, n) != 0)
            continue;
        const char *value = line + n + 1;
        size_t value_len = len - n - 1;
        while (value_len && (*value == ' ' || *value == '\t')) {
            value++;
            value_len--;
        }
        while (value_len && (value[value_len - 1] == ' ' || value[value_len - 1] == '\t'))
            value_len--;
        if (value_len >= size)
            return false;
        memcpy(out, value, value_len);
        out[value_len] = 0;
        return true;
    }
    return false;
}

/* The head alone; c is left at the body. 1, 0 or -errno. */
static int read_head(struct cursor *c, struct request_answer *ret)
{
    const char *line;
    size_t len;
    if (!next_line(c, &line, &len))
        return 0;
    ret->status = read_status(line, len);
    if (ret->status < 0)
        return ret->status;
    const uint8_t *first = c->p;
    for (;;) {
        if (!next_line(c, &line, &len))
            return 0;
        if (!len)
            break;
    }
    ret->head = (const char *)first;
    ret->head_len = (size_t)((const uint8_t *)line - first);
    return 1;
}

static int read_body(struct cursor c, uint8_t *data, size_t len, bool closed, struct request_answer *ret)
{
    char value[32];
    size_t at = len - cursor_left(&c), size;
    ret->body = (const char *)data + at;
    if (ret->status == 204 || ret->status == 304) {
        ret->body_len = 0;
        return 1;
    }
    if (request_field(ret, "Transfer-Encoding", value, sizeof value)) {
        if (strcasecmp(value, "chunked") != 0)
            return -EBADMSG;
        int got = walk_chunks(c, NULL, &size);
        if (got == 1)
            (void)walk_chunks(c, data + at, &ret->body_len);
        return got == 0 && closed ? -EBADMSG : got;
    }
    if (request_field(ret, "Content-Length", value, sizeof value)) {
        int err = read_size(value, strlen(value), 10, &size);
        if (err)
            return err;
        ret->body_len = size;
        return cursor_left(&c) >= size ? 1 : closed ? -EBADMSG : 0;
    }
    ret->body_len = cursor_left(&c);
    return closed;
}

int request_parse(uint8_t *data, size_t len, bool closed, struct request_answer *ret)
{
    struct cursor c = cursor_of(data, len);
    struct request_answer a = {0};
    for (;;) {
        int got = read_head(&c, &a);
        if (got == 0 && len > REQUEST_HEAD_MAX)
            return -EMSGSIZE;
        if (got == 0 && closed)
            return -EBADMSG;
        if (got <= 0)
            return got;
        if (a.status >= 200)
            break;
    }
    int got = read_body(c, data, len, closed, &a);
    if (got == 0 && len >= REQUEST_ANSWER_MAX)
        return -EMSGSIZE;
    if (got == 1)
        *ret = a;
    return got;
}

/* ---- the connection ---- */

static void hang_up(struct request *r)
{
    if (r->watch)
        loop_fd_del(r->loop, r->watch);
    r->watch = NULL;
    if (r->fd >= 0)
        close(r->fd);
    r->fd = -1;
    r->over = true;
}

static void fail(struct request *r, const char *why)
{
    bool sent = r->connected;
    hang_up(r);
    r->ops->failed(r->arg, sent, why);
}

void request_free(struct request *r)
{
    if (!r)
        return;
    hang_up(r);
    bytes_done(&r->in);
    bytes_done(&r->out);
    free(r);
}

static void flush(struct request *r)
{
    while (r->out.len) {
        ssize_t n = send(r->fd, bytes_at(&r->out), r->out.len, MSG_NOSIGNAL | MSG_DONTWAIT);
        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0 && errno == EAGAIN)
            return;
        if (n < 0) {
            fail(r, strerror(errno));
            return;
        }
        bytes_drop(&r->out, (size_t)n);
    }
    loop_fd_mod(r->loop, r->watch, EPOLLIN);
}

static void look(struct request *r, bool closed, const char *why)
{
    struct request_answer a;
    int got = request_parse(bytes_at(&r->in), r->in.len, closed, &a);
    if (got > 0) {
        hang_up(r);
        r->ops->answered(r->arg, &a);
    } else if (got < 0 || closed) {
        fail(r, !r->in.len ? why : got == -EMSGSIZE ? "the answer is too large" : "the answer is no HTTP");
    }
}

static void input(struct request *r)
{
    while (!r->over) {
        uint8_t *p = bytes_room(&r->in, READ_SIZE);
        if (!p) {
            fail(r, "the answer is too large");
            return;
        }
        ssize_t n = recv(r->fd, p, READ_SIZE, MSG_DONTWAIT);
        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0 && errno == EAGAIN)
            return;
        if (n > 0)
            bytes_grow(&r->in, (size_t)n);
        look(r, n <= 0, n < 0 ? strerror(errno) : "the server hung up");
    }
}

static void ready(void *arg, uint32_t events, int64_t now_us)
{
    struct request *r = arg;
    (void)now_us;
    if (!r->connected) {
        int err = dial_result(r->fd);
        if (err) {
            fail(r, strerror(-err));
            return;
        }
        r->connected = true;
    }
    if (events & EPOLLOUT)
        flush(r);
    if (!r->over && events & (EPOLLIN | EPOLLHUP | EPOLLERR))
        input(r);
}

static int write_request(struct request *r, const struct request_spec *spec)
{
    struct strbuf s = {.max = REQUEST_ANSWER_MAX};
    strbuf_addf(
        &s, "%s %s HTTP/1.1\r\nHost: %s\r\nConnection: close\r\n", spec->method, spec->target, spec->host);
    if (spec->bearer)
        strbuf_addf(&s, "Authorization: Bearer %s\r\n", spec->bearer);
    if (spec->type)
        strbuf_addf(&s, "Content-Type: %s\r\nContent-Length: %zu\r\n", spec->type, spec->body_len);
    strbuf_add(&s, "\r\n");
    if (spec->type)
        strbuf_addn(&s, spec->body, spec->body_len);
    int err = strbuf_ok(&s) ? bytes_add(&r->out, s.text, s.len) : -ENOMEM;
    strbuf_done(&s);
    return err;
}

int request_open(struct loop *loop, const struct request_spec *spec, const struct request_ops *ops, void *arg,
    struct request **ret)
{
    struct request *r = calloc(1, sizeof *r);
    if (!r)
        return -ENOMEM;
    *r = (struct request){.loop = loop,
        .ops = ops,
        .arg = arg,
        .in = {.max = REQUEST_ANSWER_MAX + READ_SIZE},
        .out = {.max = REQUEST_ANSWER_MAX}};
    r->fd = dial_tcp(&spec->server);
    int err = r->fd < 0 ? r->fd : write_request(r, spec);
    if (!err && !(r->watch = loop_fd_add(loop, r->fd, EPOLLIN | EPOLLOUT, ready, r)))
        err = -errno;
    if (err) {
        request_free(r);
        return err;
    }
    *ret = r;
    return 0;
}
