#include "websocket.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>
#include "base/rand.h"
#include "base/strbuf.h"
#include "bytes.h"
#include "dial.h"
#include "frame.h"
#include "tls/digest.h"

#define READ_SIZE 16384 /* bytes asked for at once */
#define KEY_SIZE  16    /* bytes of a handshake's nonce */

enum websocket_state {
    WEBSOCKET_CONNECTING, /* TCP */
    WEBSOCKET_ASKING,     /* the handshake is on its way */
    WEBSOCKET_OPEN,
    WEBSOCKET_CLOSED,
};

struct websocket {
    struct loop *loop;
    struct loop_fd *watch;
    const struct websocket_ops *ops;
    void *arg;
    int fd;
    enum websocket_state state;
    bool closing; /* a close frame was sent */
    uint32_t events;
    struct bytes in, out, message;
    bool fragmented; /* message waits for its last fragment */
    bool message_text;
    char accept[BASE64_TEXT_SIZE(DIGEST_SHA1_SIZE)]; /* what the server has to answer */
};

/* ---- the end ---- */

static void hang_up(struct websocket *w)
{
    if (w->watch)
        loop_fd_del(w->loop, w->watch);
    w->watch = NULL;
    if (w->fd >= 0)
        close(w->fd);
    w->fd = -1;
    w->state = WEBSOCKET_CLOSED;
}

static void end(struct websocket *w, const char *why)
{
    if (w->state == WEBSOCKET_CLOSED)
        return;
    hang_up(w);
    w->ops->closed(w->arg, why);
}

void websocket_free(struct websocket *w)
{
    if (!w)
        return;
    hang_up(w);
    bytes_done(&w->in);
    bytes_done(&w->out);
    bytes_done(&w->message);
    free(w);
}

/* ---- output ---- */

static void want(struct websocket *w)
{
    bool writes = w->state == WEBSOCKET_CONNECTING || w->out.len;
    uint32_t events = EPOLLIN | (writes ? (uint32_t)EPOLLOUT : 0);
    if (w->watch && events != w->events)
        loop_fd_mod(w->loop, w->watch, w->events = events);
}

static void flush(struct websocket *w)
{
    while (w->out.len && w->state != WEBSOCKET_CLOSED) {
        ssize_t n = send(w->fd, bytes_at(&w->out), w->out.len, MSG_NOSIGNAL | MSG_DONTWAIT);
        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0) {
            if (errno != EAGAIN)
                end(w, strerror(errno));
            break;
        }
        bytes_drop(&w->out, (size_t)n);
    }
    want(w);
}

static int put_frame(struct websocket *w, enum frame_opcode opcode, const void *data, size_t len)
{
    uint8_t head[FRAME_HEAD_MAX], key[4];
    rand_bytes(key, sizeof key);
    size_t n = frame_head(head, opcode, len, key);
    uint8_t *p = bytes_room(&w->out, n + len);
    if (!p)
        return -ENOBUFS;
    memcpy(p, head, n);
    if (len)
        memcpy(p + n, data, len);
    frame_mask(p + n, len, key);
    bytes_grow(&w->out, n + len);
    return 0;
}

int websocket_send(struct websocket *w, bool text, const void *data, size_t len)
{
    if (w->state != WEBSOCKET_OPEN || w->closing)
        return -ENOTCONN;
    int err = put_frame(w, text ? FRAME_TEXT : FRAME_BINARY, data, len);
    if (!err)
        flush(w);
    return err;
}

void websocket_close(struct websocket *w, uint16_t code)
{
    const uint8_t payload[2] = {(uint8_t)(code >> 8), (uint8_t)code};
    if (w->state != WEBSOCKET_OPEN || w->closing)
        return;
    if (put_frame(w, FRAME_CLOSE, payload, sizeof payload) == 0)
        w->closing = true;
    flush(w);
}

/* ---- the handshake (RFC 6455, section 4.1) ---- */

