/* usrsctp, of which there is one in a process, without threads of its own. sctp thread only; tests without
 * that thread call these themselves. */
#ifndef SCTP_STACK_H
#define SCTP_STACK_H

#include <stdbool.h>
#include <stdint.h>

#define SCTP_TICK_US 10000 /* between calls of sctp_stack_tick while sctp_stack_is_busy */

/* 0, -EBUSY (up already) or -ENOMEM. */
int sctp_stack_init(void);

/* Every association must have been freed. 0, or -EBUSY if usrsctp still holds one: it is up then, and may be
 * tried again. */
int sctp_stack_done(void);

/* Runs the timers that fall into the next elapsed_ms milliseconds, and the callbacks that follow. */
void sctp_stack_tick(uint32_t elapsed_ms);

/* Are there associations, or timers of some that have just gone? */
bool sctp_stack_is_busy(void);

#endif
