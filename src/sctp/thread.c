#include "sctp/thread.h"
#include <errno.h>
#include <poll.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include "base/log.h"
#include "net/clock.h"
#include "sctp/private.h"

struct sctp_thread {
    pthread_t thread;
    struct mailbox mailbox;
    bool stop; /* sctp thread only */
};

static void run_mail(struct sctp_thread *t)
{
    struct mail *m = mailbox_take(&t->mailbox);
    while (m) {
        _Static_assert(offsetof(struct sctp_call, mail) == 0, "mail is the start of every message");
        struct sctp_call *call = (struct sctp_call *)m; /* its function may free it */
        m = m->next;
        call->fn(call->arg);
        stack_drain();
    }
}

static void *run(void *arg)
{
    struct sctp_thread *t = arg;
    int64_t ticked_us = clock_now_us();

    while (!t->stop) {
        struct pollfd p = {.fd = t->mailbox.fd, .events = POLLIN};
        bool was_busy = sctp_stack_is_busy();
        int64_t wait_us = ticked_us + SCTP_TICK_US - clock_now_us();
        (void)poll(&p, 1, !was_busy ? -1 : wait_us > 0 ? (int)((wait_us + 999) / 1000) : 0);

        int64_t now_us = clock_now_us();
        if (!was_busy) {
            ticked_us = now_us; /* nobody's time has passed */
        } else if (now_us - ticked_us >= SCTP_TICK_US) {
            uint32_t elapsed_ms = (uint32_t)((now_us - ticked_us) / 1000);
            sctp_stack_tick(elapsed_ms);
            ticked_us += (int64_t)elapsed_ms * 1000;
        }
        run_mail(t);
    }
    run_mail(t);
    return NULL;
}

int sctp_thread_start(struct sctp_thread **ret)
{
    struct sctp_thread *t = calloc(1, sizeof *t);
    if (!t)
        return -ENOMEM;
    int r = mailbox_init(&t->mailbox);
    if (r < 0)
        goto out;
    r = sctp_stack_init();
    if (r < 0)
        goto out_mailbox;
    r = -pthread_create(&t->thread, NULL, run, t);
    if (r < 0)
        goto out_stack;
    (void)pthread_setname_np(t->thread, "fl-sctp");
    *ret = t;
    return 0;
out_stack:
    (void)sctp_stack_done();
out_mailbox:
    mailbox_done(&t->mailbox);
out:
    free(t);
    return r;
}

static void stop(void *arg)
{
    struct sctp_thread *t = arg;
    t->stop = true;
}

void sctp_thread_stop(struct sctp_thread *t)
{
    struct sctp_call call = {.fn = stop, .arg = t};

    if (!t)
        return;
    sctp_thread_post(t, &call);
    (void)pthread_join(t->thread, NULL);
    if (sctp_stack_done() < 0)
        log_warn("sctp.stop", "reason=\"associations are left\"");
    mailbox_done(&t->mailbox);
    free(t);
}

void sctp_thread_post(struct sctp_thread *t, struct sctp_call *call)
{
    mailbox_post(&t->mailbox, &call->mail);
}

struct allocated_call {
    struct sctp_call call;
    void (*fn)(void *arg);
    void *arg;
};

static void run_allocated(void *arg)
{
    struct allocated_call c = *(struct allocated_call *)arg;
    free(arg);
    c.fn(c.arg);
}

int sctp_thread_call(struct sctp_thread *t, void (*fn)(void *arg), void *arg)
{
    struct allocated_call *c = malloc(sizeof *c);
    if (!c)
        return -ENOMEM;
    *c = (struct allocated_call){.call = {.fn = run_allocated, .arg = c}, .fn = fn, .arg = arg};
    sctp_thread_post(t, &c->call);
    return 0;
}

/* ---- associations ---- */

struct input {
    struct sctp_call call;
    struct sctp_association *association;
    size_t len;
    uint8_t packet[];
};

static void run_input(void *arg)
{
    struct input *in = arg;
    atomic_fetch_sub_explicit(&in->association->input_queued, 1, memory_order_relaxed);
    sctp_association_input(in->association, in->packet, in->len);
    free(in);
}

void sctp_thread_input(struct sctp_association *a, const uint8_t *packet, size_t len)
{
    if (atomic_fetch_add_explicit(&a->input_queued, 1, memory_order_relaxed) < SCTP_INPUT_QUEUE) {
        struct input *in = malloc(sizeof *in + len);
        if (in) {
            *in = (struct input){.call = {.fn = run_input, .arg = in}, .association = a, .len = len};
            memcpy(in->packet, packet, len);
            sctp_thread_post(a->thread, &in->call);
            return;
        }
    }
    atomic_fetch_sub_explicit(&a->input_queued, 1, memory_order_relaxed);
    atomic_fetch_add_explicit(&a->input_dropped, 1, memory_order_relaxed);
}

static void run_start(void *arg)
{
    struct sctp_association *a = arg;
    int r = sctp_association_start(a, a->start_as_client);
    if (r == 0)
        return;
    log_warn("sctp.start", "error=%s", strerror(-r));
    sctp_association_close(a);
}

void sctp_thread_association_start(struct sctp_association *a, bool dtls_client)
{
    a->start_as_client = dtls_client;
    a->start_call = (struct sctp_call){.fn = run_start, .arg = a};
    sctp_thread_post(a->thread, &a->start_call);
}

static void run_free(void *arg)
{
    struct sctp_association *a = arg;
    void (*freed)(void *) = a->freed;
    void *freed_arg = a->freed_arg;

    sctp_association_free(a);
    if (freed)
        freed(freed_arg);
}

void sctp_thread_association_free(struct sctp_association *a, void (*freed)(void *arg), void *arg)
{
    a->freed = freed;
    a->freed_arg = arg;
    a->free_call = (struct sctp_call){.fn = run_free, .arg = a};
    sctp_thread_post(a->thread, &a->free_call);
}
