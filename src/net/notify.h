/* What a service manager is told, and how often it wants to hear: the protocol of sd_notify(3), one datagram
 * a message. Written here because libsystemd, which has it too, brings five libraries and 0.8 MiB of resident
 * memory. Any thread.
 */
#ifndef NET_NOTIFY_H
#define NET_NOTIFY_H

#include <stdint.h>

/* Sends assignments, "READY=1" or several with newlines between them, to the socket in $NOTIFY_SOCKET: a
 * path, or with
 * "@" in front an abstract name. 0, also when there is no manager; -EINVAL: the variable holds neither;
 * -errno. */
int notify_send(const char *state);

/* The interval within which the manager wants "WATCHDOG=1" (sd_watchdog_enabled(3)), in microseconds; 0: it
 * does not, or not from this process. */
int64_t notify_watchdog_us(void);

#endif
