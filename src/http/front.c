#include "http/front.h"

#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <pthread.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/limits.h"
#include "base/list.h"
#include "base/log.h"
#include "net/loop.h"

#define PRIORITIES "NORMAL:-VERS-ALL:+VERS-TLS1.3:+VERS-TLS1.2"

enum {
    RECORD_MAX = 16384, /* bytes of a TLS record (RFC 8446, section 5.1) */
    ROUNDS = 8,         /* records moved each way before other connections get their turn */
    TLS_HANDSHAKE = 22, /* first byte of a TLS connection */
    GOODBYE_S = 2,      /* for the peer to hang up after we did */
};

enum link_state {
    LINK_FIRST_BYTE, /* is it TLS at all? */
    LINK_HANDSHAKE,
    LINK_OPEN,
    LINK_GOODBYE, /* everything was sent and closed for writing; what still comes is thrown away */
};

/* One connection. */
struct link {
    struct list link; /* front.links */
    struct front *front;
    struct credentials *credentials;
    gnutls_session_t session;
    enum link_state state;
    int tcp, pair;
    struct loop_fd *tcp_watch, *pair_watch;
    uint32_t tcp_events, pair_events; /* as they are watched */
    struct wheel_timer timer;         /* ends the handshake, and the goodbye */
    const char *refusal;
    uint8_t *held; /* decrypted and not yet taken by the pair */
    size_t held_len;
    bool sending;   /* a record was begun that the kernel did not take whole */
    bool peer_done; /* the peer sends no more, and the pair was told */
    bool pair_done; /* the other end was closed: nothing more to send */
    bool pair_deaf; /* the other end reads no more: what the peer sends is of no use */
    struct loop_call add_call;
};

struct front {
    struct loop *loop;
    pthread_t thread;
    bool started;
    gnutls_priority_t priorities;
    pthread_mutex_t lock; /* guards: */
    struct credentials *credentials;
    /* the thread's own */
    struct list links;
    bool stopping;
    int grace_ms;
    struct wheel_timer stop_timer;
    uint8_t buffer[RECORD_MAX];
};

/* ---- ends ---- */

static void link_free(struct link *l)
{
    struct front *f = l->front;
    loop_fd_del(f->loop, l->tcp_watch);
    loop_fd_del(f->loop, l->pair_watch);
    wheel_cancel(&l->timer);
    if (l->session)
        gnutls_deinit(l->session);
    credentials_unref(l->credentials);
    close(l->tcp);
    if (l->pair >= 0)
        close(l->pair);
    list_del(&l->link);
    free(l->held);
    free(l);
    if (f->stopping && list_empty(&f->links))
        loop_stop(f->loop);
}

static void on_timer(struct wheel_timer *t, int64_t now_us)
{
    (void)now_us;
    link_free(t->arg);
}

static void set_timer(struct link *l, int seconds)
{
    struct loop *loop = l->front->loop;
    wheel_set(loop_wheel(loop), &l->timer, loop_now_us(loop) + seconds * 1000000LL);
}

/* Watches what is needed; false: out of memory, and the link is gone. */
static bool watch(struct link *l, uint32_t tcp_events, uint32_t pair_events)
{
    struct loop *loop = l->front->loop;
    int err = 0;
    if (tcp_events != l->tcp_events)
        err = loop_fd_mod(loop, l->tcp_watch, tcp_events);
    if (!err && l->pair_watch && pair_events != l->pair_events)
        err = loop_fd_mod(loop, l->pair_watch, pair_events);
    l->tcp_events = tcp_events;
    l->pair_events = pair_events;
    if (err)
        link_free(l);
    return !err;
}

/* Everything the other end wrote is sent: close for writing and wait for the peer, so that nothing is taken
 * back by a reset. */
static void begin_goodbye(struct link *l)
{
    if (l->session)
        (void)gnutls_bye(
            l->session, GNUTLS_SHUT_WR); /* one record; if it does not fit, a FIN says the same */
    shutdown(l->tcp, SHUT_WR);
    if (l->front->stopping) {
        link_free(l);
        return;
    }
    loop_fd_del(l->front->loop, l->pair_watch);
    l->pair_watch = NULL;
    close(l->pair);
    l->pair = -1;
    l->state = LINK_GOODBYE;
    set_timer(l, GOODBYE_S);
    (void)watch(l, EPOLLIN, 0);
}

/* ---- moving bytes ---- */

