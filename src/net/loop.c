#include "net/loop.h"

#include <errno.h>
#include <limits.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <time.h>
#include <unistd.h>

#include "base/list.h"
#include "net/clock.h"
#include "net/mailbox.h"

#define EVENTS_MAX 64

struct loop_fd {
    struct list link;
    int fd;
    loop_fd_fn fn; /* NULL: deleted, freed at the end of the round */
    void *arg;
};

struct loop {
    int epoll;
    struct mailbox mailbox;
    struct wheel *wheel;
    int64_t now_us;
    struct list fds, dead;
    loop_call_fn after;
    void *after_arg;
    int64_t apart_us; /* of the rounds' beginnings */
    _Atomic bool stop;
    bool coarse; /* kernel without epoll_pwait2 */
    bool again;  /* the next round does not sleep */
};

struct loop *loop_new(void)
{
    struct loop *l = calloc(1, sizeof *l);
    if (!l) {
        errno = ENOMEM;
        return NULL;
    }
    list_init(&l->fds);
    list_init(&l->dead);
    l->now_us = clock_now_us();
    l->mailbox.fd = -1;
    l->epoll = epoll_create1(EPOLL_CLOEXEC);
    int rc = l->epoll < 0 ? -errno : mailbox_init(&l->mailbox);
    if (rc < 0)
        goto out;
    struct epoll_event e = {.events = EPOLLIN, .data.ptr = NULL}; /* NULL: the mailbox */
    if (epoll_ctl(l->epoll, EPOLL_CTL_ADD, l->mailbox.fd, &e) < 0) {
        rc = -errno;
        goto out;
    }
    l->wheel = wheel_new(l->now_us);
    if (!l->wheel) {
        rc = -ENOMEM;
        goto out;
    }
    return l;
out:
    loop_free(l);
    errno = -rc;
    return NULL;
}

static void fds_free(struct list *head)
{
    while (!list_empty(head)) {
        struct loop_fd *f = list_entry(head->next, struct loop_fd, link);
        list_del(&f->link);
        free(f);
    }
}

struct loop_fd *loop_fd_add(struct loop *l, int fd, uint32_t events, loop_fd_fn fn, void *arg)
{
    struct loop_fd *f = malloc(sizeof *f);
    if (!f) {
        errno = ENOMEM;
        return NULL;
    }
    *f = (struct loop_fd){.fd = fd, .fn = fn, .arg = arg};
    struct epoll_event e = {.events = events, .data.ptr = f};
    if (epoll_ctl(l->epoll, EPOLL_CTL_ADD, fd, &e) < 0) {
        int saved = errno;
        free(f);
        errno = saved;
        return NULL;
    }
    list_add_tail(&l->fds, &f->link);
    return f;
}

int loop_fd_mod(struct loop *l, struct loop_fd *f, uint32_t events)
{
    struct epoll_event e = {.events = events, .data.ptr = f};
    return epoll_ctl(l->epoll, EPOLL_CTL_MOD, f->fd, &e) < 0 ? -errno : 0;
}

void loop_fd_del(struct loop *l, struct loop_fd *f)
{
    if (!f)
        return;
    epoll_ctl(l->epoll, EPOLL_CTL_DEL, f->fd, NULL);
    f->fn = NULL;
    list_del(&f->link);
    list_add_tail(&l->dead, &f->link);
}

struct wheel *loop_wheel(struct loop *l)
{
    return l->wheel;
}

int64_t loop_now_us(const struct loop *l)
{
    return l->now_us;
}

/* A call of loop_call, which frees itself. */
struct loop_once {
    struct loop_call call;
    loop_call_fn fn;
    void *arg;
};

static void once_run(void *arg)
{
    struct loop_once *once = arg;
    loop_call_fn fn = once->fn;
    void *fn_arg = once->arg;
    free(once);
    fn(fn_arg);
}

int loop_call(struct loop *l, loop_call_fn fn, void *arg)
{
    struct loop_once *once = malloc(sizeof *once);
    if (!once)
        return -ENOMEM;
    *once = (struct loop_once){.call = {.fn = once_run, .arg = once}, .fn = fn, .arg = arg};
    loop_call_post(l, &once->call);
    return 0;
}

