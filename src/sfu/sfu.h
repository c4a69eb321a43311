/* The media side: workers that own peer connections, tracks and subscriptions, each on a thread of its own
 * with a UDP socket of its own. Control speaks to it by commands (sfu/command.h) and hears events
 * (sfu/event.h). */
#ifndef SFU_SFU_H
#define SFU_SFU_H

#include "config/config.h"
#include "sfu/command.h"
#include "sfu/data.h"
#include "sfu/event.h"
#include "sfu/stats.h"

struct sfu;
struct dtls_context;

struct sfu_config {
    const struct config *cfg;            /* outlives the sfu */
    struct dtls_context *dtls;           /* likewise */
    unsigned workers;                    /* 1 to SFU_WORKERS_MAX */
    const struct sfu_data_ops *data_ops; /* NULL: data channels are accepted and ignored */
    void *data_arg;
};

/* Opens the sockets (UDP cfg->rtc.udp_port + n, ICE-TCP). 0, or -errno with one line in error
 * (size bytes), which is empty after success. */
int sfu_new(const struct sfu_config *c, struct sfu **ret, char *error, size_t size);

/* Starts the threads. 0 or -errno. */
int sfu_start(struct sfu *s);

/* Ends the threads; peers get close_notify first. */
void sfu_stop(struct sfu *s);
void sfu_free(struct sfu *s); /* after sfu_stop if it was started; NULL is allowed */

unsigned sfu_workers(const struct sfu *s);

/* How many workers make sense here: the processors in our affinity mask and cgroup quota. */
unsigned sfu_workers_default(void);

/* Asks a STUN server, "host:port", for our public address; *ret has port 0. Blocks SFU_DISCOVER_US at most.
 * 0, or -errno with a warning logged. Any thread. */
int sfu_discover(const char *server, struct addr *ret);

/* ---- control thread ---- */

/* Readable when events wait: for control's loop. */
int sfu_event_fd(const struct sfu *s);
void sfu_take_events(struct sfu *s, void (*fn)(void *arg, const struct sfu_event *e), void *arg);

/* Addresses for descriptions, best first: announced ones, then those of the interfaces, then loopback, UDP
 * before TCP. Valid until the next call of sfu_candidates_refresh. */
const struct sfu_candidate *sfu_candidates(struct sfu *s, unsigned worker, size_t *ret_n);
void sfu_candidates_refresh(struct sfu *s);

/* Adds the address that the world sees us at, behind the announced ones. */
void sfu_set_discovered(struct sfu *s, const struct addr *a);

/* Counters of all workers, summed; a snapshot that may be a moment old. Any thread. */
void sfu_stats(struct sfu *s, struct sfu_stats *ret);

#endif
