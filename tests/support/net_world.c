#include "support/net_world.h"

#include <setjmp.h>
#include <stdarg.h>
#include <cmocka.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>
#include "base/log.h"
#include "base/rand.h"
#include "sfu/internal.h"
#include "tls/cert.h"

#define START_US        INT64_C(1000000000)
#define SERVER_PORT     7000
#define CLIENT_PORT     20000
#define QUIET_ROUNDS    64 /* of a worker at one time: more means that it never comes to rest */
#define CONNECT_US      5000000
#define CONNECT_STEP_US 1000

extern int64_t virtual_now_us;

static struct net_world *the_world; /* sockets have no argument of ours */

/* ---- sockets of the server ---- */

/* A datagram that waits in a worker's socket. */
struct arrival {
    struct arrival *next;
    struct path path; /* as the server sees it */
    size_t len;
    uint8_t data[];
};

static struct {
    struct arrival *head, **tail;
} inboxes[NET_WORKERS_MAX];

static void text_addr(const char *ip, unsigned port, struct addr *ret)
{
    assert_int_equal(addr_parse(ip, (uint16_t)port, ret), 0);
}

int net_socket_open(struct udp_socket *s, uint16_t port)
{
    *s = (struct udp_socket){.port = port, .rcvbuf = 1 << 22, .sndbuf = 1 << 22};
    assert_in_range(port, SERVER_PORT, SERVER_PORT + NET_WORKERS_MAX - 1);
    inboxes[port - SERVER_PORT].head = NULL;
    inboxes[port - SERVER_PORT].tail = &inboxes[port - SERVER_PORT].head;
    s->fd = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
    return s->fd < 0 ? -errno : 0;
}

static struct arrival *inbox_take(unsigned worker)
{
    struct arrival *a = inboxes[worker].head;
    if (a) {
        inboxes[worker].head = a->next;
        if (!a->next)
            inboxes[worker].tail = &inboxes[worker].head;
    }
    return a;
}

void net_socket_close(struct udp_socket *s)
{
    struct arrival *a;
    while ((a = inbox_take((unsigned)s->port - SERVER_PORT)))
        free(a);
    close(s->fd);
    s->fd = -1;
}

int net_socket_recv(
    struct udp_socket *s, struct packet_pool *pool, struct packet **ret, size_t max, int64_t now_us)
{
    unsigned worker = (unsigned)s->port - SERVER_PORT;
    size_t n = 0;
    uint64_t count;
    while (n < max && inboxes[worker].head) {
        struct packet *p = packet_get(pool);
        assert_non_null(p);
        struct arrival *a = inbox_take(worker);
        assert_true(a->len <= PACKET_SIZE_MAX);
        memcpy(p->data, a->data, a->len);
        p->len = (uint16_t)a->len;
        p->path = a->path;
        p->recv_us = now_us;
        free(a);
        ret[n++] = p;
    }
    if (!inboxes[worker].head)
        (void)!read(s->fd, &count, sizeof count);
    return (int)n;
}

static void peer_input(struct net_peer *p, const uint8_t *data, size_t len, int64_t now_us)
{
    rtc_client_input(&p->client, &p->path, data, len, now_us);
}

static void datagram_send(struct net_peer *p, const uint8_t *data, size_t len)
{
    uint64_t dropped = p->down ? p->down->link.counts.dropped : 0;
    if (p->down)
        link_send(&p->down->link, p->index, data, len, virtual_now_us);
    if (p->ops && p->ops->sent)
        p->ops->sent(p->arg, data, len, p->down && p->down->link.counts.dropped > dropped);
    if (p->down)
        return;
    p->sent_us = virtual_now_us;
    p->queue_us = 0;
    p->wire_bytes = len + NET_OVERHEAD;
    peer_input(p, data, len, virtual_now_us);
}

size_t net_socket_send(struct udp_socket *s, const struct udp_message *messages, size_t n)
{
    struct net_world *w = the_world;
    for (size_t i = 0; i < n; i++) {
        size_t index = (size_t)messages[i].path.remote.port - CLIENT_PORT;
        s->sends++;
        if (index >= w->peer_count)
            continue;
        datagram_send(w->peers[index], messages[i].data, messages[i].len);
    }
    return n;
}