void loop_call_post(struct loop *l, struct loop_call *call)
{
    mailbox_post(&l->mailbox, &call->mail);
}

void loop_free(struct loop *l)
{
    if (!l)
        return;
    if (l->mailbox.fd >= 0) {
        for (struct mail *m = mailbox_take(&l->mailbox), *next; m; m = next) {
            next = m->next;
            struct loop_call *call = (struct loop_call *)m;
            if (call->fn == once_run)
                free(call->arg);
        }
        mailbox_done(&l->mailbox);
    }
    fds_free(&l->fds);
    fds_free(&l->dead);
    wheel_free(l->wheel);
    if (l->epoll >= 0)
        close(l->epoll);
    free(l);
}

void loop_set_after(struct loop *l, loop_call_fn fn, void *arg)
{
    l->after = fn;
    l->after_arg = arg;
}

/* Sleeps at most wait_us (negative: for ever). Number of events, 0 when interrupted. */
static int loop_wait(struct loop *l, struct epoll_event *events, int64_t wait_us)
{
    int n = -1;
    if (!l->coarse) {
        struct timespec t = {.tv_sec = wait_us / 1000000, .tv_nsec = wait_us % 1000000 * 1000};
        n = epoll_pwait2(l->epoll, events, EVENTS_MAX, wait_us < 0 ? NULL : &t, NULL);
        if (n < 0 && (errno == ENOSYS || errno == EPERM))
            l->coarse = true; /* old kernel, or a system call filter that does not know it */
    }
    if (l->coarse) {
        int64_t wait_ms = wait_us / 1000 + (wait_us % 1000 > 0);
        n = epoll_wait(l->epoll, events, EVENTS_MAX,
            wait_us < 0         ? -1
            : wait_ms > INT_MAX ? INT_MAX
                                : (int)wait_ms);
    }
    return n < 0 ? 0 : n;
}

static void loop_deliver(struct loop *l)
{
    for (struct mail *m = mailbox_take(&l->mailbox), *next; m; m = next) {
        next = m->next; /* the call may free or post its struct again */
        struct loop_call *call = (struct loop_call *)m;
        call->fn(call->arg);
    }
}

void loop_again(struct loop *l)
{
    l->again = true;
}

void loop_run_once(struct loop *l, int timeout_ms)
{
    int64_t next_us = wheel_next_us(l->wheel), wait_us = timeout_ms < 0 ? -1 : (int64_t)timeout_ms * 1000;
    if (next_us != INT64_MAX) {
        int64_t left = next_us - clock_now_us();
        left = left < 0 ? 0 : left;
        if (wait_us < 0 || left < wait_us)
            wait_us = left;
    }
    struct epoll_event events[EVENTS_MAX];
    int n = loop_wait(l, events, l->again ? 0 : wait_us);
    l->again = false;
    l->now_us = clock_now_us();
    for (int i = 0; i < n; i++) {
        struct loop_fd *f = events[i].data.ptr;
        if (!f)
            loop_deliver(l);
        else if (f->fn)
            f->fn(f->arg, events[i].events, l->now_us);
    }
    wheel_advance(l->wheel, l->now_us);
    if (l->after)
        l->after(l->after_arg);
    fds_free(&l->dead);
}

void loop_set_pace(struct loop *l, int64_t apart_us)
{
    l->apart_us = apart_us;
}

static void loop_rest(const struct loop *l)
{
    int64_t now_us = clock_now_us(), timer_us = wheel_next_us(l->wheel), until_us = l->now_us + l->apart_us;
    int64_t left_us = (timer_us < until_us ? timer_us : until_us) - now_us;
    if (!l->again && left_us > 0)
        nanosleep(&(struct timespec){.tv_nsec = left_us * 1000}, NULL); /* cut short by a signal: no matter */
}

void loop_run(struct loop *l)
{
    while (!atomic_exchange_explicit(&l->stop, false, memory_order_acquire)) {
        loop_run_once(l, -1);
        if (l->apart_us)
            loop_rest(l);
    }
}

void loop_stop(struct loop *l)
{
    atomic_store_explicit(&l->stop, true, memory_order_release);
    mailbox_wake(&l->mailbox);
}