enum move {
    MOVE_MORE,    /* something was moved, there may be more */
    MOVE_BLOCKED, /* nothing can be moved now */
    MOVE_FAILED,  /* the connection is of no use any more */
};

static enum move tls_error(long n)
{
    if (n == GNUTLS_E_AGAIN)
        return MOVE_BLOCKED;
    return n == GNUTLS_E_INTERRUPTED || (n < 0 && !gnutls_error_is_fatal((int)n)) ? MOVE_MORE : MOVE_FAILED;
}

static void drop_held(struct link *l)
{
    free(l->held);
    l->held = NULL;
    l->held_len = 0;
}

/* The other end was closed. What it wrote before is still to be sent. */
static enum move pair_is_deaf(struct link *l)
{
    l->pair_deaf = true;
    drop_held(l);
    return MOVE_BLOCKED;
}

/* Gives the pair what it did not take before. */
static enum move send_held(struct link *l)
{
    while (l->held_len > 0) {
        ssize_t n = send(l->pair, l->held, l->held_len, MSG_NOSIGNAL | MSG_DONTWAIT);
        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0)
            return errno == EAGAIN || errno == EWOULDBLOCK ? MOVE_BLOCKED : pair_is_deaf(l);
        l->held_len -= (size_t)n;
        memmove(l->held, l->held + n, l->held_len);
    }
    drop_held(l);
    return MOVE_MORE;
}

/* Keeps what the pair does not take. */
static enum move give_pair(struct link *l, const uint8_t *data, size_t len)
{
    ssize_t n = send(l->pair, data, len, MSG_NOSIGNAL | MSG_DONTWAIT);
    if (n < 0 && errno != EAGAIN && errno != EWOULDBLOCK && errno != EINTR)
        return pair_is_deaf(l);
    size_t taken = n > 0 ? (size_t)n : 0;
    if (taken == len)
        return MOVE_MORE;
    l->held = malloc(len - taken);
    if (!l->held)
        return MOVE_FAILED;
    memcpy(l->held, data + taken, len - taken);
    l->held_len = len - taken;
    return MOVE_BLOCKED;
}

/* One record from the peer to the pair. */
static enum move move_in(struct link *l)
{
    if (l->held_len > 0)
        return send_held(l);
    if (l->peer_done || l->pair_deaf)
        return MOVE_BLOCKED;
    ssize_t n = gnutls_record_recv(l->session, l->front->buffer, RECORD_MAX);
    if (n > 0)
        return give_pair(l, l->front->buffer, (size_t)n);
    if (n < 0 && n != GNUTLS_E_PREMATURE_TERMINATION)
        return tls_error(n);
    l->peer_done = true; /* a close_notify, or the end of the connection without one */
    shutdown(l->pair, SHUT_WR);
    return MOVE_BLOCKED;
}

/* One record from the pair to the peer. */
static enum move move_out(struct link *l)
{
    ssize_t n;
    if (l->sending) { /* GnuTLS has the rest of it */
        n = gnutls_record_send(l->session, NULL, 0);
    } else {
        if (l->pair_done)
            return MOVE_BLOCKED;
        n = recv(l->pair, l->front->buffer, RECORD_MAX, MSG_DONTWAIT);
        if (n < 0 && errno == EINTR)
            return MOVE_MORE;
        if (n < 0)
            return errno == EAGAIN || errno == EWOULDBLOCK ? MOVE_BLOCKED : MOVE_FAILED;
        if (n == 0) {
            l->pair_done = true;
            return MOVE_BLOCKED;
        }
        n = gnutls_record_send(l->session, l->front->buffer, (size_t)n);
    }
    l->sending = n < 0;
    return n < 0 ? tls_error(n) : MOVE_MORE;
}

/* Moves a few records each way. */
static void run_open(struct link *l)
{
    enum move in = MOVE_MORE, out = MOVE_MORE;
    for (int i = 0; i < ROUNDS && (in == MOVE_MORE || out == MOVE_MORE); i++) {
        if (in == MOVE_MORE)
            in = move_in(l);
        if (out == MOVE_MORE)
            out = move_out(l);
        if (in == MOVE_FAILED || out == MOVE_FAILED) {
            link_free(l);
            return;
        }
    }
    if (l->pair_done && !l->sending) {
        begin_goodbye(l);
        return;
    }
    /* Level-triggered: what ROUNDS left over is reported again. Not so a record that GnuTLS read ahead, nor
     * the pair when it is not watched any more (on_pair): then a connection that can be written to brings us
     * back. */
    bool again = (in == MOVE_MORE && gnutls_record_check_pending(l->session) > 0) || !l->pair_watch;
    bool read_tcp = !l->peer_done && !l->pair_deaf && l->held_len == 0,
         read_pair = !l->pair_done && !l->sending;
    (void)watch(l, (read_tcp ? EPOLLIN : 0) | (l->sending || again ? EPOLLOUT : 0),
        (read_pair ? EPOLLIN : 0) | (l->held_len > 0 ? EPOLLOUT : 0));
}

