/* An epoll loop with a timer wheel and a mailbox of functions to run; one per thread. */
#ifndef NET_LOOP_H
#define NET_LOOP_H

#include <stdbool.h>
#include <stdint.h>
#include "net/mailbox.h"
#include "net/wheel.h"

struct loop;
struct loop_fd;

/* events: EPOLLIN | EPOLLOUT | EPOLLHUP | EPOLLERR as epoll gives them. */
typedef void (*loop_fd_fn)(void *arg, uint32_t events, int64_t now_us);
typedef void (*loop_call_fn)(void *arg);

struct loop *loop_new(void);    /* NULL with errno set */
void loop_free(struct loop *l); /* calls that did not run yet are dropped; descriptors stay open */

/* Watches fd (not owned). The handle stays valid until loop_fd_del. NULL with errno set. Loop's thread. */
struct loop_fd *loop_fd_add(struct loop *l, int fd, uint32_t events, loop_fd_fn fn, void *arg);
int loop_fd_mod(struct loop *l, struct loop_fd *f, uint32_t events);
/* Safe inside any callback: events already fetched for it are not delivered. The fd is not closed. */
void loop_fd_del(struct loop *l, struct loop_fd *f);

struct wheel *loop_wheel(struct loop *l);
int64_t loop_now_us(const struct loop *l); /* time read at the start of this round */

/* Runs fn(arg) on the loop's thread. Any thread; order of one sender is kept. -ENOMEM: nothing will run. */
int loop_call(struct loop *l, loop_call_fn fn, void *arg);

/* The same for a caller that holds a struct of its own, so that it cannot fail: call must stay valid till it
 * ran. */
struct loop_call {
    struct mail mail;
    loop_call_fn fn;
    void *arg;
};
void loop_call_post(struct loop *l, struct loop_call *call);

/* Called once a round after all events and timers, before sleeping (flush of batched output). */
void loop_set_after(struct loop *l, loop_call_fn fn, void *arg);

/* There is more to do: the next round does not sleep, but looks at descriptors and timers first. Loop's
 * thread.
 */
void loop_again(struct loop *l);

/* Rounds of loop_run begin at least so far apart from now on, less than a second; 0: as soon as there is
 * something. What comes meanwhile is found together. A due timer or loop_again is not held up by more. Loop's
 * thread. */
void loop_set_pace(struct loop *l, int64_t apart_us);

void loop_run(struct loop *l);                      /* until loop_stop */
void loop_run_once(struct loop *l, int timeout_ms); /* one round; -1: sleep till something is due */
void loop_stop(struct loop *l);                     /* any thread */

#endif