static int ask(struct websocket *w, const struct addr *server, const struct websocket_request *r)
{
    static const char guid[] = "258EAFA5-E914-47DA-95CA-C5AB0DC85B11";
    uint8_t nonce[KEY_SIZE], hash[DIGEST_SHA1_SIZE];
    char key[BASE64_TEXT_SIZE(KEY_SIZE)], joined[sizeof key + sizeof guid], host[ADDR_TEXT_MAX];
    rand_bytes(nonce, sizeof nonce);
    base64_encode(nonce, sizeof nonce, key, sizeof key);
    snprintf(joined, sizeof joined, "%s%s", key, guid);
    digest_sha1(joined, strlen(joined), hash);
    base64_encode(hash, sizeof hash, w->accept, sizeof w->accept);
    struct strbuf s = {.max = WEBSOCKET_QUEUE_MAX};
    strbuf_addf(&s,
        "GET %s HTTP/1.1\r\nHost: %s\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n"
        "Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: %s\r\n",
        r->target, addr_text(server, host), key);
    if (r->bearer)
        strbuf_addf(&s, "Authorization: Bearer %s\r\n", r->bearer);
    if (r->protocol)
        strbuf_addf(&s, "Sec-WebSocket-Protocol: %s\r\n", r->protocol);
    strbuf_add(&s, "\r\n");
    int err = strbuf_ok(&s) ? bytes_add(&w->out, s.text, s.len) : -ENOMEM;
    strbuf_done(&s);
    return err;
}

/* The value of a field in a zero-terminated head, cut at its line's end; NULL: not there. */
static const char *field(char *head, const char *name)
{
    size_t n = strlen(name);
    for (char *line = head; line; line = strstr(line, "\r\n")) {
        line += line == head ? 0 : 2;
        if (strncasecmp(line, name, n) != 0 || line[n] != ':')
            continue;
        char *value = line + n + 1 + strspn(line + n + 1, " ");
        value[strcspn(value, "\r")] = 0;
        return value;
    }
    return NULL;
}

/* Takes the answer's head off the input; what follows it are frames. */
static void take_answer(struct websocket *w)
{
    static const char blank[] = "\r\n\r\n";
    char head[WEBSOCKET_HEAD_MAX + 1], why[160];
    uint8_t *stop = memmem(bytes_at(&w->in), w->in.len, blank, 4);
    size_t len = stop ? (size_t)(stop - bytes_at(&w->in)) + 4 : 0;
    if (!stop || len > WEBSOCKET_HEAD_MAX) {
        if (w->in.len >= WEBSOCKET_HEAD_MAX)
            end(w, "the answer to the handshake is too long");
        return;
    }
    memcpy(head, bytes_at(&w->in), len);
    head[len] = 0;
    if (strncmp(head, "HTTP/1.", 7) != 0) {
        end(w, "the answer to the handshake is not HTTP");
        return;
    }
    if (strncmp(head, "HTTP/1.1 101 ", 13) != 0) {
        size_t body = w->in.len - len < 80 ? w->in.len - len : 80;
        snprintf(why, sizeof why, "%.*s: %.*s", (int)strcspn(head, "\r"), head, (int)body,
            (const char *)bytes_at(&w->in) + len);
        end(w, why);
        return;
    }
    bytes_drop(&w->in, len);
    const char *accept = field(head, "Sec-WebSocket-Accept");
    if (!accept || strcmp(accept, w->accept) != 0) {
        end(w, "the answer to the handshake is not for us");
        return;
    }
    w->state = WEBSOCKET_OPEN;
    w->ops->open(w->arg);
}

/* ---- input ---- */

static void data_frame(struct websocket *w, const struct frame *f)
{
    bool first = f->opcode != FRAME_CONTINUATION;
    if (first == w->fragmented) {
        end(w, "a fragment is out of place");
        return;
    }
    if (first && f->fin) {
        w->ops->message(w->arg, f->opcode == FRAME_TEXT, f->payload, f->len);
        return;
    }
    if (first)
        w->message_text = f->opcode == FRAME_TEXT;
    if (bytes_add(&w->message, f->payload, f->len)) {
        end(w, "a message is too large");
        return;
    }
    w->fragmented = !f->fin;
    if (f->fin) {
        w->ops->message(w->arg, w->message_text, bytes_at(&w->message), w->message.len);
        bytes_drop(&w->message, w->message.len);
    }
}