static void run_handshake(struct link *l)
{
    int err;
    do {
        err = gnutls_handshake(l->session);
    } while (err < 0 && err != GNUTLS_E_AGAIN && !gnutls_error_is_fatal(err));
    if (err == GNUTLS_E_AGAIN) {
        (void)watch(l, gnutls_record_get_direction(l->session) ? EPOLLOUT : EPOLLIN, 0);
    } else if (err < 0) {
        log_debug("http.tls_handshake_failed", "reason=\"%s\"", gnutls_strerror(err));
        (void)gnutls_alert_send_appropriate(l->session, err);
        begin_goodbye(l);
    } else {
        wheel_cancel(&l->timer);
        l->state = LINK_OPEN;
        run_open(l);
    }
}

static int open_session(struct link *l)
{
    static const gnutls_datum_t protocol = {.data = (unsigned char *)"http/1.1", .size = 8};
    struct front *f = l->front;
    pthread_mutex_lock(&f->lock);
    l->credentials = f->credentials;
    atomic_fetch_add_explicit(&l->credentials->refs, 1, memory_order_relaxed);
    pthread_mutex_unlock(&f->lock);
    int err = gnutls_init(&l->session, GNUTLS_SERVER | GNUTLS_NONBLOCK | GNUTLS_NO_SIGNAL);
    if (err == 0)
        err = gnutls_priority_set(l->session, f->priorities);
    if (err == 0)
        err = gnutls_credentials_set(l->session, GNUTLS_CRD_CERTIFICATE, l->credentials->gnutls);
    if (err == 0)
        err = gnutls_alpn_set_protocols(l->session, &protocol, 1, 0);
    if (err == 0)
        gnutls_transport_set_int(l->session, l->tcp);
    return err;
}

/* Looks at the first byte, to tell whoever speaks plain HTTP to this port what is wrong. */
static void run_first_byte(struct link *l)
{
    uint8_t first;
    ssize_t n = recv(l->tcp, &first, 1, MSG_PEEK | MSG_DONTWAIT);
    if (n < 0 && (errno == EAGAIN || errno == EWOULDBLOCK || errno == EINTR))
        return;
    if (n <= 0) {
        link_free(l);
    } else if (first != TLS_HANDSHAKE) {
        (void)!send(l->tcp, l->refusal, strlen(l->refusal), MSG_NOSIGNAL | MSG_DONTWAIT);
        begin_goodbye(l);
    } else if (open_session(l) != 0) {
        link_free(l);
    } else {
        l->state = LINK_HANDSHAKE;
        run_handshake(l);
    }
}

static void run_goodbye(struct link *l)
{
    ssize_t n = recv(l->tcp, l->front->buffer, RECORD_MAX, MSG_DONTWAIT);
    if (n == 0 || (n < 0 && errno != EAGAIN && errno != EWOULDBLOCK && errno != EINTR))
        link_free(l);
}

static void run(struct link *l)
{
    switch (l->state) {
    case LINK_FIRST_BYTE:
        run_first_byte(l);
        break;
    case LINK_HANDSHAKE:
        run_handshake(l);
        break;
    case LINK_OPEN:
        run_open(l);
        break;
    case LINK_GOODBYE:
        run_goodbye(l);
        break;
    }
}

static void on_tcp(void *arg, uint32_t events, int64_t now_us)
{
    struct link *l = arg;
    (void)now_us;
    if (events & EPOLLERR)
        link_free(l);
    else
        run(l);
}

static void on_pair(void *arg, uint32_t events, int64_t now_us)
{
    struct link *l = arg;
    (void)now_us;
    if (l->state != LINK_OPEN) {
        if (events & (EPOLLHUP | EPOLLERR))
            link_free(l); /* the server has given up before the handshake was done */
        return;
    }
    if (events & EPOLLHUP && l->sending) { /* it would be reported for as long as the peer does not read */
        loop_fd_del(l->front->loop, l->pair_watch);
        l->pair_watch = NULL;
    }
    run(l);
}

