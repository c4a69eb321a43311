#include "http/private.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <sys/uio.h>
#include <unistd.h>

#include "http/codec.h"

enum {
    IOV_MAX_ITEMS = 32, /* queued frames of one sendmsg */
    LINGER_READS = 64,  /* reads of what a refused peer still sends, a wake-up */
};

enum ws_state {
    WS_CONNECTING, /* accepted; the 101 is on its way */
    WS_OPEN,
    WS_CLOSING, /* a close frame was queued: nothing more is taken or given out */
    WS_ENDED,   /* the owner is told, or will be by end_call */
};

/* One frame, or the bytes of control frames, waiting to be sent. */
struct ws_item {
    struct list link;
    struct ws_buffer *payload; /* NULL: header alone */
    size_t sent;               /* bytes, of header and payload together */
    uint8_t header_len;
    uint8_t header[128 + 4]; /* a control frame whole: 2 and 125 bytes; CODEC_HEADER_MAX otherwise */
};

struct ws {
    struct list link; /* http.websockets */
    struct http *http;
    struct http_conn *conn;
    const struct ws_ops *ops; /* NULL: nobody listens */
    void *arg;
    struct codec *codec;
    struct list queue; /* struct ws_item */
    size_t queued;     /* bytes, with what the items themselves take */
    int fd;            /* -1 before it is attached */
    struct loop_fd *watch;
    bool attached; /* fd and the like are set, or never will be */
    bool want_write;
    bool reading; /* inside codec_input: flush and end afterwards */
    bool linger;  /* stay until the peer hangs up, so that it can read why */
    enum ws_state state;
    uint16_t code; /* with cause: how it ended, valid from WS_CLOSING on */
    enum ws_cause cause;
    struct wheel_timer timer; /* the next ping; while closing, the end of patience */
    struct loop_call end_call;
};

const char *ws_cause_text(enum ws_cause cause)
{
    static const char *const texts[] = {
        [WS_CAUSE_PEER] = "peer",
        [WS_CAUSE_LOCAL] = "local",
        [WS_CAUSE_LOST] = "lost",
        [WS_CAUSE_PROTOCOL] = "protocol",
        [WS_CAUSE_SLOW] = "slow",
        [WS_CAUSE_MEMORY] = "memory",
    };
    return texts[cause];
}

/* ---- shared buffers ---- */

struct ws_buffer *ws_buffer_new(const void *data, size_t len)
{
    struct ws_buffer *b = malloc(sizeof *b + len);
    if (!b)
        return NULL;
    b->refs = 1;
    b->len = len;
    if (data)
        memcpy(b->data, data, len);
    return b;
}

struct ws_buffer *ws_buffer_ref(struct ws_buffer *b)
{
    b->refs++;
    return b;
}

void ws_buffer_unref(struct ws_buffer *b)
{
    if (b && --b->refs == 0)
        free(b);
}

/* ---- the end ---- */

static void free_now(struct ws *w)
{
    struct http *h = w->http;
    wheel_cancel(&w->timer);
    loop_fd_del(h->loop, w->watch);
    if (w->fd >= 0)
        close(w->fd);
    list_del(&w->link);
    h->ws_count--;
    atomic_store_explicit(&h->open_websockets, h->ws_count, memory_order_relaxed);
    conn_release(w->conn);
    free(w);
    http_check_quiet(h);
}

static void queue_clear(struct ws *w)
{
    list_for_each_safe(item, &w->queue)
    {
        struct ws_item *i = list_entry(item, struct ws_item, link);
        list_del(item);
        ws_buffer_unref(i->payload);
        free(i);
    }
    w->queued = 0;
}

static void on_linger(void *arg, uint32_t events, int64_t now_us)
{
    struct ws *w = arg;
    (void)events;
    (void)now_us;
    for (int i = 0; i < LINGER_READS; i++) {
        ssize_t n = recv(w->fd, w->http->scratch, HTTP_HEAD_MAX, MSG_DONTWAIT);
        if (n > 0 || (n < 0 && errno == EINTR))
            continue;
        if (n == 0 || (errno != EAGAIN && errno != EWOULDBLOCK))
            free_now(w);
        return;
    }
}

static void on_linger_timer(struct wheel_timer *t, int64_t now_us)
{
    (void)now_us;
    free_now(t->arg);
}

/* The peer is owed nothing but time to read. A plain connection is closed for writing, so that it sees the
 * end. */
static void linger(struct ws *w)
{
    struct http *h = w->http;
    w->watch = h->stopping ? NULL : loop_fd_add(h->loop, w->fd, EPOLLIN, on_linger, w);
    if (!w->watch) {
        free_now(w);
        return;
    }
    shutdown(w->fd, SHUT_WR);
    wheel_timer_init(&w->timer, on_linger_timer, w);
    wheel_set(loop_wheel(h->loop), &w->timer, loop_now_us(h->loop) + WS_CLOSE_WAIT_S * 1000000LL);
}