static void close_frame(struct websocket *w, const struct frame *f)
{
    char why[160];
    unsigned code = f->len >= 2 ? (unsigned)(f->payload[0] << 8 | f->payload[1]) : 1005;
    snprintf(why, sizeof why, "closed with %u %.*s", code, f->len > 2 ? (int)(f->len - 2) : 0,
        f->len > 2 ? (const char *)f->payload + 2 : "");
    if (!w->closing)
        put_frame(w, FRAME_CLOSE, f->payload, f->len >= 2 ? 2 : 0);
    w->closing = true;
    flush(w);
    end(w, why);
}

static void take_frames(struct websocket *w)
{
    struct frame f;
    int got = 0;
    while (w->state == WEBSOCKET_OPEN &&
           (got = frame_parse(bytes_at(&w->in), w->in.len, WEBSOCKET_MESSAGE_MAX, &f)) > 0) {
        if (f.opcode == FRAME_CLOSE) {
            close_frame(w, &f);
            return;
        }
        if (f.opcode == FRAME_PING)
            put_frame(w, FRAME_PONG, f.payload, f.len);
        else if (f.opcode != FRAME_PONG)
            data_frame(w, &f);
        bytes_drop(&w->in, f.size);
    }
    if (w->state != WEBSOCKET_OPEN)
        return;
    if (got < 0)
        end(w, got == -EMSGSIZE ? "a frame is too large" : "a frame is malformed");
    else
        flush(w);
}

static void input(struct websocket *w)
{
    for (;;) {
        uint8_t *p = bytes_room(&w->in, READ_SIZE);
        if (!p) {
            end(w, "no room for what the server sends");
            return;
        }
        ssize_t n = recv(w->fd, p, READ_SIZE, MSG_DONTWAIT);
        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0 && errno == EAGAIN)
            return;
        if (n <= 0) {
            end(w, n ? strerror(errno) : "the server hung up");
            return;
        }
        bytes_grow(&w->in, (size_t)n);
        if (w->state == WEBSOCKET_ASKING)
            take_answer(w);
        take_frames(w);
        if (w->state == WEBSOCKET_CLOSED || n < READ_SIZE)
            return;
    }
}

static void ready(void *arg, uint32_t events, int64_t now_us)
{
    struct websocket *w = arg;
    (void)now_us;
    if (w->state == WEBSOCKET_CONNECTING) {
        int err = dial_result(w->fd);
        if (err) {
            end(w, strerror(-err));
            return;
        }
        w->state = WEBSOCKET_ASKING;
    }
    if (events & EPOLLOUT)
        flush(w);
    if (w->state != WEBSOCKET_CLOSED && events & (EPOLLIN | EPOLLHUP | EPOLLERR))
        input(w);
}

int websocket_open(struct loop *loop, const struct addr *server, const struct websocket_request *request,
    const struct websocket_ops *ops, void *arg, struct websocket **ret)
{
    struct websocket *w = calloc(1, sizeof *w);
    if (!w)
        return -ENOMEM;
    *w = (struct websocket){.loop = loop,
        .ops = ops,
        .arg = arg,
        .events = EPOLLIN | EPOLLOUT,
        .in = {.max = WEBSOCKET_MESSAGE_MAX + READ_SIZE + FRAME_HEAD_MAX},
        .out = {.max = WEBSOCKET_QUEUE_MAX},
        .message = {.max = WEBSOCKET_MESSAGE_MAX}};
    w->fd = dial_tcp(server);
    int err = w->fd < 0 ? w->fd : ask(w, server, request);
    if (!err && !(w->watch = loop_fd_add(loop, w->fd, w->events, ready, w)))
        err = -errno;
    if (err) {
        websocket_free(w);
        return err;
    }
    *ret = w;
    return 0;
}
