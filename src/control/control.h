/* The control thread: it owns every room, participant, signalling session and API request, so none of them
 * has a lock. Other threads reach it through control_call; it reaches itself by timers on its loop's wheel.
 */
#ifndef CONTROL_CONTROL_H
#define CONTROL_CONTROL_H

#include <stdint.h>
#include "net/loop.h"

struct control;

struct control *control_new(void);    /* NULL with errno set */
int control_start(struct control *c); /* starts the thread; 0 or -errno */
void control_stop(
    struct control *c); /* from another thread: ends the loop after the round under way, joins */
void control_free(
    struct control *c); /* stops it first; calls that did not run are forgotten. NULL is allowed */

struct loop *control_loop(struct control *c); /* control thread only, or before control_start */

/* Runs fn(arg) on the control thread. Any thread. 0 or -ENOMEM. */
int control_call(struct control *c, loop_call_fn fn, void *arg);

/* The same, and waits until fn has returned. Not from the control thread. 0, or -ESRCH when the thread does
 * not run. */
int control_call_wait(struct control *c, loop_call_fn fn, void *arg);

#endif
