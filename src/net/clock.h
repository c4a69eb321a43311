/* The two clocks. Everything that measures durations uses clock_now_us; wall time is for people and tokens.
 */
#ifndef NET_CLOCK_H
#define NET_CLOCK_H

#include <stdint.h>

int64_t clock_now_us(void);  /* CLOCK_MONOTONIC, microseconds */
int64_t clock_wall_us(void); /* CLOCK_REALTIME, microseconds since 1970 */

#endif