static void end_run(void *arg)
{
    struct ws *w = arg;
    const struct ws_ops *ops = w->ops;
    if (ops)
        ops->on_closed(w->arg, w, w->code, w->cause);
    w->ops = NULL;
    codec_free(w->codec);
    w->codec = NULL;
    queue_clear(w);
    if (!w->attached)
        return; /* ws_attach will find nothing left to do and free it */
    if (w->linger && w->fd >= 0)
        linger(w);
    else
        free_now(w);
}

/* The socket is finished, now or after a failed call of the owner's, who is told from the loop. Keeps code
 * and cause that a close under way has set. */
static void end(struct ws *w, uint16_t code, enum ws_cause cause)
{
    if (w->state == WS_ENDED)
        return;
    if (w->state != WS_CLOSING) {
        w->code = code;
        w->cause = cause;
    }
    w->state = WS_ENDED;
    wheel_cancel(&w->timer);
    loop_fd_del(w->http->loop, w->watch);
    w->watch = NULL;
    w->end_call = (struct loop_call){.fn = end_run, .arg = w};
    loop_call_post(w->http->loop, &w->end_call);
}

/* ---- out ---- */

static size_t item_len(const struct ws_item *i)
{
    return i->header_len + (i->payload ? i->payload->len : 0);
}

/* Describes the unsent part of the queue; returns the number of pieces. */
static int gather(struct ws *w, struct iovec *iov)
{
    int n = 0;
    list_for_each(item, &w->queue)
    {
        struct ws_item *i = list_entry(item, struct ws_item, link);
        size_t skip = i->sent;
        if (skip < i->header_len) {
            iov[n++] = (struct iovec){.iov_base = i->header + skip, .iov_len = i->header_len - skip};
            skip = i->header_len;
        }
        skip -= i->header_len;
        if (i->payload && skip < i->payload->len)
            iov[n++] = (struct iovec){.iov_base = i->payload->data + skip, .iov_len = i->payload->len - skip};
        if (n >= 2 * IOV_MAX_ITEMS - 1)
            break;
    }
    return n;
}

static void take_sent(struct ws *w, size_t sent)
{
    while (!list_empty(&w->queue)) {
        struct ws_item *i = list_entry(w->queue.next, struct ws_item, link);
        size_t left = item_len(i) - i->sent;
        if (sent < left) {
            i->sent += sent;
            w->queued -= sent;
            return;
        }
        sent -= left;
        w->queued -= left + sizeof *i;
        list_del(&i->link);
        ws_buffer_unref(i->payload);
        free(i);
    }
}

static void want_write(struct ws *w, bool want)
{
    if (w->want_write == want)
        return;
    w->want_write = want;
    if (loop_fd_mod(w->http->loop, w->watch, EPOLLIN | (want ? EPOLLOUT : 0)) < 0)
        end(w, 1006, WS_CAUSE_LOST);
}

/* Is the close complete once the queue is empty? The server hangs up first (RFC 6455, section 7.1.1), and
 * does not wait for a peer whose frames cannot be read. */
static bool close_complete(const struct ws *w)
{
    return w->state == WS_CLOSING && (codec_close_received(w->codec) || w->cause == WS_CAUSE_PROTOCOL);
}

/* Gives the kernel what it takes of the queue. false: it takes no more for now, or the socket ended. */
static bool write_queue(struct ws *w)
{
    while (!list_empty(&w->queue)) {
        struct iovec iov[2 * IOV_MAX_ITEMS];
        struct msghdr msg = {.msg_iov = iov, .msg_iovlen = (size_t)gather(w, iov)};
        ssize_t n = sendmsg(w->fd, &msg, MSG_NOSIGNAL | MSG_DONTWAIT);
        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0 && (errno == EAGAIN || errno == EWOULDBLOCK)) {
            want_write(w, true);
            return false;
        }
        if (n < 0) {
            end(w, 1006, WS_CAUSE_LOST);
            return false;
        }
        take_sent(w, (size_t)n);
    }
    return true;
}

static void flush(struct ws *w)
{
    if (w->fd < 0 || w->state == WS_ENDED || w->reading || !write_queue(w))
        return;
    want_write(w, false);
    if (close_complete(w))
        end(w, w->code, w->cause);
}

static bool fits(const struct ws *w, size_t size)
{
    return w->queued == 0 || w->queued + size <= w->http->config.queue_max;
}

/* Room for size bytes more? Otherwise the socket ends. An empty queue takes one message of any size: a peer
 * that has read all it was sent is not slow. Nor is one that asked so much at once that the answers, which
 * wait for the end of its input, fill the queue: they go out first. */
