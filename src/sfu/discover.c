/* Our public address, asked of a STUN server before anything else runs: on a machine behind one-to-one NAT no
 * interface has it. */
#include <errno.h>
#include <netdb.h>
#include <poll.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include "base/log.h"
#include "ice/discover.h"
#include "net/clock.h"
#include "net/udp.h"
#include "sfu/sfu.h"

#define BUFFER_BYTES 65536
#define PACKETS      16 /* more than one answer at a time is rubbish */

/* ---- the server's name ---- */

/* A resolver cannot be told to hurry, so it has a thread of its own. Whoever comes last, it or the one who
 * waited, frees the lookup. */
struct lookup {
    pthread_mutex_t lock;
    pthread_cond_t changed;
    bool done, abandoned; /* under lock, as is the result */
    int err;
    struct addr found;
    char host[256], port[8]; /* not changed once the thread runs */
};

static void lookup_free(struct lookup *l)
{
    pthread_cond_destroy(&l->changed);
    pthread_mutex_destroy(&l->lock);
    free(l);
}

static struct lookup *lookup_new(void)
{
    struct lookup *l = calloc(1, sizeof *l);
    pthread_condattr_t monotonic;
    if (!l)
        return NULL;
    pthread_condattr_init(&monotonic);
    pthread_condattr_setclock(&monotonic, CLOCK_MONOTONIC);
    pthread_cond_init(&l->changed, &monotonic);
    pthread_condattr_destroy(&monotonic);
    pthread_mutex_init(&l->lock, NULL);
    return l;
}

static int split(const char *server, struct lookup *l)
{
    const char *colon = strrchr(server, ':'), *end = colon;
    if (!colon)
        return -EINVAL;
    if (*server == '[' && end > server + 1 && end[-1] == ']') {
        server++;
        end--;
    }
    size_t len = (size_t)(end - server);
    if (len == 0 || len >= sizeof l->host || strlen(colon + 1) >= sizeof l->port)
        return -EINVAL;
    memcpy(l->host, server, len);
    memcpy(l->port, colon + 1, strlen(colon + 1));
    return 0;
}

/* IPv4 first: that is what gets translated. */
static int choose(const struct addrinfo *list, struct addr *ret)
{
    for (int v6 = 0; v6 < 2; v6++)
        for (const struct addrinfo *a = list; a; a = a->ai_next)
            if (a->ai_family == (v6 ? AF_INET6 : AF_INET) && addr_from_sockaddr(a->ai_addr, ret) == 0)
                return 0;
    return -EHOSTUNREACH;
}

static void *resolve(void *arg)
{
    struct lookup *l = arg;
    const struct addrinfo hints = {.ai_family = AF_UNSPEC, .ai_socktype = SOCK_DGRAM};
    struct addrinfo *list = NULL;
    struct addr found;
    int err = getaddrinfo(l->host, l->port, &hints, &list) ? -EHOSTUNREACH : choose(list, &found);
    if (list)
        freeaddrinfo(list);
    pthread_mutex_lock(&l->lock);
    l->err = err;
    if (!err)
        l->found = found;
    l->done = true;
    bool last = l->abandoned;
    pthread_cond_signal(&l->changed);
    pthread_mutex_unlock(&l->lock);
    if (last)
        lookup_free(l);
    return NULL;
}

/* Waits for the thread. True when it is over and the lookup ours to free. */
static bool wait_for(struct lookup *l, int64_t until_us)
{
    struct timespec until = {.tv_sec = until_us / 1000000, .tv_nsec = until_us % 1000000 * 1000};
    pthread_mutex_lock(&l->lock);
    while (!l->done && pthread_cond_timedwait(&l->changed, &l->lock, &until) != ETIMEDOUT)
        ;
    bool done = l->done;
    l->abandoned = !done;
    pthread_mutex_unlock(&l->lock);
    return done;
}

static int find_server(const char *server, int64_t until_us, struct addr *ret)
{
    struct lookup *l = lookup_new();
    pthread_t thread;
    if (!l)
        return -ENOMEM;
    int err = split(server, l);
    if (!err)
        err = -pthread_create(&thread, NULL, resolve, l);
    if (!err) {
        pthread_detach(thread);
        if (!wait_for(l, until_us))
            return -ETIMEDOUT;
        err = l->err;
        if (!err)
            *ret = l->found;
    }
    lookup_free(l);
    return err;
}

/* ---- the question ---- */

static void take_answers(
    struct ice_discover *d, struct ice_stun *stun, struct udp_socket *s, struct packet_pool *pool)
{
    struct packet *batch[PACKETS];
    int n = udp_recv(s, pool, batch, PACKETS, clock_now_us());
    for (int i = 0; i < n; i++) {
        ice_discover_input(d, stun, &batch[i]->path.remote, batch[i]->data, batch[i]->len);
        packet_unref(batch[i]);
    }
}

static void ask(struct ice_discover *d, struct ice_stun *stun, struct udp_socket *s, struct packet_pool *pool,
    int64_t until_us)
{
    for (int64_t now_us = clock_now_us(); d->state == ICE_DISCOVER_WAITING && now_us < until_us;
         now_us = clock_now_us()) {
        uint8_t buf[64];
        struct writer out = writer_of(buf, sizeof buf);
        if (ice_discover_poll(d, stun, now_us, &out)) {
            struct udp_message m = {.path.remote = d->server, .data = buf, .len = out.len};
            udp_send(s, &m, 1);
        }
        int64_t due_us = ice_discover_next_timeout(d);
        due_us = due_us < until_us ? due_us : until_us;
        int wait_ms = due_us > now_us ? (int)((due_us - now_us + 999) / 1000) : 0;
        struct pollfd p = {.fd = s->fd, .events = POLLIN};
        if (poll(&p, 1, wait_ms) > 0)
            take_answers(d, stun, s, pool);
    }
}

static int ask_server(const struct addr *server, int64_t until_us, struct addr *ret)
{
    struct udp_socket s = {.fd = -1};
    struct packet_pool *pool = packet_pool_new(PACKETS);
    struct ice_stun *stun = ice_stun_new();
    int err = pool && stun ? udp_open(&s, 0, BUFFER_BYTES) : -ENOMEM;
    if (!err) {
        struct ice_discover d;
        ice_discover_init(&d, server, clock_now_us());
        ask(&d, stun, &s, pool, until_us);
        err = d.state == ICE_DISCOVER_DONE ? 0 : d.state == ICE_DISCOVER_FAILED ? -EPROTO : -ETIMEDOUT;
        if (!err) {
            *ret = d.mapped;
            ret->port = 0;
        }
        udp_close(&s);
    }
    ice_stun_free(stun);
    packet_pool_free(pool);
    return err;
}

int sfu_discover(const char *server, struct addr *ret)
{
    int64_t until_us = clock_now_us() + SFU_DISCOVER_US;
    struct addr at;
    char text[ADDR_TEXT_MAX];
    int err = find_server(server, until_us, &at);
    if (!err)
        err = ask_server(&at, until_us, ret);
    if (err)
        log_warn("address.unknown", "stun_server=%s error=\"%s\"", server, strerror(-err));
    else
        log_info("address.discovered", "stun_server=%s address=%s", server, addr_ip_text(ret, text));
    return err;
}
