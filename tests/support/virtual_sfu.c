#include "support/virtual_sfu.h"

#include <setjmp.h>
#include <stdarg.h>
#include <cmocka.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>
#include "sfu/internal.h"
#include "tls/cert.h"

#define QUIET_ROUNDS 64 /* of a worker at one time: more means that it never comes to rest */

extern int64_t virtual_now_us __attribute__((weak)); /* not there in programs whose time is real */

/* A datagram that waits in a worker's socket. */
struct arrival {
    struct arrival *next;
    struct path path; /* as the server sees it */
    size_t len;
    uint8_t data[];
};

/* Sockets have no argument of ours. */
static struct {
    struct arrival *head, **tail;
} inboxes[VIRTUAL_SFU_WORKERS_MAX];
static virtual_sfu_send_fn send_fn;
static void *send_arg;
static struct sfu *running;

bool virtual_sfu_is_linked(void)
{
    return &virtual_now_us != NULL;
}

/* ---- sockets ---- */

static struct arrival *inbox_take(unsigned worker)
{
    struct arrival *a = inboxes[worker].head;
    if (a) {
        inboxes[worker].head = a->next;
        if (!a->next)
            inboxes[worker].tail = &inboxes[worker].head;
    }
    return a;
}

int virtual_socket_open(struct udp_socket *s, uint16_t port)
{
    *s = (struct udp_socket){.port = port, .rcvbuf = 1 << 22, .sndbuf = 1 << 22};
    assert_in_range(port, VIRTUAL_SFU_PORT, VIRTUAL_SFU_PORT + VIRTUAL_SFU_WORKERS_MAX - 1);
    inboxes[port - VIRTUAL_SFU_PORT].head = NULL;
    inboxes[port - VIRTUAL_SFU_PORT].tail = &inboxes[port - VIRTUAL_SFU_PORT].head;
    s->fd = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
    return s->fd < 0 ? -errno : 0;
}

void virtual_socket_close(struct udp_socket *s)
{
    struct arrival *a;
    while ((a = inbox_take((unsigned)s->port - VIRTUAL_SFU_PORT)))
        free(a);
    close(s->fd);
    s->fd = -1;
}

int virtual_socket_recv(
    struct udp_socket *s, struct packet_pool *pool, struct packet **ret, size_t max, int64_t now_us)
{
    unsigned worker = (unsigned)s->port - VIRTUAL_SFU_PORT;
    size_t n = 0;
    uint64_t count;
    while (n < max && inboxes[worker].head) {
        struct packet *p = packet_get(pool);
        assert_non_null(p);
        struct arrival *a = inbox_take(worker);
        assert_true(a->len <= PACKET_SIZE_MAX);
        memcpy(p->data, a->data, a->len);
        p->len = (uint16_t)a->len;
        p->path = a->path;
        p->recv_us = now_us;
        free(a);
        ret[n++] = p;
    }
    if (!inboxes[worker].head)
        (void)!read(s->fd, &count, sizeof count);
    return (int)n;
}

size_t virtual_socket_send(struct udp_socket *s, const struct udp_message *messages, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        s->sends++;
        send_fn(send_arg, &messages[i].path, messages[i].data, messages[i].len);
    }
    return n;
}

void virtual_sfu_input(
    struct sfu *s, unsigned worker, const struct path *path, const uint8_t *data, size_t len)
{
    struct arrival *a = malloc(sizeof *a + len);
    uint64_t one = 1;
    assert_non_null(a);
    *a = (struct arrival){.path = *path, .len = len};
    memcpy(a->data, data, len);
    *inboxes[worker].tail = a;
    inboxes[worker].tail = &a->next;
    assert_int_equal(write(s->workers[worker]->udp.fd, &one, sizeof one), sizeof one);
}

/* ---- time ---- */

static bool worker_busy(struct sfu_worker *w)
{
    return mailbox_waits(&w->mail) || inboxes[w->index].head || w->handshakes.count;
}

static bool worker_due(struct sfu_worker *w)
{
    return worker_busy(w) || wheel_next_us(loop_wheel(w->loop)) <= virtual_now_us;
}

void virtual_sfu_run(struct sfu *s)
{
    for (unsigned rounds = 0, ran = 1; ran; rounds++) {
        assert_true(rounds < QUIET_ROUNDS);
        ran = 0;
        for (unsigned i = 0; i < s->worker_count; i++) {
            struct sfu_worker *w = s->workers[i];
            if (rounds ? !worker_busy(w) : !worker_due(w))
                continue;
            ran = 1;
            loop_run_once(w->loop, 0);
        }
    }
}

int64_t virtual_sfu_next_us(struct sfu *s)
{
    int64_t next = INT64_MAX;
    for (unsigned i = 0; i < s->worker_count; i++) {
        struct sfu_worker *w = s->workers[i];
        int64_t due_us = worker_busy(w) ? virtual_now_us : wheel_next_us(loop_wheel(w->loop));
        next = due_us < next ? due_us : next;
    }
    return next > virtual_now_us ? next : virtual_now_us;
}

/* ---- life ---- */

struct dtls_context *virtual_sfu_dtls(void)
{
    struct cert *cert = NULL;
    struct dtls_context *c = NULL;
    assert_int_equal(cert_make(&(struct cert_subject){.days = 30}, &cert, NULL), 0);
    assert_int_equal(dtls_context_new(cert, &c), 0);
    cert_free(cert);
    return c;
}

struct sfu *virtual_sfu_new(const struct sfu_config *c, virtual_sfu_send_fn send, void *arg)
{
    char error[256];
    struct sfu *s = NULL;
    assert_null(running);
    assert_in_range(c->workers, 1, VIRTUAL_SFU_WORKERS_MAX);
    virtual_now_us = VIRTUAL_SFU_START_US; /* whatever ran before: the same seed is the same run */
    send_fn = send;
    send_arg = arg;
    if (sfu_new(c, &s, error, sizeof error))
        fail_msg("sfu_new: %s", error);
    running = s;
    return s;
}

void virtual_sfu_stop(struct sfu *s)
{
    for (unsigned i = 0; i < s->worker_count; i++) {
        struct sfu_worker *w = s->workers[i];
        struct sfu_peer *p, *next;
        release_all(w);
        HASH_ITER(hh, w->peers, p, next)
        {
            peer_remove(p, true);
        }
        stages_done(w);
        sfu_flush_events(w);
    }
    running = NULL;
    sfu_stop(s); /* nothing was started; commands are refused from here on */
}