static void server_input(struct net_peer *p, const uint8_t *data, size_t len)
{
    struct arrival *a = malloc(sizeof *a + len);
    uint64_t one = 1;
    assert_non_null(a);
    *a = (struct arrival){.len = len};
    a->path.remote = p->path.local;
    a->path.local = p->path.remote;
    memcpy(a->data, data, len);
    *inboxes[p->worker].tail = a;
    inboxes[p->worker].tail = &a->next;
    assert_int_equal(write(p->world->sfu->workers[p->worker]->udp.fd, &one, sizeof one), sizeof one);
}

/* ---- clients ---- */

static void on_send(void *arg, const struct path *path, const uint8_t *data, size_t len)
{
    struct net_peer *p = arg;
    (void)path;
    if (p->up)
        link_send(&p->up->link, p->index, data, len, virtual_now_us);
    else
        server_input(p, data, len);
}

static void on_rtp(void *arg, const uint8_t *data, size_t len, const struct rtp_packet *h)
{
    struct net_peer *p = arg;
    if (p->ops && p->ops->rtp)
        p->ops->rtp(p->arg, data, len, h);
}

static void on_rtcp(void *arg, const uint8_t *data, size_t len)
{
    struct net_peer *p = arg;
    if (p->ops && p->ops->rtcp)
        p->ops->rtcp(p->arg, data, len);
}

static const struct rtc_client_ops client_ops = {.send = on_send, .rtp = on_rtp, .rtcp = on_rtcp};

static void command_text(struct sfu_command *c, const struct net_peer *p)
{
    struct sfu_ice_credentials *ice = &c->remote.ice;
    (void)snprintf(ice->local_ufrag, sizeof ice->local_ufrag, "%s", p->remote.ufrag);
    (void)snprintf(ice->local_pwd, sizeof ice->local_pwd, "%s", p->remote.pwd);
    (void)snprintf(ice->remote_ufrag, sizeof ice->remote_ufrag, "%s", p->client.ice.local.ufrag);
    (void)snprintf(c->remote.fingerprint, sizeof c->remote.fingerprint, "sha-256 %s",
        dtls_context_fingerprint(p->world->client_dtls));
}

struct net_peer *net_peer_add(struct net_world *w, unsigned worker, const struct net_peer_ops *ops, void *arg)
{
    struct net_peer *p = calloc(1, sizeof *p);
    assert_non_null(p);
    assert_true(w->peer_count < NET_PEERS_MAX && worker < w->workers);
    p->world = w;
    p->index = (int)w->peer_count;
    w->peers[w->peer_count++] = p;
    p->id = net_id(w);
    p->worker = (uint8_t)worker;
    p->ops = ops;
    p->arg = arg;
    text_addr("198.51.100.7", CLIENT_PORT + (unsigned)p->index, &p->path.local);
    text_addr("203.0.113.1", SERVER_PORT + worker, &p->path.remote);
    ice_credentials_make(&p->remote);
    p->remote.ufrag[0] = (char)('A' + worker);
    rtc_client_init(&p->client, w->client_dtls, DTLS_CLIENT, &client_ops, p, virtual_now_us);
    struct sfu_command c = {.type = SFU_PEER_ADD, .worker = p->worker, .peer = p->id};
    command_text(&c, p);
    net_post(w, &c);
    rtc_client_remote(
        &p->client, p->remote.ufrag, p->remote.pwd, dtls_context_fingerprint(w->server_dtls), virtual_now_us);
    assert_int_equal(ice_control_add_path(&p->client.ice, &p->path, virtual_now_us), 0);
    return p;
}

static void on_event(void *arg, const struct sfu_event *e)
{
    struct net_world *w = arg;
    for (size_t i = 0; i < w->peer_count; i++) {
        struct net_peer *p = w->peers[i];
        if (p->id != e->peer)
            continue;
        if (e->type == SFU_EVENT_PEER_STATE)
            p->connected = e->peer_state.state == SFU_PEER_CONNECTED;
        if (p->ops && p->ops->event)
            p->ops->event(p->arg, e);
    }
}

/* ---- time ---- */

static bool worker_busy(struct sfu_worker *w)
{
    return mailbox_waits(&w->mail) || inboxes[w->index].head || w->handshakes.count;
}

static bool worker_due(struct sfu_worker *w)
{
    return worker_busy(w) || wheel_next_us(loop_wheel(w->loop)) <= virtual_now_us;
}