static int queue_room(struct ws *w, size_t size)
{
    if (fits(w, size))
        return 0;
    if (w->reading && !w->want_write && w->state != WS_ENDED)
        write_queue(w);
    if (w->state == WS_ENDED)
        return -EPIPE;
    if (fits(w, size))
        return 0;
    end(w, 1006, WS_CAUSE_SLOW);
    return -ENOBUFS;
}

static struct ws_item *queue_add(struct ws *w, size_t payload_len)
{
    struct ws_item *i = malloc(sizeof *i);
    if (!i) {
        end(w, 1006, WS_CAUSE_MEMORY);
        return NULL;
    }
    *i = (struct ws_item){0};
    list_add_tail(&w->queue, &i->link);
    w->queued += payload_len + sizeof *i;
    return i;
}

/* Control frames of the codec, which come in pieces of header and payload. */
static void on_output(void *arg, const uint8_t *data, size_t len)
{
    struct ws *w = arg;
    if (w->state == WS_ENDED || queue_room(w, len + sizeof(struct ws_item)) < 0)
        return;
    struct ws_item *i = queue_add(w, len);
    if (!i)
        return;
    memcpy(i->header, data, len < sizeof i->header ? len : sizeof i->header);
    i->header_len = (uint8_t)len;
}

int ws_send_buffer(struct ws *w, bool text, struct ws_buffer *b)
{
    if (w->state != WS_OPEN && w->state != WS_CONNECTING)
        return -EPIPE;
    int err = queue_room(w, b->len + CODEC_HEADER_MAX + sizeof(struct ws_item));
    if (err)
        return err;
    struct ws_item *i = queue_add(w, b->len);
    if (!i)
        return -ENOMEM;
    i->header_len = (uint8_t)codec_header(text, b->len, i->header);
    w->queued += i->header_len;
    i->payload = ws_buffer_ref(b);
    if (!w->want_write)
        flush(w);
    return 0;
}

static int send_copy(struct ws *w, bool text, const void *data, size_t len)
{
    if (w->state != WS_OPEN && w->state != WS_CONNECTING)
        return -EPIPE;
    struct ws_buffer *b = ws_buffer_new(data, len);
    if (!b) {
        end(w, 1006, WS_CAUSE_MEMORY);
        return -ENOMEM;
    }
    int err = ws_send_buffer(w, text, b);
    ws_buffer_unref(b);
    return err;
}

int ws_send_binary(struct ws *w, const void *data, size_t len)
{
    return send_copy(w, false, data, len);
}

int ws_send_text(struct ws *w, const char *text, size_t len)
{
    return send_copy(w, true, text, len);
}

/* ---- in ---- */

static void on_message(void *arg, bool text, const uint8_t *data, size_t len)
{
    struct ws *w = arg;
    if (w->ops && w->state == WS_OPEN)
        w->ops->on_message(w->arg, w, text, data, len, loop_now_us(w->http->loop));
}

/* From here on only the close handshake is waited for. */
static void begin_closing(struct ws *w, uint16_t code, enum ws_cause cause)
{
    w->state = WS_CLOSING;
    w->code = code;
    w->cause = cause;
    w->linger = cause == WS_CAUSE_PROTOCOL;
    wheel_set(loop_wheel(w->http->loop), &w->timer, loop_now_us(w->http->loop) + WS_CLOSE_WAIT_S * 1000000LL);
}

static void input(struct ws *w, const uint8_t *data, size_t len)
{
    w->reading = true;
    int err = codec_input(w->codec, data, len);
    w->reading = false;
    if (w->state == WS_ENDED)
        return;
    if (err == -ENOMEM) {
        end(w, 1006, WS_CAUSE_MEMORY);
        return;
    }
    if (err == -EPROTO) {
        if (w->state == WS_OPEN)
            begin_closing(w, codec_close_code(w->codec), WS_CAUSE_PROTOCOL);
        w->cause = WS_CAUSE_PROTOCOL;
        w->linger = true;
    } else if (w->state == WS_OPEN && codec_close_received(w->codec)) {
        begin_closing(w, codec_close_code(w->codec), WS_CAUSE_PEER);
    }
    flush(w);
}

static void on_readable(struct ws *w)
{
    size_t budget = WS_READ_BUDGET;
    while (budget > 0 && w->state != WS_ENDED) {
        ssize_t n = recv(w->fd, w->http->scratch, budget, MSG_DONTWAIT);
        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0 && (errno == EAGAIN || errno == EWOULDBLOCK))
            return;
        if (n <= 0) {
            end(w, 1006, WS_CAUSE_LOST);
            return;
        }
        budget -= (size_t)n;
        input(w, w->http->scratch, (size_t)n);
        if (close_complete(w))
            return; /* what may follow a close frame is not read */
    }
}

