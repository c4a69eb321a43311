#include "control/hub.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include "base/limits.h"
#include "base/log.h"
#include "net/clock.h"

struct hub {
    struct loop *loop;
    struct sfu *sfu;
    struct room_server *rooms;
    struct loop_fd *events;
    struct wheel_timer rooms_timer; /* the earliest time a room asked to be called at */
    struct wheel_timer address_timer;
};

/* ---- what rooms need ---- */

static int64_t host_now_us(void *arg)
{
    (void)arg;
    return clock_now_us();
}

static int64_t host_wall_us(void *arg)
{
    (void)arg;
    return clock_wall_us();
}

static void host_post(void *arg, const struct sfu_command *c)
{
    struct hub *h = arg;
    int err = sfu_post(h->sfu, c);
    if (err && err != -ESHUTDOWN)
        log_error("command.lost", "worker=%u type=%d peer=%u track=%u sub=%u error=\"%s\"", c->worker,
            c->type, c->peer, c->track, c->sub, strerror(-err));
}

static void host_wake_at(void *arg, int64_t due_us)
{
    struct hub *h = arg;
    if (!wheel_is_set(&h->rooms_timer) || due_us < h->rooms_timer.due_us)
        wheel_set(loop_wheel(h->loop), &h->rooms_timer, due_us);
}

static const struct sfu_candidate *host_candidates(void *arg, unsigned worker, size_t *ret_n)
{
    struct hub *h = arg;
    return sfu_candidates(h->sfu, worker, ret_n);
}

static void rooms_due(struct wheel_timer *t, int64_t now_us)
{
    struct hub *h = t->arg;
    room_server_timeout(h->rooms, now_us);
}

/* ---- what the media side reports ---- */

static void take_event(void *arg, const struct sfu_event *e)
{
    struct hub *h = arg;
    room_server_event(h->rooms, e);
}

static void events_ready(void *arg, uint32_t events, int64_t now_us)
{
    struct hub *h = arg;
    (void)events;
    (void)now_us;
    sfu_take_events(h->sfu, take_event, h);
}

/* Interfaces come and go while the server runs. */
static void addresses_due(struct wheel_timer *t, int64_t now_us)
{
    struct hub *h = t->arg;
    sfu_candidates_refresh(h->sfu);
    wheel_set(loop_wheel(h->loop), t, now_us + HUB_ADDRESSES_US);
}

/* ---- life ---- */

static int open_media(struct hub *h, const struct hub_config *c, char *error, size_t size)
{
    const struct sfu_config config = {
        .cfg = c->cfg,
        .dtls = c->dtls,
        .workers = c->cfg->rtc.workers ? (unsigned)c->cfg->rtc.workers : sfu_workers_default(),
        .data_ops = c->data_ops,
        .data_arg = c->data_arg,
    };
    int err = sfu_new(&config, &h->sfu, error, size);
    if (err || !c->cfg->rtc.stun_server[0] || c->cfg->rtc.announced_ip.count)
        return err;
    struct addr mapped;
    if (sfu_discover(c->cfg->rtc.stun_server, &mapped) == 0)
        sfu_set_discovered(h->sfu, &mapped);
    return 0;
}

static int make_rooms(struct hub *h, const struct hub_config *c)
{
    struct room_host host = {
        .arg = h,
        .now_us = host_now_us,
        .wall_us = host_wall_us,
        .post = host_post,
        .wake_at = host_wake_at,
        .candidates = host_candidates,
        .workers = sfu_workers(h->sfu),
    };
    int n = snprintf(host.fingerprint, sizeof host.fingerprint, "sha-256 %s", c->fingerprint);
    if (n < 0 || (size_t)n >= sizeof host.fingerprint)
        return -EINVAL;
    h->rooms = room_server_new(c->cfg, &host);
    if (!h->rooms)
        return -ENOMEM;
    h->events = loop_fd_add(h->loop, sfu_event_fd(h->sfu), EPOLLIN, events_ready, h);
    if (!h->events)
        return -errno;
    wheel_set(loop_wheel(h->loop), &h->address_timer, clock_now_us() + HUB_ADDRESSES_US);
    return 0;
}

int hub_new(const struct hub_config *c, struct hub **ret, char *error, size_t size)
{
    struct hub *h = calloc(1, sizeof *h);
    if (!h) {
        snprintf(error, size, "no memory");
        return -ENOMEM;
    }
    h->loop = control_loop(c->control);
    wheel_timer_init(&h->rooms_timer, rooms_due, h);
    wheel_timer_init(&h->address_timer, addresses_due, h);
    int err = open_media(h, c, error, size);
    if (!err) {
        err = make_rooms(h, c);
        if (err)
            snprintf(error, size, "%s", strerror(-err));
    }
    if (err) {
        hub_free(h);
        return err;
    }
    *ret = h;
    return 0;
}

struct room_server *hub_rooms(const struct hub *h)
{
    return h->rooms;
}

struct sfu *hub_sfu(const struct hub *h)
{
    return h->sfu;
}

int hub_start(struct hub *h)
{
    return sfu_start(h->sfu);
}

void hub_goodbye(struct hub *h)
{
    room_server_close(h->rooms, LEAVE_SERVER_SHUTDOWN, LEAVE_DISCONNECT);
}

void hub_stop(struct hub *h)
{
    sfu_stop(h->sfu);
}

void hub_free(struct hub *h)
{
    if (!h)
        return;
    room_server_free(h->rooms);
    wheel_cancel(&h->rooms_timer);
    wheel_cancel(&h->address_timer);
    if (h->events)
        loop_fd_del(h->loop, h->events);
    sfu_free(h->sfu);
    free(h);
}