static void server_run(struct net_world *w)
{
    for (unsigned rounds = 0, ran = 1; ran; rounds++) {
        assert_true(rounds < QUIET_ROUNDS);
        ran = 0;
        for (unsigned i = 0; i < w->workers; i++) {
            struct sfu_worker *worker = w->sfu->workers[i];
            if (rounds ? !worker_busy(worker) : !worker_due(worker))
                continue;
            ran = 1;
            loop_run_once(worker->loop, 0);
        }
    }
    sfu_take_events(w->sfu, on_event, w);
}

static void links_take(struct net_world *w)
{
    for (size_t i = 0; i < w->link_count; i++) {
        struct net_link *l = w->links[i];
        struct link_datagram *d;
        if (link_next_us(&l->link) > virtual_now_us)
            continue;
        while ((d = link_take(&l->link, virtual_now_us))) {
            if (l->tap)
                l->tap(l->arg, d, virtual_now_us);
            struct net_peer *p = d->tag >= 0 ? w->peers[d->tag] : NULL;
            if (!p) {
                if (l->other)
                    l->other(l->arg, d, virtual_now_us);
            } else if (p->up == l) {
                server_input(p, d->data, d->len);
            } else {
                p->sent_us = d->sent_us;
                p->queue_us = d->queue_us;
                p->wire_bytes = d->len + NET_OVERHEAD;
                peer_input(p, d->data, d->len, virtual_now_us);
            }
            free(d);
        }
    }
}

static void peers_run(struct net_world *w)
{
    for (size_t i = 0; i < w->peer_count; i++) {
        struct net_peer *p = w->peers[i];
        if (rtc_client_next_timeout(&p->client) <= virtual_now_us)
            rtc_client_run(&p->client, virtual_now_us);
        if (p->ops && p->ops->next_us && p->ops->next_us(p->arg) <= virtual_now_us)
            p->ops->run(p->arg, virtual_now_us);
    }
    if (w->next_us && w->next_us(w->arg) <= virtual_now_us)
        w->run(w->arg, virtual_now_us);
}

static int64_t earlier(int64_t a, int64_t b)
{
    return a < b ? a : b;
}

static int64_t next_time(struct net_world *w)
{
    int64_t next = INT64_MAX;
    for (unsigned i = 0; i < w->workers; i++) {
        if (worker_busy(w->sfu->workers[i]))
            return virtual_now_us;
        next = earlier(next, wheel_next_us(loop_wheel(w->sfu->workers[i]->loop)));
    }
    for (size_t i = 0; i < w->link_count; i++)
        next = earlier(next, link_next_us(&w->links[i]->link));
    for (size_t i = 0; i < w->peer_count; i++) {
        const struct net_peer *p = w->peers[i];
        next = earlier(next, rtc_client_next_timeout(&p->client));
        if (p->ops && p->ops->next_us)
            next = earlier(next, p->ops->next_us(p->arg));
    }
    if (w->next_us)
        next = earlier(next, w->next_us(w->arg));
    return next > virtual_now_us ? next : virtual_now_us;
}

static void run_until(struct net_world *w, int64_t until_us)
{
    unsigned still = 0;
    for (int64_t next; (next = next_time(w)) <= until_us;) {
        still = next == virtual_now_us ? still + 1 : 0;
        assert_true(still < 10000); /* else something is due that never gets done */
        virtual_now_us = next;
        links_take(w);
        server_run(w);
        peers_run(w);
    }
    virtual_now_us = until_us;
}

void net_run(struct net_world *w, double until_s)
{
    run_until(w, w->zero_us + (int64_t)(until_s * 1e6));
}

int64_t net_now_us(const struct net_world *w)
{
    return virtual_now_us - w->zero_us;
}

double net_now_s(const struct net_world *w)
{
    return (double)net_now_us(w) / 1e6;
}

/* ---- life ---- */

static struct dtls_context *context_make(void)
{
    struct cert *cert = NULL;
    struct dtls_context *c = NULL;
    assert_int_equal(cert_make(&(struct cert_subject){.days = 30}, &cert, NULL), 0);
    assert_int_equal(dtls_context_new(cert, &c), 0);
    cert_free(cert);
    return c;
}

static void random_fill(void *arg, void *buf, size_t len)
{
    uint8_t *p = buf;
    for (size_t i = 0; i < len; i++)
        p[i] = (uint8_t)seeded_u64(arg);
}