/* ---- the thread ---- */

static void add_run(void *arg)
{
    struct link *l = arg;
    struct front *f = l->front;
    int one = 1;
    unsigned dead_ms = WS_DEAD_S * 1000;
    setsockopt(
        l->tcp, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one); /* a record is a packet: it must not wait */
    setsockopt(l->tcp, IPPROTO_TCP, TCP_USER_TIMEOUT, &dead_ms, sizeof dead_ms);
    wheel_timer_init(&l->timer, on_timer, l);
    list_add_tail(&f->links, &l->link);
    l->tcp_events = EPOLLIN;
    l->tcp_watch = loop_fd_add(f->loop, l->tcp, EPOLLIN, on_tcp, l);
    l->pair_watch = loop_fd_add(f->loop, l->pair, 0, on_pair, l);
    if (!l->tcp_watch || !l->pair_watch || f->stopping)
        link_free(l);
    else
        set_timer(l, HTTP_HEAD_S);
}

void front_add(struct front *f, int tcp, int pair, const char *refusal)
{
    struct link *l = calloc(1, sizeof *l);
    if (!l) {
        close(tcp);
        close(pair);
        return;
    }
    l->front = f;
    l->tcp = tcp;
    l->pair = pair;
    l->refusal = refusal;
    list_init(&l->link);
    l->add_call = (struct loop_call){.fn = add_run, .arg = l};
    loop_call_post(f->loop, &l->add_call);
}

static void *front_main(void *arg)
{
    struct front *f = arg;
    loop_run(f->loop);
    return NULL;
}

static void free_all(struct front *f)
{
    list_for_each_safe(item, &f->links) link_free(list_entry(item, struct link, link));
}

static void on_stop_timer(struct wheel_timer *t, int64_t now_us)
{
    struct front *f = t->arg;
    (void)now_us;
    free_all(f);
    loop_stop(f->loop);
}

struct front *front_new(struct credentials *c)
{
    struct front *f = calloc(1, sizeof *f);
    if (!f) {
        credentials_unref(c);
        return NULL;
    }
    f->loop = loop_new();
    f->credentials = c;
    list_init(&f->links);
    pthread_mutex_init(&f->lock, NULL);
    wheel_timer_init(&f->stop_timer, on_stop_timer, f);
    if (!f->loop || gnutls_priority_init(&f->priorities, PRIORITIES, NULL) != 0) {
        int saved = f->loop ? ENOMEM : errno;
        front_free(f);
        errno = saved;
        return NULL;
    }
    return f;
}

int front_start(struct front *f)
{
    sigset_t all, old;
    sigfillset(&all); /* signals are the main thread's */
    pthread_sigmask(SIG_SETMASK, &all, &old);
    int err = pthread_create(&f->thread, NULL, front_main, f);
    pthread_sigmask(SIG_SETMASK, &old, NULL);
    if (err)
        return -err;
    pthread_setname_np(f->thread, "tls");
    f->started = true;
    return 0;
}

void front_set_credentials(struct front *f, struct credentials *c)
{
    pthread_mutex_lock(&f->lock);
    struct credentials *old = f->credentials;
    f->credentials = c;
    pthread_mutex_unlock(&f->lock);
    credentials_unref(old);
}

static void stop_run(void *arg)
{
    struct front *f = arg;
    f->stopping = true;
    wheel_set(loop_wheel(f->loop), &f->stop_timer, loop_now_us(f->loop) + f->grace_ms * 1000LL);
    list_for_each_safe(item, &f->links)
    {
        struct link *l = list_entry(item, struct link, link);
        if (l->state == LINK_GOODBYE)
            link_free(l); /* owed nothing but patience */
    }
    if (list_empty(&f->links))
        loop_stop(f->loop);
}

void front_stop(struct front *f, int grace_ms)
{
    if (!f->started)
        return;
    struct loop_call stop = {.fn = stop_run, .arg = f};
    f->grace_ms = grace_ms;
    loop_call_post(f->loop, &stop);
    pthread_join(f->thread, NULL);
    f->started = false;
}

void front_free(struct front *f)
{
    if (!f)
        return;
    front_stop(f, 0);
    free_all(f);
    loop_free(f->loop);
    if (f->priorities)
        gnutls_priority_deinit(f->priorities);
    credentials_unref(f->credentials);
    pthread_mutex_destroy(&f->lock);
    free(f);
}