static void on_event(void *arg, uint32_t events, int64_t now_us)
{
    struct ws *w = arg;
    (void)now_us;
    if (events & EPOLLOUT) {
        flush(w);
        if (w->state == WS_ENDED)
            return;
    }
    if (events & (EPOLLIN | EPOLLHUP | EPOLLERR))
        on_readable(w);
}

static void schedule_ping(struct ws *w, int64_t now_us)
{
    wheel_set(loop_wheel(w->http->loop), &w->timer, now_us + w->http->config.ping_interval_s * 1000000LL);
}

static void on_timer(struct wheel_timer *t, int64_t now_us)
{
    struct ws *w = t->arg;
    if (w->state == WS_CLOSING) {
        end(w, 1006, WS_CAUSE_LOST); /* a close under way keeps its own code and cause */
        return;
    }
    if (codec_ping(w->codec) != 0) {
        end(w, 1006, WS_CAUSE_MEMORY);
        return;
    }
    schedule_ping(w, now_us);
    if (!w->want_write)
        flush(w);
}

/* ---- its life ---- */

struct ws *ws_new(struct http_conn *conn, const struct ws_ops *ops, void *arg)
{
    static const struct codec_ops codec_ops = {.on_message = on_message, .on_output = on_output};
    struct http *h = conn->http;
    struct ws *w = calloc(1, sizeof *w);
    if (!w)
        return NULL;
    w->codec = codec_new(h->config.message_max, &codec_ops, w);
    if (!w->codec) {
        free(w);
        return NULL;
    }
    w->http = h;
    w->conn = conn;
    conn->holds++;
    w->ops = ops;
    w->arg = arg;
    w->fd = -1;
    list_init(&w->queue);
    wheel_timer_init(&w->timer, on_timer, w);
    list_add_tail(&h->websockets, &w->link);
    h->ws_count++;
    atomic_store_explicit(&h->open_websockets, h->ws_count, memory_order_relaxed);
    return w;
}

void ws_cancel(struct ws *w)
{
    codec_free(w->codec);
    queue_clear(w);
    free_now(w);
}

void ws_attach(struct ws *w, struct ws_upgrade *u)
{
    w->attached = true;
    w->fd = u->fd;
    if (w->state == WS_ENDED) {
        if (!w->codec)
            free_now(w); /* end_run was here before */
    } else if (w->fd < 0) {
        end(w, 1006, WS_CAUSE_LOST);
    } else if (!(w->watch = loop_fd_add(w->http->loop, w->fd, EPOLLIN, on_event, w))) {
        end(w, 1006, WS_CAUSE_MEMORY);
    } else {
        if (w->state == WS_CONNECTING) {
            w->state = WS_OPEN;
            schedule_ping(w, loop_now_us(w->http->loop));
        }
        flush(w);
        if (u->extra_len > 0 && w->state != WS_ENDED)
            input(w, u->extra, u->extra_len);
    }
    free(u->extra);
    free(u);
}

void ws_set_ops(struct ws *w, const struct ws_ops *ops, void *arg)
{
    w->ops = ops;
    w->arg = arg;
}

void ws_close(struct ws *w, uint16_t code, const char *reason)
{
    if (w->state != WS_OPEN && w->state != WS_CONNECTING)
        return;
    size_t len = reason ? strlen(reason) : 0;
    int err = codec_close(w->codec, code, reason, len < 123 ? len : 123);
    if (w->state == WS_ENDED)
        return; /* the close frame did not fit into the queue */
    if (err) {
        end(w, 1006, WS_CAUSE_MEMORY);
        return;
    }
    begin_closing(w, code, WS_CAUSE_LOCAL);
    if (!w->want_write)
        flush(w);
}

struct ws *ws_of_link(struct list *link)
{
    return list_entry(link, struct ws, link);
}

/* Has only patience left? */
static bool lingers(const struct ws *w)
{
    return w->state == WS_ENDED && !w->codec && w->attached;
}

void ws_stop(struct ws *w)
{
    if (lingers(w)) {
        free_now(w);
        return;
    }
    ws_close(w, 1001, "server is stopping");
}

void ws_kill(struct ws *w)
{
    end(w, 1006, WS_CAUSE_LOST);
    w->linger = false;
    if (lingers(w))
        free_now(w); /* otherwise end_call, or ws_attach, does the rest */
}

void ws_abort(struct ws *w)
{
    if (w->state == WS_CLOSING)
        w->linger = false;
    end(w, 1006, WS_CAUSE_LOCAL);
}

const struct addr *ws_remote(const struct ws *w)
{
    return &w->conn->remote;
}

bool ws_secure(const struct ws *w)
{
    return w->conn->secure;
}

size_t ws_queued(const struct ws *w)
{
    return w->queued;
}