struct net_world *net_open(uint64_t seed, unsigned workers)
{
    char error[256];
    struct net_world *w = calloc(1, sizeof *w);
    assert_non_null(w);
    assert_null(the_world);
    assert_in_range(workers, 1, NET_WORKERS_MAX);
    (void)log_open(LOG_LEVEL_WARN, NULL);
    the_world = w;
    virtual_now_us = START_US; /* whatever ran before: the same seed is the same run */
    w->seed = seed;
    w->random = seeded_of(seed);
    w->workers = workers;
    w->next_id = 1;
    rand_source_set(random_fill, &w->random);
    w->cfg.rtc.udp_port = SERVER_PORT;
    w->cfg.rtc.loopback = CONFIG_ON;
    w->server_dtls = context_make();
    w->client_dtls = context_make();
    struct sfu_config config = {.cfg = &w->cfg, .dtls = w->server_dtls, .workers = workers};
    if (sfu_new(&config, &w->sfu, error, sizeof error))
        fail_msg("sfu_new: %s", error);
    return w;
}

void net_close(struct net_world *w)
{
    for (size_t i = 0; i < w->peer_count; i++)
        net_post(w, &(struct sfu_command){
                        .type = SFU_PEER_REMOVE, .worker = w->peers[i]->worker, .peer = w->peers[i]->id});
    w->run = NULL;
    w->next_us = NULL;
    server_run(w);
    sfu_stop(w->sfu); /* nothing was started; commands are refused from here on */
    sfu_free(w->sfu);
    while (w->peer_count) {
        struct net_peer *p = w->peers[--w->peer_count];
        rtc_client_done(&p->client);
        free(p);
    }
    while (w->link_count) {
        struct net_link *l = w->links[--w->link_count];
        link_done(&l->link);
        free(l);
    }
    dtls_context_free(w->server_dtls);
    dtls_context_free(w->client_dtls);
    rand_source_set(NULL, NULL);
    the_world = NULL;
    free(w);
}

static bool all_connected(const struct net_world *w)
{
    for (size_t i = 0; i < w->peer_count; i++)
        if (!w->peers[i]->connected || !w->peers[i]->client.established)
            return false;
    return true;
}

void net_connect(struct net_world *w)
{
    for (int64_t until_us = virtual_now_us + CONNECT_US; !all_connected(w);) {
        if (virtual_now_us >= until_us)
            fail_msg("not all peers are connected");
        run_until(w, virtual_now_us + CONNECT_STEP_US);
    }
}

struct net_link *net_link_add(struct net_world *w, const char *script)
{
    struct net_link *l = calloc(1, sizeof *l);
    char text[512];
    int line = 0;
    assert_non_null(l);
    assert_true(w->link_count < NET_LINKS_MAX);
    /* each link has its own luck, whatever others there are */
    assert_int_equal(link_init(&l->link, w->seed * 1000 + w->link_count, virtual_now_us), 0);
    const char *rest = strncmp(script, "0 ", 2) ? NULL : script + 2;
    if (!rest || snprintf(text, sizeof text, "0 overhead=%d %s", NET_OVERHEAD, rest) >= (int)sizeof text)
        fail_msg("a script begins with \"0 \": %s", script);
    if (link_script_parse(&l->link, text, &line))
        fail_msg("line %d of: %s", line, script);
    w->links[w->link_count++] = l;
    return l;
}

void net_begin(struct net_world *w)
{
    w->zero_us = virtual_now_us;
    for (size_t i = 0; i < w->link_count; i++)
        w->links[i]->link.start_us = w->links[i]->link.at_us = virtual_now_us;
}

void net_post(struct net_world *w, const struct sfu_command *c)
{
    assert_int_equal(sfu_post(w->sfu, c), 0);
}

uint32_t net_id(struct net_world *w)
{
    return w->next_id++;
}

struct sfu_stats net_stats(struct net_world *w)
{
    struct sfu_stats s;
    run_until(w, virtual_now_us + SFU_TICK_US + 1000); /* a tick publishes them */
    sfu_stats(w->sfu, &s);
    return s;
}

struct sfu_peer *net_sfu_peer(const struct net_peer *p)
{
    struct sfu_peer *found;
    HASH_FIND_INT(p->world->sfu->workers[p->worker]->peers, &p->id, found);
    return found;
}
