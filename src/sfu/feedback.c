/* RTCP on a socket of its own: reports of many receivers wake the worker together, not one by one. */
#include <errno.h>
#include <string.h>
#include <sys/epoll.h>
#include "base/log.h"
#include "sfu/internal.h"

/* While reports come close together, epoll does not look at the socket, a timer does. */
static void wait_together(struct sfu_worker *w, int64_t now_us, bool more)
{
    struct feedback *f = &w->feedback;
    if (!wheel_is_set(&f->timer))
        loop_fd_mod(w->loop, f->fd, 0);
    wheel_set(loop_wheel(w->loop), &f->timer, more ? now_us : now_us + FEEDBACK_GATHER_US);
}

static size_t receive(struct sfu_worker *w, int64_t now_us)
{
    w->feedback.read_us = now_us;
    return worker_receive(w, &w->feedback.udp, now_us);
}

static void ready(void *arg, uint32_t events, int64_t now_us)
{
    struct sfu_worker *w = arg;
    (void)events;
    bool close = now_us - w->feedback.read_us < FEEDBACK_GATHER_US;
    size_t n = receive(w, now_us);
    if (close)
        wait_together(w, now_us, n == SFU_RECV_MAX);
}

static void due(struct wheel_timer *t, int64_t now_us)
{
    struct sfu_worker *w = t->arg;
    size_t n = receive(w, now_us);
    if (n)
        wait_together(w, now_us, n == SFU_RECV_MAX);
    else
        loop_fd_mod(w->loop, w->feedback.fd, EPOLLIN);
}

void feedback_round(struct sfu_worker *w, int64_t now_us)
{
    struct feedback *f = &w->feedback;
    if (wheel_is_set(&f->timer) && now_us - f->read_us >= FEEDBACK_GATHER_US / 2)
        wait_together(w, now_us, receive(w, now_us) == SFU_RECV_MAX);
}

/* Where the kernel cannot tell RTCP apart, it comes with everything else. */
int feedback_init(struct sfu_worker *w, int buffer_bytes)
{
    struct feedback *f = &w->feedback;
    wheel_timer_init(&f->timer, due, w);
    int err = udp_open_rtcp(&w->udp, buffer_bytes, &f->udp);
    if (err) {
        log_info("udp.rtcp_together", "worker=%u error=\"%s\"", w->index, strerror(-err));
        return 0;
    }
    f->fd = loop_fd_add(w->loop, f->udp.fd, EPOLLIN, ready, w);
    return f->fd ? 0 : -errno;
}

void feedback_done(struct sfu_worker *w)
{
    udp_close(&w->feedback.udp);
}
