#include "control/control.h"

#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <stdbool.h>
#include <stdlib.h>

struct control {
    struct loop *loop;
    pthread_t thread;
    bool started;
};

struct control *control_new(void)
{
    struct control *c = calloc(1, sizeof *c);
    if (!c)
        return NULL;
    c->loop = loop_new();
    if (!c->loop) {
        int saved = errno;
        free(c);
        errno = saved;
        return NULL;
    }
    return c;
}

static void *control_main(void *arg)
{
    struct control *c = arg;
    loop_run(c->loop);
    return NULL;
}

int control_start(struct control *c)
{
    sigset_t all, old;
    sigfillset(&all); /* signals are the main thread's */
    pthread_sigmask(SIG_SETMASK, &all, &old);
    int err = pthread_create(&c->thread, NULL, control_main, c);
    pthread_sigmask(SIG_SETMASK, &old, NULL);
    if (err)
        return -err;
    pthread_setname_np(c->thread, "control");
    c->started = true;
    return 0;
}

void control_stop(struct control *c)
{
    if (!c->started)
        return;
    loop_stop(c->loop);
    pthread_join(c->thread, NULL);
    c->started = false;
}

void control_free(struct control *c)
{
    if (!c)
        return;
    control_stop(c);
    loop_free(c->loop);
    free(c);
}

struct loop *control_loop(struct control *c)
{
    return c->loop;
}

int control_call(struct control *c, loop_call_fn fn, void *arg)
{
    return loop_call(c->loop, fn, arg);
}

/* Lives on the caller's stack; done is the last thing that the control thread touches, under the lock. */
struct waited_call {
    struct loop_call call;
    loop_call_fn fn;
    void *arg;
    pthread_mutex_t lock;
    pthread_cond_t changed;
    bool done;
};

static void waited_run(void *arg)
{
    struct waited_call *w = arg;
    w->fn(w->arg);
    pthread_mutex_lock(&w->lock);
    w->done = true;
    pthread_cond_signal(&w->changed);
    pthread_mutex_unlock(&w->lock);
}

int control_call_wait(struct control *c, loop_call_fn fn, void *arg)
{
    if (!c->started)
        return -ESRCH;
    struct waited_call w = {.fn = fn, .arg = arg};
    w.call.fn = waited_run;
    w.call.arg = &w;
    pthread_mutex_init(&w.lock, NULL);
    pthread_cond_init(&w.changed, NULL);
    loop_call_post(c->loop, &w.call);
    pthread_mutex_lock(&w.lock);
    while (!w.done)
        pthread_cond_wait(&w.changed, &w.lock);
    pthread_mutex_unlock(&w.lock);
    pthread_cond_destroy(&w.changed);
    pthread_mutex_destroy(&w.lock);
    return 0;
}
